package store

import (
	"context"
	"io"

	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/stamp"
)

// Open opens the state of a region.
func Open(ctx context.Context, o Options) (*Store, error) { panic("stub") }

// Store is the S3 state of one region. It is safe for concurrent use.
type Store struct{ opt Options }

// Close waits for calls under way to end. The engines stay open.
func (s *Store) Close() error { panic("stub") }

// NewBucket describes a bucket to be made.
type NewBucket struct {
	Name       string
	UID        s3.UID
	Owner      string
	ObjectLock bool   // turns versioning on as well
	Ownership  string // empty means BucketOwnerEnforced
}

// CreateBucket makes a bucket here. The realm has claimed the name before.
// Making it again with the same UID gives the one that is there.
func (s *Store) CreateBucket(ctx context.Context, n NewBucket) (*Bucket, error) { panic("stub") }

// Bucket gives a bucket, or ErrNoSuchBucket.
func (s *Store) Bucket(ctx context.Context, name string) (*Bucket, error) { panic("stub") }

// DeleteBucket removes an empty bucket, or answers ErrBucketNotEmpty.
func (s *Store) DeleteBucket(ctx context.Context, name string) error { panic("stub") }

// Buckets lists the buckets of this region by name: up to max of them (1 to
// 10,000) that begin with prefix and come after the given name.
func (s *Store) Buckets(ctx context.Context, prefix, after string, max int) (list []*Bucket, truncated bool, err error) {
	panic("stub")
}

// Document gives a bucket document as it was stored, or nil when unset. doc is
// the sub-resource's name; id tells documents apart of which a bucket can have
// several (inventory, metrics, …), else it is empty.
func (s *Store) Document(ctx context.Context, b *Bucket, doc, id string) ([]byte, error) {
	panic("stub")
}

// DocumentIDs lists the ids of the documents of one kind, in order.
func (s *Store) DocumentIDs(ctx context.Context, b *Bucket, doc string) ([]string, error) {
	panic("stub")
}

// ChangeDocument replaces a document by what change returns for it, nil
// meaning none; change sees the bucket and the present document and may be
// called several times. The documents versioning, object-lock and
// ownershipControls change the bucket itself.
func (s *Store) ChangeDocument(ctx context.Context, bucket, doc, id string, change func(b *Bucket, now []byte) ([]byte, error)) error {
	panic("stub")
}

// Put writes an object: a new version, the only one, or the null version, as
// the bucket's versioning has it. It reads body to its end; an error from body
// or Verify ends the write and nothing is kept.
func (s *Store) Put(ctx context.Context, in *PutInput, body io.Reader) (*s3.Version, error) {
	panic("stub")
}

// Object is a version that was opened. Close it.
type Object struct {
	s3.Version
	Bucket *Bucket
}

// Open finds the current version of a key, or a named one (versionID "null"
// included). A current delete marker is ErrNoSuchKey with AWS's headers, a named
// one ErrMethodNotAllowed. The answer waits until what was read is durable.
// Parts are not loaded; see Object.LoadParts.
func (s *Store) Open(ctx context.Context, bucket, key, versionID string) (*Object, error) {
	panic("stub")
}

// Body reads length bytes of plaintext from offset; length -1 means to the
// end. The reader also implements io.WriterTo.
func (o *Object) Body(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	panic("stub")
}

// LoadParts fills Version.Parts with the parts after number after, at most max.
// It tells whether more follow.
func (o *Object) LoadParts(ctx context.Context, after, max int) (more bool, err error) {
	panic("stub")
}

// PartRange gives the range of plaintext of a part (1 for an object that is not
// multipart), or false when there is no such part.
func (o *Object) PartRange(ctx context.Context, number int) (offset, length int64, ok bool, err error) {
	panic("stub")
}

// Close frees what Open holds.
func (o *Object) Close() { panic("stub") }

// Delete removes an object as the bucket's versioning has it.
func (s *Store) Delete(ctx context.Context, in DeleteInput) (Deletion, error) { panic("stub") }

// SetTags replaces an object's tags; an empty list removes them.
func (s *Store) SetTags(ctx context.Context, bucket, key, versionID string, tags []s3.Tag) (*s3.Version, error) {
	panic("stub")
}

// SetRetention changes an object's retention, if Object Lock allows it.
func (s *Store) SetRetention(ctx context.Context, bucket, key, versionID string, r s3.RetentionRegister, bypass bool) (*s3.Version, error) {
	panic("stub")
}

// SetHold changes an object's legal hold.
func (s *Store) SetHold(ctx context.Context, bucket, key, versionID string, on bool) (*s3.Version, error) {
	panic("stub")
}

