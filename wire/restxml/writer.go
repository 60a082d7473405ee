package restxml

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// header begins every document.
const header = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

// TimeFormat is how times stand in documents: UTC, to the millisecond.
const TimeFormat = "2006-01-02T15:04:05.000Z"

// Writer appends a document to a buffer. It checks nothing: who calls it says
// Open and Close in pairs. The zero Writer has no header; NewWriter gives one
// that has.
type Writer struct{ buf []byte }

// NewWriter begins a document with the XML declaration in buf, which is
// truncated and may be nil. Give back an earlier document's Bytes to spare the
// allocation.
func NewWriter(buf []byte) *Writer {
	return &Writer{append(buf[:0], header...)}
}

// Reset begins a new document in the same buffer.
func (w *Writer) Reset() { w.buf = append(w.buf[:0], header...) }

// Bytes is the document so far; it is valid until the next call.
func (w *Writer) Bytes() []byte { return w.buf }

// Len is the length of the document so far, in bytes.
func (w *Writer) Len() int { return len(w.buf) }

// Truncate takes everything behind the first n bytes back.
func (w *Writer) Truncate(n int) { w.buf = w.buf[:n] }

// Open writes <name>.
func (w *Writer) Open(name string) {
	w.buf = append(w.buf, '<')
	w.buf = append(w.buf, name...)
	w.buf = append(w.buf, '>')
}

// OpenNS writes <name xmlns="…">, or <name> where there is no namespace.
func (w *Writer) OpenNS(name, xmlns string) {
	if xmlns == "" {
		w.Open(name)
		return
	}
	w.OpenAttr(name, "xmlns", xmlns)
}

// OpenAttr writes a start tag with attributes, given as names and values in turn.
func (w *Writer) OpenAttr(name string, attrs ...string) {
	w.buf = append(w.buf, '<')
	w.buf = append(w.buf, name...)
	for i := 0; i+1 < len(attrs); i += 2 {
		w.buf = append(w.buf, ' ')
		w.buf = append(w.buf, attrs[i]...)
		w.buf = append(w.buf, '=', '"')
		w.buf = appendEscaped(w.buf, attrs[i+1], true)
		w.buf = append(w.buf, '"')
	}
	w.buf = append(w.buf, '>')
}

// Close writes </name>.
func (w *Writer) Close(name string) {
	w.buf = append(w.buf, '<', '/')
	w.buf = append(w.buf, name...)
	w.buf = append(w.buf, '>')
}

// Empty writes <name/>.
func (w *Writer) Empty(name string) {
	w.buf = append(w.buf, '<')
	w.buf = append(w.buf, name...)
	w.buf = append(w.buf, '/', '>')
}

// Elem writes an element with text, or <name/> where the text is empty.
func (w *Writer) Elem(name, value string) {
	if value == "" {
		w.Empty(name)
		return
	}
	w.Open(name)
	w.buf = appendEscaped(w.buf, value, false)
	w.Close(name)
}

// Quoted writes an element whose text stands in quotation marks, as ETags do.
func (w *Writer) Quoted(name, value string) {
	w.Open(name)
	w.buf = append(w.buf, "&quot;"...)
	w.buf = appendEscaped(w.buf, value, false)
	w.buf = append(w.buf, "&quot;"...)
	w.Close(name)
}

// Optional is Elem for text that is not empty, and nothing otherwise.
func (w *Writer) Optional(name, value string) {
	if value != "" {
		w.Elem(name, value)
	}
}

// Int writes an element with a number.
func (w *Writer) Int(name string, value int64) {
	w.Open(name)
	w.buf = strconv.AppendInt(w.buf, value, 10)
	w.Close(name)
}

// Bool writes an element with true or false.
func (w *Writer) Bool(name string, value bool) {
	w.Open(name)
	w.buf = strconv.AppendBool(w.buf, value)
	w.Close(name)
}

// Time writes an element with a time in UTC, to the millisecond.
func (w *Writer) Time(name string, t time.Time) {
	w.Open(name)
	w.buf = AppendTime(w.buf, t)
	w.Close(name)
}

// AppendTime appends t as TimeFormat has it. Listings hold a thousand times a
// page, so it does not read the layout each time; years beyond four digits,
// which no clock of ours shows, go the long way.
func AppendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return t.AppendFormat(dst, TimeFormat)
	}
	hour, minute, second := t.Clock()
	dst = appendTwo(appendTwo(dst, year/100), year%100)
	dst = appendTwo(append(dst, '-'), int(month))
	dst = appendTwo(append(dst, '-'), day)
	dst = appendTwo(append(dst, 'T'), hour)
	dst = appendTwo(append(dst, ':'), minute)
	dst = appendTwo(append(dst, ':'), second)
	ms := t.Nanosecond() / 1e6
	dst = append(dst, '.', byte('0'+ms/100))
	return append(appendTwo(dst, ms%100), 'Z')
}

func appendTwo(dst []byte, n int) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

// Text writes escaped text.
func (w *Writer) Text(value string) { w.buf = appendEscaped(w.buf, value, false) }

// Raw writes bytes that are XML already.
func (w *Writer) Raw(b []byte) { w.buf = append(w.buf, b...) }

// Literal is Raw for a string: markup that does not change from row to row.
func (w *Writer) Literal(s string) { w.buf = append(w.buf, s...) }

// plain tells which bytes stand for themselves in text and begin nothing that
// needs a look.
var plain = func() (t [256]bool) {
	for c := 0x20; c < 0x80; c++ {
		t[c] = c != '&' && c != '<' && c != '>' && c != '"'
	}
	t['\t'], t['\n'] = true, true
	return t
}()

// appendEscaped appends s as text. Characters that XML 1.0 lacks become
// references, as on AWS: parsers of XML 1.0 refuse them, but no two keys look
// alike, which replacing them would cause. Clients that may meet such keys ask
// for encoding-type=url. In attributes, tabs and line ends are references too,
// because parsers turn them into spaces there.
func appendEscaped(dst []byte, s string, attribute bool) []byte {
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if plain[c] && !(attribute && c < 0x20) {
			i++
			continue
		}
		width, esc := 1, ""
		switch c {
		case '&':
			esc = "&amp;"
		case '<':
			esc = "&lt;"
		case '>':
			esc = "&gt;"
		case '"':
			esc = "&quot;"
		default:
			var r rune
			r, width = utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && width == 1 {
				esc = "\uFFFD"
				break
			}
			if r >= 0x20 && isChar(r) {
				i += width
				continue
			}
			dst = append(dst, s[start:i]...)
			dst = append(dst, "&#x"...)
			for _, h := range strconv.FormatInt(int64(r), 16) {
				if h >= 'a' {
					h -= 'a' - 'A'
				}
				dst = append(dst, byte(h))
			}
			dst = append(dst, ';')
			i += width
			start = i
			continue
		}
		dst = append(dst, s[start:i]...)
		dst = append(dst, esc...)
		i += width
		start = i
	}
	return append(dst, s[start:]...)
}
