package policy

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPattern(t *testing.T) {
	long := strings.Repeat("a", 20000)
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "abc", true}, {"a*c", "abc", true}, {"a*c", "ab", false}, {"a*a", "a", false}, {"a?c", "abc", true},
		{"a?c", "ac", false}, {"a?c", "aéc", true}, {"a??c", "aéc", false}, {"*?", "é", true}, {"*??", "é", false}, {"?*?", "ab", true}, {"?*?", "a", false},
		{"*a*b*", "xxaxxbxx", true}, {"*a*b*", "xxbxxaxx", false}, {"a**", "a", true}, {"?", "", false}, {"*ab*ab", "abab", true}, {"*ab*ab", "ab", false},
		{"ab*ba", "aba", false}, {"*a?b*", "aab", true}, {"*a?b", "aaxb", true}, {"*?x", "xx", true}, {"a*", "A", false},
		{strings.Repeat("*a", 5000) + "b", long, false}, {strings.Repeat("*a", 5000), long, true}, // would take for ever with backtracking
		{strings.Repeat("*?a", 2000) + "b", long[:2000], false},
	} {
		tokens, err := scan(c.pattern, true, true)
		if err != nil {
			t.Fatal(err)
		}
		p := newPattern(tokens)
		if got := p.match(c.s); got != c.want {
			t.Errorf("%.40q matches %.40q: %v", c.pattern, c.s, got)
		}
		if lower := strings.ToLower(c.pattern); lower == c.pattern {
			if got := p.matchFold(strings.ToUpper(c.s)); got != c.want && c.s != "A" {
				t.Errorf("%.40q matches %.40q, blind to case: %v", c.pattern, c.s, got)
			}
		}
	}
	if p := newPattern([]token{{op: literal, text: "kms:decrypt"}}); p.matchFold("\u212ams:Decrypt") {
		t.Error("a Kelvin sign passes for a k")
	}
}

// FuzzPattern compares matching with the simplest way there is.
func FuzzPattern(f *testing.F) {
	f.Add("a*b?c*", "aébxc")
	f.Add("*?*a??*", "éaéé")
	f.Add("**a*?", "\xff\xfea\xff")
	f.Fuzz(func(t *testing.T, raw, s string) {
		if len(raw) > 12 || len(s) > 24 || !utf8.ValidString(raw) {
			return // the simplest way takes for ever
		}
		tokens, err := scan(raw, true, false)
		if err != nil {
			t.Fatal(err)
		}
		p := newPattern(tokens)
		if got, want := p.match(s), simple([]rune(raw), []rune(s)); got != want && utf8.ValidString(s) {
			t.Fatalf("%q matches %q: %v", raw, s, got)
		}
	})
}

func simple(p, s []rune) bool {
	switch {
	case len(p) == 0:
		return len(s) == 0
	case p[0] == '*':
		return simple(p[1:], s) || len(s) > 0 && simple(p, s[1:])
	}
	return len(s) > 0 && (p[0] == '?' || p[0] == s[0]) && simple(p[1:], s[1:])
}
