package policy

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"
)

// token is a piece of a text of a policy: characters, a wildcard, or a
// variable.
type token struct {
	op   tokenOp
	text string // characters, or the normalised name of a variable's key
	// written is the name as the document has it.
	written string
	// fallback is the text for a variable whose key the request lacks, when
	// hasFallback is set.
	fallback    string
	hasFallback bool
}

type tokenOp uint8

const (
	literal  tokenOp = iota
	star             // * stands for any characters, or none
	one              // ? stands for one character
	variable         // ${key}
)

var errVariable = errors.New("a policy variable is not closed or has no name")

// scan splits a text into tokens. Wildcards and variables are what they look
// like only where wild and vars say so; elsewhere they are characters.
func scan(s string, wild, vars bool) ([]token, error) {
	var tokens []token
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			tokens = append(tokens, token{op: literal, text: text.String()})
			text.Reset()
		}
	}
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case wild && c == '*':
			flush()
			if n := len(tokens); n == 0 || tokens[n-1].op != star { // ** is *
				tokens = append(tokens, token{op: star})
			}
		case wild && c == '?':
			flush()
			tokens = append(tokens, token{op: one})
		case vars && c == '$' && strings.HasPrefix(s[i:], "${"):
			end := closing(s[i:])
			if end < 0 {
				return nil, errVariable
			}
			inner := s[i+2 : i+end]
			i += end + 1
			if inner == "*" || inner == "?" || inner == "$" {
				text.WriteString(inner)
				continue
			}
			v, err := parseVariable(inner)
			if err != nil {
				return nil, err
			}
			flush()
			tokens = append(tokens, v)
			continue
		default:
			text.WriteByte(c)
		}
		i++
	}
	flush()
	return tokens, nil
}

// closing finds the } of a variable that begins s, which a quoted default may
// contain too; -1 when there is none.
func closing(s string) int {
	quoted := false
	for i := 2; i < len(s); i++ {
		switch {
		case s[i] == '\'':
			quoted = !quoted
		case s[i] == '}' && !quoted:
			return i
		}
	}
	return -1
}

// parseVariable reads what stands between the braces: key, or key, 'default'.
func parseVariable(inner string) (token, error) {
	name, fallback, has := strings.Cut(inner, ",")
	v := token{op: variable, written: strings.TrimSpace(name), hasFallback: has}
	v.text = normalKey(v.written)
	if v.text == "" || strings.ContainsAny(v.text, "'{}$*?") {
		return token{}, errVariable
	}
	if has {
		f := strings.TrimSpace(fallback)
		if len(f) < 2 || f[0] != '\'' || f[len(f)-1] != '\'' || strings.Contains(f[1:len(f)-1], "'") {
			return token{}, errVariable
		}
		v.fallback = f[1 : len(f)-1]
	}
	return v, nil
}

// normalKey gives the name of a condition key as contexts are asked for it: in
// lower case up to the first slash.
func normalKey(k string) string {
	head, tail, ok := strings.Cut(k, "/")
	head = lowerASCII(head)
	if !ok {
		return head
	}
	return head + "/" + tail
}

// lowerASCII leaves every character but A to Z as it is, so that nothing from
// elsewhere in Unicode folds into a name.
func lowerASCII(s string) string {
	for i := 0; i < len(s); i++ {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				b[i] = lowerByte(b[i])
			}
			return string(b)
		}
	}
	return s
}

func lowerByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// pattern is a text with wildcards and variables, made ready for matching.
type pattern struct {
	kind   patternKind
	text   string  // of exact and prefix
	chunks []chunk // of glob: what stands between its stars
	tokens []token // of expand
	// plain says of expand that no star stands before its end: it can be matched
	// from left to right as it is.
	plain bool
}

type patternKind uint8

const (
	never  patternKind = iota // matches nothing
	exact                     // text
	prefix                    // text*
	glob                      // chunk*chunk*…
	expand                    // has variables: becomes one of the others when it is asked
)

// chunk is a run of characters and question marks between two stars.
type chunk struct {
	text   string  // when there are no question marks
	tokens []token // else
	least  int     // bytes that it takes, at least
}

// newPattern makes a pattern of tokens.
func newPattern(tokens []token) pattern {
	for _, t := range tokens {
		if t.op == variable {
			plain := !slices.ContainsFunc(tokens[:len(tokens)-1], func(t token) bool { return t.op == star })
			return pattern{kind: expand, tokens: tokens, plain: plain}
		}
	}
	switch {
	case len(tokens) == 0:
		return pattern{kind: exact}
	case len(tokens) == 1 && tokens[0].op == literal:
		return pattern{kind: exact, text: tokens[0].text}
	case len(tokens) == 1 && tokens[0].op == star:
		return pattern{kind: prefix}
	case len(tokens) == 2 && tokens[0].op == literal && tokens[1].op == star:
		return pattern{kind: prefix, text: tokens[0].text}
	}
	p := pattern{kind: glob}
	from := 0
	for i := 0; i <= len(tokens); i++ {
		if i == len(tokens) || tokens[i].op == star {
			p.chunks = append(p.chunks, newChunk(tokens[from:i]))
			from = i + 1
		}
	}
	return p
}

