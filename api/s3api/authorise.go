package s3api

import (
	"errors"
	"net/http"
	"strings"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/arn"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/store"
)

// ask is a question: may the caller of a request do this?
type ask struct {
	action  string        // such as s3:GetObject
	bucket  *store.Bucket // nil where there is none here: one to be made, one of another region
	name    string        // of the bucket; empty for none
	key     string        // of the object; empty for none
	version string        // that the question is about; empty for the current one
	owner   string        // the account that owns the bucket; empty means the caller's own
	header  http.Header   // what the request says about what it asks for; nil for nothing
	role    role
	absent  string // the key, where the question is whether its absence may be known

	// What the decider is handed; they lie here to be made together.
	keys    conditions
	request access.Request
}

var errNoOwner = errors.New("the bucket has no owner")

// errAllAccessDisabled answers for what a suspended account owns, whoever asks.
var errAllAccessDisabled = awserr.New("AllAccessDisabled", 403, "All access to this object has been disabled")

// role tells what a question has to do with its request.
type role uint8

const (
	subject  role = iota // what the request line names
	creating             // the object that the request makes, beyond s3:PutObject itself
	source               // the object that a copy is made of
	absence              // whether the caller may know that a key is not there
)

// may asks about the request's own bucket and object.
func (rq *Request) may(action string) error {
	a, err := rq.ask(action)
	if err != nil {
		return err
	}
	return rq.Door.authorise(rq, a)
}

// mayMake asks whether the caller may do something with the object that the
// request makes, besides making it. h are the headers that describe it.
func (rq *Request) mayMake(action string, h http.Header) error {
	a, err := rq.ask(action)
	if err != nil {
		return err
	}
	a.role, a.header = creating, h
	return rq.Door.authorise(rq, a)
}

// ask makes the question whether the caller may do something with what the
// request line names.
func (rq *Request) ask(action string) (*ask, error) {
	a := &rq.asked // one question at a time; those that are asked side by side have their own
	*a = ask{action: action, name: rq.Bucket, key: rq.Key, owner: rq.Place.Owner, header: rq.R.Header}
	if rq.Bucket != "" && rq.Op != opCreateBucket && rq.Place.Region == rq.Door.opt.Region {
		b, err := rq.LoadBucket()
		if err != nil {
			return nil, err
		}
		a.bucket = b
	}
	if rq.Key != "" {
		a.version = rq.Query.Get("versionId")
	}
	return a, nil
}

// authorise is the one place that says yes: every route of S3 asks here, and
// here alone is it put together what the answer depends on. The policies are
// weighed by the decider. Whatever keeps it from knowing is an error, and no
// error is a yes.
func (d *Door) authorise(rq *Request, a *ask) error {
	if d.opt.Decider == nil || rq.Caller == nil || a.action == "" {
		return awserr.ErrAccessDenied
	}
	if a.name != "" && a.owner == "" && rq.Op != opCreateBucket {
		// Without an owner the bucket would be whoever's asks.
		return awserr.ErrAccessDenied.Because(errNoOwner)
	}
	a.keys = conditions{rq: rq, ask: a}
	q := &a.request
	*q = access.Request{Caller: rq.Caller, Action: a.action, Resource: resourceOf(a.name, a.key), Account: a.owner, Context: &a.keys, Quote: true}
	if a.bucket != nil {
		if err := d.weigh(rq, a, q); err != nil {
			return err
		}
		if q.Account != a.owner {
			q.Holder = a.owner // an object of another account is still in this one's bucket
		}
	}
	err := d.opt.Decider.Decide(rq.Ctx, q)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, access.ErrSuspended):
		return errAllAccessDisabled.Because(err)
	case !awserr.ErrAccessDenied.Is(err):
		return err
	case rq.Caller.Kind == access.Anonymous, q.Account != "" && q.Account != rq.Caller.Account:
		// Whose permissions they are is nothing to strangers.
		return awserr.ErrAccessDenied.Because(err)
	}
	return err
}

