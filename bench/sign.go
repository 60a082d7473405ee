package bench

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"hash"
	"time"
)

const (
	// emptyHash is the SHA-256 of no bytes.
	emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	// unsignedPayload stands for the hash of a body that is not signed.
	unsignedPayload = "UNSIGNED-PAYLOAD"
)

// field is one header that is sent and signed. Names are in lower case.
type field struct{ name, value string }

// request is what is signed and sent, apart from the body's bytes.
type request struct {
	method string
	path   []byte  // escaped, begins with a slash
	query  []byte  // canonical: escaped, sorted by name, "name=" where there is no value
	hash   []byte  // hex SHA-256 of the body, or unsignedPayload
	fields []field // further signed headers, sorted by name; none of those that the signer adds
	length int64   // of the body in bytes, or -1: no body and no Content-Length
}

// signer makes AWS Signature Version 4 headers for one credential, region and
// service. The signing key is derived once per day and kept as the two SHA-256
// states that an HMAC begins with. Not safe for concurrent use.
type signer struct {
	access, secret, region, service string
	host, token                     []byte

	day          string // of the cached key, as 20060102
	inner, outer []byte // SHA-256 states after the key's inner and outer pad
	digest       hash.Hash
	second       int64 // that date was formatted for
	date         []byte
	canonical    []byte
	text         []byte
	sum          []byte
}

func newSigner(access, secret, token, region, service, host string) *signer {
	return &signer{
		access: access, secret: secret, region: region, service: service,
		host: []byte(host), token: []byte(token), digest: sha256.New(),
	}
}

// at sets the time of the next signatures.
func (s *signer) at(now time.Time) {
	if sec := now.Unix(); sec != s.second || s.date == nil {
		s.second = sec
		s.date = now.UTC().AppendFormat(s.date[:0], "20060102T150405Z")
	}
	if string(s.date[:8]) != s.day {
		s.day = string(s.date[:8])
		s.derive()
	}
}

// derive computes the day's signing key and the states of its two pads.
func (s *signer) derive() {
	key := []byte("AWS4" + s.secret)
	for _, part := range []string{s.day, s.region, s.service, "aws4_request"} {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(part))
		key = m.Sum(nil)
	}
	pad := func(with byte) []byte {
		var block [sha256.BlockSize]byte
		copy(block[:], key) // A signing key is 32 bytes, shorter than a block.
		for i := range block {
			block[i] ^= with
		}
		h := sha256.New()
		h.Write(block[:])
		return saveHash(h)
	}
	s.inner, s.outer = pad(0x36), pad(0x5c)
}

// saveHash gives the state of h. Every hash of the standard library that is
// used here can be saved, so a failure is a broken build.
func saveHash(h hash.Hash) []byte {
	state, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		panic(err)
	}
	return state
}

// loadHash puts h into a state that saveHash gave.
func loadHash(h hash.Hash, state []byte) {
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
		panic(err)
	}
}

// appendHeaders appends the signed headers of r and its Authorization header
// as lines of an HTTP/1.1 request head, dated now.
func (s *signer) appendHeaders(dst []byte, r *request, now time.Time) []byte {
	s.at(now)
	signed := s.canonicalize(r)

	hashed := sha256.Sum256(s.canonical)
	t := append(s.text[:0], "AWS4-HMAC-SHA256\n"...)
	t = append(t, s.date...)
	t = append(t, '\n')
	t = s.appendScope(t)
	t = append(t, '\n')
	t = hex.AppendEncode(t, hashed[:])
	s.text = t

	loadHash(s.digest, s.inner)
	s.digest.Write(t)
	s.sum = s.digest.Sum(s.sum[:0])
	loadHash(s.digest, s.outer)
	s.digest.Write(s.sum)
	s.sum = s.digest.Sum(s.sum[:0])

	s.each(r, func(name string, value []byte) {
		dst = append(dst, name...)
		dst = append(dst, ": "...)
		dst = append(dst, value...)
		dst = append(dst, "\r\n"...)
	})
	dst = append(dst, "authorization: AWS4-HMAC-SHA256 Credential="...)
	dst = append(dst, s.access...)
	dst = append(dst, '/')
	dst = s.appendScope(dst)
	dst = append(dst, ", SignedHeaders="...)
	dst = append(dst, signed...)
	dst = append(dst, ", Signature="...)
	dst = hex.AppendEncode(dst, s.sum)
	return append(dst, "\r\n"...)
}

func (s *signer) appendScope(dst []byte) []byte {
	dst = append(dst, s.day...)
	dst = append(dst, '/')
	dst = append(dst, s.region...)
	dst = append(dst, '/')
	dst = append(dst, s.service...)
	return append(dst, "/aws4_request"...)
}

// canonicalize writes the canonical request and gives the part of it that
// lists the signed headers.
func (s *signer) canonicalize(r *request) (signed []byte) {
	c := append(s.canonical[:0], r.method...)
	c = append(c, '\n')
	c = append(c, r.path...)
	c = append(c, '\n')
	c = append(c, r.query...)
	c = append(c, '\n')
	s.each(r, func(name string, value []byte) {
		c = append(c, name...)
		c = append(c, ':')
		c = append(c, value...)
		c = append(c, '\n')
	})
	c = append(c, '\n')
	from := len(c)
	s.each(r, func(name string, _ []byte) {
		if len(c) > from {
			c = append(c, ';')
		}
		c = append(c, name...)
	})
	to := len(c)
	c = append(c, '\n')
	c = append(c, r.hash...)
	s.canonical = c
	return c[from:to]
}

// each calls f for every signed header in the order of their names.
func (s *signer) each(r *request, f func(name string, value []byte)) {
	own := [...]struct {
		name  string
		value []byte
	}{{"host", s.host}, {"x-amz-content-sha256", r.hash}, {"x-amz-date", s.date}, {"x-amz-security-token", s.token}}
	more := r.fields
	for _, o := range own {
		for len(more) > 0 && more[0].name < o.name {
			f(more[0].name, []byte(more[0].value))
			more = more[1:]
		}
		if o.name != "x-amz-security-token" || len(o.value) > 0 {
			f(o.name, o.value)
		}
	}
	for _, m := range more {
		f(m.name, []byte(m.value))
	}
}
