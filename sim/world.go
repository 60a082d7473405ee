package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/s3model"
	"github.com/farhold/farhold/stamp"
	"github.com/farhold/farhold/store"
	"github.com/farhold/farhold/work/replication"
)

// world is a run: regions, the network between them, the true time, and what
// is known of every version ever made.
type world struct {
	opt     Options
	cfg     config
	rng     *rand.Rand
	now     time.Time
	step    int
	healed  bool
	regions []*region
	places  *places
	uids    int

	cuts   map[[2]string]bool // from, to: bytes that way are lost
	flying []*message         // sent, not arrived
	sent   []*message         // arrived once, and may arrive again

	versions map[stamp.Stamp]*origin

	trace []string
	err   error // the first violation
}

// origin is what is known of a version since it was made.
type origin struct {
	region *region
	bucket string
	uid    s3.UID
	key    string
	body   []byte
	made   s3.Version
	goes   map[string]s3.StorageClass // destination buckets that a rule sends it to, and the class there
	past   []stamp.Stamp              // versions of the key that its writer could see
	// By destination bucket: the newest change that it has taken, and the
	// reasons with which it refused.
	taken  map[string]stamp.Stamp
	reason map[string][]string
	// By destination bucket, which of that name it was.
	takenBy map[string]s3.UID
}

func (o *origin) refusedBy(bucket, reason string) {
	if !slices.Contains(o.reason[bucket], reason) {
		o.reason[bucket] = append(o.reason[bucket], reason)
	}
}

// places is the realm's directory of bucket names. While home is away nobody
// can say of a name that it is none.
type places struct {
	m    map[string]store.Place
	away bool
}

// Locate implements store.Directory.
func (p *places) Locate(_ context.Context, name string) (store.Place, bool, error) {
	l, ok := p.m[name]
	if p.away {
		return store.Place{}, false, errAway
	}
	return l, ok, nil
}

const traceMax = 60

func (w *world) tracef(format string, args ...any) {
	if len(w.trace) >= 2*traceMax {
		w.trace = append(w.trace[:0], w.trace[traceMax:]...)
	}
	w.trace = append(w.trace, fmt.Sprintf("%4d %8.3fs ", w.step, w.now.Sub(epoch).Seconds())+fmt.Sprintf(format, args...))
}

// violation notes the first thing that is not as it should be.
func (w *world) violation(format string, args ...any) error {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
	return w.err
}

func (w *world) chance(p float64) bool { return p > 0 && !w.healed && w.rng.Float64() < p }

func (w *world) region(name string) *region {
	for _, r := range w.regions {
		if r.name == name {
			return r
		}
	}
	return nil
}

func short(id stamp.Stamp) string { s := id.String(); return s[12:22] }

// accepted notes that a destination said it has a version, or side data of it.
func (w *world) accepted(to *region, b *s3model.Bucket, v *s3.Version, side bool) {
	o := w.versions[v.ID]
	if n := v.Newest(); stamp.Compare(n, o.taken[b.Name]) > 0 && (!side || !o.taken[b.Name].IsZero() || b.Purged[v.ID]) {
		o.taken[b.Name] = n
	}
	if !side {
		o.takenBy[b.Name] = b.UID
	}
}

// refused notes with what reason a destination refused. What it refused must
// not be there, unless it is what belongs to a version that is.
func (w *world) refused(to *region, sh *replication.Shipment) {
	name := replication.Name(sh.Err)
	if sh.Side != nil {
		w.versions[sh.Side.ID].refusedBy(sh.Side.Bucket, name)
		return
	}
	v, bucket := &sh.Arrival.Version, sh.Arrival.Bucket
	w.versions[v.ID].refusedBy(bucket, name)
	b := to.model[bucket]
	if b != nil && b.Find(v.Key, v.ID) != nil && errors.Is(sh.Err, store.ErrDstBucketUnversioned) {
		w.violation("%s %s: %s refuses it with %v, and has it", v.Key, short(v.ID), bucket, sh.Err)
	}
}

var epoch = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// Failure is a run that went wrong.
type Failure struct {
	Seed  uint64
	Err   error
	Trace []string
}

