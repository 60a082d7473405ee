package store

import (
	"encoding/binary"
	"encoding/hex"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/blob"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/stamp"
)

// The tables of the keyspace. docs/formats/keyspace.md describes them; the
// first byte of a key names its table.
const (
	tableBucket    = 'b' // name → bucket
	tableDocument  = 'c' // UID name 0 id → document, or a pointer to its chunks
	tableChunk     = 'C' // UID sha256 number → a piece of a large document
	tableLive      = 'l' // UID key → head: the current version, an object
	tableDead      = 'd' // UID key → head: the current version, a delete marker
	tableVersion   = 'v' // UID key 0 1 descending stamp → version
	tableInline    = 'i' // UID stamp → sealed body of a small object
	tableTombstone = 't' // UID key 0 1 descending stamp → when it was purged
	tableUpload    = 'u' // UID key 0 1 upload ID → open upload
	tableDone      = 'U' // UID upload ID → what a completed upload became
	tableRun       = 'p' // UID owner part number, sequence → where bytes of a part lie
	tableBlobRef   = 'r' // blob ID → who names it
	tableFree      = 'f' // stamp → what sweep frees
	tableOutbox    = 'o' // region 0 lane shard stamp … → task
	tableParked    = 'q' // region 0 lane shard due stamp … → task that failed and waits
	tableDelta     = '$' // UID stamp → change of usage
	tableUsage     = '%' // UID → usage
	tableDue       = 'x' // UID stamp key → a version by its time, for lifecycle
)

// uidSize is the length of a UID in keys.
const uidSize = 8

func appendUID(b []byte, uid s3.UID) []byte {
	n := len(b)
	b = append(b, make([]byte, uidSize)...)
	if m, err := hex.Decode(b[n:], []byte(uid)); err != nil || m != uidSize {
		panic("store: malformed UID " + string(uid)) // made by the realm, never by a client
	}
	return b
}

func tableKey(table byte, uid s3.UID, more int) []byte {
	return appendUID(append(make([]byte, 0, 1+uidSize+more), table), uid)
}

// appendEscaped appends a key of any bytes such that what follows cannot be
// taken for more of it and the order of keys is kept: 0 becomes 0 255, and
// 0 1 ends it.
func appendEscaped(b []byte, key string) []byte {
	for i := range len(key) {
		b = append(b, key[i])
		if key[i] == 0 {
			b = append(b, 0xff)
		}
	}
	return append(b, 0, 1)
}

// splitEscaped undoes appendEscaped: the key, and what follows it.
func splitEscaped(b []byte) (key string, rest []byte, ok bool) {
	for i := 0; i+1 < len(b); i++ {
		if b[i] != 0 {
			continue
		}
		if b[i+1] == 1 {
			return unescape(b[:i]), b[i+2:], true
		}
		i++
	}
	return "", nil, false
}

func unescape(b []byte) string {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		out = append(out, b[i])
		if b[i] == 0 {
			i++
		}
	}
	return string(out)
}

func bucketKey(name string) []byte { return append([]byte{tableBucket}, name...) }

func documentKey(uid s3.UID, doc, id string) []byte {
	k := tableKey(tableDocument, uid, len(doc)+1+len(id))
	k = append(k, doc...)
	k = append(k, 0)
	return append(k, id...)
}

func chunkKey(uid s3.UID, sum [32]byte, n int) []byte {
	k := append(tableKey(tableChunk, uid, 34), sum[:]...)
	return binary.BigEndian.AppendUint16(k, uint16(n))
}

func headKey(table byte, uid s3.UID, key string) []byte {
	return append(tableKey(table, uid, len(key)), key...)
}

func stackPrefix(table byte, uid s3.UID, key string) []byte {
	return appendEscaped(tableKey(table, uid, len(key)+2+24), key)
}

func stackKey(table byte, uid s3.UID, key string, id stamp.Stamp) []byte {
	d := id.Descending()
	return append(stackPrefix(table, uid, key), d[:]...)
}

func versionKey(uid s3.UID, key string, id stamp.Stamp) []byte {
	return stackKey(tableVersion, uid, key, id)
}

func inlineKey(uid s3.UID, id stamp.Stamp) []byte {
	return append(tableKey(tableInline, uid, 24), id[:]...)
}

func uploadKey(uid s3.UID, key string, id stamp.Stamp) []byte {
	return append(stackPrefix(tableUpload, uid, key), id[:]...)
}

func doneKey(uid s3.UID, id stamp.Stamp) []byte {
	return append(tableKey(tableDone, uid, 24), id[:]...)
}

func runPrefix(uid s3.UID, owner stamp.Stamp) []byte {
	return append(tableKey(tableRun, uid, 28), owner[:]...)
}

func runKey(uid s3.UID, owner stamp.Stamp, part, seq int) []byte {
	k := binary.BigEndian.AppendUint16(runPrefix(uid, owner), uint16(part))
	return binary.BigEndian.AppendUint16(k, uint16(seq))
}

func blobRefKey(id blob.ID) []byte { return append([]byte{tableBlobRef}, id...) }

func freeKey(at stamp.Stamp) []byte { return append([]byte{tableFree}, at[:]...) }

func deltaKey(uid s3.UID, at stamp.Stamp) []byte {
	return append(tableKey(tableDelta, uid, 24), at[:]...)
}

func usageKey(uid s3.UID) []byte { return tableKey(tableUsage, uid, 0) }

func dueKey(uid s3.UID, id stamp.Stamp, key string) []byte {
	k := append(tableKey(tableDue, uid, 24+len(key)), id[:]...)
	return append(k, key...)
}

// KeyMax is the longest object key, in bytes of UTF-8.
const KeyMax = 1024

// ErrKeyTooLong is what AWS answers for a longer key.
var ErrKeyTooLong = awserr.New("KeyTooLongError", 400, "Your key is too long")

func checkKey(key string) error {
	switch {
	case key == "":
		return awserr.ErrInvalidRequest.Text("A key must be specified.")
	case len(key) > KeyMax:
		return ErrKeyTooLong.With("Size", itoa(len(key))).With("MaxSizeAllowed", itoa(KeyMax))
	}
	return nil
}
