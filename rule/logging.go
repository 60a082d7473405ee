package rule

import (
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/wire/restxml"
	s3shapes "github.com/farhold/farhold/wire/shapes/s3"
)

// What is wrong with a logging configuration. The double t is AWS's.
var (
	ErrLoggingTarget   = awserr.New("InvalidTargetBucketForLogging", 400, "The target bucket for logging does not exist")
	ErrLoggingOwner    = awserr.New("InvalidTargetBucketForLogging", 400, "The owner for the bucket to be logged and the target bucket must be the same.")
	ErrLoggingLocation = awserr.New("CrossLocationLoggingProhibitted", 403, "Cross S3 location logging not allowed. ")
)

// defaultRegion is the region that AWS's messages leave out: the first there
// was.
const defaultRegion = "us-east-1"

func checkLogging(ctx *Context, raw []byte) ([]byte, error) {
	var doc s3shapes.BucketLoggingStatus
	if err := restxml.Decode(raw, &doc); err != nil {
		return nil, err
	}
	l := doc.LoggingEnabled
	if l == nil {
		return encode(&doc)
	}
	for _, g := range l.TargetGrants {
		if g.Grantee == nil || g.Permission == nil {
			return nil, malformed("incomplete grant")
		}
	}
	if f := l.TargetObjectKeyFormat; f != nil {
		if count(f.SimplePrefix != nil, f.PartitionedPrefix != nil) != 1 {
			return nil, malformed("TargetObjectKeyFormat has one member")
		}
		if f.PartitionedPrefix != nil && f.PartitionedPrefix.PartitionDateSource == nil {
			return nil, malformed("PartitionedPrefix without PartitionDateSource")
		}
	}
	if l.TargetBucket == ctx.Bucket {
		return encode(&doc)
	}
	to, err := ctx.destination(l.TargetBucket)
	if err != nil {
		return nil, err
	}
	switch {
	case !to.Exists:
		return nil, ErrLoggingTarget.With("TargetBucket", l.TargetBucket)
	case to.Owner != ctx.Owner:
		return nil, ErrLoggingOwner.With("TargetBucket", l.TargetBucket)
	case to.Region != ctx.Region:
		e := ErrLoggingLocation.With("TargetBucketLocation", to.Region)
		if ctx.Region != defaultRegion {
			e = e.With("SourceBucketLocation", ctx.Region)
		}
		return nil, e
	}
	return encode(&doc)
}

func defaultLogging(*Context) ([]byte, error) { return encode(&s3shapes.BucketLoggingStatus{}) }
