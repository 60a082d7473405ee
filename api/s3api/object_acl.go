package s3api

import (
	"net/http"

	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/store"
)

// headerACL reads the ACL that the headers of a write ask for. Where the
// bucket's owner owns everything, only an ACL that changes nothing is taken.
func (d *Door) headerACL(rq *Request, b *store.Bucket, h http.Header) (r s3.ACLRegister, err error) {
	owner := rq.owner(b, r)
	a, err := rq.aclFromHeaders(h, owner, b.Owner, objectACL)
	if err != nil || a == nil {
		return r, err
	}
	if b.Ownership == ownershipEnforced {
		if !a.allowedWhenEnforced(b.Owner) {
			return r, errNoACLs
		}
		return r, nil
	}
	return d.objectACL(rq, b, owner, a)
}

// objectACL gives the register of an ACL on something that owner has, unless
// the ACL is public and that is blocked.
func (d *Door) objectACL(rq *Request, b *store.Bucket, owner string, a *acl) (r s3.ACLRegister, err error) {
	if err := d.refusePublicACL(rq, b, a); err != nil {
		return r, err
	}
	if a.canned != "" {
		r.Canned = a.canned
		return r, nil
	}
	r.Document = encodeACL(owner, a.grants)
	return r, nil
}

// getObjectACL gives a version's ACL. Where ACLs are off it shows that the
// bucket's owner may do everything, whatever was granted before.
func getObjectACL(d *Door, rq *Request) error {
	o, err := d.openVersion(rq)
	if err != nil {
		return err
	}
	defer o.Close()
	showVersionID(rq.Header(), &o.Version, o.Bucket)
	v := o.Version
	if o.Bucket.Ownership == ownershipEnforced {
		v.ACL = s3.ACLRegister{}
	}
	a, err := versionACL(&v, o.Bucket)
	if err != nil {
		return err
	}
	return rq.answerACL(a)
}

// putObjectACL replaces a version's ACL.
func putObjectACL(d *Door, rq *Request) error {
	b, err := rq.LoadBucket()
	if err != nil {
		return err
	}
	versionID, err := rq.versionID()
	if err != nil {
		return err
	}
	o, err := d.openVersion(rq)
	if err != nil {
		return rq.onMarker(err)
	}
	owner, writer := objectOwner(&o.Version, b), o.Owner
	o.Close()
	given, err := rq.givenACL(b, owner, objectACL)
	if err != nil {
		return err
	}
	register, err := d.objectACL(rq, b, owner, given)
	if err != nil {
		return err
	}
	v, err := d.opt.Store.SetOwnACL(rq.Ctx, rq.Bucket, rq.Key, versionID, writer, register)
	return rq.changed(v, b, versionID, err)
}
