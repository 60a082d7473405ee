package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/farhold/farhold/bench"
)

func TestBenchSizes(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "4096": 4096, "4KiB": 4096, "4K": 4096, "64MiB": 64 << 20, "2GiB": 2 << 30, "1MB": 1e6, "5 GB": 5e9, "7B": 7, "1TiB": 1 << 40,
	} {
		var s benchSize
		if err := s.Set(text); err != nil || int64(s) != want {
			t.Errorf("%q is %d, %v; want %d", text, s, err, want)
		}
	}
	for _, text := range []string{"", "KiB", "-1", "1.5MiB", "4XiB", "99999999TiB"} {
		var s benchSize
		if err := s.Set(text); err == nil {
			t.Errorf("%q was read as %d", text, s)
		}
	}
	for n, want := range map[benchSize]string{0: "0B", 4096: "4KiB", 1000: "1000B", 1536 << 10: "1536KiB", 2 << 40: "2TiB", 4096 << 40: "4096TiB"} {
		if got := n.String(); got != want {
			t.Errorf("%d is written %s, not %s", int64(n), got, want)
		}
	}
}

func TestBenchMixes(t *testing.T) {
	var m benchMix
	if err := m.Set("put=2,get=7"); err != nil || bench.Mix(m) != (bench.Mix{Put: 2, Get: 7}) || m.String() != "get=7,head=0,put=2,delete=0" {
		t.Errorf("got %v, %v", &m, err)
	}
	for _, text := range []string{"", "get", "get=-1", "copy=1", "get=1,,put=1"} {
		if err := m.Set(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

func TestBenchThousands(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		if got := benchThousands(n); got != want {
			t.Errorf("%d is written %s, not %s", n, got, want)
		}
	}
}

func TestBenchPutWritesTableAndJSON(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer srv.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-test")
	t.Setenv("AWS_CA_BUNDLE", "")
	file := filepath.Join(t.TempDir(), "report.json")
	for _, where := range []string{file, "-"} {
		var out, errs bytes.Buffer
		cmd := newBenchCommand()
		cmd.SetOut(&out)
		cmd.SetErr(&errs)
		cmd.SetArgs([]string{"put", "--endpoint", srv.URL, "--size", "1KiB", "--objects", "50", "--clients", "2", "--json", where})
		if err := cmd.Execute(); err != nil {
			t.Fatal(err)
		}
		table, doc := out.String(), errs.Bytes()
		if where == "-" {
			table, doc = errs.String(), out.Bytes()
		} else if b, err := os.ReadFile(file); err != nil {
			t.Fatal(err)
		} else {
			doc = b
		}
		var r bench.Report
		if err := json.Unmarshal(doc, &r); err != nil {
			t.Fatalf("%v in %s", err, doc)
		}
		if r.Operations[0].Ops != 50 || r.Settings.Size != 1024 || r.Settings.Duration != 0 {
			t.Errorf("report %+v", r)
		}
		for _, want := range []string{"put: 2 clients, 1KiB", "ops/s", "p99.9 ms", "CPU: client"} {
			if !strings.Contains(table, want) {
				t.Errorf("no %q in\n%s", want, table)
			}
		}
		if bytes.Contains(doc, []byte("secret-of-the-test")) {
			t.Error("the report tells the secret key")
		}
	}
}

func TestBenchFailsWhenNothingSucceeds(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer srv.Close()
	cmd := newBenchCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetArgs([]string{"put", "--endpoint", srv.URL, "--objects", "3", "--clients", "1", "--access-key", "a", "--secret-key", "s"})
	if err := cmd.Execute(); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(out.String(), "error put HTTP 403: 3 times") {
		t.Errorf("printed\n%s", out.String())
	}
}

func TestBenchDefaults(t *testing.T) {
	listing := func(args ...string) bench.Listing {
		cmd := newBenchWorkloadCommand(bench.List, "")
		l := bench.Listing{Others: 100, Live: 1000, Versions: 1000}
		if err := cmd.ParseFlags(args); err != nil {
			t.Fatal(err)
		}
		l.Shape, _ = cmd.Flags().GetString("shape")
		l.Keys, _ = cmd.Flags().GetInt64("objects")
		benchDefaultListing(cmd, &l)
		return l
	}
	for want, args := range map[bench.Listing][]string{
		{Shape: bench.Flat, Keys: 100_000}:                                     nil,
		{Shape: bench.Delimiter, Keys: 1_000_000, Others: 100, Delimiter: "/"}: {"--shape", "delimiter"},
		{Shape: bench.Markers, Keys: 100_000, Live: 1000}:                      {"--shape", "markers"},
		{Shape: bench.Deep, Keys: 1000, Versions: 1000}:                        {"--shape", "deep"},
		{Shape: bench.Deep, Keys: 5, Versions: 1000}:                           {"--shape", "deep", "--objects", "5"},
	} {
		if got := listing(args...); got != want {
			t.Errorf("%v: got %+v, want %+v", args, got, want)
		}
	}
	cmd := newBenchWorkloadCommand(bench.Get, "")
	for size, want := range map[int64]int64{0: 10_000, 4096: 10_000, 1 << 20: 1024, 64 << 20: 16, 5 << 30: 16} {
		o := bench.Options{Workload: bench.Get, Size: size, Duration: time.Second}
		if benchDefaultObjects(cmd, &o); o.Objects != want || o.Duration != time.Second {
			t.Errorf("size %d: %d objects", size, o.Objects)
		}
	}
}

func TestBenchCommandsAreThere(t *testing.T) {
	cmd := newBenchCommand()
	for _, name := range []string{"put", "get", "head", "list", "delete", "mixed", "replication", "handler", "handler-serve", "disk"} {
		sub, _, err := cmd.Find([]string{name})
		if err != nil || sub.Name() != name || sub.Short == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
