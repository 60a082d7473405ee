// Package shape reads the generated structs under wire/shapes: what the
// members of a request or an answer are called, what they hold, and what a
// request must fulfil. The codecs of all protocols and package validate share
// it, so that one struct serves them all.
//
// # Types
//
// Scalars are pointers in structs and values in lists and maps: string, bool,
// int32, int64, float32, float64, time.Time. A blob is a []byte. A structure is a
// pointer to a struct, or a struct in a list or a map. Maps have strings as keys.
//
// # Tags
//
//	name:"kmsKeyId"     the member's name, where it is not the field's
//	xml:"Outer>Inner"   the element, or parameter, of a list and of its members
//	xml:"Name,flat"     a list without an element around it
//	xml:"-"             no part of a document
//	header:"x-amz-…"    travels in a header; query:"…" and label:"…" likewise
//	payload:"ns root"   is the body, in an element of that namespace and name
//	required:"true"     must be there
//	enum:"A,B"          one of these
//	len:"1,64"          length of a string (characters) or blob (bytes), number of elements
//	range:"0,10"        value of a number
//	pattern:"[a-z]+"    what the whole string must match
//	elem.…, key.…, value.…   the same for elements of a list, keys and values of a map
//	sensitive:"true"    must not be shown
//	unit:"true"         on a blank field: the operation has no answer at all
package shape

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Kind is what a value is on the wire.
type Kind uint8

// Kinds.
const (
	String Kind = iota
	Bool
	Int
	Float
	Time
	Blob
	List
	Map
	Structure
)

// String names a kind as AWS's decoders do in their texts.
func (k Kind) String() string {
	return [...]string{"String", "Boolean", "Integer", "Float", "Timestamp", "Blob", "List", "Map", "Structure"}[k]
}

// Type is the type of a value.
type Type struct {
	Kind    Kind
	Go      reflect.Type // pointer removed
	Pointer bool         // it is held by a pointer
	Elem    *Type        // of a list or a map
}

// Struct is a structure.
type Struct struct {
	Name   string
	Fields []Field
	Space  string // namespace of its element when it is a document
	Root   string // name of that element
	Unit   bool   // an operation that takes or answers nothing
	byName map[string]int
}

// Field is a member.
type Field struct {
	Index    int    // of the Go field
	Name     string // of the member
	Lower    string // as validation errors name it: keyId
	Element  string // in XML and in Query's parameters
	Inner    string // of a list's members
	Flat     bool   // a list, or a map, without an element around it
	Header   string
	Query    string
	Label    string
	Payload  bool
	Space    string // of the payload
	Type     *Type
	Required bool
	Secret   bool
	Rules    *Rules // of the value; nil for none
	Elem     *Rules // of a list's elements or a map's values
	Key      *Rules // of a map's keys
}

// Rules are what a value must fulfil.
type Rules struct {
	Enum    []string
	Bounded bool // Min and Max count
	Value   bool // they are of the value, not of the length
	Min     *float64
	Max     *float64
	Pattern string
}

// structs caches Struct by reflect.Type. A Struct depends on the type alone, so
// whoever fills the cache first fills it with what everybody else would.
var structs sync.Map

// Of gives what a struct type is. It panics on a type that has no form on the
// wire, which is a mistake of the program and not of a client.
func Of(t reflect.Type) *Struct {
	if s, ok := structs.Load(t); ok {
		return s.(*Struct)
	}
	s, _ := structs.LoadOrStore(t, read(t))
	return s.(*Struct)
}

// Field finds a member by its name, or gives nil. Names that differ in case
// are other names.
func (s *Struct) Field(name string) *Field {
	if i, ok := s.byName[name]; ok {
		return &s.Fields[i]
	}
	return nil
}

