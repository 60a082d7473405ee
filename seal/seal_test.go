package seal

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

var (
	testKey = bytes.Repeat([]byte{7, 1, 9, 4}, 8)
	testID  = StreamID{1, 2, 3, 15: 16}
)

// borderSizes are those at which the frames of a stream change in number.
var borderSizes = []int{
	0, 1, 15, 16, 17, 4096,
	FrameSize - 1, FrameSize, FrameSize + 1, 2*FrameSize - 1, 2 * FrameSize, 2*FrameSize + 1,
	batch*FrameSize - 1, batch * FrameSize, batch*FrameSize + 1,
	(batch+1)*FrameSize - 1, (batch + 1) * FrameSize, (batch+1)*FrameSize + 1, 3*batch*FrameSize + 12345,
}

func body(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)}).Read(b)
	return b
}

// sealed seals through a Writer, in pieces of the given size.
func sealed(t testing.TB, plain []byte, piece int) []byte {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(&out, testKey, testID)
	for p := plain; len(p) > 0; {
		n := min(len(p), piece)
		if m, err := w.Write(p[:n]); m != n || err != nil {
			t.Fatalf("write: %d of %d, %v", m, n, err)
		}
		p = p[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// open reads a range of a sealed stream.
func open(stream []byte, plainSize, offset, length int) ([]byte, error) {
	from, n := Range(int64(offset), int64(length), int64(plainSize))
	end := min(from+n, int64(len(stream)))
	r := NewReader(bytes.NewReader(stream[min(from, end):end]), testKey, testID, int64(plainSize), int64(offset), int64(length))
	defer r.Close()
	return io.ReadAll(r)
}

// The key of a stream is what HKDF-Expand gives without its counter byte, and
// HMAC as the standard library has it.
func TestDerive(t *testing.T) {
	for _, context := range [][]byte{nil, testID[:]} {
		for _, label := range []string{labelStream, labelHeader, labelWrap, labelKeyID} {
			m := hmac.New(sha256.New, testKey)
			m.Write([]byte(label))
			m.Write([]byte{0})
			m.Write(context)
			got := derive(testKey, label, context)
			if !bytes.Equal(got[:], m.Sum(nil)) {
				t.Errorf("%q: not HMAC-SHA256", label)
			}
		}
	}
	// The first block of HKDF-Expand is that with a byte 1 behind, and
	// the labels end where its info would: the format could move to it.
	want, err := hkdf.Expand(sha256.New, testKey, labelStream+"\x00"+string(testID[:15]), 32)
	if err != nil {
		t.Fatal(err)
	}
	if got := derive(testKey, labelStream, append(bytes.Clone(testID[:15]), 1)); !bytes.Equal(got[:], want) {
		t.Error("not HKDF-Expand when the context ends in 1")
	}
}

// The format may not change: these bytes are on disks.
func TestVectors(t *testing.T) {
	tests := []struct {
		size int
		sum  string // SHA-256 of the sealed stream, first 16 bytes
	}{
		{0, "705645e3b68486ff04b4a5e01e698f2a"},
		{1, "86fe68dbcfd77f71617ffad3241990b0"},
		{FrameSize, "aff77f47eb0469b3afb2a56b402fb186"},
		{FrameSize + 1, "869c955076c6d93a7cfcfdc802538581"},
		{3 * FrameSize, "0ca3600b1b65949933f24db3a52e2a42"},
	}
	for _, test := range tests {
		plain := bytes.Repeat([]byte{'f'}, test.size)
		sum := sha256.Sum256(SealSmall(nil, testKey, testID, plain))
		if got := hex.EncodeToString(sum[:16]); got != test.sum {
			t.Errorf("%d bytes: %s, want %s", test.size, got, test.sum)
		}
	}
	if got := hex.EncodeToString(SealSmall(nil, testKey, testID, []byte("farhold"))); got != "e9e3b62786395615c6ba103f147655d7f9195ddfc492de" {
		t.Errorf("small: %s", got)
	}
}

func TestRoundTrip(t *testing.T) {
	for _, n := range borderSizes {
		plain := body(n)
		small := SealSmall([]byte("dst"), testKey, testID, plain)[3:]
		if int64(len(small)) != SealedSize(int64(n)) {
			t.Errorf("%d bytes: sealed to %d, want %d", n, len(small), SealedSize(int64(n)))
		}
		if size, err := PlainSize(int64(len(small))); err != nil || size != int64(n) {
			t.Errorf("%d bytes: PlainSize %d, %v", n, size, err)
		}
		for _, piece := range []int{4093, FrameSize, FrameSize + 1, 1 << 20} {
			if !bytes.Equal(sealed(t, plain, piece), small) {
				t.Errorf("%d bytes in pieces of %d: not what SealSmall gives", n, piece)
			}
		}
		got, err := OpenSmall([]byte("dst"), testKey, testID, small)
		if err != nil || !bytes.Equal(got[3:], plain) {
			t.Errorf("%d bytes: OpenSmall: %d bytes, %v", n, len(got)-3, err)
		}
		r := NewReader(iotest.OneByteReader(bytes.NewReader(small[:min(len(small), 40_000)])), testKey, testID, int64(n), 0, int64(n))
		if len(small) <= 40_000 {
			if err := iotest.TestReader(r, plain); err != nil {
				t.Errorf("%d bytes: %v", n, err)
			}
		}
		r = NewReader(bytes.NewReader(small), testKey, testID, int64(n), 0, int64(n))
		var out bytes.Buffer
		if m, err := r.WriteTo(&out); err != nil || m != int64(n) || !bytes.Equal(out.Bytes(), plain) {
			t.Errorf("%d bytes: WriteTo: %d, %v", n, m, err)
		}
		if m, err := r.WriteTo(&out); m != 0 || err != nil {
			t.Errorf("%d bytes: second WriteTo: %d, %v", n, m, err)
		}
		if n <= FrameSize {
			if got, err := OpenSmall(small[:0], testKey, testID, small); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%d bytes: in place: %v", n, err)
			}
		}
	}
}

func TestPlainSizeOfNoStream(t *testing.T) {
	for _, n := range []int64{-1, 0, 1, 15, sealedFrame + 1, sealedFrame + 16, 2*sealedFrame + 15} {
		if size, err := PlainSize(n); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%d: %d, %v", n, size, err)
		}
		if n >= 0 {
			if _, err := OpenSmall(nil, testKey, testID, make([]byte, n)); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%d: opens: %v", n, err)
			}
		}
	}
}

