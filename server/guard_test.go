package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/farhold/farhold/config"
	"log/slog"
)

// listenTest serves h on loopback behind a public listener of its own.
func listenTest(t *testing.T, h http.Handler, limits config.Limits) *public {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := newPublic(l, nil, h, limits.WithDefaults(), slog.New(slog.DiscardHandler))
	p.serve()
	t.Cleanup(func() {
		ctx, cancel := contextFor(100 * time.Millisecond)
		defer cancel()
		p.shutdown(ctx)
	})
	return p
}

func dialTest(t *testing.T, p *public) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// exchange sends raw bytes and gives the statuses of all answers until the
// server closes the connection or goes quiet after want answers.
func exchange(t *testing.T, p *public, raw string, want int) (statuses []int, closed bool) {
	t.Helper()
	c := dialTest(t, p)
	go io.WriteString(c, raw)
	br := bufio.NewReader(c)
	for len(statuses) < want {
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			return statuses, true
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		statuses = append(statuses, res.StatusCode)
		if res.Close {
			return statuses, true
		}
	}
	return statuses, false
}

func TestGuardRefusesWhatCanBeReadTwoWays(t *testing.T) {
	var seen atomic.Int64
	p := listenTest(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Add(1)
		io.Copy(io.Discard, r.Body)
	}), config.Limits{})
	const host = "Host: localhost\r\n"
	head := func(s string) string { return "PUT /b/k HTTP/1.1\r\n" + host + s + "\r\n\r\n" }
	for name, raw := range map[string]string{
		"CL and TE":                   head("Content-Length: 5\r\nTransfer-Encoding: chunked") + "0\r\n\r\n",
		"TE and CL":                   head("Transfer-Encoding: chunked\r\nContent-Length: 5") + "0\r\n\r\n",
		"two CL":                      head("Content-Length: 5\r\nContent-Length: 6") + "hello",
		"two equal CL":                head("Content-Length: 5\r\nContent-Length: 5") + "hello",
		"list in CL":                  head("Content-Length: 5, 5") + "hello",
		"plus in CL":                  head("Content-Length: +5") + "hello",
		"negative CL":                 head("Content-Length: -5") + "hello",
		"hex CL":                      head("Content-Length: 0x5") + "hello",
		"empty CL":                    head("Content-Length:") + "hello",
		"huge CL":                     head("Content-Length: 99999999999999999999") + "hello",
		"two TE":                      head("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked") + "0\r\n\r\n",
		"TE identity":                 head("Transfer-Encoding: identity") + "",
		"TE list":                     head("Transfer-Encoding: gzip, chunked") + "0\r\n\r\n",
		"TE with junk":                head("Transfer-Encoding: chunked;x") + "0\r\n\r\n",
		"TE with tab":                 head("Transfer-Encoding: \x0bchunked") + "0\r\n\r\n",
		"TE in HTTP/1.0":              "PUT /b/k HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"folded line":                 head("X-A: b\r\n c: d"),
		"folded first line":           "GET / HTTP/1.1\r\n X: y\r\n" + host + "\r\n",
		"space before colon":          head("Content-Length : 5") + "hello",
		"no colon":                    head("Content-Length"),
		"empty name":                  head(": x"),
		"bare line feed":              "PUT /b/k HTTP/1.1\n" + host + "Content-Length: 5\r\n\r\nhello",
		"bare line feed in head":      "PUT /b/k HTTP/1.1\r\n" + host + "X: y\nContent-Length: 5\r\n\r\nhello",
		"bare line feed at end":       "PUT /b/k HTTP/1.1\r\n" + host + "\n",
		"bare carriage return":        head("X: y\rContent-Length: 5"),
		"NUL in value":                head("X: a\x00b"),
		"NUL in name":                 head("X\x00: a"),
		"NUL in path":                 "GET /\x00 HTTP/1.1\r\n" + host + "\r\n",
		"space in path":               "GET /a b HTTP/1.1\r\n" + host + "\r\n",
		"tab in request line":         "GET\t/ HTTP/1.1\r\n" + host + "\r\n",
		"absolute form":               "GET http://other/ HTTP/1.1\r\n" + host + "\r\n",
		"CONNECT":                     "CONNECT other:80 HTTP/1.1\r\n" + host + "\r\n",
		"preface of HTTP/2":           "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"HTTP/1.2":                    "GET / HTTP/1.2\r\n" + host + "\r\n",
		"HTTP/0.9":                    "GET /\r\n\r\n",
		"empty line first":            "\r\n\r\n",
		"two hosts":                   "GET / HTTP/1.1\r\n" + host + "Host: other\r\n\r\n",
		"no host":                     "GET / HTTP/1.1\r\n\r\n",
		"long head":                   head("X: " + strings.Repeat("a", headMax)),
		"long request line":           "GET /" + strings.Repeat("a", headMax+5000) + " HTTP/1.1\r\n" + host + "\r\n",
		"many headers":                head(strings.TrimSuffix(strings.Repeat("X: y\r\n", headersMax+1), "\r\n")),
		"long head that does not end": "GET / HTTP/1.1\r\nX: " + strings.Repeat("a", 2*headMax),
	} {
		seen.Store(0)
		got, closed := exchange(t, p, raw, 2)
		if len(got) != 1 || got[0] != 400 || !closed {
			t.Errorf("%s: answered %v, closed %v; want one 400 and the end", name, got, closed)
		}
		if seen.Load() != 0 {
			t.Errorf("%s: reached a handler", name)
		}
	}
	// Bodies: the handler has begun and its read ends in an error.
	for name, raw := range map[string]string{
		"chunk of bare line feeds": head("Transfer-Encoding: chunked") + "5\nhello\n0\n\n",
		"chunk extension":          head("Transfer-Encoding: chunked") + "5;a=b\r\nhello\r\n0\r\n\r\n",
		"chunk size with prefix":   head("Transfer-Encoding: chunked") + "0x5\r\nhello\r\n0\r\n\r\n",
		"chunk size with plus":     head("Transfer-Encoding: chunked") + "+5\r\nhello\r\n0\r\n\r\n",
		"chunk size with space":    head("Transfer-Encoding: chunked") + " 5\r\nhello\r\n0\r\n\r\n",
		"chunk size too large":     head("Transfer-Encoding: chunked") + "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
		"chunk not ended":          head("Transfer-Encoding: chunked") + "5\r\nhelloX\r\n0\r\n\r\n",
		"CL in trailer":            head("Transfer-Encoding: chunked\r\nTrailer: content-length") + "0\r\nContent-Length: 3\r\n\r\n",
		"folded trailer":           head("Transfer-Encoding: chunked\r\nTrailer: x") + "0\r\nX: a\r\n b\r\n\r\n",
	} {
		got, closed := exchange(t, p, raw+"GET /smuggled HTTP/1.1\r\n"+host+"\r\n", 3)
		if !closed || len(got) > 1 {
			t.Errorf("%s: answered %v, closed %v", name, got, closed)
		}
	}
}

