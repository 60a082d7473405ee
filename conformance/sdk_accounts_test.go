package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// another gives the root user of an account that is made for a test, and the
// account's ID.
func (r *realm) another(name string) (*caller, string) {
	r.t.Helper()
	c := &caller{r: r}
	for _, v := range r.newAccount(name) {
		if id, ok := strings.CutPrefix(v, "AWS_ACCESS_KEY_ID="); ok {
			c.id = id
		}
		if secret, ok := strings.CutPrefix(v, "AWS_SECRET_ACCESS_KEY="); ok {
			c.secret = secret
		}
	}
	who, err := sts.NewFromConfig(c.config("us-east-1")).GetCallerIdentity(r.t.Context(), nil)
	return c, *must(r, who, err).Account
}

// user makes a user of a caller's account with one policy.
func (c *caller) user(name string, policy *string) *caller {
	r, ctx := c.r, c.r.t.Context()
	r.t.Helper()
	people := iam.NewFromConfig(c.config("us-east-1"))
	_, err := people.CreateUser(ctx, &iam.CreateUserInput{UserName: &name})
	must(r, "", err)
	_, err = people.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("may"), PolicyDocument: policy})
	must(r, "", err)
	key, err := people.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &name})
	must(r, key, err)
	return r.as(*key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey, "")
}

// policy is a document of statements.
func policy(statements ...string) *string {
	return aws.String(`{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`)
}

// allow is a statement. Without a principal it is one of an identity's policy;
// more is what is added to it, such as a condition.
func allow(principal, resource, more string, actions ...string) string {
	if principal != "" {
		principal = fmt.Sprintf(`"Principal":{"AWS":%q},`, principal)
	}
	return fmt.Sprintf(`{"Effect":"Allow",%s"Action":["%s"],"Resource":%q%s}`, principal, strings.Join(actions, `","`), resource, more)
}

// crossing is a bucket of the first account whose objects, sealed with its own
// key, replicate into a bucket of another account in another region, under a
// key of that account.
type crossing struct {
	r                *realm
	ours, theirs     *caller // the accounts' root users
	account, other   string
	role             string // of ours
	from, to         *kms.Client
	fromKey, toKey   string
	source, receives string // the buckets
}

const fromRegion, toRegion = "us-east-1", "us-west-2"

func newCrossing(r *realm) *crossing {
	ctx := r.t.Context()
	x := &crossing{r: r, ours: r.as(r.get("AWS_ACCESS_KEY_ID"), r.get("AWS_SECRET_ACCESS_KEY"), ""), account: r.account(), source: "ours", receives: "theirs"}
	x.theirs, x.other = r.another("partner")
	x.from, x.to = kms.NewFromConfig(x.ours.config(fromRegion)), kms.NewFromConfig(x.theirs.config(toRegion))
	key, err := x.from.CreateKey(ctx, nil)
	x.fromKey = *must(r, key, err).KeyMetadata.Arn
	key, err = x.to.CreateKey(ctx, nil)
	x.toKey = *must(r, key, err).KeyMetadata.Arn

	r.bucket(fromRegion, x.source, "enabled")
	theirs := x.theirs.s3(toRegion)
	_, err = theirs.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &x.receives, ObjectOwnership: types.ObjectOwnershipObjectWriter,
		CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: toRegion}})
	must(r, "", err)
	_, err = theirs.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: &x.receives, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}})
	must(r, "", err)

	role, err := r.iam().CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("crossing"), AssumeRolePolicyDocument: aws.String(trustS3)})
	x.role = *must(r, role, err).Role.Arn
	x.permit(true)
	x.ourKey("kms:Decrypt")
	x.theirKey("kms:Encrypt", "kms:GenerateDataKey", "kms:Decrypt")
	x.letIn(replicates...)
	x.rule(x.toKey)
	return x
}

