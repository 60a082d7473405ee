package rule

import (
	"fmt"
	"strings"
	"testing"

	"github.com/farhold/farhold/s3"
)

func TestVersioningDocument(t *testing.T) {
	doc := func(inner string) string {
		return `<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` + inner + `</VersioningConfiguration>`
	}
	enabled, suspended := doc("<Status>Enabled</Status>"), doc("<Status>Suspended</Status>")
	replicated := func(c *Context) { *c = withDocument(*c, "replication", "<x/>") }
	testDocument(t, "versioning", []documentCase{
		{name: "enable", body: enabled, get: "<Status>Enabled</Status>"},
		{name: "suspend", body: suspended, get: "<Status>Suspended</Status>"},
		{name: "lower case", body: doc("<Status>enabled</Status>"), want: malformedXML},
		{name: "nothing said", body: doc(""), want: "IllegalVersioningConfigurationException 400 The Versioning element must be specified"},
		{name: "MFA delete", body: doc("<MfaDelete>Enabled</MfaDelete><Status>Enabled</Status>"), want: "NotImplemented 501"},
		{name: "no MFA delete", body: doc("<MfaDelete>Disabled</MfaDelete><Status>Enabled</Status>"), get: "<MfaDelete>Disabled</MfaDelete>"},
		{name: "suspend a source of replication", ctx: replicated, body: suspended, want: "InvalidBucketState 409 A replication configuration is present on this bucket, so you cannot change the versioning state. To change the versioning state, first delete the replication configuration."},
		{name: "enable a source of replication", ctx: replicated, body: enabled},
		{name: "suspend a locked bucket", ctx: func(c *Context) { c.ObjectLock = true }, body: suspended, want: "InvalidBucketState 409 An Object Lock configuration is present on this bucket, so the versioning state cannot be changed."},
		{name: "enable a locked bucket", ctx: func(c *Context) { c.ObjectLock = true }, body: enabled},
	})
	for body, want := range map[string]string{enabled: "Enabled", suspended: "Suspended"} {
		if got, err := ParseVersioning([]byte(body)); got != want || err != nil {
			t.Errorf("%s: %q, %v", body, got, err)
		}
	}
	if got, err := ParseVersioning(nil); got != "" || err != nil {
		t.Errorf("none: %q, %v", got, err)
	}
}

func TestOwnershipDocument(t *testing.T) {
	doc := func(inner string) string { return `<OwnershipControls>` + inner + `</OwnershipControls>` }
	rule := func(o string) string { return `<Rule><ObjectOwnership>` + o + `</ObjectOwnership></Rule>` }
	grants := func(grantee string) func(*Context) {
		return func(c *Context) {
			*c = withDocument(*c, "acl", `<AccessControlPolicy><Owner><ID>me</ID></Owner><AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>`+grantee+`</ID></Grantee><Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>`)
		}
	}
	testDocument(t, "ownershipControls", []documentCase{
		{name: "enforced", body: doc(rule("BucketOwnerEnforced")), get: "<ObjectOwnership>BucketOwnerEnforced</ObjectOwnership>"},
		{name: "preferred", body: doc(rule("BucketOwnerPreferred")), get: "BucketOwnerPreferred"},
		{name: "writer", body: doc(rule("ObjectWriter")), get: "ObjectWriter"},
		{name: "unknown", body: doc(rule("Nobody")), want: malformedXML},
		{name: "none", body: doc(""), want: malformedXML},
		{name: "two", body: doc(rule("ObjectWriter") + rule("ObjectWriter")), want: malformedXML},
		{name: "enforced over grants to others", ctx: grants("other"), body: doc(rule("BucketOwnerEnforced")), want: "InvalidBucketAclWithObjectOwnership 400 Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"},
		{name: "enforced over grants to the owner", ctx: grants("me"), body: doc(rule("BucketOwnerEnforced"))},
		{name: "preferred over grants to others", ctx: grants("other"), body: doc(rule("BucketOwnerPreferred"))},
	})
	if err := OwnershipHeader("RandomValue", true); describe(err) != "InvalidArgument 400 Invalid x-amz-object-ownership header: RandomValue ArgumentName=x-amz-object-ownership" {
		t.Error(describe(err))
	}
	if err := OwnershipHeader("", true); describe(err) != "InvalidArgument 400 Invalid x-amz-object-ownership header:  ArgumentName=x-amz-object-ownership" {
		t.Error(describe(err))
	}
	if err := OwnershipHeader("", false); err != nil {
		t.Error(err)
	}
}

func TestPublicAccessBlockDocument(t *testing.T) {
	testDocument(t, "publicAccessBlock", []documentCase{
		{name: "what is not said is false", body: `<PublicAccessBlockConfiguration><BlockPublicAcls>TRUE</BlockPublicAcls></PublicAccessBlockConfiguration>`,
			get: "<BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>false</IgnorePublicAcls><BlockPublicPolicy>false</BlockPublicPolicy><RestrictPublicBuckets>false</RestrictPublicBuckets>"},
		{name: "nothing said", body: `<PublicAccessBlockConfiguration/>`, get: "<BlockPublicAcls>false</BlockPublicAcls>"},
		{name: "no boolean", body: `<PublicAccessBlockConfiguration><BlockPublicAcls>yes</BlockPublicAcls></PublicAccessBlockConfiguration>`, want: malformedXML},
	})
}

