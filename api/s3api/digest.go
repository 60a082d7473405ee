package s3api

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"net/http"

	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/s3/checksum"
	"github.com/farhold/farhold/store"
	"github.com/farhold/farhold/wire/awschunked"
	"github.com/farhold/farhold/wire/restxml"
)

// claim is what a request says that its body will be.
type claim struct {
	md5  []byte // of Content-MD5, or nil
	sum  checksum.Request
	part bool // it is about a part
}

// given tells whether the request says anything about its body.
func (c *claim) given() bool { return c.md5 != nil || c.sum.Algorithm != "" }

// algorithm is what is to be computed: empty when nothing was said.
func (c *claim) algorithm() s3.ChecksumAlgorithm { return c.sum.Algorithm }

// readClaim reads Content-MD5, the x-amz-checksum headers, x-amz-trailer and
// x-amz-sdk-checksum-algorithm.
func readClaim(h http.Header) (c claim, err error) {
	if v, ok := one(h, "Content-Md5"); ok {
		if c.md5, err = decodeMD5(v); err != nil {
			return c, err
		}
	}
	c.sum, err = checksum.Requested(h)
	return c, err
}

// decodeMD5 reads the value of Content-MD5.
func decodeMD5(v string) ([]byte, error) {
	sum, err := base64.StdEncoding.DecodeString(v)
	if err != nil || len(sum) != md5.Size {
		return nil, checksum.ErrInvalidMD5.With("Content-MD5", v)
	}
	return sum, nil
}

// badMD5 is the error for content with another MD5 than Content-MD5 says. AWS
// says what was expected in hexadecimal digits.
func badMD5(want, got []byte) error {
	return checksum.ErrBadMD5.With("ExpectedDigest", hex.EncodeToString(want)).
		With("CalculatedDigest", base64.StdEncoding.EncodeToString(got))
}

// badPartMD5 is badMD5 for a part, of which AWS says both digests in Base64.
func badPartMD5(want, got []byte) error {
	return checksum.ErrBadMD5.With("ExpectedDigest", base64.StdEncoding.EncodeToString(want)).
		With("CalculatedDigest", base64.StdEncoding.EncodeToString(got))
}

// verify compares what was said with what came. trailers gives the trailer
// fields; it is nil when none were announced.
func (c *claim) verify(sums store.Sums, trailers func() http.Header) error {
	if c.md5 != nil && !bytes.Equal(c.md5, sums.MD5[:]) {
		if c.part {
			return badPartMD5(c.md5, sums.MD5[:])
		}
		return badMD5(c.md5, sums.MD5[:])
	}
	if c.sum.Algorithm == "" {
		return nil
	}
	value := c.sum.Value
	if c.sum.Trailer {
		var ok bool
		if trailers != nil {
			value, ok = one(trailers(), checksumHeader(c.sum.Algorithm))
		}
		if !ok {
			return awschunked.ErrMalformedTrailer
		}
		if err := checksum.Validate(c.sum.Algorithm, value); err != nil {
			return err
		}
	}
	if sums.Checksum.Algorithm != c.sum.Algorithm || sums.Checksum.Value != value {
		return checksum.Mismatch(c.sum.Algorithm)
	}
	return nil
}

// checksumHeader gives the canonical header of an algorithm's sums, or "".
func checksumHeader(a s3.ChecksumAlgorithm) string {
	switch a {
	case s3.CRC32:
		return "X-Amz-Checksum-Crc32"
	case s3.CRC32C:
		return "X-Amz-Checksum-Crc32c"
	case s3.CRC64NVME:
		return "X-Amz-Checksum-Crc64nvme"
	case s3.SHA1:
		return "X-Amz-Checksum-Sha1"
	case s3.SHA256:
		return "X-Amz-Checksum-Sha256"
	case s3.SHA512:
		return "X-Amz-Checksum-Sha512"
	case s3.MD5:
		return "X-Amz-Checksum-Md5"
	case s3.XXHASH64:
		return "X-Amz-Checksum-Xxhash64"
	case s3.XXHASH3:
		return "X-Amz-Checksum-Xxhash3"
	case s3.XXHASH128:
		return "X-Amz-Checksum-Xxhash128"
	}
	return ""
}

// showChecksum sets the headers of a checksum.
func showChecksum(h http.Header, c s3.Checksum) {
	name := checksumHeader(c.Algorithm)
	if name == "" || c.Value == "" {
		return
	}
	h[name] = []string{c.Value}
	if c.Type != "" {
		h["X-Amz-Checksum-Type"] = []string{string(c.Type)}
	}
}

// writeChecksum writes the element of a checksum, if there is one.
func writeChecksum(w *restxml.Writer, c s3.Checksum) {
	if c.Value != "" {
		w.Elem("Checksum"+string(c.Algorithm), c.Value)
	}
}

// uploadChecksum reads x-amz-checksum-algorithm and x-amz-checksum-type of an
// upload in parts. Both are empty when the client asks for nothing.
func uploadChecksum(h http.Header) (s3.ChecksumAlgorithm, s3.ChecksumType, error) {
	name, _ := one(h, "X-Amz-Checksum-Algorithm")
	kind, _ := one(h, "X-Amz-Checksum-Type")
	return checksum.CheckType(name, kind)
}
