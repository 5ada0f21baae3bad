"""What GitLab's API tells others: jobs with their tokens, and webhooks."""

import http.server
import json
import threading

import gitlab
import pytest
import requests
from conftest import wait_for
from gitlab_client import api, ended, job_named, push, token  # noqa: F401

TOKEN_JOBS = """
make:
  stage: build
  script: [echo made > made.txt]
  artifacts: {paths: [made.txt]}

ask:
  stage: test
  dependencies: []
  script:
    - api="$CI_API_V4_URL"
    - 'status() { echo "$1 $(curl -s -o answer -w "%{http_code}" --header "$2" "$api$3")"; }'
    - status own-job "JOB-TOKEN:$CI_JOB_TOKEN" /job
    - grep -q "\\"name\\":\\"ask\\"" answer && echo own-job-is-this
    - status artifact "JOB-TOKEN:$CI_JOB_TOKEN" "/projects/$CI_PROJECT_ID/jobs/artifacts/main/raw/made.txt?job=make"
    - status bearer "Authorization:Bearer $CI_JOB_TOKEN" /job
    - status project "JOB-TOKEN:$CI_JOB_TOKEN" "/projects/$CI_PROJECT_ID"
    - status variables "JOB-TOKEN:$CI_JOB_TOKEN" "/projects/$CI_PROJECT_ID/variables"
    - status private "PRIVATE-TOKEN:$CI_JOB_TOKEN" /job
    - status foreign "JOB-TOKEN:$CI_JOB_TOKEN" "/projects/root%2Fforeign/jobs/artifacts/main/download?job=make"
"""


def test_what_a_jobs_token_may_do(server, api):
    foreign = api.projects.create({"name": "foreign"})
    push(foreign, {".gitlab-ci.yml": TOKEN_JOBS.split("ask:")[0]}, "Begin")
    project = api.projects.create({"name": "asking"})
    push(project, {".gitlab-ci.yml": TOKEN_JOBS}, "Begin")
    # The files come from a pipeline that has ended well, so the second run finds the first's.
    for each in (foreign, project):
        begun = wait_for(lambda each=each: each.pipelines.list(get_all=True), "a pipeline")[0]
        assert ended(each, begun).status == "success"
    again = ended(project, project.pipelines.create({"ref": "main"}))
    ask = job_named(project, again, "ask")
    trace = ask.trace().decode().splitlines()
    for line in ("own-job 200", "own-job-is-this", "artifact 200", "bearer 200", "project 404",
                 "variables 401", "private 401", "foreign 404"):
        assert line in trace, (line, trace)
    foreign.job_token_scope.get().allowlist.create({"target_project_id": project.id})
    again = ended(project, project.pipelines.create({"ref": "main"}))
    assert "foreign 200" in job_named(project, again, "ask").trace().decode().splitlines()
    # What a job knew is worth nothing once it has ended.
    assert requests.get(f"{server.endpoint}/api/v4/job", headers={"JOB-TOKEN": "glcbt-1_x"},
                        timeout=30).status_code == 401


def test_shows_a_debug_trace_to_developers_only(server, api):
    project = api.projects.create({"name": "debugged", "visibility": "public"})
    project.variables.create({"key": "SECRET", "value": "it's-a-secret", "masked": True})
    push(project, {".gitlab-ci.yml": "a:\n  variables: {CI_DEBUG_TRACE: 'true'}\n"
                                     "  script: ['echo \"$SECRET\"']\n"})
    pipeline = wait_for(lambda: project.pipelines.list(get_all=True), "the push's pipeline")[0]
    assert ended(project, pipeline).status == "success"
    job = job_named(project, pipeline, "a")
    trace = job.trace().decode()
    assert "[MASKED]" in trace and "s-a-secret" not in trace
    address = f"{server.endpoint}/api/v4/projects/{project.id}/jobs/{job.id}"
    assert requests.get(address, timeout=30).status_code == 200
    assert requests.get(address + "/trace", timeout=30).status_code == 401


class Receiver(http.server.BaseHTTPRequestHandler):
    """Keeps what it is sent; /failing answers with 500."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((dict(self.headers), json.loads(body)))
        self.send_response(500 if self.path == "/failing" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    """A local HTTP server for webhooks."""
    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    listening.received = []
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    yield listening
    listening.shutdown()
    listening.server_close()
    thread.join()


def test_webhooks(api, server, receiver):
    project = api.projects.create({"name": "hooked"})
    hook = project.hooks.create({
        "url": f"http://127.0.0.1:{receiver.server_address[1]}/hook", "token": "secret",
        "push_events": True, "tag_push_events": True, "pipeline_events": True, "job_events": True})
    assert not hasattr(hook, "token")
    push(project, {".gitlab-ci.yml": "build:\n  script: [echo built]\n"}, "Begin")

    def of(event):
        return [each for each in receiver.received if each[0]["X-Gitlab-Event"] == event]
    headers, told = wait_for(lambda: of("Push Hook"), "the push")[0]
    assert headers["X-Gitlab-Token"] == "secret" and headers["X-Gitlab-Event-UUID"]
    assert (told["object_kind"], told["ref"]) == ("push", "refs/heads/main")
    begun = told["commits"][0]
    assert (begun["title"], begun["added"], begun["modified"], begun["removed"]) == (
        "Begin", [".gitlab-ci.yml"], [], [])
    assert told["project"]["path_with_namespace"] == "root/hooked"
    def succeeded(event, status):
        return [body for _, body in of(event) if status(body) == "success"]
    job = wait_for(lambda: succeeded("Job Hook", lambda body: body["build_status"]), "the job", 240)[0]
    assert (job["object_kind"], job["build_name"]) == ("build", "build")
    pipeline = wait_for(lambda: succeeded(
        "Pipeline Hook", lambda body: body["object_attributes"]["status"]), "the pipeline", 240)[0]
    assert [each["name"] for each in pipeline["builds"]] == ["build"]
    project.tags.create({"tag_name": "v1", "ref": "main"})
    assert wait_for(lambda: of("Tag Push Hook"), "the tag")[0][1]["ref"] == "refs/tags/v1"

    failing = project.hooks.create(
        {"url": f"http://127.0.0.1:{receiver.server_address[1]}/failing"})
    failing.test("push_events")
    failed = wait_for(lambda: [each for each in api.http_list(
        f"/projects/{project.id}/hooks/{failing.id}/events", get_all=True)
        if each["response_status"] == "500"], "the failure")
    assert failed[0]["trigger"] == "Push Hook"
    with pytest.raises(gitlab.GitlabCreateError) as odd:
        project.hooks.create({"url": "ftp://somewhere/"})
    assert odd.value.response_code == 422
    own = project.hooks.create({"url": f"{server.endpoint}/api/v4/user"})
    own.test("push_events")
    refused = wait_for(lambda: [each for each in api.http_list(
        f"/projects/{project.id}/hooks/{own.id}/events", get_all=True) if each["response_body"]],
        "the refusal")
    assert "this server itself" in refused[0]["response_body"]
    hook.delete()
