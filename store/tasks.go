package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/stamp"
)

// Tasks gives up to limit tasks of one shard of a destination region that are
// due: those that failed before and may be tried again, then those that were
// never tried, oldest change first, from the clock reading from on (0: all).
//
// Beginning at a reading spares walking over the places of rows that were
// settled. A row can appear behind it, when a transaction that minted its stamp
// earlier commits later: whoever does so keeps a distance of seconds, and looks
// from the beginning now and then.
func (s *Store) Tasks(ctx context.Context, region string, lane Lane, shard uint8, from stamp.Time, limit int) (tasks []Task, err error) {
	now := s.opt.Clock.Now()
	err = s.viewTask(ctx, func(snap kv.Snapshot) error {
		for p, err := range snap.Scan(kv.Prefix(lanePrefix(tableParked, region, lane, shard))) {
			if err != nil {
				return err
			}
			t, err := parseTask(region, lane, shard, true, bytes.Clone(p.Key), bytes.Clone(p.Value))
			if err != nil {
				return err
			}
			if t.Due.After(now) || len(tasks) >= limit {
				break
			}
			tasks = append(tasks, t)
		}
		span := kv.Prefix(lanePrefix(tableOutbox, region, lane, shard))
		if from != 0 {
			span.Low = binary.BigEndian.AppendUint64(span.Low, uint64(from))
		}
		for p, err := range snap.Scan(span) {
			if err != nil {
				return err
			}
			if len(tasks) >= limit {
				break
			}
			t, err := parseTask(region, lane, shard, false, bytes.Clone(p.Key), bytes.Clone(p.Value))
			if err != nil {
				return err
			}
			tasks = append(tasks, t)
		}
		return nil
	})
	return tasks, err
}

// NextDue gives when the earliest parked task of a shard is due, or false.
func (s *Store) NextDue(ctx context.Context, region string, lane Lane, shard uint8) (due time.Time, ok bool, err error) {
	err = s.view(ctx, func(snap kv.Snapshot) error {
		for p, err := range snap.Scan(kv.Prefix(lanePrefix(tableParked, region, lane, shard))) {
			if err != nil {
				return err
			}
			t, err := parseTask(region, lane, shard, true, bytes.Clone(p.Key), bytes.Clone(p.Value))
			if err != nil {
				return err
			}
			due, ok = t.Due, true
			return nil
		}
		return nil
	})
	return due, ok, err
}

// Backlog counts the tasks that wait for a region, up to a bound, and gives when
// the oldest change of them was written.
func (s *Store) Backlog(ctx context.Context, region string, bound int) (n int, oldest time.Time, err error) {
	err = s.view(ctx, func(snap kv.Snapshot) error {
		for _, table := range []byte{tableOutbox, tableParked} {
			prefix := append(append([]byte{table}, region...), 0)
			for p, err := range snap.Scan(kv.Prefix(prefix)) {
				if err != nil {
					return err
				}
				if n >= bound {
					return nil
				}
				n++
				k := p.Key
				t, err := parseTask(region, Lane(k[len(prefix)]), k[len(prefix)+1], table == tableParked, bytes.Clone(k), bytes.Clone(p.Value))
				if err != nil {
					return err
				}
				if oldest.IsZero() || t.Written.Before(oldest) {
					oldest = t.Written
				}
			}
		}
		return nil
	})
	return n, oldest, err
}

// Barrier returns when everything visible when it was called is durable. It is
// taken once before a batch of tasks leaves this region: nothing is shipped
// that a crash could still take back.
func (s *Store) Barrier(ctx context.Context) error {
	if s.opt.Mutant == "no-barrier" {
		return nil
	}
	return s.opt.KV.Barrier(ctx)
}

// OpenTask opens the version that a task ships, its parts loaded. It returns
// ErrNoSuchVersion when the version is gone, also when its bucket is. What it
// read is durable when it returns.
func (s *Store) OpenTask(ctx context.Context, t *Task) (*Object, error) {
	var o *Object
	s.readers.opening.RLock()
	read := func(snap kv.Snapshot) error {
		r, err := s.readVersion(snap, t.UID, t.Key, t.ID)
		if err != nil {
			return err
		}
		if r == nil {
			return ErrNoSuchVersion
		}
		o, err = s.openRecord(snap, &Bucket{UID: t.UID}, r)
		return err
	}
	err := s.viewTask(ctx, read)
	s.readers.opening.RUnlock()
	if err != nil {
		return nil, err
	}
	if o.PartsCount > 0 {
		if _, err := o.LoadParts(ctx, 0, PartsMax); err != nil {
			o.Close()
			return nil, err
		}
	}
	return o, nil
}

