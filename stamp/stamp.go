// Package stamp orders writes. It owns the hybrid logical clock, the version
// IDs made from it, and the only Now: regions must be able to disagree about
// the time, so nothing below the doors asks the operating system.
//
// A stamp is what a write is identified and ordered by, in every region alike:
// the clock reading first, then the region where it was made, then chance. It
// is minted once, at the origin, and never changes.
package stamp

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"
)

// Time is a reading of the hybrid logical clock: microseconds since the Unix
// epoch in the upper 52 bits, a counter in the lower 12. It lasts until 2112.
type Time uint64

const counterBits = 12

// TimeOf gives the first reading of the microsecond of t.
func TimeOf(t time.Time) Time { return Time(t.UnixMicro()) << counterBits }

// Wall gives the wall-clock part.
func (t Time) Wall() time.Time { return time.UnixMicro(int64(t >> counterBits)).UTC() }

// Stamp is 24 bytes: the clock reading, the region's tag (4 bytes), chance (12
// bytes), all big endian. Compare as bytes: the greater is the newer.
type Stamp [24]byte

// ErrMalformed is returned for a string that is no version ID of ours.
var ErrMalformed = errors.New("stamp: malformed version ID")

// Compare is negative, zero or positive as a is older than, equal to or newer
// than b.
func Compare(a, b Stamp) int { return bytes.Compare(a[:], b[:]) }

// IsZero tells the stamp that no write has.
func (s Stamp) IsZero() bool { return s == Stamp{} }

// Time gives the clock reading.
func (s Stamp) Time() Time { return Time(binary.BigEndian.Uint64(s[:8])) }

// Region gives the tag of the origin region; see Tag.
func (s Stamp) Region() uint32 { return binary.BigEndian.Uint32(s[8:12]) }

// String gives the version ID: 32 URL-safe characters. The clock reading is
// inverted in it, so that version IDs sort newest first as AWS lists them.
func (s Stamp) String() string {
	inv := s.Descending()
	return base64.RawURLEncoding.EncodeToString(inv[:])
}

// Descending gives the bytes inverted, so that newer stamps sort first: the
// form in which stacks of versions are stored.
func (s Stamp) Descending() [24]byte {
	var d [24]byte
	for i := range s {
		d[i] = ^s[i]
	}
	return d
}

// FromDescending undoes Descending.
func FromDescending(d []byte) (Stamp, error) {
	var s Stamp
	if len(d) != len(s) {
		return s, ErrMalformed
	}
	for i := range s {
		s[i] = ^d[i]
	}
	return s, nil
}

// Parse reads a version ID made by String.
func Parse(id string) (Stamp, error) {
	if len(id) != 32 {
		return Stamp{}, ErrMalformed
	}
	b, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil {
		return Stamp{}, ErrMalformed
	}
	return FromDescending(b)
}

// Tag gives a region's tag in stamps. Two regions of a realm never share one:
// the realm refuses a region whose tag is taken.
func Tag(region string) uint32 { return crc32.ChecksumIEEE([]byte(region)) }
