package s3api

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/store"
	"github.com/farhold/farhold/wire/restxml"
	"github.com/farhold/farhold/wire/sigv4"
)

const (
	// formFieldsMax bounds the names and values before a form's file, in bytes,
	// as on AWS.
	formFieldsMax = 20 << 10
	// formHeadMax bounds everything before the file as it comes over the wire:
	// boundaries and part headers too, which cost memory as well.
	formHeadMax = 256 << 10
)

var (
	errNotForm       = awserr.New("PreconditionFailed", 412, "At least one of the pre-conditions you specified did not hold").With("Condition", "Bucket POST must be of the enclosure-type multipart/form-data")
	errMalformedPost = awserr.New("MalformedPOSTRequest", 400, "The body of your POST request is not well-formed multipart/form-data.")
	errFormTooLarge  = awserr.New("MaxPostPreDataLengthExceeded", 400, "Your POST request fields preceding the upload file were too large.")
	errNoFile        = awserr.ErrInvalidArgument.Text("POST requires exactly one file upload per request.").With("ArgumentName", "file").With("ArgumentValue", "0")
	errEmptyKey      = awserr.ErrInvalidArgument.Text("User key must have a length greater than 0.").With("ArgumentName", "key").With("ArgumentValue", "")

	errHeadTooLong = errors.New("more than may stand before a form's file")
)

// postObject takes a browser's upload: the fields say what a PUT's headers would
// have said, the policy says what its signer allows, and the file is streamed.
func postObject(d *Door, rq *Request) error {
	if !rq.isForm() {
		return errNotForm
	}
	if rq.R.ContentLength < 0 {
		return errNoLength
	}
	form, file, err := readForm(rq)
	if err != nil {
		return err
	}
	if !form.Has("key") {
		return awserr.Argument("key", "", "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.")
	}
	if name := file.FileName(); name != "" {
		form = form.Expand(name)
	}
	res, policy, err := d.opt.Verifier.VerifyPost(rq.Ctx, form, rq.Bucket)
	if err != nil {
		return d.wrongScope(rq, err)
	}
	if err := rq.believe(res); err != nil {
		return err
	}
	rq.Key, rq.HasKey = form.Get("key"), true
	if rq.Key == "" {
		return errEmptyKey
	}
	if err := CheckKey(rq.Key); err != nil {
		return err
	}
	h, err := formHeaders(form)
	if err != nil {
		return err
	}
	a, err := rq.ask(rq.Route.Action)
	if err != nil {
		return err
	}
	a.header = h
	if err := d.authorise(rq, a); err != nil {
		return err
	}
	b, err := rq.LoadBucket()
	if err != nil {
		return err
	}
	in, err := putInput(rq, b, rq.Key, h)
	if err != nil {
		return err
	}
	in.Size = -1
	v, err := d.opt.Store.Put(rq.Ctx, in, &formFile{r: file, policy: policy})
	if err != nil {
		return err
	}
	return d.posted(rq, form, v, b)
}

// readForm reads the fields up to the file, which is left to be read.
func readForm(rq *Request) (sigv4.Form, *multipart.Part, error) {
	_, params, err := mime.ParseMediaType(rq.Get("Content-Type"))
	if err != nil || params["boundary"] == "" {
		return nil, nil, errMalformedPost.Because(err)
	}
	head := &headReader{r: rq.Body, left: formHeadMax}
	parts := multipart.NewReader(head, params["boundary"])
	var form sigv4.Form
	size := 0
	for {
		part, err := parts.NextRawPart()
		switch {
		case err == io.EOF:
			return nil, nil, errNoFile
		case err != nil:
			return nil, nil, formError(err)
		}
		name := part.FormName()
		if strings.EqualFold(name, "file") {
			head.left = -1
			return form, part, nil
		}
		if name == "" {
			return nil, nil, errMalformedPost
		}
		value, err := io.ReadAll(io.LimitReader(part, formFieldsMax+1))
		if err != nil {
			return nil, nil, formError(err)
		}
		if size += len(name) + len(value); size > formFieldsMax {
			return nil, nil, errFormTooLarge
		}
		form = append(form, sigv4.Field{Name: name, Value: string(value)})
	}
}

// formError names what can go wrong while a form is taken apart.
func formError(err error) error {
	switch {
	case errors.Is(err, errHeadTooLong):
		return errFormTooLarge
	case awserr.From(err) != nil:
		return err
	}
	return errMalformedPost.Because(err)
}

// headReader lets only so many bytes through until the file has been found;
// left is negative from then on.
type headReader struct {
	r    io.Reader
	left int
}

func (h *headReader) Read(p []byte) (int, error) {
	if h.left < 0 {
		return h.r.Read(p)
	}
	if h.left == 0 {
		return 0, errHeadTooLong
	}
	n, err := h.r.Read(p[:min(len(p), h.left)])
	h.left -= n
	return n, err
}

