package replication_test

import (
	"context"
	"strings"
	"sync"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/policy"
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
