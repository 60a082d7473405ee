// Package memblob keeps blobs in memory: the engine of tests and simulations.
// Its IDs follow from a seed, and it can be told to fail its n-th operation.
package memblob

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/farhold/farhold/blob"
)

// Options shape a Store. The zero value is usable.
type Options struct {
	// Volume is the first part of each ID; empty means "m". At most 24 bytes
	// of letters, digits and hyphens.
	Volume string
	// Seed determines the IDs: two stores of one seed give the same IDs to
	// the same sequence of commits.
	Seed uint64
	// Capacity bounds the bytes of committed blobs and of writers under way;
	// beyond it writes return blob.ErrFull. Zero means no bound.
	Capacity int64
}

// Store is a blob.Store in memory. Bytes are durable as long as it lives.
type Store struct {
	opts  Options
	fault faults

	mu     sync.Mutex
	rng    *rand.Rand
	blobs  map[blob.ID]entry
	sorted []blob.ID // the keys of blobs in order; nil when it must be made anew
	used   int64
	closed bool
}

type entry struct {
	data    []byte // never changed in place while a reader may hold it
	sum     uint32
	created time.Time
}

// New gives an empty store.
func New(opts Options) *Store {
	if opts.Volume == "" {
		opts.Volume = "m"
	}
	return &Store{
		opts:  opts,
		rng:   rand.New(rand.NewPCG(opts.Seed, 0x6d656d626c6f62)),
		blobs: make(map[blob.ID]entry),
	}
}

// Create implements blob.Store.
func (s *Store) Create(ctx context.Context, sizeHint int64) (blob.Writer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := s.fault.check(OpCreate); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, blob.ErrClosed
	}
	return &writer{store: s}, nil
}

// Open implements blob.Store.
func (s *Store) Open(ctx context.Context, id blob.ID, offset, length int64) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := s.fault.check(OpOpen); err != nil {
		return nil, err
	}
	s.mu.Lock()
	e, ok := s.blobs[id]
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return nil, blob.ErrClosed
	}
	if !ok {
		return nil, fmt.Errorf("%w: %s", blob.ErrNotFound, id)
	}
	if crc32.Checksum(e.data, castagnoli) != e.sum {
		return nil, fmt.Errorf("%w: %s", blob.ErrCorrupt, id)
	}
	offset, length, err := blob.Clamp(offset, length, int64(len(e.data)))
	if err != nil {
		return nil, err
	}
	return &reader{Reader: *bytes.NewReader(e.data[offset : offset+length]), fault: &s.fault}, nil
}

// Delete implements blob.Store.
func (s *Store) Delete(ctx context.Context, id blob.ID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.fault.check(OpDelete); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return blob.ErrClosed
	}
	if e, ok := s.blobs[id]; ok {
		s.used -= int64(len(e.data))
		delete(s.blobs, id)
		s.sorted = nil
	}
	return nil
}

// List implements blob.Store. It shows the blobs that are there when it is
// called.
func (s *Store) List(ctx context.Context, after blob.ID) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		if err := s.fault.check(OpList); err != nil {
			yield(blob.Info{}, err)
			return
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			yield(blob.Info{}, blob.ErrClosed)
			return
		}
		if s.sorted == nil {
			s.sorted = make([]blob.ID, 0, len(s.blobs))
			for id := range s.blobs {
				s.sorted = append(s.sorted, id)
			}
			slices.Sort(s.sorted)
		}
		from, found := slices.BinarySearch(s.sorted, after)
		if found {
			from++
		}
		ids := s.sorted[from:] // replaced, never changed, by later commits
		s.mu.Unlock()
		for _, id := range ids {
			if err := ctx.Err(); err != nil {
				yield(blob.Info{}, err)
				return
			}
			s.mu.Lock()
			e, ok := s.blobs[id]
			s.mu.Unlock()
			if !ok {
				continue
			}
			if !yield(blob.Info{ID: id, Size: int64(len(e.data)), Created: e.created}, nil) {
				return
			}
		}
	}
}

// Close implements blob.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// Len is the number of committed blobs.
func (s *Store) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.blobs)
}

// Corrupt flips a bit of a blob's stored bytes at offset, as a failing disk
// would. It reports whether the blob is there and has such a byte.
func (s *Store) Corrupt(id blob.ID, offset int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.blobs[id]
	if !ok || offset < 0 || offset >= int64(len(e.data)) {
		return false
	}
	e.data = bytes.Clone(e.data)
	e.data[offset] ^= 1
	s.blobs[id] = e
	return true
}

// reserve takes n bytes of the capacity.
func (s *Store) reserve(n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return blob.ErrClosed
	}
	if s.opts.Capacity > 0 && s.used+n > s.opts.Capacity {
		return blob.ErrFull
	}
	s.used += n
	return nil
}

func (s *Store) release(n int64) {
	s.mu.Lock()
	s.used -= n
	s.mu.Unlock()
}

// castagnoli is the polynomial of the checksums; it is never changed.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// writer is a blob.Writer.
type writer struct {
	store *Store
	data  []byte
	err   error // sticky
	done  bool  // committed or aborted
}

func (w *writer) Write(p []byte) (int, error) {
	switch {
	case w.err != nil:
		return 0, w.err
	case w.done:
		return 0, blob.ErrClosed
	}
	if err := w.store.fault.check(OpWrite); err != nil {
		return 0, w.fail(err)
	}
	if err := w.store.reserve(int64(len(p))); err != nil {
		return 0, w.fail(err)
	}
	w.data = append(w.data, p...)
	return len(p), nil
}

func (w *writer) Commit(ctx context.Context) (blob.ID, error) {
	switch {
	case w.err != nil:
		return "", w.err
	case w.done:
		return "", blob.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return "", w.fail(err)
	}
	if err := w.store.fault.check(OpCommit); err != nil {
		return "", w.fail(err)
	}
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		w.err = blob.ErrClosed
		return "", w.err
	}
	id := blob.ID(fmt.Sprintf("%s.%016x%08x", s.opts.Volume, s.rng.Uint64(), s.rng.Uint32()))
	s.blobs[id] = entry{data: w.data, sum: crc32.Checksum(w.data, castagnoli), created: time.Now().Truncate(time.Second)}
	s.sorted = nil
	w.done = true
	w.data = nil
	return id, nil
}

func (w *writer) Abort() {
	if !w.done && w.err == nil {
		w.done = true
		w.store.release(int64(len(w.data)))
		w.data = nil
	}
}

// fail gives up what was written and makes the error stick.
func (w *writer) fail(err error) error {
	w.store.release(int64(len(w.data)))
	w.data = nil
	w.err = err
	return err
}

// reader is a blob's reader; it holds the bytes, so a delete does not matter.
type reader struct {
	bytes.Reader
	fault  *faults
	closed bool
}

func (r *reader) Read(p []byte) (int, error) {
	if r.closed {
		return 0, blob.ErrClosed
	}
	if err := r.fault.check(OpRead); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

func (r *reader) WriteTo(w io.Writer) (int64, error) {
	if r.closed {
		return 0, blob.ErrClosed
	}
	if err := r.fault.check(OpRead); err != nil {
		return 0, err
	}
	return r.Reader.WriteTo(w)
}

func (r *reader) Close() error {
	r.closed = true
	return nil
}
