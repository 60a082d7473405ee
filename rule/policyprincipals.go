package rule

import (
	"strings"

	"github.com/farhold/farhold/arn"
)

// PolicyPrincipals tells whom the policies of buckets may name. What is stored is the
// unique ID of a user or role: whoever gets the name of one that is gone does
// not get what its policies gave.
type PolicyPrincipals interface {
	// Exists tells whether an account's ID or root, a session, or the unique ID of
	// a user or role is one.
	Exists(name string) (bool, error)
	// ID gives the unique ID of the user or role that has an ARN now.
	ID(arn string) (id string, ok bool, err error)
	// ARN gives the ARN that the user or role with a unique ID has now.
	ARN(id string) (arn string, ok bool, err error)
}

// namePrincipal checks an AWS principal of a policy and gives it as it is
// stored. Without ctx.Principals every well-formed one exists under its name.
func namePrincipal(ctx *Context, name string) (string, error) {
	if arn.ValidAccount(name) {
		name = "arn:aws:iam::" + name + ":root"
	}
	if name == "*" || ctx.Principals == nil {
		return name, nil
	}
	ok, stored := false, name
	var err error
	if a, _ := arn.Parse(name); a.Service == "iam" && a.Resource != "root" {
		stored, ok, err = ctx.Principals.ID(name)
	} else {
		ok, err = ctx.Principals.Exists(name)
	}
	if err != nil {
		return "", err
	}
	if !ok {
		return "", badPrincipal("AWS", name)
	}
	return stored, nil
}

// answerPolicy shows users and roles by the names that they have now. The ID of
// one that is gone stays, as on AWS.
func answerPolicy(ctx *Context, stored []byte) ([]byte, error) {
	if ctx.Principals == nil {
		return stored, nil
	}
	doc, err := parseJSON(stored)
	if err != nil {
		return nil, err
	}
	changed := false
	for _, s := range statements(doc) {
		for _, member := range []string{"Principal", "NotPrincipal"} {
			p := s.member(member)
			if p == nil || p.kind != nodeObject || p.member("AWS") == nil {
				continue
			}
			names, _ := p.member("AWS").strings()
			for _, n := range names {
				if !strings.HasPrefix(n.text, "AIDA") && !strings.HasPrefix(n.text, "AROA") {
					continue
				}
				name, ok, err := ctx.Principals.ARN(n.text)
				if err != nil {
					return nil, err
				}
				if ok {
					n.text, changed = name, true
				}
			}
		}
	}
	if !changed {
		return stored, nil
	}
	return doc.append(nil), nil
}

// statements are those of a policy whose form was checked.
func statements(doc *node) []*node {
	s := doc.member("Statement")
	switch {
	case s == nil:
		return nil
	case s.kind == nodeArray:
		return s.items
	}
	return []*node{s}
}
