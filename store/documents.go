package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/rule"
)

// A document's row holds the document, or, when it is longer than a value may
// be, the hash and number of its pieces, which are written first.
const (
	documentWhole  = 1
	documentPieces = 2
	documentPiece  = 60 << 10 // bytes
)

// document reads a bucket document, or nil when it is not set.
func (s *Store) document(g getter, b *Bucket, doc, id string) ([]byte, error) {
	key := documentKey(b.UID, doc, id)
	raw, err := g.Get(key)
	if errors.Is(err, kv.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	body, err := openRow(key, raw)
	if err != nil {
		return nil, err
	}
	sum, pieces, whole := documentParts(body)
	if whole != nil {
		return whole, nil
	}
	var doc2 []byte
	for n := range pieces {
		piece, err := g.Get(chunkKey(b.UID, sum, n))
		if err != nil {
			return nil, corrupt(key, fmt.Errorf("piece %d: %w", n, err))
		}
		doc2 = append(doc2, piece...)
	}
	if pieces == 0 || sha256.Sum256(doc2) != sum {
		return nil, corrupt(key, errors.New("pieces do not make the document"))
	}
	return doc2, nil
}

// documentParts reads a document's row: the document, or the hash and number of
// its pieces; no pieces and no document when it is malformed.
func documentParts(body []byte) (sum [32]byte, pieces int, whole []byte) {
	switch {
	case len(body) >= 1 && body[0] == documentWhole:
		return sum, 0, body[1:]
	case len(body) == 1+32+1 && body[0] == documentPieces:
		copy(sum[:], body[1:])
		return sum, int(body[33]), nil
	}
	return sum, 0, nil
}

// Document gives a bucket document as it was stored, or nil when unset. doc is
// the sub-resource's name; id tells documents apart of which a bucket can have
// several (inventory, metrics, …), else it is empty.
func (s *Store) Document(ctx context.Context, b *Bucket, doc, id string) (raw []byte, err error) {
	err = s.view(ctx, func(snap kv.Snapshot) error {
		raw, err = s.document(snap, b, doc, id)
		return err
	})
	return raw, err
}

// DocumentIDs lists the ids of the documents of one kind, in order.
func (s *Store) DocumentIDs(ctx context.Context, b *Bucket, doc string) ([]string, error) {
	now, err := s.Bucket(ctx, b.Name)
	if err != nil {
		return nil, err
	}
	return now.ids(doc), nil
}

// ChangeDocument replaces a document by what change returns for it, nil
// meaning none; change sees the bucket and the present document and may be
// called several times. The documents versioning, object-lock and
// ownershipControls change the bucket itself.
func (s *Store) ChangeDocument(ctx context.Context, bucket, doc, id string, change func(b *Bucket, now []byte) ([]byte, error)) (err error) {
	var next []byte
	write := func(tx *kv.Tx) error {
		b, err := s.rereadBucket(tx, bucket)
		if err != nil {
			return err
		}
		if b.deleting {
			return errDeleting
		}
		now, err := s.document(peeker{tx}, b, doc, id)
		if err != nil {
			return err
		}
		if next, err = change(b, now); err != nil {
			return err
		}
		return s.putDocument(tx, b, doc, id, now, next)
	}
	defer func() {
		if err == nil && mends(doc) {
			s.Mend()
		}
	}()
	err = s.update(ctx, write)
	if errors.Is(err, errPiecesFirst) {
		// The pieces are named by their content, so writing them ahead, and
		// again when the row changed meanwhile, harms nobody.
		b, err := s.Bucket(ctx, bucket)
		if err != nil {
			return err
		}
		if err := s.putPieces(ctx, b, next); err != nil {
			return err
		}
		return s.update(ctx, func(tx *kv.Tx) error {
			err := write(tx)
			if errors.Is(err, errPiecesFirst) {
				return ErrOperationAborted // somebody else's large document came between
			}
			return err
		})
	}
	return err
}

// mends tells whether a change of a document can mend what replication was
// refused, here as a source or as a destination.
func mends(doc string) bool {
	switch doc {
	case "replication", "policy", "versioning", "object-lock", "ownershipControls", "encryption", "publicAccessBlock", "acl":
		return true
	}
	return false
}

var errPiecesFirst = errors.New("store: the document's pieces are to be written first")

func (s *Store) putPieces(ctx context.Context, b *Bucket, doc []byte) error {
	sum := sha256.Sum256(doc)
	n := 0
	for piece := range slices.Chunk(doc, documentPiece) {
		m := &kv.Mutation{Puts: []kv.Pair{{Key: chunkKey(b.UID, sum, n), Value: piece}}}
		if err := s.opt.KV.Commit(ctx, m); err != nil {
			return err
		}
		n++
	}
	return nil
}

// putDocument writes a document's row, and the bucket's with it.
func (s *Store) putDocument(tx *kv.Tx, b *Bucket, doc, id string, now, next []byte) error {
	key := documentKey(b.UID, doc, id)
	changed := *b
	changed.Revision++
	changed.replication, changed.lock, changed.derived = nil, nil, nil
	changed.Documents = withDocument(b.Documents, documentName(doc, id), next != nil)
	switch {
	case next == nil:
		tx.Delete(key)
	case len(next) <= documentPiece:
		tx.Put(key, append([]byte{rowFormat, documentWhole}, next...))
	default:
		sum := sha256.Sum256(next)
		pieces := (len(next) + documentPiece - 1) / documentPiece
		for n := range pieces {
			if _, err := tx.Peek(chunkKey(b.UID, sum, n)); errors.Is(err, kv.ErrNotFound) {
				return errPiecesFirst
			} else if err != nil {
				return err
			}
		}
		row := append([]byte{rowFormat, documentPieces}, sum[:]...)
		tx.Put(key, append(row, byte(pieces)))
	}
	if len(now) > documentPiece && !bytes.Equal(now, next) {
		sum := sha256.Sum256(now)
		for n := range (len(now) + documentPiece - 1) / documentPiece {
			tx.Delete(chunkKey(b.UID, sum, n))
		}
	}
	if err := changed.follow(doc, next); err != nil {
		return err
	}
	changed.raw = changed.row()
	tx.Put(bucketKey(b.Name), changed.raw)
	return nil
}

// follow applies to the bucket what some documents say of it.
func (b *Bucket) follow(doc string, next []byte) error {
	switch doc {
	case "versioning":
		status, err := rule.ParseVersioning(next)
		if err != nil {
			return err
		}
		if status != "" {
			b.Versioning = status
		}
	case "object-lock":
		if next != nil {
			b.ObjectLock = true
		}
	case "ownershipControls":
		rule, err := rule.ParseOwnership(next)
		if err != nil {
			return err
		}
		b.Ownership = rule
	}
	return nil
}
