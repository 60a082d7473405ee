package pebblekv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"

	"github.com/farhold/farhold/kv"
)

// What the benchmarks report besides the usual: cpu-µs/op is the time of the
// whole process, the kernel's for it included.

func processCPU() int64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

func measured(b *testing.B, run func()) {
	b.Helper()
	before := processCPU()
	b.ResetTimer()
	run()
	b.StopTimer()
	b.ReportMetric(float64(processCPU()-before)/1e3/float64(b.N), "cpu-µs/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
}

// spread runs f on this many goroutines, b.N times in all.
func spread(b *testing.B, goroutines int, f func(g int, i int64) error) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := f(g, i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func benchStore(b *testing.B, fs vfs.FS) *Store {
	b.Helper()
	dir := "db"
	if fs == vfs.Default {
		dir = b.TempDir()
	}
	s, err := Open(Options{FS: fs, Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

// putLike is what a PUT of a small object does: two reads, of which one is
// assumed, four rows of 5 KB in all.
func putLike(s *Store, key []byte, body []byte, bucket []byte) error {
	return kv.Update(ctx, s, func(tx *kv.Tx) error {
		tx.Assume([]byte("bucket/0001"), bucket)
		k := make([]byte, 0, 64)
		head := append(append(k, "head/"...), key...)
		if _, err := tx.Get(head); err != nil && !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		tx.Put(head, body[:150])
		tx.Put(append(append(k, "version/"...), key...), body[:500])
		tx.Put(append(append(k, "body/"...), key...), body[:4200])
		tx.Put(append(append(k, "outbox/"...), key...), body[:100])
		return nil
	})
}

func BenchmarkUpdate(b *testing.B) {
	for _, on := range []string{"disk", "mem"} {
		for _, goroutines := range []int{1, 8, 32, 128} {
			b.Run(fmt.Sprintf("%s/%d", on, goroutines), func(b *testing.B) {
				var fs vfs.FS = vfs.Default
				if on == "mem" {
					fs = vfs.NewMem()
				}
				s := benchStore(b, fs)
				bucket := []byte("versioned, encrypted")
				if err := s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{{Key: []byte("bucket/0001"), Value: bucket}}}); err != nil {
					b.Fatal(err)
				}
				body := noise(5000, 1)
				b.ReportAllocs()
				measured(b, func() {
					spread(b, goroutines, func(g int, i int64) error {
						var key [16]byte
						binary.BigEndian.PutUint64(key[:], rand.Uint64())
						binary.BigEndian.PutUint64(key[8:], uint64(i))
						return putLike(s, key[:], body, bucket)
					})
				})
			})
		}
	}
}

// BenchmarkHot updates one row from many goroutines: at their own risk, under a
// latch that is handed over when the commit is visible, and under one that is
// held to the end.
func BenchmarkHot(b *testing.B) {
	latches := kv.NewLatches()
	key := []byte("hot")
	keys := [][]byte{key}
	add := func(tx *kv.Tx) error {
		v, err := tx.Get(key)
		if err != nil && !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		tx.Put(key, append(v[:len(v):len(v)], 'x')[max(0, len(v)-20):])
		return nil
	}
	for name, update := range map[string]func(*Store) error{
		"free":    func(s *Store) error { return kv.Update(ctx, s, add) },
		"latched": func(s *Store) error { return kv.UpdateLatched(ctx, s, latches, keys, add) },
		"held": func(s *Store) error {
			held, err := latches.Lock(ctx, key)
			if err != nil {
				return err
			}
			defer held.Unlock()
			return kv.Update(ctx, s, add)
		},
	} {
		for _, goroutines := range []int{32, 256} {
			b.Run(fmt.Sprintf("%s/%d", name, goroutines), func(b *testing.B) {
				s := benchStore(b, vfs.Default)
				var again atomic.Int64
				measured(b, func() {
					spread(b, goroutines, func(int, int64) error {
						for {
							err := update(s)
							if !errors.Is(err, kv.ErrConflict) {
								return err
							}
							again.Add(1)
						}
					})
				})
				b.ReportMetric(float64(again.Load()), "gave-up")
			})
		}
	}
}

// filled gives a store with rows, most of them sorted into files.
func filled(b *testing.B, rows int) *Store {
	b.Helper()
	s := benchStore(b, vfs.Default)
	for at := 0; at < rows; {
		m := &kv.Mutation{}
		for range 1000 {
			m.Puts = append(m.Puts, kv.Pair{Key: fmt.Appendf(nil, "version/bucket/%08d", at), Value: noise(300, uint64(at))})
			at++
		}
		if err := s.Commit(ctx, m); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.db.Flush(); err != nil {
		b.Fatal(err)
	}
	return s
}

func BenchmarkGet(b *testing.B) {
	const rows = 200_000
	s := filled(b, rows)
	for _, goroutines := range []int{1, 8, 32} {
		for _, writers := range []bool{false, true} {
			b.Run(fmt.Sprintf("%d/writers=%v", goroutines, writers), func(b *testing.B) {
				if writers {
					stop := make(chan struct{})
					var wg sync.WaitGroup
					for w := range 8 {
						wg.Go(func() {
							for i := 0; ; i++ {
								select {
								case <-stop:
									return
								default:
								}
								if err := s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{{Key: fmt.Appendf(nil, "w/%d/%d", w, i), Value: make([]byte, 200)}}}); err != nil {
									b.Error(err)
									return
								}
							}
						})
					}
					defer func() { close(stop); wg.Wait() }()
				}
				b.ReportAllocs()
				measured(b, func() {
					spread(b, goroutines, func(int, int64) error {
						key := fmt.Appendf(make([]byte, 0, 32), "version/bucket/%08d", rand.IntN(rows))
						v, err := s.Snapshot(ctx)
						if err != nil {
							return err
						}
						defer v.Close()
						if _, err := v.Get(key); err != nil {
							return err
						}
						return v.Settled(ctx)
					})
				})
			})
		}
	}
}

// BenchmarkScan reads pages of 1,000 rows of 300 bytes.
func BenchmarkScan(b *testing.B) {
	const rows = 200_000
	s := filled(b, rows)
	for _, goroutines := range []int{1, 8} {
		b.Run(fmt.Sprint(goroutines), func(b *testing.B) {
			b.ReportAllocs()
			measured(b, func() {
				spread(b, goroutines, func(int, int64) error {
					v, err := s.Snapshot(ctx)
					if err != nil {
						return err
					}
					defer v.Close()
					n := 0
					for _, err := range v.Scan(kv.Span{Low: fmt.Appendf(nil, "version/bucket/%08d", rand.IntN(rows-1000))}) {
						if err != nil {
							return err
						}
						if n++; n == 1000 {
							break
						}
					}
					return v.Settled(ctx)
				})
			})
		})
	}
}
