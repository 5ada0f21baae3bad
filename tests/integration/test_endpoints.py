"""Endpoints by stock clients: create, invoke, update under load, rollback, crash, restart."""

import io
import json
import tarfile
import threading
import time
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from conftest import wait_for

ROLE = "arn:aws:iam::123456789012:role/server"
BUCKET = "models-lab"

# A model that answers with its version and the data that it was given.
SERVE = """#!/usr/bin/python3
import http.server, json, os, signal, sys, time

# The first process of a container has no default actions for signals.
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
assert sys.argv[1:] == ["serve"], sys.argv
VERSION = os.environ.get("VERSION", "none")
if VERSION == "broken":
    sys.exit("cannot open model.json")
try:
    DATA = open("/opt/ml/model/model.txt").read()
except FileNotFoundError:
    DATA = ""

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *arguments):
        pass
    def answer(self, status, body, fields=()):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in fields:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        self.answer(200 if self.path == "/ping" else 404, b"")
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if body == "exit":
            print("told to exit", flush=True)
            os._exit(7)
        if body == "fail":
            return self.answer(500, b"cannot predict")
        if body.startswith("sleep "):
            print("sleeping", flush=True)
            time.sleep(float(body.split()[1]))
        told = self.headers.get("X-Amzn-SageMaker-Custom-Attributes", "")
        self.answer(200, json.dumps({
            "version": VERSION, "data": DATA, "input": body, "pid": os.getpid(),
            "type": self.headers.get("Content-Type"), "host": os.uname().nodename,
        }).encode(), [("X-Amzn-SageMaker-Custom-Attributes", told)] if told else [])

class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

print("serving", VERSION, flush=True)
Server(("127.0.0.1", 8080), Handler).serve_forever()
"""


