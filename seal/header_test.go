package seal

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

func TestHeader(t *testing.T) {
	k := testKeeper(t, testKey)
	object, wrapped, err := k.NewDataKey(t.Context(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 300, 10_000, HeaderMax - HeaderSize(len(wrapped), 0)} {
		payload := body(n)
		b, err := AppendHeader([]byte("dst"), object, wrapped, testID, payload)
		if err != nil {
			t.Fatal(err)
		}
		b = b[3:]
		if len(b) != HeaderSize(len(wrapped), n) {
			t.Errorf("%d bytes, want %d", len(b), HeaderSize(len(wrapped), n))
		}
		blob := bytes.NewReader(append(b, "the stream"...))
		h, err := ReadHeader(blob)
		if err != nil {
			t.Fatal(err)
		}
		if rest, _ := io.ReadAll(blob); string(rest) != "the stream" {
			t.Errorf("%q is left", rest)
		}
		if h.ID != testID || h.Size != int64(len(b)) || !bytes.Equal(h.Wrapped, wrapped) {
			t.Errorf("another header: %v", h)
		}
		back, err := k.Unwrap(t.Context(), h.Wrapped, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := h.Open(back); err != nil || !bytes.Equal(got, payload) {
			t.Errorf("open: %v", err)
		}
		if got, err := h.Open(testKey); !errors.Is(err, ErrCorrupt) || got != nil {
			t.Errorf("open with another key: %v", err)
		}
	}
	if _, err := AppendHeader(nil, object, wrapped, testID, make([]byte, HeaderMax-HeaderSize(len(wrapped), 0)+1)); !errors.Is(err, ErrHeaderTooLarge) {
		t.Errorf("beyond the limit: %v", err)
	}
	if _, err := AppendHeader(nil, object, make([]byte, 1<<16), testID, nil); !errors.Is(err, ErrHeaderTooLarge) {
		t.Errorf("wrapped key beyond the limit: %v", err)
	}
}

func TestHeaderTamper(t *testing.T) {
	b, err := AppendHeader(nil, testKey, []byte("wrapped"), testID, []byte("payload"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		bad := bytes.Clone(b)
		bad[i] ^= 1
		h, err := ReadHeader(bytes.NewReader(bad))
		if err == nil {
			var got []byte
			if got, err = h.Open(testKey); got != nil {
				t.Errorf("byte %d changed: opens", i)
			}
		}
		want := ErrCorrupt
		if i == 4 {
			want = ErrFormat
		}
		if !errors.Is(err, want) {
			t.Errorf("byte %d changed: %v, want %v", i, err, want)
		}
	}
	for n := range b {
		if _, err := ReadHeader(bytes.NewReader(b[:n])); !errors.Is(err, ErrCorrupt) {
			t.Errorf("cut to %d: %v", n, err)
		}
	}
	// Two headers of one stream do not share a nonce.
	again, err := AppendHeader(nil, testKey, []byte("wrapped"), testID, []byte("payload"))
	if err != nil || bytes.Equal(again, b) {
		t.Errorf("the same bytes twice: %v", err)
	}
}

func FuzzReadHeader(f *testing.F) {
	b, err := AppendHeader(nil, testKey, []byte("wrapped"), testID, []byte("payload"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:headerFixed])
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ReadHeader(bytes.NewReader(b))
		if err != nil {
			return
		}
		if h.Size > HeaderMax || h.Size > int64(len(b)) {
			t.Errorf("a header of %d bytes from %d", h.Size, len(b))
		}
		if got, err := h.Open(testKey); err == nil && string(got) != "payload" {
			t.Errorf("opens to %q", got)
		}
	})
}