// permit sets the role's own policy, with leave to use their key or without.
func (x *crossing) permit(theirKey bool) {
	statements := []string{
		allow("", "arn:aws:s3:::"+x.source, "", "s3:GetReplicationConfiguration", "s3:ListBucket"),
		allow("", "arn:aws:s3:::"+x.source+"/*", "", "s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"),
		allow("", "arn:aws:s3:::"+x.receives+"/*", "", "s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags", "s3:ObjectOwnerOverrideToBucketOwner"),
		allow("", x.fromKey, "", "kms:Decrypt"),
		// What resolves in its own account, it may use.
		allow("", "arn:aws:kms:*:"+x.account+":key/*", "", "kms:GenerateDataKey", "kms:Encrypt"),
	}
	if theirKey {
		statements = append(statements, allow("", x.toKey, `,"Condition":{"StringLike":{"kms:ViaService":"s3.`+toRegion+`.amazonaws.com"}}`, "kms:Encrypt", "kms:GenerateDataKey", "kms:Decrypt"))
	}
	_, err := x.r.iam().PutRolePolicy(x.r.t.Context(), &iam.PutRolePolicyInput{RoleName: aws.String("crossing"), PolicyName: aws.String("replicates"), PolicyDocument: policy(statements...)})
	must(x.r, "", err)
}

// ourKey sets the source key's policy: all for the root user alone, and for the
// role what is named. The account's name would let every policy of IAM speak.
func (x *crossing) ourKey(actions ...string) {
	root := "arn:aws:iam::" + x.account + ":root"
	statements := []string{allow(root, "*", `,"Condition":{"ArnEquals":{"aws:PrincipalArn":"`+root+`"}}`, "kms:*")}
	if len(actions) > 0 {
		statements = append(statements, allow(x.role, "*", "", actions...))
	}
	_, err := x.from.PutKeyPolicy(x.r.t.Context(), &kms.PutKeyPolicyInput{KeyId: &x.fromKey, Policy: policy(statements...)})
	must(x.r, "", err)
}

// theirKey sets the destination key's policy: their account decides, and the
// role of ours may what is named.
func (x *crossing) theirKey(actions ...string) { x.theirKeyFor(x.role, actions...) }

func (x *crossing) theirKeyFor(principal string, actions ...string) {
	statements := []string{allow("arn:aws:iam::"+x.other+":root", "*", "", "kms:*")}
	if len(actions) > 0 {
		statements = append(statements, allow(principal, "*", "", actions...))
	}
	_, err := x.to.PutKeyPolicy(x.r.t.Context(), &kms.PutKeyPolicyInput{KeyId: &x.toKey, Policy: policy(statements...)})
	must(x.r, "", err)
}

var replicates = []string{"s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags", "s3:ObjectOwnerOverrideToBucketOwner"}

// letIn sets the policy of their bucket: what the role may do with its objects.
func (x *crossing) letIn(actions ...string) {
	x.bucketPolicy(allow(x.role, "arn:aws:s3:::"+x.receives+"/*", "", actions...))
}

func (x *crossing) bucketPolicy(statements ...string) {
	_, err := x.theirs.s3(toRegion).PutBucketPolicy(x.r.t.Context(), &s3.PutBucketPolicyInput{Bucket: &x.receives, Policy: policy(statements...)})
	must(x.r, "", err)
}

// rule sets the one rule, with the key that the replicas are to have.
func (x *crossing) rule(key string) {
	_, err := x.r.s3(fromRegion).PutBucketReplication(x.r.t.Context(), &s3.PutBucketReplicationInput{Bucket: &x.source, ReplicationConfiguration: &types.ReplicationConfiguration{
		Role: &x.role, Rules: []types.ReplicationRule{rule("theirs", x.receives, 1, func(rule *types.ReplicationRule) {
			rule.SourceSelectionCriteria = &types.SourceSelectionCriteria{SseKmsEncryptedObjects: &types.SseKmsEncryptedObjects{Status: types.SseKmsEncryptedObjectsStatusEnabled}}
			rule.Destination.Account = &x.other
			rule.Destination.AccessControlTranslation = &types.AccessControlTranslation{Owner: types.OwnerOverrideDestination}
			rule.Destination.EncryptionConfiguration = &types.EncryptionConfiguration{ReplicaKmsKeyID: &key}
		})}}})
	must(x.r, "", err)
}

