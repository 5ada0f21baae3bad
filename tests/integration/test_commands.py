"""What the command line says to somebody who is new to it: where nothing is there, or something is wrong."""

import json
import os
import re
import subprocess

import pytest
from conftest import BINARY, ROOT, wait_for
from repositories import Hosted
from test_ship import TINY, Model


@pytest.fixture(scope="module", name="registered")
def _registered(server, tmp_path_factory):
    """The server with version 1.0.0 of tiny, which waits for approval."""
    model = Model(tmp_path_factory.mktemp("models") / "tiny")
    model.commit(TINY, "feat: first version")
    result = server.slipway("ship", model.directory, stdin=subprocess.DEVNULL)
    assert result.returncode == 1
    assert "slipway approve tiny 1.0.0" in result.stdout
    return server


def said(result):
    """Exit status and what went to standard error."""
    return result.returncode, result.stderr.strip()


def test_no_command_and_an_unknown_one(server):
    result = server.slipway()
    assert result.returncode == 2 and "Subcommands:" in result.stderr
    result = server.slipway("notices")
    assert result.returncode == 2 and "Usage: slipway notices" in result.stderr
    assert "resend" in result.stderr
    result = server.slipway("frobnicate")
    assert result.returncode != 0 and "frobnicate" in result.stderr
    result = server.slipway("ci", "frobnicate")
    assert result.returncode != 0 and "frobnicate" in result.stderr


def test_a_model_or_version_that_is_not_there(registered):
    assert said(registered.slipway("approve", "tinny", "1.0.0")) == (
        1, "slipway: there is no model tinny; there are tiny")
    assert said(registered.slipway("reject", "tiny", "2.0.0")) == (
        1, "slipway: model tiny has no version 2.0.0; its newest are 1.0.0")


def test_deciding_twice_and_otherwise(registered):
    def decide(*words):
        result = registered.slipway(*words)
        assert result.returncode == 0, result.stderr
        return result.stdout.splitlines()[-1]

    assert decide("reject", "tiny", "1.0.0", "--comment", "too early") == "rejected; nothing is deployed"
    assert decide("reject", "tiny", "1") == "rejected already: too early; nothing has changed"
    assert decide("approve", "tiny", "1.0.0", "--comment", "now") == (
        "approved; its deployment has started: slipway watch")
    again = json.loads(decide("approve", "tiny", "1.0.0", "--comment", "later", "--json"))
    assert (again["status"], again["changed"]) == ("Approved", False)
    package = registered.client("sagemaker").describe_model_package(
        ModelPackageName=again["modelPackage"])
    assert package["ApprovalDescription"] == "now"
    assert decide("reject", "tiny", "1.0.0") == "rejected; where it is deployed already it goes on serving"
    # A version is deployed once; the second approval starts nothing and must not say so.
    again = decide("approve", "tiny", "1.0.0")
    assert again.startswith("approved; its deployment was started before (")
    assert "start-pipeline-execution --pipeline-name tiny-deployment" in again


