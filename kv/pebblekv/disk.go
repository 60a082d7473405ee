package pebblekv

import (
	"errors"
	"os"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// disk is the file system that Pebble sees. It stands between Pebble and two
// kinds of trouble that Pebble takes for the end of the process.
//
// A full disk. Pebble can't go on after a failed write of its log or manifest,
// so such a write takes a piece of the reserve, and when there is none left it
// waits for space instead of failing: see room. Tables are given up, which
// returns what they took, and Pebble writes them again later.
//
// A write or sync of the log or manifest that fails for any other reason. What
// the disk holds is unknown then, and nothing may follow: a log that goes on
// behind a hole is read as corrupt. So the store dies first (see health), and
// only then is Pebble told that all went well, because it would panic inside
// its locks otherwise. No commit rests on that lie: each looks whether the
// store is dead after its sync. From then on the log, the manifest and the
// names on the disk stay as they are. Pebble goes on from memory, so that what
// was durable can still be read.
type disk struct {
	vfs.FS // the file system below
	health *health
	room   *room

	// replayed is the log or manifest that Open reads last, for errors that
	// don't name it.
	replayed atomic.Pointer[string]
}

// kind says what a failure to write a file means.
type kind uint8

const (
	table kind = iota // can be written again
	merge             // a table that only tidies up, and may be put off
	vital             // the manifest, and what makes names durable
	wal               // the log: commits rest on it
)

// must reports whether Pebble can't do without files of this kind.
func (k kind) must() bool { return k == vital || k == wal }

func kindOf(base string, category vfs.DiskWriteCategory) kind {
	switch {
	case strings.HasSuffix(base, ".log"):
		return wal
	case category == "pebble-compaction" || category == "pebble-blob-file-rewrite":
		return merge
	case strings.HasSuffix(base, ".sst") || strings.HasSuffix(base, ".blob"):
		return table
	}
	return vital
}

// openTries is how often Pebble may fail to write a table while it opens. It
// tries again at once, and for ever.
const openTries = 5

// write runs a write of a file until it succeeds. It reports false when the
// write is to be passed over because the store is dead. An error is for Pebble
// to deal with, which it does for tables only.
func (d *disk) write(k kind, op func() error) (bool, error) {
	for {
		if d.muted(k) {
			return false, nil
		}
		err := op()
		switch {
		case err == nil:
			return true, nil
		case noSpace(err) && d.room.find(k):
			continue
		case k.must():
			d.health.die(err)
			return false, nil
		case !d.room.opened.Load():
			if d.health.tries.Add(1) > openTries {
				d.health.die(err)
				return false, nil
			}
		}
		// Pebble starts failed work again at once.
		d.room.pause()
		return true, err
	}
}

// muted reports whether files of this kind are no longer written. Tables of a
// dead store are: nothing on the disk refers to them, but its readers do.
func (d *disk) muted(k kind) bool {
	return d.health.failed() && (k.must() || !d.room.opened.Load())
}

func (d *disk) create(k kind, op func() (vfs.File, error)) (vfs.File, error) {
	var f vfs.File
	done, err := d.write(k, func() (err error) {
		f, err = op()
		return err
	})
	if err != nil {
		return nil, err
	}
	if !done {
		return nowhere{}, nil
	}
	return &diskFile{File: f, disk: d, kind: k}, nil
}

// Create implements vfs.FS.
func (d *disk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := d.order(name); err != nil {
		return nil, err
	}
	return d.create(kindOf(d.PathBase(name), category), func() (vfs.File, error) {
		return d.FS.Create(name, category)
	})
}

// ReuseForWrite implements vfs.FS.
func (d *disk) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return d.create(kindOf(d.PathBase(newname), category), func() (vfs.File, error) {
		return d.FS.ReuseForWrite(oldname, newname, category)
	})
}

// OpenReadWrite implements vfs.FS.
func (d *disk) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return d.create(kindOf(d.PathBase(name), category), func() (vfs.File, error) {
		return d.FS.OpenReadWrite(name, category, opts...)
	})
}

