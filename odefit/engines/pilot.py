"""A rough solution: how large the states are, before anything is integrated exactly.

It is explicit first. What has not come to its end then is stiff, or fast, and SciPy's LSODA has a try. Large systems
are the kernel's, and so are explicit steps where its program is needed anyway (pilot_kernel.py).

Nothing is known of the sizes here, so each state's absolute tolerance is a part of the largest value that it has had so
far; for one that has been 0, of the value to which the equations drive it within a small part of the way.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import field
from functools import cached_property
from typing import Any

import numpy as np

from odefit.arrays import FloatArray, IntArray, distinct
from odefit.data.experiments import Experiment
from odefit.engines.base import Engine, Solutions, SolverOptions, Trajectory, members_of
from odefit.engines.failure import Failure, FailureReason, IntegrationError
from odefit.engines.pilot_kernel import STAGES, KernelSteps, KernelWays
from odefit.engines.rough_steps import rough_steps
from odefit.model.functions import numpy_function
from odefit.model.switches import is_interrupted
from odefit.model.system import TIME, System
from odefit.records import dataclass

RTOL = 1e-3
ATOL_SHARE = 1e-5
"""Of a state's largest value so far."""
MAX_EVALUATIONS = 500
"""On one way. What a solution that is not at its end by then has shown is enough."""
MAX_EXPLICIT = 1_000
"""The same of explicit steps, whose evaluations are all that they cost."""
MANY_PIECES = 20
"""Of one way, which explicit steps have then begun to know."""
PROBE = 1e-6
"""The part of the way after which it is looked what states that are 0 become."""
LEAST_PROBED = 1e-30
"""What a state that is 0 counts at least, as a part of the largest one: high powers of a short time are no sizes."""
POINTS = 25
"""Equal parts of a piece, at whose ends it is recorded too."""


@dataclass
class Record:
    """Pieces of one way: times [n] and states [n, S] of each; and how often the equations were evaluated by LSODA, and
    by explicit steps."""

    pieces: list[tuple[FloatArray, FloatArray]] = field(default_factory=list)
    evaluations: int = 0
    explicit_evaluations: int = 0
    largest: FloatArray | float = 0.0
    """The largest value of each state so far, [S]."""

    def add(self, times: FloatArray, y: FloatArray) -> None:
        """One more piece."""
        self.pieces.append((times, y))
        if len(y):
            self.largest = np.maximum(self.largest, np.abs(y).max(axis=0))

    @property
    def is_spent(self) -> bool:
        """Whether neither kind of steps may be tried any more; after many pieces it was not stiffness that took all."""
        is_long = len(self.pieces) >= MANY_PIECES or self.evaluations >= MAX_EVALUATIONS
        return is_long and self.explicit_evaluations > MAX_EXPLICIT - STAGES


_Rates = Callable[[float, FloatArray], FloatArray]


class _Way:
    """A solution as it grows, from y0 [n] at `start`: states y [T, n] at the times that are wanted, and the piece."""

    def __init__(self, times: FloatArray, start: float, y0: FloatArray, end: float) -> None:
        self.times, self.start, self.y0, self.end = times, start, y0, end
        self.y = np.full((len(times), len(y0)), np.nan)
        self.y[times <= start] = y0
        self._grid = np.linspace(start, end, POINTS + 1)
        self._seen_t, self._seen_y = [np.array([start])], [y0[None]]

    def add(self, before: float, t: float, y: FloatArray, at: Callable[[FloatArray], FloatArray]) -> None:
        """One step, to y [n] at t; `at` has the states within it."""
        inside = self._grid[(self._grid > before) & (self._grid < t)]
        wanted = (self.times > before) & (self.times <= t)
        self._seen_t += [inside, np.array([t])]
        if len(inside):
            self._seen_y.append(at(inside))
        if wanted.any():
            self.y[wanted] = at(self.times[wanted])
        self._seen_y.append(y[None])

    @property
    def wanted(self) -> FloatArray:
        """Times after the start at which the states should be known."""
        every = np.concatenate([self._grid, self.times])
        return distinct(every[every > self.start])

    def fill(self, times: FloatArray, y: FloatArray) -> None:
        """The whole way at once: states y [n, S] at times [n], `wanted` among them."""
        self._seen_t, self._seen_y = [times], [y]
        self.y = y[np.searchsorted(times, np.maximum(self.times, self.start))]

    @property
    def is_complete(self) -> bool:
        """Whether it is at its end."""
        return bool(self._seen_t[-1][-1] >= self.end)

    @property
    def piece(self) -> tuple[FloatArray, FloatArray]:
        """Times and states of all that was seen."""
        return np.concatenate(self._seen_t), np.concatenate(self._seen_y)


