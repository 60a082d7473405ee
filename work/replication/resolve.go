package replication

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/farhold/farhold/stamp"
	"github.com/farhold/farhold/store"
)

// Resolver finds out where destinations are that nobody knew when the versions
// for them were written: a bucket that is newer than this region's copy of the
// names, while home could not be asked. It is a work.Stepper; one Step runs at
// a time.
type Resolver struct {
	Store     *store.Store
	Directory store.Directory
	Clock     *stamp.Clock
	Log       *slog.Logger
}

const resolveMax = 256 // tasks of a step and shard

// found is what the directory said of a destination.
type found struct {
	place store.Place
	err   error
}

// Step looks up what is due.
func (r *Resolver) Step(ctx context.Context) (again time.Time, err error) {
	now := r.Clock.Now()
	again = now.Add(rescanEvery)
	places := make(map[string]found)
	for _, lane := range []store.Lane{store.LaneSmall, store.LaneLarge} {
		for shard := range uint8(store.Shards) {
			due, err := r.shard(ctx, now, lane, shard, places)
			if err != nil {
				return time.Time{}, err
			}
			if !due.IsZero() && due.Before(again) {
				again = due
			}
		}
	}
	for name, f := range places {
		if f.err != nil && r.Log != nil && !errors.Is(f.err, context.Canceled) {
			r.Log.Warn("nobody can say where a destination is; its objects stay PENDING", "bucket", name, "err", f.err)
		}
	}
	return again, nil
}

// shard looks up what is due of a shard, each destination once. It tells when
// something of it is due again; the zero time means that nothing is known.
func (r *Resolver) shard(ctx context.Context, now time.Time, lane store.Lane, shard uint8, places map[string]found) (due time.Time, err error) {
	tasks, err := r.Store.Tasks(ctx, "", lane, shard, 0, resolveMax)
	if err != nil {
		return time.Time{}, err
	}
	var outcomes []store.Outcome
	for i := range tasks {
		t := &tasks[i]
		f, seen := places[t.Target]
		if !seen {
			var ok bool
			if f.place, ok, f.err = r.Directory.Locate(ctx, t.Target); !ok {
				f.place = store.Place{}
			}
			places[t.Target] = f
		}
		switch {
		case ctx.Err() != nil:
			return time.Time{}, ctx.Err()
		case f.err != nil:
			wait := min(retryMin<<min(t.Attempts, 5), 30*time.Second)
			outcomes = append(outcomes, store.Outcome{Task: *t, Result: store.ResultRetry, Reason: f.err.Error(), Due: now.Add(wait)})
		default:
			done, err := r.Store.Resolve(ctx, t, f.place)
			if err != nil {
				return time.Time{}, err
			}
			if !done {
				outcomes = append(outcomes, store.Outcome{Task: *t, Result: store.ResultFail, Reason: store.ErrDstBucketNotFound.Error()})
			}
		}
	}
	if err := r.Store.Settle(ctx, outcomes); err != nil {
		return time.Time{}, err
	}
	if len(tasks) == resolveMax {
		return time.Unix(1, 0), nil
	}
	due, _, err = r.Store.NextDue(ctx, "", lane, shard)
	return due, err
}
