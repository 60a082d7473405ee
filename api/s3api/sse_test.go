package s3api

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/objectkey"
	"github.com/farhold/farhold/objectkey/fakekms"
	"github.com/farhold/farhold/seal"
)

// vault is a world with a KMS that is reached over TLS.
type vault struct {
	*world
	tls  *httptest.Server // the door's; the world's own server speaks in clear
	kms  *fakekms.KMS
	key  string        // ARN of a key of the test's account, alias/k
	skip time.Duration // how far the keys' clock is ahead
}

func newVault(t testing.TB) *vault {
	v := &vault{world: newWorld(t), kms: fakekms.New("us-east-1")}
	v.key = v.kms.Create(testAccount, "alias/k")
	region, err := seal.NewRegionKeeper([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	v.door.opt.Keys = objectkey.New(objectkey.Options{Region: region, KMS: v.kms, Now: func() time.Time { return time.Now().Add(v.skip) }})
	v.serveTLS()
	return v
}

func (v *vault) serveTLS() {
	v.tls = httptest.NewTLSServer(v.door)
	v.t.Cleanup(v.tls.Close)
}

// send is the world's over TLS.
func (v *vault) send(r *http.Request) answer {
	v.t.Helper()
	r.URL.Opaque = strings.TrimPrefix(r.URL.Opaque, "//"+r.URL.Host)
	r.URL.Scheme, r.URL.Host = "https", strings.TrimPrefix(v.tls.URL, "https://") // what was signed is r.Host
	resp, err := v.tls.Client().Do(r)
	if err != nil {
		v.t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatalf("%s %s: reading the answer: %v", r.Method, r.URL, err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

func (v *vault) do(method, target string, body []byte, headers ...string) answer {
	v.t.Helper()
	return v.send(v.sign(v.request(method, target, body, headers...), body))
}

func (v *vault) client() *sdk.Client {
	return v.sdk(func(o *sdk.Options) { o.HTTPClient, o.BaseEndpoint = v.tls.Client(), aws.String(v.tls.URL) })
}

// make makes a bucket that takes customers' keys.
func (v *vault) make(name string) {
	v.t.Helper()
	if _, err := v.client().CreateBucket(context.Background(), &sdk.CreateBucketInput{Bucket: &name}); err != nil {
		v.t.Fatal(err)
	}
	v.encryption(name, "<ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BlockedEncryptionTypes><EncryptionType>NONE</EncryptionType></BlockedEncryptionTypes>")
}

// encryption sets a bucket's default encryption.
func (v *vault) encryption(bucket, rule string) {
	v.t.Helper()
	doc := []byte("<ServerSideEncryptionConfiguration><Rule>" + rule + "</Rule></ServerSideEncryptionConfiguration>")
	sum := md5.Sum(doc)
	v.do("PUT", "/"+bucket+"?encryption", doc, "Content-MD5", base64.StdEncoding.EncodeToString(sum[:])).want(v.t, 200, "")
}

// customerKey gives the headers of a customer's key, with a prefix for those of
// a copy's source.
func customerKey(b byte, prefix string) []string {
	key := bytes.Repeat([]byte{b, b ^ 0x55}, 16)
	sum := md5.Sum(key)
	return []string{
		prefix + "server-side-encryption-customer-algorithm", "AES256",
		prefix + "server-side-encryption-customer-key", base64.StdEncoding.EncodeToString(key),
		prefix + "server-side-encryption-customer-key-md5", base64.StdEncoding.EncodeToString(sum[:]),
	}
}

const ofCopy, ofObject = "x-amz-copy-source-", "x-amz-"

// sealing is a way to encrypt an object.
type sealing struct {
	name  string
	write []string          // headers that ask for it
	read  []string          // headers that reading takes
	shown map[string]string // headers that tell of it
	md5   bool              // the ETag is the MD5
}

func (v *vault) sealings() []sealing {
	const sse, keyID, bucketKey = "X-Amz-Server-Side-Encryption", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", "X-Amz-Server-Side-Encryption-Bucket-Key-Enabled"
	customer := customerKey('c', ofObject)
	return []sealing{
		{"nothing", nil, nil, map[string]string{sse: "AES256"}, true},
		{"SSE-S3", []string{sse, "AES256"}, nil, map[string]string{sse: "AES256"}, true},
		{"SSE-KMS", []string{sse, "aws:kms", keyID, v.key}, nil, map[string]string{sse: "aws:kms", keyID: v.key}, false},
		{"SSE-KMS with a bucket key", []string{sse, "aws:kms", keyID, "alias/k", bucketKey, "true"}, nil, map[string]string{sse: "aws:kms", keyID: v.key, bucketKey: "true"}, false},
		{"DSSE-KMS", []string{sse, "aws:kms:dsse", keyID, v.key}, nil, map[string]string{sse: "aws:kms:dsse", keyID: v.key}, false},
		{"SSE-C", customer, customer, map[string]string{"X-Amz-Server-Side-Encryption-Customer-Algorithm": "AES256", "X-Amz-Server-Side-Encryption-Customer-Key-Md5": customer[5]}, false},
	}
}

// shows checks that an answer tells of the encryption, and of no other.
func (s *sealing) shows(t testing.TB, what string, a answer) {
	t.Helper()
	n := 0
	for name := range a.header {
		if strings.HasPrefix(name, "X-Amz-Server-Side-Encryption") {
			n++
		}
	}
	for name, value := range s.shown {
		if a.header.Get(name) != value {
			t.Errorf("%s: %s shows %s %q, want %q", s.name, what, name, a.header.Get(name), value)
		}
	}
	if n != len(s.shown) {
		t.Errorf("%s: %s shows %v", s.name, what, a.header)
	}
}

func TestEncryptionRoundTrips(t *testing.T) {
	v := newVault(t)
	v.make("bucket")
	for _, s := range v.sealings() {
		for _, size := range []int{0, 1, 4096, 16 << 10, 16<<10 + 1, 3*seal.FrameSize + 17} {
			body := randomBytes(size)
			target := fmt.Sprintf("/bucket/%d-%d", len(s.name), size)
			a := v.do("PUT", target, body, s.write...)
			a.want(t, 200, "")
			s.shows(t, "PUT", a)
			sum := md5.Sum(body)
			if etag := strings.Trim(a.header.Get("Etag"), `"`); (etag == hex.EncodeToString(sum[:])) != s.md5 || len(etag) != 32 {
				t.Errorf("%s: ETag %s", s.name, etag)
			}
			checksum := a.header.Get("X-Amz-Checksum-Crc64nvme")
			g := v.do("GET", target, nil, append([]string{"x-amz-checksum-mode", "ENABLED"}, s.read...)...)
			g.want(t, 200, "")
			s.shows(t, "GET", g)
			if g.body != string(body) || g.header.Get("Etag") != a.header.Get("Etag") || checksum == "" || g.header.Get("X-Amz-Checksum-Crc64nvme") != checksum {
				t.Errorf("%s, %d bytes: GET gave %d bytes, %v", s.name, size, len(g.body), g.header)
			}
			h := v.do("HEAD", target, nil, s.read...)
			h.want(t, 200, "")
			s.shows(t, "HEAD", h)
			for _, span := range [][2]int{{0, 0}, {1, 1}, {size / 2, size - 1}, {seal.FrameSize - 1, seal.FrameSize}, {2 * seal.FrameSize, 3*seal.FrameSize - 1}, {size - 1, size - 1}} {
				if span[1] >= size || span[0] < 0 || span[0] > span[1] {
					continue
				}
				g := v.do("GET", target, nil, append([]string{"Range", fmt.Sprintf("bytes=%d-%d", span[0], span[1])}, s.read...)...)
				if g.status != 206 || g.body != string(body[span[0]:span[1]+1]) {
					t.Errorf("%s, %d bytes, range %v: %d and %d bytes", s.name, size, span, g.status, len(g.body))
				}
			}
			at := v.do("GET", target+"?attributes", nil, append([]string{"x-amz-object-attributes", "ETag,Checksum,ObjectSize"}, s.read...)...)
			at.want(t, 200, "")
			if at.element("ObjectSize") != fmt.Sprint(size) || at.element("ChecksumCRC64NVME") != checksum {
				t.Errorf("%s: %s", s.name, at.body)
			}
		}
	}
}

func TestEncryptedUploads(t *testing.T) {
	v := newVault(t)
	v.make("bucket")
	parts := [][]byte{randomBytes(5<<20 + 3), randomBytes(200_000)}
	whole := bytes.Join(parts, nil)
	for _, s := range v.sealings() {
		const target = "/bucket/big"
		a := v.do("POST", target+"?uploads", nil, s.write...)
		a.want(t, 200, "")
		s.shows(t, "Create", a)
		id := a.element("UploadId")
		var etags []string
		for i, p := range parts {
			a := v.do("PUT", fmt.Sprintf("%s?partNumber=%d&uploadId=%s", target, i+1, id), p, s.read...)
			a.want(t, 200, "")
			s.shows(t, "UploadPart", a)
			sum := md5.Sum(p)
			if etag := strings.Trim(a.header.Get("Etag"), `"`); (etag == hex.EncodeToString(sum[:])) != s.md5 || len(etag) != 32 {
				t.Errorf("%s: ETag of a part %s", s.name, etag)
			}
			etags = append(etags, a.header.Get("Etag"))
		}
		v.kms.Calls()
		a = v.do("POST", target+"?uploadId="+id, completion(etags))
		a.want(t, 200, "")
		if s.name == "SSE-C" {
			if strings.Contains(fmt.Sprint(a.header), "Server-Side-Encryption") {
				t.Errorf("Complete shows %v", a.header)
			}
		} else {
			s.shows(t, "Complete", a)
		}
		if etag := strings.Trim(a.element("ETag"), `"&quot;`); len(etag) != 34 || !strings.HasSuffix(etag, "-2") {
			t.Errorf("%s: ETag %s", s.name, a.element("ETag"))
		}
		g := v.do("GET", target, nil, append([]string{"x-amz-checksum-mode", "ENABLED"}, s.read...)...)
		g.want(t, 200, "")
		s.shows(t, "GET", g)
		// Of an object under a customer's key AWS keeps no checksum that nobody
		// asked for.
		if kept := g.header.Get("X-Amz-Checksum-Crc64nvme") != ""; kept == (s.name == "SSE-C") {
			t.Errorf("%s: checksums %v", s.name, g.header)
		}
		if g.body != string(whole) {
			t.Errorf("%s: GET gave %d other bytes", s.name, len(g.body))
		}
		for i, p := range parts {
			g := v.do("GET", fmt.Sprintf("%s?partNumber=%d", target, i+1), nil, s.read...)
			if g.status != 206 || g.body != string(p) {
				t.Errorf("%s: part %d: %d and %d bytes", s.name, i+1, g.status, len(g.body))
			}
		}
		first := len(parts[0])
		g = v.do("GET", target, nil, append([]string{"Range", fmt.Sprintf("bytes=%d-%d", first-70_000, first+70_000)}, s.read...)...)
		if g.status != 206 || g.body != string(whole[first-70_000:first+70_001]) {
			t.Errorf("%s: range over parts: %d and %d bytes", s.name, g.status, len(g.body))
		}
	}
}

// TestCustomerCompletion: where an upload under a customer's key has a checksum
// algorithm, its completion takes the key, as AWS documents.
func TestCustomerCompletion(t *testing.T) {
	v := newVault(t)
	v.make("bucket")
	customer := customerKey('c', ofObject)
	const target = "/bucket/key"
	a := v.do("POST", target+"?uploads", nil, append([]string{"x-amz-checksum-algorithm", "CRC32"}, customer...)...)
	a.want(t, 200, "")
	id := a.element("UploadId")
	sum := sumOf("CRC32", "x")
	p := v.do("PUT", target+"?partNumber=1&uploadId="+id, []byte("x"), append([]string{"x-amz-checksum-crc32", sum}, customer...)...)
	p.want(t, 200, "")
	body := completion([]string{p.header.Get("Etag")}, "<ChecksumCRC32>"+sum+"</ChecksumCRC32>")
	v.do("POST", target+"?uploadId="+id, body).want(t, 400, "InvalidRequest")
	v.do("POST", target+"?uploadId="+id, body, customerKey('d', ofObject)...).want(t, 400, "InvalidRequest")
	v.do("POST", target+"?uploadId="+id, body, customer...).want(t, 200, "")
}

// TestEncryptedCopies copies from each way to each other one, and into uploads.
func TestEncryptedCopies(t *testing.T) {
	v := newVault(t)
	v.make("bucket")
	body := randomBytes(100_000)
	for i, from := range v.sealings() {
		source := fmt.Sprintf("bucket/from%d", i)
		v.do("PUT", "/"+source, body, from.write...).want(t, 200, "")
		var read []string
		if len(from.read) > 0 {
			read = customerKey('c', ofCopy)
		}
		for j, to := range v.sealings() {
			target := fmt.Sprintf("/bucket/to%d-%d", i, j)
			a := v.do("PUT", target, nil, append(append([]string{"x-amz-copy-source", source}, read...), to.write...)...)
			a.want(t, 200, "")
			to.shows(t, "Copy", a)
			g := v.do("GET", target, nil, to.read...)
			g.want(t, 200, "")
			to.shows(t, "GET of a copy", g)
			if g.body != string(body) {
				t.Errorf("%s to %s: other bytes", from.name, to.name)
			}
			sum := md5.Sum(body)
			if (strings.Trim(g.header.Get("Etag"), `"`) == hex.EncodeToString(sum[:])) != to.md5 {
				t.Errorf("%s to %s: ETag %s", from.name, to.name, g.header.Get("Etag"))
			}
			id := v.do("POST", target+"?uploads", nil, to.write...).element("UploadId")
			a = v.do("PUT", target+"?partNumber=1&uploadId="+id, nil, append(append([]string{"x-amz-copy-source", source}, read...), to.read...)...)
			a.want(t, 200, "")
			to.shows(t, "UploadPartCopy", a)
			v.do("POST", target+"?uploadId="+id, completion([]string{strings.ReplaceAll(a.element("ETag"), "&quot;", `"`)})).want(t, 200, "")
			if g := v.do("GET", target, nil, to.read...); g.body != string(body) {
				t.Errorf("%s to %s by parts: %d", from.name, to.name, g.status)
			}
		}
	}
	// In place: the encryption is what changes.
	v.do("PUT", "/bucket/self", body, "x-amz-server-side-encryption", "aws:kms").want(t, 200, "")
	a := v.do("PUT", "/bucket/self", nil, "x-amz-copy-source", "bucket/self")
	a.want(t, 200, "")
	if a.header.Get("X-Amz-Server-Side-Encryption") != "AES256" {
		t.Errorf("a copy takes its source's encryption: %v", a.header)
	}
}

func TestCustomerKeyValidation(t *testing.T) {
	v := newVault(t)
	v.make("bucket")
	good := customerKey('c', ofObject)
	set := func(changes ...string) []string {
		h := append([]string(nil), good...)
		for i := 0; i < len(changes); i += 2 {
			found := false
			for j := 0; j < len(h); j += 2 {
				if h[j] == changes[i] {
					found = true
					h[j+1] = changes[i+1]
				}
			}
			if !found {
				h = append(h, changes[i], changes[i+1])
			}
		}
		var out []string
		for j := 0; j < len(h); j += 2 {
			if h[j+1] != "" {
				out = append(out, h[j], h[j+1])
			}
		}
		return out
	}
	short := []byte("0123456789")
	shortSum := md5.Sum(short)
	short64, shortMD5 := base64.StdEncoding.EncodeToString(short), base64.StdEncoding.EncodeToString(shortSum[:])
	const algorithm, key, sum = "x-amz-server-side-encryption-customer-algorithm", "x-amz-server-side-encryption-customer-key", "x-amz-server-side-encryption-customer-key-md5"
	for _, c := range []struct {
		name          string
		headers       []string
		code, message string
		value         string // ArgumentValue
	}{
		{"both kinds", set("x-amz-server-side-encryption", "AES256", algorithm, "KMS"), "InvalidArgument", "Server Side Encryption with Customer provided key is incompatible with the encryption method specified", "AES256"},
		{"algorithm", set(algorithm, "KMS"), "InvalidEncryptionAlgorithmError", "The Encryption request you specified is not valid. Supported value: AES256.", "KMS"},
		{"no algorithm", set(algorithm, ""), "InvalidArgument", "Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.", ""},
		{"no key", set(key, ""), "InvalidArgument", "Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key.", ""},
		{"no MD5", set(sum, ""), "InvalidArgument", "Requests specifying Server Side Encryption with Customer provided keys must provide the client calculated MD5 of the secret key.", ""},
		{"short key", set(key, short64, sum, shortMD5), "InvalidArgument", "The secret key was invalid for the specified algorithm.", ""},
		{"no base64", set(key, "*"), "InvalidArgument", "The secret key was invalid for the specified algorithm.", ""},
		{"MD5 of another", set(sum, shortMD5), "InvalidArgument", "The calculated MD5 hash of the key did not match the hash that was provided.", ""},
		{"MD5 of none", set(sum, "x"), "InvalidArgument", "The calculated MD5 hash of the key did not match the hash that was provided.", ""},
	} {
		for _, a := range []answer{
			v.do("PUT", "/bucket/key", []byte("x"), c.headers...),
			v.do("POST", "/bucket/key?uploads", nil, c.headers...),
		} {
			a.want(t, 400, c.code)
			if a.element("Message") != c.message || a.element("ArgumentName") != "x-amz-server-side-encryption" || a.element("ArgumentValue") != c.value {
				t.Errorf("%s: %s", c.name, a.body)
			}
		}
	}
	for header, c := range map[string]struct{ value, code, message string }{
		"x-amz-server-side-encryption":                      {"ROT13", "InvalidArgument", "The encryption method specified is not supported"},
		"x-amz-server-side-encryption-aws-kms-key-id":       {"k", "InvalidArgument", "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms"},
		"x-amz-server-side-encryption-context":              {"e30=", "InvalidArgument", "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms"},
		"x-amz-server-side-encryption-bucket-key-enabled":   {"perhaps", "InvalidArgument", "The value of x-amz-server-side-encryption-bucket-key-enabled must be true or false"},
		"x-amz-server-side-encryption-customer-key-md5":     {"k", "InvalidArgument", "Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm."},
		"x-amz-copy-source-server-side-encryption-customer": {"k", "", ""},
	} {
		a := v.do("PUT", "/bucket/key", nil, header, c.value)
		if a.code() != c.code || a.element("Message") != c.message {
			t.Errorf("%s: %s", header, a.body)
		}
	}
	const contextText = "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map"
	for _, bad := range []string{"*", "bm8=", "WzFd", "eyJhIjoxfQ==", "bnVsbA==", base64.StdEncoding.EncodeToString([]byte(`{"aws:s3:arn":"arn:aws:s3:::bucket/other"}`))} {
		a := v.do("PUT", "/bucket/key", nil, "x-amz-server-side-encryption", "aws:kms", "x-amz-server-side-encryption-context", bad)
		a.want(t, 400, "InvalidArgument")
		if a.element("Message") != strings.ReplaceAll(contextText, "'", "&#39;") && a.element("Message") != contextText && a.element("Message") != strings.ReplaceAll(contextText, "'", "&apos;") {
			t.Errorf("%s: %s", bad, a.body)
		}
	}
}

// TestCustomerKeyReads tries to read without the key, and with another one.
func TestCustomerKeyReads(t *testing.T) {
	v := newVault(t)
	v.make("bucket")
	good, other := customerKey('c', ofObject), customerKey('d', ofObject)
	v.do("PUT", "/bucket/key", []byte("secret"), good...).want(t, 200, "")
	v.do("PUT", "/bucket/plain", []byte("plain")).want(t, 200, "")
	id := v.do("POST", "/bucket/up?uploads", nil, good...).element("UploadId")
	open := v.do("POST", "/bucket/up?uploads", nil).element("UploadId")
	etag := v.do("GET", "/bucket/key", nil, good...).header.Get("Etag")
	const (
		required   = "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object."
		wrong      = "Requests specifying Server Side Encryption with Customer provided keys must provide the correct secret key."
		needless   = "The encryption parameters are not applicable to this object."
		partWithin = "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters."
		partOther  = "The provided encryption parameters did not match the ones used originally."
	)
	attributes := func(h []string) []string { return append([]string{"x-amz-object-attributes", "ETag"}, h...) }
	ifNone := func(h []string) []string { return append([]string{"If-None-Match", etag}, h...) }
	copyOf := func(key string, h ...string) []string {
		return append([]string{"x-amz-copy-source", "bucket/" + key}, h...)
	}
	// A key with its true MD5 and the wrong length is a wrong key to a reader.
	odd := []byte(good[3])
	oddSum := md5.Sum(odd)
	long := []string{good[0], "AES256", good[2], base64.StdEncoding.EncodeToString(odd), good[4], base64.StdEncoding.EncodeToString(oddSum[:])}
	for _, c := range []struct {
		method, target string
		headers        []string
		status         int
		code, message  string
	}{
		{"GET", "/bucket/key", nil, 400, "InvalidRequest", required},
		{"GET", "/bucket/key", other, 403, "AccessDenied", wrong},
		{"GET", "/bucket/key", long, 403, "AccessDenied", wrong},
		{"GET", "/bucket/key", ifNone(nil), 400, "InvalidRequest", required},
		{"GET", "/bucket/key", ifNone(other), 403, "AccessDenied", wrong},
		{"HEAD", "/bucket/key", nil, 400, "", ""},
		{"HEAD", "/bucket/key", other, 403, "", ""},
		{"GET", "/bucket/key?attributes", attributes(nil), 400, "InvalidRequest", required},
		{"GET", "/bucket/key?attributes", attributes(other), 403, "AccessDenied", wrong},
		{"GET", "/bucket/plain", good, 400, "InvalidRequest", needless},
		{"HEAD", "/bucket/plain", good, 400, "", ""},
		{"GET", "/bucket/plain", []string{"x-amz-server-side-encryption", "AES256"}, 400, "InvalidArgument", "x-amz-server-side-encryption header is not supported for this operation."},
		{"PUT", "/bucket/copy", copyOf("key"), 400, "InvalidRequest", required},
		{"PUT", "/bucket/copy", copyOf("key", customerKey('d', ofCopy)...), 403, "AccessDenied", wrong},
		{"PUT", "/bucket/copy", copyOf("key", good...), 400, "InvalidRequest", required}, // the target's key is not the source's
		{"PUT", "/bucket/copy", copyOf("plain", customerKey('c', ofCopy)...), 400, "InvalidRequest", needless},
		{"PUT", "/bucket/up?partNumber=1&uploadId=" + id, nil, 400, "InvalidRequest", partWithin},
		{"PUT", "/bucket/up?partNumber=1&uploadId=" + id, other, 400, "InvalidRequest", partOther},
		{"PUT", "/bucket/up?partNumber=1&uploadId=" + open, good, 400, "InvalidRequest", partWithin},
		{"PUT", "/bucket/up?partNumber=1&uploadId=" + id, copyOf("plain"), 400, "InvalidRequest", partWithin},
		{"PUT", "/bucket/up?partNumber=1&uploadId=" + id, copyOf("plain", other...), 400, "InvalidRequest", partOther},
		{"PUT", "/bucket/up?partNumber=1&uploadId=" + id, copyOf("key", good...), 400, "InvalidRequest", required},
		{"GET", "/bucket/up?uploadId=" + id, other, 400, "InvalidRequest", partOther},
	} {
		a := v.do(c.method, c.target, nil, c.headers...)
		if a.status != c.status || a.code() != c.code || a.element("Message") != c.message {
			t.Errorf("%s %s %v: %d %s", c.method, c.target, c.headers, a.status, a.body)
		}
	}
	if a := v.do("GET", "/bucket/key", nil, ifNone(good)...); a.status != 304 {
		t.Errorf("If-None-Match with the key: %d", a.status)
	}
	if s := v.log.String(); strings.Contains(s, good[3]) {
		t.Error("the log shows a customer's key")
	}
}

// TestCustomerKeyInClear: a key that came without TLS is refused, and with it
// whatever it was for.
func TestCustomerKeyInClear(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	w.put("bucket", "key", "hello")
	const text = "Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection."
	for _, a := range []answer{
		w.do("PUT", "/bucket/key", nil, customerKey('c', ofObject)...),
		w.do("GET", "/bucket/key", nil, customerKey('c', ofObject)...),
		w.do("POST", "/bucket/key?uploads", nil, customerKey('c', ofObject)...),
		w.do("PUT", "/bucket/copy", nil, append(customerKey('c', ofCopy), "x-amz-copy-source", "bucket/key")...),
	} {
		a.want(t, 400, "InvalidRequest")
		if a.element("Message") != text {
			t.Errorf("%s", a.body)
		}
	}
}

func TestCustomerKeysBlocked(t *testing.T) {
	v := newVault(t)
	name := "bucket"
	if _, err := v.client().CreateBucket(t.Context(), &sdk.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatal(err)
	}
	good := customerKey('c', ofObject)
	v.do("PUT", "/bucket/plain", []byte("plain")).want(t, 200, "")
	refused := func() {
		t.Helper()
		want := "User: arn:aws:iam::" + testAccount + `:root is not authorized to perform: s3:PutObject on resource: "arn:aws:s3:::bucket/key" because this bucket has blocked upload requests that specify Server Side Encryption with Customer provided keys (SSE-C). Please specify a different server-side encryption type`
		for _, a := range []answer{
			v.do("PUT", "/bucket/key", []byte("x"), good...),
			v.do("POST", "/bucket/key?uploads", nil, good...),
			v.do("PUT", "/bucket/key", nil, append([]string{"x-amz-copy-source", "bucket/plain"}, good...)...),
		} {
			a.want(t, 403, "AccessDenied")
			if strings.ReplaceAll(a.element("Message"), "&quot;", `"`) != want {
				t.Errorf("%s", a.body)
			}
		}
	}
	refused()
	aes := "<ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault>"
	v.encryption("bucket", aes) // says nothing of it
	refused()
	v.encryption("bucket", aes+"<BlockedEncryptionTypes><EncryptionType>NONE</EncryptionType></BlockedEncryptionTypes>")
	v.do("PUT", "/bucket/key", []byte("x"), good...).want(t, 200, "")
	v.encryption("bucket", aes)
	v.do("PUT", "/bucket/key", []byte("x"), good...).want(t, 200, "")
	if a := v.do("GET", "/bucket?encryption", nil); !strings.Contains(a.body, "<EncryptionType>NONE</EncryptionType>") {
		t.Errorf("%s", a.body)
	}
	v.encryption("bucket", aes+"<BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes>")
	refused()
	v.do("GET", "/bucket/key", nil, good...).want(t, 200, "") // what is there stays readable
	v.do("DELETE", "/bucket?encryption", nil).want(t, 204, "")
	refused()
}

// TestDefaultEncryption: what the bucket says holds where the request says
// nothing.
func TestDefaultEncryption(t *testing.T) {
	v := newVault(t)
	v.make("bucket")
	kms := func(algorithm, key, bucketKey string) {
		v.encryption("bucket", "<ApplyServerSideEncryptionByDefault><SSEAlgorithm>"+algorithm+"</SSEAlgorithm>"+key+"</ApplyServerSideEncryptionByDefault><BucketKeyEnabled>"+bucketKey+"</BucketKeyEnabled>")
	}
	const sse, keyID, bucketKey = "X-Amz-Server-Side-Encryption", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", "X-Amz-Server-Side-Encryption-Bucket-Key-Enabled"
	byAlias := "<KMSMasterKeyID>alias/k</KMSMasterKeyID>"
	managed, err := v.kms.Resolve(t.Context(), testAccount, objectkey.ManagedKey)
	if err != nil {
		t.Fatal(err)
	}
	v.do("PUT", "/bucket/source", []byte("source")).want(t, 200, "")
	for _, c := range []struct {
		name                       string
		algorithm, key, bucketKeys string
		headers                    []string
		shown                      map[string]string
	}{
		{"KMS with a bucket key", "aws:kms", byAlias, "true", nil, map[string]string{sse: "aws:kms", keyID: v.key, bucketKey: "true"}},
		{"KMS without", "aws:kms", byAlias, "false", nil, map[string]string{sse: "aws:kms", keyID: v.key}},
		{"AWS's own key", "aws:kms", "", "true", nil, map[string]string{sse: "aws:kms", keyID: managed, bucketKey: "true"}},
		{"DSSE", "aws:kms:dsse", byAlias, "true", nil, map[string]string{sse: "aws:kms:dsse", keyID: v.key}},
		{"request says AES256", "aws:kms", byAlias, "true", []string{sse, "AES256"}, map[string]string{sse: "AES256"}},
		{"request says KMS", "aws:kms", byAlias, "true", []string{sse, "aws:kms"}, map[string]string{sse: "aws:kms", keyID: managed, bucketKey: "true"}},
		{"request turns the bucket key off", "aws:kms", byAlias, "true", []string{bucketKey, "false"}, map[string]string{sse: "aws:kms", keyID: v.key}},
		{"request turns it on", "aws:kms", byAlias, "false", []string{bucketKey, "true"}, map[string]string{sse: "aws:kms", keyID: v.key, bucketKey: "true"}},
		{"request turns it on for its own", "AES256", "", "false", []string{sse, "aws:kms", keyID, v.key, bucketKey, "true"}, map[string]string{sse: "aws:kms", keyID: v.key, bucketKey: "true"}},
		{"a bucket key by the bucket", "AES256", "", "true", []string{sse, "aws:kms", keyID, v.key}, map[string]string{sse: "aws:kms", keyID: v.key, bucketKey: "true"}},
	} {
		kms(c.algorithm, c.key, c.bucketKeys)
		s := sealing{name: c.name, shown: c.shown}
		a := v.do("PUT", "/bucket/key", []byte("hello"), c.headers...)
		a.want(t, 200, "")
		s.shows(t, "PUT", a)
		a = v.do("PUT", "/bucket/copy", nil, append([]string{"x-amz-copy-source", "bucket/source"}, c.headers...)...)
		a.want(t, 200, "")
		s.shows(t, "Copy", a)
		a = v.do("POST", "/bucket/up?uploads", nil, c.headers...)
		a.want(t, 200, "")
		s.shows(t, "Create", a)
		for _, key := range []string{"key", "copy"} {
			a = v.do("GET", "/bucket/"+key, nil)
			a.want(t, 200, "")
			s.shows(t, "GET", a)
		}
	}
	// A form, and the in-place copy that encrypts what was there before.
	kms("aws:kms", byAlias, "true")
	f := v4Form(time.Hour, fields("key", "form"), `{"bucket":"bucket"}`, `{"key":"form"}`)
	f.content = "from a form"
	a := v.post("bucket", f)
	if a.status != 204 || a.header.Get(sse) != "aws:kms" || a.header.Get(keyID) != v.key {
		t.Errorf("POST: %d %v %s", a.status, a.header, a.body)
	}
	v.do("PUT", "/bucket/source", nil, "x-amz-copy-source", "bucket/source").want(t, 200, "")
	if a := v.do("GET", "/bucket/source", nil); a.body != "source" || a.header.Get(sse) != "aws:kms" {
		t.Errorf("copied onto itself: %v %s", a.header, a.body)
	}
	// The alias is read when an object is made.
	v.kms.Create(testAccount, "alias/k")
	v.skip += objectkey.DecisionMax
	if a := v.do("PUT", "/bucket/key", []byte("x")); a.header.Get(keyID) == v.key || a.status != 200 {
		t.Errorf("the alias leads to the old key: %v", a.header)
	}
}

// TestKMSAsked sees which permissions S3 asks KMS for, on whose behalf and with
// which context.
func TestKMSAsked(t *testing.T) {
	v := newVault(t)
	v.make("bucket")
	const sse, keyID, bucketKey = "X-Amz-Server-Side-Encryption", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", "X-Amz-Server-Side-Encryption-Bucket-Key-Enabled"
	asked := func() string {
		var s []string
		for _, c := range v.kms.Calls() {
			if c.By != "arn:aws:iam::"+testAccount+":root" || c.Via != "s3.us-east-1.amazonaws.com" || c.Key != v.key {
				t.Errorf("%+v", c)
			}
			s = append(s, strings.TrimPrefix(c.Action, "kms:")+" "+strings.TrimPrefix(c.About["aws:s3:arn"], "arn:aws:s3:::")+" "+c.About["team"])
		}
		return strings.TrimSpace(strings.Join(s, ", "))
	}
	put := []string{sse, "aws:kms", keyID, v.key}
	var id, etag string
	for _, c := range []struct {
		method, target string
		headers        []string
		want           string
	}{
		{"PUT", "/bucket/a", put, "GenerateDataKey bucket/a"},
		{"GET", "/bucket/a", nil, "Decrypt bucket/a"},
		{"GET", "/bucket/a", nil, "Decrypt bucket/a"}, // each time anew
		{"HEAD", "/bucket/a", nil, ""},
		{"HEAD", "/bucket/a", []string{"x-amz-checksum-mode", "ENABLED"}, "Decrypt bucket/a"},
		{"GET", "/bucket/a?attributes", []string{"x-amz-object-attributes", "ETag"}, ""},
		{"GET", "/bucket/a?attributes", []string{"x-amz-object-attributes", "Checksum"}, "Decrypt bucket/a"},
		{"PUT", "/bucket/b", append([]string{bucketKey, "true"}, put...), "GenerateDataKey bucket"},
		{"PUT", "/bucket/c", append([]string{bucketKey, "true"}, put...), ""},
		{"GET", "/bucket/b", nil, "Decrypt bucket"},
		{"GET", "/bucket/c", nil, ""},
		{"PUT", "/bucket/d", append([]string{"x-amz-server-side-encryption-context", base64.StdEncoding.EncodeToString([]byte(`{"team":"red"}`))}, put...), "GenerateDataKey bucket/d red"},
		{"GET", "/bucket/d", nil, "Decrypt bucket/d red"},
		{"PUT", "/bucket/e", append([]string{"x-amz-copy-source", "bucket/a"}, put...), "GenerateDataKey bucket/e , Decrypt bucket/a"},
		{"POST", "/bucket/up?uploads", put, "GenerateDataKey bucket/up"},
		{"PUT", "/bucket/up?partNumber=1&uploadId=", nil, "Decrypt bucket/up"},
		{"PUT", "/bucket/up?partNumber=1&uploadId=", nil, ""}, // decided a moment ago
		{"POST", "/bucket/up?uploadId=", nil, ""},
	} {
		target := c.target
		var body []byte
		if strings.HasSuffix(target, "uploadId=") {
			target += id
		}
		if c.method == "POST" && id != "" {
			body = completion([]string{etag})
		}
		a := v.do(c.method, target, body, c.headers...)
		a.want(t, 200, "")
		if s := a.element("UploadId"); s != "" {
			id = s
		}
		etag = a.header.Get("Etag")
		given := ""
		for i, h := range c.headers {
			if h == "x-amz-server-side-encryption-context" {
				given = c.headers[i+1]
			}
		}
		if got := a.header.Get("X-Amz-Server-Side-Encryption-Context"); got != given {
			t.Errorf("%s %s shows the context %q, want %q", c.method, c.target, got, given)
		}
		if got := asked(); got != c.want {
			t.Errorf("%s %s asked %q, want %q", c.method, c.target, got, c.want)
		}
	}
}

func TestKMSErrors(t *testing.T) {
	v := newVault(t)
	v.make("bucket")
	const sse, keyID = "X-Amz-Server-Side-Encryption", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"
	put := []string{sse, "aws:kms", keyID, v.key}
	v.do("PUT", "/bucket/key", []byte("hello"), put...).want(t, 200, "")
	v.do("PUT", "/bucket/two", []byte("hello"), sse, "aws:kms:dsse", keyID, v.key).want(t, 200, "")
	v.do("PUT", "/bucket/shared", []byte("hello"), append(put, "x-amz-server-side-encryption-bucket-key-enabled", "true")...).want(t, 200, "")
	id := v.do("POST", "/bucket/up?uploads", nil, put...).element("UploadId")
	part := v.do("PUT", "/bucket/up?partNumber=1&uploadId="+id, []byte("x"))
	part.want(t, 200, "")
	check := func(when string, status int, code, message string) {
		t.Helper()
		v.skip += objectkey.DecisionMax
		for target, a := range map[string]answer{
			"PUT":        v.do("PUT", "/bucket/key", []byte("x"), put...),
			"Create":     v.do("POST", "/bucket/key?uploads", nil, put...),
			"UploadPart": v.do("PUT", "/bucket/up?partNumber=1&uploadId="+id, []byte("x")),
			"Complete":   v.do("POST", "/bucket/up?uploadId="+id, completion([]string{part.header.Get("Etag")})),
			"GET":        v.do("GET", "/bucket/key", nil),
			"two layers": v.do("GET", "/bucket/two", nil),
			"bucket key": v.do("GET", "/bucket/shared", nil),
			"copy from":  v.do("PUT", "/bucket/copy", nil, "x-amz-copy-source", "bucket/key"),
			"copy to":    v.do("PUT", "/bucket/copy", nil, append([]string{"x-amz-copy-source", "bucket/key"}, put...)...),
		} {
			if a.status != status || a.code() != code || !strings.HasPrefix(a.element("Message"), message) {
				t.Errorf("%s, %s: %d %s", when, target, a.status, a.body)
			}
		}
		if a := v.do("HEAD", "/bucket/key", nil); a.status != 200 {
			t.Errorf("%s: HEAD %d", when, a.status)
		}
	}
	v.kms.State(v.key, "Disabled")
	check("disabled", 400, "KMS.DisabledException", v.key+" is disabled.")
	v.kms.State(v.key, "PendingDeletion")
	check("to be deleted", 400, "KMS.KMSInvalidStateException", v.key+" is pending deletion.")
	v.kms.State(v.key, "Enabled")
	v.kms.May = func(access.Actor, string, string, map[string]string) bool { return false }
	check("denied", 403, "AccessDenied", "User: arn:aws:iam::"+testAccount+":root is not authorized to perform: kms:")
	v.kms.May = nil
	v.kms.Rotate(v.key)
	for _, key := range []string{"key", "two", "shared"} {
		if a := v.do("GET", "/bucket/"+key, nil); a.status != 200 || a.body != "hello" {
			t.Errorf("%s after a rotation: %d %s", key, a.status, a.body)
		}
	}
	v.do("PUT", "/bucket/up?partNumber=1&uploadId="+id, []byte("x")).want(t, 200, "")
	for key, message := range map[string]string{
		"fake-key-id":                          "Invalid keyId &#39;fake-key-id&#39;",
		"134f2428-cec1-4b25-a1ae-9048164dba47": "Key &#39;arn:aws:kms:us-east-1:" + testAccount + ":key/134f2428-cec1-4b25-a1ae-9048164dba47&#39; does not exist",
		"arn:aws:kms:us-west-2:111122223333:key/134f2428-cec1-4b25-a1ae-9048164dba47": "Invalid arn us-west-2",
	} {
		for _, a := range []answer{
			v.do("PUT", "/bucket/key", []byte("x"), sse, "aws:kms", keyID, key),
			v.do("POST", "/bucket/key?uploads", nil, sse, "aws:kms", keyID, key),
			v.do("PUT", "/bucket/copy", nil, "x-amz-copy-source", "bucket/key", sse, "aws:kms", keyID, key),
		} {
			a.want(t, 400, "KMS.NotFoundException")
			if got := strings.NewReplacer("&apos;", "&#39;", "'", "&#39;").Replace(a.element("Message")); got != message {
				t.Errorf("%s: %q", key, got)
			}
		}
	}
	if a := v.do("GET", "/bucket/copy", nil); a.status != 404 {
		t.Errorf("a refused copy left %d", a.status)
	}
}

// TestKMSWantsV4: S3 asks KMS for nobody who did not sign with V4.
func TestKMSWantsV4(t *testing.T) {
	v := newVault(t)
	v.make("bucket")
	v.do("PUT", "/bucket/key", []byte("hello"), "x-amz-server-side-encryption", "aws:kms").want(t, 200, "")
	const text = "Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4."
	ends := fmt.Sprint(time.Now().Add(time.Minute).Unix())
	for method, target := range map[string]string{"GET": "/bucket/key", "PUT": "/bucket/new"} {
		m := hmac.New(sha1.New, []byte(testSecret))
		sse, header := []string{}, ""
		if method == "PUT" {
			sse, header = []string{"x-amz-server-side-encryption", "aws:kms"}, "x-amz-server-side-encryption:aws:kms\n"
		}
		m.Write([]byte(method + "\n\n\n" + ends + "\n" + header + target))
		sum := url.QueryEscape(base64.StdEncoding.EncodeToString(m.Sum(nil)))
		a := v.send(v.request(method, target+"?AWSAccessKeyId="+testKey+"&Expires="+ends+"&Signature="+sum, nil, sse...))
		a.want(t, 400, "InvalidArgument")
		if a.element("Message") != text || a.element("ArgumentName") != "Authorization" {
			t.Errorf("%s", a.body)
		}
	}
	if err := (&Request{Caller: anonymous}).signedForKMS(); err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("of nobody: %v", err)
	}
}

// TestEncryptionSDK goes through a client that knows nothing of us.
func TestEncryptionSDK(t *testing.T) {
	v := newVault(t)
	v.make("bucket")
	c := v.client()
	key := []byte("0123456789abcdefghijklmnopqrstuv")
	sum := md5.Sum(key)
	k64, m64 := base64.StdEncoding.EncodeToString(key), base64.StdEncoding.EncodeToString(sum[:])
	put, err := c.PutObject(t.Context(), &sdk.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("k"), Body: strings.NewReader("hello"),
		SSECustomerAlgorithm: aws.String("AES256"), SSECustomerKey: &k64, SSECustomerKeyMD5: &m64})
	if err != nil || *put.SSECustomerKeyMD5 != m64 || put.ServerSideEncryption != "" {
		t.Fatalf("%+v, %v", put, err)
	}
	get, err := c.GetObject(t.Context(), &sdk.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String("k"),
		SSECustomerAlgorithm: aws.String("AES256"), SSECustomerKey: &k64, SSECustomerKeyMD5: &m64})
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(get.Body)
	if err != nil || string(b) != "hello" {
		t.Fatalf("%q, %v", b, err)
	}
	kms, err := c.PutObject(t.Context(), &sdk.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("m"), Body: strings.NewReader("hello"),
		ServerSideEncryption: "aws:kms", SSEKMSKeyId: aws.String("alias/k"), BucketKeyEnabled: aws.Bool(true)})
	if err != nil || *kms.SSEKMSKeyId != v.key || !*kms.BucketKeyEnabled {
		t.Fatalf("%+v, %v", kms, err)
	}
}
