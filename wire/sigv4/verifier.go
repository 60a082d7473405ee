package sigv4

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/farhold/farhold/awserr"
)

const (
	// SkewMax is how far a request's time may lie from the server's.
	SkewMax = 15 * time.Minute
	// ExpiresMax is the longest life of a presigned V4 request, in seconds.
	ExpiresMax = 7 * 24 * 3600
	// BodyMax bounds the bodies that are hashed before they are believed, in
	// bytes: those of services other than S3, whose clients send no digest.
	BodyMax = 2 << 20
)

// Credentials finds the secrets behind access keys. Implementations must be
// safe for concurrent use and should answer unknown keys as fast as known ones.
type Credentials interface {
	// Secret gives the secret of an access key and whatever the caller wants to
	// know of its owner later. sessionToken is what the request carries, or
	// empty; a long-term key that comes with a token, or a temporary one that
	// comes without its own, is ErrBadToken. Other errors: ErrUnknownKey,
	// ErrExpiredToken, or anything else, which becomes InternalError unless it
	// is an AWS error already.
	Secret(ctx context.Context, accessKey, sessionToken string) (secret string, identity any, err error)
}

// Verifier verifies requests for one region, or for several services or regions
// whose caller has chosen already. It is safe for concurrent use and must not
// be copied after its first use.
type Verifier struct {
	Credentials Credentials
	// Region is the only one accepted in credential scopes; empty accepts any,
	// and then the caller must look at Result.Region.
	Region string
	// Services are those accepted in credential scopes, such as "s3". The first
	// is the one that errors name. Signature Version 2 is served if s3 is among
	// them.
	Services []string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Bucket finds the bucket's name in the Host of a virtual-hosted request,
	// or "". Only Signature Version 2 needs it; nil means path style only.
	Bucket func(r *http.Request) string
	// RefuseV2 refuses Signature Version 2 with AWS's answer of newer regions.
	RefuseV2 bool

	keys    keyCache
	scratch sync.Pool
}

// Kind is how a request was signed.
type Kind int

// Kinds of proof.
const (
	Anonymous   Kind = iota // no credentials at all
	Header                  // V4 in the Authorization header
	Presigned               // V4 in the query
	Post                    // V4 in a POST form
	HeaderV2                // V2 in the Authorization header
	PresignedV2             // V2 in the query
	PostV2                  // V2 in a POST form
)

// String names the kind as CloudTrail and S3's access log do.
func (k Kind) String() string {
	switch k {
	case Header, HeaderV2:
		return "AuthHeader"
	case Presigned, PresignedV2:
		return "QueryString"
	case Post, PostV2:
		return "PostPolicy"
	}
	return "-"
}

// V2 tells whether the proof is Signature Version 2.
func (k Kind) V2() bool { return k == HeaderV2 || k == PresignedV2 || k == PostV2 }

