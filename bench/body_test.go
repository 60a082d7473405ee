package bench

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

func bytesOf(b *body) []byte { return bytes.Join(b.appendTo(nil), nil) }

func TestBodiesHaveTheirSizeAndHash(t *testing.T) {
	for _, size := range []int64{0, 1, 31, 32, 33, 95, 96, 97, 4096, 1<<20 + 7, blockMax + stampSize, 2*blockMax + 100} {
		b := newBodies(size).open()
		for _, id := range []uint64{0, 1, 1 << 63} {
			b.set(id, 7)
			got := bytesOf(b)
			if int64(len(got)) != size {
				t.Fatalf("body of %d bytes has %d", size, len(got))
			}
			sum := sha256.Sum256(got)
			if h := string(b.hash()); h != hex.EncodeToString(sum[:]) {
				t.Errorf("size %d: hash %s, not %x", size, h, sum)
			}
		}
	}
}

func TestBodiesDiffer(t *testing.T) {
	b := newBodies(64).open()
	seen := make(map[string]bool)
	for id := range uint64(100) {
		for nonce := range uint64(10) {
			b.set(id, nonce)
			seen[string(bytesOf(b))] = true
		}
	}
	if len(seen) != 1000 {
		t.Errorf("1000 bodies, of which %d differ", len(seen))
	}
}

func TestVerifyAcceptsOnlyTheBody(t *testing.T) {
	for _, size := range []int64{1, 40, 5000} {
		b := newBodies(size).open()
		b.set(5, 0)
		content := bytesOf(b)
		read := func(p []byte, pieces int) error {
			b.set(5, 0)
			for len(p) > 0 {
				n := min(pieces, len(p))
				if err := b.verify(p[:n]); err != nil {
					return err
				}
				p = p[n:]
			}
			return nil
		}
		for _, pieces := range []int{1, 7, 4096, 10_000} {
			if err := read(content, pieces); err != nil {
				t.Errorf("size %d in pieces of %d: %v", size, pieces, err)
			}
		}
		for i := range content {
			wrong := bytes.Clone(content)
			wrong[i] ^= 1
			if read(wrong, 512) == nil {
				t.Fatalf("size %d: a wrong byte at %d passed", size, i)
			}
		}
		if read(append(bytes.Clone(content), 0), 512) == nil {
			t.Errorf("size %d: a byte more passed", size)
		}
	}
}

func TestKeysAreDistinctAndStable(t *testing.T) {
	k := keys{prefix: "p/"}
	seen := make(map[string]bool)
	for i := range uint64(10_000) {
		seen[string(k.name(nil, k.id(i)))] = true
	}
	if len(seen) != 10_000 {
		t.Errorf("10000 objects have %d keys", len(seen))
	}
	// An earlier run's objects are found by these names.
	if got := string(k.name(nil, k.id(1))); got != "p/5692161d100b05e5" {
		t.Errorf("object 1 is named %s", got)
	}
}
