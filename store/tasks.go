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
// Those that failed take no more than three quarters of the places, so that
// however many there are, they do not hold up what is new.
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
			if t.Due.After(now) || len(tasks) >= max(limit*3/4, 1) {
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

// Refused gives up to limit tasks of a shard that are parked because they were
// refused, due or not, and that were not tried since a moment: what a Kick asks
// to try again. It walks over the parked tasks from the place after on, and
// gives the place to go on from, nil at the end.
func (s *Store) Refused(ctx context.Context, region string, lane Lane, shard uint8, since time.Time, after []byte, limit int) (tasks []Task, next []byte, err error) {
	err = s.viewTask(ctx, func(snap kv.Snapshot) error {
		span := kv.Prefix(lanePrefix(tableParked, region, lane, shard))
		if after != nil {
			span.Low = append(bytes.Clone(after), 0)
		}
		seen := 0
		for p, err := range snap.Scan(span) {
			if err != nil {
				return err
			}
			if len(tasks) >= limit || seen >= refusedScanMax {
				return nil
			}
			seen++
			key := bytes.Clone(p.Key)
			t, err := parseTask(region, lane, shard, true, key, bytes.Clone(p.Value))
			if err != nil {
				return err
			}
			if next = key; t.Failed && t.Tried.Before(since) {
				tasks = append(tasks, t)
			}
		}
		next = nil
		return nil
	})
	return tasks, next, err
}

// refusedScanMax bounds how many parked tasks one call of Refused walks over.
const refusedScanMax = 4096

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
	tx.Delete(t.row)
	switch o.Result {
	case ResultGone:
		return nil
	case ResultRetry:
		// What was refused before stays FAILED until there is another answer.
		s.park(tx, o, t.Failed)
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
		g := &r.Targets[i]
		if g.Bucket != t.Target {
			continue
		}
		end := *o
		if s.opt.Mutant == "no-park" && end.Result == ResultRefused {
			end.Result = ResultFail
		}
		if o.Result == ResultRefused && t.Kind == KindSide && stamp.Compare(t.At, g.Done) <= 0 {
			end.Result = ResultDone // the change went along with a later one: nothing is left to be refused
		}
		if end.Result == ResultRefused {
			s.park(tx, o, true)
			if t.Failed && g.Reason == o.Reason && g.Status == s3.Failed {
				return nil // refused once more, and nothing to be written down of it
			}
		}
		settleTarget(g, t, &end)
	}
	st.rewrite(r)
	return nil
}

// park writes a task anew under the time of its next try.
func (s *Store) park(tx *kv.Tx, o *Outcome, failed bool) {
	next := o.Task
	next.Attempts++
	next.Failed, next.Tried = failed, s.wallNow()
	next.Reason, next.Due = o.Reason, o.Due.UTC().Truncate(time.Millisecond)
	tx.Put(next.parkedKey(), next.value())
}

// settleTarget moves a target on. As long as a task for it is open it is
// PENDING, or FAILED if one of them was refused and is tried again; so there is
// an outbox row if and only if something is left to be done. When none is open,
// it is COMPLETED if the destination has the newest change, and else FAILED for
// good.
func settleTarget(g *s3.Target, t *Task, o *Outcome) {
	if o.Result == ResultRefused {
		if !t.Failed {
			g.Failed++
		}
		g.Status, g.Reason = s3.Failed, o.Reason
		return
	}
	g.Open = max(g.Open-1, 0)
	if t.Failed {
		g.Failed = max(g.Failed-1, 0)
	}
	switch o.Result {
	case ResultDone:
		if at := maxStamp(t.At, o.Shipped); stamp.Compare(at, g.Done) > 0 {
			// Side data counts only behind its version, whose own task is open.
			if t.Kind == KindVersion || stamp.Compare(g.Done, t.ID) >= 0 {
				g.Done = at
			}
		}
	case ResultFail:
		if stamp.Compare(t.At, g.Done) > 0 && (g.Reason == "" || t.Kind == KindVersion || t.Failed) {
			g.Reason = o.Reason // else the change went along with a later one, or fails because its version did
		}
	}
	has := stamp.Compare(g.Done, g.Want) >= 0
	if has && g.Failed == 0 {
		g.Reason = ""
	}
	switch {
	case g.Failed > 0:
		g.Status = s3.Failed
	case g.Open > 0:
		g.Status = s3.Pending
	case has:
		g.Status = s3.Completed
	default:
		g.Status = s3.Failed
	}
}

// Resolve gives a task whose destination was not known when it was written
// (region "") the place that it has. The version's target follows: the first
// task that is resolved decides for all of a target. A place without a region
// says that there is none; it is not resolved then, unless another task was
// before.
func (s *Store) Resolve(ctx context.Context, t *Task, place Place) (done bool, err error) {
	var v *s3.Version
	err = kv.Update(ctx, s.opt.KV, func(tx *kv.Tx) error {
		v, done = nil, true
		raw, err := tx.Get(t.row)
		if errors.Is(err, kv.ErrNotFound) || err == nil && !bytes.Equal(raw, t.raw) {
			return nil
		}
		if err != nil {
			return err
		}
		st, err := s.openStack(tx, &Bucket{UID: t.UID}, t.Key)
		if err != nil {
			return err
		}
		r, err := st.version(t.ID)
		if err != nil {
			return err
		}
		if r == nil {
			tx.Delete(t.row)
			return nil
		}
		for i := range r.Targets {
			g := &r.Targets[i]
			if g.Bucket != t.Target {
				continue
			}
			if done = g.Region != "" || place.Region != ""; !done {
				return nil
			}
			if g.Region == "" {
				g.Region, g.UID = place.Region, place.UID
			}
			s.putTask(tx, t.UID, &r.Version, g, t.Kind, t.At)
			v = &r.Version
		}
		tx.Delete(t.row)
		st.rewrite(r)
		return nil
	})
	if err == nil && v != nil {
		s.wake(t.UID, v, t.Kind)
	}
	return done, err
}

func maxStamp(a, b stamp.Stamp) stamp.Stamp {
	if stamp.Compare(a, b) > 0 {
		return a
	}
	return b
}
