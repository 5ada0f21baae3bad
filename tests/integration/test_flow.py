"""The whole way, through one server: git push, training, approval, endpoint, retraining, notices.

The model is one that trains in no time. The repositories' files are the examples' own; of the model
repository's .gitlab-ci.yml only the lines that install packages are replaced, and of the MLOps
repository's once it has run as it is.
"""

import json
import runpy
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import ROOT, Server, wait_for
from repositories import Hosted, push_python_with_boto3, without_installs
from test_ship import TINY

# What is put in place of the example's steps that need packages.
REPLACED = {
    """\
    - python3 -m venv .venv
    - . .venv/bin/activate
    - pip install --quiet --disable-pip-version-check -r "$MODEL/requirements.txt" pylint==3.3.1 pytest==8.3.3
""": "    - mkdir -p .venv\n",
    'pylint --recursive=y --fail-on=E,F --fail-under=8 "$MODEL"':
        'python3 -m compileall -q "$MODEL"',
    "python -m pytest -q --junitxml=report.xml tests":
        """'echo "<testsuites><testsuite name=\\"t\\" tests=\\"1\\"><testcase name=\\"it works\\" """
        """classname=\\"tiny\\" time=\\"0.1\\"/></testsuite></testsuites>" > report.xml'""",
}


def configuration_for_tiny():
    """The example's .gitlab-ci.yml with one model, which is called tiny."""
    text = (ROOT / "examples/models/.gitlab-ci.yml").read_text()
    text = text[:text.index("# --- diabetes")].replace("tumour", "tiny")
    for old, new in REPLACED.items():
        assert old in text, f"the example has changed: {old}"
        text = text.replace(old, new)
    return text.replace("project: health/mlops", "project: demo/mlops")


class Slack:
    """A web server that keeps what is posted to it."""

    def __init__(self, port=0):
        self.texts = []
        slack = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                slack.texts.append(json.dumps(body, ensure_ascii=False))
                assert "blocks" in body
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self, *words):
        """The first note that has all the words."""
        def look():
            return [text for text in self.texts if all(word in text for word in words)]
        return wait_for(look, f"a note with {words}; there are {self.texts}", 30)[0]


