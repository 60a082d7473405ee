package s3api

import (
	"net/http"
	"strings"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/store"
	"github.com/farhold/farhold/wire/restxml"
)

var (
	errNoAttributes  = awserr.ErrInvalidRequest.Text("The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty")
	errBadAttributes = awserr.ErrInvalidArgument.Text("Invalid attribute name specified.")
)

// attributes is the set that x-amz-object-attributes asks for.
type attributes struct{ etag, checksum, parts, class, size bool }

// readAttributes reads the header, which may be repeated and have blanks.
func readAttributes(values []string) (a attributes, err error) {
	any := false
	for _, v := range values {
		for name := range strings.SplitSeq(v, ",") {
			if name = strings.TrimSpace(name); name == "" {
				continue
			}
			any = true
			switch name {
			case "ETag":
				a.etag = true
			case "Checksum":
				a.checksum = true
			case "ObjectParts":
				a.parts = true
			case "StorageClass":
				a.class = true
			case "ObjectSize":
				a.size = true
			default:
				return a, errBadAttributes.With("ArgumentName", "x-amz-object-attributes").With("ArgumentValue", v)
			}
		}
	}
	if !any {
		return a, errNoAttributes
	}
	return a, nil
}

// getObjectAttributes gives what HEAD gives and the parts besides, without the
// metadata.
func getObjectAttributes(d *Door, rq *Request) error {
	customer, err := rq.readerKey()
	if err != nil {
		return err
	}
	want, err := readAttributes(rq.R.Header["X-Amz-Object-Attributes"])
	if err != nil {
		return err
	}
	max, err := pageSize(rq.Get("X-Amz-Max-Parts"), "x-amz-max-parts", "x-amz-max-parts")
	if err != nil {
		return err
	}
	after, err := partMarker(rq.Get("X-Amz-Part-Number-Marker"), "x-amz-part-number-marker")
	if err != nil {
		return err
	}
	o, err := d.openVersion(rq)
	if err != nil {
		return err
	}
	defer o.Close()
	if err := rq.use(o, customer); err != nil {
		return err
	}
	if want.checksum {
		if err := o.Unlock(rq.Ctx); err != nil {
			return err
		}
	}
	more := false
	// AWS lists parts only where each has a checksum of its own that the
	// object's was made of; for the others it gives their number.
	list := want.parts && o.PartsCount > 0 && o.Checksum.Type == s3.Composite
	if list && max > 0 {
		if more, err = o.LoadParts(rq.Ctx, after, max); err != nil {
			return err
		}
	}
	h := rq.Header()
	h["Last-Modified"] = []string{o.Modified.UTC().Format(http.TimeFormat)}
	showVersionID(h, &o.Version, o.Bucket)

	w := restxml.NewWriter(make([]byte, 0, 512+160*len(o.Parts)))
	w.OpenNS("GetObjectAttributesResponse", restxml.Namespace)
	if want.etag {
		w.Elem("ETag", o.ETag)
	}
	if want.checksum && o.Checksum.Value != "" {
		w.Open("Checksum")
		sum := o.Checksum
		sum.Value, _, _ = strings.Cut(sum.Value, "-") // without the number of parts
		writeChecksum(w, sum)
		w.Optional("ChecksumType", string(o.Checksum.Type))
		w.Close("Checksum")
	}
	if want.parts && o.PartsCount > 0 {
		w.Open("ObjectParts")
		w.Int("PartsCount", int64(o.PartsCount))
		if list {
			writeParts(w, o, after, max, more)
		}
		w.Close("ObjectParts")
	}
	if want.class {
		w.Elem("StorageClass", string(o.Class.Or()))
	}
	if want.size {
		w.Int("ObjectSize", o.Size)
	}
	w.Close("GetObjectAttributesResponse")
	return rq.XML(http.StatusOK, w)
}

// writeParts writes a page of an object's parts.
func writeParts(w *restxml.Writer, o *store.Object, after, max int, more bool) {
	next := 0
	if n := len(o.Parts); n > 0 {
		next = o.Parts[n-1].Number
	}
	w.Int("PartNumberMarker", int64(after))
	w.Int("NextPartNumberMarker", int64(next))
	w.Int("MaxParts", int64(max))
	w.Bool("IsTruncated", more)
	for i := range o.Parts {
		p := &o.Parts[i]
		w.Open("Part")
		w.Int("PartNumber", int64(p.Number))
		w.Int("Size", p.Size)
		writeChecksum(w, p.Checksum)
		w.Close("Part")
	}
}
