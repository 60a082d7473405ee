package s3api

import (
	"bytes"
	"io"
	"net/http"
	"testing"
)

// What the door and the store cost per request, without a connection: the
// signature is verified each time, the body is encrypted and decrypted.
func BenchmarkPut4K(b *testing.B) {
	w := newWorld(b)
	w.versioned("bucket")
	body := bytes.Repeat([]byte("0123456789abcdef"), 256)
	r := w.sign(w.request("PUT", "/bucket/key", body, "Content-Type", "application/octet-stream", "x-amz-meta-a", "b"), body)
	r.RequestURI = "/bucket/key"
	r.Header["Content-Length"] = []string{"4096"}
	b.ReportAllocs()
	for b.Loop() {
		r.Body = io.NopCloser(bytes.NewReader(body))
		w.door.ServeHTTP(&discard{h: http.Header{}}, r)
	}
}

func BenchmarkGet4K(b *testing.B) {
	w := newWorld(b)
	w.versioned("bucket")
	w.do("PUT", "/bucket/key", bytes.Repeat([]byte("0123456789abcdef"), 256)).want(b, 200, "")
	r := w.sign(w.request("GET", "/bucket/key", nil), nil)
	r.RequestURI = "/bucket/key"
	b.ReportAllocs()
	for b.Loop() {
		w.door.ServeHTTP(&discard{h: http.Header{}}, r)
	}
}

func BenchmarkHead(b *testing.B) {
	w := newWorld(b)
	w.bucket("bucket")
	w.put("bucket", "key", "hello", "x-amz-meta-a", "b")
	r := w.sign(w.request("HEAD", "/bucket/key", nil), nil)
	r.RequestURI = "/bucket/key"
	b.ReportAllocs()
	for b.Loop() {
		w.door.ServeHTTP(&discard{h: http.Header{}}, r)
	}
}
