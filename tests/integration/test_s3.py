"""Objects over S3 by boto3 and the AWS CLI."""

import hashlib
import io
import os
import zlib
from base64 import b64encode

import pytest
from botocore.exceptions import ClientError
from conftest import error_of


def crc32(data):
    return b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


@pytest.mark.parametrize("size", [0, 1, 4096, 4097, 1 << 20, (1 << 20) + 1, 5 << 20])
def test_what_is_put_comes_back(s3, bucket, size):
    data = os.urandom(size)

    put = s3.put_object(Bucket=bucket, Key="k", Body=data)
    got = s3.get_object(Bucket=bucket, Key="k")

    assert got["Body"].read() == data
    assert got["ContentLength"] == size
    assert put["ETag"] == got["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
    assert put["ChecksumCRC32"] == got["ChecksumCRC32"] == crc32(data)
    assert got["ContentType"] == "binary/octet-stream"
    head = s3.head_object(Bucket=bucket, Key="k")
    assert head["ContentLength"] == size
    assert head["ETag"] == put["ETag"]
    assert "ChecksumCRC32" not in head


def test_headers_and_metadata_come_back(s3, bucket):
    sent = {
        "ContentType": "text/csv; charset=utf-8",
        "ContentEncoding": "gzip",
        "ContentLanguage": "de",
        "ContentDisposition": 'attachment; filename="a b.csv"',
        "CacheControl": "no-cache",
        "Metadata": {"model-version": "1.2.3", "x": "with spaces"},
    }
    s3.put_object(Bucket=bucket, Key="k", Body=b"a", StorageClass="STANDARD_IA",
                  Expires="Wed, 21 Oct 2037 07:28:00 GMT", Tagging="a=1&b=2", **sent)

    for answer in (s3.head_object(Bucket=bucket, Key="k"), s3.get_object(Bucket=bucket, Key="k")):
        assert {name: answer[name] for name in sent} == sent
        assert answer["StorageClass"] == "STANDARD_IA"
        assert answer["TagCount"] == 2
        assert answer["ExpiresString"] == "Wed, 21 Oct 2037 07:28:00 GMT"
    changed = s3.get_object(Bucket=bucket, Key="k", ResponseContentType="text/plain",
                            ResponseCacheControl="max-age=1", ResponseContentDisposition="inline")
    assert changed["ContentType"] == "text/plain"
    assert changed["CacheControl"] == "max-age=1"
    assert changed["ContentDisposition"] == "inline"


@pytest.mark.parametrize("key", [
    "../../etc/passwd", "a//b", "/lead", "trail/", "a b+c", "ü/ß", "100%", "a?b=c&d#e", "..", ".",
    "a/./b", "'\"<>&", "x" * 1024, "tab\tnew\nline", "~-_.!*()",
])
def test_any_text_is_a_key(s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())

    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    assert [o["Key"] for o in s3.list_objects(Bucket=bucket)["Contents"]] == [key]
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": key})
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}, {"Key": "copy"}]})
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize("size", [26, 26 << 10])
def test_ranges(s3, bucket, size):
    data = os.urandom(size)
    s3.put_object(Bucket=bucket, Key="k", Body=data)

    def get(header):
        answer = s3.get_object(Bucket=bucket, Key="k", Range=header)
        status = answer["ResponseMetadata"]["HTTPStatusCode"]
        return status, answer.get("ContentRange"), answer["Body"].read()

    assert get("bytes=0-3") == (206, f"bytes 0-3/{size}", data[:4])
    assert get("bytes=20-") == (206, f"bytes 20-{size - 1}/{size}", data[20:])
    assert get("bytes=-5") == (206, f"bytes {size - 5}-{size - 1}/{size}", data[-5:])
    assert get(f"bytes=5-{size * 2}") == (206, f"bytes 5-{size - 1}/{size}", data[5:])
    assert get("bytes=0-1,4-5") == (200, None, data)
    assert error_of(s3.get_object, Bucket=bucket, Key="k", Range=f"bytes={size}-") == (
        "InvalidRange", 416)
    head = s3.head_object(Bucket=bucket, Key="k", Range="bytes=0-3")
    assert head["ContentLength"] == 4


