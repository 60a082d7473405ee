package diskblob_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/farhold/farhold/blob"
	"github.com/farhold/farhold/blob/blobtest"
	"github.com/farhold/farhold/blob/diskblob"
	"github.com/farhold/farhold/seal"
)

var bg = context.Background()

// benchDir is a folder on the disk that is to be measured: that of FARHOLD_BENCH_DIR,
// or the one for temporary files.
func benchDir(b *testing.B) string {
	dir, err := os.MkdirTemp(os.Getenv("FARHOLD_BENCH_DIR"), "diskblob")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// each runs fn b.N times from a number of goroutines.
func each(b *testing.B, goroutines int, fn func() error) {
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	b.ResetTimer()
	b.StartTimer()
	for range goroutines {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for left.Add(-1) >= 0 {
				if err := fn(); err != nil {
					b.Error(err)
					return
				}
			}
		}()
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
}

func put(s blob.Store, body []byte) (blob.ID, error) {
	w, err := s.Create(bg, int64(len(body)))
	if err != nil {
		return "", err
	}
	defer w.Abort()
	if _, err := w.Write(body); err != nil {
		return "", err
	}
	return w.Commit(bg)
}

func BenchmarkCreate(b *testing.B) {
	for _, size := range []int{20 << 10, 64 << 10, 1 << 20, 2<<20 - 1, 2 << 20, 8 << 20, 64 << 20} {
		for _, writers := range []int{1, 8, 32} {
			b.Run(fmt.Sprintf("%d/writers=%d", size, writers), func(b *testing.B) {
				s := open(b, diskblob.Options{Dir: benchDir(b)})
				defer closeStore(b, s)
				body := blobtest.Body(1, size)
				b.SetBytes(int64(size))
				each(b, writers, func() error { _, err := put(s, body); return err })
			})
		}
	}
}

func BenchmarkRead(b *testing.B) {
	for _, size := range []int{20 << 10, 64 << 10, 1 << 20, 64 << 20} {
		for _, clients := range []int{1, 8} {
			b.Run(fmt.Sprintf("%d/clients=%d", size, clients), func(b *testing.B) {
				s := open(b, diskblob.Options{Dir: benchDir(b)})
				defer closeStore(b, s)
				id := blobtest.Put(b, s, blobtest.Body(1, size))
				b.SetBytes(int64(size))
				b.ReportAllocs()
				each(b, clients, func() error {
					r, err := s.Open(bg, id, 0, -1)
					if err != nil {
						return err
					}
					defer r.Close()
					_, err = r.(io.WriterTo).WriteTo(io.Discard)
					return err
				})
			})
		}
	}
}

// What a GET does below HTTP: read, check and open sealed frames.
func BenchmarkReadSealed(b *testing.B) {
	const size = 64 << 20
	key, id := make([]byte, seal.KeySize), seal.StreamID{1}
	for _, clients := range []int{1, 8} {
		b.Run(fmt.Sprintf("%d/clients=%d", size, clients), func(b *testing.B) {
			s := open(b, diskblob.Options{Dir: benchDir(b)})
			defer closeStore(b, s)
			blobID := blobtest.Put(b, s, seal.SealSmall(nil, key, id, blobtest.Body(1, size)))
			b.SetBytes(size)
			b.ReportAllocs()
			each(b, clients, func() error {
				src, err := s.Open(bg, blobID, 0, -1)
				if err != nil {
					return err
				}
				r := seal.NewReader(src, key, id, size, 0, size)
				defer r.Close()
				_, err = r.WriteTo(io.Discard)
				return err
			})
		})
	}
}

func BenchmarkDelete(b *testing.B) {
	s := open(b, diskblob.Options{Dir: benchDir(b)})
	defer closeStore(b, s)
	ids := make(chan blob.ID, b.N)
	body := blobtest.Body(1, 20<<10)
	each(b, 32, func() error { id, err := put(s, body); ids <- id; return err })
	each(b, 8, func() error { return s.Delete(bg, <-ids) })
	s.Drain()
}
