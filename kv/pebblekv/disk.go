package pebblekv

import (
	"io"
	"os"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// disk is the file system that Pebble sees. It stands between Pebble and two
// kinds of trouble that Pebble takes for the end of the process.
//
// A full disk. Pebble can't go on after a failed write of its log or manifest,
// so such a write takes a piece of the reserve, and when there is none left it
// waits for space instead of failing: see room. Tables are given up, which
// returns what they took, and written again later.
//
// A failed write or sync of the log, for any other reason. What the disk holds
// is unknown then, and nothing may be written any more: a log that goes on
// behind a hole is read as corrupt. So the store dies first, and only then
// Pebble is told that all went well, because it would panic in the middle of
// its locks otherwise. No commit rests on that lie: each looks whether the
// store is dead after its sync. From then on this file system changes nothing
// on the disk.
type disk struct {
	vfs.FS // the file system below
	health *health
	room   *room
}

// kind says what a failure to write a file means.
type kind uint8

const (
	table kind = iota // can be written again
	merge             // a table that only tidies up, and may be put off
	vital             // the manifest and its like: Pebble can't do without
	wal               // the log: commits rest on it
)

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

// retry runs op until it succeeds, fails for another reason than space, or
// must be given up.
func (d *disk) retry(k kind, op func() error) error {
	for {
		if d.health.failed() {
			if k != wal {
				d.room.pause() // Pebble tries failed work again at once, for ever
			}
			return d.health.check()
		}
		err := op()
		if !noSpace(err) {
			return err
		}
		if !d.room.find(k) {
			return err
		}
	}
}

// Create implements vfs.FS.
func (d *disk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	k := kindOf(d.PathBase(name), category)
	var f vfs.File
	err := d.retry(k, func() (err error) {
		f, err = d.FS.Create(name, category)
		return err
	})
	return d.created(f, k, err)
}

// ReuseForWrite implements vfs.FS.
func (d *disk) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	k := kindOf(d.PathBase(newname), category)
	var f vfs.File
	err := d.retry(k, func() (err error) {
		f, err = d.FS.ReuseForWrite(oldname, newname, category)
		return err
	})
	return d.created(f, k, err)
}

func (d *disk) created(f vfs.File, k kind, err error) (vfs.File, error) {
	if err != nil {
		if k != wal {
			return nil, err
		}
		d.health.die(err)
		return nowhere{}, nil
	}
	return &diskFile{File: f, disk: d, kind: k}, nil
}

// OpenReadWrite implements vfs.FS.
func (d *disk) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	k := kindOf(d.PathBase(name), category)
	var f vfs.File
	err := d.retry(k, func() (err error) {
		f, err = d.FS.OpenReadWrite(name, category, opts...)
		return err
	})
	return d.created(f, k, err)
}

// OpenDir implements vfs.FS.
func (d *disk) OpenDir(name string) (vfs.File, error) {
	f, err := d.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &diskFile{File: f, disk: d, kind: wal}, nil
}

// Link implements vfs.FS.
func (d *disk) Link(oldname, newname string) error {
	return d.retry(vital, func() error { return d.FS.Link(oldname, newname) })
}

// Rename implements vfs.FS.
func (d *disk) Rename(oldname, newname string) error {
	return d.retry(vital, func() error { return d.FS.Rename(oldname, newname) })
}

// MkdirAll implements vfs.FS.
func (d *disk) MkdirAll(dir string, perm os.FileMode) error {
	return d.retry(vital, func() error { return d.FS.MkdirAll(dir, perm) })
}

// Remove implements vfs.FS. A dead store removes nothing: what it would remove
// may be all that holds some rows.
func (d *disk) Remove(name string) error {
	if d.health.failed() {
		return d.health.check()
	}
	return d.FS.Remove(name)
}

// RemoveAll implements vfs.FS.
func (d *disk) RemoveAll(name string) error {
	if d.health.failed() {
		return d.health.check()
	}
	return d.FS.RemoveAll(name)
}

// Unwrap implements vfs.FS.
func (d *disk) Unwrap() vfs.FS { return d.FS }

// diskFile is a file, or a folder, that is written.
type diskFile struct {
	vfs.File
	disk *disk
	kind kind
}

// Write implements vfs.File.
func (f *diskFile) Write(p []byte) (int, error) {
	done := 0
	err := f.disk.retry(f.kind, func() error {
		n, err := f.File.Write(p[done:])
		done += n
		return err
	})
	if err != nil && f.kind == wal {
		return len(p), f.dead(err)
	}
	return done, err
}

// WriteAt implements vfs.File.
func (f *diskFile) WriteAt(p []byte, offset int64) (int, error) {
	done := 0
	err := f.disk.retry(f.kind, func() error {
		n, err := f.File.WriteAt(p[done:], offset+int64(done))
		done += n
		return err
	})
	if err != nil && f.kind == wal {
		return len(p), f.dead(err)
	}
	return done, err
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
func (f *diskFile) Close() error {
	err := f.File.Close()
	if err != nil && f.kind == wal {
		return f.dead(err)
	}
	return err
}

func (f *diskFile) sync(op func() error) error {
	if f.disk.health.failed() {
		if f.kind == wal {
			return nil
		}
		return f.disk.health.check()
	}
	err := op()
	if err != nil && f.kind == wal {
		return f.dead(err)
	}
	return err
}

// dead ends the store and gives the nil that keeps Pebble from panicking.
func (f *diskFile) dead(cause error) error {
	f.disk.health.die(cause)
	return nil
}

// nowhere is a log that could not be made. The store is dead when it is used.
type nowhere struct{}

func (nowhere) Close() error                           { return nil }
func (nowhere) Read([]byte) (int, error)               { return 0, io.EOF }
func (nowhere) ReadAt([]byte, int64) (int, error)      { return 0, io.EOF }
func (nowhere) Write(p []byte) (int, error)            { return len(p), nil }
func (nowhere) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (nowhere) Preallocate(int64, int64) error         { return nil }
func (nowhere) Stat() (vfs.FileInfo, error)            { return nowhereInfo{}, nil }
func (nowhere) Sync() error                            { return nil }
func (nowhere) SyncTo(int64) (bool, error)             { return false, nil }
func (nowhere) SyncData() error                        { return nil }
func (nowhere) Prefetch(int64, int64) error            { return nil }
func (nowhere) Fd() uintptr                            { return vfs.InvalidFd }

type nowhereInfo struct{}

func (nowhereInfo) Name() string           { return "nowhere.log" }
func (nowhereInfo) Size() int64            { return 0 }
func (nowhereInfo) Mode() os.FileMode      { return 0o600 }
func (nowhereInfo) ModTime() time.Time     { return time.Time{} }
func (nowhereInfo) IsDir() bool            { return false }
func (nowhereInfo) Sys() any               { return nil }
func (nowhereInfo) DeviceID() vfs.DeviceID { return vfs.DeviceID{} }
