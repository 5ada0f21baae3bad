"""Merge requests with stock git and python-gitlab, and jobs that run for them."""

import threading
import time

import gitlab
import pytest
from conftest import wait_for
from gitlab_client import api, ended, job_named, push, token  # noqa: F401
from repositories import Hosted
from test_gitlab_events import receiver  # noqa: F401

JOBS = """
always:
  script: [echo "branch $CI_COMMIT_BRANCH"]
  rules: [{if: $CI_COMMIT_BRANCH}]

review:
  rules: [{if: '$CI_PIPELINE_SOURCE == "merge_request_event"'}]
  script:
    - echo "request $CI_MERGE_REQUEST_IID of $CI_MERGE_REQUEST_SOURCE_BRANCH_NAME"
    - echo "into $CI_MERGE_REQUEST_TARGET_BRANCH_NAME, event $CI_MERGE_REQUEST_EVENT_TYPE"
    - echo "branch (${CI_COMMIT_BRANCH:-none}), ref $CI_COMMIT_REF_NAME"
    - echo "file $(cat model.txt)"
"""

ONE_PIPELINE = """
workflow:
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
    - if: $CI_COMMIT_BRANCH && $CI_OPEN_MERGE_REQUESTS
      when: never
    - if: $CI_COMMIT_BRANCH
job: {script: [echo done]}
"""


def pipelines_of(merge_request):
    """(source, sha) of its pipelines, the newest first."""
    return [(each.source, each.sha) for each in merge_request.pipelines.list(get_all=True)]


def test_from_a_branch_to_main(api, server, tmp_path):
    project = api.projects.create({"name": "reviewed"})
    assert project.merge_requests_enabled
    hosted = Hosted(server, "root/reviewed", tmp_path / "work")
    hosted.commit({".gitlab-ci.yml": JOBS, "model.txt": "first"}, "Begin")
    hosted.push()
    hosted.git("switch", "-q", "-c", "better")
    first = hosted.commit({"model.txt": "second"}, "A better model")
    hosted.git("push", hosted.url, "HEAD:refs/heads/better")

    request = project.mergerequests.create(
        {"source_branch": "better", "target_branch": "main", "title": "A better model"})
    assert (request.iid, request.state, request.sha) == (1, "opened", first)
    assert request.detailed_merge_status == "mergeable" and not request.has_conflicts
    assert request.web_url == f"{server.endpoint}/root/reviewed/-/merge_requests/1"
    assert [each.iid for each in project.mergerequests.list(state="opened", get_all=True)] == [1]
    assert [each.id for each in request.commits()] == [first]
    assert request.changes()["changes"][0]["new_path"] == "model.txt"
    assert [each["iid"] for each in project.commits.get(first).merge_requests()] == [1]
    refs = hosted.git("ls-remote", hosted.url, "refs/merge-requests/*").stdout.split()
    assert refs == [first, "refs/merge-requests/1/head"]

    pipeline = ended(project, project.pipelines.get(request.head_pipeline["id"]))
    assert (pipeline.status, pipeline.source, pipeline.ref) == (
        "success", "merge_request_event", "refs/merge-requests/1/head")
    assert [job.name for job in pipeline.jobs.list(get_all=True)] == ["review"]
    lines = job_named(project, pipeline, "review").trace().decode().splitlines()
    for line in ("request 1 of better", "into main, event detached",
                 "branch (none), ref better", "file second"):
        assert line in lines, lines

    # A push to its branch: it follows, and has a new pipeline.
    second = hosted.commit({"model.txt": "third"}, "Better still")
    said = hosted.git("push", hosted.url, "HEAD:refs/heads/better").stderr
    assert "View merge request for better:" in said and request.web_url in said
    request = project.mergerequests.get(1)
    assert request.sha == second
    assert pipelines_of(request)[0] == ("merge_request_event", second)
    assert {("push", first), ("push", second)} <= set(pipelines_of(request))
    by_hand = request.pipelines.create()
    assert by_hand.source == "merge_request_event"

    with pytest.raises(gitlab.GitlabMRClosedError) as other:
        request.merge(sha=first)
    assert other.value.response_code == 409
    request.merge(merge_commit_message="Take the better model", should_remove_source_branch=True)
    request = project.mergerequests.get(1)
    assert request.state == "merged" and request.merged_by["username"] == "root"
    commit = project.commits.get(request.merge_commit_sha)
    assert commit.title == "Take the better model" and commit.parent_ids[1] == second
    of_main = wait_for(lambda: project.pipelines.list(sha=commit.id, get_all=True), "main's pipeline")
    assert [each.ref for each in of_main] == ["main"]
    assert ended(project, of_main[0]).status == "success"
    assert [each.name for each in project.branches.list(get_all=True)] == ["main"]
    hosted.git("fetch", "-q", hosted.url, "main")
    assert hosted.git("show", "FETCH_HEAD:model.txt").stdout == "third"


