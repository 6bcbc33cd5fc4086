"""When what happens in one experiment, in numbers: its segments, between which the equations are integrated.

A segment begins with at most one transition and reaches to the next one; segments of no length keep the order of what
happens at the same time:

    inputs and fixed switches change, an infusion ends, a switch changes sides, an event, a dose.

A row of an experiment has a time and a side (`Experiment.side`): just before all that happens then, or, as everything
is continuous from the right, after it. What happens at the start acts on the initial values, which are what a row just
before it sees. Times that differ by no more than rounding are one. What would come after the last time does nothing,
nor does an event before the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from odefit.arrays import FloatArray, distinct
from odefit.data.experiments import Dose, Experiment, Input
from odefit.engines.base import times_fault
from odefit.engines.failure import Failure, FailureReason, IntegrationError
from odefit.engines.segments.schedule_times import NEVER
from odefit.engines.segments.segment_system import Kind, SegmentSystem
from odefit.model.system import Dosing
from odefit.records import dataclass

NO_STOPS = np.empty(0)
# What comes first among simultaneous transitions.
_STOP, _INFUSION_ENDS, _SWITCH, _EVENT, _DOSE = range(5)


@dataclass(frozen=True)
class EventTimes:
    """Numbers of one experiment that depend on its parameters.

    times: [1 + events + switches] how much later doses come; when events and moving switches do (NaN: never).
    sides: [switches, 2] values of the moving switches before and after their time.
    lengths: of `Dosing.spreads`, see `Dosing.length`.
    """

    times: FloatArray
    sides: FloatArray
    lengths: FloatArray = field(default_factory=lambda: np.empty(0))

    @property
    def key(self) -> bytes:
        return self.times.tobytes() + self.sides.tobytes() + self.lengths.tobytes()


@dataclass(frozen=True)
class Transition:
    """What happens where a segment begins. `moved_by`: which of `EventTimes.times` moves it; -1 for none.
    `stretched_by`: which of `EventTimes.lengths` moves it further, `stretch` times as much; -1 for none.

    Either event number `event`, or a dose of `amount` into state number `state`, or only the equations change.
    """

    moved_by: int = -1
    event: int = -1
    state: int = -1
    amount: float = 0.0
    stretched_by: int = -1
    stretch: float = 0.0


@dataclass(frozen=True)
class Segment:
    """A part of the way, [start, end]; `transition` comes before it.

    context: see `SegmentSystem`; feeds: rates of infusion, of which a fraction arrives. wanted: which rows of the whole
    experiment `name` lie in it; times: theirs.
    """

    name: str
    start: float
    end: float
    transition: Transition | None
    context: FloatArray
    feeds: FloatArray
    wanted: slice
    times: FloatArray

    @property
    def has_length(self) -> bool:
        """Whether there is anything to be solved."""
        return self.end > self.start

    @property
    def rows(self) -> FloatArray:
        """Its times, none of which differs from its start or its end by rounding."""
        return np.minimum(np.maximum(self.times, self.start), self.end)

    @cached_property
    def experiment(self) -> Experiment | None:
        """What an engine solves: from the start to the end, read at the rows and the end; None without length."""
        if not self.has_length:
            return None
        times = self.rows
        if not len(times) or self.times[-1] < self.end:
            times = np.append(times, self.end)
        return Experiment(self.name, times, np.empty((len(times), 0)), self.start)


@dataclass
class _Draft:
    """Transitions as they are gathered: time, order among simultaneous ones, and what changes."""

    time: float
    order: int
    transition: Transition
    feed: tuple[int, float] | None = None
    side: tuple[int, float] | None = None


@dataclass
class Timeline:
    """The segments of one experiment under one segment system, built again only when its event times have changed."""

    experiment: Experiment
    segment_system: SegmentSystem
    _stops: FloatArray = field(init=False)
    _inputs: list[Input] = field(init=False)
    _key: bytes | None = None
    _segments: tuple[Segment, ...] = ()
    _finite: Experiment = field(init=False)

    def __post_init__(self) -> None:
        self._finite = self.experiment
        rows = self.experiment.times[:-1] if self.experiment.ends_at_rest else self.experiment.times
        fault = times_fault(np.asarray(rows), self.experiment.start)
        if fault is not None:
            raise IntegrationError(fault)
        missing = [name for name in self.segment_system.inputs if name not in self.experiment.inputs]
        if missing:
            raise IntegrationError(Failure(FailureReason.INPUT_MISSING, subject=missing[0]))
        self._inputs = [self.experiment.inputs[name] for name in self.segment_system.inputs]
        switches = [-float(switch.intercept) / float(switch.slope) for switch in self.segment_system.fixed]
        self._stops = distinct(np.concatenate([*(kinks(known) for known in self._inputs), switches]))

    def segments(self, event_times: EventTimes, stops: FloatArray = NO_STOPS) -> tuple[Segment, ...]:
        """From the start to the last time. Raises IntegrationError for a time that cannot be.

        stops: more times at which a solver is to stop.
        """
        return self.plan(event_times, stops)[0]

    def plan(self, event_times: EventTimes, stops: FloatArray = NO_STOPS) -> tuple[tuple[Segment, ...], Experiment]:
        """The segments, and the experiment whose rows they have: where the last row is at infinite time, another one
        has its place, after all that happens, and belongs to none of them."""
        key = event_times.key + stops.tobytes()
        if self._key != key:
            self._segments, self._key = self._build(event_times, stops), key
        return self._segments, self._finite

    def _build(self, event_times: EventTimes, stops: FloatArray) -> tuple[Segment, ...]:
        drafts = [*self._draft_stops(stops), *self._draft_events(event_times), *self._draft_doses(event_times)]
        sides = event_times.sides[:, 0].copy()
        first_switch = 1 + len(self.segment_system.changes)
        for i in range(len(self.segment_system.moving)):
            time = event_times.times[first_switch + i]
            if time < self.experiment.start - self.experiment.slack:
                sides[i] = event_times.sides[i, 1]
            elif np.isfinite(time):
                side = (i, float(event_times.sides[i, 1]))
                drafts.append(_Draft(float(time), _SWITCH, Transition(moved_by=first_switch + i), side=side))
        drafts = [draft for draft in drafts if draft.time < NEVER]
        self._finite = _finite(self.experiment, [draft.time for draft in drafts])
        segments = self._assemble(self._in_order(drafts), sides)
        if not self.experiment.ends_at_rest:
            return segments
        last = segments[-1]
        return (*segments[:-1], replace(last, wanted=slice(last.wanted.start, last.wanted.stop - 1)))

    def _draft_stops(self, more: FloatArray) -> list[_Draft]:
        stops = np.concatenate([self._stops, more])
        return [_Draft(float(time), _STOP, Transition()) for time in stops if time > self.experiment.start]

    def _draft_events(self, event_times: EventTimes) -> list[_Draft]:
        drafts = []
        for j in range(len(self.segment_system.changes)):
            time = float(event_times.times[1 + j])
            if np.isnan(time):
                raise IntegrationError(Failure(FailureReason.EVENT_TIME_NOT_A_NUMBER, subject=str(j + 1)))
            if time >= self.experiment.start - self.experiment.slack:
                drafts.append(_Draft(time, _EVENT, Transition(moved_by=1 + j, event=j)))
        return drafts

    def _draft_doses(self, event_times: EventTimes) -> list[_Draft]:
        lag, states, slack = float(event_times.times[0]), self.segment_system.whole.states, self.experiment.slack
        drafts = []
        for dose in self.experiment.doses:
            time = dose.time + lag
            if not np.isfinite(time):
                raise IntegrationError(Failure(FailureReason.LAG_NOT_FINITE))
            if time < self.experiment.start - slack:
                raise IntegrationError(Failure(FailureReason.DOSE_BEFORE_START, time))
            if dose.spread is not None:
                drafts += self._spread(dose, dose.spread, time, event_times)
                continue
            if dose.duration <= slack:
                transition = Transition(moved_by=0, state=states.index(dose.state), amount=dose.amount)
                drafts.append(_Draft(time, _DOSE, transition))
                continue
            slot, rate = self.segment_system.kind.infused.index(dose.state), dose.amount / dose.duration
            drafts.append(_Draft(time, _DOSE, Transition(moved_by=0), feed=(slot, rate)))
            drafts.append(_Draft(time + dose.duration, _INFUSION_ENDS, Transition(moved_by=0), feed=(slot, -rate)))
        return drafts

    def _spread(self, dose: Dose, spread: tuple[str, str], time: float, event_times: EventTimes) -> list[_Draft]:
        """An infusion whose end depends on parameters."""
        dosing = self.segment_system.whole.dosing
        assert dosing is not None  # it has doses
        k = [(one.kind, one.text) for one in dosing.spreads].index(spread)
        by_rate = dosing.spreads[k].kind == "rate"
        stretch, length = (abs(dose.amount) if by_rate else 1.0), float(event_times.lengths[k])
        if not (np.isfinite(length) and length > 0):
            raise IntegrationError(Failure(FailureReason.INFUSION_WITHOUT_LENGTH, subject=spread[1]))
        slot = self.segment_system.kind.infused.index(f"{dose.state}@{k}")
        feed = float(np.sign(dose.amount)) if by_rate else dose.amount
        ends = Transition(moved_by=0, stretched_by=k, stretch=stretch)
        return [
            _Draft(time, _DOSE, Transition(moved_by=0), feed=(slot, feed)),
            _Draft(time + stretch * length, _INFUSION_ENDS, ends, feed=(slot, -feed)),
        ]

    def _in_order(self, drafts: list[_Draft]) -> list[_Draft]:
        """Up to the last time; with times that differ by rounding made equal."""
        slack, last = self._finite.slack, self._finite.last
        within = sorted((draft for draft in drafts if draft.time <= last + slack), key=lambda draft: draft.time)
        now = self.experiment.start
        for draft in within:
            if draft.time > now + slack:
                now = last if draft.time >= last - slack else draft.time
            draft.time = now
        to_rest = self.experiment.ends_at_rest
        kept = [draft for draft in within if draft.order != _STOP or draft.time < last or to_rest]
        kept.sort(key=lambda draft: (draft.time, draft.order))
        return [d for i, d in enumerate(kept) if d.order != _STOP or i == 0 or d.time > kept[i - 1].time]

    def _assemble(self, drafts: list[_Draft], sides: FloatArray) -> tuple[Segment, ...]:
        n, finite = len(drafts) + 1, self._finite
        times = np.asarray(finite.times, dtype=np.float64)
        starts = [self.experiment.start, *(draft.time for draft in drafts)]
        ends = [*starts[1:], float(times[-1])]
        feeds, known = np.zeros((n, len(self.segment_system.kind.infused))), np.empty((n, len(sides)))
        known[:] = sides
        for i, draft in enumerate(drafts, start=1):
            if draft.feed is not None:
                slot, rate = draft.feed
                feeds[i:, slot] += rate
            if draft.side is not None:
                slot, value = draft.side
                known[i:, slot] = value
        contexts = self._contexts(np.array(starts), np.array(ends), known)
        # The rows just before a transition belong to the segment that ends there, all others to the one that begins.
        reach = times + finite.slack
        if finite.side is not None:
            before = np.nextafter(times - finite.slack, -np.inf)
            reach = np.maximum.accumulate(np.where(finite.side < 0, before, reach))
        bounds = [0, *np.searchsorted(reach, starts[1:]).tolist(), len(times)]
        transitions = [None, *(draft.transition for draft in drafts)]
        rows = [slice(*pair) for pair in pairwise(bounds)]
        return tuple(
            Segment(finite.name, starts[i], ends[i], transitions[i], contexts[i], feeds[i], rows[i], times[rows[i]])
            for i in range(n)
        )

    def _contexts(self, starts: FloatArray, ends: FloatArray, sides: FloatArray) -> FloatArray:
        """See `SegmentSystem.contexts`."""
        if not self.segment_system.context:
            return np.empty((len(starts), 0))
        middles = self._middles(starts, ends)
        return self.segment_system.contexts(middles, [polynomials(u, middles) for u in self._inputs], sides)

    def _middles(self, starts: FloatArray, ends: FloatArray) -> FloatArray:
        """Of each segment; those of no length take the next one's, which knows what holds from there on."""
        middles = (starts + ends) / 2
        if ends[-1] <= starts[-1]:
            later = self._stops[self._stops > ends[-1] + self._finite.slack]
            middles[-1] = (ends[-1] + later[0]) / 2 if later.size else ends[-1] + 1.0
        for i in range(len(starts) - 2, -1, -1):
            if ends[i] <= starts[i]:
                middles[i] = middles[i + 1]
        return middles


