package diskblob

import (
	"container/list"
	"errors"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// handlesMax is how many packs are kept open beyond those in use.
const handlesMax = 256

// handles keeps packs open, one file for each, for all who read or mark it.
type handles struct {
	fs vfs.FS

	mu     sync.Mutex
	byPack map[packID]*handle
	idle   list.List // of *handle without users, longest idle first
	closed bool
}

// handle is an open pack.
type handle struct {
	vfs.File
	pack  packID
	users int
	place *list.Element // in idle
	gone  bool          // not in byPack any more
}

func (c *handles) init(fs vfs.FS) {
	c.fs = fs
	c.byPack = make(map[packID]*handle)
}

// errRemoved is returned for a pack that was removed because it was empty.
var errRemoved = errors.New("diskblob: pack removed")

// acquire gives an open pack; release gives it back. A pack that was removed
// is errRemoved, and so is every one after close.
func (c *handles) acquire(p *pack) (*handle, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.removed || c.closed {
		return nil, errRemoved
	}
	h := c.byPack[p.id]
	if h == nil {
		// OpenReadWrite would make the file.
		if _, err := c.fs.Stat(p.path); err != nil {
			return nil, err
		}
		f, err := c.fs.OpenReadWrite(p.path, vfs.WriteCategoryUnspecified)
		if err != nil {
			return nil, err
		}
		h = &handle{File: f, pack: p.id}
		c.byPack[p.id] = h
	}
	c.use(h)
	return h, nil
}

// add takes over the open file of a new pack, with one user.
func (c *handles) add(p *pack, f vfs.File) *handle {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := &handle{File: f, pack: p.id}
	c.byPack[p.id] = h
	c.use(h)
	return h
}

func (c *handles) use(h *handle) {
	h.users++
	if h.place != nil {
		c.idle.Remove(h.place)
		h.place = nil
	}
}

// release ends one use.
func (c *handles) release(h *handle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h.users--
	switch {
	case h.users > 0:
	case h.gone:
		h.File.Close()
	default:
		h.place = c.idle.PushBack(h)
		for c.idle.Len() > handlesMax {
			oldest := c.idle.Remove(c.idle.Front()).(*handle)
			delete(c.byPack, oldest.pack)
			oldest.File.Close() // was synced by whoever wrote
		}
	}
}

// forget has a pack that is about to be removed opened no more. Whoever uses it
// goes on.
func (c *handles) forget(p *pack) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.removed = true
	if h := c.byPack[p.id]; h != nil {
		delete(c.byPack, p.id)
		h.gone = true
		if h.place != nil {
			c.idle.Remove(h.place)
			h.place = nil
			h.File.Close()
		}
	}
}

// close closes what nobody uses. Readers that are still open close the rest.
func (c *handles) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, h := range c.byPack {
		delete(c.byPack, id)
		h.gone = true
		if h.users == 0 {
			h.File.Close()
		}
	}
	c.idle.Init()
	c.closed = true
}
