package s3api

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/wire/sigv4"
)

// form is a browser's upload in the making.
type form struct {
	fields  []sigv4.Field
	file    string
	name    string // of the file
	content string
	noFile  bool
	after   []sigv4.Field // behind the file
}

func (f form) with(name, value string) form {
	f.fields = append(append([]sigv4.Field(nil), f.fields...), sigv4.Field{Name: name, Value: value})
	return f
}

// postPolicy makes a policy of conditions, in base64.
func postPolicy(life time.Duration, conditions ...string) string {
	doc := fmt.Sprintf(`{"expiration":%q,"conditions":[%s]}`, time.Now().Add(life).UTC().Format("2006-01-02T15:04:05.000Z"), strings.Join(conditions, ","))
	return base64.StdEncoding.EncodeToString([]byte(doc))
}

// v4Form signs a form with V4.
func v4Form(life time.Duration, fields []sigv4.Field, conditions ...string) form {
	now := time.Now().UTC()
	day, long := now.Format("20060102"), now.Format("20060102T150405Z")
	credential := testKey + "/" + day + "/us-east-1/s3/aws4_request"
	conditions = append(conditions, `{"x-amz-algorithm":"AWS4-HMAC-SHA256"}`, `{"x-amz-credential":"`+credential+`"}`, `{"x-amz-date":"`+long+`"}`)
	p := postPolicy(life, conditions...)
	key := sigv4.SigningKey(testSecret, day, "us-east-1", "s3")
	m := hmac.New(sha256.New, key[:])
	m.Write([]byte(p))
	f := form{fields: fields, name: "photo.jpg"}
	return f.with("x-amz-algorithm", "AWS4-HMAC-SHA256").with("x-amz-credential", credential).with("x-amz-date", long).
		with("policy", p).with("x-amz-signature", hex.EncodeToString(m.Sum(nil)))
}

// v2Form signs a form with V2, as boto3 does unless told otherwise.
func v2Form(life time.Duration, fields []sigv4.Field, conditions ...string) form {
	p := postPolicy(life, conditions...)
	m := hmac.New(sha1.New, []byte(testSecret))
	m.Write([]byte(p))
	f := form{fields: fields, name: "photo.jpg"}
	return f.with("AWSAccessKeyId", testKey).with("policy", p).with("signature", base64.StdEncoding.EncodeToString(m.Sum(nil)))
}

func (w *world) post(bucket string, f form) answer {
	w.t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for _, x := range f.fields {
		_ = m.WriteField(x.Name, x.Value)
	}
	if !f.noFile {
		p, _ := m.CreateFormFile("file", f.name)
		_, _ = p.Write([]byte(f.content))
	}
	for _, x := range f.after {
		_ = m.WriteField(x.Name, x.Value)
	}
	_ = m.Close()
	return w.send(w.request("POST", "/"+bucket, b.Bytes(), "Content-Type", m.FormDataContentType()))
}

func fields(pairs ...string) (list []sigv4.Field) {
	for i := 0; i+1 < len(pairs); i += 2 {
		list = append(list, sigv4.Field{Name: pairs[i], Value: pairs[i+1]})
	}
	return list
}

