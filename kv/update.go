package kv

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"
)

const (
	updateTries   = 64                    // runs of fn before Update gives up
	updateWait    = 20 * time.Microsecond // longest wait before the third run; it doubles from there
	updateWaitMax = 5 * time.Millisecond  // longest wait of all
)

// Jitterer is implemented by an engine that wants to choose the random part
// of Update's waits, so that a simulation repeats exactly under its seed.
type Jitterer interface {
	// Jitter gives the next random number.
	Jitter() uint64
}

// Update runs fn on a consistent view and commits what it wrote, provided that
// everything it read with Get or claimed with Assume still holds. When it does
// not, fn runs again on a newer view, so fn must have no effect besides on tx.
// After 64 runs, with growing random waits between them, the error wraps
// ErrConflict: writers of a hot key hold a Latches around Update instead.
//
// When fn returns an error, nothing is written and Update returns that error.
// When fn writes nothing, nothing is committed.
//
// In every case Update returns only when everything that fn read in its last
// run is durable, so the caller may tell others what it learned, errors of fn
// included. A commit's own sync sees to that when there is one: what was
// visible before it precedes it in the engine's log.
func Update(ctx context.Context, s Store, fn func(tx *Tx) error) error {
	return update(ctx, s, nil, fn)
}

// UpdateLatched is Update for rows that many write at once: it holds l on keys,
// so that those who hold it too come one after the other instead of running fn
// in vain. It hands over as soon as its commit is visible, not when it is
// durable, so that writers of one row share syncs.
func UpdateLatched(ctx context.Context, s Store, l *Latches, keys [][]byte, fn func(tx *Tx) error) error {
	held, err := l.Lock(ctx, keys...)
	if err != nil {
		return err
	}
	locked := true
	unlock := func() {
		if locked {
			locked = false
			held.Unlock()
		}
	}
	defer unlock()
	return update(ctx, s, unlock, fn)
}

func update(ctx context.Context, s Store, visible func(), fn func(tx *Tx) error) error {
	tx := txs.Get().(*Tx)
	defer tx.free()
	for try := range updateTries {
		if try > 0 {
			if err := pause(ctx, s, try); err != nil {
				return err
			}
		}
		conflict, err := tx.run(ctx, s, try, visible, fn)
		if !conflict {
			return err
		}
	}
	return fmt.Errorf("%w in each of %d tries", ErrConflict, updateTries)
}

// pause waits before the given try. The second follows at once: most conflicts
// are with one other writer, who is done.
func pause(ctx context.Context, s Store, try int) error {
	if try == 1 {
		runtime.Gosched()
		return context.Cause(ctx)
	}
	most := min(updateWait<<min(try-2, 20), updateWaitMax)
	var r uint64
	if j, ok := s.(Jitterer); ok {
		r = j.Jitter()
	} else {
		r = rand.Uint64()
	}
	t := time.NewTimer(time.Duration(1 + r%uint64(most)))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// txs keeps the buffers of finished transactions for the next ones: Update is
// on the path of every request that writes.
var txs = sync.Pool{New: func() any { return new(Tx) }}

// run is one try. It reports whether there was a conflict.
func (tx *Tx) run(ctx context.Context, s Store, try int, visible func(), fn func(tx *Tx) error) (bool, error) {
	snap, err := s.Snapshot(ctx)
	if err != nil {
		return false, err
	}
	defer snap.Close()
	tx.reset()
	tx.ctx, tx.snap, tx.try = ctx, snap, try
	if err := fn(tx); err != nil {
		if stale, e := tx.stale(); stale || e != nil {
			return stale, errors.Join(err, e)
		}
		// An error of fn is an answer (say, a condition that did not hold) and
		// must not rest on what a crash could take back. It never counts as a
		// conflict of this transaction, even when it wraps one from elsewhere.
		if e := snap.Settled(ctx); e != nil {
			return false, errors.Join(err, e)
		}
		return false, err
	}
	switch {
	case tx.doomed:
		return true, nil
	case len(tx.writes) == 0:
		if stale, err := tx.stale(); stale || err != nil {
			return stale, err
		}
		return false, snap.Settled(ctx)
	}
	m := tx.mutation()
	m.Visible = visible
	err = s.Commit(ctx, m)
	return errors.Is(err, ErrConflict), err
}
