package restxml

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// kind is what the scanner found.
type kind uint8

const (
	kindEOF kind = iota
	kindText
	kindStart
	kindEnd
)

// attr is an attribute that is not a namespace declaration.
type attr struct {
	space string
	local []byte
	value string
}

// binding is a namespace declaration in force.
type binding struct{ prefix, space string }

// scanner cuts a document into tokens. It keeps the stack of open elements
// itself, so that whoever reads tokens gets balanced ones.
type scanner struct {
	data     []byte
	pos      int
	elements int
	rooted   bool // the root element has begun

	open  [][]byte  // raw names of the open elements
	scope []int     // len(bound) before each open element's declarations
	bound []binding // namespace declarations in force

	// The token last read.
	space string // namespace of a start tag
	local []byte // its local name
	attrs []attr
	text  []byte // decoded; valid until the next token
	ended bool   // the start tag was self-closing: its end comes next
	buf   []byte
}

var (
	errEOF      = errors.New("unexpected end")
	errEncoding = errors.New("encoding is not UTF-8")
)

// newScanner checks the encoding and steps over the byte-order mark and the
// XML declaration.
func newScanner(data []byte) (*scanner, error) {
	s := &scanner{data: bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))}
	if !utf8.Valid(s.data) {
		return nil, errEncoding
	}
	if rest, ok := bytes.CutPrefix(s.data, []byte("<?xml")); ok && len(rest) > 0 && isSpace(rest[0]) {
		end := bytes.Index(rest, []byte("?>"))
		if end < 0 {
			return nil, errEOF
		}
		if err := checkDeclaration(string(rest[:end])); err != nil {
			return nil, err
		}
		s.pos = len("<?xml") + end + len("?>")
	}
	return s, nil
}

// checkDeclaration reads the pseudo-attributes of <?xml …?>: version, then
// optionally encoding, then optionally standalone.
func checkDeclaration(s string) error {
	next := 0
	for {
		t := strings.TrimLeft(s, " \t\r\n")
		if t == "" {
			break
		}
		if len(t) == len(s) {
			return errors.New("malformed XML declaration")
		}
		name, rest, ok := strings.Cut(t, "=")
		name = strings.TrimRight(name, " \t\r\n")
		rest = strings.TrimLeft(rest, " \t\r\n")
		if !ok || rest == "" || (rest[0] != '"' && rest[0] != '\'') {
			return errors.New("malformed XML declaration")
		}
		value, rest, ok := strings.Cut(rest[1:], rest[:1])
		if !ok {
			return errors.New("malformed XML declaration")
		}
		switch {
		case name == "version" && next == 0 && value == "1.0":
			next = 1
		case name == "encoding" && next == 1:
			if !strings.EqualFold(value, "utf-8") && !strings.EqualFold(value, "utf8") {
				return errEncoding
			}
			next = 2
		case name == "standalone" && next >= 1 && next < 3 && (value == "yes" || value == "no"):
			next = 3
		default:
			return fmt.Errorf("XML declaration says %s=%q", name, value)
		}
		s = rest
	}
	if next == 0 {
		return errors.New("XML declaration without version")
	}
	return nil
}

// next reads a token. Comments vanish. Text comes in runs: several text tokens
// can follow each other.
func (s *scanner) next() (kind, error) {
	if s.ended {
		s.ended = false
		s.pop()
		return kindEnd, nil
	}
	for {
		if s.pos == len(s.data) {
			if len(s.open) > 0 || !s.rooted {
				return kindEOF, errEOF
			}
			return kindEOF, nil
		}
		rest := s.data[s.pos:]
		if rest[0] != '<' {
			if err := s.readText(); err != nil {
				return kindEOF, err
			}
			return kindText, nil
		}
		switch {
		case bytes.HasPrefix(rest, []byte("</")):
			return kindEnd, s.readEnd()
		case bytes.HasPrefix(rest, []byte("<!--")):
			end := bytes.Index(rest[4:], []byte("--"))
			if end < 0 || len(rest) < 4+end+3 || rest[4+end+2] != '>' {
				return kindEOF, errors.New("malformed comment")
			}
			if err := checkChars(rest[4 : 4+end]); err != nil {
				return kindEOF, err
			}
			s.pos += 4 + end + 3
		case bytes.HasPrefix(rest, []byte("<![CDATA[")):
			end := bytes.Index(rest, []byte("]]>"))
			if end < 0 {
				return kindEOF, errEOF
			}
			if len(s.open) == 0 {
				return kindEOF, errors.New("text outside the root element")
			}
			body := rest[len("<![CDATA["):end]
			if err := checkChars(body); err != nil {
				return kindEOF, err
			}
			s.text = s.newlines(body)
			s.pos += end + 3
			return kindText, nil
		case bytes.HasPrefix(rest, []byte("<!")):
			return kindEOF, errors.New("DOCTYPE and other directives are refused")
		case bytes.HasPrefix(rest, []byte("<?")):
			return kindEOF, errors.New("processing instructions are refused")
		default:
			return kindStart, s.readStart()
		}
	}
}

