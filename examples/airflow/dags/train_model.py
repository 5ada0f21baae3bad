"""Trains, evaluates and registers a model version, and tells a topic about it.

Started with a configuration (see README.md): airflow dags trigger train_model --conf '{...}'
"""

import hashlib

from airflow.models.param import Param
from airflow.providers.amazon.aws.operators.sagemaker import (
    SageMakerProcessingOperator,
    SageMakerRegisterModelVersionOperator,
    SageMakerTrainingOperator,
)
from airflow.providers.amazon.aws.operators.sns import SnsPublishOperator

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG

LOOK_AGAIN = 2  # seconds
TEXT = {"type": "string", "minLength": 1}


def short(run_id):
    """A name that is the run's own and that SageMaker takes."""
    return hashlib.sha256(run_id.encode()).hexdigest()[:12]


def resources():
    """One machine, as training and processing ask for it."""
    return {"InstanceCount": 1, "InstanceType": "{{ params.instance }}", "VolumeSizeInGB": 1}


with DAG(
    dag_id="train_model",
    schedule=None,
    catchup=False,
    tags=["sagemaker"],
    user_defined_filters={"short": short},
    params={
        "model": Param("tumour", **TEXT),
        "image": Param("tumour:latest", **TEXT),
        "training_data": Param("s3://models/tumour/data/train", **TEXT),
        "test_data": Param("s3://models/tumour/data/test", **TEXT),
        "output": Param("s3://models/tumour/runs", **TEXT),
        "max_depth": Param(2, type="integer", minimum=1),
        "instance": Param("ml.m5.large", **TEXT),
        "role": Param("arn:aws:iam::123456789012:role/slipway-execution", **TEXT),
        "topic": Param("arn:aws:sns:us-east-1:123456789012:models", **TEXT),
    },
) as dag:
    train = SageMakerTrainingOperator(
        task_id="train",
        check_interval=LOOK_AGAIN,
        config={
            "TrainingJobName": "{{ params.model }}-train-{{ run_id | short }}",
            "RoleArn": "{{ params.role }}",
            "AlgorithmSpecification": {
                "TrainingImage": "{{ params.image }}",
                "TrainingInputMode": "File",
            },
            "HyperParameters": {"max_depth": "{{ params.max_depth }}"},
            "InputDataConfig": [{
                "ChannelName": "training",
                "DataSource": {"S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": "{{ params.training_data }}",
                    "S3DataDistributionType": "FullyReplicated",
                }},
            }],
            "OutputDataConfig": {"S3OutputPath": "{{ params.output }}"},
            "ResourceConfig": resources(),
            "StoppingCondition": {"MaxRuntimeInSeconds": 900},
        },
    )

    artifact = (
        "{{ ti.xcom_pull(task_ids='train')['Training']['ModelArtifacts']['S3ModelArtifacts'] }}"
    )
    report = "{{ params.output }}/evaluation-{{ run_id | short }}"

    evaluate = SageMakerProcessingOperator(
        task_id="evaluate",
        check_interval=LOOK_AGAIN,
        config={
            "ProcessingJobName": "{{ params.model }}-evaluate-{{ run_id | short }}",
            "RoleArn": "{{ params.role }}",
            "AppSpecification": {
                "ImageUri": "{{ params.image }}",
                "ContainerArguments": ["evaluate"],
            },
            "ProcessingInputs": [
                {
                    "InputName": name,
                    "S3Input": {
                        "S3Uri": uri,
                        "LocalPath": f"/opt/ml/processing/input/{name}",
                        "S3DataType": "S3Prefix",
                        "S3InputMode": "File",
                    },
                }
                for name, uri in (("model", artifact), ("test", "{{ params.test_data }}"))
            ],
            "ProcessingOutputConfig": {"Outputs": [{
                "OutputName": "evaluation",
                "S3Output": {
                    "S3Uri": report,
                    "LocalPath": "/opt/ml/processing/output/evaluation",
                    "S3UploadMode": "EndOfJob",
                },
            }]},
            "ProcessingResources": {"ClusterConfig": resources()},
            "StoppingCondition": {"MaxRuntimeInSeconds": 900},
        },
    )

    register = SageMakerRegisterModelVersionOperator(
        task_id="register",
        image_uri="{{ params.image }}",
        model_url=artifact,
        package_group_name="{{ params.model }}",
        package_group_desc="Models that train_model registers",
        package_desc="by {{ run_id }}, evaluated in " + report,
    )

    tell = SnsPublishOperator(
        task_id="tell",
        target_arn="{{ params.topic }}",
        subject="A version of {{ params.model }} waits for approval",
        message="{{ ti.xcom_pull(task_ids='register') }} is trained; its evaluation is in " + report,
    )

    train >> evaluate >> register >> tell
