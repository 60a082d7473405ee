package store

import (
	"time"

	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/seal"
	"github.com/farhold/farhold/stamp"
)

// Kind says what a task ships.
type Kind uint8

// What a task ships: a version (object or marker) as a whole, or the side data
// of a version that is already there.
const (
	KindVersion Kind = 1
	KindSide    Kind = 2
)

// Lane separates work so that large objects do not hold up small ones.
type Lane uint8

// Lanes. LargeMin is where the large lane begins.
const (
	LaneSmall Lane = 's'
	LaneLarge Lane = 'l'
)

// LargeMin is the body size in bytes from which a version travels in the large
// lane, in segments that can resume.
const LargeMin = 8 << 20

// Shards is how many shards each lane of a destination has. A key's tasks are
// always in the same shard.
const Shards = 4

// Task is a piece of replication work: an outbox row, read.
type Task struct {
	Region string // destination region; empty when nobody knew where the destination is
	Lane   Lane
	Shard  uint8
	Kind   Kind
	UID    s3.UID // source bucket
	Key    string
	ID     stamp.Stamp
	Target string // destination bucket's name
	// TargetUID is the destination's UID when the decision was made.
	TargetUID s3.UID
	Rule      string
	Class     s3.StorageClass // of the replica; empty: the source's
	Size      int64
	Written   time.Time // when the change was made
	Attempts  int
	Reason    string      // why the last attempt failed
	Failed    bool        // the last definite answer was a refusal that can be mended: its target is FAILED
	Tried     time.Time   // the last attempt, as this region's clock had it; zero when there was none
	Due       time.Time   // not before; zero when it never failed
	At        stamp.Stamp // of the change: the version's own stamp, or the newest register's

	row []byte // the row's key
	raw []byte // and its value, to guard on
}

// Result is how an attempt ended.
type Result uint8

// Results of attempts.
const (
	ResultDone    Result = iota + 1 // the destination has it and said so
	ResultRetry                     // temporary; the task stays, PENDING, and is due later
	ResultFail                      // nothing can mend it: FAILED with AWS's reason; the task goes
	ResultGone                      // the version is no longer here; the task goes
	ResultRefused                   // the customer's own trouble, to be mended: FAILED with AWS's reason; the task stays and is due later
)

// Outcome settles a task.
type Outcome struct {
	Task   Task
	Result Result
	// Shipped is Version.Newest of what was shipped, which may be newer than the
	// task's own change. ResultDone only.
	Shipped stamp.Stamp
	Reason  string    // ResultFail, ResultRefused: AWS's reason; ResultRetry: what happened
	Due     time.Time // ResultRetry, ResultRefused: when to try again
}

// Arrival is a replica that came through the peer door.
type Arrival struct {
	From    string     // the region that sends it, as its certificate says
	Bucket  string     // destination bucket's name
	UID     s3.UID     // and its UID when the source decided; empty means any
	Version s3.Version // as at the source, with the storage class of the rule; Parts loaded
	Staged  bool       // the body was staged in segments before
	// Keeper makes the replica's key, at Stage and at Receive; nil is the region's.
	// Version.SSE says what goes with it.
	Keeper seal.Keeper
	// Sealed is set for a body that comes as it lay sealed at the source; the
	// body read is then its sealed bytes. It is not staged.
	Sealed *Sealed
}

// Receipt says what the destination holds for an arrival.
type Receipt struct {
	Size      int64
	Digest    uint64 // CRC64NVME recomputed over what was stored; of a body that came sealed, the source's
	Already   bool   // it had been there before
	Discarded bool   // it was purged here before; nothing was stored
}

// SideArrival carries the registers of a version that the destination has.
type SideArrival struct {
	From      string
	Bucket    string
	UID       s3.UID // see Arrival
	Key       string
	ID        stamp.Stamp
	Tags      s3.TagRegister
	Retention s3.RetentionRegister
	Hold      s3.HoldRegister
	ACL       s3.ACLRegister
}

// Segment is a piece of a large body on its way in: Offset and Length in the
// plaintext.
type Segment struct {
	Index          int
	Offset, Length int64
}
