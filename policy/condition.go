package policy

import (
	"encoding/base64"
	"math/big"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"
)

// condition is one key of one operator.
type condition struct {
	key      string // normalised
	written  string // as the document has it
	test     test
	not      bool // the test must fail: StringNotEquals and its like
	set      set
	ifExists bool

	// What the key is compared with; which one is filled follows from test.
	patterns []pattern
	arns     []arnPattern
	numbers  []*big.Rat
	times    []time.Time
	bools    []bool
	binaries []string
	nets     []netip.Prefix
}

type set uint8

const (
	single       set = iota
	forAllValues     // each value of the request must pass; none passes
	forAnyValue      // one value of the request must pass
)

type test uint8

const (
	testString test = iota
	testStringFold
	testStringLike
	testNumberEqual
	testNumberLess
	testNumberLessEqual
	testNumberGreater
	testNumberGreaterEqual
	testTimeEqual
	testTimeLess
	testTimeLessEqual
	testTimeGreater
	testTimeGreaterEqual
	testBool
	testBinary
	testIP
	testARN
	testNull
)

// operator finds what an operator's name, without prefix and suffix, means.
func operator(name string) (t test, not, ok bool) {
	switch name {
	case "StringEquals", "StringNotEquals":
		return testString, name == "StringNotEquals", true
	case "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase":
		return testStringFold, name == "StringNotEqualsIgnoreCase", true
	case "StringLike", "StringNotLike":
		return testStringLike, name == "StringNotLike", true
	case "NumericEquals", "NumericNotEquals":
		return testNumberEqual, name == "NumericNotEquals", true
	case "NumericLessThan":
		return testNumberLess, false, true
	case "NumericLessThanEquals":
		return testNumberLessEqual, false, true
	case "NumericGreaterThan":
		return testNumberGreater, false, true
	case "NumericGreaterThanEquals":
		return testNumberGreaterEqual, false, true
	case "DateEquals", "DateNotEquals":
		return testTimeEqual, name == "DateNotEquals", true
	case "DateLessThan":
		return testTimeLess, false, true
	case "DateLessThanEquals":
		return testTimeLessEqual, false, true
	case "DateGreaterThan":
		return testTimeGreater, false, true
	case "DateGreaterThanEquals":
		return testTimeGreaterEqual, false, true
	case "Bool":
		return testBool, false, true
	case "BinaryEquals":
		return testBinary, false, true
	case "IpAddress", "NotIpAddress":
		return testIP, name == "NotIpAddress", true
	case "ArnEquals", "ArnNotEquals", "ArnLike", "ArnNotLike":
		return testARN, strings.HasPrefix(name, "ArnNot"), true
	case "Null":
		return testNull, false, true
	}
	return 0, false, false
}

func (p *parser) conditions(v *value, s *statement) error {
	field := v.member("Condition")
	if field == nil {
		return nil
	}
	if field.kind != objectValue {
		return p.fault(BadSyntax, field, "Condition", "")
	}
	for i, name := range field.names {
		c := condition{}
		base, ok := strings.CutPrefix(name, "ForAllValues:")
		if ok {
			c.set = forAllValues
		} else if base, ok = strings.CutPrefix(name, "ForAnyValue:"); ok {
			c.set = forAnyValue
		}
		base, c.ifExists = strings.CutSuffix(base, "IfExists")
		c.test, c.not, ok = operator(base)
		if !ok || c.test == testNull && (c.ifExists || c.set != single) {
			return p.fault(UnknownOperator, &field.items[i], "Condition", name)
		}
		keys := &field.items[i]
		if keys.kind != objectValue {
			return p.fault(BadSyntax, keys, "Condition", name)
		}
		seen := map[string]bool{}
		for j, key := range keys.names {
			c := c
			c.key, c.written = normalKey(key), key
			if c.key == "" || seen[c.key] {
				return p.fault(BadCondition, &keys.items[j], key, "")
			}
			seen[c.key] = true
			if err := p.conditionValues(&c, key, &keys.items[j]); err != nil {
				return err
			}
			s.conditions = append(s.conditions, c)
		}
	}
	return nil
}

func (p *parser) conditionValues(c *condition, key string, v *value) error {
	list := []value{*v}
	if v.kind == arrayValue {
		list = v.items
	}
	for i := range list {
		switch x := &list[i]; x.kind {
		case stringValue, numberValue, boolValue:
			if f := c.add(x.text, p.doc.vars); f != 0 {
				return p.fault(f, x, key, x.text)
			}
		default:
			return p.fault(BadSyntax, x, key, "")
		}
	}
	return nil
}

