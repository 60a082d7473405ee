package realm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/farhold/farhold/arn"
	"github.com/farhold/farhold/policy"
)

// ControlKind is a kind of organisation policies.
type ControlKind string

// Kinds of organisation policies: they bind what the identities of an account
// may do, and what may be done to its resources.
const (
	ServiceControl  ControlKind = "scp"
	ResourceControl ControlKind = "rcp"
)

// Bounds of organisation policies, as AWS has them.
const (
	controlsMax   = 5    // of a kind attached to an account
	controlLength = 5120 // characters of one
)

// FullAccess is the name of the service control policy that is attached to each
// new account: it allows everything, so that others can deny.
const FullAccess = "FullAWSAccess"

const (
	fullServiceControl  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	fullResourceControl = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`
)

func controlsPrefix(account string, k ControlKind) string {
	return accountPrefix + account + "/" + string(k) + "/"
}
func controlKey(account string, k ControlKind, name string) string {
	return controlsPrefix(account, k) + name
}

// Control is an organisation policy attached to an account.
type Control struct {
	Name     string `json:"name"`
	Document string `json:"document"`
}

// Controls lists the policies of a kind that are attached to an account, by
// name.
func (r *Realm) Controls(account string, k ControlKind) []Control {
	var list []Control
	prefix := controlsPrefix(account, k)
	for key, row := range r.Rows(prefix, "") {
		list = append(list, Control{strings.TrimPrefix(key, prefix), string(row)})
	}
	return list
}

// AttachControl attaches an organisation policy to an account, in place of one
// of the same name. Service control policies have no principals; resource
// control policies deny, and name the principal *.
func (r *Realm) AttachControl(ctx context.Context, account string, k ControlKind, c Control) error {
	if account == r.opt.Account {
		return errFirstAccount
	}
	if err := c.check(k); err != nil {
		return err
	}
	return r.UpdateRows(ctx, func(tx *RowTx) error {
		if err := changeControls(tx, account); err != nil {
			return err
		}
		n := 0
		prefix := controlsPrefix(account, k)
		for key := range tx.Scan(prefix, "") {
			if key != prefix+c.Name {
				n++
			}
		}
		if n >= controlsMax {
			return fmt.Errorf("realm: %d policies are attached already, which is the most", n)
		}
		tx.Put(controlKey(account, k, c.Name), []byte(c.Document))
		return nil
	})
}

// DetachControl detaches an organisation policy from an account. As on AWS, one
// service control policy has to stay: without any, nothing would be allowed.
func (r *Realm) DetachControl(ctx context.Context, account string, k ControlKind, name string) error {
	return r.UpdateRows(ctx, func(tx *RowTx) error {
		if err := changeControls(tx, account); err != nil {
			return err
		}
		key := controlKey(account, k, name)
		if _, ok := tx.Get(key); !ok {
			return fmt.Errorf("realm: no policy %s is attached to account %s", name, account)
		}
		others := 0
		for other := range tx.Scan(controlsPrefix(account, k), "") {
			if other != key {
				others++
			}
		}
		if k == ServiceControl && others == 0 {
			return errors.New("realm: the last service control policy stays attached: without any, nothing would be allowed")
		}
		tx.Delete(key)
		return nil
	})
}

// changeControls makes changes of an account's policies come one after the
// other: each counts in the account's row, so that what they scan holds.
func changeControls(tx *RowTx, account string) error {
	return changeAccount(tx, account, func(a *accountRow) { a.revision++ })
}

// check tells what of a policy can't hold.
func (c *Control) check(k ControlKind) error {
	if len(c.Name) < 1 || len(c.Name) > 128 || strings.ContainsFunc(c.Name, func(r rune) bool {
		return r != '-' && r != '_' && r != '.' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) {
		return errors.New("realm: the name of a policy has 1 to 128 letters, digits, dots, hyphens and underscores")
	}
	if len(c.Document) > controlLength {
		return fmt.Errorf("realm: the policy has %d characters, more than %d", len(c.Document), controlLength)
	}
	if k != ServiceControl && k != ResourceControl {
		return fmt.Errorf("realm: %q is no kind of organisation policy", k)
	}
	if _, err := policy.Parse([]byte(c.Document), policy.Organization); err != nil {
		return err
	}
	return checkStatements(c.Document, k)
}

// checkStatements refuses what the other kind of organisation policies has. The
// document was parsed strictly before.
func checkStatements(document string, k ControlKind) error {
	type statement struct{ Effect, Principal any }
	var one struct{ Statement statement }
	var many struct{ Statement []statement }
	if json.Unmarshal([]byte(document), &many) != nil {
		if err := json.Unmarshal([]byte(document), &one); err != nil {
			return err
		}
		many.Statement = []statement{one.Statement}
	}
	for i, s := range many.Statement {
		switch {
		case k == ServiceControl && s.Principal != nil:
			return fmt.Errorf("realm: statement %d names a principal; service control policies have none", i+1)
		case k == ResourceControl && s.Principal == nil:
			return fmt.Errorf("realm: statement %d names no principal; resource control policies name *", i+1)
		case k == ResourceControl && s.Effect != "Deny":
			return fmt.Errorf("realm: statement %d allows; resource control policies only deny", i+1)
		}
	}
	return nil
}

// Organization answers what the accounts of the realm are and what binds them,
// from this region's copy of the tables, for every request. It is safe for
// concurrent use.
type Organization struct {
	r          *Realm
	generation atomic.Uint64 // counts changes of accounts' rows
	fullRCP    *policy.Document

	mu     sync.Mutex
	parsed map[string]*parsedControls
}

// parsedMax bounds the accounts whose policies are kept parsed.
const parsedMax = 4096

type parsedControls struct {
	generation        uint64
	text              string // from which they were parsed
	service, resource [][]*policy.Document
}

// NewOrganization makes it. It is called once, before the doors open.
func NewOrganization(r *Realm) (*Organization, error) {
	full, err := policy.Parse([]byte(fullResourceControl), policy.Organization)
	if err != nil {
		return nil, err
	}
	o := &Organization{r: r, fullRCP: full, parsed: map[string]*parsedControls{}}
	r.WatchRows(accountPrefix, func(string) { o.generation.Add(1) })
	return o, nil
}

// row gives a row that this region or home knows. What can't be asked is
// absent: only what is known is let in.
func (o *Organization) row(ctx context.Context, key string) ([]byte, bool, error) {
	row, ok, err := o.r.FetchRow(ctx, key)
	if errors.Is(err, ErrUnavailable) {
		return nil, false, nil
	}
	return row, ok, err
}

// account gives the row of an account, or nil.
func (o *Organization) account(ctx context.Context, id string) (*accountRow, error) {
	if !arn.ValidAccount(id) {
		return nil, nil
	}
	row, ok, err := o.row(ctx, accountKey(id))
	if err != nil || !ok {
		return nil, err
	}
	return decodeAccountRow(id, row)
}

// RootKey gives the secret of the access key of an account's root user. The
// first account's is not among them: its credentials are the region's. Those of
// a suspended account are none.
func (o *Organization) RootKey(ctx context.Context, accessKey string) (account, secret string, ok bool, err error) {
	if len(accessKey) > 128 {
		return "", "", false, nil
	}
	id, ok, err := o.row(ctx, rootKeyKey(accessKey))
	if err != nil || !ok {
		return "", "", false, err
	}
	a, err := o.account(ctx, string(id))
	if err != nil || a == nil || a.Suspended || a.accessKey != accessKey {
		return "", "", false, err
	}
	plain, err := o.r.Open(a.sealed, aboutRootKey(a.ID, accessKey))
	if err != nil {
		return "", "", false, fmt.Errorf("root access key of account %s: %w", a.ID, err)
	}
	return a.ID, string(plain), true, nil
}

// Exists tells whether the realm has an account, suspended or not.
func (o *Organization) Exists(ctx context.Context, account string) (bool, error) {
	if account == o.r.opt.Account {
		return true, nil
	}
	a, err := o.account(ctx, account)
	return a != nil, err
}

// ServiceControl gives the service control policies that bind an account, by
// level: each level must allow. Nil binds nothing: so it is for the first
// account, and where everything is allowed. For an account that is suspended, or
// that nobody here knows, there is a level that allows nothing. An answer that
// has not changed is the same slice.
func (o *Organization) ServiceControl(ctx context.Context, account string) ([][]*policy.Document, error) {
	p, err := o.controls(ctx, account)
	if err != nil {
		return nil, err
	}
	return p.service, nil
}

// ResourceControl gives the resource control policies that bind what an account
// owns, likewise: nobody may use what a suspended account owns.
func (o *Organization) ResourceControl(ctx context.Context, account string) ([][]*policy.Document, error) {
	p, err := o.controls(ctx, account)
	if err != nil {
		return nil, err
	}
	return p.resource, nil
}

func (o *Organization) controls(ctx context.Context, account string) (*parsedControls, error) {
	generation := o.generation.Load()
	o.mu.Lock()
	p := o.parsed[account]
	o.mu.Unlock()
	if p != nil && p.generation == generation {
		return p, nil
	}
	now, err := o.parse(ctx, account)
	if err != nil {
		return nil, err
	}
	if p != nil && p.text == now.text {
		now.service, now.resource = p.service, p.resource
	}
	now.generation = generation
	if _, here := o.r.Row(accountKey(account)); here || account == o.r.opt.Account {
		// Invented accounts are not kept.
		o.mu.Lock()
		defer o.mu.Unlock()
		if len(o.parsed) >= parsedMax {
			clear(o.parsed)
		}
		o.parsed[account] = now
	}
	return now, nil
}

// parse reads the policies that bind an account.
func (o *Organization) parse(ctx context.Context, account string) (*parsedControls, error) {
	p := &parsedControls{}
	if account == o.r.opt.Account {
		return p, nil
	}
	a, err := o.account(ctx, account)
	if err != nil {
		return nil, err
	}
	if a == nil {
		p.service, p.text = [][]*policy.Document{{}}, "nobody"
		return p, nil
	}
	if a.Suspended {
		p.service, p.resource, p.text = [][]*policy.Document{{}}, [][]*policy.Document{{}}, "suspended"
		return p, nil
	}
	level := []*policy.Document{}
	all := false
	for _, c := range o.r.Controls(account, ServiceControl) {
		all = all || c.Document == fullServiceControl
		d, err := policy.Parse([]byte(c.Document), policy.Organization)
		if err != nil {
			return nil, fmt.Errorf("service control policy %s of account %s: %w", c.Name, account, err)
		}
		level, p.text = append(level, d), p.text+"\x00"+c.Document
	}
	if !all || len(level) != 1 {
		p.service = [][]*policy.Document{level}
	}
	for _, c := range o.r.Controls(account, ResourceControl) {
		d, err := policy.Parse([]byte(c.Document), policy.Organization)
		if err != nil {
			return nil, fmt.Errorf("resource control policy %s of account %s: %w", c.Name, account, err)
		}
		if p.resource == nil {
			p.resource = [][]*policy.Document{{o.fullRCP}}
		}
		p.resource[0], p.text = append(p.resource[0], d), p.text+"\x01"+c.Document
	}
	return p, nil
}
