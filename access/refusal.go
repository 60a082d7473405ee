package access

import (
	"strings"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/policy"
)

// kinds are what AWS's texts call the kinds of policies.
var kinds = map[policy.Source]struct{ article, name string }{
	policy.None:                {"an ", "identity-based policy"},
	policy.FromIdentity:        {"an ", "identity-based policy"},
	policy.FromResource:        {"a ", "resource-based policy"},
	policy.FromBoundary:        {"a ", "permissions boundary"},
	policy.FromSession:         {"a ", "session policy"},
	policy.FromServiceControl:  {"a ", "service control policy"},
	policy.FromResourceControl: {"a ", "resource control policy"},
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
	kind := kinds[d.By]
	switch {
	case d.Explicit:
		b.WriteString(" with an explicit deny in ")
		b.WriteString(kind.article)
		b.WriteString(kind.name)
	case r.Action == "sts:AssumeRole": // AWS doesn't say why
	default:
		b.WriteString(" because no ")
		b.WriteString(kind.name)
		b.WriteString(" allows the ")
		b.WriteString(r.Action)
		b.WriteString(" action")
	}
	e := *awserr.ErrAccessDenied
	e.Message = b.String()
	return &e
}
