package bench

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"math/rand/v2"
)

const (
	// stampSize is how many bytes at the end of a body are its own.
	stampSize = 32
	// blockMax bounds the random bytes that larger bodies repeat.
	blockMax = 16 << 20
)

// errContent says that a body isn't the one that was put.
var errContent = errors.New("bench: the body read is not the body written")

// bodies makes the bodies of objects of one size: pseudo-random bytes that are
// the same for all of them, then a stamp of 32 bytes that is different for
// each. No body costs more than its stamp: the bytes before it are generated
// once, and their SHA-256 state is kept, so the true hash of a whole body is
// one or two more blocks. The bytes depend on nothing but the size, so that a
// later run can verify what an earlier one put. Safe for concurrent use.
type bodies struct {
	size  int64
	block []byte
	state []byte // SHA-256 after all that precedes the stamp
}

func newBodies(size int64) *bodies {
	b := &bodies{size: size, block: make([]byte, min(max(size-stampSize, 0), blockMax))}
	var seed [32]byte
	copy(seed[:], "farhold bench bodies, version 1.")
	_, _ = rand.NewChaCha8(seed).Read(b.block) // Never fails, as documented.
	h := sha256.New()
	b.each(func(p []byte) { h.Write(p) })
	b.state = saveHash(h)
	return b
}

// each calls f for the runs of bytes before the stamp, in order.
func (b *bodies) each(f func([]byte)) {
	for left := b.size - stampSize; left > 0; {
		p := b.block[:min(int64(len(b.block)), left)]
		f(p)
		left -= int64(len(p))
	}
}

// body is one object's body; its buffers are reused from object to object.
// Not safe for concurrent use.
type body struct {
	from   *bodies
	stamp  [stampSize]byte
	digest hash.Hash
	sum    [sha256.Size]byte
	hex    [2 * sha256.Size]byte
	read   int64 // by verify
}

func (b *bodies) open() *body { return &body{from: b, digest: sha256.New()} }

// set makes this the body of an object with the given identity and nonce; the
// nonce tells versions of one object apart.
func (b *body) set(id, nonce uint64) {
	binary.BigEndian.PutUint64(b.stamp[0:], id)
	binary.BigEndian.PutUint64(b.stamp[8:], nonce)
	binary.BigEndian.PutUint64(b.stamp[16:], mix(id^bitsOf(nonce)))
	binary.BigEndian.PutUint64(b.stamp[24:], mix(id+bitsOf(^nonce)))
	b.read = 0
}

// tail gives the stamp, or its end where the body is shorter.
func (b *body) tail() []byte { return b.stamp[stampSize-min(b.from.size, stampSize):] }

// hash gives the hex SHA-256 of the body, valid until the next call.
func (b *body) hash() []byte {
	loadHash(b.digest, b.from.state)
	b.digest.Write(b.tail())
	hex.Encode(b.hex[:], b.digest.Sum(b.sum[:0]))
	return b.hex[:]
}

// appendTo appends the body's bytes as slices that share memory with it.
func (b *body) appendTo(v [][]byte) [][]byte {
	for left := b.from.size - stampSize; left > 0; {
		p := b.from.block[:min(int64(len(b.from.block)), left)]
		v = append(v, p)
		left -= int64(len(p))
	}
	return append(v, b.tail())
}

// verify compares the next bytes read with the body that set described.
func (b *body) verify(p []byte) error {
	random := max(b.from.size-stampSize, 0)
	for len(p) > 0 {
		var want []byte
		switch {
		case b.read >= b.from.size:
			return errContent
		case b.read >= random:
			want = b.tail()[b.read-random:]
		default:
			at := b.read % int64(len(b.from.block))
			want = b.from.block[at:min(int64(len(b.from.block)), at+random-b.read)]
		}
		n := min(len(want), len(p))
		if !bytes.Equal(want[:n], p[:n]) {
			return errContent
		}
		b.read += int64(n)
		p = p[n:]
	}
	return nil
}

// mix is a bijection of 64 bits (the finalizer of SplitMix64): different
// inputs give different outputs that look random.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// bitsOf spreads small numbers over all bits.
func bitsOf(x uint64) uint64 { return mix(x + 0x9e3779b97f4a7c15) }
