package s3control

import (
	"context"
	"slices"
	"strings"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/service"
	shapes "github.com/farhold/farhold/wire/shapes/s3control"
)

// bucketOf gives the bucket that an ARN names. Other resources of S3 that can
// have tags are not served, so none of them exists.
func bucketOf(arn string) (string, error) {
	name, ok := strings.CutPrefix(arn, "arn:aws:s3:::")
	if !ok || name == "" || strings.ContainsAny(name, "/:*?") {
		return "", errUnknownResource
	}
	return name, nil
}

// bucketTarget is about a bucket, with the keys of the tags that a request
// gives or takes.
func (s *Service) bucketTarget(ctx context.Context, account *string, arn string, tags []shapes.Tag, keys []string) ([]service.Target, error) {
	if account == nil {
		return nil, errNoAccount
	}
	name, err := bucketOf(arn)
	if err != nil {
		return nil, err
	}
	b, err := s.buckets.Bucket(ctx, name)
	if err != nil {
		return nil, err
	}
	if b.Owner != *account {
		return nil, awserr.ErrAccessDenied
	}
	t := service.Target{ARN: arn, Account: b.Owner, Policies: b.Policies}
	if keys != nil {
		values := policy.Values{"aws:tagkeys": keys}
		for _, tag := range tags {
			values["aws:requesttag/"+*tag.Key] = []string{*tag.Value}
		}
		t.Keys = values
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
		return nil, err
	}
	out := &shapes.ListTagsForResourceResult{Tags: make([]shapes.Tag, len(tags))}
	for i := range tags {
		out.Tags[i] = shapes.Tag{Key: &tags[i].Key, Value: &tags[i].Value}
	}
	return out, nil
}

// tag adds tags, and gives those that are there another value.
func (s *Service) tag(ctx context.Context, _ *service.Call, in *shapes.TagResourceRequest) (*shapes.TagResourceResult, error) {
	name, err := bucketOf(*in.ResourceArn)
	if err != nil {
		return nil, err
	}
	var given []s3.Tag
	for _, t := range in.Tags {
		given = append(given, s3.Tag{Key: *t.Key, Value: *t.Value})
	}
	if err := rule.CheckBucketTags(given); err != nil {
		return nil, err
	}
	return nil, s.buckets.ChangeTags(ctx, name, func(now []s3.Tag) ([]s3.Tag, error) {
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
	})
}

// untag takes tags away; those that are not there need not be.
func (s *Service) untag(ctx context.Context, _ *service.Call, in *shapes.UntagResourceRequest) (*shapes.UntagResourceResult, error) {
	name, err := bucketOf(*in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return nil, s.buckets.ChangeTags(ctx, name, func(now []s3.Tag) ([]s3.Tag, error) {
		return slices.DeleteFunc(slices.Clone(now), func(t s3.Tag) bool { return slices.Contains(in.TagKeys, t.Key) }), nil
	})
}
