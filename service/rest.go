package service

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/wire/query"
	"github.com/farhold/farhold/wire/restxml"
	"github.com/farhold/farhold/wire/shape"
	"github.com/farhold/farhold/wire/sigv4"
)

// route is how an operation of a REST service travels.
type route struct {
	op     string
	method string
	parts  []string // of the path: literal, {Label} or, as the last, {Label+}
	query  url.Values
	status int
}

// router finds routes. The more of a path is literal, the earlier a route
// stands.
type router struct{ routes []route }

func (t *router) build(ops map[string]*Operation, http func(string) (string, string, int)) error {
	for name := range ops {
		method, uri, status := http(name)
		if method == "" {
			return fmt.Errorf("%s: nobody knows how it travels", name)
		}
		path, text, _ := strings.Cut(uri, "?")
		q, err := url.ParseQuery(text)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		t.routes = append(t.routes, route{name, method, strings.Split(strings.Trim(path, "/"), "/"), q, status})
	}
	weight := func(r *route) (n int) {
		for _, p := range r.parts {
			if !strings.HasPrefix(p, "{") {
				n += 10
			}
			if strings.HasSuffix(p, "+}") {
				n -= 5
			}
		}
		return n + len(r.query)
	}
	slices.SortFunc(t.routes, func(a, b route) int {
		if d := weight(&b) - weight(&a); d != 0 {
			return d
		}
		return strings.Compare(a.op, b.op)
	})
	return nil
}

// find gives the route of a request, and the labels of its path.
func (t *router) find(r *http.Request) (*route, map[string]string) {
	path := strings.Split(strings.Trim(r.URL.EscapedPath(), "/"), "/")
	q := r.URL.Query()
	for i := range t.routes {
		if labels, ok := t.routes[i].match(r.Method, path, q); ok {
			return &t.routes[i], labels
		}
	}
	return nil, nil
}

func (r *route) match(method string, path []string, q url.Values) (map[string]string, bool) {
	if r.method != method {
		return nil, false
	}
	for name, values := range r.query {
		if !q.Has(name) || values[0] != "" && q.Get(name) != values[0] {
			return nil, false
		}
	}
	var labels map[string]string
	for i, p := range r.parts {
		if i >= len(path) {
			return nil, false
		}
		name, isLabel := strings.CutPrefix(p, "{")
		if !isLabel {
			if path[i] != p {
				return nil, false
			}
			continue
		}
		name = strings.TrimSuffix(name, "}")
		text := path[i]
		name, greedy := strings.CutSuffix(name, "+")
		if greedy {
			text = strings.Join(path[i:], "/")
		}
		value, err := url.PathUnescape(text)
		if err != nil || value == "" {
			return nil, false
		}
		if labels == nil {
			labels = map[string]string{}
		}
		labels[name] = value
		if greedy {
			return labels, true
		}
	}
	return labels, len(path) == len(r.parts)
}

var (
	errBadDigest = awserr.New("BadDigest", 400, "The Content-MD5 you specified did not match what we received.")
	errDigest    = awserr.New("InvalidDigest", 400, "The Content-MD5 you specified is not valid.")
	errStreaming = awserr.New("NotImplemented", 501, "A body in chunks is not served here.")
)

// payload compares the body with what was signed and with its digest: for
// services that sign as S3 does, the verifier leaves it alone.
func (x *exchange) payload(res *sigv4.Result) error {
	switch {
	case strings.HasPrefix(res.PayloadHash, "STREAMING-"):
		return errStreaming
	case res.PayloadHash != "" && res.PayloadHash != sigv4.UnsignedPayload:
		if _, err := io.Copy(io.Discard, sigv4.PayloadReader(bytes.NewReader(x.body), res.PayloadHash)); err != nil {
			return err
		}
	}
	want := x.r.Header.Get("Content-Md5")
	if want == "" {
		return nil
	}
	sum, err := base64.StdEncoding.DecodeString(want)
	if err != nil || len(sum) != md5.Size {
		return errDigest
	}
	if got := md5.Sum(x.body); !bytes.Equal(got[:], sum) {
		return errBadDigest
	}
	return nil
}

