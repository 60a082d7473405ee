package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/farhold/farhold/config"
	"github.com/farhold/farhold/realm"
)

const (
	handshakeTimeout = 10 * time.Second
	headMax          = 32 << 10 // bytes of a request's head: metadata of 2 KiB and a long presigned URL fit
	streamsMax       = 256      // requests at once on an HTTP/2 connection
	acceptWaitMax    = time.Second
)

// life is what is known of a connection from its acceptance to its end. A
// connection that is idle, or has not sent a request yet, can be given up for a
// new one.
type life struct {
	net.Conn
	crowd *crowd
	idle  atomic.Int64 // since when, in Unix nanoseconds; 0 while it is busy
	once  sync.Once

	lingers bool // its last answer is out; under the crowd's mutex
}

// Close implements net.Conn.
func (l *life) Close() error {
	l.once.Do(func() { l.crowd.leave(l) })
	return l.Conn.Close()
}

// CloseWrite shuts the sending side.
func (l *life) CloseWrite() error { return closeWrite(l.Conn) }

// closeWrite shuts the sending side of a connection that has one.
func closeWrite(c net.Conn) error {
	if c, ok := c.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// crowd is the connections of a listener, bounded.
type crowd struct {
	max      int
	patience patience
	mu       sync.Mutex
	all      map[*life]struct{}
	lingers  int  // how many of them linger
	closing  bool // nothing begins to linger any more
	wg       sync.WaitGroup
}

// enter takes a connection in. When there are too many, the one that has
// lingered longest goes, or the one that has been idle longest where none
// lingers; when none is idle, the new one can't come in.
func (c *crowd) enter(conn net.Conn) (*life, bool) {
	l := &life{Conn: conn, crowd: c}
	l.idle.Store(time.Now().UnixNano())
	c.mu.Lock()
	var oldest *life
	full := len(c.all) >= c.max
	if full {
		var since int64
		for o := range c.all {
			i := o.idle.Load()
			if i == 0 {
				continue
			}
			if oldest == nil || o.lingers && !oldest.lingers || o.lingers == oldest.lingers && i < since {
				oldest, since = o, i
			}
		}
		if oldest == nil {
			c.mu.Unlock()
			return nil, false
		}
		delete(c.all, oldest)
	}
	c.all[l] = struct{}{}
	c.mu.Unlock()
	if oldest != nil {
		oldest.Close()
	}
	return l, true
}

// noMoreLinger has connections close at once from here on.
func (c *crowd) noMoreLinger() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closing = true
}

func (c *crowd) leave(l *life) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.all, l)
}

func (c *crowd) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.all)
}

// public is a public listener and the servers behind it: HTTP/1.1 behind the
// guard, and HTTP/2 where TLS negotiated it.
type public struct {
	l      net.Listener
	tls    *tls.Config // nil for plain HTTP
	crowd  crowd
	h1, h2 *http.Server
	q1, q2 *queue
	log    *slog.Logger
	wg     sync.WaitGroup
	closed chan struct{}
}

type guardKey struct{}

// newPublic makes a listener's servers. cert is nil for plain HTTP.
func newPublic(l net.Listener, cert *realm.KeyPair, h http.Handler, limits config.Limits, log *slog.Logger) *public {
	p := &public{l: l, log: log, closed: make(chan struct{})}
	p.crowd = crowd{max: limits.Connections, patience: lingering, all: map[*life]struct{}{}}
	p.q1, p.q2 = newQueue(l.Addr()), newQueue(l.Addr())
	errorLog := slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	server := func() *http.Server {
		return &http.Server{
			Handler:           h,
			ReadHeaderTimeout: limits.Header.Duration(),
			IdleTimeout:       limits.Idle.Duration(),
			MaxHeaderBytes:    headMax,
			ErrorLog:          errorLog,
			ConnState:         noteState,
			// OPTIONS * is S3's to answer, as every other request.
			DisableGeneralOptionsHandler: true,
		}
	}
	p.h1, p.h2 = server(), server()
	p.h1.Protocols, p.h2.Protocols = new(http.Protocols), new(http.Protocols)
	p.h1.Protocols.SetHTTP1(true)
	p.h1.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, guardKey{}, c)
	}
	p.h2.Protocols.SetHTTP2(true)
	p.h2.TLSConfig = &tls.Config{NextProtos: []string{"h2"}}
	p.h2.HTTP2 = &http.HTTP2Config{
		MaxConcurrentStreams:          streamsMax,
		MaxReceiveBufferPerStream:     1 << 20,
		MaxReceiveBufferPerConnection: 4 << 20,
		SendPingTimeout:               limits.Idle.Duration(),
		PingTimeout:                   15 * time.Second,
		WriteByteTimeout:              limits.Progress.Duration(),
	}
	if cert != nil {
		p.tls = &tls.Config{
			MinVersion:     tls.VersionTLS12,
			NextProtos:     []string{"h2", "http/1.1"},
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert.Get(), nil },
		}
	}
	return p
}

