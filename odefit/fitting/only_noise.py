"""Whether all that a curve leaves of the data is noise, before anything is known of how good a curve there is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from odefit.arrays import FloatArray
from odefit.objective.problem import FitProblem
from odefit.objective.profile import ProfileLikelihood
from odefit.objective.residuals import pearson_residuals

FEWEST_PAIRS = 8
"""Neighbouring measurements from which on it can be seen whether residuals are noise."""

FOLLOWING, TURNING = 1.0, 2.0
"""Deviations from none that the correlation of neighbours may have, up and down: a wrong curve mostly lies to one side
of several measurements in a row, and an oscillation that is too fast for them to either side in turn."""


def leaves_noise(objective: ProfileLikelihood, u: FloatArray) -> bool:
    """Whether residuals at u [P'] do not follow those before them, nor turn with each.

    r = sum e_i e_(i+1) / sum e_i^2 of n pairs of white noise has a deviation of 1/sqrt(n). Too few measurements cannot
    say so.
    """
    found = pearson_residuals(objective.full, objective.lift(u))
    if found is None:
        return False
    series = [e for e in _series(objective.full.problem, found) if len(e) > 1]
    n_pairs = sum(len(e) - 1 for e in series)
    if n_pairs < FEWEST_PAIRS:
        return False
    products = sum(float(e[1:] @ e[:-1]) for e in series)
    squares = sum(float(e @ e) for e in series)
    return bool(squares > 0 and -TURNING < products / squares * np.sqrt(n_pairs) < FOLLOWING)


def curves_of(problem: FitProblem) -> list[int]:
    """Which curve each observable is measured on: one formula has one, however many names it has."""
    formulas = list(problem.observation.system.predicted.values())
    return [formulas.index(g) for g in formulas]


def _series(problem: FitProblem, residuals: Sequence[FloatArray]) -> list[FloatArray]:
    """The residuals of each curve in one experiment, in the order of their times."""
    curve = np.concatenate([np.full(len(d.rows), c) for c, d in zip(curves_of(problem), problem.data, strict=True)])
    rows, e = np.concatenate([d.rows for d in problem.data]), np.concatenate(residuals)
    order = np.lexsort((problem.times[rows], problem.owner[rows], curve))
    owner, curve, e = problem.owner[rows][order], curve[order], e[order]
    ends = np.flatnonzero((np.diff(owner) != 0) | (np.diff(curve) != 0)) + 1
    return np.split(e, ends)
