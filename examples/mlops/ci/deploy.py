"""Approves a model version, deploys it and asks it once.

Usage: deploy.py DAG MODEL_PACKAGE_ARN MODEL_FOLDER
"""

import hashlib
import os
import sys
from pathlib import Path

import boto3
from botocore.exceptions import ClientError

import dags


def smoke(endpoint, folder):
    """Sends the model's recorded request; a failed answer ends the job."""
    request = os.environ.get("SMOKE_REQUEST")
    if not request:
        return
    answer = boto3.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=endpoint,
        ContentType=os.environ["SMOKE_CONTENT_TYPE"],
        Body=(Path(folder) / request).read_bytes(),
    )
    text = answer["Body"].read(200).decode(errors="replace")
    print(f"smoke test: {(text.splitlines() or ['an empty answer'])[0]}")


def serves(sagemaker, endpoint, package):
    """Whether the endpoint's configuration has a model of this version."""
    try:
        config = sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    except ClientError:  # there is none, or not any more
        return False
    variants = sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    models = [sagemaker.describe_model(ModelName=each["ModelName"]) for each in variants]
    return any(each.get("PrimaryContainer", {}).get("ModelPackageName") == package for each in models)


def deploy(sagemaker, dag, package, endpoint):
    """Deploys the version once, whoever does it first: the run's id depends on the version alone.

    Who plays the job of a version whose deployment has failed, or that another one has replaced
    since, wants it deployed again.
    """
    run_id = "deploy-" + hashlib.sha256(package.encode()).hexdigest()
    conf = {"ModelPackageArn": package}
    state = dags.trigger(dag, conf, run_id)
    if state == "failed" or (state == "success" and not serves(sagemaker, endpoint, package)):
        run_id += f"-{os.environ['CI_JOB_ID']}"
        print(f"{dag}: an earlier deployment of it has ended ({state}); once more", flush=True)
        dags.trigger(dag, conf, run_id)
    dags.wait(dag, run_id)


def main(dag, package, folder):
    """Approves where nobody has, deploys, asks."""
    sagemaker = boto3.client("sagemaker")
    found = sagemaker.describe_model_package(ModelPackageName=package)
    if found["ModelApprovalStatus"] == "Rejected":
        raise SystemExit(f"{package} was rejected: {found.get('ApprovalDescription', '')}")
    if found["ModelApprovalStatus"] != "Approved":
        sagemaker.update_model_package(
            ModelPackageArn=package,
            ModelApprovalStatus="Approved",
            ApprovalDescription=f"by {os.environ['GITLAB_USER_LOGIN']} in {os.environ['CI_JOB_URL']}",
        )
    deploy(sagemaker, dag, package, found["ModelPackageGroupName"])
    endpoint = sagemaker.describe_endpoint(EndpointName=found["ModelPackageGroupName"])
    print(f"endpoint {endpoint['EndpointName']} is {endpoint['EndpointStatus']}")
    smoke(endpoint["EndpointName"], folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
