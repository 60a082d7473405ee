package policy

import "testing"

// TestGuide is the user guide's examples of the elements of policies and of
// condition operators: each with requests and what the guide says about them.
func TestGuide(t *testing.T) {
	type ask struct {
		action, resource string
		context          Values
		want             string // allow, deny or none
	}
	const photos = "arn:aws:s3:::amzn-s3-demo-bucket/photos/a.jpg"
	for name, c := range map[string]struct {
		statement string
		asks      []ask
	}{
		"NotAction with Allow": {`{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}`, []ask{
			{"s3:GetObject", photos, nil, "allow"}, {"iam:CreateUser", "*", nil, "none"}, {"IAM:createuser", "*", nil, "none"},
		}},
		"NotAction with Deny unless MFA": {`{"Effect":"Deny","NotAction":["iam:ChangePassword","sts:*"],"Resource":"*","Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}}`, []ask{
			{"s3:GetObject", photos, nil, "deny"}, // long-term credentials do not have the key
			{"s3:GetObject", photos, Values{"aws:multifactorauthpresent": {"false"}}, "deny"},
			{"s3:GetObject", photos, Values{"aws:multifactorauthpresent": {"true"}}, "none"}, {"sts:GetSessionToken", "*", nil, "none"},
		}},
		"Bool without IfExists": {`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"false"}}}`, []ask{
			{"s3:GetObject", photos, nil, "none"}, {"s3:GetObject", photos, Values{"aws:multifactorauthpresent": {"false"}}, "deny"},
		}},
		"NotResource with Deny": {`{"Effect":"Deny","Action":"s3:*","NotResource":["arn:aws:s3:::HRBucket/Payroll","arn:aws:s3:::HRBucket/Payroll/*"]}`, []ask{
			{"s3:GetObject", "arn:aws:s3:::HRBucket/Payroll/x", nil, "none"}, {"s3:GetObject", "arn:aws:s3:::HRBucket/x", nil, "deny"}, {"s3:ListBucket", "arn:aws:s3:::HRBucket", nil, "deny"},
		}},
		"secure transport": {`{"Effect":"Deny","Action":"s3:*","Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}`, []ask{
			{"s3:GetObject", "arn:aws:s3:::b/k", Values{"aws:securetransport": {"false"}}, "deny"}, {"s3:GetObject", "arn:aws:s3:::b/k", Values{"aws:securetransport": {"true"}}, "none"}, {"s3:GetObject", "arn:aws:s3:::c/k", Values{"aws:securetransport": {"false"}}, "none"},
		}},
		"home directories": {`{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::amzn-s3-demo-bucket","Condition":{"StringLike":{"s3:prefix":["","home/","home/${aws:username}/*"]}}}`, []ask{
			{"s3:ListBucket", "arn:aws:s3:::amzn-s3-demo-bucket", Values{"s3:prefix": {""}}, "allow"}, {"s3:ListBucket", "arn:aws:s3:::amzn-s3-demo-bucket", nil, "none"},
			{"s3:ListBucket", "arn:aws:s3:::amzn-s3-demo-bucket", Values{"s3:prefix": {"home/ann/x"}, "aws:username": {"ann"}}, "allow"},
			{"s3:ListBucket", "arn:aws:s3:::amzn-s3-demo-bucket", Values{"s3:prefix": {"home/ann/x"}, "aws:username": {"*"}}, "none"}, // a value is no pattern
			{"s3:ListBucket", "arn:aws:s3:::amzn-s3-demo-bucket", Values{"s3:prefix": {"home/ann/x"}}, "none"},
		}},
		"default of a variable": {`{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/${aws:PrincipalTag/team, 'company-wide'}/*"}`, []ask{
			{"s3:GetObject", "arn:aws:s3:::b/yellow/x", Values{"aws:principaltag/team": {"yellow"}}, "allow"}, {"s3:GetObject", "arn:aws:s3:::b/company-wide/x", Values{"aws:principaltag/team": {"yellow"}}, "none"},
			{"s3:GetObject", "arn:aws:s3:::b/company-wide/x", nil, "allow"},
		}},
		"characters that are variables": {`{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/${*}/${?}/${$}x"}`, []ask{
			{"s3:GetObject", "arn:aws:s3:::b/*/?/$x", nil, "allow"}, {"s3:GetObject", "arn:aws:s3:::b/a/b/$x", nil, "none"},
		}},
		"IfExists": {`{"Effect":"Allow","Action":"ec2:RunInstances","Resource":"*","Condition":{"StringLikeIfExists":{"ec2:InstanceType":["t1.*","t2.*","m3.*"]}}}`, []ask{
			{"ec2:RunInstances", "*", nil, "allow"}, {"ec2:RunInstances", "*", Values{"ec2:instancetype": {"t2.micro"}}, "allow"}, {"ec2:RunInstances", "*", Values{"ec2:instancetype": {"c4.large"}}, "none"},
		}},
		"Null": {`{"Effect":"Deny","Action":"s3:PutObject","Resource":"*","Condition":{"Null":{"s3:x-amz-server-side-encryption":"true"}}}`, []ask{
			{"s3:PutObject", photos, nil, "deny"}, {"s3:PutObject", photos, Values{"s3:x-amz-server-side-encryption": {"AES256"}}, "none"}, {"s3:PutObject", photos, Values{"s3:x-amz-server-side-encryption": nil}, "deny"},
		}},
		"ForAllValues": {`{"Effect":"Allow","Action":"dynamodb:GetItem","Resource":"*","Condition":{"ForAllValues:StringEquals":{"dynamodb:Attributes":["ID","Message","Tags"]}}}`, []ask{
			{"dynamodb:GetItem", "*", Values{"dynamodb:attributes": {"ID", "Message"}}, "allow"}, {"dynamodb:GetItem", "*", Values{"dynamodb:attributes": {"ID", "UserName"}}, "none"},
			{"dynamodb:GetItem", "*", nil, "allow"}, {"dynamodb:GetItem", "*", Values{"dynamodb:attributes": {""}}, "allow"},
		}},
		"ForAnyValue": {`{"Effect":"Deny","Action":"dynamodb:PutItem","Resource":"*","Condition":{"ForAnyValue:StringEquals":{"dynamodb:Attributes":["ID","PostDateTime"]}}}`, []ask{
			{"dynamodb:PutItem", "*", Values{"dynamodb:attributes": {"ID", "UserName"}}, "deny"}, {"dynamodb:PutItem", "*", Values{"dynamodb:attributes": {"UserName"}}, "none"}, {"dynamodb:PutItem", "*", nil, "none"},
		}},
		"ForAnyValue negated": {`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"ForAnyValue:StringNotEquals":{"aws:TagKeys":["a","b"]}}}`, []ask{
			{"s3:PutObject", photos, Values{"aws:tagkeys": {"a", "c"}}, "deny"}, {"s3:PutObject", photos, Values{"aws:tagkeys": {"a", "b"}}, "none"}, {"s3:PutObject", photos, nil, "none"},
		}},
		"negated, several values": {`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"aws:PrincipalAccount":["111111111111","222222222222"]}}}`, []ask{
			{"s3:PutObject", photos, Values{"aws:principalaccount": {"111111111111"}}, "none"}, {"s3:PutObject", photos, Values{"aws:principalaccount": {"333333333333"}}, "deny"}, {"s3:PutObject", photos, nil, "deny"},
		}},
		"addresses": {`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":["203.0.113.0/24","2001:DB8:1234:5678::/64"]},"NotIpAddress":{"aws:SourceIp":"203.0.113.66/31"}}}`, []ask{
			{"s3:GetObject", photos, Values{"aws:sourceip": {"203.0.113.1"}}, "allow"}, {"s3:GetObject", photos, Values{"aws:sourceip": {"203.0.113.67"}}, "none"}, {"s3:GetObject", photos, Values{"aws:sourceip": {"2001:db8:1234:5678::9"}}, "allow"},
			{"s3:GetObject", photos, Values{"aws:sourceip": {"::ffff:203.0.113.1"}}, "allow"}, {"s3:GetObject", photos, nil, "none"}, {"s3:GetObject", photos, Values{"aws:sourceip": {"what"}}, "none"},
		}},
		"dates": {`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"DateGreaterThan":{"aws:CurrentTime":"2020-04-01T00:00:00Z"},"DateLessThan":{"aws:CurrentTime":"1593561599"}}}`, []ask{
			{"s3:GetObject", photos, Values{"aws:currenttime": {"2020-05-01T00:00:00Z"}}, "allow"}, {"s3:GetObject", photos, Values{"aws:currenttime": {"2020-04-01T00:00:00Z"}}, "none"}, {"s3:GetObject", photos, Values{"aws:currenttime": {"2020-07-01T00:00:00+00:00"}}, "none"},
		}},
		"numbers": {`{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*","Condition":{"NumericLessThanEquals":{"s3:max-keys":"10"}}}`, []ask{
			{"s3:ListBucket", "arn:aws:s3:::b", Values{"s3:max-keys": {"9"}}, "allow"}, {"s3:ListBucket", "arn:aws:s3:::b", Values{"s3:max-keys": {"10.0"}}, "allow"}, {"s3:ListBucket", "arn:aws:s3:::b", Values{"s3:max-keys": {"100"}}, "none"}, {"s3:ListBucket", "arn:aws:s3:::b", nil, "none"},
		}},
		"ARNs part by part": {`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:s3:*:123456789012:bu*et"}}}`, []ask{
			{"sns:Publish", "*", Values{"aws:sourcearn": {"arn:aws:s3:us-east-1:123456789012:bucket"}}, "allow"}, {"sns:Publish", "*", Values{"aws:sourcearn": {"arn:aws:s3::123456789012:bu:et"}}, "allow"},
			{"sns:Publish", "*", Values{"aws:sourcearn": {"arn:aws:s3:x:y:123456789012:bucket"}}, "none"}, {"sns:Publish", "*", Values{"aws:sourcearn": {"bucket"}}, "none"},
		}},
		"strings blind to case": {`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEqualsIgnoreCase":{"aws:PrincipalTag/job":"Admin"},"StringNotEqualsIgnoreCase":{"aws:PrincipalTag/state":"GONE"}}}`, []ask{
			{"s3:GetObject", photos, Values{"aws:principaltag/job": {"aDMIN"}}, "allow"}, {"s3:GetObject", photos, Values{"aws:principaltag/job": {"admin"}, "aws:principaltag/state": {"gone"}}, "none"}, {"s3:GetObject", photos, Values{"aws:principaltag/job": {"admins"}}, "none"},
		}},
		"binary": {`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"BinaryEquals":{"key":"QmluYXJ5VmFsdWVJbkJhc2U2NA=="}}}`, []ask{
			{"s3:GetObject", photos, Values{"key": {"QmluYXJ5VmFsdWVJbkJhc2U2NA=="}}, "allow"}, {"s3:GetObject", photos, Values{"key": {"QmluYXJ5"}}, "none"},
		}},
		"wildcards in Resource": {`{"Effect":"Allow","Action":"s3:Get?bject*","Resource":"arn:aws:s3:::amzn-s3-demo-bucket/*/a.jp?"}`, []ask{
			{"s3:GetObject", photos, nil, "allow"}, {"s3:GetObjectAcl", photos, nil, "allow"}, {"s3:GetBucket", photos, nil, "none"}, {"s3:GetObject", photos + "x", nil, "none"}, {"s3:GetObject", "arn:aws:s3:::amzn-s3-demo-bucket/x/y/a.jpé", nil, "allow"},
		}},
	} {
		d := mustParse(t, Identity, `{"Version":"2012-10-17","Statement":[`+c.statement+`]}`)
		for _, a := range c.asks {
			in := &Input{Principal: user("ann"), Action: a.action, Resource: a.resource, Identity: []*Document{d}}
			if a.context != nil {
				in.Context = a.context
			}
			got := "none"
			if r := Evaluate(in); r.Allowed {
				got = "allow"
			} else if r.Explicit {
				got = "deny"
			}
			if got != a.want {
				t.Errorf("%s: %s of %s with %v: %s, want %s", name, a.action, a.resource, a.context, got, a.want)
			}
		}
	}
}

