"""A limit on the CPU time of one search: unlike a limit on the time of the clock it does not depend on the load."""

from __future__ import annotations

import math
import time

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.linalg.score import Evaluations, Gradient
from odefit.optimizers.base import BatchObjective, OfSearch, SearchOutcome, at_bound
from odefit.status import Ending, Reason


class CpuTimeSpent(Exception):
    """The search has used what it was given."""


class CpuLimited:
    """The objective of a single search, which it ends by CpuTimeSpent; it knows the best point that was evaluated.

    Parameters
    ----------
    objective
        What is minimised.
    limit
        Seconds of CPU time of this process, from now on; None for no limit.
    """

    def __init__(self, objective: BatchObjective, limit: float | None) -> None:
        self.objective = objective
        self.limit = limit
        self._end = math.inf if limit is None else time.process_time() + limit
        self._best: FloatArray | None = None
        self._history: list[float] = []
        self._n_values = self._n_gradients = 0

    def values(self, u: FloatArray, searches: IntArray) -> FloatArray:
        """The values at u [B, P]. Raises CpuTimeSpent."""
        self._check()
        values = self.objective.values(u, searches)
        self._keep(u, values)
        self._n_values += len(u)
        return values

    def evaluations(self, u: FloatArray, searches: IntArray) -> Evaluations:
        """The values at u [B, P] and their derivatives. Raises CpuTimeSpent."""
        self._check()
        here = self.objective.evaluations(u, searches)
        self._keep(u, here.value)
        self._n_gradients += len(u)
        return here

    def gradient(self, u: FloatArray, search: int) -> Gradient | None:
        """See `KnowsGradients`. Raises CpuTimeSpent."""
        self._check()
        here = OfSearch(self.objective, search).gradient(u)
        if here is not None:
            self._keep(u[None], np.array([here.value]))
            self._n_gradients += 1
        return here

    def _check(self) -> None:
        # Where there is no limit the time is not asked for: that alone takes a thirtieth of a small fit.
        if self.limit is not None and time.process_time() > self._end:
            raise CpuTimeSpent

    def _keep(self, u: FloatArray, values: FloatArray) -> None:
        known = np.where(np.isfinite(values), values, np.inf)
        lowest = float(known.min(initial=np.inf))
        if lowest < (self._history[-1] if self._history else math.inf):
            self._best = u[int(known.argmin())].copy()
            self._history.append(lowest)

    def outcome(self, start: FloatArray, lower: FloatArray, upper: FloatArray) -> SearchOutcome:
        """What the search from `start` [P] within the bounds [P] had reached when its time was spent."""
        best = start if self._best is None else self._best
        ending = Ending(Reason.OUT_OF_CPU_TIME, {"limit": self.limit}, failed=self._best is None)
        value = self._history[-1] if self._history else math.inf
        counts, sides = (self._n_values, self._n_gradients), at_bound(best, lower, upper)
        return SearchOutcome(best, value, ending, *counts, tuple(self._history), sides)
