"""Calls into diffsol that return: the compiled program of a system, and guards around it.

diffsol 0.16 (pydiffsol 0.6.2) holds Python's lock while it works, has no limit on the number of steps, and
never returns when its first step becomes 0 or NaN. So nothing is handed to it before f at the start, and at
the end of the trial step that its first step size comes from, have been looked at; steps have a floor; and
every number that comes back is checked.

It also must not be told to end at the last time that is asked for. It takes its last step as t + (end - t),
which may be less than `end`: then it panics, and its program is lost (on one grid in a hundred, where the
solution is smooth). And where `bdf` is just short of the end, it shortens the coming step so much that the
interpolation within the last one is destroyed by rounding, errors of 1e9 included. So the end is an event,
a little after the last time, and the end that the solver is told lies behind it: far behind it for `bdf`,
which interpolates; a little behind it for the others, which then need not look beyond.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from odefit import algebra as sp
from odefit.arrays import FloatArray, IntArray
from odefit.engines.diffsol.compilation import ode_of
from odefit.engines.diffsol.diffsl import MUTED, N_TIMES, diffsl_code
from odefit.engines.diffsol.request import Request
from odefit.engines.diffsol.units import Units
from odefit.engines.failure import Failure, FailureReason
from odefit.engines.methods import methods_of
from odefit.errors import ModelError
from odefit.model.system import System, symbol
from odefit.records import dataclass

# From this many states on, and where few of the derivatives df/dy are non-zero, sparse matrices are faster.
_SPARSE_STATES = 80
_SPARSE_DENSITY = 0.2
# Fresher Jacobians and more Newton iterations than by default: diffsol gives up at the 51st failure of
# Newton's method in one solution, however long it is. It allows 40 failures of the error test, which a stiff solution
# with its sensitivities may well have (Robertson: hundreds); how small a step may become is limited by the floor.
_LIMITS = {
    "max_error_test_failures": 10_000,
    "max_nonlinear_solver_iterations": 20,
    "update_jacobian_after_steps": 10,
    "update_rhs_jacobian_after_steps": 10,
    "threshold_to_update_jacobian": 0.1,
    "threshold_to_update_rhs_jacobian": 0.1,
}
_ENDED = re.compile(r"at time = (\S+)")


@dataclass(frozen=True)
class Solution:
    """y: [T, S]; dy: [T, S, C] with respect to the inputs that were asked for. failure: None, or why there is none.

    ended: where diffsol gave up, in the request's time. exhausted: it did so because Newton's method had
    failed too often in all, so that a fresh start from nearby may well get further.
    """

    y: FloatArray | None = None
    dy: FloatArray | None = None
    failure: Failure | None = None
    ended: float | None = None
    exhausted: bool = False


class Program:
    """One compiled system. Its inputs q [N] are the parameters, as `inputs` transforms them, then two times.

    What comes back is in the states' own units.
    """

    def __init__(
        self,
        system: System,
        scaled: frozenset[str],
        muted: frozenset[str],
        free_start: bool = False,
        units: Units | None = None,
    ) -> None:
        self._code = diffsl_code(system, scaled, muted, free_start, units=units)
        self.n_states = len(system.states)
        self.sizes = np.ones(len(system.parameters)) if units is None else np.array(units.parameters)
        self._unit = np.array(units.states) if units is not None and units.has_states else None
        self._has_sparse_jacobian = _is_sparse(system)
        self._ode = self._compiled()
        self._has_scaled = bool(scaled)
        self._scaled = np.array([name in scaled for name in system.parameters], dtype=bool)
        factor = np.array([MUTED if name in muted else 1.0 for name in system.parameters])
        self._factor: FloatArray = factor / self.sizes

    def _compiled(self) -> Any:
        import pydiffsol

        try:
            ode = ode_of(self._code, self._has_sparse_jacobian)
        except BaseException as error:
            _let_pass(error)
            raise ModelError("model.equations", f"diffsol cannot compile them: {error}") from None
        self._solvers = {name: getattr(pydiffsol, name) for name in methods_of("diffsol")}
        self._options = ode.options
        for name, value in _LIMITS.items():
            setattr(self._options, name, value)
        self._request: Request | None = None
        return ode

    def inputs(self, p: FloatArray, request: Request, state: FloatArray | None = None) -> FloatArray:
        """The program's inputs q: for parameters p [L], a request, and initial values [S] where these are free."""
        n = len(p)
        q = np.empty(n + N_TIMES if state is None else n + N_TIMES + len(state))
        if self._has_scaled:
            with np.errstate(over="ignore"):  # an infinite one shows itself by its consequences
                q[:n] = np.where(self._scaled, np.arcsinh(p / self.sizes), p * self._factor)
        else:
            with np.errstate(over="ignore"):
                np.multiply(p, self._factor, out=q[:n])
        q[n], q[n + 1] = request.event, request.last
        if state is not None:
            q[n + N_TIMES :] = state
        return q

    def slopes(self, p: FloatArray) -> FloatArray:
        """dq/dp [L]."""
        if not self._has_scaled:
            return self._factor
        return np.where(self._scaled, 1 / np.hypot(self.sizes, p), self._factor)

    def start_fault(self, q: FloatArray, request: Request) -> Failure | None:
        """Why the integration cannot even begin; None when it can."""
        start = request.start
        y = self._ode.y0(q)
        with np.errstate(all="ignore"):
            weight = request.atol + request.rtol * np.abs(y)
            rate = self._ode.rhs(q, start, y)
            # diffsol's trial step (Hairer, Norsett, Wanner: Solving ODEs I, II.4); f may be NaN there, not inf.
            scaled, change = y / weight, rate / weight
            size, speed = math.sqrt(scaled @ scaled / len(y)), math.sqrt(change @ change / len(y))
            if not (math.isfinite(size) and math.isfinite(speed)):
                return _not_finite(y, rate, start + request.offset)
            step = 1e-6 if size < 1e-5 or speed < 1e-5 else 0.01 * size / speed
            change = (self._ode.rhs(q, start + step, y + step * rate) - rate) / weight
            if step <= 0 or np.isinf(change @ change / np.square(step)):
                return Failure(FailureReason.EXPLODES, start + request.offset)
        return None

    def solve(self, q: FloatArray, request: Request, columns: IntArray | Sequence[int] = ()) -> Solution:
        """Integrate; with derivatives to the inputs in `columns`, where the request asks for any.

        Times that all are the start are for the caller to answer.
        """
        ode = self._configured(request)
        try:
            if request.sensitivities:
                found = ode.solve_fwd_sens(q, request.stops)
            else:
                found = ode.solve_dense(q, request.stops)
        except BaseException as error:
            self._recover(error)
            return _failed(str(error), request)
        n = len(request.times)
        y = found.ys.T[:n]
        dy = None
        if request.sensitivities:
            slopes = found.sens
            dy = np.empty((len(y), y.shape[1], len(columns)))
            for k, column in enumerate(columns):
                dy[:, :, k] = slopes[column].T[:n]
        if self._unit is not None:
            y = y * self._unit
            dy = None if dy is None else dy * self._unit[:, None]
        return _checked(y, dy, request)

    def steps(self, q: FloatArray, request: Request) -> FloatArray | None:
        """The times of the steps that the states alone take to the last of the times; None where they fail."""
        ode = self._configured(request)
        try:
            found = ode.solve(q, request.final)
        except BaseException as error:
            self._recover(error)
            return None
        times: FloatArray = found.ts
        return times if np.isfinite(found.ys).all() else None

    def count_steps(self, q: FloatArray, request: Request) -> float:
        """How many these are; infinity where they fail."""
        times = self.steps(q, request)
        return math.inf if times is None else float(len(times))

    def _recover(self, error: BaseException) -> None:
        """After a panic of its Rust code, a program can never be used again."""
        _let_pass(error)
        if not isinstance(error, Exception):
            self._ode = self._compiled()

    def _configured(self, request: Request) -> Any:
        """The compiled program is shared by all engines of a process: set everything that another request set."""
        ode = self._ode
        if request is not self._request:
            ode.ode_solver = self._solvers[request.method]
            ode.t0 = request.start
            ode.rtol, ode.atol = request.rtol, request.atol
            ode.sens_rtol = request.sensitivity_rtol or request.rtol
            ode.sens_atol = request.sensitivity_atol or request.atol
            ode.h0 = 1.0
            self._options.min_timestep = request.floor
            self._request = request
        return ode


