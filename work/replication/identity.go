package replication

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/objectkey"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/seal"
	"github.com/farhold/farhold/store"
)

// Service is who assumes the roles of replication rules, and SessionName how
// it calls the sessions.
const (
	Service     = "s3.amazonaws.com"
	SessionName = "s3-replication"
)

// Roles gives the sessions in which the work is done; service/sts is it.
type Roles interface {
	// AssumeForService assumes a role for a service if the role's trust policy
	// lets it. keys are the condition keys of the question (aws:SourceAccount,
	// aws:SourceArn). A refusal is an *awserr.Error of the 4xx kind.
	AssumeForService(ctx context.Context, roleARN, service, session string, keys policy.Context) (*access.Caller, error)
}

// Decider decides; *access.Decider is it.
type Decider interface {
	Evaluate(ctx context.Context, r *access.Request) (policy.Decision, error)
}

// Keys seals and opens objects under keys of KMS; *objectkey.Keys is it. Errors
// are those of KMS as S3 shows them.
type Keys interface {
	Seal(ctx context.Context, w *objectkey.Want) (seal.Keeper, s3.SSE, error)
	Open(w *objectkey.Want) seal.Keeper
}

// Identity is in whose name and under which keys one end of replication works:
// nothing leaves a region and nothing is taken in without it. It is the same at
// both ends, each with its own region's copy of roles and policies. It is safe
// for concurrent use.
type Identity struct {
	Region  string
	Store   *store.Store
	Roles   Roles
	Decider Decider
	Keys    Keys
	Now     func() time.Time
	// AccountBlock gives the public access block of an account, which counts
	// beside its buckets' own. May be nil.
	AccountBlock func(account string) rule.PublicAccessBlock

	mu        sync.Mutex
	sessions  map[Passport]session
	forgotten uint64 // how often Forget was called
}

// Passport says in whose name a shipment comes.
type Passport struct {
	Role    string // ARN of the role that the source bucket's configuration names
	Account string // owner of the source bucket
	Bucket  string // the source bucket
}

// session is a role that was assumed, good for sessionTTL: what is allowed is
// asked for each object all the same, only the trust policy is not.
type session struct {
	caller *access.Caller
	until  time.Time
}

const (
	sessionTTL  = time.Second
	sessionsMax = 1000
)

var errNoIdentity = errors.New("replication: nobody says in whose name")

