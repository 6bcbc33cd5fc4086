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
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from odefit import algebra as sp
from odefit.arrays import FloatArray, IntArray
from odefit.data.experiments import Experiment
from odefit.engines.base import Engine, Solutions, SolverOptions, members_of, offsets_of, times_fault
from odefit.engines.diffsol.diffsl import (
    MAX_OPERATIONS,
    MAX_UNASKED,
    diffsl_code,
    jumps,
    operations,
    seconds_to_compile,
)
from odefit.engines.diffsol.effort import TrustedRegion, excessive
from odefit.engines.diffsol.program import Program, Solution, compiled
from odefit.engines.diffsol.request import Request
from odefit.engines.diffsol.restart import solve_in_pieces
from odefit.engines.diffsol.units import units_of
from odefit.engines.failure import Failure, FailureReason
from odefit.engines.methods import AUTO, AUTO_COMPILED, AUTO_STIFF, methods_of
from odefit.engines.roots import advice_on_roots
from odefit.model.derivatives import derivatives
from odefit.model.functions import numpy_function
from odefit.model.system import System, symbol

if TYPE_CHECKING:
    from torch import Tensor

    from odefit.data.dataset import Batch

# Under `auto`, the steps of both methods are counted after 64 solutions, 128, 256, ...: a stiff method that needs four
# times fewer is worth its dearer steps. On stiff equations a count is as dear as a hundred solutions.
_CHECK_EVERY = 64
_CRAWL_STEPS = 500
_CRAWL_RATIO = 4
# From this many seconds on it is said how long compiling takes.
_LONG_COMPILATION = 5.0
# Parameters above the first size are transformed (until they are below the second again).
_LARGE = 30.0
_SMALL = 0.3
# Experiments whose requests are kept; a fit has fewer, a plot makes new ones.
_REMEMBERED = 10_000
_IF_STIFF = "if the equations are stiff, use auto or bdf"


def available() -> tuple[bool, str]:
    """Whether the compiled engine can work here; if not, a sentence that says why."""
    try:
        import pydiffsol
    except ImportError as error:
        return False, f"pydiffsol cannot be imported ({error})"
    if not pydiffsol.is_sens_available():
        return False, "this build of pydiffsol has no sensitivities"
    return True, ""


