package kms

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/kv"
)

// Limits of grants.
const (
	grantsPerKey    = 50_000 // AWS's
	constraintPairs = 8      // pairs of an encryption context in a constraint
	constraintText  = 384    // bytes of a pair
)

// grant is a row: it lets a principal do some operations with a key.
type grant struct {
	ID       string // 64 hex digits, random
	Key      string // the key's ID
	Name     string `json:",omitempty"`
	Grantee  string // ARN
	Retiring string `json:",omitempty"` // ARN
	// Unique IDs of those two, where they are users or roles.
	GranteeID, RetiringID string `json:",omitempty"`
	Account               string // that issued it
	Operations            []string
	// Constraints on the encryption context: it has these pairs among others,
	// or these and no others. At most one of them is there.
	Subset  map[string]string `json:",omitempty"`
	Equals  map[string]string `json:",omitempty"`
	Created time.Time
}

// contextual are the operations whose encryption context constraints look at.
func contextual(operation string) bool {
	switch operation {
	case "Encrypt", "Decrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo":
		return true
	}
	return false
}

// covers tells whether the grant lets its grantee do an operation with this
// encryption context.
func (g *grant) covers(operation string, about map[string]string) bool {
	if !slices.Contains(g.Operations, operation) {
		return false
	}
	if !contextual(operation) {
		return true
	}
	if g.Equals != nil && !maps.Equal(g.Equals, about) {
		return false
	}
	return g.Subset == nil || includes(about, g.Subset)
}

// includes tells whether all pairs of part are in whole.
func includes(whole, part map[string]string) bool {
	for k, v := range part {
		if w, ok := whole[k]; !ok || w != v {
			return false
		}
	}
	return true
}

// narrower tells whether a grant with these operations and constraints gives
// nothing that g does not give. What a grant lets its grantee grant on must be.
func (g *grant) narrower(operations []string, subset, equals map[string]string) bool {
	for _, o := range operations {
		if !slices.Contains(g.Operations, o) {
			return false
		}
	}
	switch {
	case g.Equals != nil:
		return equals != nil && maps.Equal(g.Equals, equals)
	case g.Subset != nil:
		return equals != nil && includes(equals, g.Subset) || subset != nil && includes(subset, g.Subset)
	}
	return true
}

// callerNames are the names under which a grant may mean a caller.
func callerNames(c *access.Caller) []string {
	switch c.Kind {
	case access.Root, access.User:
		return []string{c.ARN}
	case access.Role:
		return []string{c.RoleARN, c.ARN}
	}
	return nil
}

// grantFor finds a grant that lets a caller do an operation, or nil.
func (e *Engine) grantFor(ctx context.Context, c *access.Caller, k *entry, operation string, about map[string]string, fits func(*grant) bool) (*grant, error) {
	for _, name := range callerNames(c) {
		if name == "" {
			continue
		}
		list, err := e.grantsOf(ctx, k.id, name)
		if err != nil {
			return nil, err
		}
		for _, g := range list {
			if isPrincipal(c, g.Grantee, g.GranteeID) && g.covers(operation, about) && (fits == nil || fits(g)) {
				return g, nil
			}
		}
	}
	return nil, nil
}