// SetACL changes an object's ACL.
func (s *Store) SetACL(ctx context.Context, bucket, key, versionID string, acl s3.ACLRegister) (*s3.Version, error) {
	panic("stub")
}

// CreateUpload opens a multipart upload.
func (s *Store) CreateUpload(ctx context.Context, in *PutInput) (*Upload, error) { panic("stub") }

// Upload gives an open upload, or ErrNoSuchUpload.
func (s *Store) Upload(ctx context.Context, bucket, key, uploadID string) (*Upload, error) {
	panic("stub")
}

// UploadPart stores a part, replacing one of the same number.
func (s *Store) UploadPart(ctx context.Context, in *PartInput, body io.Reader) (*s3.Part, error) {
	panic("stub")
}

// Parts lists the parts of an open upload after a number, at most max.
func (s *Store) Parts(ctx context.Context, bucket, key, uploadID string, after, max int) (u *Upload, parts []s3.Part, more bool, err error) {
	panic("stub")
}

// Complete makes an object of the parts named. A repeated Complete of the same
// upload gives the first answer.
func (s *Store) Complete(ctx context.Context, in *CompleteInput) (*s3.Version, error) {
	panic("stub")
}

// Abort gives an upload and its parts up. It answers ErrNoSuchUpload when there
// is none.
func (s *Store) Abort(ctx context.Context, bucket, key, uploadID string) error { panic("stub") }

// List gives a page of current objects in key order.
func (s *Store) List(ctx context.Context, in ListInput) (*Page, error) { panic("stub") }

// ListVersions gives a page of versions and delete markers: by key, newest first.
func (s *Store) ListVersions(ctx context.Context, in ListVersionsInput) (*Page, error) {
	panic("stub")
}

// ListUploads gives a page of open uploads.
func (s *Store) ListUploads(ctx context.Context, in ListUploadsInput) (*UploadsPage, error) {
	panic("stub")
}

// Tasks gives up to limit tasks of one shard of a destination region that are
// due at now, oldest change first, beginning behind the task after (zero: from
// the start). next is when the earliest task that is not due yet will be.
func (s *Store) Tasks(ctx context.Context, region string, lane Lane, shard uint8, after *Task, limit int) (tasks []Task, err error) {
	panic("stub")
}

// OpenTask opens the version that a task ships, its parts loaded, after a
// barrier: nothing leaves this region that a crash could still take back.
// It returns ErrNoSuchVersion when the version is gone.
func (s *Store) OpenTask(ctx context.Context, t *Task) (*Object, error) { panic("stub") }

// Settle records how attempts ended, in one transaction where it can.
func (s *Store) Settle(ctx context.Context, outcomes []Outcome) error { panic("stub") }

// Receive applies a replica: at least once delivered, exactly once effective.
// Errors: ErrDstBucketNotFound, ErrDstBucketUnversioned,
// ErrDstObjectLockMissing, stamp.ErrAhead, ErrDifferent (the version is there
// with other bytes), ErrDigest (the body is not what the source said).
func (s *Store) Receive(ctx context.Context, a *Arrival, body io.Reader) (Receipt, error) {
	panic("stub")
}

// ReceiveSide merges registers into a version that is here. ErrDstVersionNotFound
// when it is not.
func (s *Store) ReceiveSide(ctx context.Context, a *SideArrival) error { panic("stub") }

// Stage stores a segment of a large body ahead of its arrival. Staging the same
// segment again is staging it once.
func (s *Store) Stage(ctx context.Context, a *Arrival, seg Segment, body io.Reader) error {
	panic("stub")
}

// Staged tells which segments of an arrival are here, in order of their index.
func (s *Store) Staged(ctx context.Context, a *Arrival) ([]Segment, error) { panic("stub") }

// Wake signals, as a hint, that tasks may have been added.
func (s *Store) Wake() <-chan struct{} { return s.opt.KV.Wake() }

// SweepStep frees what nothing names any more: blobs and rows of deleted
// versions, parts of given-up uploads, staged segments nobody completed, and
// blobs that a crash left. It does a bounded piece of work and tells whether
// more is waiting.
func (s *Store) SweepStep(ctx context.Context) (more bool, err error) { panic("stub") }

// FoldStep folds usage deltas into totals.
func (s *Store) FoldStep(ctx context.Context) (more bool, err error) { panic("stub") }

// Usage gives a bucket's totals: current as of the last fold plus what waits.
func (s *Store) Usage(ctx context.Context, uid s3.UID) (bytes, versions int64, err error) {
	panic("stub")
}

var _ stamp.Stamp
