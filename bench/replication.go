package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// The phases that Replicate knows.
const (
	// Lag puts an object, then asks the destination for it again and again,
	// then puts the next.
	Lag = "lag"
	// Probe puts an object and asks the destination once, after a fixed delay,
	// so that no polling can disturb what it looks at.
	Probe = "probe"
	// Drain puts objects as fast as possible and waits until all are there.
	Drain = "drain"
	// Outage kills the destination, puts objects, starts it again, and waits.
	Outage = "outage"
)

// ReplicationOptions say what to measure between two buckets of which one
// replicates to the other.
type ReplicationOptions struct {
	Source, Destination Target
	// Phases are run in the order given.
	Phases []string
	// Setup makes both buckets, versioned, and a rule from source to
	// destination with the role arn:aws:iam::Account:role/replication.
	Setup bool
	// Account owns the source; asked from STS at the source when empty.
	Account string
	// Prefix begins every key.
	Prefix string
	// Size of each object in bytes.
	Size int64
	// Clients of Lag, Probe and, unless DrainClients is given, the others.
	Clients int
	// DrainClients put in Drain and Outage; 0 means Clients.
	DrainClients int
	// LagObjects, ProbeObjects, DrainObjects and OutageObjects are how many
	// objects each phase puts; ProbeObjects for each delay.
	LagObjects, ProbeObjects, DrainObjects, OutageObjects int64
	// Poll is the pause between two questions for one object.
	Poll time.Duration
	// ProbeDelays are the delays of Probe.
	ProbeDelays []time.Duration
	// Wait bounds how long an object is waited for.
	Wait time.Duration
	// OutageTime is from the kill to the restart, at least.
	OutageTime time.Duration
	// Peer is the destination's process, needed for Outage.
	Peer *Peer
	// ServerPIDs are processes of this machine whose processor time is
	// reported for Drain.
	ServerPIDs []int
	// Cleanup deletes every version under Prefix on both sides afterwards.
	Cleanup bool
	// Progress may be nil.
	Progress Progress
}

// ReplicationReport is the outcome of Replicate.
type ReplicationReport struct {
	Started     time.Time     `json:"started"`
	Machine     Machine       `json:"machine"`
	Source      Settings      `json:"source"`
	Destination Settings      `json:"destination"`
	Lag         *LagReport    `json:"lag,omitempty"`
	Probes      []ProbeReport `json:"probes,omitempty"`
	Drain       *DrainReport  `json:"drain,omitempty"`
	Outage      *OutageReport `json:"outage,omitempty"`
}

// ErrMissing is wrapped when objects did not arrive, or others than those that
// were put did.
var ErrMissing = errors.New("bench: replication is incomplete")

func (o *ReplicationOptions) check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrOptions}, args...)...)
	}
	switch {
	case len(o.Phases) == 0:
		return bad("no phase")
	case o.Size < 0 || o.Size > 5<<30:
		return bad("size %d is not within 0 and 5 GiB", o.Size)
	case o.Clients < 1 || o.Clients > 10_000 || o.DrainClients < 0 || o.DrainClients > 10_000:
		return bad("clients must be 1 to 10,000")
	case o.Poll <= 0 || o.Wait <= 0:
		return bad("poll and wait must be positive")
	case o.Prefix == "" && o.Cleanup:
		return bad("clean-up without a prefix would empty the buckets")
	}
	for _, p := range o.Phases {
		n, known := map[string]int64{Lag: o.LagObjects, Probe: o.ProbeObjects, Drain: o.DrainObjects, Outage: o.OutageObjects}[p]
		switch {
		case !known:
			return bad("phase %q is none of %s, %s, %s, %s", p, Lag, Probe, Drain, Outage)
		case n < 1:
			return bad("phase %s needs a number of objects", p)
		case p == Probe && len(o.ProbeDelays) == 0:
			return bad("phase %s needs delays", p)
		case p == Outage && o.Peer == nil:
			return bad("phase %s needs to know the destination's process and how to restart it", p)
		case p == Outage && o.OutageTime <= 0:
			return bad("phase %s needs a time", p)
		}
	}
	return errors.Join(o.Source.check(), o.Destination.check())
}

// Replicate measures the phases. A report comes with ErrMissing when a phase
// ended without every object at the destination; later phases are not run
// then.
func Replicate(ctx context.Context, o ReplicationOptions) (*ReplicationReport, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if _, err := takeSample(o.ServerPIDs); err != nil {
		return nil, err
	}
	p := &pair{ReplicationOptions: &o, bodies: newBodies(o.Size)}
	side := func(t *Target) Settings {
		return Settings{Endpoints: t.Endpoints, Region: t.Region, Bucket: t.Bucket, Prefix: o.Prefix, Versioned: true,
			Size: o.Size, Clients: o.Clients, UnsignedPayload: t.UnsignedPayload}
	}
	r := &ReplicationReport{Started: time.Now().UTC(), Machine: ThisMachine(), Source: side(&o.Source), Destination: side(&o.Destination)}
	if o.Peer != nil {
		if err := o.Peer.begin(ctx, &o.Destination); err != nil {
			return nil, err
		}
		defer o.Peer.end()
	}
	if o.Setup {
		if err := p.setUp(ctx); err != nil {
			return nil, err
		}
	}
	for _, phase := range o.Phases {
		if err := p.run(ctx, phase, r); err != nil {
			return r, fmt.Errorf("%s: %w", phase, err)
		}
	}
	if o.Cleanup {
		for _, t := range []*Target{&o.Source, &o.Destination} {
			if err := p.cleanUp(ctx, t); err != nil {
				return r, fmt.Errorf("clean up %s: %w", t.Bucket, err)
			}
		}
	}
	return r, nil
}

