package s3api

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/farhold/farhold/access"
)

// What a decision costs: for the root user of a bucket without a policy, which
// is what GET and PUT pay at least, and for a user under a bucket policy of 50
// statements in 20 KB.
func BenchmarkAuthorise(b *testing.B) {
	w := newWorld(b)
	w.bucket("plain")
	w.bucket("ruled")
	var statements []string
	for i := range 50 {
		statements = append(statements, fmt.Sprintf(`{"Sid":"s%02d","Effect":"Allow","Principal":{"AWS":["arn:aws:iam::%s:user/team%02d-%s","arn:aws:iam::%s:role/team%02d"]},`+
			`"Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::ruled/team%02d/*","Condition":{"StringEquals":{"s3:ExistingObjectTag/team":"%02d"},"IpAddress":{"aws:SourceIp":"10.%d.0.0/16"}}}`,
			i, testAccount, i, strings.Repeat("x", 20), testAccount, i, i, i, i))
	}
	doc := []byte(`{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`)
	w.do("PUT", "/ruled?policy", doc).want(b, 204, "")
	w.bind(userOf(testAccount, "alice").ARN, &access.Policies{Identity: onePolicy(b, `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`)})
	for _, c := range []struct {
		name, bucket string
		caller       *access.Caller
	}{
		{"root without policies", "plain", rootOf(testAccount)},
		{fmt.Sprintf("user under %d bytes of 50 statements", len(doc)), "ruled", userOf(testAccount, "alice")},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := httptest.NewRequest("GET", "/"+c.bucket+"/team30/key", nil)
			rq := w.door.begin(httptest.NewRecorder(), r)
			rq.Target, rq.Caller, rq.Op = Target{Bucket: c.bucket, Key: "team30/key", HasKey: true}, c.caller, "GetObject"
			rq.Place.Region, rq.Place.Owner = w.region, testAccount
			b.ReportAllocs()
			for b.Loop() {
				if err := rq.may("s3:GetObject"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
