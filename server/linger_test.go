package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/farhold/farhold/config"
	"github.com/farhold/farhold/realm"
)

// refuser refuses every upload without reading any of it, and takes all else.
var refuser = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPut {
		w.Header().Set("Content-Length", "6")
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, "denied")
	}
})

// lingerListener serves refuser behind a listener that lingers as with says,
// and gives the configuration with which to dial it over TLS.
func lingerListener(t *testing.T, secure bool, with patience) (*public, *tls.Config) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var pair *realm.KeyPair
	var client *tls.Config
	if secure {
		ca, err := realm.NewCA("test", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		certPEM, keyPEM, err := ca.IssueServer([]string{"localhost", "127.0.0.1"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if pair, err = realm.NewKeyPair(certPEM, keyPEM); err != nil {
			t.Fatal(err)
		}
		client = &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost"}
	}
	limits := config.Limits{Progress: 1}.WithDefaults()
	f := NewFront(FrontOptions{Limits: limits})
	p := newPublic(l, pair, f.secure(f.bound(refuser)), limits, slog.New(slog.DiscardHandler))
	p.crowd.patience = with
	p.serve()
	t.Cleanup(func() {
		ctx, cancel := contextFor(100 * time.Millisecond)
		defer cancel()
		p.shutdown(ctx)
	})
	return p, client
}

func dialSecure(t *testing.T, p *public, conf *tls.Config, proto string) net.Conn {
	t.Helper()
	if conf == nil {
		return dialTest(t, p)
	}
	conf = conf.Clone()
	conf.NextProtos = []string{proto}
	c, err := tls.Dial("tcp", p.l.Addr().String(), conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// upload is the head of an upload of n bytes, with more headers.
func upload(n int, more ...string) string {
	return fmt.Sprintf("PUT /b/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n%s\r\n", n, strings.Join(more, ""))
}

// readRefusal reads the answer of refuser.
func readRefusal(t *testing.T, br *bufio.Reader) *http.Response {
	t.Helper()
	res, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	body, err := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusForbidden || string(body) != "denied" || err != nil {
		t.Errorf("answered %d %q, %v", res.StatusCode, body, err)
	}
	return res
}

// TestRefusalReachesWhoSendsFirst: most clients send a whole body before they
// read, and one that meets a closed connection meanwhile never reads why it was
// refused.
func TestRefusalReachesWhoSendsFirst(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		p, conf := lingerListener(t, secure, lingering)
		for _, size := range []int{1 << 20, 8 << 20, 16 << 20, 40 << 20} {
			for _, kind := range []string{"plain", "continued too late", "chunked", "last request"} {
				t.Run(fmt.Sprintf("TLS %v/%s/%d MiB", secure, kind, size>>20), func(t *testing.T) {
					t.Parallel()
					c := dialSecure(t, p, conf, "http/1.1")
					head := upload(size)
					switch kind {
					case "continued too late":
						head = upload(size, "Expect: 100-continue\r\n")
					case "last request":
						head = upload(size, "Connection: close\r\n")
					case "chunked":
						head = fmt.Sprintf("PUT /b/k HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", size)
					}
					io.WriteString(c, head)
					piece := make([]byte, 64<<10)
					for range size / len(piece) {
						if _, err := c.Write(piece); err != nil {
							t.Fatalf("the upload broke: %v", err)
						}
					}
					if kind == "chunked" {
						io.WriteString(c, "\r\n0\r\n\r\n")
					}
					if res := readRefusal(t, bufio.NewReader(c)); !res.Close {
						t.Error("the connection stays open")
					}
				})
			}
		}
	}
}

// TestRefusalKeepsShortUploadsAlive: what is left of a short body is dropped and
// the connection serves on.
func TestRefusalKeepsShortUploadsAlive(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		p, conf := lingerListener(t, secure, lingering)
		c := dialSecure(t, p, conf, "http/1.1")
		br := bufio.NewReader(c)
		for range 3 {
			for _, size := range []int{1, 1000, 200 << 10} {
				go io.WriteString(c, upload(size)+strings.Repeat("x", size)+"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
				if res := readRefusal(t, br); res.Close {
					t.Fatal("the connection was closed")
				}
				if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 200 {
					t.Fatalf("the next request: %v, %v", res, err)
				}
			}
		}
	}
}

// TestLingeringServesNothing: a request that stands behind a body that was not
// read is dropped with it, however it looks.
func TestLingeringServesNothing(t *testing.T) {
	t.Parallel()
	p, _ := lingerListener(t, false, lingering)
	c := dialTest(t, p)
	const size = 1 << 20
	io.WriteString(c, upload(size)+strings.Repeat("x", size)+"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	br := bufio.NewReader(c)
	readRefusal(t, br)
	if b, err := br.ReadByte(); err != io.EOF {
		t.Errorf("more than one answer: %q, %v", b, err)
	}
}

// TestLingeringEnds: whoever sends too much, too slowly, or nothing at all is
// closed on.
func TestLingeringEnds(t *testing.T) {
	t.Parallel()
	const much = 1 << 30
	broken := func(t *testing.T, c net.Conn, piece []byte, every time.Duration) (sent int) {
		t.Helper()
		for sent < much {
			n, err := c.Write(piece)
			if sent += n; err != nil {
				if errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatal("the connection is still open")
				}
				return sent
			}
			time.Sleep(every)
		}
		t.Fatal("all of it was taken")
		return sent
	}
	t.Run("bytes", func(t *testing.T) {
		t.Parallel()
		p, _ := lingerListener(t, false, patience{bytes: 1 << 20, pause: time.Hour, total: time.Hour, atOnce: 1})
		c := dialTest(t, p)
		io.WriteString(c, upload(much))
		if n := broken(t, c, make([]byte, 64<<10), 0); n > 32<<20 { // what buffers hold comes on top
			t.Errorf("%d bytes were taken", n)
		}
	})
	t.Run("total", func(t *testing.T) {
		t.Parallel()
		p, _ := lingerListener(t, false, patience{bytes: much, pause: time.Hour, total: 200 * time.Millisecond, atOnce: 1})
		c := dialTest(t, p)
		io.WriteString(c, upload(much))
		broken(t, c, []byte("x"), 10*time.Millisecond)
	})
	t.Run("pause", func(t *testing.T) {
		t.Parallel()
		p, _ := lingerListener(t, false, patience{bytes: much, pause: 200 * time.Millisecond, total: time.Hour, atOnce: 1})
		c := dialTest(t, p)
		io.WriteString(c, upload(much))
		readRefusal(t, bufio.NewReader(c))
		gone(t, c)
		soon(t, func() bool { return p.crowd.size() == 0 })
	})
}

// TestLingeringIsBounded: only so many connections are read on at once, and one
// that is makes room for a new one where a listener is full.
func TestLingeringIsBounded(t *testing.T) {
	t.Parallel()
	p, _ := lingerListener(t, false, patience{bytes: 1 << 30, pause: time.Hour, total: time.Hour, atOnce: 2})
	p.crowd.mu.Lock()
	p.crowd.max = 3
	p.crowd.mu.Unlock()
	refused := func() net.Conn {
		c := dialTest(t, p)
		io.WriteString(c, upload(1<<30))
		readRefusal(t, bufio.NewReader(c))
		return c
	}
	first, second := refused(), refused()
	soon(t, func() bool { return p.crowd.lingerers() == 2 })
	third := refused()
	soon(t, func() bool { return p.crowd.size() == 2 }) // there is no place for it
	gone(t, third)
	fourth := dialTest(t, p)
	soon(t, func() bool { return p.crowd.size() == 3 })
	if got, _ := exchange(t, p, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 1); len(got) != 1 || got[0] != 200 {
		t.Errorf("among refused clients: answered %v", got)
	}
	gone(t, first)
	soon(t, func() bool { return p.crowd.lingerers() == 1 })
	if _, err := second.Write([]byte("x")); err != nil {
		t.Errorf("the younger one went too: %v", err)
	}
	fourth.Close()
}

// TestLingeringMakesRoomFirst: where a listener is full, those that were refused
// go before those that only rest between requests, however long they have.
func TestLingeringMakesRoomFirst(t *testing.T) {
	t.Parallel()
	p, _ := lingerListener(t, false, patience{bytes: 1 << 30, pause: time.Hour, total: time.Hour, atOnce: 2})
	const get = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
	resting := dialTest(t, p)
	br := bufio.NewReader(resting)
	ask := func() {
		t.Helper()
		io.WriteString(resting, get)
		if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 200 {
			t.Fatalf("on the connection that rested: %v, %v", res, err)
		}
	}
	ask()
	soon(t, func() bool { // it rests: nothing is under way on it
		p.crowd.mu.Lock()
		defer p.crowd.mu.Unlock()
		for l := range p.crowd.all {
			return l.idle.Load() != 0
		}
		return false
	})
	refused := dialTest(t, p)
	io.WriteString(refused, upload(1<<30))
	readRefusal(t, bufio.NewReader(refused))
	soon(t, func() bool { return p.crowd.lingerers() == 1 })
	p.crowd.mu.Lock()
	p.crowd.max = 2
	p.crowd.mu.Unlock()
	if got, _ := exchange(t, p, get, 1); len(got) != 1 || got[0] != 200 {
		t.Errorf("a new connection: answered %v", got)
	}
	gone(t, refused)
	ask()
}

// TestShutdownReadsNothingAway: where a listener is shut down while uploads are
// under way, nobody but their handlers reads from their connections.
func TestShutdownReadsNothingAway(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	began := make(chan struct{})
	p := newPublic(l, nil, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		io.Copy(io.Discard, r.Body)
	}), config.Limits{}.WithDefaults(), slog.New(slog.DiscardHandler))
	p.serve()
	c := dialTest(t, p)
	io.WriteString(c, upload(1<<30))
	<-began
	p.crowd.mu.Lock()
	var under *life
	for l := range p.crowd.all {
		under = l
	}
	p.crowd.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p.shutdown(ctx)
	p.crowd.mu.Lock()
	defer p.crowd.mu.Unlock()
	if under == nil || under.lingers {
		t.Error("the connection was read on under its handler")
	}
}

// TestUnreadBodyHasADeadline: who waits for 100 Continue, is refused and then
// sends nothing holds no connection.
func TestUnreadBodyHasADeadline(t *testing.T) {
	t.Parallel()
	p, _ := lingerListener(t, false, patience{bytes: 1 << 30, pause: 200 * time.Millisecond, total: time.Hour, atOnce: 2})
	for _, size := range []int{100, 1 << 20} {
		c := dialTest(t, p)
		io.WriteString(c, upload(size, "Expect: 100-continue\r\n"))
		br := bufio.NewReader(c)
		if res := readRefusal(t, br); !res.Close {
			t.Error("the connection stays open, although the body may still come")
		}
		gone(t, c)
	}
}

// TestRefusalOverHTTP2: there the stream ends and the connection serves on.
func TestRefusalOverHTTP2(t *testing.T) {
	t.Parallel()
	p, conf := lingerListener(t, true, lingering)
	tr := &http.Transport{TLSClientConfig: conf, ForceAttemptHTTP2: true}
	defer tr.CloseIdleConnections()
	for range 3 {
		req, _ := http.NewRequest("PUT", "https://"+p.l.Addr().String()+"/b/k", bytes.NewReader(make([]byte, 16<<20)))
		res, err := (&http.Client{Transport: tr}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if res.Proto != "HTTP/2.0" || res.StatusCode != http.StatusForbidden || string(body) != "denied" || err != nil {
			t.Errorf("%s answered %d %q, %v", res.Proto, res.StatusCode, body, err)
		}
	}
	if n := p.crowd.size(); n != 1 {
		t.Errorf("%d connections for three requests", n)
	}
}

// soon waits until something holds.
func soon(t *testing.T, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it never comes to hold")
		}
	}
}
