package sigv4

import (
	"errors"

	"github.com/farhold/farhold/awserr"
)

// What a Credentials says of a key that it does not give a secret for.
var (
	// ErrUnknownKey is for an access key that is unknown, disabled or deleted.
	ErrUnknownKey = errors.New("sigv4: unknown access key")
	// ErrBadToken is for a session token that is absent, foreign or malformed.
	ErrBadToken = errors.New("sigv4: session token does not belong to the access key")
	// ErrExpiredToken is for a session that has ended.
	ErrExpiredToken = errors.New("sigv4: session token has expired")
)

// Reason says why a request was refused, for callers whose protocol has other
// codes than S3's. See ReasonOf, ForQuery and ForJSON.
type Reason int

// Reasons.
const (
	Malformed    Reason = iota + 1 // credentials that can't be parsed, or two sets of them
	Incomplete                     // a part of the credentials is missing
	WrongScope                     // region, service, terminal or date of the scope
	UnknownKey                     // no such access key
	BadToken                       // the session token is not the key's
	TokenEnded                     // the session has ended
	Skewed                         // signed too long ago or too far ahead
	Expired                        // a presigned request or policy past its end, or before its beginning
	NotSigned                      // headers that must be signed are not
	Mismatch                       // the signature is another
	BadPayload                     // x-amz-content-sha256 is absent, malformed or does not match
	Unsupported                    // a mechanism that is not served
	PolicyBad                      // a POST policy that is malformed
	PolicyDenied                   // a POST form that its policy does not allow
)

// refusal is the cause of every error of this package.
type refusal struct {
	reason Reason
	cause  error
}

func (r *refusal) Error() string {
	if r.cause != nil {
		return r.cause.Error()
	}
	return "request refused"
}

func (r *refusal) Unwrap() error { return r.cause }

// ReasonOf says why err was returned, or 0 if it is none of this package's.
func ReasonOf(err error) Reason {
	var r *refusal
	if errors.As(err, &r) {
		return r.reason
	}
	return 0
}

func refuse(e *awserr.Error, why Reason) error { return e.Because(&refusal{reason: why}) }

// AWS's errors, as S3 words them. Codes and texts are facts of the protocol.
var (
	errMalformed = awserr.New("AuthorizationHeaderMalformed", 400, "The authorization header is malformed")
	errQuery     = awserr.New("AuthorizationQueryParametersError", 400,
		"Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.")
	errMechanism   = awserr.New("InvalidRequest", 400, "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")
	errV2Query     = awserr.New("AccessDenied", 403, "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters")
	errNoDate      = awserr.New("AccessDenied", 403, "AWS authentication requires a valid Date or x-amz-date header")
	errNotSigned   = awserr.New("AccessDenied", 403, "There were headers present in the request which were not signed")
	errExpired     = awserr.New("AccessDenied", 403, "Request has expired")
	errNotYet      = awserr.New("AccessDenied", 403, "Request is not yet valid")
	errSkewed      = awserr.New("RequestTimeTooSkewed", 403, "The difference between the request time and the current time is too large.")
	errUnknownKey  = awserr.New("InvalidAccessKeyId", 403, "The AWS Access Key Id you provided does not exist in our records.")
	errBadToken    = awserr.New("InvalidToken", 400, "The provided token is malformed or otherwise invalid.")
	errTokenEnded  = awserr.New("ExpiredToken", 400, "The provided token has expired.")
	errMismatch    = awserr.New("SignatureDoesNotMatch", 403, "The request signature we calculated does not match the signature you provided. Check your key and signing method.")
	errNoPayload   = awserr.New("InvalidRequest", 400, "Missing required header for this request: x-amz-content-sha256")
	errPayloadHash = awserr.New("XAmzContentSHA256Mismatch", 400, "The provided 'x-amz-content-sha256' header does not match what was computed.")
	errTooLarge    = awserr.New("MaxMessageLengthExceeded", 400, "Your request was too big.")
)

const (
	twoMechanisms = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified"
	payloadForms  = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 value."
)

// malformed is AuthorizationHeaderMalformed with its detail.
func malformed(why Reason, format string, args ...any) error {
	return refuse(errMalformed.Text("The authorization header is malformed; "+format, args...), why)
}
