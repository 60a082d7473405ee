package kms

import (
	"testing"

	"github.com/farhold/farhold/access"
	shapes "github.com/farhold/farhold/wire/shapes/kms"
)

// keyWith makes a key of ours with a key policy of these statements besides
// one that lets our root manage it.
func (w *world) keyWith(statements string) string {
	w.t.Helper()
	id := newID()
	text := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + ours + `"},"Action":["kms:Describe*","kms:Put*","kms:CreateAlias","kms:CreateGrant","kms:ListGrants","kms:RevokeGrant","kms:ScheduleKeyDeletion"],"Resource":"*"}` + statements + `]}`
	if err := w.create(w.t.(*testing.T).Context(), &draft{id: id, account: ours, manager: managerCustomer, policy: text}); err != nil {
		w.t.Fatal(err)
	}
	return id
}

// TestDecisions uses keys under policies of both sides.
func TestDecisions(t *testing.T) {
	const alice, bob = "arn:aws:iam::111122223333:user/alice", "arn:aws:iam::444455556666:user/bob"
	grantTo := func(principal string) string {
		return `,{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":"kms:Encrypt","Resource":"*"}`
	}
	when := func(condition string) string {
		return `,{"Effect":"Allow","Principal":{"AWS":"` + alice + `"},"Action":"kms:*","Resource":"*","Condition":` + condition + `}`
	}
	about := map[string]string{"aws:s3:arn": "arn:aws:s3:::b/k", "Team": "blue"}
	for _, c := range []struct {
		what     string
		policy   string // statements of the key policy
		caller   string
		identity string
		name     string // of the key; empty means its ARN
		via      string
		about    map[string]string
		want     bool
	}{
		{"neither side", "", alice, "", "", "", nil, false},
		{"identity alone does nothing", "", alice, allow("kms:*"), "", "", nil, false},
		{"the key hands it to the account, the account gives nothing", grantTo(ours), alice, "", "", "", nil, false},
		{"the key hands it to the account, which allows", grantTo(ours), alice, allow("kms:Encrypt"), "", "", nil, true},
		{"the key hands it to the account, which allows something else", grantTo(ours), alice, allow("kms:Decrypt"), "", "", nil, false},
		{"the key names the user", grantTo(alice), alice, "", "", "", nil, true},
		{"the key names the user, the account denies", grantTo(alice), alice, `{"Effect":"Deny","Action":"kms:Encrypt","Resource":"*"}`, "", "", nil, false},
		{"the key denies", grantTo(alice) + `,{"Effect":"Deny","Principal":"*","Action":"kms:Encrypt","Resource":"*"}`, alice, allow("kms:*"), "", "", nil, false},
		{"another account, both sides", grantTo(bob), bob, allow("kms:Encrypt"), "", "", nil, true},
		{"another account, by its root", grantTo(theirs), bob, allow("kms:Encrypt"), "", "", nil, true},
		{"another account, the key alone", grantTo(bob), bob, "", "", "", nil, false},
		{"another account, identity alone", grantTo(ours), bob, allow("kms:*"), "", "", nil, false},
		{"via S3", when(`{"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}}`), alice, "", "", "s3.us-east-1.amazonaws.com", nil, true},
		{"not via S3", when(`{"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}}`), alice, "", "", "", nil, false},
		{"caller's account", when(`{"StringEquals":{"kms:CallerAccount":"111122223333"}}`), alice, "", "", "", nil, true},
		{"context", when(`{"StringEquals":{"kms:EncryptionContext:aws:s3:arn":"arn:aws:s3:::b/k"}}`), alice, "", "", "", about, true},
		{"context, like", when(`{"StringLike":{"kms:EncryptionContext:aws:s3:arn":"arn:aws:s3:::b/*"}}`), alice, "", "", "", about, true},
		{"context, another value", when(`{"StringEquals":{"kms:EncryptionContext:aws:s3:arn":"arn:aws:s3:::b"}}`), alice, "", "", "", about, false},
		{"context, absent", when(`{"StringEquals":{"kms:EncryptionContext:aws:s3:arn":"arn:aws:s3:::b/k"}}`), alice, "", "", "", nil, false},
		{"context, name in another case", when(`{"StringEquals":{"kms:EncryptionContext:TEAM":"blue"}}`), alice, "", "", "", about, true},
		{"context keys", when(`{"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":["Team","aws:s3:arn"]}}`), alice, "", "", "", about, true},
		{"context keys, one more", when(`{"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":["aws:s3:arn"]}}`), alice, "", "", "", about, false},
		{"context keys, in another case", when(`{"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":["team","aws:s3:arn"]}}`), alice, "", "", "", about, false},
		{"kind of key", when(`{"StringEquals":{"kms:KeyOrigin":"AWS_KMS","kms:KeySpec":"SYMMETRIC_DEFAULT","kms:KeyUsage":"ENCRYPT_DECRYPT"},"Bool":{"kms:MultiRegion":"false"}}`), alice, "", "", "", nil, true},
		{"by its alias", when(`{"StringEquals":{"kms:RequestAlias":"alias/mine"}}`), alice, "", "alias/mine", "", nil, true},
		{"by its ID, where the alias counts", when(`{"StringEquals":{"kms:RequestAlias":"alias/mine"}}`), alice, "", "", "", nil, false},
		{"has an alias", when(`{"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/mine"}}`), alice, "", "", "", nil, true},
		{"has another alias", when(`{"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/other"}}`), alice, "", "", "", nil, false},
	} {
		w := newWorld(t)
		w.exists[alice], w.exists[bob] = true, true
		id := w.keyWith(c.policy)
		k, err := w.key(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.createAlias(t.Context(), k, "alias/mine"); err != nil {
			t.Fatal(err)
		}
		account, user := ours, "alice"
		if c.caller == bob {
			account, user = theirs, "bob"
		}
		caller := w.user(account, user)
		if c.identity != "" {
			caller = w.user(account, user, c.identity)
		}
		caller.Via = c.via
		name := w.keyARN(ours, id)
		if c.name != "" {
			name = c.name
		}
		// As S3 asks, and through the door: they must agree.
		_, _, err = w.Encrypt(t.Context(), access.Actor{Caller: caller}, name, []byte("x"), c.about)
		_, again := w.call(caller, "Encrypt", &shapes.EncryptRequest{KeyId: &name, Plaintext: []byte("x"), EncryptionContext: c.about})
		want := "AccessDeniedException"
		if c.want {
			want = ""
		}
		wants(t, c.what, err, want)
		wants(t, c.what+", by the door", again, want)
	}
}

func TestPutKeyPolicy(t *testing.T) {
	w := newWorld(t)
	id := w.newKey()
	alice := w.user(ours, "alice")
	w.exists["arn:aws:iam::111122223333:role/there"] = true
	for principal, want := range map[string]string{
		`"*"`: "", `{"AWS":"*"}`: "", `{"AWS":"111122223333"}`: "", `{"AWS":"arn:aws:iam::111122223333:root"}`: "", `{"AWS":"444455556666"}`: "",
		`{"AWS":["` + alice.ARN + `","arn:aws:iam::111122223333:role/there"]}`: "",
		`{"Service":"s3.amazonaws.com"}`:                                       "",
		`{"AWS":"arn:aws:iam::111122223333:user/gone"}`:                        "MalformedPolicyDocumentException: Policy contains a statement with one or more invalid principals.",
		`{"AWS":["` + alice.ARN + `","arn:aws:iam::111122223333:role/gone"]}`:  "MalformedPolicyDocumentException: Policy contains a statement with one or more invalid principals.",
		`{"AWS":"bob"}`: "MalformedPolicyDocumentException: Policy contains a statement with one or more invalid principals.",
	} {
		text := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + ours + `"},"Action":"kms:*","Resource":"*"},{"Effect":"Allow","Principal":` + principal + `,"Action":"kms:Encrypt","Resource":"*"}]}`
		_, err := w.call(root(ours), "PutKeyPolicy", &shapes.PutKeyPolicyRequest{KeyId: new(id), Policy: &text})
		wants(t, principal, err, want)
		if err == nil {
			if got := must[shapes.GetKeyPolicyResponse](w, root(ours), "GetKeyPolicy", &shapes.GetKeyPolicyRequest{KeyId: new(id)}); *got.Policy != text {
				t.Errorf("%s", *got.Policy)
			}
		}
	}
	// A lone statement need not be in a list.
	one := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/gone"},"Action":"kms:*","Resource":"*"}}`
	_, err := w.call(root(ours), "PutKeyPolicy", &shapes.PutKeyPolicyRequest{KeyId: new(id), Policy: &one})
	wants(t, "a lone statement", err, "MalformedPolicyDocumentException: Policy contains a statement with one or more invalid principals.")

	// Shutting oneself out takes a word more.
	out := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + alice.ARN + `"},"Action":"kms:*","Resource":"*"}]}`
	_, err = w.call(root(ours), "PutKeyPolicy", &shapes.PutKeyPolicyRequest{KeyId: new(id), Policy: &out})
	wants(t, "locked out", err, "MalformedPolicyDocumentException: The new key policy will not allow you to update the key policy in the future.")
	must[shapes.PutKeyPolicyResponse](w, root(ours), "PutKeyPolicy", &shapes.PutKeyPolicyRequest{KeyId: new(id), Policy: &out, BypassPolicyLockoutSafetyCheck: new(true)})
	_, err = w.call(root(ours), "GetKeyPolicy", &shapes.GetKeyPolicyRequest{KeyId: new(id)})
	wants(t, "root, locked out", err, "AccessDeniedException")
	must[shapes.GetKeyPolicyResponse](w, alice, "GetKeyPolicy", &shapes.GetKeyPolicyRequest{KeyId: new(id)})
	_, err = w.call(alice, "GetKeyPolicy", &shapes.GetKeyPolicyRequest{KeyId: new(id), PolicyName: new("other")})
	wants(t, "another name", err, "NotFoundException: No such policy exists")
	if got := must[shapes.ListKeyPoliciesResponse](w, alice, "ListKeyPolicies", &shapes.ListKeyPoliciesRequest{KeyId: new(id)}); len(got.PolicyNames) != 1 || got.PolicyNames[0] != "default" {
		t.Errorf("%+v", got)
	}
	// A user who may do anything but change policies is shut out as well.
	bypass := w.user(ours, "erin", allow("kms:*"), `{"Effect":"Deny","Action":"kms:PutKeyPolicy","Resource":"*","Condition":{"Bool":{"kms:BypassPolicyLockoutSafetyCheck":"true"}}}`)
	other := w.newKey()
	_, err = w.call(bypass, "PutKeyPolicy", &shapes.PutKeyPolicyRequest{KeyId: &other, Policy: new(policyRoot(ours)), BypassPolicyLockoutSafetyCheck: new(true)})
	wants(t, "a bypass that is denied", err, "AccessDeniedException")
	must[shapes.PutKeyPolicyResponse](w, bypass, "PutKeyPolicy", &shapes.PutKeyPolicyRequest{KeyId: &other, Policy: new(policyRoot(ours))})
}

func TestGrants(t *testing.T) {
	w := newWorld(t)
	id := w.keyWith("")
	arn := w.keyARN(ours, id)
	alice, bob, carol := w.user(ours, "alice"), w.user(ours, "bob"), w.user(ours, "carol")
	admin := w.user(ours, "admin", allow("kms:*"))
	about := map[string]string{"Team": "blue", "App": "x"}
	use := func(c *access.Caller, about map[string]string) error {
		_, _, err := w.Encrypt(t.Context(), access.Actor{Caller: c}, arn, []byte("x"), about)
		_, again := w.call(c, "Encrypt", &shapes.EncryptRequest{KeyId: &arn, Plaintext: []byte("x"), EncryptionContext: about})
		if (err == nil) != (again == nil) {
			t.Errorf("S3 is told %v, the door %v", err, again)
		}
		return err
	}
	wants(t, "before", use(alice, about), "AccessDeniedException")
	in := func() *shapes.CreateGrantRequest {
		return &shapes.CreateGrantRequest{
			KeyId: &arn, GranteePrincipal: &alice.ARN, RetiringPrincipal: &bob.ARN, Operations: []string{"Encrypt", "DescribeKey"}, Name: new("one"),
			Constraints: &shapes.GrantConstraints{EncryptionContextSubset: map[string]string{"Team": "blue"}},
		}
	}
	g := must[shapes.CreateGrantResponse](w, admin, "CreateGrant", in())
	if !validGrantID(*g.GrantId) {
		t.Errorf("%q", *g.GrantId)
	}
	wants(t, "granted", use(alice, about), "")
	wants(t, "granted to alice, not to bob", use(bob, about), "AccessDeniedException")
	wants(t, "outside the constraint", use(alice, map[string]string{"Team": "red"}), "AccessDeniedException")
	wants(t, "without context", use(alice, nil), "AccessDeniedException")
	_, err := w.GenerateDataKey(t.Context(), access.Actor{Caller: alice}, arn, 32, about)
	wants(t, "an operation that was not granted", err, "AccessDeniedException")
	must[shapes.DescribeKeyResponse](w, alice, "DescribeKey", &shapes.DescribeKeyRequest{KeyId: new(arn), GrantTokens: []string{*g.GrantToken}})
	_, err = w.call(alice, "DescribeKey", &shapes.DescribeKeyRequest{KeyId: new(arn), GrantTokens: []string{"none of ours"}})
	wants(t, "a wrong token", err, "InvalidGrantTokenException")

	// A deny wins over a grant.
	w.user(ours, "alice", `{"Effect":"Deny","Action":"kms:Encrypt","Resource":"*"}`)
	wants(t, "denied", use(alice, about), "AccessDeniedException")
	w.user(ours, "alice")

	// The same name and the same rest is the same grant; tokens differ.
	again := must[shapes.CreateGrantResponse](w, admin, "CreateGrant", in())
	if *again.GrantId != *g.GrantId || *again.GrantToken == *g.GrantToken {
		t.Errorf("%s and %s", *again.GrantId, *g.GrantId)
	}
	other := in()
	other.Operations = []string{"Encrypt"}
	if x := must[shapes.CreateGrantResponse](w, admin, "CreateGrant", other); *x.GrantId == *g.GrantId {
		t.Error("another grant under the same name is the same one")
	}
	nameless := in()
	nameless.Name = nil
	x, y := must[shapes.CreateGrantResponse](w, admin, "CreateGrant", nameless), must[shapes.CreateGrantResponse](w, admin, "CreateGrant", nameless)
	if *x.GrantId == *y.GrantId {
		t.Error("grants without a name are one")
	}
	list := func(c *access.Caller, in *shapes.ListGrantsRequest) []shapes.GrantListEntry {
		t.Helper()
		in.KeyId = &arn
		var all []shapes.GrantListEntry
		for {
			out := must[shapes.ListGrantsResponse](w, c, "ListGrants", in)
			all = append(all, out.Grants...)
			if !*out.Truncated {
				return all
			}
			in.Marker = out.NextMarker
		}
	}
	if n := len(list(admin, &shapes.ListGrantsRequest{Limit: new(int32(3))})); n != 4 {
		t.Errorf("%d grants", n)
	}
	one := list(admin, &shapes.ListGrantsRequest{GrantId: g.GrantId})
	if len(one) != 1 || *one[0].GranteePrincipal != alice.ARN || *one[0].RetiringPrincipal != bob.ARN || *one[0].Name != "one" || *one[0].KeyId != arn ||
		*one[0].IssuingAccount != "arn:aws:iam::111122223333:root" || len(one[0].Operations) != 2 || one[0].Constraints.EncryptionContextSubset["Team"] != "blue" {
		t.Errorf("%+v", one)
	}
	if n := len(list(admin, &shapes.ListGrantsRequest{GranteePrincipal: &alice.ARN})); n != 4 {
		t.Errorf("%d grants to alice", n)
	}
	if n := len(list(admin, &shapes.ListGrantsRequest{GranteePrincipal: &carol.ARN})); n != 0 {
		t.Errorf("%d grants to carol", n)
	}
	if out := must[shapes.ListGrantsResponse](w, admin, "ListRetirableGrants", &shapes.ListRetirableGrantsRequest{RetiringPrincipal: &bob.ARN}); len(out.Grants) != 4 || *out.Grants[0].KeyId != arn {
		t.Errorf("%+v", out.Grants)
	}

	// Who may end it.
	retire := func(c *access.Caller, in *shapes.RetireGrantRequest) error {
		_, err := w.call(c, "RetireGrant", in)
		return err
	}
	byID := func(id *string) *shapes.RetireGrantRequest {
		return &shapes.RetireGrantRequest{KeyId: new(arn), GrantId: id}
	}
	wants(t, "carol", retire(carol, byID(g.GrantId)), "AccessDeniedException")
	wants(t, "alice, whose grant does not let her", retire(alice, byID(g.GrantId)), "AccessDeniedException")
	dry := byID(g.GrantId)
	dry.DryRun = new(true)
	wants(t, "a dry run", retire(bob, dry), "DryRunOperationException: The request would have succeeded, but the DryRun option is set.")
	wants(t, "bob", retire(bob, &shapes.RetireGrantRequest{GrantToken: g.GrantToken}), "")
	wants(t, "bob again", retire(bob, byID(g.GrantId)), "AccessDeniedException")
	wants(t, "root", retire(root(ours), byID(x.GrantId)), "")
	wants(t, "both names", retire(root(ours), &shapes.RetireGrantRequest{KeyId: &arn, GrantId: y.GrantId, GrantToken: y.GrantToken}), "ValidationException")
	wants(t, "a wrong token", retire(root(ours), &shapes.RetireGrantRequest{GrantToken: new("AAAA")}), "InvalidGrantTokenException")
	wants(t, "a wrong ID", retire(root(ours), byID(new("12"))), "InvalidGrantIdException")
	for _, e := range list(admin, &shapes.ListGrantsRequest{}) {
		must[shapes.RevokeGrantResponse](w, admin, "RevokeGrant", &shapes.RevokeGrantRequest{KeyId: new(arn), GrantId: e.GrantId})
		_, err := w.call(admin, "RevokeGrant", &shapes.RevokeGrantRequest{KeyId: new(arn), GrantId: e.GrantId})
		wants(t, "revoked twice", err, "NotFoundException")
	}
	wants(t, "when all are gone", use(alice, about), "AccessDeniedException")
	// What was named can be named again.
	if z := must[shapes.CreateGrantResponse](w, admin, "CreateGrant", in()); *z.GrantId == *g.GrantId {
		t.Error("a grant that was ended is back")
	}
}

// TestGrantsOnGrants: whoever may grant by a grant gives no more than it has.
func TestGrantsOnGrants(t *testing.T) {
	w := newWorld(t)
	id := w.keyWith("")
	arn := w.keyARN(ours, id)
	alice, bob := w.user(ours, "alice"), w.user(ours, "bob")
	admin := w.user(ours, "admin", allow("kms:*"))
	blue := map[string]string{"Team": "blue"}
	must[shapes.CreateGrantResponse](w, admin, "CreateGrant", &shapes.CreateGrantRequest{
		KeyId: new(arn), GranteePrincipal: &alice.ARN, Operations: []string{"Encrypt", "CreateGrant", "RetireGrant"}, Constraints: &shapes.GrantConstraints{EncryptionContextSubset: blue},
	})
	for _, c := range []struct {
		what        string
		operations  []string
		constraints *shapes.GrantConstraints
		want        string
	}{
		{"no constraint", []string{"Encrypt"}, nil, "AccessDeniedException"},
		{"another operation", []string{"Encrypt", "Decrypt"}, &shapes.GrantConstraints{EncryptionContextSubset: blue}, "AccessDeniedException"},
		{"another constraint", []string{"Encrypt"}, &shapes.GrantConstraints{EncryptionContextSubset: map[string]string{"Team": "red"}}, "AccessDeniedException"},
		{"the same", []string{"Encrypt"}, &shapes.GrantConstraints{EncryptionContextSubset: blue}, ""},
		{"narrower", []string{"Encrypt"}, &shapes.GrantConstraints{EncryptionContextEquals: map[string]string{"Team": "blue", "App": "x"}}, ""},
		{"to grant on", []string{"CreateGrant"}, &shapes.GrantConstraints{EncryptionContextSubset: blue}, ""},
	} {
		_, err := w.call(alice, "CreateGrant", &shapes.CreateGrantRequest{KeyId: new(arn), GranteePrincipal: &bob.ARN, Operations: c.operations, Constraints: c.constraints})
		wants(t, c.what, err, c.want)
	}
	for what, c := range map[string]*shapes.CreateGrantRequest{
		"InvalidArnException": {GranteePrincipal: new("bob"), Operations: []string{"Encrypt"}},
		"InvalidArnException: ARN does not refer to a valid principal: arn:aws:iam::111122223333:user/gone": {GranteePrincipal: new("arn:aws:iam::111122223333:user/gone"), Operations: []string{"Encrypt"}},
		"ValidationException":           {GranteePrincipal: &bob.ARN, Operations: []string{"Sign"}},
		"UnsupportedOperationException": {GranteeServicePrincipal: new("s3.amazonaws.com"), Operations: []string{"Encrypt"}},
		"DryRunOperationException":      {GranteePrincipal: &bob.ARN, Operations: []string{"Encrypt"}, DryRun: new(true)},
	} {
		c.KeyId = new(arn)
		_, err := w.call(admin, "CreateGrant", c)
		wants(t, what, err, what)
	}
	if out := must[shapes.ListGrantsResponse](w, admin, "ListGrants", &shapes.ListGrantsRequest{KeyId: new(arn)}); len(out.Grants) != 4 {
		t.Errorf("%d grants", len(out.Grants))
	}
}

// TestCallRows has the small rules of the operations that use keys.
func TestCallRules(t *testing.T) {
	w := newWorld(t)
	id, other := w.newKey(), w.newKey()
	about := map[string]string{"a": "1"}
	enc := must[shapes.EncryptResponse](w, root(ours), "Encrypt", &shapes.EncryptRequest{KeyId: new(id), Plaintext: []byte("x"), EncryptionContext: about})
	if *enc.KeyId != w.keyARN(ours, id) || *enc.EncryptionAlgorithm != symmetricDefault {
		t.Errorf("%+v", enc)
	}
	huge := map[string]string{"a": string(make([]byte, aboutMax))}
	dry := "DryRunOperationException: The request would have succeeded, but the DryRun option is set."
	bad := "IncorrectKeyException: The key ID in the request does not identify a CMK that can perform this operation."
	for _, c := range []struct {
		what, op string
		in       any
		want     string
	}{
		{"another key", "Decrypt", &shapes.DecryptRequest{CiphertextBlob: enc.CiphertextBlob, EncryptionContext: about, KeyId: &other}, bad},
		{"its key", "Decrypt", &shapes.DecryptRequest{CiphertextBlob: enc.CiphertextBlob, EncryptionContext: about, KeyId: new(id)}, ""},
		{"no ciphertext", "Decrypt", &shapes.DecryptRequest{}, "ValidationException"},
		{"none of ours", "Decrypt", &shapes.DecryptRequest{CiphertextBlob: []byte("nonsense")}, "InvalidCiphertextException: "},
		{"none of ours, with a key", "Decrypt", &shapes.DecryptRequest{CiphertextBlob: []byte("nonsense"), KeyId: new(id)}, "InvalidCiphertextException: "},
		{"no context", "Decrypt", &shapes.DecryptRequest{CiphertextBlob: enc.CiphertextBlob}, "InvalidCiphertextException: "},
		{"another algorithm", "Decrypt", &shapes.DecryptRequest{CiphertextBlob: enc.CiphertextBlob, EncryptionAlgorithm: new("RSAES_OAEP_SHA_1")}, "InvalidKeyUsageException: Algorithm RSAES_OAEP_SHA_1 is incompatible with key spec SYMMETRIC_DEFAULT."},
		{"dry", "Decrypt", &shapes.DecryptRequest{CiphertextBlob: enc.CiphertextBlob, EncryptionContext: about, DryRun: new(true)}, dry},
		{"dry and wrong", "Decrypt", &shapes.DecryptRequest{CiphertextBlob: enc.CiphertextBlob, DryRun: new(true)}, "InvalidCiphertextException: "},
		{"dry without ciphertext", "Decrypt", &shapes.DecryptRequest{KeyId: new(id), DryRun: new(true), DryRunModifiers: []string{"IGNORE_CIPHERTEXT"}}, dry},
		{"dry without anything", "Decrypt", &shapes.DecryptRequest{DryRun: new(true), DryRunModifiers: []string{"IGNORE_CIPHERTEXT"}}, "ValidationException"},
		{"an enclave", "Decrypt", &shapes.DecryptRequest{CiphertextBlob: enc.CiphertextBlob, Recipient: &shapes.RecipientInfo{}}, "UnsupportedOperationException"},
		{"dry", "Encrypt", &shapes.EncryptRequest{KeyId: new(id), Plaintext: []byte("x"), DryRun: new(true)}, dry},
		{"a long context", "Encrypt", &shapes.EncryptRequest{KeyId: new(id), Plaintext: []byte("x"), EncryptionContext: huge}, "ValidationException"},
		{"neither", "GenerateDataKey", &shapes.GenerateDataKeyRequest{KeyId: new(id)}, "ValidationException: Please specify either number of bytes or key spec."},
		{"both", "GenerateDataKey", &shapes.GenerateDataKeyRequest{KeyId: new(id), KeySpec: new("AES_256"), NumberOfBytes: new(int32(32))}, "ValidationException: Please specify either number of bytes or key spec."},
		{"dry", "GenerateDataKey", &shapes.GenerateDataKeyRequest{KeyId: new(id), KeySpec: new("AES_256"), DryRun: new(true)}, dry},
		{"dry", "GenerateDataKeyWithoutPlaintext", &shapes.GenerateDataKeyWithoutPlaintextRequest{KeyId: new(id), KeySpec: new("AES_256"), DryRun: new(true)}, dry},
		{"another source", "ReEncrypt", &shapes.ReEncryptRequest{CiphertextBlob: enc.CiphertextBlob, SourceEncryptionContext: about, SourceKeyId: new(other), DestinationKeyId: new(other)}, bad},
		{"dry", "ReEncrypt", &shapes.ReEncryptRequest{CiphertextBlob: enc.CiphertextBlob, SourceEncryptionContext: about, DestinationKeyId: new(other), DryRun: new(true)}, dry},
		{"no length", "GenerateRandom", &shapes.GenerateRandomRequest{}, "ValidationException: NumberOfBytes is required."},
	} {
		_, err := w.call(root(ours), c.op, c.in)
		wants(t, c.op+", "+c.what, err, c.want)
	}
	re := must[shapes.ReEncryptResponse](w, root(ours), "ReEncrypt", &shapes.ReEncryptRequest{
		CiphertextBlob: enc.CiphertextBlob, SourceEncryptionContext: about, DestinationKeyId: new(other), DestinationEncryptionContext: map[string]string{"b": "2"},
	})
	dec := must[shapes.DecryptResponse](w, root(ours), "Decrypt", &shapes.DecryptRequest{CiphertextBlob: re.CiphertextBlob, EncryptionContext: map[string]string{"b": "2"}})
	if string(dec.Plaintext) != "x" || *dec.KeyId != w.keyARN(ours, other) || *re.SourceKeyId != w.keyARN(ours, id) || *re.KeyId != *dec.KeyId {
		t.Errorf("%+v", re)
	}
	for n, k := range map[int]*shapes.GenerateDataKeyWithoutPlaintextRequest{32: {KeySpec: new("AES_256")}, 16: {KeySpec: new("AES_128")}, 1000: {NumberOfBytes: new(int32(1000))}} {
		k.KeyId = new(id)
		out := must[shapes.GenerateDataKeyWithoutPlaintextResponse](w, root(ours), "GenerateDataKeyWithoutPlaintext", k)
		if dec := must[shapes.DecryptResponse](w, root(ours), "Decrypt", &shapes.DecryptRequest{CiphertextBlob: out.CiphertextBlob}); len(dec.Plaintext) != n {
			t.Errorf("%d bytes, want %d", len(dec.Plaintext), n)
		}
	}
	a := must[shapes.GenerateRandomResponse](w, root(ours), "GenerateRandom", &shapes.GenerateRandomRequest{NumberOfBytes: new(int32(1024))})
	b := must[shapes.GenerateRandomResponse](w, root(ours), "GenerateRandom", &shapes.GenerateRandomRequest{NumberOfBytes: new(int32(1024))})
	if len(a.Plaintext) != 1024 || string(a.Plaintext) == string(b.Plaintext) {
		t.Error("not random")
	}
	// ReEncrypt needs a permission at each end.
	from, to := w.user(ours, "from", allow("kms:ReEncryptFrom")), w.user(ours, "to", allow("kms:ReEncryptTo"))
	both := w.user(ours, "both", allow("kms:ReEncrypt*"))
	same := w.user(ours, "same", `{"Effect":"Allow","Action":"kms:ReEncrypt*","Resource":"*","Condition":{"Bool":{"kms:ReEncryptOnSameKey":"true"}}}`)
	for _, c := range []struct {
		who  *access.Caller
		to   string
		want string
	}{{from, other, "AccessDeniedException"}, {to, other, "AccessDeniedException"}, {both, other, ""}, {same, other, "AccessDeniedException"}, {same, id, ""}} {
		_, err := w.call(c.who, "ReEncrypt", &shapes.ReEncryptRequest{CiphertextBlob: enc.CiphertextBlob, SourceEncryptionContext: about, DestinationKeyId: new(c.to)})
		wants(t, "ReEncrypt by "+c.who.Name, err, c.want)
	}
}

// TestListKeys pages through many.
func TestListKeys(t *testing.T) {
	w := newWorld(t)
	want := map[string]bool{}
	for range 25 {
		want[w.newKey()] = true
	}
	in := &shapes.ListKeysRequest{Limit: new(int32(10))}
	for pages := 1; ; pages++ {
		out := must[shapes.ListKeysResponse](w, root(ours), "ListKeys", in)
		for _, k := range out.Keys {
			if !want[*k.KeyId] || *k.KeyArn != w.keyARN(ours, *k.KeyId) {
				t.Errorf("%+v", k)
			}
			delete(want, *k.KeyId)
		}
		if !*out.Truncated {
			if pages != 3 || out.NextMarker != nil {
				t.Errorf("%d pages", pages)
			}
			break
		}
		in.Marker = out.NextMarker
	}
	if len(want) != 0 {
		t.Errorf("%d keys are missing", len(want))
	}
}
