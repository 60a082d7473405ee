package diskblob_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/farhold/farhold/blob"
	"github.com/farhold/farhold/blob/blobtest"
	"github.com/farhold/farhold/blob/diskblob"
)

// crashOptions make packs turn over and files appear with little data.
func crashOptions(fs vfs.FS) diskblob.Options {
	return diskblob.Options{FS: fs, Dir: "data/blobs", Volume: "v1", PackMax: 96 << 10, FileMin: 24 << 10, Packs: 2}
}

// load is concurrent work on a store, and what is known of its outcome.
type load struct {
	store *diskblob.Store
	seed  uint64

	mu    sync.Mutex
	acked map[blob.ID]uint64 // committed, and no delete of it begun: its tag
	gone  map[blob.ID]bool   // deleted for certain, as long as no crash comes
}

func newLoad(seed uint64) *load {
	return &load{seed: seed, acked: make(map[blob.ID]uint64), gone: make(map[blob.ID]bool)}
}

// bodyOf is the body that a tag stands for. It begins with the tag.
func bodyOf(tag uint64) []byte {
	rng := rand.New(rand.NewPCG(tag, 1))
	n := 8 + rng.IntN(9000)
	if rng.IntN(8) == 0 {
		n = 24<<10 + rng.IntN(20_000)
	}
	b := blobtest.Body(tag, n)
	binary.LittleEndian.PutUint64(b, tag)
	return b
}

// run works until each of the writers did count things. Errors of the store go
// to failed; they end nothing.
func (l *load) run(s *diskblob.Store, writers, count int, failed func(error)) {
	l.store = s
	var wg sync.WaitGroup
	for g := range writers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			rng := rand.New(rand.NewPCG(l.seed, uint64(g)))
			var mine []blob.ID
			for range count {
				switch k := rng.IntN(10); {
				case k < 6 || len(mine) == 0:
					tag := rng.Uint64()
					body := bodyOf(tag)
					hint := int64(-1)
					if k%2 == 0 {
						hint = int64(len(body))
					}
					id, err := blobtest.TryPut(s, body, hint)
					if err != nil {
						failed(fmt.Errorf("put: %w", err))
						continue
					}
					l.mu.Lock()
					l.acked[id] = tag
					l.mu.Unlock()
					mine = append(mine, id)
				case k < 9:
					i := rng.IntN(len(mine))
					id := mine[i]
					mine = slices.Delete(mine, i, i+1)
					l.mu.Lock()
					delete(l.acked, id)
					l.mu.Unlock()
					if err := s.Delete(context.Background(), id); err != nil {
						failed(fmt.Errorf("delete: %w", err))
						continue
					}
					l.mu.Lock()
					l.gone[id] = true
					l.mu.Unlock()
				default:
					w, err := s.Create(context.Background(), -1)
					if err != nil {
						failed(fmt.Errorf("create: %w", err))
						continue
					}
					if _, err := w.Write(bodyOf(rng.Uint64())); err != nil {
						failed(fmt.Errorf("write: %w", err))
					}
					w.Abort()
				}
			}
		}()
	}
	wg.Wait()
}

func (l *load) known() map[blob.ID]uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.acked)
}

// checkStore wants all acked blobs whole, and all listed ones whole.
func checkStore(s *diskblob.Store, acked map[blob.ID]uint64) error {
	for id, tag := range acked {
		got, err := blobtest.Get(s, id, 0, -1)
		if err != nil {
			return fmt.Errorf("acknowledged: %w", err)
		}
		if !bytes.Equal(got, bodyOf(tag)) {
			return fmt.Errorf("acknowledged: %s has other bytes", id)
		}
	}
	listed := make(map[blob.ID]bool)
	var ghosts []blob.ID
	for info, err := range s.List(context.Background(), "") {
		if err != nil {
			return fmt.Errorf("list: %w", err)
		}
		listed[info.ID] = true
		got, err := blobtest.Get(s, info.ID, 0, -1)
		if errors.Is(err, blob.ErrNotFound) {
			ghosts = append(ghosts, info.ID)
			continue
		}
		if err != nil {
			return fmt.Errorf("listed: %w", err)
		}
		if len(got) < 8 || !bytes.Equal(got, bodyOf(binary.LittleEndian.Uint64(got))) || int64(len(got)) != info.Size {
			return fmt.Errorf("listed: %s is torn", info.ID)
		}
	}
	for id := range acked {
		if !listed[id] {
			return fmt.Errorf("acknowledged: %s is not listed", id)
		}
	}
	// A deletion that was cut short may still be listed. Done again, it is
	// complete.
	for _, id := range ghosts {
		if err := s.Delete(context.Background(), id); err != nil {
			return fmt.Errorf("deleted again: %w", err)
		}
	}
	s.Drain()
	for info := range s.List(context.Background(), "") {
		if slices.Contains(ghosts, info.ID) {
			return fmt.Errorf("%s was deleted twice and is listed", info.ID)
		}
	}
	return nil
}

