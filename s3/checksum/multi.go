package checksum

import (
	"crypto/md5"
	"encoding/hex"
	"hash"

	"github.com/farhold/farhold/s3"
)

// stride is how much goes through every hash before the next bytes, so that
// they are read from memory once and from the nearest cache after that.
const stride = 16 << 10

// Multi feeds several hashes in one pass: MD5 for the ETag and whatever else is
// asked for. It is an io.Writer that never fails. It is not safe for concurrent
// use.
type Multi struct {
	md5    hash.Hash
	algs   []s3.ChecksumAlgorithm
	hashes []hash.Hash
	n      int64
}

// NewMulti computes the algorithms given, and MD5 too if etag says so. Repeated
// and unknown algorithms are left out.
func NewMulti(etag bool, algs ...s3.ChecksumAlgorithm) *Multi {
	m := &Multi{}
	if etag {
		m.md5 = md5.New()
	}
	for _, alg := range algs {
		m.add(alg)
	}
	return m
}

func (m *Multi) add(alg s3.ChecksumAlgorithm) {
	for _, has := range m.algs {
		if has == alg {
			return
		}
	}
	h := m.md5
	if alg != s3.MD5 || h == nil {
		h = New(alg)
	}
	if h == nil {
		return
	}
	m.algs = append(m.algs, alg)
	m.hashes = append(m.hashes, h)
}

// Write feeds p to every hash.
func (m *Multi) Write(p []byte) (int, error) {
	n := len(p)
	m.n += int64(n)
	for len(p) > 0 {
		q := p[:min(len(p), stride)]
		p = p[len(q):]
		if m.md5 != nil {
			m.md5.Write(q)
		}
		for _, h := range m.hashes {
			if h != m.md5 {
				h.Write(q)
			}
		}
	}
	return n, nil
}

// Size is how many bytes were written.
func (m *Multi) Size() int64 { return m.n }

// MD5 is the MD5 so far; nil if it was not asked for.
func (m *Multi) MD5() []byte {
	if m.md5 == nil {
		return nil
	}
	return m.md5.Sum(nil)
}

// ETag is the MD5 so far in hex, without quotes; empty if it was not asked for.
func (m *Multi) ETag() string { return hex.EncodeToString(m.MD5()) }

// Sum is an algorithm's checksum so far, base64; empty if it was not asked for.
func (m *Multi) Sum(alg s3.ChecksumAlgorithm) string {
	for i, has := range m.algs {
		if has == alg {
			return Encode(m.hashes[i].Sum(nil))
		}
	}
	return ""
}
