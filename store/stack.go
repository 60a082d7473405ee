package store

import (
	"bytes"
	"errors"

	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/stamp"
)

// stack is a key's versions as one transaction sees them: the head, which
// every writer of the key reads and writes, and what the writer changes.
//
// The head is the row of the current version, the one with the greatest stamp.
// It lies in tableLive when that is an object and in tableDead when it is a
// delete marker, so that listings never walk over deleted keys.
type stack struct {
	s   *Store
	tx  *kv.Tx
	b   *Bucket
	key string

	head *record // nil when the key has no versions

	bytes, versions int64       // change of usage
	after           stamp.Stamp // the newest stamp that is or was at the head
}

// openStack reads a key's head, guarded.
func (s *Store) openStack(tx *kv.Tx, b *Bucket, key string) (*stack, error) {
	st := &stack{s: s, tx: tx, b: b, key: key}
	for _, table := range []byte{tableLive, tableDead} {
		k := headKey(table, b.UID, key)
		raw, err := tx.Get(k)
		if errors.Is(err, kv.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if st.head, err = parseRecord(k, raw); err != nil {
			return nil, err
		}
		st.after = st.head.ID
		break
	}
	return st, nil
}

// heedPurged lets what is written next come after what was purged here, where
// it may be replicated: a destination may still have that. A running clock sees
// to it by itself; one that was set back over a restart knows of the head only.
func (st *stack) heedPurged() error {
	if st.b.replication == nil || st.b.Versioning != versioningEnabled {
		return nil
	}
	prefix := stackPrefix(tableTombstone, st.b.UID, st.key)
	for p, err := range st.tx.Scan(kv.Prefix(prefix)) {
		if err != nil {
			return err
		}
		newest, err := stamp.FromDescending(p.Key[len(prefix):])
		if err != nil {
			return corrupt(bytes.Clone(p.Key), err)
		}
		st.after = maxStamp(st.after, newest)
		break
	}
	return nil
}

// current is the current object, or nil when there is none or it is deleted.
func (st *stack) current() *record {
	if st.head == nil || st.head.Marker {
		return nil
	}
	return st.head
}

// version reads a version of the stack, guarded, or nil when it is not there.
func (st *stack) version(id stamp.Stamp) (*record, error) {
	k := versionKey(st.b.UID, st.key, id)
	raw, err := st.tx.Get(k)
	if errors.Is(err, kv.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseRecord(k, raw)
}

// find resolves a version ID of a request: "" is the current version.
// It is nil when there is none of that ID.
func (st *stack) find(versionID string) (*record, error) {
	switch versionID {
	case "":
		return st.head, nil
	case s3.NullVersion:
		if st.head == nil || st.head.nullAt.IsZero() {
			return nil, nil
		}
		return st.version(st.head.nullAt)
	}
	id, err := stamp.Parse(versionID)
	if err != nil {
		return nil, ErrInvalidVersion.With("ArgumentName", "versionId").With("ArgumentValue", versionID)
	}
	r, err := st.version(id)
	if err != nil || r == nil || r.Null {
		return nil, err // the null version goes by its name alone
	}
	return r, nil
}

// insert puts a version into the stack. It becomes current only if its stamp
// is the greatest. A null version replaces the one before it.
func (st *stack) insert(r *record) error {
	if r.Null && st.head != nil && !st.head.nullAt.IsZero() {
		if err := st.remove(st.head.nullAt); err != nil {
			return err
		}
	}
	st.tx.Put(versionKey(st.b.UID, st.key, r.ID), r.row(false))
	st.tx.Put(dueKey(st.b.UID, r.ID, st.key), dueValue(r))
	st.bytes += r.Size
	st.versions++

	head := st.head
	if head == nil || stamp.Compare(r.ID, head.ID) > 0 {
		h := *r
		if head != nil {
			h.nullAt, h.gen = head.nullAt, head.gen
		}
		head = &h
	}
	if r.Null {
		head.nullAt = r.ID
	}
	st.setHead(head)
	return nil
}

// remove takes a version out of the stack for good, its body with it. When it
// was current, the newest of the others becomes current.
func (st *stack) remove(id stamp.Stamp) error {
	r, err := st.version(id)
	if err != nil {
		return err
	}
	if r == nil {
		return nil
	}
	st.tx.Delete(versionKey(st.b.UID, st.key, id))
	st.tx.Delete(dueKey(st.b.UID, id, st.key))
	st.s.freeBody(st.tx, st.b.UID, r)
	st.bytes -= r.Size
	st.versions--

	head := *st.head
	if r.Null {
		head.nullAt = stamp.Stamp{}
	}
	if head.ID == id {
		next, err := st.newestBut(id)
		if err != nil {
			return err
		}
		if next == nil {
			st.setHead(nil)
			return nil
		}
		next.nullAt, next.gen = head.nullAt, head.gen
		head = *next
	}
	st.setHead(&head)
	return nil
}

// newestBut finds the newest version other than id. The scan is not guarded,
// but every writer of the key writes its head, which is.
func (st *stack) newestBut(id stamp.Stamp) (*record, error) {
	var next stamp.Stamp
	prefix := stackPrefix(tableVersion, st.b.UID, st.key)
	for p, err := range st.tx.Scan(kv.Prefix(prefix)) {
		if err != nil {
			return nil, err
		}
		got, err := stamp.FromDescending(p.Key[len(prefix):])
		if err != nil {
			return nil, corrupt(bytes.Clone(p.Key), err)
		}
		if got != id {
			next = got
			break
		}
	}
	if next.IsZero() {
		return nil, nil
	}
	return st.version(next) // guarded: its side data must not change meanwhile
}

// setHead writes the head, and removes the one it replaces.
func (st *stack) setHead(h *record) {
	old := st.head
	st.head = h
	if old != nil && (h == nil || old.Marker != h.Marker) {
		st.tx.Delete(headKey(headTable(old), st.b.UID, st.key))
	}
	if h == nil {
		return
	}
	if stamp.Compare(h.ID, st.after) > 0 {
		st.after = h.ID
	}
	h.gen++
	st.tx.Put(headKey(headTable(h), st.b.UID, st.key), h.row(true))
}

// rewrite replaces a version's row after its side data or status changed, and
// the head when it is current.
func (st *stack) rewrite(r *record) {
	st.tx.Put(versionKey(st.b.UID, st.key, r.ID), r.row(false))
	if st.head != nil && st.head.ID == r.ID {
		h := *r
		h.nullAt, h.gen = st.head.nullAt, st.head.gen
		st.setHead(&h)
	}
}

// done writes what belongs to any change of a stack: the usage delta.
func (st *stack) done() {
	if st.bytes != 0 || st.versions != 0 {
		st.s.putDelta(st.tx, st.b.UID, st.bytes, st.versions)
	}
}

func headTable(r *record) byte {
	if r.Marker {
		return tableDead
	}
	return tableLive
}

// dueValue says of a version what lifecycle needs to know without reading it.
func dueValue(r *record) []byte {
	v := []byte{rowFormat, 0}
	if r.Marker {
		v[1] |= 1
	}
	if r.Null {
		v[1] |= 2
	}
	return v
}
