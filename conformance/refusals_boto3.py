"""Replication that is refused and comes through once it may, with boto3: a
denied role, a disabled key of the destination, and a destination that belongs
to another account, whose root user's credentials are in OTHER_ID and
OTHER_SECRET."""

import json
import os
import time

import boto3
from botocore.exceptions import ClientError

EAST, WEST, EU = "us-east-1", "us-west-2", "eu-west-1"
account = boto3.client("sts").get_caller_identity()["Account"]
iam = boto3.client("iam")
east, west = boto3.client("s3", region_name=EAST), boto3.client("s3", region_name=WEST)
east_keys, west_keys = boto3.client("kms", region_name=EAST), boto3.client("kms", region_name=WEST)
other = boto3.Session(aws_access_key_id=os.environ["OTHER_ID"], aws_secret_access_key=os.environ["OTHER_SECRET"])
eu = other.client("s3", region_name=EU)
stranger = other.client("sts").get_caller_identity()["Account"]


def same(got, want, what):
    assert got == want, f"{what}: {got!r}, want {want!r}"


def code(call, **kwargs):
    try:
        call(**kwargs)
    except ClientError as e:
        return e.response["Error"]["Code"]
    return None


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def status(key, bucket="source"):
    """The status of the source, and the reason of a failure."""
    head = east.head_object(Bucket=bucket, Key=key)
    return head.get("ReplicationStatus"), head["ResponseMetadata"]["HTTPHeaders"].get("x-farhold-replication-reason")


def await_status(key, want, bucket="source"):
    got, end = None, time.time() + 60
    while time.time() < end:
        got = status(key, bucket)
        if got == want:
            return
        time.sleep(0.05)
    raise AssertionError(f"{key}: {got!r}, want {want!r}")


def create(client, bucket, region, **more):
    if region != EAST:
        more["CreateBucketConfiguration"] = {"LocationConstraint": region}
    client.create_bucket(Bucket=bucket, **more)
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


def gone(client, bucket, key):
    same(code(client.head_object, Bucket=bucket, Key=key), "404", f"{key} in {bucket}")


key = east_keys.create_key()["KeyMetadata"]["Arn"]
copy_key = west_keys.create_key()["KeyMetadata"]["Arn"]
create(east, "source", EAST)
create(west, "copy", WEST)
create(east, "given", EAST)
create(eu, "theirs", EU)
same(code(boto3.client("s3", region_name=EU).list_objects_v2, Bucket="theirs"), "AccessDenied", "another account's bucket")

role = iam.create_role(RoleName="replication", AssumeRolePolicyDocument=document(
    {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}))["Role"]["Arn"]
RULES = {"Effect": "Allow", "Action": ["s3:GetReplicationConfiguration", "s3:ListBucket"], "Resource": ["arn:aws:s3:::source", "arn:aws:s3:::given"]}
FROM = {"Effect": "Allow", "Action": ["s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"],
        "Resource": ["arn:aws:s3:::source/*", "arn:aws:s3:::given/*"]}
