package rule

import (
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/wire/restxml"
	s3shapes "github.com/farhold/farhold/wire/shapes/s3"
)

// What is wrong with a change of versioning.
var (
	ErrVersioningMissing     = awserr.New("IllegalVersioningConfigurationException", 400, "The Versioning element must be specified")
	ErrVersioningReplication = awserr.New("InvalidBucketState", 409, "A replication configuration is present on this bucket, so you cannot change the versioning state. To change the versioning state, first delete the replication configuration.")
	ErrVersioningObjectLock  = awserr.New("InvalidBucketState", 409, "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.")
	ErrMFADelete             = awserr.ErrNotImplemented.Text("MFA delete is not implemented.")
)

// ParseVersioning reads a versioning configuration as Check returned it: "",
// Enabled or Suspended. No document says "".
func ParseVersioning(raw []byte) (status string, err error) {
	if raw == nil {
		return "", nil
	}
	var doc s3shapes.VersioningConfiguration
	if err := restxml.Decode(raw, &doc); err != nil {
		return "", err
	}
	return value(doc.Status), nil
}

func checkVersioning(ctx *Context, raw []byte) ([]byte, error) {
	var doc s3shapes.VersioningConfiguration
	if err := restxml.Decode(raw, &doc); err != nil {
		return nil, err
	}
	if value(doc.MFADelete) == "Enabled" {
		return nil, ErrMFADelete
	}
	if doc.Status == nil {
		return nil, ErrVersioningMissing
	}
	if *doc.Status == "Suspended" {
		if ctx.ObjectLock {
			return nil, ErrVersioningObjectLock
		}
		replication, err := ctx.current("replication")
		if err != nil {
			return nil, err
		}
		if replication != nil {
			return nil, ErrVersioningReplication
		}
	}
	return encode(&doc)
}

// versioningNow answers from the bucket's state, which Object Lock can have
// set without a document.
func versioningNow(ctx *Context) ([]byte, error) {
	doc := s3shapes.VersioningConfiguration{}
	if ctx.Versioning != "" {
		doc.Status = &ctx.Versioning
	}
	return encode(&doc)
}
