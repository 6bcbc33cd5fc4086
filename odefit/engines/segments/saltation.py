"""The way of one experiment through its segments: where each begins, and how that depends on what was before.

Where a transition comes at a time tau that depends on parameters q, with slopes f- and f+ just before and after it
and a jump y+ = h(y-, tau, q), the next segment begins at y+ with

    dy = h_y (dy- + f- dtau) + h_q + h_t dtau - f+ dtau      (derivatives to q at fixed times),

where dy- is what the segment before ends with (Saltation; Rozenvasser 1967; Hairer, Norsett, Wanner: Solving
Ordinary Differential Equations I, I.14). This is linear in dy-, so it is stated once, as A dy- + B, and arrays
or tensors apply it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from odefit import algebra as sp
from odefit.arrays import FloatArray
from odefit.engines.failure import Failure, FailureReason, IntegrationError
from odefit.engines.segments.schedule import EventTimes, Segment, Transition, behind
from odefit.engines.segments.segment_system import SegmentSystem
from odefit.model.functions import numpy_function
from odefit.model.sloped_functions import sloped_function
from odefit.model.system import TIME, symbol
from odefit.records import dataclass

if TYPE_CHECKING:
    from torch import Tensor

Slopes = Callable[..., Any]


@dataclass(frozen=True)
class EventValues:
    """What follows from the parameters p [L] of one experiment; derivatives are to the K names of `EventSensitivities`.

    fraction: of each dose that arrives; arrival: [F] of each infusion, see `SegmentSystem.arrival`.
    dtimes: [M, K] of `event_times.times`; dlengths: [., K] of `event_times.lengths`; dfraction: [K]; darrival: [F, K].
    """

    p: FloatArray
    event_times: EventTimes
    fraction: float
    dtimes: FloatArray
    dfraction: FloatArray
    arrival: FloatArray
    darrival: FloatArray
    dlengths: FloatArray


@dataclass(frozen=True)
class SegmentStart:
    """A segment to be integrated, from y [S]. Its derivative there is A dy + B, dy [S, K] being that at the end before.

    A: [S, S], None for the identity. B: [S, K], None for zero. weights: what the weights of networks add to y, see
    `NetworkRestSearch.weight_shift`; None for nothing.
    """

    segment: Segment
    y: FloatArray
    A: FloatArray | None
    B: FloatArray | None
    weights: Callable[[], Tensor | None] | None = None


ToRest = Callable[
    [Segment, float, FloatArray],
    tuple[FloatArray, FloatArray | None, FloatArray | None, Callable[[], "Tensor | None"] | None],
]
"""Where the equations of a segment come to from y at a time, with its A, its B, and what the weights add."""
SegmentStarts = Generator[SegmentStart, FloatArray, None]


class EventSensitivities:
    """What happens between segments, with derivatives to some `names` (K of them, maybe none).

    slopes: f of `segment_system.plain`; its arguments are states, time, and the parameters except initial values.
    """

    def __init__(self, segment_system: SegmentSystem, names: Sequence[str], slopes: Slopes) -> None:
        self.segment_system, self.names = segment_system, tuple(names)
        self.slopes = slopes
        self._changes: dict[tuple[Any, ...], Any] = {}
        system = segment_system.whole
        self.memory = len(segment_system.rules.memory)
        self.kept = np.array([system.parameters.index(name) for name in segment_system.kept], dtype=np.intp)
        dosing = system.dosing
        self._fraction = sp.S.One if dosing is None else sp.sympify(dosing.fraction)
        lag = sp.S.Zero if dosing is None else sp.sympify(dosing.lag)
        self._lengths = [] if dosing is None else [dosing.length(one) for one in dosing.spreads]
        self._arrivals = [segment_system.arrival(slot) for slot in segment_system.kind.infused]
        self._times = [lag, *(sp.sympify(event.time) for event in system.events)]
        self._gaps = [part for switch in segment_system.moving for part in (switch.intercept, switch.slope)]
        moved_by = {symbol(name) for name in self.names}
        switches = [switch.intercept.free_symbols | switch.slope.free_symbols for switch in segment_system.moving]
        self.moves = [bool(moved_by & s) for s in [*(time.free_symbols for time in self._times), *switches]]
        self._stretches = [bool(moved_by & length.free_symbols) for length in self._lengths]

    # -- what follows from parameters, for all experiments at once

    def initial(self, p: FloatArray) -> tuple[FloatArray, FloatArray]:
        """y at the start [E, S] and its derivatives [E, S, K], for parameters p [E, L]."""
        if self._known_start is not None:
            n, k = len(self._known_start), len(self.names)
            return np.tile(self._known_start, (len(p), 1)), np.zeros((len(p), n, k))
        values = self._start(*p.T, points=len(p))
        return values[..., 0], values[..., 1:]

    def fractions(self, p: FloatArray) -> tuple[FloatArray, FloatArray]:
        """How much of each dose arrives [E], and its derivatives [E, K], for parameters p [E, L]."""
        if self._fraction.is_number:
            return np.full(len(p), float(self._fraction)), np.zeros((len(p), len(self.names)))
        values = self._event_formulas(*p.T, points=len(p))
        return values[:, 0, 0], values[:, 0, 1:]

    def event_values(self, p: FloatArray) -> list[EventValues]:
        """Of each experiment, for parameters p [E, L]."""
        n_times, n_feeds, n_lengths = len(self._times), len(self._arrivals), len(self._lengths)
        values = self._event_formulas(*p.T, points=len(p))
        ends = np.cumsum([1, n_feeds, n_lengths, n_times])
        fraction, (arrival, lengths, times, gaps) = values[:, 0], np.split(values[:, 1:], ends[1:] - 1, axis=1)
        intercept, slope = gaps[:, 0::2], gaps[:, 1::2]
        with np.errstate(all="ignore"):
            tau = -intercept[..., :1] / slope[..., :1]
            dtau = -(intercept[..., 1:] + tau * slope[..., 1:]) / slope[..., :1]
        all_times = np.concatenate([times[..., 0], np.where(np.isfinite(tau), tau, np.nan)[..., 0]], axis=1)
        all_slopes = np.concatenate([times[..., 1:], dtau], axis=1)
        sides = [self._sides(*pair) for pair in zip(intercept[..., 0], slope[..., 0], strict=True)]
        return [
            EventValues(
                p[e],
                EventTimes(all_times[e], sides[e], lengths[e, :, 0]),
                float(fraction[e, 0]),
                all_slopes[e],
                fraction[e, 1:],
                arrival[e, :, 0],
                arrival[e, :, 1:],
                lengths[e, :, 1:],
            )
            for e in range(len(p))
        ]

    def _sides(self, intercepts: FloatArray, slopes: FloatArray) -> FloatArray:
        """Values before and after each moving switch of one experiment, [switches, 2]."""
        sides = np.empty((len(slopes), 2))
        for i, (switch, a, b) in enumerate(zip(self.segment_system.moving, intercepts, slopes, strict=True)):
            sides[i] = (switch.value(-b), switch.value(b)) if b and np.isfinite(a / b) else switch.value(a)
        return sides

    @cached_property
    def _known_start(self) -> FloatArray | None:
        """The initial values [S] where all of them are numbers."""
        start = [sp.sympify(formula) for formula in self.segment_system.whole.start]
        return np.array([float(y) for y in start]) if all(y.is_number for y in start) else None

    @property
    def begins_still(self) -> bool:
        """Whether neither initial values nor the fraction of doses that arrives depend on parameters."""
        return self._known_start is not None and bool(self._fraction.is_number)

    @cached_property
    def _start(self) -> Any:
        system = self.segment_system.whole
        return sloped_function(system.start, self.names, system.parameters)

    @cached_property
    def _event_formulas(self) -> Any:
        """Fraction, arrivals, lengths, times, and gaps of the switches, each followed by its derivatives."""
        formulas = [self._fraction, *self._arrivals, *self._lengths, *self._times, *self._gaps]
        return sloped_function(formulas, self.names, self.segment_system.whole.parameters)

    # -- the way

    def row(self, events: EventValues, segment: Segment) -> FloatArray:
        """The parameters of a segment, except the initial values."""
        return np.concatenate([events.p[self.kept], events.arrival * segment.feeds, segment.context])

    def segment_starts(
        self,
        segments: Sequence[Segment],
        events: EventValues,
        y: FloatArray,
        dy: FloatArray,
        to_rest: ToRest | None = None,
    ) -> SegmentStarts:
        """Yields where each segment starts, and is sent the state at its end, [S]; for systems without rules.

        y, dy: initial values and their derivatives. A segment without length is yielded where it has rows, as the first
        one may have just before a dose at the start, and where it is the last. to_rest: what is at infinite time, for
        the row behind those of the segments.
        Raises IntegrationError where there is no finite state to go on from.
        """
        A: FloatArray | None = None
        B: FloatArray | None = dy
        before = segments[0]
        for segment in segments:
            if segment.transition is not None:
                y, A, B = self.cross(segment.transition, before, segment, events, y, A, B)
            if not (np.isfinite(y).all() and (B is None or np.isfinite(B).all())):
                is_first = segment is segments[0]
                reason = FailureReason.INITIAL_SENSITIVITIES_NOT_FINITE if is_first else FailureReason.STATE_NOT_FINITE
                raise IntegrationError(Failure(reason, segment.start))
            before = segment
            has_rows = segment.wanted.stop > segment.wanted.start
            if segment.has_length or has_rows or segment is segments[-1]:
                y = yield SegmentStart(segment, y, A, B)
                A, B = None, None
        if to_rest is not None:
            yield SegmentStart(behind(before), *to_rest(before, before.end, y))

    def cross(
        self,
        transition: Transition,
        before: Segment,
        after: Segment,
        events: EventValues,
        y: FloatArray,
        A: FloatArray | None,
        B: FloatArray | None,
    ) -> tuple[FloatArray, FloatArray | None, FloatArray | None]:
        """Through one transition: the new y (with what is remembered behind the states), A and B."""
        dtau = self.moved(transition, events)
        moves = bool(dtau.any())
        if moves:
            B = _sum(B, np.outer(self.rates(events, before, y, after.start), dtau))
        if transition.event >= 0:
            changes = self.segment_system.changes[transition.event]
            y, h_y, h_t, h_q = self.change(changes, after, events, y, after.start)
            if self.names:
                with np.errstate(all="ignore"):
                    A = h_y if A is None else h_y @ A
                    h_q = h_q + np.outer(h_t, dtau)
                    B = h_q if B is None else h_y @ B + h_q
        elif transition.state >= 0:
            y = y.copy()
            y[transition.state] += events.fraction * transition.amount
            if events.dfraction.any():
                B = _sum(B, np.zeros((len(y), len(self.names))))
                B[transition.state] += transition.amount * events.dfraction
        if moves:
            B = _sum(B, -np.outer(self.rates(events, after, y, after.start), dtau))
        return y, A, B

    def moved(self, transition: Transition, events: EventValues) -> FloatArray:
        """The derivative of the time of a transition, [K]."""
        moves = transition.moved_by >= 0 and self.moves[transition.moved_by]
        found = events.dtimes[transition.moved_by] if moves else np.zeros(len(self.names))
        k = transition.stretched_by
        return found + transition.stretch * events.dlengths[k] if k >= 0 and self._stretches[k] else found

    def change(
        self, changes: Mapping[int, Any], segment: Segment, events: EventValues, y: FloatArray, t: float
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """States change: y+ = h(y, t, q), with h_y [n, n], h_t [n] and h_q [n, K]; n counts what is remembered, too."""
        changed, n, k = list(changes), len(y), len(self.names)
        after, h_y, h_t, h_q = y.copy(), np.eye(n), np.zeros(n), np.zeros((n, k))
        if not changed:
            return after, h_y, h_t, h_q
        values = self._change(changes)(*y, t, *events.p, *segment.context)
        after[changed] = values[:, 0]
        if k:
            h_y[changed], h_t[changed], h_q[changed] = values[:, 1 : 1 + n], values[:, 1 + n], values[:, 2 + n :]
        return after, h_y, h_t, h_q

    def values(self, formulas: Sequence[Any], segment: Segment, events: EventValues, y: FloatArray) -> list[float]:
        """Formulas at the start of a segment, of states and what is remembered, y [n]."""
        key = (None, *map(sp.sympify, formulas))
        if key not in self._changes:
            self._changes[key] = numpy_function(list(key[1:]), self.arguments)
        return [float(v) for v in self._changes[key](*y, segment.start, *events.p, *segment.context)]

    @property
    def arguments(self) -> tuple[str, ...]:
        """What formulas at a moment may name: states and what is remembered, time, parameters, context."""
        system, parts = self.segment_system.whole, self.segment_system
        return (*system.states, *parts.rules.memory, TIME, *system.parameters, *parts.context)

    def _change(self, changes: Mapping[int, Any]) -> Any:
        """A function: each changed state, followed by its derivatives to all that moves, where there are names."""
        formulas = tuple(sp.sympify(formula) for formula in changes.values())
        if formulas not in self._changes:  # what happens again and again is compiled once
            system, memory = self.segment_system.whole, self.segment_system.rules.memory
            to = (*system.states, *memory, TIME, *self.names) if self.names else ()
            self._changes[formulas] = sloped_function(formulas, to, self.arguments)
        return self._changes[formulas]

    def rates(self, events: EventValues, segment: Segment, y: FloatArray, t: float) -> FloatArray:
        """dy/dt [n]; nothing moves what is remembered."""
        n = len(y) - self.memory
        moving = np.array(self.slopes(*y[:n], t, *self.row(events, segment)), dtype=np.float64)
        return np.concatenate([moving, np.zeros(self.memory)]) if self.memory else moving

    def rates_along(self, events: EventValues, segment: Segment, y: FloatArray, t: FloatArray) -> FloatArray:
        """dy/dt [T, n] at states y [T, n] and times t [T]."""
        if not self.segment_system.plain.is_mechanistic:
            return np.stack([self.rates(events, segment, *pair) for pair in zip(y, map(float, t), strict=True)])
        n, found = y.shape[1] - self.memory, np.zeros(y.shape)
        for k, rate in enumerate(self.slopes(*y.T[:n], t, *self.row(events, segment))):
            found[:, k] = rate
        return found


def _sum(B: FloatArray | None, more: FloatArray) -> FloatArray:
    return more if B is None else B + more
