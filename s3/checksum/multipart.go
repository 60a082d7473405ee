package checksum

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/farhold/farhold/s3"
)

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

// OfParts makes the checksum of a multipart object of a type from its parts in
// order, each with its size and its checksum of the algorithm.
func OfParts(alg s3.ChecksumAlgorithm, typ s3.ChecksumType, parts []s3.Part) (s3.Checksum, error) {
	if !Supports(alg, typ) {
		return s3.Checksum{}, fmt.Errorf("checksum: no %s checksum of type %s", alg, typ)
	}
	of := compose
	if typ == s3.FullObject {
		of = combine
	}
	value, err := of(alg, parts)
	if err != nil {
		return s3.Checksum{}, err
	}
	return s3.Checksum{Algorithm: alg, Type: typ, Value: value}, nil
}

// partDigest is the raw digest of a stored part.
func partDigest(alg s3.ChecksumAlgorithm, p *s3.Part) ([]byte, error) {
	if p.Checksum.Algorithm != alg || p.Size < 0 {
		return nil, fmt.Errorf("%w: part %d has %q", errPart, p.Number, p.Checksum.Algorithm)
	}
	digest, err := Decode(alg, p.Checksum.Value)
	if err != nil {
		return nil, fmt.Errorf("%w: part %d", errPart, p.Number)
	}
	return digest, nil
}

// compose makes a COMPOSITE checksum: the algorithm over the parts' raw
// digests, then a hyphen and their number.
func compose(alg s3.ChecksumAlgorithm, parts []s3.Part) (string, error) {
	h := New(alg)
	for i := range parts {
		digest, err := partDigest(alg, &parts[i])
		if err != nil {
			return "", err
		}
		h.Write(digest)
	}
	return Encode(h.Sum(nil)) + "-" + strconv.Itoa(len(parts)), nil
}

// combine makes a FULL_OBJECT checksum: that of the parts' bytes one after
// another, computed from their CRCs and lengths. Only CRCs can do that.
func combine(alg s3.ChecksumAlgorithm, parts []s3.Part) (string, error) {
	f := fieldOf(alg)
	var sum uint64
	size, power := int64(0), f.power(0) // parts are mostly alike: keep the last one's
	for i := range parts {
		digest, err := partDigest(alg, &parts[i])
		if err != nil {
			return "", err
		}
		if parts[i].Size != size {
			size = parts[i].Size
			power = f.power(uint64(size))
		}
		sum = f.times(sum, power) ^ number(digest)
	}
	digest := binary.BigEndian.AppendUint64(nil, sum)
	return Encode(digest[8-Size(alg):]), nil
}

// CombineCRC64NVME is the CRC64NVME of two runs of bytes together, from that of
// each and the length of the second in bytes, which must not be negative.
func CombineCRC64NVME(first, second uint64, length int64) uint64 {
	return fieldOf(s3.CRC64NVME).shift(first, uint64(length)) ^ second
}

// EncodeCRC64NVME writes a CRC64NVME as the wire has it.
func EncodeCRC64NVME(sum uint64) string {
	return Encode(binary.BigEndian.AppendUint64(nil, sum))
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

// fieldOf gives the field of one of the three CRCs.
func fieldOf(alg s3.ChecksumAlgorithm) field {
	switch alg {
	case s3.CRC32:
		return field{0xedb88320, 1 << 31}
	case s3.CRC32C:
		return field{0x82f63b78, 1 << 31}
	}
	return field{0x9a6c9329ac4bc9b5, 1 << 63}
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

// power is x^(8n).
func (f field) power(n uint64) uint64 {
	p, square := f.top, f.top>>8
	for ; n != 0; n >>= 1 {
		if n&1 != 0 {
			p = f.times(p, square)
		}
		square = f.times(square, square)
	}
	return p
}

// shift multiplies a CRC by x^(8n), as n more zero bytes would.
func (f field) shift(crc, n uint64) uint64 {
	if crc == 0 {
		return 0
	}
	return f.times(crc, f.power(n))
}
