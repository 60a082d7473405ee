package kms

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/policy"
)

// State is a key's state, as AWS names it.
type State string

// States of keys.
const (
	Enabled         State = "Enabled"
	Disabled        State = "Disabled"
	PendingDeletion State = "PendingDeletion"
)

// Managers of keys.
const (
	managerCustomer = "CUSTOMER"
	managerAWS      = "AWS"
)

// record is a key's row. Every change of anything that belongs to the key
// writes it, so that changes of one key come one after the other.
type record struct {
	Revision    uint64    // counts the changes
	Account     string    // 12 digits
	Description string    `json:",omitempty"`
	State       State     // see State
	Manager     string    // CUSTOMER or AWS
	Created     time.Time //
	// Deletion is when the key is destroyed, while it is pending; Window is what
	// was asked for, in days.
	Deletion time.Time `json:",omitzero"`
	Window   int       `json:",omitempty"`
	// Period is that of automatic rotation, in days, 0 for none, and Next when
	// it is due. A key that was not enabled when it was due is rotated when it is
	// enabled again.
	Period int       `json:",omitempty"`
	Next   time.Time `json:",omitzero"`
	// Materials counts those that were made, OnDemand those by request.
	Materials int
	OnDemand  int `json:",omitempty"`
	// How many aliases, grants and tags it has, for their limits.
	Aliases, Grants, Tags int `json:",omitempty"`
	// Gone says that the key was destroyed: its material is no longer there, and
	// Step is deleting what else it had. To callers it doesn't exist.
	Gone bool `json:",omitempty"`
}

// material is a row of key material. The newest one encrypts; all decrypt.
type material struct {
	ID      string    // 64 hex digits, random
	Wrapped []byte    // under the root key, bound to account, region, key and number
	Created time.Time // when it was made, and so when the key was rotated to it
	How     string    // AUTOMATIC or ON_DEMAND; empty for the first
}

// Ways in which material came to be.
const (
	automatic = "AUTOMATIC"
	onDemand  = "ON_DEMAND"
)

// keyMaterial is material in memory. It is unwrapped when it is first wanted.
type keyMaterial struct {
	material
	number int
	name   materialName

	plain atomic.Pointer[[materialSize]byte]
}

// entry is a key as it is at one moment: its rows, read together. It is
// immutable, but for unwrapping, and shared by all who use the key.
type entry struct {
	record
	id, arn    string
	policyText string             // as it is kept: see withIDs
	policies   []*policy.Document // the key policy, parsed
	materials  []*keyMaterial     // by number
	aliases    []string           // names, in order
	tags       []Tag              // in order of their keys
}

// Tag is a tag of a key.
type Tag struct{ Key, Value string }

// current is the material that encrypts.
func (k *entry) current() *keyMaterial { return k.materials[len(k.materials)-1] }

// byName finds the material that a blob names, or nil.
func (k *entry) byName(name materialName) *keyMaterial {
	for i := len(k.materials) - 1; i >= 0; i-- { // the newest is the most used
		if k.materials[i].name == name {
			return k.materials[i]
		}
	}
	return nil
}

// usable tells whether the key may be used for cryptography, as AWS says it
// when it may not.
func (k *entry) usable() error { return usable(&k.record, k.arn) }

func usable(r *record, arn string) error {
	switch r.State {
	case Enabled:
		return nil
	case Disabled:
		return ErrDisabled.Text("%s is disabled.", arn)
	}
	return pending(r, arn)
}

// pending is the error of a key that waits for its deletion, or nil.
func pending(r *record, arn string) error {
	if r.State != PendingDeletion {
		return nil
	}
	return ErrInvalidState.Text("%s is pending deletion.", arn)
}

// keyARN is the ARN of a key of this region.
func (e *Engine) keyARN(account, id string) string {
	return "arn:aws:kms:" + e.opt.Region + ":" + account + ":key/" + id
}

// aliasARN is the ARN of an alias (alias/NAME) of this region.
func (e *Engine) aliasARN(account, name string) string {
	return "arn:aws:kms:" + e.opt.Region + ":" + account + ":" + name
}

// binding is what wrapped material is bound to: a row that is moved to another
// key, region or account, or put in another's place, does not unwrap.
func (e *Engine) binding(account, id string, number int) map[string]string {
	return map[string]string{
		"farhold:kms:account":  account,
		"farhold:kms:region":   e.opt.Region,
		"farhold:kms:key":      id,
		"farhold:kms:material": fmt.Sprint(number),
	}
}

// newMaterial makes material with a number. It reads no rows.
func (e *Engine) newMaterial(ctx context.Context, account, id string, number int, how string) (*material, error) {
	plain, wrapped, err := e.opt.Root.NewDataKey(ctx, "", e.binding(account, id, number))
	if err != nil {
		return nil, fmt.Errorf("kms: the root key: %w", err)
	}
	clear(plain)
	var name [32]byte
	random(name[:])
	return &material{ID: hex.EncodeToString(name[:]), Wrapped: wrapped, Created: e.now(), How: how}, nil
}

