package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// statementWith is a good statement of a kind with some members replaced, or
// left out by "".
func statementWith(k Kind, changes ...string) string {
	members := []string{"Effect", `"Allow"`, "Action", `"s3:GetObject"`}
	if k != Trust {
		members = append(members, "Resource", `"*"`)
	}
	if k == Resource || k == Trust {
		members = append(members, "Principal", `"*"`)
	}
	for i := 0; i < len(changes); i += 2 {
		if at := slices.Index(members, changes[i]); at >= 0 && at%2 == 0 {
			members[at+1] = changes[i+1]
		} else {
			members = append(members, changes[i], changes[i+1])
		}
	}
	var b []string
	for i := 0; i < len(members); i += 2 {
		if members[i+1] != "" {
			b = append(b, fmt.Sprintf("%q: %s", members[i], members[i+1]))
		}
	}
	return "{" + strings.Join(b, ", ") + "}"
}

func TestParseRefuses(t *testing.T) {
	doc := func(statements ...string) string {
		return `{"Version": "2012-10-17", "Statement": [` + strings.Join(statements, ", ") + `]}`
	}
	st := func(changes ...string) string { return doc(statementWith(Identity, changes...)) }
	rs := func(changes ...string) string { return doc(statementWith(Resource, changes...)) }
	tr := func(changes ...string) string { return doc(statementWith(Trust, changes...)) }
	cond := func(c string) string { return st("Condition", c) }
	for _, c := range []struct {
		name  string
		kind  Kind
		raw   string
		fault Fault
		text  string // IAM's
	}{
		{"empty", Identity, "", NotJSON, "Syntax errors in policy."},
		{"array", Identity, "[]", NotJSON, ""},
		{"truncated", Identity, st()[:40], NotJSON, ""},
		{"trailing", Identity, st() + "{}", NotJSON, ""},
		{"comma at the end", Identity, `{"Statement": [` + statementWith(Identity) + `,]}`, NotJSON, ""},
		{"comment", Identity, "// x\n" + st(), NotJSON, ""},
		{"UTF-8", Identity, st("Sid", "\"\xff\""), NotJSON, ""},
		{"byte order mark", Identity, "\ufeff" + st(), NotJSON, ""},
		{"lone surrogate", Identity, st("Sid", `"\ud800"`), NotJSON, ""},
		{"half a pair", Identity, st("Sid", `"\ud800\u0041"`), NotJSON, ""},
		{"NUL", Identity, st("Sid", "\"\x00\""), NotJSON, ""},
		{"number with a zero", Identity, cond(`{"NumericEquals": {"a:b": 01}}`), NotJSON, ""},
		{"too deep", Identity, strings.Repeat(`{"Statement":`, 40) + "1" + strings.Repeat("}", 40), NotJSON, ""},
		{"too long", Identity, st() + strings.Repeat(" ", SizeMax), NotJSON, ""},
		{"member twice", Identity, doc(`{"Effect": "Deny", "Effect": "Allow", "Action": "*", "Resource": "*"}`), NotJSON, ""},
		{"member twice by an escape", Identity, doc(`{"Effect": "Deny", "\u0045ffect": "Allow", "Action": "*", "Resource": "*"}`), NotJSON, ""},
		{"member of another case", Identity, st("effect", `"Deny"`), UnknownMember, ""},
		{"member with a Kelvin sign", Trust, tr("\u212aey", `"x"`), UnknownMember, ""},
		{"unknown member", Identity, `{"Statement": [], "Rules": []}`, UnknownMember, ""},
		{"no statement", Identity, `{}`, MissingMember, "Missing required field Statement"},
		{"no statements", Identity, doc(), NoStatement, ""},
		{"statement null", Identity, `{"Statement": null}`, BadSyntax, ""},
		{"version", Identity, strings.Replace(st(), "2012-10-17", "2012-10-18", 1), BadVersion, "Policy document must be version 2012-10-17 or greater."},
		{"version a number", Identity, strings.Replace(st(), `"2012-10-17"`, "2012", 1), BadVersion, ""},
		{"Id a number", Identity, `{"Id": 1, "Statement": []}`, BadSyntax, ""},
		{"Sid with a space", Identity, st("Sid", `"a b"`), BadSid, "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"},
		{"Sid twice", Identity, doc(statementWith(Identity, "Sid", `"a"`), statementWith(Identity, "Sid", `"a"`)), DuplicateSid, "Statement IDs (SID) in a single policy must be unique."},
		{"no effect", Identity, st("Effect", ""), MissingMember, "Missing required field Effect"},
		{"effect", Identity, st("Effect", `"allow"`), BadEffect, ""},
		{"principal of a user's policy", Identity, st("Principal", `"*"`), ForbiddenMember, "Policy document should not specify a principal."},
		{"no principal", Resource, rs("Principal", ""), MissingMember, "Missing required field Principal"},
		{"both principals", Resource, rs("NotPrincipal", `"*"`), BothMembers, ""},
		{"NotPrincipal of a role", Trust, tr("Principal", "", "NotPrincipal", `"*"`), ForbiddenMember, ""},
		{"principal a name", Resource, rs("Principal", `{"AWS": "bob"}`), BadPrincipal, `Invalid principal in policy: "AWS":"bob"`},
		{"principal with a wildcard", Resource, rs("Principal", `{"AWS": "arn:aws:iam::111122223333:user/*"}`), BadPrincipal, ""},
		{"principal a group", Resource, rs("Principal", `{"AWS": "arn:aws:iam::111122223333:group/x"}`), BadPrincipal, ""},
		{"principal of no kind", Resource, rs("Principal", `{}`), BadPrincipal, "Invalid principal in policy"},
		{"principal of a foreign kind", Resource, rs("Principal", `{"aws": "*"}`), UnknownMember, ""},
		{"principal any service", Resource, rs("Principal", `{"Service": "*"}`), BadPrincipal, ""},
		{"principal a list", Resource, rs("Principal", `["*"]`), BadPrincipal, ""},
		{"principal of an organisation's policy", Organization, st("Principal", `{"AWS": "111122223333"}`), BadPrincipal, ""},
		{"no action", Identity, st("Action", ""), MissingMember, "Policy statement must contain actions."},
		{"empty actions", Identity, st("Action", "[]"), EmptyMember, "Policy statement must contain actions."},
		{"both actions", Identity, st("NotAction", `"*"`), BothMembers, ""},
		{"action without vendor", Identity, st("Action", `"GetObject"`), BadAction, "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."},
		{"action without name", Identity, st("Action", `"s3:"`), BadAction, ""},
		{"action of any vendor", Identity, st("Action", `"s*:Get"`), BadAction, ""},
		{"action a number", Identity, st("Action", `7`), BadSyntax, ""},
		{"no resource", Identity, st("Resource", ""), MissingMember, "Policy statement must contain resources."},
		{"resource no ARN", Identity, st("Resource", `"bucket"`), BadResource, `Resource bucket must be in ARN format or "*".`},
		{"resource too short", Identity, st("Resource", `"arn:aws:s3:bucket"`), BadResource, ""},
		{"resource of a role", Trust, tr("Resource", `"*"`), ForbiddenMember, "Has prohibited field Resource"},
		{"variable not closed", Identity, st("Resource", `"arn:aws:s3:::b/${aws:username"`), BadVariable, ""},
		{"variable without name", Identity, st("Resource", `"arn:aws:s3:::b/${}"`), BadVariable, ""},
		{"variable with a bad default", Identity, st("Resource", `"arn:aws:s3:::b/${a:b, x}"`), BadVariable, ""},
		{"condition a list", Identity, cond(`[]`), BadSyntax, ""},
		{"operator", Identity, cond(`{"StringIs": {"a:b": "c"}}`), UnknownOperator, "Invalid Condition type : StringIs"},
		{"operator of another case", Identity, cond(`{"stringEquals": {"a:b": "c"}}`), UnknownOperator, ""},
		{"operator of sets on Null", Identity, cond(`{"ForAllValues:Null": {"a:b": "true"}}`), UnknownOperator, ""},
		{"key twice", Identity, cond(`{"StringEquals": {"aws:username": "a", "AWS:UserName": "b"}}`), BadCondition, ""},
		{"value an object", Identity, cond(`{"StringEquals": {"a:b": {}}}`), BadSyntax, ""},
		{"value null", Identity, cond(`{"StringEquals": {"a:b": null}}`), BadSyntax, ""},
		{"number", Identity, cond(`{"NumericEquals": {"a:b": "x"}}`), BadCondition, ""},
		{"huge number", Identity, cond(`{"NumericEquals": {"a:b": "1e999999999"}}`), BadCondition, ""},
		{"date", Identity, cond(`{"DateLessThan": {"aws:CurrentTime": "tomorrow"}}`), BadCondition, ""},
		{"bool", Identity, cond(`{"Bool": {"aws:SecureTransport": "no"}}`), BadCondition, ""},
		{"address", Identity, cond(`{"IpAddress": {"aws:SourceIp": "192.0.2.256"}}`), BadCondition, ""},
		{"range", Identity, cond(`{"IpAddress": {"aws:SourceIp": "192.0.2.0/33"}}`), BadCondition, ""},
		{"binary", Identity, cond(`{"BinaryEquals": {"a:b": "%"}}`), BadCondition, ""},
	} {
		d, err := Parse([]byte(c.raw), c.kind)
		var e *Error
		if !errors.As(err, &e) || d != nil {
			t.Errorf("%s passes: %s", c.name, c.raw)
			continue
		}
		if e.Fault != c.fault || c.text != "" && e.Text() != c.text {
			t.Errorf("%s: fault %d, %q", c.name, e.Fault, e)
		}
	}
}

