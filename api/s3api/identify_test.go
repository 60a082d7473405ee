package s3api

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// presign gives the URL's target of a presigned request.
func (w *world) presign(r *http.Request, life time.Duration, at time.Time) *http.Request {
	w.t.Helper()
	q := r.URL.Query()
	q.Set("X-Amz-Expires", fmt.Sprint(int(life.Seconds())))
	path := r.URL.Opaque
	r.URL.RawQuery = q.Encode()
	r.URL.Opaque = "//" + r.URL.Host + path
	signed, _, err := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }).
		PresignHTTP(r.Context(), aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret}, r, "UNSIGNED-PAYLOAD", "s3", w.region, at)
	if err != nil {
		w.t.Fatal(err)
	}
	u, err := url.Parse(signed)
	if err != nil {
		w.t.Fatal(err)
	}
	r.URL.RawQuery, r.URL.Opaque = u.RawQuery, path
	return r
}

// credentialForms are the ways to say, or not to say, who one is. refused is
// the code of the refusal; empty means that the request goes on to its handler.
var credentialForms = []struct {
	name    string
	refused []string
	apply   func(w *world, r *http.Request, target string) *http.Request
}{
	{"none", []string{"AccessDenied"}, func(w *world, r *http.Request, _ string) *http.Request { return r }},
	{"right", nil, func(w *world, r *http.Request, _ string) *http.Request { return w.sign(r, nil) }},
	{"right, presigned", nil, func(w *world, r *http.Request, _ string) *http.Request {
		return w.presign(r, time.Minute, time.Now())
	}},
	{"wrong secret", []string{"SignatureDoesNotMatch"}, func(w *world, r *http.Request, _ string) *http.Request {
		return w.signAs(r, nil, testKey, "not the secret", time.Now())
	}},
	{"one bit of the signature", []string{"SignatureDoesNotMatch"}, func(w *world, r *http.Request, _ string) *http.Request {
		r = w.sign(r, nil)
		a := []byte(r.Header.Get("Authorization"))
		a[len(a)-1] ^= 1
		r.Header.Set("Authorization", string(a))
		return r
	}},
	{"another method", []string{"SignatureDoesNotMatch"}, func(w *world, r *http.Request, _ string) *http.Request {
		method := r.Method
		r.Method = "OPTIONS"
		r = w.sign(r, nil)
		r.Method = method
		return r
	}},
	{"another key", []string{"SignatureDoesNotMatch"}, func(w *world, r *http.Request, _ string) *http.Request {
		path := r.URL.Opaque
		r.URL.Opaque += "x"
		r = w.sign(r, nil)
		r.URL.Opaque = path
		return r
	}},
	{"another query", []string{"SignatureDoesNotMatch"}, func(w *world, r *http.Request, _ string) *http.Request {
		query := r.URL.RawQuery
		r.URL.RawQuery = "x-id=1&" + query
		r = w.sign(r, nil)
		r.URL.RawQuery = query
		return r
	}},
	{"a header that was not signed", []string{"AccessDenied"}, func(w *world, r *http.Request, _ string) *http.Request {
		r = w.sign(r, nil)
		r.Header.Set("X-Amz-Expected-Bucket-Owner", testAccount)
		return r
	}},
	{"unknown key", []string{"InvalidAccessKeyId"}, func(w *world, r *http.Request, _ string) *http.Request {
		return w.signAs(r, nil, "AKIAUNKNOWN", testSecret, time.Now())
	}},
	{"key in another case", []string{"InvalidAccessKeyId"}, func(w *world, r *http.Request, _ string) *http.Request {
		return w.signAs(r, nil, strings.ToLower(testKey), testSecret, time.Now())
	}},
	{"too old", []string{"RequestTimeTooSkewed"}, func(w *world, r *http.Request, _ string) *http.Request {
		return w.signAs(r, nil, testKey, testSecret, time.Now().Add(-16*time.Minute))
	}},
	{"from the future", []string{"RequestTimeTooSkewed"}, func(w *world, r *http.Request, _ string) *http.Request {
		return w.signAs(r, nil, testKey, testSecret, time.Now().Add(16*time.Minute))
	}},
	{"expired, presigned", []string{"AccessDenied"}, func(w *world, r *http.Request, _ string) *http.Request {
		return w.presign(r, time.Minute, time.Now().Add(-2*time.Minute))
	}},
	{"altered, presigned", []string{"SignatureDoesNotMatch"}, func(w *world, r *http.Request, _ string) *http.Request {
		r = w.presign(r, time.Minute, time.Now())
		r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "X-Amz-Expires=60", "X-Amz-Expires=61", 1)
		return r
	}},
	{"for a week and a second", []string{"AuthorizationQueryParametersError"}, func(w *world, r *http.Request, _ string) *http.Request {
		return w.presign(r, 604801*time.Second, time.Now())
	}},
	{"header and query", []string{"InvalidArgument"}, func(w *world, r *http.Request, _ string) *http.Request {
		return w.sign(w.presign(r, time.Minute, time.Now()), nil)
	}},
	{"header and SigV2 query", []string{"InvalidArgument"}, func(w *world, r *http.Request, _ string) *http.Request {
		r = w.sign(r, nil)
		r.URL.RawQuery += "&AWSAccessKeyId=" + testKey + "&Signature=x&Expires=9999999999"
		return r
	}},
	{"two headers", []string{"InvalidArgument"}, func(w *world, r *http.Request, _ string) *http.Request {
		r = w.sign(r, nil)
		r.Header["Authorization"] = append(r.Header["Authorization"], r.Header["Authorization"][0])
		return r
	}},
	{"SigV2, wrong signature", []string{"SignatureDoesNotMatch", "InvalidRequest"}, func(w *world, r *http.Request, _ string) *http.Request {
		r.Header.Set("Authorization", "AWS "+testKey+":AAAAAAAAAAAAAAAAAAAAAAAAAAA=")
		r.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
		return r
	}},
	{"another mechanism", []string{"InvalidArgument"}, func(w *world, r *http.Request, _ string) *http.Request {
		r.Header.Set("Authorization", "Bearer "+testKey)
		return r
	}},
	{"no digest", []string{"InvalidRequest"}, func(w *world, r *http.Request, _ string) *http.Request {
		r = w.sign(r, nil)
		r.Header.Del("X-Amz-Content-Sha256")
		return r
	}},
	{"a token that the key does not have", []string{"InvalidToken"}, func(w *world, r *http.Request, _ string) *http.Request {
		r.Header.Set("X-Amz-Security-Token", "token")
		return w.sign(r, nil)
	}},
	{"another account", []string{"AccessDenied"}, func(w *world, r *http.Request, _ string) *http.Request {
		return w.signAs(r, nil, "AKIAOTHER", "other secret", time.Now())
	}},
	{"nobody behind the key", []string{"AccessDenied"}, func(w *world, r *http.Request, _ string) *http.Request {
		return w.signAs(r, nil, "AKIANOBODY", "nobody's secret", time.Now())
	}},
	{"a user without rights", []string{"AccessDenied"}, func(w *world, r *http.Request, _ string) *http.Request {
		return w.signAs(r, nil, "AKIASOMEUSER", "user's secret", time.Now())
	}},
}

