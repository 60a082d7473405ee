package store

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/farhold/farhold/blob"
	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/s3/checksum"
	"github.com/farhold/farhold/stamp"
)

// Receive applies a replica: delivered at least once, effective exactly once.
//
// The version keeps its ID, its time and its registers, and takes its place in
// the stack by its stamp: it becomes current only if it is the newest. It
// creates no outbox row. Errors: ErrDstBucketNotFound, ErrDstBucketUnversioned,
// ErrDstObjectLockMissing, stamp.ErrAhead, ErrDifferent (the version is here
// with other bytes), ErrDigest (the body is not what the source said).
func (s *Store) Receive(ctx context.Context, a *Arrival, body io.Reader) (Receipt, error) {
	v := &a.Version
	if err := checkKey(v.Key); err != nil {
		return Receipt{}, err
	}
	if v.Null || v.ID.IsZero() || v.Size < 0 || v.Origin == "" {
		return Receipt{}, fmt.Errorf("%w: no version that can be a replica", s3.ErrVersionFormat)
	}
	if err := s.observe(v); err != nil {
		return Receipt{}, err
	}
	b, err := s.destination(ctx, a.Bucket, a.UID)
	if err != nil {
		return Receipt{}, err
	}
	// What is here already stays here whatever became of the bucket since: a
	// repeated arrival is told so, or its source would call it FAILED.
	if rc, ok, err := s.known(ctx, b, v); err != nil || ok {
		if err == nil && rc.Already {
			err = s.ReceiveSide(ctx, sideOf(a))
		}
		return rc, err
	}
	if err := takes(b, v); err != nil {
		return Receipt{}, err
	}
	r := &record{Version: *v}
	r.Replica, r.Targets, r.Parts = true, nil, nil
	if r.SSE.Algorithm == "" && !r.Marker {
		r.SSE.Algorithm = "AES256"
	}
	if r.Retention.Mode == "" && !r.Hold.Set && b.lock != nil && !r.Marker {
		// An object that comes without a lock gets the destination's default.
		if mode, until, ok := b.lock.Default(s.opt.Clock.Now()); ok {
			r.Retention = s3.RetentionRegister{Mode: mode, Until: until}
		}
	}
	in, err := s.takeIn(ctx, b, a, r, body)
	if err != nil {
		return Receipt{}, err
	}
	rc, err := s.apply(ctx, a.Bucket, b.UID, r, in)
	if err != nil || rc.Already || rc.Discarded {
		in.giveUp(s)
	}
	return rc, err
}

// observe takes the arrival's stamps into this region's clock, or refuses the
// arrival because one of them lies too far ahead.
func (s *Store) observe(v *s3.Version) error {
	return s.opt.Clock.Observe(v.Newest())
}

// destination finds the bucket that a replica goes to.
func (s *Store) destination(ctx context.Context, bucket string, uid s3.UID) (*Bucket, error) {
	b, err := s.Bucket(ctx, bucket)
	if errors.Is(err, ErrNoSuchBucket) || err == nil && uid != "" && b.UID != uid {
		return nil, ErrDstBucketNotFound // one made anew under the name receives nothing old
	}
	return b, err
}

// takes tells whether a bucket takes a replica that it does not have.
func takes(b *Bucket, v *s3.Version) error {
	if b.Versioning != versioningEnabled {
		return ErrDstBucketUnversioned
	}
	return keepsLock(b, v)
}

// keepsLock tells whether a bucket can keep the lock that a version comes with.
func keepsLock(b *Bucket, v *s3.Version) error {
	if (v.Retention.Mode != "" || v.Hold.On) && !b.ObjectLock {
		return ErrDstObjectLockMissing
	}
	return nil
}

// known tells whether an arrival is here already, or was purged here.
func (s *Store) known(ctx context.Context, b *Bucket, v *s3.Version) (rc Receipt, ok bool, err error) {
	err = s.view(ctx, func(snap kv.Snapshot) error {
		rc, ok, err = s.knownIn(snap, b, v)
		return err
	})
	return rc, ok, err
}

func (s *Store) knownIn(g getter, b *Bucket, v *s3.Version) (rc Receipt, ok bool, err error) {
	if s.opt.Mutant != "no-tombstone" {
		_, err = g.Get(stackKey(tableTombstone, b.UID, v.Key, v.ID))
		if err == nil {
			return Receipt{Size: v.Size, Digest: v.Digest, Discarded: true}, true, nil
		}
		if !errors.Is(err, kv.ErrNotFound) {
			return rc, false, err
		}
	}
	if s.opt.Mutant == "no-dedupe" {
		return rc, false, nil
	}
	r, err := s.readVersion(g, b.UID, v.Key, v.ID)
	if err != nil || r == nil {
		return rc, false, err
	}
	if r.Marker != v.Marker || r.Size != v.Size || r.Digest != v.Digest {
		return rc, false, fmt.Errorf("%w: %s version %s", ErrDifferent, v.Key, v.VersionID())
	}
	return Receipt{Size: r.Size, Digest: r.Digest, Already: true}, true, nil
}

