package query

import (
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/farhold/farhold/awserr"
)

type tag struct {
	Key   *string
	Value *string
}

type all struct {
	Name   *string
	Flag   *bool
	Count  *int32
	Ratio  *float64
	When   *time.Time
	Data   []byte
	Tags   []tag
	Words  []string
	Named  []string `xml:"Names>Name"`
	Flat   []string `xml:"Flat,flat"`
	Pairs  map[string]string
	FlatP  map[string]int32 `xml:"FlatP,flat"`
	Nested *all
	Deep   [][]string
}

type none struct {
	_ struct{} `unit:"true"`
}

func p[T any](v T) *T { return &v }

func TestDecode(t *testing.T) {
	form, err := Parse("Action=X&Version=2010-05-08", "Name=a+b%20%2B%C3%A4&Flag=True&Count=-3&Ratio=0.5&When=2026-11-21T04%3A05%3A06.5Z&Data=AP8%3D"+
		"&Tags.member.2.Key=b&Tags.member.1.Key=a&Tags.member.1.Value=&Tags.member.10.Key=c&Words.member.1=x&Names.Name.1=n&Flat.1=f&Flat.2=g"+
		"&Pairs.entry.1.key=k&Pairs.entry.1.value=v&FlatP.1.key=k&FlatP.1.value=7&Nested.Nested.Name=deep&Nested.Words=&Deep.member.1.member.2=y&Unknown.7.x=1&&")
	if err != nil {
		t.Fatal(err)
	}
	var got all
	if err := form.Decode(&got); err != nil {
		t.Fatal(err)
	}
	want := all{
		Name: p("a b +ä"), Flag: p(true), Count: p(int32(-3)), Ratio: p(0.5), When: p(time.Date(2026, 11, 21, 4, 5, 6, 5e8, time.UTC)), Data: []byte{0, 255},
		Tags: []tag{{p("a"), p("")}, {Key: p("b")}, {Key: p("c")}}, Words: []string{"x"}, Named: []string{"n"}, Flat: []string{"f", "g"},
		Pairs: map[string]string{"k": "v"}, FlatP: map[string]int32{"k": 7}, Nested: &all{Nested: &all{Name: p("deep")}, Words: []string{}}, Deep: [][]string{{"y"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestRefused(t *testing.T) {
	for _, tt := range []struct{ text, code string }{
		{"A=1&A=2", "MalformedQueryString"}, {"%41=1&A=2", "MalformedQueryString"}, {"A=%zz", "MalformedQueryString"}, {"A=%ff", "MalformedQueryString"},
		{strings.Repeat("a.", 40) + "=1", "MalformedQueryString"},
		{"Flag=yes", "MalformedInput"}, {"Flag=", "MalformedInput"}, {"Count=1.5", "MalformedInput"}, {"Count=99999999999", "MalformedInput"},
		{"Count=", "MalformedInput"}, {"Ratio=NaN", "MalformedInput"}, {"Data=%21", "MalformedInput"}, {"When=tomorrow", "MalformedInput"},
		{"Tags.member.0.Key=a", "MalformedInput"}, {"Tags.member.01.Key=a", "MalformedInput"}, {"Tags.member.x.Key=a", "MalformedInput"},
		{"Tags.member.-1.Key=a", "MalformedInput"}, {"Tags.member.%2B1.Key=a", "MalformedInput"}, {"Words.member.99999999999999999999=a", "MalformedInput"},
		{"Pairs.entry.1.key=a", "MalformedInput"}, {"Pairs.entry.1.value=a", "MalformedInput"},
		{"Pairs.entry.1.key=a&Pairs.entry.1.value=1&Pairs.entry.2.key=a&Pairs.entry.2.value=2", "MalformedInput"},
	} {
		form, err := Parse(tt.text)
		if err == nil {
			err = form.Decode(&all{})
		}
		if e := awserr.From(err); e == nil || e.Code != tt.code || e.Status != 400 {
			t.Errorf("%.60s: %v, want %s", tt.text, err, tt.code)
		}
	}
	var many strings.Builder
	for i := range paramsMax + 1 {
		many.WriteString("a" + strings.Repeat("b", i%7) + string(rune('a'+i%26)) + url.QueryEscape(string(rune(0x4e00+i))) + "=&")
	}
	if _, err := Parse(many.String()); err == nil {
		t.Error("any number of parameters")
	}
}

func TestEncode(t *testing.T) {
	v := &all{
		Name: p("<a&b>"), Flag: p(true), Count: p(int32(0)), When: p(time.Date(2026, 11, 21, 4, 5, 6, 789e6, time.UTC)), Data: []byte{1},
		Tags: []tag{{p("a"), p("")}, {}}, Words: []string{}, Named: []string{"n"}, Flat: []string{"f", "g"},
		Pairs: map[string]string{"b": "2", "a": "1"}, FlatP: map[string]int32{"k": 7}, Nested: &all{},
	}
	const want = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<DoResponse xmlns="urn:x"><DoResult><Name>&lt;a&amp;b&gt;</Name><Flag>true</Flag><Count>0</Count>` +
		`<When>2026-11-21T04:05:06Z</When><Data>AQ==</Data><Tags><member><Key>a</Key><Value/></member><member/></Tags><Words/><Names><Name>n</Name></Names>` +
		`<Flat>f</Flat><Flat>g</Flat><Pairs><entry><key>a</key><value>1</value></entry><entry><key>b</key><value>2</value></entry></Pairs>` +
		`<FlatP><key>k</key><value>7</value></FlatP><Nested/></DoResult><ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></DoResponse>`
	if got := string(Encode("urn:x", "Do", v, "id")); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, v := range []any{nil, &none{}} {
		if got := string(Encode("urn:x", "Do", v, "id")); strings.Contains(got, "DoResult") || !strings.Contains(got, "<RequestId>id<") {
			t.Errorf("%T: %s", v, got)
		}
	}
	if got := string(Encode("urn:x", "Do", &tag{}, "id")); !strings.Contains(got, "<DoResult/>") {
		t.Error(got)
	}
	const wrong = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<ErrorResponse xmlns="urn:x"><Error><Type>Sender</Type><Code>C</Code><Message>M &lt;</Message></Error><RequestId>id</RequestId></ErrorResponse>`
	if got := string(EncodeError("urn:x", Fault(400), "C", "M <", "id")); got != wrong {
		t.Error(got)
	}
	if Fault(500) != "Receiver" {
		t.Error(Fault(500))
	}
}

// No form makes the reader fall over, and what one reads twice is the same.
func FuzzDecode(f *testing.F) {
	f.Add("Name=a&Tags.member.1.Key=k&Pairs.entry.1.key=a&Pairs.entry.1.value=b&Flat.1=x&Deep.member.1.member.1=z&Count=7")
	f.Add("Tags=&Nested.Nested.Tags.member.2.Value=%41")
	f.Fuzz(func(t *testing.T, text string) {
		form, err := Parse(text)
		if err != nil {
			return
		}
		var a, b all
		ea, eb := form.Decode(&a), form.Decode(&b)
		if (ea == nil) != (eb == nil) || ea == nil && !reflect.DeepEqual(a, b) {
			t.Fatalf("%q: %v %v", text, ea, eb)
		}
		if ea == nil {
			Encode("urn:x", "Do", &a, "id")
		}
	})
}
