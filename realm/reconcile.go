package realm

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/farhold/farhold/kv"
)

// reconciledKey is the row that holds the epoch in which this region has
// compared its buckets with the names.
var reconciledKey = []byte(Prefix + "reconciled")

const fieldReconciledEpoch = 1

// reconcilePage is how many buckets are read at once.
const reconcilePage = 500

// reconcile compares this region's buckets with the tables, once after home has
// moved: the new home may not have heard of what the old one decided last. A
// bucket whose name nobody has gets it back; a name of a bucket that is gone is
// given back. A bucket whose name another has by now is told to the log: its
// data stays, and nobody can reach it by name.
func (r *Realm) reconcile(ctx context.Context) error {
	epoch := r.table.position().Epoch
	s := r.seat.Load()
	if epoch < epochTerm || epoch < s.epoch {
		return nil // home has not moved, or its tables are not here yet
	}
	r.mu.Lock()
	local, done := r.local, r.reconciled
	r.mu.Unlock()
	if local == nil || done >= epoch {
		return nil
	}
	if done, err := r.loadReconciled(ctx); err != nil || done >= epoch {
		if err == nil {
			r.noteReconciled(done)
		}
		return err
	}
	if err := r.regain(ctx, local); err != nil {
		return fmt.Errorf("realm: names of buckets after home has moved: %w", err)
	}
	if err := r.giveBack(ctx, local); err != nil {
		return fmt.Errorf("realm: names of buckets after home has moved: %w", err)
	}
	row := appendUint([]byte{recordFormat}, fieldReconciledEpoch, epoch)
	if err := r.opt.KV.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{{Key: reconciledKey, Value: row}}}); err != nil {
		return err
	}
	r.noteReconciled(epoch)
	return nil
}

func (r *Realm) noteReconciled(epoch uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reconciled = epoch
}

func (r *Realm) loadReconciled(ctx context.Context) (epoch uint64, err error) {
	snap, err := r.opt.KV.Snapshot(ctx)
	if err != nil {
		return 0, err
	}
	defer snap.Close()
	b, err := snap.Get(reconciledKey)
	if errors.Is(err, kv.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	_, err = fields(b, func(num protowire.Number, _ []byte, u uint64) (bool, error) {
		if num == fieldReconciledEpoch {
			epoch = u
		}
		return true, nil
	})
	return epoch, err
}

// regain sees to it that each bucket of this region has its name.
func (r *Realm) regain(ctx context.Context, local Local) error {
	after := ""
	for {
		page, err := local.Buckets(ctx, after, reconcilePage)
		if err != nil {
			return err
		}
		for _, b := range page {
			after = b.Name
			if err := r.regainOne(ctx, b); err != nil {
				return err
			}
		}
		if len(page) < reconcilePage {
			return nil
		}
	}
}

func (r *Realm) regainOne(ctx context.Context, b LocalBucket) error {
	if n, ok := r.table.name(b.Name); ok && !n.pending && n.main() == (bucketPlace{r.opt.Region, b.UID}) {
		return nil
	}
	if !r.begin(b.Name, "") {
		return nil // it is being made or deleted, which settles its name
	}
	defer r.end(b.Name)
	if uid, err := r.uidHere(ctx, b.Name); err != nil || uid != b.UID {
		return err
	}
	var held *heldError
	err := r.claim(ctx, b.Name, b.UID, b.Owner)
	if errors.As(err, &held) {
		r.opt.Log.Error("a bucket of this region has lost its name: home had moved before it heard of it, and another bucket has the name", "bucket", b.Name, "uid", string(b.UID), "holder", held.n.main().region)
		return nil
	}
	if err != nil {
		return err
	}
	r.opt.Log.Info("a bucket of this region has its name again", "bucket", b.Name)
	return r.confirm(ctx, b.Name, b.UID)
}

// giveBack gives back names of buckets of this region that are gone.
func (r *Realm) giveBack(ctx context.Context, local Local) error {
	for name, place := range r.table.namesAt(r.opt.Region) {
		if !r.begin(name, "") {
			continue
		}
		b, _, err := local.Bucket(ctx, name)
		if err == nil && b.UID != place.uid {
			err = r.release(ctx, name, place.uid)
			r.opt.Log.Info("the name of a bucket that is gone was given back", "bucket", name)
		}
		r.end(name)
		if err != nil {
			return err
		}
	}
	return nil
}

// namesAt gives the names of buckets that a region has, as the tables know it.
// Claims that are not confirmed are left out: home settles those.
func (t *table) namesAt(region string) map[string]bucketPlace {
	t.mu.RLock()
	defer t.mu.RUnlock()
	m := map[string]bucketPlace{}
	for name, n := range t.names {
		if p := n.main(); !n.pending && p.region == region {
			m[name] = p
		}
	}
	return m
}
