package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/s3"
)

// NewBucket describes a bucket to be made.
type NewBucket struct {
	Name       string
	UID        s3.UID
	Owner      string
	ObjectLock bool   // turns versioning on as well
	Ownership  string // empty means BucketOwnerEnforced
	// Documents are those that the bucket begins with, by name: acl, tagging and
	// others that say nothing about the bucket itself. One that is longer than
	// 60 KiB is kv.ErrTooLarge.
	Documents map[string][]byte
}

// Bucket is a bucket of this region at one moment. It is not to be changed.
type Bucket struct {
	Name       string
	UID        s3.UID
	Owner      string // account ID
	Created    time.Time
	Versioning string // "", "Enabled" or "Suspended"
	ObjectLock bool
	Ownership  string   // BucketOwnerEnforced, BucketOwnerPreferred or ObjectWriter
	Revision   uint64   // grows with each change of the bucket or its documents
	Documents  []string // names (or name/id) of the documents that are set, sorted

	deleting bool
	foreign  []byte // fields of a newer binary

	raw         []byte // the row this was read from: writers guard on it
	replication *rule.Replication
	lock        *rule.ObjectLock
	derived     *sync.Map // see Derived; nil where nothing is kept
}

// Derived gives what make makes of the bucket and its documents, under a name.
// It is made once for each state of the bucket and kept as long as that: a
// change of any document makes it anew. What make returns is shared and must
// not be changed; its errors are returned and not kept. Several callers at once
// may each make their own.
func (b *Bucket) Derived(name string, make func() (any, error)) (any, error) {
	if b.derived == nil {
		return make()
	}
	if v, ok := b.derived.Load(name); ok {
		return v, nil
	}
	v, err := make()
	if err != nil {
		return nil, err
	}
	b.derived.Store(name, v)
	return v, nil
}

// Has tells whether a document is set, of those that a bucket has one of.
func (b *Bucket) Has(doc string) bool { return b.has(doc) }

// Versioning states.
const (
	versioningEnabled   = "Enabled"
	versioningSuspended = "Suspended"
)

// versioned tells whether the bucket ever had versioning: its versions have IDs.
func (b *Bucket) versioned() bool { return b.Versioning != "" }

// ErrOperationAborted is answered while a bucket is between being there and
// being gone.
var ErrOperationAborted = awserr.New("OperationAborted", 409, "A conflicting conditional operation is currently in progress against this resource. Please try again.")

const (
	bucketName protowire.Number = iota + 1
	bucketUID
	bucketOwner
	bucketCreated
	bucketVersioning
	bucketLock
	bucketOwnership
	bucketRevision
	bucketDocument
	bucketDeleting
)

func (b *Bucket) row() []byte {
	r := []byte{rowFormat}
	r = s3.AppendString(r, bucketName, b.Name)
	r = s3.AppendString(r, bucketUID, string(b.UID))
	r = s3.AppendString(r, bucketOwner, b.Owner)
	r = s3.AppendUint(r, bucketCreated, uint64(b.Created.UnixMilli()))
	r = s3.AppendString(r, bucketVersioning, b.Versioning)
	if b.ObjectLock {
		r = s3.AppendUint(r, bucketLock, 1)
	}
	r = s3.AppendString(r, bucketOwnership, b.Ownership)
	r = s3.AppendUint(r, bucketRevision, b.Revision)
	for _, d := range b.Documents {
		r = s3.AppendString(r, bucketDocument, d)
	}
	if b.deleting {
		r = s3.AppendUint(r, bucketDeleting, 1)
	}
	return append(r, b.foreign...)
}

func parseBucket(key, raw []byte) (*Bucket, error) {
	body, err := openRow(key, raw)
	if err != nil {
		return nil, err
	}
	b := &Bucket{raw: raw, derived: new(sync.Map)}
	err = s3.Fields(body, func(num protowire.Number, x uint64, raw, field []byte) error {
		switch num {
		case bucketName:
			b.Name = string(raw)
		case bucketUID:
			b.UID = s3.UID(raw)
		case bucketOwner:
			b.Owner = string(raw)
		case bucketCreated:
			b.Created = time.UnixMilli(int64(x)).UTC()
		case bucketVersioning:
			b.Versioning = string(raw)
		case bucketLock:
			b.ObjectLock = x != 0
		case bucketOwnership:
			b.Ownership = string(raw)
		case bucketRevision:
			b.Revision = x
		case bucketDocument:
			b.Documents = append(b.Documents, string(raw))
		case bucketDeleting:
			b.deleting = x != 0
		default:
			b.foreign = append(b.foreign, field...)
		}
		return nil
	})
	if err != nil {
		return nil, corrupt(key, err)
	}
	return b, nil
}

