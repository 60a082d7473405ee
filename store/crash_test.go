package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/farhold/farhold/blob/diskblob"
	"github.com/farhold/farhold/kv/pebblekv"
	"github.com/farhold/farhold/seal"
	"github.com/farhold/farhold/stamp"
)

// A crash test runs a script of operations on one crashable file system under
// rows and blobs. Before each step that changes the file system the power is
// cut: copies are taken that keep 0, 50 and 100 % of what was not synced. Each
// copy is opened, swept, and compared with the states that it may have: those
// from the last operation that was answered to the last that was begun.
//
// What a client or a worker was shown of an operation under way counts as its
// answer.

// crashed is a region on a crashable file system.
type crashed struct {
	*Store
	kv    *pebblekv.Store
	blobs *diskblob.Store
}

func openCrashed(fs vfs.FS, mutant string) (_ *crashed, err error) {
	keeper, err := seal.NewRegionKeeper(random(seal.KeySize))
	if err != nil {
		return nil, err
	}
	r := &crashed{}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if r.kv, err = pebblekv.Open(pebblekv.Options{FS: fs, Dir: "data/kv", CacheSize: 1 << 20, MemTableSize: 256 << 10, Reserve: -1}); err != nil {
		return nil, err
	}
	o := diskblob.Options{FS: fs, Dir: "data/blobs", Volume: "v1", PackMax: 256 << 10, FileMin: 96 << 10, Packs: 1}
	if strings.HasSuffix(mutant, "-sync") {
		o.Mutant, mutant = mutant, ""
	}
	if r.blobs, err = diskblob.Open(o); err != nil {
		return nil, err
	}
	clock := stamp.NewClock("us-east-1", time.Now, nil)
	dir := places{"copy": {Region: "us-west-2"}, "archive": {Region: "eu-west-1"}}
	r.Store, err = Open(context.Background(), Options{Region: "us-east-1", KV: r.kv, Blobs: r.blobs, Keeper: keeper, Clock: clock, Directory: dir, Mutant: mutant})
	return r, err
}

func (r *crashed) close() error {
	var errs []error
	if r.blobs != nil {
		errs = append(errs, r.blobs.Close())
	}
	if r.kv != nil {
		errs = append(errs, r.kv.Close())
	}
	return errors.Join(errs...)
}

// collectAll runs the collector until it has nothing to do.
func (s *Store) collectAll(ctx context.Context) error {
	for n := 0; ; n++ {
		more, err := s.SweepStep(ctx)
		if err != nil {
			return err
		}
		fold, err := s.FoldStep(ctx)
		if err != nil {
			return err
		}
		if !more && !fold {
			// A step that freed rows says no more, and has not looked for orphans.
			left, err := countFree(ctx, s)
			if err != nil || left == 0 && s.orphans.done {
				return err
			}
		}
		if n == 1000 {
			return errors.New("the collector does not come to an end")
		}
	}
}

// crasher runs one script and cuts the power at its steps.
type crasher struct {
	t      *testing.T
	name   string // of the test, to run it again
	seed   uint64
	mutant string
	stride int // a crash before each stride-th step
	offset int
	only   int           // if not 0, crash near this step only
	window time.Duration // how long workers may look at what is not synced
	until  int           // violations to stop after

	mem     *vfs.MemFS
	region  *crashed
	on      atomic.Bool
	rng     *rand.Rand // under mu
	mu      sync.Mutex // one crash at a time
	steps   int
	crashes int
	found   []error

	fmu      sync.Mutex // what is known
	actors   []*actor
	shipped  map[string]stamp.Stamp // by the version's row: the newest change that was shipped
	purging  map[string]bool        // by the version's row: a purge was begun
	arrivals []*Arrival
	looking  atomic.Bool
}

