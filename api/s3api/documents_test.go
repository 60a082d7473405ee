package s3api

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/farhold/farhold/realm"
	"github.com/farhold/farhold/rule"
)

const xmlns = ` xmlns="http://s3.amazonaws.com/doc/2006-03-01/"`

// examples are documents of every kind that are taken, with something that GET
// must give back.
var examples = map[string][2]string{
	"abac":                {`<AbacStatus` + xmlns + `><Status>Enabled</Status></AbacStatus>`, "<Status>Enabled</Status>"},
	"accelerate":          {`<AccelerateConfiguration` + xmlns + `><Status>Suspended</Status></AccelerateConfiguration>`, "<Status>Suspended</Status>"},
	"analytics":           {`<AnalyticsConfiguration` + xmlns + `><Id>one</Id><StorageClassAnalysis/></AnalyticsConfiguration>`, "<Id>one</Id>"},
	"cors":                {`<CORSConfiguration` + xmlns + `><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule></CORSConfiguration>`, "<AllowedOrigin>*</AllowedOrigin>"},
	"encryption":          {`<ServerSideEncryptionConfiguration` + xmlns + `><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>`, "<SSEAlgorithm>AES256</SSEAlgorithm>"},
	"intelligent-tiering": {`<IntelligentTieringConfiguration` + xmlns + `><Id>one</Id><Status>Enabled</Status><Tiering><Days>90</Days><AccessTier>ARCHIVE_ACCESS</AccessTier></Tiering></IntelligentTieringConfiguration>`, "<Days>90</Days>"},
	"inventory":           {`<InventoryConfiguration` + xmlns + `><Destination><S3BucketDestination><Bucket>arn:aws:s3:::reports</Bucket><Format>CSV</Format></S3BucketDestination></Destination><IsEnabled>true</IsEnabled><Id>one</Id><IncludedObjectVersions>All</IncludedObjectVersions><Schedule><Frequency>Daily</Frequency></Schedule></InventoryConfiguration>`, "<Frequency>Daily</Frequency>"},
	"lifecycle":           {`<LifecycleConfiguration` + xmlns + `><Rule><ID>old</ID><Filter><Prefix>tmp/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>3</Days></Expiration></Rule></LifecycleConfiguration>`, "<Days>3</Days>"},
	"logging":             {`<BucketLoggingStatus` + xmlns + `/>`, "<BucketLoggingStatus"},
	"metrics":             {`<MetricsConfiguration` + xmlns + `><Id>one</Id></MetricsConfiguration>`, "<Id>one</Id>"},
	"notification":        {`<NotificationConfiguration` + xmlns + `><EventBridgeConfiguration/></NotificationConfiguration>`, "EventBridgeConfiguration"},
	"object-lock":         {`<ObjectLockConfiguration` + xmlns + `><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>7</Days></DefaultRetention></Rule></ObjectLockConfiguration>`, "<Days>7</Days>"},
	"ownershipControls":   {`<OwnershipControls` + xmlns + `><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>`, "ObjectWriter"},
	"policy":              {`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::documents/*"}]}`, `"Deny"`},
	"publicAccessBlock":   {`<PublicAccessBlockConfiguration` + xmlns + `><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>`, "<BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>false</IgnorePublicAcls>"},
	"requestPayment":      {`<RequestPaymentConfiguration` + xmlns + `><Payer>BucketOwner</Payer></RequestPaymentConfiguration>`, "<Payer>BucketOwner</Payer>"},
	"tagging":             {`<Tagging` + xmlns + `><TagSet><Tag><Key>team</Key><Value>storage</Value></Tag></TagSet></Tagging>`, "<Key>team</Key>"},
	"versioning":          {`<VersioningConfiguration` + xmlns + `><Status>Enabled</Status></VersioningConfiguration>`, "<Status>Enabled</Status>"},
	"website":             {`<WebsiteConfiguration` + xmlns + `><IndexDocument><Suffix>index.html</Suffix></IndexDocument></WebsiteConfiguration>`, "index.html"},
	"replication": {`<ReplicationConfiguration` + xmlns + `><Role>arn:aws:iam::` + testAccount + `:role/replication</Role><Rule><ID>all</ID><Priority>1</Priority><Filter/><Status>Enabled</Status>` +
		`<DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication><Destination><Bucket>arn:aws:s3:::copies</Bucket></Destination></Rule></ReplicationConfiguration>`, "arn:aws:s3:::copies"},
}

