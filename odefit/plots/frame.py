"""One moment of a fit."""

from __future__ import annotations

from collections.abc import Mapping

from odefit.arrays import FloatArray
from odefit.records import dataclass


@dataclass(frozen=True)
class Frame:
    """The curves of one epoch or step.

    Parameters
    ----------
    epoch, loss
        Its number, and how good it is.
    curves
        Experiment -> times [T] and observables [T, O].
    what, measure
        What the number counts, and what the loss is; empty where there is none to be shown.
    """

    epoch: int
    loss: float
    curves: Mapping[str, tuple[FloatArray, FloatArray]]
    what: str = "epoch"
    measure: str = "loss"

    @property
    def title(self) -> str:
        """What it shows, in words."""
        return f"{self.what} {self.epoch}" + (f", {self.measure} {self.loss:.4g}" if self.measure else "")