// Error gives the violation, the command that repeats it, and the end of the trace.
func (f *Failure) Error() string {
	return fmt.Sprintf("seed %d: %v\nrepeat: go test ./sim -run TestSeeds -seed %d\n%s", f.Seed, f.Err, f.Seed, strings.Join(f.Trace, "\n"))
}

// Unwrap gives the violation.
func (f *Failure) Unwrap() error { return f.Err }

// Run runs a seed to its end. The error is a *Failure.
func Run(ctx context.Context, o Options) error {
	trace, err := run(ctx, o)
	if err == nil {
		return nil
	}
	return &Failure{Seed: o.Seed, Err: err, Trace: trace}
}

func run(ctx context.Context, o Options) (trace []string, err error) {
	w := &world{
		opt: o, rng: rand.New(rand.NewPCG(o.Seed, 0x73696d)), now: epoch, places: &places{m: make(map[string]store.Place)},
		cuts: make(map[[2]string]bool), versions: make(map[stamp.Stamp]*origin),
	}
	w.cfg = newConfig(w.rng, o)
	err = w.run(ctx)
	return w.trace[max(0, len(w.trace)-traceMax):], err
}

var regionNames = []string{"us-east-1", "us-west-2", "eu-west-1"}

func (w *world) run(ctx context.Context) error {
	for i := range w.cfg.regions {
		r, err := newRegion(w, regionNames[i], w.opt.Seed<<2|uint64(i))
		if err != nil {
			return err
		}
		w.regions = append(w.regions, r)
	}
	for _, r := range w.regions {
		if err := r.start(ctx); err != nil {
			return err
		}
	}
	if err := w.furnish(ctx); err != nil {
		return err
	}
	for w.step = range w.cfg.steps {
		err := w.event(ctx)
		if err == nil {
			err = w.err
		}
		if err == nil && w.step%40 == 39 {
			err = w.compareAll(ctx)
		}
		if err != nil {
			return err
		}
	}
	if err := w.heal(ctx); err != nil {
		return err
	}
	// What was refused stays refused, and says so, until it is mended; half of
	// the runs look at that first.
	if w.rng.IntN(2) == 0 {
		if err := w.settle(ctx, true); err != nil {
			return err
		}
		if err := w.compareAll(ctx); err != nil {
			return err
		}
	}
	if err := w.mend(ctx); err != nil {
		return err
	}
	if err := w.settle(ctx, false); err != nil {
		return err
	}
	return w.converged(ctx)
}

// heal makes the network whole and the clocks good.
func (w *world) heal(ctx context.Context) error {
	w.healed = true
	w.places.away = false
	clear(w.cuts)
	for _, r := range w.regions {
		r.fuse = -1
		r.offset = time.Duration(w.rng.Int64N(int64(4*time.Second))) - 2*time.Second
	}
	w.tracef("healed")
	for len(w.flying) > 0 {
		m := w.flying[0]
		w.flying = w.flying[1:]
		if _, err := w.deliver(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// settle runs every worker until nothing is to be done, or, where refused work
// may be left, until nothing else is.
func (w *world) settle(ctx context.Context, refused bool) error {
	// The longest wait is the worker's longest back-off, or until clocks have
	// caught up with the greatest stamp.
	end := w.now.Add(10*time.Minute + 2*wildest)
	for w.now.Before(end) {
		next := w.now.Add(15 * time.Second)
		for _, r := range w.regions {
			for _, k := range r.workers {
				for range 100 {
					again, err := k.Step(ctx)
					if w.err != nil {
						return w.err
					}
					if err != nil {
						return w.violation("%s: a worker failed: %v", r.name, err)
					}
					if again.After(r.now()) {
						if at := again.Add(-r.offset); at.Before(next) {
							next = at
						}
						break
					}
				}
			}
		}
		left := 0
		for _, r := range w.regions {
			rows, err := w.outbox(ctx, r)
			if err != nil {
				return err
			}
			for _, list := range rows {
				for i := range list {
					if !refused || !list[i].Failed {
						left++
					}
				}
			}
		}
		if left == 0 {
			return nil
		}
		w.now = maxTime(next, w.now.Add(time.Millisecond))
	}
	return w.violation("the regions do not come to rest")
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
