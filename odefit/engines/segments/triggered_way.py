"""The way of one experiment through its segments, where conditions interrupt them.

A condition becomes true where its gap g(y, t, q) passes 0, at a time tau with

    dtau = -(g_y dy- + g_q)/(g_t + g_y f-)      (derivatives to q, dy- at a fixed time),

which is linear in dy-, so that what happens then is stated as A dy- + B, as at any other transition (saltation.py).
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.engines.failure import Failure, FailureReason, IntegrationError
from odefit.engines.segments.saltation import EventSensitivities, EventValues, SegmentStart, SegmentStarts, ToRest
from odefit.engines.segments.schedule import Segment, behind, between, parted
from odefit.engines.segments.schedule_times import NEVER
from odefit.engines.segments.scout import GapFunctions, Hit, Scout, Standing
from odefit.engines.segments.triggers import Rule, Rules

MAX_EVENTS = 10_000
"""Events by conditions in one experiment; more are taken for ones without end."""
MAX_AT_ONCE = 100
"""Those at one time."""
AT_ROW = 1e-9
"""Share of the time span within which an event comes at the time of a row."""
FAR = 1e6
"""How long events are looked for on the way to rest, in time spans."""
SAME_TIME = 1e-12
"""Share of the time span within which events count as at one time."""
ROUNDING = 1e-13
"""Share of its terms within which a gap is 0."""

Linear = FloatArray | None


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
        self._number = self._at_once = 0
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
                if first.experiment is not None or first.wanted.stop > first.wanted.start or (is_last and rest is None):
                    end = yield SegmentStart(first, y, A, B)
                    y = np.concatenate([end, y[len(end) :]])
                    A, B = None, None
                if hit is None or rest is None:
                    break
                self._standing = hit.standing
                y, A, B = self._hit(hit, rest, y, A, B)
                part = rest
        if self._to_rest is not None:
            yield from self._rest(replace(part, start=part.end, transition=None, experiment=None), y, self._to_rest)

    def _rest(self, segment: Segment, y: FloatArray, to_rest: ToRest) -> SegmentStarts:
        """From the last row or change on to rest, through all events that come on the way."""
        A: Linear = None
        B: Linear = None
        row = behind(segment)
        while True:
            self._check(y, B, segment.start)
            failure: IntegrationError | None = None
            try:
                found, rest_A, rest_B = to_rest(segment, segment.start, y)
                horizon = self._horizon(segment, found)
            except IntegrationError as error:
                failure, horizon = error, segment.start + FAR * self._span
            hit = self._scout.find(segment, horizon, y, self._standing)
            if hit is None:
                break
            if hit.time > segment.start:
                way = between(self._experiment.name, segment.start, hit.time, np.empty(0))
                part = replace(segment, end=hit.time, wanted=slice(row.wanted.start, row.wanted.start), experiment=way)
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
        yield SegmentStart(row, found, A, B)

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
        return self._come(due, None, segment, y, A, B, np.zeros((0, 0)), np.zeros(len(self._of.names)))

    def _follow(
        self, segment: Segment, before: Segment, held: FloatArray, y: FloatArray, A: Linear, B: Linear
    ) -> tuple[FloatArray, Linear, Linear]:
        """After a transition that was to come at a known time: what becomes true by it comes at that time, too."""
        assert segment.transition is not None
        earlier = self._gaps.at(segment.start, held, self._events, before)[0]
        due = self._update(segment, segment.start, earlier, y, None, earlier)
        if not due:
            return y, A, B
        dtau = self._of.moved(segment.transition, self._events)
        return self._come(due, None, segment, y, A, B, np.zeros((0, 0)), dtau)

    def _update(
        self, segment: Segment, t: float, earlier: FloatArray, y: FloatArray, cause: int | None, at_cause: FloatArray
    ) -> list[int]:
        """What holds after states jumped, where gaps had been `earlier`; the rules that have become true.

        cause: the gap that was 0 when all this began, and was `at_cause` then but for rounding.
        """
        g, g_y, g_t, _ = self._gaps.at(t, y, self._events, segment)
        slopes: FloatArray | None = None
        for i in np.flatnonzero(g != earlier):
            value = g[i] - at_cause[i] if i == cause else g[i]
            near = ROUNDING * (np.abs(g_y[i]) @ np.abs(y) + abs(g_t[i] * t))
            near += 10 * abs(at_cause[i]) if i == cause else 0.0
            if abs(value) > near:
                self._standing.gaps[i] = value > 0
                continue
            if slopes is None:
                slopes = g_t + g_y @ self._of.rates(self._events, segment, y, t)
            if slopes[i] != 0:
                self._standing.gaps[i] = slopes[i] > 0
        return self._standing.follow(self._rules)

    # -- what comes

    def _hit(
        self, hit: Hit, segment: Segment, y: FloatArray, A: Linear, B: Linear
    ) -> tuple[FloatArray, Linear, Linear]:
        """An event on the way, just before `segment`."""
        _, g_y, g_t, g_q = self._gaps.at(hit.time, y, self._events, segment)
        alpha, beta = np.zeros((0, 0)), np.zeros(len(self._of.names))
        slope = g_t[hit.gap] + g_y[hit.gap] @ self._of.rates(self._events, segment, y, hit.time)
        number = str(self._rules.rules[hit.due[0]].number + 1)
        is_passed = slope > 0 if self._standing.gaps[hit.gap] else slope < 0
        if not is_passed and self._happened and hit.time - self._happened[-1] < AT_ROW * self._span:
            # Events come in ever shorter times, until these are shorter than rounding.
            raise IntegrationError(Failure(FailureReason.FIRES_WITHOUT_END, hit.time, subject=number))
        if self._names:
            if slope == 0:
                raise IntegrationError(Failure(FailureReason.GRAZES, hit.time, subject=number))
            alpha, beta = -g_y[hit.gap][None] / slope, -g_q[hit.gap] / slope
        return self._come(list(hit.due), hit.gap, segment, y, A, B, alpha, beta)

    def _come(
        self,
        due: list[int],
        cause: int | None,
        segment: Segment,
        y: FloatArray,
        A: Linear,
        B: Linear,
        alpha: FloatArray,
        beta: FloatArray,
    ) -> tuple[FloatArray, Linear, Linear]:
        """All that comes at one time tau, with dtau = alpha dy + beta; alpha is [1, n], or empty for 0."""
        t, n, k = segment.start, len(y), len(beta)
        at_cause = self._gaps.at(t, y, self._events, segment)[0]
        alpha = alpha if alpha.size else np.zeros((1, n))
        self._maps = np.eye(n), np.zeros((n, k))
        self._move(1.0, segment, y, alpha, beta)
        due, queue, count = list(due), list[tuple[float, int]](), 0
        while due or queue:
            if not due:
                count += 1
                y, more = self._execute(heapq.heappop(queue)[1], count, segment, y, alpha, beta, cause, at_cause)
                due += more
                continue
            r = due.pop(0)
            rule = self._rules.rules[r]
            if rule.capture:
                self._check_delay(rule, y, t)
                y, more = self._apply(rule.capture, segment, y, alpha, beta, cause, at_cause)
                due += more
                if rule.delayed is not None and y[rule.delayed] < t:
                    raise IntegrationError(Failure(FailureReason.DELAY_NEGATIVE, t, subject=str(rule.number + 1)))
            if rule.delayed is None or rule.executes:
                heapq.heappush(queue, (-self._priority(r, segment, y), r))
        self._move(-1.0, segment, y, alpha, beta)
        if not self._names:
            return y, None, B
        M, N = self._maps
        with np.errstate(all="ignore"):
            return y, M if A is None else M @ A, N if B is None else M @ B + N

    def _move(self, sign: float, segment: Segment, y: FloatArray, alpha: FloatArray, beta: FloatArray) -> None:
        """From derivatives at a fixed time to those at the moving one, or back: f dtau more or less."""
        if self._names:
            f = sign * self._of.rates(self._events, segment, y, segment.start)[:, None]
            M, N = self._maps
            self._maps = M + f @ alpha, N + f * beta

    def _execute(
        self,
        r: int,
        count: int,
        segment: Segment,
        y: FloatArray,
        alpha: FloatArray,
        beta: FloatArray,
        cause: int | None,
        at_cause: FloatArray,
    ) -> tuple[FloatArray, list[int]]:
        """A rule in its turn: the new states, and the rules whose condition that makes true."""
        rule, t = self._rules.rules[r], segment.start
        changes = rule.apply
        if rule.executes and rule.delayed in self._standing.lapsed:
            changes = {rule.delayed: rule.apply[rule.delayed]}
        elif not (rule.executes or rule.persistent or self._standing.rules[r]):
            return y, []
        else:
            self._count(rule, t, count)
        return self._apply(changes, segment, y, alpha, beta, cause, at_cause)

    def _apply(
        self,
        changes: Mapping[int, Any],
        segment: Segment,
        y: FloatArray,
        alpha: FloatArray,
        beta: FloatArray,
        cause: int | None,
        at_cause: FloatArray,
    ) -> tuple[FloatArray, list[int]]:
        t = segment.start
        earlier = self._gaps.at(t, y, self._events, segment)[0]
        after, h_y, h_t, h_q = self._of.change(changes, segment, self._events, y, t)
        if self._names:
            M, N = self._maps
            with np.errstate(all="ignore"):
                self._maps = h_y @ M + np.outer(h_t, alpha), h_y @ N + h_q + np.outer(h_t, beta)
        self._check(after, None, t)
        return after, self._update(segment, t, earlier, after, cause, at_cause)

    def _priority(self, r: int, segment: Segment, y: FloatArray) -> float:
        values = self._of.values([rule.priority for rule in self._rules.rules], segment, self._events, y)
        return values[r] if np.isfinite(values[r]) else 0.0

    def _check_delay(self, rule: Rule, y: FloatArray, t: float) -> None:
        """One delayed event of a kind can be on its way."""
        if rule.delayed is not None:
            self._standing.lapsed.discard(rule.delayed)
            if y[rule.delayed] != NEVER:
                raise IntegrationError(Failure(FailureReason.DELAYS_OVERLAP, t, subject=str(rule.number + 1)))

    def _count(self, rule: Rule, t: float, at_once: int) -> None:
        self._number += 1
        is_same = bool(self._happened) and t - self._happened[-1] <= SAME_TIME * self._span
        self._at_once = self._at_once + 1 if is_same else 1
        self._happened.append(t)
        if self._number > MAX_EVENTS or max(self._at_once, at_once) > MAX_AT_ONCE:
            raise IntegrationError(Failure(FailureReason.FIRES_WITHOUT_END, t, subject=str(rule.number + 1)))