def _finite(experiment: Experiment, happens: Sequence[float]) -> Experiment:
    """With a row after all that happens in place of one at infinite time."""
    if not experiment.ends_at_rest:
        return experiment
    last = max([experiment.last, *happens])
    sides = experiment.sides.copy()
    sides[-1] = 1
    return replace(experiment, times=np.append(experiment.times[:-1], last), side=sides)


def parted(segment: Segment, time: float, experiment: Experiment, slack: float) -> tuple[Segment, Segment]:
    """A segment of an experiment before and after an event on its way.

    slack: rows whose time differs from that of the event by less are at it, and after it unless their side is before.
    """
    time = float(np.clip(time, segment.start, segment.end))
    times: FloatArray = np.asarray(experiment.times, dtype=np.float64)[segment.wanted]
    sides = experiment.sides[segment.wanted]
    is_before = (times < time - slack) | ((sides < 0) & (times <= time + slack))
    middle = segment.wanted.start + int(np.count_nonzero(np.minimum.accumulate(is_before)))
    before, after = slice(segment.wanted.start, middle), slice(middle, segment.wanted.stop)
    first, rest = np.split(times, [middle - segment.wanted.start])
    return (
        replace(segment, end=time, wanted=before, times=first),
        replace(segment, start=time, transition=None, wanted=after, times=rest),
    )