func TestEncryptionDocument(t *testing.T) {
	doc := func(rules ...string) string {
		return `<ServerSideEncryptionConfiguration><Rule>` + strings.Join(rules, "</Rule><Rule>") + `</Rule></ServerSideEncryptionConfiguration>`
	}
	by := func(algorithm, key string) string {
		return `<ApplyServerSideEncryptionByDefault><SSEAlgorithm>` + algorithm + `</SSEAlgorithm>` + key + `</ApplyServerSideEncryptionByDefault>`
	}
	const key = "<KMSMasterKeyID>k</KMSMasterKeyID>"
	unblocked := func(c *Context) {
		c.Current = func(string) ([]byte, error) {
			return []byte(doc(by("AES256", "") + "<BlockedEncryptionTypes><EncryptionType>NONE</EncryptionType></BlockedEncryptionTypes>")), nil
		}
	}
	testDocument(t, "encryption", []documentCase{
		{name: "AES256", body: doc(by("AES256", "")), get: "<SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>false</BucketKeyEnabled>"},
		{name: "AES256 with bucket key", body: doc(by("AES256", "") + "<BucketKeyEnabled>true</BucketKeyEnabled>"), get: "<BucketKeyEnabled>true</BucketKeyEnabled>"},
		{name: "AES256 with a key", body: doc(by("AES256", key)), want: "InvalidArgument 400 a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse ArgumentName=ApplyServerSideEncryptionByDefault"},
		{name: "KMS", body: doc(by("aws:kms", key)), get: key},
		{name: "DSSE", body: doc(by("aws:kms:dsse", key)), get: key},
		{name: "alias", body: doc(by("aws:kms", "<KMSMasterKeyID>alias/a_b/c</KMSMasterKeyID>")), get: "<KMSMasterKeyID>alias/a_b/c</KMSMasterKeyID>"},
		{name: "ARN", body: doc(by("aws:kms", "<KMSMasterKeyID>arn:aws:kms:us-east-1:111122223333:key/mrk-1</KMSMasterKeyID>")), get: "key/mrk-1"},
		{name: "ARN of something else", body: doc(by("aws:kms", "<KMSMasterKeyID>arn:aws:iam:us-east-1:111122223333:key/mrk-1</KMSMasterKeyID>")), want: "InvalidArgument 400 The KMS key must be a key ID, a key ARN, an alias name or an alias ARN"},
		{name: "no name of a key", body: doc(by("aws:kms", "<KMSMasterKeyID>a b</KMSMasterKeyID>")), want: "InvalidArgument 400 The KMS key must be a key ID, a key ARN, an alias name or an alias ARN"},
		{name: "KMS with AWS's own key", body: doc(by("aws:kms", "") + "<BucketKeyEnabled>true</BucketKeyEnabled>"), get: "<SSEAlgorithm>aws:kms</SSEAlgorithm>"},
		{name: "unknown algorithm", body: doc(by("AES512", "")), want: malformedXML},
		{name: "algorithm of another service", body: doc(by("aws:fsx", "")), want: malformedXML},
		{name: "no rule", body: "<ServerSideEncryptionConfiguration/>", want: malformedXML},
		{name: "two rules", body: doc(by("AES256", ""), by("AES256", "")), want: malformedXML},
		{name: "empty rule", body: doc(""), want: malformedXML},
		{name: "SSE-C blocked", body: doc(by("AES256", "") + "<BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes>"), get: "<EncryptionType>SSE-C</EncryptionType>"},
		{name: "SSE-C stays blocked", body: doc(by("AES256", "")), get: "<EncryptionType>SSE-C</EncryptionType>"},
		{name: "SSE-C unblocked", body: doc(by("AES256", "") + "<BlockedEncryptionTypes><EncryptionType>NONE</EncryptionType></BlockedEncryptionTypes>"), get: "<EncryptionType>NONE</EncryptionType>"},
		{name: "SSE-C stays unblocked", ctx: unblocked, body: doc(by("AES256", "")), get: "<EncryptionType>NONE</EncryptionType>"},
		{name: "unknown type blocked", body: doc(by("AES256", "") + "<BlockedEncryptionTypes><EncryptionType>SSE-X</EncryptionType></BlockedEncryptionTypes>"), want: malformedXML},
		{name: "nothing and something blocked", body: doc(by("AES256", "") + "<BlockedEncryptionTypes><EncryptionType>NONE</EncryptionType><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes>"), want: malformedXML},
	})
	if e, err := ParseEncryption(nil); err != nil || e.SSE.Algorithm != "AES256" || !e.BlockSSEC {
		t.Errorf("%+v, %v", e, err)
	}
	e, err := ParseEncryption([]byte(doc(by("aws:kms", key) + "<BucketKeyEnabled>true</BucketKeyEnabled><BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes>")))
	if want := (Encryption{s3.SSE{Algorithm: "aws:kms", KeyID: "k", BucketKey: true}, true, false}); err != nil || e != want {
		t.Errorf("%+v, %v", e, err)
	}
	raw, err := OpenEncryption()
	if e, err2 := ParseEncryption(raw); err != nil || err2 != nil || e.BlockSSEC || !e.Open {
		t.Errorf("an open bucket: %+v, %v, %v", e, err, err2)
	}
}

