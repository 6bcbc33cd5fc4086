"""When searches end: by tolerances, or since they are certain to end at an optimum that is known already.

A search has nothing left to find if a known optimum lies little below it and the objective only falls on the straight
line there: no search that descends would get away.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from odefit.arrays import FloatArray, IntArray, true_at
from odefit.records import dataclass

BETWEEN = 7
"""Points on the line to an optimum at which the objective is asked for."""

NOISE = 1e-6
"""By how much of an optimum's value, or of 1, values may rise on the way: a solver's errors."""

Values = Callable[[FloatArray, IntArray], FloatArray]
"""Values [B] at u [B, P], each asked for by the search of that number [B]."""


@dataclass(frozen=True)
class Tolerances:
    """When a search ends; `minimize_least_squares` says what each of them means."""

    ftol: float
    xtol: float
    gtol: float


@dataclass(frozen=True, eq=False)
class KnownOptima:
    """Optima that searches may lead to.

    Parameters
    ----------
    u, values
        [L, P] and [L], where they are, and the objective there.
    starts
        [L], the numbers of the starts that have found them.
    size
        [P], how much each component typically changes: which optimum is the nearest.
    within
        How little above an optimum a search must be.
    """

    u: FloatArray
    values: FloatArray
    starts: IntArray
    size: FloatArray
    within: float

    def led_to(self, values: Values, u: FloatArray, value: FloatArray, searches: IntArray) -> IntArray:
        """The starts that found what searches lead to, [b], or -1: u [b, P], where they are, and their value [b]."""
        found = np.full(len(u), -1, dtype=np.intp)
        above = value[:, None] - self.values
        apart = np.square((u[:, None] - self.u) / self.size).sum(axis=2)
        apart = np.where((above >= -_noise(self.values)) & (above <= self.within), apart, np.inf)
        near = true_at(np.isfinite(apart).any(axis=1))
        if len(near):
            nearest = apart[near].argmin(axis=1)
            ends = self.u[nearest], self.values[nearest]
            falls = falls_on_lines(values, u[near], value[near], *ends, searches[near])
            found[near[falls]] = self.starts[nearest[falls]]
        return found


def falls_on_lines(
    values: Values, u: FloatArray, value: FloatArray, there: FloatArray, lowest: FloatArray, searches: IntArray
) -> IntArray:
    """Which of some places u [b, P], of value [b], have an objective that only falls on the straight lines to `there`,
    [b, P], of value `lowest` [b]: their positions."""
    share = np.arange(1, BETWEEN + 1)[:, None] / (BETWEEN + 1)
    lines = u[:, None] + share * (there - u)[:, None]
    between = values(lines.reshape(-1, u.shape[1]), np.repeat(searches, BETWEEN)).reshape(len(u), BETWEEN)
    ways = np.concatenate([value[:, None], between, lowest[:, None]], axis=1)
    return true_at((np.diff(ways, axis=1) <= _noise(lowest)[:, None]).all(axis=1))


def _noise(values: FloatArray) -> FloatArray:
    return NOISE * np.maximum(1.0, np.abs(values))
