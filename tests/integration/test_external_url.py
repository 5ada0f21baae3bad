"""A server that people and other machines call by another address than it listens on."""

import json
import os
import socket
import subprocess

import pytest
import requests
from conftest import BINARY, Server
from repositories import Hosted


def free_port():
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(name="named", scope="module")
def _named(tmp_path_factory):
    """(server, external URL): every address, called by its TLS port."""
    port = free_port()
    external = f"https://localhost:{port}"
    running = Server(tmp_path_factory.mktemp("named") / "data", "--address", "0.0.0.0",
                     "--tls-port", str(port), "--external-url", external + "/")
    yield running, external
    running.clear()


def test_this_machine_reaches_it_by_loopback(named):
    server, _ = named
    assert server.endpoint == f"http://127.0.0.1:{server.port}"
    assert requests.get(server.endpoint + "/healthz", timeout=10).text == "ok\n"
    told = json.loads((server.data / "server.json").read_text())
    assert told["tlsEndpoint"].startswith("https://127.0.0.1:")
    assert requests.get(told["tlsEndpoint"] + "/healthz", verify=told["caBundle"],
                        timeout=10).text == "ok\n"


def test_answers_name_the_external_url(named, tmp_path):
    server, external = named
    hosted = Hosted(server, "team/model", tmp_path / "model")
    project = hosted.call("GET", f"/projects/{hosted.number}").json()
    assert project["web_url"] == f"{external}/team/model"
    assert project["http_url_to_repo"] == f"{external}/team/model.git"
    links = hosted.call("GET", "/projects?per_page=1").links
    assert links["first"]["url"].startswith(f"{external}/api/v4/projects")

    created = server.client("ecr").create_repository(repositoryName="team/model")
    assert created["repository"]["repositoryUri"] == f"{external.removeprefix('https://')}/team/model"
    web_server = server.client("mwaa", inject_host_prefix=False).create_cli_token(Name="slipway")
    assert web_server["WebServerHostname"] == external.removeprefix("https://")
    token = server.client("ecr").get_authorization_token()["authorizationData"][0]
    assert token["proxyEndpoint"] == external


def test_jobs_and_pushes_follow_it(named, tmp_path):
    server, external = named
    hosted = Hosted(server, "team/jobs", tmp_path / "jobs")
    commit = hosted.commit({".gitlab-ci.yml": r"""
job:
  script:
    - echo "server $CI_SERVER_URL $CI_SERVER_PROTOCOL $CI_SERVER_HOST"
    - 'curl -sSf -H "JOB-TOKEN: $CI_JOB_TOKEN" "$CI_API_V4_URL/job" | grep -o "\"stage\": *\"test\""'
    - echo "services at $AWS_ENDPOINT_URL"
    - (slipway approve nothing 1.0.0 2>&1 || true) | grep -o "no model nothing"
    - git ls-remote $CI_REPOSITORY_URL main
"""})
    said = hosted.push()
    pipeline = hosted.pipeline_of(commit)
    assert f"{external}/team/jobs/-/pipelines/{pipeline}" in said
    ended = hosted.ended(pipeline)
    text = hosted.trace(hosted.jobs(pipeline)["job"])
    assert ended["status"] == "success", text
    assert f"server {external} https localhost" in text
    for words in ('"test"', f"services at {external}", "\nno model nothing", "\trefs/heads/main"):
        assert words in text, text
    # A stranger to this machine would clone so.
    clone = subprocess.run(
        ["git", "clone", "-q", external.replace("https://", f"https://root:{hosted.token}@")
         + "/team/jobs.git", tmp_path / "clone"], capture_output=True, text=True, check=False,
        env={**os.environ, "GIT_SSL_CAINFO": str(server.data / "tls/bundle.pem")})
    assert clone.returncode == 0, clone.stderr


@pytest.mark.parametrize("url", ["ml.example.org", "https://ml.example.org/slipway", "ftp://x"])
def test_what_is_no_external_url_is_one_clear_sentence(tmp_path, url):
    done = subprocess.run([BINARY, "--data", tmp_path / "data", "up", "--external-url", url],
                          capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode != 0
    assert url in done.stderr and "without a path" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
