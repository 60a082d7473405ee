package rule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/farhold/farhold/policy"
)

func TestPolicyDocument(t *testing.T) {
	doc := func(statements ...string) string {
		return `{"Version": "2012-10-17", "Statement": [` + strings.Join(statements, ", ") + `]}`
	}
	// st is a good statement with some members replaced, or removed by "".
	st := func(changes ...string) string {
		members := []string{"Effect", `"Deny"`, "Principal", `"*"`, "Action", `"s3:GetObject"`, "Resource", `"arn:aws:s3:::source/*"`}
		for i := 0; i < len(changes); i += 2 {
			found := false
			for j := 0; j < len(members); j += 2 {
				if members[j] == changes[i] {
					members[j+1], found = changes[i+1], true
				}
			}
			if !found {
				members = append(members, changes[i], changes[i+1])
			}
		}
		var b []string
		for j := 0; j < len(members); j += 2 {
			if members[j+1] != "" {
				b = append(b, fmt.Sprintf("%q: %s", members[j], members[j+1]))
			}
		}
		return "{" + strings.Join(b, ", ") + "}"
	}
	open := func(c *Context) {
		*c = withDocument(*c, "publicAccessBlock", "<PublicAccessBlockConfiguration><BlockPublicPolicy>false</BlockPublicPolicy></PublicAccessBlockConfiguration>")
	}
	const syntax = "MalformedPolicy 400 Invalid policy syntax."
	testDocument(t, "policy", []documentCase{
		{name: "deny", body: doc(st()), get: `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::source/*"}]}`},
		{name: "one statement without a list", body: `{"Statement": ` + st() + `}`, get: `{"Statement":{"Effect"`},
		{name: "account becomes its root", body: doc(st("Principal", `{"AWS": ["123456789012"]}`)), get: `{"AWS":["arn:aws:iam::123456789012:root"]}`},
		{name: "characters stay", body: doc(st("Sid", `"a<b>&\u00e9"`)), get: `"Sid":"a<b>&é"`},
		{name: "service", body: doc(st("Effect", `"Allow"`, "Principal", `{"Service": "cloudtrail.amazonaws.com"}`, "Action", `"s3:GetBucketAcl"`, "Resource", `"arn:aws:s3:::source"`))},
		{name: "secure transport", body: doc(st("Action", `"s3:*"`, "Resource", `["arn:aws:s3:::source", "arn:aws:s3:::source/*"]`, "Condition", `{"Bool": {"aws:SecureTransport": "false"}}`))},
		{name: "replication role", body: doc(st("Effect", `"Allow"`, "Principal", `{"AWS": "`+testRole+`"}`, "Action", `["s3:GetReplicationConfiguration", "s3:ListBucket", "s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"]`, "Resource", `["arn:aws:s3:::source", "arn:aws:s3:::source/*"]`))},
		{name: "empty", body: "", want: "MalformedPolicy 400 Policies must be valid JSON and the first byte must be '{'"},
		{name: "space first", body: " " + doc(st()), want: "MalformedPolicy 400 Policies must be valid JSON and the first byte must be '{'"},
		{name: "truncated", body: doc(st())[:40], want: "MalformedPolicy 400 Policies must be valid JSON"},
		{name: "trailing", body: doc(st()) + "{}", want: "MalformedPolicy 400 Policies must be valid JSON"},
		{name: "invalid UTF-8", body: doc(st("Sid", "\"\xff\"")), want: "MalformedPolicy 400 Policies must be valid JSON"},
		{name: "lone surrogate", body: doc(st("Sid", `"\ud800"`)), want: "MalformedPolicy 400 Policies must be valid JSON"},
		{name: "too deep", body: strings.Repeat(`{"Statement":`, 40) + "1" + strings.Repeat("}", 40), want: "MalformedPolicy 400 Policies must be valid JSON"},
		{name: "member twice", body: doc(`{"Effect": "Deny", "Effect": "Allow"}`), want: "MalformedPolicy 400 Policies must be valid JSON"},
		{name: "member of another case", body: doc(st("effect", `"Allow"`)), want: "MalformedPolicy 400 Unknown field effect"},
		{name: "member with a Kelvin sign", body: doc(st("\u212ain", `"x"`)), want: "MalformedPolicy 400 Unknown field"},
		{name: "unknown member", body: `{"Statement": [], "Rules": []}`, want: "MalformedPolicy 400 Unknown field Rules"},
		{name: "no statement", body: "{}", want: "MalformedPolicy 400 Missing required field Statement"},
		{name: "empty statement list", body: doc(), want: "MalformedPolicy 400 "},
		{name: "statement no object", body: doc(`"x"`), want: syntax},
		{name: "version", body: strings.Replace(doc(st()), "2012", "2013", 1), want: "MalformedPolicy 400 The policy must contain a valid version string"},
		{name: "same Sid", body: doc(st("Sid", `"a"`), st("Sid", `"a"`)), want: "MalformedPolicy 400 Statement IDs (SID) in a single policy must be unique."},
		{name: "no effect", body: doc(st("Effect", "")), want: "MalformedPolicy 400 Missing required field Effect"},
		{name: "wrong effect", body: doc(st("Effect", `"allow"`)), want: "MalformedPolicy 400 Invalid effect: allow"},
		{name: "no principal", body: doc(st("Principal", "")), want: "MalformedPolicy 400 Missing required field Principal"},
		{name: "no action", body: doc(st("Action", "")), want: "MalformedPolicy 400 Missing required field Action"},
		{name: "no resource", body: doc(st("Resource", "")), want: "MalformedPolicy 400 Missing required field Resource"},
		{name: "principal and its opposite", body: doc(st("NotPrincipal", `"*"`)), want: "MalformedPolicy 400 "},
		{name: "principal a name", body: doc(st("Principal", `{"AWS": "bob"}`)), want: `MalformedPolicy 400 Invalid principal in policy Detail="AWS" : "bob"`},
		{name: "principal with a wildcard", body: doc(st("Principal", `{"AWS": "arn:aws:iam::123456789012:user/*"}`)), want: "MalformedPolicy 400 Invalid principal in policy"},
		{name: "principal a number", body: doc(st("Principal", `{"AWS": 123456789012}`)), want: "MalformedPolicy 400 Invalid principal in policy"},
		{name: "principal of no kind", body: doc(st("Principal", `{}`)), want: "MalformedPolicy 400 Invalid principal in policy"},
		{name: "principal a string", body: doc(st("Principal", `"bob"`)), want: "MalformedPolicy 400 Invalid principal in policy"},
		{name: "action of another service", body: doc(st("Action", `"ec2:RunInstances"`)), want: "MalformedPolicy 400 Policy has invalid action"},
		{name: "action without service", body: doc(st("Action", `"GetObject"`)), want: "MalformedPolicy 400 Policy has invalid action"},
		{name: "resource of another bucket", body: doc(st("Resource", `"arn:aws:s3:::other/*"`)), want: "MalformedPolicy 400 Policy has invalid resource"},
		{name: "resource of a bucket that begins alike", body: doc(st("Resource", `"arn:aws:s3:::source2/*"`)), want: "MalformedPolicy 400 Policy has invalid resource"},
		{name: "resource of a pattern", body: doc(st("Resource", `"arn:aws:s3:::s?ur*/*"`))},
		{name: "resource no ARN", body: doc(st("Resource", `"*"`)), want: "MalformedPolicy 400 Policy has invalid resource"},
		{name: "no resource in the list", body: doc(st("Resource", `[]`)), want: "MalformedPolicy 400 Policy has invalid resource"},
		{name: "object action on the bucket", body: doc(st("Resource", `"arn:aws:s3:::source"`)), want: "MalformedPolicy 400 Action does not apply to any resource(s) in statement"},
		{name: "bucket action on objects", body: doc(st("Action", `["s3:GetObject", "s3:ListBucket"]`)), want: "MalformedPolicy 400 Action does not apply to any resource(s) in statement"},
		{name: "unknown operator", body: doc(st("Condition", `{"StringIs": {"a": "b"}}`)), want: "MalformedPolicy 400 Invalid Condition type : StringIs"},
		{name: "operators", body: doc(st("Condition", `{"ForAnyValue:StringLikeIfExists": {"aws:TagKeys": ["a", "b"]}, "NumericLessThan": {"s3:max-keys": 10}, "Null": {"aws:x": true}}`))},
		{name: "condition no object", body: doc(st("Condition", `[]`)), want: syntax},
		{name: "condition of objects", body: doc(st("Condition", `{"Bool": {"a": {}}}`)), want: syntax},
		{name: "20 KiB and more", body: doc(st("Sid", `"`+strings.Repeat("x", 20480)+`"`)), want: "MalformedPolicy 400 Normalized policy document exceeds the maximum allowed size of 20480 bytes"},
		{name: "20 KiB of white space", body: doc(st()) + strings.Repeat(" ", 20480)},
		{name: "public while that is blocked", body: doc(st("Effect", `"Allow"`)), want: `AccessDenied 403 User: arn:aws:iam::123456789012:root is not authorized to perform: s3:PutBucketPolicy on resource: "arn:aws:s3:::source" because public policies are blocked by the BlockPublicPolicy block public access setting.`},
		{name: "public", ctx: open, body: doc(st("Effect", `"Allow"`))},
	})
}

