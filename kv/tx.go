package kv

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
)

// Tx is one run of the function given to Update. It is used by one goroutine,
// and not after that function has returned.
//
// It copies the keys that it is given. Values, given or returned, must not be
// changed before Update has returned: they are compared and committed as they
// stand.
type Tx struct {
	ctx  context.Context
	snap Snapshot
	try  int

	doomed  bool // two guards of one key contradict each other
	claimed bool // a guard was claimed, not read

	guards  []Guard
	guardAt places
	writes  []Pair // the last thing done to each key; a nil value deletes
	writeAt places
	frees   bool

	keys []byte // the bytes of the keys in guards and writes
	m    Mutation
}

// Context is the context of the Update.
func (tx *Tx) Context() context.Context { return tx.ctx }

// Try counts the runs of fn from 0. Whoever claims cached rows with Assume
// reads them afresh when it isn't 0, because a stale claim conflicts each time.
func (tx *Tx) Try() int { return tx.try }

// Get returns the value of key as this transaction sees it, or ErrNotFound,
// and guards it: the commit conflicts when it has changed meanwhile. What the
// transaction wrote itself needs no guard and gets none.
func (tx *Tx) Get(key []byte) ([]byte, error) {
	if i := tx.findWrite(key); i >= 0 {
		return own(tx.writes[i].Value)
	}
	v, err := tx.read(key)
	switch {
	case err == nil:
		tx.guard(key, v)
	case errors.Is(err, ErrNotFound):
		tx.guard(key, nil)
	}
	return v, err
}

// Peek is Get without a guard: the commit doesn't care whether it changes. It
// suits immutable rows, and hints.
func (tx *Tx) Peek(key []byte) ([]byte, error) {
	if i := tx.findWrite(key); i >= 0 {
		return own(tx.writes[i].Value)
	}
	return tx.read(key)
}

// Assume guards key without reading it: the commit conflicts unless key has
// this value, or is absent when value is nil. It is for callers that cache.
// When nothing is committed, or fn returns an error, the claim is checked
// against this transaction's view instead: what fn concluded from a stale claim
// never becomes an answer.
func (tx *Tx) Assume(key, value []byte) {
	tx.guard(key, value)
	tx.claimed = true
}

// stale tells whether a guard contradicts the view. What was read through the
// view agrees with it, so that only claims can.
func (tx *Tx) stale() (bool, error) {
	if !tx.claimed {
		return false, nil
	}
	for i := range tx.guards {
		g := &tx.guards[i]
		v, err := tx.read(g.Key)
		if errors.Is(err, ErrNotFound) {
			v = nil
		} else if err != nil {
			return false, err
		}
		if (v == nil) != (g.Want == nil) || !bytes.Equal(v, g.Want) {
			return true, nil
		}
	}
	return false, nil
}

// Scan yields the pairs of span as this transaction sees them, its own writes
// included. It guards nothing: rows may appear in the span, change or go
// before the commit. Whoever depends on a whole span guards a row that every
// writer of the span writes. The transaction isn't written to while a Scan is
// under way.
func (tx *Tx) Scan(span Span) iter.Seq2[Pair, error] {
	return func(yield func(Pair, error) bool) {
		pending := tx.writesIn(span)
		rows := tx.snap.Scan(span)
		before := func(a, b []byte) bool { // in the order of this scan
			c := bytes.Compare(a, b)
			return c < 0 && !span.Reverse || c > 0 && span.Reverse
		}
		for p, err := range rows {
			if err != nil {
				yield(Pair{}, err)
				return
			}
			for len(pending) > 0 && before(pending[0].Key, p.Key) {
				if w := pending[0]; w.Value != nil && !yield(w, nil) {
					return
				}
				pending = pending[1:]
			}
			if len(pending) > 0 && bytes.Equal(pending[0].Key, p.Key) {
				p.Value = pending[0].Value
				pending = pending[1:]
				if p.Value == nil {
					continue
				}
			}
			if !yield(p, nil) {
				return
			}
		}
		for _, w := range pending {
			if w.Value != nil && !yield(w, nil) {
				return
			}
		}
	}
}

// Put writes a value. The last Put or Delete of a key counts. A nil value is
// an empty one.
func (tx *Tx) Put(key, value []byte) {
	if value == nil {
		value = empty
	}
	tx.write(key, value)
}

// Delete removes a key, if it is there.
func (tx *Tx) Delete(key []byte) { tx.write(key, nil) }

// Frees says that this transaction leads to space being freed, so that a full
// engine lets it use its reserve: see Mutation.Frees.
func (tx *Tx) Frees() { tx.frees = true }

