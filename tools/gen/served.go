package main

// target is a service whose shapes are generated: the operations that Farhold
// serves, no others, so that the generated code is what is used.
type target struct {
	service  string // names the model: tools/models/model-<service>.json
	dir, pkg string
	protocol protocol
	xml      bool   // the service speaks XML: names of elements are tags
	space    string // XML namespace of documents and answers
	served   []string
	// openEnums are enumerations whose unknown values AWS answers with an error
	// of their own and not with MalformedXML; the rules check them.
	openEnums []string
	// unwrapped are answers whose only member is the root element's own text.
	unwrapped []string
	// loose are members whose pattern AWS does not hold requests against.
	loose []string
	// optional are members that the model requires and AWS does not.
	optional []string
}

// protocol says how answers are framed.
type protocol int

const (
	restXML protocol = iota // documents of S3, which its door takes apart by hand
	typed                   // whole requests and answers, for package service
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
		optional: []string{
			"Tagging.TagSet", // a document without one has no tags
		},
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
		service: "iam", dir: "wire/shapes/iam", pkg: "iamshapes", protocol: typed, xml: true,
		served: []string{
			"AddUserToGroup", "AttachGroupPolicy", "AttachRolePolicy", "AttachUserPolicy", "CreateAccessKey", "CreateAccountAlias", "CreateGroup",
			"CreatePolicy", "CreatePolicyVersion", "CreateRole", "CreateUser", "DeleteAccessKey", "DeleteAccountAlias", "DeleteGroup",
			"DeleteGroupPolicy", "DeletePolicy", "DeletePolicyVersion", "DeleteRole", "DeleteRolePermissionsBoundary", "DeleteRolePolicy",
			"DeleteUser", "DeleteUserPermissionsBoundary", "DeleteUserPolicy", "DetachGroupPolicy", "DetachRolePolicy", "DetachUserPolicy",
			"GetAccessKeyLastUsed", "GetAccountAuthorizationDetails", "GetAccountSummary", "GetContextKeysForCustomPolicy",
			"GetContextKeysForPrincipalPolicy", "GetGroup", "GetGroupPolicy", "GetLoginProfile", "GetPolicy", "GetPolicyVersion", "GetRole",
			"GetRolePolicy", "GetUser", "GetUserPolicy", "ListAccessKeys", "ListAccountAliases", "ListAttachedGroupPolicies",
			"ListAttachedRolePolicies", "ListAttachedUserPolicies", "ListEntitiesForPolicy", "ListGroupPolicies", "ListGroups",
			"ListGroupsForUser", "ListInstanceProfiles", "ListInstanceProfilesForRole", "ListMFADevices", "ListOpenIDConnectProviders",
			"ListPolicies", "ListPoliciesGrantingServiceAccess", "ListPolicyTags", "ListPolicyVersions", "ListRolePolicies", "ListRoleTags",
			"ListRoles", "ListSAMLProviders", "ListSSHPublicKeys", "ListServerCertificates", "ListServiceSpecificCredentials",
			"ListSigningCertificates", "ListUserPolicies", "ListUserTags", "ListUsers", "ListVirtualMFADevices", "PutGroupPolicy",
			"PutRolePermissionsBoundary", "PutRolePolicy", "PutUserPermissionsBoundary", "PutUserPolicy", "RemoveUserFromGroup",
			"SetDefaultPolicyVersion", "SimulateCustomPolicy", "SimulatePrincipalPolicy", "TagPolicy", "TagRole", "TagUser", "UntagPolicy",
			"UntagRole", "UntagUser", "UpdateAccessKey", "UpdateAssumeRolePolicy", "UpdateGroup", "UpdateRole", "UpdateRoleDescription",
			"UpdateUser",
		},
	},
	{
		service: "kms", dir: "wire/shapes/kms", pkg: "kmsshapes", protocol: typed,
		served: []string{
			"CancelKeyDeletion", "CreateAlias", "CreateGrant", "CreateKey", "Decrypt", "DeleteAlias", "DescribeKey", "DisableKey",
			"DisableKeyRotation", "EnableKey", "EnableKeyRotation", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext",
			"GenerateRandom", "GetKeyPolicy", "GetKeyRotationStatus", "ListAliases", "ListGrants", "ListKeyPolicies", "ListKeyRotations",
			"ListKeys", "ListResourceTags", "ListRetirableGrants", "PutKeyPolicy", "ReEncrypt", "RetireGrant", "RevokeGrant",
			"RotateKeyOnDemand", "ScheduleKeyDeletion", "TagResource", "UntagResource", "UpdateAlias", "UpdateKeyDescription",
		},
	},
	{
		service: "sts", dir: "wire/shapes/sts", pkg: "stsshapes", protocol: typed, xml: true,
		served: []string{"AssumeRole", "DecodeAuthorizationMessage", "GetAccessKeyInfo", "GetCallerIdentity", "GetSessionToken"},
	},
	{
		service: "secrets-manager", dir: "wire/shapes/secretsmanager", pkg: "secretsmanagershapes", protocol: typed,
		served: []string{"GetRandomPassword"},
	},
	{
		service: "s3-control", dir: "wire/shapes/s3control", pkg: "s3controlshapes", protocol: typed, xml: true,
		space: "http://awss3control.amazonaws.com/doc/2018-08-20/",
		// The pattern has no place for the ARN of a bucket, which has no region.
		loose: []string{"ListTagsForResourceRequest.ResourceArn", "TagResourceRequest.ResourceArn", "UntagResourceRequest.ResourceArn"},
		served: []string{
			"DeletePublicAccessBlock", "GetPublicAccessBlock", "ListTagsForResource", "PutPublicAccessBlock", "TagResource", "UntagResource",
		},
	},
}
