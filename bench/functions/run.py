"""Times warm invocations of a Python function that returns its event.

Beside it, the same over HTTP without boto3 and the yardstick: the container's own share, as its REPORT
lines tell it. Usage: run.py SLIPWAY_BINARY [INVOCATIONS]
"""

import base64
import configparser
import io
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from http.client import HTTPConnection

SOURCE = "def handler(event, context):\n    return event\n"
ROLE = "arn:aws:iam::123456789012:role/slipway-execution"


def show(name, times):
    """One line: median, 95th and 99th percentile."""
    times = sorted(times)
    print(f"{name:28} p50 {statistics.median(times):6.2f} ms   p95 {times[int(len(times) * .95)]:6.2f} ms"
          f"   p99 {times[int(len(times) * .99)]:6.2f} ms")


def timed(count, call):
    """Milliseconds of each of `count` calls."""
    times = []
    for _ in range(count):
        began = time.perf_counter()
        call()
        times.append((time.perf_counter() - began) * 1000)
    return times


def plain_call(endpoint, credentials):
    """A signed invocation over one connection that stays open."""
    connection = HTTPConnection(endpoint.removeprefix("http://"))
    target = "/2015-03-31/functions/echo/invocations"

    def call():
        request = AWSRequest("POST", endpoint + target, data=b'{"a": 1}')
        SigV4Auth(credentials, "lambda", "us-east-1").add_auth(request)
        connection.request("POST", target, b'{"a": 1}', dict(request.headers))
        response = connection.getresponse()
        assert (response.status, json.loads(response.read())) == (200, {"a": 1})

    return call


def main():
    """One function, one container."""
    binary, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data")
        server = subprocess.Popen([binary, "--data", data, "up", "--port", "0"],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            endpoint = server.stdout.readline().split("serves at ")[1].strip()
            keys = configparser.ConfigParser()
            keys.read(data / "credentials")
            key, secret = (keys["default"][name]
                           for name in ("aws_access_key_id", "aws_secret_access_key"))
            aws = boto3.client("lambda", endpoint_url=endpoint, region_name="us-east-1",
                               aws_access_key_id=key, aws_secret_access_key=secret)
            archive = io.BytesIO()
            with zipfile.ZipFile(archive, "w") as file:
                file.writestr("app.py", SOURCE)
            aws.create_function(FunctionName="echo", Runtime="python3.11", Handler="app.handler",
                                Role=ROLE, MemorySize=512, Code={"ZipFile": archive.getvalue()})

            def by_boto3():
                assert json.load(aws.invoke(FunctionName="echo", Payload=b'{"a": 1}')["Payload"])

            show("cold, by boto3 (one)", timed(1, by_boto3))
            timed(50, by_boto3)
            show("warm, by boto3", timed(count, by_boto3))
            show("warm, signed plain HTTP", timed(count, plain_call(endpoint, Credentials(key, secret))))
            tails = [aws.invoke(FunctionName="echo", LogType="Tail", Payload=b"{}")["LogResult"]
                     for _ in range(50)]
            inside = [float(re.search(r"Duration: ([\d.]+) ms", base64.b64decode(tail).decode())[1])
                      for tail in tails]
            show("of it the handler itself", inside)
        finally:
            server.terminate()
            server.wait(60)


if __name__ == "__main__":
    main()
