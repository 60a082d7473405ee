// Package s3api is the S3 door of one region: it takes HTTP requests apart,
// verifies who sends them, finds the operation in one table, checks that the
// bucket is this region's and that the caller may do what it asks, and lets a
// handler turn headers into a call of the store and its answer into headers and
// XML. It decides nothing about buckets and objects itself.
package s3api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/objectkey"
	"github.com/farhold/farhold/realm"
	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/store"
	"github.com/farhold/farhold/wire/sigv4"
)

// Realm is what the door asks of the realm; *realm.Realm is one.
type Realm interface {
	// Account gives the ID of the root account: 12 digits.
	Account() string
	// Locate gives the place of a bucket name, or false. It is asked with every
	// request for a bucket and must be quick.
	Locate(ctx context.Context, bucket string) (store.Place, bool, error)
	// Create claims the name, has local make the bucket, and confirms the claim.
	// It answers BucketAlreadyOwnedByYou or BucketAlreadyExists.
	Create(ctx context.Context, region, bucket, owner string, local func(uid s3.UID) error) error
	// Delete has local remove the bucket and gives the name back.
	Delete(ctx context.Context, region, bucket string, local func() error) error
	// Names lists the buckets of the whole realm by name: up to max that begin
	// with prefix and come after the given name.
	Names(ctx context.Context, prefix, after string, max int) (list []realm.Name, more bool, err error)
	// Regions lists the regions of the realm.
	Regions() []string
	// Endpoint gives the host (and port) under which a region is reached.
	Endpoint(region string) string
}

// Principals tells who there is to be named in policies. iam.Directory is one.
type Principals interface {
	// PrincipalExists tells whether an account, user, role or session is there.
	PrincipalExists(ctx context.Context, principal string) (bool, error)
	// IDOf gives the unique ID of the user or role that has an ARN now.
	IDOf(ctx context.Context, principalARN string) (id string, ok bool, err error)
	// ARNOf gives the ARN that the user or role with a unique ID has now.
	ARNOf(ctx context.Context, id string) (principalARN string, ok bool, err error)
}

// Options says what a door is made of.
type Options struct {
	Region   string // its name, such as us-east-1
	Store    *store.Store
	Realm    Realm
	Verifier *sigv4.Verifier
	Hosts    Hosts // base names for virtual-hosted style
	Strict   bool  // turn Farhold's two exceptions to AWS's rules off
	// Decider decides about every request. Without one all are refused.
	Decider *access.Decider
	// AccountBlock gives the public access block of an account, which counts
	// beside its buckets'. Nil means that no account has one.
	AccountBlock func(account string) rule.PublicAccessBlock
	// Principals tells whom policies of buckets may name. Nil believes every name.
	Principals Principals
	// Proxies are those whose word on where a request came from counts.
	Proxies access.Proxies
	// PassRole asks whether somebody may hand a role to S3 (iam:PassRole, with
	// iam:PassedToService s3.amazonaws.com), for replication. Nil means that
	// nobody may.
	PassRole func(ctx context.Context, who access.Actor, role string) error
	// Used is told who was let in, for IAM's notes of when keys were used last.
	// May be nil; it must be quick.
	Used func(who *access.Caller)
	// KnownID tells whether a canonical user ID is an account's, for grants in
	// ACLs. Nil knows the caller and the owners of what the ACL is on alone.
	KnownID func(canonicalID string) bool
	// DisplayName gives the name that stands beside the ID of an Owner or a
	// grantee. Nil leaves it away, as AWS does since November 2025.
	DisplayName func(canonicalID string) string
	// OpenBuckets has new buckets begin as AWS made them before April 2023: who
	// writes an object owns it, ACLs work, no public access is blocked, and
	// neither is SSE-C, which AWS blocks since April 2026.
	OpenBuckets bool
	// Keys makes and opens the keys of objects that are not under the region's.
	// Nil means that there is no KMS; customers' keys work all the same.
	Keys *objectkey.Keys
	// Versioning asks another region for the versioning state of a bucket, for
	// the checks of a replication configuration. It may be nil: then buckets of
	// other regions are taken to be versioned.
	Versioning func(ctx context.Context, region, bucket string) (string, error)
	// CreateIn makes a bucket in another region of the realm, whose UID it gives
	// it itself, with the errors of Realm.Create. Only us-east-1 calls it, which
	// makes buckets of every region. Nil means that it makes its own alone.
	CreateIn func(ctx context.Context, region string, n store.NewBucket) error
	// Now gives the time for expiry and skew; nil means time.Now.
	Now func() time.Time
	// Log takes what went wrong on our side, with the request's ID; nil drops it.
	Log *slog.Logger
	// Observe is told about every request when it is over. op is "" when none
	// was found; bytes are those of the bodies. May be nil.
	Observe func(op string, status int, bytesIn, bytesOut int64, took time.Duration)
}

// Door serves S3 for one region. It is safe for concurrent use.
type Door struct {
	opt   Options
	table *table
	stall time.Duration // stallMax; tests have less patience
	// listings holds *listing between requests: a page is hundreds of KiB.
	listings sync.Pool
}

// New makes a door.
func New(o Options) *Door {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Keys == nil {
		o.Keys = objectkey.New(objectkey.Options{Now: o.Now})
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Door{opt: o, table: newTable(routes()), stall: stallMax}
}

// Routes gives a copy of the table, for whoever documents or tests it.
func (d *Door) Routes() []Route { return append([]Route(nil), d.table.rows...) }

// ServeHTTP serves one request.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rq := d.begin(w, r)
	defer d.end(rq)
	err := d.serve(rq)
	if err == nil && rq.out.status == 0 {
		err = errNoAnswer // net/http would make it a 200
	}
	if err != nil {
		d.fail(rq, err)
	}
}

var errNoAnswer = errors.New("the handler answered nothing")

// serve takes a request through the stages, in the order in which they stand.
// Nothing of a body is read before the caller is known and allowed, so that a
// client that waits for 100 Continue sends nothing in vain.
func (d *Door) serve(rq *Request) error {
	if err := d.parse(rq); err != nil {
		return err
	}
	if rq.R.Method == http.MethodOptions {
		return d.preflight(rq)
	}
	d.allowOrigin(rq)
	if err := d.identify(rq); err != nil {
		return err
	}
	if err := d.route(rq); err != nil {
		return err
	}
	if err := d.locate(rq); err != nil {
		return err
	}
	if err := d.admit(rq); err != nil {
		return err
	}
	if err := d.unwrap(rq); err != nil {
		return err
	}
	rq.Ctx = rq.client
	err := rq.Route.Handler(d, rq)
	rq.Ctx = rq.R.Context()
	if err != nil && reads(rq.Route.Action) && isAbsent(err) {
		a, e := rq.ask(rq.Route.Action)
		if e != nil {
			return e
		}
		return d.hide(rq, a, err)
	}
	return err
}
