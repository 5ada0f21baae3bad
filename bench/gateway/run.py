"""Compares the CPU time of an invocation through the gateway with nginx proxy_pass; see README.md."""

import argparse
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.request import urlopen

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))
import conftest  # noqa: E402  the tests' server, also used here

BODY = ("1.25," * 205)[:1024]
TICKS = os.sysconf("SC_CLK_TCK")

BACKEND = """
worker_processes 1; daemon off; pid {directory}/backend.pid; error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location /ping {{ return 200 ""; }}
    location /invocations {{ default_type text/csv; return 200 "0.973\\n"; }}
  }}
}}
"""

PROXY = """
worker_processes 1; daemon off; pid {directory}/proxy.pid; error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600;
  client_body_temp_path {directory}/body2; proxy_temp_path {directory}/proxy2;
  fastcgi_temp_path {directory}/fastcgi2; uwsgi_temp_path {directory}/uwsgi2;
  scgi_temp_path {directory}/scgi2;
  upstream backend {{ server 127.0.0.1:{backend}; keepalive 64; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://backend/invocations; proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
  }}
}}
"""


def cpu_seconds(pid):
    """User and system time of a process, all its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def worker_of(master):
    """The one child of an nginx master process."""
    def children():
        text = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        return int(text[0]) if text else None
    return conftest.wait_for(children, "nginx's worker")


def start_nginx(directory, name, text):
    path = directory / f"{name}.conf"
    path.write_text(text)
    return subprocess.Popen(["nginx", "-p", str(directory), "-c", str(path)])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def signed_script(path, url, server):
    """A wrk script that sends one signed POST; good for 15 minutes."""
    key, secret = server.keys
    request = AWSRequest("POST", url, data=BODY, headers={"Content-Type": "text/csv"})
    SigV4Auth(Credentials(key, secret), "sagemaker", "us-east-1").add_auth(request)
    lines = [f'wrk.headers["{name}"] = "{value}"' for name, value in request.headers.items()
             if name.lower() != "content-length"]
    path.write_text(f'wrk.method = "POST"\nwrk.body = "{BODY}"\n' + "\n".join(lines) + "\n")


def measure(name, pid, url, script, seconds):
    """One round; returns CPU microseconds a request."""
    before = cpu_seconds(pid)
    result = subprocess.run(
        ["wrk", "-t1", "-c32", f"-d{seconds}s", "--latency", "-s", str(script), url],
        capture_output=True, text=True, check=True)
    used = cpu_seconds(pid) - before
    requests = int(re.search(r"(\d+) requests in", result.stdout).group(1))
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", result.stdout).group(1))
    late = re.search(r"^\s+99%\s+(\S+)", result.stdout, re.M).group(1)
    if "Non-2xx" in result.stdout or "Socket errors" in result.stdout:
        raise SystemExit(f"{name}: not every request was answered well\n{result.stdout}")
    cost = used / requests * 1e6
    print(f"{name:8} {cost:6.2f} us/request  {rate:9.0f} requests/s  p99 {late}", flush=True)
    return cost


def deploy(server, directory):
    """An endpoint whose container runs the backend's nginx."""
    sagemaker = server.client("sagemaker")
    configuration = BACKEND.format(directory="/tmp", port=8080)
    serve = "#!/bin/sh\nexec /usr/sbin/nginx -p /tmp -c /bench/backend.conf\n"
    image = server.push_image(
        "bench/backend", "1.0.0",
        {"/bench/serve": serve, "/bench/backend.conf": configuration.replace(
            "worker_processes 1;", "worker_processes 1; user root;")},
        entrypoint=["/bench/serve"])
    sagemaker.create_model(ModelName="bench", PrimaryContainer={"Image": image},
                           ExecutionRoleArn="arn:aws:iam::123456789012:role/bench")
    sagemaker.create_endpoint_config(EndpointConfigName="bench", ProductionVariants=[{
        "VariantName": "AllTraffic", "ModelName": "bench", "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1}])
    sagemaker.create_endpoint(EndpointName="bench", EndpointConfigName="bench")
    status = conftest.wait_for(
        lambda: (now := sagemaker.describe_endpoint(EndpointName="bench"))["EndpointStatus"]
        != "Creating" and now, "the endpoint")
    if status["EndpointStatus"] != "InService":
        raise SystemExit(status.get("FailureReason"))
    return sagemaker


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", default=str(ROOT / "build/src/slipway"))
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    conftest.BINARY = str(Path(arguments.binary).resolve())
    started = []
    server = None
    sagemaker = None
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as name:
        directory = Path(name)
        try:
            server = conftest.Server(directory / "data")
            sagemaker = deploy(server, directory)
            backend_port, proxy_port = free_port(), free_port()
            started.append(start_nginx(
                directory, "backend", BACKEND.format(directory=directory, port=backend_port)))
            started.append(start_nginx(directory, "proxy", PROXY.format(
                directory=directory, port=proxy_port, backend=backend_port)))
            proxy = worker_of(started[1].pid)
            url = f"{server.endpoint}/endpoints/bench/invocations"
            plain = f"http://127.0.0.1:{proxy_port}/endpoints/bench/invocations"
            script = directory / "request.lua"
            signed_script(script, url, server)
            conftest.wait_for(lambda: urlopen(f"http://127.0.0.1:{backend_port}/ping"), "backend")
            time.sleep(0.5)
            costs = {"slipway": [], "nginx": []}
            measure("warm-up", server.process.pid, url, script, 2)
            for _ in range(arguments.rounds):
                costs["nginx"].append(measure("nginx", proxy, plain, script, arguments.seconds))
                costs["slipway"].append(
                    measure("slipway", server.process.pid, url, script, arguments.seconds))
            medians = {which: statistics.median(values) for which, values in costs.items()}
            ratio = medians["slipway"] / medians["nginx"]
            print(f"slipway {medians['slipway']:.2f} us, nginx {medians['nginx']:.2f} us, "
                  f"ratio {ratio:.2f} (to reach: 0.85)")
        finally:
            for process in started:
                process.terminate()
                process.wait()
            if sagemaker:
                sagemaker.delete_endpoint(EndpointName="bench")
                sagemaker.get_waiter("endpoint_deleted").wait(
                    EndpointName="bench", WaiterConfig={"Delay": 1, "MaxAttempts": 90})
            if server:
                server.stop()


if __name__ == "__main__":
    main()
