"""Whether a solution passes through a place where its own equations would have stopped or bent it.

A solver sees dy/dt at its steps only. Where a rate changes within a distance that no step falls into, such as
-V x / (K + x) with a small K where x runs empty, the solution goes on as if nothing were there, and looks the same at
every tolerance. So where a state, or a denominator, changes its sign along a solution, the slope of the solution is
compared with what the equations say at that very place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from odefit import algebra as sp
from odefit.arrays import FloatArray, distinct
from odefit.data.experiments import UNMEASURED, Experiment
from odefit.engines.methods import METHODS
from odefit.errors import SolveError
from odefit.model.functions import numpy_function
from odefit.model.system import TIME, System, symbol
from odefit.objective.problem import FitProblem
from odefit.problem.solver_steps import with_steps
from odefit.records import changed, dataclass

MOST_TIMES = 20_000
"""Times, of all experiments together, at which solutions are looked at beside those of the data."""

PER_EXPERIMENT = 200
"""The most of one experiment."""

ROWS_AT_ONCE = 50_000
"""Times, of several experiments together, at which formulas are evaluated in one go."""

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
        experiments = _dense(problem)
        solved, _ = with_steps(problem, experiments)
        solutions = problem.states(theta, solved)
        local = problem.binding.local(theta)[:, : problem.n_system]
        for own in _groups(solved):
            for k, mark, row in _crossings(marks, local[own], solved[own], solutions[own], problem.engine.jumps):
                e = own.start + k
                place = (mark, solved[e].times[row : row + 2], solutions[e][row : row + 2])
                found = _examined(problem, marks, theta, e, solved[e], place)
                if found is not None:
                    return found
    except SolveError:
        return None  # that it fails is said elsewhere
    return None


def _dense(problem: FitProblem) -> tuple[Experiment, ...]:
    """The experiments with more times, as far as there may be more without changing the solution."""
    n = min(PER_EXPERIMENT, MOST_TIMES // len(problem.experiments))
    if n < 2 or METHODS[problem.engine.method_in_use].is_fixed_step:
        return problem.experiments
    within = np.linspace(0.0, 1.0, n)[1:-1]  # the ends are rows, or nothing changes there
    made: dict[tuple[float, bytes], Experiment] = {}
    return tuple(_among(e, within, made) for e in problem.experiments)


def _among(e: Experiment, within: FloatArray, made: dict[tuple[float, bytes], Experiment]) -> Experiment:
    """An experiment to be solved at its own times and more; made: the first with each times, as many have the same."""
    if not len(e.times):
        return e
    key = e.start, e.times.tobytes()
    if key not in made:
        more = e.start + (e.last - e.start) * within
        made[key] = e.at(distinct(np.concatenate([[e.start], e.times, more])))
    one = made[key]
    if e.covariates:
        return e.at(one.times)
    times = {"times": one.times, "values": one.values, "intervals": one.intervals, "side": None}
    return changed(e, **times, **UNMEASURED, start_side=e.reference_side)


def _groups(experiments: Sequence[Experiment]) -> list[slice]:
    """Experiments that are looked at together, some rows at a time."""
    rows = np.cumsum([len(e.times) for e in experiments]) // ROWS_AT_ONCE
    begins = [0, *(np.flatnonzero(np.diff(rows)) + 1).tolist(), len(experiments)]
    return [slice(first, last) for first, last in pairwise(begins)]


def _columns(marks: _Marks, p: FloatArray, experiment: Experiment, t: Any, y: FloatArray) -> list[Any]:
    """The arguments of the formulas at times t for states y [..., S]."""
    return [*np.moveaxis(y, -1, 0), t, *p, *_inputs(marks, experiment, t)]


def _inputs(marks: _Marks, experiment: Experiment, t: Any) -> list[Any]:
    return [experiment.inputs[name](np.atleast_1d(t)).reshape(np.shape(t)) for name in marks.system.inputs]


def _crossings(
    marks: _Marks,
    local: FloatArray,
    experiments: Sequence[Experiment],
    solutions: Sequence[FloatArray],
    jumps_of: Callable[[FloatArray, Experiment], FloatArray],
) -> Iterator[tuple[int, int, int]]:
    """Each experiment and mark with the positions k where it changes its sign between times k and k + 1, for good.

    local: [E, L]. solutions: [T, S] of each. jumps_of: the times at which a solution may jump, where it does not count.
    """
    ends = np.cumsum([len(e.times) for e in experiments])
    begins = np.append(0, ends)[:-1]
    times = np.concatenate([e.times for e in experiments])
    inputs = [_inputs(marks, e, e.times) for e in experiments] if marks.system.inputs else []
    columns = [*np.concatenate(solutions).T, times, *np.repeat(local, ends - begins, axis=0).T]
    with np.errstate(all="ignore"):
        whole = marks.values(*columns, *(np.concatenate(parts) for parts in zip(*inputs, strict=True)))
    table = [np.broadcast_to(np.asarray(g, dtype=np.float64), times.shape) for g in whole]
    asked = [mark for mark in range(len(table)) if marks.concerned[mark]]
    signs = {mark: np.sign(table[mark]) for mark in asked}
    changing = {mark: np.flatnonzero(signs[mark][1:] * signs[mark][:-1] < 0) for mark in asked}
    owners = {mark: set((np.searchsorted(ends, of, side="right")).tolist()) for mark, of in changing.items()}
    for e in sorted(set().union(*owners.values())):
        jumps, t = jumps_of(local[e], experiments[e]), experiments[e].times
        for mark in (mark for mark in asked if e in owners[mark]):
            g = table[mark][begins[e] : ends[e]]
            size = NOTICEABLE * np.abs(g).max(initial=0.0)
            changes = np.flatnonzero(np.sign(g[1:]) * np.sign(g[:-1]) < 0)
            for k, end in pairwise([*changes.tolist(), len(t) - 1]):
                after = float(np.abs(g[k + 1 : end + 1]).max())
                if after > size and not ((jumps >= t[k]) & (jumps <= t[k + 1])).any():
                    yield e, mark, k


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
    times = distinct(np.concatenate([solved.times, t]))
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
