package replication

import (
	"encoding/binary"
	"hash"
	"io"

	"github.com/minio/crc64nvme"

	"context"
	"errors"
	"fmt"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/objectkey"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/store"
)

// departures decides for the tasks of one batch what leaves their buckets. What
// is the same for all objects of a bucket is asked once.
type departures struct {
	id *Identity
	by map[s3.UID]*departure
}

// departure is what a batch knows of one source bucket.
type departure struct {
	question
	pass Passport
	err  error // why nothing leaves the bucket now
	// list tells whether the role may list the bucket, which delete markers need;
	// nil when it was not asked yet.
	list *policy.Decision
}

// of gives what is known of a task's bucket.
func (d *departures) of(ctx context.Context, uid s3.UID) *departure {
	if x := d.by[uid]; x != nil {
		return x
	}
	x := &departure{}
	x.err = x.open(ctx, d.id, uid)
	if d.by == nil {
		d.by = make(map[s3.UID]*departure)
	}
	d.by[uid] = x
	return x
}

// open assumes the role that the bucket's configuration names at this moment.
func (x *departure) open(ctx context.Context, id *Identity, uid s3.UID) error {
	if id == nil {
		return errNoIdentity
	}
	b, err := id.Store.BucketByUID(ctx, uid)
	if errors.Is(err, store.ErrNoSuchBucket) {
		return store.ErrNoSuchVersion // and so its versions
	}
	if err != nil {
		return err
	}
	role, ok := b.ReplicationRole()
	if !ok {
		return &Refusal{SrcBucketReplicationConfigMissing, nil}
	}
	x.pass = Passport{Role: role, Account: b.Owner, Bucket: b.Name}
	x.id, x.bucket = id, b
	x.keys = &objectKeys{region: id.Region, owner: b.Owner, now: id.Now()}
	if x.caller, err = id.assume(ctx, x.pass); err != nil {
		return err
	}
	if x.terms, err = id.terms(ctx, b); err != nil {
		return err
	}
	return x.may(ctx, SrcBucketReplicationConfigMissing, "s3:GetReplicationConfiguration", "")
}

// leave decides about one version. v is what is to be shipped of it, from which
// that is taken which may stay behind; o is given what opens its key.
func (x *departure) leave(ctx context.Context, t *store.Task, o *store.Object, g *s3.Target, v *s3.Version) error {
	if x.err != nil {
		return x.err
	}
	q := x.question
	q.keys = &objectKeys{region: x.id.Region, owner: x.bucket.Owner, now: x.id.Now(), v: &o.Version, source: true}
	if err := q.mayRead(ctx, x, v); err != nil {
		return err
	}
	if err := q.mayReadSide(ctx, t, g, v); err != nil {
		return err
	}
	if t.Kind == store.KindSide || !usesKMS(v.SSE) {
		return nil
	}
	return x.id.unlock(ctx, x.caller, x.bucket, o, q.keys)
}

// mayRead asks about the version itself.
func (q *question) mayRead(ctx context.Context, x *departure, v *s3.Version) error {
	if !ownerReads(x.bucket, v, x.id.block(x.bucket, x.terms).IgnorePublicACLs) {
		return &Refusal{SrcGetObjectNotPermitted, fmt.Errorf("the owner of bucket %s may not read what account %s wrote", x.bucket.Name, v.Owner)}
	}
	const action = "s3:GetObjectVersionForReplication"
	d, err := q.ask(ctx, action, v.Key)
	if err != nil {
		return err
	}
	if !d.Allowed && !d.Explicit && !usesKMS(v.SSE) {
		// What anybody may read who may read the version, unless it takes a key.
		if d, err = q.ask(ctx, "s3:GetObjectVersion", v.Key); err != nil {
			return err
		}
	}
	if !d.Allowed {
		return q.refusal(SrcGetObjectNotPermitted, action)
	}
	if !v.Marker {
		return nil
	}
	if x.list == nil {
		d, err := x.ask(ctx, "s3:ListBucket", "")
		if err != nil {
			return err
		}
		x.list = &d
	}
	if !x.list.Allowed {
		return q.refusal(SrcHeadObjectNotPermitted, "s3:ListBucket")
	}
	return nil
}

