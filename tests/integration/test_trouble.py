"""Bad input and trouble on the way: every pipeline ends, with a reason, and nothing happens twice."""

import io
import re
import socket
import threading
import time
import uuid
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from aiosmtpd.controller import Controller
from conftest import Server, wait_for
from repositories import Hosted
from test_flow import Flow, Slack


class Counter:
    """A web server that jobs call: how often each path was asked for is what truly happened."""

    def __init__(self):
        self.paths = []
        counter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                counter.paths.append(self.path.strip("/"))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def hit(self, path):
        """A script line that counts."""
        return f"curl -sf --retry 0 {self.url}/{path}"

    def wait(self, path):
        """Waits until a path was asked for."""
        wait_for(lambda: path in self.paths, f"a call of {path}; there are {self.paths}")


@pytest.fixture
def counter():
    made = Counter()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def hosted(server, tmp_path):
    """A project of its own for a test."""
    return Hosted(server, f"root/p{uuid.uuid4().hex[:8]}", tmp_path / "work")


def processes_with(mark):
    """Ids of processes whose command line has the mark."""
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in line.read_bytes():
                found.append(line.parent.name)
        except OSError:
            pass
    return found


def containers_of_jobs(server):
    """Directories of jobs' containers."""
    return [path.name for path in (server.data / "containers").glob("ci-*")]


# --- configuration -------------------------------------------------------------------------------