class Flow:
    """One server with the two repositories, as `slipway init` makes them."""

    def __init__(self, folder, quick=False):
        self.server = Server(folder / "data")
        self.slack = Slack()
        sns = self.server.client("sns")
        account = self.server.client("sts").get_caller_identity()["Account"]
        sns.subscribe(TopicArn=f"arn:aws:sns:us-east-1:{account}:slipway-notices", Protocol="http",
                      Endpoint=self.slack.url, Attributes={"SlackFormat": "true"})
        made = self.server.slipway("init", "demo/tiny", "--directory", folder / "tiny")
        assert made.returncode == 0, made.stdout + made.stderr
        self.models = Hosted(self.server, "demo/tiny", folder / "tiny")
        self.mlops = Hosted(self.server, "demo/mlops", folder / "mlops")
        self.sagemaker = self.server.client("sagemaker")
        if quick:
            self.without_packages()
        for example in ("tumour", "diabetes"):
            shutil.rmtree(self.models.directory / example)
        self.push({".gitlab-ci.yml": configuration_for_tiny(), **self.files()},
                  "feat: a tiny model", wait=False)

    def without_packages(self):
        """The MLOps repository's jobs find boto3 in their image instead of installing it."""
        push_python_with_boto3(self.server)
        self.mlops.directory.mkdir()
        self.mlops.git("clone", "-q", self.mlops.url, ".")
        path = self.mlops.directory / ".gitlab-ci.yml"
        self.mlops.commit({path.name: without_installs(path.read_text())}, "feat: no packages")
        self.mlops.push("-o", "ci.skip")

    @staticmethod
    def files(**replaced):
        """The tiny model's files below its folder; replaced: file__ending=(old, new)."""
        # As the first process it would ignore what asks it to end.
        files = {**TINY, "serve.py": "import signal\nsignal.signal(signal.SIGTERM, lambda *_: exit())\n"
                 + TINY["serve.py"]}
        for name, (old, new) in replaced.items():
            files[name.replace("__", ".")] = files[name.replace("__", ".")].replace(old, new)
        return {f"tiny/{name}": text for name, text in files.items()}

    def push(self, files, message, wait=True):
        """Commits, pushes with the remote that init made, returns the pipeline when it is over."""
        self.commit = self.models.commit(files, message)
        self.said = self.models.git("push", "slipway", "main").stderr
        self.pipeline = self.models.pipeline_of(self.commit)
        return self.over() if wait else None

    def over(self):
        """The newest push's pipeline when it is over."""
        pipeline = self.models.ended(self.pipeline, 150)
        if pipeline["status"] != "success":
            print(self.models.story(self.pipeline))
            print(self.mlops.story(self.downstream()))
        return pipeline

    def downstream(self):
        """The id of the MLOps repository's pipeline that the newest push triggered."""
        return self.models.jobs(self.pipeline)["tiny release"]["downstream_pipeline"]["id"]

    def versions(self):
        """Semantic versions of the model's packages with their states, the oldest first."""
        found = self.sagemaker.list_model_packages(
            ModelPackageGroupName="tiny", SortBy="CreationTime", SortOrder="Ascending")
        packages = [self.sagemaker.describe_model_package(ModelPackageName=item["ModelPackageArn"])
                    for item in found["ModelPackageSummaryList"]]
        return {package["CustomerMetadataProperties"]["version"]:
                package["ModelApprovalStatus"] for package in packages}

    def deployments(self):
        """Every execution of the deployment DAG: its arn and status."""
        found = self.sagemaker.list_pipeline_executions(PipelineName="tiny-deployment")
        return {item["PipelineExecutionArn"]: item["PipelineExecutionStatus"]
                for item in found["PipelineExecutionSummaries"]}

    def ask(self):
        """What the live endpoint says."""
        runtime = self.server.client("sagemaker-runtime")
        return runtime.invoke_endpoint(EndpointName="tiny", Body=b"x",
                                       ContentType="text/plain")["Body"].read()

    def in_service(self, answer):
        """Waits until the endpoint answers so."""
        def look():
            try:
                state = self.sagemaker.describe_endpoint(EndpointName="tiny")["EndpointStatus"]
            except self.sagemaker.exceptions.ClientError:
                return False
            assert state != "Failed"
            return state == "InService" and self.ask() == answer
        wait_for(look, f"the endpoint that answers {answer}", 60)

    def deployed(self):
        """Waits until no deployment runs; returns all of them."""
        def look():
            found = self.deployments()
            return found if found and "Executing" not in found.values() else None
        return wait_for(look, "the end of the deployment", 60)

    def close(self):
        """The end of what it started."""
        self.server.clear()
        self.slack.server.shutdown()


@pytest.fixture(scope="module", name="flow")
def _flow(tmp_path_factory):
    made = Flow(tmp_path_factory.mktemp("flow"))
    yield made
    made.close()


# The tests are one story; each goes on from where the one before it ended.


def test_a_push_trains_and_waits_for_a_person(flow):
    pipeline = flow.over()
    assert pipeline["status"] == "success"
    assert f"{flow.server.endpoint}/demo/tiny/-/pipelines/{flow.pipeline}" in flow.said
    jobs = flow.models.jobs(flow.pipeline)
    assert {name: job["status"] for name, job in jobs.items()} == {
        "tiny validate": "success", "tiny test": "success", "source": "success",
        "tiny release": "success"}
    # strategy: depend. The bridge's end came after the downstream pipeline's.
    downstream = flow.mlops.get(f"pipelines/{flow.downstream()}")
    assert downstream["source"] == "pipeline" and downstream["status"] == "success"
    assert jobs["tiny release"]["finished_at"] >= downstream["finished_at"]
    below = flow.mlops.jobs(flow.downstream())
    assert {name: job["status"] for name, job in below.items()} == {
        "fetch": "success", "validate": "success", "package": "success", "train": "success",
        "deploy": "manual"}
    assert flow.versions() == {"1.0.0": "PendingManualApproval"}
    assert flow.deployments() == {}
    text = flow.mlops.trace(below["train"])
    assert "tiny-training: success" in text and "slipway approve tiny 1.0.0" in text


