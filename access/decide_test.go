package access

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/policy"
)

// directory answers from what a test puts in.
type directory struct {
	policies *Policies
	control  [][]*policy.Document
	err      error
}

func (d *directory) Policies(context.Context, *Caller) (*Policies, error) { return d.policies, d.err }
func (d *directory) ResourceControl(context.Context, string) ([][]*policy.Document, error) {
	return d.control, nil
}

func document(t testing.TB, k policy.Kind, raw string) *policy.Document {
	t.Helper()
	d, err := policy.Parse([]byte(raw), k)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const account = "111122223333"

var (
	bob  = &Caller{Kind: User, Account: account, ARN: "arn:aws:iam::111122223333:user/bob", UserID: "AIDAEXAMPLEEXAMPLEBOB", Name: "bob"}
	boss = &Caller{Kind: Root, Account: account, ARN: "arn:aws:iam::111122223333:root", UserID: account}
	sam  = &Caller{Kind: Role, Account: account, ARN: "arn:aws:sts::111122223333:assumed-role/admin/sam", RoleARN: "arn:aws:iam::111122223333:role/x/admin", UserID: "AROAEXAMPLEEXAMPLEADM:sam", Name: "admin",
		Session: &Session{Name: "sam", Issued: time.Unix(1767225600, 0), Tags: map[string]string{"Team": "red"}, SourceIdentity: "eve", MFA: true}}
	s3svc = &Caller{Kind: Service, Service: "s3.amazonaws.com"}
)

// TestSuspended: a level of no policies is a suspended account. What it owns is
// nobody's to use, whatever lets them in.
func TestSuspended(t *testing.T) {
	open := document(t, policy.Resource, `{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}`)
	all := document(t, policy.Identity, `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)
	for _, c := range []*Caller{bob, boss, sam, s3svc, {}} {
		for _, levels := range [][][]*policy.Document{{{}}, {{all}, {}}, nil} {
			d := &Decider{&directory{policies: &Policies{Identity: []*policy.Document{all}}, control: levels}}
			for _, owner := range []string{account, "444455556666"} {
				r := &Request{Caller: c, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Account: owner, ResourcePolicies: []*policy.Document{open}, Granted: true}
				err := d.Decide(t.Context(), r)
				decision, failed := d.Evaluate(t.Context(), r)
				switch {
				case failed != nil, decision.Allowed != (levels == nil):
					t.Errorf("%s in %s with %d levels: %+v, %v", c.ARN, owner, len(levels), decision, failed)
				case levels == nil && err != nil:
					t.Errorf("%s in %s: %v", c.ARN, owner, err)
				case levels != nil && (!errors.Is(err, ErrSuspended) || !errors.Is(err, awserr.ErrAccessDenied)):
					t.Errorf("%s in %s with %d levels: %v", c.ARN, owner, len(levels), err)
				}
			}
		}
	}
}

func TestRefusal(t *testing.T) {
	allow := document(t, policy.Identity, `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)
	deny := document(t, policy.Identity, `{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`)
	silent := document(t, policy.Identity, `{"Statement":{"Effect":"Allow","Action":"iam:GetUser","Resource":"*"}}`)
	closed := document(t, policy.Resource, `{"Statement":{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}}`)
	levels := func(d *policy.Document) [][]*policy.Document { return [][]*policy.Document{{d}} }
	all := []*policy.Document{allow}
	const who, what = "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: ", " because no identity-based policy allows the "
	for _, c := range []struct {
		name string
		dir  directory
		req  Request
		want string
	}{
		{"identity", directory{}, Request{Caller: bob}, who + "kms:Decrypt on resource: arn:aws:kms:::key/k" + what + "kms:Decrypt action"},
		{"S3", directory{}, Request{Caller: bob, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Quote: true}, who + `s3:GetObject on resource: "arn:aws:s3:::b/k"` + what + "s3:GetObject action"},
		{"S3, no resource", directory{}, Request{Caller: bob, Action: "s3:ListAllMyBuckets", Resource: "*", Quote: true}, who + "s3:ListAllMyBuckets" + what + "s3:ListAllMyBuckets action"},
		{"role", directory{}, Request{Caller: sam, Action: "iam:GetUser", Resource: "*"}, "User: " + sam.ARN + " is not authorized to perform: iam:GetUser on resource: *" + what + "iam:GetUser action"},
		{"AssumeRole", directory{}, Request{Caller: bob, Action: "sts:AssumeRole", Resource: "arn:aws:iam::111122223333:role/x"}, who + "sts:AssumeRole on resource: arn:aws:iam::111122223333:role/x"},
		{"identity denies", directory{policies: &Policies{Identity: []*policy.Document{deny}}}, Request{Caller: bob}, who + "kms:Decrypt on resource: arn:aws:kms:::key/k with an explicit deny in an identity-based policy"},
		{"resource denies", directory{}, Request{Caller: boss, ResourcePolicies: []*policy.Document{closed}}, "User: " + boss.ARN + " is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:::key/k with an explicit deny in a resource-based policy"},
		{"resource silent", directory{policies: &Policies{Identity: all}}, Request{Caller: bob, ResourceRules: true}, who + "kms:Decrypt on resource: arn:aws:kms:::key/k because no resource-based policy allows the kms:Decrypt action"},
		{"boundary", directory{policies: &Policies{Identity: all, Boundary: silent}}, Request{Caller: bob}, who + "kms:Decrypt on resource: arn:aws:kms:::key/k because no permissions boundary allows the kms:Decrypt action"},
		{"boundary denies", directory{policies: &Policies{Identity: all, Boundary: deny}}, Request{Caller: bob}, who + "kms:Decrypt on resource: arn:aws:kms:::key/k with an explicit deny in a permissions boundary"},
		{"session", directory{policies: &Policies{Identity: all, HasSession: true}}, Request{Caller: bob}, who + "kms:Decrypt on resource: arn:aws:kms:::key/k because no session policy allows the kms:Decrypt action"},
		{"SCP", directory{policies: &Policies{Identity: all, ServiceControl: levels(silent)}}, Request{Caller: bob}, who + "kms:Decrypt on resource: arn:aws:kms:::key/k because no service control policy allows the kms:Decrypt action"},
		{"SCP denies root", directory{policies: &Policies{ServiceControl: levels(deny)}}, Request{Caller: boss}, "User: " + boss.ARN + " is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:::key/k with an explicit deny in a service control policy"},
		{"RCP denies", directory{policies: &Policies{Identity: all}, control: levels(deny)}, Request{Caller: bob}, who + "kms:Decrypt on resource: arn:aws:kms:::key/k with an explicit deny in a resource control policy"},
		{"anonymous", directory{}, Request{Caller: &Caller{}, Account: account}, "Access Denied"},
		{"service", directory{}, Request{Caller: s3svc, Account: account}, "User: s3.amazonaws.com is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:::key/k because no resource-based policy allows the kms:Decrypt action"},
		{"service without a name", directory{}, Request{Caller: &Caller{Kind: Service}, Account: account, ResourcePolicies: []*policy.Document{document(t, policy.Resource, `{"Statement":{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"*","Resource":"*"}}`)}}, "User:  is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:::key/k because no resource-based policy allows the kms:Decrypt action"},
		{"gone", directory{policies: &Policies{Identity: all}, err: ErrGone}, Request{Caller: bob}, who + "kms:Decrypt on resource: arn:aws:kms:::key/k" + what + "kms:Decrypt action"},
		{"root", directory{}, Request{Caller: boss}, ""},
		{"user", directory{policies: &Policies{Identity: all}}, Request{Caller: bob}, ""},
	} {
		if c.req.Action == "" {
			c.req.Action, c.req.Resource = "kms:Decrypt", "arn:aws:kms:::key/k"
		}
		err := (&Decider{Directory: &c.dir}).Decide(context.Background(), &c.req)
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if e := awserr.From(err); e == nil || e.Code != "AccessDenied" || e.Status != 403 || e.Message != c.want {
			t.Errorf("%s:\n%v, want\n%s", c.name, err, c.want)
		}
	}
}

// broken is a context that could not read what it was asked for.
type broken struct{ asked *bool }

func (b broken) Value(string) ([]string, bool) { *b.asked = true; return nil, false }
func (b broken) Err() error {
	if *b.asked {
		return errors.New("disk")
	}
	return nil
}

func TestErrorIsNoAllow(t *testing.T) {
	open := document(t, policy.Identity, `{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"s3:ExistingObjectTag/secret":"yes"}}}]}`)
	dir := &directory{policies: &Policies{Identity: []*policy.Document{open}}}
	req := &Request{Caller: bob, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k"}
	d := &Decider{Directory: dir}
	if err := d.Decide(context.Background(), req); err != nil {
		t.Fatal(err)
	}
	for _, c := range []policy.Context{broken{new(bool)}, policy.Contexts{nil, policy.Values{}, broken{new(bool)}}, policy.Contexts{policy.Contexts{broken{new(bool)}}}} {
		req.Context = c
		if err := d.Decide(context.Background(), req); err == nil || err.Error() != "disk" {
			t.Errorf("%T: %v", c, err)
		}
	}
	dir.err = errors.New("no answer")
	if err := d.Decide(context.Background(), req); err != dir.err {
		t.Error(err)
	}
	if err := (&Decider{}).Decide(context.Background(), req); err == nil {
		t.Error("without a directory it allows")
	}
	if err := d.Decide(context.Background(), &Request{Action: "s3:GetObject"}); err == nil {
		t.Error("without a caller it allows")
	}
}

func TestKeys(t *testing.T) {
	claims := policy.Values{"aws:principalarn": {"forged"}, "aws:username": {"forged"}, "aws:principaltag/Team": {"forged"}, "aws:principalisawsservice": {"true"}, "aws:multifactorauthpresent": {"true"},
		"aws:tokenissuetime": {"forged"}, "aws:sourceidentity": {"forged"}, "kms:viaservice": {"forged"}, "aws:epochtime": {"1767225660"}, "aws:viaawsservice": {"false"}, "s3:prefix": {"home/"}}
	tags := map[string]string{"Team": "blue", "Site": "Oslo"}
	via := *sam
	via.Via = "s3.us-east-1.amazonaws.com"
	for _, c := range []struct {
		caller *Caller
		key    string
		want   string // empty: not there
	}{
		{bob, "aws:principalarn", bob.ARN}, {sam, "aws:principalarn", sam.RoleARN}, {boss, "aws:principalarn", boss.ARN}, {s3svc, "aws:principalarn", ""}, {&Caller{}, "aws:principalarn", ""},
		{bob, "aws:principalaccount", account}, {s3svc, "aws:principalaccount", ""},
		{bob, "aws:principaltype", "User"}, {sam, "aws:principaltype", "AssumedRole"}, {boss, "aws:principaltype", "Account"}, {&Caller{}, "aws:principaltype", "Anonymous"}, {s3svc, "aws:principaltype", ""},
		{bob, "aws:userid", bob.UserID}, {boss, "aws:userid", account}, {&Caller{}, "aws:userid", "anonymous"},
		{bob, "aws:username", "bob"}, {sam, "aws:username", ""}, {boss, "aws:username", ""},
		{bob, "aws:principaltag/Team", "blue"}, {sam, "aws:principaltag/Team", "red"}, {sam, "aws:principaltag/team", "red"}, {sam, "aws:principaltag/site", "Oslo"}, {sam, "aws:principaltag/none", ""},
		{bob, "aws:principalisawsservice", "false"}, {s3svc, "aws:principalisawsservice", "true"}, {&Caller{}, "aws:principalisawsservice", ""}, {s3svc, "aws:principalservicename", "s3.amazonaws.com"},
		{bob, "aws:multifactorauthpresent", ""}, {sam, "aws:multifactorauthpresent", "true"}, {sam, "aws:multifactorauthage", "60"}, {bob, "aws:multifactorauthage", ""},
		{bob, "aws:tokenissuetime", ""}, {sam, "aws:tokenissuetime", "2026-01-01T00:00:00Z"}, {bob, "aws:sourceidentity", ""}, {sam, "aws:sourceidentity", "eve"},
		{bob, "kms:calleraccount", account}, {bob, "kms:viaservice", ""}, {&via, "kms:viaservice", "s3.us-east-1.amazonaws.com"}, {&via, "aws:calledvia", "s3.amazonaws.com"}, {bob, "aws:calledvia", ""},
		{&via, "aws:viaawsservice", "true"}, {bob, "aws:viaawsservice", "false"}, {bob, "aws:resourceaccount", "444455556666"}, {bob, "s3:resourceaccount", "444455556666"}, {bob, "s3:prefix", "home/"}, {bob, "s3:delimiter", ""},
	} {
		got, ok := (&keys{caller: c.caller, request: &Request{Context: claims}, account: "444455556666", tags: tags}).Value(c.key)
		if ok != (c.want != "") || ok && (len(got) != 1 || got[0] != c.want) {
			t.Errorf("%s of %s: %q, %v; want %q", c.key, c.caller.ARN, got, ok, c.want)
		}
	}
}

// BenchmarkRoot is what each request of an account's root pays.
func BenchmarkRoot(b *testing.B) {
	d := &Decider{Directory: &directory{policies: &Policies{}}}
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Decide(ctx, &Request{Caller: boss, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Account: account}); err != nil {
			b.Fatal(err)
		}
	}
}
