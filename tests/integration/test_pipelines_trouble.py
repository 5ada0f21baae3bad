"""Pipelines by stock clients in trouble: a server killed under functions, endpoints wanted twice."""

import io
import json
import threading
import uuid
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import wait_for
from test_pipelines import (ROLE, SERVE, create, ended, processing, start, statuses, steps_of)

INTERRUPTED = "The server ended while the function ran"

# Tells the counter that it runs, and is slow the first time that it is told to be.
WORK = """
import time, urllib.request
def handler(event, context):
    count = int(urllib.request.urlopen(event["url"]).read())
    if event["slow"] and count == 1:
        time.sleep(100)
    return {"count": count}
"""


class Effects:
    """A web server that says how often a path was asked for."""

    def __init__(self):
        self.paths = []
        lock = threading.Lock()
        effects = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                with lock:
                    effects.paths.append(self.path)
                    body = str(effects.paths.count(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(name="effects")
def _effects():
    made = Effects()
    yield made
    made.server.shutdown()
    made.server.server_close()


def make_function(server):
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("work.py", WORK)
    role = server.client("iam").create_role(
        RoleName="worker", AssumeRolePolicyDocument=json.dumps({
            "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Action": "sts:AssumeRole",
                "Principal": {"Service": "lambda.amazonaws.com"}}]}))["Role"]["Arn"]
    return server.client("lambda").create_function(
        FunctionName="work", Runtime="python3.11", Handler="work.handler", Role=role, Timeout=120,
        Code={"ZipFile": code.getvalue()})["FunctionArn"]


def call(name, function, effects, slow=False, **members):
    """A Lambda step that tells the effect /<execution>/<name>."""
    url = {"Std:Join": {"On": "/", "Values": [
        effects.url, {"Get": "Execution.PipelineExecutionId"}, name]}}
    return {"Name": name, "Type": "Lambda", "FunctionArn": function,
            "Arguments": {"url": url, "slow": slow},
            "OutputParameters": [{"OutputName": "count", "OutputType": "Integer"}], **members}


def test_a_function_that_the_server_died_with_is_not_invoked_again(own_server, effects):
    sagemaker = own_server.client("sagemaker")
    function = make_function(own_server)
    retry = [{"ExceptionType": ["Step.SERVICE_FAULT"], "IntervalSeconds": 1, "MaxAttempts": 3}]
    create(sagemaker, "once", call("Work", function, effects, slow=True))
    create(sagemaker, "again", call("Work", function, effects, slow=True, RetryPolicies=retry))
    arns = {name: start(sagemaker, name) for name in ("once", "again")}
    path = {name: f"/{arn.split('/')[-1]}/Work" for name, arn in arns.items()}
    wait_for(lambda: set(effects.paths) == set(path.values()), "both functions")
    own_server.kill()
    own_server.start()

    once = ended(sagemaker, arns["once"])
    assert once["PipelineExecutionStatus"] == "Failed" and INTERRUPTED in once["FailureReason"]
    assert INTERRUPTED in steps_of(sagemaker, arns["once"])["Work"]["FailureReason"]
    assert effects.paths.count(path["once"]) == 1
    again = ended(sagemaker, arns["again"])
    assert again["PipelineExecutionStatus"] == "Succeeded", again
    step = steps_of(sagemaker, arns["again"])["Work"]
    assert step["AttemptCount"] == 2
    assert step["Metadata"]["Lambda"]["OutputParameters"] == [{"Name": "count", "Value": "2"}]

    # A person may have it done again.
    sagemaker.retry_pipeline_execution(PipelineExecutionArn=arns["once"])
    assert ended(sagemaker, arns["once"])["PipelineExecutionStatus"] == "Succeeded"
    assert effects.paths.count(path["once"]) == 2


def test_killed_at_any_moment_functions_run_once(own_server, effects):
    sagemaker = own_server.client("sagemaker")
    function = make_function(own_server)
    names = [f"S{i}" for i in range(6)]
    create(sagemaker, "chain", call(names[0], function, effects), *[
        call(name, function, effects, DependsOn=[before])
        for before, name in zip(names, names[1:])])
    arns = [start(sagemaker, "chain") for _ in range(4)]
    for kills in range(1, 6):
        wait_for(lambda: len(effects.paths) >= 3 * kills or all(
            set(statuses(sagemaker, arn).values()) & {"Failed"} for arn in arns), "effects")
        own_server.kill()
        own_server.start()
        arns.append(start(sagemaker, "chain"))
    for arn in arns:
        found = ended(sagemaker, arn)
        done = [name for name, status in statuses(sagemaker, arn).items() if status == "Succeeded"]
        told = [f"/{arn.split('/')[-1]}/{name}" for name in done]
        assert [effects.paths.count(path) for path in told] == [1] * len(told)
        if found["PipelineExecutionStatus"] == "Succeeded":
            assert done == names
        else:
            assert found["PipelineExecutionStatus"] == "Failed"
            assert INTERRUPTED in found["FailureReason"]
    assert len(effects.paths) == len(set(effects.paths)), "nothing twice"


