package kms

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/policy"
)

// ask is a wish to do something with a key, before anybody decided about it.
type ask struct {
	Action  string // such as kms:Encrypt
	KeyID   string // in any form that the operation takes
	Aliases bool   // whether aliases are one of them
	Create  bool   // alias/aws/s3 is made when it isn't there
	Foreign bool   // whether AWS lets it be done with another account's key
	About   map[string]string
	Tokens  []string
	Extra   policy.Values // further condition keys
	// Fits narrows which grants count, besides operation and constraints; nil
	// for all.
	Fits func(*grant) bool
}

// subject is the key that an ask is about, with all that a decision needs. key
// is nil when another account is said to own a key that is not there: the
// decision then is about a key without a policy, so it is a refusal, and the
// same one as for a key that is there and does not let the caller in.
type subject struct {
	key     *entry
	arn     string
	account string
	granted bool
	context policy.Context
}

// find finds what an ask is about. It decides nothing.
func (e *Engine) find(ctx context.Context, by access.Actor, a *ask) (subject, error) {
	c := by.Caller
	if err := checkTokens(a.Tokens); err != nil {
		return subject{}, err
	}
	if err := checkAbout(a.About); err != nil {
		return subject{}, err
	}
	n, err := e.parseName(c.Account, a.KeyID, a.Aliases)
	if err != nil {
		return subject{}, err
	}
	var k *entry
	if n.account != c.Account && !a.Foreign {
		err = errNoKey
	} else {
		k, err = e.lookup(ctx, n, a.Create && n.account == c.Account)
	}
	switch {
	case errors.Is(err, errNoKey):
		if n.account == c.Account {
			return subject{}, e.missing(n)
		}
		if n.alias != "" {
			return subject{}, ErrAccessDenied.Text("%s", noResource(c, a.Action, "this resource"))
		}
		return subject{arn: e.arnOf(n), account: n.account, context: &keyContext{caller: c, about: a.About, extra: a.Extra}}, nil
	case err != nil:
		return subject{}, err
	}
	s, err := e.about(ctx, c, a, k, n.alias)
	if err == nil && n.alias != "" && n.account != c.Account {
		// A refusal names the key, which whoever only knew another account's
		// alias must not learn: neither it, nor that there is one.
		err = e.blur(c, a.Action, "this resource", &s, e.decide(ctx, by, a.Action, &s))
	}
	return s, err
}

// about makes the subject of a key that was found.
func (e *Engine) about(ctx context.Context, c *access.Caller, a *ask, k *entry, alias string) (subject, error) {
	s := subject{key: k, arn: k.arn, account: k.Account, context: &keyContext{key: k, caller: c, about: a.About, alias: alias, extra: a.Extra}}
	if k.Grants > 0 {
		g, err := e.grantFor(ctx, c, k, strings.TrimPrefix(a.Action, "kms:"), a.About, a.Fits)
		if err != nil {
			return subject{}, err
		}
		s.granted = g != nil
	}
	return s, nil
}

func (s *subject) policies() []*policy.Document {
	if s.key == nil {
		return nil
	}
	return s.key.policies
}

// allow finds the key that an ask is about and lets the Decider decide. It
// returns the key only when the actor may.
func (e *Engine) allow(ctx context.Context, by access.Actor, a *ask) (*entry, error) {
	if by.Caller == nil {
		return nil, ErrAccessDenied.Text("The caller is not known.")
	}
	a.Tokens = by.Grants
	s, err := e.find(ctx, by, a)
	if err != nil {
		return nil, err
	}
	if err := e.decide(ctx, by, a.Action, &s); err != nil {
		return nil, err
	}
	if s.key != nil && s.key.Manager == managerAWS && by.Across {
		return nil, ErrAccessDenied.Text("User: %s is not authorized to perform: %s on resource: %s because an AWS managed key is not for another account's resources", by.Caller.ARN, a.Action, s.arn)
	}
	if s.key == nil { // no decision may let anybody near a key that isn't there
		return nil, ErrAccessDenied.Text("%s", noResource(by.Caller, a.Action, "this resource"))
	}
	return s.key, nil
}

