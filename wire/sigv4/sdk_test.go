package sigv4

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithycreds "github.com/aws/smithy-go/aws-http-auth/credentials"
	smithy "github.com/aws/smithy-go/aws-http-auth/sigv4"
	smithyv4 "github.com/aws/smithy-go/aws-http-auth/v4"
)

// server verifies whatever comes over a real connection, so that net/http
// moves Host, Content-Length and Transfer-Encoding about as it does in life.
type server struct {
	*httptest.Server
	v    *Verifier
	last struct {
		res    *Result
		err    error
		header http.Header
		body   []byte
	}
}

func serve(t testing.TB, v *Verifier) *server {
	s := &server{v: v}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.last.res, s.last.err = v.Verify(r)
		s.last.header, s.last.body = r.Header, nil
		if s.last.err != nil {
			w.WriteHeader(403)
			return
		}
		s.last.res.Hoist(r)
		var body io.Reader = r.Body
		if isDigest(s.last.res.PayloadHash) {
			body = PayloadReader(body, s.last.res.PayloadHash)
		}
		s.last.body, s.last.err = io.ReadAll(body)
	}))
	t.Cleanup(s.Close)
	return s
}

// send sends a request and gives what the server made of it.
func (s *server) send(t testing.TB, r *http.Request) (*Result, error) {
	t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return s.last.res, s.last.err
}

// pieces are what paths, queries and headers are made of in random requests.
var pieces = []string{"a", "Z9", "-._~", " ", "%", "+", "é", "日本", "//", "/./", "/../", "&", "=", "?", "#", ":", "@", "!$'()*,;", "\"<>[]\\^`{|}", "\u202e", "\x7f", "\xff"}

func random(rng *rand.Rand, n int) string {
	var b strings.Builder
	for range rng.IntN(n + 1) {
		b.WriteString(pieces[rng.IntN(len(pieces))])
	}
	return b.String()
}

// awsEscape escapes a path as SDKs do: all but unreserved characters and
// slashes.
func awsEscape(path string) string {
	var b []byte
	for i := 0; i < len(path); i++ {
		if c := path[i]; unreserved[c] || c == '/' {
			b = append(b, c)
		} else {
			b = appendEscaped(b, c)
		}
	}
	return string(b)
}