// Any range, read with any pieces, is that of the plaintext.
func TestRanges(t *testing.T) {
	streams := make(map[int][]byte)
	for _, n := range borderSizes {
		streams[n] = SealSmall(nil, testKey, testID, body(n))
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom(borderSizes).Draw(t, "size")
		from := rapid.IntRange(0, n).Draw(t, "offset")
		length := rapid.IntRange(0, n-from).Draw(t, "length")
		piece := rapid.SampledFrom([]int{1 << 10, 5000, FrameSize, FrameSize + 7, 3 * FrameSize, 4 << 20}).Draw(t, "piece")
		so, sl := Range(int64(from), int64(length), int64(n))
		stream, want := streams[n], body(n)[from:from+length]
		if length > 0 && (sl > int64(length)+2*sealedFrame+int64(length/FrameSize)*Overhead || so > int64(from)+int64(from/FrameSize)*Overhead) {
			t.Fatalf("range %d+%d takes sealed %d+%d", from, length, so, sl)
		}
		src := bytes.NewReader(stream[so : so+sl])
		r := NewReader(src, testKey, testID, int64(n), int64(from), int64(length))
		defer r.Close()
		var got []byte
		if rapid.Bool().Draw(t, "writeto") {
			first := rapid.IntRange(0, length).Draw(t, "first")
			got = make([]byte, first)
			if _, err := io.ReadFull(r, got); err != nil {
				t.Fatal(err)
			}
			out := bytes.NewBuffer(got)
			if _, err := r.WriteTo(out); err != nil {
				t.Fatal(err)
			}
			got = out.Bytes()
		} else {
			buf := make([]byte, piece)
			for {
				k, err := r.Read(buf)
				got = append(got, buf[:k]...)
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if k == 0 {
					t.Fatal("read of nothing")
				}
			}
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, want %d", len(got), len(want))
		}
		if src.Len() != 0 {
			t.Fatalf("%d bytes of the source not read", src.Len())
		}
	})
}