func TestLifecycleDocument(t *testing.T) {
	rule := func(inner string) string { return "<Rule><ID>r</ID><Status>Enabled</Status>" + inner + "</Rule>" }
	doc := func(rules ...string) string {
		return `<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` + strings.Join(rules, "") + `</LifecycleConfiguration>`
	}
	one := func(inner string) string { return doc(rule(inner)) }
	all := "<Filter/>"
	week := "<Expiration><Days>7</Days></Expiration>"
	transition := func(days int, class string) string {
		return fmt.Sprintf("<Transition><Days>%d</Days><StorageClass>%s</StorageClass></Transition>", days, class)
	}
	noncurrent := func(days int, class string) string {
		return fmt.Sprintf("<NoncurrentVersionTransition><NoncurrentDays>%d</NoncurrentDays><StorageClass>%s</StorageClass></NoncurrentVersionTransition>", days, class)
	}
	tag := "<Tag><Key>a</Key><Value>b</Value></Tag>"
	many := make([]string, 1001)
	for i := range many {
		many[i] = strings.Replace(rule(all+week), "<ID>r</ID>", fmt.Sprintf("<ID>%d</ID>", i), 1)
	}
	strict := func(c *Context) { c.AWSStrict = true }
	testDocument(t, "lifecycle", []documentCase{
		{name: "expiration", body: one(all + week), get: "<Days>7</Days>"},
		{name: "by prefix", body: one("<Filter><Prefix></Prefix></Filter>" + week), get: "<Filter><Prefix/></Filter>"},
		{name: "of version 1", body: one("<Prefix>p</Prefix>" + week), get: "<Prefix>p</Prefix>"},
		{name: "empty filter comes back", body: one(all + week), get: "<Filter/>"},
		{name: "generated ID", body: doc("<Rule><Status>Enabled</Status>" + all + week + "</Rule>"), get: "<ID>"},
		{name: "no rule", body: doc(), want: malformedXML},
		{name: "no status", body: doc("<Rule>" + all + week + "</Rule>"), want: malformedXML},
		{name: "unknown status", body: doc("<Rule><Status>On</Status>" + all + week + "</Rule>"), want: malformedXML},
		{name: "neither filter nor prefix", body: one(week), want: malformedXML},
		{name: "filter and prefix", body: one(all + "<Prefix>p</Prefix>" + week), want: malformedXML},
		{name: "empty noncurrent expiration", body: one(all + week + "<NoncurrentVersionExpiration/>"), want: malformedXML},
		{name: "And beside prefix", body: one("<Filter><And><Prefix>test</Prefix></And><Prefix/></Filter>" + week), want: malformedXML},
		{name: "And of one", body: one("<Filter><And><Prefix>test</Prefix></And></Filter>" + week), want: malformedXML},
		{name: "size beside prefix", body: one("<Filter><ObjectSizeGreaterThan>500</ObjectSizeGreaterThan><Prefix/></Filter>" + week), want: malformedXML},
		{name: "size", body: one("<Filter><ObjectSizeGreaterThan>500</ObjectSizeGreaterThan></Filter>" + week)},
		{name: "sizes the wrong way round", body: one("<Filter><And><ObjectSizeGreaterThan>500</ObjectSizeGreaterThan><ObjectSizeLessThan>500</ObjectSizeLessThan></And></Filter>" + week), want: "InvalidRequest 400 'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'"},
		{name: "not at midnight", body: one(all + "<Expiration><Date>2023-01-01T02:02:00Z</Date></Expiration>"), want: "InvalidArgument 400 'Date' must be at midnight GMT ArgumentName=Date ArgumentValue=2023-01-01T02:02:00.000Z"},
		{name: "at midnight", body: one(all + "<Expiration><Date>2023-01-01T00:00:00Z</Date></Expiration>"), get: "<Date>2023-01-01T00:00:00.000Z</Date>"},
		{name: "at midnight, date alone", body: one(all + "<Expiration><Date>2023-01-01</Date></Expiration>")},
		{name: "tag key twice", body: one("<Filter><And>" + tag + tag + "</And></Filter>" + week), want: "InvalidRequest 400 Duplicate Tag Keys are not allowed."},
		{name: "marker and days", body: one(all + "<Expiration><Days>1</Days><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"), want: malformedXML},
		{name: "marker", body: one(all + "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>")},
		{name: "marker with tags", body: one("<Filter>" + tag + "</Filter><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"), want: "InvalidRequest 400 ExpiredObjectDeleteMarker cannot be specified with Tags."},
		{name: "empty expiration", body: one(all + "<Expiration/>"), want: malformedXML},
		{name: "no action", body: one(all), want: "InvalidRequest 400 At least one action needs to be specified in a rule"},
		{name: "same ID twice", body: doc(rule(all+week), rule(all+week)), want: "InvalidArgument 400 Rule ID must be unique. Found same ID for more than one rule"},
		{name: "ID of 256", body: strings.Replace(one(all+week), "<ID>r</ID>", "<ID>"+strings.Repeat("i", 256)+"</ID>", 1), want: "InvalidArgument 400 ID length should not exceed allowed limit of 255"},
		{name: "mixed versions", body: doc(rule(all+week), strings.Replace(rule("<Prefix/>"+week), "<ID>r", "<ID>s", 1)), want: "InvalidRequest 400 Filter element can only be used in Lifecycle V2."},
		{name: "zero days", body: one(all + "<Expiration><Days>0</Days></Expiration>"), want: "InvalidArgument 400 'Days' for Expiration action must be a positive integer"},
		{name: "abort with tags", body: one("<Filter>" + tag + "</Filter><AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>"), want: "InvalidRequest 400 AbortIncompleteMultipartUpload cannot be specified with Tags."},
		{name: "abort", body: one(all + "<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>")},
		{name: "abort without days", body: one(all + "<AbortIncompleteMultipartUpload/>"), want: malformedXML},
		{name: "transition", body: one(all + transition(30, "STANDARD_IA"))},
		{name: "transition too early", body: one(all + transition(29, "STANDARD_IA")), want: "InvalidArgument 400 'Days' in Transition action must be greater than or equal to 30 for storageClass 'STANDARD_IA'"},
		{name: "transition to an archive at once", body: one(all + transition(0, "GLACIER"))},
		{name: "transition back in time", body: one(all + transition(-1, "GLACIER")), want: "InvalidArgument 400 'Days' for Transition action must be nonnegative"},
		{name: "transition to STANDARD", body: one(all + transition(30, "STANDARD")), want: malformedXML},
		{name: "transition without class", body: one(all + "<Transition><Days>1</Days></Transition>"), want: malformedXML},
		{name: "expired before it moves", body: one("<Filter><Prefix>p</Prefix></Filter><Expiration><Days>30</Days></Expiration>" + transition(30, "GLACIER")), want: "InvalidRequest 400 'Days' in the Expiration action for filter '(prefix=p)' must be greater than 'Days' in the Transition action"},
		{name: "days and dates", body: one("<Filter><Prefix>p</Prefix></Filter><Expiration><Date>2023-01-01</Date></Expiration>" + transition(30, "GLACIER")), want: "InvalidRequest 400 Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule for filter '(prefix=p)'"},
		{name: "noncurrent after a week", body: one(all + noncurrent(7, "STANDARD_IA"))},
		{name: "noncurrent after a week, strict", ctx: strict, body: one(all + noncurrent(7, "STANDARD_IA")), want: "InvalidArgument 400 'NoncurrentDays' in NoncurrentVersionTransition action must be greater than or equal to 30 for storageClass 'STANDARD_IA'"},
		{name: "noncurrent expiration of zero days", body: one(all + "<NoncurrentVersionExpiration><NoncurrentDays>0</NoncurrentDays></NoncurrentVersionExpiration>"), want: "InvalidArgument 400 'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer"},
		{name: "too many newer versions", body: one(all + "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>101</NewerNoncurrentVersions></NoncurrentVersionExpiration>"), want: "InvalidArgument 400 "},
		{name: "1001 rules", body: doc(many...), want: "InvalidRequest 400 "},
		{name: "1000 rules", body: doc(many[:1000]...)},
		{name: "unknown minimum size", ctx: func(c *Context) { c.MinimumObjectSize = "value" }, body: one(all + week), want: "InvalidRequest 400 Invalid TransitionDefaultMinimumObjectSize found: value"},
		{name: "recipe", body: one("<Filter><Prefix>archive/</Prefix></Filter>" + transition(30, "STANDARD_IA") + transition(90, "GLACIER") + transition(365, "DEEP_ARCHIVE") + noncurrent(7, "STANDARD_IA") + noncurrent(30, "GLACIER") + "<NoncurrentVersionExpiration><NoncurrentDays>365</NoncurrentDays></NoncurrentVersionExpiration>")},
	})
	for given, want := range map[string]string{"": "all_storage_classes_128K", "varies_by_storage_class": "varies_by_storage_class"} {
		ctx := world()
		ctx.MinimumObjectSize = given
		doc := Find("lifecycle")
		stored, err := doc.Check(ctx, []byte(one(all+week)))
		if err != nil {
			t.Fatal(err)
		}
		body, headers, err := doc.Answer(world(), stored)
		if err != nil || len(headers) != 1 || headers[0].Value != want || strings.Contains(string(body), "Minimum") {
			t.Errorf("minimum size %q: %v, %v\n%s", given, headers, err, body)
		}
	}
}

