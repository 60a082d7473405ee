package s3api

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/wire/awschunked"
	"github.com/farhold/farhold/wire/sigv4"
)

// stallMax is how long a client may take to send, or to take, the next bytes
// of a body. A connection that stands still longer is given up, so that idle
// clients hold no memory and no open versions for ever.
const stallMax = 60 * time.Second

var (
	errIncomplete = awserr.New("IncompleteBody", 400, "You did not provide the number of bytes specified by the Content-Length HTTP header")
	errTimeout    = awserr.New("RequestTimeout", 400, "Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed.")
)

// unwrap prepares the body for the handler: framing taken off, hash checked
// on the way, length known. It reads nothing yet.
func (d *Door) unwrap(rq *Request) error {
	if rq.unwrapped {
		return nil
	}
	rq.unwrapped = true
	rq.Body, rq.Length = http.NoBody, 0
	if rq.Route.Body == bodyNone {
		return nil
	}
	r := rq.R
	rq.in.rq, rq.in.r = rq, r.Body
	r.Body = &rq.in
	rq.Body, rq.Length = &rq.in, r.ContentLength
	if rq.Auth.Kind == sigv4.Anonymous {
		if rq.Route.Form && rq.isForm() {
			return nil // its own bounds are checked as it is read
		}
		rq.Auth.PayloadHash = unsignedHash(rq.Get("X-Amz-Content-Sha256"))
	}
	framed, err := awschunked.ForRequest(r, rq.Auth)
	if err != nil {
		return err
	}
	if framed != nil {
		rq.Body, rq.Length = framed, framed.Length()
		if len(r.Header["X-Amz-Trailer"]) > 0 {
			rq.Trailers = framed.Trailers
		}
		return nil
	}
	if err := rq.plainLength(); err != nil {
		return err
	}
	if hash := rq.Auth.PayloadHash; hash != "" && hash != sigv4.UnsignedPayload {
		rq.Body = sigv4.PayloadReader(rq.Body, hash)
	}
	return nil
}

// unsignedHash gives what an unsigned request says of its body: nothing signs
// it, but what it claims is checked all the same.
func unsignedHash(v string) string {
	if len(v) == 64 || strings.HasPrefix(v, "STREAMING-") {
		return v
	}
	return ""
}

// plainLength demands that a body without chunks of its own says how long it
// is, as AWS does. A document may be absent altogether.
func (rq *Request) plainLength() error {
	r := rq.R
	switch {
	case len(r.TransferEncoding) > 0:
		return awserr.ErrNotImplemented.With("Header", "Transfer-Encoding")
	case r.ContentLength < 0, r.ContentLength == 0 && rq.Route.Body == bodyStream && len(r.Header["Content-Length"]) == 0:
		return errNoLength
	}
	return nil
}

// countingReader counts a body, gives up clients that stand still, and puts a
// broken body into AWS's words.
type countingReader struct {
	rq    *Request
	r     io.ReadCloser
	n     int64
	ended bool
	armed time.Time // when the deadline was last moved, at most four times per stallMax
}

func (c *countingReader) Read(p []byte) (int, error) {
	if c.ended {
		// The server listens on the connection by now and takes a deadline that
		// passes there for a client that went away, so none is set any more.
		return 0, io.EOF
	}
	if now := time.Now(); now.Sub(c.armed) > c.rq.Door.stall/4 {
		c.armed = now
		c.rq.setDeadline(false, now.Add(c.rq.Door.stall))
	}
	n, err := c.r.Read(p)
	c.n += int64(n)
	if err == nil || err == io.EOF {
		c.ended = err == io.EOF
		return n, err
	}
	return n, bodyError(err)
}

// Close leaves the body to the server, which drops what is left of it.
func (c *countingReader) Close() error { return nil }

// bodyError names what can go wrong under a body.
func bodyError(err error) error {
	var late interface{ Timeout() bool }
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &late) && late.Timeout():
		return errTimeout.Because(err)
	case errors.As(err, &tooLarge):
		return errEntityTooLarge.Because(err)
	}
	return errIncomplete.Because(err)
}

// setDeadline moves a deadline of the connection. Writers that know none (in
// tests) go without.
func (rq *Request) setDeadline(write bool, t time.Time) {
	rc := http.NewResponseController(rq.out.ResponseWriter)
	if write {
		_ = rc.SetWriteDeadline(t)
	} else {
		_ = rc.SetReadDeadline(t)
	}
}
