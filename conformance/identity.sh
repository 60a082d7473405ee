#!/usr/bin/env bash
# What an administrator does with aws iam, aws sts and aws kms, and what those
# whom it concerns may do after it. FARHOLD is the farhold binary, DATA the
# realm's folder. Calls that do not depend on each other run at once: the CLI
# takes longer to start than to be answered.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/helpers.sh"
# ask WHAT WANT QUERY COMMAND…: the answer's QUERY must be WANT.
ask() {
	local what=$1 want=$2 query=$3 got
	shift 3
	got=$($aws "$@" --query "$query" --output text | tr '\t\n' '  ' | sed 's/ *$//')
	same "$what" "$got" "$want"
}
# with CREDENTIALS COMMAND…: as somebody else; "ID SECRET TOKEN".
with() {
	local who=$1
	shift
	set -- $who -- "$@"
	local id=$1 secret=$2 token=
	shift 2
	[ "$1" = -- ] || { token=$1; shift; }
	shift
	AWS_ACCESS_KEY_ID=$id AWS_SECRET_ACCESS_KEY=$secret AWS_SESSION_TOKEN=$token "$@"
}
statement() { # EFFECT ACTIONS RESOURCE: a document of one statement
	echo '{"Version": "2012-10-17", "Statement": [{"Effect": "'"$1"'", "Action": '"$2"', "Resource": "'"$3"'"}]}'
}

