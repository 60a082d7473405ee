package kms

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/access/accesstest"
	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/service/servicetest"
	"github.com/farhold/farhold/wire/sigv4"
)

const testSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

// people are callers by their access keys.
type people map[string]*access.Caller

func (p people) Secret(_ context.Context, key, token string) (string, any, error) {
	c := p[key]
	switch {
	case c == nil:
		return "", nil, sigv4.ErrUnknownKey
	case token != "":
		return "", nil, sigv4.ErrBadToken
	}
	return testSecret, c, nil
}

// serve puts the engine behind its door.
func (w *world) serve(p people) (srv *httptest.Server, performed func() int64) {
	w.t.Helper()
	s := w.Service()
	performed = servicetest.Count(s)
	_, srv = servicetest.Serve(w.t, s, service.Options{Region: region, Verifier: &sigv4.Verifier{Credentials: p, Services: []string{"kms"}}, Decider: w.decider})
	return srv, performed
}

func client(srv *httptest.Server, key string) *awskms.Client {
	return awskms.New(awskms.Options{
		Region: region, BaseEndpoint: &srv.URL, RetryMaxAttempts: 5, Credentials: credentials.NewStaticCredentialsProvider(key, testSecret, ""),
	})
}

// code gives the code and the text of an error as the SDK has it.
func code(err error) string {
	var e smithy.APIError
	if !errors.As(err, &e) {
		return ""
	}
	return e.ErrorCode() + ": " + e.ErrorMessage()
}

