package realm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/farhold/farhold/arn"
	"github.com/farhold/farhold/kv"
)

func newOrganization(t *testing.T, n *node) *Organization {
	t.Helper()
	o, err := NewOrganization(n.realm)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestAccounts(t *testing.T) {
	c := newCluster(t, Options{})
	ctx := context.Background()
	west, eu := c.regions["us-west-2"], c.regions["eu-west-1"]
	a, key, err := west.realm.CreateAccount(ctx, "Partner")
	if err != nil {
		t.Fatal(err)
	}
	if !arn.ValidAccount(a.ID) || a.ID[0] == '0' || a.Name != "Partner" || a.Created.IsZero() || !strings.HasPrefix(key.AccessKey, "AKIA") || len(key.AccessKey) != 20 || len(key.Secret) != 40 {
		t.Errorf("made %+v, key %s", a, key.AccessKey)
	}
	o := newOrganization(t, eu)
	// Before the feed has brought it, home is asked.
	for range 2 {
		id, secret, ok, err := o.RootKey(ctx, key.AccessKey)
		if err != nil || !ok || id != a.ID || secret != key.Secret {
			t.Errorf("RootKey = %s, %v, %v", id, ok, err)
		}
		if ok, err := o.Exists(ctx, a.ID); !ok || err != nil {
			t.Errorf("Exists = %v, %v", ok, err)
		}
		if _, _, ok, err := o.RootKey(ctx, "AKIAUNKNOWN000000000"); ok || err != nil {
			t.Errorf("an unknown key: %v, %v", ok, err)
		}
		c.follow()
	}
	for _, name := range []string{"partner", "PARTNER", "root"} {
		if _, _, err := eu.realm.CreateAccount(ctx, name); !errors.Is(err, ErrAccountHas) {
			t.Errorf("a second %s: %v", name, err)
		}
	}
	for _, name := range []string{"", strings.Repeat("x", 51), "a\nb", " a", "123456789012", "\xff"} {
		if _, _, err := eu.realm.CreateAccount(ctx, name); !errors.Is(err, ErrAccountName) {
			t.Errorf("account %q: %v", name, err)
		}
	}
	list, err := eu.realm.Accounts()
	if err != nil || len(list) != 2 || !list[0].First || list[0].ID != account || list[1] != a {
		t.Errorf("Accounts = %+v, %v", list, err)
	}
	for _, q := range []string{a.ID, "Partner", "partner"} {
		if got, err := eu.realm.FindAccount(q); err != nil || got != a {
			t.Errorf("FindAccount(%s) = %+v, %v", q, got, err)
		}
	}
	for _, q := range []string{"999999999999", "nobody"} {
		if _, err := eu.realm.FindAccount(q); !errors.Is(err, ErrNoAccount) {
			t.Errorf("FindAccount(%s): %v", q, err)
		}
	}
	// The secret lies nowhere in clear.
	for _, n := range c.regions {
		snap, err := n.kv.Snapshot(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for p, err := range snap.Scan(kv.Span{}) {
			if err != nil || bytes.Contains(p.Value, []byte(key.Secret)) {
				t.Errorf("%s: the secret is in row %q (%v)", n.name, p.Key, err)
			}
		}
		snap.Close()
	}
	if err := west.realm.SuspendAccount(ctx, a.ID, true); err != nil {
		t.Fatal(err)
	}
	c.follow()
	if _, _, ok, err := o.RootKey(ctx, key.AccessKey); ok || err != nil {
		t.Errorf("the key of a suspended account: %v, %v", ok, err)
	}
	if levels, err := o.ServiceControl(ctx, a.ID); err != nil || len(levels) != 1 || len(levels[0]) != 0 {
		t.Errorf("what binds a suspended account: %v, %v", levels, err)
	}
	if levels, err := o.ResourceControl(ctx, a.ID); err != nil || len(levels) != 1 || len(levels[0]) != 0 {
		t.Errorf("what binds the resources of a suspended account: %v, %v", levels, err)
	}
	if err := west.realm.SuspendAccount(ctx, a.ID, false); err != nil {
		t.Fatal(err)
	}
	c.follow()
	if levels, err := o.ResourceControl(ctx, a.ID); err != nil || levels != nil {
		t.Errorf("what binds the resources of an account that is no longer suspended: %v, %v", levels, err)
	}
	if _, _, ok, err := o.RootKey(ctx, key.AccessKey); !ok || err != nil {
		t.Errorf("the key of an account that is no longer suspended: %v, %v", ok, err)
	}
	if err := west.realm.SuspendAccount(ctx, account, true); err == nil {
		t.Error("the first account was suspended")
	}
}

func TestOrganisationPolicies(t *testing.T) {
	c := newCluster(t, Options{})
	ctx := context.Background()
	home, west := c.regions["us-east-1"], c.regions["us-west-2"]
	a, _, err := home.realm.CreateAccount(ctx, "Partner")
	if err != nil {
		t.Fatal(err)
	}
	c.follow()
	o := newOrganization(t, west)
	levels := func(want string) {
		t.Helper()
		c.follow()
		scp, err := o.ServiceControl(ctx, a.ID)
		if err != nil {
			t.Fatal(err)
		}
		rcp, err := o.ResourceControl(ctx, a.ID)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, l := range append(scp, rcp...) {
			got += fmt.Sprint(len(l))
		}
		if got != want {
			t.Errorf("levels of %s policies, want %s", got, want)
		}
	}
	const deny = `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"s3:DeleteBucket","Resource":"*"}}`
	const denyRCP = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`
	attach := func(k ControlKind, name, doc string) error {
		return west.realm.AttachControl(ctx, a.ID, k, Control{name, doc})
	}
	levels("")
	if err := attach(ServiceControl, "deny", deny); err != nil {
		t.Fatal(err)
	}
	levels("2")
	before, _ := o.ServiceControl(ctx, a.ID)
	if err := attach(ResourceControl, "tls", denyRCP); err != nil {
		t.Fatal(err)
	}
	levels("22")
	if _, _, err := home.realm.CreateAccount(ctx, "Other"); err != nil {
		t.Fatal(err)
	}
	mid, _ := o.ServiceControl(ctx, a.ID)
	levels("22")
	if after, _ := o.ServiceControl(ctx, a.ID); &after[0] != &mid[0] || len(before) != 1 {
		t.Error("an answer that has not changed is another slice")
	}
	if got := west.realm.Controls(a.ID, ServiceControl); len(got) != 2 || got[0].Name != FullAccess || got[1] != (Control{"deny", deny}) {
		t.Errorf("Controls = %+v", got)
	}
	for name, err := range map[string]error{
		"no JSON":            attach(ServiceControl, "x", "{"),
		"another case":       attach(ServiceControl, "x", strings.Replace(deny, "Effect", "effect", 1)),
		"a principal":        attach(ServiceControl, "x", denyRCP),
		"no principal":       attach(ResourceControl, "x", deny),
		"an RCP that allows": attach(ResourceControl, "x", strings.Replace(denyRCP, "Deny", "Allow", 1)),
		"no name":            attach(ServiceControl, "", deny),
		"a path for a name":  attach(ServiceControl, "a/b", deny),
		"too long":           attach(ServiceControl, "x", deny+strings.Repeat(" ", controlLength)),
		"no kind":            attach("xcp", "x", deny),
		"no account":         west.realm.AttachControl(ctx, "999999999999", ServiceControl, Control{"x", deny}),
		"first account":      west.realm.AttachControl(ctx, account, ServiceControl, Control{"x", deny}),
		"detach of none":     west.realm.DetachControl(ctx, a.ID, ServiceControl, "none"),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for i := range 3 {
		if err := attach(ServiceControl, fmt.Sprint("more", i), deny); err != nil {
			t.Fatal(err)
		}
	}
	if err := attach(ServiceControl, "sixth", deny); err == nil {
		t.Error("a sixth policy was attached")
	}
	if err := attach(ServiceControl, "deny", deny); err != nil {
		t.Errorf("one in place of another: %v", err)
	}
	for _, name := range []string{"deny", "more0", "more1", "more2"} {
		if err := west.realm.DetachControl(ctx, a.ID, ServiceControl, name); err != nil {
			t.Fatal(err)
		}
	}
	levels("2") // only the resource control policies are left beside full access
	if err := west.realm.DetachControl(ctx, a.ID, ServiceControl, FullAccess); err == nil {
		t.Error("the last policy was detached")
	}
	if levels, err := o.ServiceControl(ctx, "999999999999"); err != nil || len(levels) != 1 || len(levels[0]) != 0 {
		t.Errorf("what binds an account that nobody knows: %v, %v", levels, err)
	}
	if levels, err := o.ServiceControl(ctx, account); err != nil || levels != nil {
		t.Errorf("what binds the first account: %v, %v", levels, err)
	}
}
