package sim

import (
	"context"
	"errors"
	"strings"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/objectkey"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/s3model"
	"github.com/farhold/farhold/seal"
	"github.com/farhold/farhold/work/replication"
)

// simKey is the KMS key of every region.
const simKey = "key-of-each-region"

// law is a region's own copy of roles, policies and keys, as far as a run
// spoils them: which buckets give nothing, which take nothing, whether the role
// can be assumed, whether the key is enabled.
type law struct {
	r       *region
	noRole  bool
	noKey   bool
	gives   map[string]bool // source buckets that nobody may read
	takes   map[string]bool // destination buckets that take no objects
	markers map[string]bool // and those that take no delete markers
	// was are the reasons that this region may have given as a source.
	was map[string]bool
}

func newLaw(r *region) *law {
	return &law{r: r, gives: map[string]bool{}, takes: map[string]bool{}, markers: map[string]bool{}, was: map[string]bool{}}
}

var errNoKey = awserr.New("KMS.DisabledException", 400, "the key is disabled")

// AssumeForService implements replication.Roles.
func (l *law) AssumeForService(_ context.Context, role, _, session string, _ policy.Context) (*access.Caller, error) {
	if l.noRole {
		return nil, awserr.ErrAccessDenied
	}
	return &access.Caller{Kind: access.Role, Account: owner, RoleARN: role, ARN: role + "/" + session}, nil
}

// Evaluate implements replication.Decider.
func (l *law) Evaluate(_ context.Context, q *access.Request) (policy.Decision, error) {
	bucket, _, _ := strings.Cut(strings.TrimPrefix(q.Resource, "arn:aws:s3:::"), "/")
	no := false
	switch q.Action {
	case "s3:GetObjectVersionForReplication", "s3:GetObjectVersion":
		no = l.gives[bucket]
	case "s3:ReplicateObject":
		no = l.takes[bucket]
	case "s3:ReplicateDelete":
		no = l.markers[bucket]
	}
	return policy.Decision{Allowed: !no || l.r.w.opt.Mutant == "lawless"}, nil
}

// Seal implements replication.Keys.
func (l *law) Seal(_ context.Context, w *objectkey.Want) (seal.Keeper, s3.SSE, error) {
	if l.noKey {
		return nil, s3.SSE{}, errNoKey
	}
	return l.r.key, w.SSE, nil
}

// Open implements replication.Keys.
func (l *law) Open(*objectkey.Want) seal.Keeper { return lockedKeeper{l} }

// lockedKeeper opens as long as the key is enabled.
type lockedKeeper struct{ l *law }

// NewDataKey implements seal.Keeper.
func (k lockedKeeper) NewDataKey(ctx context.Context, name string, about map[string]string) ([]byte, []byte, error) {
	if k.l.noKey {
		return nil, nil, errNoKey
	}
	return k.l.r.key.NewDataKey(ctx, name, about)
}

// Unwrap implements seal.Keeper.
func (k lockedKeeper) Unwrap(ctx context.Context, wrapped []byte, about map[string]string) ([]byte, error) {
	if k.l.noKey {
		return nil, errNoKey
	}
	return k.l.r.key.Unwrap(ctx, wrapped, about)
}

// refuses says with what reason a region refuses what comes for a bucket of it,
// or "". It is the model of what Identity.Admit decides.
func (l *law) refuses(b *s3model.Bucket, v *s3.Version, side bool) string {
	switch {
	case l.noRole:
		return replication.AssumeRoleNotPermitted
	case !side && v.Marker && l.markers[b.Name]:
		return replication.DstDelObjNotPermitted
	case (side || !v.Marker) && l.takes[b.Name]:
		return replication.DstPutObjectNotPermitted
	case !side && v.SSE.KeyID != "" && l.noKey:
		return replication.DstKMSKeyInvalidState
	}
	return ""
}

// spoil changes what a region's law says, to the worse or to the better.
func (w *world) spoil(r *region) {
	l := r.law
	flip := func(m map[string]bool) string {
		b := w.someBucket(r).Name
		m[b] = !m[b]
		return b
	}
	switch w.rng.IntN(6) {
	case 0:
		l.noRole = !l.noRole
		l.was[replication.AssumeRoleNotPermitted] = true
		w.tracef("%s: role gone=%v", r.name, l.noRole)
	case 1:
		l.noKey = !l.noKey
		l.was[replication.SrcKMSKeyInvalidState] = true
		w.tracef("%s: key disabled=%v", r.name, l.noKey)
	case 2:
		b := flip(l.gives)
		l.was[replication.SrcGetObjectNotPermitted] = true
		w.tracef("%s: %s gives nothing=%v", r.name, b, l.gives[b])
	case 3:
		b := flip(l.takes)
		w.tracef("%s: %s takes nothing=%v", r.name, b, l.takes[b])
	case 4:
		b := flip(l.markers)
		w.tracef("%s: %s takes no markers=%v", r.name, b, l.markers[b])
	case 5:
		w.places.away = !w.places.away
		w.tracef("home is away=%v", w.places.away)
		return
	}
	w.heard(r, w.rng.IntN(2) == 0)
}

// heard lets regions know that something changed: the one where it did, and,
// unless the message is lost, the others.
func (w *world) heard(r *region, all bool) {
	for _, x := range w.regions {
		if x == r || all {
			x.identity.Forget()
			x.store.Kick()
		}
	}
}

// mend makes everything good that a run spoiled: what is left in any outbox
// must go then.
func (w *world) mend(ctx context.Context) error {
	w.tracef("mended")
	for _, r := range w.regions {
		l := r.law
		l.noRole, l.noKey = false, false
		clear(l.gives)
		clear(l.takes)
		clear(l.markers)
		for _, name := range names(r.model) {
			b := r.model[name]
			if b.Versioning != s3model.Enabled {
				if err := w.setVersioning(ctx, r, b, s3model.Enabled); err != nil {
					return err
				}
			}
			if !b.Lock {
				b.Lock = true
				if err := w.document(ctx, r, b, "object-lock", "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>"); err != nil {
					return err
				}
			}
			if b.Rules == nil {
				b.Rules = []s3model.Rule{{ID: "none", Bucket: "nowhere"}}
				var doc strings.Builder
				doc.WriteString("<ReplicationConfiguration><Role>arn:aws:iam::111122223333:role/r</Role>")
				ruleXML(&doc, &b.Rules[0])
				doc.WriteString("</ReplicationConfiguration>")
				if err := w.document(ctx, r, b, "replication", doc.String()); err != nil {
					return err
				}
			}
		}
	}
	w.heard(w.regions[0], true)
	return nil
}

var errAway = errors.New("sim: home is away")
