"""Drawn starts moved to where the equations match the slopes of the data, where that is better."""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray, Mask
from odefit.collocation.starts import matched_points, obstacle
from odefit.objective.problem import FitProblem
from odefit.objective.profile import ProfileLikelihood


def matched_starts(
    objective: ProfileLikelihood, points: FloatArray, with_first: bool = False
) -> tuple[FloatArray, Mask]:
    """Where to search from instead of drawn starts.

    Each goes on from the best of where it was drawn and what matching offers for it, by the objective. So none becomes
    worse.

    Parameters
    ----------
    objective
        What is going to be minimised.
    points
        [n, P'], the drawn starts.
    with_first
        Whether the first of them, the user's own, may be moved as well.

    Returns
    -------
    points
        [n, P'].
    is_moved
        [n].
    """
    problem, free, first = objective.full.problem, objective.free, 0 if with_first else 1
    is_moved = np.zeros(len(points), dtype=bool)
    if len(points) <= first or not len(free) or obstacle(problem) is not None:
        return points, is_moved
    drawn = np.tile(problem.table.to_search(problem.table.values), (len(points) - first, 1))
    drawn[:, free] = points[first:]
    best, values = points.copy(), np.full(len(points), np.nan)
    for offered in _offered(problem, drawn):
        known = np.flatnonzero(np.isfinite(offered[:, free]).all(axis=1))
        u, own = offered[known][:, free], known + first
        new = own[np.isnan(values[own])]
        if len(new):
            values[new] = objective.values(points[new])
        if len(own):
            reached = objective.values(u)
            better = reached < values[own]
            best[own[better]], values[own[better]], is_moved[own[better]] = u[better], reached[better], True
    return best, is_moved


def _offered(problem: FitProblem, drawn: FloatArray) -> list[FloatArray]:
    """What is offered for the drawn starts; nothing where the numbers are beyond what can be computed with."""
    with np.errstate(all="ignore"):
        try:
            return matched_points(problem, drawn)
        except np.linalg.LinAlgError:
            return []


def sentence(is_moved: Mask) -> str:
    """What the user should know of it."""
    return (
        f"{int(is_moved.sum())} of {len(is_moved)} starts were moved first, to where the equations match the slopes of "
        "the smoothed data (fit.match: false leaves them where they are drawn)."
    )
