package diskblob

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/farhold/farhold/blob"
)

func isEOF(err error) bool { return errors.Is(err, io.EOF) }

// tableWindow is how many checksums of a blob are in memory at a time: those of
// 256 MiB.
const tableWindow = 4096

// blockReader reads a range of a blob straight into its caller's slices, and
// checks the blocks as they fill: no call gives the last byte of a block, or of
// the range in it, before the block has passed.
type blockReader struct {
	id      blob.ID
	file    vfs.File
	base    int64 // of the payload in the file
	size    int64 // of the payload
	pos     int64 // next byte to give
	end     int64 // of the range
	crc     uint32
	crcTo   int64 // crc covers the block of this place, from its begin to here
	table   []byte
	first   int64 // block of the table's first checksum
	buffers *buffers
	release func() // called once, by Close
	err     error
}

// start makes a reader of the range. table may hold the checksums from that of
// block first on.
func (r *blockReader) start(offset, length int64) {
	r.pos, r.end = offset, offset+length
	r.crcTo = r.pos / blockSize * blockSize
}

// want gives the checksum of a block.
func (r *blockReader) want(block int64) (uint32, error) {
	i := (block - r.first) * 4
	if i < 0 || i+4 > int64(len(r.table)) {
		n := min(blocks(r.size)-block, tableWindow, blocks(r.end)-block)
		table := make([]byte, 4*n)
		if err := r.readAt(table, r.size+4*block); err != nil {
			return 0, err
		}
		r.table, r.first, i = table, block, 0
	}
	return binary.LittleEndian.Uint32(r.table[i:]), nil
}

// readAt fills b from a place of the payload, or of the table behind it.
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

// check takes b, which follows what was checked before, into account. It gives
// how many of its bytes lie in blocks that passed or are not yet full.
func (r *blockReader) check(b []byte) (int, error) {
	done := 0
	for done < len(b) {
		block := r.crcTo / blockSize
		end := min((block+1)*blockSize, r.size)
		n := int(min(int64(len(b)-done), end-r.crcTo))
		r.crc = crc32.Update(r.crc, castagnoli, b[done:done+n])
		r.crcTo += int64(n)
		if r.crcTo == end {
			want, err := r.want(block)
			if err != nil {
				return done, err
			}
			if r.crc != want {
				return done, corrupt(r.id, "checksum of block %d", block)
			}
			r.crc = 0
		}
		done += n
	}
	return done, nil
}

// pass checks bytes of a block that are not given out, up to a place.
func (r *blockReader) pass(to int64) error {
	if to <= r.crcTo {
		return nil
	}
	scratch := r.buffers.get(int(to - r.crcTo))
	defer r.buffers.put(scratch)
	if err := r.readAt(*scratch, r.crcTo); err != nil {
		return err
	}
	_, err := r.check(*scratch)
	return err
}

func (r *blockReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if r.pos == r.end {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := r.read(p[:min(int64(len(p)), r.end-r.pos)])
	if err != nil {
		r.err = err
	}
	return n, err
}

// read fills p.
func (r *blockReader) read(p []byte) (int, error) {
	if err := r.pass(r.pos); err != nil { // the begin of the range's first block
		return 0, err
	}
	if err := r.readAt(p, r.pos); err != nil {
		return 0, err
	}
	n, err := r.check(p)
	if err == nil && r.pos+int64(n) == r.end { // the rest of its last block
		if rest := min((r.end+blockSize-1)/blockSize*blockSize, r.size); rest > r.end {
			if err = r.pass(rest); err != nil {
				n = int(max(0, r.end/blockSize*blockSize-r.pos))
			}
		}
	}
	r.pos += int64(n)
	return n, err
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
