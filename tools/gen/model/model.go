// Package model reads the service models under tools/models: the operations
// and shapes of an AWS service, whatever its protocol.
package model

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// Service is one service's model.
type Service struct {
	Name   string // as in the file's name: s3, kms, s3-control
	Ops    map[string]*Op
	Shapes map[string]*Shape
}

// Op is an operation. In and Out are names of shapes, or "" for none.
type Op struct {
	Name    string
	In, Out string
	Method  string // of HTTP, for the REST protocols
	URI     string
	Status  int
}

// Shape is a named shape.
type Shape struct {
	Name     string
	Kind     Kind
	Members  []*Member // of a structure, union or error, in the model's order
	Elem     *Member   // of a list; the value of a map
	Key      *Member   // of a map
	XMLName  string    // the root element where it is not the shape's name
	Simple   Type      // of a simple shape
	Code     string    // of an error: AWS's code on the wire
	HTTPCode int       // of an error
}

// Kind tells shapes apart.
type Kind string

// Kinds of shapes.
const (
	Structure Kind = "structure"
	Union     Kind = "union"
	Error     Kind = "error"
	List      Kind = "list"
	Map       Kind = "map"
	Simple    Kind = "simple"
)

// Type is a scalar type.
type Type string

// Scalar types.
const (
	String    Type = "string"
	Number    Type = "number" // the model doesn't know its width
	Boolean   Type = "boolean"
	Timestamp Type = "timestamp"
	Blob      Type = "blob"
	Document  Type = "document"
)

// Location tells where a member of an input or output travels.
type Location string

// Locations. The body is the zero Location.
const (
	Body    Location = ""
	Header  Location = "header"
	Prefix  Location = "prefixHeaders"
	Query   Location = "query"
	Label   Location = "label"
	Payload Location = "payload"
	Code    Location = "responseCode"
	Params  Location = "queryParams"
)

// Member is a member of a structure, or the element of a list or map.
// Exactly one of Shape and Type is set after Load: Shape for structures,
// unions, lists and maps, Type for scalars. A list that has no name in the
// model gets a Shape without one.
type Member struct {
	Name     string
	Shape    *Shape
	Type     Type
	Format   string // of a timestamp: dateTime, httpDate, or "" for the protocol's own
	Required bool

	Where     Location
	WireName  string // of a header or a query parameter
	XMLName   string
	Attribute bool // an XML attribute
	Flattened bool
	Sensitive bool
	Stream    bool
}

// Bits of a trait that is given as a number.
const (
	bitLabel     = 1
	bitSensitive = 8
	bitPayload   = 16
	bitCode      = 32
	bitParams    = 64
)

