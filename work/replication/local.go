package replication

import (
	"context"
	"io"

	"github.com/farhold/farhold/store"
)

// Apply hands a shipment that came from a region to the store it is for.
func Apply(ctx context.Context, s *store.Store, from string, sh *Shipment, body io.Reader) {
	sh.Answered = true
	if sh.Side != nil {
		sh.Side.From = from
		sh.Err = s.ReceiveSide(ctx, sh.Side)
		return
	}
	sh.Arrival.From = from
	if sh.Arrival.Version.Origin != from {
		sh.Err = ErrRefused // no chains: a region speaks for itself only
		return
	}
	sh.Receipt, sh.Err = s.Receive(ctx, &sh.Arrival, body)
}

// Local is the Transport to buckets of the source's own region: replication
// within a region goes the same way, without a line that could break.
type Local struct {
	Region string
	Store  *store.Store
}

// Probe always succeeds.
func (l Local) Probe(context.Context, string) error { return nil }

// Ship applies shipments one after the other.
func (l Local) Ship(ctx context.Context, _ string, batch []*Shipment) error {
	for _, sh := range batch {
		var body io.ReadCloser
		if sh.Body != nil {
			var err error
			if body, err = sh.Body(ctx); err != nil {
				sh.Answered, sh.Err = true, err
				continue
			}
		}
		var r io.Reader
		if body != nil {
			r = body
		}
		Apply(ctx, l.Store, l.Region, sh, r)
		if body != nil {
			body.Close()
		}
	}
	return nil
}

// Staged asks the store.
func (l Local) Staged(ctx context.Context, _ string, a *store.Arrival) ([]store.Segment, error) {
	return l.Store.Staged(ctx, a)
}

// Stage hands a segment to the store.
func (l Local) Stage(ctx context.Context, _ string, a *store.Arrival, seg store.Segment, body io.Reader) error {
	return l.Store.Stage(ctx, a, seg, body)
}
