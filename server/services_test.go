package server

import (
	"net"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/s3control"
	"github.com/aws/aws-sdk-go-v2/service/s3control/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// An account's public access block that is set in one region counts in all of
// them, also where the bucket's own blocks nothing; and services share an
// address with S3.
func TestControlAndSecrets(t *testing.T) {
	d := startDev(t, DevOptions{})
	scheme, _, _ := strings.Cut(d.p.Endpoints()[0], "://")
	_, port, _ := net.SplitHostPort(d.p.Addresses()[0])
	control := func(region string) *s3control.Client {
		return s3control.NewFromConfig(d.config(region), func(o *s3control.Options) { o.BaseEndpoint = aws.String(scheme + "://localhost:" + port) })
	}
	me := aws.String(d.p.Account)
	b := aws.String("open")
	west := d.s3("us-west-2")
	if _, err := west.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: b, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: "us-west-2"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := west.DeletePublicAccessBlock(t.Context(), &s3.DeletePublicAccessBlockInput{Bucket: b}); err != nil {
		t.Fatal(err)
	}
	public := func() error {
		_, err := west.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: b, Policy: aws.String(
			`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::open/*"}}`)})
		return err
	}
	if err := public(); err != nil {
		t.Fatal(err)
	}
	if _, err := control("us-east-1").PutPublicAccessBlock(t.Context(), &s3control.PutPublicAccessBlockInput{
		AccountId: me, PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{BlockPublicPolicy: aws.Bool(true)},
	}); err != nil {
		t.Fatal(err)
	}
	if err := public(); codeOf(err) != "AccessDenied" {
		t.Errorf("a public policy under the account's block: %v", err)
	}
	out, err := control("eu-west-1").GetPublicAccessBlock(t.Context(), &s3control.GetPublicAccessBlockInput{AccountId: me})
	if err != nil || !*out.PublicAccessBlockConfiguration.BlockPublicPolicy || *out.PublicAccessBlockConfiguration.BlockPublicAcls {
		t.Errorf("%+v %v", out, err)
	}
	if _, err := control("us-west-2").DeletePublicAccessBlock(t.Context(), &s3control.DeletePublicAccessBlockInput{AccountId: me}); err != nil {
		t.Fatal(err)
	}
	if err := public(); err != nil {
		t.Errorf("without the block: %v", err)
	}

	arn := aws.String("arn:aws:s3:::open")
	if _, err := control("us-west-2").TagResource(t.Context(), &s3control.TagResourceInput{AccountId: me, ResourceArn: arn, Tags: []types.Tag{{Key: aws.String("Team"), Value: aws.String("red")}}}); err != nil {
		t.Fatal(err)
	}
	tags, err := west.GetBucketTagging(t.Context(), &s3.GetBucketTaggingInput{Bucket: b})
	if err != nil || len(tags.TagSet) != 1 || *tags.TagSet[0].Value != "red" {
		t.Errorf("%+v %v", tags, err)
	}

	for _, region := range []string{"us-east-1", "eu-west-1"} {
		p, err := secretsmanager.NewFromConfig(d.config(region)).GetRandomPassword(t.Context(), &secretsmanager.GetRandomPasswordInput{PasswordLength: aws.Int64(20)})
		if err != nil || len(*p.RandomPassword) != 20 {
			t.Errorf("%s: %v", region, err)
		}
	}
}
