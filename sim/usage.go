package sim

import (
	"context"

	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/s3model"
)

// usage compares what a store says a bucket holds with what it holds.
func (w *world) usage(ctx context.Context, r *region, b *s3model.Bucket) error {
	for range 1000 {
		more, err := r.store.FoldStep(ctx)
		if err != nil {
			return w.violation("%s: fold: %v", r.name, err)
		}
		if !more {
			break
		}
	}
	bytes, versions, err := r.store.Usage(ctx, b.UID)
	wantBytes, wantVersions := b.Usage()
	if err != nil || bytes != wantBytes || versions != wantVersions {
		return w.violation("%s: usage of %s is %d bytes, %d versions, %v; want %d and %d", r.name, b.Name, bytes, versions, err, wantBytes, wantVersions)
	}
	return nil
}

// remade tells whether a destination was deleted and made again since it took
// a version: what it had went with it.
func (w *world) remade(d *s3model.Bucket, o *origin, t *s3.Target) bool {
	return o.takenBy[t.Bucket] != d.UID
}
