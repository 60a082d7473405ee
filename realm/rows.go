package realm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/farhold/farhold/awserr"
)

// Bounds of services' rows.
const (
	RowMax    = 60 << 10  // bytes of a row
	RowKeyMax = 1024      // bytes of its key
	txRowsMax = 100       // rows that a transaction writes
	txRoom    = 400 << 10 // bytes of their keys and values: a commit has each twice, in the tables and in the feed
	txReads   = 1000      // rows that it reads
	txLimits  = 8         // limits that it sets
)

// updateTries is how often UpdateRows runs its function before it gives up.
const updateTries = 16

// ErrRowConflict is UpdateRows' error when others changed what it read again
// and again: IAM's for it.
var ErrRowConflict = awserr.New("ConcurrentModification", 409, "The request was rejected because multiple requests to change this object were submitted simultaneously. Wait a few minutes and submit your request again.")

// ErrRowLimit is the error for a transaction beyond the bounds: a row longer
// than RowMax, more than 100 rows or 400 KiB written, more than 1,000 read, or
// a key that is none.
var ErrRowLimit = errors.New("realm: a transaction beyond the bounds")

// Row gives a service's row from this region's copy. Its key is a path that
// begins with the service: iam/123456789012/user/bob. The value must not be
// changed. It takes no lock and makes no garbage.
func (r *Realm) Row(key string) ([]byte, bool) { return r.table.view.Load().rows.get(key) }

// Rows lists a service's rows whose keys begin with prefix and come after the
// given key, in order, from this region's copy as it is when the listing
// begins. What one transaction wrote is seen whole or not at all; only while a
// region that was away for long copies the tables anew can a listing mix old
// rows and new ones.
func (r *Realm) Rows(prefix, after string) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		r.table.view.Load().rows.scan(prefix, after)(yield)
	}
}

// FetchRow is Row, but what this region's copy does not have is asked of home
// before it is said to be absent, unless this region follows home's feed live:
// then home waits for it before it says that a change is made, so that its copy
// counts, and FetchRow answers at once. That suits logins: while regions are
// connected, an access key that is unknown takes no longer than one that is
// known, and no flood of invented ones reaches home.
//
// Otherwise a miss costs a round trip, a repeated one is believed for a second,
// and no more than 32 are under way. ErrUnavailable says that home can't be
// asked, so that nobody here knows; whoever only lets in what is known treats it
// as absence. After a failure home is not asked for a second.
func (r *Realm) FetchRow(ctx context.Context, key string) ([]byte, bool, error) {
	if row, ok := r.Row(key); ok || r.IsHome() || r.live() {
		return row, ok, nil
	}
	return r.rowMisses.ask(ctx, key, func(ctx context.Context) ([]byte, bool, error) {
		epoch := r.epoch()
		a, err := Ask[rowAnswer](ctx, r.opt.Peers, r.Home(), pathRow, rowQuestion{Epoch: epoch, Key: key}, r.opt.AskTimeout)
		if err == nil && a.Epoch < epoch {
			err = ErrStale
		}
		if err != nil {
			return nil, false, ErrUnavailable.Because(err)
		}
		return a.Row, a.Row != nil, nil
	})
}

// WatchRows has fn called with the key of each row that changes under prefix,
// after the change has taken effect here. fn must be quick and must not call
// the realm's writers. It is called before the doors open.
func (r *Realm) WatchRows(prefix string, fn func(key string)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watchers = append(slices.Clone(r.watchers), watcher{prefix, fn})
}

type watcher struct {
	prefix string
	fn     func(key string)
}

func (r *Realm) rowChanged(key string) {
	r.rowMisses.forget(key)
	r.mu.Lock()
	watchers := r.watchers
	r.mu.Unlock()
	for _, w := range watchers {
		if strings.HasPrefix(key, w.prefix) {
			w.fn(key)
		}
	}
}