// actor does one operation after the other in buckets of its own.
type actor struct {
	c      *crasher
	prefix string // of its buckets' names

	// Under c.fmu:
	hist  []state // hist[n] is how it is after n operations
	floor int     // operations that were answered, or whose effect was shown
	op    string  // under way
	probe func(ctx context.Context) bool

	buckets map[string]*bucketMode
	serial  int
}

func newCrasher(t *testing.T, seed uint64, mutant string) *crasher {
	c := &crasher{
		t: t, name: t.Name(), seed: seed, mutant: mutant, stride: 1, until: 3, window: 2 * time.Millisecond,
		mem: vfs.NewCrashableMem(), rng: rand.New(rand.NewPCG(seed, 7)),
		shipped: map[string]stamp.Stamp{}, purging: map[string]bool{},
	}
	if at := os.Getenv("FARHOLD_CRASH_STEP"); at != "" {
		n, err := strconv.Atoi(at)
		if err != nil {
			t.Fatal(err)
		}
		c.only = n
	}
	if err := c.mem.MkdirAll("data", 0o755); err != nil { // the region's folder, which is there
		t.Fatal(err)
	}
	root, err := c.mem.OpenDir("/")
	if err == nil {
		err = root.Sync()
	}
	if err == nil {
		c.region, err = openCrashed(stepFS{FS: c.mem, before: c.before}, mutant)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *crasher) newActor(prefix string) *actor {
	a := &actor{c: c, prefix: prefix, hist: []state{{}}, buckets: map[string]*bucketMode{}}
	c.actors = append(c.actors, a)
	return a
}

// do runs an operation. next says how things are when it is done, with the
// identities that are not known before left open; call runs it and gives what
// fills them in. probe tells, by an answer, that its effect is there.
func (a *actor) do(op string, next func(st state), call func(ctx context.Context) (func(st state), error), probe func(ctx context.Context) bool) {
	if a.c.enough() {
		return
	}
	ctx := context.Background()
	st := a.hist[len(a.hist)-1].clone()
	next(st)
	a.c.fmu.Lock()
	n := len(a.hist)
	a.hist = append(a.hist, st)
	a.op, a.probe = op, probe
	a.c.fmu.Unlock()
	fix, err := call(ctx)
	if err != nil {
		a.c.t.Errorf("%s: %v", op, err)
	}
	done := st.clone()
	if fix != nil && err == nil {
		fix(done)
	}
	a.c.fmu.Lock()
	a.hist[n] = done
	a.floor, a.probe = n, nil
	a.c.fmu.Unlock()
}

func (c *crasher) enough() bool {
	c.fmu.Lock()
	defer c.fmu.Unlock()
	return len(c.found) >= c.until
}

// facts are what a crash must not undo.
type facts struct {
	floor   []int
	shipped map[string]stamp.Stamp
}

// before is called before each step on the file system.
func (c *crasher) before(kind, path string) {
	if !c.on.Load() || c.enough() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.steps++
	due := (c.steps+c.offset)%c.stride == 0
	if c.only != 0 {
		due = c.steps >= c.only-3 && c.steps <= c.only+3
	}
	if !due {
		return
	}
	if kind == "sync" && strings.HasSuffix(path, ".log") {
		c.look()
	}
	c.fmu.Lock()
	f := facts{shipped: maps.Clone(c.shipped)}
	for _, a := range c.actors {
		f.floor = append(f.floor, a.floor)
	}
	c.fmu.Unlock()
	var clones []*vfs.MemFS
	percents := []int{0, 50, 100}
	for _, percent := range percents {
		clones = append(clones, c.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: c.rng}))
	}
	for i, clone := range clones {
		c.crashes++
		again := 0 // crash the recovery too, now and then
		if c.crashes%7 == 0 {
			again = 1 + c.rng.IntN(40)
		}
		if err := c.verify(clone, &f, again); err != nil {
			c.fmu.Lock()
			var ops []string
			for _, a := range c.actors {
				ops = append(ops, a.op)
			}
			c.found = append(c.found, fmt.Errorf("during %s, step %d, before %s of %s, %d %% of what was not synced kept:\n  %w\n  again: FARHOLD_CRASH_STEP=%d go test -count=1 -run '^%s$' ./store",
				strings.Join(ops, " and "), c.steps, kind, path, percents[i], err, c.steps, strings.ReplaceAll(c.name, "/", "$/^")))
			c.fmu.Unlock()
		}
	}
}

