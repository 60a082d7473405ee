package sigv4

import (
	"context"
	"encoding/base64"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/farhold/farhold/awserr"
)

// The policy of S3's "Example: Browser-Based Upload using HTTP POST", byte for
// byte, and its signature.
const (
	docPolicy    = "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9"
	docPolicySig = "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e"
)

var postTime = time.Date(2015, 12, 29, 0, 0, 0, 0, time.UTC)

func docForm() Form {
	return Form{
		{"key", "user/user1/${filename}"}, {"acl", "public-read"},
		{"success_action_redirect", "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"},
		{"Content-Type", "image/jpeg"}, {"x-amz-meta-uuid", "14365123651274"}, {"x-amz-server-side-encryption", "AES256"},
		{"X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"},
		{"X-Amz-Algorithm", "AWS4-HMAC-SHA256"}, {"X-Amz-Date", "20151229T000000Z"}, {"x-amz-meta-tag", ""},
		{"Policy", docPolicy}, {"X-Amz-Signature", docPolicySig},
	}
}

func TestDocumentedPost(t *testing.T) {
	form := docForm().Expand(`C:\photos\me.jpg`)
	if form.Get("KEY") != "user/user1/me.jpg" {
		t.Errorf("key %q", form.Get("KEY"))
	}
	res, policy, err := verifier(postTime).VerifyPost(context.Background(), form, "sigv4examplebucket")
	if err != nil {
		t.Fatal(err)
	}
	if res.Kind != Post || res.AccessKey != docKey || res.Region != "us-east-1" || res.PayloadHash != "" || res.Chain() != nil {
		t.Errorf("%+v", res)
	}
	if want := time.Date(2015, 12, 30, 12, 0, 0, 0, time.UTC); !policy.Expires.Equal(want) || !res.Expires.Equal(want) {
		t.Errorf("expires %v", policy.Expires)
	}
	if policy.LengthMax() != math.MaxInt64 || policy.CheckLength(1<<40) != nil {
		t.Error("a bound that the policy has not")
	}
	if region, service, ok := FormScope(form); region != "us-east-1" || service != "s3" || !ok {
		t.Errorf("%s %s %v", region, service, ok)
	}
}

// with replaces, adds or (value "\x00") removes a field.
func (f Form) with(name, value string) Form {
	var out Form
	found := false
	for _, field := range f {
		if strings.EqualFold(field.Name, name) {
			found = true
			if value == "\x00" {
				continue
			}
			field.Value = value
		}
		out = append(out, field)
	}
	if !found && value != "\x00" {
		out = append(out, Field{name, value})
	}
	return out
}

const gone = "\x00"

