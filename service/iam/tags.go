package iam

import (
	"slices"
	"strings"

	"github.com/farhold/farhold/wire/shapes/iam"
)

// newTags checks the tags of a request.
func newTags(list []iamshapes.Tag) ([]tag, error) {
	tags := make([]tag, 0, len(list))
	for _, t := range list {
		n := tag{value(t.Key), value(t.Value)}
		if len(n.key) >= 4 && strings.EqualFold(n.key[:4], "aws:") {
			return nil, errReservedTag
		}
		if slices.ContainsFunc(tags, func(o tag) bool { return strings.EqualFold(o.key, n.key) }) {
			return nil, errDuplicateTags
		}
		tags = append(tags, n)
	}
	if len(tags) > tagsMax {
		return nil, errTags
	}
	return tags, nil
}

// withTags puts tags over others. Names are equal without regard to case, and
// stand as they were given last.
func withTags(old []tag, list []iamshapes.Tag) ([]tag, error) {
	tags, err := newTags(list)
	if err != nil {
		return nil, err
	}
	all := slices.Clone(old)
	for _, t := range tags {
		if i := slices.IndexFunc(all, func(o tag) bool { return strings.EqualFold(o.key, t.key) }); i >= 0 {
			all[i] = t
		} else {
			all = append(all, t)
		}
	}
	if len(all) > tagsMax {
		return nil, errTags
	}
	return all, nil
}

func withoutTags(old []tag, keys []string) []tag {
	return slices.DeleteFunc(slices.Clone(old), func(t tag) bool {
		return slices.ContainsFunc(keys, func(k string) bool { return strings.EqualFold(k, t.key) })
	})
}

// shapeTags gives tags as answers have them: nil for none.
func shapeTags(tags []tag) []iamshapes.Tag {
	var list []iamshapes.Tag
	for _, t := range tags {
		list = append(list, shapeTag(t))
	}
	return list
}

func shapeTag(t tag) iamshapes.Tag { return iamshapes.Tag{Key: ptr(t.key), Value: ptr(t.value)} }

// pageTags takes one page of tags, by key.
func pageTags(tags []tag, marker *string, max *int32) ([]iamshapes.Tag, *bool, *string, error) {
	sorted := slices.Clone(tags)
	slices.SortFunc(sorted, func(a, b tag) int { return strings.Compare(a.key, b.key) })
	return pageOf(sorted, func(t tag) string { return t.key }, shapeTag, marker, max)
}

// requestTags are the condition keys that tags of a request make.
func requestTags(keys *conditions, list []iamshapes.Tag) *conditions {
	for _, t := range list {
		keys.request = append(keys.request, tag{value(t.Key), value(t.Value)})
		keys.tagKeys = append(keys.tagKeys, value(t.Key))
	}
	return keys
}