def test_by_a_push_option(api, server, tmp_path):
    hosted = Hosted(server, "root/optioned", tmp_path / "work")
    hosted.commit({".gitlab-ci.yml": ONE_PIPELINE}, "Begin")
    hosted.push()
    hosted.git("switch", "-q", "-c", "work")
    commit = hosted.commit({"a.txt": "a"}, "Add a")
    said = hosted.git("push", "-o", "merge_request.create", "-o", "merge_request.target=main",
                      "-o", "merge_request.title=From a push", hosted.url,
                      "HEAD:refs/heads/work").stderr
    address = f"{server.endpoint}/root/optioned/-/merge_requests/1"
    assert "View merge request for work:" in said and address in said, said
    project = api.projects.get("root/optioned")
    request = project.mergerequests.get(1)
    assert (request.title, request.target_branch) == ("From a push", "main")
    # One pipeline and not two, by the usual workflow.
    assert pipelines_of(request) == [("merge_request_event", commit)]
    again = hosted.commit({"b.txt": "b"}, "Add b")
    hosted.git("push", hosted.url, "HEAD:refs/heads/work")
    assert pipelines_of(request) == [("merge_request_event", again),
                                     ("merge_request_event", commit)]
    # Its ref is the server's.
    refused = hosted.git("push", hosted.url, "HEAD:refs/merge-requests/1/head", check=False)
    assert refused.returncode != 0
    page = hosted.session.get(address, timeout=30)
    assert page.status_code == 200 and "From a push !1" in page.text
    # A mirror neither sees it nor takes it away.
    hosted.git("push", "--mirror", hosted.url)
    assert "refs/merge-requests/1/head" in hosted.git("ls-remote", hosted.url).stdout

    hosted.git("push", hosted.url, ":refs/heads/work")
    assert project.mergerequests.get(1).state == "closed"


def test_conflict_close_and_no_pipeline(api, server, tmp_path):
    project = api.projects.create({"name": "conflicting"})
    push(project, {"a.txt": "one\n", ".gitlab-ci.yml": "job: {script: [echo]}\n"}, "Begin")
    for branch, text in (("left", "two\n"), ("right", "three\n")):
        project.branches.create({"branch": branch, "ref": "main"})
        push(project, {"a.txt": text}, f"Make it {text.strip()}", branch)
    left, right = (project.mergerequests.create(
        {"source_branch": branch, "target_branch": "main", "title": branch})
        for branch in ("left", "right"))
    # No job is for merge requests, so only the branches have pipelines.
    assert {source for source, _ in pipelines_of(left)} == {"push"}
    left.merge()
    right = project.mergerequests.get(right.iid)
    assert right.has_conflicts and right.detailed_merge_status == "conflict"
    assert right.merge_status == "cannot_be_merged"
    head = project.branches.get("main").commit["id"]
    with pytest.raises(gitlab.GitlabMRClosedError) as refused:
        right.merge()
    assert "Branch cannot be merged" in str(refused.value)
    assert project.branches.get("main").commit["id"] == head
    with pytest.raises(gitlab.GitlabCreateError) as second:
        project.mergerequests.create(
            {"source_branch": "right", "target_branch": "main", "title": "again"})
    assert second.value.response_code == 409

    right.state_event = "close"
    right.save()
    assert project.mergerequests.get(right.iid).state == "closed"
    with pytest.raises(gitlab.GitlabMRClosedError) as closed:
        right.merge()
    assert closed.value.response_code == 405
    right.state_event = "reopen"
    right.title = "Draft: right"
    right.save()
    right = project.mergerequests.get(right.iid)
    assert (right.state, right.draft) == ("opened", True)
    assert [each.iid for each in api.mergerequests.list(state="merged", get_all=True)
            if each.project_id == project.id] == [left.iid]


