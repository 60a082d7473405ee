package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/farhold/farhold/bench"
	"github.com/spf13/cobra"
)

// benchEmit writes a report: the table to standard output, and JSON to the
// file. With - for the file JSON is all that goes to standard output, and the
// table goes to standard error.
func benchEmit(cmd *cobra.Command, file string, report any, table func() string) error {
	out := cmd.OutOrStdout()
	if file == "-" {
		out = cmd.ErrOrStderr()
	}
	if _, err := io.WriteString(out, table()); err != nil {
		return err
	}
	if file == "" {
		return nil
	}
	doc, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	doc = append(doc, '\n')
	if file == "-" {
		_, err = cmd.OutOrStdout().Write(doc)
		return err
	}
	return os.WriteFile(file, doc, 0o644)
}

// benchFirst gives the first error.
func benchFirst(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// benchSucceeded is an error when a run measured nothing.
func benchSucceeded(r *bench.Report) error {
	for _, o := range r.Operations {
		if o.Ops > 0 {
			return nil
		}
	}
	for _, o := range r.Operations {
		for _, e := range o.Errors {
			return fmt.Errorf("no operation succeeded: %s", e.Example)
		}
	}
	return errors.New("no operation was measured")
}

// benchTable writes a report for people.
func benchTable(r *bench.Report) string {
	var b strings.Builder
	s := &r.Settings
	size := benchSize(s.Size)
	fmt.Fprintf(&b, "%s: %d clients, %s", r.Workload, s.Clients, size.String())
	if l := s.Listing; l != nil {
		fmt.Fprintf(&b, ", %s over %s keys", l.Shape, benchThousands(l.Keys))
		if l.Versions > 0 {
			fmt.Fprintf(&b, " of %s versions", benchThousands(l.Versions))
		}
	}
	fmt.Fprintf(&b, ", %.1f s at %s, bucket %s\n", r.Seconds, strings.Join(s.Endpoints, ", "), s.Bucket)
	if r.Interrupted {
		b.WriteString("interrupted: figures are those of the time until then\n")
	}
	benchMachine(&b, &r.Machine)
	if p := r.Prepare; p != nil {
		fmt.Fprintf(&b, "prepared by %s requests in %.1f s\n", benchThousands(p.Requests), p.Seconds)
	}
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "op\tops\tops/s\tMiB/s\tp50 ms\tp99 ms\tp99.9 ms\tmax ms\terrors\t")
	for _, o := range r.Operations {
		var errs int64
		for _, e := range o.Errors {
			errs += e.Count
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%.1f\t%s\t%d\t\n", o.Op, benchThousands(o.Ops), benchRate(o.PerSecond), o.MiBPerSec, benchLatency(o.Latency), errs)
	}
	w.Flush() // Into memory, which doesn't fail.
	for _, o := range r.Operations {
		if o.Op == "total" {
			continue
		}
		for _, e := range o.Errors {
			fmt.Fprintf(&b, "error %s %s: %s times, first: %s\n", o.Op, e.Code, benchThousands(e.Count), e.Example)
		}
	}
	benchLoad(&b, &r.Load)
	if r.Reconnects > 0 {
		fmt.Fprintf(&b, "reconnects: %d\n", r.Reconnects)
	}
	if c := r.Cleanup; c != nil {
		fmt.Fprintf(&b, "cleaned up %s versions in %.1f s\n", benchThousands(c.Requests), c.Seconds)
	}
	return b.String()
}

func benchMachine(b *strings.Builder, m *bench.Machine) {
	fmt.Fprintf(b, "machine: %d cores of %s, %d MiB, %s %s, %s", m.Cores, benchOr(m.CPU, "an unknown kind"), m.MemoryMiB, m.OS, m.Kernel, m.Go)
	if len(m.LoadBefore) > 0 {
		fmt.Fprintf(b, ", load before %.2f", m.LoadBefore[0])
	}
	b.WriteByte('\n')
}

func benchLoad(b *strings.Builder, l *bench.Load) {
	fmt.Fprintf(b, "CPU: client %.1f µs/op (%.2f cores)", l.Client.CPUMicrosPerOp, l.Client.Cores)
	for _, s := range l.Servers {
		fmt.Fprintf(b, "; server %d %.1f µs/op (%.2f cores, peak %.0f MiB)", s.PID, s.CPUMicrosPerOp, s.Cores, s.PeakMemoryMiB)
	}
	if l.OtherCores >= 0 {
		fmt.Fprintf(b, "; others %.2f cores", l.OtherCores)
	}
	b.WriteByte('\n')
}

// benchLatency writes four columns.
func benchLatency(l bench.Latency) string {
	var cells []string
	for _, v := range []float64{l.P50, l.P99, l.P999, l.Max} {
		cells = append(cells, strconv.FormatFloat(v, 'f', 2, 64))
	}
	return strings.Join(cells, "\t")
}

// benchRate writes a rate with about three digits.
func benchRate(v float64) string {
	if v < 100 {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return benchThousands(int64(v + .5))
}

// benchThousands separates groups of three digits.
func benchThousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