// add makes a value of the document ready for comparing. A value that could
// never be compared is refused: a Deny that depends on it would never bind.
func (c *condition) add(text string, vars bool) Fault {
	switch {
	case c.test <= testStringLike:
		tokens, err := scan(text, c.test == testStringLike, vars)
		if err != nil {
			return BadVariable
		}
		c.patterns = append(c.patterns, newPattern(tokens))
	case c.test == testARN:
		tokens, err := scan(text, true, vars)
		if err != nil {
			return BadVariable
		}
		c.arns = append(c.arns, newARNPattern(tokens))
	case c.test <= testNumberGreaterEqual:
		n, ok := parseNumber(text)
		if !ok {
			return BadCondition
		}
		c.numbers = append(c.numbers, n)
	case c.test <= testTimeGreaterEqual:
		t, ok := parseTime(text)
		if !ok {
			return BadCondition
		}
		c.times = append(c.times, t)
	case c.test == testBool, c.test == testNull:
		b, ok := parseBool(text)
		if !ok {
			return BadCondition
		}
		c.bools = append(c.bools, b)
	case c.test == testBinary:
		b, ok := parseBinary(text)
		if !ok {
			return BadCondition
		}
		c.binaries = append(c.binaries, b)
	case c.test == testIP:
		n, ok := parseNet(text)
		if !ok {
			return BadCondition
		}
		c.nets = append(c.nets, n)
	}
	return 0
}

