// Package diskblob keeps blobs on a file system: small ones as records of
// shared, append-only packs, where one sync makes the records of many writers
// durable; large ones in files of their own.
//
// # Layout
//
//	LOCK              held while a Store is open
//	VOLUME            the volume's name and format
//	packs/<16 hex>    packs; see packHeader, recordHeader, entry
//	files/<6 hex>/…   files of large blobs, some thousands to a folder
//	tmp/              files not yet committed; emptied when the volume is opened
//
// Nothing is preallocated: it was measured to gain nothing, because records are
// long and their syncs are shared.
//
// # Durability
//
// Commit returns after the blob's bytes were synced, and the directory that
// names its pack or file. A file gets its name after its bytes are durable. A
// record is told by its checksums: what a crash tore is never taken for one.
// So a crash leaves a committed blob whole, and another one whole or not at
// all. A whole one that nobody knows of is listed, and the collector frees it.
//
// A sync that fails is never tried again: the kernel forgets what it could not
// write, and a second sync would succeed over the loss. Its writers get the
// error, its pack takes no more records, keeps what it has until the volume is
// opened the next time, and its file is removed. A directory's
// failed sync ends all writing (blob.ErrClosed), because the names that it lost
// cannot be told.
//
// Delete is not synced. A crash may bring the blob back; the collector frees it
// again. A deleted record is marked in place; after a sync of the mark its
// bytes are given back to the file system by punching a hole, save the block
// with its header, which says that it is deleted. The order matters: a hole
// without a durable mark would read as corruption. When all records of a pack
// are deleted the pack is removed.
//
// # Corruption
//
// Each 64 KiB of a blob have a CRC-32C, which every read checks before it gives
// out a byte of them; trailers and headers name their own place, so
// bytes of another one are not taken for it. The AEAD of the seal above would
// find the same, but later, and not in a blob that is shipped as it is. What
// does not match is blob.ErrCorrupt with the blob's name; only a deletion that
// is on record, or a missing file, is blob.ErrNotFound.
package diskblob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/farhold/farhold/blob"
)

// Options shape a Store.
type Options struct {
	// FS is the file system; nil means the machine's.
	FS vfs.FS
	// Dir is the folder of the volume. It is made if it is not there.
	Dir string
	// Volume names the volume in its IDs: 1 to 20 of a-z, 0-9 and hyphen. A
	// folder keeps the name that it was made with.
	Volume string
	// PackMax is the length in bytes at which a pack is full, at most 4 GiB;
	// 0 means 1 GiB.
	PackMax int64
	// FileMin is the size in bytes from which a blob has a file of its own, at
	// most half of PackMax and 64 MiB; 0 means 2 MiB, from where files were as
	// fast as packs when measured. A writer holds so many bytes in memory.
	FileMin int64
	// Packs is how many packs are appended to at a time, at most 64; 0 means
	// 4. More let the device work on several syncs at once.
	Packs int
	// Mutant leaves out a step that durability needs. It is for crash tests
	// only, which must fail then: "no-file-sync" or "no-dir-sync".
	Mutant string
}

// The mutants.
const (
	mutantNoFileSync = "no-file-sync"
	mutantNoDirSync  = "no-dir-sync"
)

func (o *Options) fill() error {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.PackMax == 0 {
		o.PackMax = 1 << 30
	}
	if o.FileMin == 0 {
		o.FileMin = min(2<<20, o.PackMax/2)
	}
	if o.Packs == 0 {
		o.Packs = 4
	}
	switch {
	case !validVolume(o.Volume):
		return fmt.Errorf("diskblob: volume name %q is not 1 to %d of a-z, 0-9 and -", o.Volume, volumeMax)
	case o.Dir == "":
		return errors.New("diskblob: no folder given")
	case o.PackMax < 4*align || o.PackMax > 4<<30:
		return fmt.Errorf("diskblob: packs of %d bytes", o.PackMax)
	case o.FileMin < 1 || o.FileMin > 64<<20 || o.FileMin > o.PackMax/2:
		return fmt.Errorf("diskblob: files from %d bytes with packs of %d", o.FileMin, o.PackMax)
	case o.Packs < 1 || o.Packs > 64:
		return fmt.Errorf("diskblob: %d packs at a time", o.Packs)
	case o.Mutant != "" && o.Mutant != mutantNoFileSync && o.Mutant != mutantNoDirSync:
		return fmt.Errorf("diskblob: no mutant %q", o.Mutant)
	}
	return nil
}

