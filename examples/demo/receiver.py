"""Stands in for Slack: prints what a person would read of every message that is posted to it.

Usage: receiver.py PORT_FILE MESSAGES_FILE
"""

import html
import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


def shown(message):
    """The message as Slack shows it: its blocks in their order; the plain text where it has none."""
    lines = []
    for block in message.get("blocks", []):
        texts = [block["text"]["text"]] if "text" in block else []
        # "*Model*\ntumour"
        texts += [field["text"].removeprefix("*").replace("*\n", ": ", 1)
                  for field in block.get("fields", [])]
        lines += [line for text in texts for line in html.unescape(text).splitlines() if line != "```"]
    return "\n  ".join(lines) or message.get("text", "").strip()


def receiver_for(path):
    """Returns a request handler class that appends to the file."""

    class Receiver(BaseHTTPRequestHandler):
        """One incoming webhook."""

        def do_POST(self):  # pylint: disable=invalid-name
            """A message."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with path.open("a", encoding="utf-8") as file:
                file.write(shown(json.loads(body)) + "\n\n")
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format, *args):  # pylint: disable=redefined-builtin
            """Messages go to the file, nothing else."""

    return Receiver


def main(port_file, messages):
    """Serves until it is stopped."""
    server = HTTPServer(("127.0.0.1", 0), receiver_for(Path(messages)))
    Path(port_file).write_text(str(server.server_port), encoding="utf-8")
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
