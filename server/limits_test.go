package server

import (
	"bufio"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/farhold/farhold/config"
	"github.com/farhold/farhold/realm"
)

// frontTest serves h behind the stages of a front that limit what clients take.
func frontTest(t *testing.T, h http.Handler, limits config.Limits) *public {
	f := NewFront(FrontOptions{Limits: limits})
	return listenTest(t, f.secure(f.bound(h)), limits)
}

// gone waits until the server has closed the connection.
func gone(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "timeout") {
		t.Fatal("the connection is still open")
	}
}

// resting waits until so many connections can be given up for new ones.
func resting(t *testing.T, p *public, want int) {
	t.Helper()
	idle := func() (n int) {
		p.crowd.mu.Lock()
		defer p.crowd.mu.Unlock()
		for l := range p.crowd.all {
			if l.idle.Load() != 0 {
				n++
			}
		}
		return n
	}
	for end := time.Now().Add(30 * time.Second); idle() != want; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d connections rest, not %d", idle(), want)
		}
	}
}

func TestSlowHeadIsCutOff(t *testing.T) {
	t.Parallel()
	p := frontTest(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("served") }), config.Limits{Header: 1})
	c := dialTest(t, p)
	stop := make(chan struct{})
	defer close(stop)
	go func() { // a byte now and then
		for _, b := range []byte("GET / HTTP/1.1\r\nHost: localhost\r\nX-Padding: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") {
			if _, err := c.Write([]byte{b}); err != nil {
				return
			}
			select {
			case <-stop:
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	}()
	gone(t, c)
}

func TestIdleConnectionIsClosed(t *testing.T) {
	t.Parallel()
	p := frontTest(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), config.Limits{Idle: 1})
	c := dialTest(t, p)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	gone(t, c)
}

func TestSlowBodyIsCutOff(t *testing.T) {
	t.Parallel()
	failed := make(chan error, 1)
	p := frontTest(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		failed <- err
	}), config.Limits{Progress: 1})
	c := dialTest(t, p)
	go func() {
		io.WriteString(c, "PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n")
		for {
			if _, err := c.Write([]byte("x")); err != nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
	if err := <-failed; err == nil {
		t.Error("a body at 20 B/s was taken whole")
	}
	gone(t, c)
}

// TestSteadyBodyIsNotCutOff sends for longer than the time for one piece, and
// lets the handler dawdle for longer than that: neither is the sender's fault.
func TestSteadyBodyIsNotCutOff(t *testing.T) {
	t.Parallel()
	done := make(chan error, 1)
	p := frontTest(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadFull(r.Body, make([]byte, 10)); err != nil {
			done <- err
			return
		}
		time.Sleep(1500 * time.Millisecond)
		_, err := io.Copy(io.Discard, r.Body)
		time.Sleep(1500 * time.Millisecond) // and the client must not seem gone
		if err == nil {
			err = r.Context().Err()
		}
		done <- err
	}), config.Limits{Progress: 1})
	c := dialTest(t, p)
	go func() {
		io.WriteString(c, "PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65536\r\n\r\n")
		for range 16 {
			io.WriteString(c, strings.Repeat("x", 4096))
			time.Sleep(100 * time.Millisecond)
		}
	}()
	if err := <-done; err != nil {
		t.Error(err)
	}
	br := bufio.NewReader(c)
	if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 200 {
		t.Fatalf("answered %v, %v", res, err)
	}
	// The deadlines of that request do not meet the next one.
	time.Sleep(1200 * time.Millisecond)
	go io.WriteString(c, "PUT / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 65536\r\n\r\n"+strings.Repeat("y", 65536))
	if err := <-done; err != nil {
		t.Error(err)
	}
	if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 100 {
		t.Fatalf("answered %v, %v", res, err)
	}
	if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 200 {
		t.Fatalf("answered %v, %v", res, err)
	}
}

