"""The learning rate of each epoch: constant, falling along a curve, or falling where the loss no longer does.

With the first rate a, the last one b, and x from 0 in the first epoch to 1 in the last:

    cosine:       b + (a - b) (1 + cos(pi x)) / 2        (Loshchilov & Hutter 2017, without restarts)
    exponential:  a (b / a)^x

On a plateau it is multiplied by a factor after `patience` scores that are no better than the best by a share of 1e-4.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from odefit.records import dataclass

DEFAULT_FINAL_SHARE = 1e-2
"""The last rate as a share of the first, where none is given."""
BETTER_BY = 1e-4
"""A score is better than the best by this share of it, or a plateau goes on."""


@dataclass(frozen=True)
class Schedule:
    """How the learning rate changes: see `ScheduleSection` of the config for the words.

    Parameters
    ----------
    kind
        The curve that it follows.
    final
        The lowest rate, reached in the last epoch; None: a hundredth of the first one.
    factor, patience
        Of `plateau`: the rate is multiplied by `factor` after more than `patience` epochs without a lower loss.
    """

    kind: Literal["constant", "cosine", "exponential", "plateau"] = "constant"
    final: float | None = None
    factor: float = 0.5
    patience: int = 20

    def lowest(self, first: float) -> float:
        """The rate in the last epoch, or on the last plateau, if this is the first one."""
        if self.kind == "constant":
            return first
        return self.final if self.final is not None else first * DEFAULT_FINAL_SHARE


class LearningRate:
    """The rate of each epoch.

    Parameters
    ----------
    first
        The rate of the first epoch.
    schedule
        How it changes.
    epochs
        How many there are.
    warm_up
        Over this share of the epochs the rate rises to what the schedule says.
    score_every
        Epochs between two scores, by which a plateau counts its patience.
    """

    def __init__(
        self, first: float, schedule: Schedule, epochs: int, warm_up: float = 0.0, score_every: int = 1
    ) -> None:
        self.first, self.schedule, self.epochs, self.rising = first, schedule, epochs, warm_up * epochs
        self.patience = max(schedule.patience // score_every, 1)
        self.scheduled, self.number = first, 0
        self.best, self.waited = math.inf, 0

    def begin(self, epoch: int) -> float:
        """The rate of an epoch, the first of which is 1."""
        share = min(epoch / self.rising, 1.0) if self.rising > 1 else 1.0
        return self.scheduled * share

    def advance(self, score: float | None) -> None:
        """An epoch is over. Its score, where it has one, tells whether a plateau is reached."""
        self.number += 1
        first, final = self.first, self.schedule.lowest(self.first)
        x = min(self.number / max(self.epochs - 1, 1), 1.0)
        match self.schedule.kind:
            case "cosine":
                self.scheduled = final + (first - final) * (1 + math.cos(math.pi * x)) / 2
            case "exponential":
                self.scheduled = first * (final / first) ** x
            case "plateau":
                if score is not None:
                    self._look(score, final)
            case "constant":
                pass

    def _look(self, score: float, final: float) -> None:
        better = score < self.best - BETTER_BY * abs(self.best) if math.isfinite(self.best) else score < self.best
        self.best, self.waited = (score, 0) if better else (self.best, self.waited + 1)
        if self.waited > self.patience:
            lower, self.waited = max(self.scheduled * self.schedule.factor, final), 0
            if self.scheduled - lower > 1e-8 * self.scheduled:  # else it is at its floor, but for rounding
                self.scheduled = lower

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"scheduled": self.scheduled, "number": self.number, "best": self.best, "waited": self.waited}

    def restore(self, kept: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        self.scheduled, self.number = kept["scheduled"], kept["number"]
        self.best, self.waited = kept["best"], kept["waited"]
