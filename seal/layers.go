package seal

import (
	"fmt"
	"io"
)

// DoubleKeySize is the length in bytes of a key that seals twice.
const DoubleKeySize = 2 * KeySize

// Key is an object key: KeySize bytes, or DoubleKeySize for an object that is
// sealed twice (DSSE-KMS). Of a double key the first half seals the frames
// next to the plaintext, and the second half frames around those: two layers
// with keys that have nothing in common. A range of the plaintext is a range of
// the inner frames, and that is a range of the outer ones.
type Key []byte

// Valid tells whether k has the length of a key.
func (k Key) Valid() bool { return len(k) == KeySize || len(k) == DoubleKeySize }

// double tells a key of two layers. A key of another length is a mistake of
// the program.
func (k Key) double() bool {
	switch len(k) {
	case KeySize:
		return false
	case DoubleKeySize:
		return true
	}
	panic(fmt.Sprintf("seal: a key of %d bytes", len(k)))
}

// SealedSize is the length of a sealed stream of plain bytes.
func (k Key) SealedSize(plain int64) int64 {
	if k.double() {
		plain = SealedSize(plain)
	}
	return SealedSize(plain)
}

// Range tells which bytes of a sealed stream hold length bytes of plaintext
// from offset, the whole stream being of plainSize; as the function Range.
func (k Key) Range(offset, length, plainSize int64) (sealedOffset, sealedLength int64) {
	if k.double() {
		offset, length = Range(offset, length, plainSize)
		plainSize = SealedSize(plainSize)
	}
	return Range(offset, length, plainSize)
}

// Writer seals what is written to it and writes it to dst; as NewWriter.
func (k Key) Writer(dst io.Writer, id StreamID) io.WriteCloser {
	if !k.double() {
		return NewWriter(dst, k, id)
	}
	outer := NewWriter(dst, k[KeySize:], id)
	return &doubleWriter{inner: NewWriter(outer, k[:KeySize], id), outer: outer}
}

type doubleWriter struct{ inner, outer *Writer }

func (w *doubleWriter) Write(p []byte) (int, error) { return w.inner.Write(p) }

func (w *doubleWriter) Close() error {
	if err := w.inner.Close(); err != nil {
		return err
	}
	return w.outer.Close()
}

// Reader opens length bytes from offset of a stream whose plaintext is of
// plainSize; src gives what k.Range names. As NewReader, whose Reader it gives.
func (k Key) Reader(src io.Reader, id StreamID, plainSize, offset, length int64) *Reader {
	if !k.double() {
		return NewReader(src, k, id, plainSize, offset, length)
	}
	from, n := Range(offset, length, plainSize)
	outer := NewReader(src, k[KeySize:], id, SealedSize(plainSize), from, n)
	return NewReader(outer, k[:KeySize], id, plainSize, offset, length)
}

// Seal appends a whole sealed stream of plain to dst; as SealSmall.
func (k Key) Seal(dst []byte, id StreamID, plain []byte) []byte {
	if k.double() {
		return SealSmall(dst, k[KeySize:], id, SealSmall(nil, k[:KeySize], id, plain))
	}
	return SealSmall(dst, k, id, plain)
}

// Open appends the plaintext of a whole stream to dst; as OpenSmall.
func (k Key) Open(dst []byte, id StreamID, sealed []byte) ([]byte, error) {
	if k.double() {
		inner, err := OpenSmall(nil, k[KeySize:], id, sealed)
		if err != nil {
			return dst, err
		}
		return OpenSmall(dst, k[:KeySize], id, inner)
	}
	return OpenSmall(dst, k, id, sealed)
}
