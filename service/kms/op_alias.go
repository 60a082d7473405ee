package kms

import (
	"context"
	"errors"
	"strings"

	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/service"
	shapes "github.com/farhold/farhold/wire/shapes/kms"
)

// aliasOperations make aliases, move them and list them. Each needs the
// permission twice: for the alias, which is the account's to give, and for each
// key that it means before or after.
func (e *Engine) aliasOperations() []service.Operation {
	return []service.Operation{
		service.Op("CreateAlias", "kms:CreateAlias",
			func(ctx context.Context, c *service.Call, in *shapes.CreateAliasRequest) ([]service.Target, error) {
				if err := checkAlias(value(in.AliasName)); err != nil {
					return nil, err
				}
				t, err := e.aliasTargets(ctx, c, "kms:CreateAlias", value(in.AliasName), &in.TargetKeyId)
				return t, err
			},
			func(ctx context.Context, c *service.Call, in *shapes.CreateAliasRequest) (*shapes.CreateAliasResponse, error) {
				n, k, err := e.pinned(ctx, c, value(in.TargetKeyId))
				if err != nil {
					return nil, err
				}
				return nil, e.told(n, e.createAlias(ctx, k, value(in.AliasName)))
			}),
		service.Op("UpdateAlias", "kms:UpdateAlias",
			func(ctx context.Context, c *service.Call, in *shapes.UpdateAliasRequest) ([]service.Target, error) {
				if err := checkAlias(value(in.AliasName)); err != nil {
					return nil, err
				}
				from, err := e.ownAlias(ctx, c, "kms:UpdateAlias", value(in.AliasName))
				if err != nil {
					return nil, err
				}
				t, err := e.aliasTargets(ctx, c, "kms:UpdateAlias", value(in.AliasName), &in.TargetKeyId)
				return append(t, from.target()), err
			},
			func(ctx context.Context, c *service.Call, in *shapes.UpdateAliasRequest) (*shapes.UpdateAliasResponse, error) {
				n, to, err := e.pinned(ctx, c, value(in.TargetKeyId))
				if err != nil {
					return nil, err
				}
				from, err := e.decidedAgain(ctx, c, "kms:UpdateAlias", value(in.AliasName))
				if err != nil {
					return nil, err
				}
				return nil, e.told(n, e.updateAlias(ctx, from, to, value(in.AliasName)))
			}),
		service.Op("DeleteAlias", "kms:DeleteAlias",
			func(ctx context.Context, c *service.Call, in *shapes.DeleteAliasRequest) ([]service.Target, error) {
				if err := checkAlias(value(in.AliasName)); err != nil {
					return nil, err
				}
				from, err := e.ownAlias(ctx, c, "kms:DeleteAlias", value(in.AliasName))
				if err != nil {
					return nil, err
				}
				return []service.Target{e.aliasTarget(c, value(in.AliasName)), from.target()}, nil
			},
			func(ctx context.Context, c *service.Call, in *shapes.DeleteAliasRequest) (*shapes.DeleteAliasResponse, error) {
				k, err := e.decidedAgain(ctx, c, "kms:DeleteAlias", value(in.AliasName))
				if err != nil {
					return nil, err
				}
				return nil, e.told(name{account: k.Account, id: k.id}, e.deleteAlias(ctx, k, value(in.AliasName)))
			}),
		service.Op("ListAliases", "kms:ListAliases", service.On[shapes.ListAliasesRequest]("*"), e.listAliases),
	}
}

// aliasTarget is an alias as something that identity policies speak of.
func (e *Engine) aliasTarget(c *service.Call, alias string) service.Target {
	return service.Target{ARN: e.aliasARN(c.Caller.Account, alias), Keys: &keyContext{caller: c.Caller, alias: alias}}
}

// aliasTargets are an alias and the key that it is to mean, which is pinned.
func (e *Engine) aliasTargets(ctx context.Context, c *service.Call, action, alias string, keyID **string) ([]service.Target, error) {
	s, err := e.find(ctx, actor(c), &ask{Action: action, KeyID: value(*keyID)})
	if err != nil {
		return nil, err
	}
	*keyID = &s.arn
	return []service.Target{e.aliasTarget(c, alias), s.target()}, nil
}

// ownAlias is the key that an alias of the caller's account means now.
func (e *Engine) ownAlias(ctx context.Context, c *service.Call, action, alias string) (subject, error) {
	return e.find(ctx, actor(c), &ask{Action: action, KeyID: alias, Aliases: true})
}

// decidedAgain finds the key that an alias means and has it decided about once
// more: it may be another one than the door saw. The change that follows is
// refused if it is yet another one by then.
func (e *Engine) decidedAgain(ctx context.Context, c *service.Call, action, alias string) (*entry, error) {
	s, err := e.ownAlias(ctx, c, action, alias)
	if err != nil {
		return nil, err
	}
	return s.key, e.decide(ctx, actor(c), action, &s)
}

func (e *Engine) listAliases(ctx context.Context, c *service.Call, in *shapes.ListAliasesRequest) (*shapes.ListAliasesResponse, error) {
	out := &shapes.ListAliasesResponse{Aliases: []shapes.AliasListEntry{}}
	account := c.Caller.Account
	add := func(alias string, a *aliasRecord) {
		out.Aliases = append(out.Aliases, shapes.AliasListEntry{
			AliasName: &alias, AliasArn: new(e.aliasARN(account, alias)), TargetKeyId: &a.Key, CreationDate: &a.Created, LastUpdatedDate: &a.Updated,
		})
	}
	prefix := path(rowAlias, account, "/")
	each := func(_ kv.Snapshot, alias string, raw []byte) error {
		a := new(aliasRecord)
		if err := decodeRow(raw, a); err != nil {
			return err
		}
		add(alias, a)
		return nil
	}
	if in.KeyId != nil {
		n, err := e.parseName(account, *in.KeyId, false)
		if err != nil {
			return nil, err
		}
		if n.account != account {
			return nil, ErrAccessDenied.Text("%s", noResource(c.Caller, "kms:ListAliases", "this resource"))
		}
		if _, err := e.lookup(ctx, n, false); err != nil {
			return nil, e.told(n, err)
		}
		prefix = path(rowNamed, n.id, "/")
		each = func(s kv.Snapshot, alias string, _ []byte) error {
			raw, err := s.Get(path(rowAlias, account, "/", alias))
			if err != nil {
				return err
			}
			a := new(aliasRecord)
			if err := decodeRow(raw, a); err != nil {
				return err
			}
			add(alias, a)
			return nil
		}
	}
	next, err := e.page(ctx, prefix, in.Marker, in.Limit, 50, 100, each)
	if errors.Is(err, kv.ErrNotFound) {
		err = errors.New("kms: an alias of " + strings.TrimPrefix(string(prefix), rowNamed) + " has no row")
	}
	out.NextMarker, out.Truncated = next, new(next != nil)
	return out, err
}
