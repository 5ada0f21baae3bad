"""Uploads in parts, by boto3."""

import hashlib
import os
import zlib
from base64 import b64decode, b64encode

import pytest
from conftest import error_of

SMALLEST = 5 << 20


class Upload:
    def __init__(self, s3, bucket, key="k", **options):
        self.s3 = s3
        self.name = {"Bucket": bucket, "Key": key}
        created = s3.create_multipart_upload(**self.name, **options)
        self.name["UploadId"] = created["UploadId"]
        self.parts = []

    def send(self, number, data):
        answer = self.s3.upload_part(**self.name, PartNumber=number, Body=data)
        part = {"PartNumber": number, "ETag": answer["ETag"]}
        part.update({k: v for k, v in answer.items() if k.startswith("Checksum")})
        self.parts.append(part)
        return answer

    def complete(self, parts=None, **options):
        return self.s3.complete_multipart_upload(
            **self.name, MultipartUpload={"Parts": self.parts if parts is None else parts},
            **options)


def test_parts_become_one_object(s3, bucket):
    pieces = [os.urandom(SMALLEST), os.urandom(SMALLEST + 1), b"end"]
    upload = Upload(s3, bucket, ContentType="text/x", Metadata={"a": "b"}, Tagging="t=1")
    for number, piece in zip((1, 2, 9), pieces):
        upload.send(number, piece)

    listed = s3.list_parts(**upload.name)
    assert [(p["PartNumber"], p["Size"]) for p in listed["Parts"]] == [
        (1, SMALLEST), (2, SMALLEST + 1), (9, 3)]
    pages = s3.get_paginator("list_parts").paginate(**upload.name, PaginationConfig={"PageSize": 1})
    assert [p["PartNumber"] for page in pages for p in page["Parts"]] == [1, 2, 9]
    done = upload.complete()

    digests = b"".join(hashlib.md5(piece).digest() for piece in pieces)
    assert done["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-3"'
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == b"".join(pieces)
    assert (got["ContentType"], got["Metadata"], got["TagCount"]) == ("text/x", {"a": "b"}, 1)
    second = s3.get_object(Bucket=bucket, Key="k", PartNumber=2)
    assert second["PartsCount"] == 3
    assert second["Body"].read() == pieces[1]
    assert upload.complete()["ETag"] == done["ETag"], "asked again"
    assert error_of(s3.list_parts, **upload.name) == ("NoSuchUpload", 404)
    assert error_of(s3.get_object, Bucket=bucket, Key="k", PartNumber=4)[1] == 416


def test_bad_lists_of_parts_are_refused(s3, bucket):
    upload = Upload(s3, bucket)
    upload.send(1, b"small")
    upload.send(2, b"last")
    first, second = upload.parts

    def refused(parts):
        return error_of(upload.complete, parts=parts)

    assert refused([first, second]) == ("EntityTooSmall", 400)
    assert refused([second, first]) == ("InvalidPartOrder", 400)
    assert refused([{"PartNumber": 3, "ETag": first["ETag"]}]) == ("InvalidPart", 400)
    assert refused([{"PartNumber": 1, "ETag": '"0"'}]) == ("InvalidPart", 400)
    assert refused([]) == ("MalformedXML", 400)
    assert error_of(s3.upload_part, **upload.name, PartNumber=10_001, Body=b"") == (
        "InvalidArgument", 400)
    upload.complete([first])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"small"


def test_a_part_sent_again_replaces_the_first(s3, bucket):
    upload = Upload(s3, bucket)
    upload.send(1, os.urandom(10_000))
    upload.send(1, b"again")
    assert error_of(upload.complete, parts=upload.parts[:1]) == ("InvalidPart", 400)
    upload.complete(upload.parts[1:])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"again"


def test_an_aborted_upload_is_gone(s3, bucket):
    upload = Upload(s3, bucket)
    upload.send(1, os.urandom(10_000))
    s3.abort_multipart_upload(**upload.name)
    assert error_of(upload.complete) == ("NoSuchUpload", 404)
    assert error_of(s3.upload_part, **upload.name, PartNumber=1, Body=b"") == ("NoSuchUpload", 404)
    assert error_of(s3.abort_multipart_upload, **upload.name) == ("NoSuchUpload", 404)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_open_uploads_are_listed(s3, bucket):
    ids = [Upload(s3, bucket, key).name["UploadId"] for key in ("b", "b", "a", "d/1", "d/2")]
    listed = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [(u["Key"], u["UploadId"]) for u in listed["Uploads"]] == [
        ("a", ids[2]), ("b", ids[0]), ("b", ids[1])]
    assert listed["CommonPrefixes"] == [{"Prefix": "d/"}]
    pages = s3.get_paginator("list_multipart_uploads").paginate(
        Bucket=bucket, PaginationConfig={"PageSize": 1})
    assert [u["Key"] for page in pages for u in page["Uploads"]] == ["a", "b", "b", "d/1", "d/2"]


def test_conditional_completion(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"there")
    upload = Upload(s3, bucket)
    upload.send(1, b"new")
    assert error_of(upload.complete, IfNoneMatch="*") == ("PreconditionFailed", 412)
    upload.complete()
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"new"


@pytest.mark.parametrize("kind", ["FULL_OBJECT", "COMPOSITE"])
def test_checksums_of_parts(s3, bucket, kind):
    pieces = [os.urandom(SMALLEST), b"end"]
    upload = Upload(s3, bucket, ChecksumAlgorithm="CRC32", ChecksumType=kind)
    raw = [b64decode(upload.send(i + 1, p)["ChecksumCRC32"]) for i, p in enumerate(pieces)]
    if kind == "FULL_OBJECT":
        expected = b64encode(zlib.crc32(b"".join(pieces)).to_bytes(4, "big")).decode()
        wrong = b64encode(b"0000").decode()
        assert error_of(upload.complete, ChecksumCRC32=wrong, ChecksumType=kind) == (
            "BadDigest", 400)
    else:
        expected = b64encode(zlib.crc32(b"".join(raw)).to_bytes(4, "big")).decode() + "-2"

    done = upload.complete()

    assert (done["ChecksumCRC32"], done["ChecksumType"]) == (expected, kind)
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (head["ChecksumCRC32"], head["ChecksumType"]) == (expected, kind)
    parts = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectParts"])
    assert [p["Size"] for p in parts["ObjectParts"]["Parts"]] == [SMALLEST, 3]
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"".join(pieces)


def test_parts_are_copied_from_objects(s3, bucket):
    data = os.urandom(SMALLEST * 2)
    s3.put_object(Bucket=bucket, Key="a b", Body=data)
    upload = Upload(s3, bucket, "joined")
    source = {"Bucket": bucket, "Key": "a b"}
    parts = []
    for number, span in ((1, f"bytes=100-{SMALLEST + 99}"), (2, "bytes=0-9")):
        answer = s3.upload_part_copy(**upload.name, PartNumber=number, CopySource=source,
                                     CopySourceRange=span)
        parts.append({"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"],
                      **{k: v for k, v in answer["CopyPartResult"].items()
                         if k.startswith("Checksum")}})
    assert error_of(s3.upload_part_copy, **upload.name, PartNumber=3, CopySource=source,
                    CopySourceRange=f"bytes=0-{len(data)}") == ("InvalidArgument", 400)

    upload.complete(parts)

    assert s3.get_object(Bucket=bucket, Key="joined")["Body"].read() == (
        data[100:SMALLEST + 100] + data[:10])
