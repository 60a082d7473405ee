package conformance

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// walkCopy: copies across buckets and regions of what has versions.
func walkCopy(r *realm) {
	t, ctx := r.t, r.t.Context()
	r.bucket("us-east-1", "copying", "enabled")
	r.bucket("us-west-2", "copied", "enabled")
	r.replicate("us-east-1", "copying", rule("west", "copied", 1))
	c := r.s3("us-east-1")
	key := "from/ü + %2F?.txt"
	first := r.put("us-east-1", "copying", key, "first", func(in *s3.PutObjectInput) {
		in.Metadata, in.Tagging, in.ContentType = map[string]string{"k": "v"}, aws.String("a=b"), aws.String("text/first")
	})
	r.put("us-east-1", "copying", key, "second")
	source := "copying/from/%C3%BC%20%2B%20%252F%3F.txt"
	copied := func(to string, change func(*s3.CopyObjectInput)) (*s3.CopyObjectOutput, error) {
		in := &s3.CopyObjectInput{Bucket: aws.String("copying"), Key: &to, CopySource: &source}
		change(in)
		return c.CopyObject(ctx, in)
	}
	out, err := copied("old", func(in *s3.CopyObjectInput) { in.CopySource = aws.String(source + "?versionId=" + first) })
	if must(r, out, err); aws.ToString(out.CopySourceVersionId) != first || aws.ToString(out.VersionId) == "" {
		t.Errorf("copied version %v as %v", out.CopySourceVersionId, out.VersionId)
	}
	at := r.await("us-east-1", "copying", "old", types.ReplicationStatusCompleted) // a copy replicates as any put
	if at.Metadata["k"] != "v" || aws.ToString(at.ContentType) != "text/first" || aws.ToInt32(at.TagCount) != 1 {
		t.Errorf("the copy is\n%s", facts(at))
	}
	if got, err := r.head("us-west-2", "copied", "old"); err != nil || facts(got) != facts(at) {
		t.Errorf("its replica: %v", err)
	}
	equal(t, "the copy", r.body("us-west-2", "copied", "old"), []byte("first"))
	out, err = copied("new", func(in *s3.CopyObjectInput) {
		in.MetadataDirective, in.Metadata, in.ContentType = types.MetadataDirectiveReplace, map[string]string{"other": "x"}, aws.String("a/b")
		in.TaggingDirective, in.Tagging = types.TaggingDirectiveReplace, aws.String("c=d")
		in.StorageClass, in.ChecksumAlgorithm = types.StorageClassStandardIa, types.ChecksumAlgorithmSha256
	})
	if must(r, out, err); aws.ToString(out.CopyObjectResult.ChecksumSHA256) == "" {
		t.Errorf("no checksum of the copy: %+v", out.CopyObjectResult)
	}
	h, err := r.head("us-east-1", "copying", "new")
	if must(r, h, err); fmt.Sprint(h.Metadata) != "map[other:x]" || *h.ContentType != "a/b" || h.StorageClass != types.StorageClassStandardIa {
		t.Errorf("replaced: %v %s %s", h.Metadata, *h.ContentType, h.StorageClass)
	}
	if s := tags(r, "us-east-1", "copying", "new"); s != "c=d" {
		t.Errorf("replaced tags: %s", s)
	}
	_, err = copied(key, func(*s3.CopyObjectInput) {})
	r.refused("onto itself", err, "InvalidRequest")
	_, err = copied("x", func(in *s3.CopyObjectInput) { in.CopySourceIfMatch = aws.String("00000000000000000000000000000000") })
	r.refused("a source that doesn't match", err, "PreconditionFailed")
	_, err = copied("x", func(in *s3.CopyObjectInput) { in.CopySource = aws.String("copying/nothing") })
	r.refused("no such source", err, "NoSuchKey")

	// Ranges, of what is one piece on disk or several.
	body := random(9 << 20)
	r.put("us-east-1", "copying", "ranges", string(body))
	for _, span := range [][2]int{{0, 0}, {4095, 4096}, {1<<20 - 1, 1 << 20}, {8<<20 - 3, 8<<20 + 3}, {9<<20 - 1, 9<<20 - 1}, {123, 7_000_000}} {
		got := r.body("us-east-1", "copying", "ranges", func(in *s3.GetObjectInput) { in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", span[0], span[1])) })
		equal(t, fmt.Sprint("range ", span), got, body[span[0]:span[1]+1])
	}
	equal(t, "more than there is", r.body("us-east-1", "copying", "ranges", func(in *s3.GetObjectInput) { in.Range = aws.String("bytes=9437180-99999999") }), body[9437180:])
	equal(t, "a range nobody understands", r.body("us-east-1", "copying", "ranges", func(in *s3.GetObjectInput) { in.Range = aws.String("lines=1-2") }), body)
}

// walkPresigned: URLs that somebody else uses.
func walkPresigned(r *realm) {
	t, ctx := r.t, r.t.Context()
	r.bucket("eu-west-1", "presign")
	pre := s3.NewPresignClient(r.s3("eu-west-1"))
	host := s3.NewPresignClient(r.virtual("eu-west-1"))
	for name, p := range map[string]*s3.PresignClient{"path": pre, "virtual": host} {
		body := random(9 << 20)
		put, err := p.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("presign"), Key: &name, ContentType: aws.String("a/b"), Metadata: map[string]string{"m": "n"}})
		must(r, put, err)
		if res, b := r.http.do(t, put.Method, put.URL, put.SignedHeader, bytes.NewReader(body)); res.StatusCode != 200 {
			t.Fatalf("%s: put: %d %s", name, res.StatusCode, b)
		}
		get, err := p.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("presign"), Key: &name, ResponseContentType: aws.String("x/y"), ResponseContentDisposition: aws.String("inline")})
		must(r, get, err)
		res, b := r.http.do(t, get.Method, get.URL, get.SignedHeader, nil)
		if res.StatusCode != 200 || res.Header.Get("Content-Type") != "x/y" || res.Header.Get("Content-Disposition") != "inline" || res.Header.Get("X-Amz-Meta-M") != "n" {
			t.Errorf("%s: get: %d %v", name, res.StatusCode, res.Header)
		}
		equal(t, name, []byte(b), body)
		ranged := get.SignedHeader.Clone()
		ranged.Set("Range", "bytes=5-9")
		if res, b := r.http.do(t, get.Method, get.URL, ranged, nil); res.StatusCode != 206 || b != string(body[5:10]) {
			t.Errorf("%s: range: %d", name, res.StatusCode)
		}
		if res, b := r.http.do(t, "GET", strings.Replace(get.URL, "X-Amz-Expires=900", "X-Amz-Expires=901", 1), get.SignedHeader, nil); res.StatusCode != 403 || !strings.Contains(b, "<Code>SignatureDoesNotMatch</Code>") {
			t.Errorf("%s: with another life: %d %s", name, res.StatusCode, b)
		}
		if res, b := r.http.do(t, "DELETE", get.URL, get.SignedHeader, nil); res.StatusCode != 403 {
			t.Errorf("%s: with another method: %d %s", name, res.StatusCode, b)
		}
	}
	// It is over when it says.
	short, err := pre.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("presign"), Key: aws.String("path")}, s3.WithPresignExpires(time.Second))
	must(r, short, err)
	r.eventually("a URL expires", func() bool {
		res, b := r.http.do(t, "GET", short.URL, short.SignedHeader, nil)
		if res.StatusCode == 200 {
			return false
		}
		if res.StatusCode != 403 || !strings.Contains(b, "<Message>Request has expired</Message>") || !strings.Contains(b, "<ServerTime>") {
			t.Errorf("expired: %d %s", res.StatusCode, b)
		}
		return true
	})
	// Parts by URL, as browsers upload.
	c := r.s3("eu-west-1")
	open, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String("presign"), Key: aws.String("parts")})
	must(r, open, err)
	part, err := pre.PresignUploadPart(ctx, &s3.UploadPartInput{Bucket: aws.String("presign"), Key: aws.String("parts"), UploadId: open.UploadId, PartNumber: aws.Int32(1)})
	must(r, part, err)
	res, b := r.http.do(t, part.Method, part.URL, part.SignedHeader, strings.NewReader("a part"))
	if res.StatusCode != 200 {
		t.Fatalf("part by URL: %d %s", res.StatusCode, b)
	}
	_, err = c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: aws.String("presign"), Key: aws.String("parts"), UploadId: open.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: aws.String(res.Header.Get("Etag"))}}}})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "a part by URL", r.body("eu-west-1", "presign", "parts"), []byte("a part"))
}

