"""Lambda by stock clients: a function's whole life, invocations, failures, logs, restart."""

import base64
import io
import json
import statistics
import time
import urllib.request
import zipfile

from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from conftest import ROOT, wait_for

ROLE = "arn:aws:iam::123456789012:role/slipway-execution"

HANDLER = """
import logging, os, time

calls = 0

def handler(event, context):
    global calls
    calls += 1
    logging.getLogger().warning("warned of %s", event.get("name"))
    print("event of", event.get("name"))
    if event.get("fail"):
        raise KeyError(event["fail"])
    if event.get("exit"):
        os._exit(event["exit"])
    if event.get("sleep"):
        time.sleep(event["sleep"])
    return {"calls": calls, "pid": os.getpid(), "who": os.environ.get("WHO"),
            "id": context.aws_request_id, "arn": context.invoked_function_arn}
"""


def zipped(**files):
    """A zip with these files (module name -> source)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name if name == "bootstrap" else f"{name}.py", text)
    return buffer.getvalue()


@pytest.fixture(name="aws", scope="module")
def fixture_aws(server):
    """Lambda's client; no retries, so that every refusal shows."""
    return server.client("lambda", retries={"max_attempts": 0})


def create(aws, name, source=HANDLER, **settings):
    """Creates a Python function and waits until it is active."""
    request = {"FunctionName": name, "Runtime": "python3.11", "Handler": "app.handler",
               "Role": ROLE, "Timeout": 10, "Code": {"ZipFile": zipped(app=source)}}
    request.update(settings)
    answer = aws.create_function(**request)
    aws.get_waiter("function_active_v2").wait(FunctionName=name)
    return answer


def invoke(aws, name, event=None, **settings):
    """Returns (payload, whole answer)."""
    answer = aws.invoke(FunctionName=name, Payload=json.dumps(event or {}), **settings)
    text = answer["Payload"].read()
    return (json.loads(text) if text else None), answer


