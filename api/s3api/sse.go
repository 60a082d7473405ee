package s3api

import (
	"context"
	"crypto/md5"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"unicode/utf8"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/objectkey"
	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/seal"
	"github.com/farhold/farhold/store"
)

const sseHeader = "x-amz-server-side-encryption"

// What is wrong with what a request says about encryption.
var (
	errSSEMethod    = awserr.ErrInvalidArgument.Text("The encryption method specified is not supported")
	errSSEKeyAlone  = awserr.ErrInvalidArgument.Text("Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms")
	errSSEContext   = awserr.ErrInvalidArgument.Text("The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map").With("ArgumentName", "x-amz-server-side-encryption-context")
	errSSEBucketKey = awserr.ErrInvalidArgument.Text("The value of x-amz-server-side-encryption-bucket-key-enabled must be true or false").With("ArgumentName", "x-amz-server-side-encryption-bucket-key-enabled")
	errSSERead      = awserr.ErrInvalidArgument.Text("x-amz-server-side-encryption header is not supported for this operation.").With("ArgumentName", sseHeader)
	errSSESignature = awserr.ErrInvalidArgument.Text("Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.").With("ArgumentName", "Authorization").With("ArgumentValue", "null")

	errCustomerMixed     = awserr.ErrInvalidArgument.Text("Server Side Encryption with Customer provided key is incompatible with the encryption method specified").With("ArgumentName", sseHeader)
	errCustomerAlgorithm = awserr.New("InvalidEncryptionAlgorithmError", 400, "The Encryption request you specified is not valid. Supported value: AES256.").With("ArgumentName", sseHeader)
	errCustomerNoMethod  = awserr.ErrInvalidArgument.Text("Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.").With("ArgumentName", sseHeader)
	errCustomerNoKey     = awserr.ErrInvalidArgument.Text("Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key.").With("ArgumentName", sseHeader)
	errCustomerNoMD5     = awserr.ErrInvalidArgument.Text("Requests specifying Server Side Encryption with Customer provided keys must provide the client calculated MD5 of the secret key.").With("ArgumentName", sseHeader)
	errCustomerKey       = awserr.ErrInvalidArgument.Text("The secret key was invalid for the specified algorithm.").With("ArgumentName", sseHeader)
	errCustomerMD5       = awserr.ErrInvalidArgument.Text("The calculated MD5 hash of the key did not match the hash that was provided.").With("ArgumentName", sseHeader)
	errCustomerPlain     = awserr.ErrInvalidRequest.Text("Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection.")
	errCustomerPart      = awserr.ErrInvalidRequest.Text("The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.")
	errCustomerOtherKey  = awserr.ErrInvalidRequest.Text("The provided encryption parameters did not match the ones used originally.")
)

// protection is what a request's headers say about the encryption of the object
// that it makes.
type protection struct {
	algorithm string // "" when none is named: the bucket's default
	keyID     string
	about     map[string]string
	bucketKey string // "", "true" or "false"
	customer  *objectkey.Customer
}

// readProtection reads the headers. secure says that they came over TLS.
func readProtection(h http.Header, secure bool) (p protection, err error) {
	p.algorithm, _ = one(h, "X-Amz-Server-Side-Encryption")
	p.keyID, _ = one(h, "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id")
	about, hasAbout := one(h, "X-Amz-Server-Side-Encryption-Context")
	if hasCustomer(h, customerWrite) && p.algorithm != "" {
		return p, errCustomerMixed.With("ArgumentValue", p.algorithm)
	}
	kms := false
	switch p.algorithm {
	case "", objectkey.AES256:
	case objectkey.SSEKMS, objectkey.DSSEKMS:
		kms = true
	default:
		return p, errSSEMethod.With("ArgumentName", sseHeader).With("ArgumentValue", p.algorithm)
	}
	if !kms && (p.keyID != "" || hasAbout) {
		return p, errSSEKeyAlone.With("ArgumentName", sseHeader).With("ArgumentValue", p.algorithm)
	}
	if p.about, err = readContext(about); err != nil {
		return p, err
	}
	if v, ok := one(h, "X-Amz-Server-Side-Encryption-Bucket-Key-Enabled"); ok {
		switch v {
		case "true", "false":
			p.bucketKey = v
		case "True", "TRUE":
			p.bucketKey = "true"
		case "False", "FALSE":
			p.bucketKey = "false"
		default:
			return p, errSSEBucketKey.With("ArgumentValue", v)
		}
	}
	p.customer, err = readCustomer(h, customerWrite, secure)
	return p, err
}

// readContext reads an encryption context as its header has it.
func readContext(v string) (map[string]string, error) {
	if v == "" {
		return nil, nil
	}
	raw, err := base64.StdEncoding.DecodeString(v)
	if err != nil || !utf8.Valid(raw) {
		return nil, errSSEContext
	}
	var m map[string]string
	if json.Unmarshal(raw, &m) != nil || m == nil {
		return nil, errSSEContext
	}
	if _, ours := m["aws:s3:arn"]; ours {
		// S3 sets it itself, and it must say what is true.
		return nil, errSSEContext
	}
	return m, nil
}

