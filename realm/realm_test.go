package realm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/farhold/farhold/kv/memkv"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/stamp"
	"github.com/farhold/farhold/store"
)

func TestBucketsAreKnownEverywhere(t *testing.T) {
	c := newCluster(t, Options{})
	c.follow()
	home, west, eu := c.regions["us-east-1"], c.regions["us-west-2"], c.regions["eu-west-1"]
	for n, b := range map[*node]string{home: "at-home", west: "in-the-west"} {
		if err := n.create(b); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range c.regions {
		for b, want := range map[string]string{"at-home": "us-east-1", "in-the-west": "us-west-2", "nowhere": ""} {
			if got, err := n.locate(b); err != nil || got != want {
				t.Errorf("before the feed, in %s: Locate(%s) = %q, %v; want %q", n.name, b, got, err, want)
			}
		}
	}
	c.follow()
	c.partition("us-east-1", true)
	if got, err := eu.locate("in-the-west"); err != nil || got != "us-west-2" {
		t.Errorf("with home away: Locate = %q, %v", got, err)
	}
	c.partition("us-east-1", false)
	names, more, err := eu.realm.Names(context.Background(), "", "", 1)
	if err != nil || !more || len(names) != 1 || names[0].Name != "at-home" {
		t.Fatalf("Names = %v, %v, %v", names, more, err)
	}
	names, more, err = eu.realm.Names(context.Background(), "in", names[0].Name, 10)
	if err != nil || more || len(names) != 1 || names[0].Name != "in-the-west" || names[0].Region != "us-west-2" ||
		names[0].UID != west.store.buckets["in-the-west"] || names[0].Owner != account || names[0].Created.IsZero() {
		t.Fatalf("Names = %v, %v, %v", names, more, err)
	}
	if err := west.delete("in-the-west"); err != nil {
		t.Fatal(err)
	}
	c.follow()
	if got, err := eu.locate("in-the-west"); err != nil || got != "" {
		t.Errorf("after the delete: Locate = %q, %v", got, err)
	}
	if err := eu.create("in-the-west"); err != nil {
		t.Errorf("a name given back can't be taken: %v", err)
	}
}

func TestErrorsOfCreate(t *testing.T) {
	c := newCluster(t, Options{})
	home, west, eu := c.regions["us-east-1"], c.regions["us-west-2"], c.regions["eu-west-1"]
	if err := west.create("b"); err != nil {
		t.Fatal(err)
	}
	for _, n := range []*node{home, west, eu} {
		if err := n.create("b"); !errors.Is(err, ErrOwnedByYou) {
			t.Errorf("%s: create = %v, want BucketAlreadyOwnedByYou", n.name, err)
		}
		err := n.realm.Create(context.Background(), n.name, "b", "210987654321", n.store.make("b"))
		if n != west && !errors.Is(err, ErrExists) {
			t.Errorf("%s: create by another account = %v, want BucketAlreadyExists", n.name, err)
		}
	}
	if err := west.realm.Create(context.Background(), "eu-west-1", "x", account, eu.store.make("x")); err == nil {
		t.Error("a region made a bucket of another")
	}
	full := errors.New("full")
	if err := west.realm.Create(context.Background(), "us-west-2", "full", account, func(s3.UID) error { return full }); err != full {
		t.Errorf("create = %v, want the store's error", err)
	}
	if err := eu.create("full"); err != nil {
		t.Errorf("the name of a bucket that could not be made stays taken: %v", err)
	}
	if err := eu.delete("none"); !errors.Is(err, store.ErrNoSuchBucket) {
		t.Errorf("delete = %v, want NoSuchBucket", err)
	}
}

func TestOneOfManyClaimsWins(t *testing.T) {
	c := newCluster(t, Options{})
	for round := range 20 {
		bucket := fmt.Sprintf("b%d", round)
		var mu sync.Mutex
		var won []string
		var wg sync.WaitGroup
		for _, n := range c.regions {
			for range 3 {
				wg.Go(func() {
					switch err := n.create(bucket); {
					case err == nil:
						mu.Lock()
						defer mu.Unlock()
						won = append(won, n.name)
					case errors.Is(err, ErrInProgress), errors.Is(err, ErrOwnedByYou):
					default:
						t.Errorf("%s: %v", n.name, err)
					}
				})
			}
		}
		wg.Wait()
		if len(won) != 1 {
			t.Fatalf("%s was made by %v", bucket, won)
		}
		for _, n := range c.regions {
			if _, there := n.store.buckets[bucket]; there != (n.name == won[0]) {
				t.Errorf("%s: there in %s: %v, won by %s", bucket, n.name, there, won[0])
			}
		}
	}
}

func TestHomeDown(t *testing.T) {
	c := newCluster(t, Options{})
	west := c.regions["us-west-2"]
	if err := west.create("old"); err != nil {
		t.Fatal(err)
	}
	c.follow()
	c.partition("us-east-1", true)
	if err := west.create("new"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("create = %v, want ServiceUnavailable", err)
	}
	if _, there := west.store.buckets["new"]; there {
		t.Error("a bucket was made whose name nobody claimed")
	}
	if err := west.create("old"); !errors.Is(err, ErrOwnedByYou) {
		t.Errorf("create = %v, want BucketAlreadyOwnedByYou", err)
	}
	if got, err := west.locate("old"); err != nil || got != "us-west-2" {
		t.Errorf("Locate = %q, %v", got, err)
	}
	if _, err := west.locate("perhaps"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Locate of what nobody here can know = %v, want ServiceUnavailable", err)
	}
	if err := west.delete("old"); err != nil {
		t.Errorf("delete = %v", err)
	}
	if names, _, _ := west.realm.Names(context.Background(), "", "", 10); len(names) != 0 {
		t.Errorf("a deleted bucket is listed: %v", names)
	}
	west.restart() // the debt to home is durable
	c.sweep()
	c.partition("us-east-1", false)
	if err := c.regions["eu-west-1"].create("old"); !errors.Is(err, ErrOwnedByYou) {
		t.Errorf("create of a name not given back yet = %v, want BucketAlreadyOwnedByYou", err)
	}
	c.sweep()
	if err := c.regions["eu-west-1"].create("old"); err != nil {
		t.Errorf("create of a name given back = %v", err)
	}
	c.sweep() // and the debt is paid once
	if err := c.regions["eu-west-1"].create("old"); !errors.Is(err, ErrOwnedByYou) {
		t.Errorf("create = %v, want BucketAlreadyOwnedByYou", err)
	}
}

// TestCrashBetweenSteps stops a region behind each step of making and deleting
// a bucket and lets Sweep settle it.
func TestCrashBetweenSteps(t *testing.T) {
	type state struct{ local, claimed, located bool }
	look := func(c *cluster, n *node) state {
		_, local := n.store.buckets["b"]
		_, claimed := c.regions["us-east-1"].realm.table.name("b")
		at, _ := c.regions["eu-west-1"].locate("b")
		return state{local, claimed, at == n.name}
	}
	ctx := context.Background()
	for _, where := range []string{"us-west-2", "us-east-1"} {
		for _, tt := range []struct {
			name string
			do   func(n *node)
			want state
		}{
			{"claimed", func(n *node) {
				n.realm.begin("b", "u")
				n.realm.claim(ctx, "b", "u", account)
			}, state{}},
			{"made", func(n *node) {
				n.realm.begin("b", "u")
				n.realm.claim(ctx, "b", "u", account)
				n.store.make("b")("u")
			}, state{true, true, true}},
			{"to be deleted", func(n *node) {
				n.create("b")
				n.realm.begin("b", "")
				n.realm.owe(ctx, "b", n.store.buckets["b"])
			}, state{true, true, true}},
			{"deleted", func(n *node) {
				n.create("b")
				n.realm.begin("b", "")
				n.realm.owe(ctx, "b", n.store.buckets["b"])
				n.store.remove("b")()
			}, state{}},
			{"given back", func(n *node) {
				n.create("b")
				uid := n.store.buckets["b"]
				n.realm.begin("b", "")
				n.realm.owe(ctx, "b", uid)
				n.store.remove("b")()
				n.realm.release(ctx, "b", uid)
			}, state{}},
		} {
			t.Run(where+"/"+tt.name, func(t *testing.T) {
				c := newCluster(t, Options{})
				n := c.regions[where]
				tt.do(n)
				n.restart()
				c.sweep()
				c.advance(time.Minute)
				c.sweep()
				c.follow()
				if got := look(c, n); got != tt.want {
					t.Errorf("settled as %+v, want %+v", got, tt.want)
				}
				for _, n := range c.regions {
					if len(n.realm.owed) != 0 || len(n.realm.table.pending()) != 0 {
						t.Errorf("%s: owed %v, pending %v", n.name, n.realm.owed, n.realm.table.pending())
					}
				}
				// And the name is of use again.
				err := n.create("b")
				if tt.want.local && !errors.Is(err, ErrOwnedByYou) || !tt.want.local && err != nil {
					t.Errorf("create afterwards = %v", err)
				}
			})
		}
	}
}

func TestAClaimUnderWayIsNotGivenUp(t *testing.T) {
	c := newCluster(t, Options{})
	west := c.regions["us-west-2"]
	err := west.realm.Create(context.Background(), "us-west-2", "slow", account, func(uid s3.UID) error {
		c.advance(time.Hour)
		c.sweep()
		if err := c.regions["eu-west-1"].create("slow"); !errors.Is(err, ErrInProgress) {
			t.Errorf("create elsewhere = %v, want OperationAborted", err)
		}
		if err := west.create("slow"); !errors.Is(err, ErrInProgress) {
			t.Errorf("create again = %v, want OperationAborted", err)
		}
		return west.store.make("slow")(uid)
	})
	if err != nil {
		t.Fatal(err)
	}
	if at, err := c.regions["eu-west-1"].locate("slow"); err != nil || at != "us-west-2" {
		t.Errorf("Locate = %q, %v", at, err)
	}
}

func TestAClaimOfASilentRegionStays(t *testing.T) {
	c := newCluster(t, Options{})
	west := c.regions["us-west-2"]
	west.realm.begin("b", "u")
	if err := west.realm.claim(context.Background(), "b", "u", account); err != nil {
		t.Fatal(err)
	}
	west.store.make("b")("u") // and then it is cut off before it can confirm
	c.partition("us-west-2", true)
	c.advance(time.Hour)
	c.sweep()
	if err := c.regions["eu-west-1"].create("b"); !errors.Is(err, ErrInProgress) {
		t.Errorf("create = %v, want OperationAborted: nobody knows whether the bucket is there", err)
	}
	c.partition("us-west-2", false)
	west.realm.end("b")
	c.sweep()
	if at, err := c.regions["eu-west-1"].locate("b"); err != nil || at != "us-west-2" {
		t.Errorf("Locate = %q, %v", at, err)
	}
}

// TestLostAnswer leaves a claim at home whose answer the region never got: a
// second try gets the name at once, with another UID.
func TestLostAnswer(t *testing.T) {
	c := newCluster(t, Options{})
	west := c.regions["us-west-2"]
	uid := s3.UID("0123456789abcdef")
	if _, err := c.regions["us-east-1"].realm.homeHere().claim(context.Background(), "us-west-2", "b", uid, account); err != nil {
		t.Fatal(err)
	}
	if err := west.create("b"); err != nil {
		t.Fatalf("create after a lost answer = %v", err)
	}
	if got := west.store.buckets["b"]; got == uid || got == "" {
		t.Errorf("the bucket has UID %q", got)
	}
}

func TestRestartKeepsEverything(t *testing.T) {
	c := newCluster(t, Options{})
	for i := range 30 {
		if err := c.regions["us-west-2"].create(fmt.Sprintf("b%02d", i)); err != nil {
			t.Fatal(err)
		}
	}
	c.follow()
	before := c.regions["eu-west-1"].realm.Position()
	for _, n := range c.regions {
		n.restart()
	}
	if got := c.regions["eu-west-1"].realm.Position(); got != before || got.Seq == 0 {
		t.Errorf("position %v, was %v", got, before)
	}
	c.partition("us-east-1", true)
	for _, n := range c.regions {
		names, _, err := n.realm.Names(context.Background(), "", "", 100)
		if err != nil || len(names) != 30 {
			t.Errorf("%s: %d names, %v", n.name, len(names), err)
		}
	}
	c.partition("us-east-1", false)
	c.regions["eu-west-1"].create("more")
	c.follow()
	if got := c.regions["us-west-2"].realm.Position(); got.Seq != before.Seq+2 {
		t.Errorf("position %v, want %d", got, before.Seq+2)
	}
}

func TestAFollowerFarBehindCopiesAnew(t *testing.T) {
	c := newCluster(t, Options{})
	home, eu := c.regions["us-east-1"], c.regions["eu-west-1"]
	for i := range feedPage * 3 / 2 {
		home.create(fmt.Sprintf("early%04d", i))
	}
	c.follow()
	c.partition("eu-west-1", true)
	for i := range feedPage * 3 / 2 {
		if err := home.delete(fmt.Sprintf("early%04d", i)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range feedMax / 2 {
		if err := home.create(fmt.Sprintf("late%04d", i)); err != nil {
			t.Fatal(err)
		}
	}
	c.partition("eu-west-1", false)
	c.follow()
	want, _, _ := home.realm.Names(context.Background(), "", "", 10000)
	got, _, err := eu.realm.Names(context.Background(), "", "", 10000)
	if err != nil || len(want) != feedMax/2 || !slices.EqualFunc(got, want, func(a, b Name) bool { return a == b }) {
		t.Errorf("the copy has %d names, home %d, %v", len(got), len(want), err)
	}
	if eu.realm.Position() != home.realm.Position() {
		t.Errorf("the copy is at %v, home at %v", eu.realm.Position(), home.realm.Position())
	}
	feed := 0
	snap, _ := home.kv.Snapshot(context.Background())
	defer snap.Close()
	for range snap.Scan(prefixSpan("f/")) {
		feed++
	}
	if feed != feedMax {
		t.Errorf("home keeps %d entries, want %d", feed, feedMax)
	}
}

// TestAnswersWaitForReachableRegions runs the followers: a bucket that was made
// is known everywhere at that moment, from the copies alone; a region that is
// cut off does not hold it up for long.
func TestAnswersWaitForReachableRegions(t *testing.T) {
	c := newCluster(t, Options{PollWait: 200 * time.Millisecond})
	for _, n := range c.regions {
		if !n.realm.IsHome() {
			n.live()
		}
	}
	for _, n := range c.regions { // until all have asked once
		for n.realm.Position() != c.regions["us-east-1"].realm.Position() {
			time.Sleep(time.Millisecond)
		}
	}
	known := func(bucket string) (missing []string) {
		for _, n := range c.regions {
			if row, ok := n.realm.table.name(bucket); !ok || row.pending {
				missing = append(missing, n.name)
			}
		}
		return missing
	}
	for i := range 20 {
		b := fmt.Sprintf("b%d", i)
		if err := c.regions["us-west-2"].create(b); err != nil {
			t.Fatal(err)
		}
		if m := known(b); len(m) > 0 {
			t.Fatalf("%s was made and %v does not know", b, m)
		}
	}
	c.partition("eu-west-1", true)
	if err := c.regions["us-west-2"].create("cut"); err != nil {
		t.Fatal(err)
	}
	if m := known("cut"); !slices.Equal(m, []string{"eu-west-1"}) {
		t.Fatalf("%v do not know", m)
	}
	c.partition("eu-west-1", false)
	for len(known("cut")) > 0 {
		time.Sleep(time.Millisecond)
	}
}

func TestFencing(t *testing.T) {
	c := newCluster(t, Options{})
	home, west := c.regions["us-east-1"], c.regions["us-west-2"]
	c.follow()
	hd := west.realm.table.headNow()
	hd.pos.Epoch = 2 // the realm moved on; this home has not heard
	west.realm.table.commit.Lock()
	if err := west.realm.table.apply(context.Background(), nil, hd, false); err != nil {
		t.Fatal(err)
	}
	west.realm.table.commit.Unlock()
	if err := west.create("b"); !errors.Is(err, ErrUnavailable) || !errors.Is(err, ErrStale) {
		t.Errorf("create at a stale home = %v", err)
	}
	if _, err := west.realm.FollowStep(context.Background()); !errors.Is(err, ErrStale) {
		t.Errorf("FollowStep = %v, want ErrStale", err)
	}
	if _, ok := home.realm.table.name("b"); ok {
		t.Error("the stale home took the claim")
	}
}

func TestAHomeThatLostItsDataIsNotFollowed(t *testing.T) {
	c := newCluster(t, Options{})
	west := c.regions["us-west-2"]
	if err := west.create("b"); err != nil {
		t.Fatal(err)
	}
	c.follow()
	home := c.regions["us-east-1"]
	home.kv = memkv.New()
	home.restart()
	if _, err := west.realm.FollowStep(context.Background()); !errors.Is(err, ErrStale) {
		t.Errorf("FollowStep = %v, want ErrStale", err)
	}
	if at, err := west.locate("b"); err != nil || at != "us-west-2" {
		t.Errorf("Locate = %q, %v: the copy was dropped", at, err)
	}
}

func TestRegions(t *testing.T) {
	c := newCluster(t, Options{})
	c.follow()
	west := c.regions["us-west-2"]
	if got := west.realm.Regions(); !slices.Equal(got, []string{"eu-west-1", "us-east-1", "us-west-2"}) {
		t.Errorf("Regions = %v", got)
	}
	var told []RegionInfo
	west.realm.opt.OnRegions = func(l []RegionInfo) { told = l }
	list := slices.Clone(c.infos)
	list[2].Endpoint = "elsewhere:1"
	list = append(list, RegionInfo{Name: "ap-south-1", Endpoint: "new:1", Peer: "new:2"})
	if err := c.regions["us-east-1"].realm.SetRegions(context.Background(), list); err != nil {
		t.Fatal(err)
	}
	c.follow()
	if got := west.realm.Endpoint("eu-west-1"); got != "elsewhere:1" {
		t.Errorf("Endpoint = %q", got)
	}
	if len(told) != 4 || told[0].Peer != "new:2" {
		t.Errorf("told %v", told)
	}
	// Two regions whose stamps could not be told apart.
	a, b := collision(t)
	err := c.regions["us-east-1"].realm.SetRegions(context.Background(), append(list, RegionInfo{Name: a}, RegionInfo{Name: b}))
	if err == nil || !strings.Contains(err.Error(), "stamps") {
		t.Errorf("SetRegions with colliding tags = %v", err)
	}
}

// collision finds two names with one tag.
func collision(t *testing.T) (a, b string) {
	seen := map[uint32]string{}
	for i := range 1 << 20 {
		n := fmt.Sprintf("r%x", uint64(i)*2654435761)
		if o, ok := seen[stamp.Tag(n)]; ok {
			return o, n
		}
		seen[stamp.Tag(n)] = n
	}
	t.Fatal("no two names collide")
	return "", ""
}

func TestMissesAreBelievedBriefly(t *testing.T) {
	c := newCluster(t, Options{})
	eu := c.regions["eu-west-1"]
	if got, err := eu.locate("b"); err != nil || got != "" {
		t.Fatal(got, err)
	}
	if err := c.regions["us-west-2"].create("b"); err != nil {
		t.Fatal(err)
	}
	if got, _ := eu.locate("b"); got != "" {
		t.Error("a miss is not remembered: each costs a question to home")
	}
	c.follow()
	if got, err := eu.locate("b"); err != nil || got != "us-west-2" {
		t.Errorf("the feed did not end the miss: %q, %v", got, err)
	}
}

func TestRowsKeepUnknownFields(t *testing.T) {
	n := nameRow{owner: account, pending: true, claimed: time.UnixMilli(1e12).UTC(), places: []bucketPlace{{"a", "1"}, {"b", "2"}}, writer: "b", writerEpoch: 7}
	row := append(n.encode(), 0x7a, 2, 'h', 'i') // field 15
	got, err := decodeName(row)
	if err != nil {
		t.Fatal(err)
	}
	if got.main() != (bucketPlace{"b", "2"}) || got.writerEpoch != 7 || !got.pending || !got.claimed.Equal(n.claimed) {
		t.Errorf("read %+v", got)
	}
	if again := got.encode(); string(again) != string(row) {
		t.Errorf("written again as %x, was %x", again, row)
	}
	for i := range row {
		if n, err := decodeName(row[:i]); err == nil && len(n.places) == 0 {
			t.Errorf("a row cut at %d is read as a name without a place", i)
		}
	}
	if _, err := decodeName([]byte{2}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a row of another format: %v", err)
	}
}
