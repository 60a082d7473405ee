package seal

import (
	"bytes"
	"fmt"
	"io"
	"testing"
)

func BenchmarkSmall(b *testing.B) {
	for _, n := range []int{4 << 10, FrameSize} {
		plain := body(n)
		buf := make([]byte, 0, SealedSize(int64(n)))
		b.Run(fmt.Sprintf("seal/%d", n), func(b *testing.B) {
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				buf = SealSmall(buf[:0], testKey, testID, plain)
			}
		})
		stream := SealSmall(nil, testKey, testID, plain)
		b.Run(fmt.Sprintf("open/%d", n), func(b *testing.B) {
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if buf, err = OpenSmall(buf[:0], testKey, testID, stream); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkWriter(b *testing.B) {
	for _, n := range []int{1 << 20, 64 << 20} {
		plain := body(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				w := NewWriter(io.Discard, testKey, testID)
				for p := plain; len(p) > 0; p = p[min(len(p), 256<<10):] {
					if _, err := w.Write(p[:min(len(p), 256<<10)]); err != nil {
						b.Fatal(err)
					}
				}
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkReader(b *testing.B) {
	const n = 64 << 20
	stream := SealSmall(nil, testKey, testID, body(n))
	for _, clients := range []int{1, 8} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			b.SetBytes(n)
			b.SetParallelism(clients)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					r := NewReader(bytes.NewReader(stream), testKey, testID, n, 0, n)
					if _, err := r.WriteTo(io.Discard); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func BenchmarkKeeper(b *testing.B) {
	k := testKeeper(b, testKey)
	about := map[string]string{"bucket": "0123456789abcdef", "key": "photos/2026/11/20/photo.jpg"}
	_, wrapped, err := k.NewDataKey(b.Context(), "", about)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("NewDataKey", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			k.NewDataKey(b.Context(), "", about)
		}
	})
	b.Run("Unwrap", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := k.Unwrap(b.Context(), wrapped, about); err != nil {
				b.Fatal(err)
			}
		}
	})
}
