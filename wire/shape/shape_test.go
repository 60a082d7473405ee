package shape

import (
	"math"
	"reflect"
	"testing"
	"time"
)

type sample struct {
	XMLName struct{}          `xml:"urn:x Sample"`
	KeyId   *string           `required:"true" len:"1,64" pattern:"[\\w]+"`
	Odd     *int32            `name:"odd" range:",7" sensitive:"true"`
	Tags    []string          `xml:"TagSet>Tag" elem.enum:"a,b"`
	Flat    []string          `xml:"F,flat"`
	Pairs   map[string]string `key.len:"1," value.len:",2"`
	Doc     *sample           `xml:"-" payload:"urn:y Doc"`
	Account *string           `xml:"-" header:"x-account"`
}

func TestOf(t *testing.T) {
	s := Of(reflect.TypeFor[sample]())
	if s.Space != "urn:x" || s.Root != "Sample" || s.Unit || len(s.Fields) != 7 {
		t.Fatalf("%+v", s)
	}
	f := s.Field("KeyId")
	if f.Lower != "keyId" || !f.Required || f.Secret || *f.Rules.Min != 1 || *f.Rules.Max != 64 || f.Rules.Value || f.Rules.Pattern != `[\w]+` || f.Type.Kind != String || !f.Type.Pointer {
		t.Errorf("%+v %+v", f, f.Rules)
	}
	if f = s.Field("odd"); f == nil || s.Field("Odd") != nil || !f.Secret || f.Rules.Min != nil || *f.Rules.Max != 7 || !f.Rules.Value || f.Type.Kind != Int {
		t.Errorf("%+v", f)
	}
	if f = s.Field("Tags"); f.Element != "TagSet" || f.Inner != "Tag" || f.Flat || f.Rules != nil || !reflect.DeepEqual(f.Elem.Enum, []string{"a", "b"}) || f.Type.Elem.Kind != String || f.Type.Elem.Pointer {
		t.Errorf("%+v", f)
	}
	if f = s.Field("Flat"); f.Element != "F" || !f.Flat {
		t.Errorf("%+v", f)
	}
	if f = s.Field("Pairs"); *f.Key.Min != 1 || *f.Elem.Max != 2 || f.Inner != "member" {
		t.Errorf("%+v", f)
	}
	if f = s.Field("Doc"); !f.Payload || f.Space != "urn:y" || f.Element != "Doc" {
		t.Errorf("%+v", f)
	}
	if f = s.Field("Account"); f.Header != "x-account" {
		t.Errorf("%+v", f)
	}
	if s.Field("keyId") != nil || Of(reflect.TypeFor[sample]()) != s {
		t.Error("names are exact, and a type is read once")
	}
	for _, bad := range []any{
		struct{ C chan int }{}, struct{ N int }{}, struct{ M map[int]string }{}, struct{ hidden *string }{}, struct {
			A *string `len:"a,b"`
		}{},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%T has a form", bad)
				}
			}()
			Of(reflect.TypeOf(bad))
		}()
	}
}

func TestTimes(t *testing.T) {
	for _, tt := range []struct {
		seconds float64
		want    time.Time
		ok      bool
	}{
		{0, time.Unix(0, 0), true}, {1700000000.1234, time.UnixMilli(1700000000123), true}, {-0.5, time.UnixMilli(-500), true},
		{253402300799, time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), true}, {253402300800, time.Time{}, false},
		{math.NaN(), time.Time{}, false}, {math.Inf(1), time.Time{}, false}, {-1e300, time.Time{}, false},
	} {
		got, ok := Epoch(tt.seconds)
		if ok != tt.ok || !got.Equal(tt.want) {
			t.Errorf("%v: %v %v", tt.seconds, got, ok)
		}
		if ok && math.Abs(Seconds(got)-tt.seconds) > 0.001 {
			t.Errorf("%v: back as %v", tt.seconds, Seconds(got))
		}
	}
	want := time.Date(2026, 11, 21, 4, 5, 6, 0, time.UTC)
	for _, s := range []string{"2026-11-21T04:05:06Z", "2026-11-21T04:05:06.000Z", "2026-11-21T05:05:06+01:00", "2026-11-21T04:05:06+0000", "2026-11-21T04:05:06", "1795233906"} {
		if got, ok := ParseTime(s); !ok || !got.Equal(want) {
			t.Errorf("%s: %v %v", s, got, ok)
		}
	}
	if got, ok := ParseTime("2026-11-21"); !ok || !got.Equal(want.Truncate(24*time.Hour)) {
		t.Errorf("%v %v", got, ok)
	}
	for _, s := range []string{"", "tomorrow", "NaN", "1e99", "2026-13-01T00:00:00Z"} {
		if got, ok := ParseTime(s); ok {
			t.Errorf("%s: %v", s, got)
		}
	}
}
