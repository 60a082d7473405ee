package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// OutageReport is how the objects put while the destination was down arrived
// after it had come back.
type OutageReport struct {
	Objects int64 `json:"objects"`
	Size    int64 `json:"size_bytes"`
	Clients int   `json:"clients"`
	// KilledPID got SIGKILL; PeerPID is the process that runs since.
	KilledPID int `json:"killed_pid"`
	PeerPID   int `json:"peer_pid"`
	// DownSeconds is from the kill to the start of the restart command.
	DownSeconds float64 `json:"down_seconds"`
	// StartSeconds is from that to the first "ready".
	StartSeconds float64 `json:"start_seconds"`
	PutSeconds   float64 `json:"put_seconds"`
	PutPerSecond float64 `json:"puts_per_second"`
	Put          Latency `json:"put"`
	// Seconds is from "ready" until every object had been seen, each asked for.
	Seconds float64 `json:"seconds_after_ready"`
	// Half is from "ready" until the median object had been seen.
	Half    float64 `json:"half_seconds_after_ready"`
	Missing int64   `json:"missing"`
}

func (p *pair) outage(ctx context.Context, names string) (*OutageReport, error) {
	r := &OutageReport{Objects: p.OutageObjects, Size: p.Size, Clients: p.drainClients(), KilledPID: p.Peer.pid()}
	if err := p.Peer.kill(ctx); err != nil {
		return nil, err
	}
	killed := time.Now()
	if err := p.mustBeDown(ctx); err != nil {
		return nil, err
	}
	begin := time.Now()
	objects, puts, err := p.burst(ctx, "put during the outage", names, p.OutageObjects)
	if err != nil {
		return nil, err
	}
	r.Put = puts.Latency()
	r.PutSeconds = time.Since(begin).Seconds()
	r.PutPerSecond = ratio(float64(r.Objects), r.PutSeconds)
	if err := p.sitOut(ctx, killed); err != nil {
		return nil, err
	}
	r.DownSeconds = time.Since(killed).Seconds()
	started := time.Now()
	if err := p.Peer.restart(ctx); err != nil {
		return nil, err
	}
	ready := time.Now()
	r.PeerPID = p.Peer.pid()
	r.StartSeconds = ready.Sub(started).Seconds()

	var mu sync.Mutex
	var last time.Time
	var arrivals Histogram
	r.Missing, err = p.await(ctx, "arrive after the outage", objects, func(_ int64, at time.Time) {
		mu.Lock()
		defer mu.Unlock()
		arrivals.Record(at.Sub(ready))
		if at.After(last) {
			last = at
		}
	})
	if err != nil {
		return nil, err
	}
	r.Half = arrivals.Quantile(.5).Seconds()
	if r.Missing > 0 {
		r.Seconds = time.Since(ready).Seconds()
		return r, fmt.Errorf("%w: %d of %d objects missing %v after the peer was ready", ErrMissing, r.Missing, r.Objects, p.Wait)
	}
	r.Seconds = last.Sub(ready).Seconds()
	return r, nil
}

// mustBeDown makes sure that it was the destination that was killed: nothing
// may answer there.
func (p *pair) mustBeDown(ctx context.Context) error {
	c, err := newClient(ctx, &p.Destination, 0)
	if err != nil {
		return err
	}
	defer c.close()
	err = c.head([]byte(p.Prefix+"nothing"), -1)
	if _, answered := errors.AsType[*StatusError](err); answered || err == nil {
		return fmt.Errorf("the destination still answers after process %d was killed: it is served by another one", p.Peer.pid())
	}
	return ctx.Err()
}

// sitOut waits until the outage has lasted as long as asked.
func (p *pair) sitOut(ctx context.Context, killed time.Time) error {
	stop := func() {}
	if p.Progress != nil {
		stop = watch(func() {
			p.Progress("outage", min(int64(time.Since(killed)), int64(p.OutageTime)), int64(p.OutageTime), 0, true)
		})
	}
	defer stop()
	return sleep(ctx, time.Until(killed.Add(p.OutageTime)))
}
