"""Pipelines by the SageMaker SDK for Python, version 2. Skipped where it is not installed."""

import os

import boto3
import pytest

os.environ.setdefault("SAGEMAKER_TELEMETRY_OPT_OUT", "true")
pytest.importorskip("sagemaker.workflow.pipeline")

from sagemaker.estimator import Estimator  # noqa: E402
from sagemaker.model import Model  # noqa: E402
from sagemaker.processing import ProcessingOutput, Processor  # noqa: E402
from sagemaker.workflow.condition_step import ConditionStep  # noqa: E402
from sagemaker.workflow.conditions import ConditionGreaterThanOrEqualTo  # noqa: E402
from sagemaker.workflow.fail_step import FailStep  # noqa: E402
from sagemaker.workflow.functions import Join, JsonGet  # noqa: E402
from sagemaker.workflow.model_step import ModelStep  # noqa: E402
from sagemaker.workflow.parameters import ParameterFloat, ParameterInteger  # noqa: E402
from sagemaker.workflow.pipeline import Pipeline  # noqa: E402
from sagemaker.workflow.pipeline_context import PipelineSession  # noqa: E402
from sagemaker.workflow.properties import PropertyFile  # noqa: E402
from sagemaker.workflow.steps import CacheConfig, ProcessingStep, TrainingStep  # noqa: E402

ROLE = "arn:aws:iam::123456789012:role/builder"


@pytest.fixture(scope="module")
def session(server):
    """The SDK's session for pipelines, on this server."""
    key, secret = server.keys
    os.environ["AWS_ENDPOINT_URL"] = server.endpoint
    boto_session = boto3.Session(aws_access_key_id=key, aws_secret_access_key=secret,
                                 region_name="us-east-1")
    yield PipelineSession(boto_session=boto_session, default_bucket="sdk-lab")
    del os.environ["AWS_ENDPOINT_URL"]


def machine_learning(session):
    """Train, evaluate, and by the metric register the model or fail."""
    depth = ParameterInteger(name="Depth", default_value=3)
    least = ParameterFloat(name="Least", default_value=0.8)
    estimator = Estimator(
        image_uri="host", role=ROLE, instance_count=1, instance_type="ml.m5.large",
        hyperparameters={"depth": depth}, output_path=f"s3://{session.default_bucket()}/models",
        container_entry_point=["/bin/sh", "-c", "cp /opt/ml/input/config/hyperparameters.json /opt/ml/model"],
        sagemaker_session=session)
    train = TrainingStep(name="Train", step_args=estimator.fit(), cache_config=CacheConfig(
        enable_caching=True, expire_after="PT1H"))
    processor = Processor(
        image_uri="host", role=ROLE, instance_count=1, instance_type="ml.m5.large",
        entrypoint=["/bin/sh", "-c",
                    "echo '{\"f1\": 0.9}' > /opt/ml/processing/report/evaluation.json"],
        sagemaker_session=session)
    report = PropertyFile(name="report", output_name="report", path="evaluation.json")
    evaluate = ProcessingStep(
        name="Evaluate", property_files=[report], depends_on=[train],
        step_args=processor.run(outputs=[
            ProcessingOutput(output_name="report", source="/opt/ml/processing/report")]))
    model = Model(image_uri="host", model_data=train.properties.ModelArtifacts.S3ModelArtifacts,
                  role=ROLE, sagemaker_session=session)
    register = ModelStep(name="Model", step_args=model.register(
        content_types=["text/csv"], response_types=["text/csv"],
        inference_instances=["ml.m5.large"], transform_instances=["ml.m5.large"],
        model_package_group_name="sdk-models", approval_status="PendingManualApproval"))
    score = JsonGet(step_name="Evaluate", property_file=report, json_path="f1")
    decide = ConditionStep(
        name="Decide", conditions=[ConditionGreaterThanOrEqualTo(left=score, right=least)],
        if_steps=[register],
        else_steps=[FailStep(name="TooBad", error_message=Join(on=" ", values=["f1 below", least]))])
    return Pipeline(name="sdk", parameters=[depth, least], steps=[train, evaluate, decide],
                    sagemaker_session=session)


def test_a_pipeline_of_the_sdk(session):
    pipeline = machine_learning(session)
    pipeline.upsert(role_arn=ROLE, tags=[{"Key": "team", "Value": "a"}])
    pipeline.upsert(role_arn=ROLE, tags=[{"Key": "team", "Value": "b"}])

    execution = pipeline.start(parameters={"Depth": 5})
    execution.wait(delay=1, max_attempts=120)

    assert execution.describe()["PipelineExecutionStatus"] == "Succeeded"
    steps = {step["StepName"]: step for step in execution.list_steps()}
    assert {name: step["StepStatus"] for name, step in steps.items()} == {
        "Train": "Succeeded", "Evaluate": "Succeeded", "Decide": "Succeeded",
        "Model-RegisterModel": "Succeeded"}
    package = steps["Model-RegisterModel"]["Metadata"]["RegisterModel"]["Arn"]
    assert package.endswith("model-package/sdk-models/1")
    assert {each["Name"]: each["Value"] for each in execution.list_parameters()[
        "PipelineParameters"]} == {"Depth": "5", "Least": "0.8"}

    failed = pipeline.start(parameters={"Depth": 5, "Least": 0.95})
    with pytest.raises(Exception, match="Failed"):
        failed.wait(delay=1, max_attempts=120)
    steps = {step["StepName"]: step for step in failed.list_steps()}
    assert "CacheHitResult" in steps["Train"]
    assert steps["TooBad"]["FailureReason"] == "f1 below 0.95"
    pipeline.delete()
