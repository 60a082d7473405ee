package s3api

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/store"
	"github.com/farhold/farhold/wire/restxml"
)

const (
	deleteMax      = 1000    // objects of one DeleteObjects
	deleteDocMax   = 8 << 20 // bytes: 1,000 keys of 1,024 bytes, each escaped
	deleteParallel = 32      // deletes under way: their commits share a sync
)

var errDeleteDigest = awserr.ErrInvalidRequest.Text("Missing required header for this request: Content-MD5 OR x-amz-checksum-*")

// deleteObject removes the current object or one version.
func deleteObject(d *Door, rq *Request) error {
	versionID, err := rq.versionID()
	if err != nil {
		return err
	}
	in := store.DeleteInput{Bucket: rq.Bucket, Key: rq.Key, VersionID: versionID}
	if in.If, err = deleteConditions(rq.R.Header); err != nil {
		return err
	}
	b, err := rq.LoadBucket()
	if err != nil {
		return err
	}
	in.Owner = rq.owner(b, s3.ACLRegister{})
	if in.BypassGovernance, err = rq.bypass(); err != nil {
		return err
	}
	done, err := d.opt.Store.Delete(rq.Ctx, in)
	if err != nil {
		return withCondition(rq.missing(err, rq.Key, versionID), in.If)
	}
	if done.Stamp.IsZero() && d.foreign(versionID) {
		return rq.missing(store.ErrNoSuchVersion, rq.Key, versionID)
	}
	if done.Marker {
		rq.Set("X-Amz-Delete-Marker", "true")
	}
	rq.Set("X-Amz-Version-Id", done.VersionID)
	return rq.Empty(http.StatusNoContent)
}

// deleteConditions reads the conditions of a delete. The two about size and
// time are for directory buckets.
func deleteConditions(h http.Header) (c store.Conditions, err error) {
	for _, name := range [...]string{"X-Amz-If-Match-Last-Modified-Time", "X-Amz-If-Match-Size", "If-None-Match"} {
		if _, ok := h[name]; ok {
			return c, notImplemented(strings.ToLower(name), "")
		}
	}
	if v, ok := one(h, "If-Match"); ok {
		c.Match = unquoteETag(strings.TrimSpace(v))
	}
	return c, nil
}

// bypass reads x-amz-bypass-governance-retention, and asks whether the caller
// may do that with the request's object.
func (rq *Request) bypass() (bool, error) {
	b, err := rq.LoadBucket()
	if err != nil {
		return false, err
	}
	asked, err := rq.bypassAsked(b)
	if err != nil || !asked {
		return false, err
	}
	return true, rq.may("s3:BypassGovernanceRetention")
}

func (rq *Request) bypassAsked(b *store.Bucket) (bool, error) {
	v, ok := one(rq.R.Header, "X-Amz-Bypass-Governance-Retention")
	if !ok {
		return false, nil
	}
	if !b.ObjectLock {
		return false, rule.ErrBypassUnlocked
	}
	return strings.EqualFold(v, "true"), nil
}

// deleteDocument is the body of DeleteObjects.
type deleteDocument struct {
	XMLName struct{}     `xml:"Delete"`
	Objects []deleteItem `xml:"Object" required:"true"`
	Quiet   bool         `xml:"Quiet"`
}

type deleteItem struct {
	Key              string  `xml:"Key" required:"true"`
	VersionID        string  `xml:"VersionId"`
	ETag             string  `xml:"ETag"`
	LastModifiedTime *string `xml:"LastModifiedTime"`
	Size             *int64  `xml:"Size"`
}

