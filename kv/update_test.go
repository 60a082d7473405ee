package kv_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/kv/memkv"
)

func add(tx *kv.Tx) error {
	v, err := tx.Get([]byte("n"))
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return err
	}
	tx.Put([]byte("n"), append(bytes.Clone(v), 'x'))
	return nil
}

// TestUpdateWaits: conflicts are tried again after waits that grow, are bounded
// and repeat under a seed, and a cancelled context ends them.
func TestUpdateWaits(t *testing.T) {
	took := func(seed uint64) (d time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			s := memkv.New(memkv.Conflicts(seed, 1))
			start := time.Now()
			if err := kv.Update(t.Context(), s, add); !errors.Is(err, kv.ErrConflict) {
				t.Fatalf("Update gave %v", err)
			}
			d = time.Since(start)
		})
		return d
	}
	a, b, c := took(1), took(1), took(2)
	if a != b || a == c {
		t.Errorf("waits of %v and %v under one seed, %v under another", a, b, c)
	}
	if a < 10*time.Millisecond || a > 64*5*time.Millisecond {
		t.Errorf("64 tries waited %v in all", a)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Millisecond)
		defer cancel()
		s := memkv.New(memkv.Conflicts(1, 1))
		if err := kv.Update(ctx, s, add); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Update gave %v", err)
		}
	})
}

// TestUpdateSomeConflicts: with half of all commits refused, each takes effect
// once.
func TestUpdateSomeConflicts(t *testing.T) {
	s := memkv.New(memkv.Conflicts(7, 0.5))
	for range 100 {
		if err := kv.Update(t.Context(), s, add); err != nil {
			t.Fatal(err)
		}
	}
	v, _ := s.Snapshot(t.Context())
	if b, err := v.Get([]byte("n")); len(b) != 100 {
		t.Fatalf("%d additions took effect, %v", len(b), err)
	}
}

// TestUpdateErrors: every error of the engine comes through, and an unknown
// outcome isn't tried again.
func TestUpdateErrors(t *testing.T) {
	boom := errors.New("boom")
	count := memkv.New(memkv.Faults(func(memkv.Op, int64) memkv.Fault { return memkv.Fault{} }))
	work := func(tx *kv.Tx) error {
		for _, err := range tx.Scan(kv.Span{}) {
			if err != nil {
				return err
			}
		}
		if _, err := tx.Peek([]byte("p")); err != nil && !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		return add(tx)
	}
	if err := kv.Update(t.Context(), count, work); err != nil {
		t.Fatal(err)
	}
	if count.Ops() != 5 {
		t.Fatalf("%d operations, want a snapshot, a scan, two reads and a commit", count.Ops())
	}
	for n := int64(1); n <= count.Ops(); n++ {
		s := memkv.New(memkv.FailAt(n, boom))
		if err := kv.Update(t.Context(), s, work); !errors.Is(err, boom) {
			t.Errorf("operation %d failed and Update gave %v", n, err)
		}
		if s.Len() != 0 {
			t.Errorf("operation %d failed and something was written", n)
		}
	}
	runs := 0
	s := memkv.New(memkv.Faults(func(op memkv.Op, _ int64) memkv.Fault {
		if op == memkv.OpCommit {
			return memkv.Fault{Err: boom, Apply: true}
		}
		return memkv.Fault{}
	}))
	if err := kv.Update(t.Context(), s, func(tx *kv.Tx) error { runs++; return add(tx) }); !errors.Is(err, boom) || runs != 1 {
		t.Errorf("an unknown outcome gave %v after %d runs", err, runs)
	}
	if s.Len() != 1 {
		t.Error("the mutation was to be applied in spite of its error")
	}
}

// TestUpdateSettles: an answer that rests on reads waits for them, be it an
// error or none.
func TestUpdateSettles(t *testing.T) {
	boom, condition := errors.New("boom"), errors.New("condition")
	open := func() kv.Store {
		return memkv.New(memkv.Faults(func(op memkv.Op, _ int64) memkv.Fault {
			if op == memkv.OpSettled {
				return memkv.Fault{Err: boom}
			}
			return memkv.Fault{}
		}))
	}
	if err := kv.Update(t.Context(), open(), func(*kv.Tx) error { return nil }); !errors.Is(err, boom) {
		t.Errorf("a transaction that only read gave %v", err)
	}
	if err := kv.Update(t.Context(), open(), func(*kv.Tx) error { return condition }); !errors.Is(err, boom) || !errors.Is(err, condition) {
		t.Errorf("a refused transaction gave %v", err)
	}
	if err := kv.Update(t.Context(), open(), add); err != nil {
		t.Errorf("a commit gave %v", err) // its own sync covers what it read
	}
}

