package s3api

import (
	"net/http"
	"strings"
	"time"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/store"
)

// readConditions are the four conditions of a read, or of the source of a copy.
type readConditions struct {
	match, noneMatch               string
	modifiedSince, unmodifiedSince string
	matchGiven, noneMatchGiven     bool
}

// verdict is what conditions say of an object.
type verdict uint8

const (
	conditionsHold verdict = iota
	notModified            // If-None-Match or If-Modified-Since: the client has it
	preconditionFailed
)

// none tells that there are no conditions, the usual case.
func (c *readConditions) none() bool {
	return !c.matchGiven && !c.noneMatchGiven && c.modifiedSince == "" && c.unmodifiedSince == ""
}

// check evaluates in the order of RFC 9110: If-Match, and only without it
// If-Unmodified-Since; then If-None-Match, and only without it
// If-Modified-Since. name is the condition that did not hold. Dates count in
// whole seconds; dates that are none, and If-Modified-Since in the future, ask
// for nothing.
func (c *readConditions) check(etag string, modified, now time.Time) (v verdict, name string) {
	modified = modified.Truncate(time.Second)
	if c.matchGiven {
		if !etagListed(c.match, etag) {
			return preconditionFailed, "If-Match"
		}
	} else if t, err := http.ParseTime(c.unmodifiedSince); err == nil && modified.After(t) {
		return preconditionFailed, "If-Unmodified-Since"
	}
	if c.noneMatchGiven {
		if etagListed(c.noneMatch, etag) {
			return notModified, "If-None-Match"
		}
	} else if t, err := http.ParseTime(c.modifiedSince); err == nil && !modified.After(t) && !t.After(now) {
		return notModified, "If-Modified-Since"
	}
	return conditionsHold, ""
}

// readConditions reads the conditions of GET and HEAD.
func (rq *Request) readConditions() (c readConditions) {
	h := rq.R.Header
	c.match, c.matchGiven = one(h, "If-Match")
	c.noneMatch, c.noneMatchGiven = one(h, "If-None-Match")
	c.modifiedSince, _ = one(h, "If-Modified-Since")
	c.unmodifiedSince, _ = one(h, "If-Unmodified-Since")
	return c
}

// copyConditions reads the conditions that a copy makes about its source.
func copyConditions(h http.Header) (c readConditions) {
	c.match, c.matchGiven = one(h, "X-Amz-Copy-Source-If-Match")
	c.noneMatch, c.noneMatchGiven = one(h, "X-Amz-Copy-Source-If-None-Match")
	c.modifiedSince, _ = one(h, "X-Amz-Copy-Source-If-Modified-Since")
	c.unmodifiedSince, _ = one(h, "X-Amz-Copy-Source-If-Unmodified-Since")
	return c
}

// one gives the first value of a header under its canonical name.
func one(h http.Header, canonical string) (string, bool) {
	if v := h[canonical]; len(v) > 0 {
		return v[0], true
	}
	return "", false
}

// etagListed tells whether a list of entity tags, with or without quotation
// marks, names etag. "*" names every one.
func etagListed(list, etag string) bool {
	for item := range strings.SplitSeq(list, ",") {
		if item = strings.TrimSpace(item); item == "*" || unquoteETag(item) == etag {
			return true
		}
	}
	return false
}

// unquoteETag takes quotation marks and the mark of a weak tag off.
func unquoteETag(s string) string {
	s = strings.TrimPrefix(s, "W/")
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

// writeConditions reads If-Match and If-None-Match of a write. S3 takes one of
// them at a time, If-None-Match with "*" only and If-Match with a tag only; the
// rest is NotImplemented.
func writeConditions(h http.Header) (c store.Conditions, err error) {
	match, hasMatch := one(h, "If-Match")
	none, hasNone := one(h, "If-None-Match")
	switch {
	case hasMatch && hasNone:
		return c, notImplemented("If-Match,If-None-Match", "Multiple conditional request headers present in the request")
	case hasNone:
		if strings.TrimSpace(none) != "*" {
			return c, refusedCondition("If-None-Match")
		}
		c.NoneMatch = true
	case hasMatch:
		match = strings.TrimSpace(match)
		if match == "*" || match == "" {
			return c, refusedCondition("If-Match")
		}
		c.Match = unquoteETag(match)
	}
	return c, nil
}

func refusedCondition(header string) error {
	return notImplemented(header, "We don't accept the provided value of "+header+" header for this API")
}

// notImplemented names a header that asks for what is not served.
func notImplemented(header, more string) *awserr.Error {
	e := awserr.ErrNotImplemented.With("Header", header)
	if more != "" {
		e = e.With("additionalMessage", more)
	}
	return e
}

// withCondition adds the elements to an error of a conditional write that the store
// leaves to the door: which condition did not hold.
func withCondition(err error, c store.Conditions) error {
	e := awserr.From(err)
	if e == nil || e.Code != store.ErrPrecondition.Code && e.Code != store.ErrConflict.Code {
		return err
	}
	for _, f := range e.Extra {
		if f.Name == "Condition" {
			return err
		}
	}
	if c.NoneMatch {
		return e.With("Condition", "If-None-Match")
	}
	return e.With("Condition", "If-Match")
}
