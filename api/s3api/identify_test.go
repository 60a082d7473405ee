package s3api

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/access/accesstest"
	"github.com/farhold/farhold/policy"
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

// s3Forms are the forms of credentials that S3 alone has, or that need its
// requests.
func s3Forms(w *world) []accesstest.Form {
	type matrix = accesstest.Matrix
	type operation = accesstest.Operation
	form := func(name string, why accesstest.Reason, apply func(r *http.Request) *http.Request) accesstest.Form {
		return accesstest.Form{Name: name, Why: why, Apply: func(_ *matrix, o *operation) *http.Request { return apply(o.Request()) }}
	}
	return []accesstest.Form{
		form("another key", accesstest.WrongSignature, func(r *http.Request) *http.Request {
			path := r.URL.Opaque
			r.URL.Opaque += "x"
			r = w.sign(r, nil)
			r.URL.Opaque = path
			return r
		}),
		form("a header that was not signed", accesstest.UnsignedHeader, func(r *http.Request) *http.Request {
			r = w.sign(r, nil)
			r.Header.Set("X-Amz-Expected-Bucket-Owner", testAccount)
			return r
		}),
		form("key in another case", accesstest.UnknownKey, func(r *http.Request) *http.Request {
			return w.signAs(r, nil, strings.ToLower(testKey), testSecret, time.Now())
		}),
		form("for a week and a second", "AuthorizationQueryParametersError", func(r *http.Request) *http.Request {
			return w.presign(r, 604801*time.Second, time.Now())
		}),
		form("header and SigV2 query", accesstest.TwoMechanisms, func(r *http.Request) *http.Request {
			r = w.sign(r, nil)
			r.URL.RawQuery += "&AWSAccessKeyId=" + testKey + "&Signature=x&Expires=9999999999"
			return r
		}),
		form("two headers", accesstest.TwoMechanisms, func(r *http.Request) *http.Request {
			r = w.sign(r, nil)
			r.Header["Authorization"] = append(r.Header["Authorization"], r.Header["Authorization"][0])
			return r
		}),
		form("SigV2, wrong signature", "SigV2", func(r *http.Request) *http.Request {
			r.Header.Set("Authorization", "AWS "+testKey+":AAAAAAAAAAAAAAAAAAAAAAAAAAA=")
			r.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
			return r
		}),
		form("another mechanism", "mechanism", func(r *http.Request) *http.Request {
			r.Header.Set("Authorization", "Bearer "+testKey)
			return r
		}),
		form("no digest", "digest", func(r *http.Request) *http.Request {
			r = w.sign(r, nil)
			r.Header.Del("X-Amz-Content-Sha256")
			return r
		}),
		form("nobody behind the key", accesstest.NotAllowed, func(r *http.Request) *http.Request {
			return w.signAs(r, nil, "AKIANOBODY", "nobody's secret", time.Now())
		}),
	}
}

const everything = `{"Effect":"Allow","Action":"*","Resource":"*"}`

// s3Nothing denies whatever S3 does.
const s3Nothing = `{"Effect":"Deny","Action":["s3:*","s3express:*"],"Resource":"*"}`