def _not_finite(y: FloatArray, rate: FloatArray, t: float) -> Failure:
    """What is wrong at the start, where y, dy/dt or their sizes are not finite."""
    if not np.isfinite(y).all():
        return Failure(FailureReason.INITIAL_NOT_FINITE)
    if not np.isfinite(rate).all():
        return Failure(FailureReason.RATE_NOT_FINITE, t)
    return Failure(FailureReason.EXPLODES, t)


def _let_pass(error: BaseException) -> None:
    """Re-raise what is no fault of the solver. A panic of its Rust code is one, though no `Exception`."""
    if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
        raise error


# What diffsol says where it fails, and what it means.
_SIGNS = {
    "Step size is too small": FailureReason.BLOWS_UP,
    "nonlinear solver failures": FailureReason.IMPLICIT_EQUATIONS,
    "error test failures": FailureReason.TOLERANCE,
}


def _failed(message: str, request: Request) -> Solution:
    where = _ENDED.search(message)
    ended = float(where[1]) if where else request.start
    for sign, reason in _SIGNS.items():
        if sign in message:
            failure = Failure(reason, ended + request.offset)
            return Solution(failure=failure, ended=ended, exhausted=reason is FailureReason.IMPLICIT_EQUATIONS)
    return Solution(failure=Failure(FailureReason.STOPPED, subject=f": {message}"), ended=ended)