// form posts a form with a file.
func (r *realm) form(url string, fields map[string]string, file string) (*http.Response, string) {
	r.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for k, v := range fields {
		w.WriteField(k, v)
	}
	f, err := w.CreateFormFile("file", "local name.txt")
	must(r, f, err)
	io.WriteString(f, file)
	w.Close()
	return r.http.do(r.t, "POST", url, http.Header{"Content-Type": {w.FormDataContentType()}}, &b)
}

// walkForm: browsers' forms, whose uploads replicate like others.
func walkForm(r *realm) {
	t, ctx := r.t, r.t.Context()
	r.bucket("us-west-2", "form", "enabled")
	r.bucket("us-east-1", "form-east", "enabled")
	r.replicate("us-west-2", "form", rule("east", "form-east", 1))
	pre := s3.NewPresignClient(r.s3("us-west-2"))
	post, err := pre.PresignPostObject(ctx, &s3.PutObjectInput{Bucket: aws.String("form"), Key: aws.String("local name.txt")}, func(o *s3.PresignPostOptions) {
		o.Conditions = []any{[]any{"starts-with", "$Content-Type", "text/"}, []any{"content-length-range", 1, 10}, map[string]string{"success_action_status": "201"}, []any{"starts-with", "$x-amz-meta-who", ""}}
	})
	must(r, post, err)
	fields := map[string]string{"Content-Type": "text/x", "success_action_status": "201", "x-amz-meta-who": "me"}
	for k, v := range post.Values {
		fields[k] = v
	}
	// Variables are filled in before the policy is asked.
	fields["key"] = "${filename}"
	if policy, err := base64.StdEncoding.DecodeString(fields["policy"]); err != nil || !json.Valid(policy) {
		t.Fatalf("the policy: %v %s", err, policy)
	}
	res, b := r.form(post.URL, fields, "by form")
	if res.StatusCode != 201 || !strings.Contains(b, "<Key>local name.txt</Key>") || !strings.Contains(b, "<Bucket>form</Bucket>") || !strings.Contains(b, "<ETag>") {
		t.Fatalf("by form: %d %s", res.StatusCode, b)
	}
	at := r.await("us-west-2", "form", "local name.txt", types.ReplicationStatusCompleted)
	if at.Metadata["who"] != "me" || *at.ContentType != "text/x" {
		t.Errorf("by form: %s", facts(at))
	}
	equal(t, "replica of a form's upload", r.body("us-east-1", "form-east", "local name.txt"), []byte("by form"))
	for _, bad := range []struct {
		file, field, value string
		status             int
		code               string
	}{
		{"longer than ten", "", "", 400, "EntityTooLarge"},
		{"", "", "", 400, "EntityTooSmall"},
		{"ok", "Content-Type", "image/x", 403, "AccessDenied"},
		{"ok", "x-amz-meta-extra", "x", 403, "AccessDenied"},
		{"ok", "X-Amz-Signature", strings.Repeat("0", 64), 403, "SignatureDoesNotMatch"},
	} {
		changed := map[string]string{}
		for k, v := range fields {
			changed[k] = v
		}
		if bad.field != "" {
			changed[bad.field] = bad.value
		}
		if res, b := r.form(post.URL, changed, bad.file); res.StatusCode != bad.status || !strings.Contains(b, "<Code>"+bad.code+"</Code>") {
			t.Errorf("%q with %s=%s: %d %s, want %d %s", bad.file, bad.field, bad.value, res.StatusCode, b, bad.status, bad.code)
		}
	}
}

