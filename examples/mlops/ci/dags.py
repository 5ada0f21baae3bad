"""Starting a DAG through the trigger function and following its run."""

import json
import os
import time

import boto3

ENVIRONMENT = os.environ.get("AIRFLOW_ENVIRONMENT", "slipway")
FUNCTION = os.environ.get("TRIGGER_FUNCTION", "trigger-dag")
OVER = {"success", "failed"}


def trigger(dag, conf, run_id):
    """Invokes the trigger function; returns the run's state.

    A run of that id that is there already is this run: an answer may get lost, and a job be retried.
    """
    event = {"dag": dag, "conf": conf, "run_id": run_id}
    answer = boto3.client("lambda").invoke(FunctionName=FUNCTION, Payload=json.dumps(event))
    result = json.load(answer["Payload"])
    if answer.get("FunctionError"):
        message = str(result.get("errorMessage", result))
        if "Airflow answered 409" not in message:
            raise SystemExit(f"the trigger function failed: {message}")
        print(f"{dag}: run {run_id} was started before", flush=True)
        return _run(dag, run_id)["state"]
    print(f"{dag}: run {result['dag_run_id']}", flush=True)
    return result["state"]


def _list(path, **wanted):
    """One of Airflow's lists. Names go into the body: MWAA takes paths of 64 characters at most."""
    answer = boto3.client("mwaa").invoke_rest_api(
        Name=ENVIRONMENT, Path=path, Method="POST", Body={**wanted, "page_limit": 100}
    )
    return answer["RestApiResponse"]


def _run(dag, run_id):
    """The run as Airflow knows it; it is among the newest."""
    runs = _list("/dags/~/dagRuns/list", dag_ids=[dag], order_by="-start_date")["dag_runs"]
    for run in runs:
        if run["dag_run_id"] == run_id:
            return run
    raise SystemExit(f"{dag} has no run {run_id}")


def wait(dag, run_id, seconds=7200):
    """Prints each step as it changes; returns the run; ends the job where the run failed."""
    shown = {}
    deadline = time.monotonic() + seconds
    while True:
        run = _run(dag, run_id)
        tasks = _list("/dags/~/dagRuns/~/taskInstances/list", dag_ids=[dag], dag_run_ids=[run_id])
        for task in tasks["task_instances"]:
            if shown.get(task["task_id"]) != task["state"]:
                shown[task["task_id"]] = task["state"]
                took = f" after {task['duration']:.2f} s" if task["duration"] is not None else ""
                print(f"  {task['task_id']}: {task['state']}{took} {task['note'] or ''}", flush=True)
        if run["state"] in OVER:
            break
        if time.monotonic() > deadline:
            raise SystemExit(f"{dag}: run {run_id} is still {run['state']}")
        time.sleep(0.5)
    print(f"{dag}: {run['state']}")
    if run["state"] == "failed":
        raise SystemExit(1)
    return run
