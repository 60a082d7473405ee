package store

import (
	"errors"
	"fmt"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/farhold/farhold/blob"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/seal"
	"github.com/farhold/farhold/stamp"
)

// ErrCorrupt is returned for a row that cannot be read. The row is named; it is
// never taken for one that is absent.
var ErrCorrupt = errors.New("store: corrupt row")

func corrupt(key []byte, err error) error { return fmt.Errorf("%w %q: %w", ErrCorrupt, key, err) }

func itoa(n int) string { return strconv.Itoa(n) }

// rowFormat begins every row's value. A binary refuses rows of a format that it
// does not know and keeps fields that it does not know.
const rowFormat = 1

var errFormat = errors.New("written in a format that this binary does not know")

// open takes the format byte off a row.
func openRow(key, raw []byte) ([]byte, error) {
	if len(raw) == 0 || raw[0] != rowFormat {
		return nil, corrupt(key, errFormat)
	}
	return raw[1:], nil
}

// record is a version as a row: what a replica is told, where its bytes lie,
// and, in a head, what a writer of the key must know.
type record struct {
	s3.Version
	body body

	nullAt stamp.Stamp // head: the stamp of the null version, zero when there is none
	gen    uint64      // head: grows with each change of the stack

	foreign []byte // fields of a newer binary
}

// bodyKind says where a body lies.
type bodyKind uint8

const (
	bodyNone   bodyKind = iota // delete markers have none
	bodyInline                 // in a row of tableInline
	bodyBlob                   // in one blob
	bodyRuns                   // in the runs of tableRun under owner
)

// body is where a version's bytes lie and what opens them.
type body struct {
	kind    bodyKind
	wrapped []byte // the object key, wrapped
	stream  seal.StreamID
	blob    blob.ID
	head    int         // bytes of the blob before the sealed stream
	owner   stamp.Stamp // of the runs
	uniform int64       // runs: the size of each part but the last, when parts are numbered 1, 2, 3 … and have one run each; else 0
}

const (
	fieldKind protowire.Number = s3.FieldForeign + iota
	fieldWrapped
	fieldStream
	fieldBlob
	fieldHead
	fieldOwner
	fieldUniform
	fieldNullAt
	fieldGen
)

// row encodes r. A version's own row leaves out what only heads say.
func (r *record) row(head bool) []byte {
	b := make([]byte, 1, 512)
	b[0] = rowFormat
	parts := r.Parts
	r.Parts = nil // they are in the runs
	b = s3.AppendVersion(b, &r.Version)
	r.Parts = parts
	b = s3.AppendUint(b, fieldKind, uint64(r.body.kind))
	b = s3.AppendBytes(b, fieldWrapped, r.body.wrapped)
	if r.body.stream != (seal.StreamID{}) {
		b = s3.AppendBytes(b, fieldStream, r.body.stream[:])
	}
	b = s3.AppendString(b, fieldBlob, string(r.body.blob))
	b = s3.AppendUint(b, fieldHead, uint64(r.body.head))
	if !r.body.owner.IsZero() {
		b = s3.AppendBytes(b, fieldOwner, r.body.owner[:])
	}
	b = s3.AppendUint(b, fieldUniform, uint64(r.body.uniform))
	if head {
		if !r.nullAt.IsZero() {
			b = s3.AppendBytes(b, fieldNullAt, r.nullAt[:])
		}
		b = s3.AppendUint(b, fieldGen, r.gen)
	}
	return append(b, r.foreign...)
}

// parseRecord reads a row of tableVersion, tableLive or tableDead.
func parseRecord(key, raw []byte) (*record, error) {
	b, err := openRow(key, raw)
	if err != nil {
		return nil, err
	}
	r := new(record)
	r.Version, err = s3.ParseVersion(b, func(num protowire.Number, field, value []byte) error {
		_, _, n := protowire.ConsumeTag(field)
		x, _ := protowire.ConsumeVarint(field[n:])
		switch num {
		case fieldKind:
			r.body.kind = bodyKind(x)
		case fieldWrapped:
			r.body.wrapped = append([]byte(nil), value...)
		case fieldStream:
			if copy(r.body.stream[:], value) != len(r.body.stream) {
				return s3.ErrVersionFormat
			}
		case fieldBlob:
			r.body.blob = blob.ID(value)
		case fieldHead:
			r.body.head = int(x)
		case fieldOwner:
			if copy(r.body.owner[:], value) != len(r.body.owner) {
				return s3.ErrVersionFormat
			}
		case fieldUniform:
			r.body.uniform = int64(x)
		case fieldNullAt:
			if copy(r.nullAt[:], value) != len(r.nullAt) {
				return s3.ErrVersionFormat
			}
		case fieldGen:
			r.gen = x
		default:
			r.foreign = append(r.foreign, field...)
		}
		return nil
	})
	if err != nil {
		return nil, corrupt(key, err)
	}
	return r, nil
}

// run is where bytes of a part lie: a sealed stream in a blob. The first run of
// a part carries the part's own facts.
type run struct {
	part   s3.Part // Number always; the rest in sequence 0 only
	seq    int
	size   int64  // of plaintext in this run
	digest uint64 // CRC64NVME of this run's plaintext
	stream seal.StreamID
	blob   blob.ID
	head   int
}

func (r *run) row() []byte {
	b := []byte{rowFormat}
	if r.seq == 0 {
		b = s3.AppendBytes(b, 1, s3.AppendPart(nil, &r.part))
	}
	b = s3.AppendUint(b, 2, uint64(r.size))
	b = s3.AppendBytes(b, 3, r.stream[:])
	b = s3.AppendString(b, 4, string(r.blob))
	b = s3.AppendUint(b, 5, uint64(r.head))
	return s3.AppendUint(b, 6, r.digest)
}

func parseRun(key, raw []byte) (*run, error) {
	b, err := openRow(key, raw)
	if err != nil {
		return nil, err
	}
	n := len(key)
	r := &run{seq: int(key[n-2])<<8 | int(key[n-1])}
	err = s3.Fields(b, func(num protowire.Number, x uint64, raw, _ []byte) (err error) {
		switch num {
		case 1:
			r.part, err = s3.ParsePart(raw)
		case 2:
			r.size = int64(x)
		case 3:
			if copy(r.stream[:], raw) != len(r.stream) {
				err = s3.ErrVersionFormat
			}
		case 4:
			r.blob = blob.ID(raw)
		case 5:
			r.head = int(x)
		case 6:
			r.digest = x
		}
		return err
	})
	r.part.Number = int(key[n-4])<<8 | int(key[n-3])
	if err != nil {
		return nil, corrupt(key, err)
	}
	return r, nil
}
