package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/format"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/farhold/farhold/tools/gen/model"
)

// generateTyped writes the requests and answers of a service.
func (t target) generateTyped(dir string) ([]File, error) {
	svc, err := model.Load(t.service, filepath.Join(dir, "tools/models/model-"+t.service+".json"))
	if err != nil {
		return nil, err
	}
	e := &typer{target: t, svc: svc, done: map[string]bool{}, roots: map[string]bool{}, inputs: map[string]bool{}}
	data, err := os.ReadFile(filepath.Join(dir, "tools/models/details-"+t.service+".json"))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &e.facts); err != nil {
		return nil, err
	}
	if e.space == "" {
		e.space = e.facts.Service["xmlNamespace"]
	}
	var queue []string
	for _, name := range slices.Sorted(slices.Values(t.served)) {
		op := svc.Ops[name]
		if op == nil {
			return nil, fmt.Errorf("no operation %q", name)
		}
		for i, side := range []string{op.In, op.Out} {
			suffix := [...]string{"Request", "Response"}[i]
			if side == "" {
				if e.done[name+suffix] || svc.Shapes[name+suffix] != nil {
					return nil, fmt.Errorf("%s%s is taken", name, suffix)
				}
				e.done[name+suffix] = true
				what := [...]string{"takes", "answers"}[i]
				e.types = append(e.types, typeText{name + suffix, fmt.Sprintf("// %s%s is empty: %s %s nothing.\ntype %s%s struct {\n_ struct{} `unit:\"true\"`\n}\n", name, suffix, name, what, name, suffix)})
				continue
			}
			if op.URI != "" {
				e.roots[side] = true
			}
			if i == 0 {
				e.mark(svc.Shapes[side])
			}
			queue = append(queue, side)
		}
	}
	if err := walk(svc, queue, e.done, e.structure); err != nil {
		return nil, err
	}
	text, err := e.file()
	if err != nil {
		return nil, err
	}
	return []File{{t.dir + "/types.go", text}}, nil
}

// typer writes structs that every protocol reads and writes.
type typer struct {
	target
	svc     *model.Service
	facts   facts
	done    map[string]bool
	roots   map[string]bool // shapes whose body is a document of their own
	inputs  map[string]bool // shapes that a request reaches: they carry constraints
	types   []typeText
	useTime bool
}

// mark notes what a request reaches.
func (e *typer) mark(sh *model.Shape) {
	if sh == nil || sh.Name != "" && e.inputs[sh.Name] {
		return
	}
	if sh.Name != "" {
		e.inputs[sh.Name] = true
	}
	for _, m := range sh.Members {
		e.mark(m.Shape)
	}
	for _, m := range []*model.Member{sh.Elem, sh.Key} {
		if m != nil {
			e.mark(m.Shape)
		}
	}
}

func (e *typer) structure(sh *model.Shape) ([]string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "// %s is the model's shape %s.\ntype %s struct {\n", sh.Name, sh.Name, sh.Name)
	if e.roots[sh.Name] && slices.ContainsFunc(sh.Members, func(m *model.Member) bool { return m.Where == model.Body }) {
		root := sh.XMLName
		if root == "" {
			root = sh.Name
		}
		fmt.Fprintf(&b, "XMLName struct{} `xml:\"%s %s\"`\n", e.space, root)
	}
	reach, err := fields(&b, sh, sh.Members, e.member)
	e.types = append(e.types, typeText{sh.Name, b.String()})
	return reach, err
}

// member writes one field.
func (e *typer) member(sh *model.Shape, m *model.Member) (line, reach string, err error) {
	path := sh.Name + "." + m.Name
	goType, reach, err := e.goType(path, m, true)
	if err != nil {
		return "", "", err
	}
	field := strings.ToUpper(m.Name[:1]) + m.Name[1:]
	var tags []string
	tag := func(name, value string) { tags = append(tags, name+":"+strconv.Quote(value)) }
	if field != m.Name {
		tag("name", m.Name)
	}
	if e.xml {
		switch x := e.element(m); {
		case m.Where != model.Body:
			tag("xml", "-")
		case x != "":
			tag("xml", x)
		}
	}
	switch m.Where {
	case model.Body:
	case model.Header:
		tag("header", m.WireName)
	case model.Query:
		tag("query", m.WireName)
	case model.Label:
		tag("label", m.Name)
	case model.Payload:
		root := m.XMLName
		if root == "" && m.Shape != nil {
			if root = m.Shape.XMLName; root == "" {
				root = m.Shape.Name
			}
		}
		tag("payload", e.space+" "+root)
	default:
		return "", "", fmt.Errorf("a member in %q", m.Where)
	}
	if e.inputs[sh.Name] {
		if m.Required {
			tag("required", "true")
		}
		for _, at := range []struct{ suffix, prefix string }{{"", ""}, {"[]", "elem."}, {"<key>", "key."}, {"<value>", "value."}} {
			f, ok := e.facts.Members[path+at.suffix]
			if !ok {
				continue
			}
			if f.Enum != "" {
				tag(at.prefix+"enum", strings.Join(e.facts.Enums[f.Enum], ","))
			}
			if f.Min != nil || f.Max != nil {
				what := "len"
				if f.Type != "" {
					what = "range"
				}
				bound := func(n *float64) string {
					if n == nil {
						return ""
					}
					return strconv.FormatFloat(*n, 'f', -1, 64)
				}
				tag(at.prefix+what, bound(f.Min)+","+bound(f.Max))
			}
			if f.Pattern != "" && !slices.Contains(e.loose, path) {
				tag(at.prefix+"pattern", f.Pattern)
			}
		}
	}
	if m.Sensitive || e.facts.Members[path].Sensitive {
		tag("sensitive", "true")
	}
	text := strings.Join(tags, " ")
	switch {
	case text == "":
	case strings.Contains(text, "`"):
		text = " " + strconv.Quote(text)
	default:
		text = " `" + text + "`"
	}
	return field + " " + goType + text + "\n", reach, nil
}