func TestRangeOutside(t *testing.T) {
	for _, c := range [][3]int64{{10, -1, 1}, {10, 0, 11}, {10, 11, 0}, {10, 0, -1}, {0, 0, 1}, {10, 5, 1<<63 - 1}} {
		r := NewReader(bytes.NewReader(nil), testKey, testID, c[0], c[1], c[2])
		if n, err := r.Read(make([]byte, 1)); n != 0 || err == nil || err == io.EOF {
			t.Errorf("%v: %d, %v", c, n, err)
		}
		if n, err := r.WriteTo(io.Discard); n != 0 || err == nil {
			t.Errorf("%v: WriteTo: %d, %v", c, n, err)
		}
	}
}

// mustFail wants a changed stream refused by each way to open it, and nothing
// given out but a true prefix.
func mustFail(t *testing.T, what string, stream, plain []byte) {
	t.Helper()
	if got, err := OpenSmall(nil, testKey, testID, stream); !errors.Is(err, ErrCorrupt) || len(got) > 0 {
		t.Errorf("%s: OpenSmall: %d bytes, %v", what, len(got), err)
	}
	for _, via := range []string{"Read", "WriteTo"} {
		r := NewReader(bytes.NewReader(stream), testKey, testID, int64(len(plain)), 0, int64(len(plain)))
		var got []byte
		var err error
		if via == "Read" {
			got, err = io.ReadAll(r)
		} else {
			var out bytes.Buffer
			_, err = r.WriteTo(&out)
			got = out.Bytes()
		}
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %s: %v, want ErrCorrupt", what, via, err)
		}
		if !bytes.HasPrefix(plain, got) {
			t.Errorf("%s: %s: gives bytes that were never sealed", what, via)
		}
	}
}

func TestTamper(t *testing.T) {
	for _, n := range []int{0, 1, 100} {
		plain := body(n)
		stream := SealSmall(nil, testKey, testID, plain)
		for i := range stream {
			for _, bit := range []byte{1, 0x80} {
				bad := bytes.Clone(stream)
				bad[i] ^= bit
				mustFail(t, fmt.Sprintf("%d bytes, byte %d", n, i), bad, plain)
			}
		}
	}
	plain := body(3*FrameSize + 500)
	stream := SealSmall(nil, testKey, testID, plain)
	for i := 0; i < len(stream); i += 997 {
		bad := bytes.Clone(stream)
		bad[i] ^= 4
		mustFail(t, fmt.Sprintf("byte %d", i), bad, plain)
	}
}

func TestTruncateExtendReorder(t *testing.T) {
	for _, n := range []int{0, 1, 300, FrameSize, FrameSize + 1, 3 * FrameSize, 3*FrameSize + 500} {
		plain := body(n)
		stream := SealSmall(nil, testKey, testID, plain)
		step := max(1, len(stream)/300)
		for cut := 0; cut < len(stream); cut += step {
			mustFail(t, fmt.Sprintf("%d bytes cut to %d", n, cut), stream[:cut], plain)
		}
		for frames := sealedFrame; frames < len(stream); frames += sealedFrame {
			mustFail(t, fmt.Sprintf("%d bytes cut to %d, whole frames", n, frames), stream[:frames], plain)
		}
		mustFail(t, "extended by a byte", append(bytes.Clone(stream), 0), plain)
		mustFail(t, "extended by an empty frame", append(bytes.Clone(stream), SealSmall(nil, testKey, testID, nil)...), plain)
		if n > 0 {
			mustFail(t, "twice", append(bytes.Clone(stream), stream...), plain)
		}
	}
	plain := body(4 * FrameSize)
	stream := SealSmall(nil, testKey, testID, plain)
	for i := range 4 {
		for j := range i {
			bad := bytes.Clone(stream)
			copy(bad[i*sealedFrame:], stream[j*sealedFrame:(j+1)*sealedFrame])
			copy(bad[j*sealedFrame:], stream[i*sealedFrame:(i+1)*sealedFrame])
			mustFail(t, fmt.Sprintf("frames %d and %d swapped", i, j), bad, plain)
		}
		bad := append(bytes.Clone(stream[:i*sealedFrame]), stream[(i+1)*sealedFrame:]...)
		mustFail(t, fmt.Sprintf("without frame %d", i), bad, plain)
	}
}

