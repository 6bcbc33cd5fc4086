"""Searches that are watched: where they are done in this process, an interruption does not lose how far they came."""

from __future__ import annotations

import math
import time

import numpy as np

from odefit.arrays import FloatArray
from odefit.fitting.local_search import LocalSearch
from odefit.optimizers.base import SearchOutcome
from odefit.optimizers.start_pool import StartOutcome
from odefit.runs.progress import Progress
from odefit.status import Ending, Reason


class ObservedSearch:
    """A search that knows how far it has come, and says so.

    Parameters
    ----------
    search
        From one point or many.
    progress
        Told of every step.
    """

    def __init__(self, search: LocalSearch, progress: Progress) -> None:
        self.search, self.progress = search, progress
        self._points, self._begun = np.empty((0, 0)), 0.0
        self._histories: list[list[float]] = []
        self._reached: dict[int, FloatArray] = {}
        self._best = math.inf

    def __call__(self, points: FloatArray) -> list[SearchOutcome]:
        self._points, self._begun = points, time.perf_counter()
        self._histories, self._reached, self._best = [[] for _ in points], {}, math.inf
        return self.search(points, self._accept)

    def _accept(self, number: int, u: FloatArray, value: float) -> None:
        self._histories[number].append(value)
        self._reached[number] = u
        if len(self._points) == 1:
            self.progress.now(f"start 1, {len(self._histories[0])} steps, objective {value:.6g}")
        elif value < self._best:
            self._best = value
            self.progress.now(f"{len(self._points)} starts together, objective {self._best:.6g}")

    def latest(self, points: FloatArray) -> StartOutcome | None:
        """The best that the searches under way have reached, which are some of points [n, P]; None where none has."""
        if not self._reached:
            return None
        number = min(self._reached, key=lambda k: self._histories[k][-1])
        start, u, history = self._points[number], self._reached[number], self._histories[number]
        outcome = SearchOutcome(
            u, history[-1], Ending(Reason.ENDED_BY_CALLER), 0, 0, tuple(history), np.zeros(len(u), dtype=np.int8)
        )
        place = int(np.argmax((points == start).all(axis=1)))
        return StartOutcome(place, start, outcome, None, time.perf_counter() - self._begun)
