package awschunked

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/wire/sigv4"
)

// FuzzReader: no body makes the reader panic, give more than was announced or
// end well without proof; and the outcome depends neither on how the bytes
// arrive nor on how they are asked for.
func FuzzReader(f *testing.F) {
	body := bytes.Repeat([]byte("0123456789"), 825) // one chunk of the least size and a short one
	lines := []string{"x-amz-checksum-crc32:NhCmhg=="}
	f.Add([]byte("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"), int64(5), byte(0), uint16(3))
	f.Add([]byte("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\n\r\n\r\n"), int64(5), byte(0), uint16(1))
	f.Add([]byte("ffffffffffffffff\r\n"), int64(5), byte(0), uint16(9))
	f.Add([]byte("140000000\r\n"), int64(5<<30), byte(1), uint16(9))
	f.Add([]byte("0;chunk-signature="+docSeed+"\r\n\r\n"), int64(0), byte(1), uint16(9))
	f.Add(encoded(body, 8192, chain(docSeed), false), int64(len(body)), byte(1), uint16(700))
	f.Add(encoded(body, 8192, chain(docSeed), true, lines...), int64(len(body)), byte(2), uint16(8000))
	f.Add(encoded(body, 1<<20, nil, true, lines...), int64(len(body)), byte(0), uint16(5))
	f.Fuzz(func(t *testing.T, wire []byte, length int64, mode byte, ask uint16) {
		cfg := Config{Length: length & (1<<62 - 1)}
		switch mode % 3 {
		case 0:
			cfg.Trailer, cfg.Announced = true, []string{"x-amz-checksum-crc32"}
		case 2:
			cfg.Trailer, cfg.Announced = true, []string{"x-amz-checksum-crc32"}
		}
		run := func(src io.Reader, ask int) (string, []byte) {
			c := cfg
			if mode%3 != 0 {
				c.Chain = sigv4.NewChain(docKey, docDate, docScope, docSeed)
			}
			r := NewReader(src, c)
			var got []byte
			buf := make([]byte, ask)
			for {
				n, err := r.Read(buf)
				got = append(got, buf[:n]...)
				if int64(len(got)) > cfg.Length {
					t.Fatalf("%d bytes of %d", len(got), cfg.Length)
				}
				switch {
				case err == io.EOF:
					if int64(len(got)) != cfg.Length {
						t.Fatalf("%d bytes of %d and a good end", len(got), cfg.Length)
					}
					if cfg.Trailer && len(r.Trailers()) != 1 {
						t.Fatalf("a good end with trailers %v", r.Trailers())
					}
					return "EOF", got
				case err != nil:
					e := awserr.From(err)
					if e == nil || e.Status/100 != 4 || r.Trailers() != nil {
						t.Fatalf("%v", err)
					}
					return e.Code, got
				case n == 0:
					t.Fatal("neither bytes nor an error")
				}
			}
		}
		how, got := run(bytes.NewReader(wire), 32<<10)
		for _, src := range []io.Reader{iotest.OneByteReader(bytes.NewReader(wire)), iotest.DataErrReader(bytes.NewReader(wire)), bytes.NewReader(wire)} {
			how2, got2 := run(src, int(ask)+1)
			if how2 != how || !bytes.Equal(got2, got) {
				t.Fatalf("%s after %d bytes, then %s after %d", how, len(got), how2, len(got2))
			}
		}
	})
}
