package checksum

import (
	"net/http"
	"strings"

	"github.com/farhold/farhold/s3"
)

// Request is the checksum that a request carries.
type Request struct {
	Algorithm s3.ChecksumAlgorithm // empty if it carries none
	Value     string               // as in the header; empty if it comes as a trailer
	Trailer   bool                 // it comes as a trailer
}

// Requested finds the checksum of an upload's headers: one x-amz-checksum-
// header or one announced trailer, which x-amz-sdk-checksum-algorithm may name
// once more. The value's form is checked.
func Requested(h http.Header) (Request, error) {
	var q Request
	for name, values := range h {
		if len(name) <= len(headerPrefix) || !strings.EqualFold(name[:len(headerPrefix)], headerPrefix) {
			continue
		}
		switch strings.ToLower(name[len(headerPrefix):]) {
		case "algorithm", "type", "mode":
			continue
		}
		alg, ok := ByHeader(name)
		if !ok {
			return Request{}, ErrUnknownHeader
		}
		if q.Algorithm != "" || len(values) != 1 {
			return Request{}, ErrMultiple
		}
		q.Algorithm, q.Value = alg, values[0]
	}
	for _, line := range h["X-Amz-Trailer"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name == "" {
				continue
			}
			alg, ok := ByHeader(name)
			if !ok {
				return Request{}, ErrTrailer
			}
			if q.Algorithm != "" {
				return Request{}, ErrMultiple
			}
			q.Algorithm, q.Trailer = alg, true
		}
	}
	if q.Algorithm != "" && !q.Trailer {
		if err := Validate(q.Algorithm, q.Value); err != nil {
			return Request{}, err
		}
	}
	if name := h.Get("X-Amz-Sdk-Checksum-Algorithm"); name != "" {
		alg, ok := Parse(name)
		switch {
		case !ok:
			return Request{}, ErrInvalidSDK
		case q.Algorithm == "":
			return Request{}, ErrNoHeader
		case alg != q.Algorithm:
			return Request{}, ErrInvalidSDK
		}
	}
	return q, nil
}
