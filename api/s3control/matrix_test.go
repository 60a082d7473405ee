package s3control

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/access/accesstest"
	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/service/servicetest"
	"github.com/farhold/farhold/store"
	"github.com/farhold/farhold/wire/sigv4"
)

// Every operation of the model, with every form of credentials and every kind
// of policy against it.
func TestMatrix(t *testing.T) {
	p := servicetest.NewUsers(t, account, "s3:*")
	p["AKIATHEIRS"] = servicetest.User{Account: other, Bound: p[servicetest.Good].Bound}
	p["AKIABANNED"] = p[servicetest.Good] // by the bucket's policy
	w := newWorld(t)
	if err := w.store.ChangeDocument(t.Context(), "photos", "policy", "", func(*store.Bucket, []byte) ([]byte, error) {
		return []byte(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::` + account + `:user/AKIABANNED"},"Action":"s3:*","Resource":"arn:aws:s3:::photos"}}`), nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := w.service.rows.SetRow(t.Context(), blockKey(account), renderBlock(w.service.AccountBlock(account))); err != nil {
		t.Fatal(err)
	}
	s := w.service.Service()
	for i := range s.Operations {
		o := &s.Operations[i]
		if do := o.Do; o.Name == "DeletePublicAccessBlock" {
			o.Do = func(ctx context.Context, c *service.Call, in any) (any, error) {
				out, err := do(ctx, c, in)
				if err == nil { // who reads it next must find it
					err = w.service.rows.SetRow(ctx, blockKey(account), renderBlock(rule.PublicAccessBlock{}))
				}
				return out, err
			}
		}
	}
	performed := servicetest.Count(s)
	d, srv := servicetest.Serve(t, s, service.Options{
		Region: "us-east-1", Verifier: &sigv4.Verifier{Credentials: p, Services: []string{"s3"}}, Decider: &access.Decider{Directory: p},
	})
	m := &accesstest.Matrix{
		Service: "s3", Region: "us-east-1", Good: []accesstest.Keys{{ID: servicetest.Good, Secret: servicetest.Secret}}, Performed: performed, Codes: accesstest.S3Codes(),
		Send: accesstest.Send(accesstest.XMLCode),
	}
	tags := map[string]bool{"ListTagsForResource": true, "TagResource": true, "UntagResource": true}
	for key := range p {
		if key != servicetest.Good {
			m.Bad = append(m.Bad, accesstest.Caller{Name: key, Keys: accesstest.Keys{ID: key, Secret: servicetest.Secret}, On: func(o *accesstest.Operation) bool {
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
