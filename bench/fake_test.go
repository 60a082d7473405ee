package bench

import (
	"bytes"
	"cmp"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/smithy-go/aws-http-auth/credentials"
)

// fakeAccount owns everything in a fake.
const fakeAccount = "123456789012"

// fake is an S3 in memory, as much of it as the client calls, that accepts
// nothing but true signatures and true hashes.
type fake struct {
	mu       sync.Mutex
	region   string
	buckets  map[string]*fakeBucket
	calls    map[string]int // by method and kind
	serial   int
	ship     func(bucket, key string, v fakeVersion) // what a replication rule does
	tamper   func(w http.ResponseWriter, r *http.Request) bool
	pageSize int
	hide     string // key that lists leave out
}

type fakeBucket struct {
	versioned bool
	rule      string // destination bucket
	keys      map[string][]fakeVersion
}

// fakeVersion is a version or, without content, a delete marker; the last one
// of a key is current.
type fakeVersion struct {
	id      string
	content []byte
	marker  bool
}

func newFake(region string) *fake {
	return &fake{region: region, buckets: make(map[string]*fakeBucket), calls: make(map[string]int), pageSize: pageSize}
}

func (f *fake) serve(t *testing.T) *Target {
	t.Helper()
	srv := httptest.NewUnstartedServer(f)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.Start()
	t.Cleanup(srv.Close)
	return &Target{Endpoints: []string{srv.URL}, Region: f.region, AccessKey: "AKID", SecretKey: "secret", Bucket: "bucket"}
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>fake</Message></Error>", code)
}

