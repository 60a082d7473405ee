package server

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// TestReplicationMends takes from a running realm what replication needs, sees
// the reason at the source, gives it back, and sees the object arrive long
// before its next try is due: whoever can mend something is heard.
func TestReplicationMends(t *testing.T) {
	d := startDev(t, DevOptions{TLS: true})
	ctx := t.Context()
	d.versioned("us-east-1", "mend-source")
	d.versioned("us-west-2", "mend-copy")
	key := func(region string) (*kms.Client, string) {
		c := kms.NewFromConfig(d.config(region))
		return c, *must[*kms.CreateKeyOutput](t)(c.CreateKey(ctx, nil)).KeyMetadata.Arn
	}
	_, from := key("us-east-1")
	keys, to := key("us-west-2")
	role := d.role("mender")
	must[*s3.PutBucketReplicationOutput](t)(d.s3("us-east-1").PutBucketReplication(ctx, &s3.PutBucketReplicationInput{
		Bucket: aws.String("mend-source"), ReplicationConfiguration: &types.ReplicationConfiguration{Role: &role, Rules: []types.ReplicationRule{{
			ID: aws.String("r"), Status: "Enabled", Priority: aws.Int32(1), Filter: &types.ReplicationRuleFilter{Prefix: aws.String("")},
			DeleteMarkerReplication: &types.DeleteMarkerReplication{Status: "Disabled"},
			SourceSelectionCriteria: &types.SourceSelectionCriteria{SseKmsEncryptedObjects: &types.SseKmsEncryptedObjects{Status: "Enabled"}},
			Destination:             &types.Destination{Bucket: aws.String("arn:aws:s3:::mend-copy"), EncryptionConfiguration: &types.EncryptionConfiguration{ReplicaKmsKeyID: &to}},
		}}},
	}))
	copyPolicy := func(text string) {
		if text == "" {
			must[*s3.DeleteBucketPolicyOutput](t)(d.s3("us-west-2").DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: aws.String("mend-copy")}))
			return
		}
		must[*s3.PutBucketPolicyOutput](t)(d.s3("us-west-2").PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: aws.String("mend-copy"), Policy: &text}))
	}
	people := iam.NewFromConfig(d.config("us-east-1"))
	for _, c := range []struct {
		reason      string
		spoil, mend func()
	}{
		{"SrcGetObjectNotPermitted", func() {
			must[*iam.PutRolePolicyOutput](t)(people.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("mender"), PolicyName: aws.String("no"), PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:GetObjectVersionForReplication","Resource":"*"}]}`)}))
		}, func() {
			must[*iam.DeleteRolePolicyOutput](t)(people.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: aws.String("mender"), PolicyName: aws.String("no")}))
		}},
		{"DstKmsKeyInvalidState", func() {
			must[*kms.DisableKeyOutput](t)(keys.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &to}))
		}, func() {
			must[*kms.EnableKeyOutput](t)(keys.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &to}))
		}},
		{"DstPutObjectNotPermitted", func() {
			copyPolicy(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"AWS":"` + role + `"},"Action":"s3:ReplicateObject","Resource":"arn:aws:s3:::mend-copy/*"}]}`)
		}, func() { copyPolicy("") }},
	} {
		t.Run(c.reason, func(t *testing.T) {
			c.spoil()
			source := d.s3("us-east-1")
			body := []byte("mended: " + c.reason)
			put := must[*s3.PutObjectOutput](t)(source.PutObject(ctx, &s3.PutObjectInput{
				Bucket: aws.String("mend-source"), Key: &c.reason, Body: bytes.NewReader(body), ServerSideEncryption: "aws:kms", SSEKMSKeyId: &from, BucketKeyEnabled: aws.Bool(true),
			}))
			d.await("FAILED", "us-east-1", "mend-source", c.reason, *put.VersionId)
			head := must[*s3.HeadObjectOutput](t)(source.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String("mend-source"), Key: &c.reason}))
			res := awsmiddleware.GetRawResponse(head.ResultMetadata).(*smithyhttp.Response)
			if got := res.Header.Get("x-farhold-replication-reason"); got != c.reason {
				t.Errorf("the reason is %q, want %q", got, c.reason)
			}
			_, err := d.s3("us-west-2").HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String("mend-copy"), Key: &c.reason})
			if err == nil || !strings.Contains(err.Error(), "404") {
				t.Errorf("at the destination: %v", err)
			}
			mended := time.Now()
			c.mend()
			d.await("COMPLETED", "us-east-1", "mend-source", c.reason, *put.VersionId)
			t.Logf("COMPLETED %v after it was mended", time.Since(mended).Round(time.Millisecond))
			got := must[*s3.GetObjectOutput](t)(d.s3("us-west-2").GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("mend-copy"), Key: &c.reason}))
			if b := must[[]byte](t)(io.ReadAll(got.Body)); !bytes.Equal(b, body) || got.ServerSideEncryption != "aws:kms" || aws.ToString(got.SSEKMSKeyId) != to || !aws.ToBool(got.BucketKeyEnabled) {
				t.Errorf("%q under %s %s", b, got.ServerSideEncryption, aws.ToString(got.SSEKMSKeyId))
			}
			head = must[*s3.HeadObjectOutput](t)(source.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String("mend-source"), Key: &c.reason}))
			if got := awsmiddleware.GetRawResponse(head.ResultMetadata).(*smithyhttp.Response).Header.Get("x-farhold-replication-reason"); got != "" {
				t.Errorf("a reason is left: %q", got)
			}
		})
	}
}
