package kms

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/service"
	shapes "github.com/farhold/farhold/wire/shapes/kms"
)

// keyOperations make keys, look at them and change their state.
func (e *Engine) keyOperations() []service.Operation {
	return []service.Operation{
		service.Op("CreateKey", "kms:CreateKey", e.createKeyTargets, e.createKey),
		service.Op("ListKeys", "kms:ListKeys", service.On[shapes.ListKeysRequest]("*"), e.listKeys),
		keyed(e, "DescribeKey", func(in *shapes.DescribeKeyRequest) **string { return &in.KeyId },
			func(_ *service.Call, in *shapes.DescribeKeyRequest, a *ask) error {
				a.Aliases, a.Create, a.Foreign, a.Tokens = true, true, true, in.GrantTokens
				return nil
			},
			func(_ context.Context, _ *service.Call, _ *shapes.DescribeKeyRequest, k *entry) (*shapes.DescribeKeyResponse, error) {
				return &shapes.DescribeKeyResponse{KeyMetadata: k.metadata()}, nil
			}),
		keyed(e, "EnableKey", func(in *shapes.EnableKeyRequest) **string { return &in.KeyId }, nil,
			func(ctx context.Context, _ *service.Call, _ *shapes.EnableKeyRequest, k *entry) (*shapes.EnableKeyResponse, error) {
				return nil, e.enable(ctx, k)
			}),
		keyed(e, "DisableKey", func(in *shapes.DisableKeyRequest) **string { return &in.KeyId }, nil,
			func(ctx context.Context, _ *service.Call, _ *shapes.DisableKeyRequest, k *entry) (*shapes.DisableKeyResponse, error) {
				return nil, e.disable(ctx, k)
			}),
		keyed(e, "UpdateKeyDescription", func(in *shapes.UpdateKeyDescriptionRequest) **string { return &in.KeyId }, nil,
			func(ctx context.Context, _ *service.Call, in *shapes.UpdateKeyDescriptionRequest, k *entry) (*shapes.UpdateKeyDescriptionResponse, error) {
				return nil, e.describe(ctx, k, value(in.Description))
			}),
		keyed(e, "ScheduleKeyDeletion", func(in *shapes.ScheduleKeyDeletionRequest) **string { return &in.KeyId },
			func(_ *service.Call, in *shapes.ScheduleKeyDeletionRequest, a *ask) error {
				w := int32(windowDefault)
				if in.PendingWindowInDays != nil {
					w = *in.PendingWindowInDays
				}
				a.Extra = policy.Values{"kms:schedulekeydeletionpendingwindowindays": {strconv.Itoa(int(w))}}
				switch {
				case w < windowMin:
					return ErrValidation.Text("1 validation error detected: Value '%d' at 'pendingWindowInDays' failed to satisfy constraint: Member must have value greater than or equal to %d", w, windowMin)
				case w > windowMax:
					return ErrValidation.Text("1 validation error detected: Value '%d' at 'pendingWindowInDays' failed to satisfy constraint: Member must have value less than or equal to %d", w, windowMax)
				}
				return nil
			},
			func(ctx context.Context, _ *service.Call, in *shapes.ScheduleKeyDeletionRequest, k *entry) (*shapes.ScheduleKeyDeletionResponse, error) {
				window := int32(windowDefault)
				if in.PendingWindowInDays != nil {
					window = *in.PendingWindowInDays
				}
				at, err := e.scheduleDeletion(ctx, k, int(window))
				if err != nil {
					return nil, err
				}
				return &shapes.ScheduleKeyDeletionResponse{KeyId: &k.arn, DeletionDate: &at, KeyState: new(string(PendingDeletion)), PendingWindowInDays: &window}, nil
			}),
		keyed(e, "CancelKeyDeletion", func(in *shapes.CancelKeyDeletionRequest) **string { return &in.KeyId }, nil,
			func(ctx context.Context, _ *service.Call, _ *shapes.CancelKeyDeletionRequest, k *entry) (*shapes.CancelKeyDeletionResponse, error) {
				if err := e.cancelDeletion(ctx, k); err != nil {
					return nil, err
				}
				return &shapes.CancelKeyDeletionResponse{KeyId: &k.arn}, nil
			}),
	}
}

