"""GitLab's API as its clients use it: python-gitlab, and curl as CI scripts do."""

import base64
import http.server
import io
import json
import subprocess
import threading
import zipfile

import gitlab
import pytest
import requests
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


def test_says_who_and_which_version(api):
    assert api.user.username == "root"
    assert api.version()[0][0].isdigit()
    assert api.users.list(username="root", get_all=True)[0].id == api.user.id


def test_projects(api):
    project = api.projects.create({"name": "Some Project"})
    found = api.projects.get("root/some-project")
    assert found.id == project.id
    assert found.path_with_namespace == "root/some-project"
    assert found.http_url_to_repo.startswith(api.url)
    found.description = "changed"
    found.save()
    assert api.projects.get(project.id).description == "changed"
    with pytest.raises(gitlab.GitlabCreateError) as taken:
        api.projects.create({"name": "Some Project"})
    assert taken.value.response_code == 400
    assert "has already been taken" in str(taken.value)
    project.delete()
    with pytest.raises(gitlab.GitlabGetError) as gone:
        wait_for(lambda: api.projects.get(project.id) and None, "the end of the project")
    assert gone.value.response_code == 404


def test_groups_and_members(api, server):
    group = api.groups.create({"name": "Health", "path": "health"})
    project = api.projects.create({"name": "in-group", "namespace_id": group.id})
    assert project.path_with_namespace == "health/in-group"
    assert [each.id for each in group.projects.list(get_all=True)] == [project.id]
    user = api.users.create({"email": "kim@example.com", "username": "kim", "name": "Kim",
                             "force_random_password": True})
    text = user.personal_access_tokens.create({"name": "t", "scopes": ["api"]}).token
    kim = gitlab.Gitlab(server.endpoint, private_token=text)
    with pytest.raises(gitlab.GitlabGetError) as hidden:
        kim.projects.get("health/in-group")
    assert (hidden.value.response_code, hidden.value.error_message) == (404, "404 Project Not Found")
    group.members.create({"user_id": user.id, "access_level": gitlab.const.AccessLevel.REPORTER})
    assert kim.projects.get("health/in-group").id == project.id
    with pytest.raises(gitlab.GitlabCreateError) as refused:
        kim.projects.get(project.id).variables.create({"key": "A", "value": "1"})
    assert refused.value.response_code == 403
    assert {each.username for each in project.members_all.list(get_all=True)} >= {"kim"}
    group.members.delete(user.id)
    with pytest.raises(gitlab.GitlabGetError):
        kim.projects.get(project.id)
    group.delete()


def test_errors_of_tokens(server, api):
    with pytest.raises(gitlab.GitlabAuthenticationError) as wrong:
        gitlab.Gitlab(server.endpoint, private_token="glpat-wrong").auth()
    assert wrong.value.error_message == "401 Unauthorized"
    own = api.users.get(api.user.id).personal_access_tokens.create(
        {"name": "reads", "scopes": ["read_api"]})
    reader = gitlab.Gitlab(server.endpoint, private_token=own.token)
    with pytest.raises(gitlab.GitlabCreateError) as refused:
        reader.projects.create({"name": "never"})
    assert refused.value.response_code == 403
    assert reader.personal_access_tokens.get("self").name == "reads"
    api.personal_access_tokens.delete(own.id)
    with pytest.raises(gitlab.GitlabAuthenticationError):
        reader.projects.list(get_all=True)


def test_files_commits_branches_and_tags(api):
    project = api.projects.create({"name": "code"})
    project.files.create({"file_path": "src/main.py", "branch": "main", "content": "print(1)\n",
                          "commit_message": "Add"})
    file = project.files.get("src/main.py", ref="main")
    assert file.decode() == b"print(1)\n"
    file.content = "print(2)\n"
    file.save(branch="main", commit_message="Change")
    assert project.files.raw("src/main.py", ref="main") == b"print(2)\n"
    binary = bytes(range(256))
    project.files.create({"file_path": "data.bin", "branch": "main", "encoding": "base64",
                          "content": base64.b64encode(binary).decode(), "commit_message": "Data"})
    assert project.files.get("data.bin", ref="main").decode() == binary
    project.branches.create({"branch": "feature/x", "ref": "main"})
    commit = push(project, {"src/main.py": "print(3)\n"}, "On the branch", "feature/x")
    assert project.branches.get("feature/x").commit["id"] == commit.id
    assert project.commits.get("feature/x").title == "On the branch"
    assert "+print(3)" in project.commits.get(commit.id).diff(get_all=True)[0]["diff"]
    compared = project.repository_compare("main", "feature/x")
    assert [each["title"] for each in compared["commits"]] == ["On the branch"]
    assert project.repository_merge_base(["main", "feature/x"])["title"] == "Data"
    tag = project.tags.create({"tag_name": "v1.0", "ref": "main", "message": "First"})
    assert (tag.message, project.tags.get("v1.0").commit["title"]) == ("First", "Data")
    with pytest.raises(gitlab.GitlabCreateError) as there:
        project.branches.create({"branch": "feature/x", "ref": "main"})
    assert there.value.error_message == "Branch already exists"
    project.branches.delete("feature/x")
    archive = zipfile.ZipFile(io.BytesIO(project.repository_archive(format="zip", sha="main")))
    assert any(name.endswith("/src/main.py") for name in archive.namelist())
    project.files.delete("data.bin", commit_message="Drop", branch="main")
    with pytest.raises(gitlab.GitlabGetError):
        project.files.get("data.bin", ref="main")


