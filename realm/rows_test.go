package realm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/farhold/farhold/kv"
)

func (n *node) put(key, value string) error {
	return n.realm.UpdateRows(context.Background(), func(tx *RowTx) error {
		tx.Put(key, []byte(value))
		return nil
	})
}

// row gives a row of this region's copy, or "".
func (n *node) row(key string) string {
	row, _ := n.realm.Row(key)
	return string(row)
}

// count adds one to a number in a row.
func (n *node) count(key string) error {
	return n.realm.UpdateRows(context.Background(), func(tx *RowTx) error {
		row, _ := tx.Get(key)
		was, _ := strconv.Atoi(string(row))
		tx.Put(key, []byte(strconv.Itoa(was+1)))
		return nil
	})
}

func TestRowsAreKnownEverywhere(t *testing.T) {
	c := newCluster(t, Options{})
	home, west, eu := c.regions["us-east-1"], c.regions["us-west-2"], c.regions["eu-west-1"]
	c.follow()
	var heard []string
	eu.realm.WatchRows("iam/", func(key string) { heard = append(heard, key+"="+eu.row(key)) })
	if err := home.put("iam/1/user/a", "A"); err != nil {
		t.Fatal(err)
	}
	if err := west.put("iam/1/user/b", "B"); err != nil {
		t.Fatal(err)
	}
	if west.row("iam/1/user/b") != "B" || west.row("iam/1/user/a") != "A" {
		t.Error("the region that writes does not have what home has")
	}
	if eu.row("iam/1/user/a") != "" {
		t.Error("a region that follows nothing has heard")
	}
	if row, ok, err := eu.realm.FetchRow(context.Background(), "iam/1/user/a"); err != nil || !ok || string(row) != "A" {
		t.Errorf("FetchRow = %q, %v, %v", row, ok, err)
	}
	if _, ok, err := eu.realm.FetchRow(context.Background(), "iam/1/user/none"); err != nil || ok {
		t.Errorf("FetchRow of none = %v, %v", ok, err)
	}
	c.follow()
	if err := west.realm.UpdateRows(context.Background(), func(tx *RowTx) error {
		tx.Delete("iam/1/user/a")
		tx.Put("s3/x", []byte("X"))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	c.follow()
	if want := []string{"iam/1/user/a=A", "iam/1/user/b=B", "iam/1/user/a="}; !slices.Equal(heard, want) {
		t.Errorf("heard %q, want %q", heard, want)
	}
	for _, n := range c.regions {
		var keys []string
		for key := range n.realm.Rows("", "") {
			keys = append(keys, key)
		}
		if !slices.Equal(keys, []string{"iam/1/user/b", "s3/x"}) {
			t.Errorf("%s: rows %q", n.name, keys)
		}
		n.restart()
		if n.row("iam/1/user/b") != "B" || n.row("s3/x") != "X" || n.row("iam/1/user/a") != "" {
			t.Errorf("%s: after a restart other rows", n.name)
		}
	}
}

func TestRowTransaction(t *testing.T) {
	c := newCluster(t, Options{})
	west := c.regions["us-west-2"]
	if err := west.put("iam/1/a", "A"); err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	err := west.realm.UpdateRows(context.Background(), func(tx *RowTx) error {
		tx.Put("iam/1/b", []byte("B"))
		tx.Delete("iam/1/a")
		if row, ok := tx.Get("iam/1/b"); !ok || string(row) != "B" {
			t.Errorf("Get of what was put: %q, %v", row, ok)
		}
		if _, ok := tx.Get("iam/1/a"); ok {
			t.Error("Get of what was deleted")
		}
		for key := range tx.Scan("iam/", "") {
			if key != "iam/1/b" {
				t.Errorf("Scan gives %s", key)
			}
		}
		return stop
	})
	if err != stop || west.row("iam/1/a") != "A" {
		t.Errorf("an error of the function: %v, row %q", err, west.row("iam/1/a"))
	}
	before := c.regions["us-east-1"].realm.Position()
	if err := west.realm.UpdateRows(context.Background(), func(tx *RowTx) error { tx.Get("iam/1/a"); return nil }); err != nil {
		t.Error(err)
	}
	if c.regions["us-east-1"].realm.Position() != before {
		t.Error("a transaction that writes nothing moved the feed")
	}
	big := make([]byte, RowMax)
	for name, fn := range map[string]func(tx *RowTx){
		"long row":   func(tx *RowTx) { tx.Put("iam/x", append(big, 0)) },
		"empty row":  func(tx *RowTx) { tx.Put("iam/x", nil) },
		"no service": func(tx *RowTx) { tx.Put("iam", []byte("x")) },
		"no UTF-8":   func(tx *RowTx) { tx.Put("iam/\xff", []byte("x")) },
		"many rows": func(tx *RowTx) {
			for i := range txRowsMax + 1 {
				tx.Put(fmt.Sprint("iam/", i), []byte("x"))
			}
		},
		"many bytes": func(tx *RowTx) {
			for i := range 8 {
				tx.Put(fmt.Sprint("iam/", i), big)
			}
		},
	} {
		for _, n := range c.regions {
			if err := n.realm.UpdateRows(context.Background(), func(tx *RowTx) error { fn(tx); return nil }); !errors.Is(err, ErrRowLimit) {
				t.Errorf("%s: %s: %v", n.name, name, err)
			}
		}
	}
	// What is within the bounds goes through every commit and message.
	for range 20 {
		if err := west.realm.UpdateRows(context.Background(), func(tx *RowTx) error {
			for i := range 6 {
				tx.Put(fmt.Sprint("iam/big/", i), append([]byte(nil), big...))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		big[0]++
	}
	c.follow()
	for _, n := range c.regions {
		if got := len(n.row("iam/big/5")); got != RowMax {
			t.Errorf("%s: a row of %d bytes", n.name, got)
		}
	}
	big[0]-- // what was written last
	late := c.regions["eu-west-1"]
	if late.row("iam/big/0") != string(big) {
		t.Error("another row")
	}
}

// TestRowsAreNotLost lets all regions count in the same rows at once: no update
// is lost and none counts twice.
func TestRowsAreNotLost(t *testing.T) {
	c := newCluster(t, Options{PollWait: 2 * time.Second})
	for _, n := range c.regions {
		n.live()
	}
	const each = 15
	var done atomic.Int64
	var wg sync.WaitGroup
	for _, n := range c.regions {
		for range 2 {
			wg.Go(func() {
				for i := range each {
					for {
						err := n.count(fmt.Sprint("t/", i%2))
						if err == nil {
							done.Add(1)
							break
						}
						if !errors.Is(err, ErrRowConflict) {
							t.Error(err)
							return
						}
					}
				}
			})
		}
	}
	wg.Wait()
	for _, n := range c.regions {
		sum := 0
		for i := range 2 {
			v, _ := strconv.Atoi(n.row(fmt.Sprint("t/", i)))
			sum += v
		}
		if int64(sum) != done.Load() || sum != 3*2*each {
			t.Errorf("%s counts %d, %d were done", n.name, sum, done.Load())
		}
	}
}

// TestLimitsOfRows lets all regions make rows under one prefix at once: there are
// never more than the limit, and it is reached.
func TestLimitsOfRows(t *testing.T) {
	c := newCluster(t, Options{PollWait: 2 * time.Second})
	for _, n := range c.regions {
		n.live()
	}
	const limit = 10
	full := errors.New("full")
	create := func(n *node, key string) error {
		return n.realm.UpdateRows(context.Background(), func(tx *RowTx) error {
			have := 0
			for range tx.Scan("t/few/", "") {
				have++
			}
			if have >= limit {
				return full
			}
			tx.Limit("t/few/", limit)
			tx.Put(key, []byte("x"))
			return nil
		})
	}
	var made, refused atomic.Int64
	var wg sync.WaitGroup
	for _, n := range c.regions {
		for i := range 10 {
			wg.Go(func() {
				err := create(n, fmt.Sprint("t/few/", n.name, i))
				for errors.Is(err, ErrRowConflict) {
					err = create(n, fmt.Sprint("t/few/", n.name, i))
				}
				switch err {
				case nil:
					made.Add(1)
				case full:
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	for _, n := range c.regions {
		have := 0
		var some string
		for some = range n.realm.Rows("t/few/", "") {
			have++
		}
		if have != limit || made.Load() != limit || refused.Load() != 20 {
			t.Errorf("%s: %d rows of %d, %d made, %d refused", n.name, have, limit, made.Load(), refused.Load())
		}
		// What is there is written again, and one takes another's place.
		swap := func(tx *RowTx) error {
			tx.Limit("t/few/", limit)
			tx.Put("t/few/instead"+n.name, []byte("x"))
			tx.Delete(some)
			return nil
		}
		if err := n.realm.UpdateRows(context.Background(), swap); err != nil {
			t.Errorf("%s: one for another: %v", n.name, err)
		}
	}
	west := c.regions["us-west-2"]
	for name, fn := range map[string]func(tx *RowTx){
		"no prefix": func(tx *RowTx) { tx.Limit("", 1) },
		"none":      func(tx *RowTx) { tx.Limit("t/", 0) },
		"many limits": func(tx *RowTx) {
			for range txLimits + 1 {
				tx.Limit("t/", 1)
			}
		},
	} {
		if err := west.realm.UpdateRows(context.Background(), func(tx *RowTx) error { tx.Put("t/x", []byte("x")); fn(tx); return nil }); !errors.Is(err, ErrRowLimit) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A transaction whose own rows are too many can never commit.
	if err := west.realm.UpdateRows(context.Background(), func(tx *RowTx) error {
		tx.Limit("t/two/", 1)
		tx.Put("t/two/1", []byte("x"))
		tx.Put("t/two/2", []byte("x"))
		return nil
	}); !errors.Is(err, ErrRowConflict) {
		t.Error(err)
	}
}

// TestRowUpdateWhoseAnswerIsLost breaks the line after home has committed: the
// update is counted once and reported as done.
func TestRowUpdateWhoseAnswerIsLost(t *testing.T) {
	c := newCluster(t, Options{AskTimeout: 200 * time.Millisecond})
	west, home := c.regions["us-west-2"], c.regions["us-east-1"]
	var asked atomic.Int32
	inner := home.mux
	mux := NewPeerMux()
	c.mu.Lock()
	home.mux = mux
	c.mu.Unlock()
	mux.mux.Handle("/", inner.mux)
	mux.Handle("POST "+pathRows, func(w http.ResponseWriter, r *http.Request, from string) {
		inner.ServePeer(httptest.NewRecorder(), r, from) // it takes effect
		if asked.Add(1) < 3 {
			w.WriteHeader(502) // and the answer is lost
			return
		}
		w.WriteHeader(500)
	})
	if err := west.count("t/n"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("an update of unknown outcome: %v", err)
	}
	if got := home.row("t/n"); got != "1" {
		t.Errorf("home counts %q", got)
	}
	if n := asked.Load(); n != commitTries+1 {
		t.Errorf("home was asked %d times", n)
	}
	// The line heals while the region asks again.
	asked.Store(0)
	mux = NewPeerMux()
	mux.mux.Handle("/", inner.mux)
	mux.Handle("POST "+pathRows, func(w http.ResponseWriter, r *http.Request, from string) {
		if asked.Add(1) == 1 {
			inner.ServePeer(httptest.NewRecorder(), r, from)
			w.WriteHeader(502)
			return
		}
		inner.ServePeer(w, r, from)
	})
	c.mu.Lock()
	home.mux = mux
	c.mu.Unlock()
	if err := west.count("t/n"); err != nil {
		t.Errorf("after the line has healed: %v", err)
	}
	if got := west.row("t/n"); got != "2" || home.row("t/n") != "2" {
		t.Errorf("counts %q here, %q at home", got, home.row("t/n"))
	}
}

// TestHomeCrashesBehindARowCommit restarts home between its commit and its
// answer.
func TestHomeCrashesBehindARowCommit(t *testing.T) {
	c := newCluster(t, Options{})
	west, home := c.regions["us-west-2"], c.regions["us-east-1"]
	if err := west.put("t/n", "1"); err != nil {
		t.Fatal(err)
	}
	tx := &RowTx{view: west.realm.table.view.Load(), reads: map[string][]byte{}, writes: map[string][]byte{}}
	tx.Get("t/n")
	tx.Put("t/n", []byte("2"))
	q := tx.question(newRequest())
	first, err := home.realm.homeHere().commitRows(context.Background(), q)
	if err != nil || first.Conflict {
		t.Fatal(first, err)
	}
	home.restart()
	again, err := home.realm.homeHere().commitRows(context.Background(), q)
	if err != nil || *again != *first {
		t.Errorf("asked again after a crash: %+v, %v; want %+v", again, err, first)
	}
	if other, err := home.realm.homeHere().commitRows(context.Background(), tx.question(newRequest())); err != nil || !other.Conflict {
		t.Errorf("another request with the same guards: %+v, %v", other, err)
	}
}

// TestAKVThatFailsLeavesTheTruth has home's engine fail after the commit.
func TestAKVThatFailsLeavesTheTruth(t *testing.T) {
	c := newCluster(t, Options{})
	home := c.regions["us-east-1"]
	failing := &failingKV{Store: home.kv}
	home.kv = failing
	home.restart()
	var heard []string
	home.realm.WatchRows("t/", func(key string) { heard = append(heard, key) })
	failing.after.Store(true)
	if err := home.count("t/n"); err != nil || home.row("t/n") != "1" || !slices.Equal(heard, []string{"t/n"}) {
		t.Errorf("failed after the commit: %v, row %q, heard %q", err, home.row("t/n"), heard)
	}
	failing.before.Store(true)
	if err := home.count("t/n"); err == nil || home.row("t/n") != "1" {
		t.Errorf("failed before the commit: %v, row %q", err, home.row("t/n"))
	}
	if err := home.count("t/n"); err != nil || home.row("t/n") != "2" {
		t.Errorf("afterwards: %v, row %q", err, home.row("t/n"))
	}
}

// failingKV fails one commit, before or after it takes effect.
type failingKV struct {
	kv.Store
	before, after atomic.Bool
}

func (f *failingKV) Commit(ctx context.Context, m *kv.Mutation) error {
	if f.before.CompareAndSwap(true, false) {
		return errors.New("no disk")
	}
	err := f.Store.Commit(ctx, m)
	if f.after.CompareAndSwap(true, false) {
		return errors.Join(err, errors.New("no answer"))
	}
	return err
}

func TestRowsWithHomeAway(t *testing.T) {
	c := newCluster(t, Options{AskTimeout: 50 * time.Millisecond})
	west := c.regions["us-west-2"]
	if err := west.put("t/old", "1"); err != nil {
		t.Fatal(err)
	}
	c.partition("us-east-1", true)
	if err := west.put("t/new", "1"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a write = %v, want ServiceUnavailable", err)
	}
	if row, ok, err := west.realm.FetchRow(context.Background(), "t/old"); err != nil || !ok || string(row) != "1" {
		t.Errorf("FetchRow of what is here = %q, %v, %v", row, ok, err)
	}
	if _, _, err := west.realm.FetchRow(context.Background(), "t/none"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("FetchRow of what nobody here knows = %v, want ServiceUnavailable", err)
	}
	c.partition("us-east-1", false)
	if err := west.put("t/new", "1"); err != nil {
		t.Errorf("home is back: %v", err)
	}
}

// TestMissesOfRowsAreBounded: while a region follows live, invented keys never
// reach home; else each is asked for once.
func TestMissesOfRowsAreBounded(t *testing.T) {
	c := newCluster(t, Options{PollWait: 2 * time.Second})
	west, home := c.regions["us-west-2"], c.regions["us-east-1"]
	var asked atomic.Int32
	inner := home.mux
	mux := NewPeerMux()
	mux.mux.Handle("/", inner.mux)
	mux.Handle("POST "+pathRow, func(w http.ResponseWriter, r *http.Request, from string) {
		asked.Add(1)
		inner.ServePeer(w, r, from)
	})
	c.mu.Lock()
	home.mux = mux
	c.mu.Unlock()
	for range 5 {
		if _, ok, err := west.realm.FetchRow(context.Background(), "iam/none"); ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("one key was asked for %d times", n)
	}
	west.live()
	if err := west.put("iam/one", "1"); err != nil { // it follows from here on
		t.Fatal(err)
	}
	for !west.realm.live() {
		time.Sleep(time.Millisecond)
	}
	asked.Store(0)
	for i := range 100 {
		if _, ok, err := west.realm.FetchRow(context.Background(), fmt.Sprint("iam/none", i)); ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("a region that follows live asked %d times", n)
	}
}

// TestATransactionIsSeenWhole: what one commit wrote travels as one.
func TestATransactionIsSeenWhole(t *testing.T) {
	c := newCluster(t, Options{})
	home, west := c.regions["us-east-1"], c.regions["us-west-2"]
	c.follow()
	const rows = 90
	for round := range 12 { // more than a page of the feed
		if err := home.realm.UpdateRows(context.Background(), func(tx *RowTx) error {
			for i := range rows {
				tx.Put(fmt.Sprintf("t/%02d", i), []byte(strconv.Itoa(round)))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	var seen int
	west.realm.WatchRows("t/00", func(string) {
		seen++
		values := map[string]int{}
		for _, v := range west.realm.Rows("t/", "") {
			values[string(v)]++
		}
		if len(values) != 1 {
			t.Errorf("a transaction is seen in parts: %v", values)
		}
	})
	c.follow()
	if seen == 0 || west.row("t/89") != "11" {
		t.Errorf("%d changes seen, the last is %q", seen, west.row("t/89"))
	}
}

func TestCommitsOfACopy(t *testing.T) {
	row := make([]byte, RowMax)
	var entries []entry
	for i := range 40 {
		for j := range 6 {
			entries = append(entries, entry{Seq: uint64(len(entries) + 1), Kind: kindService, Key: fmt.Sprint(i, "/", j), Row: row, More: j < 5})
		}
	}
	n := 0
	for _, run := range commits(entries) {
		size := 0
		for _, e := range run {
			size += e.size()
			if n++; e.Seq != uint64(n) {
				t.Fatalf("entry %d stands at %d", e.Seq, n)
			}
		}
		if size > commitRoom || run[len(run)-1].More {
			t.Errorf("a run of %d bytes, more %v", size, run[len(run)-1].More)
		}
	}
	if n != len(entries) || len(commits(nil)) != 0 {
		t.Errorf("%d of %d entries", n, len(entries))
	}
}