// Every door is locked: for each row of the table, each form of credentials is
// refused before the handler runs, but for those that are right.
func TestCredentialMatrix(t *testing.T) {
	w := newWorld(t)
	w.bucket("matrix")
	var ran atomic.Int64
	rows := routes()
	for i := range rows {
		if rows[i].Handler != nil {
			rows[i].Handler = func(_ *Door, rq *Request) error {
				if rq.Caller.Anonymous || rq.Caller.Account == "" {
					t.Errorf("%s runs for nobody", rq.Op)
				}
				ran.Add(1)
				return rq.Empty(http.StatusOK)
			}
		}
	}
	w.door.table = newTable(rows)
	cells := 0
	for i := range rows {
		route := &rows[i]
		for _, form := range credentialForms {
			target, headers := route.target("matrix", "key")
			r := form.apply(w, w.request(route.Method, target, nil, headers...), target)
			refused := form.refused
			if form.name == "another account" && (route.Level == LevelService || route.Op == opCreateBucket) {
				refused = nil // what is nobody's yet is for every account's root
			}
			before := ran.Load()
			a := w.send(r)
			cells++
			code := a.code()
			if r.Method == "HEAD" {
				code = "" // no body
			}
			switch {
			case refused == nil && route.Handler == nil:
				if a.status != 501 {
					t.Errorf("%s, %s: %d %s", route.Op, form.name, a.status, code)
				}
			case refused == nil:
				if a.status != 200 || ran.Load() != before+1 {
					t.Errorf("%s, %s: refused with %d %s\n%s", route.Op, form.name, a.status, code, a.body)
				}
			default:
				if a.status < 400 || a.status >= 500 || ran.Load() != before {
					t.Errorf("%s, %s: taken, %d", route.Op, form.name, a.status)
				}
				if r.Method != "HEAD" && !slices.Contains(refused, code) {
					t.Errorf("%s, %s: refused with %s, want %v", route.Op, form.name, code, refused)
				}
			}
		}
	}
	if cells < 2000 {
		t.Errorf("only %d cells", cells)
	}
}

