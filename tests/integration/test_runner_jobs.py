"""Jobs through the whole server: pushed with git, run by the server itself or by a stock runner."""

import io
import json
import os
import re
import shutil
import socket
import subprocess
import uuid
import zipfile

import pytest
import requests

from conftest import wait_for

ENDED = ("success", "failed", "canceled", "skipped")


class GitLab:
    """The REST API as a person uses it."""

    def __init__(self, server, path):
        self.server = server
        self.token = (server.data / "gitlab-token").read_text().strip()
        self.api = f"{server.endpoint}/api/v4"
        self.session = requests.Session()
        self.session.headers["PRIVATE-TOKEN"] = self.token
        self.name = f"p{uuid.uuid4().hex[:8]}"
        self.tree = path / self.name
        self.project = self.post("projects", name=self.name)["id"]
        self.tree.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")

    def post(self, path, **fields):
        response = self.session.post(f"{self.api}/{path}", json=fields, timeout=60)
        assert response.ok, response.text
        return response.json()

    def get(self, path):
        response = self.session.get(f"{self.api}/projects/{self.project}/{path}", timeout=60)
        assert response.ok, response.text
        return response

    def git(self, *words):
        identity = ["-c", "user.name=root", "-c", "user.email=root@localhost"]
        subprocess.run(["git", *identity, *words], cwd=self.tree, check=True, capture_output=True)

    def push(self, **files):
        """Commits these files and pushes; returns the pipeline that this makes."""
        for name, text in files.items():
            path = self.tree / name.replace("__", ".")
            path.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "Change")
        url = f"http://root:{self.token}@{self.server.host}/root/{self.name}.git"
        self.git("push", "-q", url, "main")
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=self.tree, check=True,
                              capture_output=True, text=True).stdout.strip()
        return wait_for(lambda: self.get(f"pipelines?sha={head}").json(), "a pipeline")[0]["id"]

    def jobs(self, pipeline):
        return {job["name"]: job for job in self.get(f"pipelines/{pipeline}/jobs").json()}

    def end_of(self, pipeline):
        """Waits for the pipeline's end; returns its status."""
        def ended():
            status = self.get(f"pipelines/{pipeline}").json()["status"]
            return status if status in ENDED else None
        return wait_for(ended, f"the end of pipeline {pipeline}", 120)

    def trace(self, job):
        return self.get(f"jobs/{job['id']}/trace").text


@pytest.fixture
def gitlab(server, tmp_path):
    return GitLab(server, tmp_path)


def test_a_push_builds_and_tests(gitlab):
    pipeline = gitlab.push(**{"data__txt": "seven\n", "__gitlab-ci__yml": """
stages: [build, test]
build:
  stage: build
  script:
    - mkdir out && cp data.txt out/
    - echo "ANSWER=42" > answer.env
  artifacts: {paths: [out], reports: {dotenv: answer.env}}
test:
  stage: test
  script:
    - cat out/data.txt
    - echo "answer $ANSWER on $CI_COMMIT_BRANCH"
    - git log --oneline -1
  after_script: ['echo "ended with $CI_JOB_STATUS"']
"""})
    assert gitlab.end_of(pipeline) == "success"
    jobs = gitlab.jobs(pipeline)
    text = gitlab.trace(jobs["test"])
    assert "\nseven\n" in text
    assert "\nanswer 42 on main\n" in text
    assert "\nended with success\n" in text
    assert "Job succeeded" in text
    archive = gitlab.get(f"jobs/{jobs['build']['id']}/artifacts").content
    assert zipfile.ZipFile(io.BytesIO(archive)).read("out/data.txt") == b"seven\n"


def test_files_keep_their_names(gitlab):
    pipeline = gitlab.push(**{"__gitlab-ci__yml": """
stages: [build, test]
build:
  stage: build
  script:
    - mkdir größe && echo seven > größe/模型.txt && ln -s größe läuft
    - echo x > größe/$(printf 'latin-\\344')
  artifacts: {paths: [größe, läuft]}
  cache: {paths: [größe/模型.txt]}
test:
  stage: test
  script: [cat läuft/模型.txt]
"""})
    assert gitlab.end_of(pipeline) == "success"
    jobs = gitlab.jobs(pipeline)
    assert "\nseven\n" in gitlab.trace(jobs["test"])
    assert "is left out: its name is not UTF-8" in gitlab.trace(jobs["build"])
    one = gitlab.get(f"jobs/{jobs['build']['id']}/artifacts/größe/模型.txt")
    assert one.text == "seven\n"


