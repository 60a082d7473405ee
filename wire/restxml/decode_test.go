package restxml

import (
	"encoding/xml"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/farhold/farhold/awserr"
)

type tag struct {
	Key   string `xml:"Key" required:"true"`
	Value string `xml:"Value" required:"true"`
}

type filter struct {
	Prefix *string `xml:"Prefix"`
	Tag    *tag    `xml:"Tag"`
}

type grantee struct {
	Type string  `xml:"xsi:type,attr" required:"true"`
	ID   *string `xml:"ID"`
}

type document struct {
	XMLName xml.Name   `xml:"http://s3.amazonaws.com/doc/2006-03-01/ Document"`
	Role    string     `xml:"Role"`
	Status  string     `xml:"Status,omitempty" enum:"Enabled,Disabled"`
	Filter  *filter    `xml:"Filter"`
	Days    *int32     `xml:"Days"`
	On      *bool      `xml:"On"`
	At      *time.Time `xml:"At"`
	Tags    []tag      `xml:"TagSet>Tag"`
	Names   []string   `xml:"Name"`
	Grantee *grantee   `xml:"Grantee"`
	MD5     []byte     `xml:"MD5"`
}

func p[T any](v T) *T { return &v }

func TestDecode(t *testing.T) {
	deep := strings.Repeat("<Filter>", 40) + strings.Repeat("</Filter>", 40)
	for _, c := range []struct {
		name, body string
		want       *document // nil: MalformedXML
	}{
		{"whole", `<?xml version="1.0" encoding="utf-8"?><!-- c --><Document xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
			<Role>a&amp;b&#x20;&lt;&#99;</Role><Status>Enabled</Status><Filter/><Days> 5 </Days><On>TRUE</On><At>2026-11-20T01:02:03.004Z</At>
			<TagSet><Tag><Key>k</Key><Value/></Tag></TagSet><Name>x</Name><Name>y</Name>
			<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>1</ID></Grantee><MD5>aGk=</MD5></Document>`,
			&document{Role: "a&b <c", Status: "Enabled", Filter: &filter{}, Days: p(int32(5)), On: p(true), At: p(time.Date(2026, 11, 20, 1, 2, 3, 4e6, time.UTC)),
				Tags: []tag{{"k", ""}}, Names: []string{"x", "y"}, Grantee: &grantee{"CanonicalUser", p("1")}, MD5: []byte("hi")}},
		{"no namespace", `<Document><Role>r</Role></Document>`, &document{Role: "r"}},
		{"prefixed namespace", `<a:Document xmlns:a="http://s3.amazonaws.com/doc/2006-03-01/"><a:Role>r</a:Role></a:Document>`, &document{Role: "r"}},
		{"old namespace", `<Document xmlns="http://doc.s3.amazonaws.com/2006-03-01"><Role>r</Role></Document>`, &document{Role: "r"}},
		{"BOM", "\xef\xbb\xbf<Document/>", &document{}},
		{"any order", `<Document><Name>x</Name><Role>r</Role><Name>y</Name></Document>`, &document{Role: "r", Names: []string{"x", "y"}}},
		{"empty wrapper", `<Document><TagSet/></Document>`, &document{Tags: []tag{}}},
		{"CDATA and comment within text", "<Document><Role>a<![CDATA[<&]]><!-- x -->&amp;b\r\nc</Role></Document>", &document{Role: "a<&&b\nc"}},
		{"reference runs", "<Document><Role>&amp;<!-- x -->&lt;<!-- y -->&gt;</Role></Document>", &document{Role: "&<>"}},
		{"carriage return by reference", "<Document><Role>a&#13;&#xD;b</Role></Document>", &document{Role: "a\r\rb"}},
		{"spaces in strings stay", "<Document><Role> r </Role></Document>", &document{Role: " r "}},
		{"date only", "<Document><At>2026-11-20</At></Document>", &document{At: p(time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC))}},
		{"HTTP date", "<Document><At>Fri, 20 Nov 2026 01:02:03 GMT</At></Document>", &document{At: p(time.Date(2026, 11, 20, 1, 2, 3, 0, time.UTC))}},

		{"empty body", ``, nil},
		{"blank body", ` `, nil},
		{"declaration alone", `<?xml version="1.0"?>`, nil},
		{"JSON", `{}`, nil},
		{"wrong root", `<Other/>`, nil},
		{"truncated", `<Document><Role>r</Role>`, nil},
		{"truncated tag", `<Document`, nil},
		{"trailing text", `<Document/>x`, nil},
		{"trailing element", `<Document/><Document/>`, nil},
		{"trailing end", `<Document/></Document>`, nil},
		{"leading text", `x<Document/>`, nil},
		{"doctype", `<!DOCTYPE Document><Document/>`, nil},
		{"doctype inside", `<Document><!DOCTYPE x></Document>`, nil},
		{"entity bomb", `<!DOCTYPE d [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><Document><Role>&b;</Role></Document>`, nil},
		{"external entity", `<!DOCTYPE d SYSTEM "file:///etc/passwd"><Document/>`, nil},
		{"unknown entity", `<Document><Role>&nbsp;</Role></Document>`, nil},
		{"bare ampersand", `<Document><Role>a & b</Role></Document>`, nil},
		{"processing instruction", `<?php x?><Document/>`, nil},
		{"processing instruction inside", `<Document><?php x?></Document>`, nil},
		{"second declaration", `<?xml version="1.0"?><?xml version="1.0"?><Document/>`, nil},
		{"declaration after space", ` <?xml version="1.0"?><Document/>`, nil},
		{"latin1", `<?xml version="1.0" encoding="ISO-8859-1"?><Document/>`, nil},
		{"UTF-16 said", `<?xml version="1.0" encoding="UTF-16"?><Document/>`, nil},
		{"UTF-16", "\xff\xfe<\x00D\x00", nil},
		{"UTF-7", `<?xml version="1.0" encoding="utf-7"?><Document/>`, nil},
		{"XML 1.1", `<?xml version="1.1"?><Document/>`, nil},
		{"not UTF-8", "<Document><Role>\xff</Role></Document>", nil},
		{"control character", "<Document><Role>\x01</Role></Document>", nil},
		{"control character by reference", "<Document><Role>&#1;</Role></Document>", nil},
		{"surrogate by reference", "<Document><Role>&#xD800;</Role></Document>", nil},
		{"huge reference", "<Document><Role>&#99999999;</Role></Document>", nil},
		{"noncharacter", "<Document><Role>\uFFFE</Role></Document>", nil},
		{"NUL", "<Document><Role>\x00</Role></Document>", nil},
		{"deep", "<Document>" + deep + "</Document>", nil},
		{"unknown element", `<Document><Rule/></Document>`, nil},
		{"case of element", `<Document><role>r</role></Document>`, nil},
		{"unknown in wrapper", `<Document><TagSet><Key/></TagSet></Document>`, nil},
		{"scalar twice", `<Document><Role>r</Role><Role>r</Role></Document>`, nil},
		{"struct twice", `<Document><Filter/><Filter/></Document>`, nil},
		{"wrapper twice", `<Document><TagSet/><TagSet/></Document>`, nil},
		{"foreign namespace", `<Document xmlns="urn:x"><Role>r</Role></Document>`, nil},
		{"foreign element", `<Document><x:Role xmlns:x="urn:x">r</x:Role></Document>`, nil},
		{"foreign struct", `<Document><x:Filter xmlns:x="urn:x"/></Document>`, nil},
		{"foreign wrapper", `<Document><x:TagSet xmlns:x="urn:x"/></Document>`, nil},
		{"foreign default inside", `<Document><Role xmlns="urn:x">r</Role></Document>`, nil},
		{"unbound prefix", `<Document><x:Role>r</x:Role></Document>`, nil},
		{"attribute", `<Document a="1"/>`, nil},
		{"attribute of scalar", `<Document><Role a="1">r</Role></Document>`, nil},
		{"attribute twice", `<Document xml:lang="a" xml:lang="b"/>`, nil},
		{"attribute twice by namespace", `<Document xmlns:a="http://www.w3.org/2001/XMLSchema-instance" xmlns:b="http://www.w3.org/2001/XMLSchema-instance" a:x="1" b:x="1"/>`, nil},
		{"type without xsi", `<Document><Grantee type="CanonicalUser"/></Document>`, nil},
		{"type of foreign namespace", `<Document><Grantee xmlns:xsi="urn:x" xsi:type="CanonicalUser"/></Document>`, nil},
		{"type missing", `<Document><Grantee/></Document>`, nil},
		{"text between elements", `<Document>x<Role>r</Role></Document>`, nil},
		{"element in scalar", `<Document><Role><Role>r</Role></Role></Document>`, nil},
		{"mismatched end", `<Document><Role>r</Days></Document>`, nil},
		{"required missing", `<Document><TagSet><Tag><Key>k</Key></Tag></TagSet></Document>`, nil},
		{"enum", `<Document><Status>enabled</Status></Document>`, nil},
		{"enum empty", `<Document><Status/></Document>`, nil},
		{"number", `<Document><Days>five</Days></Document>`, nil},
		{"number empty", `<Document><Days/></Document>`, nil},
		{"number overflows", `<Document><Days>2147483648</Days></Document>`, nil},
		{"number hex", `<Document><Days>0x5</Days></Document>`, nil},
		{"boolean", `<Document><On>yes</On></Document>`, nil},
		{"time", `<Document><At>yesterday</At></Document>`, nil},
		{"base64", `<Document><MD5>!</MD5></Document>`, nil},
		{"comment with dashes", `<Document><!-- a -- b --></Document>`, nil},
		{"CDATA end in text", `<Document><Role>]]></Role></Document>`, nil},
		{"CDATA outside", `<![CDATA[ ]]><Document/>`, nil},
		{"less-than in attribute", `<Document xml:lang="<"/>`, nil},
		{"attributes not apart", `<Document xml:lang="a"xml:space="b"/>`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var d document
			err := Decode([]byte(c.body), &d)
			if c.want == nil {
				if !errors.Is(err, awserr.ErrMalformedXML) {
					t.Fatalf("got %v and %+v, want MalformedXML", err, d)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(&d, c.want) {
				t.Fatalf("got  %+v\nwant %+v", d, *c.want)
			}
		})
	}
}

