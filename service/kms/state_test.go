package kms

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/kv"
	shapes "github.com/farhold/farhold/wire/shapes/kms"
)

// describe is a key as DescribeKey shows it.
func (w *world) metadata(id string) *shapes.KeyMetadata {
	w.t.Helper()
	return must[shapes.DescribeKeyResponse](w, root(ours), "DescribeKey", &shapes.DescribeKeyRequest{KeyId: &id}).KeyMetadata
}

func TestCreateAndDescribe(t *testing.T) {
	w := newWorld(t)
	out := must[shapes.CreateKeyResponse](w, root(ours), "CreateKey", &shapes.CreateKeyRequest{
		Description: new("test key 123"), KeyUsage: new("ENCRYPT_DECRYPT"), Tags: []shapes.Tag{{TagKey: new("Team"), TagValue: new("blue")}},
	})
	m := out.KeyMetadata
	arn := "arn:aws:kms:us-east-1:111122223333:key/" + *m.KeyId
	if !validID(*m.KeyId) || *m.Arn != arn || *m.AWSAccountId != ours || !*m.Enabled || *m.Description != "test key 123" || *m.KeyState != "Enabled" ||
		*m.KeyManager != "CUSTOMER" || *m.KeySpec != symmetricDefault || *m.CustomerMasterKeySpec != symmetricDefault || *m.KeyUsage != "ENCRYPT_DECRYPT" ||
		*m.Origin != "AWS_KMS" || *m.MultiRegion || len(m.EncryptionAlgorithms) != 1 || len(*m.CurrentKeyMaterialId) != 64 || m.DeletionDate != nil ||
		!m.CreationDate.Equal(w.clock) {
		t.Errorf("%+v", m)
	}
	must[shapes.CreateAliasResponse](w, root(ours), "CreateAlias", &shapes.CreateAliasRequest{AliasName: new("alias/mine"), TargetKeyId: m.KeyId})
	for _, name := range []string{*m.KeyId, arn, "alias/mine", "arn:aws:kms:us-east-1:111122223333:alias/mine"} {
		if got := w.metadata(name); *got.Arn != arn || *got.CurrentKeyMaterialId != *m.CurrentKeyMaterialId {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if p := must[shapes.GetKeyPolicyResponse](w, root(ours), "GetKeyPolicy", &shapes.GetKeyPolicyRequest{KeyId: m.KeyId}); *p.Policy != policyRoot(ours) || *p.PolicyName != "default" {
		t.Errorf("%+v", p)
	}
}

func TestCreateRefused(t *testing.T) {
	w := newWorld(t)
	var many []shapes.Tag
	for i := range 51 {
		many = append(many, shapes.Tag{TagKey: new(fmt.Sprint(i)), TagValue: new("")})
	}
	for _, c := range []struct {
		in   shapes.CreateKeyRequest
		want string
	}{
		{shapes.CreateKeyRequest{KeySpec: new("HMAC_256")}, "ValidationException: You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."},
		{shapes.CreateKeyRequest{KeySpec: new("HMAC_256"), KeyUsage: new("GENERATE_VERIFY_MAC")}, "UnsupportedOperationException"},
		{shapes.CreateKeyRequest{KeyUsage: new("SIGN_VERIFY")}, "ValidationException: KeyUsage SIGN_VERIFY is not compatible with KeySpec SYMMETRIC_DEFAULT"},
		{shapes.CreateKeyRequest{KeySpec: new("RSA_2048"), KeyUsage: new("KEY_AGREEMENT")}, "ValidationException: KeyUsage KEY_AGREEMENT is not compatible with KeySpec RSA_2048"},
		{shapes.CreateKeyRequest{KeySpec: new("ECC_NIST_P256"), KeyUsage: new("KEY_AGREEMENT")}, "UnsupportedOperationException"},
		{shapes.CreateKeyRequest{KeySpec: new("HMAC_512"), KeyUsage: new("ENCRYPT_DECRYPT")}, "ValidationException: KeyUsage ENCRYPT_DECRYPT is not compatible with KeySpec HMAC_512"},
		{shapes.CreateKeyRequest{KeySpec: new("ML_DSA_44"), KeyUsage: new("SIGN_VERIFY")}, "UnsupportedOperationException"},
		{shapes.CreateKeyRequest{Origin: new("EXTERNAL")}, "UnsupportedOperationException"},
		{shapes.CreateKeyRequest{MultiRegion: new(true)}, "UnsupportedOperationException"},
		{shapes.CreateKeyRequest{CustomKeyStoreId: new("cks-1234567890abcdef0")}, "UnsupportedOperationException"},
		{shapes.CreateKeyRequest{KeySpec: new(symmetricDefault), CustomerMasterKeySpec: new(symmetricDefault)}, "ValidationException"},
		{shapes.CreateKeyRequest{Tags: many}, "TagException: Too many tags"},
		{shapes.CreateKeyRequest{Tags: []shapes.Tag{{TagKey: new("AWS:x"), TagValue: new("")}}}, "TagException: Tags beginning with aws: are reserved"},
		{shapes.CreateKeyRequest{Tags: []shapes.Tag{{TagKey: new("x"), TagValue: new("")}, {TagKey: new("x"), TagValue: new("")}}}, "TagException: Duplicate tag keys"},
		{shapes.CreateKeyRequest{Policy: new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/nobody"},"Action":"kms:*","Resource":"*"}]}`)},
			"MalformedPolicyDocumentException: Policy contains a statement with one or more invalid principals."},
		{shapes.CreateKeyRequest{Policy: new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:Encrypt","Resource":"*"}]}`)},
			"MalformedPolicyDocumentException: The new key policy will not allow you to update the key policy in the future."},
		{shapes.CreateKeyRequest{Policy: new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}`)}, "MalformedPolicyDocumentException"},
		{shapes.CreateKeyRequest{Policy: new(`{`)}, "MalformedPolicyDocumentException"},
	} {
		_, err := w.call(root(ours), "CreateKey", &c.in)
		wants(t, fmt.Sprintf("%+v", c.in), err, c.want)
	}
	if out := must[shapes.ListKeysResponse](w, root(ours), "ListKeys", &shapes.ListKeysRequest{}); len(out.Keys) != 0 {
		t.Errorf("%d keys were made", len(out.Keys))
	}
}

// TestNames has every form of a key's name that is wrong.
func TestNames(t *testing.T) {
	w := newWorld(t)
	id := w.newKey()
	const missing = "01234567-89ab-4cde-8f01-23456789abcd"
	for name, want := range map[string]string{
		missing: "NotFoundException: Key 'arn:aws:kms:us-east-1:111122223333:key/" + missing + "' does not exist",
		"arn:aws:kms:us-east-1:111122223333:key/" + missing:  "NotFoundException: Key 'arn:aws:kms:us-east-1:111122223333:key/" + missing + "' does not exist",
		"mrk-0123456789abcdef0123456789abcdef":               "NotFoundException: Key 'arn:aws:kms:us-east-1:111122223333:key/mrk-0123456789abcdef0123456789abcdef' does not exist",
		"fake-key-id":                                        "NotFoundException: Invalid keyId 'fake-key-id'",
		"134f2428cec14b25a1ae9048164dba47":                   "NotFoundException: Invalid keyId '134f2428cec14b25a1ae9048164dba47'",
		"mrk-fake-key-id":                                    "NotFoundException: Invalid keyId 'mrk-fake-key-id'",
		"arn:aws:kms:eu-west-1:111122223333:key/" + id:       "NotFoundException: Invalid arn eu-west-1",
		"alias/none":                                         "NotFoundException: Alias arn:aws:kms:us-east-1:111122223333:alias/none is not found.",
		"arn:aws:kms:us-east-1:111122223333:alias/none":      "NotFoundException: Alias arn:aws:kms:us-east-1:111122223333:alias/none is not found.",
		"arn:aws:s3:::bucket":                                "InvalidArnException",
		"arn:aws:kms:us-east-1:111122223333:something/" + id: "InvalidArnException",
		"arn:aws:kms:us-east-1:444455556666:key/" + id:       "AccessDeniedException: User: arn:aws:iam::111122223333:root is not authorized to perform: kms:DescribeKey on resource: arn:aws:kms:us-east-1:444455556666:key/" + id + " because no resource-based policy allows the kms:DescribeKey action",
		"arn:aws:kms:us-east-1:444455556666:alias/aws/s3":    "AccessDeniedException",
		"arn:aws:kms:us-east-1:444455556666:key/" + missing:  "AccessDeniedException: User: arn:aws:iam::111122223333:root is not authorized to perform: kms:DescribeKey on resource: arn:aws:kms:us-east-1:444455556666:key/" + missing + " because no resource-based policy allows the kms:DescribeKey action",
	} {
		_, err := w.call(root(ours), "DescribeKey", &shapes.DescribeKeyRequest{KeyId: &name})
		wants(t, name, err, want)
	}
	// Operations that manage a key take no alias.
	must[shapes.CreateAliasResponse](w, root(ours), "CreateAlias", &shapes.CreateAliasRequest{AliasName: new("alias/mine"), TargetKeyId: &id})
	_, err := w.call(root(ours), "DisableKey", &shapes.DisableKeyRequest{KeyId: new("alias/mine")})
	wants(t, "an alias", err, "NotFoundException: Invalid keyId 'alias/mine'")
	// A key ID of another account's key is no key of ours.
	_, err = w.call(root(theirs), "DescribeKey", &shapes.DescribeKeyRequest{KeyId: &id})
	wants(t, "their root", err, "NotFoundException: Key 'arn:aws:kms:us-east-1:444455556666:key/"+id+"' does not exist")
}

// TestStates tries every operation on keys in each state.
func TestStates(t *testing.T) {
	const grantee = "arn:aws:iam::111122223333:root"
	type row struct {
		op      string
		in      func(id string, blob []byte) any
		want    [3]string // Enabled, Disabled, PendingDeletion
		changes bool
	}
	disabled, pending := "DisabledException: KEY is disabled.", "KMSInvalidStateException: KEY is pending deletion."
	crypto := [3]string{"", disabled, pending}
	fine := [3]string{}
	notPending := [3]string{"", "", pending}
	for _, r := range []row{
		{"Encrypt", func(id string, _ []byte) any { return &shapes.EncryptRequest{KeyId: &id, Plaintext: []byte("x")} }, crypto, false},
		{"Decrypt", func(id string, b []byte) any { return &shapes.DecryptRequest{CiphertextBlob: b} }, crypto, false},
		{"ReEncrypt", func(id string, b []byte) any {
			return &shapes.ReEncryptRequest{CiphertextBlob: b, DestinationKeyId: &id}
		}, crypto, false},
		{"GenerateDataKey", func(id string, _ []byte) any {
			return &shapes.GenerateDataKeyRequest{KeyId: &id, KeySpec: new("AES_256")}
		}, crypto, false},
		{"GenerateDataKeyWithoutPlaintext", func(id string, _ []byte) any {
			return &shapes.GenerateDataKeyWithoutPlaintextRequest{KeyId: &id, KeySpec: new("AES_256")}
		}, crypto, false},
		{"DescribeKey", func(id string, _ []byte) any { return &shapes.DescribeKeyRequest{KeyId: &id} }, fine, false},
		{"GetKeyPolicy", func(id string, _ []byte) any { return &shapes.GetKeyPolicyRequest{KeyId: &id} }, fine, false},
		{"PutKeyPolicy", func(id string, _ []byte) any {
			return &shapes.PutKeyPolicyRequest{KeyId: &id, Policy: new(policyRoot(ours))}
		}, notPending, false},
		{"ListKeyPolicies", func(id string, _ []byte) any { return &shapes.ListKeyPoliciesRequest{KeyId: &id} }, fine, false},
		{"ListResourceTags", func(id string, _ []byte) any { return &shapes.ListResourceTagsRequest{KeyId: &id} }, fine, false},
		{"TagResource", func(id string, _ []byte) any {
			return &shapes.TagResourceRequest{KeyId: &id, Tags: []shapes.Tag{{TagKey: new("a"), TagValue: new("b")}}}
		}, notPending, false},
		{"UntagResource", func(id string, _ []byte) any { return &shapes.UntagResourceRequest{KeyId: &id, TagKeys: []string{"a"}} }, notPending, false},
		{"UpdateKeyDescription", func(id string, _ []byte) any {
			return &shapes.UpdateKeyDescriptionRequest{KeyId: &id, Description: new("d")}
		}, notPending, false},
		{"CreateAlias", func(id string, _ []byte) any {
			return &shapes.CreateAliasRequest{AliasName: new("alias/" + id), TargetKeyId: &id}
		}, notPending, false},
		{"ListAliases", func(id string, _ []byte) any { return &shapes.ListAliasesRequest{KeyId: &id} }, fine, false},
		{"EnableKeyRotation", func(id string, _ []byte) any { return &shapes.EnableKeyRotationRequest{KeyId: &id} }, crypto, false},
		{"DisableKeyRotation", func(id string, _ []byte) any { return &shapes.DisableKeyRotationRequest{KeyId: &id} }, crypto, false},
		{"GetKeyRotationStatus", func(id string, _ []byte) any { return &shapes.GetKeyRotationStatusRequest{KeyId: &id} }, fine, false},
		{"RotateKeyOnDemand", func(id string, _ []byte) any { return &shapes.RotateKeyOnDemandRequest{KeyId: &id} }, crypto, false},
		{"ListKeyRotations", func(id string, _ []byte) any { return &shapes.ListKeyRotationsRequest{KeyId: &id} }, fine, false},
		{"CreateGrant", func(id string, _ []byte) any {
			return &shapes.CreateGrantRequest{KeyId: &id, GranteePrincipal: new(grantee), Operations: []string{"Encrypt"}}
		}, crypto, false},
		{"ListGrants", func(id string, _ []byte) any { return &shapes.ListGrantsRequest{KeyId: &id} }, fine, false},
		{"CancelKeyDeletion", func(id string, _ []byte) any { return &shapes.CancelKeyDeletionRequest{KeyId: &id} },
			[3]string{"KMSInvalidStateException: KEY is not pending deletion.", "KMSInvalidStateException: KEY is not pending deletion.", ""}, true},
		{"EnableKey", func(id string, _ []byte) any { return &shapes.EnableKeyRequest{KeyId: &id} }, notPending, true},
		{"DisableKey", func(id string, _ []byte) any { return &shapes.DisableKeyRequest{KeyId: &id} }, notPending, true},
		{"ScheduleKeyDeletion", func(id string, _ []byte) any { return &shapes.ScheduleKeyDeletionRequest{KeyId: &id} }, notPending, true},
		{"Sign", func(id string, _ []byte) any { return &signRequest{KeyId: &id} }, [3]string{
			"InvalidKeyUsageException: KEY key usage is ENCRYPT_DECRYPT which is not valid for Sign.",
			"InvalidKeyUsageException: KEY key usage is ENCRYPT_DECRYPT which is not valid for Sign.",
			"InvalidKeyUsageException: KEY key usage is ENCRYPT_DECRYPT which is not valid for Sign."}, false},
		{"GetParametersForImport", func(id string, _ []byte) any { return &getParametersForImportRequest{KeyId: &id} }, [3]string{
			"UnsupportedOperationException: KEY origin is AWS_KMS which is not valid for this operation.",
			"UnsupportedOperationException: KEY origin is AWS_KMS which is not valid for this operation.",
			"UnsupportedOperationException: KEY origin is AWS_KMS which is not valid for this operation."}, false},
	} {
		for state, want := range r.want {
			w := newWorld(t)
			id := w.newKey()
			blob, _, err := w.Encrypt(t.Context(), asRoot(), id, []byte("x"), nil)
			if err != nil {
				t.Fatal(err)
			}
			switch state {
			case 1:
				must[shapes.DisableKeyResponse](w, root(ours), "DisableKey", &shapes.DisableKeyRequest{KeyId: &id})
			case 2:
				must[shapes.ScheduleKeyDeletionResponse](w, root(ours), "ScheduleKeyDeletion", &shapes.ScheduleKeyDeletionRequest{KeyId: &id})
			}
			_, err = w.call(root(ours), r.op, r.in(id, blob))
			what := r.op + " in " + []string{"Enabled", "Disabled", "PendingDeletion"}[state]
			wants(t, what, err, replaceKey(want, w.keyARN(ours, id)))
			if !r.changes {
				if got := *w.metadata(id).KeyState; got != []string{"Enabled", "Disabled", "PendingDeletion"}[state] {
					t.Errorf("%s changed it to %s", what, got)
				}
			}
		}
	}
}

func replaceKey(s, arn string) string {
	for i := 0; i+3 <= len(s); i++ {
		if s[i:i+3] == "KEY" {
			return s[:i] + arn + s[i+3:]
		}
	}
	return s
}

func TestDeletion(t *testing.T) {
	w := newWorld(t)
	id := w.newKey()
	blob, _, err := w.Encrypt(t.Context(), asRoot(), id, []byte("secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for days, want := range map[int32]string{
		6:  "ValidationException: 1 validation error detected: Value '6' at 'pendingWindowInDays' failed to satisfy constraint: Member must have value greater than or equal to 7",
		31: "ValidationException: 1 validation error detected: Value '31' at 'pendingWindowInDays' failed to satisfy constraint: Member must have value less than or equal to 30",
	} {
		_, err := w.call(root(ours), "ScheduleKeyDeletion", &shapes.ScheduleKeyDeletionRequest{KeyId: &id, PendingWindowInDays: &days})
		wants(t, fmt.Sprint(days), err, want)
	}
	out := must[shapes.ScheduleKeyDeletionResponse](w, root(ours), "ScheduleKeyDeletion", &shapes.ScheduleKeyDeletionRequest{KeyId: &id, PendingWindowInDays: new(int32(7))})
	if *out.KeyId != w.keyARN(ours, id) || *out.KeyState != "PendingDeletion" || *out.PendingWindowInDays != 7 || !out.DeletionDate.Equal(w.clock.Add(7*24*time.Hour)) {
		t.Errorf("%+v", out)
	}
	if m := w.metadata(id); *m.Enabled || !m.DeletionDate.Equal(*out.DeletionDate) {
		t.Errorf("%+v", m)
	}
	must[shapes.CancelKeyDeletionResponse](w, root(ours), "CancelKeyDeletion", &shapes.CancelKeyDeletionRequest{KeyId: &id})
	if m := w.metadata(id); *m.KeyState != "Disabled" || m.DeletionDate != nil {
		t.Errorf("after it was cancelled: %+v", m)
	}
	w.clock = w.clock.Add(40 * 24 * time.Hour)
	w.steps()
	must[shapes.EnableKeyResponse](w, root(ours), "EnableKey", &shapes.EnableKeyRequest{KeyId: &id})
	if got, _, err := w.Decrypt(t.Context(), asRoot(), blob, nil); err != nil || string(got) != "secret" {
		t.Errorf("after it was cancelled: %v", err)
	}

	// To the end this time, with all that a key can have.
	must[shapes.CreateAliasResponse](w, root(ours), "CreateAlias", &shapes.CreateAliasRequest{AliasName: new("alias/mine"), TargetKeyId: &id})
	must[shapes.TagResourceResponse](w, root(ours), "TagResource", &shapes.TagResourceRequest{KeyId: &id, Tags: []shapes.Tag{{TagKey: new("a"), TagValue: new("b")}}})
	must[shapes.EnableKeyRotationResponse](w, root(ours), "EnableKeyRotation", &shapes.EnableKeyRotationRequest{KeyId: &id})
	for i := range 300 {
		must[shapes.CreateGrantResponse](w, root(ours), "CreateGrant", &shapes.CreateGrantRequest{
			KeyId: &id, Name: new(fmt.Sprint(i)), GranteePrincipal: new(root(ours).ARN), RetiringPrincipal: new(root(ours).ARN), Operations: []string{"Encrypt"},
		})
	}
	must[shapes.ScheduleKeyDeletionResponse](w, root(ours), "ScheduleKeyDeletion", &shapes.ScheduleKeyDeletionRequest{KeyId: &id})
	w.clock = w.clock.Add(30*24*time.Hour - time.Second)
	if again, err := w.Step(t.Context()); err != nil || !again.Equal(w.clock.Add(time.Second)) {
		t.Errorf("a second early: %v, %v", again, err)
	}
	if m := w.metadata(id); *m.KeyState != "PendingDeletion" {
		t.Errorf("%+v", m)
	}
	w.clock = w.clock.Add(time.Second)
	if _, err := w.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string]any{
		"DescribeKey": &shapes.DescribeKeyRequest{KeyId: &id}, "CancelKeyDeletion": &shapes.CancelKeyDeletionRequest{KeyId: &id},
	} {
		_, err := w.call(root(ours), name, in)
		wants(t, name+" of a destroyed key", err, "NotFoundException: Key '"+w.keyARN(ours, id)+"' does not exist")
	}
	_, err = w.call(root(ours), "DescribeKey", &shapes.DescribeKeyRequest{KeyId: new("alias/mine")})
	wants(t, "its alias", err, "NotFoundException")
	_, _, err = w.Decrypt(t.Context(), asRoot(), blob, nil)
	wants(t, "its ciphertext", err, "AccessDeniedException")
	w.steps()
	for _, row := range w.rows() {
		if row != rowCount+ours {
			t.Errorf("%s is left", row)
		}
	}
}

// steps does all that is due.
func (w *world) steps() {
	w.t.Helper()
	for range 1000 {
		again, err := w.Step(w.t.(*testing.T).Context())
		if err != nil {
			w.t.Fatal(err)
		}
		if again.IsZero() || again.After(w.clock) {
			return
		}
	}
	w.t.Fatal("there is no end of what is due")
}

// rows lists the keys of all rows.
func (w *world) rows() []string {
	var keys []string
	err := w.read(w.t.(*testing.T).Context(), func(s kv.Snapshot) error {
		for p, err := range s.Scan(kv.Prefix([]byte(rowPrefix))) {
			if err != nil {
				return err
			}
			keys = append(keys, string(p.Key))
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return keys
}

func TestManagedKey(t *testing.T) {
	w := newWorld(t)
	alice := w.user(ours, "alice", allow("s3:*"))
	about := map[string]string{"aws:s3:arn": "arn:aws:s3:::bucket"}
	through := func(c *access.Caller) access.Actor {
		via := *c
		via.Via = "s3.us-east-1.amazonaws.com"
		return access.Actor{Caller: &via}
	}
	// A user without any permission for KMS may use it, through S3.
	k, err := w.GenerateDataKey(t.Context(), through(alice), "alias/aws/s3", 32, about)
	if err != nil {
		t.Fatal(err)
	}
	if got, arn, err := w.Decrypt(t.Context(), through(alice), k.Blob, about); err != nil || string(got) != string(k.Plain) || arn != k.KeyARN {
		t.Fatal(err)
	}
	again, err := w.GenerateDataKey(t.Context(), through(root(ours)), "alias/aws/s3", 32, about)
	if err != nil || again.KeyARN != k.KeyARN {
		t.Errorf("%s and %s, %v", again.KeyARN, k.KeyARN, err)
	}
	if arn, err := w.Resolve(t.Context(), ours, "alias/aws/s3"); err != nil || arn != k.KeyARN {
		t.Errorf("%s, %v", arn, err)
	}
	// But not by itself, nor through another service or region, nor from elsewhere.
	_, _, err = w.Decrypt(t.Context(), access.Actor{Caller: alice}, k.Blob, about)
	wants(t, "without S3", err, "AccessDeniedException")
	_, _, err = w.Decrypt(t.Context(), asRoot(), k.Blob, about)
	wants(t, "root without S3", err, "AccessDeniedException")
	far := through(alice)
	far.Caller.Via = "s3.eu-west-1.amazonaws.com"
	_, _, err = w.Decrypt(t.Context(), far, k.Blob, about)
	wants(t, "another region's S3", err, "AccessDeniedException")
	_, _, err = w.Decrypt(t.Context(), through(root(theirs)), k.Blob, about)
	wants(t, "another account", err, "AccessDeniedException")

	id := k.KeyARN[len(w.keyARN(ours, "")):]
	m := w.metadata("alias/aws/s3")
	if *m.KeyManager != "AWS" || *m.KeyId != id || *m.Description == "" {
		t.Errorf("%+v", m)
	}
	if s := must[shapes.GetKeyRotationStatusResponse](w, root(ours), "GetKeyRotationStatus", &shapes.GetKeyRotationStatusRequest{KeyId: &id}); !*s.KeyRotationEnabled || *s.RotationPeriodInDays != 365 {
		t.Errorf("%+v", s)
	}
	// Nobody may change it.
	no := func(op string) string {
		return "AccessDeniedException: User: arn:aws:iam::111122223333:root is not authorized to perform: kms:" + op + " on resource: " + k.KeyARN + " because no resource-based policy allows the kms:" + op + " action"
	}
	for op, in := range map[string]any{
		"DisableKey": &shapes.DisableKeyRequest{KeyId: &id}, "ScheduleKeyDeletion": &shapes.ScheduleKeyDeletionRequest{KeyId: &id},
		"PutKeyPolicy":       &shapes.PutKeyPolicyRequest{KeyId: &id, Policy: new(policyRoot(ours))},
		"DisableKeyRotation": &shapes.DisableKeyRotationRequest{KeyId: &id}, "RotateKeyOnDemand": &shapes.RotateKeyOnDemandRequest{KeyId: &id},
		"TagResource": &shapes.TagResourceRequest{KeyId: &id, Tags: []shapes.Tag{{TagKey: new("a"), TagValue: new("b")}}},
		"CreateAlias": &shapes.CreateAliasRequest{AliasName: new("alias/mine"), TargetKeyId: &id},
		"CreateGrant": &shapes.CreateGrantRequest{KeyId: &id, GranteePrincipal: &root(ours).ARN, Operations: []string{"Decrypt"}},
	} {
		_, err := w.call(root(ours), op, in)
		wants(t, op, err, no(op))
	}
	_, err = w.call(root(ours), "DeleteAlias", &shapes.DeleteAliasRequest{AliasName: new("alias/aws/s3")})
	wants(t, "DeleteAlias", err, "NotAuthorizedException")
	_, err = w.call(root(ours), "CreateAlias", &shapes.CreateAliasRequest{AliasName: new("alias/aws/mine"), TargetKeyId: new(w.newKey())})
	wants(t, "CreateAlias", err, "NotAuthorizedException")
	// Each account has its own.
	other, err := w.GenerateDataKey(t.Context(), through(root(theirs)), "alias/aws/s3", 32, nil)
	if err != nil || other.KeyARN == k.KeyARN {
		t.Errorf("%s, %v", other.KeyARN, err)
	}
	if _, err := w.GenerateDataKey(t.Context(), access.Actor{Caller: &access.Caller{}}, "alias/aws/s3", 32, nil); err == nil || errors.Is(err, awserr.ErrInternal) {
		t.Errorf("the anonymous: %v", err)
	}
}
