package policy

import "testing"

const (
	account = "111122223333"
	other   = "444455556666"
	object  = "arn:aws:s3:::bucket/key"
)

func mustParse(t testing.TB, k Kind, raw string) *Document {
	t.Helper()
	d, err := Parse([]byte(raw), k)
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return d
}

func user(name string) Principal {
	return Principal{Account: account, ARN: "arn:aws:iam::" + account + ":user/" + name, UserID: "AIDA" + name}
}

func session(role, name string) Principal {
	return Principal{Account: account, ARN: "arn:aws:iam::" + account + ":role/" + role, UserID: "AROA" + role + ":" + name,
		SessionARN: "arn:aws:sts::" + account + ":assumed-role/" + role + "/" + name}
}

func root(account string) Principal {
	return Principal{Account: account, ARN: "arn:aws:iam::" + account + ":root", UserID: account, Root: true}
}

// TestOrder is AWS's order of evaluation, as its user guide tells it in words
// and in tables.
func TestOrder(t *testing.T) {
	all := mustParse(t, Identity, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)
	none := mustParse(t, Identity, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:GetUser","Resource":"*"}}`)
	deny := mustParse(t, Identity, `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`)
	scp := func(effect, action string) *Document {
		return mustParse(t, Organization, `{"Version":"2012-10-17","Statement":{"Effect":"`+effect+`","Action":"`+action+`","Resource":"*"}}`)
	}
	rp := func(effect, principal string) []*Document {
		return []*Document{mustParse(t, Resource, `{"Version":"2012-10-17","Statement":{"Effect":"`+effect+`","Principal":`+principal+`,"Action":"s3:*","Resource":"*"}}`)}
	}
	aws := func(arn string) string { return `{"AWS":"` + arn + `"}` }
	bob, sam := user("bob"), session("admin", "sam")
	docs := func(d ...*Document) []*Document { return d }
	one := func(d ...*Document) [][]*Document { return [][]*Document{d} }
	nobody := Principal{Anonymous: true}
	svc := Principal{Service: "s3.amazonaws.com"}

	for _, c := range []struct {
		name string
		in   Input
		want Decision
	}{
		{"nothing", Input{Principal: bob}, Decision{By: FromIdentity}},
		{"identity", Input{Principal: bob, Identity: docs(all)}, Decision{Allowed: true, By: FromIdentity}},
		{"identity denies", Input{Principal: bob, Identity: docs(all, deny)}, Decision{Explicit: true, By: FromIdentity}},
		{"unreadable", Input{Principal: bob, Identity: docs(all, nil)}, Decision{Explicit: true, By: FromIdentity}},
		{"root", Input{Principal: root(account)}, Decision{Allowed: true, By: FromIdentity}},
		{"root and SCP", Input{Principal: root(account), ServiceControl: one(scp("Allow", "ec2:*"))}, Decision{By: FromServiceControl}},
		{"root and SCP's deny", Input{Principal: root(account), ServiceControl: one(scp("Allow", "*"), scp("Deny", "s3:Get*"))}, Decision{Explicit: true, By: FromServiceControl}},
		{"root and bucket policy's deny", Input{Principal: root(account), ResourcePolicies: rp("Deny", `"*"`)}, Decision{Explicit: true, By: FromResource}},
		{"SCP at each level", Input{Principal: bob, Identity: docs(all), ServiceControl: [][]*Document{{scp("Allow", "*")}, {scp("Allow", "ec2:*")}}}, Decision{By: FromServiceControl}},
		{"SCP levels allow", Input{Principal: bob, Identity: docs(all), ServiceControl: [][]*Document{{scp("Allow", "*")}, {scp("Allow", "s3:*")}}}, Decision{Allowed: true, By: FromIdentity}},
		{"SCP level without policies", Input{Principal: bob, Identity: docs(all), ServiceControl: [][]*Document{{}}}, Decision{By: FromServiceControl}},
		{"SCP grants nothing", Input{Principal: bob, ServiceControl: one(scp("Allow", "*"))}, Decision{By: FromIdentity}},
		{"RCP", Input{Principal: bob, Identity: docs(all), ResourceControl: one(scp("Deny", "s3:*"))}, Decision{Explicit: true, By: FromResourceControl}},
		{"RCP binds services", Input{Principal: svc, ResourceAccount: account, ResourcePolicies: rp("Allow", `"*"`), ResourceControl: one(scp("Deny", "s3:*"))}, Decision{Explicit: true, By: FromResourceControl}},
		{"boundary", Input{Principal: bob, Identity: docs(all), Boundary: none}, Decision{By: FromBoundary}},
		{"boundary denies", Input{Principal: bob, Identity: docs(all), Boundary: deny}, Decision{Explicit: true, By: FromBoundary}},
		{"boundary grants nothing", Input{Principal: bob, Boundary: all}, Decision{By: FromIdentity}},
		{"session policy", Input{Principal: sam, Identity: docs(all), Session: docs(none), HasSession: true}, Decision{By: FromSession}},
		{"session policy that is empty", Input{Principal: sam, Identity: docs(all), HasSession: true}, Decision{By: FromSession}},
		{"session without policies", Input{Principal: sam, Identity: docs(all)}, Decision{Allowed: true, By: FromIdentity}},

		{"user by policy, no identity", Input{Principal: bob, ResourcePolicies: rp("Allow", aws(bob.ARN))}, Decision{Allowed: true, By: FromResource}},
		{"user by policy, boundary silent", Input{Principal: bob, Boundary: none, ResourcePolicies: rp("Allow", aws(bob.ARN))}, Decision{Allowed: true, By: FromResource}},
		{"user by policy, boundary denies", Input{Principal: bob, Boundary: deny, ResourcePolicies: rp("Allow", aws(bob.ARN))}, Decision{Explicit: true, By: FromBoundary}},
		{"another user by policy", Input{Principal: bob, ResourcePolicies: rp("Allow", aws(user("eve").ARN))}, Decision{By: FromIdentity}},
		{"role by policy", Input{Principal: sam, ResourcePolicies: rp("Allow", aws(sam.ARN))}, Decision{Allowed: true, By: FromResource}},
		{"role by policy, boundary silent", Input{Principal: sam, Boundary: none, ResourcePolicies: rp("Allow", aws(sam.ARN))}, Decision{By: FromIdentity}},
		{"role by policy, session silent", Input{Principal: sam, Session: docs(none), HasSession: true, ResourcePolicies: rp("Allow", aws(sam.ARN))}, Decision{By: FromIdentity}},
		{"session by policy, boundary silent", Input{Principal: sam, Boundary: none, ResourcePolicies: rp("Allow", aws(sam.SessionARN))}, Decision{Allowed: true, By: FromResource}},
		{"session by policy, session silent", Input{Principal: sam, Session: docs(none), HasSession: true, ResourcePolicies: rp("Allow", aws(sam.SessionARN))}, Decision{Allowed: true, By: FromResource}},
		{"session by policy, session denies", Input{Principal: sam, Session: docs(deny), HasSession: true, ResourcePolicies: rp("Allow", aws(sam.SessionARN))}, Decision{Explicit: true, By: FromSession}},
		{"everybody, boundary silent", Input{Principal: sam, Boundary: none, ResourcePolicies: rp("Allow", `"*"`)}, Decision{Allowed: true, By: FromResource}},
		{"account by policy gives nothing", Input{Principal: bob, ResourcePolicies: rp("Allow", aws(account))}, Decision{By: FromIdentity}},
		{"account by policy denies", Input{Principal: bob, Identity: docs(all), ResourcePolicies: rp("Deny", aws("arn:aws:iam::"+account+":root"))}, Decision{Explicit: true, By: FromResource}},
		{"role by policy denies session", Input{Principal: sam, Identity: docs(all), ResourcePolicies: rp("Deny", aws(sam.ARN))}, Decision{Explicit: true, By: FromResource}},
		{"by unique ID", Input{Principal: sam, ResourcePolicies: rp("Allow", aws("AROAADMIN0000000001"))}, Decision{By: FromIdentity}},
		{"ACL", Input{Principal: bob, Granted: true}, Decision{Allowed: true, By: FromResource}},
		{"ACL and deny", Input{Principal: bob, Granted: true, Identity: docs(deny)}, Decision{Explicit: true, By: FromIdentity}},
		{"ACL to a role, boundary silent", Input{Principal: sam, Granted: true, Boundary: none}, Decision{By: FromIdentity}},

		{"cross-account, both", Input{Principal: bob, ResourceAccount: other, Identity: docs(all), ResourcePolicies: rp("Allow", aws(bob.ARN))}, Decision{Allowed: true, By: FromResource}},
		{"cross-account, both, by account", Input{Principal: bob, ResourceAccount: other, Identity: docs(all), ResourcePolicies: rp("Allow", aws(account))}, Decision{Allowed: true, By: FromResource}},
		{"cross-account, both, by canonical ID", Input{Principal: Principal{Account: account, ARN: bob.ARN, CanonicalID: canonical}, ResourceAccount: other, Identity: docs(all), ResourcePolicies: rp("Allow", `{"CanonicalUser":"`+canonical+`"}`)}, Decision{Allowed: true, By: FromResource}},
		{"cross-account, identity alone", Input{Principal: bob, ResourceAccount: other, Identity: docs(all)}, Decision{By: FromResource}},
		{"cross-account, resource alone", Input{Principal: bob, ResourceAccount: other, ResourcePolicies: rp("Allow", aws(bob.ARN))}, Decision{By: FromIdentity}},
		{"cross-account, everybody alone", Input{Principal: bob, ResourceAccount: other, ResourcePolicies: rp("Allow", `"*"`)}, Decision{By: FromIdentity}},
		{"cross-account, boundary", Input{Principal: bob, ResourceAccount: other, Identity: docs(all), Boundary: none, ResourcePolicies: rp("Allow", aws(bob.ARN))}, Decision{By: FromBoundary}},
		{"cross-account, session ARN, session silent", Input{Principal: sam, ResourceAccount: other, Identity: docs(all), Session: docs(none), HasSession: true, ResourcePolicies: rp("Allow", aws(sam.SessionARN))}, Decision{By: FromSession}},
		{"cross-account root", Input{Principal: root(account), ResourceAccount: other}, Decision{By: FromResource}},
		{"cross-account root, both", Input{Principal: root(account), ResourceAccount: other, ResourcePolicies: rp("Allow", aws(account))}, Decision{Allowed: true, By: FromResource}},

		{"key without policy", Input{Principal: bob, Identity: docs(all), ResourceRules: true}, Decision{By: FromResource}},
		{"key without policy, root", Input{Principal: root(account), ResourceRules: true}, Decision{By: FromResource}},
		{"key gives the account, identity", Input{Principal: bob, Identity: docs(all), ResourceRules: true, ResourcePolicies: rp("Allow", aws(account))}, Decision{Allowed: true, By: FromIdentity}},
		{"key gives the account, no identity", Input{Principal: bob, ResourceRules: true, ResourcePolicies: rp("Allow", aws(account))}, Decision{By: FromIdentity}},
		{"key gives the account, root", Input{Principal: root(account), ResourceRules: true, ResourcePolicies: rp("Allow", aws(account))}, Decision{Allowed: true, By: FromIdentity}},
		{"key gives the user", Input{Principal: bob, ResourceRules: true, ResourcePolicies: rp("Allow", aws(bob.ARN))}, Decision{Allowed: true, By: FromResource}},
		{"key gives another user", Input{Principal: bob, Identity: docs(all), ResourceRules: true, ResourcePolicies: rp("Allow", aws(user("eve").ARN))}, Decision{By: FromResource}},
		{"key of another account, by account alone", Input{Principal: bob, ResourceAccount: other, ResourceRules: true, ResourcePolicies: rp("Allow", aws(account))}, Decision{By: FromIdentity}},
		{"grant of a key", Input{Principal: bob, Granted: true, ResourceRules: true}, Decision{Allowed: true, By: FromResource}},

		{"anonymous", Input{Principal: nobody, ResourceAccount: account}, Decision{By: FromResource}},
		{"anonymous, everybody", Input{Principal: nobody, ResourceAccount: account, ResourcePolicies: rp("Allow", `"*"`)}, Decision{Allowed: true, By: FromResource}},
		{"anonymous, every AWS", Input{Principal: nobody, ResourceAccount: account, ResourcePolicies: rp("Allow", aws("*"))}, Decision{Allowed: true, By: FromResource}},
		{"anonymous, everybody, key", Input{Principal: nobody, ResourceAccount: account, ResourceRules: true, ResourcePolicies: rp("Allow", `"*"`)}, Decision{By: FromResource}},
		{"anonymous, ACL", Input{Principal: nobody, ResourceAccount: account, Granted: true}, Decision{Allowed: true, By: FromResource}},
		{"anonymous, an account", Input{Principal: nobody, ResourceAccount: account, ResourcePolicies: rp("Allow", aws(account))}, Decision{By: FromResource}},
		{"service", Input{Principal: svc, ResourceAccount: account, ResourcePolicies: rp("Allow", `{"Service":"s3.amazonaws.com"}`)}, Decision{Allowed: true, By: FromResource}},
		{"service for a role", Input{Principal: svc, ResourceAccount: account, ResourceRules: true, ResourcePolicies: rp("Allow", `{"Service":["ec2.amazonaws.com","s3.amazonaws.com"]}`)}, Decision{Allowed: true, By: FromResource}},
		{"another service", Input{Principal: svc, ResourceAccount: account, ResourcePolicies: rp("Allow", `{"Service":"ec2.amazonaws.com"}`)}, Decision{By: FromResource}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.in.Action, c.in.Resource = "s3:GetObject", object
			got := Evaluate(&c.in)
			if got.Allowed != c.want.Allowed || got.Explicit != c.want.Explicit || got.By != c.want.By {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

const canonical = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"

// TestNotPrincipal is the user guide's page on NotPrincipal with Deny.
func TestNotPrincipal(t *testing.T) {
	for _, c := range []struct {
		names string
		who   Principal
		deny  bool
	}{
		{`["arn:aws:iam::111122223333:user/bob","arn:aws:iam::111122223333:root"]`, user("bob"), false},
		{`["arn:aws:iam::111122223333:user/bob","arn:aws:iam::111122223333:root"]`, user("eve"), true},
		{`["arn:aws:iam::111122223333:user/bob"]`, user("bob"), true}, // the account is not named
		{`["arn:aws:iam::111122223333:root"]`, user("bob"), true},
		{`["arn:aws:iam::111122223333:root"]`, root(account), false},
		{`["arn:aws:iam::111122223333:root"]`, root(other), true},
		{`["arn:aws:sts::111122223333:assumed-role/admin/sam","arn:aws:iam::111122223333:role/admin","111122223333"]`, session("admin", "sam"), false},
		{`["arn:aws:iam::111122223333:role/admin","111122223333"]`, session("admin", "sam"), true},
		{`"*"`, user("bob"), false},
		{`"111122223333"`, Principal{Anonymous: true}, true},
		{`"111122223333"`, Principal{Service: "s3.amazonaws.com"}, true},
	} {
		d := mustParse(t, Resource, `{"Statement":[{"Effect":"Deny","NotPrincipal":{"AWS":`+c.names+`},"Action":"*","Resource":"*"}]}`)
		got := Evaluate(&Input{Principal: c.who, Action: "s3:GetObject", Resource: object, ResourcePolicies: []*Document{d}})
		if got.Explicit != c.deny {
			t.Errorf("%s, %+v: %+v", c.names, c.who, got)
		}
	}
}
