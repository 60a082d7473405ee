package store

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/s3"
)

// uidNames remembers the names of buckets by their UIDs: tasks know a bucket by
// its UID, rows and policies by its name. A name never gets another UID without
// the bucket being deleted first, so that an entry is only used after the
// bucket's row was seen to have the UID still.
type uidNames struct {
	mu sync.RWMutex
	m  map[s3.UID]string
}

func (n *uidNames) get(uid s3.UID) (string, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	name, ok := n.m[uid]
	return name, ok
}

// fill takes all names anew, and so forgets those of buckets that are gone.
func (n *uidNames) fill(m map[s3.UID]string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.m = m
}

// BucketByUID gives a bucket of this region by its UID, or ErrNoSuchBucket.
func (s *Store) BucketByUID(ctx context.Context, uid s3.UID) (b *Bucket, err error) {
	err = s.view(ctx, func(snap kv.Snapshot) error {
		b, err = s.bucketByUID(snap, uid)
		return err
	})
	return b, err
}

func (s *Store) bucketByUID(snap kv.Snapshot, uid s3.UID) (*Bucket, error) {
	if name, ok := s.names.get(uid); ok {
		b, err := s.bucket(snap, name)
		if err == nil && b.UID == uid {
			return b, nil
		}
		if err != nil && !errors.Is(err, ErrNoSuchBucket) {
			return nil, err
		}
	}
	names := make(map[s3.UID]string)
	for p, err := range snap.Scan(kv.Prefix([]byte{tableBucket})) {
		if err != nil {
			return nil, err
		}
		b, err := parseBucket(bytes.Clone(p.Key), p.Value)
		if err != nil {
			return nil, err
		}
		names[b.UID] = b.Name
	}
	s.names.fill(names)
	if name, ok := names[uid]; ok {
		return s.bucket(snap, name)
	}
	return nil, ErrNoSuchBucket
}

// ReplicationRole gives the role that the bucket's replication configuration
// names now, or false when the bucket has no configuration.
func (b *Bucket) ReplicationRole() (arn string, ok bool) {
	if b.replication == nil {
		return "", false
	}
	return b.replication.Role, true
}
