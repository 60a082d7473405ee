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
	"errors"
	"sync"
	"sync/atomic"

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
	// "no-outbox", "no-barrier", "no-dedupe", "no-tombstone", "no-park". Tests only.
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

// inlineMax is the default of Options.InlineMax.
const inlineMax = 16 << 10

// Store is the S3 state of one region. It is safe for concurrent use.
type Store struct {
	opt     Options
	buckets bucketCache
	latches *kv.Latches // writers of a hot key wait here rather than retry

	wakeMu sync.Mutex
	wakes  map[shardName]chan struct{}
	kicks  atomic.Uint64
	mended chan struct{}
	names  uidNames

	readers readers
	orphans orphans
	freeing pass // of SweepStep through what it frees

	done, staged pass // of SweepStep through what it forgets
}

// Open opens the state of a region: it ends the bucket deletions that a crash
// interrupted, and nothing else that would take time.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Region == "" || o.KV == nil || o.Blobs == nil || o.Keeper == nil || o.Clock == nil {
		return nil, errors.New("store: Region, KV, Blobs, Keeper and Clock must be given")
	}
	if o.InlineMax == 0 {
		o.InlineMax = inlineMax
	}
	s := &Store{opt: o, latches: kv.NewLatches(), wakes: make(map[shardName]chan struct{}), mended: make(chan struct{}, 1)}
	s.orphans.start()
	if err := s.settleDeletions(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// shardName names a shard of a lane of a destination.
type shardName struct {
	region string
	lane   Lane
	shard  uint8
}

// Wake gives a channel that signals, as a hint, that tasks may have been added
// to a shard. It has room for one signal and one receiver. All shards of the
// tasks whose destination is not known (region "") share one.
func (s *Store) Wake(region string, lane Lane, shard uint8) <-chan struct{} {
	return s.wakeOf(shardName{region, lane, shard})
}

// Kick says that something changed that may have mended what was refused: a
// policy, a role, a key, a bucket's document. Workers try those tasks at once.
func (s *Store) Kick() {
	s.kicks.Add(1)
	s.wakeMu.Lock()
	defer s.wakeMu.Unlock()
	for _, c := range s.wakes {
		ring(c)
	}
}

// Kicks counts the calls of Kick.
func (s *Store) Kicks() uint64 { return s.kicks.Load() }

// Mend is Kick for a change that only this region knows of (a bucket's
// document, a key) and that other regions want to hear of, because it may have
// mended what they were refused here: Mended signals it too.
func (s *Store) Mend() {
	s.Kick()
	ring(s.mended)
}

// Mended gives the channel that signals Mend. It has room for one signal and
// one receiver.
func (s *Store) Mended() <-chan struct{} { return s.mended }

func ring(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (s *Store) wakeOf(n shardName) chan struct{} {
	s.wakeMu.Lock()
	defer s.wakeMu.Unlock()
	if n.region == "" {
		n = shardName{}
	}
	c := s.wakes[n]
	if c == nil {
		c = make(chan struct{}, 1)
		s.wakes[n] = c
	}
	return c
}

// wake signals that a change of v wrote tasks for its targets.
func (s *Store) wake(uid s3.UID, v *s3.Version, kind Kind) {
	if len(v.Targets) == 0 {
		return
	}
	n := shardName{lane: laneOf(v), shard: shardOf(uid, v.Key)}
	if kind == KindSide {
		n.lane = LaneSmall
	}
	for i := range v.Targets {
		if t := &v.Targets[i]; t.Open > 0 {
			n.region = t.Region
			ring(s.wakeOf(n))
		}
	}
}
