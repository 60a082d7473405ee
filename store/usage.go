package store

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/stamp"
)

// Usage is kept as deltas that each commit appends and FoldStep adds up: one
// counter per bucket would make every writer of the bucket wait for every other.

// foldMax bounds how many deltas one FoldStep folds.
const foldMax = 2000

// putDelta appends a change of usage.
func (s *Store) putDelta(tx *kv.Tx, uid s3.UID, bytes, versions int64) {
	v := binary.AppendVarint([]byte{rowFormat}, bytes)
	v = binary.AppendVarint(v, versions)
	tx.Put(deltaKey(uid, s.opt.Clock.Next(stamp.Stamp{})), v)
}

func parseUsage(key, raw []byte) (bytes, versions int64, err error) {
	b, err := openRow(key, raw)
	if err != nil {
		return 0, 0, err
	}
	bytes, n := binary.Varint(b)
	if n <= 0 {
		return 0, 0, corrupt(key, errFormat)
	}
	versions, m := binary.Varint(b[n:])
	if m <= 0 {
		return 0, 0, corrupt(key, errFormat)
	}
	return bytes, versions, nil
}

// FoldStep adds up to 2,000 usage deltas of one bucket to its totals and tells
// whether more are waiting. Only one FoldStep runs at a time.
func (s *Store) FoldStep(ctx context.Context) (more bool, err error) {
	err = kv.Update(ctx, s.opt.KV, func(tx *kv.Tx) error {
		more = false
		var (
			uid             []byte
			bytes, versions int64
			fold            [][]byte
		)
		for p, err := range tx.Scan(kv.Prefix([]byte{tableDelta})) {
			if err != nil {
				return err
			}
			if uid == nil {
				uid = append(uid, p.Key[1:1+uidSize]...)
			}
			if string(p.Key[1:1+uidSize]) != string(uid) || len(fold) == foldMax {
				more = true
				break
			}
			db, dv, err := parseUsage(p.Key, p.Value)
			if err != nil {
				return err
			}
			bytes, versions = bytes+db, versions+dv
			fold = append(fold, append([]byte(nil), p.Key...))
		}
		if len(fold) == 0 {
			return nil
		}
		key := append([]byte{tableUsage}, uid...)
		raw, err := tx.Get(key)
		switch {
		case err == nil:
			tb, tv, err := parseUsage(key, raw)
			if err != nil {
				return err
			}
			bytes, versions = bytes+tb, versions+tv
		case !errors.Is(err, kv.ErrNotFound):
			return err
		}
		for _, k := range fold {
			tx.Delete(k)
		}
		v := binary.AppendVarint([]byte{rowFormat}, bytes)
		tx.Put(key, binary.AppendVarint(v, versions))
		tx.Frees()
		return nil
	})
	return more, err
}

// Usage gives a bucket's bytes of plaintext and number of versions, delete
// markers included: the totals of the last fold and what waits to be folded.
func (s *Store) Usage(ctx context.Context, uid s3.UID) (bytes, versions int64, err error) {
	err = s.view(ctx, func(snap kv.Snapshot) error {
		raw, err := snap.Get(usageKey(uid))
		if err == nil {
			bytes, versions, err = parseUsage(usageKey(uid), raw)
		}
		if err != nil && !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		for p, err := range snap.Scan(kv.Prefix(tableKey(tableDelta, uid, 0))) {
			if err != nil {
				return err
			}
			db, dv, err := parseUsage(p.Key, p.Value)
			if err != nil {
				return err
			}
			bytes, versions = bytes+db, versions+dv
		}
		return nil
	})
	return bytes, versions, err
}