// walkVersions: null versions, and what comes of them.
func walkVersions(r *realm) {
	t, ctx := r.t, r.t.Context()
	r.bucket("us-east-1", "nulls")
	c := r.s3("us-east-1")
	if id := r.put("us-east-1", "nulls", "k", "before"); id != "" {
		t.Errorf("a put into a bucket without versions gave version %q", id)
	}
	r.versioning("us-east-1", "nulls", types.BucketVersioningStatusEnabled)
	enabled := r.put("us-east-1", "nulls", "k", "enabled")
	if len(enabled) != 32 {
		t.Errorf("version ID %q", enabled)
	}
	r.versioning("us-east-1", "nulls", types.BucketVersioningStatusSuspended)
	list := func() string {
		out, err := c.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: aws.String("nulls"), Prefix: aws.String("k")})
		must(r, out, err)
		var all []string
		name := func(id string) string {
			return map[bool]string{true: "enabled", false: id}[id == enabled]
		}
		for _, v := range out.Versions {
			all = append(all, fmt.Sprintf("%s:%d:%v", name(*v.VersionId), *v.Size, *v.IsLatest))
		}
		for _, m := range out.DeleteMarkers {
			all = append(all, fmt.Sprintf("%s:marker:%v", name(*m.VersionId), *m.IsLatest))
		}
		return strings.Join(all, " ")
	}
	if s := list(); s != "enabled:7:true null:6:false" {
		t.Errorf("listed %s", s)
	}
	// Suspended: the null version is replaced, the other stays.
	if id := r.put("us-east-1", "nulls", "k", "again!!!"); id != "null" && id != "" {
		t.Errorf("suspended: version %q", id)
	}
	if s := list(); s != "null:8:true enabled:7:false" {
		t.Errorf("listed %s", s)
	}
	equal(t, "the null version", r.body("us-east-1", "nulls", "k", func(in *s3.GetObjectInput) { in.VersionId = aws.String("null") }), []byte("again!!!"))
	del, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String("nulls"), Key: aws.String("k")})
	if must(r, del, err); !aws.ToBool(del.DeleteMarker) || aws.ToString(del.VersionId) != "null" {
		t.Errorf("deleted while suspended: %+v", del)
	}
	if s := list(); s != "enabled:7:false null:marker:true" {
		t.Errorf("listed %s", s)
	}
	_, err = c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("nulls"), Key: aws.String("k"), VersionId: aws.String("null")})
	r.refused("getting a marker", err, "MethodNotAllowed")
	_, err = c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("nulls"), Key: aws.String("k")})
	r.refused("getting what a marker hides", err, "NoSuchKey")
	_, err = c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("nulls"), Key: aws.String("k"), VersionId: aws.String("nonsense")})
	r.refused("a malformed version", err, "InvalidArgument")
	_, err = c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("nulls"), Key: aws.String("other"), VersionId: &enabled})
	r.refused("another key's version", err, "NoSuchVersion")
	gone, err := c.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: aws.String("nulls"), Delete: &types.Delete{Objects: []types.ObjectIdentifier{
		{Key: aws.String("k"), VersionId: aws.String("null")}, {Key: aws.String("never")}, {Key: aws.String("k"), VersionId: aws.String("nonsense")},
	}}})
	if must(r, gone, err); len(gone.Deleted) != 2 || len(gone.Errors) != 1 {
		t.Errorf("deleted %d, errors %d", len(gone.Deleted), len(gone.Errors))
	}
	for _, d := range gone.Deleted {
		if *d.Key == "k" && (!aws.ToBool(d.DeleteMarker) || aws.ToString(d.DeleteMarkerVersionId) != "null" || aws.ToString(d.VersionId) != "null") {
			t.Errorf("deleting a marker: %+v", d)
		}
	}
	equal(t, "what the marker hid", r.body("us-east-1", "nulls", "k"), []byte("enabled"))
}

