package s3api

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/blob"
	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/seal"
	"github.com/farhold/farhold/store"
	"github.com/farhold/farhold/wire/sigv4"
)

func TestRoundTrip(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]*sdk.Client{"path": w.sdk(), "virtual": w.sdk(w.virtual)} {
		t.Run(name, func(t *testing.T) { roundTrip(t, c, "walk-"+name) })
	}
}

// Over TLS the SDK sends its bodies in unsigned chunks with a trailer.
func TestRoundTripTLS(t *testing.T) {
	w := newWorld(t)
	var hashes sync.Map
	s := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		hashes.Store(r.Header.Get("X-Amz-Content-Sha256"), true)
		w.door.ServeHTTP(rw, r)
	}))
	defer s.Close()
	roundTrip(t, w.sdk(func(o *sdk.Options) {
		o.BaseEndpoint, o.HTTPClient = aws.String(s.URL), s.Client()
	}), "walk-tls")
	if _, ok := hashes.Load("STREAMING-UNSIGNED-PAYLOAD-TRAILER"); !ok {
		t.Error("no body came in chunks with a trailer: the test does not show what it should")
	}
}

func roundTrip(t *testing.T, c *sdk.Client, name string) {
	bucket := aws.String(name)
	if _, err := c.CreateBucket(t.Context(), &sdk.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.HeadBucket(t.Context(), &sdk.HeadBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	key := aws.String("a//b/../c d+%2F\x01ü")
	for _, size := range []int{0, 5, 100_000, 3 << 20} {
		body := strings.Repeat("x", size)
		if _, err := c.PutObject(t.Context(), &sdk.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader(body)}); err != nil {
			t.Fatal(err)
		}
		o, err := c.GetObject(t.Context(), &sdk.GetObjectInput{Bucket: bucket, Key: key})
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(o.Body)
		o.Body.Close()
		if err != nil || string(b) != body {
			t.Fatalf("read %d bytes, %v", len(b), err)
		}
	}
	if _, err := c.DeleteObject(t.Context(), &sdk.DeleteObjectInput{Bucket: bucket, Key: key}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.GetObject(t.Context(), &sdk.GetObjectInput{Bucket: bucket, Key: key}); codeOf(err) != "NoSuchKey" {
		t.Errorf("GET after DELETE: %v", err)
	}
	if _, err := c.DeleteBucket(t.Context(), &sdk.DeleteBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
}

// with replaces the handler of an operation.
func (w *world) with(op string, h handler) {
	rows := routes()
	for i := range rows {
		if rows[i].Op == op {
			rows[i].Handler = h
		}
	}
	w.door.table = newTable(rows)
}

func TestErrorsOnTheWire(t *testing.T) {
	w := newWorld(t)
	w.bucket("errors")
	deep := func(err error) error { return fmt.Errorf("reading row 7: %w", err) }
	for _, c := range []struct {
		err    error
		status int
		code   string
		has    string // in the document
		logged bool
	}{
		{store.ErrNoSuchKey, 404, "NoSuchKey", "<Key>the/key</Key>", false},
		{store.ErrNoSuchVersion, 404, "NoSuchVersion", "<Key>the/key</Key><VersionId>v1</VersionId>", false},
		{store.ErrNoSuchBucket, 404, "NoSuchBucket", "<BucketName>errors</BucketName>", false},
		{deep(store.ErrNoSuchKey.With("Key", "another")), 404, "NoSuchKey", "<Key>another</Key>", false},
		{awserr.ErrMethodNotAllowed, 405, "MethodNotAllowed", "<Method>GET</Method><ResourceType>OBJECT</ResourceType>", false},
		{deep(kv.ErrFull), 507, "InsufficientStorage", "", true},
		{deep(blob.ErrFull), 507, "InsufficientStorage", "", true},
		{deep(kv.ErrCorrupt), 500, "InternalError", "", true},
		{deep(blob.ErrCorrupt), 500, "InternalError", "", true},
		{deep(seal.ErrCorrupt), 500, "InternalError", "", true},
		{deep(kv.ErrConflict), 503, "SlowDown", "", true},
		{deep(kv.ErrNotFound), 500, "InternalError", "", true},
		{deep(blob.ErrNotFound), 500, "InternalError", "", true},
		{deep(context.DeadlineExceeded), 503, "SlowDown", "", true},
		{deep(io.ErrUnexpectedEOF), 500, "InternalError", "", true},
		{errors.New("secret path /var/lib"), 500, "InternalError", "", true},
		{awserr.ErrInternal.Because(errors.New("secret path /var/lib")), 500, "InternalError", "", true},
	} {
		w.log.Reset()
		w.with("GetObject", func(_ *Door, rq *Request) error {
			rq.Set("Etag", `"of what was not sent"`)
			return c.err
		})
		a := w.do("GET", "/errors/the/key?versionId=v1", nil)
		a.want(t, c.status, c.code)
		if !strings.Contains(a.body, c.has) || strings.Contains(a.body, "secret") || strings.Contains(a.body, "row 7") {
			t.Errorf("%v:\n%s", c.err, a.body)
		}
		if a.element("RequestId") != a.header.Get("X-Amz-Request-Id") || a.element("HostId") != a.header.Get("X-Amz-Id-2") || a.header.Get("Content-Type") != "application/xml" {
			t.Errorf("%v: %v\n%s", c.err, a.header, a.body)
		}
		if a.header.Get("Etag") != "" {
			t.Errorf("%v: the error has an ETag", c.err)
		}
		if logged := strings.Contains(w.log.String(), a.header.Get("X-Amz-Request-Id")); logged != c.logged {
			t.Errorf("%v: logged %v\n%s", c.err, logged, w.log.String())
		}
		w.with("HeadObject", func(*Door, *Request) error { return c.err })
		if a := w.do("HEAD", "/errors/the/key", nil); a.status != c.status || a.body != "" {
			t.Errorf("HEAD, %v: %d %q", c.err, a.status, a.body)
		}
	}
	w.with("GetObject", func(*Door, *Request) error { return awserr.New("NotModified", 304, "Not Modified") })
	if a := w.do("GET", "/errors/k", nil); a.status != 304 || a.body != "" {
		t.Errorf("304: %d %q", a.status, a.body)
	}
}

func TestPanicIsOneRequests(t *testing.T) {
	w := newWorld(t)
	w.bucket("panics")
	var late atomic.Bool
	w.with("GetObject", func(_ *Door, rq *Request) error {
		if late.Load() {
			rq.W.WriteHeader(200)
			_, _ = rq.W.Write([]byte("half"))
		}
		panic("at the disco")
	})
	a := w.do("GET", "/panics/k", nil)
	a.want(t, 500, "InternalError")
	if log := w.log.String(); !strings.Contains(log, "at the disco") || !strings.Contains(log, a.header.Get("X-Amz-Request-Id")) || strings.Contains(a.body, "disco") {
		t.Errorf("the log is\n%s\nthe answer\n%s", log, a.body)
	}
	// One that comes when the answer has begun must not look like its end.
	late.Store(true)
	resp, err := http.DefaultClient.Do(w.sign(w.request("GET", "/panics/k", nil), nil))
	if err == nil {
		if b, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("half an answer looks whole: %q", b)
		}
		resp.Body.Close()
	}
	w.do("HEAD", "/panics/k", nil).want(t, 404, "")
}

// raw speaks HTTP by hand.
type raw struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func (w *world) dial(t *testing.T) *raw {
	c, err := net.Dial("tcp", strings.TrimPrefix(w.server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return &raw{t, c, bufio.NewReader(c)}
}

func (c *raw) write(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, s); err != nil {
		c.t.Logf("writing: %v", err)
	}
}

func (c *raw) answer() answer {
	c.t.Helper()
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		c.t.Fatalf("reading: %v", err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("reading: %v", err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

// head gives the head of a signed request, ready for the wire; remove takes
// headers out again that the signature does not cover.
func (w *world) head(method, target, hash string, headers ...string) string {
	r := w.request(method, target, nil, append(headers, "X-Amz-Content-Sha256", hash)...)
	r.ContentLength = 0
	w.sign(r, nil)
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, target, r.Host)
	for name, values := range r.Header {
		for _, v := range values {
			fmt.Fprintf(&b, "%s: %s\r\n", name, v)
		}
	}
	return b.String()
}

func hashOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func TestExpectContinue(t *testing.T) {
	w := newWorld(t)
	w.bucket("patient")
	c := w.dial(t)
	c.write(w.head("PUT", "/patient/k", hashOf("hello")) + "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	line, err := c.in.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("read %q, %v", line, err)
	}
	_, _ = c.in.ReadString('\n')
	c.write("hello")
	c.answer().want(t, 200, "")

	// Whoever is refused never hears 100, and sends nothing.
	for what, head := range map[string]string{
		"unsigned":        "PUT /patient/k HTTP/1.1\r\nHost: localhost\r\n",
		"wrong hash form": strings.Replace(w.head("PUT", "/patient/k", hashOf("hello")), "Signature=", "Signature=0", 1),
		"no bucket":       w.head("PUT", "/nowhere/k", hashOf("hello")),
		"not implemented": w.head("PUT", "/patient/k?annotation", hashOf("hello")),
		"a key too long":  w.head("PUT", "/patient/"+strings.Repeat("k", 1025), hashOf("hello")),
	} {
		c := w.dial(t)
		c.write(head + "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
		if a := c.answer(); a.status < 400 {
			t.Errorf("%s: %d", what, a.status)
		}
	}
	if a := w.do("GET", "/patient/k", nil); a.body != "hello" {
		t.Errorf("stored %q", a.body)
	}
}

func TestBodyFraming(t *testing.T) {
	w := newWorld(t)
	w.bucket("frames")
	for _, c := range []struct {
		what string
		text string
		code string
	}{
		{"no length", w.head("PUT", "/frames/k", hashOf("")) + "\r\n", "MissingContentLength"},
		{"chunked without aws-chunked", w.head("PUT", "/frames/k", hashOf("hello")) + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "NotImplemented"},
		{"other bytes than were signed", w.head("PUT", "/frames/k", hashOf("hello")) + "Content-Length: 5\r\n\r\njello", "XAmzContentSHA256Mismatch"},
		{"fewer bytes than announced", w.head("PUT", "/frames/k", hashOf("hello")) + "Content-Length: 9\r\n\r\nhello", "IncompleteBody"},
		{"a digest that is none", w.head("PUT", "/frames/k", "xyz") + "Content-Length: 0\r\n\r\n", "InvalidArgument"},
		{"chunks without a decoded length", w.head("PUT", "/frames/k", "STREAMING-UNSIGNED-PAYLOAD-TRAILER") + "Content-Length: 5\r\n\r\n0\r\n\r\n", "MissingContentLength"},
		{"a decoded length that lies", w.head("PUT", "/frames/k", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-decoded-content-length", "6") + "Content-Length: 15\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "IncompleteBody"},
		{"no last chunk", w.head("PUT", "/frames/k", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-decoded-content-length", "5") + "Content-Length: 10\r\n\r\n5\r\nhello\r\n", "IncompleteBody"},
		{"an unsigned chunk", w.head("PUT", "/frames/k", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "x-amz-decoded-content-length", "5") + "Content-Length: 15\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "IncompleteBody"},
		{"a chunk with another signature", w.head("PUT", "/frames/k", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "x-amz-decoded-content-length", "5") + "Content-Length: 97\r\n\r\n5;chunk-signature=" + strings.Repeat("0", 64) + "\r\nhello\r\n", "SignatureDoesNotMatch"},
		{"a trailer that was announced and is missing", w.head("PUT", "/frames/k", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-decoded-content-length", "5", "x-amz-trailer", "x-amz-checksum-crc32") + "Content-Length: 15\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "MalformedTrailerError"},
		{"a trailer that is wrong", w.head("PUT", "/frames/k", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-decoded-content-length", "5", "x-amz-trailer", "x-amz-checksum-crc32") + "Content-Length: 46\r\n\r\n5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", "BadDigest"},
		{"ECDSA chunks", w.head("PUT", "/frames/k", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "x-amz-decoded-content-length", "5") + "Content-Length: 5\r\n\r\nhello", "NotImplemented"},
		{"more than 5 GiB", w.head("PUT", "/frames/k", "UNSIGNED-PAYLOAD") + "Content-Length: 5368709121\r\n\r\n", "EntityTooLarge"},
		{"a query without end", w.head("GET", "/frames?"+strings.Repeat("a&", 200), hashOf("")) + "\r\n", "InvalidURI"},
		{"a document that is too long", w.head("PUT", "/frames?versioning", "UNSIGNED-PAYLOAD") + "Content-Length: 100000\r\n\r\n", "MaxMessageLengthExceeded"},
		{"an absolute URI", "GET http://localhost/frames HTTP/1.1\r\nHost: localhost\r\n\r\n", "InvalidURI"},
	} {
		t.Run(c.what, func(t *testing.T) {
			conn := w.dial(t)
			conn.write(c.text)
			_ = conn.conn.(*net.TCPConn).CloseWrite()
			if a := conn.answer(); a.code() != c.code {
				t.Errorf("answered %d %s, want %s\n%s", a.status, a.code(), c.code, a.body)
			}
		})
	}
	w.do("GET", "/frames/k", nil).want(t, 404, "NoSuchKey")
}

// noticing gives credentials only after the server has seen that the client
// shut its sending side, as far as it sees that at all.
type noticing struct {
	sigv4.Credentials
	client chan context.Context // of net/http, one for each request
}

func (n noticing) Secret(ctx context.Context, accessKey, token string) (string, any, error) {
	if err := ctx.Err(); err != nil {
		return "", nil, err
	}
	<-(<-n.client).Done()
	if err := ctx.Err(); err != nil {
		return "", nil, err // as a read of far rows would
	}
	return n.Credentials.Secret(ctx, accessKey, token)
}

// A client that shut its sending side behind its request still hears why it is
// refused, also when the server noticed first.
func TestHalfClosedClientIsTold(t *testing.T) {
	w := newWorld(t)
	w.bucket("half")
	n := noticing{w.keys, make(chan context.Context, 1)}
	w.door.opt.Verifier.Credentials = n
	w.server.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		n.client <- r.Context()
		w.door.ServeHTTP(rw, r)
	})
	for what, c := range map[string]struct{ text, code string }{
		"no length":       {w.head("PUT", "/half/k", hashOf("")) + "\r\n", "MissingContentLength"},
		"no such bucket":  {w.head("GET", "/nowhere/k", hashOf("")) + "\r\n", "NoSuchBucket"},
		"another's owner": {w.head("GET", "/half/k", hashOf(""), "X-Amz-Expected-Bucket-Owner", otherAccount) + "\r\n", "AccessDenied"},
	} {
		conn := w.dial(t)
		conn.write(c.text)
		_ = conn.conn.(*net.TCPConn).CloseWrite()
		if a := conn.answer(); a.code() != c.code {
			t.Errorf("%s: answered %d %s, want %s\n%s", what, a.status, a.code(), c.code, a.body)
		}
	}
}

// A refused upload must not make the server read it to its end.
func TestUnreadBodyIsDroppedWithinBounds(t *testing.T) {
	w := newWorld(t)
	c := w.dial(t)
	c.write("PUT /nowhere/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n")
	sent, began := 0, time.Now()
	chunk := strings.Repeat("x", 64<<10)
	for time.Since(began) < 15*time.Second {
		if _, err := io.WriteString(c.conn, chunk); err != nil {
			break
		}
		if sent += len(chunk); sent > 64<<20 {
			t.Fatal("the server reads on and on")
		}
	}
	// A small one leaves the connection usable.
	c = w.dial(t)
	for range 3 {
		c.write("PUT /nowhere/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello")
		c.answer().want(t, 404, "NoSuchBucket")
	}
}

// A client that stands still in the middle of its body is let go, and nothing
// of what it sent stays.
func TestStandingStill(t *testing.T) {
	w := newWorld(t)
	w.bucket("slow")
	w.door.stall = 50 * time.Millisecond
	c := w.dial(t)
	c.write(w.head("PUT", "/slow/k", hashOf("hello")) + "Content-Length: 5\r\n\r\nhe")
	c.answer().want(t, 400, "RequestTimeout")
	w.do("GET", "/slow/k", nil).want(t, 404, "NoSuchKey")

	// So is one that takes nothing of its answer.
	body := strings.Repeat("x", 16<<20)
	w.door.stall = stallMax
	w.do("PUT", "/slow/big", []byte(body)).want(t, 200, "")
	w.door.stall = 50 * time.Millisecond
	ended := make(chan struct{})
	w.with("GetObject", func(d *Door, rq *Request) error {
		defer close(ended)
		return getObject(d, rq)
	})
	c = w.dial(t)
	c.write(w.head("GET", "/slow/big", hashOf("")) + "\r\n")
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Error("the answer waits for a client that takes nothing")
	}
}

// Work that begins when the body has ended may take longer than a client may
// stand still.
func TestLongWorkAfterTheBody(t *testing.T) {
	w := newWorld(t)
	w.bucket("long")
	w.door.stall = 40 * time.Millisecond
	w.with("PutObject", func(_ *Door, rq *Request) error {
		if _, err := io.Copy(io.Discard, rq.Body); err != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond)
		if n, err := rq.R.Body.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("behind the end: %d, %v", n, err)
		}
		select {
		case <-rq.Ctx.Done():
			return rq.Ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
		return rq.Empty(http.StatusOK)
	})
	for range 2 {
		w.do("PUT", "/long/k", []byte("hello")).want(t, 200, "")
	}
}

func TestObserve(t *testing.T) {
	w := newWorld(t)
	w.bucket("seen")
	type seen struct {
		op      string
		status  int
		in, out int64
	}
	var mu sync.Mutex
	var list []seen
	w.door.opt.Observe = func(op string, status int, in, out int64, took time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		list = append(list, seen{op, status, in, out})
	}
	w.do("PUT", "/seen/k", []byte("hello"))
	w.do("GET", "/seen/k", nil)
	w.do("HEAD", "/seen/k", nil)
	nothing := w.do("GET", "/seen?nothing", nil)
	w.with("GetObject", func(*Door, *Request) error { panic("x") })
	broken := w.do("GET", "/seen/k", nil)
	want := []seen{{"PutObject", 200, 5, 0}, {"GetObject", 200, 0, 5}, {"HeadObject", 200, 0, 0},
		{"", 501, 0, int64(len(nothing.body))}, {"GetObject", 500, 0, int64(len(broken.body))}}
	mu.Lock()
	defer mu.Unlock()
	if fmt.Sprint(list) != fmt.Sprint(want) {
		t.Errorf("observed %v\nwant     %v", list, want)
	}
}
