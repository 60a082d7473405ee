package s3api

import (
	"context"
	"net/http"
	"strings"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/store"
	"github.com/farhold/farhold/wire/restxml"
)

var (
	errCopyOntoItself = awserr.ErrInvalidRequest.Text("This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
	errCopyTooLarge   = awserr.ErrInvalidRequest.Text("The specified copy source is larger than the maximum allowable size for a copy source: %d", int64(objectMax))
)

// openSource opens the object that x-amz-copy-source names, once the caller may
// read it and its conditions hold.
func (d *Door) openSource(rq *Request, h http.Header) (*store.Object, copySource, error) {
	header, _ := one(h, "X-Amz-Copy-Source")
	src, err := parseCopySource(header)
	if err != nil {
		return nil, src, err
	}
	a, err := d.mayRead(rq, src)
	if err != nil {
		return nil, src, err
	}
	o, err := rq.open(src.bucket, src.key, src.versionID)
	if isAbsent(err) {
		return nil, src, d.hide(rq, a, rq.missing(err, src.key, src.versionID))
	}
	if err != nil {
		e := awserr.From(rq.missing(err, src.key, src.versionID))
		if e != nil && e.Code == awserr.ErrMethodNotAllowed.Code {
			return nil, src, awserr.ErrInvalidRequest.Text("The source of a copy request may not specifically refer to a delete marker by version id.")
		}
		if e != nil {
			return nil, src, e
		}
		return nil, src, err
	}
	customer, err := readCustomer(h, customerCopy, rq.secure())
	if err == nil {
		err = rq.use(o, customer)
	}
	if err != nil {
		o.Close()
		return nil, src, err
	}
	if c := copyConditions(h); !c.none() {
		if v, name := c.check(o.ETag, o.Modified, d.opt.Now()); v != conditionsHold {
			o.Close()
			return nil, src, store.ErrPrecondition.With("Condition", "x-amz-copy-source-"+name)
		}
	}
	return o, src, nil
}

// mayRead tells whether the caller may read the source, and whether it can be
// read here: existence must not show to those who may not.
func (d *Door) mayRead(rq *Request, src copySource) (*ask, error) {
	place, ok, err := d.opt.Realm.Locate(rq.Ctx, src.bucket)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, store.ErrNoSuchBucket.With("BucketName", src.bucket)
	}
	a := &ask{action: "s3:GetObject", name: src.bucket, key: src.key, version: src.versionID, role: source}
	if src.versionID != "" {
		a.action = "s3:GetObjectVersion"
	}
	if place.Region == d.opt.Region {
		if a.bucket, err = d.opt.Store.Bucket(rq.Ctx, src.bucket); err != nil {
			return nil, err
		}
		place.Owner = a.bucket.Owner
	}
	a.owner = place.Owner
	if err := checkOwner(rq.Get("X-Amz-Source-Expected-Bucket-Owner"), place.Owner); err != nil {
		return nil, err
	}
	if err := d.authorise(rq, a); err != nil {
		return nil, err
	}
	if a.bucket == nil {
		return nil, notImplemented("x-amz-copy-source", "The source bucket is in another region: "+place.Region)
	}
	return a, nil
}

// mayCopyTags tells whether the caller may read the tags of the source and write
// them to the copy, which neither reading nor writing the object includes.
func (d *Door) mayCopyTags(rq *Request, src copySource, o *store.Object) error {
	a := &ask{action: "s3:GetObjectTagging", bucket: o.Bucket, name: src.bucket, key: src.key, version: src.versionID, owner: o.Bucket.Owner, role: source}
	if src.versionID != "" {
		a.action = "s3:GetObjectVersionTagging"
	}
	if err := d.authorise(rq, a); err != nil {
		return err
	}
	h := rq.R.Header.Clone()
	h["X-Amz-Tagging"] = []string{encodeTags(o.Tags.Tags)}
	return rq.mayMake("s3:PutObjectTagging", h)
}

// copyObject makes an object of another one's bytes. They are read and written
// anew, since each object is encrypted with a key of its own.
func copyObject(d *Door, rq *Request) error {
	b, err := rq.LoadBucket()
	if err != nil {
		return err
	}
	h := rq.R.Header
	replace, err := directive(h, "X-Amz-Metadata-Directive", "Unknown metadata directive.")
	if err != nil {
		return err
	}
	replaceTags, err := directive(h, "X-Amz-Tagging-Directive", "Unknown tagging directive.")
	if err != nil {
		return err
	}
	asked, _, err := uploadChecksum(h)
	if err != nil {
		return err
	}
	in, err := newInput(rq, b, rq.Key, h)
	if err != nil {
		return err
	}
	o, src, err := d.openSource(rq, h)
	if err != nil {
		return err
	}
	defer o.Close()
	if src.bucket == rq.Bucket && src.key == rq.Key && src.versionID == "" && !replace && !changes(h) {
		anew, err := d.encryptsAnew(rq.Ctx, o, in, b)
		if err != nil {
			return err
		}
		if !anew {
			return errCopyOntoItself
		}
	}
	if o.Size > objectMax {
		return errCopyTooLarge
	}
	if !replaceTags && len(o.Tags.Tags) > 0 {
		if err := d.mayCopyTags(rq, src, o); err != nil {
			return err
		}
	}
	in.Size = o.Size
	if !replace {
		in.System, in.Meta = copiedSystem(o.System, in.System), o.Meta
	}
	if !replaceTags {
		in.Tags = o.Tags.Tags
	}
	if in.Algorithm = asked; asked == "" {
		in.Algorithm = o.Checksum.Algorithm
	}
	return rq.answerSlowly(slowAfter, func() result {
		body, err := o.Body(rq.Ctx, 0, o.Size)
		if err != nil {
			return result{err: err}
		}
		defer body.Close()
		v, err := d.opt.Store.Put(rq.Ctx, in, body)
		if err != nil {
			return result{err: withCondition(err, in.If)}
		}
		w := restxml.NewWriter(make([]byte, 0, 512))
		w.OpenNS("CopyObjectResult", restxml.Namespace)
		w.Time("LastModified", v.Modified)
		w.Quoted("ETag", v.ETag)
		writeChecksum(w, v.Checksum)
		if v.Checksum.Type != "" {
			w.Elem("ChecksumType", string(v.Checksum.Type))
		}
		w.Close("CopyObjectResult")
		return result{doc: w, headers: func(h http.Header) {
			showSourceVersion(h, o)
			showSSE(h, v.SSE)
			showContext(h, rq.R.Header, v.SSE)
			showVersionID(h, v, b)
		}}
	})
}