func TestPostObject(t *testing.T) {
	w := newWorld(t)
	w.bucket("forms")
	bucket := `{"bucket":"forms"}`
	make := map[string]func(time.Duration, []sigv4.Field, ...string) form{"v4": v4Form, "v2": v2Form}
	for version, sign := range make {
		t.Run(version, func(t *testing.T) {
			f := sign(time.Minute, fields("key", "up/"+version+"/${filename}", "Content-Type", "image/jpeg", "x-amz-meta-colour", "blue",
				"tagging", "<Tagging><TagSet><Tag><Key>a b</Key><Value>1+2=3</Value></Tag></TagSet></Tagging>",
				"success_action_status", "201", "x-amz-storage-class", "STANDARD_IA", "x-ignore-me", "whatever"),
				bucket, `["starts-with","$key","up/"]`, `["starts-with","$Content-Type","image/"]`, `{"x-amz-meta-colour":"blue"}`,
				`["starts-with","$tagging",""]`, `{"success_action_status":"201"}`, `{"x-amz-storage-class":"STANDARD_IA"}`, `["content-length-range",1,10]`)
			f.content, f.name = "12345", `C:\pictures\photo.jpg`
			a := w.post("forms", f)
			a.want(t, 201, "")
			key := "up/" + version + "/photo.jpg"
			if a.element("Key") != key || a.element("Bucket") != "forms" || a.element("Location") != w.server.URL+"/forms/"+key ||
				a.element("ETag") != "&quot;827ccb0eea8a706c4c34a16891f84e7b&quot;" || a.header.Get("Etag") != `"827ccb0eea8a706c4c34a16891f84e7b"` {
				t.Errorf("answered %v\n%s", a.header, a.body)
			}
			o := w.do("GET", "/forms/"+key, nil)
			if o.body != "12345" || o.header.Get("Content-Type") != "image/jpeg" || o.header.Get("x-amz-meta-colour") != "blue" ||
				o.header.Get("X-Amz-Tagging-Count") != "1" || o.header.Get("X-Amz-Storage-Class") != "STANDARD_IA" {
				t.Errorf("stored %q with %v", o.body, o.header)
			}
			if tags := w.do("GET", "/forms/"+key+"?tagging", nil); tags.element("Key") != "a b" || tags.element("Value") != "1+2=3" {
				t.Errorf("tags:\n%s", tags.body)
			}
		})
	}

	f := v4Form(time.Minute, fields("key", "k"), bucket, `{"key":"k"}`)
	f.content = "x"
	if a := w.post("forms", f); a.status != 204 || a.body != "" || a.header.Get("Location") != w.server.URL+"/forms/k" {
		t.Errorf("without a wish: %d %v", a.status, a.header)
	}
	f = v4Form(time.Minute, fields("key", "k", "success_action_redirect", "https://example.com/done?a=1"), bucket, `{"key":"k"}`, `["starts-with","$success_action_redirect",""]`)
	if a := w.post("forms", f); a.status != 303 || a.header.Get("Location") != "https://example.com/done?a=1&bucket=forms&key=k&etag=%22d41d8cd98f00b204e9800998ecf8427e%22" {
		t.Errorf("redirect: %d %v", a.status, a.header)
	}
	f = v4Form(time.Minute, fields("key", "k", "success_action_redirect", "javascript:alert(1)"), bucket, `{"key":"k"}`, `["starts-with","$success_action_redirect",""]`)
	if a := w.post("forms", f); a.status != 204 {
		t.Errorf("redirect to a script: %d %v", a.status, a.header)
	}
	// What follows the file is not looked at.
	f = v4Form(time.Minute, fields("key", "k"), bucket, `{"key":"k"}`)
	f.content, f.after = "first", fields("key", "other", "x-amz-meta-late", "1")
	w.post("forms", f).want(t, 204, "")
	if o := w.do("GET", "/forms/k", nil); o.body != "first" || o.header.Get("x-amz-meta-late") != "" {
		t.Errorf("stored %q with %v", o.body, o.header)
	}
	// A checksum field is checked like a header.
	f = v4Form(time.Minute, fields("key", "k", "x-amz-checksum-crc32", "NhCmhg=="), bucket, `{"key":"k"}`, `["starts-with","$x-amz-checksum-crc32",""]`)
	f.content = "hello"
	w.post("forms", f).want(t, 204, "")
	f.content = "jello"
	w.post("forms", f).want(t, 400, "BadDigest")
	if o := w.do("GET", "/forms/k", nil); o.body != "hello" {
		t.Errorf("stored %q", o.body)
	}
}

