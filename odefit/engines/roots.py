"""Roots and logarithms of states that may run empty."""

from __future__ import annotations

from typing import Any

from odefit import algebra as sp
from odefit.engines.failure import Failure, FailureReason
from odefit.model.system import System, symbol

ENDS = {FailureReason.NOT_FINITE, FailureReason.BLOWS_UP, FailureReason.SENSITIVITIES_NOT_FINITE}
"""Failures on the way that a negative argument of a root or a logarithm may cause."""


def advice_on_roots(system: System, failure: Failure) -> str:
    """What to do where a solution ended because a state fell below zero under a root; empty where none stands there."""
    if failure.reason not in ENDS or not system.is_mechanistic:
        return ""
    states = {symbol(name) for name in system.states}
    for rate in system.rhs:
        for part in sp.preorder_traversal(sp.sympify(rate)):
            state = _under_root(part)
            if state in states:
                return f"where {state} falls below zero {part} is no number: write max({state}, 0) in it"
    return ""


def _under_root(part: Any) -> Any:
    """What stands under a root or a logarithm; None of anything else."""
    if isinstance(part, sp.log) or (isinstance(part, sp.Pow) and part.exp.is_number and not part.exp.is_integer):
        return part.args[0]
    return None