// element says how XML names a member, or "" where that is how codecs name
// members without a tag: by the member, and lists of <member>.
func (e *typer) element(m *model.Member) string {
	name := m.XMLName
	if name == "" {
		name = m.Name
	}
	if m.Attribute {
		return name + ",attr"
	}
	if m.Shape != nil && m.Shape.Kind == model.List {
		if m.Flattened {
			return name + ",flat"
		}
		inner := m.Shape.Elem.XMLName
		if inner == "" {
			inner = "member"
		}
		if inner == "member" && name == m.Name {
			return ""
		}
		return name + ">" + inner
	}
	if name == m.Name {
		return ""
	}
	return name
}

// goType gives the type of a member. Absence must be told from emptiness, so
// scalars and structures are pointers; in lists and maps they are values.
func (e *typer) goType(path string, m *model.Member, pointer bool) (text, reach string, err error) {
	star := ""
	if pointer {
		star = "*"
	}
	if m.Shape != nil {
		switch m.Shape.Kind {
		case model.Structure, model.Union:
			return star + m.Shape.Name, m.Shape.Name, nil
		case model.List:
			t, reach, err := e.goType(path+"[]", m.Shape.Elem, false)
			return "[]" + t, reach, err
		case model.Map:
			t, reach, err := e.goType(path+"<value>", m.Shape.Elem, false)
			return "map[string]" + t, reach, err
		}
		return "", "", fmt.Errorf("a member that is a %s", m.Shape.Kind)
	}
	switch m.Type {
	case model.String:
		return star + "string", "", nil
	case model.Boolean:
		return star + "bool", "", nil
	case model.Number:
		width := map[string]string{"integer": "int32", "long": "int64", "float": "float32", "double": "float64"}[e.facts.Members[path].Type]
		if width == "" {
			width = "int32" // the model is newer than the details
		}
		return star + width, "", nil
	case model.Timestamp:
		e.useTime = true
		return star + "time.Time", "", nil
	case model.Blob:
		return "[]byte", "", nil
	}
	return "", "", fmt.Errorf("a member of type %s", m.Type)
}

// file puts the types together, sorted by name, behind what the service is.
func (e *typer) file() ([]byte, error) {
	slices.SortFunc(e.types, func(a, b typeText) int { return strings.Compare(a.name, b.name) })
	var b bytes.Buffer
	fmt.Fprintf(&b, "// Code generated by tools/gen from tools/models/model-%s.json and details-%s.json. DO NOT EDIT.\n\n", e.service, e.service)
	fmt.Fprintf(&b, "// Package %s holds the requests and answers of %s as the service's\n// model has them, for all protocols that it speaks.\n//\n", e.pkg, e.service)
	b.WriteString("// One rule holds for requests and answers: scalars and structures are\n// pointers, and nil is absent. Lists and blobs are slices and maps are maps,\n" +
		"// whose nil is absent too; their elements are values. Enumerations are strings.\n" +
		"// What a request must fulfil stands in tags that package wire/shape reads, and\n// has been checked before an operation sees it.\n")
	fmt.Fprintf(&b, "package %s\n\n", e.pkg)
	if e.useTime {
		b.WriteString("import \"time\"\n\n")
	}
	b.WriteString("// What the protocols need to know of the service.\nconst (\n")
	for _, c := range []struct{ name, value string }{
		{"Version", e.facts.Service["apiVersion"]}, {"Namespace", e.space}, {"TargetPrefix", e.facts.Service["targetPrefix"]},
	} {
		if c.value != "" {
			fmt.Fprintf(&b, "%s = %q\n", c.name, c.value)
		}
	}
	b.WriteString(")\n\n")
	b.WriteString("// Operations gives the names of all operations of the service, in order,\n// whether they are served or not.\nfunc Operations() []string {\nreturn []string{\n")
	names := make([]string, 0, len(e.svc.Ops))
	for n := range e.svc.Ops {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		fmt.Fprintf(&b, "%q,\n", n)
	}
	b.WriteString("}\n}\n\n")
	if e.svc.Ops[names[0]].URI != "" {
		b.WriteString("// HTTP tells how an operation travels: the method, the path with its labels and\n// literal query, and the status of its answer. An unknown one has no method.\n" +
			"func HTTP(op string) (method, uri string, status int) {\nswitch op {\n")
		for _, n := range names {
			op := e.svc.Ops[n]
			fmt.Fprintf(&b, "case %q:\nreturn %q, %q, %d\n", n, op.Method, op.URI, op.Status)
		}
		b.WriteString("}\nreturn \"\", \"\", 0\n}\n\n")
	}
	for _, t := range e.types {
		b.WriteString(t.text)
		b.WriteByte('\n')
	}
	return format.Source(b.Bytes())
}