func TestParseTakes(t *testing.T) {
	for _, c := range []struct {
		kind Kind
		raw  string
	}{
		{Identity, `{"Statement": ` + statementWith(Identity) + `}`},
		{Identity, `{"Version": "2008-10-17", "Id": "x", "Statement": [` + statementWith(Identity, "Sid", `"A1"`, "Resource", `["arn:aws:s3:::a", "arn:aws:s3:::${not", "arn:aws:s3*"]`) + `]}`},
		{Resource, `{"Statement": ` + statementWith(Resource, "Sid", `"Enable IAM User Permissions"`, "Principal", `{"AWS": ["111122223333", "arn:aws-cn:iam::111122223333:user/a/b", "arn:aws:sts::111122223333:assumed-role/r/s", "AROAEXAMPLEEXAMPLE00"], "Service": "s3.amazonaws.com", "CanonicalUser": "`+canonical+`"}`) + `}`},
		{Trust, `{"Statement": ` + statementWith(Trust, "Action", `"sts:AssumeRole"`, "Principal", `{"Federated": "arn:aws:iam::111122223333:oidc-provider/x"}`) + `}`},
		{Organization, `{"Statement": ` + statementWith(Organization) + `}`},
		{Organization, `{"Statement": ` + statementWith(Organization, "Principal", `"*"`) + `}`},
		{Identity, `{"Statement": ` + statementWith(Identity, "Condition", `{"ForAnyValue:StringLikeIfExists": {"aws:TagKeys": ["a", "${aws:username, 'x}'}"]}, "Null": {"a:b": true}, "NumericLessThan": {"s3:max-keys": 1.5e2}, "DateLessThan": {"aws:CurrentTime": ["2026-01-01", "2026-01-01T00:00:00.5Z", 1767225600]}, "IpAddress": {"aws:SourceIp": ["::/0", "::ffff:192.0.2.0/120"]}}`) + `}`},
	} {
		if _, err := Parse([]byte(c.raw), c.kind); err != nil {
			t.Errorf("%s: %v", c.raw, err)
		}
	}
}

