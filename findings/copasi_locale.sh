#!/usr/bin/env bash
# copasi-basico 0.92 (python-copasi 4.48.311): importing basico sets the locale of the whole process to C. From then on
# open() without an encoding reads and writes ASCII, in code that has nothing to do with COPASI; libroadrunner leaves the
# locale as it is.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q "copasi-basico==0.92" "python-copasi==4.48.311"
cd "$work"
LC_ALL=C.UTF-8 "$work/venv/bin/python" -X utf8=0 - <<'PY'
import locale
from pathlib import Path


def written():
    try:
        Path("units.txt").write_text("50 µM")
    except UnicodeEncodeError:
        return "UnicodeEncodeError"
    return "written"


before = locale.getpreferredencoding(False), written()
import basico  # noqa: E402, F401

after = locale.getpreferredencoding(False), written()
print("before:", *before, "- after import basico:", *after)
assert before == ("UTF-8", "written")
assert after[1] == "UnicodeEncodeError", "it has changed: the locale stays"
PY
