"""Presigned URLs as boto3 makes them unless told otherwise: Signature Version 2."""

from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from botocore.auth import HmacV1Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


@pytest.fixture(scope="module")
def s3(server):
    return server.client("s3")


def presign(s3, operation, bucket, key="k", expires=3600, **parameters):
    """A URL by the client's defaults; fails where these are no longer Version 2."""
    url = s3.generate_presigned_url(
        operation, Params={"Bucket": bucket, "Key": key, **parameters}, ExpiresIn=expires)
    assert {"AWSAccessKeyId", "Expires", "Signature"} <= parse_qs(urlsplit(url).query).keys()
    return url


def expect_refused(answer, code, message=""):
    assert (answer.status_code, f"<Code>{code}</Code>" in answer.text) == (403, True), answer.text
    assert message in answer.text


@pytest.mark.parametrize("key", ["k", "a b/c", "ü+~(1)'!*:@,;=&$"])
def test_what_is_put_by_url_comes_back_by_url(s3, bucket, key):
    put = requests.put(presign(s3, "put_object", bucket, key), data=b"some bytes", timeout=20)
    assert put.status_code == 200, put.text
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"some bytes"

    got = requests.get(presign(s3, "get_object", bucket, key), timeout=20)
    assert (got.status_code, got.content) == (200, b"some bytes")


def test_a_large_body_is_admitted_by_its_head(s3, bucket):
    data = bytes(range(256)) * (3 << 12)
    put = requests.put(presign(s3, "put_object", bucket), data=data, timeout=20)
    assert put.status_code == 200, put.text
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == data


def test_parameters_of_the_answer_are_signed(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    url = presign(s3, "get_object", bucket, ResponseContentType="text/csv",
                  ResponseContentDisposition='attachment; filename="a b.csv"')

    got = requests.get(url, timeout=20)
    assert got.status_code == 200, got.text
    assert got.headers["Content-Type"] == "text/csv"
    assert got.headers["Content-Disposition"] == 'attachment; filename="a b.csv"'
    expect_refused(requests.get(url.replace("csv", "html"), timeout=20), "SignatureDoesNotMatch")


def test_a_content_type_is_signed(s3, bucket):
    url = presign(s3, "put_object", bucket, ContentType="text/csv")

    other = requests.put(url, data=b"x", headers={"Content-Type": "text/html"}, timeout=20)
    expect_refused(other, "SignatureDoesNotMatch")
    put = requests.put(url, data=b"x", headers={"Content-Type": "text/csv"}, timeout=20)
    assert put.status_code == 200, put.text
    assert s3.get_object(Bucket=bucket, Key="k")["ContentType"] == "text/csv"


def test_a_url_past_its_time(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    for operation in ("get_object", "put_object"):
        url = presign(s3, operation, bucket, expires=-5)
        method = "GET" if operation == "get_object" else "PUT"
        expect_refused(requests.request(method, url, timeout=20), "AccessDenied",
                       "Request has expired")


def test_a_url_that_was_changed(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_object(Bucket=bucket, Key="other", Body=b"y")
    url = presign(s3, "get_object", bucket)
    expires = parse_qs(urlsplit(url).query)["Expires"][0]
    key = parse_qs(urlsplit(url).query)["AWSAccessKeyId"][0]

    assert requests.get(url, timeout=20).status_code == 200
    for changed in (url.replace("/k?", "/other?"), url.replace(expires, str(int(expires) + 1)),
                    url + "&versionId=null"):
        expect_refused(requests.get(changed, timeout=20), "SignatureDoesNotMatch")
    expect_refused(requests.put(url, data=b"z", timeout=20), "SignatureDoesNotMatch")
    expect_refused(requests.get(url, headers={"x-amz-acl": "private"}, timeout=20),
                   "SignatureDoesNotMatch")
    expect_refused(requests.get(url.replace(key, "AKIANOBODY"), timeout=20), "InvalidAccessKeyId")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_version_2_by_header_is_refused(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    request = AWSRequest("GET", f"{server.endpoint}/{bucket}/k")
    HmacV1Auth(Credentials(*server.keys)).add_auth(request)

    answer = requests.get(request.url, headers=dict(request.headers.items()), timeout=20)

    assert request.headers["Authorization"].startswith("AWS ")
    assert answer.status_code in (400, 403), answer.text


def test_a_bucket_is_listed_by_url(s3, bucket):
    s3.put_object(Bucket=bucket, Key="listed", Body=b"x")
    for operation in ("list_objects", "list_objects_v2"):
        url = s3.generate_presigned_url(operation, Params={"Bucket": bucket})
        assert "AWSAccessKeyId" in url
        got = requests.get(url, timeout=20)
        assert got.status_code == 200, got.text
        assert "<Key>listed</Key>" in got.text