// TestUpdateFresh: nothing of one transaction shows in the next, though they
// share buffers.
func TestUpdateFresh(t *testing.T) {
	s := memkv.New()
	for i := range 50 {
		err := kv.Update(t.Context(), s, func(tx *kv.Tx) error {
			if n, size := tx.Written(); n != 0 || size != 0 || tx.Try() != 0 {
				t.Fatalf("a new transaction has %d writes of %d bytes in try %d", n, size, tx.Try())
			}
			for j := range i {
				tx.Put(fmt.Appendf(nil, "k%d", j), []byte("v"))
				tx.Assume(fmt.Appendf(nil, "absent%d", j), nil)
			}
			tx.Frees()
			if i%3 == 0 {
				return errors.New("never mind")
			}
			return nil
		})
		if (err != nil) != (i%3 == 0) {
			t.Fatal(err)
		}
	}
	s2 := &lastMutation{Store: s}
	if err := kv.Update(t.Context(), s2, add); err != nil {
		t.Fatal(err)
	}
	if m := s2.m; m.Frees || m.Visible != nil || len(m.Guards) != 1 || len(m.Puts) != 1 || len(m.Deletes) != 0 {
		t.Errorf("a small transaction committed %+v", m)
	}
}

type lastMutation struct {
	kv.Store
	m kv.Mutation
}

func (s *lastMutation) Commit(ctx context.Context, m *kv.Mutation) error {
	s.m = *m
	return s.Store.Commit(ctx, m)
}

// TestUpdatePanic: a panic of fn leaves neither a view nor latches behind.
func TestUpdatePanic(t *testing.T) {
	s := memkv.New()
	l := kv.NewLatches()
	keys := [][]byte{[]byte("n")}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic got lost")
			}
		}()
		_ = kv.UpdateLatched(t.Context(), s, l, keys, func(*kv.Tx) error { panic("fn") })
	}()
	if err := kv.UpdateLatched(t.Context(), s, l, keys, add); err != nil {
		t.Fatal(err)
	}
}

// TestUpdateLatched: the latch is free as soon as the commit is visible, while
// its sync is still under way.
func TestUpdateLatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowCommit{memkv.New()}
		l := kv.NewLatches()
		keys := [][]byte{[]byte("n")}
		start := time.Now()
		for range 10 {
			go func() {
				if err := kv.UpdateLatched(t.Context(), s, l, keys, add); err != nil {
					t.Error(err)
				}
			}()
		}
		synctest.Wait()
		v, err := s.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := v.Get([]byte("n")); len(b) != 10 || time.Since(start) != 0 {
			t.Errorf("%d of 10 are visible after %v", len(b), time.Since(start))
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
	})
}

// slowCommit syncs for a second.
type slowCommit struct{ kv.Store }

func (s *slowCommit) Commit(ctx context.Context, m *kv.Mutation) error {
	err := s.Store.Commit(ctx, m)
	if err == nil {
		time.Sleep(time.Second)
	}
	return err
}

// stub is an engine that takes no memory, to see what Update takes.
type stub struct{ snap stubSnap }

type stubSnap struct{ kv.Snapshot }

func (stubSnap) Get([]byte) ([]byte, error)    { return []byte{}, nil }
func (stubSnap) Settled(context.Context) error { return nil }
func (stubSnap) Close()                        {}

func (s *stub) Snapshot(context.Context) (kv.Snapshot, error)  { return s.snap, nil }
func (s *stub) Commit(_ context.Context, m *kv.Mutation) error { return m.Check() }
func (s *stub) Barrier(context.Context) error                  { return nil }
func (s *stub) Wake() <-chan struct{}                          { return nil }
func (s *stub) Close() error                                   { return nil }

func putLike() func(*kv.Tx) error {
	bucket, head, value := []byte("bucket"), []byte("head"), []byte("value")
	keys := [][]byte{head, []byte("version"), []byte("body"), []byte("outbox"), []byte("usage")}
	return func(tx *kv.Tx) error {
		tx.Assume(bucket, value)
		if _, err := tx.Get(head); err != nil {
			return err
		}
		for _, k := range keys {
			tx.Put(k, value)
		}
		return nil
	}
}

