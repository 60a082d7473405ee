package kms

import (
	"github.com/farhold/farhold/awserr"
)

// Errors of KMS. Their texts are AWS's where a recorded answer of AWS has one;
// docs/fidelity/kms.md lists those that are ours.
var (
	ErrNotFound          = awserr.New("NotFoundException", 400, "")
	ErrInvalidArn        = awserr.New("InvalidArnException", 400, "")
	ErrDisabled          = awserr.New("DisabledException", 400, "")
	ErrInvalidState      = awserr.New("KMSInvalidStateException", 400, "")
	ErrInvalidCiphertext = awserr.New("InvalidCiphertextException", 400, "") // AWS gives no text
	ErrIncorrectKey      = awserr.New("IncorrectKeyException", 400, "The key ID in the request does not identify a CMK that can perform this operation.")
	ErrInvalidKeyUsage   = awserr.New("InvalidKeyUsageException", 400, "")
	ErrUnsupported       = awserr.New("UnsupportedOperationException", 400, "")
	ErrValidation        = awserr.New("ValidationException", 400, "")
	ErrAccessDenied      = awserr.New("AccessDeniedException", 400, "")
	ErrNotAuthorized     = awserr.New("NotAuthorizedException", 400, "")
	ErrAlreadyExists     = awserr.New("AlreadyExistsException", 400, "")
	ErrLimitExceeded     = awserr.New("LimitExceededException", 400, "")
	ErrMalformedPolicy   = awserr.New("MalformedPolicyDocumentException", 400, "")
	ErrInvalidMarker     = awserr.New("InvalidMarkerException", 400, "The marker is not valid.")
	ErrInvalidGrantID    = awserr.New("InvalidGrantIdException", 400, "The grant ID is not valid.")
	ErrInvalidGrantToken = awserr.New("InvalidGrantTokenException", 400, "The grant token is not valid.")
	ErrTag               = awserr.New("TagException", 400, "")
	ErrDryRun            = awserr.New("DryRunOperationException", 400, "The request would have succeeded, but the DryRun option is set.")
)

// errInvalidPrincipal is for key policies that name somebody who is not there.
var errInvalidPrincipal = ErrMalformedPolicy.Text("Policy contains a statement with one or more invalid principals.")

// denied turns the decider's refusal into that of KMS: another code, and 400.
func denied(err error) error {
	if a := awserr.From(err); a != nil && a.Code == awserr.ErrAccessDenied.Code {
		return ErrAccessDenied.Text("%s", a.Message).Because(err)
	}
	return err
}
