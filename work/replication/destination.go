package replication

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/farhold/farhold/arn"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/objectkey"
	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/seal"
	"github.com/farhold/farhold/store"
)

// Apply hands a shipment that came from a region to the store it is for, if
// the role in whose name it comes may.
func Apply(ctx context.Context, id *Identity, from string, sh *Shipment, body io.Reader) {
	sh.Answered = true
	if sh.Err = id.Admit(ctx, from, sh); sh.Err != nil {
		return
	}
	if sh.Side != nil {
		sh.Err = id.Store.ReceiveSide(ctx, sh.Side)
		return
	}
	if sh.Ask {
		sh.Err = id.Store.WouldTake(ctx, &sh.Arrival)
		return
	}
	if sealed := sh.Arrival.Sealed; sealed != nil {
		sealed.Verify = trailer(body)
		body = io.LimitReader(body, sealed.Length())
	}
	sh.Receipt, sh.Err = id.Store.Receive(ctx, &sh.Arrival, body)
}

// Staged tells which segments of a body are here already, if it may come in.
func Staged(ctx context.Context, id *Identity, from string, sh *Shipment) ([]store.Segment, error) {
	if err := id.Admit(ctx, from, sh); err != nil {
		return nil, err
	}
	return id.Store.Staged(ctx, &sh.Arrival)
}

// Stage takes a segment of a body ahead of its version, if that may come in.
func Stage(ctx context.Context, id *Identity, from string, sh *Shipment, seg store.Segment, body io.Reader) error {
	if err := id.Admit(ctx, from, sh); err != nil {
		return err
	}
	if sh.Arrival.Sealed != nil || sh.Arrival.Version.SSE.CustomerKeyMD5 != "" {
		return ErrRefused // it comes whole
	}
	return id.Store.Stage(ctx, &sh.Arrival, seg, body)
}

// Admit decides whether a shipment may come in, and makes of it what this
// region is to keep: whose it is, under which key it lies, and without what was
// not allowed along. It is asked before any byte of a body is kept.
func (i *Identity) Admit(ctx context.Context, from string, sh *Shipment) error {
	if i == nil {
		return errNoIdentity
	}
	name, uid, v := sh.Arrival.Bucket, sh.Arrival.UID, &sh.Arrival.Version
	if sh.Side != nil {
		sh.Side.From = from
		name, uid = sh.Side.Bucket, sh.Side.UID
		v = &s3.Version{Key: sh.Side.Key, ID: sh.Side.ID, Tags: sh.Side.Tags}
	} else {
		sh.Arrival.From = from
		if v.Origin != from {
			return ErrRefused // no chains: a region speaks for itself only
		}
	}
	b, err := i.Store.Bucket(ctx, name)
	if errors.Is(err, store.ErrNoSuchBucket) || err == nil && uid != "" && b.UID != uid {
		return store.ErrDstBucketNotFound // one made anew under the name receives nothing old
	}
	if err != nil {
		return err
	}
	q := &question{id: i, bucket: b}
	if q.caller, err = i.assume(ctx, sh.Pass); err != nil {
		return err
	}
	if q.terms, err = i.terms(ctx, b); err != nil {
		return err
	}
	if sh.Side == nil && usesKMS(v.SSE) {
		if v.SSE.KeyID, err = i.replicaKey(sh.KeyID); err != nil {
			return err
		}
	}
	q.keys = &objectKeys{region: i.Region, owner: b.Owner, now: i.Now(), v: v}
	if sh.Side != nil {
		return q.admitSide(ctx, sh)
	}
	return q.admitVersion(ctx, sh)
}

// admitVersion decides about a version.
func (q *question) admitVersion(ctx context.Context, sh *Shipment) error {
	v := &sh.Arrival.Version
	if v.Marker {
		if err := q.may(ctx, DstDelObjNotPermitted, "s3:ReplicateDelete", v.Key); err != nil {
			return err
		}
	} else if err := q.may(ctx, DstPutObjectNotPermitted, "s3:ReplicateObject", v.Key); err != nil {
		return err
	}
	if err := q.owner(ctx, sh); err != nil {
		return err
	}
	stopped, err := q.stopsTags(ctx, v.Key, &v.Tags)
	if err != nil {
		return err
	}
	if stopped {
		v.Tags = s3.TagRegister{}
		sh.Stopped = true
	}
	switch {
	case v.Marker:
	case v.SSE.CustomerKeyMD5 != "":
		return q.takesCustomerKeys(sh)
	case usesKMS(v.SSE):
		return q.seal(ctx, sh)
	}
	return nil
}

// admitSide decides about a change of side data. What belongs to replicating
// the object belongs to replicating what is attached to it; tags and ACL are
// kept off where they are not wanted.
func (q *question) admitSide(ctx context.Context, sh *Shipment) error {
	a := sh.Side
	if err := q.may(ctx, DstPutObjectNotPermitted, "s3:ReplicateObject", a.Key); err != nil {
		return err
	}
	stopped, err := q.stopsTags(ctx, a.Key, &a.Tags)
	if err != nil {
		return err
	}
	if stopped {
		return q.refusal(DstPutTaggingNotPermitted, "s3:ReplicateTags")
	}
	if sh.Owner != "" || q.bucket.Ownership == rule.BucketOwnerEnforced {
		a.ACL = s3.ACLRegister{}
	}
	return q.takesACL(&a.ACL)
}

// takesACL tells whether an ACL may come in: where public ACLs are blocked, none
// that gives anything to everybody.
func (q *question) takesACL(r *s3.ACLRegister) error {
	if r.At.IsZero() {
		return nil
	}
	block := q.id.block(q.bucket, q.terms)
	acl, err := aclOf(r, rule.Principals{})
	if err != nil {
		return err
	}
	if block.BlockPublicACLs && acl.Public() {
		return &Refusal{DstPutACLNotPermitted, fmt.Errorf("bucket %s blocks public ACLs", q.bucket.Name)}
	}
	return nil
}

