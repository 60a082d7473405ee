package pebblekv

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/farhold/farhold/kv"
)

// crowded gives keys that share a few stripes, so that what is remembered of
// one is pushed out and made doubtful by the others all the time.
func crowded(n, stripes int) [][]byte {
	var keys [][]byte
	for i := 0; len(keys) < n; i++ {
		k := fmt.Appendf(nil, "key%d", i)
		if int(stripeOf(k)) < stripes {
			keys = append(keys, k)
		}
	}
	return keys
}

// TestRemembered: what is remembered never differs from what Pebble holds. Each
// row counts up, and is deleted at times and goes on from its last number,
// which another row keeps. No reader may see a number below one that was
// confirmed or read before its view was taken, and the rows of one view agree.
func TestRemembered(t *testing.T) {
	s := open(t, Options{FS: slow(vfs.NewMem(), 200*time.Microsecond), Dir: "db", CacheSize: 1 << 20, Reserve: -1})
	const rows = 4
	keys := crowded(2*rows, 3)
	var seen [rows]atomic.Int64
	saw := func(i int, n int64) {
		for {
			if was := seen[i].Load(); was >= n || seen[i].CompareAndSwap(was, n) {
				return
			}
		}
	}
	// A row and its copy: the row may be absent, its copy never is.
	read := func(get func([]byte) ([]byte, error), i int) (int64, bool, error) {
		b, err := get(keys[2*i+1])
		if errors.Is(err, kv.ErrNotFound) {
			return 0, false, nil
		}
		if err != nil {
			return 0, false, err
		}
		number, odd, _ := strings.Cut(string(b), " ")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return 0, false, err
		}
		row, err := get(keys[2*i])
		switch {
		case odd == "gone" && !errors.Is(err, kv.ErrNotFound):
			return 0, false, fmt.Errorf("row %d is %q with %v, want none: its copy is %q", i, row, err, b)
		case odd == "" && string(row) != number:
			return 0, false, fmt.Errorf("row %d is %q with %v, its copy is %q", i, row, err, b)
		}
		return n, true, nil
	}
	var writers, readers sync.WaitGroup
	var stop atomic.Bool
	for w := range 4 {
		r := rand.New(rand.NewPCG(uint64(w), 1))
		writers.Go(func() {
			for range 300 {
				i := r.IntN(rows)
				gone := r.IntN(4) == 0
				var n int64
				err := kv.Update(ctx, s, func(tx *kv.Tx) error {
					var err error
					if n, _, err = read(tx.Get, i); err != nil {
						return err
					}
					n++
					tx.Put(keys[2*i+1], strconv.AppendInt(nil, n, 10))
					if gone {
						tx.Delete(keys[2*i])
						tx.Put(keys[2*i+1], fmt.Appendf(nil, "%d gone", n))
					} else {
						tx.Put(keys[2*i], strconv.AppendInt(nil, n, 10))
					}
					return nil
				})
				if errors.Is(err, kv.ErrConflict) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				saw(i, n)
			}
		})
	}
	for g := range 4 {
		r := rand.New(rand.NewPCG(uint64(g), 2))
		readers.Go(func() {
			for !stop.Load() && !t.Failed() {
				var before [rows]int64
				for i := range before {
					before[i] = seen[i].Load()
				}
				v, err := s.Snapshot(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				var first [rows]int64
				for pass := range 2 {
					for _, i := range r.Perm(rows) {
						n, _, err := read(v.Get, i)
						if err != nil {
							t.Error(err)
						}
						if n < before[i] {
							t.Errorf("row %d is %d in a view taken after %d was seen", i, n, before[i])
						}
						if pass == 1 && n != first[i] {
							t.Errorf("row %d is %d and then %d in one view", i, first[i], n)
						}
						first[i] = n
						saw(i, n)
					}
				}
				v.Close()
			}
		})
	}
	writers.Wait()
	stop.Store(true)
	readers.Wait()
}

// TestRememberedIsUsed: a row that was just read is guarded without Pebble, and
// so is one that was just written, if it was known.
func TestRememberedIsUsed(t *testing.T) {
	s := open(t, Options{FS: vfs.NewMem(), Dir: "db", CacheSize: 1 << 20, Reserve: -1})
	key, stripe := []byte("key"), stripeOf([]byte("key"))
	if _, ok := s.recall(stripe, key, s.flights.visible()); ok {
		t.Fatal("known before it was read")
	}
	for i, want := range []string{"", "one", "two"} {
		if i > 0 {
			if err := s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{{Key: key, Value: []byte(want)}}}); err != nil {
				t.Fatal(err)
			}
		} else if _, err := get(s, key); !errors.Is(err, kv.ErrNotFound) {
			t.Fatal(err)
		}
		if v, ok := s.recall(stripe, key, s.flights.visible()); !ok || string(v) != want || (v == nil) != (i == 0) {
			t.Fatalf("%q is known as %q, %v", want, v, ok)
		}
	}
	if err := s.Commit(ctx, &kv.Mutation{Deletes: [][]byte{key}}); err != nil {
		t.Fatal(err)
	}
	if v, ok := s.recall(stripe, key, s.flights.visible()); !ok || v != nil {
		t.Fatalf("a deleted row is known as %q, %v", v, ok)
	}
}

// TestMetrics: the figures say what happened.
func TestMetrics(t *testing.T) {
	s := open(t, Options{FS: vfs.NewMem(), Dir: "db", CacheSize: 1 << 20, Reserve: 1 << 20})
	m := &kv.Mutation{Guards: []kv.Guard{{Key: []byte("a")}}, Puts: []kv.Pair{{Key: []byte("a"), Value: []byte("1")}}}
	if err := s.Commit(ctx, m); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(ctx, m); !errors.Is(err, kv.ErrConflict) {
		t.Fatal(err)
	}
	got := s.Metrics()
	for name, want := range map[string]float64{
		"kv_commits_total": 1, "kv_guard_conflicts_total": 1, "kv_commits_in_flight": 0,
		"kv_dead": 0, "kv_full": 0, "kv_stalled": 0, "kv_reserve_bytes": 1 << 20,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v (%v), want %v", name, v, ok, want)
		}
	}
	if got["kv_log_bytes"] <= 0 {
		t.Error("the log has no size")
	}
}
