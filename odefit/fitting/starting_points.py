"""Where searches start: the user's values, and the promising ones of many that are drawn."""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.fitting.local_search import typical_sizes
from odefit.fitting.search_work import together
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers.sampling import screen, start_points
from odefit.uncertainty.covariance import MAX_LISTED

CANDIDATES_PER_START, MAX_MORE_CANDIDATES = 5, 400
"""Points that are drawn for each start, and the most beyond the starts themselves."""


def starting_points(objective: ProfileLikelihood, n: int, seed: int) -> FloatArray:
    """The user's values, and n - 1 more: the promising ones of a Latin hypercube, chosen by their objective.

    Of hundreds of parameters those of single experiments begin where they are: any one of them at a bad place would
    spoil the start, and each follows from the shared ones.
    """
    table, free = objective.full.problem.table, objective.free
    first = table.to_search(table.values)[free]
    if n == 1 or not len(free):
        return first[None, :]
    lower, upper = table.search_bounds()
    varied = shared(objective)
    lower, upper, sizes = lower[free][varied], upper[free][varied], typical_sizes(objective)[varied]
    many = min(CANDIDATES_PER_START * n, n + MAX_MORE_CANDIDATES)
    candidates = start_points(lower, upper, first[varied], many, seed, size=sizes)

    def whole(points: FloatArray) -> FloatArray:
        complete = np.tile(first, (len(points), 1))
        complete[:, varied] = points
        return complete

    step, complete = together(objective), whole(candidates)
    values = [objective.values(complete[first : first + step]) for first in range(0, many, step)]
    return whole(screen(np.concatenate(values), candidates, n))


def shared(objective: ProfileLikelihood) -> IntArray:
    """Positions in the remaining u of the parameters that experiments share, where all are hundreds; else of all."""
    free = objective.free
    arrow = objective.full.columns.arrow if len(free) > MAX_LISTED else None
    shared = np.arange(len(free)) if arrow is None else np.flatnonzero(np.isin(free, arrow[0].shared))
    return shared if len(shared) else np.arange(len(free))
