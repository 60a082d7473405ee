package kms

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/farhold/farhold/access"
	shapes "github.com/farhold/farhold/wire/shapes/kms"
)

func TestRotationOnDemand(t *testing.T) {
	w := newWorld(t)
	id := w.newKey()
	first := *w.metadata(id).CurrentKeyMaterialId
	old := must[shapes.EncryptResponse](w, root(ours), "Encrypt", &shapes.EncryptRequest{KeyId: &id, Plaintext: []byte("old")})
	must[shapes.EnableKeyRotationResponse](w, root(ours), "EnableKeyRotation", &shapes.EnableKeyRotationRequest{KeyId: &id})
	status := func() *shapes.GetKeyRotationStatusResponse {
		return must[shapes.GetKeyRotationStatusResponse](w, root(ours), "GetKeyRotationStatus", &shapes.GetKeyRotationStatusRequest{KeyId: &id})
	}
	before := status()
	for range onDemandMax {
		w.clock = w.clock.Add(time.Hour)
		if out := must[shapes.RotateKeyOnDemandResponse](w, root(ours), "RotateKeyOnDemand", &shapes.RotateKeyOnDemandRequest{KeyId: &id}); *out.KeyId != w.keyARN(ours, id) {
			t.Errorf("%s", *out.KeyId)
		}
	}
	_, err := w.call(root(ours), "RotateKeyOnDemand", &shapes.RotateKeyOnDemandRequest{KeyId: &id})
	wants(t, "once too often", err, "LimitExceededException: The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key: "+w.keyARN(ours, id))
	if after := status(); !after.NextRotationDate.Equal(*before.NextRotationDate) || after.OnDemandRotationStartDate != nil {
		t.Errorf("%+v, was %+v", after, before)
	}
	current := *w.metadata(id).CurrentKeyMaterialId
	if current == first {
		t.Error("the material is the first one still")
	}
	got := must[shapes.DecryptResponse](w, root(ours), "Decrypt", &shapes.DecryptRequest{CiphertextBlob: old.CiphertextBlob})
	if string(got.Plaintext) != "old" || *got.KeyMaterialId != first || *got.KeyId != w.keyARN(ours, id) {
		t.Errorf("%+v", got)
	}
	key := must[shapes.GenerateDataKeyResponse](w, root(ours), "GenerateDataKey", &shapes.GenerateDataKeyRequest{KeyId: &id, KeySpec: new("AES_128")})
	if *key.KeyMaterialId != current || len(key.Plaintext) != 16 {
		t.Errorf("%+v", key)
	}
	again := must[shapes.ReEncryptResponse](w, root(ours), "ReEncrypt", &shapes.ReEncryptRequest{CiphertextBlob: old.CiphertextBlob, DestinationKeyId: &id})
	if *again.SourceKeyMaterialId != first || *again.DestinationKeyMaterialId != current {
		t.Errorf("%+v", again)
	}

	// Listed in pages: the rotations, and with them all materials.
	var ids []string
	in := &shapes.ListKeyRotationsRequest{KeyId: &id, Limit: new(int32(7))}
	for {
		out := must[shapes.ListKeyRotationsResponse](w, root(ours), "ListKeyRotations", in)
		for _, r := range out.Rotations {
			if *r.RotationType != "ON_DEMAND" || r.RotationDate.IsZero() || *r.KeyId != id {
				t.Errorf("%+v", r)
			}
			ids = append(ids, *r.KeyMaterialId)
		}
		if !*out.Truncated {
			break
		}
		in = &shapes.ListKeyRotationsRequest{KeyId: &id, Limit: in.Limit, Marker: out.NextMarker}
	}
	if len(ids) != onDemandMax || ids[len(ids)-1] != current {
		t.Errorf("%d rotations, the last to %s, want %s", len(ids), ids[len(ids)-1], current)
	}
	all := must[shapes.ListKeyRotationsResponse](w, root(ours), "ListKeyRotations", &shapes.ListKeyRotationsRequest{KeyId: &id, IncludeKeyMaterial: new("ALL_KEY_MATERIAL")})
	if n := len(all.Rotations); n != onDemandMax+1 || *all.Rotations[0].KeyMaterialId != first || all.Rotations[0].RotationDate != nil ||
		*all.Rotations[0].KeyMaterialState != "NON_CURRENT" || *all.Rotations[n-1].KeyMaterialState != "CURRENT" {
		t.Errorf("%d materials", n)
	}
	_, err = w.call(root(ours), "ListKeyRotations", &shapes.ListKeyRotationsRequest{KeyId: &id, Marker: new("none of ours")})
	wants(t, "a wrong marker", err, "InvalidMarkerException")
}

