package s3control

import (
	"bytes"
	"context"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/realm"
	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/store"
)

// RealmRows keeps rows in the realm's tables.
func RealmRows(r *realm.Realm) Rows { return realmRows{r} }

type realmRows struct{ *realm.Realm }

// SetRow implements Rows. What is so already is not written.
func (r realmRows) SetRow(ctx context.Context, key string, value []byte) error {
	return r.UpdateRows(ctx, func(tx *realm.RowTx) error {
		now, ok := tx.Get(key)
		switch {
		case value == nil && ok:
			tx.Delete(key)
		case value != nil && !bytes.Equal(now, value):
			tx.Put(key, value)
		}
		return nil
	})
}

// StoreBuckets are the buckets of a store.
func StoreBuckets(s *store.Store) Buckets { return storeBuckets{s} }

type storeBuckets struct{ *store.Store }

// Bucket implements Buckets. A policy that can't be read is an error: nobody
// knows what it would deny.
func (s storeBuckets) Bucket(ctx context.Context, name string) (*Bucket, error) {
	b, err := s.Store.Bucket(ctx, name)
	if err != nil {
		return nil, err
	}
	out := &Bucket{Name: b.Name, Owner: b.Owner}
	raw, err := s.Document(ctx, b, "policy", "")
	if err != nil || raw == nil {
		return out, err
	}
	doc, err := policy.Parse(raw, policy.Resource)
	if err != nil {
		return nil, awserr.ErrInternal.Because(err)
	}
	out.Policies = []*policy.Document{doc}
	return out, nil
}

// Tags implements Buckets.
func (s storeBuckets) Tags(ctx context.Context, name string) ([]s3.Tag, error) {
	b, err := s.Store.Bucket(ctx, name)
	if err != nil {
		return nil, err
	}
	raw, err := s.Document(ctx, b, "tagging", "")
	if err != nil || raw == nil {
		return nil, err
	}
	return rule.ParseBucketTagging(raw)
}

// ChangeTags implements Buckets.
func (s storeBuckets) ChangeTags(ctx context.Context, name string, change func([]s3.Tag) ([]s3.Tag, error)) error {
	return s.ChangeDocument(ctx, name, "tagging", "", func(_ *store.Bucket, raw []byte) ([]byte, error) {
		var now []s3.Tag
		if raw != nil {
			var err error
			if now, err = rule.ParseBucketTagging(raw); err != nil {
				return nil, err
			}
		}
		next, err := change(now)
		if err != nil || len(next) == 0 {
			return nil, err
		}
		return rule.RenderTagging(next)
	})
}
