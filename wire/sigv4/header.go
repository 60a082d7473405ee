package sigv4

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/farhold/farhold/awserr"
)

// header verifies V4 in the Authorization header.
func (v *Verifier) header(r *http.Request, s *scratch, path, auth string) (*Result, error) {
	c := s.newClaim(Header)
	if err := v.parseAuthorization(c, auth); err != nil {
		return nil, err
	}
	if err := requestDate(r, c); err != nil {
		return nil, err
	}
	if c.dateText[:8] != c.cred.date {
		return nil, malformed(WrongScope, "Invalid credential date %q. This date is not the same as X-Amz-Date: %q.", c.cred.date, c.dateText[:8])
	}
	if err := v.skew(c.date, c.dateText); err != nil {
		return nil, err
	}
	if err := checkSigned(r, c.signed, ""); err != nil {
		return nil, err
	}
	var err error
	if c.token, err = only(r, "X-Amz-Security-Token"); err != nil {
		return nil, err
	}
	if isS3(c.cred.service) {
		if c.payload, err = only(r, "X-Amz-Content-Sha256"); err != nil {
			return nil, err
		}
		if c.payload == "" {
			return nil, refuse(errNoPayload, BadPayload)
		}
		if err := checkPayload(c.payload); err != nil {
			return nil, err
		}
	} else if c.payload, err = hashBody(r); err != nil {
		return nil, err
	}
	return v.prove(r, s, path, c)
}

