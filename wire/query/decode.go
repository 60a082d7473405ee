// Package query is AWS's Query protocol: requests are forms, answers are XML.
// It reads and writes the structs of wire/shapes.
//
// A parameter's name is a path: Tags.member.1.Key is the member Key of the
// first element of the list Tags, and Attributes.entry.2.value a value of a map.
package query

import (
	"encoding/base64"
	"math"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/wire/shape"
)

const (
	// paramsMax bounds the number of parameters of a request.
	paramsMax = 20_000
	// depthMax bounds the parts of a parameter's name.
	depthMax = 32
)

// Errors of requests that can't be read.
var (
	ErrSyntax    = awserr.New("MalformedQueryString", 400, "The query string contains a syntax error.")
	ErrMalformed = awserr.New("MalformedInput", 400, "")
)

// Form is a parsed request: its parameters, each of which stands once.
type Form map[string]string

// Parse reads the parameters of texts, which are the query of a URL and the
// body of a form. One that stands twice is an error: what one reader takes,
// another would not. So is one that is no UTF-8.
func Parse(texts ...string) (Form, error) {
	form := Form{}
	for _, text := range texts {
		for text != "" {
			var pair string
			pair, text, _ = strings.Cut(text, "&")
			if pair == "" {
				continue
			}
			name, value, _ := strings.Cut(pair, "=")
			name, err := url.QueryUnescape(name)
			if err == nil {
				value, err = url.QueryUnescape(value)
			}
			if err != nil || !utf8.ValidString(name) || !utf8.ValidString(value) {
				return nil, ErrSyntax
			}
			if _, twice := form[name]; twice || len(form) >= paramsMax {
				return nil, ErrSyntax
			}
			form[name] = value
		}
	}
	return form, nil
}

// node is a parameter, and those whose names go on from its own.
type node struct {
	value string
	set   bool
	below map[string]*node
}

func (n *node) child(name string) *node {
	if n == nil {
		return nil
	}
	return n.below[name]
}

// Decode reads parameters into the struct that v points to. Parameters that
// the shape does not have, Action and Version among them, are read over. An
// error is ErrMalformed or ErrSyntax.
func (f Form) Decode(v any) error {
	root := &node{}
	for name, value := range f {
		if strings.Count(name, ".") >= depthMax {
			return ErrSyntax
		}
		n := root
		for part := range strings.SplitSeq(name, ".") {
			next := n.below[part]
			if next == nil {
				next = &node{}
				if n.below == nil {
					n.below = map[string]*node{}
				}
				n.below[part] = next
			}
			n = next
		}
		n.value, n.set = value, true
	}
	return structure("", root, reflect.ValueOf(v).Elem())
}

func structure(prefix string, n *node, v reflect.Value) error {
	st := shape.Of(v.Type())
	for i := range st.Fields {
		f := &st.Fields[i]
		at := n.child(f.Element)
		if at == nil {
			continue
		}
		if err := value(prefix+f.Element, at, f, f.Type, v.Field(f.Index)); err != nil {
			return err
		}
	}
	return nil
}

// value reads what stands at and below n into v. f says how the names of lists
// go on; within a list or a map that is not a member's own, as AWS has by
// default.
func value(path string, n *node, f *shape.Field, t *shape.Type, v reflect.Value) error {
	switch t.Kind {
	case shape.Structure:
		if n.below == nil {
			// An empty structure has no parameter: whatever stands here is no member.
			return nil
		}
		return structure(path+".", n, t.Settle(v))
	case shape.List:
		return list(path, n, f, t, v)
	case shape.Map:
		return maps(path, n, f, t, v)
	}
	if !n.set {
		return nil
	}
	return scalar(path, n.value, t, t.Settle(v))
}

