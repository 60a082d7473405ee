package kms

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/farhold/farhold/kv"
)

// Limits of aliases.
const (
	aliasMax      = 256 // characters of a name, with alias/
	aliasesPerKey = 50  // AWS's
)

// aliasRecord is the row of an alias.
type aliasRecord struct {
	Key              string // ID
	Created, Updated time.Time
}

// checkAlias refuses names that callers can't make or change.
func checkAlias(alias string) error {
	switch {
	case !strings.HasPrefix(alias, aliasPrefix) || alias == aliasPrefix:
		return ErrValidation.Text(`Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html`)
	case strings.HasPrefix(alias, aliasAWSPrefix):
		return ErrNotAuthorized
	}
	return nil
}

func putAlias(tx *kv.Tx, account, alias string, a *aliasRecord) {
	tx.Put(path(rowAlias, account, "/", alias), encodeRow(a))
	tx.Put(path(rowNamed, a.Key, "/", alias), nil)
}

func readAlias(tx *kv.Tx, account, alias string) (*aliasRecord, error) {
	raw, err := tx.Get(path(rowAlias, account, "/", alias))
	if ok, err := absent(err); !ok {
		if err == nil {
			err = errNoKey
		}
		return nil, err
	}
	a := new(aliasRecord)
	return a, decodeRow(raw, a)
}

// createAlias gives a key a name.
func (e *Engine) createAlias(ctx context.Context, k *entry, alias string) error {
	now := e.now()
	return e.change(ctx, k.id, func(tx *kv.Tx, r *record) error {
		if err := pending(r, k.arn); err != nil {
			return err
		}
		switch _, err := readAlias(tx, k.Account, alias); {
		case err == nil:
			return ErrAlreadyExists.Text("An alias with the name %s already exists", e.aliasARN(k.Account, alias))
		case !errors.Is(err, errNoKey):
			return err
		}
		if err := countAlias(r, k.arn); err != nil {
			return err
		}
		putAlias(tx, k.Account, alias, &aliasRecord{Key: k.id, Created: now, Updated: now})
		return nil
	})
}

func countAlias(r *record, arn string) error {
	if r.Aliases >= aliasesPerKey {
		return ErrLimitExceeded.Text("Alias quota of %d for the key %s is reached.", aliasesPerKey, arn)
	}
	r.Aliases++
	return nil
}

// updateAlias has a name mean another key of the account. from is the key that
// the caller was allowed to take it from: when it means a third one by now, the
// caller must ask again.
func (e *Engine) updateAlias(ctx context.Context, from, to *entry, alias string) error {
	now := e.now()
	return e.update(ctx, func(tx *kv.Tx) error {
		a, err := readAlias(tx, to.Account, alias)
		if errors.Is(err, errNoKey) || err == nil && a.Key != from.id {
			return e.missing(name{account: to.Account, alias: alias})
		}
		if err != nil {
			return err
		}
		if from.id != to.id {
			if err := changeKey(tx, from.id, func(_ *kv.Tx, r *record) error {
				r.Aliases--
				tx.Delete(path(rowNamed, from.id, "/", alias))
				return nil
			}); err != nil {
				return err
			}
		}
		return changeKey(tx, to.id, func(_ *kv.Tx, r *record) error {
			if err := pending(r, to.arn); err != nil {
				return err
			}
			if from.id != to.id {
				if err := countAlias(r, to.arn); err != nil {
					return err
				}
			}
			a.Key, a.Updated = to.id, now
			putAlias(tx, to.Account, alias, a)
			return nil
		})
	}, from.id, to.id)
}

// deleteAlias takes a name from a key.
func (e *Engine) deleteAlias(ctx context.Context, k *entry, alias string) error {
	return e.change(ctx, k.id, func(tx *kv.Tx, r *record) error {
		a, err := readAlias(tx, k.Account, alias)
		if errors.Is(err, errNoKey) || err == nil && a.Key != k.id {
			return e.missing(name{account: k.Account, alias: alias})
		}
		if err != nil {
			return err
		}
		r.Aliases--
		deleteAliasRows(tx, k.Account, k.id, alias)
		return nil
	})
}

func deleteAliasRows(tx *kv.Tx, account, id, alias string) {
	tx.Delete(path(rowAlias, account, "/", alias))
	tx.Delete(path(rowNamed, id, "/", alias))
}
