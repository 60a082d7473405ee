package server

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/farhold/farhold/config"
	"github.com/farhold/farhold/wire/sigv4"
)

// root is the root user of an account.
type root struct{ account string }

// Account gives the account's ID.
func (r root) Account() string { return r.account }

// ARN gives the name under which the root user is known.
func (r root) ARN() string { return "arn:aws:iam::" + r.account + ":root" }

// UserID gives the account's ID, as AWS does for the root user.
func (r root) UserID() string { return r.account }

// IsRoot tells that it is.
func (r root) IsRoot() bool { return true }

// rootKeys knows the root credentials and no others.
type rootKeys struct {
	id     [32]byte // digest of the access key: comparing takes the same time for any
	secret string
	who    any
}

func newRootKeys(c config.Credentials, account string) *rootKeys {
	return &rootKeys{id: sha256.Sum256([]byte(c.AccessKey)), secret: c.SecretKey, who: root{account}}
}

// Secret implements sigv4.Credentials.
func (k *rootKeys) Secret(_ context.Context, accessKey, sessionToken string) (string, any, error) {
	id := sha256.Sum256([]byte(accessKey))
	if subtle.ConstantTimeCompare(id[:], k.id[:]) != 1 {
		return "", nil, sigv4.ErrUnknownKey
	}
	if sessionToken != "" {
		return "", nil, sigv4.ErrBadToken
	}
	return k.secret, k.who, nil
}
