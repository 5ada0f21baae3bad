#include "functions/python_runtime.h"

namespace slipway::functions {

std::string_view python_bootstrap() noexcept {
  return R"python("""Runs a Python handler: takes invocations from the runtime API, one after the other."""

import sys

if __name__ == "__main__":
    sys.path.pop(0)  # this file's folder: its names must not hide the function's

import importlib
import json
import logging
import os
import resource
import socket
import time
import traceback

LARGEST_RESPONSE = 6 * 1024 * 1024 + 100
MEMORY = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
FUNCTION_ERROR = "Lambda-Runtime-Function-Error-Type"


class Api:
    """The runtime API over one connection that stays open."""

    def __init__(self):
        address, _, self.token = os.environ["AWS_LAMBDA_RUNTIME_API"].partition("/")
        path = os.environ.get("SLIPWAY_RUNTIME_SOCKET")
        if path:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(path)
        else:
            host, _, port = address.rpartition(":")
            self.socket = socket.create_connection((host, int(port)))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = self.socket.makefile("rb")

    def call(self, method, path, body=b"", headers=""):
        """Returns status, headers (names in lower case) and body."""
        head = (f"{method} /{self.token}/2018-06-01/runtime/{path} HTTP/1.1\r\n"
                f"Host: runtime\r\nContent-Length: {len(body)}\r\n{headers}\r\n")
        self.socket.sendall(head.encode() + body)
        status = self.reader.readline().split()
        if len(status) < 2:
            sys.exit(0)  # the server is gone
        fields = {}
        while True:
            line = self.reader.readline().strip()
            if not line:
                break
            name, _, value = line.decode("latin-1").partition(":")
            fields[name.lower()] = value.strip()
        content = self.reader.read(int(fields.get("content-length", 0)))
        return int(status[1]), fields, content


class ClientContext:
    """What a mobile client said of itself."""

    def __init__(self, values):
        self.custom = values.get("custom")
        self.env = values.get("env")
        self.client = values.get("client")


class Identity:
    """Who called through Cognito: nobody here."""

    cognito_identity_id = None
    cognito_identity_pool_id = None


class Context:
    """The second argument of a handler."""

    def __init__(self, fields):
        environment = os.environ
        self.aws_request_id = fields.get("lambda-runtime-aws-request-id", "")
        self.invoked_function_arn = fields.get("lambda-runtime-invoked-function-arn", "")
        self.function_name = environment.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = environment.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = MEMORY
        self.log_group_name = environment.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = environment.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.identity = Identity()
        given = fields.get("lambda-runtime-client-context")
        self.client_context = ClientContext(json.loads(given)) if given else None
        self._deadline = int(fields.get("lambda-runtime-deadline-ms", 0))

    def get_remaining_time_in_millis(self):
        """How long the handler may still run."""
        return max(0, self._deadline - int(time.time() * 1000))

    def log(self, message):
        """Writes to the function's log."""
        sys.stdout.write(str(message))


class RequestId(logging.Filter):
    """Gives each record the id of the invocation that it is from."""

    current = ""

    def filter(self, record):
        record.aws_request_id = RequestId.current
        return True


def set_up_logging():
    """Lets the logging module write to the function's log, as a root handler."""
    handler = logging.StreamHandler(sys.stdout)
    formatter = logging.Formatter(
        "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s",
        "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    handler.addFilter(RequestId())
    logging.getLogger().addHandler(handler)


def print_now(text):
    """Writes whole lines at once, after what was printed before."""
    sys.stdout.flush()
    sys.stderr.flush()
    data = text.encode()
    while data:
        data = data[os.write(1, data):]


def error_of(error, frames, request_id=None, kind=None):
    """The document that tells of an exception."""
    document = {
        "errorMessage": str(error),
        "errorType": kind or type(error).__name__,
        "requestId": request_id or "",
        "stackTrace": traceback.format_list(frames),
    }
    lines = "".join(document["stackTrace"])
    trace = f"\nTraceback (most recent call last):\n{lines}" if lines else "\n"
    print_now(f"[ERROR] {document['errorType']}: {document['errorMessage']}{trace}")
    return document


def fail_start(api, kind, message, frames=()):
    """Tells that the handler cannot be called at all, and ends."""
    document = error_of(message, frames, kind=kind)
    api.call("POST", "init/error", json.dumps(document).encode(), f"{FUNCTION_ERROR}: {kind}\r\n")
    sys.exit(1)


def load_handler(api):
    """Imports the function that _HANDLER names."""
    name = os.environ.get("_HANDLER", "")
    module, dot, function = name.rpartition(".")
    if not dot:
        fail_start(api, "Runtime.MalformedHandlerName",
                   f"Bad handler '{name}': not enough values to unpack (expected 2, got 1)")
    try:
        loaded = importlib.import_module(module.replace("/", "."))
    except ImportError as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__)
                  if frame.filename != __file__ and "importlib" not in frame.filename]
        fail_start(api, "Runtime.ImportModuleError",
                   f"Unable to import module '{module}': {error}", frames)
    except SyntaxError as error:
        fail_start(api, "Runtime.UserCodeSyntaxError",
                   f"Syntax error in module '{module}': {error}")
    except Exception as error:  # whatever the function's own code throws
        frames = [frame for frame in traceback.extract_tb(error.__traceback__)
                  if frame.filename != __file__ and "importlib" not in frame.filename]
        fail_start(api, type(error).__name__, str(error), frames)
    try:
        return getattr(loaded, function)
    except AttributeError:
        fail_start(api, "Runtime.HandlerNotFound",
                   f"Handler '{function}' missing on module '{module}'")


def run(handler, event, context):
    """Calls the handler; returns the response's bytes, or None and the error's document."""
    request_id = context.aws_request_id
    try:
        result = handler(json.loads(event or b"{}"), context)
    except Exception as error:  # the function's own
        frames = traceback.extract_tb(error.__traceback__)[1:]
        return None, error_of(error, frames, request_id)
    try:
        body = json.dumps(result, ensure_ascii=False).encode()
    except Exception as error:
        message = f"Unable to marshal response: {error}"
        return None, error_of(message, [], request_id, "Runtime.MarshalError")
    if len(body) > LARGEST_RESPONSE:
        message = (f"Response payload size ({len(body)} bytes) exceeded maximum allowed payload "
                   f"size ({LARGEST_RESPONSE} bytes).")
        return None, error_of(message, [], request_id, "Function.ResponseSizeTooLarge")
    return body, None


def report(request_id, duration, init):
    """What stands in the log after each invocation."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    billed = int(duration) + (duration > int(duration))
    text = (f"END RequestId: {request_id}\nREPORT RequestId: {request_id}\t"
            f"Duration: {duration:.2f} ms\tBilled Duration: {billed} ms\t"
            f"Memory Size: {MEMORY} MB\tMax Memory Used: {used} MB")
    if init is not None:
        text += f"\tInit Duration: {init:.2f} ms"
    print_now(text + "\n")


def main():
    """Serves invocations until the container ends."""
    began = time.monotonic()
    sys.stdout.reconfigure(line_buffering=True)
    root = os.environ.get("LAMBDA_TASK_ROOT", "/var/task")
    sys.path[:0] = [root, "/opt/python"]
    api = Api()
    set_up_logging()
    handler = load_handler(api)
    init = (time.monotonic() - began) * 1000
    version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
    while True:
        status, fields, event = api.call("GET", "invocation/next")
        if status != 200:
            sys.exit(0)  # this container is not wanted any more
        context = Context(fields)
        request_id = RequestId.current = context.aws_request_id
        print_now(f"START RequestId: {request_id} Version: {version}\n")
        start = time.monotonic()
        body, error = run(handler, event, context)
        report(request_id, (time.monotonic() - start) * 1000, init)
        init = None
        path = f"invocation/{request_id}/"
        if error is None:
            api.call("POST", path + "response", body)
        else:
            api.call("POST", path + "error", json.dumps(error).encode(),
                     f"{FUNCTION_ERROR}: {error['errorType']}\r\n")


if __name__ == "__main__":
    main()
)python";
}

std::string_view python_relay() noexcept {
  return R"python("""Serves the runtime API on 127.0.0.1:9001 from a mounted socket, and runs a program beside it."""

import os
import socket
import subprocess
import sys
import threading


def carry(source, target):
    """Copies until the source ends."""
    try:
        while True:
            data = source.recv(65536)
            if not data:
                break
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(listener, path):
    """One pair of threads a connection."""
    while True:
        client, _ = listener.accept()
        server = socket.socket(socket.AF_UNIX)
        server.connect(path)
        threading.Thread(target=carry, args=(client, server), daemon=True).start()
        threading.Thread(target=carry, args=(server, client), daemon=True).start()


def main():
    """Ends as the program ends."""
    listener = socket.create_server(("127.0.0.1", 9001))
    path = os.environ["SLIPWAY_RUNTIME_SOCKET"]
    threading.Thread(target=serve, args=(listener, path), daemon=True).start()
    sys.exit(subprocess.call(sys.argv[1:]))


if __name__ == "__main__":
    main()
)python";
}

}  // namespace slipway::functions
