package pebblekv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/farhold/farhold/kv"
)

// contextCancelled gives a context that ends at its first look, but not before
// a call has begun: engines refuse a context that is over already.
func contextCancelled() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 20*time.Millisecond)
}

// TestSecondProcess: a folder is open once. The test runs itself to be the
// other process.
func TestSecondProcess(t *testing.T) {
	if dir := os.Getenv("PEBBLEKV_OPEN"); dir != "" {
		_, err := Open(Options{Dir: dir})
		fmt.Println("second:", err)
		return
	}
	dir := filepath.Join(t.TempDir(), "db")
	s := open(t, Options{Dir: dir})
	cmd := exec.Command(os.Args[0], "-test.run=^TestSecondProcess$")
	cmd.Env = append(os.Environ(), "PEBBLEKV_OPEN="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatal(err, string(out))
	}
	if want := "second: kv: open " + dir + ": it is in use by another process"; !strings.Contains(string(out), want) {
		t.Fatalf("the second process printed %q, want %q", out, want)
	}
	if _, err := Open(Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Fatalf("a second Open in this process: %v", err)
	}
	if _, err := Open(Options{Dir: filepath.Join(dir, "..", "db")}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Fatalf("a second Open under another name: %v", err)
	}
	if err := s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{row(0)}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, Options{Dir: dir})
	if _, err := get(s, row(0).Key); err != nil {
		t.Fatal(err)
	}
}

// TestOpenError: what isn't another process isn't called one.
func TestOpenError(t *testing.T) {
	open(t, Options{Dir: filepath.Join(t.TempDir(), "no", "parent")}) // the parents are made
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: file}); err == nil || strings.Contains(err.Error(), "process") {
		t.Fatalf("Open of a file: %v", err)
	}
}

// TestCorruptTable changes bytes of a table: reads say so, with its name, and
// never that the row isn't there.
func TestCorruptTable(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, small(mem))
	for i := range 50 {
		if err := s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{row(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.db.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	name := ""
	list, err := mem.List("db")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		if strings.HasSuffix(f, ".sst") {
			name = f
			change(t, mem, "db/"+f, func(b []byte) {
				for i := 0; i < len(b)/2; i += 512 {
					b[i] ^= 0x40
				}
			})
		}
	}
	if name == "" {
		t.Fatal("no table was written")
	}
	s = open(t, small(mem))
	bad := 0
	for i := range 5 { // Pebble looks hard for the bit that flipped
		_, err := get(s, row(i).Key)
		if errors.Is(err, kv.ErrNotFound) {
			t.Fatalf("row %d of a corrupt table: %v", i, err)
		}
		if err != nil {
			bad++
			if !errors.Is(err, kv.ErrCorrupt) || !strings.Contains(err.Error(), ".sst") {
				t.Fatalf("row %d of a corrupt table: %v", i, err)
			}
		}
	}
	if bad == 0 {
		t.Fatal("no read found the change")
	}
	v, err := s.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	var last error
	for _, err := range v.Scan(kv.Span{}) {
		last = err
	}
	if !errors.Is(last, kv.ErrCorrupt) || !strings.Contains(last.Error(), ".sst") {
		t.Fatalf("a scan of a corrupt table ended with %v", last)
	}
	// A guard on a corrupt row is neither met nor a conflict.
	err = s.Commit(ctx, &kv.Mutation{Guards: []kv.Guard{{Key: row(0).Key, Want: row(0).Value}}, Puts: []kv.Pair{row(60)}})
	if !errors.Is(err, kv.ErrCorrupt) {
		t.Fatalf("a guard in a corrupt table: %v", err)
	}
}

// TestCorruptLog changes a byte in the middle of the log: Open says so, with
// its name, instead of leaving out what was acknowledged.
func TestCorruptLog(t *testing.T) {
	mem := vfs.NewCrashableMem()
	s := open(t, Options{FS: mem, Dir: "db", CacheSize: 1 << 20, Reserve: -1})
	for i := range 100 {
		if err := s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{row(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	after := mem.CrashClone(vfs.CrashCloneCfg{})
	list, err := after.List("db")
	if err != nil {
		t.Fatal(err)
	}
	name := ""
	for _, f := range list {
		if strings.HasSuffix(f, ".log") {
			name = max(name, f)
		}
	}
	change(t, after, "db/"+name, func(b []byte) { b[len(b)/2] ^= 0x40 })
	s, err = Open(Options{FS: after, Dir: "db", CacheSize: 1 << 20, Reserve: -1})
	if err == nil {
		n := 0
		for i := range 100 {
			if _, err := get(s, row(i).Key); err == nil {
				n++
			}
		}
		_ = s.Close()
		t.Fatalf("Open of a corrupt log succeeded with %d of 100 rows", n)
	}
	if !errors.Is(err, kv.ErrCorrupt) || !strings.Contains(err.Error(), name) {
		t.Fatalf("Open of a corrupt log (%s): %v", name, err)
	}
}

// TestMarkerLost: a folder whose marker is gone isn't taken for a new one.
func TestMarkerLost(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, small(mem))
	if err := s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{row(0)}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	list, err := mem.List("db")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		if strings.HasPrefix(f, "marker.manifest") {
			if err := mem.Remove("db/" + f); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := Open(small(mem)); !errors.Is(err, kv.ErrCorrupt) || !strings.Contains(err.Error(), "marker.manifest") {
		t.Fatalf("Open without a marker: %v", err)
	}
}

// TestParentsDurable: a power cut after the first commit leaves the folder
// there, under parents that were made for it.
func TestParentsDurable(t *testing.T) {
	mem := vfs.NewCrashableMem()
	o := Options{FS: mem, Dir: "a/b/c", CacheSize: 1 << 20, Reserve: -1}
	s := open(t, o)
	if err := s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{row(0)}}); err != nil {
		t.Fatal(err)
	}
	o.FS = mem.CrashClone(vfs.CrashCloneCfg{})
	if _, err := get(open(t, o), row(0).Key); err != nil {
		t.Fatal(err)
	}
}

func change(t *testing.T, fs vfs.FS, name string, f func([]byte)) {
	t.Helper()
	in, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	_ = in.Close()
	was := bytes.Clone(b)
	f(b)
	if bytes.Equal(was, b) {
		t.Fatal("nothing was changed")
	}
	out, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(out.Sync(), out.Close()); err != nil {
		t.Fatal(err)
	}
}
