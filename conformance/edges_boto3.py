"""What walk_boto3.py leaves out: every checksum, the transfer manager over
files, conditions, deletes and paginators in all their forms."""

import base64
import filecmp
import hashlib
import os
import sys

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.client import Config
from botocore.exceptions import ClientError

s3 = boto3.client("s3")


def same(got, want, what):
    assert got == want, f"{what}: {got!r}, want {want!r}"


def refused(what, want, call, **kwargs):
    """Checks code, status and message of an error."""
    try:
        call(**kwargs)
    except ClientError as e:
        got = (e.response["Error"]["Code"], e.response["ResponseMetadata"]["HTTPStatusCode"], e.response["Error"]["Message"])
        same(got[: len(want)], want, what)
        assert e.response["ResponseMetadata"].get("RequestId") and e.response["ResponseMetadata"].get("HostId"), f"{what}: no request ID"
        return e.response["Error"]
    raise AssertionError(f"{what}: it was not refused")


B = "edges"
s3.create_bucket(Bucket=B)
s3.put_bucket_versioning(Bucket=B, VersioningConfiguration={"Status": "Enabled"})

# Every checksum that this botocore can compute, the others given.
computed, given = [], []
for algorithm in s3.meta.service_model.shape_for("ChecksumAlgorithm").enum:
    try:
        put = s3.put_object(Bucket=B, Key=algorithm, Body=b"hello" * 50_000, ChecksumAlgorithm=algorithm)
    except ClientError as e:
        raise AssertionError(f"{algorithm}: {e}")
    except Exception as e:  # this botocore can't compute it
        given.append(f"{algorithm} ({type(e).__name__})")
        continue
    head = s3.head_object(Bucket=B, Key=algorithm, ChecksumMode="ENABLED")
    same((head["Checksum" + algorithm], head["ChecksumType"]), (put["Checksum" + algorithm], "FULL_OBJECT"), algorithm)
    same(s3.get_object(Bucket=B, Key=algorithm)["Body"].read(), b"hello" * 50_000, algorithm)
    attributes = s3.get_object_attributes(Bucket=B, Key=algorithm, ObjectAttributes=["Checksum", "ETag", "ObjectSize", "StorageClass"])
    same((attributes["Checksum"]["Checksum" + algorithm], attributes["ETag"], attributes["ObjectSize"], attributes["StorageClass"]),
         (head["Checksum" + algorithm], head["ETag"].strip('"'), 250_000, "STANDARD"), f"attributes with {algorithm}")
    computed.append(algorithm)
for name, digest in (("SHA512", hashlib.sha512), ("MD5", hashlib.md5)):
    if "Checksum" + name in s3.meta.service_model.shape_for("PutObjectRequest").members:
        value = base64.b64encode(digest(b"given").digest()).decode()
        s3.put_object(Bucket=B, Key="given", Body=b"given", **{"Checksum" + name: value})
        same(s3.head_object(Bucket=B, Key="given", ChecksumMode="ENABLED")["Checksum" + name], value, name)
refused("wrong Content-MD5", ("BadDigest", 400, "The Content-MD5 you specified did not match what we received."),
        s3.put_object, Bucket=B, Key="bad", Body=b"x", ContentMD5=base64.b64encode(hashlib.md5(b"y").digest()).decode())
refused("a Content-MD5 that is none", ("InvalidDigest", 400, "The Content-MD5 you specified was invalid."), s3.put_object, Bucket=B, Key="bad", Body=b"x", ContentMD5="nonsense")
refused("wrong CRC32", ("BadDigest", 400, "The CRC32 you specified did not match the calculated checksum."), s3.put_object, Bucket=B, Key="bad", Body=b"x", ChecksumCRC32="AAAAAA==")

# On one connection: an empty body, then one that isn't. Nothing stands between
# them: botocore forgets what it knows of the connection with any other request.
one = boto3.client("s3", config=Config(max_pool_connections=1, read_timeout=20))
for body in (b"", b"x", b"", b"y" * 100_000, b""):
    one.put_object(Bucket=B, Key="turns", Body=body)
same(one.head_object(Bucket=B, Key="turns")["ContentLength"], 0, "in turns")

# The transfer manager, over files, with and without checksums.
with open("big.bin", "wb") as f:
    for i in range(20):
        f.write(hashlib.sha512(str(i).encode()).digest() * (1 << 14))