// randomRequest makes a request with a path, a query, headers and a body that
// clients really send, strange keys included.
func randomRequest(t testing.TB, rng *rand.Rand, base string) (*http.Request, string) {
	key := random(rng, 6)
	q := url.Values{}
	for range rng.IntN(5) {
		q.Add(random(rng, 2), random(rng, 3))
	}
	if rng.IntN(3) == 0 {
		q["dup"] = []string{"b", "a", "a/b", "a-b", ""}
	}
	body := make([]byte, rng.IntN(100))
	method := []string{"GET", "PUT", "POST", "DELETE", "HEAD"}[rng.IntN(5)]
	if method == "GET" || method == "HEAD" || method == "DELETE" {
		body = nil
	}
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/bucket/" + key
	u.RawPath = awsEscape(u.Path)
	if rng.IntN(4) == 0 {
		// A slash that the client means as part of a segment.
		u.Path += "/sub"
		u.RawPath += "%2Fsub"
	}
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20")
	r, err := http.NewRequest(method, u.String(), bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.URL = u
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	r.Header.Set("X-Amz-Content-Sha256", hash)
	r.Header.Set("User-Agent", "test/1 (with  spaces)")
	if rng.IntN(2) == 0 {
		r.Header.Set("Content-Type", "text/plain;  charset=utf-8")
	}
	for i := range rng.IntN(4) {
		r.Header.Add(fmt.Sprintf("X-Amz-Meta-K%d", i), "  v  "+strings.Repeat("x ", rng.IntN(4)))
	}
	if rng.IntN(4) == 0 {
		r.Header["X-Amz-Meta-Twice"] = []string{"one", " two  three "}
	}
	if rng.IntN(4) == 0 {
		r.Header.Set("Range", "bytes=0-9")
	}
	return r, hash
}

// Whatever aws-sdk-go-v2 signs in a header is accepted.
func TestAgreesWithSDKHeader(t *testing.T) {
	v := verifier(time.Now())
	v.Now = nil
	srv := serve(t, v)
	rng := rand.New(rand.NewPCG(5, 6))
	signer := sdk.NewSigner(func(o *sdk.SignerOptions) { o.DisableURIPathEscaping = true })
	for i := range 400 {
		r, hash := randomRequest(t, rng, srv.URL)
		creds := aws.Credentials{AccessKeyID: docKey, SecretAccessKey: docSecret}
		if i%3 == 0 {
			creds = aws.Credentials{AccessKeyID: "ASIATEMPORARY", SecretAccessKey: "temporary/secret", SessionToken: docKeys.tokens["ASIATEMPORARY"]}
		}
		if err := signer.SignHTTP(context.Background(), creds, r, hash, "s3", "us-east-1", time.Now()); err != nil {
			t.Fatal(err)
		}
		res, err := srv.send(t, r)
		if err != nil {
			t.Fatalf("%d: %s %s: %v\n%s", i, r.Method, r.URL.RawPath, err, extra(err, "CanonicalRequest"))
		}
		if res.AccessKey != creds.AccessKeyID || res.SessionToken != creds.SessionToken || res.PayloadHash != hash {
			t.Fatalf("%+v", res)
		}
	}
}

// Whatever aws-sdk-go-v2 presigns is accepted, and the headers that it moved
// into the query come back.
func TestAgreesWithSDKPresign(t *testing.T) {
	v := verifier(time.Now())
	v.Now = nil
	srv := serve(t, v)
	rng := rand.New(rand.NewPCG(7, 8))
	signer := sdk.NewSigner(func(o *sdk.SignerOptions) { o.DisableURIPathEscaping = true })
	for i := range 300 {
		r, _ := randomRequest(t, rng, srv.URL)
		r.Header.Del("X-Amz-Content-Sha256")
		r.Header.Del("User-Agent")
		r.Header.Set("X-Amz-Expected-Bucket-Owner", "111122223333")
		query := r.URL.Query()
		query.Set("X-Amz-Expires", fmt.Sprint(1+rng.IntN(ExpiresMax)))
		r.URL.RawQuery = query.Encode()
		signed, header, err := signer.PresignHTTP(context.Background(), aws.Credentials{AccessKeyID: "ASIATEMPORARY", SecretAccessKey: "temporary/secret", SessionToken: docKeys.tokens["ASIATEMPORARY"]},
			r, UnsignedPayload, "s3", "us-east-1", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		out, err := http.NewRequest(r.Method, signed, r.Body)
		if err != nil {
			t.Fatal(err)
		}
		out.ContentLength = r.ContentLength
		for name, values := range header {
			if name != "Host" && name != "Content-Length" {
				out.Header[name] = values
			}
		}
		if out.Header.Get("X-Amz-Expected-Bucket-Owner") != "" {
			t.Fatal("the SDK does not hoist any more: this test proves nothing")
		}
		res, err := srv.send(t, out)
		if err != nil {
			t.Fatalf("%d: %s %s: %v\n%s", i, r.Method, signed, err, extra(err, "CanonicalRequest"))
		}
		if res.Kind != Presigned || res.PayloadHash != UnsignedPayload || res.AccessKey != "ASIATEMPORARY" {
			t.Fatalf("%+v", res)
		}
		if got := srv.last.header.Get("X-Amz-Expected-Bucket-Owner"); got != "111122223333" {
			t.Fatalf("hoisted: %q", got)
		}
	}
}

// The same against the second implementation that AWS publishes, for S3 and
// for services that encode paths twice.
func TestAgreesWithSmithy(t *testing.T) {
	v := verifier(time.Now())
	v.Now, v.Services = nil, []string{"s3", "kms"}
	srv := serve(t, v)
	rng := rand.New(rand.NewPCG(9, 10))
	signer := smithy.New()
	for i := range 300 {
		r, hash := randomRequest(t, rng, srv.URL)
		sum, err := hex.DecodeString(hash)
		if err != nil {
			t.Fatal(err)
		}
		// This signer neither folds spaces nor orders by the encoded form.
		delete(r.Header, "X-Amz-Meta-Twice")
		for name := range r.Header {
			if strings.HasPrefix(name, "X-Amz-Meta-") {
				r.Header.Set(name, "v")
			}
		}
		r.URL.RawQuery = "list-type=2&prefix=" + url.QueryEscape(random(rng, 4)) + "&empty"
		in := &smithy.SignRequestInput{Request: r, PayloadHash: sum, Credentials: smithycreds.Credentials{AccessKeyID: docKey, SecretAccessKey: docSecret}, Service: "s3", Region: "us-east-1"}
		if i%2 == 0 {
			in.Service = "kms"
			// It does not normalise either.
			r.URL.Path, r.URL.RawPath = "/a b/ü", "/a%20b/%C3%BC"
		}
		err = signer.SignRequest(in, func(o *smithyv4.SignerOptions) {
			o.DisableDoublePathEscape = in.Service == "s3"
			o.AddPayloadHashHeader = true
		})
		if err != nil {
			t.Fatal(err)
		}
		res, err := srv.send(t, r)
		if err != nil {
			t.Fatalf("%d: %s %s: %v\n%s", i, r.Method, r.URL, err, extra(err, "CanonicalRequest"))
		}
		if res.Service != in.Service || res.PayloadHash != hash {
			t.Fatalf("%+v", res)
		}
	}
}

// The S3 client's own presigner and client, against the server.
func TestAgreesWithS3Client(t *testing.T) {
	v := verifier(time.Now())
	v.Now = nil
	srv := serve(t, v)
	client := s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(srv.URL), UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(docKey, docSecret, ""),
	})
	ctx := context.Background()
	for _, key := range []string{"plain", "a b+c/ü//x", "../up", "tilde~(and)*'!", "percent%2Fsign", "trailing/"} {
		presign := s3.NewPresignClient(client, func(o *s3.PresignOptions) { o.Expires = time.Minute })
		get, err := presign.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String(key), ResponseContentType: aws.String("text/x+y; q=1")})
		if err != nil {
			t.Fatal(err)
		}
		put, err := presign.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String(key), Metadata: map[string]string{"colour": "green"}, ContentType: aws.String("image/png")})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []struct {
			method, url string
			header      http.Header
		}{{get.Method, get.URL, get.SignedHeader}, {put.Method, put.URL, put.SignedHeader}} {
			r, err := http.NewRequest(p.method, p.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			for name, values := range p.header {
				if name != "Host" {
					r.Header[name] = values
				}
			}
			if _, err := srv.send(t, r); err != nil {
				t.Errorf("%s %q: %v\n%s", p.method, key, err, extra(err, "CanonicalRequest"))
			}
		}
		if _, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String(key), Body: strings.NewReader("body of the object")}); err != nil || srv.last.err != nil {
			t.Errorf("put %q: %v, %v", key, err, srv.last.err)
		}
		if string(srv.last.body) != "body of the object" || srv.last.res.Kind != Header {
			t.Errorf("put %q: %q %+v", key, srv.last.body, srv.last.res)
		}
	}
}

