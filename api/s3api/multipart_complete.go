package s3api

import (
	"bytes"
	"crypto/md5"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/s3/checksum"
	"github.com/farhold/farhold/store"
	"github.com/farhold/farhold/wire/restxml"
)

// completeDocMax bounds the body in bytes: 10,000 parts with an ETag and the
// longest checksum each.
const completeDocMax = 8 << 20

var (
	errNoParts    = awserr.ErrInvalidRequest.Text("You must specify at least one part")
	errObjectSize = awserr.ErrInvalidRequest.Text("Value for x-amz-mp-object-size header is invalid.")
)

// completeDocument is the body of CompleteMultipartUpload.
type completeDocument struct {
	XMLName struct{}       `xml:"CompleteMultipartUpload"`
	Parts   []completePart `xml:"Part"`
}

type completePart struct {
	PartNumber        int    `xml:"PartNumber" required:"true"`
	ETag              string `xml:"ETag" required:"true"`
	ChecksumCRC32     string `xml:"ChecksumCRC32"`
	ChecksumCRC32C    string `xml:"ChecksumCRC32C"`
	ChecksumCRC64NVME string `xml:"ChecksumCRC64NVME"`
	ChecksumSHA1      string `xml:"ChecksumSHA1"`
	ChecksumSHA256    string `xml:"ChecksumSHA256"`
	ChecksumSHA512    string `xml:"ChecksumSHA512"`
	ChecksumMD5       string `xml:"ChecksumMD5"`
	ChecksumXXHASH64  string `xml:"ChecksumXXHASH64"`
	ChecksumXXHASH3   string `xml:"ChecksumXXHASH3"`
	ChecksumXXHASH128 string `xml:"ChecksumXXHASH128"`
}

// checksum gives the sum that a part was listed with: of the wanted algorithm
// if there is one, else whichever is there.
func (p *completePart) checksum(want s3.ChecksumAlgorithm) (c s3.Checksum) {
	for _, e := range [...]s3.Checksum{
		{Algorithm: s3.CRC32, Value: p.ChecksumCRC32},
		{Algorithm: s3.CRC32C, Value: p.ChecksumCRC32C},
		{Algorithm: s3.CRC64NVME, Value: p.ChecksumCRC64NVME},
		{Algorithm: s3.SHA1, Value: p.ChecksumSHA1},
		{Algorithm: s3.SHA256, Value: p.ChecksumSHA256},
		{Algorithm: s3.SHA512, Value: p.ChecksumSHA512},
		{Algorithm: s3.MD5, Value: p.ChecksumMD5},
		{Algorithm: s3.XXHASH64, Value: p.ChecksumXXHASH64},
		{Algorithm: s3.XXHASH3, Value: p.ChecksumXXHASH3},
		{Algorithm: s3.XXHASH128, Value: p.ChecksumXXHASH128},
	} {
		if e.Value != "" && (c.IsZero() || e.Algorithm == want) {
			c = e
		}
	}
	return c
}

// completeMultipartUpload makes an object of the parts listed.
func completeMultipartUpload(d *Door, rq *Request) error {
	h := rq.R.Header
	b, err := rq.LoadBucket()
	if err != nil {
		return err
	}
	customer, err := readCustomer(h, customerWrite, rq.secure())
	if err != nil {
		return err
	}
	in, err := completeHeaders(h)
	if err != nil {
		return err
	}
	in.Bucket, in.Key, in.UploadID = rq.Bucket, rq.Key, rq.Query.Get("uploadId")
	doc, err := rq.completeBody(h)
	if errors.Is(err, errNoParts) {
		if _, gone := d.opt.Store.Upload(rq.Ctx, rq.Bucket, rq.Key, in.UploadID); errors.Is(gone, store.ErrNoSuchUpload) {
			return noUpload(gone, in.UploadID)
		}
	}
	if err != nil {
		return err
	}
	// A repeated Complete finds no upload and gets the first answer from the
	// store, so an upload that is gone is no error here.
	var want store.PutInput
	u, err := d.opt.Store.Upload(rq.Ctx, rq.Bucket, rq.Key, in.UploadID)
	switch {
	case err == nil:
		want = u.Input
		if err := rq.mayComplete(u, customer); err != nil {
			return err
		}
	case !errors.Is(err, store.ErrNoSuchUpload):
		return err
	}
	if in.ChecksumType != "" && want.ChecksumType != "" && in.ChecksumType != want.ChecksumType {
		return checksum.TypeChanged(want.ChecksumType)
	}
	if in.Parts, err = doc.parts(&want, in.UploadID); err != nil {
		return err
	}
	return rq.answerSlowly(slowAfter, func() result {
		v, err := d.opt.Store.Complete(rq.Ctx, in)
		if err != nil {
			return result{err: withCondition(noUpload(err, in.UploadID), in.If)}
		}
		w := rq.completed(v, want.Algorithm != "")
		return result{doc: w, headers: func(h http.Header) {
			withoutCustomer(h, v.SSE)
			showUploadedID(h, v, b)
		}}
	})
}