// viewTask is view, unless the mutant that ships too early is asked for.
func (s *Store) viewTask(ctx context.Context, fn func(kv.Snapshot) error) error {
	if s.opt.Mutant != "no-barrier" {
		return s.view(ctx, fn)
	}
	snap, err := s.opt.KV.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer snap.Close()
	return fn(snap)
}

// settleMax bounds how many outcomes one transaction settles, and settleBytes
// their rows.
const (
	settleMax   = 64
	settleBytes = 512 << 10
)

// Settle records how attempts ended, many in one transaction.
func (s *Store) Settle(ctx context.Context, outcomes []Outcome) error {
	for len(outcomes) > 0 {
		n := min(len(outcomes), settleMax)
		batch := outcomes[:n]
		done := 0
		err := kv.Update(ctx, s.opt.KV, func(tx *kv.Tx) error {
			done = 0
			tx.Frees()
			for i := range batch {
				if err := s.settle(tx, &batch[i]); err != nil {
					return err
				}
				done++
				if _, size := tx.Written(); size > settleBytes {
					break
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		outcomes = outcomes[done:]
	}
	return nil
}

// settle records how one attempt ended.
func (s *Store) settle(tx *kv.Tx, o *Outcome) error {
	t := &o.Task
	raw, err := tx.Get(t.row)
	if errors.Is(err, kv.ErrNotFound) || err == nil && !bytes.Equal(raw, t.raw) {
		return nil // settled before, or the version is gone
	}
	if err != nil {
		return err
	}
	if o.Result == ResultRetry {
		next := *t
		next.Attempts++
		next.Reason, next.Due = o.Reason, o.Due.UTC().Truncate(time.Millisecond)
		tx.Delete(t.row)
		tx.Put(next.parkedKey(), next.value())
		return nil
	}
	tx.Delete(t.row)
	if o.Result == ResultGone {
		return nil
	}
	// The bucket's row is not read: a bucket with versions cannot go, and a
	// status does not depend on what its documents say now.
	st, err := s.openStack(tx, &Bucket{UID: t.UID}, t.Key)
	if err != nil {
		return err
	}
	r, err := st.version(t.ID)
	if err != nil || r == nil {
		return err
	}
	for i := range r.Targets {
		if g := &r.Targets[i]; g.Bucket == t.Target {
			settleTarget(g, t, o)
		}
	}
	st.rewrite(r)
	return nil
}

// settleTarget moves a target on. It is PENDING as long as a task for it is
// open, so that there is an outbox row if and only if it is PENDING; then it is
// FAILED if the destination refused a change and did not take it later, and
// COMPLETED otherwise.
func settleTarget(g *s3.Target, t *Task, o *Outcome) {
	g.Open = max(g.Open-1, 0)
	switch o.Result {
	case ResultDone:
		if at := maxStamp(t.At, o.Shipped); stamp.Compare(at, g.Done) > 0 {
			// Side data counts only behind its version, whose own task is open.
			if t.Kind == KindVersion || stamp.Compare(g.Done, t.ID) >= 0 {
				g.Done = at
			}
		}
	case ResultFail:
		if stamp.Compare(t.At, g.Done) > 0 && (g.Reason == "" || t.Kind == KindVersion) {
			g.Reason = o.Reason // else the change went along with a later one, or fails because its version did
		}
	}
	switch {
	case g.Open > 0:
	case g.Reason != "" && stamp.Compare(g.Done, g.Want) < 0:
		g.Status = s3.Failed
	default:
		g.Status, g.Reason = s3.Completed, ""
	}
}

func maxStamp(a, b stamp.Stamp) stamp.Stamp {
	if stamp.Compare(a, b) > 0 {
		return a
	}
	return b
}
