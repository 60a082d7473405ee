package kms

import (
	"context"
	"errors"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/service"
	shapes "github.com/farhold/farhold/wire/shapes/kms"
)

// policyName is the only name of a key policy.
const policyName = "default"

// policyMax is AWS's quota of a key policy, in bytes.
const policyMax = 32 << 10

// policyOperations read and change key policies.
func (e *Engine) policyOperations() []service.Operation {
	return []service.Operation{
		keyed(e, "GetKeyPolicy", func(in *shapes.GetKeyPolicyRequest) **string { return &in.KeyId }, nil,
			func(ctx context.Context, _ *service.Call, in *shapes.GetKeyPolicyRequest, k *entry) (*shapes.GetKeyPolicyResponse, error) {
				if err := checkPolicyName(in.PolicyName); err != nil {
					return nil, err
				}
				text, err := e.withARNs(ctx, k.policyText)
				if err != nil {
					return nil, err
				}
				return &shapes.GetKeyPolicyResponse{Policy: &text, PolicyName: new(policyName)}, nil
			}),
		keyed(e, "PutKeyPolicy", func(in *shapes.PutKeyPolicyRequest) **string { return &in.KeyId },
			func(_ *service.Call, in *shapes.PutKeyPolicyRequest, a *ask) error {
				a.Extra = policy.Values{}
				bypassKey(a.Extra, in.BypassPolicyLockoutSafetyCheck)
				return nil
			},
			func(ctx context.Context, c *service.Call, in *shapes.PutKeyPolicyRequest, k *entry) (*shapes.PutKeyPolicyResponse, error) {
				if err := checkPolicyName(in.PolicyName); err != nil {
					return nil, err
				}
				if err := pending(&k.record, k.arn); err != nil {
					return nil, err
				}
				text, err := e.checkPolicy(ctx, c, k.arn, value(in.Policy), value(in.BypassPolicyLockoutSafetyCheck))
				if err != nil {
					return nil, err
				}
				return nil, e.putPolicy(ctx, k, text)
			}),
		keyed(e, "ListKeyPolicies", func(in *shapes.ListKeyPoliciesRequest) **string { return &in.KeyId }, nil,
			func(_ context.Context, _ *service.Call, in *shapes.ListKeyPoliciesRequest, _ *entry) (*shapes.ListKeyPoliciesResponse, error) {
				if in.Marker != nil { // one name never fills a page
					return nil, ErrInvalidMarker
				}
				return &shapes.ListKeyPoliciesResponse{PolicyNames: []string{policyName}, Truncated: new(false)}, nil
			}),
	}
}

func checkPolicyName(s *string) error {
	if s != nil && *s != policyName {
		return ErrNotFound.Text("No such policy exists")
	}
	return nil
}

// checkPolicy refuses a key policy that can't be parsed, that names principals
// who are not there, or that would shut its giver out, unless that is wanted. It
// gives the policy as it is to be kept.
func (e *Engine) checkPolicy(ctx context.Context, c *service.Call, keyARN, text string, bypass bool) (kept string, err error) {
	if len(text) > policyMax {
		return "", ErrLimitExceeded.Text("The policy is longer than the quota of %d bytes.", policyMax)
	}
	doc, err := policy.Parse([]byte(text), policy.Resource)
	if err != nil {
		return "", malformed(err)
	}
	places, err := awsPrincipals(text)
	if err != nil {
		return "", malformed(err)
	}
	for _, p := range places {
		switch ok, err := e.principalKnown(ctx, p.name); {
		case err != nil:
			return "", err
		case !ok:
			return "", errInvalidPrincipal
		}
	}
	if !bypass {
		err := e.opt.Decider.Decide(ctx, &access.Request{
			Caller: c.Caller, Action: "kms:PutKeyPolicy", Resource: keyARN, Account: c.Caller.Account, ResourcePolicies: []*policy.Document{doc}, ResourceRules: true,
			Context: contexts{&keyContext{caller: c.Caller, extra: policy.Values{"kms:bypasspolicylockoutsafetycheck": {"false"}}}, c.Context},
		})
		if errors.Is(err, awserr.ErrAccessDenied) || errors.Is(err, ErrAccessDenied) {
			return "", ErrMalformedPolicy.Text("The new key policy will not allow you to update the key policy in the future.").Because(err)
		}
		if err != nil {
			return "", err
		}
	}
	return e.withIDs(ctx, text)
}

func malformed(err error) error {
	var p *policy.Error
	if errors.As(err, &p) {
		switch p.Fault {
		case policy.BadPrincipal:
			return errInvalidPrincipal.Because(err)
		case policy.MissingMember:
			if p.Member == "Principal" {
				return ErrMalformedPolicy.Text("Policy contains a statement with no principal.").Because(err)
			}
		}
		return ErrMalformedPolicy.Text("%s", p.Text()).Because(err)
	}
	return ErrMalformedPolicy.Text("The policy is not valid.").Because(err)
}
