package realm

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/farhold/farhold/s3"
)

// Rows of the tables are a format byte and tagged fields. What a later version
// adds comes along unread: regions copy rows as they stand, and home keeps the
// fields that it does not know when it changes a row.
const recordFormat = 1

// ErrCorrupt is returned for a row that cannot be read.
var ErrCorrupt = errors.New("realm: corrupt row")

// Name is a bucket's name in the realm.
type Name struct {
	Name    string
	Region  string // where the bucket is
	UID     s3.UID
	Owner   string    // account ID
	Created time.Time // when it was claimed, by home's clock
}

// nameRow is the row behind a Name. A name maps to a set of regional buckets,
// usually one; where there are several, one of them takes the writes, and the
// epoch tells which decision about that is the latest.
type nameRow struct {
	owner       string
	pending     bool      // claimed, and not known to exist yet
	claimed     time.Time // by home's clock
	places      []bucketPlace
	writer      string // the region that takes writes
	writerEpoch uint64
	unknown     []byte
}

type bucketPlace struct {
	region string
	uid    s3.UID
}

const (
	fieldOwner       = 1
	fieldPending     = 2
	fieldClaimed     = 3 // Unix milliseconds
	fieldPlace       = 4
	fieldWriter      = 5
	fieldWriterEpoch = 6

	fieldPlaceRegion = 1
	fieldPlaceUID    = 2

	fieldEndpoint = 1
	fieldPeer     = 2

	fieldRoot = 1

	fieldHistory = 1
	fieldEpoch   = 2
	fieldSeq     = 3
	fieldOldest  = 4
)

// main gives the bucket that takes the writes.
func (n *nameRow) main() bucketPlace {
	for _, p := range n.places {
		if p.region == n.writer {
			return p
		}
	}
	if len(n.places) > 0 {
		return n.places[0]
	}
	return bucketPlace{}
}

func (n *nameRow) public(name string) Name {
	p := n.main()
	return Name{Name: name, Region: p.region, UID: p.uid, Owner: n.owner, Created: n.claimed}
}

func (n *nameRow) encode() []byte {
	b := []byte{recordFormat}
	b = appendString(b, fieldOwner, n.owner)
	if n.pending {
		b = appendUint(b, fieldPending, 1)
	}
	b = appendUint(b, fieldClaimed, uint64(n.claimed.UnixMilli()))
	for _, p := range n.places {
		m := appendString(nil, fieldPlaceRegion, p.region)
		m = appendString(m, fieldPlaceUID, string(p.uid))
		b = protowire.AppendTag(b, fieldPlace, protowire.BytesType)
		b = protowire.AppendBytes(b, m)
	}
	b = appendString(b, fieldWriter, n.writer)
	b = appendUint(b, fieldWriterEpoch, n.writerEpoch)
	return append(b, n.unknown...)
}

func decodeName(b []byte) (*nameRow, error) {
	n := &nameRow{}
	unknown, err := fields(b, func(num protowire.Number, s []byte, u uint64) (bool, error) {
		switch num {
		case fieldOwner:
			n.owner = string(s)
		case fieldPending:
			n.pending = u != 0
		case fieldClaimed:
			n.claimed = time.UnixMilli(int64(u)).UTC()
		case fieldPlace:
			var p bucketPlace
			if _, err := message(s, func(num protowire.Number, s []byte, _ uint64) (bool, error) {
				switch num {
				case fieldPlaceRegion:
					p.region = string(s)
				case fieldPlaceUID:
					p.uid = s3.UID(s)
				}
				return true, nil
			}); err != nil {
				return false, err
			}
			n.places = append(n.places, p)
		case fieldWriter:
			n.writer = string(s)
		case fieldWriterEpoch:
			n.writerEpoch = u
		default:
			return false, nil
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	if len(n.places) == 0 {
		return nil, fmt.Errorf("%w: a name without a place", ErrCorrupt)
	}
	n.unknown = unknown
	return n, nil
}

func encodeRegion(i RegionInfo) []byte {
	b := []byte{recordFormat}
	b = appendString(b, fieldEndpoint, i.Endpoint)
	return appendString(b, fieldPeer, i.Peer)
}

func decodeRegion(name string, b []byte) (RegionInfo, error) {
	i := RegionInfo{Name: name}
	_, err := fields(b, func(num protowire.Number, s []byte, _ uint64) (bool, error) {
		switch num {
		case fieldEndpoint:
			i.Endpoint = string(s)
		case fieldPeer:
			i.Peer = string(s)
		}
		return true, nil
	})
	return i, err
}

func encodeAccount(root bool) []byte {
	b := []byte{recordFormat}
	if root {
		b = appendUint(b, fieldRoot, 1)
	}
	return b
}

// Position is a place in the feed: entries of a later epoch come after those of
// an earlier one. The epoch counts how often home has moved.
type Position struct{ Epoch, Seq uint64 }

// Before tells whether p lies before q.
func (p Position) Before(q Position) bool {
	return p.Epoch < q.Epoch || p.Epoch == q.Epoch && p.Seq < q.Seq
}

// head is the row that counts changes: at home of the tables, elsewhere of the
// copy.
type head struct {
	history string // 16 hex digits: which tables these are
	pos     Position
	oldest  uint64 // at home: the first entry of this epoch that the feed still has
	unknown []byte
}

func (h *head) encode() []byte {
	b := []byte{recordFormat}
	b = appendString(b, fieldHistory, h.history)
	b = appendUint(b, fieldEpoch, h.pos.Epoch)
	b = appendUint(b, fieldSeq, h.pos.Seq)
	b = appendUint(b, fieldOldest, h.oldest)
	return append(b, h.unknown...)
}

func decodeHead(b []byte) (head, error) {
	var h head
	unknown, err := fields(b, func(num protowire.Number, s []byte, u uint64) (bool, error) {
		switch num {
		case fieldHistory:
			h.history = string(s)
		case fieldEpoch:
			h.pos.Epoch = u
		case fieldSeq:
			h.pos.Seq = u
		case fieldOldest:
			h.oldest = u
		default:
			return false, nil
		}
		return true, nil
	})
	h.unknown = unknown
	return h, err
}

func appendString(b []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), s)
}

func appendUint(b []byte, num protowire.Number, u uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), u)
}

// fields reads a row. take gets each field, as bytes or as a number, and tells
// whether it knows it; those that it does not are returned as they stand.
func fields(b []byte, take func(num protowire.Number, s []byte, u uint64) (bool, error)) (unknown []byte, err error) {
	if len(b) == 0 || b[0] != recordFormat {
		return nil, fmt.Errorf("%w: format %x", ErrCorrupt, b[:min(len(b), 1)])
	}
	return message(b[1:], take)
}

func message(b []byte, take func(num protowire.Number, s []byte, u uint64) (bool, error)) (unknown []byte, err error) {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil, fmt.Errorf("%w: %v", ErrCorrupt, protowire.ParseError(n))
		}
		m := protowire.ConsumeFieldValue(num, typ, b[n:])
		if m < 0 {
			return nil, fmt.Errorf("%w: %v", ErrCorrupt, protowire.ParseError(m))
		}
		var s []byte
		var u uint64
		known := false
		switch typ {
		case protowire.BytesType:
			s, _ = protowire.ConsumeBytes(b[n:])
			known, err = take(num, s, 0)
		case protowire.VarintType:
			u, _ = protowire.ConsumeVarint(b[n:])
			known, err = take(num, nil, u)
		}
		if err != nil {
			return nil, err
		}
		if !known {
			unknown = append(unknown, b[:n+m]...)
		}
		b = b[n+m:]
	}
	return unknown, nil
}
