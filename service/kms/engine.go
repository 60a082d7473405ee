// Package kms is the key management service of a region: symmetric keys whose
// material never leaves it, with key policies, aliases, grants, tags, rotation
// and deletion, and AWS's operations on them.
//
// Its state lies in the region's kv.Store under the prefix ~kms/ (see
// docs/formats/kms.md). Key material is there only as the region's root key
// wrapped it. Engine is the whole of it: S3 calls its methods, and Operations
// puts it behind the door of the services.
package kms

import (
	"context"
	"time"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/seal"
)

// Decider decides whether a caller may; *access.Decider is one.
type Decider interface {
	Decide(ctx context.Context, r *access.Request) error
}

// Options are what an Engine is made of. All are needed but the functions that
// may be nil: those after Decider.
type Options struct {
	KV     kv.Store
	Root   seal.Keeper // wraps key material; its own key is the region's root key
	Region string      // such as us-east-1
	Now    func() time.Time
	// Decider decides about requests that do not come through a service's door:
	// S3's, and those of replication.
	Decider Decider
	// PrincipalExists tells whether a user, role or session that a key policy
	// or a grant names is there. Without it every well-formed name is taken.
	PrincipalExists func(ctx context.Context, arn string) (bool, error)
	// IDOf gives the unique ID (AIDA…, AROA…) of the user or role that has an ARN
	// now, and ARNOf the ARN of the one that has an ID. Without them key policies
	// and grants mean whoever has the name.
	IDOf, ARNOf func(ctx context.Context, principal string) (string, bool, error)
	// Changed is told after each change of a key, its policy, its grants or an
	// alias: what was refused for its sake may be tried again. It must be quick;
	// may be nil.
	Changed func()
}

// Engine is the KMS of one region. It is safe for concurrent use.
type Engine struct {
	opt   Options
	cache cache
}

// New makes the engine of a region. It reads nothing and starts nothing; Step
// does what falls due.
func New(o Options) *Engine {
	return &Engine{opt: o, cache: newCache()}
}

// now is the region's time, to the microsecond that rows keep.
func (e *Engine) now() time.Time { return e.opt.Now().UTC().Truncate(time.Microsecond) }

// update changes rows, and forgets what was cached of the keys when it is over:
// also after an error, because the outcome of a commit may be unknown then.
// What a caller was told before the change may be older than it; what it is told
// after update has returned is not.
func (e *Engine) update(ctx context.Context, fn func(tx *kv.Tx) error, ids ...string) error {
	defer func() {
		e.cache.forget(ids...)
		if e.opt.Changed != nil {
			e.opt.Changed()
		}
	}()
	return kv.Update(ctx, e.opt.KV, fn)
}

// read runs fn on a snapshot and returns when what it read is durable.
func (e *Engine) read(ctx context.Context, fn func(s kv.Snapshot) error) error {
	s, err := e.opt.KV.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	err = fn(s)
	if settled := s.Settled(ctx); settled != nil {
		return settled
	}
	return err
}
