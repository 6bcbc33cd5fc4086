"""The stages of a training: match slopes, shoot over windows, train on whole series.

Each stage makes an objective from what the one before has left, and the same loop minimises it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import nn

from odefit.arrays import FloatArray
from odefit.config.fit_methods import FitMethod, Need
from odefit.data.dataset import data_loader
from odefit.model.system import symbol
from odefit.objective.problem import FitProblem
from odefit.records import dataclass
from odefit.training import matching, windows
from odefit.training.hidden_states import with_hidden
from odefit.training.objective_torch import TrainingObjective
from odefit.training.smoothing import Smoothed, smooth

FIRST_WEIGHT_SHARE = 0.01
"""A continuity penalty begins with this share of its weight."""
WEIGHT_GROWTH = 10.0
"""Factor of a continuity penalty from each round of its stage to the next."""


@dataclass(frozen=True)
class WindowOptions:
    """Stages of multiple shooting.

    Attributes
    ----------
    points
        Times per window, one number per stage.
    epochs
        Of each stage, the last number for all that follow; by default what suits the method.
    overlap
        The share of a window that its follower covers, besides the one time that they always share; in [0, 1).
    states
        Windows start from the smoothed data, or from states that are free.
    continuity
        Weight of the gaps between windows at the end of each stage; 0 for none. See `training/windows.py`.
    random
        In each epoch another random choice of all possible windows, as many as would cover the data once.
    steps
        Runge-Kutta steps between neighbouring times; None for as many as the model needs.
    """

    points: tuple[int, ...] = (10, 34)
    epochs: tuple[int, ...] | None = None
    overlap: float = 0.5
    states: Literal["free", "data"] = "free"
    continuity: float = 0.0
    random: bool = False
    steps: int | None = None


class TrainingState:
    """What goes from stage to stage: the objective on whole series, and y [T, S] at every time of every series."""

    def __init__(
        self, module: TrainingObjective, generator: torch.Generator, batch_size: int | None, method: FitMethod
    ) -> None:
        self.module, self.generator, self.batch_size, self.method = module, generator, batch_size, method
        self._states: list[FloatArray] | None = None

    @property
    def problem(self) -> FitProblem:
        return self.module.problem

    @property
    def whole_batch(self) -> bool:
        return not self.method.by_batches

    @cached_property
    def smoothed(self) -> list[Smoothed]:
        return with_hidden(self.problem, smooth(self.problem))

    @property
    def theta(self) -> FloatArray:
        return self.problem.table.to_natural(self.module.u.detach().to(torch.float64).cpu().numpy())

    @property
    def states(self) -> list[FloatArray]:
        """The best that is known of y: smoothed data at first. Raises SolveError."""
        if self._states is None:
            self._states = windows.start_states(self.problem, self.smoothed, self.theta)
        return self._states

    @states.setter
    def states(self, states: list[FloatArray]) -> None:
        self._states = states

    def computed_states(self) -> list[FloatArray] | None:
        """`states` as far as they were asked for: for a checkpoint."""
        return self._states

    def restore_states(self, states: list[FloatArray] | None) -> None:
        """The inverse of `computed_states`."""
        self._states = states


@dataclass(frozen=True)
class Round:
    """One minimisation.

    Attributes
    ----------
    module
        The objective.
    batches
        Its data, once per epoch.
    epochs
        For how long.
    everything
        A batch of all data, where `batches` are random parts of them.
    """

    module: nn.Module
    batches: Iterable[Any]
    epochs: int
    everything: Any | None = None


class Stage(Protocol):
    @property
    def name(self) -> str:
        """For the history and the progress bar."""
        ...

    @property
    def epochs(self) -> int: ...

    def obstacle(self, problem: FitProblem) -> str | None:
        """Why it has to be left out, or None."""
        ...

    def rounds(self, state: TrainingState) -> Iterator[Round]:
        """What to minimise, one after the other. Raises SolveError where the model fails before it begins."""
        ...


@dataclass(frozen=True)
class Matching:
    """The vector field is fitted to the slopes of smoothed data: `training/matching.py`."""

    epochs: int
    name: str = "slopes"

    def obstacle(self, problem: FitProblem) -> str | None:
        return matching.obstacle(problem)

    def rounds(self, state: TrainingState) -> Iterator[Round]:
        points = matching.points_of(state.smoothed, state.problem, state.module.u)
        yield Round(matching.MatchingObjective(state.module, points), [points], self.epochs)


@dataclass(frozen=True)
class Shooting:
    """The model is solved over windows of `points` times: `training/windows.py`."""

    points: int
    epochs: int
    options: WindowOptions

    @property
    def name(self) -> str:
        return f"windows of {self.points}"

    def obstacle(self, problem: FitProblem) -> str | None:
        return windows.obstacle(problem)

    def rounds(self, state: TrainingState) -> Iterator[Round]:
        options, problem = self.options, state.problem
        shared = self.points - 1 if options.random else 1 + int(options.overlap * (self.points - 1))
        cut = windows.cut_windows(problem.experiments, self.points, min(shared, self.points - 1))
        objective = windows.WindowObjective(state.module, cut, state.states, options.states, steps=options.steps)
        weights = growing(options.continuity)
        for weight, epochs in zip(weights, shares(self.epochs, len(weights)), strict=True):
            objective.weight = weight
            everything = objective.everything() if options.random else None
            yield Round(objective, self._batches(state, cut), epochs, everything)
        if options.states == "free":
            state.states = objective.joined_states(state.states)
            set_initial_values(state)

    def _batches(self, state: TrainingState, cut: windows.Windows) -> Iterable[Any]:
        u, whole = state.module.u, sum(len(e.times) for e in state.problem.experiments)
        if self.options.random:
            count = math.ceil(whole / self.points)
            return windows.RandomWindows(cut, count, state.generator, u.dtype, u.device)
        size = (
            None
            if state.batch_size is None
            else math.ceil(state.batch_size * len(cut) / len(state.problem.experiments))
        )
        return data_loader(cut.experiments, None if state.whole_batch else size, state.generator, u.dtype, u.device)


@dataclass(frozen=True)
class Whole:
    """Every series from its start to its end, or to a share of its time span: a horizon that grows."""

    epochs: int
    share: float = 1.0

    @property
    def name(self) -> str:
        return "whole series" if self.share == 1 else f"first {100 * self.share:.3g} %"

    def obstacle(self, problem: FitProblem) -> str | None:
        del problem
        return None

    def rounds(self, state: TrainingState) -> Iterator[Round]:
        u, experiments = state.module.u, state.problem.solved.experiments
        if self.share < 1:
            experiments = tuple(windows.beginning(e, self.share) for e in experiments)
        size = None if state.whole_batch else state.batch_size or len(experiments)
        if state.method.needs is Need.RESIDUALS:
            every = windows.whole_series(experiments)
            module = windows.WindowObjective(state.module, every, state.states, "model")
            yield Round(module, [module.everything()], self.epochs)
            return
        yield Round(state.module, data_loader(experiments, size, state.generator, u.dtype, u.device), self.epochs)


def growing(weight: float) -> list[float]:
    """The weights of the rounds of a stage: the last is `weight`."""
    if not weight:
        return [0.0]
    n = 1 + round(math.log(1 / FIRST_WEIGHT_SHARE) / math.log(WEIGHT_GROWTH))
    return [weight / WEIGHT_GROWTH ** (n - 1 - k) for k in range(n)]


def shares(total: int, n: int) -> list[int]:
    """`total` epochs in n nearly equal parts of at least one."""
    ends = [round(total * (k + 1) / n) for k in range(n)]
    return [max(end - begin, 1) for begin, end in zip([0, *ends], ends, strict=False)]


@torch.no_grad()
def set_initial_values(state: TrainingState) -> None:
    """Estimated initial values at what is known of the states by now, within their bounds."""
    problem, module = state.problem, state.module
    system, table = problem.engine.system, problem.table
    theta = state.theta
    for experiment, y, row in zip(problem.experiments, state.states, problem.binding.index, strict=True):
        if experiment.times[0] != experiment.start:
            continue
        for k, name in enumerate(system.states):
            target = next((c for c, s in enumerate(problem.binding.symbols) if system.initial[name] == symbol(s)), None)
            if target is None or row[target] < 0 or not table.parameters[row[target]].estimate:
                continue
            theta[row[target]] = y[0, k]
    p = table.parameters
    inside = np.array([min(max(v, q.lower), q.upper) for v, q in zip(theta, p, strict=True)])
    u = table.to_search(inside)
    kept = module.u.detach().to(torch.float64).cpu().numpy()
    module.u.copy_(torch.as_tensor(np.where(np.isfinite(u), u, kept)))
    module.project()


def whole_batch(batches: Iterable[Any], generator: torch.Generator) -> Any:
    """The only batch of batches that hold everything. The number that a DataLoader draws for it is put back, so that
    a training that goes on after a kill may ask again."""
    drawn = generator.get_state()
    batch = next(iter(batches))
    generator.set_state(drawn)
    return batch


@dataclass(frozen=True)
class HorizonOptions:
    """Stages on the beginnings of the series.

    Attributes
    ----------
    shares
        Of each one's time span, one number per stage, rising.
    epochs
        Of each stage, the last number for all that follow; by default what suits the method.
    """

    shares: tuple[float, ...]
    epochs: tuple[int, ...] | None = None


def stages_of(
    method: FitMethod,
    whole: int | None,
    match: int | None,
    options: WindowOptions | None,
    horizon: HorizonOptions | None = None,
) -> Sequence[Stage]:
    """The stages in their order; those that are not wanted are None."""
    stages: list[Stage] = []
    if match:
        stages.append(Matching(match))
    if options is not None:
        each = _epochs(options.epochs, method, len(options.points))
        stages += [Shooting(n, e, options) for n, e in zip(options.points, each, strict=True)]
    if horizon is not None:
        each = _epochs(horizon.epochs, method, len(horizon.shares))
        stages += [Whole(e, share) for share, e in zip(horizon.shares, each, strict=True)]
    if whole:
        stages.append(Whole(whole))
    return stages


def _epochs(given: tuple[int, ...] | None, method: FitMethod, n: int) -> list[int]:
    """The epochs of n stages: the last number is for all that follow."""
    listed = given or method.stage_epochs
    return [listed[min(k, len(listed) - 1)] for k in range(n)]
