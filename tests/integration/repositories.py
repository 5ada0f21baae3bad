"""Repositories on the server: GitLab's REST API with plain requests, and stock git."""

import os
import re
import subprocess
from pathlib import Path

import boto3
import requests
from conftest import wait_for

ENDED = {"success", "failed", "canceled", "skipped", "manual"}


class Hosted:
    """One project: its API below `path`, and a checkout to push from."""

    def __init__(self, server, full_path, directory, token=None):
        self.server = server
        self.full_path = full_path
        self.directory = directory
        self.root_token = (server.data / "gitlab-token").read_text().strip()
        self.token = token or self.root_token
        self.session = requests.Session()
        self.session.headers["PRIVATE-TOKEN"] = self.root_token
        self.number = self._ensure()

    def _ensure(self):
        """The project's id; its group and itself are made where they are missing."""
        group, name = self.full_path.rsplit("/", 1)
        found = self.call("GET", f"/projects/{self.full_path.replace('/', '%2F')}", check=False)
        if found.ok:
            return found.json()["id"]
        fields = {"name": name, "path": name}
        if group != "root":
            space = self.call("GET", f"/groups/{group}", check=False)
            if not space.ok:
                space = self.call("POST", "/groups", name=group, path=group)
            fields["namespace_id"] = space.json()["id"]
        return self.call("POST", "/projects", **fields).json()["id"]

    def call(self, method, path, /, check=True, **fields):
        """One call of the API, as root."""
        url = f"{self.server.endpoint}/api/v4{path}"
        answer = self.session.request(method, url, json=fields or None, timeout=60)
        assert not check or answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def get(self, path):
        """What GET says about a part of this project."""
        return self.call("GET", f"/projects/{self.number}/{path}").json()

    def post(self, path, **fields):
        """What POST says about a part of this project."""
        return self.call("POST", f"/projects/{self.number}/{path}", **fields).json()

    def variable(self, key, value, **fields):
        """A CI variable of the project."""
        return self.post("variables", key=key, value=value, **fields)

    # --- git -------------------------------------------------------------------------------------

    def git(self, *arguments, check=True):
        """Runs git in the checkout; returns the finished process."""
        self.directory.mkdir(parents=True, exist_ok=True)
        result = subprocess.run(
            ["git", "-c", "user.name=test", "-c", "user.email=test@localhost", *arguments],
            cwd=self.directory, capture_output=True, text=True, timeout=120, check=False,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1"})
        assert not check or result.returncode == 0, f"{arguments}: {result.stdout}{result.stderr}"
        return result

    def commit(self, files, message="feat: change"):
        """Writes the files (path -> text) and commits them; returns the commit."""
        if not (self.directory / ".git").exists():
            self.git("init", "-q", "-b", "main")
        for name, text in files.items():
            path = self.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD").stdout.strip()

    @property
    def url(self):
        """Where git finds the project, with the token."""
        return f"http://oauth2:{self.token}@{self.server.host}/{self.full_path}.git"

    def push(self, *options):
        """Pushes main; returns what git showed of the server's words."""
        return self.git("push", *options, self.url, "HEAD:refs/heads/main").stderr

    def run(self, configuration, files=None, message="feat: change"):
        """Commits and pushes a .gitlab-ci.yml; returns the new pipeline's id."""
        commit = self.commit({".gitlab-ci.yml": configuration, **(files or {})}, message)
        self.push()
        return self.pipeline_of(commit)

    # --- pipelines -------------------------------------------------------------------------------

    def pipeline_of(self, commit):
        """The id of the pipeline of a pushed commit."""
        return wait_for(lambda: self.get(f"pipelines?sha={commit}"), "the push's pipeline")[0]["id"]

    def ended(self, pipeline, seconds=120):
        """Waits until a pipeline is over; returns it."""
        def look():
            found = self.get(f"pipelines/{pipeline}")
            return found if found["status"] in ENDED else None
        try:
            return wait_for(look, f"the end of pipeline {pipeline}", seconds)
        except BaseException:
            print(self.story(pipeline))
            raise

    def jobs(self, pipeline):
        """The pipeline's jobs and bridges by name."""
        found = {}
        for kind in ("jobs", "bridges"):
            for job in self.get(f"pipelines/{pipeline}/{kind}?per_page=100"):
                found[job["name"]] = job
        return found

    def trace(self, job):
        """A job's trace."""
        return self.call("GET", f"/projects/{self.number}/jobs/{job['id']}/trace").text

    def story(self, pipeline):
        """What a person would look at when a pipeline goes wrong."""
        lines = []
        for name, job in self.jobs(pipeline).items():
            lines.append(f"--- {name}: {job['status']} {job.get('failure_reason')}")
            if job["status"] == "failed" and "downstream_pipeline" not in job:
                lines.append(self.trace(job)[-3000:])
        return "\n".join(lines)


# --- the MLOps repository without downloads ------------------------------------------------------

# What the MLOps repository's jobs import.
PACKAGES = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six.py", "urllib3")
SERVICES = ("lambda", "mwaa", "sagemaker", "sagemaker-runtime")


def push_python_with_boto3(server):
    """Pushes an image python:3.11 in which boto3 is installed."""
    site = Path(boto3.__file__).parents[1]
    files = {}
    for package in PACKAGES:
        found = [site / package] if package.endswith(".py") else (site / package).rglob("*")
        for path in found:
            inside = path.relative_to(site)
            unneeded = (inside.parts[:2] == ("botocore", "data") and len(inside.parts) > 3
                        and inside.parts[2] not in SERVICES)
            if path.is_file() and "__pycache__" not in inside.parts and not unneeded:
                files[f"opt/packages/{inside}"] = path.read_bytes()
    return server.push_image("python", "3.11", files)


def without_installs(configuration):
    """examples/mlops/.gitlab-ci.yml for that image: no virtual environment, no pip, no pylint."""
    lines = []
    for line in configuration.splitlines():
        if re.search(r"python3 -m venv|bin/activate|pip install", line):
            continue
        line = re.sub(r"pylint .*(\"code/.*)", r"python3 -m compileall -q \1", line)
        lines.append(line)
    text = "\n".join(lines) + "\n"
    text = re.sub(r"\.boto3:\n(  .*\n)+", ".boto3: {before_script: []}\n", text)
    text = re.sub(r"  cache:\n    key: pylint\n    paths: .*\n", "", text)
    assert "pip install" not in text and "venv" not in text, text
    return text.replace("\nvariables:\n", "\nvariables:\n  PYTHONPATH: /opt/packages\n", 1)