def _checked(y: FloatArray, dy: FloatArray | None, request: Request) -> Solution:
    if len(y) != len(request.times):
        return Solution(failure=Failure(FailureReason.STOPPED, subject=" before the last time"), ended=request.start)
    for reason, values in ((FailureReason.NOT_FINITE, y), (FailureReason.SENSITIVITIES_NOT_FINITE, dy)):
        if values is None or np.isfinite(values).all():
            continue
        bad = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
        ended = float(request.times[np.argmax(bad)])
        return Solution(failure=Failure(reason, ended + request.offset), ended=ended)
    return Solution(y=y, dy=dy)


def _is_sparse(system: System) -> bool:
    n = len(system.states)
    if n < _SPARSE_STATES:
        return False
    states = {symbol(name) for name in system.states}
    entries = sum(len(states & sp.sympify(rate).free_symbols) for rate in system.rhs)
    return entries < _SPARSE_DENSITY * n * n


@lru_cache(maxsize=64)
def _compile(
    key: _Key, scaled: frozenset[str], muted: frozenset[str], free_start: bool, units: Units | None
) -> Program:
    return Program(key.system, scaled, muted, free_start, units)


class _Key:
    """A system as a key: two systems with the same formulas are the same program."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.value = (system.states, system.parameters, system.rhs, system.start, system.is_mechanistic)

    def __hash__(self) -> int:
        return hash(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.value == other.value


def compiled(
    system: System,
    scaled: Iterable[str] = (),
    muted: Iterable[str] = (),
    free_start: bool = False,
    units: Units | None = None,
) -> Program:
    """The program of a system, generated and compiled once per process. Raises ModelError."""
    if units is not None:
        units = replace(units, atol=1.0)  # it is no part of the program
    return _compile(_Key(system), frozenset(scaled), frozenset(muted), free_start, units)