// RowTx is a transaction over services' rows. It is used by one goroutine, and
// not after the function that it was given to has returned. Limits that it
// breaks are UpdateRows' error.
type RowTx struct {
	view   *rowView
	reads  map[string][]byte // nil: absent
	writes map[string][]byte // nil: gone
	limits []rowLimit
	size   int
	err    error
}

// Get reads a row; what it saw, or that there was none, must still hold when
// the transaction commits. The value must not be changed.
func (t *RowTx) Get(key string) ([]byte, bool) {
	if row, ok := t.writes[key]; ok {
		return row, row != nil
	}
	row, ok := t.view.rows.get(key)
	if t.reads[key] = row; len(t.reads) > txReads {
		t.fail("more than %d rows read", txReads)
	}
	return row, ok
}

// Scan lists rows as they are here, in order: those whose keys begin with
// prefix and come after the given one, with what the transaction wrote. What it
// saw is not guarded: whoever depends on it reads a row that every writer of
// such rows writes too.
func (t *RowTx) Scan(prefix, after string) iter.Seq2[string, []byte] {
	rows := t.view.rows
	for key, row := range t.writes {
		rows = rows.written(key, row)
	}
	return rows.scan(prefix, after)
}

// Limit makes the commit depend on how many rows there are whose keys begin with
// prefix, those that the transaction writes among them: at most so many. When
// there are more the function runs again, and then sees those that others made.
// So a quota holds without a row in which everybody counts.
func (t *RowTx) Limit(prefix string, most int) {
	l := rowLimit{prefix, most}
	if t.limits = append(t.limits, l); !l.valid() || len(t.limits) > txLimits {
		t.fail("the limit of %d rows under %q is none, or one of more than %d", most, prefix[:min(len(prefix), 100)], txLimits)
	}
}

// Put writes a row of 1 byte to RowMax when the transaction commits. The value
// must not be changed any more. Its key has at most RowKeyMax bytes of UTF-8
// and begins with the service's name and a slash.
func (t *RowTx) Put(key string, value []byte) {
	service, rest, _ := strings.Cut(key, "/")
	switch {
	case service == "" || rest == "" || len(key) > RowKeyMax || !utf8.ValidString(key):
		t.fail("%q is no key", key[:min(len(key), 100)])
	case len(value) == 0 || len(value) > RowMax:
		t.fail("row %s has %d bytes", key, len(value))
	default:
		t.write(key, value)
	}
}

// Delete removes a row, if it is there, when the transaction commits.
func (t *RowTx) Delete(key string) { t.write(key, nil) }

func (t *RowTx) write(key string, value []byte) {
	t.writes[key] = value
	if t.size += len(key) + len(value) + 2*entryRoom; t.size > txRoom || len(t.writes) > txRowsMax {
		t.fail("more than %d rows or %d bytes written", txRowsMax, txRoom)
	}
}

func (t *RowTx) fail(format string, args ...any) {
	if t.err == nil {
		t.err = fmt.Errorf("%w: %s", ErrRowLimit, fmt.Sprintf(format, args...))
	}
}

// UpdateRows runs fn over this region's copy, sends what it read and wrote to
// home, which commits it if what was read still holds there, and returns when
// this region and, within ApplyWait, every reachable one has applied it. When
// what was read no longer holds, fn runs again on newer rows, so it must have
// no effect besides on tx. One that writes nothing asks nobody.
//
// An error of fn ends it and is returned as it is. ErrUnavailable means that
// home can't be asked; where the line broke after the question, UpdateRows asks
// again until it knows what became of it, and ErrUnavailable then means that it
// could not find out within about AskTimeout. ErrRowConflict is returned after
// 16 runs in vain, ErrRowLimit for a transaction beyond the bounds.
func (r *Realm) UpdateRows(ctx context.Context, fn func(tx *RowTx) error) error {
	for try := range updateTries {
		if try > 1 {
			if err := pause(ctx, rand.N(time.Millisecond<<min(try, 7))); err != nil {
				return err
			}
		}
		tx := &RowTx{view: r.table.view.Load(), reads: map[string][]byte{}, writes: map[string][]byte{}}
		if err := fn(tx); err != nil {
			return err
		}
		if tx.err != nil {
			return tx.err
		}
		if len(tx.writes) == 0 {
			return nil
		}
		conflict, err := r.commitRows(ctx, tx)
		if err != nil || !conflict {
			return err
		}
	}
	return ErrRowConflict
}

