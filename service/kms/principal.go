package kms

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/arn"
)

// A key policy names users and roles by their ARNs. It is kept with their
// unique IDs in the ARNs' place, as AWS keeps it: a user who is deleted and made
// again under the same name is another one and is not let in. Whoever reads the
// policy sees ARNs again, and the IDs of those who are gone.

// place is where a principal's name stands in a policy's text, quotes included.
type place struct {
	start, end int
	name       string
}

// awsPrincipals finds the principals that a policy's statements name under AWS.
// The policy was parsed strictly before, so that no member of it hides in
// another's shadow.
func awsPrincipals(text string) ([]place, error) {
	type frame struct {
		object, value bool   // an object; its next token is a member's value
		name          string // of the member
	}
	var stack []frame
	var places []place
	d := json.NewDecoder(strings.NewReader(text))
	within := func() bool {
		want := [][]string{{"Statement"}, {"Principal", "NotPrincipal"}, {"AWS"}}
		n := 0
		for _, f := range stack {
			if !f.object {
				continue
			}
			if n == len(want) || !slices.Contains(want[n], f.name) {
				return false
			}
			n++
		}
		return n == len(want)
	}
	for {
		start := int(d.InputOffset())
		token, err := d.Token()
		if err == io.EOF {
			return places, nil
		}
		if err != nil {
			return nil, err
		}
		end := int(d.InputOffset())
		var top *frame
		if len(stack) > 0 {
			top = &stack[len(stack)-1]
		}
		if s, ok := token.(string); ok && top != nil && top.object && !top.value {
			top.name, top.value = s, true
			continue
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			stack = append(stack, frame{object: token == json.Delim('{')})
			continue
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:len(stack)-1]
		default:
			if s, ok := token.(string); ok && within() {
				start += strings.IndexByte(text[start:end], '"')
				places = append(places, place{start, end, s})
			}
		}
		if len(stack) > 0 {
			stack[len(stack)-1].value = false
		}
	}
}

// rename replaces principals in a policy's text by what to gives for them, if
// it gives anything.
func rename(text string, to func(name string) (string, bool, error)) (string, error) {
	places, err := awsPrincipals(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	at := 0
	for _, p := range places {
		name, ok, err := to(p.name)
		if err != nil {
			return "", err
		}
		if !ok {
			continue
		}
		quoted, err := json.Marshal(name)
		if err != nil {
			return "", err
		}
		b.WriteString(text[at:p.start])
		b.Write(quoted)
		at = p.end
	}
	b.WriteString(text[at:])
	return b.String(), nil
}

// withIDs is a policy as it is kept.
func (e *Engine) withIDs(ctx context.Context, text string) (string, error) {
	if e.opt.IDOf == nil {
		return text, nil
	}
	return rename(text, func(name string) (string, bool, error) {
		if !strings.HasPrefix(name, "arn:aws:iam::") || strings.HasSuffix(name, ":root") {
			return "", false, nil
		}
		id, ok, err := e.opt.IDOf(ctx, name)
		if err == nil && !ok {
			err = errInvalidPrincipal // it went meanwhile
		}
		return id, ok, err
	})
}

// withARNs is a policy as it is shown.
func (e *Engine) withARNs(ctx context.Context, text string) (string, error) {
	if e.opt.ARNOf == nil {
		return text, nil
	}
	return rename(text, func(name string) (string, bool, error) {
		if !uniqueID(name) {
			return "", false, nil
		}
		return e.opt.ARNOf(ctx, name)
	})
}

// uniqueID tells whether a principal is named by the ID of a user or role.
func uniqueID(s string) bool { return strings.HasPrefix(s, "AIDA") || strings.HasPrefix(s, "AROA") }

// principalID is the unique ID of a user or role that a grant names, or "".
func (e *Engine) principalID(ctx context.Context, principal string) (string, error) {
	if e.opt.IDOf == nil || !strings.HasPrefix(principal, "arn:aws:iam::") || strings.HasSuffix(principal, ":root") {
		return "", nil
	}
	id, ok, err := e.opt.IDOf(ctx, principal)
	if err == nil && !ok {
		err = ErrInvalidArn.Text("ARN does not refer to a valid principal: %s", principal)
	}
	return id, err
}

// isPrincipal tells whether a caller is the one whom a grant names, and not
// another one who was given the name after that one was gone.
func isPrincipal(c *access.Caller, name, id string) bool {
	if name == "" || !slices.Contains(callerNames(c), name) {
		return false
	}
	own, _, _ := strings.Cut(c.UserID, ":")
	return id == "" || id == own
}

// principalKnown tells whether a principal may stand in a policy or a grant:
// everybody, an account, or a user, role or session that is there.
func (e *Engine) principalKnown(ctx context.Context, s string) (bool, error) {
	if s == "*" || arn.ValidAccount(s) {
		return true, nil
	}
	if !uniqueID(s) {
		a, err := arn.Parse(s)
		if err != nil || a.Partition != "aws" || a.Region != "" || !arn.ValidAccount(a.Account) || a.Service != "iam" && a.Service != "sts" {
			return false, nil
		}
		if a.Service == "iam" && a.Resource == "root" {
			return true, nil
		}
	}
	if e.opt.PrincipalExists == nil {
		return true, nil
	}
	ok, err := e.opt.PrincipalExists(ctx, s)
	if err != nil {
		return false, fmt.Errorf("kms: whether a principal is there: %w", err)
	}
	return ok, nil
}
