package restxml

import (
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/farhold/farhold/awserr"
)

// Decode reads a request body into the struct that v points to. The root
// element must be the one that the struct's XMLName names. Every violation of
// XML or of the schema is awserr.ErrMalformedXML, with the reason as its
// cause; what was read until then may already be in v.
//
// The caller bounds len(data). Decode panics if v is no pointer to a struct
// with an XMLName.
func Decode(data []byte, v any) error {
	rv := reflect.ValueOf(v)
	if rv.Kind() != reflect.Pointer || rv.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("restxml: Decode into %T", v))
	}
	root := schemaOf(rv.Elem().Type()).root
	if root == "" {
		panic(fmt.Sprintf("restxml: %T has no XMLName", v))
	}
	return DecodeRoot(data, root, v)
}

// DecodeRoot is Decode with the root element's name given, for structs that
// stand for several documents.
func DecodeRoot(data []byte, root string, v any) error {
	s, err := newScanner(data)
	if err == nil {
		err = (&decoder{scanner: s}).document(root, reflect.ValueOf(v).Elem())
	}
	if err != nil {
		where := 0
		if s != nil {
			where = s.pos
		}
		return awserr.ErrMalformedXML.Because(fmt.Errorf("restxml: byte %d: %w", where, err))
	}
	return nil
}

type decoder struct {
	*scanner
	chars []byte // text of the scalar being read
}

func (d *decoder) document(root string, v reflect.Value) error {
	for {
		k, err := d.next()
		if err != nil {
			return err
		}
		if k == kindStart {
			break
		}
	}
	if string(d.local) != root {
		return fmt.Errorf("root is %q, not %q", d.local, root)
	}
	if err := d.structure(v); err != nil {
		return err
	}
	for {
		k, err := d.next()
		if err != nil {
			return err
		}
		if k == kindEOF {
			return nil
		}
	}
}

// structure reads the element whose start tag was just read into v.
func (d *decoder) structure(v reflect.Value) error {
	if !ours(d.space) {
		return fmt.Errorf("element %q of namespace %q", d.local, d.space)
	}
	sc := schemaOf(v.Type())
	name := d.local
	var met seen
	for _, a := range d.attrs {
		i := sc.attribute(a)
		if i < 0 {
			if err := ignorable(a); err != nil {
				return err
			}
			continue
		}
		met.add(i)
		if err := setScalar(&sc.fields[i], v.Field(sc.fields[i].index), []byte(a.value)); err != nil {
			return err
		}
	}
	if sc.chardata >= 0 {
		met.add(sc.chardata)
		if err := sc.complete(name, &met); err != nil {
			return err
		}
		return d.scalar(&sc.fields[sc.chardata], v.Field(sc.fields[sc.chardata].index))
	}
	for {
		k, err := d.next()
		if err != nil {
			return err
		}
		switch k {
		case kindText:
			if err := d.blank(); err != nil {
				return err
			}
		case kindEnd:
			return sc.complete(name, &met)
		case kindStart:
			i := sc.element(d.local)
			if i < 0 {
				return fmt.Errorf("unknown element %q in %q", d.local, name)
			}
			f := &sc.fields[i]
			if met.has(i) && (!f.list || f.wrapper != "") {
				return fmt.Errorf("element %q twice in %q", d.local, name)
			}
			met.add(i)
			if f.wrapper != "" {
				err = d.wrapped(f, v.Field(f.index))
			} else {
				err = d.value(f, v.Field(f.index))
			}
			if err != nil {
				return err
			}
		}
	}
}

// complete refuses an element that lacks a required member.
func (s *schema) complete(name []byte, met *seen) error {
	for i := range s.fields {
		if s.fields[i].required && !met.has(i) {
			return fmt.Errorf("%q lacks %q", name, s.fields[i].name)
		}
	}
	return nil
}

// wrapped reads a list that stands inside an element of its own. An empty one
// gives an empty list that is not nil.
func (d *decoder) wrapped(f *field, v reflect.Value) error {
	if err := d.plain(); err != nil {
		return err
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	for {
		k, err := d.next()
		if err != nil {
			return err
		}
		switch k {
		case kindText:
			if err := d.blank(); err != nil {
				return err
			}
		case kindEnd:
			return nil
		case kindStart:
			if string(d.local) != f.name {
				return fmt.Errorf("unknown element %q in %q", d.local, f.wrapper)
			}
			if err := d.value(f, v); err != nil {
				return err
			}
		}
	}
}

// value reads one element into a field: sets it, or appends to it.
func (d *decoder) value(f *field, v reflect.Value) error {
	if f.list {
		if v.Len() == v.Cap() {
			v.Grow(1)
		}
		v.SetLen(v.Len() + 1)
		v = v.Index(v.Len() - 1)
		v.SetZero()
	}
	if f.scalar() {
		if err := d.plain(); err != nil {
			return err
		}
		return d.scalar(f, v)
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(f.typ))
		v = v.Elem()
	}
	return d.structure(v)
}

