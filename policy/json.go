package policy

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Bounds of a document, whatever it is attached to.
const (
	// SizeMax is the longest document that is read, in bytes. Services have
	// smaller limits, which do not count white space.
	SizeMax  = 256 << 10
	depthMax = 16 // statements' conditions nest seven deep
)

// value is a JSON value with its place in the document.
type value struct {
	kind       valueKind
	text       string // of a string; digits of a number; true or false
	items      []value
	names      []string // of an object's members
	start, end int      // offsets: of the first byte, and behind the last
}

type valueKind uint8

const (
	nullValue valueKind = iota
	boolValue
	numberValue
	stringValue
	arrayValue
	objectValue
)

// member gives an object's member, or nil.
func (v *value) member(name string) *value {
	for i := range v.names {
		if v.names[i] == name {
			return &v.items[i]
		}
	}
	return nil
}

// reader reads JSON strictly. encoding/json can't be used: it lets a later
// member override an earlier one, and "effect" override "Effect".
type reader struct {
	raw string
	at  int
}

func readJSON(raw []byte) (value, error) {
	if len(raw) > SizeMax {
		return value{}, fmt.Errorf("longer than %d bytes", SizeMax)
	}
	if !utf8.Valid(raw) {
		return value{}, errors.New("invalid UTF-8")
	}
	r := &reader{raw: string(raw)}
	v, err := r.value(0)
	if err != nil {
		return value{}, fmt.Errorf("at byte %d: %w", r.at, err)
	}
	r.space()
	if r.at != len(r.raw) {
		return value{}, fmt.Errorf("at byte %d: something after the value", r.at)
	}
	return v, nil
}

func (r *reader) space() {
	for r.at < len(r.raw) {
		switch r.raw[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}

// next skips white space and gives the byte that follows, 0 at the end.
func (r *reader) next() byte {
	r.space()
	if r.at == len(r.raw) {
		return 0
	}
	return r.raw[r.at]
}

var errSyntax = errors.New("not JSON")

func (r *reader) value(depth int) (v value, err error) {
	if depth == depthMax {
		return v, errors.New("nested too deep")
	}
	c := r.next()
	v.start = r.at
	switch {
	case c == '{':
		err = r.object(&v, depth)
	case c == '[':
		err = r.array(&v, depth)
	case c == '"':
		v.kind = stringValue
		v.text, err = r.str()
	case c == '-' || '0' <= c && c <= '9':
		v.kind = numberValue
		v.text, err = r.number()
	default:
		err = r.word(&v)
	}
	v.end = r.at
	return v, err
}

func (r *reader) word(v *value) error {
	for _, w := range []string{"true", "false", "null"} {
		if len(r.raw)-r.at >= len(w) && r.raw[r.at:r.at+len(w)] == w {
			r.at += len(w)
			if w != "null" {
				v.kind, v.text = boolValue, w
			}
			return nil
		}
	}
	return errSyntax
}

func (r *reader) object(v *value, depth int) error {
	v.kind = objectValue
	r.at++
	if r.next() == '}' {
		r.at++
		return nil
	}
	seen := map[string]bool{}
	for {
		if r.next() != '"' {
			return errSyntax
		}
		name, err := r.str()
		if err != nil {
			return err
		}
		if seen[name] {
			return fmt.Errorf("member %q twice", name)
		}
		seen[name] = true
		if r.next() != ':' {
			return errSyntax
		}
		r.at++
		item, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		v.names, v.items = append(v.names, name), append(v.items, item)
		switch r.next() {
		case ',':
			r.at++
		case '}':
			r.at++
			return nil
		default:
			return errSyntax
		}
	}
}

func (r *reader) array(v *value, depth int) error {
	v.kind = arrayValue
	r.at++
	if r.next() == ']' {
		r.at++
		return nil
	}
	for {
		item, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		v.items = append(v.items, item)
		switch r.next() {
		case ',':
			r.at++
		case ']':
			r.at++
			return nil
		default:
			return errSyntax
		}
	}
}

// str reads a string. Half of a surrogate pair, and the character that stands
// for what could not be read, are refused: two readers could take them for
// different things.
func (r *reader) str() (string, error) {
	r.at++
	from := r.at
	var b []byte // in use once there was an escape
	for r.at < len(r.raw) {
		c := r.raw[r.at]
		switch {
		case c == '"':
			s := r.raw[from:r.at]
			if b != nil {
				s = string(append(b, s...))
			}
			r.at++
			for i := 0; i+2 < len(s); i++ {
				if s[i] == 0xef && s[i+1] == 0xbf && s[i+2] == 0xbd {
					return "", errors.New("replacement character")
				}
			}
			return s, nil
		case c < 0x20:
			return "", errors.New("control character in a string")
		case c == '\\':
			b = append(b, r.raw[from:r.at]...)
			if b == nil {
				b = []byte{}
			}
			var err error
			if b, err = r.escape(b); err != nil {
				return "", err
			}
			from = r.at
		default:
			r.at++
		}
	}
	return "", errSyntax
}

func (r *reader) escape(b []byte) ([]byte, error) {
	if r.at+1 >= len(r.raw) {
		return nil, errSyntax
	}
	c := r.raw[r.at+1]
	r.at += 2
	switch c {
	case '"', '\\', '/':
		return append(b, c), nil
	case 'b':
		return append(b, '\b'), nil
	case 'f':
		return append(b, '\f'), nil
	case 'n':
		return append(b, '\n'), nil
	case 'r':
		return append(b, '\r'), nil
	case 't':
		return append(b, '\t'), nil
	case 'u':
		u, ok := r.hex()
		if !ok {
			return nil, errSyntax
		}
		if utf16.IsSurrogate(u) {
			if len(r.raw)-r.at < 6 || r.raw[r.at:r.at+2] != `\u` {
				return nil, errors.New("lone surrogate")
			}
			r.at += 2
			low, ok := r.hex()
			if !ok {
				return nil, errSyntax
			}
			if u = utf16.DecodeRune(u, low); u == utf8.RuneError {
				return nil, errors.New("lone surrogate")
			}
		}
		return utf8.AppendRune(b, u), nil
	}
	return nil, errSyntax
}

func (r *reader) hex() (rune, bool) {
	if len(r.raw)-r.at < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(r.raw[r.at:r.at+4], 16, 32)
	if err != nil || r.raw[r.at] == '+' {
		return 0, false
	}
	r.at += 4
	return rune(n), true
}

func (r *reader) number() (string, error) {
	from := r.at
	digits := func() bool {
		n := r.at
		for r.at < len(r.raw) && '0' <= r.raw[r.at] && r.raw[r.at] <= '9' {
			r.at++
		}
		return r.at > n
	}
	is := func(set string) bool {
		for i := range len(set) {
			if r.at < len(r.raw) && r.raw[r.at] == set[i] {
				r.at++
				return true
			}
		}
		return false
	}
	is("-")
	if !is("0") && !digits() {
		return "", errSyntax
	}
	if is(".") && !digits() {
		return "", errSyntax
	}
	if is("eE") {
		is("+-")
		if !digits() {
			return "", errSyntax
		}
	}
	return r.raw[from:r.at], nil
}