walk_iam() {
	echo "== iam: users, keys and groups"
	ask "the user" "arn:aws:iam::$account:user/team/grace" User.Arn iam create-user --user-name grace --path /team/ --tags Key=team,Value=blue
	refused EntityAlreadyExists $aws iam create-user --user-name Grace
	$aws iam tag-user --user-name grace --tags Key=shift,Value=night
	$aws iam untag-user --user-name grace --tag-keys team
	ask "tags" "shift night" 'Tags[].[Key,Value]' iam list-user-tags --user-name grace
	local id
	id=$($aws iam create-access-key --user-name grace --query AccessKey.AccessKeyId --output text)
	$aws iam update-access-key --user-name grace --access-key-id "$id" --status Inactive
	ask "her key" "$id Inactive" 'AccessKeyMetadata[].[AccessKeyId,Status]' iam list-access-keys --user-name grace
	$aws iam create-group --group-name readers > /dev/null
	$aws iam add-user-to-group --group-name readers --user-name grace
	ask "her groups" readers 'Groups[].GroupName' iam list-groups-for-user --user-name grace
	ask "its members" grace 'Users[].UserName' iam get-group --group-name readers

	echo "== iam: policies, inline and managed"
	local policy
	policy=$($aws iam create-policy --policy-name reads --policy-document "$(statement Allow '"s3:GetObject"' 'arn:aws:s3:::x/*')" --query Policy.Arn --output text)
	same "the policy" "$policy" "arn:aws:iam::$account:policy/reads"
	$aws iam attach-group-policy --group-name readers --policy-arn "$policy"
	ask "a version" "v2 True" 'PolicyVersion.[VersionId,IsDefaultVersion]' iam create-policy-version --policy-arn "$policy" --set-as-default \
		--policy-document "$(statement Allow '["s3:GetObject", "s3:PutObject"]' 'arn:aws:s3:::x/*')"
	ask "attached" "reads" 'AttachedPolicies[].PolicyName' iam list-attached-group-policies --group-name readers
	refused DeleteConflict $aws iam delete-policy --policy-arn "$policy"
	refused MalformedPolicyDocument $aws iam put-user-policy --user-name grace --policy-name p --policy-document '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "effect": "Deny", "Action": "*", "Resource": "*"}]}'
	$aws iam put-user-policy --user-name grace --policy-name no --policy-document "$(statement Deny '"s3:PutObject"' 'arn:aws:s3:::x/secret/*')"
	ask "inline" no 'PolicyNames' iam list-user-policies --user-name grace

	echo "== iam: what would be decided"
	local her="arn:aws:iam::$account:user/team/grace"
	simulate() { # WANT ACTION RESOURCE
		ask "$2 of $3" "$1" 'EvaluationResults[].EvalDecision' iam simulate-principal-policy --policy-source-arn "$her" --action-names "$2" --resource-arns "$3"
	}
	simulate allowed s3:PutObject arn:aws:s3:::x/open
	simulate explicitDeny s3:PutObject arn:aws:s3:::x/secret/k
	simulate implicitDeny s3:DeleteObject arn:aws:s3:::x/open
	$aws iam put-user-permissions-boundary --user-name grace --permissions-boundary arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess
	simulate implicitDeny s3:PutObject arn:aws:s3:::x/open
	simulate allowed s3:GetObject arn:aws:s3:::x/open
	ask "the boundary" arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess User.PermissionsBoundary.PermissionsBoundaryArn iam get-user --user-name grace
	$aws iam delete-user-permissions-boundary --user-name grace

	echo "== iam: a role"
	statement Allow '"sts:AssumeRole"' '*' > bad.json # a trust policy names no resource, but a principal
	refused MalformedPolicyDocument $aws iam create-role --role-name clerk --assume-role-policy-document file://bad.json
	trust() { echo '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "'"$1"'.amazonaws.com"}, "Action": "sts:AssumeRole"}]}'; }
	ask "the role" "arn:aws:iam::$account:role/clerk" Role.Arn iam create-role --role-name clerk \
		--max-session-duration 7200 --assume-role-policy-document "$(trust ec2)" --permissions-boundary "$policy"
	$aws iam update-assume-role-policy --role-name clerk --policy-document "$(trust s3)"
	$aws iam tag-role --role-name clerk --tags Key=desk,Value=4
	$aws iam attach-role-policy --role-name clerk --policy-arn "$policy"
	ask "the role now" "7200 s3.amazonaws.com $policy desk" \
		'Role.[MaxSessionDuration,AssumeRolePolicyDocument.Statement[0].Principal.Service,PermissionsBoundary.PermissionsBoundaryArn,Tags[0].Key]' iam get-role --role-name clerk
	ask "its policies" reads 'AttachedPolicies[].PolicyName' iam list-attached-role-policies --role-name clerk
	refused DeleteConflict $aws iam delete-role --role-name clerk
	$aws iam detach-role-policy --role-name clerk --policy-arn "$policy"
	$aws iam delete-role --role-name clerk

	echo "== iam: the account"
	ask "grace in all that there is" "readers no" "UserDetailList[?UserName=='grace'].[GroupList[0],UserPolicyList[0].PolicyName]" iam get-account-authorization-details --filter User
	refused DeleteConflict $aws iam delete-user --user-name grace
	$aws iam delete-access-key --user-name grace --access-key-id "$id"
	$aws iam delete-user-policy --user-name grace --policy-name no
	$aws iam remove-user-from-group --group-name readers --user-name grace
	$aws iam detach-group-policy --group-name readers --policy-arn "$policy"
	$aws iam delete-policy-version --policy-arn "$policy" --version-id v1
	$aws iam delete-policy --policy-arn "$policy"
	$aws iam delete-group --group-name readers
	$aws iam delete-user --user-name grace
	refused NoSuchEntity $aws iam get-user --user-name grace
}

