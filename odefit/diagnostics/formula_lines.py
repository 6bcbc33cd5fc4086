"""Formulas as a line of text."""

from __future__ import annotations

import re
from typing import Any

from odefit.model.sharing import written_size
from odefit.model.system import System, written

MAX_OPERATIONS = 2_000
"""The most operations of a formula that is written down, which is then cut."""


def formula_text(formula: Any, system: System | None = None) -> str:
    """A formula in one short line; that of a system may call its networks."""
    if not isinstance(formula, str):
        if written_size(formula) > MAX_OPERATIONS:
            return "a long formula"
        formula = str(formula) if system is None else written(formula, system)
    line = " ".join(formula.split()).replace("**", "^")
    text = re.sub(r"\d+\.\d+(?:e[+-]?\d+)?", lambda number: f"{float(number[0]):.6g}", line)
    text = re.sub(r"\b(Abs|Max|Min)(?=\()", lambda name: name[0].lower(), text)  # as they are written in configs
    return text if len(text) <= 200 else text[:197] + "..."
