package rule

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/stamp"
)

func TestObjectLockDocument(t *testing.T) {
	doc := func(inner string) string { return `<ObjectLockConfiguration>` + inner + `</ObjectLockConfiguration>` }
	on := "<ObjectLockEnabled>Enabled</ObjectLockEnabled>"
	rule := func(inner string) string {
		return doc(on + "<Rule><DefaultRetention>" + inner + "</DefaultRetention></Rule>")
	}
	testDocument(t, "object-lock", []documentCase{
		{name: "on", body: doc(on), get: on},
		{name: "days", body: rule("<Mode>GOVERNANCE</Mode><Days>1</Days>"), get: "<DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention>"},
		{name: "years", body: rule("<Mode>COMPLIANCE</Mode><Years>100</Years>")},
		{name: "not said to be on", body: doc("<Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule>"), want: malformedXML},
		{name: "empty", body: doc(""), want: malformedXML},
		{name: "off", body: doc("<ObjectLockEnabled>Disabled</ObjectLockEnabled>"), want: malformedXML},
		{name: "empty rule", body: doc(on + "<Rule/>"), want: malformedXML},
		{name: "empty retention", body: rule(""), want: malformedXML},
		{name: "no days", body: rule("<Mode>GOVERNANCE</Mode>"), want: malformedXML},
		{name: "no mode", body: rule("<Days>1</Days>"), want: malformedXML},
		{name: "unknown mode", body: rule("<Mode>BAD-VALUE</Mode><Days>1</Days>"), want: malformedXML},
		{name: "days and years", body: rule("<Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years>"), want: malformedXML},
		{name: "zero days", body: rule("<Mode>GOVERNANCE</Mode><Days>0</Days>"), want: "InvalidArgument 400 Default retention period must be a positive integer value."},
		{name: "negative years", body: rule("<Mode>GOVERNANCE</Mode><Years>-1</Years>"), want: "InvalidArgument 400 Default retention period must be a positive integer value."},
		{name: "101 years", body: rule("<Mode>GOVERNANCE</Mode><Years>101</Years>"), want: malformedXML},
		{name: "event hold", body: rule("<Mode>GOVERNANCE</Mode><Days>1</Days><DefaultEventHold><Days>1</Days></DefaultEventHold>"), want: "NotImplemented 501"},
		{name: "unversioned", ctx: func(c *Context) { c.Versioning = "" }, body: doc(on), want: "InvalidBucketState 409 Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration"},
	})
}

func TestObjectLockDefault(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		lock  *ObjectLock
		mode  s3.RetentionMode
		until time.Time
		ok    bool
	}{
		{nil, "", time.Time{}, false},
		{&ObjectLock{}, "", time.Time{}, false},
		{&ObjectLock{Mode: s3.Governance, Days: 2}, s3.Governance, now.Add(48 * time.Hour), true},
		{&ObjectLock{Mode: s3.Compliance, Years: 2}, s3.Compliance, now.Add(730 * 24 * time.Hour), true},
		{&ObjectLock{Mode: s3.Compliance, Years: 100}, s3.Compliance, now.Add(36500 * 24 * time.Hour), true},
	} {
		if mode, until, ok := c.lock.Default(now); mode != c.mode || !until.Equal(c.until) || ok != c.ok {
			t.Errorf("%+v: %s until %s, %v", c.lock, mode, until, ok)
		}
	}
}

func TestRetentionBodies(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for body, want := range map[string]string{
		"<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2026-11-20T12:00:00.001Z</RetainUntilDate></Retention>": "",
		"<Retention/>": "",
		"<Retention><Mode>GOVERNANCE</Mode></Retention>":                                                                                 malformedXML,
		"<Retention><RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate></Retention>":                                                 malformedXML,
		"<Retention><Mode>NONE</Mode><RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate></Retention>":                                malformedXML,
		"<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2020-01-01T00:00:00Z</RetainUntilDate></Retention>":                          "InvalidArgument 400 The retain until date must be in the future! ArgumentName=RetainUntilDate ArgumentValue=Wed Jan 01 00:00:00 UTC 2020",
		"<Retention><EventHold>ON</EventHold><Mode>GOVERNANCE</Mode><RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate></Retention>": "NotImplemented 501 Event holds are not implemented.",
	} {
		if _, _, err := ParseRetention([]byte(body), now); describe(err) != want {
			t.Errorf("%s\ngot  %s\nwant %s", body, describe(err), want)
		}
	}
	mode, until, err := ParseRetention([]byte("<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>2030-01-01T01:00:00+01:00</RetainUntilDate></Retention>"), now)
	if err != nil || mode != s3.Compliance || !until.Equal(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Error(mode, until, err)
	}
	body, err := RenderRetention(s3.RetentionRegister{Mode: mode, Until: until})
	if err != nil {
		t.Fatal(err)
	}
	if m, u, err := ParseRetention(body, now); m != mode || !u.Equal(until) || err != nil {
		t.Error(m, u, err)
	}
	if _, err := RenderRetention(s3.RetentionRegister{}); describe(err) != "NoSuchObjectLockConfiguration 404 The specified object does not have a ObjectLock configuration" {
		t.Error(err)
	}
}