func TestNotificationDocument(t *testing.T) {
	doc := func(inner ...string) string {
		return `<NotificationConfiguration>` + strings.Join(inner, "") + `</NotificationConfiguration>`
	}
	queue := func(id, arn, event string, filters ...string) string {
		f := ""
		if len(filters) > 0 {
			f = "<Filter><S3Key>" + strings.Join(filters, "") + "</S3Key></Filter>"
		}
		return `<QueueConfiguration>` + id + `<Queue>` + arn + `</Queue><Event>` + event + `</Event>` + f + `</QueueConfiguration>`
	}
	by := func(name, value string) string {
		return "<FilterRule><Name>" + name + "</Name><Value>" + value + "</Value></FilterRule>"
	}
	const q = "arn:aws:sqs:us-east-1:123456789012:q"
	testDocument(t, "notification", []documentCase{
		{name: "none", body: doc()},
		{name: "queue", body: doc(queue("<Id>a</Id>", q, "s3:ObjectCreated:*")), get: "<Queue>" + q + "</Queue>"},
		{name: "generated ID", body: doc(queue("", q, "s3:ObjectCreated:*")), get: "<Id>"},
		{name: "topic", body: doc("<TopicConfiguration><Topic>arn:aws:sns:us-east-1:123456789012:t</Topic><Event>s3:Replication:*</Event></TopicConfiguration>"), get: "<TopicConfiguration>"},
		{name: "function", body: doc("<CloudFunctionConfiguration><CloudFunction>arn:aws:lambda:us-east-1:123456789012:function:f</CloudFunction><Event>s3:ObjectRemoved:Delete</Event></CloudFunctionConfiguration>"), get: "<CloudFunctionConfiguration>"},
		{name: "EventBridge", body: doc("<EventBridgeConfiguration/>"), get: "<EventBridgeConfiguration/>"},
		{name: "filter names of any case come back capitalised", body: doc(queue("", q, "s3:ObjectCreated:*", by("prefix", "p"), by("SUFFIX", ".txt"))), get: "<Name>Prefix</Name><Value>p</Value></FilterRule><FilterRule><Name>Suffix</Name>"},
		{name: "empty filter value", body: doc(queue("", q, "s3:ObjectCreated:*", by("suffix", ""))), get: "<Name>Suffix</Name><Value/>"},
		{name: "no ARN", body: doc(queue("", "invalid-queue", "s3:ObjectCreated:*")), want: "InvalidArgument 400 The ARN could not be parsed ArgumentName=Queue ArgumentValue=invalid-queue"},
		{name: "ARN of a topic", body: doc(queue("", "arn:aws:sns:us-east-1:123456789012:t", "s3:ObjectCreated:*")), want: "InvalidArgument 400 The ARN could not be parsed ArgumentName=Queue"},
		{name: "other region", body: doc(queue("", strings.Replace(q, "us-east-1", "eu-west-1", 1), "s3:ObjectCreated:*")), want: "InvalidArgument 400 The notification destination service region is not valid for the bucket location constraint"},
		{name: "FIFO", body: doc(queue("", q+".fifo", "s3:ObjectCreated:*")), want: "InvalidArgument 400 "},
		{name: "unknown event", body: doc(queue("", q, "s3:Object:*")), want: "InvalidArgument 400 A specified event is not supported for notifications."},
		{name: "no event", body: doc("<QueueConfiguration><Queue>" + q + "</Queue></QueueConfiguration>"), want: malformedXML},
		{name: "unknown filter name", body: doc(queue("", q, "s3:ObjectCreated:*", by("INVALID", "p"))), want: "InvalidArgument 400 filter rule name must be either prefix or suffix ArgumentName=FilterRule.Name ArgumentValue=INVALID"},
		{name: "two prefixes", body: doc(queue("", q, "s3:ObjectCreated:*", by("prefix", "a"), by("Prefix", "b"))), want: "InvalidArgument 400 Cannot specify more than one prefix rule in a filter."},
		{name: "two suffixes", body: doc(queue("", q, "s3:ObjectCreated:*", by("suffix", "a"), by("suffix", "b"))), want: "InvalidArgument 400 Cannot specify more than one suffix rule in a filter."},
		{name: "long filter value", body: doc(queue("", q, "s3:ObjectCreated:*", by("suffix", strings.Repeat("x", 1025)))), want: "InvalidArgument 400 Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation"},
		{name: "same ID twice", body: doc(queue("<Id>a</Id>", q, "s3:ObjectCreated:*"), queue("<Id>a</Id>", q, "s3:ObjectRemoved:*")), want: "InvalidArgument 400 Same ID used for multiple configurations. IDs must be unique"},
		{name: "overlap", body: doc(queue("", q, "s3:ObjectCreated:*"), queue("", q, "s3:ObjectCreated:Put", by("prefix", "x"))), want: "InvalidArgument 400 Configurations overlap. Configurations on the same bucket cannot share a common event type."},
		{name: "apart by prefix", body: doc(queue("", q, "s3:ObjectCreated:*", by("prefix", "y")), queue("", q, "s3:ObjectCreated:Put", by("prefix", "x")))},
		{name: "apart by suffix", body: doc(queue("", q, "s3:ObjectCreated:*", by("suffix", "y")), queue("", q, "s3:ObjectCreated:Put", by("suffix", "x")))},
		{name: "apart by event", body: doc(queue("", q, "s3:ObjectCreated:Copy"), queue("", q, "s3:ObjectCreated:Put"))},
	})
}

