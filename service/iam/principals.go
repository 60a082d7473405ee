package iam

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/farhold/farhold/arn"
	"github.com/farhold/farhold/policy"
)

// Role is a role as those need it who assume one or pass one on. It must not
// be changed.
type Role struct {
	ARN, ID       string // arn:aws:iam::ACCOUNT:role/PATH/NAME, AROA…
	Account, Name string
	Path          string
	Trust         *policy.Document
	MaxSession    time.Duration // the longest session that AssumeRole gives
	Tags          map[string]string
	Boundary      string // ARN of the permissions boundary, or empty
}

// Role finds a role by its ARN. What this region does not know, home is asked
// for; not ok is a role that does not exist.
func (d *Directory) Role(ctx context.Context, roleARN string) (*Role, bool, error) {
	account, k, path, name, ok := splitEntityARN(roleARN)
	if !ok || k != roleKind {
		return nil, false, nil
	}
	r := &reader{ctx: ctx, rows: d.opt.Rows}
	e, err := r.entity(entityKey(roleKind, account, name))
	if err != nil {
		return nil, false, fmt.Errorf("iam: %s: %w", roleARN, err)
	}
	if e == nil || e.name != name || e.path != path {
		return nil, false, nil
	}
	text, err := trustNow(r, e)
	if err != nil {
		return nil, false, fmt.Errorf("iam: trust policy of %s: %w", roleARN, err)
	}
	trust, err := d.parse(text, policy.Trust)
	if err != nil {
		return nil, false, fmt.Errorf("iam: trust policy of %s: %w", roleARN, err)
	}
	role := &Role{
		ARN: e.arn(), ID: e.id, Account: e.account, Name: e.name, Path: e.path, Trust: trust,
		MaxSession: time.Duration(e.maxSession) * time.Second, Boundary: e.boundary,
	}
	if len(e.tags) > 0 {
		role.Tags = make(map[string]string, len(e.tags))
		for _, t := range e.tags {
			role.Tags[t.key] = t.value
		}
	}
	return role, true, nil
}

// trustNobody stands for a trust policy whose principals can't be told apart any
// more.
const trustNobody = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole"}]}`

// trustNow gives a role's trust policy as it counts now. It trusts who was meant
// when it was written: of a user or role that has another name since, it has the
// new ARN, and of one that is gone the unique ID, which nobody has any more. A
// namesake that was made anew is not trusted.
func trustNow(r *reader, e *entity) (string, error) {
	document := e.trust
	for _, t := range e.trusted {
		now := t.id
		p, err := r.byID(t.id)
		if err != nil {
			return "", err
		}
		if p != nil {
			now = p.arn()
		}
		if now == t.arn {
			continue
		}
		was := `"` + t.arn + `"`
		if !strings.Contains(document, was) {
			return trustNobody, nil // it is written with escapes, which nobody does
		}
		document = strings.ReplaceAll(document, was, `"`+now+`"`)
	}
	return document, nil
}

// UserExists tells whether the user with this ARN exists.
func (d *Directory) UserExists(ctx context.Context, userARN string) (bool, error) {
	_, k, _, _, ok := splitEntityARN(userARN)
	if !ok || k != userKind {
		return false, nil
	}
	_, ok, err := d.IDOf(ctx, userARN)
	return ok, err
}

// PrincipalExists tells whether something that a policy names as an AWS
// principal exists: an account by its ID or its root's ARN, a user, a role, a
// session of a role, or the unique ID of a user or role. AWS refuses policies
// that name others. "*" exists.
func (d *Directory) PrincipalExists(ctx context.Context, principal string) (bool, error) {
	if principal == "*" {
		return true, nil
	}
	if arn.ValidAccount(principal) {
		return d.accountExists(ctx, principal)
	}
	if strings.HasPrefix(principal, userID) || strings.HasPrefix(principal, roleID) {
		_, ok, err := d.ARNOf(ctx, principal)
		return ok, err
	}
	a, err := arn.Parse(principal)
	if err != nil || a.Partition != "aws" || a.Region != "" || !arn.ValidAccount(a.Account) {
		return false, nil
	}
	switch {
	case a.Service == "iam" && a.Resource == "root":
		return d.accountExists(ctx, a.Account)
	case a.Service == "iam":
		_, ok, err := d.IDOf(ctx, principal)
		return ok, err
	case a.Service == "sts":
		// arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION: the role has to exist,
		// the session need not.
		kind, rest, _ := strings.Cut(a.Resource, "/")
		name, session, ok := strings.Cut(rest, "/")
		if kind != "assumed-role" || !ok || name == "" || session == "" || strings.Contains(session, "/") {
			return false, nil
		}
		r := &reader{ctx: ctx, rows: d.opt.Rows}
		e, err := r.entity(entityKey(roleKind, a.Account, name))
		return e != nil && e.name == name, err
	}
	return false, nil
}

// IDOf gives the unique ID (AIDA…, AROA…) of the user or role that has an ARN
// now.
func (d *Directory) IDOf(ctx context.Context, principalARN string) (id string, ok bool, err error) {
	account, k, path, name, ok := splitEntityARN(principalARN)
	if !ok || k == groupKind {
		return "", false, nil
	}
	r := &reader{ctx: ctx, rows: d.opt.Rows}
	e, err := r.entity(entityKey(k, account, name))
	if err != nil || e == nil || e.name != name || e.path != path {
		return "", false, err
	}
	return e.id, true, nil
}

// ARNOf gives the ARN that the user or role with a unique ID has now.
func (d *Directory) ARNOf(ctx context.Context, id string) (principalARN string, ok bool, err error) {
	r := &reader{ctx: ctx, rows: d.opt.Rows}
	e, err := r.byID(id)
	if err != nil || e == nil || e.kind == groupKind {
		return "", false, err
	}
	return e.arn(), true, nil
}

// splitEntityARN takes the ARN of a user, group or role apart. The path begins
// and ends with a slash.
func splitEntityARN(s string) (account string, k kind, path, name string, ok bool) {
	a, err := arn.Parse(s)
	if err != nil || a.Partition != "aws" || a.Service != "iam" || a.Region != "" || !arn.ValidAccount(a.Account) {
		return "", 0, "", "", false
	}
	i := strings.IndexByte(a.Resource, '/')
	j := strings.LastIndexByte(a.Resource, '/')
	if i < 0 || j == len(a.Resource)-1 {
		return "", 0, "", "", false
	}
	switch a.Resource[:i] {
	case "user":
		k = userKind
	case "group":
		k = groupKind
	case "role":
		k = roleKind
	default:
		return "", 0, "", "", false
	}
	return a.Account, k, a.Resource[i : j+1], a.Resource[j+1:], true
}

// awsAccount is the account of the policies that AWS manages.
const awsAccount = "aws"

// splitPolicyARN takes the ARN of a managed policy apart.
func splitPolicyARN(s string) (account, path, name string, ok bool) {
	a, err := arn.Parse(s)
	if err != nil || a.Partition != "aws" || a.Service != "iam" || a.Region != "" || a.Account != awsAccount && !arn.ValidAccount(a.Account) {
		return "", "", "", false
	}
	rest, ok := strings.CutPrefix(a.Resource, "policy/")
	j := strings.LastIndexByte(rest, '/')
	if !ok || rest == "" || j == len(rest)-1 {
		return "", "", "", false
	}
	return a.Account, "/" + rest[:j+1], rest[j+1:], true
}