// parts gives the parts that the document lists, in order and each with the
// checksum that its upload, which is opened with want, takes for it.
func (doc *completeDocument) parts(want *store.PutInput, uploadID string) ([]store.CompletedPart, error) {
	parts := make([]store.CompletedPart, len(doc.Parts))
	for i := range doc.Parts {
		p := &doc.Parts[i]
		if p.PartNumber < 1 || p.PartNumber > partsMax {
			return nil, awserr.Argument("partNumber", strconv.Itoa(p.PartNumber), "Part number must be an integer between 1 and %d, inclusive", partsMax)
		}
		if i > 0 && p.PartNumber <= doc.Parts[i-1].PartNumber {
			return nil, store.ErrInvalidPartOrder.With("UploadId", uploadID)
		}
		sum := p.checksum(want.Algorithm)
		if want.ChecksumType == s3.Composite && want.Algorithm != "" && sum.Algorithm != want.Algorithm {
			if sum.IsZero() {
				return nil, checksum.PartMissing(want.Algorithm, p.PartNumber)
			}
			return nil, checksum.ErrBadDigest.Text("The %s you specified for part %d did not match what we received.",
				strings.ToLower(string(sum.Algorithm)), p.PartNumber)
		}
		parts[i] = store.CompletedPart{Number: p.PartNumber, ETag: unquoteETag(p.ETag), Checksum: sum}
	}
	return parts, nil
}

// completed writes what a completion answers. asked tells that the upload was
// opened with a checksum algorithm.
func (rq *Request) completed(v *s3.Version, asked bool) *restxml.Writer {
	w := restxml.NewWriter(make([]byte, 0, 512))
	w.OpenNS("CompleteMultipartUploadResult", restxml.Namespace)
	w.Elem("Location", rq.location())
	w.Elem("Bucket", rq.Bucket)
	w.Elem("Key", rq.Key)
	w.Quoted("ETag", v.ETag)
	// Of what lies under KMS, AWS tells no checksum that nobody asked for.
	if asked || !underKMS(v.SSE) {
		writeChecksum(w, v.Checksum)
		if !v.Checksum.IsZero() && v.Checksum.Type != "" {
			w.Elem("ChecksumType", string(v.Checksum.Type))
		}
	}
	w.Close("CompleteMultipartUploadResult")
	return w
}

// completeHeaders reads what the headers say: the checksum and the size of the
// whole, and conditions.
func completeHeaders(h http.Header) (*store.CompleteInput, error) {
	in := &store.CompleteInput{Size: -1}
	for _, alg := range checksum.Algorithms() {
		v, ok := one(h, checksumHeader(alg))
		if !ok {
			continue
		}
		if !in.Checksum.IsZero() {
			return nil, checksum.ErrMultiple
		}
		// A composite sum is that of the parts' sums, and says how many.
		sum, count, composite := strings.Cut(v, "-")
		if _, digits := offset(count); composite && !digits {
			return nil, checksum.InvalidValue(alg)
		}
		if err := checksum.Validate(alg, sum); err != nil {
			return nil, err
		}
		in.Checksum = s3.Checksum{Algorithm: alg, Value: v}
	}
	if v, ok := one(h, "X-Amz-Checksum-Type"); ok {
		in.ChecksumType = s3.ChecksumType(strings.ToUpper(v))
		if in.ChecksumType != s3.FullObject && in.ChecksumType != s3.Composite {
			return nil, checksum.ErrUnknownType
		}
		in.Checksum.Type = in.ChecksumType
	}
	if v, ok := one(h, "X-Amz-Mp-Object-Size"); ok {
		n, digits := offset(v)
		if !digits {
			return nil, errObjectSize
		}
		in.Size = n
	}
	var err error
	in.If, err = writeConditions(h)
	return in, err
}

// completeBody reads the document. The x-amz-checksum headers of this request
// are the object's, so only Content-MD5 is compared with it.
func (rq *Request) completeBody(h http.Header) (*completeDocument, error) {
	body, err := io.ReadAll(io.LimitReader(rq.Body, completeDocMax+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) > completeDocMax:
		return nil, tooLong(completeDocMax)
	case len(body) == 0:
		return nil, errNoParts
	}
	if v, ok := one(h, "Content-Md5"); ok {
		want, err := decodeMD5(v)
		if err != nil {
			return nil, err
		}
		if sum := md5.Sum(body); !bytes.Equal(want, sum[:]) {
			return nil, badMD5(want, sum[:])
		}
	}
	var doc completeDocument
	if err := restxml.Decode(body, &doc); err != nil {
		return nil, err
	}
	if len(doc.Parts) == 0 || len(doc.Parts) > partsMax {
		return nil, awserr.ErrMalformedXML
	}
	return &doc, nil
}
