package diskblob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/farhold/farhold/blob"
	"github.com/farhold/farhold/blob/blobtest"
	"github.com/farhold/farhold/blob/diskblob"
)

// bytesOf is the content of a file in a memory file system, to be changed in
// place.
func bytesOf(t *testing.T, mem *vfs.MemFS, name string) []byte {
	t.Helper()
	b, err := mem.UnsafeGetFileDataBuffer(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// cut shortens a file.
func cut(t *testing.T, mem *vfs.MemFS, name string, n int) {
	t.Helper()
	b := bytes.Clone(bytesOf(t, mem, name)[:n])
	f, err := mem.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
	f.Close()
}

// isCorrupt wants an error that names the blob and is not "not found".
func isCorrupt(t *testing.T, what string, id blob.ID, err error) {
	t.Helper()
	if !errors.Is(err, blob.ErrCorrupt) || errors.Is(err, blob.ErrNotFound) {
		t.Errorf("%s: %v, want ErrCorrupt", what, err)
	} else if !bytes.Contains([]byte(err.Error()), []byte(id)) {
		t.Errorf("%s: %v does not name %s", what, err, id)
	}
}

var corruptOptions = diskblob.Options{Dir: "data", Volume: "v1", PackMax: 4 << 20, FileMin: 1 << 20}

// A flipped bit anywhere in a blob, its header, its checksums or its trailer is
// found by a full read.
func TestFlippedBit(t *testing.T) {
	mem := vfs.NewMem()
	opts := corruptOptions
	opts.FS = mem
	s := open(t, opts)
	defer closeStore(t, s)
	for _, n := range []int{0, 1, 3000, 100_000, 200_000, 1_100_000} {
		body := blobtest.Body(1, n)
		id := blobtest.Put(t, s, body)
		name, at, size := s.Locate(string(id))
		b := bytesOf(t, mem, "data/"+name)
		from, to := at-diskblob.RecordHeaderSize, at+size+4*((size+65535)/65536)
		if at == 0 {
			from, to = 0, int64(len(b))
		}
		// The header and the last bytes one by one, the rest in steps.
		for i := from; i < to; i++ {
			if i > from+100 && i < to-100 {
				i += min(int64(n)/50, to-100-i)
			}
			b[i] ^= 0x10
			_, err := blobtest.Get(s, id, 0, -1)
			isCorrupt(t, fmt.Sprintf("%d bytes, byte %d of the record changed", n, i-from), id, err)
			b[i] ^= 0x10
		}
		blobtest.Check(t, s, id, body)
	}
}

// A range finds what is spoilt in its blocks, and gives what is sound in others.
func TestFlippedBitInRange(t *testing.T) {
	mem := vfs.NewMem()
	opts := corruptOptions
	opts.FS = mem
	s := open(t, opts)
	defer closeStore(t, s)
	const block = 64 << 10
	for _, n := range []int{4 * block, 20 * block} {
		body := blobtest.Body(2, n)
		id := blobtest.Put(t, s, body)
		name, at, _ := s.Locate(string(id))
		b := bytesOf(t, mem, "data/"+name)
		b[at+2*block+100] ^= 1
		for _, r := range [][2]int64{{0, 2 * block}, {3 * block, block}, {3*block + 5, 10}, {100, 5}, {block, block}, {2 * block, 0}} {
			got, err := blobtest.Get(s, id, r[0], r[1])
			if err != nil || !bytes.Equal(got, body[r[0]:r[0]+r[1]]) {
				t.Errorf("size %d, sound range %v: %v", n, r, err)
			}
		}
		for _, r := range [][2]int64{{0, -1}, {2 * block, block}, {2*block + 100, 1}, {2 * block, 10}, {3*block - 1, 1}, {3*block - 1, 100}, {block + 7, block}, {2*block - 1, 2}} {
			got, err := blobtest.Get(s, id, r[0], r[1])
			isCorrupt(t, fmt.Sprintf("size %d, range %v", n, r), id, err)
			if !bytes.HasPrefix(body[r[0]:], got) {
				t.Errorf("size %d, range %v: gives wrong bytes before the error", n, r)
			}
			if r[0] >= 2*block && len(got) > 0 {
				t.Errorf("size %d, range %v: gives %d bytes of a spoilt block", n, r, len(got))
			}
		}
		b[at+2*block+100] ^= 1
		blobtest.Check(t, s, id, body)
	}
}

func TestCutShort(t *testing.T) {
	for _, n := range []int{0, 3000, 300_000, 1_100_000} {
		for _, keep := range []int64{-64, -8, 0, 1, 100} { // of the payload; before it, the header
			mem := vfs.NewMem()
			opts := corruptOptions
			opts.FS = mem
			s := open(t, opts)
			id := blobtest.Put(t, s, blobtest.Body(1, n))
			name, at, _ := s.Locate(string(id))
			closeStore(t, s)
			if at+keep < 0 || keep > int64(n) || n == 0 && keep == 0 {
				continue
			}
			cut(t, mem, "data/"+name, int(at+keep))
			s = open(t, opts)
			_, err := blobtest.Get(s, id, 0, -1)
			isCorrupt(t, fmt.Sprintf("%d bytes cut to %d", n, keep), id, err)
			if at > 0 { // it can be got rid of
				for range 2 {
					for info, err := range s.List(t.Context(), "") {
						if !errors.Is(err, blob.ErrCorrupt) && info.ID != id {
							t.Errorf("%d bytes cut to %d: listed: %v, %v", n, keep, info, err)
						}
						if err := s.Delete(t.Context(), info.ID); err != nil {
							t.Error(err)
						}
					}
					s.Drain()
				}
				if got := blobtest.All(t, s, ""); len(got) != 0 {
					t.Errorf("%d bytes cut to %d: listed after the delete: %v", n, keep, got)
				}
			}
			closeStore(t, s)
		}
	}
}

// Bytes of another blob in a blob's place are not taken for it, though their
// checksums are right.
func TestMisplaced(t *testing.T) {
	for _, n := range []int{5000, 1_100_000} {
		mem := vfs.NewMem()
		opts := corruptOptions
		opts.FS = mem
		opts.Packs = 1
		s := open(t, opts)
		a := blobtest.Put(t, s, blobtest.Body(1, n))
		b := blobtest.Put(t, s, blobtest.Body(2, n))
		aName, aAt, _ := s.Locate(string(a))
		bName, bAt, _ := s.Locate(string(b))
		aBytes, bBytes := bytesOf(t, mem, "data/"+aName), bytesOf(t, mem, "data/"+bName)
		if aAt == 0 {
			copy(aBytes, bBytes)
		} else {
			copy(aBytes[aAt-diskblob.RecordHeaderSize:][:n+200], bBytes[bAt-diskblob.RecordHeaderSize:][:n+200])
		}
		_, err := blobtest.Get(s, a, 0, -1)
		isCorrupt(t, fmt.Sprintf("%d bytes of another", n), a, err)
		blobtest.Check(t, s, b, blobtest.Body(2, n))
		closeStore(t, s)
	}
}

// A corrupt blob can be deleted, and is gone then.
func TestDeleteCorrupt(t *testing.T) {
	for _, restart := range []bool{false, true} {
		for _, n := range []int{0, 3000, 300_000, 1_100_000} {
			mem := vfs.NewMem()
			opts := corruptOptions
			opts.FS = mem
			s := open(t, opts)
			id := blobtest.Put(t, s, blobtest.Body(1, n))
			other := blobtest.Put(t, s, blobtest.Body(2, n))
			if restart {
				closeStore(t, s)
				s = open(t, opts)
			}
			name, at, _ := s.Locate(string(id))
			b := bytesOf(t, mem, "data/"+name)
			if at > 0 {
				at -= diskblob.RecordHeaderSize
			} else {
				at = int64(len(b)) - 10
			}
			b[at] ^= 1
			_, err := blobtest.Get(s, id, 0, -1)
			isCorrupt(t, fmt.Sprintf("%d bytes", n), id, err)
			if err := s.Delete(context.Background(), id); err != nil {
				t.Errorf("%d bytes: delete: %v", n, err)
			}
			for range 2 {
				if _, err := blobtest.Get(s, id, 0, -1); !errors.Is(err, blob.ErrNotFound) {
					t.Errorf("%d bytes: after the delete: %v", n, err)
				}
				s.Drain()
			}
			if got := blobtest.All(t, s, ""); len(got) != 1 || got[0].ID != other {
				t.Errorf("%d bytes: listed: %v", n, got)
			}
			closeStore(t, s)
		}
	}
}

// What was durable once and cannot be read after a crash is reported as lost;
// what was being written is not.
func TestRecoveryTellsLossFromTornTail(t *testing.T) {
	mem := vfs.NewCrashableMem()
	opts := corruptOptions
	opts.FS = mem
	opts.Packs = 1
	s := open(t, opts)
	var ids []blob.ID
	for i := range 6 {
		ids = append(ids, blobtest.Put(t, s, blobtest.Body(uint64(i), 9000)))
	}
	crash := func() *vfs.MemFS { return mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: newRand(1)}) }
	spoil := func(mem *vfs.MemFS, id blob.ID, header bool) {
		name, at, _ := s.Locate(string(id))
		if header {
			at -= diskblob.RecordHeaderSize
		}
		bytesOf(t, mem, "data/"+name)[at] ^= 1
	}
	reopen := func(mem *vfs.MemFS) *diskblob.Store {
		o := opts
		o.FS = mem
		return open(t, o)
	}
	list := func(s *diskblob.Store) (whole, lost int) {
		for info, err := range s.List(context.Background(), "") {
			if errors.Is(err, blob.ErrCorrupt) {
				lost++
			} else if err != nil {
				t.Error(err)
			} else if info.Size == 9000 {
				whole++
			}
		}
		return whole, lost
	}
	check := func(what string, s *diskblob.Store, wantWhole, wantLost int, spoilt blob.ID) {
		t.Helper()
		for range 2 { // the second time from the index that recovery wrote
			if whole, lost := list(s); whole != wantWhole || lost != wantLost {
				t.Errorf("%s: %d listed whole and %d lost, want %d and %d", what, whole, lost, wantWhole, wantLost)
			}
			for i, id := range ids {
				if id == spoilt {
					_, err := blobtest.Get(s, id, 0, -1)
					isCorrupt(t, what, id, err)
				} else {
					blobtest.Check(t, s, id, blobtest.Body(uint64(i), 9000))
				}
			}
			fs := s.FS()
			closeStore(t, s)
			s = reopen(fs.(*vfs.MemFS))
		}
		closeStore(t, s)
	}

	m := crash()
	check("sound", reopen(m), 6, 0, "")

	m = crash()
	spoil(m, ids[2], true)
	check("header in the middle", reopen(m), 5, 1, ids[2])

	m = crash()
	spoil(m, ids[2], false)
	check("payload in the middle", reopen(m), 6, 0, ids[2])

	m = crash()
	spoil(m, ids[5], false)
	check("payload of the last", reopen(m), 5, 0, ids[5])

	m = crash()
	spoil(m, ids[5], true)
	check("header of the last", reopen(m), 5, 0, ids[5])

	// A lost place can be deleted by the name it is listed under.
	m = crash()
	spoil(m, ids[0], true)
	s2 := reopen(m)
	for info, err := range s2.List(context.Background(), "") {
		if err != nil {
			if err := s2.Delete(context.Background(), info.ID); err != nil {
				t.Error(err)
			}
		}
	}
	s2.Drain()
	if whole, lost := list(s2); whole != 5 || lost != 0 {
		t.Errorf("after the delete of the lost: %d whole, %d lost", whole, lost)
	}
	closeStore(t, s2)
	closeStore(t, s)
}

