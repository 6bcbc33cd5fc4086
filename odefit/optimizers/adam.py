"""Adam (Kingma & Ba 2015) over a DataLoader: the training loop, which knows nothing of ODEs.

The module's forward(batch) is the loss; `project`, where it has one, brings its parameters back into
their bounds after each step. Parameters of submodules are network weights, and alone feel weight decay.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from odefit.errors import SolveError

REMEDY = "more fit.epochs or a fit.schedule"

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


class Memory(Protocol):
    """What outlives the process. A state is a mapping of plain values, arrays and tensors."""

    def restored(self) -> Mapping[str, Any] | None:
        """The state from which to go on, or None."""
        ...

    def offer(self, state: Callable[[], dict[str, Any]]) -> None:
        """After every epoch; `state` is called at once if it is to be kept."""
        ...


def minimize_adam(
    module: nn.Module,
    batches: Iterable[Any],
    options: AdamOptions,
    callback: Callable[[Epoch, nn.Module], None] | None = None,
    memory: Memory | None = None,
) -> Training:
    """Train `module` in place and leave it at its best state.

    batches: iterated once per epoch (a DataLoader); a batch whose `mask` is False throughout is passed over.
    callback: called after every epoch. A loss or gradient that is not finite, or a solve that fails, ends the
    training with the best state so far; so does Ctrl-C.
    memory: keeps the optimizer's state as it goes, and gives back that from which to go on: the training then ends as
    if it had never ended, if the module and what its batches are drawn from are as they were too.

    The loss of an epoch with one batch is that of the parameters before its step, and these are what is kept.
    With several batches it is a mean over parameters on the move, and those at the epoch's end are kept.
    """
    parameters = [q for q in module.parameters() if q.requires_grad]
    # Weight decay is for weights: a rate constant is not pulled towards zero.
    weights = [q for name, q in module.named_parameters() if "." in name and q.requires_grad]
    others = [q for name, q in module.named_parameters() if "." not in name and q.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": others},
        {"params": weights, "weight_decay": options.weight_decay},
    ]
    # fused: one call for all tensors, twice as fast for a small network.
    optimizer = torch.optim.Adam([g for g in groups if g["params"]], lr=options.learning_rate, fused=True)
    scheduler = _scheduler(optimizer, options)
    keeper = _Keeper(module)
    history: list[Epoch] = []
    known = None if memory is None else memory.restored()
    if known is not None:
        history = _restore(known, optimizer, scheduler, keeper)
    status: Status = "stopped"
    message = ""
    try:
        for epoch in range(len(history) + 1, options.epochs + 1):
            passed = _epoch(module, batches, optimizer, options, parameters, keeper)
            if passed.cause:
                kept = "the best parameters so far are kept" if history else "the start is kept"
                message = f"stopped at epoch {epoch}: {passed.cause}; {kept}"
                break
            history.append(Epoch(epoch, passed.loss, optimizer.param_groups[0]["lr"], passed.norm))
            keeper.offer(passed.loss, epoch, before_step=passed.steps == 1)
            if callback is not None:
                callback(history[-1], module)
            if options.patience and epoch - keeper.epoch >= options.patience:
                status, message = "converged", f"no better loss in the last {options.patience} epochs"
                break
            _advance(scheduler, passed.loss)
            if memory is not None:
                memory.offer(lambda: _state(optimizer, scheduler, keeper, history))
        else:
            status, message = settled([entry.loss for entry in history], "epochs", REMEDY)
    except KeyboardInterrupt:
        status = "interrupted"
        kept = "the best parameters so far are kept" if math.isfinite(keeper.loss) else "the start is kept"
        message = f"interrupted after {len(history)} of {options.epochs} epochs; {kept}"
    if not math.isfinite(keeper.loss) and status != "interrupted":
        status = "failed"
    keeper.restore()
    best = {name: value.detach().clone() for name, value in module.state_dict().items()}
    return Training(status, message, best, keeper.loss, keeper.epoch, tuple(history))


def _state(optimizer: torch.optim.Optimizer, scheduler: Any, keeper: _Keeper, history: list[Epoch]) -> dict[str, Any]:
    """What the next epoch depends on, beside the module and its batches."""
    inner = optimizer.state_dict()["state"]
    return {
        "moments": {str(k): {name: q.clone() for name, q in own.items()} for k, own in inner.items()},
        "rates": [group["lr"] for group in optimizer.param_groups],
        "schedule": None if scheduler is None else dict(scheduler.state_dict()),
        "best": [tensor.clone() for tensor in keeper.best],
        "best_loss": keeper.loss,
        "best_epoch": keeper.epoch,
        "history": np.array([[e.loss, e.learning_rate, e.gradient_norm] for e in history]),
    }


def _restore(kept: Mapping[str, Any], optimizer: torch.optim.Optimizer, scheduler: Any, keeper: _Keeper) -> list[Epoch]:
    """The inverse of `_state`; the history."""
    whole = optimizer.state_dict()
    whole["state"] = {int(k): own for k, own in kept["moments"].items()}
    for group, rate in zip(whole["param_groups"], kept["rates"], strict=True):
        group["lr"] = rate
    optimizer.load_state_dict(whole)
    if scheduler is not None:
        scheduler.load_state_dict(dict(kept["schedule"]))
    keeper.put(kept["best"], kept["best_loss"], kept["best_epoch"])
    return [Epoch(k + 1, *map(float, row)) for k, row in enumerate(kept["history"])]


class _Keeper:
    """Two copies of a module's state, made once: the best so far, and that before the epoch's first step."""

    def __init__(self, module: nn.Module) -> None:
        self._live = [tensor.detach() for tensor in (*module.parameters(), *module.buffers())]
        self._best = [tensor.clone() for tensor in self._live]
        self._before = [tensor.clone() for tensor in self._live]
        self.loss, self.epoch = math.inf, 0

    def note(self) -> None:
        """Remember the state as it is, before a step."""
        self._copy(self._live, self._before)

    def offer(self, loss: float, epoch: int, before_step: bool) -> None:
        """Keep the present state, or the one that was noted, if this loss is the lowest."""
        if not loss < self.loss:
            return
        if not before_step:
            self.note()
        # Exchanged, not copied: an interrupt in the middle of a copy spoils nothing.
        self._best, self._before = self._before, self._best
        self.loss, self.epoch = loss, epoch

    def restore(self) -> None:
        self._copy(self._best, self._live)

    @property
    def best(self) -> list[Tensor]:
        return self._best

    def put(self, best: list[Tensor], loss: float, epoch: int) -> None:
        self._copy(best, self._best)
        self.loss, self.epoch = loss, epoch

    @staticmethod
    def _copy(sources: list[Tensor], targets: list[Tensor]) -> None:
        for source, target in zip(sources, targets, strict=True):
            target.copy_(source)


@dataclass(frozen=True)
class _Pass:
    """One pass over the data: the mean loss, the last gradient's norm, how many steps, why it broke off (or '')."""

    loss: float
    norm: float
    steps: int
    cause: str = ""