class PilotEngine(Engine):
    """Solves roughly, without sensitivities, and records every piece of the way in `record`.

    sensitive: to what the engine of the fit has sensitivities, if that is the kernel; see `KernelSteps`.
    """

    is_compiled = False
    takes_tangents = True  # nobody asks for them here: the segments are to be those of the fit
    method_in_use = "dopri5, LSODA"

    def __init__(self, system: System, record: Record, sensitive: Sequence[str] | None = None) -> None:
        self.system, self.options, self.sensitive = system, SolverOptions(rtol=RTOL), ()
        self.notes: list[str] = []
        self.record = record
        self._kernel, self._steps = KernelWays(system, RTOL), KernelSteps(system, RTOL, sensitive)

    @cached_property
    def _start(self) -> Any:
        return numpy_function(list(self.system.start), self.system.parameters)

    @cached_property
    def _rates(self) -> Any:
        return numpy_function(list(self.system.rhs), (*self.system.states, TIME, *self.system.parameters))

    def solve(
        self,
        p: FloatArray,
        experiments: Sequence[Experiment],
        sensitivities: bool = False,
        members: IntArray | None = None,
    ) -> Solutions:
        """States of each member at the times of its experiment."""
        del sensitivities
        p, chosen = members_of(self.system, p, experiments, members)
        return Solutions.joined([self._one(row, experiment) for row, experiment in zip(p, chosen, strict=True)])

    def solve_batch(self, p: Any, batch: Any) -> Any:
        """There are no gradients."""
        raise NotImplementedError

    def reset_copy(self) -> PilotEngine:
        """This engine: it learns nothing."""
        return self

    def state(self) -> dict[str, Any]:
        """Empty: it learns nothing."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Nothing is to be done."""

    def _one(self, p: FloatArray, experiment: Experiment) -> Trajectory:
        times, n = experiment.times, len(self.system.states)
        y0 = np.array(self._start(*p), dtype=np.float64)
        start, end = experiment.start, float(times[-1])
        if not np.isfinite(y0).all():
            return _failed(times, n)
        if self.record.is_spent:  # nor is what comes on the way looked for
            raise IntegrationError(Failure(FailureReason.GAVE_UP, start))

        def rates(t: float, y: FloatArray) -> FloatArray:
            return np.array(self._rates(*y, t, *p), dtype=np.float64)

        way = _Way(times, start, y0, end)
        if end > start:
            atol = ATOL_SHARE * self._sizes(y0, lambda z: rates(start, z), end - start)
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                compiled = self._kernel.solve(p, start, way.wanted, atol)
                if compiled is not None:
                    way.fill(*compiled)
                elif not self._stepped(way, p, atol):
                    self._explicit(way, rates, atol)
                if not way.is_complete:
                    way = _Way(times, start, y0, end)
                    self._implicit(way, rates, atol)
        self.record.add(*way.piece)
        return Trajectory(way.y) if np.isfinite(way.y).all() else _failed(times, n)

    def _stepped(self, way: _Way, p: FloatArray, atol: FloatArray) -> bool:
        """The whole way by compiled steps, if they come to its end; False where there are none."""
        times = np.concatenate([[way.start], way.wanted])
        found = self._steps.way(p, times, atol, MAX_EXPLICIT - self.record.explicit_evaluations)
        if found is None:
            return False
        is_whole, seen, y = found
        self.record.explicit_evaluations += STAGES * (len(seen) - is_whole * len(times))
        if is_whole:
            way.fill(seen, y)
        return True

    def _explicit(self, way: _Way, rates: _Rates, atol: FloatArray) -> None:
        """As far as explicit steps come."""
        before = self.record.explicit_evaluations
        for step in rough_steps(rates, way.start, way.y0, way.end, RTOL, atol):
            self.record.explicit_evaluations = before + step.evaluations
            if self.record.explicit_evaluations > MAX_EXPLICIT:
                break
            way.add(step.before, step.t, step.y, step.at)

    def _implicit(self, way: _Way, rates: _Rates, atol: FloatArray) -> None:
        """As far as SciPy's LSODA comes."""
        from scipy.integrate import LSODA

        solver = LSODA(rates, way.start, way.y0, way.end, rtol=RTOL, atol=atol)
        before = self.record.evaluations
        while solver.status == "running" and self.record.evaluations < MAX_EVALUATIONS:
            t = solver.t
            solver.step()
            self.record.evaluations = before + solver.nfev
            if solver.t == t or not np.isfinite(solver.y).all():
                break
            way.add(t, solver.t, solver.y, lambda inside: solver.dense_output()(inside).T)

    def _sizes(self, y0: FloatArray, rates: Any, span: float) -> FloatArray:
        """What is known of each state's size at the beginning of a piece, [S]; 1 of what nothing moves."""
        size, y = np.maximum(self.record.largest, np.abs(y0)), y0
        for _ in y0:
            if (size > 0).all():
                break
            y = y + PROBE * span * rates(y)
            if not np.isfinite(y).all():
                break
            size = np.where(size > 0, size, np.abs(y))
        size = np.where(size > 0, np.maximum(size, LEAST_PROBED * size.max()), 0.0)
        return np.where(size > 0, size, 1.0)