// parseNumber reads a decimal number, of which an exponent may not make more
// than the text suggests.
func parseNumber(s string) (*big.Rat, bool) {
	if s == "" || len(s) > 64 || strings.Trim(s, "0123456789+-.eE") != "" {
		return nil, false
	}
	if i := strings.IndexAny(s, "eE"); i >= 0 && len(strings.Trim(s[i+1:], "+-0")) > 2 {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

// parseTime reads the forms of ISO 8601 that W3C's note lists, and seconds
// since 1970.
func parseTime(s string) (time.Time, bool) {
	if s != "" && len(s) <= 12 && strings.Trim(s, "0123456789") == "" {
		var n int64
		for i := range len(s) {
			n = n*10 + int64(s[i]-'0')
		}
		return time.Unix(n, 0), true
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02", "2006-01", "2006-01-02T15:04:05Z0700", "20060102T150405Z"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

func parseBool(s string) (on, ok bool) {
	switch lowerASCII(s) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	return false, false
}

func parseBinary(s string) (string, bool) {
	b, err := base64.StdEncoding.DecodeString(s)
	return string(b), err == nil
}

// parseNet reads an address or a range; the bits behind the range's count for
// nothing.
func parseNet(s string) (netip.Prefix, bool) {
	if !strings.Contains(s, "/") {
		a, ok := parseIP(s)
		return netip.PrefixFrom(a, a.BitLen()), ok
	}
	n, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, false
	}
	if a := n.Addr(); a.Is4In6() {
		if n.Bits() < 96 {
			return netip.Prefix{}, false
		}
		n = netip.PrefixFrom(a.Unmap(), n.Bits()-96)
	}
	return n.Masked(), true
}

func parseIP(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, false
	}
	return a.Unmap(), true
}

// holds tells whether a condition is met.
func (e *evaluator) holds(c *condition) bool {
	values, ok := e.value(c.key)
	there := ok && len(values) > 0
	if c.test == testNull {
		for _, absent := range c.bools {
			if absent == !there {
				return true
			}
		}
		return false
	}
	if there && c.set != single && nothing(values) {
		there = false
	}
	if !there {
		switch {
		case e.mutant == mutantMissingHolds:
			return true
		case c.ifExists && e.mutant != mutantNoIfExists, c.set == forAllValues && e.mutant != mutantForAllMissing:
			return true
		case c.set == forAnyValue:
			return false
		}
		return c.not && e.mutant != mutantNotMissing
	}
	switch {
	case c.set == forAllValues && e.mutant != mutantForAllAny:
		for _, v := range values {
			if e.matches(c, v) == c.not {
				return false
			}
		}
		return true
	case c.set != single:
		for _, v := range values {
			if e.matches(c, v) != c.not {
				return true
			}
		}
		return false
	}
	for _, v := range values {
		if e.matches(c, v) {
			return !c.not
		}
	}
	return c.not
}

// nothing tells whether a set is what AWS calls null: of empty texts alone.
func nothing(values []string) bool {
	for _, v := range values {
		if v != "" {
			return false
		}
	}
	return true
}

// matches tells whether one value of the request equals, is like, is less
// than, … one of the document's values.
func (e *evaluator) matches(c *condition, v string) bool {
	switch {
	case c.test <= testStringLike:
		for i := range c.patterns {
			if e.text(c.test, &c.patterns[i], v) {
				return true
			}
		}
	case c.test == testARN:
		for i := range c.arns {
			if e.arn(&c.arns[i], v) {
				return true
			}
		}
	case c.test <= testNumberGreaterEqual:
		n, ok := parseNumber(v)
		if !ok {
			return false
		}
		for _, x := range c.numbers {
			if compares(c.test-testNumberEqual, n.Cmp(x)) {
				return true
			}
		}
	case c.test <= testTimeGreaterEqual:
		t, ok := parseTime(v)
		if !ok {
			return false
		}
		for _, x := range c.times {
			if compares(c.test-testTimeEqual, t.Compare(x)) {
				return true
			}
		}
	case c.test == testBool:
		on, ok := parseBool(v)
		if !ok {
			return false
		}
		for _, x := range c.bools {
			if x == on {
				return true
			}
		}
	case c.test == testBinary:
		b, ok := parseBinary(v)
		if !ok {
			return false
		}
		for _, x := range c.binaries {
			if x == b {
				return true
			}
		}
	case c.test == testIP:
		a, ok := parseIP(v)
		if !ok {
			return false
		}
		for _, x := range c.nets {
			if x.Contains(a) {
				return true
			}
		}
	}
	return false
}

// compares tells whether the outcome of a comparison is what is asked for: the
// tests of numbers and times stand in the same order.
func compares(t test, cmp int) bool {
	switch t {
	case 0:
		return cmp == 0
	case testNumberLess - testNumberEqual:
		return cmp < 0
	case testNumberLessEqual - testNumberEqual:
		return cmp <= 0
	case testNumberGreater - testNumberEqual:
		return cmp > 0
	}
	return cmp >= 0
}

func (e *evaluator) text(t test, p *pattern, v string) bool {
	if t != testStringFold || e.mutant == mutantFold {
		return e.like(p, v)
	}
	q, ok := e.filled(p)
	return ok && q.kind == exact && strings.EqualFold(q.text, v)
}

// like tells whether a pattern covers all of s once its variables have their
// values. Most patterns with variables need no other be made for that.
func (e *evaluator) like(p *pattern, s string) bool {
	if p.kind != expand {
		return p.match(s)
	}
	if !p.plain || e.mutant == mutantVariableWild {
		q, ok := e.filled(p)
		return ok && q.match(s)
	}
	for _, t := range p.tokens {
		text := t.text
		switch t.op {
		case star:
			return true // it is the last
		case one:
			if s == "" {
				return false
			}
			_, n := utf8.DecodeRuneInString(s)
			s = s[n:]
			continue
		case variable:
			var ok bool
			if text, ok = e.variable(t); !ok {
				return false
			}
		}
		var ok bool
		if s, ok = strings.CutPrefix(s, text); !ok {
			return false
		}
	}
	return s == ""
}

// variable gives the value of a variable: the request's, if it has just one,
// or the default if it has none.
func (e *evaluator) variable(t token) (string, bool) {
	values, ok := e.value(t.text)
	switch {
	case ok && len(values) == 1:
		return values[0], true
	case (!ok || len(values) == 0) && t.hasFallback:
		return t.fallback, true
	}
	return "", false
}

func (e *evaluator) arn(a *arnPattern, v string) bool {
	if strings.Count(v, ":") < 5 {
		return false
	}
	for i := range a {
		part := v
		if i < 5 {
			part, v, _ = strings.Cut(v, ":")
		}
		if !e.like(&a[i], part) {
			return false
		}
	}
	return true
}

// filled gives a pattern with the request's values in place of its variables.
// They stand for themselves, whatever characters they have. !ok when the
// request has no value, or several, and the document no default.
func (e *evaluator) filled(p *pattern) (*pattern, bool) {
	if p.kind != expand {
		return p, true
	}
	tokens := make([]token, 0, len(p.tokens))
	for _, t := range p.tokens {
		if t.op == variable {
			text, ok := e.variable(t)
			if !ok {
				return nil, false
			}
			if e.mutant == mutantVariableWild {
				inner, _ := scan(text, true, false)
				tokens = append(tokens, inner...)
				continue
			}
			t = token{op: literal, text: text}
		}
		if n := len(tokens); t.op == literal && n > 0 && tokens[n-1].op == literal {
			tokens[n-1].text += t.text
			continue
		}
		if t.op != literal || t.text != "" {
			tokens = append(tokens, t)
		}
	}
	q := newPattern(tokens)
	return &q, true
}
