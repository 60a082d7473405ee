"""A bucket is elsewhere, and each region is a process with an endpoint of its
own. botocore learns the region from the answer and signs for it, but goes on
to the endpoint that it was given: it ends with AWS's refusal, which names the
region. With the endpoint of that region everything works."""

import os

import boto3
from botocore.exceptions import ClientError

here = boto3.client("s3")
there = boto3.client("s3", region_name="us-west-2", endpoint_url=os.environ["WEST"])
there.put_object(Bucket="west", Key="elsewhere", Body=b"here")
assert there.get_object(Bucket="west", Key="elsewhere")["Body"].read() == b"here"
for call in (here.get_object, here.head_object):
    try:
        answer = call(Bucket="west", Key="elsewhere")
    except ClientError as e:
        metadata = e.response["ResponseMetadata"]
        assert metadata["HTTPHeaders"].get("x-amz-bucket-region") == "us-west-2", e.response
        assert metadata["HTTPStatusCode"] in (301, 400), e.response
        print("refused:", metadata["HTTPStatusCode"], e.response["Error"])
    else:
        print("followed:", answer["ContentLength"])
assert [b["Name"] for b in here.list_buckets()["Buckets"]] == ["west"]
