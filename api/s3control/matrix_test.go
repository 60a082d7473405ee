package s3control

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/access/accesstest"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/store"
	"github.com/farhold/farhold/wire/sigv4"
)

const (
	allowAll = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
	denyAll  = `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"s3:*","Resource":"*"}}`
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
	c := &access.Caller{Kind: access.User, Account: account, ARN: "arn:aws:iam::" + account + ":user/" + key, AccessKey: key}
	if key == "AKIATHEIRS" {
		c.Account, c.ARN = other, "arn:aws:iam::"+other+":user/"+key
	}
	return secret, c, nil
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
		"AKIATHEIRS":   {Identity: []*policy.Document{yes}},
		"AKIANOTHING":  {},
		"AKIADENIED":   {Identity: []*policy.Document{yes, no}},
		"AKIABOUNDARY": {Identity: []*policy.Document{yes}, Boundary: no},
		"AKIASESSION":  {Identity: []*policy.Document{yes}, Session: []*policy.Document{no}, HasSession: true},
		"AKIASCP":      {Identity: []*policy.Document{yes}, ServiceControl: [][]*policy.Document{{parse(allowAll, policy.Organization), parse(denyAll, policy.Organization)}}},
		"AKIABANNED":   {Identity: []*policy.Document{yes}}, // by the bucket's policy
	}
	w := newWorld(t)
	if err := w.store.ChangeDocument(t.Context(), "photos", "policy", "", func(*store.Bucket, []byte) ([]byte, error) {
		return []byte(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::` + account + `:user/AKIABANNED"},"Action":"s3:*","Resource":"arn:aws:s3:::photos"}}`), nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := w.service.rows.SetRow(t.Context(), blockKey(account), renderBlock(w.service.AccountBlock(account))); err != nil {
		t.Fatal(err)
	}
	var performed atomic.Int64
	s := w.service.Service()
	for i := range s.Operations {
		do, name := s.Operations[i].Do, s.Operations[i].Name
		s.Operations[i].Do = func(ctx context.Context, c *service.Call, in any) (any, error) {
			performed.Add(1)
			out, err := do(ctx, c, in)
			if name == "DeletePublicAccessBlock" && err == nil { // who reads it next must find it
				err = w.service.rows.SetRow(ctx, blockKey(account), renderBlock(rule.PublicAccessBlock{}))
			}
			return out, err
		}
	}
	d, err := service.New(s, service.Options{
		Region: "us-east-1", Verifier: &sigv4.Verifier{Credentials: p, Services: []string{"s3"}}, Decider: &access.Decider{Directory: p},
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(d)
	t.Cleanup(srv.Close)
	m := &accesstest.Matrix{
		Service: "s3", Region: "us-east-1", Good: []accesstest.Keys{{ID: "AKIAGOOD", Secret: secret}}, Performed: performed.Load, Codes: accesstest.S3Codes(),
		Send: accesstest.Send(accesstest.XMLCode),
	}
	tags := map[string]bool{"ListTagsForResource": true, "TagResource": true, "UntagResource": true}
	for key := range p {
		if key != "AKIAGOOD" {
			m.Bad = append(m.Bad, accesstest.Caller{Name: key, Keys: accesstest.Keys{ID: key, Secret: secret}, On: func(o *accesstest.Operation) bool {
				return o.Unserved == 0 && (key != "AKIABANNED" || tags[o.Name])
			}})
		}
	}
	label := regexp.MustCompile(`\{\w+\+?\}`)
	for _, op := range d.Operations() {
		method, uri, _ := s.HTTP(op.Name)
		if method == http.MethodPatch {
			continue // the matrix signs with this method where another is sent
		}
		body := map[string]string{
			"PutPublicAccessBlock": "<PublicAccessBlockConfiguration/>", "TagResource": "<TagResourceRequest><Tags><Tag><Key>k</Key><Value>v</Value></Tag></Tags></TagResourceRequest>",
		}[op.Name]
		value := "x"
		if tags[op.Name] {
			value = "arn%3Aaws%3As3%3A%3A%3Aphotos"
		}
		uri = label.ReplaceAllString(uri, value)
		if op.Name == "UntagResource" {
			uri += "?tagKeys=k"
		}
		o := accesstest.Operation{Name: op.Name, Request: func() *http.Request {
			r, err := http.NewRequest(method, srv.URL+uri, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Amz-Account-Id", account)
			return r
		}}
		if op.Do == nil {
			o.Unserved = 501
		}
		m.Operations = append(m.Operations, o)
	}
	if cells := m.Run(t); cells < 10*len(m.Operations) {
		t.Errorf("%d cells", cells)
	}
}
