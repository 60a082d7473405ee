package secretsmanager

import (
	"net/http"
	"strings"
	"testing"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/access/accesstest"
	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/service/servicetest"
	"github.com/farhold/farhold/wire/sigv4"
)

// Every operation of the model, with every form of credentials and every kind
// of policy against it.
func TestMatrix(t *testing.T) {
	p := servicetest.NewUsers(t, "123456789012", "secretsmanager:*")
	s := Service()
	performed := servicetest.Count(s)
	d, srv := servicetest.Serve(t, s, service.Options{
		Region: "eu-west-1", Verifier: &sigv4.Verifier{Credentials: p, Services: []string{"secretsmanager"}}, Decider: &access.Decider{Directory: p},
	})
	m := &accesstest.Matrix{
		Service: "secretsmanager", Region: "eu-west-1", Good: []accesstest.Keys{{ID: servicetest.Good, Secret: servicetest.Secret}}, Performed: performed,
		Codes: map[accesstest.Reason][]string{
			accesstest.NoCredentials: {"MissingAuthenticationTokenException"}, accesstest.WrongSignature: {"InvalidSignatureException"}, accesstest.UnknownKey: {"UnrecognizedClientException"},
			accesstest.ForeignToken: {"UnrecognizedClientException"}, accesstest.Skewed: {"InvalidSignatureException"}, accesstest.NotAllowed: {"AccessDeniedException"},
		},
		Send: accesstest.Send(accesstest.JSONCode),
	}
	for key := range p {
		if key != servicetest.Good {
			m.Bad = append(m.Bad, accesstest.Caller{Name: key, Keys: accesstest.Keys{ID: key, Secret: servicetest.Secret}, On: func(o *accesstest.Operation) bool { return o.Unserved == 0 }})
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
