#!/usr/bin/env bash
# Everything that can be checked without building: rooms, sizes, formatting, words.
set -euo pipefail
cd "$(dirname "$0")/.."
status=0
python3 tools/check_rooms.py . || status=1
if command -v clang-format >/dev/null; then
  git ls-files 'src/*.cc' 'src/*.h' 'bench/*.cc' | xargs clang-format --dry-run -Werror 2>&1 | grep -E '^[^ ].*error' | head -20 && status=1
fi
# Work that is not finished has no place in a commit.
if git grep -nE '\b(TODO|FIXME|XXX)\b' -- src examples tests tools ':!tools/check.sh' ':!tests/vectors'; then status=1; fi
exit "$status"
