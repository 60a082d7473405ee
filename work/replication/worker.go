package replication

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/stamp"
	"github.com/farhold/farhold/store"
)

var errAhead = stamp.ErrAhead

// Bounds of a step and its waits.
const (
	batchMax       = 512      // tasks
	batchBytes     = 16 << 20 // of bodies, small lane
	largeMax       = 4        // tasks of the large lane at once
	segmentsAtOnce = 4        // segments of one large body at once
	probeEvery     = time.Second
	// settledAfter is how long after a reading of the clock no transaction that
	// minted its stamp then is expected to commit any more; rescanEvery is how
	// often a worker looks behind that all the same.
	settledAfter = 3 * time.Second
	rescanEvery  = 10 * time.Second
	retryMin     = time.Second
	retryMax     = 5 * time.Minute
)

// Link is what the workers of one destination region know of it together.
type Link struct {
	mu   sync.Mutex
	down bool
	seen time.Time // of the last answer
}

// Down tells whether the region failed to answer when last asked.
func (l *Link) Down() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.down
}

func (l *Link) set(down bool, now time.Time) (changed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	changed = l.down != down
	l.down = down
	if !down {
		l.seen = now
	}
	return changed
}

// Options say what a Worker works on.
type Options struct {
	Region    string // destination
	Lane      store.Lane
	Shard     uint8
	Store     *store.Store // of the source
	Transport Transport
	Clock     *stamp.Clock // of the source
	Link      *Link        // shared by the workers of a destination
	Log       *slog.Logger
	// Observe, if any, is told of each attempt that was settled.
	Observe func(t *store.Task, r store.Result, took time.Duration)
}

// Worker ships the tasks of one shard of one lane of one destination. It is a
// work.Stepper; one Step runs at a time.
type Worker struct {
	opt     Options
	from    stamp.Time // where the next look at the outbox begins
	rescan  time.Time  // when to look from the beginning again
	refused int        // consecutive steps that ended with the link down
}

// NewWorker makes a worker.
func NewWorker(o Options) *Worker {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Worker{opt: o}
}

// Step ships what is due, up to a bound, and settles it.
func (w *Worker) Step(ctx context.Context) (again time.Time, err error) {
	now := w.opt.Clock.Now()
	if w.opt.Link.Down() {
		if err := w.opt.Transport.Probe(ctx, w.opt.Region); err != nil {
			return now.Add(probeEvery), nil
		}
		if w.opt.Link.set(false, now) {
			w.opt.Log.Info("destination region answers again", "region", w.opt.Region)
		}
	}
	if !now.Before(w.rescan) || w.rescan.Sub(now) > rescanEvery {
		// It is time, or the clock was set back: until it is where it was, the
		// cursor would pass over all that is written.
		w.from, w.rescan = 0, now.Add(rescanEvery)
	}
	limit := batchMax
	if w.opt.Lane == store.LaneLarge {
		limit = largeMax
	}
	tasks, err := w.opt.Store.Tasks(ctx, w.opt.Region, w.opt.Lane, w.opt.Shard, w.from, limit)
	if err != nil {
		return time.Time{}, err
	}
	if len(tasks) == 0 {
		w.advance(stamp.TimeOf(now.Add(-settledAfter)))
		return w.idle(ctx, now)
	}
	full := len(tasks) == limit
	if w.opt.Lane == store.LaneSmall {
		tasks, full = cutBytes(tasks, full)
	}
	// Nothing is shipped that a crash here could still take back.
	if err := w.opt.Store.Barrier(ctx); err != nil {
		return time.Time{}, err
	}
	outcomes, linkErr := w.attempt(ctx, tasks)
	if err := w.opt.Store.Settle(ctx, outcomes); err != nil {
		return time.Time{}, err
	}
	if w.opt.Observe != nil {
		for i := range outcomes {
			w.opt.Observe(&outcomes[i].Task, outcomes[i].Result, now.Sub(outcomes[i].Task.Written))
		}
	}
	if linkErr != nil {
		if ctx.Err() != nil {
			return time.Time{}, ctx.Err()
		}
		if w.opt.Link.set(true, now) {
			w.opt.Log.Warn("destination region cannot be reached; its objects stay PENDING", "region", w.opt.Region, "err", linkErr)
		}
		return now.Add(probeEvery), nil
	}
	settled := stamp.TimeOf(now.Add(-settledAfter))
	if full {
		settled = min(settled, tasks[len(tasks)-1].At.Time())
	}
	w.advance(settled)
	return time.Unix(1, 0), nil // look once more: a hint may have come while this ran
}