// checkCrashed opens what a crash left. The crash of the recovery itself, at
// each of its steps, is checked too if deep.
func checkCrashed(crashed *vfs.MemFS, acked map[blob.ID]uint64, rng *rand.Rand, deep bool) error {
	var fs vfs.FS = crashed
	var inner error
	if deep {
		var mu sync.Mutex
		fs = hookFS{crashed, func(op) (bool, error) {
			mu.Lock()
			defer mu.Unlock()
			again := crashed.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rng})
			if err := checkCrashed(again, acked, rng, false); err != nil && inner == nil {
				inner = fmt.Errorf("crash of the recovery: %w", err)
			}
			return false, nil
		}}
	}
	s, err := diskblob.Open(crashOptions(fs))
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	err = checkStore(s, acked)
	if err == nil && !deep {
		// It is in order if it can be used and opened again.
		var id blob.ID
		if id, err = blobtest.TryPut(s, bodyOf(1), -1); err == nil {
			acked = maps.Clone(acked)
			acked[id] = 1
			err = checkStore(s, acked)
		}
	}
	if cerr := s.Close(); err == nil {
		err = cerr
	}
	if err == nil && !deep {
		if s, err = diskblob.Open(crashOptions(crashed)); err == nil {
			err = checkStore(s, acked)
			s.Close()
		}
	}
	if err != nil {
		return err
	}
	return inner
}

// crashEverywhere crashes a load at each step, with none, half and all of what
// was not synced left, and gives how many crashes there were and what was wrong.
func crashEverywhere(t *testing.T, seed uint64, mutant string) (crashes int, wrong []error) {
	mem := vfs.NewCrashableMem()
	l := newLoad(seed)
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(seed, 99))
	var on atomic.Bool
	fs := hookFS{mem, func(o op) (bool, error) {
		if !on.Load() {
			return false, nil
		}
		mu.Lock()
		defer mu.Unlock()
		acked := l.known() // before the crash: so each is durable
		for _, percent := range []int{0, 50, 100} {
			crashed := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})
			crashes++
			if err := checkCrashed(crashed, acked, rng, crashes%10 == 0); err != nil {
				wrong = append(wrong, fmt.Errorf("%d %% kept, before %s of %s: %w", percent, o.kind, o.path, err))
			}
		}
		return false, nil
	}}
	if err := mem.MkdirAll("data", 0o755); err != nil { // the region's folder, which is there
		t.Fatal(err)
	}
	root, err := mem.OpenDir("/")
	if err != nil {
		t.Fatal(err)
	}
	if err := root.Sync(); err != nil {
		t.Fatal(err)
	}
	on.Store(true)
	opts := crashOptions(fs)
	opts.Mutant = mutant
	s, err := diskblob.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	l.run(s, 3, 12, func(err error) { t.Error(err) })
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	return crashes, wrong
}

// FARHOLD_CRASH_SEEDS asks for more than the usual seeds.
func TestCrash(t *testing.T) {
	seeds := uint64(3)
	if n, err := strconv.ParseUint(os.Getenv("FARHOLD_CRASH_SEEDS"), 10, 32); err == nil {
		seeds = n
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			crashes, wrong := crashEverywhere(t, seed, "")
			t.Logf("%d crashes", crashes)
			for i, err := range wrong {
				if i == 10 {
					t.Fatalf("and %d more", len(wrong)-i)
				}
				t.Error(err)
			}
		})
	}
}

