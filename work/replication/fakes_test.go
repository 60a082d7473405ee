package replication_test

import (
	"context"
	"strings"
	"sync"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/objectkey"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/seal"
	"github.com/farhold/farhold/work/replication"
)

// law is roles and policies as a test has them: everything is allowed but what
// it names. It stands for a region's own copy of both.
type law struct {
	mu     sync.Mutex
	gone   bool              // the role can't be assumed
	away   error             // nobody can say
	denied map[string]string // action → prefix of the resources on which nothing allows it
	never  map[string]bool   // actions that are denied explicitly
	asked  []access.Request
	proved []string // session names that were assumed
}

func (l *law) deny(action, resource string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.denied == nil {
		l.denied = map[string]string{}
	}
	l.denied[action] = resource
}

func (l *law) allow(actions ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range actions {
		delete(l.denied, a)
		delete(l.never, a)
	}
}

// locks is a KMS that answers with an error, or gives the keeper.
type locks struct {
	seal.Keeper
	err error
}

// Seal implements replication.Keys.
func (l *locks) Seal(_ context.Context, w *objectkey.Want) (seal.Keeper, s3.SSE, error) {
	return l.Keeper, w.SSE, l.err
}

// Open implements replication.Keys.
func (l *locks) Open(*objectkey.Want) seal.Keeper { return l }

// Unwrap implements seal.Keeper.
func (l *locks) Unwrap(ctx context.Context, wrapped []byte, about map[string]string) ([]byte, error) {
	if l.err != nil {
		return nil, l.err
	}
	return l.Keeper.Unwrap(ctx, wrapped, about)
}

// AssumeForService implements replication.Roles.
func (l *law) AssumeForService(_ context.Context, role, service, name string, keys policy.Context) (*access.Caller, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away != nil {
		return nil, l.away
	}
	if l.gone || service != replication.Service {
		return nil, awserr.ErrAccessDenied
	}
	source, _ := keys.Value("aws:sourcearn")
	l.proved = append(l.proved, name+" "+strings.Join(source, ""))
	_, account, _ := strings.Cut(role, "iam::")
	return &access.Caller{Kind: access.Role, Account: account[:12], RoleARN: role, ARN: role + "/" + name}, nil
}

// Evaluate implements replication.Decider.
func (l *law) Evaluate(_ context.Context, r *access.Request) (policy.Decision, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.asked) < 10_000 {
		l.asked = append(l.asked, *r)
	}
	if l.never[r.Action] {
		return policy.Decision{Explicit: true}, nil
	}
	if on, ok := l.denied[r.Action]; ok && strings.HasPrefix(r.Resource, on) {
		return policy.Decision{}, nil
	}
	return policy.Decision{Allowed: true}, nil
}
