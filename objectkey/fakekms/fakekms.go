// Package fakekms is a KMS in memory for tests: symmetric keys with states,
// aliases and rotation, encryption contexts that must be the same, KMS's error
// codes and texts, and a log of what it was asked.
package fakekms

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/objectkey"
)

// KMS is a fake KMS of one region. It is safe for concurrent use.
type KMS struct {
	Region string
	// May decides; nil allows everything to callers that have an account. It is
	// called without locks.
	May func(by access.Actor, action, keyARN string, about map[string]string) bool

	mu    sync.Mutex
	keys  map[string]*key   // by ARN
	alias map[string]string // account/alias → ARN
	calls []Call
}

// Call is something that was asked of it.
type Call struct {
	Action string
	Key    string // ARN
	By     string // ARN of the caller
	Via    string
	About  map[string]string
}

type key struct {
	materials [][]byte // the last one encrypts
	state     string
}

// New makes a KMS without keys.
func New(region string) *KMS {
	return &KMS{Region: region, keys: make(map[string]*key), alias: make(map[string]string)}
}

// Create makes a key of an account, with an alias unless that is empty, and gives
// its ARN.
func (k *KMS) Create(account, alias string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.create(account, alias)
}

func (k *KMS) create(account, alias string) string {
	id := make([]byte, 16)
	rand.Read(id)
	arn := fmt.Sprintf("arn:aws:kms:%s:%s:key/%x-%x-%x-%x-%x", k.Region, account, id[:4], id[4:6], id[6:8], id[8:10], id[10:])
	k.keys[arn] = &key{materials: [][]byte{random()}, state: "Enabled"}
	if alias != "" {
		k.alias[account+"/"+alias] = arn
	}
	return arn
}

func random() []byte {
	b := make([]byte, 32)
	rand.Read(b)
	return b
}

// State sets a key's state: Enabled, Disabled or PendingDeletion.
func (k *KMS) State(arn, state string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys[arn].state = state
}

// Rotate gives a key new material.
func (k *KMS) Rotate(arn string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys[arn].materials = append(k.keys[arn].materials, random())
}

// Materials gives the material of all keys, for tests that look for it where it
// must not be.
func (k *KMS) Materials() (all [][]byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, x := range k.keys {
		all = append(all, x.materials...)
	}
	return all
}

// Calls gives what was asked since the last time.
func (k *KMS) Calls() []Call {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.calls
	k.calls = nil
	return c
}

func notFound(format string, args ...any) error {
	return awserr.New("NotFoundException", 400, fmt.Sprintf(format, args...))
}

// resolve gives the ARN that a name means to an account.
func (k *KMS) resolve(account, name string) (string, error) {
	prefix := "arn:aws:kms:" + k.Region + ":"
	full := name
	switch {
	case name == objectkey.ManagedKey:
		if k.alias[account+"/"+name] == "" {
			k.create(account, name)
		}
		return k.alias[account+"/"+name], nil
	case strings.HasPrefix(name, "arn:") && !strings.HasPrefix(name, prefix):
		return "", notFound("Invalid arn %s", strings.Split(name+":::::", ":")[3])
	case strings.HasPrefix(name, "alias/"):
		full = prefix + account + ":" + name
	case !strings.HasPrefix(name, "arn:"):
		if strings.Count(name, "-") != 4 {
			return "", notFound("Invalid keyId '%s'", name)
		}
		full = prefix + account + ":key/" + name
	}
	rest := strings.TrimPrefix(full, prefix)
	if owner, alias, _ := strings.Cut(rest, ":"); strings.HasPrefix(alias, "alias/") {
		if arn := k.alias[owner+"/"+alias]; arn != "" {
			return arn, nil
		}
		return "", notFound("Alias %s is not found.", full)
	}
	if k.keys[full] == nil {
		return "", notFound("Key '%s' does not exist", full)
	}
	return full, nil
}

