"""Decides which models to train again, and starts their training.

A model is trained again when its newest version is RETRAIN_AFTER_HOURS (20) old: less than a day,
so that what a nightly schedule trained last night is due tonight. The code stays the same, so the
version keeps its number and gets the next build number: 1.2.0+r1, +r2. What a person has rejected
is not trained again; then it is the newest version before it.
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


def next_build(version, others=()):
    """Returns the version of the same code, trained once more than it and `others` were."""
    match = VERSION.fullmatch(version)
    if not match:
        raise ValueError(f"{version} is no version")
    same = [VERSION.fullmatch(other) for other in others]
    builds = [int(each["build"] or 0) for each in same if each and each["release"] == match["release"]]
    return f"{match['release']}+r{max(builds + [int(match['build'] or 0)]) + 1}"


def groups(sagemaker):
    """Returns the names of the models that have versions."""
    pages = sagemaker.get_paginator("list_model_package_groups").paginate()
    return [
        group["ModelPackageGroupName"]
        for page in pages
        for group in page["ModelPackageGroupSummaryList"]
    ]


def versions(sagemaker, group):
    """Yields descriptions of the group's versions, the newest first."""
    pages = sagemaker.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=group, SortBy="CreationTime", SortOrder="Descending"
    )
    for page in pages:
        for item in page["ModelPackageSummaryList"]:
            yield sagemaker.describe_model_package(ModelPackageName=item["ModelPackageArn"])


def decide(packages, now, hours):
    """Returns (the version to train again, its new name), or (None, why not)."""
    seen = []
    created = None
    for package in packages:
        metadata = package.get("CustomerMetadataProperties", {})
        version = metadata.get("version", "")
        if not VERSION.fullmatch(version):
            return None, "its newest version was not registered by this repository"
        created = created or package["CreationTime"]
        if not is_due(created, now, hours):
            return None, f"{version} is young enough"
        seen.append(version)
        if package["ModelApprovalStatus"] != "Rejected":
            return package, next_build(version, seen)
    return None, "every version was rejected" if seen else "it has no version"


def retrain(sagemaker, group, now, hours):
    """Starts the training of one model where it is due."""
    package, text = decide(versions(sagemaker, group), now, hours)
    if package is None:
        print(f"{group}: {text}", flush=True)
        return
    metadata = package["CustomerMetadataProperties"]
    conf = {
        "ImageUri": package["InferenceSpecification"]["Containers"][0]["Image"],
        "ImageDigest": metadata["imageDigest"],
        "Version": text,
        "Commit": metadata["commit"],
        "DataDigest": metadata["dataDigest"],
        "Message": f"retraining of {metadata['version']}",
    }
    print(f"{group}: {metadata['version']} is due, training {text}", flush=True)
    # Once a day, whichever team's schedule comes first; what failed today does not keep tomorrow's
    # from starting.
    run_id = f"retrain-{now:%Y-%m-%d}-{text.replace('+', '-')}"
    if dags.trigger(f"{group}-training", conf, run_id) == "failed":
        dags.trigger(f"{group}-training", conf, f"{run_id}-{os.environ['CI_PIPELINE_ID']}")


def main():
    """Looks at every model once; what is wrong with one keeps no other from its training."""
    sagemaker = boto3.client("sagemaker")
    hours = float(os.environ.get("RETRAIN_AFTER_HOURS", "20"))
    now = datetime.datetime.now(datetime.timezone.utc)
    failed = []
    for group in groups(sagemaker):
        try:
            retrain(sagemaker, group, now, hours)
        except (Exception, SystemExit) as error:  # pylint: disable=broad-exception-caught
            print(f"{group}: {error}", flush=True)
            failed.append(group)
    if failed:
        raise SystemExit(f"not trained again: {', '.join(failed)}")


if __name__ == "__main__":
    main()