func TestLoggingDocument(t *testing.T) {
	doc := func(target, more string) string {
		return `<BucketLoggingStatus><LoggingEnabled><TargetBucket>` + target + `</TargetBucket><TargetPrefix>log</TargetPrefix>` + more + `</LoggingEnabled></BucketLoggingStatus>`
	}
	grant := `<TargetGrants><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"><URI>http://acs.amazonaws.com/groups/s3/LogDelivery</URI></Grantee><Permission>READ_ACP</Permission></Grant></TargetGrants>`
	testDocument(t, "logging", []documentCase{
		{name: "off", body: "<BucketLoggingStatus/>"},
		{name: "on", body: doc("near", ""), get: "<TargetBucket>near</TargetBucket><TargetPrefix>log</TargetPrefix>"},
		{name: "into itself", body: doc("source", "")},
		{name: "empty prefix", body: strings.Replace(doc("near", ""), "log<", "<", 1), get: "<TargetPrefix/>"},
		{name: "no prefix", body: strings.Replace(doc("near", ""), "<TargetPrefix>log</TargetPrefix>", "", 1), want: malformedXML},
		{name: "no such bucket", body: doc("nowhere", ""), want: "InvalidTargetBucketForLogging 400 The target bucket for logging does not exist TargetBucket=nowhere"},
		{name: "other owner", body: doc("theirs", ""), want: "InvalidTargetBucketForLogging 400 The owner for the bucket to be logged and the target bucket must be the same. TargetBucket=theirs"},
		{name: "other region", body: doc("copy", ""), want: "CrossLocationLoggingProhibitted 403 Cross S3 location logging not allowed.  TargetBucketLocation=us-west-2"},
		{name: "other region than a younger one", ctx: func(c *Context) { c.Region = "eu-west-1" }, body: doc("copy", ""), want: "CrossLocationLoggingProhibitted 403 Cross S3 location logging not allowed.  TargetBucketLocation=us-west-2 SourceBucketLocation=eu-west-1"},
		{name: "grants", body: doc("near", grant), get: `xsi:type="Group"><URI>http://acs.amazonaws.com/groups/s3/LogDelivery</URI></Grantee><Permission>READ_ACP</Permission>`},
		{name: "partitioned", body: doc("near", "<TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>EventTime</PartitionDateSource></PartitionedPrefix></TargetObjectKeyFormat>")},
		{name: "partitioned by nothing", body: doc("near", "<TargetObjectKeyFormat><PartitionedPrefix/></TargetObjectKeyFormat>"), want: malformedXML},
		{name: "no format", body: doc("near", "<TargetObjectKeyFormat/>"), want: malformedXML},
		{name: "two formats", body: doc("near", "<TargetObjectKeyFormat><SimplePrefix/><PartitionedPrefix><PartitionDateSource>EventTime</PartitionDateSource></PartitionedPrefix></TargetObjectKeyFormat>"), want: malformedXML},
	})
}

