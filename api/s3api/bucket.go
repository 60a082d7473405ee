package s3api

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/farhold/farhold/arn"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/realm"
	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/store"
	"github.com/farhold/farhold/wire/restxml"
	shapes "github.com/farhold/farhold/wire/shapes/s3"
)

const (
	// opCreateBucket is the one operation on a bucket that need not exist.
	opCreateBucket = "CreateBucket"
	// opBucketLocation is the one that any region answers.
	opBucketLocation = "GetBucketLocation"
)

// usEast1 is the region whose rules are older than the others': it has no
// location constraint, and making one's own bucket again is no error there.
const usEast1 = "us-east-1"

// oldEurope is the location constraint from before there were names of regions. It
// means eu-west-1, and a bucket that was made with it is said to lie there. That
// is kept as the bucket's document locationDocument.
const (
	oldEurope        = "EU"
	locationDocument = "location"
)

// bucketDocumentMax bounds the body of CreateBucket, in bytes. The tags in it
// must fit what a store takes with a new bucket.
const bucketDocumentMax = 56 << 10

var (
	errLocationIllegal    = awserr.New("IllegalLocationConstraintException", 400, "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.")
	errLocationInvalid    = awserr.New("InvalidLocationConstraint", 400, "The specified location-constraint is not valid")
	errACLWithPublicBlock = awserr.New("InvalidBucketAclWithBlockPublicAccessError", 400, "Bucket cannot have public ACLs set with BlockPublicAccess enabled")
)

// createBucket claims the name in the realm and makes the bucket, with what AWS
// gives every new bucket: no ACLs and all public access blocked. It makes it
// here, or in the region of its constraint if this is us-east-1.
func createBucket(d *Door, rq *Request) error {
	if err := checkBucketName(rq.Bucket); err != nil {
		return err
	}
	if err := mayDress(rq); err != nil {
		return err
	}
	body, err := rq.Document(bucketDocumentMax)
	if err != nil {
		return err
	}
	conf, err := decodeConfiguration(body)
	if err != nil {
		return err
	}
	if conf.Location != nil || conf.Bucket != nil {
		return awserr.ErrNotImplemented.Text("Directory buckets are not implemented")
	}
	region, err := d.checkLocation(conf.LocationConstraint)
	if err != nil {
		return err
	}
	n, err := newBucket(rq)
	if err != nil {
		return err
	}
	if len(conf.Tags) > 0 {
		if err := rq.may("s3:TagResource"); err != nil {
			return err
		}
		list := make([]s3.Tag, len(conf.Tags))
		for i, t := range conf.Tags {
			list[i] = s3.Tag(t)
		}
		if err := rule.CheckBucketTags(list); err != nil {
			return err
		}
		if n.Documents["tagging"], err = rule.RenderTagging(list); err != nil {
			return err
		}
	}
	if conf.LocationConstraint != nil && *conf.LocationConstraint == oldEurope {
		n.Documents[locationDocument] = []byte(oldEurope)
	}
	if region == d.opt.Region {
		err = d.opt.Realm.Create(rq.Ctx, d.opt.Region, rq.Bucket, rq.Caller.Account, func(uid s3.UID) error {
			n.UID = uid
			_, err := d.opt.Store.CreateBucket(rq.Ctx, n)
			return err
		})
	} else {
		err = d.opt.CreateIn(rq.Ctx, region, n)
	}
	if errors.Is(err, store.ErrBucketExists) && region == usEast1 && len(conf.Tags) == 0 {
		// us-east-1 answers a repeat with 200, and takes the bucket's ACL away. One
		// with tags would seem to have set them.
		if place, ok, lookup := d.opt.Realm.Locate(rq.Ctx, rq.Bucket); lookup == nil && ok && place.Region == d.opt.Region {
			err = d.resetACL(rq)
		}
	}
	if err != nil {
		if e := awserr.From(err); e != nil && e.Status == http.StatusConflict {
			return element(e, "BucketName", rq.Bucket)
		}
		return err
	}
	location := "/" + rq.Bucket
	if conf.LocationConstraint != nil {
		location = rq.location() // AWS's old form where a region is named
	}
	rq.Set("Location", location)
	rq.Set("X-Amz-Bucket-Arn", arn.Bucket(rq.Bucket).String())
	return rq.Empty(http.StatusOK)
}

// resetACL takes the ACL of the caller's bucket away. The bucket may have gone
// since the realm said whose it is, or be another account's by now.
func (d *Door) resetACL(rq *Request) error {
	err := d.opt.Store.ChangeDocument(rq.Ctx, rq.Bucket, "acl", "", func(b *store.Bucket, _ []byte) ([]byte, error) {
		if b.Owner != rq.Caller.Account {
			return nil, realm.ErrExists
		}
		return nil, nil
	})
	if store.ErrNoSuchBucket.Is(err) {
		return realm.ErrInProgress.Because(err)
	}
	return err
}

// mayDress asks for what the headers give a new bucket besides being made.
func mayDress(rq *Request) error {
	h := rq.R.Header
	for _, need := range [...]struct{ header, action string }{
		{"X-Amz-Acl", "s3:PutBucketAcl"}, {"X-Amz-Grant-Full-Control", "s3:PutBucketAcl"}, {"X-Amz-Grant-Read", "s3:PutBucketAcl"},
		{"X-Amz-Grant-Read-Acp", "s3:PutBucketAcl"}, {"X-Amz-Grant-Write", "s3:PutBucketAcl"}, {"X-Amz-Grant-Write-Acp", "s3:PutBucketAcl"},
		{"X-Amz-Bucket-Object-Lock-Enabled", "s3:PutBucketObjectLockConfiguration"}, {"X-Amz-Bucket-Object-Lock-Enabled", "s3:PutBucketVersioning"},
		{"X-Amz-Object-Ownership", "s3:PutBucketOwnershipControls"},
	} {
		if v, ok := one(h, need.header); !ok || strings.EqualFold(v, "false") {
			continue
		}
		if err := rq.may(need.action); err != nil {
			return err
		}
	}
	return nil
}