def test_the_evaluation_is_told(flow):
    note = flow.slack.wait("tiny", "waits for approval")
    assert "accuracy" in note and "0.5" in note and "slipway approve tiny" in note
    assert flow.commit in note
    # The demo's stand-in for Slack shows the same to its reader.
    shown = runpy.run_path(ROOT / "examples/demo/receiver.py")["shown"](json.loads(note))
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert lines[0] == "tiny 1 waits for approval"
    assert f"Commit: {flow.commit}" in lines and "accuracy 0.5" in lines
    assert "slipway approve tiny 1 --comment 'why'" in lines


def test_approval_deploys(flow):
    done = flow.server.slipway("approve", "tiny", "1.0.0", "--comment", "a first version")
    assert done.returncode == 0, done.stderr
    assert "accuracy 0.5" in done.stdout
    flow.in_service(b"2 first\n")
    assert list(flow.deployed().values()) == ["Succeeded"]
    flow.slack.wait("Endpoint tiny is in service", "/endpoints/tiny/invocations")
    watched = flow.server.slipway("watch", timeout=60)
    assert watched.returncode == 0, watched.stdout + watched.stderr
    assert "demo/mlops" in watched.stdout and "tiny-deployment" in watched.stdout


def test_a_rejected_version_is_never_deployed(flow):
    flow.without_packages()  # from here on; what installs them has been seen to work
    pipeline = flow.push(flow.files(serve__py=("first", "second")), "feat: a worse one")
    assert pipeline["status"] == "success"
    assert flow.versions() == {"1.0.0": "Approved", "1.1.0": "PendingManualApproval"}
    done = flow.server.slipway("reject", "tiny", "1.1.0", "--comment", "too slow")
    assert done.returncode == 0, done.stderr
    assert "accuracy 0.5   live 0.5 (1.0.0)   +0" in done.stdout
    assert flow.versions()["1.1.0"] == "Rejected"
    deploy = flow.mlops.jobs(flow.downstream())["deploy"]
    flow.mlops.post(f"jobs/{deploy['id']}/play")
    ended = wait_for(lambda: (job := flow.mlops.get(f"jobs/{deploy['id']}"))["status"] in
                     ("success", "failed") and job, "the end of the played job", 60)
    assert ended["status"] == "failed"
    assert "was rejected: too slow" in flow.mlops.trace(deploy)
    assert len(flow.deployments()) == 1
    assert flow.ask() == b"2 first\n"


def test_play_and_approve_together_deploy_once(flow):
    pipeline = flow.push(flow.files(serve__py=("first", "third")), "fix: the right one")
    assert pipeline["status"] == "success"
    version, state = list(flow.versions().items())[-1]
    assert (version, state) == ("1.1.1", "PendingManualApproval")
    deploy = flow.mlops.jobs(flow.downstream())["deploy"]
    flow.mlops.post(f"jobs/{deploy['id']}/play")
    done = flow.server.slipway("approve", "tiny", version)
    assert done.returncode == 0, done.stderr
    ended = wait_for(lambda: (job := flow.mlops.get(f"jobs/{deploy['id']}"))["status"] in
                     ("success", "failed") and job, "the end of the played job", 60)
    assert ended["status"] == "success", flow.mlops.trace(deploy)
    assert "endpoint tiny is InService" in flow.mlops.trace(deploy)
    assert "smoke test: 2 third" in flow.mlops.trace(deploy)
    flow.job_of_third = deploy["id"]
    flow.in_service(b"2 third\n")
    assert list(flow.deployed().values()) == ["Succeeded"] * 2
    assert flow.versions()[version] == "Approved"
    environments = flow.mlops.get("environments")
    assert [each["name"] for each in environments] == ["production/tiny"]


