package s3api

import (
	"net/http"
	"strings"

	"github.com/farhold/farhold/arn"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/store"
	"github.com/farhold/farhold/wire/restxml"
)

// listMultipartUploads lists the uploads that are open, by key and then by
// time.
func listMultipartUploads(d *Door, rq *Request) error {
	q := rq.Query
	max, err := pageSize(q.Get("max-uploads"), "max-uploads", "max-uploads")
	if err != nil {
		return err
	}
	in := store.ListUploadsInput{
		Bucket: rq.Bucket, Prefix: q.Get("prefix"), Delimiter: q.Get("delimiter"),
		KeyMarker: q.Get("key-marker"), Max: max,
	}
	// Without a key marker AWS pays no attention to the marker of an upload.
	if in.KeyMarker != "" {
		in.UploadMarker = q.Get("upload-id-marker")
	}
	keyMarker, uploadMarker := in.KeyMarker, in.UploadMarker
	if in.KeyMarker = pastPrefix(keyMarker, in.Prefix, in.Delimiter); in.KeyMarker != keyMarker {
		in.UploadMarker = "" // it is of a key that is passed over
	}
	l, err := d.newListing(rq)
	if err != nil {
		return err
	}
	page, err := d.opt.Store.ListUploads(rq.Ctx, in)
	if err != nil {
		return err
	}
	// The last upload is told also where no page follows.
	if n := len(page.Uploads); n > 0 && page.NextKey == "" {
		page.NextKey, page.NextUpload = page.Uploads[n-1].Key, page.Uploads[n-1].ID
	}
	l.OpenNS("ListMultipartUploadsResult", restxml.Namespace)
	l.Elem("Bucket", rq.Bucket)
	l.name("KeyMarker", keyMarker)
	l.Elem("UploadIdMarker", uploadMarker)
	l.name("NextKeyMarker", page.NextKey)
	l.Elem("NextUploadIdMarker", page.NextUpload)
	l.optionalName("Delimiter", in.Delimiter)
	l.optionalName("Prefix", in.Prefix)
	l.encodingType()
	l.Int("MaxUploads", int64(max))
	l.Bool("IsTruncated", page.Truncated)
	for i := range page.Uploads {
		u := &page.Uploads[i]
		l.Open("Upload")
		l.name("Key", u.Key)
		l.Elem("UploadId", u.ID)
		l.initiator(&u.Input)
		l.account("Owner", u.Input.Owner)
		l.Elem("StorageClass", string(u.Input.Class.Or()))
		l.Time("Initiated", u.Initiated)
		l.uploadChecksum(&u.Input)
		l.Close("Upload")
	}
	l.prefixes(page.Prefixes)
	l.Close("ListMultipartUploadsResult")
	return d.done(rq, http.StatusOK, l)
}

// initiator writes who began an upload: an account by its canonical ID, a user or
// a session by its ARN, as AWS does. What nobody in particular began, or a region
// of before, is shown as its owner's.
func (l *listing) initiator(in *store.PutInput) {
	who, err := arn.Parse(in.Initiator)
	if err != nil {
		l.account("Initiator", in.Owner)
		return
	}
	id, name := in.Initiator, in.Initiator[strings.LastIndexByte(in.Initiator, '/')+1:]
	if who.Resource == "root" {
		if id = canonicalID(who.Account); l.display != nil {
			name = l.display(id)
		}
	}
	l.Open("Initiator")
	l.Elem("ID", id)
	if l.display != nil {
		l.Optional("DisplayName", name)
	}
	l.Close("Initiator")
}

// uploadChecksum writes the algorithm of an upload that was opened with one.
func (l *listing) uploadChecksum(in *store.PutInput) {
	if in.Algorithm != "" {
		l.Elem("ChecksumAlgorithm", string(in.Algorithm))
		l.Optional("ChecksumType", string(in.ChecksumType))
	}
}

// listParts lists the parts of an open upload by number.
func listParts(d *Door, rq *Request) error {
	q := rq.Query
	customer, err := readCustomer(rq.R.Header, customerWrite, rq.secure())
	if err != nil {
		return err
	}
	max, err := pageSize(q.Get("max-parts"), "max-parts", "max-parts")
	if err != nil {
		return err
	}
	after, err := partMarker(q.Get("part-number-marker"), "part-number-marker")
	if err != nil {
		return err
	}
	l, err := d.newListing(rq)
	if err != nil {
		return err
	}
	uploadID := q.Get("uploadId")
	u, parts, more, err := d.opt.Store.Parts(rq.Ctx, rq.Bucket, rq.Key, uploadID, after, max)
	if err != nil {
		return noUpload(err, uploadID)
	}
	if is := u.Input.SSE.CustomerKeyMD5; customer != nil && is != "" && customer.MD5 != is {
		return errCustomerOtherKey
	}
	l.OpenNS("ListPartsResult", restxml.Namespace)
	l.Elem("Bucket", rq.Bucket)
	l.name("Key", rq.Key)
	l.Elem("UploadId", uploadID)
	l.initiator(&u.Input)
	l.account("Owner", u.Input.Owner)
	l.Elem("StorageClass", string(u.Input.Class.Or()))
	l.Int("PartNumberMarker", int64(after))
	next := 0
	if n := len(parts); n > 0 {
		next = parts[n-1].Number
	}
	l.Int("NextPartNumberMarker", int64(next))
	l.Int("MaxParts", int64(max))
	l.encodingType()
	l.Bool("IsTruncated", more)
	l.uploadChecksum(&u.Input)
	for i := range parts {
		p := &parts[i]
		l.Open("Part")
		l.Int("PartNumber", int64(p.Number))
		l.Time("LastModified", p.Modified)
		l.Quoted("ETag", p.ETag)
		l.Int("Size", p.Size)
		if u.Input.Algorithm != "" { // else it is S3's own affair
			writeChecksum(l.Writer, p.Checksum)
		}
		l.Close("Part")
	}
	l.Close("ListPartsResult")
	return d.done(rq, http.StatusOK, l)
}

// partMarker reads the number of the part after which a list begins.
func partMarker(s, name string) (int, error) {
	if s == "" {
		return 0, nil
	}
	n, ok := offset(s)
	if !ok || n > 1<<31-1 {
		return 0, awserr.Argument(name, s, "Provided %s not an integer or within integer range", name)
	}
	return int(n), nil
}
