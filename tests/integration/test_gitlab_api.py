"""GitLab's API as its clients use it: python-gitlab, and curl as CI scripts do."""

import base64
import http.client
import io
import subprocess
import zipfile

import gitlab
import pytest
import requests
from conftest import wait_for
from gitlab_client import PIPELINE, api, built, ended, job_named, push, token  # noqa: F401


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


def test_lint_simulates_a_pipeline(api, built):
    project, _ = built
    before = project.pipelines.list(get_all=True)
    content = ("build: {script: [x]}\ntagged: {script: [x], rules: [{if: $CI_COMMIT_TAG}]}\n"
               "first: {script: [x], rules: [{if: '$CI_PIPELINE_IID == \"1\"'}]}\n")
    def jobs(**more):
        found = project.ci_lint.create({"content": content, "include_jobs": True, **more})
        assert found.valid, found.errors
        return {job["name"] for job in found.jobs}
    assert jobs() == {"build", "tagged", "first"}
    assert jobs(dry_run=True) == {"build"}
    nowhere = project.ci_lint.create({"content": content, "dry_run": True, "ref": "nowhere"})
    assert (nowhere.valid, nowhere.errors) == (False, ["Reference not found"])
    never = project.ci_lint.create({"content": "a: {script: [x], rules: [{when: never}]}\n",
                                    "dry_run": True})
    assert not never.valid and "would have been empty" in never.errors[0]
    assert {job["name"] for job in project.ci_lint.get(dry_run=True, include_jobs=True).jobs} == {
        "build", "check", "deploy"}
    assert len(project.pipelines.list(get_all=True)) == len(before)


def test_renames_a_pipeline(api, built):
    project, pipeline = built
    path = f"/projects/{project.id}/pipelines/{pipeline.id}/metadata"
    assert api.http_put(path, post_data={"name": "First light"})["name"] == "First light"
    assert project.pipelines.get(pipeline.id).name == "First light"
    assert [each.id for each in project.pipelines.list(name="First light", get_all=True)] == [pipeline.id]
    with pytest.raises(gitlab.GitlabHttpError) as empty:
        api.http_put(path, post_data={"name": ""})
    assert empty.value.response_code == 400 and "too short" in empty.value.error_message


REPORTS = """
workflow: {auto_cancel: {on_job_failure: all}}
stages: [test, deploy]
unit:
  stage: test
  script:
    - echo '<testsuite><testcase classname="c" name="works" time="0.5"/></testsuite>' > one.xml
    - echo '<?xml version="1.0"?><testsuite><testcase name="fails"><failure message="why"/></testcase></testsuite>' > two.xml
  artifacts: {reports: {junit: ["*.xml"]}}
broken:
  stage: test
  script: ["echo '<testsuite>' > broken.xml"]
  artifacts: {reports: {junit: broken.xml}}
live:
  stage: deploy
  script: ['echo "to $CI_ENVIRONMENT_NAME"', 'exit ${FAIL:-0}']
  resource_group: live/eu
  environment: {name: production, url: "https://example.com"}
other:
  stage: deploy
  script: [echo other]
  resource_group: live/eu
"""


@pytest.fixture(scope="module")
def reported(api):
    """A project with test reports, a deployment and a resource group, and its pipeline."""
    project = api.projects.create({"name": "reported"})
    push(project, {".gitlab-ci.yml": REPORTS}, "Begin")
    pipeline = wait_for(lambda: project.pipelines.list(get_all=True), "the push's pipeline")[0]
    return project, ended(project, pipeline)


def test_test_reports(reported):
    _, pipeline = reported
    report = pipeline.test_report.get()
    counts = (report.total_count, report.success_count, report.failed_count, report.error_count)
    assert counts == (2, 1, 1, 0) and report.total_time == 0.5
    suites = {suite["name"]: suite for suite in report.test_suites}
    assert [(each["name"], each["status"], each["system_output"])
            for each in suites["unit"]["test_cases"]] == [("fails", "failed", "why"),
                                                          ("works", "success", None)]
    assert suites["broken"]["suite_error"].startswith("JUnit XML parsing failed")
    summary = pipeline.test_report_summary.get()
    assert summary.total["count"] == 2
    ids = {job.name: job.id for job in pipeline.jobs.list(get_all=True)}
    assert [suite["build_ids"] for suite in summary.test_suites] == [[ids["unit"]], [ids["broken"]]]


def test_deployments_and_resource_groups(server, token, reported):
    project, pipeline = reported
    assert pipeline.status == "success"
    deployment = project.deployments.list(environment="production", get_all=True)[0]
    assert (deployment.status, deployment.deployable["name"]) == ("success", "live")
    assert project.deployments.get(deployment.id).environment["external_url"] == "https://example.com"
    environment = project.environments.list(name="production", get_all=True)[0]
    assert project.environments.get(environment.id).last_deployment["id"] == deployment.id
    pages = project.web_url + "/-/"
    assert pages + "environments" in requests.get(
        pages + "pipelines", auth=("any", token), timeout=30).text.replace('href="/', f'href="{server.endpoint}/')
    shown = requests.get(pages + "environments", auth=("any", token), timeout=30)
    assert shown.status_code == 200
    for words in ("production", 'href="https://example.com"', f"/-/jobs/{deployment.deployable['id']}",
                  pipeline.sha[:8]):
        assert words in shown.text, words
    group = project.resource_groups.get("live/eu")
    assert group.process_mode == "unordered"
    group.process_mode = "oldest_first"
    group.save()
    found = project.resource_groups.list(get_all=True)
    assert [(each.key, each.process_mode) for each in found] == [("live/eu", "oldest_first")]
    assert group.upcoming_jobs.list(get_all=True) == []


def test_a_failure_cancels_what_is_left(reported):
    project, _ = reported
    pipeline = project.pipelines.create({"ref": "main", "variables": [{"key": "FAIL", "value": "1"}]})
    assert ended(project, pipeline).status == "failed"
    assert job_named(project, pipeline, "live").status == "failed"
    assert job_named(project, pipeline, "other").status == "canceled"


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


def test_a_projects_address_leads_a_browser_to_its_pages(server, token, built):
    project, _ = built
    browser = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
    shown = requests.get(project.web_url + "/", auth=("any", token), headers=browser, timeout=30)
    assert shown.url == project.web_url + "/-/pipelines"
    assert shown.status_code == 200 and "text/html" in shown.headers["Content-Type"]
    # To who does not log in it says as much of a project that is not there.
    for address in (project.web_url, server.endpoint + "/no/where"):
        assert requests.get(address, headers=browser, timeout=30).status_code == 401
    # To no other server, and no program is led astray.
    for path in ("//example.org/x", "/\\\\example.org/x", "/a//b"):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.request("GET", path, headers=browser)
        assert connection.getresponse().status == 403, path
        connection.close()
    assert requests.get(project.web_url, timeout=30).status_code == 403


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
