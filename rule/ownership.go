package rule

import (
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/wire/restxml"
	s3shapes "github.com/farhold/farhold/wire/shapes/s3"
)

// Object ownership.
const (
	BucketOwnerEnforced  = "BucketOwnerEnforced" // ACLs are off
	BucketOwnerPreferred = "BucketOwnerPreferred"
	ObjectWriter         = "ObjectWriter"
)

// What is wrong with a change of ownership.
var (
	ErrOwnershipNotFound = awserr.New("OwnershipControlsNotFoundError", 404, "The bucket ownership controls were not found")
	ErrOwnershipACL      = awserr.New("InvalidBucketAclWithObjectOwnership", 400, "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting")
)

// ParseOwnership reads ownership controls as Check returned them. No document
// says "", which means ObjectWriter: it is what deleting the controls leaves.
func ParseOwnership(raw []byte) (string, error) {
	if raw == nil {
		return "", nil
	}
	var doc s3shapes.OwnershipControls
	if err := restxml.Decode(raw, &doc); err != nil {
		return "", err
	}
	if len(doc.Rules) != 1 {
		return "", malformed("%d ownership rules", len(doc.Rules))
	}
	return doc.Rules[0].ObjectOwnership, nil
}

// OwnershipHeader checks x-amz-object-ownership of CreateBucket; given tells
// whether the header is there at all.
func OwnershipHeader(v string, given bool) error {
	if !given || v == BucketOwnerEnforced || v == BucketOwnerPreferred || v == ObjectWriter {
		return nil
	}
	e := awserr.ErrInvalidArgument.Text("Invalid x-amz-object-ownership header: %s", v)
	return e.With("ArgumentName", "x-amz-object-ownership")
}

func checkOwnership(ctx *Context, raw []byte) ([]byte, error) {
	next, err := ParseOwnership(raw)
	if err != nil {
		return nil, err
	}
	if next == BucketOwnerEnforced {
		acl, err := ctx.current("acl")
		if err != nil {
			return nil, err
		}
		if acl != nil {
			parsed, err := StoredACL(acl)
			if err != nil {
				return nil, err
			}
			if !parsed.ownerOnly() {
				return nil, ErrOwnershipACL
			}
		}
	}
	return ownershipDocument(next)
}

func ownershipDocument(ownership string) ([]byte, error) {
	return encode(&s3shapes.OwnershipControls{Rules: []s3shapes.OwnershipControlsRule{{ObjectOwnership: ownership}}})
}

// ownershipNow answers from the bucket's state, which CreateBucket can have
// set without a document.
func ownershipNow(ctx *Context) ([]byte, error) {
	if ctx.Ownership == "" {
		return nil, ErrOwnershipNotFound
	}
	return ownershipDocument(ctx.Ownership)
}
