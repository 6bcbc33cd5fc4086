"""One engine at work on the configured model, at its starting values: how exact it is, and what that costs."""

from __future__ import annotations

import copy
import importlib.util
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from odefit.arrays import FloatArray
from odefit.diagnostics.state_gradient import by_backpropagation, by_sensitivities
from odefit.engines.base import SolverOptions
from odefit.engines.choice import make_engine
from odefit.engines.failure import solve_error
from odefit.engines.methods import AUTO, METHODS
from odefit.engines.tolerances import scaled_atol
from odefit.errors import SolveError
from odefit.problem.assembly import Assembly
from odefit.records import dataclass

if TYPE_CHECKING:
    from torch import nn

GOOD_REFERENCE = 1e-8
"""The relative uncertainty of a reference that needs no better one."""
COARSEST_REFERENCE = 1e-8
"""Relative tolerance of a reference, where there are formulas."""
MAX_EVALUATIONS = 30_000
"""The most evaluations that backpropagation may keep; more may not fit into memory."""


class Model:
    """What is solved again and again.

    p: [E, L] local parameters; u: [P] the search vector; grid: [G] elapsed times of all experiments together.
    clock: gives seconds; what says how long a solve takes, and when time is up.
    """

    def __init__(self, assembly: Assembly, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self.assembly, self.problem = assembly, assembly.problem
        self.options = self.problem.engine.options
        self.is_mechanistic = self.problem.engine.system.is_mechanistic
        values = self.problem.table.values
        self.p = self.problem.binding.local(values)[:, : self.problem.n_system]
        self.u = self.problem.table.to_search(values)
        elapsed = [np.append(e.times - e.start, 0.0) for e in self.problem.experiments]
        self.grid: FloatArray = np.unique(np.concatenate(elapsed))
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

    def states(self, deadline: float = math.inf, evaluations: float = math.inf) -> FloatArray:
        """y of all experiments, one after the other, [R, S]. Raises SolveError, also beyond so many evaluations."""
        self.watch.begin(deadline, evaluations)
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
        self.watch.begin(deadline)
        problem, u = self.model.problem, self.model.u
        if self.is_compiled:
            flat = by_sensitivities(self.engine, problem, self.model.p, u, size)
        else:
            flat = by_backpropagation(self.engine, problem, u, size, self.networks)
        if not np.isfinite(flat).all():
            raise SolveError("the gradient is not finite")
        return flat

    def work(self) -> int | None:
        """Of the solve before: evaluations, or a compiled method's steps; None where they cannot be counted."""
        return self.watch.count or self.engine.count_steps(self.model.p, self.model.problem.experiments)

    @property
    def keeps_too_much(self) -> bool:
        """Whether the gradient of the solve before is better not asked for."""
        return not self.options.adjoint and self.watch.count > MAX_EVALUATIONS


class Watch:
    """Counts the evaluations that an engine sees, and ends a solve that takes too long."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock, self.count, self.deadline, self.most = clock, 0, math.inf, math.inf

    def begin(self, deadline: float, most: float = math.inf) -> None:
        """A new count."""
        self.count, self.deadline, self.most = 0, deadline, most

    def __call__(self) -> None:
        self.count += 1
        if self.count > self.most:
            raise SolveError(f"{self.count - 1} evaluations and not at the end yet")
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


def missing(engine: str) -> str:
    """What an engine needs and is not installed here, in words; empty where nothing is missing."""
    packages = ("torch", "torchdiffeq") if engine == "torch" else ()
    return " and ".join(package for package in packages if importlib.util.find_spec(package) is None)


def reference_ladders(is_mechanistic: bool) -> list[tuple[str, tuple[float, ...]]]:
    """The methods that may serve as reference, with the tolerances that are tried one after the other.

    Those that need formulas come first; after them there is no use for coarse tolerances.
    """
    ladders = []
    for name, method in METHODS.items():
        if (is_mechanistic or not method.is_compiled) and not missing(method.engine):
            least = COARSEST_REFERENCE if is_mechanistic else 1.0
            ladders.append((name, tuple(rtol for rtol in method.reference if rtol <= least)))
    return [(name, tolerances) for name, tolerances in ladders if tolerances]


def climb(
    method: str, tolerances: Sequence[float], seconds: float, model: Model, evaluations: float = math.inf
) -> Iterator[Reference]:
    """A method at one tolerance after the other: each result, as exact as the one before was far from it.

    evaluations: the most that one solve may take, where they can be seen. Raises InputError or SolveError where it gets
    no further.
    """
    deadline = model.clock() + seconds
    before: Reference | None = None
    for rtol in tolerances:
        trial = Trial(model, replace(model.options_at(method, rtol), dtype="float64", adjoint=False))
        states = trial.states(deadline, evaluations)
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
