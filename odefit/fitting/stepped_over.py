"""Whether a solution passes through a place where its own equations would have stopped or bent it.

A solver sees dy/dt at its steps only. Where a rate changes within a distance that no step falls into, such as
-V x / (K + x) with a small K where x runs empty, the solution goes on as if nothing were there, and looks the same at
every tolerance. So where a state, or a denominator, changes its sign along a solution, the slope of the solution is
compared with what the equations say at that very place.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from odefit import algebra as sp
from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.engines.methods import METHODS
from odefit.errors import SolveError
from odefit.model.functions import numpy_function
from odefit.model.system import TIME, System, symbol
from odefit.objective.problem import FitProblem
from odefit.problem.solver_steps import with_steps
from odefit.records import dataclass

MOST_TIMES = 20_000
"""Times, of all experiments together, at which solutions are looked at beside those of the data."""

PER_EXPERIMENT = 200
"""The most of one experiment."""

NOTICEABLE = 1e-3
"""Share of a quantity's largest size that it must have after a change of sign: less is the solver's noise."""

DIFFERENT = 0.5
"""Share of the slope by which the equations must contradict it."""

REFINEMENTS, FINER = 3, 32
"""How often a suspicious interval is solved again, and in how many parts each time: an oscillation shows itself."""

STEPS = (sp.Piecewise, sp.Heaviside, sp.sign, sp.Relational)


@dataclass(frozen=True)
class Contradiction:
    """A place that a solution passes and its equations do not allow.

    Parameters
    ----------
    experiment, time
        Where.
    what
        The state or the denominator that changes its sign there.
    is_state
        Whether it is a state.
    state
        The state whose equation is contradicted.
    """

    experiment: str
    time: float
    what: str
    is_state: bool
    state: str

    @property
    def account(self) -> str:
        """What happens, as a clause."""
        return (
            f"{self.what} passes through zero at t = {self.time:.4g} (experiment {self.experiment}), which the "
            f"equation of {self.state} does not allow: the solver has stepped over what happens there"
        )

    @property
    def remedy(self) -> str:
        """What to do about it."""
        if self.is_state:
            return f"write max({self.what}, 0) for {self.what} in the equation of {self.state}"
        return f"keep {self.what} from zero by the bounds of its parameters"


@dataclass(frozen=True)
class _Marks:
    """The quantities of a system whose zeros are looked at."""

    system: System

    @cached_property
    def formulas(self) -> list[Any]:
        """States first, then denominators that depend on one."""
        states = [symbol(name) for name in self.system.states]
        powers = {p for rate in self.system.rhs for p in sp.sympify(rate).atoms(sp.Pow) if p.exp.is_negative}
        below = sorted({p.base for p in powers if p.base.free_symbols & set(states)} - set(states), key=str)
        return [*states, *below]

    @cached_property
    def concerned(self) -> list[list[int]]:
        """Of each mark the states whose equations are asked there, unless they hold a step, which is no mistake."""
        rates = [sp.sympify(rate) for rate in self.system.rhs]
        smooth = [not rate.has(*STEPS) for rate in rates]
        n = len(self.system.states)
        own = [[i] if smooth[i] else [] for i in range(n)]
        return own + [[i for i, rate in enumerate(rates) if smooth[i] and rate.has(g)] for g in self.formulas[n:]]

    @cached_property
    def arguments(self) -> tuple[str, ...]:
        return (*self.system.states, TIME, *self.system.parameters, *self.system.inputs)

    @cached_property
    def values(self) -> Any:
        return numpy_function(self.formulas, self.arguments)

    @cached_property
    def rates(self) -> Any:
        return numpy_function(list(self.system.rhs), self.arguments)


def contradiction(problem: FitProblem, theta: FloatArray) -> Contradiction | None:
    """The first place where the solutions at theta [N] contradict their equations; None where there is none.

    Systems with networks are not looked at.
    """
    system = problem.engine.system
    if not system.is_mechanistic:
        return None
    marks = _Marks(system)
    try:
        experiments = tuple(_dense(problem, e) for e in problem.experiments)
        solved, _ = with_steps(problem, experiments)
        solutions = problem.states(theta, solved)
        for e, (experiment, y) in enumerate(zip(solved, solutions, strict=True)):
            p = problem.binding.local(theta)[e, : problem.n_system]
            jumps = problem.engine.jumps(p, experiment)
            for mark, k in _crossings(marks, p, experiment, y, jumps):
                place = (mark, experiment.times[k : k + 2], y[k : k + 2])
                found = _examined(problem, marks, theta, e, experiment, place)
                if found is not None:
                    return found
    except SolveError:
        return None  # that it fails is said elsewhere
    return None


def _dense(problem: FitProblem, experiment: Experiment) -> Experiment:
    """The experiment with more times, as far as there may be more without changing the solution."""
    n = min(PER_EXPERIMENT, MOST_TIMES // len(problem.experiments))
    if not len(experiment.times) or n < 2 or METHODS[problem.engine.method_in_use].is_fixed_step:
        return experiment
    more = np.linspace(experiment.start, experiment.last, n)
    return experiment.at(np.union1d(experiment.times, more))


def _columns(marks: _Marks, p: FloatArray, experiment: Experiment, t: Any, y: FloatArray) -> list[Any]:
    """The arguments of the formulas at times t for states y [..., S]."""
    inputs = [experiment.inputs[name](np.atleast_1d(t)).reshape(np.shape(t)) for name in marks.system.inputs]
    return [*np.moveaxis(y, -1, 0), t, *p, *inputs]


def _crossings(
    marks: _Marks, p: FloatArray, experiment: Experiment, y: FloatArray, jumps: FloatArray
) -> Iterator[tuple[int, int]]:
    """Each mark with the positions k where it changes its sign between times k and k + 1, for good, in no jump."""
    t = experiment.times
    with np.errstate(all="ignore"):
        columns = marks.values(*_columns(marks, p, experiment, t, y))
    for mark, g in enumerate(columns):
        if not marks.concerned[mark]:
            continue
        g = np.broadcast_to(np.asarray(g, dtype=np.float64), t.shape)
        size = NOTICEABLE * np.abs(g).max(initial=0.0)
        changes = np.flatnonzero(np.sign(g[1:]) * np.sign(g[:-1]) < 0)
        for k, end in pairwise([*changes.tolist(), len(t) - 1]):
            after = float(np.abs(g[k + 1 : end + 1]).max())
            if after > size and not ((jumps >= t[k]) & (jumps <= t[k + 1])).any():
                yield mark, k


def _examined(
    problem: FitProblem,
    marks: _Marks,
    theta: FloatArray,
    e: int,
    solved: Experiment,
    place: tuple[int, FloatArray, FloatArray],
) -> Contradiction | None:
    """What is found where a mark changes its sign, between the two first times of t [T] with states y [T, S].

    The interval is looked at again in ever smaller parts; None where the equations agree in one of them. A fixed-step
    solver's own steps are all that there is of its solution.
    """
    mark, t, y = place
    p = problem.binding.local(theta)[e, : problem.n_system]
    found = None
    refinements = 0 if METHODS[problem.engine.method_in_use].is_fixed_step else REFINEMENTS
    for n_refined in range(refinements + 1):
        with np.errstate(all="ignore"):
            g = np.broadcast_to(marks.values(*_columns(marks, p, solved, t, y))[mark], t.shape)
            changes = np.flatnonzero(np.sign(g[1:]) * np.sign(g[:-1]) < 0)
            if not len(changes):
                return None
            k = slice(int(changes[0]), int(changes[0]) + 2)
            state = _contradicted(marks, mark, p, solved, (t[k], y[k], g[k]))
        if state is None:
            return None
        t = t[k]
        states, what = marks.system.states, str(marks.formulas[mark])
        found = Contradiction(solved.name, float(t[0]), what, mark < len(states), states[state])
        if n_refined < refinements:
            t = np.linspace(t[0], t[1], FINER + 1)
            y = _states_at(problem, theta, e, solved, t)
    return found


def _states_at(problem: FitProblem, theta: FloatArray, e: int, solved: Experiment, t: FloatArray) -> FloatArray:
    """States [T, S] at times t [T] of the very solution that stands at the times of `solved`.

    It goes on to the same end: one that ended at t would step otherwise, and perhaps not over what lies there.
    """
    times = np.union1d(solved.times, t)
    experiments = (*problem.experiments[:e], solved.at(times), *problem.experiments[e + 1 :])
    y: FloatArray = problem.states(theta, experiments)[e][np.searchsorted(times, t)]
    return y


def _contradicted(
    marks: _Marks,
    mark: int,
    p: FloatArray,
    experiment: Experiment,
    pair: tuple[FloatArray, FloatArray, FloatArray],
) -> int | None:
    """The state whose equation contradicts the slope where a mark is zero, between two times; None where none does."""
    t, y, g = pair
    share = g[0] / (g[0] - g[1])
    there = y[0] + share * (y[1] - y[0])
    if mark < len(marks.system.states):
        there[mark] = 0.0
    slopes = (y[1] - y[0]) / (t[1] - t[0])
    rates = marks.rates(*_columns(marks, p, experiment, float(t[0] + share * (t[1] - t[0])), there))
    for i in marks.concerned[mark]:
        rate = float(rates[i])
        if abs(rate - slopes[i]) > DIFFERENT * max(abs(rate), abs(slopes[i])):
            return i
    return None
