package realm

import (
	"context"
	"errors"
	"iter"
)

var errNotBuilt = errors.New("realm: not built yet")

// RowMax is the longest row of a service, in bytes.
const RowMax = 60 << 10

// Row gives a service's row from this region's copy. Its key is a path that
// begins with the service: iam/123456789012/user/bob. The value must not be
// changed.
func (r *Realm) Row(key string) ([]byte, bool) { return nil, false }

// Rows lists a service's rows whose keys begin with prefix and come after the
// given key, in order, from this region's copy as it is at one moment.
func (r *Realm) Rows(prefix, after string) iter.Seq2[string, []byte] {
	return func(func(string, []byte) bool) {}
}

// FetchRow is Row, but what this region's copy does not have is asked of home
// before it is said to be absent. Repeated misses are bounded.
func (r *Realm) FetchRow(ctx context.Context, key string) ([]byte, bool, error) {
	return nil, false, errNotBuilt
}

// WatchRows has fn called with the key of each row that changes under prefix,
// after the change has taken effect here. fn must be quick and must not call
// the realm's writers. It is called before the doors open.
func (r *Realm) WatchRows(prefix string, fn func(key string)) {}

// RowTx is a transaction over services' rows.
type RowTx struct{}

// Get reads a row; what it saw, or that there was none, must still hold when
// the transaction commits.
func (t *RowTx) Get(key string) ([]byte, bool) { return nil, false }

// Scan lists rows as they are here. What it saw is not guarded.
func (t *RowTx) Scan(prefix, after string) iter.Seq2[string, []byte] {
	return func(func(string, []byte) bool) {}
}

// Put writes a row when the transaction commits.
func (t *RowTx) Put(key string, value []byte) {}

// Delete removes a row when the transaction commits.
func (t *RowTx) Delete(key string) {}

// UpdateRows runs fn over this region's copy, sends what it read and wrote to
// home, which commits it if what was read still holds there, and returns when
// this region and, within ApplyWait, every reachable one has applied it. When
// what was read no longer holds, fn runs again on newer rows. An error of fn
// ends it and is returned as it is. ErrUnavailable means that home can't be
// asked.
func (r *Realm) UpdateRows(ctx context.Context, fn func(tx *RowTx) error) error { return errNotBuilt }
