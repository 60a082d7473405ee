package policy

import (
	"errors"
	"slices"
	"strings"
)

// Document is a parsed policy. It is immutable and safe for concurrent use.
type Document struct {
	kind       Kind
	id         string
	vars       bool // variables are read: version 2012-10-17
	canonical  bool // a statement names a canonical user
	statements []statement
}

// statement is one of a document's, made ready for evaluation.
type statement struct {
	sid          string
	deny         bool
	principal    *principals // nil where a kind of policy has none
	notPrincipal bool
	actions      []pattern // in lower case
	notAction    bool
	resources    []pattern // empty in trust policies: any
	notResource  bool
	conditions   []condition
	start, end   Position
}

// Position is a place in a document.
type Position struct{ Line, Column int } // from 1; the column in characters

// Statements is how many statements the document has.
func (d *Document) Statements() int { return len(d.statements) }

// ID is the document's Id, or empty.
func (d *Document) ID() string { return d.id }

// Sid is a statement's Sid, or empty.
func (d *Document) Sid(statement int) string { return d.statements[statement].sid }

// Span tells where a statement stands in the text that was parsed, as IAM's
// simulator counts: from behind the bracket that begins the list, or behind the
// statement before it, or behind its own opening brace when there is no list,
// to behind its closing brace.
func (d *Document) Span(statement int) (start, end Position) {
	s := &d.statements[statement]
	return s.start, s.end
}

// CanonicalUsers tells whether a statement names somebody by a canonical user
// ID, so that Principal.CanonicalID is wanted.
func (d *Document) CanonicalUsers() bool { return d.canonical }

// Key is a condition key that a document names.
type Key struct {
	Name    string // as contexts are asked for it
	Written string // as the document has it, where it comes first
}

// Keys are the condition keys that the document's conditions and variables
// name, each once.
func (d *Document) Keys() []Key {
	var keys []Key
	add := func(name, written string) {
		if !slices.ContainsFunc(keys, func(k Key) bool { return k.Name == name }) {
			keys = append(keys, Key{name, written})
		}
	}
	ofPattern := func(p *pattern) {
		for _, t := range p.tokens {
			if t.op == variable {
				add(t.text, t.written)
			}
		}
	}
	for i := range d.statements {
		s := &d.statements[i]
		for j := range s.resources {
			ofPattern(&s.resources[j])
		}
		for j := range s.conditions {
			c := &s.conditions[j]
			add(c.key, c.written)
			for k := range c.patterns {
				ofPattern(&c.patterns[k])
			}
			for k := range c.arns {
				for l := range c.arns[k] {
					ofPattern(&c.arns[k][l])
				}
			}
		}
	}
	return keys
}

// Parse reads a document of a kind, strictly: what two readers could
// understand differently is refused, and so is what would not be evaluated.
// Errors are *Error.
func Parse(raw []byte, k Kind) (*Document, error) {
	root, err := readJSON(raw)
	if err != nil {
		return nil, &Error{Fault: NotJSON, Statement: -1, Cause: err}
	}
	p := &parser{doc: &Document{kind: k}, raw: string(raw), statement: -1, sids: map[string]bool{}}
	if root.kind != objectValue {
		return nil, &Error{Fault: NotJSON, Statement: -1, Cause: errors.New("no object")}
	}
	if err := p.document(&root); err != nil {
		return nil, err
	}
	return p.doc, nil
}

type parser struct {
	doc       *Document
	raw       string
	statement int
	sids      map[string]bool
	lines     []int // offsets at which lines begin
}

func (p *parser) fault(f Fault, v *value, member, text string) error {
	return &Error{Fault: f, Member: member, Value: text, Statement: p.statement, At: p.position(v.start)}
}

// position turns an offset into a line and a column.
func (p *parser) position(offset int) Position {
	if p.lines == nil {
		p.lines = []int{0}
		for i := range len(p.raw) {
			if p.raw[i] == '\n' {
				p.lines = append(p.lines, i+1)
			}
		}
	}
	line, found := slices.BinarySearch(p.lines, offset)
	if !found {
		line--
	}
	return Position{Line: line + 1, Column: len([]rune(p.raw[p.lines[line]:offset])) + 1}
}

func (p *parser) only(v *value, names ...string) error {
	for i, n := range v.names {
		if !slices.Contains(names, n) {
			return p.fault(UnknownMember, &v.items[i], n, "")
		}
	}
	return nil
}