// look lets clients and workers see what is written and not synced. What they
// are told counts. It does not wait for them long: they may wait for the very
// sync that is held up here.
func (c *crasher) look() {
	if c.looking.Swap(true) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.window)
	done := make(chan struct{})
	go func() {
		defer c.looking.Store(false)
		defer close(done)
		defer cancel()
		c.ship(ctx)
		for _, a := range c.actors {
			c.fmu.Lock()
			probe, n := a.probe, len(a.hist)-1
			c.fmu.Unlock()
			if probe != nil && probe(ctx) {
				c.fmu.Lock()
				a.floor = max(a.floor, n)
				c.fmu.Unlock()
			}
		}
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// ship does what a worker does with its tasks, and notes what it would send.
func (c *crasher) ship(ctx context.Context) {
	s := c.region.Store
	for _, region := range []string{"us-west-2", "eu-west-1"} {
		for _, lane := range []Lane{LaneSmall, LaneLarge} {
			for shard := range uint8(Shards) {
				tasks, err := s.Tasks(ctx, region, lane, shard, 0, 100)
				if err != nil || len(tasks) == 0 {
					continue
				}
				if s.Barrier(ctx) != nil {
					continue
				}
				for i := range tasks {
					t := &tasks[i]
					o, err := s.OpenTask(ctx, t)
					if err != nil {
						continue
					}
					newest := o.Newest()
					o.Close()
					key := string(versionKey(t.UID, t.Key, t.ID))
					c.fmu.Lock()
					c.shipped[key] = maxStamp(c.shipped[key], newest)
					c.fmu.Unlock()
				}
			}
		}
	}
}

// verify opens what a crash left and looks whether it may be so. If again is
// not 0, the recovery is crashed too, before its again-th step.
func (c *crasher) verify(crash *vfs.MemFS, f *facts, again int) error {
	var fs vfs.FS = crash
	var second *vfs.MemFS
	if again > 0 {
		var mu sync.Mutex
		n := 0
		rng := rand.New(rand.NewPCG(c.seed, uint64(again)))
		fs = stepFS{FS: crash, cloning: &mu, before: func(string, string) {
			mu.Lock()
			defer mu.Unlock()
			if n++; n == again {
				second = crash.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rng})
			}
		}}
	}
	ctx := context.Background()
	r, err := openCrashed(fs, "")
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	err = c.compare(ctx, r, f)
	if e := r.close(); err == nil && e != nil {
		err = fmt.Errorf("close: %w", e)
	}
	if err == nil && second != nil {
		if err = c.verify(second, f, 0); err != nil {
			err = fmt.Errorf("crash of the recovery, before its step %d: %w", again, err)
		}
	}
	return err
}