// weigh adds to a question what the bucket and its objects say: the bucket's
// policy, the ACLs where there are any, and what blocks public access.
func (d *Door) weigh(rq *Request, a *ask, q *access.Request) error {
	b, c := a.bucket, rq.Caller
	if aboutPolicy(a.action) && c.IsRoot() && c.Account == b.Owner {
		// Nobody locks the owner's root out of the policy itself, nor does a
		// policy that can't be read.
		return nil
	}
	s, err := d.standing(rq.Ctx, b)
	if err != nil {
		return err
	}
	stranger := c.Account != b.Owner && c.Kind != access.Service
	if s.public && stranger && d.block(b, s).RestrictPublicBuckets {
		return awserr.ErrAccessDenied
	}
	q.ResourcePolicies = s.policies
	switch {
	case a.role == creating && a.action == "s3:PutObjectAcl" && c.Account != "" && stranger:
		// The writer's own account decides about the ACL of what will be its own
		// object. A bucket's policy for strangers allows s3:PutObject alone, as
		// AWS's examples do; what it denies stays denied.
		q.Account = c.Account
		return nil
	case b.Ownership == ownershipEnforced:
		return d.weighUpload(rq, a, q)
	case a.key == "" || a.role == creating || ofBucket(a.action):
		return d.weighBucketACL(rq, a, s, q)
	}
	return d.weighObjectACL(rq, a, s, q)
}

// weighBucketACL adds what the bucket's ACL grants.
func (d *Door) weighBucketACL(rq *Request, a *ask, s *standing, q *access.Request) error {
	b, c := a.bucket, rq.Caller
	if c.Account == b.Owner && c.IsRoot() {
		return nil // allowed anyway, or denied anyway
	}
	if p := bucketPermission(a); p != "" {
		q.Granted = counts(s.acl.Gives(p, grantee(c), d.block(b, s).IgnorePublicACLs), c, b.Owner)
	}
	return d.weighUpload(rq, a, q)
}

// weighUpload adds that who began an upload may see its parts and give it up,
// whether the bucket has ACLs or not, and so may that one's account.
func (d *Door) weighUpload(rq *Request, a *ask, q *access.Request) error {
	c := rq.Caller
	if c.Account == "" || c.Account == a.bucket.Owner || q.Granted || a.action != "s3:AbortMultipartUpload" && a.action != "s3:ListMultipartUploadParts" {
		return nil
	}
	u, err := d.opt.Store.Upload(rq.Ctx, a.name, a.key, rq.Query.Get("uploadId"))
	if err != nil {
		if awserr.From(err) == nil {
			return err
		}
		return nil // there is none: the handler says so, to who may know
	}
	q.Granted = initiator(&u.Input) == c.Account
	return nil
}

// initiator is the account that began an upload. Uploads of before say only
// whose the object will be.
func initiator(in *store.PutInput) string {
	if who, err := arn.Parse(in.Initiator); err == nil {
		return who.Account
	}
	return in.Owner
}

// weighObjectACL adds what the object's owner says. The policy of a bucket can
// give away what belongs to the bucket's owner, and no more: of an object that
// belongs to another account, it can only deny.
func (d *Door) weighObjectACL(rq *Request, a *ask, s *standing, q *access.Request) error {
	b, c := a.bucket, rq.Caller
	o, err := rq.peek(a.name, a.key, a.version)
	if err != nil {
		if awserr.From(err) == nil {
			return err
		}
		return nil // there is none: the handler says which error that is
	}
	owner := objectOwner(&o.Version, b)
	if owner != b.Owner {
		q.Account, q.ResourcePolicies = owner, s.denials
	}
	if c.Account == owner && c.IsRoot() {
		return nil
	}
	p := objectPermission(a.action)
	if p == "" {
		return nil
	}
	list, err := versionACL(&o.Version, b)
	if err != nil {
		return err
	}
	q.Granted = counts(list.Gives(p, grantee(c), d.block(b, s).IgnorePublicACLs), c, owner)
	return nil
}

// grantee is the caller as ACLs name it.
func grantee(c *access.Caller) rule.Grantee {
	if c.Account == "" {
		return rule.Grantee{Service: c.Service}
	}
	return rule.Grantee{ID: canonicalID(c.Account)}
}

// counts tells whether a grant lets the caller in. What an account is granted
// is for its administrators to hand on: within the owner's own account it gives
// nothing that the owner's policies do not.
func counts(r rule.Reach, c *access.Caller, owner string) bool {
	return r == rule.ToGroup || r == rule.ToID && c.Account != owner
}

// block gives the public access block of a bucket together with its account's.
func (d *Door) block(b *store.Bucket, s *standing) rule.PublicAccessBlock {
	return s.block.With(d.accountBlock(b.Owner))
}

func (d *Door) accountBlock(account string) rule.PublicAccessBlock {
	if d.opt.AccountBlock == nil {
		return rule.PublicAccessBlock{}
	}
	return d.opt.AccountBlock(account)
}