func TestAutomaticRotation(t *testing.T) {
	w := newWorld(t)
	id := w.newKey()
	status := func() *shapes.GetKeyRotationStatusResponse {
		return must[shapes.GetKeyRotationStatusResponse](w, root(ours), "GetKeyRotationStatus", &shapes.GetKeyRotationStatusRequest{KeyId: &id})
	}
	if s := status(); *s.KeyRotationEnabled || s.RotationPeriodInDays != nil || s.NextRotationDate != nil || *s.KeyId != w.keyARN(ours, id) {
		t.Errorf("%+v", s)
	}
	must[shapes.EnableKeyRotationResponse](w, root(ours), "EnableKeyRotation", &shapes.EnableKeyRotationRequest{KeyId: &id, RotationPeriodInDays: new(int32(90))})
	at := w.clock.Add(90 * 24 * time.Hour)
	if s := status(); !*s.KeyRotationEnabled || *s.RotationPeriodInDays != 90 || !s.NextRotationDate.Equal(at) {
		t.Errorf("%+v", s)
	}
	material := func() string { return *w.metadata(id).CurrentKeyMaterialId }
	first := material()
	if again, err := w.Step(t.Context()); err != nil || !again.Equal(at) || material() != first {
		t.Errorf("too early: again at %v, %v", again, err)
	}
	w.clock = at
	w.steps()
	second := material()
	if second == first {
		t.Fatal("not rotated when it was due")
	}
	w.steps()
	if material() != second {
		t.Error("rotated twice")
	}
	if s := status(); !s.NextRotationDate.Equal(at.Add(90 * 24 * time.Hour)) {
		t.Errorf("%+v", s)
	}
	// A key that is disabled when its time comes is rotated once it is enabled.
	must[shapes.DisableKeyResponse](w, root(ours), "DisableKey", &shapes.DisableKeyRequest{KeyId: &id})
	w.clock = w.clock.Add(200 * 24 * time.Hour)
	w.steps()
	if material() != second {
		t.Error("rotated while it was disabled")
	}
	w.open(region)
	must[shapes.EnableKeyResponse](w, root(ours), "EnableKey", &shapes.EnableKeyRequest{KeyId: &id})
	w.steps()
	third := material()
	if third == second {
		t.Error("not rotated after it was enabled")
	}
	if s := status(); !s.NextRotationDate.Equal(w.clock.Add(90 * 24 * time.Hour)) {
		t.Errorf("%+v", s)
	}
	out := must[shapes.ListKeyRotationsResponse](w, root(ours), "ListKeyRotations", &shapes.ListKeyRotationsRequest{KeyId: &id})
	if len(out.Rotations) != 2 || *out.Rotations[0].RotationType != "AUTOMATIC" || !out.Rotations[0].RotationDate.Equal(at) {
		t.Errorf("%+v", out.Rotations)
	}
	// While its deletion is pending its status is false, and afterwards what it was.
	must[shapes.ScheduleKeyDeletionResponse](w, root(ours), "ScheduleKeyDeletion", &shapes.ScheduleKeyDeletionRequest{KeyId: &id})
	if s := status(); *s.KeyRotationEnabled || s.NextRotationDate != nil {
		t.Errorf("%+v", s)
	}
	must[shapes.CancelKeyDeletionResponse](w, root(ours), "CancelKeyDeletion", &shapes.CancelKeyDeletionRequest{KeyId: &id})
	must[shapes.EnableKeyResponse](w, root(ours), "EnableKey", &shapes.EnableKeyRequest{KeyId: &id})
	if s := status(); !*s.KeyRotationEnabled {
		t.Errorf("%+v", s)
	}
	must[shapes.DisableKeyRotationResponse](w, root(ours), "DisableKeyRotation", &shapes.DisableKeyRotationRequest{KeyId: &id})
	w.clock = w.clock.Add(4000 * 24 * time.Hour)
	w.steps()
	if material() != third {
		t.Error("rotated after rotation was disabled")
	}
	for _, row := range w.rows() {
		if strings.HasPrefix(row, rowDue) {
			t.Errorf("%s is left", row)
		}
	}
}