# --- two approvals in quick succession -----------------------------------------------------------


@pytest.fixture(scope="module", name="deployments")
def _deployments(server):
    """Makes approved versions, and deploys them by a pipeline of the name."""
    return Deployments(server)


class Deployments:
    def __init__(self, server):
        self.sagemaker = server.client("sagemaker")
        slow = SERVE.replace("class Handler", "import time; time.sleep(1.5)\nclass Handler")
        self.image = server.push_image("lab/slow", "1.0.0", {"/serve.py": slow},
                                       entrypoint=["/usr/bin/python3", "/serve.py"])

    def make(self, name):
        """A group, and a pipeline that deploys its versions to the endpoint of the same name."""
        self.sagemaker.create_model_package_group(ModelPackageGroupName=name)
        hold = processing("Hold", 'sleep "$SECONDS_TO_HOLD"')
        hold["Arguments"]["Environment"] = {"SECONDS_TO_HOLD": {"Get": "Parameters.Hold"}}
        model = {"Name": "Model", "Type": "Model", "DependsOn": ["Hold"], "Arguments": {
            "ExecutionRoleArn": ROLE,
            "PrimaryContainer": {"ModelPackageName": {"Get": "Parameters.Version"}}}}
        config = {"Name": "Config", "Type": "EndpointConfig", "Arguments": {"ProductionVariants": [{
            "VariantName": "AllTraffic", "ModelName": {"Get": "Steps.Model.ModelName"},
            "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}]}}
        endpoint = {"Name": "Endpoint", "Type": "Endpoint", "Arguments": {
            "EndpointName": name,
            "EndpointConfigName": {"Get": "Steps.Config.EndpointConfigName"}}}
        create(self.sagemaker, name, hold, model, config, endpoint, parameters=[
            {"Name": "Version", "Type": "String"},
            {"Name": "Hold", "Type": "String", "DefaultValue": "0"}])

    def approved(self, group):
        """A new version that is approved."""
        return self.sagemaker.create_model_package(
            ModelPackageGroupName=group, ModelApprovalStatus="Approved",
            InferenceSpecification={
                "Containers": [{"Image": self.image}], "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"]})["ModelPackageArn"]

    def deploy(self, name, version, hold="0"):
        return start(self.sagemaker, name, PipelineParameters=[
            {"Name": "Version", "Value": version}, {"Name": "Hold", "Value": hold}])

    def served(self, name):
        """The version that the endpoint serves."""
        found = self.sagemaker.describe_endpoint(EndpointName=name)
        assert found["EndpointStatus"] == "InService"
        config = self.sagemaker.describe_endpoint_config(
            EndpointConfigName=found["EndpointConfigName"])
        model = self.sagemaker.describe_model(
            ModelName=config["ProductionVariants"][0]["ModelName"])
        return model["PrimaryContainer"]["ModelPackageName"]


def test_two_approvals_are_deployed_one_after_the_other(deployments):
    name = f"twice-{uuid.uuid4().hex[:6]}"
    deployments.make(name)
    sagemaker = deployments.sagemaker
    for _ in range(2):  # while the endpoint is created, and while it is updated
        versions = [deployments.approved(name) for _ in range(2)]
        first = deployments.deploy(name, versions[0])
        wait_for(lambda: "Endpoint" in statuses(sagemaker, first), "the first at the endpoint")
        second = deployments.deploy(name, versions[1])
        for arn in (first, second):
            found = ended(sagemaker, arn)
            assert found["PipelineExecutionStatus"] == "Succeeded", found.get("FailureReason")
        assert deployments.served(name) == versions[1]
    sagemaker.delete_endpoint(EndpointName=name)


def test_an_earlier_approval_does_not_replace_a_later_one(deployments):
    name = f"overtaken-{uuid.uuid4().hex[:6]}"
    deployments.make(name)
    sagemaker = deployments.sagemaker
    early, late = deployments.approved(name), deployments.approved(name)
    slow = deployments.deploy(name, early, hold="6")
    quick = deployments.deploy(name, late)
    assert ended(sagemaker, quick)["PipelineExecutionStatus"] == "Succeeded"
    found = ended(sagemaker, slow)
    assert found["PipelineExecutionStatus"] == "Failed"
    assert f"approved later: {late}, put there by {quick}" in found["FailureReason"]
    assert deployments.served(name) == late
    # Who wants the earlier one back deploys it again.
    back = deployments.deploy(name, early)
    assert ended(sagemaker, back)["PipelineExecutionStatus"] == "Succeeded"
    assert deployments.served(name) == early
    sagemaker.delete_endpoint(EndpointName=name)
