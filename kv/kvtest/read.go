package kvtest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"

	"github.com/farhold/farhold/kv"
)

func scan(t *testing.T, s kv.Store) {
	put(t, s, "a", "1", "a\x00", "2", "a\xff", "3", "b", "", "b\xff\xff", "5", "\xff", "6", "\xff\xff", "7")
	v := snap(t, s)
	defer v.Close()
	for _, c := range []struct {
		low, high string // high "-" is no bound
		want      string
	}{
		{"", "-", "a=1 a\x00=2 a\xff=3 b= b\xff\xff=5 \xff=6 \xff\xff=7"},
		{"a", "b", "a=1 a\x00=2 a\xff=3"},
		{"a\x00", "b", "a\x00=2 a\xff=3"},
		{"a", "a", ""},
		{"b", "a", ""},
		{"a", "a\x00", "a=1"},
		{"b", "b\x00", "b="},
		{"c", "-", "\xff=6 \xff\xff=7"},
		{"\xff\xff\xff", "-", ""},
		{"0", "1", ""},
		{"", "", ""},
		{"", "a\xff", "a=1 a\x00=2"},
	} {
		span := kv.Span{Low: []byte(c.low), High: []byte(c.high)}
		if c.high == "-" {
			span.High = nil
		}
		want(t, rowsOf(t, v.Scan(span)), c.want)
		span.Reverse = true
		list := strings.Split(c.want, " ")
		for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
			list[i], list[j] = list[j], list[i]
		}
		want(t, rowsOf(t, v.Scan(span)), strings.Join(list, " "))
	}
	want(t, rowsOf(t, v.Scan(kv.Span{})), "a=1 a\x00=2 a\xff=3 b= b\xff\xff=5 \xff=6 \xff\xff=7")
	want(t, rowsOf(t, v.Scan(kv.Prefix([]byte("a")))), "a=1 a\x00=2 a\xff=3")
	want(t, rowsOf(t, v.Scan(kv.Prefix([]byte("b\xff")))), "b\xff\xff=5")
	want(t, rowsOf(t, v.Scan(kv.Prefix([]byte("\xff")))), "\xff=6 \xff\xff=7")
	want(t, rowsOf(t, v.Scan(kv.Prefix(nil))), "a=1 a\x00=2 a\xff=3 b= b\xff\xff=5 \xff=6 \xff\xff=7")
	for p, err := range v.Scan(kv.Prefix([]byte("b"))) {
		must(t, err)
		if p.Value == nil {
			t.Fatal("an empty value came as nil, which is absence")
		}
		break
	}
}

func scanStops(t *testing.T, s kv.Store) {
	m := &kv.Mutation{}
	for i := range 300 {
		m.Puts = append(m.Puts, kv.Pair{Key: fmt.Appendf(nil, "%03d", i), Value: fmt.Appendf(nil, "v%d", i)})
	}
	must(t, s.Commit(ctx, m))
	v := snap(t, s)
	defer v.Close()
	for _, stop := range []int{0, 1, 2, 150, 299} {
		for _, reverse := range []bool{false, true} {
			n := 0
			for p, err := range v.Scan(kv.Span{Reverse: reverse}) {
				must(t, err)
				at := n
				if reverse {
					at = 299 - n
				}
				want(t, string(p.Key)+string(p.Value), fmt.Sprintf("%03dv%d", at, at))
				if n == stop {
					break
				}
				n++
			}
			if n != stop {
				t.Fatalf("stopped after %d, want %d", n, stop)
			}
		}
	}
}

// scanTwice runs scans inside each other and reads between their steps: a pair
// is valid until the next step of its own scan.
func scanTwice(t *testing.T, s kv.Store) {
	put(t, s, "a", "1", "b", "2", "c", "3")
	v := snap(t, s)
	defer v.Close()
	var b strings.Builder
	seq := v.Scan(kv.Span{})
	for range 2 { // a sequence can be walked again
		for p, err := range seq {
			must(t, err)
			for q, err := range v.Scan(kv.Span{Low: p.Key, Reverse: true}) {
				must(t, err)
				want(t, read(t, v, string(q.Key)), string(q.Value))
				fmt.Fprintf(&b, "%s%s ", p.Key, q.Value)
			}
		}
	}
	want(t, b.String(), strings.Repeat("a3 a2 a1 b3 b2 c3 ", 2))
}