def test_conditional_reads(s3, bucket):
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"a")
    modified = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    name = {"Bucket": bucket, "Key": "k"}

    s3.get_object(**name, IfMatch=put["ETag"])
    assert error_of(s3.get_object, **name, IfMatch='"0"') == ("PreconditionFailed", 412)
    assert error_of(s3.get_object, **name, IfNoneMatch=put["ETag"]) == ("304", 304)
    assert error_of(s3.head_object, **name, IfNoneMatch=put["ETag"]) == ("304", 304)
    assert error_of(s3.head_object, **name, IfMatch='"0"') == ("412", 412)
    assert error_of(s3.get_object, **name, IfModifiedSince=modified) == ("304", 304)
    s3.get_object(**name, IfUnmodifiedSince=modified)
    # The connection is still good after answers without a body.
    assert s3.get_object(**name)["Body"].read() == b"a"


def test_conditional_writes(s3, bucket):
    name = {"Bucket": bucket, "Key": "k"}
    put = s3.put_object(**name, Body=b"one", IfNoneMatch="*")
    assert error_of(s3.put_object, **name, Body=b"two", IfNoneMatch="*") == (
        "PreconditionFailed", 412)
    assert error_of(s3.put_object, **name, Body=b"two", IfMatch='"0"') == (
        "PreconditionFailed", 412)
    assert error_of(s3.put_object, Bucket=bucket, Key="none", Body=b"x", IfMatch='"0"') == (
        "NoSuchKey", 404)
    s3.put_object(**name, Body=b"two", IfMatch=put["ETag"])
    assert s3.get_object(**name)["Body"].read() == b"two"
    assert error_of(s3.delete_object, **name, IfMatch=put["ETag"]) == ("PreconditionFailed", 412)


@pytest.mark.parametrize("algorithm,member", [
    ("CRC32", "ChecksumCRC32"), ("CRC32C", "ChecksumCRC32C"), ("SHA1", "ChecksumSHA1"),
    ("SHA256", "ChecksumSHA256"), ("CRC64NVME", "ChecksumCRC64NVME"),
])
def test_checksums_are_kept(s3, bucket, algorithm, member):
    if algorithm in ("CRC32C", "CRC64NVME"):
        pytest.importorskip("awscrt")
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"content", ChecksumAlgorithm=algorithm)

    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert head[member] == put[member]
    assert head["ChecksumType"] == "FULL_OBJECT"
    item = s3.list_objects_v2(Bucket=bucket)["Contents"][0]
    assert item["ChecksumAlgorithm"] == [algorithm]
    attributes = s3.get_object_attributes(
        Bucket=bucket, Key="k",
        ObjectAttributes=["ETag", "Checksum", "ObjectSize", "StorageClass", "ObjectParts"])
    assert attributes["Checksum"][member] == put[member]
    assert attributes["ObjectSize"] == 7
    assert attributes["ETag"] == put["ETag"].strip('"')
    assert attributes["StorageClass"] == "STANDARD"


def test_a_wrong_checksum_is_refused(s3, bucket):
    code = error_of(s3.put_object, Bucket=bucket, Key="k", Body=b"a",
                    ChecksumCRC32=crc32(b"something else"))
    assert code == ("BadDigest", 400)
    code = error_of(s3.put_object, Bucket=bucket, Key="k", Body=b"a",
                    ContentMD5=b64encode(hashlib.md5(b"b").digest()).decode())
    assert code == ("BadDigest", 400)
    assert error_of(s3.head_object, Bucket=bucket, Key="k") == ("404", 404)


