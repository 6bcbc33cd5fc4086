"""symbols.csv, symbols.json and symbols.yaml in a run folder."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from odefit.errors import RunError
from odefit.runs import folder as files
from odefit.symbolic.found import Symbols

KEPT = "the folder keeps the answer of an earlier call, which is not worse and had more time"


def write_symbols(folder: Path, found: Symbols) -> Symbols:
    """All three, each whole or not at all, unless a call that ran out of time found less than an earlier one did.

    Returns what was found, and whether it was kept out. Raises StorageError.
    """
    if found.unfinished and _is_behind(folder, found):
        return replace(found, unfinished=f"{found.unfinished}; {KEPT}", written=False)
    files.write_text(folder, files.SYMBOLS_CONFIG, found.config_text)
    files.write_json(folder, files.SYMBOLS_SUMMARY, found.to_json())
    files.write_text(folder, files.SYMBOLS, found.table.text)
    return found


def _is_behind(folder: Path, found: Symbols) -> bool:
    """Whether the folder has an answer for the same fit that is better, or as good and of no fewer models."""
    if not (folder / files.SYMBOLS_SUMMARY).exists():
        return False
    try:
        models = files.read_json(folder, files.SYMBOLS_SUMMARY)["models"]
        network, best, count = models[-1]["nll"], float(models[0]["bic"]), len(models)
    except (RunError, KeyError, TypeError, IndexError, ValueError):
        return False
    now = found.run.result.objective.nll
    if network is None or now is None or not math.isclose(network, now, rel_tol=1e-9):
        return False
    new = found.candidates[0].bic
    return best < new - 1e-6 or (best <= new + 1e-6 and count > len(found.candidates))