def _failed(times: FloatArray, n: int) -> Trajectory:
    return Trajectory(np.full((len(times), n), np.nan), failure=Failure(FailureReason.GAVE_UP))


class Pilot:
    """Rough ways of one system. Raises ModelError for what no engine can do.

    sensitive: to what the fit wants derivatives, if the kernel solves it; else None.
    """

    def __init__(self, system: System, sensitive: Sequence[str] | None = None) -> None:
        """Make what solves the system, of formulas."""
        self._record, self._resting = Record(), Record()
        self._system, self._sensitive = system, sensitive
        self._start = numpy_function(list(system.start), system.parameters)
        self._engine: Engine | None = None

    def way(self, p: FloatArray, experiment: Experiment) -> Record:
        """One experiment at parameters p [L], as far as it comes."""
        if self._engine is None:
            self._engine = self._made(p)
        for record in (self._record, self._resting):
            record.pieces, record.evaluations, record.explicit_evaluations, record.largest = [], 0, 0, 0.0
        with suppress(IntegrationError):
            self._engine.solve(p[None], [experiment])
        found = self._record if self._record.pieces else self._resting
        return Record(found.pieces, found.evaluations, found.explicit_evaluations)

    def _made(self, p: FloatArray) -> Engine:
        if not is_interrupted(self._system):
            return PilotEngine(self._system, self._record, self._sensitive)
        from odefit.engines.segments.segmented_engine import SegmentedEngine

        # What is near enough to rest is judged by one tolerance.
        start = np.abs(np.array(self._start(*p), dtype=np.float64))
        known = start[np.isfinite(start) & (start > 0)]
        return SegmentedEngine(
            self._system,
            SolverOptions(rtol=RTOL, atol=ATOL_SHARE * float(known.min() if len(known) else 1.0)),
            self._sensitive or (),
            lambda part, names: PilotEngine(part, self._record, self._needed(names)),
            lambda part, names: PilotEngine(part, self._resting, self._needed(names)),
        )

    def _needed(self, names: tuple[str, ...]) -> tuple[str, ...] | None:
        return None if self._sensitive is None else names