// walkListing: pages with delimiters, of keys and of versions.
func walkListing(r *realm) {
	t, ctx := r.t, r.t.Context()
	r.bucket("eu-west-1", "pages", "enabled")
	c := r.s3("eu-west-1")
	var keys []string
	for i := range 12 {
		keys = append(keys, fmt.Sprintf("a/%02d", i), fmt.Sprintf("b%d/x", i%5), fmt.Sprintf("c%02d", i))
	}
	keys = append(keys, "ä&<>\"'+ %/\u0001", "\U0001F600", "a//b", "a/../b", "z")
	slices.Sort(keys)
	keys = slices.Compact(keys)
	for _, k := range keys {
		r.put("eu-west-1", "pages", k, k)
	}
	var want []string // by delimiter
	for _, k := range keys {
		if i := strings.IndexByte(k, '/'); i >= 0 {
			k = k[:i+1]
		}
		if len(want) == 0 || want[len(want)-1] != k {
			want = append(want, k)
		}
	}
	for _, size := range []int32{1, 2, 7, 1000} {
		for _, delimiter := range []string{"", "/"} {
			var got, gotV1 []string
			in := &s3.ListObjectsV2Input{Bucket: aws.String("pages"), MaxKeys: &size, EncodingType: types.EncodingTypeUrl}
			in1 := &s3.ListObjectsInput{Bucket: aws.String("pages"), MaxKeys: &size, EncodingType: types.EncodingTypeUrl}
			if delimiter != "" {
				in.Delimiter, in1.Delimiter = &delimiter, &delimiter
			}
			plain := func(s *string) string { return unescape(r, *s) }
			for pages := s3.NewListObjectsV2Paginator(c, in); pages.HasMorePages(); {
				out, err := pages.NextPage(ctx)
				must(r, out, err)
				for _, o := range out.Contents {
					got = append(got, plain(o.Key))
				}
				for _, p := range out.CommonPrefixes {
					got = append(got, plain(p.Prefix))
				}
				if n := len(out.Contents) + len(out.CommonPrefixes); n > int(size) || int(*out.KeyCount) != n {
					t.Errorf("a page of %d with KeyCount %d", n, *out.KeyCount)
				}
			}
			for {
				out, err := c.ListObjects(ctx, in1)
				must(r, out, err)
				last := ""
				for _, o := range out.Contents {
					last = max(last, plain(o.Key))
					gotV1 = append(gotV1, plain(o.Key))
				}
				for _, p := range out.CommonPrefixes {
					last = max(last, plain(p.Prefix))
					gotV1 = append(gotV1, plain(p.Prefix))
				}
				if !*out.IsTruncated {
					break
				}
				if (out.NextMarker != nil) != (delimiter != "") {
					t.Errorf("NextMarker %v with delimiter %q", out.NextMarker, delimiter)
				}
				in1.Marker = &last
			}
			expect := map[string][]string{"": keys, "/": want}[delimiter]
			slices.Sort(got)
			slices.Sort(gotV1)
			if !slices.Equal(got, expect) || !slices.Equal(gotV1, expect) {
				t.Errorf("pages of %d by %q:\n%q\n%q\nwant\n%q", size, delimiter, got, gotV1, expect)
			}
		}
	}
	for _, k := range keys[:10] {
		r.put("eu-west-1", "pages", k, "second")
	}
	if _, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String("pages"), Key: &keys[3]}); err != nil {
		t.Fatal(err)
	}
	versions, markers := 0, 0
	for pages := s3.NewListObjectVersionsPaginator(c, &s3.ListObjectVersionsInput{Bucket: aws.String("pages"), MaxKeys: aws.Int32(3), EncodingType: types.EncodingTypeUrl}); pages.HasMorePages(); {
		out, err := pages.NextPage(ctx)
		must(r, out, err)
		versions, markers = versions+len(out.Versions), markers+len(out.DeleteMarkers)
	}
	if versions != len(keys)+10 || markers != 1 {
		t.Errorf("listed %d versions and %d markers of %d and 1", versions, markers, len(keys)+10)
	}
	empty, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String("pages"), MaxKeys: aws.Int32(0)})
	if must(r, empty, err); len(empty.Contents) != 0 || *empty.IsTruncated {
		t.Errorf("a page of none: %+v", empty)
	}
	_, err = c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String("pages"), ContinuationToken: aws.String("nonsense")})
	r.refused("a nonsense token", err, "InvalidArgument")
	after, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String("pages"), StartAfter: aws.String("c05"), Prefix: aws.String("c")})
	if must(r, after, err); len(after.Contents) != 6 {
		t.Errorf("after c05: %d", len(after.Contents))
	}
}

