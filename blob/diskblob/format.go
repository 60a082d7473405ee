package diskblob

import (
	"encoding/binary"
	"fmt"
	"time"
)

// All numbers on disk are little endian. Everything that was written as one
// carries a magic, the version of its format, its own place (so that bytes in
// the wrong place are known) and a checksum.
const (
	formatVersion = 1

	packMagic   = "FHPK"
	recordMagic = "FHRC"
	indexMagic  = "FHIX"
	fileMagic   = "FHFL"

	// align is where records begin. No two share a block of a usual file
	// system, so a write that a power cut tears spoils no older record, and a
	// deleted one can be given back to the file system.
	align = 4096

	packHeaderSize   = 64
	recordHeaderSize = 64
	entrySize        = 24
	indexTrailerSize = 64
	fileTrailerSize  = 64
)

// The states of a record. They are words that no single fault turns into each
// other; any other word is corruption.
const (
	stateLive uint32 = 0
	stateDead uint32 = 0xdeadb10b // deleted
	stateLost uint32 = 0x1057b10b // in an index only: acknowledged once, unreadable when found
)

func alignUp(n int64) int64 { return (n + align - 1) &^ (align - 1) }

// A pack begins with a header, in a block of its own. Behind it stands a copy
// of the trailer when the pack is sealed: a pack that lost its end shows that it
// did, and is not taken for one that was being written.
//
//	 0  4  magic
//	 4  1  version
//	 8  8  pack
//	16  8  created, seconds since 1970
//	60  4  checksum of what stands before
func packHeader(id packID, created time.Time) []byte {
	b := make([]byte, packHeaderSize)
	copy(b, packMagic)
	b[4] = formatVersion
	binary.LittleEndian.PutUint64(b[8:], uint64(id))
	binary.LittleEndian.PutUint64(b[16:], uint64(created.Unix()))
	binary.LittleEndian.PutUint32(b[60:], checksum(b[:60]))
	return b
}

// parsePackHeader reads the version of a pack. It is not ok if b is no header.
func parsePackHeader(b []byte) (version byte, ok bool) {
	return b[4], string(b[:4]) == packMagic && checksum(b[:60]) == binary.LittleEndian.Uint32(b[60:])
}

// A record is a header, the payload, and the checksums of its blocks, four
// bytes each. The header:
//
//	 0  4  magic
//	 4  4  state; not under the checksum, so that it can be changed in place
//	 8  1  version
//	12  4  size of the payload
//	16  8  pack
//	24  8  offset of the record in the pack
//	32  8  created, seconds since 1970
//	40  8  how much of the pack, from its begin, was durable when this was
//	       written: what recovery finds spoilt before it was once whole
//	60  4  checksum of the others, the state taken as zero
type recordHeader struct {
	record
	state   uint32
	created uint64
	durable int64
}

const stateAt = 4 // of the state in a record's header

func (h *recordHeader) put(b []byte) {
	b = b[:recordHeaderSize]
	clear(b)
	copy(b, recordMagic)
	b[8] = formatVersion
	binary.LittleEndian.PutUint32(b[12:], h.size)
	binary.LittleEndian.PutUint64(b[16:], uint64(h.pack))
	binary.LittleEndian.PutUint64(b[24:], uint64(h.offset))
	binary.LittleEndian.PutUint64(b[32:], h.created)
	binary.LittleEndian.PutUint64(b[40:], uint64(h.durable))
	binary.LittleEndian.PutUint32(b[60:], checksum(b[:60]))
	binary.LittleEndian.PutUint32(b[stateAt:], h.state)
}

// parseRecordHeader reads what must be the header of the record at offset of
// pack. It changes b.
func parseRecordHeader(b []byte, pack packID, offset int64) (h recordHeader, err error) {
	b = b[:recordHeaderSize]
	h.state = binary.LittleEndian.Uint32(b[stateAt:])
	clear(b[stateAt : stateAt+4])
	switch {
	case string(b[:4]) != recordMagic:
		return h, fmt.Errorf("no record header")
	case checksum(b[:60]) != binary.LittleEndian.Uint32(b[60:]):
		return h, fmt.Errorf("checksum of the record header")
	case b[8] != formatVersion:
		return h, fmt.Errorf("record of format %d; this program knows %d", b[8], formatVersion)
	}
	h.size = binary.LittleEndian.Uint32(b[12:])
	h.pack = packID(binary.LittleEndian.Uint64(b[16:]))
	at := binary.LittleEndian.Uint64(b[24:])
	h.offset = uint32(at)
	h.created = binary.LittleEndian.Uint64(b[32:])
	h.durable = int64(binary.LittleEndian.Uint64(b[40:]))
	switch {
	case h.pack != pack || at != uint64(offset):
		return h, fmt.Errorf("record of another place: pack %016x, offset %d", uint64(h.pack), at)
	case h.state != stateLive && h.state != stateDead:
		return h, fmt.Errorf("record in state %#x", h.state)
	}
	return h, nil
}

// recordSize is how many bytes of a pack a record has.
func recordSize(payload uint32) int64 {
	return recordHeaderSize + int64(payload) + tableSize(int64(payload))
}

