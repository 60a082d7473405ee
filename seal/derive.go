package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// What a derived key is for. The label keeps the keys of one object key apart,
// and carries the version of the format, so that bytes of one version never
// authenticate as another.
const (
	labelStream = "farhold seal stream 1"
	labelHeader = "farhold seal header 1"
	labelWrap   = "farhold seal region wrap 1"
	labelKeyID  = "farhold seal region key id 1"
)

// derive is HMAC-SHA256(key, label ‖ 0 ‖ context), which is one block of
// HKDF-Expand without its counter and as good as a key: the key given is
// uniformly random. It is written out because crypto/hmac allocates, and this
// runs once per request. The sum of the lengths of label and context is at
// most 63 bytes.
func derive(key []byte, label string, context []byte) [KeySize]byte {
	if len(key) != KeySize {
		panic(fmt.Sprintf("seal: a key of %d bytes", len(key)))
	}
	var inner [2 * sha256.BlockSize]byte
	var outer [sha256.BlockSize + sha256.Size]byte
	for i := range sha256.BlockSize {
		inner[i], outer[i] = 0x36, 0x5c
	}
	for i, b := range key {
		inner[i] ^= b
		outer[i] ^= b
	}
	n := sha256.BlockSize
	n += copy(inner[n:], label)
	n++ // the zero between label and context
	n += copy(inner[n:], context)
	sum := sha256.Sum256(inner[:n])
	copy(outer[sha256.BlockSize:], sum[:])
	return sha256.Sum256(outer[:])
}

// newAEAD makes AES-256-GCM under key.
func newAEAD(key *[KeySize]byte) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // only for a wrong key size
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // only for another block size than AES has
	}
	return aead
}

// nonceSize is that of GCM.
const nonceSize = 12

// frames seals and opens the frames of one stream: the STREAM construction.
// A nonce is the frame's index, three zero bytes, and whether it is the last
// one. It never repeats under a key, because the key is the stream's own and
// an index is sealed once.
type frames struct {
	aead  cipher.AEAD
	nonce [nonceSize]byte
}

func newFrames(key []byte, id StreamID) *frames {
	k := derive(key, labelStream, id[:])
	return &frames{aead: newAEAD(&k)}
}

func (f *frames) setNonce(index uint64, last bool) {
	binary.BigEndian.PutUint64(f.nonce[:], index)
	f.nonce[nonceSize-1] = 0
	if last {
		f.nonce[nonceSize-1] = 1
	}
}

// seal appends a frame to dst. plain may be the bytes right behind dst.
func (f *frames) seal(dst, plain []byte, index uint64, last bool) []byte {
	f.setNonce(index, last)
	return f.aead.Seal(dst, f.nonce[:], plain, nil)
}

// open appends a frame's plaintext to dst. dst may be sealed[:0].
func (f *frames) open(dst, sealed []byte, index uint64, last bool) ([]byte, error) {
	f.setNonce(index, last)
	plain, err := f.aead.Open(dst, f.nonce[:], sealed, nil)
	if err != nil {
		return dst, fmt.Errorf("%w: frame %d", ErrCorrupt, index)
	}
	return plain, nil
}
