#!/usr/bin/env bash
# The replication recipe's steps: preparation, 1 to 5, 7 to 9, its validation 1
# to 4 and the clean-up that belongs to them. Nothing is set but the endpoint,
# the CA bundle, credentials and a region. Where the recipe and AWS differ, AWS
# counts; such places say so.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/helpers.sh"
# eventually WHAT WANT COMMAND…: the command must print WANT within a minute.
eventually() {
	local what=$1 want=$2 got= end=$((SECONDS + 60))
	shift 2
	while [ $SECONDS -lt $end ]; do
		got=$("$@" 2>&1) || true
		[ "$got" = "$want" ] && return
		sleep 0.3
	done
	fail "$what: $got, want $want"
}

echo "== preparation"
export PRIMARY_REGION="us-east-1" SECONDARY_REGION="us-west-2" TERTIARY_REGION="eu-west-1"
AWS_ACCOUNT_ID=$($aws sts get-caller-identity --query Account --output text)
RANDOM_SUFFIX=$($aws secretsmanager get-random-password --exclude-punctuation --exclude-uppercase \
	--password-length 8 --require-each-included-type --output text --query RandomPassword)
[[ $RANDOM_SUFFIX =~ ^[a-z0-9]{8}$ && $RANDOM_SUFFIX =~ [a-z] && $RANDOM_SUFFIX =~ [0-9] ]] || fail "the random password is $RANDOM_SUFFIX"
SOURCE_BUCKET="multi-region-source-${RANDOM_SUFFIX}"
DEST_BUCKET_1="multi-region-dest1-${RANDOM_SUFFIX}"
DEST_BUCKET_2="multi-region-dest2-${RANDOM_SUFFIX}"
REPLICATION_ROLE="MultiRegionReplicationRole-${RANDOM_SUFFIX}"
SOURCE_KMS_ALIAS="alias/s3-multi-region-source-${RANDOM_SUFFIX}"
DEST_KMS_ALIAS_1="alias/s3-multi-region-dest1-${RANDOM_SUFFIX}"
DEST_KMS_ALIAS_2="alias/s3-multi-region-dest2-${RANDOM_SUFFIX}"

echo "== 1: keys in all regions"
key_policy='{
	"Version": "2012-10-17",
	"Statement": [
		{"Sid": "Enable IAM User Permissions", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::'${AWS_ACCOUNT_ID}':root"}, "Action": "kms:*", "Resource": "*"},
		{"Sid": "Allow S3 Service", "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": "*"}
	]
}'
new_key() { # REGION ALIAS WHAT
	local id
	id=$($aws kms create-key --region "$1" --policy "$key_policy" --description "KMS key for S3 multi-region replication $3" \
		--query 'KeyMetadata.KeyId' --output text)
	$aws kms create-alias --region "$1" --alias-name "$2" --target-key-id "$id"
	echo "$id"
}
SOURCE_KMS_KEY_ID=$(new_key $PRIMARY_REGION "$SOURCE_KMS_ALIAS" source)
DEST_KMS_KEY_ID_1=$(new_key $SECONDARY_REGION "$DEST_KMS_ALIAS_1" "destination 1")
DEST_KMS_KEY_ID_2=$(new_key $TERTIARY_REGION "$DEST_KMS_ALIAS_2" "destination 2")
source_key="arn:aws:kms:${PRIMARY_REGION}:${AWS_ACCOUNT_ID}:key/${SOURCE_KMS_KEY_ID}"
dest_key_1="arn:aws:kms:${SECONDARY_REGION}:${AWS_ACCOUNT_ID}:key/${DEST_KMS_KEY_ID_1}"
dest_key_2="arn:aws:kms:${TERTIARY_REGION}:${AWS_ACCOUNT_ID}:key/${DEST_KMS_KEY_ID_2}"
same "the alias' key" "$($aws kms describe-key --key-id "$SOURCE_KMS_ALIAS" --query KeyMetadata.Arn --output text)" "$source_key"

echo "== 2: buckets in all regions, encrypted"
new_bucket() { # REGION BUCKET ALIAS
	$aws s3 mb "s3://$2" --region "$1"
	$aws s3api put-bucket-versioning --bucket "$2" --versioning-configuration Status=Enabled --region "$1"
	$aws s3api put-bucket-encryption --bucket "$2" --region "$1" --server-side-encryption-configuration \
		'{"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "'"$3"'"}, "BucketKeyEnabled": true}]}'
}
new_bucket $PRIMARY_REGION "$SOURCE_BUCKET" "$SOURCE_KMS_ALIAS"
new_bucket $SECONDARY_REGION "$DEST_BUCKET_1" "$DEST_KMS_ALIAS_1"
new_bucket $TERTIARY_REGION "$DEST_BUCKET_2" "$DEST_KMS_ALIAS_2"

