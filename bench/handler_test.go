package bench

import (
	"os"
	"testing"
	"time"
)

func TestCeilingOfTheHandler(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	h, err := StartHandler(t.Context(), "/usr/bin/env", "FARHOLD_BENCH_TEST_PEER=handler", exe)
	if err != nil {
		t.Fatal(err)
	}
	for _, workload := range []string{Get, Put, Head} {
		r, err := Ceiling(t.Context(), h, Options{Workload: workload, Size: 4096, Clients: 4, Duration: 50 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if op := only(t, r); op.Ops == 0 || op.Op != workload || r.Workload != "handler "+workload || len(r.Load.Servers) != 1 || r.Load.Servers[0].PID != h.PID {
			t.Errorf("got %+v, load %+v", op, r.Load)
		}
	}
	for _, workload := range []string{Get, Put} {
		r, err := CeilingNetHTTP(t.Context(), h, Options{Workload: workload, Size: 4096, Clients: 4, Duration: 50 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if op := only(t, r); op.Ops == 0 || op.Op != workload || r.Load.ServerMicrosPerOp < 0 {
			t.Errorf("net/http: got %+v", op)
		}
	}
	if _, err := Ceiling(t.Context(), h, Options{Workload: List, Clients: 1, Duration: time.Second}); err == nil {
		t.Error("the handler has been asked for a list")
	}
	if err := h.Stop(); err != nil {
		t.Error(err)
	}
	if running(h.PID) {
		t.Error("the handler is left running")
	}
	if _, err := StartHandler(t.Context(), "true"); err == nil {
		t.Error("a command that serves nothing was accepted")
	}
}

// BenchmarkHandler shows what the client and a trivial handler reach together:
// go test -bench Handler ./bench
func BenchmarkHandler(b *testing.B) {
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	h, err := StartHandler(b.Context(), "/usr/bin/env", "FARHOLD_BENCH_TEST_PEER=handler", exe)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		r, err := Ceiling(b.Context(), h, Options{Workload: Get, Size: 4096, Clients: 32, Warmup: 500 * time.Millisecond, Duration: 3 * time.Second})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(r.Operations[0].PerSecond, "requests/s")
		b.ReportMetric(r.Load.Client.CPUMicrosPerOp, "client-µs/request")
		b.ReportMetric(r.Load.ServerMicrosPerOp, "server-µs/request")
	}
	if err := h.Stop(); err != nil {
		b.Error(err)
	}
}