def behind(segment: Segment) -> Segment:
    """The row at infinite time, behind the last segment."""
    row = slice(segment.wanted.stop, segment.wanted.stop + 1)
    return replace(segment, start=segment.end, transition=None, wanted=row, times=segment.times[:0])


def kind_of(experiment: Experiment, inputs: Sequence[str], dosing: Dosing | None = None) -> Kind:
    """What the segments of an experiment need, where the equations name `inputs`."""
    used = [experiment.inputs[name] for name in inputs if name in experiment.inputs]
    infused = {dose.state for dose in experiment.doses if dose.duration > 0}
    if dosing is not None and dosing.spreads:
        spreads = [(one.kind, one.text) for one in dosing.spreads]
        infused |= {f"{d.state}@{spreads.index(d.spread)}" for d in experiment.doses if d.spread is not None}
    return Kind(max((degree(known) for known in used), default=0), tuple(sorted(infused)))


def degree(known: Input) -> int:
    """Of the polynomials of an input: 0 for steps, 1 for straight lines, 3 for splines."""
    used = np.flatnonzero(known.coefficients.any(axis=0))
    return int(used[-1]) if used.size else 0


def polynomials(known: Input, at: FloatArray) -> FloatArray:
    """The polynomials that hold at times `at` [N], as coefficients around these times: [N, 4]."""
    k = known.piece(at)
    return _moved(known.coefficients[k], at - known.knots[k])


def kinks(known: Input) -> FloatArray:
    """The knots at which another polynomial begins, by more than rounding: there a solver stops."""
    # The first polynomial of a jump holds for no time.
    lasting = np.append(np.diff(known.knots) > 0, True)
    knots, coefficients = known.knots[lasting], known.coefficients[lasting]
    if len(knots) < 2:
        return np.empty(0)
    width = np.diff(knots)
    before, after = _moved(coefficients[:-1], width), coefficients[1:]
    # What the terms contribute within the next experiment (the last one has no end: as long as the one before).
    powers = np.append(width[1:], width[-1])[:, None] ** np.arange(4)
    size = max(np.abs(known.coefficients[:, 0]).max(), (np.abs(after) * powers).max())
    found: FloatArray = knots[1:][(np.abs(after - before) * powers > 1e-12 * size).any(axis=1)]
    return found


def _moved(coefficients: FloatArray, s: FloatArray) -> FloatArray:
    """Cubics [N, 4] written around a point that lies s [N] further on."""
    c0, c1, c2, c3 = coefficients.T
    return np.stack([c0 + s * (c1 + s * (c2 + s * c3)), c1 + s * (2 * c2 + 3 * s * c3), c2 + 3 * s * c3, c3], axis=-1)
