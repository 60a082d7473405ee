// Package rule holds the rules that a bucket's documents state: it parses
// them, checks them as AWS checks them, and decides by them. It is pure: what
// a check must know of the world comes in a Context, and the same document in
// the same Context always gives the same answer, generated IDs included, so
// that a transaction may run a check again.
//
// Documents is the table of all of them. The parsed forms (Replication,
// ObjectLock, CORS, …) are made from what Document.Check returned and the
// store kept.
package rule

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/wire/restxml"
)

// Context is what a check knows besides the document.
type Context struct {
	Bucket     string // name of the bucket
	Region     string // where it is
	Owner      string // account ID of its owner
	Caller     string // ARN of who asks, for messages
	ID         string // the ?id= of documents of which a bucket can have several
	Versioning string // "", Enabled or Suspended
	ObjectLock bool   // the bucket has Object Lock
	// Ownership is the bucket's object ownership, or "" when its controls were
	// deleted, which means ObjectWriter.
	Ownership string
	// Current gives another document of the bucket as it is stored, or nil. A
	// nil Current means that none is set.
	Current func(name string) ([]byte, error)
	// Destination looks a bucket up in the whole realm. Its errors are returned
	// as they are. A nil Destination means that no other bucket exists.
	Destination func(bucket string) (Destination, error)
	// Principals tells whom a policy may name. Nil believes every name.
	Principals PolicyPrincipals
	// AccountBlock is the public access block of the owner's account, which
	// counts beside the bucket's.
	AccountBlock PublicAccessBlock
	// MinimumObjectSize is the header x-amz-transition-default-minimum-object-size
	// of PutBucketLifecycleConfiguration.
	MinimumObjectSize string
	// AWSStrict turns off what Farhold takes beyond AWS.
	AWSStrict bool
}

// Destination is what a check must know of another bucket.
type Destination struct {
	Exists    bool
	Versioned bool   // Enabled, not Suspended
	Region    string // where it is
	UID       s3.UID
	Owner     string // account ID
}

func (c *Context) current(name string) ([]byte, error) {
	if c.Current == nil {
		return nil, nil
	}
	return c.Current(name)
}

func (c *Context) destination(bucket string) (Destination, error) {
	if c.Destination == nil {
		return Destination{}, nil
	}
	return c.Destination(bucket)
}

// malformed is MalformedXML with a reason for the log.
func malformed(format string, args ...any) error {
	return awserr.ErrMalformedXML.Because(fmt.Errorf(format, args...))
}

// invalid is InvalidRequest with AWS's text.
func invalid(format string, args ...any) error {
	return awserr.ErrInvalidRequest.Text(format, args...)
}

// encode writes a document that was checked. It can't fail for the shapes of
// this package.
func encode(v any) ([]byte, error) {
	b, err := restxml.Encode(v)
	if err != nil {
		return nil, awserr.ErrInternal.Because(err)
	}
	return b, nil
}

// generatedID makes an ID for the n-th rule of a document that gives none. It
// looks like AWS's, which are UUIDs in base64, and follows from the document,
// so that checking it again gives the same.
func generatedID(raw []byte, n int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", n, raw))
	h := hex.EncodeToString(sum[:16])
	return base64.StdEncoding.EncodeToString([]byte(h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]))
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func pointer[T any](v T) *T { return &v }
