package rule

import (
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/wire/restxml"
	s3shapes "github.com/farhold/farhold/wire/shapes/s3"
)

// ErrPublicAccessBlockNotFound is answered after the block was deleted.
var ErrPublicAccessBlockNotFound = awserr.New("NoSuchPublicAccessBlockConfiguration", 404, "The public access block configuration was not found")

// PublicAccessBlock is a parsed public access block.
type PublicAccessBlock struct {
	BlockPublicACLs, IgnorePublicACLs, BlockPublicPolicy, RestrictPublicBuckets bool
}

// ParsePublicAccessBlock reads what the store keeps. A bucket that never had
// a document blocks everything, as new buckets do on AWS; one whose document
// was deleted blocks nothing.
func ParsePublicAccessBlock(stored []byte) (PublicAccessBlock, error) {
	if stored == nil {
		return PublicAccessBlock{true, true, true, true}, nil
	}
	var doc s3shapes.PublicAccessBlockConfiguration
	if err := restxml.Decode(stored, &doc); err != nil {
		return PublicAccessBlock{}, err
	}
	return PublicAccessBlock{value(doc.BlockPublicAcls), value(doc.IgnorePublicAcls), value(doc.BlockPublicPolicy), value(doc.RestrictPublicBuckets)}, nil
}

// With gives what two blocks demand together, such as a bucket's and its
// account's: the stricter of each.
func (b PublicAccessBlock) With(o PublicAccessBlock) PublicAccessBlock {
	return PublicAccessBlock{
		b.BlockPublicACLs || o.BlockPublicACLs, b.IgnorePublicACLs || o.IgnorePublicACLs,
		b.BlockPublicPolicy || o.BlockPublicPolicy, b.RestrictPublicBuckets || o.RestrictPublicBuckets,
	}
}

func (b PublicAccessBlock) document() ([]byte, error) {
	return encode(&s3shapes.PublicAccessBlockConfiguration{
		BlockPublicAcls: &b.BlockPublicACLs, IgnorePublicAcls: &b.IgnorePublicACLs,
		BlockPublicPolicy: &b.BlockPublicPolicy, RestrictPublicBuckets: &b.RestrictPublicBuckets,
	})
}

// checkPublicAccessBlock fills in false for what is not said.
func checkPublicAccessBlock(_ *Context, raw []byte) ([]byte, error) {
	b, err := ParsePublicAccessBlock(raw)
	if err != nil {
		return nil, err
	}
	return b.document()
}

// removePublicAccessBlock gives what is stored after DELETE: a document
// without members, which Check never returns. Nothing at all would be a bucket
// that never had one.
func removePublicAccessBlock() ([]byte, error) {
	return encode(&s3shapes.PublicAccessBlockConfiguration{})
}

func answerPublicAccessBlock(_ *Context, stored []byte) ([]byte, error) {
	var doc s3shapes.PublicAccessBlockConfiguration
	if err := restxml.Decode(stored, &doc); err != nil {
		return nil, err
	}
	if doc.BlockPublicAcls == nil {
		return nil, ErrPublicAccessBlockNotFound
	}
	return stored, nil
}