// authentic checks the signature with AWS's own signer, and the hashes.
func (f *fake) authentic(r *http.Request, content []byte) string {
	service := "s3"
	for _, other := range []string{"sts", "iam"} {
		if strings.Contains(r.Header.Get("Authorization"), "/"+other+"/") {
			service = other
		}
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil || time.Since(at).Abs() > time.Minute {
		return "RequestTimeTooSkewed"
	}
	want, err := authorization(r, credentials.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret"}, service, f.region, at)
	if err != nil || r.Header.Get("Authorization") != want {
		return "SignatureDoesNotMatch"
	}
	sum := sha256.Sum256(content)
	if h := r.Header.Get("X-Amz-Content-Sha256"); h != unsignedPayload && h != hex.EncodeToString(sum[:]) {
		return "XAmzContentSHA256Mismatch"
	}
	return ""
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	content, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if r.URL.Path == "/-/ready" {
		return
	}
	if code := f.authentic(r, content); code != "" {
		refuse(w, 403, code)
		return
	}
	if f.tamper != nil && f.tamper(w, r) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	name, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if name == "" {
		if bytes.Contains(content, []byte("2010-05-08")) {
			f.calls["iam"]++
			fmt.Fprint(w, "<CreateRoleResponse></CreateRoleResponse>")
			return
		}
		f.calls["sts"]++
		fmt.Fprintf(w, "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>%s</Account></GetCallerIdentityResult></GetCallerIdentityResponse>", fakeAccount)
		return
	}
	b := f.buckets[name]
	q := r.URL.Query()
	if key == "" {
		f.bucket(w, r, name, b, q, content)
		return
	}
	if b == nil {
		refuse(w, 404, "NoSuchBucket")
		return
	}
	f.calls[r.Method]++
	f.object(w, r, name, key, b, q.Get("versionId"), content)
}

func (f *fake) bucket(w http.ResponseWriter, r *http.Request, name string, b *fakeBucket, q url.Values, content []byte) {
	if b == nil && !(r.Method == http.MethodPut && len(q) == 0) {
		refuse(w, 404, "NoSuchBucket")
		return
	}
	if r.Method == http.MethodPost && q.Has("delete") || r.Method == http.MethodPut && len(q) > 0 {
		if r.Header.Get("Content-Md5") == "" {
			refuse(w, 400, "InvalidRequest")
			return
		}
	}
	switch {
	case r.Method == http.MethodHead:
	case r.Method == http.MethodPut && q.Has("versioning"):
		b.versioned = bytes.Contains(content, []byte("<Status>Enabled</Status>"))
	case r.Method == http.MethodPut && q.Has("replication"):
		var doc struct {
			Role string
			Rule []struct{ Destination struct{ Bucket string } }
		}
		if xml.Unmarshal(content, &doc) != nil || len(doc.Rule) != 1 || doc.Role != "arn:aws:iam::"+fakeAccount+":role/replication" || !b.versioned {
			refuse(w, 400, "InvalidRequest")
			return
		}
		b.rule = strings.TrimPrefix(doc.Rule[0].Destination.Bucket, "arn:aws:s3:::")
	case r.Method == http.MethodPut && len(q) == 0:
		located := bytes.Contains(content, []byte("<LocationConstraint>"+f.region+"</LocationConstraint>"))
		if located == (f.region == "us-east-1") {
			refuse(w, 400, "IllegalLocationConstraintException")
			return
		}
		f.buckets[name] = &fakeBucket{keys: make(map[string][]fakeVersion)}
	case r.Method == http.MethodPost && q.Has("delete"):
		f.deleteMany(b, content)
		fmt.Fprint(w, "<DeleteResult></DeleteResult>")
	case r.Method == http.MethodGet && q.Has("versions"):
		f.calls["versions"]++
		f.listVersions(w, b, q)
	case r.Method == http.MethodGet && q.Get("list-type") == "2":
		f.calls["list"]++
		f.list(w, b, q)
	default:
		refuse(w, 501, "NotImplemented")
	}
}

func (f *fake) object(w http.ResponseWriter, r *http.Request, name, key string, b *fakeBucket, version string, content []byte) {
	vs := b.keys[key]
	switch r.Method {
	case http.MethodPut:
		f.serial++
		v := fakeVersion{id: fmt.Sprintf("v%d", f.serial), content: content}
		if id := r.Header.Get("X-Fake-Version"); id != "" {
			v.id = id
		}
		if !b.versioned {
			vs = nil
		}
		b.keys[key] = append(vs, v)
		f.describe(w, b, v)
		if b.rule != "" && f.ship != nil {
			f.ship(b.rule, key, v)
		}
	case http.MethodGet, http.MethodHead:
		if len(vs) == 0 || vs[len(vs)-1].marker {
			refuse(w, 404, "NoSuchKey")
			return
		}
		v := vs[len(vs)-1]
		f.describe(w, b, v)
		w.Header().Set("Content-Length", strconv.Itoa(len(v.content)))
		if r.Method == http.MethodGet {
			_, _ = w.Write(v.content)
		}
	case http.MethodDelete:
		f.delete(b, key, version)
		w.WriteHeader(204)
	}
}

func (f *fake) describe(w http.ResponseWriter, b *fakeBucket, v fakeVersion) {
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, md5.Sum(v.content)))
	if b.versioned {
		w.Header().Set("X-Amz-Version-Id", v.id)
	}
}

func (f *fake) delete(b *fakeBucket, key, version string) {
	switch {
	case version != "":
		b.keys[key] = slices.DeleteFunc(b.keys[key], func(v fakeVersion) bool { return v.id == version })
	case b.versioned:
		f.serial++
		b.keys[key] = append(b.keys[key], fakeVersion{id: fmt.Sprintf("v%d", f.serial), marker: true})
	default:
		b.keys[key] = nil
	}
	if len(b.keys[key]) == 0 {
		delete(b.keys, key)
	}
}

func (f *fake) deleteMany(b *fakeBucket, content []byte) {
	var doc struct {
		Object []versionID
	}
	if xml.Unmarshal(content, &doc) != nil {
		return
	}
	f.calls["delete many"]++
	for _, o := range doc.Object {
		f.delete(b, o.Key, o.VersionID)
	}
}

