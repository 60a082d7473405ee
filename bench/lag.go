package bench

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// LagReport is how long objects took from the acknowledgement of their PUT at
// the source until the destination answered a HEAD with 200, whose own time is
// included.
type LagReport struct {
	Objects int64   `json:"objects"`
	Clients int     `json:"clients"`
	PollMS  float64 `json:"poll_ms"`
	Lag     Latency `json:"lag"`
	Put     Latency `json:"put"`
	// Missing objects were not there after the time to wait.
	Missing int64 `json:"missing"`
	Load    Load  `json:"load"`
}

// ProbeReport is how many objects the destination had when it was asked for
// each of them once, a fixed delay after the acknowledgement.
type ProbeReport struct {
	DelayMS float64 `json:"delay_ms"`
	Objects int64   `json:"objects"`
	Found   int64   `json:"found"`
	Percent float64 `json:"percent"`
}

// couple is one client at each side.
type couple struct {
	sender
	dest *client
}

// couples runs f for 0 … n-1 on p.Clients goroutines that have a client at
// each side; the first error ends all.
func (p *pair) couples(ctx context.Context, n int64, progress *counter, f func(ctx context.Context, worker int, c *couple, i int64) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	sources, err := newCrew(ctx, &p.Source, p.Clients)
	if err != nil {
		return err
	}
	defer sources.close()
	destinations, err := newCrew(ctx, &p.Destination, p.Clients)
	if err != nil {
		return err
	}
	defer destinations.close()
	var next atomic.Int64
	var wg sync.WaitGroup
	for i := range p.Clients {
		c := &couple{sender{sources.clients[i], p.bodies.open()}, destinations.clients[i]}
		wg.Go(func() {
			for {
				j := next.Add(1) - 1
				if j >= n || ctx.Err() != nil {
					return
				}
				if err := f(ctx, i, c, j); err != nil {
					cancel(err)
					return
				}
				progress.add(1)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

func (p *pair) lag(ctx context.Context, names string) (*LagReport, error) {
	before, err := takeSample(p.ServerPIDs)
	if err != nil {
		return nil, err
	}
	lags, puts := make([]Histogram, p.Clients), make([]Histogram, p.Clients)
	var missing atomic.Int64
	k := keys{prefix: names}
	count, stop := p.Progress.phase(Lag, p.LagObjects)
	err = p.couples(ctx, p.LagObjects, count, func(ctx context.Context, worker int, c *couple, i int64) error {
		id := k.id(uint64(i))
		o, err := c.put(k.name(nil, id), id)
		if err != nil {
			return err
		}
		puts[worker].Record(c.c.elapsed)
		for {
			found, err := look(c.dest, &o)
			if err != nil {
				return err
			}
			lag := time.Since(o.acked)
			if found {
				lags[worker].Record(lag)
				return nil
			}
			if lag > p.Wait {
				missing.Add(1)
				return nil
			}
			if err := sleep(ctx, p.Poll); err != nil {
				return err
			}
		}
	})
	stop()
	if err != nil {
		return nil, err
	}
	after, err := takeSample(p.ServerPIDs)
	if err != nil {
		return nil, err
	}
	for i := 1; i < p.Clients; i++ {
		lags[0].Merge(&lags[i])
		puts[0].Merge(&puts[i])
	}
	r := &LagReport{
		Objects: p.LagObjects, Clients: p.Clients, PollMS: float64(p.Poll) / 1e6,
		Lag: lags[0].Latency(), Put: puts[0].Latency(), Missing: missing.Load(),
		Load: after.since(before, p.ServerPIDs, p.LagObjects),
	}
	if r.Missing > 0 {
		return r, fmt.Errorf("%w: %d of %d objects were not there %v after their acknowledgement", ErrMissing, r.Missing, r.Objects, p.Wait)
	}
	return r, nil
}

func (p *pair) probe(ctx context.Context, names string) ([]ProbeReport, error) {
	delays := int64(len(p.ProbeDelays))
	found := make([]atomic.Int64, delays)
	k := keys{prefix: names}
	count, stop := p.Progress.phase(Probe, p.ProbeObjects*delays)
	defer stop()
	// The delays take turns, so that whatever changes during the phase touches
	// all of them alike.
	err := p.couples(ctx, p.ProbeObjects*delays, count, func(ctx context.Context, _ int, c *couple, i int64) error {
		id := k.id(uint64(i))
		o, err := c.put(k.name(nil, id), id)
		if err != nil {
			return err
		}
		if err := sleep(ctx, time.Until(o.acked.Add(p.ProbeDelays[i%delays]))); err != nil {
			return err
		}
		there, err := look(c.dest, &o)
		if there {
			found[i%delays].Add(1)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var rs []ProbeReport
	for i, d := range p.ProbeDelays {
		n := found[i].Load()
		rs = append(rs, ProbeReport{
			DelayMS: float64(d) / 1e6, Objects: p.ProbeObjects, Found: n,
			Percent: math.Round(1e4*float64(n)/float64(p.ProbeObjects)) / 100,
		})
	}
	return rs, nil
}