// Every document of the table is put, read back, listed and deleted as the
// table says.
func TestDocuments(t *testing.T) {
	w := newWorld(t)
	w.bucket("documents")
	w.bucket("copies")
	versioning := []byte(examples["versioning"][0])
	w.do("PUT", "/copies?versioning", versioning).want(t, 200, "")
	for i := range rule.Documents {
		doc := &rule.Documents[i]
		if doc.NotServed != "" {
			continue
		}
		t.Run(doc.Name, func(t *testing.T) {
			example, ok := examples[doc.Name]
			if !ok {
				t.Fatal("there is no example of this document")
			}
			target := "/documents?" + doc.Name
			if doc.ByID {
				target += "&id=one"
			}
			if doc.Name == "object-lock" { // and replication, which comes later, need versioning
				w.do("PUT", target, []byte(example[0])).want(t, 409, "InvalidBucketState")
				w.do("PUT", "/documents?versioning", versioning).want(t, 200, "")
			}
			a := w.do("GET", target, nil)
			switch {
			case a.status == 404:
				if doc.Unset == nil || a.code() != doc.Unset.Code || !doc.ByID && a.element("BucketName") != "documents" {
					t.Errorf("unset:\n%s", a.body)
				}
			case a.status != 200:
				t.Errorf("unset: %d\n%s", a.status, a.body)
			}

			// Nothing that is not right is stored.
			for what, body := range map[string]string{
				"empty": "", "no document": "nonsense", "cut off": example[0][:len(example[0])-2], "with something behind": example[0] + "<a/>",
				"DOCTYPE": `<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>` + example[0],
				"unknown": strings.Replace(example[0], ">", "><Unknown>1</Unknown>", 1),
			} {
				if body == example[0] {
					continue // JSON, where this changes nothing
				}
				bad := w.do("PUT", target, []byte(body))
				if bad.status < 400 || bad.status >= 500 {
					t.Errorf("%s was taken: %d", what, bad.status)
				}
				if !doc.JSON && bad.code() != "MalformedXML" {
					t.Errorf("%s: %s", what, bad.code())
				}
			}
			w.do("PUT", target, []byte(example[0]), "Content-MD5", "1B2M2Y8AsgTpgAmY7PhCfg==").want(t, 400, "BadDigest")
			w.do("PUT", target, []byte(strings.Repeat(" ", int(doc.MaxBytes)+1))).want(t, 400, "MaxMessageLengthExceeded")
			if b := w.do("GET", target, nil); b.status != a.status || a.status == 200 && b.body != a.body {
				t.Errorf("after refused PUTs:\n%s", b.body)
			}

			put := w.do("PUT", target, []byte(example[0]))
			put.want(t, doc.PutStatus, "")
			a = w.do("GET", target, nil)
			if a.status != 200 || !strings.Contains(a.body, example[1]) {
				t.Errorf("read back %d\n%s", a.status, a.body)
			}
			if want := map[bool]string{true: "application/json", false: "application/xml"}[doc.JSON]; a.header.Get("Content-Type") != want {
				t.Errorf("the type is %s", a.header.Get("Content-Type"))
			}
			if doc.List != "" {
				if l := w.do("GET", "/documents?"+doc.Name, nil); l.status != 200 || !strings.Contains(l.body, example[1]) || l.element("IsTruncated") != "false" {
					t.Errorf("listed\n%s", l.body)
				}
				w.do("PUT", "/documents?"+doc.Name+"&id=two", []byte(example[0])).want(t, 400, "IdMismatch")
				w.do("PUT", "/documents?"+doc.Name+"&id=", []byte(example[0])).want(t, 400, "InvalidConfigurationId")
			}
			if doc.Delete == "" {
				w.do("DELETE", target, nil).want(t, 405, "MethodNotAllowed")
				return
			}
			w.do("DELETE", target, nil).want(t, 204, "")
			if a := w.do("GET", target, nil); doc.Unset != nil && (a.status != 404 || a.code() != doc.Unset.Code) {
				t.Errorf("deleted: %d\n%s", a.status, a.body)
			}
			if doc.ByID {
				w.do("DELETE", target, nil).want(t, 404, "NoSuchConfiguration")
			} else {
				w.do("DELETE", target, nil).want(t, 204, "")
			}
		})
	}
	w.do("GET", "/documents", nil).want(t, 200, "")
}

