package seal

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
)

func TestTwoLayers(t *testing.T) {
	key := make(Key, DoubleKeySize)
	for i := range key {
		key[i] = byte(i * 7)
	}
	swapped := append(append(Key(nil), key[KeySize:]...), key[:KeySize]...)
	id := StreamID{1, 2, 3}
	// Around the frames of both layers: an inner frame is a little longer than
	// an outer one's plaintext.
	for _, size := range []int{0, 1, FrameSize - 1, FrameSize, FrameSize + 1, 2*FrameSize - Overhead, 2 * FrameSize, 9*FrameSize + 5, 20 * FrameSize} {
		plain := make([]byte, size)
		rand.NewChaCha8([32]byte{byte(size)}).Read(plain)
		var b bytes.Buffer
		w := key.Writer(&b, id)
		for rest := plain; len(rest) > 0; {
			n := min(len(rest), 50_000)
			if _, err := w.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		sealed := b.Bytes()
		if int64(len(sealed)) != key.SealedSize(int64(size)) || !bytes.Equal(sealed, key.Seal(nil, id, plain)) {
			t.Fatalf("%d bytes: sealed into %d, want %d", size, len(sealed), key.SealedSize(int64(size)))
		}
		// They are two: the outer key alone gives frames, not the plaintext.
		inner, err := OpenSmall(nil, key[KeySize:], id, sealed)
		if err != nil || size > 16 && bytes.Contains(inner, plain[:16]) {
			t.Fatalf("%d bytes: under one layer lies the plaintext (%v)", size, err)
		}
		if got, err := key.Open(nil, id, sealed); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%d bytes: %v", size, err)
		}
		for _, wrong := range []Key{swapped, key[:KeySize], key[KeySize:]} {
			if got, err := wrong.Open(nil, id, sealed); err == nil && bytes.Equal(got, plain) {
				t.Fatal("opened without both keys")
			}
		}
		for _, span := range [][2]int{{0, size}, {0, 0}, {size, 0}, {size / 2, size - size/2}, {size / 3, min(10, size-size/3)}, {FrameSize - 20, 40}, {FrameSize, FrameSize}} {
			offset, length := int64(span[0]), int64(span[1])
			if offset+length > int64(size) {
				continue
			}
			from, n := key.Range(offset, length, int64(size))
			r := key.Reader(bytes.NewReader(sealed[from:from+n]), id, int64(size), offset, length)
			got, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(got, plain[offset:offset+length]) {
				t.Fatalf("%d bytes, %v: %d bytes, %v", size, span, len(got), err)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
		}
		for range 20 {
			bad := bytes.Clone(sealed)
			bad[rand.IntN(len(bad))] ^= 1 << rand.IntN(8)
			if _, err := key.Open(nil, id, bad); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%d bytes, one changed: %v", size, err)
			}
		}
		if _, err := key.Open(nil, id, sealed[:len(sealed)-1]); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("cut short: %v", err)
		}
	}
}

// TestOneLayer: a single key is what it was before there were double ones.
func TestOneLayer(t *testing.T) {
	key := Key(bytes.Repeat([]byte{7, 8}, KeySize/2))
	id := StreamID{9}
	plain := make([]byte, 3*FrameSize)
	sealed := key.Seal(nil, id, plain)
	if !bytes.Equal(sealed, SealSmall(nil, key, id, plain)) || key.SealedSize(100) != SealedSize(100) {
		t.Fatal("another stream than SealSmall's")
	}
	a, b := key.Range(100, 200, 300)
	if c, d := Range(100, 200, 300); a != c || b != d {
		t.Fatal("another range")
	}
	if Key(nil).Valid() || Key(make([]byte, 33)).Valid() || !key.Valid() || !Key(make([]byte, 64)).Valid() {
		t.Fatal("Valid")
	}
}

func TestWrapUnder(t *testing.T) {
	key, other := bytes.Repeat([]byte{1, 2}, 16), bytes.Repeat([]byte{3, 4}, 16)
	plain := bytes.Repeat([]byte{5, 6}, 16)
	clear, about := []byte{2, 9}, map[string]string{"a": "b"}
	w := WrapUnder(nil, key, plain, clear, about)
	if len(w) != WrappedUnder(len(plain)) || bytes.Equal(w, WrapUnder(nil, key, plain, clear, about)) {
		t.Fatal("not salted")
	}
	if got, err := UnwrapUnder(key, w, clear, about); err != nil || !bytes.Equal(got, plain) {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"another key":   second(UnwrapUnder(other, w, clear, about)),
		"another clear": second(UnwrapUnder(key, w, []byte{3, 9}, about)),
		"another about": second(UnwrapUnder(key, w, clear, map[string]string{"a": "c"})),
		"too short":     second(UnwrapUnder(key, w[:20], clear, about)),
		"cut":           second(UnwrapUnder(key, w[:len(w)-1], clear, about)),
	} {
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second(_ []byte, err error) error { return err }

func TestHeaderKey(t *testing.T) {
	object := []byte{byte(KindKMS), 1, 2, 3}
	b := JoinHeaderKey([]byte{byte(KindRegion), 9}, object)
	h, o, err := SplitHeaderKey(b)
	if err != nil || !bytes.Equal(h, []byte{1, 9}) || !bytes.Equal(o, object) {
		t.Fatalf("%x %x %v", h, o, err)
	}
	if h, o, err = SplitHeaderKey(object); err != nil || !bytes.Equal(h, object) || !bytes.Equal(o, object) {
		t.Fatalf("%x %x %v", h, o, err)
	}
	for _, bad := range [][]byte{b[:1], b[:2], b[:4], {6, 255, 255}} {
		if _, _, err := SplitHeaderKey(bad); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%x: %v", bad, err)
		}
	}
	k, err := NewRegionKeeper(bytes.Repeat([]byte{1, 2}, 16))
	if err != nil {
		t.Fatal(err)
	}
	for kind := KindKMS; kind <= KindHeader; kind++ {
		if _, err := k.Unwrap(t.Context(), []byte{byte(kind), 1, 2}, nil); !errors.Is(err, ErrKeyUnavailable) {
			t.Errorf("kind %d: %v", kind, err)
		}
	}
}