// assume gives the session of a rule's role. A refusal is AssumeRoleNotPermitted.
func (i *Identity) assume(ctx context.Context, p Passport) (*access.Caller, error) {
	now := i.Now()
	i.mu.Lock()
	s, ok := i.sessions[p]
	at := i.forgotten
	i.mu.Unlock()
	if ok && now.Before(s.until) && s.until.Sub(now) <= sessionTTL {
		return s.caller, nil
	}
	if p.Role == "" {
		return nil, &Refusal{AssumeRoleNotPermitted, errors.New("no role is named")}
	}
	if i.Roles == nil {
		return nil, errNoIdentity
	}
	caller, err := i.Roles.AssumeForService(ctx, p.Role, Service, SessionName, policy.Values{
		"aws:sourceaccount": {p.Account},
		"aws:sourcearn":     {bucketARN(p.Bucket)},
	})
	if err != nil {
		if refused(err) {
			return nil, &Refusal{AssumeRoleNotPermitted, err}
		}
		return nil, fmt.Errorf("assuming %s: %w", p.Role, err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.forgotten != at {
		return caller, nil // it may be of before the change: not kept
	}
	if i.sessions == nil || len(i.sessions) >= sessionsMax {
		i.sessions = make(map[Passport]session)
	}
	i.sessions[p] = session{caller, now.Add(sessionTTL)}
	return caller, nil
}

// Forget drops the sessions that are kept: what binds roles has changed.
func (i *Identity) Forget() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.sessions = nil
	i.forgotten++
}

// refused tells whether an error is somebody's answer rather than trouble.
func refused(err error) bool {
	var e *awserr.Error
	return errors.Is(err, access.ErrGone) || errors.As(err, &e) && e.Status >= 400 && e.Status < 500 && !throttled(e)
}

// throttled tells trouble that passes from answers. KMS throttles with status
// 400; 501 is what says that there is no KMS at all.
func throttled(e *awserr.Error) bool {
	switch strings.TrimPrefix(e.Code, "KMS.") {
	case "ThrottlingException", "Throttling", "SlowDown", "TooManyRequestsException", "LimitExceededException",
		"RequestLimitExceeded", "KMSInternalException", "DependencyTimeoutException", "KeyUnavailableException":
		return true
	}
	return e.Status == 429 || e.Status >= 500 && e.Status != 501
}

// terms are what a bucket's documents say about who and what comes and goes.
type terms struct {
	policy    []*policy.Document
	block     rule.PublicAccessBlock
	blockSSEC bool
}

// terms reads a bucket's documents, once for each state of the bucket.
func (i *Identity) terms(ctx context.Context, b *store.Bucket) (*terms, error) {
	t, err := b.Derived("replication terms", func() (any, error) {
		docs := make(map[string][]byte)
		for _, name := range []string{"policy", "publicAccessBlock", "encryption"} {
			if !b.Has(name) {
				continue
			}
			raw, err := i.Store.Document(ctx, b, name, "")
			if err != nil {
				return nil, err
			}
			docs[name] = raw
		}
		t := new(terms)
		if raw := docs["policy"]; raw != nil {
			doc, err := policy.Parse(raw, policy.Resource)
			if err != nil {
				return nil, fmt.Errorf("the policy of bucket %s: %w", b.Name, err)
			}
			t.policy = []*policy.Document{doc}
		}
		var err error
		if t.block, err = rule.ParsePublicAccessBlock(docs["publicAccessBlock"]); err != nil {
			return nil, err
		}
		e, err := rule.ParseEncryption(docs["encryption"])
		t.blockSSEC = e.BlockSSEC
		return t, err
	})
	if err != nil {
		return nil, err
	}
	return t.(*terms), nil
}

// block gives the public access block of a bucket together with its account's.
func (i *Identity) block(b *store.Bucket, t *terms) rule.PublicAccessBlock {
	if i.AccountBlock == nil {
		return t.block
	}
	return t.block.With(i.AccountBlock(b.Owner))
}

// question is what is asked about one object again and again.
type question struct {
	id     *Identity
	caller *access.Caller
	bucket *store.Bucket
	terms  *terms // of the bucket
	keys   policy.Context
}

// ask gives the decision about an action on the bucket (key "") or an object.
func (q *question) ask(ctx context.Context, action, key string) (policy.Decision, error) {
	resource := bucketARN(q.bucket.Name)
	if key != "" {
		resource += "/" + key
	}
	if q.id.Decider == nil {
		return policy.Decision{}, errNoIdentity
	}
	if q.bucket.Owner == "" {
		// An empty account would be the role's own.
		return policy.Decision{}, fmt.Errorf("replication: bucket %s has no owner", q.bucket.Name)
	}
	d, err := q.id.Decider.Evaluate(ctx, &access.Request{
		Caller: q.caller, Action: action, Resource: resource, Account: q.bucket.Owner, Context: q.keys, ResourcePolicies: q.terms.policy,
	})
	if errors.Is(err, access.ErrGone) {
		err = &Refusal{AssumeRoleNotPermitted, err}
	}
	return d, err
}

// may asks and gives a refusal by the given reason.
func (q *question) may(ctx context.Context, reason, action, key string) error {
	d, err := q.ask(ctx, action, key)
	if err != nil {
		return err
	}
	if !d.Allowed {
		return q.refusal(reason, action)
	}
	return nil
}

func (q *question) refusal(reason, action string) error {
	return &Refusal{reason, fmt.Errorf("%s may not %s in bucket %s", q.caller.ARN, action, q.bucket.Name)}
}

// objectKeys are the condition keys of work on an object, besides those that
// follow from the caller. Work between regions is always secure transport.
type objectKeys struct {
	region string
	owner  string // of the bucket
	now    time.Time
	v      *s3.Version
	source bool // it is the version that is there, not the replica that is to be written
}

// Value implements policy.Context.
func (k *objectKeys) Value(key string) ([]string, bool) {
	switch key {
	case "aws:securetransport":
		return []string{"true"}, true
	case "aws:currenttime":
		return []string{k.now.UTC().Format("2006-01-02T15:04:05Z")}, true
	case "aws:epochtime":
		return []string{strconv.FormatInt(k.now.Unix(), 10)}, true
	case "aws:requestedregion":
		return []string{k.region}, true
	case "aws:viaawsservice":
		return []string{"false"}, true
	case "s3:resourceaccount":
		return []string{k.owner}, true
	case "s3:authtype":
		return []string{"REST-HEADER"}, true
	case "s3:signatureversion":
		return []string{"AWS4-HMAC-SHA256"}, true
	case "s3:tlsversion":
		return []string{"1.3"}, true
	}
	if k.v == nil {
		return nil, false
	}
	if k.source {
		if key == "s3:versionid" {
			return []string{k.v.VersionID()}, true
		}
		if name, ok := strings.CutPrefix(key, "s3:existingobjecttag/"); ok {
			return tagValue(k.v, name)
		}
		return nil, false
	}
	sse := &k.v.SSE
	switch key {
	case "s3:x-amz-storage-class":
		return []string{string(k.v.Class.Or())}, !k.v.Marker
	case "s3:x-amz-server-side-encryption":
		return []string{sse.Algorithm}, sse.Algorithm != "" && sse.CustomerKeyMD5 == ""
	case "s3:x-amz-server-side-encryption-aws-kms-key-id":
		return []string{sse.KeyID}, sse.KeyID != ""
	case "s3:x-amz-server-side-encryption-customer-algorithm":
		return []string{sse.Algorithm}, sse.CustomerKeyMD5 != ""
	case "s3:requestobjecttagkeys":
		var names []string
		for _, t := range k.v.Tags.Tags {
			names = append(names, t.Key)
		}
		return names, len(names) > 0
	}
	if name, ok := strings.CutPrefix(key, "s3:requestobjecttag/"); ok {
		return tagValue(k.v, name)
	}
	return nil, false
}

func tagValue(v *s3.Version, name string) ([]string, bool) {
	for _, t := range v.Tags.Tags {
		if t.Key == name {
			return []string{t.Value}, true
		}
	}
	return nil, false
}

func bucketARN(name string) string { return "arn:aws:s3:::" + name }

// usesKMS tells whether an object's key is one of KMS.
func usesKMS(s s3.SSE) bool {
	return strings.HasPrefix(s.Algorithm, "aws:kms") && s.CustomerKeyMD5 == ""
}

// actor is the role's session as KMS sees it: S3 of this region asks for it.
func (i *Identity) actor(c *access.Caller, keys policy.Context) access.Actor {
	via := *c
	via.Via = "s3." + i.Region + ".amazonaws.com"
	return access.Actor{Caller: &via, Context: keys}
}