// mayReadSide asks about the registers. Tags that may not be read stay behind
// without the version; a lock never does.
func (q *question) mayReadSide(ctx context.Context, t *store.Task, g *s3.Target, v *s3.Version) error {
	if g.Owner != "" {
		v.ACL = s3.ACLRegister{} // the replica is another's, whose ACL it is
	}
	if !v.Tags.At.IsZero() {
		d, err := q.ask(ctx, "s3:GetObjectVersionTagging", v.Key)
		if err != nil {
			return err
		}
		if !d.Allowed {
			if t.Kind == store.KindSide && t.At == v.Tags.At {
				return q.refusal(SrcGetTaggingNotPermitted, "s3:GetObjectVersionTagging")
			}
			v.Tags = s3.TagRegister{}
		}
	}
	for _, need := range []struct {
		set            bool
		reason, action string
	}{
		{!v.ACL.At.IsZero(), SrcGetACLNotPermitted, "s3:GetObjectVersionAcl"},
		{!v.Retention.At.IsZero(), SrcGetRetentionNotPermitted, "s3:GetObjectRetention"},
		{!v.Hold.At.IsZero(), SrcGetLegalHoldNotPermitted, "s3:GetObjectLegalHold"},
	} {
		if need.set {
			if err := q.may(ctx, need.reason, need.action, v.Key); err != nil {
				return err
			}
		}
	}
	return nil
}

// ownerReads tells whether a bucket's owner may read an object in it and its
// ACL: always, unless another account wrote it and its ACL says otherwise. What
// is granted to everybody counts unless public ACLs are ignored.
func ownerReads(b *store.Bucket, v *s3.Version, ignorePublic bool) bool {
	if v.Marker || v.Owner == "" || v.Owner == b.Owner || b.Ownership == rule.BucketOwnerEnforced {
		return true
	}
	p := rule.Principals{Owner: access.CanonicalID(v.Owner), BucketOwner: access.CanonicalID(b.Owner)}
	acl, err := aclOf(&v.ACL, p)
	if err != nil {
		return false
	}
	owner := rule.Grantee{ID: p.BucketOwner}
	return acl.Gives("READ", owner, ignorePublic) != rule.Nothing && acl.Gives("READ_ACP", owner, ignorePublic) != rule.Nothing
}

// aclOf gives the list that an object's ACL is.
func aclOf(r *s3.ACLRegister, p rule.Principals) (rule.ACL, error) {
	if len(r.Document) > 0 {
		return rule.StoredACL(r.Document)
	}
	return rule.CannedACL(r.Canned, p)
}

// unlock opens the key of an object that KMS keeps, as the role.
func (i *Identity) unlock(ctx context.Context, caller *access.Caller, b *store.Bucket, o *store.Object, keys policy.Context) error {
	if i.Keys == nil {
		return errNoIdentity
	}
	o.Use(i.Keys.Open(&objectkey.Want{By: i.actor(caller, keys), Bucket: b.Name, Key: o.Key, UID: b.UID, SSE: o.SSE}))
	return keyError(o.Unlock(ctx), "the source's key", SrcGetObjectNotPermitted, SrcKMSKeyInvalidState, SrcKMSKeyInvalidState)
}

// sealedBody reads the sealed bytes of an object and, behind them, the
// CRC64NVME of what was read, by which the destination knows that it got the
// same: it can open them no more than this end can.
func sealedBody(ctx context.Context, o *store.Object) (io.ReadCloser, error) {
	body, err := o.SealedBody(ctx, 0, -1)
	if err != nil {
		return nil, err
	}
	return &summed{src: body, sum: crc64nvme.New()}, nil
}

// summed reads a body and then its sum.
type summed struct {
	src  io.ReadCloser
	sum  hash.Hash64
	tail []byte // what is left of the sum
	done bool
}

// Read implements io.Reader.
func (s *summed) Read(p []byte) (int, error) {
	if !s.done {
		n, err := s.src.Read(p)
		s.sum.Write(p[:n])
		if err != io.EOF {
			return n, err
		}
		s.done, s.tail = true, binary.BigEndian.AppendUint64(nil, s.sum.Sum64())
		if n > 0 {
			return n, nil
		}
	}
	if len(s.tail) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.tail)
	s.tail = s.tail[n:]
	return n, nil
}

// Close implements io.Closer.
func (s *summed) Close() error { return s.src.Close() }
