package rule

import (
	"strings"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/wire/restxml"
	s3shapes "github.com/farhold/farhold/wire/shapes/s3"
)

// The documents that hold one word: acceleration, who pays, and access by
// tags.

// ErrAccelerateDots is answered for buckets that no certificate would cover.
var ErrAccelerateDots = awserr.ErrInvalidRequest.Text("S3 Transfer Acceleration is not supported for buckets with periods (.) in their names")

func checkAccelerate(ctx *Context, raw []byte) ([]byte, error) {
	var doc s3shapes.AccelerateConfiguration
	if err := restxml.Decode(raw, &doc); err != nil {
		return nil, err
	}
	if doc.Status == nil {
		return nil, malformed("acceleration without status")
	}
	if strings.Contains(ctx.Bucket, ".") {
		return nil, ErrAccelerateDots
	}
	return encode(&doc)
}

func defaultAccelerate(*Context) ([]byte, error) { return encode(&s3shapes.AccelerateConfiguration{}) }

func checkRequestPayment(_ *Context, raw []byte) ([]byte, error) {
	var doc s3shapes.RequestPaymentConfiguration
	if err := restxml.Decode(raw, &doc); err != nil {
		return nil, err
	}
	return encode(&doc)
}

func defaultRequestPayment(*Context) ([]byte, error) {
	return encode(&s3shapes.RequestPaymentConfiguration{Payer: "BucketOwner"})
}

func checkABAC(_ *Context, raw []byte) ([]byte, error) {
	var doc s3shapes.AbacStatus
	if err := restxml.Decode(raw, &doc); err != nil {
		return nil, err
	}
	if doc.Status == nil {
		return nil, malformed("ABAC without status")
	}
	return encode(&doc)
}

func defaultABAC(*Context) ([]byte, error) {
	return encode(&s3shapes.AbacStatus{Status: pointer("Disabled")})
}
