package kvtest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/farhold/farhold/kv"
)

func updateGuards(t *testing.T, s kv.Store) {
	put(t, s, "n", "1")
	runs := 0
	must(t, kv.Update(ctx, s, func(tx *kv.Tx) error {
		if tx.Try() != runs {
			t.Errorf("Try is %d in run %d", tx.Try(), runs)
		}
		runs++
		v, err := tx.Get([]byte("n"))
		if err != nil {
			return err
		}
		if runs == 1 {
			put(t, s, "n", "7") // somebody else
		}
		tx.Put([]byte("n"), append(v, '!'))
		return nil
	}))
	want(t, get(t, s, "n"), "7!")
	if runs != 2 {
		t.Fatalf("fn ran %d times, want 2", runs)
	}

	// Absence is guarded, and an empty value isn't absence.
	runs = 0
	must(t, kv.Update(ctx, s, func(tx *kv.Tx) error {
		runs++
		_, err := tx.Get([]byte("absent"))
		if runs == 1 {
			is(t, err, kv.ErrNotFound)
			put(t, s, "absent", "")
		} else if err != nil {
			return err
		}
		tx.Put([]byte("seen"), []byte(strconv.Itoa(runs)))
		return nil
	}))
	want(t, get(t, s, "seen"), "2")
	runs = 0
	must(t, kv.Update(ctx, s, func(tx *kv.Tx) error {
		runs++
		_, err := tx.Get([]byte("absent"))
		if runs == 1 {
			must(t, err)
			del(t, s, "absent")
		} else {
			is(t, err, kv.ErrNotFound)
		}
		tx.Put([]byte("seen"), []byte(strconv.Itoa(runs)))
		return nil
	}))
	if runs != 2 {
		t.Fatalf("fn ran %d times after an empty row went, want 2", runs)
	}
}

func updateAssume(t *testing.T, s kv.Store) {
	put(t, s, "bucket", "v1")
	cached := []byte("v0")
	runs := 0
	must(t, kv.Update(ctx, s, func(tx *kv.Tx) error {
		runs++
		if tx.Try() > 0 {
			v, err := tx.Get([]byte("bucket"))
			if err != nil {
				return err
			}
			cached = v
		} else {
			tx.Assume([]byte("bucket"), cached)
		}
		tx.Assume([]byte("none"), nil)
		tx.Put([]byte("object"), cached)
		return nil
	}))
	want(t, get(t, s, "object"), "v1")
	if runs != 2 {
		t.Fatalf("fn ran %d times, want 2", runs)
	}
	// A claim that the transaction's own view contradicts never commits.
	runs = 0
	must(t, kv.Update(ctx, s, func(tx *kv.Tx) error {
		runs++
		if tx.Try() == 0 {
			tx.Assume([]byte("bucket"), []byte("v9"))
		}
		if _, err := tx.Get([]byte("bucket")); err != nil {
			return err
		}
		tx.Put([]byte("object"), []byte(strconv.Itoa(runs)))
		return nil
	}))
	want(t, get(t, s, "object"), "2")
}

func updatePeek(t *testing.T, s kv.Store) {
	put(t, s, "hint", "1")
	runs := 0
	must(t, kv.Update(ctx, s, func(tx *kv.Tx) error {
		runs++
		v, err := tx.Peek([]byte("hint"))
		if err != nil {
			return err
		}
		put(t, s, "hint", "2")
		again, err := tx.Peek([]byte("hint"))
		if err != nil {
			return err
		}
		want(t, string(again), string(v)) // one view
		tx.Put([]byte("out"), v)
		return nil
	}))
	want(t, get(t, s, "out"), "1")
	if runs != 1 {
		t.Fatalf("fn ran %d times, want 1", runs)
	}
}

