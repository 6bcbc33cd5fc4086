"""The objective along solutions that stay as they are: a function of what only observables and noise name.

Scales, offsets and noise levels need no equations: the states at B points are solved once, and the objective at these
states is minimised over such parameters, which costs a few formulas. That is what a search does first with them, and
where boxes have many decades it does little else (C. Loos, S. Krause and J. Hasenauer, "Hierarchical optimization for
the efficient parametrization of ODE models", Bioinformatics 34, 2018).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.linalg.score import Evaluations
from odefit.objective.observation import Moments
from odefit.objective.points import solved_points
from odefit.objective.profile import ProfileLikelihood
from odefit.objective.solver_floor import raised_rows

TINY = float(np.finfo(np.float64).tiny)


class AlongSolutions:
    """The profile likelihood at B points, of which only some components of u still move.

    Parameters
    ----------
    profile
        The objective.
    u
        [B, P'], the points. Those at which the model fails are left out: `points` says which are there.

    Attributes
    ----------
    here
        The objective at the points that are there.
    vanishes
        At which of them what was measured vanishes beside the solver's error.
    """

    def __init__(self, profile: ProfileLikelihood, u: FloatArray) -> None:
        self.profile = profile
        found = solved_points(profile.full.problem, profile.complete(u), False)
        self.points, self.u = found.points, u[found.points]
        self._y = found.made_from[0]
        if len(self.points):
            self._moments_here = profile.full.raised(found.moments, *found.made_from)
            self.here = self._values(profile.complete(self.u), self._moments_here)
            self.vanishes = np.any([low.any(axis=1) for low in raised_rows(found.moments, self._moments_here)], axis=0)

    @cached_property
    def moving(self) -> IntArray:
        """Positions in u of the parameters that states do not depend on, [Q]."""
        return observed_only(self.profile)

    def values(self, moved: FloatArray, searches: IntArray) -> FloatArray:
        """Values [b] with components moved [b, Q] at the points of these numbers [b]."""
        return self._values(*self._moments(moved, searches, False))

    def evaluations(self, moved: FloatArray, searches: IntArray) -> Evaluations:
        """The same with derivatives to the components that move."""
        complete, moments = self._moments(moved, searches, True)
        found = self.profile.full.evaluations_from(complete, moments, self.profile.scales(moments))
        return replace(found, A=found.A.select(self.profile.free[self.moving]))

    def variations(self, moved: FloatArray | None = None) -> FloatArray:
        """The largest standard deviation of any observable's predictions, as a share of that of its measurements, [B].

        It is next to nothing where a scale vanishes, and with it all that the other parameters could change.
        moved: [B, Q]; default where the points are.
        """
        moments = self._moments_here
        if moved is not None:
            _, moments = self._moments(moved, np.arange(len(self.u)), False)
        data = self.profile.full.problem.data
        # Limits stand in for the measurements of an observable that has none.
        blocks = [one.measured if len(one.rows) else one.blocks[-1] for one in data]
        pairs = [(block.values, o.m[:, block.rows]) for block, o in zip(blocks, moments, strict=True)]
        series = [(values, m) for values, m in pairs if len(values) and np.ptp(values) > 0]
        if not series:  # one measurement of each observable: they are a curve together
            series = [(np.concatenate([v for v, _ in pairs]), np.concatenate([m for _, m in pairs], axis=1))]
        shares = [np.std(m, axis=1) / max(float(np.std(values)), TINY) for values, m in series]
        return np.asarray(np.fmax.reduce(shares))

    def _values(self, complete: FloatArray, moments: list[Moments]) -> FloatArray:
        return self.profile.full.values_from(complete, moments, self.profile.scales(moments))

    def _moments(self, moved: FloatArray, searches: IntArray, derivatives: bool) -> tuple[FloatArray, list[Moments]]:
        full, u = self.profile.full, self.u[searches]
        u[:, self.moving] = moved
        complete = self.profile.complete(u)
        problem = full.problem
        rows = problem.rows(problem.binding.local(problem.table.to_natural(complete)))
        y = self._y[searches]
        dy = np.zeros((*y.shape, len(problem.engine.sensitive))) if derivatives else None
        found = problem.observation.moments(y, problem.clock, rows, dy)
        return complete, full.raised(found, y, problem.clock, rows, dy)


def observed_only(profile: ProfileLikelihood) -> IntArray:
    """Positions in the remaining u of the parameters that no state depends on, also not through a formula, [Q].

    None where observables compare values of different times: what is compared is made with the states.
    """
    problem, free = profile.full.problem, profile.free
    table, sensitive = problem.table, set(problem.engine.sensitive)
    if problem.compared_rows is not None:
        return np.empty(0, dtype=np.intp)
    columns = [k for k, name in enumerate(problem.binding.symbols) if name in sensitive]
    lower, upper = table.search_bounds()
    here = table.to_search(table.values)
    away = np.where(here + table.sizes <= upper, here + table.sizes, np.maximum(here - table.sizes, lower))
    points = np.tile(here, (len(free) + 1, 1))
    points[np.arange(len(free)), free] = away[free]
    local = problem.binding.local(table.to_natural(points))[..., columns]
    same = (local[:-1] == local[-1:]).all(axis=(1, 2))
    return np.flatnonzero(same)
