package bench

import (
	"context"
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func shortRun(workload string) Options {
	return Options{
		Workload: workload, Size: 100, Clients: 3, PrepareClients: 4, Duration: 50 * time.Millisecond, Objects: 40,
		Prefix: "p/", Versioned: true, ServerPIDs: []int{os.Getpid()},
		Mix: Mix{Get: 3, Head: 2, Put: 2, Delete: 1}, Listing: Listing{Shape: Flat, Keys: 2500},
	}
}

func runOn(t *testing.T, f *fake, o Options) *Report {
	t.Helper()
	r, err := Run(t.Context(), *f.serve(t), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// only gives the one operation of a report, which must have had no errors.
func only(t *testing.T, r *Report) Operation {
	t.Helper()
	if len(r.Operations) != 1 || len(r.Operations[0].Errors) > 0 {
		t.Fatalf("operations: %+v", r.Operations)
	}
	return r.Operations[0]
}

func TestPutOfANumberOfObjects(t *testing.T) {
	f := newFake("eu-west-1")
	o := shortRun(Put)
	o.Duration = 0
	o.Objects = 120
	r := runOn(t, f, o)
	op := only(t, r)
	if op.Op != Put || op.Ops != 120 || op.Bytes != 12_000 || op.PerSecond <= 0 || op.Latency.P50 <= 0 || op.Latency.Max < op.Latency.P999 {
		t.Errorf("got %+v", op)
	}
	keys, versions := f.count("bucket")
	if keys != 120 || versions != 120 {
		t.Errorf("%d keys of %d versions are there", keys, versions)
	}
	bodies := make(map[string]bool)
	for key, vs := range f.buckets["bucket"].keys {
		if !strings.HasPrefix(key, "p/") {
			t.Errorf("key %s", key)
		}
		bodies[string(vs[0].content)] = true
	}
	if len(bodies) != 120 || !f.buckets["bucket"].versioned {
		t.Errorf("%d different bodies, versioned %v", len(bodies), f.buckets["bucket"].versioned)
	}
	if r.Load.Client.CPUMicrosPerOp <= 0 || len(r.Load.Servers) != 1 || r.Load.Servers[0].PeakMemoryMiB <= 0 {
		t.Errorf("load %+v", r.Load)
	}
	if r.Prepare != nil || r.Interrupted || r.Seconds <= 0 || r.Machine.Cores < 1 {
		t.Errorf("report %+v", r)
	}
}

func TestGetAndHeadReadWhatWasPrepared(t *testing.T) {
	for _, workload := range []string{Get, Head} {
		f := newFake("us-east-1")
		o := shortRun(workload)
		o.Verify = true
		o.Warmup = 20 * time.Millisecond
		r := runOn(t, f, o)
		if op := only(t, r); op.Ops == 0 || op.Op != workload || workload == Get && op.Bytes != 100*op.Ops {
			t.Errorf("got %+v", op)
		}
		if keys, _ := f.count("bucket"); keys != 40 || r.Prepare.Requests != 40 {
			t.Errorf("%d keys prepared by %+v", keys, r.Prepare)
		}
		// What one run has left the next one finds.
		o.Prepared = true
		r = runOn(t, f, o)
		if op := only(t, r); op.Ops == 0 || r.Prepare != nil {
			t.Errorf("again: %+v", op)
		}
		if keys, versions := f.count("bucket"); keys != 40 || versions != 40 {
			t.Errorf("%d keys of %d versions after a prepared run", keys, versions)
		}
	}
}

func TestVerifyFindsAWrongByte(t *testing.T) {
	f := newFake("us-east-1")
	o := shortRun(Get)
	runOn(t, f, o)
	for _, vs := range f.buckets["bucket"].keys {
		vs[0].content[50] ^= 1
	}
	o.Prepared, o.Verify = true, true
	r := runOn(t, f, o)
	if op := r.Operations[0]; op.Ops != 0 || len(op.Errors) != 1 || op.Errors[0].Code != "WrongContent" || op.Errors[0].Count == 0 {
		t.Errorf("got %+v", op)
	}
}

func TestDeleteEndsWithTheLastObject(t *testing.T) {
	f := newFake("us-east-1")
	o := shortRun(Delete)
	o.Duration = 0
	r := runOn(t, f, o)
	if op := only(t, r); op.Ops != 40 {
		t.Errorf("got %+v", op)
	}
	if keys, versions := f.count("bucket"); keys != 40 || versions != 80 {
		t.Errorf("%d keys of %d versions, each should have a marker", keys, versions)
	}
}

func TestMixedFindsWhatItReads(t *testing.T) {
	f := newFake("us-east-1")
	o := shortRun(Mixed)
	o.Duration = 150 * time.Millisecond
	r := runOn(t, f, o)
	var names []string
	var sum, total int64
	for _, op := range r.Operations {
		names = append(names, op.Op)
		if op.Ops == 0 || len(op.Errors) > 0 {
			t.Errorf("%+v", op)
		}
		if op.Op == "total" {
			total = op.Ops
		} else {
			sum += op.Ops
		}
	}
	if !slices.Equal(names, []string{"delete", "get", "head", "put", "total"}) || sum != total {
		t.Errorf("operations %v, %d in all, total %d", names, sum, total)
	}
}

func TestListShapes(t *testing.T) {
	for name, c := range map[string]struct {
		listing Listing
		pages   int64 // of one walk
		entries int64
		keys    int
	}{
		"flat":           {Listing{Shape: Flat, Keys: 2500}, 3, 2500, 2500},
		"flat, versions": {Listing{Shape: Flat, Keys: 1500, AllVersions: true}, 2, 1500, 1500},
		"delimiter":      {Listing{Shape: Delimiter, Keys: 1500, Others: 7, Delimiter: "/"}, 1, 8, 1507},
		"markers":        {Listing{Shape: Markers, Keys: 1200, Live: 30}, 1, 30, 1230},
		"deep":           {Listing{Shape: Deep, Keys: 5, Versions: 300}, 1, 5, 5},
		"deep, versions": {Listing{Shape: Deep, Keys: 5, Versions: 300, AllVersions: true}, 2, 1500, 5},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake("us-east-1")
			o := shortRun(List)
			o.Listing, o.Size, o.Clients = c.listing, 10, 1
			r := runOn(t, f, o)
			op := only(t, r)
			if keys, _ := f.count("bucket"); keys != c.keys {
				t.Errorf("%d keys prepared", keys)
			}
			walks := op.Ops / c.pages
			if op.Ops == 0 || op.Items < walks*c.entries || op.Items > (walks+1)*c.entries {
				t.Errorf("%d entries on %d pages, a walk is %d on %d", op.Items, op.Ops, c.entries, c.pages)
			}
		})
	}
}

// Clients that begin in the midst of the keys must still know when a walk that
// is complete has missed one.
func TestListNoticesAMissingKey(t *testing.T) {
	f := newFake("us-east-1")
	o := shortRun(List)
	if op := only(t, runOn(t, f, o)); op.Ops == 0 {
		t.Errorf("got %+v", op)
	}
	f.hide = "p/flat/0000002499" // The last page, which everybody reads.
	o.Prepared = true
	r := runOn(t, f, o)
	if op := r.Operations[0]; len(op.Errors) != 1 || op.Errors[0].Code != "WrongPage" || !strings.Contains(op.Errors[0].Example, "2499") {
		t.Errorf("got %+v", op)
	}
	f.hide, f.pageSize = "", 900
	r = runOn(t, f, o)
	if op := r.Operations[0]; len(op.Errors) != 1 || op.Errors[0].Code != "WrongPage" || !strings.Contains(op.Errors[0].Example, "900") {
		t.Errorf("pages of 900 entries: %+v", op)
	}
}

func TestErrorsAreCountedByCode(t *testing.T) {
	f := newFake("us-east-1")
	// The connection of an aborted answer may end while the next one is used.
	var count atomic.Int64
	o := shortRun(Put)
	o.Clients, o.Duration, o.Objects = 1, 0, 40
	f.tamper = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/bucket/p/") {
			return false
		}
		n := count.Add(1)
		switch {
		case n%4 == 0:
			refuse(w, 503, "SlowDown")
		case n%10 == 1:
			panic(http.ErrAbortHandler)
		default:
			return false
		}
		return true
	}
	op := runOn(t, f, o).Operations[0]
	codes := make(map[string]int64)
	var failed int64
	for _, e := range op.Errors {
		codes[e.Code] = e.Count
		failed += e.Count
	}
	if codes["SlowDown"] < 9 || op.Ops+failed != 40 || op.Bytes != 100*op.Ops {
		t.Errorf("%d done, errors %v", op.Ops, op.Errors)
	}
}

