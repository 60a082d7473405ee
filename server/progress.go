package server

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// progressBytes is how much of a body must move within the time that
// Limits.Progress gives, over and over. Who sends or takes a byte now and then
// would hold memory and a connection for good otherwise.
const progressBytes = 16 << 10

// slowBody is a request's body whose sender must make progress. Only time spent
// waiting for the sender counts: a disk that is slow here is not its fault.
type slowBody struct {
	io.ReadCloser
	ctl    *http.ResponseController
	window time.Duration
	left   time.Duration // of this window
	moved  int           // bytes in this window
	set    time.Time     // the deadline that stands
	ended  bool          // all of it was read
}

// Read implements io.Reader.
func (b *slowBody) Read(p []byte) (int, error) {
	begun := time.Now()
	// The deadline is moved only when it has come near, because moving it costs
	// more than a read.
	if end := begun.Add(b.left); end.Sub(b.set) > b.window/8 || end.Before(b.set.Add(-b.window/8)) {
		if err := b.ctl.SetReadDeadline(end); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return 0, err
		}
		b.set = end
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= time.Since(begun)
	b.moved += n
	if b.moved >= progressBytes {
		b.moved, b.left = 0, b.window
	}
	if err == io.EOF {
		b.ended = true
		// From here net/http reads to see whether the client goes away, and
		// takes a deadline for that.
		b.ctl.SetReadDeadline(time.Time{})
	}
	return n, err
}

// end bounds the time in which net/http drops what its handler left of a body:
// 256 KiB at most, and before the next request.
func (b *slowBody) end() {
	if !b.ended {
		b.ctl.SetReadDeadline(time.Now().Add(min(b.window, lingering.pause)))
	}
}

// slowWriter is an answer whose receiver must make progress: each write has
// Limits.Progress to get into the connection's buffers.
type slowWriter struct {
	http.ResponseWriter
	ctl    *http.ResponseController
	window time.Duration
	set    time.Time
}

// WriteHeader implements http.ResponseWriter.
func (w *slowWriter) WriteHeader(status int) {
	w.extend()
	w.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer. Long writes go out in pieces, so that the time
// for each has a meaning.
func (w *slowWriter) Write(p []byte) (n int, err error) {
	const piece = 256 << 10
	for {
		w.extend()
		m, err := w.ResponseWriter.Write(p[n:min(len(p), n+piece)])
		n += m
		if err != nil || n >= len(p) {
			return n, err
		}
	}
}

// extend moves the deadline, when it has come nearer.
func (w *slowWriter) extend() {
	if now := time.Now(); now.Sub(w.set) > w.window/8 {
		// What can't take a deadline is no connection, and hangs nobody.
		w.ctl.SetWriteDeadline(now.Add(w.window))
		w.set = now
	}
}

// end takes the deadline away: the connection's next request, and its 100
// Continue, must not meet it.
func (w *slowWriter) end() {
	if !w.set.IsZero() {
		w.ctl.SetWriteDeadline(time.Time{})
	}
}

// Flush implements http.Flusher.
func (w *slowWriter) Flush() { w.ctl.Flush() }

// Unwrap gives the writer below, for http.ResponseController.
func (w *slowWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
