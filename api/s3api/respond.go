package s3api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/blob"
	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/s3/checksum"
	"github.com/farhold/farhold/seal"
	"github.com/farhold/farhold/wire/restxml"
)

// statusClientGone is observed where a client went away before the answer. It
// never goes over the wire.
const statusClientGone = 499

// responseWriter counts what goes out and knows whether the answer has begun.
type responseWriter struct {
	http.ResponseWriter
	rq     *Request
	status int
	bytes  int64
	armed  time.Time
}

// WriteHeader begins the answer. Only the first call counts.
func (w *responseWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
		w.arm() // always: the last answer on this connection left a deadline
		w.ResponseWriter.WriteHeader(status)
	}
}

func (w *responseWriter) arm() {
	if now := time.Now(); now.Sub(w.armed) > w.rq.Door.stall/4 {
		w.armed = now
		w.rq.setDeadline(true, now.Add(w.rq.Door.stall))
	}
}

// Write sends a piece of the body. A client that takes nothing for stallMax is
// given up.
func (w *responseWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	w.arm()
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Flush sends what is buffered.
func (w *responseWriter) Flush() {
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// Unwrap gives the writer below, for http.ResponseController.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// document answers with XML.
func (rq *Request) document(status int, body []byte) error {
	return rq.body(status, "application/xml", body)
}

// body answers with a body that is at hand.
func (rq *Request) body(status int, contentType string, body []byte) error {
	rq.Set("Content-Type", contentType)
	rq.Set("Content-Length", strconv.Itoa(len(body)))
	rq.out.WriteHeader(status)
	if rq.R.Method == http.MethodHead {
		return nil
	}
	_, err := rq.out.Write(body)
	return err
}

// fail answers with an error, whatever it was.
func (d *Door) fail(rq *Request, err error) {
	e := rq.explain(err)
	if e == nil {
		// Nobody is listening. Returning would end the answer with a 200 for what
		// was not done, should somebody be listening after all.
		panic(http.ErrAbortHandler)
	}
	if e.Status >= 500 && e.Code != awserr.ErrNotImplemented.Code {
		d.opt.Log.Error("a request failed", "request", rq.ID, "op", rq.Op, "bucket", rq.Bucket, "code", e.Code, "error", err.Error())
	}
	if rq.out.status != 0 {
		// The answer has begun as another one: cut it off, so that nobody
		// takes it for whole.
		panic(http.ErrAbortHandler)
	}
	d.write(rq, e)
}

// write sends an error document.
func (d *Door) write(rq *Request, e *awserr.Error) {
	h := rq.out.Header()
	for _, name := range []string{"Etag", "Last-Modified", "Content-Range", "Content-Encoding", "Content-Disposition", "Cache-Control", "Expires"} {
		delete(h, name)
	}
	for _, f := range e.Headers {
		h[http.CanonicalHeaderKey(f.Name)] = []string{f.Value}
	}
	if e.Code == errPermanentRedirect.Code {
		// AWS sends no Location with it: a client must sign again, not follow.
		delete(h, "Location")
	}
	// What is left of the request is dropped by net/http, up to 256 KiB, before
	// it closes the connection; a client that sends on slowly gets 5 s of 60, so that
	// the answer still goes out before its own deadline.
	if rq.R.ContentLength != 0 {
		rq.setDeadline(false, time.Now().Add(d.stall/12))
	}
	if rq.R.ProtoMajor == 1 && rq.disputes(e) {
		h["Connection"] = []string{"close"}
	}
	if rq.R.Method == http.MethodHead || e.Status == http.StatusNotModified {
		rq.out.WriteHeader(e.Status)
		return
	}
	_ = rq.document(e.Status, rq.ErrorDocument(e))
}

// disputes tells errors that say that the body was another than its client said.
// Then client and server may not agree on its length either, and what comes
// behind it may be its rest: nothing more is taken from the connection.
func (rq *Request) disputes(e *awserr.Error) bool {
	switch e.Code {
	case checksum.ErrBadDigest.Code, "XAmzContentSHA256Mismatch", errIncomplete.Code, errTimeout.Code:
		return true
	case "SignatureDoesNotMatch":
		return rq.in.n > 0 // a chunk's
	}
	return false
}

// explain finds AWS's error for whatever a handler returned, with the elements
// that only the request knows. It gives nil when the client has gone away.
func (rq *Request) explain(err error) *awserr.Error {
	e := awserr.From(err)
	switch {
	case e != nil:
	case errors.Is(err, context.Canceled) && rq.client.Err() != nil:
		return nil
	case errors.Is(err, kv.ErrFull), errors.Is(err, blob.ErrFull):
		e = awserr.ErrInsufficientStorage
	case errors.Is(err, kv.ErrCorrupt), errors.Is(err, blob.ErrCorrupt), errors.Is(err, seal.ErrCorrupt):
		// Never "not found": whoever reads that believes it and forgets the data.
		e = awserr.ErrInternal
	case errors.Is(err, kv.ErrConflict):
		e = awserr.ErrSlowDown
	case errors.Is(err, kv.ErrTooLarge):
		e = awserr.ErrInvalidRequest
	case errors.Is(err, context.DeadlineExceeded):
		e = awserr.ErrSlowDown
	default:
		e = awserr.ErrInternal
	}
	switch e.Code {
	case "NoSuchBucket", "BucketNotEmpty":
		e = element(e, "BucketName", rq.Bucket)
	case "NoSuchKey":
		e = element(e, "Key", rq.Key)
	case "NoSuchVersion":
		e = element(element(e, "Key", rq.Key), "VersionId", rq.Query.Get("versionId"))
	case "NoSuchUpload":
		e = element(e, "UploadId", rq.Query.Get("uploadId"))
	case "MethodNotAllowed":
		e = element(element(e, "Method", rq.R.Method), "ResourceType", rq.level().String())
	}
	return e
}

// element adds an element that is not there yet.
func element(e *awserr.Error, name, value string) *awserr.Error {
	for _, f := range e.Extra {
		if f.Name == name {
			return e
		}
	}
	if value == "" {
		return e
	}
	return e.With(name, value)
}

// ErrorDocument gives the XML of an error, with the declaration. A handler that
// has begun a 200 (CopyObject, CompleteMultipartUpload) sends it as its body.
func (rq *Request) ErrorDocument(e *awserr.Error) []byte {
	w := restxml.NewWriter(make([]byte, 0, 512))
	w.Open("Error")
	w.Elem("Code", e.Code)
	w.Elem("Message", legible(e.Message))
	for _, f := range e.Extra {
		w.Elem(f.Name, legible(f.Value))
	}
	w.Elem("RequestId", rq.ID)
	w.Elem("HostId", rq.HostID)
	w.Close("Error")
	return w.Bytes()
}

// legible gives a text without the characters that XML 1.0 lacks. What an error
// names is for people; its code is for programs, whose parsers refuse the whole
// document for one such character in a key.
func legible(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			return utf8.RuneError
		}
		return r
	}, s)
}

// Document reads a document's body to its end: at most limit bytes, checked
// against Content-MD5 and the x-amz-checksum headers or trailer. Errors:
// MaxMessageLengthExceeded, BadDigest, InvalidDigest, and what Body can answer.
func (rq *Request) Document(limit int64) ([]byte, error) {
	if rq.early != nil {
		return rq.early, nil
	}
	if rq.Length > limit {
		return nil, tooLong(limit)
	}
	b, err := io.ReadAll(io.LimitReader(rq.Body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, tooLong(limit)
	}
	if err := rq.checkDigests(b); err != nil {
		return b, err
	}
	rq.early = b // for decisions that come after it
	return b, nil
}

func tooLong(limit int64) error {
	return errMessageTooLong.With("MaxMessageLengthBytes", strconv.FormatInt(limit, 10))
}

var errMessageTooLong = awserr.New("MaxMessageLengthExceeded", 400, "Your request was too big.")
