package restxml

import (
	"encoding/xml"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestWriter(t *testing.T) {
	w := NewWriter(nil)
	w.OpenNS("ListBucketResult", Namespace)
	w.Elem("Prefix", "")
	w.Elem("Key", "a&b<c>\"d\"'\r\n\té\U0001F600")
	w.Elem("Bad", "\x01\x1f\uFFFE\xff")
	w.Quoted("ETag", "abc-2")
	w.Optional("Absent", "")
	w.Int("Size", 1<<40)
	w.Bool("IsTruncated", false)
	w.Time("LastModified", time.Date(2026, 11, 20, 1, 2, 3, 4999999, time.FixedZone("", 3600)))
	w.OpenAttr("Grantee", "xsi:type", "a\n\"b")
	w.Close("Grantee")
	w.Close("ListBucketResult")
	want := `<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Prefix/><Key>a&amp;b&lt;c&gt;&quot;d&quot;'&#xD;
` + "\t" + `é😀</Key><Bad>&#x1;&#x1F;&#xFFFE;` + "\uFFFD" + `</Bad><ETag>&quot;abc-2&quot;</ETag><Size>1099511627776</Size><IsTruncated>false</IsTruncated><LastModified>2026-11-20T00:02:03.004Z</LastModified><Grantee xsi:type="a&#xA;&quot;b"></Grantee></ListBucketResult>`
	if got := string(w.Bytes()); got != want {
		t.Fatalf("got\n%s\nwant\n%s", got, want)
	}
}

// Each character that XML 1.0 has comes back as it was, and no two characters
// look alike. Between the edges of the ranges, every 61st stands for the rest.
func TestWriterReadsBack(t *testing.T) {
	met := map[string]rune{}
	for r := rune(0); r <= 0x11000; r++ {
		edge := r < 0x300 || r > 0xD700 && r < 0xE100 || r > 0xFE00 && r < 0x10100
		if r >= 0xD800 && r < 0xE000 || !edge && r%61 != 0 {
			continue
		}
		w := NewWriter(nil)
		w.OpenNS("Document", Namespace)
		w.Elem("Role", "x"+string(r)+"y")
		w.Close("Document")
		text := string(w.Bytes())
		if other, ok := met[text]; ok {
			t.Fatalf("U+%04X and U+%04X are both %q", r, other, text)
		}
		met[text] = r
		if !isChar(r) {
			continue
		}
		var d document
		if err := Decode(w.Bytes(), &d); err != nil || d.Role != "x"+string(r)+"y" {
			t.Fatalf("U+%04X: %v, %q", r, err, d.Role)
		}
		var ref struct{ Role string }
		if err := xml.Unmarshal(w.Bytes(), &ref); err != nil || ref.Role != d.Role {
			t.Fatalf("U+%04X: encoding/xml: %v, %q", r, err, ref.Role)
		}
	}
}

func TestEncode(t *testing.T) {
	out, err := Encode(&document{Role: "a&b", Filter: &filter{}, Days: p(int32(0)), On: p(false), Tags: []tag{}, Names: []string{"x", ""},
		Grantee: &grantee{"Group", nil}, At: p(time.Unix(0, 0)), MD5: []byte("hi")})
	if err != nil {
		t.Fatal(err)
	}
	want := `<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Role>a&amp;b</Role><Filter/><Days>0</Days><On>false</On><At>1970-01-01T00:00:00.000Z</At><TagSet/><Name>x</Name><Name/><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"/><MD5>aGk=</MD5></Document>`
	if string(out) != want {
		t.Fatalf("got\n%s\nwant\n%s", out, want)
	}
	if _, err := Encode(tag{}); err == nil {
		t.Fatal("Encode of a struct without XMLName passes")
	}
	if _, err := Encode("x"); err == nil {
		t.Fatal("Encode of a string passes")
	}
}

// A page of a listing costs no allocation but its buffer.
func TestWriterAllocations(t *testing.T) {
	w := NewWriter(make([]byte, 0, 1<<20))
	at := time.Now()
	if n := testing.AllocsPerRun(10, func() { page(w, at) }); n > 0 {
		t.Fatalf("%v allocations in a page", n)
	}
}

func page(w *Writer, at time.Time) {
	w.Reset()
	w.OpenNS("ListBucketResult", Namespace)
	for i := range 1000 {
		w.Open("Contents")
		w.Elem("Key", keys[i])
		w.Time("LastModified", at)
		w.Quoted("ETag", "d41d8cd98f00b204e9800998ecf8427e")
		w.Int("Size", int64(i))
		w.Elem("StorageClass", "STANDARD")
		w.Close("Contents")
	}
	w.Close("ListBucketResult")
}

var keys = func() (k [1000]string) {
	for i := range k {
		k[i] = fmt.Sprintf("folder/sub folder/object & key-%08d", i)
	}
	return k
}()

func BenchmarkPage(b *testing.B) {
	w := NewWriter(make([]byte, 0, 1<<20))
	at := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		page(w, at)
	}
	b.SetBytes(int64(w.Len()))
}

func BenchmarkDecode(b *testing.B) {
	body := []byte("<Document>" + strings.Repeat("<Name>some/key-000001</Name>", 1000) + "</Document>")
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		var d document
		if err := Decode(body, &d); err != nil {
			b.Fatal(err)
		}
	}
}

func TestAppendTime(t *testing.T) {
	for _, at := range []time.Time{
		{}, time.Unix(0, 0), time.Unix(-1, 999e6), time.Date(2026, 2, 28, 23, 59, 59, 999_999_999, time.UTC),
		time.Date(2024, 2, 29, 1, 2, 3, 4_000_000, time.FixedZone("", 3600)), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC),
		time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		if got, want := string(AppendTime(nil, at)), at.UTC().Format(TimeFormat); got != want {
			t.Errorf("%v is written %s, want %s", at, got, want)
		}
	}
}
