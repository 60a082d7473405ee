package objectkey

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/seal"
)

// Algorithms, as x-amz-server-side-encryption has them.
const (
	AES256  = "AES256"
	SSEKMS  = "aws:kms"
	DSSEKMS = "aws:kms:dsse"
)

// ManagedKey is the alias of the key that an account uses when none is named.
const ManagedKey = "alias/aws/s3"

const (
	// DecisionMax is how long a decision of KMS about a caller and a bucket key
	// (or an upload's key) counts at most. Within it a permission that was
	// revoked, or a key that was disabled, may still be used by a caller who used
	// it just before; Keys.Forget and Keys.ForgetDecisions end that at once. What
	// has no bucket key is asked of KMS each time.
	DecisionMax = 5 * time.Second
	// BucketKeyMax is how long new objects are sealed under one bucket key.
	BucketKeyMax = 5 * time.Minute
	// cacheMax bounds each cache, in entries: some 4 MiB in all.
	cacheMax = 8192
)

// What is answered where a key can't be used.
var (
	ErrNoKMS         = awserr.ErrNotImplemented.Text("Server-side encryption with KMS keys is not implemented.")
	ErrKeyRequired   = awserr.ErrInvalidRequest.Text("The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.")
	ErrWrongKey      = awserr.ErrAccessDenied.Text("Requests specifying Server Side Encryption with Customer provided keys must provide the correct secret key.")
	ErrNotApplicable = awserr.ErrInvalidRequest.Text("The encryption parameters are not applicable to this object.")
)

// Options says what Keys are made of.
type Options struct {
	Region seal.Keeper // the region's key
	KMS    KMS         // nil where there is none: keys of KMS are ErrNoKMS
	Now    func() time.Time
}

// Keys makes and opens object keys. It is safe for concurrent use.
type Keys struct {
	opt Options
	// uses are decisions that a caller may make data keys of a KMS key, bucket
	// keys the data keys that objects of a bucket share, and opened the data keys
	// that a caller was just allowed to open.
	uses       *cache[use, string]
	bucketKeys *cache[shared, DataKey]
	opened     *cache[opening, []byte]
	// forgotten counts what was forgotten. What KMS was asked before is not kept.
	forgotten atomic.Uint64
}

// New makes Keys.
func New(o Options) *Keys {
	if o.Now == nil {
		o.Now = time.Now
	}
	k := &Keys{opt: o}
	k.uses = newCache[use, string](o.Now, DecisionMax, &k.forgotten)
	k.bucketKeys = newCache[shared, DataKey](o.Now, BucketKeyMax, &k.forgotten)
	k.opened = newCache[opening, []byte](o.Now, DecisionMax, &k.forgotten)
	return k
}

// KMS tells whether there is a KMS.
func (k *Keys) KMS() bool { return k.opt.KMS != nil }

// Forget drops every data key and every decision that is kept, and those that
// KMS is about to answer. Whoever changes a KMS key, its policy or its grants
// calls it, so that the change acts at once.
func (k *Keys) Forget() {
	k.ForgetDecisions()
	k.bucketKeys.clear()
}

// ForgetDecisions drops what was decided about callers and leaves the bucket
// keys, which nobody gets without a decision. Whoever changes what binds callers
// calls it.
func (k *Keys) ForgetDecisions() {
	k.forgotten.Add(1) // first: who finds it unchanged puts before what is cleared
	k.uses.clear()
	k.opened.clear()
}

// Seal decides under which key a new object is sealed, and asks KMS for it where
// w wants that. It gives the Keeper, whose NewDataKey makes one object key, and
// what clients are told: the algorithm, the key's ARN, whether a bucket key is
// used. A nil Keeper is the region's. Errors of KMS come as S3 shows them.
func (k *Keys) Seal(ctx context.Context, w *Want) (seal.Keeper, s3.SSE, error) {
	switch {
	case w.Customer != nil:
		return &keeper{keys: k, want: *w}, s3.SSE{Algorithm: AES256, CustomerKeyMD5: w.Customer.MD5}, nil
	case w.SSE.Algorithm == "" || w.SSE.Algorithm == AES256:
		return nil, s3.SSE{Algorithm: AES256}, nil
	case w.SSE.Algorithm != SSEKMS && w.SSE.Algorithm != DSSEKMS:
		return nil, s3.SSE{}, fmt.Errorf("objectkey: no algorithm %q", w.SSE.Algorithm)
	case k.opt.KMS == nil:
		return nil, s3.SSE{}, ErrNoKMS
	}
	s := &keeper{keys: k, want: *w}
	if w.SSE.Algorithm == DSSEKMS {
		s.want.SSE.BucketKey = false // AWS has none for two layers
	}
	var err error
	if s.want.SSE.BucketKey {
		s.data, err = k.bucketKey(ctx, &s.want)
	} else {
		s.data, err = k.generate(ctx, &s.want)
	}
	if err != nil {
		return nil, s3.SSE{}, showError(err)
	}
	return s, s3.SSE{Algorithm: w.SSE.Algorithm, KeyID: s.data.KeyARN, BucketKey: s.want.SSE.BucketKey}, nil
}

// Open gives the Keeper that opens what was sealed as w says. It asks KMS, or
// wants the customer's key, as the wrapped key demands: a request without a
// customer's key for an object of one is ErrKeyRequired, one with another key
// ErrWrongKey, and one with a key for an object of none ErrNotApplicable.
func (k *Keys) Open(w *Want) seal.Keeper { return &keeper{keys: k, want: *w} }

// ARN names an object, or its bucket when key is empty, as the encryption
// context has it.
func ARN(bucket, key string) string {
	if key == "" {
		return "arn:aws:s3:::" + bucket
	}
	return "arn:aws:s3:::" + bucket + "/" + key
}

// context is the encryption context that KMS is given.
func (w *Want) context(bucketKey bool, about map[string]string) map[string]string {
	c := make(map[string]string, 1+len(about))
	for name, value := range about {
		c[name] = value
	}
	c["aws:s3:arn"] = ARN(w.Bucket, w.Key)
	if bucketKey {
		c["aws:s3:arn"] = ARN(w.Bucket, "")
	}
	return c
}

// keyName is the name under which KMS is asked for the key.
func (w *Want) keyName() string {
	if w.SSE.KeyID == "" {
		return ManagedKey
	}
	return w.SSE.KeyID
}

// showError turns what KMS answers into what S3 does: KMS's refusals are S3's,
// its other errors have KMS in front of their code.
func showError(err error) error {
	e := awserr.From(err)
	if e == nil {
		return err
	}
	switch e.Code {
	case "AccessDeniedException", awserr.ErrAccessDenied.Code:
		return awserr.ErrAccessDenied.Text("%s", e.Message).Because(err)
	case "ThrottlingException", "LimitExceededException":
		return awserr.ErrSlowDown.Because(err)
	}
	if e.Status >= 500 || strings.Contains(e.Code, ".") || e.Code == ErrNoKMS.Code {
		return err
	}
	return awserr.New("KMS."+e.Code, 400, e.Message).Because(err)
}
