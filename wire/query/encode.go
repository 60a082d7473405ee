package query

import (
	"encoding/base64"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/farhold/farhold/wire/restxml"
	"github.com/farhold/farhold/wire/shape"
)

// timeFormat is how times stand in answers: UTC, to the second.
const timeFormat = "2006-01-02T15:04:05Z"

// Encode writes the answer to an operation:
//
//	<OpResponse xmlns="space"><OpResult>…</OpResult><ResponseMetadata>…
//
// v points to a struct, or is nil for an operation that answers nothing; so
// is a struct that says it is none. Those have no Result.
func Encode(space, op string, v any, requestID string) []byte {
	w := restxml.NewWriter(make([]byte, 0, 1024))
	w.OpenNS(op+"Response", space)
	if v != nil {
		rv := reflect.Indirect(reflect.ValueOf(v))
		if st := shape.Of(rv.Type()); !st.Unit {
			encodeStructure(w, op+"Result", rv)
		}
	}
	w.Open("ResponseMetadata")
	w.Elem("RequestId", requestID)
	w.Close("ResponseMetadata")
	w.Close(op + "Response")
	return w.Bytes()
}

// EncodeError writes an error. fault is Sender or Receiver: see Fault.
func EncodeError(space, fault, code, message, requestID string) []byte {
	w := restxml.NewWriter(make([]byte, 0, 512))
	w.OpenNS("ErrorResponse", space)
	w.Open("Error")
	w.Elem("Type", fault)
	w.Elem("Code", code)
	w.Elem("Message", message)
	w.Close("Error")
	w.Elem("RequestId", requestID)
	w.Close("ErrorResponse")
	return w.Bytes()
}

// Fault says whose fault an error of an HTTP status is.
func Fault(status int) string {
	if status >= 500 {
		return "Receiver"
	}
	return "Sender"
}

func encodeStructure(w *restxml.Writer, name string, v reflect.Value) {
	before := w.Len()
	w.Open(name)
	empty := w.Len()
	st := shape.Of(v.Type())
	for i := range st.Fields {
		f := &st.Fields[i]
		if x, ok := f.Type.Present(v.Field(f.Index)); ok {
			encodeValue(w, f.Element, f, f.Type, x)
		}
	}
	if w.Len() == empty {
		w.Truncate(before)
		w.Empty(name)
		return
	}
	w.Close(name)
}

func encodeValue(w *restxml.Writer, name string, f *shape.Field, t *shape.Type, v reflect.Value) {
	switch t.Kind {
	case shape.Structure:
		encodeStructure(w, name, v)
	case shape.List:
		inner := "member"
		if f != nil {
			inner = f.Inner
		}
		flat := f != nil && f.Flat
		if flat {
			inner = name
		} else if v.Len() == 0 {
			w.Empty(name)
			return
		} else {
			w.Open(name)
		}
		for i := range v.Len() {
			encodeValue(w, inner, nil, t.Elem, v.Index(i))
		}
		if !flat {
			w.Close(name)
		}
	case shape.Map:
		encodeMap(w, name, f != nil && f.Flat, t, v)
	default:
		w.Elem(name, text(t, v))
	}
}

func encodeMap(w *restxml.Writer, name string, flat bool, t *shape.Type, v reflect.Value) {
	entry := "entry"
	if flat {
		entry = name
	} else if v.Len() == 0 {
		w.Empty(name)
		return
	} else {
		w.Open(name)
	}
	keys := make([]string, 0, v.Len())
	for _, k := range v.MapKeys() {
		keys = append(keys, k.String())
	}
	slices.Sort(keys)
	for _, k := range keys {
		w.Open(entry)
		w.Elem("key", k)
		encodeValue(w, "value", nil, t.Elem, v.MapIndex(reflect.ValueOf(k)))
		w.Close(entry)
	}
	if !flat {
		w.Close(name)
	}
}

func text(t *shape.Type, v reflect.Value) string {
	switch t.Kind {
	case shape.Bool:
		return strconv.FormatBool(v.Bool())
	case shape.Int:
		return strconv.FormatInt(v.Int(), 10)
	case shape.Float:
		return strconv.FormatFloat(v.Float(), 'g', -1, t.Go.Bits())
	case shape.Blob:
		return base64.StdEncoding.EncodeToString(v.Bytes())
	case shape.Time:
		return v.Interface().(time.Time).UTC().Format(timeFormat)
	}
	return v.String()
}
