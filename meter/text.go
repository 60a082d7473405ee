package meter

import (
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// ContentType is the media type of what WriteTo writes.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// WriteTo shows every family in Prometheus' text format, sorted by name.
func (r *Registry) WriteTo(w io.Writer) (int64, error) {
	r.mu.Lock()
	all := make([]family, 0, len(r.families))
	for _, f := range r.families {
		all = append(all, f)
	}
	collectors := slices.Clone(r.collectors)
	r.mu.Unlock()

	g := &Gauges{m: map[string]*collected{}}
	for _, c := range collectors {
		c(g)
	}
	for _, c := range g.m {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b family) int { return strings.Compare(a.describe().name, b.describe().name) })
	b := &builder{}
	for _, f := range all {
		d := f.describe()
		b.s("# HELP ").s(d.name).s(" ").s(helpEscaper.Replace(d.help)).s("\n# TYPE ").s(d.name).s(" ").s(d.kind).s("\n")
		f.write(b)
	}
	n, err := w.Write(b.buf)
	return int64(n), err
}

var (
	helpEscaper  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelEscaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

type builder struct{ buf []byte }

func (b *builder) s(s string) *builder {
	b.buf = append(b.buf, s...)
	return b
}

func (b *builder) u(n uint64) *builder {
	b.buf = strconv.AppendUint(b.buf, n, 10)
	return b
}

func (b *builder) f(v float64) *builder {
	switch {
	case math.IsInf(v, 1):
		return b.s("+Inf")
	case math.IsInf(v, -1):
		return b.s("-Inf")
	}
	b.buf = strconv.AppendFloat(b.buf, v, 'g', -1, 64)
	return b
}

// head writes the name and the labels of a sample, le last when it is given.
func (b *builder) head(name, suffix string, labels, values []string, le string) *builder {
	b.s(name).s(suffix)
	sep := "{"
	for i, l := range labels {
		b.s(sep).s(l).s(`="`).s(labelEscaper.Replace(values[i])).s(`"`)
		sep = ","
	}
	if le != "" {
		b.s(sep).s(`le="`).s(le).s(`"`)
		sep = ","
	}
	if sep == "," {
		b.s("}")
	}
	return b.s(" ")
}

func (v *CounterVec) write(b *builder) {
	keys, m := v.sorted()
	for _, k := range keys {
		b.head(v.name, "", v.desc.labels, k[:], "").u(m[k].Value()).s("\n")
	}
}

func (v *GaugeVec) write(b *builder) {
	keys, m := v.sorted()
	for _, k := range keys {
		b.head(v.name, "", v.desc.labels, k[:], "").f(m[k].Value()).s("\n")
	}
}

func (v *HistogramVec) write(b *builder) {
	keys, m := v.sorted()
	for _, k := range keys {
		h := m[k]
		var n uint64
		for i := range h.counts {
			n += h.counts[i].Load()
			le := "+Inf"
			if i < len(h.bounds) {
				le = strconv.FormatFloat(h.bounds[i], 'g', -1, 64)
			}
			b.head(v.name, "_bucket", v.desc.labels, k[:], le).u(n).s("\n")
		}
		b.head(v.name, "_sum", v.desc.labels, k[:], "").f(h.sum.Value()).s("\n")
		b.head(v.name, "_count", v.desc.labels, k[:], "").u(n).s("\n")
	}
}

func (c *collected) write(b *builder) {
	for _, r := range c.rows {
		b.head(c.name, "", c.labels, r.values, "").f(r.v).s("\n")
	}
}