// checkSpec refuses kinds of keys that are not made here.
func checkSpec(in *shapes.CreateKeyRequest) error {
	if in.KeySpec != nil && in.CustomerMasterKeySpec != nil {
		return ErrValidation.Text("You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.")
	}
	spec, usage := symmetricDefault, "ENCRYPT_DECRYPT"
	for _, s := range []*string{in.KeySpec, in.CustomerMasterKeySpec} {
		if s != nil {
			spec = *s
		}
	}
	if in.KeyUsage != nil {
		usage = *in.KeyUsage
	}
	switch {
	case spec != symmetricDefault && in.KeyUsage == nil:
		return ErrValidation.Text("You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.")
	case !fits(spec, usage):
		return ErrValidation.Text("KeyUsage %s is not compatible with KeySpec %s", usage, spec)
	case spec != symmetricDefault:
		return ErrUnsupported.Text("KeySpec %s is not supported in this Region.", spec)
	case in.Origin != nil && *in.Origin != "AWS_KMS":
		return ErrUnsupported.Text("Origin %s is not supported in this Region.", *in.Origin)
	case in.CustomKeyStoreId != nil || in.XksKeyId != nil:
		return ErrUnsupported.Text("Custom key stores are not supported in this Region.")
	case value(in.MultiRegion):
		return ErrUnsupported.Text("Multi-Region keys are not supported in this Region.")
	}
	return nil
}

// fits tells whether keys of a kind can have a use at AWS.
func fits(spec, usage string) bool {
	switch usage {
	case "ENCRYPT_DECRYPT":
		return spec == symmetricDefault || spec == "SM2" || strings.HasPrefix(spec, "RSA_")
	case "SIGN_VERIFY":
		return spec != symmetricDefault && !strings.HasPrefix(spec, "HMAC_")
	case "GENERATE_VERIFY_MAC":
		return strings.HasPrefix(spec, "HMAC_")
	case "KEY_AGREEMENT":
		return spec == "SM2" || strings.HasPrefix(spec, "ECC_NIST_P")
	}
	return false
}

func (e *Engine) createKeyTargets(_ context.Context, c *service.Call, in *shapes.CreateKeyRequest) ([]service.Target, error) {
	keys := tagKeys(tagsOf(in.Tags))
	keys["kms:keyorigin"] = []string{"AWS_KMS"}
	keys["kms:keyspec"], keys["kms:customermasterkeyspec"] = []string{symmetricDefault}, []string{symmetricDefault}
	keys["kms:keyusage"], keys["kms:customermasterkeyusage"] = []string{"ENCRYPT_DECRYPT"}, []string{"ENCRYPT_DECRYPT"}
	keys["kms:multiregion"] = []string{"false"}
	bypassKey(keys, in.BypassPolicyLockoutSafetyCheck)
	return []service.Target{{ARN: "*", Keys: &keyContext{caller: c.Caller, extra: keys}}}, checkSpec(in)
}

func bypassKey(v policy.Values, bypass *bool) {
	v["kms:bypasspolicylockoutsafetycheck"] = []string{fmt.Sprint(value(bypass))}
}

func (e *Engine) createKey(ctx context.Context, c *service.Call, in *shapes.CreateKeyRequest) (*shapes.CreateKeyResponse, error) {
	d := &draft{id: newID(), account: c.Caller.Account, manager: managerCustomer, description: value(in.Description), tags: tagsOf(in.Tags)}
	at := e.keyARN(d.account, d.id)
	if err := checkTags(d.tags); err != nil {
		return nil, err
	}
	if len(d.tags) > 0 {
		err := denied(e.opt.Decider.Decide(ctx, &access.Request{
			Caller: c.Caller, Action: "kms:TagResource", Resource: at, Account: d.account,
			Context: contexts{&keyContext{caller: c.Caller, extra: tagKeys(d.tags)}, c.Context},
		}))
		if err != nil {
			return nil, err
		}
	}
	d.policy = policyRoot(d.account)
	if in.Policy != nil {
		var err error
		if d.policy, err = e.checkPolicy(ctx, c, at, *in.Policy, value(in.BypassPolicyLockoutSafetyCheck)); err != nil {
			return nil, err
		}
	}
	if err := e.create(ctx, d); err != nil {
		return nil, err
	}
	k, err := e.key(ctx, d.id)
	if err != nil {
		return nil, err
	}
	return &shapes.CreateKeyResponse{KeyMetadata: k.metadata()}, nil
}

func (e *Engine) listKeys(ctx context.Context, c *service.Call, in *shapes.ListKeysRequest) (*shapes.ListKeysResponse, error) {
	out := &shapes.ListKeysResponse{Keys: []shapes.KeyListEntry{}}
	next, err := e.page(ctx, path(rowOwned, c.Caller.Account, "/"), in.Marker, in.Limit, 100, 1000, func(_ kv.Snapshot, id string, _ []byte) error {
		out.Keys = append(out.Keys, shapes.KeyListEntry{KeyId: &id, KeyArn: new(e.keyARN(c.Caller.Account, id))})
		return nil
	})
	out.NextMarker, out.Truncated = next, new(next != nil)
	return out, err
}
