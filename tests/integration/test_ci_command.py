"""slipway ci: a .gitlab-ci.yml is checked and run before anybody pushes it."""

import json
import signal
import subprocess
from pathlib import Path

import pytest
from conftest import BINARY, ROOT


class Tree:
    """A working tree and the command, both without a server."""

    def __init__(self, folder):
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()
        self.environment = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
                            "HOME": str(self.home), "XDG_CACHE_HOME": str(self.home / "cache")}

    def repository(self, name, files):
        """A repository with one commit; returns its directory."""
        directory = self.folder / name
        directory.mkdir()
        self.git(directory, "init", "-q", "-b", "main")
        self.write(directory, files)
        self.git(directory, "add", "-A")
        self.git(directory, "commit", "-q", "-m", "Begin")
        return directory

    @staticmethod
    def write(directory, files):
        """Writes files, path -> text."""
        for name, text in files.items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_text(text)

    @staticmethod
    def git(directory, *arguments):
        """Runs git; returns its output."""
        return subprocess.run(
            ["git", "-C", directory, "-c", "user.name=test", "-c", "user.email=test@localhost",
             *arguments], check=True, capture_output=True, text=True).stdout

    def ci(self, *arguments, cwd=None):
        """Runs slipway ci; returns the finished process."""
        return subprocess.run(
            [BINARY, "ci", *[str(part) for part in arguments]], cwd=cwd or self.folder,
            capture_output=True, text=True, timeout=240, check=False,
            env=self.environment)

    def left(self):
        """What runs left behind: directories, processes and mounts."""
        runs = self.home / "cache/slipway/runs"
        found = [path.name for path in runs.iterdir()] if runs.exists() else []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if str(self.home).encode() in path.read_bytes():
                    found.append(path.read_bytes().decode())
            except OSError:
                pass
        found += [line for line in Path("/proc/self/mounts").read_text().splitlines()
                  if str(self.home) in line]
        return found


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


# --- lint ----------------------------------------------------------------------------------------


def test_lint_says_what_would_run(tree):
    path = tree.repository("good", {".gitlab-ci.yml": """
build: {stage: build, script: [make]}
deploy: {stage: deploy, script: [make deploy], when: manual}
branches: {script: [x], rules: [{if: '$CI_COMMIT_BRANCH != "main"'}]}
"""})
    said = tree.ci("lint", path)
    assert said.returncode == 0, said.stderr
    assert ".gitlab-ci.yml is valid: 2 jobs for a push to main" in said.stdout
    assert "deploy  (manual)" in said.stdout
    other = tree.ci("lint", "--ref", "feature", path / ".gitlab-ci.yml")
    assert "3 jobs for a push to feature" in other.stdout
    within = tree.ci("lint", cwd=path)
    assert within.returncode == 0 and "2 jobs" in within.stdout


def test_lint_reads_includes_of_the_tree(tree):
    path = tree.repository("parts", {
        ".gitlab-ci.yml": "include: [{local: ci/*.yml}]\nbuild: {extends: .base}\n",
        "ci/base.yml": ".base: {script: [make base]}\n"})
    said = tree.ci("lint", "--preview", path)
    assert said.returncode == 0, said.stderr
    assert "make base" in said.stdout
    (path / "ci/base.yml").unlink()
    missing = tree.ci("lint", path)
    assert missing.returncode == 1
    assert "ci/base.yml" in missing.stderr
    tree.write(path, {"ci/base.yml": ".base:\n  script: [make base]\n  image: 3\n"})
    wrong = tree.ci("lint", path)
    assert "error: ci/base.yml:3: jobs:build:image config should be" in wrong.stderr


@pytest.mark.parametrize("text, message", [
    ("build: {stage: nowhere, script: [make]}\n",
     ".gitlab-ci.yml:1: build job: chosen stage nowhere does not exist; available stages are "
     ".pre, build, test, deploy, .post"),
    ("build: {script: [make], only: [main], rules: [{when: always}]}\n",
     "jobs:build config key may not be used with `rules`: only"),
    ("a: {extends: b}\nb: {extends: a}\n", "a: circular dependency detected in `extends`"),
    ("a: {script: [x], needs: [b]}\n", "a job: undefined need: b"),
    ("", "Please provide content of .gitlab-ci.yml"),
])
def test_lint_refuses_in_gitlabs_words(tree, text, message):
    path = tree.repository("bad", {".gitlab-ci.yml": text})
    said = tree.ci("lint", path)
    assert said.returncode == 1
    assert message in said.stderr
    assert said.stdout == ""
    described = tree.ci("lint", "--json", path)
    assert described.returncode == 1
    result = json.loads(described.stdout)
    assert result["valid"] is False
    assert result["errors"][0] in message
    assert len(result["error_places"]) == len(result["errors"])


