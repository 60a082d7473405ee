package s3api

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/store"
	"github.com/farhold/farhold/wire/restxml"
)

const (
	// objectMax is the most bytes of a PutObject, of a part and of a copy.
	objectMax = 5 << 30
	// redirectMax bounds x-amz-website-redirect-location, in bytes.
	redirectMax = 2 << 10
)

var (
	errEntityTooLarge = awserr.New("EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed size")
	errNoLength       = awserr.New("MissingContentLength", 411, "You must provide the Content-Length HTTP header.")
	errStorageClass   = awserr.New("InvalidStorageClass", 400, "The storage class you specified is not valid")
	errRedirect       = awserr.New("InvalidRedirectLocation", 400, "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.")
	errRedirectLong   = awserr.New("InvalidRedirectLocation", 400, "The length of website redirect location cannot exceed 2,048 characters.")
	errLockDigest     = awserr.ErrInvalidRequest.Text("Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters")
)

// description is what request headers say about an object to be made: what
// PutObject, CreateMultipartUpload, CopyObject and the browser form share.
type description struct {
	system  []s3.Header
	meta    []s3.Header
	class   s3.StorageClass
	tagging string
	tags    bool // tagging was given
	acl     bool // a canned ACL or a grant was given
	mode    string
	until   string
	hold    string
	locks   bool // one of the three was given
	sse     bool // something about encryption was given; see protect
}

// describe reads headers in one pass over the map, because requests for small
// objects spend much of their time here.
func describe(h http.Header) (*description, error) {
	var d description
	var meta int
	for name := range h {
		if isMeta(name) {
			meta++
		}
	}
	if meta > 0 {
		d.meta = make([]s3.Header, 0, meta)
	}
	d.system = make([]s3.Header, 0, 2)
	for name, values := range h {
		if len(values) == 0 {
			continue
		}
		v := values[0]
		switch name {
		case "Cache-Control", "Content-Disposition", "Content-Language", "Content-Type", "Expires":
			if len(values) > 1 {
				v = strings.Join(values, ", ")
			}
			d.add(name, v)
		case "Content-Encoding":
			d.add(name, contentEncoding(values))
		case "X-Amz-Website-Redirect-Location":
			if err := checkRedirect(v); err != nil {
				return nil, err
			}
			d.add(name, v)
		case "X-Amz-Storage-Class":
			d.class = s3.StorageClass(v)
			if !d.class.Valid() {
				return nil, errStorageClass.With("StorageClassRequested", v)
			}
		case "X-Amz-Tagging":
			d.tagging, d.tags = v, true
		case "X-Amz-Acl", "X-Amz-Grant-Full-Control", "X-Amz-Grant-Read", "X-Amz-Grant-Read-Acp", "X-Amz-Grant-Write", "X-Amz-Grant-Write-Acp":
			d.acl = true
		case "X-Amz-Object-Lock-Mode":
			d.mode, d.locks = v, true
		case "X-Amz-Object-Lock-Retain-Until-Date":
			d.until, d.locks = v, true
		case "X-Amz-Object-Lock-Legal-Hold":
			d.hold, d.locks = v, true
		case "X-Amz-Server-Side-Encryption",
			"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id",
			"X-Amz-Server-Side-Encryption-Context",
			"X-Amz-Server-Side-Encryption-Bucket-Key-Enabled",
			"X-Amz-Server-Side-Encryption-Customer-Algorithm",
			"X-Amz-Server-Side-Encryption-Customer-Key",
			"X-Amz-Server-Side-Encryption-Customer-Key-Md5":
			d.sse = true
		case "X-Amz-Write-Offset-Bytes",
			"X-Amz-Object-Lock-Event-Hold",
			"X-Amz-Object-Lock-Event-Hold-Duration-Days",
			"X-Amz-Object-Lock-Event-Hold-Duration-Years":
			return nil, notImplemented(strings.ToLower(name), "")
		default:
			if isMeta(name) {
				d.meta = metadata(d.meta, name, values)
			}
		}
	}
	for i := range d.system {
		if !carried(d.system[i].Value) {
			return nil, awserr.Argument(d.system[i].Name, d.system[i].Value, "Header value cannot be represented using ISO-8859-1.")
		}
	}
	if len(d.system) > 1 {
		sortHeaders(d.system)
	}
	if err := checkMetadata(d.meta); err != nil {
		return nil, err
	}
	return &d, nil
}

