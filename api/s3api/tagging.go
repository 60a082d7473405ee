package s3api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/store"
)

// taggingDocMax bounds the body of PutObjectTagging, in bytes.
const taggingDocMax = 64 << 10

func getObjectTagging(d *Door, rq *Request) error {
	o, err := d.openVersion(rq)
	if err != nil {
		return rq.onMarker(err)
	}
	defer o.Close()
	showVersionID(rq.Header(), &o.Version, o.Bucket)
	// In the order of keys, so that the answer does not tell how they were given.
	doc, err := rule.RenderTagging(slices.SortedFunc(slices.Values(o.Tags.Tags), func(a, b s3.Tag) int { return strings.Compare(a.Key, b.Key) }))
	if err != nil {
		return err
	}
	return rq.document(http.StatusOK, doc)
}

func putObjectTagging(d *Door, rq *Request) error {
	body, err := rq.Document(taggingDocMax)
	if err != nil {
		return err
	}
	tags, err := rule.ParseObjectTagging(body)
	if err != nil {
		return err
	}
	return d.setTags(rq, tags, http.StatusOK)
}

func deleteObjectTagging(d *Door, rq *Request) error {
	return d.setTags(rq, nil, http.StatusNoContent)
}

func (d *Door) setTags(rq *Request, tags []s3.Tag, status int) error {
	b, err := rq.LoadBucket()
	if err != nil {
		return err
	}
	versionID, err := rq.versionID()
	if err != nil {
		return err
	}
	v, err := d.opt.Store.SetTags(rq.Ctx, rq.Bucket, rq.Key, versionID, tags)
	if err != nil {
		return rq.onMarker(rq.missing(err, rq.Key, versionID))
	}
	showVersionID(rq.Header(), v, b)
	return rq.Empty(status)
}

// onMarker turns what the store says of a delete marker, whether it was named or
// is current, into what AWS answers where a marker can't have what is asked for:
// MethodNotAllowed. Other errors stay as they are.
func (rq *Request) onMarker(err error) error {
	e := awserr.From(err)
	if e == nil {
		return err
	}
	named := e.Code == awserr.ErrMethodNotAllowed.Code
	current := e.Code == store.ErrNoSuchKey.Code && slices.ContainsFunc(e.Headers, func(h awserr.Field) bool {
		return h.Name == "x-amz-delete-marker"
	})
	if !named && !current {
		return err
	}
	refused := awserr.ErrMethodNotAllowed.With("Method", rq.R.Method).With("ResourceType", "DeleteMarker")
	refused.Headers = e.Headers
	return refused
}
