"""Times chains of tasks that do nothing in a real Airflow, beside run.py's; see README.md."""

import argparse
import os
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Not the folder of this file: the name of this file is that of the package.
sys.path[0] = str(ROOT / "tests" / "integration")
import test_airflow  # noqa: E402  makes Airflow's Python environment

LENGTH = 40
DAGS = f"""
try:
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.providers.standard.operators.python import PythonOperator
except ImportError:
    from airflow.operators.empty import EmptyOperator
    from airflow.operators.python import PythonOperator
from airflow import DAG

def nothing():
    pass

with DAG(dag_id="empty", schedule=None, catchup=False):
    before = None
    for number in range({LENGTH}):
        task = EmptyOperator(task_id=f"t{{number:02}}")
        if before:
            before >> task
        before = task

with DAG(dag_id="python", schedule=None, catchup=False):
    before = None
    for number in range({LENGTH}):
        task = PythonOperator(task_id=f"t{{number:02}}", python_callable=nothing)
        if before:
            before >> task
        before = task
"""


def free_ports(count):
    """Ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Standalone:
    """`airflow standalone` with its executor of default, on SQLite."""

    def __init__(self, version, home):
        self.folder, self.home = test_airflow.airflow_environment(version), home
        dags = home / "dags"
        dags.mkdir(parents=True)
        (dags / "chains.py").write_text(DAGS)
        web, tasks, triggers = free_ports(3)
        self.environment = {
            **os.environ,
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{web}/execution/",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(web),
            "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{web}",
            "AIRFLOW__WEBSERVER__WEB_SERVER_PORT": str(web),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(tasks),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(triggers),
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        }
        self.log = open(home / "standalone.log", "w", encoding="utf-8")
        self.process = subprocess.Popen(
            [self.folder / "bin/airflow", "standalone"], env=self.environment, stdout=self.log,
            stderr=subprocess.STDOUT, start_new_session=True)

    def rows(self, query, *values):
        """What the database answers; nothing while it is being made."""
        try:
            with sqlite3.connect(f"file:{self.home}/airflow.db?mode=ro", uri=True) as database:
                return database.execute(query, values).fetchall()
        except sqlite3.OperationalError:
            return []

    def wait(self, what, condition, seconds):
        """Returns the condition's first true value."""
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"no {what}: see the end of its log\n"
                                 f"{(self.home / 'standalone.log').read_text()[-4000:]}")
            time.sleep(0.2)
        return value

    def spans(self, dag, seconds=600):
        """Milliseconds from the end of a task to the end of the next, in one run of the chain."""
        self.wait(f"DAG {dag}", lambda: self.rows(
            "select 1 from serialized_dag where dag_id = ?", dag), 240)
        subprocess.run([self.folder / "bin/airflow", "dags", "trigger", dag, "--run-id", "bench"],
                       env=self.environment, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        state = self.wait(f"end of {dag}", lambda: self.rows(
            "select state from dag_run where dag_id = ? and state in ('success', 'failed')", dag),
            seconds)
        if state != [("success",)]:
            raise SystemExit(f"{dag}: {state}")
        times = [time for [time] in self.rows(
            "select (julianday(end_date) - 2440587.5) * 86400000 from task_instance "
            "where dag_id = ? order by task_id", dag)]
        assert len(times) == LENGTH, times
        return [after - before for before, after in zip(times, times[1:])]

    def stop(self):
        """Ends what this process started, and nothing else."""
        for number, seconds in ((signal.SIGINT, 20), (signal.SIGKILL, 10)):
            try:
                os.killpg(self.process.pid, number)
                self.process.wait(seconds)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        self.log.close()


def main():
    """Prints the milliseconds of a task that the scheduler ends itself, and of one that it runs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--version", choices=test_airflow.VERSIONS,
                        default=test_airflow.VERSIONS[-1])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        airflow = Standalone(options.version, Path(folder) / "airflow")
        try:
            for dag in ("empty", "python"):
                spans = airflow.spans(dag)
                late = statistics.quantiles(spans, n=100)[98]
                print(f"Airflow {options.version}, {LENGTH} {dag} tasks one by one: "
                      f"p50 {statistics.median(spans):.0f} ms a task, p99 {late:.0f} ms", flush=True)
        finally:
            airflow.stop()


if __name__ == "__main__":
    main()
