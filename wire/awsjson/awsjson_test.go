package awsjson

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/farhold/farhold/awserr"
)

type inner struct {
	Key  *string
	More *inner
}

type all struct {
	Text   *string
	Lower  *string `name:"lower"`
	Flag   *bool
	Small  *int32
	Long   *int64
	Float  *float64
	When   *time.Time
	Data   []byte
	List   []inner
	Words  []string
	Pairs  map[string]string
	Lists  map[string][]int32
	Nested *inner
}

func p[T any](v T) *T { return &v }

func TestDecode(t *testing.T) {
	const doc = ` {"Text":"a\"\\\/\b\f\n\r\tä\u00e4\ud83d\ude00","lower":"x","Flag":true,"Small":-7,"Long":9007199254740993,"Float":1.5e3,
		"When":1700000000.123,"Data":"AP8=","List":[{"Key":"k"},{}],"Words":["a","b"],"Pairs":{"a":"1","":"2"},"Lists":{"x":[1,2.0,3e1]},
		"Nested":{"More":{"Key":"deep"}},"Unknown":{"a":[1,null,{"b":-0.5e-3}],"c":"\u0000"}, "Key":null } `
	var got all
	if err := Decode([]byte(doc), &got); err != nil {
		t.Fatal(err)
	}
	want := all{
		Text: p("a\"\\/\b\f\n\r\tää😀"), Lower: p("x"), Flag: p(true), Small: p(int32(-7)), Long: p(int64(9007199254740993)), Float: p(1500.0),
		When: p(time.UnixMilli(1700000000123).UTC()), Data: []byte{0, 255}, List: []inner{{Key: p("k")}, {}}, Words: []string{"a", "b"},
		Pairs: map[string]string{"a": "1", "": "2"}, Lists: map[string][]int32{"x": {1, 2, 30}}, Nested: &inner{More: &inner{Key: p("deep")}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	var back all
	if err := Decode(Encode(&got), &back); err != nil || !reflect.DeepEqual(back, want) {
		t.Errorf("%v: %s", err, Encode(&got))
	}
}

// Absence, emptiness and null are told apart.
func TestAbsence(t *testing.T) {
	for _, tt := range []struct {
		doc  string
		want all
	}{
		{"", all{}}, {" \n", all{}}, {"{}", all{}}, {`{"Text":null,"List":null,"Pairs":null,"Data":null,"Nested":null}`, all{}},
		{`{"Text":"","List":[],"Pairs":{},"Data":"","Nested":{}}`, all{Text: p(""), List: []inner{}, Pairs: map[string]string{}, Data: []byte{}, Nested: &inner{}}},
		{`{"text":"no such name"}`, all{}},
	} {
		var got all
		if err := Decode([]byte(tt.doc), &got); err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v %v", tt.doc, got, err)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, tt := range []struct{ doc, message string }{
		{`[]`, "Start of list found where not expected"},
		{`"x"`, "Expected map or null"},
		{`{`, "Unexpected end of document"},
		{`{}x`, "Unexpected character at offset 2"},
		{`{} {}`, "Unexpected character at offset 3"},
		{`{"Text":"a","Text":"b"}`, `Duplicate member "Text"`},
		{`{"X":1,"X":2}`, `Duplicate member "X"`},
		{`{"Pairs":{"a":"1","a":"2"}}`, `Duplicate member "a"`},
		{`{"X":{"a":1,"\u0061":2}}`, `Duplicate member "a"`},
		{`{"Text":1}`, "NUMBER_VALUE can not be converted to String"},
		{`{"Text":true}`, "TRUE_VALUE can not be converted to String"},
		{`{"Text":{}}`, "Start of structure or map found where not expected"},
		{`{"Text":[]}`, "Start of list found where not expected"},
		{`{"Small":"1"}`, "STRING_VALUE can not be converted to Integer"},
		{`{"Small":1.5}`, "1.5 can not be converted to Integer"},
		{`{"Small":2147483648}`, "2147483648 can not be converted to Integer"},
		{`{"Long":9223372036854775808}`, "9223372036854775808 can not be converted to Integer"},
		{`{"Float":1e999}`, "1e999 can not be converted to Float"},
		{`{"When":1e20}`, "1e20 can not be converted to Timestamp"},
		{`{"When":"2026-01-01T00:00:00Z"}`, "STRING_VALUE can not be converted to Timestamp"},
		{`{"Data":"A"}`, "Invalid base64"},
		{`{"Data":"A B="}`, "Invalid base64"},
		{`{"List":{}}`, "Expected list or null"},
		{`{"List":[null]}`, "Unexpected null in a list"},
		{`{"Pairs":{"a":null}}`, "Unexpected null in a map"},
		{`{"Text":"\ud83d"}`, "A surrogate without its other half"},
		{`{"Text":"\ude00\ud83d"}`, "A surrogate without its other half"},
		{"{\"Text\":\"\xff\"}", "Invalid UTF-8"},
		{"{\"Text\":\"\n\"}", "Unexpected character at offset 9"},
		{`{"Text":"\x"}`, "Unexpected character at offset 10"},
		{`{"Small":01}`, ""}, {`{"Small":+1}`, ""}, {`{"Small":.5}`, ""}, {`{"Small":1.}`, ""}, {`{"Small":-}`, ""}, {`{"Float":NaN}`, ""},
		{`{"Flag":True}`, ""}, {`{"Text":'a'}`, ""}, {`{"Text":"a",}`, ""}, {`{Text:"a"}`, ""}, {`{"Words":["a",]}`, ""}, {`{"Text" "a"}`, ""},
		{`{"X":nul}`, ""}, {`{"X":[1 2]}`, ""}, {"\ufeff{}", ""},
		{`{"X":` + strings.Repeat("[", 100_000), "The document nests too deep"},
		{strings.Repeat(`{"X":`, 100_000), "The document nests too deep"},
	} {
		var got all
		err := Decode([]byte(tt.doc), &got)
		e := awserr.From(err)
		if e == nil || e.Code != "SerializationException" || e.Status != 400 || tt.message != "" && e.Message != tt.message {
			t.Errorf("%.60q: %v, want %s", tt.doc, err, tt.message)
		}
	}
}

func TestEncode(t *testing.T) {
	v := &all{
		Text: p("a\"\\\n\x01</ä\u2028\xff"), Flag: p(false), Small: p(int32(0)), Float: p(0.1), When: p(time.UnixMilli(1700000000120)), Data: []byte{},
		List: []inner{}, Pairs: map[string]string{"b": "2", "a": "1"},
	}
	const want = "{\"Text\":\"a\\\"\\\\\\n\\u0001</ä\u2028\ufffd\",\"Flag\":false,\"Small\":0,\"Float\":0.1,\"When\":1700000000.12,\"Data\":\"\",\"List\":[],\"Pairs\":{\"a\":\"1\",\"b\":\"2\"}}"
	if got := string(Encode(v)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := string(Encode(nil)); got != "{}" {
		t.Error(got)
	}
	if got := string(EncodeError("XException", "no \"good\"")); got != `{"__type":"XException","message":"no \"good\""}` {
		t.Error(got)
	}
	if got := string(EncodeError("XException", "")); got != `{"__type":"XException"}` {
		t.Error(got)
	}
}

// Whatever is read is JSON to Go's own reader too, and what was read is written
// and read again as the same.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"Text":"a","Small":1,"List":[{"Key":"\u00e4"}],"Pairs":{"a":"b"},"When":1.5,"Data":"AA=="}`))
	f.Add([]byte(`{"Lists":{"x":[1e2]},"X":[null,true,{"a":{}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var v, back all
		if Decode(data, &v) != nil {
			return
		}
		if len(strings.TrimSpace(string(data))) > 0 && (!json.Valid(data) || !utf8.Valid(data)) {
			t.Fatalf("%q is no JSON", data)
		}
		if err := Decode(Encode(&v), &back); err != nil || !reflect.DeepEqual(v, back) {
			t.Fatalf("%q: %v\n%s", data, err, Encode(&v))
		}
	})
}
