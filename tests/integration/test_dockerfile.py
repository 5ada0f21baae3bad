"""Models that bring a Dockerfile: built with buildah, on bases of the server's own registry."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from conftest import BINARY, write_layout
from repositories import Hosted
from test_ship import TINY, Model, ship

pytestmark = pytest.mark.skipif(not shutil.which("buildah"), reason="buildah is not installed")

# Named without a host: it is looked for on the server. RUN proves that steps run, and in the base.
DOCKERFILE = """\
FROM base/python:1.0
ARG SIGN=whole
RUN python3 -c "import os; open('/made', 'w').write('$SIGN %d' % os.path.exists('/usr/share'))"
COPY *.py /srv/model/
WORKDIR /srv/model
"""
UNNEEDED = {"__pycache__", "test", "idlelib", "lib2to3", "pydoc_data", "ensurepip", "distutils",
            "dist-packages", "unittest", "tkinter", "lib-dynload", "config-3.11-x86_64-linux-gnu"}

# An image that knows the container contract by itself.
OWN_ENTRYPOINT = """\
import runpy, sys
print('asked to', sys.argv[1], flush=True)
runpy.run_path(f'/srv/model/{sys.argv[1]}.py', run_name='__main__')
"""


def push_whole_python(server):
    """Pushes base/python:1.0: a Python and a shell with all that they need, nothing of the host's."""
    python = Path(sys.executable).resolve()
    files = {"usr/bin/python3": python.read_bytes(), "bin/sh": Path("/bin/sh").read_bytes()}
    for program in (python, "/bin/sh"):
        needed = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
        for library in re.findall(r"(/\S+) \(0x", needed):
            files[library.lstrip("/")] = Path(library).read_bytes()
    for path in Path(sysconfig.get_path("stdlib")).rglob("*"):
        if path.is_file() and not UNNEEDED & set(path.parts):
            files[str(path).lstrip("/")] = path.read_bytes()
    # Python says so where it has no such directory.
    files[f"{sysconfig.get_path('stdlib')}/lib-dynload/README".lstrip("/")] = "left out\n"
    layout = server.data.parent / "layout-base-python-1.0"
    write_layout(layout, files, None, {})
    server.run("skopeo", "copy", "--quiet", f"oci:{layout}:1.0",
               f"docker://{server.host}/base/python:1.0")


@pytest.fixture(scope="module", name="based")
def _based(server):
    push_whole_python(server)
    return server


def named(name, **replaced):
    """The tiny model under a name of the test's own, with its Dockerfile."""
    files = {**TINY, "Dockerfile": DOCKERFILE, **replaced}
    return {**files, "slipway.yaml": files["slipway.yaml"].replace("name: tiny", f"name: {name}")}


def config_of(server, repository, version="1.0.0"):
    """The image's configuration as skopeo reads it."""
    return json.loads(server.run("skopeo", "inspect", "--config",
                                 f"docker://{server.host}/{repository}:{version}"))


def tags(server, repository):
    """The repository's tags; none where it is empty."""
    found = server.client("ecr").list_images(repositoryName=repository)["imageIds"]
    return sorted(image["imageTag"] for image in found if "imageTag" in image)


def test_a_dockerfile_is_built_and_pushed(based, tmp_path):
    model = Model(tmp_path / "model")
    model.commit(named("built"), "feat: first version")
    result = based.slipway("build", model.directory, "--push", "--json")
    assert result.returncode == 0, result.stdout + result.stderr
    image = json.loads(result.stdout)
    assert image["version"] == "1.0.0" and image["image"].endswith("/demo/built:1.0.0")
    found = json.loads(based.run("skopeo", "inspect", f"docker://{image['image']}"))
    assert found["Digest"] == image["digest"]
    assert [layer["digest"] for layer in image["layers"]] == found["Layers"]
    head = subprocess.run(["git", "-C", model.directory, "rev-parse", "HEAD"], check=True,
                          capture_output=True, text=True).stdout.strip()
    config = config_of(based, "demo/built")["config"]
    assert config["Labels"]["org.opencontainers.image.revision"] == head
    assert config["Labels"]["org.opencontainers.image.version"] == "1.0.0"
    assert "slipway.base" not in config["Labels"]
    assert config["WorkingDir"] == "/srv/model"
    assert config["Entrypoint"] == ["/opt/slipway/entrypoint"]
    # The same commit is the same version, and is not built again.
    again = based.slipway("build", model.directory, "--push", "--json")
    assert json.loads(again.stdout)["digest"] == image["digest"]
    assert "STEP" not in again.stderr
    assert tags(based, "demo/built") == ["1.0.0"]


def test_the_image_trains_evaluates_and_serves(based, tmp_path):
    model = Model(tmp_path / "model")
    files = named("served", **{
        "serve.py": TINY["serve.py"].replace("'/opt/ml/model/weight'", "'/made'")})
    model.commit(files, "feat: first version")
    status, result, progress = ship(based, model, "--approve")
    assert status == 0, progress
    assert result["metrics"] == {"accuracy": 0.5}
    answer = based.client("sagemaker-runtime").invoke_endpoint(EndpointName="served", Body=b"x")
    # Not the machine's own files: the base has no /usr/share.
    assert answer["Body"].read() == b"whole 0 first\n"
    based.client("sagemaker").delete_endpoint(EndpointName="served")


