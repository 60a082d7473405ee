// Package sts is the Security Token Service of a region: it tells a caller who
// it is. It speaks AWS's Query protocol, by GET and by POST of a form, in the
// header-signed and in the presigned form.
package sts

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/wire/restxml"
	"github.com/farhold/farhold/wire/shapes/sts"
	"github.com/farhold/farhold/wire/sigv4"
)

const (
	namespace = "https://sts.amazonaws.com/doc/2011-06-15/"
	version   = "2011-06-15"
	queryMax  = 1 << 20 // bytes of a query or a form
)

var (
	errMissingAction = awserr.New("MissingAction", 400, "The request must contain the parameter Action.")
	errInvalidAction = awserr.New("InvalidAction", 400, "The action or operation requested is invalid.")
	errMalformed     = awserr.New("MalformedQueryString", 400, "The query string contains a syntax error.")
	errMethod        = awserr.New("UnsupportedOperation", 405, "The request is neither GET nor POST.")
	errFormType      = awserr.New("MalformedInput", 400, "The body of a request must be application/x-www-form-urlencoded.")
	errNotServed     = awserr.New("NotImplemented", 501, "The action is not implemented.")
	errRegion        = awserr.New("SignatureDoesNotMatch", 403, "Credential should be scoped to a valid region.")
	errInternal      = awserr.New("InternalFailure", 500, "The request processing has failed because of an unknown error, exception or failure.")
)

// Principal is what the verifier's Credentials must give as the identity behind
// an access key.
type Principal interface {
	Account() string // 12 digits
	ARN() string
	UserID() string // the account ID for its root
}

// Options says what a service is made of.
type Options struct {
	Verifier *sigv4.Verifier // of the service sts, any region
	Regions  func() []string // those whose scope is accepted
	Log      *slog.Logger    // takes what went wrong on our side; nil drops it
	// Observe is told about every request when it is over. op is "" when none
	// was found. May be nil.
	Observe func(op string, status int, bytesIn, bytesOut int64, took time.Duration)
}

// Service serves STS. It is safe for concurrent use.
type Service struct{ opt Options }

// New makes a service.
func New(o Options) *Service {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{o}
}

// ServeHTTP serves one request.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	id := requestID()
	op, body, err := s.serve(r, id)
	status := http.StatusOK
	if err != nil {
		e := awserr.From(err)
		if e == nil || e.Status == http.StatusInternalServerError {
			s.opt.Log.Error("a request failed", "service", "sts", "request", id, "error", err)
			e = errInternal
		}
		status, body = document(e, id)
	}
	h := w.Header()
	h.Set("Content-Type", "text/xml")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Amzn-Requestid", id)
	w.WriteHeader(status)
	n, _ := w.Write(body) // a client that has gone needs no answer
	if s.opt.Observe != nil {
		s.opt.Observe(op, status, max(r.ContentLength, 0), int64(n), time.Since(begun))
	}
}

func (s *Service) serve(r *http.Request, id string) (op string, body []byte, err error) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return "", nil, errMethod
	}
	res, err := s.opt.Verifier.Verify(r)
	if err != nil {
		return "", nil, sigv4.ForQuery(err)
	}
	if res.Kind == sigv4.Anonymous {
		return "", nil, sigv4.ForQuery(nil)
	}
	if !slices.Contains(s.opt.Regions(), res.Region) {
		return "", nil, errRegion
	}
	who, ok := res.Identity.(Principal)
	if !ok || who.Account() == "" {
		return "", nil, awserr.ErrAccessDenied
	}
	params, err := parameters(r)
	if err != nil {
		return "", nil, err
	}
	action := params.Get("Action")
	switch {
	case action == "":
		return "", nil, errMissingAction
	case params.Get("Version") != version || !known(action):
		return "", nil, errInvalidAction.Text("Could not find operation %s for version %s", action, params.Get("Version"))
	case action != "GetCallerIdentity":
		return action, nil, errNotServed
	}
	body, err = callerIdentity(who, id)
	return action, body, err
}

// known tells whether STS has an action, served here or not.
func known(action string) bool {
	switch action {
	case "AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity", "AssumeRoot", "DecodeAuthorizationMessage",
		"GetAccessKeyInfo", "GetCallerIdentity", "GetDelegatedAccessToken", "GetFederationToken", "GetSessionToken", "GetWebIdentityToken":
		return true
	}
	return false
}

// callerIdentity needs no permission: everybody may know who they are.
func callerIdentity(who Principal, id string) ([]byte, error) {
	arn, user, account := who.ARN(), who.UserID(), who.Account()
	return restxml.Encode(&stsshapes.GetCallerIdentityAnswer{
		Result:           stsshapes.GetCallerIdentityResponse{UserId: &user, Account: &account, Arn: &arn},
		ResponseMetadata: stsshapes.ResponseMetadata{RequestID: id},
	})
}

// parameters reads those of the query and, for a POST, of the form. A name
// given twice is an error: what one reader takes, another would not.
func parameters(r *http.Request) (url.Values, error) {
	if len(r.URL.RawQuery) > queryMax {
		return nil, errMalformed
	}
	params, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, errMalformed
	}
	if r.Method == http.MethodPost {
		mt, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || mt != "application/x-www-form-urlencoded" {
			return nil, errFormType
		}
		b, err := io.ReadAll(io.LimitReader(r.Body, queryMax+1))
		switch {
		case err != nil && errors.Is(err, context.Canceled):
			return nil, err
		case err != nil || len(b) > queryMax:
			return nil, errMalformed
		}
		form, err := url.ParseQuery(string(b))
		if err != nil {
			return nil, errMalformed
		}
		for name, values := range form {
			params[name] = append(params[name], values...)
		}
	}
	for _, values := range params {
		if len(values) > 1 {
			return nil, errMalformed
		}
	}
	return params, nil
}

// document gives the answer for an error, as the Query protocol has it.
func document(e *awserr.Error, id string) (status int, body []byte) {
	who := "Sender"
	if e.Status >= 500 {
		who = "Receiver"
	}
	w := restxml.NewWriter(nil)
	w.OpenNS("ErrorResponse", namespace)
	w.Open("Error")
	w.Elem("Type", who)
	w.Elem("Code", e.Code)
	w.Elem("Message", e.Message)
	w.Close("Error")
	w.Elem("RequestId", id)
	w.Close("ErrorResponse")
	return e.Status, w.Bytes()
}

// requestID gives a random UUID.
func requestID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	x := hex.EncodeToString(b[:])
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
}
