package store

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/stamp"
)

// Put writes an object: a new version, the only one, or the null version, as
// the bucket's versioning has it. It reads body to its end; an error from body
// or Verify ends the write and nothing is kept.
func (s *Store) Put(ctx context.Context, in *PutInput, body io.Reader) (*s3.Version, error) {
	if err := checkKey(in.Key); err != nil {
		return nil, err
	}
	b, err := s.cachedBucket(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	r, err := s.newRecord(b, in)
	if err != nil {
		return nil, err
	}
	bound := about(b.UID, in.Key)
	key, wrapped, err := s.newKey(ctx, in.Keeper, bound)
	if err != nil {
		return nil, err
	}
	r.Modified = s.wallNow()
	w, err := s.write(ctx, what{
		size: in.Size, exact: true, algorithm: algorithmOf(in.Algorithm), inline: true,
		key: key, wrapped: wrapped, about: bound,
		header: func() []byte {
			r.ID = s.opt.Clock.Next(stamp.Stamp{})
			return headerPayload(b.UID, &r.Version, 0)
		},
	}, body, in.Verify)
	if err != nil {
		return nil, err
	}
	r.Size, r.Digest, r.Checksum = w.sums.Size, w.digest, w.sums.Checksum
	r.ETag = newETag(r.SSE, w.sums.MD5)
	w.place(&r.body, wrapped)

	err = s.commitVersion(ctx, in.Bucket, b.UID, r, in.If, w, nil)
	if err != nil {
		s.discard(w)
		return nil, err
	}
	return &r.Version, nil
}

// commitVersion puts a new version, whose body is in its place, into its stack
// with everything that follows from it. extra, if any, adds to the transaction.
func (s *Store) commitVersion(ctx context.Context, bucket string, uid s3.UID, r *record, cond Conditions, w *written, extra func(tx *kv.Tx, b *Bucket) error) error {
	template := *r
	err := s.updateStack(ctx, uid, r.Key, func(tx *kv.Tx) error {
		*r = template
		b, err := s.writableBucket(tx, bucket)
		if err != nil {
			return err
		}
		if b.UID != uid {
			return ErrNoSuchBucket.With("BucketName", bucket) // made anew while the body came in
		}
		st, err := s.openStack(tx, b, r.Key)
		if err != nil {
			return err
		}
		if err := cond.check(st.current()); err != nil {
			return err
		}
		if cond.overtaken(st.head) {
			return ErrConflict.With("Key", r.Key)
		}
		if err := st.heedPurged(); err != nil {
			return err
		}
		// Minted here, under the latch: a write that saw another comes after it.
		r.ID = s.opt.Clock.Next(st.after)
		r.Null = b.Versioning != versioningEnabled
		r.stampRegisters()
		if err := s.plan(ctx, tx, b, r, nil); err != nil {
			return err
		}
		if w != nil {
			if w.isBlob {
				tx.Put(blobRefKey(w.blob), blobOwner(b.UID, r.ID))
			} else {
				tx.Put(inlineKey(b.UID, r.ID), w.inline)
			}
		}
		if err := st.insert(r); err != nil {
			return err
		}
		st.done()
		if extra != nil {
			return extra(tx, b)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if w != nil && w.isBlob {
		s.orphans.named(w.blob)
	}
	s.wake(uid, &r.Version, KindVersion)
	return nil
}

// newRecord makes the version that a PutInput describes.
func (s *Store) newRecord(b *Bucket, in *PutInput) (*record, error) {
	r := &record{Version: s3.Version{
		Key: in.Key, System: in.System, Meta: in.Meta, Class: in.Class.Or(), Owner: in.Owner,
		SSE: in.SSE, ACL: in.ACL, Origin: s.opt.Region,
	}}
	if r.SSE.Algorithm == "" {
		r.SSE.Algorithm = "AES256"
	}
	r.Tags.Tags = in.Tags
	switch {
	case in.Mode != "" || in.Hold != "":
		if !b.ObjectLock {
			return nil, ErrLockMissing
		}
		r.Retention = s3.RetentionRegister{Mode: in.Mode, Until: in.Until}
		r.Hold = s3.HoldRegister{Set: in.Hold != "", On: in.Hold == "ON"}
	}
	if in.Mode == "" && b.lock != nil {
		if mode, until, ok := b.lock.Default(s.opt.Clock.Now()); ok {
			r.Retention = s3.RetentionRegister{Mode: mode, Until: until.Truncate(time.Millisecond)}
		}
	}
	return r, nil
}

// stampRegisters gives the registers that a version is born with its own stamp.
func (r *record) stampRegisters() {
	r.Tags.At, r.Retention.At, r.Hold.At, r.ACL.At = stamp.Stamp{}, stamp.Stamp{}, stamp.Stamp{}, stamp.Stamp{}
	if len(r.Tags.Tags) > 0 {
		r.Tags.At = r.ID
	}
	if r.Retention.Mode != "" {
		r.Retention.At = r.ID
	}
	if r.Hold.Set {
		r.Hold.At = r.ID
	}
	if r.ACL.Canned != "" || len(r.ACL.Document) > 0 {
		r.ACL.At = r.ID
	}
}

// check tells whether a write may go on.
func (c *Conditions) check(now *record) error {
	if c.NoneMatch && now != nil {
		return ErrPrecondition.With("Condition", "If-None-Match")
	}
	if c.Match != "" {
		if now == nil {
			return ErrNoSuchKey
		}
		if c.Match != "*" && now.ETag != strings.Trim(c.Match, `"`) {
			return ErrPrecondition.With("Condition", "If-Match")
		}
	}
	return nil
}

// any tells whether there is a condition.
func (c *Conditions) any() bool { return c.NoneMatch || c.Match != "" }

// overtaken tells whether the key has been written or got a delete marker since
// the upload in parts began that is to become its next version. A condition says
// what its sender knew then, so it does not hold any more even where it seems to.
func (c *Conditions) overtaken(head *record) bool {
	return c.any() && !c.began.IsZero() && head != nil && stamp.Compare(head.ID, c.began) > 0
}

// cachedBucket gives a bucket for what precedes a transaction that guards it.
func (s *Store) cachedBucket(ctx context.Context, name string) (*Bucket, error) {
	if b := s.buckets.get(name); b != nil && !b.deleting {
		return b, nil
	}
	return s.Bucket(ctx, name)
}

func (s *Store) wallNow() time.Time { return s.opt.Clock.Now().UTC().Truncate(time.Millisecond) }

func algorithmOf(a s3.ChecksumAlgorithm) s3.ChecksumAlgorithm {
	if a == "" {
		return s3.CRC64NVME
	}
	return a
}

func blobOwner(uid s3.UID, id stamp.Stamp) []byte {
	return append(appendUID([]byte{rowFormat}, uid), id[:]...)
}

// Delete removes an object as the bucket's versioning has it: a version that is
// named is removed for good; otherwise a versioned bucket gets a delete marker,
// and an unversioned one loses the object.
func (s *Store) Delete(ctx context.Context, in DeleteInput) (Deletion, error) {
	if err := checkKey(in.Key); err != nil {
		return Deletion{}, err
	}
	b, err := s.cachedBucket(ctx, in.Bucket)
	if err != nil {
		return Deletion{}, err
	}
	var (
		d      Deletion
		marker *s3.Version
	)
	err = s.updateStack(ctx, b.UID, in.Key, func(tx *kv.Tx) error {
		d, marker = Deletion{}, nil
		tx.Frees()
		b, err := s.writableBucket(tx, in.Bucket)
		if err != nil {
			return err
		}
		st, err := s.openStack(tx, b, in.Key)
		if err != nil {
			return err
		}
		if in.If.Match != "" {
			if err := in.If.check(st.current()); err != nil {
				return err
			}
		}
		if in.VersionID != "" {
			d, err = s.purge(tx, b, st, &in)
			return err
		}
		if !b.versioned() {
			if st.head != nil {
				if err := s.mayRemove(st.head, in.BypassGovernance); err != nil {
					return err
				}
				if err := s.overtake(tx, b.UID, in.Key); err != nil {
					return err
				}
				if err := st.remove(st.head.ID); err != nil {
					return err
				}
				st.done()
			}
			return nil
		}
		if err := st.heedPurged(); err != nil {
			return err
		}
		r := &record{Version: s3.Version{
			Key: in.Key, Marker: true, Null: b.Versioning == versioningSuspended, Owner: in.Owner,
			ID: s.opt.Clock.Next(st.after), Modified: s.wallNow(), Class: s3.Standard, Origin: s.opt.Region,
		}}
		if err := s.plan(ctx, tx, b, r, st.current()); err != nil {
			return err
		}
		if err := st.insert(r); err != nil {
			return err
		}
		st.done()
		d = Deletion{VersionID: r.VersionID(), Marker: true, Stamp: r.ID}
		marker = &r.Version
		return nil
	})
	if err != nil {
		return Deletion{}, err
	}
	if marker != nil {
		s.wake(b.UID, marker, KindVersion)
	}
	return d, nil
}

// purge removes a named version for good and leaves a tombstone where the
// version could arrive again.
func (s *Store) purge(tx *kv.Tx, b *Bucket, st *stack, in *DeleteInput) (Deletion, error) {
	d := Deletion{VersionID: in.VersionID}
	r, err := st.find(in.VersionID)
	if err != nil || r == nil {
		return d, err
	}
	if err := s.mayRemove(r, in.BypassGovernance); err != nil {
		return d, err
	}
	if err := st.remove(r.ID); err != nil {
		return d, err
	}
	if s.opt.Mutant != "no-tombstone" && (r.Replica || len(r.Targets) > 0) {
		at := s.opt.Clock.Next(st.after)
		tx.Put(stackKey(tableTombstone, b.UID, r.Key, r.ID), append([]byte{rowFormat}, at[:]...))
	}
	for i := range r.Targets {
		if t := &r.Targets[i]; t.Status == s3.Pending {
			// Where it waits parked, the worker finds the version gone.
			tx.Delete(taskKeyOf(b.UID, &r.Version, t))
		}
	}
	st.done()
	d.Marker, d.Stamp = r.Marker, r.ID
	return d, nil
}

// mayRemove tells whether Object Lock lets a version go.
func (s *Store) mayRemove(r *record, bypass bool) error {
	if r.Hold.On {
		return ErrLocked
	}
	if r.Retention.Mode != "" && s.opt.Clock.Now().Before(r.Retention.Until) {
		if r.Retention.Mode != s3.Governance || !bypass {
			return ErrLocked
		}
	}
	return nil
}

// notFound is the answer for a key whose current version is a delete marker,
// or that has none.
func notFound(key string, head *record) error {
	e := ErrNoSuchKey.With("Key", key)
	if head != nil && head.Marker {
		e = e.Header("x-amz-delete-marker", "true").Header("x-amz-version-id", head.VersionID())
	}
	return e
}

// isMarker is the answer for a delete marker asked for by its version ID.
func isMarker(r *record, method string) error {
	return awserr.ErrMethodNotAllowed.With("Method", method).With("ResourceType", "DeleteMarker").
		Header("x-amz-delete-marker", "true").Header("x-amz-version-id", r.VersionID()).
		Header("Last-Modified", r.Modified.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")).Header("Allow", "DELETE")
}
