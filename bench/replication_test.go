package bench

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMain lets the test binary be the processes that the tests start: a peer,
// which serves a fake region at the address in the variable, and the handler.
func TestMain(m *testing.M) {
	switch address := os.Getenv("FARHOLD_BENCH_TEST_PEER"); {
	case address == "handler":
		if err := RunHandler(context.Background(), os.Stdin, os.Stdout, 4096); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	case address != "":
		f := newFake("us-west-2")
		// A region remembers its buckets over a restart.
		f.buckets["copy"] = &fakeBucket{versioned: true, keys: make(map[string][]fakeVersion)}
		os.Exit(map[bool]int{true: 1}[http.ListenAndServe(address, f) != nil])
	}
	os.Exit(m.Run())
}

// replicated is a fake source whose rule ships to the destination over HTTP, in
// its own time and for as long as it takes.
func replicated(t *testing.T, destination *Target) *Target {
	t.Helper()
	source := newFake("us-east-1")
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); wg.Wait() })
	type parcel struct {
		key string
		v   fakeVersion
	}
	queue := make(chan parcel, 10_000)
	source.ship = func(bucket, key string, v fakeVersion) {
		if bucket == destination.Bucket {
			queue <- parcel{key, v}
		}
	}
	for range 4 {
		wg.Go(func() {
			for {
				var p parcel
				select {
				case p = <-queue:
				case <-ctx.Done():
					return
				}
				for {
					target := *destination
					target.UnsignedPayload = true
					target.Headers = []string{"X-Fake-Version: " + p.v.id}
					c, err := newClient(ctx, &target, 0)
					if err != nil {
						t.Error(err)
						return
					}
					r := c.begin(http.MethodPut, []byte(p.key))
					r.hash = append(r.hash[:0], unsignedPayload...)
					r.length = int64(len(p.v.content))
					err = c.send([][]byte{p.v.content}, c.keepBad)
					c.close()
					if err == nil || sleep(ctx, 5*time.Millisecond) != nil {
						break
					}
				}
			}
		})
	}
	return source.serve(t)
}

func replicationOptions(source, destination *Target) ReplicationOptions {
	return ReplicationOptions{
		Source: *source, Destination: *destination, Setup: true, Prefix: "r/", Size: 200, Clients: 2, DrainClients: 4,
		LagObjects: 20, ProbeObjects: 5, DrainObjects: 600, OutageObjects: 50,
		Poll: time.Millisecond, ProbeDelays: []time.Duration{0, 200 * time.Millisecond}, Wait: 20 * time.Second,
		OutageTime: 100 * time.Millisecond, ServerPIDs: []int{os.Getpid()},
	}
}

func twoFakes(t *testing.T) (source, destination *Target, there *fake) {
	there = newFake("us-west-2")
	destination = there.serve(t)
	destination.Bucket = "copy"
	source = replicated(t, destination)
	source.Bucket = "source"
	return source, destination, there
}

