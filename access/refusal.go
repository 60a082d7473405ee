package access

import (
	"strings"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/policy"
)

// kindOf is what AWS's texts call a kind of policy.
func kindOf(by policy.Source) (article, name string) {
	switch by {
	case policy.FromResource:
		return "a ", "resource-based policy"
	case policy.FromBoundary:
		return "a ", "permissions boundary"
	case policy.FromSession:
		return "a ", "session policy"
	case policy.FromServiceControl:
		return "a ", "service control policy"
	case policy.FromResourceControl:
		return "a ", "resource control policy"
	}
	return "an ", "identity-based policy"
}

// Refusal is AccessDenied with AWS's text for a decision that does not allow.
func Refusal(r *Request, d policy.Decision) *awserr.Error {
	c := r.Caller
	if c == nil || c.Kind == Anonymous {
		return awserr.ErrAccessDenied
	}
	var b strings.Builder
	b.WriteString("User: ")
	if c.Kind == Service {
		b.WriteString(c.Service)
	} else {
		b.WriteString(c.ARN)
	}
	b.WriteString(" is not authorized to perform: ")
	b.WriteString(r.Action)
	switch {
	case !r.Quote:
		b.WriteString(" on resource: ")
		b.WriteString(r.Resource)
	case r.Resource != "*" && r.Action != "s3:ListAllMyBuckets":
		b.WriteString(` on resource: "`)
		b.WriteString(r.Resource)
		b.WriteString(`"`)
	}
	article, name := kindOf(d.By)
	switch {
	case d.Explicit:
		b.WriteString(" with an explicit deny in ")
		b.WriteString(article)
		b.WriteString(name)
	case r.Action == "sts:AssumeRole": // AWS doesn't say why
	default:
		b.WriteString(" because no ")
		b.WriteString(name)
		b.WriteString(" allows the ")
		b.WriteString(r.Action)
		b.WriteString(" action")
	}
	e := *awserr.ErrAccessDenied
	e.Message = b.String()
	return &e
}
