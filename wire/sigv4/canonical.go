package sigv4

import (
	"net/http"
	"slices"
	"strings"
)

// unreserved tells the bytes that canonical URIs hold as they are.
var unreserved = func() (t [256]bool) {
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = true, true
	}
	for c := '0'; c <= '9'; c++ {
		t[c] = true
	}
	for _, c := range "-._~" {
		t[c] = true
	}
	return t
}()

const upperHex = "0123456789ABCDEF"

func unhex(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// escapeAt decodes the %XX at s[i:], if there is one.
func escapeAt(s string, i int) (byte, bool) {
	if i+2 >= len(s) || s[i] != '%' {
		return 0, false
	}
	hi, ok1 := unhex(s[i+1])
	lo, ok2 := unhex(s[i+2])
	return hi<<4 | lo, ok1 && ok2
}

func appendEscaped(dst []byte, c byte) []byte {
	return append(dst, '%', upperHex[c>>4], upperHex[c&15])
}

// appendPathS3 appends S3's canonical path: the received one, each byte encoded
// once in AWS's alphabet, nothing normalised. An escaped slash stays escaped.
func appendPathS3(dst []byte, raw string) []byte {
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if unreserved[c] || c == '/' {
			dst = append(dst, c)
			continue
		}
		if d, ok := escapeAt(raw, i); ok {
			c = d
			i += 2
		}
		if unreserved[c] {
			dst = append(dst, c)
		} else {
			dst = appendEscaped(dst, c)
		}
	}
	return dst
}

// appendPathOther appends the canonical path of every other service: empty and
// dot segments removed, then what was received encoded once more.
func appendPathOther(dst []byte, raw string) []byte {
	start := len(dst)
	dst = append(dst, '/')
	for rest := raw; rest != ""; {
		var seg string
		seg, rest, _ = strings.Cut(rest, "/")
		switch seg {
		case "", ".":
			continue
		case "..":
			// Drop the last segment and its slash, never the root.
			end := len(dst) - 1
			for end > start && dst[end-1] != '/' {
				end--
			}
			if end > start {
				dst = dst[:end]
			}
			continue
		}
		for i := 0; i < len(seg); i++ {
			if unreserved[seg[i]] {
				dst = append(dst, seg[i])
			} else {
				dst = appendEscaped(dst, seg[i])
			}
		}
		dst = append(dst, '/')
	}
	// A trailing slash stays only where one was received.
	if len(dst) > start+1 && !strings.HasSuffix(raw, "/") && !strings.HasSuffix(raw, "/.") && !strings.HasSuffix(raw, "/..") {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// param is one query parameter, as offsets into query.buf, where name and
// value lie in canonical encoding.
type param struct{ name, mid, end int }

// query is a parsed query string. One parse serves the canonical request and
// the credentials alike.
type query struct {
	buf    []byte
	params []param
}

func (q *query) parse(raw string) {
	q.buf, q.params = q.buf[:0], q.params[:0]
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		p := param{name: len(q.buf)}
		q.buf = appendComponent(q.buf, name)
		p.mid = len(q.buf)
		q.buf = appendComponent(q.buf, value)
		p.end = len(q.buf)
		q.params = append(q.params, p)
	}
}

// appendComponent re-encodes a received query component canonically. A plus is
// a space, as in every form of query that AWS decodes.
func appendComponent(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if unreserved[c] {
			dst = append(dst, c)
			continue
		}
		if c == '+' {
			c = ' '
		} else if d, ok := escapeAt(s, i); ok {
			c = d
			i += 2
		}
		if unreserved[c] {
			dst = append(dst, c)
		} else {
			dst = appendEscaped(dst, c)
		}
	}
	return dst
}

func (q *query) name(p param) []byte  { return q.buf[p.name:p.mid] }
func (q *query) value(p param) []byte { return q.buf[p.mid:p.end] }

// get decodes the value of the parameter with a canonical name, and counts how
// often the name occurs.
func (q *query) get(name string) (value string, times int) {
	for _, p := range q.params {
		if string(q.name(p)) == name {
			if times == 0 {
				value = decode(string(q.value(p)))
			}
			times++
		}
	}
	return value, times
}

// decode undoes percent-encoding and pluses. Broken escapes stay as they are.
func decode(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch d, ok := escapeAt(s, i); {
		case ok:
			b = append(b, d)
			i += 2
		case s[i] == '+':
			b = append(b, ' ')
		default:
			b = append(b, s[i])
		}
	}
	return string(b)
}

func (q *query) less(a, b param) int {
	if c := slices.Compare(q.name(a), q.name(b)); c != 0 {
		return c
	}
	return slices.Compare(q.value(a), q.value(b))
}

// appendCanonical appends the parameters in order, without skip.
func (q *query) appendCanonical(dst []byte, skip string) []byte {
	if len(q.params) > 1 {
		slices.SortFunc(q.params, q.less)
	}
	first := true
	for _, p := range q.params {
		if skip != "" && string(q.name(p)) == skip {
			continue
		}
		if !first {
			dst = append(dst, '&')
		}
		first = false
		dst = append(dst, q.name(p)...)
		dst = append(dst, '=')
		dst = append(dst, q.value(p)...)
	}
	return dst
}

// appendHeader appends name:value\n for a signed header, from wherever net/http
// keeps it. A header that is signed but absent counts as empty, which is what
// its signer must have seen for the signatures to agree.
func appendHeader(dst []byte, r *http.Request, name string) []byte {
	dst = append(dst, name...)
	dst = append(dst, ':')
	switch name {
	case "host":
		dst = appendFolded(dst, r.Host)
	case "content-length":
		if v := r.Header["Content-Length"]; len(v) > 0 {
			dst = appendFolded(dst, v[0])
		} else if r.ContentLength >= 0 {
			dst = appendInt(dst, r.ContentLength)
		}
	case "transfer-encoding":
		for i, v := range r.TransferEncoding {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendFolded(dst, v)
		}
	case "trailer":
		// net/http keeps the names without their order; one is usual.
		names := make([]string, 0, len(r.Trailer))
		for v := range r.Trailer {
			names = append(names, v)
		}
		slices.Sort(names)
		dst = append(dst, strings.Join(names, ",")...)
	default:
		for i, v := range lookup(r.Header, name) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendFolded(dst, v)
		}
	}
	return append(dst, '\n')
}

// lookup finds the values of a header by its lower-case name without allocating.
func lookup(h http.Header, lower string) []string {
	var stack [64]byte
	b := append(stack[:0], lower...)
	up := true
	for i, c := range b {
		if up && 'a' <= c && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
		up = c == '-'
	}
	return h[string(b)]
}

// appendFolded appends a header value trimmed, runs of white space made one
// space.
func appendFolded(dst []byte, s string) []byte {
	start, space := len(dst), false
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == ' ' || c == '\t' {
			space = len(dst) > start
			continue
		}
		if space {
			dst = append(dst, ' ')
			space = false
		}
		dst = append(dst, c)
	}
	return dst
}

func appendInt(dst []byte, n int64) []byte {
	var b [20]byte
	i := len(b)
	for {
		i--
		b[i] = byte('0' + n%10)
		if n /= 10; n == 0 {
			return append(dst, b[i:]...)
		}
	}
}
