package sim

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/farhold/farhold/blob/memblob"
	"github.com/farhold/farhold/kv/memkv"
	"github.com/farhold/farhold/s3model"
	"github.com/farhold/farhold/seal"
	"github.com/farhold/farhold/stamp"
	"github.com/farhold/farhold/store"
	"github.com/farhold/farhold/work"
	"github.com/farhold/farhold/work/replication"
)

// errCrashed is what every operation of an engine gives after its region was
// told to crash, until it is started again.
var errCrashed = errors.New("sim: the region crashed")

// region is one region: engines that outlive restarts, what is assembled over
// them, and the model of what it should hold.
type region struct {
	w     *world
	name  string
	kv    *memkv.Store
	blobs *memblob.Store
	key   *seal.RegionKeeper

	offset time.Duration // of its clock from the true time
	far    bool          // the clock shows a far future, to look at tasks that are not due
	fuse   int           // operations of kv until it crashes; negative: it does not
	starts uint64

	clock   *stamp.Clock
	store   *store.Store
	workers []work.Stepper
	law     *law
	// identity is in whose name work leaves the region and comes into it.
	identity *replication.Identity
	model    map[string]*s3model.Bucket
	uploads  []*openUpload
}

func newRegion(w *world, name string, seed uint64) (*region, error) {
	r := &region{w: w, name: name, fuse: -1, model: make(map[string]*s3model.Bucket)}
	var key [seal.KeySize]byte
	binary.BigEndian.PutUint64(key[:], seed)
	r.law = newLaw(r)
	keeper, err := seal.NewRegionKeeper(key[:])
	if err != nil {
		return nil, err
	}
	r.key = keeper
	r.blobs = memblob.New(memblob.Options{Seed: seed})
	r.kv = memkv.New(memkv.Conflicts(seed, w.cfg.conflicts), memkv.Faults(r.fault))
	return r, nil
}

// fault crashes the region when its fuse has burnt down.
func (r *region) fault(op memkv.Op, _ int64) memkv.Fault {
	switch {
	case r.fuse < 0:
		return memkv.Fault{}
	case r.fuse > 0:
		r.fuse--
		return memkv.Fault{}
	}
	return memkv.Fault{Err: errCrashed}
}

func (r *region) crashed() bool { return r.fuse == 0 }

// now is the region's clock.
func (r *region) now() time.Time {
	if r.far {
		return r.w.now.Add(10 * 365 * 24 * time.Hour)
	}
	return r.w.now.Add(r.offset)
}

// start assembles the region over its engines, for the first time or again.
// What was in memory is lost, the clock's reading too.
func (r *region) start(ctx context.Context) error {
	r.fuse = -1
	r.starts++
	var entropy [32]byte
	c := rand.NewPCG(r.w.opt.Seed, r.starts<<8^uint64(stamp.Tag(r.name)))
	for i := range 4 {
		binary.BigEndian.PutUint64(entropy[8*i:], c.Uint64())
	}
	r.clock = stamp.NewClock(r.name, r.now, bytesReader(entropy[:]))
	mutant := r.w.opt.Mutant
	if mutant == "wall-clock" {
		r.clock.Wall, mutant = true, ""
	}
	var err error
	r.store, err = store.Open(ctx, store.Options{
		Region: r.name, KV: r.kv, Blobs: r.blobs, Keeper: r.key, Clock: r.clock, Directory: r.w.places,
		InlineMax: r.w.cfg.inlineMax, Mutant: mutant,
	})
	if err != nil {
		return err
	}
	r.identity = &replication.Identity{Region: r.name, Store: r.store, Roles: r.law, Decider: r.law, Keys: r.law, Now: r.now}
	r.workers = []work.Stepper{&replication.Resolver{Store: r.store, Directory: r.w.places, Clock: r.clock}}
	for _, to := range r.w.regions {
		link := new(replication.Link)
		for _, lane := range []store.Lane{store.LaneSmall, store.LaneLarge} {
			if lane == store.LaneLarge && !r.w.cfg.large {
				continue
			}
			for shard := range uint8(store.Shards) {
				r.workers = append(r.workers, replication.NewWorker(replication.Options{
					Region: to.name, Lane: lane, Shard: shard, Store: r.store, Identity: r.identity, Clock: r.clock, Link: link,
					Transport: &line{w: r.w, from: r},
				}))
			}
		}
	}
	return nil
}
