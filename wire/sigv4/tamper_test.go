package sigv4

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/farhold/farhold/awserr"
)

const tempKey, tempSecret = "ASIATEMPORARY", "temporary/secret"

var tempToken = docKeys.tokens[tempKey]

// signedPut is a PUT as an SDK signs it in the header, as a server receives it.
func signedPut(t testing.TB, when time.Time) *http.Request {
	t.Helper()
	r, err := http.NewRequest("PUT", "http://s3.local:9000/bucket/a%20key?partNumber=1&uploadId=abc", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Content-Sha256", EmptySHA256)
	r.Header.Set("Content-Type", "text/plain")
	r.Header.Set("X-Amz-Meta-Colour", "green")
	r.Header.Set("X-Amz-Storage-Class", "STANDARD")
	creds := aws.Credentials{AccessKeyID: tempKey, SecretAccessKey: tempSecret, SessionToken: tempToken}
	if err := sdk.NewSigner(func(o *sdk.SignerOptions) { o.DisableURIPathEscaping = true }).SignHTTP(context.Background(), creds, r, EmptySHA256, "s3", "us-east-1", when); err != nil {
		t.Fatal(err)
	}
	r.RequestURI = r.URL.RequestURI()
	return r
}

// presignedPut is the same in the query.
func presignedPut(t testing.TB, when time.Time, expires int) *http.Request {
	t.Helper()
	r, err := http.NewRequest("PUT", fmt.Sprintf("http://s3.local:9000/bucket/a%%20key?partNumber=1&X-Amz-Expires=%d", expires), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "text/plain")
	r.Header.Set("X-Amz-Meta-Colour", "green")
	creds := aws.Credentials{AccessKeyID: tempKey, SecretAccessKey: tempSecret, SessionToken: tempToken}
	signed, header, err := sdk.NewSigner(func(o *sdk.SignerOptions) { o.DisableURIPathEscaping = true }).PresignHTTP(context.Background(), creds, r, UnsignedPayload, "s3", "us-east-1", when)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(signed)
	if err != nil {
		t.Fatal(err)
	}
	delete(header, "Host")
	return &http.Request{Method: "PUT", URL: u, RequestURI: u.RequestURI(), Host: u.Host, Header: header}
}

// mutation changes a signed request into one that nobody signed.
type mutation struct {
	name string
	do   func(r *http.Request)
}

func auth(from, to string) func(r *http.Request) {
	return func(r *http.Request) {
		have := r.Header.Get("Authorization")
		if !strings.Contains(have, from) {
			panic("no " + from + " in " + have)
		}
		r.Header.Set("Authorization", strings.Replace(have, from, to, 1))
	}
}

func target1(from, to string) func(r *http.Request) {
	return func(r *http.Request) {
		if !strings.Contains(r.RequestURI, from) {
			panic("no " + from + " in " + r.RequestURI)
		}
		r.RequestURI = strings.Replace(r.RequestURI, from, to, 1)
	}
}

func set(name, value string) func(r *http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func add(name, value string) func(r *http.Request) {
	return func(r *http.Request) { r.Header.Add(name, value) }
}

func del(name string) func(r *http.Request) { return func(r *http.Request) { r.Header.Del(name) } }

// The parts of a request that both forms sign.
func commonMutations() []mutation {
	return []mutation{
		{"method", func(r *http.Request) { r.Method = "POST" }},
		{"method's case", func(r *http.Request) { r.Method = "put" }},
		{"host", func(r *http.Request) { r.Host = "s3.local:9001" }},
		{"no host", func(r *http.Request) { r.Host = "" }},
		{"bucket", target1("/bucket/", "/bucked/")},
		{"key", target1("a%20key", "a%20kez")},
		{"key's case", target1("a%20key", "A%20key")},
		{"slash doubled", target1("/bucket/", "/bucket//")},
		{"slash escaped", target1("/bucket/", "/bucket%2F")},
		{"dot segment", target1("/bucket/", "/bucket/./")},
		{"space as plus", target1("a%20key", "a+key")},
		{"escaped twice", target1("a%20key", "a%2520key")},
		{"NUL appended", target1("a%20key", "a%20key%00")},
		{"query value", target1("partNumber=1", "partNumber=2")},
		{"query name", target1("partNumber=1", "partnumber=1")},
		{"query added", func(r *http.Request) { r.RequestURI += "&acl" }},
		{"query added with semicolon", func(r *http.Request) { r.RequestURI += ";acl" }},
		{"query repeated", func(r *http.Request) { r.RequestURI += "&partNumber=1" }},
		{"query removed", target1("partNumber=1", "")},
		{"signed header changed", set("Content-Type", "text/html")},
		{"signed header removed", del("Content-Type")},
		{"signed header repeated", add("Content-Type", "text/plain")},
		{"metadata changed", set("X-Amz-Meta-Colour", "red")},
		{"metadata removed", del("X-Amz-Meta-Colour")},
		{"metadata repeated", add("X-Amz-Meta-Colour", "red")},
		{"metadata added", set("X-Amz-Meta-Size", "big")},
		{"ACL added", set("X-Amz-Acl", "public-read-write")},
		{"copy source added", set("X-Amz-Copy-Source", "/other/secret")},
		{"second credentials", func(r *http.Request) {
			if r.Header.Get("Authorization") == "" {
				r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=x")
			} else {
				r.RequestURI += "&X-Amz-Signature=00"
			}
		}},
		{"second credentials, V2", func(r *http.Request) {
			if r.Header.Get("Authorization") == "" {
				r.Header.Set("Authorization", "AWS "+docKey+":xxx")
			} else {
				r.RequestURI += "&Signature=00"
			}
		}},
	}
}

func TestTamperedHeader(t *testing.T) {
	signed := signedPut(t, docTime)
	if res, err := verifier(docTime).Verify(signed); err != nil || res.AccessKey != tempKey {
		t.Fatalf("untouched: %v", err)
	}
	have := signed.Header.Get("Authorization")
	signature := have[strings.Index(have, "Signature=")+len("Signature="):]
	all := append(commonMutations(), []mutation{
		{"upload ID", target1("uploadId=abc", "uploadId=abd")},
		{"payload hash", set("X-Amz-Content-Sha256", strings.Repeat("0", 64))},
		{"payload unsigned", set("X-Amz-Content-Sha256", UnsignedPayload)},
		{"payload streaming", set("X-Amz-Content-Sha256", StreamingUnsignedTrailer)},
		{"payload absent", del("X-Amz-Content-Sha256")},
		{"payload junk", set("X-Amz-Content-Sha256", "x")},
		{"payload twice", add("X-Amz-Content-Sha256", UnsignedPayload)},
		{"date", set("X-Amz-Date", "20130524T000001Z")},
		{"date absent", del("X-Amz-Date")},
		{"date twice", add("X-Amz-Date", "20130524T000000Z")},
		{"date malformed", set("X-Amz-Date", "20130532T000000Z")},
		{"date of another day", set("X-Amz-Date", "20130523T235959Z")},
		{"other date header", func(r *http.Request) {
			r.Header.Del("X-Amz-Date")
			r.Header.Set("Date", docTime.Format(http.TimeFormat))
		}},
		{"storage class", set("X-Amz-Storage-Class", "GLACIER")},
		{"token absent", del("X-Amz-Security-Token")},
		{"token foreign", set("X-Amz-Security-Token", "another")},
		{"token twice", add("X-Amz-Security-Token", "another")},
		{"access key", auth(tempKey, docKey)},
		{"access key's case", auth(tempKey, strings.ToLower(tempKey))},
		{"access key unknown", auth(tempKey, "ASIANOBODY")},
		{"access key empty", auth(tempKey, "")},
		{"scope date", auth("/20130524/", "/20130525/")},
		{"scope date malformed", auth("/20130524/", "/2013052/")},
		{"scope region", auth("us-east-1", "us-west-2")},
		{"scope region empty", auth("us-east-1", "")},
		{"scope service", auth("/s3/", "/iam/")},
		{"scope terminal", auth("aws4_request", "aws5_request")},
		{"scope longer", auth("/aws4_request", "/x/aws4_request")},
		{"scope shorter", auth("/s3/aws4_request", "/aws4_request")},
		{"algorithm", auth("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512")},
		{"algorithm's case", auth("AWS4-HMAC-SHA256", "aws4-hmac-sha256")},
		{"algorithm ECDSA", auth("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256")},
		{"algorithm Basic", set("Authorization", "Basic dXNlcjpwYXNz")},
		{"algorithm Bearer", set("Authorization", "Bearer x")},
		{"authorization empty", func(r *http.Request) { r.Header["Authorization"] = []string{""} }},
		{"authorization twice", add("Authorization", have)},
		{"authorization bare", set("Authorization", "AWS4-HMAC-SHA256")},
		{"authorization twice in one", set("Authorization", have+", "+have[len("AWS4-HMAC-SHA256 "):])},
		{"component unknown", auth("Credential=", "Extra=1, Credential=")},
		{"host unsigned", auth(";host;", ";")},
		{"header unsigned", auth(";x-amz-meta-colour", "")},
		{"token unsigned", auth(";x-amz-security-token", "")},
		{"content type unsigned", auth("content-type;", "")},
		{"absent header signed", auth("content-type;", "content-type;expires;")},
		{"signed list unordered", auth("content-type;host;", "host;content-type;")},
		{"signed list repeated", auth(";host;", ";host;host;")},
		{"signed list in capitals", auth(";host;", ";Host;")},
		{"signed list empty", func(r *http.Request) {
			a := r.Header.Get("Authorization")
			i, j := strings.Index(a, "SignedHeaders="), strings.Index(a, ", Signature=")
			r.Header.Set("Authorization", a[:i]+"SignedHeaders="+a[j:])
		}},
		{"signature empty", auth(signature, "")},
		{"signature short", auth(signature, signature[:63])},
		{"signature long", auth(signature, signature+"0")},
		{"signature in capitals", auth(signature, strings.ToUpper(signature))},
		{"signature of zeros", auth(signature, strings.Repeat("0", 64))},
	}...)
	for i := range signature {
		c := "0"
		if signature[i] == '0' {
			c = "1"
		}
		all = append(all, mutation{fmt.Sprintf("signature digit %d", i), auth(signature, signature[:i]+c+signature[i+1:])})
	}
	tamper(t, verifier(docTime), func() *http.Request { return signedPut(t, docTime) }, all)
}

func TestTamperedPresigned(t *testing.T) {
	make := func() *http.Request { return presignedPut(t, docTime, 3600) }
	signed := make()
	if res, err := verifier(docTime).Verify(signed); err != nil || res.AccessKey != tempKey {
		t.Fatalf("untouched: %v\n%s", err, extra(err, "CanonicalRequest"))
	}
	signature := signed.URL.Query().Get("X-Amz-Signature")
	all := append(commonMutations(), []mutation{
		{"expires", target1("X-Amz-Expires=3600", "X-Amz-Expires=3601")},
		{"date", target1("X-Amz-Date=20130524T000000Z", "X-Amz-Date=20130524T000001Z")},
		{"date of another day", target1("X-Amz-Date=20130524T000000Z", "X-Amz-Date=20130525T000000Z")},
		{"date malformed", target1("X-Amz-Date=20130524T000000Z", "X-Amz-Date=yesterday")},
		{"scope region", target1("us-east-1", "us-west-2")},
		{"scope service", target1("%2Fs3%2F", "%2Fiam%2F")},
		{"scope terminal", target1("aws4_request", "aws5_request")},
		{"access key", target1(tempKey, docKey)},
		{"access key unknown", target1(tempKey, "ASIANOBODY")},
		{"algorithm", target1("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1")},
		{"algorithm ECDSA", target1("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256")},
		{"token foreign", target1("X-Amz-Security-Token=I", "X-Amz-Security-Token=J")},
		{"token absent", target1("X-Amz-Security-Token=", "X-Other=")},
		{"token twice", func(r *http.Request) { r.RequestURI += "&X-Amz-Security-Token=x" }},
		{"signed list", target1("X-Amz-SignedHeaders=content-type%3B", "X-Amz-SignedHeaders=")},
		{"host unsigned", target1("%3Bhost%3B", "%3B")},
		{"signature absent", target1("X-Amz-Signature=", "X-Other=")},
		{"signature twice", func(r *http.Request) { r.RequestURI += "&X-Amz-Signature=" + signature }},
		{"credential twice", func(r *http.Request) { r.RequestURI += "&X-Amz-Credential=x" }},
		{"credential absent", target1("X-Amz-Credential=", "X-Other=")},
		{"algorithm absent", target1("X-Amz-Algorithm=", "X-Other=")},
		{"expires absent", target1("X-Amz-Expires=", "X-Other=")},
		{"date absent", target1("X-Amz-Date=", "X-Other=")},
		{"signed list absent", target1("X-Amz-SignedHeaders=", "X-Other=")},
		{"streaming that nobody signed", set("X-Amz-Content-Sha256", StreamingUnsignedTrailer)},
		{"payload in the query", func(r *http.Request) { r.RequestURI += "&X-Amz-Content-Sha256=" + EmptySHA256 }},
		{"response override", func(r *http.Request) { r.RequestURI += "&response-content-type=text/html" }},
	}...)
	for i := range signature {
		c := "0"
		if signature[i] == '0' {
			c = "1"
		}
		all = append(all, mutation{fmt.Sprintf("signature digit %d", i), target1("X-Amz-Signature="+signature, "X-Amz-Signature="+signature[:i]+c+signature[i+1:])})
	}
	tamper(t, verifier(docTime), make, all)

	// An unsigned digest header is no proof and no harm.
	r := make()
	r.Header.Set("X-Amz-Content-Sha256", strings.Repeat("0", 64))
	if res, err := verifier(docTime).Verify(r); err != nil || res.PayloadHash != UnsignedPayload {
		t.Errorf("digest header: %+v %v", res, err)
	}
}

func tamper(t *testing.T, v *Verifier, make func() *http.Request, all []mutation) {
	t.Helper()
	for _, m := range all {
		r := make()
		m.do(r)
		res, err := v.Verify(r)
		e := awserr.From(err)
		if err == nil || res != nil {
			t.Errorf("%s: accepted as %+v", m.name, res)
		} else if e == nil || e.Status/100 != 4 && e.Status != 501 || ReasonOf(err) == 0 {
			t.Errorf("%s: %v", m.name, err)
		}
	}
	// The verifier remembers nothing that would let a tampered one in later.
	if _, err := v.Verify(make()); err != nil {
		t.Errorf("untouched, afterwards: %v", err)
	}
}

// V2 signs little of a request. What it leaves open must not matter.
func TestTamperedV2(t *testing.T) {
	now := time.Date(2007, 3, 27, 19, 36, 42, 0, time.UTC)
	v := verifier(now)
	v.Bucket = func(r *http.Request) string { return "awsexamplebucket1" }
	header := func() *http.Request {
		return received(t, `GET /photos/puppy.jpg HTTP/1.1
Host: awsexamplebucket1.s3.us-west-1.amazonaws.com
Date: Tue, 27 Mar 2007 19:36:42 +0000
Authorization: AWS AKIAIOSFODNN7EXAMPLE:qgk2+6Sv9/oM7G3qLEjTH1a1l1g=`)
	}
	tamper(t, v, header, []mutation{
		{"method", func(r *http.Request) { r.Method = "DELETE" }},
		{"key", target1("puppy", "kitty")},
		{"sub-resource", func(r *http.Request) { r.RequestURI += "?acl" }},
		{"sub-resource newer than V2", func(r *http.Request) { r.RequestURI += "?retention" }},
		{"sub-resource newer than V2", func(r *http.Request) { r.RequestURI += "?legal-hold" }},
		{"sub-resource unknown", func(r *http.Request) { r.RequestURI += "?publicAccessBlock" }},
		{"sub-resource escaped", func(r *http.Request) { r.RequestURI += "?%61cl" }},
		{"version", func(r *http.Request) { r.RequestURI += "?versionId=3" }},
		{"content type", set("Content-Type", "text/html")},
		{"MD5", set("Content-MD5", "x")},
		{"metadata", set("X-Amz-Meta-A", "b")},
		{"token", set("X-Amz-Security-Token", "b")},
		{"date", set("Date", "Tue, 27 Mar 2007 19:36:43 +0000")},
		{"date absent", del("Date")},
		{"date twice", add("Date", "Tue, 27 Mar 2007 19:36:43 +0000")},
		{"streaming", set("X-Amz-Content-Sha256", StreamingSigned)},
		{"access key unknown", auth(docKey, "AKIANOBODY")},
		{"access key empty", auth(docKey, "")},
		{"signature", auth("qgk2", "qgk3")},
		{"signature empty", auth("qgk2+6Sv9/oM7G3qLEjTH1a1l1g=", "")},
		{"second space", auth("AWS AKIA", "AWS  AKIA")},
		{"second colon", auth(":", "::")},
		{"no colon", auth(":", "")},
		{"authorization twice", add("Authorization", "AWS x:y")},
		{"query too", func(r *http.Request) { r.RequestURI += "?AWSAccessKeyId=x" }},
	})

	v = verifier(time.Unix(1175139620, 0))
	v.Bucket = func(r *http.Request) string { return "awsexamplebucket1" }
	query := func() *http.Request {
		r := received(t, "GET /photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=SIGNATURE&Expires=1175139620 HTTP/1.1\nHost: awsexamplebucket1.s3.us-west-1.amazonaws.com")
		// The documentation's signature is over another bucket's name.
		r.RequestURI = strings.Replace(r.RequestURI, "SIGNATURE", url.QueryEscape(signV2("GET\n\n\n1175139620\n/awsexamplebucket1/photos/puppy.jpg")), 1)
		return r
	}
	tamper(t, v, query, []mutation{
		{"method", func(r *http.Request) { r.Method = "HEAD" }},
		{"key", target1("puppy", "kitty")},
		{"expires", target1("Expires=1175139620", "Expires=1175139621")},
		{"expires absent", target1("Expires=", "prefix=")},
		{"expires twice", func(r *http.Request) { r.RequestURI += "&Expires=1" }},
		{"expires negative", target1("Expires=1175139620", "Expires=-1")},
		{"expires huge", target1("Expires=1175139620", "Expires=99999999999999999999")},
		{"expires past", target1("Expires=1175139620", "Expires=1175139619")},
		{"access key absent", target1("AWSAccessKeyId=", "prefix=")},
		{"signature absent", target1("Signature=", "prefix=")},
		{"sub-resource", func(r *http.Request) { r.RequestURI += "&acl" }},
		{"override", func(r *http.Request) { r.RequestURI += "&response-content-type=text/html" }},
		{"sub-resource newer than V2", func(r *http.Request) { r.RequestURI += "&retention" }},
		{"unknown", func(r *http.Request) { r.RequestURI += "&x" }},
		{"metadata in the query", func(r *http.Request) { r.RequestURI += "&x-amz-meta-a=b" }},
		{"metadata in the query twice", func(r *http.Request) { r.RequestURI += "&x-amz-meta-a=b&X-Amz-Meta-A=c" }},
		{"content type in the query", func(r *http.Request) { r.RequestURI += "&content-type=text/html" }},
		{"metadata", set("X-Amz-Meta-A", "b")},
		{"content type", set("Content-Type", "text/html")},
	})

	// A bucket by itself may be signed with a slash in path style; under a
	// virtual host the slash is part of the key.
	v = verifier(time.Unix(1175139620, 0))
	slash := url.QueryEscape(signV2("GET\n\n\n1175139620\n/photos/"))
	bucket := func() *http.Request {
		return received(t, "GET /photos?AWSAccessKeyId="+docKey+"&Signature="+slash+"&Expires=1175139620 HTTP/1.1\nHost: h")
	}
	tamper(t, v, bucket, []mutation{
		{"escaped slash", target1("/photos", "/photos%2F")},
		{"key", target1("/photos", "/photos/a")},
		{"other bucket", target1("/photos", "/photo")},
	})
	v.Bucket = func(*http.Request) string { return "photos" }
	slash = url.QueryEscape(signV2("GET\n\n\n1175139620\n/photos/key/"))
	r := bucket()
	target1("/photos", "/key")(r)
	if res, err := v.Verify(r); err == nil {
		t.Errorf("another key: accepted as %+v", res)
	}

	v.RefuseV2 = true
	_, err := v.Verify(query())
	wants(t, err, Unsupported, "InvalidRequest", "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")
	_, err = v.Verify(header())
	wants(t, err, Unsupported, "InvalidRequest", "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")
}
