package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"
)

// collectMax bounds a response body that is kept in memory: pages of a list
// and error documents. A page of 1,000 keys is some 300 KB.
const collectMax = 64 << 20

// client speaks S3 over one connection with one credential. It reuses its
// buffers from request to request and is not safe for concurrent use.
type client struct {
	target *Target
	conn   *conn
	sign   *signer
	extra  []byte // header lines that go with every request

	req     request
	out     []byte   // request head, and the body behind it when small
	payload [][]byte // body of a larger request
	doc     []byte   // body of the last response, when it was kept
	elapsed time.Duration
	resp    response

	keepAll func(int, []byte) error
	keepBad func(int, []byte) error
	compare func(int, []byte) error
	against *body
}

// newClient prepares client number i of a target; it connects when first used.
// Cancelling ctx fails what is under way.
func newClient(ctx context.Context, t *Target, i int) (*client, error) {
	e, err := t.endpoint(i)
	if err != nil {
		return nil, err
	}
	c := &client{
		target: t, conn: newConn(ctx, e, t.timeout()),
		sign: newSigner(t.AccessKey, t.SecretKey, t.SessionToken, t.Region, "s3", e.host),
	}
	c.extra = append(c.extra, "user-agent: farhold-bench\r\n"...)
	for _, h := range t.Headers {
		c.extra = append(append(c.extra, h...), "\r\n"...)
	}
	c.keepAll = func(_ int, p []byte) error {
		if len(c.doc)+len(p) > collectMax {
			return malformed("body of more than %d bytes", collectMax)
		}
		c.doc = append(c.doc, p...)
		return nil
	}
	c.keepBad = func(status int, p []byte) error {
		if status >= 300 {
			return c.keepAll(status, p)
		}
		return nil
	}
	c.compare = func(status int, p []byte) error {
		if status >= 300 {
			return c.keepAll(status, p)
		}
		return c.against.verify(p)
	}
	return c, nil
}

func (c *client) close() { c.conn.close() }

// StatusError is a response that refuses.
type StatusError struct {
	Status  int    // HTTP status
	Code    string // S3's error code, or "HTTP nnn" when the body has none
	Message string
	Request string // method and path
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("%s: %d %s: %s", e.Request, e.Status, e.Code, e.Message)
}

// begin starts a request with the method on the bucket or, when key isn't
// empty, on an object. Escaping bucket and key is part of it.
func (c *client) begin(method string, key []byte) *request {
	r := &c.req
	r.method = method
	r.path = append(r.path[:0], '/')
	r.path = append(r.path, c.target.Bucket...)
	if len(key) > 0 {
		r.path = append(r.path, '/')
		r.path = appendEscaped(r.path, key, true)
	}
	r.query = r.query[:0]
	r.hash = append(r.hash[:0], emptyHash...)
	r.fields = nil
	r.length = -1
	return r
}

// param adds a query parameter; callers add them sorted by name.
func (r *request) param(name, value string) *request {
	if len(r.query) > 0 {
		r.query = append(r.query, '&')
	}
	r.query = appendEscaped(r.query, name, false)
	r.query = append(r.query, '=')
	r.query = appendEscaped(r.query, value, false)
	return r
}

// send signs and sends the prepared request with the given body, and reads the
// response. A status of 300 or more is a *StatusError.
func (c *client) send(payload [][]byte, sink func(int, []byte) error) error {
	r := &c.req
	now := time.Now()
	b := append(c.out[:0], r.method...)
	b = append(b, ' ')
	b = append(b, r.path...)
	if len(r.query) > 0 {
		b = append(b, '?')
		b = append(b, r.query...)
	}
	b = append(b, " HTTP/1.1\r\n"...)
	b = c.sign.appendHeaders(b, r, now)
	b = append(b, c.extra...)
	if r.length >= 0 {
		b = append(b, "content-length: "...)
		b = strconv.AppendInt(b, r.length, 10)
		b = append(b, "\r\n"...)
	}
	b = append(b, "\r\n"...)
	if r.length <= gatherMax {
		for _, p := range payload {
			b = append(b, p...)
		}
		payload = nil
	}
	c.out = b
	c.doc = c.doc[:0]

	var err error
	c.resp, err = c.conn.exchange(b, payload, r.method == http.MethodHead, now, sink)
	c.elapsed = time.Since(now)
	if err == nil && c.resp.status >= 300 {
		err = c.refusal()
	}
	return err
}

