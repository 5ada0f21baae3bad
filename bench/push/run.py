"""Times a git push: until its first job runs, and until the model that it changed answers.

The first is a push of one small commit: milliseconds from the start of the git command, and from the
server's receipt of the pack, to the job's "running". The second is the example's whole way through
both repositories with scripts that do next to nothing: test, package, train, evaluate, register,
approval (at once), endpoint in service. Nothing is downloaded: boto3 is in the jobs' image.

Usage: run.py SLIPWAY_BINARY [PUSHES [MODELS]]; prints a table, then one JSON object.
"""

import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PUSH_TARGET, LIVE_TARGET = 150, 8000  # milliseconds


def milliseconds(text):
    """A time of the API as milliseconds."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000


def row(name, values, target=None):
    """One line of the table."""
    values = sorted(values)
    last = f"{statistics.median(values) / target:8.2f}" if target else ""
    print(f"{name:44} {statistics.median(values):8.0f} {values[0]:8.0f} {values[-1]:8.0f} {last}")


def to_first_job(server, folder, count):
    """(from the command's start, from the server's receipt, the command itself) of each push."""
    hosted = Hosted(server, "root/first", folder / "first")
    times = []
    for number in range(count + 1):
        commit = hosted.commit({".gitlab-ci.yml": f"job: {{script: ['echo {number}']}}\n"})
        began = time.time() * 1000
        hosted.push()
        returned = time.time() * 1000
        pipeline = hosted.pipeline_of(commit)
        hosted.ended(pipeline)
        started = milliseconds(hosted.jobs(pipeline)["job"]["started_at"])
        received = milliseconds(hosted.get(f"pipelines/{pipeline}")["created_at"])
        times.append((started - began, started - received, returned - began))
    return times[1:]  # the first one makes what the others find


def to_endpoint(flow, count):
    """Milliseconds of each push until the endpoint serves the new version, by parts."""
    def once(number):
        files = flow.files(serve__py=("first", f"number-{number}"))
        began = time.time() * 1000
        flow.push(files, f"feat: number {number}", wait=False)
        known = set(flow.versions()) if number else set()
        while True:
            waiting = [version for version, state in flow.versions().items()
                       if state == "PendingManualApproval" and version not in known]
            if waiting:
                break
            time.sleep(0.02)
        registered = time.time() * 1000
        flow.approve_newest()
        answer = f"2 number-{number}\n".encode()
        while not flow.answers(answer):
            time.sleep(0.02)
        live = time.time() * 1000
        flow.over()
        return {"push to version": registered - began, "approval to endpoint": live - registered,
                "push to endpoint": live - began}
    return [once(number) for number in range(count)]


def main():
    """Measures both."""
    pushes = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    models = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        flow = BenchFlow(folder)
        try:
            first = to_first_job(flow.server, folder, pushes)
            flow.over()
            flow.approve_newest()
            flow.deployed()
            live = to_endpoint(flow, models)
        finally:
            flow.close()
    print(f"{'milliseconds':44} {'median':>8} {'least':>8} {'most':>8} {'/ promise':>9}")
    commands, receipts, gits = zip(*first)
    row("git push to first job, from the command", commands, PUSH_TARGET)
    row("the same, from the server's receipt", receipts)
    row("the git command itself", gits)
    for part in live[0]:
        row(part, [each[part] for each in live], LIVE_TARGET if part.endswith("push to endpoint") else None)
    print(json.dumps({
        "pushToFirstJob": {"p50": statistics.median(commands), "target": PUSH_TARGET,
                           "fromReceiptP50": statistics.median(receipts), "pushes": pushes},
        "pushToEndpoint": {"p50": statistics.median(each["push to endpoint"] for each in live),
                           "target": LIVE_TARGET, "pushes": models}}))


if __name__ == "__main__":
    os.environ["SLIPWAY"] = str(Path(sys.argv[1]).resolve())
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests/integration"))
    from repositories import Hosted
    from test_flow import Flow

    class BenchFlow(Flow):
        """The flow of the integration test, with a person who approves at once."""

        def __init__(self, folder):
            super().__init__(folder, quick=True)

        def approve_newest(self):
            """Approves the newest version."""
            newest = self.sagemaker.list_model_packages(
                ModelPackageGroupName="tiny", SortBy="CreationTime", SortOrder="Descending")
            self.sagemaker.update_model_package(
                ModelPackageArn=newest["ModelPackageSummaryList"][0]["ModelPackageArn"],
                ModelApprovalStatus="Approved")

        def answers(self, expected):
            """Whether the endpoint is in service and says so."""
            state = self.sagemaker.describe_endpoint(EndpointName="tiny")["EndpointStatus"]
            return state == "InService" and self.ask() == expected

    main()
