"""Real Airflow, with its Amazon provider, runs the example's DAGs against this server."""

import fcntl
import json
import os
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

import pytest

from conftest import ROOT, wait_for

# What is pinned for each version is in airflow-<version>.txt.
VERSIONS = ("2.11.2", "3.3.2")
ROLE = "arn:aws:iam::123456789012:role/slipway-execution"
BUCKET = "airflow-lab"

# Trains, evaluates and serves: the model is the sum of its training data.
MODEL = """#!/usr/bin/python3
import http.server, json, os, signal, sys, tarfile
what = sys.argv[1]
def train():
    depth = json.load(open("/opt/ml/input/config/hyperparameters.json"))["max_depth"]
    rows = open("/opt/ml/input/data/training/train.csv").read().split()
    json.dump({"sum": sum(map(int, rows)), "depth": depth}, open("/opt/ml/model/model.json", "w"))
    print("trained on", len(rows), "rows")
def evaluate():
    with tarfile.open("/opt/ml/processing/input/model/model.tar.gz") as archive:
        model = json.load(archive.extractfile("model.json"))
    wanted = int(open("/opt/ml/processing/input/test/test.csv").read())
    with open("/opt/ml/processing/output/evaluation/evaluation.json", "w") as file:
        json.dump({"error": abs(model["sum"] - wanted)}, file)
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        self.answer(b"")
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(open("/opt/ml/model/model.json", "rb").read())
def serve():
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Handler).serve_forever()
{"train": train, "evaluate": evaluate, "serve": serve}[what]()
"""


def airflow_environment(version):
    """A Python environment with this Airflow and, in home/, its empty database; made once."""
    cache = Path(os.environ.get("SLIPWAY_TEST_CACHE", ROOT))
    name = f".venv-airflow-{version}"
    folder, stamp = cache / name, cache / name / "packages"
    packages = ROOT / "tests" / "integration" / f"airflow-{version}.txt"
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / f"{name}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != packages.read_text():
            subprocess.run(["/usr/bin/python3", "-m", "venv", "--clear", folder], check=True)
            subprocess.run([folder / "bin/pip", "install", "--quiet", "--no-deps",
                            "--disable-pip-version-check", "--requirement", packages], check=True)
            shutil.rmtree(folder / "home", ignore_errors=True)
            subprocess.run([folder / "bin/airflow", "db", "migrate"], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           env={**os.environ, "AIRFLOW_HOME": str(folder / "home"),
                                "AIRFLOW__CORE__LOAD_EXAMPLES": "False"})
            stamp.write_text(packages.read_text())
    return folder


class Airflow:
    """One version of Airflow with a database of its own, and the example's DAGs."""

    def __init__(self, server, version, home):
        made = airflow_environment(version)
        shutil.copytree(made / "home", home, ignore=shutil.ignore_patterns("logs", "airflow.cfg"))
        self.program = made / "bin"
        self.environment = {
            **server.environment,
            "PATH": f"{self.program}:{os.environ['PATH']}",
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "examples" / "airflow" / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        }

    def run(self, *arguments):
        result = subprocess.run(
            [self.program / "airflow", *arguments], env=self.environment, text=True, timeout=200,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        assert result.returncode == 0, result.stdout[-6000:]
        return result.stdout

    def test(self, dag, **conf):
        """Runs a DAG from its first task to its last, in one process."""
        return self.run("dags", "test", dag, "--conf", json.dumps(conf))


class Receiver:
    """Confirms its subscription to a topic and keeps what comes."""

    def __init__(self, sns, topic):
        self.messages, self.confirmed = [], threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                envelope = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()
                if envelope["Type"] == "SubscriptionConfirmation":
                    urlopen(envelope["SubscribeURL"], timeout=30).close()
                    receiver.confirmed.set()
                else:
                    receiver.messages.append((envelope["Subject"], envelope["Message"]))

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        sns.subscribe(TopicArn=topic, Protocol="http",
                      Endpoint=f"http://127.0.0.1:{self.server.server_port}/")
        assert self.confirmed.wait(30)

    def told(self, count):
        wait_for(lambda: len(self.messages) >= count, f"{count} messages")
        return self.messages[count - 1]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


# The first run of a version installs some 160 packages.
@pytest.mark.timeout(900)
@pytest.mark.parametrize("version", VERSIONS)
def test_from_training_to_an_endpoint(own_server, version, tmp_path):
    airflow = Airflow(own_server, version, tmp_path / "airflow")
    sagemaker, s3, sns = (own_server.client(name) for name in ("sagemaker", "s3", "sns"))
    image = own_server.push_image("lab/sums", "1.0.0", {"/model.py": MODEL},
                                  entrypoint=["/usr/bin/python3", "/model.py"])
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="train/train.csv", Body=b"1\n2\n3\n")
    s3.put_object(Bucket=BUCKET, Key="test/test.csv", Body=b"10\n")
    topic = sns.create_topic(Name="models")["TopicArn"]
    receiver = Receiver(sns, topic)
    try:
        output = airflow.test("train_model", model="sums", image=image, topic=topic, role=ROLE,
                              training_data=f"s3://{BUCKET}/train", max_depth=5,
                              test_data=f"s3://{BUCKET}/test", output=f"s3://{BUCKET}/runs")
        assert "trained on 3 rows" in output  # the job's own log, as the operator follows it

        [training] = sagemaker.list_training_jobs()["TrainingJobSummaries"]
        assert training["TrainingJobStatus"] == "Completed"
        [processing] = sagemaker.list_processing_jobs()["ProcessingJobSummaries"]
        assert processing["ProcessingJobStatus"] == "Completed"
        [report] = [each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET)["Contents"]
                    if each["Key"].endswith("/evaluation.json")]
        evaluation = json.load(s3.get_object(Bucket=BUCKET, Key=report)["Body"])
        assert evaluation == {"error": 4}
        [package] = sagemaker.list_model_packages(
            ModelPackageGroupName="sums")["ModelPackageSummaryList"]
        arn = package["ModelPackageArn"]
        assert package["ModelApprovalStatus"] == "PendingManualApproval"
        subject, message = receiver.told(1)
        assert subject == "A version of sums waits for approval"
        assert message.startswith(f"{arn} is trained") and report.rsplit("/", 1)[0] in message

        sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
        conf = {"endpoint": "sums", "model_package": arn, "role": ROLE, "topic": topic}
        airflow.test("deploy_model", **conf)
        assert served(own_server, "sums") == {"sum": 6, "depth": "5"}
        assert receiver.told(2) == ("sums serves another version", f"sums serves {arn}")

        # The same provider updates what is there; Airflow 3 takes long enough to come up once.
        if version == VERSIONS[0]:
            airflow.test("deploy_model", **conf)
            assert served(own_server, "sums") == {"sum": 6, "depth": "5"}
            assert len(sagemaker.list_models()["Models"]) == 2
        sagemaker.delete_endpoint(EndpointName="sums")
    finally:
        receiver.stop()


def served(server, endpoint):
    """What the endpoint answers; it must be in service."""
    found = server.client("sagemaker").describe_endpoint(EndpointName=endpoint)
    assert found["EndpointStatus"] == "InService", found.get("FailureReason")
    answer = server.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=endpoint, Body=b"1", ContentType="text/csv")
    return json.load(answer["Body"])
