package server

import (
	"context"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/objectkey"
	"github.com/farhold/farhold/realm"
	"github.com/farhold/farhold/service/iam"
	"github.com/farhold/farhold/service/kms"
	"github.com/farhold/farhold/service/sts"
	"github.com/farhold/farhold/service/sts/session"
	"github.com/farhold/farhold/work"
)

// identity is who callers are, what they may, and the keys that they may use:
// what every door of the region asks, and replication too.
type identity struct {
	directory *iam.Directory
	decider   *access.Decider
	tokens    *session.Tokens
	issuer    *sts.Issuer
	iam       *iam.Service
	kms       *kms.Engine
	keys      *objectkey.Keys
}

// openIdentity builds it over the realm's rows and the region's engine.
func (r *Region) openIdentity(context.Context, Parts) error {
	organization, err := realm.NewOrganization(r.realm)
	if err != nil {
		return err
	}
	i := &r.who
	i.tokens = session.New(r.realm.Box(session.Purpose))
	i.directory = iam.NewDirectory(iam.Options{
		Rows: iam.OfRealm(r.realm), Seal: r.realm, Account: r.cfg.Realm.Account, RootKey: r.cfg.Root.AccessKey, RootSecret: r.cfg.Root.SecretKey,
		Accounts: organization, Sessions: i.tokens, Region: r.cfg.Region, Now: r.clock.Now,
	})
	i.iam = iam.New(i.directory)
	i.decider = &access.Decider{Directory: i.directory}
	i.issuer = sts.NewIssuer(sts.IssuerOptions{
		Roles: i.directory, Keys: i.directory, Decider: i.decider, Tokens: i.tokens, Now: r.clock.Now,
	})
	i.kms = kms.New(kms.Options{
		KV: r.kv, Root: r.keeper, Region: r.cfg.Region, Now: r.clock.Now, Decider: i.decider, PrincipalExists: i.directory.PrincipalExists,
		IDOf: i.directory.IDOf, ARNOf: i.directory.ARNOf,
		Changed: r.replication.keysChanged,
	})
	i.keys = objectkey.New(objectkey.Options{Region: r.keeper, KMS: i.kms, Now: r.clock.Now})
	return nil
}

// passRole asks whether somebody may hand a role to S3.
func (i *identity) passRole(ctx context.Context, who access.Actor, role string) error {
	return i.iam.PassRole(ctx, i.decider, who.Caller, who.Context, role, "s3.amazonaws.com", "")
}

// used notes for IAM that a key was used for a service, named as in credential
// scopes.
func (i *identity) used(service string) func(*access.Caller) {
	return func(c *access.Caller) { i.directory.Used(c, service) }
}

// identityWork is what falls due by itself: keys that are rotated and destroyed.
func (r *Region) identityWork() {
	r.runner.Go("kms", r.who.kms, nil, work.Pace{})
	r.runner.Go("iam-used", work.Func(r.who.directory.UsedStep), nil, work.Pace{})
}
