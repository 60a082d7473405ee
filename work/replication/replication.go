// Package replication ships what the outbox says to other regions: versions,
// delete markers and changes of side data, at least once, oldest first, each
// destination by itself.
//
// A Worker is the pure part: it reads tasks, opens versions, hands them to a
// Transport and settles what came of it. Order per key comes from stamps, not
// from the queue, so workers of different shards need not know of each other.
// COMPLETED is written only after the destination answered with the digest of
// what it stored.
package replication

import (
	"context"
	"errors"
	"io"

	"github.com/farhold/farhold/store"
)

// ErrLink says that the destination region could not be reached, or broke off:
// nothing is known of what it was sent. It is the region's trouble, not the
// object's.
var ErrLink = errors.New("replication: the destination region cannot be reached")

// Transport carries shipments to a region. Shipping twice is shipping once.
type Transport interface {
	// Probe tells whether the region answers.
	Probe(ctx context.Context, region string) error
	// Ship carries shipments, in order, and fills in what came of each. An
	// error, which wraps ErrLink, says that the line broke: shipments that are
	// not Answered have no outcome.
	Ship(ctx context.Context, region string, batch []*Shipment) error
	// Staged tells which segments of a large body the region has already.
	Staged(ctx context.Context, region string, sh *Shipment) ([]store.Segment, error)
	// Stage carries a segment ahead of its version. Several may be under way.
	Stage(ctx context.Context, region string, sh *Shipment, seg store.Segment, body io.Reader) error
}

// Shipment is a version, or the side data of one, on its way.
type Shipment struct {
	Arrival store.Arrival      // of a version
	Side    *store.SideArrival // of side data, instead
	Pass    Passport           // in whose name it comes
	KeyID   string             // of a version under KMS: the key that the rule wants for its replica
	Owner   string             // account that the rule wants to own the replica; empty: the source object's owner
	// Ask asks whether the version would be taken in, and no more: what was
	// refused once is asked about before its body travels again.
	Ask bool
	// Body opens what is shipped of the version's body: its plaintext, or for one
	// that comes sealed its sealed bytes and the trailer behind them. Nil for
	// markers, staged bodies and questions.
	Body func(ctx context.Context) (io.ReadCloser, error)

	Answered bool // the destination answered; Receipt or Err says what
	Receipt  store.Receipt
	Stopped  bool // the destination keeps tags off: it was taken without them
	Err      error
}

// Length is how many bytes Body gives.
func (sh *Shipment) Length() int64 {
	if s := sh.Arrival.Sealed; s != nil {
		return s.Length() + trailerSize
	}
	return sh.Arrival.Version.Size
}