// TestSDK walks through the operations with AWS's own client.
func TestSDK(t *testing.T) {
	w := newWorld(t)
	alice := w.user(ours, "alice", allow("kms:Decrypt"))
	srv, _ := w.serve(people{"AKIAROOT": root(ours), "AKIATHEIRS": root(theirs), "AKIAALICE": alice})
	ctx := t.Context()
	c, a, far := client(srv, "AKIAROOT"), client(srv, "AKIAALICE"), client(srv, "AKIATHEIRS")
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	made, err := c.CreateKey(ctx, &awskms.CreateKeyInput{Description: aws.String("walk"), Tags: []types.Tag{{TagKey: aws.String("a"), TagValue: aws.String("b")}}})
	ok(err)
	m := made.KeyMetadata
	id, arn := m.KeyId, m.Arn
	if m.KeyState != types.KeyStateEnabled || m.KeyManager != types.KeyManagerTypeCustomer || !m.CreationDate.Equal(w.clock) || *m.Description != "walk" || len(*m.CurrentKeyMaterialId) != 64 {
		t.Errorf("%+v", m)
	}
	_, err = c.CreateAlias(ctx, &awskms.CreateAliasInput{AliasName: aws.String("alias/walk"), TargetKeyId: id})
	ok(err)
	about := map[string]string{"z": "1", "a": "ü"}
	enc, err := c.Encrypt(ctx, &awskms.EncryptInput{KeyId: aws.String("alias/walk"), Plaintext: []byte("hello"), EncryptionContext: about})
	ok(err)
	if *enc.KeyId != *arn || enc.EncryptionAlgorithm != types.EncryptionAlgorithmSpecSymmetricDefault {
		t.Errorf("%+v", enc)
	}
	dec, err := a.Decrypt(ctx, &awskms.DecryptInput{CiphertextBlob: enc.CiphertextBlob, EncryptionContext: about})
	ok(err)
	if string(dec.Plaintext) != "hello" || *dec.KeyId != *arn || *dec.KeyMaterialId != *m.CurrentKeyMaterialId {
		t.Errorf("%+v", dec)
	}
	for what, f := range map[string]func() error{
		"InvalidCiphertextException: ": func() error {
			_, err := c.Decrypt(ctx, &awskms.DecryptInput{CiphertextBlob: enc.CiphertextBlob})
			return err
		},
		"AccessDeniedException: User: arn:aws:iam::111122223333:user/alice is not authorized to perform: kms:Encrypt on resource: " + *arn + " because no identity-based policy allows the kms:Encrypt action": func() error {
			_, err := a.Encrypt(ctx, &awskms.EncryptInput{KeyId: id, Plaintext: []byte("x")})
			return err
		},
		"AccessDeniedException: User: arn:aws:iam::444455556666:root is not authorized to perform: kms:Decrypt on the resource associated with this ciphertext because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access": func() error {
			_, err := far.Decrypt(ctx, &awskms.DecryptInput{CiphertextBlob: enc.CiphertextBlob, EncryptionContext: about})
			return err
		},
		"DryRunOperationException: The request would have succeeded, but the DryRun option is set.": func() error {
			_, err := c.GenerateDataKey(ctx, &awskms.GenerateDataKeyInput{KeyId: id, KeySpec: types.DataKeySpecAes256, DryRun: aws.Bool(true)})
			return err
		},
		"ValidationException: 1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 4096": func() error {
			_, err := c.Encrypt(ctx, &awskms.EncryptInput{KeyId: id, Plaintext: make([]byte, 4097)})
			return err
		},
		"ValidationException: 1 validation error detected: Value '1025' at 'numberOfBytes' failed to satisfy constraint: Member must have value less than or equal to 1024": func() error {
			_, err := c.GenerateRandom(ctx, &awskms.GenerateRandomInput{NumberOfBytes: aws.Int32(1025)})
			return err
		},
		"InvalidKeyUsageException: " + *arn + " key usage is ENCRYPT_DECRYPT which is not valid for Sign.": func() error {
			_, err := c.Sign(ctx, &awskms.SignInput{KeyId: id, Message: []byte("x"), SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256})
			return err
		},
		"UnsupportedOperationException: The operation GenerateDataKeyPair is not implemented. Keys are symmetric: there are no key pairs.": func() error {
			_, err := c.GenerateDataKeyPair(ctx, &awskms.GenerateDataKeyPairInput{KeyId: id, KeyPairSpec: types.DataKeyPairSpecRsa2048})
			return err
		},
	} {
		if got := code(f()); got != what {
			t.Errorf("\n got %s\nwant %s", got, what)
		}
	}
	data, err := c.GenerateDataKey(ctx, &awskms.GenerateDataKeyInput{KeyId: arn, NumberOfBytes: aws.Int32(64)})
	ok(err)
	without, err := c.GenerateDataKeyWithoutPlaintext(ctx, &awskms.GenerateDataKeyWithoutPlaintextInput{KeyId: arn, KeySpec: types.DataKeySpecAes128})
	ok(err)
	if len(data.Plaintext) != 64 || *data.KeyMaterialId != *m.CurrentKeyMaterialId || len(without.CiphertextBlob) != 16+blobOverhead {
		t.Errorf("%+v %+v", data, without)
	}
	second, err := c.CreateKey(ctx, &awskms.CreateKeyInput{Policy: aws.String(policyRoot(ours))})
	ok(err)
	re, err := c.ReEncrypt(ctx, &awskms.ReEncryptInput{CiphertextBlob: enc.CiphertextBlob, SourceEncryptionContext: about, DestinationKeyId: second.KeyMetadata.KeyId})
	ok(err)
	if *re.SourceKeyId != *arn || *re.KeyId != *second.KeyMetadata.Arn {
		t.Errorf("%+v", re)
	}
	random, err := c.GenerateRandom(ctx, &awskms.GenerateRandomInput{NumberOfBytes: aws.Int32(12)})
	ok(err)
	if len(random.Plaintext) != 12 {
		t.Errorf("%+v", random)
	}
	keys := 0
	for p := awskms.NewListKeysPaginator(c, &awskms.ListKeysInput{Limit: aws.Int32(1)}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		ok(err)
		keys += len(page.Keys)
	}
	if keys != 2 {
		t.Errorf("%d keys", keys)
	}
	_, err = c.UpdateAlias(ctx, &awskms.UpdateAliasInput{AliasName: aws.String("alias/walk"), TargetKeyId: second.KeyMetadata.KeyId})
	ok(err)
	aliases, err := c.ListAliases(ctx, &awskms.ListAliasesInput{})
	ok(err)
	if len(aliases.Aliases) != 1 || *aliases.Aliases[0].TargetKeyId != *second.KeyMetadata.KeyId {
		t.Errorf("%+v", aliases.Aliases)
	}
	_, err = c.DeleteAlias(ctx, &awskms.DeleteAliasInput{AliasName: aws.String("alias/walk")})
	ok(err)
	_, err = c.TagResource(ctx, &awskms.TagResourceInput{KeyId: id, Tags: []types.Tag{{TagKey: aws.String("c"), TagValue: aws.String("d")}}})
	ok(err)
	_, err = c.UntagResource(ctx, &awskms.UntagResourceInput{KeyId: id, TagKeys: []string{"a"}})
	ok(err)
	tags, err := c.ListResourceTags(ctx, &awskms.ListResourceTagsInput{KeyId: id})
	ok(err)
	if len(tags.Tags) != 1 || *tags.Tags[0].TagKey != "c" {
		t.Errorf("%+v", tags.Tags)
	}
	_, err = c.UpdateKeyDescription(ctx, &awskms.UpdateKeyDescriptionInput{KeyId: id, Description: aws.String("")})
	ok(err)
	got, err := c.GetKeyPolicy(ctx, &awskms.GetKeyPolicyInput{KeyId: id})
	ok(err)
	if !strings.Contains(*got.Policy, "key-default-1") {
		t.Error(*got.Policy)
	}
	_, err = c.PutKeyPolicy(ctx, &awskms.PutKeyPolicyInput{KeyId: id, Policy: got.Policy, PolicyName: aws.String("default")})
	ok(err)
	names, err := c.ListKeyPolicies(ctx, &awskms.ListKeyPoliciesInput{KeyId: id})
	ok(err)
	if len(names.PolicyNames) != 1 {
		t.Errorf("%+v", names)
	}
	_, err = c.EnableKeyRotation(ctx, &awskms.EnableKeyRotationInput{KeyId: id, RotationPeriodInDays: aws.Int32(180)})
	ok(err)
	status, err := c.GetKeyRotationStatus(ctx, &awskms.GetKeyRotationStatusInput{KeyId: id})
	ok(err)
	if !status.KeyRotationEnabled || *status.RotationPeriodInDays != 180 || !status.NextRotationDate.Equal(w.clock.Add(180*24*time.Hour)) {
		t.Errorf("%+v", status)
	}
	_, err = c.DisableKeyRotation(ctx, &awskms.DisableKeyRotationInput{KeyId: id})
	ok(err)
	_, err = c.RotateKeyOnDemand(ctx, &awskms.RotateKeyOnDemandInput{KeyId: id})
	ok(err)
	rotations, err := c.ListKeyRotations(ctx, &awskms.ListKeyRotationsInput{KeyId: id})
	ok(err)
	if len(rotations.Rotations) != 1 || rotations.Rotations[0].RotationType != types.RotationTypeOnDemand {
		t.Errorf("%+v", rotations)
	}
	grant, err := c.CreateGrant(ctx, &awskms.CreateGrantInput{
		KeyId: id, GranteePrincipal: &alice.ARN, RetiringPrincipal: &alice.ARN, Operations: []types.GrantOperation{types.GrantOperationEncrypt},
		Constraints: &types.GrantConstraints{EncryptionContextEquals: about},
	})
	ok(err)
	_, err = a.Encrypt(ctx, &awskms.EncryptInput{KeyId: id, Plaintext: []byte("x"), EncryptionContext: about, GrantTokens: []string{*grant.GrantToken}})
	ok(err)
	grants, err := c.ListGrants(ctx, &awskms.ListGrantsInput{KeyId: id})
	ok(err)
	retirable, err := c.ListRetirableGrants(ctx, &awskms.ListRetirableGrantsInput{RetiringPrincipal: &alice.ARN})
	ok(err)
	if len(grants.Grants) != 1 || len(retirable.Grants) != 1 || *retirable.Grants[0].GrantId != *grant.GrantId || grants.Grants[0].Constraints.EncryptionContextEquals["a"] != "ü" {
		t.Errorf("%+v %+v", grants.Grants, retirable.Grants)
	}
	_, err = a.RetireGrant(ctx, &awskms.RetireGrantInput{GrantToken: grant.GrantToken})
	ok(err)
	if _, err = c.RevokeGrant(ctx, &awskms.RevokeGrantInput{KeyId: id, GrantId: grant.GrantId}); !strings.HasPrefix(code(err), "NotFoundException") {
		t.Error(err)
	}
	_, err = c.DisableKey(ctx, &awskms.DisableKeyInput{KeyId: id})
	ok(err)
	if _, err = c.Encrypt(ctx, &awskms.EncryptInput{KeyId: id, Plaintext: []byte("x")}); code(err) != "DisabledException: "+*arn+" is disabled." {
		t.Error(err)
	}
	_, err = c.EnableKey(ctx, &awskms.EnableKeyInput{KeyId: id})
	ok(err)
	gone, err := c.ScheduleKeyDeletion(ctx, &awskms.ScheduleKeyDeletionInput{KeyId: id})
	ok(err)
	if gone.KeyState != types.KeyStatePendingDeletion || *gone.PendingWindowInDays != 30 {
		t.Errorf("%+v", gone)
	}
	if _, err = c.Encrypt(ctx, &awskms.EncryptInput{KeyId: id, Plaintext: []byte("x")}); code(err) != "KMSInvalidStateException: "+*arn+" is pending deletion." {
		t.Error(err)
	}
	_, err = c.CancelKeyDeletion(ctx, &awskms.CancelKeyDeletionInput{KeyId: id})
	ok(err)
	last, err := c.DescribeKey(ctx, &awskms.DescribeKeyInput{KeyId: id})
	ok(err)
	if last.KeyMetadata.KeyState != types.KeyStateDisabled || last.KeyMetadata.Enabled {
		t.Errorf("%+v", last.KeyMetadata)
	}
	s3, err := c.DescribeKey(ctx, &awskms.DescribeKeyInput{KeyId: aws.String("alias/aws/s3")})
	ok(err)
	if s3.KeyMetadata.KeyManager != types.KeyManagerTypeAws {
		t.Errorf("%+v", s3.KeyMetadata)
	}
}

