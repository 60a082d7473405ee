package s3control

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/store"
	shapes "github.com/farhold/farhold/wire/shapes/s3control"
)

// What is wrong with tags, in S3 Control's words. S3 says it otherwise, and
// names the tag.
var (
	errTagSystem = awserr.New("InvalidTag", 400, `User-defined tag keys can't start with "aws:". This prefix is reserved for system tags. Remove "aws:" from your tag keys and try again.`)
	errTagTwice  = awserr.New("InvalidTag", 400, "There are duplicate tag keys in your request. Remove the duplicate tag keys and try again.")
	errTagChars  = awserr.New("InvalidTag", 400, "This request contains a tag key or value that isn't valid. Valid characters include the following: [a-zA-Z+-=._:/]. "+
		"Tag keys can contain up to 128 characters. Tag values can contain up to 256 characters.")
)

// tagRequest is TagResourceRequest without what the model says of the lengths
// and the characters of keys and values: what is wrong with those, AWS calls
// InvalidTag, and no validation error.
type tagRequest struct {
	XMLName     struct{} `xml:"http://awss3control.amazonaws.com/doc/2018-08-20/ TagResourceRequest"`
	ResourceArn *string  `xml:"-" label:"ResourceArn" required:"true" len:",1011"`
	Tags        []tag    `xml:"Tags>Tag" required:"true" len:"0,50"`
	AccountId   *string  `xml:"-" header:"x-amz-account-id" len:",64" pattern:"^\\d{12}$"`
}

type tag struct {
	Key   *string `required:"true"`
	Value *string `required:"true"`
}

// checkTags checks the tags that a request gives.
func checkTags(tags []s3.Tag) error {
	for i, t := range tags {
		switch {
		case strings.HasPrefix(t.Key, "aws:"):
			return errTagSystem
		case slices.ContainsFunc(tags[:i], func(o s3.Tag) bool { return o.Key == t.Key }):
			return errTagTwice
		case !rule.ValidTagKey(t.Key), !rule.ValidTagValue(t.Value):
			return errTagChars
		}
	}
	return nil
}

// told gives the error for a bucket that is not there as S3 Control words it.
func told(err error) error {
	if errors.Is(err, store.ErrNoSuchBucket) {
		return errUnknownResource
	}
	return err
}

// bucketOf gives the bucket that an ARN names. Other resources of S3 that can
// have tags are not served, so none of them exists.
func bucketOf(arn string) (string, error) {
	name, ok := strings.CutPrefix(arn, "arn:aws:s3:::")
	if !ok || name == "" || strings.ContainsAny(name, "/:*?") {
		return "", errUnknownResource
	}
	return name, nil
}

// bucketTarget is about a bucket, with the condition keys of the tags that a
// request gives or takes.
func (s *Service) bucketTarget(ctx context.Context, account *string, arn string, tags policy.Values) ([]service.Target, error) {
	if account == nil {
		return nil, errNoAccount
	}
	name, err := bucketOf(arn)
	if err != nil {
		return nil, err
	}
	b, err := s.buckets.Bucket(ctx, name)
	if err != nil {
		return nil, told(err)
	}
	if b.Owner != *account {
		return nil, awserr.ErrAccessDenied
	}
	t := service.Target{ARN: arn, Account: b.Owner, Policies: b.Policies}
	if len(tags) > 0 {
		t.Keys = tags
	}
	return []service.Target{t}, nil
}

func (s *Service) listTags(ctx context.Context, _ *service.Call, in *shapes.ListTagsForResourceRequest) (*shapes.ListTagsForResourceResult, error) {
	name, err := bucketOf(*in.ResourceArn)
	if err != nil {
		return nil, err
	}
	tags, err := s.buckets.Tags(ctx, name)
	if err != nil {
		return nil, told(err)
	}
	out := &shapes.ListTagsForResourceResult{Tags: make([]shapes.Tag, len(tags))}
	for i := range tags {
		out.Tags[i] = shapes.Tag{Key: &tags[i].Key, Value: &tags[i].Value}
	}
	return out, nil
}

// tag adds tags, and gives those that are there another value.
func (s *Service) tag(ctx context.Context, _ *service.Call, in *tagRequest) (*shapes.TagResourceResult, error) {
	name, err := bucketOf(*in.ResourceArn)
	if err != nil {
		return nil, err
	}
	var given []s3.Tag
	for _, t := range in.Tags {
		given = append(given, s3.Tag{Key: *t.Key, Value: *t.Value})
	}
	if err := checkTags(given); err != nil {
		return nil, err
	}
	return nil, told(s.buckets.ChangeTags(ctx, name, func(now []s3.Tag) ([]s3.Tag, error) {
		next := slices.Clone(now)
		for _, t := range given {
			i := slices.IndexFunc(next, func(o s3.Tag) bool { return o.Key == t.Key })
			if i < 0 {
				next = append(next, t)
			} else {
				next[i].Value = t.Value
			}
		}
		return next, rule.CheckBucketTags(next)
	}))
}

// untag takes tags away; those that are not there need not be.
func (s *Service) untag(ctx context.Context, _ *service.Call, in *shapes.UntagResourceRequest) (*shapes.UntagResourceResult, error) {
	name, err := bucketOf(*in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return nil, told(s.buckets.ChangeTags(ctx, name, func(now []s3.Tag) ([]s3.Tag, error) {
		return slices.DeleteFunc(slices.Clone(now), func(t s3.Tag) bool { return slices.Contains(in.TagKeys, t.Key) }), nil
	}))
}
