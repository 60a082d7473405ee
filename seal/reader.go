package seal

import (
	"errors"
	"fmt"
	"io"
)

// Reader opens a range of a sealed stream. Bytes that do not authenticate are
// never given out.
type Reader struct {
	src    io.Reader
	frames *frames
	buf    *[batch * sealedFrame]byte // nil before the first read and after the last
	sealed []byte                     // frames in buf that are not yet opened
	plain  []byte                     // opened bytes that are not yet given out
	next   uint64                     // index of the first frame in sealed, or to be read
	skip   int                        // bytes of frame next before the range
	left   int64                      // bytes of the range not yet opened
	frame0 bool                       // the one frame of an empty stream is yet to be opened
	size   int64                      // of the whole stream's plaintext
	err    error
}

// NewReader opens length bytes from offset of a stream whose plaintext is of
// plainSize. src gives the sealed bytes that Range names, no more: when the
// range reaches the stream's end, the reader wants the end of src there too,
// so that an extended stream is ErrCorrupt like a truncated one. Errors of src
// come back as they are.
//
// A Reader is used by one goroutine at a time.
func NewReader(src io.Reader, key []byte, id StreamID, plainSize, offset, length int64) *Reader {
	r := &Reader{
		src:    src,
		frames: newFrames(key, id),
		next:   uint64(offset / FrameSize),
		skip:   int(offset % FrameSize),
		left:   length,
		frame0: plainSize == 0,
		size:   plainSize,
	}
	if offset < 0 || length < 0 || offset > plainSize || length > plainSize-offset {
		r.err = fmt.Errorf("seal: a range of %d bytes from %d in a stream of %d", length, offset, plainSize)
	}
	return r
}

// lastFrame is the index of the stream's last frame.
func (r *Reader) lastFrame() uint64 {
	if r.size == 0 {
		return 0
	}
	return uint64((r.size - 1) / FrameSize)
}

// fill reads sealed frames of the range. It is called with none left.
func (r *Reader) fill() error {
	if r.buf == nil {
		r.buf = buffers.Get().(*[batch * sealedFrame]byte)
	}
	end := uint64(r.skip) + uint64(r.left) // of the range, from the begin of frame next
	count := min((end+FrameSize-1)/FrameSize, batch)
	if r.frame0 {
		count = 1
	}
	n := int(count) * sealedFrame
	toEnd := r.next+count > r.lastFrame()
	if toEnd {
		n = int(SealedSize(r.size) - int64(r.next)*sealedFrame)
	}
	m, err := io.ReadFull(r.src, r.buf[:n])
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%w: ends %d bytes early in frame %d", ErrCorrupt, n-m, r.next+uint64(m/sealedFrame))
	}
	if err != nil {
		return err
	}
	if toEnd {
		if err := r.expectEnd(); err != nil {
			return err
		}
	}
	r.sealed = r.buf[:n]
	return nil
}

// expectEnd wants src to end.
func (r *Reader) expectEnd() error {
	var one [1]byte
	for range 100 { // as bufio does, in case src gives nothing and no error
		switch n, err := r.src.Read(one[:]); {
		case n > 0:
			return fmt.Errorf("%w: goes on after its last frame", ErrCorrupt)
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
	return io.ErrNoProgress
}

// openFrame opens the next frame of the range into dst if it has room for all
// of it and all is wanted, and gives the bytes there; else in place, and gives
// the wanted bytes as r.plain. The range is not at its end.
func (r *Reader) openFrame(dst []byte) (int, error) {
	if len(r.sealed) == 0 {
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
	n := min(len(r.sealed), sealedFrame)
	sealed := r.sealed[:n]
	r.sealed = r.sealed[n:]
	into, direct := sealed[:0], false
	if r.skip == 0 && int64(n-Overhead) <= r.left && n-Overhead <= len(dst) {
		into, direct = dst[:0], true
	}
	plain, err := r.frames.open(into, sealed, r.next, r.next == r.lastFrame())
	if err != nil {
		return 0, err
	}
	r.next++
	r.frame0 = false
	plain = plain[r.skip:]
	r.skip = 0
	plain = plain[:min(int64(len(plain)), r.left)]
	r.left -= int64(len(plain))
	if direct {
		return len(plain), nil
	}
	r.plain = plain
	return 0, nil
}

// done says that nothing is left to open.
func (r *Reader) done() bool { return r.left == 0 && !r.frame0 }

// end frees the buffer; err is what further calls give.
func (r *Reader) end(err error) error {
	if r.buf != nil {
		buffers.Put(r.buf)
		r.buf, r.sealed, r.plain = nil, nil, nil
	}
	r.err = err
	return err
}

// Read implements io.Reader. Slices of at least FrameSize are filled without a
// copy.
func (r *Reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	got := 0
	for {
		n := copy(p[got:], r.plain)
		r.plain = r.plain[n:]
		got += n
		if r.done() && len(r.plain) == 0 {
			r.end(io.EOF)
			if got == 0 {
				return 0, io.EOF
			}
			return got, nil
		}
		if got == len(p) || got > 0 && len(r.sealed) == 0 {
			return got, nil // full, or more only after waiting for src
		}
		n, err := r.openFrame(p[got:])
		got += n
		if err != nil {
			return got, r.end(err)
		}
	}
}

// WriteTo implements io.WriterTo: frames are opened in place and written from
// there.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	var written int64
	if r.err == io.EOF {
		return 0, nil
	}
	if r.err != nil {
		return 0, r.err
	}
	for {
		if len(r.plain) > 0 {
			n, err := w.Write(r.plain)
			written += int64(n)
			if err == nil && n < len(r.plain) {
				err = io.ErrShortWrite
			}
			if err != nil {
				return written, r.end(err)
			}
			r.plain = nil
		}
		if r.done() {
			r.end(io.EOF)
			return written, nil
		}
		if _, err := r.openFrame(nil); err != nil {
			return written, r.end(err)
		}
	}
}

// Close frees the buffer, and closes src if it is an io.Closer. Reading to the
// end frees the buffer as well. A second Close does nothing.
func (r *Reader) Close() error {
	if errors.Is(r.err, errClosed) {
		return nil
	}
	r.end(errClosed)
	if c, ok := r.src.(io.Closer); ok {
		return c.Close()
	}
	return nil
}
