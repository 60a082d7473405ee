"""Drives a realm with boto3 as people use it: defaults, resources, presigned
URLs and forms (which boto3 signs with Signature Version 2), waiters,
paginators, the transfer manager."""

import hashlib
import io
import json
import os
import time
import urllib.error
import urllib.request
import ssl

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.client import Config
from botocore.exceptions import ClientError

account = boto3.client("sts").get_caller_identity()["Account"]
east = boto3.client("s3")
west = boto3.client("s3", region_name="us-west-2")
context = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE"))


def code(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except ClientError as e:
        return e.response["Error"]["Code"]
    return None


def same(got, want, what):
    assert got == want, f"{what}: {got!r}, want {want!r}"


def eventually(check, what):
    end = time.time() + 30
    while time.time() < end:
        if check():
            return
        time.sleep(0.05)
    raise AssertionError(f"it did not happen that {what}")


east.create_bucket(Bucket="source")
west.create_bucket(Bucket="copy", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
west.get_waiter("bucket_exists").wait(Bucket="copy")
same(east.get_bucket_location(Bucket="source")["LocationConstraint"], None, "location of source")
same(west.get_bucket_location(Bucket="copy")["LocationConstraint"], "us-west-2", "location of copy")
for client, bucket in ((east, "source"), (west, "copy")):
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
same(code(east.create_bucket, Bucket="copy"), "BucketAlreadyOwnedByYou", "a name of another region")
same(code(east.head_bucket, Bucket="nowhere"), "404", "no bucket")
iam = boto3.client("iam")
iam.create_role(RoleName="replication", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}]}))
iam.put_role_policy(RoleName="replication", PolicyName="everything", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}))
rule = {
    "Role": f"arn:aws:iam::{account}:role/replication",
    "Rules": [{
        "ID": "tagged", "Status": "Enabled", "Priority": 1,
        "Filter": {"And": {"Prefix": "in/", "Tags": [{"Key": "ship", "Value": "yes"}]}},
        "DeleteMarkerReplication": {"Status": "Disabled"},
        "Destination": {"Bucket": "arn:aws:s3:::copy"},
    }],
}
east.put_bucket_replication(Bucket="source", ReplicationConfiguration=rule)
same(east.get_bucket_replication(Bucket="source")["ReplicationConfiguration"], rule, "the rule")

# Replication by tag and prefix.
east.put_object(Bucket="source", Key="in/yes", Body=b"goes", Tagging="ship=yes", Metadata={"who": "me"})
east.put_object(Bucket="source", Key="in/no", Body=b"stays")
east.put_object(Bucket="source", Key="out/yes", Body=b"stays", Tagging="ship=yes")
eventually(lambda: east.head_object(Bucket="source", Key="in/yes").get("ReplicationStatus") == "COMPLETED", "in/yes is replicated")
got = west.get_object(Bucket="copy", Key="in/yes")
same((got["Body"].read(), got["ReplicationStatus"], got["Metadata"]), (b"goes", "REPLICA", {"who": "me"}), "the replica")
for key in ("in/no", "out/yes"):
    assert "ReplicationStatus" not in east.head_object(Bucket="source", Key=key), key
    same(code(west.head_object, Bucket="copy", Key=key), "404", key)
# Through the wrong region: botocore follows the redirect.
same(east.get_object(Bucket="copy", Key="in/yes")["Body"].read(), b"goes", "redirected")

# The transfer manager, in parts.
body = hashlib.sha256(b"seed").digest() * (1 << 19)  # 16 MiB
config = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
east.upload_fileobj(io.BytesIO(body), "source", "big", Config=config, ExtraArgs={"ContentType": "x/y"})
back = io.BytesIO()
east.download_fileobj("source", "big", back, Config=config)
assert back.getvalue() == body, "the big object came back changed"
same(east.head_object(Bucket="source", Key="big")["ContentType"], "x/y", "content type")
east.copy({"Bucket": "source", "Key": "big"}, "source", "big-copy", Config=config)
same(east.head_object(Bucket="source", Key="big-copy")["ContentLength"], len(body), "length of the copy")
same(east.get_object(Bucket="source", Key="big", Range="bytes=5242870-5242890")["Body"].read(), body[5242870:5242891], "a range over two parts")

