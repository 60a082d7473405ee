package pebblekv

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/farhold/farhold/kv"
)

var errInjected = errors.New("the disk is broken")

// failing is a file system on which the writes fail for which bad says so,
// counted from 1.
func failing(fs vfs.FS, bad func(n int64, op errorfs.Op) bool) (vfs.FS, *atomic.Int64) {
	n := new(atomic.Int64)
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() != errorfs.OpIsWrite || op.Kind == errorfs.OpLock {
			return nil
		}
		if bad(n.Add(1), op) {
			return errInjected
		}
		return nil
	})), n
}

// TestFaultAnywhere makes the n-th operation on the disk fail, for each n, once
// and from then on. Whatever happens, the process lives, Close returns, and
// everything that was acknowledged is there afterwards, with and without a
// power cut.
func TestFaultAnywhere(t *testing.T) {
	step := int64(11)
	if os.Getenv("FARHOLD_THOROUGH") != "" {
		step = 1
	}
	_, total, err := faulty(func(int64, errorfs.Op) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	dead := 0
	for n := int64(1); n <= total; n += step {
		for _, lasting := range []bool{false, true} {
			died, _, err := faulty(func(at int64, _ errorfs.Op) bool { return at == n || lasting && at > n })
			if err != nil {
				t.Fatalf("operation %d of %d, lasting %v: %v", n, total, lasting, err)
			}
			if died {
				dead++
			}
		}
	}
	t.Logf("%d operations, every %d. one broken; the store died in %d runs", total, step, dead)
	if dead == 0 {
		t.Error("no fault ever hit the log")
	}
}

func faulty(bad func(int64, errorfs.Op) bool) (died bool, ops int64, err error) {
	mem := vfs.NewCrashableMem()
	broken, counted := failing(mem, bad)
	o := Options{FS: broken, Dir: "db", MemTableSize: 64 << 10, CacheSize: 1 << 20, Reserve: 8 << 10, poll: time.Millisecond}
	want := map[int]bool{} // whether it must be there
	s, err := Open(o)
	if err == nil {
		for i := range 60 {
			err := s.Commit(ctx, &kv.Mutation{
				Guards: []kv.Guard{{Key: row(i).Key}},
				Puts:   []kv.Pair{row(i), {Key: fmt.Appendf(nil, "twin/%05d", i), Value: []byte("x")}},
			})
			want[i] = err == nil
			if err != nil && !errors.Is(err, kv.ErrClosed) && !errors.Is(err, kv.ErrFull) {
				return false, 0, fmt.Errorf("commit %d: %w", i, err)
			}
			// What was durable can be read to the end.
			if j := i / 2; want[j] {
				v, err := get(s, row(j).Key)
				if err != nil || !bytes.Equal(v, row(j).Value) {
					return false, 0, fmt.Errorf("row %d in the broken store: %w", j, err)
				}
			}
		}
		died = s.health.failed()
		_ = s.Close() // it may say what is broken
	}
	ops = counted.Load()
	for _, fs := range []vfs.FS{mem.CrashClone(vfs.CrashCloneCfg{}), mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(1, 1))}), mem} {
		o.FS = fs
		s, err := Open(o)
		if err != nil {
			return died, ops, fmt.Errorf("open again: %w", err)
		}
		for i := range 60 {
			v, err := get(s, row(i).Key)
			there := err == nil && bytes.Equal(v, row(i).Value)
			_, err2 := get(s, fmt.Appendf(nil, "twin/%05d", i))
			switch {
			case want[i] && !there:
				return died, ops, fmt.Errorf("row %d was acknowledged and isn't there: %v", i, err)
			case !there && !errors.Is(err, kv.ErrNotFound):
				return died, ops, fmt.Errorf("row %d: %w", i, err)
			case (err == nil) != (err2 == nil):
				return died, ops, fmt.Errorf("row %d is torn: %v, %v", i, err, err2)
			}
		}
		if err := s.Close(); err != nil {
			return died, ops, err
		}
	}
	return died, ops, nil
}

