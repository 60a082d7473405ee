package seal

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
)

// Kind is the first byte of a wrapped object key: which Keeper wrapped it, and
// so which one must be asked to open it. It stands outside of everything that
// is sealed, because it must be known before anything can be opened.
type Kind byte

// Kinds of wrapped keys. Numbers are never used again for something else.
const (
	KindRegion    Kind = wrapFormat // under the region's key: SSE-S3
	KindKMS       Kind = 2          // under a data key of KMS of the object's own: SSE-KMS
	KindBucketKey Kind = 3          // under a data key of KMS that objects of a bucket share: SSE-KMS with a bucket key
	KindDouble    Kind = 4          // two keys, under a data key of KMS and under the region's key: DSSE-KMS
	KindCustomer  Kind = 5          // under a key that the client sends along: SSE-C
	KindHeader    Kind = 6          // in headers of blobs only; see JoinHeaderKey
)

// KindOf gives the kind of a wrapped key; 0 for an empty one.
func KindOf(wrapped []byte) Kind {
	if len(wrapped) == 0 {
		return 0
	}
	return Kind(wrapped[0])
}

// A key wrapped under a key that whoever wraps has at hand (a data key of KMS,
// a customer's key) is 16 bytes of chance, the salt, and the key sealed with
// AES-256-GCM. The wrapping key is derived from the other key and the salt and
// is used once, so the nonce is zero.
const (
	labelUnder = "farhold seal wrap 1"
	saltSize   = 16
)

// WrapUnder appends plain to dst, wrapped under another key of KeySize bytes and
// bound to clear, which stands in front of it wherever it is kept, and to
// about.
func WrapUnder(dst, key, plain, clear []byte, about map[string]string) []byte {
	var salt [saltSize]byte
	rand.Read(salt[:]) // never fails
	k := derive(key, labelUnder, salt[:])
	dst = append(dst, salt[:]...)
	var nonce [nonceSize]byte
	return newAEAD(&k).Seal(dst, nonce[:], plain, wrapContext(clear, about))
}

// WrappedUnder is how many bytes WrapUnder makes of so many.
func WrappedUnder(plain int) int { return saltSize + plain + Overhead }

// UnwrapUnder gives back what WrapUnder wrapped, or ErrCorrupt: also for another
// key than that it was wrapped under.
func UnwrapUnder(key, wrapped, clear []byte, about map[string]string) ([]byte, error) {
	if len(wrapped) < saltSize+Overhead {
		return nil, fmt.Errorf("%w: a wrapped key of %d bytes", ErrCorrupt, len(wrapped))
	}
	k := derive(key, labelUnder, wrapped[:saltSize])
	var nonce [nonceSize]byte
	plain, err := newAEAD(&k).Open(nil, nonce[:], wrapped[saltSize:], wrapContext(clear, about))
	if err != nil {
		return nil, fmt.Errorf("%w: wrapped key", ErrCorrupt)
	}
	return plain, nil
}

// JoinHeaderKey is what stands as the wrapped key in the header of a blob whose
// object key the region alone can't open: a key for the header, wrapped under
// the region's, and behind it the object's, as it is:
//
//	0  1  6
//	1  2  length R of the header's, big endian
//	3  R  the header's key, wrapped under the region's
//	3+R   the object's key, wrapped
//
// So an index can be rebuilt from blobs without KMS and without the customers'
// keys, and a stream that is sealed under a key that nobody here has can be
// given a header.
func JoinHeaderKey(header, object []byte) []byte {
	b := make([]byte, 0, 3+len(header)+len(object))
	b = binary.BigEndian.AppendUint16(append(b, byte(KindHeader)), uint16(len(header)))
	return append(append(b, header...), object...)
}

// SplitHeaderKey gives the wrapped keys of a blob's header: the one that opens
// the header's payload, and the one that opens the stream. They are the same
// where the region's key opens both.
func SplitHeaderKey(wrapped []byte) (header, object []byte, err error) {
	if KindOf(wrapped) != KindHeader {
		return wrapped, wrapped, nil
	}
	if len(wrapped) < 3 || len(wrapped) < 3+int(binary.BigEndian.Uint16(wrapped[1:])) {
		return nil, nil, fmt.Errorf("%w: a header's key of %d bytes", ErrCorrupt, len(wrapped))
	}
	n := 3 + int(binary.BigEndian.Uint16(wrapped[1:]))
	return wrapped[3:n], wrapped[n:], nil
}