// apply puts a replica into its stack, unless it came meanwhile.
func (s *Store) apply(ctx context.Context, bucket string, uid s3.UID, r *record, in *intake) (rc Receipt, err error) {
	err = s.updateStack(ctx, uid, r.Key, func(tx *kv.Tx) error {
		b, err := s.writableBucket(tx, bucket)
		if errors.Is(err, ErrNoSuchBucket) || err == nil && b.UID != uid {
			return ErrDstBucketNotFound
		}
		if err != nil {
			return err
		}
		st, err := s.openStack(tx, b, r.Key)
		if err != nil {
			return err
		}
		var ok bool
		if rc, ok, err = s.knownIn(tx, b, &r.Version); err != nil || ok {
			return err
		}
		if b.Versioning != versioningEnabled {
			return ErrDstBucketUnversioned
		}
		if !in.staged.IsZero() {
			// The segments are there as long as the staging is not given up.
			if err := staysStaged(tx, stageKey(b.UID, r.Key, r.ID), in.staged); errors.Is(err, kv.ErrNotFound) {
				return ErrNotStaged
			} else if err != nil {
				return err
			}
		}
		if s.opt.Mutant == "no-dedupe" {
			// Without identity every delivery is a new version.
			r.ID = s.opt.Clock.Next(st.after)
		}
		in.name(tx, b.UID, r)
		if err := st.insert(r); err != nil {
			return err
		}
		st.done()
		rc = Receipt{Size: r.Size, Digest: r.Digest}
		return nil
	})
	if err == nil && !rc.Already && !rc.Discarded {
		in.named(s)
	}
	return rc, err
}

// intake is a replica's body in its place, named by no version yet.
type intake struct {
	single *written    // nil when it is in runs
	runs   []*run      // written with the version
	fresh  []blob.ID   // blobs that no row names yet
	staged stamp.Stamp // owner of runs staged before
}

// takeIn reads a replica's body and puts it in its place.
func (s *Store) takeIn(ctx context.Context, b *Bucket, a *Arrival, r *record, src io.Reader) (*intake, error) {
	in := &intake{}
	v := &a.Version
	if v.Marker {
		return in, nil
	}
	if a.Staged {
		return in, s.takeStaged(ctx, b, a, r, in)
	}
	if a.Sealed != nil {
		return in, s.takeSealed(ctx, b, a, r, in, src)
	}
	bound := about(b.UID, v.Key)
	key, wrapped, err := s.newKey(ctx, a.Keeper, bound)
	if err != nil {
		return nil, err
	}
	header := func(part int) func() []byte {
		return func() []byte { return headerPayload(b.UID, v, part) }
	}
	if v.PartsCount == 0 {
		w, err := s.write(ctx, what{size: v.Size, exact: true, noMD5: true, inline: true, key: key, wrapped: wrapped, about: bound, header: header(0)}, src, nil)
		if err != nil {
			return nil, err
		}
		in.single = w
		if w.isBlob {
			in.fresh = append(in.fresh, w.blob)
		}
		if w.digest != v.Digest {
			in.giveUp(s)
			return nil, ErrDigest
		}
		w.place(&r.body, wrapped)
		return in, nil
	}
	r.body = body{kind: bodyRuns, wrapped: wrapped, owner: v.ID}
	digest := uint64(0)
	for i := range v.Parts {
		p := v.Parts[i]
		w, err := s.write(ctx, what{size: p.Size, exact: true, noMD5: true, key: key, wrapped: wrapped, about: bound, header: header(p.Number)}, io.LimitReader(src, p.Size), nil)
		if err != nil {
			in.giveUp(s)
			return nil, err
		}
		in.fresh = append(in.fresh, w.blob)
		in.runs = append(in.runs, &run{part: p, size: p.Size, digest: w.digest, stream: w.stream, blob: w.blob, head: w.head})
		digest = checksum.CombineCRC64NVME(digest, w.digest, p.Size)
	}
	if digest != v.Digest {
		in.giveUp(s)
		return nil, ErrDigest
	}
	r.body.uniform = uniformOf(in.runs)
	return in, nil
}

// uniformOf gives the size that all parts but the last have, when they are
// numbered 1, 2, 3 … and have one run each; else 0.
func uniformOf(runs []*run) int64 {
	if len(runs) == 0 {
		return 0
	}
	u := runs[0].size
	for i, r := range runs {
		if r.part.Number != i+1 || r.seq != 0 || i < len(runs)-1 && r.size != u || r.size > u {
			return 0
		}
	}
	return u
}

// name writes the rows that belong to the body.
func (in *intake) name(tx *kv.Tx, uid s3.UID, r *record) {
	switch {
	case in.single != nil && in.single.isBlob:
		tx.Put(blobRefKey(in.single.blob), blobOwner(uid, r.ID))
	case in.single != nil:
		tx.Put(inlineKey(uid, r.ID), in.single.inline)
	}
	for _, x := range in.runs {
		tx.Put(runKey(uid, r.body.owner, x.part.Number, x.seq), x.row())
		tx.Put(blobRefKey(x.blob), blobOwner(uid, r.body.owner))
	}
	if !in.staged.IsZero() {
		tx.Delete(stageKey(uid, r.Key, r.ID))
	}
}

