// Package rpccbor is AWS's RPC v2 protocol over CBOR: it reads requests into the
// structs of wire/shapes and writes their answers.
package rpccbor

import (
	"math"
	"math/big"
	"reflect"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/wire/shape"
)

// Protocol is the value of the header Smithy-Protocol, on requests and on
// answers. Clients refuse an answer without it.
const Protocol = "rpc-v2-cbor"

// ContentType is that of requests and answers.
const ContentType = "application/cbor"

const (
	depthMax    = 64
	elementsMax = 1 << 18 // of one array or map
)

// ErrSerialization is answered to a document that can't be read.
var ErrSerialization = awserr.New("SerializationException", 400, "")

// reader gives the mode in which documents are read: keys once, text UTF-8,
// definite and indefinite lengths, bounded nesting.
func reader() (cbor.DecMode, error) {
	return cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, MaxNestedLevels: depthMax, MaxArrayElements: elementsMax, MaxMapPairs: elementsMax,
		IndefLength: cbor.IndefLengthAllowed, TagsMd: cbor.TagsAllowed, TimeTagToAny: cbor.TimeTagToTime, UTF8: cbor.UTF8RejectInvalid,
		BignumTag: cbor.BignumTagAllowed, DefaultMapType: reflect.TypeFor[map[string]any](),
		UnrecognizedTagToAny: cbor.UnrecognizedTagNumAndContentToAny,
	}.DecMode()
}

// Codec reads and writes documents. It is safe for concurrent use.
type Codec struct {
	dec cbor.DecMode
	enc cbor.EncMode
}

// New makes a codec.
func New() (*Codec, error) {
	dec, err := reader()
	if err != nil {
		return nil, err
	}
	enc, err := cbor.EncOptions{Sort: cbor.SortBytewiseLexical}.EncMode()
	if err != nil {
		return nil, err
	}
	return &Codec{dec, enc}, nil
}

// Decode reads a document into the struct that v points to. Nothing at all
// reads like an empty map, members that the shape does not have are read over,
// null and undefined are absence. The caller bounds len(data). Every error is
// ErrSerialization.
func (c *Codec) Decode(data []byte, v any) error {
	if len(data) == 0 {
		return nil
	}
	var doc any
	if err := c.dec.Unmarshal(data, &doc); err != nil {
		return ErrSerialization.Text("The document is no CBOR that is served").Because(err)
	}
	rv := reflect.ValueOf(v).Elem()
	return bind(&shape.Type{Kind: shape.Structure, Go: rv.Type()}, rv, doc)
}

func mismatch(doc any, t *shape.Type) error {
	return ErrSerialization.Text("%s can not be converted to %s", kindOf(doc), t.Kind)
}

func kindOf(doc any) string {
	switch doc.(type) {
	case string:
		return "Text"
	case []byte:
		return "Bytes"
	case bool:
		return "Boolean"
	case int64, uint64, big.Int:
		return "Integer"
	case float64:
		return "Float"
	case []any:
		return "List"
	case map[string]any:
		return "Map"
	case time.Time:
		return "Timestamp"
	case nil:
		return "Null"
	}
	return "Tag"
}

