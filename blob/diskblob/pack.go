package diskblob

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/farhold/farhold/blob"
)

// pack is a file of records. It is appended to until it is retired, then
// sealed with an index, and removed when its last record is deleted.
type pack struct {
	store   *Store
	id      packID
	path    string
	removed bool  // under handles.mu
	sync    group // makes durable what was written to it

	mu       sync.Mutex
	file     *handle            // held while it is not sealed
	tail     int64              // where the next record goes
	durable  int64              // all before was written and synced
	inflight map[int64]struct{} // records reserved and not wholly written
	open     int                // records reserved, their outcome not known
	named    bool               // its directory was synced
	retired  bool               // takes no more records
	failed   error              // a sync failed: nothing more is made durable
	entries  map[uint32]entry   // its records, by offset, until it is sealed
	sealed   bool
	index    indexTrailer // when sealed
	live     int          // records not deleted; liveUnknown when sealed and not yet counted
	readers  map[uint32]int
	deleted  map[uint32]struct{} // deleted records of which the index does not say so yet
	holes    map[uint32]uint32   // deleted records, by offset, with size, to be punched when their readers are gone
}

const liveUnknown = -1

func newPack(s *Store, id packID) *pack {
	p := &pack{
		store:    s,
		id:       id,
		path:     s.fs.PathJoin(s.packsDir, fmt.Sprintf("%016x", uint64(id))),
		inflight: make(map[int64]struct{}),
		entries:  make(map[uint32]entry),
		readers:  make(map[uint32]int),
		deleted:  make(map[uint32]struct{}),
		holes:    make(map[uint32]uint32),
	}
	p.sync.run = p.runSync
	return p
}

// stripe appends to one pack after another. The stripes together are the packs
// that are appended to at a time.
type stripe struct {
	store *Store
	load  atomic.Int64 // bytes being written

	mu   sync.Mutex
	pack *pack
}

// startWriteMin is the size in bytes from which it pays to have the device begin
// with a record while its writer waits for the sync before its own.
const startWriteMin = 512 << 10

// appendRecord makes a record durable.
func (s *Store) appendRecord(b *recordBuffer) (record, error) {
	bytes, size := b.finish()
	span := recordSpan(size)

	// The idlest stripe; the first one when all are idle, so that few packs
	// grow while little is written.
	st := s.stripes[0]
	for _, other := range s.stripes[1:] {
		if other.load.Load() < st.load.Load() {
			st = other
		}
	}
	st.load.Add(span)
	defer st.load.Add(-span)

	p, offset, durable, err := st.reserve(span)
	if err != nil {
		return record{}, err
	}
	h := recordHeader{record: record{p.id, uint32(offset), size}, created: uint64(now()), durable: durable}
	h.put(bytes)
	if _, err := p.file.WriteAt(bytes, offset); err != nil {
		p.abandon(offset, span)
		return record{}, fmt.Errorf("diskblob: write to pack %016x: %w", uint64(p.id), err)
	}
	if len(bytes) >= startWriteMin {
		startWrite(p.file, offset, int64(len(bytes)))
	}
	p.written(offset)
	if err := p.sync.wait(); err != nil {
		p.settle(nil)
		return record{}, err
	}
	p.settle(&entry{h.offset, size, h.created, stateLive})
	return h.record, nil
}

// reserve finds room for a record of span bytes, in a new pack if need be.
func (st *stripe) reserve(span int64) (p *pack, offset, durable int64, err error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if p := st.pack; p != nil {
		if offset, durable, ok := p.reserve(span); ok {
			return p, offset, durable, nil
		}
		st.pack = nil
		p.retire()
	}
	if p, err = st.store.createPack(); err != nil {
		return nil, 0, 0, err
	}
	st.pack = p
	offset, durable, _ = p.reserve(span) // it is empty, and a record fits
	return p, offset, durable, nil
}