// customerHeaders names the headers that carry a customer's key.
type customerHeaders struct{ algorithm, key, md5 string }

var (
	customerWrite = customerHeaders{"X-Amz-Server-Side-Encryption-Customer-Algorithm", "X-Amz-Server-Side-Encryption-Customer-Key", "X-Amz-Server-Side-Encryption-Customer-Key-Md5"}
	customerCopy  = customerHeaders{"X-Amz-Copy-Source-Server-Side-Encryption-Customer-Algorithm", "X-Amz-Copy-Source-Server-Side-Encryption-Customer-Key", "X-Amz-Copy-Source-Server-Side-Encryption-Customer-Key-Md5"}
)

// hasCustomer tells whether any of the headers is there.
func hasCustomer(h http.Header, n customerHeaders) bool {
	return h[n.algorithm] != nil || h[n.key] != nil || h[n.md5] != nil
}

// readCustomer reads a customer's key, or nil when there is none. A key of the
// wrong length is refused where the object is made; a reader learns of it that
// it is not the right key.
func readCustomer(h http.Header, n customerHeaders, secure bool) (*objectkey.Customer, error) {
	if !hasCustomer(h, n) {
		return nil, nil
	}
	algorithm, _ := one(h, n.algorithm)
	text, _ := one(h, n.key)
	sum, _ := one(h, n.md5)
	switch {
	case !secure:
		return nil, errCustomerPlain
	case algorithm == "":
		return nil, errCustomerNoMethod
	case algorithm != objectkey.AES256:
		return nil, errCustomerAlgorithm.With("ArgumentValue", algorithm)
	case text == "":
		return nil, errCustomerNoKey
	case sum == "":
		return nil, errCustomerNoMD5
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errCustomerKey
	}
	given, err := base64.StdEncoding.DecodeString(sum)
	if is := md5.Sum(key); err != nil || subtle.ConstantTimeCompare(given, is[:]) != 1 {
		if len(key) != seal.KeySize {
			return nil, errCustomerKey
		}
		return nil, errCustomerMD5
	}
	return &objectkey.Customer{Key: key, MD5: base64.StdEncoding.EncodeToString(given)}, nil
}

// protect decides how the object that a request makes is encrypted: as its
// headers say, else as the bucket's default does. asked says that there are such
// headers. It asks KMS before anything of a body is read, so that who may not
// use a key, or a key that can't be used, costs nothing more.
func (rq *Request) protect(in *store.PutInput, b *store.Bucket, h http.Header, asked bool) error {
	if !asked && !b.Has("encryption") {
		return nil // SSE-S3
	}
	d := rq.Door
	var p protection
	if asked {
		var err error
		if p, err = readProtection(h, rq.secure()); err != nil {
			return err
		}
	}
	def, err := d.defaultEncryption(rq.Ctx, b)
	if err != nil {
		return err
	}
	w := objectkey.Want{
		Bucket: b.Name, Key: in.Key, UID: b.UID, About: p.about, Customer: p.customer,
		SSE: s3.SSE{Algorithm: p.algorithm, KeyID: p.keyID, BucketKey: def.SSE.BucketKey},
	}
	if p.algorithm == "" {
		w.SSE = def.SSE
	}
	if p.bucketKey != "" {
		w.SSE.BucketKey = p.bucketKey == "true"
	}
	switch {
	case p.customer != nil:
		if len(p.customer.Key) != seal.KeySize {
			return errCustomerKey
		}
		if def.BlockSSEC {
			return rq.customerBlocked(b, in.Key)
		}
	case w.SSE.Algorithm != objectkey.AES256:
		if err := rq.signedForKMS(); err != nil {
			return err
		}
		w.By = rq.actor()
	}
	in.Keeper, in.SSE, err = d.opt.Keys.Seal(rq.Ctx, &w)
	return err
}

// showContext sets the header that repeats the encryption context that the
// request gave for what it made.
func showContext(h, request http.Header, e s3.SSE) {
	if v, ok := one(request, "X-Amz-Server-Side-Encryption-Context"); ok && v != "" && underKMS(e) {
		h["X-Amz-Server-Side-Encryption-Context"] = []string{v}
	}
}

// customerBlocked is the answer where a bucket takes no objects under
// customers' keys.
func (rq *Request) customerBlocked(b *store.Bucket, key string) error {
	who := rq.actor().Caller.ARN
	if who == "" {
		return awserr.ErrAccessDenied
	}
	return awserr.ErrAccessDenied.Text("User: %s is not authorized to perform: s3:PutObject on resource: %q because this bucket has blocked upload requests that specify Server Side Encryption with Customer provided keys (SSE-C). Please specify a different server-side encryption type",
		who, objectkey.ARN(b.Name, key))
}