func TestPostObjectRefuses(t *testing.T) {
	w := newWorld(t)
	w.bucket("forms")
	w.bucket("other")
	bucket, key := `{"bucket":"forms"}`, `{"key":"k"}`
	good := func(extra ...string) form {
		return v4Form(time.Minute, fields("key", "k"), append([]string{bucket, key}, extra...)...)
	}
	drop := func(f form, name string) form {
		var kept []sigv4.Field
		for _, x := range f.fields {
			if x.Name != name {
				kept = append(kept, x)
			}
		}
		f.fields = kept
		return f
	}
	change := func(f form, name, value string) form { return drop(f, name).with(name, value) }
	content := func(f form, s string) form { f.content = s; return f }
	for _, c := range []struct {
		what   string
		bucket string
		form   form
		status int
		code   string
	}{
		{"no credentials", "forms", form{fields: fields("key", "k")}, 403, "AccessDenied"},
		{"no key", "forms", drop(good(), "key"), 400, "InvalidArgument"},
		{"empty key", "forms", v4Form(time.Minute, fields("key", ""), bucket, `["starts-with","$key",""]`), 400, "InvalidArgument"},
		{"long key", "forms", v4Form(time.Minute, fields("key", strings.Repeat("k", 1025)), bucket, `["starts-with","$key",""]`), 400, "KeyTooLongError"},
		{"another key", "forms", change(good(), "key", "other"), 403, "AccessDenied"},
		{"two keys", "forms", good().with("key", "k"), 400, "InvalidArgument"},
		{"another bucket", "other", good(), 403, "AccessDenied"},
		{"no bucket condition met", "forms", good().with("bucket", "other"), 403, "AccessDenied"},
		{"no bucket", "nowhere", good(), 404, "NoSuchBucket"},
		{"extra field", "forms", good().with("x-amz-meta-a", "b"), 403, "AccessDenied"},
		{"extra ACL", "forms", good().with("acl", "public-read"), 403, "AccessDenied"},
		{"condition without its field", "forms", good(`{"x-amz-meta-a":"b"}`), 403, "AccessDenied"},
		{"another policy", "forms", change(good(), "policy", postPolicy(time.Hour, bucket, key)), 403, "SignatureDoesNotMatch"},
		{"another signature", "forms", change(good(), "x-amz-signature", strings.Repeat("0", 64)), 403, "SignatureDoesNotMatch"},
		{"no signature", "forms", drop(good(), "x-amz-signature"), 400, "InvalidArgument"},
		{"no policy", "forms", drop(good(), "policy"), 400, "InvalidArgument"},
		{"unknown access key", "forms", change(v2Form(time.Minute, fields("key", "k"), bucket, key), "AWSAccessKeyId", "AKIAUNKNOWN"), 403, "InvalidAccessKeyId"},
		{"V2 with another signature", "forms", change(v2Form(time.Minute, fields("key", "k"), bucket, key), "signature", "AAAA"), 403, "SignatureDoesNotMatch"},
		{"V2 and V4", "forms", good().with("AWSAccessKeyId", testKey), 400, "InvalidArgument"},
		{"expired", "forms", v4Form(-time.Minute, fields("key", "k"), bucket, key), 403, "AccessDenied"},
		{"too long", "forms", content(good(`["content-length-range",0,3]`), "1234"), 400, "EntityTooLarge"},
		{"too short", "forms", content(good(`["content-length-range",5,9]`), "1234"), 400, "EntityTooSmall"},
		{"no file", "forms", func() form { f := good(); f.noFile = true; return f }(), 400, "InvalidArgument"},
		{"bad policy JSON", "forms", v2Signed(base64.StdEncoding.EncodeToString([]byte(`{"expiration":`))), 400, "InvalidPolicyDocument"},
		{"fields without end", "forms", good().with("x-ignore-a", strings.Repeat("x", formFieldsMax)), 400, "MaxPostPreDataLengthExceeded"},
		{"line end in a field", "forms", v4Form(time.Minute, fields("key", "k", "x-amz-meta-a", "b\r\nSet-Cookie: c"), bucket, key, `["starts-with","$x-amz-meta-a",""]`), 400, "InvalidArgument"},
		{"a name that is no header's", "forms", v4Form(time.Minute, fields("key", "k", "x-amz-meta-a b", "c"), bucket, key, `{"x-amz-meta-a b":"c"}`), 400, "InvalidArgument"},
		{"bad tags", "forms", v4Form(time.Minute, fields("key", "k", "tagging", "<Tagging>"), bucket, key, `["starts-with","$tagging",""]`), 400, "MalformedXML"},
		{"an ACL where there are none", "forms", v4Form(time.Minute, fields("key", "k", "acl", "public-read"), bucket, key, `{"acl":"public-read"}`), 400, "AccessControlListNotSupported"},
	} {
		t.Run(c.what, func(t *testing.T) {
			w.post(c.bucket, c.form).want(t, c.status, c.code)
		})
	}
	for _, b := range []string{"forms", "other"} {
		if a := w.do("GET", "/"+b+"?versions", nil); strings.Contains(a.body, "<Version>") {
			t.Errorf("a refused form left something in %s:\n%s", b, a.body)
		}
	}
}