func TestWebsiteDocument(t *testing.T) {
	doc := func(inner string) string { return `<WebsiteConfiguration>` + inner + `</WebsiteConfiguration>` }
	index := "<IndexDocument><Suffix>index.html</Suffix></IndexDocument>"
	rules := func(inner string) string {
		return doc(index + "<RoutingRules><RoutingRule>" + inner + "</RoutingRule></RoutingRules>")
	}
	testDocument(t, "website", []documentCase{
		{name: "index", body: doc(index), get: index},
		{name: "redirect", body: doc("<RedirectAllRequestsTo><HostName>h</HostName><Protocol>https</Protocol></RedirectAllRequestsTo>")},
		{name: "slash in suffix", body: doc("<IndexDocument><Suffix>/index.html</Suffix></IndexDocument>"), want: "InvalidArgument 400 The IndexDocument Suffix is not well formed ArgumentName=IndexDocument ArgumentValue=/index.html"},
		{name: "empty suffix", body: doc("<IndexDocument><Suffix></Suffix></IndexDocument>"), want: "InvalidArgument 400 The IndexDocument Suffix is not well formed ArgumentName=IndexDocument"},
		{name: "redirect beside index", body: doc("<RedirectAllRequestsTo><HostName>h</HostName></RedirectAllRequestsTo>" + index), want: "InvalidArgument 400 RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules. ArgumentName=RedirectAllRequestsTo ArgumentValue=not null"},
		{name: "no index", body: doc("<ErrorDocument><Key>e</Key></ErrorDocument>"), want: "InvalidArgument 400 A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty ArgumentName=IndexDocument ArgumentValue=null"},
		{name: "unknown protocol", body: rules("<Redirect><Protocol>protocol</Protocol></Redirect>"), want: "InvalidRequest 400 Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically."},
		{name: "two replacements", body: rules("<Redirect><ReplaceKeyPrefixWith>p</ReplaceKeyPrefixWith><ReplaceKeyWith>k</ReplaceKeyWith></Redirect>"), want: "InvalidRequest 400 You can only define ReplaceKeyPrefix or ReplaceKey but not both."},
		{name: "empty condition", body: rules("<Condition/><Redirect><ReplaceKeyWith>k</ReplaceKeyWith></Redirect>"), want: "InvalidRequest 400 Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't be present."},
		{name: "empty routing rules", body: doc(index + "<RoutingRules/>"), want: malformedXML},
		{name: "empty redirect", body: rules("<Redirect/>"), want: malformedXML},
		{name: "no redirect", body: rules(""), want: malformedXML},
		{name: "redirect code", body: rules("<Redirect><HttpRedirectCode>200</HttpRedirectCode></Redirect>"), want: "InvalidRequest 400 The provided HTTP redirect code (200) is not valid. Valid codes are 3XX except 300."},
		{name: "error code", body: rules("<Condition><HttpErrorCodeReturnedEquals>200</HttpErrorCodeReturnedEquals></Condition><Redirect><HostName>h</HostName></Redirect>"), want: "InvalidRequest 400 The provided HTTP error code (200) is not valid. Valid codes are 4XX or 5XX."},
		{name: "routing", body: rules("<Condition><KeyPrefixEquals>p</KeyPrefixEquals></Condition><Redirect><HttpRedirectCode>301</HttpRedirectCode></Redirect>"), get: "<KeyPrefixEquals>p</KeyPrefixEquals>"},
	})
}