// defaultEncryption gives the bucket's default encryption.
func (d *Door) defaultEncryption(ctx context.Context, b *store.Bucket) (*rule.Encryption, error) {
	v, err := b.Derived("encryption", func() (any, error) {
		var raw []byte
		if b.Has("encryption") {
			var err error
			if raw, err = d.opt.Store.Document(ctx, b, "encryption", ""); err != nil {
				return nil, err
			}
		}
		e, err := rule.ParseEncryption(raw)
		return &e, err
	})
	if err != nil {
		return nil, err
	}
	return v.(*rule.Encryption), nil
}

// underKMS tells whether opening something takes KMS.
func underKMS(e s3.SSE) bool {
	return e.Algorithm == objectkey.SSEKMS || e.Algorithm == objectkey.DSSEKMS
}

// signedForKMS refuses those on whose behalf S3 asks nothing of KMS.
func (rq *Request) signedForKMS() error {
	if rq.Caller.Kind == access.Anonymous || rq.Auth != nil && rq.Auth.Kind.V2() {
		return errSSESignature
	}
	return nil
}

// readerKey reads what a request says about the key of the object that it
// reads. An algorithm is nothing to say there: the object has one.
func (rq *Request) readerKey() (*objectkey.Customer, error) {
	if v, ok := one(rq.R.Header, "X-Amz-Server-Side-Encryption"); ok {
		return nil, errSSERead.With("ArgumentValue", v)
	}
	return readCustomer(rq.R.Header, customerWrite, rq.secure())
}

// use gives an object the Keeper that opens its key on behalf of the caller, and
// refuses a customer's key that is missing, wrong or out of place. KMS is not
// asked before the body is read, or Unlock called.
func (rq *Request) use(o *store.Object, c *objectkey.Customer) error {
	w := objectkey.Want{Bucket: o.Bucket.Name, Key: o.Key, UID: o.Bucket.UID, SSE: o.SSE, Customer: c}
	switch {
	case o.SSE.CustomerKeyMD5 != "" && c == nil:
		return objectkey.ErrKeyRequired
	case o.SSE.CustomerKeyMD5 != "":
		o.Use(rq.Door.opt.Keys.Open(&w))
		return o.Unlock(rq.Ctx)
	case c != nil:
		return objectkey.ErrNotApplicable
	case underKMS(o.SSE):
		if err := rq.signedForKMS(); err != nil {
			return err
		}
		w.By = rq.actor()
		o.Use(rq.Door.opt.Keys.Open(&w))
	}
	return nil
}

// partKeeper gives the Keeper that opens an upload's key. A nil one is the
// region's.
func (rq *Request) partKeeper(u *store.Upload, c *objectkey.Customer) (seal.Keeper, error) {
	e := u.Input.SSE
	if (e.CustomerKeyMD5 != "") != (c != nil) {
		return nil, errCustomerPart
	}
	w := objectkey.Want{Bucket: u.Bucket.Name, Key: u.Key, UID: u.Bucket.UID, SSE: e, Customer: c, Again: true}
	switch {
	case c != nil:
		if c.MD5 != e.CustomerKeyMD5 {
			return nil, errCustomerOtherKey
		}
	case !underKMS(e):
		return nil, nil
	default:
		if err := rq.signedForKMS(); err != nil {
			return nil, err
		}
		w.By = rq.actor()
	}
	return rq.Door.opt.Keys.Open(&w), nil
}

// mayComplete tells whether the caller may make an object of an upload's parts,
// which are read for that: KMS is asked. A customer's key is wanted where there is
// a checksum to be made, as AWS documents.
func (rq *Request) mayComplete(u *store.Upload, c *objectkey.Customer) error {
	switch e := u.Input.SSE; {
	case c == nil && e.CustomerKeyMD5 != "" && u.Input.Algorithm != "":
		return errCustomerPart
	case c != nil && e.CustomerKeyMD5 != "" && c.MD5 != e.CustomerKeyMD5:
		return errCustomerOtherKey
	case !underKMS(e):
		return nil
	}
	k, err := rq.partKeeper(u, nil)
	if err != nil {
		return err
	}
	return u.Unlock(rq.Ctx, k)
}

// withoutCustomer is what CompleteMultipartUpload shows: AWS leaves customers'
// keys out there.
func withoutCustomer(h http.Header, e s3.SSE) {
	if e.CustomerKeyMD5 == "" {
		showSSE(h, e)
	}
}

// actor is the caller as KMS sees it: this region's S3 asks on its behalf.
func (rq *Request) actor() access.Actor {
	a := rq.Actor()
	c := *a.Caller
	c.Via = "s3." + rq.Door.opt.Region + ".amazonaws.com"
	a.Caller = &c
	return a
}

// secure tells whether the request came over TLS.
func (rq *Request) secure() bool { return rq.Door.opt.Proxies.Secure(rq.R) }
