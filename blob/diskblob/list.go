package diskblob

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/farhold/farhold/blob"
)

// List implements blob.Store: the files, then the packs. What is unreadable is
// given as an error, with the place's name if it has one, and the listing goes
// on.
func (s *Store) List(ctx context.Context, after blob.ID) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		if err := s.usable(ctx); err != nil {
			yield(blob.Info{}, err)
			return
		}
		if s.files.each(ctx, string(after), yield) {
			s.eachRecord(ctx, string(after), yield)
		}
	}
}

// each yields the files after an ID. It tells whether to go on.
func (fl *files) each(ctx context.Context, after string, yield func(blob.Info, error) bool) bool {
	volume := fl.store.opts.Volume
	if before(volume+".f", after) {
		return true
	}
	folders, err := fl.folders()
	if err != nil {
		return yield(blob.Info{}, err)
	}
	for _, number := range folders {
		if before(fmt.Sprintf("%s.f%06x", volume, number), after) {
			continue
		}
		list, err := fl.list(number)
		if err != nil && !yield(blob.Info{}, err) {
			return false
		}
		for _, f := range list {
			id := f.id(volume)
			if string(id) <= after {
				continue
			}
			if err := ctx.Err(); err != nil {
				yield(blob.Info{}, err)
				return false
			}
			if !yield(blob.Info{ID: id, Size: f.size, Created: time.Unix(int64(f.created), 0)}, nil) {
				return false
			}
		}
	}
	return true
}

// eachRecord yields the records of packs after an ID.
func (s *Store) eachRecord(ctx context.Context, after string, yield func(blob.Info, error) bool) {
	volume := s.opts.Volume
	for _, p := range s.packs.all() {
		if before(fmt.Sprintf("%s.p%016x", volume, uint64(p.id)), after) {
			continue
		}
		entries, err := p.list()
		if err != nil && !yield(blob.Info{}, err) {
			return
		}
		for _, e := range entries {
			info := blob.Info{
				ID:      record{p.id, e.offset, e.size}.id(volume),
				Size:    int64(e.size),
				Created: time.Unix(int64(e.created), 0),
			}
			if string(info.ID) <= after {
				continue
			}
			if err := ctx.Err(); err != nil {
				yield(blob.Info{}, err)
				return
			}
			if p.isDeleted(e.offset) {
				continue
			}
			var spoilt error
			if e.state == stateLost {
				spoilt = corrupt(info.ID, "no record can be read there, but there was one")
			}
			if !yield(info, spoilt) {
				return
			}
		}
	}
}

// list gives the records of a pack that are not deleted, in order.
func (p *pack) list() ([]entry, error) {
	p.mu.Lock()
	sealed, index := p.sealed, p.index
	entries := p.sortedEntries()
	p.mu.Unlock()
	if sealed {
		file, err := p.store.handles.acquire(p)
		if errors.Is(err, errRemoved) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w: pack %016x cannot be opened: %v", blob.ErrCorrupt, uint64(p.id), err)
		}
		defer p.store.handles.release(file)
		if entries, err = p.readIndex(file, index); err != nil {
			// The headers say the same.
			if entries, _, err = p.scan(file, index.offset, index.sound); err != nil {
				return nil, err
			}
		}
	}
	entries = slices.DeleteFunc(entries, func(e entry) bool { return e.state == stateDead })
	if sealed && len(entries) == 0 {
		// A crash came before it was removed.
		select {
		case p.store.tasks <- task{pack: p, seal: true}:
		default: // the next listing tries again
		}
	}
	return entries, nil
}

// isDeleted tells of a record whether it was deleted and the index does not say
// so yet.
func (p *pack) isDeleted(offset uint32) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, deleted := p.deleted[offset]
	return deleted
}