// Open implements vfs.FS.
func (d *disk) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	if !d.room.opened.Load() && kindOf(d.PathBase(name), vfs.WriteCategoryUnspecified).must() {
		d.replayed.Store(&name)
	}
	return d.FS.Open(name, opts...)
}

// OpenDir implements vfs.FS.
func (d *disk) OpenDir(name string) (vfs.File, error) {
	f, err := d.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &diskFile{File: f, disk: d, kind: vital}, nil
}

// Link implements vfs.FS.
func (d *disk) Link(oldname, newname string) error { return d.name(d.FS.Link, oldname, newname) }

// Rename implements vfs.FS.
func (d *disk) Rename(oldname, newname string) error { return d.name(d.FS.Rename, oldname, newname) }

func (d *disk) name(op func(oldname, newname string) error, oldname, newname string) error {
	_, err := d.write(vital, func() error { return op(oldname, newname) })
	return err
}

// MkdirAll implements vfs.FS.
func (d *disk) MkdirAll(dir string, perm os.FileMode) error {
	_, err := d.write(vital, func() error { return d.FS.MkdirAll(dir, perm) })
	return err
}

// Remove implements vfs.FS. A dead store removes nothing: what it would remove
// may be all that holds some rows.
func (d *disk) Remove(name string) error {
	if d.health.failed() {
		return nil
	}
	if err := d.order(name); err != nil {
		return err
	}
	return d.FS.Remove(name)
}

// order makes the names in a folder durable before one of its markers comes or
// goes. A marker says which manifest counts. Pebble syncs the folder once, after
// it has made a manifest, made its marker and removed the last one; a file
// system that doesn't keep the order of these three could lose the manifest
// or, worse, both markers, and the folder would look new.
func (d *disk) order(name string) error {
	if !strings.HasPrefix(d.PathBase(name), "marker.") || d.health.failed() {
		return nil
	}
	dir, err := d.OpenDir(d.PathDir(name))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// RemoveAll implements vfs.FS.
func (d *disk) RemoveAll(name string) error {
	if d.health.failed() {
		return nil
	}
	return d.FS.RemoveAll(name)
}

// Unwrap implements vfs.FS.
func (d *disk) Unwrap() vfs.FS { return d.FS }

// diskFile is a file that is written, or a folder.
type diskFile struct {
	vfs.File
	disk *disk
	kind kind
}

// Write implements vfs.File.
func (f *diskFile) Write(p []byte) (int, error) {
	at := 0
	done, err := f.disk.write(f.kind, func() error {
		n, err := f.File.Write(p[at:])
		at += n
		return err
	})
	if !done {
		return len(p), nil
	}
	return at, err
}

// WriteAt implements vfs.File.
func (f *diskFile) WriteAt(p []byte, offset int64) (int, error) {
	at := 0
	done, err := f.disk.write(f.kind, func() error {
		n, err := f.File.WriteAt(p[at:], offset+int64(at))
		at += n
		return err
	})
	if !done {
		return len(p), nil
	}
	return at, err
}

// Sync implements vfs.File. A sync that failed is never tried again: the
// kernel has forgotten what it could not write, and a second one succeeds.
func (f *diskFile) Sync() error { return f.sync(f.File.Sync) }

// SyncData implements vfs.File.
func (f *diskFile) SyncData() error { return f.sync(f.File.SyncData) }

// SyncTo implements vfs.File.
func (f *diskFile) SyncTo(length int64) (full bool, err error) {
	err = f.sync(func() (err error) {
		full, err = f.File.SyncTo(length)
		return err
	})
	return full, err
}

// Close implements vfs.File.
func (f *diskFile) Close() error { return f.final(f.File.Close()) }

func (f *diskFile) sync(op func() error) error {
	if f.disk.muted(f.kind) {
		return nil
	}
	return f.final(op())
}

// final deals with the error of what can't be tried again.
func (f *diskFile) final(err error) error {
	if err == nil || !f.kind.must() {
		return err
	}
	f.disk.health.die(err)
	return nil
}
