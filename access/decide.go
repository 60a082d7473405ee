package access

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"

	"github.com/farhold/farhold/policy"
)

// ErrGone is a Directory's answer for a caller whose user or role is no longer
// there.
var ErrGone = errors.New("access: the caller is gone")

// ErrSuspended stands behind the refusal of a request for what a suspended
// account owns.
var ErrSuspended = errors.New("access: the account that owns it is suspended")

var errNoDirectory = errors.New("access: nobody knows what binds the caller")

// CanonicalID gives the canonical user ID of an account: the 64 hex digits that
// stand in S3's answers as the ID of an Owner. It follows from the account ID
// alone, so that every region says the same.
func CanonicalID(account string) string {
	sum := sha256.Sum256([]byte("canonical user " + account))
	return hex.EncodeToString(sum[:])
}

// Decider decides. It is safe for concurrent use.
type Decider struct{ Directory Directory }

// Decide gives nil when the request is allowed, else an *awserr.Error with
// code AccessDenied and AWS's text, or the error that kept it from knowing. What
// a suspended account owns is refused because of ErrSuspended.
func (d *Decider) Decide(ctx context.Context, r *Request) error {
	decision, suspended, err := d.evaluate(ctx, r)
	switch {
	case err != nil:
		return err
	case decision.Allowed:
		return nil
	case suspended:
		return Refusal(r, decision).Because(ErrSuspended)
	}
	return Refusal(r, decision)
}

// Evaluate gives the decision itself, for whoever combines it with others. With
// an error the decision is a refusal.
func (d *Decider) Evaluate(ctx context.Context, r *Request) (policy.Decision, error) {
	decision, _, err := d.evaluate(ctx, r)
	return decision, err
}

// evaluate also tells whether the resource is a suspended account's.
func (d *Decider) evaluate(ctx context.Context, r *Request) (decision policy.Decision, suspended bool, err error) {
	c := r.Caller
	if d.Directory == nil || c == nil {
		return policy.Decision{}, false, errNoDirectory
	}
	// One allocation for both: each request pays for it.
	both := &struct {
		keys
		in policy.Input
	}{keys: keys{caller: c, request: r, account: r.Account}}
	k, in := &both.keys, &both.in
	if k.account == "" {
		k.account = c.Account
	}
	owner := k.account
	if r.Holder != "" {
		k.account = r.Holder
	}
	*in = policy.Input{
		Principal: c.principal(), Action: r.Action, Resource: r.Resource, ResourceAccount: r.Account, Context: k,
		ResourcePolicies: r.ResourcePolicies, ResourceRules: r.ResourceRules, Granted: r.Granted,
	}
	for _, p := range r.ResourcePolicies {
		if p != nil && p.CanonicalUsers() && c.Account != "" {
			in.Principal.CanonicalID = CanonicalID(c.Account)
			break
		}
	}
	if c.Kind != Anonymous && c.Kind != Service {
		p, err := d.Directory.Policies(ctx, c)
		if errors.Is(err, ErrGone) {
			return policy.Decision{By: policy.FromIdentity}, false, nil
		}
		if err != nil {
			return policy.Decision{}, false, err
		}
		if p != nil {
			k.tags = p.Tags
			in.Identity, in.Boundary, in.ServiceControl = p.Identity, p.Boundary, p.ServiceControl
			in.Session, in.HasSession = p.Session, p.HasSession
		}
	}
	if k.account != "" {
		control, err := d.Directory.ResourceControl(ctx, k.account)
		if err != nil {
			return policy.Decision{}, false, err
		}
		in.ResourceControl = control
	}
	if owner != k.account && owner != "" {
		control, err := d.Directory.ResourceControl(ctx, owner)
		if err != nil {
			return policy.Decision{}, false, err
		}
		in.ResourceControl = append(slices.Clip(in.ResourceControl), control...) // each level must allow
	}
	for _, level := range in.ResourceControl {
		suspended = suspended || len(level) == 0
	}
	decision = policy.Evaluate(in)
	// A key that could not be read looked like one that is not there.
	if f, ok := r.Context.(interface{ Err() error }); ok {
		if err := f.Err(); err != nil {
			return policy.Decision{}, false, err
		}
	}
	return decision, suspended, nil
}
