package iam

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"strings"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/wire/sigv4"
)

// temporaryKeyID begins the IDs of temporary access keys.
const temporaryKeyID = "ASIA"

// rootKey is the access key of the first account's root user.
type rootKey struct {
	id     [32]byte // digest of the access key: comparing takes the same time for any
	secret string
	caller *access.Caller
}

func newRootKey(o Options) *rootKey {
	return &rootKey{id: sha256.Sum256([]byte(o.RootKey)), secret: o.RootSecret, caller: rootCaller(o.Account, o.RootKey)}
}

func rootCaller(account, accessKey string) *access.Caller {
	return &access.Caller{Kind: access.Root, Account: account, ARN: "arn:aws:iam::" + account + ":root", UserID: account, AccessKey: accessKey}
}

// keyHolder is an access key with its secret and its holder.
type keyHolder struct {
	secret string
	caller *access.Caller
}

// Secret implements sigv4.Credentials: the identity that it gives is an
// *access.Caller. Keys that are unknown, inactive or without their user are
// all unknown. The verifier does the work of a comparison for those too.
func (d *Directory) Secret(ctx context.Context, key, token string) (string, any, error) {
	id := sha256.Sum256([]byte(key))
	if d.opt.RootKey != "" && subtle.ConstantTimeCompare(id[:], d.root.id[:]) == 1 {
		if token != "" {
			return "", nil, sigv4.ErrBadToken
		}
		return d.root.secret, d.root.caller, nil
	}
	if token != "" || strings.HasPrefix(key, temporaryKeyID) {
		if token == "" || !strings.HasPrefix(key, temporaryKeyID) || d.opt.Sessions == nil {
			return "", nil, sigv4.ErrBadToken
		}
		secret, c, err := d.opt.Sessions.Open(key, token, d.opt.Now())
		if err != nil {
			return "", nil, err
		}
		return secret, c, nil
	}
	h, err := d.holder(ctx, key)
	if err != nil {
		return "", nil, err
	}
	return h.secret, h.caller, nil
}

// holder gives who holds a long-term key.
func (d *Directory) holder(ctx context.Context, key string) (*keyHolder, error) {
	generation := d.generation.Load()
	if h, ok := d.keys.get(key, generation, d.opt.Rows); ok {
		return h, nil
	}
	r := &reader{ctx: ctx, rows: d.opt.Rows}
	row, ok, err := r.get(accessKeyKey(key))
	if err != nil {
		return nil, fmt.Errorf("iam: access key: %w", err)
	}
	if !ok {
		return d.accountRoot(ctx, key)
	}
	k, err := decodeAccessKey(row)
	if err != nil {
		return nil, fmt.Errorf("iam: access key %s: %w", key, err)
	}
	if k.inactive || k.id != key {
		return nil, sigv4.ErrUnknownKey
	}
	u, err := r.byID(k.userID)
	if err != nil {
		return nil, fmt.Errorf("iam: access key %s: %w", key, err)
	}
	if u == nil || u.kind != userKind || u.account != k.account {
		return nil, sigv4.ErrUnknownKey
	}
	secret, err := d.opt.Seal.Open(k.sealed, sealedFor(k.id, k.userID))
	if err != nil {
		return nil, fmt.Errorf("iam: access key %s: %w", key, err)
	}
	h := &keyHolder{string(secret), &access.Caller{Kind: access.User, Account: u.account, ARN: u.arn(), UserID: u.id, Name: u.name, AccessKey: key}}
	if !r.far {
		d.keys.put(key, h, r.deps, generation)
	}
	return h, nil
}

// accountRoot gives the root user of a further account.
func (d *Directory) accountRoot(ctx context.Context, key string) (*keyHolder, error) {
	if d.opt.Accounts == nil {
		return nil, sigv4.ErrUnknownKey
	}
	account, secret, ok, err := d.opt.Accounts.RootKey(ctx, key)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, sigv4.ErrUnknownKey
	}
	return &keyHolder{secret, rootCaller(account, key)}, nil
}

// sealedFor says what a sealed secret belongs to, so that it opens nowhere
// else.
func sealedFor(keyID, userID string) string { return "iam access key " + keyID + " of " + userID }
