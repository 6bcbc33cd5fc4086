"""What the solver's absolute tolerance is for each state, and the sizes that sensitivities are measured by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from odefit.arrays import FloatArray
from odefit.engines.base import SolverOptions
from odefit.model.system import System

MOST_SHOWN = 3
"""States whose tolerances are written out one by one."""


def absolute_tolerances(options: SolverOptions, n: int) -> FloatArray:
    """The absolute tolerance of each of the n states, [n]."""
    return np.broadcast_to(np.asarray(options.atol, dtype=np.float64), n)


def parameter_sizes(system: System, options: SolverOptions) -> FloatArray:
    """[L] what a sensitivity to each parameter of a system is multiplied by before tolerances hold for it."""
    known = dict(options.typical)
    return np.array([known.get(name, 1.0) for name in system.parameters], dtype=np.float64)


def scaled_atol(options: SolverOptions, factor: float) -> float | tuple[float, ...]:
    """`options.atol` times a factor."""
    if isinstance(options.atol, tuple):
        return tuple(factor * value for value in options.atol)
    return factor * options.atol


def atol_words(options: SolverOptions, states: Sequence[str] = ()) -> str:
    """The absolute tolerances as text: one number, or their range; for a few states that are named, each one's."""
    if not isinstance(options.atol, tuple):
        return f"{options.atol:g}"
    if 0 < len(states) <= MOST_SHOWN:
        return ", ".join(f"{value:g} ({state})" for state, value in zip(states, options.atol, strict=True))
    return f"{min(options.atol):g} to {max(options.atol):g} by state"
