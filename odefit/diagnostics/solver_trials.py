"""One engine at work on the configured model, at its starting values: how exact it is, and what that costs."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from odefit.arrays import FloatArray
from odefit.engines.base import SolverOptions
from odefit.engines.choice import make_engine
from odefit.engines.failure import solve_error
from odefit.engines.methods import AUTO
from odefit.engines.tolerances import scaled_atol
from odefit.errors import SolveError
from odefit.problem.assembly import Assembly

if TYPE_CHECKING:
    from torch import nn

GOOD_REFERENCE = 1e-8
"""The relative uncertainty of a reference that needs no better one."""
MAX_EVALUATIONS = 30_000
"""The most evaluations that backpropagation may keep; more may not fit into memory."""


class Model:
    """What is solved again and again.

    p: [E, L] local parameters; u: [P] the search vector; grid: [G] elapsed times of all experiments together.
    clock: gives seconds; what says how long a solve takes, and when time is up.
    """

    def __init__(self, assembly: Assembly, clock: Callable[[], float] = time.perf_counter) -> None:
        from odefit.data.dataset import collate

        self.clock = clock
        self.assembly, self.problem = assembly, assembly.problem
        self.options = self.problem.engine.options
        self.is_mechanistic = self.problem.engine.system.is_mechanistic
        values = self.problem.table.values
        self.p = self.problem.binding.local(values)[:, : self.problem.n_system]
        self.u = self.problem.table.to_search(values)
        self.grid: FloatArray = collate(list(enumerate(self.problem.experiments))).grid.numpy()
        self.has_gradient = bool(self.problem.engine.sensitive) or assembly.networks is not None

    @cached_property
    def configured_method(self) -> str:
        """What the config's method comes to: `auto` is found out by a solve."""
        engine = self.problem.engine
        if self.options.method == AUTO:
            engine.solve(self.p, self.problem.experiments)
        return engine.method_in_use

    def options_at(self, method: str, rtol: float, step: float | None = None) -> SolverOptions:
        """The configured options, but for the method and its tolerances; atol is in proportion to rtol."""
        return replace(
            self.options,
            method=method,
            rtol=rtol,
            atol=scaled_atol(self.options, rtol / self.options.rtol),
            step=step,
            sensitivity_rtol=None,
            sensitivity_atol=None,
        )


class Trial:
    """An engine of its own for some options. Raises InputError where there is none."""

    def __init__(self, model: Model, options: SolverOptions) -> None:
        self.model, self.options = model, options
        # An engine moves the networks to its dtype; those of the assembly stay what they are.
        self.networks: nn.ModuleDict | None = copy.deepcopy(model.assembly.networks)
        engine = model.problem.engine
        self.engine = make_engine(engine.system, options, engine.sensitive, self.networks)
        self.watch = Watch(model.clock)
        self.engine.watch(self.watch)
        self.is_compiled = self.engine.is_compiled

    def states(self, deadline: float = math.inf) -> FloatArray:
        """y of all experiments, one after the other, [R, S]. Raises SolveError."""
        self.watch.begin(deadline)
        experiments = self.model.problem.experiments
        solutions = self.engine.solve(self.model.p, experiments)
        if (failed := solutions.failed) is not None:
            raise solve_error(experiments[failed].name if len(experiments) > 1 else "", solutions.failures[failed])
        return solutions.y

    def gradient(self, size: FloatArray, deadline: float = math.inf) -> FloatArray:
        """Of the mean of (y / size)² over all states and times, to search vector and weights: [P + W]; size: [S].

        Not of the squared residuals: near an optimum these cancel, and what is left says little of the solver.
        Raises SolveError.
        """
        import torch

        from odefit.data.dataset import collate

        self.watch.begin(deadline)
        dtype, device = getattr(torch, self.options.dtype), torch.device(self.options.device)
        problem = self.model.problem
        batch = collate(list(enumerate(problem.experiments)), dtype, device)
        u = torch.as_tensor(self.model.u, dtype=dtype, device=device).requires_grad_()
        p = problem.binding.local_tensor(problem.table.natural_tensor(u))
        lengths = torch.tensor([len(e.times) for e in problem.experiments], device=device)
        wanted = [u, *([] if self.networks is None else self.networks.parameters())]
        y = self.engine.solve_batch(p[:, : problem.n_system], batch)
        inside = torch.arange(y.shape[1], device=device) < lengths.unsqueeze(1)
        loss = (y / torch.as_tensor(size, dtype=dtype, device=device))[inside].square().mean()
        pieces = torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)
        flat: FloatArray = torch.cat([piece.flatten() for piece in pieces]).to(torch.float64).cpu().numpy()
        if not np.isfinite(flat).all():
            raise SolveError("the gradient is not finite")
        return flat

    def work(self) -> int | None:
        """Of the solve before: evaluations, or a compiled method's steps; None where they cannot be counted."""
        if not self.is_compiled:
            return self.watch.count or None
        return self.engine.count_steps(self.model.p, self.model.problem.experiments)

    @property
    def keeps_too_much(self) -> bool:
        """Whether the gradient of the solve before is better not asked for."""
        return not self.options.adjoint and self.watch.count > MAX_EVALUATIONS


class Watch:
    """Counts the evaluations that an engine sees, and ends a solve that takes too long."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock, self.count, self.deadline = clock, 0, math.inf

    def begin(self, deadline: float) -> None:
        """A new count."""
        self.count, self.deadline = 0, deadline

    def __call__(self) -> None:
        self.count += 1
        if self.clock() > self.deadline:
            raise SolveError(f"too slow: {self.count} evaluations and not at the end yet")


@dataclass(frozen=True)
class Reference:
    """A solution that others are measured against.

    states: [R, S]; gradient: [P + W] or None; size: [S], the largest value of each state.
    uncertainty, gradient_uncertainty: how exact it is, as a relative error.
    """

    name: str
    states: FloatArray
    gradient: FloatArray | None
    size: FloatArray
    uncertainty: float = 0.0
    gradient_uncertainty: float | None = None

    def error(self, states: FloatArray) -> float:
        """The largest of any state at any time, relative to that state's largest value."""
        return float((np.abs(states - self.states) / self.size).max())

    def gradient_error(self, gradient: FloatArray) -> float | None:
        """|g - reference| / |reference|; None where the reference vanishes."""
        if self.gradient is None or not (size := float(np.linalg.norm(self.gradient))) > 0:
            return None
        return float(np.linalg.norm(gradient - self.gradient)) / size


def climb(method: str, tolerances: Sequence[float], seconds: float, model: Model) -> Iterator[Reference]:
    """A method at one tolerance after the other: each result, as exact as the one before was far from it.

    Raises InputError or SolveError where it gets no further.
    """
    deadline = model.clock() + seconds
    before: Reference | None = None
    for rtol in tolerances:
        trial = Trial(model, replace(model.options_at(method, rtol), dtype="float64", adjoint=False))
        states = trial.states(deadline)
        trial.work()  # compiles what counts steps, here where no method's time is taken
        if trial.keeps_too_much:
            raise SolveError("its gradient would need too much memory")
        largest = np.abs(states).max(axis=0)
        size = np.where(largest > 0, largest, 1.0)
        gradient = trial.gradient(size, deadline) if model.has_gradient else None
        found = Reference(f"{method} at rtol {rtol:.0e}", states, gradient, size)
        if before is not None:
            other = None if before.gradient is None else found.gradient_error(before.gradient)
            found = replace(found, uncertainty=found.error(before.states), gradient_uncertainty=other)
            yield found
        before = found
