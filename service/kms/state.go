package kms

import (
	"context"
	"time"

	"github.com/farhold/farhold/kv"
)

// Days that may pass between the wish to delete a key and its destruction.
const (
	windowMin     = 7
	windowMax     = 30
	windowDefault = 30
)

// enable makes a key usable. A rotation that fell due while it was not comes
// at the next Step.
func (e *Engine) enable(ctx context.Context, k *entry) error {
	return e.change(ctx, k.id, func(tx *kv.Tx, r *record) error {
		if err := pending(r, k.arn); err != nil {
			return err
		}
		r.State = Enabled
		if !r.Next.IsZero() {
			setNext(tx, k.id, r, r.Next)
		}
		return nil
	})
}

// disable makes a key unusable. When it returns, nobody uses it any more.
func (e *Engine) disable(ctx context.Context, k *entry) error {
	return e.change(ctx, k.id, func(tx *kv.Tx, r *record) error {
		if err := pending(r, k.arn); err != nil {
			return err
		}
		r.State = Disabled
		return nil
	})
}

// scheduleDeletion has a key destroyed after a number of days, and gives the
// time of that.
func (e *Engine) scheduleDeletion(ctx context.Context, k *entry, window int) (time.Time, error) {
	at := e.now().Add(days(window))
	err := e.change(ctx, k.id, func(tx *kv.Tx, r *record) error {
		if err := pending(r, k.arn); err != nil {
			return err
		}
		r.State, r.Window = PendingDeletion, window
		setDeletion(tx, k.id, r, at)
		return nil
	})
	return at, err
}

// cancelDeletion takes the wish back. The key is disabled then.
func (e *Engine) cancelDeletion(ctx context.Context, k *entry) error {
	return e.change(ctx, k.id, func(tx *kv.Tx, r *record) error {
		if r.State != PendingDeletion {
			return ErrInvalidState.Text("%s is not pending deletion.", k.arn)
		}
		r.State, r.Window = Disabled, 0
		setDeletion(tx, k.id, r, time.Time{})
		return nil
	})
}

// describe changes a key's description.
func (e *Engine) describe(ctx context.Context, k *entry, description string) error {
	return e.change(ctx, k.id, func(tx *kv.Tx, r *record) error {
		if err := pending(r, k.arn); err != nil {
			return err
		}
		r.Description = description
		return nil
	})
}

// putPolicy changes a key's policy, which was checked before.
func (e *Engine) putPolicy(ctx context.Context, k *entry, text string) error {
	return e.change(ctx, k.id, func(tx *kv.Tx, r *record) error {
		if err := pending(r, k.arn); err != nil {
			return err
		}
		tx.Put(path(rowPolicy, k.id), []byte(text))
		return nil
	})
}

// Kinds of due rows.
const (
	dueDeletion = "/x"
	dueRotation = "/r"
)

// setDeletion sets when a key is destroyed, and its due row; the zero time
// means never.
func setDeletion(tx *kv.Tx, id string, r *record, at time.Time) {
	setDue(tx, id, dueDeletion, &r.Deletion, at)
}

// setNext sets when a key is rotated next, and its due row.
func setNext(tx *kv.Tx, id string, r *record, at time.Time) {
	setDue(tx, id, dueRotation, &r.Next, at)
}

func setDue(tx *kv.Tx, id, kind string, field *time.Time, at time.Time) {
	if !field.IsZero() {
		tx.Delete(path(rowDue, timeText(*field), "/", id, kind))
	}
	*field = at
	if !at.IsZero() {
		tx.Put(path(rowDue, timeText(at), "/", id, kind), nil)
	}
}