// pair is the two buckets under measurement.
type pair struct {
	*ReplicationOptions
	bodies *bodies
}

func (p *pair) run(ctx context.Context, phase string, r *ReplicationReport) (err error) {
	// Every run of a phase has keys of its own: what an earlier one left at
	// the destination must not pass for this one's.
	names := fmt.Sprintf("%s%s-%s/", p.Prefix, phase, r.Started.Format("20060102T150405.000000"))
	switch phase {
	case Lag:
		r.Lag, err = p.lag(ctx, names)
	case Probe:
		r.Probes, err = p.probe(ctx, names)
	case Drain:
		r.Drain, err = p.drain(ctx, names)
	case Outage:
		r.Outage, err = p.outage(ctx, names)
	}
	return err
}

func (p *pair) drainClients() int {
	if p.DrainClients > 0 {
		return p.DrainClients
	}
	return p.Clients
}

// setUp makes the buckets and the rule. A rule may need a moment until it can
// be made (the destination's bucket must be known) and until it acts, so it
// ends only when a first object has arrived.
func (p *pair) setUp(ctx context.Context) error {
	var crews []*crew
	for _, t := range []*Target{&p.Source, &p.Destination} {
		g, err := newCrew(ctx, t, 1)
		if err != nil {
			return err
		}
		defer g.close()
		if err := persist(ctx, func() error { return g.clients[0].makeBucket(true) }); err != nil {
			return err
		}
		crews = append(crews, g)
	}
	id := p.Account
	if id == "" {
		var err error
		if id, err = account(ctx, &p.Source); err != nil {
			return err
		}
	}
	if err := persist(ctx, func() error { return makeRole(ctx, &p.Source) }); err != nil {
		return err
	}
	role := "arn:aws:iam::" + id + ":role/" + roleName
	if err := persist(ctx, func() error { return crews[0].clients[0].putReplication(role, p.Destination.Bucket) }); err != nil {
		return err
	}
	_, stop := p.Progress.phase("wait for the rule to act", 0)
	defer stop()
	for try := 0; ; try++ {
		// A rule covers objects put after it acts: each try is a new object.
		s := &sender{c: crews[0].clients[0], b: p.bodies.open()}
		o, err := s.put(fmt.Appendf(nil, "%ssetup-%d-%d", p.Prefix, time.Now().UnixNano(), try), uint64(try))
		if err != nil {
			return err
		}
		for began := time.Now(); time.Since(began) < 2*time.Second; {
			found, err := look(crews[1].clients[0], &o)
			if found || err != nil {
				return err
			}
			if err := sleep(ctx, 10*time.Millisecond); err != nil {
				return err
			}
		}
		if try == 30 {
			return fmt.Errorf("%w: no object has arrived within a minute of the rule", ErrMissing)
		}
	}
}

func (p *pair) cleanUp(ctx context.Context, t *Target) error {
	g, err := newCrew(ctx, t, p.drainClients())
	if err != nil {
		return err
	}
	defer g.close()
	count, stop := p.Progress.phase("clean up "+t.Bucket, 0)
	defer stop()
	_, err = sweep(g, p.Prefix, count)
	return err
}

// object is one that was put at the source.
type object struct {
	key     []byte
	version string // as the source named it; empty when it did not
	etag    string
	acked   time.Time
}

// sender puts objects.
type sender struct {
	c *client
	b *body
}

func (s *sender) put(key []byte, id uint64) (object, error) {
	s.b.set(id, uint64(time.Now().UnixNano()))
	if err := s.c.put(key, s.b); err != nil {
		return object{}, err
	}
	o := object{key: slices.Clone(key), acked: time.Now()}
	o.version = s.c.conn.headerValue("x-amz-version-id")
	o.etag = s.c.conn.headerValue("etag")
	return o, nil
}

// errOther says that the destination has another object under the key.
var errOther = fmt.Errorf("%w: the destination holds another version or content", ErrMissing)

// look asks the destination whether it has the object: the same version, where
// the source named one, and the same entity tag.
func look(c *client, o *object) (bool, error) {
	c.begin(http.MethodHead, o.key)
	err := c.send(nil, c.keepBad)
	if absent(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if v := c.conn.headerValue("x-amz-version-id"); o.version != "" && v != o.version {
		return false, fmt.Errorf("%w: key %s has version %q, not %q", errOther, o.key, v, o.version)
	}
	if e := c.conn.headerValue("etag"); o.etag != "" && e != o.etag {
		return false, fmt.Errorf("%w: key %s has entity tag %s, not %s", errOther, o.key, e, o.etag)
	}
	return true, nil
}