class DiffsolEngine(Engine):
    """Integrates a system of formulas, compiled once per process; see `engines.base.Engine`.

    With `auto` the method in use begins as tsit45 and becomes bdf where tsit45 fails or crawls and bdf does not. The
    engine remembers this: a fit that must not depend on what was solved before it takes a `reset_copy` (the program is
    not compiled again).

    What bounds the work of one solution: tsit45 has a floor under its steps (request.py), the other methods are tried
    on parts of the way first (effort.py), and begin anew at most MAX_PIECES times (restart.py). All of these count;
    none looks at a clock.

    Raises ModelError for what cannot be compiled, TooLarge (with `auto` earlier) for what would take too long.
    """

    is_compiled = True

    def __init__(self, system: System, options: SolverOptions, sensitive: Sequence[str] = ()) -> None:
        self.system = system
        self.sensitive = tuple(sensitive)
        self.options = options
        self.notes: list[str] = []
        known = methods_of("diffsol")
        if options.method not in (AUTO, *known):
            raise ValueError(f"diffsol has no method '{options.method}'; it has {', '.join(known)}")
        unknown = set(self.sensitive) - set(system.parameters)
        if unknown:
            raise ValueError(f"not parameters of the system: {', '.join(sorted(unknown))}")
        self._columns = np.array([system.parameters.index(name) for name in self.sensitive], dtype=np.intp)
        self._muted = tuple(name for name in system.parameters if name not in self.sensitive)
        self._units = units_of(system, options, self.sensitive)
        self._sizes = np.array(self._units.parameters)[self._columns]
        self._uses_time = any(symbol("t") in sp.sympify(rate).free_symbols for rate in system.rhs)
        self._forget()
        # What cannot be compiled is refused here, not at the first solution.
        code = diffsl_code(system, most=MAX_UNASKED if options.method == AUTO else MAX_OPERATIONS)
        seconds = seconds_to_compile(code)
        if seconds > _LONG_COMPILATION:
            what = f"The equations come to about {operations(code):,} operations: to compile them takes about"
            self.notes.append(f"{what} {seconds:.0f} seconds, in every process.")
        self.notes += jumps(system, self.sensitive)
        self._first_notes = tuple(self.notes)

    def _forget(self) -> None:
        """Everything that solutions have taught."""
        self._method = AUTO_COMPILED if self.options.method == AUTO else self.options.method
        self._scaled: frozenset[str] = frozenset()
        self._solved = 0
        self._trusted: dict[tuple[str, bool], TrustedRegion] = {}
        self._compiled: Program | None = None
        self._requests: dict[tuple[int, str, bool], tuple[Experiment, Request]] = {}

    @property
    def method_in_use(self) -> str:
        """The method of the next solution."""
        return self._method

    def reset_copy(self) -> DiffsolEngine:
        """The same engine before its first solve; nothing is checked or compiled again."""
        engine = copy.copy(self)
        engine.notes = list(self._first_notes)
        engine._forget()
        return engine

    def state(self) -> dict[str, Any]:
        """The method in use, how far its check is, the transformation of parameters, and where methods are trusted."""
        return {
            "method": self._method,
            "solved": self._solved,
            "scaled": sorted(self._scaled),
            "trusted": [[*key, region.low, region.high, region.span] for key, region in self._trusted.items()],
            "notes": list(self.notes),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self._forget()
        self._method, self._solved, self._scaled = state["method"], state["solved"], frozenset(state["scaled"])
        for method, sensitivities, low, high, span in state["trusted"]:
            self._trusted[method, sensitivities] = TrustedRegion(_array(low), _array(high), span)
        self.notes = list(state["notes"])

    def __getstate__(self) -> dict[str, Any]:
        """Without the compiled program: another process compiles its own."""
        kept = {name: value for name, value in vars(self).items() if name != "_start_values"}
        return kept | {"_compiled": None, "_requests": {}}

    def solve(
        self,
        p: FloatArray,
        experiments: Sequence[Experiment],
        sensitivities: bool = False,
        members: IntArray | None = None,
    ) -> Solutions:
        """States of each member at the times of its experiment; see `Engine.solve`."""
        p, chosen = members_of(self.system, p, experiments, members)
        self._choose_scales(p)
        offsets = offsets_of([len(experiment.times) for experiment in chosen])
        y = np.full((int(offsets[-1]), len(self.system.states)), np.nan)
        dy = np.full((*y.shape, len(self.sensitive)), np.nan) if sensitivities else None
        finite = np.logical_and.reduce(np.isfinite(p), axis=1)
        failures: list[Failure | None] = []
        for m, experiment in enumerate(chosen):
            rows = slice(offsets[m], offsets[m + 1])
            if finite[m]:
                failures.append(self._solve_one(p[m], experiment, y[rows], None if dy is None else dy[rows]))
            else:
                bad = self.system.parameters[int(np.argmin(np.isfinite(p[m])))]
                failures.append(Failure(FailureReason.PARAMETER_NOT_FINITE, subject=bad))
        return Solutions(y, dy, offsets, tuple(failures))

    def solve_batch(self, p: Tensor, batch: Batch) -> Tensor:
        """States at each experiment's own times, [E, T, S], padded to the longest with its last state.

        Differentiable (once) with respect to p [E, L], but only in the columns of the `sensitive`
        parameters: the others are constants, their gradient is zero. Raises SolveError, which names the
        experiment, when an integration fails.
        """
        from odefit.engines.autograd import states_of

        return states_of(self, p, batch.experiments)

    def count_steps(self, p: FloatArray, experiments: Sequence[Experiment]) -> int | None:
        """How many steps the states alone take by the method in use, for p [E, L]; None where one fails."""
        p, chosen = members_of(self.system, p, experiments, None)
        total = 0.0
        for row, experiment in zip(p, chosen, strict=True):
            if len(experiment.times) and experiment.times[-1] > experiment.start:
                request = self._request(experiment, False)
                q = self._program.inputs(row, request)
                if request.fault is not None or self._program.start_fault(q, request) is not None:
                    return None
                total += self._program.count_steps(q, request)
        return int(total) if math.isfinite(total) else None

    def _solve_one(self, p: FloatArray, experiment: Experiment, y: FloatArray, dy: FloatArray | None) -> Failure | None:
        """Put the solution of one member into y [T, S] and dy [T, S, K]; or say why there is none."""
        if not len(experiment.times) or experiment.times[-1] == experiment.start:
            fault = times_fault(experiment.times, experiment.start)
            return self._at_start(p, y, dy) if fault is None else fault
        request = self._request(experiment, dy is not None and bool(self.sensitive))
        program = self._program
        q = program.inputs(p, request)
        fault = request.fault or program.start_fault(q, request)
        if fault is not None:
            return fault
        found = self._automatic(p, q, request) if self.options.method == AUTO else self._run(p, q, request)
        self._solved += 1
        if found.failure is not None or found.y is None:
            failure = found.failure or Failure(FailureReason.STOPPED)
            advice = _IF_STIFF if self.options.method == AUTO_COMPILED else ""
            return replace(failure, advice=advice_on_roots(self.system, failure) or advice)
        y[:] = found.y
        if dy is not None and found.dy is not None:
            np.multiply(found.dy, program.slopes(p)[self._columns], out=dy)
        return None

    def _request(self, experiment: Experiment, sensitivities: bool) -> Request:
        """By the method in use; made once for each experiment."""
        key = (id(experiment), self._method, sensitivities)
        if key not in self._requests:
            if len(self._requests) > _REMEMBERED:
                self._requests.clear()
            # Formulas without t are integrated from t = 0, where times are told apart best.
            offset = 0.0 if self._uses_time else experiment.start
            times = np.asarray(experiment.times, dtype=np.float64)
            request = Request(
                method=self._method,
                start=experiment.start - offset,
                times=times - offset,
                rtol=self.options.rtol,
                atol=self._units.atol,
                sensitivities=sensitivities,
                is_auto=self.options.method == AUTO,
                offset=offset,
                sensitivity_rtol=self.options.sensitivity_rtol,
                sensitivity_atol=self.options.sensitivity_atol,
            )
            self._requests[key] = experiment, request  # it is kept there, so no other one can have its id
        return self._requests[key][1]

    def _automatic(self, p: FloatArray, q: FloatArray, request: Request) -> Solution:
        """Non-stiff first; the stiff method where that fails or crawls, and from then on."""
        found = self._run(p, q, request)
        rounds, rest = divmod(self._solved, _CHECK_EVERY)
        is_due = rest == 0 and rounds & (rounds - 1) == 0
        if self._method == AUTO_STIFF:
            if found.failure is None:
                if is_due and not self._crawls(p, request, margin=1.0):
                    self._method = AUTO_COMPILED
                return found
            other = self._run(p, q, replace(request, method=AUTO_COMPILED))
            return found if other.failure else other
        if found.failure is None and not (is_due and self._crawls(p, request, margin=_CRAWL_RATIO)):
            return found
        stiff = self._run(p, q, replace(request, method=AUTO_STIFF))
        if stiff.failure is not None:
            return found
        self._method = AUTO_STIFF
        why = "fails" if found.failure else "crawls"
        self._note(f"The equations are stiff: {AUTO_COMPILED} {why} on them, so {AUTO_STIFF} is used from here on.")
        return stiff

    def _crawls(self, p: FloatArray, request: Request, margin: float) -> bool:
        """Whether tsit45 needs many steps, and `margin` times more than bdf does."""
        explicit, stiff = (
            self._program.count_steps(self._program.inputs(p, wanted), wanted)
            for wanted in (replace(request, method=method) for method in (AUTO_COMPILED, AUTO_STIFF))
        )
        return explicit > max(_CRAWL_STEPS, margin * stiff)

    def _run(self, p: FloatArray, q: FloatArray, request: Request) -> Solution:
        """One method, guarded: see what bounds the work. q: what the program makes of p, whatever the method."""
        program = self._program
        if request.is_bounded:
            return program.solve(q, request, self._columns)
        region = self._trusted.setdefault((request.method, request.sensitivities), TrustedRegion())
        if not region.holds(p, request.span):
            fault = excessive(program, p, request)
            if fault is not None:
                return Solution(failure=fault, ended=request.start)
        found = program.solve(q, request, self._columns)
        if found.exhausted:
            restart = compiled(self.system, self._scaled, self._muted, free_start=True, units=self._units)
            found = solve_in_pieces(program, restart, p, request, self._columns, found)
        if found.failure is None:
            region.include(p, request.span)
        return found

    def _choose_scales(self, p: FloatArray) -> None:
        """Where any parameter is large, all enter as asinh(p): two programs at most, not one per combination."""
        if not len(self._columns) or not len(p):
            return
        with np.errstate(invalid="ignore"):
            size = np.max(np.abs(p[:, self._columns]) / self._sizes)
        scaled = frozenset(self.sensitive) if size > (_SMALL if self._scaled else _LARGE) else frozenset[str]()
        if scaled != self._scaled:
            self._scaled, self._compiled = scaled, None

    @property
    def _program(self) -> Program:
        if self._compiled is None:
            self._compiled = compiled(self.system, self._scaled, self._muted, units=self._units)
        return self._compiled

    def _at_start(self, p: FloatArray, y: FloatArray, dy: FloatArray | None) -> Failure | None:
        """Every time is the start: the initial values and their derivatives."""
        n = len(self.system.states)
        values = self._start_values(*p)
        start = np.array(values[:n], dtype=np.float64)
        slopes = np.array(values[n:], dtype=np.float64).reshape(n, len(self.sensitive))
        if not (np.isfinite(start).all() and np.isfinite(slopes).all()):
            return Failure(FailureReason.INITIAL_SENSITIVITIES_NOT_FINITE)
        y[:] = start
        if dy is not None:
            dy[:] = slopes
        return None

    @cached_property
    def _start_values(self) -> Callable[..., list[Any]]:
        start = [sp.sympify(formula) for formula in self.system.start]
        slopes = [slope for row in derivatives(start, self.sensitive) for slope in row]
        return numpy_function([*start, *slopes], self.system.parameters)

    def _note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)


def _array(value: Any) -> FloatArray | None:
    return None if value is None else np.asarray(value, dtype=np.float64)