func TestDecodeBounds(t *testing.T) {
	names := func(n int) string {
		return "<Document>" + strings.Repeat("<Name>x</Name>", n) + "</Document>"
	}
	var d document
	if err := Decode([]byte(names(elementsMax-1)), &d); err != nil || len(d.Names) != elementsMax-1 {
		t.Fatalf("%d elements: %v", elementsMax, err)
	}
	if err := Decode([]byte(names(elementsMax)), &document{}); err == nil {
		t.Fatalf("%d elements pass", elementsMax+1)
	}
	attrs := ""
	for i := range 100 {
		attrs += fmt.Sprintf(` xmlns:a%d="urn:%d"`, i, i)
	}
	if err := Decode([]byte("<Document"+attrs+"/>"), &document{}); err == nil {
		t.Fatal("100 attributes pass")
	}
	for _, depth := range []int{depthMax + 1, 100_000} {
		if err := Decode([]byte("<Document>"+strings.Repeat("<Document>", depth)), &document{}); err == nil {
			t.Fatal("deep document passes")
		}
	}
}

// A schema that could nest for ever is bounded by the reader.
func TestDecodeDepth(t *testing.T) {
	type nest struct {
		XMLName struct{}   `xml:"N"`
		N       *nestInner `xml:"N"`
	}
	for depth, ok := range map[int]bool{depthMax: true, depthMax + 1: false} {
		body := strings.Repeat("<N>", depth) + strings.Repeat("</N>", depth)
		if err := Decode([]byte(body), &nest{}); (err == nil) != ok {
			t.Errorf("depth %d: %v", depth, err)
		}
	}
}

