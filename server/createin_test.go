package server

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/farhold/farhold/realm"
	"github.com/farhold/farhold/store"
)

// TestEastMakesBucketsOfAllRegions: the bucket is the other region's when the
// answer comes, known in every region, and answers AWS's errors from there.
func TestEastMakesBucketsOfAllRegions(t *testing.T) {
	d := startDev(t, DevOptions{})
	ctx := t.Context()
	east, west, eu := d.s3("us-east-1"), d.s3("us-west-2"), d.s3("eu-west-1")
	far := func(region string) *s3.CreateBucketInput {
		return &s3.CreateBucketInput{Bucket: aws.String("far"), ObjectLockEnabledForBucket: aws.Bool(true),
			CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(region), Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}}}
	}
	must[*s3.CreateBucketOutput](t)(east.CreateBucket(ctx, far("us-west-2")))
	for name, c := range map[string]*s3.Client{"us-east-1": east, "us-west-2": west, "eu-west-1": eu} {
		if l := must[*s3.GetBucketLocationOutput](t)(c.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: aws.String("far")})); l.LocationConstraint != "us-west-2" {
			t.Errorf("%s takes it to be in %q", name, l.LocationConstraint)
		}
	}
	must[*s3.PutObjectOutput](t)(west.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("far"), Key: aws.String("k"), Body: strings.NewReader("bytes")}))
	lock := must[*s3.GetObjectLockConfigurationOutput](t)(west.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: aws.String("far")}))
	if lock.ObjectLockConfiguration.ObjectLockEnabled != types.ObjectLockEnabledEnabled {
		t.Error("its lock is lost")
	}
	tags := must[*s3.GetBucketTaggingOutput](t)(west.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: aws.String("far")}))
	if len(tags.TagSet) != 1 || *tags.TagSet[0].Value != "b" {
		t.Errorf("its tags: %v", tags.TagSet)
	}
	for _, region := range []string{"us-west-2", "eu-west-1"} {
		if _, err := east.CreateBucket(ctx, far(region)); codeOf(err) != "BucketAlreadyOwnedByYou" {
			t.Errorf("again, in %s: %v", region, err)
		}
	}
	if _, err := eu.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("other"),
		CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: "us-west-2"}}); codeOf(err) != "IllegalLocationConstraintException" {
		t.Errorf("through eu-west-1: %v", err)
	}
}

// TestNobodyElseMakesBucketsElsewhere: a region takes us-east-1's word alone.
func TestNobodyElseMakesBucketsElsewhere(t *testing.T) {
	d := startDev(t, DevOptions{})
	regions := map[string]*Region{}
	for _, r := range d.p.Regions {
		regions[r.Name()] = r
	}
	n := store.NewBucket{Name: "foreign", Owner: d.p.Account}
	if err := regions["eu-west-1"].createIn(t.Context(), "us-west-2", n); !errors.Is(err, realm.ErrUnavailable) {
		t.Errorf("eu-west-1 made one: %v", err)
	}
	if _, ok, err := regions["us-west-2"].Realm().Locate(t.Context(), "foreign"); ok || err != nil {
		t.Errorf("it is there: %v, %v", ok, err)
	}
}
