// Package awsjson is AWS's JSON protocols 1.0 and 1.1: it reads requests into
// the structs of wire/shapes and writes their answers.
//
// The reader is strict where leniency would let two readers see two requests:
// a member stands once, names are compared exactly, text is UTF-8 and has no
// lone surrogates, numbers are in range, nothing follows the document. Members
// that the shape does not have are read over, as AWS does, and null is absence.
package awsjson

import (
	"encoding/base64"
	"math"
	"reflect"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/wire/shape"
)

// DepthMax bounds how deep a document may nest.
const DepthMax = 64

// ErrSerialization is answered to a document that can't be read.
var ErrSerialization = awserr.New("SerializationException", 400, "")

// Decode reads a document into the struct that v points to. Nothing at all
// reads like an empty object. The caller bounds len(data). Every error is
// ErrSerialization; what was read until then may already be in v.
func Decode(data []byte, v any) error {
	d := decoder{data: data}
	d.space()
	if d.at == len(data) {
		return nil
	}
	if !utf8.Valid(data) {
		return ErrSerialization.Text("Invalid UTF-8")
	}
	rv := reflect.ValueOf(v).Elem()
	if err := d.value(&shape.Type{Kind: shape.Structure, Go: rv.Type()}, rv, 1); err != nil {
		return err
	}
	d.space()
	if d.at != len(data) {
		return d.unexpected()
	}
	return nil
}

type decoder struct {
	data []byte
	at   int
}

func (d *decoder) unexpected() error {
	if d.at >= len(d.data) {
		return ErrSerialization.Text("Unexpected end of document")
	}
	return ErrSerialization.Text("Unexpected character at offset %d", d.at)
}

func (d *decoder) space() {
	for d.at < len(d.data) {
		switch d.data[d.at] {
		case ' ', '\t', '\r', '\n':
			d.at++
		default:
			return
		}
	}
}

// next skips space and gives the byte that a value, or punctuation, begins
// with; 0 at the end.
func (d *decoder) next() byte {
	d.space()
	if d.at >= len(d.data) {
		return 0
	}
	return d.data[d.at]
}

func (d *decoder) take(c byte) error {
	if d.next() != c {
		return d.unexpected()
	}
	d.at++
	return nil
}

func (d *decoder) word(w string) error {
	if len(d.data)-d.at < len(w) || string(d.data[d.at:d.at+len(w)]) != w {
		return d.unexpected()
	}
	d.at += len(w)
	return nil
}

// mismatch says that a value begins with c where a t is wanted.
func mismatch(c byte, t *shape.Type) error {
	switch {
	case t.Kind == shape.List:
		return ErrSerialization.Text("Expected list or null")
	case t.Kind == shape.Map, t.Kind == shape.Structure:
		if c == '[' {
			return ErrSerialization.Text("Start of list found where not expected")
		}
		return ErrSerialization.Text("Expected map or null")
	}
	what := "NUMBER_VALUE"
	switch c {
	case '{':
		return ErrSerialization.Text("Start of structure or map found where not expected")
	case '[':
		return ErrSerialization.Text("Start of list found where not expected")
	case '"':
		what = "STRING_VALUE"
	case 't':
		what = "TRUE_VALUE"
	case 'f':
		what = "FALSE_VALUE"
	}
	return ErrSerialization.Text("%s can not be converted to %s", what, t.Kind)
}

// value reads a value of type t into v, which is settled already.
func (d *decoder) value(t *shape.Type, v reflect.Value, depth int) error {
	if depth > DepthMax {
		return ErrSerialization.Text("The document nests too deep")
	}
	c := d.next()
	switch c {
	case '"', '{', '[', 't', 'f', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
	default:
		return d.unexpected()
	}
	isNumber := c == '-' || c >= '0' && c <= '9'
	switch t.Kind {
	case shape.String, shape.Blob:
		if c != '"' {
			return mismatch(c, t)
		}
		s, err := d.text()
		if err != nil {
			return err
		}
		if t.Kind == shape.String {
			v.SetString(s)
			return nil
		}
		b, err := base64.StdEncoding.Strict().DecodeString(s)
		if err != nil {
			return ErrSerialization.Text("Invalid base64")
		}
		v.SetBytes(b)
	case shape.Bool:
		switch c {
		case 't':
			v.SetBool(true)
			return d.word("true")
		case 'f':
			v.SetBool(false)
			return d.word("false")
		}
		return mismatch(c, t)
	case shape.Int, shape.Float, shape.Time:
		if !isNumber {
			return mismatch(c, t)
		}
		s, err := d.number()
		if err != nil {
			return err
		}
		return setNumber(t, v, s)
	case shape.List:
		if c != '[' {
			return mismatch(c, t)
		}
		return d.list(t, v, depth)
	case shape.Map:
		if c != '{' {
			return mismatch(c, t)
		}
		return d.maps(t, v, depth)
	case shape.Structure:
		if c != '{' {
			return mismatch(c, t)
		}
		return d.structure(v, depth)
	}
	return nil
}

