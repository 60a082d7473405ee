package iam

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/policy"
)

// Bounds of what Directory keeps.
const (
	principalsMax = 16 << 10 // users and roles with their policies
	keysMax       = 16 << 10 // access keys with their secrets
	documentsMax  = 2 << 10  // parsed documents by their text
)

// Accounts is what Directory asks of the realm's accounts besides the first
// one's root credentials.
type Accounts interface {
	// RootKey gives the secret of an access key of an account's root user.
	RootKey(ctx context.Context, accessKey string) (account, secret string, ok bool, err error)
	// Exists tells whether the realm has an account.
	Exists(ctx context.Context, account string) (bool, error)
	// ServiceControl and ResourceControl give the organisation's policies that
	// bind an account and what it owns, by level. A level of no policies allows
	// nothing. An unchanged answer is the same slice.
	ServiceControl(ctx context.Context, account string) ([][]*policy.Document, error)
	ResourceControl(ctx context.Context, account string) ([][]*policy.Document, error)
}

// Sessions opens temporary credentials.
type Sessions interface {
	// Open gives the secret of a temporary access key that came with its token,
	// and whose session it is. Errors are sigv4's.
	Open(accessKey, token string, now time.Time) (secret string, c *access.Caller, err error)
}

// Sealer seals secrets under the realm's key. realm.Realm is one.
type Sealer interface {
	// Seal seals a secret; about says what it belongs to, and is needed again to
	// open it.
	Seal(secret []byte, about string) []byte
	Open(sealed []byte, about string) ([]byte, error)
}

// Options says what a directory is made of.
type Options struct {
	Rows Rows
	Seal Sealer
	// Account is the realm's first account; RootKey and RootSecret are the
	// credentials of its root user.
	Account, RootKey, RootSecret string
	Accounts                     Accounts // may be nil: there is only the first one
	Sessions                     Sessions // may be nil: no temporary credentials
	Region                       string   // this region, for when keys were last used
	Now                          func() time.Time
}

// Directory tells who callers are and what binds them, from this region's copy
// of the realm's rows. It implements access.Directory and sigv4.Credentials and
// is safe for concurrent use.
type Directory struct {
	opt  Options
	root *rootKey
	used *usedLog
	// generation counts changes of IAM's rows.
	generation atomic.Uint64
	keys       *cache[*keyHolder]
	principals *cache[*principal]
	policies   *cache[*policy.Document] // managed ones by ARN
	documents  *cache[*policy.Document] // by kind and text
	aws        map[string]*managed      // AWS's policies by ARN; never changed
	nothing    *access.Policies         // of who has no policies: root users, services, the anonymous
}

// NewDirectory makes a directory. The rows are watched from here on.
func NewDirectory(o Options) *Directory {
	d := &Directory{
		opt: o, root: newRootKey(o), used: newUsedLog(),
		keys:       newCache[*keyHolder](keysMax),
		principals: newCache[*principal](principalsMax),
		policies:   newCache[*policy.Document](documentsMax),
		documents:  newCache[*policy.Document](documentsMax),
		aws:        awsPolicies(),
		nothing:    new(access.Policies),
	}
	o.Rows.WatchRows(rowsPrefix, func(key string) {
		if !strings.HasPrefix(key, usedPrefix) {
			d.generation.Add(1)
		}
	})
	return d
}

// principal is a user or role with what binds it.
type principal struct {
	kind     kind
	account  string
	policies atomic.Pointer[access.Policies] // without those of a session
}

// is tells whether the principal is what a caller says it is.
func (p *principal) is(c *access.Caller) bool {
	return p.account == c.Account && (p.kind == userKind && c.Kind == access.User || p.kind == roleKind && c.Kind == access.Role)
}

