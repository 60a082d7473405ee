package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"
	"time"
)

const (
	// readBuffer is how many bytes of a response are read at once.
	readBuffer = 256 << 10
	// headMax bounds the status line and headers of a response.
	headMax = 64 << 10
	// gatherMax is the size up to which a body is copied behind its head, so
	// that both leave in one packet and one write.
	gatherMax = 64 << 10
)

// conn is one HTTP/1.1 connection, dialled when needed, kept alive as long as
// the server likes. Not safe for concurrent use.
type conn struct {
	ctx     context.Context
	to      *endpoint
	timeout time.Duration

	nc       net.Conn
	unwatch  func() bool
	in       []byte
	r, w     int       // in[r:w] is read and not yet consumed
	head     []byte    // of the last response
	deadline time.Time // that nc has
	answered bool      // a byte of the current response was read
	used     bool      // nc has carried a whole exchange
	dials    int64
	vec      net.Buffers
}

func newConn(ctx context.Context, to *endpoint, timeout time.Duration) *conn {
	return &conn{ctx: ctx, to: to, timeout: timeout, in: make([]byte, readBuffer)}
}

// dial connects unless connected.
func (c *conn) dial() error {
	if c.nc != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(c.ctx, c.timeout)
	defer cancel()
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", c.to.address)
	if err != nil {
		return err
	}
	if c.to.tls != nil {
		t := tls.Client(nc, c.to.tls)
		if err := t.HandshakeContext(ctx); err != nil {
			nc.Close()
			return err
		}
		nc = t
	}
	c.dials++
	c.nc, c.r, c.w, c.used, c.deadline = nc, 0, 0, false, time.Time{}
	// A cancelled run must not wait for a server that hangs.
	c.unwatch = context.AfterFunc(c.ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })
	return nil
}

// close ends the connection; the next exchange dials anew.
func (c *conn) close() {
	if c.nc == nil {
		return
	}
	c.unwatch()
	c.nc.Close()
	c.nc = nil
}

// arm keeps the deadline between one and five quarters of the timeout away.
// Moving it for every request would cost more than the request's signature.
func (c *conn) arm(now time.Time) {
	if c.deadline.Sub(now) < c.timeout {
		c.deadline = now.Add(c.timeout + c.timeout/4)
		c.nc.SetDeadline(c.deadline)
		if c.ctx.Err() != nil {
			c.nc.SetDeadline(time.Unix(1, 0))
		}
	}
}

// exchange sends a request head and the body that follows it, then reads one
// response whose body goes to sink in pieces, or nowhere when sink is nil. A
// kept-alive connection that turns out closed before any answer is dialled
// anew, once. The response's header block is valid until the next exchange.
func (c *conn) exchange(head []byte, payload [][]byte, bodiless bool, now time.Time, sink func(status int, p []byte) error) (response, error) {
	for {
		if err := c.dial(); err != nil {
			return response{}, err
		}
		again := c.used
		c.arm(now)
		resp, err := c.once(head, payload, bodiless, sink)
		if err == nil {
			c.used = true
			if resp.close {
				c.close()
			}
			return resp, nil
		}
		stale := again && !c.answered && gone(err)
		c.close()
		if c.ctx.Err() != nil {
			return resp, c.ctx.Err()
		}
		if !stale {
			return resp, err
		}
	}
}

func (c *conn) once(head []byte, payload [][]byte, bodiless bool, sink func(int, []byte) error) (response, error) {
	c.answered = false
	werr := c.send(head, payload)
	if werr != nil && !gone(werr) {
		return response{}, werr
	}
	// A server that refuses a body may answer and close before it has read
	// it: then the answer counts, not the failed write.
	resp, err := c.receive(bodiless, sink)
	if werr != nil {
		resp.close = true
		if err != nil {
			err = werr
		}
	}
	return resp, err
}

func (c *conn) send(head []byte, payload [][]byte) error {
	if len(payload) == 0 {
		_, err := c.nc.Write(head)
		return err
	}
	if _, ok := c.nc.(*net.TCPConn); !ok {
		if _, err := c.nc.Write(head); err != nil {
			return err
		}
		for _, p := range payload {
			if _, err := c.nc.Write(p); err != nil {
				return err
			}
		}
		return nil
	}
	full := append(append(c.vec[:0], head), payload...)
	c.vec = full
	_, err := c.vec.WriteTo(c.nc)
	c.vec = full[:0] // WriteTo moved the slice along; keep its memory.
	return err
}

// gone tells whether the other side has closed the connection.
func gone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// fill reads at least one more byte behind in[r:w].
func (c *conn) fill() error {
	if c.r == c.w {
		c.r, c.w = 0, 0
	} else if c.w == len(c.in) {
		c.w = copy(c.in, c.in[c.r:c.w])
		c.r = 0
	}
	n, err := c.nc.Read(c.in[c.w:])
	if n > 0 {
		c.answered = true
		c.w += n
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}
