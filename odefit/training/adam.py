"""Adam (Kingma & Ba 2015) over a DataLoader: the training loop, which knows nothing of ODEs.

The module's forward(batch) is the loss; `project`, where it has one, brings its parameters back into
their bounds after each step. Parameters of submodules are network weights, and alone feel weight decay.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from odefit.errors import SolveError
from odefit.status import Ending, Reason, Status
from odefit.training.loss_history import Epoch, Thinned, TrainingOutcome, settled

REMEDY = "more fit.epochs or a fit.schedule"
JUDGED = 10
"""After so many epochs a state is judged by all data, where an epoch sees a part of them only."""


@dataclass(frozen=True)
class Schedule:
    """How the learning rate changes: see `ScheduleSection` of the config for the words."""

    kind: Literal["constant", "cosine", "exponential", "plateau"] = "constant"
    final: float | None = None
    factor: float = 0.5
    patience: int = 20


@dataclass(frozen=True)
class AdamOptions:
    """warm_up: over this share of the epochs the learning rate rises to what the schedule says."""

    epochs: int = 200
    learning_rate: float = 1e-2
    schedule: Schedule = field(default_factory=Schedule)
    gradient_clip: float | None = None
    weight_decay: float = 0.0
    patience: int | None = None
    warm_up: float = 0.0


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
    everything: Any | None = None,
) -> TrainingOutcome:
    """Train `module` in place and leave it at its best state.

    batches: iterated once per epoch (a DataLoader); a batch whose `mask` is False throughout is passed over.
    callback: called after every epoch. A loss or gradient that is not finite, or a solve that fails, ends the
    training with the best state so far; so does Ctrl-C.
    memory: keeps the optimizer's state as it goes, and gives back that from which to go on: the training then ends as
    if it had never ended, if the module and what its batches are drawn from are as they were too.
    everything: a batch of all data, where an epoch sees a random part of them.

    The loss of an epoch with one batch is that of the parameters before its step, and these are what is kept.
    With several batches it is a mean over parameters on the move, and those at the epoch's end are kept.
    Losses of random parts cannot be compared: the luckiest draw would win. There the loss on `everything` is computed
    at the start, after every tenth epoch and after the last, and it alone judges states, patience and plateaus.
    """
    run = _Run(module, options, everything)
    known = None if memory is None else memory.restored()
    if known is not None:
        run.restore(known)
    keeper, history = run.keeper, run.history
    try:
        ending = _train(run, batches, callback, memory)
    except KeyboardInterrupt:
        reason = Reason.INTERRUPTED if math.isfinite(keeper.loss) else Reason.INTERRUPTED_AT_START
        ending = Ending(reason, {"n": history.seen, "total": options.epochs, "unit": "epochs"})
    if not math.isfinite(keeper.loss) and ending.status != Status.INTERRUPTED:
        ending = replace(ending, failed=True)
    keeper.restore()
    best = {name: value.detach().clone() for name, value in module.state_dict().items()}
    return TrainingOutcome(ending, best, keeper.loss, keeper.epoch, history)


def _train(
    run: _Run,
    batches: Iterable[Any],
    callback: Callable[[Epoch, nn.Module], None] | None,
    memory: Memory | None,
) -> Ending:
    """All epochs that are left; how they ended."""
    options, keeper, history = run.options, run.keeper, run.history
    if not history:
        run.judge(0)
    for epoch in range(history.seen + 1, options.epochs + 1):
        passed = run.epoch(batches, epoch)
        if passed.cause:
            reason = Reason.BROKEN_OFF if history else Reason.BROKEN_OFF_AT_ONCE
            return Ending(reason, {"epoch": epoch, "cause": passed.cause})
        history.append(Epoch(epoch, passed.loss, passed.rate, passed.norm))
        is_judged = run.everything is None or epoch % JUDGED == 0 or epoch == options.epochs
        if run.everything is None:
            keeper.offer(passed.loss, epoch, before_step=passed.steps == 1)
        elif is_judged:
            run.judge(epoch)
        if callback is not None:
            callback(history[-1], run.module)
        if options.patience and is_judged and epoch - keeper.epoch >= options.patience:
            return Ending(Reason.NO_BETTER_LOSS, {"patience": options.patience})
        run.advance(passed.loss, is_judged)
        if memory is not None:
            memory.offer(run.state)
    losses = run.judged if run.everything is not None else [entry.loss for entry in history]
    return settled(losses, history.seen, "epochs", REMEDY)


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
    """One pass over the data: the mean loss, the learning rate, the last gradient's norm, how many steps.

    cause: why it broke off, or ''.
    """

    loss: float
    rate: float
    norm: float
    steps: int
    cause: str = ""


class _Run:
    """A training under way: what the next epoch depends on."""

    def __init__(self, module: nn.Module, options: AdamOptions, everything: Any | None) -> None:
        self.module, self.options, self.everything = module, options, everything
        self.parameters = [q for q in module.parameters() if q.requires_grad]
        # Weight decay is for weights: a rate constant is not pulled towards zero.
        weights = [q for name, q in module.named_parameters() if "." in name and q.requires_grad]
        others = [q for name, q in module.named_parameters() if "." not in name and q.requires_grad]
        groups: list[dict[str, Any]] = [{"params": others}, {"params": weights, "weight_decay": options.weight_decay}]
        # fused: one call for all tensors, twice as fast for a small network.
        self.optimizer = torch.optim.Adam([g for g in groups if g["params"]], lr=options.learning_rate, fused=True)
        self.scheduler = _scheduler(self.optimizer, options, 1 if everything is None else JUDGED)
        self.keeper = _Keeper(module)
        self.history = Thinned[Epoch]()
        self.judged = Thinned[float]()

    def epoch(self, batches: Iterable[Any], number: int) -> _Pass:
        """One pass over the data, with the scheduled learning rate or, while it warms up, a part of it."""
        rising = self.options.warm_up * self.options.epochs
        groups = self.optimizer.param_groups
        scheduled = groups[0]["lr"]
        rate = scheduled * min(number / rising, 1.0) if rising > 1 else scheduled
        for group in groups:
            group["lr"] = rate
        passed = self._pass(batches, rate)
        for group in groups:
            group["lr"] = scheduled
        return passed

    def _pass(self, batches: Iterable[Any], rate: float) -> _Pass:
        total, cells, norm, steps = 0.0, 0, math.nan, 0
        clip = self.options.gradient_clip or math.inf
        project = getattr(self.module, "project", None)
        for batch in batches:
            weight = int(batch.mask.sum()) if hasattr(batch, "mask") else 1
            if weight == 0:
                continue
            self.optimizer.zero_grad(set_to_none=True)
            try:
                loss = self.module(batch)
                value = loss.item()
                if not math.isfinite(value):
                    return _Pass(math.nan, rate, norm, steps, f"the loss is {value}")
                loss.backward()
            except SolveError as error:
                return _Pass(math.nan, rate, norm, steps, str(error))
            norm = float(nn.utils.clip_grad_norm_(self.parameters, clip))
            if not math.isfinite(norm):
                cause = "the gradient is not finite; lower fit.learning_rate or shorten the data"
                return _Pass(math.nan, rate, norm, steps, cause)
            if steps == 0 and self.everything is None and value < self.keeper.loss:
                self.keeper.note()
            self.optimizer.step()
            if project is not None:
                project()
            total, cells, steps = total + value * weight, cells + weight, steps + 1
        return _Pass(total / max(cells, 1), rate, norm, steps)

    @torch.no_grad()
    def judge(self, epoch: int) -> None:
        """Offer the present state, with its loss on everything."""
        if self.everything is None:
            return
        try:
            loss = float(self.module(self.everything))
        except SolveError:
            loss = math.inf
        self.judged.append(loss)
        self.keeper.offer(loss, epoch, before_step=False)

    def advance(self, loss: float, is_judged: bool) -> None:
        """The learning rate of the next epoch."""
        if isinstance(self.scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            if is_judged:
                self.scheduler.step(loss if self.everything is None else self.judged[-1])
        elif self.scheduler is not None:
            self.scheduler.step()

    def state(self) -> dict[str, Any]:
        """What the next epoch depends on, beside the module and its batches."""
        inner, history, judged = self.optimizer.state_dict()["state"], self.history, self.judged
        return {
            "moments": {str(k): {name: q.clone() for name, q in own.items()} for k, own in inner.items()},
            "rates": [group["lr"] for group in self.optimizer.param_groups],
            "schedule": None if self.scheduler is None else dict(self.scheduler.state_dict()),
            "best": [tensor.clone() for tensor in self.keeper.best],
            "best_loss": self.keeper.loss,
            "best_epoch": self.keeper.epoch,
            "history": np.array([[e.epoch, e.loss, e.learning_rate, e.gradient_norm] for e in history]),
            "history_at": [history.seen, history.stride],
            "judged": np.array(judged.entries),
            "judged_at": [judged.seen, judged.stride],
        }

    def restore(self, kept: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        whole = self.optimizer.state_dict()
        whole["state"] = {int(k): own for k, own in kept["moments"].items()}
        for group, rate in zip(whole["param_groups"], kept["rates"], strict=True):
            group["lr"] = rate
        self.optimizer.load_state_dict(whole)
        if self.scheduler is not None:
            self.scheduler.load_state_dict(dict(kept["schedule"]))
        self.keeper.put(kept["best"], kept["best_loss"], kept["best_epoch"])
        entries = [Epoch(int(row[0]), *map(float, row[1:])) for row in kept["history"]]
        self.history = Thinned(entries, *kept["history_at"])
        self.judged = Thinned(map(float, kept["judged"]), *kept["judged_at"])


def _scheduler(optimizer: torch.optim.Optimizer, options: AdamOptions, every: int) -> Any:
    """every: the epochs from one loss that a plateau is told of to the next."""
    schedule, n = options.schedule, options.epochs
    lowest = schedule.final if schedule.final is not None else options.learning_rate * 1e-2
    if schedule.kind == "cosine":
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(n - 1, 1), eta_min=lowest)
    if schedule.kind == "exponential":
        gamma = (lowest / options.learning_rate) ** (1 / max(n - 1, 1))
        return torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma)
    if schedule.kind == "plateau":
        return torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=schedule.factor, patience=max(schedule.patience // every, 1), min_lr=lowest
        )
    return None
