package pebblekv

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"

	"github.com/farhold/farhold/kv"
)

func small(fs vfs.FS) Options {
	return Options{FS: fs, Dir: "db", MemTableSize: 128 << 10, CacheSize: 1 << 20, Reserve: 1 << 20, poll: time.Millisecond}
}

// noise is a value that doesn't compress.
func noise(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 9))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func row(i int) kv.Pair {
	return kv.Pair{Key: fmt.Appendf(nil, "row/%05d", i), Value: noise(2000, uint64(i))}
}

// TestFull fills a disk: what grows is refused, reads and what frees go on, and
// when there is space again, so does everything, in the same process.
func TestFull(t *testing.T) {
	for _, errno := range []unix.Errno{unix.ENOSPC, unix.EDQUOT} {
		t.Run(errno.Error(), func(t *testing.T) { full(t, errno) })
	}
}

func full(t *testing.T, errno unix.Errno) {
	const limit = 5 << 20
	mem := vfs.NewCrashableMem()
	quota := newQuota(mem, limit, errno)
	s := open(t, small(quota))
	acked := 0
	var err error
	for {
		if err = s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{row(acked)}}); err != nil {
			break
		}
		if acked++; acked > 2*limit/2000 {
			t.Fatal("the disk never became full")
		}
	}
	if !errors.Is(err, kv.ErrFull) {
		t.Fatalf("a full disk gave %v", err)
	}
	t.Logf("full after %d rows, %d of %d bytes used", acked, quota.usage(), limit)
	check := func(s *Store, from, to int) {
		t.Helper()
		v, err := s.Snapshot(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		at := from
		for p, err := range v.Scan(kv.Prefix([]byte("row/"))) {
			if err != nil {
				t.Fatal(err)
			}
			if want := row(at); !bytes.Equal(p.Key, want.Key) || !bytes.Equal(p.Value, want.Value) {
				t.Fatalf("%s is there, want %s", p.Key, want.Key)
			}
			at++
		}
		if at != to {
			t.Fatalf("rows up to %d are there, want %d", at, to)
		}
		if err := v.Settled(ctx); err != nil {
			t.Fatal(err)
		}
	}
	check(s, 0, acked)
	if err := s.Barrier(ctx); err != nil {
		t.Fatal(err)
	}

	// Deletes, shrinking and what leads to space being freed go on. The reserve
	// may be in use by Pebble's tidying for a moment.
	try := func(what string, m *kv.Mutation) {
		t.Helper()
		for range 5000 {
			if err = s.Commit(ctx, m); !errors.Is(err, kv.ErrFull) {
				break
			}
			time.Sleep(time.Millisecond)
		}
		if err != nil {
			t.Fatalf("%s on a full disk: %v", what, err)
		}
	}
	try("a delete", &kv.Mutation{Deletes: [][]byte{row(0).Key}})
	try("shrinking", &kv.Mutation{Puts: []kv.Pair{{Key: row(1).Key, Value: []byte("less")}}})
	try("moving", &kv.Mutation{Deletes: [][]byte{row(1).Key}, Puts: []kv.Pair{{Key: []byte("a"), Value: nil}}})
	try("what frees", &kv.Mutation{Puts: []kv.Pair{{Key: []byte("sweep"), Value: []byte("blob 7")}}, Frees: true})
	if s.room.full.Load() {
		if err := s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{row(acked)}}); err == nil {
			acked++ // the deletes may have made room
		} else if !errors.Is(err, kv.ErrFull) {
			t.Fatalf("a put on a full disk: %v", err)
		}
	}
	// A crash at this point finds everything.
	crashed := open(t, small(mem.CrashClone(vfs.CrashCloneCfg{})))
	check(crashed, 2, acked)

	// Others tidy up: everything goes on without a restart.
	quota.setLimit(3 * limit)
	try("a put after space returned", &kv.Mutation{Puts: []kv.Pair{row(acked)}})
	acked++
	for range limit / 2000 / 2 {
		try("many puts after space returned", &kv.Mutation{Puts: []kv.Pair{row(acked)}})
		acked++
	}
	if s.health.failed() {
		t.Fatal(s.health.check())
	}
	check(s, 2, acked)
	if s.room.full.Load() {
		t.Error("the store still counts as full")
	}
}

