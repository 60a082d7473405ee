package stamp

import (
	"testing"
	"time"
)

func TestNextIsGreaterThanEverythingSeen(t *testing.T) {
	wall := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	c := NewClock("us-east-1", func() time.Time { return wall }, nil)
	d := NewClock("us-west-2", func() time.Time { return wall.Add(3 * time.Second) }, nil)
	last := Stamp{}
	for range 10000 {
		s := c.Next(Stamp{})
		if Compare(s, last) <= 0 {
			t.Fatalf("stamp %s is not after %s", s, last)
		}
		last = s
	}
	far := d.Next(Stamp{})
	if err := c.Observe(far); err != nil {
		t.Fatal(err)
	}
	if s := c.Next(Stamp{}); Compare(s, far) <= 0 {
		t.Error("a stamp minted after an observation does not come after it")
	}
	wall = wall.Add(-time.Hour) // the clock is set back
	if s := c.Next(far); Compare(s, far) <= 0 {
		t.Error("a clock set back inverts the order")
	}
}

func TestObserveRefusesTheFarFuture(t *testing.T) {
	wall := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	c := NewClock("us-east-1", func() time.Time { return wall }, nil)
	d := NewClock("us-west-2", func() time.Time { return wall.Add(6 * time.Second) }, nil)
	if err := c.Observe(d.Next(Stamp{})); err != ErrAhead {
		t.Errorf("Observe = %v, want ErrAhead", err)
	}
	if got := c.Next(Stamp{}).Time().Wall(); got.After(wall.Add(time.Second)) {
		t.Errorf("a refused stamp moved the clock to %v", got)
	}
}

func TestVersionIDRoundTrip(t *testing.T) {
	c := NewClock("eu-west-1", nil, nil)
	a := c.Next(Stamp{})
	b := c.Next(a)
	got, err := Parse(a.String())
	if err != nil || got != a {
		t.Fatalf("Parse(%s) = %v, %v", a, got, err)
	}
	ad, bd := a.Descending(), b.Descending()
	if string(bd[:]) >= string(ad[:]) {
		t.Error("descending form does not sort newest first")
	}
	for _, bad := range []string{"", "null", a.String()[1:], a.String() + "A", "!" + a.String()[1:]} {
		if _, err := Parse(bad); err == nil {
			t.Errorf("Parse(%q) succeeded", bad)
		}
	}
}
