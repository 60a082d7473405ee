package diskblob

import (
	"encoding/binary"
	"hash/crc32"
)

// blockSize is how many bytes of a blob have a checksum of their own: a range
// is checked at the cost of reading at most two blocks more than it has.
const blockSize = 64 << 10

// castagnoli is the polynomial of all checksums; it is never changed.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(p []byte) uint32 { return crc32.Checksum(p, castagnoli) }

// blocks is how many blocks a blob has.
func blocks(size int64) int64 { return (size + blockSize - 1) / blockSize }

// tableSize is how many bytes the checksums of a blob's blocks take.
func tableSize(size int64) int64 { return 4 * blocks(size) }

// summer computes the checksums of the blocks of a blob that comes in pieces.
type summer struct {
	table []byte // the checksums of the blocks that are full
	crc   uint32 // of the one that is not
	fill  int    // bytes in it
}

func (s *summer) write(p []byte) {
	for len(p) > 0 {
		n := min(len(p), blockSize-s.fill)
		s.crc = crc32.Update(s.crc, castagnoli, p[:n])
		s.fill += n
		p = p[n:]
		if s.fill == blockSize {
			s.flush()
		}
	}
}

func (s *summer) flush() {
	s.table = binary.LittleEndian.AppendUint32(s.table, s.crc)
	s.crc, s.fill = 0, 0
}

// finish gives the whole table. Nothing is written afterwards.
func (s *summer) finish() []byte {
	if s.fill > 0 {
		s.flush()
	}
	return s.table
}
