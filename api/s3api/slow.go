package s3api

import (
	"net/http"
	"time"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/wire/restxml"
)

// slowAfter is how long an answer may take before its 200 begins and blanks
// keep the connection open: clients and what stands between give up after a
// minute of silence or less.
const slowAfter = 10 * time.Second

// result is a finished piece of work: the document that answers it, and its
// headers, which can still be set if the answer has not begun.
type result struct {
	doc     *restxml.Writer
	headers func(http.Header)
	err     error
	panic   any
}

// answerSlowly does work that may take long. When it is done in time it is
// answered as usual. Otherwise a 200 begins, blanks follow after each period of
// waiting, and the body is the document or the error: clients of CopyObject,
// UploadPartCopy and CompleteMultipartUpload look for it there.
func (rq *Request) answerSlowly(after time.Duration, work func() result) error {
	// The body has been read; the deadline that its reading left would end the
	// connection, and with it the work.
	rq.setDeadline(false, time.Time{})
	done := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			if p := recover(); p != nil {
				r.panic = p
			}
			done <- r
		}()
		r = work()
	}()
	tick := time.NewTicker(after)
	defer tick.Stop()
	begun := false
	blank := []byte{' '}
	for {
		select {
		case r := <-done:
			if r.panic != nil {
				panic(r.panic)
			}
			if begun {
				return rq.finishSlowly(r)
			}
			if r.err != nil {
				return r.err
			}
			if r.headers != nil {
				r.headers(rq.Header())
			}
			return rq.XML(http.StatusOK, r.doc)
		case <-tick.C:
			if !begun {
				// The declaration must be the first thing of a document, so it
				// goes out now and is cut off the document later.
				begun = true
				rq.Set("Content-Type", "application/xml")
				rq.W.WriteHeader(http.StatusOK)
				_, _ = rq.W.Write(restxml.NewWriter(nil).Bytes())
			}
			// A client that has gone ends the work through its context.
			_, _ = rq.W.Write(blank)
			if f, ok := rq.W.(http.Flusher); ok {
				f.Flush()
			}
		}
	}
}

func (rq *Request) finishSlowly(r result) error {
	var doc []byte
	if r.err != nil {
		e := awserr.From(r.err)
		if e == nil {
			e = awserr.ErrInternal.Because(r.err)
		}
		doc = rq.ErrorDocument(e)
	} else {
		doc = r.doc.Bytes()
	}
	_, err := rq.W.Write(doc[restxml.NewWriter(nil).Len():])
	return err
}