BROKEN = {
    "an unknown key": (
        "build:\n  script: [make]\n  scripts: [make]\n",
        "jobs:build config contains unknown keys: scripts", 3),
    "no script": (
        "build:\n  stage: build\n",
        "jobs build config should implement the script:, run:, or trigger: keyword", 1),
    "a cycle of extends": (
        "a: {extends: b, script: [x]}\nb: {extends: a, script: [x]}\n",
        "a: circular dependency detected in `extends`", 1),
    "a cycle of needs": (
        "a: {script: [x], needs: [b]}\nb: {script: [x], needs: [a]}\n",
        "The pipeline has circular dependencies", 1),
    "a need of itself": (
        "a: {script: [x], needs: [a]}\n",
        "The pipeline has circular dependencies: self-dependency: a", 1),
    "not YAML": ("a: [\n", "(<unknown>)", 1),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_configuration_fails_its_pipeline(hosted, name):
    configuration, message, line = BROKEN[name]
    commit = hosted.commit({".gitlab-ci.yml": configuration})
    said = hosted.push()
    pipeline = hosted.get(f"pipelines/{hosted.pipeline_of(commit)}")
    assert pipeline["status"] == "failed"
    assert message in pipeline["yaml_errors"]
    assert hosted.jobs(pipeline["id"]) == {}
    assert f"Pipeline #{pipeline['id']} (invalid configuration)" in said
    assert f"    .gitlab-ci.yml:{line}: {message}" in said
    page = hosted.call("GET", f"/projects/{hosted.number}/ci/lint").json()
    assert page["valid"] is False and message in page["errors"][0]
    assert page["error_places"][0] == {"file": ".gitlab-ci.yml", "line": line}
    # The next push is not held up by it.
    again = hosted.run("fine: {script: [echo fine]}\n")
    assert hosted.ended(again)["status"] == "success"


def test_a_loop_of_triggers_ends(server, tmp_path):
    names = [f"root/loop{number}{uuid.uuid4().hex[:6]}" for number in range(2)]
    projects = [Hosted(server, name, tmp_path / str(number)) for number, name in enumerate(names)]
    for project, other in zip(projects, reversed(names)):
        project.commit({".gitlab-ci.yml": f"go:\n  trigger: {{project: {other}, strategy: depend}}\n"})
    projects[1].push("-o", "ci.skip")
    projects[0].push()

    def look():
        bridges = [bridge for project in projects for pipeline in project.get("pipelines")
                   for bridge in project.jobs(pipeline["id"]).values()]
        over = all(bridge["status"] in ("failed", "skipped") for bridge in bridges)
        return bridges if bridges and over else None
    bridges = wait_for(look, "the loop's end")
    reasons = [bridge["failure_reason"] for bridge in bridges]
    assert reasons.count("pipeline_loop_detected") == 1
    assert len(bridges) < 10
    assert set(reasons) == {"pipeline_loop_detected", "downstream_pipeline_failed"}


def test_a_downstream_needs_the_pushers_permission(server, tmp_path, counter):
    mark = uuid.uuid4().hex[:8]
    up = Hosted(server, f"root/up{mark}", tmp_path / "up")
    down = Hosted(server, f"root/down{mark}", tmp_path / "down")
    user = up.call("POST", "/users", username=f"u{mark}", name="Somebody",
                   email=f"u{mark}@localhost").json()["id"]
    token = up.call("POST", f"/users/{user}/personal_access_tokens", name="push",
                    scopes=["api"]).json()["token"]
    up.post("members", user_id=user, access_level=40)
    down.commit({".gitlab-ci.yml": f"job: {{script: ['{counter.hit('down')}']}}\n"})
    down.push("-o", "ci.skip")
    up.token = token
    configuration = f"go:\n  trigger: {{project: root/down{mark}, strategy: depend}}\n"
    unseen = up.run(configuration)
    assert up.ended(unseen)["status"] == "failed"
    assert up.jobs(unseen)["go"]["failure_reason"] == "downstream_bridge_project_not_found"
    down.post("members", user_id=user, access_level=20)
    seen = up.run(configuration)
    assert up.ended(seen)["status"] == "failed"
    assert up.jobs(seen)["go"]["failure_reason"] == "insufficient_bridge_permissions"
    assert counter.paths == [] and len(down.get("pipelines?source=pipeline")) == 0
    down.call("PUT", f"/projects/{down.number}/members/{user}", access_level=40)
    allowed = up.run(configuration)
    assert up.ended(allowed)["status"] == "success"
    assert counter.paths == ["down"]


# --- jobs ----------------------------------------------------------------------------------------


def test_a_job_that_never_ends_is_stopped(hosted):
    mark = str(970000 + uuid.uuid4().int % 10000)
    pipeline = hosted.run(f"""
endless:
  timeout: 2 seconds
  script:
    - trap '' TERM INT
    - (trap '' TERM INT; sleep {mark}) &
    - while true; do sleep {mark}; done
after: {{stage: .post, when: always, script: [echo after]}}
""")
    assert hosted.ended(pipeline)["status"] == "failed"
    jobs = hosted.jobs(pipeline)
    assert jobs["endless"]["failure_reason"] == "job_execution_timeout"
    assert 2 <= jobs["endless"]["duration"] < 30
    assert jobs["after"]["status"] == "success"
    assert "execution took longer than 2s" in hosted.trace(jobs["endless"])
    wait_for(lambda: not processes_with(mark), "the end of the job's processes", 20)
    wait_for(lambda: not containers_of_jobs(hosted.server), "the end of the containers", 20)


def test_a_secret_is_never_in_a_trace(hosted):
    secret = f"s3cret.{uuid.uuid4().hex}"
    hosted.variable("PASSWORD", secret, masked=True)
    half = len(secret) // 2
    pipeline = hosted.run(f"""
tell:
  script:
    - echo "it is $PASSWORD."
    - echo "$PASSWORD$PASSWORD"
    - printf '%s' "${{PASSWORD:0:{half}}}"; sleep 0.5; printf '%s\\n' "${{PASSWORD:{half}}}"
    - head -c 8150 /dev/zero | tr '\\0' x; echo "$PASSWORD"
    - for i in $(seq 1 {len(secret)}); do printf '%s' "${{PASSWORD:$((i-1)):1}}"; sleep 0.02; done; echo
    - echo "$PASSWORD" >&2
    - env | grep PASSWORD
    - set -x; true "$PASSWORD"
    - set +x; echo "the end"
""")
    seen = set()

    def ended():
        for job in hosted.jobs(pipeline).values():
            text = hosted.trace(job)
            seen.add(len(text))
            assert secret not in text
        running = ("created", "pending", "running")
        return hosted.get(f"pipelines/{pipeline}")["status"] not in running

    wait_for(ended, "the pipeline's end")
    job = hosted.jobs(pipeline)["tell"]
    text = hosted.trace(job)
    assert job["status"] == "success", text
    assert secret not in text and "[MASKED]" in text and "the end" in text
    assert secret[-12:] not in text and secret[:12] not in text
    assert len(seen) > 2
    stored = [path for path in (hosted.server.data / "ci/traces").rglob("*.log")
              if secret.encode() in path.read_bytes()]
    assert stored == []


def take_job(hosted, tag):
    """The next job with the tag, as a runner gets it."""
    api = f"{hosted.server.endpoint}/api/v4"
    runner = hosted.call("POST", "/user/runners", runner_type="instance_type", tag_list=tag,
                         run_untagged=False).json()["token"]
    info = {"name": "gitlab-runner", "version": "17.0.0", "executor": "shell",
            "features": {"artifacts": True, "upload_multiple_artifacts": True}}
    def ask():
        given = requests.post(f"{api}/jobs/request", json={"token": runner, "info": info}, timeout=90)
        return given.json() if given.status_code == 201 else None
    return api, wait_for(ask, "a job for the runner")


def zip_with(name, content=b"x", link=False):
    """An archive with one entry."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        entry = zipfile.ZipInfo(name)
        entry.create_system = 3
        entry.external_attr = (0o120777 if link else 0o100644) << 16
        made.writestr(entry, content)
    return archive.getvalue()


def test_an_archive_that_leaves_the_project_is_refused(hosted, tmp_path):
    tag = f"t{uuid.uuid4().hex[:6]}"
    pipeline = hosted.run(f"""
make: {{tags: [{tag}], script: [make], artifacts: {{paths: [out]}}}}
use: {{stage: deploy, script: [ls -R .]}}
""")
    api, job = take_job(hosted, tag)

    def upload(body):
        return requests.post(f"{api}/jobs/{job['id']}/artifacts", timeout=60,
                             params={"artifact_format": "zip", "artifact_type": "archive"},
                             files={"file": ("artifacts.zip", body)},
                             headers={"JOB-TOKEN": job["token"]})
    for body in (zip_with("../outside.txt"), zip_with("a/../../outside.txt"),
                 zip_with("/etc/outside.txt"), zip_with("out/link", b"/etc/passwd", link=True),
                 zip_with("out/link", b"../../../outside", link=True), b"no archive at all"):
        refused = upload(body)
        assert refused.status_code == 400, (refused.status_code, refused.text)
    assert upload(zip_with("out/link", b"../out/file", link=True)).status_code == 201
    ended = requests.put(f"{api}/jobs/{job['id']}", timeout=60,
                         json={"token": job["token"], "state": "success"})
    assert ended.status_code == 200
    assert hosted.ended(pipeline)["status"] == "success"
    assert not list(hosted.server.data.rglob("outside.txt"))


def test_links_of_a_job_bring_nothing_of_the_machine(hosted):
    pipeline = hosted.run("""
make:
  script:
    - mkdir out && ln -s /etc/hostname out/absolute && ln -s ../../../../etc/hostname out/above
    - echo inside > out/file
  artifacts: {paths: [out, ../*, /etc/hostname]}
""")
    ended = hosted.ended(pipeline)
    job = hosted.jobs(pipeline)["make"]
    if ended["status"] == "failed":  # refused as a whole: it says so
        assert re.search("link|outside|leaves", hosted.trace(job))
        return
    got = hosted.call("GET", f"/projects/{hosted.number}/jobs/{job['id']}/artifacts").content
    names = zipfile.ZipFile(io.BytesIO(got)).namelist()
    assert "out/file" in names
    assert not [name for name in names if ".." in name or name.startswith("/")]
    assert Path("/etc/hostname").read_bytes() not in got


# --- notices -------------------------------------------------------------------------------------


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Inbox:
    """aiosmtpd's handler."""

    def __init__(self):
        self.mails = []

    async def handle_DATA(self, _server, _session, envelope):
        self.mails.append(envelope.content)
        return "250 taken"


def test_receivers_that_are_down_delay_notes_only(tmp_path):
    slack_port, mail_port = free_port(), free_port()
    server = Server(tmp_path / "data", "--smtp-host", "127.0.0.1", "--smtp-port", str(mail_port),
                    "--smtp-from", "slipway@localhost", "--smtp-plain")
    slack = controller = None
    try:
        sns = server.client("sns")
        account = server.client("sts").get_caller_identity()["Account"]
        topic = f"arn:aws:sns:us-east-1:{account}:slipway-notices"
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=f"http://127.0.0.1:{slack_port}/",
                      Attributes={"SlackFormat": "true"})
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="someone@localhost")
        hosted = Hosted(server, "root/noisy", tmp_path / "work")
        began = time.monotonic()
        for number in range(3):
            pipeline = hosted.run(f"job: {{script: [echo {number}, exit 3]}}\n")
            assert hosted.ended(pipeline)["status"] == "failed"
        assert time.monotonic() - began < 30
        slack = Slack(slack_port)
        inbox = Inbox()
        controller = Controller(inbox, hostname="127.0.0.1", port=mail_port)
        controller.start()
        slack.wait("root/noisy", "job")
        wait_for(lambda: inbox.mails, "the mail that asks to confirm")
    finally:
        server.clear()
        if slack:
            slack.server.shutdown()
        if controller:
            controller.stop()


# --- kill -9 -------------------------------------------------------------------------------------


def crash(server):
    """The server is killed and comes back."""
    server.kill()
    server.start()


def test_killed_at_every_stage_nothing_is_lost_or_twice(own_server, tmp_path, counter):
    down = Hosted(own_server, "root/down", tmp_path / "down")
    down.commit({".gitlab-ci.yml": f"""
first: {{stage: build, script: ['{counter.hit("down1")}', sleep 1.5]}}
second: {{stage: test, script: ['{counter.hit("down2")}', sleep 0.5]}}
"""})
    down.push("-o", "ci.skip")
    up = Hosted(own_server, "root/up", tmp_path / "up")
    pipeline = up.run(f"""
stages: [one, two, three]
one:
  stage: one
  script: ['{counter.hit("one")}', sleep 1.5, echo out > out.txt]
  artifacts: {{paths: [out.txt]}}
two: {{stage: two, trigger: {{project: root/down, strategy: depend}}}}
three: {{stage: three, script: [cat out.txt, '{counter.hit("three")}', sleep 1.5, '{counter.hit("end")}']}}
""")
    for moment in ("one", "down1", "down2", "three"):
        counter.wait(moment)
        crash(own_server)
    assert up.ended(pipeline)["status"] == "success", up.story(pipeline)
    assert sorted(counter.paths) == sorted(["one", "down1", "down2", "three", "end"])
    assert len(up.get("pipelines")) == 1
    assert len(down.get("pipelines?source=pipeline")) == 1
    wait_for(lambda: not containers_of_jobs(own_server), "the end of the containers", 20)


def test_killed_at_any_moment_pipelines_end(own_server, tmp_path, counter):
    down = Hosted(own_server, "root/down", tmp_path / "down")
    down.commit({".gitlab-ci.yml": f"work: {{script: ['{counter.hit('down-$ROUND')}']}}\n"})
    down.push("-o", "ci.skip")
    up = Hosted(own_server, "root/up", tmp_path / "up")
    pipelines = []
    moments = [0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.9]
    for number, moment in enumerate(moments):
        # A pipeline that has not begun would be cancelled by the next push.
        commit = up.commit({".gitlab-ci.yml": f"""
workflow: {{auto_cancel: {{on_new_commit: none}}}}
stages: [build, next, last]
build: {{stage: build, script: ['{counter.hit(f"build-{number}")}', echo a > a], artifacts: {{paths: [a]}}}}
next:
  stage: next
  variables: {{ROUND: "{number}"}}
  trigger: {{project: root/down, strategy: depend}}
last: {{stage: last, script: [cat a, '{counter.hit(f"last-{number}")}']}}
"""})
        up.push()
        time.sleep(moment)  # the moment is what is tried, not a wait for something
        crash(own_server)
        pipelines.append(up.pipeline_of(commit))
    for number, pipeline in enumerate(pipelines):
        assert up.ended(pipeline)["status"] == "success", f"{number}: {up.story(pipeline)}"
    expected = [f"{name}-{number}" for number in range(len(moments))
                for name in ("build", "down", "last")]
    assert sorted(counter.paths) == sorted(expected)
    assert len(up.get("pipelines?per_page=100")) == len(moments)
    assert len(down.get("pipelines?source=pipeline&per_page=100")) == len(moments)


def test_a_push_that_is_killed_can_be_repeated(own_server, tmp_path, counter):
    hosted = Hosted(own_server, "root/pushed", tmp_path / "work")
    for number, moment in enumerate((0.01, 0.03, 0.06, 0.1, 0.15, 0.25)):
        commit = hosted.commit(
            {".gitlab-ci.yml": f"job: {{script: ['{counter.hit(f'push-{number}')}']}}\n"})
        pusher = threading.Thread(target=lambda: hosted.git(
            "push", f"http://oauth2:{hosted.token}@{own_server.host}/{hosted.full_path}.git",
            "HEAD:refs/heads/main", check=False))
        pusher.start()
        time.sleep(moment)
        own_server.kill()
        pusher.join()
        own_server.start()
        hosted.push()
        pipelines = wait_for(lambda: hosted.get(f"pipelines?sha={commit}"),
                             f"a pipeline for push {number}")
        ended = hosted.ended(pipelines[0]["id"])
        assert ended["status"] == "success", hosted.story(ended["id"])
        assert [each["id"] for each in hosted.get(f"pipelines?sha={commit}")] == [ended["id"]]
        assert counter.paths.count(f"push-{number}") == 1


def test_killed_on_the_way_to_production(tmp_path):
    flow = Flow(tmp_path, quick=True)
    server, slow = flow.server, "import time; time.sleep(2)\n"
    try:
        assert flow.over()["status"] == "success"
        files = flow.files(serve__py=("first", "second"))
        files["tiny/train.py"] = slow + files["tiny/train.py"]
        files["tiny/evaluate.py"] = slow + files["tiny/evaluate.py"]
        flow.push(files, "feat: slower", wait=False)

        def steps():
            found = flow.sagemaker.list_pipeline_executions(PipelineName="tiny-training")
            arns = [item["PipelineExecutionArn"] for item in found["PipelineExecutionSummaries"]]
            if len(arns) < 2:
                return {}
            listed = flow.sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arns[0])
            return {step["StepName"]: step["StepStatus"]
                    for step in listed["PipelineExecutionSteps"]}
        wait_for(lambda: "Executing" in steps().values(), "the training's first step")
        crash(server)
        wait_for(lambda: "Succeeded" in steps().values(), "the training's second step")
        crash(server)
        assert flow.over()["status"] == "success"
        assert flow.versions() == {"1.0.0": "PendingManualApproval",
                                   "1.1.0": "PendingManualApproval"}
        assert set(steps().values()) == {"Succeeded"}
        jobs = flow.sagemaker.list_training_jobs()["TrainingJobSummaries"]
        assert [job["TrainingJobStatus"] for job in jobs] == ["Completed"] * 2
        done = server.slipway("approve", "tiny", "1.1.0")
        assert done.returncode == 0, done.stderr
        crash(server)
        flow.in_service(b"2 second\n")
        assert list(flow.deployed().values()) == ["Succeeded"]
        endpoints = flow.sagemaker.list_endpoints()["Endpoints"]
        assert [each["EndpointName"] for each in endpoints] == ["tiny"]
    finally:
        flow.close()