func TestPreparationRetriesAndGivesUp(t *testing.T) {
	f := newFake("us-east-1")
	var n int
	f.tamper = func(w http.ResponseWriter, r *http.Request) bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		if n++; n%5 == 0 {
			refuse(w, 503, "SlowDown")
			return true
		}
		return false
	}
	o := shortRun(Delete)
	o.PrepareClients = 1
	target := *f.serve(t)
	o.Duration = time.Millisecond
	if _, err := Run(t.Context(), target, o); err != nil {
		t.Error(err)
	}
	f.tamper = func(w http.ResponseWriter, r *http.Request) bool { refuse(w, 403, "AccessDenied"); return true }
	_, err := Run(t.Context(), target, o)
	if s, ok := errors.AsType[*StatusError](err); !ok || s.Status != 403 {
		t.Errorf("got %v", err)
	}
}

func TestCleanupLeavesNothingUnderThePrefix(t *testing.T) {
	f := newFake("us-east-1")
	target := *f.serve(t)
	o := shortRun(Put)
	o.Prefix, o.Duration, o.Objects = "other/", 0, 3
	if _, err := Run(t.Context(), target, o); err != nil {
		t.Fatal(err)
	}
	o = shortRun(List)
	o.Listing = Listing{Shape: Markers, Keys: 1300, Live: 10}
	o.Cleanup = true
	r, err := Run(t.Context(), target, o)
	if err != nil {
		t.Fatal(err)
	}
	keys, versions := f.count("bucket")
	if keys != 3 || versions != 3 || r.Cleanup.Requests != 2610 {
		t.Errorf("%d keys of %d versions are left, clean-up was %+v", keys, versions, r.Cleanup)
	}
}

