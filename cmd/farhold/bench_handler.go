package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/farhold/farhold/bench"
	"github.com/spf13/cobra"
)

// newBenchHandlerCommand makes the command that measures the ceiling.
func newBenchHandlerCommand() *cobra.Command {
	var (
		ops  []string
		json string
		size = benchSize(4 << 10)
		o    bench.Options

		plain bool
	)
	cmd := &cobra.Command{
		Use:   "handler",
		Short: "Measure a trivial HTTP handler, the ceiling for a server on this machine",
		Long: `Measure a trivial HTTP handler, the ceiling for a server on this machine.

A child process serves it: it discards the bodies of PUTs and answers GETs from
memory. The client is the one that measures S3, signatures included.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := benchInterruptible(cmd)
			defer stop()
			exe, err := os.Executable()
			if err != nil {
				return err
			}
			o.Size = int64(size)
			h, err := bench.StartHandler(ctx, exe, slices.Concat(benchPath(cmd.Parent()), []string{"handler-serve", "--size", fmt.Sprint(o.Size)})...)
			if err != nil {
				return err
			}
			bars, done := newBenchBars()
			o.Progress = bars
			measure := bench.Ceiling
			if plain {
				measure = bench.CeilingNetHTTP
			}
			var rs []*bench.Report
			for _, op := range ops {
				o.Workload = op
				var r *bench.Report
				if r, err = measure(ctx, h, o); err != nil || r.Interrupted {
					break
				}
				rs = append(rs, r)
			}
			done()
			ended := h.Stop()
			if err := benchFirst(err, ended); err != nil {
				return err
			}
			return benchEmit(cmd, json, rs, func() string {
				var b strings.Builder
				for _, r := range rs {
					b.WriteString(benchTable(r))
				}
				return b.String()
			})
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&ops, "op", []string{bench.Put, bench.Get}, "what to measure: put, get, head")
	f.BoolVar(&plain, "net-http", false, "measure with an ordinary net/http client that signs nothing (put and get only)")
	f.Var(&size, "size", "bytes of each body")
	f.IntVar(&o.Clients, "clients", 32, "requests under way at a time")
	f.DurationVar(&o.Warmup, "warmup", time.Second, "how long to run before measuring")
	f.DurationVar(&o.Duration, "duration", 10*time.Second, "how long to measure each")
	f.StringVar(&json, "json", "", "write the reports as JSON to `FILE`, - for standard output")
	return cmd
}

// benchPath gives the words that lead to a command, without the program's.
func benchPath(cmd *cobra.Command) []string { return strings.Fields(cmd.CommandPath())[1:] }

// newBenchHandlerServeCommand makes the command that the child process runs.
func newBenchHandlerServeCommand() *cobra.Command {
	size := benchSize(4 << 10)
	cmd := &cobra.Command{
		Use:   "handler-serve",
		Short: "Serve the trivial handler until standard input ends",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := benchInterruptible(cmd)
			defer stop()
			return bench.RunHandler(ctx, cmd.InOrStdin(), cmd.OutOrStdout(), int64(size))
		},
	}
	cmd.Flags().Var(&size, "size", "bytes of each answer to GET")
	return cmd
}
