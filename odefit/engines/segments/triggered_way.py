"""The way of one experiment through its segments, where conditions interrupt them.

A condition becomes true where its gap g(y, t, q) passes 0, at a time tau with

    dtau = -(g_y dy- + g_q)/(g_t + g_y f-)      (derivatives to q, dy- at a fixed time),

which is linear in dy-, so that what happens then is stated as A dy- + B, as at any other transition (saltation.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from odefit import algebra as sp
from odefit.arrays import FloatArray, Mask
from odefit.data.experiments import Experiment
from odefit.engines.failure import Failure, FailureReason, IntegrationError
from odefit.engines.segments.saltation import EventSensitivities, EventValues, SegmentStart, SegmentStarts, ToRest
from odefit.engines.segments.schedule import Segment, behind, parted
from odefit.engines.segments.schedule_times import NEVER
from odefit.engines.segments.scout import GapFunctions, Hit, Scout, Standing
from odefit.engines.segments.triggers import Rule, Rules
from odefit.records import dataclass

MAX_EVENTS = 10_000
"""Events by conditions in one experiment; more are taken for ones without end."""
MAX_AT_ONCE = 100
"""Those of one kind at one time."""
RUSH, RUSHED = 100, 1e-4
"""Times of events that come within this share of the time span: events without end, too, a hundred times faster."""
AT_ROW = 1e-9
"""Share of the time span within which an event comes at the time of a row."""
FAR = 1e6
"""How long events are looked for on the way to rest, in time spans."""
SAME_TIME = 1e-12
"""Share of the time span within which events count as at one time."""
ROUNDING = 1e-13
"""Share of its terms within which a gap is 0."""

Linear = FloatArray | None


@dataclass(frozen=True)
class Cause:
    """How the time tau of what comes depends on the states before all of it: dtau = alpha dy + beta, alpha [1, n]."""

    alpha: FloatArray
    beta: FloatArray


Due = tuple[int, Cause]
"""A rule whose condition has become true, and what moves its time."""


@dataclass(frozen=True)
class Moment:
    """A time at which something comes, at the start of a segment: the gaps that were 0 then, and what all were."""

    segment: Segment
    at_0: Collection[int]
    gaps: FloatArray


class TriggeredWay:
    """Yields where segments start, as `EventSensitivities.segment_starts`, and stops at each event on the way.

    happened: takes the time of each event.
    """

    def __init__(
        self,
        sensitivities: EventSensitivities,
        gaps: GapFunctions,
        events: EventValues,
        experiment: Experiment,
        scout: Scout,
        happened: list[float],
        to_rest: ToRest | None = None,
    ) -> None:
        self._of, self._gaps, self._events, self._experiment = sensitivities, gaps, events, experiment
        self._scout, self._happened, self._to_rest = scout, happened, to_rest
        self._rules: Rules = gaps.rules
        self._names = bool(sensitivities.names)
        system = sensitivities.segment_system.whole
        self._moving = {*system.states, *self._rules.memory}
        self._number, self._at_once, self._times = 0, Counter[int](), list[float]()
        self._standing = Standing(np.empty(0, dtype=bool), np.empty(0, dtype=bool), set())
        self._maps = np.empty((0, 0)), np.empty((0, 0))

    def segment_starts(
        self, segments: Sequence[Segment], y: FloatArray, dy: FloatArray, rested: Sequence[bool] | None = None
    ) -> SegmentStarts:
        """y [S], dy [S, K]: initial values and their derivatives. rested: which conditions held at rest before them."""
        memory, k = self._of.memory, len(self._of.names)
        y = np.concatenate([y, np.full(memory, NEVER)])
        A: Linear = None
        B: Linear = np.concatenate([dy, np.zeros((memory, k))])
        self._check(y, B, segments[0].start, is_first=True)
        y, A, B = self._begin(segments[0], y, A, B, rested)
        tolerance = AT_ROW * self._span
        before = segments[0]
        for segment in segments:
            is_last = segment is segments[-1]
            if segment.transition is not None:
                held = y
                y, A, B = self._of.cross(segment.transition, before, segment, self._events, y, A, B)
                y, A, B = self._follow(segment, before, held, y, A, B)
            before = part = segment
            while True:
                self._check(y, B, part.start)
                until = part.end + (tolerance if is_last else 0.0)
                hit = self._scout.find(part, until, y, self._standing) if until > part.start else None
                first, rest = (part, None) if hit is None else parted(part, hit.time, self._experiment, tolerance)
                if first.has_length or first.wanted.stop > first.wanted.start or (is_last and rest is None):
                    end = yield SegmentStart(first, y, A, B)
                    y = np.concatenate([end, y[len(end) :]])
                    A, B = None, None
                if hit is None or rest is None:
                    break
                self._standing = hit.standing
                y, A, B = self._hit(hit, rest, y, A, B)
                part = rest
        if self._to_rest is not None:
            yield from self._rest(replace(part, start=part.end, transition=None), y, self._to_rest)

    def _rest(self, segment: Segment, y: FloatArray, to_rest: ToRest) -> SegmentStarts:
        """From the last row or change on to rest, through all events that come on the way."""
        A: Linear = None
        B: Linear = None
        row = behind(segment)
        while True:
            self._check(y, B, segment.start)
            failure: IntegrationError | None = None
            try:
                found, rest_A, rest_B, weights = to_rest(segment, segment.start, y)
                horizon = self._horizon(segment, found)
            except IntegrationError as error:
                failure, horizon = error, segment.start + FAR * self._span
            hit = self._scout.find(segment, horizon, y, self._standing)
            if hit is None:
                break
            if hit.time > segment.start:
                wanted = slice(row.wanted.start, row.wanted.start)
                part = replace(segment, end=hit.time, wanted=wanted, times=segment.times[:0])
                end = yield SegmentStart(part, y, A, B)
                y, A, B = np.concatenate([end, y[len(end) :]]), None, None
            segment = replace(segment, start=hit.time, end=hit.time)
            self._standing = hit.standing
            y, A, B = self._hit(hit, segment, y, A, B)
        if failure is not None:
            raise failure
        if rest_A is not None:
            A = rest_A if A is None else rest_A @ A
            B = rest_B if B is None else rest_A @ B + (0.0 if rest_B is None else rest_B)
        yield SegmentStart(row, found, A, B, weights)

    def _horizon(self, segment: Segment, y: FloatArray) -> float:
        """How long to look for events on the way to rest, y: so long, or until a time that a condition waits for."""
        t = segment.start + FAR * self._span
        g, _, g_t, _ = self._gaps.at(t, y, self._events, segment)
        with np.errstate(all="ignore"):
            awaited = t - g / g_t
        later = awaited[np.isfinite(awaited) & (awaited > t) & (awaited < NEVER / 2)]
        return float(later.max(initial=t)) + self._span

    @property
    def _span(self) -> float:
        return self._experiment.last - self._experiment.start or 1.0

    def _check(self, y: FloatArray, B: Linear, t: float, is_first: bool = False) -> None:
        if np.isfinite(y).all() and (B is None or np.isfinite(B).all()):
            return
        reason = FailureReason.INITIAL_SENSITIVITIES_NOT_FINITE if is_first else FailureReason.STATE_NOT_FINITE
        raise IntegrationError(Failure(reason, t))

    # -- what holds

    def _begin(
        self, segment: Segment, y: FloatArray, A: Linear, B: Linear, rested: Sequence[bool] | None
    ) -> tuple[FloatArray, Linear, Linear]:
        """What holds at the start, and what comes there because it does."""
        g = self._gaps.at(segment.start, y, self._events, segment)[0]
        gaps = np.array([gap.holds(value) for gap, value in zip(self._rules.gaps, g, strict=True)], dtype=bool)
        held = [not rule.at_start if rested is None else rested[rule.number] for rule in self._rules.rules]
        self._standing = Standing(gaps, np.array(held, dtype=bool), set())
        due = self._standing.follow(self._rules)
        if not due:
            return y, A, B
        cause = Cause(np.zeros((1, len(y))), np.zeros(len(self._of.names)))
        return self._come([(r, cause) for r in due], Moment(segment, (), g), y, A, B)

    def _follow(
        self, segment: Segment, before: Segment, held: FloatArray, y: FloatArray, A: Linear, B: Linear
    ) -> tuple[FloatArray, Linear, Linear]:
        """After a transition that was to come at a known time: what becomes true by it comes at that time, too."""
        assert segment.transition is not None
        earlier = self._gaps.at(segment.start, held, self._events, before)[0]
        moment = Moment(segment, (), earlier)
        due = self._update(moment, earlier, y)
        if not due:
            return y, A, B
        cause = Cause(np.zeros((1, len(y))), self._of.moved(segment.transition, self._events))
        return self._come([(r, cause) for r in due], moment, y, A, B)

    def _update(
        self, moment: Moment, earlier: FloatArray, y: FloatArray, changes: Mapping[int, Any] | None = None
    ) -> list[int]:
        """What holds after states jumped by `changes`, where gaps had been `earlier`; the rules that have become true.

        A gap that was 0 when all this began was so but for rounding. One that is put to 0, where it does not hold, and
        grows from there has been false for a moment: its condition becomes true again.
        """
        segment, t = moment.segment, moment.segment.start
        g, g_y, g_t, _ = self._gaps.at(t, y, self._events, segment)
        put = self._put(changes or {}, g_y)
        slopes: FloatArray | None = None
        interrupted = []
        for i in np.flatnonzero((g != earlier) | put):
            off = moment.gaps[i] if i in moment.at_0 else 0.0
            near = ROUNDING * (np.abs(g_y[i]) @ np.abs(y) + abs(g_t[i] * t)) + 10 * abs(off)
            if abs(g[i] - off) > near:
                self._standing.gaps[i] = g[i] - off > 0
                continue
            if slopes is None:
                slopes = g_t + g_y @ self._of.rates(self._events, segment, y, t)
            # By the time that it takes to become true, a gap that grows with the time alone has come above 0.
            is_put_below = put[i] and g_t[i] <= 0 and not self._rules.gaps[i].holds(g[i])
            if is_put_below and slopes[i] > 0 and self._standing.gaps[i]:
                interrupted.append(i)
            if slopes[i] != 0:
                self._standing.gaps[i] = slopes[i] > 0
        if not interrupted:
            return self._standing.follow(self._rules)
        self._standing.gaps[interrupted] = False
        due = self._standing.follow(self._rules)
        self._standing.gaps[interrupted] = True
        return [*due, *self._standing.follow(self._rules)]

    def _put(self, changes: Mapping[int, Any], g_y: FloatArray) -> Mask:
        """The gaps whose states all got values that do not depend on what states were, [G]; g_y [G, n]."""
        given = np.zeros(g_y.shape[1], dtype=bool)
        named = {i: {s.name for s in sp.sympify(formula).free_symbols} for i, formula in changes.items()}
        given[[i for i, names in named.items() if names.isdisjoint(self._moving)]] = True
        found: Mask = (g_y != 0).any(axis=1) & ((g_y == 0) | given).all(axis=1)
        return found

    # -- what comes

    def _hit(
        self, hit: Hit, segment: Segment, y: FloatArray, A: Linear, B: Linear
    ) -> tuple[FloatArray, Linear, Linear]:
        """An event on the way, just before `segment`, with all others that come at its time."""
        g, g_y, g_t, g_q = self._gaps.at(hit.time, y, self._events, segment)
        slopes = g_t + g_y @ self._of.rates(self._events, segment, y, hit.time)
        slope, number = slopes[hit.gap], str(self._rules.rules[hit.due[0]].number + 1)
        is_passed = slope > 0 if self._standing.gaps[hit.gap] else slope < 0
        if not is_passed and self._happened and hit.time - self._happened[-1] < AT_ROW * self._span:
            # Events come in ever shorter times, until these are shorter than rounding.
            raise IntegrationError(Failure(FailureReason.FIRES_WITHOUT_END, hit.time, subject=number))
        if self._names and slope == 0:
            raise IntegrationError(Failure(FailureReason.GRAZES, hit.time, subject=number))
        at_0 = [hit.gap, *(i for i in self._passing(g, slopes, hit.time) if i != hit.gap)]
        due = []
        for i in at_0:
            with np.errstate(all="ignore"):
                cause = Cause(-g_y[i][None] / slopes[i], -g_q[i] / slopes[i])
            if i != hit.gap:
                self._standing.gaps[i] = slopes[i] > 0
            due += [(r, cause) for r in (hit.due if i == hit.gap else self._standing.follow(self._rules))]
        return self._come(due, Moment(segment, at_0, g), y, A, B)

    def _passing(self, g: FloatArray, slopes: FloatArray, t: float) -> list[int]:
        """The gaps that pass 0 within rounding of a time and have not done so yet."""
        slack = max(SAME_TIME * self._span, 4 * np.finfo(np.float64).eps * abs(t))
        is_near = (np.abs(g) <= slack * np.abs(slopes)) & (slopes != 0)
        return [int(i) for i in np.flatnonzero(is_near & (self._standing.gaps != (slopes > 0)))]

    def _come(
        self, due: list[Due], moment: Moment, y: FloatArray, A: Linear, B: Linear
    ) -> tuple[FloatArray, Linear, Linear]:
        """All that comes at one time, one after another, the highest priority first.

        As in SBML, priorities are computed anew after each, and what is not persistent is dropped as soon as its
        condition is false, though it may have become true again before its turn.
        """
        n, k = len(y), len(self._of.names)
        self._maps = np.eye(n), np.zeros((n, k))
        due, queue = list(due), list[Due]()
        while due or queue:
            if due:
                r, cause = due.pop(0)
                y, more = self._trigger(r, cause, queue, moment, y)
            else:
                r, cause = queue.pop(self._first([r for r, _ in queue], moment.segment, y))
                y, more = self._execute(r, cause, moment, y)
            due += [(other, cause) for other in more]
            queue = [(other, cause) for other, cause in queue if self._stays(other)]
        if not self._names:
            return y, None, B
        M, N = self._maps
        with np.errstate(all="ignore"):
            return y, M if A is None else M @ A, N if B is None else M @ B + N

    def _stays(self, r: int) -> bool:
        """Whether what waits for its turn still comes: a delayed event may have been put off."""
        rule = self._rules.rules[r]
        return bool(self._standing.rules[r]) or (rule.persistent and not rule.executes)

    def _trigger(
        self, r: int, cause: Cause, queue: list[Due], moment: Moment, y: FloatArray
    ) -> tuple[FloatArray, list[int]]:
        """A rule whose condition has become true: what it remembers; it joins the queue unless it is delayed."""
        rule, t, held, more = self._rules.rules[r], moment.segment.start, y, list[int]()
        if rule.captures:
            place = self._place(rule, y, t)
            y, more = self._apply(rule.captures[place], moment, y, cause)
            if rule.delayed and y[rule.delayed[place]] < t:
                raise IntegrationError(Failure(FailureReason.DELAY_NEGATIVE, t, subject=str(rule.number + 1)))
            if any(other == r for other, _ in queue) and (y != held).any():
                # Its earlier values are still needed, and there is one place for them.
                raise IntegrationError(Failure(FailureReason.DUE_TWICE, t, subject=str(rule.number + 1)))
        if not rule.waits:
            queue.append((r, cause))
        return y, more

    def _execute(self, r: int, cause: Cause, moment: Moment, y: FloatArray) -> tuple[FloatArray, list[int]]:
        """A rule in its turn: the new states, and the rules whose condition that makes true."""
        rule = self._rules.rules[r]
        changes = rule.apply
        if rule.executes and rule.delayed[0] in self._standing.lapsed:
            changes = {rule.delayed[0]: rule.apply[rule.delayed[0]]}
        else:
            self._count(rule, moment.segment.start)
        return self._apply(changes, moment, y, cause)

    def _apply(
        self, changes: Mapping[int, Any], moment: Moment, y: FloatArray, cause: Cause
    ) -> tuple[FloatArray, list[int]]:
        segment, t = moment.segment, moment.segment.start
        earlier = self._gaps.at(t, y, self._events, segment)[0]
        after, h_y, h_t, h_q = self._of.change(changes, segment, self._events, y, t)
        if self._names:
            # At the moving time there is f dtau more, before with the old f, afterwards with the new one.
            f, f_after = (self._of.rates(self._events, segment, at, t) for at in (y, after))
            M, N = self._maps
            with np.errstate(all="ignore"):
                f = h_y @ f + h_t - f_after
                self._maps = h_y @ M + np.outer(f, cause.alpha), h_y @ N + h_q + np.outer(f, cause.beta)
        self._check(after, None, t)
        return after, self._update(moment, earlier, after, changes)

    def _first(self, queue: list[int], segment: Segment, y: FloatArray) -> int:
        """The place in the queue of the highest priority; among equals, that of the event that is listed first."""
        values = self._of.values([rule.priority for rule in self._rules.rules], segment, self._events, y)
        ranks = [(-values[r] if np.isfinite(values[r]) else 0.0, r) for r in queue]
        return ranks.index(min(ranks))

    def _place(self, rule: Rule, y: FloatArray, t: float) -> int:
        """The first place in memory that is free, or whose event was called off."""
        if not rule.delayed:
            return 0
        for place, time in enumerate(rule.delayed):
            if y[time] == NEVER or time in self._standing.lapsed:
                self._standing.lapsed.discard(time)
                return place
        raise IntegrationError(Failure(FailureReason.DELAYS_OVERLAP, t, subject=str(rule.number + 1)))

    def _count(self, rule: Rule, t: float) -> None:
        self._number += 1
        if not self._times or t - self._times[-1] > SAME_TIME * self._span:
            self._at_once.clear()
            self._times.append(t)
        self._at_once[rule.number] += 1
        self._happened.append(t)
        is_rush = len(self._times) > RUSH and t - self._times[-1 - RUSH] < RUSHED * self._span
        if self._number > MAX_EVENTS or self._at_once[rule.number] > MAX_AT_ONCE or is_rush:
            raise IntegrationError(Failure(FailureReason.FIRES_WITHOUT_END, t, subject=str(rule.number + 1)))