func TestTamperedPost(t *testing.T) {
	missing := func(name string) string {
		return "Bucket POST must contain a field named '" + name + "'.  If it is specified, please check the order of the fields."
	}
	failed := "Invalid according to Policy: Policy Condition failed: "
	for _, tc := range []struct {
		name string
		form Form
		why  Reason
		code string
		text string
	}{
		{"key", docForm().with("key", "user/user2/x"), PolicyDenied, "AccessDenied", failed + `["starts-with", "$key", "user/user1/"]`},
		{"key absent", docForm().with("key", gone), PolicyDenied, "AccessDenied", failed + `["starts-with", "$key", "user/user1/"]`},
		{"key twice", append(docForm(), Field{"Key", "user/user1/other"}), Malformed, "InvalidArgument", ""},
		{"ACL", docForm().with("acl", "public-read-write"), PolicyDenied, "AccessDenied", failed + `["eq", "$acl", "public-read"]`},
		{"ACL's case", docForm().with("acl", "Public-Read"), PolicyDenied, "AccessDenied", failed + `["eq", "$acl", "public-read"]`},
		{"ACL twice", append(docForm(), Field{"ACL", "public-read-write"}), PolicyDenied, "AccessDenied", failed + `["eq", "$acl", "public-read"]`},
		{"type", docForm().with("content-type", "text/html"), PolicyDenied, "AccessDenied", failed + `["starts-with", "$Content-Type", "image/"]`},
		{"types", docForm().with("content-type", "image/png,text/html"), PolicyDenied, "AccessDenied", failed + `["starts-with", "$Content-Type", "image/"]`},
		{"redirect", docForm().with("success_action_redirect", "http://evil/"), PolicyDenied, "AccessDenied", ""},
		{"metadata", docForm().with("x-amz-meta-uuid", "1"), PolicyDenied, "AccessDenied", failed + `["eq", "$x-amz-meta-uuid", "14365123651274"]`},
		{"absent field of an empty prefix", docForm().with("x-amz-meta-tag", gone), PolicyDenied, "AccessDenied", failed + `["starts-with", "$x-amz-meta-tag", ""]`},
		{"extra field", docForm().with("x-amz-meta-Other", "1"), PolicyDenied, "AccessDenied", "Invalid according to Policy: Extra input fields: x-amz-meta-Other"},
		{"extra fields", docForm().with("StorageClass", "1").with("tagging", "2"), PolicyDenied, "AccessDenied", "Invalid according to Policy: Extra input fields: StorageClass, tagging"},
		{"other bucket named", docForm().with("bucket", "other"), PolicyDenied, "AccessDenied", failed + `["eq", "$bucket", "other"]`},
		{"policy cut", docForm().with("policy", docPolicy[:len(docPolicy)-2]), Mismatch, "SignatureDoesNotMatch", ""},
		{"policy empty", docForm().with("policy", ""), Mismatch, "SignatureDoesNotMatch", ""},
		{"policy absent", docForm().with("policy", gone), Incomplete, "InvalidArgument", missing("Policy")},
		{"policy twice", append(docForm(), Field{"policy", docPolicy}), Malformed, "InvalidArgument", ""},
		{"signature", docForm().with("x-amz-signature", strings.Replace(docPolicySig, "8", "9", 1)), Mismatch, "SignatureDoesNotMatch", ""},
		{"signature's case", docForm().with("x-amz-signature", strings.ToUpper(docPolicySig)), Mismatch, "SignatureDoesNotMatch", ""},
		{"signature absent", docForm().with("x-amz-signature", gone), Incomplete, "InvalidArgument", missing("X-Amz-Signature")},
		{"algorithm and credential absent", docForm().with("x-amz-algorithm", gone).with("x-amz-credential", gone), Incomplete, "InvalidArgument", missing("X-Amz-Algorithm")},
		{"date absent", docForm().with("x-amz-date", gone), Incomplete, "InvalidArgument", missing("X-Amz-Date")},
		{"date malformed", docForm().with("x-amz-date", "now"), Malformed, "InvalidArgument", "X-Amz-Date must be formated via ISO8601 Long format"},
		{"date of another day", docForm().with("x-amz-date", "20151230T000000Z"), WrongScope, "InvalidArgument", ""},
		{"algorithm", docForm().with("x-amz-algorithm", "none"), Unsupported, "InvalidArgument", ""},
		{"algorithm ECDSA", docForm().with("x-amz-algorithm", algorithmA), Unsupported, "NotImplemented", ""},
		{"region", docForm().with("x-amz-credential", docKey+"/20151229/eu-west-1/s3/aws4_request"), WrongScope, "InvalidArgument", "the region 'eu-west-1' is wrong; expecting 'us-east-1'"},
		{"service", docForm().with("x-amz-credential", docKey+"/20151229/us-east-1/sts/aws4_request"), WrongScope, "InvalidArgument", `incorrect service "sts". This endpoint belongs to "s3".`},
		{"credential", docForm().with("x-amz-credential", docKey), Malformed, "InvalidArgument", ""},
		{"access key", docForm().with("x-amz-credential", tempKey+"/20151229/us-east-1/s3/aws4_request"), BadToken, "InvalidToken", ""},
		{"access key unknown", docForm().with("x-amz-credential", "NOBODY/20151229/us-east-1/s3/aws4_request"), UnknownKey, "InvalidAccessKeyId", ""},
		{"token", docForm().with("x-amz-security-token", "x"), BadToken, "InvalidToken", ""},
		{"V2 too", docForm().with("signature", "x"), Malformed, "InvalidArgument", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			res, policy, err := verifier(postTime).VerifyPost(context.Background(), tc.form, "sigv4examplebucket")
			if res != nil || policy != nil {
				t.Errorf("%+v", res)
			}
			wants(t, err, tc.why, tc.code, tc.text)
		})
	}
	ctx := context.Background()
	_, _, err := verifier(postTime).VerifyPost(ctx, docForm(), "otherbucket")
	wants(t, err, PolicyDenied, "AccessDenied", failed+`["eq", "$bucket", "sigv4examplebucket"]`)
	_, _, err = verifier(postTime.Add(36*time.Hour)).VerifyPost(ctx, docForm(), "sigv4examplebucket")
	wants(t, err, Expired, "AccessDenied", "Invalid according to Policy: Policy expired.")
	if _, _, err = verifier(postTime.Add(36*time.Hour-time.Second)).VerifyPost(ctx, docForm(), "sigv4examplebucket"); err != nil {
		t.Error(err)
	}
	_, _, err = verifier(postTime).VerifyPost(ctx, docForm().with("policy", docPolicy[4:]), "sigv4examplebucket")
	e := awserr.From(err)
	if len(e.Extra) != 4 || e.Extra[1].Name != "StringToSign" || e.Extra[1].Value != docPolicy[4:] || e.Extra[3].Name != "StringToSignBytes" {
		t.Errorf("%+v", e.Extra)
	}
}