// put puts an object under our key.
func (x *crossing) put(key string) (body, version string) {
	body = strings.Repeat(key+" ", 5000)
	return body, x.r.put(fromRegion, x.source, key, body, func(in *s3.PutObjectInput) {
		in.ServerSideEncryption, in.SSEKMSKeyId, in.BucketKeyEnabled = types.ServerSideEncryptionAwsKms, &x.fromKey, aws.Bool(true)
		in.Tagging = aws.String("of=" + key)
	})
}

// await waits until the source shows a status with a reason.
func (x *crossing) await(key string, status types.ReplicationStatus, reason string) {
	x.r.t.Helper()
	x.r.eventually(fmt.Sprintf("%s is %s %s", key, status, reason), func() bool {
		// Without its checksum, which takes the key.
		h, err := x.r.s3(fromRegion).HeadObject(x.r.t.Context(), &s3.HeadObjectInput{Bucket: &x.source, Key: &key})
		must(x.r, h, err)
		why := awsmiddleware.GetRawResponse(h.ResultMetadata).(*smithyhttp.Response).Header.Get("x-farhold-replication-reason")
		return h.ReplicationStatus == status && why == reason
	})
}

// absent checks that nothing of an object is there.
func (x *crossing) absent(key string) {
	x.r.t.Helper()
	_, err := x.theirs.s3(toRegion).HeadObject(x.r.t.Context(), &s3.HeadObjectInput{Bucket: &x.receives, Key: &key})
	var res *awshttp.ResponseError
	if !errors.As(err, &res) || res.HTTPStatusCode() != 404 {
		x.r.t.Errorf("%s at the destination: %v, want 404", key, err)
	}
}

// arrived checks a replica as a caller sees it.
func (x *crossing) arrived(by *caller, key, body, version, sealedWith string) {
	t := x.r.t
	t.Helper()
	got, out, err := by.get(toRegion, x.receives, key)
	if err != nil {
		t.Errorf("%s at the destination: %v", key, err)
		return
	}
	equal(t, key, got, []byte(body))
	if *out.VersionId != version || out.ReplicationStatus != types.ReplicationStatusReplica || aws.ToString(out.SSEKMSKeyId) != sealedWith ||
		(out.ServerSideEncryption == types.ServerSideEncryptionAwsKms) != (sealedWith != "") {
		t.Errorf("%s: version %s, %s, %s %s; want version %s, a replica under %q", key, *out.VersionId, out.ReplicationStatus, out.ServerSideEncryption, aws.ToString(out.SSEKMSKeyId), version, sealedWith)
	}
	list, err := x.theirs.s3(toRegion).ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &x.receives, Prefix: &key, FetchOwner: aws.Bool(true)})
	must(x.r, list, err)
	acl, err := x.theirs.s3(toRegion).GetBucketAcl(t.Context(), &s3.GetBucketAclInput{Bucket: &x.receives})
	if owner := *must(x.r, acl, err).Owner.ID; len(list.Contents) != 1 || *list.Contents[0].Owner.ID != owner {
		t.Errorf("%s: %+v, want the owner %s", key, list.Contents, owner)
	}
}

// refused spoils what a replica takes, sees FAILED with the reason and nothing at
// the destination, mends it and sees the replica.
func (x *crossing) refused(key, reason string, spoil, mend func()) {
	x.r.t.Helper()
	spoil()
	body, version := x.put(key)
	x.await(key, types.ReplicationStatusFailed, reason)
	x.absent(key)
	mend()
	x.await(key, types.ReplicationStatusCompleted, "")
	x.arrived(x.theirs, key, body, version, x.toKey)
}

