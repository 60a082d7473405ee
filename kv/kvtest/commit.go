package kvtest

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/farhold/farhold/kv"
)

func guards(t *testing.T, s kv.Store) {
	put(t, s, "a", "1")
	m := &kv.Mutation{
		Guards:  []kv.Guard{{Key: []byte("a"), Want: []byte("1")}, {Key: []byte("b")}},
		Puts:    []kv.Pair{{Key: []byte("b"), Value: []byte("2")}},
		Deletes: [][]byte{[]byte("a")},
	}
	must(t, s.Commit(ctx, m))
	want(t, get(t, s, "a")+" "+get(t, s, "b"), "<none> 2")
	is(t, s.Commit(ctx, m), kv.ErrConflict)
	want(t, get(t, s, "a")+" "+get(t, s, "b"), "<none> 2")
	// Guards without writes are a check.
	must(t, s.Commit(ctx, &kv.Mutation{Guards: []kv.Guard{{Key: []byte("b"), Want: []byte("2")}}}))
	is(t, s.Commit(ctx, &kv.Mutation{Guards: []kv.Guard{{Key: []byte("b"), Want: []byte("1")}}}), kv.ErrConflict)
	must(t, s.Commit(ctx, &kv.Mutation{}))
}

// guardTable tries every kind of wish against every kind of state.
func guardTable(t *testing.T, s kv.Store) {
	states := map[string][]byte{"absent": nil, "empty": {}, "one": []byte("1"), "longer": []byte("12"), "zero": {0}}
	for is, value := range states {
		for wish, want := range states {
			key := []byte(is + "/" + wish)
			if value != nil {
				must(t, s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{{Key: key, Value: value}}}))
			}
			err := s.Commit(ctx, &kv.Mutation{
				Guards: []kv.Guard{{Key: key, Want: want}},
				Puts:   []kv.Pair{{Key: []byte("w/" + is + "/" + wish), Value: []byte("x")}},
			})
			if is == wish && err != nil {
				t.Errorf("%s guarded as %s: %v", is, wish, err)
			}
			if is != wish && !errors.Is(err, kv.ErrConflict) {
				t.Errorf("%s guarded as %s: %v, want a conflict", is, wish, err)
			}
			if got := get(t, s, "w/"+is+"/"+wish) == "x"; got != (is == wish) {
				t.Errorf("%s guarded as %s: written is %v", is, wish, got)
			}
		}
	}
	// A row that was deleted is absent again, and guards bind in any number.
	put(t, s, "gone", "1")
	del(t, s, "gone")
	m := &kv.Mutation{Puts: []kv.Pair{{Key: []byte("many"), Value: []byte("x")}}}
	for _, k := range []string{"gone", "a", "b", "c", "d", "e"} {
		m.Guards = append(m.Guards, kv.Guard{Key: []byte(k)})
	}
	must(t, s.Commit(ctx, m))
	put(t, s, "e", "")
	is(t, s.Commit(ctx, m), kv.ErrConflict)
}

func atomic(t *testing.T, s kv.Store) {
	put(t, s, "x", "0", "y", "0")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 200 {
			v := strings.Repeat("v", i%7)
			if err := s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{
				{Key: []byte("x"), Value: []byte(v)}, {Key: []byte("y"), Value: []byte(v)},
			}}); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for {
		v := snap(t, s)
		x, y := read(t, v, "x"), read(t, v, "y")
		all := rowsOf(t, v.Scan(kv.Span{}))
		v.Close()
		if x != y {
			t.Fatalf("half of a mutation is visible: %q %q", x, y)
		}
		if all != "x="+x+" y="+y {
			t.Fatalf("Get saw %q, Scan %q", x, all)
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

func limits(t *testing.T, s kv.Store) {
	key := func(n int) []byte { return bytes.Repeat([]byte{'k'}, n) }
	value := func(n int) []byte { return bytes.Repeat([]byte{'v'}, n) }
	must(t, s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{{Key: key(kv.KeyMax), Value: value(kv.ValueMax)}}}))
	if got := get(t, s, string(key(kv.KeyMax))); got != string(value(kv.ValueMax)) {
		t.Fatal("the largest row came back as another")
	}
	is(t, s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{{Key: key(kv.KeyMax + 1)}}}), kv.ErrTooLarge)
	is(t, s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{{Key: key(1), Value: value(kv.ValueMax + 1)}}}), kv.ErrTooLarge)
	is(t, s.Commit(ctx, &kv.Mutation{Deletes: [][]byte{key(kv.KeyMax + 1)}}), kv.ErrTooLarge)
	is(t, s.Commit(ctx, &kv.Mutation{Guards: []kv.Guard{{Key: key(kv.KeyMax + 1)}}}), kv.ErrTooLarge)
	must(t, s.Commit(ctx, &kv.Mutation{Deletes: [][]byte{key(kv.KeyMax)}}))

	// Exactly CommitMax, spread over a guard, a delete and puts; then one more byte.
	m := &kv.Mutation{
		Guards:  []kv.Guard{{Key: []byte("guard")}},
		Deletes: [][]byte{[]byte("delete")},
	}
	left := kv.CommitMax - len("guard") - len("delete")
	for i := byte(0); left > 0; i++ {
		n := min(left-1, kv.ValueMax)
		m.Puts = append(m.Puts, kv.Pair{Key: []byte{i}, Value: value(n)})
		left -= 1 + n
	}
	must(t, s.Commit(ctx, m))
	v := snap(t, s)
	n := 0
	for p, err := range v.Scan(kv.Span{}) {
		must(t, err)
		if !bytes.Equal(p.Value, m.Puts[n].Value) {
			t.Fatalf("row %d came back as another", n)
		}
		n++
	}
	v.Close()
	if n != len(m.Puts) {
		t.Fatalf("%d rows, want %d", n, len(m.Puts))
	}
	m.Deletes[0] = []byte("delete!")
	is(t, s.Commit(ctx, m), kv.ErrTooLarge)
	want(t, get(t, s, "guard"), "<none>")

	// The empty key is a key.
	put(t, s, "", "nobody")
	want(t, get(t, s, ""), "nobody")
}

