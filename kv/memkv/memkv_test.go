package memkv

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/kv/kvtest"
)

func TestContract(t *testing.T) {
	kvtest.Run(t, func(t *testing.T) kv.Store { return New() })
}

// TestTree compares the tree with a map over many sizes, and looks at frozen
// roots again after everything else has changed.
func TestTree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tr tree
		state := map[string]string{}
		type frozen struct {
			root  *node
			state map[string]string
		}
		var old []frozen
		keys := rapid.IntRange(1, 3000).Draw(t, "keys")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		for range rapid.IntRange(1, 4).Draw(t, "phases") {
			grow := r.IntN(10)
			for range 1 + r.IntN(3000) {
				k := fmt.Sprint(r.IntN(keys))
				if r.IntN(10) < grow {
					v := fmt.Sprint(r.IntN(100))
					tr.put([]byte(k), []byte(v))
					state[k] = v
				} else {
					tr.delete([]byte(k))
					delete(state, k)
				}
			}
			sound(t, tr.root, true)
			copied := make(map[string]string, len(state))
			for k, v := range state {
				copied[k] = v
			}
			old = append(old, frozen{tr.freeze(), copied})
		}
		if tr.size != len(state) {
			t.Fatalf("%d rows by its own count, want %d", tr.size, len(state))
		}
		for _, f := range old {
			n, last := 0, ""
			f.root.ascend(nil, nil, func(k, v []byte) bool {
				if f.state[string(k)] != string(v) || n > 0 && string(k) <= last {
					t.Fatalf("%s=%s after %s, want %s", k, v, last, f.state[string(k)])
				}
				n, last = n+1, string(k)
				return true
			})
			if n != len(f.state) {
				t.Fatalf("%d rows, want %d", n, len(f.state))
			}
			f.root.descend(nil, nil, func(k, v []byte) bool { n--; return true })
			if n != 0 {
				t.Fatalf("%d rows more upwards than downwards", n)
			}
			for range 50 {
				k := fmt.Sprint(r.IntN(keys))
				want, there := f.state[k]
				if got := f.root.get([]byte(k)); there != (got != nil) || string(got) != want {
					t.Fatalf("%s is %q, want %q", k, got, want)
				}
			}
		}
	})
}

// sound checks the shape of the tree and gives its height.
func sound(t *rapid.T, n *node, root bool) int {
	if n == nil {
		return 0
	}
	if len(n.items) > itemsMax || !root && len(n.items) < itemsMin || len(n.items) == 0 {
		t.Fatalf("a node of %d items", len(n.items))
	}
	if n.children == nil {
		return 1
	}
	if len(n.children) != len(n.items)+1 {
		t.Fatalf("%d children between %d items", len(n.children), len(n.items))
	}
	h := sound(t, n.children[0], false)
	for _, c := range n.children[1:] {
		if sound(t, c, false) != h {
			t.Fatal("leaves at different heights")
		}
	}
	return h + 1
}

// TestRepeats: under one seed, the same work meets the same conflicts.
func TestRepeats(t *testing.T) {
	work := func(seed uint64) (log string) {
		s := New(Conflicts(seed, 0.3))
		for i := range 100 {
			err := s.Commit(context.Background(), &kv.Mutation{
				Guards: []kv.Guard{{Key: []byte("g")}},
				Puts:   []kv.Pair{{Key: fmt.Append(nil, i)}},
			})
			if err != nil && !errors.Is(err, kv.ErrConflict) {
				t.Fatal(err)
			}
			log += fmt.Sprint(err == nil, s.Jitter()%10)
		}
		return log
	}
	if work(1) != work(1) {
		t.Error("one seed, two outcomes")
	}
	if work(1) == work(2) {
		t.Error("two seeds, one outcome")
	}
	s := New(Conflicts(1, 1))
	if err := s.Commit(context.Background(), &kv.Mutation{Puts: []kv.Pair{{Key: []byte("a")}}}); err != nil {
		t.Errorf("a mutation without guards can't conflict: %v", err)
	}
}

func TestFaults(t *testing.T) {
	boom := errors.New("boom")
	ctx := context.Background()
	var seen []Op
	var at Op = 255
	s := New(Faults(func(op Op, n int64) Fault {
		if seen = append(seen, op); int(n) != len(seen) {
			t.Errorf("operation %d is counted as %d", len(seen), n)
		}
		if op == at {
			return Fault{Err: boom}
		}
		return Fault{}
	}))
	v, err := s.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for op, call := range map[Op]func() error{
		OpSnapshot: func() error { _, err := s.Snapshot(ctx); return err },
		OpGet:      func() error { _, err := v.Get([]byte("a")); return err },
		OpScan: func() error {
			for _, err := range v.Scan(kv.Span{}) {
				return err
			}
			return nil
		},
		OpSettled: func() error { return v.Settled(ctx) },
		OpCommit:  func() error { return s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{{Key: []byte("a")}}}) },
		OpBarrier: func() error { return s.Barrier(ctx) },
	} {
		at = op
		if err := call(); !errors.Is(err, boom) {
			t.Errorf("operation %d gave %v", op, err)
		}
		if seen[len(seen)-1] != op {
			t.Errorf("operation %d was seen as %d", op, seen[len(seen)-1])
		}
	}
	if s.Len() != 0 || s.Ops() != int64(len(seen)) {
		t.Errorf("%d rows after %d operations", s.Len(), s.Ops())
	}
}

func BenchmarkNewAndCommit(b *testing.B) {
	m := &kv.Mutation{Puts: []kv.Pair{{Key: []byte("a"), Value: []byte("1")}, {Key: []byte("b"), Value: []byte("2")}}}
	b.ReportAllocs()
	for b.Loop() {
		if err := New().Commit(context.Background(), m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUpdate(b *testing.B) {
	s := New()
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		i++
		key := fmt.Append(nil, i*7919%100_000)
		if err := kv.Update(context.Background(), s, func(tx *kv.Tx) error {
			if _, err := tx.Get(key); err != nil && !errors.Is(err, kv.ErrNotFound) {
				return err
			}
			tx.Put(key, key)
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
}
