package main

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/farhold/farhold/bench"
	"github.com/spf13/cobra"
)

// newBenchReplicationCommand makes the command that measures two regions.
func newBenchReplicationCommand() *cobra.Command {
	var (
		source, dest           benchAccess
		sourceURLs, destURLs   []string
		sourceRegion, destReg  string
		sourceBucket, destName string
		json, peerLog          string
		objects                int64
		size                   = benchSize(4 << 10)
		o                      bench.ReplicationOptions
		peer                   bench.Peer
	)
	cmd := &cobra.Command{
		Use:   "replication",
		Short: "Measure lag, throughput and recovery of replication between two buckets",
		Long: `Measure lag, throughput and recovery of replication between two buckets.

Phases:
  lag     each client puts an object, asks the destination for it every --poll
          until it is there, then puts the next
  probe   asks for each object once, a fixed delay after its acknowledgement
  drain   puts objects as fast as possible and waits until all are there: a
          sample is watched while they arrive, then every object is checked
  outage  kills the destination's process with SIGKILL, puts objects, restarts
          it after --outage-time, and measures from its readiness on until all
          are there

An object is there when the destination answers with the source's version ID
and entity tag. The command fails when one never arrives.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dest.accessKey == "" && dest.secretKey == "" {
				dest.accessKey, dest.secretKey, dest.sessionToken = source.accessKey, source.secretKey, source.sessionToken
			}
			dest.tlsCA, dest.insecure, dest.unsigned, dest.headers, dest.timeout = source.tlsCA, source.insecure, source.unsigned, source.headers, source.timeout
			var err error
			if sourceURLs, err = benchEndpoints(sourceURLs); err != nil {
				return fmt.Errorf("source: %w", err)
			}
			if len(destURLs) == 0 {
				destURLs = sourceURLs
			}
			if o.Source, err = source.target(sourceURLs, benchRegion(sourceRegion), sourceBucket); err != nil {
				return err
			}
			if o.Destination, err = dest.target(destURLs, benchOr(destReg, "us-west-2"), destName); err != nil {
				return err
			}
			o.Size = int64(size)
			if objects > 0 {
				o.LagObjects, o.ProbeObjects, o.DrainObjects, o.OutageObjects = objects, objects, objects, objects
			}
			if peer.PID != 0 || peer.Command != "" || peer.Restart != "" {
				o.Peer = &peer
			}
			if peerLog != "" {
				f, err := os.OpenFile(peerLog, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
				if err != nil {
					return err
				}
				defer f.Close()
				peer.Log = f
			}
			ctx, stop := benchInterruptible(cmd)
			defer stop()
			bars, done := newBenchBars()
			o.Progress = bars
			r, err := bench.Replicate(ctx, o)
			done()
			if r == nil {
				return err
			}
			return benchFirst(benchEmit(cmd, json, r, func() string { return benchReplicationTable(r) }), err)
		},
	}
	f := cmd.Flags()
	source.flags(cmd)
	f.StringSliceVar(&sourceURLs, "source-endpoint", nil, "`URL` of the source (default $AWS_ENDPOINT_URL)")
	f.StringVar(&sourceRegion, "source-region", "", "region of the source (default $AWS_REGION, else us-east-1)")
	f.StringVar(&sourceBucket, "source-bucket", "farhold-bench-source", "bucket to put to")
	f.StringSliceVar(&destURLs, "dest-endpoint", nil, "`URL` of the destination (default: the source's)")
	f.StringVar(&destReg, "dest-region", "us-west-2", "region of the destination")
	f.StringVar(&destName, "dest-bucket", "farhold-bench-copy", "bucket that objects are replicated to")
	f.StringVar(&dest.accessKey, "dest-access-key", "", "access key at the destination (default: the source's)")
	f.StringVar(&dest.secretKey, "dest-secret-key", "", "secret key at the destination (default: the source's)")
	f.StringSliceVar(&o.Phases, "phases", []string{bench.Lag, bench.Drain}, "what to measure, in this order: lag, probe, drain, outage")
	f.BoolVar(&o.Setup, "setup", false, "make both buckets, versioned, and the replication rule")
	f.StringVar(&o.Account, "account", "", "account in the rule's role ARN (default: asked from STS at the source)")
	f.StringVar(&o.Prefix, "prefix", "bench/", "what every key begins with")
	f.Var(&size, "size", "bytes of each object")
	f.IntVar(&o.Clients, "clients", 8, "clients of lag and probe")
	f.IntVar(&o.DrainClients, "drain-clients", 32, "clients of drain and outage")
	f.Int64Var(&objects, "objects", 0, "objects of every phase, instead of the following")
	f.Int64Var(&o.LagObjects, "lag-objects", 2000, "objects of the phase lag")
	f.Int64Var(&o.ProbeObjects, "probe-objects", 500, "objects of the phase probe for each delay")
	f.Int64Var(&o.DrainObjects, "drain-objects", 20_000, "objects of the phase drain")
	f.Int64Var(&o.OutageObjects, "outage-objects", 5000, "objects of the phase outage")
	f.DurationVar(&o.Poll, "poll", 2*time.Millisecond, "pause between two questions for an object")
	f.DurationSliceVar(&o.ProbeDelays, "probe-delays", []time.Duration{0, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond}, "delays of the phase probe")
	f.DurationVar(&o.Wait, "wait", 10*time.Minute, "how long objects may take to arrive")
	f.DurationVar(&o.OutageTime, "outage-time", time.Minute, "how long the destination is down")
	f.IntVar(&peer.PID, "peer-pid", 0, "`PID` of the destination's process, which outage kills")
	f.StringVar(&peer.Restart, "peer-restart", "", "`COMMAND` that starts it again; it must stay in the foreground, and is left running")
	f.StringVar(&peer.Command, "peer-command", "", "`COMMAND` that starts the destination, now and after the kill; it is ended at the end")
	f.StringVar(&peer.Ready, "ready-url", "", "`URL` that answers 200 once the destination serves (default: its endpoint with /-/ready)")
	f.StringVar(&peerLog, "peer-log", "", "`FILE` to which a command's output is appended")
	f.IntSliceVar(&o.ServerPIDs, "server-pid", nil, "`PID` of a server process whose CPU is reported for lag and drain; may be repeated")
	f.BoolVar(&o.Cleanup, "cleanup", false, "delete every version under --prefix in both buckets afterwards")
	f.StringVar(&json, "json", "", "write the report as JSON to `FILE`, - for standard output")
	return cmd
}

// benchReplicationTable writes a report for people.
func benchReplicationTable(r *bench.ReplicationReport) string {
	var b strings.Builder
	size := benchSize(r.Source.Size)
	fmt.Fprintf(&b, "replication of objects of %s from %s (%s) to %s (%s)\n", size.String(),
		r.Source.Bucket, r.Source.Region, r.Destination.Bucket, r.Destination.Region)
	benchMachine(&b, &r.Machine)
	if l := r.Lag; l != nil {
		fmt.Fprintf(&b, "lag: %s objects, %d clients, polled every %g ms, missing %d\n", benchThousands(l.Objects), l.Clients, l.PollMS, l.Missing)
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(w, "\tp50 ms\tp99 ms\tp99.9 ms\tmax ms\t")
		fmt.Fprintf(w, "lag\t%s\t\n", benchLatency(l.Lag))
		fmt.Fprintf(w, "put\t%s\t\n", benchLatency(l.Put))
		w.Flush() // Into memory, which doesn't fail.
		benchLoad(&b, &l.Load)
	}
	for _, p := range r.Probes {
		fmt.Fprintf(&b, "probe: %g ms after the acknowledgement %.2f %% of %s objects were there\n", p.DelayMS, p.Percent, benchThousands(p.Objects))
	}
	if d := r.Drain; d != nil {
		fmt.Fprintf(&b, "drain: %s objects, %d clients: %s objects/s end to end (%.1f MiB/s), all there after %.2f s\n",
			benchThousands(d.Objects), d.Clients, benchRate(d.PerSecond), d.MiBPerSec, d.Seconds)
		fmt.Fprintf(&b, "  put in %.2f s (%s/s, p50 %.2f, p99 %.2f ms), tail %.3f s, late at the full check %d, missing %d\n  ",
			d.PutSeconds, benchRate(d.PutPerSecond), d.Put.P50, d.Put.P99, d.TailSeconds, d.Late, d.Missing)
		benchLoad(&b, &d.Load)
	}
	if o := r.Outage; o != nil {
		fmt.Fprintf(&b, "outage: process %d killed, %s objects put in %.2f s, restarted as %d after %.1f s, ready %.2f s later\n",
			o.KilledPID, benchThousands(o.Objects), o.PutSeconds, o.PeerPID, o.DownSeconds, o.StartSeconds)
		fmt.Fprintf(&b, "  all there %.2f s after ready (half after %.2f s), missing %d\n", o.Seconds, o.Half, o.Missing)
	}
	return b.String()
}
