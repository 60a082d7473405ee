package server

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/farhold/farhold/config"
)

// BenchmarkRequest compares what the listener, the guard and the stages cost
// with net/http alone: a PUT of 4 KiB with the headers of an SDK.
func BenchmarkRequest(b *testing.B) {
	door := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(200)
	})
	b.Run("net-http", func(b *testing.B) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		s := &http.Server{Handler: door, ReadHeaderTimeout: 10e9, IdleTimeout: 120e9}
		go s.Serve(l)
		defer s.Close()
		benchRequests(b, l.Addr().String())
	})
	b.Run("front", func(b *testing.B) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		f := NewFront(FrontOptions{})
		var h http.Handler = door
		for _, s := range []stage{f.own, f.bound, f.proceed, f.secure, f.count} {
			h = s(h)
		}
		p := newPublic(l, nil, h, config.Limits{}.WithDefaults(), slog.New(slog.DiscardHandler))
		p.serve()
		defer func() {
			ctx, cancel := contextFor(1e9)
			defer cancel()
			p.shutdown(ctx)
		}()
		benchRequests(b, l.Addr().String())
	})
}

func benchRequests(b *testing.B, address string) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	raw := "PUT /bucket/prefix/key HTTP/1.1\r\nHost: 127.0.0.1:9000\r\nUser-Agent: aws-sdk-go-v2/1.47.6 os/linux lang/go#1.26 md/GOOS#linux md/GOARCH#amd64 api/s3#1.114.7\r\n" +
		"Content-Length: 4096\r\nAccept-Encoding: identity\r\nAmz-Sdk-Invocation-Id: 2f1d3c0e-1f0e-4b6e-9a5e-2b1d3c0e1f0e\r\nAmz-Sdk-Request: attempt=1; max=3\r\n" +
		"Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261121/us-east-1/s3/aws4_request, SignedHeaders=accept-encoding;amz-sdk-invocation-id;content-length;content-type;host;x-amz-checksum-crc32;x-amz-content-sha256;x-amz-date, Signature=" + strings.Repeat("a", 64) + "\r\n" +
		"Content-Type: application/octet-stream\r\nX-Amz-Checksum-Crc32: AAAAAA==\r\nX-Amz-Content-Sha256: " + strings.Repeat("b", 64) + "\r\nX-Amz-Date: 20261121T000000Z\r\nX-Amz-Sdk-Checksum-Algorithm: CRC32\r\n\r\n" + strings.Repeat("x", 4096)
	br := bufio.NewReader(c)
	b.ReportAllocs()
	for b.Loop() {
		io.WriteString(c, raw)
		for {
			line, err := br.ReadSlice('\n')
			if err != nil {
				b.Fatal(err)
			}
			if len(line) == 2 {
				break
			}
		}
	}
}