// advance moves the cursor up to a reading below which everything is settled.
func (w *Worker) advance(to stamp.Time) { w.from = max(w.from, to) }

// idle tells when there will be something to do although nobody says so.
func (w *Worker) idle(ctx context.Context, now time.Time) (time.Time, error) {
	again := w.rescan
	due, ok, err := w.opt.Store.NextDue(ctx, w.opt.Region, w.opt.Lane, w.opt.Shard)
	if err != nil {
		return time.Time{}, err
	}
	if ok && due.Before(again) {
		again = due
	}
	if !again.After(now) {
		again = now.Add(time.Millisecond)
	}
	return again, nil
}

// cutBytes ends a batch where its bodies become too many bytes.
func cutBytes(tasks []store.Task, full bool) ([]store.Task, bool) {
	size := int64(0)
	for i := range tasks {
		if size += tasks[i].Size; size > batchBytes && i > 0 {
			return tasks[:i], true
		}
	}
	return tasks, full
}

// attempt tries tasks and gives the outcomes of those that have one. The error
// says that the line broke.
func (w *Worker) attempt(ctx context.Context, tasks []store.Task) ([]store.Outcome, error) {
	var (
		outcomes  []store.Outcome
		shipments []*Shipment
		shipped   []*store.Task
		objects   []*store.Object
	)
	defer func() {
		for _, o := range objects {
			o.Close()
		}
	}()
	for i := range tasks {
		t := &tasks[i]
		o, err := w.opt.Store.OpenTask(ctx, t)
		if errors.Is(err, store.ErrNoSuchVersion) {
			outcomes = append(outcomes, store.Outcome{Task: *t, Result: store.ResultGone})
			continue
		}
		if err != nil {
			if ctx.Err() != nil {
				return outcomes, ctx.Err()
			}
			outcomes = append(outcomes, w.retry(t, fmt.Errorf("reading the version: %w", err)))
			continue
		}
		objects = append(objects, o)
		shipments = append(shipments, shipmentOf(t, o))
		shipped = append(shipped, t)
	}
	if len(shipments) == 0 {
		return outcomes, nil
	}
	var err error
	if w.opt.Lane == store.LaneLarge {
		err = w.shipLarge(ctx, shipments, objects)
	} else {
		err = w.opt.Transport.Ship(ctx, w.opt.Region, shipments)
	}
	for i, sh := range shipments {
		if sh.Answered {
			outcomes = append(outcomes, w.outcome(shipped[i], objects[i], sh))
		}
	}
	return outcomes, err
}

// shipmentOf makes what is sent of what was opened.
func shipmentOf(t *store.Task, o *store.Object) *Shipment {
	v := o.Version
	if t.Kind == store.KindSide {
		return &Shipment{Side: &store.SideArrival{
			UID:    t.TargetUID,
			Bucket: t.Target, Key: v.Key, ID: v.ID, Tags: v.Tags, Retention: v.Retention, Hold: v.Hold, ACL: v.ACL,
		}}
	}
	v.Targets = nil // how far it got elsewhere is nobody's business there
	if t.Class != "" {
		v.Class = t.Class
	}
	sh := &Shipment{Arrival: store.Arrival{Bucket: t.Target, UID: t.TargetUID, Version: v}}
	if !v.Marker {
		sh.Body = func(ctx context.Context) (io.ReadCloser, error) { return o.Body(ctx, 0, -1) }
	}
	return sh
}

