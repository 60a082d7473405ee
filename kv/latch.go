package kv

import (
	"context"
	"slices"
	"sync"

	"github.com/zeebo/xxh3"
)

// stripesMax is the number of stripes of a Latches: enough that a few hundred
// concurrent commits rarely meet by accident, and 64 KiB of memory.
const stripesMax = 1024

// Latches is a table of reader-writer locks that keys hash to. Engines hold
// one in front of guard checks; a caller has another of its own around "read,
// then commit" of a hot key, so that writers of that key queue up instead of
// conflicting. UpdateLatched does that without holding on over the sync, as
// Lock around Update would. Two keys may share a stripe, which costs time only.
//
// Several keys are locked in the order of their stripes, and every stripe
// serves its waiters first come, first served, so that nobody deadlocks or
// starves. That holds for one acquisition at a time: whoever holds latches of
// one table must not ask the same table for more.
type Latches struct {
	stripes [stripesMax]latch
}

// NewLatches gives a table in which nothing is locked.
func NewLatches() *Latches { return new(Latches) }

// Held is what one acquisition locked. It is unlocked once.
type Held struct {
	latches *Latches
	n       int
	few     [24]uint32 // stripe<<1, plus 1 when exclusive; sorted
	many    []uint32   // used instead of few when there are more
}

// Lock locks keys exclusively, or returns the error of ctx with nothing locked.
func (l *Latches) Lock(ctx context.Context, keys ...[]byte) (Held, error) {
	h := Held{latches: l}
	for _, k := range keys {
		h.want(xxh3.Hash(k), true)
	}
	return h, h.acquire(ctx)
}

// RLock locks keys so that others may do the same, but nobody exclusively.
func (l *Latches) RLock(ctx context.Context, keys ...[]byte) (Held, error) {
	h := Held{latches: l}
	for _, k := range keys {
		h.want(xxh3.Hash(k), false)
	}
	return h, h.acquire(ctx)
}

// LockMutation locks what m writes exclusively and what it guards shared, or
// returns the error of ctx with nothing locked. It fills h, which the caller
// keeps on its stack.
func (l *Latches) LockMutation(ctx context.Context, m *Mutation, h *Held) error {
	h.latches, h.n, h.many = l, 0, h.many[:0]
	for i := range m.Puts {
		h.want(xxh3.Hash(m.Puts[i].Key), true)
	}
	for _, k := range m.Deletes {
		h.want(xxh3.Hash(k), true)
	}
	for i := range m.Guards {
		h.want(xxh3.Hash(m.Guards[i].Key), false)
	}
	return h.acquire(ctx)
}

// want notes a stripe. Codes are made so that in sorted order the exclusive
// wish for a stripe follows the shared one.
func (h *Held) want(hash uint64, exclusive bool) {
	code := uint32(hash%stripesMax) << 1
	if exclusive {
		code |= 1
	}
	switch {
	case h.n < len(h.few) && len(h.many) == 0:
		h.few[h.n] = code
	case len(h.many) == 0:
		h.many = append(append(h.many, h.few[:h.n]...), code)
	default:
		h.many = append(h.many, code)
	}
	h.n++
}

func (h *Held) codes() []uint32 {
	if len(h.many) > 0 {
		return h.many
	}
	return h.few[:h.n]
}

func (h *Held) acquire(ctx context.Context) error {
	codes := h.codes()
	slices.Sort(codes)
	// Keep one wish per stripe: the last, which is exclusive if any of them is.
	n := 0
	for i, c := range codes {
		if i+1 < len(codes) && codes[i+1]>>1 == c>>1 {
			continue
		}
		codes[n] = c
		n++
	}
	h.n = n
	if len(h.many) > 0 {
		h.many = h.many[:n]
	}
	for i, c := range codes[:n] {
		if err := h.latches.stripes[c>>1].lock(ctx, c&1 == 1); err != nil {
			for _, c := range codes[:i] {
				h.latches.stripes[c>>1].unlock(c&1 == 1)
			}
			h.n, h.many = 0, nil
			return err
		}
	}
	return nil
}

// Unlock unlocks what was locked.
func (h *Held) Unlock() {
	for _, c := range h.codes() {
		h.latches.stripes[c>>1].unlock(c&1 == 1)
	}
	h.n, h.many = 0, h.many[:0]
}

// latch is a reader-writer lock with a queue, which sync.RWMutex isn't: it
// can be given up on, and it hands over in the order of arrival.
type latch struct {
	mu      sync.Mutex
	holders int32 // −1 when held exclusively
	head    *waiter
	tail    *waiter
	_       [64 - 32]byte // a cache line each
}

type waiter struct {
	next      *waiter
	exclusive bool
	granted   chan struct{}
}

func (l *latch) lock(ctx context.Context, exclusive bool) error {
	l.mu.Lock()
	if l.head == nil && l.free(exclusive) {
		l.take(exclusive)
		l.mu.Unlock()
		return nil
	}
	w := &waiter{exclusive: exclusive, granted: make(chan struct{})}
	if l.tail == nil {
		l.head = w
	} else {
		l.tail.next = w
	}
	l.tail = w
	l.mu.Unlock()
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-w.granted:
		return nil // it was handed over meanwhile: holding it is simplest
	default:
	}
	l.forget(w)
	l.grant() // those behind w may share with the holders
	return context.Cause(ctx)
}

func (l *latch) unlock(exclusive bool) {
	l.mu.Lock()
	if exclusive {
		l.holders = 0
	} else {
		l.holders--
	}
	if l.head != nil {
		l.grant()
	}
	l.mu.Unlock()
}

func (l *latch) free(exclusive bool) bool {
	return l.holders == 0 || !exclusive && l.holders > 0
}

func (l *latch) take(exclusive bool) {
	if exclusive {
		l.holders = -1
	} else {
		l.holders++
	}
}

// grant hands the latch to the first waiters in the queue that can have it.
func (l *latch) grant() {
	for w := l.head; w != nil && l.free(w.exclusive); w = l.head {
		l.take(w.exclusive)
		if l.head = w.next; l.head == nil {
			l.tail = nil
		}
		close(w.granted)
	}
}

// forget takes w out of the queue.
func (l *latch) forget(w *waiter) {
	var before *waiter
	for at := l.head; at != nil; before, at = at, at.next {
		if at != w {
			continue
		}
		if before == nil {
			l.head = w.next
		} else {
			before.next = w.next
		}
		if l.tail == w {
			l.tail = before
		}
		return
	}
}