// bucketCache keeps parsed buckets by name. An entry is only used for the very
// row that it was made from, so it cannot be stale, only useless.
type bucketCache struct {
	mu sync.RWMutex
	m  map[string]*Bucket
}

// bucketCacheMax bounds the cache; beyond it, it is emptied.
const bucketCacheMax = 10_000

func (c *bucketCache) get(name string) *Bucket {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.m[name]
}

func (c *bucketCache) put(b *Bucket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil || len(c.m) >= bucketCacheMax {
		c.m = make(map[string]*Bucket)
	}
	c.m[b.Name] = b
}

func (c *bucketCache) drop(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.m, name)
}

// getter reads rows: a snapshot, or a transaction.
type getter interface {
	Get(key []byte) ([]byte, error)
}

// bucket reads a bucket through g, with its parsed documents.
func (s *Store) bucket(g getter, name string) (*Bucket, error) {
	key := bucketKey(name)
	raw, err := g.Get(key)
	if errors.Is(err, kv.ErrNotFound) {
		return nil, ErrNoSuchBucket.With("BucketName", name)
	}
	if err != nil {
		return nil, err
	}
	if b := s.buckets.get(name); b != nil && bytes.Equal(b.raw, raw) {
		return b, nil
	}
	b, err := parseBucket(key, raw)
	if err != nil {
		return nil, err
	}
	// The documents belong to this very row: a change of one changes Revision.
	if b.has("replication") {
		doc, err := s.document(g, b, "replication", "")
		if err != nil {
			return nil, err
		}
		if b.replication, err = rule.ParseReplication(doc); err != nil {
			return nil, corrupt(documentKey(b.UID, "replication", ""), err)
		}
	}
	if b.has("object-lock") {
		doc, err := s.document(g, b, "object-lock", "")
		if err != nil {
			return nil, err
		}
		if b.lock, err = rule.ParseObjectLock(doc); err != nil {
			return nil, corrupt(documentKey(b.UID, "object-lock", ""), err)
		}
	}
	s.buckets.put(b)
	return b, nil
}

// peeker reads without guarding: documents are covered by their bucket's row.
type peeker struct{ tx *kv.Tx }

func (p peeker) Get(key []byte) ([]byte, error) { return p.tx.Peek(key) }

// guardedBucket reads a bucket in a transaction that depends on it. The first
// try takes the cached row for true, which the commit checks; it saves a read.
func (s *Store) guardedBucket(tx *kv.Tx, name string) (*Bucket, error) {
	if tx.Try() == 0 {
		if b := s.buckets.get(name); b != nil && !b.deleting {
			tx.Assume(bucketKey(name), b.raw)
			return b, nil
		}
	}
	return s.rereadBucket(tx, name)
}

// rereadBucket reads a bucket in a transaction that depends on it.
func (s *Store) rereadBucket(tx *kv.Tx, name string) (*Bucket, error) {
	if _, err := tx.Get(bucketKey(name)); err != nil && !errors.Is(err, kv.ErrNotFound) {
		return nil, err // this guards the row; the read below is of the same view
	}
	return s.bucket(peeker{tx}, name)
}

// writableBucket is guardedBucket for writes, which a bucket that is being
// deleted does not take.
func (s *Store) writableBucket(tx *kv.Tx, name string) (*Bucket, error) {
	b, err := s.guardedBucket(tx, name)
	if err != nil {
		return nil, err
	}
	if b.deleting {
		return nil, errDeleting
	}
	return b, nil
}

// errDeleting says that a bucket is being deleted at this moment. Whether it
// will be gone is known within milliseconds, so writers wait for that.
var errDeleting = errors.New("store: the bucket is being deleted")