class Lab:
    """A server with the image and a bucket of model data."""

    def __init__(self, server):
        self.server = server
        self.sagemaker = server.client("sagemaker")
        self.runtime = server.client("sagemaker-runtime", retries={"max_attempts": 0})
        self.image = server.push_image("lab/echo", "1.0.0", {"/serve.py": SERVE},
                                       entrypoint=["/usr/bin/python3", "/serve.py"])
        self.s3 = server.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz") as tar:
            member = tarfile.TarInfo("model.txt")
            member.size = 7
            tar.addfile(member, io.BytesIO(b"weights"))
        self.s3.put_object(Bucket=BUCKET, Key="model.tar.gz", Body=archive.getvalue())

    def config(self, name, version, count=1, data=None, **variant):
        """Creates a model of this version and a configuration of the same name for it."""
        container = {"Image": self.image, "Environment": {"VERSION": version}}
        if data:
            container["ModelDataUrl"] = data
        self.sagemaker.create_model(ModelName=name, PrimaryContainer=container,
                                    ExecutionRoleArn=ROLE)
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[{
                "VariantName": "AllTraffic", "ModelName": name, "InstanceType": "ml.m5.large",
                "InitialInstanceCount": count, **variant,
            }],
        )

    def create(self, endpoint, version="one", **options):
        """An endpoint in service, on a configuration of its own."""
        self.config(f"{endpoint}-first", version, **options)
        self.sagemaker.create_endpoint(EndpointName=endpoint,
                                       EndpointConfigName=f"{endpoint}-first")
        self.settled(endpoint)

    def status(self, endpoint):
        return self.sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointStatus"]

    def settled(self, endpoint, status="InService"):
        """Waits until nothing is under way and returns the description."""
        wait_for(lambda: self.status(endpoint) not in ("Creating", "Updating"), "settled")
        described = self.sagemaker.describe_endpoint(EndpointName=endpoint)
        assert described["EndpointStatus"] == status, described.get("FailureReason")
        return described

    def invoke(self, endpoint, body="1,2", **more):
        answer = self.runtime.invoke_endpoint(EndpointName=endpoint, Body=body,
                                              ContentType="text/csv", **more)
        return json.loads(answer["Body"].read())

    def delete(self, endpoint):
        self.sagemaker.delete_endpoint(EndpointName=endpoint)
        self.sagemaker.get_waiter("endpoint_deleted").wait(
            EndpointName=endpoint, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


class Callers:
    """Threads that invoke an endpoint without a pause and keep what went wrong."""

    def __init__(self, lab, endpoint, threads=4):
        self.lab, self.endpoint = lab, endpoint
        self.good, self.bad, self.versions = 0, [], set()
        self.lock = threading.Lock()
        self.ending = threading.Event()
        self.threads = [threading.Thread(target=self.call) for _ in range(threads)]

    def call(self):
        while not self.ending.is_set():
            try:
                version = self.lab.invoke(self.endpoint)["version"]
            except Exception as error:  # the test says what it was
                with self.lock:
                    self.bad.append(repr(error))
                continue
            with self.lock:
                self.good += 1
                self.versions.add(version)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        wait_for(lambda: self.good > 20, "the first answers")
        return self

    def __exit__(self, *_):
        self.ending.set()
        for thread in self.threads:
            thread.join()


@pytest.fixture(scope="module")
def lab(server):
    return Lab(server)


def test_invokes_a_model_with_its_data(lab):
    lab.create("plain", data=f"s3://{BUCKET}/model.tar.gz")

    answer = lab.runtime.invoke_endpoint(EndpointName="plain", Body="1,2,3",
                                         ContentType="text/csv", CustomAttributes="trace-7")
    body = json.loads(answer["Body"].read())
    described = lab.sagemaker.describe_endpoint(EndpointName="plain")

    assert body["version"] == "one" and body["data"] == "weights"
    assert body["input"] == "1,2,3" and body["type"] == "text/csv"
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    assert answer["CustomAttributes"] == "trace-7"
    assert answer["ContentType"] == "application/json"
    image = described["ProductionVariants"][0]["DeployedImages"][0]
    assert image["SpecifiedImage"] == lab.image
    assert "@sha256:" in image["ResolvedImage"]
    lab.delete("plain")


def test_carries_what_containers_print_into_the_log(lab):
    lab.create("speaking", version="loud")
    logs = lab.server.client("logs")

    def lines():
        try:
            page = logs.filter_log_events(logGroupName="/aws/sagemaker/Endpoints/speaking",
                                          logStreamNamePrefix="AllTraffic/")
        except ClientError:
            return None
        return [event["message"] for event in page["events"]]

    assert wait_for(lines, "a line of the log") == ["serving loud"]
    lab.delete("speaking")


def test_turns_a_models_failure_into_a_model_error(lab):
    lab.create("failing")

    with pytest.raises(ClientError) as failure:
        lab.invoke("failing", "fail")

    assert failure.value.response["Error"]["Code"] == "ModelError"
    assert failure.value.response["OriginalStatusCode"] == 500
    assert failure.value.response["OriginalMessage"] == "cannot predict"
    assert failure.value.response["ResponseMetadata"]["HTTPStatusCode"] == 424
    lab.delete("failing")


def test_says_which_endpoint_is_missing(lab):
    with pytest.raises(ClientError) as invoked:
        lab.invoke("nothing")
    with pytest.raises(ClientError, match="Could not find endpoint"):
        lab.sagemaker.describe_endpoint(EndpointName="nothing")

    assert invoked.value.response["Error"]["Code"] == "ValidationError"
    assert "Endpoint nothing of account 123456789012 not found." in str(invoked.value)


def test_fails_a_broken_first_version_with_its_last_lines(lab):
    lab.config("stillborn-first", "broken")
    lab.sagemaker.create_endpoint(EndpointName="stillborn", EndpointConfigName="stillborn-first")

    described = lab.settled("stillborn", "Failed")

    assert "cannot open model.json" in described["FailureReason"]
    assert "aws logs tail /aws/sagemaker/Endpoints/stillborn" in described["FailureReason"]
    lab.delete("stillborn")


def test_updates_under_load_without_one_failed_answer(lab):
    lab.create("busy", count=2)
    with Callers(lab, "busy") as callers:
        for round_number in range(3):
            lab.config(f"busy-{round_number}", f"next-{round_number}", count=2)
            lab.sagemaker.update_endpoint(EndpointName="busy",
                                          EndpointConfigName=f"busy-{round_number}")
            assert lab.status("busy") == "Updating"
            described = lab.settled("busy")
            assert described["EndpointConfigName"] == f"busy-{round_number}"
            wait_for(lambda: lab.invoke("busy")["version"] == f"next-{round_number}", "the update")

    assert callers.bad == []
    assert callers.versions == {"one", "next-0", "next-1", "next-2"}
    lab.delete("busy")


def test_rolls_a_broken_version_back_under_load(lab):
    lab.create("steady")
    lab.config("steady-broken", "broken")
    with Callers(lab, "steady") as callers:
        lab.sagemaker.update_endpoint(EndpointName="steady", EndpointConfigName="steady-broken")
        described = lab.settled("steady")

    assert described["EndpointConfigName"] == "steady-first"
    assert "cannot open model.json" in described["FailureReason"]
    assert callers.bad == []
    assert callers.versions == {"one"}
    lab.delete("steady")


def test_shifts_a_canary_its_share(lab):
    lab.create("canary")
    lab.config("canary-second", "two")
    lab.sagemaker.update_endpoint(
        EndpointName="canary",
        EndpointConfigName="canary-second",
        DeploymentConfig={"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": {
            "Type": "CANARY", "WaitIntervalInSeconds": 3,
            "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 30}}}},
    )
    pending = wait_for(
        lambda: lab.sagemaker.describe_endpoint(EndpointName="canary").get(
            "PendingDeploymentSummary"), "a pending deployment")
    wait_for(lambda: lab.invoke("canary")["version"] == "two", "the canary")

    seen = {lab.invoke("canary")["version"] for _ in range(60)}
    described = lab.settled("canary")

    assert pending["EndpointConfigName"] == "canary-second"
    assert seen == {"one", "two"}
    assert described["EndpointConfigName"] == "canary-second"
    assert "BlueGreenUpdatePolicy" in described["LastDeploymentConfig"]
    lab.delete("canary")


def test_replaces_a_replica_that_crashes(lab):
    lab.create("fragile", count=2)
    with pytest.raises(ClientError) as crash:
        lab.invoke("fragile", "exit")
    assert crash.value.response["Error"]["Code"] == "ModelError"

    for _ in range(20):
        assert lab.invoke("fragile")["version"] == "one"

    wait_for(lambda: lab.settled("fragile")["ProductionVariants"][0]["CurrentInstanceCount"] == 2,
             "a new replica")
    lab.delete("fragile")


def test_scales_and_sets_weights(lab):
    lab.create("elastic")
    lab.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="elastic",
        DesiredWeightsAndCapacities=[
            {"VariantName": "AllTraffic", "DesiredInstanceCount": 3, "DesiredWeight": 2.0}],
    )
    assert lab.status("elastic") in ("Updating", "InService")

    variant = lab.settled("elastic")["ProductionVariants"][0]
    hosts = {lab.invoke("elastic")["host"] for _ in range(100)}

    assert variant["CurrentInstanceCount"] == 3 and variant["CurrentWeight"] == 2.0
    assert len(hosts) == 3
    lab.delete("elastic")


def test_splits_traffic_between_variants_and_lets_clients_choose(lab):
    for name in ("left", "right"):
        lab.sagemaker.create_model(
            ModelName=f"split-{name}", ExecutionRoleArn=ROLE,
            PrimaryContainer={"Image": lab.image, "Environment": {"VERSION": name}})
    lab.sagemaker.create_endpoint_config(
        EndpointConfigName="split",
        ProductionVariants=[
            {"VariantName": name, "ModelName": f"split-{name}", "InstanceType": "ml.m5.large",
             "InitialInstanceCount": 1, "InitialVariantWeight": weight}
            for name, weight in (("left", 3.0), ("right", 1.0))],
    )
    lab.sagemaker.create_endpoint(EndpointName="split", EndpointConfigName="split")
    lab.settled("split")

    seen = [lab.invoke("split")["version"] for _ in range(200)]
    chosen = {lab.invoke("split", TargetVariant="right")["version"] for _ in range(5)}

    assert 20 <= seen.count("right") <= 85  # 50 expected
    assert chosen == {"right"}
    with pytest.raises(ClientError, match="middle"):
        lab.invoke("split", TargetVariant="middle")
    lab.delete("split")


def test_refuses_what_clients_must_not_do(lab):
    lab.create("fixed")
    arn = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/fixed"
    with pytest.raises(ClientError) as twice:
        lab.sagemaker.create_endpoint(EndpointName="fixed", EndpointConfigName="fixed-first")
    with pytest.raises(ClientError, match="Could not find endpoint configuration"):
        lab.sagemaker.update_endpoint(EndpointName="fixed", EndpointConfigName="absent")
    lab.config("fixed-second", "two")
    lab.sagemaker.update_endpoint(EndpointName="fixed", EndpointConfigName="fixed-second")
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        lab.sagemaker.update_endpoint(EndpointName="fixed", EndpointConfigName="fixed-first")

    message = twice.value.response["Error"]["Message"]
    assert message.startswith(f'Cannot create already existing endpoint "{arn}"')
    lab.settled("fixed")
    listed = lab.sagemaker.list_endpoints(NameContains="fixed")["Endpoints"]
    assert [(each["EndpointName"], each["EndpointStatus"]) for each in listed] == [
        ("fixed", "InService")]
    lab.delete("fixed")


def test_serves_again_after_the_server_was_killed(own_server):
    lab = Lab(own_server)
    lab.create("lasting", count=2)
    processes = {lab.invoke("lasting")["pid"] for _ in range(40)}
    hosts = {lab.invoke("lasting")["host"] for _ in range(40)}

    own_server.kill()
    own_server.start()
    again = Lab.__new__(Lab)
    again.__dict__.update(lab.__dict__)
    again.runtime = own_server.client("sagemaker-runtime", retries={"max_attempts": 0})
    again.sagemaker = own_server.client("sagemaker")

    def answers():
        try:
            return again.invoke("lasting")
        except ClientError:
            return None

    wait_for(answers, "an answer after the restart")
    wait_for(lambda: {again.invoke("lasting")["host"] for _ in range(20)} == hosts, "both replicas")
    assert {again.invoke("lasting")["pid"] for _ in range(40)} == processes
    assert again.status("lasting") == "InService"
    again.delete("lasting")


def test_finishes_an_update_that_the_servers_death_cut_in_two(own_server):
    lab = Lab(own_server)
    lab.create("halfway")
    lab.config("halfway-second", "two")
    lab.sagemaker.update_endpoint(EndpointName="halfway", EndpointConfigName="halfway-second")

    own_server.kill()
    own_server.start()
    lab.sagemaker = own_server.client("sagemaker")
    lab.runtime = own_server.client("sagemaker-runtime")

    described = lab.settled("halfway")
    assert described["EndpointConfigName"] == "halfway-second"
    assert wait_for(lambda: lab.invoke("halfway")["version"] == "two", "the new version")
    lab.delete("halfway")


def test_drains_a_slow_request_before_the_old_replica_stops(lab):
    lab.create("slow")
    lab.config("slow-second", "two")
    answers = []
    caller = threading.Thread(target=lambda: answers.append(lab.invoke("slow", "sleep 4")))
    caller.start()
    logs = lab.server.client("logs")
    wait_for(lambda: logs.filter_log_events(logGroupName="/aws/sagemaker/Endpoints/slow",
                                            filterPattern="sleeping")["events"],
             "the request is with the model")
    lab.sagemaker.update_endpoint(EndpointName="slow", EndpointConfigName="slow-second")
    lab.settled("slow")

    caller.join()

    assert [answer["version"] for answer in answers] == ["one"]
    lab.delete("slow")


def holders(data):
    """Processes that hold a container of the server on this data directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(data / "containers").encode() in entry.read_bytes():
                found.append(entry.parent.name)
        except OSError:  # ended meanwhile
            pass
    return found


def test_down_all_ends_the_containers_and_the_next_start_brings_them_back(own_server):
    lab = Lab(own_server)
    lab.create("lasting")
    own_server.stop()
    assert holders(own_server.data)
    result = own_server.slipway("down", "--all")
    assert result.returncode == 0, result.stderr
    assert "ended containers: 1" in result.stdout
    assert not holders(own_server.data)
    refused = own_server.slipway("down")
    assert refused.returncode == 1 and "no server runs" in refused.stderr

    own_server.start()
    lab.runtime = own_server.client("sagemaker-runtime", retries={"max_attempts": 0})

    def answers():
        try:
            return lab.invoke("lasting")
        except ClientError:
            return None

    wait_for(answers, "an answer after the restart")
