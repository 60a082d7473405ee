package s3api

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/store"
	"github.com/farhold/farhold/wire/restxml"
	"github.com/farhold/farhold/wire/sigv4"
)

// Request is one request on its way through the stages of the door. A handler
// reads its fields and answers with XML, Empty or by writing to W itself.
type Request struct {
	// Ctx ends with the client once a handler works. Until then it never does:
	// net/http ends its own when a client shuts its sending side, and one that
	// did may still wait to hear why it is refused. What the stages before a
	// handler ask is short and has bounds of its own.
	Ctx    context.Context
	W      http.ResponseWriter // also an http.Flusher
	R      *http.Request
	Door   *Door
	ID     string // x-amz-request-id
	HostID string // x-amz-id-2
	Route  *Route
	Op     string // Route.Op, such as PutObject
	Target
	Query  Query
	Caller *access.Caller // who sent it, once its signature has been verified
	Auth   *sigv4.Result  // what the signature proved
	Place  store.Place    // of the bucket, where the route has one

	// Body is the request's body without its framing. It ends with an error
	// when the signature, a hash, a chunk or the length is not right, so a
	// handler that makes nothing visible before io.EOF keeps nothing wrong.
	Body io.Reader
	// Length is how many bytes Body has, or -1 when that is not known.
	Length int64
	// Trailers gives the trailer fields, valid after Body's io.EOF; nil where
	// no trailer was announced.
	Trailers func() http.Header

	client    context.Context // ends when the client has gone, or has shut its sending side
	ids       [2]string       // the two IDs once more, as values of headers
	arrived   time.Time
	out       responseWriter
	in        countingReader
	bucket    *store.Bucket
	asked     ask
	peeked    peeked
	unwrapped bool
	early     []byte // its document, once it was read; see earlyDocument
}

// LoadBucket gives the bucket of the request as it is now, read once.
func (rq *Request) LoadBucket() (*store.Bucket, error) {
	if rq.bucket == nil {
		b, err := rq.Door.opt.Store.Bucket(rq.Ctx, rq.Bucket)
		if err != nil {
			return nil, err
		}
		rq.bucket = b
	}
	return rq.bucket, nil
}

// Get gives a request header, or "". The name must be in canonical form.
func (rq *Request) Get(canonical string) string {
	if v := rq.R.Header[canonical]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// Header gives the response's headers.
func (rq *Request) Header() http.Header { return rq.out.Header() }

// Set sets a response header. The name must be in canonical form. An empty
// value sets nothing.
func (rq *Request) Set(canonical, value string) {
	if value != "" {
		rq.out.Header()[canonical] = []string{value}
	}
}

// Empty answers with a status and no body.
func (rq *Request) Empty(status int) error {
	if status != http.StatusNoContent && status != http.StatusNotModified {
		rq.Set("Content-Length", "0")
	}
	rq.out.WriteHeader(status)
	return nil
}

// XML answers with a document.
func (rq *Request) XML(status int, doc *restxml.Writer) error {
	return rq.document(status, doc.Bytes())
}
