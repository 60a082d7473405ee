package s3api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/farhold/farhold/awserr"
)

var errUnknownSubresource = awserr.ErrNotImplemented.Text("A query parameter you provided implies functionality that is not implemented")

// table finds the row of a request. A parameter that no row knows is never
// passed over where it could change what is done: peers have deleted a bucket
// on DELETE ?publicAccessBlock.
type table struct {
	rows   []Route
	byCall map[call][]*Route
	subs   map[string]bool // every sub-resource of the table, at whatever level
	named  map[named]bool  // sub-resources by level, whatever the method
}

type call struct {
	method string
	level  Level
}

type named struct {
	level Level
	sub   string
}

func newTable(rows []Route) *table {
	t := &table{rows: rows, byCall: make(map[call][]*Route), subs: make(map[string]bool), named: make(map[named]bool)}
	for i := range t.rows {
		r := &t.rows[i]
		c := call{r.Method, r.Level}
		t.byCall[c] = append(t.byCall[c], r)
		t.named[named{r.Level, r.Sub}] = true
		if r.Sub != "" {
			t.subs[r.Sub] = true
		}
	}
	return t
}

// find gives the row of a request, or the error that refuses it.
func (t *table) find(method string, level Level, q Query, h http.Header) (*Route, error) {
	sub := ""
	for i := range q {
		if !t.subs[q[i].name] {
			continue
		}
		if sub != "" {
			return nil, awserr.Argument("ResourceType", sub, "Conflicting query string parameters: %s, %s", sub, q[i].name)
		}
		sub = q[i].name
	}
	var short *Route // fits but for a parameter that it needs
	for _, r := range t.byCall[call{method, level}] {
		if r.Sub != sub || r.Header != "" && len(h[r.Header]) == 0 {
			continue
		}
		if i := slices.IndexFunc(r.Need, func(n string) bool { return !q.Has(n) }); i >= 0 {
			short = r
			continue
		}
		if err := t.checkParams(r, q); err != nil {
			return nil, err
		}
		return r, nil
	}
	if short != nil {
		return nil, awserr.Argument(short.Need[0], "", "Missing required query parameter: %s", short.Need[0])
	}
	// A flag nobody knows is a sub-resource of a newer S3, and the answer to it
	// does not depend on what the rest of the request looks like.
	for i := range q {
		if q[i].value == "" && !t.subs[q[i].name] && !common(q[i].name) {
			return nil, errUnknownSubresource.With("Parameter", q[i].name)
		}
	}
	if t.named[named{level, sub}] {
		return nil, awserr.ErrMethodNotAllowed.With("Method", method).With("ResourceType", resourceType(level, sub))
	}
	return nil, errUnknownSubresource.With("Parameter", sub)
}

// checkParams refuses parameters that the row does not know. Reads pass over
// those that have a value, as AWS does: they are labels that caches need.
func (t *table) checkParams(r *Route, q Query) error {
	for i := range q {
		name := q[i].name
		if name == r.Sub || common(name) || slices.Contains(r.Need, name) || slices.Contains(r.Params, name) {
			continue
		}
		switch {
		case q[i].value != "" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		case name == "versionId":
			return awserr.Argument(name, q[i].value, "This operation does not accept a version-id.")
		default:
			return errUnknownSubresource.With("Parameter", name)
		}
	}
	return nil
}

// common tells the parameters that any request may have: those of signatures,
// headers that a presigned URL carries in its query, and the SDKs' x-id.
func common(name string) bool {
	switch name {
	case "x-id", "AWSAccessKeyId", "Signature", "Expires", "content-type", "content-md5":
		return true
	}
	return len(name) > 6 && strings.EqualFold(name[:6], "x-amz-")
}

// resourceType is AWS's word for what a method is not allowed on.
func resourceType(level Level, sub string) string {
	if sub == "" {
		return level.String()
	}
	return strings.ToUpper(strings.ReplaceAll(sub, "-", "_"))
}