def test_webhooks(api, receiver):
    project = api.projects.create({"name": "told"})
    push(project, {"a.txt": "a"}, "Begin")
    hook = project.hooks.create({
        "url": f"http://127.0.0.1:{receiver.server_address[1]}/", "push_events": False,
        "merge_requests_events": True})
    assert hook.merge_requests_events
    project.branches.create({"branch": "work", "ref": "main"})
    first = push(project, {"b.txt": "b"}, "Add b", "work")
    request = project.mergerequests.create(
        {"source_branch": "work", "target_branch": "main", "title": "Add b"})
    push(project, {"c.txt": "c"}, "Add c", "work")
    for event in ("close", "reopen"):
        request.state_event = event
        request.save()
    request.merge()

    def told():
        return [body["object_attributes"] for _, body in receiver.received]
    wait_for(lambda: len(told()) == 5, "all that happened")
    assert [each["action"] for each in told()] == ["open", "update", "close", "reopen", "merge"]
    assert told()[1]["oldrev"] == first.id
    headers, body = receiver.received[-1]
    assert headers["X-Gitlab-Event"] == "Merge Request Hook"
    assert body["object_kind"] == "merge_request" and body["user"]["username"] == "root"
    assert body["project"]["path_with_namespace"] == "root/told"
    assert (told()[-1]["state"], told()[-1]["iid"]) == ("merged", 1)


def test_a_killed_merge_is_whole_or_not_at_all(own_server, tmp_path):
    hosted = Hosted(own_server, "root/killed", tmp_path / "work")
    hosted.commit({"a.txt": "a"}, "Begin")
    hosted.push()
    client = gitlab.Gitlab(own_server.endpoint, private_token=hosted.token, timeout=60)
    project = client.projects.get("root/killed")
    merged = 0
    for number, moment in enumerate((0.005, 0.015, 0.025, 0.035, 0.05, 0.08)):
        branch = f"work-{number}"
        project.branches.create({"branch": branch, "ref": "main"})
        commit = push(project, {f"{branch}.txt": branch}, branch, branch)
        request = project.mergerequests.create(
            {"source_branch": branch, "target_branch": "main", "title": branch})

        def merge(request=request):
            try:
                request.merge(should_remove_source_branch=True)
            except (gitlab.GitlabError, OSError):
                pass  # the server was killed
        merging = threading.Thread(target=merge)
        merging.start()
        time.sleep(moment)
        own_server.kill()
        merging.join()
        own_server.start()

        def settled(iid=request.iid, branch=branch, commit=commit):
            found = project.mergerequests.get(iid)
            on_main = {each.id for each in project.commits.list(ref_name="main", get_all=True)}
            branches = [each.name for each in project.branches.list(get_all=True)]
            if commit.id in on_main:
                return (found.state == "merged" and found.merge_commit_sha in on_main
                        and branch not in branches)
            return found.state == "opened" and branch in branches
        wait_for(settled, f"one state of merge {number}", 30)
        if project.mergerequests.get(request.iid).state == "merged":
            merged += 1
        else:
            project.mergerequests.get(request.iid).merge(should_remove_source_branch=True)
        assert project.mergerequests.get(request.iid).state == "merged"
    print(f"{merged} of 6 were merged when the server came back")
