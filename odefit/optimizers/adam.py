"""Adam (Kingma & Ba 2015) over a DataLoader: the training loop, which knows nothing of ODEs.

The module's forward(batch) is the loss; `project`, where it has one, brings its parameters back into
their bounds after each step. Parameters of submodules are network weights, and alone feel weight decay.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from odefit.errors import SolveError

Status = Literal["converged", "stopped", "interrupted", "failed"]


@dataclass(frozen=True)
class Schedule:
    """How the learning rate changes: see `ScheduleSection` of the config for the words."""

    kind: Literal["constant", "cosine", "exponential", "plateau"] = "constant"
    final: float | None = None
    factor: float = 0.5
    patience: int = 20


@dataclass(frozen=True)
class AdamOptions:
    epochs: int = 200
    learning_rate: float = 1e-2
    schedule: Schedule = field(default_factory=Schedule)
    gradient_clip: float | None = None
    weight_decay: float = 0.0
    patience: int | None = None


@dataclass(frozen=True)
class Epoch:
    """One line of the history. loss: the mean over the epoch's batches, each weighted by its cells."""

    epoch: int
    loss: float
    learning_rate: float
    gradient_norm: float


@dataclass(frozen=True)
class Training:
    """How a training ended. `best` is the state of the module at its lowest loss."""

    status: Status
    message: str
    best: dict[str, Tensor]
    best_loss: float
    best_epoch: int
    history: tuple[Epoch, ...]


def minimize_adam(
    module: nn.Module,
    batches: Iterable[Any],
    options: AdamOptions,
    callback: Callable[[Epoch, nn.Module], None] | None = None,
) -> Training:
    """Train `module` in place and leave it at its best state.

    batches: iterated once per epoch (a DataLoader). callback: called after every epoch.
    A loss or gradient that is not finite, or a solve that fails, ends the training with the best state so
    far; so does Ctrl-C.
    """
    parameters = [q for q in module.parameters() if q.requires_grad]
    # Weight decay is for weights: a rate constant is not pulled towards zero.
    weights = [q for name, q in module.named_parameters() if "." in name and q.requires_grad]
    others = [q for name, q in module.named_parameters() if "." not in name and q.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": others},
        {"params": weights, "weight_decay": options.weight_decay},
    ]
    optimizer = torch.optim.Adam([g for g in groups if g["params"]], lr=options.learning_rate)
    scheduler = _scheduler(optimizer, options)
    best, best_loss, best_epoch = _snapshot(module), math.inf, 0
    history: list[Epoch] = []
    status: Status = "stopped"
    message = ""
    try:
        for epoch in range(1, options.epochs + 1):
            before = _snapshot(module)
            loss, norm, steps, cause = _epoch(module, batches, optimizer, options, parameters)
            if cause:
                message = f"stopped at epoch {epoch}: {cause}; the best parameters so far are kept"
                break
            history.append(Epoch(epoch, loss, optimizer.param_groups[0]["lr"], norm))
            if loss < best_loss:
                # A single batch's loss belongs to the parameters before its step.
                best, best_loss, best_epoch = (before if steps == 1 else _snapshot(module)), loss, epoch
            if callback is not None:
                callback(history[-1], module)
            if options.patience and epoch - best_epoch >= options.patience:
                status, message = "converged", f"no better loss in the last {options.patience} epochs"
                break
            _advance(scheduler, loss)
        else:
            status, message = _verdict(history)
    except KeyboardInterrupt:
        status = "interrupted"
        message = f"interrupted after {len(history)} of {options.epochs} epochs; the best parameters so far are kept"
    if not math.isfinite(best_loss) and status != "interrupted":
        status = "failed"
    module.load_state_dict(best)
    return Training(status, message, best, best_loss, best_epoch, tuple(history))


def _epoch(
    module: nn.Module,
    batches: Iterable[Any],
    optimizer: torch.optim.Optimizer,
    options: AdamOptions,
    parameters: list[nn.Parameter],
) -> tuple[float, float, int, str]:
    """One pass: mean loss, the last gradient's norm, how many steps, and why it broke off (or '')."""
    total, cells, norm, steps = 0.0, 0, math.nan, 0
    clip = options.gradient_clip or math.inf
    for batch in batches:
        optimizer.zero_grad(set_to_none=True)
        try:
            loss = module(batch)
        except SolveError as error:
            return math.nan, norm, steps, str(error)
        if not torch.isfinite(loss):
            return math.nan, norm, steps, f"the loss is {loss.item()}"
        loss.backward()
        norm = float(nn.utils.clip_grad_norm_(parameters, clip))
        if not math.isfinite(norm):
            return (
                math.nan,
                norm,
                steps,
                "the gradient is not finite; lower fit.learning_rate or shorten the data",
            )
        optimizer.step()
        project = getattr(module, "project", None)
        if project is not None:
            project()
        weight = int(batch.mask.sum()) if hasattr(batch, "mask") else 1
        total, cells, steps = total + loss.item() * weight, cells + weight, steps + 1
    return total / max(cells, 1), norm, steps, ""


def _snapshot(module: nn.Module) -> dict[str, Tensor]:
    return copy.deepcopy(module.state_dict())


def _scheduler(optimizer: torch.optim.Optimizer, options: AdamOptions) -> Any:
    schedule, n = options.schedule, options.epochs
    lowest = schedule.final if schedule.final is not None else options.learning_rate * 1e-2
    if schedule.kind == "cosine":
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(n - 1, 1), eta_min=lowest)
    if schedule.kind == "exponential":
        gamma = (lowest / options.learning_rate) ** (1 / max(n - 1, 1))
        return torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma)
    if schedule.kind == "plateau":
        return torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=schedule.factor, patience=schedule.patience, min_lr=lowest
        )
    return None


def _advance(scheduler: Any, loss: float) -> None:
    if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
        scheduler.step(loss)
    elif scheduler is not None:
        scheduler.step()


def _verdict(history: list[Epoch]) -> tuple[Status, str]:
    """Whether the loss had settled when the epochs were used up: below 0.1 % of change over their last tenth."""
    n = len(history)
    tail = [entry.loss for entry in history[-max(n // 10, 2) :]]
    change = abs(tail[0] - tail[-1]) / max(abs(tail[-1]), 1e-300)
    if n >= 20 and change < 1e-3:
        return "converged", f"the loss settled: it changed by {change:.1e} over the last {len(tail)} epochs"
    return "stopped", (
        f"all {n} epochs used; the loss still changed by {change:.1%} over the last {len(tail)}: "
        "more fit.epochs or a fit.schedule may improve it"
    )
