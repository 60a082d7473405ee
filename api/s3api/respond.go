package s3api

import (
	"io"
	"net/http"
	"strconv"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/wire/restxml"
)

// responseWriter counts what goes out and knows whether the answer has begun.
type responseWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// WriteHeader begins the answer. Only the first call counts.
func (w *responseWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
		w.ResponseWriter.WriteHeader(status)
	}
}

// Write sends a piece of the body.
func (w *responseWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
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
	rq.Set("Content-Type", "application/xml")
	rq.Set("Content-Length", strconv.Itoa(len(body)))
	rq.out.WriteHeader(status)
	if rq.R.Method == http.MethodHead {
		return nil
	}
	_, err := rq.out.Write(body)
	return err
}

// ErrorDocument gives the XML of an error, with the declaration. A handler that
// has begun a 200 (CopyObject, CompleteMultipartUpload) sends it as its body.
func (rq *Request) ErrorDocument(e *awserr.Error) []byte {
	w := restxml.NewWriter(make([]byte, 0, 512))
	w.Open("Error")
	w.Elem("Code", e.Code)
	w.Elem("Message", e.Message)
	for _, f := range e.Extra {
		w.Elem(f.Name, f.Value)
	}
	w.Elem("RequestId", rq.ID)
	w.Elem("HostId", rq.HostID)
	w.Close("Error")
	return w.Bytes()
}

// Document reads a document's body to its end: at most limit bytes, checked
// against Content-MD5 and the x-amz-checksum headers or trailer. Errors:
// MaxMessageLengthExceeded, BadDigest, InvalidDigest, and what Body can answer.
func (rq *Request) Document(limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(rq.Body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, errMessageTooLong.With("MaxMessageLengthBytes", strconv.FormatInt(limit, 10))
	}
	return b, nil
}

var errMessageTooLong = awserr.New("MaxMessageLengthExceeded", 400, "Your request was too big.")