def test_a_failure_is_told(gitlab):
    pipeline = gitlab.push(**{"__gitlab-ci__yml": """
broken: {script: [echo begun, exit 7, echo never]}
"""})
    assert gitlab.end_of(pipeline) == "failed"
    job = gitlab.jobs(pipeline)["broken"]
    assert job["failure_reason"] == "script_failure"
    text = gitlab.trace(job)
    assert "\nbegun\n" in text and "\nnever\n" not in text
    assert "ERROR: Job failed: exit code 7" in text


def test_a_job_is_canceled(gitlab):
    pipeline = gitlab.push(**{"__gitlab-ci__yml": """
long:
  script: [echo begun, sleep 600]
  after_script: [echo last words]
"""})
    wait_for(lambda: "\nbegun\n" in gitlab.trace(gitlab.jobs(pipeline)["long"]), "the job's begin")
    gitlab.post(f"projects/{gitlab.project}/jobs/{gitlab.jobs(pipeline)['long']['id']}/cancel")
    assert gitlab.end_of(pipeline) == "canceled"
    assert "\nlast words\n" in gitlab.trace(gitlab.jobs(pipeline)["long"])


def test_a_job_outlives_the_server(own_server, tmp_path):
    gitlab = GitLab(own_server, tmp_path)
    pipeline = gitlab.push(**{"__gitlab-ci__yml": """
counting: {script: ['for i in $(seq 1 80); do echo "number $i."; sleep 0.1; done']}
"""})
    wait_for(lambda: "number 5." in gitlab.trace(gitlab.jobs(pipeline)["counting"]), "output")
    own_server.kill()
    own_server.start()
    assert gitlab.end_of(pipeline) == "success"
    text = gitlab.trace(gitlab.jobs(pipeline)["counting"])
    assert [text.count(f"number {i}.\n") for i in range(1, 81)] == [1] * 80


def test_the_jobs_of_a_removed_project_end(own_server, tmp_path):
    """Also where the server dies at once: its next start must not fail for want of the project."""
    for crash in (False, True):
        gitlab = GitLab(own_server, tmp_path)
        pipeline = gitlab.push(**{"__gitlab-ci__yml": "long: {script: [echo begun, sleep 600]}\n"})
        wait_for(lambda gitlab=gitlab, pipeline=pipeline: "\nbegun\n" in gitlab.trace(
            gitlab.jobs(pipeline)["long"]), "the job's begin")
        job = f"ci-{gitlab.jobs(pipeline)['long']['id']}"
        containers = own_server.data / "containers"
        assert (containers / job).exists()
        gone = gitlab.session.delete(f"{gitlab.api}/projects/{gitlab.project}", timeout=60)
        assert gone.status_code == 202
        if crash:
            own_server.kill()
            own_server.start()
        wait_for(lambda job=job: not (containers / job).exists(), "the end of the job's container")


def free_port():
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def answers(port):
    """Whether somebody listens there."""
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


def test_a_job_runs_in_an_image_that_was_pushed(gitlab):
    gitlab.server.push_image("tools/own", "1.0", {"usr/local/bin/greet": "#!/bin/sh\necho hi $1\n"})
    pipeline = gitlab.push(**{"__gitlab-ci__yml": """
variables: {VERSION: "1.0"}
by-address:
  image: $CI_REGISTRY/tools/own:$VERSION
  script: ['greet "$CI_JOB_NAME"']
by-name:
  image: {name: "tools/own:$VERSION", entrypoint: [""]}
  script: ['greet "$CI_JOB_NAME"', 'echo "in $CI_JOB_IMAGE"']
missing:
  image: tools/none:1
  script: [greet]
"""})
    assert gitlab.end_of(pipeline) == "failed"
    jobs = gitlab.jobs(pipeline)
    texts = {name: gitlab.trace(job) for name, job in jobs.items()}
    assert "\nhi by-address\n" in texts["by-address"], texts["by-address"]
    assert "\nhi by-name\n" in texts["by-name"] and "\nin tools/own:1.0\n" in texts["by-name"]
    assert "of this server's registry" in texts["by-address"]
    assert jobs["missing"]["failure_reason"] == "image_pull_failure"
    assert "push it first" in texts["missing"]


