package kms

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/service"
	shapes "github.com/farhold/farhold/wire/shapes/kms"
)

// cryptoOperations use keys.
func (e *Engine) cryptoOperations() []service.Operation {
	return []service.Operation{
		keyed(e, "Encrypt", func(in *shapes.EncryptRequest) **string { return &in.KeyId },
			func(_ *service.Call, in *shapes.EncryptRequest, a *ask) error {
				a.Aliases, a.Create, a.Foreign, a.About, a.Tokens = true, true, true, in.EncryptionContext, in.GrantTokens
				a.Extra = algorithmKey(in.EncryptionAlgorithm)
				return nil
			},
			func(ctx context.Context, _ *service.Call, in *shapes.EncryptRequest, k *entry) (*shapes.EncryptResponse, error) {
				if err := ready(k, in.EncryptionAlgorithm, in.DryRun); err != nil {
					return nil, err
				}
				blob, _, err := e.encrypt(ctx, k, in.Plaintext, in.EncryptionContext)
				if err != nil {
					return nil, err
				}
				return &shapes.EncryptResponse{CiphertextBlob: blob, KeyId: &k.arn, EncryptionAlgorithm: new(symmetricDefault)}, nil
			}),
		keyed(e, "GenerateDataKey", func(in *shapes.GenerateDataKeyRequest) **string { return &in.KeyId },
			func(_ *service.Call, in *shapes.GenerateDataKeyRequest, a *ask) error {
				a.Aliases, a.Create, a.Foreign, a.About, a.Tokens = true, true, true, in.EncryptionContext, in.GrantTokens
				return checkRecipient(in.Recipient)
			},
			func(ctx context.Context, _ *service.Call, in *shapes.GenerateDataKeyRequest, k *entry) (*shapes.GenerateDataKeyResponse, error) {
				n, err := dataKeySize(in.KeySpec, in.NumberOfBytes)
				if err != nil {
					return nil, err
				}
				if err := ready(k, nil, in.DryRun); err != nil {
					return nil, err
				}
				plain, blob, material, err := e.dataKey(ctx, k, n, in.EncryptionContext)
				if err != nil {
					return nil, err
				}
				return &shapes.GenerateDataKeyResponse{Plaintext: plain, CiphertextBlob: blob, KeyId: &k.arn, KeyMaterialId: &material}, nil
			}),
		keyed(e, "GenerateDataKeyWithoutPlaintext", func(in *shapes.GenerateDataKeyWithoutPlaintextRequest) **string { return &in.KeyId },
			func(_ *service.Call, in *shapes.GenerateDataKeyWithoutPlaintextRequest, a *ask) error {
				a.Aliases, a.Create, a.Foreign, a.About, a.Tokens = true, true, true, in.EncryptionContext, in.GrantTokens
				return nil
			},
			func(ctx context.Context, _ *service.Call, in *shapes.GenerateDataKeyWithoutPlaintextRequest, k *entry) (*shapes.GenerateDataKeyWithoutPlaintextResponse, error) {
				n, err := dataKeySize(in.KeySpec, in.NumberOfBytes)
				if err != nil {
					return nil, err
				}
				if err := ready(k, nil, in.DryRun); err != nil {
					return nil, err
				}
				plain, blob, material, err := e.dataKey(ctx, k, n, in.EncryptionContext)
				clear(plain)
				if err != nil {
					return nil, err
				}
				return &shapes.GenerateDataKeyWithoutPlaintextResponse{CiphertextBlob: blob, KeyId: &k.arn, KeyMaterialId: &material}, nil
			}),
		service.Op("Decrypt", "kms:Decrypt", e.decryptTargets, e.decryptCall),
		service.Op("ReEncrypt", "kms:ReEncryptFrom", e.reEncryptTargets, e.reEncrypt),
		service.Op("GenerateRandom", "kms:GenerateRandom", service.On[shapes.GenerateRandomRequest]("*"),
			func(_ context.Context, _ *service.Call, in *shapes.GenerateRandomRequest) (*shapes.GenerateRandomResponse, error) {
				switch {
				case in.CustomKeyStoreId != nil:
					return nil, ErrUnsupported.Text("Custom key stores are not supported in this Region.")
				case in.NumberOfBytes == nil:
					return nil, ErrValidation.Text("NumberOfBytes is required.")
				}
				if err := checkRecipient(in.Recipient); err != nil {
					return nil, err
				}
				n := *in.NumberOfBytes
				if n < 1 || n > dataKeyMax {
					return nil, fmt.Errorf("kms: %d random bytes", n) // the door has seen to that
				}
				b := make([]byte, n)
				random(b)
				return &shapes.GenerateRandomResponse{Plaintext: b}, nil
			}),
	}
}

