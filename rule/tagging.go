package rule

import (
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/wire/restxml"
	s3shapes "github.com/farhold/farhold/wire/shapes/s3"
)

// What is wrong with tags.
var (
	ErrNoSuchTagSet      = awserr.New("NoSuchTagSet", 404, "The TagSet does not exist")
	ErrTagTwice          = awserr.New("InvalidTag", 400, "Cannot provide multiple Tags with the same key")
	ErrTagKey            = awserr.New("InvalidTag", 400, "The TagKey you have provided is invalid")
	ErrTagValue          = awserr.New("InvalidTag", 400, "The TagValue you have provided is invalid")
	ErrTagSystem         = awserr.New("InvalidTag", 400, "System tags cannot be added/updated by requester")
	ErrTagPrefix         = awserr.New("InvalidTag", 400, "Your TagKey cannot be prefixed with aws:")
	ErrTooManyTags       = awserr.New("BadRequest", 400, "Object tags cannot be greater than 10")
	ErrTooManyBucketTags = awserr.New("BadRequest", 400, "Bucket tag count cannot be greater than 50")
	ErrTagHeader         = awserr.ErrInvalidArgument.Text("The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
)

const (
	objectTagsMax = 10
	bucketTagsMax = 50
	tagKeyMax     = 128 // characters
	tagValueMax   = 256 // characters
)

// ParseObjectTagging reads the body of PutObjectTagging.
func ParseObjectTagging(raw []byte) ([]s3.Tag, error) {
	tags, err := parseTagging(raw)
	if err != nil {
		return nil, err
	}
	return tags, CheckObjectTags(tags)
}

// ParseBucketTagging reads a bucket's tags as Check returned them.
func ParseBucketTagging(raw []byte) ([]s3.Tag, error) { return parseTagging(raw) }

func parseTagging(raw []byte) ([]s3.Tag, error) {
	var doc s3shapes.Tagging
	if err := restxml.Decode(raw, &doc); err != nil {
		return nil, err
	}
	tags := make([]s3.Tag, len(doc.TagSet))
	for i, t := range doc.TagSet {
		tags[i] = s3.Tag(t)
	}
	return tags, nil
}

// RenderTagging writes tags as GetObjectTagging and GetBucketTagging answer.
func RenderTagging(tags []s3.Tag) ([]byte, error) {
	doc := s3shapes.Tagging{TagSet: make([]s3shapes.Tag, len(tags))}
	for i, t := range tags {
		doc.TagSet[i] = s3shapes.Tag(t)
	}
	return encode(&doc)
}

// CheckObjectTags checks the tags of an object: at most ten.
func CheckObjectTags(tags []s3.Tag) error {
	return checkTags(tags, objectTagsMax, ErrTooManyTags, ErrTagPrefix)
}

// CheckBucketTags checks the tags of a bucket: at most fifty.
func CheckBucketTags(tags []s3.Tag) error {
	return checkTags(tags, bucketTagsMax, ErrTooManyBucketTags, ErrTagSystem)
}

func checkTags(tags []s3.Tag, max int, tooMany, system *awserr.Error) error {
	if len(tags) > max {
		return tooMany
	}
	for i, t := range tags {
		if slices.ContainsFunc(tags[:i], func(o s3.Tag) bool { return o.Key == t.Key }) {
			return ErrTagTwice.With("TagKey", t.Key)
		}
		if strings.HasPrefix(t.Key, "aws:") {
			return system.With("TagKey", t.Key)
		}
		if err := checkTag(t); err != nil {
			return err
		}
	}
	return nil
}

// checkTag checks the lengths and the characters of a tag.
func checkTag(t s3.Tag) error {
	if !ValidTagKey(t.Key) {
		return ErrTagKey.With("TagKey", t.Key)
	}
	if !ValidTagValue(t.Value) {
		return ErrTagValue.With("TagKey", t.Key).With("TagValue", t.Value)
	}
	return nil
}

// ValidTagKey tells whether the key of a tag has 1 to 128 characters, all of
// which tags may have.
func ValidTagKey(s string) bool {
	n := utf8.RuneCountInString(s)
	return n > 0 && n <= tagKeyMax && tagChars(s)
}

// ValidTagValue tells whether the value of a tag has at most 256 characters,
// all of which tags may have.
func ValidTagValue(s string) bool {
	return utf8.RuneCountInString(s) <= tagValueMax && tagChars(s)
}

// tagChars tells whether s has only what tags may have: letters, digits and
// spaces of any script, and + - = . _ : / @.
func tagChars(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, c := range s {
		if !unicode.IsLetter(c) && !unicode.IsMark(c) && !unicode.IsNumber(c) && !unicode.Is(unicode.Z, c) && !strings.ContainsRune("+-=._:/@", c) {
			return false
		}
	}
	return true
}

// ParseTagHeader reads x-amz-tagging: tags in the form of a query string. An
// empty header is no tags.
func ParseTagHeader(v string) ([]s3.Tag, error) {
	if v == "" {
		return nil, nil
	}
	bad := ErrTagHeader.With("ArgumentName", "x-amz-tagging").With("ArgumentValue", v)
	var tags []s3.Tag
	for pair := range strings.SplitSeq(v, "&") {
		if pair == "" {
			continue
		}
		k, val, _ := strings.Cut(pair, "=")
		if strings.Contains(val, "=") {
			return nil, bad
		}
		key, err := url.QueryUnescape(k)
		if err != nil {
			return nil, bad
		}
		text, err := url.QueryUnescape(val)
		if err != nil {
			return nil, bad
		}
		if !utf8.ValidString(key) || !utf8.ValidString(text) || slices.ContainsFunc(tags, func(o s3.Tag) bool { return o.Key == key }) {
			return nil, bad
		}
		tags = append(tags, s3.Tag{Key: key, Value: text})
		if len(tags) > objectTagsMax {
			return nil, ErrTooManyTags
		}
	}
	return tags, CheckObjectTags(tags)
}

func checkBucketTagging(_ *Context, raw []byte) ([]byte, error) {
	tags, err := parseTagging(raw)
	if err != nil {
		return nil, err
	}
	if err := CheckBucketTags(tags); err != nil {
		return nil, err
	}
	return RenderTagging(tags)
}

// answerBucketTagging answers for a document without tags as for none.
func answerBucketTagging(_ *Context, stored []byte) ([]byte, error) {
	tags, err := parseTagging(stored)
	if err != nil {
		return nil, err
	}
	if len(tags) == 0 {
		return nil, ErrNoSuchTagSet
	}
	return stored, nil
}
