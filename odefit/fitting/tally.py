"""How many of the starts are finished, and how they ended: what is said while the others go on."""

from __future__ import annotations

import math
from bisect import bisect_right, insort

from odefit.fitting.multistart_outcome import SAME_OPTIMUM, commonest_reason
from odefit.optimizers.start_pool import StartOutcome
from odefit.runs.progress import Progress


class Tally:
    """Counts of the starts finished so far, each of which is looked at once."""

    def __init__(self) -> None:
        self._n = 0
        self._lowest = math.inf
        self._converged: list[float] = []
        self._failed: list[StartOutcome] = []

    def add(self, result: StartOutcome) -> None:
        """One more is finished."""
        self._n += 1
        if result.failure is not None:
            self._failed.append(result)
        if math.isfinite(result.value):
            self._lowest = min(self._lowest, result.value)
            if result.converged:
                insort(self._converged, result.value)

    def show(self, progress: Progress) -> None:
        """Say where the search is."""
        at_best = bisect_right(self._converged, self._lowest + SAME_OPTIMUM)
        progress.start(self._n, len(self._failed), self._lowest, at_best, commonest_reason(self._failed))
