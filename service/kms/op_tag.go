package kms

import (
	"context"

	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/service"
	shapes "github.com/farhold/farhold/wire/shapes/kms"
)

// tagOperations change and list tags.
func (e *Engine) tagOperations() []service.Operation {
	return []service.Operation{
		keyed(e, "TagResource", func(in *shapes.TagResourceRequest) **string { return &in.KeyId },
			func(_ *service.Call, in *shapes.TagResourceRequest, a *ask) error {
				a.Extra = tagKeys(tagsOf(in.Tags))
				return nil
			},
			func(ctx context.Context, _ *service.Call, in *shapes.TagResourceRequest, k *entry) (*shapes.TagResourceResponse, error) {
				tags := tagsOf(in.Tags)
				if err := checkTags(tags); err != nil {
					return nil, err
				}
				return nil, e.tag(ctx, k, tags)
			}),
		keyed(e, "UntagResource", func(in *shapes.UntagResourceRequest) **string { return &in.KeyId },
			func(_ *service.Call, in *shapes.UntagResourceRequest, a *ask) error {
				a.Extra = policy.Values{"aws:tagkeys": in.TagKeys}
				return nil
			},
			func(ctx context.Context, _ *service.Call, in *shapes.UntagResourceRequest, k *entry) (*shapes.UntagResourceResponse, error) {
				for _, key := range in.TagKeys {
					if reservedTag(key) {
						return nil, ErrTag.Text("Tags beginning with aws: are reserved")
					}
				}
				return nil, e.untag(ctx, k, in.TagKeys)
			}),
		keyed(e, "ListResourceTags", func(in *shapes.ListResourceTagsRequest) **string { return &in.KeyId }, nil,
			func(ctx context.Context, _ *service.Call, in *shapes.ListResourceTagsRequest, k *entry) (*shapes.ListResourceTagsResponse, error) {
				out := &shapes.ListResourceTagsResponse{Tags: []shapes.Tag{}}
				next, err := e.page(ctx, path(rowTag, k.id, "/"), in.Marker, in.Limit, 50, 50, func(_ kv.Snapshot, key string, v []byte) error {
					out.Tags = append(out.Tags, shapes.Tag{TagKey: &key, TagValue: new(string(v))})
					return nil
				})
				out.NextMarker, out.Truncated = next, new(next != nil)
				return out, err
			}),
	}
}