// A bucket policy or an ACL that lets everybody in lets nobody in yet.
func TestAnonymousIsRefusedWhateverThePolicySays(t *testing.T) {
	w := newWorld(t)
	w.bucket("open")
	w.do("PUT", "/open/key", []byte("x")).want(t, 200, "")
	w.do("DELETE", "/open?publicAccessBlock", nil).want(t, 204, "")
	w.do("PUT", "/open?policy", []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::open","arn:aws:s3:::open/*"]}]}`)).want(t, 204, "")
	if a := w.do("GET", "/open?policyStatus", nil); !strings.Contains(a.body, "<IsPublic>true</IsPublic>") && !strings.Contains(a.body, "<IsPublic>TRUE</IsPublic>") {
		t.Errorf("the policy is not public:\n%s", a.body)
	}
	w.send(w.request("GET", "/open/key", nil)).want(t, 403, "AccessDenied")
	w.send(w.request("GET", "/open/nothing", nil)).want(t, 403, "AccessDenied")
	w.send(w.request("GET", "/open/key", nil, "If-None-Match", "*")).want(t, 403, "AccessDenied")
	w.send(w.request("PUT", "/open/key", []byte("y"))).want(t, 403, "AccessDenied")
}

// What a presigned URL carries in its query counts as the header that it
// stands for.
func TestPresignedHeadersCount(t *testing.T) {
	w := newWorld(t)
	w.bucket("hoisted")
	r := w.request("PUT", "/hoisted/key?x-amz-meta-colour=blue&x-amz-storage-class=STANDARD_IA", []byte("bytes"))
	w.send(w.presign(r, time.Minute, time.Now())).want(t, 200, "")
	a := w.do("HEAD", "/hoisted/key", nil)
	if a.header.Get("x-amz-meta-colour") != "blue" || a.header.Get("X-Amz-Storage-Class") != "STANDARD_IA" {
		t.Errorf("stored with %v", a.header)
	}
	// Without a signature over them they mean nothing, and a write refuses them.
	r = w.presign(w.request("PUT", "/hoisted/key", []byte("bytes")), time.Minute, time.Now())
	r.URL.RawQuery += "&x-amz-meta-colour=red"
	w.send(r).want(t, 403, "SignatureDoesNotMatch")
}

// boto3 presigns with V2 unless told otherwise.
func TestPresignedV2(t *testing.T) {
	w := newWorld(t)
	w.bucket("boto")
	w.do("PUT", "/boto/a%20key", []byte("bytes")).want(t, 200, "")
	sign := func(toSign string) string {
		m := hmac.New(sha1.New, []byte(testSecret))
		m.Write([]byte(toSign))
		return url.QueryEscape(base64.StdEncoding.EncodeToString(m.Sum(nil)))
	}
	ends := fmt.Sprint(time.Now().Add(time.Minute).Unix())
	get := "?AWSAccessKeyId=" + testKey + "&Expires=" + ends + "&Signature=" + sign("GET\n\n\n"+ends+"\n/boto/a%20key")
	if a := w.send(w.request("GET", "/boto/a%20key"+get, nil)); a.status != 200 || a.body != "bytes" {
		t.Errorf("path style: %d\n%s", a.status, a.body)
	}
	if a := w.send(w.request("GET", "/a%20key"+get, nil, "Host", "boto.s3.amazonaws.com")); a.status != 200 || a.body != "bytes" {
		t.Errorf("virtual-hosted style: %d\n%s", a.status, a.body)
	}
	w.send(w.request("GET", "/boto/other"+get, nil)).want(t, 403, "SignatureDoesNotMatch")
	w.send(w.request("DELETE", "/boto/a%20key"+get, nil)).want(t, 403, "SignatureDoesNotMatch")
	// A sub-resource that V2 does not sign must not ride on a signature.
	w.send(w.request("GET", "/boto/a%20key"+get+"&retention", nil)).want(t, 400, "InvalidRequest")
	put := "?AWSAccessKeyId=" + testKey + "&Expires=" + ends + "&content-type=text%2Fplain&x-amz-meta-colour=blue&Signature=" +
		sign("PUT\n\ntext/plain\n"+ends+"\nx-amz-meta-colour:blue\n/boto/put")
	w.send(w.request("PUT", "/boto/put"+put, []byte("more"), "Content-Type", "text/plain")).want(t, 200, "")
	if a := w.do("HEAD", "/boto/put", nil); a.header.Get("x-amz-meta-colour") != "blue" || a.header.Get("Content-Type") != "text/plain" {
		t.Errorf("stored with %v", a.header)
	}
	w.send(w.request("PUT", "/boto/put"+strings.Replace(put, "blue", "red", 1), []byte("more"), "Content-Type", "text/plain")).want(t, 403, "SignatureDoesNotMatch")
	ended := fmt.Sprint(time.Now().Add(-time.Minute).Unix())
	late := "?AWSAccessKeyId=" + testKey + "&Expires=" + ended + "&Signature=" + sign("GET\n\n\n"+ended+"\n/boto/a%20key")
	w.send(w.request("GET", "/boto/a%20key"+late, nil)).want(t, 403, "AccessDenied")
}
