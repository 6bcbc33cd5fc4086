"""What a fit tells while it runs. The default listens and says nothing; the command line draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Progress(Protocol):
    def note(self, sentence: str) -> None:
        """Something that the user should know now."""

    def now(self, what: str) -> None:
        """What is being done from now on, for whoever wonders why nothing happens."""

    def begin(self, what: str, total: int) -> None:
        """A stage of `total` epochs or starts begins."""

    def epoch(self, number: int, loss: float, estimates: Mapping[str, float]) -> None:
        """An epoch of the training is done."""

    def start(self, finished: int, failed: int, best: float, at_best: int, why: str) -> None:
        """A start of the multi-start search is done. why: the commonest reason of failure."""

    def part(self, done: int, text: str) -> None:
        """So many parts of the stage are done. text: how it goes."""

    def end(self) -> None:
        """The stage is over."""


class Silent:
    """A Progress that tells nothing."""

    def note(self, sentence: str) -> None: ...

    def now(self, what: str) -> None: ...

    def begin(self, what: str, total: int) -> None: ...

    def epoch(self, number: int, loss: float, estimates: Mapping[str, float]) -> None: ...

    def start(self, finished: int, failed: int, best: float, at_best: int, why: str) -> None: ...

    def part(self, done: int, text: str) -> None: ...

    def end(self) -> None: ...