walk_sts() {
	echo "== sts: a user who may nothing, and then something"
	$aws s3 mb s3://walked > /dev/null
	echo walked > walked.txt
	$aws iam create-user --user-name ada > /dev/null
	local ada
	ada=$($aws iam create-access-key --user-name ada --query 'AccessKey.[AccessKeyId,SecretAccessKey]' --output text | tr '\t' ' ')
	with "$ada" ask "who she is" "arn:aws:iam::$account:user/ada" Arn sts get-caller-identity --region eu-west-1
	with "$ada" refused AccessDenied $aws s3 cp walked.txt s3://walked/k
	$aws iam put-user-policy --user-name ada --policy-name puts --policy-document "$(statement Allow '["s3:PutObject"]' 'arn:aws:s3:::walked/*')"
	with "$ada" $aws s3 cp --no-progress walked.txt s3://walked/k > /dev/null
	with "$ada" refused Forbidden $aws s3 cp s3://walked/k back.txt
	with "$ada" refused AccessDenied $aws iam list-users
	$aws iam put-user-permissions-boundary --user-name ada --permissions-boundary arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess
	with "$ada" refused AccessDenied $aws s3 cp walked.txt s3://walked/k
	$aws iam delete-user-permissions-boundary --user-name ada
	with "$ada" $aws s3 cp --no-progress walked.txt s3://walked/k > /dev/null

	echo "== sts: a role, its external ID and a session policy"
	local role="arn:aws:iam::$account:role/reader" session
	$aws iam create-role --role-name reader --assume-role-policy-document '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
		"Principal": {"AWS": "arn:aws:iam::'"$account"':user/ada"}, "Action": "sts:AssumeRole", "Condition": {"StringEquals": {"sts:ExternalId": "ext-1"}}}]}' > /dev/null
	$aws iam put-role-policy --role-name reader --policy-name all --policy-document "$(statement Allow '"s3:*"' '*')"
	assume() { with "$ada" $aws sts assume-role --role-arn "$role" --role-session-name shift "$@"; }
	refused AccessDenied assume
	refused AccessDenied assume --external-id ext-2
	session=$(assume --external-id ext-1 --policy "$(statement Allow '"s3:GetObject"' 'arn:aws:s3:::walked/*')" \
		--query 'Credentials.[AccessKeyId,SecretAccessKey,SessionToken]' --output text | tr '\t' ' ')
	with "$session" ask "who it is" "arn:aws:sts::$account:assumed-role/reader/shift" Arn sts get-caller-identity
	with "$session" $aws s3 cp --no-progress s3://walked/k back.txt > /dev/null
	cmp walked.txt back.txt || fail "it came back changed"
	with "$session" refused AccessDenied $aws s3 cp walked.txt s3://walked/k2
	refused "Roles may not be assumed by root accounts" $aws sts assume-role --role-arn "$role" --role-session-name shift --external-id ext-1

	echo "== sts: a session of hers"
	session=$(with "$ada" $aws sts get-session-token --duration-seconds 900 --query 'Credentials.[AccessKeyId,SecretAccessKey,SessionToken]' --output text | tr '\t' ' ')
	with "$session" $aws s3 cp --no-progress walked.txt s3://walked/k3 > /dev/null
	refused AccessDenied with "$session" $aws sts get-session-token
	ask "whose key it is" "$account" Account sts get-access-key-info --access-key-id "${ada%% *}"

	echo "== the organisation says no"
	local other second
	other=$("$FARHOLD" realm account create second --dir "$DATA")
	second=$(sed -n 's/^Account \([0-9]*\),.*/\1/p' <<< "$other")
	other="$(sed -n 's/^export AWS_ACCESS_KEY_ID=//p' <<< "$other") $(sed -n 's/^export AWS_SECRET_ACCESS_KEY=//p' <<< "$other")"
	with "$other" ask "the second account" "arn:aws:iam::$second:root" Arn sts get-caller-identity
	with "$other" $aws s3 mb s3://second > /dev/null
	with "$other" $aws s3 cp --no-progress walked.txt s3://second/k > /dev/null
	statement Deny '"s3:PutObject"' '*' > scp.json
	"$FARHOLD" realm account attach-scp "$second" --name no-puts --policy scp.json --dir "$DATA" > /dev/null
	with "$other" refused AccessDenied $aws s3 cp walked.txt s3://second/k
	with "$other" $aws s3 cp --no-progress s3://second/k second.txt > /dev/null
	"$FARHOLD" realm account detach-scp "$second" --name no-puts --dir "$DATA" > /dev/null
	with "$other" $aws s3 cp --no-progress walked.txt s3://second/k > /dev/null
	with "$other" refused Forbidden $aws s3 cp s3://walked/k back.txt
}

