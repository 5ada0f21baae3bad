"""Buckets, their settings, and versions of objects, by boto3."""

import json
import uuid

import pytest
from botocore.exceptions import ClientError
from conftest import error_of


def without_metadata(answer):
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def test_a_bucket_lives_and_ends(s3, bucket):
    assert error_of(s3.create_bucket, Bucket=bucket) == ("BucketAlreadyOwnedByYou", 409)
    head = s3.head_bucket(Bucket=bucket)
    assert head["BucketRegion"] == "us-east-1"
    assert head["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"] == "us-east-1"
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None
    assert bucket in [b["Name"] for b in s3.list_buckets()["Buckets"]]
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    assert error_of(s3.delete_bucket, Bucket=bucket) == ("BucketNotEmpty", 409)
    s3.delete_object(Bucket=bucket, Key="k")
    s3.delete_bucket(Bucket=bucket)
    assert error_of(s3.delete_bucket, Bucket=bucket) == ("NoSuchBucket", 404)
    with pytest.raises(ClientError) as raised:
        s3.head_bucket(Bucket=bucket)
    assert raised.value.response["Error"] == {"Code": "404", "Message": "Not Found"}


def test_buckets_are_listed_in_pages(s3):
    prefix = f"page-{uuid.uuid4().hex[:8]}"
    names = [f"{prefix}-{i}" for i in range(5)]
    for name in names:
        s3.create_bucket(Bucket=name)
    pages = s3.get_paginator("list_buckets").paginate(
        Prefix=prefix, PaginationConfig={"PageSize": 2})
    assert [b["Name"] for page in pages for b in page["Buckets"]] == names


def test_a_location_is_kept(s3):
    name = f"far-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] == "eu-west-1"


@pytest.mark.parametrize("name", ["Upper-Case", "under_score", "192.168.1.1", "dots..dots"])
def test_bad_names_are_refused(s3, name):
    assert error_of(s3.create_bucket, Bucket=name) == ("InvalidBucketName", 400)


def test_the_expected_owner_must_be_right(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"", ExpectedBucketOwner="123456789012")
    wrong = {"Bucket": bucket, "ExpectedBucketOwner": "000000000000"}
    with pytest.raises(ClientError) as raised:
        s3.head_bucket(**wrong)
    assert raised.value.response["Error"] == {"Code": "403", "Message": "Forbidden"}
    assert error_of(s3.list_objects_v2, **wrong) == ("AccessDenied", 403)
    assert error_of(s3.get_object, Key="k", **wrong) == ("AccessDenied", 403)
    assert error_of(s3.put_object, Key="k", Body=b"", **wrong) == ("AccessDenied", 403)
    assert error_of(s3.delete_object, Key="k", **wrong) == ("AccessDenied", 403)


@pytest.mark.parametrize("operation,code", [
    ("get_bucket_policy", "NoSuchBucketPolicy"),
    ("get_bucket_cors", "NoSuchCORSConfiguration"),
    ("get_bucket_website", "NoSuchWebsiteConfiguration"),
    ("get_bucket_lifecycle_configuration", "NoSuchLifecycleConfiguration"),
    ("get_bucket_replication", "ReplicationConfigurationNotFoundError"),
    ("get_bucket_encryption", "ServerSideEncryptionConfigurationNotFoundError"),
    ("get_object_lock_configuration", "ObjectLockConfigurationNotFoundError"),
    ("get_bucket_tagging", "NoSuchTagSet"),
    ("get_public_access_block", "NoSuchPublicAccessBlockConfiguration"),
    ("get_bucket_ownership_controls", "OwnershipControlsNotFoundError"),
])
def test_a_missing_setting_has_its_code(s3, bucket, operation, code):
    assert error_of(getattr(s3, operation), Bucket=bucket) == (code, 404)
    assert error_of(getattr(s3, operation), Bucket="no-such-bucket") == ("NoSuchBucket", 404)


def test_settings_that_are_never_missing(s3, bucket):
    for operation in ("get_bucket_accelerate_configuration", "get_bucket_logging",
                      "get_bucket_versioning", "get_bucket_notification_configuration"):
        assert without_metadata(getattr(s3, operation)(Bucket=bucket)) == {}, operation
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    acl = s3.get_bucket_acl(Bucket=bucket)
    assert [g["Permission"] for g in acl["Grants"]] == ["FULL_CONTROL"]
    assert acl["Grants"][0]["Grantee"]["ID"] == acl["Owner"]["ID"]
    assert acl["Grants"][0]["Grantee"]["Type"] == "CanonicalUser"


CORS = {"CORSRules": [{"AllowedMethods": ["GET", "PUT"], "AllowedOrigins": ["*"],
                       "MaxAgeSeconds": 10}]}
LIFECYCLE = {"Rules": [
    {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 9}},
    {"ID": "parts", "Status": "Enabled", "Filter": {},
     "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}]}
ENCRYPTION = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
                         "BucketKeyEnabled": False}]}
BLOCK = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True,
         "RestrictPublicBuckets": True}
OWNERSHIP = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
LOGGING = {"LoggingEnabled": {"TargetBucket": "logs", "TargetPrefix": "p/"}}
NOTIFICATION = {"TopicConfigurations": [
    {"Id": "t", "TopicArn": "arn:aws:sns:us-east-1:123456789012:t", "Events": ["s3:ObjectCreated:*"]}]}
TAGS = {"TagSet": [{"Key": "stage", "Value": "dev"}]}