// decodeREST reads headers, labels, parameters and the document.
func (x *exchange) decodeREST() error {
	v := reflect.ValueOf(x.in).Elem()
	st := shape.Of(v.Type())
	q := x.r.URL.Query()
	document := st.Root != ""
	for i := range st.Fields {
		f := &st.Fields[i]
		at := v.Field(f.Index)
		switch {
		case f.Payload:
			if len(x.body) == 0 {
				continue
			}
			if err := restxml.DecodeRoot(x.body, f.Element, f.Type.Settle(at).Addr().Interface()); err != nil {
				return err
			}
		case f.Header != "":
			values := x.r.Header.Values(f.Header)
			if len(values) > 1 {
				return awserr.ErrInvalidRequest.Text("The header %s stands twice.", f.Header)
			}
			if len(values) == 1 {
				if err := query.Scalar(f.Header, values[0], f.Type, at); err != nil {
					return err
				}
			}
		case f.Label != "":
			if s, ok := x.labels[f.Label]; ok {
				if err := query.Scalar(f.Label, s, f.Type, at); err != nil {
					return err
				}
			}
		case f.Query != "":
			if err := decodeParameter(f, q[f.Query], at); err != nil {
				return err
			}
		}
	}
	if document {
		if len(x.body) == 0 {
			return awserr.ErrMalformedXML
		}
		return restxml.Decode(x.body, x.in)
	}
	return nil
}

func decodeParameter(f *shape.Field, values []string, at reflect.Value) error {
	switch {
	case len(values) == 0:
		return nil
	case f.Type.Kind == shape.List:
		at.Set(reflect.MakeSlice(f.Type.Go, len(values), len(values)))
		for i, s := range values {
			if err := query.Scalar(f.Query, s, f.Type.Elem, at.Index(i)); err != nil {
				return err
			}
		}
		return nil
	case len(values) > 1:
		return awserr.ErrInvalidRequest.Text("The parameter %s stands twice.", f.Query)
	}
	return query.Scalar(f.Query, values[0], f.Type, at)
}

var errNoForm = errors.New("service: an answer with members that have no form")

// answerREST writes an output: a payload, or a document of its members.
func (x *exchange) answerREST(a *answer) (err error) {
	a.status = x.route.status
	if x.out == nil {
		return x.emptyREST(a)
	}
	v := reflect.Indirect(reflect.ValueOf(x.out))
	st := shape.Of(v.Type())
	for i := range st.Fields {
		f := &st.Fields[i]
		at, ok := f.Type.Present(v.Field(f.Index))
		switch {
		case !ok:
		case f.Payload:
			a.body, err = restxml.EncodeRoot(f.Space, f.Element, at.Addr().Interface())
			return err
		case f.Header != "" || f.Label != "" || f.Query != "":
			return errNoForm
		}
	}
	if st.Root != "" {
		a.body, err = restxml.EncodeRoot(st.Space, st.Root, x.out)
		return err
	}
	return x.emptyREST(a)
}

func (x *exchange) emptyREST(a *answer) error {
	a.header.Del("Content-Type")
	return nil
}

// errorREST writes an error as S3 Control has it, in an ErrorResponse.
func (x *exchange) errorREST(e *awserr.Error) []byte {
	w := restxml.NewWriter(nil)
	w.OpenNS("ErrorResponse", x.door.service.Space)
	w.Open("Error")
	w.Elem("Code", e.Code)
	w.Elem("Message", e.Message)
	for _, f := range e.Extra {
		w.Elem(f.Name, f.Value)
	}
	w.Close("Error")
	w.Elem("RequestId", x.id)
	w.Elem("HostId", x.id)
	w.Close("ErrorResponse")
	return w.Bytes()
}

// unit tells whether an answer says that it is none.
func unit(v any) bool {
	return shape.Of(reflect.Indirect(reflect.ValueOf(v)).Type()).Unit
}