// aboutPolicy tells the actions on a bucket's policy.
func aboutPolicy(action string) bool {
	return action == "s3:GetBucketPolicy" || action == "s3:PutBucketPolicy" || action == "s3:DeleteBucketPolicy"
}

// ofBucket tells the actions on objects that the bucket's owner decides about,
// whoever owns what lies under the key.
func ofBucket(action string) bool {
	switch action {
	case "s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts",
		"s3:PutObjectRetention", "s3:PutObjectLegalHold", "s3:BypassGovernanceRetention", "s3:RestoreObject":
		return true
	}
	return false
}

// bucketPermission gives the permission of a bucket's ACL that allows what is
// asked, or none.
func bucketPermission(a *ask) string {
	switch a.action {
	case "s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads":
		return "READ"
	case "s3:PutObject", "s3:DeleteObject":
		return "WRITE"
	case "s3:PutObjectAcl", "s3:PutObjectTagging": // with a write: who may write describes what it writes
		return "WRITE"
	case "s3:GetBucketAcl":
		return "READ_ACP"
	case "s3:PutBucketAcl":
		return "WRITE_ACP"
	}
	return ""
}

// objectPermission gives the permission of an object's ACL that allows an
// action, or none.
func objectPermission(action string) string {
	switch action {
	case "s3:GetObject", "s3:GetObjectVersion":
		return "READ"
	case "s3:GetObjectAcl", "s3:GetObjectVersionAcl":
		return "READ_ACP"
	case "s3:PutObjectAcl", "s3:PutObjectVersionAcl":
		return "WRITE_ACP"
	}
	return ""
}

// objectOwner gives the account that a version belongs to: the bucket's owner,
// where ACLs are off and where nobody else is known to have written it.
func objectOwner(v *s3.Version, b *store.Bucket) string {
	if v.Owner == "" || b.Ownership == ownershipEnforced {
		return b.Owner
	}
	return v.Owner
}

// resourceOf names what a request is about, as policies do.
func resourceOf(bucket, key string) string {
	switch {
	case bucket == "":
		return "arn:aws:s3:::*"
	case key == "":
		return "arn:aws:s3:::" + bucket
	}
	return "arn:aws:s3:::" + bucket + "/" + key
}

// peeked is an object that was opened to decide about it.
type peeked struct {
	bucket, key, version string
	object               *store.Object
	err                  error
	done                 bool
}

// peek opens an object that a decision depends on. It stays open for the
// handler, which must act on the very version that was decided about: see open.
func (rq *Request) peek(bucket, key, version string) (*store.Object, error) {
	p := &rq.peeked
	if !p.done || p.bucket != bucket || p.key != key || p.version != version {
		rq.dropPeeked()
		o, err := rq.Door.opt.Store.Open(rq.Ctx, bucket, key, version)
		rq.peeked = peeked{bucket, key, version, o, err, true}
	}
	return p.object, p.err
}

// open opens an object, or takes over the one that was decided about.
func (rq *Request) open(bucket, key, version string) (*store.Object, error) {
	p := &rq.peeked
	if p.done && p.bucket == bucket && p.key == key && p.version == version {
		o, err := p.object, p.err
		rq.peeked = peeked{}
		return o, err
	}
	return rq.Door.opt.Store.Open(rq.Ctx, bucket, key, version)
}

// dropPeeked closes what was opened for a decision and not taken over.
func (rq *Request) dropPeeked() {
	if rq.peeked.object != nil {
		rq.peeked.object.Close()
	}
	rq.peeked = peeked{}
}

// mayKnow asks whether the caller may know that the object of a question is
// not there: those who may list the bucket with its key as prefix may.
func (d *Door) mayKnow(rq *Request, a *ask) error {
	return d.authorise(rq, &ask{action: "s3:ListBucket", bucket: a.bucket, name: a.name, owner: a.owner, role: absence, absent: a.key})
}

// hide gives the error of a read as the caller may see it: that an object is
// not there is refused to those who may not know.
func (d *Door) hide(rq *Request, a *ask, err error) error {
	if !isAbsent(err) {
		return err
	}
	if refused := d.mayKnow(rq, a); refused != nil {
		return refused
	}
	return err
}

func isAbsent(err error) bool {
	return store.ErrNoSuchKey.Is(err) || store.ErrNoSuchVersion.Is(err)
}

// reads tells the actions whose answer shows whether an object is there.
func reads(action string) bool {
	return strings.HasPrefix(action, "s3:GetObject")
}
