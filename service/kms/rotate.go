package kms

import (
	"context"
	"time"

	"github.com/farhold/farhold/kv"
)

// Limits of rotation.
const (
	periodDefault    = 365 // days
	onDemandMax      = 25  // rotations by request, in a key's life
	materialsPerKey  = 1000
	rotationsDefault = 100 // in a page of ListKeyRotations
)

// enableRotation has a key rotated every so many days from now.
func (e *Engine) enableRotation(ctx context.Context, k *entry, period int) error {
	now := e.now()
	return e.change(ctx, k.id, func(tx *kv.Tx, r *record) error {
		if err := usable(r, k.arn); err != nil {
			return err
		}
		if r.Period != period {
			r.Period = period
			setNext(tx, k.id, r, now.Add(days(period)))
		}
		return nil
	})
}

// disableRotation ends automatic rotation.
func (e *Engine) disableRotation(ctx context.Context, k *entry) error {
	return e.change(ctx, k.id, func(tx *kv.Tx, r *record) error {
		if err := usable(r, k.arn); err != nil {
			return err
		}
		r.Period = 0
		setNext(tx, k.id, r, time.Time{})
		return nil
	})
}

// rotateOnDemand gives a key new material now. The schedule of automatic
// rotation stays as it is.
func (e *Engine) rotateOnDemand(ctx context.Context, k *entry) error {
	return e.rotate(ctx, k.id, onDemand, func(tx *kv.Tx, r *record) error {
		if err := usable(r, k.arn); err != nil {
			return err
		}
		if r.OnDemand >= onDemandMax {
			return ErrLimitExceeded.Text("The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key: %s", k.arn)
		}
		r.OnDemand++
		return nil
	})
}

// rotate gives a key new material, if allow agrees. The old material stays, so
// that what it encrypted can be read. Material is bound to its number, so one
// that was made for a number that somebody else took meanwhile is made again.
func (e *Engine) rotate(ctx context.Context, id, how string, allow func(tx *kv.Tx, r *record) error) error {
	var m *material
	made := 0
	return e.change(ctx, id, func(tx *kv.Tx, r *record) error {
		if err := allow(tx, r); err != nil {
			return err
		}
		if r.Materials >= materialsPerKey {
			return ErrLimitExceeded.Text("The key %s has %d key materials already.", e.keyARN(r.Account, id), r.Materials)
		}
		if number := r.Materials + 1; m == nil || made != number {
			var err error
			if m, err = e.newMaterial(ctx, r.Account, id, number, how); err != nil {
				return err
			}
			made = number
		}
		r.Materials = made
		tx.Put(materialKey(id, made), encodeRow(m))
		return nil
	})
}
