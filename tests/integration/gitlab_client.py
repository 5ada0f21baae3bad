"""A stock python-gitlab client and a project that has run, for the tests of GitLab's API."""

import gitlab
import pytest
from conftest import wait_for

PIPELINE = """
stages: [build, check, deploy]

build:
  stage: build
  script:
    - echo "building $CI_COMMIT_REF_NAME with $GREETING"
    - mkdir -p out/deep
    - echo "the model" > out/model.txt
    - echo "below" > out/deep/below.txt
  artifacts:
    paths: [out]

check:
  stage: check
  script:
    - grep "the model" out/model.txt
    - exit ${FAIL:-0}

deploy:
  stage: deploy
  when: manual
  script:
    - echo "deployed $TARGET"
"""


@pytest.fixture(scope="module")
def token(server):
    """The access token that the first start made for root."""
    return (server.data / "gitlab-token").read_text().strip()


@pytest.fixture(scope="module")
def api(server, token):
    """A stock python-gitlab client."""
    client = gitlab.Gitlab(server.endpoint, private_token=token, timeout=60)
    client.auth()
    return client


def push(project, files, message="Change", branch="main"):
    """Commits the files through the API; returns the commit."""
    known = set()
    try:
        known = {entry["path"] for entry in
                 project.repository_tree(ref=branch, recursive=True, iterator=True)}
    except gitlab.GitlabGetError:
        pass
    return project.commits.create({
        "branch": branch,
        "commit_message": message,
        "actions": [{"action": "update" if path in known else "create", "file_path": path,
                     "content": text} for path, text in files.items()],
    })


def ended(project, pipeline, statuses=("success", "failed", "canceled", "manual", "skipped")):
    """Waits for the pipeline's last status; returns the pipeline."""
    def look():
        found = project.pipelines.get(pipeline.id)
        return found if found.status in statuses else None
    return wait_for(look, f"the end of pipeline {pipeline.id}", 240)


def job_named(project, pipeline, name):
    """The pipeline's job of that name, in full."""
    jobs = {job.name: job.id for job in pipeline.jobs.list(get_all=True)}
    return project.jobs.get(jobs[name])


@pytest.fixture(scope="module")
def built(api):
    """A project and its pipeline, which has run as far as it goes by itself."""
    project = api.projects.create({"name": "built", "description": "A model"})
    project.variables.create({"key": "GREETING", "value": "hello"})
    push(project, {".gitlab-ci.yml": PIPELINE, "README.md": "# built\n"}, "Begin")
    pipeline = wait_for(lambda: project.pipelines.list(get_all=True), "the push's pipeline")[0]
    return project, ended(project, pipeline)
