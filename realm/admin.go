package realm

import (
	"context"
	"errors"
	"time"
)

// What an operator asks a region that runs: the operator has the region's
// folder, and so its certificate. A request counts as one when it comes from the
// region itself.
const (
	OpStatus   = "status"    // nothing is changed
	OpPromote  = "promote"   // see Realm.Promote; Force
	OpAccounts = "accounts"  // list them
	OpCreate   = "create"    // an account of that Name
	OpSuspend  = "suspend"   // Account
	OpResume   = "resume"    // Account
	OpResetKey = "reset-key" // Account
	OpAttach   = "attach"    // Control of Kind to Account
	OpDetach   = "detach"    // the policy of Kind and Name from Account
	OpControls = "controls"  // list those of Kind attached to Account
)

// AdminQuestion is a request of an operator.
type AdminQuestion struct {
	Op      string      `json:"op"`
	Account string      `json:"account,omitempty"` // an ID or a name
	Name    string      `json:"name,omitempty"`
	Kind    ControlKind `json:"kind,omitempty"`
	Control *Control    `json:"control,omitempty"`
	Force   bool        `json:"force,omitempty"`
}

// AdminAnswer is what came of it. Members that the request has nothing for are
// empty.
type AdminAnswer struct {
	Error     string     `json:"error,omitempty"` // why it was not done
	Region    string     `json:"region,omitempty"`
	Home      string     `json:"home,omitempty"`
	Position  string     `json:"position,omitempty"` // how far the region's tables are
	Accounts  []Account  `json:"accounts,omitempty"`
	Key       *RootKey   `json:"key,omitempty"` // of a new account, or in place of one; shown this once
	Controls  []Control  `json:"controls,omitempty"`
	Promotion *Promotion `json:"promotion,omitempty"`
}

// AdminTimeout bounds what an operator asks for.
const AdminTimeout = time.Minute

var errNotAdmin = errors.New("realm: only who has this region's own certificate administers it")

// Administer asks a region as its operator. The dialer shows that region's own
// certificate. The error says that the region could not be asked, or why it did
// not do it.
func Administer(ctx context.Context, d Dialer, region string, q AdminQuestion) (*AdminAnswer, error) {
	timeout := AdminTimeout
	if q.Op == OpStatus {
		timeout = 5 * time.Second
	}
	a, err := Ask[AdminAnswer](ctx, d, region, pathAdmin, q, timeout)
	if err != nil {
		return nil, err
	}
	if a.Error != "" {
		return a, errors.New(a.Error)
	}
	return a, nil
}

func (r *Realm) answerAdmin(ctx context.Context, from string, q AdminQuestion) (*AdminAnswer, error) {
	if from != r.opt.Region {
		return nil, errNotAdmin
	}
	a, err := r.administer(ctx, &q)
	if a == nil {
		a = &AdminAnswer{}
	}
	if err != nil {
		a.Error = err.Error()
	}
	a.Region, a.Home, a.Position = r.opt.Region, r.Home(), r.table.position().String()
	return a, nil
}

func (r *Realm) administer(ctx context.Context, q *AdminQuestion) (*AdminAnswer, error) {
	switch q.Op {
	case OpStatus:
		return nil, nil
	case OpPromote:
		p, err := r.Promote(ctx, q.Force)
		return &AdminAnswer{Promotion: p}, err
	case OpAccounts:
		list, err := r.Accounts()
		return &AdminAnswer{Accounts: list}, err
	case OpCreate:
		account, key, err := r.CreateAccount(ctx, q.Name)
		if err != nil {
			return nil, err
		}
		return &AdminAnswer{Accounts: []Account{account}, Key: &key}, nil
	case OpSuspend, OpResume, OpResetKey, OpAttach, OpDetach, OpControls:
	default:
		return nil, errors.New("realm: the region does not know " + q.Op)
	}
	account, err := r.FindAccount(q.Account)
	if err != nil {
		return nil, err
	}
	a := &AdminAnswer{Accounts: []Account{account}}
	switch q.Op {
	case OpSuspend, OpResume:
		err = r.SuspendAccount(ctx, account.ID, q.Op == OpSuspend)
	case OpResetKey:
		var key RootKey
		if key, err = r.ResetRootKey(ctx, account.ID); err == nil {
			a.Key = &key
		}
	case OpAttach:
		if q.Control == nil {
			return nil, errors.New("realm: no policy is given")
		}
		err = r.AttachControl(ctx, account.ID, q.Kind, *q.Control)
	case OpDetach:
		err = r.DetachControl(ctx, account.ID, q.Kind, q.Name)
	case OpControls:
		a.Controls = r.Controls(account.ID, q.Kind)
	}
	return a, err
}