func TestPostWithoutCredentials(t *testing.T) {
	for _, form := range []Form{nil, {{"key", "x"}}, {{"key", "x"}, {"policy", docPolicy}}} {
		res, policy, err := verifier(postTime).VerifyPost(context.Background(), form, "b")
		if err != nil || policy != nil || *res != (Result{}) {
			t.Errorf("%v: %+v %v", form, res, err)
		}
	}
}

func encode(policy string) string { return base64.StdEncoding.EncodeToString([]byte(policy)) }

func TestPostV2(t *testing.T) {
	policy := encode(`{"expiration":"2015-12-30T12:00:00Z","conditions":[{"bucket":"b"},["starts-with","$key","up/"],["content-length-range",1,10]]}`)
	form := Form{{"key", "up/x"}, {"awsaccesskeyid", docKey}, {"policy", policy}, {"signature", signV2(policy)}, {"x-ignore-me", "1"}}
	ctx := context.Background()
	res, p, err := verifier(postTime).VerifyPost(ctx, form, "b")
	if err != nil || res.Kind != PostV2 || res.AccessKey != docKey {
		t.Fatalf("%+v %v", res, err)
	}
	if p.LengthMax() != 10 || p.CheckLength(1) != nil || p.CheckLength(10) != nil {
		t.Error("the range is inclusive")
	}
	err = p.CheckLength(12)
	wants(t, err, PolicyDenied, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
	if extra(err, "ProposedSize") != "12" || extra(err, "MaxSizeAllowed") != "10" {
		t.Error(err)
	}
	err = p.CheckLength(0)
	wants(t, err, PolicyDenied, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
	if extra(err, "ProposedSize") != "0" || extra(err, "MinSizeAllowed") != "1" {
		t.Error(err)
	}
	missing := "Bucket POST must contain a field named '%s'.  If it is specified, please check the order of the fields."
	for _, tc := range []struct {
		name string
		form Form
		why  Reason
		code string
		text string
	}{
		{"signature", form.with("signature", signV2("other")), Mismatch, "SignatureDoesNotMatch", ""},
		{"signature absent", form.with("signature", gone), Incomplete, "InvalidArgument", fmt.Sprintf(missing, "Signature")},
		{"key absent", form.with("awsaccesskeyid", gone), Incomplete, "InvalidArgument", fmt.Sprintf(missing, "AWSAccessKeyId")},
		{"policy absent", form.with("policy", gone), Incomplete, "InvalidArgument", fmt.Sprintf(missing, "Policy")},
		{"unknown key", form.with("awsaccesskeyid", "NOBODY"), UnknownKey, "InvalidAccessKeyId", ""},
		{"other key", form.with("awsaccesskeyid", tempKey), BadToken, "InvalidToken", ""},
		{"object key", form.with("key", "down/x"), PolicyDenied, "AccessDenied", ""},
		{"extra", form.with("acl", "private"), PolicyDenied, "AccessDenied", "Invalid according to Policy: Extra input fields: acl"},
	} {
		_, _, err := verifier(postTime).VerifyPost(ctx, tc.form, "b")
		t.Run(tc.name, func(t *testing.T) { wants(t, err, tc.why, tc.code, tc.text) })
	}
	v := verifier(postTime)
	v.RefuseV2 = true
	_, _, err = v.VerifyPost(ctx, form, "b")
	wants(t, err, Unsupported, "InvalidRequest", "")
}

func TestPolicyDocuments(t *testing.T) {
	ok := func(conditions string) string {
		return `{"expiration":"2016-01-01T00:00:00Z","conditions":` + conditions + `}`
	}
	oneProperty := "Invalid Policy: Invalid Simple-Condition: Simple-Conditions must have exactly one property specified."
	for _, tc := range []struct{ name, policy, text string }{
		{"empty", "", "Invalid Policy: Expecting '{' but found End-of-Input"},
		{"junk", "junk", "Invalid Policy: Invalid JSON."},
		{"list", "[]", "Invalid Policy: Invalid JSON."},
		{"two documents", ok("[]") + "{}", "Invalid Policy: Invalid JSON."},
		{"unclosed", `{"expiration":"2016-01-01T00:00:00Z","conditions":[]`, "Invalid Policy: Invalid JSON."},
		{"trailing comma", ok(`[{"acl":"x"},]`), "Invalid Policy: Invalid JSON."},
		{"member twice", `{"expiration":"2016-01-01T00:00:00Z","conditions":[{"acl":"private"}],"conditions":[]}`, "Invalid Policy: Invalid JSON."},
		{"unknown member", `{"Statement":[],"expiration":"x"}`, "Invalid Policy: Unexpected: 'statement'"},
		{"no expiration", `{"conditions":[]}`, "Invalid Policy: Policy missing expiration."},
		{"expiration in capitals", `{"EXPIRATION":"2016-01-01T00:00:00Z","conditions":[]}`, "Invalid Policy: Unexpected: 'expiration'"},
		{"expiration with offset", `{"expiration":"2011-09-13T07:52:58+02:00","conditions":[]}`, "Invalid Policy: Invalid 'expiration' value: '2011-09-13T07:52:58+02:00'"},
		{"expiration with space", `{"expiration":"2015-10-17 03:15:59 UTC","conditions":[]}`, "Invalid Policy: Invalid 'expiration' value: '2015-10-17 03:15:59 UTC'"},
		{"expiration that is no day", `{"expiration":"2015-02-30T00:00:00Z","conditions":[]}`, "Invalid Policy: Invalid 'expiration' value: '2015-02-30T00:00:00Z'"},
		{"expiration null", `{"expiration":null,"conditions":[]}`, "Invalid Policy: Invalid 'expiration' value: 'null'"},
		{"expiration number", `{"expiration":1,"conditions":[]}`, "Invalid Policy: Invalid 'expiration' value: '1'"},
		{"no conditions", `{"expiration":"2016-01-01T00:00:00Z"}`, "Invalid Policy: Policy missing conditions."},
		{"conditions object", ok(`{}`), "Invalid Policy: Invalid 'conditions' value: must be a List."},
		{"conditions null", ok(`null`), "Invalid Policy: Invalid 'conditions' value: must be a List."},
		{"condition string", ok(`["x"]`), "Invalid Policy: Invalid condition test: must be a List or Object."},
		{"no property", ok(`[{}]`), oneProperty},
		{"two properties", ok(`[{"bucket":"b","acl":"x"}]`), oneProperty},
		{"property twice", ok(`[{"acl":"b","acl":"x"}]`), "Invalid Policy: Invalid JSON."},
		{"property number", ok(`[{"Content-Length":6199034}]`), "Invalid Policy: Invalid Simple-Condition: value must be a string."},
		{"property null", ok(`[{"success_action_redirect":null}]`), "Invalid Policy: Invalid JSON."},
		{"no operation", ok(`[[]]`), "Invalid Policy: Invalid Condition: missing operation identifier."},
		{"operation number", ok(`[[1,"$key","x"]]`), "Invalid Policy: Invalid JSON."},
		{"operation null", ok(`[[null,"$key","x"]]`), "Invalid Policy: Invalid JSON."},
		{"operation unknown", ok(`[["ends-with","$key","x"]]`), "Invalid Policy: Invalid Condition: unknown operation 'ends-with'."},
		{"two arguments", ok(`[["eq","$key"]]`), "Invalid Policy: Invalid eq: wrong number of arguments."},
		{"four arguments", ok(`[["eq","$key","x","y"]]`), "Invalid Policy: Invalid eq: wrong number of arguments."},
		{"range of one", ok(`[["content-length-range",0]]`), "Invalid Policy: Invalid content-length-range: wrong number of arguments."},
		{"range of fractions", ok(`[["content-length-range",0,512.0]]`), "Invalid Policy: Invalid JSON."},
		{"range of objects", ok(`[["content-length-range",0,{}]]`), "Invalid Policy: Invalid JSON."},
		{"operand number", ok(`[["eq","$key",1]]`), "Invalid Policy: Invalid JSON."},
		{"operand null", ok(`[["eq","$key",null]]`), "Invalid Policy: Invalid JSON."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := ParsePolicy(encode(tc.policy))
			wants(t, err, PolicyBad, "InvalidPolicyDocument", tc.text)
		})
	}
	_, err := ParsePolicy("***")
	wants(t, err, PolicyBad, "InvalidPolicyDocument", "Invalid Policy: invalid Base64 encoding.")
	_, err = ParsePolicy(strings.Repeat("A", PolicyMax+1))
	wants(t, err, PolicyBad, "InvalidPolicyDocument", "")
	if _, err := ParsePolicy(encode(`{"expiration":"9999-12-31T23:59:59.999Z","conditions":[]}`)); err != nil {
		t.Error(err)
	}
}

func TestConditions(t *testing.T) {
	form := Form{{"key", "a/b"}, {"Content-Type", "image/png"}, {"x-amz-meta-TEST-2", "v"}}
	all := `["starts-with","$key",""],["starts-with","$content-type",""],["starts-with","$x-amz-meta-test-2",""],`
	for _, tc := range []struct {
		name, conditions string
		text             string
	}{
		{"met", `{"bucket":"b"},["eq","$key","a/b"]`, ""},
		{"names in any case", `["eq","$X-AMZ-META-Test-2","v"],["StArTs-WiTh","$KEY","a/"]`, ""},
		{"simple with case", `{"KEY":"a/b"}`, ""},
		{"no dollar", `["eq","key","a/b"]`, `["eq", "key", "a/b"]`},
		{"value's case", `["eq","$key","A/B"]`, `["eq", "$key", "A/B"]`},
		{"prefix of a prefix", `["starts-with","$key","a/bc"]`, `["starts-with", "$key", "a/bc"]`},
		{"quotes", `["eq","$key","\"x\" <&>"]`, `["eq", "$key", "\"x\" <&>"]`},
		{"bucket by list", `["eq","$bucket","c"]`, `["eq", "$bucket", "c"]`},
		{"bucket by prefix", `["starts-with","$bucket","b"]`, ""},
		{"range of words", `["content-length-range","test","10"]`, `["content-length-range", "test", "10"]`},
		{"range of digits in strings", `["content-length-range","5","10"]`, ""},
		{"absent", `["eq","$acl",""]`, `["eq", "$acl", ""]`},
	} {
		p, err := ParsePolicy(encode(`{"expiration":"2016-01-01T00:00:00Z","conditions":[` + all + tc.conditions + `]}`))
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		err = p.Check(form, "b", postTime)
		if tc.text == "" && err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		if tc.text != "" {
			t.Run(tc.name, func(t *testing.T) {
				wants(t, err, PolicyDenied, "AccessDenied", "Invalid according to Policy: Policy Condition failed: "+tc.text)
			})
		}
	}
}

func TestExpand(t *testing.T) {
	form := Form{{"key", "${filename}/${filename}"}, {"x-amz-meta-name", "${filename}"}, {"Policy", "${filename}"}, {"X-Amz-Signature", "${filename}"}, {"acl", "${FILENAME}"}}
	for in, want := range map[string]string{"a.txt": "a.txt", "/tmp/a.txt": "a.txt", `C:\x\a.txt`: "a.txt", "": "", "a/": "", "${filename}": "${filename}"} {
		out := form.Expand(in)
		if out[0].Value != want+"/"+want || out[1].Value != want || out[2].Value != "${filename}" || out[3].Value != "${filename}" || out[4].Value != "${FILENAME}" {
			t.Errorf("%q: %v", in, out)
		}
	}
	if form[0].Value != "${filename}/${filename}" {
		t.Error("Expand changed its argument")
	}
}