// v2Signed signs whatever it is given as a policy.
func v2Signed(p string) form {
	m := hmac.New(sha1.New, []byte(testSecret))
	m.Write([]byte(p))
	return form{fields: fields("key", "k", "AWSAccessKeyId", testKey, "policy", p, "signature", base64.StdEncoding.EncodeToString(m.Sum(nil)))}
}

func TestPostMalformed(t *testing.T) {
	w := newWorld(t)
	w.bucket("forms")
	const boundary = "multipart/form-data; boundary=b"
	var head bytes.Buffer
	m := multipart.NewWriter(&head)
	_ = m.SetBoundary("b")
	for _, x := range v4Form(time.Minute, fields("key", "k"), `{"bucket":"forms"}`, `{"key":"k"}`).fields {
		_ = m.WriteField(x.Name, x.Value)
	}
	for _, c := range []struct {
		what, contentType, body string
		status                  int
		code                    string
	}{
		{"no form", "text/plain", "x", 403, "AccessDenied"},
		{"no boundary", "multipart/form-data", "x", 400, "MalformedPOSTRequest"},
		{"no parts", boundary, "x", 400, "MalformedPOSTRequest"},
		{"empty", boundary, "", 400, "MalformedPOSTRequest"},
		{"part without a name", boundary, "--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n", 400, "MalformedPOSTRequest"},
		{"end before the file", boundary, head.String() + "\r\n--b--\r\n", 400, "InvalidArgument"},
		{"truncated in a field", boundary, head.String()[:200], 400, "MalformedPOSTRequest"},
		{"truncated in the file", boundary, head.String() + "\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nhalf", 400, "MalformedPOSTRequest"},
		{"endless part headers", boundary, "--b\r\nContent-Disposition: form-data; name=\"a\"\r\nX: " + strings.Repeat("x", formHeadMax) + "\r\n\r\nx\r\n--b--\r\n", 400, ""},
		{"endless fields", boundary, strings.Repeat("--b\r\nContent-Disposition: form-data; name=\"x-ignore-a\"\r\n\r\n\r\n", 20000) + "--b--\r\n", 400, "MaxPostPreDataLengthExceeded"},
	} {
		t.Run(c.what, func(t *testing.T) {
			a := w.send(w.request("POST", "/forms", []byte(c.body), "Content-Type", c.contentType))
			if c.code == "" {
				c.code = a.code()
			}
			a.want(t, c.status, c.code)
		})
	}
	// A signed POST to a bucket that is no form is told what it should be.
	w.do("POST", "/forms", []byte("x"), "Content-Type", "text/plain").want(t, 412, "PreconditionFailed")
	// Credentials beside the form's are a second set.
	r := w.sign(w.request("POST", "/forms", nil, "Content-Type", boundary), nil)
	w.send(r).want(t, 400, "InvalidArgument")
	if a := w.do("GET", "/forms?list-type=2", nil); strings.Contains(a.body, "<Contents>") {
		t.Errorf("a malformed form left something:\n%s", a.body)
	}
	if w.log.String() != "" {
		t.Errorf("what a client did wrong was logged as ours:\n%s", w.log.String())
	}
}

func FuzzReadForm(f *testing.F) {
	f.Add("b", "--b\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nk\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nbytes\r\n--b--\r\n")
	f.Add("b", "--b\r\n\r\n--b--")
	f.Fuzz(func(t *testing.T, boundary, body string) {
		rq := &Request{R: &http.Request{Header: http.Header{"Content-Type": {"multipart/form-data; boundary=" + boundary}}}, Body: strings.NewReader(body)}
		form, file, err := readForm(rq)
		if err != nil {
			if awserr.From(err) == nil {
				t.Fatalf("not AWS's error: %v", err)
			}
			return
		}
		size := 0
		for _, x := range form {
			size += len(x.Name) + len(x.Value)
		}
		if size > formFieldsMax {
			t.Fatalf("%d bytes of fields", size)
		}
		if h, err := formHeaders(form); err != nil && awserr.From(err) == nil {
			t.Fatalf("not AWS's error: %v", err)
		} else if err == nil {
			for name, values := range h {
				if strings.ContainsAny(name+values[0], "\r\n") {
					t.Fatalf("a line end in %q: %q", name, values[0])
				}
			}
		}
		_, _ = io.Copy(io.Discard, file)
	})
}
