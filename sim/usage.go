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

// swept frees what nothing names any more and checks that all blobs left are
// those of versions and open uploads.
func (w *world) swept(ctx context.Context, r *region) error {
	for _, u := range r.uploads {
		if b := r.model[u.bucket]; b != nil && b.UID == u.uid {
			if err := r.store.Abort(ctx, u.bucket, u.key, u.id); err != nil {
				return w.violation("%s: abort of %s/%s: %v", r.name, u.bucket, u.key, err)
			}
		}
	}
	if err := r.start(ctx); err != nil { // what a crash left is looked for after a start
		return w.violation("%s: restart: %v", r.name, err)
	}
	idle := 0 // a step that frees rows leaves the look for orphans to the next
	for range 1000 {
		more, err := r.store.SweepStep(ctx)
		if err != nil {
			return w.violation("%s: sweep: %v", r.name, err)
		}
		if idle++; more {
			idle = 0
		} else if idle == 2 {
			break
		}
	}
	inline := w.cfg.inlineMax
	if inline == 0 {
		inline = 16 << 10
	}
	want := 0
	for _, b := range r.model {
		for _, st := range b.Keys {
			for _, v := range st {
				switch {
				case v.Marker:
				case v.PartsCount > 0:
					want += v.PartsCount
				case v.Size > inline:
					want++
				}
			}
		}
	}
	if got := r.blobs.Len(); got != want && !w.cfg.large {
		return w.violation("%s: %d blobs, want %d", r.name, got, want)
	}
	return nil
}
