package diskblob_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/farhold/farhold/blob"
	"github.com/farhold/farhold/blob/blobtest"
	"github.com/farhold/farhold/blob/diskblob"
)

// usage is how many bytes of the disk a folder takes.
func usage(t *testing.T, dir string) (n int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			n += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Space comes back from deleted records while their pack lives, but not before
// their readers are gone.
func TestHoles(t *testing.T) {
	dir := t.TempDir()
	s := open(t, diskblob.Options{Dir: dir, Volume: "v1", Packs: 1, FileMin: 4 << 20})
	defer closeStore(t, s)
	const n = 3 << 20
	var ids []blob.ID
	for i := range 4 {
		ids = append(ids, blobtest.Put(t, s, blobtest.Body(uint64(i), n)))
	}
	before := usage(t, dir)
	if before < 4*n {
		t.Fatalf("%d bytes used by 4 blobs of %d", before, n)
	}
	r, err := s.Open(t.Context(), ids[1], 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids[:2] {
		if err := s.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	s.Drain()
	one := usage(t, dir)
	if one == before {
		t.Skip("this file system punches no holes")
	}
	if freed := before - one; freed < n-16<<10 || freed > n {
		t.Errorf("%d bytes came back from one deleted blob of %d; the other is being read", freed, n)
	}
	var out bytes.Buffer
	if _, err := io.Copy(&out, r); err != nil || !bytes.Equal(out.Bytes(), blobtest.Body(1, n)) {
		t.Errorf("reader of the deleted blob: %v", err)
	}
	r.Close()
	if freed := before - usage(t, dir); freed < 2*(n-16<<10) {
		t.Errorf("%d bytes came back from two deleted blobs of %d", freed, n)
	}
	for i, id := range ids[2:] {
		blobtest.Check(t, s, id, blobtest.Body(uint64(i+2), n))
	}
}
