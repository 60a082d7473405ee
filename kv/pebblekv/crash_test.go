package pebblekv

import (
	"context"
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

var ctx = context.Background()

// TestCrash cuts the power while several goroutines write and others act on
// what they read. No acknowledged mutation may be lost, none torn, and nothing
// that a reader was told was settled.
func TestCrash(t *testing.T) {
	for _, kept := range []int{0, 50, 100} {
		t.Run(fmt.Sprintf("%d%%", kept), func(t *testing.T) {
			for seed := range uint64(12) {
				if err := crash(t, seed, kept, nil); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
		})
	}
}

// TestCrashMutants shows that TestCrash bites: an engine that doesn't wait for
// what was read, and a disk that doesn't sync, are both found out.
func TestCrashMutants(t *testing.T) {
	for name, mutate := range map[string]func(*Options, *mutant){
		"no Settled, no Barrier": func(_ *Options, m *mutant) { m.hasty = true },
		"no sync":                func(_ *Options, m *mutant) { m.lie = true },
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(100) {
				if err := crash(t, seed, 0, mutate); err != nil {
					t.Logf("found with seed %d: %v", seed, err)
					return
				}
			}
			t.Fatal("100 crashes did not find the mutant")
		})
	}
}

type mutant struct{ hasty, lie bool }

// facts are what a crash must not undo.
type facts struct {
	mu      sync.Mutex
	acked   [crashWriters]int // the last group that Commit confirmed
	told    [crashWriters]int // the greatest group that a reader was told of
	hot     int               // the greatest value of the hot counter that anybody was told
	deleted int               // rows del/0 … del/deleted-1 were told to be gone
}

const (
	crashWriters = 5
	deletesMax   = 400
)

func crash(t *testing.T, seed uint64, kept int, mutate func(*Options, *mutant)) error {
	r := rand.New(rand.NewPCG(seed, uint64(kept)))
	mem := vfs.NewCrashableMem()
	o := Options{Dir: "db", MemTableSize: 64 << 10 << (2 * r.IntN(2)), CacheSize: 1 << 20, Reserve: -1}
	var m mutant
	if mutate != nil {
		mutate(&o, &m)
	}
	fs := slow(mem, time.Duration(100+r.IntN(400))*time.Microsecond)
	fs.lie = m.lie
	o.FS = fs
	s, err := Open(o)
	if err != nil {
		return err
	}
	s.hasty = m.hasty
	all := &kv.Mutation{}
	for i := range deletesMax {
		all.Puts = append(all.Puts, kv.Pair{Key: fmt.Appendf(nil, "del/%04d", i), Value: []byte("x")})
	}
	if err := s.Commit(ctx, all); err != nil {
		return err
	}

	var (
		f     facts
		stop  atomic.Bool
		acks  atomic.Int64
		wg    sync.WaitGroup
		fails = make(chan error, 64)
	)
	fail := func(err error) {
		if err != nil {
			select {
			case fails <- err:
			default:
			}
		}
	}
	for w := range crashWriters {
		wg.Go(func() {
			for n := 1; !stop.Load(); n++ {
				if err := s.Commit(ctx, group(w, n)); err != nil {
					fail(err)
					return
				}
				f.mu.Lock()
				f.acked[w] = n
				f.mu.Unlock()
				acks.Add(1)
			}
		})
	}
	for range 2 { // a hot key, pipelined over syncs by early latch release
		wg.Go(func() {
			for !stop.Load() {
				var n int
				err := kv.Update(ctx, s, func(tx *kv.Tx) error {
					v, err := tx.Get([]byte("hot"))
					if err != nil && !errors.Is(err, kv.ErrNotFound) {
						return err
					}
					n, _ = strconv.Atoi(string(v))
					n++
					tx.Put([]byte("hot"), []byte(strconv.Itoa(n)))
					return nil
				})
				if errors.Is(err, kv.ErrConflict) {
					continue
				}
				if err != nil {
					fail(err)
					return
				}
				f.mu.Lock()
				f.hot = max(f.hot, n)
				f.mu.Unlock()
			}
		})
	}
	wg.Go(func() { // deletes: a reader may be told that a row is gone
		for i := 0; i < deletesMax && !stop.Load(); i++ {
			fail(s.Commit(ctx, &kv.Mutation{Deletes: [][]byte{fmt.Appendf(nil, "del/%04d", i)}}))
		}
	})
	for reader := range 3 {
		r := rand.New(rand.NewPCG(seed, uint64(reader)+100))
		wg.Go(func() {
			for !stop.Load() {
				fail(s.tell(&f, r, reader))
			}
		})
	}
	enough := int64(20 + r.IntN(120))
	for acks.Load() < enough && len(fails) == 0 {
		time.Sleep(50 * time.Microsecond)
	}
	f.mu.Lock()
	seen := facts{acked: f.acked, told: f.told, hot: f.hot, deleted: f.deleted}
	f.mu.Unlock()
	after := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: rand.New(rand.NewPCG(seed, 1))})
	stop.Store(true)
	wg.Wait()
	select {
	case err := <-fails:
		_ = s.Close()
		return fmt.Errorf("before the crash: %w", err)
	default:
	}
	if err := s.Close(); err != nil {
		return err
	}
	o.FS = after
	return verifyCrash(o, &seen)
}

