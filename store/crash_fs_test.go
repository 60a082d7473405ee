package store

import (
	"io"
	"os"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// stepFS tells of each step that changes the file system before it is taken.
type stepFS struct {
	vfs.FS
	before func(kind, path string)
	// cloning, if any, is held by whoever clones FS at any time: MemFS.Lock and
	// MemFS.CrashClone at the same time wait for each other for ever.
	cloning *sync.Mutex
}

func (fs stepFS) step(kind, path string) {
	if !strings.HasSuffix(path, "LOCK") {
		fs.before(kind, path)
	}
}

func (fs stepFS) file(f vfs.File, name string, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return stepFile{f, fs, name}, nil
}

func (fs stepFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	fs.step("create", name)
	f, err := fs.FS.Create(name, c)
	return fs.file(f, name, err)
}

func (fs stepFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	if _, err := fs.FS.Stat(name); err != nil {
		fs.step("create", name)
	}
	f, err := fs.FS.OpenReadWrite(name, c, o...)
	return fs.file(f, name, err)
}

func (fs stepFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	fs.step("reuse", name)
	f, err := fs.FS.ReuseForWrite(old, name, c)
	return fs.file(f, name, err)
}

func (fs stepFS) OpenDir(name string) (vfs.File, error) {
	f, err := fs.FS.OpenDir(name)
	return fs.file(f, name, err)
}

func (fs stepFS) Link(old, name string) error {
	fs.step("link", name)
	return fs.FS.Link(old, name)
}

func (fs stepFS) Remove(name string) error {
	fs.step("remove", name)
	return fs.FS.Remove(name)
}

func (fs stepFS) RemoveAll(name string) error {
	fs.step("removeall", name)
	return fs.FS.RemoveAll(name)
}

func (fs stepFS) Rename(old, name string) error {
	fs.step("rename", name)
	return fs.FS.Rename(old, name)
}

func (fs stepFS) MkdirAll(name string, perm os.FileMode) error {
	fs.step("mkdir", name)
	return fs.FS.MkdirAll(name, perm)
}

func (fs stepFS) Lock(name string) (io.Closer, error) {
	if fs.cloning != nil {
		fs.cloning.Lock()
		defer fs.cloning.Unlock()
	}
	return fs.FS.Lock(name)
}

type stepFile struct {
	vfs.File
	fs   stepFS
	name string
}

func (f stepFile) Write(p []byte) (int, error) {
	f.fs.step("write", f.name)
	return f.File.Write(p)
}

func (f stepFile) WriteAt(p []byte, at int64) (int, error) {
	f.fs.step("write", f.name)
	return f.File.WriteAt(p, at)
}

func (f stepFile) Sync() error {
	f.fs.step("sync", f.name)
	return f.File.Sync()
}

func (f stepFile) SyncData() error {
	f.fs.step("sync", f.name)
	return f.File.SyncData()
}

func (f stepFile) SyncTo(length int64) (bool, error) {
	f.fs.step("sync", f.name)
	return f.File.SyncTo(length)
}
