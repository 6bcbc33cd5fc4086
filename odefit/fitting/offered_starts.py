"""Drawn starts moved to what is offered for them, where that is better."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from odefit.arrays import FloatArray, Mask
from odefit.objective.problem import FitProblem
from odefit.objective.profile import ProfileLikelihood

AGREED, ALIKE = 0.5, 2.0
"""The share of the starts that lie within that many log-likelihood units of the best one when they have come to one
valley."""

Offer = Callable[[FitProblem, FloatArray], list[FloatArray]]
"""[N, P] each for search vectors [N, P], NaN where nothing is offered."""


def bettered(objective: ProfileLikelihood, points: FloatArray, first: int, offer: Offer) -> tuple[FloatArray, Mask]:
    """Each start goes on from the best of where it was drawn and what is offered for it, by the objective.

    Parameters
    ----------
    objective
        What is going to be minimised.
    points
        [n, P'], the drawn starts.
    first
        The first of them that may be moved.
    offer
        Nothing is taken where it comes to numbers beyond what can be computed with.

    Returns
    -------
    points
        [n, P'].
    is_moved
        [n].
    """
    problem, free = objective.full.problem, objective.free
    is_moved = np.zeros(len(points), dtype=bool)
    if len(points) <= first or not len(free):
        return points, is_moved
    drawn = np.tile(problem.table.to_search(problem.table.values), (len(points) - first, 1))
    drawn[:, free] = points[first:]
    best, values = points.copy(), np.full(len(points), np.nan)
    for offered in _offered(offer, problem, drawn):
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


def have_come_together(objective: ProfileLikelihood, points: FloatArray) -> bool:
    """Whether half of the starts [n, P'] have come to one valley, as those do that have been matched."""
    values = objective.values(points)
    if not np.isfinite(values).any():
        return False
    return bool(np.mean(values <= np.min(values, initial=np.inf) + ALIKE) >= AGREED)


def _offered(offer: Offer, problem: FitProblem, drawn: FloatArray) -> list[FloatArray]:
    with np.errstate(all="ignore"):
        try:
            return offer(problem, drawn)
        except np.linalg.LinAlgError:
            return []
