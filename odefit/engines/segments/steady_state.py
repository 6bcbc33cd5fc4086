"""Rest before the start: the steady state that the equations come to from `initial`, and its derivatives.

Under the parameters that `rest` gives (in `initial` too), with the time and the inputs held as they are at the start,
without doses and events, y is followed over growing spans until it is as near to a steady state as the solver can
tell, then Newton's method makes it exact. With the conserved quantities W'y, which no reaction changes,

    f(y, q) = 0,  W'y = W'y_init,    so    J dy = -df/dq,  W'dy = W'dy_init        (J = df/dy).

Only a state that the equations come to counts: where Newton's method alone would end in an unstable one, the way goes
on. Where the steady states are a continuum that no linear law tells apart, derivatives are integrated instead.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from odefit import algebra as sp
from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.engines.base import Engine, SolverOptions
from odefit.engines.failure import Failure, FailureReason, IntegrationError
from odefit.engines.segments.segment_system import start_name
from odefit.errors import ModelError
from odefit.model.derivatives import derivatives
from odefit.model.functions import numpy_function
from odefit.model.switches import substitute
from odefit.model.system import TIME, System, symbol

# Spans grow tenfold so many times.
_SPANS = 7
# Near a steady state: within so many tolerances, from where Newton's method is trusted.
_NEAR = 100.0
_NEWTON_STEPS = 10
# Below this part of the largest, a singular value of equilibrated equations is zero.
_SINGULAR = 1e-10
# An unstable direction in which nothing has grown over so many of its own times is empty: a species that is absent.
_GROWTH_TIMES = 30.0


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
    """Of one system with `rest`. Values come from the engine that `factory` makes; raises ModelError for networks."""

    def __init__(self, system: System, options: SolverOptions, factory: Callable[[System, tuple[str, ...]], Engine]):
        if not system.is_mechanistic:
            raise ModelError("model.steady_state", "rest before the start needs formulas; with a network there is none")
        self.system, self.options = system, options
        assert system.rest is not None
        named = {s for formula in system.rest.equations.values() for s in sp.sympify(formula).free_symbols}
        self._uses_time = symbol(TIME) in named
        self._inputs = tuple(name for name in system.inputs if symbol(name) in named)
        held = {symbol(TIME): symbol("@time")} | {symbol(name): symbol(f"{name}@held") for name in self._inputs}
        self._equations = {name: substitute(system.rest.equations[name], held) for name in system.states}
        self._initial = [sp.sympify(system.rest.initial[name]) for name in system.states]
        used = {s for formula in (*self._equations.values(), *self._initial) for s in formula.free_symbols}
        self._kept = tuple(name for name in system.parameters if symbol(name) in used)
        starts = tuple(start_name(state) for state in system.states)
        plain = System(
            name=system.name,
            states=system.states,
            parameters=(*self._kept, *(s.name for s in held.values()), *starts),
            equations=self._equations,
            initial={state: symbol(start_name(state)) for state in system.states},
            observables={},
        )
        self.engine = factory(plain, (*self._kept, *starts))
        self._positions = np.array([system.parameters.index(name) for name in self._kept], dtype=np.intp)
        self._laws = conservation_laws(plain.rhs)
        self._initial_functions: dict[tuple[str, ...], Any] = {}

    def reset_copy(self) -> SteadyState:
        """With the engine before its first solve."""
        other = copy.copy(self)
        other.engine = self.engine.reset_copy()
        return other

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "_functions"} | {"_initial_functions": {}}

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
        row, y_init, dy_init = before.row, before.y, before.dy
        span = float(experiment.times[-1]) - experiment.start or 1.0
        y, spans = y_init, list[float]()
        for k in range(_SPANS):
            spans.append(span * 10.0**k)
            trajectory = self.engine.solve(np.concatenate([row, y])[None], [_over(experiment, spans[-1])])[0]
            if trajectory.failure is not None:
                # Over a long span a method gives up on what moves all the time: no news.
                reason = f": {trajectory.failure}" if k == 0 else f", within a time of {sum(spans[:-1]):g}"
                raise IntegrationError(Failure(FailureReason.NOT_AT_REST, subject=reason))
            y = trajectory.y[-1]
            found = self._at_rest(row, y, y_init, sum(spans))
            if found is not None:
                if not names:
                    return found, np.zeros((len(y), 0))
                dy = self._implicit(row, found, dy_init, names)
                if dy is not None:
                    return found, dy
                return self._integrated(row, y_init, dy_init, experiment, [*spans, 10 * spans[-1]], names)
        raise IntegrationError(Failure(FailureReason.NOT_AT_REST, subject=f", within a time of {sum(spans):g}"))

    def _at_rest(self, row: FloatArray, y: FloatArray, y_init: FloatArray, elapsed: float) -> FloatArray | None:
        """The steady state, if y is as good as at it."""
        weight = np.asarray(self.options.atol) + self.options.rtol * np.abs(y)
        f, J, _ = self._values(row, y)
        step, is_singular = self._newton(f, J, y, y_init)
        if not (np.abs(step) <= _NEAR * weight).all():
            return None
        if is_singular:
            # Newton's method cannot be trusted here, but what is left of f must not lead anywhere.
            drift = np.abs(f + J @ step) * elapsed
            return y if (drift <= weight).all() and (np.abs(step) <= weight).all() else None
        growth = np.linalg.eigvals(J).real.max(initial=-np.inf)
        if growth > _SINGULAR * np.abs(J).max() and growth * elapsed < _GROWTH_TIMES:
            return None
        at = y
        for _ in range(_NEWTON_STEPS):
            at = at + step
            f, J, _ = self._values(row, at)
            if not (np.isfinite(f).all() and np.isfinite(J).all()):
                return None
            before, (step, _) = step, self._newton(f, J, at, y_init)
            if (np.abs(step) <= 1e-14 * np.abs(at)).all() or np.abs(step).max() >= 0.5 * np.abs(before).max():
                break
        is_exact = (np.abs(step) <= weight).all() and (np.abs(at - y) <= 2 * _NEAR * weight).all()
        return at if is_exact else None

    def _newton(self, f: FloatArray, J: FloatArray, y: FloatArray, y_init: FloatArray) -> tuple[FloatArray, bool]:
        right = np.concatenate([-f, self._laws @ (y_init - y)])
        if not (np.isfinite(right).all() and np.isfinite(J).all()):
            return np.full_like(y, np.nan), True
        step, is_singular = least_squares(np.concatenate([J, self._laws]), right[:, None])
        return step[:, 0], is_singular

    def _implicit(self, row: FloatArray, y: FloatArray, dy_init: FloatArray, names: Sequence[str]) -> Any:
        """dy [S, K] by the implicit function theorem; None where the steady state is not alone."""
        _, J, f_q = self._values(row, y)
        right = np.concatenate([-self._spread(f_q, names), self._laws @ dy_init])
        if not (np.isfinite(right).all() and np.isfinite(J).all()):
            raise IntegrationError(Failure(FailureReason.REST_SENSITIVITIES_NOT_FINITE))
        dy, is_singular = least_squares(np.concatenate([J, self._laws]), right)
        return None if is_singular else dy

    def _integrated(
        self,
        row: FloatArray,
        y: FloatArray,
        dy: FloatArray,
        experiment: Experiment,
        spans: Sequence[float],
        names: Sequence[str],
    ) -> tuple[FloatArray, FloatArray]:
        """Followed all the way, with derivatives."""
        m = len(self._kept)
        for span in spans:
            piece = [_over(experiment, span)]
            trajectory = self.engine.solve(np.concatenate([row, y])[None], piece, sensitivities=True)[0]
            if trajectory.failure is not None or trajectory.dy is None:
                raise IntegrationError(Failure(FailureReason.NOT_AT_REST, subject=f": {trajectory.failure}"))
            last = trajectory.dy[-1]
            y, dy = trajectory.y[-1], self._spread(last[:, :m], names) + last[:, m:] @ dy
        return y, dy

    def _spread(self, columns: FloatArray, names: Sequence[str]) -> FloatArray:
        """Derivatives to the kept parameters as derivatives to `names`."""
        out = np.zeros((len(columns), len(names)))
        for k, name in enumerate(names):
            if name in self._kept:
                out[:, k] = columns[:, self._kept.index(name)]
        return out

    def _values(self, row: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """f [S], J [S, S] and df/dq [S, kept]."""
        n = len(y)
        values = np.array(self._functions(*y, *row), dtype=np.float64).reshape(n, -1)
        return values[:, 0], values[:, 1 : 1 + n], values[:, 1 + n :]

    @cached_property
    def _functions(self) -> Any:
        formulas = [sp.sympify(self._equations[state]) for state in self.system.states]
        names = (*self.system.states, *self._kept)
        table = zip(formulas, derivatives(formulas, names), strict=True)
        held = ("@time", *(f"{name}@held" for name in self._inputs))
        return numpy_function([part for f, line in table for part in (f, *line)], (*names, *held))

    def _start(self, p: FloatArray, names: tuple[str, ...]) -> tuple[FloatArray, FloatArray]:
        """Initial values of the rest and their derivatives."""
        if names not in self._initial_functions:
            slopes = derivatives(self._initial, names)
            parts = [part for f, line in zip(self._initial, slopes, strict=True) for part in (f, *line)]
            self._initial_functions[names] = numpy_function(parts, self.system.parameters)
        values = np.array(self._initial_functions[names](*p), dtype=np.float64).reshape(len(self._initial), -1)
        return values[:, 0], values[:, 1:]


@dataclass
class SharedRests:
    """Steady states of many experiments: those that depend on the same numbers are one."""

    steady: SteadyState
    names: tuple[str, ...]
    _known: dict[bytes, tuple[FloatArray, FloatArray] | Failure] = field(default_factory=dict)

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


def conservation_laws(rhs: Sequence[sp.Expr]) -> FloatArray:
    """W' [laws, S]: numbers w with w'f = 0 whatever states and parameters are, an orthonormal set.

    Equal terms are found by expanding, as in k*(a - b) and k*b - k*a.
    """
    terms: dict[Any, int] = {}
    entries = []
    for i, formula in enumerate(rhs):
        for term in sp.Add.make_args(sp.expand_mul(sp.sympify(formula))):
            coefficient, rest = term.as_coeff_Mul()
            entries.append((i, terms.setdefault(rest, len(terms)), float(coefficient)))
    stoichiometry = np.zeros((len(rhs), len(terms)))
    for i, j, coefficient in entries:
        stoichiometry[i, j] += coefficient
    left, size, _ = np.linalg.svd(stoichiometry)
    rank = int(np.count_nonzero(size > 1e-12 * size.max(initial=0.0)))
    laws: FloatArray = left[:, rank:].T
    return laws


def least_squares(M: FloatArray, right: FloatArray) -> tuple[FloatArray, bool]:
    """X with M X = right, [n, K], and whether M [m, n] is rank-deficient, after rows and columns are equilibrated."""
    rows, columns = np.ones(len(M)), np.ones(M.shape[1])
    scaled = M
    for _ in range(3):
        rows /= _size(scaled, 1)
        scaled = rows[:, None] * M * columns
        columns /= _size(scaled, 0)
        scaled = rows[:, None] * M * columns
    u, size, vt = np.linalg.svd(scaled, full_matrices=False)
    used = size > _SINGULAR * size.max(initial=0.0)
    inverse = np.where(used, 1 / np.where(used, size, 1.0), 0.0)
    X: FloatArray = columns[:, None] * (vt.T @ (inverse[:, None] * (u.T @ (rows[:, None] * right))))
    return X, not used.all()


def _size(M: FloatArray, axis: int) -> FloatArray:
    """The largest entry of each row or column, 1 where all are zero."""
    largest: FloatArray = np.abs(M).max(axis=axis, initial=0.0)
    return np.where(largest > 0, largest, 1.0)


def _over(experiment: Experiment, span: float) -> Experiment:
    return Experiment(experiment.name, np.array([span]), np.empty((1, 0)), 0.0)
