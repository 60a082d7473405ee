package pebblekv

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/farhold/farhold/kv"
)

// Pebble shows a batch to readers when it stands in the memtable, which is
// before its log is synced. flights knows the commits that may be visible and
// aren't known to be durable, so that whoever read one of them can wait for it
// and everybody else need not.
//
// A commit takes a ticket before its batch can become visible, and marks the
// stripes of the keys that it writes with it. A reader that saw one of these
// keys (or saw it gone) therefore finds this ticket, or a later one, in the
// key's stripe. Tickets finish when their sync has succeeded; settled is the
// number up to which all have. What a reader read is durable once settled has
// reached the greatest ticket that it found:
//
//	commit:  ticket → mark stripes → visible → synced → settled
//	reader:                    read → look at stripes → settled reached?
//
// A commit whose sync fails never finishes. settled stays below it for good,
// and the store is dead: see health.
type flights struct {
	settled atomic.Uint64 // every ticket up to this one is durable
	issued  atomic.Uint64 // the last ticket
	stripes [stripesMax]atomic.Uint64

	mu      sync.Mutex
	oldest  *flight // in the order of their tickets
	newest  *flight
	dead    bool
	waiters []waiter

	applied atomic.Uint64 // the number of tickets whose batches are visible
}

// stripesMax is the number of stripes of written keys: some hundred commits
// in flight rarely make a reader of other keys wait.
const stripesMax = 8192

// flight is a commit under way.
type flight struct {
	ticket       uint64
	older, newer *flight
	mutation     *kv.Mutation // for readers of spans
	begun        time.Time
}

type waiter struct {
	ticket uint64
	done   chan struct{}
}

func stripeOf(key []byte) uint16 { return uint16(xxh3.Hash(key) % stripesMax) }

// begin gives f its ticket. It is called before the batch can become visible.
func (fl *flights) begin(f *flight, m *kv.Mutation) {
	f.mutation, f.begun = m, time.Now()
	fl.mu.Lock()
	f.ticket = fl.issued.Add(1)
	f.older = fl.newest
	if fl.newest == nil {
		fl.oldest = f
	} else {
		fl.newest.newer = f
	}
	fl.newest = f
	fl.mu.Unlock()
	for i := range m.Puts {
		fl.mark(stripeOf(m.Puts[i].Key), f.ticket)
	}
	for _, k := range m.Deletes {
		fl.mark(stripeOf(k), f.ticket)
	}
}

// mark raises a stripe to ticket, unless a later commit was here already.
func (fl *flights) mark(stripe uint16, ticket uint64) {
	at := &fl.stripes[stripe]
	for {
		was := at.Load()
		if was >= ticket || at.CompareAndSwap(was, ticket) {
			return
		}
	}
}

// end notes that the commit is durable, or that it never became visible.
func (fl *flights) end(f *flight) {
	fl.mu.Lock()
	if fl.dead {
		// Nothing is known to be durable any more: a later sync that seems to
		// succeed proves nothing about what an earlier one lost.
		fl.mu.Unlock()
		return
	}
	if f.older == nil {
		fl.oldest = f.newer
	} else {
		f.older.newer = f.newer
	}
	if f.newer == nil {
		fl.newest = f.older
	} else {
		f.newer.older = f.older
	}
	if f.older == nil {
		settled := fl.issued.Load()
		if fl.oldest != nil {
			settled = fl.oldest.ticket - 1
		}
		fl.settled.Store(settled)
		fl.release(settled)
	}
	fl.mu.Unlock()
	f.older, f.newer, f.mutation = nil, nil, nil
}

// release wakes those who wait for tickets up to settled. fl.mu is held.
func (fl *flights) release(settled uint64) {
	left := fl.waiters[:0]
	for _, w := range fl.waiters {
		if w.ticket <= settled {
			close(w.done)
		} else {
			left = append(left, w)
		}
	}
	clear(fl.waiters[len(left):])
	fl.waiters = left
}

// kill stops settled where it is and wakes everybody who waits. Commits that
// are under way stay in the list: they are never known to be durable.
func (fl *flights) kill() {
	fl.mu.Lock()
	fl.dead = true
	fl.release(^uint64(0))
	fl.mu.Unlock()
}

// wait returns when every ticket up to this one is durable; errDead when that
// will never be known.
func (fl *flights) wait(ctx context.Context, ticket uint64) error {
	if ticket <= fl.settled.Load() {
		return nil
	}
	fl.mu.Lock()
	if ticket <= fl.settled.Load() {
		fl.mu.Unlock()
		return nil
	}
	if fl.dead {
		fl.mu.Unlock()
		return errDead
	}
	w := waiter{ticket, make(chan struct{})}
	fl.waiters = append(fl.waiters, w)
	fl.mu.Unlock()
	select {
	case <-w.done:
		if ticket <= fl.settled.Load() {
			return nil
		}
		return errDead
	case <-ctx.Done():
	}
	fl.mu.Lock()
	for i := range fl.waiters {
		if fl.waiters[i].done == w.done {
			last := len(fl.waiters) - 1
			fl.waiters[i] = fl.waiters[last]
			fl.waiters[last] = waiter{}
			fl.waiters = fl.waiters[:last]
			break
		}
	}
	fl.mu.Unlock()
	return context.Cause(ctx)
}

// inSpan gives the greatest ticket of a commit under way that writes a key of
// one of spans, or 0.
func (fl *flights) inSpan(spans []kv.Span) uint64 {
	if fl.settled.Load() == fl.issued.Load() {
		return 0
	}
	fl.mu.Lock()
	defer fl.mu.Unlock()
	if fl.dead {
		// The mutations of the commits that stay in the list belong to their
		// callers again. Any of them may have written the span.
		return fl.issued.Load()
	}
	for f := fl.newest; f != nil; f = f.older {
		if touches(f.mutation, spans) {
			return f.ticket
		}
	}
	return 0
}

func touches(m *kv.Mutation, spans []kv.Span) bool {
	for _, span := range spans {
		for i := range m.Puts {
			if span.Contains(m.Puts[i].Key) {
				return true
			}
		}
		for _, k := range m.Deletes {
			if span.Contains(k) {
				return true
			}
		}
	}
	return false
}

// visible gives a ticket up to which every commit is visible by now.
func (fl *flights) visible() uint64 {
	// In this order: when the two agree, nothing was being applied in between.
	applied := fl.applied.Load()
	if issued := fl.issued.Load(); applied == issued {
		return issued
	}
	return fl.settled.Load() // all of these are visible, and more may be
}

// age is how long the oldest commit has been under way, or 0.
func (fl *flights) age() time.Duration {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	if fl.oldest == nil {
		return 0
	}
	return time.Since(fl.oldest.begun)
}
