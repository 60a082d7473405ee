package s3api

import (
	"strconv"
	"strings"

	"github.com/farhold/farhold/awserr"
)

var (
	errCopyRange         = awserr.ErrInvalidRequest.Text("The specified copy range is invalid for the source object size")
	errInvalidRange      = awserr.New("InvalidRange", 416, "The requested range is not satisfiable")
	errInvalidPartNumber = awserr.New("InvalidPartNumber", 416, "The requested partnumber is not satisfiable")
	errRangeAndPart      = awserr.ErrInvalidRequest.Text("Cannot specify both Range header and partNumber query parameter")
)

// byteRange is a piece of an object: length bytes from first.
type byteRange struct{ first, length int64 }

// contentRange is the value of Content-Range for a piece of size bytes.
func (r byteRange) contentRange(size int64) string {
	b := make([]byte, 0, 64)
	b = append(b, "bytes "...)
	b = strconv.AppendInt(b, r.first, 10)
	b = append(b, '-')
	b = strconv.AppendInt(b, r.first+r.length-1, 10)
	b = append(b, '/')
	b = strconv.AppendInt(b, size, 10)
	return string(b)
}

// parseRange reads a Range header against an object of size bytes. It answers
// false for what S3 does not serve as a range, so that the whole object goes
// out with 200: other units, malformed ones, and several ranges at once. It
// answers InvalidRange when no byte of the range exists.
func parseRange(header string, size int64) (byteRange, bool, error) {
	unit, spec, ok := strings.Cut(header, "=")
	if !ok || !strings.EqualFold(strings.TrimSpace(unit), "bytes") || strings.IndexByte(spec, ',') >= 0 {
		return byteRange{}, false, nil
	}
	from, to, ok := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok {
		return byteRange{}, false, nil
	}
	if from == "" { // the last so many bytes
		n, ok := offset(to)
		if !ok {
			return byteRange{}, false, nil
		}
		if n == 0 || size == 0 {
			return byteRange{}, false, unsatisfiable(header, size)
		}
		n = min(n, size)
		return byteRange{size - n, n}, true, nil
	}
	first, ok := offset(from)
	if !ok {
		return byteRange{}, false, nil
	}
	last := size - 1
	if to != "" {
		n, ok := offset(to)
		if !ok || n < first {
			return byteRange{}, false, nil
		}
		last = min(n, last)
	}
	if first >= size {
		return byteRange{}, false, unsatisfiable(header, size)
	}
	return byteRange{first, last - first + 1}, true, nil
}

// offset reads a run of digits. Numbers beyond int64 are as good as its
// greatest: no object reaches there.
func offset(s string) (int64, bool) {
	if s == "" {
		return 0, false
	}
	var n int64
	for i := range len(s) {
		c := s[i] - '0'
		if c > 9 {
			return 0, false
		}
		if n > (1<<63-1-int64(c))/10 {
			n = 1<<63 - 1
			continue
		}
		n = n*10 + int64(c)
	}
	return n, true
}

func unsatisfiable(header string, size int64) error {
	n := strconv.FormatInt(size, 10)
	return errInvalidRange.With("RangeRequested", header).With("ActualObjectSize", n).
		Header("Content-Range", "bytes */"+n)
}

// parseCopyRange reads x-amz-copy-source-range, which is stricter than Range:
// both ends must be given and must exist.
func parseCopyRange(header string, size int64) (byteRange, error) {
	spec, ok := strings.CutPrefix(header, "bytes=")
	from, to, dash := strings.Cut(spec, "-")
	first, okFirst := offset(from)
	last, okLast := offset(to)
	if !ok || !dash || !okFirst || !okLast || last < first {
		return byteRange{}, awserr.Argument("x-amz-copy-source-range", header,
			"The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
	}
	if first >= size {
		return byteRange{}, errCopyRange
	}
	if last >= size {
		return byteRange{}, awserr.Argument("x-amz-copy-source-range", header,
			"Range specified is not valid for source object of size: %d", size)
	}
	return byteRange{first, last - first + 1}, nil
}

// partNumber reads the query parameter: 0 when it is not there.
func (rq *Request) partNumber() (int, error) {
	s, ok := rq.Query.Lookup("partNumber")
	if !ok {
		return 0, nil
	}
	n, digits := offset(s)
	if !digits || n < 1 || n > partsMax {
		return 0, awserr.Argument("partNumber", s, "Part number must be an integer between 1 and %d, inclusive", partsMax)
	}
	return int(n), nil
}

// partsMax is the greatest part number, and so how many parts an object has at
// most.
const partsMax = 10_000