// A wrong idea of the stream's size is found, though the frames are whole.
func TestWrongSize(t *testing.T) {
	stream := SealSmall(nil, testKey, testID, body(3*FrameSize))
	for _, size := range []int{2 * FrameSize, 3*FrameSize - 1, 3*FrameSize + 1, 4 * FrameSize, FrameSize, 1, 0} {
		if got, err := open(stream, size, 0, size); !errors.Is(err, ErrCorrupt) {
			t.Errorf("as one of %d bytes: %d bytes, %v", size, len(got), err)
		}
	}
}

func TestSwappedStreams(t *testing.T) {
	plain := body(1000)
	other := testID
	other[15]++
	mustFail(t, "another stream's", SealSmall(nil, testKey, other, plain), plain)
	key := bytes.Clone(testKey)
	key[31]++
	mustFail(t, "another key's", SealSmall(nil, key, testID, plain), plain)
}

// Errors of the streams beneath come back as they are, at each place.
func TestBeneath(t *testing.T) {
	injected := errors.New("injected")
	plain := body(2*batch*FrameSize + 100)
	stream := SealSmall(nil, testKey, testID, plain)
	for _, at := range []int{0, 1, sealedFrame, batch * sealedFrame, len(stream) - 1, len(stream)} {
		src := io.MultiReader(bytes.NewReader(stream[:at]), iotest.ErrReader(injected))
		r := NewReader(src, testKey, testID, int64(len(plain)), 0, int64(len(plain)))
		if got, err := io.ReadAll(r); !errors.Is(err, injected) || !bytes.HasPrefix(plain, got) {
			t.Errorf("source fails at %d: %d bytes, %v", at, len(got), err)
		}
		if _, err := r.Read(make([]byte, 1)); !errors.Is(err, injected) {
			t.Errorf("source fails at %d: the error does not stay: %v", at, err)
		}
	}
	w := NewWriter(failingWriter{injected}, testKey, testID)
	if _, err := w.Write(plain); !errors.Is(err, injected) {
		t.Errorf("write: %v", err)
	}
	if err := w.Close(); !errors.Is(err, injected) {
		t.Errorf("close: %v", err)
	}
	w = NewWriter(failingWriter{injected}, testKey, testID)
	if err := w.Close(); !errors.Is(err, injected) {
		t.Errorf("close of an empty one: %v", err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write(p []byte) (int, error) { return 0, w.err }

func TestClose(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out, testKey, testID)
	for range 2 {
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if out.Len() != Overhead {
		t.Errorf("an empty stream of %d bytes", out.Len())
	}
	if _, err := w.Write([]byte("x")); err == nil {
		t.Error("Write after Close succeeds")
	}
	src := &closer{Reader: bytes.NewReader(out.Bytes())}
	r := NewReader(src, testKey, testID, 0, 0, 0)
	for range 2 {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if src.closed != 1 {
		t.Errorf("source closed %d times", src.closed)
	}
	if _, err := r.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("Read after Close: %v", err)
	}
}

type closer struct {
	io.Reader
	closed int
}

func (c *closer) Close() error { c.closed++; return nil }

// What 4 KiB costs beside the cipher must stay little.
func TestAllocs(t *testing.T) {
	plain := body(4096)
	stream := make([]byte, 0, 5000)
	back := make([]byte, 0, 5000)
	if n := testing.AllocsPerRun(100, func() {
		stream = SealSmall(stream[:0], testKey, testID, plain)
		back, _ = OpenSmall(back[:0], testKey, testID, stream)
	}); n > 8 {
		t.Errorf("%v allocations to seal and open 4 KiB", n)
	}
}
