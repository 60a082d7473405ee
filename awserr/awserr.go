// Package awserr holds the one error type that travels from a rule to the
// wire: AWS's code, HTTP status, message and the extra elements that AWS puts
// beside them.
//
// A rule declares its error beside itself, once, as a package variable, and
// returns it as it is or with elements added:
//
//	var ErrNoSuchBucket = awserr.New("NoSuchBucket", 404, "The specified bucket does not exist")
//	...
//	return ErrNoSuchBucket.With("BucketName", name)
package awserr

import (
	"errors"
	"fmt"
)

// Field is an extra element of an error document, such as BucketName or Key.
type Field struct{ Name, Value string }

// Error is an error as AWS shows it. Values are immutable: the With methods
// return copies, so that a declared error can be shared.
type Error struct {
	Code    string  // AWS's code, such as NoSuchKey
	Status  int     // HTTP status
	Message string  // AWS's text, to the letter
	Extra   []Field // further elements, in the order in which AWS prints them
	Headers []Field // response headers that go with the error, such as x-amz-delete-marker
	Cause   error   // what lay behind it; logged, never shown to a client
}

// New declares an error.
func New(code string, status int, message string) *Error {
	return &Error{Code: code, Status: status, Message: message}
}

// Error gives the code and the message.
func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.Cause)
	}
	return e.Code + ": " + e.Message
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is tells whether target is the same AWS error: equal codes are equal errors,
// whatever elements were added.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// With returns a copy with one more extra element.
func (e *Error) With(name, value string) *Error {
	c := *e
	c.Extra = append(append([]Field(nil), e.Extra...), Field{name, value})
	return &c
}

// Header returns a copy with one more response header.
func (e *Error) Header(name, value string) *Error {
	c := *e
	c.Headers = append(append([]Field(nil), e.Headers...), Field{name, value})
	return &c
}

// Text returns a copy with another message, for texts that name a value.
func (e *Error) Text(format string, args ...any) *Error {
	c := *e
	c.Message = fmt.Sprintf(format, args...)
	return &c
}

// Because returns a copy that remembers its cause.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.Cause = cause
	return &c
}

// From finds the AWS error in err's chain, or nil.
func From(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// Errors that any service of S3's family can answer, whatever the rule.
var (
	ErrInternal         = New("InternalError", 500, "We encountered an internal error. Please try again.")
	ErrSlowDown         = New("SlowDown", 503, "Please reduce your request rate.")
	ErrNotImplemented   = New("NotImplemented", 501, "A header you provided implies functionality that is not implemented")
	ErrAccessDenied     = New("AccessDenied", 403, "Access Denied")
	ErrInvalidRequest   = New("InvalidRequest", 400, "Invalid Request")
	ErrInvalidArgument  = New("InvalidArgument", 400, "Invalid Argument")
	ErrMalformedXML     = New("MalformedXML", 400, "The XML you provided was not well-formed or did not validate against our published schema")
	ErrMethodNotAllowed = New("MethodNotAllowed", 405, "The specified method is not allowed against this resource.")
	// ErrInsufficientStorage is ours: AWS's disks are never full.
	ErrInsufficientStorage = New("InsufficientStorage", 507, "The storage of this region is full.")
)

// Argument is InvalidArgument with the elements that AWS adds.
func Argument(name, value, format string, args ...any) *Error {
	return ErrInvalidArgument.Text(format, args...).With("ArgumentName", name).With("ArgumentValue", value)
}
