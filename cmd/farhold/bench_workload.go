package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/farhold/farhold/bench"
	"github.com/spf13/cobra"
)

// benchMix is a flag of shares: get=45,head=30,put=15,delete=10.
type benchMix bench.Mix

// Set reads the shares; what isn't named has none.
func (m *benchMix) Set(text string) error {
	var mix bench.Mix
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(part, "=")
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 || n > 1_000_000 {
			return fmt.Errorf("%q is no share such as get=45", part)
		}
		switch name {
		case bench.Get:
			mix.Get = n
		case bench.Head:
			mix.Head = n
		case bench.Put:
			mix.Put = n
		case bench.Delete:
			mix.Delete = n
		default:
			return fmt.Errorf("%q is none of get, head, put, delete", name)
		}
	}
	*m = benchMix(mix)
	return nil
}

// String writes the shares as Set reads them.
func (m *benchMix) String() string {
	return fmt.Sprintf("get=%d,head=%d,put=%d,delete=%d", m.Get, m.Head, m.Put, m.Delete)
}

// Type names the flag's kind in usage texts.
func (m *benchMix) Type() string { return "shares" }

// newBenchWorkloadCommand makes the command of one workload.
func newBenchWorkloadCommand(workload, short string) *cobra.Command {
	var (
		access    benchAccess
		endpoints []string
		region    string
		bucket    string
		json      string
		size      = benchSize(4 << 10)
		mix       = benchMix{Get: 45, Head: 30, Put: 15, Delete: 10}
		o         = bench.Options{Workload: workload}
		l         = &o.Listing
	)
	cmd := &cobra.Command{
		Use:   workload,
		Short: short,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			urls, err := benchEndpoints(endpoints)
			if err != nil {
				return err
			}
			t, err := access.target(urls, benchRegion(region), bucket)
			if err != nil {
				return err
			}
			o.Size, o.Mix = int64(size), bench.Mix(mix)
			if o.PrepareClients == 0 {
				o.PrepareClients = max(o.Clients, 64)
				if o.Size > 1<<20 {
					o.PrepareClients = 8
				}
			}
			benchDefaultObjects(cmd, &o)
			if workload == bench.List {
				benchDefaultListing(cmd, l)
			}
			ctx, stop := benchInterruptible(cmd)
			defer stop()
			bars, done := newBenchBars()
			o.Progress = bars
			r, err := bench.Run(ctx, t, o)
			done()
			if r == nil {
				return err
			}
			return benchFirst(benchEmit(cmd, json, r, func() string { return benchTable(r) }), err, benchSucceeded(r))
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&endpoints, "endpoint", nil, "`URL` of the server; several share the clients (default $AWS_ENDPOINT_URL)")
	access.flags(cmd)
	f.StringVar(&region, "region", "", "region of the bucket (default $AWS_REGION, else us-east-1)")
	f.StringVar(&bucket, "bucket", "farhold-bench", "bucket, made if absent")
	f.BoolVar(&o.Versioned, "versioned", false, "turn the bucket's versioning on")
	f.StringVar(&o.Prefix, "prefix", "bench/", "what every key begins with")
	f.IntVar(&o.Clients, "clients", 32, "requests under way at a time")
	f.IntVar(&o.PrepareClients, "prepare-clients", 0, "clients that fill and clean up (default 64 or --clients, 8 for objects above 1 MiB)")
	f.IntSliceVar(&o.ServerPIDs, "server-pid", nil, "`PID` of a server process on this machine whose CPU is reported; may be repeated")
	f.BoolVar(&o.Cleanup, "cleanup", false, "delete every version under --prefix afterwards")
	f.StringVar(&json, "json", "", "write the report as JSON to `FILE`, - for standard output")
	f.DurationVar(&o.Duration, "duration", 10*time.Second, "how long to measure")
	if workload != bench.Delete {
		f.DurationVar(&o.Warmup, "warmup", time.Second, "how long to run before measuring")
	}
	if workload == bench.List {
		size = 1 << 10
	}
	f.Var(&size, "size", "bytes of each object, for example 4KiB or 64MiB")
	switch workload {
	case bench.Put:
		f.Int64Var(&o.Objects, "objects", 0, "stop after so many objects; without --duration nothing else stops it")
	case bench.List:
		f.Int64Var(&l.Keys, "objects", 0, "keys to prepare: all of them (flat), in the large prefix (delimiter), delete-marked (markers), with many versions (deep)\n(default 100,000, 1,000,000, 100,000 or 1,000)")
		f.StringVar(&l.Shape, "shape", bench.Flat, "key space to list: flat, delimiter, markers or deep")
		f.Int64Var(&l.Others, "others", 100, "other prefixes beside the large one (delimiter)")
		f.Int64Var(&l.Live, "live", 1000, "live keys behind the delete-marked ones (markers)")
		f.Int64Var(&l.Versions, "key-versions", 1000, "versions of each key (deep)")
		f.StringVar(&l.Delimiter, "delimiter", "", "roll keys up at / (always for the shape delimiter)")
		f.BoolVar(&l.AllVersions, "versions", false, "list versions and delete markers instead of objects")
	default:
		f.Int64Var(&o.Objects, "objects", 0, "objects to prepare (default 10,000, fewer where they would exceed 1 GiB)")
	}
	if workload != bench.Put {
		f.BoolVar(&o.Prepared, "prepared", false, "an earlier run with the same options has left what would be prepared")
	}
	if workload == bench.Get || workload == bench.Mixed {
		f.BoolVar(&o.Verify, "verify", false, "compare every byte with what was put")
	}
	if workload == bench.Mixed {
		f.Var(&mix, "mix", "shares of the operations")
	}
	return cmd
}

// benchDefaultObjects chooses a number of objects where none is given. A put
// of a given number of objects isn't bounded by time unless that's given too;
// the same goes for delete.
func benchDefaultObjects(cmd *cobra.Command, o *bench.Options) {
	timed := cmd.Flags().Changed("duration")
	switch o.Workload {
	case bench.Put:
		if o.Objects > 0 && !timed {
			o.Duration = 0
		}
		return
	case bench.Delete:
		if !timed {
			o.Duration = 0
		}
	case bench.List:
		return
	}
	if o.Objects == 0 {
		o.Objects = min(10_000, max(16, (1<<30)/max(o.Size, 1)))
	}
}

func benchDefaultListing(cmd *cobra.Command, l *bench.Listing) {
	if !cmd.Flags().Changed("objects") {
		l.Keys = map[string]int64{bench.Delimiter: 1_000_000, bench.Deep: 1000}[l.Shape]
		if l.Keys == 0 {
			l.Keys = 100_000
		}
	}
	if l.Shape == bench.Delimiter && l.Delimiter == "" {
		l.Delimiter = "/"
	}
	if l.Shape != bench.Delimiter {
		l.Others = 0
	}
	if l.Shape != bench.Markers {
		l.Live = 0
	}
	if l.Shape != bench.Deep {
		l.Versions = 0
	}
}