// parseAuthorization reads the Authorization header.
func (v *Verifier) parseAuthorization(c *claim, auth string) error {
	kind, rest, _ := strings.Cut(auth, " ")
	switch kind {
	case algorithm:
	case algorithmA:
		return refuse(awserr.ErrNotImplemented.With("Header", "Authorization"), Unsupported)
	default:
		return refuse(awserr.Argument("Authorization", auth, "Unsupported Authorization Type"), Unsupported)
	}
	var credText string
	parts := 0
	for rest = strings.TrimLeft(rest, " "); rest != ""; {
		var one string
		one, rest, _ = strings.Cut(rest, ",")
		one, rest = strings.Trim(one, " "), strings.TrimLeft(rest, " ")
		name, value, ok := strings.Cut(one, "=")
		var to *string
		switch name {
		case "Credential":
			to = &credText
		case "SignedHeaders":
			to = &c.signed
		case "Signature":
			to = &c.signature
		}
		if !ok || to == nil || *to != "" || value == "" {
			return malformed(Malformed, "the authorization component %q is malformed.", one)
		}
		*to = value
		parts++
	}
	switch {
	case parts == 0:
		return malformed(Incomplete, "the authorization header requires three components: Credential, SignedHeaders, and Signature.")
	case credText == "":
		return malformed(Incomplete, "missing Credential.")
	case c.signed == "":
		return malformed(Incomplete, "missing SignedHeaders.")
	case c.signature == "":
		return malformed(Incomplete, "missing Signature.")
	}
	var ok bool
	if c.cred, ok = parseCredential(credText); !ok {
		return malformed(Malformed, "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".")
	}
	if !orderedHeaders(c.signed) {
		return malformed(Malformed, "the authorization component %q is malformed.", "SignedHeaders="+c.signed)
	}
	if why, region := v.checkScope(&c.cred); why != "" {
		e := errMalformed.Text("The authorization header is malformed; %s", why)
		if region {
			e = e.With("Region", v.Region)
		}
		return refuse(e, WrongScope)
	}
	return nil
}

// checkScope holds a credential scope against what this verifier serves, and
// gives AWS's wording of what is wrong, or "".
func (v *Verifier) checkScope(c *credential) (why string, region bool) {
	switch {
	case c.accessKey == "":
		return "a non-empty Access Key (AKID) must be provided in the credential.", false
	case !isDate(c.date):
		return fmt.Sprintf("incorrect date format %q. This date in the credential must be in the format \"yyyyMMdd\".", c.date), false
	case c.terminal != terminal:
		return fmt.Sprintf("incorrect terminal %q. This endpoint uses \"aws4_request\".", c.terminal), false
	case !v.serves(c.service):
		belongs := ""
		if len(v.Services) > 0 {
			belongs = v.Services[0]
		}
		return fmt.Sprintf("incorrect service %q. This endpoint belongs to %q.", c.service, belongs), false
	case v.Region != "" && c.region != v.Region:
		return fmt.Sprintf("the region '%s' is wrong; expecting '%s'", c.region, v.Region), true
	case c.region == "":
		return "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".", false
	}
	return "", false
}

// only gives the single value of a header, by its canonical name, or "". A
// header that decides who someone is may not come twice: the two values would
// be signed as one and read as another.
func only(r *http.Request, name string) (string, error) {
	v := r.Header[name]
	switch len(v) {
	case 0:
		return "", nil
	case 1:
		return v[0], nil
	}
	return "", refuse(awserr.Argument(strings.ToLower(name), strings.Join(v, ","), "The header %s must not be repeated", strings.ToLower(name)), Malformed)
}

// requestDate finds when the request says it was signed: x-amz-date, or Date
// where that is absent.
func requestDate(r *http.Request, c *claim) error {
	text, err := only(r, "X-Amz-Date")
	if err != nil {
		return err
	}
	if text != "" {
		if t, ok := parseLongDate(text); ok {
			c.date, c.dateText = t, text
			return nil
		}
		if t, ok := parseHTTPDate(text); ok {
			c.date, c.dateText = t, t.Format(longDate)
			return nil
		}
		return refuse(errNoDate, Incomplete)
	}
	if text, err = only(r, "Date"); err != nil {
		return err
	}
	if t, ok := parseLongDate(text); ok {
		c.date, c.dateText = t, text
		return nil
	}
	if t, ok := parseHTTPDate(text); ok {
		c.date, c.dateText = t, t.Format(longDate)
		return nil
	}
	return refuse(errNoDate, Incomplete)
}

const longDate = "20060102T150405Z"

// parseLongDate reads 20130524T000000Z without allocating.
func parseLongDate(s string) (time.Time, bool) {
	if len(s) != 16 || s[8] != 'T' || s[15] != 'Z' {
		return time.Time{}, false
	}
	num := func(from, to int) int {
		n := 0
		for _, c := range []byte(s[from:to]) {
			if c < '0' || c > '9' {
				return -1
			}
			n = n*10 + int(c-'0')
		}
		return n
	}
	y, mo, d := num(0, 4), num(4, 6), num(6, 8)
	h, mi, sec := num(9, 11), num(11, 13), num(13, 15)
	if y < 0 || mo < 1 || mo > 12 || d < 1 || h < 0 || h > 23 || mi < 0 || mi > 59 || sec < 0 || sec > 59 {
		return time.Time{}, false
	}
	t := time.Date(y, time.Month(mo), d, h, mi, sec, 0, time.UTC)
	return t, t.Day() == d
}

// isDate tells whether s is a calendar day as yyyyMMdd.
func isDate(s string) bool {
	if len(s) != 8 {
		return false
	}
	_, ok := parseLongDate(s + "T000000Z")
	return ok
}

// parseHTTPDate reads the forms of HTTP's Date header, and RFC 1123 with a
// numeric zone, which SigV2 clients send.
func parseHTTPDate(s string) (time.Time, bool) {
	for _, layout := range []string{http.TimeFormat, time.RFC1123Z, time.RFC850, time.ANSIC, time.RFC1123} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

const isoDate = "2006-01-02T15:04:05Z"

// skew refuses requests that were not signed just now.
func (v *Verifier) skew(t time.Time, text string) error {
	now := v.now()
	if d := now.Sub(t); d > SkewMax || d < -SkewMax {
		return refuse(errSkewed.With("RequestTime", text).With("ServerTime", now.Format(isoDate)).
			With("MaxAllowedSkewMilliseconds", strconv.FormatInt(SkewMax.Milliseconds(), 10)), Skewed)
	}
	return nil
}

// orderedHeaders tells whether a SignedHeaders list is made of lower-case
// header names, strictly ascending, so that nothing is signed twice or hidden.
func orderedHeaders(list string) bool {
	prev := ""
	for {
		one, rest, more := strings.Cut(list, ";")
		if one == "" || one <= prev || len(one) > 256 {
			return false
		}
		for i := 0; i < len(one); i++ {
			if c := one[i]; c <= ' ' || c >= 0x7f || c == ':' || 'A' <= c && c <= 'Z' {
				return false
			}
		}
		if !more {
			return true
		}
		prev, list = one, rest
	}
}

// checkSigned demands that host and every x-amz- header present be signed, but
// for the one excepted: what an intermediary could add or change must not mean
// anything.
func checkSigned(r *http.Request, signed, except string) error {
	var missing []string
	if !listed(signed, "host") {
		missing = append(missing, "host")
	}
	for name := range r.Header {
		if !amz(name) {
			continue
		}
		var stack [64]byte
		lower := append(stack[:0], name...)
		for i, c := range lower {
			if 'A' <= c && c <= 'Z' {
				lower[i] = c + 'a' - 'A'
			}
		}
		if !listedBytes(signed, lower) && string(lower) != except {
			missing = append(missing, string(lower))
		}
	}
	if missing != nil {
		slices.Sort(missing)
		return refuse(errNotSigned.With("HeadersNotSigned", strings.Join(missing, ", ")), NotSigned)
	}
	return nil
}

// amz tells whether a header name begins with x-amz-, in any case.
func amz(name string) bool {
	const prefix = "x-amz-"
	return len(name) > len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
}

func listedBytes(list string, name []byte) bool {
	for list != "" {
		var one string
		one, list, _ = strings.Cut(list, ";")
		if one == string(name) {
			return true
		}
	}
	return false
}

// canonical builds the canonical request into s.canon and its digest.
func (s *scratch) canonical(r *http.Request, path string, c *claim) {
	b := append(s.canon[:0], r.Method...)
	b = append(b, '\n')
	if isS3(c.cred.service) {
		b = appendPathS3(b, path)
	} else {
		b = appendPathOther(b, path)
	}
	b = append(b, '\n')
	b = s.query.appendCanonical(b, c.skip)
	b = append(b, '\n')
	for list := c.signed; list != ""; {
		var one string
		one, list, _ = strings.Cut(list, ";")
		b = appendHeader(b, r, one)
	}
	b = append(b, '\n')
	b = append(b, c.signed...)
	b = append(b, '\n')
	b = append(b, c.payload...)
	s.canon = b
	s.digest = sha256.Sum256(b)
}

// stringToSign builds the string to sign into s.sts.
func (s *scratch) stringToSign(c *claim) {
	b := append(s.sts[:0], algorithm...)
	b = append(b, '\n')
	b = append(b, c.dateText...)
	b = append(b, '\n')
	b = append(b, c.cred.scope...)
	b = append(b, '\n')
	s.sts = appendHex(b, s.digest[:])
}

// mismatch is SignatureDoesNotMatch with what AWS shows for debugging: what the
// server understood, never what it expected.
func (s *scratch) mismatch(c *claim) error {
	return refuse(errMismatch.With("AWSAccessKeyId", c.cred.accessKey).
		With("StringToSign", string(s.sts)).
		With("SignatureProvided", c.signature).
		With("StringToSignBytes", spacedHex(s.sts)).
		With("CanonicalRequest", string(s.canon)).
		With("CanonicalRequestBytes", spacedHex(s.canon)), Mismatch)
}

// spacedHex is how S3 prints bytes: 41 57 53.
func spacedHex(b []byte) string {
	out := make([]byte, 0, 3*len(b))
	for i, c := range b {
		if i > 0 {
			out = append(out, ' ')
		}
		out = append(out, hexDigits[c>>4], hexDigits[c&15])
	}
	return string(out)
}

// equalHex compares a signature in lower-case hex with a computed one, in
// constant time.
func equalHex(given string, sum *[32]byte) bool {
	var want [64]byte
	hex.Encode(want[:], sum[:])
	var got [64]byte
	n := copy(got[:], given)
	return subtle.ConstantTimeCompare(got[:], want[:])&subtle.ConstantTimeEq(int32(n), 64)&subtle.ConstantTimeEq(int32(len(given)), 64) == 1
}
