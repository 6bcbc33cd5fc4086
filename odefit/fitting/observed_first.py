"""Points of a search with scales, offsets and noise levels at their best values along the solutions there."""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray
from odefit.fitting.local_search import typical_sizes
from odefit.fitting.search_work import together
from odefit.objective.along import AlongSolutions, observed_only
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers.least_squares import minimize_many

MOST = 40
"""Steps, none of which solves an equation."""
FLAT = 0.1
"""A curve that varies by a smaller share of what the data do is none: the equations would have no effect any more, and
no search gets away from there. Such a point stays where it was drawn."""
GTOL = 1e-3
"""As coarse as the searches that follow."""


def observed_fitted(objective: ProfileLikelihood, points: FloatArray, fitted: bool) -> tuple[FloatArray, FloatArray]:
    """Points [n, P'] in whose place others are better, and the objective there [n].

    fitted: whether parameters that no state depends on are set to their best values; else the points stay.
    """
    step = together(objective)
    moving = observed_only(objective) if fitted and objective.full.columns.arrow is None else np.empty(0, dtype=np.intp)
    parts = [_fitted(objective, points[first : first + step], len(moving)) for first in range(0, len(points), step)]
    return np.concatenate([u for u, _ in parts]), np.concatenate([values for _, values in parts])


def _fitted(objective: ProfileLikelihood, points: FloatArray, moving: int) -> tuple[FloatArray, FloatArray]:
    if not moving:
        return points, objective.values(points)
    values, better = np.full(len(points), np.inf), points.copy()
    along = AlongSolutions(objective, points)
    if not len(along.points):
        return points, values
    columns = along.moving
    lower, upper = (bounds[objective.free][columns] for bounds in objective.full.problem.table.search_bounds())
    most = np.full(len(along.u), MOST)
    sizes = typical_sizes(objective)[columns]
    found = minimize_many(along, along.u[:, columns], lower, upper, size=sizes, max_iterations=most, gtol=GTOL)
    values[along.points] = along.values(along.u[:, columns], np.arange(len(along.u)))
    reached = np.stack([outcome.u for outcome in found])
    with np.errstate(all="ignore"):
        seen = along.variations(reached) >= FLAT
    for k, outcome, is_seen in zip(along.points, found, seen, strict=True):
        if is_seen and outcome.value <= values[k]:
            better[k, columns], values[k] = outcome.u, outcome.value
    return better, values
