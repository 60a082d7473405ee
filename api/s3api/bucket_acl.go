package s3api

import (
	"net/http"

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
	if b.Ownership != ownershipEnforced {
		if kept, err = d.opt.Store.Document(rq.Ctx, b, "acl", ""); err != nil {
			return err
		}
	}
	if kept == nil {
		kept = encodeACL(b.Owner, (&acl{canned: "private"}).list(b.Owner, b.Owner))
	}
	return rq.document(http.StatusOK, kept)
}

// putBucketACL replaces the bucket's ACL by a canned one, by grants in headers
// or by a document; exactly one of them must be given.
func putBucketACL(d *Door, rq *Request) error {
	b, err := rq.LoadBucket()
	if err != nil {
		return err
	}
	if b.Ownership == ownershipEnforced {
		return errNoACLs
	}
	given, err := aclFromHeaders(rq.R.Header, b.Owner, bucketACL)
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
		if given, err = parseACL(body, b.Owner); err != nil {
			return err
		}
	}
	if given.isPublic() {
		blocked, err := d.publicACLsBlocked(rq, b)
		if err != nil {
			return err
		}
		if blocked {
			return errPublicACLBlocked
		}
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
