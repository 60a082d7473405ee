package s3api

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/realm"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/store"
)

func located(region string) []byte {
	return []byte("<CreateBucketConfiguration><LocationConstraint>" + region + "</LocationConstraint></CreateBucketConfiguration>")
}

// eastAndWest are two regions of which us-east-1 can make buckets in the other.
func eastAndWest(t *testing.T) (east, west *world) {
	f := &fakeRealm{names: map[string]realm.Name{}, endpoints: map[string]string{}}
	east, west = newRegion(t, f, "us-east-1"), newRegion(t, f, "us-west-2")
	createIn := func(ctx context.Context, region string, n store.NewBucket) error {
		if region != "us-west-2" {
			return realm.ErrUnavailable
		}
		return f.Create(ctx, region, n.Name, n.Owner, func(uid s3.UID) error {
			n.UID = uid
			_, err := west.store.CreateBucket(ctx, n)
			return err
		})
	}
	east.door.opt.CreateIn, west.door.opt.CreateIn = createIn, createIn
	return east, west
}

// us-east-1 makes buckets of every region, as on AWS; the others make their own
// alone.
func TestCreateElsewhere(t *testing.T) {
	east, west := eastAndWest(t)
	east.do("PUT", "/far", located("us-west-2"), "x-amz-object-ownership", "ObjectWriter", "x-amz-bucket-object-lock-enabled", "true").want(t, 200, "")
	if a := east.do("GET", "/far?location", nil); a.status != 200 || !strings.Contains(a.body, ">us-west-2</LocationConstraint>") {
		t.Errorf("its location: %d %s", a.status, a.body)
	}
	west.do("PUT", "/far/key", []byte("bytes")).want(t, 200, "")
	east.do("GET", "/far/key", nil).want(t, 301, "PermanentRedirect")
	if b, err := west.store.Bucket(t.Context(), "far"); err != nil || !b.ObjectLock || b.Ownership != "ObjectWriter" || b.Owner != testAccount {
		t.Errorf("made as %+v, %v", b, err)
	}
	if _, err := east.store.Bucket(t.Context(), "far"); err == nil {
		t.Error("it is in us-east-1, too")
	}
	east.do("PUT", "/tagged", []byte("<CreateBucketConfiguration><LocationConstraint>us-west-2</LocationConstraint><Tags><Tag><Key>a</Key><Value>b</Value></Tag></Tags></CreateBucketConfiguration>")).want(t, 200, "")
	if a := west.do("GET", "/tagged?tagging", nil); !strings.Contains(a.body, "<Key>a</Key>") {
		t.Errorf("its tags are lost: %s", a.body)
	}

	east.do("PUT", "/near", nil).want(t, 200, "")
	east.do("PUT", "/near", nil).want(t, 200, "")
	for _, c := range []struct {
		w      *world
		bucket string
		body   []byte
		status int
		code   string
	}{
		{east, "far", located("us-west-2"), 409, "BucketAlreadyOwnedByYou"},
		{east, "far", nil, 409, "BucketAlreadyOwnedByYou"},
		{east, "near", located("us-west-2"), 409, "BucketAlreadyOwnedByYou"},
		{east, "other", located("eu-west-1"), 503, "ServiceUnavailable"}, // it does not answer
		{east, "other", located("EU"), 503, "ServiceUnavailable"},
		{east, "other", located("us-east-1"), 400, "InvalidLocationConstraint"},
		{east, "other", located("mars-1"), 400, "InvalidLocationConstraint"},
		{west, "other", located("eu-west-1"), 400, "IllegalLocationConstraintException"},
		{west, "other", located("us-east-1"), 400, "IllegalLocationConstraintException"},
		{west, "other", located("mars-1"), 400, "IllegalLocationConstraintException"}, // recorded: eu-west-1-bar
		{east, "Other", located("us-west-2"), 400, "InvalidBucketName"},
	} {
		c.w.do("PUT", "/"+c.bucket, c.body).want(t, c.status, c.code)
	}
	if _, there := east.realm.names["other"]; there {
		t.Error("a refused request left a name behind")
	}
	foreign := east.request("PUT", "/far", located("us-west-2"))
	east.send(east.signAs(foreign, located("us-west-2"), "AKIAOTHER", "other secret", time.Now())).want(t, 409, "BucketAlreadyExists")
}