func TestSwitches(t *testing.T) {
	testDocument(t, "accelerate", []documentCase{
		{name: "enable", body: "<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>", get: "<Status>Enabled</Status>"},
		{name: "nothing said", body: "<AccelerateConfiguration/>", want: malformedXML},
		{name: "unknown", body: "<AccelerateConfiguration><Status>enabled</Status></AccelerateConfiguration>", want: malformedXML},
		{name: "name with dots", ctx: func(c *Context) { c.Bucket = "a.b" }, body: "<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>", want: "InvalidRequest 400 S3 Transfer Acceleration is not supported for buckets with periods (.) in their names"},
	})
	testDocument(t, "requestPayment", []documentCase{
		{name: "requester", body: "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>", get: "<Payer>Requester</Payer>"},
		{name: "unknown", body: "<RequestPaymentConfiguration><Payer>Me</Payer></RequestPaymentConfiguration>", want: malformedXML},
		{name: "nobody", body: "<RequestPaymentConfiguration/>", want: malformedXML},
	})
	testDocument(t, "abac", []documentCase{
		{name: "enable", body: "<AbacStatus><Status>Enabled</Status></AbacStatus>", get: "<Status>Enabled</Status>"},
		{name: "unknown", body: "<AbacStatus><Status>On</Status></AbacStatus>", want: malformedXML},
		{name: "nothing said", body: "<AbacStatus/>", want: malformedXML},
	})
}