// formFile reads a form's file within the bounds of its policy.
type formFile struct {
	r      io.Reader
	policy *sigv4.Policy // nil for a form without one
	n      int64
}

func (f *formFile) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	f.n += int64(n)
	switch {
	case f.n > objectMax:
		return 0, errEntityTooLarge
	case f.policy == nil: // an unsigned form, for a bucket that lets anybody write
		if err != nil && err != io.EOF {
			err = formError(err)
		}
	case f.n > f.policy.LengthMax(), err == io.EOF:
		if e := f.policy.CheckLength(f.n); e != nil {
			return 0, e
		}
	case err != nil:
		return n, formError(err)
	}
	return n, err
}

// formHeaders gives a form's fields as the headers that a PUT would have.
func formHeaders(form sigv4.Form) (http.Header, error) {
	h := make(http.Header, len(form))
	for _, f := range form {
		name := textproto.CanonicalMIMEHeaderKey(f.Name)
		value := f.Value
		switch {
		case strings.EqualFold(f.Name, "acl"):
			name = "X-Amz-Acl"
		case strings.EqualFold(f.Name, "tagging"):
			tags, err := rule.ParseObjectTagging([]byte(f.Value))
			if err != nil {
				return nil, err
			}
			name, value = "X-Amz-Tagging", encodeTags(tags)
		case formProof(name):
			continue
		case strings.HasPrefix(name, "X-Amz-"), plainField(name):
		case len(name) > 6 && strings.EqualFold(name[:6], "x-amz-"):
			return nil, awserr.Argument(f.Name, f.Value, "The field %q can't be a header", f.Name)
		default:
			continue // ours or nobody's: the policy had to name it
		}
		for i := 0; i < len(value); i++ {
			if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
				return nil, awserr.Argument(f.Name, f.Value, "The field %s holds a control character", f.Name)
			}
		}
		if _, twice := h[name]; twice {
			return nil, awserr.Argument(f.Name, f.Value, "POST requires exactly one field named '%s'.", f.Name)
		}
		h[name] = []string{value}
	}
	return h, nil
}

// plainField tells the fields that are headers without x-amz-.
func plainField(name string) bool {
	switch name {
	case "Cache-Control", "Content-Type", "Content-Disposition", "Content-Encoding", "Content-Language", "Expires", "Content-Md5":
		return true
	}
	return false
}

// formProof tells the fields that belong to the signature, and the headers that
// mean nothing in a form.
func formProof(name string) bool {
	switch name {
	case "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Algorithm", "X-Amz-Date", "X-Amz-Security-Token",
		"X-Amz-Trailer", "X-Amz-Decoded-Content-Length", "X-Amz-Content-Sha256", "X-Amz-Copy-Source":
		return true
	}
	return false
}

// encodeTags writes tags as the x-amz-tagging header has them.
func encodeTags(tags []s3.Tag) string {
	var b strings.Builder
	for i, t := range tags {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(t.Key))
		b.WriteByte('=')
		b.WriteString(url.QueryEscape(t.Value))
	}
	return b.String()
}

// posted answers an upload as the form asks: a redirect, a document, or nothing.
func (d *Door) posted(rq *Request, form sigv4.Form, v *s3.Version, b *store.Bucket) error {
	etag := `"` + v.ETag + `"`
	location := rq.location()
	showWritten(rq.Header(), v, b)
	rq.Set("Location", location)
	target := form.Get("success_action_redirect")
	if target == "" {
		target = form.Get("redirect")
	}
	if u, err := url.Parse(target); target != "" && err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" {
		q := "bucket=" + url.QueryEscape(rq.Bucket) + "&key=" + url.QueryEscape(rq.Key) + "&etag=" + url.QueryEscape(etag)
		if u.RawQuery != "" {
			q = u.RawQuery + "&" + q
		}
		u.RawQuery = q
		rq.Set("Location", u.String())
		return rq.Empty(http.StatusSeeOther)
	}
	switch form.Get("success_action_status") {
	case "200":
		return rq.Empty(http.StatusOK)
	case "201":
		w := restxml.NewWriter(nil)
		w.Open("PostResponse")
		w.Elem("Location", location)
		w.Elem("Bucket", rq.Bucket)
		w.Elem("Key", rq.Key)
		w.Elem("ETag", etag)
		w.Close("PostResponse")
		return rq.XML(http.StatusCreated, w)
	}
	return rq.Empty(http.StatusNoContent)
}

// location gives the URL of the request's object as its client reaches it.
func (rq *Request) location() string {
	scheme := "http://"
	if rq.R.TLS != nil {
		scheme = "https://"
	}
	path := (&url.URL{Path: "/" + rq.Key}).EscapedPath()
	if !rq.Virtual {
		path = "/" + rq.Bucket + path
	}
	return scheme + rq.R.Host + path
}