func TestUpdateAllocates(t *testing.T) {
	s, put := &stub{}, putLike()
	if n := testing.AllocsPerRun(1000, func() {
		if err := kv.Update(context.Background(), s, put); err != nil {
			t.Fatal(err)
		}
	}); n > 1 && !raceOn {
		t.Errorf("Update allocates %v times for a transaction like a PUT", n)
	}
}

func BenchmarkUpdate(b *testing.B) {
	s, put := &stub{}, putLike()
	b.ReportAllocs()
	for b.Loop() {
		if err := kv.Update(context.Background(), s, put); err != nil {
			b.Fatal(err)
		}
	}
}

func TestCheck(t *testing.T) {
	big := func(n int) []byte { return make([]byte, n) }
	for name, c := range map[string]struct {
		m    kv.Mutation
		want error
	}{
		"empty":            {kv.Mutation{}, nil},
		"largest key":      {kv.Mutation{Deletes: [][]byte{big(kv.KeyMax)}}, nil},
		"key":              {kv.Mutation{Deletes: [][]byte{big(kv.KeyMax + 1)}}, kv.ErrTooLarge},
		"largest value":    {kv.Mutation{Puts: []kv.Pair{{Value: big(kv.ValueMax)}}}, nil},
		"value":            {kv.Mutation{Puts: []kv.Pair{{Value: big(kv.ValueMax + 1)}}}, kv.ErrTooLarge},
		"guarded value":    {kv.Mutation{Guards: []kv.Guard{{Want: big(kv.ValueMax + 1)}}}, kv.ErrTooLarge},
		"guards count too": {kv.Mutation{Guards: many(17)}, kv.ErrTooLarge},
		"sixteen guards":   {kv.Mutation{Guards: many(16)}, nil},
	} {
		if err := c.m.Check(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// many gives guards of 64 KiB each, keys included.
func many(n int) []kv.Guard {
	g := make([]kv.Guard, n)
	for i := range g {
		g[i] = kv.Guard{Key: []byte{byte(i)}, Want: make([]byte, kv.ValueMax-1)}
	}
	return g
}

func TestSpan(t *testing.T) {
	for _, c := range []struct {
		span kv.Span
		key  string
		in   bool
	}{
		{kv.Span{}, "", true},
		{kv.Span{}, "\xff", true},
		{kv.Span{High: []byte{}}, "", false},
		{kv.Span{Low: []byte("a"), High: []byte("b")}, "a", true},
		{kv.Span{Low: []byte("a"), High: []byte("b")}, "a\xff", true},
		{kv.Span{Low: []byte("a"), High: []byte("b")}, "b", false},
		{kv.Prefix([]byte("a\xff")), "a\xff\xff", true},
		{kv.Prefix([]byte("a\xff")), "b", false},
		{kv.Prefix([]byte("\xff\xff")), "\xff\xff\x00", true},
		{kv.Prefix([]byte("\xff\xff")), "\xff", false},
	} {
		if got := c.span.Contains([]byte(c.key)); got != c.in {
			t.Errorf("%q in [%q, %q): %v", c.key, c.span.Low, c.span.High, got)
		}
	}
	if kv.After([]byte("\xff\xff")) != nil || kv.After(nil) != nil || string(kv.After([]byte("a\xff"))) != "b" {
		t.Error("After")
	}
}

// TestUpdateChecksClaims: a stale claim is found out also when nothing is
// committed that would check it.
func TestUpdateChecksClaims(t *testing.T) {
	s := memkv.New(memkv.Seed(1))
	put := &kv.Mutation{Puts: []kv.Pair{{Key: []byte("k"), Value: []byte("new")}}}
	if err := s.Commit(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	refused := errors.New("refused")
	for _, answer := range []error{nil, refused} {
		tries := 0
		err := kv.Update(t.Context(), s, func(tx *kv.Tx) error {
			tries++
			if tx.Try() == 0 {
				tx.Assume([]byte("k"), []byte("old"))
				return answer
			}
			_, err := tx.Get([]byte("k"))
			return err
		})
		if err != nil || tries != 2 {
			t.Errorf("answering %v: %d tries, %v", answer, tries, err)
		}
	}
}
