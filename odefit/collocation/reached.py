"""Where starts have come to, and how they go on: those that have come to the same place as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.collocation.descent import Descent, Guess, Moving
from odefit.collocation.first_states import known_states, lifted, positive_states, ranges_of, sizes_of
from odefit.collocation.grid import Grid
from odefit.collocation.normal_equations import Hold, NodesObjective
from odefit.objective.problem import FitProblem
from odefit.records import dataclass

Objective = TypeVar("Objective", bound=NodesObjective)

MAX_WORK = 2e7
"""Starts, times nodes of all experiments, times the square of states and parameters: more takes a quarter of a minute.
Fewer starts are moved instead."""

FLOOR = 0.3
"""A state has at least the range of epsilon times this share of its size: one that stands still at first is to move."""

HOPELESS, TIGHT = 1e3, 0.1
"""The same from which on a start is given up, and the epsilon from which on."""

SAME, SAME_VALUE = 1e-2, 1e-3
"""Typical sizes by which the parameters of two starts may differ that are the same, and the share of their values."""


@dataclass(frozen=True)
class Reached:
    """Where starts are.

    Parameters
    ----------
    at, value
        States and parameters of B starts that are still different, and their values [B].
    of
        [N], which of these each of the starts has become; -1 for none.
    """

    at: Guess
    value: FloatArray
    of: IntArray

    @classmethod
    def begun(cls, begin: Guess) -> Reached:
        """Where all starts are at first."""
        n = len(begin.u)
        return cls(begin, np.zeros(n), np.arange(n))

    @property
    def offer(self) -> FloatArray:
        """[N, P], the search vectors of all starts; NaN of those that have failed."""
        with_none = np.vstack([self.at.u, np.full((1, self.at.u.shape[1]), np.nan)])
        return with_none[self.of]

    def moved(self, objective: NodesObjective, hold: Hold, begin: Guess, rounds: int, moving: Moving) -> Reached:
        """After a stage that these starts begin at `begin`, without those that fail, and each place once."""
        at, value = Descent(objective).run(begin, hold, rounds, moving)
        sizes, places, of = objective.problem.table.sizes, list[int](), np.full(len(value), -1, dtype=np.intp)
        most = HOPELESS * objective.measured.n_cells / 2 if hold.epsilon <= TIGHT else np.inf
        for k in np.flatnonzero(value < most):
            apart = np.abs((at.u[places] - at.u[k]) / sizes).max(axis=1, initial=0.0)
            alike = (apart < SAME) & (np.abs(value[places] - value[k]) <= SAME_VALUE * value[k])
            if not alike.any():
                places.append(int(k))
            of[k] = int(np.argmax(alike)) if alike.any() else len(places) - 1
        whose = np.append(of, -1)[self.of]
        return Reached(Guess(at.y[places], at.u[places]), value[places], whose)


def work_of(problem: FitProblem, grid: Grid) -> float:
    """Operations, or so, of a step of one start, whose states stand at the nodes of a grid."""
    n_states, n_symbols = len(problem.engine.system.states), len(problem.observation.sensitive)
    return float(grid.times.size * n_states * (n_states + n_symbols) * (2 * n_states + n_symbols))


def for_all(offered: FloatArray, u: FloatArray) -> FloatArray:
    """What is offered for the first starts, with NaN for the others of u [N, P]."""
    return np.concatenate([offered, np.full_like(u[len(offered) :], np.nan)])


def begun(
    objective: Objective, first: Callable[[Objective, FloatArray, FloatArray], FloatArray], u: FloatArray
) -> tuple[Guess, Moving]:
    """Where the states of starts u [N, P] begin, and what moves first: parameters where all states are known.

    The objective is told which states have to be positive.

    Parameters
    ----------
    objective
        What is going to be minimised.
    first
        The states at the nodes, by the objective, what is known of them, and u.
    """
    known = known_states(objective)
    objective.positive = positive_states(objective, known, u)
    known = lifted(known, objective.positive)
    begin = Guess(lifted(first(objective, known, u), objective.positive), u)
    return begin, "states" if np.isnan(known).any() else "parameters"


def held(objective: NodesObjective, begin: Guess, epsilon: float) -> Hold:
    """The looser, the less it matters how little a state moves as yet."""
    sizes = sizes_of(known_states(objective), begin.y[:, :, 0])
    return Hold(epsilon, ranges_of(begin.y, FLOOR * epsilon * sizes))
