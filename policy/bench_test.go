package policy

import (
	"fmt"
	"strings"
	"testing"
)

// longPolicy is a bucket policy of 50 statements and 20 KB, as teams write
// them: principals, several actions, prefixes and conditions; none fits.
func longPolicy(t testing.TB) *Document {
	var statements []string
	for i := range 50 {
		effect, condition := "Allow", fmt.Sprintf(`{"StringEquals":{"aws:PrincipalTag/team":"team-%d"},"Bool":{"aws:SecureTransport":"true"},"IpAddress":{"aws:SourceIp":["10.%d.0.0/16","2001:db8:%d::/48"]}}`, i, i, i)
		if i%5 == 4 {
			effect, condition = "Deny", `{"StringNotEqualsIfExists":{"s3:x-amz-server-side-encryption":["aws:kms","aws:kms:dsse"]},"StringLike":{"s3:prefix":"none/*"}}`
		}
		principal := `"*"`
		if i%3 == 1 {
			principal = fmt.Sprintf(`{"AWS":["arn:aws:iam::111122223333:role/team-%d","arn:aws:iam::444455556666:user/u%d"]}`, i, i)
		}
		statements = append(statements, fmt.Sprintf(`{"Sid":"Statement%d","Effect":%q,"Principal":%s,"Action":["s3:GetObject","s3:GetObjectVersion","s3:ListBucket","s3:Put*"],`+
			`"Resource":["arn:aws:s3:::bucket/teams/%d/*/data-??.parquet","arn:aws:s3:::bucket/home/${aws:username}/*","arn:aws:s3:::bucket/k*"],"Condition":%s}`, i, effect, principal, i, condition))
	}
	raw := `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
	if n := len(raw); n < 19<<10 || n > 24<<10 {
		t.Fatalf("%d bytes", n)
	}
	return mustParse(t, Resource, raw)
}

// BenchmarkLongPolicy evaluates 20 KB of 50 statements, all of which must be
// looked at.
func BenchmarkLongPolicy(b *testing.B) {
	d := longPolicy(b)
	in := &Input{
		Principal: session("admin", "sam"), Action: "s3:GetObject", Resource: object, ResourcePolicies: []*Document{d},
		Identity: []*Document{mustParse(b, Identity, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`)},
		Context:  Values{"aws:username": {"bob"}, "aws:principaltag/team": {"team-x"}, "aws:securetransport": {"true"}, "aws:sourceip": {"192.0.2.1"}, "s3:prefix": {"home/"}},
	}
	if d := Evaluate(in); !d.Allowed || d.By != FromIdentity {
		b.Fatal(d)
	}
	b.ReportAllocs()
	for b.Loop() {
		Evaluate(in)
	}
}

// BenchmarkParse reads the same policy.
func BenchmarkParse(b *testing.B) {
	var statements []string
	for i := range 20 {
		statements = append(statements, statementWith(Resource, "Sid", fmt.Sprintf("%q", fmt.Sprint("S", i)), "Condition", `{"Bool":{"aws:SecureTransport":"true"}}`))
	}
	raw := []byte(`{"Statement":[` + strings.Join(statements, ",") + `]}`)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, err := Parse(raw, Resource); err != nil {
			b.Fatal(err)
		}
	}
}
