package bench

import (
	"bytes"
	"encoding/xml"
	"html"
	"strings"
)

// unescapeXML resolves entities and character references. XML's five named
// entities and its numeric references mean the same in HTML.
func unescapeXML(s string) string {
	if !strings.Contains(s, "&") {
		return s
	}
	return html.UnescapeString(s)
}

// escapeXML escapes s as an element's text.
func escapeXML(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // A bytes.Buffer never fails.
	return b.String()
}
