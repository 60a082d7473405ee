package realm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// logged is a log that a test reads.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (n *node) promote(force bool) (string, error) {
	p, err := n.realm.Promote(context.Background(), force)
	if p == nil {
		return "", err
	}
	return strings.Join(p.Lines, "\n"), err
}

// settle lets regions look for home, follow and sweep until they agree.
func (c *cluster) settle() {
	for range 3 {
		for _, n := range c.regions {
			n.realm.mu.Lock()
			n.realm.looked = time.Time{} // the second is over
			n.realm.mu.Unlock()
		}
		c.follow()
		for _, n := range c.regions {
			if _, err := n.realm.SweepStep(context.Background()); err != nil {
				var far *unreachableError
				if !errors.As(err, &far) {
					c.t.Errorf("sweep in %s: %v", n.name, err)
				}
			}
		}
	}
	c.follow()
}

// agree wants all regions to have one home and the same tables.
func (c *cluster) agree(home string) {
	c.t.Helper()
	c.settle()
	dump := func(n *node) string {
		var b strings.Builder
		for k, v := range n.realm.Rows("", "") {
			fmt.Fprintf(&b, "%s=%s\n", k, v)
		}
		names, _, err := n.realm.Names(context.Background(), "", "", 1000)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, name := range names {
			fmt.Fprintf(&b, "%s %s %s\n", name.Name, name.Region, name.UID)
		}
		return b.String()
	}
	want := dump(c.regions[home])
	for _, n := range c.regions {
		if n.realm.Home() != home || n.realm.IsHome() != (n.name == home) {
			c.t.Errorf("%s: home is %s (here: %v), want %s", n.name, n.realm.Home(), n.realm.IsHome(), home)
		}
		if got := dump(n); got != want {
			c.t.Errorf("%s has\n%swhere %s has\n%s", n.name, got, home, want)
		}
		if got, want := n.realm.Position(), c.regions[home].realm.Position(); got != want {
			c.t.Errorf("%s is at %s, home at %s", n.name, got, want)
		}
	}
}

func TestHandOver(t *testing.T) {
	c := newCluster(t, Options{})
	home, west, eu := c.regions["us-east-1"], c.regions["us-west-2"], c.regions["eu-west-1"]
	if err := eu.create("b"); err != nil {
		t.Fatal(err)
	}
	if err := west.put("t/1", "1"); err != nil {
		t.Fatal(err)
	}
	if err := home.put("t/2", "2"); err != nil { // west has not heard of it
		t.Fatal(err)
	}
	if _, err := eu.promote(false); err == nil || !strings.Contains(err.Error(), "never followed") {
		t.Errorf("a region without tables was promoted: %v", err)
	}
	c.agree("us-east-1")
	if err := home.put("t/3", "3"); err != nil {
		t.Fatal(err)
	}
	said, err := west.promote(false)
	if err != nil || !strings.Contains(said, "nothing is lost") || !strings.Contains(said, "us-east-1 follows") {
		t.Fatalf("promote: %v\n%s", err, said)
	}
	c.agree("us-west-2")
	if west.row("t/1") != "1" || west.row("t/2") != "2" || west.row("t/3") != "3" {
		t.Error("something was lost")
	}
	for _, n := range c.regions {
		if err := n.put("t/after-"+n.name, "1"); err != nil {
			t.Errorf("%s: %v", n.name, err)
		}
		if err := n.create("after-" + n.name); err != nil {
			t.Errorf("%s: %v", n.name, err)
		}
	}
	c.agree("us-west-2")
	// Home stays moved after restarts of all.
	for _, n := range c.regions {
		n.restart()
	}
	c.agree("us-west-2")
	if said, err := west.promote(false); err != nil || !strings.Contains(said, "is home already") {
		t.Errorf("promoted again: %v\n%s", err, said)
	}
	if _, err := home.promote(false); err != nil {
		t.Fatal(err)
	}
	c.agree("us-east-1")
}

