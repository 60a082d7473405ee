package seal

import (
	"fmt"
	"slices"
)

// sealedFrame is how many bytes a full frame takes.
const sealedFrame = FrameSize + Overhead

// PlainSize is how many bytes of plaintext a sealed stream of so many bytes
// holds. It is an error (ErrCorrupt) if no stream has that length.
func PlainSize(sealed int64) (int64, error) {
	full := sealed / sealedFrame
	rest := sealed % sealedFrame
	switch {
	case sealed < Overhead, rest > 0 && rest < Overhead, full > 0 && rest == Overhead:
		return 0, fmt.Errorf("%w: a stream of %d bytes", ErrCorrupt, sealed)
	case rest == 0:
		return full * FrameSize, nil
	}
	return full*FrameSize + rest - Overhead, nil
}

// Range tells which bytes of a sealed stream hold length bytes of plaintext
// from offset, the whole stream being of plainSize: whole frames. What is read
// from there goes to NewReader. An empty range takes no bytes, but that of an
// empty stream takes its one frame, which tells that it is meant to be empty.
func Range(offset, length, plainSize int64) (sealedOffset, sealedLength int64) {
	if length == 0 && plainSize > 0 {
		return offset / FrameSize * sealedFrame, 0
	}
	first := offset / FrameSize
	end := (offset + length + FrameSize - 1) / FrameSize * sealedFrame
	end = min(end, SealedSize(plainSize))
	if plainSize == 0 {
		end = Overhead
	}
	return first * sealedFrame, end - first*sealedFrame
}

// SealSmall appends a whole sealed stream of plain to dst. It suits bodies that
// are held in one slice. dst and plain must not overlap. key has KeySize bytes;
// together with id it is used for one stream only.
func SealSmall(dst, key []byte, id StreamID, plain []byte) []byte {
	dst = slices.Grow(dst, int(SealedSize(int64(len(plain)))))
	f := newFrames(key, id)
	for index := uint64(0); ; index++ {
		n := min(len(plain), FrameSize)
		last := n == len(plain)
		dst = f.seal(dst, plain[:n], index, last)
		if last {
			return dst
		}
		plain = plain[n:]
	}
}

// OpenSmall appends the plaintext of a whole stream to dst, or gives
// ErrCorrupt. dst and sealed must not overlap, save that a stream of a single
// frame may be opened in place, with sealed[:0] as dst; sealed is spoilt then.
func OpenSmall(dst, key []byte, id StreamID, sealed []byte) ([]byte, error) {
	size, err := PlainSize(int64(len(sealed)))
	if err != nil {
		return dst, err
	}
	start := len(dst)
	dst = slices.Grow(dst, int(size))
	f := newFrames(key, id)
	for index := uint64(0); ; index++ {
		n := min(len(sealed), sealedFrame)
		last := n == len(sealed)
		if dst, err = f.open(dst, sealed[:n], index, last); err != nil {
			return dst[:start], err
		}
		if last {
			return dst, nil
		}
		sealed = sealed[n:]
	}
}
