package s3api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/stamp"
	"github.com/farhold/farhold/store"
	"github.com/farhold/farhold/wire/sigv4"
)

var (
	errAnonymousOverride = awserr.ErrInvalidRequest.Text("Request specific response headers cannot be used for anonymous GET requests.")
	errEmptyVersion      = awserr.ErrInvalidArgument.Text("Version id cannot be the empty string")
)

func getObject(d *Door, rq *Request) error  { return d.readObject(rq, true) }
func headObject(d *Door, rq *Request) error { return d.readObject(rq, false) }

// readObject answers GET and HEAD, which differ in the body only.
func (d *Door) readObject(rq *Request, body bool) error {
	customer, err := rq.readerKey()
	if err != nil {
		return err
	}
	versionID, err := rq.versionID()
	if err != nil {
		return err
	}
	part, err := rq.partNumber()
	if err != nil {
		return err
	}
	rangeHeader := rq.Get("Range")
	if part != 0 && rangeHeader != "" {
		return errRangeAndPart
	}
	overrides, err := rq.overrides()
	if err != nil {
		return err
	}
	o, err := rq.open(rq.Bucket, rq.Key, versionID)
	if err != nil {
		return rq.missing(err, rq.Key, versionID)
	}
	defer o.Close()
	if err := rq.use(o, customer); err != nil {
		return err
	}

	if c := rq.readConditions(); !c.none() {
		switch v, name := c.check(o.ETag, o.Modified, d.opt.Now()); v {
		case preconditionFailed:
			return store.ErrPrecondition.With("Condition", name)
		case notModified:
			h := rq.Header()
			showValidators(h, &o.Version)
			showVersionID(h, &o.Version, o.Bucket)
			for i := range o.System {
				if n := o.System[i].Name; n == "Cache-Control" || n == "Expires" {
					h[n] = []string{o.System[i].Value}
				}
			}
			return rq.Empty(http.StatusNotModified)
		}
	}

	a := reading{rq: rq, o: o, overrides: overrides, whole: true, span: byteRange{0, o.Size}}
	switch {
	case part != 0:
		err = a.selectPart(rq.Ctx, part)
	case rangeHeader != "" && rq.rangeApplies(&o.Version):
		var partial bool
		var span byteRange
		if span, partial, err = parseRange(rangeHeader, o.Size); partial {
			a.span, a.partial, a.whole = span, true, span.length == o.Size
		}
	}
	if err != nil {
		return err
	}
	checksums := strings.EqualFold(rq.Get("X-Amz-Checksum-Mode"), "ENABLED")
	if body || checksums {
		// An empty body takes the same permission as any other; a checksum tells
		// something of the body.
		if err := o.Unlock(rq.Ctx); err != nil {
			return err
		}
	}
	if checksums {
		if err := a.findChecksum(rq.Ctx, part); err != nil {
			return err
		}
	}
	if !body || a.span.length == 0 {
		a.begin()
		return nil
	}
	return a.sendBody(rq.Ctx)
}

// versionID reads the query parameter, which must not be empty when it is there.
func (rq *Request) versionID() (string, error) {
	id, ok := rq.Query.Lookup("versionId")
	if ok && id == "" {
		return "", errEmptyVersion.With("ArgumentName", "versionId").With("ArgumentValue", "")
	}
	return id, nil
}

// overrides reads the response-… parameters. They are for signed requests only:
// what a page of another origin makes a browser do must not choose a content
// type.
func (rq *Request) overrides() ([]s3.Header, error) {
	var list []s3.Header
	for i := range rq.Query {
		p := &rq.Query[i]
		name, ok := strings.CutPrefix(p.name, "response-")
		if !ok {
			continue
		}
		switch name {
		case "cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires":
		default:
			continue
		}
		if rq.Caller.Kind == access.Anonymous {
			return nil, errAnonymousOverride
		}
		if !latin1(p.value) {
			return nil, awserr.Argument(p.name, p.value, "Header value cannot be represented using ISO-8859-1.")
		}
		list = append(list, s3.Header{Name: http.CanonicalHeaderKey(name), Value: p.value})
	}
	return list, nil
}

// latin1 tells whether s can be the value of a header.
func latin1(s string) bool {
	for _, r := range s {
		if r < ' ' && r != '\t' || r == 0x7f || r > 0xff {
			return false
		}
	}
	return true
}

// rangeApplies evaluates If-Range: a range of another version would be glued to
// a piece that the client has of the old one.
func (rq *Request) rangeApplies(v *s3.Version) bool {
	cond := rq.Get("If-Range")
	if cond == "" {
		return true
	}
	if t, err := http.ParseTime(cond); err == nil {
		return v.Modified.Unix() == t.Unix()
	}
	return !strings.HasPrefix(cond, "W/") && unquoteETag(cond) == v.ETag
}

