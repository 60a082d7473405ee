package s3api

import (
	"encoding/base64"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/s3"
)

const (
	metaPrefix = "X-Amz-Meta-" // canonical
	// metaMax bounds the bytes of names (without the prefix) and values of an
	// object's user metadata together.
	metaMax = 2 << 10
)

var errMetadataTooLarge = awserr.New("MetadataTooLarge", 400, "Your metadata headers exceed the maximum allowed metadata size")

// isMeta tells whether a canonical header name is user metadata.
func isMeta(canonical string) bool {
	return len(canonical) > len(metaPrefix) && canonical[:len(metaPrefix)] == metaPrefix
}

// metadata adds one header of user metadata. Several values of one name are one
// value with commas, as HTTP has it. A value in RFC 2047 words is kept decoded.
func metadata(dst []s3.Header, canonical string, values []string) []s3.Header {
	v := values[0]
	if len(values) > 1 {
		v = strings.Join(values, ",")
	}
	if strings.Contains(v, "=?") {
		if d, err := new(mime.WordDecoder).DecodeHeader(v); err == nil {
			v = d
		}
	}
	return append(dst, s3.Header{Name: strings.ToLower(canonical[len(metaPrefix):]), Value: v})
}

// checkMetadata puts metadata in order and enforces the limit: MetadataTooLarge.
func checkMetadata(meta []s3.Header) error {
	size := 0
	for i := range meta {
		size += len(meta[i].Name) + len(meta[i].Value)
	}
	if size > metaMax {
		return errMetadataTooLarge.With("Size", strconv.Itoa(size)).With("MaxSizeAllowed", strconv.Itoa(metaMax))
	}
	if len(meta) > 1 {
		slices.SortFunc(meta, func(a, b s3.Header) int { return strings.Compare(a.Name, b.Name) })
	}
	return nil
}

// showMetadata sets the headers of user metadata. Their names go out in lower
// case, since some clients keep the case that they get. Values that no header
// can carry go out as an RFC 2047 word, as on AWS.
func showMetadata(h http.Header, meta []s3.Header) {
	for i := range meta {
		v := meta[i].Value
		if !printable(v) {
			v = encodeWord(v)
		}
		h["x-amz-meta-"+meta[i].Name] = []string{v}
	}
}

// printable tells whether a header can carry s: ASCII without control
// characters, and no white space at the ends, which HTTP drops.
func printable(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c >= 0x7f {
			return false
		}
	}
	return s == "" || !blank(s[0]) && !blank(s[len(s)-1])
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

// encodeWord gives the RFC 2047 word of s. Bytes that are no UTF-8 are taken for
// ISO 8859-1. As on AWS, mostly plain text is in encoding Q and all else in B.
func encodeWord(s string) string {
	if !utf8.ValidString(s) {
		r := make([]rune, len(s))
		for i := range len(s) {
			r[i] = rune(s[i])
		}
		s = string(r)
	}
	if mostlyPlain(s) {
		return "=?UTF-8?Q?" + encodeQ(s) + "?="
	}
	return "=?UTF-8?B?" + base64.StdEncoding.EncodeToString([]byte(s)) + "?="
}

// mostlyPlain tells whether s has characters beyond ASCII or control characters,
// and fewer of them than of the others. Characters beyond the basic plane count
// twice, since AWS counts units of UTF-16.
func mostlyPlain(s string) bool {
	plain, special := 0, 0
	for _, r := range s {
		switch {
		case r > 0xffff:
			special += 2
		case r >= 0x7f || r < ' ' && r != '\r' && r != '\n' && r != '\t':
			special++
		default:
			plain++
		}
	}
	return special > 0 && special < plain
}

// encodeQ escapes s as encoding Q has it: a blank is an underscore, and what is
// not printable ASCII, or means something in a word, is escaped byte by byte.
func encodeQ(s string) string {
	const hex = "0123456789ABCDEF"
	b := make([]byte, 0, len(s)+16)
	for i := range len(s) {
		switch c := s[i]; {
		case c == ' ':
			b = append(b, '_')
		case c < ' ' || c >= 0x7f || c == '=' || c == '?' || c == '_':
			b = append(b, '=', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return string(b)
}
