// Package meter counts what a region does and shows it in Prometheus' text
// format. Counting takes no lock that a reader holds and allocates nothing, so
// that it can stand on the path of every request. The number of series of a
// family is bounded: label values that come after the bound are counted
// together under "other", so that no client can fill the memory by inventing
// names.
package meter

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// SeriesMax is how many series a family holds; further label values are
// counted together with every label "other".
const SeriesMax = 1000

// LabelsMax is how many labels a family can have.
const LabelsMax = 4

// Registry holds families by name. It is safe for concurrent use.
type Registry struct {
	mu         sync.Mutex
	families   map[string]family
	collectors []func(*Gauges)
}

type family interface {
	describe() *desc
	write(b *builder)
}

type desc struct {
	name, help, kind string
	labels           []string
}

func (d *desc) describe() *desc { return d }

// New makes an empty registry.
func New() *Registry { return &Registry{families: map[string]family{}} }

// add puts a family in, or gives the one of that name. Two families of one
// name but of different form are a mistake in the program.
func add[F family](r *Registry, f F) F {
	d := f.describe()
	if len(d.labels) > LabelsMax {
		panic("meter: too many labels: " + d.name)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	old, ok := r.families[d.name]
	if !ok {
		r.families[d.name] = f
		return f
	}
	same, ok := old.(F)
	if !ok || !slices.Equal(old.describe().labels, d.labels) {
		panic("meter: two families named " + d.name)
	}
	return same
}

// labelValues are the values of a series' labels, in the order of the family's.
type labelValues [LabelsMax]string

// series is a set of children, one per combination of label values. Readers
// load the map without a lock; it is replaced as a whole when a child is added.
type series[T any] struct {
	labels int
	make   func() *T
	mu     sync.Mutex
	m      atomic.Pointer[map[labelValues]*T]
}

func (s *series[T]) with(values []string) *T {
	if len(values) != s.labels {
		panic("meter: " + strconv.Itoa(len(values)) + " label values for " + strconv.Itoa(s.labels) + " labels")
	}
	var k labelValues
	copy(k[:], values)
	if m := s.m.Load(); m != nil {
		if c, ok := (*m)[k]; ok {
			return c
		}
	}
	return s.grow(k)
}

func (s *series[T]) grow(k labelValues) *T {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := map[labelValues]*T{}
	if m := s.m.Load(); m != nil {
		old = *m
	}
	if c, ok := old[k]; ok {
		return c
	}
	if s.labels > 0 && len(old) >= SeriesMax-1 {
		k = labelValues{}
		for i := range s.labels {
			k[i] = "other"
		}
		if c, ok := old[k]; ok {
			return c
		}
	}
	m := make(map[labelValues]*T, len(old)+1)
	for kk, c := range old {
		m[kk] = c
	}
	c := s.make()
	k = cloneValues(k)
	m[k] = c
	s.m.Store(&m)
	return c
}

// cloneValues cuts the values loose from the request that they may share
// memory with.
func cloneValues(k labelValues) labelValues {
	for i := range k {
		k[i] = strings.Clone(k[i])
	}
	return k
}

func (s *series[T]) sorted() (keys []labelValues, m map[labelValues]*T) {
	p := s.m.Load()
	if p == nil {
		return nil, nil
	}
	for k := range *p {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b labelValues) int { return slices.Compare(a[:], b[:]) })
	return keys, *p
}

// Counter is a number that only grows.
type Counter struct{ n atomic.Uint64 }

// Add adds n.
func (c *Counter) Add(n uint64) { c.n.Add(n) }

// Inc adds one.
func (c *Counter) Inc() { c.n.Add(1) }

// Value gives the present value.
func (c *Counter) Value() uint64 { return c.n.Load() }

// CounterVec is a family of counters that differ in their labels.
type CounterVec struct {
	desc
	series[Counter]
}

// Counter gives the family of that name, made on first use. Names of counters
// end in _total.
func (r *Registry) Counter(name, help string, labels ...string) *CounterVec {
	v := &CounterVec{desc: desc{name, help, "counter", labels}}
	v.series.labels, v.series.make = len(labels), func() *Counter { return new(Counter) }
	return add(r, v)
}

// With gives the counter with these label values, in the order of the labels.
// Hold on to it where the values are known beforehand.
func (v *CounterVec) With(values ...string) *Counter { return v.with(values) }

// Gauge is a number that goes up and down.
type Gauge struct{ bits atomic.Uint64 }

// Set makes v the value.
func (g *Gauge) Set(v float64) { g.bits.Store(math.Float64bits(v)) }

// Add adds d, which may be negative.
func (g *Gauge) Add(d float64) {
	for {
		old := g.bits.Load()
		if g.bits.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+d)) {
			return
		}
	}
}

// Value gives the present value.
func (g *Gauge) Value() float64 { return math.Float64frombits(g.bits.Load()) }

// GaugeVec is a family of gauges that differ in their labels.
type GaugeVec struct {
	desc
	series[Gauge]
}

// Gauge gives the family of that name, made on first use.
func (r *Registry) Gauge(name, help string, labels ...string) *GaugeVec {
	v := &GaugeVec{desc: desc{name, help, "gauge", labels}}
	v.series.labels, v.series.make = len(labels), func() *Gauge { return new(Gauge) }
	return add(r, v)
}

// With gives the gauge with these label values.
func (v *GaugeVec) With(values ...string) *Gauge { return v.with(values) }

// Collect calls fn whenever the metrics are shown, to report numbers that are
// not kept here but can be had cheaply where they are kept.
func (r *Registry) Collect(fn func(*Gauges)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.collectors = append(r.collectors, fn)
}

// Gauges takes numbers during one showing.
type Gauges struct{ m map[string]*collected }

type collected struct {
	desc
	rows []collectedRow
}

type collectedRow struct {
	values []string
	v      float64
}

// Gauge reports a number: labels and values alternate. Beyond SeriesMax rows
// of a name the rest is dropped.
func (g *Gauges) Gauge(name, help string, v float64, labelsAndValues ...string) {
	g.report("gauge", name, help, v, labelsAndValues)
}

// Counter reports a number that only grows.
func (g *Gauges) Counter(name, help string, v float64, labelsAndValues ...string) {
	g.report("counter", name, help, v, labelsAndValues)
}

func (g *Gauges) report(kind, name, help string, v float64, lv []string) {
	c := g.m[name]
	if c == nil {
		c = &collected{desc: desc{name: name, help: help, kind: kind}}
		for i := 0; i+1 < len(lv); i += 2 {
			c.labels = append(c.labels, lv[i])
		}
		g.m[name] = c
	}
	if len(c.rows) >= SeriesMax {
		return
	}
	row := collectedRow{v: v}
	for i := 1; i < len(lv); i += 2 {
		row.values = append(row.values, lv[i])
	}
	c.rows = append(c.rows, row)
}