func TestPlaces(t *testing.T) {
	first := statementWith(Identity, "Sid", `"A"`)
	d := mustParse(t, Identity, "{\n  \"Id\": \"é\", \"Version\": \"2012-10-17\", \"Statement\": ["+first+",\n\t{\n"+
		`"Effect":"Deny","Action":"*","Resource":"arn:aws:s3:::${aws:username}","Condition":{"StringLike":{"AWS:PrincipalTag/Team":"${s3:Prefix, 'x'}"}}}]}`)
	if d.Statements() != 2 || d.ID() != "é" || d.Sid(0) != "A" || d.Sid(1) != "" {
		t.Error(d.Statements(), d.ID(), d.Sid(0), d.Sid(1))
	}
	column := len([]rune(`  "Id": "é", "Version": "2012-10-17", "Statement": [`)) + 1
	if start, end := d.Span(0); start != (Position{2, column}) || end != (Position{2, column + len(first)}) {
		t.Error(start, end, column)
	}
	if start, end := d.Span(1); start != (Position{2, column + len(first)}) || end.Line != 4 {
		t.Error(start, end)
	}
	if got := d.Keys(); !slices.Equal(got, []Key{{"aws:username", "aws:username"}, {"aws:principaltag/Team", "AWS:PrincipalTag/Team"}, {"s3:prefix", "s3:Prefix"}}) {
		t.Error(got)
	}
	_, err := Parse([]byte("{\"Statement\":\n [{\"Effect\": \"allow\"}]}"), Identity)
	var e *Error
	if !errors.As(err, &e) || e.Statement != 0 || e.At != (Position{2, 14}) {
		t.Errorf("%+v", e)
	}
}

