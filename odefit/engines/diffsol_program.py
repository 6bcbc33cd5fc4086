"""Calls into diffsol that return: the compiled program of a system, and guards around it.

diffsol 0.16 (pydiffsol 0.6.2) holds Python's lock while it works, has no limit on the number of steps, and
never returns when its first step becomes 0 or NaN. So nothing is handed to it before f at the start, and at
the end of the trial step that its first step size comes from, have been looked at; steps have a floor; and
every number that comes back is checked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp

from odefit.data.experiments import FloatArray
from odefit.engines.diffsl import MUTED, diffsl_code
from odefit.errors import ModelError
from odefit.model.system import System, symbol

# From this many states on, and where few of the derivatives df/dy are non-zero, sparse matrices are faster.
_SPARSE_STATES = 50
_SPARSE_DENSITY = 0.2
# Fresher Jacobians and more Newton iterations than by default: diffsol gives up at the 51st failure of
# Newton's method in one solution, however long it is.
_NEWTON = {
    "max_nonlinear_solver_iterations": 20,
    "update_jacobian_after_steps": 10,
    "update_rhs_jacobian_after_steps": 10,
    "threshold_to_update_jacobian": 0.1,
    "threshold_to_update_rhs_jacobian": 0.1,
}
_ENDED = re.compile(r"at time = (\S+)")


@dataclass(frozen=True)
class Request:
    """What to integrate, and how: from `start` to the last of `times` [T] (increasing, none before it).

    floor: the smallest step. sensitivities: whether dy/dq is wanted too.
    """

    method: str
    start: float
    times: FloatArray
    rtol: float
    atol: float
    floor: float
    sensitivities: bool


@dataclass(frozen=True)
class Solution:
    """y: [T, S]; dy: [T, S, N] with respect to the program's inputs, when asked. failure: None or a sentence.

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
        import pydiffsol

        code = diffsl_code(system, scaled, muted, free_start)
        matrix = pydiffsol.faer_sparse if _is_sparse(system) else pydiffsol.nalgebra_dense
        try:
            self._ode = pydiffsol.Ode(code, matrix_type=matrix, ode_solver=pydiffsol.tsit45)
        except Exception as error:
            raise ModelError("model.equations", f"diffsol cannot compile them: {error}") from None
        self._solvers = {name: getattr(pydiffsol, name) for name in ("tsit45", "bdf", "esdirk34", "tr_bdf2")}
        for name, value in _NEWTON.items():
            setattr(self._ode.options, name, value)
        self._scaled = np.array([name in scaled for name in system.parameters], dtype=bool)
        self._factor = np.array([MUTED if name in muted else 1.0 for name in system.parameters])

    def inputs(self, p: FloatArray) -> FloatArray:
        """q [L] for parameters p [L]."""
        if not self._factor.size:
            return np.zeros(1)
        return np.where(self._scaled, np.arcsinh(p), p * self._factor)

    def slopes(self, p: FloatArray) -> FloatArray:
        """dq/dp [L]."""
        return np.where(self._scaled, 1 / np.sqrt(1 + p * p), self._factor)

    def start_fault(self, q: FloatArray, start: float, rtol: float, atol: float) -> str | None:
        """Why the integration cannot even begin, as a sentence; None when it can."""
        y = self._ode.y0(q)
        if not np.isfinite(y).all():
            return "the initial values are not finite numbers"
        with np.errstate(all="ignore"):
            weight = atol + rtol * np.abs(y)
            rate = self._ode.rhs(q, start, y)
            if not np.isfinite(rate).all():
                return f"dy/dt is not a finite number at the start (t = {start:.6g})"
            size, speed = (float(np.sqrt(np.mean(np.square(v / weight)))) for v in (y, rate))
            # diffsol's trial step (Hairer, Norsett, Wanner: Solving ODEs I, II.4); it may be NaN, not inf.
            step = 1e-6 if size < 1e-5 or speed < 1e-5 else 0.01 * size / speed
            trial = self._ode.rhs(q, start + step, y + step * rate)
            change = float(np.sum(np.square((trial - rate) / weight))) / step**2
            if not np.isfinite(size) or not np.isfinite(speed) or np.isinf(trial).any() or np.isinf(change):
                return f"the solution explodes right at the start (t = {start:.6g})"
        return None

    def solve(self, q: FloatArray, request: Request) -> Solution:
        """Integrate. Times that all are the start are for the caller to answer."""
        ode = self._configured(request)
        try:
            if request.sensitivities:
                found = ode.solve_fwd_sens(q, request.times)
                dy = np.stack(found.sens, axis=-1).transpose(1, 0, 2)
            else:
                found = ode.solve_dense(q, request.times)
                dy = None
        except Exception as error:
            return _failed(str(error), request)
        y = found.ys.T
        return _checked(y, dy, request)

    def count_steps(self, q: FloatArray, request: Request) -> float:
        """How many steps the states alone take to the last of the times; infinity where they fail."""
        ode = self._configured(request)
        try:
            found = ode.solve(q, float(request.times[-1]))
        except Exception:
            return np.inf
        return float(len(found.ts)) if np.isfinite(found.ys).all() else np.inf

    def _configured(self, request: Request) -> Any:
        """The compiled program is shared by all engines of a process: set everything, every time."""
        ode = self._ode
        ode.ode_solver = self._solvers[request.method]
        ode.t0 = request.start
        ode.rtol = ode.sens_rtol = request.rtol
        ode.atol = ode.sens_atol = request.atol
        ode.h0 = 1.0
        ode.options.min_timestep = request.floor
        return ode


def _failed(message: str, request: Request) -> Solution:
    where = _ENDED.search(message)
    ended = float(where[1]) if where else request.start
    at = f"at t = {ended:.6g}"
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
        return Solution(failure=f"{what} no longer finite at t = {ended:.6g}", ended=ended)
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
    system: System, scaled: Sequence[str] = (), muted: Sequence[str] = (), free_start: bool = False
) -> Program:
    """The program of a system, generated and compiled once per process. Raises ModelError."""
    return _compile(_Key(system), frozenset(scaled), frozenset(muted), free_start)