// A store that leaves out a sync must be found out.
func TestMutants(t *testing.T) {
	for _, mutant := range []string{"no-file-sync", "no-dir-sync"} {
		t.Run(mutant, func(t *testing.T) {
			t.Parallel()
			crashes, wrong := crashEverywhere(t, 7, mutant)
			if len(wrong) == 0 {
				t.Errorf("%d crashes did not find it out", crashes)
			} else {
				t.Logf("%d of %d crashes found it out; the first: %v", len(wrong), crashes, wrong[0])
			}
		})
	}
}

var errInjected = errors.New("injected fault")

// Each step fails in turn, once. Whatever the calls say is true: what was
// acknowledged is there afterwards, after a restart, and after a crash; and the
// store works on, unless a directory's sync failed.
func TestEachStepFails(t *testing.T) {
	for _, fault := range []error{errInjected, fullError} {
		for n := 1; ; n++ {
			mem := vfs.NewCrashableMem()
			var count atomic.Int64
			var failed op
			unsynced := make(map[string]bool) // files whose failed sync lost their bytes
			var mu sync.Mutex
			on, armed := false, true
			fs := hookFS{mem, func(o op) (bool, error) {
				mu.Lock()
				defer mu.Unlock()
				if !on {
					return false, nil
				}
				if count.Add(1) == int64(n) && armed {
					failed = o
					if o.kind == "sync" || o.kind == "syncdir" {
						unsynced[o.path] = true
					}
					return false, fault
				}
				// As in a kernel, a sync after a failed one succeeds without
				// having written what the failed one did not.
				return unsynced[o.path] && (o.kind == "sync" || o.kind == "syncdir"), nil
			}}
			opts := crashOptions(fs)
			s, err := diskblob.Open(opts)
			if err != nil {
				t.Fatal(err)
			}
			mu.Lock()
			on = true
			mu.Unlock()
			l := newLoad(uint64(n))
			errs := 0
			var emu sync.Mutex
			l.run(s, 2, 10, func(err error) {
				emu.Lock()
				defer emu.Unlock()
				errs++
				if !errors.Is(err, errInjected) && !errors.Is(err, blob.ErrFull) && !(failed.kind == "syncdir" && errors.Is(err, blob.ErrClosed)) {
					t.Errorf("%v of %s fails: %v", failed.kind, failed.path, err)
				}
			})
			s.Drain()
			mu.Lock()
			armed = false
			mu.Unlock()
			what := fmt.Sprintf("%s of %s fails with %q", failed.kind, failed.path, fault)
			if err := checkStore(s, l.known()); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			for id := range l.gone {
				if _, err := blobtest.Get(s, id, 0, -1); !errors.Is(err, blob.ErrNotFound) {
					t.Errorf("%s: deleted: %v", what, err)
				}
			}
			crashed := mem.CrashClone(vfs.CrashCloneCfg{})
			if err := checkCrashed(crashed, l.known(), nil, false); err != nil {
				t.Errorf("%s, then a crash: %v", what, err)
			}
			if failed.kind != "syncdir" {
				if _, err := blobtest.TryPut(s, bodyOf(5), -1); err != nil {
					t.Errorf("%s: put afterwards: %v", what, err)
				}
			} else if _, err := s.Create(t.Context(), -1); !errors.Is(err, blob.ErrClosed) {
				t.Errorf("%s: create afterwards: %v", what, err)
			}
			if err := s.Close(); err != nil && !errors.Is(err, fault) {
				t.Errorf("%s: close: %v", what, err)
			}
			if s, err = diskblob.Open(crashOptions(mem)); err != nil {
				t.Fatalf("%s: open again: %v", what, err)
			}
			if err := checkStore(s, l.known()); err != nil {
				t.Errorf("%s: after a restart: %v", what, err)
			}
			closeStore(t, s)
			if failed.kind == "" {
				if n < 20 {
					t.Errorf("only %d steps", n)
				}
				break
			}
			if t.Failed() {
				return
			}
		}
	}
}