func TestLegalHoldBodies(t *testing.T) {
	for body, want := range map[string]string{
		"<LegalHold><Status>ON</Status></LegalHold>":  "",
		"<LegalHold><Status>OFF</Status></LegalHold>": "",
		"<LegalHold><Status>on</Status></LegalHold>":  malformedXML,
		"<LegalHold/>": malformedXML,
	} {
		on, err := ParseLegalHold([]byte(body))
		if describe(err) != want {
			t.Errorf("%s: %v", body, err)
			continue
		}
		if err != nil {
			continue
		}
		out, err := RenderLegalHold(s3.HoldRegister{On: on, Set: true})
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseLegalHold(out); again != on || err != nil {
			t.Errorf("%s came back as %s", body, out)
		}
	}
	if _, err := RenderLegalHold(s3.HoldRegister{}); !errors.Is(err, ErrNoObjectLock) {
		t.Error(err)
	}
}

func TestLockHeaders(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct{ mode, until, want string }{
		{"", "", ""},
		{"GOVERNANCE", "2030-01-01T00:00:00Z", ""},
		{"COMPLIANCE", "2030-01-01T00:00:00.123456+02:00", ""},
		{"GOVERNANCE", "", "InvalidArgument 400 x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied ArgumentName=x-amz-object-lock-retain-until-date"},
		{"", "2030-01-01T00:00:00Z", "InvalidArgument 400 x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied ArgumentName=x-amz-object-lock-mode"},
		{"BAD-VALUE", "2030-01-01T00:00:00Z", "InvalidArgument 400 Unknown wormMode directive. ArgumentName=x-amz-object-lock-mode ArgumentValue=BAD-VALUE"},
		{"GOVERNANCE", "2020-01-01T00:00:00Z", "InvalidArgument 400 The retain until date must be in the future! ArgumentName=x-amz-object-lock-retain-until-date ArgumentValue=2020-01-01T00:00:00Z"},
		{"GOVERNANCE", "tomorrow", "InvalidArgument 400 The retain until date must be provided in ISO 8601 format ArgumentName=x-amz-object-lock-retain-until-date ArgumentValue=tomorrow"},
	} {
		if _, _, err := LockHeaders(c.mode, c.until, now); describe(err) != c.want {
			t.Errorf("%q %q\ngot  %s\nwant %s", c.mode, c.until, describe(err), c.want)
		}
	}
	if HoldHeader("ON") != nil || HoldHeader("OFF") != nil || HoldHeader("") != nil || HoldHeader("on") == nil {
		t.Error("x-amz-object-lock-legal-hold takes other values than ON and OFF")
	}
}