def test_a_job_reaches_its_services_by_name(gitlab):
    port = free_port()
    gitlab.server.push_image("tools/greeter", "1", {"greeter.py": """#!/usr/bin/env python3
import http.server
import os

class Greeter(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"greetings, {os.environ['WHOM']}\\n".encode())

http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Greeter).serve_forever()
"""}, entrypoint=["python3", "/greeter.py"])
    pipeline = gitlab.push(**{"__gitlab-ci__yml": f"""
served:
  services:
    - name: tools/greeter:1
      alias: greeter
      variables: {{WHOM: "$CI_PROJECT_NAME", PORT: "{port}"}}
    - nowhere/to-be-found:1
  script:
    - for i in $(seq 100); do curl -sf http://greeter:{port}/ > out && break; sleep 0.1; done
    - cat out
    - curl -sf http://tools-greeter:{port}/
"""})
    assert gitlab.end_of(pipeline) == "success", gitlab.trace(gitlab.jobs(pipeline)["served"])
    text = gitlab.trace(gitlab.jobs(pipeline)["served"])
    assert text.count(f"\ngreetings, {gitlab.name}\n") == 2, text
    assert "WARNING: service nowhere/to-be-found:1 was not started" in text
    wait_for(lambda: not answers(port), "the service's end")


def runner_token(gitlab, tag):
    return gitlab.post("user/runners", runner_type="instance_type", tag_list=tag,
                       run_untagged=False)["token"]


FEATURES = ("variables", "image", "services", "artifacts", "cache", "upload_multiple_artifacts",
            "refspecs", "artifacts_exclude", "return_exit_code", "fallback_cache_keys",
            "cancel_gracefully", "masking")


def test_the_coordinator_speaks_the_runners_protocol(gitlab):
    """The exchange of gitlab-runner 17 with a server, call by call."""
    api, tag = gitlab.api, f"t{uuid.uuid4().hex[:6]}"
    token = runner_token(gitlab, tag)
    info = {"name": "gitlab-runner", "version": "17.0.0", "revision": "44feccdf",
            "platform": "linux", "architecture": "amd64", "executor": "shell", "shell": "bash",
            "features": {name: True for name in FEATURES}, "config": {}}
    http = requests.Session()

    verified = http.post(f"{api}/runners/verify", json={"token": token, "system_id": "s_0123456789ab"},
                         headers={"X-Request-Id": "0" * 32}, timeout=60)
    assert verified.status_code == 200 and verified.json()["id"] > 0
    assert verified.headers["X-Request-Id"] == "0" * 32
    assert verified.headers["Content-Type"] == "application/json"
    assert http.post(f"{api}/runners/verify", json={"token": "x"}, timeout=60).status_code == 403

    pipeline = gitlab.push(**{"__gitlab-ci__yml": f"""
default: {{tags: [{tag}]}}
stages: [one, two]
first: {{stage: one, script: [make], artifacts: {{paths: [out], expire_in: 1 week}}}}
second: {{stage: two, script: [make check]}}
"""})
    ask = {"info": info, "token": token, "system_id": "s_0123456789ab", "last_update": ""}
    given = http.post(f"{api}/jobs/request", json=ask, headers={"RUNNER-TOKEN": token}, timeout=90)
    assert given.status_code == 201, given.text
    job = given.json()
    assert isinstance(job["id"], int) and isinstance(job["runner_info"]["timeout"], int)
    assert job["job_info"]["name"] == "first" and job["job_info"]["pipeline_id"] == pipeline
    assert job["steps"][0]["script"] == ["make"]
    assert job["git_info"]["refspecs"][0] == f"+refs/pipelines/{pipeline}:refs/pipelines/{pipeline}"

    # The sources, as the runner gets them.
    fetched = subprocess.run(["git", "ls-remote", job["git_info"]["repo_url"],
                              f"refs/pipelines/{pipeline}"], capture_output=True, text=True)
    assert job["git_info"]["sha"] in fetched.stdout, fetched.stderr

    url, mine = f"{api}/jobs/{job['id']}", {"JOB-TOKEN": job["token"]}

    def patch(start, text, end=None):
        last = start + len(text) - 1 if end is None else end
        return http.patch(f"{url}/trace?debug_trace=false", data=text.encode(), timeout=60,
                          headers={**mine, "Content-Type": "text/plain",
                                   "Content-Range": f"{start}-{last}"})

    sent = patch(0, "Running with gitlab-runner\n")
    assert sent.status_code == 202
    assert sent.headers["Job-Status"] == "running" and sent.headers["Range"] == "0-27"
    assert int(sent.headers["X-GitLab-Trace-Update-Interval"]) > 0
    wrong = patch(99, "x")
    assert wrong.status_code == 416 and wrong.headers["Range"] == "0-27"
    alive = http.put(url, json={"token": job["token"], "state": "running", "info": info}, timeout=60)
    assert alive.status_code == 200 and alive.headers["Job-Status"] == "running"

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("out/large", os.urandom(3 << 20))
    body, boundary = archive.getvalue(), "7a1b"

    def multipart():  # chunked, as the runner sends it
        yield (f"--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename="
               "\"artifacts.zip\"\r\nContent-Type: application/octet-stream\r\n\r\n").encode()
        for at in range(0, len(body), 65536):
            yield body[at:at + 65536]
        yield f"\r\n--{boundary}--\r\n".encode()

    stored = http.post(f"{url}/artifacts?artifact_format=zip&artifact_type=archive&expire_in=1+week",
                       data=multipart(), timeout=60,
                       headers={**mine, "Content-Type": f"multipart/form-data; boundary={boundary}"})
    assert stored.status_code == 201, stored.text
    end = {"token": job["token"], "state": "success", "info": info, "exit_code": 0,
           "checksum": "crc32:00000000", "output": {"bytesize": 27}}
    end.pop("checksum")
    assert http.put(url, json=end, timeout=60).status_code == 200
    assert patch(27, "late").status_code == 403

    following = http.post(f"{api}/jobs/request", json=ask, timeout=90)
    assert following.status_code == 201
    dependency = following.json()["dependencies"][0]
    download = http.get(f"{api}/jobs/{dependency['id']}/artifacts?direct_download=false",
                        headers={"JOB-TOKEN": dependency["token"]}, timeout=60)
    assert download.content == body
    http.put(f"{api}/jobs/{following.json()['id']}", timeout=60,
             json={"token": following.json()["token"], "state": "failed", "exit_code": 3,
                   "failure_reason": "script_failure"})
    assert gitlab.end_of(pipeline) == "failed"
    assert gitlab.trace(gitlab.jobs(pipeline)["first"]) == "Running with gitlab-runner\n"
    removed = http.delete(f"{api}/runners", data=json.dumps({"token": token}), timeout=60,
                          headers={"Content-Type": "application/json"})
    assert removed.status_code == 204