func TestNewBucketsDocuments(t *testing.T) {
	w := newWorld(t)
	w.bucket("fresh")
	c := w.sdk()
	b := aws.String("fresh")
	p, err := c.GetPublicAccessBlock(t.Context(), &sdk.GetPublicAccessBlockInput{Bucket: b})
	if err != nil || !*p.PublicAccessBlockConfiguration.BlockPublicAcls || !*p.PublicAccessBlockConfiguration.RestrictPublicBuckets {
		t.Errorf("public access block: %v, %v", p, err)
	}
	o, err := c.GetBucketOwnershipControls(t.Context(), &sdk.GetBucketOwnershipControlsInput{Bucket: b})
	if err != nil || o.OwnershipControls.Rules[0].ObjectOwnership != types.ObjectOwnershipBucketOwnerEnforced {
		t.Errorf("ownership: %v, %v", o, err)
	}
	e, err := c.GetBucketEncryption(t.Context(), &sdk.GetBucketEncryptionInput{Bucket: b})
	if err != nil || e.ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm != types.ServerSideEncryptionAes256 {
		t.Errorf("encryption: %v, %v", e, err)
	}
	v, err := c.GetBucketVersioning(t.Context(), &sdk.GetBucketVersioningInput{Bucket: b})
	if err != nil || v.Status != "" {
		t.Errorf("versioning: %v, %v", v, err)
	}
	if _, err = c.GetBucketPolicyStatus(t.Context(), &sdk.GetBucketPolicyStatusInput{Bucket: b}); codeOf(err) != "NoSuchBucketPolicy" {
		t.Errorf("policy status: %v", err)
	}
	if _, err = c.GetBucketReplication(t.Context(), &sdk.GetBucketReplicationInput{Bucket: b}); codeOf(err) != "ReplicationConfigurationNotFoundError" {
		t.Errorf("replication: %v", err)
	}
}