func updateOwnWrites(t *testing.T, s kv.Store) {
	put(t, s, "a", "0", "b", "0", "c", "0")
	must(t, kv.Update(ctx, s, func(tx *kv.Tx) error {
		key := []byte("a")
		tx.Put(key, []byte("1"))
		key[0] = 'z' // keys are copied
		tx.Delete([]byte("b"))
		tx.Put([]byte("d"), nil)
		got := func(k string) string {
			v, err := tx.Get([]byte(k))
			if errors.Is(err, kv.ErrNotFound) {
				return "<none>"
			}
			must(t, err)
			return string(v)
		}
		want(t, got("a")+" "+got("b")+" "+got("c")+" "+got("d")+".", "1 <none> 0 .")
		tx.Put([]byte("b"), []byte("2"))
		tx.Delete([]byte("a"))
		tx.Delete([]byte("c"))
		tx.Put([]byte("c"), []byte("3"))
		want(t, got("a")+" "+got("b")+" "+got("c"), "<none> 2 3")
		if n, _ := tx.Written(); n != 4 {
			t.Errorf("%d keys written, want 4", n)
		}
		return nil
	}))
	want(t, get(t, s, "a")+get(t, s, "b")+get(t, s, "c")+get(t, s, "d"), "<none>23")
}

func updateScan(t *testing.T, s kv.Store) {
	put(t, s, "b", "1", "d", "1", "f", "1", "h", "1")
	must(t, kv.Update(ctx, s, func(tx *kv.Tx) error {
		tx.Put([]byte("z"), []byte("2"))
		tx.Put([]byte("a"), []byte("2"))
		tx.Put([]byte("d"), []byte("2"))
		tx.Put([]byte("e"), []byte("2"))
		tx.Delete([]byte("f"))
		tx.Delete([]byte("g"))
		tx.Delete([]byte("y"))
		want(t, rowsOf(t, tx.Scan(kv.Span{})), "a=2 b=1 d=2 e=2 h=1 z=2")
		want(t, rowsOf(t, tx.Scan(kv.Span{Reverse: true})), "z=2 h=1 e=2 d=2 b=1 a=2")
		want(t, rowsOf(t, tx.Scan(kv.Span{Low: []byte("b"), High: []byte("h")})), "b=1 d=2 e=2")
		want(t, rowsOf(t, tx.Scan(kv.Span{Low: []byte("c"), High: []byte("e"), Reverse: true})), "d=2")
		want(t, rowsOf(t, tx.Scan(kv.Span{Low: []byte("x")})), "z=2")
		for p := range tx.Scan(kv.Span{}) {
			want(t, string(p.Key), "a")
			break
		}
		for p := range tx.Scan(kv.Span{Low: []byte("i")}) {
			want(t, string(p.Key), "z")
			break
		}
		return nil
	}))
	v := snap(t, s)
	defer v.Close()
	want(t, rowsOf(t, v.Scan(kv.Span{})), "a=2 b=1 d=2 e=2 h=1 z=2")
}

func updateError(t *testing.T, s kv.Store) {
	boom := errors.New("condition")
	for _, e := range []error{boom, fmt.Errorf("inner: %w", kv.ErrConflict)} {
		runs := 0
		err := kv.Update(ctx, s, func(tx *kv.Tx) error {
			runs++
			tx.Put([]byte("a"), []byte("1"))
			return e
		})
		is(t, err, e)
		if runs != 1 {
			t.Fatalf("fn ran %d times after its own error, want 1", runs)
		}
	}
	want(t, get(t, s, "a"), "<none>")
	is(t, kv.Update(ctx, s, func(tx *kv.Tx) error {
		tx.Put([]byte("a"), make([]byte, kv.ValueMax+1))
		return nil
	}), kv.ErrTooLarge)
}

// noCommit fails the test when something is committed.
type noCommit struct {
	kv.Store
	t *testing.T
}

func (s noCommit) Commit(context.Context, *kv.Mutation) error {
	s.t.Error("something was committed")
	return nil
}

func updateReadOnly(t *testing.T, s kv.Store) {
	put(t, s, "a", "1")
	runs := 0
	must(t, kv.Update(ctx, noCommit{s, t}, func(tx *kv.Tx) error {
		runs++
		_, err := tx.Get([]byte("a"))
		put(t, s, "a", "2")
		return err
	}))
	if runs != 1 {
		t.Fatalf("fn ran %d times, want 1", runs)
	}
}