// TestManyDue has more keys due at once than one Step does.
func TestManyDue(t *testing.T) {
	w := newWorld(t)
	var ids []string
	for range 3*dueDone + 1 {
		id := w.newKey()
		ids = append(ids, id)
		must[shapes.EnableKeyRotationResponse](w, root(ours), "EnableKeyRotation", &shapes.EnableKeyRotationRequest{KeyId: &id})
	}
	w.clock = w.clock.Add(366 * 24 * time.Hour)
	for n := 0; ; n++ {
		again, err := w.Step(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if again.After(w.clock) {
			if n < 3 {
				t.Errorf("%d keys in %d steps", len(ids), n+1)
			}
			break
		}
	}
	for _, id := range ids {
		if k, err := w.key(t.Context(), id); err != nil || len(k.materials) != 2 {
			t.Fatalf("%s: %d materials, %v", id, len(k.materials), err)
		}
	}
}

func TestAliases(t *testing.T) {
	w := newWorld(t)
	a, b := w.newKey(), w.newKey()
	mine := "alias/mine"
	must[shapes.CreateAliasResponse](w, root(ours), "CreateAlias", &shapes.CreateAliasRequest{AliasName: &mine, TargetKeyId: &a})
	_, err := w.call(root(ours), "CreateAlias", &shapes.CreateAliasRequest{AliasName: &mine, TargetKeyId: &b})
	wants(t, "twice", err, "AlreadyExistsException: An alias with the name arn:aws:kms:us-east-1:111122223333:alias/mine already exists")
	for name, want := range map[string]string{
		"mine":           `ValidationException: Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html`,
		"alias/":         `ValidationException: Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html`,
		"alias/aws/mine": "NotAuthorizedException",
	} {
		_, err := w.call(root(ours), "CreateAlias", &shapes.CreateAliasRequest{AliasName: &name, TargetKeyId: &b})
		wants(t, name, err, want)
	}
	blob, arn, err := w.Encrypt(t.Context(), asRoot(), mine, []byte("x"), nil)
	if err != nil || arn != w.keyARN(ours, a) {
		t.Fatalf("%s, %v", arn, err)
	}
	created := w.clock
	w.clock = w.clock.Add(time.Hour)
	must[shapes.UpdateAliasResponse](w, root(ours), "UpdateAlias", &shapes.UpdateAliasRequest{AliasName: &mine, TargetKeyId: &b})
	if _, arn, err = w.Encrypt(t.Context(), asRoot(), "arn:aws:kms:us-east-1:111122223333:"+mine, []byte("x"), nil); err != nil || arn != w.keyARN(ours, b) {
		t.Errorf("after the alias moved: %s, %v", arn, err)
	}
	if plain, _, err := w.Decrypt(t.Context(), asRoot(), blob, nil); err != nil || string(plain) != "x" {
		t.Errorf("old ciphertext after the alias moved: %v", err)
	}
	out := must[shapes.ListAliasesResponse](w, root(ours), "ListAliases", &shapes.ListAliasesRequest{KeyId: &b})
	if len(out.Aliases) != 1 || *out.Aliases[0].AliasName != mine || *out.Aliases[0].TargetKeyId != b || *out.Aliases[0].AliasArn != "arn:aws:kms:us-east-1:111122223333:alias/mine" ||
		!out.Aliases[0].CreationDate.Equal(created) || !out.Aliases[0].LastUpdatedDate.Equal(w.clock) {
		t.Errorf("%+v", out.Aliases)
	}
	if out := must[shapes.ListAliasesResponse](w, root(ours), "ListAliases", &shapes.ListAliasesRequest{KeyId: &a}); len(out.Aliases) != 0 {
		t.Errorf("%+v", out.Aliases)
	}
	if out := must[shapes.ListAliasesResponse](w, root(theirs), "ListAliases", &shapes.ListAliasesRequest{}); len(out.Aliases) != 0 {
		t.Errorf("another account sees %+v", out.Aliases)
	}
	// Both keys must agree to a move, and the alias too.
	carol := w.user(ours, "carol", `{"Effect":"Allow","Action":"kms:UpdateAlias","Resource":["`+w.keyARN(ours, a)+`","arn:aws:kms:*:*:alias/mine"]}`)
	_, err = w.call(carol, "UpdateAlias", &shapes.UpdateAliasRequest{AliasName: &mine, TargetKeyId: &a})
	wants(t, "from a key that she may not", err, "AccessDeniedException: User: arn:aws:iam::111122223333:user/carol is not authorized to perform: kms:UpdateAlias on resource: "+w.keyARN(ours, b)+" because no identity-based policy allows the kms:UpdateAlias action")

	must[shapes.DeleteAliasResponse](w, root(ours), "DeleteAlias", &shapes.DeleteAliasRequest{AliasName: &mine})
	_, _, err = w.Encrypt(t.Context(), asRoot(), mine, []byte("x"), nil)
	wants(t, "deleted", err, "NotFoundException: Alias arn:aws:kms:us-east-1:111122223333:alias/mine is not found.")
	_, err = w.call(root(ours), "DeleteAlias", &shapes.DeleteAliasRequest{AliasName: &mine})
	wants(t, "deleted twice", err, "NotFoundException: Alias arn:aws:kms:us-east-1:111122223333:alias/mine is not found.")

	for i := range aliasesPerKey {
		must[shapes.CreateAliasResponse](w, root(ours), "CreateAlias", &shapes.CreateAliasRequest{AliasName: new(fmt.Sprintf("alias/%02d", i)), TargetKeyId: &a})
	}
	_, err = w.call(root(ours), "CreateAlias", &shapes.CreateAliasRequest{AliasName: new("alias/more"), TargetKeyId: &a})
	wants(t, "too many", err, "LimitExceededException")
	var names []string
	in := &shapes.ListAliasesRequest{Limit: new(int32(20))}
	for {
		out := must[shapes.ListAliasesResponse](w, root(ours), "ListAliases", in)
		for _, x := range out.Aliases {
			names = append(names, *x.AliasName)
		}
		if !*out.Truncated {
			break
		}
		in = &shapes.ListAliasesRequest{Limit: in.Limit, Marker: out.NextMarker}
	}
	if len(names) != aliasesPerKey || names[0] != "alias/00" || names[49] != "alias/49" {
		t.Errorf("%d aliases: %v", len(names), names)
	}
	_, err = w.call(root(ours), "ListAliases", &shapes.ListAliasesRequest{Marker: new("???")})
	wants(t, "a wrong marker", err, "InvalidMarkerException")
}

func TestTags(t *testing.T) {
	w := newWorld(t)
	id := w.newKey()
	set := func(pairs ...string) {
		t.Helper()
		in := &shapes.TagResourceRequest{KeyId: new(id)}
		for i := 0; i < len(pairs); i += 2 {
			in.Tags = append(in.Tags, shapes.Tag{TagKey: &pairs[i], TagValue: &pairs[i+1]})
		}
		must[shapes.TagResourceResponse](w, root(ours), "TagResource", in)
	}
	list := func() string {
		t.Helper()
		var s []string
		in := &shapes.ListResourceTagsRequest{KeyId: new(id), Limit: new(int32(2))}
		for {
			out := must[shapes.ListResourceTagsResponse](w, root(ours), "ListResourceTags", in)
			for _, x := range out.Tags {
				s = append(s, *x.TagKey+"="+*x.TagValue)
			}
			if !*out.Truncated {
				return strings.Join(s, " ")
			}
			in = &shapes.ListResourceTagsRequest{KeyId: new(id), Limit: in.Limit, Marker: out.NextMarker}
		}
	}
	set("tag1", "value1", "tag2", "value2", "tag3", "value3")
	set("tag2", "updated", "tag4", "")
	if got := list(); got != "tag1=value1 tag2=updated tag3=value3 tag4=" {
		t.Error(got)
	}
	must[shapes.UntagResourceResponse](w, root(ours), "UntagResource", &shapes.UntagResourceRequest{KeyId: &id, TagKeys: []string{"tag1", "none", "tag4"}})
	if got := list(); got != "tag2=updated tag3=value3" {
		t.Error(got)
	}
	in := &shapes.TagResourceRequest{KeyId: new(id)}
	for i := range tagsMax - 1 {
		in.Tags = append(in.Tags, shapes.Tag{TagKey: new(fmt.Sprint("n", i)), TagValue: new("")})
	}
	_, err := w.call(root(ours), "TagResource", in)
	wants(t, "too many", err, "TagException: Too many tags")
	in.Tags, in.KeyId = in.Tags[1:], new(id)
	must[shapes.TagResourceResponse](w, root(ours), "TagResource", in)
	// A tag is a condition, and what it is now counts.
	dave := w.user(ours, "dave", `{"Effect":"Allow","Action":"kms:Encrypt","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/tag2":"updated"}}}`)
	if _, _, err := w.Encrypt(t.Context(), access.Actor{Caller: dave}, id, []byte("x"), nil); err != nil {
		t.Error(err)
	}
	set("tag2", "otherwise")
	_, _, err = w.Encrypt(t.Context(), access.Actor{Caller: dave}, id, []byte("x"), nil)
	wants(t, "another tag", err, "AccessDeniedException")
}
