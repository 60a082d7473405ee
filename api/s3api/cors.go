package s3api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/store"
)

// cors gives the bucket's CORS configuration, or nil.
func (d *Door) cors(rq *Request) (*rule.CORS, error) {
	b, err := rq.LoadBucket()
	if err != nil {
		return nil, err
	}
	if _, ok := slices.BinarySearch(b.Documents, "cors"); !ok {
		return nil, nil
	}
	doc, err := d.opt.Store.Document(rq.Ctx, b, "cors", "")
	if err != nil || doc == nil {
		return nil, err
	}
	return rule.ParseCORS(doc)
}

// allowOrigin adds the CORS headers to the answer of a browser's request,
// whatever the answer will be: a page must be able to read the errors too. Where
// the bucket can't be read there are none; the request will meet the same error.
func (d *Door) allowOrigin(rq *Request) {
	origin := rq.Get("Origin")
	if origin == "" || rq.Bucket == "" {
		return
	}
	c, err := d.cors(rq)
	if err != nil {
		return
	}
	method := rq.R.Method
	if asked := rq.Get("Access-Control-Request-Method"); asked != "" {
		method = asked // AWS goes by it outside of preflight requests too
	}
	for _, h := range c.Actual(origin, method) {
		rq.Set(h.Name, h.Value)
	}
}

// preflight answers what a browser asks before a request that a page makes
// elsewhere. It comes without credentials and tells nothing but what the
// bucket's owner has published.
func (d *Door) preflight(rq *Request) error {
	rq.Op = "OptionsObject"
	origin, method := rq.Get("Origin"), rq.Get("Access-Control-Request-Method")
	if origin == "" {
		return rule.ErrCORSNoOrigin
	}
	// What is wrong with the bucket is said of the bucket, also where an object
	// was asked for.
	resource, bucket := rq.level().String(), LevelBucket.String()
	if rq.Bucket == "" {
		return rule.CORSForbidden(rule.ErrCORSNoBucket, resource, method)
	}
	place, ok, err := d.opt.Realm.Locate(rq.Ctx, rq.Bucket)
	switch {
	case err != nil:
		return err
	case !ok:
		return rule.CORSForbidden(rule.ErrCORSNoBucket, bucket, method)
	case place.Region != d.opt.Region:
		return d.elsewhere(rq.Bucket, place.Region)
	}
	c, err := d.cors(rq)
	if err != nil {
		if store.ErrNoSuchBucket.Is(err) {
			return rule.CORSForbidden(rule.ErrCORSNoBucket, bucket, method)
		}
		return err
	}
	if c == nil {
		resource = bucket
	}
	headers, err := c.Preflight(resource, origin, method, requestedHeaders(rq.R.Header))
	if err != nil {
		return err
	}
	for _, h := range headers {
		rq.Set(h.Name, h.Value)
	}
	return rq.Empty(http.StatusOK)
}

// requestedHeaders lists the names in Access-Control-Request-Headers.
func requestedHeaders(h http.Header) []string {
	var names []string
	for _, v := range h["Access-Control-Request-Headers"] {
		for name := range strings.SplitSeq(v, ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}
