package s3api

import (
	"fmt"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/s3"
)

func headersOf(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i+1 < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

func TestDescribe(t *testing.T) {
	d, err := describe(headersOf(
		"Content-Type", "text/plain", "Cache-Control", "no-cache", "Content-Disposition", "attachment",
		"Content-Encoding", "gzip,aws-chunked", "Content-Language", "de", "Expires", "Thu, 01 Dec 2026 16:00:00 GMT",
		"x-amz-website-redirect-location", "/elsewhere", "x-amz-storage-class", "STANDARD_IA",
		"x-amz-meta-Zebra", "z", "x-amz-meta-ant", "a", "x-amz-meta-ant", "b",
		"x-amz-meta-word", "=?UTF-8?B?w6Q=?=", "x-amz-server-side-encryption", "AES256",
		"x-amz-replication-status", "REPLICA", "Authorization", "AWS4-HMAC-SHA256 x", "X-Unknown", "y"))
	if err != nil {
		t.Fatal(err)
	}
	want := "[{Cache-Control no-cache} {Content-Disposition attachment} {Content-Encoding gzip} {Content-Language de} {Content-Type text/plain} {Expires Thu, 01 Dec 2026 16:00:00 GMT} {X-Amz-Website-Redirect-Location /elsewhere}]"
	if got := fmt.Sprint(d.system); got != want {
		t.Errorf("system headers\n%s, want\n%s", got, want)
	}
	if got := fmt.Sprint(d.meta); got != "[{ant a,b} {word ä} {zebra z}]" {
		t.Errorf("metadata %s", got)
	}
	if d.class != s3.StandardIA || d.tags || d.locks || d.acl {
		t.Errorf("%+v", d)
	}
	d, err = describe(headersOf("Content-Encoding", "aws-chunked"))
	if err != nil || len(d.system) != 0 {
		t.Errorf("aws-chunked alone: %v, %v", d.system, err)
	}
	for given, want := range map[string]string{
		"deflate, gzip": "deflate, gzip", "deflate, gzip,aws-chunked": "deflate, gzip", "aws-chunked, gzip": "gzip",
		"deflate, aws-chunked, gzip": "deflate, gzip", "aws-chunked, aws-chunked": "",
	} {
		if got := contentEncoding([]string{given}); got != want {
			t.Errorf("%q is kept as %q, want %q", given, got, want)
		}
	}
}

func TestDescribeErrors(t *testing.T) {
	const notImplemented = "A header you provided implies functionality that is not implemented"
	for _, c := range []struct {
		name, value   string
		code, message string
	}{
		{"x-amz-storage-class", "WARM", "InvalidStorageClass", "The storage class you specified is not valid"},
		{"x-amz-storage-class", "EXPRESS_ONEZONE", "InvalidStorageClass", "The storage class you specified is not valid"},
		{"x-amz-write-offset-bytes", "0", "NotImplemented", notImplemented},
		{"x-amz-object-lock-event-hold", "ON", "NotImplemented", notImplemented},
		{"x-amz-website-redirect-location", "ftp://x", "InvalidRedirectLocation", "The website redirect location must have a prefix of 'http://' or 'https://' or '/'."},
		{"x-amz-website-redirect-location", "/" + strings.Repeat("x", 2048), "InvalidRedirectLocation", "The length of website redirect location cannot exceed 2,048 characters."},
		{"x-amz-meta-big", strings.Repeat("x", 2046), "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size"},
		{"Content-Type", "text/plain\r\nX: y", "InvalidArgument", "Header value cannot be represented using ISO-8859-1."},
	} {
		_, err := describe(headersOf(c.name, c.value))
		if e := awserr.From(err); e == nil || e.Code != c.code || e.Message != c.message {
			t.Errorf("%s: %v, want %s", c.name, err, c.code)
		}
	}
	if _, err := describe(headersOf("x-amz-meta-big", strings.Repeat("x", 2045))); err != nil {
		t.Errorf("2,048 bytes of metadata: %v", err)
	}
}

func TestShowMetadata(t *testing.T) {
	h := http.Header{}
	showMetadata(h, []s3.Header{{Name: "plain", Value: "x y"}, {Name: "umlaut", Value: "ä"}, {Name: "lines", Value: "a\r\nb"}, {Name: "latin", Value: "\xe9"}})
	for name, want := range map[string]string{
		"x-amz-meta-plain":  "x y",
		"x-amz-meta-umlaut": "=?UTF-8?B?w6Q=?=",
		"x-amz-meta-lines":  "=?UTF-8?B?YQ0KYg==?=",
		"x-amz-meta-latin":  "=?UTF-8?B?w6k=?=",
	} {
		if got := h[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestEncodeWord has what AWS answered for these values.
func TestEncodeWord(t *testing.T) {
	for value, want := range map[string]string{
		"test_—_file%E2%80%94_é_2?.pdf":  "=?UTF-8?Q?test=5F=E2=80=94=5Ffile%E2%80%94=5F=C3=A9=5F2=3F.pdf?=",
		"test_—_file%E2%80%94_é_2👑.pdf":  "=?UTF-8?Q?test=5F=E2=80=94=5Ffile%E2%80%94=5F=C3=A9=5F2=F0=9F=91=91.pdf?=",
		"non-ascii-%E2%80%94_—_é_":       "=?UTF-8?Q?non-ascii-%E2%80%94=5F=E2=80=94=5F=C3=A9=5F?=",
		"ÄMÄZÕÑ S3":                      "=?UTF-8?Q?=C3=84M=C3=84Z=C3=95=C3=91_S3?=",
		"\x00\x01\x02\x03":               "=?UTF-8?B?AAECAw==?=",
		"\ufffd\ufffd\ufffd\ufffd\ufffd": "=?UTF-8?B?77+977+977+977+977+9?=",
	} {
		if got := encodeWord(value); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

// FuzzDescribe: whatever headers come, what is kept can be sent again as it is,
// and limits hold.
func FuzzDescribe(f *testing.F) {
	f.Add("Content-Type", "text/plain", "x-amz-meta-a", "=?utf-8?q?a?=")
	f.Add("Content-Encoding", "aws-chunked, gzip", "x-amz-storage-class", "GLACIER")
	f.Add("x-amz-website-redirect-location", "/a", "x-amz-server-side-encryption", "AES256")
	f.Add("x-amz-checksum-crc32", "AAAAAA==", "Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA==")
	f.Fuzz(func(t *testing.T, n1, v1, n2, v2 string) {
		h := http.Header{}
		for _, p := range [][2]string{{n1, v1}, {n2, v2}} {
			k := textproto.CanonicalMIMEHeaderKey(p[0])
			h[k] = append(h[k], p[1])
		}
		if _, err := readClaim(h); err != nil && awserr.From(err) == nil {
			t.Fatalf("readClaim: %v", err)
		}
		if _, err := writeConditions(h); err != nil && awserr.From(err) == nil {
			t.Fatalf("writeConditions: %v", err)
		}
		d, err := describe(h)
		if err != nil {
			if awserr.From(err) == nil {
				t.Fatalf("describe: %v", err)
			}
			return
		}
		size := 0
		for _, m := range d.meta {
			size += len(m.Name) + len(m.Value)
		}
		if size > metaMax {
			t.Fatalf("%d bytes of metadata", size)
		}
		out := http.Header{}
		showMetadata(out, d.meta)
		for _, v := range out {
			if !printable(v[0]) {
				t.Fatalf("%q can't be sent", v[0])
			}
		}
		for _, s := range d.system {
			if strings.ContainsAny(s.Value, "\r\n\x00") {
				t.Fatalf("%s: %q", s.Name, s.Value)
			}
		}
		for _, m := range d.meta {
			if utf8.ValidString(m.Value) && !printable(m.Value) {
				again := metadata(nil, metaPrefix+"X", out["x-amz-meta-"+m.Name])
				if again[0].Value != m.Value {
					t.Fatalf("%q comes back as %q", m.Value, again[0].Value)
				}
			}
		}
	})
}