func (p *parser) document(root *value) error {
	if err := p.only(root, "Version", "Id", "Statement"); err != nil {
		return err
	}
	if v := root.member("Version"); v != nil {
		if v.kind != stringValue || v.text != "2012-10-17" && v.text != "2008-10-17" {
			return p.fault(BadVersion, v, "Version", v.text)
		}
		p.doc.vars = v.text == "2012-10-17"
	}
	if v := root.member("Id"); v != nil {
		if v.kind != stringValue {
			return p.fault(BadSyntax, v, "Id", "")
		}
		p.doc.id = v.text
	}
	s := root.member("Statement")
	if s == nil {
		return p.fault(MissingMember, root, "Statement", "")
	}
	list := []value{*s}
	if s.kind == arrayValue {
		list = s.items
	}
	if len(list) == 0 {
		return p.fault(NoStatement, s, "Statement", "")
	}
	p.doc.statements = make([]statement, len(list))
	from := s.start + 1
	for i := range list {
		p.statement = i
		st := &p.doc.statements[i]
		st.start, st.end = p.position(from), p.position(list[i].end)
		from = list[i].end
		if err := p.readStatement(&list[i], st); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) readStatement(v *value, s *statement) error {
	if v.kind != objectValue {
		return p.fault(BadSyntax, v, "Statement", "")
	}
	if err := p.only(v, "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"); err != nil {
		return err
	}
	if err := p.sid(v, s); err != nil {
		return err
	}
	effect := v.member("Effect")
	switch {
	case effect == nil:
		return p.fault(MissingMember, v, "Effect", "")
	case effect.kind != stringValue || effect.text != "Allow" && effect.text != "Deny":
		return p.fault(BadEffect, effect, "Effect", effect.text)
	}
	s.deny = effect.text == "Deny"
	if err := p.principal(v, s); err != nil {
		return err
	}
	if err := p.actions(v, s); err != nil {
		return err
	}
	if err := p.resources(v, s); err != nil {
		return err
	}
	return p.conditions(v, s)
}

func (p *parser) sid(v *value, s *statement) error {
	sid := v.member("Sid")
	if sid == nil {
		return nil
	}
	if sid.kind != stringValue {
		return p.fault(BadSyntax, sid, "Sid", "")
	}
	if p.doc.kind == Identity && strings.ContainsFunc(sid.text, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
	}) {
		return p.fault(BadSid, sid, "Sid", sid.text)
	}
	if sid.text != "" && p.sids[sid.text] {
		return p.fault(DuplicateSid, sid, "Sid", sid.text)
	}
	p.sids[sid.text] = true
	s.sid = sid.text
	return nil
}

// pair finds a member or its Not…; both is a fault, and so is neither.
func (p *parser) pair(v *value, name string) (field *value, not bool, err error) {
	yes, no := v.member(name), v.member("Not"+name)
	switch {
	case yes != nil && no != nil:
		return nil, false, p.fault(BothMembers, no, name, "")
	case yes != nil:
		return yes, false, nil
	case no != nil:
		return no, true, nil
	}
	return nil, false, p.fault(MissingMember, v, name, "")
}

// names gives the strings of a member or its Not…: at least one.
func (p *parser) names(v *value, name string) (list []*value, not bool, err error) {
	field, not, err := p.pair(v, name)
	if err != nil {
		return nil, false, err
	}
	if field.kind == arrayValue && len(field.items) == 0 {
		return nil, false, p.fault(EmptyMember, field, name, "")
	}
	list, ok := texts(field)
	if !ok {
		return nil, false, p.fault(BadSyntax, field, name, "")
	}
	return list, not, nil
}

// texts gives a string, or a list of strings that is not empty.
func texts(v *value) ([]*value, bool) {
	if v.kind == stringValue {
		return []*value{v}, true
	}
	if v.kind != arrayValue || len(v.items) == 0 {
		return nil, false
	}
	list := make([]*value, len(v.items))
	for i := range v.items {
		if v.items[i].kind != stringValue {
			return nil, false
		}
		list[i] = &v.items[i]
	}
	return list, true
}

func (p *parser) actions(v *value, s *statement) error {
	list, not, err := p.names(v, "Action")
	if err != nil {
		return err
	}
	s.notAction = not
	for _, a := range list {
		vendor, name, ok := strings.Cut(a.text, ":")
		if a.text != "*" && (!ok || name == "" || !goodVendor(vendor) && a.text != "*:*") {
			return p.fault(BadAction, a, "Action", a.text)
		}
		tokens, _ := scan(lowerASCII(a.text), true, false) // only variables can fail
		s.actions = append(s.actions, newPattern(tokens))
	}
	return nil
}

func goodVendor(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-'
	})
}

func (p *parser) resources(v *value, s *statement) error {
	if p.doc.kind == Trust {
		for _, name := range []string{"Resource", "NotResource"} {
			if f := v.member(name); f != nil {
				return p.fault(ForbiddenMember, f, name, "")
			}
		}
		return nil
	}
	list, not, err := p.names(v, "Resource")
	if err != nil {
		return err
	}
	s.notResource = not
	for _, r := range list {
		tokens, err := scan(r.text, true, p.doc.vars)
		if err != nil {
			return p.fault(BadVariable, r, "Resource", r.text)
		}
		if !goodResource(tokens) {
			return p.fault(BadResource, r, "Resource", r.text)
		}
		s.resources = append(s.resources, newPattern(tokens))
	}
	return nil
}

// goodResource tells whether a resource is * or has the form of an ARN, of
// which a star at its end may stand for the last parts.
func goodResource(tokens []token) bool {
	if len(tokens) == 0 {
		return false
	}
	if len(tokens) == 1 && tokens[0].op == star {
		return true
	}
	colons := 0
	for i, t := range tokens {
		if i == 0 && (t.op != literal || !strings.HasPrefix(t.text, "arn:")) {
			return false
		}
		if t.op == literal {
			colons += strings.Count(t.text, ":")
		}
	}
	return colons >= 5 || colons >= 2 && tokens[len(tokens)-1].op == star
}
