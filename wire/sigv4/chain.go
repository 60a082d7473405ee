package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
)

// Chain continues a request's signature over the chunks of its body: each
// chunk's signature covers the one before it, and the first covers the
// request's own. It is not safe for concurrent use.
type Chain struct {
	key       [32]byte
	date      string
	scope     string
	accessKey string
	prev      [64]byte
	buf, hmac []byte
}

// Chain begins a chain at the request's signature. It is nil for requests that
// V4 did not sign in its header or query, which can't sign chunks.
func (r *Result) Chain() *Chain {
	if r.Kind != Header && r.Kind != Presigned {
		return nil
	}
	c := &Chain{key: r.key, date: r.date, scope: r.scope, accessKey: r.AccessKey}
	copy(c.prev[:], r.Signature)
	return c
}

// NewChain begins a chain from its parts: the signing key, the request's date
// as 20130524T000000Z, the credential scope and the request's signature in hex.
// It serves clients and tests, which have no Result.
func NewChain(key [32]byte, date, scope, signature string) *Chain {
	c := &Chain{key: key, date: date, scope: scope}
	copy(c.prev[:], signature)
	return c
}

// SigningKey derives the V4 signing key of a day (yyyyMMdd), region and service.
func SigningKey(secret, date, region, service string) [32]byte {
	return deriveKey(secret, date, region, service)
}

// String says whose chain it is. It keeps the signing key out of logs.
func (c Chain) String() string { return "chain of " + c.accessKey }

// GoString is String: %#v must not print secrets either.
func (c Chain) GoString() string { return c.String() }

// Chunk verifies the signature of the next chunk, whose data have the given
// digest, and moves on. It is SignatureDoesNotMatch if the signature is another.
func (c *Chain) Chunk(signature string, sum *[32]byte) error {
	return c.check(signature, c.chunk(sum))
}

// Trailer verifies the signature of the trailer, whose canonical lines have
// the given digest.
func (c *Chain) Trailer(signature string, sum *[32]byte) error {
	return c.check(signature, c.trailer(sum))
}

// SignChunk makes the signature of the next chunk, in hex, and moves on.
func (c *Chain) SignChunk(sum *[32]byte) string { return c.advance(c.chunk(sum)) }

// SignTrailer makes the signature of the trailer, in hex.
func (c *Chain) SignTrailer(sum *[32]byte) string { return c.advance(c.trailer(sum)) }

func (c *Chain) chunk(sum *[32]byte) *[32]byte {
	c.begin("AWS4-HMAC-SHA256-PAYLOAD")
	c.buf = append(c.buf, EmptySHA256...)
	c.buf = append(c.buf, '\n')
	return c.sign(sum)
}

func (c *Chain) trailer(sum *[32]byte) *[32]byte {
	c.begin("AWS4-HMAC-SHA256-TRAILER")
	return c.sign(sum)
}

func (c *Chain) begin(kind string) {
	b := append(c.buf[:0], kind...)
	b = append(b, '\n')
	b = append(b, c.date...)
	b = append(b, '\n')
	b = append(b, c.scope...)
	b = append(b, '\n')
	b = append(b, c.prev[:]...)
	c.buf = append(b, '\n')
}

func (c *Chain) sign(sum *[32]byte) *[sha256.Size]byte {
	c.buf = appendHex(c.buf, sum[:])
	var s [sha256.Size]byte
	s, c.hmac = hmac256(c.hmac, c.key[:], c.buf)
	return &s
}

func (c *Chain) advance(sum *[32]byte) string {
	hex.Encode(c.prev[:], sum[:])
	return string(c.prev[:])
}

func (c *Chain) check(given string, sum *[32]byte) error {
	if !equalHex(given, sum) {
		return refuse(errMismatch.With("AWSAccessKeyId", c.accessKey).
			With("StringToSign", string(c.buf)).
			With("SignatureProvided", given).
			With("StringToSignBytes", spacedHex(c.buf)), Mismatch)
	}
	hex.Encode(c.prev[:], sum[:])
	return nil
}
