package realm

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestRowTreeIsAMap compares the tree with a map, and earlier trees with what
// they were.
func TestRowTreeIsAMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	tree, want := newRowTree(), map[string]string{}
	type moment struct {
		tree rowTree
		want map[string]string
	}
	var moments []moment
	for i := range 5000 {
		key := fmt.Sprintf("%c/%d", 'a'+rng.IntN(3), rng.IntN(400))
		if rng.IntN(3) == 0 {
			tree = tree.without(key)
			delete(want, key)
		} else {
			tree = tree.with(key, []byte(fmt.Sprint(i)))
			want[key] = fmt.Sprint(i)
		}
		if i%500 == 0 {
			moments = append(moments, moment{tree, maps.Clone(want)})
		}
	}
	for _, m := range append(moments, moment{tree, want}) {
		got := map[string]string{}
		for k, v := range m.tree.scan("", "") {
			got[k] = string(v)
		}
		if !maps.Equal(got, m.want) {
			t.Fatalf("the tree has %d rows, the map %d", len(got), len(m.want))
		}
		for k, v := range m.want {
			if got, ok := m.tree.get(k); !ok || string(got) != v {
				t.Fatalf("get(%s) = %q, %v", k, got, ok)
			}
		}
		for _, q := range [][2]string{{"b/", ""}, {"b/", "b/2"}, {"b/", "a/9"}, {"b/", "c"}, {"a/1", "a/10"}, {"", "b"}} {
			var keys, wanted []string
			for k := range m.tree.scan(q[0], q[1]) {
				keys = append(keys, k)
			}
			for _, k := range slices.Sorted(maps.Keys(m.want)) {
				if strings.HasPrefix(k, q[0]) && k > q[1] {
					wanted = append(wanted, k)
				}
			}
			if !slices.Equal(keys, wanted) {
				t.Errorf("scan%q gives %d rows, not %d", q, len(keys), len(wanted))
			}
		}
	}
}

func TestRowTreeReadsWithoutMemory(t *testing.T) {
	tree := newRowTree()
	for i := range 10000 {
		tree = tree.with(fmt.Sprintf("iam/%d", i), []byte("x"))
	}
	if n := testing.AllocsPerRun(100, func() { tree.get("iam/777") }); n != 0 {
		t.Errorf("a get makes %v allocations", n)
	}
}

func BenchmarkRow(b *testing.B) {
	tree := newRowTree()
	keys := make([]string, 100_000)
	for i := range keys {
		keys[i] = fmt.Sprintf("iam/123456789012/user/user-%d", i)
		tree = tree.with(keys[i], []byte("x"))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		tree.get(keys[i*7919%len(keys)])
	}
}
