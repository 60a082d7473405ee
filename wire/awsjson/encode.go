package awsjson

import (
	"encoding/base64"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/farhold/farhold/wire/shape"
)

// Encode writes the struct that v points to; nil is an empty one. What is
// absent is left out, members stand in the model's order, times are seconds
// after 1970 to the millisecond.
func Encode(v any) []byte {
	if v == nil {
		return []byte("{}")
	}
	rv := reflect.Indirect(reflect.ValueOf(v))
	return structure(make([]byte, 0, 512), rv)
}

// EncodeError writes an error as both versions of the protocol have it. A
// message that is empty is left out, as AWS does.
func EncodeError(code, message string) []byte {
	b := appendText([]byte(`{"__type":`), code)
	if message != "" {
		b = appendText(append(b, `,"message":`...), message)
	}
	return append(b, '}')
}

func structure(b []byte, v reflect.Value) []byte {
	st := shape.Of(v.Type())
	b = append(b, '{')
	first := true
	for i := range st.Fields {
		f := &st.Fields[i]
		x, ok := f.Type.Present(v.Field(f.Index))
		if !ok {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(appendText(b, f.Name), ':')
		b = value(b, f.Type, x)
	}
	return append(b, '}')
}

func value(b []byte, t *shape.Type, v reflect.Value) []byte {
	switch t.Kind {
	case shape.String:
		return appendText(b, v.String())
	case shape.Bool:
		return strconv.AppendBool(b, v.Bool())
	case shape.Int:
		return strconv.AppendInt(b, v.Int(), 10)
	case shape.Float:
		return appendFloat(b, v.Float(), t.Go.Bits())
	case shape.Time:
		return strconv.AppendFloat(b, shape.Seconds(v.Interface().(time.Time)), 'f', -1, 64)
	case shape.Blob:
		return append(base64.StdEncoding.AppendEncode(append(b, '"'), v.Bytes()), '"')
	case shape.List:
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			b = value(b, t.Elem, v.Index(i))
		}
		return append(b, ']')
	case shape.Map:
		keys := make([]string, 0, v.Len())
		for _, k := range v.MapKeys() {
			keys = append(keys, k.String())
		}
		slices.Sort(keys)
		b = append(b, '{')
		for i, k := range keys {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendText(b, k), ':')
			b = value(b, t.Elem, v.MapIndex(reflect.ValueOf(k)))
		}
		return append(b, '}')
	}
	return structure(b, v)
}

// appendFloat writes a number; JSON has none that are not finite, which travel
// as text.
func appendFloat(b []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(b, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(b, `"-Infinity"`...)
	}
	return strconv.AppendFloat(b, f, 'g', -1, bits)
}

const hexDigits = "0123456789abcdef"

// appendText writes a string. What is no UTF-8 becomes U+FFFD.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			switch {
			case c == '"' || c == '\\':
				b = append(b, '\\', c)
			case c == '\n':
				b = append(b, '\\', 'n')
			case c == '\r':
				b = append(b, '\\', 'r')
			case c == '\t':
				b = append(b, '\\', 't')
			case c < 0x20 || c == 0x7f:
				b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			default:
				b = append(b, c)
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		b = utf8.AppendRune(b, r)
		i += n
	}
	return append(b, '"')
}