def test_who_decided_is_told_and_waited_for(registered):
    sagemaker = registered.client("sagemaker")
    first = sagemaker.list_model_packages(ModelPackageGroupName="tiny")["ModelPackageSummaryList"][0]
    like = sagemaker.describe_model_package(ModelPackageName=first["ModelPackageArn"])
    sagemaker.create_model_package_group(ModelPackageGroupName="waited")
    sagemaker.create_model_package(
        ModelPackageGroupName="waited", ModelApprovalStatus="PendingManualApproval",
        InferenceSpecification=like["InferenceSpecification"],
        CustomerMetadataProperties={"version": "2.0.0"})
    undecided = registered.slipway("decision", "waited", "2.0.0", "--wait", "1")
    assert undecided.returncode == 3 and undecided.stdout.splitlines()[-1] == (
        "nobody has decided yet: slipway approve waited 2.0.0, or slipway reject")

    with subprocess.Popen([BINARY, "--data", registered.data, "decision", "waited", "1", "--wait", "120"],
                          stdout=subprocess.PIPE, text=True, env=registered.environment) as waiting:
        while not waiting.stdout.readline().startswith("waits up to 120 s for slipway approve waited 1"):
            assert waiting.poll() is None
        registered.kill()  # the wait outlives it
        registered.start()
        done = registered.slipway("reject", "waited", "1", "--comment", "not yet")
        assert done.returncode == 0, done.stderr
        told, _ = waiting.communicate(timeout=60)
    assert waiting.returncode == 1, told
    assert re.fullmatch(r"rejected by arn:aws:iam::123456789012:root at \d{4}-\S+Z: not yet",
                        told.splitlines()[-1]), told

    assert registered.slipway("approve", "waited", "1", "--comment", "now").returncode == 0
    told = registered.slipway("decision", "waited", "2.0.0", "--json")
    decision = json.loads(told.stdout)
    assert told.returncode == 0
    assert (decision["status"], decision["comment"]) == ("Approved", "now")
    assert decision["by"] == "arn:aws:iam::123456789012:root"


