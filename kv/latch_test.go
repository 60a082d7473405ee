package kv

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
)

// TestLatchesExclude lets many goroutines lock overlapping sets. Each key's
// plain counters would be torn, and found by the race detector, if two writers
// or a writer and a reader were inside at once. That it ends shows that nobody
// deadlocks.
func TestLatchesExclude(t *testing.T) {
	l := NewLatches()
	const keys = 40
	var readers, writers [keys]int
	var counting sync.Mutex
	var wg sync.WaitGroup
	for g := range 12 {
		r := rand.New(rand.NewPCG(1, uint64(g)))
		wg.Go(func() {
			for range 400 {
				m := &Mutation{}
				at := r.Perm(keys)[:1+r.IntN(35)]
				cut := r.IntN(len(at) + 1)
				for i, k := range at {
					key := fmt.Appendf(nil, "key%d", k)
					switch {
					case i >= cut:
						m.Guards = append(m.Guards, Guard{Key: key})
					case i%2 == 0:
						m.Puts = append(m.Puts, Pair{Key: key})
						m.Guards = append(m.Guards, Guard{Key: key}) // both: exclusive
					default:
						m.Deletes = append(m.Deletes, key)
					}
				}
				var h Held
				if err := l.LockMutation(t.Context(), m, &h); err != nil {
					t.Error(err)
					return
				}
				counting.Lock()
				for i, k := range at {
					if i < cut {
						if writers[k] != 0 || readers[k] != 0 {
							t.Errorf("key %d: a writer among %d writers and %d readers", k, writers[k], readers[k])
						}
						writers[k]++
					} else {
						if writers[k] != 0 {
							t.Errorf("key %d: a reader beside a writer", k)
						}
						readers[k]++
					}
				}
				counting.Unlock()
				counting.Lock()
				for i, k := range at {
					if i < cut {
						writers[k]--
					} else {
						readers[k]--
					}
				}
				counting.Unlock()
				h.Unlock()
			}
		})
	}
	wg.Wait()
	for i := range l.stripes {
		if s := &l.stripes[i]; s.holders != 0 || s.head != nil || s.tail != nil {
			t.Fatalf("stripe %d is left with %d holders", i, s.holders)
		}
	}
}

// TestLatchesOrder: readers share, and whoever comes after a waiting writer
// waits behind it, so that readers can't starve it.
func TestLatchesOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLatches()
		key := []byte("k")
		var order []string
		var mu sync.Mutex
		start := func(name string, lock func(context.Context, ...[]byte) (Held, error), release <-chan struct{}) {
			go func() {
				h, err := lock(t.Context(), key)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, name)
				mu.Unlock()
				<-release
				h.Unlock()
			}()
			synctest.Wait()
		}
		first, writer, last := make(chan struct{}), make(chan struct{}), make(chan struct{})
		start("r1", l.RLock, first)
		start("r2", l.RLock, first)
		start("w", l.Lock, writer)
		start("r3", l.RLock, last)
		start("r4", l.RLock, last)
		expect := func(want ...string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if fmt.Sprint(order) != fmt.Sprint(want) && fmt.Sprint(order) != fmt.Sprint(append(want[:len(want)-2:len(want)-2], want[len(want)-1], want[len(want)-2])) {
				t.Fatalf("inside were %v, want %v", order, want)
			}
		}
		expect("r1", "r2")
		close(first)
		synctest.Wait()
		if len(order) != 3 || order[2] != "w" {
			t.Fatalf("after the readers came %v", order)
		}
		close(writer)
		expect("r1", "r2", "w", "r3", "r4")
		close(last)
	})
}

// TestLatchesGiveUp: a waiter whose context ends leaves nothing locked, and
// lets those behind it pass.
func TestLatchesGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLatches()
		a, b := []byte("a"), []byte("b")
		reader, err := l.RLock(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		gone, cancel := context.WithCancelCause(t.Context())
		why := errors.New("the client went away")
		failed := make(chan error)
		go func() {
			_, err := l.Lock(gone, a, b) // gets a, waits for b, or the other way round
			failed <- err
		}()
		synctest.Wait()
		shared := make(chan Held)
		go func() {
			h, err := l.RLock(t.Context(), b) // waits behind it
			if err != nil {
				t.Error(err)
			}
			shared <- h
		}()
		synctest.Wait()
		cancel(why)
		if err := <-failed; !errors.Is(err, why) {
			t.Fatalf("the waiter got %v", err)
		}
		second := <-shared // beside the first reader
		reader.Unlock()
		second.Unlock()
		h, err := l.Lock(t.Context(), a, b)
		if err != nil {
			t.Fatal(err)
		}
		h.Unlock()
	})
}

func TestLatchesAllocate(t *testing.T) {
	l := NewLatches()
	m := &Mutation{
		Puts:   []Pair{{Key: []byte("a")}, {Key: []byte("b")}, {Key: []byte("c")}},
		Guards: []Guard{{Key: []byte("a")}, {Key: []byte("d")}},
	}
	var h Held
	if n := testing.AllocsPerRun(100, func() {
		if err := l.LockMutation(context.Background(), m, &h); err != nil {
			t.Fatal(err)
		}
		h.Unlock()
	}); n != 0 {
		t.Errorf("locking a small mutation allocates %v times", n)
	}
}

func BenchmarkLatches(b *testing.B) {
	l := NewLatches()
	b.RunParallel(func(pb *testing.PB) {
		var keys [8][]byte
		for i := range keys {
			keys[i] = fmt.Appendf(nil, "%d/%d", rand.Uint64(), i)
		}
		m := &Mutation{Guards: []Guard{{Key: []byte("shared by all")}, {Key: keys[0]}}}
		for _, k := range keys[:5] {
			m.Puts = append(m.Puts, Pair{Key: k})
		}
		var h Held
		for pb.Next() {
			if l.LockMutation(context.Background(), m, &h) == nil {
				h.Unlock()
			}
		}
	})
}