func TestCheckRetentionChange(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	r := func(mode s3.RetentionMode, hours int) s3.RetentionRegister {
		return s3.RetentionRegister{Mode: mode, Until: now.Add(time.Duration(hours) * time.Hour)}
	}
	none := s3.RetentionRegister{}
	for _, c := range []struct {
		name          string
		old, next     s3.RetentionRegister
		plain, bypass bool // whether it is allowed without and with bypass
	}{
		{"first", none, r(s3.Compliance, 1), true, true},
		{"run out", r(s3.Compliance, -1), r(s3.Governance, 1), true, true},
		{"run out this moment", r(s3.Compliance, 0), none, true, true},
		{"GOVERNANCE lengthened", r(s3.Governance, 1), r(s3.Governance, 2), true, true},
		{"GOVERNANCE repeated", r(s3.Governance, 1), r(s3.Governance, 1), true, true},
		{"GOVERNANCE shortened", r(s3.Governance, 2), r(s3.Governance, 1), false, true},
		{"GOVERNANCE removed", r(s3.Governance, 2), none, false, true},
		{"GOVERNANCE to COMPLIANCE", r(s3.Governance, 1), r(s3.Compliance, 2), false, true},
		{"COMPLIANCE lengthened", r(s3.Compliance, 1), r(s3.Compliance, 2), true, true},
		{"COMPLIANCE repeated", r(s3.Compliance, 1), r(s3.Compliance, 1), true, true},
		{"COMPLIANCE shortened", r(s3.Compliance, 2), r(s3.Compliance, 1), false, false},
		{"COMPLIANCE removed", r(s3.Compliance, 2), none, false, false},
		{"COMPLIANCE to GOVERNANCE", r(s3.Compliance, 1), r(s3.Governance, 2), false, false},
	} {
		for _, bypass := range []bool{false, true} {
			want := c.plain
			if bypass {
				want = c.bypass
			}
			if err := CheckRetentionChange(now, c.old, c.next, bypass); (err == nil) != want || err != nil && !errors.Is(err, ErrLocked) {
				t.Errorf("%s, bypass %v: %v", c.name, bypass, err)
			}
		}
	}
}

func TestCheckDelete(t *testing.T) {
	now := time.Now()
	r := func(mode s3.RetentionMode, d time.Duration) s3.RetentionRegister {
		return s3.RetentionRegister{Mode: mode, Until: now.Add(d)}
	}
	for _, c := range []struct {
		name          string
		r             s3.RetentionRegister
		hold          bool
		plain, bypass bool
	}{
		{"free", s3.RetentionRegister{}, false, true, true},
		{"hold", s3.RetentionRegister{}, true, false, false},
		{"hold over GOVERNANCE", r(s3.Governance, 1), true, false, false},
		{"GOVERNANCE", r(s3.Governance, time.Hour), false, false, true},
		{"COMPLIANCE", r(s3.Compliance, time.Hour), false, false, false},
		{"run out", r(s3.Compliance, 0), false, true, true},
	} {
		for _, bypass := range []bool{false, true} {
			want := c.plain
			if bypass {
				want = c.bypass
			}
			if err := CheckDelete(now, c.r, s3.HoldRegister{On: c.hold, Set: c.hold}, bypass); (err == nil) != want {
				t.Errorf("%s, bypass %v: %v", c.name, bypass, err)
			}
		}
	}
}

// Merging is a join: order and repetition do not matter, and nothing that
// either side promised becomes weaker.
func TestMerge(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	base := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	random := func() (r s3.RetentionRegister) {
		var at stamp.Stamp
		at[0] = byte(rnd.IntN(3))
		r.At = at
		if r.Mode = []s3.RetentionMode{"", s3.Governance, s3.Compliance}[rnd.IntN(3)]; r.Mode != "" {
			r.Until = base.Add(time.Duration(rnd.IntN(4)) * time.Hour)
		}
		return r
	}
	for range 5000 {
		a, b, c := random(), random(), random()
		if MergeRetention(a, b) != MergeRetention(b, a) {
			t.Fatalf("not commutative: %+v %+v", a, b)
		}
		if MergeRetention(a, MergeRetention(b, c)) != MergeRetention(MergeRetention(a, b), c) {
			t.Fatalf("not associative: %+v %+v %+v", a, b, c)
		}
		if MergeRetention(a, a) != a {
			t.Fatalf("not idempotent: %+v", a)
		}
		m := MergeRetention(a, b)
		if m.Until.Before(a.Until) || a.Mode == s3.Compliance && m.Mode != s3.Compliance || a.Mode != "" && m.Mode == "" {
			t.Fatalf("%+v and %+v merge to %+v", a, b, m)
		}
		h, k := s3.HoldRegister{At: a.At, On: rnd.IntN(2) == 0, Set: true}, s3.HoldRegister{At: b.At, On: rnd.IntN(2) == 0, Set: rnd.IntN(2) == 0}
		if got := MergeHold(h, k); got != MergeHold(k, h) || got.On != (h.On || k.On) || !got.Set {
			t.Fatalf("%+v and %+v merge to %+v", h, k, got)
		}
	}
}