def log_messages(server, name):
    """All lines of the function's log group."""
    logs = server.client("logs")
    try:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{name}")
        return [event["message"].rstrip("\n") for page in pages for event in page["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return []


def test_lives_from_creation_to_deletion(aws):
    created = create(aws, "life", Tags={"team": "health"})
    assert created["FunctionArn"] == "arn:aws:lambda:us-east-1:123456789012:function:life"
    assert created["Version"] == "$LATEST"

    payload, answer = invoke(aws, "life", {"name": "one"})
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert payload["arn"] == created["FunctionArn"]
    assert payload["id"] == answer["ResponseMetadata"]["RequestId"]

    got = aws.get_function(FunctionName=created["FunctionArn"])
    assert got["Configuration"]["LastUpdateStatus"] == "Successful"
    assert got["Tags"] == {"team": "health"}
    assert aws.get_function_code_signing_config(FunctionName="life")["FunctionName"] == "life"

    updated = aws.update_function_configuration(
        FunctionName="life", Environment={"Variables": {"WHO": "me"}}, Timeout=20)
    assert updated["Timeout"] == 20
    aws.get_waiter("function_updated_v2").wait(FunctionName="life")
    assert invoke(aws, "life")[0]["who"] == "me"

    with pytest.raises(aws.exceptions.ResourceConflictException):
        create(aws, "life")
    aws.delete_function(FunctionName="life")
    with pytest.raises(aws.exceptions.ResourceNotFoundException):
        aws.get_function(FunctionName="life")
    with pytest.raises(aws.exceptions.ResourceNotFoundException):
        invoke(aws, "life")


def test_gives_the_code_back(aws):
    create(aws, "download")
    url = aws.get_function(FunctionName="download")["Code"]["Location"]
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert zipfile.ZipFile(io.BytesIO(answer.read())).read("app.py").decode() == HANDLER


def test_is_called_in_three_ways(server, aws):
    create(aws, "ways")

    dry = aws.invoke(FunctionName="ways", InvocationType="DryRun")
    event = aws.invoke(FunctionName="ways", InvocationType="Event", Payload=b'{"name": "later"}')
    payload, answer = invoke(aws, "ways", {"name": "now"}, LogType="Tail")

    assert (dry["StatusCode"], event["StatusCode"], answer["StatusCode"]) == (204, 202, 200)
    assert "FunctionError" not in answer
    tail = base64.b64decode(answer["LogResult"]).decode()
    assert tail.startswith(f"START RequestId: {payload['id']}")
    assert "event of now" in tail and f"REPORT RequestId: {payload['id']}" in tail
    wait_for(lambda: "event of later" in log_messages(server, "ways"), "the event's line")


def test_tells_of_failures(server, aws):
    create(aws, "failing", Timeout=1)

    raised, answer = invoke(aws, "failing", {"fail": "key"})
    assert answer["FunctionError"] == "Unhandled"
    assert (raised["errorType"], raised["errorMessage"]) == ("KeyError", "'key'")
    assert "app.py" in raised["stackTrace"][0]

    exited, answer = invoke(aws, "failing", {"exit": 3})
    assert answer["FunctionError"] == "Unhandled"
    assert "exit status 3" in exited["errorMessage"]

    late, answer = invoke(aws, "failing", {"sleep": 60})
    assert answer["FunctionError"] == "Unhandled"
    assert "Task timed out after 1.00 seconds" in late["errorMessage"]

    assert invoke(aws, "failing")[0]["calls"] == 1, "a new container"
    wait_for(lambda: any("Task timed out" in line for line in log_messages(server, "failing")),
             "the timeout's line")


def test_writes_log_streams_as_lambda_does(server, aws):
    create(aws, "logging")
    payload, _ = invoke(aws, "logging", {"name": "it"})

    lines = wait_for(lambda: [line for line in log_messages(server, "logging")
                              if line.startswith("REPORT")] and log_messages(server, "logging"),
                     "the report")
    assert lines[0] == f"START RequestId: {payload['id']} Version: $LATEST"
    assert any(line.startswith("[WARNING]") and f"{payload['id']}\twarned of it" in line
               for line in lines)
    streams = server.client("logs").describe_log_streams(logGroupName="/aws/lambda/logging")
    name = streams["logStreams"][0]["logStreamName"]
    assert name.startswith(time.strftime("%Y/", time.gmtime())) and "/[$LATEST]" in name


def test_publishes_versions_and_aliases(aws):
    create(aws, "versions", "def handler(event, context):\n    return 1\n", Publish=True)
    aws.update_function_code(FunctionName="versions", Publish=True, ZipFile=zipped(
        app="def handler(event, context):\n    return 2\n"))
    aws.create_alias(FunctionName="versions", Name="live", FunctionVersion="1")

    assert invoke(aws, "versions", Qualifier="1")[0] == 1
    assert invoke(aws, "versions:2")[0] == 2
    payload, answer = invoke(aws, "versions:live")
    assert (payload, answer["ExecutedVersion"]) == (1, "1")
    aws.update_alias(FunctionName="versions", Name="live", FunctionVersion="2")
    assert invoke(aws, "versions", Qualifier="live")[0] == 2
    pages = aws.get_paginator("list_versions_by_function").paginate(
        FunctionName="versions", PaginationConfig={"PageSize": 2})
    assert [item["Version"] for page in pages for item in page["Versions"]] == ["$LATEST", "1", "2"]


def test_keeps_permissions(aws):
    create(aws, "policies")
    topic = "arn:aws:sns:us-east-1:123456789012:done"
    statement = json.loads(aws.add_permission(
        FunctionName="policies", StatementId="topic", Action="lambda:InvokeFunction",
        Principal="sns.amazonaws.com", SourceArn=topic)["Statement"])
    policy = json.loads(aws.get_policy(FunctionName="policies")["Policy"])
    assert policy["Statement"] == [statement]
    assert statement["Condition"] == {"ArnLike": {"AWS:SourceArn": topic}}
    aws.remove_permission(FunctionName="policies", StatementId="topic")
    with pytest.raises(aws.exceptions.ResourceNotFoundException):
        aws.get_policy(FunctionName="policies")


def test_throttles_beyond_the_concurrency(aws):
    create(aws, "busy")
    aws.put_function_concurrency(FunctionName="busy", ReservedConcurrentExecutions=1)

    def status(_):
        try:
            return invoke(aws, "busy", {"sleep": 3})[1]["StatusCode"]
        except aws.exceptions.TooManyRequestsException as error:
            return error.response["ResponseMetadata"]["HTTPStatusCode"]

    # Whichever comes first runs, and there is no place for the others while it does.
    with ThreadPoolExecutor(3) as callers:
        assert sorted(callers.map(status, range(3))) == [200, 429, 429]
    assert invoke(aws, "busy")[1]["StatusCode"] == 200


def test_runs_a_bootstrap(aws):
    script = """#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while :; do
  event=$(curl -sS -D /tmp/head "$api/next") || exit 3
  id=$(tr -d '\\r' </tmp/head | sed -n 's/^Lambda-Runtime-Aws-Request-Id: //Ip')
  curl -sS -d "{\\"shell\\": $event}" "$api/$id/response" >/dev/null
done
"""
    create(aws, "shell", Runtime="provided.al2023", Handler="none",
           Code={"ZipFile": zipped(bootstrap=script)})
    assert invoke(aws, "shell", {"a": 1})[0] == {"shell": {"a": 1}}


def test_takes_code_from_a_bucket_and_an_image(server, aws):
    s3 = server.client("s3")
    s3.create_bucket(Bucket="code-lab")
    s3.put_object(Bucket="code-lab", Key="app.zip", Body=zipped(app=HANDLER))
    create(aws, "bucket", Code={"S3Bucket": "code-lab", "S3Key": "app.zip"})
    assert invoke(aws, "bucket")[0]["calls"] == 1

    runtime = """#!/usr/bin/python3
import os, urllib.request
api = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(api + "next") as event:
        name, body = event.headers["Lambda-Runtime-Aws-Request-Id"], event.read()
    urllib.request.urlopen(api + name + "/response", data=b'{"image": ' + body + b'}').close()
"""
    image = server.push_image("functions/echo", "1.0.0", {"/runtime.py": runtime}, ["/runtime.py"])
    aws.create_function(FunctionName="image", Role=ROLE, PackageType="Image",
                        Code={"ImageUri": image})
    assert invoke(aws, "image", {"a": 1})[0] == {"image": {"a": 1}}


def test_calls_the_server_with_its_role(aws):
    source = """
import os, urllib.request
def handler(event, context):
    with urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + "/healthz") as answer:
        return [answer.status, os.environ["AWS_ACCESS_KEY_ID"][:4]]
"""
    create(aws, "caller", source)
    assert invoke(aws, "caller")[0] == [200, "ASIA"]


def test_trigger_reports_an_unknown_dag(aws):
    """The team's function as it stands, against this server's own Airflow API."""
    folder = ROOT / "examples/mlops/trigger"
    create(aws, "trigger", Handler="handler.handler",
           Code={"ZipFile": zipped(handler=(folder / "handler.py").read_text())})

    payload, answer = invoke(aws, "trigger", {"dag": "nobody-knows-it"})

    assert answer["FunctionError"] == "Unhandled"
    assert payload["errorType"] == "TriggerError"
    assert "404" in payload["errorMessage"], payload


def test_is_quick_when_warm(aws, capsys):
    create(aws, "quick", "def handler(event, context):\n    return event\n")
    began = time.perf_counter()
    invoke(aws, "quick")
    cold = (time.perf_counter() - began) * 1000
    times = []
    for _ in range(200):
        began = time.perf_counter()
        invoke(aws, "quick", {"a": 1})
        times.append((time.perf_counter() - began) * 1000)
    with capsys.disabled():
        print(f"\nwarm invocation by boto3: p50 {statistics.median(times):.2f} ms, "
              f"p95 {sorted(times)[189]:.2f} ms; cold {cold:.0f} ms")
    # Far from the target, so that a machine with other work does not fail it.
    assert statistics.median(times) < 50


def test_carries_on_after_a_crash_of_the_server(own_server):
    aws = own_server.client("lambda", retries={"max_attempts": 0})
    create(aws, "survivor")
    invoke(aws, "survivor", {"name": "before"})
    aws.put_function_concurrency(FunctionName="survivor", ReservedConcurrentExecutions=0)
    aws.invoke(FunctionName="survivor", InvocationType="Event", Payload=b'{"name": "kept"}')
    own_server.kill()

    own_server.start()

    with pytest.raises(ClientError):
        invoke(aws, "survivor")
    aws.delete_function_concurrency(FunctionName="survivor")
    wait_for(lambda: "event of kept" in log_messages(own_server, "survivor"), "the kept event")
    left = [path.name for path in (own_server.data / "containers").iterdir()
            if path.name.startswith("function-")]
    assert len(left) == 1, "only the new container"


def test_carries_payloads_up_to_their_limit(aws):
    create(aws, "large", "def handler(event, context):\n"
                         "    return event if isinstance(event, str) else 'a' * event['size']\n",
           MemorySize=512)
    text = "x" * (6 * 1024 * 1024 - 10)

    assert invoke(aws, "large", text)[0] == text
    refused, answer = invoke(aws, "large", {"size": 7_000_000})
    assert answer["FunctionError"] == "Unhandled"
    assert refused["errorType"] == "Function.ResponseSizeTooLarge"
    with pytest.raises(ClientError) as error:
        invoke(aws, "large", "x" * (6 * 1024 * 1024))
    assert error.value.response["Error"]["Code"] == "RequestTooLargeException"