def test_walks_more_than_one_page(api):
    project = api.projects.create({"name": "many"})
    for number in range(45):
        project.variables.create({"key": f"KEY_{number}", "value": str(number)})
    walked = list(project.variables.list(iterator=True))
    assert len({each.key for each in walked}) == 45
    first = project.variables.list(iterator=True, per_page=20)
    assert (first.total, first.total_pages, first.current_page) == (45, 3, 1)
    assert len(project.variables.list(page=3, per_page=20)) == 5


def test_protected_refs(api):
    project = api.projects.create({"name": "guarded", "initialize_with_readme": True})
    project.protectedbranches.create({"name": "release/*", "push_access_level": 40})
    assert project.protectedbranches.get("release/*").push_access_levels[0]["access_level"] == 40
    project.branches.create({"branch": "release/1", "ref": "main"})
    assert project.branches.get("release/1").protected
    project.protectedbranches.delete("release/*")
    project.protectedtags.create({"name": "v*"})
    assert [each.name for each in project.protectedtags.list(get_all=True)] == ["v*"]


def test_variables(api):
    project = api.projects.create({"name": "keys"})
    project.variables.create({"key": "PLACE", "value": "a", "environment_scope": "test"})
    project.variables.create({"key": "PLACE", "value": "b", "environment_scope": "prod"})
    with pytest.raises(gitlab.GitlabGetError) as several:
        project.variables.get("PLACE")
    assert several.value.response_code == 409
    found = project.variables.get("PLACE", filter={"environment_scope": "prod"})
    assert found.value == "b"
    project.variables.update("PLACE", {"value": "c"}, filter={"environment_scope": "prod"})
    assert {each.value for each in project.variables.list(get_all=True)} == {"a", "c"}
    with pytest.raises(gitlab.GitlabCreateError):
        project.variables.create({"key": "not a key", "value": "x"})
    api.variables.create({"key": "EVERYWHERE", "value": "1"})
    assert api.variables.get("EVERYWHERE").value == "1"
    api.variables.delete("EVERYWHERE")


def test_a_pipeline_from_push_to_artifacts(api, server, token, built):
    project, pipeline = built
    assert pipeline.status in ("success", "manual"), pipeline.status
    assert pipeline.source == "push"
    assert pipeline.user["username"] == "root"
    build = job_named(project, pipeline, "build")
    assert build.status == "success"
    trace = build.trace().decode()
    assert "building main with hello" in trace
    archive = zipfile.ZipFile(io.BytesIO(build.artifacts()))
    assert archive.read("out/model.txt") == b"the model\n"
    assert build.artifact("out/deep/below.txt") == b"below\n"
    assert build.artifacts_file["filename"] == "artifacts.zip"
    assert project.commits.get(pipeline.sha).last_pipeline["id"] == pipeline.id
    assert project.pipelines.latest(ref="main").id == pipeline.id
    # As a script does: no -L, so the first answer must hold the file.
    out = server.data.parent / "artifacts.zip"
    server.run("curl", "--fail", "--silent", "--show-error", "--header", f"PRIVATE-TOKEN: {token}",
               "--output", out, f"{server.endpoint}/api/v4/projects/{project.id}/jobs/{build.id}/artifacts")
    assert zipfile.ZipFile(out).read("out/model.txt") == b"the model\n"
    latest = server.run("curl", "--fail", "--silent", "--header", f"PRIVATE-TOKEN: {token}",
                        f"{server.endpoint}/api/v4/projects/root%2Fbuilt/jobs/artifacts/main/raw/"
                        "out/model.txt?job=build")
    assert latest == "the model\n"
    refused = requests.get(f"{server.endpoint}/api/v4/projects/{project.id}/jobs/{build.id}/artifacts",
                           timeout=30)
    assert (refused.status_code, refused.json()) == (404, {"message": "404 Project Not Found"})


