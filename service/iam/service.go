package iam

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/service"
)

// Quotas, as AWS has them for a new account.
const (
	usersMax         = 5000 // per account
	groupsMax        = 300
	rolesMax         = 1000
	policiesMax      = 1500
	attachedMax      = 10 // managed policies of an entity
	groupsOfUserMax  = 10
	keysOfUserMax    = 2
	versionsMax      = 5
	tagsMax          = 50
	userInlineMax    = 2048 // characters that are not white space, of all inline policies together
	groupInlineMax   = 5120
	roleInlineMax    = 10240
	managedMax       = 6144 // likewise, of a managed policy
	trustMax         = 2048
	maxSessionOfRole = 3600 // seconds, unless it says otherwise
)

// Service is IAM's operations over the rows of a Directory. It is safe for
// concurrent use.
type Service struct {
	d   *Directory
	now func() time.Time
}

// New makes the service.
func New(d *Directory) *Service { return &Service{d: d, now: d.opt.Now} }

// find reads a user, group or role of an account.
func (s *Service) find(ctx context.Context, k kind, account, name string) (*entity, error) {
	r := &reader{ctx: ctx, rows: s.d.opt.Rows}
	e, err := r.entity(entityKey(k, account, name))
	if err == nil && e == nil {
		err = notFound(k, name)
	}
	return e, err
}

// get reads an entity in a transaction.
func get(tx Tx, k kind, account, name string) (*entity, error) {
	row, ok := tx.Get(entityKey(k, account, name))
	if !ok {
		return nil, notFound(k, name)
	}
	return decodeEntity(row)
}

// put writes an entity.
func put(tx Tx, e *entity) error {
	row, err := e.encode()
	if errors.Is(err, errRowLong) {
		return errTooLong
	}
	if err != nil {
		return err
	}
	tx.Put(e.key(), row)
	return nil
}

// change changes an entity in a transaction of its own.
func (s *Service) change(ctx context.Context, k kind, account, name string, fn func(tx Tx, e *entity) error) error {
	return s.d.update(ctx, func(tx Tx) error {
		e, err := get(tx, k, account, name)
		if err != nil {
			return err
		}
		if err := fn(tx, e); err != nil {
			return err
		}
		return put(tx, e)
	})
}

// userName gives the user that a request is about: the one it names, or its
// caller.
func userName(c *service.Call, name *string) (string, error) {
	if name != nil {
		return *name, nil
	}
	if c.Caller.Kind != access.User {
		return "", errNeedsUser
	}
	return c.Caller.Name, nil
}

// conditions are the condition keys that IAM has about a target and a request.
// Names of tags in them are compared without regard to case, as tags are.
type conditions struct {
	policyARN string // iam:PolicyARN
	boundary  string // iam:PermissionsBoundary: the one that is set, or that the entity has
	tags      []tag  // of the resource
	request   []tag  // that the request sets
	tagKeys   []string
	service   string // iam:PassedToService
	about     string // iam:AssociatedResourceArn
}

// Value implements policy.Context.
func (c *conditions) Value(key string) ([]string, bool) {
	one := func(s string) ([]string, bool) { return []string{s}, s != "" }
	switch key {
	case "iam:policyarn":
		return one(c.policyARN)
	case "iam:permissionsboundary":
		return one(c.boundary)
	case "iam:passedtoservice":
		return one(c.service)
	case "iam:associatedresourcearn":
		return one(c.about)
	case "aws:tagkeys":
		return c.tagKeys, len(c.tagKeys) > 0
	}
	prefix, name, ok := strings.Cut(key, "/")
	if !ok {
		return nil, false
	}
	var tags []tag
	switch prefix {
	case "aws:resourcetag", "iam:resourcetag":
		tags = c.tags
	case "aws:requesttag":
		tags = c.request
	}
	for _, t := range tags {
		if strings.EqualFold(t.key, name) {
			return []string{t.value}, true
		}
	}
	return nil, false
}

// targets makes an operation's function of targets from one that gives a
// single one.
func targets[I any](one func(ctx context.Context, c *service.Call, in *I) (service.Target, error)) func(context.Context, *service.Call, *I) ([]service.Target, error) {
	return func(ctx context.Context, c *service.Call, in *I) ([]service.Target, error) {
		t, err := one(ctx, c, in)
		if err != nil {
			return nil, err
		}
		return []service.Target{t}, nil
	}
}

// on is the target that is an entity as it is now. One that does not exist is
// named without a path: who may not know it learns nothing.
func (s *Service) on(ctx context.Context, k kind, account, name string, keys *conditions) (service.Target, error) {
	e, err := s.find(ctx, k, account, name)
	if err != nil {
		if !errors.Is(err, ErrNoSuchEntity) {
			return service.Target{}, err
		}
		e = &entity{kind: k, account: account, name: name, path: "/"}
	}
	if keys == nil {
		keys = new(conditions)
	}
	keys.tags = e.tags
	if keys.boundary == "" {
		keys.boundary = e.boundary
	}
	return service.Target{ARN: e.arn(), Account: account, Keys: keys}, nil
}

// onEntity is the target of operations on an entity that the request names.
func onEntity[I any](s *Service, k kind, name func(in *I) *string, keys func(in *I) *conditions) func(context.Context, *service.Call, *I) ([]service.Target, error) {
	return targets(func(ctx context.Context, c *service.Call, in *I) (service.Target, error) {
		var n string
		var err error
		if k == userKind {
			n, err = userName(c, name(in))
		} else {
			n = value(name(in))
		}
		if err != nil {
			return service.Target{}, err
		}
		var q *conditions
		if keys != nil {
			q = keys(in)
		}
		return s.on(ctx, k, c.Caller.Account, n, q)
	})
}

// onUserOrRoot is the target of operations on a user that, where the request
// names none, are about the root user who calls.
func onUserOrRoot[I any](s *Service, name func(in *I) *string) func(context.Context, *service.Call, *I) ([]service.Target, error) {
	onUser := onEntity(s, userKind, name, nil)
	return func(ctx context.Context, c *service.Call, in *I) ([]service.Target, error) {
		if name(in) == nil && c.Caller.IsRoot() {
			return []service.Target{{ARN: c.Caller.ARN, Account: c.Caller.Account}}, nil
		}
		return onUser(ctx, c, in)
	}
}

// value gives what a pointer points to, or the zero value.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func ptr[T any](v T) *T { return &v }

// text gives a pointer to a string, or nil for an empty one.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// PassRole asks whether a caller may pass a role to a service, as S3 asks when
// a replication configuration names one: iam:PassRole on the role with
// iam:PassedToService, such as s3.amazonaws.com. A role of another account can't
// be passed; whether it exists is for whoever assumes it. about is the ARN of
// what the role is passed for, or empty; from are the keys of the request.
func (s *Service) PassRole(ctx context.Context, decider *access.Decider, c *access.Caller, from policy.Context, roleARN, to, about string) error {
	keys := &conditions{service: to, about: about}
	account, k, _, name, ok := splitEntityARN(roleARN)
	if ok && k == roleKind && account == c.Account {
		switch e, err := s.find(ctx, roleKind, account, name); {
		case err == nil && e.arn() == roleARN:
			keys.tags = e.tags
		case err != nil && !errors.Is(err, ErrNoSuchEntity):
			return err
		}
	}
	return decider.Decide(ctx, &access.Request{
		Caller: c, Action: "iam:PassRole", Resource: roleARN, Account: account, Context: policy.Contexts{keys, from},
	})
}
