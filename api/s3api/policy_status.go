package s3api

import (
	"net/http"

	"github.com/farhold/farhold/rule"
)

// getBucketPolicyStatus tells whether the bucket's policy lets everybody in.
func getBucketPolicyStatus(d *Door, rq *Request) error {
	b, err := rq.LoadBucket()
	if err != nil {
		return err
	}
	doc, err := d.opt.Store.Document(rq.Ctx, b, "policy", "")
	if err != nil {
		return err
	}
	if doc == nil {
		return rule.ErrPolicyNotFound.With("BucketName", b.Name)
	}
	public, err := rule.PolicyPublic(doc)
	if err != nil {
		return err
	}
	body, err := rule.RenderPolicyStatus(public)
	if err != nil {
		return err
	}
	return rq.document(http.StatusOK, body)
}