// FuzzParse: what passes is JSON for the standard library too, means the same
// when it is parsed again, and can be evaluated.
func FuzzParse(f *testing.F) {
	for k := Identity; k <= Organization; k++ {
		f.Add(uint8(k), `{"Version":"2012-10-17","Statement":[`+statementWith(k, "Condition", `{"ForAllValues:StringNotLike":{"aws:TagKeys":["a*?","${a:b/C, 'd'}"]},"DateLessThan":{"a:d":"2026-01-01T00:00:00Z"},"ArnLike":{"a:e":"arn:*:${a:b}*"}}`)+`]}`)
	}
	f.Add(uint8(0), `{"Statement":{"Effect":"Deny","NotAction":["*","s3:?*?*x"],"NotResource":"arn:aws:s3:::\u00e9/${*}*\ud83d\ude00"}}`)
	f.Fuzz(func(t *testing.T, k uint8, raw string) {
		kind := Kind(k % 4)
		d, err := Parse([]byte(raw), kind)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Fault == 0 || e.Text() == "" {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		var m map[string]any
		if err := json.Unmarshal([]byte(raw), &m); err != nil {
			t.Fatalf("%q is no JSON: %v", raw, err)
		}
		for i := range d.Statements() {
			if start, end := d.Span(i); start.Line < 1 || start.Column < 1 || end.Line < start.Line || end == start {
				t.Fatalf("statement %d from %v to %v", i, start, end)
			}
		}
		Public(d)
		in := &Input{Principal: user("bob"), Action: "s3:GetObject", Resource: object, Context: Values{}, Explain: true}
		for _, key := range d.Keys() {
			in.Context.(Values)[key.Name] = []string{"arn:aws:s3:::b", "2026-01-01T00:00:00Z"}
		}
		if kind == Identity {
			in.Identity = []*Document{d}
		} else if kind == Resource {
			in.ResourcePolicies = []*Document{d}
		} else if kind == Organization {
			in.ServiceControl = [][]*Document{{d}}
		} else {
			in.ResourcePolicies, in.ResourceRules = []*Document{d}, true
		}
		was := Evaluate(in)
		in.Explain = false
		if now := Evaluate(in); now.Allowed != was.Allowed || now.Explicit != was.Explicit {
			t.Fatalf("%+v, then %+v", was, now)
		}
	})
}
