package sigv4

import (
	"net/http"
	"strings"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	algorithmA = "AWS4-ECDSA-P256-SHA256"
	terminal   = "aws4_request"
)

// credential is a parsed Credential component. All parts are slices of the
// text that it came from.
type credential struct {
	accessKey, date, region, service, terminal string
	scope                                      string // date/region/service/terminal
}

// parseCredential splits accessKey/date/region/service/aws4_request. It checks
// the shape only.
func parseCredential(s string) (c credential, ok bool) {
	var rest string
	if c.accessKey, rest, ok = strings.Cut(s, "/"); !ok {
		return credential{}, false
	}
	c.scope = rest
	if c.date, rest, ok = strings.Cut(rest, "/"); !ok {
		return credential{}, false
	}
	if c.region, rest, ok = strings.Cut(rest, "/"); !ok {
		return credential{}, false
	}
	if c.service, c.terminal, ok = strings.Cut(rest, "/"); !ok {
		return credential{}, false
	}
	if strings.Contains(c.terminal, "/") || len(s) > credentialMax || !printable(s) {
		return credential{}, false
	}
	return c, true
}

// credentialMax bounds a Credential component, in bytes. AWS's access keys have
// at most 128.
const credentialMax = 512

// printable tells whether s is made of visible ASCII.
func printable(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// Scope looks at the credential scope of a request without verifying anything,
// so that a dispatcher can choose the region and the service that will verify
// it. It sees header and presigned V4 requests; Signature Version 2 and
// anonymous requests have no scope, and that of a POST form lies in its body.
func Scope(r *http.Request) (region, service string, ok bool) {
	var text string
	if a := r.Header["Authorization"]; len(a) > 0 {
		if len(a) != 1 || !strings.HasPrefix(a[0], algorithm) {
			return "", "", false
		}
		_, rest, found := strings.Cut(a[0], "Credential=")
		if !found {
			return "", "", false
		}
		if i := strings.IndexAny(rest, ", "); i >= 0 {
			rest = rest[:i]
		}
		text = rest
	} else {
		_, query := target(r)
		for query != "" {
			var pair string
			pair, query, _ = strings.Cut(query, "&")
			name, value, _ := strings.Cut(pair, "=")
			if name == "X-Amz-Credential" || strings.Contains(name, "%") && decode(name) == "X-Amz-Credential" {
				text = decode(value)
				break
			}
		}
	}
	c, ok := parseCredential(text)
	return c.region, c.service, ok
}

// target splits the request line's target into the raw path and the raw query.
// Requests that were built, not received, have no request line and are read
// from their URL.
func target(r *http.Request) (path, query string) {
	uri := r.RequestURI
	if uri == "" {
		path = r.URL.EscapedPath()
		if path == "" {
			path = "/"
		}
		return path, r.URL.RawQuery
	}
	if uri[0] != '/' {
		// The absolute form: http://host/path. The host is r.Host by then.
		if i := strings.Index(uri, "://"); i >= 0 {
			uri = uri[i+3:]
			i = strings.IndexAny(uri, "/?")
			if i < 0 {
				return "/", ""
			}
			uri = uri[i:]
			if uri[0] == '?' {
				return "/", uri[1:]
			}
		}
	}
	path, query, _ = strings.Cut(uri, "?")
	return path, query
}
