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
	Staged(ctx context.Context, region string, a *store.Arrival) ([]store.Segment, error)
	// Stage carries a segment ahead of its version.
	Stage(ctx context.Context, region string, a *store.Arrival, seg store.Segment, body io.Reader) error
}

// Shipment is a version, or the side data of one, on its way.
type Shipment struct {
	Arrival store.Arrival      // of a version
	Side    *store.SideArrival // of side data, instead
	// Body opens the version's plaintext; nil for markers and staged bodies.
	Body func(ctx context.Context) (io.ReadCloser, error)

	Answered bool // the destination answered; Receipt or Err says what
	Receipt  store.Receipt
	Err      error
}

// Errors that a destination answers with, by the name that stands in an
// answer. Those that are a customer's to mend make an object FAILED; the others
// leave it PENDING.
var answers = []struct {
	name string
	err  error
	fail bool
}{
	{"DstBucketNotFound", store.ErrDstBucketNotFound, true},
	{"DstBucketUnversioned", store.ErrDstBucketUnversioned, true},
	{"DstBucketObjectLockConfigMissing", store.ErrDstObjectLockMissing, true},
	{"DstVersionNotFound", store.ErrDstVersionNotFound, true},
	{"DstVersionDiffers", store.ErrDifferent, true},
	{"ahead", errAhead, false},
	{"digest", store.ErrDigest, false},
	{"not-staged", store.ErrNotStaged, false},
	{"refused", ErrRefused, false},
}

// ErrRefused is answered to a region that ships what is not its own.
var ErrRefused = errors.New("replication: a region ships only versions that were made there")

// Name gives the name by which an answer carries an error, and "" for one that
// has none: the answer then carries its text.
func Name(err error) string {
	for _, a := range answers {
		if errors.Is(err, a.err) {
			return a.name
		}
	}
	return ""
}

// FromName undoes Name, or gives an error of the text.
func FromName(name, text string) error {
	for _, a := range answers {
		if a.name == name {
			return a.err
		}
	}
	if text == "" {
		text = name
	}
	return errors.New(text)
}
