package sim

import (
	"context"
	"errors"
	"flag"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "run this seed only, and print its whole trace")
	seedsFlag = flag.Int("seeds", 0, "how many seeds to run; FARHOLD_SEEDS, or else 500, when 0")
)

// seeds is how many seeds to run.
func seeds(t *testing.T) uint64 {
	n := *seedsFlag
	for _, name := range []string{"SEEDS", "FARHOLD_SEEDS"} {
		if text := os.Getenv(name); text != "" && n == 0 {
			var err error
			if n, err = strconv.Atoi(text); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	if n == 0 {
		n = 500
	}
	return uint64(n)
}

// each runs seeds 1 to n on all cores until one fails as stop likes.
func each(n uint64, f func(seed uint64) (stop bool)) {
	var next atomic.Uint64
	var stopped atomic.Bool
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for !stopped.Load() {
				seed := next.Add(1)
				if seed > n {
					return
				}
				if f(seed) {
					stopped.Store(true)
				}
			}
		})
	}
	wg.Wait()
}

// TestSeeds runs the simulation under many seeds.
func TestSeeds(t *testing.T) {
	if *seedFlag != 0 {
		if err := Run(context.Background(), Options{Seed: *seedFlag}); err != nil {
			t.Fatal(err)
		}
		return
	}
	n := seeds(t)
	began := time.Now()
	var failed atomic.Int32
	each(n, func(seed uint64) bool {
		if err := Run(context.Background(), Options{Seed: seed}); err != nil {
			t.Error(err)
			return failed.Add(1) >= 3
		}
		return false
	})
	took := time.Since(began)
	t.Logf("%d seeds in %v: %.1f s per 1,000", n, took.Round(time.Millisecond), took.Seconds()*1000/float64(n))
}

// TestMutants proves that the simulation fails a store that lacks a safety.
func TestMutants(t *testing.T) {
	for _, mutant := range []string{"wall-clock", "no-dedupe", "no-tombstone", "no-park", "lawless"} {
		t.Run(mutant, func(t *testing.T) {
			var found atomic.Pointer[Failure]
			each(500, func(seed uint64) bool {
				var f *Failure
				if err := Run(context.Background(), Options{Seed: seed, Mutant: mutant}); errors.As(err, &f) {
					found.Store(f)
					return true
				}
				return false
			})
			if f := found.Load(); f == nil {
				t.Errorf("500 seeds saw nothing wrong with %s", mutant)
			} else {
				t.Logf("seed %d: %v", f.Seed, f.Err)
			}
		})
	}
}

// TestRepeats proves that a seed decides everything.
func TestRepeats(t *testing.T) {
	for seed := uint64(1); seed <= 5; seed++ {
		a, b := traceOf(t, seed), traceOf(t, seed)
		if len(a) != len(b) {
			t.Fatalf("seed %d: %d and %d lines", seed, len(a), len(b))
		}
		for i := range a {
			if a[i] != b[i] {
				t.Fatalf("seed %d differs:\n%s\n%s", seed, a[i], b[i])
			}
		}
	}
}

func traceOf(t *testing.T, seed uint64) []string {
	t.Helper()
	trace, err := run(context.Background(), Options{Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	return trace
}
