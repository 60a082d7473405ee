package pebblekv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/farhold/farhold/kv"
)

// Commit implements kv.Store.
//
// The latches are held from before the guards are read until the batch is
// visible, not until it is synced: a commit that follows on the same key sees
// this one, stands behind it in the log, and so is durable only if this one
// is. A hot key is therefore not held to one commit per sync.
//
// ctx bounds the wait for latches and for a log that is stuck, up to the
// moment when the batch is handed to Pebble. From there the outcome is waited
// for.
func (s *Store) Commit(ctx context.Context, m *kv.Mutation) error {
	if err := m.Check(); err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := s.health.check(); err != nil {
		return err
	}
	if err := s.unstall(ctx); err != nil {
		return err
	}
	var held kv.Held
	if err := s.latches.LockMutation(ctx, m, &held); err != nil {
		return err
	}
	if err := s.verify(m.Guards); err != nil {
		held.Unlock()
		if errors.Is(err, kv.ErrConflict) {
			s.counts.conflicts.Add(1)
		}
		return err
	}
	if m.Empty() {
		held.Unlock()
		if m.Visible != nil {
			m.Visible()
		}
		return s.settleGuards(ctx, m.Guards)
	}
	if err := s.admit(m); err != nil {
		held.Unlock()
		return err
	}
	err := s.apply(m, &held)
	if err != nil {
		return err
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return nil
}

var flightPool = sync.Pool{New: func() any { return new(flight) }}

// apply writes m, whose latches are held and whose guards hold, and unlocks.
func (s *Store) apply(m *kv.Mutation, held *kv.Held) (err error) {
	batch := s.db.NewBatchWithSize(batchSize(m))
	for i := range m.Puts {
		if err := batch.Set(m.Puts[i].Key, m.Puts[i].Value, nil); err != nil {
			held.Unlock()
			return errors.Join(err, batch.Close())
		}
	}
	for _, k := range m.Deletes {
		if err := batch.Delete(k, nil); err != nil {
			held.Unlock()
			return errors.Join(err, batch.Close())
		}
	}
	f := flightPool.Get().(*flight)
	s.flights.begin(f, m)
	err = s.db.ApplyNoSyncWait(batch, pebble.Sync)
	if err != nil {
		held.Unlock()
		s.health.die(err)
		return s.health.check()
	}
	s.flights.applied.Add(1)
	for i := range m.Puts {
		s.renew(stripeOf(m.Puts[i].Key), m.Puts[i].Key, value(m.Puts[i].Value), f.ticket)
	}
	for _, k := range m.Deletes {
		s.renew(stripeOf(k), k, nil, f.ticket)
	}
	held.Unlock()
	if m.Visible != nil {
		m.Visible()
	}
	if err := batch.SyncWait(); err != nil {
		s.health.die(err)
		return s.health.check()
	}
	if err := s.health.check(); err != nil {
		return err
	}
	s.flights.end(f)
	flightPool.Put(f)
	return batch.Close()
}

// value tells an empty value from absence.
func value(v []byte) []byte {
	if v == nil {
		return []byte{}
	}
	return v
}

// batchSize is a little more than what m takes in the log.
func batchSize(m *kv.Mutation) int {
	n := 64
	for i := range m.Puts {
		n += len(m.Puts[i].Key) + len(m.Puts[i].Value) + 12
	}
	for _, k := range m.Deletes {
		n += len(k) + 8
	}
	return n
}

// verify returns kv.ErrConflict unless every guard holds. Latches are held on
// their keys: every commit that wrote one is visible, and none is under way.
func (s *Store) verify(guards []kv.Guard) (err error) {
	var it *pebble.Iterator
	defer func() {
		if it != nil {
			err = errors.Join(err, mapped(it.Close()))
		}
	}()
	for i := range guards {
		g := &guards[i]
		stripe := stripeOf(g.Key)
		last := s.flights.stripes[stripe].Load()
		v, ok := s.recall(stripe, g.Key, last)
		if !ok {
			if it == nil {
				if it, err = s.db.NewIter(&pointReads); err != nil {
					return mapped(err)
				}
			}
			if v, err = find(it, g.Key); err != nil {
				return err
			}
			s.remember(stripe, g.Key, v, last)
		}
		if (v == nil) != (g.Want == nil) || !bytes.Equal(v, g.Want) {
			return conflict(g.Key)
		}
	}
	return nil
}

func conflict(key []byte) error { return fmt.Errorf("%w: %.200q", kv.ErrConflict, key) }

// settleGuards waits until what the guards confirmed is durable.
func (s *Store) settleGuards(ctx context.Context, guards []kv.Guard) error {
	var ticket uint64
	for i := range guards {
		ticket = max(ticket, s.flights.stripes[stripeOf(guards[i].Key)].Load())
	}
	return s.flights.wait(ctx, ticket)
}
