package kms

import (
	"context"
	"errors"
	"strings"

	"github.com/farhold/farhold/arn"
	"github.com/farhold/farhold/kv"
)

// aliasS3 names the key that S3 uses when it is told none. It is made when it
// is first wanted.
const aliasS3 = "alias/aws/s3"

const (
	aliasPrefix    = "alias/"
	aliasAWSPrefix = "alias/aws/"
)

// name is a key's name taken apart: an ID, an alias, or the ARN of either.
type name struct {
	account string // whose key it is
	id      string // of the key, or empty
	alias   string // alias/…, or empty
}

// parseName takes apart what a request calls KeyId. What has no account in it
// is the given account's. Aliases are names for some operations only.
func (e *Engine) parseName(account, s string, aliases bool) (name, error) {
	n, resource := name{account: account}, s
	if strings.HasPrefix(s, "arn:") {
		a, err := arn.Parse(s)
		if err != nil || a.Service != "kms" || a.Partition != "aws" || !arn.ValidAccount(a.Account) {
			return n, ErrInvalidArn.Text("Invalid arn %s", s)
		}
		if a.Region != e.opt.Region {
			return n, ErrNotFound.Text("Invalid arn %s", a.Region)
		}
		n.account, resource = a.Account, a.Resource
		id, ok := strings.CutPrefix(resource, "key/")
		switch {
		case ok:
			resource = id
		case !strings.HasPrefix(resource, aliasPrefix):
			return n, ErrInvalidArn.Text("Invalid arn %s", s)
		}
	}
	if strings.HasPrefix(resource, aliasPrefix) && aliases {
		n.alias = resource
		return n, nil
	}
	if !validID(resource) {
		return n, ErrNotFound.Text("Invalid keyId '%s'", resource)
	}
	n.id = resource
	return n, nil
}

// validID tells whether s has the form of a key's ID: a UUID, or that of a
// multi-Region key, of which there are none here.
func validID(s string) bool {
	var u [16]byte
	if _, ok := parseID(s, u[:0]); ok {
		return true
	}
	hex, ok := strings.CutPrefix(s, "mrk-")
	return ok && len(hex) == 32 && strings.Trim(hex, "0123456789abcdef") == ""
}

// arnOf is the ARN that a name stands for by itself.
func (e *Engine) arnOf(n name) string {
	if n.alias != "" {
		return e.aliasARN(n.account, n.alias)
	}
	return e.keyARN(n.account, n.id)
}

// missing is what the owner of a key that is not there is told.
func (e *Engine) missing(n name) error {
	if n.alias != "" {
		return ErrNotFound.Text("Alias %s is not found.", e.arnOf(n))
	}
	return ErrNotFound.Text("Key '%s' does not exist", e.arnOf(n))
}

// lookup finds the key that a name means now, or errNoKey. With create, the
// account's key for S3 is made when it isn't there.
func (e *Engine) lookup(ctx context.Context, n name, create bool) (*entry, error) {
	id := n.id
	if n.alias != "" {
		var err error
		id, err = e.aliased(ctx, n.account, n.alias)
		if errors.Is(err, errNoKey) && create && n.alias == aliasS3 {
			id, err = e.createManaged(ctx, n.account, n.alias)
		}
		if err != nil {
			return nil, err
		}
	}
	k, err := e.key(ctx, id)
	if err != nil {
		return nil, err
	}
	if k.Account != n.account {
		return nil, errNoKey
	}
	return k, nil
}

// aliased gives the ID that an alias stands for, or errNoKey.
func (e *Engine) aliased(ctx context.Context, account, alias string) (string, error) {
	if id := e.cache.alias(account, alias); id != "" {
		return id, nil
	}
	if len(alias) > aliasMax {
		return "", errNoKey
	}
	at := e.cache.generation()
	var r aliasRecord
	err := e.read(ctx, func(s kv.Snapshot) error {
		raw, err := s.Get(path(rowAlias, account, "/", alias))
		if ok, err := absent(err); !ok {
			if err == nil {
				err = errNoKey
			}
			return err
		}
		return decodeRow(raw, &r)
	})
	if err != nil {
		return "", err
	}
	e.cache.keepAlias(at, account, alias, r.Key)
	return r.Key, nil
}
