// Package pebblekv is kv on Pebble, a log-structured merge tree in one folder
// of the local disk: the engine of a region with a single node.
//
// # Commits
//
// A commit takes latches on its keys, checks its guards, puts its batch into
// Pebble's log and memory, gives the latches back, and waits for the log's
// next sync, which it shares with every commit that arrived meanwhile. Its
// batch is visible to others before that sync. Snapshot.Settled and Barrier
// wait for what isn't durable: see flights.
//
// # When the disk fails
//
// A write or sync of the log or manifest that fails ends the store's promises:
// see health. It is opened again to go on. Tables that can't be written are
// tried again, once a second.
//
// # When the disk is full
//
// A full store refuses what grows (kv.ErrFull) and goes on with the rest from
// a reserve: see room. It resumes by itself. Commits that were under way when
// even the reserve ran out wait for space.
//
// # When the disk lies
//
// Changed bytes in a table are found by its checksums when they are read, and
// changed bytes in the log when it is replayed, unless they lie behind its last
// sync but one: there they can't be told from a write that a crash cut short.
// Both are kv.ErrCorrupt with the name of the file.
package pebblekv

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/farhold/farhold/kv"
)

// Options says where and how a store is kept.
type Options struct {
	// FS is the file system, the machine's own when nil.
	FS vfs.FS
	// Dir is the folder. It is made when it isn't there, and so are its parents.
	Dir string
	// CacheSize is the size of the block cache in bytes: 128 MiB when 0.
	CacheSize int64
	// MemTableSize is the size in bytes of a table of writes that aren't sorted
	// into files yet: 64 MiB when 0. Up to four of them are kept.
	MemTableSize uint64
	// Reserve is the space in bytes that is held back for the day when the disk
	// is full: 64 MiB when 0, none when negative. The store also counts as full
	// when less than half of this is left beside it.
	Reserve int64
	// Log, when it isn't nil, is told what goes wrong in the background. It is
	// called under the engine's mutex: it must be quick and not use the store.
	Log func(message string)

	poll time.Duration // between looks at the disk: a second when 0
}

// Store is a folder that is open.
type Store struct {
	db      *pebble.DB
	lock    *pebble.Lock
	log     func(string)
	latches *kv.Latches
	flights flights
	rows    rows
	health  health
	room    *room
	wake    chan struct{}
	counts  counts
	tidy    tidier
	stalled atomic.Bool   // the log takes no commits at present
	watched chan struct{} // closed when watch has returned

	closing sync.Mutex
	closed  bool

	// hasty is the mutant of the crash test: it shows what isn't durable.
	hasty bool
}

var _ kv.Store = (*Store)(nil)

// Open opens the folder, or makes a new one. It returns an error that says so
// when another process has it open, and kv.ErrCorrupt with the name of the
// file when what is found isn't what was written.
func Open(o Options) (*Store, error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.CacheSize == 0 {
		o.CacheSize = 128 << 20
	}
	if o.MemTableSize == 0 {
		o.MemTableSize = 64 << 20
	}
	if o.Reserve == 0 {
		o.Reserve = 64 << 20
	}
	if o.poll == 0 {
		o.poll = time.Second
	}
	if o.Log == nil {
		o.Log = func(string) {}
	}
	dir, lock, err := enter(o.FS, o.Dir)
	if err != nil {
		return nil, fmt.Errorf("kv: open %s: %w", o.Dir, mapped(err))
	}
	o.Dir = dir
	s := &Store{
		lock:    lock,
		log:     o.Log,
		latches: kv.NewLatches(),
		room:    newRoom(o),
		wake:    make(chan struct{}, 1),
		watched: make(chan struct{}),
	}
	s.health.onDeath, s.health.log = s.flights.kill, o.Log
	if !s.room.refill() {
		s.room.full.Store(true) // there may still be enough to start with
	}
	d := &disk{FS: o.FS, health: &s.health, room: s.room}
	if err := s.openDB(o, d); err != nil {
		err = mapped(err)
		if name := d.replayed.Load(); name != nil && errors.Is(err, kv.ErrCorrupt) {
			err = fmt.Errorf("while reading %s: %w", *name, err)
		}
		return nil, errors.Join(fmt.Errorf("kv: open %s: %w", o.Dir, err), lock.Close())
	}
	s.room.opened.Store(true)
	go s.watch()
	s.startTidier()
	return s, nil
}