// outcome says what an answer means for its task.
func (w *Worker) outcome(t *store.Task, o *store.Object, sh *Shipment) store.Outcome {
	if sh.Err == nil && sh.Side == nil && (sh.Receipt.Digest != o.Digest || sh.Receipt.Size != o.Size) {
		sh.Err = fmt.Errorf("%w: the destination confirms %d bytes with digest %016x", store.ErrDigest, sh.Receipt.Size, sh.Receipt.Digest)
	}
	if sh.Err == nil {
		return store.Outcome{Task: *t, Result: store.ResultDone, Shipped: o.Newest()}
	}
	if errors.Is(sh.Err, store.ErrDstVersionNotFound) && !arrived(t, o) {
		return w.retry(t, sh.Err) // side data waits for its version
	}
	for _, a := range answers {
		if a.fail && errors.Is(sh.Err, a.err) {
			w.opt.Log.Warn("replication failed", "key", t.Key, "version", t.ID.String(), "destination", t.Target, "reason", a.name, "err", sh.Err)
			return store.Outcome{Task: *t, Result: store.ResultFail, Reason: a.name}
		}
	}
	return w.retry(t, sh.Err)
}

// arrived tells whether the destination once confirmed the version itself.
func arrived(t *store.Task, o *store.Object) bool {
	for i := range o.Targets {
		if g := &o.Targets[i]; g.Bucket == t.Target && g.Region == t.Region {
			// A reason is there as soon as the version was refused, although this
			// task keeps the target PENDING.
			return g.Status == s3.Failed || g.Reason != "" || stamp.Compare(g.Done, o.ID) >= 0
		}
	}
	return true
}

// retry parks a task: it alone, with its reason, for twice as long as the last time.
func (w *Worker) retry(t *store.Task, err error) store.Outcome {
	wait := retryMin << min(t.Attempts, 10)
	if errors.Is(err, stamp.ErrAhead) || errors.Is(err, store.ErrDstVersionNotFound) {
		wait = retryMin // time alone mends these
	}
	wait = min(wait, retryMax)
	w.opt.Log.Warn("replication will be tried again", "key", t.Key, "version", t.ID.String(), "destination", t.Target, "attempt", t.Attempts+1, "wait", wait, "err", err)
	return store.Outcome{Task: *t, Result: store.ResultRetry, Reason: err.Error(), Due: w.opt.Clock.Now().Add(wait)}
}

// shipLarge ships large bodies in segments, those that are missing, and then
// their versions. A broken line costs the segments that were on it.
func (w *Worker) shipLarge(ctx context.Context, shipments []*Shipment, objects []*store.Object) error {
	var wg sync.WaitGroup
	errs := make([]error, len(shipments))
	for i, sh := range shipments {
		if sh.Side != nil || sh.Arrival.Version.Marker {
			continue
		}
		wg.Go(func() { errs[i] = w.stage(ctx, sh, objects[i]) })
	}
	wg.Wait()
	var ready []*Shipment
	var linkErr error
	for i, sh := range shipments {
		switch err := errs[i]; {
		case err == nil:
			ready = append(ready, sh)
		case errors.Is(err, ErrLink) || ctx.Err() != nil:
			linkErr = err
		default:
			sh.Answered, sh.Err = true, err
		}
	}
	if len(ready) > 0 {
		if err := w.opt.Transport.Ship(ctx, w.opt.Region, ready); err != nil {
			linkErr = err
		}
	}
	return linkErr
}

// stage sends the segments of one body that the destination lacks.
func (w *Worker) stage(ctx context.Context, sh *Shipment, o *store.Object) error {
	has, err := w.opt.Transport.Staged(ctx, w.opt.Region, &sh.Arrival)
	if err != nil {
		return err
	}
	there := make(map[int]bool, len(has))
	for _, seg := range has {
		there[seg.Index] = true
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	places := make(chan struct{}, segmentsAtOnce)
	for _, seg := range store.Segments(&sh.Arrival.Version) {
		if there[seg.Index] {
			continue
		}
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-places }()
			body, err := o.Body(ctx, seg.Offset, seg.Length)
			if err == nil {
				err = w.opt.Transport.Stage(ctx, w.opt.Region, &sh.Arrival, seg, body)
				body.Close()
			}
			if err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	sh.Arrival.Staged, sh.Body = true, nil
	return nil
}