// Policies implements access.Directory.
func (d *Directory) Policies(ctx context.Context, c *access.Caller) (*access.Policies, error) {
	if c.Kind == access.Anonymous || c.Kind == access.Service {
		return d.nothing, nil
	}
	control, err := d.serviceControl(ctx, c.Account)
	if err != nil {
		return nil, err
	}
	if c.Kind == access.Root {
		if d.opt.Accounts != nil {
			if ok, err := d.accountExists(ctx, c.Account); err != nil || !ok {
				return nil, gone(err)
			}
		}
		if control == nil {
			return d.nothing, nil
		}
		return &access.Policies{ServiceControl: control}, nil
	}
	if c.Kind != access.User && c.Kind != access.Role {
		return nil, access.ErrGone
	}
	id, _, _ := strings.Cut(c.UserID, ":")
	p, err := d.principal(ctx, id)
	if err != nil {
		return nil, err
	}
	if !p.is(c) {
		return nil, access.ErrGone
	}
	bound := p.policies.Load()
	if !sameSlice(bound.ServiceControl, control) {
		b := *bound
		b.ServiceControl = control
		bound = &b
		p.policies.Store(bound)
	}
	if s := c.Session; s != nil && len(s.Policies)+len(s.PolicyARNs) > 0 {
		return d.withSession(ctx, bound, s)
	}
	return bound, nil
}

func sameSlice[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || unsafe.SliceData(a) == unsafe.SliceData(b))
}

func gone(err error) error {
	if err != nil {
		return err
	}
	return access.ErrGone
}

// ResourceControl implements access.Directory.
func (d *Directory) ResourceControl(ctx context.Context, account string) ([][]*policy.Document, error) {
	if d.opt.Accounts == nil {
		return nil, nil
	}
	return d.opt.Accounts.ResourceControl(ctx, account)
}

func (d *Directory) serviceControl(ctx context.Context, account string) ([][]*policy.Document, error) {
	if d.opt.Accounts == nil {
		return nil, nil
	}
	return d.opt.Accounts.ServiceControl(ctx, account)
}

func (d *Directory) accountExists(ctx context.Context, account string) (bool, error) {
	if account == d.opt.Account {
		return true, nil
	}
	if d.opt.Accounts == nil {
		return false, nil
	}
	return d.opt.Accounts.Exists(ctx, account)
}

// principal gives what binds the user or role with a unique ID.
func (d *Directory) principal(ctx context.Context, id string) (*principal, error) {
	generation := d.generation.Load()
	if p, ok := d.principals.get(id, generation, d.opt.Rows); ok {
		return p, nil
	}
	r := &reader{ctx: ctx, rows: d.opt.Rows}
	e, err := r.byID(id)
	if err != nil {
		return nil, fmt.Errorf("iam: %s: %w", id, err)
	}
	if e == nil {
		return nil, access.ErrGone
	}
	bound, err := d.bind(r, e)
	if err != nil {
		return nil, fmt.Errorf("iam: policies of %s: %w", e.arn(), err)
	}
	p := &principal{kind: e.kind, account: e.account}
	p.policies.Store(bound)
	if !r.far {
		d.principals.put(id, p, r.deps, generation)
	}
	return p, nil
}

// bind collects the policies of a user or role.
func (d *Directory) bind(r *reader, e *entity) (*access.Policies, error) {
	b := new(access.Policies)
	if err := d.gather(r, b, e); err != nil {
		return nil, err
	}
	for _, id := range e.groups {
		g, err := r.byID(id)
		if err != nil {
			return nil, err
		}
		if g == nil || g.kind != groupKind {
			// Membership ends before a group does, in rows as in life; a policy
			// of a group that can't be found might be one that denies.
			return nil, fmt.Errorf("group %s is not there", id)
		}
		if err := d.gather(r, b, g); err != nil {
			return nil, err
		}
	}
	if e.boundary != "" {
		doc, err := d.managedDocument(r, e.boundary)
		if err != nil {
			return nil, err
		}
		b.Boundary = doc
	}
	if len(e.tags) > 0 {
		b.Tags = make(map[string]string, len(e.tags))
		for _, t := range e.tags {
			b.Tags[t.key] = t.value
		}
	}
	return b, nil
}

