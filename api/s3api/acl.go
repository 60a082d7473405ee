package s3api

import (
	"net/http"
	"strings"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/store"
)

// aclMax bounds the body of PutBucketAcl and PutObjectAcl, in bytes.
const aclMax = 64 << 10

var (
	errNoACLs           = rule.ErrACLNotSupported
	errUnexpectedBody   = rule.ErrACLContent
	errMissingACL       = rule.ErrACLNothing
	errPublicACLBlocked = awserr.ErrAccessDenied.Text("Access Denied because public access control lists (ACLs) are prevented by the BlockPublicAcls setting in S3 Block Public Access.")
)

const (
	ownershipEnforced  = rule.BucketOwnerEnforced
	ownershipPreferred = rule.BucketOwnerPreferred
)

// aclKind tells what an ACL is for: log-delivery-write means nothing for an
// object.
type aclKind uint8

const (
	bucketACL aclKind = iota
	objectACL
)

// acl is an access control list as it was asked for: by a canned name or by
// grants.
type acl struct {
	canned string
	grants []rule.Grant
}

// principals says who is meant in an ACL on something that owner has in a
// bucket of bucketOwner, both accounts.
func (rq *Request) principals(owner, bucketOwner string) rule.Principals {
	p := rule.Principals{Owner: canonicalID(owner), BucketOwner: canonicalID(bucketOwner)}
	p.Known = func(id string) bool {
		if rq.Caller.Account != "" && id == canonicalID(rq.Caller.Account) {
			return true
		}
		return rq.Door.opt.KnownID != nil && rq.Door.opt.KnownID(id)
	}
	return p
}

// aclFromHeaders reads x-amz-acl and the x-amz-grant headers; nil means that
// there are none. owner is the account that owns what the ACL will be on,
// bucketOwner the one that owns the bucket.
func (rq *Request) aclFromHeaders(h http.Header, owner, bucketOwner string, kind aclKind) (*acl, error) {
	get := func(name string) string { return strings.Join(h.Values(name), ",") }
	list, canned, given, err := rule.ACLHeaders(get, rq.principals(owner, bucketOwner))
	switch {
	case err != nil:
		return nil, err
	case !given:
		return nil, nil
	case canned == "log-delivery-write" && kind == objectACL:
		return nil, rule.ErrACLCanned.With("ArgumentName", "x-amz-acl").With("ArgumentValue", canned)
	case canned != "":
		return &acl{canned: canned}, nil
	}
	return &acl{grants: list.Grants}, nil
}

// parseACL reads an AccessControlPolicy. owner is the account that owns the
// bucket or object, which the document must name.
func (rq *Request) parseACL(body []byte, owner, bucketOwner string) (*acl, error) {
	list, err := rule.ParseACL(body, rq.principals(owner, bucketOwner))
	if err != nil {
		return nil, err
	}
	return &acl{grants: list.Grants}, nil
}

// list gives the grants, canned names spelled out. object is the account that
// owns what the ACL is on, bucket that of the bucket.
func (a *acl) list(object, bucket string) []rule.Grant {
	if a.canned == "" {
		return a.grants
	}
	l, err := rule.CannedACL(a.canned, rule.Principals{Owner: canonicalID(object), BucketOwner: canonicalID(bucket)})
	if err != nil {
		return nil // never: the name was checked when it came
	}
	return l.Grants
}

// isPublic tells whether anybody, or any AWS user, is granted anything.
func (a *acl) isPublic() bool { return rule.ACL{Grants: a.list("", "")}.Public() }

// isPrivate tells whether the ACL says what a bucket or object of this owner
// says without one too: everything to its owner and nothing to others.
func (a *acl) isPrivate(owner string) bool {
	return a.canned == "private" || len(a.grants) == 1 && a.grants[0].ID == canonicalID(owner) && a.grants[0].Permission == "FULL_CONTROL"
}

// allowedWhenEnforced tells whether a write may name this ACL in a bucket whose
// owner owns everything: only what changes nothing.
func (a *acl) allowedWhenEnforced(owner string) bool {
	return a.canned == "bucket-owner-full-control" || a.canned == "" && a.isPrivate(owner)
}

// encodeACL gives the AccessControlPolicy of something that owner owns, as it
// is kept.
func encodeACL(owner string, grants []rule.Grant) []byte {
	doc, err := rule.ACL{Owner: canonicalID(owner), Grants: grants}.Render(nil)
	if err != nil {
		panic(err) // the shape of the document is ours
	}
	return doc
}

// answerACL answers with an ACL.
func (rq *Request) answerACL(a rule.ACL) error {
	doc, err := a.Render(rq.Door.opt.DisplayName)
	if err != nil {
		return err
	}
	return rq.document(http.StatusOK, doc)
}

// versionACL gives the ACL of a version, canned names spelled out.
func versionACL(v *s3.Version, b *store.Bucket) (rule.ACL, error) {
	if v.ACL.Document != nil {
		a, err := rule.StoredACL(v.ACL.Document)
		if err != nil {
			return a, awserr.ErrInternal.Because(err)
		}
		return a, nil
	}
	return rule.CannedACL(v.ACL.Canned, rule.Principals{Owner: canonicalID(objectOwner(v, b)), BucketOwner: canonicalID(b.Owner)})
}

// refusePublicACL refuses an ACL that grants to everyone while the bucket's
// public access block, or the account's, says so.
func (d *Door) refusePublicACL(rq *Request, b *store.Bucket, a *acl) error {
	if !a.isPublic() {
		return nil
	}
	s, err := d.standing(rq.Ctx, b)
	if err != nil {
		return err
	}
	if d.block(b, s).BlockPublicACLs {
		return errPublicACLBlocked
	}
	return nil
}