func (c *client) refusal() error {
	e := &StatusError{Status: c.resp.status, Request: c.req.method + " " + string(c.req.path)}
	e.Code, _ = xmlText(c.doc, "Code")
	e.Message, _ = xmlText(c.doc, "Message")
	if e.Code == "" {
		e.Code = "HTTP " + strconv.Itoa(e.Status)
	}
	if e.Message == "" {
		e.Message = http.StatusText(e.Status)
	}
	return e
}

// put stores an object.
func (c *client) put(key []byte, b *body) error {
	r := c.begin(http.MethodPut, key)
	if c.target.UnsignedPayload {
		r.hash = append(r.hash[:0], unsignedPayload...)
	} else {
		r.hash = append(r.hash[:0], b.hash()...)
	}
	r.length = b.from.size
	c.payload = b.appendTo(c.payload[:0])
	return c.send(c.payload, c.keepBad)
}

// get reads an object to its end. Its length must be size; with a body, its
// bytes must be that body's.
func (c *client) get(key []byte, size int64, against *body) error {
	c.begin(http.MethodGet, key)
	sink := c.keepBad
	if against != nil {
		c.against, sink = against, c.compare
	}
	if err := c.send(nil, sink); err != nil {
		return err
	}
	if c.resp.read != size {
		return errContent
	}
	return nil
}

// head asks for an object's headers; its length must be size, unless negative.
func (c *client) head(key []byte, size int64) error {
	c.begin(http.MethodHead, key)
	if err := c.send(nil, c.keepBad); err != nil {
		return err
	}
	if size >= 0 && c.resp.length != size {
		return errContent
	}
	return nil
}

// delete deletes an object; in a versioned bucket that adds a delete marker.
func (c *client) delete(key []byte) error {
	c.begin(http.MethodDelete, key)
	return c.send(nil, c.keepBad)
}

// absent tells whether err says that what was asked for isn't there.
func absent(err error) bool {
	var s *StatusError
	return errors.As(err, &s) && s.Status == http.StatusNotFound
}

// passing tells whether an error may go away by itself.
func passing(err error) bool {
	var s *StatusError
	if errors.As(err, &s) {
		return s.Status >= 500 || s.Status == http.StatusTooManyRequests || s.Status == http.StatusRequestTimeout
	}
	return gone(err) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, os.ErrDeadlineExceeded)
}

// codeOf names an error as reports count it: S3's code where there is one.
func codeOf(err error) string {
	var s *StatusError
	var n net.Error
	switch {
	case errors.As(err, &s):
		return s.Code
	case errors.Is(err, errContent):
		return "WrongContent"
	case errors.Is(err, errPage):
		return "WrongPage"
	case errors.Is(err, errMalformed):
		return "MalformedResponse"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "Interrupted"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "ConnectionRefused"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "ConnectionClosed"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "ConnectionReset"
	case errors.As(err, &n) && n.Timeout():
		return "Timeout"
	}
	return "ConnectionError"
}

// xmlText gives the unescaped text of the first element with the given name
// that has no attributes. List pages are too large to decode in full for the
// one element that is needed, and S3 escapes every < in what it quotes.
func xmlText(doc []byte, name string) (string, bool) {
	_, rest, ok := bytes.Cut(doc, []byte("<"+name+">"))
	if !ok {
		return "", false
	}
	text, _, ok := bytes.Cut(rest, []byte("</"+name+">"))
	if !ok {
		return "", false
	}
	return unescapeXML(string(text)), true
}
