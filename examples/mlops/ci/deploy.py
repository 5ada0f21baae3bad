"""Approves a model version, deploys it and asks it once.

Usage: deploy.py DAG MODEL_PACKAGE_ARN MODEL_FOLDER
"""

import hashlib
import os
import sys
from pathlib import Path

import boto3

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
    print(f"smoke test: {answer['Body'].read(200).decode().splitlines()[0]}")


def main(dag, package, folder):
    """Approved and deployed once, whoever does it first: the run's id depends on the version alone."""
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
    run_id = "deploy-" + hashlib.sha256(package.encode()).hexdigest()
    dags.wait(dag, dags.trigger(dag, {"ModelPackageArn": package}, run_id))
    endpoint = sagemaker.describe_endpoint(EndpointName=found["ModelPackageGroupName"])
    print(f"endpoint {endpoint['EndpointName']} is {endpoint['EndpointStatus']}")
    smoke(endpoint["EndpointName"], folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