@pytest.fixture
def stock(gitlab, tmp_path):
    """A stock gitlab-runner, registered with its authentication token, that takes one tag's jobs."""
    tag = f"t{uuid.uuid4().hex[:6]}"
    configuration, token = tmp_path / "config.toml", runner_token(gitlab, tag)
    subprocess.run(["gitlab-runner", "register", "--non-interactive", "--config", configuration,
                    "--url", gitlab.server.endpoint, "--token", token, "--executor", "shell"],
                   check=True, capture_output=True)
    # Two at a time, asked for each second and not each three.
    text = configuration.read_text().replace("concurrent = 1", "concurrent = 2")
    configuration.write_text(text.replace("check_interval = 0", "check_interval = 1"))
    (tmp_path / "work").mkdir()
    with open(tmp_path / "runner.log", "wb") as log:
        runner = subprocess.Popen(
            ["gitlab-runner", "--debug", "run", "--config", configuration, "--working-directory",
             tmp_path / "work"], stdout=log, stderr=log)
    yield tag
    runner.terminate()
    runner.wait(60)


needs_stock_runner = pytest.mark.skipif(not shutil.which("gitlab-runner"),
                                        reason="no gitlab-runner in PATH")


def said(text):
    """A stock runner's trace without the time and stream before each line; "+" goes on with one."""
    text = re.sub(r"\n[-0-9T:.]+Z [0-9a-f]{2}[OE]\+", "", text.replace("\r", ""))
    return re.sub(r"(?m)^[-0-9T:.]+Z [0-9a-f]{2}[OE] ?", "", text)


