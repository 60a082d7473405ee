package diskblob

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/farhold/farhold/blob"
)

func isEOF(err error) bool { return errors.Is(err, io.EOF) }

// tableWindow is how many checksums of a blob are in memory at a time: those of
// 256 MiB.
const tableWindow = 4096

// blockReader reads a range of a blob. It gives out no byte before the block
// with it was checked. Whole blocks are read straight into its caller's slice.
type blockReader struct {
	id      blob.ID
	file    vfs.File
	base    int64 // of the payload in the file
	size    int64 // of the payload
	pos     int64 // next byte to read
	end     int64 // of the range
	table   []byte
	first   int64   // block of the table's first checksum
	block   *[]byte // room for a block of which a part is wanted
	held    []byte  // checked bytes in it that are still to be given
	buffers *buffers
	release func() // called once, by Close
	err     error
}

// start makes a reader of the range.
func (r *blockReader) start(offset, length int64) { r.pos, r.end = offset, offset+length }

// want gives the checksum of a block.
func (r *blockReader) want(block int64) (uint32, error) {
	i := (block - r.first) * 4
	if i < 0 || i+4 > int64(len(r.table)) {
		table := make([]byte, 4*min(blocks(r.end)-block, tableWindow))
		if err := r.readAt(table, r.size+4*block); err != nil {
			return 0, err
		}
		r.table, r.first, i = table, block, 0
	}
	return binary.LittleEndian.Uint32(r.table[i:]), nil
}

// readAt fills b from a place of the payload, or of what surrounds it.
func (r *blockReader) readAt(b []byte, at int64) error {
	err := readFull(r.file, b, r.base+at)
	switch {
	case err == errShort:
		return corrupt(r.id, "cut short")
	case err != nil:
		return fmt.Errorf("diskblob: read of %s: %w", r.id, err)
	}
	return nil
}

// readBlocks fills b with whole blocks, the first of which begins at a place,
// and gives how many bytes passed.
func (r *blockReader) readBlocks(b []byte, at int64) (int, error) {
	if err := r.readAt(b, at); err != nil {
		return 0, err
	}
	for done := 0; done < len(b); {
		block := (at + int64(done)) / blockSize
		n := min(len(b)-done, blockSize)
		want, err := r.want(block)
		if err == nil && checksum(b[done:done+n]) != want {
			err = corrupt(r.id, "checksum of block %d", block)
		}
		if err != nil {
			return done, err
		}
		done += n
	}
	return len(b), nil
}

func (r *blockReader) Read(p []byte) (int, error) {
	if len(r.held) > 0 {
		n := copy(p, r.held)
		r.held = r.held[n:]
		return n, nil
	}
	switch {
	case r.err != nil:
		return 0, r.err
	case r.pos == r.end:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	n := min(int64(len(p)), r.end-r.pos)
	if r.pos+n < r.size {
		n = n / blockSize * blockSize // the last block of the blob is whole at its end
	}
	if r.pos%blockSize == 0 && n > 0 {
		m, err := r.readBlocks(p[:n], r.pos)
		r.pos += int64(m)
		r.err = err
		return m, err
	}
	from := r.pos / blockSize * blockSize
	to := min(from+blockSize, r.size)
	if r.block == nil {
		r.block = r.buffers.get(blockSize)
	}
	if _, err := r.readBlocks((*r.block)[:to-from], from); err != nil {
		r.err = err
		return 0, err
	}
	r.held = (*r.block)[r.pos-from : min(to, r.end)-from]
	r.pos = min(to, r.end)
	return r.Read(p)
}

// WriteTo implements io.WriterTo.
func (r *blockReader) WriteTo(w io.Writer) (int64, error) {
	buf := r.buffers.get(int(min(r.end-r.pos, 256<<10)))
	defer r.buffers.put(buf)
	var written int64
	for {
		n, err := r.Read(*buf)
		if n > 0 {
			m, werr := w.Write((*buf)[:n])
			written += int64(m)
			if werr != nil {
				return written, werr
			}
			if m < n {
				return written, io.ErrShortWrite
			}
		}
		if err == io.EOF {
			return written, nil
		}
		if err != nil {
			return written, err
		}
	}
}

func (r *blockReader) Close() error {
	if r.release != nil {
		r.release()
		r.release = nil
		if r.block != nil {
			r.buffers.put(r.block)
			r.block, r.held = nil, nil
		}
		r.err = blob.ErrClosed
	}
	return nil
}

// heldReader gives a range of a blob that is in memory and was checked.
type heldReader struct {
	rest    []byte
	buf     *[]byte
	buffers *buffers
}

func (r *heldReader) Read(p []byte) (int, error) {
	if r.buf == nil {
		return 0, blob.ErrClosed
	}
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// WriteTo implements io.WriterTo.
func (r *heldReader) WriteTo(w io.Writer) (int64, error) {
	if r.buf == nil {
		return 0, blob.ErrClosed
	}
	if len(r.rest) == 0 {
		return 0, nil
	}
	n, err := w.Write(r.rest)
	if err == nil && n < len(r.rest) {
		err = io.ErrShortWrite
	}
	r.rest = r.rest[n:]
	return int64(n), err
}

func (r *heldReader) Close() error {
	if r.buf != nil {
		r.buffers.put(r.buf)
		r.buf = nil
	}
	return nil
}