func newChunk(tokens []token) chunk {
	c := chunk{tokens: tokens}
	if len(tokens) == 0 {
		return chunk{}
	}
	for _, t := range tokens {
		if t.op == one {
			c.least++
		} else {
			c.least += len(t.text)
		}
	}
	if len(tokens) == 1 && tokens[0].op == literal {
		return chunk{text: tokens[0].text, least: c.least}
	}
	return c
}

// match tells whether the pattern, which has no variables, covers all of s.
// Between two stars the first place that fits is as good as any later one, so
// that nothing is tried twice: without question marks the time is linear in
// the lengths of both.
func (p *pattern) match(s string) bool {
	switch p.kind {
	case exact:
		return s == p.text
	case prefix:
		return strings.HasPrefix(s, p.text)
	case glob:
		return matchChunks(p.chunks, s)
	}
	return false
}

// matchFold is match for patterns in lower case, blind to case in s.
func (p *pattern) matchFold(s string) bool {
	switch p.kind {
	case exact:
		return len(s) == len(p.text) && foldPrefix(s, p.text)
	case prefix:
		return foldPrefix(s, p.text)
	}
	return p.match(lowerASCII(s))
}

func foldPrefix(s, lower string) bool {
	if len(s) < len(lower) {
		return false
	}
	for i := range len(lower) {
		if lowerByte(s[i]) != lower[i] {
			return false
		}
	}
	return true
}

func matchChunks(chunks []chunk, s string) bool {
	at := chunks[0].at(s, 0)
	if at < 0 {
		return false
	}
	if len(chunks) == 1 {
		return at == len(s)
	}
	last := len(chunks) - 1
	for i := 1; i < last; i++ {
		if at = chunks[i].find(s, at); at < 0 {
			return false
		}
	}
	return chunks[last].ends(s, at)
}

// at gives the place behind the chunk when it stands at place i of s, or -1.
func (c *chunk) at(s string, i int) int {
	if len(s)-i < c.least {
		return -1
	}
	if c.tokens == nil {
		if strings.HasPrefix(s[i:], c.text) {
			return i + len(c.text)
		}
		return -1
	}
	for _, t := range c.tokens {
		switch {
		case t.op == one:
			if i == len(s) {
				return -1
			}
			_, n := utf8.DecodeRuneInString(s[i:])
			i += n
		case strings.HasPrefix(s[i:], t.text):
			i += len(t.text)
		default:
			return -1
		}
	}
	return i
}

// find gives the place behind the first occurrence of the chunk from place i
// on, or -1.
func (c *chunk) find(s string, i int) int {
	if c.tokens == nil {
		n := strings.Index(s[i:], c.text)
		if n < 0 {
			return -1
		}
		return i + n + len(c.text)
	}
	for len(s)-i >= c.least {
		if end := c.at(s, i); end >= 0 {
			return end
		}
		_, n := utf8.DecodeRuneInString(s[i:])
		i += max(n, 1)
	}
	return -1
}

// ends tells whether s ends with the chunk, from place i on.
func (c *chunk) ends(s string, i int) bool {
	if c.tokens == nil {
		return len(s)-i >= len(c.text) && strings.HasSuffix(s, c.text)
	}
	for len(s)-i >= c.least {
		if c.at(s, i) == len(s) {
			return true
		}
		_, n := utf8.DecodeRuneInString(s[i:])
		i += max(n, 1)
	}
	return false
}

// arnPattern is a pattern of ARNs: each of the six parts is matched by itself.
type arnPattern [6]pattern

// newARNPattern splits at the colons that stand in the text itself, not in
// variables. A pattern that ends early with a star covers the parts behind it;
// any other of fewer than six parts matches nothing.
func newARNPattern(tokens []token) arnPattern {
	parts := [][]token{nil}
	for _, t := range tokens {
		if t.op != literal {
			parts[len(parts)-1] = append(parts[len(parts)-1], t)
			continue
		}
		rest := t.text
		for len(parts) < 6 {
			head, tail, ok := strings.Cut(rest, ":")
			if !ok {
				break
			}
			if head != "" {
				parts[len(parts)-1] = append(parts[len(parts)-1], token{op: literal, text: head})
			}
			parts = append(parts, nil)
			rest = tail
		}
		if rest != "" {
			parts[len(parts)-1] = append(parts[len(parts)-1], token{op: literal, text: rest})
		}
	}
	var a arnPattern
	open := false
	if last := parts[len(parts)-1]; len(last) > 0 {
		open = last[len(last)-1].op == star
	}
	if len(parts) < 6 && !open {
		return a
	}
	for i := range a {
		if i < len(parts) {
			a[i] = newPattern(parts[i])
		} else {
			a[i] = pattern{kind: prefix}
		}
	}
	return a
}
