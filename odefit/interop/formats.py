"""Which files are SBML models or PEtab problems. Imports nothing heavy."""

from __future__ import annotations

import re
from pathlib import Path

SBML_SUFFIXES = (".xml", ".sbml")
MARK = "format_version"
"""The key that every PEtab problem has and no config of odefit."""
_MARK = re.compile(rb"^[\"']?format_version[\"']?\s*:", re.MULTILINE)
_MOST = 1_000_000


def is_foreign(path: Path) -> bool:
    """Whether a file is an SBML model or a PEtab problem rather than a config of odefit."""
    if path.suffix.lower() in SBML_SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            return _MARK.search(file.read(_MOST)) is not None
    except (OSError, ValueError):
        return False  # which is said by whoever reads the config
