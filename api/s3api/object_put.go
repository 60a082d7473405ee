package s3api

import (
	"net/http"
	"strconv"

	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/store"
)

// putObject writes an object: headers become a store.PutInput, the body becomes
// the object's bytes, and the version made becomes headers.
func putObject(d *Door, rq *Request) error {
	if err := checkLength(rq.Length); err != nil {
		return err
	}
	b, err := rq.LoadBucket()
	if err != nil {
		return err
	}
	in, err := putInput(rq, b, rq.Key, rq.R.Header)
	if err != nil {
		return err
	}
	v, err := d.opt.Store.Put(rq.Ctx, in, rq.Body)
	if err != nil {
		return withCondition(err, in.If)
	}
	showWritten(rq.Header(), v, b)
	showContext(rq.Header(), rq.R.Header, v.SSE)
	return rq.Empty(http.StatusOK)
}

// checkLength enforces what S3 asks of a body: a length that is told in advance
// and at most 5 GiB.
func checkLength(n int64) error {
	switch {
	case n < 0:
		return errNoLength
	case n > objectMax:
		return errEntityTooLarge.With("ProposedSize", strconv.FormatInt(n, 10)).
			With("MaxSizeAllowed", strconv.Itoa(objectMax))
	}
	return nil
}

// showWritten sets the headers that answer a write.
func showWritten(h http.Header, v *s3.Version, b *store.Bucket) {
	h["Etag"] = []string{`"` + v.ETag + `"`}
	showChecksum(h, v.Checksum)
	showSSE(h, v.SSE)
	showUploadedID(h, v, b)
}
