package rule

import (
	"slices"
	"strings"

	"github.com/farhold/farhold/arn"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/wire/restxml"
	s3shapes "github.com/farhold/farhold/wire/shapes/s3"
)

// What is wrong with a default encryption.
var (
	ErrEncryptionKey     = awserr.ErrInvalidArgument.Text("a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse").With("ArgumentName", "ApplyServerSideEncryptionByDefault")
	ErrEncryptionKeyName = awserr.ErrInvalidArgument.Text("The KMS key must be a key ID, a key ARN, an alias name or an alias ARN").With("ArgumentName", "KMSMasterKeyID")
)

// Encryption is a parsed default encryption.
type Encryption struct {
	SSE       s3.SSE // algorithm, key and bucket key of objects whose request names none
	BlockSSEC bool   // requests that write with customer keys are refused
	Open      bool   // this is OpenEncryption, which says nothing but that they are not
}

// ParseEncryption reads a default encryption as Check returned it. No document
// says AES256, and that customer keys are blocked, as in every bucket of AWS
// since April 2026; so does a document that says nothing of customer keys.
func ParseEncryption(raw []byte) (Encryption, error) {
	e := Encryption{SSE: s3.SSE{Algorithm: "AES256"}, BlockSSEC: true}
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
	e.Open = e == Encryption{SSE: s3.SSE{Algorithm: "AES256"}}
	return e, nil
}

// checkEncryption checks a default encryption. What it says nothing of keeps its
// setting: a bucket blocks customer keys until a document says NONE, and from
// then on until one says SSE-C.
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
	case d.KMSMasterKeyID != nil && !ValidKMSKey(*d.KMSMasterKeyID):
		return nil, ErrEncryptionKeyName.With("ArgumentValue", *d.KMSMasterKeyID)
	}
	if r.BucketKeyEnabled == nil {
		r.BucketKeyEnabled = pointer(false)
	}
	if r.BlockedEncryptionTypes == nil {
		now, err := ctx.current("encryption")
		if err != nil {
			return nil, err
		}
		e, err := ParseEncryption(now)
		if err != nil {
			return nil, err
		}
		r.BlockedEncryptionTypes = blockedTypes(e.BlockSSEC)
	}
	return encode(&doc)
}

// ValidKMSKey tells whether s has the form of a name of a KMS key: a key ID, a
// key ARN, an alias name or an alias ARN. Whether there is such a key shows when
// it is used.
func ValidKMSKey(s string) bool {
	const most = 2048 // as KMS has it
	if len(s) == 0 || len(s) > most {
		return false
	}
	if strings.HasPrefix(s, "arn:") {
		parts := strings.SplitN(s, ":", 6)
		if len(parts) != 6 || parts[2] != "kms" || parts[3] == "" || !arn.ValidAccount(parts[4]) {
			return false
		}
		s = strings.TrimPrefix(parts[5], "key/")
		if s == parts[5] && !strings.HasPrefix(s, "alias/") {
			return false
		}
	}
	name, alias := strings.CutPrefix(s, "alias/")
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-':
		case alias && (c == '/' || c == '_'):
		default:
			return false
		}
	}
	return name != ""
}

func blockedTypes(ssec bool) *s3shapes.BlockedEncryptionTypes {
	if ssec {
		return &s3shapes.BlockedEncryptionTypes{EncryptionType: []string{"SSE-C"}}
	}
	return &s3shapes.BlockedEncryptionTypes{EncryptionType: []string{"NONE"}}
}

func defaultEncryption(*Context) ([]byte, error) { return plainEncryption(true) }

// OpenEncryption is the default encryption of a bucket that begins as AWS's did
// before April 2026: SSE-S3, and customer keys are allowed.
func OpenEncryption() ([]byte, error) { return plainEncryption(false) }

// plainEncryption is SSE-S3 without a bucket key.
func plainEncryption(blockSSEC bool) ([]byte, error) {
	return encode(&s3shapes.ServerSideEncryptionConfiguration{Rules: []s3shapes.ServerSideEncryptionRule{{
		ApplyServerSideEncryptionByDefault: &s3shapes.ServerSideEncryptionByDefault{SSEAlgorithm: "AES256"},
		BucketKeyEnabled:                   pointer(false),
		BlockedEncryptionTypes:             blockedTypes(blockSSEC),
	}}})
}
