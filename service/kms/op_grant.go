package kms

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/arn"
	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/service"
	shapes "github.com/farhold/farhold/wire/shapes/kms"
)

// grantOperations make grants, end them and list them.
func (e *Engine) grantOperations() []service.Operation {
	return []service.Operation{
		keyed(e, "CreateGrant", func(in *shapes.CreateGrantRequest) **string { return &in.KeyId }, e.askCreateGrant, e.createGrantCall),
		keyed(e, "ListGrants", func(in *shapes.ListGrantsRequest) **string { return &in.KeyId },
			func(_ *service.Call, in *shapes.ListGrantsRequest, a *ask) error {
				a.Foreign = true
				if in.GranteeServicePrincipal != nil {
					return errServiceGrant
				}
				return nil
			}, e.listGrants),
		service.Op("ListRetirableGrants", "kms:ListRetirableGrants", service.On[shapes.ListRetirableGrantsRequest]("*"), e.listRetirable),
		service.Op("RetireGrant", "kms:RetireGrant", e.retireTargets,
			func(ctx context.Context, c *service.Call, in *shapes.RetireGrantRequest) (*shapes.RetireGrantResponse, error) {
				return nil, e.endGrant(ctx, c, in.KeyId, in.GrantId, in.DryRun)
			}),
		keyed(e, "RevokeGrant", func(in *shapes.RevokeGrantRequest) **string { return &in.KeyId },
			func(_ *service.Call, in *shapes.RevokeGrantRequest, a *ask) error {
				a.Foreign = true
				a.Extra = policy.Values{"kms:grantisforawsresource": {"false"}}
				return nil
			},
			func(ctx context.Context, c *service.Call, in *shapes.RevokeGrantRequest, _ *entry) (*shapes.RevokeGrantResponse, error) {
				return nil, e.endGrant(ctx, c, in.KeyId, in.GrantId, in.DryRun)
			}),
	}
}

var errServiceGrant = ErrUnsupported.Text("Grants for service principals are not supported in this Region.")

// askCreateGrant checks what a grant is to be. A grant that lets its grantee
// create grants counts only for those that give no more than it gives itself.
func (e *Engine) askCreateGrant(c *service.Call, in *shapes.CreateGrantRequest, a *ask) error {
	a.Foreign, a.Tokens = true, in.GrantTokens
	if in.GranteeServicePrincipal != nil || in.RetiringServicePrincipal != nil {
		return errServiceGrant
	}
	if in.GranteePrincipal == nil {
		return ErrValidation.Text("1 validation error detected: Value null at 'granteePrincipal' failed to satisfy constraint: Member must not be null")
	}
	a.Extra = policy.Values{
		"kms:grantoperations":       in.Operations,
		"kms:granteeprincipal":      {*in.GranteePrincipal},
		"kms:grantisforawsresource": {fmt.Sprint(c.Caller.Via != "")},
	}
	if in.RetiringPrincipal != nil {
		a.Extra["kms:retiringprincipal"] = []string{*in.RetiringPrincipal}
	}
	subset, equals, err := constraints(in.Constraints)
	if err != nil {
		return err
	}
	switch {
	case subset != nil:
		a.Extra["kms:grantconstrainttype"] = []string{"EncryptionContextSubset"}
	case equals != nil:
		a.Extra["kms:grantconstrainttype"] = []string{"EncryptionContextEquals"}
	}
	a.Fits = func(g *grant) bool { return g.narrower(in.Operations, subset, equals) }
	return nil
}

// constraints gives the constraints of a request, nil for none.
func constraints(c *shapes.GrantConstraints) (subset, equals map[string]string, err error) {
	if c == nil {
		return nil, nil, nil
	}
	if c.SourceArn != nil {
		return nil, nil, ErrUnsupported.Text("The SourceArn grant constraint is not supported in this Region.")
	}
	subset, equals = c.EncryptionContextSubset, c.EncryptionContextEquals
	if subset != nil && equals != nil {
		return nil, nil, ErrValidation.Text("A grant has either EncryptionContextSubset or EncryptionContextEquals.")
	}
	for _, m := range []map[string]string{subset, equals} {
		if len(m) > constraintPairs {
			return nil, nil, ErrValidation.Text("A grant constraint has at most %d encryption context pairs.", constraintPairs)
		}
		for k, v := range m {
			if len(k)+len(v) > constraintText {
				return nil, nil, ErrValidation.Text("An encryption context pair in a grant constraint has at most %d characters.", constraintText)
			}
		}
	}
	return subset, equals, nil
}