// unescape reads what encoding-type=url wrote.
func unescape(r *realm, s string) string {
	r.t.Helper()
	plain, err := url.QueryUnescape(s)
	return must(r, plain, err)
}

// walkConditions: conditional reads and writes.
func walkConditions(r *realm) {
	t, ctx := r.t, r.t.Context()
	r.bucket("us-east-1", "conditions", "enabled")
	c := r.s3("us-east-1")
	put := func(key string, change func(*s3.PutObjectInput)) error {
		in := &s3.PutObjectInput{Bucket: aws.String("conditions"), Key: &key, Body: strings.NewReader("x")}
		change(in)
		_, err := c.PutObject(ctx, in)
		return err
	}
	none := func(in *s3.PutObjectInput) { in.IfNoneMatch = aws.String("*") }
	if err := put("k", none); err != nil {
		t.Fatal(err)
	}
	r.refused("there already", put("k", none), "PreconditionFailed")
	match := func(etag string) func(*s3.PutObjectInput) {
		return func(in *s3.PutObjectInput) { in.IfMatch = &etag }
	}
	r.refused("another ETag", put("k", match("00000000000000000000000000000000")), "PreconditionFailed")
	r.refused("nothing to match", put("nothing", match("00000000000000000000000000000000")), "NoSuchKey")
	r.refused("match anything", put("k", match("*")), "NotImplemented")
	h, err := r.head("us-east-1", "conditions", "k")
	if err := put("k", match(*must(r, h, err).ETag)); err != nil {
		t.Error(err)
	}
	// Of many who create a key, one succeeds.
	errs := make(chan error)
	for range 12 {
		go func() { errs <- put("race", none) }()
	}
	won := 0
	for range 12 {
		if err := <-errs; err == nil {
			won++
		} else if m := err.Error(); !strings.Contains(m, "PreconditionFailed") && !strings.Contains(m, "ConditionalRequestConflict") {
			t.Errorf("a loser got %v", err)
		}
	}
	if won != 1 {
		t.Errorf("%d of 12 created the same key", won)
	}
	if _, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String("conditions"), Key: aws.String("k")}); err != nil {
		t.Fatal(err)
	}
	if err := put("k", none); err != nil {
		t.Errorf("what a marker hides does not exist: %v", err)
	}
	h, err = r.head("us-east-1", "conditions", "k")
	must(r, h, err)
	get := func(change func(*s3.GetObjectInput)) error {
		in := &s3.GetObjectInput{Bucket: aws.String("conditions"), Key: aws.String("k")}
		change(in)
		out, err := c.GetObject(ctx, in)
		if err == nil {
			out.Body.Close()
		}
		return err
	}
	status := func(what string, err error, want string) {
		t.Helper()
		if err == nil && want != "" || err != nil && (want == "" || !strings.Contains(err.Error(), "StatusCode: "+want)) {
			t.Errorf("%s: %v, want %q", what, err, want)
		}
	}
	status("If-None-Match", get(func(in *s3.GetObjectInput) { in.IfNoneMatch = h.ETag }), "304")
	status("If-Match", get(func(in *s3.GetObjectInput) { in.IfMatch = aws.String(`"other"`) }), "412")
	status("If-Modified-Since", get(func(in *s3.GetObjectInput) { in.IfModifiedSince = h.LastModified }), "304")
	status("If-Unmodified-Since", get(func(in *s3.GetObjectInput) { in.IfUnmodifiedSince = aws.Time(h.LastModified.Add(-time.Hour)) }), "412")
	status("both that hold", get(func(in *s3.GetObjectInput) {
		in.IfMatch, in.IfUnmodifiedSince = h.ETag, aws.Time(h.LastModified.Add(-time.Hour))
	}), "")
}

