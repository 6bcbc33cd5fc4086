"""Rest before the start: the steady state that the equations come to from `initial`, and its derivatives.

It is that of the system's formulas before the start (`System.rest`), with the time and the inputs held as they are at
the start, without doses and events; how it is found stands in rest_search.py.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from odefit import algebra as sp
from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.engines.base import Engine, SolverOptions
from odefit.engines.failure import Failure, FailureReason, IntegrationError
from odefit.engines.segments.names import start_name
from odefit.engines.segments.rest_engines import networks_of, rest_search, weight_shift_of
from odefit.model.conditions import condition_of
from odefit.model.functions import numpy_function
from odefit.model.sloped_functions import sloped_function
from odefit.model.switches import substitute
from odefit.model.system import TIME, System, symbol
from odefit.records import dataclass

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Before:
    """What a steady state depends on: parameters and what is held [Q], and where it comes from, y [S] and dy [S, K]."""

    row: FloatArray
    y: FloatArray
    dy: FloatArray

    @property
    def key(self) -> bytes:
        return self.row.tobytes() + self.y.tobytes() + self.dy.tobytes()


class SteadyState:
    """Of one system with `rest`. Values come from the engine that `factory` makes."""

    def __init__(self, system: System, options: SolverOptions, factory: Callable[[System, tuple[str, ...]], Engine]):
        self.system = system
        assert system.rest is not None
        named = {s for formula in system.rest.equations.values() for s in sp.sympify(formula).free_symbols}
        self._uses_time = symbol(TIME) in named
        self._inputs = tuple(name for name in system.inputs if symbol(name) in named)
        held = {symbol(TIME): symbol("@time")} | {symbol(name): symbol(f"{name}@held") for name in self._inputs}
        equations = {name: substitute(system.rest.equations[name], held) for name in system.states}
        self._initial = [sp.sympify(system.rest.initial[name]) for name in system.states]
        self.triggers = tuple(one.mapped(lambda formula: substitute(formula, held)) for one in system.rest.triggers)
        formulas = [*equations.values(), *self._initial, *(f for one in self.triggers for f in one.formulas)]
        used = {s for formula in formulas for s in sp.sympify(formula).free_symbols}
        self._kept = tuple(name for name in system.parameters if symbol(name) in used)
        starts = tuple(start_name(state) for state in system.states)
        self._held = tuple(s.name for s in held.values())
        plain = System(
            name=system.name,
            states=system.states,
            parameters=(*self._kept, *self._held, *starts),
            equations=equations,
            initial={state: symbol(start_name(state)) for state in system.states},
            observables={},
            networks=networks_of(formulas, system),
        )
        engine = factory(plain, (*self._kept, *starts))
        self._search = rest_search(plain, engine, options, len(self._kept), FailureReason.NOT_AT_REST)
        self._positions = np.array([system.parameters.index(name) for name in self._kept], dtype=np.intp)
        self._initial_functions: dict[tuple[str, ...], Any] = {}

    @property
    def engine(self) -> Engine:
        """What follows the way."""
        return self._search.engine

    def reset_copy(self) -> SteadyState:
        """With the engine before its first solve."""
        other = copy.copy(self)
        other._search = replace(self._search, engine=self._search.engine.reset_copy())
        return other

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_initial_functions": {}}

    def shared(self, names: Sequence[str]) -> SharedRests:
        """The steady states of many experiments, with derivatives to `names`, each found once."""
        return SharedRests(self, tuple(names))

    def before(self, p: FloatArray, experiment: Experiment, names: tuple[str, ...]) -> Before:
        """What the steady state before an experiment with parameters p [L] depends on.

        Raises IntegrationError where that is not finite.
        """
        known = [experiment.start if self._uses_time else 0.0]
        for name in self._inputs:
            if name not in experiment.inputs:
                raise IntegrationError(Failure(FailureReason.INPUT_MISSING, subject=name))
            known.append(float(experiment.inputs[name](np.array([experiment.start]))[0]))
        row = np.concatenate([p[self._positions], known])
        y, dy = self._start(p, names)
        if not (np.isfinite(y).all() and np.isfinite(dy).all()):
            raise IntegrationError(Failure(FailureReason.REST_NOT_FINITE))
        return Before(row, y, dy)

    def find(self, before: Before, experiment: Experiment, names: tuple[str, ...]) -> tuple[FloatArray, FloatArray]:
        """y [S] at the start of an experiment, and dy [S, len(names)].

        Raises IntegrationError where no steady state is reached.
        """
        row, y_init, name = before.row, before.y, experiment.name
        came = self._search.come(row, y_init, 0.0, experiment.last - experiment.start or 1.0, name)
        if not names:
            return came.y, np.zeros((len(came.y), 0))
        y, to_start, to_q = self._search.slopes(row, y_init, 0.0, came, name)
        dy = to_start @ before.dy
        for k, wanted in enumerate(names):
            if wanted in self._kept:
                dy[:, k] += to_q[:, self._kept.index(wanted)]
        return y, dy

    def weight_shift(self, before: Before, y: FloatArray) -> Tensor | None:
        """What weights of networks move of a steady state y [S]: zeros with gradients; None without networks."""
        return weight_shift_of(self._search, before.row, 0.0, y)

    def standing(self, before: Before, y: FloatArray) -> list[bool]:
        """Which conditions of events hold at rest."""
        arguments = (*self.system.states, *self._kept, *self._held)
        found = []
        for one in self.triggers:
            condition = condition_of(one.when)
            values = numpy_function([gap.formula for gap in condition.gaps], arguments)(*y, *before.row)
            pairs = zip(condition.gaps, values, strict=True)
            found.append(condition.holds([gap.holds(float(value)) for gap, value in pairs]))
        return found

    def _start(self, p: FloatArray, names: tuple[str, ...]) -> tuple[FloatArray, FloatArray]:
        """Initial values of the rest and their derivatives."""
        if names not in self._initial_functions:
            self._initial_functions[names] = sloped_function(self._initial, names, self.system.parameters)
        values = self._initial_functions[names](*p)
        return values[:, 0], values[:, 1:]


@dataclass
class SharedRests:
    """Steady states of many experiments: those that depend on the same numbers are one."""

    steady: SteadyState
    names: tuple[str, ...]
    _known: dict[bytes, tuple[FloatArray, FloatArray] | Failure] = field(default_factory=dict)

    def standing(self, p: FloatArray, experiment: Experiment, y: FloatArray) -> list[bool]:
        """Which conditions of events hold at rest, at the state y [S] there."""
        return self.steady.standing(self.steady.before(p, experiment, self.names), y)

    def weight_shift(self, p: FloatArray, experiment: Experiment) -> Tensor | None:
        """As `SteadyState.weight_shift`, for what `find` has found."""
        return self.steady.weight_shift(self.steady.before(p, experiment, self.names), self.find(p, experiment)[0])

    def find(self, p: FloatArray, experiment: Experiment) -> tuple[FloatArray, FloatArray]:
        """y [S] at the start of an experiment with parameters p [L], and dy [S, K].

        Raises IntegrationError where no steady state is reached.
        """
        before = self.steady.before(p, experiment, self.names)
        if before.key not in self._known:
            try:
                self._known[before.key] = self.steady.find(before, experiment, self.names)
            except IntegrationError as error:
                self._known[before.key] = error.failure
        found = self._known[before.key]
        if isinstance(found, Failure):
            raise IntegrationError(found)
        return found