// TestRefusalDoesNotWaitForBody: who waits for 100 Continue and is refused hears
// so before a byte of the body is sent.
func TestRefusalDoesNotWaitForBody(t *testing.T) {
	t.Parallel()
	p := listenTest(t, NewFront(FrontOptions{}), config.Limits{Progress: 3600}) // it would wait as long
	c := dialTest(t, p)
	io.WriteString(c, "PUT /b/k HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 123\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != 503 { // no region is open
		t.Fatalf("answered %v, %v", res, err)
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil || !res.Close {
		t.Errorf("the connection stays open (%v), although the body may still come: %v", !res.Close, err)
	}
}

// TestEmptyBodyIsContinued: botocore reads the answers on a connection one off
// when it waits for 100 Continue and gets none.
func TestEmptyBodyIsContinued(t *testing.T) {
	t.Parallel()
	f := NewFront(FrontOptions{})
	p := listenTest(t, f, config.Limits{})
	c := dialTest(t, p)
	br := bufio.NewReader(c)
	for range 2 {
		io.WriteString(c, "PUT /b/k HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n")
		for _, want := range []int{100, 503} { // no region is open
			if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != want {
				t.Fatalf("answered %v, %v; want %d", res, err, want)
			} else {
				io.Copy(io.Discard, res.Body)
			}
		}
	}
}

func TestSlowReaderIsCutOff(t *testing.T) {
	t.Parallel()
	failed := make(chan error, 1)
	p := frontTest(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := w.Write(make([]byte, 64<<20))
		failed <- err
	}), config.Limits{Progress: 1})
	c := dialTest(t, p)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if err := <-failed; err == nil {
		t.Error("64 MiB went out to a client that reads nothing")
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	p := frontTest(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/busy" {
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			<-release
		}
	}), config.Limits{Connections: 4})
	defer close(release)
	busy := dialTest(t, p)
	io.WriteString(busy, "GET /busy HTTP/1.1\r\nHost: localhost\r\n\r\n")
	br := bufio.NewReader(busy)
	if _, err := http.ReadResponse(br, nil); err != nil {
		t.Fatal(err)
	}
	var idle []net.Conn
	for range 20 {
		idle = append(idle, dialTest(t, p))
	}
	// A healthy client is served all the same, and the busy one stays.
	got, _ := exchange(t, p, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 1)
	if len(got) != 1 || got[0] != 200 {
		t.Errorf("among idle connections: answered %v", got)
	}
	if n := p.crowd.size(); n > 4 {
		t.Errorf("%d connections, at most 4 are allowed", n)
	}
	gone(t, idle[0])
	// The healthy client has its answer a moment before its connection rests.
	resting(t, p, 3)
	// When all are busy, a new one is turned away.
	for range 3 {
		c := dialTest(t, p)
		io.WriteString(c, "GET /busy HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if _, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil {
			t.Fatal(err)
		}
	}
	gone(t, dialTest(t, p))
}

func TestTLSSpeaksBothProtocols(t *testing.T) {
	t.Parallel()
	ca, err := realm.NewCA("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	certPEM, keyPEM, err := ca.IssueServer([]string{"localhost", "127.0.0.1"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := realm.NewKeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	limits := config.Limits{}.WithDefaults()
	f := NewFront(FrontOptions{})
	p := newPublic(l, pair, f.secure(f.bound(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.TLS == nil {
			t.Error("the request does not say that it came over TLS")
		}
		io.WriteString(w, r.Proto+" "+string(b))
	}))), limits, slog.New(slog.DiscardHandler))
	p.serve()
	defer func() {
		ctx, cancel := contextFor(time.Second)
		defer cancel()
		p.shutdown(ctx)
	}()
	for proto, want := range map[string]string{"http/1.1": "HTTP/1.1 hello", "h2": "HTTP/2.0 hello"} {
		tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Pool(), NextProtos: []string{proto}}, ForceAttemptHTTP2: proto == "h2"}
		for range 3 {
			res, err := (&http.Client{Transport: tr}).Post("https://"+l.Addr().String()+"/", "text/plain", strings.NewReader("hello"))
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if string(b) != want {
				t.Errorf("%s: got %q, want %q", proto, b, want)
			}
		}
		tr.CloseIdleConnections()
	}
	// Framing is checked inside TLS too.
	c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: ca.Pool(), NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != 400 {
		t.Errorf("answered %v, %v", res, err)
	}
	if _, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: ca.Pool(), MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 was taken")
	}
}