// openDB opens Pebble on d.
func (s *Store) openDB(o Options, d *disk) error {
	before, err := pebble.Peek(o.Dir, d)
	if err != nil {
		return err
	}
	if !before.Exists {
		if err := vacant(d, o.Dir); err != nil {
			return err
		}
	}
	p := s.tuned(o)
	p.FS = d
	s.db, err = pebble.Open(o.Dir, p)
	if err == nil && (!before.Exists || before.FormatMajorVersion < pebble.FormatNewest) {
		// The first log of a new folder is in the oldest format, which can't
		// tell a corrupt middle from the end. This begins another one.
		err = s.db.Flush()
	}
	if cause := s.health.reason(); cause != nil {
		err = cause // Pebble was kept going to get here: see disk
	}
	if err != nil && s.db != nil {
		_ = s.db.Close()
	}
	return err
}

// vacant returns kv.ErrCorrupt when a folder without a marker holds rows.
// Pebble would take it for new and clear it.
func vacant(fs vfs.FS, dir string) error {
	list, err := fs.List(dir)
	if err != nil {
		return err
	}
	for _, name := range list {
		if strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".blob") || strings.HasSuffix(name, ".log") {
			return fmt.Errorf("%w: %s is there without a marker.manifest", kv.ErrCorrupt, fs.PathJoin(dir, name))
		}
	}
	return nil
}

// tuned gives Pebble's options for many small rows, written by many at once,
// on a machine with a few cores that mostly serves objects.
func (s *Store) tuned(o Options) *pebble.Options {
	p := &pebble.Options{
		Lock: s.lock,
		// Pebble takes the tables in memory out of the cache's share: one that is
		// written, one that is sorted into files, and one kept for reuse.
		CacheSize:          o.CacheSize + 3*int64(o.MemTableSize),
		FormatMajorVersion: pebble.FormatNewest,
		Logger:             &s.health,
		MemTableSize:       o.MemTableSize,
		// Writers stop while this many tables wait to be sorted into files: a
		// burst of about 200 MB goes through without a stall.
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       24,
		LBaseMaxBytes:               64 << 20,
		// Commits that arrive during a sync share the next one. Waiting longer
		// on purpose would only add to the answer's time.
		WALMinSyncInterval: func() time.Duration { return 0 },
		WALBytesPerSync:    0,
		BytesPerSync:       1 << 20,
		MaxOpenFiles:       1000,
		// Two at most, so that sorting never takes half of a small machine.
		CompactionConcurrencyRange: func() (int, int) { return 1, 2 },
	}
	p.EventListener = &pebble.EventListener{
		BackgroundError: func(err error) {
			if s.counts.failed() {
				s.log("kv: background work failed: " + err.Error())
			}
		},
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			s.log(fmt.Sprintf("kv: corrupt: %s: %v", i.Path, i.Details))
		},
		WriteStallBegin: func(i pebble.WriteStallBeginInfo) {
			s.counts.stalls.Add(1)
			s.log("kv: writes wait: " + i.Reason)
		},
	}
	p.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionFastest })
	p.TargetFileSizes[0] = 4 << 20
	for i := range p.Levels {
		l := &p.Levels[i]
		l.BlockSize = 16 << 10
		l.IndexBlockSize = 64 << 10
		// 1 % of absent keys cost a look into a file: guards of absence, which
		// every first PUT of a key has, are the most frequent reads.
		l.FilterPolicy = bloom.FilterPolicy(10)
		l.FilterType = pebble.TableFilter
	}
	return p
}

// Barrier implements kv.Store. It syncs nothing itself: every commit asks for
// a sync of its own, so there is only to wait for those under way.
func (s *Store) Barrier(ctx context.Context) error {
	if s.health.closed.Load() {
		return kv.ErrClosed
	}
	if s.hasty {
		return nil
	}
	return s.flights.wait(ctx, s.flights.issued.Load())
}

// Wake implements kv.Store.
func (s *Store) Wake() <-chan struct{} { return s.wake }

// Close implements kv.Store. It writes nothing that wasn't durable before.
func (s *Store) Close() error {
	s.closing.Lock()
	defer s.closing.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.health.closed.Store(true)
	close(s.room.done)
	<-s.watched
	s.tidy.stop()
	err := s.db.Close()
	if s.health.failed() {
		err = nil // the commits that it struck were told
	}
	return errors.Join(err, s.lock.Close())
}