// people are users and roles with their unique IDs.
type people map[string]string

func (p people) Exists(name string) (bool, error) {
	if strings.HasPrefix(name, "AIDA") {
		_, ok, err := p.ARN(name)
		return ok, err
	}
	return name == "arn:aws:iam::123456789012:root" || strings.HasPrefix(name, "arn:aws:sts::123456789012:assumed-role/there/"), nil
}

func (p people) ID(arn string) (string, bool, error) { id, ok := p[arn]; return id, ok, nil }

func (p people) ARN(id string) (string, bool, error) {
	for arn, i := range p {
		if i == id {
			return arn, true, nil
		}
	}
	return "", false, nil
}

// TestPolicyPrincipals: whom a policy names is stored as who it is, and shown
// under its name as long as it is there.
func TestPolicyPrincipals(t *testing.T) {
	const bob, id = "arn:aws:iam::123456789012:user/bob", "AIDAEXAMPLEEXAMPLEBOB"
	doc, ctx := Find("policy"), world()
	there := people{bob: id}
	ctx.Principals = there
	put := func(principal string) ([]byte, error) {
		return doc.Check(ctx, []byte(`{"Statement":[{"Effect":"Deny","Principal":{"AWS":`+principal+`},"Action":"s3:GetObject","Resource":"arn:aws:s3:::source/*"}]}`))
	}
	for _, bad := range []string{"arn:aws:iam::123456789012:user/eve", "arn:aws:iam::123456789012:role/bob", "210987654321", "arn:aws:sts::123456789012:assumed-role/gone/x", "AIDAEXAMPLEEXAMPLEEVE"} {
		if _, err := put(`"` + bad + `"`); !strings.HasPrefix(describe(err), "MalformedPolicy 400 Invalid principal in policy Detail=") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	stored, err := put(`["` + bob + `","123456789012","arn:aws:sts::123456789012:assumed-role/there/x","*"]`)
	if err != nil || !bytes.Contains(stored, []byte(`{"AWS":["`+id+`","arn:aws:iam::123456789012:root","arn:aws:sts::123456789012:assumed-role/there/x","*"]}`)) {
		t.Fatalf("%s, %v", stored, err)
	}
	shown, _, err := doc.Answer(ctx, stored)
	if err != nil || !bytes.Contains(shown, []byte(`{"AWS":["`+bob+`","arn:aws:iam::123456789012:root",`)) {
		t.Errorf("%s, %v", shown, err)
	}
	if again, err := doc.Check(ctx, shown); err != nil || !bytes.Equal(again, stored) {
		t.Errorf("%s, %v", again, err)
	}

	// Another bob is another user: neither shown as the one that was, nor bound
	// by what speaks of him.
	if stored, err = put(`"` + bob + `"`); err != nil {
		t.Fatal(err)
	}
	there[bob] = "AIDAEXAMPLEEXAMPLETWO"
	if shown, _, err := doc.Answer(ctx, stored); err != nil || !bytes.Equal(shown, stored) {
		t.Errorf("%s, %v", shown, err)
	}
	parsed, err := policy.Parse(stored, policy.Resource)
	if err != nil {
		t.Fatal(err)
	}
	for who, want := range map[string]bool{id: true, there[bob]: false} {
		d := policy.Evaluate(&policy.Input{Principal: policy.Principal{Account: "123456789012", ARN: bob, UserID: who}, Action: "s3:GetObject", Resource: "arn:aws:s3:::source/k", ResourcePolicies: []*policy.Document{parsed}})
		if d.Explicit != want {
			t.Errorf("%s: %+v", who, d)
		}
	}
}

func TestPolicyPublic(t *testing.T) {
	const on = `,"Action":"s3:GetObject","Resource":"arn:aws:s3:::source/*"}`
	for statement, want := range map[string]bool{
		`{"Effect":"Allow","Principal":"*"`:                                                                                                     true,
		`{"Effect":"Allow","Principal":{"AWS":"*"}`:                                                                                             true,
		`{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::123456789012:root","*"]}`:                                                          true,
		`{"Effect":"Allow","NotPrincipal":{"AWS":"arn:aws:iam::123456789012:root"}`:                                                             true,
		`{"Effect":"Deny","Principal":"*"`:                                                                                                      false,
		`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"}`:                                                                false,
		`{"Effect":"Allow","Principal":{"Service":"cloudtrail.amazonaws.com"}`:                                                                  false,
		`{"Effect":"Allow","Principal":"*","Condition":{"StringEquals":{"aws:SourceVpce":"vpce-1"}}`:                                            false,
		`{"Effect":"Allow","Principal":"*","Condition":{"StringLike":{"aws:SourceVpce":"vpce-*"}}`:                                              true,
		`{"Effect":"Allow","Principal":"*","Condition":{"StringNotEquals":{"aws:SourceVpce":"vpce-1"}}`:                                         true,
		`{"Effect":"Allow","Principal":"*","Condition":{"StringEqualsIfExists":{"aws:SourceVpce":"vpce-1"}}`:                                    true,
		`{"Effect":"Allow","Principal":"*","Condition":{"ForAllValues:StringEquals":{"aws:SourceVpce":"vpce-1"}}`:                               true,
		`{"Effect":"Allow","Principal":"*","Condition":{"StringEquals":{"aws:SourceVpce":["vpce-1","*"]}}`:                                      true,
		`{"Effect":"Allow","Principal":"*","Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}`:                                           false,
		`{"Effect":"Allow","Principal":"*","Condition":{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}`:                                              true,
		`{"Effect":"Allow","Principal":"*","Condition":{"IpAddress":{"aws:SourceIp":["192.0.2.0/24","6.0.0.0/7"]}}`:                             true,
		`{"Effect":"Allow","Principal":"*","Condition":{"IpAddress":{"aws:SourceIp":"2001:db8::/32"}}`:                                          false,
		`{"Effect":"Allow","Principal":"*","Condition":{"IpAddress":{"aws:SourceIp":"2001::/16"}}`:                                              true,
		`{"Effect":"Allow","Principal":"*","Condition":{"NotIpAddress":{"aws:SourceIp":"192.0.2.0/24"}}`:                                        true,
		`{"Effect":"Allow","Principal":"*","Condition":{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::123456789012:role/x"}}`:                     false,
		`{"Effect":"Allow","Principal":"*","Condition":{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/x"}}`:                                true,
		`{"Effect":"Allow","Principal":"*","Condition":{"ArnLike":{"s3:DataAccessPointArn":"arn:aws:s3:us-east-1:123456789012:accesspoint/*"}}`: false,
		`{"Effect":"Allow","Principal":"*","Condition":{"StringLike":{"s3:DataAccessPointArn":"arn:aws:s3:*:123456789012:accesspoint/*"}}`:      true,
		`{"Effect":"Allow","Principal":"*","Condition":{"StringLike":{"aws:userid":"AROAEXAMPLEEXAMPLE00:*"}}`:                                  false,
		`{"Effect":"Allow","Principal":"*","Condition":{"StringLike":{"aws:userid":"AROA*"}}`:                                                   true,
		`{"Effect":"Allow","Principal":"*","Condition":{"StringEquals":{"aws:Referer":"me"}}`:                                                   true,
		`{"Effect":"Allow","Principal":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}`:                                                 true,
		`{"Effect":"Allow","Principal":"*","Condition":{"Bool":{"a":"true"},"StringEquals":{"AWS:PrincipalOrgID":"o-1","x":["y"]}}`:             false,
	} {
		for _, raw := range []string{`{"Statement":[{"Effect":"Deny","Principal":"*"` + on + `,` + statement + on + `]}`, `{"Statement":` + statement + on + `}`} {
			if got, err := PolicyPublic([]byte(raw)); err != nil || got != want {
				t.Errorf("%s: %v, %v", raw, got, err)
			}
		}
	}
	if _, err := PolicyPublic([]byte("{}")); err == nil {
		t.Error("no policy passes for one")
	}
	if body, err := RenderPolicyStatus(true); err != nil || !strings.Contains(string(body), `<PolicyStatus xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsPublic>true</IsPublic></PolicyStatus>`) {
		t.Errorf("%s, %v", body, err)
	}
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "abc", true}, {"a*c", "abc", true}, {"a*c", "ab", false}, {"a?c", "abc", true},
		{"a?c", "ac", false}, {"*a*b*", "xxaxxbxx", true}, {"*a*b*", "xxbxxaxx", false}, {"a**", "a", true}, {"?", "", false},
		{strings.Repeat("*a", 50), strings.Repeat("a", 5000) + "b", false}, // would take for ever with backtracking
	} {
		if got := glob(c.pattern, c.s); got != c.want {
			t.Errorf("glob(%q, %q) = %v", c.pattern, c.s, got)
		}
	}
}