func (c *crasher) compare(ctx context.Context, r *crashed, f *facts) error {
	if _, err := checkRows(ctx, r.Store, false); err != nil {
		return fmt.Errorf("rows: %w", err)
	}
	if err := r.collectAll(ctx); err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	k, err := checkRows(ctx, r.Store, true)
	if err != nil {
		return fmt.Errorf("rows after the sweep: %w", err)
	}
	c.fmu.Lock()
	arrivals := slices.Clone(c.arrivals)
	purging := maps.Clone(c.purging)
	may := make([][]state, len(c.actors))
	for i, a := range c.actors {
		may[i] = slices.Clone(a.hist[f.floor[i]:])
	}
	c.fmu.Unlock()
	for key, newest := range f.shipped {
		switch v := k.versions[key]; {
		case v == nil && !purging[key]:
			return fmt.Errorf("shipped, and lost: %q", key)
		case v != nil && stamp.Compare(v.Newest(), newest) < 0:
			return fmt.Errorf("shipped as changed at %s, and lost that: %q", newest, key)
		}
	}
	for i, a := range c.actors {
		got, err := observe(ctx, r.Store, k, arrivals, func(bucket string) bool { return strings.HasPrefix(bucket, a.prefix) })
		if err != nil {
			return fmt.Errorf("observe: %w", err)
		}
		diff := ""
		for n, want := range may[i] {
			d := want.differ(got)
			if d == "" {
				diff = ""
				break
			}
			diff += fmt.Sprintf("\n  not the state after operation %d:%s", f.floor[i]+n, d)
		}
		if diff != "" {
			return errors.New("neither as it was nor as it was to be:" + diff)
		}
	}
	return nil
}

// run runs a script on c and returns when all is closed.
func (c *crasher) run(script func(c *crasher), collector bool) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	if collector {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(300 * time.Microsecond):
				}
				_, err := c.region.SweepStep(context.Background())
				_, err2 := c.region.FoldStep(context.Background())
				if err = errors.Join(err, err2); err != nil {
					c.t.Errorf("collector: %v", err)
					return
				}
			}
		})
	}
	script(c)
	close(stop)
	wg.Wait()
	c.on.Store(false)
	for c.looking.Load() {
		time.Sleep(time.Millisecond)
	}
	if _, err := checkRows(context.Background(), c.region.Store, false); err != nil && c.mutant == "" {
		c.t.Errorf("at the end: %v", err)
	}
	if err := c.region.close(); err != nil {
		c.t.Error(err)
	}
}

// thorough tells whether each step is to be crashed.
func thorough() bool { return os.Getenv("FARHOLD_THOROUGH") != "" }

func TestCrash(t *testing.T) {
	var mu sync.Mutex
	steps, crashes, found := 0, 0, 0
	t.Cleanup(func() { t.Logf("%d I/O steps, %d crashes, %d violations", steps, crashes, found) })
	seeds := uint64(1)
	if thorough() {
		seeds = 5
	}
	for n := range 2 * seeds * uint64(len(crashScripts)) {
		s := crashScripts[n/2/seeds]
		seed, collector := n/2%seeds, n%2 == 1
		name := fmt.Sprintf("%s/%d/alone", s.name, seed)
		if collector {
			name = fmt.Sprintf("%s/%d/collected", s.name, seed)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCrasher(t, seed, "")
			if !thorough() && c.only == 0 {
				c.stride = s.stride
				if c.offset = 0; collector {
					c.offset = s.stride / 2
				}
			}
			c.run(s.run, collector)
			for _, err := range c.found {
				t.Error(err)
			}
			t.Logf("%d I/O steps, %d crashes", c.steps, c.crashes)
			mu.Lock()
			steps, crashes, found = steps+c.steps, crashes+c.crashes, found+len(c.found)
			mu.Unlock()
		})
	}
}

// A region that leaves out what safety needs must be found out.
func TestCrashMutants(t *testing.T) {
	for _, mutant := range []string{"no-file-sync", "no-dir-sync", "no-outbox", "no-barrier"} {
		t.Run(mutant, func(t *testing.T) {
			t.Parallel()
			crashes := 0
			for seed := range uint64(5) {
				c := newCrasher(t, seed, mutant)
				c.until, c.only = 1, 0
				if mutant == "no-barrier" {
					c.window = 200 * time.Millisecond
				}
				c.run(scriptPut, seed%2 == 1)
				crashes += c.crashes
				if len(c.found) > 0 {
					t.Logf("found by crash %d: %v", crashes, c.found[0])
					return
				}
			}
			t.Errorf("%d crashes did not find it out", crashes)
		})
	}
}
