"""Whole ways through segments in one call of the kernel, where what happens on them is usual; see `kernel.ways`.

Members whose ways come to no good end there are left to who can say why, or knows what else may happen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from odefit import algebra as sp
from odefit.arrays import FloatArray, IntArray, Mask, true_at
from odefit.data.experiments import Experiment
from odefit.engines.base import Engine, Solutions, offsets_of
from odefit.engines.experiment_sets import ExperimentSets
from odefit.engines.failure import IntegrationError
from odefit.engines.kernel.stepping import DONE
from odefit.engines.kernel.way_program import Coming, WayArrays, WayProgram
from odefit.engines.methods import METHODS
from odefit.engines.segments.fast_times import FastTimes
from odefit.engines.segments.fixed_march import MAX_SETS
from odefit.engines.segments.saltation import EventSensitivities
from odefit.engines.segments.schedule import EventTimes, Segment, Timeline
from odefit.engines.segments.segment_system import SegmentSystem
from odefit.engines.segments.triggered_way import AT_ROW
from odefit.errors import ModelError
from odefit.model.system import TIME, symbol

MOST_GAPS = 6
"""Comparisons in one condition."""
WATCHED, LAID_OUT = 2.5, 40
"""What a step costs during which conditions are watched, and a segment that is laid out anew, in plain steps."""


def coming_of(parts: SegmentSystem) -> Coming | None:
    """What may come on the way; None where it is more than the kernel knows."""
    rules, changes = list[tuple[Sequence[int], Sequence[bool], bool]](), list[Mapping[int, Any]]()
    for rule in parts.rules.rules:
        if rule.delayed or len(rule.gaps) > MOST_GAPS:
            return None
        sides = product((False, True), repeat=len(rule.gaps))  # of which the last one is the lowest bit
        rules.append((rule.gaps, [rule.condition.holds(each[::-1]) for each in sides], rule.at_start))
        kept = {symbol(parts.rules.memory[i - len(parts.whole.states)]): f for c in rule.captures for i, f in c.items()}
        changes.append({i: kept.get(formula, formula) for i, formula in rule.apply.items()})
    gaps = parts.rules.gaps
    return Coming([gap.formula for gap in gaps], [gap.strict for gap in gaps], rules, [*changes, *parts.changes])


def way_program(parts: SegmentSystem, base: Engine, sensitive: Sequence[str]) -> WayProgram | None:
    """What solves whole ways of segments of which `base` solves each; None where nothing does."""
    from odefit.engines.kernel.kernel_engine import KernelEngine

    if not isinstance(base, KernelEngine) or base.remembers or base.sensitive != tuple(sensitive):
        return None
    dosing, coming = parts.whole.dosing, coming_of(parts)
    if coming is None or (dosing is not None and dosing.spreads):
        return None
    if coming.gaps and METHODS[base.first_method].is_implicit:
        return None
    try:
        return WayProgram(base, len(parts.kept), len(parts.kind.infused), coming)
    except (ModelError, ValueError):
        return None


class CompiledWays:
    """Members on ways of one kind.

    Parameters
    ----------
    parts, program
        What is solved, and by what.
    timeline
        Of an experiment.
    fast
        Where a solver is to stop besides.
    """

    def __init__(
        self,
        parts: SegmentSystem,
        program: WayProgram,
        timeline: Callable[[Experiment], Timeline],
        fast: FastTimes,
    ) -> None:
        self.parts, self.program, self._timeline, self._stops = parts, program, timeline, fast.stops
        lag = None if parts.whole.dosing is None else parts.whole.dosing.lag
        times = [sp.S.Zero if lag is None else sp.sympify(lag), *(sp.sympify(e.time) for e in parts.whole.events)]
        # When what happens, where that does not depend on parameters.
        self._fixed_times: EventTimes | None = None
        if not (fast.formulas or parts.moving) and all(time.is_number for time in times):
            self._fixed_times = EventTimes(np.array([float(time) for time in times]), np.empty((0, 2)))
        self._known = ExperimentSets[WayArrays | None](MAX_SETS)
        self._offsets = ExperimentSets[IntArray](MAX_SETS)
        self._still: dict[tuple[str, ...], tuple[FloatArray, FloatArray, Mask]] = {}
        formulas = [*parts.plain.rhs, *program.coming.gaps, *program.coming.formulas]
        self._is_shifted = not any(symbol(TIME) in sp.sympify(formula).free_symbols for formula in formulas)

    def solve(
        self,
        of: EventSensitivities,
        p: FloatArray,
        experiments: Sequence[Experiment],
        members: IntArray | None,
        with_slopes: bool,
    ) -> tuple[Solutions, Mask, IntArray]:
        """States of members with their derivatives to the names, for p [M, L]; which ones are left, whose rows say
        nothing, [M]; and how many steps each took, [M]. members: as in `Engine.solve`."""
        names = of.names
        offsets = self._offsets.find(experiments, lambda: offsets_of([len(e.times) for e in experiments]))
        which = np.arange(len(p)) if members is None else members
        if members is not None:
            offsets = offsets_of(np.diff(offsets)[members])
        assert names in ((), self.program.engine.sensitive)  # arrays in machine code have their length
        y = np.empty((int(offsets[-1]), len(self.parts.whole.states)))
        dy = np.empty((*y.shape, len(names))) if names else None
        steps, left = np.zeros(len(p), dtype=np.int64), np.ones(len(p), dtype=bool)
        begin, given, finite = self._begun(of, p)
        arrays, way, moved, going = self._arrays(of, p, experiments, which, true_at(finite))
        if arrays is not None and len(going):
            own, rows = p, offsets[:-1]
            if len(going) < len(p):
                own, begin, given, rows = p[going], begin[going], given[going], rows[going]
            ends = self.program.solve(own.take(of.kept, axis=1), begin, given, moved, way, arrays, rows, y, dy)
            steps[going], left[going] = ends.steps, ends.status != DONE
            if dy is not None and not np.isfinite(dy).all():
                # What has no derivatives at a row is said in the usual way.
                bad = ~np.isfinite(dy).reshape(len(dy), -1).all(axis=1)
                left[np.repeat(np.arange(len(p)), np.diff(offsets))[bad]] = True
        if with_slopes and dy is None:
            dy = np.empty((*y.shape, 0))
        return Solutions(y, dy, offsets, (None,) * len(p)), left, steps

    def _begun(self, of: EventSensitivities, p: FloatArray) -> tuple[FloatArray, FloatArray, Mask]:
        """Where members begin (see `WayProgram.begin`), the fraction of doses that arrives with its derivatives,
        [M, 1 + K], and whether all that is known of a member is finite, [M]."""
        n, known = len(p), self._still.get(of.names)
        if known is None or len(known[0]) < n:
            with np.errstate(all="ignore"):
                begin, (fraction, dfraction) = self.program.begin(*of.initial(p)), of.fractions(p)
            given = np.concatenate([fraction[:, None], dfraction], axis=1)
            known = begin, given, np.isfinite(begin).all(axis=1) & np.isfinite(given).all(axis=1)
            if of.begins_still:
                self._still[of.names] = known
        begin, given, finite = known
        return begin[:n], given[:n], finite[:n] & np.isfinite(p).all(axis=1)

    def count_steps(self, of: EventSensitivities, p: FloatArray, experiments: Sequence[Experiment]) -> int | None:
        """As many plain steps as all ways cost, for p [E, L]; None where one is left."""
        _, left, steps = self.solve(of, p, experiments, None, False)
        if left.any():
            return None
        segments = 0
        if self._fixed_times is None:
            for own, events, experiment in zip(p, of.event_values(p), experiments, strict=True):
                stops = self._stops(own, experiment)
                segments += len(self._timeline(experiment).segments(events.event_times, stops))
        return int(steps.sum() * (WATCHED if self.program.coming.gaps else 1) + LAID_OUT * segments)

    def _arrays(
        self, of: EventSensitivities, p: FloatArray, experiments: Sequence[Experiment], which: IntArray, going: IntArray
    ) -> tuple[WayArrays | None, IntArray, FloatArray, IntArray]:
        """The ways, which one each member takes, what moves them, and the members that have one."""
        if (times := self._fixed_times) is not None:
            arrays = self._known.find(experiments, lambda: self._fixed(of, times, experiments))
            return arrays, which[going], np.zeros((len(going), 1, len(of.names))), going
        usual = np.array([self._is_usual(e) for e in experiments])
        going = going[usual[which[going]]]
        ways, moved, found = list[tuple[Sequence[Segment], Experiment]](), list[FloatArray](), list[int]()
        for m, events in zip(going.tolist(), of.event_values(p[going]), strict=True):
            experiment = experiments[which[m]]
            try:
                segments = self._timeline(experiment).segments(events.event_times, self._stops(p[m], experiment))
            except IntegrationError:
                continue  # which is said in the usual way
            ways.append((segments, experiment))
            moved.append(events.dtimes)
            found.append(m)
        if not found:
            return None, which[:0], np.empty(0), going[:0]
        return self._packed(of, ways), np.arange(len(found)), np.stack(moved), np.array(found, dtype=np.intp)

    def _fixed(self, of: EventSensitivities, times: EventTimes, experiments: Sequence[Experiment]) -> WayArrays | None:
        """The ways of experiments that do not depend on parameters; None where one of them is unusual."""
        if not all(map(self._is_usual, experiments)):
            return None
        try:
            ways = [(self._timeline(experiment).segments(times), experiment) for experiment in experiments]
        except IntegrationError:
            return None
        return self._packed(of, ways)

    def _packed(self, of: EventSensitivities, ways: Sequence[tuple[Sequence[Segment], Experiment]]) -> WayArrays:
        segments = [segment for own, _ in ways for segment in own]
        lengths = [len(own) for own, _ in ways]
        slack = np.repeat([AT_ROW * (experiment.last - experiment.start or 1.0) for _, experiment in ways], lengths)
        start, end = np.array([(segment.start, max(segment.start, segment.end)) for segment in segments]).T
        offset = start if self._is_shifted else np.zeros(len(segments))
        rows = [len(segment.times) for segment in segments]
        times = np.concatenate([segment.times for segment in segments])
        first, times = offsets_of(rows), np.minimum(np.maximum(times, np.repeat(start, rows)), np.repeat(end, rows))
        doses, first_event = np.zeros((len(segments), len(self.parts.whole.states))), len(self.program.coming.rules)
        moves, changes = [-1] * len(segments), [-1] * len(segments)
        for k, segment in enumerate(segments):
            if (what := segment.transition) is None:
                continue
            if what.state >= 0:
                doses[k, what.state] = what.amount
            if what.moved_by >= 0 and of.moves[what.moved_by]:
                moves[k] = what.moved_by
            if what.event >= 0:
                changes[k] = first_event + what.event
        known = [np.array([getattr(segment, name) for segment in segments]) for name in ("context", "feeds")]
        places = [first[:-1], rows, [segment.wanted.start for segment in segments], moves, changes]
        return WayArrays(
            offsets_of(lengths),
            np.array(places, dtype=np.int64).T.copy(),
            np.concatenate([np.stack([start - offset, end - offset, slack], axis=1), *known, doses], axis=1),
            np.append(times - np.repeat(offset, rows), 0.0),
        )

    def _is_usual(self, experiment: Experiment) -> bool:
        """Whether it has rows, and rests neither before the first nor at the last one."""
        rests = experiment.ends_at_rest or (self.parts.whole.rest is not None and experiment.steady_state)
        return bool(len(experiment.times)) and not rests
