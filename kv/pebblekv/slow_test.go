package pebblekv

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// slowFS takes its time to sync the log, so that there is a window in which
// commits are visible and not durable. It can also lie about syncing.
type slowFS struct {
	vfs.FS
	delay time.Duration
	lie   bool
	syncs *atomic.Int64
}

func slow(fs vfs.FS, delay time.Duration) slowFS {
	return slowFS{FS: fs, delay: delay, syncs: new(atomic.Int64)}
}

func (fs slowFS) wrap(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil || !strings.HasSuffix(name, ".log") {
		return f, err
	}
	return slowFile{f, fs}, nil
}

func (fs slowFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, c)
	return fs.wrap(name, f, err)
}

func (fs slowFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.ReuseForWrite(old, name, c)
	return fs.wrap(name, f, err)
}

type slowFile struct {
	vfs.File
	fs slowFS
}

func (f slowFile) SyncData() error { return f.Sync() }

func (f slowFile) Sync() error {
	f.fs.syncs.Add(1)
	time.Sleep(f.fs.delay)
	if f.fs.lie {
		return nil
	}
	return f.File.Sync()
}
