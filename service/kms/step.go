package kms

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/farhold/farhold/kv"
)

// Bounds of a Step.
const (
	dueSeen  = 256 // due rows looked at, so that one that fails doesn't hide those behind it
	dueDone  = 16  // of which at most so many are done
	purgeMax = 500 // rows deleted in a transaction
)

// errNotDue ends the work on a due row that the key no longer agrees with.
var errNotDue = errors.New("kms: not due")

// Step rotates and destroys what is due, a bounded number of keys at a time,
// and tells when to come again: it is a work.Stepper. What it does to one key is
// one transaction, and doing it twice is doing it once, so that a crash anywhere
// leaves either the due row or its effect.
func (e *Engine) Step(ctx context.Context) (again time.Time, err error) {
	now := e.now()
	var due []string
	var next time.Time
	err = e.read(ctx, func(s kv.Snapshot) error {
		for p, err := range s.Scan(kv.Prefix([]byte(rowDue))) {
			if err != nil {
				return err
			}
			row := string(p.Key[len(rowDue):])
			at, err := dueTime(row)
			if err != nil {
				return err
			}
			if at.After(now) || len(due) == dueSeen {
				next = at
				return nil
			}
			due = append(due, row)
		}
		return nil
	})
	if err != nil {
		return time.Time{}, err
	}
	var failed []error
	done := 0
	for _, row := range due {
		if done == dueDone {
			return now, errors.Join(failed...)
		}
		more, err := e.do(ctx, row, now)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		if more {
			next = now
		}
		done++
	}
	return next, errors.Join(failed...)
}

// dueTime gives the time in a due row: time/ID/kind.
func dueTime(row string) (time.Time, error) {
	at, _, _ := strings.Cut(row, "/")
	us, err := strconv.ParseInt(at, 16, 64)
	if err != nil || len(at) != 16 || len(row) != 16+1+36+2 {
		return time.Time{}, fmt.Errorf("%w: %q", errRow, row)
	}
	return time.UnixMicro(us).UTC(), nil
}

// do does what a due row asks for. more says that it isn't over.
func (e *Engine) do(ctx context.Context, row string, now time.Time) (more bool, err error) {
	at, err := dueTime(row)
	if err != nil {
		return false, err
	}
	id, kind := row[17:17+36], row[17+36:]
	switch kind {
	case dueRotation:
		err = e.rotateDue(ctx, id, at, now)
	case dueDeletion:
		more, err = e.destroy(ctx, id, at)
	default:
		err = fmt.Errorf("%w: %q", errRow, row)
	}
	if errors.Is(err, errNoKey) || errors.Is(err, errNotDue) {
		// The key has moved on: the row is of no use to anybody.
		err = e.update(ctx, func(tx *kv.Tx) error {
			r, err := readRecord(tx, id)
			if err != nil && !errors.Is(err, errNoKey) {
				return err
			}
			if r != nil && (kind == dueDeletion && r.Deletion.Equal(at) || kind == dueRotation && r.Next.Equal(at) && r.State == Enabled && !r.Gone) {
				return nil // it has come to agree meanwhile
			}
			tx.Delete(path(rowDue, row))
			return nil
		})
		return false, err
	}
	return more, err
}

// rotateDue rotates a key whose time has come and sets the next one. A key that
// isn't enabled loses its due row, and gets it back when it is enabled.
func (e *Engine) rotateDue(ctx context.Context, id string, at, now time.Time) error {
	return e.rotate(ctx, id, automatic, func(tx *kv.Tx, r *record) error {
		if r.State != Enabled || !r.Next.Equal(at) || r.Period == 0 {
			return errNotDue
		}
		next := at.Add(days(r.Period))
		if !next.After(now) { // a region that was off for long makes up for it once
			next = now.Add(days(r.Period))
		}
		setNext(tx, id, r, next)
		return nil
	})
}

// destroy destroys a key whose window is over. Its material, policy and aliases
// go in the first transaction, and with them all that was encrypted; what is left
// of it goes after that, so many rows at a time, and the key's own row last.
func (e *Engine) destroy(ctx context.Context, id string, at time.Time) (more bool, err error) {
	err = e.update(ctx, func(tx *kv.Tx) error {
		more = true
		r, err := readRecord(tx, id)
		if err != nil {
			return err
		}
		if r.State != PendingDeletion || !r.Deletion.Equal(at) {
			return errNotDue
		}
		tx.Frees()
		if !r.Gone {
			materials, err := keysUnder(tx, path(rowMaterial, id, "/"))
			if err != nil {
				return err
			}
			named, err := keysUnder(tx, path(rowNamed, id, "/"))
			if err != nil {
				return err
			}
			for _, row := range materials {
				tx.Delete([]byte(row))
			}
			for _, row := range named {
				deleteAliasRows(tx, r.Account, id, row[len(rowNamed)+len(id)+1:])
			}
			tx.Delete(path(rowPolicy, id))
			setNext(tx, id, r, time.Time{})
			r.Gone, r.Aliases = true, 0
			writeRecord(tx, id, r)
			return nil
		}
		left, err := purge(tx, id)
		if err != nil || left {
			writeRecord(tx, id, r)
			return err
		}
		more = false
		tx.Delete(path(rowKey, id))
		tx.Delete(path(rowOwned, r.Account, "/", id))
		tx.Delete(path(rowDue, timeText(at), "/", id, dueDeletion))
		return countKeys(tx, r.Account, -1)
	}, id)
	return more, err
}

// purge deletes tags and grants of a key that is gone, and tells whether there
// may be more of them.
func purge(tx *kv.Tx, id string) (left bool, err error) {
	tags, err := keysUnder(tx, path(rowTag, id, "/"))
	if err != nil {
		return false, err
	}
	n := len(tags)
	for _, t := range tags {
		tx.Delete([]byte(t))
	}
	var grants []*grant
	for p, err := range tx.Scan(kv.Prefix(path(rowGrant, id, "/"))) {
		if err != nil {
			return false, err
		}
		if n += 4; n > purgeMax {
			left = true
			break
		}
		g := new(grant)
		if err := decodeRow(p.Value, g); err != nil {
			return false, err
		}
		grants = append(grants, g)
	}
	for _, g := range grants {
		deleteGrantRows(tx, g)
	}
	return left, nil
}

// keysUnder lists the keys of rows, of which a KMS key has a bounded number. A
// transaction is not written to while it scans.
func keysUnder(tx *kv.Tx, prefix []byte) ([]string, error) {
	var keys []string
	for p, err := range tx.Scan(kv.Prefix(prefix)) {
		if err != nil {
			return nil, err
		}
		keys = append(keys, string(p.Key))
	}
	return keys, nil
}