// plain checks the start tag of an element that has no attributes of its own.
func (d *decoder) plain() error {
	if !ours(d.space) {
		return fmt.Errorf("element %q of namespace %q", d.local, d.space)
	}
	for _, a := range d.attrs {
		if err := ignorable(a); err != nil {
			return err
		}
	}
	return nil
}

// ignorable passes attributes that say nothing about the content: those of the
// xml prefix and of the schema instance (xsi:schemaLocation, xsi:nil).
func ignorable(a attr) error {
	if a.space == InstanceNamespace || a.space == "http://www.w3.org/XML/1998/namespace" {
		return nil
	}
	return fmt.Errorf("unknown attribute %q", a.local)
}

// blank refuses text between elements.
func (d *decoder) blank() error {
	for _, c := range d.text {
		if !isSpace(c) {
			return errors.New("text between elements")
		}
	}
	return nil
}

// scalar reads the text of the element whose start tag was just read.
func (d *decoder) scalar(f *field, v reflect.Value) error {
	var text []byte
	runs := 0
	for {
		k, err := d.next()
		if err != nil {
			return err
		}
		switch k {
		case kindStart:
			return fmt.Errorf("element %q in %q", d.local, f.name)
		case kindText:
			switch runs++; runs {
			case 1:
				text = d.text
				// The scanner's buffer lives until its next token; a second run of
				// text is rare, so the first is copied only if it is in that buffer.
				if len(text) > 0 && len(d.buf) > 0 && &text[0] == &d.buf[0] {
					d.chars = append(d.chars[:0], text...)
					text = d.chars
				}
			case 2:
				d.chars = append(append(make([]byte, 0, len(text)+len(d.text)), text...), d.text...)
				text = d.chars
			default:
				d.chars = append(d.chars, d.text...)
				text = d.chars
			}
		case kindEnd:
			return setScalar(f, v, text)
		}
	}
}

// setScalar parses text into v by its type. Numbers, booleans and times may
// have white space around them; strings are taken as they are.
func setScalar(f *field, v reflect.Value, text []byte) error {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(f.typ))
		v = v.Elem()
	}
	if f.typ.Kind() == reflect.String {
		s := string(text)
		if f.enum != nil && !member(f.enum, s) {
			return fmt.Errorf("%q is no %s", s, f.name)
		}
		v.SetString(s)
		return nil
	}
	s := strings.Trim(string(text), " \t\r\n")
	switch f.typ.Kind() {
	case reflect.Bool:
		switch {
		case strings.EqualFold(s, "true") || s == "1":
			v.SetBool(true)
		case strings.EqualFold(s, "false") || s == "0":
			v.SetBool(false)
		default:
			return fmt.Errorf("%s is %q", f.name, s)
		}
	case reflect.Int, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(s, 10, f.typ.Bits())
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		v.SetInt(n)
	case reflect.Float32, reflect.Float64:
		n, err := strconv.ParseFloat(s, f.typ.Bits())
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		v.SetFloat(n)
	case reflect.Slice:
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		v.SetBytes(b)
	case reflect.Struct:
		t, err := parseTime(s)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		v.Set(reflect.ValueOf(t))
	}
	return nil
}

func member(set []string, s string) bool {
	for _, e := range set {
		if e == s {
			return true
		}
	}
	return false
}

// httpTime is the form of RFC 9110, in which DeleteObjects gives times.
const httpTime = "Mon, 02 Jan 2006 15:04:05 GMT"

// parseTime reads the forms of ISO 8601 that clients send, and HTTP's own.
func parseTime(s string) (time.Time, error) {
	if len(s) == len(time.DateOnly) {
		return time.Parse(time.DateOnly, s)
	}
	if t, err := time.Parse("2006-01-02T15:04:05.999999999", s); err == nil {
		return t, nil
	}
	if t, err := time.Parse("2006-01-02T15:04:05.999999999Z0700", s); err == nil {
		return t.UTC(), nil
	}
	if t, err := time.Parse(httpTime, s); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	return t.UTC(), err
}
