package s3api

import (
	"net/http"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/store"
)

// The handlers of the object families stand here until their files come; each
// leaves with its file.

// putInput turns headers into the description of an object to be written: what
// PutObject, CreateMultipartUpload and the browser form have in common. The form
// gives its fields as headers, in canonical form. Its Verify checks Content-MD5
// and the x-amz-checksum headers, or the trailer in rq.Trailers.
func putInput(rq *Request, b *store.Bucket, key string, h http.Header) (*store.PutInput, error) {
	return nil, awserr.ErrNotImplemented
}

func getObject(d *Door, rq *Request) error               { return awserr.ErrNotImplemented }
func headObject(d *Door, rq *Request) error              { return awserr.ErrNotImplemented }
func putObject(d *Door, rq *Request) error               { return awserr.ErrNotImplemented }
func copyObject(d *Door, rq *Request) error              { return awserr.ErrNotImplemented }
func deleteObject(d *Door, rq *Request) error            { return awserr.ErrNotImplemented }
func deleteObjects(d *Door, rq *Request) error           { return awserr.ErrNotImplemented }
func getObjectAttributes(d *Door, rq *Request) error     { return awserr.ErrNotImplemented }
func getObjectTagging(d *Door, rq *Request) error        { return awserr.ErrNotImplemented }
func putObjectTagging(d *Door, rq *Request) error        { return awserr.ErrNotImplemented }
func deleteObjectTagging(d *Door, rq *Request) error     { return awserr.ErrNotImplemented }
func getObjectRetention(d *Door, rq *Request) error      { return awserr.ErrNotImplemented }
func putObjectRetention(d *Door, rq *Request) error      { return awserr.ErrNotImplemented }
func getObjectLegalHold(d *Door, rq *Request) error      { return awserr.ErrNotImplemented }
func putObjectLegalHold(d *Door, rq *Request) error      { return awserr.ErrNotImplemented }
func getObjectACL(d *Door, rq *Request) error            { return awserr.ErrNotImplemented }
func putObjectACL(d *Door, rq *Request) error            { return awserr.ErrNotImplemented }
func createMultipartUpload(d *Door, rq *Request) error   { return awserr.ErrNotImplemented }
func uploadPart(d *Door, rq *Request) error              { return awserr.ErrNotImplemented }
func uploadPartCopy(d *Door, rq *Request) error          { return awserr.ErrNotImplemented }
func listParts(d *Door, rq *Request) error               { return awserr.ErrNotImplemented }
func completeMultipartUpload(d *Door, rq *Request) error { return awserr.ErrNotImplemented }
func abortMultipartUpload(d *Door, rq *Request) error    { return awserr.ErrNotImplemented }
func listObjects(d *Door, rq *Request) error             { return awserr.ErrNotImplemented }
func listObjectsV2(d *Door, rq *Request) error           { return awserr.ErrNotImplemented }
func listObjectVersions(d *Door, rq *Request) error      { return awserr.ErrNotImplemented }
func listMultipartUploads(d *Door, rq *Request) error    { return awserr.ErrNotImplemented }
