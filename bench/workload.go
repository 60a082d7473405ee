package bench

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"
)

// The workloads that Run knows.
const (
	Put    = "put"    // new objects
	Get    = "get"    // whole objects, at random
	Head   = "head"   // objects, at random
	List   = "list"   // pages of 1,000 entries
	Delete = "delete" // each prepared object once
	Mixed  = "mixed"  // get, head, put and delete in given shares
)

// ErrOptions is wrapped by every complaint about Options.
var ErrOptions = errors.New("bench: bad options")

// Options say what to run against a Target. Times of 0 mean none.
type Options struct {
	Workload string
	// Size of each object in bytes. 0 is a size like any other.
	Size int64
	// Clients is how many closed loops run, each on its own connection.
	Clients int
	// PrepareClients fill and clean up; at least 1.
	PrepareClients int
	// Warmup precedes the measured window; not used by delete and by a put of
	// a given number of objects, which end with the last object.
	Warmup time.Duration
	// Duration of the measured window; 0 only where Objects ends the run.
	Duration time.Duration
	// Objects is how many there are to read or delete; for put, how many to
	// write at most (0: as many as the duration allows).
	Objects int64
	// Prefix begins every key.
	Prefix string
	// Versioned turns the bucket's versioning on.
	Versioned bool
	// Prepared tells that an earlier run with the same options has made the
	// objects and left them.
	Prepared bool
	// Verify compares every byte that get reads with what was put.
	Verify bool
	// Cleanup deletes every version under Prefix afterwards.
	Cleanup bool
	// Mix are the shares of mixed.
	Mix Mix
	// Listing says what list walks over.
	Listing Listing
	// ServerPIDs are processes of this machine whose processor time is
	// reported.
	ServerPIDs []int
	// Progress may be nil.
	Progress Progress
}

// Mix are the shares of operations in the mixed workload; they need not sum up
// to 100. What is deleted was put by the same run, so reads always find their
// object; a delete that finds nothing left to delete puts an object instead.
type Mix struct {
	Get    int `json:"get"`
	Head   int `json:"head"`
	Put    int `json:"put"`
	Delete int `json:"delete"`
}

// Report is the outcome of Run.
type Report struct {
	Workload string    `json:"workload"`
	Started  time.Time `json:"started"`
	Machine  Machine   `json:"machine"`
	Settings Settings  `json:"settings"`
	// Prepare is nil when nothing was to be prepared.
	Prepare *Step `json:"prepare,omitempty"`
	// Seconds of the measured window, up to the end of the last operation that
	// began in it.
	Seconds    float64     `json:"seconds"`
	Operations []Operation `json:"operations"`
	PerSecond  []int64     `json:"ops_by_second,omitempty"`
	Load       Load        `json:"load"`
	// Reconnects are connections that the server closed between requests.
	Reconnects int64 `json:"reconnects"`
	// Interrupted tells that the run was ended early.
	Interrupted bool  `json:"interrupted,omitempty"`
	Cleanup     *Step `json:"cleanup,omitempty"`
}

// Settings are the options as reports show them, without credentials.
type Settings struct {
	Endpoints       []string `json:"endpoints"`
	Region          string   `json:"region"`
	Bucket          string   `json:"bucket"`
	Prefix          string   `json:"prefix"`
	Versioned       bool     `json:"versioned"`
	Size            int64    `json:"size_bytes"`
	Clients         int      `json:"clients"`
	Objects         int64    `json:"objects,omitempty"`
	Warmup          float64  `json:"warmup_seconds"`
	Duration        float64  `json:"duration_seconds"`
	UnsignedPayload bool     `json:"unsigned_payload"`
	Verify          bool     `json:"verify,omitempty"`
	Mix             *Mix     `json:"mix,omitempty"`
	Listing         *Listing `json:"listing,omitempty"`
}

// Step is a phase that isn't the measured one.
type Step struct {
	Requests int64   `json:"requests"`
	Seconds  float64 `json:"seconds"`
}

func (o *Options) check() error {
	known := []string{Put, Get, Head, List, Delete, Mixed}
	bounded := o.Workload == Delete || o.Workload == Put && o.Objects > 0
	switch {
	case !slices.Contains(known, o.Workload):
		return fmt.Errorf("%w: workload %q is none of %v", ErrOptions, o.Workload, known)
	case o.Size < 0 || o.Size > 5<<30:
		return fmt.Errorf("%w: size %d is not within 0 and 5 GiB, what one PUT may hold", ErrOptions, o.Size)
	case o.Clients < 1 || o.Clients > 10_000 || o.PrepareClients < 1 || o.PrepareClients > 10_000:
		return fmt.Errorf("%w: clients must be 1 to 10,000", ErrOptions)
	case o.Duration < 0 || o.Warmup < 0 || o.Duration == 0 && !bounded:
		return fmt.Errorf("%w: duration must be positive", ErrOptions)
	case o.Objects < 0 || o.Objects == 0 && o.Workload != Put && o.Workload != List:
		return fmt.Errorf("%w: objects must be positive", ErrOptions)
	case o.Prefix == "" && o.Cleanup:
		return fmt.Errorf("%w: clean-up without a prefix would empty the bucket", ErrOptions)
	case o.Workload == Mixed && (o.Mix.Get < 0 || o.Mix.Head < 0 || o.Mix.Put < 0 || o.Mix.Delete < 0 || o.Mix.sum() == 0):
		return fmt.Errorf("%w: shares must not be negative and not all be zero", ErrOptions)
	}
	if o.Workload == List {
		return o.Listing.check()
	}
	return nil
}