// TestOldVersion: what looks like a variable is none in documents of 2008.
func TestOldVersion(t *testing.T) {
	for version, want := range map[string]bool{`"Version":"2008-10-17",`: false, ``: false, `"Version":"2012-10-17",`: true} {
		d := mustParse(t, Identity, `{`+version+`"Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b/${aws:username}"}}`)
		in := &Input{Principal: user("ann"), Action: "s3:GetObject", Resource: "arn:aws:s3:::b/ann", Identity: []*Document{d}, Context: Values{"aws:username": {"ann"}}}
		if got := Evaluate(in).Allowed; got != want {
			t.Errorf("%q: %v", version, got)
		}
		in.Resource = "arn:aws:s3:::b/${aws:username}"
		if got := Evaluate(in).Allowed; got == want {
			t.Errorf("%q, to the letter: %v", version, got)
		}
	}
}

// TestUnreadVariable: NotResource with a variable that has no value widens no
// Allow, and narrows no Deny.
func TestUnreadVariable(t *testing.T) {
	for effect, want := range map[string]Decision{"Allow": {By: FromIdentity}, "Deny": {Explicit: true, By: FromIdentity}} {
		d := mustParse(t, Identity, `{"Version":"2012-10-17","Statement":{"Effect":"`+effect+`","Action":"*","NotResource":"arn:aws:s3:::b/${aws:username}/*"}}`)
		got := Evaluate(&Input{Principal: user("ann"), Action: "s3:GetObject", Resource: "arn:aws:s3:::b/x", Identity: []*Document{d}})
		if got.Allowed != want.Allowed || got.Explicit != want.Explicit {
			t.Errorf("%s: %+v", effect, got)
		}
	}
}

