package pebblekv

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/farhold/farhold/kv"
)

// views hands out Pebble snapshots. Making and closing one takes the mutex of
// the whole engine, so all who ask between two commits share one.
type views struct {
	mu  sync.Mutex
	now *view
}

type view struct {
	snap *pebble.Snapshot
	at   uint64 // the last ticket when it was made; all of them were visible
	refs int    // under views.mu
}

// Snapshot implements kv.Store.
func (s *Store) Snapshot(ctx context.Context) (kv.Snapshot, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if s.isClosed() {
		return nil, kv.ErrClosed
	}
	return &snapshot{store: s, view: s.take()}, nil
}

// take gives a view of everything committed so far.
//
// A view is shared while no ticket is issued after it was made, and only if
// every earlier ticket was visible by then. Without the second half, one
// reader could see a commit whose ticket is older than the view, and a later
// reader, given the view, could miss it.
func (s *Store) take() *view {
	vs := &s.views
	vs.mu.Lock()
	defer vs.mu.Unlock()
	if v := vs.now; v != nil && v.at == s.flights.issued.Load() {
		v.refs++
		return v
	}
	applied := s.flights.applied.Load()
	issued := s.flights.issued.Load()
	v := &view{snap: s.db.NewSnapshot(), at: issued, refs: 1}
	if applied == issued {
		vs.dropLocked()
		v.refs++
		vs.now = v
	}
	return v
}

// drop ends the sharing of the present view: a view that nobody asks for must
// not keep Pebble from discarding old rows.
func (vs *views) drop() {
	vs.mu.Lock()
	vs.dropLocked()
	vs.mu.Unlock()
}

func (vs *views) dropLocked() {
	if v := vs.now; v != nil {
		vs.now = nil
		vs.releaseLocked(v)
	}
}

func (vs *views) release(v *view) {
	vs.mu.Lock()
	vs.releaseLocked(v)
	vs.mu.Unlock()
}

func (vs *views) releaseLocked(v *view) {
	if v.refs--; v.refs == 0 {
		_ = v.snap.Close() // only ever nil
	}
}

type snapshot struct {
	store *Store
	view  *view

	// What was read, for Settled: the stripes of keys, and spans.
	n     int
	few   [12]uint16
	many  []uint16
	spans []kv.Span
}

func (s *snapshot) Get(key []byte) ([]byte, error) {
	s.note(stripeOf(key))
	v, closer, err := s.view.snap.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, kv.ErrNotFound
	}
	if err != nil {
		return nil, mapped(err)
	}
	value := append(make([]byte, 0, len(v)), v...)
	if err := closer.Close(); err != nil {
		return nil, mapped(err)
	}
	return value, nil
}

func (s *snapshot) note(stripe uint16) {
	if s.n < len(s.few) {
		s.few[s.n] = stripe
	} else {
		s.many = append(s.many, stripe)
	}
	s.n++
}

func (s *snapshot) Scan(span kv.Span) iter.Seq2[kv.Pair, error] {
	return func(yield func(kv.Pair, error) bool) {
		if span.High != nil && bytes.Compare(span.Low, span.High) >= 0 {
			return
		}
		at := len(s.spans)
		s.spans = append(s.spans, span)
		o := pebble.IterOptions{LowerBound: span.Low, UpperBound: span.High}
		if len(o.LowerBound) == 0 {
			o.LowerBound = nil // Pebble wants no bound rather than an empty one
		}
		it, err := s.view.snap.NewIter(&o)
		if err != nil {
			yield(kv.Pair{}, mapped(err))
			return
		}
		defer it.Close()
		first, next := it.First, it.Next
		if span.Reverse {
			first, next = it.Last, it.Prev
		}
		for ok := first(); ok; ok = next() {
			v, err := it.ValueAndErr()
			if err != nil {
				yield(kv.Pair{}, mapped(err))
				return
			}
			if v == nil {
				v = []byte{}
			}
			if !yield(kv.Pair{Key: it.Key(), Value: v}, nil) {
				s.spans[at] = reached(span, it.Key())
				return
			}
		}
		if err := it.Error(); err != nil {
			yield(kv.Pair{}, mapped(err))
		}
	}
}

// Settled implements kv.Snapshot. Nothing is in flight at most times, which
// costs two loads to see.
func (s *snapshot) Settled(ctx context.Context) error {
	fl := &s.store.flights
	if fl.settled.Load() == fl.issued.Load() || s.store.hasty {
		return nil
	}
	var ticket uint64
	for _, stripe := range s.few[:min(s.n, len(s.few))] {
		ticket = max(ticket, fl.stripes[stripe].Load())
	}
	for _, stripe := range s.many {
		ticket = max(ticket, fl.stripes[stripe].Load())
	}
	if len(s.spans) > 0 {
		ticket = max(ticket, fl.inSpan(s.spans))
	}
	return fl.wait(ctx, ticket)
}

func (s *snapshot) Close() {
	if s.view != nil {
		s.store.views.release(s.view)
		s.view = nil
	}
}
