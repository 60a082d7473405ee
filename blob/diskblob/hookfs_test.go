package diskblob_test

import (
	"io"
	"os"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// op is a step that changes the file system.
type op struct {
	kind string // create, mkdir, remove, rename, write, sync, syncdir, punch
	path string
}

// hookFS asks before each step. An error fails the step, undone; lie lets it
// seem done.
type hookFS struct {
	vfs.FS
	hook func(op) (lie bool, err error)
}

func (fs hookFS) ask(kind, path string) (bool, error) {
	if fs.hook == nil || strings.HasSuffix(path, "LOCK") {
		return false, nil
	}
	return fs.hook(op{kind, path})
}

func (fs hookFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if _, err := fs.ask("create", name); err != nil {
		return nil, err
	}
	f, err := fs.FS.Create(name, c)
	return fs.wrap(f, name, false), err
}

func (fs hookFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	if _, err := fs.FS.Stat(name); err != nil {
		if _, err := fs.ask("create", name); err != nil {
			return nil, err
		}
	}
	f, err := fs.FS.OpenReadWrite(name, c, o...)
	return fs.wrap(f, name, false), err
}

func (fs hookFS) Open(name string, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := fs.FS.Open(name, o...)
	return fs.wrap(f, name, false), err
}

func (fs hookFS) OpenDir(name string) (vfs.File, error) {
	f, err := fs.FS.OpenDir(name)
	return fs.wrap(f, name, true), err
}

func (fs hookFS) wrap(f vfs.File, name string, dir bool) vfs.File {
	if f == nil {
		return nil
	}
	return hookFile{f, fs, name, dir}
}

func (fs hookFS) Remove(name string) error {
	if lie, err := fs.ask("remove", name); lie || err != nil {
		return err
	}
	return fs.FS.Remove(name)
}

func (fs hookFS) Rename(from, to string) error {
	if lie, err := fs.ask("rename", to); lie || err != nil {
		return err
	}
	return fs.FS.Rename(from, to)
}

func (fs hookFS) MkdirAll(dir string, perm os.FileMode) error {
	if lie, err := fs.ask("mkdir", dir); lie || err != nil {
		return err
	}
	return fs.FS.MkdirAll(dir, perm)
}

func (fs hookFS) Lock(name string) (io.Closer, error) { return fs.FS.Lock(name) }

type hookFile struct {
	vfs.File
	fs  hookFS
	nam string
	dir bool
}

func (f hookFile) Write(p []byte) (int, error) {
	if lie, err := f.fs.ask("write", f.nam); lie || err != nil {
		return len(p), err
	}
	return f.File.Write(p)
}

func (f hookFile) WriteAt(p []byte, at int64) (int, error) {
	if lie, err := f.fs.ask("write", f.nam); err != nil {
		if len(p) > 8 { // half of it came through; a word is whole
			f.File.WriteAt(p[:len(p)/2], at)
		}
		return 0, err
	} else if lie {
		return len(p), nil
	}
	return f.File.WriteAt(p, at)
}

func (f hookFile) Sync() error {
	kind := "sync"
	if f.dir {
		kind = "syncdir"
	}
	if lie, err := f.fs.ask(kind, f.nam); lie || err != nil {
		return err
	}
	return f.File.Sync()
}

func (f hookFile) SyncData() error { return f.Sync() }

// Punch leaves zeros, which come to the disk as unsynced writes do: some of them.
func (f hookFile) Punch(offset, length int64) error {
	if lie, err := f.fs.ask("punch", f.nam); lie || err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if length = min(length, info.Size()-offset); length <= 0 {
		return nil
	}
	_, err = f.File.WriteAt(make([]byte, length), offset)
	return err
}
