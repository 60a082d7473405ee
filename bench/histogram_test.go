package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestHistogramQuantilesAreWithinOnePercent(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	draws := map[string]func() time.Duration{
		"uniform":     func() time.Duration { return time.Duration(r.Int64N(int64(time.Second))) },
		"exponential": func() time.Duration { return time.Duration(r.ExpFloat64() * 1e6) },
		"two humps": func() time.Duration {
			if r.IntN(100) == 0 {
				return time.Duration(40e6 + r.NormFloat64()*1e6)
			}
			return time.Duration(5e5 + r.NormFloat64()*1e4)
		},
		"tiny": func() time.Duration { return time.Duration(r.IntN(200)) },
	}
	for name, draw := range draws {
		var parts [3]Histogram
		var exact []time.Duration
		var sum float64
		for i := range 20_000 {
			d := max(draw(), 0)
			exact = append(exact, d)
			sum += float64(d)
			parts[i%3].Record(d)
		}
		var h Histogram
		for i := range parts {
			h.Merge(&parts[i])
		}
		slices.Sort(exact)
		for _, q := range []float64{0, .001, .5, .9, .99, .999, .9999, 1} {
			want := exact[max(int(math.Ceil(q*float64(len(exact)))), 1)-1]
			got := h.Quantile(q)
			if got < want || float64(got) > float64(want)*(1+1./subBuckets)+1 {
				t.Errorf("%s: quantile %v is %v, exactly %v", name, q, got, want)
			}
		}
		if h.Count() != int64(len(exact)) || h.Min() != exact[0] || h.Max() != exact[len(exact)-1] {
			t.Errorf("%s: count %d, min %v, max %v; want %d, %v, %v", name, h.Count(), h.Min(), h.Max(), len(exact), exact[0], exact[len(exact)-1])
		}
		if mean := sum / float64(len(exact)); math.Abs(float64(h.Mean())-mean) > 1 {
			t.Errorf("%s: mean %v, exactly %v", name, h.Mean(), time.Duration(mean))
		}
	}
}

func TestHistogramBucketsCoverEveryDuration(t *testing.T) {
	for e := range 63 {
		for _, off := range []int64{-1, 0, 1} {
			v := max(int64(1)<<e+off, 0)
			i := bucketOf(v)
			if i < 0 || i >= buckets || upperOf(i) < v || i > 0 && upperOf(i-1) >= v {
				t.Errorf("%d falls into bucket %d, which ends at %d", v, i, upperOf(i))
			}
		}
	}
	if i := bucketOf(math.MaxInt64); i >= buckets || upperOf(i) != math.MaxInt64 {
		t.Errorf("the greatest duration falls into bucket %d of %d", i, buckets)
	}
}

func TestHistogramEmptyAndNegative(t *testing.T) {
	var h, o Histogram
	h.Merge(&o)
	if h.Quantile(.5) != 0 || h.Max() != 0 || h.Mean() != 0 {
		t.Error("an empty histogram has quantiles")
	}
	h.Record(-time.Second)
	if h.Count() != 1 || h.Max() != 0 {
		t.Errorf("a negative duration counts as %v", h.Max())
	}
	o.Record(5)
	h.Merge(&o)
	if h.Min() != 0 || h.Max() != 5 {
		t.Errorf("merged: min %v, max %v", h.Min(), h.Max())
	}
}
