package pebblekv

import (
	"bytes"
	"context"
	"iter"

	"github.com/cockroachdb/pebble/v2"

	"github.com/farhold/farhold/kv"
)

// snapshot is a view through a Pebble iterator. A Pebble snapshot would do as
// well, but making and ending one takes the mutex of the whole engine and four
// times as long, and its reads don't use the filters of the last level: a key
// that isn't there, as in every first PUT, would cost a block.
type snapshot struct {
	store *Store
	view  *pebble.Iterator
	asOf  uint64 // every commit up to this ticket is in the view

	// What was read, for Settled: the stripes of keys, and spans.
	n     int
	few   [12]uint16
	many  []uint16
	spans []kv.Span
}

// Snapshot implements kv.Store.
func (s *Store) Snapshot(ctx context.Context) (kv.Snapshot, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if s.health.closed.Load() {
		return nil, kv.ErrClosed
	}
	v := &snapshot{store: s, asOf: s.flights.visible()}
	var err error
	if v.view, err = s.db.NewIter(&pointReads); err != nil {
		return nil, mapped(err)
	}
	return v, nil
}

// pointReads are the options of a view. It has no bounds; scans clone it.
var pointReads = pebble.IterOptions{UseL6Filters: true}

func (s *snapshot) Get(key []byte) ([]byte, error) {
	stripe := stripeOf(key)
	s.note(stripe)
	if v, ok := s.store.recall(stripe, key, s.asOf); ok {
		if v == nil {
			return nil, kv.ErrNotFound
		}
		return append(make([]byte, 0, len(v)), v...), nil
	}
	v, err := find(s.view, key)
	if err != nil {
		return nil, err
	}
	s.store.remember(stripe, key, v, s.asOf)
	if v == nil {
		return nil, kv.ErrNotFound
	}
	return append(make([]byte, 0, len(v)), v...), nil
}

// find gives the value of key, valid until it is used again, or nil.
func find(it *pebble.Iterator, key []byte) ([]byte, error) {
	found := false
	if len(key) > 0 {
		found = it.SeekPrefixGE(key)
	} else { // Pebble looks at the first byte of a prefix, in some builds
		found = it.First() && len(it.Key()) == 0
	}
	if !found {
		return nil, mapped(it.Error())
	}
	v, err := it.ValueAndErr()
	if err != nil {
		return nil, mapped(err)
	}
	if v == nil {
		v = []byte{}
	}
	return v, nil
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
		it, err := s.view.Clone(pebble.CloneOptions{IterOptions: &o})
		if err != nil {
			yield(kv.Pair{}, mapped(err))
			return
		}
		defer it.Close()
		first, next := it.First, it.Next
		if span.Reverse {
			first, next = it.Last, it.Prev
		}
		yielded := 0
		for ok := first(); ok; ok = next() {
			v, err := it.ValueAndErr()
			if err != nil {
				yield(kv.Pair{}, mapped(err))
				return
			}
			if v == nil {
				v = []byte{}
			}
			yielded++
			if !yield(kv.Pair{Key: it.Key(), Value: v}, nil) {
				s.spans[at] = reached(span, it.Key())
				s.store.wasted(it, span, it.Key(), yielded)
				return
			}
		}
		s.store.wasted(it, span, nil, yielded)
		if err := it.Error(); err != nil {
			yield(kv.Pair{}, mapped(err))
		}
	}
}

// reached is the part of span that a scan has looked at when it stops at key.
func reached(span kv.Span, key []byte) kv.Span {
	if span.Reverse {
		span.Low = bytes.Clone(key)
	} else {
		span.High = append(append(make([]byte, 0, len(key)+1), key...), 0)
	}
	return span
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
		_ = s.view.Close() // repeats the error of the last read
		s.view = nil
	}
}
