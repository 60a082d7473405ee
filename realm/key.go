package realm

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// keyBytes is the length of a realm key.
const keyBytes = 32

// keysMax is how many keys a keyring may have.
const keysMax = 16

// Keys keeps the realm's keys. A Keyring is one, an external keeper can be
// another. Keys never leave it: it gives what is derived from them.
type Keys interface {
	// Derive gives a key for a purpose from each of the realm's keys: first the
	// one that seals, then those that only open.
	Derive(purpose string) []DerivedKey
}

// DerivedKey is a key for one purpose. Its ID says from which of the realm's
// keys it comes, and tells nothing about it.
type DerivedKey struct {
	ID  [4]byte
	Key [32]byte
}

// Keyring is the realm's keys as they stand in a file: the first seals, all
// open.
type Keyring struct{ keys [][keyBytes]byte }

// NewKey makes a realm key of 32 random bytes, as text for a file.
func NewKey() string {
	var k [keyBytes]byte
	rand.Read(k[:])
	return base64.StdEncoding.EncodeToString(k[:])
}

// ParseKeys reads a keyring: keys as NewKey gives them, divided by white space.
// Lines that begin with # are comments. The error does not show keys.
func ParseKeys(text string) (*Keyring, error) {
	r := &Keyring{}
	n := 0
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for _, word := range strings.Fields(line) {
			n++
			b, err := base64.StdEncoding.Strict().DecodeString(word)
			if err != nil || len(b) != keyBytes {
				return nil, fmt.Errorf("realm: realm key %d is not the base64 of %d bytes", n, keyBytes)
			}
			for _, k := range r.keys {
				if bytes.Equal(k[:], b) {
					return nil, fmt.Errorf("realm: realm key %d is there twice", n)
				}
			}
			r.keys = append(r.keys, [keyBytes]byte(b))
		}
	}
	switch {
	case n == 0:
		return nil, errors.New("realm: no realm key")
	case n > keysMax:
		return nil, fmt.Errorf("realm: %d realm keys are too many: at most %d", n, keysMax)
	}
	return r, nil
}

// IDs gives the keys' IDs as 8 hex digits each, the sealing one first.
func (r *Keyring) IDs() []string {
	ids := make([]string, len(r.keys))
	for i := range r.keys {
		id := keyID(&r.keys[i])
		ids[i] = fmt.Sprintf("%x", id)
	}
	return ids
}

func keyID(key *[keyBytes]byte) (id [4]byte) {
	copy(id[:], derive(key, "id", len(id)))
	return id
}

func derive(key *[keyBytes]byte, purpose string, n int) []byte {
	b, err := hkdf.Key(sha256.New, key[:], nil, "farhold realm key 1: "+purpose, n)
	if err != nil {
		panic(err) // the lengths are right
	}
	return b
}

// Derive implements Keys.
func (r *Keyring) Derive(purpose string) []DerivedKey {
	list := make([]DerivedKey, len(r.keys))
	for i := range r.keys {
		k := &r.keys[i]
		list[i] = DerivedKey{ID: keyID(k), Key: [32]byte(derive(k, "for "+purpose, 32))}
	}
	return list
}

// Box seals and opens what regions of a realm keep or hand out for one purpose.
// Every region of the realm can open it. It is safe for concurrent use.
type Box struct {
	ids  [][4]byte
	keys []*xaes
}

// NewBox makes the box for a purpose, such as "rows".
func NewBox(k Keys, purpose string) *Box {
	b := &Box{}
	for _, d := range k.Derive(purpose) {
		b.ids, b.keys = append(b.ids, d.ID), append(b.keys, newXAES(&d.Key))
	}
	return b
}

// boxFormat begins what a Box seals:
//
//	format (1)  key ID (4)  nonce (24)  sealed bytes and their tag (n + 16)
const boxFormat = 1

// BoxOverhead is how many bytes sealing adds.
const BoxOverhead = 1 + 4 + xaesNonce + 16

// ErrSealed is returned for bytes that do not open: tampered with, sealed for
// another purpose or about something else, or under a key that is not here.
var ErrSealed = errors.New("realm: sealed bytes that do not open")

// Seal seals plain. about says what it is about, such as the key of the row in
// which it will lie; it must be given again to open it.
func (b *Box) Seal(plain []byte, about string) []byte {
	out := make([]byte, 1+4+xaesNonce, BoxOverhead+len(plain))
	out[0] = boxFormat
	copy(out[1:], b.ids[0][:])
	nonce := out[5:]
	rand.Read(nonce)
	return b.keys[0].seal(out, nonce, plain, []byte(about))
}

// Open gives what was sealed, or ErrSealed.
func (b *Box) Open(sealed []byte, about string) ([]byte, error) {
	if len(sealed) < BoxOverhead || sealed[0] != boxFormat {
		return nil, ErrSealed
	}
	for i := range b.ids {
		if bytes.Equal(sealed[1:5], b.ids[i][:]) {
			if plain, err := b.keys[i].open(sealed[5:5+xaesNonce], sealed[5+xaesNonce:], []byte(about)); err == nil {
				return plain, nil
			}
		}
	}
	return nil, ErrSealed
}

// Seal seals a secret that lies in a row: plain, about such as the row's key.
// Every region of the realm opens it.
func (r *Realm) Seal(plain []byte, about string) []byte { return r.box.Seal(plain, about) }

// Open gives what Seal sealed, or ErrSealed.
func (r *Realm) Open(sealed []byte, about string) ([]byte, error) { return r.box.Open(sealed, about) }

// Box makes the box for another purpose than rows, such as session tokens.
func (r *Realm) Box(purpose string) *Box { return NewBox(r.opt.Keys, purpose) }
