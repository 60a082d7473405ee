package s3api

import (
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/store"
)

// documentNouns are what the operations on a document are called, behind Get,
// Put and Delete.
var documentNouns = map[string]string{
	"abac":                "BucketAbac",
	"accelerate":          "BucketAccelerateConfiguration",
	"analytics":           "BucketAnalyticsConfiguration",
	"cors":                "BucketCors",
	"encryption":          "BucketEncryption",
	"intelligent-tiering": "BucketIntelligentTieringConfiguration",
	"inventory":           "BucketInventoryConfiguration",
	"lifecycle":           "BucketLifecycleConfiguration",
	"logging":             "BucketLogging",
	"metrics":             "BucketMetricsConfiguration",
	"notification":        "BucketNotificationConfiguration",
	"object-lock":         "ObjectLockConfiguration",
	"ownershipControls":   "BucketOwnershipControls",
	"policy":              "BucketPolicy",
	"publicAccessBlock":   "PublicAccessBlock",
	"replication":         "BucketReplication",
	"requestPayment":      "BucketRequestPayment",
	"tagging":             "BucketTagging",
	"versioning":          "BucketVersioning",
	"website":             "BucketWebsite",
}

// documentRoutes makes the rows of all bucket documents out of rule's table:
// four handlers serve them all.
func documentRoutes() []Route {
	var rows []Route
	for i := range rule.Documents {
		doc := &rule.Documents[i]
		if doc.NotServed != "" {
			continue // unservedRoutes has them, with the methods that they come by
		}
		noun := documentNouns[doc.Name]
		row := func(verb, method, action string, body bodyKind, h handler) {
			if action == "" {
				return
			}
			r := Route{Op: verb + noun, Method: method, Level: LevelBucket, Sub: doc.Name, Action: action, Body: body, Handler: h}
			switch {
			case verb == "List":
				r.Op += "s"
				r.Params = []string{"continuation-token"}
			case doc.ByID:
				r.Need = []string{"id"}
			}
			if r.Op == "DeleteBucketLifecycleConfiguration" {
				r.Op = "DeleteBucketLifecycle"
			}
			rows = append(rows, r)
		}
		row("Get", http.MethodGet, doc.Get, bodyNone, func(d *Door, rq *Request) error { return getDocument(d, rq, doc) })
		row("List", http.MethodGet, doc.List, bodyNone, func(d *Door, rq *Request) error { return listDocuments(d, rq, doc) })
		row("Put", http.MethodPut, doc.Put, bodyDocument, func(d *Door, rq *Request) error { return putDocument(d, rq, doc) })
		row("Delete", http.MethodDelete, doc.Delete, bodyNone, func(d *Door, rq *Request) error { return removeDocument(d, rq, doc) })
	}
	return rows
}

// ruleContext is what rule may know about the bucket.
func (d *Door) ruleContext(rq *Request, b *store.Bucket) rule.Context {
	c := rule.Context{
		Bucket: b.Name, Region: d.opt.Region, Owner: b.Owner, Caller: rq.Caller.ARN,
		ID: rq.Query.Get("id"), Versioning: b.Versioning, ObjectLock: b.ObjectLock, Ownership: b.Ownership,
		Current: func(name string) ([]byte, error) {
			return d.opt.Store.Document(rq.Ctx, b, name, "")
		},
		Destination: func(bucket string) (rule.Destination, error) {
			return d.destination(rq.Ctx, bucket)
		},
		MinimumObjectSize: rq.Get("X-Amz-Transition-Default-Minimum-Object-Size"),
		AccountBlock:      d.accountBlock(b.Owner),
		AWSStrict:         d.opt.Strict,
	}
	if d.opt.Principals != nil {
		c.Principals = principals{rq.Ctx, d.opt.Principals}
	}
	return c
}

// principals are the realm's, as rule asks for them within a request.
type principals struct {
	ctx context.Context
	of  Principals
}

func (p principals) Exists(name string) (bool, error) { return p.of.PrincipalExists(p.ctx, name) }

func (p principals) ID(arn string) (string, bool, error) { return p.of.IDOf(p.ctx, arn) }

func (p principals) ARN(id string) (string, bool, error) { return p.of.ARNOf(p.ctx, id) }

// destination tells what a rule must know of a bucket wherever it lies. A
// region that can't be asked now is given the benefit of the doubt: when the
// doubt was right, replication says DstBucketUnversioned.
func (d *Door) destination(ctx context.Context, bucket string) (rule.Destination, error) {
	place, ok, err := d.opt.Realm.Locate(ctx, bucket)
	if err != nil || !ok {
		return rule.Destination{}, err
	}
	to := rule.Destination{Exists: true, Versioned: true, Region: place.Region, UID: place.UID, Owner: place.Owner}
	if place.Region == d.opt.Region {
		b, err := d.opt.Store.Bucket(ctx, bucket)
		if err != nil {
			return rule.Destination{}, err
		}
		to.Versioned, to.Owner = b.Versioning == "Enabled", b.Owner
	} else if d.opt.Versioning != nil {
		if v, err := d.opt.Versioning(ctx, place.Region, bucket); err == nil {
			to.Versioned = v == "Enabled"
		}
	}
	return to, nil
}