func TestInterruptedRunReportsWhatItHas(t *testing.T) {
	f := newFake("us-east-1")
	ctx, cancel := context.WithCancel(t.Context())
	o := shortRun(Put)
	o.Objects, o.Duration = 0, time.Hour
	o.Progress = func(phase string, done, total, ops int64, timed bool) {
		if phase != Put || !timed || total != int64(time.Hour) {
			t.Errorf("progress of %s, %d of %d, timed %v", phase, done, total, timed)
		}
		if ops > 0 {
			cancel()
		}
	}
	r, err := Run(ctx, *f.serve(t), o)
	if err != nil {
		t.Fatal(err)
	}
	if op := only(t, r); op.Ops == 0 || !r.Interrupted {
		t.Errorf("got %+v", r)
	}
}

func TestBadOptionsAreRefused(t *testing.T) {
	good := *newFake("us-east-1").serve(t)
	for name, change := range map[string]func(*Target, *Options){
		"no endpoint":       func(t *Target, _ *Options) { t.Endpoints = nil },
		"endpoint's scheme": func(t *Target, _ *Options) { t.Endpoints = []string{"ftp://a"} },
		"endpoint's path":   func(t *Target, _ *Options) { t.Endpoints = append(t.Endpoints, "http://a/b") },
		"no credentials":    func(t *Target, _ *Options) { t.SecretKey = "" },
		"no bucket":         func(t *Target, _ *Options) { t.Bucket = "" },
		"no region":         func(t *Target, _ *Options) { t.Region = "" },
		"header":            func(t *Target, _ *Options) { t.Headers = []string{"A: b\r\nC: d"} },
		"workload":          func(_ *Target, o *Options) { o.Workload = "copy" },
		"clients":           func(_ *Target, o *Options) { o.Clients = 0 },
		"size":              func(_ *Target, o *Options) { o.Size = -1 },
		"objects":           func(_ *Target, o *Options) { o.Objects = 0 },
		"duration":          func(_ *Target, o *Options) { o.Duration = 0 },
		"whole bucket":      func(_ *Target, o *Options) { o.Prefix, o.Cleanup = "", true },
		"mix":               func(_ *Target, o *Options) { o.Workload, o.Mix = Mixed, Mix{} },
		"shape":             func(_ *Target, o *Options) { o.Workload, o.Listing.Shape = List, "round" },
		"process":           func(_ *Target, o *Options) { o.ServerPIDs = []int{1 << 30} },
	} {
		target, o := good, shortRun(Get)
		change(&target, &o)
		_, err := Run(t.Context(), target, o)
		if !errors.Is(err, ErrTarget) && !errors.Is(err, ErrOptions) && !errors.Is(err, ErrProcess) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