// TestExplain: what matched, and every key of the statements about a request.
func TestExplain(t *testing.T) {
	allow := mustParse(t, Identity, `{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"},{"Effect":"Allow","Action":"iam:*","Resource":"*"},{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}`)
	bucket := mustParse(t, Resource, `{"Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"*","Condition":{"StringEquals":{"a:one":"x","a:two":"y"},"Bool":{"a:three":"true"}}}]}`)
	asked := map[string]bool{}
	in := &Input{Principal: user("ann"), Action: "s3:GetObject", Resource: object, Identity: []*Document{allow}, ResourcePolicies: []*Document{bucket}, Explain: true, Context: recorder(asked)}
	d := Evaluate(in)
	if !d.Allowed || len(d.Matched) != 2 || d.Matched[0] != (Match{allow, 0, FromIdentity}) || d.Matched[1] != (Match{allow, 2, FromIdentity}) {
		t.Errorf("%+v", d)
	}
	if len(asked) != 3 {
		t.Errorf("asked for %v", asked)
	}
	in.Context = Values{"a:one": {"x"}, "a:two": {"y"}, "a:three": {"true"}}
	if d := Evaluate(in); d.Allowed || len(d.Matched) != 1 || d.Matched[0] != (Match{bucket, 0, FromResource}) {
		t.Errorf("%+v", d)
	}
	in.Explain = false
	if d := Evaluate(in); d.Allowed || d.Matched != nil {
		t.Errorf("%+v", d)
	}
}

type recorder map[string]bool

func (r recorder) Value(key string) ([]string, bool) { r[key] = true; return nil, false }
