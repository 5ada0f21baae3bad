"""TLS by stock clients: trust, large objects, and AWS's way to trigger a DAG from a function."""

import hashlib
import http.client
import io
import json
import os
import socket
import ssl
import zipfile

import boto3
import pytest
import requests
from botocore.config import Config

from conftest import wait_for
from repositories import Hosted, push_python_with_boto3

ROLE = "arn:aws:iam::123456789012:role/slipway-execution"

# The way of AWS's sample for MWAA: a short-lived token, one HTTPS request to the environment's web
# server, a Python literal as the answer. Signing is done by hand: the machine may have no boto3.
TRIGGER = '''
import ast
import base64
import datetime
import hashlib
import hmac
import http.client
import json
import os
import urllib.request


def signed(path, payload):
    """A request to the server's control plane, signed with the function's role."""
    endpoint, region = os.environ["AWS_ENDPOINT_URL"], os.environ["AWS_REGION"]
    host = endpoint.split("://")[1]
    at = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(payload).hexdigest()
    headers = {"host": host, "x-amz-date": at, "x-amz-content-sha256": digest,
               "x-amz-security-token": os.environ["AWS_SESSION_TOKEN"]}
    names = ";".join(sorted(headers))
    canonical = "\\n".join(["POST", path, "", *[f"{n}:{headers[n]}" for n in sorted(headers)], "",
                           names, digest])
    scope = f"{at[:8]}/{region}/airflow/aws4_request"
    text = "\\n".join(["AWS4-HMAC-SHA256", at, scope,
                      hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
    for part in (at[:8], region, "airflow", "aws4_request", text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={os.environ['AWS_ACCESS_KEY_ID']}/{scope}, "
        f"SignedHeaders={names}, Signature={key.hex()}")
    request = urllib.request.Request(endpoint + path, payload, headers, method="POST")
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def handler(event, context):
    token = signed(f"/clitoken/{event['environment']}", b"")
    connection = http.client.HTTPSConnection(token["WebServerHostname"], timeout=30)
    connection.request("POST", "/aws_mwaa/cli", event["command"], {
        "Authorization": "Bearer " + token["CliToken"],
        "Content-Type": "text/plain",
    })
    answer = ast.literal_eval(connection.getresponse().read().decode("UTF-8"))
    return {"host": token["WebServerHostname"],
            "bundle": os.environ["SSL_CERT_FILE"],
            "stdout": base64.b64decode(answer["stdout"]).decode(),
            "stderr": base64.b64decode(answer["stderr"]).decode()}
'''


@pytest.fixture(name="front", scope="module")
def fixture_front(server):
    """(host, port, CA file, bundle) of the server's TLS port."""
    told = json.loads((server.data / "server.json").read_text())
    host, port = told["tlsEndpoint"].removeprefix("https://").rsplit(":", 1)
    return host, int(port), str(server.data / "tls/ca.pem"), told["caBundle"]


def secure(server, service, front):
    """A stock boto3 client that speaks TLS."""
    key, secret = server.keys
    return boto3.client(service, endpoint_url=f"https://{front[0]}:{front[1]}", verify=front[3],
                        region_name="us-east-1", aws_access_key_id=key,
                        aws_secret_access_key=secret, config=Config(retries={"max_attempts": 1}))


def get(host, port, context, path="/healthz"):
    """One HTTPS request by the standard library; returns the body."""
    connection = http.client.HTTPSConnection(host, port, timeout=10, context=context)
    connection.request("GET", path)
    text = connection.getresponse().read()
    connection.close()
    return text


def test_clients_with_the_authority_are_served(front):
    host, port, authority, bundle = front
    strict = ssl.create_default_context(cafile=authority)
    strict.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
    assert get(host, port, strict) == b"ok\n"
    assert get("localhost", port, strict) == b"ok\n"
    assert get(host, port, ssl.create_default_context(cafile=bundle)) == b"ok\n"
    assert requests.get(f"https://{host}:{port}/healthz", verify=bundle, timeout=10).text == "ok\n"


def test_clients_without_the_authority_refuse(front):
    host, port, authority, _ = front
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with pytest.raises(ssl.SSLCertVerificationError):
        get(host, port, bare)
    other = ssl.create_default_context(cafile=authority)
    with socket.create_connection((host, port), timeout=10) as plain:
        with pytest.raises(ssl.SSLCertVerificationError):
            other.wrap_socket(plain, server_hostname="example.org")


def test_plain_http_is_told_what_is_spoken(front):
    host, port, _, _ = front
    answer = requests.get(f"http://{host}:{port}/healthz", timeout=10)
    assert answer.status_code == 400 and "https://" in answer.text


def test_strangers_stay_strangers(front):
    host, port, _, bundle = front
    for path in ("/bucket/key", "/v2/", "/api/v1/dags"):
        answer = requests.get(f"https://{host}:{port}{path}", verify=bundle, timeout=10)
        assert answer.status_code in (400, 401, 403), path


def test_large_objects_pass_with_their_trailers(server, front):
    s3 = secure(server, "s3", front)
    s3.create_bucket(Bucket="by-tls")
    content = os.urandom(1 << 20) * 20
    sent = []
    s3.meta.events.register("before-send.s3.PutObject",
                            lambda request, **_: sent.append(request.headers))

    s3.put_object(Bucket="by-tls", Key="large", Body=io.BytesIO(content))
    got = s3.get_object(Bucket="by-tls", Key="large")["Body"].read()

    assert hashlib.sha256(got).digest() == hashlib.sha256(content).digest()
    assert "aws-chunked" in str(sent[0]["Content-Encoding"]), "what is to be tried here"
    again = server.client("s3").get_object(Bucket="by-tls", Key="large")
    assert again["ContentLength"] == len(content)


