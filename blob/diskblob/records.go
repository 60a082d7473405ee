package diskblob

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/farhold/farhold/blob"
)

// wholeMax is the size in bytes of the greatest record that is read at once
// when all of it is wanted; partMax is the same when a part is.
const (
	wholeMax = 1 << 20
	partMax  = 128 << 10
)

// openRecord reads a range of a record. What looks spoilt is read again: a mark
// of deletion may have been half written.
func (s *Store) openRecord(id blob.ID, r record, offset, length int64) (io.ReadCloser, error) {
	rc, err := s.tryRecord(id, r, offset, length)
	if errors.Is(err, blob.ErrCorrupt) {
		rc, err = s.tryRecord(id, r, offset, length)
	}
	return rc, err
}

func (s *Store) tryRecord(id blob.ID, r record, offset, length int64) (io.ReadCloser, error) {
	p := s.packs.get(r.pack)
	if p == nil {
		return nil, fmt.Errorf("%w: %s", blob.ErrNotFound, id)
	}
	if deleted := p.enter(r.offset); deleted {
		p.leave(r.offset)
		return nil, fmt.Errorf("%w: %s", blob.ErrNotFound, id)
	}
	file, err := s.handles.acquire(p)
	if err != nil {
		p.leave(r.offset)
		return nil, p.openError(id, err)
	}
	release := func() {
		s.handles.release(file)
		p.leave(r.offset)
	}
	whole := offset == 0 && (length == -1 || length == int64(r.size))
	if r.size <= partMax || whole && r.size <= wholeMax {
		defer release()
		return s.readRecord(file, r, id, offset, length)
	}
	br := &blockReader{id: id, file: file, base: int64(r.offset) + recordHeaderSize, size: int64(r.size), buffers: &s.buffers, release: release}
	if err := br.openRecord(r, offset, length); err != nil {
		release()
		return nil, err
	}
	return br, nil
}

// openError is why a pack that should be there cannot be opened.
func (p *pack) openError(id blob.ID, err error) error {
	if errors.Is(err, errRemoved) {
		return fmt.Errorf("%w: %s", blob.ErrNotFound, id)
	}
	return corrupt(id, "its pack cannot be opened: %v", err)
}

// readRecord reads a whole record with one read and checks it.
func (s *Store) readRecord(file *handle, r record, id blob.ID, offset, length int64) (io.ReadCloser, error) {
	buf := s.buffers.get(int(recordSize(r.size)))
	payload, err := s.checkRecord(file, r, id, *buf)
	if err == nil {
		offset, length, err = blob.Clamp(offset, length, int64(r.size))
	}
	if err != nil {
		s.buffers.put(buf)
		return nil, err
	}
	return &heldReader{rest: payload[offset : offset+length], buf: buf, buffers: &s.buffers}, nil
}

// checkRecord fills b with a record and gives its payload.
func (s *Store) checkRecord(file *handle, r record, id blob.ID, b []byte) ([]byte, error) {
	short := readFull(file, b, int64(r.offset))
	if short != nil {
		if short != errShort {
			return nil, fmt.Errorf("diskblob: read of %s: %w", id, short)
		}
		// The header tells what is cut short, or that there is no such blob.
		if err := readFull(file, b[:recordHeaderSize], int64(r.offset)); err != nil {
			return nil, corrupt(id, "cut short")
		}
	}
	if err := checkHeader(b, r, id); err != nil {
		return nil, err
	}
	if short != nil {
		return nil, corrupt(id, "cut short")
	}
	payload := b[recordHeaderSize : recordHeaderSize+int(r.size)]
	if block := spoiltBlock(payload, b[recordHeaderSize+int(r.size):]); block >= 0 {
		return nil, corrupt(id, "checksum of block %d", block)
	}
	return payload, nil
}

// spoiltBlock finds the first block that does not match the table, or gives -1.
func spoiltBlock(payload, table []byte) int {
	for i := 0; len(payload) > 0; i++ {
		n := min(len(payload), blockSize)
		if checksum(payload[:n]) != binary.LittleEndian.Uint32(table[4*i:]) {
			return i
		}
		payload = payload[n:]
	}
	return -1
}

// openRecord checks a record's header.
func (br *blockReader) openRecord(r record, offset, length int64) error {
	var b [recordHeaderSize]byte
	if err := br.readAt(b[:], -recordHeaderSize); err != nil {
		return err
	}
	if err := checkHeader(b[:], r, br.id); err != nil {
		return err
	}
	offset, length, err := blob.Clamp(offset, length, br.size)
	if err != nil {
		return err
	}
	br.start(offset, length)
	return nil
}

// checkHeader wants the header of a live record. A sound one of another size
// tells that no such blob was ever made.
func checkHeader(b []byte, r record, id blob.ID) error {
	h, err := parseRecordHeader(b, r.pack, int64(r.offset))
	if err != nil {
		return corrupt(id, "%v", err)
	}
	if h.state == stateDead || h.size != r.size {
		return fmt.Errorf("%w: %s", blob.ErrNotFound, id)
	}
	return nil
}

// deleteRecord marks a record; the keeper does the rest.
func (s *Store) deleteRecord(ctx context.Context, id blob.ID, r record) error {
	p := s.packs.get(r.pack)
	if p == nil {
		return nil
	}
	fresh, err := p.mark(r, id)
	if err != nil || !fresh {
		return err
	}
	select {
	case s.tasks <- task{pack: p, record: r}:
		return nil
	case <-ctx.Done():
		// The mark is made; whoever asks again has the keeper told again.
		p.mu.Lock()
		delete(p.deleted, r.offset)
		p.mu.Unlock()
		return ctx.Err()
	}
}

// mark writes the mark of deletion into a record's header. It is not fresh if
// the keeper knows already or there is nothing to do.
func (p *pack) mark(r record, id blob.ID) (fresh bool, err error) {
	p.mu.Lock()
	if _, again := p.deleted[r.offset]; again {
		p.mu.Unlock()
		return false, nil
	}
	p.deleted[r.offset] = struct{}{} // nobody else marks it from here on
	p.mu.Unlock()
	defer func() {
		if !fresh {
			p.mu.Lock()
			delete(p.deleted, r.offset)
			p.mu.Unlock()
		}
	}()

	file, err := p.store.handles.acquire(p)
	if errors.Is(err, errRemoved) {
		return false, nil
	}
	if err != nil {
		return false, p.openError(id, err)
	}
	defer p.store.handles.release(file)
	var b [recordHeaderSize]byte
	if err := readFull(file, b[:], int64(r.offset)); err != nil && err != errShort {
		return false, fmt.Errorf("diskblob: delete of %s: %w", id, err)
	}
	h, err := parseRecordHeader(b[:], r.pack, int64(r.offset))
	switch {
	case err != nil:
		// Spoilt. The index tells the keeper whether there was a record.
		return true, nil
	case h.size != r.size:
		return false, nil
	case h.state == stateDead:
		// Deleted, but a crash may have come before the index said so.
		return true, nil
	}
	if _, err := file.WriteAt(deadWord(), int64(r.offset)+stateAt); err != nil {
		return false, mapError(fmt.Errorf("diskblob: delete of %s: %w", id, err)) // full: on a file system that copies on write
	}
	return true, nil
}

// deadWord is the mark of a deleted record.
func deadWord() []byte { return binary.LittleEndian.AppendUint32(nil, stateDead) }
