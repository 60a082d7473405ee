// Package service is the door that all services but S3 share: it verifies who
// sends a request, finds out which of AWS's protocols it speaks (Query, JSON
// 1.0, JSON 1.1, RPC v2 CBOR, REST-XML), decodes and validates its input,
// asks whether the caller may, performs the operation, and answers in the same
// protocol. A service is a table of operations.
package service

import (
	"context"
	"time"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/policy"
)

// Call is a request under way.
type Call struct {
	Caller    *access.Caller
	Operation string
	Region    string // this region
	ID        string // request ID, a UUID
	Now       time.Time
	SourceIP  string
	Secure    bool // it came over TLS
	UserAgent string
	// Context holds the aws: keys that follow from the request: SourceIp,
	// SecureTransport, CurrentTime, UserAgent, RequestedRegion, …
	Context policy.Context
	// Decider decides about whatever an operation touches besides its target,
	// such as iam:PassRole.
	Decider *access.Decider
}

// May asks whether the caller may do something besides the operation itself.
func (c *Call) May(ctx context.Context, action string, t Target) error {
	return c.Decider.Decide(ctx, &access.Request{
		Caller: c.Caller, Action: action, Resource: t.ARN, Account: t.Account, Context: joined{t.Keys, c.Context},
		ResourcePolicies: t.Policies, ResourceRules: t.Rules, Granted: t.Granted,
	})
}

// joined asks the keys of a service before those of the request. Whoever of
// the two could not read a key tells so by Err: see access.Decider.
type joined struct{ first, second policy.Context }

// Value implements policy.Context.
func (j joined) Value(key string) ([]string, bool) {
	return policy.Contexts{j.first, j.second}.Value(key)
}

// Err gives what kept one of them from knowing.
func (j joined) Err() error {
	for _, c := range []policy.Context{j.first, j.second} {
		if f, ok := c.(interface{ Err() error }); ok {
			if err := f.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Target is what an operation is about, as far as authorisation goes.
type Target struct {
	ARN      string // or *
	Account  string // owner; empty: the caller's own
	Policies []*policy.Document
	Rules    bool           // see policy.Input.ResourceRules
	Granted  bool           // see policy.Input.Granted
	Keys     policy.Context // condition keys of the service, such as iam:PassedToService; may be nil
}

// Operation is a row of a service's table.
type Operation struct {
	Name   string
	Action string // that a caller needs, such as kms:Encrypt; empty only for Open ones
	Open   bool   // needs no permission (sts:GetCallerIdentity)
	New    func() any
	// Targets finds what the call is about: the caller must be allowed Action on
	// each. It runs before Do and must not change anything.
	Targets func(ctx context.Context, c *Call, in any) ([]Target, error)
	// Do performs it. A nil answer is an empty one.
	Do func(ctx context.Context, c *Call, in any) (out any, err error)
	// Why is set, and Do nil, for operations that are known and not served.
	Why string
}

// Op makes a row of typed functions. targets may be nil for Open operations
// only.
func Op[I, O any](name, action string, targets func(context.Context, *Call, *I) ([]Target, error), do func(context.Context, *Call, *I) (*O, error)) Operation {
	o := Operation{Name: name, Action: action, Open: action == "", New: func() any { return new(I) }}
	if targets != nil {
		o.Targets = func(ctx context.Context, c *Call, in any) ([]Target, error) { return targets(ctx, c, in.(*I)) }
	}
	o.Do = func(ctx context.Context, c *Call, in any) (any, error) {
		out, err := do(ctx, c, in.(*I))
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = new(O)
		}
		return out, nil
	}
	return o
}

// On is a target function for what is always the same, such as "*".
func On[I any](arn string) func(context.Context, *Call, *I) ([]Target, error) {
	return func(context.Context, *Call, *I) ([]Target, error) { return []Target{{ARN: arn}}, nil }
}