// use logs a call and sees whether it may go on.
func (k *KMS) use(by access.Actor, action, arn string, about map[string]string) error {
	k.mu.Lock()
	k.calls = append(k.calls, Call{action, arn, by.Caller.ARN, by.Caller.Via, maps.Clone(about)})
	may := k.May
	state := k.keys[arn].state
	k.mu.Unlock()
	if by.Caller.Account == "" || may != nil && !may(by, action, arn, about) {
		return awserr.New("AccessDeniedException", 400, fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s because no identity-based policy allows the %s action", by.Caller.ARN, action, arn, action))
	}
	switch state {
	case "Disabled":
		return awserr.New("DisabledException", 400, arn+" is disabled.")
	case "PendingDeletion":
		return awserr.New("KMSInvalidStateException", 400, arn+" is pending deletion.")
	}
	return nil
}

// blob is a ciphertext.
type blob struct {
	Key      string
	Material int
	Sealed   []byte
}

func contextOf(about map[string]string) []byte {
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(about)) {
		b = append(b, fmt.Sprintf("%d:%s%d:%s", len(name), name, len(about[name]), about[name])...)
	}
	return b
}

func aead(key []byte) cipher.AEAD {
	b, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	g, err := cipher.NewGCMWithRandomNonce(b)
	if err != nil {
		panic(err)
	}
	return g
}

func (k *KMS) encrypt(arn string, plain []byte, about map[string]string) ([]byte, error) {
	k.mu.Lock()
	x := k.keys[arn]
	n := len(x.materials) - 1
	m := x.materials[n]
	k.mu.Unlock()
	return json.Marshal(blob{arn, n, aead(m).Seal(nil, nil, plain, contextOf(about))})
}

// GenerateDataKey implements objectkey.KMS.
func (k *KMS) GenerateDataKey(ctx context.Context, by access.Actor, keyID string, bytes int, about map[string]string) (objectkey.DataKey, error) {
	arn, err := k.Resolve(ctx, by.Caller.Account, keyID)
	if err == nil {
		err = k.use(by, "kms:GenerateDataKey", arn, about)
	}
	if err != nil {
		return objectkey.DataKey{}, err
	}
	plain := make([]byte, bytes)
	rand.Read(plain)
	b, err := k.encrypt(arn, plain, about)
	return objectkey.DataKey{Plain: plain, Blob: b, KeyARN: arn}, err
}

// Encrypt implements objectkey.KMS.
func (k *KMS) Encrypt(ctx context.Context, by access.Actor, keyID string, plain []byte, about map[string]string) ([]byte, string, error) {
	arn, err := k.Resolve(ctx, by.Caller.Account, keyID)
	if err == nil {
		err = k.use(by, "kms:Encrypt", arn, about)
	}
	if err != nil {
		return nil, "", err
	}
	b, err := k.encrypt(arn, plain, about)
	return b, arn, err
}

// Decrypt implements objectkey.KMS.
func (k *KMS) Decrypt(ctx context.Context, by access.Actor, ciphertext []byte, about map[string]string) ([]byte, string, error) {
	invalid := awserr.New("InvalidCiphertextException", 400, "")
	var b blob
	if json.Unmarshal(ciphertext, &b) != nil {
		return nil, "", invalid
	}
	k.mu.Lock()
	x := k.keys[b.Key]
	k.mu.Unlock()
	if x == nil || b.Material >= len(x.materials) {
		return nil, "", invalid
	}
	if err := k.use(by, "kms:Decrypt", b.Key, about); err != nil {
		return nil, "", err
	}
	plain, err := aead(x.materials[b.Material]).Open(nil, nil, b.Sealed, contextOf(about))
	if err != nil {
		return nil, "", invalid
	}
	return plain, b.Key, nil
}

// Resolve implements objectkey.KMS.
func (k *KMS) Resolve(_ context.Context, account, keyID string) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.resolve(account, keyID)
}

var _ objectkey.KMS = (*KMS)(nil)
