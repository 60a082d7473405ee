package kms

import (
	"context"
	"strings"

	"github.com/farhold/farhold/kv"
)

// tagsMax is how many tags a key may have.
const tagsMax = 50

// checkTags refuses tags that AWS refuses, beyond their lengths.
func checkTags(tags []Tag) error {
	if len(tags) > tagsMax {
		return ErrTag.Text("Too many tags")
	}
	seen := make(map[string]bool, len(tags))
	for _, t := range tags {
		if reservedTag(t.Key) {
			return ErrTag.Text("Tags beginning with aws: are reserved")
		}
		if seen[t.Key] {
			return ErrTag.Text("Duplicate tag keys")
		}
		seen[t.Key] = true
	}
	return nil
}

func reservedTag(key string) bool { return len(key) >= 4 && strings.EqualFold(key[:4], "aws:") }

// tag adds and changes tags.
func (e *Engine) tag(ctx context.Context, k *entry, tags []Tag) error {
	return e.change(ctx, k.id, func(tx *kv.Tx, r *record) error {
		if err := pending(r, k.arn); err != nil {
			return err
		}
		for _, t := range tags {
			at := path(rowTag, k.id, "/", t.Key)
			had, err := absent(second(tx.Get(at)))
			if err != nil {
				return err
			}
			if !had {
				r.Tags++
			}
			tx.Put(at, []byte(t.Value))
		}
		if r.Tags > tagsMax {
			return ErrTag.Text("Too many tags")
		}
		return nil
	})
}

// untag removes tags. Those that are not there are no error.
func (e *Engine) untag(ctx context.Context, k *entry, keys []string) error {
	return e.change(ctx, k.id, func(tx *kv.Tx, r *record) error {
		if err := pending(r, k.arn); err != nil {
			return err
		}
		for _, key := range keys {
			at := path(rowTag, k.id, "/", key)
			had, err := absent(second(tx.Get(at)))
			if err != nil {
				return err
			}
			if had {
				r.Tags--
				tx.Delete(at)
			}
		}
		return nil
	})
}
