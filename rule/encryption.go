package rule

import (
	"slices"
	"strings"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/wire/restxml"
	s3shapes "github.com/farhold/farhold/wire/shapes/s3"
)

// What is wrong with a default encryption.
var (
	ErrEncryptionKey = awserr.ErrInvalidArgument.Text("a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse").With("ArgumentName", "ApplyServerSideEncryptionByDefault")
	ErrNoKMS         = awserr.ErrNotImplemented.Text("Server-side encryption with KMS keys is not implemented.")
)

// Encryption is a parsed default encryption.
type Encryption struct {
	SSE       s3.SSE // algorithm, key and bucket key of objects whose request names none
	BlockSSEC bool   // requests with customer keys are refused
}

// ParseEncryption reads a default encryption as Check returned it. No document
// says AES256.
func ParseEncryption(raw []byte) (Encryption, error) {
	e := Encryption{SSE: s3.SSE{Algorithm: "AES256"}}
	if raw == nil {
		return e, nil
	}
	var doc s3shapes.ServerSideEncryptionConfiguration
	if err := restxml.Decode(raw, &doc); err != nil {
		return e, err
	}
	if len(doc.Rules) != 1 {
		return e, malformed("%d encryption rules", len(doc.Rules))
	}
	r := &doc.Rules[0]
	if d := r.ApplyServerSideEncryptionByDefault; d != nil {
		e.SSE.Algorithm, e.SSE.KeyID = d.SSEAlgorithm, value(d.KMSMasterKeyID)
	}
	e.SSE.BucketKey = value(r.BucketKeyEnabled)
	if r.BlockedEncryptionTypes != nil {
		e.BlockSSEC = slices.Contains(r.BlockedEncryptionTypes.EncryptionType, "SSE-C")
	}
	return e, nil
}

func checkEncryption(ctx *Context, raw []byte) ([]byte, error) {
	var doc s3shapes.ServerSideEncryptionConfiguration
	if err := restxml.Decode(raw, &doc); err != nil {
		return nil, err
	}
	if len(doc.Rules) != 1 {
		return nil, malformed("%d encryption rules", len(doc.Rules))
	}
	r := &doc.Rules[0]
	if b := r.BlockedEncryptionTypes; b != nil && (len(b.EncryptionType) == 0 || len(b.EncryptionType) > 1 && slices.Contains(b.EncryptionType, "NONE")) {
		return nil, malformed("blocked encryption types %v", b.EncryptionType)
	}
	if r.ApplyServerSideEncryptionByDefault == nil {
		if r.BlockedEncryptionTypes == nil && r.BucketKeyEnabled == nil {
			return nil, malformed("empty encryption rule")
		}
		r.ApplyServerSideEncryptionByDefault = &s3shapes.ServerSideEncryptionByDefault{SSEAlgorithm: "AES256"}
	}
	d := r.ApplyServerSideEncryptionByDefault
	switch {
	case d.SSEAlgorithm != "AES256" && d.SSEAlgorithm != "aws:kms" && d.SSEAlgorithm != "aws:kms:dsse":
		return nil, malformed("algorithm %q is not for buckets", d.SSEAlgorithm)
	case d.SSEAlgorithm == "AES256" && d.KMSMasterKeyID != nil:
		return nil, ErrEncryptionKey
	case strings.HasPrefix(d.SSEAlgorithm, "aws:kms") && !ctx.KMS:
		return nil, ErrNoKMS
	}
	if r.BucketKeyEnabled == nil {
		r.BucketKeyEnabled = pointer(false)
	}
	return encode(&doc)
}

func defaultEncryption(*Context) ([]byte, error) {
	return encode(&s3shapes.ServerSideEncryptionConfiguration{Rules: []s3shapes.ServerSideEncryptionRule{{
		ApplyServerSideEncryptionByDefault: &s3shapes.ServerSideEncryptionByDefault{SSEAlgorithm: "AES256"},
		BucketKeyEnabled:                   pointer(false),
	}}})
}