// TestSDKAccounts: objects under one account's key replicate into another
// account's bucket in another region under that account's key. Each permission
// that is missing makes them FAILED for AWS's reason, until it is given.
func TestSDKAccounts(t *testing.T) {
	t.Parallel()
	r := start(t, true)
	ctx := t.Context()
	x := newCrossing(r)

	body, version := x.put("first")
	x.await("first", types.ReplicationStatusCompleted, "")
	reader := x.theirs.user("reader", policy(allow("", "arn:aws:s3:::theirs/*", "", "s3:GetObject"), allow("", x.toKey, "", "kms:Decrypt")))
	blind := x.theirs.user("blind", may("arn:aws:s3:::theirs/*", "s3:GetObject"))
	x.arrived(x.theirs, "first", body, version, x.toKey)
	x.arrived(reader, "first", body, version, x.toKey)
	denied := func(what string, c *caller) {
		t.Helper()
		_, _, err := c.get(toRegion, x.receives, "first")
		r.refused(what, err, "AccessDenied")
	}
	denied("their user without their key", blind)
	tags, err := x.theirs.s3(toRegion).GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: &x.receives, Key: aws.String("first")})
	if must(r, tags, err); len(tags.TagSet) != 1 || *tags.TagSet[0].Value != "first" {
		t.Errorf("tags of the replica: %+v", tags.TagSet)
	}

	// Whose object it was can't read it, until bucket and key let it.
	denied("the source's owner", x.ours)
	root := "arn:aws:iam::" + x.account + ":root"
	in := allow(x.role, "arn:aws:s3:::theirs/*", "", replicates...)
	x.bucketPolicy(in, allow(root, "arn:aws:s3:::theirs/*", "", "s3:GetObject"))
	denied("the source's owner without the key", x.ours)
	x.theirKeyFor(root, "kms:Decrypt")
	x.arrived(x.ours, "first", body, version, x.toKey)
	x.theirKey("kms:Encrypt", "kms:GenerateDataKey", "kms:Decrypt")
	denied("the source's owner, whose leave is over", x.ours)
	x.bucketPolicy(in)

	// What is missing, one by one.
	whole := func() { x.theirKey("kms:Encrypt", "kms:GenerateDataKey", "kms:Decrypt") }
	x.refused("their-key-without-the-role", "DstPutObjectNotPermitted", func() { x.theirKey() }, whole)
	x.refused("their-key-decrypts-only", "DstPutObjectNotPermitted", func() { x.theirKey("kms:Decrypt") }, func() { x.theirKey("kms:GenerateDataKey") })
	x.refused("their-key-again", "DstPutObjectNotPermitted", func() { x.theirKey() }, func() { x.theirKey("kms:Encrypt") })
	whole()
	x.refused("role-without-their-key", "DstPutObjectNotPermitted", func() { x.permit(false) }, func() { x.permit(true) })
	x.refused("our-key-without-the-role", "SrcGetObjectNotPermitted", func() { x.ourKey() }, func() { x.ourKey("kms:Decrypt") })
	x.refused("our-key-encrypts-only", "SrcGetObjectNotPermitted", func() { x.ourKey("kms:GenerateDataKey") }, func() { x.ourKey("kms:Decrypt") })
	mended := func() { x.letIn(replicates...) }
	x.refused("bucket-without-replicate", "DstPutObjectNotPermitted", func() { x.letIn(replicates[1:]...) }, mended)
	x.refused("bucket-without-override", "DstPutObjectNotPermitted", func() { x.letIn(replicates[:3]...) }, mended)
	key := func(_ any, err error) { must(r, "", err) }
	x.refused("their-key-disabled", "DstKmsKeyInvalidState",
		func() { key(x.to.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &x.toKey})) },
		func() { key(x.to.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &x.toKey})) })
	x.refused("their-key-goes", "DstKmsKeyInvalidState",
		func() {
			key(x.to.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &x.toKey, PendingWindowInDays: aws.Int32(7)}))
		},
		func() {
			key(x.to.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &x.toKey}))
			key(x.to.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &x.toKey}))
		})
	// Our own key: putting takes it too, so that the object waits for theirs first.
	x.theirKey()
	body, version = x.put("our-key-disabled")
	x.await("our-key-disabled", types.ReplicationStatusFailed, "DstPutObjectNotPermitted")
	key(x.from.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &x.fromKey}))
	whole()
	x.await("our-key-disabled", types.ReplicationStatusFailed, "SrcKmsKeyInvalidState")
	x.absent("our-key-disabled")
	key(x.from.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &x.fromKey}))
	x.await("our-key-disabled", types.ReplicationStatusCompleted, "")
	x.arrived(x.theirs, "our-key-disabled", body, version, x.toKey)
	walkCrossingKeys(x)
}

