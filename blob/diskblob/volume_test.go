package diskblob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/farhold/farhold/blob"
	"github.com/farhold/farhold/blob/blobtest"
	"github.com/farhold/farhold/blob/diskblob"
)

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, seed)) }

func TestSecondOpener(t *testing.T) {
	for _, fs := range []vfs.FS{vfs.NewMem(), vfs.Default} {
		opts := diskblob.Options{FS: fs, Dir: filepath.Join(t.TempDir(), "a", "b"), Volume: "v1"}
		s := open(t, opts)
		id := blobtest.Put(t, s, []byte("body"))
		if _, err := diskblob.Open(opts); err == nil {
			t.Error("a second Store opens the folder")
		}
		blobtest.Check(t, s, id, []byte("body"))
		closeStore(t, s)
		s = open(t, opts)
		blobtest.Check(t, s, id, []byte("body"))
		closeStore(t, s)
	}
}

func TestOptions(t *testing.T) {
	good := diskblob.Options{FS: vfs.NewMem(), Dir: "d", Volume: "v1"}
	for i, change := range []func(*diskblob.Options){
		func(o *diskblob.Options) { o.Dir = "" },
		func(o *diskblob.Options) { o.Volume = "" },
		func(o *diskblob.Options) { o.Volume = "V" },
		func(o *diskblob.Options) { o.Volume = "a.b" },
		func(o *diskblob.Options) { o.Volume = "a/b" },
		func(o *diskblob.Options) { o.Volume = strings.Repeat("v", 21) },
		func(o *diskblob.Options) { o.PackMax = 100 },
		func(o *diskblob.Options) { o.PackMax = 5 << 30 },
		func(o *diskblob.Options) { o.FileMin = -1 },
		func(o *diskblob.Options) { o.FileMin = 65 << 20 },
		func(o *diskblob.Options) { o.PackMax, o.FileMin = 1<<20, 1<<20 },
		func(o *diskblob.Options) { o.Packs = -1 },
		func(o *diskblob.Options) { o.Packs = 65 },
		func(o *diskblob.Options) { o.Mutant = "other" },
	} {
		opts := good
		change(&opts)
		if s, err := diskblob.Open(opts); err == nil {
			t.Errorf("change %d is taken", i)
			s.Close()
		}
	}
}