// createPack makes an empty pack. Its name and header become durable with its
// first record.
func (s *Store) createPack() (*pack, error) {
	p := newPack(s, s.packs.next())
	f, err := s.fs.OpenReadWrite(p.path, vfs.WriteCategoryUnspecified)
	if err == nil {
		if _, err = f.WriteAt(packHeader(p.id, time.Now()), 0); err != nil {
			err = errors.Join(err, f.Close(), s.fs.Remove(p.path))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("diskblob: create pack: %w", err)
	}
	p.file = s.handles.add(p, f)
	p.tail, p.durable = align, align
	s.packs.add(p)
	return p, nil
}

// reserve takes the next span bytes. It is not ok if the pack takes no more.
func (p *pack) reserve(span int64) (offset, durable int64, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.retired || p.tail > align && p.tail+span > p.store.opts.PackMax {
		return 0, 0, false
	}
	offset = p.tail
	p.tail += span
	p.inflight[offset] = struct{}{}
	p.open++
	return offset, p.durable, true
}

// written notes that a record was written.
func (p *pack) written(offset int64) {
	p.mu.Lock()
	delete(p.inflight, offset)
	p.mu.Unlock()
}

// settle notes the outcome of a record: e if it is committed.
func (p *pack) settle(e *entry) {
	p.mu.Lock()
	p.open--
	if e != nil {
		p.entries[e.offset] = *e
		p.live++
	}
	ready := p.retired && p.open == 0
	p.mu.Unlock()
	if ready {
		p.store.tasks <- task{pack: p, seal: true}
	}
}

// abandon gives up a record that could not be written, and with it the pack:
// the gap must stay behind all that is known to be durable, which the next
// recovery tells from what later records say.
func (p *pack) abandon(offset, span int64) {
	punch(p.file, offset, span) // the bytes are nobody's; if it fails they go with the pack
	p.mu.Lock()
	p.retired = true
	p.mu.Unlock()
	p.settle(nil)
}

// retire ends appending.
func (p *pack) retire() {
	p.mu.Lock()
	again := p.retired
	p.retired = true
	ready := p.open == 0 && !again
	p.mu.Unlock()
	if ready && !p.store.closed.Load() {
		p.store.tasks <- task{pack: p, seal: true}
	}
}

// runSync makes what was written durable, with the pack's name. It is run by
// the group only, one at a time.
func (p *pack) runSync() error {
	s := p.store
	p.mu.Lock()
	if p.failed != nil {
		p.mu.Unlock()
		return p.failed
	}
	bound := p.tail
	for offset := range p.inflight {
		bound = min(bound, offset)
	}
	named := p.named
	p.mu.Unlock()

	file, err := s.handles.acquire(p)
	if err == nil {
		err = s.syncData(file)
		s.handles.release(file)
	}
	if err != nil {
		err = mapError(fmt.Errorf("diskblob: sync of pack %016x: %w", uint64(p.id), err))
	} else if !named {
		err = s.packName.wait()
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.failed = err
		p.retired = true
		return err
	}
	p.durable = max(p.durable, bound)
	p.named = true
	return nil
}

// seal appends the index to a retired pack, or removes a pack that holds
// nothing. It does nothing before the last record is settled and after a failed
// sync. It is called by the keeper only, which makes all changes to an index.
func (p *pack) seal() error {
	p.mu.Lock()
	if !p.retired || p.open > 0 || p.failed != nil || p.sealed && p.live != 0 {
		p.mu.Unlock()
		return nil
	}
	if p.live == 0 {
		p.mu.Unlock()
		return p.remove()
	}
	entries := p.sortedEntries()
	t := indexTrailer{pack: p.id, offset: p.tail, count: len(entries), sound: p.durable}
	p.mu.Unlock()

	err := writeIndex(p.store, p.file, t, entries)
	if err != nil {
		return mapError(fmt.Errorf("diskblob: seal pack %016x: %w", uint64(p.id), err))
	}
	p.mu.Lock()
	p.sealed = true
	p.index = t
	p.entries = nil
	file := p.file
	p.file = nil
	p.mu.Unlock()
	p.store.handles.release(file)
	return nil
}

// writeIndex writes an index at the end of a pack and syncs it. The copy of its
// trailer is written after that and needs no sync: it matters when the end was
// lost, long after.
func writeIndex(s *Store, f vfs.File, t indexTrailer, entries []entry) error {
	b := make([]byte, 0, len(entries)*entrySize+indexTrailerSize)
	for _, e := range entries {
		b = e.append(b, t.pack)
	}
	b = t.append(b)
	if _, err := f.WriteAt(b, t.offset); err != nil {
		return err
	}
	if err := s.syncData(f); err != nil {
		return err
	}
	_, err := f.WriteAt(b[len(b)-indexTrailerSize:], packHeaderSize)
	return err
}

// readIndex reads the index of a sealed pack.
func (p *pack) readIndex(f vfs.File, t indexTrailer) ([]entry, error) {
	b := make([]byte, t.count*entrySize)
	if err := readFull(f, b, t.offset); err != nil {
		return nil, fmt.Errorf("%w: index of pack %016x: %v", blob.ErrCorrupt, uint64(p.id), err)
	}
	entries := make([]entry, t.count)
	for i := range entries {
		e, ok := parseEntry(b[i*entrySize:], p.id)
		if !ok || i > 0 && e.offset <= entries[i-1].offset {
			return nil, fmt.Errorf("%w: index of pack %016x: entry %d", blob.ErrCorrupt, uint64(p.id), i)
		}
		entries[i] = e
	}
	return entries, nil
}

// remove unlinks a pack that holds nothing any more.
func (p *pack) remove() error {
	s := p.store
	s.packs.remove(p.id)
	s.handles.forget(p)
	p.mu.Lock()
	file := p.file
	p.file = nil
	p.sealed, p.index = true, indexTrailer{}
	p.entries = nil
	clear(p.holes)
	p.mu.Unlock()
	if file != nil {
		s.handles.release(file)
	}
	if err := s.fs.Remove(p.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("diskblob: remove pack %016x: %w", uint64(p.id), err)
	}
	return nil
}

// enter keeps a record's bytes where they are until leave. It tells whether the
// record was deleted.
func (p *pack) enter(offset uint32) (deleted bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.readers[offset]++
	_, deleted = p.deleted[offset]
	return deleted
}

func (p *pack) leave(offset uint32) {
	p.mu.Lock()
	p.readers[offset]--
	if p.readers[offset] > 0 {
		p.mu.Unlock()
		return
	}
	delete(p.readers, offset)
	size, ok := p.holes[offset]
	delete(p.holes, offset)
	p.mu.Unlock()
	if ok {
		p.punchRecord(offset, size)
	}
}

// punchRecord gives a deleted record's bytes back, save the block with its
// header. That it could not be done is no error: the space comes back with the
// pack's removal.
func (p *pack) punchRecord(offset, size uint32) {
	length := recordSpan(size) - align
	if length <= 0 {
		return
	}
	h, err := p.store.handles.acquire(p)
	if err != nil {
		return
	}
	punch(h, int64(offset)+align, length)
	p.store.handles.release(h)
}

// puncher is a file that is not the system's and can give a range of itself back.
type puncher interface {
	Punch(offset, length int64) error
}

// punch gives a range of a pack back to the file system. Where that cannot be
// done the space comes back with the file's removal.
func punch(f *handle, offset, length int64) error {
	if p, ok := f.File.(puncher); ok {
		return p.Punch(offset, length)
	}
	return punchSystem(f.File, offset, length)
}

// readFull is io.ReadFull at an offset.
func readFull(f vfs.File, b []byte, at int64) error {
	if at < 0 || at > math.MaxInt64-int64(len(b)) {
		return errShort
	}
	n, err := f.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == nil || isEOF(err) {
		return errShort
	}
	return err
}

var errShort = errors.New("the file is cut short")
