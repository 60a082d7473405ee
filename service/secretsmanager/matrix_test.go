package secretsmanager

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/access/accesstest"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/wire/sigv4"
)

const (
	allowAll = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
	denyAll  = `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"secretsmanager:*","Resource":"*"}}`
)

// people are users by their access keys, with what binds them.
type people map[string]*access.Policies

func (p people) Secret(_ context.Context, key, token string) (string, any, error) {
	if p[key] == nil {
		return "", nil, sigv4.ErrUnknownKey
	}
	if token != "" {
		return "", nil, sigv4.ErrBadToken
	}
	return "secret", &access.Caller{Kind: access.User, Account: "123456789012", ARN: "arn:aws:iam::123456789012:user/" + key, AccessKey: key}, nil
}

func (p people) Policies(_ context.Context, c *access.Caller) (*access.Policies, error) {
	return p[c.AccessKey], nil
}

func (people) ResourceControl(context.Context, string) ([][]*policy.Document, error) { return nil, nil }

// Every operation of the model, with every form of credentials and every kind
// of policy against it.
func TestMatrix(t *testing.T) {
	parse := func(text string, kind policy.Kind) *policy.Document {
		d, err := policy.Parse([]byte(text), kind)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	yes, no := parse(allowAll, policy.Identity), parse(denyAll, policy.Identity)
	p := people{
		"AKIAGOOD":     {Identity: []*policy.Document{yes}},
		"AKIANOTHING":  {},
		"AKIADENIED":   {Identity: []*policy.Document{yes, no}},
		"AKIABOUNDARY": {Identity: []*policy.Document{yes}, Boundary: no},
		"AKIASESSION":  {Identity: []*policy.Document{yes}, Session: []*policy.Document{no}, HasSession: true},
		"AKIASCP":      {Identity: []*policy.Document{yes}, ServiceControl: [][]*policy.Document{{parse(allowAll, policy.Organization), parse(denyAll, policy.Organization)}}},
	}
	var performed atomic.Int64
	s := Service()
	for i := range s.Operations {
		do := s.Operations[i].Do
		s.Operations[i].Do = func(ctx context.Context, c *service.Call, in any) (any, error) {
			performed.Add(1)
			return do(ctx, c, in)
		}
	}
	d, err := service.New(s, service.Options{
		Region: "eu-west-1", Verifier: &sigv4.Verifier{Credentials: p, Services: []string{"secretsmanager"}}, Decider: &access.Decider{Directory: p},
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(d)
	t.Cleanup(srv.Close)
	m := &accesstest.Matrix{
		Service: "secretsmanager", Region: "eu-west-1", Good: []accesstest.Keys{{ID: "AKIAGOOD", Secret: "secret"}}, Performed: performed.Load,
		Codes: map[accesstest.Reason][]string{
			accesstest.NoCredentials: {"MissingAuthenticationTokenException"}, accesstest.WrongSignature: {"InvalidSignatureException"}, accesstest.UnknownKey: {"UnrecognizedClientException"},
			accesstest.ForeignToken: {"UnrecognizedClientException"}, accesstest.Skewed: {"InvalidSignatureException"}, accesstest.NotAllowed: {"AccessDeniedException"},
		},
		Send: accesstest.Send(accesstest.JSONCode),
	}
	for key := range p {
		if key != "AKIAGOOD" {
			m.Bad = append(m.Bad, accesstest.Caller{Name: key, Keys: accesstest.Keys{ID: key, Secret: "secret"}, On: func(o *accesstest.Operation) bool { return o.Unserved == 0 }})
		}
	}
	for _, op := range d.Operations() {
		o := accesstest.Operation{Name: op.Name, Open: op.Open, Request: func() *http.Request {
			r, err := http.NewRequest("POST", srv.URL+"/", strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Amz-Target", "secretsmanager."+op.Name)
			r.Header.Set("Content-Type", "application/x-amz-json-1.1")
			return r
		}}
		if op.Do == nil {
			o.Unserved = 400
		}
		m.Operations = append(m.Operations, o)
	}
	if cells := m.Run(t); cells < 10*len(m.Operations) {
		t.Errorf("%d cells", cells)
	}
}