// setNumber puts a number where it belongs, if it fits. A fraction is no
// integer, but 1.0 and 1e3 are.
func setNumber(t *shape.Type, v reflect.Value, s string) error {
	if t.Kind == shape.Int {
		n, err := strconv.ParseInt(s, 10, t.Go.Bits())
		if err == nil {
			v.SetInt(n)
			return nil
		}
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 || v.OverflowInt(int64(f)) {
			return ErrSerialization.Text("%.40s can not be converted to %s", s, t.Kind)
		}
		v.SetInt(int64(f))
		return nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return ErrSerialization.Text("%.40s can not be converted to %s", s, t.Kind)
	}
	if t.Kind == shape.Float {
		if v.OverflowFloat(f) {
			return ErrSerialization.Text("%.40s can not be converted to %s", s, t.Kind)
		}
		v.SetFloat(f)
		return nil
	}
	at, ok := shape.Epoch(f)
	if !ok {
		return ErrSerialization.Text("%.40s can not be converted to %s", s, t.Kind)
	}
	v.Set(reflect.ValueOf(at))
	return nil
}

// members walks an object. f reads the value of a name.
func (d *decoder) members(f func(name string) error) error {
	d.at++ // {
	if d.next() == '}' {
		d.at++
		return nil
	}
	for {
		if d.next() != '"' {
			return d.unexpected()
		}
		name, err := d.text()
		if err != nil {
			return err
		}
		if err := d.take(':'); err != nil {
			return err
		}
		if err := f(name); err != nil {
			return err
		}
		if more, err := d.follows('}'); !more {
			return err
		}
	}
}

// elements walks a list. f reads a value.
func (d *decoder) elements(f func() error) error {
	d.at++ // [
	if d.next() == ']' {
		d.at++
		return nil
	}
	for {
		if err := f(); err != nil {
			return err
		}
		if more, err := d.follows(']'); !more {
			return err
		}
	}
}

// follows takes a comma, or the end of what is walked. It tells which.
func (d *decoder) follows(end byte) (more bool, err error) {
	switch d.next() {
	case ',':
		d.at++
		return true, nil
	case end:
		d.at++
		return false, nil
	}
	return false, d.unexpected()
}

func twice(name string) error { return ErrSerialization.Text("Duplicate member %.100q", name) }

func (d *decoder) structure(v reflect.Value, depth int) error {
	st := shape.Of(v.Type())
	seen := make(map[string]struct{}, len(st.Fields))
	return d.members(func(name string) error {
		if _, ok := seen[name]; ok {
			return twice(name)
		}
		seen[name] = struct{}{}
		f := st.Field(name)
		if f == nil {
			return d.skip(depth + 1)
		}
		if d.next() == 'n' {
			return d.word("null")
		}
		return d.value(f.Type, f.Type.Settle(v.Field(f.Index)), depth+1)
	})
}

func (d *decoder) maps(t *shape.Type, v reflect.Value, depth int) error {
	v.Set(reflect.MakeMap(t.Go))
	return d.members(func(name string) error {
		key := reflect.ValueOf(name)
		if v.MapIndex(key).IsValid() {
			return twice(name)
		}
		if d.next() == 'n' {
			return ErrSerialization.Text("Unexpected null in a map")
		}
		e := reflect.New(t.Elem.Go).Elem()
		if err := d.value(t.Elem, e, depth+1); err != nil {
			return err
		}
		v.SetMapIndex(key, e)
		return nil
	})
}

