"""Fits to data sets drawn anew, many in lockstep: all begin at the estimates, and they differ in their data only."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.config.fit_methods import METHODS
from odefit.engines.base import Engine
from odefit.fitting.local_search import LocalSearch
from odefit.linalg.matrix import Matrix
from odefit.linalg.score import Evaluations
from odefit.objective.likelihood import Measured
from odefit.objective.profile import ProfileLikelihood
from odefit.records import dataclass
from odefit.resampling.data_sets import Resampling, lost
from odefit.status import Status


@dataclass(frozen=True)
class Refit:
    """What became of one sample.

    Parameters
    ----------
    number
        Of the sample, from 0.
    status
        Whether the search converged, was stopped, or failed.
    nll
        Its objective, the negative log posterior of the sample; infinite where it failed.
    u
        [P], the estimates on the search scale; NaN where the sample has no data of a parameter.
    rows
        A of the expected information at u, its root; None where it is not known.
    at_bound
        [P], whether an estimate lies on a bound.
    """

    number: int
    status: Status
    nll: float
    u: FloatArray
    rows: Matrix | None
    at_bound: Mask


@dataclass(frozen=True)
class ResampledObjective:
    """A `BatchObjective` of searches that have data of their own.

    Parameters
    ----------
    profile
        The objective of the data that were measured.
    data
        Those of every search.
    engines
        One for each search, or None: see `SearchObjective`.
    """

    profile: ProfileLikelihood
    data: Measured
    engines: Sequence[Engine] | None

    def values(self, u: FloatArray, searches: IntArray) -> FloatArray:
        """See `BatchObjective`."""
        return self.profile.values(u, self._engines(searches), self._data(searches))

    def evaluations(self, u: FloatArray, searches: IntArray) -> Evaluations:
        """See `BatchObjective`."""
        return self.profile.evaluations(u, self._engines(searches), self._data(searches))

    def lift(self, u: FloatArray) -> FloatArray:
        """The full search vectors [n, P] of u [n, P'], one of each search, with the noise levels at their best."""
        table, complete = self.profile.full.problem.table, self.profile.complete(u)
        everyone = np.arange(len(u))
        found = self.profile.full.moments_at(complete, False, self._engines(everyone))
        if not len(found.points) or not self.profile.sigmas:
            return complete
        theta = table.to_natural(complete)
        for position, sigma in self.profile.scales(found.moments, self._data(found.points)).items():
            theta[found.points, position] = sigma
        return table.to_search(theta)

    def information(self, u: FloatArray) -> list[Matrix | None]:
        """A [M, P] of the expected information at u [n, P], one of each search; None where the model fails."""
        full = self.profile.full
        found = full.moments_at(u, True, self._engines(np.arange(len(u))))
        if not len(found.points):
            return [None for _ in u]
        there = full.evaluations_from(u[found.points], found.moments, {}, True, self._data(found.points))
        roots = {int(b): there.A[k] for k, b in enumerate(found.points) if there[k].is_finite}
        return [roots.get(b) for b in range(len(u))]

    def _data(self, searches: IntArray) -> Measured:
        return [one.take(searches) for one in self.data]

    def _engines(self, searches: IntArray) -> list[Engine] | None:
        return None if self.engines is None else [self.engines[k] for k in searches]


def refit(profile: ProfileLikelihood, resampling: Resampling, start: FloatArray, numbers: IntArray) -> list[Refit]:
    """Fit the samples with these numbers.

    Parameters
    ----------
    profile
        The objective of the data that were measured.
    resampling
        Draws the samples.
    start
        [P], where all searches begin.
    numbers
        [n].

    Returns
    -------
    list of Refit
        In the order of the numbers. What becomes of a sample does not depend on the others.
    """
    data, counts = resampling.drawn(numbers)
    engine = profile.full.problem.engine
    engines = [engine.reset_copy() for _ in numbers] if engine.remembers else None
    objective = ResampledObjective(profile, data, engines)
    search = LocalSearch(profile, METHODS["least_squares"], None)
    points = np.tile(start[profile.free], (len(numbers), 1))
    minimised = functools.partial(search.minimised, objective)
    outcomes = search.certified(objective, minimised(points, most=np.full(len(points), search.most)), minimised)
    u = objective.lift(np.stack([outcome.u for outcome in outcomes]))
    rows = objective.information(u)
    lower, upper = profile.full.problem.table.search_bounds()
    bound = (u <= lower) | (u >= upper)
    if counts is not None:
        u = np.where(lost(profile.full.problem, counts), np.nan, u)
    found = []
    for k, (number, outcome) in enumerate(zip(numbers, outcomes, strict=True)):
        failed = outcome.status == Status.FAILED
        own = np.full(u.shape[1], np.nan) if failed else u[k]
        found.append(Refit(int(number), outcome.status, outcome.value, own, None if failed else rows[k], bound[k]))
    return found
