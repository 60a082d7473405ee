package s3api

import (
	"net/http"
	"strings"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/rule"
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

const ownershipEnforced = rule.BucketOwnerEnforced

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

// principals says who is meant in an ACL. There is one account so far, so that
// no other ID is anybody's.
func principals(owner, bucketOwner string) rule.Principals {
	return rule.Principals{
		Owner: CanonicalID(owner), BucketOwner: CanonicalID(bucketOwner),
		Known: func(string) bool { return false },
	}
}

// aclFromHeaders reads x-amz-acl and the x-amz-grant headers; nil means that
// there are none. owner is the account that owns the bucket.
func aclFromHeaders(h http.Header, owner string, kind aclKind) (*acl, error) {
	get := func(name string) string { return strings.Join(h.Values(name), ",") }
	list, canned, given, err := rule.ACLHeaders(get, principals(owner, owner))
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
func parseACL(body []byte, owner string) (*acl, error) {
	list, err := rule.ParseACL(body, principals(owner, owner))
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
	l, err := rule.CannedACL(a.canned, principals(object, bucket))
	if err != nil {
		return nil // never: the name was checked when it came
	}
	return l.Grants
}

// isPublic tells whether anybody, or any AWS user, is granted anything.
func (a *acl) isPublic() bool { return rule.ACL{Grants: a.list("", "")}.Public() }

// isPrivate tells whether the ACL says what a bucket or object without one
// says too: everything to its owner and nothing to others.
func (a *acl) isPrivate() bool {
	return a.canned == "private" || len(a.grants) == 1 && a.grants[0].ID != "" && a.grants[0].Permission == "FULL_CONTROL"
}

// allowedWhenEnforced tells whether a write may name this ACL in a bucket whose
// owner owns everything: only what changes nothing.
func (a *acl) allowedWhenEnforced() bool {
	return a.canned == "bucket-owner-full-control" || a.canned == "" && a.isPrivate()
}

// encodeACL gives the AccessControlPolicy of something that owner owns, as it
// is kept and as it is answered.
func encodeACL(owner string, grants []rule.Grant) []byte {
	doc, err := rule.ACL{Owner: CanonicalID(owner), Grants: grants}.Render()
	if err != nil {
		panic(err) // the shape of the document is ours
	}
	return doc
}

// publicACLsBlocked tells whether the bucket's public access block refuses
// ACLs that grant to everyone.
func (d *Door) publicACLsBlocked(rq *Request, b *store.Bucket) (bool, error) {
	doc, err := d.opt.Store.Document(rq.Ctx, b, "publicAccessBlock", "")
	if err != nil {
		return false, err
	}
	block, err := rule.ParsePublicAccessBlock(doc)
	return block.BlockPublicACLs, err
}
