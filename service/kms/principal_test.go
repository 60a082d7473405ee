package kms

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/kv/memkv"
	"github.com/farhold/farhold/policy"
	shapes "github.com/farhold/farhold/wire/shapes/kms"
)

func TestAWSPrincipals(t *testing.T) {
	for text, want := range map[string]string{
		`{"Statement":[]}`:                        "",
		`{"Statement":{"Principal":"*"}}`:         "",
		`{"Statement":{"Principal":{"AWS":"a"}}}`: "a",
		`{"Statement":[{"Principal":{"AWS":["a", "b"]}},{"NotPrincipal" : {"Service":"s","AWS" : "c"}}]}`:        "a b c",
		`{"Statement":[{"Principal":{"Service":["AWS","s"]},"Condition":{"StringEquals":{"AWS":["x"]}}}]}`:       "",
		`{"Id":"AWS","Statement":[{"Sid":"Principal","Action":["AWS"],"Principal":{"AWS":"d"},"Effect":"e"}]}`:   "d",
		`{"Principal":{"AWS":"x"},"Statement":[]}`:                                                               "",
		`{"Statement":[{"Condition":{"ArnEquals":{"aws:PrincipalArn":"arn:x"}},"Principal":{"AWS":"\u0061b"}}]}`: "ab",
	} {
		places, err := awsPrincipals(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		var names []string
		for _, p := range places {
			names = append(names, p.name)
			if lit := text[p.start:p.end]; lit[0] != '"' || lit[len(lit)-1] != '"' {
				t.Errorf("%s: %s", text, lit)
			}
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
		swapped, err := rename(text, func(name string) (string, bool, error) { return name + name, name != "b", nil })
		if err != nil {
			t.Fatal(err)
		}
		back, err := rename(swapped, func(name string) (string, bool, error) { return name[:len(name)/2], name != "b", nil })
		if err != nil || strings.ReplaceAll(back, "ab", `\u0061b`) != strings.ReplaceAll(text, "ab", `\u0061b`) {
			t.Errorf("%s became %s and then %s, %v", text, swapped, back, err)
		}
	}
}

// TestMadeAgain: a user who was deleted and made again under the old name is
// another one to key policies and to grants.
func TestMadeAgain(t *testing.T) {
	w := newWorld(t)
	ids := map[string]string{} // by ARN
	w.opt.IDOf = func(_ context.Context, arn string) (string, bool, error) { id, ok := ids[arn]; return id, ok, nil }
	w.opt.ARNOf = func(_ context.Context, id string) (string, bool, error) {
		for arn, has := range ids {
			if has == id {
				return arn, true, nil
			}
		}
		return "", false, nil
	}
	alice := w.user(ours, "alice")
	bob := w.user(ours, "bob")
	ids[alice.ARN], ids[bob.ARN] = alice.UserID, bob.UserID
	id := w.newKey()
	text := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + ours + `"},"Action":"kms:*","Resource":"*"},
 {"Effect":"Allow","Principal":{"AWS":["` + alice.ARN + `"]},"Action":"kms:Encrypt","Resource":"*","Condition":{"ArnLike":{"aws:PrincipalArn":"` + alice.ARN + `"}}}]}`
	must[shapes.PutKeyPolicyResponse](w, root(ours), "PutKeyPolicy", &shapes.PutKeyPolicyRequest{KeyId: new(id), Policy: &text})
	shown := func() string {
		return *must[shapes.GetKeyPolicyResponse](w, root(ours), "GetKeyPolicy", &shapes.GetKeyPolicyRequest{KeyId: new(id)}).Policy
	}
	if shown() != text {
		t.Errorf("%s", shown())
	}
	g := must[shapes.CreateGrantResponse](w, root(ours), "CreateGrant", &shapes.CreateGrantRequest{
		KeyId: new(id), GranteePrincipal: &bob.ARN, RetiringPrincipal: &bob.ARN, Operations: []string{"Encrypt"},
	})
	use := func(c *access.Caller) error {
		_, _, err := w.Encrypt(t.Context(), access.Actor{Caller: c}, id, []byte("x"), nil)
		return err
	}
	wants(t, "alice", use(alice), "")
	wants(t, "bob", use(bob), "")

	again := func(c *access.Caller) *access.Caller {
		n := *c
		n.UserID = "AIDAAGAIN" + c.UserID[4:]
		ids[c.ARN] = n.UserID
		return &n
	}
	gone := alice.UserID
	alice, bob = again(alice), again(bob)
	wants(t, "another alice", use(alice), "AccessDeniedException")
	wants(t, "another bob", use(bob), "AccessDeniedException")
	_, err := w.call(bob, "RetireGrant", &shapes.RetireGrantRequest{KeyId: new(w.keyARN(ours, id)), GrantId: g.GrantId})
	wants(t, "another bob retires", err, "AccessDeniedException")
	if got := shown(); !strings.Contains(got, `["`+gone+`"]`) || !strings.Contains(got, `"aws:PrincipalArn":"`+alice.ARN+`"`) {
		t.Errorf("%s", got)
	}
	// A policy that names who is gone can't be put again.
	_, err = w.call(root(ours), "PutKeyPolicy", &shapes.PutKeyPolicyRequest{KeyId: new(id), Policy: new(shown())})
	wants(t, "an ID of who is gone", err, "MalformedPolicyDocumentException: Policy contains a statement with one or more invalid principals.")
	must[shapes.PutKeyPolicyResponse](w, root(ours), "PutKeyPolicy", &shapes.PutKeyPolicyRequest{KeyId: new(id), Policy: &text})
	wants(t, "another alice, named", use(alice), "")
}

// TestOthersSecrets: what another account's names stand for can't be told from
// answers.
func TestOthersSecrets(t *testing.T) {
	w := newWorld(t)
	id := w.newKey()
	k, err := w.key(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.createAlias(t.Context(), k, "alias/there"); err != nil {
		t.Fatal(err)
	}
	const there, gone = "arn:aws:kms:us-east-1:111122223333:alias/there", "arn:aws:kms:us-east-1:111122223333:alias/gone"
	for _, c := range []*access.Caller{root(theirs), w.user(theirs, "bob"), w.user(theirs, "carl", allow("kms:*"))} {
		for _, op := range []string{"Encrypt", "DescribeKey"} {
			var texts []string
			for _, name := range []string{there, gone} {
				var in any = &shapes.DescribeKeyRequest{KeyId: &name}
				if op == "Encrypt" {
					in = &shapes.EncryptRequest{KeyId: &name, Plaintext: []byte("x")}
				}
				_, err := w.call(c, op, in)
				wants(t, op, err, "AccessDeniedException")
				texts = append(texts, err.Error()[:strings.Index(err.Error(), "explicitly denies access")])
			}
			if texts[0] != texts[1] || strings.Contains(texts[0], id) {
				t.Errorf("%s and %s", texts[0], texts[1])
			}
		}
	}
	for name, want := range map[string]string{there: "NotFoundException", gone: "NotFoundException"} {
		_, err := w.Resolve(t.Context(), theirs, name)
		wants(t, name, err, want)
	}
	for name, want := range map[string]string{
		"alias/there": w.keyARN(ours, id), there: w.keyARN(ours, id), id: w.keyARN(ours, id), w.keyARN(ours, id): w.keyARN(ours, id),
		w.keyARN(theirs, id): w.keyARN(theirs, id),
	} {
		if got, err := w.Resolve(t.Context(), ours, name); got != want || err != nil {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	_, err = w.Resolve(t.Context(), ours, "alias/gone")
	wants(t, "alias/gone", err, "NotFoundException")
}

// TestUsingReadsNothing: once a key was used, its use reads no row.
func TestUsingReadsNothing(t *testing.T) {
	store := memkv.New(memkv.Faults(func(memkv.Op, int64) memkv.Fault { return memkv.Fault{} }))
	w := worldOn(t, store, region)
	id := w.newKey()
	alice := w.user(ours, "alice")
	k, err := w.key(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.createAlias(t.Context(), k, "alias/mine"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.createGrant(t.Context(), k, grant{Grantee: alice.ARN, Account: ours, Operations: []string{"Encrypt", "Decrypt", "GenerateDataKey"}}); err != nil {
		t.Fatal(err)
	}
	use := func() {
		for _, by := range []access.Actor{{Caller: alice}, asRoot()} {
			for _, name := range []string{id, "alias/mine", w.keyARN(ours, id)} {
				blob, _, err := w.Encrypt(t.Context(), by, name, []byte("x"), nil)
				if err == nil {
					_, _, err = w.Decrypt(t.Context(), by, blob, nil)
				}
				if err == nil {
					_, err = w.GenerateDataKey(t.Context(), by, name, 32, nil)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	use()
	before := store.Ops()
	use()
	if n := store.Ops() - before; n != 0 {
		t.Errorf("%d operations of the store", n)
	}
}

func TestLimits(t *testing.T) {
	w := newWorld(t)
	id := w.newKey()
	set := func(fn func(r *record)) {
		if err := w.change(t.Context(), id, func(_ *kv.Tx, r *record) error { fn(r); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	set(func(r *record) { r.Grants = grantsPerKey })
	_, err := w.call(root(ours), "CreateGrant", &shapes.CreateGrantRequest{KeyId: new(id), GranteePrincipal: &root(ours).ARN, Operations: []string{"Encrypt"}})
	wants(t, "grants", err, "LimitExceededException")
	set(func(r *record) { r.Grants = grantsPerKey - 1 })
	must[shapes.CreateGrantResponse](w, root(ours), "CreateGrant", &shapes.CreateGrantRequest{KeyId: new(id), GranteePrincipal: &root(ours).ARN, Operations: []string{"Encrypt"}})
	if err := w.update(t.Context(), func(tx *kv.Tx) error {
		tx.Put(path(rowCount, ours), encodeRow(counts{Keys: keysPerAccount}))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	_, err = w.call(root(ours), "CreateKey", &shapes.CreateKeyRequest{})
	wants(t, "keys", err, "LimitExceededException")
	_, err = w.call(root(ours), "CreateKey", &shapes.CreateKeyRequest{Policy: new(strings.Repeat(" ", policyMax+1))})
	wants(t, "a long policy", err, "LimitExceededException")
}

// TestManyGrants: more grants of one principal than are kept in memory.
func TestManyGrants(t *testing.T) {
	w := newWorld(t)
	id := w.keyWith("")
	alice := w.user(ours, "alice")
	k, err := w.key(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for i := range grantsMax/16 + 10 {
		g := grant{Grantee: alice.ARN, Account: ours, Operations: []string{"Encrypt"}, Equals: map[string]string{"n": fmt.Sprint(i)}}
		if _, err := w.createGrant(t.Context(), k, g); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range map[int]string{0: "", grantsMax/16 + 9: "", grantsMax/16 + 10: "AccessDeniedException"} {
		_, _, err := w.Encrypt(t.Context(), access.Actor{Caller: alice}, w.keyARN(ours, id), []byte("x"), map[string]string{"n": fmt.Sprint(i)})
		wants(t, fmt.Sprint(i), err, want)
	}
}

// TestChangedIsTold: whoever waits for keys hears of each change.
func TestChangedIsTold(t *testing.T) {
	w := newWorld(t)
	n := 0
	w.opt.Changed = func() { n++ }
	id := w.newKey()
	for _, op := range []struct {
		name string
		in   any
	}{
		{"DisableKey", &shapes.DisableKeyRequest{KeyId: new(id)}}, {"EnableKey", &shapes.EnableKeyRequest{KeyId: new(id)}},
		{"PutKeyPolicy", &shapes.PutKeyPolicyRequest{KeyId: new(id), Policy: new(policyRoot(ours))}},
		{"CreateAlias", &shapes.CreateAliasRequest{AliasName: new("alias/mine"), TargetKeyId: new(id)}},
		{"CreateGrant", &shapes.CreateGrantRequest{KeyId: new(id), GranteePrincipal: &root(ours).ARN, Operations: []string{"Encrypt"}}},
	} {
		before := n
		if _, err := w.call(root(ours), op.name, op.in); err != nil || n == before {
			t.Errorf("%s: nobody was told, %v", op.name, err)
		}
	}
	before := n
	must[shapes.DescribeKeyResponse](w, root(ours), "DescribeKey", &shapes.DescribeKeyRequest{KeyId: new(id)})
	if n != before {
		t.Error("a look is no change")
	}
}

// FuzzPrincipals: whatever the policy language takes, its principals are found
// where they stand, and putting others there leaves a policy with those.
func FuzzPrincipals(f *testing.F) {
	f.Add(policyRoot(ours))
	f.Add(policyS3(region, ours))
	f.Add(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","NotPrincipal":{"Service":"s3.amazonaws.com","AWS":["*","arn:aws:iam::111122223333:user/\u0061"]},"Action":"kms:*","Resource":"*"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := policy.Parse([]byte(text), policy.Resource); err != nil {
			return
		}
		places, err := awsPrincipals(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		swapped, err := rename(text, func(string) (string, bool, error) { return theirs, true, nil })
		if err != nil {
			t.Fatal(err)
		}
		if _, err := policy.Parse([]byte(swapped), policy.Resource); err != nil {
			t.Fatalf("%s became %s: %v", text, swapped, err)
		}
		again, err := awsPrincipals(swapped)
		if err != nil || len(again) != len(places) {
			t.Fatalf("%d principals became %d, %v", len(places), len(again), err)
		}
		for _, p := range again {
			if p.name != theirs {
				t.Errorf("%q in %s", p.name, swapped)
			}
		}
	})
}