// What a presigned request's query says of headers becomes headers, but
// nothing else does.
func TestHoist(t *testing.T) {
	r := received(t, "PUT /b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=1&x-amz-meta-a=one+two&X-Amz-Checksum-Crc32=NhCmhg%3D%3D&x-amz-checksum-sha256=no&x-amz-sdk-checksum-algorithm=CRC32&x-amz-checksum-mode=ENABLED&x-amz-checksum-type=COMPOSITE&x-amz-checksum-algorithm=SHA256&content-type=evil&prefix=p&x-amz-meta-bad=%0d%0a&x-amz-acl=private&X-Amz-Security-Token=tok HTTP/1.1\nHost: h\nX-Amz-Acl: public-read")
	(&Result{Kind: Presigned}).Hoist(r)
	want := http.Header{"X-Amz-Meta-A": {"one two"}, "X-Amz-Acl": {"public-read"}, "X-Amz-Security-Token": {"tok"},
		"X-Amz-Checksum-Mode": {"ENABLED"}, "X-Amz-Checksum-Type": {"COMPOSITE"}, "X-Amz-Checksum-Algorithm": {"SHA256"}}
	if fmt.Sprint(r.Header) != fmt.Sprint(want) {
		t.Errorf("%v\nwant %v", r.Header, want)
	}
	for _, kind := range []Kind{Anonymous, Header, HeaderV2} {
		r := received(t, "PUT /b/k?x-amz-acl=public-read HTTP/1.1\nHost: h")
		(&Result{Kind: kind}).Hoist(r)
		if len(r.Header) != 0 {
			t.Errorf("%v: %v", kind, r.Header)
		}
	}
	r = received(t, "PUT /b/k?content-type=text/plain HTTP/1.1\nHost: h")
	(&Result{Kind: PresignedV2}).Hoist(r)
	if r.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("%v", r.Header)
	}
}