// numbered gives the children whose names are numbers from 1, in order. Gaps
// close, as on AWS.
func numbered(path string, n *node) ([]*node, error) {
	type one struct {
		at int
		n  *node
	}
	var found []one
	for name, c := range n.below {
		at, err := strconv.Atoi(name)
		if err != nil || at < 1 || name[0] == '0' || name[0] == '+' {
			return nil, ErrMalformed.Text("Key %s.%.40s is not the number of an element", path, name)
		}
		found = append(found, one{at, c})
	}
	slices.SortFunc(found, func(a, b one) int { return a.at - b.at })
	out := make([]*node, len(found))
	for i, x := range found {
		out[i] = x.n
	}
	return out, nil
}

func list(path string, n *node, f *shape.Field, t *shape.Type, v reflect.Value) error {
	if f == nil || !f.Flat {
		inner := "member"
		if f != nil {
			inner = f.Inner
		}
		if n.set && n.value == "" && n.below == nil { // Tags= is an empty list
			v.Set(reflect.MakeSlice(t.Go, 0, 0))
			return nil
		}
		n, path = n.child(inner), path+"."+inner
	}
	if n == nil {
		return nil
	}
	elements, err := numbered(path, n)
	if err != nil {
		return err
	}
	v.Set(reflect.MakeSlice(t.Go, len(elements), len(elements)))
	for i, e := range elements {
		if err := value(path+"."+strconv.Itoa(i+1), e, nil, t.Elem, v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

func maps(path string, n *node, f *shape.Field, t *shape.Type, v reflect.Value) error {
	if f == nil || !f.Flat {
		if n.set && n.value == "" && n.below == nil {
			v.Set(reflect.MakeMap(t.Go))
			return nil
		}
		n, path = n.child("entry"), path+".entry"
	}
	if n == nil {
		return nil
	}
	entries, err := numbered(path, n)
	if err != nil {
		return err
	}
	v.Set(reflect.MakeMapWithSize(t.Go, len(entries)))
	for i, e := range entries {
		where := path + "." + strconv.Itoa(i+1)
		k, x := e.child("key"), e.child("value")
		if k == nil || !k.set || x == nil {
			return ErrMalformed.Text("%s lacks its key or its value", where)
		}
		key := reflect.ValueOf(k.value)
		if v.MapIndex(key).IsValid() {
			return ErrMalformed.Text("%s.key stands twice", where)
		}
		to := reflect.New(t.Elem.Go).Elem()
		if err := value(where+".value", x, nil, t.Elem, to); err != nil {
			return err
		}
		v.SetMapIndex(key, to)
	}
	return nil
}

// Scalar reads the text of a scalar of type t into a field that holds one, for
// whatever else travels as text: headers, labels and parameters of REST. path
// names it in the error, which is ErrMalformed.
func Scalar(path, s string, t *shape.Type, field reflect.Value) error {
	return scalar(path, s, t, t.Settle(field))
}

func scalar(path, s string, t *shape.Type, v reflect.Value) error {
	bad := func() error {
		return ErrMalformed.Text("%s: %.100q can not be converted to %s", path, s, t.Kind)
	}
	switch t.Kind {
	case shape.String:
		v.SetString(s)
	case shape.Bool:
		switch {
		case strings.EqualFold(s, "true"):
			v.SetBool(true)
		case strings.EqualFold(s, "false"):
			v.SetBool(false)
		default:
			return bad()
		}
	case shape.Int:
		n, err := strconv.ParseInt(s, 10, t.Go.Bits())
		if err != nil {
			return bad()
		}
		v.SetInt(n)
	case shape.Float:
		n, err := strconv.ParseFloat(s, t.Go.Bits())
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
			return bad()
		}
		v.SetFloat(n)
	case shape.Blob:
		b, err := base64.StdEncoding.Strict().DecodeString(s)
		if err != nil || strings.ContainsAny(s, "\r\n") {
			return bad()
		}
		v.SetBytes(b)
	case shape.Time:
		at, ok := shape.ParseTime(s)
		if !ok {
			return bad()
		}
		v.Set(reflect.ValueOf(at))
	}
	return nil
}
