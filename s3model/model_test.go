package s3model

import (
	"errors"
	"testing"
	"time"

	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/stamp"
)

// clocks gives the clocks of two regions that agree on the time.
func clocks() (a, b *stamp.Clock) {
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	now := func() time.Time { return at }
	return stamp.NewClock("us-east-1", now, nil), stamp.NewClock("eu-west-1", now, nil)
}

func version(id stamp.Stamp, body string) *Version {
	return &Version{Version: s3.Version{Key: "k", ID: id, Size: int64(len(body)), Digest: uint64(len(body))}, Body: []byte(body)}
}

func TestLateArrivalsTakeTheirPlace(t *testing.T) {
	c, _ := clocks()
	src, dst := NewBucket("s", "1", Enabled, false), NewBucket("d", "2", Enabled, false)
	v1, v2 := version(c.Next(stamp.Stamp{}), "one"), version(c.Next(stamp.Stamp{}), "second")
	src.Write(v1)
	src.Write(v2)
	for i, v := range []*Version{v2, v1, v2} {
		verdict, err := dst.Receive(v, true)
		if want := []Verdict{Taken, Taken, Already}[i]; verdict != want || err != nil {
			t.Errorf("arrival %d: %v, %v; want %v", i, verdict, err, want)
		}
	}
	if h := dst.Current("k"); h.ID != v2.ID || len(dst.Keys["k"]) != 2 {
		t.Errorf("current is %v of %d", h.ID, len(dst.Keys["k"]))
	}
	dst.Purge("k", v2.ID)
	if verdict, err := dst.Receive(v2, true); verdict != Discarded || err != nil || dst.Current("k").ID != v1.ID {
		t.Errorf("what was purged came back: %v, %v", verdict, err)
	}
	if bytes, n := dst.Usage(); bytes != 3 || n != 1 {
		t.Errorf("usage %d, %d", bytes, n)
	}
}

func TestRefusals(t *testing.T) {
	c, _ := clocks()
	v := version(c.Next(stamp.Stamp{}), "one")
	held := version(c.Next(stamp.Stamp{}), "one")
	held.Hold = s3.HoldRegister{At: held.ID, On: true, Set: true}
	var none *Bucket
	if _, err := none.Receive(v, true); !errors.Is(err, ErrNoBucket) {
		t.Errorf("no bucket: %v", err)
	}
	if _, err := NewBucket("d", "2", Suspended, false).Receive(v, true); !errors.Is(err, ErrUnversioned) {
		t.Errorf("suspended: %v", err)
	}
	d := NewBucket("d", "2", Enabled, false)
	if _, err := d.Receive(held, true); !errors.Is(err, ErrNoLock) {
		t.Errorf("no lock: %v", err)
	}
	if _, err := d.Receive(v, false); !errors.Is(err, ErrDigest) {
		t.Errorf("changed on the way: %v", err)
	}
	if err := d.ReceiveSide(v); !errors.Is(err, ErrNoVersion) {
		t.Errorf("side data alone: %v", err)
	}
}

func TestRulesOfOneDestination(t *testing.T) {
	c, _ := clocks()
	b := NewBucket("s", "1", Enabled, false)
	b.Rules = []Rule{
		{ID: "low", Enabled: true, Priority: 1, Bucket: "d", Markers: true},
		{ID: "high", Enabled: true, Priority: 2, Bucket: "d", Prefix: "k"},
		{ID: "off", Priority: 3, Bucket: "d"},
		{ID: "other", Enabled: true, Bucket: "e", Tags: []s3.Tag{{Key: "t", Value: "1"}}},
	}
	v := version(c.Next(stamp.Stamp{}), "x")
	if got := b.Goes(v, nil); len(got) != 1 || got[0].ID != "high" {
		t.Errorf("goes by %+v", got)
	}
	marker := &Version{Version: s3.Version{Key: "k", ID: c.Next(stamp.Stamp{}), Marker: true}}
	if got := b.Goes(marker, v); len(got) != 0 {
		t.Errorf("the winner decides against, and yet %+v", got)
	}
	v.Replica = true
	if got := b.Goes(v, nil); got != nil {
		t.Errorf("a replica goes on by %+v", got)
	}
}

func TestJoinedRetentionsAreNotWeakenedByOneSide(t *testing.T) {
	a, b := clocks()
	day := func(n int) time.Time { return time.Date(2027, 1, n, 0, 0, 0, 0, time.UTC) }
	here := s3.RetentionRegister{At: b.Next(stamp.Stamp{}), Mode: s3.Compliance, Until: day(20)}
	first := s3.RetentionRegister{At: a.Next(here.At), Mode: s3.Governance, Until: day(25)}
	weaker := s3.RetentionRegister{At: a.Next(first.At), Mode: s3.Governance, Until: day(2)}
	m := mergeRetention(mergeRetention(here, first), weaker)
	if m.Mode != s3.Compliance || m.Until.Before(day(20)) {
		t.Errorf("joined to %s until %v: shorter than what one region promised", m.Mode, m.Until)
	}
	if again := mergeRetention(m, weaker); again != m {
		t.Errorf("merging twice gave %+v, then %+v", m, again)
	}
	if alone := mergeRetention(first, weaker); alone != weaker {
		t.Errorf("one region's own change gave %+v", alone)
	}
}
