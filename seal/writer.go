package seal

import (
	"errors"
	"io"
	"sync"
)

// batch is how many frames are sealed or opened between two calls of the
// stream beneath: enough to make those calls rare, few enough that the bytes
// are still in the processor's cache when they are used.
const batch = 8

// buffers holds slices for batch sealed frames.
var buffers = sync.Pool{New: func() any { return new([batch * sealedFrame]byte) }}

var errClosed = errors.New("seal: closed")

// Writer seals a stream.
type Writer struct {
	dst    io.Writer
	frames *frames
	buf    *[batch * sealedFrame]byte
	sealed int    // bytes of buf that are sealed frames
	fill   int    // bytes of plaintext behind them, of a frame not yet sealed
	index  uint64 // of that frame
	err    error
}

// NewWriter seals what is written to it and writes it to dst. Close writes the
// last frame; without it the stream does not open. key has KeySize bytes;
// together with id it is used for one stream only. A Writer is used by one
// goroutine at a time.
func NewWriter(dst io.Writer, key []byte, id StreamID) *Writer {
	return &Writer{dst: dst, frames: newFrames(key, id), buf: buffers.Get().(*[batch * sealedFrame]byte)}
}

// Write implements io.Writer. After an error of dst it gives that error.
func (w *Writer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	written := 0
	for len(p) > 0 {
		// A full frame is held back until a byte follows it: only then is it
		// known not to be the last.
		if w.fill == FrameSize {
			if err := w.sealFrame(w.buf[w.sealed:w.sealed+FrameSize], false); err != nil {
				return written, err
			}
		}
		var n int
		if w.fill == 0 && len(p) > FrameSize {
			n = FrameSize
			if err := w.sealFrame(p[:n], false); err != nil {
				return written, err
			}
		} else {
			n = copy(w.buf[w.sealed+w.fill:w.sealed+FrameSize], p)
			w.fill += n
		}
		p = p[n:]
		written += n
	}
	return written, nil
}

// sealFrame seals plain behind the frames in buf, and writes them when there
// is no room for another.
func (w *Writer) sealFrame(plain []byte, last bool) error {
	w.sealed = len(w.frames.seal(w.buf[:w.sealed], plain, w.index, last))
	w.fill = 0
	w.index++
	if last || w.sealed+sealedFrame > len(w.buf) {
		if _, err := w.dst.Write(w.buf[:w.sealed]); err != nil {
			w.end(err)
			return err
		}
		w.sealed = 0
	}
	return nil
}

// end frees the buffer; err is what further calls give.
func (w *Writer) end(err error) {
	buffers.Put(w.buf)
	w.buf = nil
	w.err = err
}

// Close seals and writes the last frame. It does not close dst. A second Close
// does nothing.
func (w *Writer) Close() error {
	if w.err == errClosed {
		return nil
	}
	if w.err != nil {
		return w.err
	}
	if err := w.sealFrame(w.buf[w.sealed:w.sealed+w.fill], true); err != nil {
		return err
	}
	w.end(errClosed)
	return nil
}
