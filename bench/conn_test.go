package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func testTarget(endpoint string) *Target {
	return &Target{Endpoints: []string{endpoint}, Region: "us-east-1", AccessKey: "a", SecretKey: "s", Bucket: "b"}
}

func testClient(t *testing.T, target *Target) *client {
	t.Helper()
	c, err := newClient(t.Context(), target, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return c
}

// script is a server that answers each request with the next of its texts, and
// closes the connection after one that ends with "!close".
func script(t *testing.T, answers ...string) *Target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var next atomic.Int64
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for r := bufio.NewReader(c); ; {
					req, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					i := int(next.Add(1)) - 1
					if i >= len(answers) {
						return
					}
					text, end := strings.CutSuffix(answers[i], "!close")
					for part := range strings.SplitSeq(text, "!flush") {
						_, _ = io.WriteString(c, part)
						if strings.Contains(text, "!flush") {
							time.Sleep(2 * time.Millisecond) // Lets the parts arrive one by one.
						}
					}
					if end {
						return
					}
				}
			}()
		}
	}()
	return testTarget("http://" + l.Addr().String())
}

func TestResponsesThatAreWellFormed(t *testing.T) {
	for name, c := range map[string]struct{ answer, body string }{
		"length":              {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello"},
		"empty":               {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""},
		"no reason":           {"HTTP/1.1 200\r\ncontent-length:2\r\n\r\nok", "ok"},
		"chunked":             {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA;ext=1\r\n, wonderfu\r\n0\r\nTrailer: x\r\n\r\n", "hello, wonderfu"},
		"byte by byte":        {"HTTP/1.1 !flush200 OK\r!flush\nTransfer-Encoding: chunked\r\n\r!flush\n!flush3!flush\r\nab!flushc\r!flush\n0\r\n!flush\r\n", "abc"},
		"until close":         {"HTTP/1.1 200 OK\r\n\r\nall there is!close", "all there is"},
		"HTTP/1.0":            {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok!close", "ok"},
		"continue first":      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok"},
		"early hints":         {"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok"},
		"no content":          {"HTTP/1.1 204 No Content\r\n\r\n", ""},
		"equal lengths":       {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", "ok"},
		"connection: close":   {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok!close", "ok"},
		"many small headers":  {"HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: b\r\n", 1000) + "Content-Length: 2\r\n\r\nok", "ok"},
		"body over the brink": {"HTTP/1.1 200 OK\r\nContent-Length: 700000\r\n\r\n" + strings.Repeat("x", 700_000), strings.Repeat("x", 700_000)},
	} {
		t.Run(name, func(t *testing.T) {
			// Twice: after the first the connection is in order or replaced.
			cl := testClient(t, script(t, c.answer, c.answer))
			for range 2 {
				cl.begin(http.MethodGet, []byte("k"))
				if err := cl.send(nil, cl.keepAll); err != nil {
					t.Fatal(err)
				}
				if string(cl.doc) != c.body || cl.resp.read != int64(len(c.body)) {
					t.Fatalf("body of %d bytes, %.40q; want %.40q", cl.resp.read, cl.doc, c.body)
				}
			}
		})
	}
}

func TestResponsesThatAreMalformed(t *testing.T) {
	for name, answer := range map[string]string{
		"not HTTP":              "SSH-2.0-OpenSSH\r\n\r\n",
		"HTTP/2":                "HTTP/2.0 200 OK\r\n\r\n",
		"no status":             "HTTP/1.1 OK 200\r\n\r\n",
		"four digits":           "HTTP/1.1 2000 OK\r\n\r\n",
		"status 99":             "HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n",
		"switching":             "HTTP/1.1 101 Switching Protocols\r\n\r\n",
		"header without colon":  "HTTP/1.1 200 OK\r\nContent-Length\r\n\r\n",
		"folded header":         "HTTP/1.1 200 OK\r\nX-A: b\r\n c: d\r\nContent-Length: 0\r\n\r\n",
		"negative length":       "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"signed length":         "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
		"huge length":           "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"two lengths":           "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
		"length and chunks":     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"other encoding":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"chunk size":            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
		"negative chunk":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
		"no chunk size":         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
		"huge chunk":            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8000000000000000\r\n",
		"chunk without end":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokok\r\n0\r\n\r\n",
		"line feed only":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nok\n0\n\n",
		"endless headers":       "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: b\r\n", 10_000),
		"more than it said":     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok, and more",
		"answer to nothing":     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n",
		"space before colon":    "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
		"endless trailers":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("X-A: b\r\n", 12_000),
		"endless chunk comment": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;" + strings.Repeat("x", 300_000),
	} {
		t.Run(name, func(t *testing.T) {
			c := testClient(t, script(t, answer+"!close"))
			c.begin(http.MethodGet, []byte("k"))
			err := c.send(nil, c.keepAll)
			if !errors.Is(err, errMalformed) {
				t.Fatalf("got %v", err)
			}
			if codeOf(err) != "MalformedResponse" {
				t.Errorf("counted as %s", codeOf(err))
			}
			if c.conn.nc != nil {
				t.Error("the connection is kept")
			}
		})
	}
}

func TestResponsesThatEndEarly(t *testing.T) {
	for name, answer := range map[string]string{
		"nothing":       "!close",
		"half a head":   "HTTP/1.1 200 OK\r\nContent-Le!close",
		"half a body":   "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello!close",
		"half a chunk":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel!close",
		"no last chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n!close",
	} {
		t.Run(name, func(t *testing.T) {
			c := testClient(t, script(t, answer))
			c.begin(http.MethodGet, []byte("k"))
			err := c.send(nil, c.keepAll)
			if !gone(err) || codeOf(err) != "ConnectionClosed" && codeOf(err) != "ConnectionReset" {
				t.Fatalf("got %v, counted as %s", err, codeOf(err))
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	const doc = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>Reduce your &lt;rate&gt;.</Message></Error>`
	c := testClient(t, script(t,
		fmt.Sprintf("HTTP/1.1 503 Slow Down\r\nContent-Length: %d\r\n\r\n%s", len(doc), doc),
		"HTTP/1.1 404 Not Found\r\nContent-Length: 1000\r\n\r\n",
		"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\nhelp",
		"HTTP/1.1 301 Moved\r\nContent-Length: 0\r\n\r\n",
	))
	err := c.get([]byte("k"), 5, nil)
	s, ok := errors.AsType[*StatusError](err)
	if !ok || s.Status != 503 || s.Code != "SlowDown" || s.Message != "Reduce your <rate>." || !passing(err) {
		t.Errorf("got %#v", err)
	}
	if err := c.head([]byte("k"), 5); !absent(err) || codeOf(err) != "HTTP 404" || passing(err) {
		t.Errorf("got %v", err)
	}
	if err := c.get([]byte("k"), 4, nil); codeOf(err) != "HTTP 500" {
		t.Errorf("got %v", err)
	}
	if err := c.delete([]byte("k")); codeOf(err) != "HTTP 301" {
		t.Errorf("got %v", err)
	}
	if c.conn.dials != 1 {
		t.Errorf("%d connections were needed", c.conn.dials)
	}
}

func TestWrongLengthIsWrongContent(t *testing.T) {
	c := testClient(t, script(t, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"))
	if err := c.get([]byte("k"), 6, nil); codeOf(err) != "WrongContent" {
		t.Errorf("got %v", err)
	}
}

func TestClosedIdleConnectionIsDialledAgain(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	// The server closes after the first answer without having said so, which
	// is told apart from closing instead of an answer.
	c := testClient(t, script(t, ok+"!close", ok, "!close"))
	for i := range 2 {
		if err := c.get([]byte("k"), 0, nil); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		time.Sleep(10 * time.Millisecond) // Lets the close arrive; without it the retry is the same.
	}
	if c.conn.dials != 2 {
		t.Errorf("%d connections", c.conn.dials)
	}
}

func TestEarlyRefusalOfALargeBody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = c.Read(make([]byte, 1000))
		_, _ = io.WriteString(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		_ = c.(*net.TCPConn).CloseWrite()
		_, _ = io.CopyN(io.Discard, c, 1<<20) // A lingering close, as servers do.
	}()
	c := testClient(t, testTarget("http://"+l.Addr().String()))
	b := newBodies(64 << 20).open()
	b.set(1, 1)
	err = c.put([]byte("k"), b)
	// The kernel may drop the answer when the connection is reset; then the
	// reset is what is reported.
	if s, ok := errors.AsType[*StatusError](err); ok && s.Status != 403 || !ok && !gone(err) {
		t.Errorf("got %v", err)
	}
}

func TestTimeoutAndCancellation(t *testing.T) {
	hang := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer srv.Close()
	defer close(hang)
	target := testTarget(srv.URL)
	target.Timeout = 20 * time.Millisecond
	c := testClient(t, target)
	if err := c.get([]byte("k"), 0, nil); codeOf(err) != "Timeout" || !passing(err) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c, err := newClient(ctx, testTarget(srv.URL), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	time.AfterFunc(10*time.Millisecond, cancel)
	if err := c.get([]byte("k"), 0, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestRefusedConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	c := testClient(t, testTarget("http://"+l.Addr().String()))
	if err := c.get([]byte("k"), 0, nil); !errors.Is(err, syscall.ECONNREFUSED) || codeOf(err) != "ConnectionRefused" {
		t.Errorf("got %v", err)
	}
}

func TestAgainstNetHTTP(t *testing.T) {
	var requests, bytes atomic.Int64
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		n, _ := io.Copy(io.Discard, r.Body)
		bytes.Add(n)
		if r.ContentLength != n {
			t.Errorf("Content-Length %d before %d bytes", r.ContentLength, n)
		}
		if r.Header.Get("X-Extra") != "yes" {
			t.Errorf("headers %v", r.Header)
		}
		switch {
		case r.URL.Path == "/b/chunked":
			for range 10 {
				_, _ = io.WriteString(w, strings.Repeat("y", 10_000))
				w.(http.Flusher).Flush()
			}
		case r.URL.Path == "/b/close":
			w.Header().Set("Connection", "close")
		case r.Method == http.MethodHead:
			w.Header().Set("Content-Length", "12345")
		}
	})
	for name, start := range map[string]func(http.Handler) *httptest.Server{"http": httptest.NewServer, "https": httptest.NewTLSServer} {
		t.Run(name, func(t *testing.T) {
			srv := start(h)
			defer srv.Close()
			srv.Config.ErrorLog = log.New(io.Discard, "", 0) // It would tell of the refused certificate.
			target := testTarget(srv.URL)
			target.Headers = []string{"X-Extra: yes"}
			if name == "https" {
				strict := testClient(t, target)
				if err := strict.head([]byte("k"), 12345); err == nil || !strings.Contains(err.Error(), "certificate") {
					t.Errorf("an unknown certificate gives %v", err)
				}
				target.RootCAs = srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
			}
			c := testClient(t, target)
			for _, size := range []int64{0, 1, 4096, gatherMax, gatherMax + 1, 5 << 20, blockMax + 5000} {
				b := newBodies(size).open()
				b.set(1, 2)
				bytes.Store(0)
				if err := c.put([]byte("k"), b); err != nil {
					t.Fatal(err)
				}
				if bytes.Load() != size {
					t.Errorf("%d of %d bytes came", bytes.Load(), size)
				}
			}
			if err := c.get([]byte("chunked"), 100_000, nil); err != nil {
				t.Error(err)
			}
			if err := c.head([]byte("k"), 12345); err != nil {
				t.Error(err)
			}
			if c.conn.dials != 1 {
				t.Errorf("%d connections", c.conn.dials)
			}
			for range 3 {
				if err := c.get([]byte("close"), 0, nil); err != nil {
					t.Error(err)
				}
			}
			if c.conn.dials != 3 {
				t.Errorf("%d connections after answers that close theirs", c.conn.dials)
			}
		})
	}
}

// A request costs system calls and a signature, never garbage.
func TestRequestsDoNotAllocate(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		answer := []byte("HTTP/1.1 200 OK\r\nDate: Fri, 20 Nov 2026 00:00:00 GMT\r\nETag: \"0\"\r\nContent-Length: 8\r\n\r\n12345678")
		for buf := make([]byte, 64<<10); ; {
			if _, err := c.Read(buf); err != nil {
				return
			}
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	}()
	c := testClient(t, testTarget("http://"+l.Addr().String()))
	b := newBodies(4096).open()
	k := keys{prefix: "p/"}
	var key []byte
	var i uint64
	step := func() {
		id := k.id(i)
		i++
		b.set(id, 0)
		key = k.name(key, id)
		if err := errors.Join(c.put(key, b), c.get(key, 8, nil)); err != nil {
			t.Fatal(err)
		}
	}
	step()
	// The second at which the date changes costs one.
	if n := testing.AllocsPerRun(500, step); n > 0 {
		t.Errorf("%v allocations per PUT and GET", n)
	}
}

func FuzzResponse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 404\r\n\r\nrest"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		here, there := net.Pipe()
		go func() {
			_, _ = there.Write(raw)
			there.Close()
		}()
		c := newConn(t.Context(), nil, time.Second)
		c.nc = here
		defer here.Close()
		var n int64
		resp, err := c.receive(false, func(_ int, p []byte) error { n += int64(len(p)); return nil })
		if err == nil && (resp.status < 200 || resp.status > 999 || resp.read != n || resp.length >= 0 && resp.status != 204 && resp.status != 304 && n != resp.length) {
			t.Errorf("%q gives %+v and %d bytes", raw, resp, n)
		}
	})
}