KEYS = {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": [key, copy_key]}
TO = {"Effect": "Allow", "Action": ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags", "s3:ObjectOwnerOverrideToBucketOwner"],
      "Resource": ["arn:aws:s3:::copy/*", "arn:aws:s3:::theirs/*"]}


def permit(*statements):
    iam.put_role_policy(RoleName="replication", PolicyName="replicates", PolicyDocument=document(RULES, *statements))


def rule(bucket, destination, **more):
    east.put_bucket_replication(Bucket=bucket, ReplicationConfiguration={"Role": role, "Rules": [{
        "ID": "all", "Status": "Enabled", "Priority": 1, "Filter": {"Prefix": ""}, "DeleteMarkerReplication": {"Status": "Disabled"},
        "Destination": destination, **more}]})


def put(name, bucket="source", **more):
    more = more or {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key, "BucketKeyEnabled": True}
    return east.put_object(Bucket=bucket, Key=name, Body=name.encode(), Metadata={"of": name}, Tagging="of=" + name, **more)["VersionId"]


def arrived(client, bucket, name, version, **want):
    got = client.get_object(Bucket=bucket, Key=name)
    same((got["Body"].read(), got["VersionId"], got["ReplicationStatus"], got["Metadata"]), (name.encode(), version, "REPLICA", {"of": name}), name)
    same({k: got.get(k) for k in want}, want, name)
    same(client.get_object_tagging(Bucket=bucket, Key=name)["TagSet"], [{"Key": "of", "Value": name}], "tags of " + name)


permit(FROM, KEYS, TO)
rule("source", {"Bucket": "arn:aws:s3:::copy", "EncryptionConfiguration": {"ReplicaKmsKeyID": copy_key}},
     SourceSelectionCriteria={"SseKmsEncryptedObjects": {"Status": "Enabled"}})
sealed = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": copy_key, "BucketKeyEnabled": True}


def refused(name, reason, spoil, mend):
    """Spoils it, sees FAILED with the reason, mends it, sees the replica."""
    spoil()
    version = put(name)
    await_status(name, ("FAILED", reason))
    gone(west, "copy", name)
    mend()
    await_status(name, ("COMPLETED", None))
    arrived(west, "copy", name, version, **sealed)


# A role that may not read, may not write, may not use the keys, and one that S3
# may not assume.
whole = lambda: permit(FROM, KEYS, TO)
trust = lambda service: iam.update_assume_role_policy(RoleName="replication", PolicyDocument=document(
    {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}))
refused("unread", "SrcGetObjectNotPermitted", lambda: permit(KEYS, TO), whole)
refused("unwritten", "DstPutObjectNotPermitted", lambda: permit(FROM, KEYS), whole)
refused("unassumed", "AssumeRoleNotPermitted", lambda: trust("ec2.amazonaws.com"), lambda: trust("s3.amazonaws.com"))
# A key of the destination that is disabled.
refused("disabled", "DstKmsKeyInvalidState", lambda: west_keys.disable_key(KeyId=copy_key), lambda: west_keys.enable_key(KeyId=copy_key))

# The other account's bucket: the role's own policy is not enough.
plain = {"ServerSideEncryption": "AES256"}
destination = {"Bucket": "arn:aws:s3:::theirs", "Account": stranger}
rule("given", destination)
version = put("foreign", "given", **plain)
await_status("foreign", ("FAILED", "DstPutObjectNotPermitted"), "given")
gone(eu, "theirs", "foreign")
let = lambda *actions: eu.put_bucket_policy(Bucket="theirs", Policy=document(
    {"Sid": "replicas", "Effect": "Allow", "Principal": {"AWS": role}, "Action": actions, "Resource": "arn:aws:s3:::theirs/*"}))
let("s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags")
await_status("foreign", ("COMPLETED", None), "given")
arrived(eu, "theirs", "foreign", version, ServerSideEncryption="AES256")

# Ownership: its bucket owns what arrives there, which the override asks for.
eu.put_bucket_ownership_controls(Bucket="theirs", OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
mine, theirs = east.get_bucket_acl(Bucket="given")["Owner"]["ID"], eu.get_bucket_acl(Bucket="theirs")["Owner"]["ID"]
assert mine != theirs, mine
version = put("kept", "given", **plain)
await_status("kept", ("COMPLETED", None), "given")
owner = lambda name: eu.list_objects_v2(Bucket="theirs", Prefix=name, FetchOwner=True)["Contents"][0]["Owner"]["ID"]
same(owner("kept"), mine, "the owner without the override")
rule("given", {**destination, "AccessControlTranslation": {"Owner": "Destination"}})
version = put("override", "given", **plain)
await_status("override", ("FAILED", "DstPutObjectNotPermitted"), "given")
gone(eu, "theirs", "override")
let("s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags", "s3:ObjectOwnerOverrideToBucketOwner")
await_status("override", ("COMPLETED", None), "given")
same(owner("override"), theirs, "the owner with the override")
arrived(eu, "theirs", "override", version, ServerSideEncryption="AES256")
print(json.dumps({"boto3": boto3.__version__, "ok": True}))
