"""Puts a registered model version behind an endpoint, and tells a topic about it.

Started with a configuration (see README.md): airflow dags trigger deploy_model --conf '{...}'
"""

import hashlib

from airflow.models.param import Param
from airflow.providers.amazon.aws.operators.sagemaker import (
    SageMakerEndpointConfigOperator,
    SageMakerEndpointOperator,
    SageMakerModelOperator,
)
from airflow.providers.amazon.aws.operators.sns import SnsPublishOperator

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG

LOOK_AGAIN = 2  # seconds
TEXT = {"type": "string", "minLength": 1}
# The model and the configuration of a run; both stay, so that the endpoint can go back to them.
NAME = "{{ params.endpoint }}-{{ run_id | short }}"


def short(run_id):
    """A name that is the run's own and that SageMaker takes."""
    return hashlib.sha256(run_id.encode()).hexdigest()[:12]


with DAG(
    dag_id="deploy_model",
    schedule=None,
    catchup=False,
    tags=["sagemaker"],
    user_defined_filters={"short": short},
    params={
        "endpoint": Param("tumour", **TEXT),
        "model_package": Param(
            "arn:aws:sagemaker:us-east-1:123456789012:model-package/tumour/1", **TEXT),
        "instance": Param("ml.m5.large", **TEXT),
        "instances": Param(1, type="integer", minimum=1),
        "role": Param("arn:aws:iam::123456789012:role/slipway-execution", **TEXT),
        "topic": Param("arn:aws:sns:us-east-1:123456789012:models", **TEXT),
    },
) as dag:
    model = SageMakerModelOperator(
        task_id="model",
        config={
            "ModelName": NAME,
            "ExecutionRoleArn": "{{ params.role }}",
            "Containers": [{"ModelPackageName": "{{ params.model_package }}"}],
        },
    )

    configuration = SageMakerEndpointConfigOperator(
        task_id="configuration",
        config={
            "EndpointConfigName": NAME,
            "ProductionVariants": [{
                "VariantName": "AllTraffic",
                "ModelName": NAME,
                "InstanceType": "{{ params.instance }}",
                "InitialInstanceCount": "{{ params.instances }}",
            }],
        },
    )

    # Creates the endpoint, or updates the one that is there.
    endpoint = SageMakerEndpointOperator(
        task_id="endpoint",
        check_interval=LOOK_AGAIN,
        config={"EndpointName": "{{ params.endpoint }}", "EndpointConfigName": NAME},
    )

    tell = SnsPublishOperator(
        task_id="tell",
        target_arn="{{ params.topic }}",
        subject="{{ params.endpoint }} serves another version",
        message="{{ params.endpoint }} serves {{ params.model_package }}",
    )

    model >> configuration >> endpoint >> tell
