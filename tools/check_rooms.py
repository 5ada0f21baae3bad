"""Holds every include to the rooms that src/CMakeLists.txt allows its room to use.

Also checks sizes: a source of more than 500 lines or a header of more than 150 wants dividing.
Usage: check_rooms.py [ROOT]
"""

import re
import sys
from pathlib import Path

ROOM = re.compile(r"^slipway_room\((\w+)(?: USES ([\w ]+?))?(?: LINKS [^)]*)?\)", re.M)
INCLUDE = re.compile(r'^#include "(\w+)/[\w/.]+"', re.M)
# The only code that may know these libraries; everybody else goes through the room's header.
OWNED = {"sqlite3.h": {"store"}, "curl/curl.h": {"net", "notify"}, "yaml-cpp/yaml.h": {"ci_config", "ship"},
         "date/": {"base"},
         "archive.h": {"images", "jobs", "endpoints", "functions", "ci", "runner", "gitlab", "ship"}, "spdlog/": {"base"}}
MOST_LINES = {".h": 150, ".cc": 500, ".py": 500}


def allowed_rooms(cmake):
    """Returns {room: rooms it may include}, itself among them."""
    return {name: {name, *(uses or "").split()} for name, uses in ROOM.findall(cmake)}


def problems(root):
    """Yields one line for each thing that is wrong."""
    allowed = allowed_rooms((root / "src/CMakeLists.txt").read_text())
    for path in sorted((root / "src").rglob("*")):
        if path.suffix not in (".h", ".cc"):
            continue
        room, text = path.relative_to(root / "src").parts[0], path.read_text()
        for used in INCLUDE.findall(text):
            if used not in allowed.get(room, set()):
                yield f"{path.relative_to(root)}: room {room} may not use room {used}"
        for header, owners in OWNED.items():
            if f"#include <{header}" in text and room not in owners:
                yield f"{path.relative_to(root)}: <{header}> belongs to {', '.join(sorted(owners))}"
    for folder in ("src", "tests", "tools", "examples", "bench"):
        for path in sorted((root / folder).rglob("*")):
            most = MOST_LINES.get(path.suffix)
            if "test" in path.stem and path.suffix == ".h":
                most = MOST_LINES[".cc"]  # a test's helper is code, not a contract
            if most and path.is_file():
                lines = len(path.read_text().splitlines())
                if lines > most:
                    yield f"{path.relative_to(root)}: {lines} lines, more than {most}"


def main():
    """Prints what is wrong; the exit status says whether anything is."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    found = list(problems(root))
    print("\n".join(found) if found else "rooms and sizes: as they should be")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
