package bench

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestStatOfAProcessWithAnOddName(t *testing.T) {
	got, err := parseStat([]byte("42 (a) b (c)) R 1 42 42 0 -1 4194304 100 0 0 0 123 45 6 7 20 0 1 0 100 1000 10"))
	if err != nil || got != 1680*time.Millisecond {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"", "42 name R 1", "42 (a) R 1 2", "42 (a) R 1 2 3 4 5 6 7 8 9 10 x 12 13"} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestCPUOfThisProcessGrows(t *testing.T) {
	before, err := takeSample([]int{os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	// Spend processor time until the coarser of the two clocks must show it.
	for selfCPU()-before.self < 5*clockTick {
		newBodies(1 << 20)
	}
	after, err := takeSample([]int{os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	l := after.since(before, []int{os.Getpid()}, 10)
	if l.Client.CPUSeconds < .05 || l.Servers[0].CPUSeconds < .03 || l.Client.CPUMicrosPerOp < 5000 || l.Servers[0].PeakMemoryMiB <= 0 {
		t.Errorf("load %+v", l)
	}
	if _, err := cpuOf(1 << 30); err == nil {
		t.Error("a process that isn't there was observed")
	}
}

func TestKilobytes(t *testing.T) {
	if n := kilobytesIn("VmPeak:\t 100 kB\nVmHWM:\t   2048 kB\n", "VmHWM:"); n != 2<<20 {
		t.Errorf("got %d", n)
	}
	if n := kilobytesIn("VmPeak: 1 kB\n", "VmHWM:"); n != 0 {
		t.Errorf("got %d", n)
	}
}

func TestDiskWritesAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	r, err := Disk(t.Context(), DiskOptions{Dir: dir, Bytes: 3<<20 + 5, Runs: 2})
	if err != nil {
		t.Fatal(err)
	}
	if r.Bytes != 3<<20 || len(r.MiBPerSec) != 2 || r.Median != min(r.MiBPerSec[0], r.MiBPerSec[1]) || r.SyncSeconds[0] > r.Seconds[0] {
		t.Errorf("got %+v", r)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if _, err := Disk(t.Context(), DiskOptions{Dir: filepath.Join(dir, "absent"), Bytes: 1 << 20, Runs: 1}); err == nil {
		t.Error("a directory that isn't there was written to")
	}
	if _, err := Disk(t.Context(), DiskOptions{Dir: dir, Bytes: 1, Runs: 1}); err == nil {
		t.Error("a file of one byte was measured")
	}
}