func read(t reflect.Type) *Struct {
	if t.Kind() != reflect.Struct {
		panic(fmt.Sprintf("shape: %v is no struct", t))
	}
	s := &Struct{Name: t.Name(), byName: map[string]int{}}
	for i := range t.NumField() {
		sf := t.Field(i)
		if sf.Name == "XMLName" {
			s.Space, s.Root, _ = strings.Cut(sf.Tag.Get("xml"), " ")
			continue
		}
		if sf.Name == "_" {
			s.Unit = sf.Tag.Get("unit") == "true"
			continue
		}
		if !sf.IsExported() {
			panic(fmt.Sprintf("shape: %v.%s is not exported", t, sf.Name))
		}
		f := Field{
			Index: i, Name: sf.Name, Header: sf.Tag.Get("header"), Query: sf.Tag.Get("query"), Label: sf.Tag.Get("label"),
			Required: sf.Tag.Get("required") == "true", Secret: sf.Tag.Get("sensitive") == "true",
			Type: typeOf(sf.Type), Rules: rules(sf.Tag, ""), Key: rules(sf.Tag, "key."),
		}
		if n := sf.Tag.Get("name"); n != "" {
			f.Name = n
		}
		f.Lower = strings.ToLower(f.Name[:1]) + f.Name[1:]
		if f.Type.Kind == Map {
			f.Elem = rules(sf.Tag, "value.")
		} else {
			f.Elem = rules(sf.Tag, "elem.")
		}
		f.Element, f.Inner = f.Name, "member"
		if x := sf.Tag.Get("xml"); x != "" && x != "-" {
			name, options, _ := strings.Cut(x, ",")
			f.Flat = options == "flat"
			f.Element, name, _ = strings.Cut(name, ">")
			if name != "" {
				f.Inner = name
			}
		}
		if p := sf.Tag.Get("payload"); p != "" {
			f.Payload = true
			f.Space, f.Element, _ = strings.Cut(p, " ")
		}
		s.byName[f.Name] = len(s.Fields)
		s.Fields = append(s.Fields, f)
	}
	return s
}

func typeOf(t reflect.Type) *Type {
	out := &Type{Go: t}
	if t.Kind() == reflect.Pointer {
		out.Pointer, out.Go = true, t.Elem()
	}
	switch out.Go.Kind() {
	case reflect.String:
		out.Kind = String
	case reflect.Bool:
		out.Kind = Bool
	case reflect.Int32, reflect.Int64:
		out.Kind = Int
	case reflect.Float32, reflect.Float64:
		out.Kind = Float
	case reflect.Slice:
		if out.Go.Elem().Kind() == reflect.Uint8 {
			out.Kind = Blob
			break
		}
		out.Kind, out.Elem = List, typeOf(out.Go.Elem())
	case reflect.Map:
		if out.Go.Key().Kind() != reflect.String {
			panic(fmt.Sprintf("shape: %v has no form on the wire", t))
		}
		out.Kind, out.Elem = Map, typeOf(out.Go.Elem())
	case reflect.Struct:
		out.Kind = Structure
		if out.Go == reflect.TypeFor[time.Time]() {
			out.Kind = Time
		}
	default:
		panic(fmt.Sprintf("shape: %v has no form on the wire", t))
	}
	return out
}

func rules(tag reflect.StructTag, prefix string) *Rules {
	var r Rules
	some := false
	if e, ok := tag.Lookup(prefix + "enum"); ok {
		r.Enum, some = strings.Split(e, ","), true
	}
	for _, name := range []string{"len", "range"} {
		b, ok := tag.Lookup(prefix + name)
		if !ok {
			continue
		}
		low, high, _ := strings.Cut(b, ",")
		r.Bounded, r.Value, some = true, name == "range", true
		for _, x := range []struct {
			text string
			at   **float64
		}{{low, &r.Min}, {high, &r.Max}} {
			if x.text == "" {
				continue
			}
			n, err := strconv.ParseFloat(x.text, 64)
			if err != nil {
				panic(fmt.Sprintf("shape: %s:%q", name, b))
			}
			*x.at = &n
		}
	}
	if p, ok := tag.Lookup(prefix + "pattern"); ok {
		r.Pattern, some = p, true
	}
	if !some {
		return nil
	}
	return &r
}

// Settle gives the place that a value of type t is written to: v itself, or
// what a new pointer in v points to.
func (t *Type) Settle(v reflect.Value) reflect.Value {
	if !t.Pointer {
		return v
	}
	v.Set(reflect.New(t.Go))
	return v.Elem()
}

// Present tells whether a member is there, and gives its value without the
// pointer.
func (t *Type) Present(v reflect.Value) (reflect.Value, bool) {
	switch {
	case t.Pointer:
		if v.IsNil() {
			return v, false
		}
		return v.Elem(), true
	case t.Kind == List, t.Kind == Map, t.Kind == Blob:
		return v, !v.IsNil()
	}
	return v, true
}
