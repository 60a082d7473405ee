package server

import (
	"context"
	"strings"
	"time"

	"github.com/farhold/farhold/meter"
)

const (
	backlogBound   = 100_000 // tasks that a scrape counts
	backlogTimeout = 2 * time.Second
)

// latencies are the bounds of the lag's histogram, in seconds: from what the
// same machine takes to a day.
func latencies() []float64 {
	return append(meter.LatencyBounds(), 300, 900, 3600, 6*3600, 24*3600)
}

// figures is what an engine can tell of itself, under names as Prometheus has
// them.
type figures interface{ Metrics() map[string]float64 }

// collect reports, whenever somebody looks, what is kept elsewhere.
func (r *Region) collect() {
	r.meter.Collect(func(g *meter.Gauges) {
		for _, e := range []any{r.kv, r.blobs} {
			f, ok := e.(figures)
			if !ok {
				continue
			}
			for name, v := range f.Metrics() {
				report := g.Gauge
				if strings.HasSuffix(name, "_total") {
					report = g.Counter
				}
				report("farhold_"+name, "As the engine counts it.", v, "region", r.cfg.Region)
			}
		}
		pos := r.realm.Position()
		g.Gauge("farhold_realm_epoch", "Epoch of the realm's tables here.", float64(pos.Epoch), "region", r.cfg.Region)
		g.Gauge("farhold_realm_sequence", "Changes of the realm's tables that were applied here.", float64(pos.Seq), "region", r.cfg.Region)
		r.replication.collect(g)
	})
}

// collect reports what waits for each destination.
func (s *shipping) collect(g *meter.Gauges) {
	ctx, cancel := context.WithTimeout(context.Background(), backlogTimeout)
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	region := s.r.cfg.Region
	for _, i := range s.list {
		link := s.links[i.Name]
		if link == nil {
			continue
		}
		n, oldest, err := s.r.store.Backlog(ctx, i.Name, backlogBound)
		if err != nil {
			continue // no figure rather than a wrong one
		}
		age := 0.0
		if n > 0 {
			age = max(s.r.clock.Now().Sub(oldest).Seconds(), 0)
		}
		down := 0.0
		if link.Down() {
			down = 1
		}
		g.Gauge("farhold_replication_pending", "Changes that wait to be replicated, counted up to 100,000.", float64(n), "region", region, "destination", i.Name)
		g.Gauge("farhold_replication_oldest_pending_seconds", "Age of the oldest change that waits: what would be lost with this region.", age, "region", region, "destination", i.Name)
		g.Gauge("farhold_replication_link_down", "1 while the destination does not answer.", down, "region", region, "destination", i.Name)
	}
}