// noteState keeps a connection's life up to date.
func noteState(c net.Conn, s http.ConnState) {
	var l *life
	switch c := c.(type) {
	case *guard:
		l = c.life
	case *tls.Conn:
		l, _ = c.NetConn().(*life)
	}
	if l == nil {
		return
	}
	switch s {
	case http.StateActive:
		l.idle.Store(0)
	case http.StateIdle:
		l.idle.Store(time.Now().UnixNano())
	}
}

// serve accepts connections until shutdown. It returns at once.
func (p *public) serve() {
	p.wg.Go(func() { p.h1.Serve(p.q1) })
	p.wg.Go(func() { p.h2.Serve(p.q2) })
	p.wg.Go(p.accept)
}

func (p *public) accept() {
	wait := time.Duration(0)
	for {
		conn, err := p.l.Accept()
		if err != nil {
			select {
			case <-p.closed:
				return
			default:
			}
			if errors.Is(err, net.ErrClosed) {
				p.log.Error("a public listener was closed", "address", p.l.Addr(), "error", err)
				return
			}
			// Out of file descriptors, most likely: it passes.
			wait = min(max(2*wait, 5*time.Millisecond), acceptWaitMax)
			p.log.Warn("accepting failed", "address", p.l.Addr(), "error", err)
			select {
			case <-time.After(wait):
			case <-p.closed:
				return
			}
			continue
		}
		wait = 0
		l, ok := p.crowd.enter(conn)
		if !ok {
			conn.Close()
			continue
		}
		if p.tls == nil {
			p.q1.put(&guard{Conn: l, headMax: headMax, life: l})
			continue
		}
		p.wg.Go(func() { p.handshake(l) })
	}
}

// handshake sees which protocol a TLS client speaks and queues the connection
// for that one's server.
func (p *public) handshake(l *life) {
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	defer cancel()
	c := tls.Server(l, p.tls)
	if err := c.HandshakeContext(ctx); err != nil {
		l.Close()
		return
	}
	state := c.ConnectionState()
	if state.NegotiatedProtocol == "h2" {
		p.q2.put(c)
		return
	}
	p.q1.put(&guard{Conn: c, headMax: headMax, tls: &state, life: l})
}

// shutdown stops accepting, gives requests under way until ctx ends, and closes
// what is left.
func (p *public) shutdown(ctx context.Context) error {
	close(p.closed)
	err := p.l.Close()
	p.q1.Close()
	p.q2.Close()
	var wg sync.WaitGroup
	for _, s := range []*http.Server{p.h1, p.h2} {
		wg.Go(func() {
			if s.Shutdown(ctx) != nil {
				p.crowd.noMoreLinger() // Close is for connections with handlers that still read
				s.Close()
			}
		})
	}
	wg.Wait()
	p.crowd.noMoreLinger()
	p.crowd.mu.Lock()
	left := make([]*life, 0, len(p.crowd.all))
	for l := range p.crowd.all {
		left = append(left, l)
	}
	p.crowd.mu.Unlock()
	for _, l := range left { // those in a handshake, or lingering
		l.Close()
	}
	p.wg.Wait()
	p.crowd.wg.Wait()
	return err
}

// queue is a net.Listener of connections that were accepted elsewhere.
type queue struct {
	addr  net.Addr
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newQueue(addr net.Addr) *queue {
	return &queue{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
}

// put hands a connection to whoever accepts, or closes it.
func (q *queue) put(c net.Conn) {
	select {
	case q.conns <- c:
	case <-q.done:
		c.Close()
	}
}

// Accept implements net.Listener.
func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (q *queue) Close() error {
	q.once.Do(func() { close(q.done) })
	return nil
}

// Addr implements net.Listener.
func (q *queue) Addr() net.Addr { return q.addr }