// TestFullStuck takes away even the space of the reserve while commits are
// under way: they wait, new ones are refused, and all goes on when space
// returns.
func TestFullStuck(t *testing.T) {
	quota := newQuota(vfs.NewMem(), 64<<20, unix.ENOSPC)
	s := open(t, small(quota))
	for i := range 100 {
		if err := s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{row(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	quota.setLimit(0)
	var wg sync.WaitGroup
	var mu sync.Mutex
	acked := map[int]bool{}
	for w := range 8 {
		wg.Go(func() {
			for i := 1000 + w; i < 3000; i += 8 {
				err := s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{row(i)}})
				switch {
				case err == nil:
					mu.Lock()
					acked[i] = true
					mu.Unlock()
				case errors.Is(err, kv.ErrFull):
					time.Sleep(time.Millisecond)
				default:
					t.Errorf("on a full disk: %v", err)
					return
				}
			}
		})
	}
	for s.room.stuck.Load() == 0 && !t.Failed() { // the log waits
		time.Sleep(time.Millisecond)
	}
	if err := s.Commit(ctx, &kv.Mutation{Deletes: [][]byte{[]byte("x")}}); err != nil && !errors.Is(err, kv.ErrFull) {
		t.Fatalf("a delete without any reserve: %v", err)
	}
	v, err := s.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Get(row(50).Key); err != nil {
		t.Fatalf("a read while the log waits: %v", err)
	}
	if err := v.Settled(ctx); err != nil {
		t.Fatalf("a settled row while the log waits: %v", err)
	}
	v.Close()
	quota.setLimit(64 << 20)
	wg.Wait()
	for i := range acked {
		if _, err := get(s, row(i).Key); err != nil {
			t.Fatalf("row %d: %v", i, err)
		}
	}
	for s.room.full.Load() {
		time.Sleep(time.Millisecond)
	}
	if err := s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{row(5000)}}); err != nil {
		t.Fatal(err)
	}
}

// TestFullClose closes a store whose log waits for space.
func TestFullClose(t *testing.T) {
	quota := newQuota(vfs.NewMem(), 64<<20, unix.ENOSPC)
	s := open(t, small(quota))
	quota.setLimit(0)
	errs := make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			if err := s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{row(i)}}); err != nil && !errors.Is(err, kv.ErrFull) {
				errs <- err
				return
			}
		}
	}()
	for s.room.stuck.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-errs; !errors.Is(err, kv.ErrClosed) {
		t.Fatalf("the commit under way got %v", err)
	}
}

// TestFullOpen opens a store on a full disk, from the reserve.
func TestFullOpen(t *testing.T) {
	mem := vfs.NewMem()
	quota := newQuota(mem, 64<<20, unix.ENOSPC)
	s := open(t, small(quota))
	if err := s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{row(0)}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	quota.setLimit(quota.usage())
	s = open(t, small(quota))
	if _, err := get(s, row(0).Key); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(ctx, &kv.Mutation{Deletes: [][]byte{row(0).Key}}); err != nil {
		t.Fatalf("a delete: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// Without any space at all, Open fails with the reason.
	quota.setLimit(0)
	for i := range 10 {
		_ = quota.Remove(quota.PathJoin("db", fmt.Sprint("reserve-", i)))
	}
	if _, err := Open(small(quota)); !errors.Is(err, kv.ErrFull) {
		t.Fatalf("Open without space gave %v", err)
	} else if !strings.Contains(err.Error(), "db") {
		t.Errorf("%v doesn't name the folder", err)
	}
}

// TestLow refuses what grows before the disk is quite full.
func TestLow(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, small(mem))
	mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 100 << 10, TotalBytes: 1 << 30})
	wait := func(full bool) {
		for s.room.full.Load() != full {
			time.Sleep(time.Millisecond)
		}
	}
	wait(true)
	if err := s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{row(0)}}); !errors.Is(err, kv.ErrFull) {
		t.Fatalf("with little left: %v", err)
	}
	mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 500 << 20, TotalBytes: 1 << 30})
	wait(false)
	if err := s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{row(0)}}); err != nil {
		t.Fatal(err)
	}
}

func get(s *Store, key []byte) ([]byte, error) {
	v, err := s.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	return v.Get(key)
}
