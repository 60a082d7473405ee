package sigv4

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/farhold/farhold/awserr"
)

// secretless answers for every key, with a secret that nobody can know: no
// input may ever be accepted.
type secretless struct{ secret string }

func (s secretless) Secret(context.Context, string, string) (string, any, error) {
	return s.secret, nil, nil
}

func unguessable(t testing.TB) string {
	b := make([]byte, 32)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(b)
}

// refused checks what must hold for every input that nobody signed: an AWS
// error of the client's, or nobody at all.
func refused(t *testing.T, res *Result, err error) {
	t.Helper()
	if err == nil {
		if *res != (Result{}) {
			t.Fatalf("accepted: %+v", res)
		}
		return
	}
	e := awserr.From(err)
	if res != nil || e == nil || ReasonOf(err) == 0 || e.Status < 400 || e.Status >= 500 && e.Status != 501 {
		t.Fatalf("%+v %v", res, err)
	}
}

// FuzzVerifyHeader: no Authorization header makes the verifier panic or let
// someone in.
func FuzzVerifyHeader(f *testing.F) {
	r := signedPut(f, docTime)
	good := r.Header.Get("Authorization")
	f.Add(good, "20130524T000000Z", EmptySHA256, "/bucket/key?acl")
	f.Add(strings.Replace(good, ", ", ",", -1), "20130524T000000Z", UnsignedPayload, "//x/%2f/../%")
	f.Add("AWS4-HMAC-SHA256 Credential=a/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature="+strings.Repeat("0", 64), "20130524T000000Z", StreamingSigned, "/?a&&=&b=%zz;c")
	f.Add("AWS4-HMAC-SHA256 Credential=,,=,SignedHeaders=;;,Signature==", "", "", "*")
	f.Add("AWS "+docKey+":qgk2+6Sv9/oM7G3qLEjTH1a1l1g=", "Fri, 24 May 2013 00:00:00 GMT", "", "http://h/b/k?uploads")
	f.Add("AWS4-ECDSA-P256-SHA256 Credential=a/b/c", "", "", "/")
	f.Add("AWS4-HMAC-SHA256  Credential=a/20130524/us-east-1/kms/aws4_request, SignedHeaders=host, Signature=x", "20130524T000000Z", "", "/a/../../b/./c//")
	v := &Verifier{Credentials: secretless{unguessable(f)}, Services: []string{"s3", "kms"}, Now: at(docTime)}
	f.Fuzz(func(t *testing.T, auth, date, hash, uri string) {
		r := &http.Request{Method: "GET", RequestURI: uri, Host: "h", URL: &url.URL{}, Header: http.Header{"Authorization": {auth}}}
		if date != "" {
			r.Header.Set("X-Amz-Date", date)
		}
		if hash != "" {
			r.Header.Set("X-Amz-Content-Sha256", hash)
		}
		res, err := v.Verify(r)
		if err == nil {
			t.Fatalf("accepted, or anonymous in spite of credentials: %+v", res)
		}
		refused(t, res, err)
		Scope(r)
		ForQuery(err)
		ForJSON(err)
	})
}