def test_listing_with_a_delimiter_and_pages(s3, bucket):
    keys = [f"top{i}" for i in range(3)] + [f"folder{i}/{j}" for i in range(4) for j in range(5)]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    expected = ([f"top{i}" for i in range(3)], [f"folder{i}/" for i in range(4)])

    for operation in ("list_objects", "list_objects_v2"):
        for size in (1, 2, 3, 1000):
            pages = s3.get_paginator(operation).paginate(
                Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": size})
            contents, prefixes = [], []
            for page in pages:
                contents += [o["Key"] for o in page.get("Contents", [])]
                prefixes += [p["Prefix"] for p in page.get("CommonPrefixes", [])]
            assert (contents, prefixes) == expected, (operation, size)
        pages = s3.get_paginator(operation).paginate(
            Bucket=bucket, Prefix="folder1/", PaginationConfig={"PageSize": 2})
        assert [o["Key"] for p in pages for o in p["Contents"]] == [f"folder1/{j}" for j in range(5)]

    first = s3.list_objects_v2(Bucket=bucket, MaxKeys=2, FetchOwner=True)
    assert first["KeyCount"] == 2 and first["IsTruncated"]
    assert len(first["Contents"][0]["Owner"]["ID"]) == 64
    assert s3.list_objects_v2(Bucket=bucket, MaxKeys=0)["KeyCount"] == 0
    assert s3.list_objects_v2(Bucket=bucket, StartAfter="top0")["KeyCount"] == 2
    assert error_of(s3.list_objects_v2, Bucket=bucket, ContinuationToken="?") == (
        "InvalidArgument", 400)


def test_copies(s3, bucket):
    source = {"Bucket": bucket, "Key": "dir/a b+c"}
    for size in (10, 100_000):
        data = os.urandom(size)
        put = s3.put_object(**source, Body=data, ContentType="text/x", Metadata={"m": "1"},
                            Tagging="t=1")

        copied = s3.copy_object(Bucket=bucket, Key="copy", CopySource=source)
        assert copied["CopyObjectResult"]["ETag"] == put["ETag"]
        got = s3.get_object(Bucket=bucket, Key="copy")
        assert got["Body"].read() == data
        assert (got["ContentType"], got["Metadata"], got["TagCount"]) == ("text/x", {"m": "1"}, 1)

        s3.copy_object(Bucket=bucket, Key="copy", CopySource=source, MetadataDirective="REPLACE",
                       Metadata={"n": "2"}, ContentType="text/y", TaggingDirective="REPLACE",
                       Tagging="u=2")
        got = s3.get_object(Bucket=bucket, Key="copy")
        assert (got["ContentType"], got["Metadata"]) == ("text/y", {"n": "2"})
        assert s3.get_object_tagging(Bucket=bucket, Key="copy")["TagSet"] == [
            {"Key": "u", "Value": "2"}]
        s3.delete_object(**source)
        assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == data
        s3.put_object(**source, Body=data)

    assert error_of(s3.copy_object, **source, CopySource=source) == ("InvalidRequest", 400)
    s3.copy_object(**source, CopySource=source, MetadataDirective="REPLACE", Metadata={"z": "3"})
    assert s3.head_object(**source)["Metadata"] == {"z": "3"}
    assert error_of(s3.copy_object, Bucket=bucket, Key="c", CopySource=f"{bucket}/none") == (
        "NoSuchKey", 404)
    assert error_of(s3.copy_object, Bucket=bucket, Key="c", CopySource=source,
                    CopySourceIfMatch='"0"') == ("PreconditionFailed", 412)


def test_deletes(s3, bucket):
    for i in range(1000):
        s3.put_object(Bucket=bucket, Key=f"{i}", Body=b"")
    s3.put_object(Bucket=bucket, Key="last", Body=b"x" * 10_000)
    assert s3.delete_object(Bucket=bucket, Key="none")["ResponseMetadata"]["HTTPStatusCode"] == 204

    answer = s3.delete_objects(
        Bucket=bucket, Delete={"Objects": [{"Key": f"{i}"} for i in range(1000)]})
    assert len(answer["Deleted"]) == 1000 and "Errors" not in answer
    answer = s3.delete_objects(
        Bucket=bucket, Delete={"Objects": [{"Key": "last"}, {"Key": "none"}], "Quiet": True})
    assert "Deleted" not in answer and "Errors" not in answer
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    assert error_of(s3.delete_objects, Bucket=bucket, Delete={
        "Objects": [{"Key": f"{i}"} for i in range(1001)]}) == ("MalformedXML", 400)


def test_tags(s3, bucket):
    name = {"Bucket": bucket, "Key": "k"}
    s3.put_object(**name, Body=b"")
    assert s3.get_object_tagging(**name)["TagSet"] == []
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]
    s3.put_object_tagging(**name, Tagging={"TagSet": tags})
    assert s3.get_object_tagging(**name)["TagSet"] == tags
    s3.delete_object_tagging(**name)
    assert s3.get_object_tagging(**name)["TagSet"] == []
    many = [{"Key": f"k{i}", "Value": ""} for i in range(11)]
    assert error_of(s3.put_object_tagging, **name, Tagging={"TagSet": many})[0] == "BadRequest"