// directive reads a COPY or REPLACE header: whether it says REPLACE.
func directive(h http.Header, canonical, unknown string) (replace bool, err error) {
	v, ok := one(h, canonical)
	switch {
	case !ok || v == "COPY":
		return false, nil
	case v == "REPLACE":
		return true, nil
	}
	return false, awserr.Argument(strings.ToLower(canonical), v, "%s", unknown)
}

// changes tells whether a copy of an object onto itself asks for something that
// makes it worth while.
func changes(h http.Header) bool {
	for _, name := range [...]string{"X-Amz-Storage-Class", "X-Amz-Website-Redirect-Location", "X-Amz-Server-Side-Encryption", "X-Amz-Checksum-Algorithm"} {
		if _, ok := h[name]; ok {
			return true
		}
	}
	return false
}

// encryptsAnew tells whether a copy of an object onto itself changes how it is
// encrypted: without a word of the request, by the bucket's default. Where one
// was set, AWS takes the copy also when it changes nothing; the one that an open
// bucket begins with was not set by anybody.
func (d *Door) encryptsAnew(ctx context.Context, o *store.Object, in *store.PutInput, b *store.Bucket) (bool, error) {
	if underKMS(o.SSE) || o.SSE.CustomerKeyMD5 != "" || in.SSE.CustomerKeyMD5 != "" {
		return true, nil
	}
	if !b.Has("encryption") {
		return false, nil
	}
	def, err := d.defaultEncryption(ctx, b)
	if err != nil {
		return false, err
	}
	return !def.Open, nil
}

// copiedSystem gives the system headers of a copy that keeps its source's: all
// but the website redirect, which belongs to one object and comes with the
// request or not at all.
func copiedSystem(source, request []s3.Header) []s3.Header {
	const redirect = "X-Amz-Website-Redirect-Location"
	var list []s3.Header
	for _, h := range source {
		if h.Name != redirect {
			list = append(list, h)
		}
	}
	for _, h := range request {
		if h.Name == redirect {
			list = append(list, h)
		}
	}
	return list
}

// showSourceVersion names the version that was copied, unless it is the null
// version.
func showSourceVersion(h http.Header, o *store.Object) {
	if id := o.VersionID(); o.Bucket.Versioning != "" && id != "null" {
		h["X-Amz-Copy-Source-Version-Id"] = []string{id}
	}
}

// uploadPartCopy makes a part of another object's bytes, or of a range of them.
func uploadPartCopy(d *Door, rq *Request) error {
	number, err := rq.partNumber()
	if err != nil {
		return err
	}
	h := rq.R.Header
	customer, err := readCustomer(h, customerWrite, rq.secure())
	if err != nil {
		return err
	}
	uploadID := rq.Query.Get("uploadId")
	u, err := d.opt.Store.Upload(rq.Ctx, rq.Bucket, rq.Key, uploadID)
	if err != nil {
		return noUpload(err, uploadID)
	}
	keeper, err := rq.partKeeper(u, customer)
	if err != nil {
		return err
	}
	o, _, err := d.openSource(rq, h)
	if err != nil {
		return err
	}
	defer o.Close()
	span := byteRange{0, o.Size}
	if v, ok := one(h, "X-Amz-Copy-Source-Range"); ok {
		if span, err = parseCopyRange(v, o.Size); err != nil {
			return err
		}
	}
	if span.length > objectMax {
		return errCopyTooLarge
	}
	return rq.answerSlowly(slowAfter, func() result {
		body, err := o.Body(rq.Ctx, span.first, span.length)
		if err != nil {
			return result{err: err}
		}
		defer body.Close()
		p, err := d.opt.Store.UploadPart(rq.Ctx, &store.PartInput{
			Bucket: rq.Bucket, Key: rq.Key, UploadID: uploadID, Number: number, Size: span.length, Keeper: keeper,
		}, body)
		if err != nil {
			return result{err: noUpload(err, uploadID)}
		}
		w := restxml.NewWriter(make([]byte, 0, 512))
		w.OpenNS("CopyPartResult", restxml.Namespace)
		w.Time("LastModified", p.Modified)
		w.Quoted("ETag", p.ETag)
		writeChecksum(w, p.Checksum)
		w.Close("CopyPartResult")
		return result{doc: w, headers: func(h http.Header) {
			showSourceVersion(h, o)
			showSSE(h, u.Input.SSE)
		}}
	})
}

// noUpload adds the element that names the upload that was not found.
func noUpload(err error, uploadID string) error {
	e := awserr.From(err)
	if e == nil || e.Code != store.ErrNoSuchUpload.Code || len(e.Extra) > 0 {
		return err
	}
	return e.With("UploadId", uploadID)
}