func TestVolume(t *testing.T) {
	mem := vfs.NewMem()
	opts := diskblob.Options{FS: mem, Dir: "d", Volume: "v1"}
	s := open(t, opts)
	id := blobtest.Put(t, s, []byte("body"))
	closeStore(t, s)
	other := opts
	other.Volume = "v2"
	if _, err := diskblob.Open(other); err == nil || !strings.Contains(err.Error(), "v1") {
		t.Errorf("another volume's folder: %v", err)
	}
	text := bytesOf(t, mem, "d/VOLUME")
	keep := bytes.Clone(text)
	copy(text, "#")
	if _, err := diskblob.Open(opts); !errors.Is(err, blob.ErrCorrupt) {
		t.Errorf("a spoilt VOLUME: %v", err)
	}
	copy(text, bytes.Replace(keep, []byte(":1"), []byte(":2"), 1))
	if _, err := diskblob.Open(opts); err == nil || !strings.Contains(err.Error(), "format 2") {
		t.Errorf("a later format: %v", err)
	}
	if err := mem.Remove("d/VOLUME"); err != nil {
		t.Fatal(err)
	}
	if _, err := diskblob.Open(opts); !errors.Is(err, blob.ErrCorrupt) {
		t.Errorf("a lost VOLUME: %v", err)
	}
	f, err := mem.Create("d/VOLUME", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(keep); err != nil {
		t.Fatal(err)
	}
	f.Close()
	s = open(t, opts)
	blobtest.Check(t, s, id, []byte("body"))
	closeStore(t, s)
}

// What was deleted or lost gives no ID to what comes after a restart.
func TestIDsAfterRestart(t *testing.T) {
	mem := vfs.NewMem()
	opts := diskblob.Options{FS: mem, Dir: "d", Volume: "v1"}
	seen := make(map[blob.ID]bool)
	for range 5 {
		s := open(t, opts)
		for _, n := range []int{1000, 3 << 20} {
			id := blobtest.Put(t, s, make([]byte, n))
			if seen[id] {
				t.Errorf("%s a second time", id)
			}
			seen[id] = true
			if err := s.Delete(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		closeStore(t, s)
		if names, _ := mem.List("d/packs"); len(names) > 0 {
			t.Errorf("packs are left: %v", names)
		}
	}
}

// Many packs, restarts, deletes in all of them: everything stays there until it
// is deleted, and then its packs and folders are gone, and few are held open.
func TestRestarts(t *testing.T) {
	dir := t.TempDir()
	opts := diskblob.Options{Dir: dir, Volume: "v1", PackMax: 64 << 10, FileMin: 30_000}
	rng := newRand(3)
	bodies := make(map[blob.ID][]byte)
	for round := range 3 {
		s := open(t, opts)
		var mu sync.Mutex
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for i := range 80 {
					body := blobtest.Body(uint64(round*1_000_000+g*1000+i), 100+i*i%20_000)
					if i%40 == 0 {
						body = blobtest.Body(uint64(round*1_000_000+g*1000+i), 40_000)
					}
					id, err := blobtest.TryPut(s, body, -1)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					bodies[id] = body
					mu.Unlock()
				}
			}()
		}
		wg.Wait()
		for id := range bodies {
			if rng.IntN(3) == 0 {
				if err := s.Delete(t.Context(), id); err != nil {
					t.Fatal(err)
				}
				delete(bodies, id)
			}
		}
		closeStore(t, s)
		s = open(t, opts)
		if got := blobtest.All(t, s, ""); len(got) != len(bodies) {
			t.Errorf("round %d: %d listed, want %d", round, len(got), len(bodies))
		}
		for id, body := range bodies {
			got, err := blobtest.Get(s, id, 0, -1)
			if err != nil || !bytes.Equal(got, body) {
				t.Fatalf("round %d: %v", round, err)
			}
		}
		if n := s.OpenPacks(); n > 256+8 {
			t.Errorf("%d packs are open", n)
		}
		closeStore(t, s)
	}
	s := open(t, opts)
	for id := range bodies {
		if err := s.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 50 { // and what is deleted in packs that are not yet sealed
		if err := s.Delete(t.Context(), blobtest.Put(t, s, blobtest.Body(uint64(i), 9000))); err != nil {
			t.Fatal(err)
		}
	}
	closeStore(t, s)
	for _, sub := range []string{"packs", "tmp"} {
		if left, err := os.ReadDir(filepath.Join(dir, sub)); err != nil || len(left) != 0 {
			t.Errorf("%d left in %s, %v", len(left), sub, err)
		}
	}
}

// A full disk refuses writes, frees what was begun, and goes on with reads and
// deletes; when there is room again so do writes.
func TestFull(t *testing.T) {
	mem := vfs.NewCrashableMem()
	var mu sync.Mutex
	full := false
	fs := hookFS{mem, func(o op) (bool, error) {
		mu.Lock()
		defer mu.Unlock()
		if full && (o.kind == "create" || o.kind == "write") {
			return false, fullError
		}
		return false, nil
	}}
	setFull := func(now bool) { mu.Lock(); full = now; mu.Unlock() }
	opts := crashOptions(fs)
	s := open(t, opts)
	small := blobtest.Put(t, s, bodyOf(1))
	big := blobtest.Put(t, s, blobtest.Body(2, 50_000))
	gone := blobtest.Put(t, s, blobtest.Body(3, 50_000))
	for range 3 {
		w, err := s.Create(t.Context(), 50_000) // begun before the disk is full
		if err != nil {
			t.Fatal(err)
		}
		setFull(true)
		if _, err = w.Write(blobtest.Body(4, 2<<20)); err == nil {
			_, err = w.Commit(context.Background())
		}
		if !errors.Is(err, blob.ErrFull) {
			t.Errorf("large blob: %v", err)
		}
		w.Abort()
		for _, n := range []int{1000, 20_000, 60_000} {
			if _, err := blobtest.TryPut(s, blobtest.Body(5, n), int64(n)); !errors.Is(err, blob.ErrFull) {
				t.Errorf("put of %d bytes: %v", n, err)
			}
		}
		blobtest.Check(t, s, small, bodyOf(1))
		blobtest.Check(t, s, big, blobtest.Body(2, 50_000))
		if err := s.Delete(t.Context(), gone); err != nil {
			t.Errorf("delete: %v", err)
		}
		setFull(false)
		gone = blobtest.Put(t, s, blobtest.Body(3, 50_000))
		blobtest.Put(t, s, bodyOf(7))
	}
	names, err := mem.List("data/blobs/tmp")
	if err != nil || len(names) > 0 {
		t.Errorf("left in tmp: %v, %v", names, err)
	}
	closeStore(t, s)
	s = open(t, crashOptions(mem))
	if got := len(blobtest.All(t, s, "")); got != 6 {
		t.Errorf("%d listed, want 6", got)
	}
	closeStore(t, s)
}

// A disk that is really full. FARHOLD_FULL_DIR names a folder on a small one, such
// as a tmpfs of 64 MiB.
func TestFullDisk(t *testing.T) {
	dir := os.Getenv("FARHOLD_FULL_DIR")
	if dir == "" {
		t.Skip("FARHOLD_FULL_DIR names no folder on a small disk")
	}
	opts := diskblob.Options{Dir: filepath.Join(dir, "full"), Volume: "v1"}
	s := open(t, opts)
	defer os.RemoveAll(opts.Dir)
	kept := make(map[blob.ID][]byte)
	for round := range 5 {
		var mu sync.Mutex
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for i := 0; ; i++ {
					body := blobtest.Body(uint64(round*1000+i), 50_000+i%4*800_000)
					id, err := blobtest.TryPut(s, body, -1)
					if errors.Is(err, blob.ErrFull) {
						return
					}
					if err != nil || i > 100_000 {
						t.Errorf("writer %d: %v", g, err)
						return
					}
					mu.Lock()
					kept[id] = body
					mu.Unlock()
				}
			}()
		}
		wg.Wait()
		t.Logf("full with %d blobs", len(kept))
		for id, body := range kept {
			blobtest.Check(t, s, id, body)
		}
		if round == 2 { // full, and started again
			closeStore(t, s)
			s = open(t, opts)
		}
		for id := range kept {
			if len(kept) < 10 {
				break
			}
			if err := s.Delete(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			delete(kept, id)
		}
		s.Drain()
		for id, body := range kept {
			blobtest.Check(t, s, id, body)
		}
		for i := range 10 {
			body := blobtest.Body(uint64(i), 1_000_000)
			kept[blobtest.Put(t, s, body)] = body
		}
		if got := blobtest.All(t, s, ""); len(got) != len(kept) {
			t.Errorf("%d listed, want %d", len(got), len(kept))
		}
	}
	closeStore(t, s)
}

// IDs are strange to each other's volumes.
func TestOtherVolume(t *testing.T) {
	a := open(t, diskblob.Options{FS: vfs.NewMem(), Dir: "a", Volume: "v1"})
	b := open(t, diskblob.Options{FS: vfs.NewMem(), Dir: "b", Volume: "v10"})
	defer closeStore(t, a)
	defer closeStore(t, b)
	for _, n := range []int{10, 5 << 20} {
		id := blobtest.Put(t, a, blobtest.Body(1, n))
		if _, err := blobtest.Get(b, id, 0, -1); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("%s in another volume: %v", id, err)
		}
	}
}

