package awschunked

import (
	"fmt"
	"io"
	"strconv"

	"github.com/farhold/farhold/awserr"
)

// What can be wrong with a framed body, in S3's words.
var (
	// ErrIncompleteBody is for a body that ends early, goes on too long, is not
	// framed as it should be or has another length than was announced.
	ErrIncompleteBody = awserr.New("IncompleteBody", 400, "The request body terminated unexpectedly")
	// ErrInvalidChunkSize is for a short chunk that is not the last.
	ErrInvalidChunkSize = awserr.New("InvalidChunkSizeError", 400, "Only the last chunk is allowed to have a size less than 8192 bytes")
	// ErrMalformedTrailer is for trailers that are missing, unannounced,
	// repeated or not well formed.
	ErrMalformedTrailer = awserr.New("MalformedTrailerError", 400, "The request contained trailing data that was not well-formed or did not conform to our published schema.")
	// ErrMissingLength is for a framed request that does not say how long its
	// content is.
	ErrMissingLength = awserr.New("MissingContentLength", 411, "You must provide the Content-Length HTTP header.")
	// ErrTrailerUnsupported is for an announced trailer that is no checksum.
	ErrTrailerUnsupported = awserr.New("InvalidRequest", 400, "The value specified in the x-amz-trailer header is not supported")
)

// incomplete is ErrIncompleteBody with what was wrong, for the log.
func incomplete(format string, args ...any) error {
	return ErrIncompleteBody.Because(fmt.Errorf(format, args...))
}

// wrongLength is for content of another length than was announced.
func wrongLength(want, got int64) error {
	return ErrIncompleteBody.Text("You did not provide the number of bytes specified by the Content-Length HTTP header").
		With("NumberBytesExpected", strconv.FormatInt(want, 10)).
		With("NumberBytesProvided", strconv.FormatInt(got, 10))
}

// broken is for an error of the body beneath. One that speaks AWS already is
// left as it is.
func broken(err error) error {
	if awserr.From(err) != nil {
		return err
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return ErrIncompleteBody.Because(err)
}
