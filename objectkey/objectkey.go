// Package objectkey says under which key an object is sealed: the region's own
// (SSE-S3), a KMS key with or without a bucket key (SSE-KMS, DSSE-KMS), or one
// that the client sends along (SSE-C). It turns that into the seal.Keeper that
// the store is given, and asks KMS as the actor whose object it is.
package objectkey

import (
	"context"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/s3"
)

// DataKey is an answer of KMS.
type DataKey struct {
	Plain, Blob []byte
	KeyARN      string
}

// KMS is what sealing objects asks of KMS; *kms.Engine is one. Errors are those
// of KMS as its own clients see them (NotFoundException, DisabledException,
// KMSInvalidStateException, AccessDeniedException, …), each an *awserr.Error.
type KMS interface {
	// GenerateDataKey makes a data key of so many bytes under a key named by ID,
	// ARN, alias or alias ARN. alias/aws/s3 is made when it is first wanted.
	GenerateDataKey(ctx context.Context, by access.Actor, keyID string, bytes int, about map[string]string) (DataKey, error)
	// Encrypt encrypts up to 4,096 bytes.
	Encrypt(ctx context.Context, by access.Actor, keyID string, plain []byte, about map[string]string) (blob []byte, keyARN string, err error)
	// Decrypt opens a blob.
	Decrypt(ctx context.Context, by access.Actor, blob []byte, about map[string]string) (plain []byte, keyARN string, err error)
	// Resolve gives the ARN of the key that a name means now, without asking for
	// permission. account is whose aliases are meant.
	Resolve(ctx context.Context, account, keyID string) (keyARN string, err error)
}

// Customer is a key that a client sends along (SSE-C). It lives as long as its
// request.
type Customer struct {
	Key []byte // 32 bytes
	MD5 string // of the key, base64, as sent and checked
}

// String keeps the key out of logs.
func (c *Customer) String() string { return "customer key " + c.MD5 }

// GoString keeps the key out of logs.
func (c *Customer) GoString() string { return c.String() }

// Want says how an object is to be sealed, or was.
type Want struct {
	By access.Actor
	// Bucket and Key name the object, as the encryption context has them. UID is
	// the bucket's: objects of another bucket of the same name share no key.
	Bucket, Key string
	UID         s3.UID
	// SSE is the algorithm, the name of the key ("" is alias/aws/s3) and whether
	// to use a bucket key; for reading, what the version says.
	SSE s3.SSE
	// About is the encryption context that the client adds to aws:s3:arn. What
	// was sealed keeps it.
	About    map[string]string
	Customer *Customer
	// Again says that the same key will be opened many times by one caller, as
	// by the parts of an upload: a decision of KMS then counts for DecisionMax.
	Again bool
	// EncryptDoes says that leave to use kms:Encrypt is as good as leave to use
	// kms:GenerateDataKey: AWS documents either for the key of replicas.
	EncryptDoes bool
}
