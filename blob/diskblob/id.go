package diskblob

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/farhold/farhold/blob"
)

// A place is where a blob lies in the volume, and is spelled in its ID:
//
//	volume ".p" pack "." offset "." size           a record of a pack
//	volume ".f" folder created random "." size      a file of its own
//
// All numbers are in lower-case hex. All but the size have a fixed width, so
// that the order of IDs is that of places. The size stands there so that a
// small blob is one read, and so that a file that lost its end is known to.
//
// No ID is given twice, whatever was deleted or lost in a crash: packs and
// files have random parts in their names, and a pack never writes a second
// record to an offset.
type place interface {
	isPlace()
}

// record is the place of a blob in a pack.
type record struct {
	pack   packID
	offset uint32 // of its header in the pack, in bytes
	size   uint32 // of the payload
}

// single is the place of a blob in a file of its own.
type single struct {
	folder  uint32 // at most folderMax
	created uint32 // seconds since 1970
	random  uint64 // 48 bits
	size    int64  // at most sizeMax
}

// packID names a pack: a count in the upper half, a random number in the
// lower, so that the name of a pack that a crash took back is not used again.
type packID uint64

const (
	folderMax  = 1<<24 - 1
	sizeMax    = 1<<48 - 1
	volumeMax  = 20 // bytes of a volume's name
	randomBits = 48
)

func (record) isPlace() {}
func (single) isPlace() {}

func (r record) id(volume string) blob.ID {
	return blob.ID(fmt.Sprintf("%s.p%016x.%08x.%x", volume, uint64(r.pack), r.offset, r.size))
}

// name is the file's name in its folder.
func (f single) name() string { return fmt.Sprintf("%08x%012x.%x", f.created, f.random, f.size) }

func (f single) id(volume string) blob.ID {
	return blob.ID(fmt.Sprintf("%s.f%06x%s", volume, f.folder, f.name()))
}

// parseID reads an ID. Only the spelling that was given out is one.
func parseID(volume string, id blob.ID) (place, bool) {
	rest, ok := strings.CutPrefix(string(id), volume+".")
	if !ok || len(rest) < 1 || len(rest) > 64 {
		return nil, false
	}
	switch kind, rest := rest[0], rest[1:]; kind {
	case 'p':
		pack, rest, ok1 := strings.Cut(rest, ".")
		offset, size, ok2 := strings.Cut(rest, ".")
		if !ok1 || !ok2 {
			return nil, false
		}
		p, ok1 := parseHex(pack, 16, 64)
		o, ok2 := parseHex(offset, 8, 32)
		n, ok3 := parseHex(size, 0, 32)
		return record{packID(p), uint32(o), uint32(n)}, ok1 && ok2 && ok3
	case 'f':
		if len(rest) < 6 {
			return nil, false
		}
		folder, ok1 := parseHex(rest[:6], 6, 24)
		f, ok2 := parseFileName(uint32(folder), rest[6:])
		return f, ok1 && ok2
	}
	return nil, false
}

// parseFileName reads the name of a file in a folder.
func parseFileName(folder uint32, name string) (single, bool) {
	front, size, ok := strings.Cut(name, ".")
	if !ok || len(front) != 20 {
		return single{}, false
	}
	created, ok1 := parseHex(front[:8], 8, 32)
	random, ok2 := parseHex(front[8:], 12, randomBits)
	n, ok3 := parseHex(size, 0, 48)
	return single{folder, uint32(created), random, int64(n)}, ok1 && ok2 && ok3
}

// parseHex reads a number of lower-case hex digits: width of them, or, for
// width 0, as many as it takes without leading zeros.
func parseHex(s string, width, bits int) (uint64, bool) {
	if width > 0 && len(s) != width || width == 0 && len(s) > 1 && s[0] == '0' {
		return 0, false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(s, 16, bits)
	return n, err == nil
}

// validVolume tells whether a name can be a volume's.
func validVolume(name string) bool {
	if len(name) == 0 || len(name) > volumeMax {
		return false
	}
	for _, c := range []byte(name) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && c != '-' {
			return false
		}
	}
	return true
}