// FuzzVerifyQuery: no query does either, and what the verifier understood is
// what net/url understands.
func FuzzVerifyQuery(f *testing.F) {
	f.Add("/b/k", presignedPut(f, docTime, 60).URL.RawQuery)
	f.Add("/b/k", "AWSAccessKeyId=a&Signature=b%2B&Expires=1400000000&x-amz-meta-a=b&acl")
	f.Add("/", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X%2dAmz-Signature=1&a=%&b=%4&c=+%2B")
	f.Add("/%", "&&=&=&a=b=c;d&%00=%ff")
	v := &Verifier{Credentials: secretless{unguessable(f)}, Services: []string{"s3"}, Now: at(docTime)}
	f.Fuzz(func(t *testing.T, path, raw string) {
		r := &http.Request{Method: "GET", RequestURI: "/" + strings.ReplaceAll(path, "?", "") + "?" + raw, Host: "h", URL: &url.URL{}, Header: http.Header{}}
		res, err := v.Verify(r)
		refused(t, res, err)
		Scope(r)
		(&Result{Kind: Presigned}).Hoist(r)

		var q query
		q.parse(raw)
		canon := string(q.appendCanonical(nil, ""))
		var again query
		again.parse(canon)
		if twice := string(again.appendCanonical(nil, "")); twice != canon {
			t.Fatalf("not canonical: %q becomes %q", canon, twice)
		}
		want, err := url.ParseQuery(raw)
		if err != nil || strings.Contains(raw, ";") {
			return // net/url refuses what AWS tolerates
		}
		got, err := url.ParseQuery(canon)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for name, values := range want {
			n += len(values)
			if len(got[name]) != len(values) {
				t.Fatalf("%q: %q in %q, %q in %q", name, values, raw, got[name], canon)
			}
		}
		if n != len(q.params) {
			t.Fatalf("%d parameters in %q, %d in %q", n, raw, len(q.params), canon)
		}
		path1 := string(appendPathS3(nil, path))
		if path2 := string(appendPathS3(nil, path1)); path2 != path1 {
			t.Fatalf("path not canonical: %q becomes %q", path1, path2)
		}
		if decode(strings.ReplaceAll(path1, "+", "%2B")) != decode(strings.ReplaceAll(path, "+", "%2B")) {
			t.Fatalf("path %q means another thing as %q", path, path1)
		}
		if other := string(appendPathOther(nil, path)); !strings.HasPrefix(other, "/") || strings.Contains(other, "//") || strings.Contains(other+"/", "/../") {
			t.Fatalf("path %q normalised to %q", path, other)
		}
	})
}

// FuzzPolicy: no policy makes the parser panic, and what it accepts it can
// check; a form that no condition names is never let through.
func FuzzPolicy(f *testing.F) {
	for _, s := range []string{
		`{"expiration":"2016-01-01T00:00:00Z","conditions":[{"bucket":"b"},["starts-with","$key","a"],["content-length-range",1,"10"],["eq","$acl","x"]]}`,
		`{"expiration":"2016-01-01T00:00:00Z","conditions":[[],{},null,1,"x",[[]]]}`,
		`{"expiration":"2016-01-01T00:00:00.1Z","conditions":[["eq","$","x"],["eq","key","x"],["content-length-range","a","b"]]}`,
		`{"conditions":[{"a":{"b":[1,2,{"c":null}]}}],"expiration":null}`,
		`{}{}`, `[`, "",
	} {
		f.Add(s, "key", "a/b")
	}
	f.Fuzz(func(t *testing.T, document, name, value string) {
		form := Form{{name, value}, {"x-amz-meta-unlisted", "1"}}
		form.Expand(value)
		p, err := ParsePolicy(encode(document))
		if err != nil {
			if ReasonOf(err) != PolicyBad || p != nil {
				t.Fatalf("%+v %v", p, err)
			}
			return
		}
		err = p.Check(form, "b", postTime)
		if err == nil && !strings.Contains(strings.ToLower(document), "unlisted") && !strings.Contains(document, `\u`) {
			t.Fatalf("let through by %s", document)
		}
		if err != nil && ReasonOf(err) != PolicyDenied && ReasonOf(err) != Expired {
			t.Fatal(err)
		}
		if n := p.LengthMax(); n < 1<<62 && p.CheckLength(n+1) == nil {
			t.Fatalf("%d bytes let through", n+1)
		}
		_, _, err = verifier(postTime).VerifyPost(context.Background(), append(form, Field{"policy", encode(document)}, Field{"signature", value}, Field{"awsaccesskeyid", docKey}), "b")
		if err == nil {
			t.Fatal("a signature that nobody made")
		}
	})
}
