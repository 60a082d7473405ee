// Package accesstest tries every operation of a door with every form of
// credentials that does not prove anything, and with every caller that may not:
// each must be refused before anything is done. With a caller that may, each
// operation must be performed, so that a door that refuses everything fails
// too. Every service's table of operations goes through it.
package accesstest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Reason says why a request must be refused.
type Reason string

// Reasons.
const (
	NoCredentials  Reason = "no credentials"
	WrongSignature Reason = "wrong signature"
	UnsignedHeader Reason = "a header that was not signed"
	UnknownKey     Reason = "unknown key"
	Skewed         Reason = "signed at another time"
	Expired        Reason = "expired"
	ForeignToken   Reason = "foreign token"
	TwoMechanisms  Reason = "header and query at once"
	NotAllowed     Reason = "not allowed"
)

// Keys are credentials.
type Keys struct{ ID, Secret, Token string }

// Caller is somebody who is known and may not.
type Caller struct {
	Name string // such as "denied by a permission boundary"
	Keys Keys
	// On limits the caller to some operations; nil means all.
	On func(o *Operation) bool
}

// Operation is a row of a door's table.
type Operation struct {
	Name string
	// Request makes a request for it that is complete but for its signature, by
	// http.NewRequest with a body in memory.
	Request func() *http.Request
	// Open operations need no permission, only credentials.
	Open bool
	// Presigned says that its credentials may stand in the query.
	Presigned bool
	// Unserved operations are refused with this status even to who may.
	Unserved int
}

// Answer is what a door answered.
type Answer struct {
	Status int
	Code   string // the error code; empty where an answer has no body
	Body   string
}

// Matrix is a door and what it is tried with.
type Matrix struct {
	Service, Region string // of the credential scope
	Operations      []Operation
	Good            []Keys   // callers who may do everything
	Bad             []Caller // callers who are known and may not
	Send            func(t testing.TB, r *http.Request) Answer
	// Performed counts how often an operation was performed since the start.
	Performed func() int64
	// Codes are the error codes that each reason may have; a reason without any
	// is refused with any code.
	Codes map[Reason][]string
	// Forms are forms of credentials that only this door has.
	Forms []Form
}

// Form is a way to say, or not to say, who one is.
type Form struct {
	Name string
	Why  Reason
	// Apply makes the request's credentials. It gives nil where the form does
	// not fit the operation.
	Apply func(m *Matrix, o *Operation) *http.Request
}

// Forms are the forms of credentials that every door must refuse.
func Forms() []Form {
	signed := func(keys func(Keys) Keys, at time.Duration) func(*Matrix, *Operation) *http.Request {
		return func(m *Matrix, o *Operation) *http.Request {
			return m.Sign(o.Request(), keys(m.Good[0]), time.Now().Add(at))
		}
	}
	same := func(k Keys) Keys { return k }
	presigned := func(life time.Duration, at time.Duration, change func(q url.Values)) func(*Matrix, *Operation) *http.Request {
		return func(m *Matrix, o *Operation) *http.Request {
			if !o.Presigned {
				return nil
			}
			r := m.Presign(o.Request(), m.Good[0], life, time.Now().Add(at))
			if change != nil {
				q, _ := url.ParseQuery(r.URL.RawQuery)
				change(q)
				r.URL.RawQuery = q.Encode()
			}
			return r
		}
	}
	return []Form{
		{"none", NoCredentials, func(_ *Matrix, o *Operation) *http.Request { return o.Request() }},
		{"wrong secret", WrongSignature, signed(func(k Keys) Keys { k.Secret = "not " + k.Secret; return k }, 0)},
		{"one bit of the signature", WrongSignature, func(m *Matrix, o *Operation) *http.Request {
			r := m.Sign(o.Request(), m.Good[0], time.Now())
			a := []byte(r.Header.Get("Authorization"))
			a[len(a)-1] ^= 1
			r.Header.Set("Authorization", string(a))
			return r
		}},
		{"another method", WrongSignature, func(m *Matrix, o *Operation) *http.Request {
			r := o.Request()
			method := r.Method
			r.Method = http.MethodPatch
			r = m.Sign(r, m.Good[0], time.Now())
			r.Method = method
			return r
		}},
		{"another query", WrongSignature, func(m *Matrix, o *Operation) *http.Request {
			r := o.Request()
			query := r.URL.RawQuery
			r.URL.RawQuery = "x-id=1&" + query
			r = m.Sign(r, m.Good[0], time.Now())
			r.URL.RawQuery = query
			return r
		}},
		{"unknown key", UnknownKey, signed(func(k Keys) Keys { k.ID = "AKIAUNKNOWNUNKNOWN12"; return k }, 0)},
		{"too old", Skewed, signed(same, -16*time.Minute)},
		{"from the future", Skewed, signed(same, 16*time.Minute)},
		{"a token that the key does not have", ForeignToken, signed(func(k Keys) Keys { k.Token = "IQoJb3JpZ2luX2VjEXAMPLE" + k.Token; return k }, 0)},
		{"expired, presigned", Expired, presigned(time.Minute, -2*time.Minute, nil)},
		{"altered, presigned", WrongSignature, presigned(time.Minute, 0, func(q url.Values) { q.Set("X-Amz-Expires", "61") })},
		{"header and query", TwoMechanisms, func(m *Matrix, o *Operation) *http.Request {
			if !o.Presigned {
				return nil
			}
			r := m.Presign(o.Request(), m.Good[0], time.Minute, time.Now())
			return m.Sign(r, m.Good[0], time.Now())
		}},
	}
}

