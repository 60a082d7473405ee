package kms

import (
	"context"
	"errors"
	"time"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/service"
	shapes "github.com/farhold/farhold/wire/shapes/kms"
)

// Service describes KMS for the door of the services.
func (e *Engine) Service() service.Service {
	return service.Service{
		Name: "kms", Protocols: []service.Protocol{service.JSON11}, Target: shapes.TargetPrefix, Version: shapes.Version,
		Operations: e.Operations(), Known: shapes.Operations(),
		Errors: service.Errors{
			AccessDenied: ErrAccessDenied,
			NotServed:    ErrUnsupported,
			Internal:     awserr.New("KMSInternalException", 500, "The request was rejected because an internal exception occurred. The request can be retried."),
			Validation:   ErrValidation,
		},
	}
}

// Operations is the table of KMS for the door of the services.
func (e *Engine) Operations() []service.Operation {
	var table []service.Operation
	for _, of := range [][]service.Operation{
		e.keyOperations(), e.policyOperations(), e.aliasOperations(), e.tagOperations(), e.rotationOperations(), e.cryptoOperations(), e.grantOperations(), e.foreignOperations(),
	} {
		table = append(table, of...)
	}
	return append(table, unserved()...)
}

// unserved are the operations that there is nothing behind.
func unserved() []service.Operation {
	var table []service.Operation
	for _, of := range []struct {
		why   string
		names []string
	}{
		{"Keys are symmetric: there are no key pairs.", []string{"GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext", "GetPublicKey", "Encapsulate", "Decapsulate"}},
		{"There are no custom key stores.", []string{
			"ConnectCustomKeyStore", "CreateCustomKeyStore", "DeleteCustomKeyStore", "DescribeCustomKeyStores", "DisconnectCustomKeyStore", "UpdateCustomKeyStore",
		}},
		{"The use of keys is not recorded.", []string{"GetKeyLastUsage"}},
	} {
		for _, name := range of.names {
			table = append(table, service.Operation{Name: name, Action: "kms:" + name, Why: of.why})
		}
	}
	return table
}

// target is a subject as the door wants it.
func (s *subject) target() service.Target {
	return service.Target{ARN: s.arn, Account: s.account, Policies: s.policies(), Rules: true, Granted: s.granted, Keys: s.context}
}

// keyed makes the row of an operation on one key. The name that the request
// gives the key is replaced by the key's ARN when it is authorised, so that what
// is done is done to the key that was decided about, whatever an alias means by
// then. do gets the key as it is now.
func keyed[I, O any](e *Engine, op string, keyID func(in *I) **string, fill func(c *service.Call, in *I, a *ask) error, do func(ctx context.Context, c *service.Call, in *I, k *entry) (*O, error)) service.Operation {
	return service.Op(op, "kms:"+op,
		func(ctx context.Context, c *service.Call, in *I) ([]service.Target, error) {
			a := &ask{Action: "kms:" + op, KeyID: value(*keyID(in))}
			if fill != nil {
				if err := fill(c, in, a); err != nil {
					return nil, err
				}
			}
			s, err := e.find(ctx, actor(c), a)
			if err != nil {
				return nil, err
			}
			*keyID(in) = &s.arn
			return []service.Target{s.target()}, nil
		},
		func(ctx context.Context, c *service.Call, in *I) (*O, error) {
			n, k, err := e.pinned(ctx, c, value(*keyID(in)))
			if err != nil {
				return nil, err
			}
			out, err := do(ctx, c, in, k)
			return out, e.told(n, err)
		})
}

// pinned finds the key that was decided about.
func (e *Engine) pinned(ctx context.Context, c *service.Call, keyARN string) (name, *entry, error) {
	n, err := e.parseName(c.Caller.Account, keyARN, false)
	if err != nil {
		return n, nil, err
	}
	k, err := e.lookup(ctx, n, false)
	return n, k, e.told(n, err)
}

// told turns the error for a key that is not there, which can't be another
// account's secret any more, into the caller's.
func (e *Engine) told(n name, err error) error {
	if errors.Is(err, errNoKey) {
		return e.missing(n)
	}
	return err
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// optional is nil for the zero time.
func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// metadata is a key as DescribeKey shows it.
func (k *entry) metadata() *shapes.KeyMetadata {
	return &shapes.KeyMetadata{
		AWSAccountId: &k.Account, KeyId: &k.id, Arn: &k.arn, CreationDate: &k.Created, Enabled: new(k.State == Enabled), Description: &k.Description,
		KeyUsage: new("ENCRYPT_DECRYPT"), KeyState: new(string(k.State)), DeletionDate: optional(k.Deletion), Origin: new("AWS_KMS"), KeyManager: &k.Manager,
		CustomerMasterKeySpec: new(symmetricDefault), KeySpec: new(symmetricDefault), EncryptionAlgorithms: []string{symmetricDefault}, MultiRegion: new(false),
		CurrentKeyMaterialId: &k.current().ID,
	}
}

// dry ends a call with DryRun, once all is known to be well.
func dry(d *bool) error {
	if value(d) {
		return ErrDryRun
	}
	return nil
}

func tagKeys(tags []Tag) policy.Values {
	v := policy.Values{}
	for _, t := range tags {
		v.RequestTag(t.Key, t.Value)
	}
	return v
}

func tagsOf(list []shapes.Tag) []Tag {
	tags := make([]Tag, len(list))
	for i, t := range list {
		tags[i] = Tag{value(t.TagKey), value(t.TagValue)}
	}
	return tags
}
