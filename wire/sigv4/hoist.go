package sigv4

import (
	"net/http"
	"slices"
	"strings"
)

// Hoist gives a presigned request the headers that its signer moved into the
// query, as SDKs do with x-amz- headers and boto, for V2, with Content-Type and
// Content-MD5 too. They were signed as parameters. A header that is there stays
// as it is. Requests of other kinds are left alone: their query is no header.
//
// Checksums stay in the query, where they are signed and mean nothing, as on AWS:
// SDKs that presign an upload put the checksum of the body that they have then,
// which is empty. Call it once, after Verify.
func (res *Result) Hoist(r *http.Request) {
	if res.Kind != Presigned && res.Kind != PresignedV2 {
		return
	}
	var q query
	_, raw := target(r)
	q.parse(raw)
	given := make(http.Header)
	for _, p := range q.params {
		name := decode(string(q.name(p)))
		lower := strings.ToLower(name)
		if slices.Contains(notHoisted, lower) || bodyChecksum(lower) {
			continue
		}
		body := res.Kind == PresignedV2 && (lower == "content-type" || lower == "content-md5")
		if !body && !amz(name) || !fieldName(lower) {
			continue
		}
		value := decode(string(q.value(p)))
		if !fieldValue(value) {
			continue
		}
		canonical := http.CanonicalHeaderKey(lower)
		if r.Header[canonical] == nil {
			given[canonical] = append(given[canonical], value)
		}
	}
	for name, values := range given {
		r.Header[name] = values
	}
}

// notHoisted are the parameters that make up the proof itself.
var notHoisted = []string{"x-amz-algorithm", "x-amz-content-sha256", "x-amz-credential", "x-amz-date", "x-amz-expires", "x-amz-signature", "x-amz-signedheaders"}

// bodyChecksum tells whether a parameter is a checksum of a body, or names the
// algorithm of one that comes with the body.
func bodyChecksum(lower string) bool {
	of, ok := strings.CutPrefix(lower, "x-amz-checksum-")
	if !ok {
		return lower == "x-amz-sdk-checksum-algorithm"
	}
	return of != "algorithm" && of != "type" && of != "mode"
}

// fieldName tells whether a lower-case name can be a header's.
func fieldName(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return s != ""
}

// fieldValue tells whether a text can be a header's value.
func fieldValue(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