// Store is a blob.Store in a folder.
type Store struct {
	opts    Options
	fs      vfs.FS
	lock    io.Closer
	handles handles
	buffers buffers
	closed  atomic.Bool
	stopped atomic.Pointer[error] // why no more is written

	packsDir string
	packs    packSet
	stripes  []*stripe
	packName group // syncs packsDir

	files files

	tasks   chan task // for the keeper
	keeping sync.WaitGroup
}

// Open opens the volume in a folder, or makes one in an empty folder. Only one
// Store may have a folder open.
func Open(opts Options) (_ *Store, err error) {
	if err := opts.fill(); err != nil {
		return nil, err
	}
	s := &Store{
		opts:     opts,
		fs:       opts.FS,
		packsDir: opts.FS.PathJoin(opts.Dir, "packs"),
		tasks:    make(chan task, tasksMax),
	}
	s.handles.init(opts.FS)
	if err := s.makeDir(opts.Dir); err != nil {
		return nil, fmt.Errorf("diskblob: %w", err)
	}
	if s.lock, err = s.fs.Lock(s.fs.PathJoin(opts.Dir, "LOCK")); err != nil {
		return nil, fmt.Errorf("diskblob: %s is in use: %w", opts.Dir, err)
	}
	defer func() {
		if err != nil {
			s.closePacks()
			s.lock.Close()
		}
	}()
	if err := s.openVolume(); err != nil {
		return nil, err
	}
	s.packName.run = func() error { return s.syncNames(s.packsDir) }
	if err := s.files.open(s); err != nil {
		return nil, err
	}
	if err := s.recoverPacks(); err != nil {
		return nil, err
	}
	for range opts.Packs {
		s.stripes = append(s.stripes, &stripe{store: s})
	}
	s.keeping.Add(1)
	go s.keep()
	return s, nil
}

// Close implements blob.Store. Packs are sealed, so that the next Open need not
// scan them.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	close(s.tasks)
	s.keeping.Wait()
	var errs []error
	for _, st := range s.stripes {
		if p := st.pack; p != nil {
			p.retire()
		}
	}
	for _, p := range s.packs.all() {
		if err := p.seal(); err != nil && !errors.Is(err, blob.ErrFull) {
			errs = append(errs, err) // a full disk only makes the next Open scan
		}
	}
	s.closePacks()
	return errors.Join(append(errs, s.lock.Close())...)
}

// closePacks closes the files of packs, sealed or not.
func (s *Store) closePacks() {
	for _, p := range s.packs.all() {
		p.mu.Lock()
		file := p.file
		p.file = nil
		p.mu.Unlock()
		if file != nil {
			s.handles.release(file)
		}
	}
	s.handles.close()
}

// Create implements blob.Store.
func (s *Store) Create(ctx context.Context, sizeHint int64) (blob.Writer, error) {
	if err := s.writable(ctx); err != nil {
		return nil, err
	}
	w := &writer{store: s}
	if sizeHint >= s.opts.FileMin {
		f, err := s.files.create()
		if err != nil {
			return nil, err
		}
		w.file = f
		return w, nil
	}
	w.record = newRecordBuffer(s, sizeHint)
	return w, nil
}

// Open implements blob.Store.
func (s *Store) Open(ctx context.Context, id blob.ID, offset, length int64) (io.ReadCloser, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	place, ok := parseID(s.opts.Volume, id)
	if !ok {
		return nil, fmt.Errorf("%w: %q is not of volume %s", blob.ErrNotFound, clip(id), s.opts.Volume)
	}
	switch place := place.(type) {
	case record:
		return s.openRecord(id, place, offset, length)
	default:
		return s.files.openFile(id, place.(single), offset, length)
	}
}

// Delete implements blob.Store. It is not synced; see the package's comment.
func (s *Store) Delete(ctx context.Context, id blob.ID) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	place, ok := parseID(s.opts.Volume, id)
	if !ok {
		return nil
	}
	switch place := place.(type) {
	case record:
		return s.deleteRecord(ctx, id, place)
	default:
		return s.files.delete(id, place.(single))
	}
}

