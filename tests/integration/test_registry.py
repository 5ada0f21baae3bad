"""The registry with skopeo and podman, and ECR with boto3."""

import base64
import json
import os
import shutil
import subprocess
import tempfile

import pytest
import requests
from botocore.exceptions import ClientError

# podman needs a runtime and a storage of its own; limits below what a container may not raise.
PODMAN = ["--runtime", "runc", "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"]


def test_an_image_goes_there_and_back_unchanged(server, tmp_path):
    server.push_image("team/there", "1.0.0", {"/opt/a.txt": "a"}, entrypoint=["/bin/sh"])
    before = json.loads(server.run("skopeo", "inspect", f"docker://{server.host}/team/there:1.0.0"))
    server.run("skopeo", "copy", "--quiet", f"docker://{server.host}/team/there:1.0.0",
               f"dir:{tmp_path}/back")
    manifest = (tmp_path / "back/manifest.json").read_bytes()
    server.run("skopeo", "copy", "--quiet", f"dir:{tmp_path}/back",
               f"docker://{server.host}/team/again:2.0.0")
    after = json.loads(server.run("skopeo", "inspect", f"docker://{server.host}/team/again:2.0.0"))
    assert before["Digest"] == after["Digest"]
    assert json.loads(manifest)["schemaVersion"] == 2
    assert before["Labels"] == {"slipway.base": "host"}


def test_tags_are_listed_and_deleted(server):
    for tag in ("1.0.0", "1.1.0"):
        server.push_image("team/tags", tag, {"/opt/a.txt": tag})
    listed = json.loads(
        server.run("skopeo", "list-tags", f"docker://{server.host}/team/tags"))["Tags"]
    assert listed == ["1.0.0", "1.1.0"]
    server.run("skopeo", "delete", f"docker://{server.host}/team/tags:1.0.0")
    with pytest.raises(AssertionError, match="manifest unknown|not found|unknown"):
        server.run("skopeo", "inspect", f"docker://{server.host}/team/tags:1.0.0")


def test_podman_logs_in_pulls_and_pushes(server, tmp_path):
    server.push_image("team/podman", "1.0.0", {"/opt/a.txt": "from the registry"})
    token = server.client("ecr").get_authorization_token()["authorizationData"][0]
    user, password = base64.b64decode(token["authorizationToken"]).decode().split(":", 1)
    # podman takes no run directory whose path is longer than 50 characters.
    run_root = tempfile.mkdtemp(prefix="podman-")
    store = ["--root", tmp_path / "root", "--runroot", run_root]
    login = {"REGISTRY_AUTH_FILE": str(tmp_path / "auth.json")}

    def podman(*arguments):
        result = subprocess.run(
            ["podman", *PODMAN, *map(str, store), *map(str, arguments)],
            env={**os.environ, **server.environment, **login},
            capture_output=True, text=True, timeout=120,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    podman("login", "--tls-verify=false", "-u", user, "-p", password, server.host)
    podman("pull", "-q", "--tls-verify=false", f"{server.host}/team/podman:1.0.0")
    podman("tag", f"{server.host}/team/podman:1.0.0", f"{server.host}/team/podman:2.0.0")
    podman("push", "-q", "--tls-verify=false", f"{server.host}/team/podman:2.0.0")
    shutil.rmtree(run_root, ignore_errors=True)
    details = server.client("ecr").describe_images(repositoryName="team/podman")["imageDetails"]
    tags = sorted(tag for detail in details for tag in detail.get("imageTags", []))
    assert tags == ["1.0.0", "2.0.0"]


def test_strangers_get_nothing_from_the_registry(server):
    server.push_image("team/closed", "1.0.0", {"/opt/a.txt": "a"})
    for path in ("/v2/", "/v2/_catalog", "/v2/team/closed/tags/list",
                 "/v2/team/closed/manifests/1.0.0"):
        answer = requests.get(server.endpoint + path, timeout=5)
        assert answer.status_code == 401, path
        assert "WWW-Authenticate" in answer.headers
        answer = requests.get(server.endpoint + path, auth=("AWS", "guess"), timeout=5)
        assert answer.status_code == 401, path


def test_ecr_repositories_live_and_die_in_the_words_of_ecr(server):
    ecr = server.client("ecr")
    made = ecr.create_repository(repositoryName="team/made")["repository"]
    assert made["repositoryUri"] == f"{server.host}/team/made"
    assert made["registryId"] == "123456789012"
    with pytest.raises(ecr.exceptions.RepositoryAlreadyExistsException):
        ecr.create_repository(repositoryName="team/made")
    server.push_image("team/made", "1.0.0", {"/opt/a.txt": "a"})
    with pytest.raises(ecr.exceptions.RepositoryNotEmptyException):
        ecr.delete_repository(repositoryName="team/made")
    ecr.delete_repository(repositoryName="team/made", force=True)
    with pytest.raises(ecr.exceptions.RepositoryNotFoundException):
        ecr.describe_repositories(repositoryNames=["team/made"])


def test_an_immutable_tag_cannot_move(server):
    ecr = server.client("ecr")
    ecr.create_repository(repositoryName="team/fixed", imageTagMutability="IMMUTABLE")
    server.push_image("team/fixed", "1.0.0", {"/opt/a.txt": "a"})
    with pytest.raises(AssertionError):
        server.push_image("team/fixed", "1.0.0", {"/opt/a.txt": "another"})


def test_a_blob_whose_digest_is_wrong_is_refused(server, tmp_path):
    key, secret = server.keys
    base = f"{server.endpoint}/v2/team/wrong/blobs/uploads/"
    with requests.Session() as session:
        session.auth = (key, secret)
        location = session.post(base, timeout=5).headers["Location"]
        if location.startswith("/"):
            location = server.endpoint + location
        digest = "sha256:" + "0" * 64
        answer = session.put(location, params={"digest": digest}, data=b"something", timeout=5)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["code"] == "DIGEST_INVALID"
        assert session.head(f"{server.endpoint}/v2/team/wrong/blobs/{digest}",
                            timeout=5).status_code == 404


def test_what_was_pushed_survives_a_kill(own_server, tmp_path):
    own_server.push_image("team/kept", "1.0.0", {"/opt/a.txt": "a" * 100000})
    own_server.kill()
    own_server.start()
    own_server.run("skopeo", "copy", "--quiet",
                   f"docker://{own_server.host}/team/kept:1.0.0", f"dir:{tmp_path}/back")


def test_a_missing_image_is_named(server):
    sagemaker = server.client("sagemaker")
    with pytest.raises(ClientError, match="team/nothing:9.9.9"):
        sagemaker.create_training_job(
            TrainingJobName="no-image",
            AlgorithmSpecification={"TrainingImage": f"{server.host}/team/nothing:9.9.9",
                                    "TrainingInputMode": "File"},
            RoleArn="arn:aws:iam::123456789012:role/slipway-execution",
            OutputDataConfig={"S3OutputPath": "s3://nowhere/"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": 60},
        )

