"""Runs the training DAG. Usage: train.py DAG CONFIGURATION.json DOTENV"""

import json
import os
import sys
from pathlib import Path

import boto3

import dags


def package_of(group, version):
    """Returns the ARN of the group's newest package with this version."""
    sagemaker = boto3.client("sagemaker")
    pages = sagemaker.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=group, SortBy="CreationTime", SortOrder="Descending"
    )
    for page in pages:
        for item in page["ModelPackageSummaryList"]:
            arn = item["ModelPackageArn"]
            package = sagemaker.describe_model_package(ModelPackageName=arn)
            metadata = package.get("CustomerMetadataProperties", {})
            if metadata.get("version") == version:
                return arn
    raise SystemExit(f"no version {version} in {group}")


def main(dag, configuration, dotenv):
    """Trains, evaluates and registers; leaves MODEL_PACKAGE for the deployment."""
    conf = json.loads(Path(configuration).read_text(encoding="utf-8"))
    run_id = f"pipeline-{os.environ['CI_PIPELINE_ID']}-{os.environ['CI_JOB_ID']}"
    dags.trigger(dag, conf, run_id)
    dags.wait(dag, run_id)
    package = package_of(os.environ["MODEL"], conf["Version"])
    Path(dotenv).write_text(f"MODEL_PACKAGE={package}\n", encoding="utf-8")
    print(f"{package} waits for approval: play the job deploy, or")
    print(f"  slipway approve {os.environ['MODEL']} {conf['Version']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
