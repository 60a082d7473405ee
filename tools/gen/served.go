package main

// target is a service whose shapes are generated: the operations that Farhold
// serves, no others, so that the generated code is what is used.
type target struct {
	service  string // names the model: tools/models/model-<service>.json
	dir, pkg string
	protocol protocol
	space    string // XML namespace of documents and answers
	served   []string
	// openEnums are enumerations whose unknown values AWS answers with an error
	// of their own and not with MalformedXML; the rules check them.
	openEnums []string
	// unwrapped are answers whose only member is the root element's own text.
	unwrapped []string
	// optional are members that the model requires and AWS does not.
	optional []string
}

// protocol says how answers are framed.
type protocol int

const (
	restXML protocol = iota
	query            // <OpResponse><OpResult>…</OpResult><ResponseMetadata>…
)

var targets = []target{
	{
		service: "s3", dir: "wire/shapes/s3", pkg: "s3shapes", protocol: restXML, space: "http://s3.amazonaws.com/doc/2006-03-01/",
		openEnums: []string{
			"Event",                    // notification: InvalidArgument
			"FilterRuleName",           // notification: InvalidArgument
			"BucketLocationConstraint", // InvalidLocationConstraint
			"Protocol",                 // website: InvalidRequest
			"BucketLogsPermission",     // logging: AWS takes any permission of ACLs
			"ObjectStorageClass", "ObjectVersionStorageClass", "ReplicationStatus",
		},
		unwrapped: []string{"GetBucketLocationOutput"},
		served: []string{
			"AbortMultipartUpload", "CompleteMultipartUpload", "CopyObject", "CreateBucket", "CreateMultipartUpload", "DeleteObject", "DeleteObjects",
			"GetBucketAbac", "GetBucketAccelerateConfiguration", "GetBucketAcl", "GetBucketAnalyticsConfiguration", "GetBucketCors", "GetBucketEncryption",
			"GetBucketIntelligentTieringConfiguration", "GetBucketInventoryConfiguration", "GetBucketLifecycleConfiguration", "GetBucketLocation",
			"GetBucketLogging", "GetBucketMetricsConfiguration", "GetBucketNotificationConfiguration", "GetBucketOwnershipControls", "GetBucketPolicyStatus",
			"GetBucketReplication", "GetBucketRequestPayment", "GetBucketTagging", "GetBucketVersioning", "GetBucketWebsite", "GetObjectAcl",
			"GetObjectAttributes", "GetObjectLegalHold", "GetObjectLockConfiguration", "GetObjectRetention", "GetObjectTagging", "GetPublicAccessBlock",
			"ListBucketAnalyticsConfigurations", "ListBucketIntelligentTieringConfigurations", "ListBucketInventoryConfigurations",
			"ListBucketMetricsConfigurations", "ListBuckets", "ListMultipartUploads", "ListObjectVersions", "ListObjects", "ListObjectsV2", "ListParts",
			"PutBucketAbac", "PutBucketAccelerateConfiguration", "PutBucketAcl", "PutBucketAnalyticsConfiguration", "PutBucketCors", "PutBucketEncryption",
			"PutBucketIntelligentTieringConfiguration", "PutBucketInventoryConfiguration", "PutBucketLifecycleConfiguration", "PutBucketLogging",
			"PutBucketMetricsConfiguration", "PutBucketNotificationConfiguration", "PutBucketOwnershipControls", "PutBucketReplication",
			"PutBucketRequestPayment", "PutBucketTagging", "PutBucketVersioning", "PutBucketWebsite", "PutObjectAcl", "PutObjectLegalHold",
			"PutObjectLockConfiguration", "PutObjectRetention", "PutObjectTagging", "PutPublicAccessBlock", "RestoreObject", "UploadPartCopy",
		},
	},
	{
		service: "sts", dir: "wire/shapes/sts", pkg: "stsshapes", protocol: query, space: "https://sts.amazonaws.com/doc/2011-06-15/",
		served: []string{"GetCallerIdentity"},
	},
}