func (d *decoder) list(t *shape.Type, v reflect.Value, depth int) error {
	v.Set(reflect.MakeSlice(t.Go, 0, 0))
	return d.elements(func() error {
		if d.next() == 'n' {
			return ErrSerialization.Text("Unexpected null in a list")
		}
		n := v.Len()
		if n == v.Cap() {
			v.Grow(1)
		}
		v.SetLen(n + 1)
		e := v.Index(n)
		e.SetZero()
		return d.value(t.Elem, e, depth+1)
	})
}

// skip reads over a value that nobody wants, and checks it all the same.
func (d *decoder) skip(depth int) error {
	if depth > DepthMax {
		return ErrSerialization.Text("The document nests too deep")
	}
	switch c := d.next(); c {
	case '"':
		_, err := d.text()
		return err
	case '{':
		seen := map[string]struct{}{}
		return d.members(func(name string) error {
			if _, ok := seen[name]; ok {
				return twice(name)
			}
			seen[name] = struct{}{}
			return d.skip(depth + 1)
		})
	case '[':
		return d.elements(func() error { return d.skip(depth + 1) })
	case 't':
		return d.word("true")
	case 'f':
		return d.word("false")
	case 'n':
		return d.word("null")
	default:
		if c == '-' || c >= '0' && c <= '9' {
			_, err := d.number()
			return err
		}
		return d.unexpected()
	}
}

// number reads a number as JSON spells it.
func (d *decoder) number() (string, error) {
	from := d.at
	digits := func() bool {
		n := d.at
		for d.at < len(d.data) && d.data[d.at] >= '0' && d.data[d.at] <= '9' {
			d.at++
		}
		return d.at > n
	}
	if d.data[d.at] == '-' {
		d.at++
	}
	first := d.at
	if !digits() || d.data[first] == '0' && d.at > first+1 {
		d.at = first
		return "", d.unexpected()
	}
	if d.at < len(d.data) && d.data[d.at] == '.' {
		d.at++
		if !digits() {
			return "", d.unexpected()
		}
	}
	if d.at < len(d.data) && (d.data[d.at] == 'e' || d.data[d.at] == 'E') {
		d.at++
		if d.at < len(d.data) && (d.data[d.at] == '+' || d.data[d.at] == '-') {
			d.at++
		}
		if !digits() {
			return "", d.unexpected()
		}
	}
	return string(d.data[from:d.at]), nil
}

// text reads a string whose quotation mark comes next.
func (d *decoder) text() (string, error) {
	d.at++
	from := d.at
	for d.at < len(d.data) {
		switch c := d.data[d.at]; {
		case c == '"':
			s := string(d.data[from:d.at])
			d.at++
			return s, nil
		case c == '\\':
			return d.escaped(from)
		case c < 0x20:
			return "", d.unexpected()
		}
		d.at++
	}
	return "", d.unexpected()
}

// escaped goes on with a string that has escapes.
func (d *decoder) escaped(from int) (string, error) {
	out := append(make([]byte, 0, 2*(d.at-from)+16), d.data[from:d.at]...)
	for d.at < len(d.data) {
		c := d.data[d.at]
		switch {
		case c == '"':
			d.at++
			return string(out), nil
		case c < 0x20:
			return "", d.unexpected()
		case c != '\\':
			out = append(out, c)
			d.at++
			continue
		}
		if d.at++; d.at >= len(d.data) {
			break
		}
		switch c := d.data[d.at]; c {
		case '"', '\\', '/':
			out = append(out, c)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, ok := d.hex4(d.at + 1)
			if !ok {
				return "", d.unexpected()
			}
			d.at += 4
			if utf16.IsSurrogate(r) {
				low, ok := rune(0), false
				if d.at+2 < len(d.data) && d.data[d.at+1] == '\\' && d.data[d.at+2] == 'u' {
					low, ok = d.hex4(d.at + 3)
				}
				if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
					return "", ErrSerialization.Text("A surrogate without its other half")
				}
				d.at += 6
			}
			out = utf8.AppendRune(out, r)
		default:
			return "", d.unexpected()
		}
		d.at++
	}
	return "", d.unexpected()
}

func (d *decoder) hex4(at int) (rune, bool) {
	if at+4 > len(d.data) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(d.data[at:at+4]), 16, 16)
	return rune(n), err == nil
}
