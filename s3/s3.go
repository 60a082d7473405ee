// Package s3 is the vocabulary of the store: bucket, key, version, part,
// range, checksum, storage class. It has no I/O and decides nothing that
// depends on a bucket's documents; see package rule for those.
package s3

import (
	"slices"
	"time"

	"github.com/farhold/farhold/stamp"
)

// NullVersion is the version ID of objects written without versioning.
const NullVersion = "null"

// UID identifies a bucket for ever: a bucket deleted and made again under the
// same name has another, so that it receives nothing old. 16 lower-case hex
// digits.
type UID string

// Header is a name and a value, kept in the order in which they came.
type Header struct{ Name, Value string }

// Tag is an object's tag.
type Tag struct{ Key, Value string }

// Version is one immutable version of an object, or a delete marker, with its
// mutable side data as registers that carry stamps of their own. It says
// everything that a replica must be told; where the bytes lie is the store's
// affair.
type Version struct {
	Key      string
	ID       stamp.Stamp // order and identity; the null version has one too
	Null     bool        // shown as "null"; a register that a greater stamp replaces
	Marker   bool        // a delete marker: no body, no ETag
	Modified time.Time   // the origin's wall clock, to the millisecond
	Size     int64       // bytes of plaintext
	ETag     string      // without quotes
	Checksum Checksum
	// Digest is the CRC64NVME of the plaintext, kept for every version whatever
	// checksum its client chose: replicas, scrubs and comparisons use it.
	Digest     uint64
	System     []Header // Content-Type, Cache-Control, …: canonical names
	Meta       []Header // user metadata: lower-case names without x-amz-meta-
	Class      StorageClass
	Owner      string // account ID
	SSE        SSE
	Parts      []Part // of a multipart object, in order; nil for others or when not loaded
	PartsCount int    // 0 for an object that is not multipart

	Tags      TagRegister
	Retention RetentionRegister
	Hold      HoldRegister
	ACL       ACLRegister

	Origin  string   // the region where it was made
	Replica bool     // it arrived through the peer door
	Targets []Target // what its bucket's replication rules decided, frozen at creation
}

// VersionID is how clients name the version.
func (v *Version) VersionID() string {
	if v.Null {
		return NullVersion
	}
	return v.ID.String()
}

// Part is a part of a multipart object.
type Part struct {
	Number   int
	Size     int64
	ETag     string // hex MD5, no quotes
	Checksum Checksum
	Modified time.Time
}

// SSE says how an object is encrypted at rest, as clients see it.
type SSE struct {
	Algorithm      string // AES256, aws:kms, aws:kms:dsse; for SSE-C the customer algorithm
	KeyID          string // KMS key ARN
	BucketKey      bool
	CustomerKeyMD5 string // SSE-C
}

// TagRegister holds an object's tags.
type TagRegister struct {
	At   stamp.Stamp
	Tags []Tag
}

// RetentionMode is an Object Lock mode.
type RetentionMode string

// Object Lock modes.
const (
	Governance RetentionMode = "GOVERNANCE"
	Compliance RetentionMode = "COMPLIANCE"
)

// RetentionRegister holds an object's retention; an empty Mode is none.
type RetentionRegister struct {
	At    stamp.Stamp
	Mode  RetentionMode
	Until time.Time
	// Joined tells that it was joined of what two regions made: a change that
	// one of them makes knows only its own part, and replaces it no more.
	Joined bool
}

// HoldRegister holds an object's legal hold.
type HoldRegister struct {
	At  stamp.Stamp
	On  bool
	Set bool // whether a hold was ever given: OFF and unset are told apart
	// Joined is as in RetentionRegister.
	Joined bool
}

// ACLRegister holds an object's ACL as a canned name or as a document.
type ACLRegister struct {
	At       stamp.Stamp
	Canned   string // private when empty
	Document []byte // an AccessControlPolicy where grants were given
}

// Status is a replication status as HEAD shows it.
type Status string

// Replication statuses.
const (
	Pending   Status = "PENDING"
	Completed Status = "COMPLETED"
	Failed    Status = "FAILED"
	IsReplica Status = "REPLICA"
)

// Target is a destination of a version: the decision, frozen, and how far it
// got. A change that follows (tags, lock) raises Want; the target is done when
// Done has caught up.
type Target struct {
	Rule   string       // ID of the rule that won
	Bucket string       // destination bucket's name
	UID    UID          // and its UID when the decision was made: one made anew under the name gets nothing
	Region string       // where it was when the decision was made; empty if unknown
	Class  StorageClass // of the replica; empty means the source's
	// KeyID is, of an object under SSE-KMS or DSSE-KMS, the rule's
	// ReplicaKmsKeyID: the key of the destination's region that seals the replica.
	KeyID string
	// Owner is the account that shall own the replica where the rule says so
	// (AccessControlTranslation); empty means the source object's owner.
	Owner  string
	Status Status
	Reason string      // AWS's failure reason when FAILED, or about to be
	Want   stamp.Stamp // the newest change that is to arrive
	Done   stamp.Stamp // the newest change that the destination confirmed
	Open   int         // tasks that are not settled: as many as there are outbox rows
	// Failed is how many of those the destination, or what binds the rule's
	// role, refused for a reason that can be mended: they are tried again.
	Failed int
}

// ReplicationStatus is what HEAD and GET show, or "" when the version was not
// eligible: REPLICA for a replica; FAILED if one target failed; PENDING while
// one is unfinished; COMPLETED when all are done.
func (v *Version) ReplicationStatus() Status {
	if v.Replica {
		return IsReplica
	}
	if len(v.Targets) == 0 {
		return ""
	}
	s := Completed
	for _, t := range v.Targets {
		switch t.Status {
		case Failed:
			return Failed
		case Pending:
			s = Pending
		}
	}
	return s
}

// FailureReasons are AWS's reasons of the targets that are FAILED, in the order
// of the targets and each once.
func (v *Version) FailureReasons() (reasons []string) {
	for i := range v.Targets {
		if t := &v.Targets[i]; t.Status == Failed && t.Reason != "" && !slices.Contains(reasons, t.Reason) {
			reasons = append(reasons, t.Reason)
		}
	}
	return reasons
}

// Newest is the greatest stamp of the version and its registers: what a
// destination that has all of it has caught up to.
func (v *Version) Newest() stamp.Stamp {
	n := v.ID
	for _, at := range []stamp.Stamp{v.Tags.At, v.Retention.At, v.Hold.At, v.ACL.At} {
		if stamp.Compare(at, n) > 0 {
			n = at
		}
	}
	return n
}
