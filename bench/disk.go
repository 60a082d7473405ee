package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// diskWrite is how many bytes a DiskOptions run writes at once.
const diskWrite = 1 << 20

// DiskOptions say how to measure sequential writes to a file.
type DiskOptions struct {
	// Dir holds the file, which is removed afterwards.
	Dir string
	// Bytes to write in each run, rounded down to whole MiB; at least one.
	Bytes int64
	// Runs is how often; each run writes a new file.
	Runs int
	// Progress may be nil.
	Progress Progress
}

// DiskReport is what a disk does with dd-like writes.
type DiskReport struct {
	Started time.Time `json:"started"`
	Machine Machine   `json:"machine"`
	Dir     string    `json:"dir"`
	Bytes   int64     `json:"bytes"`
	// Seconds and MiBPerSec are those of each run: writes and the one
	// fdatasync at the end.
	Seconds   []float64 `json:"seconds"`
	MiBPerSec []float64 `json:"mib_per_second"`
	// Median of MiBPerSec (the lower one of two).
	Median float64 `json:"median_mib_per_second"`
	// SyncSeconds is the part of each run that the fdatasync took.
	SyncSeconds []float64 `json:"fdatasync_seconds"`
}

// Disk does what dd bs=1M conv=fdatasync does: writes a new file in pieces of
// 1 MiB, then syncs it, as fast as it goes. The bytes are random, so that no
// layer can save on them.
func Disk(ctx context.Context, o DiskOptions) (*DiskReport, error) {
	if o.Bytes < diskWrite || o.Runs < 1 {
		return nil, fmt.Errorf("%w: at least 1 MiB and one run", ErrOptions)
	}
	r := &DiskReport{Started: time.Now().UTC(), Machine: ThisMachine(), Dir: o.Dir, Bytes: o.Bytes / diskWrite * diskWrite}
	block := newBodies(diskWrite + stampSize).block
	for i := range o.Runs {
		count, stop := o.Progress.phase(fmt.Sprintf("write %d of %d", i+1, o.Runs), r.Bytes)
		whole, sync, err := diskRun(ctx, o.Dir, r.Bytes, block, count)
		stop()
		if err != nil {
			return nil, err
		}
		r.Seconds = append(r.Seconds, whole.Seconds())
		r.SyncSeconds = append(r.SyncSeconds, sync.Seconds())
		r.MiBPerSec = append(r.MiBPerSec, float64(r.Bytes)/(1<<20)/whole.Seconds())
	}
	sorted := slices.Sorted(slices.Values(r.MiBPerSec))
	r.Median = sorted[(len(sorted)-1)/2]
	return r, nil
}

func diskRun(ctx context.Context, dir string, size int64, block []byte, count *counter) (whole, sync time.Duration, err error) {
	f, err := os.CreateTemp(dir, "farhold-bench-*")
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	begin := time.Now()
	for range size / diskWrite {
		if ctx.Err() != nil {
			return 0, 0, ctx.Err()
		}
		if _, err := f.Write(block); err != nil {
			return 0, 0, err
		}
		count.add(diskWrite)
	}
	synced := time.Now()
	if err := fdatasync(f); err != nil {
		return 0, 0, err
	}
	return time.Since(begin), time.Since(synced), nil
}
