package server

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/wire/awsjson"
	"github.com/farhold/farhold/wire/query"
	"github.com/farhold/farhold/wire/rpccbor"
)

// Names of services that share a credential scope.
const (
	s3Service      = "s3"
	controlService = "s3-control"
)

// controlPath begins every path of S3 Control.
const controlPath = "/v20180820/"

// serviceOf tells which service a request is for: by its credential scope, and
// where it has none by what each protocol has instead. It believes nothing, for
// the door that gets the request verifies it.
func (f *Front) serviceOf(d *doors, r *http.Request, scope string, scoped bool) string {
	switch {
	case scoped && scope != s3Service:
		return scope
	case f.accountLabel(r.Host) != "":
		return controlService // whatever its path: this host has no buckets
	case strings.HasPrefix(r.RequestURI, controlPath) && r.Header.Get("X-Amz-Account-Id") != "":
		return controlService
	case scoped:
		return s3Service
	}
	if name := f.unsigned(d, r); name != "" {
		return name
	}
	return s3Service
}

// unsigned finds the service of a request without a scope that speaks none of
// S3's languages, so that it gets a refusal that its client can read.
func (f *Front) unsigned(d *doors, r *http.Request) string {
	if f.hosts.Bucket(r.Host) != "" {
		return ""
	}
	if target := r.Header.Get("X-Amz-Target"); target != "" && r.Method == http.MethodPost {
		if i := strings.LastIndexByte(target, '.'); i >= 0 {
			target = target[:i]
		}
		return d.find(func(s *service.Service) bool { return s.Target == target })
	}
	if r.Header.Get("Smithy-Protocol") == rpccbor.Protocol {
		return d.find(func(s *service.Service) bool {
			return s.Target != "" && strings.Contains(r.URL.Path, "/service/"+s.Target+"/operation/")
		})
	}
	if action, version := queryAction(r); action != "" {
		return d.find(func(s *service.Service) bool { return s.Version == version && s.Speaks(service.Query) })
	}
	return ""
}

// find gives the name of the service that fits; of those that nobody serves,
// the name is the empty service's, which is refused as any other.
func (d *doors) find(fits func(*service.Service) bool) string {
	for name, door := range d.main.services {
		if s := door.Service(); fits(&s) {
			return name
		}
	}
	return "unknown"
}

// peekMax bounds how much of an unsigned form is read to find its Action, in
// bytes.
const peekMax = 64 << 10

// queryAction gives the action and the version of a request of the Query
// protocol, or nothing for what is none. The body stays as it is.
func queryAction(r *http.Request) (action, version string) {
	if r.URL.Path != "/" && r.URL.Path != "" {
		return "", ""
	}
	texts := []string{r.URL.RawQuery}
	switch r.Method {
	case http.MethodGet:
	case http.MethodPost:
		mt, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || mt != "application/x-www-form-urlencoded" || r.Body == nil {
			return "", ""
		}
		head := make([]byte, peekMax)
		n, err := io.ReadFull(r.Body, head)
		head = head[:n]
		rest := r.Body
		var tail io.Reader = rest
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			tail = failed{err}
		}
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(head), tail), rest}
		texts = append(texts, string(head))
	default:
		return "", ""
	}
	form := r.Method == http.MethodPost
	for _, text := range texts {
		for pair := range strings.SplitSeq(text, "&") {
			name, value, _ := strings.Cut(pair, "=")
			value, err := url.QueryUnescape(value)
			if err != nil {
				continue
			}
			switch name {
			case "Action":
				action = value
			case "Version":
				version = value
			}
		}
	}
	if action == "" && form {
		action = "?" // S3 has no such forms: it is a Query request that lacks its Action
	}
	if action != "" && !form && version == "" {
		return "", "" // a listing with a parameter that happens to be called so
	}
	return action, version
}

// failed gives the error that a body ended with.
type failed struct{ err error }

// Read implements io.Reader.
func (f failed) Read([]byte) (int, error) { return 0, f.err }

// accountLabel gives the account ID that stands in front of a host, where
// clients of S3 Control put it: 111122223333.localhost, …127.0.0.1 or
// ….s3-control.eu-west-1.amazonaws.com. No such host is a bucket's.
func (f *Front) accountLabel(host string) string {
	label, rest, ok := strings.Cut(host, ".")
	if !ok || len(label) != 12 || strings.Trim(label, "0123456789") != "" {
		return ""
	}
	if f.hosts.Bucket(host) == label || strings.HasPrefix(rest, "s3-control.") {
		return label
	}
	if i := strings.LastIndexByte(rest, ':'); i >= 0 {
		rest = rest[:i]
	}
	if _, err := netip.ParseAddr(rest); err == nil {
		return label
	}
	return ""
}

// refuseService says that a service is not served, in the form that its clients
// read.
func refuseService(w http.ResponseWriter, r *http.Request, name string) {
	e := errNotServed.Text("The service %s is not served here.", name)
	id := requestID()
	h := w.Header()
	h.Set("X-Amzn-Requestid", id)
	switch contentType := r.Header.Get("Content-Type"); {
	case r.Header.Get("Smithy-Protocol") == rpccbor.Protocol:
		codec, err := rpccbor.New()
		if err != nil {
			refuseXML(w, r, e)
			return
		}
		body, err := codec.EncodeError("UnknownOperationException", e.Message)
		if err != nil {
			refuseXML(w, r, e)
			return
		}
		h.Set("Content-Type", rpccbor.ContentType)
		h.Set("Smithy-Protocol", rpccbor.Protocol)
		send(w, r, http.StatusBadRequest, body)
	case r.Header.Get("X-Amz-Target") != "" || strings.HasPrefix(contentType, "application/x-amz-json"):
		if !strings.HasPrefix(contentType, "application/x-amz-json-1.0") {
			contentType = "application/x-amz-json-1.1"
		}
		h.Set("Content-Type", contentType)
		h.Set("X-Amzn-Errortype", "UnknownOperationException")
		send(w, r, http.StatusBadRequest, awsjson.EncodeError("UnknownOperationException", e.Message))
	case strings.HasPrefix(contentType, "application/x-www-form-urlencoded"):
		h.Set("Content-Type", "text/xml")
		send(w, r, e.Status, query.EncodeError("", query.Fault(http.StatusBadRequest), e.Code, e.Message, id))
	default:
		refuseXML(w, r, e)
	}
}
