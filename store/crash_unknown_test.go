package store

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/farhold/farhold/stamp"
)

// errDisk is what a broken disk says.
var errDisk = errors.New("the disk is broken")

// brokenLog fails the syncs of the log once it is broken.
type brokenLog struct {
	vfs.FS
	broken *atomic.Bool
}

func (fs brokenLog) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, c)
	return fs.file(f, name), err
}

func (fs brokenLog) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.ReuseForWrite(old, name, c)
	return fs.file(f, name), err
}

func (fs brokenLog) file(f vfs.File, name string) vfs.File {
	if f == nil || !strings.HasSuffix(name, ".log") {
		return f
	}
	return brokenFile{f, fs.broken}
}

type brokenFile struct {
	vfs.File
	broken *atomic.Bool
}

func (f brokenFile) Sync() error {
	if f.broken.Load() {
		return errDisk
	}
	return f.File.Sync()
}

func (f brokenFile) SyncData() error { return f.Sync() }

// A commit whose sync fails may be found after the restart all the same. Its
// blob must be there then: a write of unknown outcome gives nothing up.
func TestUnknownOutcomeKeepsBlob(t *testing.T) {
	for _, op := range []string{"put", "part", "receive", "stage"} {
		t.Run(op, func(t *testing.T) {
			mem := vfs.NewCrashableMem()
			var broken atomic.Bool
			r, err := openCrashed(brokenLog{mem, &broken}, "")
			if err != nil {
				t.Fatal(err)
			}
			c := &crasher{t: t, region: r, name: t.Name(), until: 1}
			a := c.newActor("a-")
			b := a.begin("b", "Enabled", false)
			id := a.upload(b, "up")
			ctx := context.Background()
			body := random(crashPack)
			ar, arBody := a.arrival(b, "k", r.opt.Clock.Next(stamp.Stamp{}), false, crashPack)
			if op == "stage" {
				if err := r.Stage(ctx, ar, Segments(&ar.Version)[0], bytes.NewReader(arBody)); err != nil {
					t.Fatal(err)
				}
			}
			broken.Store(true)
			switch op {
			case "put":
				_, err = r.Put(ctx, &PutInput{Bucket: b, Key: "k", Size: crashPack}, bytes.NewReader(body))
			case "part":
				_, err = r.UploadPart(ctx, &PartInput{Bucket: b, Key: "up", UploadID: id, Number: 1, Size: crashPack}, bytes.NewReader(body))
			case "receive":
				_, err = r.Receive(ctx, ar, bytes.NewReader(arBody))
			case "stage":
				err = r.Stage(ctx, ar, Segments(&ar.Version)[0], bytes.NewReader(arBody))
			}
			if err == nil {
				t.Fatal("answered although the log cannot be synced")
			}
			if err := r.close(); err != nil {
				t.Log(err)
			}
			// The process ends and the disk kept what it was given.
			if r, err = openCrashed(mem, ""); err != nil {
				t.Fatal(err)
			}
			defer r.close()
			if err := r.collectAll(ctx); err != nil {
				t.Fatal(err)
			}
			k, err := checkRows(ctx, r.Store, true)
			if err != nil {
				t.Fatal(err)
			}
			if len(k.named) == 0 {
				t.Log("the write did not survive")
			}
		})
	}
}
