package seal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A header stands at the begin of a blob, before the sealed stream, and tells
// whoever has the Keeper what the blob is, so that an index can be rebuilt
// from blobs:
//
//	 0    4  magic, "FHSH"
//	 4    1  format, 1
//	 5    1  0
//	 6    2  length W of the wrapped object key, big endian
//	 8    4  length of the whole header, big endian
//	12   16  StreamID
//	28   12  nonce, random
//	40    W  wrapped object key
//	40+W     the payload, sealed with AES-256-GCM; what stands before is its
//	         authenticated data
//
// Its key is derived from the object key and the StreamID under a label of its
// own. The nonce is random because a header, unlike a stream, may be sealed
// again: when sealed frames are copied as they are, their new place needs a
// header with another payload.
const (
	headerMagic  = "FHSH"
	headerFormat = 1
	headerFixed  = 40
	headerIDAt   = 12
	headerNonce  = 28
)

// HeaderMax is the greatest length of a header in bytes.
const HeaderMax = 64 << 10

// ErrHeaderTooLarge is returned for a header that would be longer than
// HeaderMax.
var ErrHeaderTooLarge = errors.New("seal: header beyond 64 KiB")

// HeaderSize is how many bytes a header takes.
func HeaderSize(wrapped, payload int) int { return headerFixed + wrapped + payload + Overhead }

// AppendHeader appends a blob's header to dst: the wrapped object key in clear,
// and payload sealed under key, which is the object key unwrapped. payload is
// opaque here; the store puts the bucket's UID, the object's key, the version
// and its metadata there. To rebuild an index one unwraps before one can read
// the payload, so what the Keeper's about holds must be known without it.
func AppendHeader(dst, key, wrapped []byte, id StreamID, payload []byte) ([]byte, error) {
	size := HeaderSize(len(wrapped), len(payload))
	if size > HeaderMax {
		return dst, ErrHeaderTooLarge
	}
	start := len(dst)
	dst = append(dst, headerMagic...)
	dst = append(dst, headerFormat, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(wrapped)))
	dst = binary.BigEndian.AppendUint32(dst, uint32(size))
	dst = append(dst, id[:]...)
	var nonce [nonceSize]byte
	rand.Read(nonce[:])
	dst = append(dst, nonce[:]...)
	dst = append(dst, wrapped...)
	k := derive(key, labelHeader, id[:])
	return newAEAD(&k).Seal(dst, nonce[:], payload, dst[start:]), nil
}

// Header is what ReadHeader found.
type Header struct {
	Wrapped []byte   // the wrapped object key
	ID      StreamID // of the stream that follows
	Size    int64    // bytes of the header: where in the blob the sealed stream begins

	raw []byte
}

// ReadHeader reads a blob's header from its begin, and no byte beyond it. What
// is not a header is ErrCorrupt, one of a later format ErrFormat. Nothing is authenticated until Open.
func ReadHeader(r io.Reader) (*Header, error) {
	var fixed [headerFixed]byte
	if err := readFull(r, fixed[:]); err != nil {
		return nil, err
	}
	if string(fixed[:4]) != headerMagic {
		return nil, fmt.Errorf("%w: not a header", ErrCorrupt)
	}
	if fixed[4] != headerFormat {
		return nil, fmt.Errorf("%w: a header of format %d; this program knows %d", ErrFormat, fixed[4], headerFormat)
	}
	if fixed[5] != 0 {
		return nil, fmt.Errorf("%w: not a header", ErrCorrupt)
	}
	wrapped := int(binary.BigEndian.Uint16(fixed[6:]))
	size := int(binary.BigEndian.Uint32(fixed[8:]))
	if size > HeaderMax || size < HeaderSize(wrapped, 0) {
		return nil, fmt.Errorf("%w: a header of %d bytes", ErrCorrupt, size)
	}
	raw := make([]byte, size)
	copy(raw, fixed[:])
	if err := readFull(r, raw[headerFixed:]); err != nil {
		return nil, err
	}
	h := &Header{Wrapped: raw[headerFixed : headerFixed+wrapped : headerFixed+wrapped], Size: int64(size), raw: raw}
	copy(h.ID[:], raw[headerIDAt:])
	return h, nil
}

// Open gives the payload, or ErrCorrupt. key is the object key, unwrapped.
func (h *Header) Open(key []byte) ([]byte, error) {
	k := derive(key, labelHeader, h.ID[:])
	clear := headerFixed + len(h.Wrapped)
	payload, err := newAEAD(&k).Open(nil, h.raw[headerNonce:headerNonce+nonceSize], h.raw[clear:], h.raw[:clear])
	if err != nil {
		return nil, fmt.Errorf("%w: header", ErrCorrupt)
	}
	return payload, nil
}

func readFull(r io.Reader, p []byte) error {
	_, err := io.ReadFull(r, p)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%w: a header cut short", ErrCorrupt)
	}
	return err
}
