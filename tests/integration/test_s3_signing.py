"""How requests for objects are signed: presigned URLs, chunked bodies, refusals."""

import hashlib
import hmac
import os
import socket
import zlib
from base64 import b64encode

import pytest
import requests
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

CHUNK = 64 << 10


@pytest.fixture(scope="module")
def s3(server):
    return server.client("s3", signature_version="s3v4", s3={"addressing_style": "path"})


class Signer(S3SigV4Auth):
    """Signs with a payload hash of the test's choice."""

    def __init__(self, server, payload_hash):
        key, self.secret = server.keys
        super().__init__(Credentials(key, self.secret), "s3", "us-east-1")
        self.payload_hash = payload_hash

    def payload(self, request):
        return self.payload_hash

    def sign(self, url, headers):
        """(headers, signing key, seed signature) of a PUT."""
        request = AWSRequest(
            "PUT", url, headers={**headers, "X-Amz-Content-SHA256": self.payload_hash})
        self.add_auth(request)
        signature = request.headers["Authorization"].split("Signature=")[1]
        date = request.headers["X-Amz-Date"]
        key = ("AWS4" + self.secret).encode()
        for part in (date[:8], "us-east-1", "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return dict(request.headers.items()), key, signature, date


def crc32(data):
    return b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def pieces_of(data):
    return [data[i:i + CHUNK] for i in range(0, len(data), CHUNK)] + [b""]


def unsigned_chunks(data, trailer):
    body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces_of(data) if p)
    return body + b"0\r\n" + trailer + b"\r\n"


def signed_chunks(data, key, previous, date):
    scope = f"{date[:8]}/us-east-1/s3/aws4_request"
    empty = hashlib.sha256(b"").hexdigest()
    body = b""
    for piece in pieces_of(data):
        text = "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", date, scope, previous, empty,
                          hashlib.sha256(piece).hexdigest()])
        previous = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        body += b"%x;chunk-signature=%s\r\n%s\r\n" % (len(piece), previous.encode(), piece)
    return body


@pytest.mark.parametrize("size", [10, 3 << 20])
def test_a_chunked_body_with_a_trailing_checksum(server, s3, bucket, size):
    data = os.urandom(size)
    url = f"{server.endpoint}/{bucket}/k"
    headers, *_ = Signer(server, "STREAMING-UNSIGNED-PAYLOAD-TRAILER").sign(url, {
        "Content-Encoding": "aws-chunked", "X-Amz-Trailer": "x-amz-checksum-crc32",
        "X-Amz-Decoded-Content-Length": str(size)})

    def put(checksum):
        trailer = b"x-amz-checksum-crc32:" + checksum.encode() + b"\r\n"
        return requests.put(url, data=unsigned_chunks(data, trailer), headers=headers, timeout=20)

    assert put(crc32(b"something else")).status_code == 400
    answer = put(crc32(data))
    assert answer.status_code == 200, answer.text
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == data
    assert got["ChecksumCRC32"] == crc32(data)
    assert "ContentEncoding" not in got
    assert got["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'


def test_chunks_with_signatures(server, s3, bucket):
    data = os.urandom(200_000)
    url = f"{server.endpoint}/{bucket}/k"
    headers, key, seed, date = Signer(server, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD").sign(url, {
        "Content-Encoding": "gzip,aws-chunked", "X-Amz-Decoded-Content-Length": str(len(data))})
    body = signed_chunks(data, key, seed, date)

    changed = bytearray(body)
    changed[CHUNK // 2] ^= 1
    refused = requests.put(url, data=bytes(changed), headers=headers, timeout=20)
    assert (refused.status_code, "SignatureDoesNotMatch" in refused.text) == (403, True)
    answer = requests.put(url, data=body, headers=headers, timeout=20)
    assert answer.status_code == 200, answer.text
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["ContentEncoding"] == "gzip"
    assert got["Body"].read() == data


def test_a_body_that_is_not_the_signed_one(server, s3, bucket):
    url = f"{server.endpoint}/{bucket}/k"
    headers, *_ = Signer(server, hashlib.sha256(b"signed").hexdigest()).sign(url, {})

    refused = requests.put(url, data=b"other", headers=headers, timeout=20)

    assert (refused.status_code, "XAmzContentSHA256Mismatch" in refused.text) == (400, True)
    assert requests.put(url, data=b"signed", headers=headers, timeout=20).status_code == 200


def test_presigned_urls(s3, bucket):
    for data in (b"small", os.urandom(3 << 20)):
        name = {"Bucket": bucket, "Key": "a b/c"}
        put = s3.generate_presigned_url("put_object", Params=name)
        assert requests.put(put, data=data, timeout=20).status_code == 200
        get = s3.generate_presigned_url("get_object", Params=name)
        assert requests.get(get, timeout=20).content == data
        part = requests.get(get, headers={"Range": "bytes=1-2"}, timeout=20)
        assert (part.status_code, part.content) == (206, data[1:3])
    other = requests.get(get.replace("a%20b", "a%20d"), timeout=20)
    assert (other.status_code, "SignatureDoesNotMatch" in other.text) == (403, True)
    changed = requests.put(get, data=b"x", timeout=20)
    assert changed.status_code == 403, "signed for another method"


def test_an_unsigned_request_is_refused(server, bucket):
    for method in ("GET", "PUT", "DELETE"):
        answer = requests.request(method, f"{server.endpoint}/{bucket}/k", data=b"x", timeout=20)
        assert answer.status_code in (400, 403), method


def test_an_empty_body_that_waits_is_let_go_on(server, bucket):
    """boto3 mixes up the answers of a connection where the permission is missing."""
    url = f"{server.endpoint}/{bucket}/k"
    headers, *_ = Signer(server, hashlib.sha256(b"").hexdigest()).sign(url, {})
    lines = [f"PUT /{bucket}/k HTTP/1.1", f"Host: {server.host}", "Content-Length: 0",
             "Expect: 100-continue", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    host, port = server.host.split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"), answer
