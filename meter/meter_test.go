package meter

import (
	"math"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func show(t *testing.T, r *Registry) string {
	t.Helper()
	var b strings.Builder
	if _, err := r.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTextFormat(t *testing.T) {
	r := New()
	r.Counter("b_total", "Bees \\ and\nlines.", "name").With("quo\"te\nnl\\").Add(3)
	r.Gauge("a", "A.").With().Set(-1.5)
	h := r.Histogram("h", "H.", []float64{1, 2}, "x").With("y")
	for _, v := range []float64{0.5, 1, 1.5, 7} {
		h.Observe(v)
	}
	r.Collect(func(g *Gauges) {
		g.Gauge("c", "C.", 4, "region", "us-east-1")
		g.Gauge("c", "C.", math.Inf(1), "region", "us-west-2")
	})
	want := `# HELP a A.
# TYPE a gauge
a -1.5
# HELP b_total Bees \\ and\nlines.
# TYPE b_total counter
b_total{name="quo\"te\nnl\\"} 3
# HELP c C.
# TYPE c gauge
c{region="us-east-1"} 4
c{region="us-west-2"} +Inf
# HELP h H.
# TYPE h histogram
h_bucket{x="y",le="1"} 2
h_bucket{x="y",le="2"} 3
h_bucket{x="y",le="+Inf"} 4
h_sum{x="y"} 10
h_count{x="y"} 4
`
	if got := show(t, r); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if q := h.Quantile(0.5); q != 1 {
		t.Errorf("median = %v, want 1", q)
	}
	if q := h.Quantile(0.99); !math.IsInf(q, 1) {
		t.Errorf("p99 = %v, want +Inf", q)
	}
}

func TestSeriesAreBounded(t *testing.T) {
	r := New()
	v := r.Counter("x_total", "X.", "k")
	for i := range 3 * SeriesMax {
		v.With(strconv.Itoa(i)).Inc()
	}
	out := show(t, r)
	if n := strings.Count(out, "x_total{"); n != SeriesMax {
		t.Errorf("%d series, want %d", n, SeriesMax)
	}
	if !strings.Contains(out, `x_total{k="other"} 2001`) {
		t.Error("what is beyond the bound is not counted under other")
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	q := NewRequests(New())
	op := func() {
		q.Begin()
		q.Count("us-east-1", "s3", "PutObject", 200, 4096, 0, time.Millisecond)
		q.End()
	}
	op()
	if n := testing.AllocsPerRun(100, op); n != 0 {
		t.Errorf("%v allocations per request, want 0", n)
	}
}

func TestConcurrentCountsAreNotLost(t *testing.T) {
	r := New()
	v := r.Counter("x_total", "X.", "k")
	g := r.Gauge("g", "G.").With()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 1000 {
				v.With(strconv.Itoa(i % 50)).Inc()
				g.Add(1)
			}
		})
	}
	wg.Wait()
	var sum uint64
	for i := range 50 {
		sum += v.With(strconv.Itoa(i)).Value()
	}
	if sum != 8000 || g.Value() != 8000 {
		t.Errorf("counted %d and %v, want 8000", sum, g.Value())
	}
}

func TestSameNameIsSameFamily(t *testing.T) {
	r := New()
	r.Counter("x_total", "X.", "k").With("a").Inc()
	r.Counter("x_total", "X.", "k").With("a").Inc()
	if got := r.Counter("x_total", "X.", "k").With("a").Value(); got != 2 {
		t.Errorf("value = %d, want 2", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("a family of another form was taken")
		}
	}()
	r.Gauge("x_total", "X.", "k")
}
