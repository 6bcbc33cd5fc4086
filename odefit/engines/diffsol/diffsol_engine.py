"""Compiled integration by diffsol: stiff and non-stiff methods, with exact forward sensitivities.

Sensitivities are integrated under the same tolerances as the states: without that, `bdf` gets them wrong in
the second digit at rtol 1e-6. A parameter of large size enters the program as asinh(p), so that what is
controlled is sqrt(1 + p^2) dy/dp; under the plain tolerance the sensitivity to Robertson's 3e7 is all error.

A condition or a step function whose place depends on a state or on a sensitive parameter makes the solution's
derivative jump there; as in torch, the jump's own part of the derivative is left out.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.engines.base import SolverOptions, Trajectory
from odefit.engines.diffsol.diffsl import (
    MAX_OPERATIONS,
    MAX_UNASKED,
    diffsl_code,
    jumps,
    operations,
    seconds_to_compile,
)
from odefit.engines.diffsol.program import Program, Request, Solution, compiled
from odefit.model.derivatives import derivatives
from odefit.model.functions import numpy_function
from odefit.model.system import System, symbol

if TYPE_CHECKING:
    from torch import Tensor

    from odefit.data.dataset import Batch

METHODS = ("tsit45", "bdf", "esdirk34", "tr_bdf2")

# The smallest step of tsit45, in parts of the time span: it bounds the number of steps. Under `auto` the
# stiff method takes over there.
_FLOOR = 1e-6
_FLOOR_AUTO = 1e-5
# Under `auto`, every so many solutions the steps of both methods are counted: a stiff method that needs so
# many times fewer is worth its dearer steps.
_CHECK_EVERY = 64
_CRAWL_STEPS = 500
_CRAWL_RATIO = 4
# A stiff method may take steps of any size, so it is seen what it takes for a part of the way, see _rehearse.
_MAX_STEPS = 100_000
_MAX_SECONDS = 20.0
_TRUSTED_FACTOR = 4.0
# From so many seconds on it is said how long compiling takes.
_LONG_COMPILATION = 5.0
# Parameters above the first size are transformed (until they are below the second again).
_LARGE = 30.0
_SMALL = 0.3


def available() -> tuple[bool, str]:
    """Whether the compiled engine can work here; if not, a sentence that says why."""
    try:
        import pydiffsol
    except ImportError as error:
        return False, f"pydiffsol cannot be imported ({error})"
    if not pydiffsol.is_sens_available():
        return False, "this build of pydiffsol has no sensitivities"
    return True, ""


class DiffsolEngine:
    """Integrates a system of formulas, compiled once per process; see `engines.base.Engine`.

    method_in_use: the method of the next solution; with `auto` it begins as tsit45 and becomes bdf where
    tsit45 fails or crawls and bdf does not. This is remembered for the engine's life: a fit that must not
    depend on what was solved before it takes a new engine (the program is not compiled again).
    notes: what a user should know, one sentence each, none twice.

    Raises ModelError for what cannot be compiled, TooLarge (with `auto` earlier) for what would take too long. A failed
    integration is a Trajectory with a `failure`.
    """

    def __init__(self, system: System, options: SolverOptions, sensitive: Sequence[str] = ()) -> None:
        self.system = system
        self.sensitive = tuple(sensitive)
        self.options = options
        self.method_in_use = "tsit45" if options.method == "auto" else options.method
        self.notes: list[str] = []
        if self.method_in_use not in METHODS:
            raise ValueError(f"diffsol has no method '{options.method}'; it has {', '.join(METHODS)}")
        unknown = set(self.sensitive) - set(system.parameters)
        if unknown:
            raise ValueError(f"not parameters of the system: {', '.join(sorted(unknown))}")
        self._columns = np.array([system.parameters.index(name) for name in self.sensitive], dtype=int)
        self._muted = tuple(name for name in system.parameters if name not in self.sensitive)
        self._scaled: frozenset[str] = frozenset()
        self._uses_time = any(symbol("t") in sp.sympify(rate).free_symbols for rate in system.rhs)
        self._solved = 0
        self._trusted: dict[tuple[str, bool], _Box] = {}
        self._compiled: Program | None = None
        # What cannot be compiled is refused here, not at the first solution.
        code = diffsl_code(system, most=MAX_UNASKED if options.method == "auto" else MAX_OPERATIONS)
        seconds = seconds_to_compile(code)
        if seconds > _LONG_COMPILATION:
            what = f"The equations come to about {operations(code):,} operations: to compile them takes about"
            self.notes.append(f"{what} {seconds:.0f} seconds, in every process.")
        self.notes += jumps(system, self.sensitive)

    def fresh(self) -> DiffsolEngine:
        """The same engine before its first solve; nothing is checked or compiled again."""
        engine = copy.copy(self)
        engine.method_in_use = "tsit45" if self.options.method == "auto" else self.options.method
        engine.notes, engine._trusted = list(self.notes), {}
        engine._scaled, engine._compiled, engine._solved = frozenset(), None, 0
        return engine

    def __getstate__(self) -> dict[str, Any]:
        """Without the compiled program: another process compiles its own."""
        return {name: v for name, v in vars(self).items() if name != "_start_values"} | {"_compiled": None}

    def solve(self, p: FloatArray, experiments: Sequence[Experiment]) -> list[Trajectory]:
        """States of each experiment at its times. p: [E, L], one row per experiment."""
        return self._solve_all(p, experiments, False)

    def solve_with_sensitivities(self, p: FloatArray, experiments: Sequence[Experiment]) -> list[Trajectory]:
        """The same with dy: [T, S, len(sensitive)], total derivatives (through y0 as well)."""
        return self._solve_all(p, experiments, True)

    def solve_batch(self, p: Tensor, batch: Batch) -> Tensor:
        """States at each experiment's own times, [E, T, S], padded to the longest with its last state.

        Differentiable (once) with respect to p [E, L], but only in the columns of the `sensitive`
        parameters: the others are constants, their gradient is zero. Raises SolveError, which names the
        experiment, when an integration fails.
        """
        from odefit.engines.autograd import states_of

        return states_of(self, p, batch.experiments)

    def _solve_all(self, p: FloatArray, experiments: Sequence[Experiment], sensitivities: bool) -> list[Trajectory]:
        p = np.asarray(p, dtype=np.float64)
        if p.shape != (len(experiments), len(self.system.parameters)):
            raise ValueError(f"p has shape {p.shape}, not ({len(experiments)}, {len(self.system.parameters)})")
        self._choose_scales(p)
        return [self._solve_one(row, e, sensitivities) for row, e in zip(p, experiments, strict=True)]

    def _solve_one(self, p: FloatArray, experiment: Experiment, sensitivities: bool) -> Trajectory:
        times = np.asarray(experiment.times, dtype=np.float64)
        fault = _input_fault(self.system, p, times, experiment.start)
        if fault is not None:
            return self._failure(fault, len(times), sensitivities)
        if not len(times) or times[-1] == experiment.start:
            return self._at_start(p, len(times), sensitivities)
        # Formulas without t are integrated from t = 0, where times are told apart best.
        offset = 0.0 if self._uses_time else experiment.start
        request = Request(
            method=self.method_in_use,
            start=experiment.start - offset,
            times=times - offset,
            rtol=self.options.rtol,
            atol=self.options.atol,
            sensitivities=sensitivities and bool(self.sensitive),
            offset=offset,
            sensitivity_rtol=self.options.sensitivity_rtol,
            sensitivity_atol=self.options.sensitivity_atol,
        )
        fault = self._program.start_fault(p, request)
        if fault is not None:
            return self._failure(fault, len(times), sensitivities)
        found = self._automatic(p, request) if self.options.method == "auto" else self._run(p, request)
        self._solved += 1
        if found.y is None:
            hint = "; if the equations are stiff, use auto or bdf" if self.options.method == "tsit45" else ""
            return self._failure(f"{found.failure}{hint}", len(times), sensitivities)
        dy: FloatArray | None = np.zeros((*found.y.shape, 0)) if sensitivities else None
        if found.dy is not None:
            dy = (found.dy[:, :, : len(p)] * self._program.slopes(p))[:, :, self._columns]
        return Trajectory(y=found.y, dy=dy)

    def _automatic(self, p: FloatArray, request: Request) -> Solution:
        """Non-stiff first; the stiff method where that fails or crawls, and from then on."""
        if self.method_in_use == "bdf":
            found = self._run(p, request)
            if found.failure is None:
                if self._solved % _CHECK_EVERY == 0 and not self._crawls(p, request, margin=1.0):
                    self.method_in_use = "tsit45"
                return found
            other = self._run(p, replace(request, method="tsit45"))
            return found if other.failure else other
        found = self._run(p, request)
        if found.failure is None and self._solved % _CHECK_EVERY:
            return found
        if found.failure is None and not self._crawls(p, request, margin=_CRAWL_RATIO):
            return found
        stiff = self._run(p, replace(request, method="bdf"))
        if stiff.failure is not None:
            return found
        self.method_in_use = "bdf"
        why = "fails" if found.failure else "crawls"
        self._note(f"The equations are stiff: tsit45 {why} on them, so bdf is used from here on.")
        return stiff

    def _crawls(self, p: FloatArray, request: Request, margin: float) -> bool:
        """Whether tsit45 needs many steps, and `margin` times more than bdf does."""
        explicit, stiff = (
            self._program.count_steps(p, replace(wanted, floor=_floor(wanted, True)))
            for wanted in (replace(request, method=method) for method in ("tsit45", "bdf"))
        )
        return explicit > max(_CRAWL_STEPS, margin * stiff)

    def _run(self, p: FloatArray, request: Request) -> Solution:
        """One method, guarded: a floor under the steps of tsit45, a rehearsal for the others."""
        request = replace(request, floor=_floor(request, self.options.method == "auto"))
        if request.method == "tsit45":
            return self._program.solve(p, request)
        box = self._trusted.setdefault((request.method, request.sensitivities), _Box())
        if not box.holds(p, request.span):
            fault = self._rehearse(p, request)
            if fault is not None:
                return Solution(failure=fault, ended=request.start)
        found = self._program.solve(p, request)
        if found.exhausted:
            found = self._in_segments(p, request, found)
        if found.failure is None:
            box.include(p, request.span)
        return found

    def _rehearse(self, p: FloatArray, request: Request) -> str | None:
        """Go 1e-6, 1e-5, ..., 1e-1 of the way first, and stop where the whole way would seem to hang.

        The states' steps are counted; the sensitivities, which may need smaller ones, are timed.
        """
        parts = [replace(request, times=np.array([request.start + request.span * 10.0**-k])) for k in range(6, 0, -1)]
        steps = 0.0
        for part in parts:
            before, steps = steps, self._program.count_steps(p, part)
            if 10 * (steps - before) > _MAX_STEPS and math.isfinite(steps):
                return f"{request.method} would take more than {_MAX_STEPS:,} steps: the solution changes too fast"
        for part in parts[-3:] if request.sensitivities else []:
            begun = time.perf_counter()
            self._program.solve(p, part)
            if 10 * (time.perf_counter() - begun) > _MAX_SECONDS:
                return _too_slow(request)
        return None

    def _in_segments(self, p: FloatArray, request: Request, found: Solution) -> Solution:
        """Solve piece by piece, each from the last state of the one before, as far as each one comes.

        The derivatives follow by the chain rule: dy/dq = (dy/dq with y1 fixed) + (dy/dy1) (dy1/dq).
        """
        restart = compiled(self.system, self._scaled, self._muted, free_start=True)
        pieces: list[Solution] = []
        state: FloatArray | None = None
        slope: FloatArray | None = None
        start = request.start
        begun = time.perf_counter()
        while time.perf_counter() - begun < _MAX_SECONDS:
            if found.failure is None:
                last = _chained(found, slope)
                return last if last.failure else _joined([*pieces, last])
            end = start + 0.9 * ((found.ended or start) - start)
            if not found.exhausted or end - start < 1e-6 * request.span:
                return found
            inside = request.times[(request.times > start) & (request.times <= end)]
            if state is None:
                inside = request.times[request.times <= end]
            program = self._program if state is None else restart
            piece = program.solve(p, replace(request, start=start, times=np.append(inside, end)), state)
            piece = _chained(piece, slope)
            if piece.y is None:
                return piece
            pieces.append(Solution(piece.y[:-1], None if piece.dy is None else piece.dy[:-1]))
            state, slope, start = piece.y[-1], None if piece.dy is None else piece.dy[-1], end
            rest = replace(request, start=start, times=request.times[request.times > start])
            rest = replace(rest, floor=_floor(rest, False))
            found = restart.solve(p, rest, state)
        return Solution(failure=_too_slow(request), ended=start)

    def _choose_scales(self, p: FloatArray) -> None:
        """Where any parameter is large, all enter as asinh(p): two programs at most, not one per combination."""
        if not len(self.sensitive) or not len(p):
            return
        with np.errstate(invalid="ignore"):
            size = np.max(np.abs(p[:, self._columns]))
        scaled = frozenset(self.sensitive) if size > (_SMALL if self._scaled else _LARGE) else frozenset[str]()
        if scaled != self._scaled:
            self._scaled, self._compiled = scaled, None

    @property
    def _program(self) -> Program:
        if self._compiled is None:
            self._compiled = compiled(self.system, self._scaled, self._muted)
        return self._compiled

    def _at_start(self, p: FloatArray, n_times: int, sensitivities: bool) -> Trajectory:
        """Every time is the start: the initial values and their derivatives."""
        n = len(self.system.states)
        values = self._start_values(*p)
        y = np.array(values[:n], dtype=np.float64)
        dy = np.array(values[n:], dtype=np.float64).reshape(n, len(self.sensitive))
        if not (np.isfinite(y).all() and np.isfinite(dy).all()):
            return self._failure("the initial values or their derivatives are not finite", n_times, sensitivities)
        return Trajectory(np.tile(y, (n_times, 1)), np.tile(dy, (n_times, 1, 1)) if sensitivities else None)

    @cached_property
    def _start_values(self) -> Callable[..., list[Any]]:
        start = [sp.sympify(formula) for formula in self.system.start]
        slopes = [slope for row in derivatives(start, self.sensitive) for slope in row]
        return numpy_function([*start, *slopes], self.system.parameters)

    def _failure(self, sentence: str, n_times: int, sensitivities: bool) -> Trajectory:
        y = np.full((n_times, len(self.system.states)), np.nan)
        return Trajectory(y, np.full((*y.shape, len(self.sensitive)), np.nan) if sensitivities else None, sentence)

    def _note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)


class _Box:
    """The parameters, and the longest span, for which a method has been seen to finish in good time."""

    def __init__(self) -> None:
        self.low: FloatArray | None = None
        self.high: FloatArray | None = None
        self.span = 0.0

    def holds(self, p: FloatArray, span: float) -> bool:
        if self.low is None or self.high is None or span > 2 * self.span:
            return False
        size = np.abs(p)
        near = (size >= self.low / _TRUSTED_FACTOR) & (size <= self.high * _TRUSTED_FACTOR)
        return bool(near.all())

    def include(self, p: FloatArray, span: float) -> None:
        size = np.abs(p)
        self.low = size if self.low is None else np.minimum(self.low, size)
        self.high = size if self.high is None else np.maximum(self.high, size)
        self.span = max(self.span, span)


def _floor(request: Request, auto: bool) -> float:
    """The smallest step: tsit45 needs a smaller one only where it crawls; the others begin with tiny ones."""
    if request.method == "tsit45":
        # Tight tolerances make steps shorter without making the equations stiff; tsit45 is of order 5.
        tight = min(1.0, (request.rtol / 1e-6) ** 0.2)
        return float(request.span * tight * (_FLOOR_AUTO if auto else _FLOOR))
    return max(1e-22 * request.span, 4 * float(np.finfo(np.float64).eps) * abs(request.start))


def _too_slow(request: Request) -> str:
    return f"{request.method} needs so many steps that it would take more than {_MAX_SECONDS:.0f} seconds"


def _chained(piece: Solution, slope: FloatArray | None) -> Solution:
    """A piece whose last inputs are its initial values, as a function of the other inputs alone."""
    if piece.dy is None or slope is None:
        return piece
    n = slope.shape[1]
    with np.errstate(all="ignore"):
        dy = piece.dy[:, :, :n] + piece.dy[:, :, n:] @ slope
    if not np.isfinite(dy).all():
        return Solution(failure="the sensitivities are no longer finite", ended=piece.ended)
    return replace(piece, dy=dy)


def _joined(pieces: Sequence[Solution]) -> Solution:
    ys = [piece.y for piece in pieces if piece.y is not None]
    dys = [piece.dy for piece in pieces if piece.dy is not None]
    return Solution(np.concatenate(ys), np.concatenate(dys) if dys else None)


def _input_fault(system: System, p: FloatArray, times: FloatArray, start: float) -> str | None:
    times_are_good = not len(times) or bool(
        start <= times[0] and times[-1] < math.inf and (times[1:] >= times[:-1]).all()
    )
    if times_are_good and math.isfinite(start) and np.isfinite(p).all():
        return None  # the usual case, told in a few microseconds
    bad = [name for name, value in zip(system.parameters, p, strict=True) if not math.isfinite(value)]
    if bad:
        return f"the parameter {bad[0]} is not a finite number"
    if not (np.isfinite(times).all() and math.isfinite(start)):
        return "a time is not a finite number"
    return "the times must increase from the start"
