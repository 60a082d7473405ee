package s3api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/farhold/farhold/realm"
)

func TestCheckBucketName(t *testing.T) {
	for _, name := range []string{"abc", "a.b-c", "0a9", strings.Repeat("a", 63), "a-.b", "my-bucket.example.com"} {
		if err := checkBucketName(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"", "ab", strings.Repeat("a", 64), "Abc", "a_b", "-abc", "abc-", ".abc", "abc.", "a..b",
		"192.168.5.4", "xn--abc", "sthree-abc", "amzn-s3-demo-bucket", "abc-s3alias", "abc--ol-s3", "abc.mrap", "abc--x-s3", "abc--table-s3", "a b", "a/b", "a\x00b", "büc"} {
		if checkBucketName(name) == nil {
			t.Errorf("%q was taken", name)
		}
	}
}

func TestCreateBucket(t *testing.T) {
	f := &fakeRealm{names: map[string]realm.Name{}, endpoints: map[string]string{}}
	east, west := newRegion(t, f, "us-east-1"), newRegion(t, f, "us-west-2")
	conf := func(inner string) []byte {
		return []byte(`<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` + inner + `</CreateBucketConfiguration>`)
	}
	at := func(region string) []byte { return conf("<LocationConstraint>" + region + "</LocationConstraint>") }
	for _, c := range []struct {
		what    string
		w       *world
		bucket  string
		body    []byte
		headers []string
		status  int
		code    string
	}{
		{"plain", east, "one", nil, nil, 200, ""},
		{"again in us-east-1", east, "one", nil, nil, 200, ""},
		{"again from elsewhere", west, "one", at("us-west-2"), nil, 409, "BucketAlreadyOwnedByYou"},
		{"elsewhere", west, "two", at("us-west-2"), nil, 200, ""},
		{"again elsewhere", west, "two", at("us-west-2"), nil, 409, "BucketAlreadyOwnedByYou"},
		{"us-east-1 but in use elsewhere", east, "two", nil, nil, 409, "BucketAlreadyOwnedByYou"},
		{"no constraint where one is needed", west, "three", nil, nil, 400, "IllegalLocationConstraintException"},
		{"empty constraint where one is needed", west, "three", conf("<LocationConstraint/>"), nil, 400, "IllegalLocationConstraintException"},
		{"constraint of another region", west, "three", at("eu-west-1"), nil, 400, "IllegalLocationConstraintException"},
		{"the old EU", west, "three", at("EU"), nil, 400, "IllegalLocationConstraintException"},
		{"constraint of no region, elsewhere", west, "three", at("mars-1"), nil, 400, "IllegalLocationConstraintException"},
		{"constraint us-east-1", east, "three", at("us-east-1"), nil, 400, "InvalidLocationConstraint"},
		{"constraint of no region", east, "three", at("mars-1"), nil, 400, "InvalidLocationConstraint"},
		{"bad name", east, "Three", nil, nil, 400, "InvalidBucketName"},
		{"bad XML", east, "three", []byte("<CreateBucketConfiguration>"), nil, 400, "MalformedXML"},
		{"wrong root", east, "three", []byte("<Tagging/>"), nil, 400, "MalformedXML"},
		{"DOCTYPE", east, "three", append([]byte(`<!DOCTYPE a>`), conf("")...), nil, 400, "MalformedXML"},
		{"bad ownership", east, "three", nil, []string{"x-amz-object-ownership", "Nobody"}, 400, "InvalidArgument"},
		{"bad lock", east, "three", nil, []string{"x-amz-bucket-object-lock-enabled", "yes"}, 400, "InvalidArgument"},
		{"canned ACL under enforced ownership", east, "three", nil, []string{"x-amz-acl", "public-read"}, 400, "InvalidBucketAclWithObjectOwnership"},
		{"public ACL", east, "three", nil, []string{"x-amz-acl", "public-read", "x-amz-object-ownership", "ObjectWriter"}, 400, "InvalidBucketAclWithBlockPublicAccessError"},
		{"unknown ACL", east, "three", nil, []string{"x-amz-acl", "mine"}, 400, "InvalidArgument"},
		{"tag twice", east, "three", conf("<Tags><Tag><Key>a</Key><Value>1</Value></Tag><Tag><Key>a</Key><Value>2</Value></Tag></Tags>"), nil, 400, "InvalidTag"},
		{"digest of another body", east, "three", conf(""), []string{"Content-MD5", "1B2M2Y8AsgTpgAmY7PhCfg=="}, 400, "BadDigest"},
		{"digest that is none", east, "three", conf(""), []string{"Content-MD5", "zzz"}, 400, "InvalidDigest"},
		{"checksum of another body", east, "three", conf(""), []string{"x-amz-checksum-crc32", "AAAAAA=="}, 400, "BadDigest"},
		{"body beyond the limit", east, "three", conf(strings.Repeat(" ", bucketDocumentMax)), nil, 400, "MaxMessageLengthExceeded"},
		{"directory bucket", east, "three", conf("<Bucket><Type>Directory</Type></Bucket>"), nil, 501, "NotImplemented"},
		{"private ACL", east, "four", nil, []string{"x-amz-acl", "private"}, 200, ""},
		{"log delivery", east, "five", nil, []string{"x-amz-acl", "log-delivery-write", "x-amz-object-ownership", "BucketOwnerPreferred"}, 200, ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			a := c.w.do("PUT", "/"+c.bucket, c.body, c.headers...)
			a.want(t, c.status, c.code)
		})
	}
	if _, ok := f.names["three"]; ok {
		t.Error("a refused request left a name behind")
	}
	if a := east.do("GET", "/five?acl", nil); !strings.Contains(a.body, "LogDelivery") {
		t.Errorf("the ACL given with the bucket is lost:\n%s", a.body)
	}
}