// plaintext gives material, which is unwrapped when it is first wanted. Two who
// want it at once may both unwrap it.
func (e *Engine) plaintext(ctx context.Context, k *entry, m *keyMaterial) ([]byte, error) {
	if p := m.plain.Load(); p != nil {
		return p[:], nil
	}
	plain, err := e.opt.Root.Unwrap(ctx, m.Wrapped, e.binding(k.Account, k.id, m.number))
	if err != nil {
		return nil, fmt.Errorf("kms: material %d of %s: %w", m.number, k.arn, err)
	}
	if len(plain) != materialSize {
		return nil, fmt.Errorf("kms: material %d of %s has %d bytes", m.number, k.arn, len(plain))
	}
	m.plain.Store((*[materialSize]byte)(plain))
	return plain, nil
}

// errNoKey is returned inside the package for a key that is not there. Who is
// told what of it depends on whose key it would be.
var errNoKey = errors.New("kms: no such key")

// key gives a key by its ID, from memory when it is there, or errNoKey.
func (e *Engine) key(ctx context.Context, id string) (*entry, error) {
	if k := e.cache.key(id); k != nil {
		return k, nil
	}
	at := e.cache.generation()
	var k *entry
	err := e.read(ctx, func(s kv.Snapshot) (err error) { k, err = e.load(s, id); return err })
	if err != nil {
		return nil, err
	}
	e.cache.keep(at, k)
	return k, nil
}

// load reads a key's rows.
func (e *Engine) load(s kv.Snapshot, id string) (*entry, error) {
	raw, err := s.Get(path(rowKey, id))
	if ok, err := absent(err); !ok {
		if err == nil {
			err = errNoKey
		}
		return nil, err
	}
	k := &entry{id: id}
	if err := decodeRow(raw, &k.record); err != nil {
		return nil, fmt.Errorf("key %s: %w", id, err)
	}
	if k.Gone {
		return nil, errNoKey
	}
	k.arn = e.keyARN(k.Account, id)
	text, err := s.Get(path(rowPolicy, id))
	if err != nil {
		return nil, fmt.Errorf("kms: the policy of %s: %w", k.arn, err)
	}
	k.policyText = string(text)
	doc, err := policy.Parse(text, policy.Resource)
	if err != nil {
		return nil, fmt.Errorf("kms: the policy of %s: %w", k.arn, err)
	}
	k.policies = []*policy.Document{doc}
	prefix := path(rowMaterial, id, "/")
	for p, err := range s.Scan(kv.Prefix(prefix)) {
		if err != nil {
			return nil, err
		}
		m := &keyMaterial{number: len(k.materials) + 1}
		if err := decodeRow(p.Value, &m.material); err != nil {
			return nil, fmt.Errorf("material of %s: %w", k.arn, err)
		}
		name, err := hex.DecodeString(m.ID)
		if err != nil || len(name) != 32 || string(p.Key) != string(materialKey(id, m.number)) {
			return nil, fmt.Errorf("material of %s: %w", k.arn, errRow)
		}
		m.name = materialName(name[:16])
		k.materials = append(k.materials, m)
	}
	if len(k.materials) == 0 || len(k.materials) != k.Materials {
		return nil, fmt.Errorf("kms: %s has %d materials, not %d", k.arn, len(k.materials), k.Materials)
	}
	for p, err := range scan(s, path(rowNamed, id, "/"), k.Aliases) {
		if err != nil {
			return nil, err
		}
		k.aliases = append(k.aliases, string(p.Key[len(rowNamed)+len(id)+1:]))
	}
	for p, err := range scan(s, path(rowTag, id, "/"), k.Tags) {
		if err != nil {
			return nil, err
		}
		k.tags = append(k.tags, Tag{string(p.Key[len(rowTag)+len(id)+1:]), string(p.Value)})
	}
	return k, nil
}

// change changes a key in one transaction: fn gets its record and writes what
// else belongs to it; the record is written back with its next revision. A key
// that is not there is errNoKey.
func (e *Engine) change(ctx context.Context, id string, fn func(tx *kv.Tx, r *record) error) error {
	return e.update(ctx, func(tx *kv.Tx) error { return changeKey(tx, id, fn) }, id)
}

func changeKey(tx *kv.Tx, id string, fn func(tx *kv.Tx, r *record) error) error {
	r, err := readRecord(tx, id)
	if err != nil {
		return err
	}
	if r.Gone {
		return errNoKey
	}
	if err := fn(tx, r); err != nil {
		return err
	}
	writeRecord(tx, id, r)
	return nil
}

func readRecord(tx *kv.Tx, id string) (*record, error) {
	raw, err := tx.Get(path(rowKey, id))
	if ok, err := absent(err); !ok {
		if err == nil {
			err = errNoKey
		}
		return nil, err
	}
	r := new(record)
	if err := decodeRow(raw, r); err != nil {
		return nil, fmt.Errorf("key %s: %w", id, err)
	}
	return r, nil
}

func writeRecord(tx *kv.Tx, id string, r *record) {
	r.Revision++
	tx.Put(path(rowKey, id), encodeRow(r))
}
