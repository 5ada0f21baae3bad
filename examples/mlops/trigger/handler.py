"""The team's trigger: starts an Airflow DAG by its name, with a configuration.

Event:  {"dag": "train_tumour", "conf": {"commit": "4f2a…"}, "run_id": "…" (optional)}
Result: {"dag": …, "dag_run_id": …, "state": "queued", …}

The environment variable MWAA_ENVIRONMENT names the Airflow environment. With boto3 at hand the call
is boto3's; without it (a zip of this one file) the same request is signed here.
"""

import datetime
import hashlib
import hmac
import http.client
import json
import os
import re
import urllib.parse

try:
    import boto3
    from botocore.exceptions import ClientError
except ImportError:  # the machine has none, and the zip brought none
    boto3 = None

SERVICE = "airflow"
TIMEOUT = 15  # seconds
DAG_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,250}")


class TriggerError(Exception):
    """The DAG run was refused; the message says why."""


def handler(event, _context=None):
    """Starts one DAG run and returns what Airflow says of it."""
    dag, body = read_event(event)
    environment = os.environ.get("MWAA_ENVIRONMENT", "slipway")
    path = f"/dags/{dag}/dagRuns"
    invoke = invoke_with_boto3 if boto3 else invoke_signed
    run = invoke(environment, path, body)
    print(f"started {dag}: {run.get('dag_run_id')}")
    return {
        "dag": dag,
        "dag_run_id": run.get("dag_run_id"),
        "state": run.get("state"),
        "logical_date": run.get("logical_date"),
        "conf": run.get("conf", body["conf"]),
    }


def read_event(event):
    """Returns the DAG's name and the body of the request; raises ValueError for a bad event."""
    if not isinstance(event, dict):
        raise ValueError("the event is not an object with the member dag")
    dag = event.get("dag") or event.get("dag_name")
    if not isinstance(dag, str) or not DAG_NAME.fullmatch(dag):
        raise ValueError(f"{dag!r} is not the name of a DAG")
    conf = event.get("conf", {})
    if not isinstance(conf, dict):
        raise ValueError("conf is not an object")
    body = {"conf": conf}
    if event.get("run_id"):
        body["dag_run_id"] = str(event["run_id"])
    return dag, body


def invoke_with_boto3(environment, path, body):
    """Calls Airflow's REST API through MWAA's InvokeRestApi."""
    try:
        answer = boto3.client("mwaa").invoke_rest_api(
            Name=environment, Path=path, Method="POST", Body=body)
    except ClientError as error:
        raise TriggerError(refusal(error.response, str(error))) from error
    return answer["RestApiResponse"]


def invoke_signed(environment, path, body):
    """The same request without boto3."""
    url = os.environ.get("AWS_ENDPOINT_URL_MWAA") or os.environ["AWS_ENDPOINT_URL"]
    payload = json.dumps({"Path": path, "Method": "POST", "Body": body}).encode()
    target = "/restapi/" + urllib.parse.quote(environment, safe="")
    parts = urllib.parse.urlsplit(url)
    headers = signed_headers(
        parts.netloc, target, payload, os.environ, datetime.datetime.now(datetime.timezone.utc))
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=TIMEOUT)
    try:
        connection.request("POST", target, payload, headers)
        response = connection.getresponse()
        text = response.read().decode()
    finally:
        connection.close()
    try:
        answer = json.loads(text)
    except ValueError as error:
        raise TriggerError(f"status {response.status}: {text[:200]}") from error
    if response.status >= 300:
        raise TriggerError(refusal(answer, f"status {response.status}: {text[:200]}"))
    return answer["RestApiResponse"]


def refusal(answer, otherwise):
    """What Airflow itself said, where it said something."""
    detail = answer.get("RestApiResponse")
    status = answer.get("RestApiStatusCode")
    if isinstance(detail, dict):
        detail = detail.get("detail") or detail.get("title") or json.dumps(detail)
    return f"Airflow answered {status}: {detail}" if detail else otherwise


def signed_headers(host, target, payload, credentials, now):
    """Returns the headers of a POST signed with AWS Signature Version 4."""
    region = credentials.get("AWS_REGION") or credentials.get("AWS_DEFAULT_REGION", "us-east-1")
    time = now.strftime("%Y%m%dT%H%M%SZ")
    headers = {
        "content-type": "application/json",
        "host": host,
        "x-amz-content-sha256": hashlib.sha256(payload).hexdigest(),
        "x-amz-date": time,
    }
    if credentials.get("AWS_SESSION_TOKEN"):
        headers["x-amz-security-token"] = credentials["AWS_SESSION_TOKEN"]
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    # Every service but S3 signs the path encoded once more than it is sent.
    path = urllib.parse.quote(target, safe="/~-_.")
    request = "\n".join(["POST", path, "", lines, names, headers["x-amz-content-sha256"]])
    scope = f"{time[:8]}/{region}/{SERVICE}/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", time, scope, digest])
    key = ("AWS4" + credentials["AWS_SECRET_ACCESS_KEY"]).encode()
    for part in (time[:8], region, SERVICE, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials['AWS_ACCESS_KEY_ID']}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}")
    return headers