config = TransferConfig(multipart_threshold=6 << 20, multipart_chunksize=6 << 20, max_concurrency=4)
for name, extra, kind in (("plain", {}, None), ("sha256", {"ChecksumAlgorithm": "SHA256"}, "COMPOSITE"), ("crc32", {"ChecksumAlgorithm": "CRC32"}, "COMPOSITE"),
                          ("meta", {"Metadata": {"a": "b"}, "Tagging": "x=y", "StorageClass": "STANDARD_IA", "CacheControl": "no-store"}, None)):
    key = f"big-{name}.bin"
    s3.upload_file("big.bin", B, key, Config=config, ExtraArgs=extra)
    head = s3.head_object(Bucket=B, Key=key, ChecksumMode="ENABLED")
    assert head["ETag"].endswith('-4"') and head["ContentLength"] == 20 << 20, head
    if kind:
        same(head["ChecksumType"], kind, f"type of the checksum of {key}")
    s3.download_file(B, key, "back.bin", Config=config)
    assert filecmp.cmp("big.bin", "back.bin", shallow=False), f"{key} came back changed"
same((head["Metadata"], head["StorageClass"], head["CacheControl"], head["TagCount"]), ({"a": "b"}, "STANDARD_IA", "no-store", 1), "what the transfer manager sent along")
attributes = s3.get_object_attributes(Bucket=B, Key="big-sha256.bin", ObjectAttributes=["ObjectParts", "Checksum"], MaxParts=3)
parts = attributes["ObjectParts"]
same((parts["TotalPartsCount"], parts["IsTruncated"], parts["NextPartNumberMarker"], [p["Size"] for p in parts["Parts"]]), (4, True, 3, [6 << 20] * 3), "parts")
s3.copy({"Bucket": B, "Key": "big-meta.bin"}, B, "copied.bin", Config=config)
s3.download_file(B, "copied.bin", "back.bin", Config=config)
assert filecmp.cmp("big.bin", "back.bin", shallow=False), "the copy differs"

