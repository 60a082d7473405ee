package realm

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/farhold/farhold/kv"
)

// feedMax is how many entries home keeps. A follower that is further behind
// copies the tables anew.
const feedMax = 4096

// feedPage is how many entries or rows travel at once.
const feedPage = 500

// pageRoom is how many bytes of keys and rows travel at once; what was one
// commit at home may exceed it.
const pageRoom = 2 << 20

const (
	fieldEntryKind = 1
	fieldEntryKey  = 2
	fieldEntryRow  = 3

	fieldEntryMore    = 4
	fieldEntryRequest = 5
)

// encodeEntry gives an entry's value; its sequence is in its key.
func encodeEntry(e entry) []byte {
	b := []byte{recordFormat}
	b = appendUint(b, fieldEntryKind, uint64(e.Kind))
	b = appendString(b, fieldEntryKey, e.Key)
	if e.Row != nil {
		b = protowire.AppendTag(b, fieldEntryRow, protowire.BytesType)
		b = protowire.AppendBytes(b, e.Row)
	}
	if e.More {
		b = appendUint(b, fieldEntryMore, 1)
	}
	return appendString(b, fieldEntryRequest, e.Request)
}

func decodeEntry(seq uint64, b []byte) (entry, error) {
	e := entry{Seq: seq}
	_, err := fields(b, func(num protowire.Number, s []byte, u uint64) (bool, error) {
		switch num {
		case fieldEntryKind:
			e.Kind = byte(u)
		case fieldEntryKey:
			e.Key = string(s)
		case fieldEntryRow:
			e.Row = bytes.Clone(s)
			if e.Row == nil {
				e.Row = []byte{}
			}
		case fieldEntryMore:
			e.More = u != 0
		case fieldEntryRequest:
			e.Request = string(s)
		}
		return true, nil
	})
	return e, err
}

// entriesAfter reads the feed behind a position of its own epoch: as much as a
// message holds, and whole commits. It waits until they are durable: nothing is
// told that a crash could take back.
func (t *table) entriesAfter(ctx context.Context, p Position) ([]entry, error) {
	snap, err := t.kv.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	span := kv.Span{
		Low:  feedKey(Position{p.Epoch, p.Seq + 1}),
		High: feedKey(Position{p.Epoch + 1, 0}),
	}
	var list []entry
	size := 0
	for row, err := range snap.Scan(span) {
		if err != nil {
			return nil, err
		}
		seq := binary.BigEndian.Uint64(row.Key[len(row.Key)-8:])
		if seq != p.Seq+1+uint64(len(list)) {
			return nil, fmt.Errorf("%w: the feed has %d where %d must be", ErrCorrupt, seq, p.Seq+1+uint64(len(list)))
		}
		e, err := decodeEntry(seq, row.Value)
		if err != nil {
			return nil, fmt.Errorf("feed entry %d: %w", seq, err)
		}
		list, size = append(list, e), size+e.size()
		if (len(list) >= feedPage || size >= pageRoom) && !e.More {
			break
		}
	}
	return list, snap.Settled(ctx)
}
