// Package s3control is S3 Control: the public access block of an account, and
// the tags of buckets as resources.
package s3control

import (
	"context"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/service"
	shapes "github.com/farhold/farhold/wire/shapes/s3control"
)

// Rows keep what belongs to accounts in every region of the realm: see
// RealmRows.
type Rows interface {
	// Row gives a row from this region's copy.
	Row(key string) ([]byte, bool)
	// SetRow replaces a row; nil removes it. It returns when this region knows.
	SetRow(ctx context.Context, key string, value []byte) error
}

// Bucket is what S3 Control must know of a bucket.
type Bucket struct {
	Name     string
	Owner    string             // account ID
	Policies []*policy.Document // its policy, if it has one
}

// Buckets are those of this region: see StoreBuckets.
type Buckets interface {
	// Bucket gives a bucket, or AWS's NoSuchBucket.
	Bucket(ctx context.Context, name string) (*Bucket, error)
	// Tags gives a bucket's tags, in the order in which they were set.
	Tags(ctx context.Context, name string) ([]s3.Tag, error)
	// ChangeTags replaces them by what change returns, which may be called several
	// times. None means that the bucket has no document any more.
	ChangeTags(ctx context.Context, name string, change func([]s3.Tag) ([]s3.Tag, error)) error
}

// Service serves S3 Control. It is safe for concurrent use.
type Service struct {
	rows    Rows
	buckets Buckets
}

// New makes a service.
func New(rows Rows, buckets Buckets) *Service { return &Service{rows, buckets} }

// errUnknownResource is answered to an ARN that names nothing that has tags here.
var errUnknownResource = awserr.New("NoSuchResource", 404, "The specified resource doesn't exist.")

// Service describes S3 Control for service.New.
func (s *Service) Service() service.Service {
	return service.Service{
		Name: "s3-control", Scope: "s3", Protocols: []service.Protocol{service.RESTXML}, Version: shapes.Version, Space: shapes.Namespace,
		Known: shapes.Operations(), HTTP: shapes.HTTP,
		Operations: []service.Operation{
			service.Op("GetPublicAccessBlock", "s3:GetAccountPublicAccessBlock",
				func(_ context.Context, c *service.Call, in *shapes.GetPublicAccessBlockRequest) ([]service.Target, error) {
					return accountTarget(c, in.AccountId)
				}, s.getPublicAccessBlock),
			service.Op("PutPublicAccessBlock", "s3:PutAccountPublicAccessBlock",
				func(_ context.Context, c *service.Call, in *shapes.PutPublicAccessBlockRequest) ([]service.Target, error) {
					return accountTarget(c, in.AccountId)
				}, s.putPublicAccessBlock),
			service.Op("DeletePublicAccessBlock", "s3:PutAccountPublicAccessBlock",
				func(_ context.Context, c *service.Call, in *shapes.DeletePublicAccessBlockRequest) ([]service.Target, error) {
					return accountTarget(c, in.AccountId)
				}, s.deletePublicAccessBlock),
			service.Op("ListTagsForResource", "s3:ListTagsForResource",
				func(ctx context.Context, c *service.Call, in *shapes.ListTagsForResourceRequest) ([]service.Target, error) {
					return s.bucketTarget(ctx, in.AccountId, *in.ResourceArn, nil)
				}, s.listTags),
			service.Op("TagResource", "s3:TagResource",
				func(ctx context.Context, c *service.Call, in *tagRequest) ([]service.Target, error) {
					given := policy.Values{}
					for _, t := range in.Tags {
						given.RequestTag(*t.Key, *t.Value)
					}
					return s.bucketTarget(ctx, in.AccountId, *in.ResourceArn, given)
				}, s.tag),
			service.Op("UntagResource", "s3:UntagResource",
				func(ctx context.Context, c *service.Call, in *shapes.UntagResourceRequest) ([]service.Target, error) {
					return s.bucketTarget(ctx, in.AccountId, *in.ResourceArn, policy.Values{"aws:tagkeys": in.TagKeys})
				}, s.untag),
		},
	}
}

// errNoAccount is answered where x-amz-account-id is absent.
var errNoAccount = awserr.New("InvalidRequest", 400, "Missing required header for this request: x-amz-account-id")

// accountTarget is about an account as a whole, which nobody of another one may
// touch, whatever their policies say.
func accountTarget(c *service.Call, account *string) ([]service.Target, error) {
	switch {
	case account == nil:
		return nil, errNoAccount
	case *account != c.Caller.Account:
		return nil, awserr.ErrAccessDenied
	}
	return []service.Target{{ARN: "*", Account: *account}}, nil
}

// AccountBlock gives the public access block of an account. One that nobody
// can read blocks everything.
func (s *Service) AccountBlock(account string) rule.PublicAccessBlock {
	row, ok := s.rows.Row(blockKey(account))
	if !ok {
		return rule.PublicAccessBlock{}
	}
	b, err := parseBlock(row)
	if err != nil {
		return rule.PublicAccessBlock{BlockPublicACLs: true, IgnorePublicACLs: true, BlockPublicPolicy: true, RestrictPublicBuckets: true}
	}
	return b
}