// missing adds the elements that name what was not found. A version ID that
// cannot be one of this realm is invalid.
func (rq *Request) missing(err error, key, versionID string) error {
	e := awserr.From(err)
	if e != nil && e.Code == store.ErrNoSuchVersion.Code && rq.Door.foreign(versionID) {
		e = store.ErrInvalidVersion
		err = e
	}
	if e == nil || len(e.Extra) > 0 {
		return err
	}
	switch e.Code {
	case store.ErrNoSuchKey.Code:
		return e.With("Key", key)
	case store.ErrNoSuchVersion.Code:
		return e.With("Key", key).With("VersionId", versionID)
	case store.ErrInvalidVersion.Code:
		return e.With("ArgumentName", "versionId").With("ArgumentValue", versionID)
	}
	return err
}

// foreign tells whether a version ID has the form of Farhold's and yet was made by
// no region of the realm. AWS knows its own in the same way, and finds others
// invalid. It decides only how to say that a version is not there: one that is
// there is given whatever its ID.
func (d *Door) foreign(versionID string) bool {
	id, err := stamp.Parse(versionID)
	return err == nil && !slices.ContainsFunc(d.opt.Realm.Regions(), func(region string) bool { return stamp.Tag(region) == id.Region() })
}

// reading is a GET or HEAD that has an object and knows what to send of it. It
// touches the response only when the first byte is there, so that a body that
// can't be read is still an error document.
type reading struct {
	rq        *Request
	o         *store.Object
	overrides []s3.Header
	span      byteRange
	partial   bool // 206
	whole     bool // span is all of the object
	parts     int  // x-amz-mp-parts-count, or 0
	sum       s3.Checksum
	begun     bool
	gone      bool // the client takes no more
}

// selectPart chooses the bytes of one part.
func (a *reading) selectPart(ctx context.Context, number int) error {
	first, length, ok, err := a.o.PartRange(ctx, number)
	if err != nil {
		return err
	}
	if !ok {
		return errInvalidPartNumber.With("PartNumberRequested", strconv.Itoa(number)).
			With("ActualPartCount", strconv.Itoa(max(1, a.o.PartsCount)))
	}
	a.span = byteRange{first, length}
	a.partial = length > 0 // no Content-Range can say "nothing"
	a.whole = length == a.o.Size
	a.parts = a.o.PartsCount
	return nil
}

// findChecksum finds the checksum of exactly the bytes that go out: the
// object's for all of it, a part's for a part or for a range that is one. As on
// AWS, parts have checksums of their own only where the object's is made of them.
func (a *reading) findChecksum(ctx context.Context, part int) error {
	composite := a.o.Checksum.Type == s3.Composite
	switch {
	case a.whole && (part == 0 || !composite):
		a.sum = a.o.Checksum
		return nil
	case a.o.PartsCount == 0 || !composite:
		return nil
	}
	if part == 0 {
		// Parts but the last are of one size almost always, so the first part's
		// tells which one a range can be.
		_, each, ok, err := a.o.PartRange(ctx, 1)
		if err != nil || !ok || each == 0 || a.span.first%each != 0 || a.span.first/each >= partsMax {
			return err
		}
		part = int(a.span.first/each) + 1
		first, length, ok, err := a.o.PartRange(ctx, part)
		if err != nil || !ok || first != a.span.first || length != a.span.length {
			return err
		}
	}
	if _, err := a.o.LoadParts(ctx, part-1, 1); err != nil {
		return err
	}
	if p := a.o.Parts; len(p) > 0 && p[0].Number == part && !p[0].Checksum.IsZero() {
		a.sum = p[0].Checksum
		a.sum.Type = s3.Composite
	}
	return nil
}

// begin sends status and headers.
func (a *reading) begin() {
	a.begun = true
	h := a.rq.Header()
	showVersion(h, &a.o.Version, a.o.Bucket)
	if a.rq.Auth.Kind != sigv4.Anonymous {
		showReplicationFailure(h, &a.o.Version)
	}
	for i := range a.overrides {
		h[a.overrides[i].Name] = []string{a.overrides[i].Value}
	}
	h["Content-Length"] = []string{strconv.FormatInt(a.span.length, 10)}
	if a.parts > 0 {
		h["X-Amz-Mp-Parts-Count"] = []string{strconv.Itoa(a.parts)}
	}
	showChecksum(h, a.sum)
	status := http.StatusOK
	if a.partial {
		status = http.StatusPartialContent
		h["Content-Range"] = []string{a.span.contentRange(a.o.Size)}
	}
	a.rq.W.WriteHeader(status)
}

// Write sends a piece of the body, after the headers.
func (a *reading) Write(p []byte) (int, error) {
	if !a.begun {
		a.begin()
	}
	n, err := a.rq.W.Write(p)
	a.gone = a.gone || err != nil
	return n, err
}

// sendBody sends the bytes. An error after the first of them is returned to the
// door, which breaks the connection: a body that ends early must not look whole.
func (a *reading) sendBody(ctx context.Context) error {
	body, err := a.o.Body(ctx, a.span.first, a.span.length)
	if err != nil {
		return err
	}
	defer body.Close()
	n, err := io.Copy(a, body) // by the body's WriterTo: no buffer in between
	if a.gone {
		panic(http.ErrAbortHandler) // nothing is wrong here, and nobody is listening
	}
	if err == nil && n != a.span.length {
		err = fmt.Errorf("s3api: the body of %q ended after %d of %d bytes: %w", a.o.Key, n, a.span.length, io.ErrUnexpectedEOF)
	}
	return err
}