func TestReplicationPhases(t *testing.T) {
	source, destination, there := twoFakes(t)
	o := replicationOptions(source, destination)
	o.Phases = []string{Lag, Probe, Drain}
	phases := make(map[string]bool)
	o.Progress = func(phase string, _, _, _ int64, _ bool) { phases[phase] = true }
	r, err := Replicate(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if l := r.Lag; l.Objects != 20 || l.Missing != 0 || l.Lag.P50 <= 0 || l.Lag.Max < l.Lag.P99 || l.Put.P50 <= 0 {
		t.Errorf("lag %+v", l)
	}
	if p := r.Probes; len(p) != 2 || p[0].Objects != 5 || p[1].DelayMS != 200 || p[1].Found < p[0].Found {
		t.Errorf("probes %+v", p)
	}
	d := r.Drain
	if d.Objects != 600 || d.Missing != 0 || d.PerSecond <= 0 || d.Seconds < d.PutSeconds || d.TailSeconds < 0 || d.Load.ServerMicrosPerOp <= 0 {
		t.Errorf("drain %+v", d)
	}
	for _, p := range []string{Lag, Probe, Drain, "sample", "full check"} {
		if !phases[p] {
			t.Errorf("no progress of %s", p)
		}
	}
	keys, versions := there.count("copy")
	if want := 20 + 10 + 600 + 1; keys != want || versions != want {
		t.Errorf("%d keys of %d versions are at the destination, not %d", keys, versions, want)
	}
	o.Phases, o.LagObjects, o.Cleanup = []string{Lag}, 1, true
	if _, err := Replicate(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if keys, _ := there.count("copy"); keys != 0 {
		t.Errorf("%d keys are left", keys)
	}
}

func TestReplicationTellsWhatIsMissing(t *testing.T) {
	for _, phase := range []string{Lag, Drain} {
		source, destination, there := twoFakes(t)
		o := replicationOptions(source, destination)
		o.Phases, o.LagObjects, o.DrainObjects, o.Wait = []string{phase}, 20, 20, 300*time.Millisecond
		var lost int
		there.tamper = func(w http.ResponseWriter, r *http.Request) bool {
			there.mu.Lock()
			defer there.mu.Unlock()
			if r.Method == http.MethodPut && strings.HasPrefix(r.URL.Path, "/copy/r/"+phase) && lost < 2 {
				lost++
				return true // Acknowledged and forgotten.
			}
			return false
		}
		r, err := Replicate(t.Context(), o)
		if !errors.Is(err, ErrMissing) || r == nil {
			t.Fatalf("%s: %v", phase, err)
		}
		if phase == Lag && r.Lag.Missing != 2 || phase == Drain && r.Drain.Missing != 2 {
			t.Errorf("%s: %+v %+v", phase, r.Lag, r.Drain)
		}
	}
}

func TestReplicationNoticesAnotherVersion(t *testing.T) {
	source, destination, there := twoFakes(t)
	o := replicationOptions(source, destination)
	o.Phases = []string{Drain}
	there.tamper = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && strings.HasPrefix(r.URL.Path, "/copy/r/drain") {
			r.Header.Set("X-Fake-Version", "v999999")
		}
		return false
	}
	if _, err := Replicate(t.Context(), o); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "v999999") {
		t.Errorf("got %v", err)
	}
}

func TestSampleIsSpreadAndEndsWithTheLast(t *testing.T) {
	var all []object
	for i := range 5000 {
		all = append(all, object{etag: strings.Repeat("x", i%7), acked: time.Unix(int64(i), 0)})
	}
	s := sampleOf(all)
	if len(s) != sampleLast+sampleSpread || !s[0].acked.Equal(all[0].acked) || !s[len(s)-1].acked.Equal(all[4999].acked) {
		t.Errorf("a sample of %d, from %v to %v", len(s), s[0].acked, s[len(s)-1].acked)
	}
	for i := 1; i < len(s); i++ {
		if !s[i].acked.After(s[i-1].acked) {
			t.Fatalf("object %d twice or out of order", i)
		}
	}
	if len(sampleOf(all[:400])) != 400 {
		t.Error("of few objects all belong to the sample")
	}
}

// peerCommand starts this test binary as a peer at an address.
func peerCommand(t *testing.T, address string) string {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return "env FARHOLD_BENCH_TEST_PEER=" + address + " '" + exe + "'"
}

