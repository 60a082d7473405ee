// Package validate checks a decoded request against what the service's model
// says of it, and words what is wrong as AWS does.
package validate

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/farhold/farhold/wire/shape"
)

// errorsMax bounds how many errors one answer lists.
const errorsMax = 20

// valueMax bounds how much of a bad value an answer repeats, in bytes. AWS
// repeats all of it.
const valueMax = 8 << 10

// Style says how a service words its errors.
type Style struct {
	// HideValues leaves the value, and the set of an enumeration, out: "Value at
	// 'roleName' failed to …". IAM does.
	HideValues bool
}

// Check checks the struct that v points to. It gives "" for one that fulfils
// everything, else AWS's message: "1 validation error detected: Value null at
// 'keyId' failed to satisfy constraint: Member must not be null".
func (s Style) Check(v any) string {
	c := checker{style: s}
	c.structure("", reflect.ValueOf(v).Elem())
	n := len(c.found)
	if n == 0 {
		return ""
	}
	word := " validation errors detected: "
	if n == 1 {
		word = " validation error detected: "
	}
	return strconv.Itoa(n) + word + strings.Join(c.found, "; ")
}

type checker struct {
	style Style
	found []string
}

// say notes what is wrong. value is how the value is shown; nil hides it.
func (c *checker) say(path string, value *string, constraint string) {
	if len(c.found) >= errorsMax {
		return
	}
	shown := "Value"
	if value != nil {
		v := *value
		if len(v) > valueMax {
			v = strings.ToValidUTF8(v[:valueMax], "") + "..."
		}
		shown += " '" + v + "'"
	}
	c.found = append(c.found, shown+" at '"+path+"' failed to satisfy constraint: "+constraint)
}

func (c *checker) structure(prefix string, v reflect.Value) {
	st := shape.Of(v.Type())
	for i := range st.Fields {
		f := &st.Fields[i]
		path := prefix + f.Lower
		value, ok := f.Type.Present(v.Field(f.Index))
		if !ok {
			if f.Required {
				null := "Value null"
				if c.style.HideValues {
					null = "Value"
				}
				if len(c.found) < errorsMax {
					c.found = append(c.found, null+" at '"+path+"' failed to satisfy constraint: Member must not be null")
				}
			}
			continue
		}
		if f.Rules != nil {
			c.value(path, f, value)
		}
		switch f.Type.Kind {
		case shape.Structure:
			c.structure(path+".", value)
		case shape.List:
			c.list(path, f, value)
		case shape.Map:
			c.maps(path, f, value)
		}
	}
}

// value reports each constraint that a value breaks as an error of its own.
func (c *checker) value(path string, f *shape.Field, v reflect.Value) {
	for _, constraint := range c.broken(f.Rules, f.Type, v) {
		c.say(path, c.show(f, v), constraint)
	}
}

// show gives a value as AWS prints it, or nil where it is not to be seen.
func (c *checker) show(f *shape.Field, v reflect.Value) *string {
	if c.style.HideValues || f.Secret || f.Type.Kind == shape.Blob {
		return nil
	}
	s := text(f.Type, v)
	return &s
}