# Every checksum that this botocore knows.
for algorithm in ("CRC32", "SHA1", "SHA256"):
    put = east.put_object(Bucket="source", Key="sum", Body=b"hello", ChecksumAlgorithm=algorithm)
    head = east.head_object(Bucket="source", Key="sum", ChecksumMode="ENABLED")
    same(head["Checksum" + algorithm], put["Checksum" + algorithm], algorithm)
same(code(east.put_object, Bucket="source", Key="sum", Body=b"hello", ChecksumSHA256="47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="), "BadDigest", "a wrong checksum")

# Conditions.
etag = east.head_object(Bucket="source", Key="sum")["ETag"]
same(code(east.put_object, Bucket="source", Key="sum", Body=b"x", IfNoneMatch="*"), "PreconditionFailed", "If-None-Match")
same(code(east.get_object, Bucket="source", Key="sum", IfNoneMatch=etag), "304", "If-None-Match of a read")
east.put_object(Bucket="source", Key="sum", Body=b"again", IfMatch=etag)


def fetch(request):
    try:
        with urllib.request.urlopen(request, context=context if request.full_url.startswith("https") else None) as r:
            return r.status, r.read()
    except urllib.error.HTTPError as e:
        return e.code, e.read()


# Presigned URLs: boto3's default, and Signature Version 4.
for name, client in (("default", east), ("s3v4", boto3.client("s3", config=Config(signature_version="s3v4")))):
    url = client.generate_presigned_url("put_object", Params={"Bucket": "source", "Key": "signed-" + name}, ExpiresIn=60)
    same(fetch(urllib.request.Request(url, data=b"by url", method="PUT", headers={"Content-Type": ""}))[0], 200, f"PUT by {name} URL")
    url = client.generate_presigned_url("get_object", Params={"Bucket": "source", "Key": "signed-" + name, "ResponseContentType": "a/b"})
    same(fetch(urllib.request.Request(url)), (200, b"by url"), f"GET by {name} URL")
    same(fetch(urllib.request.Request(url.replace("signed-", "signet-")))[0], 403, f"GET by another {name} URL")
    # A browser's form.
    post = client.generate_presigned_post("source", "form-" + name, Fields={"acl": "bucket-owner-full-control"}, Conditions=[{"acl": "bucket-owner-full-control"}, ["content-length-range", 1, 100]])
    line = "----farhold"
    form = "".join(f'--{line}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in post["fields"].items())
    form += f'--{line}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\nContent-Type: text/plain\r\n\r\nby form\r\n--{line}--\r\n'
    status, answer = fetch(urllib.request.Request(post["url"], data=form.encode(), headers={"Content-Type": "multipart/form-data; boundary=" + line}))
    same(status, 204, f"{name} form: {answer}")
    same(east.get_object(Bucket="source", Key="form-" + name)["Body"].read(), b"by form", f"object of the {name} form")

# Listing, deleting many, versions.
keys = [f"list/{i:03d}" for i in range(60)] + ["list/ü &+%\n"]
for key in keys:
    east.put_object(Bucket="source", Key=key, Body=b"")
found = [o["Key"] for page in east.get_paginator("list_objects_v2").paginate(Bucket="source", Prefix="list/", PaginationConfig={"PageSize": 7}) for o in page["Contents"]]
same(found, sorted(keys), "the listing")
gone = east.delete_objects(Bucket="source", Delete={"Objects": [{"Key": k} for k in keys]})
same(len(gone["Deleted"]), len(keys), "deleted")
same(east.list_objects_v2(Bucket="source", Prefix="list/")["KeyCount"], 0, "left")
for client, bucket in ((east, "source"), (west, "copy")):
    boto3.resource("s3", region_name=client.meta.region_name).Bucket(bucket).object_versions.delete()
    client.delete_bucket(Bucket=bucket)
same([b["Name"] for b in east.list_buckets()["Buckets"]], [], "buckets left")
print(json.dumps({"boto3": boto3.__version__, "ok": True}))
