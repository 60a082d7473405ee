package bench

import (
	"math"
	"math/bits"
	"time"
)

// subBits sets the resolution of a Histogram: each power of two of
// nanoseconds is divided into 2^subBits buckets of equal width, so a quantile
// is at most 1/128 (0.8 %) above the true value.
const (
	subBits    = 7
	subBuckets = 1 << subBits
	buckets    = (64 - subBits) * subBuckets
)

// Histogram counts durations in log-linear buckets. It takes about 57 KiB,
// whatever it holds. The zero value is empty and ready. It is not safe for
// concurrent use: every client has its own, merged at the end.
type Histogram struct {
	counts   [buckets]int64
	count    int64
	sum      float64
	min, max int64
}

// bucketOf gives the bucket of v. Below 2^(subBits+1) buckets are exact.
func bucketOf(v int64) int {
	if v < subBuckets {
		return int(v)
	}
	e := bits.Len64(uint64(v)) - 1 - subBits
	return (e+1)*subBuckets + int(v>>e) - subBuckets
}

// upperOf gives the greatest value that falls into bucket i.
func upperOf(i int) int64 {
	if i < subBuckets {
		return int64(i)
	}
	e := i/subBuckets - 1
	return (int64(i%subBuckets+subBuckets)+1)<<e - 1
}

// Record counts one duration; a negative one counts as zero.
func (h *Histogram) Record(d time.Duration) {
	v := max(int64(d), 0)
	h.counts[bucketOf(v)]++
	if h.count == 0 || v < h.min {
		h.min = v
	}
	h.max = max(h.max, v)
	h.count++
	h.sum += float64(v)
}

// Merge adds all that o has counted.
func (h *Histogram) Merge(o *Histogram) {
	if o.count == 0 {
		return
	}
	for i, n := range o.counts {
		h.counts[i] += n
	}
	if h.count == 0 || o.min < h.min {
		h.min = o.min
	}
	h.max = max(h.max, o.max)
	h.count += o.count
	h.sum += o.sum
}

// Count gives how many durations were recorded.
func (h *Histogram) Count() int64 { return h.count }

// Min gives the least recorded duration, exactly; 0 when empty.
func (h *Histogram) Min() time.Duration { return time.Duration(h.min) }

// Max gives the greatest recorded duration, exactly; 0 when empty.
func (h *Histogram) Max() time.Duration { return time.Duration(h.max) }

// Mean gives the average; 0 when empty.
func (h *Histogram) Mean() time.Duration {
	if h.count == 0 {
		return 0
	}
	return time.Duration(h.sum / float64(h.count))
}

// Quantile gives the duration that a share q (0 to 1) of all recorded ones
// does not exceed, by nearest rank and rounded up to the end of its bucket; 0
// when empty.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.count == 0 {
		return 0
	}
	rank := min(max(int64(math.Ceil(q*float64(h.count))), 1), h.count)
	var seen int64
	for i, n := range h.counts {
		if seen += n; seen >= rank {
			return time.Duration(min(max(upperOf(i), h.min), h.max))
		}
	}
	return h.Max()
}

// Latency is a distribution as reports show it, in milliseconds.
type Latency struct {
	Mean float64 `json:"mean_ms"`
	Min  float64 `json:"min_ms"`
	P50  float64 `json:"p50_ms"`
	P90  float64 `json:"p90_ms"`
	P99  float64 `json:"p99_ms"`
	P999 float64 `json:"p99_9_ms"`
	Max  float64 `json:"max_ms"`
}

// Latency sums the histogram up.
func (h *Histogram) Latency() Latency {
	ms := func(d time.Duration) float64 { return math.Round(float64(d)/1e3) / 1e3 }
	return Latency{
		Mean: ms(h.Mean()), Min: ms(h.Min()), P50: ms(h.Quantile(.5)), P90: ms(h.Quantile(.9)),
		P99: ms(h.Quantile(.99)), P999: ms(h.Quantile(.999)), Max: ms(h.Max()),
	}
}