func TestForeignName(t *testing.T) {
	w := newWorld(t)
	w.send(w.signAs(w.request("PUT", "/taken", nil), nil, "AKIAOTHER", "other secret", time.Now())).want(t, 200, "")
	w.do("PUT", "/taken", nil).want(t, 409, "BucketAlreadyExists")
	w.do("GET", "/taken", nil).want(t, 403, "AccessDenied")
	w.do("DELETE", "/taken", nil).want(t, 403, "AccessDenied")
}

func TestCreateWithLockAndTags(t *testing.T) {
	w := newWorld(t)
	c := w.sdk()
	_, err := c.CreateBucket(t.Context(), &sdk.CreateBucketInput{
		Bucket: aws.String("locked"), ObjectLockEnabledForBucket: aws.Bool(true), ObjectOwnership: types.ObjectOwnershipObjectWriter,
		CreateBucketConfiguration: &types.CreateBucketConfiguration{Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("storage")}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	v, err := c.GetBucketVersioning(t.Context(), &sdk.GetBucketVersioningInput{Bucket: aws.String("locked")})
	if err != nil || v.Status != types.BucketVersioningStatusEnabled {
		t.Errorf("versioning is %v, %v", v, err)
	}
	tags, err := c.GetBucketTagging(t.Context(), &sdk.GetBucketTaggingInput{Bucket: aws.String("locked")})
	if err != nil || len(tags.TagSet) != 1 || *tags.TagSet[0].Value != "storage" {
		t.Errorf("tags are %+v, %v", tags, err)
	}
	o, err := c.GetBucketOwnershipControls(t.Context(), &sdk.GetBucketOwnershipControlsInput{Bucket: aws.String("locked")})
	if err != nil || o.OwnershipControls.Rules[0].ObjectOwnership != types.ObjectOwnershipObjectWriter {
		t.Errorf("ownership is %+v, %v", o, err)
	}
}

func TestHeadLocationDelete(t *testing.T) {
	f := &fakeRealm{names: map[string]realm.Name{}, endpoints: map[string]string{}}
	east, west := newRegion(t, f, "us-east-1"), newRegion(t, f, "us-west-2")
	east.bucket("east")
	west.bucket("west")

	a := east.do("HEAD", "/east", nil)
	a.want(t, 200, "")
	for name, want := range map[string]string{"X-Amz-Bucket-Region": "us-east-1", "X-Amz-Bucket-Arn": "arn:aws:s3:::east", "X-Amz-Access-Point-Alias": "false", "Server": "AmazonS3"} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	if len(a.header.Get("X-Amz-Request-Id")) != 16 || len(a.header.Get("X-Amz-Id-2")) < 40 || a.header.Get("Date") == "" {
		t.Errorf("the usual headers are missing: %v", a.header)
	}
	if a := east.do("HEAD", "/nowhere", nil); a.status != 404 || a.body != "" {
		t.Errorf("HEAD of no bucket: %d %q", a.status, a.body)
	}
	if a := east.do("GET", "/nowhere", nil); a.code() != "NoSuchBucket" || a.element("BucketName") != "nowhere" {
		t.Errorf("GET of no bucket:\n%s", a.body)
	}

	if a := east.do("GET", "/east?location", nil); a.status != 200 || !strings.Contains(a.body, `<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></LocationConstraint>`) {
		t.Errorf("location in us-east-1:\n%s", a.body)
	}
	for _, w := range []*world{east, west} {
		if a := w.do("GET", "/west?location", nil); a.status != 200 || !strings.Contains(a.body, ">us-west-2</LocationConstraint>") {
			t.Errorf("location of west:\n%s", a.body)
		}
	}

	east.do("PUT", "/east/k", []byte("x")).want(t, 200, "")
	if a := east.do("DELETE", "/east", nil); a.status != 409 || a.code() != "BucketNotEmpty" || a.element("BucketName") != "east" {
		t.Errorf("DELETE of a bucket with an object: %d\n%s", a.status, a.body)
	}
	east.do("DELETE", "/east/k", nil).want(t, 204, "")
	east.do("DELETE", "/east", nil).want(t, 204, "")
	east.do("GET", "/east", nil).want(t, 404, "NoSuchBucket")
}

func TestElsewhere(t *testing.T) {
	f := &fakeRealm{names: map[string]realm.Name{}, endpoints: map[string]string{}}
	east, west := newRegion(t, f, "us-east-1"), newRegion(t, f, "us-west-2")
	west.bucket("west")

	for _, target := range []string{"/west", "/west/key", "/west?acl", "/west/key?tagging"} {
		a := east.do("GET", target, nil)
		a.want(t, 301, "PermanentRedirect")
		if a.element("Bucket") != "west" || a.element("Endpoint") != f.endpoints["us-west-2"] || a.header.Get("X-Amz-Bucket-Region") != "us-west-2" || a.header.Get("Location") != "" {
			t.Errorf("%s: %v\n%s", target, a.header, a.body)
		}
		if strings.Contains(target, "?") {
			continue // no such HEAD
		}
		a = east.do("HEAD", target, nil)
		if a.status != 301 || a.body != "" || a.header.Get("X-Amz-Bucket-Region") != "us-west-2" {
			t.Errorf("HEAD %s: %d %v", target, a.status, a.header)
		}
	}
	east.do("DELETE", "/west", nil).want(t, 301, "PermanentRedirect")
	west.do("HEAD", "/west", nil).want(t, 200, "")

	// A signature for another region than the one that was reached.
	r := east.request("GET", "/west", nil)
	west.sign(r, nil)
	a := east.send(r)
	a.want(t, 400, "AuthorizationHeaderMalformed")
	if a.element("Region") != "us-east-1" || a.header.Get("X-Amz-Bucket-Region") != "us-west-2" {
		t.Errorf("wrong scope: %v\n%s", a.header, a.body)
	}
}

func TestExpectedOwner(t *testing.T) {
	w := newWorld(t)
	w.bucket("owned")
	w.do("GET", "/owned", nil, "x-amz-expected-bucket-owner", testAccount).want(t, 200, "")
	w.do("GET", "/owned", nil, "x-amz-expected-bucket-owner", "999999999999").want(t, 403, "AccessDenied")
	w.do("DELETE", "/owned", nil, "x-amz-expected-bucket-owner", "999999999999").want(t, 403, "AccessDenied")
	w.do("GET", "/owned", nil, "x-amz-expected-bucket-owner", "me").want(t, 400, "InvalidBucketOwnerAWSAccountID")
	w.do("HEAD", "/owned", nil).want(t, 200, "")
}

func TestListBuckets(t *testing.T) {
	f := &fakeRealm{names: map[string]realm.Name{}, endpoints: map[string]string{}}
	east, west := newRegion(t, f, "us-east-1"), newRegion(t, f, "us-west-2")
	for _, name := range []string{"b-one", "b-two", "a-one"} {
		east.bucket(name)
	}
	west.bucket("b-west")
	f.names["b-foreign"] = realm.Name{Name: "b-foreign", Region: "us-east-1", Owner: "999999999999"}

	list := func(in *sdk.ListBucketsInput) string {
		t.Helper()
		var names []string
		p := sdk.NewListBucketsPaginator(west.sdk(), in)
		for p.HasMorePages() {
			page, err := p.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if in.MaxBuckets != nil && len(page.Buckets) > int(*in.MaxBuckets) {
				t.Errorf("a page of %d", len(page.Buckets))
			}
			for _, b := range page.Buckets {
				names = append(names, *b.Name+"@"+aws.ToString(b.BucketRegion))
			}
			if *page.Owner.ID != canonicalID(testAccount) {
				t.Errorf("the owner is %s", *page.Owner.ID)
			}
		}
		return strings.Join(names, " ")
	}
	all := "a-one@us-east-1 b-one@us-east-1 b-two@us-east-1 b-west@us-west-2"
	for _, c := range []struct {
		in   *sdk.ListBucketsInput
		want string
	}{
		{&sdk.ListBucketsInput{}, "a-one@ b-one@ b-two@ b-west@"},
		{&sdk.ListBucketsInput{MaxBuckets: aws.Int32(1)}, all},
		{&sdk.ListBucketsInput{MaxBuckets: aws.Int32(2)}, all},
		{&sdk.ListBucketsInput{MaxBuckets: aws.Int32(4)}, all},
		{&sdk.ListBucketsInput{Prefix: aws.String("b-"), MaxBuckets: aws.Int32(1)}, "b-one@us-east-1 b-two@us-east-1 b-west@us-west-2"},
		{&sdk.ListBucketsInput{BucketRegion: aws.String("us-west-2"), MaxBuckets: aws.Int32(1)}, "b-west@us-west-2"},
		{&sdk.ListBucketsInput{Prefix: aws.String("zzz")}, ""},
	} {
		if got := list(c.in); got != c.want {
			t.Errorf("listed %q, want %q", got, c.want)
		}
	}
	for _, q := range []string{"max-buckets=0", "max-buckets=10001", "max-buckets=x", "bucket-region=mars-1", "continuation-token=%21"} {
		west.do("GET", "/?"+q, nil).want(t, 400, "InvalidArgument")
	}
	west.do("POST", "/", nil).want(t, 405, "MethodNotAllowed")
}

func TestBucketACL(t *testing.T) {
	w := newWorld(t)
	w.bucket("enforced")
	w.do("PUT", "/open", nil, "x-amz-object-ownership", "ObjectWriter").want(t, 200, "")
	c := w.sdk()
	owner := canonicalID(testAccount)

	get := func(bucket string) *sdk.GetBucketAclOutput {
		t.Helper()
		o, err := c.GetBucketAcl(t.Context(), &sdk.GetBucketAclInput{Bucket: &bucket})
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	for _, b := range []string{"enforced", "open"} {
		o := get(b)
		if *o.Owner.ID != owner || len(o.Grants) != 1 || *o.Grants[0].Grantee.ID != owner || o.Grants[0].Permission != types.PermissionFullControl || o.Grants[0].Grantee.Type != types.TypeCanonicalUser {
			t.Errorf("%s: %+v", b, o)
		}
	}
	policy := func(grants string) []byte {
		return []byte(`<AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Owner><ID>` + owner + `</ID></Owner><AccessControlList>` + grants + `</AccessControlList></AccessControlPolicy>`)
	}
	grant := func(kind, inner, permission string) string {
		return `<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="` + kind + `">` + inner + `</Grantee><Permission>` + permission + `</Permission></Grant>`
	}
	logs := grant("Group", "<URI>http://acs.amazonaws.com/groups/s3/LogDelivery</URI>", "WRITE")
	for _, x := range []struct {
		what    string
		bucket  string
		body    []byte
		headers []string
		status  int
		code    string
	}{
		{"canned, enforced", "enforced", nil, []string{"x-amz-acl", "private"}, 400, "AccessControlListNotSupported"},
		{"document, enforced", "enforced", policy(logs), nil, 400, "AccessControlListNotSupported"},
		{"public, blocked", "open", nil, []string{"x-amz-acl", "public-read"}, 403, "AccessDenied"},
		{"public by grant, blocked", "open", nil, []string{"x-amz-grant-read", `uri="http://acs.amazonaws.com/groups/global/AllUsers"`}, 403, "AccessDenied"},
		{"nothing", "open", nil, nil, 400, "MissingSecurityHeader"},
		{"both", "open", policy(logs), []string{"x-amz-acl", "private"}, 400, "UnexpectedContent"},
		{"canned and grants", "open", nil, []string{"x-amz-acl", "private", "x-amz-grant-read", "id=" + owner}, 400, "InvalidRequest"},
		{"unknown canned", "open", nil, []string{"x-amz-acl", "none"}, 400, "InvalidArgument"},
		{"unknown grantee", "open", nil, []string{"x-amz-grant-read", "id=" + canonicalID("123456789012")}, 400, "InvalidArgument"},
		{"e-mail", "open", nil, []string{"x-amz-grant-read", "emailAddress=a@example.com"}, 400, "UnresolvableGrantByEmailAddress"},
		{"no grant format", "open", nil, []string{"x-amz-grant-read", owner}, 400, "InvalidArgument"},
		{"bad XML", "open", []byte("<AccessControlPolicy>"), nil, 400, "MalformedACLError"},
		{"bad permission", "open", policy(grant("CanonicalUser", "<ID>"+owner+"</ID>", "ALL")), nil, 400, "MalformedACLError"},
		{"foreign owner", "open", []byte(strings.Replace(string(policy(logs)), owner, canonicalID("123456789012"), 1)), nil, 400, "InvalidArgument"},
		{"another account as owner", "open", []byte(strings.Replace(string(policy(logs)), owner, canonicalID(otherAccount), 1)), nil, 403, "AccessDenied"},
		{"document", "open", policy(grant("CanonicalUser", "<ID>"+owner+"</ID>", "READ") + logs), nil, 200, ""},
	} {
		t.Run(x.what, func(t *testing.T) {
			w.do("PUT", "/"+x.bucket+"?acl", x.body, x.headers...).want(t, x.status, x.code)
		})
	}
	if o := get("open"); len(o.Grants) != 2 || *o.Grants[1].Grantee.URI != logDelivery || o.Grants[0].Permission != types.PermissionRead {
		t.Errorf("read back %+v", o)
	}
	w.do("PUT", "/open?acl", nil, "x-amz-grant-full-control", `id="`+owner+`"`, "x-amz-grant-write", `uri="`+logDelivery+`"`).want(t, 200, "")
	if o := get("open"); len(o.Grants) != 2 {
		t.Errorf("read back %+v", o)
	}
	w.do("PUT", "/open?acl", nil, "x-amz-acl", "private").want(t, 200, "")
	if o := get("open"); len(o.Grants) != 1 {
		t.Errorf("read back %+v", o)
	}
	w.do("DELETE", "/open?acl", nil).want(t, http.StatusMethodNotAllowed, "MethodNotAllowed")
	w.do("HEAD", "/open", nil).want(t, 200, "")
}

const logDelivery = "http://acs.amazonaws.com/groups/s3/LogDelivery"
