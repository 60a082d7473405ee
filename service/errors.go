package service

import (
	"errors"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/wire/sigv4"
)

// Errors that doors answer, as each family of protocols has them.
var (
	queryErrors = Errors{
		AccessDenied: awserr.New("AccessDenied", 403, ""),
		NotServed:    awserr.New("NotImplemented", 501, "The action is not implemented."),
		Unknown:      awserr.New("InvalidAction", 400, "The action or operation requested is invalid."),
		Internal:     awserr.New("InternalFailure", 500, "The request processing has failed because of an unknown error, exception or failure."),
		Validation:   awserr.New("ValidationError", 400, ""),
	}
	jsonErrors = Errors{
		AccessDenied: awserr.New("AccessDeniedException", 400, ""),
		NotServed:    awserr.New("UnknownOperationException", 400, "The operation is not served here."),
		Unknown:      awserr.New("UnknownOperationException", 400, ""),
		Internal:     awserr.New("InternalFailure", 500, "The request processing has failed because of an unknown error, exception or failure."),
		Validation:   awserr.New("ValidationException", 400, ""),
	}
	restErrors = Errors{
		AccessDenied: awserr.ErrAccessDenied,
		NotServed:    awserr.New("NotImplemented", 501, "The operation is not implemented."),
		Unknown:      awserr.ErrMethodNotAllowed,
		Internal:     awserr.ErrInternal,
		Validation:   awserr.New("InvalidRequest", 400, ""),
	}

	errMissingAction = awserr.New("MissingAction", 400, "The request must contain the parameter Action.")
	errMethod        = awserr.New("UnsupportedOperation", 405, "The request is neither GET nor POST.")
	errFormType      = awserr.New("MalformedInput", 400, "The body of a request must be application/x-www-form-urlencoded.")
	errTooLarge      = awserr.New("RequestEntityTooLarge", 413, "Request size exceeded")
	errIncomplete    = awserr.New("IncompleteBody", 400, "You did not provide the number of bytes specified by the Content-Length HTTP header")
	errEncoding      = awserr.New("UnsupportedMediaType", 415, "The content encoding is not supported.")
	errRegion        = awserr.New("SignatureDoesNotMatch", 403, "Credential should be scoped to a valid region.")
	errRegionJSON    = awserr.New("InvalidSignatureException", 400, "Credential should be scoped to a valid region.")
)

// errors gives the errors of the service in a protocol.
func (d *Door) errors(p Protocol) Errors {
	e := jsonErrors
	switch p {
	case Query:
		e = queryErrors
	case RESTXML:
		e = restErrors
	}
	for _, x := range []struct{ own, def **awserr.Error }{
		{&d.service.Errors.AccessDenied, &e.AccessDenied}, {&d.service.Errors.NotServed, &e.NotServed}, {&d.service.Errors.Unknown, &e.Unknown},
		{&d.service.Errors.Internal, &e.Internal}, {&d.service.Errors.Validation, &e.Validation},
	} {
		if *x.own != nil {
			*x.def = *x.own
		}
	}
	return e
}

// refused puts the verifier's errors into the words of a protocol. A nil error
// stands for a request without credentials.
func refused(p Protocol, err error) error {
	switch p {
	case Query:
		return sigv4.ForQuery(err)
	case RESTXML:
		if err == nil {
			return awserr.ErrAccessDenied
		}
		return err
	}
	return sigv4.ForJSON(err)
}

// told gives the error as the client is told it. What is no error of AWS's is
// ours, and its cause stays here.
func (d *Door) told(p Protocol, err error) *awserr.Error {
	own := d.errors(p)
	e := awserr.From(err)
	switch {
	case e == nil, e.Is(awserr.ErrInternal):
		return own.Internal
	case e.Is(awserr.ErrAccessDenied):
		// The decision's words, under the protocol's code.
		c := *own.AccessDenied
		c.Message = e.Message
		return &c
	}
	return e
}

// errNoTargets is our own mistake: an operation that is about nothing can't be
// decided on.
var errNoTargets = errors.New("service: the operation names no target")
