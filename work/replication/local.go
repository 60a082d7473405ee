package replication

import (
	"context"
	"io"

	"github.com/farhold/farhold/store"
)

// Local is the Transport to buckets of the source's own region: replication
// within a region goes the same way, and is asked the same questions, without a
// line that could break.
type Local struct {
	Identity *Identity
}

// Probe always succeeds.
func (l Local) Probe(context.Context, string) error { return nil }

// Ship applies shipments one after the other.
func (l Local) Ship(ctx context.Context, region string, batch []*Shipment) error {
	for _, sh := range batch {
		l.apply(ctx, region, sh)
	}
	return nil
}

func (l Local) apply(ctx context.Context, region string, sh *Shipment) {
	sh.Answered = true
	var body io.Reader
	if sh.Body != nil {
		rc, err := sh.Body(ctx)
		if err != nil {
			sh.Err = err
			return
		}
		defer rc.Close()
		body = rc
	}
	// What the destination makes of it is nothing to the source.
	there := *sh
	if there.Side != nil {
		side := *there.Side
		there.Side = &side
	}
	Apply(ctx, l.Identity, region, &there, body)
	sh.Receipt, sh.Stopped, sh.Err = there.Receipt, there.Stopped, there.Err
}

// Staged asks the store.
func (l Local) Staged(ctx context.Context, region string, sh *Shipment) ([]store.Segment, error) {
	there := *sh
	return Staged(ctx, l.Identity, region, &there)
}

// Stage hands a segment to the store.
func (l Local) Stage(ctx context.Context, region string, sh *Shipment, seg store.Segment, body io.Reader) error {
	there := *sh
	return Stage(ctx, l.Identity, region, &there, seg, body)
}