func (in *intake) named(s *Store) {
	for _, id := range in.fresh {
		s.orphans.named(id)
	}
	in.fresh = nil
}

// giveUp frees what no version came to name. What was staged stays: it is
// freed by whoever gives the staging up.
func (in *intake) giveUp(s *Store) {
	for _, id := range in.fresh {
		s.discard(&written{isBlob: true, blob: id})
	}
	in.fresh = nil
}

func sideOf(a *Arrival) *SideArrival {
	v := &a.Version
	return &SideArrival{From: a.From, Bucket: a.Bucket, UID: a.UID, Key: v.Key, ID: v.ID, Tags: v.Tags, Retention: v.Retention, Hold: v.Hold, ACL: v.ACL}
}

// ReceiveSide merges registers into a version that is here: the newer tags and
// ACL win; retention and legal hold as mergeRetention and mergeHold say. Merging
// twice is merging once. ErrDstVersionNotFound when the version is not here.
func (s *Store) ReceiveSide(ctx context.Context, a *SideArrival) error {
	if err := checkKey(a.Key); err != nil {
		return err
	}
	v := s3.Version{ID: a.ID, Tags: a.Tags, Retention: a.Retention, Hold: a.Hold, ACL: a.ACL}
	if err := s.observe(&v); err != nil {
		return err
	}
	b, err := s.destination(ctx, a.Bucket, a.UID)
	if err != nil {
		return err
	}
	return s.update(ctx, func(tx *kv.Tx) error {
		now, err := s.writableBucket(tx, a.Bucket)
		if errors.Is(err, ErrNoSuchBucket) || err == nil && now.UID != b.UID {
			return ErrDstBucketNotFound
		}
		if err != nil {
			return err
		}
		st, err := s.openStack(tx, now, a.Key)
		if err != nil {
			return err
		}
		r, err := st.version(a.ID)
		if err != nil {
			return err
		}
		if r == nil {
			_, err := tx.Get(stackKey(tableTombstone, b.UID, a.Key, a.ID))
			if err == nil {
				return nil // purged here; there is nothing to change
			}
			if !errors.Is(err, kv.ErrNotFound) {
				return err
			}
			if err := takes(now, &v); err != nil {
				return err // what its version will be told, or was
			}
			return ErrDstVersionNotFound
		}
		if err := keepsLock(now, &v); err != nil {
			return err
		}
		if merge(r, a) {
			st.rewrite(r)
		}
		return nil
	})
}

// merge joins registers and tells whether that changed any.
func merge(r *record, a *SideArrival) (changed bool) {
	if stamp.Compare(a.Tags.At, r.Tags.At) > 0 {
		r.Tags, changed = a.Tags, true
	}
	if stamp.Compare(a.ACL.At, r.ACL.At) > 0 {
		r.ACL, changed = a.ACL, true
	}
	if m := mergeRetention(r.Retention, a.Retention); m != r.Retention {
		r.Retention, changed = m, true
	}
	if m := mergeHold(r.Hold, a.Hold); m != r.Hold {
		r.Hold, changed = m, true
	}
	return changed
}

// replaces tells whether of two changes of a register the newer simply replaces
// the older: when there is only one, or when one region made both, because it
// made the newer knowing the older, and had the right to weaken it. It knew
// nothing of what another region's change was joined into.
func replaces(here, there stamp.Stamp, joined bool) bool {
	return here.IsZero() || there.IsZero() || !joined && here.Region() == there.Region()
}

// mergeRetention takes the newer of two retentions where it replaces the older,
// and else joins them to the stricter: whoever wrote last may not have known
// what it shortens.
func mergeRetention(here, there s3.RetentionRegister) s3.RetentionRegister {
	if replaces(here.At, there.At, here.Joined) {
		if stamp.Compare(there.At, here.At) > 0 {
			return there
		}
		return here
	}
	m := rule.MergeRetention(here, there)
	m.Joined = true
	return m
}

// mergeHold does for legal holds what mergeRetention does for retentions.
func mergeHold(here, there s3.HoldRegister) s3.HoldRegister {
	if replaces(here.At, there.At, here.Joined) {
		if stamp.Compare(there.At, here.At) > 0 {
			return there
		}
		return here
	}
	m := rule.MergeHold(here, there)
	m.Joined = true
	return m
}

// WouldTake tells whether Receive would take a version, short of its body, by
// the error that it would give. Its key is made and thrown away: that tells
// what KMS says.
func (s *Store) WouldTake(ctx context.Context, a *Arrival) error {
	v := &a.Version
	if err := s.observe(v); err != nil {
		return err
	}
	b, err := s.destination(ctx, a.Bucket, a.UID)
	if err != nil {
		return err
	}
	if _, ok, err := s.known(ctx, b, v); err != nil || ok {
		return err
	}
	if err := takes(b, v); err != nil || v.Marker || a.Sealed != nil {
		return err
	}
	_, _, err = s.newKey(ctx, a.Keeper, about(b.UID, v.Key))
	return err
}