def test_plays_a_manual_job(api, built):
    project, pipeline = built
    deploy = job_named(project, pipeline, "deploy")
    assert deploy.status == "manual"
    # python-gitlab's own play() cannot send variables.
    api.http_post(f"/projects/{project.id}/jobs/{deploy.id}/play",
                  post_data={"job_variables_attributes": [{"key": "TARGET", "value": "here"}]})
    done = wait_for(lambda: project.jobs.get(deploy.id).status == "success", "the deployment", 240)
    assert done and "deployed here" in project.jobs.get(deploy.id).trace().decode()
    with pytest.raises(gitlab.GitlabJobPlayError) as twice:
        project.jobs.get(deploy.id).play()
    assert "Unplayable Job" in str(twice.value)


def test_retries_and_cancels(built):
    project, _ = built
    pipeline = project.pipelines.create({"ref": "main", "variables": [{"key": "FAIL", "value": "3"}]})
    assert pipeline.source == "api"
    assert {each.key: each.value for each in pipeline.variables.list(get_all=True)} == {"FAIL": "3"}
    assert ended(project, pipeline).status == "failed"
    check = job_named(project, pipeline, "check")
    assert check.failure_reason == "script_failure"
    again = check.retry()
    assert again["id"] != check.id
    wait_for(lambda: project.jobs.get(again["id"]).status == "failed", "the second try", 240)
    now = {each.id for each in pipeline.jobs.list(get_all=True)}
    ever = {each.id for each in pipeline.jobs.list(include_retried=True, get_all=True)}
    assert ever - now == {check.id}
    other = project.pipelines.create({"ref": "main"})
    other.cancel()
    assert ended(project, other).status == "canceled"
    other.delete()
    with pytest.raises(gitlab.GitlabGetError):
        project.pipelines.get(other.id)


def test_says_why_there_is_no_pipeline(api, built):
    project, _ = built
    with pytest.raises(gitlab.GitlabHttpError) as missing:
        api.http_post(f"/projects/{project.id}/pipeline")
    assert missing.value.error_message == "ref is missing"
    with pytest.raises(gitlab.GitlabCreateError) as nowhere:
        project.pipelines.create({"ref": "nowhere"})
    assert nowhere.value.response_code == 400 and "base" in nowhere.value.error_message


def test_triggers(server, built):
    project, _ = built
    trigger = project.triggers.create({"description": "from outside"})
    made = project.trigger_pipeline("main", trigger.token, variables={"GREETING": "trigger"})
    assert made.source == "trigger"
    answer = requests.post(f"{server.endpoint}/api/v4/projects/{project.id}/trigger/pipeline",
                           files={"token": (None, trigger.token), "ref": (None, "main"),
                                  "variables[GREETING]": (None, "form")}, timeout=60)
    assert answer.status_code == 201, answer.text
    values = {each.key: each.value for each in
              project.pipelines.get(answer.json()["id"]).variables.list(get_all=True)}
    assert values["GREETING"] == "form"
    wrong = requests.post(f"{server.endpoint}/api/v4/projects/{project.id}/trigger/pipeline",
                          data={"token": "glptt-wrong", "ref": "main"}, timeout=60)
    assert wrong.status_code == 404
    for each in (made.id, answer.json()["id"]):
        project.pipelines.get(each).cancel()
    trigger.delete()


def test_schedules(built):
    project, _ = built
    schedule = project.pipelineschedules.create({
        "description": "daily", "ref": "main", "cron": "0 4 * * *", "cron_timezone": "UTC"})
    schedule.variables.create({"key": "GREETING", "value": "daily"})
    found = project.pipelineschedules.get(schedule.id)
    assert found.next_run_at.endswith("T04:00:00.000Z")
    assert found.attributes["variables"][0]["value"] == "daily"
    before = {each.id for each in project.pipelines.list(get_all=True, source="schedule")}
    found.play()
    made = wait_for(lambda: [each for each in project.pipelines.list(get_all=True, source="schedule")
                             if each.id not in before], "the schedule's pipeline")[0]
    assert [each.id for each in found.pipelines.list(get_all=True)] == [made.id]
    project.pipelines.get(made.id).cancel()
    with pytest.raises(gitlab.GitlabCreateError):
        project.pipelineschedules.create({"description": "x", "ref": "main", "cron": "never"})
    # play() has replaced what `found` knew by GitLab's "201 Created".
    schedule.delete()
    assert not project.pipelineschedules.list(get_all=True)


