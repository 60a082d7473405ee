// Package s3api is the S3 door of one region: it takes HTTP requests apart,
// verifies who sends them, finds the operation in one table, checks that the
// bucket is this region's and that the caller may do what it asks, and lets a
// handler turn headers into a call of the store and its answer into headers and
// XML. It decides nothing about buckets and objects itself.
package s3api

import (
	"context"
	"net/http"
	"time"

	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/store"
)

// Realm is what the door asks of the realm.
type Realm interface {
	// Account gives the ID of the root account: 12 digits.
	Account() string
	// Locate gives the place of a bucket name, or false. It is asked with every
	// request for a bucket and must be quick.
	Locate(ctx context.Context, bucket string) (store.Place, bool, error)
	// Create claims the name, has local make the bucket, and confirms the claim.
	// It answers BucketAlreadyOwnedByYou or BucketAlreadyExists.
	Create(ctx context.Context, region, bucket, owner string, local func(uid s3.UID) error) error
	// Delete has local remove the bucket and gives the name back.
	Delete(ctx context.Context, region, bucket string, local func() error) error
	// Regions lists the regions of the realm.
	Regions() []string
	// Endpoint gives the host (and port) under which a region is reached.
	Endpoint(region string) string
}

// Options says what a door is made of.
type Options struct {
	Region string
	Store  *store.Store
	Realm  Realm
	Hosts  Hosts // base names for virtual-hosted style
	Strict bool  // turn Farhold's two exceptions to AWS's rules off
	Now    func() time.Time
}

// Door serves S3 for one region. It is safe for concurrent use.
type Door struct {
	opt Options
}

// New makes a door.
func New(o Options) *Door {
	return &Door{opt: o}
}

// ServeHTTP serves one request.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
}