// decodeConfiguration reads the document of CreateBucket, which may be absent.
func decodeConfiguration(body []byte) (conf shapes.CreateBucketConfiguration, err error) {
	if len(body) > 0 {
		err = restxml.Decode(body, &conf)
	}
	return conf, err
}

// constrainedTo gives the region that a location constraint names, or "".
func constrainedTo(constraint *string) string {
	switch {
	case constraint == nil:
		return ""
	case *constraint == oldEurope:
		return "eu-west-1"
	}
	return *constraint
}

// checkLocation holds a location constraint against the region that was asked
// and gives the one in which the bucket is to be. us-east-1 makes buckets of
// all.
func (d *Door) checkLocation(constraint *string) (region string, err error) {
	want, here := constrainedTo(constraint), d.opt.Region
	switch {
	case want == "" && here == usEast1:
		return here, nil
	case want == "":
		return "", errLocationIllegal
	case here == usEast1 && (want == here || !slices.Contains(d.opt.Realm.Regions(), want)):
		return "", errLocationInvalid.With("LocationConstraint", *constraint)
	case want != here && (here != usEast1 || d.opt.CreateIn == nil):
		return "", errLocationIllegal.Text("The %s location constraint is incompatible for the region specific endpoint this request was sent to.", *constraint)
	}
	return want, nil
}

// newBucket reads the headers of CreateBucket.
func newBucket(rq *Request) (n store.NewBucket, err error) {
	n = store.NewBucket{Name: rq.Bucket, Owner: rq.Caller.Account, Ownership: ownershipEnforced, Documents: map[string][]byte{}}
	switch v := rq.Get("X-Amz-Bucket-Object-Lock-Enabled"); v {
	case "", "false", "False", "FALSE":
	case "true", "True", "TRUE":
		n.ObjectLock = true
	default:
		return n, awserr.Argument("x-amz-bucket-object-lock-enabled", v, "Invalid x-amz-bucket-object-lock-enabled header: %s", v)
	}
	v, given := rq.R.Header["X-Amz-Object-Ownership"]
	if given {
		if err := rule.OwnershipHeader(v[0], true); err != nil {
			return n, err
		}
		n.Ownership = v[0]
	}
	switch v := rq.Get("X-Amz-Bucket-Namespace"); v {
	case "", "global":
	default:
		return n, awserr.ErrNotImplemented.With("Header", "x-amz-bucket-namespace")
	}
	if rq.Door.opt.OpenBuckets {
		if n.Documents["publicAccessBlock"], err = rule.Find("publicAccessBlock").Remove(); err != nil {
			return n, err
		}
		if n.Documents["encryption"], err = rule.OpenEncryption(); err != nil {
			return n, err
		}
		if !given {
			n.Ownership = rule.ObjectWriter
		}
	}
	a, err := rq.aclFromHeaders(rq.R.Header, n.Owner, n.Owner, bucketACL)
	if err != nil || a == nil || a.isPrivate(n.Owner) {
		return n, err
	}
	switch {
	case n.Ownership == ownershipEnforced:
		return n, rule.ErrOwnershipACL
	case a.isPublic() && (!rq.Door.opt.OpenBuckets || rq.Door.accountBlock(n.Owner).BlockPublicACLs):
		return n, errACLWithPublicBlock
	}
	n.Documents["acl"] = encodeACL(n.Owner, a.list(n.Owner, n.Owner))
	return n, nil
}

// headBucket tells whether the bucket is there and where.
func headBucket(d *Door, rq *Request) error {
	if _, err := rq.LoadBucket(); err != nil {
		return err
	}
	rq.Set("X-Amz-Bucket-Region", d.opt.Region)
	rq.Set("X-Amz-Bucket-Arn", arn.Bucket(rq.Bucket).String())
	rq.Set("X-Amz-Access-Point-Alias", "false")
	rq.Set("Content-Type", "application/xml")
	return rq.Empty(http.StatusOK)
}

// deleteBucket removes an empty bucket and gives its name back.
func deleteBucket(d *Door, rq *Request) error {
	err := d.opt.Realm.Delete(rq.Ctx, d.opt.Region, rq.Bucket, func() error {
		return d.opt.Store.DeleteBucket(rq.Ctx, rq.Bucket)
	})
	if err != nil {
		if e := awserr.From(err); e != nil && e.Code == store.ErrBucketNotEmpty.Code {
			if b, load := rq.LoadBucket(); load == nil && b.Versioning != "" {
				return e.Text("The bucket you tried to delete is not empty. You must delete all versions in the bucket.").With("BucketName", rq.Bucket)
			}
		}
		return err
	}
	return rq.Empty(http.StatusNoContent)
}

// getBucketLocation names the bucket's region as a constraint: us-east-1 has
// none. That a bucket was made with the constraint EU only its own region knows.
func getBucketLocation(d *Door, rq *Request) error {
	location := rq.Place.Region
	switch location {
	case usEast1:
		location = ""
	case d.opt.Region:
		b, err := rq.LoadBucket()
		if err != nil {
			return err
		}
		if b.Has(locationDocument) {
			location = oldEurope
		}
	}
	w := restxml.NewWriter(nil)
	w.OpenNS("LocationConstraint", restxml.Namespace)
	if location != "" {
		w.Text(location)
	}
	w.Close("LocationConstraint")
	return rq.XML(http.StatusOK, w)
}
