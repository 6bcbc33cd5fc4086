"""What a training leaves behind: its epochs, thinned so that a long one needs no more memory than a short one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, TypeVar, overload

from torch import Tensor

from odefit.records import dataclass
from odefit.status import Ending, Reason, Status

Item = TypeVar("Item")

MAX_ENTRIES = 10_000
"""The most entries that are kept of a history: more than any picture of it can show."""


@dataclass(frozen=True)
class Epoch:
    """One line of a training's history.

    Parameters
    ----------
    epoch
        Its number, from 1 on.
    loss
        The mean over the epoch's batches, each weighted by its cells.
    learning_rate, gradient_norm
        The rate of the epoch, and the norm of its last step before it was clipped.
    score
        What the state at the epoch's end was judged by, see `training/best_state.py`; None where it was not judged.
    """

    epoch: int
    loss: float
    learning_rate: float
    gradient_norm: float
    score: float | None = None

    @property
    def numbers(self) -> tuple[float, ...]:
        """As one row of an array: NaN where there is no score."""
        return (
            self.epoch,
            self.loss,
            self.learning_rate,
            self.gradient_norm,
            math.nan if self.score is None else self.score,
        )

    @classmethod
    def of(cls, numbers: Sequence[float]) -> Epoch:
        """The inverse of `numbers`."""
        epoch, loss, rate, norm, score = numbers
        return cls(int(epoch), loss, rate, norm, None if math.isnan(score) else score)


class Thinned(Sequence[Item], Generic[Item]):
    """A list that never has more than `most` + 1 entries.

    When it is full every other entry goes; from then on only every second (then every fourth, ...) is kept. The first
    and the last are always there.

    Attributes
    ----------
    seen
        How many entries there were.
    stride
        The distance of those that are kept.
    """

    def __init__(self, entries: Iterable[Item] = (), seen: int | None = None, stride: int = 1, most: int = MAX_ENTRIES):
        self._kept = list(entries)
        self.seen, self.stride, self.most = len(self._kept) if seen is None else seen, stride, most
        self._last: list[Item] = []
        if self.seen and (self.seen - 1) % stride:
            self._last = [self._kept.pop()]

    def append(self, entry: Item) -> None:
        """Add an entry at the end."""
        self.seen += 1
        self._last = [entry]
        if (self.seen - 1) % self.stride:
            return
        self._kept.append(self._last.pop())
        if len(self._kept) > self.most:
            self._kept = self._kept[::2]
            self.stride *= 2
            if (self.seen - 1) % self.stride:
                self._last = [entry]

    @property
    def entries(self) -> list[Item]:
        """All that are kept: with `seen` and `stride`, what it takes to make this list again."""
        return self._kept + self._last

    def __len__(self) -> int:
        return len(self._kept) + len(self._last)

    def __iter__(self) -> Iterator[Item]:
        yield from self._kept
        yield from self._last

    @overload
    def __getitem__(self, k: int) -> Item: ...

    @overload
    def __getitem__(self, k: slice) -> list[Item]: ...

    def __getitem__(self, k: int | slice) -> Item | list[Item]:
        if k == -1:  # asked for after every epoch
            return (self._last or self._kept)[-1]
        return self.entries[k]


@dataclass(frozen=True)
class TrainingOutcome:
    """How a training ended.

    Parameters
    ----------
    ending
        Why it ended.
    best
        The state of the module where its loss, or its score, was lowest.
    best_loss, best_epoch
        The loss there, and its epoch.
    history
        Some of the epochs, the first and the last among them.
    """

    ending: Ending
    best: dict[str, Tensor]
    best_loss: float
    best_epoch: int
    history: Sequence[Epoch]

    @property
    def status(self) -> Status:
        """Whether it converged, was stopped, was interrupted, or failed."""
        return self.ending.status

    @property
    def message(self) -> str:
        """A sentence that says why it ended, and what may be done."""
        return self.ending.message


def settled(losses: Sequence[float], n: int, unit: str, remedy: str) -> Ending:
    """Whether a loss had settled when all n epochs were used: below 0.1 % of change over their last tenth.

    losses: of all epochs, or of some at equal distances.
    """
    tail = losses[-max(len(losses) // 10, 2) :]
    change = abs(tail[0] - tail[-1]) / max(abs(tail[-1]), 1e-300)
    last = max(n // 10, 2)
    if n >= 20 and change < 1e-3:
        return Ending(Reason.LOSS_SETTLED, {"change": change, "last": last, "unit": unit})
    details = {"n": n, "unit": unit, "change": change, "last": last, "remedy": remedy}
    return Ending(Reason.LOSS_STILL_CHANGES, details)
