package s3api

import (
	"net/http"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/store"
)

// getBucketACL gives the bucket's ACL. A bucket without one, or one that has no
// ACLs, shows that its owner may do everything.
func getBucketACL(d *Door, rq *Request) error {
	b, err := rq.LoadBucket()
	if err != nil {
		return err
	}
	var kept []byte
	if b.Ownership != ownershipEnforced && b.Has("acl") {
		if kept, err = d.opt.Store.Document(rq.Ctx, b, "acl", ""); err != nil {
			return err
		}
	}
	a, err := bucketACLOf(kept, b)
	if err != nil {
		return awserr.ErrInternal.Because(err)
	}
	return rq.answerACL(a)
}

// givenACL reads the ACL that a request to replace one gives: a canned one,
// grants in headers or a document; exactly one of them must be given. It is for
// something of owner, in or of the bucket b.
func (rq *Request) givenACL(b *store.Bucket, owner string, kind aclKind) (*acl, error) {
	given, err := rq.aclFromHeaders(rq.R.Header, owner, b.Owner, kind)
	if err != nil {
		return nil, err
	}
	body, err := rq.Document(aclMax)
	if err != nil {
		return nil, err
	}
	switch {
	case given != nil && len(body) > 0:
		return nil, errUnexpectedBody
	case given == nil && len(body) == 0:
		return nil, errMissingACL
	case given == nil:
		if given, err = rq.parseACL(body, owner, b.Owner); err != nil {
			return nil, err
		}
	}
	if b.Ownership == ownershipEnforced { // after what is wrong with the ACL itself
		return nil, errNoACLs
	}
	return given, nil
}

// putBucketACL replaces the bucket's ACL.
func putBucketACL(d *Door, rq *Request) error {
	b, err := rq.LoadBucket()
	if err != nil {
		return err
	}
	given, err := rq.givenACL(b, b.Owner, bucketACL)
	if err != nil {
		return err
	}
	if err := d.refusePublicACL(rq, b, given); err != nil {
		return err
	}
	doc := encodeACL(b.Owner, given.list(b.Owner, b.Owner))
	err = d.opt.Store.ChangeDocument(rq.Ctx, b.Name, "acl", "", func(b *store.Bucket, _ []byte) ([]byte, error) {
		if b.Ownership == ownershipEnforced {
			return nil, errNoACLs
		}
		return doc, nil
	})
	if err != nil {
		return err
	}
	return rq.Empty(http.StatusOK)
}