func (d *description) add(name, value string) {
	if value != "" {
		d.system = append(d.system, s3.Header{Name: name, Value: value})
	}
}

// sortHeaders puts a handful of headers in order, so that a version does not
// depend on the order of a map.
func sortHeaders(h []s3.Header) {
	for i := 1; i < len(h); i++ {
		for j := i; j > 0 && h[j].Name < h[j-1].Name; j-- {
			h[j], h[j-1] = h[j-1], h[j]
		}
	}
}

// contentEncoding gives Content-Encoding as it is kept: aws-chunked is how the
// request was framed and no property of the object.
func contentEncoding(values []string) string {
	v := values[0]
	if len(values) > 1 {
		v = strings.Join(values, ",")
	}
	if !strings.Contains(v, "aws-chunked") {
		return v
	}
	var keep []string
	for item := range strings.SplitSeq(v, ",") {
		if name := strings.TrimSpace(item); name != "" && name != "aws-chunked" {
			keep = append(keep, item) // with its spaces: the client gets its own words back
		}
	}
	return strings.TrimSpace(strings.Join(keep, ","))
}

// carried tells whether a response header can carry s unchanged.
func carried(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

func checkRedirect(v string) error {
	switch {
	case len(v) > redirectMax:
		return errRedirectLong
	case !strings.HasPrefix(v, "/") && !strings.HasPrefix(v, "http://") && !strings.HasPrefix(v, "https://"):
		return errRedirect
	}
	return nil
}

// putInput turns headers into the description of an object to be written: what
// PutObject, CreateMultipartUpload and the browser form have in common. The form
// gives its fields as headers, in canonical form. Its Verify checks Content-MD5
// and the x-amz-checksum headers, or the trailer in rq.Trailers.
func putInput(rq *Request, b *store.Bucket, key string, h http.Header) (*store.PutInput, error) {
	c, err := readClaim(h)
	if err != nil {
		return nil, err
	}
	in, err := newInput(rq, b, key, h)
	if err != nil {
		return nil, err
	}
	if !c.given() {
		if err := rq.lockDigest(b, in); err != nil {
			return nil, err
		}
		return in, nil
	}
	in.Algorithm = c.sum.Algorithm
	trailers := rq.Trailers
	in.Verify = func(s store.Sums) error { return c.verify(s, trailers) }
	return in, nil
}

// newInput is putInput without what concerns a body.
func newInput(rq *Request, b *store.Bucket, key string, h http.Header) (*store.PutInput, error) {
	d, err := describe(h)
	if err != nil {
		return nil, err
	}
	in := &store.PutInput{
		Bucket: b.Name,
		Key:    key,
		Size:   rq.Length,
		System: d.system,
		Meta:   d.meta,
		Class:  d.class,
	}
	if d.tags {
		if err := rq.mayMake("s3:PutObjectTagging", h); err != nil {
			return nil, err
		}
		if in.Tags, err = rule.ParseTagHeader(d.tagging); err != nil {
			return nil, err
		}
	}
	if d.acl {
		if err := rq.mayMake("s3:PutObjectAcl", h); err != nil {
			return nil, err
		}
		if in.ACL, err = rq.Door.headerACL(rq, b, h); err != nil {
			return nil, err
		}
	}
	in.Owner = rq.owner(b, in.ACL)
	if d.locks {
		if err := d.mayLock(rq, h); err != nil {
			return nil, err
		}
		if err := lockHeaders(in, b, d, rq.Door.opt.Now()); err != nil {
			return nil, err
		}
	}
	if in.If, err = writeConditions(h); err != nil {
		return nil, err
	}
	return in, rq.protect(in, b, h, d.sse)
}

// mayLock asks for the permissions that lock headers need.
func (d *description) mayLock(rq *Request, h http.Header) error {
	if d.mode != "" || d.until != "" {
		if err := rq.mayMake("s3:PutObjectRetention", h); err != nil {
			return err
		}
	}
	if d.hold != "" {
		return rq.mayMake("s3:PutObjectLegalHold", h)
	}
	return nil
}

// shared values of headers that most answers have.
var (
	acceptRanges = []string{"bytes"}
	sseAES256    = []string{"AES256"}
	octetStream  = []string{"binary/octet-stream"}
)

// showVersion sets the headers that describe a version on GET and HEAD, all but
// length, range and checksum.
func showVersion(h http.Header, v *s3.Version, b *store.Bucket) {
	h["Accept-Ranges"] = acceptRanges
	h["Content-Type"] = octetStream
	for i := range v.System {
		h[v.System[i].Name] = []string{v.System[i].Value}
	}
	showMetadata(h, v.Meta)
	showValidators(h, v)
	showSSE(h, v.SSE)
	showVersionID(h, v, b)
	if v.Class != "" && v.Class != s3.Standard {
		h["X-Amz-Storage-Class"] = []string{string(v.Class)}
	}
	if s := v.ReplicationStatus(); s != "" {
		h["X-Amz-Replication-Status"] = []string{string(s)}
	}
	if n := len(v.Tags.Tags); n > 0 {
		h["X-Amz-Tagging-Count"] = []string{strconv.Itoa(n)}
	}
	if v.Retention.Mode != "" {
		h["X-Amz-Object-Lock-Mode"] = []string{string(v.Retention.Mode)}
		h["X-Amz-Object-Lock-Retain-Until-Date"] = []string{v.Retention.Until.UTC().Format(restxml.TimeFormat)}
	}
	if v.Hold.Set {
		h["X-Amz-Object-Lock-Legal-Hold"] = []string{holdStatus(v.Hold.On)}
	}
}

// showReplicationFailure says why replication failed, to callers who are known:
// an extension, because AWS gives reasons in events and reports only.
func showReplicationFailure(h http.Header, v *s3.Version) {
	if reasons := v.FailureReasons(); len(reasons) > 0 && !v.Replica {
		h["X-Farhold-Replication-Reason"] = []string{strings.Join(reasons, ", ")}
	}
}

// showValidators sets ETag and Last-Modified, which a 304 has too.
func showValidators(h http.Header, v *s3.Version) {
	both := [2]string{`"` + v.ETag + `"`, v.Modified.UTC().Format(http.TimeFormat)}
	h["Etag"] = both[0:1:1]
	h["Last-Modified"] = both[1:2:2]
}

// showSSE sets the headers of the encryption at rest.
func showSSE(h http.Header, s s3.SSE) {
	switch {
	case s.CustomerKeyMD5 != "":
		h["X-Amz-Server-Side-Encryption-Customer-Algorithm"] = []string{s.Algorithm}
		h["X-Amz-Server-Side-Encryption-Customer-Key-Md5"] = []string{s.CustomerKeyMD5}
		return
	case s.Algorithm == "":
		h["X-Amz-Server-Side-Encryption"] = sseAES256
	default:
		h["X-Amz-Server-Side-Encryption"] = []string{s.Algorithm}
	}
	if s.KeyID != "" {
		h["X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"] = []string{s.KeyID}
	}
	if s.BucketKey {
		h["X-Amz-Server-Side-Encryption-Bucket-Key-Enabled"] = []string{"true"}
	}
}

// showVersionID sets x-amz-version-id, which a bucket shows from the day on
// which versioning was first enabled.
func showVersionID(h http.Header, v *s3.Version, b *store.Bucket) {
	if b.Versioning != "" {
		h["X-Amz-Version-Id"] = []string{v.VersionID()}
	}
}

// showUploadedID sets x-amz-version-id where it answers an upload. With
// versioning suspended AWS shows none there, though the same version shows as
// "null" when it is read or was written by a copy.
func showUploadedID(h http.Header, v *s3.Version, b *store.Bucket) {
	if b.Versioning == "Enabled" {
		showVersionID(h, v, b)
	}
}

func holdStatus(on bool) string {
	if on {
		return "ON"
	}
	return "OFF"
}