// walkCrossingKeys: keys that the rule names and that are not theirs to name.
func walkCrossingKeys(x *crossing) {
	t, r, ctx := x.r.t, x.r, x.r.t.Context()
	here := func(region string, c *caller) *kms.Client { return kms.NewFromConfig(c.config(region)) }
	arn := func(account, region, resource string) string {
		return "arn:aws:kms:" + region + ":" + account + ":" + resource
	}

	// An alias is one of the role's account, whatever account its ARN names.
	_, err := x.to.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String("alias/copies"), TargetKeyId: &x.toKey})
	must(r, "", err)
	x.rule(arn(x.other, toRegion, "alias/copies"))
	body, version := x.put("by-alias")
	x.await("by-alias", types.ReplicationStatusFailed, "DstKmsKeyNotFound")
	x.absent("by-alias")
	ours := here(toRegion, x.ours)
	made, err := ours.CreateKey(ctx, nil)
	must(r, made, err)
	_, err = ours.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String("alias/copies"), TargetKeyId: made.KeyMetadata.Arn})
	must(r, "", err)
	x.await("by-alias", types.ReplicationStatusCompleted, "")
	_, _, err = x.theirs.get(toRegion, x.receives, "by-alias")
	r.refused("an object under a key of ours, for them", err, "AccessDenied")
	out, err := x.theirs.s3(toRegion).HeadObject(ctx, &s3.HeadObjectInput{Bucket: &x.receives, Key: aws.String("by-alias")})
	if must(r, out, err); aws.ToString(out.SSEKMSKeyId) != *made.KeyMetadata.Arn || *out.VersionId != version {
		t.Errorf("by alias: version %s under %s, want %s under %s", *out.VersionId, aws.ToString(out.SSEKMSKeyId), version, *made.KeyMetadata.Arn)
	}

	// A key of another region, also theirs, and one that isn't there.
	elsewhere, err := here("eu-west-1", x.theirs).CreateKey(ctx, nil)
	for name, c := range map[string]struct{ key, reason string }{
		"another-region": {*must(r, elsewhere, err).KeyMetadata.Arn, "DstKmsKeyNotFound"},
		// Whether another account has a key is not told to who may not use it.
		"no-such-key": {arn(x.other, toRegion, "key/00000000-0000-4000-8000-000000000000"), "DstPutObjectNotPermitted"},
		// The managed key is for its own account.
		"managed-key": {x.managed(), "DstPutObjectNotPermitted"},
		"our-managed": {arn(x.other, toRegion, "alias/aws/s3"), "DstPutObjectNotPermitted"},
	} {
		x.rule(c.key)
		x.put(name)
		x.await(name, types.ReplicationStatusFailed, c.reason)
		x.absent(name)
	}

	// Their bucket's default is the managed key: that is nothing to objects under
	// KMS, which the rule has a key for, nor to those under the region's own.
	x.rule(x.toKey)
	_, err = x.theirs.s3(toRegion).PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{Bucket: &x.receives, ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{
		Rules: []types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAwsKms}}}}})
	must(r, "", err)
	body, version = x.put("default")
	x.await("default", types.ReplicationStatusCompleted, "")
	x.arrived(x.theirs, "default", body, version, x.toKey)
	version = r.put(fromRegion, x.source, "plain", body, func(in *s3.PutObjectInput) { in.ServerSideEncryption = types.ServerSideEncryptionAes256 })
	x.await("plain", types.ReplicationStatusCompleted, "")
	x.arrived(x.theirs, "plain", body, version, "")
}

// managed gives the ARN of their managed key, which an object makes.
func (x *crossing) managed() string {
	out, err := x.theirs.s3(toRegion).PutObject(x.r.t.Context(), &s3.PutObjectInput{Bucket: &x.receives, Key: aws.String("their-own"), Body: bytes.NewReader(nil), ServerSideEncryption: types.ServerSideEncryptionAwsKms})
	return *must(x.r, out, err).SSEKMSKeyId
}