// text prints a value as Java does.
func text(t *shape.Type, v reflect.Value) string {
	switch t.Kind {
	case shape.String:
		return v.String()
	case shape.Bool:
		return strconv.FormatBool(v.Bool())
	case shape.Int:
		return strconv.FormatInt(v.Int(), 10)
	case shape.Float:
		s := strconv.FormatFloat(v.Float(), 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	case shape.List:
		var parts []string
		for i := range v.Len() {
			parts = append(parts, text(t.Elem, v.Index(i)))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case shape.Map:
		var parts []string
		for _, k := range sortedKeys(v) {
			parts = append(parts, k.String()+"="+text(t.Elem, v.MapIndex(k)))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case shape.Structure:
		st := shape.Of(t.Go)
		var parts []string
		for i := range st.Fields {
			f := &st.Fields[i]
			shown := "null"
			if x, ok := f.Type.Present(v.Field(f.Index)); ok {
				shown = "***"
				if !f.Secret {
					shown = text(f.Type, x)
				}
			}
			parts = append(parts, f.Lower+"="+shown)
		}
		return st.Name + "(" + strings.Join(parts, ", ") + ")"
	}
	return "***"
}

func sortedKeys(v reflect.Value) []reflect.Value {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return keys
}

func (c *checker) list(path string, f *shape.Field, v reflect.Value) {
	if f.Type.Elem.Kind == shape.Structure {
		for i := range v.Len() {
			if len(c.found) >= errorsMax {
				return
			}
			c.structure(path+"."+strconv.Itoa(i+1)+".member.", v.Index(i))
		}
		return
	}
	if f.Elem == nil {
		return
	}
	for i := range v.Len() {
		if len(c.broken(f.Elem, f.Type.Elem, v.Index(i))) > 0 {
			// AWS names the list and everything that its elements must fulfil.
			c.say(path, c.show(f, v), "Member must satisfy constraint: ["+strings.Join(c.all(f.Elem), ", ")+"]")
			return
		}
	}
}

func (c *checker) maps(path string, f *shape.Field, v reflect.Value) {
	keys, values := false, false
	for _, k := range sortedKeys(v) {
		x := v.MapIndex(k)
		keys = keys || f.Key != nil && len(c.broken(f.Key, &shape.Type{Kind: shape.String, Go: k.Type()}, k)) > 0
		switch {
		case f.Type.Elem.Kind == shape.Structure:
			if len(c.found) >= errorsMax {
				return
			}
			c.structure(path+"."+k.String()+".member.", x)
		case f.Elem != nil:
			values = values || len(c.broken(f.Elem, f.Type.Elem, x)) > 0
		}
	}
	if keys {
		c.say(path, c.show(f, v), "Map keys must satisfy constraint: ["+strings.Join(c.all(f.Key), ", ")+"]")
	}
	if values {
		c.say(path, c.show(f, v), "Map value must satisfy constraint: ["+strings.Join(c.all(f.Elem), ", ")+"]")
	}
}

// broken gives the constraints that a value breaks, in AWS's words and order.
func (c *checker) broken(r *shape.Rules, t *shape.Type, v reflect.Value) []string {
	var out []string
	if r.Enum != nil && t.Kind == shape.String && !slices.Contains(r.Enum, v.String()) {
		out = append(out, c.enum(r))
	}
	if r.Pattern != "" && t.Kind == shape.String {
		if p := compiled(r.Pattern); p != nil && !p.MatchString(v.String()) {
			out = append(out, "Member must satisfy regular expression pattern: "+r.Pattern)
		}
	}
	if !r.Bounded {
		return out
	}
	n, what := 0.0, "length"
	switch t.Kind {
	case shape.String:
		n = float64(units(v.String()))
	case shape.Blob, shape.List, shape.Map:
		n = float64(v.Len())
	case shape.Int:
		n, what = float64(v.Int()), "value"
	case shape.Float:
		n, what = v.Float(), "value"
	default:
		return out
	}
	if r.Max != nil && !(n <= *r.Max) {
		out = append(out, "Member must have "+what+" less than or equal to "+number(*r.Max))
	}
	if r.Min != nil && !(n >= *r.Min) {
		out = append(out, "Member must have "+what+" greater than or equal to "+number(*r.Min))
	}
	return out
}

// all gives everything that an element must fulfil.
func (c *checker) all(r *shape.Rules) []string {
	var out []string
	what := "length"
	if r.Value {
		what = "value"
	}
	if r.Max != nil {
		out = append(out, "Member must have "+what+" less than or equal to "+number(*r.Max))
	}
	if r.Min != nil {
		out = append(out, "Member must have "+what+" greater than or equal to "+number(*r.Min))
	}
	if r.Pattern != "" {
		out = append(out, "Member must satisfy regular expression pattern: "+r.Pattern)
	}
	if r.Enum != nil {
		out = append(out, c.enum(r))
	}
	return append(out, "Member must not be null")
}

func (c *checker) enum(r *shape.Rules) string {
	if c.style.HideValues {
		return "Member must satisfy enum value set"
	}
	return "Member must satisfy enum value set: [" + strings.Join(r.Enum, ", ") + "]"
}

func number(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// units counts what Java calls the length of a string: code units of UTF-16.
func units(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}