func FuzzID(f *testing.F) {
	s := open(f, diskblob.Options{FS: vfs.NewMem(), Dir: "a", Volume: "v1"})
	f.Cleanup(func() { s.Close() })
	small := blobtest.Put(f, s, []byte("x"))
	large := blobtest.Put(f, s, make([]byte, 5<<20))
	f.Add(string(small))
	f.Add(string(large))
	f.Add("v1.p")
	f.Add("v1.f000000")
	f.Fuzz(func(t *testing.T, id string) {
		if id == string(small) || id == string(large) {
			return
		}
		_, err := blobtest.Get(s, blob.ID(id), 0, -1)
		if !errors.Is(err, blob.ErrNotFound) && !errors.Is(err, blob.ErrCorrupt) {
			t.Errorf("get %q: %v", id, err)
		}
		if err := s.Delete(t.Context(), blob.ID(id)); err != nil {
			t.Errorf("delete %q: %v", id, err)
		}
		if got := len(blobtest.All(t, s, "")); got != 2 {
			t.Errorf("%d blobs after the delete of %q", got, id)
		}
	})
}

// A folder that loses its last file goes too, but not the one in use.
func TestFolders(t *testing.T) {
	mem := vfs.NewMem()
	opts := diskblob.Options{FS: mem, Dir: "d", Volume: "v1", FileMin: 1, PackMax: 1 << 20}
	s := open(t, opts)
	var ids []blob.ID
	for i := range 4096 + 10 {
		ids = append(ids, blobtest.Put(t, s, []byte(fmt.Sprint(i))))
	}
	if names, _ := mem.List("d/files"); len(names) != 2 {
		t.Errorf("folders: %v", names)
	}
	if got := len(blobtest.All(t, s, "")); got != len(ids) {
		t.Errorf("%d listed, want %d", got, len(ids))
	}
	closeStore(t, s)
	s = open(t, opts)
	ids = append(ids, blobtest.Put(t, s, []byte("more")))
	for _, id := range ids {
		if err := s.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if names, _ := mem.List("d/files"); len(names) != 1 {
		t.Errorf("folders: %v", names)
	}
	blobtest.Put(t, s, []byte("again"))
	closeStore(t, s)
}