func TestGuardLetsRequestsThrough(t *testing.T) {
	p := listenTest(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %q %v %v", r.Method, r.RequestURI, b, err, r.Trailer)
	}), config.Limits{})
	const host = "Host: localhost\r\n"
	big := strings.Repeat("0123456789abcdef", 4096)
	requests := []struct{ raw, want string }{
		{"GET / HTTP/1.1\r\n" + host + "\r\n", `GET / "" <nil> map[]`},
		{"PUT /b/../k//%2F HTTP/1.1\r\n" + host + "content-length: 5\r\n\r\nhello", `PUT /b/../k//%2F "hello" <nil> map[]`},
		{"PUT /é HTTP/1.1\r\n" + host + "Content-Length: 0\r\nX-Amz-Meta-A: \xc3\xa9\r\n\r\n", `PUT /é "" <nil> map[]`},
		{"PUT /c HTTP/1.1\r\n" + host + "Transfer-Encoding: Chunked\r\n\r\n3\r\nhel\r\nA\r\nlo, world!\r\n0\r\n\r\n", `PUT /c "hello, world!" <nil> map[]`},
		{"PUT /t HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n1\r\nx\r\n0\r\nX-Sum: 7\r\n\r\n", `PUT /t "x" <nil> map[X-Sum:[7]]`},
		{"PUT /big HTTP/1.1\r\n" + host + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(big), big), fmt.Sprintf("PUT /big %q <nil> map[]", big)},
		{"PUT /bigc HTTP/1.1\r\n" + host + fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(big), big), fmt.Sprintf("PUT /bigc %q <nil> map[]", big)},
		{"GET /last HTTP/1.1\r\n" + host + "\r\n", `GET /last "" <nil> map[]`},
	}
	var all strings.Builder
	for _, r := range requests {
		all.WriteString(r.raw)
	}
	read := func(br *bufio.Reader, want string) {
		t.Helper()
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		if err != nil || string(b) != want {
			t.Fatalf("got %.200s, %v\nwant %.200s", b, err, want)
		}
	}
	t.Run("one by one", func(t *testing.T) {
		c := dialTest(t, p)
		br := bufio.NewReader(c)
		for _, r := range requests {
			io.WriteString(c, r.raw)
			read(br, r.want)
		}
	})
	for _, piece := range []int{1, 7, 100, 4096, 1 << 20} {
		t.Run(fmt.Sprintf("pipelined in pieces of %d", piece), func(t *testing.T) {
			c := dialTest(t, p)
			go func() {
				s := all.String()
				if piece < 100 { // the long ones take too many writes
					s = strings.Replace(strings.Replace(s, requests[5].raw, "", 1), requests[6].raw, "", 1)
				}
				for len(s) > 0 {
					n := min(piece, len(s))
					io.WriteString(c, s[:n])
					s = s[n:]
				}
			}()
			br := bufio.NewReader(c)
			for i, r := range requests {
				if piece < 100 && (i == 5 || i == 6) {
					continue
				}
				read(br, r.want)
			}
		})
	}
	t.Run("a bad one behind good ones", func(t *testing.T) {
		got, closed := exchange(t, p, requests[0].raw+requests[1].raw+"GET / HTTP/1.1\r\n"+host+"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 4)
		if fmt.Sprint(got) != "[200 200 400]" || !closed {
			t.Errorf("answered %v, closed %v", got, closed)
		}
	})
	t.Run("100 Continue", func(t *testing.T) {
		c := dialTest(t, p)
		io.WriteString(c, "PUT /e HTTP/1.1\r\n"+host+"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
		br := bufio.NewReader(c)
		if line, _ := br.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
			t.Fatalf("got %q", line)
		}
		br.ReadString('\n')
		io.WriteString(c, "ok")
		read(br, `PUT /e "ok" <nil> map[]`)
	})
}

