package store

import (
	"context"

	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/stamp"
)

// SetTags replaces an object's tags; an empty list removes them.
func (s *Store) SetTags(ctx context.Context, bucket, key, versionID string, tags []s3.Tag) (*s3.Version, error) {
	return s.changeSide(ctx, bucket, key, versionID, func(b *Bucket, r *record, at stamp.Stamp) error {
		r.Tags = s3.TagRegister{At: at, Tags: tags}
		return nil
	})
}

// SetRetention changes an object's retention, if Object Lock allows it: a
// stricter one always, a weaker one of GOVERNANCE with bypass. An empty Mode
// removes it, which counts as weaker.
func (s *Store) SetRetention(ctx context.Context, bucket, key, versionID string, want s3.RetentionRegister, bypass bool) (*s3.Version, error) {
	return s.changeSide(ctx, bucket, key, versionID, func(b *Bucket, r *record, at stamp.Stamp) error {
		if !b.ObjectLock {
			return ErrLockMissing
		}
		if err := rule.CheckRetentionChange(s.opt.Clock.Now(), r.Retention, want, bypass); err != nil {
			return err
		}
		want.At = at
		r.Retention = want
		return nil
	})
}

// SetHold changes an object's legal hold.
func (s *Store) SetHold(ctx context.Context, bucket, key, versionID string, on bool) (*s3.Version, error) {
	return s.changeSide(ctx, bucket, key, versionID, func(b *Bucket, r *record, at stamp.Stamp) error {
		if !b.ObjectLock {
			return ErrLockMissing
		}
		r.Hold = s3.HoldRegister{At: at, On: on, Set: true}
		return nil
	})
}

// SetACL changes an object's ACL.
func (s *Store) SetACL(ctx context.Context, bucket, key, versionID string, acl s3.ACLRegister) (*s3.Version, error) {
	return s.changeSide(ctx, bucket, key, versionID, func(b *Bucket, r *record, at stamp.Stamp) error {
		acl.At = at
		r.ACL = acl
		return nil
	})
}

// SetOwnACL is SetACL for a version that must still be of the owner (an account
// ID, as Version.Owner has it) for whom it was decided that the ACL may change:
// what another account has written meanwhile is left alone, and the answer is
// ErrOperationAborted.
func (s *Store) SetOwnACL(ctx context.Context, bucket, key, versionID, owner string, acl s3.ACLRegister) (*s3.Version, error) {
	return s.changeSide(ctx, bucket, key, versionID, func(b *Bucket, r *record, at stamp.Stamp) error {
		if r.Owner != owner {
			return ErrOperationAborted
		}
		acl.At = at
		r.ACL = acl
		return nil
	})
}

// changeSide changes a register of a version, and writes the tasks that tell
// the destinations to which the version goes.
func (s *Store) changeSide(ctx context.Context, bucket, key, versionID string, change func(b *Bucket, r *record, at stamp.Stamp) error) (*s3.Version, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	var (
		r   *record
		uid s3.UID
	)
	err := s.update(ctx, func(tx *kv.Tx) error {
		b, err := s.writableBucket(tx, bucket)
		if err != nil {
			return err
		}
		uid = b.UID
		st, err := s.openStack(tx, b, key)
		if err != nil {
			return err
		}
		if r, err = st.find(versionID); err != nil {
			return err
		}
		switch {
		case r == nil && versionID == "":
			return notFound(key, nil)
		case r == nil:
			return ErrNoSuchVersion.With("Key", key).With("VersionId", versionID)
		case r.Marker && versionID == "":
			return notFound(key, r)
		case r.Marker:
			return isMarker(r, "PUT")
		}
		at := s.opt.Clock.Next(r.Newest())
		if err := change(b, r, at); err != nil {
			return err
		}
		for i := range r.Targets {
			t := &r.Targets[i]
			if t.Status == s3.Failed && t.Open == 0 {
				continue // what never got there, and never will, has nothing to change there
			}
			if t.Status == s3.Completed {
				t.Status = s3.Pending
			}
			t.Want = at
			t.Open++
			s.putTask(tx, b.UID, &r.Version, t, KindSide, at)
		}
		st.rewrite(r)
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.wake(uid, &r.Version, KindSide)
	return &r.Version, nil
}