// owner decides whose the replica is. It is the source object's owner's, unless
// the rule or the bucket says that what is in it is its owner's; then the ACL
// stays behind too.
func (q *question) owner(ctx context.Context, sh *Shipment) error {
	v := &sh.Arrival.Version
	switch {
	case sh.Owner != "":
		if sh.Owner != q.bucket.Owner {
			return &Refusal{DstPutObjectNotPermitted, fmt.Errorf("the rule names account %s as the owner of bucket %s", sh.Owner, q.bucket.Name)}
		}
		if q.bucket.Ownership != rule.BucketOwnerEnforced && !v.Marker {
			if err := q.may(ctx, DstPutObjectNotPermitted, "s3:ObjectOwnerOverrideToBucketOwner", v.Key); err != nil {
				return err
			}
		}
	case q.bucket.Ownership != rule.BucketOwnerEnforced:
		return q.takesACL(&v.ACL)
	}
	v.Owner, v.ACL = q.bucket.Owner, s3.ACLRegister{}
	return nil
}

// stopsTags tells whether tags that come along are kept off: s3:ReplicateObject
// lets them in, unless s3:ReplicateTags is denied.
func (q *question) stopsTags(ctx context.Context, key string, r *s3.TagRegister) (bool, error) {
	if r.At.IsZero() {
		return false, nil
	}
	d, err := q.ask(ctx, "s3:ReplicateTags", key)
	return d.Explicit && !d.Allowed, err
}

// takesCustomerKeys tells whether the bucket takes objects under customers'
// keys. They come as they lie: nobody here can open them.
func (q *question) takesCustomerKeys(sh *Shipment) error {
	if sh.Arrival.Sealed == nil {
		return &Refusal{DstPutObjectNotPermitted, errors.New("an object under a customer's key does not come in the clear")}
	}
	if q.terms.blockSSEC {
		return &Refusal{DstPutObjectNotPermitted, fmt.Errorf("bucket %s blocks SSE-C", q.bucket.Name)}
	}
	return nil
}

// replicaKey gives the name by which KMS of this region is asked for the key
// that a rule wants for its replicas. An alias is one of the role's account, as
// on AWS, whatever account its ARN names.
func (i *Identity) replicaKey(keyID string) (string, error) {
	if keyID == "" {
		return "", &Refusal{DstKMSKeyNotFound, errors.New("the rule names no key")}
	}
	a, err := arn.Parse(keyID)
	if err != nil {
		return keyID, nil
	}
	if a.Service != "kms" || a.Region != i.Region {
		return "", &Refusal{DstKMSKeyNotFound, fmt.Errorf("%s is no key of region %s", keyID, i.Region)}
	}
	if strings.HasPrefix(a.Resource, "alias/") {
		return a.Resource, nil
	}
	return keyID, nil
}

// seal gives an arrival the Keeper of its key, which KMS let the role use.
func (q *question) seal(ctx context.Context, sh *Shipment) error {
	v := &sh.Arrival.Version
	if v.SSE.KeyID == "" {
		return &Refusal{DstKMSKeyNotFound, errors.New("the rule names no key")} // KMS would take its default
	}
	if q.id.Keys == nil {
		return errNoIdentity
	}
	by := q.id.actor(q.caller, q.keys)
	by.Across = q.caller.Account != q.bucket.Owner
	k, sse, err := q.id.Keys.Seal(ctx, &objectkey.Want{
		By: by, Bucket: q.bucket.Name, Key: v.Key, UID: q.bucket.UID, SSE: v.SSE, EncryptDoes: true, Again: sh.Arrival.Staged,
	})
	if err != nil {
		return dstKeyError(err)
	}
	sh.Arrival.Keeper, v.SSE = keeper{k}, sse
	return nil
}

// keeper names what KMS refuses by AWS's reasons.
type keeper struct{ seal.Keeper }

// Unwrap implements seal.Keeper.
func (k keeper) Unwrap(ctx context.Context, wrapped []byte, about map[string]string) ([]byte, error) {
	plain, err := k.Keeper.Unwrap(ctx, wrapped, about)
	return plain, dstKeyError(err)
}

// dstKeyError names what KMS of the destination says.
func dstKeyError(err error) error {
	return keyError(err, "the replica's key", DstPutObjectNotPermitted, DstKMSKeyNotFound, DstKMSKeyInvalidState)
}

// keyError names what KMS says by AWS's reasons. What it did not say, and that
// it has too much to do, is tried again.
func keyError(err error, which, denied, absent, state string) error {
	var e *awserr.Error
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &e) || throttled(e):
		return fmt.Errorf("%s: %w", which, err)
	case strings.HasPrefix(e.Code, "AccessDenied"):
		return &Refusal{denied, err}
	case strings.HasSuffix(e.Code, "NotFoundException"), strings.HasSuffix(e.Code, "InvalidArnException"):
		return &Refusal{absent, err}
	}
	return &Refusal{state, err}
}

// trailerSize is the length of what follows a sealed body: the CRC64NVME of its
// bytes as the source sent them.
const trailerSize = 8

// trailer compares a sealed body with what stands behind it.
func trailer(body io.Reader) func(digest uint64) error {
	return func(digest uint64) error {
		var b [trailerSize]byte
		if _, err := io.ReadFull(body, b[:]); err != nil {
			return err
		}
		if binary.BigEndian.Uint64(b[:]) != digest {
			return store.ErrDigest
		}
		return nil
	}
}
