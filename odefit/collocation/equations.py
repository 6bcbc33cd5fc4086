"""Equations, initial values and observables of a problem at many points at once, with their derivatives.

Letters: N sets of parameters, E experiments, K nodes, S states, L sensitive local symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.collocation.grid import Grid
from odefit.model.functions import numpy_function
from odefit.model.system import TIME
from odefit.objective.partials import Partials
from odefit.objective.problem import FitProblem
from odefit.records import dataclass


@dataclass(frozen=True)
class Values:
    """Values of F formulas with their derivatives.

    Parameters
    ----------
    value
        [..., F].
    by_state
        [..., F, S].
    by_symbol
        [..., F, L].
    """

    value: FloatArray
    by_state: FloatArray
    by_symbol: FloatArray


class _Formulas:
    """Formulas of states and other names as one function with derivatives."""

    def __init__(
        self, formulas: Sequence[Any], states: Sequence[str], sensitive: Sequence[str], arguments: Sequence[str]
    ) -> None:
        self.shape = (len(formulas), len(states), len(sensitive))
        self.partials = Partials.of(formulas, states, sensitive)
        self.function = numpy_function([*formulas, *self.partials.formulas], arguments)

    def __call__(self, shape: tuple[int, ...], arguments: Sequence[FloatArray]) -> Values:
        """At arguments that broadcast to `shape`."""
        n, n_states, n_symbols = self.shape
        results = self.function(*arguments)
        value = np.empty((*shape, n))
        by_state, by_symbol = np.zeros((*shape, n, n_states)), np.zeros((*shape, n, n_symbols))
        for k in range(n):
            value[..., k] = results[k]
        for entry, result in zip(self.partials.entries, results[n:], strict=True):
            target = by_state if entry.is_state else by_symbol
            target[..., entry.formula, entry.column] = result
        return Values(value, by_state, by_symbol)


class Equations:
    """The formulas of a problem on a grid."""

    def __init__(self, problem: FitProblem, grid: Grid) -> None:
        self.problem, self.grid = problem, grid
        self.system, self.sensitive = problem.engine.system, problem.observation.sensitive
        self.at_nodes = self._known(grid.clock)
        self.at_middles = self._known(grid.middles)

    def _known(self, times: FloatArray) -> list[FloatArray]:
        """The times [E, K] and the inputs there, as formulas take them."""
        experiments = self.problem.experiments
        inputs = [
            np.stack([e.inputs[name](t) for e, t in zip(experiments, times, strict=True)])
            for name in self.system.inputs
        ]
        return [times, *inputs]

    @cached_property
    def _rates(self) -> _Formulas:
        names = (*self.system.states, TIME, *self.system.parameters, *self.system.inputs)
        return _Formulas(self.system.rhs, self.system.states, self.sensitive, names)

    @cached_property
    def _starts(self) -> _Formulas:
        return _Formulas(self.system.start, (), self.sensitive, self.system.parameters)

    @cached_property
    def _observables(self) -> _Formulas:
        names = (*self.system.states, TIME, *self.problem.observation.symbols)
        formulas = list(self.problem.observation.system.predicted.values())
        return _Formulas(formulas, self.system.states, self.sensitive, names)

    @cached_property
    def _dosing(self) -> _Formulas | None:
        dosing = self.system.dosing
        return None if dosing is None else _Formulas([dosing.fraction], (), self.sensitive, self.system.parameters)

    def local(self, theta: FloatArray) -> FloatArray:
        """The local values [N, E, L'] of all symbols at theta [N, ...]."""
        binding = self.problem.binding
        return np.where(binding.index >= 0, theta[:, binding.index], binding.constant)

    def rates(self, y: FloatArray, local: FloatArray, known: Sequence[FloatArray]) -> Values:
        """f [N, E, K] at the states y [N, E, K, S]; known: `at_nodes`, `at_middles`, or some of them."""
        p = np.moveaxis(local[:, :, None, : self.problem.n_system], -1, 0)
        return self._rates(y.shape[:-1], [*np.moveaxis(y, -1, 0), known[0], *p, *known[1:]])

    def starts(self, local: FloatArray) -> Values:
        """Initial values [N, E]."""
        return self._starts(local.shape[:-1], list(np.moveaxis(local[..., : self.problem.n_system], -1, 0)))

    def fractions(self, local: FloatArray) -> Values | None:
        """What arrives of a dose [N, E]; None where there are no doses."""
        if self._dosing is None:
            return None
        return self._dosing(local.shape[:-1], list(np.moveaxis(local[..., : self.problem.n_system], -1, 0)))

    def observables(self, y: FloatArray, theta: FloatArray) -> Values:
        """g [N, R'] of states [N, R', S] at the rows of the grid."""
        problem, grid = self.problem, self.grid
        rows = np.stack([np.atleast_2d(problem.rows(local)) for local in self.local(theta)])
        chosen = rows if rows.shape[1] == 1 else rows[:, grid.rows]
        arguments = [*np.moveaxis(y, -1, 0), problem.clock[grid.rows], *np.moveaxis(chosen, -1, 0)]
        return self._observables(y.shape[:-1], arguments)