def test_playing_the_job_alone_deploys(flow):
    pipeline = flow.push(flow.files(serve__py=("first", "fourth")), "feat: played only")
    assert pipeline["status"] == "success"
    deploy = flow.mlops.jobs(flow.downstream())["deploy"]
    flow.mlops.post(f"jobs/{deploy['id']}/play")
    flow.in_service(b"2 fourth\n")
    assert list(flow.deployed().values()) == ["Succeeded"] * 3
    assert flow.versions()["1.2.0"] == "Approved"
    package = flow.sagemaker.list_model_packages(
        ModelPackageGroupName="tiny", SortBy="CreationTime", SortOrder="Descending")
    described = flow.sagemaker.describe_model_package(
        ModelPackageName=package["ModelPackageSummaryList"][0]["ModelPackageArn"])
    assert described["ApprovalDescription"].startswith("by root in http")


def test_the_job_of_an_older_version_brings_it_back(flow):
    """Its deployment was over long ago, and the run of that name is there already."""
    newest = flow.mlops.jobs(flow.downstream())["deploy"]
    for job, answer in ((flow.job_of_third, b"2 third\n"), (newest["id"], b"2 fourth\n")):
        again = flow.mlops.post(f"jobs/{job}/retry")
        ended = wait_for(lambda: (found := flow.mlops.get(f"jobs/{again['id']}"))["status"] in
                         ("success", "failed") and found, "the end of the job", 60)
        assert ended["status"] == "success", flow.mlops.trace(again)
        flow.in_service(answer)
    assert "was started before" in flow.mlops.trace(again)
    assert list(flow.deployed().values()) == ["Succeeded"] * 5


def test_the_schedule_trains_again(flow):
    flow.mlops.variable("RETRAIN_AFTER_HOURS", "0")
    schedule = flow.mlops.get("pipeline_schedules")[0]
    assert schedule["cron"] == "30 2 * * *" and schedule["active"]
    flow.mlops.post(f"pipeline_schedules/{schedule['id']}/play")
    pipeline = wait_for(lambda: flow.mlops.get("pipelines?source=schedule"), "its pipeline")[0]
    ended = flow.mlops.ended(pipeline["id"])
    assert ended["status"] == "success", flow.mlops.story(pipeline["id"])
    wait_for(lambda: flow.versions().get("1.2.0+r1") == "PendingManualApproval",
             "the retrained version", 60)


def test_a_training_that_fails_is_told(flow):
    pipeline = flow.push(flow.files(train__py=("print(", "raise SystemExit('no data today'); print(")),
                         "feat: broken training")
    assert pipeline["status"] == "failed"
    bridge = flow.models.jobs(flow.pipeline)["tiny release"]
    assert bridge["failure_reason"] == "downstream_pipeline_failed"
    assert flow.mlops.jobs(flow.downstream())["train"]["failure_reason"] == "script_failure"
    flow.slack.wait("demo/mlops", "failed", "train")
    assert "1.3.0" not in flow.versions()
    assert flow.ask() == b"2 fourth\n"
    assert flow.server.slipway("watch", "--once").returncode == 1


def test_a_version_that_does_not_answer_is_told(flow):
    """Approved on the command line: the deployment itself sends the recorded request."""
    broken = ("def do_POST(self):", "def do_POST(self):\n        self.send_error(500, 'out of order')\n        return")
    pipeline = flow.push(flow.files(serve__py=broken), "fix: break it")
    assert pipeline["status"] == "success"
    version = list(flow.versions())[-1]
    done = flow.server.slipway("approve", "tiny", version)
    assert done.returncode == 0, done.stderr
    note = flow.slack.wait("Pipeline tiny-deployment failed", "Smoke")
    assert "answered the recorded request with" in note and "500" in note
    execution = next(iter(flow.deployments()))
    steps = flow.sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=execution)
    states = {step["StepName"]: step["StepStatus"] for step in steps["PipelineExecutionSteps"]}
    assert states == {"Model": "Succeeded", "EndpointConfig": "Succeeded", "Endpoint": "Succeeded",
                      "Smoke": "Failed"}
