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
	s, err := d.standing(rq.Ctx, b)
	if err != nil {
		return err
	}
	if s.policies == nil {
		return rule.ErrPolicyNotFound.With("BucketName", b.Name)
	}
	body, err := rule.RenderPolicyStatus(s.public)
	if err != nil {
		return err
	}
	return rq.document(http.StatusOK, body)
}