echo "== 3: the role"
cat > trust.json <<-JSON
	{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
JSON
$aws iam create-role --role-name "$REPLICATION_ROLE" --assume-role-policy-document file://trust.json > role.out
REPLICATION_ROLE_ARN=$($aws iam get-role --role-name "$REPLICATION_ROLE" --query Role.Arn --output text)
same "the role" "$REPLICATION_ROLE_ARN" "arn:aws:iam::${AWS_ACCOUNT_ID}:role/${REPLICATION_ROLE}"

echo "== 4: its permissions"
cat > permissions.json <<-JSON
	{"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Action": ["s3:GetReplicationConfiguration", "s3:ListBucket", "s3:GetBucketVersioning"], "Resource": "arn:aws:s3:::${SOURCE_BUCKET}"},
		{"Effect": "Allow", "Action": ["s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"], "Resource": "arn:aws:s3:::${SOURCE_BUCKET}/*"},
		{"Effect": "Allow", "Action": ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"], "Resource": ["arn:aws:s3:::${DEST_BUCKET_1}/*", "arn:aws:s3:::${DEST_BUCKET_2}/*"]},
		{"Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": ["${source_key}", "${dest_key_1}", "${dest_key_2}"]}
	]}
JSON
$aws iam put-role-policy --role-name "$REPLICATION_ROLE" --policy-name MultiRegionS3ReplicationPolicy --policy-document file://permissions.json

echo "== 5: the rules"
rule() { # ID PRIORITY FILTER BUCKET CLASS KEY
	cat <<-JSON
		{"ID": "$1", "Status": "Enabled", "Priority": $2, "Filter": $3, "DeleteMarkerReplication": {"Status": "Enabled"},
		 "Destination": {"Bucket": "arn:aws:s3:::$4", "StorageClass": "$5", "EncryptionConfiguration": {"ReplicaKmsKeyID": "$6"},
		  "Metrics": {"Status": "Enabled", "EventThreshold": {"Minutes": 15}}, "ReplicationTime": {"Status": "Enabled", "Time": {"Minutes": 15}}}}
	JSON
}
cat > replication.json <<-JSON
	{"Role": "${REPLICATION_ROLE_ARN}", "Rules": [
	$(rule ReplicateAllToSecondary 1 '{"Prefix": ""}' "$DEST_BUCKET_1" STANDARD_IA "$dest_key_1"),
	$(rule ReplicateAllToTertiary 2 '{"Prefix": ""}' "$DEST_BUCKET_2" STANDARD_IA "$dest_key_2"),
	$(rule ReplicateCriticalDataFast 0 '{"And": {"Prefix": "critical/", "Tags": [{"Key": "Priority", "Value": "High"}]}}' "$DEST_BUCKET_1" STANDARD "$dest_key_1")]}
JSON
$aws s3api put-bucket-replication --bucket "$SOURCE_BUCKET" --replication-configuration file://replication.json

echo "== 7: tiering and lifecycle"
# AWS knows no OptionalFields here; the CLI refuses the recipe's.
$aws s3api put-bucket-intelligent-tiering-configuration --bucket "$SOURCE_BUCKET" --id EntireBucket --intelligent-tiering-configuration \
	'{"Id": "EntireBucket", "Status": "Enabled", "Filter": {"Prefix": ""}, "Tierings": [{"Days": 90, "AccessTier": "ARCHIVE_ACCESS"}, {"Days": 180, "AccessTier": "DEEP_ARCHIVE_ACCESS"}]}'
cat > lifecycle.json <<-'JSON'
	{"Rules": [{"ID": "MultiRegionLifecycleRule", "Status": "Enabled", "Filter": {"Prefix": "archive/"},
	 "Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}, {"Days": 90, "StorageClass": "GLACIER"}, {"Days": 365, "StorageClass": "DEEP_ARCHIVE"}],
	 "NoncurrentVersionTransitions": [{"NoncurrentDays": 7, "StorageClass": "STANDARD_IA"}, {"NoncurrentDays": 30, "StorageClass": "GLACIER"}],
	 "NoncurrentVersionExpiration": {"NoncurrentDays": 365}}]}
JSON
$aws s3api put-bucket-lifecycle-configuration --bucket "$SOURCE_BUCKET" --lifecycle-configuration file://lifecycle.json

echo "== 8: data and tags"
put() { # KEY METADATA TAGS
	echo "$1 of $(date)" > body.txt
	# The CLI's s3 cp has no --tagging: tags at creation go with put-object.
	$aws s3api put-object --bucket "$SOURCE_BUCKET" --key "$1" --body body.txt --metadata "$2" --tagging "$3" > put.out
}
put critical/critical-data.txt classification=critical,owner=finance "Priority=High&DataType=Financial&Compliance=SOX"
put standard/standard-data.txt classification=standard,owner=operations "Priority=Medium&DataType=Operational"
put archive/archive-data.txt classification=archive,owner=legal "Priority=Low&DataType=Compliance&Retention=7years"
put critical/high-priority-data.txt classification=critical,owner=operations "Priority=High&DataType=Operational&RTO=15min"
tags='{Key=Environment,Value=Production},{Key=Application,Value=MultiRegionReplication},{Key=CostCenter,Value=IT-Storage},{Key=Owner,Value=DataTeam},{Key=Compliance,Value=SOX-GDPR},{Key=BackupStrategy,Value=MultiRegion}'
$aws s3api put-bucket-tagging --bucket "$SOURCE_BUCKET" --tagging "TagSet=[$tags]"
$aws s3api put-bucket-tagging --bucket "$DEST_BUCKET_1" --tagging "TagSet=[$tags,{Key=ReplicaOf,Value=$SOURCE_BUCKET}]" --region $SECONDARY_REGION
$aws s3api put-bucket-tagging --bucket "$DEST_BUCKET_2" --tagging "TagSet=[$tags,{Key=ReplicaOf,Value=$SOURCE_BUCKET}]" --region $TERTIARY_REGION

echo "== 9: policies and blocks"
cat > bucket-policy.json <<-JSON
	{"Version": "2012-10-17", "Statement": [
		{"Sid": "DenyInsecureConnections", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": ["arn:aws:s3:::${SOURCE_BUCKET}", "arn:aws:s3:::${SOURCE_BUCKET}/*"], "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
		{"Sid": "AllowReplicationRole", "Effect": "Allow", "Principal": {"AWS": "${REPLICATION_ROLE_ARN}"},
		 "Action": ["s3:GetReplicationConfiguration", "s3:ListBucket", "s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"],
		 "Resource": ["arn:aws:s3:::${SOURCE_BUCKET}", "arn:aws:s3:::${SOURCE_BUCKET}/*"]}
	]}
JSON
$aws s3api put-bucket-policy --bucket "$SOURCE_BUCKET" --policy file://bucket-policy.json
block=BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true
$aws s3api put-public-access-block --bucket "$SOURCE_BUCKET" --public-access-block-configuration $block
$aws s3api put-public-access-block --bucket "$DEST_BUCKET_1" --public-access-block-configuration $block --region $SECONDARY_REGION
$aws s3api put-public-access-block --bucket "$DEST_BUCKET_2" --public-access-block-configuration $block --region $TERTIARY_REGION

echo "== validation 1: the configuration"
same "rules" "$($aws s3api get-bucket-replication --bucket "$SOURCE_BUCKET" --query 'ReplicationConfiguration.Rules[].Status' --output text | tr '\t' ' ')" "Enabled Enabled Enabled"

head() { $aws s3api head-object --bucket "$1" --key "$2" --region "$3" --query "$4" --output text; }
replicated() { # KEY CLASS-IN-1
	eventually "$1" COMPLETED head "$SOURCE_BUCKET" "$1" $PRIMARY_REGION ReplicationStatus
	same "$1 at its source" "$(head "$SOURCE_BUCKET" "$1" $PRIMARY_REGION '[ServerSideEncryption, SSEKMSKeyId, BucketKeyEnabled]' | tr '\t' ' ')" "aws:kms $source_key True"
	same "$1 in the second region" "$(head "$DEST_BUCKET_1" "$1" $SECONDARY_REGION '[ReplicationStatus, ServerSideEncryption, SSEKMSKeyId, StorageClass]' | tr '\t' ' ')" "REPLICA aws:kms $dest_key_1 $2"
	same "$1 in the third region" "$(head "$DEST_BUCKET_2" "$1" $TERTIARY_REGION '[ReplicationStatus, ServerSideEncryption, SSEKMSKeyId, StorageClass]' | tr '\t' ' ')" "REPLICA aws:kms $dest_key_2 STANDARD_IA"
	for d in "$DEST_BUCKET_1 $SECONDARY_REGION" "$DEST_BUCKET_2 $TERTIARY_REGION"; do
		set -- "$1" "$2" $d
		same "metadata of $1" "$(head "$3" "$1" "$4" Metadata)" "$(head "$SOURCE_BUCKET" "$1" $PRIMARY_REGION Metadata)"
		same "version of $1" "$(head "$3" "$1" "$4" VersionId)" "$(head "$SOURCE_BUCKET" "$1" $PRIMARY_REGION VersionId)"
		same "tags of $1" "$($aws s3api get-object-tagging --bucket "$3" --key "$1" --region "$4" --query 'TagSet[].[Key,Value]' --output text)" \
			"$($aws s3api get-object-tagging --bucket "$SOURCE_BUCKET" --key "$1" --query 'TagSet[].[Key,Value]' --output text)"
		$aws s3 cp --no-progress "s3://$3/$1" copy.txt --region "$4" > /dev/null
		$aws s3 cp --no-progress "s3://$SOURCE_BUCKET/$1" original.txt > /dev/null
		cmp copy.txt original.txt || fail "$1 is another one in $3"
	done
}

echo "== validation 2: replication to all regions"
put test/test-replication.txt test=replication TestType=ReplicationValidation
# Rule 1 has the higher number: critical objects arrive as STANDARD_IA too.
for key in test/test-replication.txt critical/critical-data.txt standard/standard-data.txt archive/archive-data.txt critical/high-priority-data.txt; do
	replicated $key STANDARD_IA
done
$aws s3 ls "s3://${DEST_BUCKET_1}/test/" --region $SECONDARY_REGION | grep -q test-replication.txt || fail "not listed in $DEST_BUCKET_1"
$aws s3 ls "s3://${DEST_BUCKET_2}/test/" --region $TERTIARY_REGION | grep -q test-replication.txt || fail "not listed in $DEST_BUCKET_2"

echo "== validation 3: priorities"
put critical/priority-test.txt test=priority "Priority=High&TestType=PriorityReplication"
replicated critical/priority-test.txt STANDARD_IA
$aws s3 ls "s3://${DEST_BUCKET_1}/critical/" --region $SECONDARY_REGION | grep -q priority-test.txt || fail "not listed in $DEST_BUCKET_1"

echo "== validation 4: encryption and security"
same "encryption" "$(head "$DEST_BUCKET_1" test/test-replication.txt $SECONDARY_REGION ServerSideEncryption)" aws:kms
$aws s3api get-bucket-policy --bucket "$SOURCE_BUCKET" --query Policy --output text | grep -q DenyInsecureConnections || fail "the policy is not there"
refused AccessDenied $aws s3api put-bucket-policy --bucket "$SOURCE_BUCKET" --policy \
	'{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::'"$SOURCE_BUCKET"'/*"}]}'

echo "== clean-up"
$aws s3 rm "s3://${SOURCE_BUCKET}" --recursive > /dev/null
eventually "the markers arrive" 6 $aws s3api list-object-versions --bucket "$DEST_BUCKET_1" --region $SECONDARY_REGION --query 'length(DeleteMarkers)' --output text
$aws s3 rm "s3://${DEST_BUCKET_1}" --recursive --region $SECONDARY_REGION > /dev/null
$aws s3 rm "s3://${DEST_BUCKET_2}" --recursive --region $TERTIARY_REGION > /dev/null
$aws s3api delete-bucket-replication --bucket "$SOURCE_BUCKET"
$aws iam delete-role-policy --role-name "$REPLICATION_ROLE" --policy-name MultiRegionS3ReplicationPolicy
$aws iam delete-role --role-name "$REPLICATION_ROLE"
refused NoSuchEntity $aws iam get-role --role-name "$REPLICATION_ROLE"
purge() { # BUCKET REGION: rb --force leaves versions, and AWS answers BucketNotEmpty
	refused BucketNotEmpty $aws s3 rb "s3://$1" --force --region "$2"
	local doc
	for kind in Versions DeleteMarkers; do
		doc=$($aws s3api list-object-versions --bucket "$1" --region "$2" --output json --query "{Objects: $kind[].{Key: Key, VersionId: VersionId}}")
		case $doc in *VersionId*) $aws s3api delete-objects --bucket "$1" --region "$2" --delete "$doc" > purge.out ;; esac
	done
	$aws s3 rb "s3://$1" --region "$2"
}
purge "$SOURCE_BUCKET" $PRIMARY_REGION
purge "$DEST_BUCKET_1" $SECONDARY_REGION
purge "$DEST_BUCKET_2" $TERTIARY_REGION
for k in "$SOURCE_KMS_KEY_ID $PRIMARY_REGION" "$DEST_KMS_KEY_ID_1 $SECONDARY_REGION" "$DEST_KMS_KEY_ID_2 $TERTIARY_REGION"; do
	set -- $k
	same "the key's state" "$($aws kms schedule-key-deletion --key-id "$1" --pending-window-in-days 7 --region "$2" --query KeyState --output text)" PendingDeletion
done
refused KMSInvalidStateException $aws kms encrypt --key-id "$SOURCE_KMS_KEY_ID" --plaintext fileb://body.txt
echo "== done"