func (e *Engine) decide(ctx context.Context, by access.Actor, action string, s *subject) error {
	return denied(e.opt.Decider.Decide(ctx, &access.Request{
		Caller: by.Caller, Action: action, Resource: s.arn, Account: s.account, Context: contexts{s.context, by.Context},
		ResourcePolicies: s.policies(), ResourceRules: true, Granted: s.granted,
	}))
}

// contexts asks one context and then the other. Either may be nil. What kept
// one of them from knowing a key is told by Err: see access.Decider.
type contexts [2]policy.Context

// Value implements policy.Context.
func (c contexts) Value(key string) ([]string, bool) { return policy.Contexts(c[:]).Value(key) }

// Err gives what kept one of them from knowing.
func (c contexts) Err() error {
	for _, x := range c {
		if f, ok := x.(interface{ Err() error }); ok {
			if err := f.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

// blur makes the refusal of another account's key, which the request did not
// name itself, the same as that of a key that isn't there.
func (e *Engine) blur(c *access.Caller, action, what string, s *subject, err error) error {
	if s.account == c.Account || !errors.Is(err, ErrAccessDenied) {
		return err
	}
	return ErrAccessDenied.Text("%s", noResource(c, action, what)).Because(err)
}

// noResource is AWS's text for a key that is not there or does not let its
// caller in, when saying which of the two would tell too much.
func noResource(c *access.Caller, action, what string) string {
	return "User: " + c.ARN + " is not authorized to perform: " + action + " on " + what +
		" because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access"
}

// aboutMax bounds an encryption context, in bytes of names and values.
const aboutMax = 8192

func checkAbout(about map[string]string) error {
	n := 0
	for k, v := range about {
		n += len(k) + len(v)
	}
	if n > aboutMax {
		return ErrValidation.Text("1 validation error detected: Value at 'encryptionContext' failed to satisfy constraint: Member must have length less than or equal to %d", aboutMax)
	}
	return nil
}

// keyContext gives the condition keys of KMS.
type keyContext struct {
	key    *entry // may be nil
	caller *access.Caller
	about  map[string]string
	alias  string
	extra  policy.Values
}

// Value implements policy.Context.
func (c *keyContext) Value(key string) ([]string, bool) {
	if v, ok := c.extra.Value(key); ok {
		return v, true
	}
	if name, ok := strings.CutPrefix(key, "aws:resourcetag/"); ok {
		if c.key == nil {
			return nil, false
		}
		for _, t := range c.key.tags {
			if strings.EqualFold(t.Key, name) {
				return []string{t.Value}, true
			}
		}
		return nil, false
	}
	name, ok := strings.CutPrefix(key, "kms:")
	if !ok {
		return nil, false
	}
	if of, ok := strings.CutPrefix(name, "encryptioncontext:"); ok {
		var values []string
		for k, v := range c.about {
			if strings.EqualFold(k, of) { // as AWS: the name's case does not count here
				values = append(values, v)
			}
		}
		return values, len(values) > 0
	}
	one := func(s string) ([]string, bool) { return []string{s}, s != "" }
	switch name {
	case "viaservice":
		return one(c.caller.Via)
	case "calleraccount":
		return one(c.caller.Account)
	case "encryptioncontextkeys":
		keys := make([]string, 0, len(c.about))
		for k := range c.about {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		return keys, len(keys) > 0
	case "requestalias":
		return one(c.alias)
	}
	if c.key == nil {
		return nil, false
	}
	switch name {
	case "keyorigin":
		return one("AWS_KMS")
	case "keyspec", "customermasterkeyspec":
		return one(symmetricDefault)
	case "keyusage", "customermasterkeyusage":
		return one("ENCRYPT_DECRYPT")
	case "multiregion":
		return one("false")
	case "resourcealiases":
		return c.key.aliases, len(c.key.aliases) > 0
	}
	return nil, false
}
