"""Whether the doses that stand for a steady state are enough for it.

Between the last two of them the states y change by d, between the two before by d/r. What is left of the way is about

    d (r + r^2 + ...) = d r/(1 - r),

which is exact where the slowest part of a linear system is all that is left.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from odefit.arrays import FloatArray
from odefit.errors import SolveError
from odefit.objective.problem import FitProblem
from odefit.text import abridged

TOLERANCE = 1e-4
"""What may be left of the way, as a share of the largest value of a state."""
NOISE = 3e-6
"""A change that is as small as this is the solver's as much as the doses'."""
MOST_REPEATS = 1280
"""The most doses before one at steady state."""


def unsettled(problem: FitProblem, theta: FloatArray, steady: Mapping[str, tuple[float, float]]) -> list[str]:
    """The experiments that are not yet at the steady state of their doses; all of them where nothing can be solved.

    Parameters
    ----------
    problem
        What is fitted.
    theta
        [N], where to look.
    steady
        Experiment -> the time of the dose at steady state, and how far the doses before it are apart.
    """
    asked = []
    for e in problem.experiments:
        if e.name in steady:
            time, every = steady[e.name]
            asked.append(e.at(np.array([time - 2 * every, time - every, time]), side=np.full(3, -1, dtype=np.int8)))
        else:
            asked.append(e.at(np.array([e.start])))
    try:
        found = problem.states(theta, tuple(asked))
    except SolveError:
        return list(steady)
    return [e.name for e, y in zip(problem.experiments, found, strict=True) if e.name in steady and not _settled(y)]


def _settled(y: FloatArray) -> bool:
    """y: [3, S], just before the last doses."""
    before, last = np.abs(np.diff(y, axis=0))
    size = np.abs(y).max(axis=0)
    ratio = np.clip(last / np.where(before > 0, before, 1.0), 0.0, 0.999)
    left = last * ratio / (1 - ratio)
    return bool(((left <= TOLERANCE * size) | (last <= NOISE * size)).all())


def warning(names: list[str]) -> str:
    """What a report says of them."""
    what = f"the steady state of doses (SS) is not reached in {abridged(names, 3)} at the estimates"
    return f"{what}: their elimination is too slow for {MOST_REPEATS:,} doses before, or the states grow"
