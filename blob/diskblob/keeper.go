package diskblob

import (
	"errors"
	"fmt"
	"sort"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// tasksMax is how many tasks wait for the keeper before whoever deletes waits
// too.
const tasksMax = 4096

// task is work for the keeper.
type task struct {
	pack   *pack
	seal   bool          // seal the pack, or remove it if it is empty
	record record        // or else: this record is marked as deleted
	done   chan struct{} // or else: closed when all tasks before are done
}

// keep works in the background: it seals packs, and it finishes deletions, many
// at once, because each batch takes a sync of each pack in it. It alone changes
// indexes. It ends when tasks is closed and done.
func (s *Store) keep() {
	defer s.keeping.Done()
	var late []*pack // could not be sealed: tried again with the next batch
	for first := range s.tasks {
		batch := []task{first}
	gather:
		for len(batch) < tasksMax {
			select {
			case t, ok := <-s.tasks:
				if !ok {
					break gather
				}
				batch = append(batch, t)
			default:
				break gather
			}
		}
		deleted := make(map[*pack][]record)
		var packs []*pack // in the order of the tasks, so that runs repeat
		seal := late
		late = nil
		for _, t := range batch {
			switch {
			case t.seal:
				seal = append(seal, t.pack)
			case t.pack != nil:
				if deleted[t.pack] == nil {
					packs = append(packs, t.pack)
				}
				deleted[t.pack] = append(deleted[t.pack], t.record)
			}
		}
		for _, p := range packs {
			// What fails here leaves deleted records in the index, where
			// the collector finds them and deletes them again.
			p.bury(deleted[p])
		}
		for _, p := range seal {
			if err := p.tidy(); err != nil {
				late = append(late, p)
			}
		}
		for _, t := range batch {
			if t.done != nil {
				close(t.done)
			}
		}
	}
}

// tidy seals a pack that is not, and removes one that is empty.
func (p *pack) tidy() error {
	p.mu.Lock()
	sealed := p.sealed
	p.mu.Unlock()
	if sealed {
		file, err := p.store.handles.acquire(p)
		if err != nil {
			return nil // removed already; or it cannot be opened, which List tells
		}
		err = p.count(file)
		p.store.handles.release(file)
		if err != nil {
			return nil // List tells
		}
	}
	return p.seal()
}

// bury finishes the deletion of records that are marked. Their marks are synced
// first: holes and the index's word must not come before them. In a pack that
// cannot be synced any more the deletion is only in memory, and the space comes
// back when the volume is opened the next time and the collector frees them.
func (p *pack) bury(records []record) (err error) {
	defer func() {
		p.mu.Lock()
		for _, r := range records {
			if p.failed != nil {
				continue
			}
			delete(p.deleted, r.offset)
		}
		p.mu.Unlock()
	}()
	file, err := p.store.handles.acquire(p)
	if errors.Is(err, errRemoved) {
		return nil
	}
	if err != nil {
		return err
	}
	defer p.store.handles.release(file)

	var found []record
	for _, r := range records {
		e, ok, err := p.find(file, r)
		if err != nil {
			return err
		}
		if !ok || e.state == stateDead {
			continue
		}
		if err := p.remark(file, r); err != nil {
			return err
		}
		found = append(found, r)
	}
	if len(found) == 0 {
		return nil
	}
	if err := p.sync.wait(); err != nil {
		return err
	}
	for _, r := range found {
		if err := p.strike(file, r); err != nil {
			return err
		}
	}
	p.mu.Lock()
	empty := p.sealed && p.live == 0
	p.mu.Unlock()
	if empty {
		return p.remove()
	}
	return nil
}

// remark writes a new header for a deleted record whose own is spoilt.
func (p *pack) remark(file vfs.File, r record) error {
	var b [recordHeaderSize]byte
	if err := readFull(file, b[:], int64(r.offset)); err == nil {
		if _, err := parseRecordHeader(b[:], r.pack, int64(r.offset)); err == nil {
			return nil
		}
	}
	h := recordHeader{record: r, state: stateDead}
	h.put(b[:])
	_, err := file.WriteAt(b[:], int64(r.offset))
	return err
}

// find looks a record up among the entries, wherever they are. What recovery
// found unreadable goes by its offset alone.
func (p *pack) find(file *handle, r record) (e entry, ok bool, err error) {
	match := func(e entry) bool {
		return e.offset == r.offset && (e.size == r.size || e.state == stateLost)
	}
	p.mu.Lock()
	if !p.sealed {
		defer p.mu.Unlock()
		e, ok = p.entries[r.offset]
		return e, ok && match(e), nil
	}
	p.mu.Unlock()
	if err := p.count(file); err != nil {
		return e, false, err
	}
	p.mu.Lock()
	index := p.index
	p.mu.Unlock()
	i, e, err := p.search(file, index, r.offset)
	return e, err == nil && i < index.count && match(e), err
}

// search finds the first entry of a sealed pack's index that is not before an
// offset. It reads the few that it looks at: an index in memory for each pack
// would be much for a large volume.
func (p *pack) search(file vfs.File, index indexTrailer, offset uint32) (i int, at entry, err error) {
	get := func(i int) (e entry) {
		var b [entrySize]byte
		rerr := readFull(file, b[:], index.offset+int64(i)*entrySize)
		e, ok := parseEntry(b[:], p.id)
		if rerr == nil && !ok {
			rerr = fmt.Errorf("index of pack %016x: entry %d is spoilt", uint64(p.id), i)
		}
		if rerr != nil && err == nil {
			err = rerr
		}
		return e
	}
	i = sort.Search(index.count, func(i int) bool { return err != nil || get(i).offset >= offset })
	if err == nil && i < index.count {
		at = get(i)
	}
	return i, at, err
}

// count learns how many of a sealed pack's records are not deleted, once. An
// index that it finds spoilt is made anew.
func (p *pack) count(file *handle) error {
	p.mu.Lock()
	known, index := p.live != liveUnknown, p.index
	p.mu.Unlock()
	if known {
		return nil
	}
	entries, err := p.readIndex(file, index)
	if err != nil {
		return p.reindex(file)
	}
	p.mu.Lock()
	p.live = countLive(entries)
	p.mu.Unlock()
	return nil
}

// strike says in the index that a record is deleted, and gives its bytes back
// when nobody reads them.
func (p *pack) strike(file vfs.File, r record) error {
	p.mu.Lock()
	sealed, index := p.sealed, p.index
	if !sealed {
		if e, ok := p.entries[r.offset]; ok && e.state != stateDead {
			e.state = stateDead
			p.entries[r.offset] = e
			p.live--
		}
	}
	p.mu.Unlock()
	if sealed {
		i, e, err := p.search(file, index, r.offset)
		if err != nil {
			return err
		}
		if i == index.count || e.offset != r.offset || e.state == stateDead {
			return nil
		}
		if _, err := file.WriteAt(deadWord(), index.offset+int64(i)*entrySize+entryStateAt); err != nil {
			return err
		}
		p.mu.Lock()
		p.live--
		p.mu.Unlock()
	}
	p.mu.Lock()
	read := p.readers[r.offset] > 0
	if read {
		p.holes[r.offset] = r.size
	}
	p.mu.Unlock()
	if !read {
		p.punchRecord(r.offset, r.size)
	}
	return nil
}
