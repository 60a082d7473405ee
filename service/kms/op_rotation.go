package kms

import (
	"context"
	"encoding/base64"
	"strconv"

	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/service"
	shapes "github.com/farhold/farhold/wire/shapes/kms"
)

// rotationOperations change key material and when it changes.
func (e *Engine) rotationOperations() []service.Operation {
	return []service.Operation{
		keyed(e, "EnableKeyRotation", func(in *shapes.EnableKeyRotationRequest) **string { return &in.KeyId },
			func(_ *service.Call, in *shapes.EnableKeyRotationRequest, a *ask) error {
				if in.RotationPeriodInDays != nil {
					a.Extra = policy.Values{"kms:rotationperiodindays": {strconv.Itoa(int(*in.RotationPeriodInDays))}}
				}
				return nil
			},
			func(ctx context.Context, _ *service.Call, in *shapes.EnableKeyRotationRequest, k *entry) (*shapes.EnableKeyRotationResponse, error) {
				period := periodDefault
				if in.RotationPeriodInDays != nil {
					period = int(*in.RotationPeriodInDays)
				}
				return nil, e.enableRotation(ctx, k, period)
			}),
		keyed(e, "DisableKeyRotation", func(in *shapes.DisableKeyRotationRequest) **string { return &in.KeyId }, nil,
			func(ctx context.Context, _ *service.Call, _ *shapes.DisableKeyRotationRequest, k *entry) (*shapes.DisableKeyRotationResponse, error) {
				return nil, e.disableRotation(ctx, k)
			}),
		keyed(e, "GetKeyRotationStatus", func(in *shapes.GetKeyRotationStatusRequest) **string { return &in.KeyId },
			func(_ *service.Call, _ *shapes.GetKeyRotationStatusRequest, a *ask) error {
				a.Foreign = true
				return nil
			},
			func(_ context.Context, _ *service.Call, _ *shapes.GetKeyRotationStatusRequest, k *entry) (*shapes.GetKeyRotationStatusResponse, error) {
				out := &shapes.GetKeyRotationStatusResponse{KeyId: &k.arn, KeyRotationEnabled: new(false)}
				if k.Period > 0 && k.State != PendingDeletion { // AWS: false while the deletion is pending
					out.KeyRotationEnabled, out.RotationPeriodInDays, out.NextRotationDate = new(true), new(int32(k.Period)), optional(k.Next)
				}
				return out, nil
			}),
		keyed(e, "RotateKeyOnDemand", func(in *shapes.RotateKeyOnDemandRequest) **string { return &in.KeyId }, nil,
			func(ctx context.Context, _ *service.Call, _ *shapes.RotateKeyOnDemandRequest, k *entry) (*shapes.RotateKeyOnDemandResponse, error) {
				if err := e.rotateOnDemand(ctx, k); err != nil {
					return nil, err
				}
				return &shapes.RotateKeyOnDemandResponse{KeyId: &k.arn}, nil
			}),
		keyed(e, "ListKeyRotations", func(in *shapes.ListKeyRotationsRequest) **string { return &in.KeyId }, nil,
			func(_ context.Context, _ *service.Call, in *shapes.ListKeyRotationsRequest, k *entry) (*shapes.ListKeyRotationsResponse, error) {
				return listRotations(k, in)
			}),
	}
}

// listRotations shows a key's materials, oldest first: those that it was
// rotated to, or all of them with the first.
func listRotations(k *entry, in *shapes.ListKeyRotationsRequest) (*shapes.ListKeyRotationsResponse, error) {
	out := &shapes.ListKeyRotationsResponse{Rotations: []shapes.RotationsListEntry{}, Truncated: new(false)}
	all := value(in.IncludeKeyMaterial) == "ALL_KEY_MATERIAL"
	from := 1
	if in.Marker != nil {
		raw, err := base64.RawURLEncoding.Strict().DecodeString(*in.Marker)
		if err != nil {
			return nil, ErrInvalidMarker
		}
		n, err := strconv.Atoi(string(raw))
		if err != nil || n < 1 || n >= len(k.materials) {
			return nil, ErrInvalidMarker
		}
		from = n + 1
	}
	most := rotationsDefault
	if in.Limit != nil {
		most = int(*in.Limit)
	}
	last := from
	for _, m := range k.materials[from-1:] {
		if m.How == "" && !all {
			continue
		}
		if len(out.Rotations) == most {
			out.NextMarker, out.Truncated = new(base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(last)))), new(true)
			break
		}
		r := shapes.RotationsListEntry{KeyId: &k.id, KeyMaterialId: &m.ID}
		if m.How != "" {
			r.RotationDate, r.RotationType = &m.Created, &m.How
		}
		if all {
			state := "NON_CURRENT"
			if m == k.current() {
				state = "CURRENT"
			}
			r.KeyMaterialState = &state
		}
		out.Rotations = append(out.Rotations, r)
		last = m.number
	}
	return out, nil
}
