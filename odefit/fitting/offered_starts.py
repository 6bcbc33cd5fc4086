"""Drawn starts moved to what is offered for them, where that is better."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from odefit.arrays import FloatArray, Mask
from odefit.fitting.explained import explains
from odefit.objective.problem import FitProblem
from odefit.objective.profile import ProfileLikelihood

AGREED, ALIKE = 0.5, 2.0
"""The share of the starts that lie within that many log-likelihood units of the best one when they have come to one
valley."""

FOLLOWED = 0.5
"""The share of the variation of the data that a curve may leave which a search makes follow them. One that is flat or
out of step leaves all of it."""

Offer = Callable[[FitProblem, FloatArray], Iterator[FloatArray]]
"""[N, P] each, as long as one asks, for search vectors [N, P], NaN where nothing is offered."""


def bettered(objective: ProfileLikelihood, points: FloatArray, first: int, offer: Offer) -> tuple[FloatArray, Mask]:
    """Each start goes on from the best of where it was drawn and what is offered for it, by the objective.

    No more is asked for once all that were offered something lie in one valley whose curve follows the data: from there
    the search that comes anyway takes a few steps more, for less than what goes before the next offer.

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
    for offered in _offers(offer, problem, drawn):
        known = np.flatnonzero(np.isfinite(offered[:, free]).all(axis=1))
        u, own = offered[known][:, free], known + first
        new = own[np.isnan(values[own])]
        if len(new):
            values[new] = objective.values(points[new])
        if len(own):
            reached = objective.values(u)
            better = reached < values[own]
            best[own[better]], values[own[better]], is_moved[own[better]] = u[better], reached[better], True
            lowest = own[np.argmin(values[own])]
            if (values[own] <= values[lowest] + ALIKE).all() and explains(objective, best[lowest], FOLLOWED):
                break
    return best, is_moved


def have_come_together(objective: ProfileLikelihood, points: FloatArray) -> bool:
    """Whether half of the starts [n, P'] have come to one valley, as those do that have been matched."""
    values = objective.values(points)
    if not np.isfinite(values).any():
        return False
    return bool(np.mean(values <= np.min(values, initial=np.inf) + ALIKE) >= AGREED)


def _offers(offer: Offer, problem: FitProblem, drawn: FloatArray) -> Iterator[FloatArray]:
    offers = offer(problem, drawn)
    while True:
        with np.errstate(all="ignore"):
            try:
                offered = next(offers, None)
            except np.linalg.LinAlgError:
                return
        if offered is None:
            return
        yield offered