// list answers ListObjectsV2: keys and common prefixes in order.
func (f *fake) list(w http.ResponseWriter, b *fakeBucket, q url.Values) {
	prefix, delimiter, after := q.Get("prefix"), q.Get("delimiter"), cmp.Or(q.Get("continuation-token"), q.Get("start-after"))
	var entries []string
	for key, vs := range b.keys {
		rest, ok := strings.CutPrefix(key, prefix)
		if !ok || len(vs) == 0 || vs[len(vs)-1].marker || key == f.hide {
			continue
		}
		if i := strings.Index(rest, "/"); delimiter != "" && i >= 0 {
			key = prefix + rest[:i+1]
		}
		if key > after {
			entries = append(entries, key)
		}
	}
	slices.Sort(entries)
	entries = slices.Compact(entries)
	truncated := len(entries) > f.pageSize
	entries = entries[:min(len(entries), f.pageSize)]
	fmt.Fprintf(w, "<ListBucketResult><Name>bucket</Name><IsTruncated>%v</IsTruncated>", truncated)
	for _, e := range entries {
		var text bytes.Buffer
		_ = xml.EscapeText(&text, []byte(e))
		if delimiter != "" && strings.HasSuffix(e, delimiter) {
			fmt.Fprintf(w, "<CommonPrefixes><Prefix>%s</Prefix></CommonPrefixes>", &text)
		} else {
			fmt.Fprintf(w, "<Contents><Key>%s</Key></Contents>", &text)
		}
	}
	if truncated {
		fmt.Fprintf(w, "<NextContinuationToken>%s</NextContinuationToken>", entries[len(entries)-1])
	}
	fmt.Fprint(w, "</ListBucketResult>")
}

// listVersions answers ListObjectVersions, newest first for each key.
func (f *fake) listVersions(w http.ResponseWriter, b *fakeBucket, q url.Values) {
	var keys []string
	for key := range b.keys {
		if strings.HasPrefix(key, q.Get("prefix")) && key >= q.Get("key-marker") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	var page strings.Builder
	n, skipping := 0, q.Get("version-id-marker") != ""
	var last versionID
	truncated := false
	for _, key := range keys {
		vs := b.keys[key]
		for i := len(vs) - 1; i >= 0 && !truncated; i-- {
			if key == q.Get("key-marker") && skipping {
				// An ID that has been deleted meanwhile is behind us as well:
				// IDs ascend.
				skipping = idNumber(vs[i].id) > idNumber(q.Get("version-id-marker"))
				if !skipping && vs[i].id != q.Get("version-id-marker") {
					i++
				}
				continue
			}
			if n == f.pageSize {
				truncated = true
				break
			}
			n++
			kind := "Version"
			if vs[i].marker {
				kind = "DeleteMarker"
			}
			last = versionID{key, vs[i].id}
			fmt.Fprintf(&page, "<%s><Key>%s</Key><VersionId>%s</VersionId></%s>", kind, key, vs[i].id, kind)
		}
		skipping = false
	}
	fmt.Fprintf(w, "<ListVersionsResult><IsTruncated>%v</IsTruncated>", truncated)
	if truncated {
		fmt.Fprintf(w, "<NextKeyMarker>%s</NextKeyMarker><NextVersionIdMarker>%s</NextVersionIdMarker>", last.Key, last.VersionID)
	}
	fmt.Fprintf(w, "%s</ListVersionsResult>", &page)
}

func idNumber(id string) int { n, _ := strconv.Atoi(strings.TrimPrefix(id, "v")); return n }

func (f *fake) count(bucket string) (keys, versions int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.buckets[bucket]
	if b == nil {
		return 0, 0
	}
	for _, vs := range b.keys {
		keys++
		versions += len(vs)
	}
	return keys, versions
}

// freeAddress gives an address of this machine that nothing listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
