package restxml

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"
)

// schema is what a struct type's tags say about its element.
type schema struct {
	root     string // local name of the root element, from XMLName
	space    string // its namespace
	fields   []field
	chardata int // index into fields, or -1
}

// field is one member of a struct.
type field struct {
	index    int    // of the struct field
	name     string // element or attribute
	wrapper  string // element around a list, or ""
	attr     bool
	xsi      bool // the attribute is of the schema-instance namespace
	list     bool // a slice of typ
	omit     bool // omitempty
	required bool
	enum     []string
	typ      reflect.Type // of one value, pointer removed
}

// scalar tells whether a field's value is text.
func (f *field) scalar() bool { return f.typ.Kind() != reflect.Struct || f.typ == timeType }

var (
	timeType  = reflect.TypeFor[time.Time]()
	bytesType = reflect.TypeFor[[]byte]()
)

// schemas caches schema by reflect.Type. A schema depends on the type alone,
// so whoever fills the cache first fills it with what everybody else would.
var schemas sync.Map

// schemaOf gives the schema of a struct type. It panics on a type that has no
// XML form, which is a mistake of the program and not of a client.
func schemaOf(t reflect.Type) *schema {
	if s, ok := schemas.Load(t); ok {
		return s.(*schema)
	}
	s, _ := schemas.LoadOrStore(t, newSchema(t))
	return s.(*schema)
}

func newSchema(t reflect.Type) *schema {
	s := &schema{chardata: -1}
	for i := range t.NumField() {
		sf := t.Field(i)
		tag := sf.Tag.Get("xml")
		name, options, _ := strings.Cut(tag, ",")
		if sf.Name == "XMLName" {
			if space, local, ok := strings.Cut(name, " "); ok {
				s.space, s.root = space, local
			} else {
				s.root = name
			}
			continue
		}
		if tag == "-" || !sf.IsExported() {
			continue
		}
		f := field{index: i, name: name, required: sf.Tag.Get("required") == "true", typ: sf.Type}
		if f.name == "" {
			f.name = sf.Name
		}
		if e := sf.Tag.Get("enum"); e != "" {
			f.enum = strings.Split(e, ",")
		}
		chardata := false
		for o := range strings.SplitSeq(options, ",") {
			switch o {
			case "attr":
				f.attr = true
			case "omitempty":
				f.omit = true
			case "chardata":
				chardata = true
			case "":
			default:
				panic(fmt.Sprintf("restxml: option %q of %v.%s", o, t, sf.Name))
			}
		}
		if f.attr {
			f.name, f.xsi = strings.CutPrefix(f.name, "xsi:")
		}
		if outer, inner, ok := strings.Cut(f.name, ">"); ok {
			f.wrapper, f.name = outer, inner
		}
		if f.typ.Kind() == reflect.Slice && f.typ != bytesType {
			f.list, f.typ = true, f.typ.Elem()
		}
		if f.typ.Kind() == reflect.Pointer {
			f.typ = f.typ.Elem()
		}
		switch f.typ.Kind() {
		case reflect.String, reflect.Bool, reflect.Struct,
			reflect.Int, reflect.Int32, reflect.Int64, reflect.Float32, reflect.Float64:
		default:
			if f.typ != bytesType {
				panic(fmt.Sprintf("restxml: %v.%s has no XML form", t, sf.Name))
			}
		}
		if f.wrapper != "" && !f.list || (chardata || f.attr) && (f.list || !f.scalar()) {
			panic(fmt.Sprintf("restxml: %v.%s has no XML form", t, sf.Name))
		}
		if chardata {
			s.chardata = len(s.fields)
			f.name = ""
		}
		s.fields = append(s.fields, f)
	}
	if len(s.fields) > len(seen{})*64 {
		panic(fmt.Sprintf("restxml: %v has %d fields", t, len(s.fields)))
	}
	return s
}

// element finds the field that an element of that name fills.
func (s *schema) element(name []byte) int {
	for i := range s.fields {
		f := &s.fields[i]
		if f.attr {
			continue
		}
		if f.wrapper == string(name) || f.wrapper == "" && f.name == string(name) && i != s.chardata {
			return i
		}
	}
	return -1
}

// attribute finds the field that an attribute fills.
func (s *schema) attribute(a attr) int {
	for i := range s.fields {
		f := &s.fields[i]
		if f.attr && f.name == string(a.local) && f.xsi == (a.space == InstanceNamespace) && (f.xsi || a.space == "") {
			return i
		}
	}
	return -1
}

// seen is a set of indices of fields.
type seen [2]uint64

func (s *seen) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }
func (s *seen) add(i int)      { s[i/64] |= 1 << (i % 64) }