// ready tells whether a key can be used for what a call asks, which ends here
// when it is a dry run.
func ready(k *entry, algorithm *string, dryRun *bool) error {
	if err := checkAlgorithm(algorithm); err != nil {
		return err
	}
	if err := k.usable(); err != nil {
		return err
	}
	return dry(dryRun)
}

func checkAlgorithm(s *string) error {
	if s != nil && *s != symmetricDefault {
		return ErrInvalidKeyUsage.Text("Algorithm %s is incompatible with key spec %s.", *s, symmetricDefault)
	}
	return nil
}

func algorithmKey(s *string) policy.Values {
	if s == nil {
		return policy.Values{"kms:encryptionalgorithm": {symmetricDefault}}
	}
	return policy.Values{"kms:encryptionalgorithm": {*s}}
}

// checkRecipient refuses answers that only an enclave could read.
func checkRecipient(r *shapes.RecipientInfo) error {
	if r != nil {
		return ErrUnsupported.Text("Recipient is not supported in this Region.")
	}
	return nil
}

// dataKeySize is how many bytes a data key has.
func dataKeySize(spec *string, bytes *int32) (int, error) {
	switch {
	case (spec == nil) == (bytes == nil):
		return 0, ErrValidation.Text("Please specify either number of bytes or key spec.")
	case bytes != nil:
		if *bytes < 1 || *bytes > dataKeyMax {
			return 0, fmt.Errorf("kms: a data key of %d bytes", *bytes) // the door has seen to that
		}
		return int(*bytes), nil
	case *spec == "AES_128":
		return 16, nil
	}
	return 32, nil
}

// ignoresCiphertext tells whether a dry run is about the permission alone.
func ignoresCiphertext(dryRun *bool, modifiers []string) bool {
	return value(dryRun) && slices.Contains(modifiers, "IGNORE_CIPHERTEXT")
}

var errNoCiphertext = ErrValidation.Text("1 validation error detected: Value null at 'ciphertextBlob' failed to satisfy constraint: Member must not be null")

// source finds the key with which a ciphertext is to be opened: the one that
// the request names, or the one that the ciphertext names.
func (e *Engine) source(ctx context.Context, c *service.Call, a *ask, raw []byte, ignore bool) (subject, error) {
	a.Aliases, a.Foreign = true, true
	switch {
	case len(raw) == 0 && !ignore:
		return subject{}, errNoCiphertext
	case a.KeyID != "":
		return e.find(ctx, actor(c), a)
	case ignore:
		return subject{}, ErrValidation.Text("KeyId is required when the ciphertext is ignored.")
	}
	b, ok := parseBlob(raw)
	if !ok {
		return subject{}, ErrInvalidCiphertext
	}
	s, err := e.findByBlob(ctx, c.Caller, a, b)
	if err != nil || s.account == c.Caller.Account {
		return s, err
	}
	// The door's refusal would name a key that its caller must not know of.
	if err := e.decide(ctx, actor(c), a.Action, &s); err != nil {
		return subject{}, e.blur(c.Caller, a.Action, thisCiphertext, &s, err)
	}
	return s, nil
}

// actor is who calls, as the engine's own decisions want it.
func actor(c *service.Call) access.Actor { return access.Actor{Caller: c.Caller, Context: c.Context} }

func (e *Engine) decryptTargets(ctx context.Context, c *service.Call, in *shapes.DecryptRequest) ([]service.Target, error) {
	a := &ask{Action: "kms:Decrypt", KeyID: value(in.KeyId), About: in.EncryptionContext, Tokens: in.GrantTokens, Extra: algorithmKey(in.EncryptionAlgorithm)}
	if err := checkRecipient(in.Recipient); err != nil {
		return nil, err
	}
	s, err := e.source(ctx, c, a, in.CiphertextBlob, ignoresCiphertext(in.DryRun, in.DryRunModifiers))
	if err != nil {
		return nil, err
	}
	in.KeyId = &s.arn
	return []service.Target{s.target()}, nil
}

