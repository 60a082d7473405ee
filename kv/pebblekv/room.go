package pebblekv

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"

	"github.com/farhold/farhold/kv"
)

// piecesMax is the number of files that the reserve consists of. They are
// given up one at a time, so that whoever else fills the disk can't take the
// whole reserve at once.
const piecesMax = 8

// room is the space on the disk. A store is full from the moment when a write
// found no space, or when little is left, until there is room for the whole
// reserve again and then some. While it is full, what grows is refused; what
// frees space goes on, from the reserve:
//
//	room ──(a write finds no space, or little is left)──▶ full
//	full ──(the reserve is whole, and a piece more would fit)──▶ room
type room struct {
	fs    vfs.FS // the file system below
	dir   string
	piece int64 // bytes of a piece of the reserve; 0 without a reserve
	poll  time.Duration
	log   func(string)
	done  chan struct{} // closed when the store closes

	full   atomic.Bool
	stuck  atomic.Int32 // writers of the log or manifest who wait for space
	opened atomic.Bool  // until then nobody waits: Open fails instead

	mu    sync.Mutex
	there [piecesMax]bool
	left  int // pieces that are there
}

func newRoom(o Options) *room {
	r := &room{fs: o.FS, dir: o.Dir, poll: o.poll, log: o.Log, done: make(chan struct{})}
	if o.Reserve > 0 {
		r.piece = max(1, o.Reserve/piecesMax)
	}
	return r
}

// reserved is the whole reserve in bytes.
func (r *room) reserved() int64 { return r.piece * piecesMax }

// find is called when a write found no space. It reports whether to try again.
func (r *room) find(k kind) bool {
	if !r.full.Swap(true) {
		r.log("kv: no space left on " + r.dir)
	}
	if r.give(k) {
		return true
	}
	if !r.opened.Load() {
		return false
	}
	if k == table || k == merge {
		r.pause()
		return false
	}
	r.stuck.Add(1)
	defer r.stuck.Add(-1)
	return r.pause()
}

// pause lets some time pass. It returns false when the store is closing.
func (r *room) pause() bool {
	t := time.NewTimer(r.poll)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.done:
		return false
	}
}

// give removes a piece of the reserve. Tidying up gets half of it at most: it
// returns more than it takes, but later, and the log needs some now.
func (r *room) give(k kind) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left == 0 || k == merge && r.left <= piecesMax/2 {
		return false
	}
	for i := range r.there {
		if !r.there[i] {
			continue
		}
		r.there[i] = false
		r.left--
		if err := r.fs.Remove(r.path(i)); err != nil {
			r.log(fmt.Sprintf("kv: the reserve %s can't be given up: %v", r.path(i), err))
			continue
		}
		return true
	}
	return false
}

// refill makes the missing pieces of the reserve, and reports whether it is
// whole.
func (r *room) refill() bool {
	if r.piece == 0 {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.there {
		if r.there[i] {
			continue
		}
		if err := r.take(r.path(i)); err != nil {
			if !noSpace(err) {
				r.log(fmt.Sprintf("kv: the reserve %s can't be made: %v", r.path(i), err))
			}
			return false
		}
		r.there[i] = true
		r.left++
	}
	return true
}

// spare reports whether a piece more than the reserve would fit.
func (r *room) spare() bool {
	if r.piece == 0 {
		return true
	}
	path := r.path(piecesMax)
	if r.take(path) != nil {
		return false
	}
	return r.fs.Remove(path) == nil
}

// take makes a file that holds a piece of the disk, or nothing.
func (r *room) take(path string) error {
	f, err := r.fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	err = f.Preallocate(0, r.piece)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		err = fill(f, r.piece)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, r.fs.Remove(path))
	}
	return nil
}

// fill writes n bytes, on file systems that can't set them aside.
func fill(f vfs.File, n int64) error {
	block := make([]byte, min(n, 1<<20))
	for n > 0 {
		wrote, err := f.Write(block[:min(n, int64(len(block)))])
		if err != nil {
			return err
		}
		n -= int64(wrote)
	}
	return f.Sync()
}

func (r *room) path(i int) string { return r.fs.PathJoin(r.dir, fmt.Sprintf("reserve-%d", i)) }

// look compares what is left on the disk with what should be, and changes
// between full and not.
func (r *room) look() {
	usage, err := r.fs.GetDiskUsage(r.dir)
	known := err == nil
	low := uint64(r.reserved() / 2)
	if !r.full.Load() {
		if known && usage.AvailBytes < low {
			r.full.Store(true)
			r.log(fmt.Sprintf("kv: only %d bytes are left on %s", usage.AvailBytes, r.dir))
		}
		return
	}
	r.mu.Lock()
	missing := uint64(piecesMax-r.left) * uint64(r.piece)
	r.mu.Unlock()
	if r.stuck.Load() > 0 || known && usage.AvailBytes < missing+2*low {
		return // what there is belongs to those who wait
	}
	if r.refill() && r.spare() {
		r.full.Store(false)
		r.log("kv: there is space again on " + r.dir)
	}
}

// errNoReserve is why even a mutation that frees space is refused.
var errNoReserve = fmt.Errorf("%w: the reserve is used up too", kv.ErrFull)

// admit returns kv.ErrFull when m must wait for space. Its latches are held.
func (s *Store) admit(m *kv.Mutation) error {
	r := s.room
	if !r.full.Load() {
		return nil
	}
	if r.piece > 0 {
		r.mu.Lock()
		left := r.left
		r.mu.Unlock()
		if left == 0 {
			return errNoReserve
		}
	}
	if r.stuck.Load() > 0 {
		return errNoReserve
	}
	if m.Frees || len(m.Puts) == 0 {
		return nil
	}
	// What replaces or removes more than it adds is welcome as well.
	grow := 0
	for i := range m.Puts {
		grow += len(m.Puts[i].Key) + len(m.Puts[i].Value)
	}
	for i := range m.Puts {
		n, err := s.sizeOf(m.Puts[i].Key)
		if err != nil {
			return err
		}
		grow -= n
	}
	for _, k := range m.Deletes {
		n, err := s.sizeOf(k)
		if err != nil {
			return err
		}
		grow -= n
	}
	if grow > 0 {
		return kv.ErrFull
	}
	return nil
}

// sizeOf gives the bytes of a row, 0 when there is none.
func (s *Store) sizeOf(key []byte) (int, error) {
	v, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, mapped(err)
	}
	n := len(key) + len(v)
	return n, mapped(closer.Close())
}

// stallMax is the age of a commit at which the log counts as stuck.
const stallMax = 5 * time.Second

// watch looks after the space and the log until the store closes.
func (s *Store) watch() {
	defer close(s.watched)
	t := time.NewTicker(s.room.poll)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-s.room.done:
			return
		}
		if s.health.failed() {
			continue // a dead store leaves the disk alone
		}
		s.room.look()
		s.stalled.Store(s.flights.age() > stallMax)
	}
}

// unstall waits while the log is stuck, so that no more callers are caught in
// a wait that their contexts can't end.
func (s *Store) unstall(ctx context.Context) error {
	if !s.stalled.Load() {
		return nil
	}
	return s.flights.wait(ctx, s.flights.issued.Load())
}
