"""Points of a search with scales, offsets and noise levels at their best values along the solutions there."""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.fitting.local_search import typical_sizes
from odefit.fitting.search_work import together
from odefit.objective.along import AlongSolutions
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers.least_squares import minimize_many
from odefit.optimizers.sampling import UNPROMISING

MOST = 40
"""Steps, none of which solves an equation."""
FLAT = 0.1
"""A curve that varies by a smaller share of what the data do is none: the equations would have no effect any more, and
no search gets away from there. Such a point stays where it was drawn."""
GTOL = 1e-3
"""As coarse as the searches that follow."""


def observed_fitted(objective: ProfileLikelihood, points: FloatArray, fitted: bool) -> tuple[FloatArray, FloatArray]:
    """Points [n, P'] in whose place others are better, and what they are to be chosen by [n]: the objective there.

    Last come those where what was measured vanishes beside the solver's error: values say nothing there, and a search
    has a long way to go before they do (far_start.py).

    fitted: whether parameters that no state depends on are set to their best values, and flat curves come last; else
    the points stay.
    """
    step, moves = together(objective), fitted and objective.full.columns.arrow is None
    parts = [_fitted(objective, points[first : first + step], moves) for first in range(0, len(points), step)]
    return np.concatenate([u for u, _ in parts]), np.concatenate([values for _, values in parts])


def _are_observed(objective: ProfileLikelihood, columns: IntArray) -> bool:
    """Whether any is a scale or an offset: noise levels alone are found by the search that follows, as quickly."""
    table = objective.full.problem.table
    positions = np.asarray(table.estimated)[objective.free][columns]
    return any(table.parameters[int(position)].role != "noise" for position in positions)


def _fitted(objective: ProfileLikelihood, points: FloatArray, moves: bool) -> tuple[FloatArray, FloatArray]:
    values, better = np.full(len(points), np.inf), points.copy()
    along = AlongSolutions(objective, points)
    if not len(along.points):
        return points, values
    values[along.points], flat = along.here, np.zeros(len(along.u), dtype=bool)
    if moves:
        with np.errstate(all="ignore"):
            flat = ~(along.variations() >= FLAT)
            if _are_observed(objective, along.moving):
                flat &= ~_moved(objective, along, better, values)
    values[along.points] += UNPROMISING * (flat | along.vanishes)
    return better, values


def _moved(objective: ProfileLikelihood, along: AlongSolutions, better: FloatArray, values: FloatArray) -> Mask:
    """Which points have gone to better scales and offsets: these are put into `better` and `values`."""
    columns, is_moved = along.moving, np.zeros(len(along.u), dtype=bool)
    lower, upper = (bounds[objective.free][columns] for bounds in objective.full.problem.table.search_bounds())
    most, sizes = np.full(len(along.u), MOST), typical_sizes(objective)[columns]
    drawn = along.u[:, columns]
    found = minimize_many(along, drawn, lower, upper, size=sizes, max_iterations=most, gtol=GTOL)
    reached = np.stack([outcome.u for outcome in found])
    flat = ~(along.variations(reached) >= FLAT)
    for k, outcome in enumerate(found):
        point = along.points[k]
        if not flat[k] and outcome.value <= values[point]:
            better[point, columns], values[point], is_moved[k] = outcome.u, outcome.value, True
    return is_moved
