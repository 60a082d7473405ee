package sts

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/access/accesstest"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/service/servicetest"
	"github.com/farhold/farhold/wire/sigv4"
)

// TestMatrix tries every operation of the model with every form of credentials
// and every kind of policy against it.
func TestMatrix(t *testing.T) {
	w := newWorld(t)
	const all, deny = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"sts:*","Resource":"*"}}`
	yes, no := w.doc(all, policy.Identity), w.doc(deny, policy.Identity)
	role := w.role(ours, "Backup", trusts(ours))
	denying := w.role(ours, "Denying", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:*"},{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"sts:*"}]}`)
	good := w.user(ours, "good", "")
	w.bound = map[string]*access.Policies{
		good:                          {Identity: []*policy.Document{yes}},
		w.user(ours, "nothing", ""):   {},
		w.user(ours, "denied", ""):    {Identity: []*policy.Document{yes, no}},
		w.user(ours, "boundary", ""):  {Identity: []*policy.Document{yes}, Boundary: no},
		w.user(ours, "narrow", ""):    {Identity: []*policy.Document{yes}, Boundary: w.doc(strings.Replace(all, `"*"`, `"s3:*"`, 1), policy.Identity)},
		w.user(ours, "session", ""):   {Identity: []*policy.Document{yes}, Session: []*policy.Document{no}, HasSession: true},
		w.user(ours, "scp", ""):       {Identity: []*policy.Document{yes}, ServiceControl: [][]*policy.Document{{w.doc(all, policy.Organization), w.doc(deny, policy.Organization)}}},
		w.user(ours, "suspended", ""): {Identity: []*policy.Document{yes}, ServiceControl: [][]*policy.Document{{}}},
		w.user(theirs, "other", ""):   {Identity: []*policy.Document{no}},
	}
	s := w.issuer.Service()
	performed := servicetest.Count(s)
	door, srv := servicetest.Serve(t, s, service.Options{
		Region: "us-east-1", Decider: w.issuer.opt.Decider, Verifier: &sigv4.Verifier{Credentials: w, Services: []string{"sts"}},
	})
	w.now = time.Now()
	m := &accesstest.Matrix{
		Service: "sts", Region: "us-east-1", Good: []accesstest.Keys{{ID: good, Secret: secretOf(good)}}, Performed: performed,
		Codes: accesstest.QueryCodes(), Send: accesstest.Send(accesstest.XMLCode),
	}
	served := func(o *accesstest.Operation) bool { return o.Unserved == 0 }
	for key := range w.bound {
		if key != good {
			m.Bad = append(m.Bad, accesstest.Caller{Name: w.users[key].Name, Keys: accesstest.Keys{ID: key, Secret: secretOf(key)}, On: served})
		}
	}
	inputs := map[string]url.Values{
		"AssumeRole":                 {"RoleArn": {role}, "RoleSessionName": {"night"}},
		"GetAccessKeyInfo":           {"AccessKeyId": {good}},
		"DecodeAuthorizationMessage": {"EncodedMessage": {"x"}},
	}
	for _, op := range door.Operations() {
		o := accesstest.Operation{Name: op.Name, Open: op.Open, Presigned: true, Request: func() *http.Request {
			form := url.Values{"Action": {op.Name}, "Version": {"2011-06-15"}}
			for k, v := range inputs[op.Name] {
				form[k] = v
			}
			r, err := http.NewRequest("POST", srv.URL+"/", strings.NewReader(form.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			return r
		}}
		switch {
		case op.Do == nil:
			o.Unserved = 501
		case op.Name == "DecodeAuthorizationMessage":
			o.Unserved = 400 // no message is one
		}
		m.Operations = append(m.Operations, o)
	}
	if cells := m.Run(t); cells < 12*len(m.Operations) {
		t.Errorf("%d cells", cells)
	}
	// The trust policy is the policy of the resource.
	_, err := w.with(good, secretOf(good), "").AssumeRole(context.Background(), assume(denying))
	wantError(t, "a deny in the trust policy", err, "AccessDenied", "with an explicit deny in a resource-based policy")
}
