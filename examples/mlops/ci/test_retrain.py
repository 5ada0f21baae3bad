"""Which models are trained again, and under which version."""

import datetime

import boto3
import pytest

import dags
import retrain
from retrain import decide, is_due, next_build

NOW = datetime.datetime(2026, 3, 1, 2, 30, tzinfo=datetime.timezone.utc)


@pytest.mark.parametrize(
    "hours_old, limit, due", [(23.9, 24, False), (24, 24, True), (0, 0, True), (100, 168, False)]
)
def test_age_decides(hours_old, limit, due):
    """A version is due from the hour on at which it reaches the limit."""
    created = NOW - datetime.timedelta(hours=hours_old)
    assert is_due(created, NOW, limit) is due


@pytest.mark.parametrize(
    "version, following", [("1.2.0", "1.2.0+r1"), ("1.2.0+r1", "1.2.0+r2"), ("0.0.9+r9", "0.0.9+r10")]
)
def test_the_same_code_keeps_its_number(version, following):
    """Only the build number grows."""
    assert next_build(version) == following


@pytest.mark.parametrize("text", ["", "1.2", "v1.2.0", "1.2.0+build"])
def test_anything_else_is_no_version(text):
    """A version that nobody made is not counted on."""
    with pytest.raises(ValueError):
        next_build(text)


def package(version, hours_old, status="Approved"):
    """A version as DescribeModelPackage tells it."""
    return {
        "ModelPackageArn": f"arn:aws:sagemaker:us-east-1:123456789012:model-package/m/{version}",
        "CreationTime": NOW - datetime.timedelta(hours=hours_old),
        "ModelApprovalStatus": status,
        "CustomerMetadataProperties": {
            "version": version, "imageDigest": "sha256:1", "commit": "4f2a", "dataDigest": "sha256:2"},
        "InferenceSpecification": {"Containers": [{"Image": "m@sha256:1"}]},
    }


def decided(packages, hours=20):
    """What decide() says, with the version in the place of its description."""
    found, text = decide(packages, NOW, hours)
    return (found and found["CustomerMetadataProperties"]["version"], text)


def test_what_last_night_trained_is_due_tonight():
    """Its version is a little younger than a day, as the training took its time."""
    assert decided([package("1.0.0+r1", 23.9), package("1.0.0", 48)]) == ("1.0.0+r1", "1.0.0+r2")
    assert decided([package("1.0.0", 3)]) == (None, "1.0.0 is young enough")


def test_what_was_rejected_is_not_trained_again():
    """The version before it is, and never gets a name that was given already."""
    rejected = package("1.1.0", 30, "Rejected")
    assert decided([rejected, package("1.0.0", 50)]) == ("1.0.0", "1.0.0+r1")
    again = package("1.0.0+r1", 30, "Rejected")
    assert decided([again, package("1.0.0", 50)]) == ("1.0.0", "1.0.0+r2")
    assert decided([rejected]) == (None, "every version was rejected")


def test_what_others_registered_is_left_alone():
    """A model that this repository did not make has no version, or one of another form."""
    assert decided([]) == (None, "it has no version")
    foreign = package("1.0.0", 50)
    del foreign["CustomerMetadataProperties"]
    assert decided([foreign])[0] is None
    assert decided([package("v7", 50)])[0] is None


def test_one_model_keeps_no_other_from_its_training(monkeypatch, capsys):
    """What is wrong with one is said, and the job fails at the end."""
    started = []

    def trigger(dag, conf, run_id):
        if dag == "a-training":
            raise SystemExit("the trigger function failed: no such DAG")
        started.append((dag, conf["Version"], run_id))
        return "failed" if len(started) == 1 else "queued"

    monkeypatch.setenv("CI_PIPELINE_ID", "7")
    monkeypatch.setattr(boto3, "client", lambda service: None)
    monkeypatch.setattr(dags, "trigger", trigger)
    monkeypatch.setattr(retrain, "groups", lambda sagemaker: ["a", "b"])
    monkeypatch.setattr(retrain, "versions", lambda sagemaker, group: [package("1.0.0", 10000)])
    with pytest.raises(SystemExit, match="not trained again: a$"):
        retrain.main()
    assert [each[:2] for each in started] == [("b-training", "1.0.0+r1")] * 2
    first, second = [run_id for _, _, run_id in started]
    assert first.startswith("retrain-20") and first.endswith("-1.0.0-r1")
    assert second == first + "-7"  # today's had failed
    assert "a: the trigger function failed: no such DAG" in capsys.readouterr().out
