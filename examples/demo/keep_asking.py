"""Asks an endpoint without a pause until <report>.stop appears; fails on a single failed answer.

Usage: keep_asking.py ENDPOINT REQUEST_FILE REPORT_FILE
"""

import collections
import json
import sys
import time
from pathlib import Path

import boto3
from botocore.config import Config


def main():
    """Counts the answers by what they said."""
    endpoint, request, report = sys.argv[1], Path(sys.argv[2]).read_bytes(), Path(sys.argv[3])
    stop = Path(f"{report}.stop")
    stop.unlink(missing_ok=True)
    # No retries: a failed answer must show.
    client = boto3.client("sagemaker-runtime", config=Config(retries={"total_max_attempts": 1}))
    answers, failures, slowest = collections.Counter(), [], 0.0
    while not stop.exists():
        began = time.monotonic()
        try:
            result = client.invoke_endpoint(
                EndpointName=endpoint, ContentType="text/csv", Body=request
            )
            answers[result["Body"].read().decode().splitlines()[0]] += 1
        except Exception as error:  # whatever went wrong is what this program looks for
            failures.append(str(error))
        slowest = max(slowest, time.monotonic() - began)
    stop.unlink()
    total = sum(answers.values()) + len(failures)
    report.write_text(json.dumps({"requests": total, "failures": failures, "answers": answers}))
    print(
        f"{total} requests during the update, {len(failures)} failed, slowest "
        f"{slowest * 1000:.0f} ms, {len(answers)} different answers"
    )
    for failure in failures[:3]:
        print(f"  {failure}")
    return 1 if failures or not answers else 0


if __name__ == "__main__":
    sys.exit(main())