def test_checks_run_in_the_image_on_the_commits_files(based, tmp_path):
    """The image has no tests in it, and no pytest; it lies on the machine's own files, which have pip."""
    model = Model(tmp_path / "model")
    (model.directory / "tests").mkdir()
    files = named("checked", Dockerfile="FROM scratch\nLABEL slipway.base=host\nCOPY train.py /srv/model/\n",
                  **{"tests/test_image.py": "import os\n\ndef test_image():\n"
                                            "    assert os.path.exists('/srv/model/train.py')\n"
                                            "    assert not os.path.exists('/srv/model/serve.py')\n"
                                            "    assert os.path.exists('serve.py')\n"})
    files["slipway.yaml"] = files["slipway.yaml"].replace("lint: false", "lint: false, tests: tests")
    model.commit(files, "feat: first version")
    status, result, progress = ship(based, model, "--approve")
    assert "✓ validate" in progress and "1 passed" in progress, progress
    # It was only to be checked: without a WORKDIR train.py is looked for in /.
    assert (status, result["stage"]) == (1, "train")


def test_an_image_with_an_entrypoint_of_its_own_is_left_alone(based, tmp_path):
    model = Model(tmp_path / "model")
    specification = re.sub(r"(train|evaluate|serve): \S+\n", "", TINY["slipway.yaml"])
    model.commit(named("own", **{
        "slipway.yaml": specification + "dockerfile: Containerfile\n",
        "Containerfile": DOCKERFILE + 'ENTRYPOINT ["python3", "-u", "/srv/model/main.py"]\n',
        "main.py": OWN_ENTRYPOINT}), "feat: first version")
    status, result, progress = ship(based, model, "--approve")
    assert status == 0, progress
    logs = based.slipway("logs", result["trainingJob"])
    assert logs.stdout == "asked to train\nloss=0.25\n"
    assert result["metrics"] == {"accuracy": 0.5}
    config = config_of(based, "demo/own")["config"]
    assert config["Entrypoint"] == ["python3", "-u", "/srv/model/main.py"]
    based.client("sagemaker").delete_endpoint(EndpointName="own")


# On a busy machine buildah loses what a step says in the moment of its end.
FAILING_STEP = "RUN echo looking; echo no such wheel >&2; sleep 0.5; exit 7\n"


def test_a_step_that_fails_shows_its_last_lines_and_nothing_is_pushed(based, tmp_path):
    model = Model(tmp_path / "model")
    model.commit(named("broken", Dockerfile=DOCKERFILE + FAILING_STEP),
                 "feat: first version")
    status, result, progress = ship(based, model, "--approve")
    assert (status, result["stage"]) == (1, "build"), progress
    assert result["reason"].startswith("buildah could not build Dockerfile (exit status ")
    assert "\n  no such wheel\n" in result["reason"]
    assert result["log"].startswith("cat ")
    assert tags(based, "demo/broken") == []
    secret = based.keys[1]
    log = Path(result["log"].removeprefix("cat ")).read_text()
    assert "looking" in log and secret not in log + progress + json.dumps(result)


def test_a_base_that_is_nowhere_names_where_it_was_looked_for(based, tmp_path):
    model = Model(tmp_path / "model")
    model.commit(named("baseless", Dockerfile=f"FROM {based.host}/base/none:9\n"), "feat: first")
    result = based.slipway("build", model.directory)
    assert result.returncode == 1
    assert f"{based.host}/base/none:9" in result.stderr.split("its last lines:")[1]


JOB = """\
package:
  image: host
  script:
    - slipway package . --dotenv package.env
    - cat package.env
  artifacts: {reports: {dotenv: package.env}}
after:
  needs: [package]
  script: ['echo "got $IMAGE $IMAGE_DIGEST"']
"""


def test_a_ci_job_packages_it(based, tmp_path):
    hosted = Hosted(based, "demo/packaged", tmp_path / "packaged")
    hosted.commit(named("packaged"), "feat: first version")
    pipeline = hosted.run(JOB, message="feat: a pipeline")
    ended = hosted.ended(pipeline)
    assert ended["status"] == "success", hosted.story(pipeline)
    trace = hosted.trace(hosted.jobs(pipeline)["package"])
    assert "STEP 3/5: RUN python3" in trace
    found = json.loads(based.run("skopeo", "inspect", f"docker://{based.host}/demo/packaged:1.0.0"))
    assert f"got {based.host}/demo/packaged:1.0.0 {found['Digest']}" in hosted.trace(
        hosted.jobs(pipeline)["after"])
    assert "MODEL_VERSION=1.0.0" in trace and f"IMAGE_DIGEST={found['Digest']}" in trace
    assert config_of(based, "demo/packaged")["config"]["Labels"]["org.opencontainers.image.version"] == "1.0.0"


def test_without_the_rights_of_root_as_well(based, tmp_path):
    """In a namespace of one user, as the jobs of a server have it that does not run as root."""
    if subprocess.run(["unshare", "--user", "--map-root-user", "true"], check=False).returncode:
        pytest.skip("no user namespaces here")
    model = Model(tmp_path / "model")
    model.commit(named("rootless"), "feat: first version")
    result = subprocess.run(
        ["unshare", "--user", "--map-root-user", BINARY, "--data", based.data, "build",
         model.directory, "--push"], capture_output=True, text=True, timeout=240, check=False,
        env={**based.environment, "XDG_CACHE_HOME": str(tmp_path / "cache"), "CI_JOB_ID": "1"})
    assert result.returncode == 0, result.stdout + result.stderr
    assert tags(based, "demo/rootless") == ["1.0.0"]
    based.run("skopeo", "copy", "--quiet", f"docker://{based.host}/demo/rootless:1.0.0",
              f"dir:{tmp_path / 'copy'}")
    assert os.path.getsize(tmp_path / "copy/manifest.json") > 0