// deleteObjects removes up to 1,000 objects, each in a transaction of its own:
// one that fails says so beside the others.
func deleteObjects(d *Door, rq *Request) error {
	c, err := readClaim(rq.R.Header)
	if err != nil {
		return err
	}
	if !c.given() {
		return errDeleteDigest
	}
	body, err := rq.Document(deleteDocMax)
	if err != nil {
		return err
	}
	var doc deleteDocument
	if err := restxml.Decode(body, &doc); err != nil {
		return err
	}
	if len(doc.Objects) == 0 || len(doc.Objects) > deleteMax {
		return awserr.ErrMalformedXML
	}
	for i := range doc.Objects {
		if doc.Objects[i].Key == "" {
			return awserr.ErrMalformedXML
		}
	}
	b, err := rq.LoadBucket()
	if err != nil {
		return err
	}
	bypass, err := rq.bypassAsked(b)
	if err != nil {
		return err
	}
	results := d.deleteAll(rq, b, doc.Objects, bypass)
	if err := rq.Ctx.Err(); err != nil {
		return err
	}

	w := restxml.NewWriter(make([]byte, 0, 256*len(results)))
	w.OpenNS("DeleteResult", restxml.Namespace)
	for i := range results {
		results[i].write(w, &doc.Objects[i], doc.Quiet)
	}
	w.Close("DeleteResult")
	return rq.XML(http.StatusOK, w)
}

type deleteResult struct {
	store.Deletion
	err   error
	panic any
}

// deleteAll removes the objects, some at a time, and gives the results in their
// order.
func (d *Door) deleteAll(rq *Request, b *store.Bucket, objects []deleteItem, bypass bool) []deleteResult {
	results := make([]deleteResult, len(objects))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(deleteParallel, len(objects)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(objects)); i = next.Add(1) - 1 {
				r := &results[i]
				func() {
					defer func() { r.panic = recover() }()
					r.Deletion, r.err = d.deleteOne(rq, b, &objects[i], bypass)
				}()
			}
		})
	}
	wg.Wait()
	for i := range results {
		if results[i].panic != nil {
			panic(results[i].panic) // in the goroutine whose panics the door catches
		}
		if err := results[i].err; err != nil && awserr.From(err) == nil {
			if e := rq.explain(err); e != nil { // nil: the client has gone
				results[i].err = e
				d.opt.Log.Error("an object was not deleted", "request", rq.ID, "bucket", rq.Bucket, "code", e.Code, "error", err.Error())
			}
		}
	}
	return results
}

// deleteOne removes one of the objects of a DeleteObjects.
func (d *Door) deleteOne(rq *Request, b *store.Bucket, item *deleteItem, bypass bool) (store.Deletion, error) {
	if err := CheckKey(item.Key); err != nil {
		return store.Deletion{}, err
	}
	if item.LastModifiedTime != nil || item.Size != nil {
		return store.Deletion{}, awserr.ErrNotImplemented
	}
	a := &ask{action: "s3:DeleteObject", bucket: b, name: rq.Bucket, key: item.Key, version: item.VersionID, owner: b.Owner, header: rq.R.Header}
	if item.VersionID != "" {
		a.action = "s3:DeleteObjectVersion"
	}
	if err := d.authorise(rq, a); err != nil {
		return store.Deletion{}, err
	}
	if bypass {
		a.action = "s3:BypassGovernanceRetention"
		if err := d.authorise(rq, a); err != nil {
			return store.Deletion{}, err
		}
	}
	done, err := d.opt.Store.Delete(rq.Ctx, store.DeleteInput{
		Bucket:           rq.Bucket,
		Key:              item.Key,
		VersionID:        item.VersionID,
		BypassGovernance: bypass,
		Owner:            rq.owner(b, s3.ACLRegister{}),
		If:               store.Conditions{Match: unquoteETag(item.ETag)},
	})
	if err == nil && done.Stamp.IsZero() && d.foreign(item.VersionID) {
		err = store.ErrNoSuchVersion
	}
	return done, err
}

func (r *deleteResult) write(w *restxml.Writer, item *deleteItem, quiet bool) {
	if r.err != nil {
		e := awserr.From(r.err)
		if e == nil {
			e = awserr.ErrInternal
		}
		w.Open("Error")
		w.Elem("Key", item.Key)
		w.Optional("VersionId", item.VersionID)
		w.Elem("Code", e.Code)
		w.Elem("Message", e.Message)
		w.Close("Error")
		return
	}
	if quiet {
		return
	}
	w.Open("Deleted")
	w.Elem("Key", item.Key)
	w.Optional("VersionId", item.VersionID)
	if r.Marker {
		w.Elem("DeleteMarker", "true")
		w.Optional("DeleteMarkerVersionId", r.VersionID)
	}
	w.Close("Deleted")
}
