package validate

import (
	"regexp"
	"strings"
	"sync"
)

// matcher tells whether a whole string matches a pattern.
type matcher interface{ MatchString(s string) bool }

// patterns caches what a model's pattern means. It depends on the pattern alone.
var patterns sync.Map

// compiled gives the matcher of a model's pattern, or nil for one that has no
// form in Go, which is then left to the service. A test names those there are.
func compiled(pattern string) matcher {
	if p, ok := patterns.Load(pattern); ok {
		m, _ := p.(matcher)
		return m
	}
	m, err := translate(pattern)
	if err != nil {
		patterns.Store(pattern, struct{}{})
		return nil
	}
	patterns.Store(pattern, m)
	return m
}

// aliasPattern is that of an account's alias, whose look-ahead Go lacks.
const aliasPattern = `^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$`

// alias matches aliasPattern: 3 to 63 characters, and no two hyphens in a row.
type alias struct{ *regexp.Regexp }

// MatchString implements matcher.
func (a alias) MatchString(s string) bool {
	return len(s) >= 3 && len(s) <= 63 && a.Regexp.MatchString(s)
}

// translate compiles a pattern of a model, which is one of Java's, for Go. The
// whole string must match it, as AWS has it. Java's \uXXXX is rewritten;
// look-around and back references are an error.
func translate(pattern string) (matcher, error) {
	if pattern == aliasPattern {
		return alias{regexp.MustCompile(`\A[a-z0-9](?:-?[a-z0-9])*\z`)}, nil
	}
	var b strings.Builder
	for i := 0; i < len(pattern); {
		switch {
		case strings.HasPrefix(pattern[i:], `\u`) && i+6 <= len(pattern):
			b.WriteString(`\x{` + pattern[i+2:i+6] + `}`)
			i += 6
		case pattern[i] == '\\' && i+1 < len(pattern):
			b.WriteString(pattern[i : i+2])
			i += 2
		default:
			b.WriteByte(pattern[i])
			i++
		}
	}
	return regexp.Compile(`\A(?:` + b.String() + `)\z`)
}