def test_lint_as_json(tree):
    said = tree.ci("lint", "--json", ROOT / "examples/mlops")
    assert said.returncode == 0, said.stderr
    result = json.loads(said.stdout)
    assert result["valid"] is True and result["errors"] == []
    assert [job["name"] for job in result["jobs"]] == ["lint"]
    below = tree.ci("lint", "--json", "--source", "pipeline", ROOT / "examples/mlops")
    jobs = {job["name"]: job for job in json.loads(below.stdout)["jobs"]}
    assert list(jobs) == ["fetch", "validate", "package", "train", "deploy"]
    assert jobs["deploy"]["when"] == "manual" and jobs["deploy"]["allow_failure"] is True


def test_lint_without_a_file(tree):
    said = tree.ci("lint", tree.folder)
    assert said.returncode != 0
    assert "there is no" in said.stderr and ".gitlab-ci.yml" in said.stderr


# --- run -----------------------------------------------------------------------------------------

RUNS = """
stages: [build, test]
build:
  stage: build
  script:
    - cat tracked.txt new.txt
    - mkdir out && tr a-z A-Z < new.txt > out/made.txt
    - echo "COLOUR=green" > build.env
  artifacts: {paths: [out], reports: {dotenv: build.env}}
test:
  stage: test
  script:
    - echo "made $(cat out/made.txt) in $COLOUR, $GREETING"
"""


def test_run_takes_the_tree_as_it_is(tree):
    path = tree.repository("local", {".gitlab-ci.yml": "old: {script: [echo old]}\n",
                                     ".gitignore": "ignored.txt\n",
                                     "tracked.txt": "before\n", "removed.txt": "x\n"})
    tree.write(path, {".gitlab-ci.yml": RUNS, "tracked.txt": "changed\n", "new.txt": "fresh\n",
                      "ignored.txt": "not this\n"})
    (path / "removed.txt").unlink()
    before = (tree.git(path, "status", "--porcelain"), tree.git(path, "log", "--format=%H", "--all"))
    said = tree.ci("run", path, "--variable", "GREETING=hello")
    assert said.returncode == 0, said.stdout + said.stderr
    assert "build │ changed\nbuild │ fresh\n" in said.stdout
    assert "test │ made FRESH in green, hello\n" in said.stdout
    assert "✓ build  success" in said.stdout and said.stdout.endswith("✓ pipeline success\n")
    assert "old" not in said.stdout
    after = (tree.git(path, "status", "--porcelain"), tree.git(path, "log", "--format=%H", "--all"))
    assert after == before
    assert tree.left() == []


def test_run_is_on_the_branch_that_is_checked_out(tree):
    path = tree.repository("branched", {".gitlab-ci.yml": """
deploy: {script: [echo deployed], rules: [{if: '$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH'}]}
check: {script: ['echo "on $CI_COMMIT_BRANCH"'], tags: [docker], rules: [{if: '$CI_COMMIT_BRANCH =~ /^feature/'}]}
changed: {script: [echo x], rules: [{changes: {paths: [a.txt], compare_to: refs/heads/main}}]}
same: {script: [echo x], rules: [{changes: {paths: [b.txt], compare_to: refs/heads/main}}]}
""", "a.txt": "1\n", "b.txt": "1\n"})
    tree.git(path, "checkout", "-q", "-b", "feature/one")
    tree.write(path, {"a.txt": "2\n"})
    said = tree.ci("run", path)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "check │ on feature/one\n" in said.stdout
    assert "✓ changed  success" in said.stdout
    assert "deploy" not in said.stdout and "same" not in said.stdout
    assert "section_start" not in said.stdout and "\r" not in said.stdout
    assert "for a push to feature/one" in tree.ci("lint", path).stdout
    elsewhere = tree.ci("run", "--branch", "main", path)
    assert "deploy │ deployed\n" in elsewhere.stdout and "check" not in elsewhere.stdout
    assert tree.left() == []


