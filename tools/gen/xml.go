package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/format"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/farhold/farhold/tools/gen/model"
)

// details is what a model lacks.
type details struct {
	Enums   map[string][]string `json:"enums"`   // enumeration → values
	Members map[string]string   `json:"members"` // Structure.Member → enumeration, int32 or int64
}

// generate writes the XML shapes of a target.
func (t target) generate(dir string) ([]File, error) {
	svc, err := model.Load(t.service, filepath.Join(dir, "tools/models/model-"+t.service+".json"))
	if err != nil {
		return nil, err
	}
	e := &emitter{target: t, svc: svc, done: map[string]bool{}, roots: map[string]string{}}
	data, err := os.ReadFile(filepath.Join(dir, "tools/models/details-"+t.service+".json"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err == nil {
		if err := json.Unmarshal(data, &e.details); err != nil {
			return nil, err
		}
	}
	var queue []string
	for _, name := range slices.Sorted(slices.Values(t.served)) {
		op := svc.Ops[name]
		if op == nil {
			return nil, fmt.Errorf("no operation %q", name)
		}
		found, err := e.documents(op)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		queue = append(queue, found...)
	}
	if err := e.all(queue); err != nil {
		return nil, err
	}
	types, err := e.file(t.pkg)
	if err != nil {
		return nil, err
	}
	return []File{{t.dir + "/types.go", types}}, nil
}

type emitter struct {
	target
	svc     *model.Service
	details details
	roots   map[string]string // shape → root element
	done    map[string]bool
	types   []typeText
	useTime bool
}

type typeText struct{ name, text string }

// documents finds what a REST-XML operation reads from its body and what it
// answers with.
func (e *emitter) documents(op *model.Op) ([]string, error) {
	var found []string
	for i, name := range []string{op.In, op.Out} {
		if name == "" {
			continue
		}
		sh := e.svc.Shapes[name]
		payload, body := false, false
		for _, m := range sh.Members {
			switch m.Where {
			case model.Payload:
				payload = true
				if m.Shape == nil { // a stream, or a policy
					continue
				}
				element := m.XMLName
				if element == "" {
					element = m.Shape.XMLName
				}
				if element == "" {
					element = m.Shape.Name
				}
				if err := e.root(m.Shape.Name, element); err != nil {
					return nil, err
				}
				found = append(found, m.Shape.Name)
			case model.Body:
				body = true
			}
		}
		if payload || !body {
			continue
		}
		if i == 0 {
			return nil, fmt.Errorf("%s has body members without a payload", name)
		}
		element := sh.XMLName
		if element == "" {
			element = name
		}
		if err := e.root(name, element); err != nil {
			return nil, err
		}
		found = append(found, name)
	}
	return found, nil
}

func (e *emitter) root(shape, element string) error {
	if old, ok := e.roots[shape]; ok && old != element {
		return fmt.Errorf("%s is both %s and %s", shape, old, element)
	}
	e.roots[shape] = element
	return nil
}

// all writes the structures that queue names and those that they reach.
func (e *emitter) all(queue []string) error { return walk(e.svc, queue, e.done, e.structure) }

func (e *emitter) structure(sh *model.Shape) ([]string, error) {
	var b strings.Builder
	what := "element"
	if element, ok := e.roots[sh.Name]; ok {
		what = "document <" + element + ">"
	}
	fmt.Fprintf(&b, "// %s is the %s of the model's shape %s.\ntype %s struct {\n", sh.Name, what, sh.Name, sh.Name)
	if element, ok := e.roots[sh.Name]; ok {
		fmt.Fprintf(&b, "XMLName struct{} `xml:\"%s %s\"`\n", e.space, element)
	}
	body := slices.DeleteFunc(slices.Clone(sh.Members), func(m *model.Member) bool { return m.Where != model.Body })
	reach, err := fields(&b, sh, body, e.member)
	e.types = append(e.types, typeText{sh.Name, b.String()})
	return reach, err
}

// member writes one field. Absence must be told from emptiness wherever the
// schema allows both, so what is optional is a pointer.
func (e *emitter) member(sh *model.Shape, m *model.Member) (line, reach string, err error) {
	element := m.XMLName
	if element == "" {
		element = m.Name
	}
	if m.Attribute {
		element += ",attr"
	}
	if slices.Contains(e.unwrapped, sh.Name) {
		element = ",chardata"
	}
	required := m.Required && !slices.Contains(e.optional, sh.Name+"."+m.Name)
	value, pointer := m, true
	goType := ""
	if m.Shape != nil && m.Shape.Kind == model.List {
		value, pointer = m.Shape.Elem, false
		goType = "[]"
		if !m.Flattened {
			inner := value.XMLName
			if inner == "" {
				inner = "member"
			}
			element += ">" + inner
		}
	}
	enum := ""
	detail := e.details.Members[sh.Name+"."+m.Name]
	switch {
	case value.Shape != nil && (value.Shape.Kind == model.Structure || value.Shape.Kind == model.Union):
		reach = value.Shape.Name
		goType += reach
	case value.Shape != nil:
		return "", "", fmt.Errorf("%s has no XML form", value.Shape.Kind)
	case value.Type == model.String:
		goType += "string"
		if values := e.details.Enums[detail]; values != nil && !slices.Contains(e.openEnums, detail) {
			enum = fmt.Sprintf(" enum:%q", strings.Join(values, ","))
		}
	case value.Type == model.Boolean:
		goType += "bool"
	case value.Type == model.Number:
		if detail != "int32" && detail != "float64" {
			detail = "int64"
		}
		goType += detail
	case value.Type == model.Timestamp:
		e.useTime = true
		goType += "time.Time"
	case value.Type == model.Blob:
		goType, pointer = "[]byte", false
	default:
		return "", "", fmt.Errorf("%s has no XML form", value.Type)
	}
	req := ""
	if required {
		req = ` required:"true"`
	} else if pointer {
		goType = "*" + goType
	}
	return fmt.Sprintf("%s %s `xml:%q%s%s`\n", m.Name, goType, element, req, enum), reach, nil
}

// file puts the types together, sorted by name.
func (e *emitter) file(pkg string) ([]byte, error) {
	slices.SortFunc(e.types, func(a, b typeText) int { return strings.Compare(a.name, b.name) })
	var b bytes.Buffer
	fmt.Fprintf(&b, "// Code generated by tools/gen from tools/models/model-%s.json. DO NOT EDIT.\n\n", e.service)
	fmt.Fprintf(&b, "// Package %s holds the XML documents and answers of %s as the service's model\n", pkg, e.service)
	b.WriteString("// has them, with the tags that package restxml reads. Optional members are\n// pointers: nil is absent.\n")
	fmt.Fprintf(&b, "package %s\n\n", pkg)
	if e.useTime {
		b.WriteString("import \"time\"\n\n")
	}
	for _, t := range e.types {
		b.WriteString(t.text)
		b.WriteByte('\n')
	}
	return format.Source(b.Bytes())
}