func (e *Engine) decryptCall(ctx context.Context, c *service.Call, in *shapes.DecryptRequest) (*shapes.DecryptResponse, error) {
	_, k, err := e.pinned(ctx, c, value(in.KeyId))
	if err != nil {
		return nil, err
	}
	plain, material, err := e.openCall(ctx, k, in.CiphertextBlob, in.EncryptionContext, in.EncryptionAlgorithm, ignoresCiphertext(in.DryRun, in.DryRunModifiers))
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	return &shapes.DecryptResponse{KeyId: &k.arn, Plaintext: plain, EncryptionAlgorithm: new(symmetricDefault), KeyMaterialId: &material}, nil
}

// openCall opens the ciphertext of a call whose key was decided about.
func (e *Engine) openCall(ctx context.Context, k *entry, raw []byte, about map[string]string, algorithm *string, ignore bool) (plain []byte, material string, err error) {
	if err := checkAlgorithm(algorithm); err != nil {
		return nil, "", err
	}
	if ignore {
		return nil, "", k.usable()
	}
	b, ok := parseBlob(raw)
	if !ok {
		return nil, "", ErrInvalidCiphertext
	}
	return e.decrypt(ctx, k, b, about)
}

func (e *Engine) reEncryptAsks(in *shapes.ReEncryptRequest) (from, to *ask) {
	same := policy.Values{"kms:reencryptonsamekey": {"false"}}
	from = &ask{Action: "kms:ReEncryptFrom", KeyID: value(in.SourceKeyId), About: in.SourceEncryptionContext, Tokens: in.GrantTokens, Extra: same}
	to = &ask{
		Action: "kms:ReEncryptTo", KeyID: value(in.DestinationKeyId), Aliases: true, Create: true, Foreign: true,
		About: in.DestinationEncryptionContext, Tokens: in.GrantTokens, Extra: same,
	}
	return from, to
}

func (e *Engine) reEncryptTargets(ctx context.Context, c *service.Call, in *shapes.ReEncryptRequest) ([]service.Target, error) {
	from, to := e.reEncryptAsks(in)
	n, err := e.parseName(c.Caller.Account, to.KeyID, true)
	if err != nil {
		return nil, err
	}
	if k, err := e.lookup(ctx, n, n.account == c.Caller.Account); err == nil {
		if b, ok := parseBlob(in.CiphertextBlob); ok && b.key == k.id {
			from.Extra["kms:reencryptonsamekey"] = []string{"true"} // both asks share the map
		}
	} else if !errors.Is(err, errNoKey) {
		return nil, err
	}
	s, err := e.source(ctx, c, from, in.CiphertextBlob, ignoresCiphertext(in.DryRun, in.DryRunModifiers))
	if err != nil {
		return nil, err
	}
	in.SourceKeyId = &s.arn
	return []service.Target{s.target()}, nil
}

func (e *Engine) reEncrypt(ctx context.Context, c *service.Call, in *shapes.ReEncryptRequest) (*shapes.ReEncryptResponse, error) {
	_, source, err := e.pinned(ctx, c, value(in.SourceKeyId))
	if err != nil {
		return nil, err
	}
	// The door decides about one action per call; the other is decided here.
	_, ask := e.reEncryptAsks(in)
	s, err := e.find(ctx, actor(c), ask)
	if err != nil {
		return nil, err
	}
	if s.key != nil && s.key.id == source.id {
		ask.Extra["kms:reencryptonsamekey"] = []string{"true"}
	}
	if err := e.decide(ctx, actor(c), ask.Action, &s); err != nil {
		return nil, err
	}
	if s.key == nil {
		return nil, ErrAccessDenied.Text("%s", noResource(c.Caller, ask.Action, "this resource"))
	}
	plain, from, err := e.openCall(ctx, source, in.CiphertextBlob, in.SourceEncryptionContext, in.SourceEncryptionAlgorithm, ignoresCiphertext(in.DryRun, in.DryRunModifiers))
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	if err := ready(s.key, in.DestinationEncryptionAlgorithm, in.DryRun); err != nil {
		return nil, err
	}
	blob, to, err := e.encrypt(ctx, s.key, plain, in.DestinationEncryptionContext)
	if err != nil {
		return nil, err
	}
	return &shapes.ReEncryptResponse{
		CiphertextBlob: blob, SourceKeyId: &source.arn, KeyId: &s.key.arn, SourceEncryptionAlgorithm: new(symmetricDefault),
		DestinationEncryptionAlgorithm: new(symmetricDefault), SourceKeyMaterialId: &from, DestinationKeyMaterialId: &to,
	}, nil
}