// readText reads character data up to the next markup.
func (s *scanner) readText() error {
	rest := s.data[s.pos:]
	end := bytes.IndexByte(rest, '<')
	if end < 0 {
		end = len(rest)
	}
	raw := rest[:end]
	s.pos += end
	if len(s.open) == 0 {
		if len(bytes.Trim(raw, " \t\r\n")) > 0 {
			return errors.New("text outside the root element")
		}
		s.text = nil
		return nil
	}
	if err := checkChars(raw); err != nil {
		return err
	}
	if bytes.Contains(raw, []byte("]]>")) {
		return errors.New("]]> in text")
	}
	var err error
	s.text, err = s.unescape(raw)
	return err
}

// readEnd reads an end tag and checks it against the open element.
func (s *scanner) readEnd() error {
	s.pos += len("</")
	name, _, err := s.name()
	if err != nil {
		return err
	}
	s.skipSpace()
	if s.pos == len(s.data) || s.data[s.pos] != '>' {
		return errors.New("malformed end tag")
	}
	s.pos++
	if len(s.open) == 0 || !bytes.Equal(s.open[len(s.open)-1], name) {
		return fmt.Errorf("end tag %q closes nothing", name)
	}
	s.pop()
	return nil
}

func (s *scanner) pop() {
	n := len(s.open) - 1
	s.open = s.open[:n]
	s.bound = s.bound[:s.scope[n]]
	s.scope = s.scope[:n]
}

// readStart reads a start tag, its declarations and its attributes.
func (s *scanner) readStart() error {
	if len(s.open) == 0 && s.rooted {
		return errors.New("second root element")
	}
	if s.elements++; s.elements > elementsMax {
		return fmt.Errorf("more than %d elements", elementsMax)
	}
	if len(s.open) == depthMax {
		return fmt.Errorf("deeper than %d elements", depthMax)
	}
	s.rooted = true
	s.pos++ // <
	name, colon, err := s.name()
	if err != nil {
		return err
	}
	s.open = append(s.open, name)
	s.scope = append(s.scope, len(s.bound))
	s.attrs = s.attrs[:0]
	type rawAttr struct {
		name  []byte
		colon int
		value string
	}
	var raws [attributesMax]rawAttr
	n := 0
	for {
		spaced := s.skipSpace()
		if s.pos == len(s.data) {
			return errEOF
		}
		if s.data[s.pos] == '>' {
			s.pos++
			break
		}
		if s.data[s.pos] == '/' {
			if s.pos+1 == len(s.data) || s.data[s.pos+1] != '>' {
				return errors.New("malformed tag")
			}
			s.pos += 2
			s.ended = true
			break
		}
		if !spaced {
			return errors.New("malformed tag")
		}
		if n == attributesMax {
			return fmt.Errorf("more than %d attributes", attributesMax)
		}
		a := &raws[n]
		if a.name, a.colon, err = s.name(); err != nil {
			return err
		}
		if a.value, err = s.attrValue(); err != nil {
			return err
		}
		for _, b := range raws[:n] {
			if bytes.Equal(a.name, b.name) {
				return fmt.Errorf("attribute %q twice", a.name)
			}
		}
		n++
	}
	for _, a := range raws[:n] {
		switch {
		case a.colon < 0 && string(a.name) == "xmlns":
			s.bound = append(s.bound, binding{"", a.value})
		case a.colon > 0 && string(a.name[:a.colon]) == "xmlns":
			prefix := string(a.name[a.colon+1:])
			if prefix == "xml" || prefix == "xmlns" || a.value == "" {
				return fmt.Errorf("prefix %q can't be bound", prefix)
			}
			s.bound = append(s.bound, binding{prefix, a.value})
		}
	}
	if s.space, s.local, err = s.resolve(name, colon, true); err != nil {
		return err
	}
	for _, a := range raws[:n] {
		if string(a.name) == "xmlns" || a.colon > 0 && string(a.name[:a.colon]) == "xmlns" {
			continue
		}
		space, local, err := s.resolve(a.name, a.colon, false)
		if err != nil {
			return err
		}
		for _, b := range s.attrs {
			if b.space == space && bytes.Equal(b.local, local) {
				return fmt.Errorf("attribute %q twice", local)
			}
		}
		s.attrs = append(s.attrs, attr{space, local, a.value})
	}
	return nil
}

// resolve turns a raw name into a namespace and a local name. Attributes
// without a prefix have no namespace; elements then have the default one.
func (s *scanner) resolve(name []byte, colon int, element bool) (space string, local []byte, err error) {
	prefix, local := []byte(nil), name
	if colon >= 0 {
		prefix, local = name[:colon], name[colon+1:]
	} else if !element {
		return "", local, nil
	}
	if string(prefix) == "xml" {
		return "http://www.w3.org/XML/1998/namespace", local, nil
	}
	for i := len(s.bound) - 1; i >= 0; i-- {
		if s.bound[i].prefix == string(prefix) {
			return s.bound[i].space, local, nil
		}
	}
	if len(prefix) > 0 {
		return "", nil, fmt.Errorf("prefix %q is not bound", prefix)
	}
	return "", local, nil
}

