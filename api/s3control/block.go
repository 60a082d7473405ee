package s3control

import (
	"context"
	"errors"

	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/service"
	shapes "github.com/farhold/farhold/wire/shapes/s3control"
)

// blockKey is the row of an account's public access block.
func blockKey(account string) string { return "s3control/" + account + "/public-access-block" }

// blockVersion begins a row; behind it stands a byte with a bit for each
// setting, in the order of the members of rule.PublicAccessBlock.
const blockVersion = 1

var errBlockRow = errors.New("s3control: the row of a public access block is malformed")

func renderBlock(b rule.PublicAccessBlock) []byte {
	var bits byte
	for i, set := range [...]bool{b.BlockPublicACLs, b.IgnorePublicACLs, b.BlockPublicPolicy, b.RestrictPublicBuckets} {
		if set {
			bits |= 1 << i
		}
	}
	return []byte{blockVersion, bits}
}

func parseBlock(row []byte) (rule.PublicAccessBlock, error) {
	if len(row) != 2 || row[0] != blockVersion || row[1] > 15 {
		return rule.PublicAccessBlock{}, errBlockRow
	}
	at := func(i int) bool { return row[1]&(1<<i) != 0 }
	return rule.PublicAccessBlock{BlockPublicACLs: at(0), IgnorePublicACLs: at(1), BlockPublicPolicy: at(2), RestrictPublicBuckets: at(3)}, nil
}

func (s *Service) getPublicAccessBlock(_ context.Context, _ *service.Call, in *shapes.GetPublicAccessBlockRequest) (*shapes.GetPublicAccessBlockOutput, error) {
	row, ok := s.rows.Row(blockKey(*in.AccountId))
	if !ok {
		return nil, rule.ErrPublicAccessBlockNotFound.With("AccountId", *in.AccountId)
	}
	b, err := parseBlock(row)
	if err != nil {
		return nil, err
	}
	return &shapes.GetPublicAccessBlockOutput{PublicAccessBlockConfiguration: &shapes.PublicAccessBlockConfiguration{
		BlockPublicAcls: &b.BlockPublicACLs, IgnorePublicAcls: &b.IgnorePublicACLs, BlockPublicPolicy: &b.BlockPublicPolicy, RestrictPublicBuckets: &b.RestrictPublicBuckets,
	}}, nil
}

// putPublicAccessBlock takes what is not said as false.
func (s *Service) putPublicAccessBlock(ctx context.Context, _ *service.Call, in *shapes.PutPublicAccessBlockRequest) (*shapes.PutPublicAccessBlockResponse, error) {
	on := func(b *bool) bool { return b != nil && *b }
	c := in.PublicAccessBlockConfiguration
	row := renderBlock(rule.PublicAccessBlock{
		BlockPublicACLs: on(c.BlockPublicAcls), IgnorePublicACLs: on(c.IgnorePublicAcls), BlockPublicPolicy: on(c.BlockPublicPolicy), RestrictPublicBuckets: on(c.RestrictPublicBuckets),
	})
	return nil, s.rows.SetRow(ctx, blockKey(*in.AccountId), row)
}

func (s *Service) deletePublicAccessBlock(ctx context.Context, _ *service.Call, in *shapes.DeletePublicAccessBlockRequest) (*shapes.DeletePublicAccessBlockResponse, error) {
	return nil, s.rows.SetRow(ctx, blockKey(*in.AccountId), nil)
}
