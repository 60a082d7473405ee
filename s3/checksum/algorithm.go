package checksum

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"hash"
	"hash/crc32"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/minio/crc64nvme"
	"github.com/zeebo/xxh3"

	"github.com/farhold/farhold/s3"
)

// Algorithms lists the algorithms in the order in which S3's errors do.
func Algorithms() []s3.ChecksumAlgorithm {
	return []s3.ChecksumAlgorithm{
		s3.CRC32, s3.CRC32C, s3.CRC64NVME, s3.SHA1, s3.SHA256,
		s3.SHA512, s3.MD5, s3.XXHASH64, s3.XXHASH3, s3.XXHASH128,
	}
}

// Size is the length of an algorithm's digest in bytes; 0 if it is unknown.
func Size(alg s3.ChecksumAlgorithm) int {
	switch alg {
	case s3.CRC32, s3.CRC32C:
		return 4
	case s3.CRC64NVME, s3.XXHASH64, s3.XXHASH3:
		return 8
	case s3.MD5, s3.XXHASH128:
		return 16
	case s3.SHA1:
		return sha1.Size
	case s3.SHA256:
		return sha256.Size
	case s3.SHA512:
		return sha512.Size
	}
	return 0
}

// New makes a hash of an algorithm. It is nil if the algorithm is unknown,
// which Parse and Requested rule out beforehand.
func New(alg s3.ChecksumAlgorithm) hash.Hash {
	switch alg {
	case s3.CRC32:
		return crc32.NewIEEE()
	case s3.CRC32C:
		return crc32.New(crc32.MakeTable(crc32.Castagnoli))
	case s3.CRC64NVME:
		return crc64nvme.New()
	case s3.SHA1:
		return sha1.New()
	case s3.SHA256:
		return sha256.New()
	case s3.SHA512:
		return sha512.New()
	case s3.MD5:
		return md5.New()
	case s3.XXHASH64:
		return xxhash.New()
	case s3.XXHASH3:
		return xxh3.New()
	case s3.XXHASH128:
		return xxh3.New128()
	}
	return nil
}

// Parse finds an algorithm by its name, in any case.
func Parse(name string) (s3.ChecksumAlgorithm, bool) {
	for _, alg := range Algorithms() {
		if strings.EqualFold(name, string(alg)) {
			return alg, true
		}
	}
	return "", false
}

// headerPrefix begins the headers and trailers that carry a checksum.
const headerPrefix = "x-amz-checksum-"

// Header is the header of an algorithm's checksum, lower case, such as
// x-amz-checksum-crc32.
func Header(alg s3.ChecksumAlgorithm) string { return headerPrefix + strings.ToLower(string(alg)) }

// ByHeader finds the algorithm of a header, in any case.
func ByHeader(name string) (s3.ChecksumAlgorithm, bool) {
	if len(name) < len(headerPrefix) || !strings.EqualFold(name[:len(headerPrefix)], headerPrefix) {
		return "", false
	}
	return Parse(name[len(headerPrefix):])
}

// Encode writes a digest as the wire has it.
func Encode(digest []byte) string { return base64.StdEncoding.EncodeToString(digest) }

// Decode reads a value that a client gave for an algorithm. Anything but one
// digest in strict base64 is InvalidRequest with the header's name.
func Decode(alg s3.ChecksumAlgorithm, value string) ([]byte, error) {
	size := Size(alg)
	if size == 0 || len(value) != base64.StdEncoding.EncodedLen(size) {
		return nil, InvalidValue(alg)
	}
	digest, err := base64.StdEncoding.Strict().DecodeString(value)
	if err != nil || len(digest) != size {
		return nil, InvalidValue(alg)
	}
	return digest, nil
}

// Validate tells whether a value has the form that its algorithm demands.
func Validate(alg s3.ChecksumAlgorithm, value string) error {
	_, err := Decode(alg, value)
	return err
}