// gather adds an entity's own policies.
func (d *Directory) gather(r *reader, b *access.Policies, e *entity) error {
	for _, p := range e.inline {
		doc, err := d.parse(p.document, policy.Identity)
		if err != nil {
			return fmt.Errorf("policy %s: %w", p.name, err)
		}
		b.Identity = append(b.Identity, doc)
	}
	for _, a := range e.attached {
		doc, err := d.managedDocument(r, a)
		if err != nil {
			return err
		}
		b.Identity = append(b.Identity, doc)
	}
	return nil
}

// managedDocument gives the default version of a managed policy. That there is
// none is an error: it might be one that denies.
func (d *Directory) managedDocument(r *reader, arn string) (*policy.Document, error) {
	p, err := d.readPolicy(r, arn)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, fmt.Errorf("%s is not there", arn)
	}
	return d.parse(p.current().document, policy.Identity)
}

// readPolicy reads a managed policy by its ARN. It is nil when there is none.
func (d *Directory) readPolicy(r *reader, arn string) (*managed, error) {
	account, path, name, ok := splitPolicyARN(arn)
	if !ok {
		return nil, nil
	}
	if account == awsAccount {
		return d.aws[arn], nil
	}
	row, ok, err := r.get(policyKey(account, name))
	if err != nil || !ok {
		return nil, err
	}
	p, err := decodePolicy(row)
	if err != nil {
		return nil, err
	}
	if p.path != path || p.name != name {
		return nil, nil
	}
	return p, nil
}

// parse parses a document, each text once.
func (d *Directory) parse(text string, k policy.Kind) (*policy.Document, error) {
	key := text
	if k != policy.Identity {
		key = fmt.Sprintf("%d %s", k, text)
	}
	if doc, ok := d.documents.get(key, 0, nil); ok {
		return doc, nil
	}
	doc, err := policy.Parse([]byte(text), k)
	if err != nil {
		return nil, err
	}
	d.documents.put(key, doc, nil, 0)
	return doc, nil
}

// withSession adds what bounds a session.
func (d *Directory) withSession(ctx context.Context, bound *access.Policies, s *access.Session) (*access.Policies, error) {
	b := *bound
	b.HasSession = true
	b.Session = make([]*policy.Document, 0, len(s.Policies)+len(s.PolicyARNs))
	for _, text := range s.Policies {
		doc, err := d.parse(text, policy.Identity)
		if err != nil {
			return nil, fmt.Errorf("iam: a session policy: %w", err)
		}
		b.Session = append(b.Session, doc)
	}
	for _, arn := range s.PolicyARNs {
		doc, err := d.sessionPolicy(ctx, arn)
		if err != nil {
			return nil, err
		}
		b.Session = append(b.Session, doc)
	}
	return &b, nil
}

// sessionPolicy gives a managed policy that bounds a session. One that was
// deleted since allows nothing: the session has less, never more.
func (d *Directory) sessionPolicy(ctx context.Context, arn string) (*policy.Document, error) {
	generation := d.generation.Load()
	if doc, ok := d.policies.get(arn, generation, d.opt.Rows); ok {
		return doc, nil
	}
	r := &reader{ctx: ctx, rows: d.opt.Rows}
	p, err := d.readPolicy(r, arn)
	if err != nil {
		return nil, fmt.Errorf("iam: %s: %w", arn, err)
	}
	text := denyAll
	if p != nil {
		text = p.current().document
	}
	doc, err := d.parse(text, policy.Identity)
	if err != nil {
		return nil, fmt.Errorf("iam: %s: %w", arn, err)
	}
	if !r.far {
		d.policies.put(arn, doc, r.deps, generation)
	}
	return doc, nil
}

// denyAll stands for a policy that is not there any more.
const denyAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`

// update runs a transaction. What was made from rows that it changed is not
// believed afterwards, also where the realm is yet to tell of it.
func (d *Directory) update(ctx context.Context, fn func(tx Tx) error) error {
	err := d.opt.Rows.UpdateRows(ctx, fn)
	d.generation.Add(1)
	return err
}
