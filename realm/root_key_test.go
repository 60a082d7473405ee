package realm

import (
	"context"
	"errors"
	"testing"
)

// TestResetRootKey replaces the key of a root user: in every region the new one
// counts at once and the old one no more, and no row of the old one is left.
func TestResetRootKey(t *testing.T) {
	c := newCluster(t, Options{})
	ctx := context.Background()
	west := c.regions["us-west-2"]
	a, old, err := west.realm.CreateAccount(ctx, "Partner")
	if err != nil {
		t.Fatal(err)
	}
	c.follow()
	key, err := west.realm.ResetRootKey(ctx, a.ID)
	if err != nil || key.AccessKey == old.AccessKey || key.Secret == old.Secret {
		t.Fatalf("the same key again, or %v", err)
	}
	for range 2 {
		o := newOrganization(t, west)
		if id, secret, ok, err := o.RootKey(ctx, key.AccessKey); err != nil || !ok || id != a.ID || secret != key.Secret {
			t.Errorf("the new key: %s, %v, %v", id, ok, err)
		}
		c.follow()
		if _, _, ok, err := o.RootKey(ctx, old.AccessKey); ok || err != nil {
			t.Errorf("the old key: %v, %v", ok, err)
		}
	}
	for _, n := range c.regions {
		if _, ok := n.realm.Row(rootKeyKey(old.AccessKey)); ok {
			t.Errorf("%s: the row of the old key is there", n.name)
		}
		if list, err := n.realm.Accounts(); err != nil || len(list) != 2 || list[1] != a {
			t.Errorf("%s: accounts %+v, %v", n.name, list, err)
		}
	}
	if _, err := west.realm.ResetRootKey(ctx, account); !errors.Is(err, ErrFirstRootKey) {
		t.Errorf("the first account's: %v", err)
	}
	if _, err := west.realm.ResetRootKey(ctx, "999999999999"); !errors.Is(err, ErrNoAccount) {
		t.Errorf("of no account: %v", err)
	}
}
