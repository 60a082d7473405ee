package s3api

import (
	"net/http"

	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/s3/checksum"
	"github.com/farhold/farhold/store"
)

// uploadPart stores a part of an open upload.
func uploadPart(d *Door, rq *Request) error {
	if err := checkLength(rq.Length); err != nil {
		return err
	}
	number, err := rq.partNumber()
	if err != nil {
		return err
	}
	h := rq.R.Header
	customer, err := readCustomer(h, customerWrite, rq.secure())
	if err != nil {
		return err
	}
	c, err := readClaim(h)
	if err != nil {
		return err
	}
	c.part = true
	uploadID := rq.Query.Get("uploadId")
	u, err := d.opt.Store.Upload(rq.Ctx, rq.Bucket, rq.Key, uploadID)
	if err != nil {
		return noUpload(err, uploadID)
	}
	if err := partAlgorithm(&u.Input, c.sum.Algorithm); err != nil {
		return err
	}
	keeper, err := rq.partKeeper(u, customer)
	if err != nil {
		return err
	}
	in := store.PartInput{
		Bucket: rq.Bucket, Key: rq.Key, UploadID: uploadID, Number: number,
		Size: rq.Length, Algorithm: c.sum.Algorithm, Keeper: keeper,
	}
	if c.given() {
		trailers := rq.Trailers
		in.Verify = func(s store.Sums) error { return c.verify(s, trailers) }
	}
	p, err := d.opt.Store.UploadPart(rq.Ctx, &in, rq.Body)
	if err != nil {
		return noUpload(err, uploadID)
	}
	rq.Set("Etag", `"`+p.ETag+`"`)
	if name := checksumHeader(p.Checksum.Algorithm); name != "" {
		rq.Set(name, p.Checksum.Value)
	}
	showSSE(rq.Header(), u.Input.SSE)
	return rq.Empty(http.StatusOK)
}

// partAlgorithm checks a part's checksum against the upload's. An upload opened
// without one takes any; one whose sums are composite needs each part's own.
func partAlgorithm(in *store.PutInput, given s3.ChecksumAlgorithm) error {
	want := in.Algorithm
	if want == "" || given == want || given == "" && in.ChecksumType != s3.Composite {
		return nil
	}
	return checksum.AlgorithmChanged(want, given)
}
