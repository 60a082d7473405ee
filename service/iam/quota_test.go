package iam

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/farhold/farhold/realm"
	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/wire/shapes/iam"
)

// TestQuotasHoldInRaces: however many come at once, no more are made than a
// quota allows, and none fewer.
func TestQuotasHoldInRaces(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	at := func(prefix string) (n int) {
		for range w.d.opt.Rows.Rows(prefix, "") {
			n++
		}
		return n
	}
	race := func(what, prefix string, limit, most int, create func(i int) error) {
		t.Helper()
		var made, full atomic.Int64
		var g sync.WaitGroup
		for i := range most {
			g.Go(func() {
				for {
					err := create(i)
					switch {
					case err == nil:
						made.Add(1)
					case ErrLimit.Is(err):
						full.Add(1)
					case errors.Is(err, realm.ErrRowConflict):
						continue // as a client would
					default:
						t.Errorf("%s: %v", what, err)
					}
					return
				}
			})
		}
		g.Wait()
		if n := at(prefix); n != limit || int(made.Load()+full.Load()) != most {
			t.Errorf("%s: %d of %d, %d made and %d refused of %d", what, n, limit, made.Load(), full.Load(), most)
		}
	}
	for _, k := range []kind{userKind, groupKind, roleKind} {
		before := at(entitiesPrefix(k, account))
		race(k.String(), entitiesPrefix(k, account), before+5, 24, func(i int) error {
			e := &entity{kind: k, account: account, name: fmt.Sprint("q", i), path: "/"}
			if k == roleKind {
				e.trust = trustS3
			}
			return w.s.create(ctx, e, before+5, "", "")
		})
	}
	for i := at(policiesPrefix(account)); i < policiesMax-3; {
		write(t, w.d.opt.Rows, func(tx Tx) error {
			for range 100 {
				if i == policiesMax-3 {
					break
				}
				if err := putManaged(tx, &managed{account: account, name: fmt.Sprint("full", i), path: "/", id: newID(policyID), standard: 1, last: 1, versions: []version{{1, allow("s3:*", "*"), w.now}}}); err != nil {
					return err
				}
				i++
			}
			return nil
		})
	}
	race("policy", policiesPrefix(account), policiesMax, 16, func(i int) error {
		return second2(w.s.createPolicy(ctx, &service.Call{Caller: w.rootC, Now: w.now}, &iamshapes.CreatePolicyRequest{PolicyName: ptr(fmt.Sprint("q", i)), PolicyDocument: ptr(allow("s3:*", "*"))}))
	})
	// What is guarded by the entity's own row: keys of a user, versions of a policy,
	// groups of a user, policies of an entity.
	name := "q0"
	if at(entityKey(userKind, account, name)) == 0 {
		name = "one"
		if err := w.s.create(ctx, &entity{kind: userKind, account: account, name: name, path: "/"}, usersMax, "", ""); err != nil {
			t.Fatal(err)
		}
	}
	keys := func() int {
		e, err := w.s.find(ctx, userKind, account, name)
		if err != nil {
			t.Fatal(err)
		}
		return len(e.keys)
	}
	var g sync.WaitGroup
	for range 12 {
		g.Go(func() {
			for {
				_, err := w.s.createKey(ctx, &service.Call{Caller: w.rootC, Now: w.now}, &iamshapes.CreateAccessKeyRequest{UserName: &name})
				if !errors.Is(err, realm.ErrRowConflict) {
					if err != nil && !ErrLimit.Is(err) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	g.Wait()
	if n := keys(); n != keysOfUserMax {
		t.Errorf("%d keys of a user", n)
	}
	full := policy1 + "full0"
	for range 12 {
		g.Go(func() {
			for {
				_, err := w.s.createVersion(ctx, &service.Call{Caller: w.rootC, Now: w.now}, &iamshapes.CreatePolicyVersionRequest{PolicyArn: &full, PolicyDocument: ptr(allow("s3:*", "*"))})
				if !errors.Is(err, realm.ErrRowConflict) {
					if err != nil && !ErrLimit.Is(err) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	g.Wait()
	if p, err := w.s.findPolicy(ctx, full); err != nil || len(p.versions) != versionsMax {
		t.Errorf("versions of a policy: %+v, %v", p, err)
	}
}