@pytest.mark.parametrize("sender", ["nobody", "a@b\r\nBcc: c@d", "Team <team@example.org>"])
def test_a_sender_that_no_mail_server_takes(tmp_path, sender):
    result = subprocess.run([BINARY, "--data", tmp_path / "data", "up", "--smtp-from", sender],
                            capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode != 0
    assert "the sender is an address alone, such as slipway@example.org" in result.stderr
    assert not (tmp_path / "data").exists()


def test_a_name_that_cannot_be_makes_nothing(server, tmp_path):
    result = server.slipway("init", "new-team/no!", "--directory", tmp_path / "made")
    assert result.returncode == 1
    assert result.stderr.startswith("slipway: 'no!' cannot be the name of a group or project: ")
    assert result.stdout == "" and not (tmp_path / "made").exists()
    groups = server.run("curl", "-sS", "-H", f"PRIVATE-TOKEN: {server.environment['GITLAB_TOKEN']}",
                        f"{server.endpoint}/api/v4/groups")
    assert "new-team" not in groups


def test_a_group_that_was_made_half_way_is_completed(server, tmp_path):
    """A first `init` that ended early has left an empty project behind."""
    mlops = Hosted(server, "halfway/mlops", tmp_path / "mlops")
    made = server.slipway("init", "halfway/tumour", "--directory", tmp_path / "made")
    assert made.returncode == 0, made.stderr
    assert mlops.get("variables/ACCESS_TOKEN")["masked"]
    assert [each["cron"] for each in mlops.get("pipeline_schedules")] == ["30 2 * * *"]
    assert [each["name"] for each in mlops.get("repository/branches")] == ["main"]
    tumour = Hosted(server, "halfway/tumour", tmp_path / "made")
    tumour.git("push", "-q", "-o", "ci.skip", "slipway", "main")
    again = server.slipway("init", "halfway/tumour", "--directory", tmp_path / "again")
    assert again.returncode == 1 and "is on the server already" in again.stderr
    assert not (tmp_path / "again").exists()
    other = server.slipway("init", "halfway/diabetes", "--directory", tmp_path / "other")
    assert other.returncode == 0 and "mlops" not in other.stdout, other.stderr
    assert len(mlops.get("pipeline_schedules")) == 1


def test_init_makes_the_groups_above_and_keeps_its_own_name(server, tmp_path):
    made = server.slipway("init", "company/team/tumour", "--directory", tmp_path / "made")
    assert made.returncode == 0, made.stderr
    assert "made company/team/mlops" in made.stdout
    assert "project: company/team/mlops" in (tmp_path / "made/.gitlab-ci.yml").read_text()
    refused = server.slipway("init", "company/mlops", "--directory", tmp_path / "mlops")
    assert refused.returncode == 1 and "mlops is the name of the MLOps repository" in refused.stderr


def test_watch_tells_of_a_push_that_makes_no_jobs(server, tmp_path):
    project = Hosted(server, "watched/broken", tmp_path / "broken")
    pipeline = project.run("job:\n  script: x\n  scrpt: [x]\n")
    watched = server.slipway("watch", "--once")
    assert watched.returncode == 1
    lines = [" ".join(line.split()) for line in watched.stdout.splitlines()]
    failed = [line for line in lines if line.startswith(f"✗ watched/broken #{pipeline} pipeline")]
    assert len(failed) == 1 and "unknown keys: scrpt" in failed[0], watched.stdout
    at = lines.index(failed[0])
    assert lines[at + 1] == f"{server.endpoint}/watched/broken/-/pipelines/{pipeline}"
    project.run("job:\n  script: exit 3\n  allow_failure: true\n", message="fix: it may fail")
    forgiven = server.slipway("watch", timeout=60)
    assert "(may fail)" in forgiven.stdout
    assert forgiven.returncode == 0, forgiven.stdout


def test_the_next_push_cancels_no_release(server, tmp_path):
    """With the example's own rules; `slipway watch` shows the end of both pipelines."""
    text = (ROOT / "examples/models/.gitlab-ci.yml").read_text()
    rules = text[text.index("workflow:"):text.index("# --- what every")]
    assert "interruptible: true" in rules
    project = Hosted(server, "watched/twice", tmp_path / "twice")
    first = project.run(rules + "one:\n  script: sleep 2\n")
    wait_for(lambda: project.jobs(first)["one"]["status"] == "running", "the first push's job")
    project.run(rules + "two:\n  script: sleep 0.1\n")
    watched = server.slipway("watch", timeout=60)
    lines = [" ".join(line.split()) for line in watched.stdout.splitlines()]
    for job in ("one", "two"):
        assert [line for line in lines if f" {job} success" in line], watched.stdout


def test_logs_of_what_is_not_there(server):
    for name in ("nothing", "endpoint/nothing"):
        status, text = said(server.slipway("logs", name))
        assert status == 1 and text.startswith("slipway: there is no "), text


def test_a_folder_without_a_repository(server, tmp_path):
    for command in (["ci", "run"], ["package"], ["build"]):
        status, text = said(server.slipway(*command, tmp_path))
        assert (status, text) == (1, f"slipway: {tmp_path} is not in a git repository; make one: "
                                     "git init && git add . && git commit -m 'feat: first version'")


def without_session(*words, **variables):
    """Runs a command with nothing in its environment but these variables."""
    kept = {key: value for key, value in os.environ.items()
            if not key.startswith(("AWS_", "GITLAB_", "SLIPWAY_"))}
    return subprocess.run([BINARY, *map(str, words)], env={**kept, **variables}, text=True,
                          capture_output=True, timeout=60, check=False)


def test_a_server_that_does_not_run(own_server):
    own_server.stop()
    for command in (["watch"], ["approve", "tiny", "1.0.0"], ["logs", "tiny"], ["notices", "list"]):
        result = without_session("--data", own_server.data, *command)
        assert result.returncode == 1
        assert result.stderr.splitlines()[1:] == [
            "  the server that this data directory is of does not run: slipway up --detach"]
    own_server.start()


def test_keys_of_another_server(server, tmp_path):
    wrong = {"AWS_ENDPOINT_URL": server.endpoint, "AWS_ACCESS_KEY_ID": "AKIAAAAAAAAAAAAAAAAA",
             "AWS_SECRET_ACCESS_KEY": "x", "GITLAB_URL": server.endpoint, "GITLAB_TOKEN": "glpat-x"}
    for command in (["watch"], ["approve", "tiny", "1.0.0"]):
        result = without_session("--data", tmp_path, *command, **wrong)
        assert result.returncode == 1
        assert 'run: eval "$(slipway env)"' in result.stderr.splitlines()[1]
