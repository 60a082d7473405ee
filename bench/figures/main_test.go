package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/farhold/farhold/bench"
)

func put(t *testing.T, dir, name string, v any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func report(op bench.Operation) bench.Report {
	r := bench.Report{Operations: []bench.Operation{op}, Load: bench.Load{ServerMicrosPerOp: 250, OtherCores: .5}}
	r.Settings.Listing = &bench.Listing{Keys: 1234}
	r.Machine.CPU = "Imaginary"
	return r
}

func TestFiguresAndVerdicts(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "farhold-put-4k", report(bench.Operation{PerSecond: 6000, Errors: []bench.ErrorCount{{Count: 3}}}))
	put(t, dir, "handler-put-4k", report(bench.Operation{PerSecond: 20_000}))
	put(t, dir, "farhold-get-4k", report(bench.Operation{PerSecond: 15_000}))
	put(t, dir, "handler-get-4k", report(bench.Operation{PerSecond: 60_000}))
	put(t, dir, "farhold-put-1m", report(bench.Operation{MiBPerSec: 300}))
	put(t, dir, "disk", bench.DiskReport{Median: 400})
	put(t, dir, "farhold-list-flat", report(bench.Operation{PerSecond: 149}))
	put(t, dir, "farhold-list-deep", report(bench.Operation{Latency: bench.Latency{P50: 9.5}}))
	put(t, dir, "minio-put-4k", report(bench.Operation{PerSecond: 1500}))
	put(t, dir, "farhold-replication", bench.ReplicationReport{
		Lag:   &bench.LagReport{Lag: bench.Latency{P50: 5, P99: 60}},
		Drain: &bench.DrainReport{PerSecond: 3500, Missing: 1},
	})
	put(t, dir, "farhold-outage", bench.ReplicationReport{Outage: &bench.OutageReport{Objects: 5000, Seconds: 1.5}})
	var b strings.Builder
	if err := write(&b, dir); err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]string)
	for line := range strings.Lines(b.String()) {
		for _, name := range []string{"PUT 4 KiB", "GET 4 KiB", "PUT 1 MiB", "GET 64", "LIST of 1234 keys,", "LIST of 1234 keys of", "MinIO", "replication lag", "replication of", "5000 objects", "Machine"} {
			if strings.HasPrefix(strings.TrimPrefix(line, "| "), name) {
				rows[name] = line
			}
		}
	}
	for name, want := range map[string][]string{
		"PUT 4 KiB":            {"6000/s, 3 errors", "250 µs", "30 %", "| met |"},
		"GET 4 KiB":            {"15000/s", "25 %", "**missed**"},
		"PUT 1 MiB":            {"300 MiB/s", "disk 400", "75 %", "| met |"},
		"LIST of 1234 keys,":   {"149 pages/s", "**missed**"},
		"LIST of 1234 keys of": {"9.50", "| met |"},
		"MinIO":                {"1500/s", "× 4.0"},
		"replication lag":      {"**missed**"},
		"replication of":       {"missing 1", "**missed**"},
		"5000 objects":         {"1.50 s after ready", "| met |"},
		"Machine":              {"Imaginary", "at most 0.5 cores"},
	} {
		for _, w := range want {
			if !strings.Contains(rows[name], w) {
				t.Errorf("no %q in %q", w, rows[name])
			}
		}
	}
	if rows["GET 64"] != "" {
		t.Errorf("a figure that was not measured has a row: %s", rows["GET 64"])
	}
	if err := os.WriteFile(filepath.Join(dir, "disk.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := write(&b, dir); err == nil {
		t.Error("a broken report went unnoticed")
	}
}