def test_one_connection_serves_many_requests(server, front):
    s3 = secure(server, "s3", front)
    s3.create_bucket(Bucket="many-by-tls")
    for index in range(30):
        s3.put_object(Bucket="many-by-tls", Key=f"k{index}", Body=b"x" * index)
    listed = s3.list_objects_v2(Bucket="many-by-tls")
    assert sum(item["Size"] for item in listed["Contents"]) == sum(range(30))


def test_a_function_triggers_a_dag_as_in_the_sample_of_aws(server, front):
    sagemaker, functions = server.client("sagemaker"), server.client("lambda")
    definition = {"Version": "2020-12-01", "Steps": [
        {"Name": "Stop", "Type": "Fail", "Arguments": {"ErrorMessage": "reached"}}]}
    sagemaker.create_pipeline(PipelineName="tiny", RoleArn=ROLE, ClientRequestToken="t" * 32,
                              PipelineDefinition=json.dumps(definition))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", TRIGGER)
    functions.create_function(FunctionName="trigger", Runtime="python3.11", Handler="app.handler",
                              Role=ROLE, Timeout=60, Code={"ZipFile": buffer.getvalue()})
    functions.get_waiter("function_active_v2").wait(FunctionName="trigger")

    answer = functions.invoke(FunctionName="trigger", Payload=json.dumps(
        {"environment": "slipway", "command": "dags trigger tiny"}))
    result = json.loads(answer["Payload"].read())

    assert "FunctionError" not in answer, result
    assert result["host"] == f"{front[0]}:{front[1]}"
    assert result["bundle"] == "/opt/slipway/ca-bundle.pem"
    assert "tiny" in result["stdout"], result
    executions = wait_for(
        lambda: sagemaker.list_pipeline_executions(
            PipelineName="tiny")["PipelineExecutionSummaries"], "an execution")
    assert len(executions) == 1
    wait_for(lambda: sagemaker.describe_pipeline_execution(
        PipelineExecutionArn=executions[0]["PipelineExecutionArn"])
        ["PipelineExecutionStatus"] == "Failed", "the execution's end")


def test_jobs_of_pipelines_trust_the_server(server, front, tmp_path):
    """Git, curl, Python and slipway itself, in a job that says nothing of certificates."""
    hosted = Hosted(server, "root/trusting", tmp_path / "trusting")
    secure_host = f"{front[0]}:{front[1]}"
    push_python_with_boto3(server)
    pipeline = hosted.run(f"""
variables: {{SECURE: "https://{secure_host}"}}
trusting:
  script:
    - echo "curl says $(curl -sSf $SECURE/healthz)"
    - git ls-remote "https://gitlab-ci-token:$CI_JOB_TOKEN@{secure_host}/$CI_PROJECT_PATH.git" main
    - python3 trusting.py
    - (AWS_ENDPOINT_URL=$SECURE slipway approve nothing 1.0.0 2>&1 || true) | grep -o "no model nothing"
    - test "$AWS_CA_BUNDLE" = "$SSL_CERT_FILE" && test -r "$CI_SERVER_TLS_CA_FILE"
boto3:
  image: python:3.11
  variables: {{PYTHONPATH: /opt/packages}}
  script: [AWS_ENDPOINT_URL=$SECURE python3 lists.py]
own:
  variables: {{CURL_CA_BUNDLE: /dev/null}}
  script: ['curl -sSf $SECURE/healthz']
""", {"lists.py": """
import boto3
print("boto3 says", len(boto3.client("sagemaker").list_model_package_groups()))
""", "trusting.py": """
import os
import ssl
import urllib.request

from pip._vendor import requests

url = os.environ["SECURE"] + "/healthz"
print("urllib says", urllib.request.urlopen(url, timeout=10).read().decode())
print("requests says", requests.get(url, timeout=10).text)
assert len(ssl.create_default_context().get_ca_certs()) > 1, "and the public authorities"
"""})
    assert hosted.ended(pipeline)["status"] == "failed"
    jobs = hosted.jobs(pipeline)
    text = hosted.trace(jobs["trusting"])
    assert jobs["trusting"]["status"] == "success", text
    for words in ("curl says ok", "\trefs/heads/main", "urllib says ok", "requests says ok",
                  "\nno model nothing"):
        assert words in text, text
    assert "\nboto3 says " in hosted.trace(jobs["boto3"]), hosted.trace(jobs["boto3"])
    assert jobs["own"]["status"] == "failed", "the job's own variable counts"


def test_the_authority_survives_a_restart(own_server):
    tls = own_server.data / "tls"
    before = {name: (tls / name).read_bytes() for name in ("ca.pem", "server.pem", "bundle.pem")}
    assert (tls / "ca.key").stat().st_mode & 0o077 == 0
    assert own_server.environment["SLIPWAY_CA_BUNDLE"] == str((tls / "bundle.pem").resolve())
    assert "AWS_CA_BUNDLE" not in own_server.environment or "AWS_CA_BUNDLE" in os.environ

    own_server.kill()
    own_server.start()

    assert {name: (tls / name).read_bytes() for name in before} == before
    told = json.loads((own_server.data / "server.json").read_text())
    assert requests.get(f"{told['tlsEndpoint']}/healthz", verify=told["caBundle"],
                        timeout=10).text == "ok\n"
