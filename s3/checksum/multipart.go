package checksum

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/farhold/farhold/s3"
)

// Part is what a multipart object's checksum is made of.
type Part struct {
	Size  int64  // bytes
	Value string // the part's checksum, base64
}

// errPart is for a stored part whose checksum can't be read: a damaged row,
// never a client's fault.
var errPart = errors.New("checksum: a part's checksum is malformed")

// Supports tells whether multipart objects can have an algorithm's checksum of
// a type: CRC64NVME covers the full object, CRC32 and CRC32C either, the others
// are composed from the parts'.
func Supports(alg s3.ChecksumAlgorithm, typ s3.ChecksumType) bool {
	switch alg {
	case s3.CRC64NVME:
		return typ == s3.FullObject
	case s3.CRC32, s3.CRC32C:
		return typ == s3.FullObject || typ == s3.Composite
	}
	return typ == s3.Composite && Size(alg) != 0
}

// DefaultType is the type of an upload that names an algorithm only.
func DefaultType(alg s3.ChecksumAlgorithm) s3.ChecksumType {
	if alg == s3.CRC64NVME {
		return s3.FullObject
	}
	return s3.Composite
}

// CheckType settles algorithm and type of a new upload from its headers, either
// of which may be empty. Both stay empty where neither was given.
func CheckType(algorithm, typ string) (s3.ChecksumAlgorithm, s3.ChecksumType, error) {
	if algorithm == "" {
		if typ != "" {
			return "", "", ErrTypeAlone
		}
		return "", "", nil
	}
	alg, ok := Parse(algorithm)
	if !ok {
		return "", "", ErrUnknownAlgorithm
	}
	if typ == "" {
		return alg, DefaultType(alg), nil
	}
	t := s3.ChecksumType(strings.ToUpper(typ))
	if t != s3.FullObject && t != s3.Composite {
		return "", "", ErrUnknownType
	}
	if !Supports(alg, t) {
		return "", "", ErrTypeUnsupported.Text("The %s checksum type cannot be used with the %s checksum algorithm.", t, strings.ToLower(string(alg)))
	}
	return alg, t, nil
}

// Join makes the checksum of a multipart object of a type from its parts in
// order.
func Join(alg s3.ChecksumAlgorithm, typ s3.ChecksumType, parts []Part) (string, error) {
	if !Supports(alg, typ) {
		return "", fmt.Errorf("checksum: no %s checksum of type %s", alg, typ)
	}
	if typ == s3.FullObject {
		return Combine(alg, parts)
	}
	return Compose(alg, parts)
}

// Compose makes a COMPOSITE checksum: the algorithm over the parts' raw
// digests, then a hyphen and their number.
func Compose(alg s3.ChecksumAlgorithm, parts []Part) (string, error) {
	h := New(alg)
	if h == nil {
		return "", fmt.Errorf("checksum: unknown algorithm %q", alg)
	}
	for i, p := range parts {
		digest, err := Decode(alg, p.Value)
		if err != nil {
			return "", fmt.Errorf("%w: part %d", errPart, i+1)
		}
		h.Write(digest)
	}
	return Encode(h.Sum(nil)) + "-" + strconv.Itoa(len(parts)), nil
}

// Combine makes a FULL_OBJECT checksum: that of the parts' bytes one after
// another, computed from their CRCs and lengths. Only CRCs can do that.
func Combine(alg s3.ChecksumAlgorithm, parts []Part) (string, error) {
	f, ok := fieldOf(alg)
	if !ok {
		return "", fmt.Errorf("checksum: %s can't be combined", alg)
	}
	var sum uint64
	for i, p := range parts {
		digest, err := Decode(alg, p.Value)
		if err != nil || p.Size < 0 {
			return "", fmt.Errorf("%w: part %d", errPart, i+1)
		}
		sum = f.shift(sum, uint64(p.Size)) ^ number(digest)
	}
	digest := binary.BigEndian.AppendUint64(nil, sum)
	return Encode(digest[8-Size(alg):]), nil
}

// number reads a big-endian digest of 4 or 8 bytes.
func number(b []byte) uint64 {
	var n uint64
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}

// field is the ring of polynomials modulo a CRC's polynomial, coefficients
// reflected as the CRC's are: the highest bit is the coefficient of x^0.
//
// All three CRCs begin and end inverted, which makes the CRC of two runs
// together crc(a)·x^(8·len(b)) + crc(b).
type field struct {
	poly uint64 // reflected, without its highest term
	top  uint64 // the polynomial 1
}

func fieldOf(alg s3.ChecksumAlgorithm) (field, bool) {
	switch alg {
	case s3.CRC32:
		return field{0xedb88320, 1 << 31}, true
	case s3.CRC32C:
		return field{0x82f63b78, 1 << 31}, true
	case s3.CRC64NVME:
		return field{0x9a6c9329ac4bc9b5, 1 << 63}, true
	}
	return field{}, false
}

// times multiplies two polynomials.
func (f field) times(a, b uint64) uint64 {
	var p uint64
	for m := f.top; a != 0; m >>= 1 {
		if a&m != 0 {
			p ^= b
			a &^= m
		}
		// b·x
		if b&1 != 0 {
			b = b>>1 ^ f.poly
		} else {
			b >>= 1
		}
	}
	return p
}

// shift multiplies a CRC by x^(8n).
func (f field) shift(crc, n uint64) uint64 {
	if crc == 0 {
		return 0
	}
	power := f.top >> 8 // x^8
	for ; n != 0; n >>= 1 {
		if n&1 != 0 {
			crc = f.times(power, crc)
		}
		power = f.times(power, power)
	}
	return crc
}
