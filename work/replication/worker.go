package replication

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
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
	// What was refused is tried again by itself, should nobody hear that it was
	// mended; a success after a refusal is such a hint, given no more often than
	// each mendedEvery.
	refusedMin  = 5 * time.Second
	refusedMax  = time.Minute
	mendedEvery = 5 * time.Second
)

// Link is what the workers of one destination region know of it together.
type Link struct {
	mu     sync.Mutex
	down   bool
	seen   time.Time // of the last answer
	mended time.Time // when a success after a refusal was last passed on
}

// pass tells whether a success after a refusal is to be passed on now.
func (l *Link) pass(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d := now.Sub(l.mended); d >= 0 && d < mendedEvery {
		return false
	}
	l.mended = now
	return true
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
	Identity  *Identity    // of the source: in whose name versions leave it; nothing does without
	Clock     *stamp.Clock // of the source
	Link      *Link        // shared by the workers of a destination
	Log       *slog.Logger
	// Observe, if any, is told of each attempt that was settled.
	Observe func(t *store.Task, r store.Result, took time.Duration)
}

// Worker ships the tasks of one shard of one lane of one destination. It is a
// work.Stepper; one Step runs at a time.
type Worker struct {
	opt    Options
	from   stamp.Time // where the next look at the outbox begins
	rescan time.Time  // when to look from the beginning again

	kicks   uint64    // Kicks of the store that were heeded
	kicked  time.Time // when the last of them was; zero when all that it asks for was tried
	refused []byte    // how far what it asks for was tried
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
	b, err := w.due(ctx, now)
	if err != nil {
		return time.Time{}, err
	}
	if len(b.tasks) == 0 {
		if !w.kicked.IsZero() {
			return time.Unix(1, 0), nil // there is more to walk over
		}
		w.advance(b.settled)
		return w.idle(ctx, now)
	}
	// Nothing is shipped that a crash here could still take back.
	if err := w.opt.Store.Barrier(ctx); err != nil {
		return time.Time{}, err
	}
	outcomes, linkErr := w.attempt(ctx, b.tasks)
	if err := w.settle(ctx, now, outcomes); err != nil {
		return time.Time{}, err
	}
	if linkErr != nil {
		return w.cut(ctx, now, b, linkErr)
	}
	w.advance(b.settled)
	return time.Unix(1, 0), nil // look once more: a hint may have come while this ran
}

// batch is what one step ships.
type batch struct {
	tasks   []store.Task
	kicked  int        // the first so many are tried before they are due
	settled stamp.Time // below it nothing is left when tasks are settled
}

// due gives what is to be shipped now, up to a bound.
func (w *Worker) due(ctx context.Context, now time.Time) (b batch, err error) {
	limit := batchMax
	if w.opt.Lane == store.LaneLarge {
		limit = largeMax
	}
	tasks, err := w.opt.Store.Tasks(ctx, w.opt.Region, w.opt.Lane, w.opt.Shard, w.from, limit)
	if err != nil {
		return b, err
	}
	kicked, err := w.heedKick(ctx, now, max(limit/4, 1))
	if err != nil {
		return b, err
	}
	settled := stamp.TimeOf(now.Add(-settledAfter))
	if len(tasks) == limit {
		settled = min(settled, tasks[len(tasks)-1].At.Time())
	}
	if w.opt.Lane == store.LaneSmall {
		var left []store.Task
		tasks, left = cutBytes(tasks)
		for i := range left {
			settled = min(settled, left[i].At.Time())
		}
	}
	return batch{append(kicked, tasks...), len(kicked), settled}, nil
}

// settle notes what became of tasks, and tells who watches.
func (w *Worker) settle(ctx context.Context, now time.Time, outcomes []store.Outcome) error {
	if err := w.opt.Store.Settle(ctx, outcomes); err != nil {
		return err
	}
	for i := range outcomes {
		if o := &outcomes[i]; o.Result == store.ResultDone && o.Task.Failed && w.opt.Link.pass(now) {
			w.opt.Store.Kick() // what mended this may have mended others
			break
		}
	}
	if w.opt.Observe != nil {
		for i := range outcomes {
			w.opt.Observe(&outcomes[i].Task, outcomes[i].Result, now.Sub(outcomes[i].Task.Written))
		}
	}
	return nil
}

