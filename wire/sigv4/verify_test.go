package sigv4

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/farhold/farhold/awserr"
)

func signV2(sts string) string {
	m := hmac.New(sha1.New, []byte(docSecret))
	m.Write([]byte(sts))
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}

func TestAnonymous(t *testing.T) {
	for _, target := range []string{"/", "/b/k?versionId=3&Expires=5", "/b?x-amz-acl=private"} {
		res, err := verifier(docTime).Verify(received(t, "GET "+target+" HTTP/1.1\nHost: h"))
		if err != nil || *res != (Result{}) {
			t.Errorf("%s: %+v %v", target, res, err)
		}
	}
}

// AWS's code and text for each way to be refused.
func TestTexts(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(r *http.Request)
		why  Reason
		code string
		text string
	}{
		{"no payload hash", del("X-Amz-Content-Sha256"), BadPayload, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256"},
		{"bad payload hash", set("X-Amz-Content-Sha256", "sha"), BadPayload, "InvalidArgument", payloadForms},
		{"unknown key", auth(tempKey, "AKIANOBODY"), UnknownKey, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."},
		{"bad token", set("X-Amz-Security-Token", "x"), BadToken, "InvalidToken", "The provided token is malformed or otherwise invalid."},
		{"region", auth("us-east-1", "eu-west-1"), WrongScope, "AuthorizationHeaderMalformed", "The authorization header is malformed; the region 'eu-west-1' is wrong; expecting 'us-east-1'"},
		{"service", auth("/s3/", "/sts/"), WrongScope, "AuthorizationHeaderMalformed", `The authorization header is malformed; incorrect service "sts". This endpoint belongs to "s3".`},
		{"terminal", auth("aws4_request", "x"), WrongScope, "AuthorizationHeaderMalformed", `The authorization header is malformed; incorrect terminal "x". This endpoint uses "aws4_request".`},
		{"date of scope", auth("/20130524/", "/2013/"), WrongScope, "AuthorizationHeaderMalformed", `The authorization header is malformed; incorrect date format "2013". This date in the credential must be in the format "yyyyMMdd".`},
		{"credential", auth("/us-east-1", ""), Malformed, "AuthorizationHeaderMalformed", `The authorization header is malformed; the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`},
		{"empty key", auth(tempKey, ""), WrongScope, "AuthorizationHeaderMalformed", `The authorization header is malformed; a non-empty Access Key (AKID) must be provided in the credential.`},
		{"no date", del("X-Amz-Date"), Incomplete, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header"},
		{"type", set("Authorization", "Basic x"), Unsupported, "InvalidArgument", "Unsupported Authorization Type"},
		{"no signature", set("Authorization", "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host"), Incomplete, "AuthorizationHeaderMalformed", "The authorization header is malformed; missing Signature."},
		{"no credential", set("Authorization", "AWS4-HMAC-SHA256 SignedHeaders=host, Signature=x"), Incomplete, "AuthorizationHeaderMalformed", "The authorization header is malformed; missing Credential."},
		{"no list", set("Authorization", "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, Signature=x"), Incomplete, "AuthorizationHeaderMalformed", "The authorization header is malformed; missing SignedHeaders."},
		{"nothing", set("Authorization", "AWS4-HMAC-SHA256"), Incomplete, "AuthorizationHeaderMalformed", "The authorization header is malformed; the authorization header requires three components: Credential, SignedHeaders, and Signature."},
		{"junk", set("Authorization", "AWS4-HMAC-SHA256 junk"), Malformed, "AuthorizationHeaderMalformed", `The authorization header is malformed; the authorization component "junk" is malformed.`},
		{"unsigned header", set("X-Amz-Acl", "private"), NotSigned, "AccessDenied", "There were headers present in the request which were not signed"},
		{"two mechanisms", func(r *http.Request) { r.RequestURI += "&X-Amz-Algorithm=x" }, Malformed, "InvalidArgument", twoMechanisms},
		{"mismatch", set("X-Amz-Meta-Colour", "red"), Mismatch, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method."},
		{"V4A", auth("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), Unsupported, "NotImplemented", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := signedPut(t, docTime)
			tc.do(r)
			_, err := verifier(docTime).Verify(r)
			wants(t, err, tc.why, tc.code, tc.text)
		})
	}

	r := signedPut(t, docTime)
	r.Header.Set("X-Amz-Acl", "private")
	r.Header.Set("X-Amz-Website-Redirect-Location", "/")
	_, err := verifier(docTime).Verify(r)
	if got := extra(err, "HeadersNotSigned"); got != "x-amz-acl, x-amz-website-redirect-location" {
		t.Errorf("HeadersNotSigned %q", got)
	}
	r = signedPut(t, docTime)
	v := verifier(docTime)
	v.Region = "eu-west-1"
	if _, err = v.Verify(r); extra(err, "Region") != "eu-west-1" {
		t.Errorf("Region: %v", err)
	}
	v.Region = ""
	if res, err := v.Verify(r); err != nil || res.Region != "us-east-1" {
		t.Errorf("any region: %+v %v", res, err)
	}
}

func TestPresignTexts(t *testing.T) {
	for _, tc := range []struct {
		name     string
		from, to string
		why      Reason
		code     string
		text     string
	}{
		{"incomplete", "X-Amz-Date=", "x=", Incomplete, "AuthorizationQueryParametersError", errQuery.Message},
		{"region", "us-east-1", "eu-west-1", WrongScope, "AuthorizationQueryParametersError", "Error parsing the X-Amz-Credential parameter; the region 'eu-west-1' is wrong; expecting 'us-east-1'"},
		{"credential", "%2Fs3", "", Malformed, "AuthorizationQueryParametersError", `Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`},
		{"zero", "X-Amz-Expires=60", "X-Amz-Expires=0", Expired, "AccessDenied", "Request has expired"},
		{"negative", "X-Amz-Expires=60", "X-Amz-Expires=-60", Malformed, "AuthorizationQueryParametersError", "X-Amz-Expires must be non-negative"},
		{"a week and a second", "X-Amz-Expires=60", "X-Amz-Expires=604801", Malformed, "AuthorizationQueryParametersError", "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds"},
		{"huge", "X-Amz-Expires=60", "X-Amz-Expires=99999999999999999999999", Malformed, "AuthorizationQueryParametersError", "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds"},
		{"words", "X-Amz-Expires=60", "X-Amz-Expires=soon", Malformed, "AuthorizationQueryParametersError", "X-Amz-Expires should be a number"},
		{"plus", "X-Amz-Expires=60", "X-Amz-Expires=%2B60", Malformed, "AuthorizationQueryParametersError", "X-Amz-Expires should be a number"},
		{"date", "20130524T000000Z", "2013-05-24T00:00:00Z", Malformed, "AuthorizationQueryParametersError", `X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`},
		{"algorithm", "AWS4-HMAC-SHA256", "AWS4", Unsupported, "AuthorizationQueryParametersError", `X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := presignedPut(t, docTime, 60)
			target1(tc.from, tc.to)(r)
			_, err := verifier(docTime).Verify(r)
			wants(t, err, tc.why, tc.code, tc.text)
		})
	}
}

func TestTimes(t *testing.T) {
	for _, tc := range []struct {
		name string
		now  time.Duration
		why  Reason
	}{
		{"now", 0, 0}, {"15 minutes late", SkewMax, 0}, {"15 minutes early", -SkewMax, 0},
		{"too late", SkewMax + time.Second, Skewed}, {"too early", -SkewMax - time.Second, Skewed},
	} {
		_, err := verifier(docTime.Add(tc.now)).Verify(signedPut(t, docTime))
		if ReasonOf(err) != tc.why || tc.why == 0 && err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		if tc.why != 0 {
			wants(t, err, Skewed, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")
			if extra(err, "RequestTime") != "20130524T000000Z" || extra(err, "MaxAllowedSkewMilliseconds") != "900000" || extra(err, "ServerTime") != docTime.Add(tc.now).Format(isoDate) {
				t.Errorf("%+v", awserr.From(err).Extra)
			}
		}
	}
	for _, tc := range []struct {
		name    string
		expires int
		now     time.Duration
		text    string
	}{
		{"at once", 1, 0, ""}, {"last second", 60, time.Minute, ""}, {"a week", ExpiresMax, ExpiresMax * time.Second, ""},
		{"after the last second", 60, time.Minute + time.Second, "Request has expired"},
		{"after a week", ExpiresMax, (ExpiresMax + 1) * time.Second, "Request has expired"},
		{"never", 0, 0, "Request has expired"},
		{"never, and a little early", 0, -time.Second, "Request has expired"},
		{"a little early", 60, -SkewMax, ""},
		{"too early", 60, -SkewMax - time.Second, "Request is not yet valid"},
	} {
		_, err := verifier(docTime.Add(tc.now)).Verify(presignedPut(t, docTime, tc.expires))
		if tc.text == "" && err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		if tc.text != "" {
			wants(t, err, Expired, "AccessDenied", tc.text)
		}
	}
}

// Version 2 wants a date that is one: an x-amz-date that says nothing does not
// leave the word to Date, and there was no time before 1970. These are refused
// before the clocks are compared.
func TestDatesV2(t *testing.T) {
	now := time.Date(2007, 3, 27, 19, 36, 42, 0, time.UTC)
	const good = "Tue, 27 Mar 2007 19:36:42 GMT"
	signed := func(date, amzDate string) *http.Request {
		r := received(t, "GET /b/k HTTP/1.1\nHost: h")
		sts := "GET\n\n\n" + date + "\n"
		if date != "absent" {
			r.Header.Set("Date", date)
		}
		if amzDate != "absent" {
			r.Header.Set("X-Amz-Date", amzDate)
			sts = "GET\n\n\n\nx-amz-date:" + amzDate + "\n"
		}
		r.Header.Set("Authorization", "AWS "+docKey+":"+signV2(sts+"/b/k"))
		return r
	}
	for _, tc := range []struct {
		date, amzDate string
		code          string
	}{
		{good, "absent", ""}, {good, good, ""}, {"absent", good, ""}, {"", good, ""},
		{"Thu, 01 Jan 1970 00:00:00 GMT", good, ""},
		{good, "", "AccessDenied"}, {"absent", "", "AccessDenied"}, {"", "absent", "AccessDenied"}, {"absent", "absent", "AccessDenied"},
		{good, " ", "AccessDenied"}, {good, "Bad Date", "AccessDenied"}, {"Bad Date", "absent", "AccessDenied"},
		{good, "Tue, 07 Jul 1950 21:53:04 GMT", "AccessDenied"}, {"Tue, 07 Jul 1950 21:53:04 GMT", "absent", "AccessDenied"},
		{good, "Wed, 31 Dec 1969 23:59:59 GMT", "AccessDenied"}, {good, "19691231T235959Z", "AccessDenied"},
		{good, "Thu, 01 Jan 1970 00:00:00 GMT", "RequestTimeTooSkewed"}, {good, "Tue, 07 Jul 9999 21:53:04 GMT", "RequestTimeTooSkewed"},
		{good, "Tue, 27 Mar 2007 19:21:41 GMT", "RequestTimeTooSkewed"}, {"Tue, 27 Mar 2007 19:51:43 GMT", "absent", "RequestTimeTooSkewed"},
	} {
		_, err := verifier(now).Verify(signed(tc.date, tc.amzDate))
		switch tc.code {
		case "":
			if err != nil {
				t.Errorf("%q, %q: %v", tc.date, tc.amzDate, err)
			}
		case "AccessDenied":
			wants(t, err, Incomplete, tc.code, "AWS authentication requires a valid Date or x-amz-date header")
		default:
			wants(t, err, Skewed, tc.code, "The difference between the request time and the current time is too large.")
		}
	}
}

// A SignatureDoesNotMatch shows what the server understood, and never the
// signature that it expected.
func TestMismatchShowsNoSecret(t *testing.T) {
	good := signedPut(t, docTime)
	have := good.Header.Get("Authorization")
	right := have[strings.Index(have, "Signature=")+len("Signature="):]
	r := signedPut(t, docTime)
	auth(right, strings.Repeat("0", 64))(r)
	_, err := verifier(docTime).Verify(r)
	e := awserr.From(err)
	if e == nil {
		t.Fatal(err)
	}
	names := ""
	for _, f := range e.Extra {
		names += f.Name + " "
		if strings.Contains(f.Value, right) || strings.Contains(f.Value, tempSecret) {
			t.Errorf("%s shows a secret", f.Name)
		}
	}
	if names != "AWSAccessKeyId StringToSign SignatureProvided StringToSignBytes CanonicalRequest CanonicalRequestBytes " {
		t.Error(names)
	}
	if !strings.HasPrefix(extra(err, "StringToSignBytes"), "41 57 53 34 2d 48 4d 41 43") {
		t.Error(extra(err, "StringToSignBytes"))
	}
	if strings.Contains(err.Error(), tempSecret) || strings.Contains(err.Error(), tempToken) {
		t.Errorf("the error's text shows a secret: %v", err)
	}
}

// Printing a result, as a careless log line would, shows neither the signing
// key nor the session token.
func TestResultPrintsNoSecret(t *testing.T) {
	res, err := verifier(docTime).Verify(signedPut(t, docTime))
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(res)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{fmt.Sprint(res), fmt.Sprintf("%v %+v %#v %s", *res, *res, *res, *res), fmt.Sprintf("%+v %#v", res, res), fmt.Sprintf("%+v %#v %v", res.Chain(), res.Chain(), *res.Chain()), string(asJSON)} {
		if strings.Contains(s, tempToken) || strings.Contains(s, fmt.Sprint(res.key[0], " ", res.key[1])) || strings.Contains(s, fmt.Sprintf("0x%x, 0x%x", res.key[0], res.key[1])) || strings.Contains(s, fmt.Sprintf("%x", res.key[:4])) {
			t.Error(s)
		}
	}
	if got := fmt.Sprint(res); got != "AuthHeader ASIATEMPORARY us-east-1/s3" {
		t.Error(got)
	}
}

func TestCredentialsErrors(t *testing.T) {
	denied := awserr.ErrSlowDown
	for _, tc := range []struct {
		err  error
		why  Reason
		code string
	}{
		{ErrUnknownKey, UnknownKey, "InvalidAccessKeyId"},
		{fmt.Errorf("wrapped: %w", ErrUnknownKey), UnknownKey, "InvalidAccessKeyId"},
		{ErrBadToken, BadToken, "InvalidToken"},
		{ErrExpiredToken, TokenEnded, "ExpiredToken"},
		{errBackend, 0, "InternalError"},
		{denied, 0, "SlowDown"},
	} {
		v := verifier(docTime)
		v.Credentials = keyring{err: tc.err}
		for name, r := range map[string]*http.Request{"header": signedPut(t, docTime), "presigned": presignedPut(t, docTime, 60)} {
			res, err := v.Verify(r)
			if res != nil {
				t.Errorf("%s: %+v", name, res)
			}
			wants(t, err, tc.why, tc.code, "")
		}
	}
	// A key whose secret is empty is no key: an empty secret could be guessed.
	v := verifier(docTime)
	v.Credentials = keyring{secrets: map[string]string{tempKey: ""}, tokens: docKeys.tokens}
	if _, err := v.Verify(signedPut(t, docTime)); ReasonOf(err) != UnknownKey {
		t.Error(err)
	}
}

// A request under the decoy's secret is refused like any other.
func TestDecoyOpensNothing(t *testing.T) {
	v := verifier(docTime)
	v.Credentials = keyring{secrets: map[string]string{tempKey: decoySecret}, tokens: map[string]string{}}
	r := received(t, "GET / HTTP/1.1\nHost: h\nX-Amz-Date: 20130524T000000Z\nX-Amz-Content-Sha256: UNSIGNED-PAYLOAD")
	s := &scratch{}
	c := &claim{signed: "host;x-amz-content-sha256;x-amz-date", dateText: "20130524T000000Z", payload: UnsignedPayload}
	c.cred, _ = parseCredential("NOBODY/20130524/us-east-1/s3/aws4_request")
	s.canonical(r, "/", c)
	s.stringToSign(c)
	key := SigningKey(decoySecret, "20130524", "us-east-1", "s3")
	sum, _ := hmac256(nil, key[:], s.sts)
	r.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=NOBODY/20130524/us-east-1/s3/aws4_request, SignedHeaders=%s, Signature=%x", c.signed, sum))
	if res, err := v.Verify(r); ReasonOf(err) != UnknownKey {
		t.Errorf("%+v %v", res, err)
	}
}

// A changed secret takes effect at once, whatever was remembered.
func TestChangedSecret(t *testing.T) {
	keys := keyring{secrets: map[string]string{tempKey: tempSecret}, tokens: docKeys.tokens}
	v := verifier(docTime)
	v.Credentials = keys
	if _, err := v.Verify(signedPut(t, docTime)); err != nil {
		t.Fatal(err)
	}
	keys.secrets[tempKey] = "another"
	if _, err := v.Verify(signedPut(t, docTime)); ReasonOf(err) != Mismatch {
		t.Error(err)
	}
	delete(keys.secrets, tempKey)
	if _, err := v.Verify(signedPut(t, docTime)); ReasonOf(err) != UnknownKey {
		t.Error(err)
	}
}

func TestKeyCacheIsBounded(t *testing.T) {
	var c keyCache
	for i := range 2*keyLimit + 7 {
		c.put(keyName{accessKey: fmt.Sprint(i)}, "s", [32]byte{1})
		if len(c.keys) > keyLimit {
			t.Fatalf("%d keys", len(c.keys))
		}
	}
	last := keyName{accessKey: fmt.Sprint(2*keyLimit + 6)}
	if _, cached := c.get(last, "s"); !cached {
		t.Error("the latest key is forgotten")
	}
	// Failures are not remembered.
	v := verifier(docTime)
	r := signedPut(t, docTime)
	r.Header.Set("X-Amz-Meta-Colour", "red")
	v.Verify(r)
	r = signedPut(t, docTime)
	auth(tempKey, "NOBODY")(r)
	v.Verify(r)
	if len(v.keys.keys) != 0 {
		t.Errorf("%d keys after failures", len(v.keys.keys))
	}
}

func TestConcurrent(t *testing.T) {
	v := verifier(docTime)
	good, bad := signedPut(t, docTime), signedPut(t, docTime)
	bad.Header.Set("X-Amz-Meta-Colour", "red")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 200 {
				if i%2 == 0 {
					if _, err := v.Verify(good); err != nil {
						t.Error(err)
					}
				} else if _, err := v.Verify(bad); err == nil {
					t.Error("tampered accepted")
				}
			}
		})
	}
	wg.Wait()
}

func TestScope(t *testing.T) {
	for _, tc := range []struct {
		name            string
		r               *http.Request
		region, service string
		ok              bool
	}{
		{"header", signedPut(t, docTime), "us-east-1", "s3", true},
		{"presigned", presignedPut(t, docTime, 60), "us-east-1", "s3", true},
		{"anonymous", received(t, "GET /?a=b HTTP/1.1\nHost: h"), "", "", false},
		{"V2", received(t, "GET / HTTP/1.1\nHost: h\nAuthorization: AWS a:b"), "", "", false},
		{"V2 query", received(t, "GET /?AWSAccessKeyId=a&Signature=b HTTP/1.1\nHost: h"), "", "", false},
		{"escaped name", received(t, "GET /?X%2DAmz-Credential=a/20130524/eu-west-1/kms/aws4_request HTTP/1.1\nHost: h"), "eu-west-1", "kms", true},
		{"no comma", received(t, "GET / HTTP/1.1\nHost: h\nAuthorization: AWS4-HMAC-SHA256 Credential=a/1/eu-west-1/kms/aws4_request"), "eu-west-1", "kms", true},
		{"V4A", received(t, "GET / HTTP/1.1\nHost: h\nAuthorization: AWS4-ECDSA-P256-SHA256 Credential=a/1/kms/aws4_request"), "", "", false},
		{"two headers", received(t, "GET / HTTP/1.1\nHost: h\nAuthorization: AWS4-HMAC-SHA256 Credential=a/1/r/s/t\nAuthorization: AWS4-HMAC-SHA256 Credential=a/1/q/s/t"), "", "", false},
		{"junk", received(t, "GET / HTTP/1.1\nHost: h\nAuthorization: AWS4-HMAC-SHA256 junk"), "", "", false},
	} {
		region, service, ok := Scope(tc.r)
		if region != tc.region || service != tc.service || ok != tc.ok {
			t.Errorf("%s: %q %q %v", tc.name, region, service, ok)
		}
	}
}

func TestTarget(t *testing.T) {
	for uri, want := range map[string][2]string{
		"/a//b/../c%2F?x=y?z": {"/a//b/../c%2F", "x=y?z"},
		"http://h:1/p/q?r":    {"/p/q", "r"},
		"http://h?r":          {"/", "r"},
		"http://h":            {"/", ""},
		"*":                   {"*", ""},
	} {
		path, query := target(&http.Request{RequestURI: uri})
		if path != want[0] || query != want[1] {
			t.Errorf("%s: %q %q", uri, path, query)
		}
	}
}

func TestPayloadReader(t *testing.T) {
	const hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
	for _, hash := range []string{hello, strings.ToUpper(hello)} {
		if b, err := io.ReadAll(PayloadReader(strings.NewReader("hello"), hash)); err != nil || string(b) != "hello" {
			t.Errorf("%q %v", b, err)
		}
	}
	for _, body := range []string{"", "hell", "hello!", "Hello"} {
		for _, wrap := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.DataErrReader, func(r io.Reader) io.Reader { return r }} {
			r := PayloadReader(wrap(strings.NewReader(body)), hello)
			b, err := io.ReadAll(r)
			wants(t, err, BadPayload, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.")
			if string(b) != body || extra(err, "ClientComputedContentSHA256") != hello || len(extra(err, "S3ComputedContentSHA256")) != 64 {
				t.Errorf("%q %v", b, err)
			}
			if _, again := r.Read(make([]byte, 1)); again != err {
				t.Errorf("then %v", again)
			}
		}
	}
	broken := errors.New("broken")
	if _, err := io.ReadAll(PayloadReader(iotest.ErrReader(broken), EmptySHA256)); err != broken {
		t.Error(err)
	}
}

// Services other than S3 send no digest: the body is read, proved and put back.
func TestOtherServicesBody(t *testing.T) {
	const body = `{"KeyId":"1"}`
	when := docTime
	sign := func(t *testing.T, body string) *http.Request {
		hash, err := hashBody(&http.Request{Body: io.NopCloser(strings.NewReader(body))})
		if err != nil {
			t.Fatal(err)
		}
		r := received(t, fmt.Sprintf("POST / HTTP/1.1\nHost: kms.local\nX-Amz-Date: 20130524T000000Z\nContent-Type: application/x-amz-json-1.1\nContent-Length: %d\n\n%s", len(body), body))
		s, c := &scratch{}, &claim{signed: "content-type;host;x-amz-date", dateText: "20130524T000000Z", payload: hash}
		c.cred, _ = parseCredential(docKey + "/20130524/us-east-1/kms/aws4_request")
		s.canonical(r, "/", c)
		s.stringToSign(c)
		key := SigningKey(docSecret, "20130524", "us-east-1", "kms")
		sum, _ := hmac256(nil, key[:], s.sts)
		r.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/20130524/us-east-1/kms/aws4_request, SignedHeaders=%s, Signature=%x", docKey, c.signed, sum))
		return r
	}
	v := verifier(when)
	v.Services = []string{"kms"}
	r := sign(t, body)
	if _, err := v.Verify(r); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r.Body); err != nil || string(got) != body {
		t.Errorf("%q %v", got, err)
	}
	r = sign(t, body)
	r.Body = io.NopCloser(strings.NewReader(strings.Replace(body, "1", "2", 1)))
	_, err := v.Verify(r)
	wants(t, err, Mismatch, "SignatureDoesNotMatch", "")
	for _, length := range []int64{-1, BodyMax + 1} {
		r = sign(t, body)
		r.ContentLength = length
		r.Body = io.NopCloser(io.LimitReader(zeros{}, BodyMax+1))
		_, err = v.Verify(r)
		wants(t, err, BadPayload, "MaxMessageLengthExceeded", "")
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestForOtherProtocols(t *testing.T) {
	v := verifier(docTime)
	errOf := func(do func(r *http.Request)) error {
		r := signedPut(t, docTime)
		do(r)
		_, err := v.Verify(r)
		return err
	}
	for _, tc := range []struct {
		err         error
		query, json string
	}{
		{nil, "MissingAuthenticationToken", "MissingAuthenticationTokenException"},
		{errOf(auth(tempKey, "NOBODY")), "InvalidClientTokenId", "UnrecognizedClientException"},
		{errOf(set("X-Amz-Security-Token", "x")), "InvalidClientTokenId", "UnrecognizedClientException"},
		{errOf(set("X-Amz-Meta-Colour", "x")), "SignatureDoesNotMatch", "InvalidSignatureException"},
		{errOf(auth("us-east-1", "x")), "SignatureDoesNotMatch", "InvalidSignatureException"},
		{errOf(set("X-Amz-Acl", "x")), "SignatureDoesNotMatch", "InvalidSignatureException"},
		{errOf(set("Authorization", "AWS4-HMAC-SHA256 x")), "IncompleteSignature", "IncompleteSignatureException"},
		{errOf(del("X-Amz-Date")), "IncompleteSignature", "IncompleteSignatureException"},
		{refuse(errTokenEnded, TokenEnded), "ExpiredToken", "ExpiredTokenException"},
		{refuse(errTooLarge, BadPayload), "RequestEntityTooLarge", "RequestEntityTooLarge"},
	} {
		if e := awserr.From(ForQuery(tc.err)); e == nil || e.Code != tc.query {
			t.Errorf("query: %v from %v", e, tc.err)
		}
		if e := awserr.From(ForJSON(tc.err)); e == nil || e.Code != tc.json {
			t.Errorf("JSON: %v from %v", e, tc.err)
		}
	}
	for d, want := range map[time.Duration]string{
		time.Hour:  "Signature expired: 20130524T000000Z is now earlier than 20130524T004500Z (20130524T010000Z - 15 min.)",
		-time.Hour: "Signature not yet current: 20130524T000000Z is still later than 20130523T231500Z (20130523T230000Z + 15 min.)",
	} {
		_, err := verifier(docTime.Add(d)).Verify(signedPut(t, docTime))
		if e := awserr.From(ForQuery(err)); e.Code != "SignatureDoesNotMatch" || e.Message != want {
			t.Error(e)
		}
	}
	if ForQuery(errBackend) != errBackend {
		t.Error("an error of others was translated")
	}
}

func BenchmarkVerifyHeader(b *testing.B) {
	v, r := verifier(docTime), benchPut(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyHeaderParallel(b *testing.B) {
	v := verifier(docTime)
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		r := benchPut(b)
		for p.Next() {
			if _, err := v.Verify(r); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkVerifyPresigned(b *testing.B) {
	v, r := verifier(docTime), presignedPut(b, docTime, 60)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(r); err != nil {
			b.Fatal(err)
		}
	}
}

// benchPut is a PUT with ten headers, as a client sends it.
func benchPut(tb testing.TB) *http.Request {
	r := received(tb, `PUT /bench-bucket/objects/0000/0123456789abcdef HTTP/1.1
Host: 127.0.0.1:9000
Accept-Encoding: identity
Amz-Sdk-Invocation-Id: 7b5c8b8e-6b2c-4c1c-9c1e-0a7f7f6f1a11
Amz-Sdk-Request: attempt=1; max=3
Content-Length: 4096
Content-Type: application/octet-stream
User-Agent: aws-sdk-go-v2/1.47.6 os/linux lang/go#1.26.8 md/GOOS#linux md/GOARCH#amd64 api/s3#1.114.7
X-Amz-Checksum-Crc32: NhCmhg==
X-Amz-Content-Sha256: ad7facb2586fc6e966c004d7d1d16b024f5805ff7cb47c7a85dabd8b48892ca7
X-Amz-Date: 20130524T000000Z`)
	s, c := &scratch{}, &claim{signed: "accept-encoding;amz-sdk-invocation-id;amz-sdk-request;content-length;content-type;host;x-amz-checksum-crc32;x-amz-content-sha256;x-amz-date", dateText: "20130524T000000Z", payload: r.Header.Get("X-Amz-Content-Sha256")}
	c.cred, _ = parseCredential(docKey + "/20130524/us-east-1/s3/aws4_request")
	s.canonical(r, r.URL.EscapedPath(), c)
	s.stringToSign(c)
	key := SigningKey(docSecret, "20130524", "us-east-1", "s3")
	sum, _ := hmac256(nil, key[:], s.sts)
	r.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/20130524/us-east-1/s3/aws4_request, SignedHeaders=%s, Signature=%x", docKey, c.signed, sum))
	return r
}
