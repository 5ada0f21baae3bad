"""The trigger against a server that answers as MWAA does."""

import datetime
import http.server
import json
import threading

import pytest

import handler

KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "AWS_SESSION_TOKEN": "token",
    "AWS_REGION": "us-east-1",
}
RUN = {"dag_run_id": "manual__1", "state": "queued", "logical_date": "2026-01-01T00:00:00Z",
       "conf": {"commit": "4f2a"}}


@pytest.fixture(name="mwaa")
def fixture_mwaa(monkeypatch):
    """A listener that keeps the requests and gives the answers that the test sets."""
    seen = []
    answers = [(200, {"RestApiStatusCode": 200, "RestApiResponse": RUN})]

    class Mwaa(http.server.BaseHTTPRequestHandler):
        """Answers every POST."""

        def do_POST(self):  # pylint: disable=invalid-name
            """Keeps the request."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, dict(self.headers), json.loads(body)))
            status, answer = answers[-1]
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_arguments):  # pylint: disable=arguments-differ
            """Keeps quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mwaa)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(handler, "boto3", None)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("MWAA_ENVIRONMENT", "team")
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    server.seen, server.answers = seen, answers
    yield server
    server.shutdown()
    server.server_close()


def test_starts_a_dag_with_its_configuration(mwaa):
    result = handler.handler({"dag": "train_tumour", "conf": {"commit": "4f2a"}})

    assert result["dag_run_id"] == "manual__1"
    assert result["state"] == "queued"
    path, headers, body = mwaa.seen[0]
    assert path == "/restapi/team"
    assert body == {"Path": "/dags/train_tumour/dagRuns", "Method": "POST",
                    "Body": {"conf": {"commit": "4f2a"}}}
    assert "/us-east-1/airflow/aws4_request" in headers["authorization"]
    assert headers["x-amz-security-token"] == "token"


def test_passes_a_run_id_on(mwaa):
    handler.handler({"dag": "train", "run_id": "pipeline-7"})

    assert mwaa.seen[0][2]["Body"] == {"conf": {}, "dag_run_id": "pipeline-7"}


def test_says_what_airflow_said(mwaa):
    mwaa.answers.append((400, {"RestApiStatusCode": 404,
                               "RestApiResponse": {"detail": "DAG with dag_id: 'x' not found"}}))

    with pytest.raises(handler.TriggerError, match="404: DAG with dag_id: 'x' not found"):
        handler.handler({"dag": "x"})


def test_says_what_is_no_json(mwaa):
    mwaa.answers.append((503, {}))

    with pytest.raises(handler.TriggerError, match="503"):
        handler.handler({"dag": "x"})


@pytest.mark.parametrize("event", [None, [], {}, {"dag": "a/b"}, {"dag": 7},
                                   {"dag": "a", "conf": "text"}])
def test_refuses_a_bad_event(event):
    with pytest.raises(ValueError):
        handler.handler(event)


def test_signs_as_botocore_does():
    auth = pytest.importorskip("botocore.auth")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    # A name with a blank, which the path holds encoded.
    target, payload = "/restapi/our%20team", b'{"Path":"/dags"}'
    now = datetime.datetime.now(datetime.timezone.utc)
    ours = handler.signed_headers("127.0.0.1:4700", target, payload, KEYS, now)
    request = AWSRequest("POST", "http://127.0.0.1:4700" + target, data=payload, headers={
        name: ours[name] for name in ("content-type", "x-amz-content-sha256")})
    signer = auth.SigV4Auth(Credentials(KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"],
                                        "token"), "airflow", "us-east-1")
    request.headers["X-Amz-Date"] = ours["x-amz-date"]
    request.headers["X-Amz-Security-Token"] = "token"
    request.context["timestamp"] = ours["x-amz-date"]
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)

    assert ours["authorization"].endswith("Signature=" + signature)


def test_uses_boto3_where_it_is(monkeypatch):
    calls = []

    class Client:
        """Stands in for boto3's client: no request leaves."""

        def invoke_rest_api(self, **arguments):
            """Keeps the arguments."""
            calls.append(arguments)
            return {"RestApiStatusCode": 200, "RestApiResponse": RUN}

    class Boto3:
        """Stands in for the module."""

        @staticmethod
        def client(name):
            """Only this one is asked for."""
            assert name == "mwaa"
            return Client()

    monkeypatch.setattr(handler, "boto3", Boto3)
    monkeypatch.setenv("MWAA_ENVIRONMENT", "team")

    assert handler.handler({"dag": "train"})["dag_run_id"] == "manual__1"
    assert calls == [{"Name": "team", "Path": "/dags/train/dagRuns", "Method": "POST",
                      "Body": {"conf": {}}}]
