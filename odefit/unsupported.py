"""What users write that is no ordinary differential equation, and what stands in for it."""

from __future__ import annotations

import re
from collections.abc import Collection

DELAY = (
    "a delayed value is not available: a chain of transit states stands in for it, such as "
    "`x1: 3*(x - x1)/tau`, `x2: 3*(x1 - x2)/tau`, `x3: 3*(x2 - x3)/tau` for x(t - tau), and x3 in its place"
)
DELAYS = frozenset({"delay", "delayed", "lag", "dde", "history", "delay1", "delay3"})
"""What functions for it are called elsewhere."""
NO_ALGEBRA = "an algebraic equation, 0 = …, is not available"
ALGEBRAIC = (
    f"{NO_ALGEBRA}: solve it for one of its names, and write what that is under `parameters` (`y: 10 - z`), or in the "
    "place of the name where it depends on states"
)
DERIVATIVES = frozenset({"diff", "der", "deriv", "derivative", "ddt", "Dt"})
"""What functions for a derivative are called elsewhere."""


def of_derivative(state: str | None) -> str:
    """What stands in for a derivative in a formula; state: of which, where that is known."""
    which = f"the formula of {state}" if state else "that state's formula"
    return f"a derivative is not available in a formula: write {which}, its right-hand side, in its place"


def derivative_of(name: str, states: Collection[str]) -> str | None:
    """The state whose derivative a name such as `dx`, `dxdt`, `dx_dt` or `xdot` means; None where it means none."""
    found = re.fullmatch(r"d_?(\w+?)_?(?:dt)?|(\w+?)_?(?:dot|prime)", name)
    state = None if found is None else found[1] or found[2]
    return state if state in states else None