// Run tries every operation with everything. It gives the number of cells.
func (m *Matrix) Run(t *testing.T) (cells int) {
	t.Helper()
	forms := append(Forms(), m.Forms...)
	for i := range m.Operations {
		o := &m.Operations[i]
		for _, k := range m.Good {
			cells++
			before := m.Performed()
			a := m.Send(t, m.Sign(o.Request(), k, time.Now()))
			switch {
			case o.Unserved != 0:
				if a.Status != o.Unserved {
					t.Errorf("%s, by who may: %d %s, want %d", o.Name, a.Status, a.Code, o.Unserved)
				}
			case a.Status >= 400 || m.Performed() != before+1:
				t.Errorf("%s, by who may: refused with %d %s\n%s", o.Name, a.Status, a.Code, a.Body)
			}
		}
		for _, f := range forms {
			if r := f.Apply(m, o); r != nil {
				cells++
				m.refused(t, o, f.Name, f.Why, r)
			}
		}
		for _, c := range m.Bad {
			if o.Open || c.On != nil && !c.On(o) {
				continue
			}
			cells++
			m.refused(t, o, c.Name, NotAllowed, m.Sign(o.Request(), c.Keys, time.Now()))
		}
	}
	return cells
}

func (m *Matrix) refused(t *testing.T, o *Operation, form string, why Reason, r *http.Request) {
	t.Helper()
	head := r.Method == http.MethodHead
	before := m.Performed()
	a := m.Send(t, r)
	if a.Status < 400 || a.Status >= 500 || m.Performed() != before {
		t.Errorf("%s, %s: taken, %d %s", o.Name, form, a.Status, a.Code)
		return
	}
	if want := m.Codes[why]; !head && len(want) > 0 && !slices.Contains(want, a.Code) {
		t.Errorf("%s, %s: refused with %d %s, want %v", o.Name, form, a.Status, a.Code, want)
	}
}

// Sign signs a request in its header, as of a time.
func (m *Matrix) Sign(r *http.Request, k Keys, at time.Time) *http.Request {
	hash := bodyHash(r)
	if m.Service == "s3" {
		r.Header.Set("X-Amz-Content-Sha256", hash)
	}
	return m.whole(r, func() error {
		return m.signer().SignHTTP(r.Context(), k.aws(), r, hash, m.Service, m.Region, at)
	})
}

// Presign signs a request in its query, for some time from a time on.
func (m *Matrix) Presign(r *http.Request, k Keys, life time.Duration, at time.Time) *http.Request {
	q, _ := url.ParseQuery(r.URL.RawQuery)
	q.Set("X-Amz-Expires", fmt.Sprint(int(life.Seconds())))
	r.URL.RawQuery = q.Encode()
	hash := "UNSIGNED-PAYLOAD"
	if m.Service != "s3" {
		hash = bodyHash(r)
	}
	return m.whole(r, func() error {
		signed, _, err := m.signer().PresignHTTP(r.Context(), k.aws(), r, hash, m.Service, m.Region, at)
		if err != nil {
			return err
		}
		u, err := url.Parse(signed)
		if err == nil {
			r.URL.RawQuery = u.RawQuery
		}
		return err
	})
}

// whole runs a signer over a request with a raw path: the signer wants to see
// the host in an opaque URL, and the wire must not.
func (m *Matrix) whole(r *http.Request, sign func() error) *http.Request {
	path := r.URL.Opaque
	if path != "" {
		r.URL.Opaque = "//" + r.URL.Host + path
	}
	err := sign()
	r.URL.Opaque = path
	if err != nil {
		panic(err) // a request that can't be signed is a mistake of the table
	}
	return r
}

func (m *Matrix) signer() *v4.Signer {
	return v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = m.Service == "s3" })
}

func (k Keys) aws() aws.Credentials {
	return aws.Credentials{AccessKeyID: k.ID, SecretAccessKey: k.Secret, SessionToken: k.Token}
}

func bodyHash(r *http.Request) string {
	var body []byte
	if r.GetBody != nil { // in memory: neither can fail
		b, _ := r.GetBody()
		body, _ = io.ReadAll(b)
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
