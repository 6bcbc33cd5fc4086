"""Compiled integration by our own stepper: many members in one call, with exact forward sensitivities.

Errors of states and of sensitivities are controlled alike. The tolerance of a sensitivity holds for size * dy/dp, where
the size is the parameter's `typical` one, or its own where that is larger.

With `auto`, a member that the explicit method cannot do, or for which the equations are stiff, is solved by the stiff
method instead; where the options say that it begins with that one, the other way round. Systems too large for it here
go to diffsol's. Each member is judged by itself, so results depend on nothing but its own parameters and times.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask, true_at
from odefit.data.experiments import Experiment
from odefit.engines.base import Engine, Solutions, SolverOptions, failed_members, offsets_of
from odefit.engines.failure import Failure, FailureReason
from odefit.engines.kernel import stepping
from odefit.engines.kernel.batch import Times, TimesOf
from odefit.engines.kernel.machine import available
from odefit.engines.kernel.program import KernelProgram, Tolerances, program_of, with_tangents
from odefit.engines.methods import AUTO, AUTO_EXPLICIT, AUTO_IMPLICIT, AUTO_STIFF, METHODS, methods_of
from odefit.engines.roots import advice_on_roots
from odefit.model.system import TIME, System, symbol
from odefit.records import dataclass

if TYPE_CHECKING:
    from torch import Tensor

    from odefit.data.dataset import Batch

__all__ = ["KernelEngine", "available"]

MAX_STIFF_STEPS = 500
"""Ahead of a member for which the equations are stiff, where another method may follow."""

MIN_PULLED = 1_000
"""States times parameters, as many as there are sensitivities, from which on a gradient takes less back through the
steps."""

REASONS = {
    stepping.INITIAL_NOT_FINITE: FailureReason.INITIAL_NOT_FINITE,
    stepping.INITIAL_SENSITIVITIES_NOT_FINITE: FailureReason.INITIAL_SENSITIVITIES_NOT_FINITE,
    stepping.RATE_NOT_FINITE: FailureReason.RATE_NOT_FINITE,
    stepping.SENSITIVITIES_NOT_FINITE: FailureReason.SENSITIVITIES_NOT_FINITE,
    stepping.SENSITIVITIES_LOST: FailureReason.SENSITIVITIES_NOT_FINITE,
    stepping.EXPLODES: FailureReason.EXPLODES,
    stepping.NOT_FINITE: FailureReason.NOT_FINITE,
    stepping.STEP_TOO_SMALL: FailureReason.BLOWS_UP,
    stepping.TOO_MANY_STEPS: FailureReason.TOO_MANY_STEPS,
}
IF_STIFF = "if the equations are stiff, use auto or bdf"


@dataclass(frozen=True)
class _Call:
    """What is asked for in one call, and the arrays that are filled."""

    p: FloatArray  # and behind it where sensitivities begin, where that is given
    times: Times
    chosen: IntArray
    offsets: IntArray
    y: FloatArray
    dy: FloatArray | None
    failures: list[Failure | None]
    is_along: bool

    def rows(self, m: int) -> slice:
        """The rows of a member."""
        return slice(self.offsets[m], self.offsets[m + 1])


class KernelEngine(Engine):
    """Integrates a system of formulas, compiled once per process; see `engines.base.Engine`.

    Raises ModelError for what cannot be compiled.
    """

    is_compiled = True

    def __init__(self, system: System, options: SolverOptions, sensitive: Sequence[str] = ()) -> None:
        self.system, self.options, self.sensitive = system, options, tuple(sensitive)
        known = methods_of("kernel")
        if options.method not in (AUTO, *known):
            raise ValueError(f"the kernel has no method '{options.method}'; it has {', '.join(known)}")
        unknown = set(self.sensitive) - set(system.parameters)
        if unknown:
            raise ValueError(f"not parameters of the system: {', '.join(sorted(unknown))}")
        self.tolerances = Tolerances.of(system, options, self.sensitive)
        uses_time = any(symbol(TIME) in rate.free_symbols for rate in system.rhs)
        self._times = TimesOf(is_shifted=not uses_time)
        # What cannot be compiled is refused here, not at the first solution.
        program = self.program
        if options.method == AUTO_IMPLICIT:
            program.compile_stiff()
        self.first_method = options.method
        if options.method == AUTO:
            self.first_method = AUTO_IMPLICIT if options.begins_stiff and program.can_be_stiff else AUTO_EXPLICIT
        from odefit.engines.diffsol.diffsl import jumps

        self._first_notes = tuple(jumps(system, self.sensitive))
        self._forget()

    @cached_property
    def program(self) -> KernelProgram:
        """Looked up once, by all of its formulas."""
        return program_of(self.system, self.sensitive)

    def __getstate__(self) -> dict[str, Any]:
        """Without what is compiled: another process makes its own."""
        return {name: value for name, value in vars(self).items() if name != "program"}

    def _forget(self) -> None:
        self.notes: list[str] = list(self._first_notes)
        if self.options.method != self.first_method == AUTO_IMPLICIT:
            self._note_stiff(AUTO_IMPLICIT)
        self._stiff: Engine | None = None
        self._turned: str | None = None

    @property
    def takes_tangents(self) -> bool:
        """Unless stiff members go to another engine, which cannot do it."""
        return self.options.method != AUTO or self.program.can_be_stiff

    @property
    def remembers(self) -> bool:
        """Only where stiff members go to an engine that does, from systems too large for the stiff method here."""
        return self.options.method == AUTO and not self.program.can_be_stiff

    @property
    def is_found_stiff(self) -> bool:
        """Whether a member went to the stiff method of the kernel."""
        return self._turned == AUTO_IMPLICIT

    @property
    def method_in_use(self) -> str:
        """What `auto` begins with, until a member has turned out to be stiff."""
        return self._turned or self.first_method

    def reset_copy(self) -> KernelEngine:
        """The same engine before its first solve."""
        engine = copy.copy(self)
        engine._forget()
        return engine

    def state(self) -> dict[str, Any]:
        """Whether a member was stiff, and what the stiff method's engine has learnt."""
        return {
            "is_stiff": self._turned,
            "stiff": None if self._stiff is None else self._stiff.state(),
            "notes": list(self.notes),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self._forget()
        self._turned, self.notes = state["is_stiff"], list(state["notes"])
        stiff = None if state["stiff"] is None else self._stiff_engine()
        if stiff is not None:
            stiff.restore(state["stiff"])

    def solve(
        self,
        p: FloatArray,
        experiments: Sequence[Experiment],
        sensitivities: bool = False,
        members: IntArray | None = None,
    ) -> Solutions:
        """States of each member at the times of its experiment; see `Engine.solve`."""
        return self._solved(p, experiments, sensitivities, members, None)

    def solve_along(
        self,
        p: FloatArray,
        experiments: Sequence[Experiment],
        tangents: FloatArray,
        members: IntArray | None = None,
    ) -> Solutions:
        """With sensitivities that begin as `tangents` [M, S, K]; see `Engine.solve_along`."""
        return self._solved(p, experiments, True, members, tangents)

    def _solved(
        self,
        p: FloatArray,
        experiments: Sequence[Experiment],
        sensitivities: bool,
        members: IntArray | None,
        tangents: FloatArray | None,
    ) -> Solutions:
        p, times, chosen, offsets = self._members(p, experiments, members)
        y = np.empty((int(offsets[-1]), len(self.system.states)))
        dy = np.empty((*y.shape, len(self.sensitive))) if sensitivities else None
        given = p if tangents is None else with_tangents(p, tangents)
        call = _Call(given, times, chosen, offsets, y, dy, [None] * len(chosen), tangents is not None)
        fine = _can_begin(p, times, chosen)
        for m in true_at(~fine).tolist():
            call.failures[m] = self._fault(p[m], times.faults.get(int(chosen[m])))
        which = true_at(fine)
        status = self._run(call, which, self.first_method)
        if self.options.method == AUTO:
            lost = status > stepping.EXPLODES
            if lost.any() and self.first_method == AUTO_IMPLICIT:
                self._run(call, which[lost], AUTO_EXPLICIT, is_last=True)
            elif lost.any():
                self._try_stiff(call, experiments, which[lost], status[lost])
        for m, _ in failed_members(call.failures):
            y[call.rows(m)] = np.nan
            if dy is not None:
                dy[call.rows(m)] = np.nan
        return Solutions(y, dy, offsets, tuple(call.failures))

    def _members(
        self, p: FloatArray, experiments: Sequence[Experiment], members: IntArray | None
    ) -> tuple[FloatArray, Times, IntArray, IntArray]:
        """p [M, L], times, the experiment of each member [M], and where its rows begin [M + 1]."""
        p = np.ascontiguousarray(p, dtype=np.float64)
        chosen = np.arange(len(experiments)) if members is None else np.ascontiguousarray(members, dtype=np.int64)
        if p.shape != (len(chosen), len(self.system.parameters)):
            raise ValueError(f"p has shape {p.shape}, not ({len(chosen)}, {len(self.system.parameters)})")
        times = self._times(experiments)
        return p, times, chosen, times.first if members is None else offsets_of(times.lengths[chosen])

    @property
    def can_pull(self) -> bool:
        """Through the steps of the method that it begins with."""
        if self.remembers:
            return False
        return self.program.can_pull_stiff if METHODS[self.first_method].is_implicit else self.program.can_pull

    @property
    def pulls(self) -> bool:
        """With many parameters."""
        return len(self.system.states) * len(self.sensitive) >= MIN_PULLED and self.can_pull

    def pull(
        self, p: FloatArray, experiments: Sequence[Experiment], worth: FloatArray, members: IntArray | None = None
    ) -> FloatArray:
        """Back through the steps; what both methods leave, or stands still, by sensitivities. See `Engine.pull`."""
        p, times, chosen, offsets = self._members(p, experiments, members)
        gradients, worth = np.full((len(chosen), len(self.sensitive)), np.nan), np.ascontiguousarray(worth)
        left, is_auto = true_at(_can_begin(p, times, chosen)), self.options.method == AUTO
        still = list[int]()
        for method in dict.fromkeys([self.first_method, *([AUTO_IMPLICIT] if is_auto else [])]):
            stiff = METHODS[method].is_implicit
            if not len(left) or (stiff and not self.program.can_pull_stiff):
                break
            found, ahead = np.empty((len(left), len(self.sensitive))), MAX_STIFF_STEPS if is_auto else 0
            given = p[left], times, chosen[left], offsets[left], worth, found, self.tolerances, self.options.max_steps
            status = self.program.pull(*given, ahead, stiff)
            gradients[left] = np.where((status == stepping.DONE)[:, None], found, np.nan)
            still += left[status == stepping.STANDS_STILL].tolist()
            left = left[(status > stepping.EXPLODES) & (status != stepping.STANDS_STILL)]
        for m in (*left.tolist(), *still):
            own = worth[offsets[m] : offsets[m + 1]]
            gradients[m] = super().pull(p[m : m + 1], experiments, own, chosen[m : m + 1])[0]
        return gradients

    def solve_batch(self, p: Tensor, batch: Batch) -> Tensor:
        """States at each experiment's own times, [E, T, S], padded to the longest with its last state.

        Differentiable (once) with respect to p [E, L], but only in the columns of the `sensitive` parameters. Raises
        SolveError, which names the experiment, when an integration fails.
        """
        from odefit.engines.autograd import states_of

        return states_of(self, p, batch.experiments)

    def count_steps(self, p: FloatArray, experiments: Sequence[Experiment]) -> int | None:
        """How many steps the states alone take by the method in use, for p [E, L]; None where one fails, or where it is
        left because of stiffness."""
        p = np.ascontiguousarray(p, dtype=np.float64)
        times = self._times(experiments)
        if times.faults or not np.isfinite(p).all():
            return None
        y = np.empty((len(times.times), len(self.system.states)))
        ends = self.program.solve(
            p,
            times,
            np.arange(len(experiments)),
            times.first[:-1],
            y,
            None,
            self.tolerances,
            self.options.max_steps,
            stiff_steps=MAX_STIFF_STEPS if self.options.method == AUTO and self._turned is None else 0,
            is_stiff=METHODS[self.method_in_use].is_implicit and self.method_in_use != AUTO_STIFF,
        )
        return None if ends.status.any() else int(ends.steps.sum())

    def _run(self, call: _Call, which: IntArray, method: str, is_last: bool = False) -> IntArray:
        """Solve some members by a method; their status. is_last: however stiff they are."""
        is_all = len(which) == len(call.chosen)
        ends = self.program.solve(
            call.p if is_all else call.p[which],
            call.times,
            call.chosen if is_all else call.chosen[which],
            call.offsets[:-1] if is_all else call.offsets[which],
            call.y,
            call.dy,
            self.tolerances,
            self.options.max_steps,
            stiff_steps=MAX_STIFF_STEPS if self.options.method == AUTO and not is_last else 0,
            is_stiff=METHODS[method].is_implicit,
            is_along=call.is_along,
        )
        if any(call.failures):
            for m in which.tolist():  # another method may have failed on them
                call.failures[m] = None
        for k in true_at((ends.status != stepping.DONE) & (ends.status != stepping.STIFF)).tolist():
            m, status = int(which[k]), int(ends.status[k])
            at = float(ends.reached[k] + call.times.offset[call.chosen[m]])
            call.failures[m] = self._failure(status, at, method)
        return ends.status

    def _try_stiff(self, call: _Call, experiments: Sequence[Experiment], which: IntArray, status: IntArray) -> None:
        """Members that the explicit method has left, by a stiff one; where that fails, what the explicit one says."""
        earlier = [call.failures[m] for m in which.tolist()]
        if self.program.can_be_stiff:
            method, solved = AUTO_IMPLICIT, self._run(call, which, AUTO_IMPLICIT) == stepping.DONE
        else:
            method, solved = AUTO_STIFF, self._solve_elsewhere(call, experiments, which)
        for m, failure in zip(which[~solved].tolist(), compress(earlier, ~solved), strict=True):
            call.failures[m] = failure
        left = which[~solved & (status == stepping.STIFF)]
        if len(left):
            self._run(call, left, AUTO_EXPLICIT, is_last=True)
        if solved.any():
            self._turned = method
            self._note_stiff(method)

    def _solve_elsewhere(self, call: _Call, experiments: Sequence[Experiment], which: IntArray) -> Mask:
        """By diffsol's stiff method, for systems that are large; which members it solved."""
        other = self._stiff_engine()
        solved = np.zeros(len(which), dtype=bool)
        if other is None:
            return solved
        found = other.solve(call.p[which], experiments, call.dy is not None, call.chosen[which])
        for k, m in enumerate(which.tolist()):
            if found.failures[k] is None:
                rows, theirs = call.rows(m), slice(found.offsets[k], found.offsets[k + 1])
                call.y[rows] = found.y[theirs]
                if call.dy is not None and found.dy is not None:
                    call.dy[rows] = found.dy[theirs]
                solved[k], call.failures[m] = True, None
        return solved

    def _stiff_engine(self) -> Engine | None:
        """Made when it is needed; None where there is none, or where to compile it would take too long."""
        if self._stiff is None:
            from odefit.engines.diffsol.diffsl import MAX_UNASKED, TooLarge, diffsl_code
            from odefit.engines.diffsol.diffsol_engine import DiffsolEngine, available

            if not available()[0]:
                return None
            try:
                diffsl_code(self.system, most=MAX_UNASKED)
            except TooLarge:
                return None
            self._stiff = DiffsolEngine(self.system, replace(self.options, method=AUTO_STIFF), self.sensitive)
        return self._stiff

    def _fault(self, p: FloatArray, fault: Failure | None) -> Failure:
        """Why a member cannot even begin."""
        finite = np.isfinite(p)
        if finite.all():
            assert fault is not None
            return fault
        return Failure(FailureReason.PARAMETER_NOT_FINITE, subject=self.system.parameters[int(np.argmin(finite))])

    def _failure(self, status: int, at: float, method: str) -> Failure:
        """Why a member failed."""
        reason = REASONS[status]
        is_explicit = not METHODS[method].is_implicit
        if reason is FailureReason.TOO_MANY_STEPS:
            what = f"{method} would take more than {self.options.max_steps:,} steps"
            return Failure(reason, subject=what, advice=IF_STIFF if is_explicit else "")
        if reason in (FailureReason.INITIAL_NOT_FINITE, FailureReason.INITIAL_SENSITIVITIES_NOT_FINITE):
            return Failure(reason)
        failure = Failure(reason, at)
        advice = IF_STIFF if self.options.method == AUTO_EXPLICIT else ""
        return replace(failure, advice=advice_on_roots(self.system, failure) or advice)

    def _note_stiff(self, method: str) -> None:
        remedy = f"{AUTO_EXPLICIT} crawls or fails, so {method} is used there."
        if (sentence := f"For some parameter values the equations are stiff: {remedy}") not in self.notes:
            self.notes.append(sentence)


def _can_begin(p: FloatArray, times: Times, chosen: IntArray) -> Mask:
    """[M] whether parameters are numbers, and times can be integrated over."""
    fine = np.asarray(np.isfinite(p).all(axis=1))
    return fine & ~np.isin(chosen, list(times.faults)) if times.faults else fine
