"""Decides which models to train again, and starts their training.

A model is trained again when its newest version is older than RETRAIN_AFTER_HOURS (24). The code
stays the same, so the version keeps its number and gets the next build number: 1.2.0+r1, +r2.
"""

import datetime
import os
import re

import boto3

import dags

VERSION = re.compile(r"(?P<release>\d+\.\d+\.\d+)(?:\+r(?P<build>\d+))?")


def is_due(created, now, hours):
    """Whether a version of that age wants to be trained again."""
    return now - created >= datetime.timedelta(hours=hours)


def next_build(version):
    """Returns the version of the same code, trained once more."""
    match = VERSION.fullmatch(version)
    if not match:
        raise ValueError(f"{version} is no version")
    return f"{match['release']}+r{int(match['build'] or 0) + 1}"


def groups(sagemaker):
    """Returns the names of the models that have versions."""
    pages = sagemaker.get_paginator("list_model_package_groups").paginate()
    return [
        group["ModelPackageGroupName"]
        for page in pages
        for group in page["ModelPackageGroupSummaryList"]
    ]


def newest(sagemaker, group):
    """Returns the newest version's description, or nothing."""
    found = sagemaker.list_model_packages(
        ModelPackageGroupName=group, SortBy="CreationTime", SortOrder="Descending", MaxResults=1
    )["ModelPackageSummaryList"]
    if not found:
        return None
    return sagemaker.describe_model_package(ModelPackageName=found[0]["ModelPackageArn"])


def main():
    """Looks at every model once."""
    sagemaker = boto3.client("sagemaker")
    hours = float(os.environ.get("RETRAIN_AFTER_HOURS", "24"))
    now = datetime.datetime.now(datetime.timezone.utc)
    for group in groups(sagemaker):
        package = newest(sagemaker, group)
        if package is None:
            continue
        metadata = package["CustomerMetadataProperties"]
        if not is_due(package["CreationTime"], now, hours):
            print(f"{group}: {metadata['version']} is young enough")
            continue
        container = package["InferenceSpecification"]["Containers"][0]
        version = next_build(metadata["version"])
        conf = {
            "ImageUri": container["Image"],
            "ImageDigest": metadata["imageDigest"],
            "Version": version,
            "Commit": metadata["commit"],
            "DataDigest": metadata["dataDigest"],
            "Message": f"retraining of {metadata['version']}",
        }
        print(f"{group}: {metadata['version']} is due, training {version}")
        dags.trigger(f"{group}-training", conf, f"retrain-{version.replace('+', '-')}")


if __name__ == "__main__":
    main()
