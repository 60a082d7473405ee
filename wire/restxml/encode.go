package restxml

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"strconv"
	"time"
)

// Encode writes the struct v, or the struct that v points to, as a document:
// declaration, root element as XMLName has it (with S3's namespace where it
// names none), members in the order of the fields. Nil pointers and nil slices
// are left out; so are zero values of fields marked omitempty.
//
// It returns an error for a value that is no struct with an XMLName.
func Encode(v any) ([]byte, error) {
	rv := reflect.Indirect(reflect.ValueOf(v))
	if rv.Kind() != reflect.Struct {
		return nil, fmt.Errorf("restxml: Encode of %T", v)
	}
	s := schemaOf(rv.Type())
	if s.root == "" {
		return nil, fmt.Errorf("restxml: %T has no XMLName", v)
	}
	space := s.space
	if space == "" {
		space = Namespace
	}
	return EncodeRoot(space, s.root, v)
}

// EncodeRoot is Encode with the root element's namespace and name given. An
// empty namespace is left out.
func EncodeRoot(space, root string, v any) ([]byte, error) {
	rv := reflect.Indirect(reflect.ValueOf(v))
	if rv.Kind() != reflect.Struct {
		return nil, fmt.Errorf("restxml: Encode of %T", v)
	}
	w := NewWriter(make([]byte, 0, 512))
	w.structure(root, space, rv)
	return w.Bytes(), nil
}

// Value writes the struct v, or the struct that v points to, as an element of
// a document that is being written by hand.
func (w *Writer) Value(name string, v any) {
	w.structure(name, "", reflect.Indirect(reflect.ValueOf(v)))
}

func (w *Writer) structure(name, space string, v reflect.Value) {
	sc := schemaOf(v.Type())
	w.buf = append(w.buf, '<')
	w.buf = append(w.buf, name...)
	if space != "" {
		w.attribute("xmlns", space)
	}
	for i := range sc.fields {
		f := &sc.fields[i]
		fv := v.Field(f.index)
		if !f.attr || absent(f, fv) {
			continue
		}
		attr := f.name
		if f.xsi {
			w.attribute("xmlns:xsi", InstanceNamespace)
			attr = "xsi:" + attr
		}
		w.attribute(attr, scalarText(reflect.Indirect(fv)))
	}
	mark := len(w.buf)
	w.buf = append(w.buf, '>')
	for i := range sc.fields {
		f := &sc.fields[i]
		fv := v.Field(f.index)
		if f.attr || absent(f, fv) {
			continue
		}
		switch {
		case i == sc.chardata:
			w.Text(scalarText(reflect.Indirect(fv)))
		case !f.list:
			w.element(f, fv)
		default:
			if f.wrapper != "" {
				if fv.Len() == 0 {
					w.Empty(f.wrapper)
					continue
				}
				w.Open(f.wrapper)
			}
			for j := range fv.Len() {
				w.element(f, fv.Index(j))
			}
			if f.wrapper != "" {
				w.Close(f.wrapper)
			}
		}
	}
	if len(w.buf) == mark+1 {
		w.buf = append(w.buf[:mark], '/', '>')
		return
	}
	w.Close(name)
}

func (w *Writer) attribute(name, value string) {
	w.buf = append(w.buf, ' ')
	w.buf = append(w.buf, name...)
	w.buf = append(w.buf, '=', '"')
	w.buf = appendEscaped(w.buf, value, true)
	w.buf = append(w.buf, '"')
}

func (w *Writer) element(f *field, v reflect.Value) {
	v = reflect.Indirect(v)
	if f.scalar() {
		w.Elem(f.name, scalarText(v))
		return
	}
	w.structure(f.name, "", v)
}

func absent(f *field, v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice:
		return v.IsNil() || f.omit && v.Kind() == reflect.Slice && v.Len() == 0
	}
	return f.omit && v.IsZero()
}

func scalarText(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.Float32, reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'g', -1, v.Type().Bits())
	case reflect.Slice:
		return base64.StdEncoding.EncodeToString(v.Bytes())
	case reflect.Struct:
		return v.Interface().(time.Time).UTC().Format(TimeFormat)
	}
	return strconv.FormatInt(v.Int(), 10)
}