// TestMatrix tries every operation with credentials that prove nothing, and
// with callers who may not, through each kind of policy.
func TestMatrix(t *testing.T) {
	w := newWorld(t)
	w.clock = time.Now()
	p := people{
		"AKIAROOT":   root(ours),
		"AKIANOBODY": w.user(ours, "nobody"),
		"AKIADENIED": w.user(ours, "denied", allow("kms:*"), `{"Effect":"Deny","Action":"kms:*","Resource":"*"}`),
		"AKIABANNED": w.user(ours, "banned", allow("kms:*")),
		"AKIATHEIRS": root(theirs),
	}
	srv, performed := w.serve(p)
	keyed := func() string {
		id := newID()
		text := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"kms:*","Resource":"*"},
			{"Effect":"Deny","Principal":{"AWS":"` + p["AKIABANNED"].ARN + `"},"Action":"kms:*","Resource":"*"}]}`
		if err := w.create(t.Context(), &draft{id: id, account: ours, manager: managerCustomer, policy: text}); err != nil {
			t.Fatal(err)
		}
		return w.keyARN(ours, id)
	}
	key := func(arn string) *entry {
		k, err := w.key(t.Context(), arn[len(w.keyARN(ours, "")):])
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	blob := func(arn string) []byte {
		b, _, err := w.encrypt(t.Context(), key(arn), []byte("x"), nil)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	named := func(arn string) string {
		alias := "alias/" + newID()
		if err := w.createAlias(t.Context(), key(arn), alias); err != nil {
			t.Fatal(err)
		}
		return alias
	}
	granted := func(arn string) string {
		id, err := w.createGrant(t.Context(), key(arn), grant{Grantee: root(ours).ARN, Account: ours, Operations: []string{"Encrypt"}})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	type body = map[string]any
	with := func(more func(arn string) body) func() body {
		return func() body {
			arn := keyed()
			b := body{"KeyId": arn}
			if more != nil {
				for k, v := range more(arn) {
					b[k] = v
				}
			}
			return b
		}
	}
	ops := map[string]func() body{
		"CreateKey": func() body { return body{} }, "ListKeys": func() body { return body{} }, "ListAliases": func() body { return body{} },
		"GenerateRandom":      func() body { return body{"NumberOfBytes": 8} },
		"ListRetirableGrants": func() body { return body{"RetiringPrincipal": root(ours).ARN} },
		"DescribeKey":         with(nil), "EnableKey": with(nil), "DisableKey": with(nil), "GetKeyPolicy": with(nil), "ListKeyPolicies": with(nil),
		"ListResourceTags": with(nil), "EnableKeyRotation": with(nil), "DisableKeyRotation": with(nil), "GetKeyRotationStatus": with(nil),
		"RotateKeyOnDemand": with(nil), "ListKeyRotations": with(nil), "ListGrants": with(nil), "ScheduleKeyDeletion": with(nil),
		"UpdateKeyDescription": with(func(string) body { return body{"Description": "d"} }),
		"CancelKeyDeletion": with(func(arn string) body {
			if _, err := w.scheduleDeletion(t.Context(), key(arn), 7); err != nil {
				t.Fatal(err)
			}
			return nil
		}),
		"CreateAlias":     func() body { return body{"AliasName": "alias/" + newID(), "TargetKeyId": keyed()} },
		"UpdateAlias":     func() body { return body{"AliasName": named(keyed()), "TargetKeyId": keyed()} },
		"DeleteAlias":     func() body { return body{"AliasName": named(keyed())} },
		"PutKeyPolicy":    with(func(string) body { return body{"Policy": policyRoot(ours)} }),
		"TagResource":     with(func(string) body { return body{"Tags": []body{{"TagKey": "a", "TagValue": "b"}}} }),
		"UntagResource":   with(func(string) body { return body{"TagKeys": []string{"a"}} }),
		"Encrypt":         with(func(string) body { return body{"Plaintext": []byte("x")} }),
		"Decrypt":         func() body { return body{"CiphertextBlob": blob(keyed())} },
		"ReEncrypt":       func() body { return body{"CiphertextBlob": blob(keyed()), "DestinationKeyId": keyed()} },
		"GenerateDataKey": with(func(string) body { return body{"KeySpec": "AES_256"} }), "GenerateDataKeyWithoutPlaintext": with(func(string) body { return body{"KeySpec": "AES_256"} }),
		"CreateGrant": with(func(string) body { return body{"GranteePrincipal": root(ours).ARN, "Operations": []string{"Encrypt"}} }),
		"RetireGrant": with(func(arn string) body { return body{"GrantId": granted(arn)} }),
		"RevokeGrant": with(func(arn string) body { return body{"GrantId": granted(arn)} }),
	}
	m := &accesstest.Matrix{
		Service: "kms", Region: region, Performed: performed,
		Good: []accesstest.Keys{{ID: "AKIAROOT", Secret: testSecret}},
		Codes: map[accesstest.Reason][]string{
			accesstest.NotAllowed: {"AccessDeniedException", "NotFoundException"}, accesstest.UnknownKey: {"UnrecognizedClientException"},
		},
		Send: accesstest.Send(accesstest.JSONCode),
	}
	// What has no key is the account's own: nobody else's key policy speaks, and
	// another account does it to itself.
	own := map[string]bool{"CreateKey": true, "ListKeys": true, "ListAliases": true, "GenerateRandom": true, "ListRetirableGrants": true}
	for _, c := range []struct {
		name, key string
		on        func(o *accesstest.Operation) bool
	}{
		{"a user without policies", "AKIANOBODY", nil},
		{"denied by an identity policy", "AKIADENIED", nil},
		{"denied by the key policy", "AKIABANNED", func(o *accesstest.Operation) bool { return !own[o.Name] && o.Unserved == 0 }},
		{"another account's root", "AKIATHEIRS", func(o *accesstest.Operation) bool { return !own[o.Name] }},
	} {
		m.Bad = append(m.Bad, accesstest.Caller{Name: c.name, Keys: accesstest.Keys{ID: c.key, Secret: testSecret}, On: c.on})
	}
	for _, o := range w.Operations() {
		if o.Do == nil {
			continue // TestUnserved
		}
		fill, ok := ops[o.Name]
		row := accesstest.Operation{Name: o.Name}
		if !ok { // it answers that this is another kind of key, to who may
			more, known := foreignRequests[o.Name]
			if !known {
				t.Fatalf("there is no request for %s", o.Name)
			}
			fill, row.Unserved = with(func(string) body { return more }), 400
		}
		delete(ops, o.Name)
		row.Request = func() *http.Request {
			raw, err := json.Marshal(fill())
			if err != nil {
				t.Fatal(err)
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/", bytes.NewReader(raw))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-amz-json-1.1")
			r.Header.Set("X-Amz-Target", "TrentService."+o.Name)
			return r
		}
		m.Operations = append(m.Operations, row)
	}
	for name := range ops {
		t.Errorf("there is no operation %s", name)
	}
	if n := m.Run(t); n < 400 {
		t.Errorf("only %d cells", n)
	}
}

// TestUnserved: what is known and has nothing behind it says so to whoever asks.
// foreignRequests are what the operations for other kinds of keys want besides
// the key.
var foreignRequests = map[string]map[string]any{
	"DeriveSharedSecret":        {"KeyAgreementAlgorithm": "ECDH", "PublicKey": []byte("x")},
	"GenerateMac":               {"Message": []byte("x"), "MacAlgorithm": "HMAC_SHA_256"},
	"VerifyMac":                 {"Message": []byte("x"), "MacAlgorithm": "HMAC_SHA_256", "Mac": []byte("x")},
	"Sign":                      {"Message": []byte("x"), "SigningAlgorithm": "ECDSA_SHA_256"},
	"Verify":                    {"Message": []byte("x"), "SigningAlgorithm": "ECDSA_SHA_256", "Signature": []byte("x")},
	"DeleteImportedKeyMaterial": nil,
	"GetParametersForImport":    {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"},
	"ImportKeyMaterial":         {"ImportToken": []byte("x"), "EncryptedKeyMaterial": []byte("x")},
	"ReplicateKey":              {"ReplicaRegion": "eu-west-1"},
	"UpdatePrimaryRegion":       {"PrimaryRegion": "eu-west-1"},
}

// What AWS's model does not let through is no question of the key. The texts
// are as recorded at AWS.
func TestForeign(t *testing.T) {
	w := newWorld(t)
	w.clock = time.Now()
	srv, _ := w.serve(people{"AKIAROOT": root(ours)})
	c := client(srv, "AKIAROOT")
	id := w.newKey()
	arn := w.keyARN(ours, id)
	for what, tt := range map[string]struct {
		call func() error
		want string
	}{
		"an agreement": {func() error {
			_, err := c.DeriveSharedSecret(t.Context(), &awskms.DeriveSharedSecretInput{KeyId: &id, KeyAgreementAlgorithm: "ECDH", PublicKey: []byte("x")})
			return err
		}, "InvalidKeyUsageException: " + arn + " key usage is ENCRYPT_DECRYPT which is not valid for DeriveSharedSecret."},
		"an unknown agreement": {func() error {
			_, err := c.DeriveSharedSecret(t.Context(), &awskms.DeriveSharedSecretInput{KeyId: &id, KeyAgreementAlgorithm: "INVALID", PublicKey: []byte("x")})
			return err
		}, "ValidationException: 1 validation error detected: Value 'INVALID' at 'keyAgreementAlgorithm' failed to satisfy constraint: Member must satisfy enum value set: [ECDH]"},
		"an unknown MAC": {func() error {
			_, err := c.GenerateMac(t.Context(), &awskms.GenerateMacInput{KeyId: &id, MacAlgorithm: "INVALID", Message: []byte("x")})
			return err
		}, "ValidationException: 1 validation error detected: Value 'INVALID' at 'macAlgorithm' failed to satisfy constraint: Member must satisfy enum value set: [HMAC_SHA_384, HMAC_SHA_256, HMAC_SHA_224, HMAC_SHA_512]"},
		"an unknown MAC to verify": {func() error {
			_, err := c.VerifyMac(t.Context(), &awskms.VerifyMacInput{KeyId: &id, MacAlgorithm: "INVALID", Message: []byte("x"), Mac: []byte("x")})
			return err
		}, "ValidationException: 1 validation error detected: Value 'INVALID' at 'macAlgorithm' failed to satisfy constraint: Member must satisfy enum value set: [HMAC_SHA_384, HMAC_SHA_256, HMAC_SHA_224, HMAC_SHA_512]"},
		"a bad region": {func() error {
			_, err := c.ReplicateKey(t.Context(), &awskms.ReplicateKeyInput{KeyId: &id, ReplicaRegion: aws.String("nowhere")})
			return err
		}, `ValidationException: 1 validation error detected: Value 'nowhere' at 'replicaRegion' failed to satisfy constraint: Member must satisfy regular expression pattern: ^([a-z]+-){2,3}\d+$`},
	} {
		if got := code(tt.call()); got != tt.want {
			t.Errorf("%s: %s", what, got)
		}
	}
}

func TestUnserved(t *testing.T) {
	w := newWorld(t)
	srv, _ := w.serve(people{"AKIAROOT": root(ours)})
	c := client(srv, "AKIAROOT")
	_, err := c.DescribeCustomKeyStores(t.Context(), &awskms.DescribeCustomKeyStoresInput{})
	if got := code(err); got != "UnsupportedOperationException: The operation DescribeCustomKeyStores is not implemented. There are no custom key stores." {
		t.Error(got)
	}
	_, err = c.GetPublicKey(t.Context(), &awskms.GetPublicKeyInput{KeyId: aws.String(w.newKey())})
	if got := code(err); !strings.HasPrefix(got, "UnsupportedOperationException: ") {
		t.Error(got)
	}
}
