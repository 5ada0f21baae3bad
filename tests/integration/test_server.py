"""The server as a process: start, refusal of strangers, clear errors, restart."""

import socket
import subprocess

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from conftest import BINARY


def stranger(server, service, key, secret):
    """A client with keys of one's own choice."""
    return boto3.client(
        service,
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"max_attempts": 1}),
    )


def test_health_is_open_and_nothing_else(server):
    assert requests.get(f"{server.endpoint}/healthz", timeout=5).text == "ok\n"
    for method, path in [
        ("GET", "/"),
        ("GET", "/bucket/key"),
        ("PUT", "/bucket/key"),
        ("POST", "/"),
        ("GET", "/v2/"),
        ("GET", "/v2/_catalog"),
        ("POST", "/endpoints/tumour/invocations"),
    ]:
        answer = requests.request(method, server.endpoint + path, data=b"x", timeout=5)
        assert answer.status_code in (400, 401, 403), (method, path, answer.status_code)
        assert "Traceback" not in answer.text


@pytest.mark.parametrize("service,call,codes", [
    ("s3", lambda c: c.list_buckets(), {"InvalidAccessKeyId"}),
    ("sagemaker", lambda c: c.list_models(), {"UnrecognizedClientException"}),
    ("sts", lambda c: c.get_caller_identity(), {"InvalidClientTokenId"}),
])
def test_an_unknown_key_is_refused_in_the_words_of_the_service(server, service, call, codes):
    with pytest.raises(ClientError) as refused:
        call(stranger(server, service, "AKIAXXXXXXXXXXXXXXXX", "wrong"))
    assert refused.value.response["Error"]["Code"] in codes


@pytest.mark.parametrize("service,call,codes", [
    ("s3", lambda c: c.list_buckets(), {"SignatureDoesNotMatch"}),
    ("sagemaker", lambda c: c.list_models(), {"InvalidSignatureException"}),
    ("sts", lambda c: c.get_caller_identity(), {"SignatureDoesNotMatch"}),
    ("sagemaker-runtime", lambda c: c.invoke_endpoint(EndpointName="e", Body=b"1"),
     {"InvalidSignatureException", "SignatureDoesNotMatch"}),
])
def test_a_wrong_secret_is_refused(server, service, call, codes):
    with pytest.raises(ClientError) as refused:
        call(stranger(server, service, server.keys[0], "wrong"))
    assert refused.value.response["Error"]["Code"] in codes


def test_the_caller_is_known(server):
    identity = server.client("sts").get_caller_identity()
    assert identity["Account"] == "123456789012"
    assert identity["Arn"] == "arn:aws:iam::123456789012:root"


def test_keys_of_a_role_session_work_and_need_their_token(server):
    answer = server.client("sts").assume_role(
        RoleArn="arn:aws:iam::123456789012:role/slipway-execution", RoleSessionName="test"
    )["Credentials"]
    session = boto3.client(
        "sts",
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id=answer["AccessKeyId"],
        aws_secret_access_key=answer["SecretAccessKey"],
        aws_session_token=answer["SessionToken"],
    )
    assert "assumed-role/slipway-execution/test" in session.get_caller_identity()["Arn"]
    with pytest.raises(ClientError):
        stranger(server, "sts", answer["AccessKeyId"], answer["SecretAccessKey"]).get_caller_identity()


def test_a_taken_port_is_one_clear_sentence(server, tmp_path):
    result = subprocess.run(
        [BINARY, "--data", tmp_path / "other", "up", "--port", str(server.port)],
        capture_output=True, text=True, timeout=30,
    )
    assert result.returncode == 1
    assert "already in use" in result.stderr and "--port" in result.stderr


def test_a_second_server_on_the_same_data_is_refused(server):
    result = subprocess.run(
        [BINARY, "--data", server.data, "up", "--port", "0"],
        capture_output=True, text=True, timeout=30,
    )
    assert result.returncode == 1
    assert str(server.data) in result.stderr and "another" in result.stderr.lower()


def test_a_runtime_that_is_not_there_is_named_with_the_cure(tmp_path):
    result = subprocess.run(
        [BINARY, "--data", tmp_path / "data", "up", "--port", "0"],
        capture_output=True, text=True, timeout=30, env={"PATH": "/nowhere", "HOME": str(tmp_path)},
    )
    assert result.returncode == 1
    assert "apt-get install" in result.stderr


def test_credentials_are_private_and_outlive_a_restart(own_server):
    before = own_server.keys
    assert (own_server.data / "credentials").stat().st_mode & 0o777 == 0o600
    assert own_server.data.stat().st_mode & 0o777 == 0o700
    own_server.kill()
    own_server.start()
    assert own_server.keys == before
    own_server.client("sts").get_caller_identity()


def test_an_acknowledged_write_survives_a_kill(own_server):
    s3 = own_server.client("s3")
    s3.create_bucket(Bucket="kept")
    for number in range(20):
        s3.put_object(Bucket="kept", Key=f"k{number}", Body=b"x" * (number * 1000))
    own_server.kill()
    own_server.start()
    s3 = own_server.client("s3")
    for number in range(20):
        body = s3.get_object(Bucket="kept", Key=f"k{number}")["Body"].read()
        assert body == b"x" * (number * 1000)


def test_rubbish_on_the_socket_ends_the_connection_and_nothing_else(server):
    port = int(server.endpoint.rsplit(":", 1)[1])
    for rubbish in [b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
                    b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"]:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(rubbish)
            answer = connection.recv(4096)
            assert answer == b"" or b" 400 " in answer or b" 505 " in answer or b" 501 " in answer
    assert requests.get(f"{server.endpoint}/healthz", timeout=5).status_code == 200