// walkCORS: what a browser asks before, and what it is told.
func walkCORS(r *realm) {
	t, ctx := r.t, r.t.Context()
	r.bucket("us-west-2", "cors")
	ask := func(bucket, origin, method string) (*http.Response, string) {
		return r.http.do(t, "OPTIONS", r.base+"/"+bucket+"/k", http.Header{"Origin": {origin}, "Access-Control-Request-Method": {method}, "Access-Control-Request-Headers": {"x-amz-date, content-type"}}, nil)
	}
	if res, b := ask("cors", "https://app.example", "PUT"); res.StatusCode != 403 || !strings.Contains(b, "CORSResponse: CORS is not enabled for this bucket.") {
		t.Errorf("without a configuration: %d %s", res.StatusCode, b)
	}
	if _, err := r.s3("us-west-2").PutBucketCors(ctx, &s3.PutBucketCorsInput{Bucket: aws.String("cors"), CORSConfiguration: &types.CORSConfiguration{CORSRules: []types.CORSRule{{
		AllowedOrigins: []string{"https://*.example"}, AllowedMethods: []string{"PUT", "GET"}, AllowedHeaders: []string{"*"}, ExposeHeaders: []string{"ETag"}, MaxAgeSeconds: aws.Int32(60),
	}}}}); err != nil {
		t.Fatal(err)
	}
	res, b := ask("cors", "https://app.example", "PUT")
	h := res.Header
	if res.StatusCode != 200 || h.Get("Access-Control-Allow-Origin") != "https://app.example" || h.Get("Access-Control-Allow-Methods") != "PUT, GET" ||
		h.Get("Access-Control-Max-Age") != "60" || h.Get("Access-Control-Allow-Credentials") != "true" || h.Get("Access-Control-Expose-Headers") != "ETag" ||
		!strings.Contains(h.Get("Access-Control-Allow-Headers"), "x-amz-date") || !strings.Contains(h.Get("Vary"), "Origin") {
		t.Errorf("allowed: %d %v %s", res.StatusCode, h, b)
	}
	if res, b := ask("cors", "https://app.example", "DELETE"); res.StatusCode != 403 || !strings.Contains(b, "<Code>AccessForbidden</Code>") {
		t.Errorf("another method: %d %s", res.StatusCode, b)
	}
	if res, b := ask("cors", "https://elsewhere.test", "PUT"); res.StatusCode != 403 || !strings.Contains(b, "This CORS request is not allowed.") {
		t.Errorf("another origin: %d %s", res.StatusCode, b)
	}
	// The request itself is told the same, also when it is refused.
	put, err := s3.NewPresignClient(r.s3("us-west-2")).PresignPutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("cors"), Key: aws.String("k")})
	must(r, put, err)
	put.SignedHeader.Set("Origin", "https://app.example")
	if res, b := r.http.do(t, put.Method, put.URL, put.SignedHeader, strings.NewReader("x")); res.StatusCode != 200 || res.Header.Get("Access-Control-Allow-Origin") != "https://app.example" || res.Header.Get("Access-Control-Expose-Headers") != "ETag" {
		t.Errorf("put: %d %v %s", res.StatusCode, res.Header, b)
	}
	if res, _ := r.http.do(t, "GET", r.base+"/cors/k", http.Header{"Origin": {"https://app.example"}}, nil); res.StatusCode != 403 || res.Header.Get("Access-Control-Allow-Origin") != "https://app.example" {
		t.Errorf("refused: %d %v", res.StatusCode, res.Header)
	}
}

