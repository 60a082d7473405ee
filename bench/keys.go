package bench

import "encoding/binary"

// keys names objects: a prefix and 16 hex digits that look random, so that
// writes and reads fall all over the key space rather than at its end.
// Object i of the same salt always has the same name and identity.
type keys struct {
	prefix string
	salt   uint64
}

// id gives the identity of object i; different for every i.
func (k keys) id(i uint64) uint64 { return mix(i ^ k.salt) }

// name writes the key of the object with an identity over buf.
func (k keys) name(buf []byte, id uint64) []byte {
	buf = append(buf[:0], k.prefix...)
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], id)
	for _, c := range b {
		buf = append(buf, "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
	}
	return buf
}
