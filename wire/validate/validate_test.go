package validate

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

type inner struct {
	Key  *string `required:"true" len:"1,4"`
	Blob []byte  `len:"2,"`
}

type outer struct {
	Name     *string           `required:"true" len:"2,5" pattern:"[\\w+=,.@-]*"`
	Kind     *string           `enum:"A,B"`
	Count    *int32            `range:"1,1024"`
	Ratio    *float64          `range:",0.5"`
	Secret   *string           `len:"3," sensitive:"true"`
	Plain    []byte            `len:"1,4"`
	Tags     []inner           `len:",2"`
	Words    []string          `elem.len:"1,3" elem.pattern:"[a-z]*"`
	Pairs    map[string]string `key.len:"1,2" value.enum:"x,y"`
	Nested   map[string]inner
	One      *inner
	When     *time.Time
	KMSKeyId *bool `required:"true"`
}

func p[T any](v T) *T { return &v }

func good() *outer { return &outer{Name: p("abc"), KMSKeyId: p(true)} }

func TestCheck(t *testing.T) {
	const one = "1 validation error detected: "
	for _, tt := range []struct {
		name   string
		change func(*outer)
		want   string
	}{
		{"fine", func(o *outer) {}, ""},
		{"the bounds themselves", func(o *outer) {
			o.Name, o.Count, o.Plain, o.Words = p("ab"), p(int32(1024)), []byte("abcd"), []string{"abc"}
			o.Ratio, o.Tags, o.Pairs = p(0.5), []inner{{Key: p("k")}, {Key: p("kkkk")}}, map[string]string{"ab": "y"}
		}, ""},
		{"absent", func(o *outer) { o.Name = nil }, one + "Value null at 'name' failed to satisfy constraint: Member must not be null"},
		{"two", func(o *outer) { o.Name, o.KMSKeyId = nil, nil },
			"2 validation errors detected: Value null at 'name' failed to satisfy constraint: Member must not be null; Value null at 'kMSKeyId' failed to satisfy constraint: Member must not be null"},
		{"too long", func(o *outer) { o.Name = p("abcdef") }, one + "Value 'abcdef' at 'name' failed to satisfy constraint: Member must have length less than or equal to 5"},
		{"too short", func(o *outer) { o.Name = p("a") }, one + "Value 'a' at 'name' failed to satisfy constraint: Member must have length greater than or equal to 2"},
		{"pattern before length", func(o *outer) { o.Name = p("a:cdef") }, "2 validation errors detected: Value 'a:cdef' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*; " +
			"Value 'a:cdef' at 'name' failed to satisfy constraint: Member must have length less than or equal to 5"},
		{"the whole string", func(o *outer) { o.Name = p("ab\n") }, one + "Value 'ab\n' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*"},
		{"characters, not bytes", func(o *outer) { o.Tags = []inner{{Key: p("äöüß")}} }, ""},
		{"code units, as Java counts", func(o *outer) { o.Tags = []inner{{Key: p("😀😀😀")}} },
			one + "Value '😀😀😀' at 'tags.1.member.key' failed to satisfy constraint: Member must have length less than or equal to 4"},
		{"enum", func(o *outer) { o.Kind = p("a") }, one + "Value 'a' at 'kind' failed to satisfy constraint: Member must satisfy enum value set: [A, B]"},
		{"number", func(o *outer) { o.Count = p(int32(0)) }, one + "Value '0' at 'count' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		{"float", func(o *outer) { o.Ratio = p(2.0) }, one + "Value '2.0' at 'ratio' failed to satisfy constraint: Member must have value less than or equal to 0.5"},
		{"a secret is not shown", func(o *outer) { o.Secret = p("pw") }, one + "Value at 'secret' failed to satisfy constraint: Member must have length greater than or equal to 3"},
		{"a blob is not shown", func(o *outer) { o.Plain = []byte{} }, one + "Value at 'plain' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"in a list", func(o *outer) { o.Tags = []inner{{Key: p("k")}, {}} }, one + "Value null at 'tags.2.member.key' failed to satisfy constraint: Member must not be null"},
		{"in a structure", func(o *outer) { o.One = &inner{Key: p("")} }, one + "Value '' at 'one.key' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"in a map", func(o *outer) { o.Nested = map[string]inner{"a": {}} }, one + "Value null at 'nested.a.member.key' failed to satisfy constraint: Member must not be null"},
		{"a list's length", func(o *outer) { o.Tags = []inner{{Key: p("k")}, {Key: p("l")}, {Key: p("m"), Blob: []byte("secret")}} },
			one + "Value '[inner(key=k, blob=null), inner(key=l, blob=null), inner(key=m, blob=***)]' at 'tags' failed to satisfy constraint: Member must have length less than or equal to 2"},
		{"a list's elements", func(o *outer) { o.Words = []string{"ab", "ABCD"} }, one + "Value '[ab, ABCD]' at 'words' failed to satisfy constraint: Member must satisfy constraint: " +
			"[Member must have length less than or equal to 3, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [a-z]*, Member must not be null]"},
		{"a map's keys", func(o *outer) { o.Pairs = map[string]string{"abc": "x"} }, one + "Value '{abc=x}' at 'pairs' failed to satisfy constraint: Map keys must satisfy constraint: " +
			"[Member must have length less than or equal to 2, Member must have length greater than or equal to 1, Member must not be null]"},
		{"a map's values", func(o *outer) { o.Pairs = map[string]string{"b": "z", "a": "x"} }, one + "Value '{a=x, b=z}' at 'pairs' failed to satisfy constraint: Map value must satisfy constraint: " +
			"[Member must satisfy enum value set: [x, y], Member must not be null]"},
	} {
		o := good()
		tt.change(o)
		if got := (Style{}).Check(o); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

// IAM names the member and not the value.
func TestHideValues(t *testing.T) {
	o := good()
	o.Name, o.Kind, o.KMSKeyId = p("abcdef"), p("C"), nil
	want := "3 validation errors detected: Value at 'name' failed to satisfy constraint: Member must have length less than or equal to 5; " +
		"Value at 'kind' failed to satisfy constraint: Member must satisfy enum value set; Value at 'kMSKeyId' failed to satisfy constraint: Member must not be null"
	if got := (Style{HideValues: true}).Check(o); got != want {
		t.Errorf("got %s", got)
	}
}

// What is wrong a million times is not told a million times.
func TestBounded(t *testing.T) {
	o := good()
	o.Tags = make([]inner, 100_000)
	if got := (Style{}).Check(o); len(got) > 64<<10 || !strings.HasPrefix(got, strconv.Itoa(errorsMax)+" validation errors") {
		t.Errorf("%d bytes: %.100s", len(got), got)
	}
}

// Each pattern of each model means something here. One that Go has no form of
// has to be named, so that nobody believes it is checked.
func TestPatterns(t *testing.T) {
	leftOut := map[string]bool{}
	files, err := filepath.Glob(filepath.Join("..", "shapes", "*", "types.go"))
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	tag := regexp.MustCompile(`pattern:("(?:[^"\\]|\\.)*")`)
	n := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range tag.FindAllStringSubmatch(string(text), -1) {
			pattern, err := strconv.Unquote(m[1])
			if err != nil {
				t.Fatal(file, m[1], err)
			}
			n++
			if _, err := translate(pattern); (err != nil) != leftOut[pattern] {
				t.Errorf("%s: %s: %v", file, pattern, err)
			}
		}
	}
	if n < 100 {
		t.Errorf("%d patterns", n)
	}
}

func TestTranslate(t *testing.T) {
	const path = "(\\u002F)|(\\u002F[\\u0021-\\u007E]+\\u002F)"
	const text = "[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+"
	for _, tt := range []struct {
		pattern, s string
		want       bool
	}{
		{path, "/", true}, {path, "/a/", true}, {path, "a/", false}, {path, "/a", false}, {path, "/ä/", false},
		{text, "a\tb\nÿ", true}, {text, "Ā", false}, {text, "", false}, {text, "\x00", false},
		{aliasPattern, "abc", true}, {aliasPattern, "a-b-c", true}, {aliasPattern, "a--b", false}, {aliasPattern, "ab", false},
		{aliasPattern, "-ab", false}, {aliasPattern, "ab-", false}, {aliasPattern, strings.Repeat("a", 63), true}, {aliasPattern, strings.Repeat("a", 64), false},
		{"^\\d{12}$", "123456789012", true}, {"^\\d{12}$", "1234567890123", false},
		{"[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*", "Größe 1", true}, {"[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*", "a;b", false},
	} {
		m, err := translate(tt.pattern)
		if err != nil || m.MatchString(tt.s) != tt.want {
			t.Errorf("%s on %q: %v", tt.pattern, tt.s, err)
		}
	}
	if _, err := translate("(?!x)a"); err == nil {
		t.Error("a look-ahead was translated")
	}
	if compiled("(?!x)a") != nil || compiled("(?!x)a") != nil {
		t.Error("a pattern without a form matches something")
	}
}
