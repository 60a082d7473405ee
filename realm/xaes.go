package realm

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
)

// xaes is XAES-256-GCM (C2SP): AES-256-GCM under a key that the first half of a
// 24-byte nonce derives. Nonces of that length can be chosen at random for as
// many messages as one likes, which those of AES-GCM alone can't.
type xaes struct {
	block cipher.Block
	k1    [aes.BlockSize]byte
}

const xaesNonce = 24

func newXAES(key *[32]byte) *xaes {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the length is right
	}
	x := &xaes{block: block}
	block.Encrypt(x.k1[:], x.k1[:])
	var carry byte
	for i := len(x.k1) - 1; i >= 0; i-- {
		x.k1[i], carry = x.k1[i]<<1|carry, x.k1[i]>>7
	}
	x.k1[len(x.k1)-1] ^= carry * 0x87
	return x
}

// gcm gives the cipher for messages with a nonce; the nonce's second half is
// what GCM gets.
func (x *xaes) gcm(nonce []byte) cipher.AEAD {
	var key [32]byte
	for i := range 2 {
		m := key[16*i : 16*i+16]
		copy(m, []byte{0, byte(i + 1), 'X', 0})
		copy(m[4:], nonce[:12])
		subtle.XORBytes(m, m, x.k1[:])
		x.block.Encrypt(m, m)
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err)
	}
	g, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return g
}

// seal appends the sealed message to dst.
func (x *xaes) seal(dst, nonce, plain, about []byte) []byte {
	return x.gcm(nonce).Seal(dst, nonce[12:], plain, about)
}

func (x *xaes) open(nonce, sealed, about []byte) ([]byte, error) {
	return x.gcm(nonce).Open(nil, nonce[12:], sealed, about)
}