// grantsOf gives the grants of a key to a principal.
func (e *Engine) grantsOf(ctx context.Context, id, grantee string) ([]*grant, error) {
	if list, ok := e.cache.grantsOf(id, grantee); ok {
		return list, nil
	}
	at := e.cache.generation()
	var list []*grant
	err := e.read(ctx, func(s kv.Snapshot) error {
		prefix := path(rowGrantee, id, "/", hash(grantee), "/")
		for p, err := range s.Scan(kv.Prefix(prefix)) {
			if err != nil {
				return err
			}
			g, err := readGrant(s, id, string(p.Key[len(prefix):]))
			if err != nil {
				return err
			}
			list = append(list, g)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	e.cache.keepGrants(at, id, grantee, list)
	return list, nil
}

func readGrant(s interface {
	Get(key []byte) ([]byte, error)
}, id, grantID string) (*grant, error) {
	raw, err := s.Get(path(rowGrant, id, "/", grantID))
	if err != nil {
		return nil, err
	}
	g := new(grant)
	if err := decodeRow(raw, g); err != nil {
		return nil, fmt.Errorf("grant %s of key %s: %w", grantID, id, err)
	}
	return g, nil
}

// sameness names everything by which a repeated CreateGrant is the same one.
func (g *grant) sameness() string {
	ops := slices.Sorted(slices.Values(g.Operations))
	parts := []string{g.Name, g.Grantee, g.GranteeID, g.Retiring, g.RetiringID, strings.Join(ops, ",")}
	for kind, m := range []map[string]string{g.Subset, g.Equals} {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			parts = append(parts, fmt.Sprint(kind), k, m[k])
		}
	}
	return hash(parts...)
}

// createGrant adds a grant and gives its ID: that of the one that is there, if
// it has a name and is the same in all that counts.
func (e *Engine) createGrant(ctx context.Context, k *entry, g grant) (string, error) {
	var raw [32]byte
	random(raw[:])
	g.ID, g.Key, g.Created = hex.EncodeToString(raw[:]), k.id, e.now()
	id := g.ID
	err := e.change(ctx, k.id, func(tx *kv.Tx, r *record) error {
		if err := usable(r, k.arn); err != nil {
			return err
		}
		if g.Name != "" {
			same, err := tx.Get(path(rowGranted, k.id, "/", g.sameness()))
			switch ok, err := absent(err); {
			case err != nil:
				return err
			case ok:
				id = string(same)
				return errSame
			}
			tx.Put(path(rowGranted, k.id, "/", g.sameness()), []byte(g.ID))
		}
		if r.Grants >= grantsPerKey {
			return ErrLimitExceeded.Text("Grant quota of %d for the key %s is reached.", grantsPerKey, k.arn)
		}
		id = g.ID
		r.Grants++
		tx.Put(path(rowGrant, k.id, "/", g.ID), encodeRow(&g))
		tx.Put(path(rowGrantee, k.id, "/", hash(g.Grantee), "/", g.ID), nil)
		if g.Retiring != "" {
			tx.Put(path(rowRetiring, hash(g.Retiring), "/", k.id, "/", g.ID), nil)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errSame) {
		return "", err
	}
	return id, nil
}

// errSame ends a change that has nothing to change.
var errSame = errors.New("kms: it is so already")

// deleteGrant removes a grant, or returns ErrNotFound.
func (e *Engine) deleteGrant(ctx context.Context, k *entry, grantID string) error {
	return e.change(ctx, k.id, func(tx *kv.Tx, r *record) error {
		g, err := readGrant(tx, k.id, grantID)
		if ok, err := absent(err); !ok {
			if err == nil {
				err = grantMissing(grantID)
			}
			return err
		}
		r.Grants--
		deleteGrantRows(tx, g)
		return nil
	})
}

func deleteGrantRows(tx *kv.Tx, g *grant) {
	tx.Delete(path(rowGrant, g.Key, "/", g.ID))
	tx.Delete(path(rowGrantee, g.Key, "/", hash(g.Grantee), "/", g.ID))
	if g.Name != "" {
		tx.Delete(path(rowGranted, g.Key, "/", g.sameness()))
	}
	if g.Retiring != "" {
		tx.Delete(path(rowRetiring, hash(g.Retiring), "/", g.Key, "/", g.ID))
	}
}

func grantMissing(grantID string) error {
	return ErrNotFound.Text("Grant ID %s not found", grantID)
}

// validGrantID tells whether s has the form of a grant's ID.
func validGrantID(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// A grant token names a grant, in base64: format 1, the key's 16 bytes, the
// grant's 32, 8 random ones, since AWS never gives the same token twice, and the
// CRC-32 of all that. It proves nothing and has to prove nothing: grants take
// effect at once, and what a token's holder may do is looked up in the grant.
const (
	tokenFormat = 1
	tokenSize   = 1 + 16 + 32 + 8 + 4
)

func newToken(id, grantID string) string {
	b := make([]byte, 0, tokenSize)
	b = append(b, tokenFormat)
	b, _ = parseID(id, b)
	g, _ := hex.DecodeString(grantID)
	b = append(b, g...)
	b = b[:tokenSize-4]
	random(b[tokenSize-12:])
	sum := crc32.ChecksumIEEE(b)
	return base64.StdEncoding.EncodeToString(append(b, byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum)))
}

// parseToken gives the IDs of key and grant that a token names.
func parseToken(s string) (id, grantID string, ok bool) {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != tokenSize || b[0] != tokenFormat {
		return "", "", false
	}
	sum := crc32.ChecksumIEEE(b[:tokenSize-4])
	if [4]byte(b[tokenSize-4:]) != [4]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)} {
		return "", "", false
	}
	return formatID(b[1:17]), hex.EncodeToString(b[17:49]), true
}

func checkTokens(tokens []string) error {
	for _, t := range tokens {
		if _, _, ok := parseToken(t); !ok {
			return ErrInvalidGrantToken
		}
	}
	return nil
}
