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

import logging
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp

from odefit.arrays import FloatArray
from odefit.engines.diffsol.diffsl import MUTED, diffsl_code, operations, seconds_to_compile
from odefit.errors import ModelError
from odefit.model.system import System, symbol

log = logging.getLogger(__name__)

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
# The event comes after this part of the time span (or of the time itself, if that is large).
_EVENT = 1e-9
_EVENT_LARGE = 1e-13
# The end that bdf is told, in time spans; its steps grow tenfold at most.
_FAR = 20.0
_ENDED = re.compile(r"at time = (\S+)")


@dataclass(frozen=True)
class Request:
    """What to integrate, and how: from `start` to the last of `times` [T] (increasing, none before it).

    sensitivities: whether dy/dq is wanted too. floor: the smallest step. offset: what to add to a time
    before it is told to a user. sensitivity_rtol, sensitivity_atol: where they differ from those of the states.
    """

    method: str
    start: float
    times: FloatArray
    rtol: float
    atol: float
    sensitivities: bool
    floor: float = 0.0
    offset: float = 0.0
    sensitivity_rtol: float | None = None
    sensitivity_atol: float | None = None

    @property
    def end(self) -> float:
        """The last of the times."""
        return float(self.times[-1])

    @property
    def span(self) -> float:
        return self.end - self.start

    @property
    def delay(self) -> float:
        """How long after the last time the event comes that ends the integration."""
        return _EVENT * self.span + _EVENT_LARGE * max(abs(self.start), abs(self.end))

    @property
    def told(self) -> float:
        """The end that the solver is told."""
        return self.end + 2 * self.delay + (_FAR * self.span if self.method == "bdf" else 0.0)


@dataclass(frozen=True)
class Solution:
    """y: [T, S]; dy: [T, S, N] with respect to the program's inputs, when asked (the first L
    of them are the parameters, then comes the time to stop). failure: None or a sentence.

    ended: where diffsol gave up, in the request's time. exhausted: it did so because Newton's method had
    failed too often in all, so that a fresh start from nearby may well get further.
    """

    y: FloatArray | None = None
    dy: FloatArray | None = None
    failure: str | None = None
    ended: float | None = None
    exhausted: bool = False


class Program:
    """One compiled system. Its inputs q [N] are the parameters, as `inputs` transforms them."""

    def __init__(self, system: System, scaled: frozenset[str], muted: frozenset[str], free_start: bool = False) -> None:
        self._code = diffsl_code(system, scaled, muted, free_start)
        self._has_sparse_jacobian = _is_sparse(system)
        self._ode = self._compiled()
        self._scaled = np.array([name in scaled for name in system.parameters], dtype=bool)
        self._factor = np.array([MUTED if name in muted else 1.0 for name in system.parameters])

    def _compiled(self) -> Any:
        import pydiffsol

        if (seconds := seconds_to_compile(self._code)) > 1:
            log.info("compiling the equations, about %d operations: %.2g s or so", operations(self._code), seconds)
        matrix = pydiffsol.faer_sparse if self._has_sparse_jacobian else pydiffsol.nalgebra_dense
        try:
            ode = pydiffsol.Ode(self._code, matrix_type=matrix, ode_solver=pydiffsol.tsit45)
        except BaseException as error:
            _let_pass(error)
            raise ModelError("model.equations", f"diffsol cannot compile them: {error}") from None
        self._solvers = {name: getattr(pydiffsol, name) for name in ("tsit45", "bdf", "esdirk34", "tr_bdf2")}
        for name, value in _LIMITS.items():
            setattr(ode.options, name, value)
        return ode

    def inputs(self, p: FloatArray, request: Request, state: FloatArray | None = None) -> FloatArray:
        """The program's inputs: for parameters p [L], a request, and initial values [S] where these are free."""
        event = (request.end + request.delay) * MUTED
        with np.errstate(over="ignore"):  # an infinite one is told of by its consequences
            parameters = np.where(self._scaled, np.arcsinh(p), p * self._factor)
        return np.concatenate([parameters, [event], [] if state is None else state])

    def slopes(self, p: FloatArray) -> FloatArray:
        """dq/dp [L]."""
        return np.where(self._scaled, 1 / np.hypot(1, p), self._factor)

    def start_fault(self, p: FloatArray, request: Request) -> str | None:
        """Why the integration cannot even begin, as a sentence; None when it can."""
        q = self.inputs(p, request)
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
                return _explodes(start + request.offset)
        return None

    def solve(self, p: FloatArray, request: Request, state: FloatArray | None = None) -> Solution:
        """Integrate. Times that all are the start are for the caller to answer."""
        ode = self._configured(request)
        q = self.inputs(p, request, state)
        times = np.append(request.times, request.told)
        try:
            found = ode.solve_fwd_sens(q, times) if request.sensitivities else ode.solve_dense(q, times)
        except BaseException as error:
            self._recover(error)
            return _failed(str(error), request)
        n = len(request.times)
        y = found.ys.T[:n]
        dy = np.stack(found.sens, axis=-1).transpose(1, 0, 2)[:n] if request.sensitivities else None
        return _checked(y, dy, request)

    def count_steps(self, p: FloatArray, request: Request) -> float:
        """How many steps the states alone take to the last of the times; infinity where they fail."""
        ode = self._configured(request)
        try:
            found = ode.solve(self.inputs(p, request), request.told)
        except BaseException as error:
            self._recover(error)
            return np.inf
        return float(len(found.ts)) if np.isfinite(found.ys).all() else np.inf

    def _recover(self, error: BaseException) -> None:
        """After a panic of its Rust code, a program can never be used again."""
        _let_pass(error)
        if not isinstance(error, Exception):
            self._ode = self._compiled()

    def _configured(self, request: Request) -> Any:
        """The compiled program is shared by all engines of a process: set everything, every time."""
        ode = self._ode
        ode.ode_solver = self._solvers[request.method]
        ode.t0 = request.start
        ode.rtol, ode.atol = request.rtol, request.atol
        ode.sens_rtol = request.sensitivity_rtol or request.rtol
        ode.sens_atol = request.sensitivity_atol or request.atol
        ode.h0 = 1.0
        ode.options.min_timestep = request.floor
        return ode


