"""symbols.csv, symbols.json and symbols.yaml in a run folder."""

from __future__ import annotations

from pathlib import Path

from odefit.runs import folder as files
from odefit.symbolic.found import Symbols


def write_symbols(folder: Path, found: Symbols) -> None:
    """All three, each whole or not at all. Raises StorageError."""
    files.write_text(folder, files.SYMBOLS_CONFIG, found.config_text)
    files.write_json(folder, files.SYMBOLS_SUMMARY, found.to_json())
    files.write_text(folder, files.SYMBOLS, found.table.text)