// TestSDKSuspendedAccount: what a suspended account owns is nobody's to use: its
// objects, its keys, its roles, and its bucket as a destination. With the account
// everything is back.
func TestSDKSuspendedAccount(t *testing.T) {
	t.Parallel()
	r := start(t, true)
	ctx := t.Context()
	x := newCrossing(r)
	root := "arn:aws:iam::" + x.account + ":root"
	x.bucketPolicy(allow(x.role, "arn:aws:s3:::theirs/*", "", replicates...), allow(root, "arn:aws:s3:::theirs/*", "", "s3:GetObject", "s3:PutObject"),
		allow(root, "arn:aws:s3:::theirs", "", "s3:ListBucket"))
	_, err := x.theirs.s3(toRegion).PutObject(ctx, &s3.PutObjectInput{Bucket: &x.receives, Key: aws.String("k"), Body: strings.NewReader("theirs")})
	must(r, "", err)
	key, err := x.to.CreateKey(ctx, &kms.CreateKeyInput{Policy: policy(allow("arn:aws:iam::"+x.other+":root", "*", "", "kms:*"), allow(root, "*", "", "kms:GenerateDataKey"))})
	shared := *must(r, key, err).KeyMetadata.Arn
	role, err := iam.NewFromConfig(x.theirs.config(fromRegion)).CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("guest"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + root + `"},"Action":"sts:AssumeRole"}]}`)})
	must(r, role, err)
	staff := x.ours.user("staff", may("*", "s3:*", "kms:*", "sts:*"))
	x.put("before")
	x.await("before", types.ReplicationStatusCompleted, "")

	// What each may do now gives this error, "" for none.
	their := x.theirs.user("their", may("*", "s3:*", "kms:*"))
	type try struct {
		what, code string
		do         func() error
	}
	tries := []try{
		{"we read their object", "AllAccessDisabled", func() error { _, _, err := x.ours.get(toRegion, x.receives, "k"); return err }},
		{"we list their bucket", "AllAccessDisabled", func() error {
			_, err := x.ours.s3(toRegion).ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &x.receives})
			return err
		}},
		{"we write into their bucket", "AllAccessDisabled", func() error {
			_, err := x.ours.s3(toRegion).PutObject(ctx, &s3.PutObjectInput{Bucket: &x.receives, Key: aws.String("ours"), Body: strings.NewReader("ours")})
			return err
		}},
		{"our user uses their key", "AccessDeniedException", func() error {
			_, err := kms.NewFromConfig(staff.config(toRegion)).GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &shared, NumberOfBytes: aws.Int32(32)})
			return err
		}},
		{"our bucket's objects lie under their key", "AccessDenied", func() error {
			_, err := staff.s3(toRegion).PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("our-west"), Key: aws.String("sealed"), Body: strings.NewReader("sealed"),
				ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &shared, BucketKeyEnabled: aws.Bool(true)})
			return err
		}},
		{"our user assumes their role", "AccessDenied", func() error {
			_, err := sts.NewFromConfig(staff.config(fromRegion)).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: role.Role.Arn, RoleSessionName: aws.String("shift")})
			return err
		}},
		{"their root reads their object", "InvalidAccessKeyId", func() error { _, _, err := x.theirs.get(toRegion, x.receives, "k"); return err }},
		{"their user reads their object", "AllAccessDisabled", func() error { _, _, err := their.get(toRegion, x.receives, "k"); return err }},
	}
	r.bucket(toRegion, "our-west")
	works := func() {
		t.Helper()
		for _, c := range tries {
			if err := c.do(); err != nil {
				t.Errorf("%s: %v", c.what, err)
			}
		}
	}
	account := func(op string) {
		t.Helper()
		if out, err := command(t, "realm", "account", op, "partner", "--dir", r.data).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	works()
	account("suspend")
	for _, c := range tries {
		r.refused(c.what, c.do(), c.code)
	}
	body, version := x.put("meanwhile")
	x.await("meanwhile", types.ReplicationStatusFailed, "DstPutObjectNotPermitted")
	account("resume")
	works()
	x.await("meanwhile", types.ReplicationStatusCompleted, "")
	x.arrived(x.theirs, "meanwhile", body, version, x.toKey)
}
