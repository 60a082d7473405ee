package store

import (
	"time"

	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/seal"
	"github.com/farhold/farhold/stamp"
)

// Conditions are If-Match and If-None-Match of a write. Empty fields ask for
// nothing. ETags come without quotes.
type Conditions struct {
	Match     string // the current version's ETag must be this
	NoneMatch bool   // If-None-Match: * — there must be no current object

	began stamp.Stamp // when the upload in parts began whose Complete this is about; see overtaken
}

// Sums are what was computed over a body.
type Sums struct {
	Size     int64
	MD5      [16]byte
	Checksum s3.Checksum // of PutInput.Algorithm, full object
}

// PutInput describes an object to be written, or to be uploaded in parts.
type PutInput struct {
	Bucket, Key string
	Size        int64 // bytes of plaintext to come, or -1 when unknown
	System      []s3.Header
	Meta        []s3.Header
	Class       s3.StorageClass
	Owner       string // account ID
	Initiator   string // of an upload in parts: the ARN of who began it; empty for nobody in particular
	Tags        []s3.Tag
	Mode        s3.RetentionMode // with Until; empty takes the bucket's default
	Until       time.Time
	Hold        string // "", "ON" or "OFF"
	ACL         s3.ACLRegister
	SSE         s3.SSE // zero means AES256
	// Keeper makes the object's key; nil is the region's (SSE-S3). What it makes
	// must go with SSE. An upload's key is made when it begins.
	Keeper seal.Keeper
	// Algorithm is the checksum that is computed and kept; empty means
	// CRC64NVME, as on AWS. ChecksumType matters for uploads in parts only.
	Algorithm    s3.ChecksumAlgorithm
	ChecksumType s3.ChecksumType
	// Verify sees the sums after the last byte and before anything becomes
	// visible; its error ends the write and is returned as it is. May be nil.
	Verify func(Sums) error
	If     Conditions
}

// Sealed is a body as it lies sealed: what ships an object whose key only its
// customer has (SSE-C). Object.Sealed makes one, Object.SealedBody reads the
// bytes that go with it, and Arrival.Sealed stores both as they are. The sealed
// frames name no bucket and no region, and so open wherever they lie under the
// key that they were sealed with; the wrapped key names the object's key only.
type Sealed struct {
	Wrapped []byte // the object's key, wrapped
	// Runs are the streams, in order; their sealed bytes stand one behind the
	// other in the body.
	Runs []SealedRun
	// Verify sees the CRC64NVME of all sealed bytes after the last of them and
	// before anything becomes visible; its error ends the arrival and is returned
	// as it is. Whoever stores them can't compute the plaintext's. May be nil.
	Verify func(digest uint64) error
}

// SealedRun is a sealed stream.
type SealedRun struct {
	Part   int // number of the part that it belongs to; 0 when the object has none
	Seq    int // which of its part's runs it is, from 0; its part's facts are in Version.Parts
	Stream seal.StreamID
	Size   int64  // bytes of plaintext
	Digest uint64 // CRC64NVME of its plaintext, as the source computed it
}

// Length is how many sealed bytes a run has.
func (r *SealedRun) Length() int64 { return seal.SealedSize(r.Size) }

// Length is how many sealed bytes the body has.
func (b *Sealed) Length() (n int64) {
	for i := range b.Runs {
		n += b.Runs[i].Length()
	}
	return n
}

// Deletion says what a delete did.
type Deletion struct {
	VersionID string // of the marker made, or of the version removed; "" in an unversioned bucket
	Marker    bool   // a marker was made, or what was removed was one
	// Stamp is that of the marker made or of the version removed; zero when
	// nothing was. Clients know a null version by its name only.
	Stamp stamp.Stamp
}

// DeleteInput names what to delete: the current object, or one version.
type DeleteInput struct {
	Bucket, Key      string
	VersionID        string // empty: the current object, as versioning has it
	BypassGovernance bool
	Owner            string // account ID of the caller: owner of a marker made
	If               Conditions
}

// Upload is a multipart upload that is open.
type Upload struct {
	ID        string
	Key       string
	Initiated time.Time
	Input     PutInput // as given when it began, without the Keeper
	Bucket    *Bucket
	// Wrapped is its key as the Keeper wrapped it; must not be changed.
	Wrapped []byte
}

// PartInput describes a part.
type PartInput struct {
	Bucket, Key, UploadID string
	Number                int                  // 1 to 10,000
	Size                  int64                // or -1
	Keeper                seal.Keeper          // opens the upload's key; nil is the region's
	Algorithm             s3.ChecksumAlgorithm // what to compute besides the upload's own; empty: the upload's
	Verify                func(Sums) error
}

// CompletedPart is a part as a client lists it when it completes an upload.
type CompletedPart struct {
	Number   int
	ETag     string
	Checksum s3.Checksum // as given; zero when not
}

// CompleteInput completes an upload.
type CompleteInput struct {
	Bucket, Key, UploadID string
	Parts                 []CompletedPart
	Checksum              s3.Checksum // of the whole, when given
	ChecksumType          s3.ChecksumType
	Size                  int64 // x-amz-mp-object-size, or -1
	If                    Conditions
}

// ListInput asks for a page of current objects.
type ListInput struct {
	Bucket, Prefix, Delimiter string
	// After begins the page behind this key. When it is a common prefix of the
	// listing, everything under it is skipped.
	After string
	Max   int // keys and common prefixes together, 0 to 1,000
}

// Entry is a row of a listing. Its strings may share memory with the page.
type Entry struct {
	Key               string
	VersionID         string // listings of versions only
	Latest            bool
	Marker            bool
	null              bool
	Modified          time.Time
	ETag              string
	Size              int64
	Class             s3.StorageClass
	Owner             string
	ChecksumAlgorithm s3.ChecksumAlgorithm
	ChecksumType      s3.ChecksumType
}

// Page is a page of a listing.
type Page struct {
	Entries   []Entry
	Prefixes  []string // common prefixes, in order
	Truncated bool
	// Next is the After (or KeyMarker) of the next page: the last key or
	// common prefix of this one. Empty when not truncated.
	Next        string
	NextVersion string // listings of versions: the VersionMarker to go with Next
}

// ListVersionsInput asks for a page of versions and delete markers.
type ListVersionsInput struct {
	Bucket, Prefix, Delimiter string
	KeyMarker, VersionMarker  string
	Max                       int
}

// ListUploadsInput asks for a page of open uploads, by key and then by time.
type ListUploadsInput struct {
	Bucket, Prefix, Delimiter string
	KeyMarker, UploadMarker   string
	Max                       int
}

// UploadsPage is a page of open uploads.
type UploadsPage struct {
	Uploads             []Upload
	Prefixes            []string
	Truncated           bool
	NextKey, NextUpload string
}