// grantable are the operations that a grant on a symmetric key may allow.
func grantable(operation string) bool {
	switch operation {
	case "CreateGrant", "RetireGrant", "DescribeKey":
		return true
	}
	return contextual(operation)
}

func (e *Engine) createGrantCall(ctx context.Context, c *service.Call, in *shapes.CreateGrantRequest, k *entry) (*shapes.CreateGrantResponse, error) {
	if len(in.Operations) == 0 {
		return nil, ErrValidation.Text("1 validation error detected: Value '[]' at 'operations' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
	g := grant{Name: value(in.Name), Grantee: value(in.GranteePrincipal), Retiring: value(in.RetiringPrincipal), Account: c.Caller.Account}
	for _, o := range in.Operations {
		if !grantable(o) {
			return nil, ErrValidation.Text("The operation %s is not supported for grants on a key with key usage ENCRYPT_DECRYPT and key spec %s.", o, symmetricDefault)
		}
		if !slices.Contains(g.Operations, o) {
			g.Operations = append(g.Operations, o)
		}
	}
	for _, p := range []string{g.Grantee, g.Retiring} {
		if p == "" {
			continue
		}
		ok := strings.HasPrefix(p, "arn:")
		if ok {
			var err error
			if ok, err = e.principalKnown(ctx, p); err != nil {
				return nil, err
			}
		}
		if !ok {
			return nil, ErrInvalidArn.Text("ARN does not refer to a valid principal: %s", p)
		}
	}
	var err error
	if g.GranteeID, err = e.principalID(ctx, g.Grantee); err != nil {
		return nil, err
	}
	if g.RetiringID, err = e.principalID(ctx, g.Retiring); err != nil {
		return nil, err
	}
	if g.Subset, g.Equals, err = constraints(in.Constraints); err != nil {
		return nil, err
	}
	if err := k.usable(); err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	id, err := e.createGrant(ctx, k, g)
	if err != nil {
		return nil, err
	}
	return &shapes.CreateGrantResponse{GrantId: &id, GrantToken: new(newToken(k.id, id))}, nil
}

// retireTargets finds the grant that is to be retired and whether the caller
// is one of those who may by the grant itself: its retiring principal, its
// grantee if the grant lets it, and the root of the account that issued it.
func (e *Engine) retireTargets(ctx context.Context, c *service.Call, in *shapes.RetireGrantRequest) ([]service.Target, error) {
	switch {
	case in.GrantToken != nil && (in.KeyId != nil || in.GrantId != nil), in.GrantToken == nil && (in.KeyId == nil || in.GrantId == nil):
		return nil, ErrValidation.Text("Specify either a grant token, or a grant ID and the ARN of its key.")
	case in.GrantToken != nil:
		id, grantID, ok := parseToken(*in.GrantToken)
		if !ok {
			return nil, ErrInvalidGrantToken
		}
		k, err := e.key(ctx, id)
		if errors.Is(err, errNoKey) {
			return nil, ErrInvalidGrantToken
		}
		if err != nil {
			return nil, err
		}
		in.KeyId, in.GrantId, in.GrantToken = &k.arn, &grantID, nil
	case !validGrantID(*in.GrantId):
		return nil, ErrInvalidGrantID
	}
	a := &ask{Action: "kms:RetireGrant", KeyID: *in.KeyId, Foreign: true, Fits: func(g *grant) bool { return g.ID == *in.GrantId }}
	s, err := e.find(ctx, actor(c), a)
	if err != nil {
		return nil, err
	}
	in.KeyId = &s.arn
	if s.key != nil && !s.granted {
		err := e.read(ctx, func(snap kv.Snapshot) error {
			g, err := readGrant(snap, s.key.id, *in.GrantId)
			if ok, err := absent(err); !ok {
				return err
			}
			s.granted = isPrincipal(c.Caller, g.Retiring, g.RetiringID) ||
				c.Caller.Kind == access.Root && c.Caller.Account == g.Account
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return []service.Target{s.target()}, nil
}

// endGrant deletes a grant, whoever may do so having been decided.
func (e *Engine) endGrant(ctx context.Context, c *service.Call, keyID, grantID *string, dryRun *bool) error {
	n, k, err := e.pinned(ctx, c, value(keyID))
	if err != nil {
		return err
	}
	id := value(grantID)
	if !validGrantID(id) {
		return ErrInvalidGrantID
	}
	if value(dryRun) {
		return e.read(ctx, func(s kv.Snapshot) error {
			_, err := readGrant(s, k.id, id)
			switch ok, err := absent(err); {
			case err != nil:
				return err
			case !ok:
				return grantMissing(id)
			}
			return ErrDryRun
		})
	}
	return e.told(n, e.deleteGrant(ctx, k, id))
}

// entryOf is a grant as the lists show it.
func (e *Engine) entryOf(g *grant, keyARN string) shapes.GrantListEntry {
	out := shapes.GrantListEntry{
		KeyId: &keyARN, GrantId: &g.ID, CreationDate: &g.Created, GranteePrincipal: &g.Grantee, Operations: g.Operations,
		IssuingAccount: new("arn:aws:iam::" + g.Account + ":root"),
	}
	if g.Name != "" {
		out.Name = &g.Name
	}
	if g.Retiring != "" {
		out.RetiringPrincipal = &g.Retiring
	}
	if g.Subset != nil || g.Equals != nil {
		out.Constraints = &shapes.GrantConstraints{EncryptionContextSubset: g.Subset, EncryptionContextEquals: g.Equals}
	}
	return out
}

func (e *Engine) listGrants(ctx context.Context, _ *service.Call, in *shapes.ListGrantsRequest, k *entry) (*shapes.ListGrantsResponse, error) {
	out := &shapes.ListGrantsResponse{Grants: []shapes.GrantListEntry{}, Truncated: new(false)}
	add := func(s kv.Snapshot, grantID string) error {
		g, err := readGrant(s, k.id, grantID)
		if err != nil {
			return err
		}
		if in.GranteePrincipal == nil || g.Grantee == *in.GranteePrincipal {
			out.Grants = append(out.Grants, e.entryOf(g, k.arn))
		}
		return nil
	}
	if in.GrantId != nil {
		if !validGrantID(*in.GrantId) {
			return nil, ErrInvalidGrantID
		}
		err := e.read(ctx, func(s kv.Snapshot) error {
			err := add(s, *in.GrantId)
			_, err = absent(err)
			return err
		})
		return out, err
	}
	prefix := path(rowGrant, k.id, "/")
	if in.GranteePrincipal != nil {
		prefix = path(rowGrantee, k.id, "/", hash(*in.GranteePrincipal), "/")
	}
	next, err := e.page(ctx, prefix, in.Marker, in.Limit, 50, 100, func(s kv.Snapshot, grantID string, _ []byte) error { return add(s, grantID) })
	out.NextMarker, out.Truncated = next, new(next != nil)
	return out, err
}

func (e *Engine) listRetirable(ctx context.Context, c *service.Call, in *shapes.ListRetirableGrantsRequest) (*shapes.ListGrantsResponse, error) {
	if in.RetiringServicePrincipal != nil {
		return nil, errServiceGrant
	}
	if in.RetiringPrincipal == nil {
		return nil, ErrValidation.Text("1 validation error detected: Value null at 'retiringPrincipal' failed to satisfy constraint: Member must not be null")
	}
	a, err := arn.Parse(*in.RetiringPrincipal)
	if err != nil || a.Service != "iam" && a.Service != "sts" {
		return nil, ErrInvalidArn.Text("ARN does not refer to a valid principal: %s", *in.RetiringPrincipal)
	}
	if a.Account != c.Caller.Account { // AWS: a principal of one's own account only
		return nil, ErrAccessDenied.Text("%s", noResource(c.Caller, "kms:ListRetirableGrants", "this resource"))
	}
	out := &shapes.ListGrantsResponse{Grants: []shapes.GrantListEntry{}}
	next, err := e.page(ctx, path(rowRetiring, hash(*in.RetiringPrincipal), "/"), in.Marker, in.Limit, 50, 100, func(s kv.Snapshot, rest string, _ []byte) error {
		id, grantID, _ := strings.Cut(rest, "/")
		g, err := readGrant(s, id, grantID)
		if err != nil {
			return err
		}
		raw, err := s.Get(path(rowKey, id))
		if err != nil {
			return err
		}
		var r record
		if err := decodeRow(raw, &r); err != nil {
			return err
		}
		if !r.Gone && g.Retiring == *in.RetiringPrincipal {
			out.Grants = append(out.Grants, e.entryOf(g, e.keyARN(r.Account, id)))
		}
		return nil
	})
	out.NextMarker, out.Truncated = next, new(next != nil)
	return out, err
}