// pause waits, or returns the context's error.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// commitRows has home commit a transaction. When something that it read no
// longer holds, it returns after this region has what home has.
func (r *Realm) commitRows(ctx context.Context, tx *RowTx) (conflict bool, err error) {
	q := tx.question(newRequest())
	for try := 0; ; try++ {
		var a *rowsAnswer
		was := r.Home()
		if h := r.homeHere(); h != nil {
			if a, err = h.commitRows(ctx, q); err == nil {
				return a.Conflict, nil
			}
			if !errors.Is(err, errNotHome) {
				return false, err
			}
		}
		q.Epoch = r.epoch()
		a, err = Ask[rowsAnswer](ctx, r.opt.Peers, r.Home(), pathRows, q, r.opt.AskTimeout)
		if err == nil && a.Epoch < q.Epoch {
			err = ErrStale
		}
		if err == nil {
			r.catchUp(ctx, Position{a.Epoch, a.Seq})
			return a.Conflict, nil
		}
		// Whether home committed it is unknown. The feed may tell; else home is
		// asked again: the same request takes effect once.
		if _, ok := r.table.requests.done(q.Request); ok {
			return false, nil
		}
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if r.lookForHome(ctx, was) {
			continue
		}
		if try >= commitTries || notSent(err) {
			return false, ErrUnavailable.Because(err)
		}
		if perr := pause(ctx, r.opt.AskTimeout>>(commitTries-try)); perr != nil {
			return false, perr
		}
	}
}

// notSent tells whether a question certainly did not arrive: nobody listened.
func notSent(err error) bool {
	var op *net.OpError
	return errors.Is(err, ErrNoPeer) || errors.As(err, &op) && op.Op == "dial"
}

// commitTries is how often a request is put again whose answer did not come.
// The pauses between them double, and the last is half of AskTimeout.
const commitTries = 4

// catchUp waits until this region has applied everything up to a position of
// home, asking for it rather than waiting for the follower's turn. It gives up
// when home does not answer: the change is made, and the feed brings it.
func (r *Realm) catchUp(ctx context.Context, to Position) {
	for r.table.position().Before(to) {
		if _, err := r.pull(ctx, 0); err != nil {
			return
		}
	}
}

// rowQuestion asks home for a row.
type rowQuestion struct {
	Epoch uint64 `json:"epoch"`
	Key   string `json:"key"`
}

type rowAnswer struct {
	Epoch uint64 `json:"epoch"`
	Row   []byte `json:"row,omitempty"` // absent: there is none
}

// rowsQuestion asks home to commit a transaction. Its ID makes it take effect
// once, however often it comes.
type rowsQuestion struct {
	Epoch   uint64     `json:"epoch"`
	Request string     `json:"request"`
	Guards  []rowGuard `json:"guards,omitempty"`
	Limits  []rowLimit `json:"limits,omitempty"`
	Writes  []rowWrite `json:"writes"`
}

// rowGuard says what a row must be for the transaction to commit.
type rowGuard struct {
	Key string `json:"key"`
	Sum []byte `json:"sum,omitempty"` // SHA-256 of the row; absent: there must be none
}

// rowLimit says how many rows there may be under a prefix once the transaction
// is committed.
type rowLimit struct {
	Prefix string `json:"prefix"`
	Most   int    `json:"most"`
}

func (l *rowLimit) valid() bool { return l.Prefix != "" && len(l.Prefix) <= RowKeyMax && l.Most > 0 }