// A spoilt index or trailer costs nothing: the headers say the same.
func TestSpoiltIndex(t *testing.T) {
	for _, restart := range []bool{false, true} {
		for _, back := range []int{1, 40, 64 + 1, 64 + 24*3 + 20, 64 + 24*3 + 2} {
			mem := vfs.NewMem()
			opts := corruptOptions
			opts.FS = mem
			opts.Packs = 1
			s := open(t, opts)
			var ids []blob.ID
			for i := range 6 {
				ids = append(ids, blobtest.Put(t, s, blobtest.Body(uint64(i), 9000)))
			}
			if err := s.Delete(t.Context(), ids[4]); err != nil {
				t.Fatal(err)
			}
			closeStore(t, s)
			if !restart {
				s = open(t, opts)
			}
			name, _, _ := s.Locate(string(ids[0]))
			b := bytesOf(t, mem, "data/"+name)
			b[len(b)-back] ^= 1
			if restart {
				s = open(t, opts)
			}
			for range 2 {
				if got := blobtest.All(t, s, ""); len(got) != 5 {
					t.Errorf("byte -%d: %d listed, want 5", back, len(got))
				}
				for i, id := range ids {
					if i == 4 {
						continue
					}
					blobtest.Check(t, s, id, blobtest.Body(uint64(i), 9000))
				}
				closeStore(t, s)
				s = open(t, opts)
			}
			for _, id := range ids {
				if err := s.Delete(t.Context(), id); err != nil {
					t.Errorf("byte -%d: delete: %v", back, err)
				}
				s.Drain()
			}
			if got := blobtest.All(t, s, ""); len(got) != 0 {
				t.Errorf("byte -%d: listed in the end: %v", back, got)
			}
			closeStore(t, s)
		}
	}
}
