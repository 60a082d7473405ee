// Package kv is the ordered map in which a region keeps its rows: consistent
// snapshots, and guarded commits that are atomic and durable.
//
// The contract is narrower than every engine behind it, so that code which
// runs on a laptop runs on PostgreSQL, TiKV or FoundationDB: see the limits.
// kvtest holds the suite that each engine passes.
package kv

import (
	"bytes"
	"context"
	"errors"
	"iter"
)

// Limits of the contract. Commit returns ErrTooLarge beyond them.
const (
	KeyMax    = 2560     // bytes of a key; an escaped 1,024-byte object key fits
	ValueMax  = 64 << 10 // bytes of a value
	CommitMax = 1 << 20  // bytes of all keys and values of one Mutation
)

var (
	// ErrNotFound is returned by Get for a key that has no value.
	ErrNotFound = errors.New("kv: not found")
	// ErrConflict is returned by Commit when a guard does not hold.
	ErrConflict = errors.New("kv: a guard did not hold")
	// ErrTooLarge is returned by Commit for a mutation beyond the limits.
	ErrTooLarge = errors.New("kv: beyond the limits of the contract")
	// ErrFull is returned by Commit when the engine has no room. Reads go on,
	// and so do mutations that only delete, from a reserve.
	ErrFull = errors.New("kv: no space left")
	// ErrCorrupt is returned when stored bytes are not what was written. It is
	// never reported as ErrNotFound.
	ErrCorrupt = errors.New("kv: corrupt")
	// ErrClosed is returned after Close, and by an engine that stopped itself
	// because a sync failed.
	ErrClosed = errors.New("kv: closed")
)

// Store is what an engine implements.
type Store interface {
	// Snapshot gives a consistent view of everything committed so far. The
	// caller closes it soon: engines may bound its age.
	Snapshot(ctx context.Context) (Snapshot, error)
	// Commit applies m as one, durably, if every guard holds; else it returns
	// ErrConflict and changes nothing. Any other error leaves the outcome
	// unknown: the mutation may have been applied. ErrTooLarge and ErrFull
	// are certain: nothing was applied. An ErrConflict may be due to a mutation
	// that is still being synced: whoever tells others of it takes a Barrier
	// first, as Update does. Commit doesn't keep the bytes of m.
	Commit(ctx context.Context, m *Mutation) error
	// Barrier returns when everything visible when it was called is durable.
	// Whoever acts outside this node on what it read calls it first.
	Barrier(ctx context.Context) error
	// Wake signals, as a hint, that something was written. Polling is always
	// correct. The channel has room for one signal and one receiver.
	Wake() <-chan struct{}
	// Close ends the engine. No call is under way then.
	Close() error
}

// Snapshot is a consistent view. It is used by one goroutine at a time.
type Snapshot interface {
	// Get returns the value of key, owned by the caller, or ErrNotFound.
	Get(key []byte) ([]byte, error)
	// Scan yields the pairs of a span in order. Pair.Key and Pair.Value are
	// valid until the next step only. After an error it stops.
	Scan(span Span) iter.Seq2[Pair, error]
	// Settled returns when everything that was read through this snapshot is
	// durable. It is free when nothing of that was being synced: an engine
	// that shows a write before its sync is done must implement it, because
	// an answer must not un-happen.
	Settled(ctx context.Context) error
	// Close frees the view.
	Close()
}

// Pair is a row.
type Pair struct{ Key, Value []byte }

// Span is a range of keys: Low ≤ key < High, nil High meaning no upper bound.
// Reverse yields from the high end.
type Span struct {
	Low, High []byte
	Reverse   bool
}

// Contains reports whether key lies in s.
func (s Span) Contains(key []byte) bool {
	return bytes.Compare(key, s.Low) >= 0 && (s.High == nil || bytes.Compare(key, s.High) < 0)
}

// Prefix is the span of all keys that begin with p.
func Prefix(p []byte) Span { return Span{Low: p, High: After(p)} }

// After gives the least key that is greater than every key that begins with p,
// or nil when there is none.
func After(p []byte) []byte {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i] != 0xff {
			h := append([]byte(nil), p[:i+1]...)
			h[i]++
			return h
		}
	}
	return nil
}

// Guard says that Key still has the value Want, or is absent when Want is nil.
// An empty value is not absence.
type Guard struct{ Key, Want []byte }

// Mutation is what one Commit applies. A key stands at most once in Puts and
// Deletes together.
type Mutation struct {
	Guards  []Guard
	Puts    []Pair
	Deletes [][]byte
	// Frees says that this mutation leads to space being freed, although it
	// may add a little itself (a note for the collector of blobs, say). A full
	// engine lets it use its reserve.
	Frees bool
	// Visible, when it isn't nil, is called by Commit, at most once and before
	// it returns, when readers see the mutation and later commits of its keys
	// stand behind it. It need not be durable then: UpdateLatched hands over
	// its latches here.
	Visible func()
}
