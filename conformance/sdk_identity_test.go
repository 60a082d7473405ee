package conformance

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// as gives the realm for another caller.
func (r *realm) as(id, secret, token string) *caller {
	return &caller{r: r, id: id, secret: secret, token: token}
}

// caller is somebody with credentials, in any region.
type caller struct {
	r                 *realm
	id, secret, token string
}

func (c *caller) config(region string) aws.Config {
	config := c.r.config(region)
	config.Credentials = credentials.NewStaticCredentialsProvider(c.id, c.secret, c.token)
	return config
}

func (c *caller) s3(region string) *s3.Client {
	return s3.NewFromConfig(c.config(region), func(o *s3.Options) { o.UsePathStyle = true })
}

func (c *caller) get(region, bucket, key string) ([]byte, *s3.GetObjectOutput, error) {
	out, err := c.s3(region).GetObject(c.r.t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, nil, err
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	return b, out, err
}

// may is a policy document that allows actions on resources.
func may(resource string, actions ...string) *string {
	return aws.String(fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["%s"],"Resource":%q}]}`, strings.Join(actions, `","`), resource))
}

// TestSDKIdentity: users, roles, sessions and keys with aws-sdk-go-v2 over TLS,
// and what is left of them after a restart.
func TestSDKIdentity(t *testing.T) {
	t.Parallel()
	r := start(t, true)
	ctx := t.Context()
	people, account := r.iam(), r.account()
	keys := kms.NewFromConfig(r.config("us-east-1"))
	made, err := keys.CreateKey(ctx, &kms.CreateKeyInput{Description: aws.String("of vault")})
	key := *must(r, made, err).KeyMetadata.Arn
	r.bucket("us-east-1", "vault", "")
	r.bucket("us-west-2", "vault-west", "")

	// SSE-KMS with a bucket key: put, get and head.
	body := random(70_000)
	put, err := r.s3("us-east-1").PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("vault"), Key: aws.String("k"), Body: bytes.NewReader(body),
		ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &key, BucketKeyEnabled: aws.Bool(true)})
	must(r, put, err)
	sealed := func(what string, by types.ServerSideEncryption, id *string, bucketKey *bool) {
		t.Helper()
		if by != "aws:kms" || aws.ToString(id) != key || !aws.ToBool(bucketKey) {
			t.Errorf("%s: %s %s, bucket key %v", what, by, aws.ToString(id), aws.ToBool(bucketKey))
		}
	}
	sealed("put", put.ServerSideEncryption, put.SSEKMSKeyId, put.BucketKeyEnabled)
	head, err := r.head("us-east-1", "vault", "k")
	must(r, head, err)
	sealed("head", head.ServerSideEncryption, head.SSEKMSKeyId, head.BucketKeyEnabled)
	root := r.as(r.get("AWS_ACCESS_KEY_ID"), r.get("AWS_SECRET_ACCESS_KEY"), "")
	got, out, err := root.get("us-east-1", "vault", "k")
	must(r, out, err)
	sealed("get", out.ServerSideEncryption, out.SSEKMSKeyId, out.BucketKeyEnabled)
	equal(t, "the sealed object", got, body)

	// A user, who may do nothing; then in every region what its policy says.
	_, err = people.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("ada")})
	must(r, "", err)
	access, err := people.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: aws.String("ada")})
	must(r, access, err)
	ada := r.as(*access.AccessKey.AccessKeyId, *access.AccessKey.SecretAccessKey, "")
	for _, region := range []string{"us-east-1", "us-west-2", "eu-west-1"} {
		who, err := sts.NewFromConfig(ada.config(region)).GetCallerIdentity(ctx, nil)
		if want := "arn:aws:iam::" + account + ":user/ada"; *must(r, who, err).Arn != want {
			t.Errorf("in %s she is %s", region, *who.Arn)
		}
	}
	west := func(c *caller) error {
		_, err := c.s3("us-west-2").PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("vault-west"), Key: aws.String("hers"), Body: strings.NewReader("hers")})
		return err
	}
	r.refused("nobody allowed her", west(ada), "AccessDenied")
	_, err = people.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: aws.String("ada"), PolicyName: aws.String("west"), PolicyDocument: may("arn:aws:s3:::vault*/*", "s3:PutObject", "s3:GetObject")})
	must(r, "", err)
	must(r, "", west(ada))
	if got, _, err := ada.get("us-west-2", "vault-west", "hers"); err != nil || string(got) != "hers" {
		t.Errorf("she reads %q, %v", got, err)
	}
	// She may read the bucket, but not with the key that sealed the object.
	_, _, err = ada.get("us-east-1", "vault", "k")
	r.refused("without kms:Decrypt", err, "AccessDenied")
	r.refused("a wrong secret", west(r.as(ada.id, strings.Repeat("x", 40), "")), "SignatureDoesNotMatch")
	r.refused("no such key", west(r.as("AKIAAAAAAAAAAAAAAAAA", ada.secret, "")), "InvalidAccessKeyId")

	// A role: trust with an external ID, permissions, and a session policy that
	// leaves less of them.
	role, err := people.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("reader"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:user/ada"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"ext-1"}}}]}`)})
	arn := must(r, role, err).Role.Arn
	_, err = people.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("reader"), PolicyName: aws.String("reads"), PolicyDocument: may("*", "s3:GetObject", "s3:PutObject", "kms:Decrypt")})
	must(r, "", err)
	door := sts.NewFromConfig(ada.config("eu-west-1"))
	assume := func(external, policy *string) (*caller, error) {
		out, err := door.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: arn, RoleSessionName: aws.String("shift"), ExternalId: external, Policy: policy})
		if err != nil {
			return nil, err
		}
		if want := "arn:aws:sts::" + account + ":assumed-role/reader/shift"; *out.AssumedRoleUser.Arn != want {
			t.Errorf("assumed %s", *out.AssumedRoleUser.Arn)
		}
		return r.as(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken), nil
	}
	_, err = assume(nil, nil)
	r.refused("without the external ID", err, "AccessDenied")
	_, err = assume(aws.String("ext-2"), nil)
	r.refused("with another external ID", err, "AccessDenied")
	session, err := assume(aws.String("ext-1"), nil)
	must(r, session, err)
	got, _, err = session.get("us-east-1", "vault", "k")
	must(r, "", err)
	equal(t, "what the role reads", got, body)
	must(r, "", west(session))
	r.refused("a token of another key", func() error {
		_, _, err := r.as(session.id, session.secret, session.token[:len(session.token)-8]+"AAAAAAAA").get("us-east-1", "vault", "k")
		return err
	}(), "InvalidToken")
	less, err := assume(aws.String("ext-1"), may("*", "s3:GetObject", "kms:Decrypt", "s3:ListAllMyBuckets"))
	must(r, less, err)
	_, _, err = less.get("us-east-1", "vault", "k")
	must(r, "", err)
	r.refused("what the session policy leaves out", west(less), "AccessDenied")
	_, err = less.s3("us-east-1").ListBuckets(ctx, nil)
	r.refused("what only the session policy allows", err, "AccessDenied")
	_, err = people.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("reader"), PolicyName: aws.String("no"), PolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"kms:Decrypt","Resource":"` + key + `"}]}`)})
	must(r, "", err)
	_, _, err = session.get("us-east-1", "vault", "k")
	r.refused("the key is denied, which the object's bucket key makes no difference to", err, "AccessDenied")
	_, err = people.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: aws.String("reader"), PolicyName: aws.String("no")})
	must(r, "", err)

	// A rotation, and a restart: what was sealed before opens.
	about := map[string]string{"purpose": "test"}
	old, err := keys.Encrypt(ctx, &kms.EncryptInput{KeyId: &key, Plaintext: []byte("before"), EncryptionContext: about})
	must(r, old, err)
	_, err = keys.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &key})
	must(r, "", err)
	fresh, err := keys.Encrypt(ctx, &kms.EncryptInput{KeyId: &key, Plaintext: []byte("after"), EncryptionContext: about})
	must(r, fresh, err)
	r.p.stop()
	r.again()
	keys = kms.NewFromConfig(r.config("us-east-1"))
	for want, blob := range map[string][]byte{"before": old.CiphertextBlob, "after": fresh.CiphertextBlob} {
		plain, err := keys.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, EncryptionContext: about})
		if must(r, plain, err); string(plain.Plaintext) != want || *plain.KeyId != key {
			t.Errorf("%q under %s, want %s", plain.Plaintext, *plain.KeyId, want)
		}
		_, err = keys.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, EncryptionContext: map[string]string{"purpose": "another"}})
		r.refused("another context", err, "InvalidCiphertextException")
	}
	rotations, err := keys.ListKeyRotations(ctx, &kms.ListKeyRotationsInput{KeyId: &key})
	if must(r, rotations, err); len(rotations.Rotations) != 1 || rotations.Rotations[0].RotationType != "ON_DEMAND" {
		t.Errorf("rotations: %+v", rotations.Rotations)
	}
	for _, c := range []*caller{root, session} {
		got, _, err := c.get("us-east-1", "vault", "k")
		must(r, "", err)
		equal(t, "after the restart", got, body)
	}
	must(r, "", west(ada))

	// A disabled key opens nothing, and everything again once it is enabled.
	_, err = keys.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &key})
	must(r, "", err)
	_, _, err = root.get("us-east-1", "vault", "k")
	r.refused("the key is disabled", err, "KMS.DisabledException")
	_, err = keys.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &key})
	must(r, "", err)
	got, _, err = root.get("us-east-1", "vault", "k")
	must(r, "", err)
	equal(t, "enabled again", got, body)
	_, err = people.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: aws.String("ada"), AccessKeyId: &ada.id})
	must(r, "", err)
	r.refused("her key is gone", west(ada), "InvalidAccessKeyId")
}
