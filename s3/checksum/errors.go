package checksum

import (
	"strings"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/s3"
)

// What can be wrong with a checksum, in S3's words.
var (
	// ErrBadDigest is for content that has another checksum; see Mismatch.
	ErrBadDigest = awserr.New("BadDigest", 400, "The checksum you specified did not match the calculated checksum.")
	// ErrBadMD5 is for content that has another Content-MD5; add ExpectedDigest
	// and CalculatedDigest.
	ErrBadMD5 = awserr.New("BadDigest", 400, "The Content-MD5 you specified did not match what we received.")
	// ErrInvalidMD5 is for a Content-MD5 that is no digest in base64.
	ErrInvalidMD5 = awserr.New("InvalidDigest", 400, "The Content-MD5 you specified was invalid.")
	// ErrMultiple is for more than one checksum header.
	ErrMultiple = awserr.New("InvalidRequest", 400, "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
	// ErrUnknownHeader is for an x-amz-checksum- header of no known algorithm.
	ErrUnknownHeader = awserr.New("InvalidRequest", 400, "The algorithm type you specified in x-amz-checksum- header is invalid.")
	// ErrTrailer is for an x-amz-trailer that names no known checksum.
	ErrTrailer = awserr.New("InvalidRequest", 400, "The value specified in the x-amz-trailer header is not supported")
	// ErrInvalidSDK is for an x-amz-sdk-checksum-algorithm that is unknown or
	// another than the checksum's.
	ErrInvalidSDK = awserr.New("InvalidRequest", 400, "Value for x-amz-sdk-checksum-algorithm header is invalid.")
	// ErrNoHeader is for an x-amz-sdk-checksum-algorithm without a checksum.
	ErrNoHeader = awserr.New("InvalidRequest", 400, "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
	// ErrUnknownAlgorithm is for an x-amz-checksum-algorithm that is unknown.
	ErrUnknownAlgorithm = awserr.New("InvalidRequest", 400, "Checksum algorithm provided is unsupported. Please try again with any of the valid types: ["+names()+"]")
	// ErrUnknownType is for an x-amz-checksum-type that is unknown.
	ErrUnknownType = awserr.New("InvalidRequest", 400, "Value for x-amz-checksum-type header is invalid.")
	// ErrTypeAlone is for an x-amz-checksum-type without an algorithm.
	ErrTypeAlone = awserr.New("InvalidRequest", 400, "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
	// ErrTypeUnsupported is for a type that an algorithm does not have; see
	// CheckType.
	ErrTypeUnsupported = awserr.New("InvalidRequest", 400, "The checksum type cannot be used with the checksum algorithm.")
	// ErrTypeChanged is for a completion under another type than the upload's.
	ErrTypeChanged = awserr.New("InvalidRequest", 400, "The upload was created using another checksum mode. The complete request must use the same checksum mode.")
	// ErrPartMissing is for a completion that lacks a part's checksum.
	ErrPartMissing = awserr.New("InvalidRequest", 400, "The upload was created using a checksum. The complete request must include the checksum for each part.")
	// ErrAlgorithmChanged is for a part under another algorithm than its upload's.
	ErrAlgorithmChanged = awserr.New("InvalidRequest", 400, "Checksum Type mismatch occurred")
	// ErrSizeMismatch is for an x-amz-mp-object-size that is not the sum of the
	// parts.
	ErrSizeMismatch = awserr.New("InvalidRequest", 400, "The provided 'x-amz-mp-object-size' header does not match what was computed")
)

func names() string {
	var b strings.Builder
	for i, alg := range Algorithms() {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(alg))
	}
	return b.String()
}

// Mismatch is BadDigest for an algorithm.
func Mismatch(alg s3.ChecksumAlgorithm) *awserr.Error {
	return ErrBadDigest.Text("The %s you specified did not match the calculated checksum.", alg)
}

// WholeMismatch is BadDigest for the checksum of a whole that a completion gives;
// S3 has the algorithm in lower case there.
func WholeMismatch(alg s3.ChecksumAlgorithm) *awserr.Error {
	return Mismatch(s3.ChecksumAlgorithm(strings.ToLower(string(alg))))
}

// InvalidValue is InvalidRequest for a malformed checksum header.
func InvalidValue(alg s3.ChecksumAlgorithm) *awserr.Error {
	return awserr.ErrInvalidRequest.Text("Value for %s header is invalid.", Header(alg))
}

// TypeChanged is for a completion under another type than the upload's.
func TypeChanged(uploads s3.ChecksumType) *awserr.Error {
	return ErrTypeChanged.Text("The upload was created using the %s checksum mode. The complete request must use the same checksum mode.", uploads)
}

// PartMissing is for a completion that lacks the checksum of a part.
func PartMissing(alg s3.ChecksumAlgorithm, part int) *awserr.Error {
	return ErrPartMissing.Text("The upload was created using a %s checksum. The complete request must include the checksum for each part. It was missing for part %d in the request.", strings.ToLower(string(alg)), part)
}

// AlgorithmChanged is for a part under another algorithm than its upload's;
// either may be empty, which S3 prints as null.
func AlgorithmChanged(expected, actual s3.ChecksumAlgorithm) *awserr.Error {
	name := func(alg s3.ChecksumAlgorithm) string {
		if alg == "" {
			return "null"
		}
		return strings.ToLower(string(alg))
	}
	return ErrAlgorithmChanged.Text("Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s", name(expected), name(actual))
}

// SizeMismatch is for an x-amz-mp-object-size that is not the sum of the parts,
// both in bytes.
func SizeMismatch(provided, computed int64) *awserr.Error {
	return ErrSizeMismatch.Text("The provided 'x-amz-mp-object-size' header value %d does not match what was computed: %d", provided, computed)
}