# Conditional writes and deletes.
etag = s3.put_object(Bucket=B, Key="cond", Body=b"1", IfNoneMatch="*")["ETag"]
error = refused("If-None-Match", ("PreconditionFailed", 412, "At least one of the pre-conditions you specified did not hold"), s3.put_object, Bucket=B, Key="cond", Body=b"2", IfNoneMatch="*")
same(error.get("Condition"), "If-None-Match", "Condition of the error")
refused("If-Match of nothing", ("NoSuchKey", 404), s3.put_object, Bucket=B, Key="no-such", Body=b"2", IfMatch=etag)
refused("If-None-Match with an ETag", ("NotImplemented", 501, "A header you provided implies functionality that is not implemented"), s3.put_object, Bucket=B, Key="cond", Body=b"2", IfNoneMatch=etag)
refused("If-Match of a delete", ("PreconditionFailed", 412), s3.delete_object, Bucket=B, Key="cond", IfMatch='"0123456789abcdef0123456789abcdef"')
s3.delete_object(Bucket=B, Key="cond", IfMatch=etag)
upload = s3.create_multipart_upload(Bucket=B, Key="turns")["UploadId"]
part = s3.upload_part(Bucket=B, Key="turns", UploadId=upload, PartNumber=1, Body=b"part")
refused("complete, if it isn't there", ("PreconditionFailed", 412), s3.complete_multipart_upload, Bucket=B, Key="turns", UploadId=upload, IfNoneMatch="*",
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
s3.abort_multipart_upload(Bucket=B, Key="turns", UploadId=upload)

# Errors' texts and what they say beside.
same(refused("no key", ("NoSuchKey", 404, "The specified key does not exist."), s3.get_object, Bucket=B, Key="no-such")["Key"], "no-such", "Key of the error")
same(refused("no bucket", ("NoSuchBucket", 404, "The specified bucket does not exist"), s3.list_objects_v2, Bucket="no-such-bucket")["BucketName"], "no-such-bucket", "BucketName of the error")
refused("a range past the end", ("InvalidRange", 416, "The requested range is not satisfiable"), s3.get_object, Bucket=B, Key="given", Range="bytes=100-")
refused("a part that isn't", ("InvalidPartNumber", 416), s3.get_object, Bucket=B, Key="big-plain.bin", PartNumber=9)
refused("a class that isn't", ("InvalidStorageClass", 400, "The storage class you specified is not valid"), s3.put_object, Bucket=B, Key="x", Body=b"", StorageClass="PAPER")
refused("a location that isn't", ("InvalidLocationConstraint", 400, "The specified location-constraint is not valid"), s3.create_bucket, Bucket="edges-2", CreateBucketConfiguration={"LocationConstraint": "mars-north-1"})
refused("a location elsewhere", ("IllegalLocationConstraintException", 400), boto3.client("s3", region_name="us-west-2").create_bucket, Bucket="edges-2", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
refused("no upload", ("NoSuchUpload", 404, "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."), s3.list_parts, Bucket=B, Key="turns", UploadId=upload)
refused("somebody else's bucket", ("AccessDenied", 403), s3.get_object, Bucket=B, Key="given", ExpectedBucketOwner="123456789012")
refused("wrong secret", ("SignatureDoesNotMatch", 403), boto3.client("s3", aws_secret_access_key="x" * 40, aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"]).list_buckets)
refused("wrong key", ("InvalidAccessKeyId", 403, "The AWS Access Key Id you provided does not exist in our records."), boto3.client("s3", aws_secret_access_key="x" * 40, aws_access_key_id="AKIAIOSFODNN7EXAMPLE").list_buckets)
refused("metadata beyond 2 KiB", ("MetadataTooLarge", 400), s3.put_object, Bucket=B, Key="x", Body=b"", Metadata={"a": "x" * 2100})
refused("a long key", ("KeyTooLongError", 400, "Your key is too long"), s3.put_object, Bucket=B, Key="x" * 1025, Body=b"")

# Names that clients and servers trip over, over put, list, get, copy, delete.
names = ["a//b", "/lead", "trail/", "..", "a/../b", ".", "sp ace", "pl+us", "per%cent", "%2F", "ü/ö", "\U0001F600", "q?x=y", "h#ash", "amp&ersand", "quo\"te'", "<tag>", "back\\slash", "tab\t", "new\nline", "x" * 1024]
for name in names:
    s3.put_object(Bucket=B, Key="names/" + name if len(name) < 1000 else name, Body=name.encode())
keys = ["names/" + n if len(n) < 1000 else n for n in names]
found = [o["Key"] for prefix in ("names/", "x") for page in s3.get_paginator("list_objects").paginate(Bucket=B, Prefix=prefix, PaginationConfig={"PageSize": 4}) for o in page["Contents"]]
same(sorted(found), sorted(keys), "names listed")
for key, name in zip(keys, names):
    same(s3.get_object(Bucket=B, Key=key)["Body"].read(), name.encode(), repr(key))
    if len(key) < 1000:
        s3.copy_object(Bucket=B, Key="copies/" + key, CopySource={"Bucket": B, "Key": key})
same(len(s3.list_objects_v2(Bucket=B, Prefix="copies/")["Contents"]), len(keys) - 1, "copies")
prefixes = s3.list_objects_v2(Bucket=B, Prefix="names/", Delimiter="/")
same(sorted(p["Prefix"] for p in prefixes["CommonPrefixes"]), sorted({"names/" + n.split("/")[0] + "/" for n in names if "/" in n}), "prefixes")

# Versions: deleted in bulk, quietly and not, and markers removed.
gone = s3.delete_objects(Bucket=B, Delete={"Objects": [{"Key": "given"}, {"Key": "never-there"}, {"Key": "turns", "VersionId": "nonsense"}], "Quiet": False})
same(len(gone["Deleted"]), 2, "deleted")
assert all(d["DeleteMarker"] and len(d["DeleteMarkerVersionId"]) == 32 for d in gone["Deleted"]), gone
same([(e["Key"], e["Code"]) for e in gone["Errors"]], [("turns", "InvalidArgument")], "errors of a bulk delete")
same("Deleted" in s3.delete_objects(Bucket=B, Delete={"Objects": [{"Key": "turns"}], "Quiet": True}), False, "quietly")
error = refused("what a marker hides", ("404", 404), s3.head_object, Bucket=B, Key="given")
versions = markers = 0
pages = s3.get_paginator("list_object_versions").paginate(Bucket=B, PaginationConfig={"PageSize": 5})
doomed = []
for page in pages:
    versions, markers = versions + len(page.get("Versions", [])), markers + len(page.get("DeleteMarkers", []))
    doomed += [{"Key": v["Key"], "VersionId": v["VersionId"]} for v in page.get("Versions", []) + page.get("DeleteMarkers", [])]
same(markers, 4, "markers")
refused("a bucket with versions", ("BucketNotEmpty", 409, "The bucket you tried to delete is not empty. You must delete all versions in the bucket."), s3.delete_bucket, Bucket=B)
same("Errors" in s3.delete_objects(Bucket=B, Delete={"Objects": doomed, "Quiet": True}), False, "all deleted")
s3.delete_bucket(Bucket=B)
print(f"boto3 {boto3.__version__}: computed {computed}; could not compute {given}; {versions} versions and {markers} markers")