// TestHomeIsLost: home goes down, another region is promoted, work goes on; the
// old home comes back, follows, and says what it discards.
func TestHomeIsLost(t *testing.T) {
	log := &logged{}
	c := newCluster(t, Options{AskTimeout: 100 * time.Millisecond, Log: slog.New(slog.NewTextHandler(log, nil))})
	home, west, eu := c.regions["us-east-1"], c.regions["us-west-2"], c.regions["eu-west-1"]
	if err := west.create("old"); err != nil {
		t.Fatal(err)
	}
	if err := home.put("t/old", "1"); err != nil {
		t.Fatal(err)
	}
	c.follow()
	// What nobody else hears of.
	if err := home.put("t/lost", "1"); err != nil {
		t.Fatal(err)
	}
	if err := home.create("lost-at-home"); err != nil {
		t.Fatal(err)
	}
	if err := eu.create("lost-in-eu"); err != nil { // home knows it, and has told nobody
		t.Fatal(err)
	}
	if err := west.delete("old"); err != nil {
		t.Fatal(err)
	}
	c.partition("us-east-1", true)
	if err := eu.put("t/new", "1"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("with home lost: %v", err)
	}
	said, err := west.promote(false)
	if err != nil || !strings.Contains(said, "us-east-1 does not answer") || !strings.Contains(said, "eu-west-1 follows") || !strings.Contains(said, "us-east-1 could not be told") {
		t.Fatalf("promote: %v\n%s", err, said)
	}
	if eu.realm.Home() != "us-west-2" {
		t.Fatalf("eu-west-1 follows %s", eu.realm.Home())
	}
	c.settle()
	for _, n := range []*node{west, eu} {
		if err := n.put("t/new-"+n.name, "1"); err != nil {
			t.Errorf("%s: %v", n.name, err)
		}
		if err := n.create("new-" + n.name); err != nil {
			t.Errorf("%s: %v", n.name, err)
		}
	}
	if at, err := west.locate("lost-in-eu"); err != nil || at != "eu-west-1" {
		t.Errorf("a bucket whose name only the old home had: %q, %v", at, err)
	}
	if at, err := eu.locate("old"); err != nil || at != "" {
		t.Errorf("a bucket that is gone: %q, %v", at, err)
	}
	// The old home, cut off, still believes to be home; it can't know better.
	if !home.realm.IsHome() {
		t.Error("the old home gave up by itself")
	}
	c.partition("us-east-1", false)
	c.agree("us-west-2")
	if home.row("t/lost") != "" || home.row("t/new-us-west-2") != "1" {
		t.Error("the old home keeps what it decided alone")
	}
	if at, err := eu.locate("lost-at-home"); err != nil || at != "us-east-1" {
		t.Errorf("a bucket of the old home: %q, %v", at, err)
	}
	if text := log.String(); !strings.Contains(text, "are discarded") || !strings.Contains(text, "s/t/lost") {
		t.Errorf("the old home does not say what it discards:\n%s", text)
	}
	if n := len(c.feedOf(home)); n != 0 {
		t.Errorf("the old home keeps %d entries of its feed", n)
	}
}

func (c *cluster) feedOf(n *node) (keys []string) {
	snap, err := n.kv.Snapshot(context.Background())
	if err != nil {
		c.t.Fatal(err)
	}
	defer snap.Close()
	for p, err := range snap.Scan(prefixSpan("f/")) {
		if err != nil {
			c.t.Fatal(err)
		}
		keys = append(keys, string(p.Key))
	}
	return keys
}

// TestAnOldHomeDoesNotDecide: back again, it asks the others before its first
// decision, whoever wants it.
func TestAnOldHomeDoesNotDecide(t *testing.T) {
	for name, write := range map[string]func(c *cluster) error{
		"a row at home":        func(c *cluster) error { return c.regions["us-east-1"].put("t/x", "1") },
		"a bucket at home":     func(c *cluster) error { return c.regions["us-east-1"].create("x") },
		"a row from elsewhere": func(c *cluster) error { return c.regions["eu-west-1"].put("t/x", "1") },
		"a bucket elsewhere":   func(c *cluster) error { return c.regions["eu-west-1"].create("x") },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, Options{AskTimeout: 100 * time.Millisecond})
			c.follow()
			c.partition("us-east-1", true)
			// eu-west-1 does not hear of it either.
			c.partition("eu-west-1", true)
			if _, err := c.regions["us-west-2"].promote(false); err != nil {
				t.Fatal(err)
			}
			c.partition("us-east-1", false)
			c.partition("eu-west-1", false)
			c.regions["us-east-1"].restart()
			if err := write(c); err != nil {
				t.Fatal(err)
			}
			c.agree("us-west-2")
			west := c.regions["us-west-2"]
			if at, _ := west.locate("x"); west.row("t/x") == "" && at == "" {
				t.Error("what was answered as done is gone")
			}
		})
	}
}