// usable gives the error of a call that only reads or deletes.
func (s *Store) usable(ctx context.Context) error {
	if s.closed.Load() {
		return blob.ErrClosed
	}
	return ctx.Err()
}

// writable gives the error of a call that writes.
func (s *Store) writable(ctx context.Context) error {
	if why := s.stopped.Load(); why != nil {
		return *why
	}
	return s.usable(ctx)
}

// stop ends all writing, because names may have been lost.
func (s *Store) stop(err error) error {
	err = fmt.Errorf("%w: volume %s takes no more writes: %v", blob.ErrClosed, s.opts.Volume, err)
	s.stopped.CompareAndSwap(nil, &err)
	return err
}

// makeDir makes a folder, with those above it, and its name durable. The name
// is synced even if the folder is there: the process may have ended before it
// came to that.
func (s *Store) makeDir(dir string) error {
	parent := s.fs.PathDir(dir)
	if parent == dir {
		return nil
	}
	_, err := s.fs.Stat(dir)
	found := err == nil
	if _, err := s.fs.Stat(parent); !found && errors.Is(err, fs.ErrNotExist) {
		if err := s.makeDir(parent); err != nil {
			return err
		}
	}
	if err := s.fs.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	err = s.syncDir(parent)
	if found && errors.Is(err, fs.ErrPermission) {
		return nil // a folder that was given to us in one that we may not read
	}
	return err
}

// syncDir makes the names in a folder durable.
func (s *Store) syncDir(dir string) error {
	if s.opts.Mutant == mutantNoDirSync {
		return nil
	}
	d, err := s.fs.OpenDir(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}

// syncNames makes the names in a folder durable, for writers. When that fails all
// writing ends, and it fails for everybody from then on: a sync that follows a
// failed one may succeed without having written what the failed one did not, so
// that it says nothing about the names which were there by then. Calls for one
// folder come one after the other.
func (s *Store) syncNames(dir string) error {
	if why := s.stopped.Load(); why != nil {
		return *why
	}
	if err := s.syncDir(dir); err != nil {
		return s.stop(err)
	}
	return nil
}

// syncData makes the bytes of a file durable.
func (s *Store) syncData(f vfs.File) error {
	if s.opts.Mutant == mutantNoFileSync {
		return nil
	}
	return f.SyncData()
}

// mapError turns what the file system says when it is full into blob.ErrFull.
func mapError(err error) error {
	if err != nil && !errors.Is(err, blob.ErrFull) && isFull(err) {
		return fmt.Errorf("%w: %v", blob.ErrFull, err)
	}
	return err
}

// clip shortens what a caller gave, for an error.
func clip(id blob.ID) blob.ID {
	return id[:min(len(id), 80)]
}

// now is the machine's clock, to the second.
func now() uint32 { return uint32(time.Now().Unix()) }

// packSet is the packs of a volume.
type packSet struct {
	mu     sync.RWMutex
	byID   map[packID]*pack
	newest uint32 // the greatest count in a pack's name
}

func (ps *packSet) get(id packID) *pack {
	ps.mu.RLock()
	defer ps.mu.RUnlock()
	return ps.byID[id]
}

func (ps *packSet) add(p *pack) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.byID == nil {
		ps.byID = make(map[packID]*pack)
	}
	ps.byID[p.id] = p
	ps.newest = max(ps.newest, uint32(p.id>>32))
}

func (ps *packSet) remove(id packID) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	delete(ps.byID, id)
}

// next names a new pack.
func (ps *packSet) next() packID {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.newest++
	return packID(ps.newest)<<32 | packID(rand.Uint32())
}

// all gives the packs in the order of their IDs.
func (ps *packSet) all() []*pack {
	ps.mu.RLock()
	packs := make([]*pack, 0, len(ps.byID))
	for _, p := range ps.byID {
		packs = append(packs, p)
	}
	ps.mu.RUnlock()
	slices.SortFunc(packs, func(a, b *pack) int {
		if a.id < b.id {
			return -1
		}
		return 1
	})
	return packs
}
