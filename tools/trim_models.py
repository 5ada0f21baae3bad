#!/usr/bin/env python3
"""Trims botocore's service models to what Slipway implements and writes them as C++.

    trim_models.py operations.txt service output.cc
    trim_models.py operations.txt --index output.cc

The first form writes one service, the second the table of all services. The text that is
embedded has one item a line, so that the server can find an item without parsing the rest:

    service <metadata>
    operation <name> <what the codecs need of it>
    other <name> <method> <uri>          an operation that is not embedded
    shape <name> <shape>
"""

import glob
import gzip
import json
import os
import sys

PIECE = 8_000  # characters of one string literal

OPERATION_KEYS = ("http", "errors", "httpChecksum", "httpChecksumRequired", "authtype", "unsignedPayload")
SHAPE_KEYS = ("type", "required", "min", "max", "pattern", "enum", "payload", "flattened", "exception",
              "error", "fault", "union", "eventstream", "event", "timestampFormat", "locationName",
              "xmlNamespace", "streaming", "sensitive", "document", "xmlAttribute")
REFERENCE_KEYS = ("shape", "locationName", "location", "xmlNamespace", "streaming", "flattened",
                  "timestampFormat", "xmlAttribute", "jsonvalue", "idempotencyToken", "hostLabel",
                  "eventpayload", "sensitive", "queryName")
METADATA_KEYS = ("apiVersion", "protocol", "protocols", "jsonVersion", "targetPrefix", "signingName",
                 "endpointPrefix", "xmlNamespace", "awsQueryCompatible", "serviceId")


def read_operations(path):
    """The data file as {service: [operation]}; refuses what is not sorted."""
    services = {}
    current = None
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            line = line.split("#", 1)[0].rstrip()
            if not line:
                continue
            if not line.startswith(" "):
                current = services.setdefault(line.rstrip(":"), [])
            else:
                current.append(line.strip())
    for service, operations in services.items():
        if operations != sorted(set(operations)):
            sys.exit(f"{path}: the operations of {service} are not sorted or repeat")
    if list(services) != sorted(services):
        sys.exit(f"{path}: the services are not sorted")
    return services


def read_model(service):
    """botocore's newest model of a service."""
    import botocore

    data = os.path.join(os.path.dirname(botocore.__file__), "data", service)
    found = sorted(glob.glob(os.path.join(data, "*", "service-2.json*")))
    if not found:
        sys.exit(f"botocore has no model of {service}")
    path = found[-1]
    with (gzip.open(path, "rt", encoding="utf-8") if path.endswith(".gz")
          else open(path, encoding="utf-8")) as file:
        return json.load(file)


def keep(source, keys):
    return {key: source[key] for key in keys if key in source}


def references(shape):
    """The references of a shape to others: members, list elements, keys and values."""
    yield from shape.get("members", {}).values()
    for part in ("member", "key", "value"):
        if part in shape:
            yield shape[part]


def trim_shape(shape):
    trimmed = keep(shape, SHAPE_KEYS)
    if "members" in shape:
        trimmed["members"] = {name: keep(member, REFERENCE_KEYS)
                              for name, member in shape["members"].items()}
    for part in ("member", "key", "value"):
        if part in shape:
            trimmed[part] = keep(shape[part], REFERENCE_KEYS)
    return trimmed


def needs(model, operation):
    """Headers and query parameters that a request of the operation cannot lack: they tell
    operations of one method and path apart."""
    found = {}
    shape = model["shapes"].get(operation.get("input", {}).get("shape"), {})
    for name in shape.get("required", []):
        member = shape["members"][name]
        if member.get("location") in ("header", "querystring"):
            kind = "headers" if member["location"] == "header" else "query"
            found.setdefault(kind, []).append(member.get("locationName", name))
    return found


def trim_operation(model, operation):
    trimmed = keep(operation, OPERATION_KEYS)
    trimmed["errors"] = [error["shape"] for error in operation.get("errors", [])]
    for side in ("input", "output"):
        if side in operation:
            trimmed[side] = keep(operation[side],
                                 ("shape", "locationName", "xmlNamespace", "resultWrapper"))
    required = needs(model, operation)
    if required:
        trimmed["needs"] = required
    return trimmed


def trim(model, names, service):
    missing = [name for name in names if name not in model["operations"]]
    if missing:
        sys.exit(f"botocore's {service} lacks {', '.join(missing)}")
    lines = ["service " + compact(keep(model["metadata"], METADATA_KEYS))]
    waiting = []
    for name in names:
        operation = trim_operation(model, model["operations"][name])
        lines.append(f"operation {name} {compact(operation)}")
        waiting += operation["errors"]
        waiting += [operation[side]["shape"] for side in ("input", "output") if side in operation]
    rest = model["metadata"]["protocol"].startswith("rest")
    for name, operation in sorted(model["operations"].items()):
        if name not in names:
            route = f" {operation['http']['method']} {operation['http']['requestUri']}" if rest else ""
            lines.append(f"other {name}{route}")
    shapes = {}
    while waiting:
        name = waiting.pop()
        if name not in shapes:
            shapes[name] = trim_shape(model["shapes"][name])
            waiting += [reference["shape"] for reference in references(model["shapes"][name])]
    lines += [f"shape {name} {compact(shape)}" for name, shape in sorted(shapes.items())]
    return "\n".join(lines) + "\n"


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True)


def variable(service):
    return "kModel_" + service.replace("-", "_")


def write_service(service, text, path):
    pieces = [text[at:at + PIECE] for at in range(0, len(text), PIECE)]
    literals = "\n".join(f'R"~~({piece})~~"' for piece in pieces)
    write(path, "// Generated by tools/trim_models.py.\n#include <string_view>\n\n"
                "namespace slipway::wire::embedded {\n"
                f"extern const std::string_view {variable(service)};\n"
                f"const std::string_view {variable(service)}(\n{literals},\n{len(text)});\n"
                "}  // namespace slipway::wire::embedded\n")


def write_index(services, path):
    declared = "\n".join(f"extern const std::string_view {variable(service)};" for service in services)
    cases = "\n".join(f'  if (service == "{service}") return embedded::{variable(service)};' for service in services)
    write(path, '// Generated by tools/trim_models.py.\n#include "wire/model.h"\n\n'
                "namespace slipway::wire {\nnamespace embedded {\n"
                f"{declared}\n}}  // namespace embedded\n\n"
                "std::string_view embedded_model(std::string_view service) noexcept {\n"
                f"{cases}\n  return {{}};\n}}\n\n}}  // namespace slipway::wire\n")


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    services = read_operations(sys.argv[1])
    if sys.argv[2] == "--index":
        write_index(services, sys.argv[3])
    else:
        service = sys.argv[2]
        write_service(service, trim(read_model(service), services[service], service), sys.argv[3])


if __name__ == "__main__":
    main()