// TestTwoPromotionsRace cuts two regions off from each other and promotes both.
func TestTwoPromotionsRace(t *testing.T) {
	c := newCluster(t, Options{AskTimeout: 100 * time.Millisecond})
	c.follow()
	west, eu := c.regions["us-west-2"], c.regions["eu-west-1"]
	for _, n := range c.regions {
		c.partition(n.name, true)
	}
	for _, n := range []*node{west, eu} {
		if _, err := n.promote(false); err != nil {
			t.Fatal(err)
		}
		if err := n.put("t/"+n.name, "1"); err != nil {
			t.Fatal(err)
		}
	}
	winner := west
	if eu.realm.epoch() > west.realm.epoch() {
		winner = eu
	}
	if eu.realm.epoch() == west.realm.epoch() {
		t.Fatal("two homes of one epoch")
	}
	for _, n := range c.regions {
		c.partition(n.name, false)
	}
	c.agree(winner.name)
	if winner.row("t/"+winner.name) != "1" {
		t.Error("the winner lost its row")
	}
	// At once, and connected: one hands over to the other or fails.
	var wg sync.WaitGroup
	for _, n := range c.regions {
		wg.Go(func() { n.promote(false) })
	}
	wg.Wait()
	c.settle()
	homes := 0
	for _, n := range c.regions {
		if n.realm.IsHome() {
			homes++
		}
	}
	if homes != 1 {
		t.Fatalf("%d homes", homes)
	}
	c.agree(west.realm.Home())
}

func TestPromoteTheOneThatIsAhead(t *testing.T) {
	c := newCluster(t, Options{AskTimeout: 100 * time.Millisecond})
	home, west, eu := c.regions["us-east-1"], c.regions["us-west-2"], c.regions["eu-west-1"]
	c.follow()
	if err := eu.put("t/x", "1"); err != nil { // eu has applied it, west has not
		t.Fatal(err)
	}
	c.partition(home.name, true)
	if said, err := west.promote(false); err == nil || !strings.Contains(err.Error(), "eu-west-1 has applied more") || west.realm.IsHome() {
		t.Fatalf("promote: %v\n%s", err, said)
	}
	if _, err := west.promote(true); err != nil {
		t.Fatal(err)
	}
	c.settle()
	if eu.row("t/x") != "" || eu.realm.Home() != "us-west-2" {
		t.Error("eu-west-1 does not follow")
	}
	c.partition(home.name, false)
	c.agree("us-west-2")
}

// TestCrashesOfMovingHome stops in the middle of a hand-over.
func TestCrashesOfMovingHome(t *testing.T) {
	c := newCluster(t, Options{AskTimeout: 100 * time.Millisecond})
	home, west := c.regions["us-east-1"], c.regions["us-west-2"]
	c.follow()
	epoch := nextEpoch(west.realm.epoch(), west.name)
	if err := west.realm.takeOver(context.Background(), home.name, epoch); err != nil {
		t.Fatal(err)
	}
	west.restart() // before it took office: nobody is home
	if home.realm.IsHome() || west.realm.IsHome() {
		t.Fatal("somebody is home")
	}
	if err := west.put("t/x", "1"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without a home: %v", err)
	}
	if said, err := west.promote(false); err != nil {
		t.Fatalf("promoted again: %v\n%s", err, said)
	}
	c.agree("us-west-2")
	if err := home.put("t/x", "1"); err != nil {
		t.Error(err)
	}
}

func TestACopyIsNotMadeHomeByItsConfiguration(t *testing.T) {
	c := newCluster(t, Options{})
	c.follow()
	west := c.regions["us-west-2"]
	west.stop()
	o := west.realm.opt
	o.Home = "us-west-2"
	if _, err := Open(context.Background(), o); err == nil || !strings.Contains(err.Error(), "promote") {
		t.Errorf("Open = %v", err)
	}
}

// TestAnOldHomeIsToldByItsConfiguration starts it with a file that names its
// successor: it says what it discards all the same, and its buckets have their
// names again.
func TestAnOldHomeIsToldByItsConfiguration(t *testing.T) {
	log := &logged{}
	c := newCluster(t, Options{AskTimeout: 100 * time.Millisecond, Log: slog.New(slog.NewTextHandler(log, nil))})
	home := c.regions["us-east-1"]
	c.follow()
	if err := home.create("lost"); err != nil {
		t.Fatal(err)
	}
	c.partition(home.name, true)
	if _, err := c.regions["us-west-2"].promote(false); err != nil {
		t.Fatal(err)
	}
	c.partition(home.name, false)
	c.configured = "us-west-2"
	home.restart()
	if home.realm.IsHome() {
		t.Fatal("it is home against its configuration")
	}
	c.agree("us-west-2")
	if !strings.Contains(log.String(), "are discarded") || len(c.feedOf(home)) != 0 {
		t.Errorf("it does not discard:\n%s", log.String())
	}
	if at, err := c.regions["eu-west-1"].locate("lost"); err != nil || at != home.name {
		t.Errorf("its bucket: %q, %v", at, err)
	}
}

