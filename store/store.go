// Package store is S3's state in one region: buckets with their documents,
// objects as stacks of versions, uploads, listings, and the replication work
// that follows from a write. Engines below it move bytes; doors above it speak
// protocols.
//
// A fact and its consequences are one transaction: the commit that writes a
// version also writes the outbox rows that its bucket's rules ask for, the
// usage delta and the due-time row. Nothing is told before it is durable.
package store

import (
	"context"
	"time"

	"github.com/farhold/farhold/blob"
	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/seal"
	"github.com/farhold/farhold/stamp"
)

// Options says what a store is made of.
type Options struct {
	Region    string // its name, such as us-east-1
	KV        kv.Store
	Blobs     blob.Store
	Keeper    seal.Keeper
	Clock     *stamp.Clock
	Directory Directory // where bucket names live; nil means nowhere but here
	// InlineMax is the size in bytes up to which bodies live in rows; 0 means
	// 16 KiB, negative none.
	InlineMax int64
	// Mutant switches one safety off, to prove that the crash tests see it:
	// "no-outbox", "no-barrier", "no-dedupe", "no-tombstone". Tests only.
	Mutant string
}

// Directory tells where in the realm a bucket lives.
type Directory interface {
	// Locate gives the place of a bucket name, or false.
	Locate(ctx context.Context, name string) (Place, bool, error)
}

// Place is where a bucket lives.
type Place struct {
	Region string
	UID    s3.UID
	Owner  string // account ID
}

// Bucket is a bucket of this region at one moment.
type Bucket struct {
	Name       string
	UID        s3.UID
	Owner      string // account ID
	Created    time.Time
	Versioning string // "", "Enabled" or "Suspended"
	ObjectLock bool
	Ownership  string   // BucketOwnerEnforced, BucketOwnerPreferred or ObjectWriter
	Revision   uint64   // grows with each change of the bucket or its documents
	Documents  []string // names (and name/id) of the documents that are set, sorted

	deleting bool
	raw      []byte
}