@needs_stock_runner
def test_a_stock_runner_runs_a_pipeline(gitlab, stock):
    """Sources, variables, cache, artifacts and reports through jobs that feed each other."""
    gitlab.post(f"projects/{gitlab.project}/variables", key="SECRET", value="hush-hush-1234", masked=True)
    gitlab.post(f"projects/{gitlab.project}/variables", key="SETTINGS", value="a = 1\n",
                variable_type="file")
    pipeline = gitlab.push(**{"data__txt": "seven\n", "__gitlab-ci__yml": f"""
default: {{tags: [{stock}]}}
stages: [build, test, last]
variables: {{GREETING: "hello $CI_PROJECT_NAME"}}
build:
  stage: build
  cache: {{key: one, paths: [store]}}
  before_script: ['echo "before"']
  script:
    - cat data.txt
    - echo "$GREETING from $CI_COMMIT_BRANCH"
    - cat "$SETTINGS"
    - echo "secret $SECRET."
    - mkdir -p out store && cp data.txt out/ && echo kept > store/kept.txt && echo no > out/no.log
    - echo "ANSWER=42" > answer.env
    - |
      cat > report.xml <<'END'
      <testsuite name="s" tests="1" failures="0"><testcase classname="c" name="works" time="0.5"/></testsuite>
      END
  after_script: ['echo "ended with $CI_JOB_STATUS"']
  artifacts:
    paths: [out]
    exclude: ["out/*.log"]
    expire_in: 1 week
    reports: {{dotenv: answer.env, junit: report.xml}}
test:
  stage: test
  cache: {{key: one, paths: [store], policy: pull}}
  script:
    - cat out/data.txt store/kept.txt
    - test ! -e out/no.log
    - echo "answer $ANSWER"
    - git log --oneline -1
    - git ls-remote "$CI_REPOSITORY_URL" HEAD
    - 'curl -sf -H "JOB-TOKEN: $CI_JOB_TOKEN" "$CI_API_V4_URL/job" | head -c 8'
forgiven:
  stage: last
  needs: []
  script: ['exit 3']
  allow_failure: {{exit_codes: [3]}}
broken:
  stage: last
  needs: []
  script: ['exit 4']
  allow_failure: {{exit_codes: [3]}}
"""})
    assert gitlab.end_of(pipeline) == "failed"
    jobs = gitlab.jobs(pipeline)
    texts = {name: said(gitlab.trace(job)) for name, job in jobs.items()}
    assert {name: job["status"] for name, job in jobs.items()} == {
        "build": "success", "test": "success", "forgiven": "failed", "broken": "failed"}, texts
    assert jobs["forgiven"]["allow_failure"] and not jobs["broken"]["allow_failure"]
    assert jobs["broken"]["failure_reason"] == "script_failure"
    assert "exit status 4" in texts["broken"] or "exit code 4" in texts["broken"]
    build = texts["build"]
    for line in ("before", "seven", f"hello {gitlab.name} from main", "a = 1", "ended with success"):
        assert f"\n{line}\n" in build, build
    assert "hush-hush" not in build and "secret [MASKED]." in build
    for line in ("seven", "kept", "answer 42"):
        assert f"\n{line}\n" in texts["test"], texts["test"]
    kinds = {each["file_type"]: each for each in jobs["build"]["artifacts"]}
    assert {"archive", "dotenv", "junit", "trace"} <= set(kinds), kinds
    assert jobs["build"]["artifacts_expire_at"]
    archive = zipfile.ZipFile(io.BytesIO(gitlab.get(f"jobs/{jobs['build']['id']}/artifacts").content))
    assert archive.read("out/data.txt") == b"seven\n" and "out/no.log" not in archive.namelist()
    assert jobs["build"]["runner"]["id"] == jobs["test"]["runner"]["id"]


@needs_stock_runner
def test_a_stock_runner_streams_its_trace(gitlab, stock):
    """In pieces, as long as it runs; each line once; then the job is canceled in the midst."""
    pipeline = gitlab.push(**{"__gitlab-ci__yml": f"""
default: {{tags: [{stock}]}}
long:
  script: ['for i in $(seq 1 600); do echo "number $i."; sleep 0.1; done']
  after_script: ['echo last words', 'echo "status $CI_JOB_STATUS"']
"""})
    job = lambda: gitlab.jobs(pipeline)["long"]
    wait_for(lambda: "number 60." in gitlab.trace(job()), "a second piece of the trace", 90)
    assert job()["status"] == "running"
    gitlab.post(f"projects/{gitlab.project}/jobs/{job()['id']}/cancel")
    assert gitlab.end_of(pipeline) == "canceled"
    text = said(gitlab.trace(job()))
    assert "\nlast words\n" in text and "\nstatus canceled\n" in text, text[-2000:]
    assert [text.count(f"number {i}.\n") for i in range(1, 61)] == [1] * 60
    assert "number 600." not in text


@needs_stock_runner
def test_a_stock_runner_ends_a_job_at_its_timeout(gitlab, stock):
    pipeline = gitlab.push(**{"__gitlab-ci__yml": f"""
late: {{tags: [{stock}], timeout: 5 seconds, script: [echo begun, sleep 600]}}
"""})
    assert gitlab.end_of(pipeline) == "failed"
    assert gitlab.jobs(pipeline)["late"]["failure_reason"] == "job_execution_timeout"