// Payload hashes that are not a digest.
const (
	UnsignedPayload          = "UNSIGNED-PAYLOAD"
	StreamingSigned          = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	StreamingSignedTrailer   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	StreamingUnsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	StreamingECDSA           = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"
	StreamingECDSATrailer    = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER"
	EmptySHA256              = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// Result is what a verified request proved. Its strings may be slices of the
// request's head.
type Result struct {
	Kind         Kind
	AccessKey    string
	SessionToken string `json:"-"`
	Identity     any    `json:"-"` // from Credentials
	// Region and Service are those of the credential scope; V2 has no region.
	Region, Service string
	// SignedHeaders is the list as signed: lower case, in order, joined by
	// semicolons. V2 and POST have none. See Signed.
	SignedHeaders string
	// PayloadHash says what the signature says of the body: a hex SHA-256 that
	// PayloadReader must check, UNSIGNED-PAYLOAD, or a STREAMING- form that
	// package awschunked must decode. It is empty for anonymous requests and
	// POST forms. For services other than S3 the body has been checked already.
	PayloadHash string
	// Signature is the one that the request carried and that was found right.
	Signature string
	// Date is when the request was signed; zero for V2 in the query or a form.
	Date time.Time
	// Expires is when a presigned request or a POST policy ends; else zero.
	Expires time.Time

	key   [32]byte
	date  string // as signed: 20130524T000000Z
	scope string
}

// String says who signed and how. It keeps the signing key and the session
// token out of logs.
func (r Result) String() string {
	if r.Kind == Anonymous {
		return "anonymous"
	}
	return r.Kind.String() + " " + r.AccessKey + " " + r.Region + "/" + r.Service
}

// GoString is String: %#v must not print secrets either.
func (r Result) GoString() string { return r.String() }

// Signed tells whether a header, by its lower-case name, was signed.
func (r *Result) Signed(name string) bool { return listed(r.SignedHeaders, name) }

// listed tells whether name is in a list joined by semicolons.
func listed(list, name string) bool {
	for list != "" {
		var one string
		one, list, _ = strings.Cut(list, ";")
		if one == name {
			return true
		}
	}
	return false
}

// scratch is the working memory of one verification, reused by the next.
type scratch struct {
	query  query
	canon  []byte
	sts    []byte
	hmac   []byte
	digest [32]byte
	claim  claim
}

// newClaim begins a claim in the working memory.
func (s *scratch) newClaim(kind Kind) *claim {
	s.claim = claim{kind: kind}
	return &s.claim
}

// scratchMax bounds the working memory that is kept for reuse, in bytes.
const scratchMax = 64 << 10

func (v *Verifier) get() *scratch {
	if s, ok := v.scratch.Get().(*scratch); ok {
		return s
	}
	return &scratch{canon: make([]byte, 0, 2048), sts: make([]byte, 0, 512), hmac: make([]byte, 0, 512)}
}

func (v *Verifier) put(s *scratch) {
	s.claim = claim{} // holds on to the request's head
	if cap(s.canon)+cap(s.query.buf)+cap(s.query.params)*24 <= scratchMax {
		v.scratch.Put(s)
	}
}

func (v *Verifier) now() time.Time {
	if v.Now != nil {
		return v.Now().UTC()
	}
	return time.Now().UTC()
}

// Verify proves who sent a request. Requests without any credentials are
// Anonymous and no error: the door decides what they may do. Every refusal is
// an *awserr.Error with S3's code and text; ReasonOf tells them apart.
//
// For services other than S3, Verify reads the body, at most BodyMax bytes, and
// puts it back. For S3 it leaves the body alone: see Result.PayloadHash.
func (v *Verifier) Verify(r *http.Request) (*Result, error) {
	s := v.get()
	defer v.put(s)
	path, rawQuery := target(r)
	s.query.parse(rawQuery)
	q := queryCredentials(&s.query)
	auth := r.Header["Authorization"]
	switch {
	case len(auth) > 1, len(auth) == 1 && q != Anonymous:
		return nil, refuse(awserr.Argument("Authorization", auth[0], "%s", twoMechanisms), Malformed)
	case len(auth) == 1 && strings.HasPrefix(auth[0], "AWS "):
		return v.headerV2(r, s, path, auth[0])
	case len(auth) == 1:
		return v.header(r, s, path, auth[0])
	case q == Presigned:
		return v.presigned(r, s, path)
	case q == PresignedV2 && v.serves("s3"):
		return v.presignedV2(r, s, path)
	}
	return &Result{Kind: Anonymous}, nil
}

// queryCredentials tells which credentials a query carries. Any one parameter
// of a mechanism counts, so that an incomplete set is an error and never
// anonymous. A query with both counts as V4, which leaves V2's parameters as
// ordinary ones that V4 signs.
func queryCredentials(q *query) Kind {
	kind := Anonymous
	for _, p := range q.params {
		switch string(q.name(p)) {
		case "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature":
			return Presigned
		case "Signature", "AWSAccessKeyId":
			kind = PresignedV2
		}
	}
	return kind
}

func (v *Verifier) serves(service string) bool { return slices.Contains(v.Services, service) }

// claim is what a V4 request says of itself, parsed and not yet believed.
type claim struct {
	kind      Kind
	cred      credential
	token     string
	signed    string // the list of signed headers
	signature string
	dateText  string
	date      time.Time
	payload   string // for the canonical request
	skip      string // the query parameter that is not signed
}

// prove looks the secret up, computes the signature and compares. Unknown keys
// cost what known ones do.
func (v *Verifier) prove(r *http.Request, s *scratch, path string, c *claim) (*Result, error) {
	secret, identity, lookup := v.secret(r.Context(), c.cred.accessKey, c.token)
	if lookup != nil {
		secret = decoySecret
	}
	s.canonical(r, path, c)
	s.stringToSign(c)
	name := keyName{c.cred.accessKey, c.cred.date, c.cred.region, c.cred.service}
	decoy := name
	decoy.accessKey = ""
	if lookup != nil {
		name = decoy
	}
	key, cached := v.keys.get(name, secret)
	var sum [32]byte
	sum, s.hmac = hmac256(s.hmac, key[:], s.sts)
	if !equalHex(c.signature, &sum) && lookup == nil {
		return nil, s.mismatch(c)
	}
	if lookup != nil {
		return nil, lookup
	}
	if !cached {
		v.keys.put(name, secret, key)
		// The decoy's key is remembered beside it, so that an unknown access
		// key costs one HMAC too.
		v.keys.put(decoy, decoySecret, deriveKey(decoySecret, decoy.date, decoy.region, decoy.service))
	}
	return &Result{
		Kind: c.kind, AccessKey: c.cred.accessKey, SessionToken: c.token, Identity: identity,
		Region: c.cred.region, Service: c.cred.service, SignedHeaders: c.signed, PayloadHash: c.payload,
		Signature: c.signature, Date: c.date, key: key, date: c.dateText, scope: c.cred.scope,
	}, nil
}

// decoySecret stands in for the secrets of unknown access keys. It proves
// nothing: whatever is computed with it, the request is refused.
const decoySecret = "the secret of an access key that does not exist"

// secret asks Credentials and puts its errors into AWS's words.
func (v *Verifier) secret(ctx context.Context, accessKey, token string) (secret string, identity any, err error) {
	secret, identity, err = v.Credentials.Secret(ctx, accessKey, token)
	switch {
	case err == nil && secret != "":
		return secret, identity, nil
	case err == nil, errors.Is(err, ErrUnknownKey):
		err = refuse(errUnknownKey.With("AWSAccessKeyId", accessKey), UnknownKey)
	case errors.Is(err, ErrBadToken):
		err = refuse(errBadToken.With("Token-0", token), BadToken)
	case errors.Is(err, ErrExpiredToken):
		err = refuse(errTokenEnded.With("Token-0", token), TokenEnded)
	case awserr.From(err) == nil:
		err = awserr.ErrInternal.Because(err)
	}
	return "", nil, err
}
