package kms

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
)

// A ciphertext blob says by itself what opens it:
//
//	 0   2  "FK"
//	 2   1  format, 1
//	 3   1  0
//	 4  16  key ID, the bytes of its UUID
//	20  16  the first half of the key material's ID
//	36  16  salt, random
//	52  12  nonce, random
//	64   n  ciphertext, as long as the plaintext
//	64+n 16 tag
//
// It is sealed with AES-256-GCM under a key of its own: HMAC-SHA256 under the
// material, of a label and the salt. Authenticated are the 64 bytes before the
// ciphertext, the key's ARN (so region and account), and the encryption context
// in its one canonical form.
//
// Why this is safe without counting messages: GCM fails when a key and a nonce
// meet twice. Two messages of one material share the key only if their salts
// are equal, and then their nonces must be equal too: 2^-224 for a pair. After
// 2^64 messages under one material the chance that any pair collides is below
// 2^-97, and the number of messages under any one derived key stays at one
// with overwhelming likelihood, far from GCM's own limit of 2^32 random nonces.
// A message has at most 4,096 bytes, so the limit on a message's length is far
// away as well.
const (
	blobFormat   = 1
	blobKeyAt    = 4
	blobMatAt    = 20
	blobSaltAt   = 36
	blobNonceAt  = 52
	blobHeader   = 64
	blobTag      = 16
	blobOverhead = blobHeader + blobTag

	labelMessage = "farhold kms message 1"
)

// PlainMax is how many bytes Encrypt takes.
const PlainMax = 4096

// materialSize is the length of key material in bytes: AES-256.
const materialSize = 32

// materialName is the part of a material's ID that blobs carry.
type materialName [16]byte

// blob is a ciphertext blob taken apart. Nothing of it is authenticated.
type blob struct {
	key      string // ID
	material materialName
	raw      []byte
}

// parseBlob takes a ciphertext blob apart.
func parseBlob(raw []byte) (blob, bool) {
	if len(raw) <= blobOverhead || len(raw) > blobOverhead+PlainMax || raw[0] != 'F' || raw[1] != 'K' || raw[2] != blobFormat || raw[3] != 0 {
		return blob{}, false
	}
	return blob{key: formatID(raw[blobKeyAt:blobMatAt]), material: materialName(raw[blobMatAt:blobSaltAt]), raw: raw}, true
}

// sealBlob encrypts plain, which has 1 to PlainMax bytes.
func sealBlob(material []byte, name materialName, id, arn string, about map[string]string, plain []byte) []byte {
	b := make([]byte, blobHeader, blobOverhead+len(plain))
	b[0], b[1], b[2] = 'F', 'K', blobFormat
	parseID(id, b[blobKeyAt:blobKeyAt])
	copy(b[blobMatAt:], name[:])
	random(b[blobSaltAt:blobHeader])
	return messageCipher(material, b).Seal(b, b[blobNonceAt:blobHeader], plain, authenticated(b, arn, about))
}

// open decrypts, or reports false.
func (b blob) open(material []byte, arn string, about map[string]string) ([]byte, bool) {
	plain, err := messageCipher(material, b.raw).Open(nil, b.raw[blobNonceAt:blobHeader], b.raw[blobHeader:], authenticated(b.raw[:blobHeader], arn, about))
	return plain, err == nil
}

// messageCipher gives the cipher of one message, by its salt.
func messageCipher(material, header []byte) cipher.AEAD {
	h := hmac.New(sha256.New, material)
	h.Write([]byte(labelMessage))
	h.Write([]byte{0})
	h.Write(header[blobSaltAt:blobNonceAt])
	var sum [sha256.Size]byte
	block, err := aes.NewCipher(h.Sum(sum[:0]))
	if err != nil {
		panic(err) // only for a wrong key size
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // only for another block size than AES has
	}
	return aead
}

// authenticated is what a blob is bound to. Lengths stand before what they
// measure and names are in order, so that no two contexts give the same bytes.
func authenticated(header []byte, arn string, about map[string]string) []byte {
	var few [8]string
	names := few[:0]
	n := len(header) + 8 + len(arn)
	for name, value := range about {
		names = append(names, name)
		n += 8 + len(name) + len(value)
	}
	slices.Sort(names)
	b := append(make([]byte, 0, n), header...)
	text := func(s string) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	text(arn)
	b = binary.BigEndian.AppendUint32(b, uint32(len(names)))
	for _, name := range names {
		text(name)
		text(about[name])
	}
	return b
}

// newID makes a key's ID: a random UUID, version 4.
func newID() string {
	var u [16]byte
	random(u[:])
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return formatID(u[:])
}

func formatID(u []byte) string {
	var b [36]byte
	hex.Encode(b[0:], u[:4])
	hex.Encode(b[9:], u[4:6])
	hex.Encode(b[14:], u[6:8])
	hex.Encode(b[19:], u[8:10])
	hex.Encode(b[24:], u[10:16])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// parseID appends the 16 bytes of a UUID in lower case, as all our IDs are, or
// reports false.
func parseID(s string, dst []byte) ([]byte, bool) {
	if len(s) != 36 {
		return nil, false
	}
	half := -1
	for i := range len(s) {
		c := s[i]
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return nil, false
			}
			continue
		}
		var d int
		switch {
		case '0' <= c && c <= '9':
			d = int(c - '0')
		case 'a' <= c && c <= 'f':
			d = int(c-'a') + 10
		default:
			return nil, false
		}
		if half < 0 {
			half = d
			continue
		}
		dst = append(dst, byte(half<<4|d))
		half = -1
	}
	return dst, true
}
