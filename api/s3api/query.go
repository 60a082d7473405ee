package s3api

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/farhold/farhold/awserr"
)

// paramsMax bounds how many parameters a query may have. The longest that an
// SDK sends has about twenty.
const paramsMax = 100

// param is one parameter of a query, decoded. flag tells ?acl from ?acl=.
type param struct {
	name, value string
	flag        bool
}

// Query holds the parameters of a request in the order in which they came. No
// name stands in it twice: what a signature covers and what a handler reads
// must not be two values. Queries are short, so a search from the front beats a
// map.
type Query []param

// Get gives the value of a parameter, or "".
func (q Query) Get(name string) string {
	v, _ := q.Lookup(name)
	return v
}

// Has tells whether the parameter is there, with or without a value.
func (q Query) Has(name string) bool {
	_, ok := q.Lookup(name)
	return ok
}

// Lookup gives the value of a parameter and whether it is there.
func (q Query) Lookup(name string) (string, bool) {
	for i := range q {
		if q[i].name == name {
			return q[i].value, true
		}
	}
	return "", false
}

// parseQuery reads a raw query strictly: escapes must be whole, text must be
// UTF-8, names must differ. A plus sign is a space, as in a form.
func parseQuery(raw string) (Query, error) {
	if raw == "" {
		return nil, nil
	}
	n := strings.Count(raw, "&") + 1
	if n > paramsMax {
		return nil, errInvalidURI.Because(errTooManyParams)
	}
	q := make(Query, 0, n)
	for raw != "" {
		var piece string
		piece, raw, _ = strings.Cut(raw, "&")
		if piece == "" {
			continue
		}
		rawName, rawValue, hasValue := strings.Cut(piece, "=")
		name, err := unescapeParam(rawName)
		if err != nil {
			return nil, err
		}
		value, err := unescapeParam(rawValue)
		if err != nil {
			return nil, err
		}
		if q.Has(name) {
			return nil, awserr.Argument(name, value, "The query parameter %s is given more than once", name)
		}
		q = append(q, param{name: name, value: value, flag: !hasValue})
	}
	return q, nil
}

func unescapeParam(s string) (string, error) {
	if strings.IndexByte(s, '%') >= 0 || strings.IndexByte(s, '+') >= 0 {
		d, err := url.QueryUnescape(s)
		if err != nil {
			return "", errInvalidURI.Because(err)
		}
		s = d
	}
	if !utf8.ValidString(s) {
		return "", errInvalidURI
	}
	return s, nil
}