// deletingWait bounds how long a write waits for a bucket's deletion to end.
const deletingWait = 2 * time.Second

// update runs a transaction, waiting while a bucket that it needs is between
// being there and being gone.
func (s *Store) update(ctx context.Context, fn func(tx *kv.Tx) error) error {
	return s.updateStack(ctx, "", "", fn)
}

// updateStack is update for a transaction that changes the stack of a key:
// those of one key come one after the other rather than in vain.
func (s *Store) updateStack(ctx context.Context, uid s3.UID, key string, fn func(tx *kv.Tx) error) error {
	var latched [][]byte
	if key != "" {
		latched = [][]byte{headKey(tableLive, uid, key)}
	}
	pause := time.Millisecond
	for waited := time.Duration(0); ; waited += pause {
		err := kv.UpdateLatched(ctx, s.opt.KV, s.latches, latched, fn)
		if !errors.Is(err, errDeleting) {
			return err
		}
		if waited >= deletingWait {
			return ErrOperationAborted
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		pause = min(2*pause, 100*time.Millisecond)
	}
}

// view gives a snapshot to fn, and returns only when everything that fn read
// is durable: an answer must not un-happen.
func (s *Store) view(ctx context.Context, fn func(snap kv.Snapshot) error) error {
	snap, err := s.opt.KV.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer snap.Close()
	err = fn(snap)
	if e := snap.Settled(ctx); e != nil {
		return e
	}
	return err
}

// CreateBucket makes a bucket here. The realm has claimed the name before.
// Making it again with the same UID gives the one that is there; another UID is
// ErrBucketExists.
func (s *Store) CreateBucket(ctx context.Context, n NewBucket) (*Bucket, error) {
	if n.Ownership == "" {
		n.Ownership = "BucketOwnerEnforced"
	}
	made := &Bucket{
		Name: n.Name, UID: n.UID, Owner: n.Owner, Created: s.opt.Clock.Now().UTC().Truncate(time.Millisecond),
		ObjectLock: n.ObjectLock, Ownership: n.Ownership, Revision: 1,
	}
	if n.ObjectLock {
		made.Versioning = versioningEnabled
	}
	for name, doc := range n.Documents {
		if len(doc) > documentPiece {
			return nil, fmt.Errorf("store: document %s of %d bytes: %w", name, len(doc), kv.ErrTooLarge)
		}
		made.Documents = withDocument(made.Documents, name, true)
	}
	var b *Bucket
	err := s.update(ctx, func(tx *kv.Tx) error {
		if _, err := tx.Get(bucketKey(n.Name)); err == nil {
			there, err := s.bucket(peeker{tx}, n.Name)
			switch {
			case err != nil:
				return err
			case there.deleting:
				return errDeleting
			case there.UID != n.UID:
				return ErrBucketExists.With("BucketName", n.Name)
			}
			b = there
			return nil
		} else if !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		made.raw = made.row()
		tx.Put(bucketKey(n.Name), made.raw)
		for _, name := range made.Documents {
			tx.Put(documentKey(made.UID, name, ""), append([]byte{rowFormat, documentWhole}, n.Documents[name]...))
		}
		b = made
		return nil
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Bucket gives a bucket, or ErrNoSuchBucket.
func (s *Store) Bucket(ctx context.Context, name string) (b *Bucket, err error) {
	err = s.view(ctx, func(snap kv.Snapshot) error {
		b, err = s.bucket(snap, name)
		return err
	})
	return b, err
}

// Buckets lists the buckets of this region by name: up to max of them (1 to
// 10,000) that begin with prefix and come after the given name.
func (s *Store) Buckets(ctx context.Context, prefix, after string, max int) (list []*Bucket, truncated bool, err error) {
	span := kv.Prefix(bucketKey(prefix))
	if after >= prefix && after != "" {
		span.Low = append(bucketKey(after), 0)
	}
	err = s.view(ctx, func(snap kv.Snapshot) error {
		for p, err := range snap.Scan(span) {
			if err != nil {
				return err
			}
			if len(list) == max {
				truncated = true
				return nil
			}
			b, err := parseBucket(bytes.Clone(p.Key), bytes.Clone(p.Value))
			if err != nil {
				return err
			}
			list = append(list, b)
		}
		return nil
	})
	return list, truncated, err
}

// DeleteBucket removes an empty bucket, or answers ErrBucketNotEmpty. Uploads
// that are open in it are given up.
//
// It marks the bucket, so that no write can commit any more, looks whether it
// is empty, and removes it or takes the mark back. A crash in between is
// settled by Open.
func (s *Store) DeleteBucket(ctx context.Context, name string) error {
	var marked *Bucket
	err := s.update(ctx, func(tx *kv.Tx) error {
		b, err := s.rereadBucket(tx, name)
		if err != nil {
			return err
		}
		if b.deleting {
			return errDeleting // by another request, which will say how it ended
		}
		m := *b
		m.derived = nil
		m.deleting = true
		m.Revision++
		m.raw = m.row()
		tx.Put(bucketKey(name), m.raw)
		tx.Frees()
		marked = &m
		return nil
	})
	if err != nil {
		return err
	}
	return s.settleDeletion(context.WithoutCancel(ctx), marked)
}

// settleDeletion ends what DeleteBucket began: it removes a marked bucket that
// is empty, and takes the mark off one that is not.
func (s *Store) settleDeletion(ctx context.Context, marked *Bucket) error {
	empty := true
	err := s.view(ctx, func(snap kv.Snapshot) error {
		for _, err := range snap.Scan(kv.Prefix(tableKey(tableVersion, marked.UID, 0))) {
			if err != nil {
				return err
			}
			empty = false
			break
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = kv.Update(ctx, s.opt.KV, func(tx *kv.Tx) error {
		raw, err := tx.Get(bucketKey(marked.Name))
		if errors.Is(err, kv.ErrNotFound) || err == nil && !bytes.Equal(raw, marked.raw) {
			return nil // settled already
		}
		if err != nil {
			return err
		}
		tx.Frees()
		if empty {
			tx.Delete(bucketKey(marked.Name))
			s.free(tx, freed{uid: marked.UID, purge: true})
			return nil
		}
		b := *marked
		b.deleting = false
		b.Revision++
		tx.Put(bucketKey(marked.Name), b.row())
		return nil
	})
	s.buckets.drop(marked.Name)
	if err == nil && !empty {
		err = ErrBucketNotEmpty.With("BucketName", marked.Name)
		if marked.versioned() {
			err = ErrBucketNotEmpty.Text("The bucket you tried to delete is not empty. You must delete all versions in the bucket.").With("BucketName", marked.Name)
		}
	}
	return err
}

// settleDeletions ends the deletions that a crash interrupted.
func (s *Store) settleDeletions(ctx context.Context) error {
	var marked []*Bucket
	err := s.view(ctx, func(snap kv.Snapshot) error {
		for p, err := range snap.Scan(kv.Prefix([]byte{tableBucket})) {
			if err != nil {
				return err
			}
			b, err := parseBucket(bytes.Clone(p.Key), bytes.Clone(p.Value))
			if err != nil {
				return err
			}
			if b.deleting {
				marked = append(marked, b)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, b := range marked {
		if err := s.settleDeletion(ctx, b); err != nil && !errors.Is(err, ErrBucketNotEmpty) {
			return err
		}
	}
	return nil
}

func (b *Bucket) has(doc string) bool {
	_, ok := slices.BinarySearch(b.Documents, doc)
	return ok
}

// documentName is how Bucket.Documents names a document.
func documentName(doc, id string) string {
	if id == "" {
		return doc
	}
	return doc + "/" + id
}

// withDocument gives the list of documents with one added or taken out.
func withDocument(list []string, name string, set bool) []string {
	i, ok := slices.BinarySearch(list, name)
	switch {
	case set && !ok:
		return slices.Insert(slices.Clone(list), i, name)
	case !set && ok:
		return slices.Delete(slices.Clone(list), i, i+1)
	}
	return list
}

// ids gives the ids of the documents of one kind.
func (b *Bucket) ids(doc string) (ids []string) {
	for _, d := range b.Documents {
		if id, ok := strings.CutPrefix(d, doc+"/"); ok {
			ids = append(ids, id)
		}
	}
	return ids
}
