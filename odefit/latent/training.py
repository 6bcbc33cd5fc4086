"""The training loop of latent ODEs and of their baseline: Adam, minibatches, a rate that falls along a cosine."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from odefit.errors import SolveError

Status = Literal["stopped", "interrupted", "failed"]


class Objective(Protocol):
    """What is trained: a module, and its loss on some rows of its series.

    progress: 0 at the beginning of the training, 1 at its end. All randomness comes from the generator.
    """

    @property
    def model(self) -> nn.Module: ...

    def __len__(self) -> int: ...

    def loss(self, rows: Tensor, progress: float, generator: torch.Generator) -> Tensor: ...


@dataclass(frozen=True)
class TrainingOptions:
    """epochs: how often each series is seen. batch_size: series per step. final_rate: the learning rate at the end,
    as a share of the first. gradient_clip: largest norm. score_every: epochs between two scores."""

    epochs: int = 200
    batch_size: int = 50
    learning_rate: float = 1e-2
    final_rate: float = 0.01
    gradient_clip: float | None = 1.0
    score_every: int = 10
    seed: int = 0


@dataclass(frozen=True)
class Epoch:
    """One line of the history. loss: the mean over the steps; score: None where it was not asked for."""

    epoch: int
    loss: float
    learning_rate: float
    seconds: float
    score: float | None = None


@dataclass(frozen=True)
class Trained:
    """How a training ended; the module is left at the state of `best_epoch`, whose score was the lowest."""

    status: Status
    message: str
    best_epoch: int
    history: tuple[Epoch, ...]


def train(
    objective: Objective,
    options: TrainingOptions,
    score: Callable[[], float] | None = None,
    callback: Callable[[Epoch], None] | None = None,
) -> Trained:
    """Train `objective.model` in place.

    score: how good the module is now, on series that it is not trained on (lower is better); the state with the lowest
    score is kept. Without it the last state is, since the loss of an epoch with a short horizon says nothing of a
    later one's. callback: called after every epoch.

    A loss or gradient that is not finite, or a solve that fails, ends the training with the best state so far; so does
    Ctrl-C.
    """
    generator = torch.Generator().manual_seed(options.seed)
    parameters = [q for q in objective.model.parameters() if q.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=options.learning_rate, fused=True)
    keeper = _Keeper(objective.model, score)
    history: list[Epoch] = []
    status: Status = "stopped"
    message = f"all {options.epochs} epochs used"
    begun = time.perf_counter()
    try:
        for epoch in range(1, options.epochs + 1):
            rate = _rate(options, (epoch - 1) / max(options.epochs - 1, 1))
            optimizer.param_groups[0]["lr"] = rate
            progress = (epoch - 1) / options.epochs
            loss, cause = _epoch(objective, options, optimizer, parameters, progress, generator)
            if cause:
                status, message = "failed", f"stopped at epoch {epoch}: {cause}; the best state so far is kept"
                break
            due = epoch == options.epochs or epoch % options.score_every == 0
            now = keeper.offer(epoch) if due or score is None else None
            history.append(Epoch(epoch, loss, rate, time.perf_counter() - begun, now))
            if callback is not None:
                callback(history[-1])
    except KeyboardInterrupt:
        status, message = "interrupted", f"interrupted after {len(history)} of {options.epochs} epochs"
    keeper.restore()
    return Trained(status, message, keeper.epoch, tuple(history))


def _epoch(
    objective: Objective,
    options: TrainingOptions,
    optimizer: torch.optim.Optimizer,
    parameters: list[nn.Parameter],
    progress: float,
    generator: torch.Generator,
) -> tuple[float, str]:
    """Every series once: the mean loss, and why it broke off (or '')."""
    losses = []
    order = torch.randperm(len(objective), generator=generator)
    for rows in torch.split(order, options.batch_size):
        optimizer.zero_grad(set_to_none=True)
        try:
            loss = objective.loss(rows, progress, generator)
            loss.backward()  # type: ignore[no-untyped-call]
        except SolveError as error:
            return math.nan, str(error)
        norm = nn.utils.clip_grad_norm_(parameters, options.gradient_clip or math.inf)
        if not (math.isfinite(loss.item()) and math.isfinite(float(norm))):
            return math.nan, "the loss or its gradient is not finite; lower the learning rate"
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses), ""


def _rate(options: TrainingOptions, progress: float) -> float:
    """The learning rate: along half a cosine from the first to the final one."""
    low = options.learning_rate * options.final_rate
    return low + 0.5 * (options.learning_rate - low) * (1 + math.cos(math.pi * progress))


class _Keeper:
    """The best state of a module so far."""

    def __init__(self, model: nn.Module, score: Callable[[], float] | None) -> None:
        self._model, self._score = model, score
        self._best = copy.deepcopy(model.state_dict())
        self._lowest = math.inf
        self.epoch = 0

    def offer(self, epoch: int) -> float | None:
        """Look at the state as it is; its score."""
        now = None if self._score is None else self._score()
        if now is None or now < self._lowest:
            self._lowest = math.inf if now is None else now
            self._best = copy.deepcopy(self._model.state_dict())
            self.epoch = epoch
        return now

    def restore(self) -> None:
        self._model.load_state_dict(self._best)