def _not_finite(y: FloatArray, rate: FloatArray, t: float) -> str:
    """What is wrong at the start, where y, dy/dt or their sizes are not finite."""
    if not np.isfinite(y).all():
        return "the initial values are not finite numbers"
    if not np.isfinite(rate).all():
        return f"dy/dt is not a finite number at the start (t = {t:.6g})"
    return _explodes(t)


def _explodes(t: float) -> str:
    return f"the solution explodes right at the start (t = {t:.6g})"


def _let_pass(error: BaseException) -> None:
    """Re-raise what is no fault of the solver. A panic of its Rust code is one, though no `Exception`."""
    if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
        raise error


def _failed(message: str, request: Request) -> Solution:
    where = _ENDED.search(message)
    ended = float(where[1]) if where else request.start
    at = f"at t = {ended + request.offset:.6g}"
    if "Step size is too small" in message:
        return Solution(failure=f"the solution blows up or changes too fast to be followed {at}", ended=ended)
    if "nonlinear solver failures" in message:
        return Solution(failure=f"the implicit equations could not be solved {at}", ended=ended, exhausted=True)
    if "error test failures" in message:
        return Solution(failure=f"the tolerance could not be met {at}: try a larger rtol and atol", ended=ended)
    return Solution(failure=f"the solver stopped: {message}", ended=ended)


def _checked(y: FloatArray, dy: FloatArray | None, request: Request) -> Solution:
    if y.shape[0] != len(request.times):
        return Solution(failure="the solver stopped before the last time", ended=request.start)
    for what, values in (("the solution is", y), ("its sensitivities are", dy)):
        if values is None or np.isfinite(values).all():
            continue
        bad = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
        ended = float(request.times[np.argmax(bad)])
        return Solution(failure=f"{what} no longer finite at t = {ended + request.offset:.6g}", ended=ended)
    return Solution(y=y, dy=dy)


def _is_sparse(system: System) -> bool:
    n = len(system.states)
    if n < _SPARSE_STATES:
        return False
    states = {symbol(name) for name in system.states}
    entries = sum(len(states & sp.sympify(rate).free_symbols) for rate in system.rhs)
    return entries < _SPARSE_DENSITY * n * n


@lru_cache(maxsize=64)
def _compile(key: _Key, scaled: frozenset[str], muted: frozenset[str], free_start: bool) -> Program:
    return Program(key.system, scaled, muted, free_start)


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
    system: System, scaled: Iterable[str] = (), muted: Iterable[str] = (), free_start: bool = False
) -> Program:
    """The program of a system, generated and compiled once per process. Raises ModelError."""
    return _compile(_Key(system), frozenset(scaled), frozenset(muted), free_start)
