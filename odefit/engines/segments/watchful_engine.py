"""An engine that stops where formulas of the time change fast, and else is the plain one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.data.experiments import Experiment
from odefit.engines.base import Engine, Solutions, Trajectory, members_of, offsets_of
from odefit.engines.segments.fast_times import FastTimes
from odefit.engines.segments.plan import Factory
from odefit.engines.segments.segmented_engine import SegmentedEngine

if TYPE_CHECKING:
    from torch import Tensor

    from odefit.data.dataset import Batch


class WatchfulEngine(Engine):
    """Engine protocol for a system that nothing interrupts, with formulas of t in its equations.

    plain: solves it where none of these is fast. factory: makes the engine for the segments, where one is.
    """

    def __init__(self, plain: Engine, factory: Factory) -> None:
        self.system, self.options, self.sensitive = plain.system, plain.options, plain.sensitive
        self.plain, self._factory = plain, factory
        self.fast = FastTimes(plain.system)
        self._segmented: SegmentedEngine | None = None
        self._callback: Callable[[], None] | None = None
        self._said: list[str] = []

    @property
    def is_compiled(self) -> bool:
        """Whether the plain one is."""
        return self.plain.is_compiled

    @property
    def remembers(self) -> bool:
        """Only where the plain engine does."""
        return self.plain.remembers

    @property
    def is_found_stiff(self) -> bool:
        """Whether either engine found it."""
        return self.plain.is_found_stiff or (self._segmented is not None and self._segmented.is_found_stiff)

    @property
    def method_in_use(self) -> str:
        """Of the engine that was last in use."""
        return self.plain.method_in_use if self._segmented is None else self._segmented.method_in_use

    @property
    def notes(self) -> list[str]:  # type: ignore[override]
        """Those of both, and where the solver stops."""
        segmented = [] if self._segmented is None else self._segmented.notes
        return list(dict.fromkeys([*self.plain.notes, *segmented, *self._said]))

    def solve(
        self,
        p: FloatArray,
        experiments: Sequence[Experiment],
        sensitivities: bool = False,
        members: IntArray | None = None,
    ) -> Solutions:
        """States of each member at the times of its experiment; see `Engine.solve`."""
        rows, chosen = members_of(self.system, p, experiments, members)
        fast = np.array([bool(len(self._stops(*pair))) for pair in zip(rows, chosen, strict=True)], dtype=bool)
        if not fast.any():
            return self.plain.solve(p, experiments, sensitivities, members)
        if fast.all() and (self.remembers or not self._in_segments().remembers):
            return self._in_segments().solve(p, experiments, sensitivities, members)
        # Each member by what it needs itself: what becomes of it does not depend on the others.
        found: dict[int, Trajectory] = {}
        for is_fast in (False, True):
            which = np.flatnonzero(fast == is_fast)
            engine = self._in_segments() if is_fast else self.plain
            is_alone = engine.remembers and not self.remembers
            for group in (which[:, None] if is_alone else which[None])[: len(which)]:
                one = engine.reset_copy() if is_alone else engine
                own = one.solve(rows[group], [chosen[m] for m in group], sensitivities)
                found |= zip(group.tolist(), own, strict=True)
        return Solutions.joined([found[m] for m in range(len(rows))])

    @property
    def pulls(self) -> bool:
        """Where the plain engine does."""
        return self.plain.pulls

    def pull(
        self, p: FloatArray, experiments: Sequence[Experiment], worth: FloatArray, members: IntArray | None = None
    ) -> FloatArray:
        """Each member by what it needs itself; see `Engine.pull`."""
        rows, chosen = members_of(self.system, p, experiments, members)
        fast = [m for m, pair in enumerate(zip(rows, chosen, strict=True)) if len(self._stops(*pair))]
        if not fast:
            return self.plain.pull(p, experiments, worth, members)
        segments = self._in_segments()
        where_fast = segments.pull if segments.can_pull else super().pull
        offsets, found = offsets_of([len(e.times) for e in chosen]), []
        for m, experiment in enumerate(chosen):
            pull = where_fast if m in fast else self.plain.pull
            found.append(pull(rows[m : m + 1], [experiment], worth[offsets[m] : offsets[m + 1]]))
        return np.concatenate(found)

    def solve_batch(self, p: Tensor, batch: Batch) -> Tensor:
        """States at the batch's times, [E, T, S], differentiable with respect to p [E, L]."""
        values = p.detach().to("cpu").double().numpy()
        return self._engine(values, batch.experiments).solve_batch(p, batch)

    def reset_copy(self) -> WatchfulEngine:
        """The same engine before its first solve."""
        engine = copy.copy(self)
        engine.plain = self.plain.reset_copy()
        engine._segmented = None if self._segmented is None else self._segmented.reset_copy()
        engine._said = []
        return engine

    def state(self) -> dict[str, Any]:
        """The states of the engines underneath."""
        segmented = None if self._segmented is None else self._segmented.state()
        return {"plain": self.plain.state(), "segmented": segmented, "said": list(self._said)}

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self.plain.restore(state["plain"])
        self._segmented = None
        if state["segmented"] is not None:
            self._in_segments().restore(state["segmented"])
        self._said = list(state["said"])

    def watch(self, callback: Callable[[], None] | None) -> None:
        """Call back at the evaluations of whichever engine works."""
        self._callback = callback
        self.plain.watch(callback)
        if self._segmented is not None:
            self._segmented.watch(callback)

    def count_steps(self, p: FloatArray, experiments: Sequence[Experiment]) -> int | None:
        """How many steps the states alone take; None where the engine cannot say, as in segments."""
        return self._engine(np.asarray(p, dtype=np.float64), experiments).count_steps(p, experiments)

    def _stops(self, p: FloatArray, experiment: Experiment) -> FloatArray:
        """Where the solver must stop at parameters p [L]; said once."""
        stops = self.fast.stops(p, experiment)
        if len(stops) and not self._said:
            self._said.append(f"A formula of t changes fast around t = {stops[0]:.6g}, so the solver stops there.")
        return stops

    def _engine(self, p: FloatArray, experiments: Sequence[Experiment]) -> Engine:
        """The one for parameters p [M, L] and their experiments [M]."""
        fast = any(len(self._stops(*pair)) for pair in zip(p, experiments, strict=True))
        return self._in_segments() if fast else self.plain

    def _in_segments(self) -> SegmentedEngine:
        if self._segmented is None:
            self._segmented = SegmentedEngine(self.system, self.options, self.sensitive, self._factory, self._factory)
            self._segmented.watch(self._callback)
        return self._segmented
