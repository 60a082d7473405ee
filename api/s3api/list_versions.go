package s3api

import (
	"net/http"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/store"
	"github.com/farhold/farhold/wire/restxml"
)

var (
	errVersionMarkerAlone = awserr.ErrInvalidArgument.Text("A version-id marker cannot be specified without a key marker.")
	errVersionMarkerEmpty = awserr.ErrInvalidArgument.Text("A version-id marker cannot be empty.")
)

// listObjectVersions lists versions and delete markers: by key, newest first,
// both kinds as siblings in that order.
func listObjectVersions(d *Door, rq *Request) error {
	q := rq.Query
	max, err := pageSize(q.Get("max-keys"), "max-keys", "maxKeys")
	if err != nil {
		return err
	}
	in := store.ListVersionsInput{
		Bucket: rq.Bucket, Prefix: q.Get("prefix"), Delimiter: q.Get("delimiter"),
		KeyMarker: q.Get("key-marker"), Max: max,
	}
	marker, hasMarker := q.Lookup("version-id-marker")
	switch {
	case hasMarker && in.KeyMarker == "":
		return errVersionMarkerAlone.With("ArgumentName", "version-id-marker").With("ArgumentValue", marker)
	case hasMarker && marker == "":
		return errVersionMarkerEmpty.With("ArgumentName", "version-id-marker").With("ArgumentValue", marker)
	}
	in.VersionMarker = marker
	keyMarker := in.KeyMarker
	if in.KeyMarker = pastPrefix(keyMarker, in.Prefix, in.Delimiter); in.KeyMarker != keyMarker {
		in.VersionMarker = "" // it is of a key that is passed over
	}
	l, err := d.newListing(rq)
	if err != nil {
		return err
	}
	page, err := d.opt.Store.ListVersions(rq.Ctx, in)
	if err != nil {
		return err
	}
	l.OpenNS("ListVersionsResult", restxml.Namespace)
	l.Elem("Name", rq.Bucket)
	l.name("Prefix", in.Prefix)
	l.name("KeyMarker", keyMarker)
	l.Elem("VersionIdMarker", marker)
	if page.Truncated {
		l.name("NextKeyMarker", page.Next)
		l.Optional("NextVersionIdMarker", page.NextVersion)
	}
	l.Int("MaxKeys", int64(max))
	l.optionalName("Delimiter", in.Delimiter)
	l.encodingType()
	l.Bool("IsTruncated", page.Truncated)
	for i := range page.Entries {
		e := &page.Entries[i]
		elem := "Version"
		if e.Marker {
			elem = "DeleteMarker"
		}
		l.Open(elem)
		l.name("Key", e.Key)
		l.Elem("VersionId", e.VersionID)
		l.Bool("IsLatest", e.Latest)
		if e.Marker {
			l.Time("LastModified", e.Modified)
		} else {
			l.row(e)
			l.Elem("StorageClass", string(e.Class.Or()))
		}
		l.account("Owner", e.Owner)
		l.Close(elem)
	}
	l.prefixes(page.Prefixes)
	l.Close("ListVersionsResult")
	rq.Set("X-Amz-Bucket-Region", d.opt.Region)
	return d.done(rq, http.StatusOK, l)
}
