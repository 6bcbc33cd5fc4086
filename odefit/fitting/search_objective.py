"""The objective of many searches: each has an engine of its own where an engine remembers what it solved."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.engines.base import Engine
from odefit.linalg.score import Evaluations, Gradient
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers.base import BatchObjective, OfSearch
from odefit.records import dataclass


@dataclass(frozen=True)
class SearchObjective:
    """A profile likelihood for searches by number.

    Parameters
    ----------
    profile
        The objective.
    engines
        One for each search: what becomes of a search must not depend on what others, or this process, solved before.
        None where the engine remembers nothing, so that one call serves all.
    """

    profile: ProfileLikelihood
    engines: Sequence[Engine] | None

    @classmethod
    def of(cls, profile: ProfileLikelihood, n: int) -> SearchObjective:
        """For n searches."""
        problem = profile.full.problem
        engine = problem.engine
        own = Likelihood(problem.solved_by(engine.reset_copy()), profile.full.blocks)
        fresh = ProfileLikelihood(own, profile.eliminate)
        return cls(fresh, [engine.reset_copy() for _ in range(n)] if engine.remembers else None)

    def values(self, u: FloatArray, searches: IntArray) -> FloatArray:
        """See `BatchObjective`."""
        return self.profile.values(u, self._engines(searches))

    def evaluations(self, u: FloatArray, searches: IntArray) -> Evaluations:
        """See `BatchObjective`."""
        return self.profile.evaluations(u, self._engines(searches))

    def gradient(self, u: FloatArray, search: int) -> Gradient | None:
        """See `KnowsGradients`; engines that go back remember nothing, so that one serves all searches."""
        del search
        return self.profile.gradient(u)

    def vanishes(self, u: FloatArray, searches: IntArray) -> Mask:
        """Whether predictions at u [B, P'] are zero but for the solver's error, [B]."""
        return self.profile.vanishes(u, self._engines(searches))

    def failure(self, search: int, u: FloatArray) -> str | None:
        """Why the objective cannot be computed at u [P'], as a sentence; None where it can."""
        self.values(u[None], np.array([search]))
        return self.profile.failure

    def _engines(self, searches: IntArray) -> list[Engine] | None:
        return None if self.engines is None else [self.engines[k] for k in searches]


@dataclass(frozen=True)
class ForSearches:
    """The objective for some of its searches, numbered anew.

    Parameters
    ----------
    objective
        Of all.
    numbers
        [b], which of them these are.
    """

    objective: BatchObjective
    numbers: IntArray

    def values(self, u: FloatArray, searches: IntArray) -> FloatArray:
        """See `BatchObjective`."""
        return self.objective.values(u, self.numbers[searches])

    def evaluations(self, u: FloatArray, searches: IntArray) -> Evaluations:
        """See `BatchObjective`."""
        return self.objective.evaluations(u, self.numbers[searches])

    def gradient(self, u: FloatArray, search: int) -> Gradient | None:
        """See `KnowsGradients`."""
        return OfSearch(self.objective, int(self.numbers[search])).gradient(u)
