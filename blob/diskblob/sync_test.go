package diskblob_test

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/farhold/farhold/blob"
	"github.com/farhold/farhold/blob/blobtest"
	"github.com/farhold/farhold/blob/diskblob"
)

// gate stops a step of the file system until it is told to go on.
type gate struct {
	fs      hookFS
	mu      sync.Mutex
	stops   func(op) bool // asked once for each step until it says yes
	err     error         // what the stopped step gives
	stopped chan struct{}
	goOn    chan struct{}
	seen    map[string]int // steps, by kind
}

func newGate(mem *vfs.MemFS) *gate {
	g := &gate{seen: make(map[string]int)}
	g.fs = hookFS{mem, g.hook}
	return g
}

func (g *gate) stopAt(stops func(op) bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stops, g.err = stops, err
	g.stopped, g.goOn = make(chan struct{}), make(chan struct{})
}

func (g *gate) hook(o op) (bool, error) {
	g.mu.Lock()
	g.seen[o.kind]++
	if g.stops == nil || !g.stops(o) {
		g.mu.Unlock()
		return false, nil
	}
	g.stops = nil
	err := g.err
	g.mu.Unlock()
	close(g.stopped)
	<-g.goOn
	return false, err
}

func (g *gate) count(kind string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.seen[kind]
}

func isPack(kind string) func(op) bool {
	return func(o op) bool { return o.kind == kind && strings.Contains(o.path, "packs/") }
}

type result struct {
	id  blob.ID
	err error
}

func putAsync(s blob.Store, body []byte) chan result {
	c := make(chan result, 1)
	go func() {
		id, err := blobtest.TryPut(s, body, -1)
		c <- result{id, err}
	}()
	return c
}

// A sync that fails is the end of all who wait for that pack, also of those who
// wait for the sync after it: that one would succeed over the loss.
func TestFailedSyncReachesAll(t *testing.T) { synctest.Test(t, testFailedSyncReachesAll) }

func testFailedSyncReachesAll(t *testing.T) {
	g := newGate(vfs.NewMem())
	s := open(t, diskblob.Options{FS: g.fs, Dir: "d", Volume: "v1", Packs: 1})
	kept := blobtest.Put(t, s, blobtest.Body(1, 9000))
	g.stopAt(isPack("sync"), errInjected)
	first := putAsync(s, blobtest.Body(2, 9000))
	<-g.stopped
	var waiting []chan result
	for i := range 3 {
		waiting = append(waiting, putAsync(s, blobtest.Body(uint64(3+i), 9000)))
	}
	synctest.Wait() // all have written and wait
	close(g.goOn)
	for i, c := range append(waiting, first) {
		if r := <-c; !errors.Is(r.err, errInjected) {
			t.Errorf("writer %d: %s, %v", i, r.id, r.err)
		}
	}
	blobtest.Check(t, s, kept, blobtest.Body(1, 9000))
	next := blobtest.Put(t, s, blobtest.Body(9, 9000))
	if kept[:len("v1.p0000000000000000")] == next[:len("v1.p0000000000000000")] {
		t.Error("the pack is still written to")
	}
	closeStore(t, s)
}

// Many who commit at the same time share syncs.
func TestGroupCommit(t *testing.T) { synctest.Test(t, testGroupCommit) }

func testGroupCommit(t *testing.T) {
	g := newGate(vfs.NewMem())
	s := open(t, diskblob.Options{FS: g.fs, Dir: "d", Volume: "v1", Packs: 1})
	blobtest.Put(t, s, blobtest.Body(1, 9000))
	g.stopAt(isPack("sync"), nil)
	results := []chan result{putAsync(s, blobtest.Body(2, 9000))}
	<-g.stopped
	syncs := g.count("sync")
	const n = 20
	for i := range n {
		results = append(results, putAsync(s, blobtest.Body(uint64(3+i), 9000)))
	}
	synctest.Wait() // all have written and wait
	close(g.goOn)
	for _, c := range results {
		if r := <-c; r.err != nil {
			t.Error(r.err)
		}
	}
	if got := g.count("sync") - syncs; got != 1 {
		t.Errorf("%d syncs for %d commits", got, n)
	}
	closeStore(t, s)
}

// A record that is being written when later ones are already durable is torn by
// a crash, not lost: nobody was told of it.
func TestSlowWriteIsNoLoss(t *testing.T) {
	mem := vfs.NewCrashableMem()
	g := newGate(mem)
	opts := diskblob.Options{FS: g.fs, Dir: "d", Volume: "v1", Packs: 1}
	s := open(t, opts)
	bodies := make(map[blob.ID][]byte)
	keep := func(seed uint64) {
		body := blobtest.Body(seed, 9000)
		bodies[blobtest.Put(t, s, body)] = body
	}
	keep(1)
	g.stopAt(isPack("write"), nil)
	slow := putAsync(s, blobtest.Body(2, 9000))
	<-g.stopped
	keep(3)
	keep(4)
	keep(5)
	crashed := mem.CrashClone(vfs.CrashCloneCfg{})
	close(g.goOn)
	if r := <-slow; r.err != nil {
		t.Error(r.err)
	}
	closeStore(t, s)

	opts.FS = crashed
	for _, what := range []string{"crash", "index spoilt after the crash"} {
		s = open(t, opts)
		if got := len(blobtest.All(t, s, "")); got != 4 { // an error of the list is fatal
			t.Errorf("%s: %d listed, want 4", what, got)
		}
		for id, body := range bodies {
			blobtest.Check(t, s, id, body)
		}
		closeStore(t, s)
		for id := range bodies {
			name, _, _ := s.Locate(string(id))
			b := bytesOf(t, crashed, "d/"+name)
			b[len(b)-64-24] ^= 1 // in the last entry
			break
		}
	}
}

// A pack that could not be sealed because the disk was full is sealed when there
// is room, without a restart.
func TestSealedLate(t *testing.T) {
	mem := vfs.NewMem()
	var mu sync.Mutex
	full := false
	fs := hookFS{mem, func(o op) (bool, error) {
		mu.Lock()
		defer mu.Unlock()
		if full && isPack("write")(o) {
			return false, fullError
		}
		return false, nil
	}}
	s := open(t, diskblob.Options{FS: fs, Dir: "d", Volume: "v1", Packs: 1})
	first := blobtest.Put(t, s, blobtest.Body(1, 9000))
	name, _, _ := s.Locate(string(first))
	setFull := func(now bool) { mu.Lock(); full = now; mu.Unlock() }
	sealed := func() bool {
		b := bytesOf(t, mem, "d/"+name)
		return bytes.HasPrefix(b[len(b)-64:], []byte("FHIX")) // the trailer, all of it
	}
	setFull(true)
	if _, err := blobtest.TryPut(s, blobtest.Body(2, 9000), -1); !errors.Is(err, blob.ErrFull) {
		t.Fatal(err)
	}
	s.Drain()
	if sealed() {
		t.Fatal("sealed on a full disk")
	}
	setFull(false)
	s.Drain()
	if !sealed() {
		t.Error("not sealed when there is room")
	}
	blobtest.Check(t, s, first, blobtest.Body(1, 9000))
	closeStore(t, s)
}
