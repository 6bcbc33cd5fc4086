"""The learning rate of each epoch: constant, falling along a curve, or falling where the loss no longer does.

With the first rate a, the last one b, and x from 0 in the first epoch to 1 in the last:

    cosine:       b + (a - b) (1 + cos(pi x)) / 2        (Loshchilov & Hutter 2017, without restarts)
    exponential:  a (b / a)^x
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, ExponentialLR, LRScheduler, ReduceLROnPlateau

from odefit.records import dataclass

DEFAULT_FINAL_SHARE = 1e-2
"""The last rate as a share of the first, where none is given."""


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
    """Sets the rate of an optimizer, epoch by epoch.

    Parameters
    ----------
    optimizer
        Its present rate is the first one.
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
        self, optimizer: Optimizer, schedule: Schedule, epochs: int, warm_up: float = 0.0, score_every: int = 1
    ) -> None:
        self.optimizer, self.rising = optimizer, warm_up * epochs
        self.scheduler = _scheduler(optimizer, schedule, epochs, score_every)
        self.scheduled: float = optimizer.param_groups[0]["lr"]

    def begin(self, epoch: int) -> float:
        """Set the rate of an epoch, the first of which is 1, and return it."""
        share = min(epoch / self.rising, 1.0) if self.rising > 1 else 1.0
        self._set(self.scheduled * share)
        return self.scheduled * share

    def advance(self, score: float | None) -> None:
        """An epoch is over. Its score, where it has one, tells whether a plateau is reached."""
        self._set(self.scheduled)
        if isinstance(self.scheduler, ReduceLROnPlateau):
            if score is not None:
                self.scheduler.step(score)
        elif self.scheduler is not None:
            self.scheduler.step()
        self.scheduled = self.optimizer.param_groups[0]["lr"]

    def _set(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        scheduler = None if self.scheduler is None else dict(self.scheduler.state_dict())
        return {"scheduled": self.scheduled, "scheduler": scheduler}

    def restore(self, kept: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        self.scheduled = kept["scheduled"]
        if self.scheduler is not None:
            self.scheduler.load_state_dict(dict(kept["scheduler"]))


def _scheduler(
    optimizer: Optimizer, schedule: Schedule, epochs: int, score_every: int
) -> LRScheduler | ReduceLROnPlateau | None:
    first: float = optimizer.param_groups[0]["lr"]
    final = schedule.lowest(first)
    match schedule.kind:
        case "constant":
            return None
        case "cosine":
            return CosineAnnealingLR(optimizer, max(epochs - 1, 1), eta_min=final)
        case "exponential":
            return ExponentialLR(optimizer, (final / first) ** (1 / max(epochs - 1, 1)))
        case "plateau":
            patience = max(schedule.patience // score_every, 1)
            return ReduceLROnPlateau(optimizer, factor=schedule.factor, patience=patience, min_lr=final)