@pytest.mark.parametrize("put,member,document,get,wrapped,remove", [
    ("put_bucket_cors", "CORSConfiguration", CORS, "get_bucket_cors", False, "delete_bucket_cors"),
    ("put_bucket_lifecycle_configuration", "LifecycleConfiguration", LIFECYCLE,
     "get_bucket_lifecycle_configuration", False, "delete_bucket_lifecycle"),
    ("put_bucket_encryption", "ServerSideEncryptionConfiguration", ENCRYPTION,
     "get_bucket_encryption", True, "delete_bucket_encryption"),
    ("put_public_access_block", "PublicAccessBlockConfiguration", BLOCK,
     "get_public_access_block", True, "delete_public_access_block"),
    ("put_bucket_ownership_controls", "OwnershipControls", OWNERSHIP,
     "get_bucket_ownership_controls", True, "delete_bucket_ownership_controls"),
    ("put_bucket_logging", "BucketLoggingStatus", LOGGING, "get_bucket_logging", False, None),
    ("put_bucket_notification_configuration", "NotificationConfiguration", NOTIFICATION,
     "get_bucket_notification_configuration", False, None),
    ("put_bucket_tagging", "Tagging", TAGS, "get_bucket_tagging", False, "delete_bucket_tagging"),
])
def test_a_setting_comes_back(s3, bucket, put, member, document, get, wrapped, remove):
    getattr(s3, put)(Bucket=bucket, **{member: document})

    got = without_metadata(getattr(s3, get)(Bucket=bucket))
    got.pop("TransitionDefaultMinimumObjectSize", None)
    assert (got[member] if wrapped else got) == document
    if remove:
        getattr(s3, remove)(Bucket=bucket)
        with pytest.raises(ClientError):
            getattr(s3, get)(Bucket=bucket)


def test_a_policy_comes_back(s3, bucket):
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == policy
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is False
    s3.delete_bucket_policy(Bucket=bucket)
    assert error_of(s3.get_bucket_policy, Bucket=bucket) == ("NoSuchBucketPolicy", 404)
    assert error_of(s3.put_bucket_policy, Bucket=bucket, Policy="no") == ("MalformedPolicy", 400)


def test_access_lists_need_their_ownership_setting(s3, bucket):
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    assert error_of(s3.put_bucket_acl, Bucket=bucket, ACL="public-read") == (
        "AccessControlListNotSupported", 400)
    assert error_of(s3.put_object, Bucket=bucket, Key="k", Body=b"", ACL="public-read") == (
        "AccessControlListNotSupported", 400)
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=OWNERSHIP)
    s3.put_bucket_acl(Bucket=bucket, ACL="log-delivery-write")
    grants = s3.get_bucket_acl(Bucket=bucket)["Grants"]
    assert [g["Permission"] for g in grants] == ["FULL_CONTROL", "WRITE", "READ_ACP"]
    assert grants[1]["Grantee"]["URI"].endswith("/s3/LogDelivery")
    s3.put_object(Bucket=bucket, Key="k", Body=b"", ACL="bucket-owner-full-control")
    assert len(s3.get_object_acl(Bucket=bucket, Key="k")["Grants"]) == 1


def test_versions(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"zero")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    one = s3.put_object(Bucket=bucket, Key="k", Body=b"one" * 5000)["VersionId"]
    two = s3.put_object(Bucket=bucket, Key="k", Body=b"two")["VersionId"]

    def read(**version):
        return s3.get_object(Bucket=bucket, Key="k", **version)["Body"].read()

    assert (read(), read(VersionId=one), read(VersionId="null")) == (
        b"two", b"one" * 5000, b"zero")
    gone = s3.delete_object(Bucket=bucket, Key="k")
    assert gone["DeleteMarker"] is True
    assert error_of(s3.get_object, Bucket=bucket, Key="k") == ("NoSuchKey", 404)
    assert error_of(s3.get_object, Bucket=bucket, Key="k", VersionId=gone["VersionId"]) == (
        "MethodNotAllowed", 405)
    assert error_of(s3.get_object, Bucket=bucket, Key="k", VersionId="nothing") == (
        "NoSuchVersion", 404)
    listed = s3.list_object_versions(Bucket=bucket)
    assert [v["VersionId"] for v in listed["Versions"]] == [two, one, "null"]
    assert [m["IsLatest"] for m in listed["DeleteMarkers"]] == [True]
    pages = s3.get_paginator("list_object_versions").paginate(
        Bucket=bucket, PaginationConfig={"PageSize": 1})
    assert [v["VersionId"] for p in pages for v in p.get("Versions", [])] == [two, one, "null"]
    assert error_of(s3.delete_bucket, Bucket=bucket) == ("BucketNotEmpty", 409)

    s3.delete_object(Bucket=bucket, Key="k", VersionId=gone["VersionId"])
    assert read() == b"two"
    s3.copy_object(Bucket=bucket, Key="k",
                   CopySource={"Bucket": bucket, "Key": "k", "VersionId": one})
    assert read() == b"one" * 5000


def test_emptying_a_bucket_with_versions(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for key in ("a", "b"):
        for _ in range(3):
            s3.put_object(Bucket=bucket, Key=key, Body=b"")
        s3.delete_object(Bucket=bucket, Key=key)
    while True:
        page = s3.list_object_versions(Bucket=bucket, MaxKeys=3)
        found = page.get("Versions", []) + page.get("DeleteMarkers", [])
        if not found:
            break
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [
            {"Key": v["Key"], "VersionId": v["VersionId"]} for v in found]})
    s3.delete_bucket(Bucket=bucket)


def test_what_is_not_there_says_so(s3, bucket):
    assert error_of(s3.put_bucket_website, Bucket=bucket, WebsiteConfiguration={
        "IndexDocument": {"Suffix": "i"}}) == ("NotImplemented", 501)
    assert error_of(s3.create_bucket, Bucket=f"x-{uuid.uuid4().hex}",
                    ObjectLockEnabledForBucket=True) == ("NotImplemented", 501)