func snapshotIsolation(t *testing.T, s kv.Store) {
	put(t, s, "a", "1", "b", "2")
	v := snap(t, s)
	put(t, s, "a", "changed", "c", "new")
	del(t, s, "b")
	want(t, read(t, v, "a")+read(t, v, "b")+read(t, v, "c"), "12<none>")
	want(t, rowsOf(t, v.Scan(kv.Span{})), "a=1 b=2")
	w := snap(t, s)
	want(t, rowsOf(t, w.Scan(kv.Span{})), "a=changed c=new")
	// Writes while a scan is under way don't show in it.
	n := 0
	for _, err := range w.Scan(kv.Span{}) {
		must(t, err)
		n++
		put(t, s, fmt.Sprintf("b%d", n), "x")
		del(t, s, "c")
	}
	if n != 2 {
		t.Fatalf("a scan gave %d rows, want 2", n)
	}
	v.Close()
	w.Close()
	want(t, get(t, s, "c"), "<none>")
}

// snapshotSeesCommitted: what was committed before a snapshot is in it.
func snapshotSeesCommitted(t *testing.T, s kv.Store) {
	for i := range 300 {
		k := fmt.Sprint("k", i%3)
		put(t, s, k, fmt.Sprint(i))
		want(t, get(t, s, k), fmt.Sprint(i))
		v := snap(t, s)
		want(t, rowsOf(t, v.Scan(kv.Prefix([]byte(k)))), fmt.Sprint(k, "=", i))
		v.Close()
	}
}

// snapshotManyRows keeps several snapshots open over many changes.
func snapshotManyRows(t *testing.T, s kv.Store) {
	r := rand.New(rand.NewPCG(1, 2))
	state := map[string]string{}
	type view struct {
		kv.Snapshot
		state map[string]string
	}
	var views []view
	for range 40 {
		m := &kv.Mutation{}
		for _, i := range r.Perm(500)[:60] {
			k := fmt.Sprintf("%04d", i)
			if r.IntN(3) == 0 {
				m.Deletes = append(m.Deletes, []byte(k))
				delete(state, k)
			} else {
				value := fmt.Sprint(r.IntN(1000))
				m.Puts = append(m.Puts, kv.Pair{Key: []byte(k), Value: []byte(value)})
				state[k] = value
			}
		}
		must(t, s.Commit(ctx, m))
		copied := map[string]string{}
		for k, v := range state {
			copied[k] = v
		}
		views = append(views, view{snap(t, s), copied})
	}
	for _, v := range views {
		want(t, rowsOf(t, v.Scan(kv.Span{})), listed(v.state, kv.Span{}))
		v.Close()
	}
}

// model compares the engine with a map under random work.
func model(t *testing.T, s kv.Store) {
	r := rand.New(rand.NewPCG(3, 4))
	state := map[string]string{}
	key := func() []byte {
		b := make([]byte, r.IntN(4))
		for i := range b {
			b[i] = []byte{0, 'a', 'b', 0xff}[r.IntN(4)]
		}
		return b
	}
	for range 600 {
		switch r.IntN(3) {
		case 0, 1:
			m := &kv.Mutation{}
			used := map[string]bool{}
			holds := true
			for range r.IntN(3) {
				g := kv.Guard{Key: key()}
				v, there := state[string(g.Key)]
				if there {
					g.Want = []byte(v)
				}
				if r.IntN(10) == 0 {
					g.Want = append(g.Want[:len(g.Want):len(g.Want)], 'x')
					holds = false
				}
				m.Guards = append(m.Guards, g)
			}
			for range r.IntN(6) {
				k := key()
				if used[string(k)] {
					continue
				}
				used[string(k)] = true
				if r.IntN(2) == 0 {
					m.Deletes = append(m.Deletes, k)
				} else {
					m.Puts = append(m.Puts, kv.Pair{Key: k, Value: key()})
				}
			}
			err := s.Commit(ctx, m)
			if !holds {
				is(t, err, kv.ErrConflict)
				continue
			}
			must(t, err)
			for _, k := range m.Deletes {
				delete(state, string(k))
			}
			for _, p := range m.Puts {
				state[string(p.Key)] = string(p.Value)
			}
		case 2:
			v := snap(t, s)
			span := kv.Span{Low: key(), High: key(), Reverse: r.IntN(2) == 0}
			if r.IntN(3) == 0 {
				span.High = nil
			}
			want(t, rowsOf(t, v.Scan(span)), listed(state, span))
			k := string(key())
			if value, ok := state[k]; ok {
				want(t, read(t, v, k), value)
			} else {
				want(t, read(t, v, k), "<none>")
			}
			v.Close()
		}
	}
}

func listed(state map[string]string, span kv.Span) string {
	var keys []string
	for k := range state {
		if span.Contains([]byte(k)) {
			keys = append(keys, k)
		}
	}
	sort.Strings(keys)
	if span.Reverse {
		sort.Sort(sort.Reverse(sort.StringSlice(keys)))
	}
	var b bytes.Buffer
	for i, k := range keys {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s=%s", k, state[k])
	}
	return b.String()
}
