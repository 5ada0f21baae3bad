"""The main job: from a commit to a live endpoint with `slipway ship`."""

import json
import shutil
import subprocess
import threading

import pytest
from botocore.exceptions import ClientError

from conftest import ROOT, wait_for

TUMOUR = ROOT / "examples/models/tumour"

# A model that needs no package: every stage is real, none waits for a download.
TINY = {
    "slipway.yaml": """\
name: tiny
project: demo
train: train.py
evaluate: evaluate.py
serve: serve.py
channels: {training: data.csv}
metrics:
  - {name: loss, regex: 'loss=([0-9.]+)'}
decide: {metric: accuracy, direction: maximize}
checks: {lint: false}
smoke: {request: request.txt, content_type: text/plain}
""",
    "data.csv": "1\n2\n",
    "request.txt": "ping\n",
    "train.py": """\
import pathlib
rows = pathlib.Path('/opt/ml/input/data/training/data.csv').read_text().split()
print('loss=0.25', flush=True)
pathlib.Path('/opt/ml/model/weight').write_text(str(len(rows)))
""",
    "evaluate.py": """\
import json, pathlib, tarfile
with tarfile.open('/opt/ml/processing/input/model/model.tar.gz') as archive:
    assert archive.extractfile('weight').read() == b'2'
out = pathlib.Path('/opt/ml/processing/output/evaluation')
out.mkdir(parents=True, exist_ok=True)
(out / 'evaluation.json').write_text(json.dumps({'m_metrics': {'accuracy': {'value': ACCURACY}}}))
""".replace("ACCURACY", "0.5"),
    "serve.py": """\
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    wbufsize = -1
    def answer(self, text):
        self.send_response(200)
        self.send_header('Content-Length', str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def do_GET(self):
        self.answer(b'')
    def do_POST(self):
        self.rfile.read(int(self.headers['Content-Length']))
        self.answer(open('/opt/ml/model/weight', 'rb').read() + b' VERSION\\n')
    def log_message(self, *args):
        pass
ThreadingHTTPServer(('127.0.0.1', 8080), Handler).serve_forever()
""".replace("VERSION", "first"),
}


class Model:
    """A git repository with a model in it."""

    def __init__(self, directory):
        self.directory = directory
        directory.mkdir(exist_ok=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments):
        """Runs git with an author of its own."""
        subprocess.run(
            ["git", "-C", self.directory, "-c", "user.name=test", "-c",
             "user.email=test@localhost", *arguments],
            check=True, capture_output=True,
        )

    def commit(self, files, message):
        """Writes the files and commits them."""
        for name, text in files.items():
            (self.directory / name).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)


@pytest.fixture(name="tiny")
def _tiny(tmp_path):
    model = Model(tmp_path / "tiny")
    model.commit(TINY, "feat: first version")
    return model


def ship(server, model, *options):
    """Ships with --json; returns (exit status, the object, progress)."""
    result = server.slipway("ship", model.directory, "--json", *options)
    lines = result.stdout.strip().splitlines()
    assert len(lines) == 1, result.stdout + result.stderr
    return result.returncode, json.loads(lines[0]), result.stderr


def test_a_commit_becomes_an_endpoint_and_the_next_one_replaces_it(own_server, tiny):
    status, first, progress = ship(own_server, tiny, "--approve")
    assert status == 0, progress
    assert first["version"] == "1.0.0"
    assert first["metrics"] == {"accuracy": 0.5}
    names = [stage["stage"] for stage in first["stages"]]
    assert names == ["validate", "build", "push", "train", "evaluate", "register", "approve",
                     "deploy", "smoke"]
    runtime = own_server.client("sagemaker-runtime", retries={"total_max_attempts": 1})

    def ask():
        answer = runtime.invoke_endpoint(EndpointName="tiny", Body=b"x", ContentType="text/plain")
        return answer["Body"].read()

    assert ask() == b"2 first\n"

    answers, failures, done = set(), [], threading.Event()

    def keep_asking():
        while not done.is_set():
            try:
                answers.add(ask())
            except ClientError as error:
                failures.append(str(error))

    asker = threading.Thread(target=keep_asking)
    asker.start()
    try:
        tiny.commit({"serve.py": TINY["serve.py"].replace("first", "second"),
                     "evaluate.py": TINY["evaluate.py"].replace("0.5", "0.75")}, "feat: better")
        status, second, progress = ship(own_server, tiny, "--approve-if-better")
    finally:
        done.set()
        asker.join()

    assert status == 0, progress
    assert failures == []
    assert answers == {b"2 first\n", b"2 second\n"}
    assert second["version"] == "1.1.0"
    assert second["comparedWith"] == "1.0.0"
    assert second["difference"] == {"accuracy": 0.25}
    sagemaker = own_server.client("sagemaker")
    package = sagemaker.describe_model_package(ModelPackageName=second["modelPackage"])
    assert package["ModelApprovalStatus"] == "Approved"
    assert package["CustomerMetadataProperties"]["commit"] == second["commit"]
    assert package["CustomerMetadataProperties"]["difference.accuracy"] == "0.2500"
    assert package["ModelPackageVersion"] == 2
    own_server.run("skopeo", "inspect", f"docker://{own_server.host}/demo/tiny:1.1.0")
    logs = own_server.slipway("logs", second["trainingJob"])
    assert logs.stdout == "loss=0.25\n"


def test_the_same_commit_again_is_a_retraining(server, tiny):
    assert ship(server, tiny, "--approve")[1]["version"] == "1.0.0"
    status, again, progress = ship(server, tiny, "--approve")
    assert status == 0, progress
    assert again["version"] == "1.0.0+r1"
    assert again["image"].endswith("tiny:1.0.0")


