package s3api

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/farhold/farhold/arn"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/store"
)

var (
	errPermanentRedirect = awserr.New("PermanentRedirect", 301, "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.")
	errInvalidOwner      = awserr.New("InvalidBucketOwnerAWSAccountID", 400, "The value of the expected bucket owner parameter must be an AWS Account ID")
)

// server is the value of the Server header, shared by all answers.
var server = []string{"AmazonS3"}

// begin names the request and puts the headers that every answer has.
func (d *Door) begin(w http.ResponseWriter, r *http.Request) *Request {
	ctx := context.WithoutCancel(r.Context())
	rq := &Request{Ctx: ctx, client: r.Context(), R: r.WithContext(ctx), Door: d, arrived: time.Now()}
	rq.out.ResponseWriter, rq.out.rq = w, rq
	rq.W = &rq.out
	rq.ids = newIDs()
	rq.ID, rq.HostID = rq.ids[0], rq.ids[1]
	h := w.Header()
	h["X-Amz-Request-Id"] = rq.ids[0:1:1]
	h["X-Amz-Id-2"] = rq.ids[1:2:2]
	h["Server"] = server
	return rq
}

// newIDs makes a request ID, 16 upper-case hex digits, and a host ID, 44
// characters of base64. They need not be secret, only different.
func newIDs() [2]string {
	const alphabet = "0123456789ABCDEF"
	var raw [40]byte
	for i := 0; i < len(raw); i += 8 {
		binary.LittleEndian.PutUint64(raw[i:], rand.Uint64())
	}
	var text [16 + 44]byte
	for i, c := range raw[:8] {
		text[2*i], text[2*i+1] = alphabet[c>>4], alphabet[c&15]
	}
	base64.StdEncoding.Encode(text[16:], raw[7:])
	both := string(text[:])
	return [2]string{both[:16], both[16:]}
}

// end catches a handler that panicked and reports the request.
func (d *Door) end(rq *Request) {
	p := recover()
	rq.dropPeeked()
	if p != nil && p != http.ErrAbortHandler {
		d.opt.Log.Error("a handler panicked", "request", rq.ID, "op", rq.Op, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		if rq.out.status == 0 {
			d.write(rq, awserr.ErrInternal)
			p = nil
		} else {
			// The answer has begun as another one: cut it off, so that nobody
			// takes it for whole.
			p = http.ErrAbortHandler
		}
	}
	if d.opt.Observe != nil {
		status := rq.out.status
		if status == 0 {
			status = statusClientGone
		}
		d.opt.Observe(rq.Op, status, rq.in.n, rq.out.bytes, time.Since(rq.arrived))
	}
	if p != nil {
		panic(p)
	}
}

// parse takes the request line apart.
func (d *Door) parse(rq *Request) (err error) {
	if rq.Target, err = ParseTarget(rq.R, d.opt.Hosts); err != nil {
		return err
	}
	rq.Query, err = parseQuery(rq.RawQuery)
	return err
}

// level tells what the path names.
func (t *Target) level() Level {
	switch {
	case t.Bucket == "":
		return LevelService
	case t.HasKey:
		return LevelObject
	}
	return LevelBucket
}

// route finds the row.
func (d *Door) route(rq *Request) error {
	r, err := d.table.find(rq.R.Method, rq.level(), rq.Query, rq.R.Header)
	if err != nil {
		return err
	}
	rq.Route, rq.Op = r, r.Op
	return nil
}

// locate checks that the bucket is here and whose it is. CreateBucket has none
// yet, and where a bucket is any region may tell.
func (d *Door) locate(rq *Request) error {
	if rq.Bucket == "" || rq.Op == opCreateBucket {
		return nil
	}
	place, ok, err := d.opt.Realm.Locate(rq.Ctx, rq.Bucket)
	switch {
	case err != nil:
		return err
	case !ok:
		return store.ErrNoSuchBucket.With("BucketName", rq.Bucket)
	case place.Region != d.opt.Region && rq.Op != opBucketLocation:
		return d.elsewhere(rq.Bucket, place.Region)
	}
	if place.Region == d.opt.Region {
		// The bucket itself says whose it is, also where the realm's tables do
		// not know it yet.
		if rq.Op == "GetObject" || rq.Op == "HeadObject" {
			// The object is read with its bucket, in one view.
			if o, err := rq.peek(rq.Bucket, rq.Key, rq.Query.Get("versionId")); err == nil {
				rq.bucket = o.Bucket
			}
		}
		b, err := rq.LoadBucket()
		if err != nil {
			return err
		}
		place.Owner = b.Owner
	}
	rq.Place = place
	if rq.Op == "HeadBucket" {
		// Also those who may not look are told where it is, so that SDKs find
		// a bucket's region without credentials for it.
		rq.Set("X-Amz-Bucket-Region", d.opt.Region)
	}
	return checkOwner(rq.Get("X-Amz-Expected-Bucket-Owner"), place.Owner)
}

// elsewhere sends a client to the bucket's region. The SDKs read the header;
// people read the endpoint.
func (d *Door) elsewhere(bucket, region string) error {
	return errPermanentRedirect.
		With("Endpoint", d.opt.Realm.Endpoint(region)).
		With("Bucket", bucket).
		Header("X-Amz-Bucket-Region", region)
}

// checkOwner compares an expected owner with the bucket's.
func checkOwner(expected, owner string) error {
	switch {
	case expected == "":
		return nil
	case !arn.ValidAccount(expected):
		return errInvalidOwner.Text("The value of the expected bucket owner parameter must be an AWS Account ID... [%s]", expected)
	case expected != owner:
		return awserr.ErrAccessDenied
	}
	return nil
}

// admit asks whether the caller may do what the route does, and refuses what
// is not served: only those who may ask learn which.
func (d *Door) admit(rq *Request) error {
	if rq.Route.Form && rq.isForm() {
		return nil // its sender is known once it has been read: postObject asks then
	}
	if err := d.permit(rq); err != nil {
		return err
	}
	if rq.Route.Handler == nil {
		return awserr.ErrNotImplemented.Text("%s is not implemented: %s", rq.Op, rq.Route.Why)
	}
	return nil
}

// permit asks for everything that the route needs.
func (d *Door) permit(rq *Request) error {
	r := rq.Route
	a, err := rq.ask(r.action(rq.Query))
	if err != nil {
		return err
	}
	if err = d.authorise(rq, a); err == nil && r.Also != "" {
		a.action = r.also(rq.Query)
		err = d.authorise(rq, a)
	}
	switch {
	case err != nil && rq.Place.Region != "" && rq.Place.Region != d.opt.Region:
		return d.elsewhere(rq.Bucket, rq.Place.Region) // where the bucket's policy is known
	case err != nil && awserr.ErrAccessDenied.Is(err) && reads(r.Action) && a.bucket != nil:
		// Who may list the bucket may know that the object is not there.
		if d.mayKnow(rq, a) == nil {
			if _, none := rq.peek(a.name, a.key, a.version); isAbsent(none) {
				return rq.missing(none, a.key, a.version)
			}
		}
		return err
	case err != nil:
		return err
	case aboutPolicy(a.action) && rq.Caller.Account != a.owner:
		return awserr.ErrMethodNotAllowed
	}
	return nil
}

// isForm tells a browser's upload: POST to a bucket with a form as its body.
// Its credentials lie in the form.
func (rq *Request) isForm() bool {
	if rq.R.Method != http.MethodPost || rq.level() != LevelBucket {
		return false
	}
	const form = "multipart/form-data"
	ct := rq.Get("Content-Type")
	return len(ct) >= len(form) && strings.EqualFold(ct[:len(form)], form)
}