// us-east-1 takes a repeat for the same request only if it brings no tags, equal
// ones neither: recorded in test_create_bucket_with_tags_us_east_1_idempotency.
func TestCreateAgainWithTags(t *testing.T) {
	w := newWorld(t)
	tags := func(inner string) []byte {
		return []byte("<CreateBucketConfiguration><Tags>" + inner + "</Tags></CreateBucketConfiguration>")
	}
	const one = "<Tag><Key>tag1</Key><Value>value1</Value></Tag>"
	w.do("PUT", "/bucket", tags(one)).want(t, 200, "")
	w.do("PUT", "/bucket", tags("<Tag><Key>tag2</Key><Value>value2</Value></Tag>")).want(t, 409, "BucketAlreadyOwnedByYou")
	w.do("PUT", "/bucket", tags(one)).want(t, 409, "BucketAlreadyOwnedByYou")
	w.do("PUT", "/bucket", nil).want(t, 200, "")
	w.do("PUT", "/bucket", tags("")).want(t, 200, "")
	if a := w.do("GET", "/bucket?tagging", nil); !strings.Contains(a.body, "<Key>tag1</Key>") || strings.Contains(a.body, "tag2") {
		t.Errorf("its tags are %s", a.body)
	}
	w.do("PUT", "/untagged", tags("")).want(t, 200, "") // recorded: test_create_bucket_with_empty_tags
	w.do("GET", "/untagged?tagging", nil).want(t, 404, "NoSuchTagSet")
}

// s3:LocationConstraint is where the bucket is to be, whichever region is asked
// and whatever name the client has for it: else a policy that binds somebody to
// a region would not hold.
func TestLocationConstraintIsDecidedOn(t *testing.T) {
	east, _ := eastAndWest(t)
	const alice = "arn:aws:iam::" + testAccount + ":user/alice"
	try := func(bucket string, body []byte) answer {
		return east.send(east.signAs(east.request("PUT", "/"+bucket, body), body, "AKIAALICE", "alice's secret", time.Now()))
	}
	east.bind(alice, &access.Policies{Identity: onePolicy(t, `{"Effect":"Allow","Action":"s3:CreateBucket","Resource":"*","Condition":{"StringEquals":{"s3:LocationConstraint":"us-west-2"}}}`)})
	try("allowed", located("us-west-2")).want(t, 200, "")
	try("no-constraint", nil).want(t, 403, "AccessDenied")
	try("another", located("eu-west-1")).want(t, 403, "AccessDenied")
	try("none", located("")).want(t, 403, "AccessDenied")
	try("broken", []byte("<CreateBucketConfiguration><LocationConstraint>us-west-2")).want(t, 400, "MalformedXML")
	east.bind(alice, &access.Policies{Identity: onePolicy(t, `{"Effect":"Allow","Action":"s3:CreateBucket","Resource":"*"}`,
		`{"Effect":"Deny","Action":"s3:CreateBucket","Resource":"*","Condition":{"StringEquals":{"s3:LocationConstraint":"eu-west-1"}}}`)})
	try("denied", located("eu-west-1")).want(t, 403, "AccessDenied")
	try("denied", located("EU")).want(t, 403, "AccessDenied")
	try("free", nil).want(t, 200, "")
	east.bind(alice, &access.Policies{Identity: onePolicy(t, `{"Effect":"Allow","Action":"s3:CreateBucket","Resource":"*","Condition":{"Null":{"s3:LocationConstraint":"true"}}}`)})
	try("unsaid", nil).want(t, 200, "")
	try("said", located("us-west-2")).want(t, 403, "AccessDenied")
}
