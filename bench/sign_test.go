package bench

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go/aws-http-auth/credentials"
	"github.com/aws/smithy-go/aws-http-auth/sigv4"
	v4 "github.com/aws/smithy-go/aws-http-auth/v4"
)

// signedHeaders is the set that an Authorization header names.
type signedHeaders []string

func (s signedHeaders) IsSigned(name string) bool { return slices.Contains(s, strings.ToLower(name)) }

func signedIn(authorization string) signedHeaders {
	_, rest, _ := strings.Cut(authorization, "SignedHeaders=")
	list, _, _ := strings.Cut(rest, ",")
	return strings.Split(list, ";")
}

// authorization computes the header for a received request with AWS's own
// signer, over the headers that the request itself names as signed.
func authorization(r *http.Request, creds credentials.Credentials, service, region string, now time.Time) (string, error) {
	c := r.Clone(r.Context())
	c.URL.Scheme, c.URL.Host = "http", r.Host
	c.Header.Del("Authorization")
	payload := []byte(r.Header.Get("X-Amz-Content-Sha256"))
	if string(payload) != unsignedPayload {
		var err error
		if payload, err = hex.DecodeString(string(payload)); err != nil {
			return "", err
		}
	}
	err := sigv4.New().SignRequest(&sigv4.SignRequestInput{
		Request: c, PayloadHash: payload, Credentials: creds,
		Service: service, Region: region, Time: now,
	}, func(o *v4.SignerOptions) {
		o.HeaderRules = signedIn(r.Header.Get("Authorization"))
		o.DisableDoublePathEscape = true
		o.AddPayloadHashHeader = true
	})
	return c.Header.Get("Authorization"), err
}

func parseRequest(t *testing.T, raw []byte) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		t.Fatalf("%v in %q", err, raw)
	}
	return r
}

// The example of the S3 API reference, "Signature Calculations for the
// Authorization Header", GET Object.
func TestSignerOnAWSExample(t *testing.T) {
	s := newSigner("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "", "us-east-1", "s3", "examplebucket.s3.amazonaws.com")
	r := &request{method: "GET", path: []byte("/test.txt"), hash: []byte(emptyHash), fields: []field{{"range", "bytes=0-9"}}, length: -1}
	got := string(s.appendHeaders(nil, r, time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)))
	const want = "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41\r\n"
	if !strings.HasSuffix(got, want) {
		t.Errorf("got\n%s\nwant %s", got, want)
	}
}

func TestSignerAgreesWithAWSSigner(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	text := func(n int) string {
		b := make([]rune, r.IntN(n)+1)
		for i := range b {
			b[i] = []rune("abzAZ019-._~ +/%&=?#:;,@!$'()*[]äé漢字\t")[r.IntN(37)]
		}
		return string(b)
	}
	now := time.Date(2026, 11, 20, 23, 59, 30, 0, time.UTC)
	for _, token := range []string{"", "token/with+signs=="} {
		s := newSigner("AKID", "secret/with+signs", token, "eu-west-1", "s3", "127.0.0.1:9000")
		for i := range 300 {
			now = now.Add(time.Duration(r.IntN(5000)) * time.Millisecond) // Crosses midnight: the key changes.
			c := &client{target: &Target{Bucket: "bucket"}, sign: s}
			q := c.begin([]string{"GET", "PUT", "HEAD"}[i%3], []byte(text(30)))
			names := []string{}
			for range r.IntN(4) {
				// Of unreserved characters only: AWS sorts escaped names, its
				// signer for Go sorts them before it escapes.
				names = append(names, strings.Map(func(c rune) rune {
					if c < 128 && unreserved(byte(c)) {
						return c
					}
					return 'x'
				}, text(5)))
			}
			slices.Sort(names)
			for _, n := range slices.Compact(names) {
				q.param(n, text(10))
			}
			if i%2 == 0 {
				q.fields = []field{{"content-md5", "abc="}, {"x-amz-acl", "private"}, {"x-amz-copy-source", "/a/b"}, {"x-amz-meta-a", "two words"}, {"x-amz-tagging", "a=b"}}
			}
			raw := fmt.Appendf(nil, "%s %s?%s HTTP/1.1\r\n", q.method, q.path, q.query)
			raw = append(s.appendHeaders(raw, q, now), "\r\n"...)
			got := parseRequest(t, raw)
			want, err := authorization(got, credentials.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret/with+signs", SessionToken: token}, "s3", "eu-west-1", now)
			if err != nil {
				t.Fatal(err)
			}
			if h := got.Header.Get("Authorization"); h != want {
				t.Fatalf("request %q\ngot  %s\nwant %s", raw, h, want)
			}
			if names := signedIn(want); token != "" && !names.IsSigned("x-amz-security-token") || !names.IsSigned("host") {
				t.Fatalf("signed headers are %v", names)
			}
		}
	}
}

func TestSignerDoesNotAllocate(t *testing.T) {
	s := newSigner("AKID", "secret", "", "us-east-1", "s3", "h")
	r := &request{method: "GET", path: []byte("/b/k"), hash: []byte(emptyHash)}
	now := time.Unix(1_800_000_000, 0)
	buf := s.appendHeaders(nil, r, now)
	if n := testing.AllocsPerRun(100, func() { buf = s.appendHeaders(buf[:0], r, now) }); n > 0 {
		t.Errorf("%v allocations per signature", n)
	}
}