def test_not_better_is_rejected_and_nothing_is_deployed(own_server, tiny):
    assert ship(own_server, tiny, "--approve")[0] == 0
    tiny.commit({"evaluate.py": TINY["evaluate.py"].replace("0.5", "0.4")}, "fix: worse")
    status, result, _ = ship(own_server, tiny, "--approve-if-better")
    assert status == 1
    assert result["status"] == "Failed" and result["stage"] == "approve"
    assert "not better" in result["reason"]
    sagemaker = own_server.client("sagemaker")
    packages = sagemaker.list_model_packages(ModelPackageGroupName="tiny")
    states = {p["ModelPackageVersion"]: p["ModelApprovalStatus"]
              for p in packages["ModelPackageSummaryList"]}
    assert states == {1: "Approved", 2: "Rejected"}


def test_nobody_to_ask_leaves_the_version_waiting(server, tiny):
    result = server.slipway("ship", tiny.directory, stdin=subprocess.DEVNULL)
    assert result.returncode == 1
    assert "--approve-if-better" in result.stdout


@pytest.mark.parametrize("change,stage,reason,log", [
    ({"train.py": "import sys\nprint('no data', file=sys.stderr)\nsys.exit(3)\n"},
     "train", "exit code: 3", "slipway logs pipelines-"),
    ({"evaluate.py": "print('nothing written')\n"},
     "evaluate", "evaluation.json", "slipway logs pipelines-"),
    ({"slipway.yaml": TINY["slipway.yaml"].replace("lint: false", "lint: false, tests: tests"),
      "tests": None}, "validate", "tests", "cat "),
])
def test_a_failing_stage_names_itself_the_reason_and_its_log(server, tiny, change, stage, reason, log):
    if change.pop("tests", "") is None:
        (tiny.directory / "tests").mkdir()
        change["tests/test_a.py"] = "def test_a():\n    assert 1 == 2, 'one is not two'\n"
    tiny.commit(change, "fix: break it")
    status, result, progress = ship(server, tiny, "--approve")
    assert status == 1, progress
    assert result["stage"] == stage, result
    assert reason in result["reason"], result
    assert result["log"].startswith(log), result


def test_a_broken_specification_names_file_and_line(server, tiny):
    tiny.commit({"slipway.yaml": TINY["slipway.yaml"] + "colour: red\n"}, "fix: colour")
    result = server.slipway("ship", tiny.directory)
    assert result.returncode == 1
    assert "slipway.yaml:12: 'colour' is not a key that is known here" in result.stderr


def test_a_folder_without_a_repository_names_the_next_step(server, tmp_path):
    result = server.slipway("ship", tmp_path)
    assert result.returncode == 1
    assert "git init" in result.stderr


def test_killed_in_the_middle_nothing_acknowledged_is_lost_and_shipping_again_goes_through(
    own_server, tiny
):
    tiny.commit({"train.py": TINY["train.py"] + "import time\ntime.sleep(3)\n"}, "fix: slower")
    first = threading.Thread(target=lambda: own_server.slipway("ship", tiny.directory, "--approve"))
    first.start()
    sagemaker = own_server.client("sagemaker")

    def training():
        jobs = sagemaker.list_training_jobs(StatusEquals="InProgress")["TrainingJobSummaries"]
        for job in jobs:
            description = sagemaker.describe_training_job(TrainingJobName=job["TrainingJobName"])
            if description["SecondaryStatus"] == "Training":
                return job["TrainingJobName"]
        return None

    name = wait_for(training, "the job trains")
    own_server.kill()
    own_server.start()
    first.join()
    sagemaker = own_server.client("sagemaker")
    ended = wait_for(
        lambda: next((d for d in [sagemaker.describe_training_job(TrainingJobName=name)]
                      if d["TrainingJobStatus"] != "InProgress"), None),
        "the job that was running when the server was killed ends",
    )
    assert ended["TrainingJobStatus"] == "Completed" or ended["FailureReason"]
    status, result, progress = ship(own_server, tiny, "--approve")
    assert status == 0, progress
    runtime = own_server.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName="tiny", Body=b"x")["Body"].read()
    assert answer == b"2 first\n"
    assert result["status"] == "Succeeded"


def test_images_are_built_byte_for_byte_the_same(server, tiny, tmp_path):
    first = json.loads(server.slipway("build", tiny.directory, "--json").stdout)
    shutil.rmtree(server.data.parent / "cache", ignore_errors=True)
    copy = tmp_path / "copy"
    shutil.copytree(tiny.directory, copy)
    second = json.loads(server.slipway("build", copy, "--json").stdout)
    assert first["digest"] == second["digest"]
    assert first["layers"] == second["layers"]


def test_the_tumour_example_ships(own_server, tmp_path):
    """With its packages from the index: pylint, its tests, scikit-learn."""
    model = Model(tmp_path / "tumour")
    shutil.copytree(TUMOUR, model.directory, dirs_exist_ok=True)
    model.commit({}, "feat: a shallow tree as a first version")
    status, result, progress = ship(own_server, model, "--approve")
    assert status == 0, progress
    assert result["stages"][0]["note"].startswith("pylint 10.00/10, 4 passed")
    assert 0.8 < result["metrics"]["f1"] < 0.9
    out = tmp_path / "out.json"
    own_server.run("aws", "sagemaker-runtime", "invoke-endpoint", "--endpoint-name", "tumour",
                   "--content-type", "text/csv", "--body",
                   f"fileb://{TUMOUR}/tests/smoke.csv", out)
    assert len(out.read_text().split()) == 3
