"""Times `slipway ship` of a model whose own code does next to nothing.

What remains is Slipway's share of the way from a commit to a live endpoint. The first ship creates the
endpoint, the others update it. Prints the median of each stage in milliseconds, smallest and largest
beside it. Usage: run.py SLIPWAY_BINARY [SHIPS]
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

FILES = {
    "slipway.yaml": """\
name: empty
project: bench
train: train.py
evaluate: evaluate.py
serve: serve.py
decide: {metric: nothing, direction: maximize}
checks: {lint: false}
smoke: {request: train.py, content_type: text/plain}
""",
    "train.py": "open('/opt/ml/model/empty', 'w').close()\n",
    "evaluate.py": """\
import os
os.makedirs('/opt/ml/processing/output/evaluation', exist_ok=True)
with open('/opt/ml/processing/output/evaluation/evaluation.json', 'w') as file:
    file.write('{"none": {"nothing": {"value": 1}}}')
""",
    "serve.py": """\
import socket
listener = socket.create_server(('127.0.0.1', 8080))
while True:
    connection, _ = listener.accept()
    connection.recv(65536)
    connection.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n')
    connection.close()
""",
}


def git(directory, *arguments):
    """Runs git in the model's repository."""
    subprocess.run(
        ["git", "-C", directory, "-c", "user.name=bench", "-c", "user.email=bench@localhost",
         *arguments], check=True, capture_output=True)


def main():
    """Ships once to create, then several times to update."""
    binary, ships = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 7
    with tempfile.TemporaryDirectory() as folder:
        model, data = Path(folder, "model"), Path(folder, "data")
        model.mkdir()
        environment = {**os.environ, "HOME": folder, "XDG_CACHE_HOME": f"{folder}/cache"}
        environment.pop("AWS_ENDPOINT_URL", None)
        server = subprocess.Popen([binary, "--data", data, "up", "--port", "0"],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        server.stdout.readline()
        git(model, "init", "-q", "-b", "main")
        times = []
        for number in range(ships):
            for name, text in FILES.items():
                (model / name).write_text(text + f"# {number}\n")
            git(model, "add", "-A")
            git(model, "commit", "-q", "-m", f"feat: number {number}")
            result = subprocess.run(
                [binary, "--data", data, "ship", model, "--approve", "--json"],
                env=environment, capture_output=True, text=True, check=True)
            times.append({s["stage"]: s["seconds"] * 1000
                          for s in json.loads(result.stdout)["stages"]})
        server.terminate()
        server.wait()
    print(f"{'stage':10} {'median':>8} {'least':>8} {'most':>8}  ms, {ships - 1} updates")
    for stage in times[0]:
        values = [each[stage] for each in times[1:]]
        print(f"{stage:10} {statistics.median(values):8.0f} {min(values):8.0f} {max(values):8.0f}")
    totals = [sum(each.values()) for each in times[1:]]
    print(f"{'all':10} {statistics.median(totals):8.0f} {min(totals):8.0f} {max(totals):8.0f}")
    print(f"first ship, creating the endpoint: {sum(times[0].values()):.0f} ms")
    print(f"median of all / 5,000 ms: {statistics.median(totals) / 5000:.2f}")


if __name__ == "__main__":
    main()