// bind puts a parsed value of type t into v, which is settled already.
func bind(t *shape.Type, v reflect.Value, doc any) error {
	switch t.Kind {
	case shape.String:
		s, ok := doc.(string)
		if !ok {
			return mismatch(doc, t)
		}
		v.SetString(s)
	case shape.Blob:
		b, ok := doc.([]byte)
		if !ok {
			return mismatch(doc, t)
		}
		v.SetBytes(b)
	case shape.Bool:
		b, ok := doc.(bool)
		if !ok {
			return mismatch(doc, t)
		}
		v.SetBool(b)
	case shape.Int:
		n, ok := integer(doc)
		if !ok || v.OverflowInt(n) {
			return mismatch(doc, t)
		}
		v.SetInt(n)
	case shape.Float:
		f, ok := float(doc)
		if !ok || v.OverflowFloat(f) && !math.IsInf(f, 0) {
			return mismatch(doc, t)
		}
		v.SetFloat(f)
	case shape.Time:
		// The reader has made times of tags 0 and 1. Infinities and NaN gave it
		// the zero time, which is no time that anybody means.
		read, ok := doc.(time.Time)
		if !ok || read.IsZero() {
			return mismatch(doc, t)
		}
		at, ok := shape.Epoch(float64(read.Unix()) + float64(read.Nanosecond())/1e9)
		if !ok {
			return mismatch(doc, t)
		}
		v.Set(reflect.ValueOf(at))
	case shape.List:
		list, ok := doc.([]any)
		if !ok {
			return mismatch(doc, t)
		}
		v.Set(reflect.MakeSlice(t.Go, len(list), len(list)))
		for i, e := range list {
			if err := bind(t.Elem, v.Index(i), e); err != nil {
				return err
			}
		}
	case shape.Map:
		m, ok := doc.(map[string]any)
		if !ok {
			return mismatch(doc, t)
		}
		v.Set(reflect.MakeMapWithSize(t.Go, len(m)))
		for k, e := range m {
			to := reflect.New(t.Elem.Go).Elem()
			if err := bind(t.Elem, to, e); err != nil {
				return err
			}
			v.SetMapIndex(reflect.ValueOf(k), to)
		}
	case shape.Structure:
		m, ok := doc.(map[string]any)
		if !ok {
			return mismatch(doc, t)
		}
		st := shape.Of(v.Type())
		for i := range st.Fields {
			f := &st.Fields[i]
			e, ok := m[f.Name]
			if !ok || e == nil {
				continue
			}
			if err := bind(f.Type, f.Type.Settle(v.Field(f.Index)), e); err != nil {
				return err
			}
		}
	}
	return nil
}

// integer takes integers of any width, and floats that are one.
func integer(doc any) (int64, bool) {
	switch n := doc.(type) {
	case int64:
		return n, true
	case uint64:
		return int64(n), n <= math.MaxInt64
	case float64:
		return int64(n), n == math.Trunc(n) && math.Abs(n) <= 1<<53
	}
	return 0, false
}

func float(doc any) (float64, bool) {
	switch n := doc.(type) {
	case float64:
		return n, true
	case int64:
		return float64(n), true
	case uint64:
		return float64(n), true
	}
	return 0, false
}

// Encode writes the struct that v points to; nil is an empty map. What is
// absent is left out, times are tag 1 around a 64-bit float, keys are sorted.
func (c *Codec) Encode(v any) ([]byte, error) {
	if v == nil {
		return c.enc.Marshal(map[string]any{})
	}
	return c.enc.Marshal(unbind(&shape.Type{Kind: shape.Structure}, reflect.Indirect(reflect.ValueOf(v))))
}

// EncodeError writes an error. A message that is empty is left out.
func (c *Codec) EncodeError(code, message string) ([]byte, error) {
	m := map[string]string{"__type": code}
	if message != "" {
		m["message"] = message
	}
	return c.enc.Marshal(m)
}

func unbind(t *shape.Type, v reflect.Value) any {
	switch t.Kind {
	case shape.Time:
		return cbor.Tag{Number: 1, Content: shape.Seconds(v.Interface().(time.Time))}
	case shape.List:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = unbind(t.Elem, v.Index(i))
		}
		return list
	case shape.Map:
		m := make(map[string]any, v.Len())
		for _, k := range v.MapKeys() {
			m[k.String()] = unbind(t.Elem, v.MapIndex(k))
		}
		return m
	case shape.Structure:
		st := shape.Of(v.Type())
		m := make(map[string]any, len(st.Fields))
		for i := range st.Fields {
			f := &st.Fields[i]
			if x, ok := f.Type.Present(v.Field(f.Index)); ok {
				m[f.Name] = unbind(f.Type, x)
			}
		}
		return m
	}
	return v.Interface()
}