def test_errors_name_what_is_missing(s3, bucket):
    with pytest.raises(s3.exceptions.NoSuchKey) as raised:
        s3.get_object(Bucket=bucket, Key="none")
    assert raised.value.response["Error"]["Key"] == "none"
    with pytest.raises(s3.exceptions.NoSuchBucket) as raised:
        s3.list_objects_v2(Bucket="no-such-bucket")
    assert raised.value.response["Error"]["BucketName"] == "no-such-bucket"
    with pytest.raises(ClientError) as raised:
        s3.head_object(Bucket=bucket, Key="none")
    assert raised.value.response["Error"] == {"Code": "404", "Message": "Not Found"}
    assert error_of(s3.put_object, Bucket="no-such-bucket", Key="k", Body=b"") == (
        "NoSuchBucket", 404)
    assert error_of(s3.put_object, Bucket=bucket, Key="x" * 1025, Body=b"") == (
        "KeyTooLongError", 400)
    assert error_of(s3.put_object, Bucket=bucket, Key="k", Body=b"", StorageClass="FAST") == (
        "InvalidStorageClass", 400)
    assert error_of(s3.put_object, Bucket=bucket, Key="k", Body=b"",
                    SSECustomerAlgorithm="AES256", SSECustomerKey="0" * 32)[1] in (400, 501)


def test_file_objects_and_ranged_downloads(s3, bucket, tmp_path):
    data = os.urandom(20 << 20)

    s3.upload_fileobj(io.BytesIO(data), bucket, "big")
    back = io.BytesIO()
    s3.download_fileobj(bucket, "big", back)

    assert back.getvalue() == data
    assert s3.head_object(Bucket=bucket, Key="big")["ETag"].endswith('-3"')


def test_the_command_line(server, s3, bucket, tmp_path):
    tree = tmp_path / "tree"
    (tree / "sub dir").mkdir(parents=True)
    (tree / "a.txt").write_bytes(b"a")
    (tree / "sub dir" / "b.bin").write_bytes(os.urandom(20 << 20))

    server.run("aws", "s3", "cp", "--recursive", tree, f"s3://{bucket}/tree", timeout=120)
    listing = server.run("aws", "s3", "ls", f"s3://{bucket}/tree/")
    assert "a.txt" in listing and "PRE sub dir/" in listing
    server.run("aws", "s3", "sync", f"s3://{bucket}/tree", tmp_path / "back", timeout=120)
    assert (tmp_path / "back/sub dir/b.bin").read_bytes() == (tree / "sub dir/b.bin").read_bytes()
    assert server.run("aws", "s3", "sync", f"s3://{bucket}/tree", tmp_path / "back") == ""
    server.run("aws", "s3", "mv", f"s3://{bucket}/tree/a.txt", f"s3://{bucket}/moved")
    assert server.run("aws", "s3", "cp", f"s3://{bucket}/moved", "-") == "a"
    server.run("aws", "s3", "cp", f"s3://{bucket}/tree/sub dir/b.bin", f"s3://{bucket}/copied")
    server.run("aws", "s3", "rm", "--recursive", f"s3://{bucket}/tree")
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["copied", "moved"]
    server.run("aws", "s3", "rb", "--force", f"s3://{bucket}")
    assert error_of(s3.head_bucket, Bucket=bucket) == ("404", 404)
