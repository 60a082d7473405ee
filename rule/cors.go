package rule

import (
	"strconv"
	"strings"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/wire/restxml"
	s3shapes "github.com/farhold/farhold/wire/shapes/s3"
)

// What CORS answers.
var (
	ErrCORSNotFound  = awserr.New("NoSuchCORSConfiguration", 404, "The CORS configuration does not exist")
	ErrCORSOff       = awserr.New("AccessForbidden", 403, "CORSResponse: CORS is not enabled for this bucket.")
	ErrCORSNoBucket  = awserr.New("AccessForbidden", 403, "CORSResponse: Bucket not found")
	ErrCORSForbidden = awserr.New("AccessForbidden", 403, "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.")
	ErrCORSNoOrigin  = awserr.New("BadRequest", 400, "Insufficient information. Origin request header needed.")
	ErrCORSNoMethod  = awserr.New("BadRequest", 400, "Invalid Access-Control-Request-Method: null")
	ErrCORSRules     = awserr.ErrInvalidRequest.Text("The number of CORS rules should not exceed allowed limit of 100 rules.")
)

const corsRulesMax = 100

// CORS is a parsed CORS configuration.
type CORS struct{ rules []s3shapes.CORSRule }

// ParseCORS reads a CORS configuration as Check returned it.
func ParseCORS(raw []byte) (*CORS, error) {
	var doc s3shapes.CORSConfiguration
	if err := restxml.Decode(raw, &doc); err != nil {
		return nil, err
	}
	return &CORS{doc.CORSRules}, nil
}

func checkCORS(_ *Context, raw []byte) ([]byte, error) {
	var doc s3shapes.CORSConfiguration
	if err := restxml.Decode(raw, &doc); err != nil {
		return nil, err
	}
	if len(doc.CORSRules) > corsRulesMax {
		return nil, ErrCORSRules
	}
	for _, r := range doc.CORSRules {
		if len(value(r.ID)) > ruleIDMax {
			return nil, awserr.Argument("ID", *r.ID, "ID length should not exceed allowed limit of 255")
		}
		for _, m := range r.AllowedMethods {
			switch m {
			case "GET", "PUT", "POST", "DELETE", "HEAD":
			default:
				return nil, invalid("Found unsupported HTTP method in CORS config. Unsupported method is %s", m)
			}
		}
		for _, o := range r.AllowedOrigins {
			if strings.Count(o, "*") > 1 {
				return nil, invalid("AllowedOrigin %q can not have more than one wildcard.", o)
			}
		}
		for _, h := range r.AllowedHeaders {
			if strings.Count(h, "*") > 1 {
				return nil, invalid("AllowedHeader %q can not have more than one wildcard.", h)
			}
		}
		for _, h := range r.ExposeHeaders {
			if strings.Contains(h, "*") {
				return nil, invalid("ExposeHeader %q contains wildcard. We currently do not support wildcard for ExposeHeader.", h)
			}
		}
	}
	return encode(&doc)
}

// Preflight answers an OPTIONS request: the headers to send with 200, or
// AWS's error. resource is BUCKET or OBJECT; headers are the names in
// Access-Control-Request-Headers. A nil CORS is a bucket without a
// configuration.
func (c *CORS) Preflight(resource, origin, method string, headers []string) ([]s3.Header, error) {
	if origin == "" {
		return nil, ErrCORSNoOrigin
	}
	if c == nil {
		return nil, CORSForbidden(ErrCORSOff, resource, method)
	}
	if method == "" {
		return nil, ErrCORSNoMethod
	}
	for i := range c.rules {
		r := &c.rules[i]
		allowed, ok := corsOrigin(r, origin)
		if ok && corsMethod(r, method) && corsHeaders(r, headers) {
			return corsAnswer(r, allowed, headers), nil
		}
	}
	return nil, CORSForbidden(ErrCORSForbidden, resource, method)
}

// CORSForbidden adds to one of the AccessForbidden errors what AWS adds. An
// empty method is OPTIONS itself.
func CORSForbidden(e *awserr.Error, resource, method string) error {
	if method == "" {
		method = "OPTIONS"
	}
	return e.With("Method", method).With("ResourceType", resource)
}

// Actual gives the headers that go with the answer to a request that has an
// Origin; nil when no rule matches, or for a nil CORS.
func (c *CORS) Actual(origin, method string) []s3.Header {
	if c == nil || origin == "" {
		return nil
	}
	for i := range c.rules {
		if allowed, ok := corsOrigin(&c.rules[i], origin); ok && corsMethod(&c.rules[i], method) {
			return corsAnswer(&c.rules[i], allowed, nil)
		}
	}
	return nil
}

// corsOrigin gives what Access-Control-Allow-Origin shall say.
func corsOrigin(r *s3shapes.CORSRule, origin string) (allowed string, ok bool) {
	for _, pattern := range r.AllowedOrigins {
		if pattern == "*" {
			return "*", true
		}
		if wildcard(pattern, origin) {
			return origin, true
		}
	}
	return "", false
}

func corsMethod(r *s3shapes.CORSRule, method string) bool {
	for _, m := range r.AllowedMethods {
		if m == method {
			return true
		}
	}
	return false
}

func corsHeaders(r *s3shapes.CORSRule, headers []string) bool {
next:
	for _, h := range headers {
		for _, pattern := range r.AllowedHeaders {
			if wildcard(strings.ToLower(pattern), strings.ToLower(h)) {
				continue next
			}
		}
		return false
	}
	return true
}

// wildcard matches s against a pattern with at most one *.
func wildcard(pattern, s string) bool {
	before, after, ok := strings.Cut(pattern, "*")
	if !ok {
		return pattern == s
	}
	return len(s) >= len(before)+len(after) && strings.HasPrefix(s, before) && strings.HasSuffix(s, after)
}

func corsAnswer(r *s3shapes.CORSRule, origin string, headers []string) []s3.Header {
	h := []s3.Header{
		{Name: "Access-Control-Allow-Origin", Value: origin},
		{Name: "Access-Control-Allow-Methods", Value: strings.Join(r.AllowedMethods, ", ")},
	}
	if len(headers) > 0 {
		h = append(h, s3.Header{Name: "Access-Control-Allow-Headers", Value: strings.ToLower(strings.Join(headers, ", "))})
	}
	if len(r.ExposeHeaders) > 0 {
		h = append(h, s3.Header{Name: "Access-Control-Expose-Headers", Value: strings.Join(r.ExposeHeaders, ", ")})
	}
	if r.MaxAgeSeconds != nil {
		h = append(h, s3.Header{Name: "Access-Control-Max-Age", Value: strconv.Itoa(int(*r.MaxAgeSeconds))})
	}
	if origin != "*" {
		h = append(h, s3.Header{Name: "Access-Control-Allow-Credentials", Value: "true"})
	}
	return append(h, s3.Header{Name: "Vary", Value: "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"})
}
