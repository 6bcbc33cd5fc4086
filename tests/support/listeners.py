"""What listens to a fit in a test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from odefit.runs.progress import Silent


class StopAt(Silent):
    """Remembers notes and epochs, and is Ctrl-C at one moment.

    Parameters
    ----------
    epoch
        The first epoch of this number, whatever the stage.
    start
        When so many starts are finished.
    in_all
        The epoch before which there were one less, of all stages together.
    """

    def __init__(self, *, epoch: int | None = None, start: int | None = None, in_all: int | None = None) -> None:
        self.at_epoch, self.at_start, self.at_total = epoch, start, in_all
        self.notes: list[str] = []
        self.seen: list[tuple[int, float, dict[str, float]]] = []

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)

    def epoch(self, number: int, loss: float, estimates: Mapping[str, float]) -> None:
        self.seen.append((number, loss, dict(estimates)))
        if number == self.at_epoch or len(self.seen) == self.at_total:
            raise KeyboardInterrupt

    def start(self, finished: int, *_: Any) -> None:
        if finished == self.at_start:
            raise KeyboardInterrupt
