"""Answers /ping and /invocations for CSV and JSON."""

import json
import os
import pickle
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from features import checked, parse_csv

ROOT = Path(os.environ.get("ML_ROOT", "/opt/ml"))


def predict(model, body, content_type, accept):
    """Returns (answer, its content type); raises ValueError for a request that is wrong."""
    kind = content_type.split(";")[0].strip().lower()
    if kind == "application/json":
        instances = json.loads(body).get("instances")
        if not isinstance(instances, list) or not instances:
            raise ValueError('expected {"instances": [[30 numbers], ...]}')
        rows = [checked([float(value) for value in row]) for row in instances]
    elif kind in ("text/csv", ""):
        rows = parse_csv(body.decode("utf-8"))
    else:
        raise ValueError(f"content type {kind} is not known; send text/csv or application/json")
    scores = model.predict_proba(rows)[:, 1]
    wants_json = "json" in accept or (kind == "application/json" and "csv" not in accept)
    if wants_json:
        answer = [{"malignant": round(float(score), 6)} for score in scores]
        return json.dumps({"predictions": answer}) + "\n", "application/json"
    return "".join(f"{score:.6f}\n" for score in scores), "text/csv"


class Handler(BaseHTTPRequestHandler):
    """One connection; the platform keeps connections open."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one packet
    model = None

    def answer(self, status, text, content_type="text/plain"):
        """Sends one whole answer."""
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):  # pylint: disable=invalid-name
        """The health check."""
        self.answer(200 if self.path == "/ping" else 404, "\n")

    def do_POST(self):  # pylint: disable=invalid-name
        """A prediction."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path != "/invocations":
            self.answer(404, "only /invocations\n")
            return
        try:
            text, content_type = predict(
                self.model,
                body,
                self.headers.get("Content-Type", ""),
                self.headers.get("Accept", ""),
            )
            self.answer(200, text, content_type)
        except (ValueError, TypeError, AttributeError) as error:
            self.answer(400, f"{error}\n")

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        """The platform counts requests; nothing to say for each."""


def main():
    """Serves until the platform stops the container."""
    with open(ROOT / "model/model.pkl", "rb") as file:
        Handler.model = pickle.load(file)
    print("model loaded, serving on port 8080", flush=True)
    ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()


if __name__ == "__main__":
    main()
