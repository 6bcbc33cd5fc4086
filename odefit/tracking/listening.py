"""A Progress that also sends what it is told to the trackers: losses and parameters by epoch, the best by start."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from odefit.runs.log import Logged
from odefit.runs.progress import Progress
from odefit.tracking.messages import Message, Metrics
from odefit.tracking.names import Names

MOST_POINTS = 10_000
"""Of a stage: of more epochs every second, third … is sent."""
MOST_ESTIMATES = 100
"""Parameters whose way is sent."""


class Listening(Logged):
    """Tells another Progress and the log, and sends it."""

    def __init__(self, inner: Progress, send: Callable[[Message], None], names: Names) -> None:
        super().__init__(inner)
        self._send, self._names = send, names
        self._stage, self._every = "", 1

    def begin(self, what: str, total: int) -> None:
        """A stage begins: `epochs, matching` and the like."""
        super().begin(what, total)
        name = what.removeprefix("epochs").strip(", ")
        self._stage = f"{name}/" if what.startswith("epochs") and name else ""
        self._every = -(-total // MOST_POINTS)

    def epoch(self, number: int, loss: float, estimates: Mapping[str, float]) -> None:
        """An epoch is done."""
        super().epoch(number, loss, estimates)
        if number % self._every == 0:
            values = {f"{self._stage}loss": loss}
            values |= {f"{self._stage}{name}": value for name, value in list(estimates.items())[:MOST_ESTIMATES]}
            self.values(number, values)

    def start(self, finished: int, failed: int, best: float, at_best: int, why: str) -> None:
        """A start is done."""
        super().start(finished, failed, best, at_best, why)
        self.values(finished, {"starts/best": best, "starts/at_best": at_best, "starts/failed": failed})

    def values(self, step: int, values: Mapping[str, float]) -> None:
        """Send values that are finite; a tracker would make a number of an infinite one."""
        finite = {self._names(name): float(value) for name, value in values.items() if math.isfinite(value)}
        if finite:
            self._send(Metrics(step, finite))