// Load reads a model file and links its shapes. A reference to a shape that
// isn't there, or a trait that this package doesn't know, is an error: a
// generator that skips what it doesn't understand makes codecs that lie.
func Load(name, path string) (*Service, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file struct {
		Ops map[string]struct {
			In     json.RawMessage `json:"in"`
			Out    json.RawMessage `json:"out"`
			Traits json.RawMessage `json:"traits"`
		} `json:"ops"`
		Shapes map[string]struct {
			Kind    string          `json:"kind"`
			Members json.RawMessage `json:"members"`
			Req     int             `json:"req"`
			Traits  json.RawMessage `json:"traits"`
			Member  json.RawMessage `json:"member"`
			Key     json.RawMessage `json:"key"`
			Value   json.RawMessage `json:"value"`
			Type    string          `json:"type"`
		} `json:"shapes"`
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s := &Service{Name: name, Ops: map[string]*Op{}, Shapes: map[string]*Shape{}}
	for n := range file.Shapes {
		s.Shapes[n] = &Shape{Name: n}
	}
	l := loader{s}
	for n, raw := range file.Shapes {
		sh := s.Shapes[n]
		if err := l.shapeTraits(sh, raw.Traits); err != nil {
			return nil, fmt.Errorf("%s: shape %s: %w", path, n, err)
		}
		switch raw.Kind {
		case "structure", "union", "error":
			sh.Kind = Kind(raw.Kind)
			if sh.Kind == Error && sh.Code == "" {
				sh.Code = n
			}
			err = object(raw.Members, func(i int, name string, v json.RawMessage) error {
				m, err := l.member(v)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				m.Name = name
				m.Required = i < raw.Req
				sh.Members = append(sh.Members, m)
				return nil
			})
		case "list":
			sh.Kind = List
			sh.Elem, err = l.member(raw.Member)
		case "map":
			sh.Kind = Map
			if sh.Key, err = l.member(raw.Key); err == nil {
				sh.Elem, err = l.member(raw.Value)
			}
		case "simple0":
			sh.Kind = Simple
			t, _, _ := strings.Cut(raw.Type, ":")
			sh.Simple = Type(t)
		default:
			err = fmt.Errorf("kind %q", raw.Kind)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: shape %s: %w", path, n, err)
		}
	}
	for n, raw := range file.Ops {
		op := &Op{Name: n, Status: 200}
		if op.In, err = l.opShape(raw.In); err == nil {
			op.Out, err = l.opShape(raw.Out)
		}
		if err == nil {
			err = opTraits(op, raw.Traits)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: operation %s: %w", path, n, err)
		}
		s.Ops[n] = op
	}
	for _, sh := range s.Shapes {
		sh.settle()
	}
	return s, nil
}

// settle replaces references to simple shapes by their types.
func (s *Shape) settle() {
	fix := func(m *Member) {
		if m != nil && m.Shape != nil && m.Shape.Kind == Simple {
			m.Type, m.Shape = m.Shape.Simple, nil
		}
		if m != nil && m.Shape != nil && m.Shape.Name == "" {
			m.Shape.settle()
		}
	}
	for _, m := range s.Members {
		fix(m)
	}
	fix(s.Elem)
	fix(s.Key)
}

type loader struct{ s *Service }

func (l loader) opShape(raw json.RawMessage) (string, error) {
	var name string
	if err := json.Unmarshal(raw, &name); err != nil {
		return "", err
	}
	if name == "unit" {
		return "", nil
	}
	name = strings.TrimPrefix(name, "#")
	if l.s.Shapes[name] == nil {
		return "", fmt.Errorf("no shape %q", name)
	}
	return name, nil
}

// member reads "string", "#Shape", {"list": …}, {"map": …} or
// {"target": …, "traits": …}.
func (l loader) member(raw json.RawMessage) (*Member, error) {
	m := &Member{}
	var name string
	if json.Unmarshal(raw, &name) == nil {
		if ref, ok := strings.CutPrefix(name, "#"); ok {
			if m.Shape = l.s.Shapes[ref]; m.Shape == nil {
				return nil, fmt.Errorf("no shape %q", ref)
			}
			return m, nil
		}
		t, format, _ := strings.Cut(name, ":")
		m.Type, m.Format = Type(t), format
		switch m.Type {
		case String, Number, Boolean, Timestamp, Blob, Document:
			return m, nil
		case "unit":
			m.Type, m.Shape = "", &Shape{Kind: Structure}
			return m, nil
		}
		return nil, fmt.Errorf("type %q", name)
	}
	var o struct {
		Target json.RawMessage `json:"target"`
		List   json.RawMessage `json:"list"`
		Map    json.RawMessage `json:"map"`
		Traits json.RawMessage `json:"traits"`
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&o); err != nil {
		return nil, err
	}
	switch {
	case o.Target != nil:
		t, err := l.member(o.Target)
		if err != nil {
			return nil, err
		}
		return t, memberTraits(t, o.Traits)
	case o.List != nil:
		e, err := l.member(o.List)
		m.Shape = &Shape{Kind: List, Elem: e}
		return m, err
	case o.Map != nil:
		e, err := l.member(o.Map)
		m.Shape = &Shape{Kind: Map, Key: &Member{Type: String}, Elem: e}
		return m, err
	}
	return nil, fmt.Errorf("member %s", raw)
}

// object walks a JSON object in its order.
func object(raw json.RawMessage, f func(i int, name string, v json.RawMessage) error) error {
	if raw == nil {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("not an object: %v", err)
	}
	for i := 0; dec.More(); i++ {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		var v json.RawMessage
		if err := dec.Decode(&v); err != nil {
			return err
		}
		if err := f(i, t.(string), v); err != nil {
			return err
		}
	}
	return nil
}
