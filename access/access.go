// Package access is the one point where Farhold decides who may do what: it
// brings together a caller, the policies that bind it, the policies of what it
// asks for, and the evaluator. Every door and both ends of every replication
// ask it.
package access

import (
	"context"
	"time"

	"github.com/farhold/farhold/policy"
)

// Kind is what a caller is.
type Kind uint8

// Kinds of callers. The zero Kind is the anonymous one, so that what nobody
// filled in may do nothing.
const (
	Anonymous Kind = iota
	Root           // the root user of an account
	User
	Role      // a session of a role
	Federated // reserved
	Service   // a service that asks for itself, such as s3.amazonaws.com
)

// Caller is an identity that was proved. It is immutable once made.
type Caller struct {
	Kind    Kind
	Account string // 12 digits; empty for anonymous callers and services
	// ARN names the caller as GetCallerIdentity does: of the user, of the root,
	// or arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION.
	ARN       string
	UserID    string // AIDA…, AROA…:session, or the account ID of its root
	Name      string // user name or role name
	RoleARN   string // of a session: arn:aws:iam::ACCOUNT:role/PATH/ROLE
	Service   string // of a service
	AccessKey string // that signed; empty for work that Farhold does by itself
	Session   *Session
	Via       string // the service that asks on the caller's behalf, such as s3.us-east-1.amazonaws.com (kms:ViaService)
}

// Session is what temporary credentials add to who holds them: of a role
// (AssumeRole) or of a user or root (GetSessionToken).
type Session struct {
	Name           string
	Issued, Expiry time.Time
	Tags           map[string]string // with those of the principal behind it, for aws:PrincipalTag
	Transitive     []string          // keys of tags that a further session inherits
	Policies       []string          // session policies: documents
	PolicyARNs     []string          // and managed ones that bound the session
	SourceIdentity string
	ExternalID     string
	MFA            bool
	Chained        bool // made with a role's session
}

// Principal is the caller as policies name it.
func (c *Caller) Principal() policy.Principal {
	p := c.principal()
	if c.Account != "" {
		p.CanonicalID = CanonicalID(c.Account)
	}
	return p
}

// principal is Principal without the canonical ID, which costs a hash.
func (c *Caller) principal() policy.Principal {
	p := policy.Principal{Anonymous: c.Kind == Anonymous, Account: c.Account, ARN: c.ARN, UserID: c.UserID, Root: c.Kind == Root}
	switch c.Kind {
	case Role:
		p.ARN, p.SessionARN = c.RoleARN, c.ARN
	case Service:
		p.Service = c.Service
		p.Anonymous = c.Service == "" // nobody in particular
	}
	return p
}

// IsRoot tells the root user of an account.
func (c *Caller) IsRoot() bool { return c.Kind == Root }

// Policies are those that bind a caller, parsed.
type Policies struct {
	Identity       []*policy.Document
	Boundary       *policy.Document
	Session        []*policy.Document
	HasSession     bool
	Tags           map[string]string // of the user or role, under the session's
	ServiceControl [][]*policy.Document
}

// Directory tells what binds callers. iam.Directory is one. It answers from
// this region's copy of the realm's tables and is asked with every request.
type Directory interface {
	// Policies gives what binds a caller now: what was changed since its
	// credentials were made counts. A caller that is gone gets ErrGone.
	Policies(ctx context.Context, c *Caller) (*Policies, error)
	// ResourceControl gives the resource control policies that bind what an
	// account owns, by level: each level must allow. A level of no policies allows
	// nothing: the account is suspended.
	ResourceControl(ctx context.Context, account string) ([][]*policy.Document, error)
}

// Request is a question.
type Request struct {
	Caller   *Caller
	Action   string
	Resource string // ARN, or *
	// Account owns the resource; empty means the caller's own.
	Account string
	// Holder is the account in whose bucket the resource lies, where that is not
	// Account's: its resource control policies bind too, and it is the one that
	// aws:ResourceAccount names. Empty means Account.
	Holder string
	// Context holds the keys that the request has besides those that follow from
	// the caller; may be nil.
	Context policy.Context
	// ResourcePolicies, ResourceRules and Granted are as in policy.Input.
	ResourcePolicies []*policy.Document
	ResourceRules    bool
	Granted          bool
	// Quote has the resource stand in quotes in the text of a refusal, as S3
	// writes it.
	Quote bool
}

// Actor is a caller in the middle of a request: who asks a service on whose
// behalf, with the condition keys that the request has. S3 asks KMS as the
// actor that sent it the object.
type Actor struct {
	Caller  *Caller
	Context policy.Context // may be nil
	// Grants are grant tokens of KMS that came with the request.
	Grants []string
	// Across says that what the actor does is for a resource of another account
	// than its own. A key that AWS manages is for its own account's alone.
	Across bool
}