type nestInner struct {
	N *nestInner `xml:"N"`
}

func TestDecodeRefusesProgramErrors(t *testing.T) {
	for name, f := range map[string]func(){
		"value":    func() { Decode(nil, document{}) },
		"rootless": func() { Decode(nil, &tag{}) },
		"map":      func() { schemaOf(reflect.TypeFor[struct{ M map[string]string }]()) },
		"uncertain": func() {
			schemaOf(reflect.TypeFor[struct {
				M string `xml:"m,innerxml"`
			}]())
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Fatal("no panic")
				}
			}()
			f()
		})
	}
}

// FuzzDecode holds the reader against the parser of the standard library,
// which is laxer everywhere: what passes here must pass there and mean the
// same, and what Encode writes must read back as it was.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`<?xml version="1.0" encoding="UTF-8"?><Document xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Role>a&amp;&#xD;</Role><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Document>`))
	f.Add([]byte("<Document><Name>x</Name><Name>y\r\n<![CDATA[z]]></Name><Filter><Prefix/></Filter><Days>7</Days><On>false</On><At>2026-11-20T00:00:00Z</At></Document>"))
	f.Add([]byte(`<Document><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"><ID/></Grantee><MD5>aGk=</MD5></Document>`))
	f.Add([]byte(`<!DOCTYPE d [<!ENTITY a "aaaa">]><Document><Role>&a;</Role></Document>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var d document
		if err := Decode(body, &d); err != nil {
			if !errors.Is(err, awserr.ErrMalformedXML) {
				t.Fatalf("error is not MalformedXML: %v", err)
			}
			return
		}
		// The library compares namespaces to the letter and knows fewer forms of
		// times and booleans, so only text is compared.
		var ref struct {
			Role  string   `xml:"Role"`
			Names []string `xml:"Name"`
			Tags  []tag    `xml:"TagSet>Tag"`
		}
		body = []byte(strings.TrimPrefix(string(body), "\xef\xbb\xbf"))
		if err := xml.Unmarshal(body, &ref); err != nil {
			if strings.Contains(err.Error(), "encoding") {
				return // utf8 without its hyphen
			}
			t.Fatalf("encoding/xml refuses what Decode takes: %v", err)
		}
		if ref.Role != d.Role || !reflect.DeepEqual(ref.Names, d.Names) || len(ref.Tags) != len(d.Tags) || len(d.Tags) > 0 && !reflect.DeepEqual(ref.Tags, d.Tags) {
			t.Fatalf("encoding/xml reads %+v, Decode %+v", ref, d)
		}
		out, err := Encode(&d)
		if err != nil {
			t.Fatal(err)
		}
		var again document
		if err := Decode(out, &again); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		d.XMLName, again.XMLName = xml.Name{}, xml.Name{}
		if d.At != nil && again.At != nil { // written to the millisecond
			*d.At = d.At.Truncate(time.Millisecond)
			*again.At = again.At.Truncate(time.Millisecond)
			if !d.At.Equal(*again.At) {
				t.Fatalf("time %v became %v", d.At, again.At)
			}
			again.At = d.At
		}
		if !reflect.DeepEqual(d, again) {
			t.Fatalf("%+v became %+v through %s", d, again, out)
		}
	})
}