func TestConfigurationsArePaged(t *testing.T) {
	w := newWorld(t)
	w.bucket("many")
	for i := range 130 {
		id := fmt.Sprintf("m%03d", i)
		w.do("PUT", "/many?metrics&id="+id, []byte(`<MetricsConfiguration`+xmlns+`><Id>`+id+`</Id></MetricsConfiguration>`)).want(t, 204, "")
	}
	var ids []string
	var token *string
	for {
		page, err := w.sdk().ListBucketMetricsConfigurations(t.Context(), &sdk.ListBucketMetricsConfigurationsInput{Bucket: aws.String("many"), ContinuationToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page.MetricsConfigurationList {
			ids = append(ids, *m.Id)
		}
		if !*page.IsTruncated {
			break
		}
		token = page.NextContinuationToken
	}
	if len(ids) != 130 || ids[0] != "m000" || ids[129] != "m129" {
		t.Errorf("listed %d: %v", len(ids), ids)
	}
	w.do("GET", "/many?metrics&continuation-token=%21", nil).want(t, 400, "InvalidArgument")
}

// What a replication configuration does to other calls.
func TestReplicationConfigurationBindsVersioning(t *testing.T) {
	f := &fakeRealm{names: map[string]realm.Name{}, endpoints: map[string]string{}}
	east, west := newRegion(t, f, "us-east-1"), newRegion(t, f, "us-west-2")
	east.bucket("source")
	west.bucket("copies")
	enable, suspend := []byte(examples["versioning"][0]), []byte(strings.Replace(examples["versioning"][0], "Enabled", "Suspended", 1))
	replication := []byte(examples["replication"][0])
	east.do("PUT", "/source?versioning", enable).want(t, 200, "")
	east.do("PUT", "/source?versioning", suspend).want(t, 200, "")
	east.do("PUT", "/source?replication", replication).want(t, 400, "InvalidRequest")
	east.do("PUT", "/source?versioning", enable).want(t, 200, "")

	// The destination lies in another region, which is asked.
	state := ""
	east.door.opt.Versioning = func(_ context.Context, region, bucket string) (string, error) {
		if region != "us-west-2" || bucket != "copies" {
			t.Errorf("asked %s about %s", region, bucket)
		}
		if state == "down" {
			return "", errors.New("no route")
		}
		return state, nil
	}
	east.do("PUT", "/source?replication", replication).want(t, 400, "InvalidRequest")
	state = "down"
	east.do("PUT", "/source?replication", replication).want(t, 200, "")
	state = "Enabled"
	east.do("PUT", "/source?replication", replication).want(t, 200, "")

	a := east.do("PUT", "/source?versioning", suspend)
	a.want(t, 409, "InvalidBucketState")
	if !strings.HasPrefix(a.element("Message"), "A replication configuration is present on this bucket") {
		t.Errorf("answered\n%s", a.body)
	}
	east.do("PUT", "/source?versioning", enable).want(t, 200, "")
	east.do("DELETE", "/source?replication", nil).want(t, 204, "")
	east.do("PUT", "/source?versioning", suspend).want(t, 200, "")

	east.do("PUT", "/locked", nil, "x-amz-bucket-object-lock-enabled", "true").want(t, 200, "")
	a = east.do("PUT", "/locked?versioning", suspend)
	a.want(t, 409, "InvalidBucketState")
	if !strings.HasPrefix(a.element("Message"), "An Object Lock configuration is present on this bucket") {
		t.Errorf("answered\n%s", a.body)
	}
	if a := east.do("GET", "/locked?object-lock", nil); a.status != 200 || a.element("ObjectLockEnabled") != "Enabled" {
		t.Errorf("object lock: %d\n%s", a.status, a.body)
	}
}

func TestLifecycleHeader(t *testing.T) {
	w := newWorld(t)
	w.bucket("cycles")
	const name = "x-amz-transition-default-minimum-object-size"
	doc := []byte(examples["lifecycle"][0])
	if a := w.do("PUT", "/cycles?lifecycle", doc); a.header.Get(name) != "all_storage_classes_128K" {
		t.Errorf("PUT: %v", a.header)
	}
	w.do("PUT", "/cycles?lifecycle", doc, name, "everything").want(t, 400, "InvalidRequest")
	if a := w.do("PUT", "/cycles?lifecycle", doc, name, "varies_by_storage_class"); a.header.Get(name) != "varies_by_storage_class" {
		t.Errorf("PUT: %v", a.header)
	}
	if a := w.do("GET", "/cycles?lifecycle", nil); a.header.Get(name) != "varies_by_storage_class" || strings.Contains(a.body, "TransitionDefault") {
		t.Errorf("GET: %v\n%s", a.header, a.body)
	}
}

func TestPublicPolicyIsBlocked(t *testing.T) {
	w := newWorld(t)
	w.bucket("public")
	policy := []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::public/*"}]}`)
	w.do("PUT", "/public?policy", policy).want(t, 403, "AccessDenied")
	w.do("GET", "/public?policy", nil).want(t, 404, "NoSuchBucketPolicy")
	w.do("PUT", "/public?policy", []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::public/*"}]}`)).want(t, 400, "MalformedPolicy")
	w.do("PUT", "/public?policy", []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"`+testAccount+`"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::public/*"}]}`)).want(t, 204, "")
	if a := w.do("GET", "/public?policyStatus", nil); !strings.EqualFold(a.element("IsPublic"), "false") {
		t.Errorf("the status:\n%s", a.body)
	}
	if a := w.do("GET", "/public?policy", nil); !strings.Contains(a.body, testAccount) {
		t.Errorf("read back\n%s", a.body)
	}
}

// Ownership can't be enforced over ACLs that give to others.
func TestOwnershipAgainstACL(t *testing.T) {
	w := newWorld(t)
	w.do("PUT", "/given", nil, "x-amz-object-ownership", "ObjectWriter", "x-amz-acl", "log-delivery-write").want(t, 200, "")
	enforce := []byte(strings.Replace(examples["ownershipControls"][0], "ObjectWriter", "BucketOwnerEnforced", 1))
	w.do("PUT", "/given?ownershipControls", enforce).want(t, 400, "InvalidBucketAclWithObjectOwnership")
	w.do("PUT", "/given?acl", nil, "x-amz-acl", "private").want(t, 200, "")
	w.do("PUT", "/given?ownershipControls", enforce).want(t, 200, "")
	w.do("PUT", "/given?acl", nil, "x-amz-acl", "private").want(t, 400, "AccessControlListNotSupported")
}