// holds tells whether the rows are no more than the limit.
func (l *rowLimit) holds(rows rowTree) bool {
	n := 0
	for range rows.scan(l.Prefix, "") {
		if n++; n > l.Most {
			return false
		}
	}
	return true
}

type rowWrite struct {
	Key string `json:"key"`
	Row []byte `json:"row,omitempty"` // absent: remove it
}

// rowsAnswer is where home stands behind the transaction, or, with Conflict,
// where it stood when a guard did not hold.
type rowsAnswer struct {
	Epoch    uint64 `json:"epoch"`
	Seq      uint64 `json:"seq"`
	Conflict bool   `json:"conflict,omitempty"`
}

func (t *RowTx) question(request string) *rowsQuestion {
	q := &rowsQuestion{Request: request, Limits: t.limits}
	for _, key := range slices.Sorted(maps.Keys(t.reads)) {
		g := rowGuard{Key: key}
		if row := t.reads[key]; row != nil {
			sum := sha256.Sum256(row)
			g.Sum = sum[:]
		}
		q.Guards = append(q.Guards, g)
	}
	for _, key := range slices.Sorted(maps.Keys(t.writes)) {
		q.Writes = append(q.Writes, rowWrite{key, t.writes[key]})
	}
	return q
}

// check refuses what UpdateRows would not send.
func (q *rowsQuestion) check() error {
	tx := RowTx{writes: map[string][]byte{}}
	for _, w := range q.Writes {
		if w.Row == nil {
			tx.Delete(w.Key)
		} else {
			tx.Put(w.Key, w.Row)
		}
	}
	for _, l := range q.Limits {
		tx.Limit(l.Prefix, l.Most)
	}
	if tx.err == nil && (q.Request == "" || len(q.Request) > 64 || len(q.Writes) == 0 || len(tx.writes) != len(q.Writes) || len(q.Guards) > txReads) {
		tx.fail("malformed")
	}
	return tx.err
}

func (g *rowGuard) holds(rows rowTree) bool {
	row, ok := rows.get(g.Key)
	if !ok || len(g.Sum) == 0 {
		return !ok && len(g.Sum) == 0
	}
	sum := sha256.Sum256(row)
	return bytes.Equal(sum[:], g.Sum)
}

var errRowsConflict = errors.New("realm: what a transaction read has changed")

// commitRows commits a transaction, if what it read holds, and waits until the
// reachable regions have applied it.
func (h *home) commitRows(ctx context.Context, q *rowsQuestion) (*rowsAnswer, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	var done Position
	pos, err := h.updateFor(ctx, q.Request, func() ([]change, error) {
		var ok bool
		if done, ok = h.t.requests.done(q.Request); ok {
			return nil, nil
		}
		rows := h.t.view.Load().rows
		for i := range q.Guards {
			if !q.Guards[i].holds(rows) {
				return nil, errRowsConflict
			}
		}
		var changes []change
		for _, w := range q.Writes {
			if had, ok := rows.get(w.Key); ok != (w.Row != nil) || !bytes.Equal(had, w.Row) {
				changes = append(changes, change{kindService, w.Key, w.Row})
			}
		}
		if len(q.Limits) > 0 {
			for _, w := range q.Writes {
				rows = rows.written(w.Key, w.Row)
			}
		}
		for i := range q.Limits {
			if !q.Limits[i].holds(rows) {
				return nil, errRowsConflict
			}
		}
		return changes, nil
	})
	switch {
	case errors.Is(err, errRowsConflict):
		pos = h.t.position()
		return &rowsAnswer{Epoch: pos.Epoch, Seq: pos.Seq, Conflict: true}, nil
	case err != nil:
		// The commit's outcome may be unknown; then the tables were read again.
		var ok bool
		if pos, ok = h.t.requests.done(q.Request); !ok {
			return nil, err
		}
	case done != Position{}:
		pos = done
	}
	return &rowsAnswer{Epoch: pos.Epoch, Seq: pos.Seq}, h.applied(ctx, pos)
}