func updateGivesUp(t *testing.T, s kv.Store) {
	n := 0
	err := kv.Update(ctx, s, func(tx *kv.Tx) error {
		_, _ = tx.Get([]byte("hot"))
		n++
		put(t, s, "hot", strconv.Itoa(n))
		tx.Put([]byte("out"), []byte("1"))
		return nil
	})
	is(t, err, kv.ErrConflict)
	if n != 64 {
		t.Fatalf("fn ran %d times, want 64", n)
	}
	want(t, get(t, s, "out"), "<none>")
}

func updateLarge(t *testing.T, s kv.Store) {
	put(t, s, "k0100", "old")
	must(t, kv.Update(ctx, s, func(tx *kv.Tx) error {
		for i := range 500 {
			k := fmt.Appendf(nil, "k%04d", i)
			if _, err := tx.Get(k); err != nil && !errors.Is(err, kv.ErrNotFound) {
				return err
			}
			tx.Put(k, []byte("a"))
		}
		for i := 0; i < 500; i += 2 {
			k := fmt.Appendf(nil, "k%04d", i)
			tx.Delete(k)
			if _, err := tx.Get(k); !errors.Is(err, kv.ErrNotFound) {
				return fmt.Errorf("a deleted row is there: %v", err)
			}
			tx.Assume(k, nil) // known already, except for one
		}
		if tx.Try() == 0 {
			del(t, s, "k0100")
		}
		return nil
	}))
	v := snap(t, s)
	defer v.Close()
	if got := strings.Count(rowsOf(t, v.Scan(kv.Span{})), "=a"); got != 250 {
		t.Fatalf("%d rows, want 250", got)
	}
}

// updateConcurrent adds to a few counters from several goroutines: no addition
// may be lost.
func updateConcurrent(t *testing.T, s kv.Store) {
	const workers, rounds, counters = 8, 40, 3
	latches := kv.NewLatches()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range rounds {
				key := fmt.Appendf(nil, "counter%d", (w+i)%counters)
				// Half of the writers queue up, half take their chance.
				var held kv.Held
				if w%2 == 0 {
					var err error
					if held, err = latches.Lock(ctx, key); err != nil {
						t.Error(err)
						return
					}
				}
				for {
					err := kv.Update(ctx, s, func(tx *kv.Tx) error {
						v, err := tx.Get(key)
						if err != nil && !errors.Is(err, kv.ErrNotFound) {
							return err
						}
						n, _ := strconv.Atoi(string(v))
						tx.Put(key, strconv.AppendInt(nil, int64(n+1), 10))
						return nil
					})
					if errors.Is(err, kv.ErrConflict) {
						continue
					}
					if err != nil {
						t.Error(err)
					}
					break
				}
				if w%2 == 0 {
					held.Unlock()
				}
			}
		})
	}
	wg.Wait()
	total := 0
	for i := range counters {
		n, err := strconv.Atoi(get(t, s, fmt.Sprint("counter", i)))
		must(t, err)
		total += n
	}
	if total != workers*rounds {
		t.Fatalf("the counters add up to %d, want %d", total, workers*rounds)
	}
}

// updateLatched adds to one counter from several goroutines that all hold a
// latch on it: nobody ever conflicts.
func updateLatched(t *testing.T, s kv.Store) {
	l := kv.NewLatches()
	keys := [][]byte{[]byte("n"), []byte("other")}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 25 {
				err := kv.UpdateLatched(ctx, s, l, keys, func(tx *kv.Tx) error {
					if tx.Try() != 0 {
						t.Error("a writer conflicted under a latch")
					}
					v, err := tx.Get(keys[0])
					if err != nil && !errors.Is(err, kv.ErrNotFound) {
						return err
					}
					n, _ := strconv.Atoi(string(v))
					tx.Put(keys[0], strconv.AppendInt(nil, int64(n+1), 10))
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	want(t, get(t, s, "n"), "200")
}
