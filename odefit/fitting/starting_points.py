"""Where searches start: the user's values, and the promising ones of many that are drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.fitting.local_search import typical_sizes
from odefit.fitting.observed_first import observed_fitted
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers.sampling import chosen, start_points
from odefit.records import dataclass
from odefit.uncertainty.covariance import MAX_LISTED

CANDIDATES_PER_START, MORE_CANDIDATES, LEAST_PER_START = 5, 400, 2
"""Points that are drawn for each start, but not so many more than starts; and for each of many starts."""

MANY = 100
"""More starts than that are there to look at other places: some go ahead of the others (early_ends.py)."""


@dataclass(frozen=True)
class Candidates:
    """Places among which starts are chosen, the user's own first.

    Parameters
    ----------
    drawn
        [N, P'], as drawn.
    points
        [N, P'], with parameters that no state depends on at their best values, where that was asked for.
    values
        [N], what they are chosen by: the objective at `points`; infinite where it cannot be had, or says nothing.
    varied
        Positions of the parameters that tell places apart.
    """

    drawn: FloatArray
    points: FloatArray
    values: FloatArray
    varied: IntArray

    def chosen(self, n: int) -> FloatArray:
        """The promising n of them, [n, P']."""
        return self.points[chosen(self.values, self.drawn[:, self.varied], n)]

    @property
    def others(self) -> FloatArray:
        """All but the user's own at which the model can be solved, [N', P']."""
        return self.points[1:][np.isfinite(self.values[1:])]


def candidates_for(objective: ProfileLikelihood, n: int, seed: int, fitted: bool = False) -> Candidates:
    """The user's values, and a Latin hypercube, several for each of n starts.

    Of hundreds of parameters those of single experiments begin where they are: any one of them at a bad place would
    spoil the start, and each follows from the shared ones.

    fitted: whether parameters that no state depends on begin at their best values, but for the user's own start.
    """
    table, free = objective.full.problem.table, objective.free
    first = table.to_search(table.values)[free]
    if n == 1 or not len(free):
        return Candidates(first[None, :], first[None, :], np.zeros(1), np.arange(len(free)))
    drawn = _drawn(objective, _how_many(n), seed)
    points, values = observed_fitted(objective, drawn[1:], fitted)
    values = np.concatenate([objective.values(drawn[:1]), values])
    return Candidates(drawn, np.vstack([drawn[:1], points]), values, shared(objective))


def starting_points(objective: ProfileLikelihood, n: int, seed: int, fitted: bool = False) -> FloatArray:
    """The user's values, and the n - 1 most promising of the candidates, [n, P']; one where nothing is free."""
    return candidates_for(objective, n, seed, fitted).chosen(n)


def drawn_points(
    objective: ProfileLikelihood, n: int, seed: Sequence[int], is_screened: bool, fitted: bool
) -> FloatArray:
    """n points of a Latin hypercube at which the model can be solved, [n, P']: the promising ones, or any.

    fitted: as in `starting_points`.
    """
    many = _how_many(n) if is_screened else 2 * n
    drawn = _drawn(objective, many + 1, seed)[1:]
    points, values = observed_fitted(objective, drawn, fitted)
    if is_screened:
        return points[chosen(values, drawn[:, shared(objective)], n)]
    return points[np.argsort(~np.isfinite(values), kind="stable")[:n]]


def _how_many(n: int) -> int:
    """Candidates for n starts."""
    return min(CANDIDATES_PER_START * n, max(n + MORE_CANDIDATES, LEAST_PER_START * n))


def _drawn(objective: ProfileLikelihood, n: int, seed: int | Sequence[int]) -> FloatArray:
    """The user's values, and n - 1 points of a Latin hypercube."""
    table, free, varied = objective.full.problem.table, objective.free, shared(objective)
    first = table.to_search(table.values)[free]
    lower, upper = (bounds[free][varied] for bounds in table.search_bounds())
    complete = np.tile(first, (n, 1))
    complete[:, varied] = start_points(lower, upper, first[varied], n, seed, size=typical_sizes(objective)[varied])
    return complete


def shared(objective: ProfileLikelihood) -> IntArray:
    """Positions in the remaining u of the parameters that experiments share, where all are hundreds; else of all."""
    free = objective.free
    arrow = objective.full.columns.arrow if len(free) > MAX_LISTED else None
    shared = np.arange(len(free)) if arrow is None else np.flatnonzero(np.isin(free, arrow[0].shared))
    return shared if len(shared) else np.arange(len(free))