// group is the n-th mutation of a writer: three rows of its own, and its last
// number.
func group(w, n int) *kv.Mutation {
	m := &kv.Mutation{Puts: []kv.Pair{{Key: fmt.Appendf(nil, "last/%d", w), Value: strconv.AppendInt(nil, int64(n), 10)}}}
	for _, part := range []string{"a", "b", "c"} {
		m.Puts = append(m.Puts, kv.Pair{
			Key:   fmt.Appendf(nil, "group/%d/%06d/%s", w, n, part),
			Value: []byte(strings.Repeat(part, 10+n%200)),
		})
	}
	if n > 1 {
		m.Guards = []kv.Guard{{Key: m.Puts[0].Key, Want: strconv.AppendInt(nil, int64(n-1), 10)}}
	}
	return m
}

// tell reads something, waits for it, and notes it as told.
func (s *Store) tell(f *facts, r *rand.Rand, reader int) error {
	v, err := s.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	settle := func() error {
		if reader == 0 {
			return s.Barrier(ctx)
		}
		return v.Settled(ctx)
	}
	switch r.IntN(4) {
	case 0: // a row
		w := r.IntN(crashWriters)
		b, err := v.Get(fmt.Appendf(nil, "last/%d", w))
		if errors.Is(err, kv.ErrNotFound) {
			return nil
		}
		if err = errors.Join(err, settle()); err != nil {
			return err
		}
		n, _ := strconv.Atoi(string(b))
		f.mu.Lock()
		f.told[w] = max(f.told[w], n)
		f.mu.Unlock()
	case 1: // the end of a span
		w := r.IntN(crashWriters)
		span := kv.Prefix(fmt.Appendf(nil, "group/%d/", w))
		span.Reverse = true
		n := 0
		for p, err := range v.Scan(span) {
			if err != nil {
				return err
			}
			n, _ = strconv.Atoi(strings.Split(string(p.Key), "/")[2])
			break
		}
		if err := settle(); err != nil {
			return err
		}
		f.mu.Lock()
		f.told[w] = max(f.told[w], n)
		f.mu.Unlock()
	case 2: // a hot row
		b, err := v.Get([]byte("hot"))
		if errors.Is(err, kv.ErrNotFound) {
			return nil
		}
		if err = errors.Join(err, settle()); err != nil {
			return err
		}
		n, _ := strconv.Atoi(string(b))
		f.mu.Lock()
		f.hot = max(f.hot, n)
		f.mu.Unlock()
	case 3: // absence, by a scan that stops at the first row that is there
		gone := deletesMax
		for p, err := range v.Scan(kv.Prefix([]byte("del/"))) {
			if err != nil {
				return err
			}
			gone, _ = strconv.Atoi(string(p.Key[len("del/"):]))
			break
		}
		if gone > 0 { // and by a Get
			if _, err := v.Get(fmt.Appendf(nil, "del/%04d", gone-1)); !errors.Is(err, kv.ErrNotFound) {
				return fmt.Errorf("a row that a scan didn't see is there: %v", err)
			}
		}
		if err := settle(); err != nil {
			return err
		}
		f.mu.Lock()
		f.deleted = max(f.deleted, gone)
		f.mu.Unlock()
	}
	return nil
}

// verifyCrash opens what a crash left and looks for what must be there.
func verifyCrash(o Options, f *facts) error {
	s, err := Open(o)
	if err != nil {
		return fmt.Errorf("after the crash: %w", err)
	}
	defer s.Close()
	v, err := s.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	for w := range crashWriters {
		n, err := number(v, fmt.Sprintf("last/%d", w))
		if err != nil {
			return err
		}
		if n < f.acked[w] {
			return fmt.Errorf("writer %d: %d was acknowledged, %d is there", w, f.acked[w], n)
		}
		if n < f.told[w] {
			return fmt.Errorf("writer %d: %d was told to a reader, %d is there", w, f.told[w], n)
		}
		// Exactly the groups up to n are there, whole.
		at := 0
		for p, err := range v.Scan(kv.Prefix(fmt.Appendf(nil, "group/%d/", w))) {
			if err != nil {
				return err
			}
			want := group(w, at/3+1).Puts[1+at%3]
			if string(p.Key) != string(want.Key) || string(p.Value) != string(want.Value) {
				return fmt.Errorf("writer %d: %q is there, want %q", w, p.Key, want.Key)
			}
			at++
		}
		if at != 3*n {
			return fmt.Errorf("writer %d: %d rows of groups, want %d: a mutation is torn", w, at, 3*n)
		}
	}
	hot, err := number(v, "hot")
	if err != nil {
		return err
	}
	if hot < f.hot {
		return fmt.Errorf("the hot row was told to be %d and is %d", f.hot, hot)
	}
	for i := range f.deleted {
		if _, err := v.Get(fmt.Appendf(nil, "del/%04d", i)); !errors.Is(err, kv.ErrNotFound) {
			return fmt.Errorf("row %d was told to be gone (up to %d) and is there: %v", i, f.deleted, err)
		}
	}
	return nil
}

func number(v kv.Snapshot, key string) (int, error) {
	b, err := v.Get([]byte(key))
	if errors.Is(err, kv.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(b))
}
