"""The real server for tests: one binary, port 0, an empty data directory."""

import configparser
import gzip
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
import uuid
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

ROOT = Path(__file__).resolve().parents[2]
BINARY = os.environ.get("SLIPWAY", str(ROOT / "build/src/slipway"))


def wait_for(condition, what, seconds=60.0):
    """Returns the condition's first true value; fails after the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {what}")
        time.sleep(0.05)


class Server:
    """A server process on its own data directory; survives kill() and start()."""

    def __init__(self, data, *options):
        self.data = Path(data)
        self.options = list(options)
        self.process = None
        self.endpoint = None
        self.port = 0
        self.start()

    def start(self):
        """Starts the binary and returns when it answers; on a restart on the same port."""
        log = open(self.data.parent / "server.log", "ab")
        self.process = subprocess.Popen(
            [BINARY, "--data", str(self.data), "up", "--port", str(self.port), *self.options],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        log.close()
        line = self.process.stdout.readline()
        if "serves at" not in line:
            self.process.wait(10)
            text = (self.data.parent / "server.log").read_text()
            raise RuntimeError(f"the server did not start: {line} {text[-2000:]}")
        self.endpoint = line.split("serves at ")[1].strip()
        self.port = int(self.endpoint.rsplit(":", 1)[1])

    def kill(self):
        """A crash: nothing is flushed, nobody is told."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        """An orderly end; fails where it takes too long."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        self.process.stdout.close()

    def clear(self):
        """An orderly end, also of the containers that would outlive the server."""
        self.stop()
        result = subprocess.run([BINARY, "--data", str(self.data), "down", "--all"],
                                capture_output=True, text=True, timeout=120)
        assert result.returncode == 0, result.stderr

    @property
    def host(self):
        """The registry's name, and the endpoint without its scheme."""
        return self.endpoint.removeprefix("http://")

    @property
    def keys(self):
        """(access key, secret) of the root key."""
        parser = configparser.ConfigParser()
        parser.read(self.data / "credentials")
        section = parser["default"]
        return section["aws_access_key_id"], section["aws_secret_access_key"]

    def client(self, service, **config):
        """A stock boto3 client."""
        key, secret = self.keys
        settings = {"retries": {"max_attempts": 3}, "connect_timeout": 5, "read_timeout": 70}
        settings.update(config)
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            config=Config(**settings),
        )

    @property
    def environment(self):
        """What `eval "$(slipway env)"` would set, over this process's own."""
        text = subprocess.run(
            [BINARY, "--data", str(self.data), "env", "--json"],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "HOME": str(self.data.parent)},
        ).stdout
        # The AWS tools of the test environment come first in PATH; what tools write to the home
        # directory stays in the test's own.
        tools = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "AWS_PAGER": "",
            "HOME": str(self.data.parent),
        }
        return {**os.environ, **json.loads(text), **tools}

    def run(self, *command, **options):
        """Runs a stock tool against this server; returns its standard output."""
        result = subprocess.run(
            [str(part) for part in command],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=options.pop("timeout", 240),
            **options,
        )
        assert result.returncode == 0, f"{command}: {result.stdout}\n{result.stderr}"
        return result.stdout

    def slipway(self, *arguments, **options):
        """Runs slipway's own command line; returns the finished process."""
        return subprocess.run(
            [BINARY, "--data", str(self.data), *[str(part) for part in arguments]],
            env={**self.environment, "XDG_CACHE_HOME": str(self.data.parent / "cache")},
            capture_output=True,
            text=True,
            timeout=options.pop("timeout", 280),
            **options,
        )

    def push_image(self, repository, tag, files, entrypoint=None, labels=None):
        """Pushes an image on the base "host" with these files (path -> text), by skopeo."""
        layout = self.data.parent / f"layout-{repository.replace('/', '-')}-{tag}"
        write_layout(layout, files, entrypoint, {"slipway.base": "host", **(labels or {})})
        self.run("skopeo", "copy", "--quiet", f"oci:{layout}:{tag}",
                 f"docker://{self.host}/{repository}:{tag}")
        return f"{self.host}/{repository}:{tag}"


def write_layout(directory, files, entrypoint, labels):
    """Writes an OCI image layout with one layer that holds the files, mode 0755."""
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)

    def blob(content):
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {"digest": f"sha256:{digest}", "size": len(content)}

    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, text in sorted(files.items()):
            data = text.encode() if isinstance(text, str) else text
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size, member.mode = len(data), 0o755
            tar.addfile(member, io.BytesIO(data))
    plain = archive.getvalue()
    layer = blob(gzip.compress(plain, mtime=0))
    config = blob(json.dumps({
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": entrypoint or [], "Labels": labels},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(plain).hexdigest()}"]},
        "history": [{"created_by": "test"}],
    }).encode())
    manifest = blob(json.dumps({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **config},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", **layer}],
    }).encode())
    tag = directory.name.rsplit("-", 1)[1]
    (directory / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (directory / "index.json").write_text(json.dumps({
        "schemaVersion": 2,
        "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            **manifest,
            "annotations": {"org.opencontainers.image.ref.name": tag},
        }],
    }))


def error_of(call, **arguments):
    """(code, status) of the error that the boto3 call must give."""
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    response = raised.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server for a module; tests use names of their own."""
    running = Server(tmp_path_factory.mktemp("server") / "data")
    yield running
    running.clear()


@pytest.fixture
def own_server(tmp_path):
    """A server for one test that stops, kills or configures it."""
    running = Server(tmp_path / "data")
    yield running
    running.clear()


@pytest.fixture(scope="module", name="s3")
def _s3(server):
    """boto3's client of the module's server."""
    return server.client("s3", s3={"addressing_style": "path"})


@pytest.fixture(name="bucket")
def _bucket(s3):
    """A bucket of the test's own."""
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name