func TestOutageWithACommand(t *testing.T) {
	address := freeAddress(t)
	destination := &Target{Endpoints: []string{"http://" + address}, Region: "us-west-2", AccessKey: "AKID", SecretKey: "secret", Bucket: "copy"}
	source := replicated(t, destination)
	o := replicationOptions(source, destination)
	o.Phases = []string{Outage}
	o.Peer = &Peer{Command: peerCommand(t, address), Log: os.Stderr}
	r, err := Replicate(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	u := r.Outage
	if u.Objects != 50 || u.Missing != 0 || u.DownSeconds < .1 || u.KilledPID == u.PeerPID || u.KilledPID == 0 || u.Seconds < u.Half {
		t.Errorf("outage %+v", u)
	}
	if running(u.KilledPID) || running(u.PeerPID) {
		t.Error("a peer is left running")
	}
	if c, err := net.Dial("tcp", address); err == nil {
		c.Close()
		t.Error("the peer still listens")
	}
}

func TestOutageOfARunningProcess(t *testing.T) {
	address := freeAddress(t)
	destination := &Target{Endpoints: []string{"http://" + address}, Region: "us-west-2", AccessKey: "AKID", SecretKey: "secret", Bucket: "copy"}
	source := replicated(t, destination)
	// The one to kill: started here, then known by its process ID only.
	first := &Peer{Command: peerCommand(t, address)}
	if err := first.begin(t.Context(), destination); err != nil {
		t.Fatal(err)
	}
	defer first.end()
	o := replicationOptions(source, destination)
	o.Phases = []string{Outage}
	o.Peer = &Peer{PID: first.pid(), Restart: peerCommand(t, address)}
	r, err := Replicate(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Outage.KilledPID != first.pid() || running(first.pid()) || !running(r.Outage.PeerPID) {
		t.Errorf("outage %+v", r.Outage)
	}
	p, err := os.FindProcess(r.Outage.PeerPID)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		t.Error(err)
	}
}

// A kill of something that isn't the destination must not pass for an outage.
func TestOutageOfTheWrongProcess(t *testing.T) {
	source, destination, _ := twoFakes(t)
	o := replicationOptions(source, destination)
	o.Phases = []string{Outage}
	wrong := exec.Command("sleep", "60")
	if err := wrong.Start(); err != nil {
		t.Fatal(err)
	}
	o.Peer = &Peer{PID: wrong.Process.Pid, Restart: "sleep 60"}
	_, err := Replicate(t.Context(), o)
	_ = wrong.Wait() // It was killed.
	if err == nil || !strings.Contains(err.Error(), "still answers") {
		t.Errorf("got %v", err)
	}
	for name, p := range map[string]*Peer{
		"nothing":     {},
		"no restart":  {PID: 1},
		"both":        {PID: 1, Restart: "x", Command: "y"},
		"this one":    {PID: os.Getpid(), Restart: "x"},
		"up already":  {Command: "sleep 60"},
		"ends early":  {Command: "false", Ready: "http://" + freeAddress(t) + "/"},
		"never ready": {Command: "sleep 60", Ready: "http://" + freeAddress(t) + "/", ReadyTimeout: 30 * time.Millisecond},
	} {
		o.Peer = p
		if _, err := Replicate(t.Context(), o); !errors.Is(err, ErrPeer) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestBadReplicationOptionsAreRefused(t *testing.T) {
	source, destination, _ := twoFakes(t)
	for name, change := range map[string]func(*ReplicationOptions){
		"no phase":      func(o *ReplicationOptions) { o.Phases = nil },
		"other phase":   func(o *ReplicationOptions) { o.Phases = []string{"ebb"} },
		"no objects":    func(o *ReplicationOptions) { o.LagObjects = 0 },
		"no delays":     func(o *ReplicationOptions) { o.Phases, o.ProbeDelays = []string{Probe}, nil },
		"no peer":       func(o *ReplicationOptions) { o.Phases = []string{Outage} },
		"no poll":       func(o *ReplicationOptions) { o.Poll = 0 },
		"no clients":    func(o *ReplicationOptions) { o.Clients = 0 },
		"whole buckets": func(o *ReplicationOptions) { o.Prefix, o.Cleanup = "", true },
		"bad target":    func(o *ReplicationOptions) { o.Destination.Bucket = "" },
	} {
		o := replicationOptions(source, destination)
		o.Phases = []string{Lag}
		change(&o)
		if _, err := Replicate(t.Context(), o); !errors.Is(err, ErrOptions) && !errors.Is(err, ErrTarget) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestPeerLogTakesTheOutput(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	address := freeAddress(t)
	destination := testTarget("http://" + address)
	p := &Peer{Command: `sh -c "echo hello; exec ` + peerCommand(t, address) + `"`, Log: f}
	if err := p.begin(t.Context(), destination); err != nil {
		t.Fatal(err)
	}
	for range 500 {
		if b, _ := os.ReadFile(f.Name()); bytes.Equal(b, []byte("hello\n")) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.end()
	if b, _ := os.ReadFile(f.Name()); !bytes.Equal(b, []byte("hello\n")) {
		t.Errorf("log holds %q", b)
	}
}
