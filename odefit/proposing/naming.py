"""Names for states and observables, made of those of columns."""

from __future__ import annotations

import re
from collections.abc import Collection

from odefit.model.formulas import name_fault


def identifier(column: str, taken: Collection[str]) -> str:
    """A name for formulas that is none of those taken."""
    name = re.sub(r"\W+", "_", column, flags=re.ASCII).strip("_") or "x"
    name = f"x_{name}" if name[0].isdigit() or name_fault(name) else name
    return name if name not in taken else f"{name}_{len(taken) + 1}"
