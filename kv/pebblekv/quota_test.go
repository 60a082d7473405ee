package pebblekv

import (
	"os"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"
)

// quotaFS is a file system with so many bytes. Its limit can change, as it does
// when others fill the disk or tidy up.
type quotaFS struct {
	vfs.FS
	err error // what a write beyond the limit gets: ENOSPC or EDQUOT

	mu    sync.Mutex
	limit int64
	used  int64
	files map[string]*quotaFile
}

// quotaFile is what a file takes.
type quotaFile struct {
	vfs.File
	fs   *quotaFS
	size int64
	took int64 // size or what was preallocated, whichever is more
	gone bool
}

func newQuota(fs vfs.FS, limit int64, err unix.Errno) *quotaFS {
	return &quotaFS{FS: fs, err: &os.PathError{Op: "write", Path: "quota", Err: err}, limit: limit, files: map[string]*quotaFile{}}
}

func (fs *quotaFS) setLimit(limit int64) {
	fs.mu.Lock()
	fs.limit = limit
	fs.mu.Unlock()
}

func (fs *quotaFS) usage() int64 {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.used
}

func (fs *quotaFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.used >= fs.limit {
		return nil, fs.err
	}
	f, err := fs.FS.Create(name, c)
	if err != nil {
		return nil, err
	}
	fs.forget(name)
	q := &quotaFile{File: f, fs: fs}
	fs.files[name] = q
	return q, nil
}

func (fs *quotaFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.files[name] == nil && fs.used >= fs.limit {
		return nil, fs.err
	}
	f, err := fs.FS.OpenReadWrite(name, c, o...)
	if err != nil {
		return nil, err
	}
	q := fs.files[name]
	if q == nil {
		q = &quotaFile{fs: fs}
	}
	q.File = f
	fs.files[name] = q
	return q, nil
}

func (fs *quotaFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f, err := fs.FS.ReuseForWrite(old, name, c)
	if err != nil {
		return nil, err
	}
	q := &quotaFile{File: f, fs: fs}
	if was := fs.files[old]; was != nil {
		q.took = was.took
		delete(fs.files, old)
	}
	fs.files[name] = q
	return q, nil
}

func (fs *quotaFS) Remove(name string) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	err := fs.FS.Remove(name)
	if err == nil {
		fs.forget(name)
	}
	return err
}

func (fs *quotaFS) Rename(old, name string) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	err := fs.FS.Rename(old, name)
	if err == nil {
		fs.forget(name)
		if q := fs.files[old]; q != nil {
			fs.files[name] = q
			delete(fs.files, old)
		}
	}
	return err
}

func (fs *quotaFS) forget(name string) {
	if q := fs.files[name]; q != nil {
		fs.used -= q.took
		q.gone = true
		delete(fs.files, name)
	}
}

// Write writes as much as fits, as a disk does.
func (f *quotaFile) Write(p []byte) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	n := int64(len(p))
	// What was set aside for the file is there whatever others do.
	if room := f.took - f.size + max(0, f.fs.limit-f.fs.used); !f.gone && n > room {
		n = room
	}
	wrote, err := f.File.Write(p[:n])
	f.grow(f.size + int64(wrote))
	if err == nil && wrote < len(p) {
		err = f.fs.err
	}
	return wrote, err
}

func (f *quotaFile) grow(size int64) {
	f.size = size
	if size > f.took && !f.gone {
		f.fs.used += size - f.took
		f.took = size
	}
}

func (f *quotaFile) Preallocate(offset, length int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	more := offset + length - f.took
	if more <= 0 {
		return nil
	}
	if f.fs.used+more > f.fs.limit {
		return f.fs.err
	}
	f.fs.used += more
	f.took += more
	return nil
}