def test_run_fails_as_the_pipeline_does(tree):
    path = tree.repository("failing", {".gitlab-ci.yml": """
good: {stage: build, script: [echo fine]}
bad: {stage: test, script: [echo "about to fail", exit 4]}
never: {stage: deploy, script: [echo never]}
"""})
    said = tree.ci("run", cwd=path)
    assert said.returncode == 1
    assert "bad │ about to fail\n" in said.stdout
    assert "exit code 4" in said.stdout
    assert "✗ bad  failed  script_failure" in said.stdout
    assert "never │" not in said.stdout
    assert said.stdout.endswith("✗ pipeline failed\n")
    assert tree.left() == []


def test_run_of_a_broken_configuration(tree):
    path = tree.repository("broken", {".gitlab-ci.yml": "build: {script: [make], scripts: [make]}\n"})
    said = tree.ci("run", path)
    assert said.returncode == 1
    assert ".gitlab-ci.yml:1: jobs:build config contains unknown keys: scripts\n" in said.stdout
    assert tree.left() == []


def test_run_with_the_repository_that_it_triggers(tree):
    below = tree.repository("below", {
        ".gitlab-ci.yml": "deep: {script: ['echo \"got $MODEL from $CI_PIPELINE_SOURCE\"']}\n"})
    above = tree.repository("above", {".gitlab-ci.yml": """
stages: [one, two]
first: {stage: one, script: [echo first]}
down:
  stage: two
  variables: {MODEL: tumour}
  trigger: {project: org/team/below, strategy: depend}
"""})
    said = tree.ci("run", above, "--project", f"org/team/below={below}")
    assert said.returncode == 0, said.stdout + said.stderr
    assert "down › deep │ got tumour from pipeline\n" in said.stdout
    # The other repository's uncommitted changes are seen too, and its failure is this one's.
    tree.write(below, {".gitlab-ci.yml": "deep: {script: [echo now it fails, exit 1]}\n"})
    failed = tree.ci("run", above, "--project", f"org/team/below={below}")
    assert failed.returncode == 1
    assert "down › deep │ now it fails\n" in failed.stdout
    assert "✗ down  failed  downstream_pipeline_failed" in failed.stdout
    without = tree.ci("run", above)
    assert without.returncode == 1
    assert "downstream_bridge_project_not_found" in without.stdout
    assert "--project group/project=directory" in without.stdout
    assert tree.left() == []


def test_run_gives_up_at_its_timeout(tree):
    path = tree.repository("slow", {".gitlab-ci.yml": "slow: {script: [echo begun, sleep 300]}\n"})
    said = tree.ci("run", path, "--timeout", "3")
    assert said.returncode != 0
    assert "the pipeline is still running" in said.stderr
    assert tree.left() == []


def test_run_is_interrupted(tree):
    path = tree.repository("long", {".gitlab-ci.yml": "long: {script: [echo begun, sleep 300]}\n"})
    with subprocess.Popen([BINARY, "ci", "run", path], stdout=subprocess.PIPE, text=True,
                          env=tree.environment) as process:
        for line in process.stdout:
            if "│ begun" in line:
                break
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(60) == 128 + signal.SIGINT
    assert "interrupted" in rest
    assert tree.left() == []


def test_run_waits_for_pipelines_that_nobody_depends_on(tree):
    below = tree.repository("below", {".gitlab-ci.yml": "deep: {script: [sleep 1, echo done]}\n"})
    above = tree.repository("above", {
        ".gitlab-ci.yml": "down: {trigger: {project: team/below}}\n"})
    said = tree.ci("run", above, "--project", f"team/below={below}")
    assert said.returncode == 0, said.stdout + said.stderr
    assert "down › deep │ done\n" in said.stdout
    assert "✓ down › deep  success" in said.stdout


def test_run_outside_of_a_repository(tree):
    said = tree.ci("run", tree.folder)
    assert said.returncode != 0
    assert "is not in a git repository" in said.stderr and "git init" in said.stderr
    assert tree.left() == []
