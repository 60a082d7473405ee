package s3api

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/farhold/farhold/blob/memblob"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/s3/checksum"
)

// versioned makes a bucket with versioning enabled.
func (w *world) versioned(name string) {
	w.t.Helper()
	w.bucket(name)
	w.versioning(name, types.BucketVersioningStatusEnabled)
}

func (w *world) versioning(name string, status types.BucketVersioningStatus) {
	w.t.Helper()
	_, err := w.sdk().PutBucketVersioning(context.Background(), &sdk.PutBucketVersioningInput{
		Bucket: &name, VersioningConfiguration: &types.VersioningConfiguration{Status: status},
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// locked makes a bucket with Object Lock.
func (w *world) locked(name string) {
	w.t.Helper()
	_, err := w.sdk().CreateBucket(context.Background(), &sdk.CreateBucketInput{Bucket: &name, ObjectLockEnabledForBucket: aws.Bool(true)})
	if err != nil {
		w.t.Fatal(err)
	}
}

// put writes an object and gives its version ID.
func (w *world) put(bucket, key, body string, headers ...string) answer {
	w.t.Helper()
	a := w.do("PUT", "/"+bucket+"/"+key, []byte(body), headers...)
	a.want(w.t, 200, "")
	return a
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestObjectHeadersComeBack(t *testing.T) {
	w := newWorld(t)
	w.versioned("bucket")
	c := w.sdk()
	put, err := c.PutObject(t.Context(), &sdk.PutObjectInput{
		Bucket: aws.String("bucket"), Key: aws.String("key"), Body: strings.NewReader("hello"),
		CacheControl: aws.String("no-cache"), ContentDisposition: aws.String("attachment"), ContentEncoding: aws.String("identity"),
		ContentLanguage: aws.String("de"), ContentType: aws.String("text/plain"), Expires: aws.Time(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)),
		Metadata: map[string]string{"color": "blue", "Shape": "round"}, StorageClass: types.StorageClassStandardIa,
		Tagging: aws.String("a=1&b=2"), WebsiteRedirectLocation: aws.String("/x"), ServerSideEncryption: types.ServerSideEncryptionAes256,
		ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
	})
	if err != nil {
		t.Fatal(err)
	}
	if *put.ETag != `"5d41402abc4b2a76b9719d911017c592"` || len(*put.VersionId) != 32 || put.ServerSideEncryption != "AES256" ||
		put.ChecksumType != types.ChecksumTypeFullObject || *put.ChecksumCRC32 != "NhCmhg==" {
		t.Errorf("PutObject answers %+v", put)
	}
	get := must[*sdk.GetObjectOutput](t)(c.GetObject(t.Context(), &sdk.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String("key"), ChecksumMode: types.ChecksumModeEnabled}))
	body, err := io.ReadAll(get.Body)
	if err != nil || string(body) != "hello" {
		t.Fatalf("%q, %v", body, err)
	}
	if *get.CacheControl != "no-cache" || *get.ContentDisposition != "attachment" || *get.ContentEncoding != "identity" || *get.ContentLanguage != "de" ||
		*get.ContentType != "text/plain" || *get.ExpiresString != "Wed, 02 Jan 2030 03:04:05 GMT" || get.Metadata["color"] != "blue" || get.Metadata["shape"] != "round" ||
		get.StorageClass != types.StorageClassStandardIa || *get.TagCount != 2 || *get.WebsiteRedirectLocation != "/x" || get.ServerSideEncryption != "AES256" ||
		*get.ETag != *put.ETag || *get.VersionId != *put.VersionId || *get.AcceptRanges != "bytes" || *get.ContentLength != 5 ||
		*get.ChecksumCRC32 != "NhCmhg==" || get.ChecksumType != types.ChecksumTypeFullObject || get.PartsCount != nil || get.ReplicationStatus != "" {
		t.Errorf("GetObject answers %+v", get)
	}
	head := must[*sdk.HeadObjectOutput](t)(c.HeadObject(t.Context(), &sdk.HeadObjectInput{Bucket: aws.String("bucket"), Key: aws.String("key")}))
	if *head.ContentType != "text/plain" || *head.ContentLength != 5 || head.ChecksumCRC32 != nil || head.Metadata["color"] != "blue" || *head.TagCount != 2 {
		t.Errorf("HeadObject answers %+v", head)
	}
	if d := time.Since(*head.LastModified); d < 0 || d > time.Minute || head.LastModified.Nanosecond() != 0 {
		t.Errorf("Last-Modified %v", head.LastModified)
	}
	// The names of metadata go out in lower case, since boto3 keeps the case.
	raw := w.do("HEAD", "/bucket/key", nil)
	if raw.header.Get("X-Amz-Storage-Class") != "STANDARD_IA" {
		t.Errorf("headers %v", raw.header)
	}
}

func TestDefaults(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	put := w.put("bucket", "key", "hello")
	for name, want := range map[string]string{
		"Etag": `"5d41402abc4b2a76b9719d911017c592"`, "X-Amz-Server-Side-Encryption": "AES256", "X-Amz-Version-Id": "",
		"X-Amz-Checksum-Crc64nvme": sumOf(s3.CRC64NVME, "hello"), "X-Amz-Checksum-Type": "FULL_OBJECT", "Content-Length": "0",
	} {
		if got := put.header.Get(name); got != want {
			t.Errorf("PUT: %s: %q, want %q", name, got, want)
		}
	}
	get := w.do("GET", "/bucket/key", nil)
	get.want(t, 200, "")
	for name, want := range map[string]string{
		"Content-Type": "binary/octet-stream", "Content-Length": "5", "X-Amz-Storage-Class": "", "X-Amz-Version-Id": "",
		"X-Amz-Replication-Status": "", "X-Amz-Tagging-Count": "", "X-Amz-Object-Lock-Mode": "", "X-Amz-Checksum-Crc64nvme": "",
		"X-Amz-Server-Side-Encryption": "AES256", "Accept-Ranges": "bytes",
	} {
		if got := get.header.Get(name); got != want {
			t.Errorf("GET: %s: %q, want %q", name, got, want)
		}
	}
	if empty := w.put("bucket", "empty", ""); empty.header.Get("Etag") != `"d41d8cd98f00b204e9800998ecf8427e"` {
		t.Errorf("an empty object: %v", empty.header)
	}
	if a := w.do("GET", "/bucket/empty", nil); a.status != 200 || a.body != "" || a.header.Get("Content-Length") != "0" {
		t.Errorf("GET of an empty object: %+v", a)
	}
}

func sumOf(alg s3.ChecksumAlgorithm, body string) string {
	m := checksum.NewMulti(false, alg)
	_, _ = io.WriteString(m, body)
	return m.Sum(alg)
}

func TestChecksumsOfEveryAlgorithm(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	const body = "checksums are of what came, not of what was meant"
	for _, alg := range checksum.Algorithms() {
		header := checksum.Header(alg)
		good, bad := sumOf(alg, body), sumOf(alg, body+"!")
		put := w.put("bucket", "key", body, header, good)
		if put.header.Get(header) != good {
			t.Errorf("%s: PUT shows %q, want %q", alg, put.header.Get(header), good)
		}
		get := w.do("GET", "/bucket/key", nil, "x-amz-checksum-mode", "ENABLED")
		if get.header.Get(header) != good || get.header.Get("X-Amz-Checksum-Type") != "FULL_OBJECT" {
			t.Errorf("%s: GET shows %v", alg, get.header)
		}
		a := w.do("PUT", "/bucket/other", []byte(body), header, bad)
		a.want(t, 400, "BadDigest")
		if want := fmt.Sprintf("The %s you specified did not match the calculated checksum.", alg); a.element("Message") != want {
			t.Errorf("%s: %q, want %q", alg, a.element("Message"), want)
		}
		a = w.do("PUT", "/bucket/other", []byte(body), header, "AAAA")
		a.want(t, 400, "InvalidRequest")
		if want := "Value for " + header + " header is invalid."; a.element("Message") != want {
			t.Errorf("%s: %q, want %q", alg, a.element("Message"), want)
		}
		// As a trailer, unsigned.
		for value, code := range map[string]string{good: "", bad: "BadDigest"} {
			a := w.trailed("/bucket/trailed", body, header, value)
			status := 200
			if code != "" {
				status = 400
			}
			a.want(t, status, code)
		}
		if a := w.do("HEAD", "/bucket/trailed", nil, "x-amz-checksum-mode", "ENABLED"); a.header.Get(header) != good {
			t.Errorf("%s: the trailer's checksum is %q, want %q", alg, a.header.Get(header), good)
		}
		if a := w.do("HEAD", "/bucket/other", nil); a.status != 404 {
			t.Errorf("%s: an upload that was refused left an object", alg)
		}
	}
}

// trailed puts a body in one unsigned chunk with a checksum behind it.
func (w *world) trailed(target, body, header, value string) answer {
	w.t.Helper()
	framed := fmt.Sprintf("%x\r\n%s\r\n0\r\n%s:%s\r\n\r\n", len(body), body, header, value)
	return w.do("PUT", target, []byte(framed), "x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
		"content-encoding", "aws-chunked", "x-amz-decoded-content-length", strconv.Itoa(len(body)), "x-amz-trailer", header)
}

func TestChunkedEncodingIsNotKept(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	const body = "hello"
	framed := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	w.do("PUT", "/bucket/key", []byte(framed), "x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
		"content-encoding", "aws-chunked,gzip", "x-amz-decoded-content-length", "5").want(t, 200, "")
	if a := w.do("HEAD", "/bucket/key", nil); a.header.Get("Content-Encoding") != "gzip" || a.header.Get("Content-Length") != "5" {
		t.Errorf("%v", a.header)
	}
}

func TestPutErrors(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	sum := md5.Sum([]byte("other"))
	other := base64.StdEncoding.EncodeToString(sum[:])
	for _, c := range []struct {
		name          string
		headers       []string
		status        int
		code, message string
		elements      []string
	}{
		{"Content-MD5 of another body", []string{"Content-MD5", other}, 400, "BadDigest", "The Content-MD5 you specified did not match what we received.",
			[]string{"ExpectedDigest", hex.EncodeToString(sum[:]), "CalculatedDigest", "XUFAKrxLKna5cZ2REBfFkg=="}},
		{"Content-MD5 that is none", []string{"Content-MD5", "x"}, 400, "InvalidDigest", "The Content-MD5 you specified was invalid.", nil},
		{"two checksums", []string{"x-amz-checksum-crc32", "NhCmhg==", "x-amz-checksum-sha1", sumOf(s3.SHA1, "hello")}, 400, "InvalidRequest",
			"Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.", nil},
		{"an algorithm and no checksum", []string{"x-amz-sdk-checksum-algorithm", "CRC32"}, 400, "InvalidRequest",
			"x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.", nil},
		{"another algorithm", []string{"x-amz-sdk-checksum-algorithm", "SHA1", "x-amz-checksum-crc32", "NhCmhg=="}, 400, "InvalidRequest",
			"Value for x-amz-sdk-checksum-algorithm header is invalid.", nil},
		{"a storage class of nobody", []string{"x-amz-storage-class", "WARM"}, 400, "InvalidStorageClass", "The storage class you specified is not valid", nil},
		{"KMS where there is none", []string{"x-amz-server-side-encryption", "aws:kms"}, 501, "NotImplemented", "Server-side encryption with KMS keys is not implemented.", nil},
		{"a customer's key in clear", []string{"x-amz-server-side-encryption-customer-algorithm", "AES256"}, 400, "InvalidRequest", "Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection.", nil},
		{"an append", []string{"x-amz-write-offset-bytes", "5"}, 501, "NotImplemented", "A header you provided implies functionality that is not implemented",
			[]string{"Header", "x-amz-write-offset-bytes"}},
		{"metadata over 2 KiB", []string{"x-amz-meta-a", strings.Repeat("x", 2048)}, 400, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size",
			[]string{"Size", "2049", "MaxSizeAllowed", "2048"}},
		{"eleven tags", []string{"x-amz-tagging", "a&b&c&d&e&f&g&h&i&j&k"}, 400, "BadRequest", "Object tags cannot be greater than 10", nil},
		{"a tag twice", []string{"x-amz-tagging", "a=1&a=2"}, 400, "InvalidArgument",
			"The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.", []string{"ArgumentName", "x-amz-tagging"}},
		{"an ACL where there are none", []string{"x-amz-acl", "public-read"}, 400, "AccessControlListNotSupported", "The bucket does not allow ACLs", nil},
		{"a lock where there are none", []string{"x-amz-object-lock-legal-hold", "ON"}, 400, "InvalidRequest", "Bucket is missing Object Lock Configuration", nil},
		{"If-None-Match of a tag", []string{"If-None-Match", `"x"`}, 501, "NotImplemented", "A header you provided implies functionality that is not implemented",
			[]string{"Header", "If-None-Match", "additionalMessage", "We don't accept the provided value of If-None-Match header for this API"}},
		{"If-Match of nothing", []string{"If-Match", `"x"`}, 404, "NoSuchKey", "The specified key does not exist.", []string{"Key", "key"}},
	} {
		a := w.do("PUT", "/bucket/key", []byte("hello"), c.headers...)
		if a.status != c.status || a.code() != c.code || a.element("Message") != strings.ReplaceAll(c.message, "'", "'") {
			t.Errorf("%s: %d %s %q", c.name, a.status, a.code(), a.element("Message"))
		}
		for i := 0; i+1 < len(c.elements); i += 2 {
			if got := a.element(c.elements[i]); got != c.elements[i+1] {
				t.Errorf("%s: %s is %q, want %q", c.name, c.elements[i], got, c.elements[i+1])
			}
		}
	}
	if a := w.do("HEAD", "/bucket/key", nil); a.status != 404 || a.body != "" {
		t.Errorf("a refused upload left something: %d", a.status)
	}
	w.do("PUT", "/bucket/"+strings.Repeat("k", 1025), nil).want(t, 400, "KeyTooLongError")
	w.put("bucket", strings.Repeat("k", 1024), "fits")
}

func TestBodiesThatLie(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	// 5 GiB and a byte, refused before any of it is read.
	r := w.sign(w.request("PUT", "/bucket/big", nil, "x-amz-content-sha256", "UNSIGNED-PAYLOAD"), nil)
	r.ContentLength = 5<<30 + 1
	r.Body = io.NopCloser(iotestZero{})
	r.Header.Set("Expect", "100-continue")
	a := w.send(w.sign(r, nil))
	a.want(t, 400, "EntityTooLarge")
	if a.element("MaxSizeAllowed") != "5368709120" || a.element("ProposedSize") != "5368709121" {
		t.Errorf("%s", a.body)
	}
	// Chunks that hold less than was announced.
	framed := "5\r\nhello\r\n0\r\n\r\n"
	w.do("PUT", "/bucket/short", []byte(framed), "x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
		"content-encoding", "aws-chunked", "x-amz-decoded-content-length", "6").want(t, 400, "IncompleteBody")
	// A body other than the one that was signed.
	r = w.sign(w.request("PUT", "/bucket/other", []byte("hello")), []byte("hallo"))
	w.send(r).want(t, 400, "XAmzContentSHA256Mismatch")
	// A trailer that was announced and never came.
	framed = "5\r\nhello\r\n0\r\n\r\n"
	w.do("PUT", "/bucket/trailer", []byte(framed), "x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
		"content-encoding", "aws-chunked", "x-amz-decoded-content-length", "5", "x-amz-trailer", "x-amz-checksum-crc32").want(t, 400, "MalformedTrailerError")
	list := w.do("GET", "/bucket?list-type=2", nil)
	if strings.Contains(list.body, "<Contents>") {
		t.Errorf("something became visible:\n%s", list.body)
	}
}

type iotestZero struct{}

func (iotestZero) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestConditionalWrites(t *testing.T) {
	w := newWorld(t)
	w.versioned("bucket")
	w.do("PUT", "/bucket/key", []byte("1"), "If-None-Match", "*").want(t, 200, "")
	a := w.do("PUT", "/bucket/key", []byte("2"), "If-None-Match", "*")
	a.want(t, 412, "PreconditionFailed")
	if a.element("Condition") != "If-None-Match" || a.element("Message") != "At least one of the pre-conditions you specified did not hold" {
		t.Errorf("%s", a.body)
	}
	a = w.do("PUT", "/bucket/key", []byte("2"), "If-Match", `"0123"`)
	a.want(t, 412, "PreconditionFailed")
	if a.element("Condition") != "If-Match" {
		t.Errorf("%s", a.body)
	}
	etag := w.do("HEAD", "/bucket/key", nil).header.Get("Etag")
	w.do("PUT", "/bucket/key", []byte("2"), "If-Match", etag).want(t, 200, "")
	w.do("PUT", "/bucket/key", []byte("3"), "If-Match", etag).want(t, 412, "PreconditionFailed")
	// A delete marker counts as nothing there.
	w.do("DELETE", "/bucket/key", nil).want(t, 204, "")
	w.do("PUT", "/bucket/key", []byte("4"), "If-Match", etag).want(t, 404, "NoSuchKey")
	w.do("PUT", "/bucket/key", []byte("4"), "If-None-Match", "*").want(t, 200, "")
	// Deletes.
	w.do("DELETE", "/bucket/key", nil, "If-Match", `"0123"`).want(t, 412, "PreconditionFailed")
	w.do("DELETE", "/bucket/key", nil, "x-amz-if-match-size", "1").want(t, 501, "NotImplemented")
	w.do("DELETE", "/bucket/key", nil, "If-Match", w.do("HEAD", "/bucket/key", nil).header.Get("Etag")).want(t, 204, "")
}

func TestConditionalReads(t *testing.T) {
	w := newWorld(t)
	w.versioned("bucket")
	w.put("bucket", "key", "hello", "Cache-Control", "max-age=5")
	head := w.do("HEAD", "/bucket/key", nil)
	etag, modified := head.header.Get("Etag"), head.header.Get("Last-Modified")
	for _, method := range []string{"GET", "HEAD"} {
		for _, headers := range [][]string{{"If-None-Match", etag}, {"If-Modified-Since", modified}} {
			a := w.do(method, "/bucket/key", nil, headers...)
			if a.status != 304 || a.body != "" || a.header.Get("Etag") != etag || a.header.Get("Last-Modified") != modified || a.header.Get("Cache-Control") != "max-age=5" {
				t.Errorf("%s with %v: %d %v", method, headers, a.status, a.header)
			}
			if a.header.Get("Content-Type") != "" || a.header.Get("Content-Length") != "" {
				t.Errorf("a 304 describes a body: %v", a.header)
			}
		}
		a := w.do(method, "/bucket/key", nil, "If-Match", "x")
		if a.status != 412 {
			t.Errorf("%s: %d", method, a.status)
		}
		if method == "GET" && a.element("Condition") != "If-Match" {
			t.Errorf("%s", a.body)
		}
		if method == "HEAD" && a.body != "" {
			t.Errorf("HEAD has a body: %s", a.body)
		}
	}
	a := w.do("GET", "/bucket/key", nil, "If-Unmodified-Since", "Sun, 01 Nov 2015 00:00:00 GMT")
	a.want(t, 412, "PreconditionFailed")
	if a.element("Condition") != "If-Unmodified-Since" {
		t.Errorf("%s", a.body)
	}
}

func TestRanges(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	w.put("bucket", "key", "0123456789")
	for _, c := range []struct{ header, body, contentRange string }{
		{"bytes=2-4", "234", "bytes 2-4/10"},
		{"bytes=-3", "789", "bytes 7-9/10"},
		{"bytes=8-", "89", "bytes 8-9/10"},
		{"bytes=0-9", "0123456789", "bytes 0-9/10"},
		{"bytes=0-1,4-5", "0123456789", ""},
		{"lines=1-2", "0123456789", ""},
	} {
		a := w.do("GET", "/bucket/key", nil, "Range", c.header, "x-amz-checksum-mode", "ENABLED")
		status := 206
		if c.contentRange == "" {
			status = 200
		}
		if a.status != status || a.body != c.body || a.header.Get("Content-Range") != c.contentRange || a.header.Get("Content-Length") != strconv.Itoa(len(c.body)) {
			t.Errorf("%s: %d %q %v", c.header, a.status, a.body, a.header)
		}
		if shown := a.header.Get("X-Amz-Checksum-Crc64nvme") != ""; shown != (len(c.body) == 10) {
			t.Errorf("%s: checksum shown: %v", c.header, shown)
		}
		if h := w.do("HEAD", "/bucket/key", nil, "Range", c.header); h.status != status || h.header.Get("Content-Range") != c.contentRange || h.header.Get("Content-Length") != strconv.Itoa(len(c.body)) {
			t.Errorf("HEAD %s: %d %v", c.header, h.status, h.header)
		}
	}
	a := w.do("GET", "/bucket/key", nil, "Range", "bytes=10-20")
	a.want(t, 416, "InvalidRange")
	if a.element("Message") != "The requested range is not satisfiable" || a.element("RangeRequested") != "bytes=10-20" || a.element("ActualObjectSize") != "10" || a.header.Get("Content-Range") != "bytes */10" {
		t.Errorf("%s %v", a.body, a.header)
	}
	if a := w.do("HEAD", "/bucket/key", nil, "Range", "bytes=10-20"); a.status != 416 || a.body != "" {
		t.Errorf("HEAD: %d %q", a.status, a.body)
	}
	etag := w.do("HEAD", "/bucket/key", nil).header.Get("Etag")
	if a := w.do("GET", "/bucket/key", nil, "Range", "bytes=0-1", "If-Range", etag); a.status != 206 {
		t.Errorf("If-Range of this version: %d", a.status)
	}
	if a := w.do("GET", "/bucket/key", nil, "Range", "bytes=0-1", "If-Range", `"x"`); a.status != 200 || a.body != "0123456789" {
		t.Errorf("If-Range of another version: %d %q", a.status, a.body)
	}
	if a := w.do("GET", "/bucket/key?partNumber=1", nil); a.status != 206 || a.header.Get("X-Amz-Mp-Parts-Count") != "" || a.header.Get("Content-Range") != "bytes 0-9/10" {
		t.Errorf("part 1 of an object without parts: %d %v", a.status, a.header)
	}
	a = w.do("GET", "/bucket/key?partNumber=2", nil)
	a.want(t, 416, "InvalidPartNumber")
	if a.element("PartNumberRequested") != "2" || a.element("ActualPartCount") != "1" || a.element("Message") != "The requested partnumber is not satisfiable" {
		t.Errorf("%s", a.body)
	}
	a = w.do("GET", "/bucket/key?partNumber=1", nil, "Range", "bytes=0-1")
	a.want(t, 400, "InvalidRequest")
	if a.element("Message") != "Cannot specify both Range header and partNumber query parameter" {
		t.Errorf("%s", a.body)
	}
	for _, n := range []string{"0", "10001", "x", "-1"} {
		w.do("GET", "/bucket/key?partNumber="+n, nil).want(t, 400, "InvalidArgument")
	}
}

func TestResponseOverrides(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	w.put("bucket", "key", "hello", "Content-Type", "text/plain")
	a := w.do("GET", "/bucket/key?response-content-type=text%2Fhtml&response-content-disposition=attachment%3B%20filename%3D%22a%22&response-cache-control=no-store&response-expires=x&response-content-language=fr&response-content-encoding=br", nil)
	for name, want := range map[string]string{"Content-Type": "text/html", "Content-Disposition": `attachment; filename="a"`, "Cache-Control": "no-store", "Expires": "x", "Content-Language": "fr", "Content-Encoding": "br"} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	w.do("GET", "/bucket/key?response-content-type=a%0d%0ab", nil).want(t, 400, "InvalidArgument")
	// Whoever has not signed may not choose headers, and here not read at all.
	if a := w.send(w.request("GET", "/bucket/key?response-content-type=text/html", nil)); a.status != 403 && a.status != 400 {
		t.Errorf("unsigned: %d", a.status)
	}
}

func TestPresignedUpload(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	p := sdk.NewPresignClient(w.sdk())
	u, err := p.PresignPutObject(t.Context(), &sdk.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("key"), StorageClass: types.StorageClassOnezoneIa, Metadata: map[string]string{"a": "b"}})
	if err != nil {
		t.Fatal(err)
	}
	r, _ := http.NewRequestWithContext(t.Context(), "PUT", u.URL, strings.NewReader("hello"))
	for k, v := range u.SignedHeader {
		r.Header[k] = v
	}
	w.send(r).want(t, 200, "")
	if a := w.do("HEAD", "/bucket/key", nil); a.header.Get("X-Amz-Storage-Class") != "ONEZONE_IA" || a.header.Get("X-Amz-Meta-A") != "b" {
		t.Errorf("%v", a.header)
	}
}

func TestVersions(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	w.put("bucket", "key", "null")
	w.versioning("bucket", types.BucketVersioningStatusEnabled)
	if a := w.do("HEAD", "/bucket/key", nil); a.header.Get("X-Amz-Version-Id") != "null" {
		t.Errorf("the version from before versioning is %q", a.header.Get("X-Amz-Version-Id"))
	}
	one := w.put("bucket", "key", "one").header.Get("X-Amz-Version-Id")
	two := w.put("bucket", "key", "two").header.Get("X-Amz-Version-Id")
	for id, want := range map[string]string{"null": "null", one: "one", two: "two"} {
		a := w.do("GET", "/bucket/key?versionId="+id, nil)
		if a.status != 200 || a.body != want || a.header.Get("X-Amz-Version-Id") != id {
			t.Errorf("%s: %d %q", id, a.status, a.body)
		}
	}
	marker := w.do("DELETE", "/bucket/key", nil)
	marker.want(t, 204, "")
	id := marker.header.Get("X-Amz-Version-Id")
	if marker.header.Get("X-Amz-Delete-Marker") != "true" || len(id) != 32 {
		t.Errorf("%v", marker.header)
	}
	a := w.do("GET", "/bucket/key", nil)
	a.want(t, 404, "NoSuchKey")
	if a.header.Get("X-Amz-Delete-Marker") != "true" || a.header.Get("X-Amz-Version-Id") != id || a.element("Key") != "key" {
		t.Errorf("a current delete marker: %v %s", a.header, a.body)
	}
	a = w.do("GET", "/bucket/key?versionId="+id, nil)
	a.want(t, 405, "MethodNotAllowed")
	if a.header.Get("X-Amz-Delete-Marker") != "true" || a.header.Get("Last-Modified") == "" || a.header.Get("Allow") != "DELETE" || a.element("Message") != "The specified method is not allowed against this resource." || a.element("Method") != "GET" || a.element("ResourceType") != "DeleteMarker" {
		t.Errorf("a named delete marker: %v %s", a.header, a.body)
	}
	if a := w.do("HEAD", "/bucket/key?versionId="+id, nil); a.status != 405 || a.body != "" {
		t.Errorf("HEAD of a delete marker: %d", a.status)
	}
	a = w.do("GET", "/bucket/key?versionId=nonsense", nil)
	a.want(t, 400, "InvalidArgument")
	if a.element("Message") != "Invalid version id specified" || a.element("ArgumentName") != "versionId" || a.element("ArgumentValue") != "nonsense" {
		t.Errorf("%s", a.body)
	}
	w.do("GET", "/bucket/key?versionId=", nil).want(t, 400, "InvalidArgument")
	a = w.do("GET", "/bucket/nokey?versionId="+one, nil)
	a.want(t, 404, "NoSuchVersion")
	if a.element("Message") != "The specified version does not exist." || a.element("Key") != "nokey" || a.element("VersionId") != one {
		t.Errorf("%s", a.body)
	}
	// Taking the marker away brings the object back.
	gone := w.do("DELETE", "/bucket/key?versionId="+id, nil)
	if gone.status != 204 || gone.header.Get("X-Amz-Delete-Marker") != "true" || gone.header.Get("X-Amz-Version-Id") != id {
		t.Errorf("%+v", gone)
	}
	if a := w.do("GET", "/bucket/key", nil); a.body != "two" {
		t.Errorf("after the marker is gone: %q", a.body)
	}
	if d := w.do("DELETE", "/bucket/key?versionId="+two, nil); d.status != 204 || d.header.Get("X-Amz-Delete-Marker") != "" || d.header.Get("X-Amz-Version-Id") != two {
		t.Errorf("%+v", d)
	}
	w.do("DELETE", "/bucket/nothing-there", nil).want(t, 204, "")
	// Suspended: the null version is written again.
	w.versioning("bucket", types.BucketVersioningStatusSuspended)
	if v, ok := w.put("bucket", "key", "null again").header["X-Amz-Version-Id"]; ok {
		t.Errorf("an upload while versioning is suspended: %q", v)
	}
	if a := w.do("GET", "/bucket/key", nil); a.body != "null again" || a.header.Get("X-Amz-Version-Id") != "null" {
		t.Errorf("suspended: %q of version %q", a.body, a.header.Get("X-Amz-Version-Id"))
	}
	copied := w.do("PUT", "/bucket/copy", nil, "x-amz-copy-source", "/bucket/key")
	if copied.status != 200 || copied.header.Get("X-Amz-Version-Id") != "null" {
		t.Errorf("a copy while versioning is suspended: %d %v", copied.status, copied.header)
	}
	upload := w.upload("/bucket/parts")
	whole := w.do("POST", "/bucket/parts?uploadId="+upload, completion([]string{w.part("/bucket/parts", upload, 1, []byte("one"))}))
	if _, ok := whole.header["X-Amz-Version-Id"]; ok || whole.status != 200 {
		t.Errorf("an upload in parts while versioning is suspended: %d %v", whole.status, whole.header)
	}
	if d := w.do("DELETE", "/bucket/key", nil); d.header.Get("X-Amz-Version-Id") != "null" || d.header.Get("X-Amz-Delete-Marker") != "true" {
		t.Errorf("suspended: %v", d.header)
	}
	a = w.do("GET", "/bucket/missing", nil)
	a.want(t, 404, "NoSuchKey")
	if a.element("Message") != "The specified key does not exist." || a.header.Get("X-Amz-Delete-Marker") != "" {
		t.Errorf("%s", a.body)
	}
}

func TestKeysAreOpaque(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	w.bucket("other")
	keys := []string{"../other/x", "a//b", "/lead", "a/../b", "./", "a/", "\x01\x1f", "a\r\nb", "a%2Fb", "a+b c", "\u202e\ufeffx", "e\u0301", "\u00e9", "nul\x00nul", "CON", strings.Repeat("ü", 512)}
	for _, k := range keys {
		target := "/bucket/" + escapeAll(k)
		if a := w.do("PUT", target, []byte(k)); a.status != 200 {
			t.Errorf("PUT %q: %d %s", k, a.status, a.body)
			continue
		}
		if a := w.do("GET", target, nil); a.status != 200 || a.body != k {
			t.Errorf("GET %q: %d %q", k, a.status, a.body)
		}
	}
	list := w.do("GET", "/bucket?list-type=2&encoding-type=url", nil)
	for _, k := range keys {
		if !strings.Contains(list.body, "<Key>"+string(appendEncoded(nil, k))+"</Key>") {
			t.Errorf("%q is not listed", k)
		}
	}
	if a := w.do("GET", "/other?list-type=2", nil); strings.Contains(a.body, "<Key>") {
		t.Errorf("something came into another bucket:\n%s", a.body)
	}
	w.do("PUT", "/bucket/%ff", []byte("x")).want(t, 400, "InvalidURI")
}

// escapeAll escapes a key as signers do.
func escapeAll(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c == '/' || c == '-' || c == '_' || c == '.' || c == '~' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// A body that can't be read to its end must not look whole.
func TestBrokenBodyBreaksTheConnection(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	body := bytes.Repeat([]byte("0123456789abcdef"), 256<<10) // 4 MiB
	w.do("PUT", "/bucket/key", body).want(t, 200, "")
	broken := errors.New("the disk is gone")
	for _, n := range []int{1, 2, 8} {
		w.blobs.FailNth(n, memblob.OpRead, true, broken)
		r := w.sign(w.request("GET", "/bucket/key", nil), nil)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			continue // cut off before the headers came out: as good
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		switch {
		case resp.StatusCode == 500 && err == nil:
			if !strings.Contains(string(b), "<Code>InternalError</Code>") || resp.Header.Get("Etag") != "" || resp.Header.Get("Content-Length") != strconv.Itoa(len(b)) {
				t.Errorf("fault %d: %v %s", n, resp.Header, b)
			}
		case resp.StatusCode == 200 && err == nil:
			t.Errorf("fault %d: %d bytes look whole", n, len(b))
		case resp.StatusCode == 200 && !bytes.HasPrefix(body, b):
			t.Errorf("fault %d: wrong bytes came out", n)
		}
	}
	w.blobs.FailNth(0, 0, false, nil)
	if a := w.do("GET", "/bucket/key", nil); a.body != string(body) {
		t.Error("the object does not read once the fault is gone")
	}
}
