"""Writes the files of some folders as C++ text: what `slipway init` unpacks.

Usage: embed_files.py OUTPUT NAME=FOLDER...
"""

import sys
from pathlib import Path

HEAD = '#include "cli/templates.h"\n\nnamespace slipway::cli {\n\nconst std::vector<TemplateFile>& template_files() {\n'
SKIPPED = {"__pycache__", ".pytest_cache", ".venv"}


def literal(data):
    """Returns adjacent string literals of at most 8 KiB each."""
    lines = []
    for start in range(0, len(data), 8192):
        escaped = "".join(
            chr(byte) if 32 <= byte < 127 and byte not in b'"\\?' else f"\\{byte:03o}"
            for byte in data[start : start + 8192]
        )
        lines.append(f'"{escaped}"')
    return "\n".join(lines) or '""'


def files(folder):
    """Yields (path in the folder, contents) in order."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not SKIPPED & set(path.relative_to(folder).parts):
            yield path.relative_to(folder).as_posix(), path.read_bytes()


def main(output, *folders):
    """Writes one source."""
    text = HEAD + "  static const std::vector<TemplateFile> kFiles{\n"
    for pair in folders:
        name, folder = pair.split("=", 1)
        for path, data in files(Path(folder)):
            text += f'{{"{name}", "{path}", std::string_view({literal(data)}, {len(data)})}},\n'
    Path(output).write_text(text + "  };\n  return kFiles;\n}\n\n}  // namespace slipway::cli\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
