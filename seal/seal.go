// Package seal encrypts streams at rest: AES-256-GCM in frames that allow
// range reads, under a key per stream that is derived from the object's key,
// which a Keeper wraps.
package seal

import (
	"context"
	"errors"
)

// FrameSize is how many bytes of plaintext a frame holds; the last of a stream
// may hold fewer, and an empty stream has one empty frame.
const FrameSize = 64 << 10

// Overhead is how many bytes a frame is longer than its plaintext.
const Overhead = 16

// KeySize is the length of an object key in bytes.
const KeySize = 32

// ErrCorrupt is returned when a frame or a wrapped key does not authenticate:
// the bytes, their order, their end or their context are not what was sealed.
var ErrCorrupt = errors.New("seal: does not authenticate")

// ErrKeyUnavailable is returned when the Keeper does not have the key that a
// wrapped key names.
var ErrKeyUnavailable = errors.New("seal: key unavailable")

// ErrFormat is returned for bytes in a format that this program does not know:
// a later one wrote them.
var ErrFormat = errors.New("seal: unknown format")

// Keeper wraps object keys. The region key is one, KMS is one, the header of
// an SSE-C request is another.
type Keeper interface {
	// NewDataKey makes an object key (KeySize bytes) and wraps it under key,
	// bound to the context about. An empty key means the Keeper's own.
	NewDataKey(ctx context.Context, key string, about map[string]string) (plain, wrapped []byte, err error)
	// Unwrap gives the object key back; about must be what it was bound to.
	Unwrap(ctx context.Context, wrapped []byte, about map[string]string) (plain []byte, err error)
}

// StreamID tells the streams of one object apart. It is random, never a part
// number: two uploads of the same part must not share a key.
type StreamID [16]byte

// SealedSize is the length of a sealed stream of plain bytes.
func SealedSize(plain int64) int64 {
	frames := (plain + FrameSize - 1) / FrameSize
	if frames == 0 {
		frames = 1
	}
	return plain + frames*Overhead
}