def _epoch(
    module: nn.Module,
    batches: Iterable[Any],
    optimizer: torch.optim.Optimizer,
    options: AdamOptions,
    parameters: list[nn.Parameter],
    keeper: _Keeper,
) -> _Pass:
    total, cells, norm, steps = 0.0, 0, math.nan, 0
    clip = options.gradient_clip or math.inf
    project = getattr(module, "project", None)
    for batch in batches:
        weight = int(batch.mask.sum()) if hasattr(batch, "mask") else 1
        if weight == 0:
            continue
        optimizer.zero_grad(set_to_none=True)
        try:
            loss = module(batch)
            value = loss.item()
            if not math.isfinite(value):
                return _Pass(math.nan, norm, steps, f"the loss is {value}")
            loss.backward()
        except SolveError as error:
            return _Pass(math.nan, norm, steps, str(error))
        norm = float(nn.utils.clip_grad_norm_(parameters, clip))
        if not math.isfinite(norm):
            cause = "the gradient is not finite; lower fit.learning_rate or shorten the data"
            return _Pass(math.nan, norm, steps, cause)
        if steps == 0 and value < keeper.loss:
            keeper.note()
        optimizer.step()
        if project is not None:
            project()
        total, cells, steps = total + value * weight, cells + weight, steps + 1
    return _Pass(total / max(cells, 1), norm, steps)


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


def settled(losses: Sequence[float], what: str, remedy: str) -> tuple[Status, str]:
    """Whether a loss had settled when all epochs were used: below 0.1 % of change over their last tenth."""
    n = len(losses)
    tail = losses[-max(n // 10, 2) :]
    change = abs(tail[0] - tail[-1]) / max(abs(tail[-1]), 1e-300)
    if n >= 20 and change < 1e-3:
        return "converged", f"the loss settled: it changed by {change:.1e} over the last {len(tail)} {what}"
    return "stopped", (
        f"all {n} {what} used; the loss still changed by {change:.1%} over the last {len(tail)}: "
        f"{remedy} may improve it"
    )
