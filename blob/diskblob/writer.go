package diskblob

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/farhold/farhold/blob"
)

// writer is a blob.Writer: it gathers a record in memory and goes over to a
// file when it grows beyond FileMin.
type writer struct {
	store  *Store
	record *recordBuffer // until it is a file
	file   *fileWriter
	err    error // sticky
}

var errWriterDone = errors.New("diskblob: the writer has ended")

func (w *writer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if w.record != nil && int64(w.record.size()+len(p)) >= w.store.opts.FileMin {
		if err := w.spill(); err != nil {
			return 0, w.end(err)
		}
	}
	if w.file != nil {
		if err := w.file.write(p); err != nil {
			return 0, w.end(err)
		}
		return len(p), nil
	}
	w.record.write(p)
	return len(p), nil
}

// spill makes a file of what was gathered.
func (w *writer) spill() error {
	f, err := w.store.files.create()
	if err != nil {
		return err
	}
	w.file = f
	err = f.write((*w.record.buf)[recordHeaderSize:])
	w.record.free()
	w.record = nil
	return err
}

func (w *writer) Commit(ctx context.Context) (blob.ID, error) {
	if w.err != nil {
		return "", w.err
	}
	if err := w.store.writable(ctx); err != nil {
		return "", w.end(err)
	}
	if w.file != nil {
		f, err := w.file.commit()
		w.file = nil // it cleared up after itself
		if err != nil {
			return "", w.end(err)
		}
		w.end(errWriterDone)
		return f.id(w.store.opts.Volume), nil
	}
	r, err := w.store.appendRecord(w.record)
	if err != nil {
		return "", w.end(err)
	}
	w.end(errWriterDone)
	return r.id(w.store.opts.Volume), nil
}

func (w *writer) Abort() {
	if w.err == nil {
		w.end(errWriterDone)
	}
}

// end frees what is held; err is what further calls give.
func (w *writer) end(err error) error {
	err = mapError(err)
	w.err = err
	if w.record != nil {
		w.record.free()
		w.record = nil
	}
	if w.file != nil {
		w.file.abort()
		w.file = nil
	}
	return err
}

// recordBuffer gathers a record: room for the header, and the payload.
type recordBuffer struct {
	store *Store
	buf   *[]byte
	sum   summer
}

func newRecordBuffer(s *Store, hint int64) *recordBuffer {
	hint = min(max(hint, 0), s.opts.FileMin)
	b := s.buffers.get(recordHeaderSize + int(hint) + int(tableSize(hint)))
	*b = (*b)[:recordHeaderSize]
	return &recordBuffer{store: s, buf: b}
}

func (r *recordBuffer) size() int { return len(*r.buf) - recordHeaderSize }

func (r *recordBuffer) write(p []byte) {
	r.sum.write(p)
	if need := len(*r.buf) + len(p); need > cap(*r.buf) {
		// At least twice as much, so that what grows step by step is copied
		// little.
		bigger := r.store.buffers.get(max(need, min(2*cap(*r.buf), int(r.store.opts.FileMin)+slack)))
		*bigger = append((*bigger)[:0], *r.buf...)
		r.store.buffers.put(r.buf)
		r.buf = bigger
	}
	*r.buf = append(*r.buf, p...)
}

// finish adds the table and gives the record's bytes; the header is yet to be
// put. Nothing is written afterwards.
func (r *recordBuffer) finish() (bytes []byte, size uint32) {
	size = uint32(r.size())
	table := r.sum.finish()
	*r.buf = append(slices.Grow(*r.buf, len(table)), table...)
	return *r.buf, size
}

func (r *recordBuffer) free() { r.store.buffers.put(r.buf) }

// corrupt is the error for a blob that is not what was written.
func corrupt(id blob.ID, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", blob.ErrCorrupt, id, fmt.Sprintf(format, args...))
}
