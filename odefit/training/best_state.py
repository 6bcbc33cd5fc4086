"""Which state of a module a training leaves behind: that of the lowest loss, of the lowest score, or the last one.

A `Keeper` looks at the module after every epoch, keeps a copy where that is the best so far, and puts the module back
into it at the end. What it says of an epoch, its score, is what patience and plateaus go by.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from odefit.errors import SolveError
from odefit.records import dataclass

SCORE_EVERY = 10
"""Epochs between two scores: each costs as much as the solution of all data, without a gradient."""


@dataclass(frozen=True)
class Passed:
    """What a keeper needs to know of an epoch: its number, from 1 on, and whether no other follows; the mean loss over
    its batches, and how many steps it had."""

    number: int
    loss: float
    n_steps: int
    is_last: bool


class Keeper:
    """Keep the state with the lowest loss of all epochs.

    The loss of an epoch with one batch is that of the parameters before its step, and these are kept. With several
    batches it is a mean over parameters on the move, and those at the epoch's end are kept.

    Parameters
    ----------
    module
        What is trained. Its state is held in two copies, made once: the best so far, and one for what may become it.

    Attributes
    ----------
    loss, epoch
        Of the state that is kept; infinite and 0 where there is none yet.
    every
        Epochs between two scores.
    live, best, spare
        The tensors of the module itself, and the two copies.
    """

    every = 1

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.live = [tensor.detach() for tensor in (*module.parameters(), *module.buffers())]
        self.best = [tensor.clone() for tensor in self.live]
        self.spare = [tensor.clone() for tensor in self.live]
        self.loss, self.epoch = math.inf, 0

    def begin(self) -> float | None:
        """Look at the start, before the first epoch; its score, or None where it has none."""
        return None

    def before_first_step(self, loss: float) -> None:
        """Look at the state that the first batch of an epoch has this loss at."""
        if loss < self.loss:
            _copy(self.live, self.spare)

    def after_epoch(self, passed: Passed) -> float | None:
        """Look at the state at the end of an epoch; its score, or None where it has none."""
        if passed.loss < self.loss:
            self.keep(passed.loss, passed.number, before_step=passed.n_steps == 1)
        return passed.loss

    def keep(self, loss: float, epoch: int, before_step: bool = False) -> None:
        """Keep the present state, or the one before the epoch's first step."""
        if not before_step:
            _copy(self.live, self.spare)
        # Exchanged, not copied: an interrupt in the middle of a copy spoils nothing.
        self.best, self.spare = self.spare, self.best
        self.loss, self.epoch = loss, epoch

    def put_back(self) -> None:
        """Put the module into the state that is kept; where there is none, into its start."""
        _copy(self.best, self.live)

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"best": [tensor.clone() for tensor in self.best], "loss": self.loss, "epoch": self.epoch}

    def restore(self, kept: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        _copy(kept["best"], self.best)
        self.loss, self.epoch = kept["loss"], kept["epoch"]


class LowestScore(Keeper):
    """Keep the state with the lowest score, where the losses of two epochs cannot be compared.

    Losses of random parts of the data cannot: the luckiest draw would win.

    Parameters
    ----------
    score
        How good the module is now; lower is better. A SolveError counts as infinite.
    every
        Epochs between two scores; the last epoch has one in any case.
    with_start
        Whether the start counts. Without, a training that ends before the first score leaves the state it has reached.
    """

    def __init__(
        self, module: nn.Module, score: Callable[[], float], every: int = SCORE_EVERY, *, with_start: bool = True
    ) -> None:
        super().__init__(module)
        self.score, self.every, self.with_start = score, every, with_start

    def begin(self) -> float | None:
        return self._judge(0) if self.with_start else None

    def before_first_step(self, loss: float) -> None:
        """The state at the epoch's end is what counts."""

    def after_epoch(self, passed: Passed) -> float | None:
        return self._judge(passed.number) if passed.is_last or passed.number % self.every == 0 else None

    @torch.no_grad()
    def _judge(self, epoch: int) -> float:
        try:
            score = self.score()
        except SolveError:
            score = math.inf
        if score < self.loss:
            self.keep(score, epoch)
        return score

    def put_back(self) -> None:
        if self.epoch or self.with_start:
            super().put_back()


class LastState(Keeper):
    """Keep the state at the end of the last whole epoch, where nothing tells which one is the best."""

    def before_first_step(self, loss: float) -> None:
        """The state at the epoch's end is what counts."""

    def after_epoch(self, passed: Passed) -> float | None:
        self.keep(passed.loss, passed.number)
        return None


def _copy(sources: list[Tensor], targets: list[Tensor]) -> None:
    for source, target in zip(sources, targets, strict=True):
        target.copy_(source)
