"""Approves a model version and runs the deployment DAG. Usage: deploy.py DAG MODEL_PACKAGE_ARN"""

import hashlib
import os
import sys

import boto3

import dags


def main(dag, package):
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


if __name__ == "__main__":
    main(*sys.argv[1:])
