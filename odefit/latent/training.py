"""The training loop of latent ODEs and of their baseline: Adam, minibatches, a rate that falls along a cosine."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from odefit.errors import SolveError
from odefit.status import Status


class Objective(Protocol):
    """What is trained: a module, and its loss on some rows of its series.

    progress: 0 at the beginning of the training, 1 at its end. All randomness comes from the generator.
    """

    @property
    def model(self) -> nn.Module: ...

    def __len__(self) -> int: ...

    def loss(self, rows: Tensor, progress: float, generator: torch.Generator) -> Tensor: ...


class Memory(Protocol):
    """What outlives the process. A state is a mapping of plain values, arrays and tensors."""

    def restored(self) -> Mapping[str, Any] | None:
        """The state from which to go on, or None."""
        ...

    def offer(self, state: Callable[[], dict[str, Any]]) -> None:
        """After every epoch; `state` is called at once if it is to be kept."""
        ...


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
    """How a training ended; the module is left at the state of `best_epoch`, whose score was the lowest.

    best_epoch: 0 where the training broke off before there was any score; the state is then the last one.
    """

    status: Status
    message: str
    best_epoch: int
    history: tuple[Epoch, ...]


def train(
    objective: Objective,
    options: TrainingOptions,
    score: Callable[[], float] | None = None,
    callback: Callable[[Epoch], None] | None = None,
    memory: Memory | None = None,
) -> Trained:
    """Train `objective.model` in place.

    score: how good the module is now, on series that it is not trained on (lower is better); the state with the lowest
    score is kept. Without it the last state is, since the loss of an epoch with a short horizon says nothing of a
    later one's. callback: called after every epoch. memory: keeps what was reached as it goes, and gives back that from
    which to go on: the training then ends as if it had never ended.

    A loss or gradient that is not finite, or a solve that fails, ends the training with the best state so far; so does
    Ctrl-C.
    """
    parameters = [q for q in objective.model.parameters() if q.requires_grad]
    state = _State(
        torch.optim.Adam(parameters, lr=options.learning_rate, fused=True),
        torch.Generator().manual_seed(options.seed),
        _Keeper(objective.model, score),
        [],
    )
    known = None if memory is None else memory.restored()
    if known is not None:
        state.put(known)
    history, keeper = state.history, state.keeper
    status = Status.STOPPED
    message = f"all {options.epochs} epochs used"
    begun = time.perf_counter() - (history[-1].seconds if history else 0.0)
    try:
        for epoch in range(len(history) + 1, options.epochs + 1):
            rate = _rate(options, (epoch - 1) / max(options.epochs - 1, 1))
            state.optimizer.param_groups[0]["lr"] = rate
            progress = (epoch - 1) / options.epochs
            loss, cause = _epoch(objective, options, state.optimizer, parameters, progress, state.generator)
            if cause:
                status, message = Status.FAILED, f"stopped at epoch {epoch}: {cause}; the best state so far is kept"
                break
            due = epoch == options.epochs or epoch % options.score_every == 0
            now = keeper.offer(epoch) if due or score is None else None
            history.append(Epoch(epoch, loss, rate, time.perf_counter() - begun, now))
            if callback is not None:
                callback(history[-1])
            if memory is not None:
                memory.offer(state.taken)
    except KeyboardInterrupt:
        status, message = Status.INTERRUPTED, f"interrupted after {len(history)} of {options.epochs} epochs"
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
        self.model, self._score = model, score
        self.best = copy.deepcopy(model.state_dict())
        self.lowest = math.inf
        self.epoch = 0

    def offer(self, epoch: int) -> float | None:
        """Look at the state as it is; its score."""
        now = None if self._score is None else self._score()
        if now is None or now < self.lowest:
            self.put(copy.deepcopy(self.model.state_dict()), math.inf if now is None else now, epoch)
        return now

    def put(self, best: dict[str, Any], lowest: float, epoch: int) -> None:
        self.best, self.lowest, self.epoch = best, lowest, epoch

    def restore(self) -> None:
        """Put the module into its best state; where there is none yet, the present one is better than the first."""
        if self.epoch:
            self.model.load_state_dict(self.best)


@dataclass(frozen=True)
class _State:
    """All that the next epoch depends on."""

    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    keeper: _Keeper
    history: list[Epoch]

    def taken(self) -> dict[str, Any]:
        """A copy, as plain values, arrays and tensors."""
        moments = self.optimizer.state_dict()["state"]
        return {
            "model": {name: q.clone() for name, q in self.keeper.model.state_dict().items()},
            "moments": {str(k): {name: q.clone() for name, q in own.items()} for k, own in moments.items()},
            "generator": self.generator.get_state(),
            "best": dict(self.keeper.best),
            "lowest": self.keeper.lowest,
            "best_epoch": self.keeper.epoch,
            # A score that was not asked for is no number.
            "history": np.array([[e.loss, e.learning_rate, e.seconds, _nan(e.score)] for e in self.history]),
        }

    def put(self, known: Mapping[str, Any]) -> None:
        """The inverse of `taken`."""
        self.keeper.model.load_state_dict(known["model"])
        whole = self.optimizer.state_dict()
        whole["state"] = {int(k): own for k, own in known["moments"].items()}
        self.optimizer.load_state_dict(whole)
        self.generator.set_state(known["generator"])
        self.keeper.put(known["best"], known["lowest"], known["best_epoch"])
        for k, (loss, rate, seconds, score) in enumerate(known["history"].tolist(), 1):
            self.history.append(Epoch(k, loss, rate, seconds, None if math.isnan(score) else score))


def _nan(value: float | None) -> float:
    return math.nan if value is None else value
