package sts

import (
	"errors"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/service/sts/session"
	"github.com/farhold/farhold/wire/sigv4"
)

// AWS's errors. Codes and texts are facts of the service.
var (
	errValidation = awserr.New("ValidationError", 400, "")
	errParameter  = awserr.New("InvalidParameterValue", 400, "")
	errPolicy     = awserr.New("MalformedPolicyDocument", 400, "Syntax errors in policy.")
	errPacked     = awserr.New("PackedPolicyTooLarge", 400, "")
	errMessage    = awserr.New("InvalidAuthorizationMessageException", 400, "Message is not valid")
	errAccessKey  = errValidation.Text("Invalid Access Key ID")
	errNoPadding  = awserr.New("NotImplemented", 501, "The parameter MinimumSessionTokenSize is not implemented.")
	errNoContexts = awserr.New("NotImplemented", 501, "The parameter ProvidedContexts is not implemented: there are no context providers.")

	errDuration  = errValidation.Text("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	errChained   = errValidation.Text("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	errSameTag   = errParameter.Text("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
	errNotTagged = errParameter.Text("The specified transitive tag key must be included in the requested tags.")
	errInherited = errParameter.Text("One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
	errReserved  = errParameter.Text("Tag keys that begin with aws: are reserved for system use.")
	errManyTags  = errValidation.Text("1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50")
	errLong      = errValidation.Text("1 validation error detected: Value at 'policy' failed to satisfy constraint: Member must have length less than or equal to 2048")
	errManyARNs  = errValidation.Text("1 validation error detected: Value at 'policyArns' failed to satisfy constraint: Member must have length less than or equal to 10")

	errRoot      = awserr.ErrAccessDenied.Text("Roles may not be assumed by root accounts.")
	errIdentity  = awserr.ErrAccessDenied.Text("The source identity of the calling session can't be changed.")
	errHalfMFA   = awserr.ErrAccessDenied.Text("MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.")
	errMFA       = awserr.ErrAccessDenied.Text("MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user.")
	errInSession = awserr.ErrAccessDenied.Text("Cannot call GetSessionToken with session credentials")
)

// invalid is the error for an ARN that is none.
func invalid(arn string) error { return errValidation.Text("%s is invalid", arn) }

// unknownKey tells whether an access key is none of a table.
func unknownKey(err error) bool {
	return errors.Is(err, sigv4.ErrUnknownKey) || errors.Is(err, sigv4.ErrBadToken)
}

// packedError puts it into AWS's words that a session's policies and tags are
// too large.
func packedError(err error) error {
	var large *session.TooLargeError
	if errors.As(err, &large) {
		return errPacked.Text("Packed policy consumes %d%% of allotted space, please use smaller policy.", large.Percent)
	}
	return err
}

// factors checks the parameters of multi-factor authentication. There are no
// such devices, so that none is the caller's.
func factors(serial, code *string) error {
	switch {
	case serial == nil && code == nil:
		return nil
	case serial == nil || code == nil:
		return errHalfMFA
	}
	return errMFA
}