func twice(t *testing.T, s kv.Store) {
	a := kv.Pair{Key: []byte("a"), Value: []byte("1")}
	for _, m := range []*kv.Mutation{
		{Puts: []kv.Pair{a, a}},
		{Puts: []kv.Pair{a}, Deletes: [][]byte{a.Key}},
		{Deletes: [][]byte{a.Key, a.Key}},
	} {
		if s.Commit(ctx, m) == nil {
			t.Fatal("a key was written twice in one mutation")
		}
	}
	m := &kv.Mutation{}
	for i := range byte(40) {
		m.Deletes = append(m.Deletes, []byte{i})
	}
	must(t, s.Commit(ctx, m))
	m.Deletes = append(m.Deletes, []byte{7})
	if s.Commit(ctx, m) == nil {
		t.Fatal("a key was deleted twice in one mutation")
	}
	want(t, get(t, s, "a"), "<none>")
}

func commitKeepsNothing(t *testing.T, s kv.Store) {
	k, v := []byte("key"), []byte("value")
	must(t, s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{{Key: k, Value: v}}}))
	copy(k, "xxx")
	copy(v, "xxxxx")
	want(t, get(t, s, "key"), "value")
}

func getIsOwned(t *testing.T, s kv.Store) {
	put(t, s, "k", "value")
	v := snap(t, s)
	defer v.Close()
	b, err := v.Get([]byte("k"))
	must(t, err)
	copy(b, "xxxxx")
	want(t, read(t, v, "k"), "value")
	b, err = v.Get([]byte("k"))
	must(t, err)
	put(t, s, "k", "other")
	for range 100 {
		read(t, v, "k")
	}
	want(t, string(b), "value")
}

// visible: the hook runs once, before Commit returns, when readers see the
// mutation, and it may read the store and commit to it.
func visible(t *testing.T, s kv.Store) {
	calls := 0
	m := &kv.Mutation{Puts: []kv.Pair{{Key: []byte("a"), Value: []byte("1")}}}
	m.Visible = func() {
		calls++
		want(t, get(t, s, "a"), "1")
		put(t, s, "a", "2")
	}
	must(t, s.Commit(ctx, m))
	if calls != 1 {
		t.Fatalf("Visible was called %d times", calls)
	}
	want(t, get(t, s, "a"), "2")
	m = &kv.Mutation{
		Guards:  []kv.Guard{{Key: []byte("a")}},
		Visible: func() { t.Error("Visible was called for a mutation that conflicts") },
	}
	is(t, s.Commit(ctx, m), kv.ErrConflict)
}

func wake(t *testing.T, s kv.Store) {
	drain := func() bool {
		select {
		case <-s.Wake():
			return true
		default:
			return false
		}
	}
	drain()
	put(t, s, "a", "1")
	put(t, s, "b", "1")
	if !drain() {
		t.Fatal("no signal after a commit")
	}
	if drain() {
		t.Fatal("more than one signal is kept")
	}
	del(t, s, "a")
	if !drain() {
		t.Fatal("no signal after a delete")
	}
}

func barrier(t *testing.T, s kv.Store) {
	must(t, s.Barrier(ctx))
	put(t, s, "a", "1")
	must(t, s.Barrier(ctx))
	must(t, s.Barrier(ctx))
}

func settled(t *testing.T, s kv.Store) {
	put(t, s, "a", "1", "b", "2")
	v := snap(t, s)
	defer v.Close()
	must(t, v.Settled(ctx))
	read(t, v, "a")
	read(t, v, "absent")
	must(t, v.Settled(ctx))
	rowsOf(t, v.Scan(kv.Span{}))
	must(t, v.Settled(ctx))
	put(t, s, "a", "2")
	must(t, v.Settled(ctx))
	want(t, read(t, v, "a"), "1")
}

func cancelled(t *testing.T, s kv.Store) {
	gone, cancel := context.WithCancel(ctx)
	cancel()
	put(t, s, "a", "1")
	if err := s.Commit(gone, &kv.Mutation{Puts: []kv.Pair{{Key: []byte("a"), Value: []byte("2")}}}); !errors.Is(err, context.Canceled) {
		t.Fatalf("Commit under a cancelled context: %v", err)
	}
	want(t, get(t, s, "a"), "1")
	if _, err := s.Snapshot(gone); !errors.Is(err, context.Canceled) {
		t.Fatalf("Snapshot under a cancelled context: %v", err)
	}
	if err := kv.Update(gone, s, func(tx *kv.Tx) error { tx.Put([]byte("a"), nil); return nil }); !errors.Is(err, context.Canceled) {
		t.Fatalf("Update under a cancelled context: %v", err)
	}
}

func closed(t *testing.T, s kv.Store) {
	put(t, s, "a", "1")
	must(t, s.Close())
	is(t, s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{{Key: []byte("a")}}}), kv.ErrClosed)
	is(t, s.Barrier(ctx), kv.ErrClosed)
	if _, err := s.Snapshot(ctx); !errors.Is(err, kv.ErrClosed) {
		t.Fatalf("Snapshot of a closed store: %v", err)
	}
	is(t, kv.Update(ctx, s, func(*kv.Tx) error { return nil }), kv.ErrClosed)
	must(t, s.Close())
}
