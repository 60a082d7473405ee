// Command figures reads the JSON reports that bench/run.sh has left in a
// folder and prints the table of BENCHMARKS.md: each figure, what stands
// beside it, the ratio, and what is asked for.
//
//	go run ./bench/figures DIR
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/farhold/farhold/bench"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: figures DIR")
		os.Exit(2)
	}
	if err := write(os.Stdout, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

// read decodes one report into v. A report that isn't there is an empty cell,
// not a failure: a part of the run may have been left out.
func read(dir, name string, v any) (found bool, err error) {
	b, err := os.ReadFile(filepath.Join(dir, name+".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return false, fmt.Errorf("%s: %w", name, err)
	}
	return true, nil
}

// table collects rows and the first error.
type table struct {
	dir     string
	w       io.Writer
	err     error
	machine bench.Machine
	others  float64 // the most that anything else used during a figure, in cores
}

// report reads one workload's report; its first operation is the figure.
func (t *table) report(name string) (r bench.Report, op bench.Operation, found bool) {
	found, err := read(t.dir, name, &r)
	if err != nil && t.err == nil {
		t.err = err
	}
	if found && len(r.Operations) > 0 {
		op = r.Operations[len(r.Operations)-1] // The only one, or the total.
		t.machine = r.Machine
		t.others = max(t.others, r.Load.OtherCores)
	}
	return r, op, found && len(r.Operations) > 0
}

func (t *table) row(cells ...string) {
	if _, err := fmt.Fprintf(t.w, "| %s |\n", strings.Join(cells, " | ")); err != nil && t.err == nil {
		t.err = err
	}
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "**missed**"
}

func failures(op bench.Operation) string {
	var n int64
	for _, e := range op.Errors {
		n += e.Count
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", %d errors", n)
}

func write(w io.Writer, dir string) error {
	t := &table{dir: dir, w: w}
	t.row("figure", "Farhold", "p50 / p99 ms", "server CPU per op", "beside it", "ratio", "asked for", "")
	t.row("---", "---", "---", "---", "---", "---", "---", "---")
	t.rate("PUT 4 KiB, 32 clients", "farhold-put-4k", "handler-put-4k", 5000, .25)
	t.rate("GET 4 KiB, 32 clients", "farhold-get-4k", "handler-get-4k", 12_000, .40)
	t.throughput("PUT 1 MiB, 8 clients", "farhold-put-1m", "disk", 0, .60)
	t.throughput("GET 64 MiB, 8 clients", "farhold-get-64m", "handler-get-64m", 2048, 0)
	t.pages("LIST of %d keys, 8 clients", "farhold-list-flat", 150)
	t.page("LIST with a delimiter over one prefix of %d keys", "farhold-list-delimiter")
	t.page("LIST past %d delete-marked keys", "farhold-list-markers")
	t.page("LIST of %d keys of 1,000 versions each", "farhold-list-deep")
	t.replication()
	t.peers()
	if t.err != nil {
		return t.err
	}
	m := &t.machine
	_, err := fmt.Fprintf(w, "\nMachine: %d cores of %s, %d MiB, %s %s, %s; client and servers on the same cores. Anything else used at most %.1f cores during a figure.\n",
		m.Cores, m.CPU, m.MemoryMiB, m.OS, m.Kernel, m.Go, t.others)
	return err
}

func latency(op bench.Operation) string {
	return fmt.Sprintf("%.2f / %.2f", op.Latency.P50, op.Latency.P99)
}

func cpu(r bench.Report) string { return fmt.Sprintf("%.0f µs", r.Load.ServerMicrosPerOp) }

// rate writes a row of operations per second beside the handler's.
func (t *table) rate(title, name, beside string, least, share float64) {
	r, op, found := t.report(name)
	if !found {
		return
	}
	_, bar, there := t.report(beside)
	ratio, text := 0., "–"
	if there && bar.PerSecond > 0 {
		ratio = op.PerSecond / bar.PerSecond
		text = fmt.Sprintf("handler %.0f/s", bar.PerSecond)
	}
	if _, plain, there := t.report(beside + "-net-http"); there && plain.PerSecond > 0 {
		text += fmt.Sprintf("; with a net/http client %.0f/s (%.0f %%)", plain.PerSecond, 100*op.PerSecond/plain.PerSecond)
	}
	t.row(title, fmt.Sprintf("%.0f/s%s", op.PerSecond, failures(op)), latency(op), cpu(r), text, fmt.Sprintf("%.0f %%", 100*ratio),
		fmt.Sprintf("≥ %.0f/s, ≥ %.0f %%", least, 100*share), verdict(op.PerSecond >= least && ratio >= share))
}

// throughput writes a row of MiB per second, beside the disk's or handler's.
func (t *table) throughput(title, name, beside string, least, share float64) {
	r, op, found := t.report(name)
	if !found {
		return
	}
	var bar float64
	text, asked := "–", ""
	if beside == "disk" {
		var d bench.DiskReport
		there, err := read(t.dir, beside, &d)
		if err != nil && t.err == nil {
			t.err = err
		}
		if there {
			bar, text = d.Median, fmt.Sprintf("disk %.0f MiB/s", d.Median)
		}
	} else if _, b, there := t.report(beside); there {
		bar, text = b.MiBPerSec, fmt.Sprintf("handler %.0f MiB/s", b.MiBPerSec)
	}
	ratio := 0.
	if bar > 0 {
		ratio = op.MiBPerSec / bar
	}
	if least > 0 {
		asked = fmt.Sprintf("≥ %.0f MiB/s", least)
	} else {
		asked = fmt.Sprintf("≥ %.0f %%", 100*share)
	}
	t.row(title, fmt.Sprintf("%.0f MiB/s%s", op.MiBPerSec, failures(op)), latency(op), cpu(r), text, fmt.Sprintf("%.0f %%", 100*ratio),
		asked, verdict(op.MiBPerSec >= least && ratio >= share))
}

// pages writes a row of list pages per second.
func (t *table) pages(title, name string, least float64) {
	if r, op, found := t.report(name); found {
		t.row(fmt.Sprintf(title, r.Settings.Listing.Keys), fmt.Sprintf("%.0f pages/s%s", op.PerSecond, failures(op)), latency(op), cpu(r), "–", "–",
			fmt.Sprintf("≥ %.0f pages/s", least), verdict(op.PerSecond >= least))
	}
}

// page writes a row of the time of one list page, asked for by one client; a
// report of eight clients stands beside it.
func (t *table) page(title, name string) {
	r, op, found := t.report(name)
	if !found {
		return
	}
	text := "–"
	if _, more, there := t.report(name + "-8"); there {
		text = fmt.Sprintf("8 clients: p50 %.2f ms", more.Latency.P50)
	}
	t.row(fmt.Sprintf(title, r.Settings.Listing.Keys), fmt.Sprintf("p50 %.2f ms%s", op.Latency.P50, failures(op)), latency(op), cpu(r), text, "–", "p50 ≤ 10 ms", verdict(op.Latency.P50 <= 10))
}

// replication writes the rows of replication.
func (t *table) replication() {
	var r, outage bench.ReplicationReport
	if _, err := read(t.dir, "farhold-replication", &r); err != nil && t.err == nil {
		t.err = err
	}
	if _, err := read(t.dir, "farhold-outage", &outage); err != nil && t.err == nil {
		t.err = err
	}
	if l := r.Lag; l != nil {
		t.row("replication lag, 8 clients", fmt.Sprintf("p50 %.2f, p99 %.2f ms", l.Lag.P50, l.Lag.P99), fmt.Sprintf("%.2f / %.2f", l.Lag.P50, l.Lag.P99),
			fmt.Sprintf("%.0f µs, both", l.Load.ServerMicrosPerOp), fmt.Sprintf("missing %d", l.Missing), "–", "p50 ≤ 10, p99 ≤ 50 ms",
			verdict(l.Lag.P50 <= 10 && l.Lag.P99 <= 50 && l.Missing == 0))
	}
	if len(r.Probes) > 0 {
		var cells []string
		for _, p := range r.Probes {
			cells = append(cells, fmt.Sprintf("%g ms %.1f %%", p.DelayMS, p.Percent))
		}
		t.row("replicated when asked once, so long after the acknowledgement", strings.Join(cells, ", "), "–", "–", "–", "–", "–", "")
	}
	if d := r.Drain; d != nil {
		t.row(fmt.Sprintf("replication of %d objects of 4 KiB while they are put", d.Objects), fmt.Sprintf("%.0f objects/s", d.PerSecond),
			fmt.Sprintf("PUT %.2f / %.2f", d.Put.P50, d.Put.P99), fmt.Sprintf("%.0f µs, both", d.Load.ServerMicrosPerOp),
			fmt.Sprintf("PUT %.0f/s, tail %.2f s, late %d, missing %d", d.PutPerSecond, d.TailSeconds, d.Late, d.Missing), "–",
			"≥ 3,000 objects/s", verdict(d.PerSecond >= 3000 && d.Missing == 0))
	}
	if o := outage.Outage; o != nil {
		t.row(fmt.Sprintf("%d objects put while the peer was down for %.0f s", o.Objects, o.DownSeconds), fmt.Sprintf("all there %.2f s after ready", o.Seconds),
			fmt.Sprintf("PUT %.2f / %.2f", o.Put.P50, o.Put.P99), "–", fmt.Sprintf("ready %.2f s after its start, missing %d", o.StartSeconds, o.Missing), "–",
			"≤ 5 s, missing 0", verdict(o.Seconds <= 5 && o.Missing == 0))
	}
}

// peers writes the same workloads of another server, where its reports are
// there, beside Farhold's.
func (t *table) peers() {
	for _, c := range []struct{ title, name string }{
		{"PUT 4 KiB, 32 clients", "put-4k"}, {"GET 4 KiB, 32 clients", "get-4k"}, {"PUT 1 MiB, 8 clients", "put-1m"},
		{"GET 64 MiB, 8 clients", "get-64m"}, {"LIST of 100,000 keys, 8 clients", "list-flat"},
	} {
		r, op, found := t.report("minio-" + c.name)
		if !found {
			continue
		}
		_, own, _ := t.report("farhold-" + c.name)
		ratio := "–"
		if op.PerSecond > 0 {
			ratio = fmt.Sprintf("× %.1f", own.PerSecond/op.PerSecond)
		}
		t.row("MinIO: "+c.title, fmt.Sprintf("%.0f/s, %.0f MiB/s%s", op.PerSecond, op.MiBPerSec, failures(op)), latency(op), cpu(r),
			fmt.Sprintf("Farhold %.0f/s", own.PerSecond), ratio, "–", "")
	}
}
