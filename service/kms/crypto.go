package kms

import (
	"context"
	"errors"
	"fmt"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/objectkey"
)

// symmetricDefault is the one key spec and the one algorithm here.
const symmetricDefault = "SYMMETRIC_DEFAULT"

// dataKeyMax is how many bytes a data key may have.
const dataKeyMax = 1024

var _ objectkey.KMS = (*Engine)(nil)

// GenerateDataKey implements objectkey.KMS: it asks the Decider for
// kms:GenerateDataKey.
func (e *Engine) GenerateDataKey(ctx context.Context, by access.Actor, keyID string, bytes int, about map[string]string) (objectkey.DataKey, error) {
	if bytes < 1 || bytes > dataKeyMax {
		return objectkey.DataKey{}, fmt.Errorf("kms: a data key of %d bytes", bytes)
	}
	k, err := e.allow(ctx, by, &ask{Action: "kms:GenerateDataKey", KeyID: keyID, Aliases: true, Create: true, Foreign: true, About: about})
	if err != nil {
		return objectkey.DataKey{}, err
	}
	plain, blob, _, err := e.dataKey(ctx, k, bytes, about)
	if err != nil {
		return objectkey.DataKey{}, err
	}
	return objectkey.DataKey{Plain: plain, Blob: blob, KeyARN: k.arn}, nil
}

// Encrypt implements objectkey.KMS: it asks the Decider for kms:Encrypt.
func (e *Engine) Encrypt(ctx context.Context, by access.Actor, keyID string, plain []byte, about map[string]string) (blob []byte, keyARN string, err error) {
	if len(plain) < 1 || len(plain) > PlainMax {
		return nil, "", fmt.Errorf("kms: a plaintext of %d bytes", len(plain))
	}
	k, err := e.allow(ctx, by, &ask{Action: "kms:Encrypt", KeyID: keyID, Aliases: true, Create: true, Foreign: true, About: about})
	if err != nil {
		return nil, "", err
	}
	blob, _, err = e.encrypt(ctx, k, plain, about)
	return blob, k.arn, err
}

// Decrypt implements objectkey.KMS: it asks the Decider for kms:Decrypt. The
// blob tells the key.
func (e *Engine) Decrypt(ctx context.Context, by access.Actor, blob []byte, about map[string]string) (plain []byte, keyARN string, err error) {
	if by.Caller == nil {
		return nil, "", ErrAccessDenied.Text("The caller is not known.")
	}
	b, ok := parseBlob(blob)
	if !ok {
		return nil, "", ErrInvalidCiphertext
	}
	a := ask{Action: "kms:Decrypt", About: about, Tokens: by.Grants}
	s, err := e.findByBlob(ctx, by.Caller, &a, b)
	if err != nil {
		return nil, "", err
	}
	if err := e.decide(ctx, by, a.Action, &s); err != nil {
		return nil, "", e.blur(by.Caller, a.Action, thisCiphertext, &s, err)
	}
	plain, _, err = e.decrypt(ctx, s.key, b, about)
	return plain, s.arn, err
}

// Resolve implements objectkey.KMS. It asks nobody, and so tells nothing about
// another account: an ARN of its key is given back as it is, and whether there
// is such a key shows when somebody who may use it does; its aliases are not
// resolved.
func (e *Engine) Resolve(ctx context.Context, account, keyID string) (keyARN string, err error) {
	n, err := e.parseName(account, keyID, true)
	if err != nil {
		return "", err
	}
	if n.account != account {
		if n.alias != "" {
			return "", e.missing(n)
		}
		return e.arnOf(n), nil
	}
	k, err := e.lookup(ctx, n, true)
	if err != nil {
		return "", e.told(n, err)
	}
	return k.arn, nil
}

// thisCiphertext is what AWS calls the key that only a ciphertext named.
const thisCiphertext = "the resource associated with this ciphertext"

// findByBlob finds the key that a ciphertext names. Whoever is not in its
// account learns nothing from the answer about whether there is one.
func (e *Engine) findByBlob(ctx context.Context, c *access.Caller, a *ask, b blob) (subject, error) {
	if err := checkTokens(a.Tokens); err != nil {
		return subject{}, err
	}
	if err := checkAbout(a.About); err != nil {
		return subject{}, err
	}
	k, err := e.key(ctx, b.key)
	if errors.Is(err, errNoKey) {
		return subject{}, ErrAccessDenied.Text("%s", noResource(c, a.Action, thisCiphertext))
	}
	if err != nil {
		return subject{}, err
	}
	return e.about(ctx, c, a, k, "")
}

// encrypt seals plain under the key's newest material and gives its ID.
func (e *Engine) encrypt(ctx context.Context, k *entry, plain []byte, about map[string]string) ([]byte, string, error) {
	if err := k.usable(); err != nil {
		return nil, "", err
	}
	m := k.current()
	key, err := e.plaintext(ctx, k, m)
	if err != nil {
		return nil, "", err
	}
	return sealBlob(key, m.name, k.id, k.arn, about, plain), m.ID, nil
}

// dataKey makes random bytes and encrypts them.
func (e *Engine) dataKey(ctx context.Context, k *entry, bytes int, about map[string]string) (plain, blob []byte, material string, err error) {
	plain = make([]byte, bytes)
	random(plain)
	blob, material, err = e.encrypt(ctx, k, plain, about)
	if err != nil {
		return nil, nil, "", err
	}
	return plain, blob, material, nil
}

// decrypt opens a blob with the key that it names and gives the material's ID.
func (e *Engine) decrypt(ctx context.Context, k *entry, b blob, about map[string]string) ([]byte, string, error) {
	if b.key != k.id {
		return nil, "", ErrIncorrectKey
	}
	if err := k.usable(); err != nil {
		return nil, "", err
	}
	m := k.byName(b.material)
	if m == nil {
		return nil, "", ErrInvalidCiphertext
	}
	key, err := e.plaintext(ctx, k, m)
	if err != nil {
		return nil, "", err
	}
	plain, ok := b.open(key, k.arn, about)
	if !ok {
		return nil, "", ErrInvalidCiphertext
	}
	return plain, m.ID, nil
}
