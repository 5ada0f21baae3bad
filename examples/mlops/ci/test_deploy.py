"""When a version is deployed by the job, and when it is left as it is."""

import json

import boto3
import pytest

import dags
import deploy

PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/m/1"
OTHER = "arn:aws:sagemaker:us-east-1:123456789012:model-package/m/2"


class SageMaker:
    """The endpoint `m`, which serves one version."""

    def __init__(self, live):
        self.live = live

    def describe_endpoint(self, **_):
        """Its configuration's name."""
        return {"EndpointConfigName": "c"}

    def describe_endpoint_config(self, **_):
        """Its model's name."""
        return {"ProductionVariants": [{"ModelName": "m"}]}

    def describe_model(self, **_):
        """The version that it is made of."""
        return {"PrimaryContainer": {"ModelPackageName": self.live}}


@pytest.mark.parametrize(
    "state, live, runs",
    [
        ("queued", OTHER, 1),
        ("running", OTHER, 1),  # an approval has started it
        ("success", PACKAGE, 1),
        ("success", OTHER, 2),  # another version came after it: this is the way back
        ("failed", OTHER, 2),
        ("failed", PACKAGE, 2),
    ],
)
def test_it_is_deployed_where_it_is_not_live(monkeypatch, state, live, runs):
    """The second run has a name of this job's own."""
    started, followed = [], []
    monkeypatch.setenv("CI_JOB_ID", "12")
    monkeypatch.setattr(
        dags, "trigger", lambda dag, conf, run_id: (started.append(run_id), state)[1])
    monkeypatch.setattr(dags, "wait", lambda dag, run_id: followed.append(run_id))
    deploy.deploy(SageMaker(live), "m-deployment", PACKAGE, "m")
    assert len(started) == runs and followed == [started[-1]]
    assert started[-1].endswith("-12") == (runs == 2)


class Function:
    """A trigger function that refuses."""

    def __init__(self, message):
        self.message = message

    def invoke(self, **_):
        """Lambda's answer for a function that raised."""
        answer = json.dumps({"errorMessage": self.message, "errorType": "TriggerError"})

        class Payload:
            """A body that is read once."""
            read = staticmethod(lambda: answer)

        return {"FunctionError": "Unhandled", "Payload": Payload}


def test_a_run_that_is_there_is_followed(monkeypatch):
    """The answer to the call that started it may have been lost."""
    said = "Airflow answered 409: DAGRun with DAG ID: 'm' and DAGRun ID: 'r' already exists"
    monkeypatch.setattr(boto3, "client", lambda service: Function(said))
    monkeypatch.setattr(dags, "_run", lambda dag, run_id: {"state": "running"})
    assert dags.trigger("m", {}, "r") == "running"
    monkeypatch.setattr(boto3, "client", lambda service: Function("Airflow answered 404: no DAG"))
    with pytest.raises(SystemExit, match="the trigger function failed: Airflow answered 404"):
        dags.trigger("m", {}, "r")