// Written is the number of keys that this transaction writes so far, and the
// bytes of its keys and values, guards included, which CommitMax bounds.
func (tx *Tx) Written() (keys, size int) {
	for i := range tx.guards {
		size += len(tx.guards[i].Key) + len(tx.guards[i].Want)
	}
	for i := range tx.writes {
		size += len(tx.writes[i].Key) + len(tx.writes[i].Value)
	}
	return len(tx.writes), size
}

// empty is a value of no bytes, which is not absence.
var empty = []byte{}

func own(value []byte) ([]byte, error) {
	if value == nil {
		return nil, ErrNotFound
	}
	return value, nil
}

func (tx *Tx) read(key []byte) ([]byte, error) {
	v, err := tx.snap.Get(key)
	if err != nil {
		return nil, err
	}
	if v == nil {
		v = empty
	}
	return v, nil
}

func (tx *Tx) guard(key, want []byte) {
	i := tx.guardAt.find(key, len(tx.guards), func(i int) []byte { return tx.guards[i].Key })
	if i >= 0 {
		had := tx.guards[i].Want
		if (had == nil) != (want == nil) || !bytes.Equal(had, want) {
			tx.doomed = true
		}
		return
	}
	key = tx.keep(key)
	tx.guardAt.add(key, len(tx.guards))
	tx.guards = append(tx.guards, Guard{Key: key, Want: want})
}

func (tx *Tx) write(key, value []byte) {
	if i := tx.findWrite(key); i >= 0 {
		tx.writes[i].Value = value
		return
	}
	key = tx.keep(key)
	tx.writeAt.add(key, len(tx.writes))
	tx.writes = append(tx.writes, Pair{key, value})
}

func (tx *Tx) findWrite(key []byte) int {
	if len(tx.writes) == 0 {
		return -1
	}
	return tx.writeAt.find(key, len(tx.writes), func(i int) []byte { return tx.writes[i].Key })
}

// keep copies a key into the transaction's own memory.
func (tx *Tx) keep(key []byte) []byte {
	n := len(tx.keys)
	tx.keys = append(tx.keys, key...)
	return tx.keys[n:len(tx.keys):len(tx.keys)]
}

// writesIn gives the writes that fall into span, in its order.
func (tx *Tx) writesIn(span Span) []Pair {
	if len(tx.writes) == 0 {
		return nil
	}
	var in []Pair
	for _, w := range tx.writes {
		if span.Contains(w.Key) {
			in = append(in, w)
		}
	}
	slices.SortFunc(in, func(a, b Pair) int {
		if span.Reverse {
			a, b = b, a
		}
		return bytes.Compare(a.Key, b.Key)
	})
	return in
}

// mutation gives what the transaction commits, valid until reset.
func (tx *Tx) mutation() *Mutation {
	m := &tx.m
	m.Guards, m.Frees = tx.guards, tx.frees
	for _, w := range tx.writes {
		if w.Value == nil {
			m.Deletes = append(m.Deletes, w.Key)
		} else {
			m.Puts = append(m.Puts, w)
		}
	}
	return m
}

// reset makes tx ready for another run.
func (tx *Tx) reset() {
	clear(tx.guards)
	clear(tx.writes)
	clear(tx.m.Puts)
	clear(tx.m.Deletes)
	*tx = Tx{
		guards: tx.guards[:0],
		writes: tx.writes[:0],
		keys:   tx.keys[:0],
		m:      Mutation{Puts: tx.m.Puts[:0], Deletes: tx.m.Deletes[:0]},
	}
}

// keptMax is how many rows' buffers a transaction keeps for the next one. One
// large transaction must not pin its memory for good.
const keptMax = 64

// free gives tx back. Nothing may refer to it any more.
func (tx *Tx) free() {
	tx.reset()
	if cap(tx.guards) > keptMax || cap(tx.writes) > keptMax || cap(tx.keys) > keptMax*256 {
		return
	}
	txs.Put(tx)
}

// fewMax is the number of keys up to which looking at each beats a map.
const fewMax = 16

// places finds the place of a key in a list: by looking when the list is
// short, as it is in nearly every transaction, and by a map when it's long.
type places struct{ at map[string]int }

func (p *places) find(key []byte, n int, keyAt func(int) []byte) int {
	if n > fewMax {
		if p.at == nil {
			p.at = make(map[string]int, 4*fewMax)
			for i := range n {
				p.at[string(keyAt(i))] = i
			}
		}
		if i, ok := p.at[string(key)]; ok {
			return i
		}
		return -1
	}
	for i := range n {
		if bytes.Equal(keyAt(i), key) {
			return i
		}
	}
	return -1
}

// add notes the place of a key that find did not find.
func (p *places) add(key []byte, i int) {
	if p.at != nil {
		p.at[string(key)] = i
	}
}
