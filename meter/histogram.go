package meter

import (
	"math"
	"sync/atomic"
	"time"
)

// LatencyBounds are the upper bounds, in seconds, of histograms of latencies:
// from 100 µs, below which nobody waits, to a minute, beyond which nobody does.
func LatencyBounds() []float64 {
	return []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
}

// SizeBounds are the upper bounds, in bytes, of histograms of body sizes.
func SizeBounds() []float64 {
	return []float64{1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20, 256 << 20, 1 << 30, 4 << 30}
}

// Histogram counts observations by size.
type Histogram struct {
	bounds []float64
	counts []atomic.Uint64 // one more than bounds
	sum    Gauge
}

// Observe counts v.
func (h *Histogram) Observe(v float64) {
	lo, hi := 0, len(h.bounds)
	for lo < hi {
		mid := (lo + hi) / 2
		if v <= h.bounds[mid] {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	h.counts[lo].Add(1)
	h.sum.Add(v)
}

// Since counts the time that has passed since start, in seconds.
func (h *Histogram) Since(start time.Time) { h.Observe(time.Since(start).Seconds()) }

// Count gives how many observations there were.
func (h *Histogram) Count() uint64 {
	var n uint64
	for i := range h.counts {
		n += h.counts[i].Load()
	}
	return n
}

// Quantile estimates the q-quantile (0 to 1) by the upper bound of its bucket;
// NaN when nothing was observed, +Inf beyond the last bound.
func (h *Histogram) Quantile(q float64) float64 {
	n := h.Count()
	if n == 0 {
		return math.NaN()
	}
	rank := uint64(math.Ceil(q * float64(n)))
	var seen uint64
	for i := range h.bounds {
		if seen += h.counts[i].Load(); seen >= rank {
			return h.bounds[i]
		}
	}
	return math.Inf(1)
}

// HistogramVec is a family of histograms that differ in their labels.
type HistogramVec struct {
	desc
	series[Histogram]
}

// Histogram gives the family of that name, made on first use. Bounds are
// upper bounds in rising order.
func (r *Registry) Histogram(name, help string, bounds []float64, labels ...string) *HistogramVec {
	v := &HistogramVec{desc: desc{name, help, "histogram", labels}}
	v.series.labels = len(labels)
	v.series.make = func() *Histogram {
		return &Histogram{bounds: bounds, counts: make([]atomic.Uint64, len(bounds)+1)}
	}
	return add(r, v)
}

// With gives the histogram with these label values.
func (v *HistogramVec) With(values ...string) *Histogram { return v.with(values) }
