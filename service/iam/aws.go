package iam

import "time"

// The policies that AWS manages and that matter to S3, with AWS's names, IDs,
// dates, versions and documents. ReadOnlyAccess and SecurityAudit, which AWS
// has for hundreds of services, are cut to the services that a realm has or
// will have, and to S3's neighbours; docs/fidelity/iam.md says so.
func awsPolicies() map[string]*managed {
	m := map[string]*managed{}
	add := func(name, id, created, updated string, number uint64, description, document string) {
		c, u := stampOf(created), stampOf(updated)
		p := &managed{
			account: awsAccount, name: name, path: "/", id: id, description: description, created: c, updated: u,
			standard: number, last: number, versions: []version{{number, document, u}},
		}
		m[p.arn()] = p
	}
	add("AdministratorAccess", "ANPAIWMBCKSKIEE64ZLYK", "2015-02-06T18:39:46Z", "2015-02-06T18:39:46Z", 1,
		"Provides full access to AWS services and resources.",
		`{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "*",
            "Resource": "*"
        }
    ]
}`)
	add("PowerUserAccess", "ANPAJYRXTHIB4FOVS3ZXS", "2015-02-06T18:39:47Z", "2026-02-12T17:59:14Z", 12,
		"Provides full access to AWS services and resources, but does not allow management of Users and groups.",
		`{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "NotAction": [
                "iam:*",
                "organizations:*",
                "account:*"
            ],
            "Resource": "*"
        },
        {
            "Effect": "Allow",
            "Action": [
                "account:GetAccountInformation",
                "account:GetGovCloudAccountInformation",
                "account:GetPrimaryEmail",
                "account:ListRegions",
                "iam:CreateServiceLinkedRole",
                "iam:DeleteServiceLinkedRole",
                "iam:ListRoles",
                "organizations:DescribeEffectivePolicy",
                "organizations:DescribeOrganization"
            ],
            "Resource": "*"
        }
    ]
}`)
	add("ReadOnlyAccess", "ANPAILL3HVNFSB6DCOWYQ", "2015-02-06T18:39:48Z", "2026-02-12T18:01:33Z", 178,
		"Provides read-only access to AWS services and resources.",
		`{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "account:GetAccountInformation",
                "account:GetAlternateContact",
                "account:GetContactInformation",
                "account:GetGovCloudAccountInformation",
                "account:GetPrimaryEmail",
                "account:GetRegionOptStatus",
                "account:ListRegions",
                "cloudtrail:Describe*",
                "cloudtrail:Get*",
                "cloudtrail:List*",
                "cloudtrail:LookupEvents",
                "cloudwatch:Describe*",
                "cloudwatch:GenerateQuery",
                "cloudwatch:GenerateQueryResultsSummary",
                "cloudwatch:Get*",
                "cloudwatch:List*",
                "iam:Generate*",
                "iam:Get*",
                "iam:List*",
                "iam:Simulate*",
                "kms:Describe*",
                "kms:Get*",
                "kms:List*",
                "logs:Describe*",
                "logs:FilterLogEvents",
                "logs:Get*",
                "logs:ListAggregateLogGroupSummaries",
                "logs:ListAnomalies",
                "logs:ListEntitiesForLogGroup",
                "logs:ListIntegrations",
                "logs:ListLogAnomalyDetectors",
                "logs:ListLogDeliveries",
                "logs:ListLogGroupsForEntity",
                "logs:ListLogGroupsForQuery",
                "logs:ListScheduledQueries",
                "logs:ListSourcesForS3TableIntegration",
                "logs:ListTagsForResource",
                "logs:ListTagsLogGroup",
                "logs:StartLiveTail",
                "logs:StartQuery",
                "logs:StopLiveTail",
                "logs:StopQuery",
                "logs:TestMetricFilter",
                "organizations:Describe*",
                "organizations:List*",
                "s3-object-lambda:GetObject",
                "s3-object-lambda:GetObjectAcl",
                "s3-object-lambda:GetObjectLegalHold",
                "s3-object-lambda:GetObjectRetention",
                "s3-object-lambda:GetObjectTagging",
                "s3-object-lambda:GetObjectVersion",
                "s3-object-lambda:GetObjectVersionAcl",
                "s3-object-lambda:GetObjectVersionTagging",
                "s3-object-lambda:ListBucket",
                "s3-object-lambda:ListBucketMultipartUploads",
                "s3-object-lambda:ListBucketVersions",
                "s3-object-lambda:ListMultipartUploadParts",
                "s3:DescribeJob",
                "s3:Get*",
                "s3:List*",
                "secretsmanager:Describe*",
                "secretsmanager:GetResourcePolicy",
                "secretsmanager:List*",
                "sns:Check*",
                "sns:Get*",
                "sns:List*",
                "sts:GetAccessKeyInfo",
                "sts:GetCallerIdentity",
                "sts:GetSessionToken",
                "tag:DescribeReportCreation",
                "tag:Get*"
            ],
            "Resource": "*"
        }
    ]
}`)
	add("SecurityAudit", "ANPAIX2T3QCXHR2OGGCTO", "2015-02-06T18:41:01Z", "2026-03-02T17:12:11Z", 85,
		"The security audit template grants access to read security configuration metadata. It is useful for software that audits the configuration of an AWS account.",
		`{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "account:GetAccountInformation",
                "account:GetAlternateContact",
                "account:GetPrimaryEmail",
                "account:GetRegionOptStatus",
                "cloudtrail:DescribeTrails",
                "cloudtrail:GetEventSelectors",
                "cloudtrail:GetInsightSelectors",
                "cloudtrail:GetTrail",
                "cloudtrail:GetTrailStatus",
                "cloudtrail:ListTags",
                "cloudtrail:ListTrails",
                "cloudtrail:LookupEvents",
                "cloudwatch:Describe*",
                "cloudwatch:GetDashboard",
                "cloudwatch:ListDashboards",
                "cloudwatch:ListTagsForResource",
                "iam:GenerateCredentialReport",
                "iam:GenerateServiceLastAccessedDetails",
                "iam:Get*",
                "iam:List*",
                "iam:SimulateCustomPolicy",
                "iam:SimulatePrincipalPolicy",
                "kms:Describe*",
                "kms:Get*",
                "kms:List*",
                "logs:Describe*",
                "logs:GetLogDelivery",
                "logs:ListLogDeliveries",
                "logs:ListTagsForResource",
                "logs:ListTagsLogGroup",
                "organizations:Describe*",
                "organizations:List*",
                "s3-object-lambda:GetObjectAcl",
                "s3-object-lambda:GetObjectVersionAcl",
                "s3:DescribeJob",
                "s3:GetAccelerateConfiguration",
                "s3:GetAccessGrantsInstanceResourcePolicy",
                "s3:GetAccessPoint",
                "s3:GetAccessPointConfigurationForObjectLambda",
                "s3:GetAccessPointForObjectLambda",
                "s3:GetAccessPointPolicy",
                "s3:GetAccessPointPolicyForObjectLambda",
                "s3:GetAccessPointPolicyStatus",
                "s3:GetAccessPointPolicyStatusForObjectLambda",
                "s3:GetAccountPublicAccessBlock",
                "s3:GetAnalyticsConfiguration",
                "s3:GetBucket*",
                "s3:GetEncryptionConfiguration",
                "s3:GetInventoryConfiguration",
                "s3:GetLifecycleConfiguration",
                "s3:GetMetricsConfiguration",
                "s3:GetMultiRegionAccessPoint",
                "s3:GetMultiRegionAccessPointPolicy",
                "s3:GetMultiRegionAccessPointPolicyStatus",
                "s3:GetObjectAcl",
                "s3:GetObjectTagging",
                "s3:GetObjectVersionAcl",
                "s3:GetReplicationConfiguration",
                "s3:GetStorageLensConfiguration",
                "s3:GetStorageLensGroup",
                "s3:ListAccessGrants",
                "s3:ListAccessGrantsInstances",
                "s3:ListAccessPoints",
                "s3:ListAccessPointsForObjectLambda",
                "s3:ListAllMyBuckets",
                "s3:ListBucket",
                "s3:ListCallerAccessGrants",
                "s3:ListJobs",
                "s3:ListMultiRegionAccessPoints",
                "s3:ListStorageLensConfigurations",
                "s3:ListStorageLensGroups",
                "secretsmanager:DescribeSecret",
                "secretsmanager:GetResourcePolicy",
                "secretsmanager:ListSecretVersionIds",
                "secretsmanager:ListSecrets",
                "sns:GetPlatformApplicationAttributes",
                "sns:GetTopicAttributes",
                "sns:ListSubscriptions",
                "sns:ListSubscriptionsByTopic",
                "sns:ListTagsForResource",
                "sns:ListTopics",
                "sts:GetAccessKeyInfo",
                "tag:GetResources",
                "tag:GetTagKeys"
            ],
            "Resource": "*"
        }
    ]
}`)
	add("IAMFullAccess", "ANPAI7XKCFMBPM3QQRRVQ", "2015-02-06T18:40:38Z", "2019-06-21T19:40:00Z", 2,
		"Provides full access to IAM via the AWS Management Console.",
		`{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "iam:*",
                "organizations:DescribeAccount",
                "organizations:DescribeOrganization",
                "organizations:DescribeOrganizationalUnit",
                "organizations:DescribePolicy",
                "organizations:ListChildren",
                "organizations:ListParents",
                "organizations:ListPoliciesForTarget",
                "organizations:ListRoots",
                "organizations:ListPolicies",
                "organizations:ListTargetsForPolicy"
            ],
            "Resource": "*"
        }
    ]
}`)
	add("IAMReadOnlyAccess", "ANPAJKSO7NDY4T57MWDSQ", "2015-02-06T18:40:39Z", "2018-01-25T19:11:27Z", 4,
		"Provides read only access to IAM via the AWS Management Console.",
		`{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "iam:GenerateCredentialReport",
                "iam:GenerateServiceLastAccessedDetails",
                "iam:Get*",
                "iam:List*",
                "iam:SimulateCustomPolicy",
                "iam:SimulatePrincipalPolicy"
            ],
            "Resource": "*"
        }
    ]
}`)
	add("AmazonS3FullAccess", "ANPAIFIR6V6BVTRAHWINE", "2015-02-06T18:40:58Z", "2021-09-27T20:16:37Z", 2,
		"Provides full access to all buckets via the AWS Management Console.",
		`{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "s3:*",
                "s3-object-lambda:*"
            ],
            "Resource": "*"
        }
    ]
}`)
	add("AmazonS3ReadOnlyAccess", "ANPAIZTJ4DXE7G6AGAE6M", "2015-02-06T18:40:59Z", "2023-08-10T21:31:39Z", 3,
		"Provides read only access to all buckets via the AWS Management Console.",
		`{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "s3:Get*",
                "s3:List*",
                "s3:Describe*",
                "s3-object-lambda:Get*",
                "s3-object-lambda:List*"
            ],
            "Resource": "*"
        }
    ]
}`)
	add("AWSKeyManagementServicePowerUser", "ANPAJNPP7PPPPMJRV2SA4", "2015-02-06T18:40:40Z", "2017-03-07T00:55:11Z", 2,
		"Provides access to AWS Key Management Service (KMS).",
		`{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "kms:CreateAlias",
                "kms:CreateKey",
                "kms:DeleteAlias",
                "kms:Describe*",
                "kms:GenerateRandom",
                "kms:Get*",
                "kms:List*",
                "kms:TagResource",
                "kms:UntagResource",
                "iam:ListGroups",
                "iam:ListRoles",
                "iam:ListUsers"
            ],
            "Resource": "*"
        }
    ]
}`)
	add("IAMUserChangePassword", "ANPAJ4L4MM2A7QIEB56MS", "2016-11-15T00:25:16Z", "2026-02-12T17:58:57Z", 5,
		"Provides the ability for an IAM user to change their own password.",
		`{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "iam:ChangePassword"
            ],
            "Resource": [
                "arn:aws:iam::*:user/${aws:username}",
                "arn:aws:iam::*:user/*/${aws:username}"
            ]
        },
        {
            "Effect": "Allow",
            "Action": [
                "iam:GetAccountPasswordPolicy"
            ],
            "Resource": "*"
        }
    ]
}`)
	add("AWSDenyAll", "ANPAZKAPJZG4P43IUQ5E5", "2019-05-01T22:36:14Z", "2023-12-18T16:42:05Z", 2,
		"Deny all access.",
		`{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "DenyAll",
            "Effect": "Deny",
            "Action": [
                "*"
            ],
            "Resource": "*"
        }
    ]
}`)
	return m
}

// stampOf reads a date of the table above. TestAWSPolicies reads them all.
func stampOf(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t
}
