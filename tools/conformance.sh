#!/usr/bin/env bash
# Lets unmodified clients drive a realm.
#   optional   those that are on this machine; says which are not
#   required   all of them, or it fails
#   full       the same, and what takes long
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
GO=${GO:-go}
mode=${1:-optional}
# rclone and restic come from the distribution, where it is allowed to install.
if [ "$mode" != optional ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	for tool in rclone restic; do
		command -v $tool >/dev/null || apt-get install -y --no-install-recommends $tool ||
			{ apt-get update && apt-get install -y --no-install-recommends $tool; } || true
	done
fi
# Terraform's AWS provider comes from a folder, so that nothing is fetched.
if [ -z "${FARHOLD_TERRAFORM_MIRROR:-}" ]; then
	FARHOLD_TERRAFORM_MIRROR=$(find /opt /usr/local /usr/share "${HOME:-/root}" -maxdepth 4 -type d -path '*registry.terraform.io/hashicorp' 2>/dev/null | head -1)
	FARHOLD_TERRAFORM_MIRROR=${FARHOLD_TERRAFORM_MIRROR%/registry.terraform.io/hashicorp}
fi
export FARHOLD_TERRAFORM_MIRROR
missing=()
aws --version >/dev/null 2>&1 || missing+=("AWS CLI (https://aws.amazon.com/cli)")
python3 -c 'import boto3' >/dev/null 2>&1 || missing+=("boto3 (pip install boto3)")
rclone version >/dev/null 2>&1 || missing+=("rclone (apt-get install rclone)")
restic version >/dev/null 2>&1 || missing+=("restic (apt-get install restic)")
terraform version >/dev/null 2>&1 || missing+=("Terraform (https://developer.hashicorp.com/terraform)")
[ -n "$FARHOLD_TERRAFORM_MIRROR" ] || missing+=("a mirror of Terraform's AWS provider (FARHOLD_TERRAFORM_MIRROR)")
if [ "$mode" != optional ]; then
	if [ ${#missing[@]} -gt 0 ]; then
		printf 'make conformance needs %s\n' "${missing[@]}" >&2
		exit 1
	fi
	FARHOLD_CONFORMANCE=$mode exec "$GO" test -count=1 -timeout 60m -v ./conformance
fi
# make test has run ./conformance with whatever was there.
if [ ${#missing[@]} -gt 0 ]; then
	echo
	echo "Not run, because they are not on this machine:"
	printf '  %s\n' "${missing[@]}"
fi