func FuzzGuard(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"PUT / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n",
		"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\nGET",
		"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
	} {
		f.Add([]byte(s), 1)
		f.Add([]byte(s), 4096)
	}
	f.Fuzz(func(t *testing.T, raw []byte, piece int) {
		if piece < 1 || len(raw) > 1<<16 {
			return
		}
		// However the bytes are cut up, the guard hands on the same ones: the
		// input, or a beginning of it and what ends the connection.
		read := func(in, out int) string {
			g := &guard{Conn: &scriptConn{raw, in}, headMax: 4096}
			var b strings.Builder
			p := make([]byte, out)
			for {
				n, err := g.Read(p)
				b.Write(p[:n])
				if err != nil {
					return b.String()
				}
			}
		}
		a, b := read(piece, 4096), read(max(1, len(raw)), 1)
		if a != b {
			t.Fatalf("cut up differently:\n%q\n%q", a, b)
		}
		for _, end := range []string{"", string(noRequest), string(noChunk)} {
			if rest, ok := strings.CutSuffix(a, end); ok && strings.HasPrefix(string(raw), rest) {
				return
			}
		}
		t.Fatalf("handed on %q of %q", a, raw)
	})
}

// scriptConn gives bytes in pieces.
type scriptConn struct {
	b     []byte
	piece int
}

func (c *scriptConn) Read(p []byte) (int, error) {
	if len(c.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.b[:min(len(c.b), c.piece)])
	c.b = c.b[n:]
	return n, nil
}
func (*scriptConn) Write(p []byte) (int, error)      { return len(p), nil }
func (*scriptConn) Close() error                     { return nil }
func (*scriptConn) LocalAddr() net.Addr              { return nil }
func (*scriptConn) RemoteAddr() net.Addr             { return nil }
func (*scriptConn) SetDeadline(time.Time) error      { return nil }
func (*scriptConn) SetReadDeadline(time.Time) error  { return nil }
func (*scriptConn) SetWriteDeadline(time.Time) error { return nil }
