package s3api

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/farhold/farhold/s3"
)

func TestCopy(t *testing.T) {
	w := newWorld(t)
	w.versioned("source")
	w.versioned("dest")
	first := w.put("source", "a%20b%2Bc", "hello", "Content-Type", "text/plain", "x-amz-meta-a", "b", "x-amz-tagging", "t=1", "x-amz-storage-class", "STANDARD_IA",
		"x-amz-website-redirect-location", "/x", "x-amz-checksum-sha256", sumOf(s3.SHA256, "hello"))
	a := w.do("PUT", "/dest/copy", nil, "x-amz-copy-source", "/source/a%20b%2Bc")
	a.want(t, 200, "")
	if a.element("ETag") != "&quot;5d41402abc4b2a76b9719d911017c592&quot;" || a.element("ChecksumSHA256") != sumOf(s3.SHA256, "hello") || a.element("ChecksumType") != "FULL_OBJECT" || a.element("LastModified") == "" ||
		a.header.Get("X-Amz-Copy-Source-Version-Id") != first.header.Get("X-Amz-Version-Id") || len(a.header.Get("X-Amz-Version-Id")) != 32 || a.header.Get("X-Amz-Server-Side-Encryption") != "AES256" {
		t.Errorf("%v %s", a.header, a.body)
	}
	head := w.do("HEAD", "/dest/copy", nil)
	for name, want := range map[string]string{"Content-Type": "text/plain", "X-Amz-Meta-A": "b", "X-Amz-Tagging-Count": "1", "X-Amz-Storage-Class": "", "X-Amz-Website-Redirect-Location": "", "Content-Length": "5"} {
		if got := head.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	w.do("PUT", "/dest/replaced", nil, "x-amz-copy-source", "source/a+b%2Bc", "x-amz-metadata-directive", "REPLACE", "x-amz-tagging-directive", "REPLACE",
		"Content-Type", "text/html", "x-amz-meta-c", "d", "x-amz-tagging", "u=1&v=2", "x-amz-storage-class", "ONEZONE_IA", "x-amz-website-redirect-location", "/y", "x-amz-checksum-algorithm", "CRC32").want(t, 200, "")
	head = w.do("HEAD", "/dest/replaced", nil, "x-amz-checksum-mode", "ENABLED")
	for name, want := range map[string]string{"Content-Type": "text/html", "X-Amz-Meta-A": "", "X-Amz-Meta-C": "d", "X-Amz-Tagging-Count": "2", "X-Amz-Storage-Class": "ONEZONE_IA", "X-Amz-Website-Redirect-Location": "/y", "X-Amz-Checksum-Crc32": sumOf(s3.CRC32, "hello")} {
		if got := head.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	// An older version.
	w.put("source", "a%20b%2Bc", "newer")
	w.do("PUT", "/dest/old", nil, "x-amz-copy-source", "source/a%20b%2Bc?versionId="+first.header.Get("X-Amz-Version-Id")).want(t, 200, "")
	if got := w.do("GET", "/dest/old", nil).body; got != "hello" {
		t.Errorf("copied %q", got)
	}
	// A key that looks like a way out of its bucket is only a key.
	w.do("PUT", "/dest/x", nil, "x-amz-copy-source", "dest/../source/a%20b%2Bc").want(t, 404, "NoSuchKey")
	out, err := w.sdk().CopyObject(t.Context(), &sdk.CopyObjectInput{Bucket: aws.String("dest"), Key: aws.String("sdk"), CopySource: aws.String("source/a%20b%2Bc")})
	if err != nil || *out.CopyObjectResult.ETag == "" {
		t.Errorf("%v %v", out, err)
	}
}

func TestCopyErrors(t *testing.T) {
	w := newWorld(t)
	w.versioned("bucket")
	w.put("bucket", "key", "hello")
	etag := w.do("HEAD", "/bucket/key", nil).header.Get("Etag")
	for _, c := range []struct {
		name          string
		headers       []string
		status        int
		code, message string
		elements      []string
	}{
		{"onto itself", []string{"x-amz-copy-source", "bucket/key"}, 400, "InvalidRequest", "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.", nil},
		{"no key", []string{"x-amz-copy-source", "bucket"}, 400, "InvalidArgument", "Invalid copy source object key", []string{"ArgumentName", "x-amz-copy-source", "ArgumentValue", "x-amz-copy-source"}},
		{"no such key", []string{"x-amz-copy-source", "bucket/nokey"}, 404, "NoSuchKey", "The specified key does not exist.", []string{"Key", "nokey"}},
		{"no such bucket", []string{"x-amz-copy-source", "nobucket/key"}, 404, "NoSuchBucket", "The specified bucket does not exist", []string{"BucketName", "nobucket"}},
		{"If-Match", []string{"x-amz-copy-source", "bucket/key", "x-amz-copy-source-if-match", "x"}, 412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold", []string{"Condition", "x-amz-copy-source-If-Match"}},
		{"If-None-Match", []string{"x-amz-copy-source", "bucket/key", "x-amz-copy-source-if-none-match", etag}, 412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold", []string{"Condition", "x-amz-copy-source-If-None-Match"}},
		{"If-Unmodified-Since", []string{"x-amz-copy-source", "bucket/key", "x-amz-copy-source-if-unmodified-since", "Sun, 01 Nov 2015 00:00:00 GMT"}, 412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold", []string{"Condition", "x-amz-copy-source-If-Unmodified-Since"}},
		{"directive", []string{"x-amz-copy-source", "bucket/key", "x-amz-metadata-directive", "MERGE"}, 400, "InvalidArgument", "Unknown metadata directive.", []string{"ArgumentName", "x-amz-metadata-directive"}},
		{"tagging directive", []string{"x-amz-copy-source", "bucket/key", "x-amz-tagging-directive", "MERGE"}, 400, "InvalidArgument", "Unknown tagging directive.", nil},
		{"customer's key", []string{"x-amz-copy-source", "bucket/key", "x-amz-copy-source-server-side-encryption-customer-algorithm", "AES256"}, 400, "InvalidRequest", "Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection.", nil},
		{"expected owner", []string{"x-amz-copy-source", "bucket/key", "x-amz-source-expected-bucket-owner", "999999999999"}, 403, "AccessDenied", "Access Denied", nil},
	} {
		a := w.do("PUT", "/bucket/key", nil, c.headers...)
		if a.status != c.status || a.code() != c.code || a.element("Message") != c.message {
			t.Errorf("%s: %d %s %q", c.name, a.status, a.code(), a.element("Message"))
		}
		for i := 0; i+1 < len(c.elements); i += 2 {
			if got := a.element(c.elements[i]); got != c.elements[i+1] {
				t.Errorf("%s: %s is %q, want %q", c.name, c.elements[i], got, c.elements[i+1])
			}
		}
	}
	w.do("PUT", "/bucket/key", nil, "x-amz-copy-source", "bucket/key", "x-amz-copy-source-if-match", etag, "x-amz-storage-class", "STANDARD_IA").want(t, 200, "")
	w.do("PUT", "/bucket/key", nil, "x-amz-copy-source", "bucket/key", "x-amz-metadata-directive", "REPLACE").want(t, 200, "")
	w.do("PUT", "/bucket/key", nil, "x-amz-copy-source", "bucket/key", "If-None-Match", "*", "x-amz-storage-class", "STANDARD").want(t, 412, "PreconditionFailed")
	marker := w.do("DELETE", "/bucket/key", nil).header.Get("X-Amz-Version-Id")
	w.do("PUT", "/bucket/other", nil, "x-amz-copy-source", "bucket/key").want(t, 404, "NoSuchKey")
	a := w.do("PUT", "/bucket/other", nil, "x-amz-copy-source", "bucket/key?versionId="+marker)
	a.want(t, 400, "InvalidRequest")
	// Who may not read the source learns nothing of it.
	r := w.request("PUT", "/bucket/other", nil, "x-amz-copy-source", "bucket/nokey")
	w.send(w.signAs(r, nil, "AKIAALICE", "alice's secret", w.door.opt.Now())).want(t, 403, "AccessDenied")
}

func TestUploadPartCopy(t *testing.T) {
	w := newWorld(t)
	w.versioned("bucket")
	body := append(bytes.Repeat([]byte("a"), partMin), "0123456789"...)
	w.do("PUT", "/bucket/source", body).want(t, 200, "")
	id := w.upload("/bucket/key")
	target := func(n int) string { return fmt.Sprintf("/bucket/key?partNumber=%d&uploadId=%s", n, id) }
	one := w.do("PUT", target(1), nil, "x-amz-copy-source", "/bucket/source", "x-amz-copy-source-range", fmt.Sprintf("bytes=0-%d", partMin-1))
	one.want(t, 200, "")
	if one.element("ETag") == "" || one.element("LastModified") == "" || len(one.header.Get("X-Amz-Copy-Source-Version-Id")) != 32 || !strings.Contains(one.body, "<CopyPartResult") {
		t.Errorf("%v %s", one.header, one.body)
	}
	two := w.do("PUT", target(2), nil, "x-amz-copy-source", "/bucket/source", "x-amz-copy-source-range", fmt.Sprintf("bytes=%d-%d", partMin+2, partMin+4))
	two.want(t, 200, "")
	unquote := func(a answer) string { return strings.ReplaceAll(a.element("ETag"), "&quot;", `"`) }
	w.do("POST", "/bucket/key?uploadId="+id, completion([]string{unquote(one), unquote(two)})).want(t, 200, "")
	if got := w.do("GET", "/bucket/key", nil, "Range", "bytes=-5").body; got != "aa234" {
		t.Errorf("%q", got)
	}
	id = w.upload("/bucket/key")
	a := w.do("PUT", target(1), nil, "x-amz-copy-source", "/bucket/source", "x-amz-copy-source-range", "bytes=0-")
	a.want(t, 400, "InvalidArgument")
	a = w.do("PUT", target(1), nil, "x-amz-copy-source", "/bucket/source", "x-amz-copy-source-range", fmt.Sprintf("bytes=0-%d", len(body)))
	a.want(t, 400, "InvalidArgument")
	w.do("PUT", target(1), nil, "x-amz-copy-source", "/bucket/source", "x-amz-copy-source-if-match", "x").want(t, 412, "PreconditionFailed")
	w.do("PUT", "/bucket/key?partNumber=1&uploadId=nonsense", nil, "x-amz-copy-source", "/bucket/source").want(t, 404, "NoSuchUpload")
	w.do("PUT", target(1), nil, "x-amz-copy-source", "/bucket/nokey").want(t, 404, "NoSuchKey")
	r := w.request("PUT", target(1), nil, "x-amz-copy-source", "bucket/source")
	w.send(w.signAs(r, nil, "AKIAALICE", "alice's secret", w.door.opt.Now())).want(t, 403, "AccessDenied")
}