// recordSpan is how many it takes: records are aligned.
func recordSpan(payload uint32) int64 { return alignUp(recordSize(payload)) }

// A pack that takes no more records is sealed: an index of its records is
// appended, aligned, in the order of their offsets, and a trailer that ends
// the file. An entry:
//
//	 0  4  offset of the record
//	 4  4  size of its payload
//	 8  8  created, seconds since 1970
//	16  4  checksum of what stands before and the pack
//	20  4  state; not under the checksum, so that it can be changed in place
type entry struct {
	offset  uint32
	size    uint32
	created uint64
	state   uint32
}

const entryStateAt = 20

func (e entry) append(b []byte, pack packID) []byte {
	start := len(b)
	b = binary.LittleEndian.AppendUint32(b, e.offset)
	b = binary.LittleEndian.AppendUint32(b, e.size)
	b = binary.LittleEndian.AppendUint64(b, e.created)
	b = binary.LittleEndian.AppendUint32(b, checksum(b[start:])^packMix(pack))
	return binary.LittleEndian.AppendUint32(b, e.state)
}

// packMix makes an entry's checksum that of its pack.
func packMix(pack packID) uint32 { return uint32(pack) ^ uint32(pack>>32) }

func parseEntry(b []byte, pack packID) (e entry, ok bool) {
	b = b[:entrySize]
	e.offset = binary.LittleEndian.Uint32(b)
	e.size = binary.LittleEndian.Uint32(b[4:])
	e.created = binary.LittleEndian.Uint64(b[8:])
	e.state = binary.LittleEndian.Uint32(b[entryStateAt:])
	ok = checksum(b[:16])^packMix(pack) == binary.LittleEndian.Uint32(b[16:]) &&
		(e.state == stateLive || e.state == stateDead || e.state == stateLost)
	return e, ok
}

// The trailer of a sealed pack:
//
//	 0  4  magic
//	 4  1  version
//	 8  8  pack
//	16  8  offset of the index
//	24  4  number of its entries
//	32  8  how much of the pack, from its begin, holds sound records only: the
//	       rest was cut by a failed write or a crash before it was sealed
//	60  4  checksum of what stands before
type indexTrailer struct {
	pack   packID
	offset int64
	count  int
	sound  int64
}

func (t indexTrailer) append(b []byte) []byte {
	start := len(b)
	b = append(b, make([]byte, indexTrailerSize)...)
	c := b[start:]
	copy(c, indexMagic)
	c[4] = formatVersion
	binary.LittleEndian.PutUint64(c[8:], uint64(t.pack))
	binary.LittleEndian.PutUint64(c[16:], uint64(t.offset))
	binary.LittleEndian.PutUint32(c[24:], uint32(t.count))
	binary.LittleEndian.PutUint64(c[32:], uint64(t.sound))
	binary.LittleEndian.PutUint32(c[60:], checksum(c[:60]))
	return b
}

// parseIndexTrailer reads a trailer or its copy. It is not ok if b is none.
func parseIndexTrailer(b []byte, pack packID) (t indexTrailer, ok bool) {
	if string(b[:4]) != indexMagic || checksum(b[:60]) != binary.LittleEndian.Uint32(b[60:]) || b[4] != formatVersion {
		return t, false
	}
	t.pack = packID(binary.LittleEndian.Uint64(b[8:]))
	t.offset = int64(binary.LittleEndian.Uint64(b[16:]))
	t.count = int(binary.LittleEndian.Uint32(b[24:]))
	t.sound = int64(binary.LittleEndian.Uint64(b[32:]))
	return t, t.pack == pack
}

// end is where a sealed pack ends.
func (t indexTrailer) end() int64 {
	return t.offset + int64(t.count)*entrySize + indexTrailerSize
}

// A file of its own is the payload, the checksums of its blocks, four bytes
// each, and a trailer:
//
//	 0  4  magic
//	 4  1  version
//	 8  8  size of the payload
//	16  8  random part of the name
//	24  8  created, seconds since 1970
//	60  4  checksum of what stands before
func (f single) trailer() []byte {
	b := make([]byte, fileTrailerSize)
	copy(b, fileMagic)
	b[4] = formatVersion
	binary.LittleEndian.PutUint64(b[8:], uint64(f.size))
	binary.LittleEndian.PutUint64(b[16:], f.random)
	binary.LittleEndian.PutUint64(b[24:], uint64(f.created))
	binary.LittleEndian.PutUint32(b[60:], checksum(b[:60]))
	return b
}

// checkTrailer reads what must be the trailer of f.
func (f single) checkTrailer(b []byte) error {
	switch {
	case string(b[:4]) != fileMagic:
		return fmt.Errorf("no file trailer")
	case checksum(b[:60]) != binary.LittleEndian.Uint32(b[60:]):
		return fmt.Errorf("checksum of the file trailer")
	case b[4] != formatVersion:
		return fmt.Errorf("file of format %d; this program knows %d", b[4], formatVersion)
	case binary.LittleEndian.Uint64(b[8:]) != uint64(f.size) || binary.LittleEndian.Uint64(b[16:]) != f.random || binary.LittleEndian.Uint64(b[24:]) != uint64(f.created):
		return fmt.Errorf("file of another blob")
	}
	return nil
}
