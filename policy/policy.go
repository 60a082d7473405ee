// Package policy is the IAM policy language: it parses documents strictly and
// evaluates them as AWS does, within an account and across accounts. It is
// pure: whatever a decision must know comes in an Input.
package policy

import "strings"

// Kind says what a document is attached to, and so which members it may have.
type Kind uint8

// Kinds of documents.
const (
	Identity     Kind = iota // of users, groups and roles; boundaries and session policies too: no Principal
	Resource                 // of buckets and keys: Principal or NotPrincipal is required
	Trust                    // of roles: Principal is required, Resource is not allowed
	Organization             // service and resource control policies of an organisation
)

// Principal is who asks, as statements name it.
type Principal struct {
	Anonymous bool
	Account   string // 12 digits; empty for services and the anonymous
	// ARN is what aws:PrincipalArn shows: of the user, of the account's root, or
	// of the role whose session this is.
	ARN        string
	SessionARN string // arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION of a role's session, else empty
	UserID     string // aws:userid: AIDA…, AROA…:session, or the account of its root
	Root       bool   // the account's root user
	Service    string // such as s3.amazonaws.com when a service asks for itself, else empty
	// CanonicalID is the canonical user ID of the account, for
	// {"CanonicalUser": …}; empty matches none.
	CanonicalID string
}

// Context gives the values of condition keys. Names come in lower case up to
// the first slash, and as the policy has them behind it: "aws:sourceip",
// "s3:existingobjecttag/Team". It is asked only for keys that a statement
// names, so that costly ones are computed when they are wanted. A key that the
// request does not have is not ok. A Context that may fail has a method Err() error
// besides, at which whoever decides must look before believing an Allow.
type Context interface {
	Value(key string) (values []string, ok bool)
}

// Values is a Context that is a map.
type Values map[string][]string

// Value implements Context. Names of tags behind a key's slash are compared
// without regard to case, as AWS documents for aws:RequestTag and its like:
// otherwise a Deny on a tag could be walked around by another spelling. The same
// spelling goes first.
func (v Values) Value(key string) ([]string, bool) {
	if x, ok := v[key]; ok {
		return x, true
	}
	prefix, tag, ok := strings.Cut(key, "/")
	if !ok {
		return nil, false
	}
	var found string
	for k := range v {
		p, t, ok := strings.Cut(k, "/")
		if ok && p == prefix && strings.EqualFold(t, tag) && (found == "" || k < found) {
			found = k
		}
	}
	x, ok := v[found]
	return x, ok
}

// RequestTag adds a tag that a request gives, for aws:RequestTag and aws:TagKeys.
func (v Values) RequestTag(key, value string) {
	v["aws:requesttag/"+key] = []string{value}
	v["aws:tagkeys"] = append(v["aws:tagkeys"], key)
}

// Contexts asks one context after the other.
type Contexts []Context

// Value implements Context.
func (c Contexts) Value(key string) ([]string, bool) {
	for _, x := range c {
		if x == nil {
			continue
		}
		if v, ok := x.Value(key); ok {
			return v, true
		}
	}
	return nil, false
}

// Err gives the first error of those that may fail: see Context.
func (c Contexts) Err() error {
	for _, x := range c {
		if f, ok := x.(interface{ Err() error }); ok {
			if err := f.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Input is everything that a decision depends on.
type Input struct {
	Principal Principal
	Action    string // such as s3:GetObject
	Resource  string // ARN, or * for actions that have none
	// ResourceAccount owns the resource: the principal's own account or another
	// one. Empty means the principal's own.
	ResourceAccount string
	Context         Context

	// Identity policies of the principal: its own and its groups'.
	Identity []*Document
	// Boundary is the permissions boundary of the user or of the session's
	// role; nil for none.
	Boundary *Document
	// Session policies bound a session further, when HasSession is set; a
	// session without policies of its own has HasSession false.
	Session    []*Document
	HasSession bool
	// ServiceControl are the service control policies that bind the principal's
	// account: each level must allow. ResourceControl likewise bind the
	// resource's account. Nil means none.
	ServiceControl, ResourceControl [][]*Document
	// ResourcePolicies are those of the resource: a bucket's, a key's, a role's
	// trust policy.
	ResourcePolicies []*Document
	// ResourceRules says that identity policies count only as far as the
	// resource's policy hands the decision to the account: KMS keys and roles'
	// trust policies. Without it either side's Allow suffices within an account.
	ResourceRules bool
	// Granted says that the resource allows this principal in another way than
	// by policy: an ACL, a grant of a KMS key. It counts as an Allow of a
	// resource policy that names the principal. A Deny still wins.
	Granted bool

	// Explain asks for Decision.Matched, for which every statement is looked at,
	// and each condition of those about the action and the resource: the context
	// is asked for all that they need.
	Explain bool
}

// Source names the kind of policy that decided.
type Source uint8

// Sources of a decision.
const (
	None Source = iota
	FromIdentity
	FromResource
	FromBoundary
	FromSession
	FromServiceControl
	FromResourceControl
)

// Decision is the outcome.
type Decision struct {
	Allowed bool
	// Explicit says that a Deny statement decided; else, when not allowed,
	// nothing allowed it.
	Explicit bool
	// By is the kind of policy that decided, or that lacked the Allow.
	By Source
	// Matched are the statements that decided: those that allow, or those that
	// deny. It is filled only when Input.Explain asks for it.
	Matched []Match
}

// Match is a statement that spoke.
type Match struct {
	Document  *Document
	Statement int // index
	By        Source
}
