"""Serves predictions on port 8080: /ping and /invocations, rows of CSV in, one figure a row out."""

import os
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import joblib

from dataset import rows_of

MODEL = Path(os.environ.get("ML_ROOT", "/opt/ml")) / "model/ridge.joblib"


def reply_to(model, text):
    """Returns (status, text) for the rows of one request."""
    try:
        rows = rows_of(text)
    except ValueError as error:
        return HTTPStatus.BAD_REQUEST, f"{error}\n"
    return HTTPStatus.OK, "".join(f"{figure:.3f}\n" for figure in model.predict(rows))


def handler_for(model):
    """Returns a request handler class over the model."""

    class Predictions(BaseHTTPRequestHandler):
        """Keeps its connection open between requests."""

        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def reply(self, status, text):
            """Sends a whole answer."""
            self.send_response(status)
            self.send_header("Content-Type", "text/csv")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode("ascii"))

        def do_GET(self):  # pylint: disable=invalid-name
            """The health check."""
            self.reply(HTTPStatus.OK if self.path == "/ping" else HTTPStatus.NOT_FOUND, "")

        def do_POST(self):  # pylint: disable=invalid-name
            """One request for predictions."""
            text = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
            self.reply(*reply_to(model, text))

        def log_message(self, format, *args):  # pylint: disable=redefined-builtin
            """Requests are counted by the platform."""

    return Predictions


if __name__ == "__main__":
    ThreadingHTTPServer(("0.0.0.0", 8080), handler_for(joblib.load(MODEL))).serve_forever()