func (m Mix) sum() int { return m.Get + m.Head + m.Put + m.Delete }

// Run prepares what the workload needs, measures it and cleans up. The bucket
// is made when it's absent. An interrupted run (ctx is cancelled) gives the
// report of what was measured so far.
func Run(ctx context.Context, t Target, o Options) (*Report, error) {
	if err := errors.Join(t.check(), o.check()); err != nil {
		return nil, err
	}
	if _, err := takeSample(o.ServerPIDs); err != nil {
		return nil, err
	}
	r := &Report{Workload: o.Workload, Started: time.Now().UTC(), Machine: ThisMachine(), Settings: settings(&t, &o)}
	g, err := newCrew(ctx, &t, max(o.PrepareClients, 1))
	if err != nil {
		return nil, err
	}
	defer g.close()
	if err := persist(ctx, func() error { return g.clients[0].makeBucket(o.Versioned) }); err != nil {
		return nil, err
	}
	w, err := newWorkload(&o)
	if err != nil {
		return nil, err
	}
	if !o.Prepared {
		if r.Prepare, err = w.prepare(g); err != nil {
			return nil, fmt.Errorf("prepare: %w", err)
		}
	}
	if err := w.measure(ctx, &t, r); err != nil {
		return nil, err
	}
	if o.Cleanup && ctx.Err() == nil {
		begin := time.Now()
		count, stop := o.Progress.phase("clean up", 0)
		n, err := sweep(g, o.Prefix, count)
		stop()
		if err != nil {
			return r, fmt.Errorf("clean up: %w", err)
		}
		r.Cleanup = &Step{Requests: n, Seconds: time.Since(begin).Seconds()}
	}
	return r, nil
}

func settings(t *Target, o *Options) Settings {
	s := Settings{
		Endpoints: t.Endpoints, Region: t.Region, Bucket: t.Bucket, Prefix: o.Prefix, Versioned: o.Versioned,
		Size: o.Size, Clients: o.Clients, Objects: o.Objects, Warmup: o.Warmup.Seconds(), Duration: o.Duration.Seconds(),
		UnsignedPayload: t.UnsignedPayload, Verify: o.Verify,
	}
	switch o.Workload {
	case Mixed:
		s.Mix = &o.Mix
	case List:
		s.Listing = &o.Listing
	}
	return s
}

// workload is one kind of run over its options.
type workload struct {
	*Options
	bodies *bodies
	shape  shape // of list only
	made   keys  // what prepare makes and get, head and delete name
	fresh  keys  // what this run puts
}

func newWorkload(o *Options) (*workload, error) {
	w := &workload{Options: o, bodies: newBodies(o.Size)}
	var salt [8]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return nil, err
	}
	w.made = keys{prefix: o.Prefix + "made/"}
	w.fresh = keys{prefix: o.Prefix + "put/", salt: binary.BigEndian.Uint64(salt[:])}
	if o.Workload == List {
		w.shape = o.Listing.shape(o.Prefix)
	}
	return w, nil
}

// prepare fills the bucket with what will be read or deleted.
func (w *workload) prepare(g *crew) (*Step, error) {
	var requests int64
	begin := time.Now()
	run := func(name string, n int64, f func(c *client, b *body, i int64) error) error {
		if n == 0 {
			return nil
		}
		own := make(map[*client]*body, len(g.clients))
		for _, c := range g.clients {
			own[c] = w.bodies.open()
		}
		count, stop := w.Progress.phase(name, n)
		defer stop()
		requests += n
		return g.each(n, count, func(c *client, i int64) error { return f(c, own[c], i) })
	}
	var err error
	switch w.Workload {
	case Get, Head, Delete, Mixed:
		err = run("prepare", w.Objects, func(c *client, b *body, i int64) error {
			id := w.made.id(uint64(i))
			b.set(id, 0)
			return c.put(w.made.name(nil, id), b)
		})
	case List:
		err = w.shape.fill(run)
	default:
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &Step{Requests: requests, Seconds: time.Since(begin).Seconds()}, nil
}

// measure runs the clients and fills the report in.
func (w *workload) measure(ctx context.Context, t *Target, r *Report) error {
	l := loop{warmup: w.Warmup, duration: w.Duration, pids: w.ServerPIDs, progress: w.Progress, phase: w.Workload}
	if w.Workload == Delete || w.Workload == Put && w.Objects > 0 {
		l.warmup = 0
		r.Settings.Warmup = 0
	}
	clients := make([]*client, w.Clients)
	actors := make([]actor, w.Clients)
	shared := new(counter)
	for i := range clients {
		c, err := newClient(ctx, t, i)
		if err != nil {
			return err
		}
		defer c.close()
		clients[i] = c
		if w.Workload == List {
			actors[i] = w.shape.walker(c, i, w.Clients)
		} else {
			actors[i] = w.actor(c, i, shared)
		}
	}
	m, err := l.run(ctx, actors)
	if err != nil {
		return err
	}
	r.Seconds, r.Operations, r.PerSecond, r.Load, r.Interrupted = m.seconds, m.operations, m.perSecond, m.load, m.interrupted
	for _, c := range clients {
		r.Reconnects += max(c.conn.dials-1, 0)
	}
	return nil
}