def test_lint(built):
    project, _ = built
    good = project.ci_lint.create({"content": PIPELINE, "include_jobs": True})
    assert good.valid and {job["name"] for job in good.jobs} == {"build", "check", "deploy"}
    bad = project.ci_lint.create({"content": "build:\n  scripts: [x]\n"})
    assert not bad.valid and any("build" in error for error in bad.errors)
    assert project.ci_lint.get().valid


def test_runners(api, built):
    project, _ = built
    made = api.user.runners.create({"runner_type": "instance_type", "tag_list": "gpu,big",
                                    "run_untagged": False, "description": "extra"})
    assert made.token.startswith("glrt-")
    found = api.runners.get(made.id)
    assert (sorted(found.tag_list), found.status) == (["big", "gpu"], "never_contacted")
    api.runners.update(made.id, {"paused": True})
    assert api.runners.get(made.id).paused
    assert made.id in {each.id for each in api.runners_all.list(get_all=True)}
    assert made.id in {each.id for each in project.runners.list(get_all=True)}
    api.runners.delete(made.id)


def test_commit_statuses(built):
    project, pipeline = built
    commit = project.commits.get(pipeline.sha)
    commit.statuses.create({"state": "success", "name": "scan", "description": "nothing found"})
    found = [each for each in commit.statuses.list(get_all=True) if each.name == "scan"]
    assert [(each.status, each.description) for each in found] == [("success", "nothing found")]


def test_job_token_scope(api, built):
    project, _ = built
    other = api.projects.create({"name": "other"})
    scope = project.job_token_scope.get()
    assert scope.inbound_enabled
    scope.allowlist.create({"target_project_id": other.id})
    assert other.id in {each.id for each in scope.allowlist.list(get_all=True)}
    scope.allowlist.delete(other.id)


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


class Receiver(http.server.BaseHTTPRequestHandler):
    """Keeps what it is sent; its first answers are failures where asked for."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((dict(self.headers), json.loads(body)))
        failing = self.server.failures > 0
        self.server.failures -= failing
        self.send_response(500 if failing else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    """A local HTTP server for webhooks."""
    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    listening.received, listening.failures = [], 0
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
    assert told["commits"][0]["title"] == "Begin"
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

    receiver.failures = 1
    hook.test("push_events")
    failed = wait_for(lambda: [each for each in api.http_list(
        f"/projects/{project.id}/hooks/{hook.id}/events", get_all=True) if each["response_status"] == "500"],
        "the failure")
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


def test_pages(server, token, built):
    project, pipeline = built
    page = pipeline.web_url
    assert page.startswith(server.endpoint)
    stranger = requests.get(page, timeout=30)
    assert stranger.status_code == 401
    assert stranger.headers["WWW-Authenticate"].startswith("Basic")
    shown = requests.get(page, auth=("any", token), timeout=30)
    assert shown.status_code == 200 and "build" in shown.text
    job = requests.get(job_named(project, pipeline, "build").web_url,
                       params={"private_token": token}, timeout=30)
    assert "building main with hello" in job.text
    key, secret = server.keys
    assert requests.get(page, auth=(key, secret), timeout=30).status_code == 200


def test_survives_a_crash(own_server):
    token_text = (own_server.data / "gitlab-token").read_text().strip()
    first = gitlab.Gitlab(own_server.endpoint, private_token=token_text)
    project = first.projects.create({"name": "kept"})
    project.variables.create({"key": "A", "value": "1"})
    push(project, {"README.md": "kept\n"})
    own_server.kill()
    own_server.start()
    again = gitlab.Gitlab(own_server.endpoint, private_token=token_text).projects.get("root/kept")
    assert again.variables.get("A").value == "1"
    assert again.files.raw("README.md", ref="main") == b"kept\n"


def test_git_and_the_api_see_the_same(server, token, api, tmp_path):
    project = api.projects.create({"name": "cloned", "initialize_with_readme": True})
    address = project.http_url_to_repo.replace("http://", f"http://root:{token}@")
    subprocess.run(["git", "clone", "--quiet", address, tmp_path / "clone"], check=True, timeout=60)
    assert (tmp_path / "clone/README.md").read_text() == "# cloned\n"