// walkVirtual: the same with the bucket's name in the host.
func walkVirtual(r *realm) {
	t, ctx := r.t, r.t.Context()
	r.bucket("us-west-2", "hosted", "enabled")
	c := r.virtual("us-west-2")
	for _, key := range []string{"k", "a//b", "a/../b", "./x", "ü +%2F"} {
		if _, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("hosted"), Key: &key, Body: strings.NewReader("body of " + key)}); err != nil {
			t.Errorf("%q: %v", key, err)
			continue
		}
		equal(t, key, r.body("us-west-2", "hosted", key), []byte("body of "+key))
		out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("hosted"), Key: &key})
		must(r, out, err)
		b, err := io.ReadAll(out.Body)
		equal(t, key, must(r, b, err), []byte("body of "+key))
	}
	list, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String("hosted")})
	if must(r, list, err); len(list.Contents) != 5 {
		t.Errorf("listed %d", len(list.Contents))
	}
	_, err = c.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: aws.String("hosted")})
	r.refused("a bucket with objects", err, "BucketNotEmpty")
	if m := message(err); m != "The bucket you tried to delete is not empty. You must delete all versions in the bucket." {
		t.Errorf("message %q", m)
	}
	_, err = r.virtual("us-east-1").ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String("hosted")})
	r.refused("through another region", err, "PermanentRedirect")
	_, err = c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String("nobody-has-this")})
	r.refused("no such bucket", err, "NoSuchBucket")
}
