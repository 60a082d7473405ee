package rpccbor

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"testing"
	"time"

	"github.com/farhold/farhold/awserr"
)

type inner struct{ Key *string }

type all struct {
	Text   *string
	Flag   *bool
	Small  *int32
	Long   *int64
	Float  *float64
	When   *time.Time
	Data   []byte
	List   []inner
	Pairs  map[string]string
	Nested *all
}

func p[T any](v T) *T { return &v }

func codec(t testing.TB) *Codec {
	c, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func unhex(t *testing.T, s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	c := codec(t)
	want := all{
		Text: p("ä"), Flag: p(true), Small: p(int32(-1)), Long: p(int64(1) << 60), Float: p(0.1), When: p(time.UnixMilli(1700000000123).UTC()),
		Data: []byte{}, List: []inner{{p("k")}, {}}, Pairs: map[string]string{"a": "b"}, Nested: &all{},
	}
	b, err := c.Encode(&want)
	if err != nil {
		t.Fatal(err)
	}
	var got all
	if err := c.Decode(b, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v: %+v", err, got)
	}
	// A time is tag 1 around a 64-bit float.
	if !bytes.Contains(b, unhex(t, "645768656ec1fb41d954fc4007df3b")) {
		t.Errorf("%x", b)
	}
	for _, v := range []any{nil, &all{}} {
		if b, err := c.Encode(v); err != nil || hex.EncodeToString(b) != "a0" {
			t.Errorf("%x %v", b, err)
		}
	}
	if b, _ := c.EncodeError("X", ""); string(b) != "\xa1\x66__type\x61X" {
		t.Errorf("%q", b)
	}
}

// Numbers come in every width, and lengths may be left open.
func TestLenience(t *testing.T) {
	c := codec(t)
	for _, tt := range []struct {
		hex  string
		want all
	}{
		{"", all{}}, {"a0", all{}}, {"bfff", all{}},
		{"a165536d616c6c01", all{Small: p(int32(1))}},
		{"a165536d616c6c1b0000000000000001", all{Small: p(int32(1))}},
		{"a165536d616c6c20", all{Small: p(int32(-1))}},
		{"a165536d616c6cf93c00", all{Small: p(int32(1))}},
		{"a165466c6f6174f93e00", all{Float: p(1.5)}},
		{"a165466c6f6174fa3fc00000", all{Float: p(1.5)}},
		{"a165466c6f617402", all{Float: p(2.0)}},
		{"a1645768656ec11a6553f100", all{When: p(time.Unix(1700000000, 0).UTC())}},
		{"a1645768656ec1fb41d954fc40000000", all{When: p(time.Unix(1700000000, 0).UTC())}},
		{"bf64546578747f61616162ffff", all{Text: p("ab")}},
		{"a16444617461" + "5f41014102ff", all{Data: []byte{1, 2}}},
		{"a1644c697374" + "9fa0ff", all{List: []inner{{}}}},
		{"a16454657874f6", all{}}, {"a16454657874f7", all{}},
		{"a16158c243010203", all{}}, {"a16158d81845a0a0a0a0a0", all{}},
	} {
		var got all
		if err := c.Decode(unhex(t, tt.hex), &got); err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v %v", tt.hex, got, err)
		}
	}
}

func TestRefused(t *testing.T) {
	c := codec(t)
	for _, doc := range []string{
		"80", "60", "01", "f6", "a1", "a0a0", "a10102", "a16454657874" + "01", "a16454657874" + "4161", "a16444617461" + "6161",
		"a265536d616c6c0165536d616c6c02", // a key twice
		"a165536d616c6cf93e00",           // 1.5
		"a165536d616c6c1a80000000",       // 2^31
		"a1644c6f6e671b8000000000000000", // 2^63
		"a1645768656e1a6553f100",         // a time without a tag
		"a1645768656ec0743230",           // another tag
		"a1645768656ec1fb7ff0000000000000", "a1645768656ec1fb7ff8000000000000",
		"a16454657874" + "61ff",               // no UTF-8
		"a1644c697374" + "9b00000000ffffffff", // an array that is not there
		"a1644c697374" + "81f6",
		"a165506169727381" + "00",
	} {
		err := c.Decode(unhex(t, doc), &all{})
		if e := awserr.From(err); e == nil || e.Code != "SerializationException" || e.Status != 400 {
			t.Errorf("%s: %v", doc, err)
		}
	}
	deep := append([]byte("\xa1\x61X"), bytes.Repeat([]byte{0x81}, 10_000)...)
	if err := c.Decode(append(deep, 0), &all{}); err == nil {
		t.Error("any depth")
	}
}

func FuzzDecode(f *testing.F) {
	c := codec(f)
	b, _ := c.Encode(&all{Text: p("a"), When: p(time.Unix(1, 0)), List: []inner{{p("k")}}, Pairs: map[string]string{"a": "b"}, Float: p(1.5)})
	f.Add(b)
	f.Add([]byte("\xbf\x64Text\x7f\x61a\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var v, back all
		if c.Decode(data, &v) != nil {
			return
		}
		b, err := c.Encode(&v)
		if err != nil {
			t.Fatal(err)
		}
		if v.Float != nil && *v.Float != *v.Float {
			return
		}
		if err := c.Decode(b, &back); err != nil || !reflect.DeepEqual(v, back) {
			t.Fatalf("%x: %v %x", data, err, b)
		}
	})
}