// Every door is locked: for each row of the table, each form of credentials
// that proves nothing is refused before the handler runs, and so is each caller
// who may not: a user without rights, and one who may everything but for an
// explicit Deny, in each kind of policy that there is. Those who may get in.
func TestCredentialMatrix(t *testing.T) {
	w := newWorld(t)
	w.bucket("matrix")
	w.bucket("denied")
	w.put("matrix", "key", "bytes")
	w.put("denied", "key", "bytes")
	w.do("PUT", "/denied?policy", []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::`+testAccount+`:user/denied-by-bucket"},`+
		`"Action":"s3:*","Resource":["arn:aws:s3:::denied","arn:aws:s3:::denied/*"]}]}`)).want(t, 204, "")
	var ran atomic.Int64
	rows := routes()
	for i := range rows {
		if rows[i].Handler != nil {
			rows[i].Handler = func(_ *Door, rq *Request) error {
				if rq.Caller.Account == "" {
					t.Errorf("%s runs for nobody", rq.Op)
				}
				ran.Add(1)
				return rq.Empty(http.StatusOK)
			}
		}
	}
	w.door.table = newTable(rows)

	may, nothing := identityPolicy(t, everything), identityPolicy(t, everything, s3Nothing)
	all := []*policy.Document{may}
	scp := func(statements ...string) [][]*policy.Document {
		doc, err := policy.Parse([]byte(`{"Version":"2012-10-17","Statement":[`+strings.Join(statements, ",")+`]}`), policy.Organization)
		if err != nil {
			t.Fatal(err)
		}
		return [][]*policy.Document{{doc}}
	}
	user := func(name string, p *access.Policies) accesstest.Keys {
		id := "AKIA" + strings.ToUpper(strings.ReplaceAll(name, "-", ""))
		c := userOf(testAccount, name)
		w.keys[id] = credential{"secret of " + name, c}
		w.bind(c.ARN, p)
		return accesstest.Keys{ID: id, Secret: "secret of " + name}
	}
	bad := func(name string, p *access.Policies) accesstest.Caller {
		return accesstest.Caller{Name: name, Keys: user(name, p)}
	}
	// What is nobody's yet, or anybody's own, no other account's policies guard.
	ofBucket := func(o *accesstest.Operation) bool { return o.Name != "ListBuckets" && o.Name != opCreateBucket }

	m := accesstest.Matrix{
		Service: "s3", Region: w.region, Codes: accesstest.S3Codes(), Forms: s3Forms(w), Performed: ran.Load,
		Good: []accesstest.Keys{{ID: testKey, Secret: testSecret}, user("may", &access.Policies{Identity: all})},
		Bad: []accesstest.Caller{
			bad("without-rights", &access.Policies{}),
			bad("denied-by-identity", &access.Policies{Identity: []*policy.Document{nothing}}),
			bad("denied-by-boundary", &access.Policies{Identity: all, Boundary: nothing}),
			bad("beyond-boundary", &access.Policies{Identity: all, Boundary: identityPolicy(t, `{"Effect":"Allow","Action":"iam:*","Resource":"*"}`)}),
			bad("denied-by-session", &access.Policies{Identity: all, Session: []*policy.Document{nothing}, HasSession: true}),
			bad("beyond-session", &access.Policies{Identity: all, HasSession: true}),
			bad("denied-by-organisation", &access.Policies{Identity: all, ServiceControl: scp(everything, s3Nothing)}),
			bad("beyond-organisation", &access.Policies{Identity: all, ServiceControl: scp(`{"Effect":"Allow","Action":"iam:*","Resource":"*"}`)}),
			{Name: "another account's root", Keys: accesstest.Keys{ID: "AKIAOTHER", Secret: "other secret"}, On: ofBucket},
		},
		Send: func(t testing.TB, r *http.Request) accesstest.Answer {
			a := w.send(r)
			return accesstest.Answer{Status: a.status, Code: a.code(), Body: a.body}
		},
	}
	for reason, codes := range map[accesstest.Reason][]string{
		"AuthorizationQueryParametersError": {"AuthorizationQueryParametersError"}, "SigV2": {"SignatureDoesNotMatch", "InvalidRequest"},
		"mechanism": {"InvalidArgument"}, "digest": {"InvalidRequest"},
	} {
		m.Codes[reason] = codes
	}
	operations := func(bucket string) (list []accesstest.Operation) {
		for i := range rows {
			route := &rows[i]
			target, headers := route.target(bucket, "key")
			o := accesstest.Operation{Name: route.Op, Presigned: true, Request: func() *http.Request {
				return w.request(route.Method, target, nil, headers...)
			}}
			if route.Handler == nil {
				o.Unserved = http.StatusNotImplemented
			}
			list = append(list, o)
			if route.Versioned != "" { // a version that is named is another question
				o.Name += " of a version"
				o.Request = func() *http.Request {
					sep := "?"
					if strings.Contains(target, "?") {
						sep = "&"
					}
					return w.request(route.Method, target+sep+"versionId=null", nil, headers...)
				}
				list = append(list, o)
			}
		}
		return list
	}
	m.Operations = operations("matrix")
	cells := m.Run(t)

	// The Deny of a bucket's policy, for whom everything else allows.
	m.Forms, m.Operations = nil, operations("denied")
	m.Bad = []accesstest.Caller{{Name: "denied by the bucket", Keys: user("denied-by-bucket", &access.Policies{Identity: all}), On: func(o *accesstest.Operation) bool {
		return ofBucket(o) && o.Name != "CreateSession" // which is no action of s3:
	}}}
	cells += m.Run(t)
	if cells < 3000 {
		t.Errorf("only %d cells", cells)
	}
}

// While what binds a caller can't be read, nothing is allowed to anybody.
func TestNothingIsAllowedWhileNobodyKnows(t *testing.T) {
	w := newWorld(t)
	w.bucket("kept")
	w.put("kept", "key", "bytes")
	w.directory.fail = errors.New("the tables are gone")
	w.do("GET", "/kept/key", nil).want(t, 500, "InternalError")
	w.do("GET", "/", nil).want(t, 500, "InternalError")
	w.directory.fail = nil
	if a := w.do("GET", "/kept/key", nil); a.status != 200 || a.body != "bytes" {
		t.Errorf("%d %s", a.status, a.body)
	}
	w.door.opt.Decider = nil
	w.do("GET", "/kept/key", nil).want(t, 403, "AccessDenied")
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

// A presigned upload is taken whatever checksum its query has: aws-sdk-js and
// aws-sdk-go presign with that of no body at all. It is signed all the same, and
// as a header it counts.
func TestPresignedChecksumMeansNothing(t *testing.T) {
	w := newWorld(t)
	w.bucket("presigned")
	const path = "/presigned/key?x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32"
	sign := func() *http.Request {
		return w.presign(w.request("PUT", path, []byte("123456")), time.Minute, time.Now())
	}
	w.send(sign()).want(t, 200, "")
	a := w.do("HEAD", "/presigned/key", nil, "x-amz-checksum-mode", "ENABLED")
	if a.header.Get("X-Amz-Checksum-Crc32") != "" || a.header.Get("X-Amz-Checksum-Crc64nvme") != "CVmbZh4IWzA=" || a.header.Get("Content-Length") != "6" {
		t.Errorf("stored with %v", a.header)
	}
	r := sign()
	r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "AAAAAA", "BBBBBB", 1)
	w.send(r).want(t, 403, "SignatureDoesNotMatch")
	r = w.request("PUT", "/presigned/key", []byte("123456"), "x-amz-checksum-crc32", "AAAAAA==")
	w.send(w.presign(r, time.Minute, time.Now())).want(t, 400, "BadDigest")
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