func TestAdminIsTheRegionsOwn(t *testing.T) {
	c := newCluster(t, Options{})
	ctx := context.Background()
	c.follow()
	if _, err := Administer(ctx, &memDialer{c, "eu-west-1"}, "us-west-2", AdminQuestion{Op: OpCreate, Name: "x"}); err == nil {
		t.Error("another region administers")
	}
	own := &memDialer{c, "us-west-2"}
	do := func(q AdminQuestion) *AdminAnswer {
		t.Helper()
		a, err := Administer(ctx, own, "us-west-2", q)
		if err != nil {
			t.Fatalf("%s: %v", q.Op, err)
		}
		return a
	}
	if a := do(AdminQuestion{Op: OpStatus}); a.Region != "us-west-2" || a.Home != "us-east-1" || a.Position == "" {
		t.Errorf("status %+v", a)
	}
	made := do(AdminQuestion{Op: OpCreate, Name: "Partner"})
	if made.Key == nil || len(made.Key.Secret) != 40 || len(made.Accounts) != 1 {
		t.Errorf("create %+v", made)
	}
	if a := do(AdminQuestion{Op: OpAccounts}); len(a.Accounts) != 2 || a.Key != nil {
		t.Errorf("accounts %+v", a)
	}
	deny := `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"s3:DeleteBucket","Resource":"*"}}`
	do(AdminQuestion{Op: OpAttach, Account: "Partner", Kind: ServiceControl, Control: &Control{"deny", deny}})
	if a := do(AdminQuestion{Op: OpControls, Account: made.Accounts[0].ID, Kind: ServiceControl}); len(a.Controls) != 2 {
		t.Errorf("controls %+v", a.Controls)
	}
	do(AdminQuestion{Op: OpDetach, Account: "Partner", Kind: ServiceControl, Name: "deny"})
	do(AdminQuestion{Op: OpSuspend, Account: "Partner"})
	do(AdminQuestion{Op: OpResume, Account: "Partner"})
	for _, q := range []AdminQuestion{{Op: "none"}, {Op: OpAttach, Account: "nobody"}, {Op: OpAttach, Account: "Partner"}, {Op: OpCreate, Name: "Partner"}} {
		if _, err := Administer(ctx, own, "us-west-2", q); err == nil {
			t.Errorf("%+v: no error", q)
		}
	}
	if a := do(AdminQuestion{Op: OpPromote}); a.Home != "us-west-2" || len(a.Promotion.Lines) == 0 {
		t.Errorf("promote %+v", a)
	}
}

// TestAnAnswerOfTheOldHomeComesLate: what the old home said is not applied to
// the tables of the new one, however well it would fit.
func TestAnAnswerOfTheOldHomeComesLate(t *testing.T) {
	c := newCluster(t, Options{})
	eu, west := c.regions["eu-west-1"], c.regions["us-west-2"]
	c.follow()
	late := &feedAnswer{Account: account, History: eu.realm.table.headNow().history, Epoch: 1, Entries: []entry{{Seq: 1, Kind: kindService, Key: "t/late", Row: []byte("1")}}}
	if _, err := west.promote(false); err != nil {
		t.Fatal(err)
	}
	c.settle()
	if at := eu.realm.Position(); at.Seq != 0 || at.Epoch != west.realm.epoch() {
		t.Fatalf("eu-west-1 is at %s", at)
	}
	for _, n := range []*node{eu, west} {
		if err := n.realm.applyEntries(context.Background(), late); !errors.Is(err, ErrStale) || n.row("t/late") != "" {
			t.Errorf("%s: %v, row %q", n.name, err, n.row("t/late"))
		}
		if err := n.realm.applyPage(context.Background(), tableQuestion{}, &tableAnswer{Epoch: 1}, &tableAnswer{Epoch: 1}); !errors.Is(err, ErrStale) {
			t.Errorf("%s: a page: %v", n.name, err)
		}
	}
	c.agree("us-west-2")
}

// TestHomeYieldsOnlyToWhoHasEverything: what a region lacks would be lost.
func TestHomeYieldsOnlyToWhoHasEverything(t *testing.T) {
	c := newCluster(t, Options{AskTimeout: 50 * time.Millisecond})
	home, west := c.regions["us-east-1"], c.regions["us-west-2"]
	c.follow()
	q := west.realm.homeMessage()
	q.Yield = nextEpoch(west.realm.epoch(), west.name)
	if err := home.put("t/x", "1"); err != nil {
		t.Fatal(err)
	}
	if a, err := home.realm.answerHome(context.Background(), west.name, *q); err != nil || a.Yielded || !home.realm.IsHome() {
		t.Errorf("home yields to a region that lacks something: %+v, %v", a, err)
	}
	c.follow()
	now := west.realm.homeMessage()
	now.Yield = q.Yield
	for range 2 { // the answer may be lost, and asked for again
		if a, err := home.realm.answerHome(context.Background(), west.name, *now); err != nil || !a.Yielded || home.realm.IsHome() {
			t.Errorf("home does not yield: %+v, %v", a, err)
		}
	}
	if err := home.put("t/y", "1"); err == nil {
		t.Error("home decides after it has yielded")
	}
}
