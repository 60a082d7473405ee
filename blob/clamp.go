package blob

import (
	"errors"
	"fmt"
)

// ErrRange is returned by Open for an offset or a length outside the blob.
var ErrRange = errors.New("blob: range outside the blob")

// Clamp turns what Open was asked for into a range of a blob of size bytes:
// length -1 becomes what is left. An offset at the end with no length is a
// valid, empty range; anything that reaches past the end is ErrRange, because
// whoever asks knows the size and a shorter answer would hide a mistake.
func Clamp(offset, length, size int64) (from, n int64, err error) {
	if length == -1 {
		length = size - offset
	}
	if offset < 0 || length < 0 || offset > size || length > size-offset {
		return 0, 0, fmt.Errorf("%w: %d bytes from %d of %d", ErrRange, length, offset, size)
	}
	return offset, length, nil
}