walk_kms() {
	echo "== kms: keys and aliases"
	local key two
	key=$($aws kms create-key --description one --tags TagKey=team,TagValue=blue --query KeyMetadata.Arn --output text)
	two=$($aws kms create-key --query KeyMetadata.Arn --output text)
	$aws kms create-alias --alias-name alias/one --target-key-id "${key##*/}"
	refused AlreadyExistsException $aws kms create-alias --alias-name alias/one --target-key-id "${two##*/}"
	ask "by its alias" "$key Enabled one" 'KeyMetadata.[Arn,KeyState,Description]' kms describe-key --key-id alias/one
	ask "its tags" "team blue" 'Tags[].[TagKey,TagValue]' kms list-resource-tags --key-id "${key##*/}"
	refused NotFoundException $aws kms describe-key --key-id "${key##*/}" --region us-west-2

	echo "== kms: what it seals"
	printf 'attack at dawn' > plain
	crypt() { # FILE COMMAND…: what the command answers, decoded
		local file=$1
		shift
		$aws kms "$@" --output text | base64 -d > "$file"
	}
	crypt sealed encrypt --key-id alias/one --plaintext fileb://plain --encryption-context purpose=test --query CiphertextBlob
	$aws kms rotate-key-on-demand --key-id "${key##*/}" > /dev/null
	ask "rotated" ON_DEMAND 'Rotations[].RotationType' kms list-key-rotations --key-id "${key##*/}"
	$aws kms enable-key-rotation --key-id "${key##*/}"
	ask "rotates" True KeyRotationEnabled kms get-key-rotation-status --key-id "${key##*/}"
	crypt opened decrypt --ciphertext-blob fileb://sealed --encryption-context purpose=test --query Plaintext
	cmp plain opened || fail "decrypted to something else"
	refused InvalidCiphertextException $aws kms decrypt --ciphertext-blob fileb://sealed --encryption-context purpose=another
	crypt again re-encrypt --ciphertext-blob fileb://sealed --source-encryption-context purpose=test --destination-key-id "$two" --query CiphertextBlob
	ask "re-encrypted under" "$two" KeyId kms decrypt --ciphertext-blob fileb://again
	$aws kms generate-data-key --key-id alias/one --key-spec AES_256 --query '[Plaintext,CiphertextBlob]' --output text > data.key
	cut -f1 data.key | base64 -d > data.plain
	cut -f2 data.key | base64 -d > data.sealed
	same "bytes of a data key" "$(wc -c < data.plain)" 32
	crypt data.opened decrypt --ciphertext-blob fileb://data.sealed --query Plaintext
	cmp data.plain data.opened || fail "another data key"

	echo "== kms: a grant"
	$aws iam create-user --user-name kay > /dev/null
	local kay grant
	kay=$($aws iam create-access-key --user-name kay --query 'AccessKey.[AccessKeyId,SecretAccessKey]' --output text | tr '\t' ' ')
	with "$kay" refused AccessDeniedException $aws kms encrypt --key-id "$key" --plaintext fileb://plain
	grant=$($aws kms create-grant --key-id "$key" --grantee-principal "arn:aws:iam::$account:user/kay" --operations Encrypt --query GrantId --output text)
	with "$kay" ask "granted" "$key" KeyId kms encrypt --key-id "$key" --plaintext fileb://plain
	with "$kay" refused AccessDeniedException $aws kms decrypt --ciphertext-blob fileb://again
	ask "the grants" "$grant" 'Grants[].GrantId' kms list-grants --key-id "$key"
	$aws kms revoke-grant --key-id "$key" --grant-id "$grant"
	with "$kay" refused AccessDeniedException $aws kms encrypt --key-id "$key" --plaintext fileb://plain

	echo "== kms: states"
	$aws kms disable-key --key-id "$two"
	refused DisabledException $aws kms decrypt --ciphertext-blob fileb://again
	$aws kms enable-key --key-id "$two"
	ask "enabled" "$two" KeyId kms decrypt --ciphertext-blob fileb://again
	ask "scheduled" PendingDeletion KeyState kms schedule-key-deletion --key-id "$two" --pending-window-in-days 7
	refused KMSInvalidStateException $aws kms decrypt --ciphertext-blob fileb://again
	$aws kms cancel-key-deletion --key-id "$two" > /dev/null
	ask "cancelled" Disabled KeyMetadata.KeyState kms describe-key --key-id "$two"
	$aws kms delete-alias --alias-name alias/one
	refused NotFoundException $aws kms describe-key --key-id alias/one
}

account=$($aws sts get-caller-identity --query Account --output text)
walks=()
for walk in iam sts kms; do
	mkdir $walk
	(cd $walk && walk_$walk) & walks+=($!)
done
failed=0
for pid in "${walks[@]}"; do wait "$pid" || failed=1; done
[ $failed = 0 ] || fail "a walk failed"
echo "== done"