// FuzzJSON holds the reader of policies against the standard library's, which
// is laxer: what passes must pass there, and what is written must mean the same.
func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"a":[1,2.5e3,"x\u00e9",true,null,{}],"b":{"c":"<>&"}}`))
	f.Add([]byte(`{"a":1,"a":2}`))
	f.Add([]byte(`"\ud800"`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		n, err := parseJSON(raw)
		if err != nil {
			return
		}
		if !json.Valid(raw) {
			t.Fatalf("invalid JSON passes: %q", raw)
		}
		out := n.append(nil)
		again, err := parseJSON(out)
		if err != nil || !bytes.Equal(again.append(nil), out) {
			t.Fatalf("%q became %q: %v", raw, out, err)
		}
		var a, b any
		if json.Unmarshal(raw, &a) == nil && json.Unmarshal(out, &b) == nil && fmt.Sprint(a) != fmt.Sprint(b) {
			t.Fatalf("%q became %q", raw, out)
		}
	})
}

// FuzzCheck puts any bytes as any document: no panic, only AWS's errors, and
// what is stored can be answered, put again and is then the same.
func FuzzCheck(f *testing.F) {
	for i, body := range []string{
		conf(v2("a", 1, "<Filter/>", "", "")), tagSet("k", "v"), `{"Statement":[]}`,
		"<LifecycleConfiguration><Rule><Status>Enabled</Status><Filter/><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>",
		"<NotificationConfiguration><QueueConfiguration><Queue>arn:aws:sqs:us-east-1:123456789012:q</Queue><Event>s3:ObjectCreated:*</Event></QueueConfiguration></NotificationConfiguration>",
		"<MetricsConfiguration><Id>x</Id></MetricsConfiguration>", "<BucketLoggingStatus/>", "<Tagging></Tagging>", "<AbacStatus><Status>Enabled</Status></AbacStatus>",
	} {
		for j := range Documents {
			f.Add(uint8(j), i%2 == 0, []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, n uint8, strict bool, body []byte) {
		doc := &Documents[int(n)%len(Documents)]
		ctx := world()
		ctx.AWSStrict = strict
		stored, err := doc.Check(ctx, body)
		if err != nil {
			if describe(err) == "" || strings.HasPrefix(describe(err), "not an AWS error") || strings.HasPrefix(describe(err), "Internal") {
				t.Fatal(err)
			}
			return
		}
		answer, _, err := doc.Answer(ctx, stored)
		if doc.Name == "tagging" && !bytes.Contains(stored, []byte("<Tag>")) && errors.Is(err, ErrNoSuchTagSet) {
			return // AWS takes a tagging without tags, and then says that there is none
		}
		if err != nil {
			t.Fatalf("%s: %v from %s", doc.Name, err, stored)
		}
		again, err := doc.Check(ctx, answer)
		if err != nil || !bytes.Equal(again, stored) {
			t.Fatalf("%s: %v\n%s\n%s", doc.Name, err, stored, again)
		}
	})
}