// getDocument answers with a document as it is stored, or with what a bucket
// without one has.
func getDocument(d *Door, rq *Request, doc *rule.Document) error {
	b, err := rq.LoadBucket()
	if err != nil {
		return err
	}
	c := d.ruleContext(rq, b)
	stored, err := d.opt.Store.Document(rq.Ctx, b, doc.Name, c.ID)
	if err != nil {
		return err
	}
	body, headers, err := doc.Answer(c, stored)
	if err != nil {
		return err
	}
	for _, h := range headers {
		rq.Set(http.CanonicalHeaderKey(h.Name), h.Value)
	}
	if doc.JSON {
		return rq.body(http.StatusOK, "application/json", body)
	}
	return rq.document(http.StatusOK, body)
}

// putDocument checks a document and stores it. The check runs in the
// transaction that stores it, so that it holds when the document begins to.
func putDocument(d *Door, rq *Request, doc *rule.Document) error {
	raw, err := rq.Document(doc.MaxBytes)
	if err != nil {
		return err
	}
	if doc.Name == "replication" {
		if err := d.mayPass(rq, raw); err != nil {
			return err
		}
	}
	id := rq.Query.Get("id")
	var c rule.Context
	var next []byte
	err = d.opt.Store.ChangeDocument(rq.Ctx, rq.Bucket, doc.Name, id, func(b *store.Bucket, now []byte) (_ []byte, err error) {
		if doc.ByID && now == nil && documentCount(b, doc.Name) >= rule.ConfigurationsMax {
			return nil, rule.ErrTooManyConfigurations
		}
		c = d.ruleContext(rq, b)
		next, err = doc.Check(c, raw)
		return next, err
	})
	if err != nil {
		return err
	}
	headers, err := doc.Headers(c, next)
	if err != nil {
		return err
	}
	for _, h := range headers {
		rq.Set(http.CanonicalHeaderKey(h.Name), h.Value)
	}
	return rq.Empty(doc.PutStatus)
}

// mayPass asks whether the caller may hand the role of a replication
// configuration to S3. A document that can't be read is the check's to refuse.
func (d *Door) mayPass(rq *Request, raw []byte) error {
	conf, err := rule.ParseReplication(raw)
	if err != nil || conf == nil || conf.Role == "" {
		return nil
	}
	if d.opt.PassRole == nil {
		return awserr.ErrAccessDenied
	}
	return d.opt.PassRole(rq.Ctx, rq.Actor(), conf.Role)
}

// documentCount tells how many documents of a kind a bucket has.
func documentCount(b *store.Bucket, name string) (n int) {
	for _, d := range b.Documents {
		if strings.HasPrefix(d, name+"/") {
			n++
		}
	}
	return n
}

// removeDocument unsets a document. Of the ones that a bucket can have several
// of, the one named must be there; deleting another is idempotent.
func removeDocument(d *Door, rq *Request, doc *rule.Document) error {
	err := d.opt.Store.ChangeDocument(rq.Ctx, rq.Bucket, doc.Name, rq.Query.Get("id"), func(_ *store.Bucket, now []byte) ([]byte, error) {
		if doc.ByID && now == nil {
			return nil, doc.Unset
		}
		return doc.Remove()
	})
	if err != nil {
		return err
	}
	return rq.Empty(http.StatusNoContent)
}

// listDocuments lists the documents of a kind by their IDs, a page at a time.
func listDocuments(d *Door, rq *Request, doc *rule.Document) error {
	b, err := rq.LoadBucket()
	if err != nil {
		return err
	}
	token := rq.Query.Get("continuation-token")
	after, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return rule.ErrContinuationToken.With("ArgumentValue", token)
	}
	ids, err := d.opt.Store.DocumentIDs(rq.Ctx, b, doc.Name)
	if err != nil {
		return err
	}
	from, found := slices.BinarySearch(ids, string(after))
	if found {
		from++
	}
	ids = ids[from:]
	next := ""
	if len(ids) > rule.ConfigurationsPage {
		ids = ids[:rule.ConfigurationsPage]
		next = base64.RawURLEncoding.EncodeToString([]byte(ids[len(ids)-1]))
	}
	page := make([][]byte, 0, len(ids))
	for _, id := range ids {
		stored, err := d.opt.Store.Document(rq.Ctx, b, doc.Name, id)
		if err != nil {
			return err
		}
		if stored != nil { // it may have gone since the IDs were read
			page = append(page, stored)
		}
	}
	body, err := doc.RenderList(page, token, next)
	if err != nil {
		return err
	}
	return rq.document(http.StatusOK, body)
}