// cut is the end of a step whose line broke.
func (w *Worker) cut(ctx context.Context, now time.Time, b batch, linkErr error) (again time.Time, err error) {
	if b.kicked > 0 {
		w.kicks-- // what was passed over now is to be tried when the line is back
	}
	if ctx.Err() != nil {
		return time.Time{}, ctx.Err()
	}
	if w.opt.Link.set(true, now) {
		w.opt.Log.Warn("destination region cannot be reached; its objects stay PENDING", "region", w.opt.Region, "err", linkErr)
	}
	return now.Add(probeEvery), nil
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

// heedKick gives tasks that were refused before the store was last kicked and
// are not due, some at a time.
func (w *Worker) heedKick(ctx context.Context, now time.Time, limit int) (tasks []store.Task, err error) {
	if n := w.opt.Store.Kicks(); n != w.kicks {
		w.kicks, w.kicked, w.refused = n, now, nil
	}
	if w.kicked.IsZero() {
		return nil, nil
	}
	tasks, w.refused, err = w.opt.Store.Refused(ctx, w.opt.Region, w.opt.Lane, w.opt.Shard, w.kicked, w.refused, limit)
	if w.refused == nil {
		w.kicked = time.Time{}
	}
	return tasks, err
}

// cutBytes ends a batch where its bodies become too many bytes.
func cutBytes(tasks []store.Task) (batch, left []store.Task) {
	size := int64(0)
	for i := range tasks {
		if size += tasks[i].Size; size > batchBytes && i > 0 {
			return tasks[:i], tasks[i:]
		}
	}
	return tasks, nil
}

// sending is a task that is being tried.
type sending struct {
	task     *store.Task
	object   *store.Object
	target   *s3.Target
	shipment *Shipment
	// newest is the newest change that is shipped, untagged the same without the
	// tags: a destination may keep those off.
	newest, untagged stamp.Stamp
}

// attempt tries tasks and gives the outcomes of those that have one. The error
// says that the line broke.
func (w *Worker) attempt(ctx context.Context, tasks []store.Task) ([]store.Outcome, error) {
	var (
		outcomes []store.Outcome
		ready    []*sending
	)
	leaving := departures{id: w.opt.Identity}
	opened := make([]*store.Object, 0, len(tasks))
	defer func() {
		for _, o := range opened {
			o.Close()
		}
	}()
	for i := range tasks {
		t := &tasks[i]
		o, err := w.opt.Store.OpenTask(ctx, t)
		if err == nil {
			opened = append(opened, o)
			var s *sending
			if s, err = prepare(ctx, &leaving, t, o); err == nil && s != nil {
				ready = append(ready, s)
				continue
			}
			if err == nil {
				outcomes = append(outcomes, store.Outcome{Task: *t, Result: store.ResultDone})
				continue
			}
		} else if !errors.Is(err, store.ErrNoSuchVersion) {
			err = fmt.Errorf("reading the version: %w", err)
		}
		if ctx.Err() != nil {
			return outcomes, ctx.Err()
		}
		outcomes = append(outcomes, w.failure(t, err))
	}
	ready, refused, err := w.ask(ctx, ready)
	outcomes = append(outcomes, refused...)
	if len(ready) == 0 || err != nil {
		return outcomes, err
	}
	if w.opt.Lane == store.LaneLarge {
		err = w.shipLarge(ctx, ready)
	} else {
		err = w.opt.Transport.Ship(ctx, w.opt.Region, shipmentsOf(ready))
	}
	for _, s := range ready {
		if s.shipment.Answered {
			outcomes = append(outcomes, w.outcome(s))
		}
	}
	return outcomes, err
}

func shipmentsOf(list []*sending) []*Shipment {
	out := make([]*Shipment, len(list))
	for i, s := range list {
		out[i] = s.shipment
	}
	return out
}

// prepare decides whether a version may leave, and makes what is sent of it.
// Nil and no error means that nothing is left to be sent.
func prepare(ctx context.Context, leaving *departures, t *store.Task, o *store.Object) (*sending, error) {
	at := slices.IndexFunc(o.Targets, func(g s3.Target) bool { return g.Bucket == t.Target })
	if at < 0 {
		return nil, store.ErrNoSuchVersion
	}
	g := &o.Targets[at]
	if t.Kind == store.KindSide && stamp.Compare(g.Done, t.At) >= 0 {
		return nil, nil // the change went along with its version, or with another one
	}
	v := o.Version
	v.Targets = nil // how far it got elsewhere is nobody's business there
	from := leaving.of(ctx, t.UID)
	if err := from.leave(ctx, t, o, g, &v); err != nil {
		return nil, err
	}
	if t.Class != "" {
		v.Class = t.Class
	}
	sh := &Shipment{Pass: from.pass, KeyID: g.KeyID, Owner: g.Owner}
	s := &sending{task: t, object: o, target: g, shipment: sh, newest: v.Newest()}
	bare := v
	bare.Tags = s3.TagRegister{}
	s.untagged = bare.Newest()
	if t.Kind == store.KindSide {
		sh.Side = &store.SideArrival{
			UID: t.TargetUID, Bucket: t.Target, Key: v.Key, ID: v.ID, Tags: v.Tags, Retention: v.Retention, Hold: v.Hold, ACL: v.ACL,
		}
		return s, nil
	}
	sh.Arrival = store.Arrival{Bucket: t.Target, UID: t.TargetUID, Version: v}
	switch {
	case v.Marker:
	case v.SSE.CustomerKeyMD5 != "":
		sealed, err := o.Sealed(ctx)
		if err != nil {
			return nil, fmt.Errorf("an object under its customer's key: %w", err)
		}
		sh.Arrival.Sealed = sealed
		sh.Body = func(ctx context.Context) (io.ReadCloser, error) { return sealedBody(ctx, o) }
	default:
		sh.Body = func(ctx context.Context) (io.ReadCloser, error) { return o.Body(ctx, 0, -1) }
	}
	return s, nil
}

// ask asks about the versions that were refused before: what would be refused
// again is not sent. It gives those that are to be sent.
func (w *Worker) ask(ctx context.Context, list []*sending) (ready []*sending, refused []store.Outcome, err error) {
	var questions []*Shipment
	var asked []*sending
	for _, s := range list {
		if !s.task.Failed || s.shipment.Body == nil {
			ready = append(ready, s)
			continue
		}
		q := *s.shipment
		q.Ask, q.Body = true, nil
		questions, asked = append(questions, &q), append(asked, s)
	}
	if len(questions) == 0 {
		return list, nil, nil
	}
	err = w.opt.Transport.Ship(ctx, w.opt.Region, questions)
	for i, q := range questions {
		switch {
		case !q.Answered:
		case q.Err == nil:
			ready = append(ready, asked[i])
		default:
			asked[i].shipment.Err = q.Err
			refused = append(refused, w.outcome(asked[i]))
		}
	}
	return ready, refused, err
}

// outcome says what an answer means for its task.
func (w *Worker) outcome(s *sending) store.Outcome {
	t, sh := s.task, s.shipment
	if sh.Err == nil && sh.Side == nil && (sh.Receipt.Digest != s.object.Digest || sh.Receipt.Size != s.object.Size) {
		sh.Err = fmt.Errorf("%w: the destination confirms %d bytes with digest %016x", store.ErrDigest, sh.Receipt.Size, sh.Receipt.Digest)
	}
	if sh.Err == nil {
		shipped := s.newest
		if sh.Stopped && stamp.Compare(s.object.Tags.At, s.object.ID) > 0 {
			shipped = s.untagged // the change of tags has a task of its own, which will be told
		}
		return store.Outcome{Task: *t, Result: store.ResultDone, Shipped: shipped}
	}
	if g := s.target; errors.Is(sh.Err, store.ErrDstVersionNotFound) && waits(g, s.object) {
		if g.Failed > 0 {
			return w.refuse(t, g.Reason, sh.Err) // as its version was
		}
		return w.retry(t, sh.Err) // side data waits for its version
	}
	return w.failure(t, sh.Err)
}

// failure says what an error means for a task.
func (w *Worker) failure(t *store.Task, err error) store.Outcome {
	if errors.Is(err, store.ErrNoSuchVersion) {
		return store.Outcome{Task: *t, Result: store.ResultGone}
	}
	switch reason, fate := fateOf(err); fate {
	case final:
		w.opt.Log.Warn("replication failed", "key", t.Key, "version", t.ID.String(), "destination", t.Target, "reason", reason, "err", err)
		return store.Outcome{Task: *t, Result: store.ResultFail, Reason: reason}
	case mends:
		return w.refuse(t, reason, err)
	}
	return w.retry(t, err)
}

// waits tells whether the version of side data is still on its way: it neither
// arrived nor was it refused for good.
func waits(g *s3.Target, o *store.Object) bool {
	if stamp.Compare(g.Done, o.ID) >= 0 {
		return false
	}
	return g.Failed > 0 || g.Status == s3.Pending && g.Reason == ""
}

// refuse parks a task that was refused for a reason that can be mended.
func (w *Worker) refuse(t *store.Task, reason string, err error) store.Outcome {
	wait := refusedMin
	if t.Failed {
		wait = min(refusedMin<<min(t.Attempts, 4), refusedMax)
	} else {
		w.opt.Log.Warn("replication was refused; it is tried again", "key", t.Key, "version", t.ID.String(), "destination", t.Target, "reason", reason, "err", err)
	}
	return store.Outcome{Task: *t, Result: store.ResultRefused, Reason: reason, Due: w.opt.Clock.Now().Add(wait)}
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
// A body that comes sealed is sent whole.
func (w *Worker) shipLarge(ctx context.Context, list []*sending) error {
	var wg sync.WaitGroup
	errs := make([]error, len(list))
	for i, s := range list {
		if sh := s.shipment; sh.Side != nil || sh.Arrival.Version.Marker || sh.Arrival.Sealed != nil {
			continue
		}
		wg.Go(func() { errs[i] = w.stage(ctx, s.shipment, s.object) })
	}
	wg.Wait()
	var ready []*Shipment
	var linkErr error
	for i, s := range list {
		sh := s.shipment
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
	has, err := w.opt.Transport.Staged(ctx, w.opt.Region, sh)
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
				err = w.opt.Transport.Stage(ctx, w.opt.Region, sh, seg, body)
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