// name reads a name of ASCII letters, which is what every schema here uses,
// and tells where its colon is, or -1.
func (s *scanner) name() (name []byte, colon int, err error) {
	start, colon := s.pos, -1
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		first := s.pos == start || colon >= 0 && s.pos == start+colon+1
		switch {
		case letter, !first && (c >= '0' && c <= '9' || c == '-' || c == '.'):
		case !first && c == ':' && colon < 0:
			colon = s.pos - start
		default:
			goto done
		}
		s.pos++
	}
done:
	name = s.data[start:s.pos]
	if len(name) == 0 || colon == len(name)-1 {
		return nil, -1, errors.New("malformed name")
	}
	return name, colon, nil
}

// attrValue reads ="value".
func (s *scanner) attrValue() (string, error) {
	s.skipSpace()
	if s.pos == len(s.data) || s.data[s.pos] != '=' {
		return "", errors.New("attribute without value")
	}
	s.pos++
	s.skipSpace()
	if s.pos == len(s.data) {
		return "", errEOF
	}
	q := s.data[s.pos]
	if q != '"' && q != '\'' {
		return "", errors.New("attribute without quotes")
	}
	s.pos++
	end := bytes.IndexByte(s.data[s.pos:], q)
	if end < 0 {
		return "", errEOF
	}
	raw := s.data[s.pos : s.pos+end]
	s.pos += end + 1
	if bytes.IndexByte(raw, '<') >= 0 {
		return "", errors.New("< in an attribute")
	}
	if err := checkChars(raw); err != nil {
		return "", err
	}
	v, err := s.unescape(raw)
	return string(v), err
}

func (s *scanner) skipSpace() bool {
	start := s.pos
	for s.pos < len(s.data) && isSpace(s.data[s.pos]) {
		s.pos++
	}
	return s.pos > start
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// unescape resolves references and line ends. It returns raw itself when
// there is nothing to resolve.
func (s *scanner) unescape(raw []byte) ([]byte, error) {
	if bytes.IndexByte(raw, '&') < 0 {
		return s.newlines(raw), nil
	}
	s.buf = s.buf[:0]
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; c {
		case '\r':
			s.buf = append(s.buf, '\n')
			if i+1 < len(raw) && raw[i+1] == '\n' {
				i++
			}
		case '&':
			end := bytes.IndexByte(raw[i:min(len(raw), i+12)], ';')
			if end < 0 {
				return nil, errors.New("malformed reference")
			}
			r, err := reference(string(raw[i+1 : i+end]))
			if err != nil {
				return nil, err
			}
			s.buf = utf8.AppendRune(s.buf, r)
			i += end
		default:
			s.buf = append(s.buf, c)
		}
	}
	return s.buf, nil
}

// newlines turns CR LF and CR into LF, as XML 1.0 §2.11 has it.
func (s *scanner) newlines(raw []byte) []byte {
	if bytes.IndexByte(raw, '\r') < 0 {
		return raw
	}
	s.buf = s.buf[:0]
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '\r' {
			if i+1 < len(raw) && raw[i+1] == '\n' {
				i++
			}
			c = '\n'
		}
		s.buf = append(s.buf, c)
	}
	return s.buf
}

// reference resolves the inside of &…;. There are no entities but the five of
// XML itself, so nothing can expand.
func reference(name string) (rune, error) {
	switch name {
	case "amp":
		return '&', nil
	case "lt":
		return '<', nil
	case "gt":
		return '>', nil
	case "quot":
		return '"', nil
	case "apos":
		return '\'', nil
	}
	digits, base := "", rune(10)
	if d, ok := strings.CutPrefix(name, "#x"); ok {
		digits, base = d, 16
	} else if d, ok := strings.CutPrefix(name, "#"); ok {
		digits = d
	}
	if digits == "" {
		return 0, fmt.Errorf("unknown entity %q", name)
	}
	var r rune
	for _, c := range digits {
		var v rune
		switch {
		case c >= '0' && c <= '9':
			v = c - '0'
		case base == 16 && c >= 'a' && c <= 'f':
			v = c - 'a' + 10
		case base == 16 && c >= 'A' && c <= 'F':
			v = c - 'A' + 10
		default:
			return 0, fmt.Errorf("malformed reference %q", name)
		}
		if r = r*base + v; r > utf8.MaxRune {
			return 0, fmt.Errorf("malformed reference %q", name)
		}
	}
	if !isChar(r) {
		return 0, fmt.Errorf("reference to U+%04X", r)
	}
	return r, nil
}

// isChar is the Char production of XML 1.0.
func isChar(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= utf8.MaxRune
}

// checkChars refuses characters that XML 1.0 has not. raw is valid UTF-8.
func checkChars(raw []byte) error {
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c < 0x20 && c != '\t' && c != '\n' && c != '\r' {
			return fmt.Errorf("control character U+%04X", c)
		}
		// U+FFFE and U+FFFF.
		if c == 0xEF && i+2 < len(raw) && raw[i+1] == 0xBF && raw[i+2] >= 0xBE {
			return errors.New("noncharacter")
		}
	}
	return nil
}