// TestCrashAnywhere cuts the power before each operation on the disk, from the
// making of the folder on, with unsynced names and bytes kept at random: the
// store opens, and what was acknowledged by then is there.
func TestCrashAnywhere(t *testing.T) {
	type crash struct {
		fs    vfs.FS
		acked int64
		op    string
	}
	var (
		acked   atomic.Int64
		mu      sync.Mutex
		crashes []crash
	)
	mem := vfs.NewCrashableMem()
	n := 0
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		n++
		kept := []int{0, 50, 50, 50}
		if os.Getenv("FARHOLD_THOROUGH") == "" {
			kept = kept[:2]
		}
		for i, percent := range kept {
			known := acked.Load()
			clone := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(uint64(n), uint64(i)))})
			crashes = append(crashes, crash{clone, known, fmt.Sprint("operation ", n, " on ", op.Path, ", ", percent, "% kept")})
		}
		return nil
	}))
	o := Options{FS: fs, Dir: "a/db", MemTableSize: 64 << 10, CacheSize: 1 << 20, Reserve: -1}
	for range 2 {
		s, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		for range 40 {
			i := int(acked.Load())
			if err := s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{row(i)}}); err != nil {
				t.Fatal(err)
			}
			acked.Add(1)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d crashes", len(crashes))
	for _, c := range crashes {
		o.FS = c.fs
		s, err := Open(o)
		if err != nil {
			t.Fatalf("before %s: %v", c.op, err)
		}
		for i := range int(c.acked) {
			if v, err := get(s, row(i).Key); err != nil || !bytes.Equal(v, row(i).Value) {
				t.Fatalf("before %s: row %d of %d acknowledged: %v", c.op, i, c.acked, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDeadDisk: a dead store changes nothing that the next Open looks at.
func TestDeadDisk(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, small(mem))
	if err := s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{row(0)}}); err != nil {
		t.Fatal(err)
	}
	list, err := mem.List("db")
	if err != nil {
		t.Fatal(err)
	}
	s.health.die(errInjected)
	d := &disk{FS: mem, health: &s.health, room: s.room}
	for _, name := range list {
		if err := errors.Join(d.Remove("db/"+name), d.RemoveAll("db/"+name), d.Rename("db/"+name, "db/x"), d.Link("db/"+name, "db/y")); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"db/000099.log", "db/MANIFEST-000099", "db/marker.manifest.000099.MANIFEST-000099"} {
		f, err := d.Create(name, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := f.Write([]byte("bytes")); n != 5 || err != nil {
			t.Errorf("a write to %s: %d, %v", name, n, err)
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			t.Error(err)
		}
	}
	after, err := mem.List("db")
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(list)
	sort.Strings(after)
	if fmt.Sprint(list) != fmt.Sprint(after) {
		t.Errorf("the folder had %v and has %v", list, after)
	}
}

// TestManifestFails: the manifest can't be written when a table is, and the
// rows that were in memory and in the log are still there afterwards.
func TestManifestFails(t *testing.T) {
	var broken atomic.Bool
	mem := vfs.NewMem()
	fs, _ := failing(mem, func(_ int64, op errorfs.Op) bool {
		return broken.Load() && strings.Contains(op.Path, "MANIFEST")
	})
	s := open(t, small(fs))
	broken.Store(true)
	acked := 0
	for !s.health.failed() {
		if err := s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{row(acked)}}); err == nil {
			acked++
		} else if !errors.Is(err, kv.ErrClosed) {
			t.Fatal(err)
		}
	}
	for range 20 { // flushes go on in memory
		if err := s.db.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range acked {
		if _, err := get(s, row(i).Key); err != nil {
			t.Fatalf("row %d in the dead store: %v", i, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, small(mem))
	for i := range acked {
		if _, err := get(s, row(i).Key); err != nil {
			t.Fatalf("row %d of %d: %v", i, acked, err)
		}
	}
}

// TestSyncFails: the commit whose sync failed is unknown, everything after it is
// refused, and nobody is told what isn't durable.
func TestSyncFails(t *testing.T) {
	var broken atomic.Bool
	mem := vfs.NewCrashableMem()
	fs, _ := failing(mem, func(_ int64, op errorfs.Op) bool {
		return broken.Load() && op.Kind == errorfs.OpFileSyncData && strings.HasSuffix(op.Path, ".log")
	})
	var said []string
	o := Options{FS: fs, Dir: "db", CacheSize: 1 << 20, Reserve: -1, Log: func(m string) { said = append(said, m) }}
	s := open(t, o)
	if err := s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{row(0)}}); err != nil {
		t.Fatal(err)
	}
	broken.Store(true)
	err := s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{row(1)}})
	if !errors.Is(err, kv.ErrClosed) || !errors.Is(err, errInjected) {
		t.Fatalf("the commit whose sync failed: %v", err)
	}
	broken.Store(false) // a later sync would succeed and prove nothing
	if err := s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{row(2)}}); !errors.Is(err, kv.ErrClosed) {
		t.Fatalf("a commit after that: %v", err)
	}
	if err := s.Barrier(ctx); !errors.Is(err, kv.ErrClosed) {
		t.Fatalf("a barrier after that: %v", err)
	}
	settled := func(read func(kv.Snapshot)) error {
		v, err := s.Snapshot(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		read(v)
		return v.Settled(ctx)
	}
	if err := settled(func(v kv.Snapshot) {
		if _, err := v.Get(row(0).Key); err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Errorf("a durable row: %v", err)
	}
	if err := settled(func(v kv.Snapshot) { _, _ = v.Get(row(1).Key) }); !errors.Is(err, kv.ErrClosed) {
		t.Errorf("the row whose sync failed: %v", err)
	}
	if err := settled(func(v kv.Snapshot) {
		for range v.Scan(kv.Prefix([]byte("row/"))) {
		}
	}); !errors.Is(err, kv.ErrClosed) {
		t.Errorf("a span with the row whose sync failed: %v", err)
	}
	if len(said) == 0 {
		t.Error("nothing was logged")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	o.FS = mem.CrashClone(vfs.CrashCloneCfg{})
	s = open(t, o)
	if _, err := get(s, row(0).Key); err != nil {
		t.Error(err)
	}
	if _, err := get(s, row(2).Key); !errors.Is(err, kv.ErrNotFound) {
		t.Errorf("the refused row: %v", err)
	}
}

// TestSyncHangs: a reader of what is being synced waits, as long as its context
// says; readers of anything else don't.
func TestSyncHangs(t *testing.T) {
	release := make(chan struct{})
	var hang atomic.Bool
	hung := make(chan struct{}, 100)
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if hang.Load() && op.Kind == errorfs.OpFileSyncData && strings.HasSuffix(op.Path, ".log") {
			hung <- struct{}{}
			<-release
		}
		return nil
	}))
	s := open(t, Options{FS: fs, Dir: "db", CacheSize: 1 << 20, Reserve: -1})
	if err := s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{row(0), row(1)}}); err != nil {
		t.Fatal(err)
	}
	hang.Store(true)
	done := make(chan error, 1)
	go func() {
		done <- s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{row(5)}, Deletes: [][]byte{row(1).Key}})
	}()
	<-hung
	for {
		if _, err := get(s, row(5).Key); err == nil {
			break // it is visible now, and not durable
		}
	}
	gone, cancel := contextCancelled()
	defer cancel()
	for _, c := range []struct {
		name  string
		read  func(kv.Snapshot)
		waits bool
	}{
		{"nothing", func(kv.Snapshot) {}, false},
		{"another row", func(v kv.Snapshot) { _, _ = v.Get(row(0).Key) }, false},
		{"the row", func(v kv.Snapshot) { _, _ = v.Get(row(5).Key) }, true},
		{"the deleted row", func(v kv.Snapshot) { _, _ = v.Get(row(1).Key) }, true},
		{"another span", func(v kv.Snapshot) { walk(v, kv.Span{Low: []byte("s")}, 0) }, false},
		{"the span", func(v kv.Snapshot) { walk(v, kv.Prefix([]byte("row/")), 0) }, true},
		{"the span up to before it", func(v kv.Snapshot) { walk(v, kv.Prefix([]byte("row/")), 1) }, false},
		{"the span up to it", func(v kv.Snapshot) { walk(v, kv.Prefix([]byte("row/")), 2) }, true},
		{"the span from after the deleted row up to it", func(v kv.Snapshot) { walk(v, kv.Span{Low: row(2).Key}, 1) }, true},
		{"the span from the end, stopped at it", func(v kv.Snapshot) { walk(v, kv.Span{Low: row(2).Key, Reverse: true}, 1) }, true},
		{"the span from the end", func(v kv.Snapshot) { walk(v, kv.Span{Low: row(0).Key, Reverse: true}, 1) }, true},
	} {
		v, err := s.Snapshot(ctx)
		if err != nil {
			t.Fatal(err)
		}
		c.read(v)
		if err := v.Settled(gone); (err != nil) != c.waits {
			t.Errorf("after reading %s: Settled gave %v, want a wait: %v", c.name, err, c.waits)
		}
		v.Close()
	}
	if err := s.Barrier(gone); err == nil {
		t.Error("Barrier did not wait")
	}
	if err := kv.Update(gone, s, func(tx *kv.Tx) error { _, err := tx.Get(row(5).Key); return err }); err == nil {
		t.Error("a transaction that only read did not wait")
	}
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := s.Barrier(ctx); err != nil {
		t.Fatal(err)
	}
	if n := len(s.flights.waiters); n != 0 {
		t.Errorf("%d waiters were left behind", n)
	}
}

// TestStalled: when the log is stuck for long, commits wait outside Pebble,
// where their contexts reach them.
func TestStalled(t *testing.T) {
	s := open(t, Options{FS: vfs.NewMem(), Dir: "db", CacheSize: 1 << 20, Reserve: -1})
	var f flight
	s.flights.begin(&f, &kv.Mutation{})
	s.stalled.Store(true)
	gone, cancel := contextCancelled()
	defer cancel()
	if err := s.Commit(gone, &kv.Mutation{Puts: []kv.Pair{row(0)}}); err == nil {
		t.Fatal("a commit went into a log that is stuck")
	}
	s.flights.applied.Add(1)
	s.flights.end(&f)
	if err := s.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{row(0)}}); err != nil {
		t.Fatal(err)
	}
}

// walk scans until the n-th row, or to the end when n is 0.
func walk(v kv.Snapshot, span kv.Span, n int) {
	at := 0
	for range v.Scan(span) {
		if at++; at == n {
			return
		}
	}
}
