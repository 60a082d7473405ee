package server

import (
	"context"
	"time"

	"github.com/farhold/farhold/realm"
)

// pathVersioning is where a region tells its peers whether a bucket of its is
// versioned, which they check before they take a replication rule to it.
const pathVersioning = "/s3/v1/versioning"

const versioningTimeout = 3 * time.Second

type versioningQuestion struct {
	Bucket string `json:"bucket"`
}

type versioningAnswer struct {
	Versioning string `json:"versioning"` // as store.Bucket has it
}

func (r *Region) mountVersioning(mux *realm.PeerMux) {
	realm.Answer(mux, pathVersioning, func(ctx context.Context, _ string, q versioningQuestion) (*versioningAnswer, error) {
		b, err := r.store.Bucket(ctx, q.Bucket)
		if err != nil {
			return nil, err
		}
		return &versioningAnswer{Versioning: b.Versioning}, nil
	})
}

// versioning asks a region for the versioning state of a bucket.
func (r *Region) versioning(ctx context.Context, region, bucket string) (string, error) {
	if region == r.cfg.Region {
		b, err := r.store.Bucket(ctx, bucket)
		if err != nil {
			return "", err
		}
		return b.Versioning, nil
	}
	a, err := realm.Ask[versioningAnswer](ctx, r.peers, region, pathVersioning, versioningQuestion{bucket}, versioningTimeout)
	if err != nil {
		return "", err
	}
	return a.Versioning, nil
}
