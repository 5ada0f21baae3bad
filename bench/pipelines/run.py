"""Times durable pipeline steps that do nothing; see README.md."""

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path
from urllib.parse import urlsplit
import http.client

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))
import conftest  # noqa: E402  the tests' server, also used here

ROLE = "arn:aws:iam::123456789012:role/bench"
ENDED = ("Succeeded", "Failed", "Stopped")


def chain(length):
    """A definition of Condition steps, each after the one before."""
    steps = []
    for number in range(length):
        steps.append({
            "Name": f"S{number}", "Type": "Condition",
            "DependsOn": [f"S{number - 1}"] if number else [],
            "Arguments": {"IfSteps": [], "ElseSteps": [], "Conditions": [{
                "Type": "Equals", "LeftValue": {"Get": "Execution.PipelineName"},
                "RightValue": "nothing"}]},
        })
    return json.dumps({"Version": "2020-12-01", "Parameters": [], "Steps": steps})


def ended(sagemaker, arn):
    """The execution once it has ended."""
    def look():
        found = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
        return found["PipelineExecutionStatus"] in ENDED and found
    found = conftest.wait_for(look, f"the end of {arn}", 300)
    if found["PipelineExecutionStatus"] != "Succeeded":
        raise SystemExit(f"{arn}: {found}")
    return found


def one_by_one(sagemaker, rounds):
    """Milliseconds of each step in a chain of 40, one execution at a time."""
    sagemaker.create_pipeline(PipelineName="chain", RoleArn=ROLE, PipelineDefinition=chain(40))
    spans = []
    for _ in range(rounds):
        arn = sagemaker.start_pipeline_execution(PipelineName="chain")["PipelineExecutionArn"]
        ended(sagemaker, arn)
        steps = sagemaker.list_pipeline_execution_steps(
            PipelineExecutionArn=arn, SortOrder="Ascending")["PipelineExecutionSteps"]
        times = [step["EndTime"].timestamp() * 1000 for step in steps]
        spans += [after - before for before, after in zip(times, times[1:])]
    return spans


def signed_starts(server, count):
    """Signed requests that each start an execution; good for 15 minutes."""
    key, secret = server.keys
    requests = []
    for _ in range(count):
        body = json.dumps({"PipelineName": "many", "ClientRequestToken": str(uuid.uuid4())})
        request = AWSRequest("POST", server.endpoint + "/", data=body, headers={
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": "SageMaker.StartPipelineExecution"})
        SigV4Auth(Credentials(key, secret), "sagemaker", "us-east-1").add_auth(request)
        requests.append((body, dict(request.headers.items())))
    return requests


def send(address, requests, arns):
    """Sends the requests over one connection."""
    connection = http.client.HTTPConnection(address, timeout=120)
    for body, headers in requests:
        connection.request("POST", "/", body, headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{answer.status}: {text}")
        arns.append(json.loads(text)["PipelineExecutionArn"])


def at_once(server, sagemaker, count, clients=16):
    """Steps a second of many executions of 10 steps, from the first start to the last end."""
    sagemaker.create_pipeline(PipelineName="many", RoleArn=ROLE, PipelineDefinition=chain(10))
    requests = signed_starts(server, count)
    address, arns = urlsplit(server.endpoint).netloc, []
    threads = [threading.Thread(target=send, args=(address, requests[i::clients], arns))
               for i in range(clients)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sent = time.monotonic() - began
    executions = [ended(sagemaker, arn) for arn in arns]
    first = min(each["CreationTime"].timestamp() for each in executions)
    last = max(each["LastModifiedTime"].timestamp() for each in executions)
    assert len(set(arns)) == count
    return count * 10 / (last - first), last - first, sent


def peak_memory(pid):
    """MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("no VmHWM")


def main():
    """Prints the three figures of README.md."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default=str(ROOT / "build/src/slipway"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--executions", type=int, default=1000)
    options = parser.parse_args()
    conftest.BINARY = options.binary
    with tempfile.TemporaryDirectory() as folder:
        server = conftest.Server(Path(folder) / "data")
        try:
            sagemaker = server.client("sagemaker")
            spans = one_by_one(sagemaker, options.rounds)
            late = statistics.quantiles(spans, n=100)[98]
            print(f"sequential: p50 {statistics.median(spans):.1f} ms a step, p99 {late:.1f} ms", flush=True)
            rate, seconds, sent = at_once(server, sagemaker, options.executions)
            print(f"{options.executions} executions of 10 steps: {rate:.0f} steps/s "
                  f"({seconds:.2f} s; started within {sent:.2f} s)")
            print(f"peak memory: {peak_memory(server.process.pid):.0f} MiB")
        finally:
            server.stop()


if __name__ == "__main__":
    main()