func TestConfigurations(t *testing.T) {
	noID := func(c *Context) { c.ID = "" }
	oddID := func(c *Context) { c.ID = "a b" }
	inventory := func(inner string) string {
		return `<InventoryConfiguration><Destination><S3BucketDestination><Bucket>arn:aws:s3:::copy</Bucket><Format>CSV</Format></S3BucketDestination></Destination><IsEnabled>true</IsEnabled>` + inner + `<IncludedObjectVersions>All</IncludedObjectVersions><Schedule><Frequency>Daily</Frequency></Schedule></InventoryConfiguration>`
	}
	x := "<Id>x</Id>"
	testDocument(t, "inventory", []documentCase{
		{name: "inventory", body: inventory(x + "<OptionalFields><Field>Size</Field><Field>ETag</Field></OptionalFields>"), get: "<OptionalFields><Field>Size</Field><Field>ETag</Field></OptionalFields>"},
		{name: "another ID", body: inventory("<Id>y</Id>"), want: "IdMismatch 400 Document ID does not match the specified configuration ID."},
		{name: "no ID", body: inventory(""), want: malformedXML},
		{name: "no ID asked", ctx: noID, body: inventory(x), want: "InvalidConfigurationId 400"},
		{name: "odd ID asked", ctx: oddID, body: inventory(x), want: "InvalidConfigurationId 400"},
		{name: "destination no ARN", body: strings.Replace(inventory(x), "arn:aws:s3:::", "", 1), want: "InvalidS3DestinationBucket 400 Invalid bucket ARN."},
		{name: "unknown format", body: strings.Replace(inventory(x), "CSV", "XLS", 1), want: malformedXML},
		{name: "unknown frequency", body: strings.Replace(inventory(x), "Daily", "Hourly", 1), want: malformedXML},
		{name: "unknown versions", body: strings.Replace(inventory(x), "All", "None", 1), want: malformedXML},
		{name: "unknown field", body: inventory(x + "<OptionalFields><Field>Colour</Field></OptionalFields>"), want: malformedXML},
		{name: "encrypted twice", body: strings.Replace(inventory(x), "</Format>", "</Format><Encryption><SSE-S3/><SSE-KMS><KeyId>k</KeyId></SSE-KMS></Encryption>", 1), want: malformedXML},
		{name: "encrypted", body: strings.Replace(inventory(x), "</Format>", "</Format><Encryption><SSE-S3/></Encryption>", 1), get: "<SSE-S3/>"},
	})
	filters := func(body func(string) string) []documentCase {
		tag := "<Tag><Key>a</Key><Value>b</Value></Tag>"
		return []documentCase{
			{name: "whole bucket", body: body(x)},
			{name: "prefix", body: body(x + "<Filter><Prefix>p</Prefix></Filter>"), get: "<Filter><Prefix>p</Prefix></Filter>"},
			{name: "tag", body: body(x + "<Filter>" + tag + "</Filter>")},
			{name: "and", body: body(x + "<Filter><And><Prefix>p</Prefix>" + tag + "</And></Filter>")},
			{name: "and of one", body: body(x + "<Filter><And>" + tag + "</And></Filter>"), want: malformedXML},
			{name: "two members", body: body(x + "<Filter><Prefix>p</Prefix>" + tag + "</Filter>"), want: malformedXML},
			{name: "empty filter", body: body(x + "<Filter/>"), want: malformedXML},
			{name: "tag twice", body: body(x + "<Filter><And>" + tag + tag + "</And></Filter>"), want: "InvalidRequest 400 Duplicate Tag Keys are not allowed."},
			{name: "another ID", body: body("<Id>y</Id>"), want: "IdMismatch 400"},
		}
	}
	testDocument(t, "metrics", filters(func(inner string) string { return "<MetricsConfiguration>" + inner + "</MetricsConfiguration>" }))
	analytics := func(inner string) string {
		return "<AnalyticsConfiguration>" + inner + "<StorageClassAnalysis><DataExport><OutputSchemaVersion>V_1</OutputSchemaVersion><Destination><S3BucketDestination><Format>CSV</Format><Bucket>arn:aws:s3:::copy</Bucket></S3BucketDestination></Destination></DataExport></StorageClassAnalysis></AnalyticsConfiguration>"
	}
	testDocument(t, "analytics", append(filters(analytics),
		documentCase{name: "destination no ARN", body: strings.Replace(analytics(x), "arn:aws:s3:::", "", 1), want: "InvalidS3DestinationBucket 400"},
		documentCase{name: "no analysis", body: "<AnalyticsConfiguration>" + x + "</AnalyticsConfiguration>", want: malformedXML}))
	tiering := func(inner string) string {
		return "<IntelligentTieringConfiguration>" + inner + "<Status>Enabled</Status><Tiering><Days>90</Days><AccessTier>ARCHIVE_ACCESS</AccessTier></Tiering></IntelligentTieringConfiguration>"
	}
	testDocument(t, "intelligent-tiering", append(filters(tiering),
		documentCase{name: "too early", body: strings.Replace(tiering(x), "90", "89", 1), want: "InvalidArgument 400"},
		documentCase{name: "too early for the deep archive", body: strings.Replace(tiering(x), "ARCHIVE_ACCESS", "DEEP_ARCHIVE_ACCESS", 1), want: "InvalidArgument 400"},
		documentCase{name: "too late", body: strings.Replace(tiering(x), "90", "731", 1), want: "InvalidArgument 400"},
		documentCase{name: "tier twice", body: strings.Replace(tiering(x), "<Tiering>", "<Tiering><Days>91</Days><AccessTier>ARCHIVE_ACCESS</AccessTier></Tiering><Tiering>", 1), want: malformedXML},
		documentCase{name: "no tier", body: "<IntelligentTieringConfiguration>" + x + "<Status>Enabled</Status></IntelligentTieringConfiguration>", want: malformedXML}))
}

func TestRenderList(t *testing.T) {
	doc := Find("metrics")
	var stored [][]byte
	for _, id := range []string{"a", "b"} {
		ctx := world()
		ctx.ID = id
		one, err := doc.Check(ctx, []byte("<MetricsConfiguration><Id>"+id+"</Id></MetricsConfiguration>"))
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, one)
	}
	page, err := doc.RenderList(stored, "t", "n")
	want := `<?xml version="1.0" encoding="UTF-8"?>
<ListMetricsConfigurationsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><ContinuationToken>t</ContinuationToken><MetricsConfiguration><Id>a</Id></MetricsConfiguration><MetricsConfiguration><Id>b</Id></MetricsConfiguration><IsTruncated>true</IsTruncated><NextContinuationToken>n</NextContinuationToken></ListMetricsConfigurationsResult>`
	if err != nil || string(page) != want {
		t.Fatalf("%s, %v", page, err)
	}
	for i := range Documents {
		if d := &Documents[i]; d.ByID {
			if page, err := d.RenderList(nil, "", ""); err != nil || !strings.HasSuffix(strings.SplitN(string(page), "\n", 2)[1], fmt.Sprintf("><IsTruncated>false</IsTruncated></%s>", d.list.root)) {
				t.Errorf("%s: %s, %v", d.Name, page, err)
			}
		}
	}
	if _, err := Find("cors").RenderList(nil, "", ""); err == nil {
		t.Error("cors has a listing")
	}
}
