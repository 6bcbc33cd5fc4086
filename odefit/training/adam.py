"""Adam (Kingma & Ba 2015) over batches: the training loop, which knows nothing of ODEs.

The module's forward(batch) is the loss; `project`, where it has one, brings its parameters back into
their bounds after each step. Parameters of submodules are network weights, and alone feel weight decay.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from typing import Any, Protocol

import numpy as np
from torch import nn

from odefit.errors import SolveError
from odefit.records import dataclass
from odefit.status import Ending, Reason, Status
from odefit.training.adam_steps import AdamSteps
from odefit.training.best_state import Keeper, Passed
from odefit.training.learning_rate import LearningRate, Schedule
from odefit.training.loss_history import Epoch, Thinned, TrainingOutcome, settled

REMEDY = "more fit.epochs or a fit.schedule"


@dataclass(frozen=True)
class AdamOptions:
    """How Adam goes about it.

    Parameters
    ----------
    epochs
        How often each batch is seen.
    learning_rate
        The length of a step in each parameter, at first.
    schedule
        How it changes from epoch to epoch.
    gradient_clip
        A gradient that is longer is shortened to this; None: none is.
    weight_decay
        The weight of the squares of network weights.
    patience
        The training ends after this many epochs without a better state; None: it does not.
    warm_up
        Over this share of the epochs the learning rate rises to what the schedule says.
    """

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
    keeper: Keeper | None = None,
) -> TrainingOutcome:
    """Train `module` in place and leave it at the state that the keeper keeps.

    A loss or gradient that is not finite, or a solve that fails, ends the training with the state that is kept by
    then; so does Ctrl-C.

    Parameters
    ----------
    module
        Its forward(batch) is the loss.
    batches
        Iterated once per epoch. A batch with a `mask` counts by how many of its elements are True, and not at all
        where none is; any other counts as one.
    options
        Epochs, learning rate and the like.
    callback
        Called after every epoch.
    memory
        Keeps the optimizer's state as it goes, and gives back that from which to go on: the training then ends as if
        it had never been broken off, if the module and what its batches are drawn from are as they were too.
    keeper
        Decides which state is the best one; default: that of the lowest loss.

    Returns
    -------
    TrainingOutcome
        How it ended, and its history.

    References
    ----------
    Kingma & Ba (2015), "Adam: a method for stochastic optimization".
    """
    keeper = keeper or Keeper(module)
    run = _Run(module, options, keeper)
    known = None if memory is None else memory.restored()
    if known is not None:
        run.restore(known)
    history = run.history
    try:
        ending = _train(run, batches, callback, memory)
    except KeyboardInterrupt:
        reason = Reason.INTERRUPTED if math.isfinite(keeper.loss) else Reason.INTERRUPTED_AT_START
        ending = Ending(reason, {"n": history.seen, "total": options.epochs, "unit": "epochs"})
    if not math.isfinite(keeper.loss) and ending.status != Status.INTERRUPTED:
        ending = replace(ending, failed=True)
    keeper.put_back()
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
    if not history and (first := keeper.begin()) is not None:
        run.scores.append(first)
    for number in range(history.seen + 1, options.epochs + 1):
        rate = run.optimizer.rate = run.rate.begin(number)
        passed = run.epoch(batches)
        if passed.cause:
            reason = Reason.BROKEN_OFF if history else Reason.BROKEN_OFF_AT_ONCE
            return Ending(reason, {"epoch": number, "cause": passed.cause})
        score = keeper.after_epoch(Passed(number, passed.loss, passed.steps, number == options.epochs))
        history.append(Epoch(number, passed.loss, rate, passed.norm, score))
        if callback is not None:
            callback(history[-1], run.module)
        if options.patience and score is not None and number - keeper.epoch >= options.patience:
            return Ending(Reason.NO_BETTER_LOSS, {"patience": options.patience})
        if score is not None:
            run.scores.append(score)
        run.rate.advance(score)
        if memory is not None:
            memory.offer(run.state)
    return settled(run.scores or [entry.loss for entry in history], history.seen, "epochs", REMEDY)


@dataclass(frozen=True)
class _Pass:
    """One pass over the data: the mean loss, the last gradient's norm, how many steps.

    cause: why it broke off, or ''.
    """

    loss: float
    norm: float
    steps: int
    cause: str = ""


class _Run:
    """A training under way: what the next epoch depends on."""

    def __init__(self, module: nn.Module, options: AdamOptions, keeper: Keeper) -> None:
        self.module, self.options, self.keeper = module, options, keeper
        self.parameters = [q for q in module.parameters() if q.requires_grad]
        # Weight decay is for weights: a rate constant is not pulled towards zero.
        weights = [q for name, q in module.named_parameters() if "." in name and q.requires_grad]
        others = [q for name, q in module.named_parameters() if "." not in name and q.requires_grad]
        self.optimizer = AdamSteps(others, weights, options.learning_rate, options.weight_decay)
        self.rate = LearningRate(options.learning_rate, options.schedule, options.epochs, options.warm_up, keeper.every)
        self.history = Thinned[Epoch]()
        self.scores = Thinned[float]()

    def epoch(self, batches: Iterable[Any]) -> _Pass:
        """One pass over the data."""
        total, cells, norm, steps = 0.0, 0, math.nan, 0
        clip = self.options.gradient_clip or math.inf
        project = getattr(self.module, "project", None)
        for batch in batches:
            weight = int(batch.mask.sum()) if hasattr(batch, "mask") else 1
            if weight == 0:
                continue
            self.optimizer.zero_grad()
            try:
                loss = self.module(batch)
                value = loss.item()
                if not math.isfinite(value):
                    return _Pass(math.nan, norm, steps, f"the loss is {value}")
                loss.backward()
            except SolveError as error:
                return _Pass(math.nan, norm, steps, str(error))
            norm = float(nn.utils.clip_grad_norm_(self.parameters, clip))
            if not math.isfinite(norm):
                cause = "the gradient is not finite; lower fit.learning_rate or shorten the data"
                return _Pass(math.nan, norm, steps, cause)
            if steps == 0:
                self.keeper.before_first_step(value)
            self.optimizer.step()
            if project is not None:
                project()
            total, cells, steps = total + value * weight, cells + weight, steps + 1
        return _Pass(total / max(cells, 1), norm, steps)

    def state(self) -> dict[str, Any]:
        """What the next epoch depends on, beside the module and its batches."""
        history, scores = self.history, self.scores
        return {
            **self.optimizer.state(),
            "rate": self.rate.state(),
            "kept": self.keeper.state(),
            "history": np.array([e.numbers for e in history]),
            "history_at": [history.seen, history.stride],
            "scores": np.array(scores.entries),
            "scores_at": [scores.seen, scores.stride],
        }

    def restore(self, kept: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        self.optimizer.restore(kept)
        self.rate.restore(kept["rate"])
        self.keeper.restore(kept["kept"])
        self.history = Thinned(map(Epoch.of, kept["history"].tolist()), *kept["history_at"])
        self.scores = Thinned(map(float, kept["scores"]), *kept["scores_at"])
