"""Git's own client against the whole binary: no CI configuration, so that no job runs."""

import os
import subprocess

import pytest

QUIET = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@localhost",
    "GIT_COMMITTER_NAME": "C",
    "GIT_COMMITTER_EMAIL": "c@localhost",
}


def token_of(server):
    """Root's first access token."""
    return (server.data / "gitlab-token").read_text().strip()


def url(server, project, password=None):
    """Where a project is, with credentials."""
    return f"http://oauth2:{password or token_of(server)}@{server.host}/{project}.git"


def git(directory, *arguments):
    """Runs git; returns the finished process."""
    return subprocess.run(
        ["git", *[str(part) for part in arguments]],
        cwd=directory,
        env={**os.environ, **QUIET},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def must(result):
    """The process's output; fails where it failed."""
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.fixture
def work(tmp_path):
    """A working directory with one commit on main."""
    directory = tmp_path / "work"
    directory.mkdir()
    must(git(directory, "init", "-q", "-b", "main"))
    (directory / "README").write_text("hello\n")
    must(git(directory, "add", "-A"))
    must(git(directory, "commit", "-q", "-m", "Begin"))
    return directory


def test_a_push_makes_the_project_and_a_clone_gives_it_back(server, work, tmp_path):
    must(git(work, "push", url(server, "root/new"), "main"))

    must(git(tmp_path, "clone", "-q", url(server, "root/new"), "copy"))

    assert (tmp_path / "copy/README").read_text() == "hello\n"


def test_a_wrong_token_opens_nothing(server, work):
    must(git(work, "push", url(server, "root/closed"), "main"))

    refused = git(work, "ls-remote", url(server, "root/closed", "glpat-00000000000000000000"))

    assert refused.returncode != 0
    assert "Authentication failed" in refused.stderr


def test_an_access_key_opens_what_is_roots(server, work):
    must(git(work, "push", url(server, "root/keys"), "main"))
    key, secret = server.keys
    secret = secret.replace("/", "%2F").replace("+", "%2B")

    listed = git(work, "ls-remote", f"http://{key}:{secret}@{server.host}/root/keys.git")

    assert "refs/heads/main" in must(listed)


def test_five_mebibytes_go_and_come_whole(server, work, tmp_path):
    content = os.urandom(5 << 20)
    (work / "model.bin").write_bytes(content)
    must(git(work, "add", "-A"))
    must(git(work, "commit", "-q", "-m", "Add a model"))

    must(git(work, "push", url(server, "root/large"), "main"))
    must(git(tmp_path, "clone", "-q", url(server, "root/large"), "copy"))

    assert (tmp_path / "copy/model.bin").read_bytes() == content


def test_the_default_branch_cannot_be_forced(server, work):
    remote = url(server, "root/guarded")
    must(git(work, "push", remote, "main", "main:topic"))
    must(git(work, "commit", "--amend", "-q", "-m", "Other"))

    refused = git(work, "push", "--force", remote, "main")

    assert refused.returncode != 0
    assert "GitLab: You are not allowed to force push" in refused.stderr
    must(git(work, "push", "--force", remote, "main:topic"))
    must(git(work, "push", remote, ":topic"))


def test_pushes_survive_a_crash(own_server, work, tmp_path):
    must(git(work, "push", url(own_server, "root/kept"), "main"))

    own_server.kill()
    own_server.start()

    must(git(tmp_path, "clone", "-q", url(own_server, "root/kept"), "copy"))
    assert (tmp_path / "copy/README").read_text() == "hello\n"
    (work / "more").write_text("more\n")
    must(git(work, "add", "-A"))
    must(git(work, "commit", "-q", "-m", "Go on"))
    must(git(work, "push", url(own_server, "root/kept"), "main"))
