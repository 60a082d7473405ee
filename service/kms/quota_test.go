package kms

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/farhold/farhold/kv"
)

// TestQuotasHoldInRaces: however many come at once, an account has no more keys
// and a key no more grants and aliases than its quota allows.
func TestQuotasHoldInRaces(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	id := w.newKey()
	k, err := w.key(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	race := func(what string, left int, create func(i int) error) {
		t.Helper()
		var made atomic.Int64
		var g sync.WaitGroup
		for i := range 12 {
			g.Go(func() {
				switch err := create(i); {
				case err == nil:
					made.Add(1)
				case !errors.Is(err, ErrLimitExceeded):
					t.Errorf("%s: %v", what, err)
				}
			})
		}
		g.Wait()
		if int(made.Load()) != left {
			t.Errorf("%s: %d made where %d were left", what, made.Load(), left)
		}
	}
	err = w.update(ctx, func(tx *kv.Tx) error {
		tx.Put(path(rowCount, ours), encodeRow(counts{Keys: keysPerAccount - 3}))
		return changeKey(tx, id, func(_ *kv.Tx, r *record) error {
			r.Grants, r.Aliases = grantsPerKey-3, aliasesPerKey-3
			return nil
		})
	}, id)
	if err != nil {
		t.Fatal(err)
	}
	race("keys", 3, func(int) error {
		return w.create(ctx, &draft{id: newID(), account: ours, policy: policyRoot(ours), manager: managerCustomer})
	})
	race("grants", 3, func(i int) error {
		return second(w.createGrant(ctx, k, grant{Grantee: fmt.Sprintf("arn:aws:iam::%s:user/u%d", ours, i), Account: ours, Operations: []string{"Decrypt"}}))
	})
	race("aliases", 3, func(i int) error { return w.createAlias(ctx, k, fmt.Sprint("alias/a", i)) })
}
