package s3api

import (
	"net/http"

	"github.com/farhold/farhold/wire/restxml"
)

// createMultipartUpload opens an upload in parts.
func createMultipartUpload(d *Door, rq *Request) error {
	b, err := rq.LoadBucket()
	if err != nil {
		return err
	}
	h := rq.R.Header
	algorithm, kind, err := uploadChecksum(h)
	if err != nil {
		return err
	}
	in, err := newInput(rq, b, rq.Key, h)
	if err != nil {
		return err
	}
	in.Size = -1
	in.Initiator = rq.Caller.ARN
	in.Algorithm, in.ChecksumType = algorithm, kind
	u, err := d.opt.Store.CreateUpload(rq.Ctx, in)
	if err != nil {
		return err
	}
	showSSE(rq.Header(), in.SSE)
	showContext(rq.Header(), h, in.SSE)
	rq.Set("X-Amz-Checksum-Algorithm", string(algorithm))
	rq.Set("X-Amz-Checksum-Type", string(kind))
	w := restxml.NewWriter(make([]byte, 0, 512))
	w.OpenNS("InitiateMultipartUploadResult", restxml.Namespace)
	w.Elem("Bucket", rq.Bucket)
	w.Elem("Key", rq.Key)
	w.Elem("UploadId", u.ID)
	w.Close("InitiateMultipartUploadResult")
	return rq.XML(http.StatusOK, w)
}

// abortMultipartUpload gives an upload and its parts up.
func abortMultipartUpload(d *Door, rq *Request) error {
	if _, ok := rq.R.Header["X-Amz-If-Match-Initiated-Time"]; ok {
		return notImplemented("x-amz-if-match-initiated-time", "")
	}
	uploadID := rq.Query.Get("uploadId")
	if err := d.opt.Store.Abort(rq.Ctx, rq.Bucket, rq.Key, uploadID); err != nil {
		return noUpload(err, uploadID)
	}
	return rq.Empty(http.StatusNoContent)
}
