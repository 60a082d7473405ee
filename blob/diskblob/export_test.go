package diskblob

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/farhold/farhold/blob"
)

// Drain waits until the keeper has done all that was asked of it before.
func (s *Store) Drain() {
	done := make(chan struct{})
	s.tasks <- task{done: done}
	<-done
}

// Locate tells where a blob lies: the name of its file under the volume's folder,
// and where in it the payload begins, and how long it is.
func (s *Store) Locate(id string) (name string, offset, size int64) {
	p, ok := parseID(s.opts.Volume, blob.ID(id))
	if !ok {
		panic("no ID: " + id)
	}
	switch p := p.(type) {
	case record:
		return fmt.Sprintf("packs/%016x", uint64(p.pack)), int64(p.offset) + recordHeaderSize, int64(p.size)
	default:
		f := p.(single)
		return fmt.Sprintf("files/%06x/%s", f.folder, f.name()), 0, f.size
	}
}

// OpenPacks is how many packs the store has open.
func (s *Store) OpenPacks() int {
	s.handles.mu.Lock()
	defer s.handles.mu.Unlock()
	return len(s.handles.byPack)
}

// RecordHeaderSize is how far before the payload a record begins.
const RecordHeaderSize = recordHeaderSize

// FS is the store's file system.
func (s *Store) FS() vfs.FS { return s.fs }

// NamesWaited tells whether somebody waits for a sync of names that has not
// begun.
func (s *Store) NamesWaited() bool {
	groups := []*group{&s.packName}
	s.files.mu.Lock()
	if f := s.files.folder; f != nil {
		groups = append(groups, &f.named)
	}
	s.files.mu.Unlock()
	for _, g := range groups {
		g.mu.Lock()
		waited := g.waiting != nil
		g.mu.Unlock()
		if waited {
			return true
		}
	}
	return false
}
