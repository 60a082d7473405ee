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

// putBucketACL replaces the bucket's ACL by a canned one, by grants in headers
// or by a document; exactly one of them must be given.
func putBucketACL(d *Door, rq *Request) error {
	b, err := rq.LoadBucket()
	if err != nil {
		return err
	}
	given, err := rq.aclFromHeaders(rq.R.Header, b.Owner, b.Owner, bucketACL)
	if err != nil {
		return err
	}
	body, err := rq.Document(aclMax)
	if err != nil {
		return err
	}
	switch {
	case given != nil && len(body) > 0:
		return errUnexpectedBody
	case given == nil && len(body) == 0:
		return errMissingACL
	case given == nil:
		if given, err = rq.parseACL(body, b.Owner, b.Owner); err != nil {
			return err
		}
	}
	if b.Ownership == ownershipEnforced { // after what is wrong with the ACL itself
		return errNoACLs
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
