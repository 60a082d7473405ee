package main

import (
	"fmt"
	"strings"

	"github.com/farhold/farhold/bench"
	"github.com/spf13/cobra"
)

// newBenchDiskCommand makes the command that measures what a disk can write.
func newBenchDiskCommand() *cobra.Command {
	var (
		json string
		size = benchSize(2 << 30)
		o    = bench.DiskOptions{}
	)
	cmd := &cobra.Command{
		Use:   "disk",
		Short: "Write a file in pieces of 1 MiB and sync it once, as dd conv=fdatasync does",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := benchInterruptible(cmd)
			defer stop()
			o.Bytes = int64(size)
			bars, done := newBenchBars()
			o.Progress = bars
			r, err := bench.Disk(ctx, o)
			done()
			if err != nil {
				return err
			}
			return benchEmit(cmd, json, r, func() string {
				var b strings.Builder
				bytes := benchSize(r.Bytes)
				fmt.Fprintf(&b, "disk: %s in writes of 1 MiB to a new file in %s, then fdatasync\n", bytes.String(), r.Dir)
				benchMachine(&b, &r.Machine)
				for i, v := range r.MiBPerSec {
					fmt.Fprintf(&b, "%.1f MiB/s (%.2f s, of which fdatasync %.2f s)\n", v, r.Seconds[i], r.SyncSeconds[i])
				}
				fmt.Fprintf(&b, "median %.1f MiB/s\n", r.Median)
				return b.String()
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Dir, "dir", ".", "directory on the disk to measure")
	f.Var(&size, "bytes", "size of the file")
	f.IntVar(&o.Runs, "runs", 3, "how often")
	f.StringVar(&json, "json", "", "write the report as JSON to `FILE`, - for standard output")
	return cmd
}
