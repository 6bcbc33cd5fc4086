"""Members whose ways through the segments do not depend on parameters, all together, in arrays.

Doses and infusions at known times, inputs and switches of the time: when something happens is the same for every row of
parameters, so that the k-th segments of all members are one call of the engine, and what comes between them are sums
of arrays. The chain rule is that of `march.ArrayMarch`; at a dose `a` into a state, of which a fraction F arrives,

    y+ = y- + F a,      dy+ = dy- + a dF.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from odefit.arrays import FloatArray, IntArray, true_at
from odefit.data.experiments import Experiment
from odefit.engines.base import Engine, Solutions, failed_members, offsets_of
from odefit.engines.experiment_sets import ExperimentSets
from odefit.engines.failure import Failure, FailureReason, IntegrationError
from odefit.engines.segments.saltation import EventSensitivities
from odefit.engines.segments.schedule import Segment, Timeline
from odefit.model.system import System
from odefit.records import dataclass

MAX_SETS = 8
"""Sets of experiments whose rounds are remembered."""


@dataclass(frozen=True)
class Round:
    """One segment of some experiments, n of them: what arrives before it, and what it needs.

    Parameters
    ----------
    position
        [E] of each experiment among the n, -1 where it is none of them.
    is_first
        Whether it is where they begin.
    start
        [n] times.
    amounts
        [n, S] of doses.
    feeds, context
        [n, ...] see `schedule.Segment`.
    first, n_rows
        [n], which rows of the whole experiment lie in it.
    parts
        [n] what the engine solves; none for segments without length.
    is_whole
        Whether the engine is asked for just these rows, and for no end behind them.
    """

    position: IntArray
    is_first: bool
    start: FloatArray
    amounts: FloatArray
    feeds: FloatArray
    context: FloatArray
    first: IntArray
    n_rows: IntArray
    parts: list[Experiment]
    is_whole: bool


@dataclass(frozen=True)
class Passage:
    """What members [n] have passed through: see `way_back.Stretch` for what has the same name there."""

    round: Round
    which: IntArray
    position: IntArray
    rows: FloatArray


@dataclass(frozen=True)
class _Step:
    """A segment of one experiment, with what arrives before it."""

    segment: Segment
    amounts: FloatArray


def is_fixed(system: System) -> bool:
    """Whether nothing but doses, inputs and switches at known times happens on the way, from a start that is known."""
    lag = None if system.dosing is None else system.dosing.lag
    known = lag is None or (lag.is_number and not (system.dosing is not None and system.dosing.spreads))
    return system.is_mechanistic and not (system.events or system.triggers or system.rest is not None) and known


def rounds_of(ways: Sequence[Sequence[Segment]], n_states: int) -> list[Round]:
    """The segments of experiments in rounds; those without length, which have a state but no way, in their own."""
    steps = [_steps(segments, n_states) for segments in ways]
    at, rounds = [0] * len(steps), list[Round]()
    while True:
        going = [e for e, own in enumerate(steps) if at[e] < len(own)]
        if not going:
            return rounds
        short = [e for e in going if not steps[e][at[e]].segment.has_length]
        chosen = short or going
        rounds.append(_round(len(steps), chosen, [steps[e][at[e]] for e in chosen], any(at[e] == 0 for e in chosen)))
        for e in chosen:
            at[e] += 1


def _steps(segments: Sequence[Segment], n_states: int) -> list[_Step]:
    found, amounts = list[_Step](), np.zeros(n_states)
    for segment in segments:
        if segment.transition is not None and segment.transition.state >= 0:
            amounts[segment.transition.state] += segment.transition.amount
        has_rows = segment.wanted.stop > segment.wanted.start
        if segment.has_length or has_rows or segment is segments[-1]:
            found.append(_Step(segment, amounts))
            amounts = np.zeros(n_states)
    return found


def _round(n: int, chosen: Sequence[int], steps: Sequence[_Step], is_first: bool) -> Round:
    position = np.full(n, -1, dtype=np.intp)
    position[chosen] = np.arange(len(chosen))
    segments = [step.segment for step in steps]
    parts = [segment.experiment for segment in segments if segment.experiment is not None]
    n_rows = [segment.wanted.stop - segment.wanted.start for segment in segments]
    return Round(
        position,
        is_first,
        np.array([segment.start for segment in segments]),
        np.stack([step.amounts for step in steps]),
        np.stack([segment.feeds for segment in segments]),
        np.stack([segment.context for segment in segments]),
        np.array([segment.wanted.start for segment in segments], dtype=np.intp),
        np.array(n_rows, dtype=np.intp),
        parts,
        [len(part.times) for part in parts] == n_rows,
    )


class FixedWays:
    """The rounds of the last sets of experiments."""

    def __init__(self) -> None:
        self._known = ExperimentSets[list[Round] | None](MAX_SETS)

    def rounds(
        self,
        timeline: Callable[[Experiment], Timeline],
        sensitivities: EventSensitivities,
        p: FloatArray,
        experiments: Sequence[Experiment],
    ) -> list[Round] | None:
        """The rounds of experiments, p [1, L] being any parameters; None where there is no such thing."""
        return self._known.find(experiments, lambda: _made(timeline, sensitivities, p, experiments))


def _made(
    timeline: Callable[[Experiment], Timeline],
    sensitivities: EventSensitivities,
    p: FloatArray,
    experiments: Sequence[Experiment],
) -> list[Round] | None:
    if any(e.ends_at_rest or not len(e.times) for e in experiments):
        return None
    times = sensitivities.event_values(p)[0].event_times
    try:
        ways = [timeline(experiment).segments(times) for experiment in experiments]
    except IntegrationError:
        return None  # which says in the usual way what is wrong with one of them
    return rounds_of(ways, len(sensitivities.segment_system.whole.states))


class FixedMarch:
    """M members on their ways.

    Parameters
    ----------
    engine
        Solves the segments.
    sensitivities
        To what derivatives are taken, and what happens between segments.
    p, chosen
        [M, L] rows of parameters, and [M] the position of each member's experiment.
    lengths
        [E], the number of times of each experiment.
    is_along
        Whether the engine takes sensitivities at the start of a segment; see `march.ArrayMarch`.
    """

    def __init__(
        self,
        engine: Engine,
        sensitivities: EventSensitivities,
        p: FloatArray,
        chosen: IntArray,
        lengths: IntArray,
        is_along: bool = False,
    ) -> None:
        self.engine, self.sensitivities, self.p, self.chosen = engine, sensitivities, p, chosen
        with np.errstate(all="ignore"):
            self.now, self.slope = sensitivities.initial(p)
            self.fraction, self.dfraction = sensitivities.fractions(p)
        n, names = len(sensitivities.segment_system.whole.states), sensitivities.names
        self.offsets = offsets_of(lengths[chosen])
        self.shape = (int(self.offsets[-1]), n, len(names))
        self.failures: list[Failure | None] = [None] * len(p)
        self.passages: list[Passage] = []
        self.going = np.ones(len(p), dtype=bool)
        wanted = engine.sensitive if names else ()
        self.is_along = is_along and bool(names)
        unchained = 0 if self.is_along else n
        self.columns = [names.index(name) for name in wanted[: len(wanted) - unchained] if name in names]
        self.n_rates = max(len(wanted) - unchained - len(self.columns), 0)
        for m in _not_finite(p):
            bad = sensitivities.segment_system.whole.parameters[int(np.argmin(np.isfinite(p[m])))]
            self.fail(m, Failure(FailureReason.PARAMETER_NOT_FINITE, subject=bad))

    def run(self, rounds: Sequence[Round]) -> None:
        """All of them to their ends."""
        is_simple = len(rounds) == 1 and rounds[0].is_whole
        if not is_simple:
            self.make_room()
        for one in rounds:
            position = one.position[self.chosen]
            which = true_at((position >= 0) & self.going)
            which = self.enter(one, which, position[which])
            if is_simple and len(which) == len(self.p):
                self.pass_at_once(one)
                continue
            if is_simple:
                self.make_room()
            if len(which):
                self.pass_through(one, which, position[which])
        for m in true_at(~self.going).tolist():
            rows = slice(self.offsets[m], self.offsets[m + 1])
            self.y[rows], self.dy[rows] = np.nan, np.nan

    def solutions(self, with_slopes: bool) -> Solutions:
        """Of their whole ways."""
        return Solutions(self.y, self.dy if with_slopes else None, self.offsets, tuple(self.failures))

    def make_room(self) -> None:
        """For the rows of all members."""
        self.y, self.dy = np.full(self.shape[:2], np.nan), np.full(self.shape, np.nan)

    def fail(self, m: int, failure: Failure) -> None:
        """A member goes no further."""
        self.failures[m], self.going[m] = failure, False

    def enter(self, one: Round, which: IntArray, position: IntArray) -> IntArray:
        """What arrives before a segment; the members that can begin it."""
        amounts = one.amounts[position]
        with np.errstate(all="ignore"):
            if one.amounts.any():
                self.now[which] += self.fraction[which, None] * amounts
                self.slope[which] += amounts[:, :, None] * self.dfraction[which, None, :]
        if np.isfinite(self.now).all() and np.isfinite(self.slope).all():
            return which
        finite = np.isfinite(self.now[which]).all(axis=1) & np.isfinite(self.slope[which]).all(axis=(1, 2))
        reason = FailureReason.INITIAL_SENSITIVITIES_NOT_FINITE if one.is_first else FailureReason.STATE_NOT_FINITE
        for k in true_at(~finite).tolist():
            self.fail(int(which[k]), Failure(reason, float(one.start[position[k]])))
        return which[finite]

    def pass_through(self, one: Round, which: IntArray, position: IntArray) -> None:
        """From the states at the start of a segment to those at its rows and at its end."""
        n_rows = one.n_rows[position]
        to = ranges(self.offsets[which] + one.first[position], n_rows)
        if not one.parts:
            of = np.repeat(which, n_rows)
            self.y[to], self.dy[to] = self.now[of], self.slope[of]
            self.passages.append(Passage(one, which, position, self.now[which]))
            return
        found = self.solved(one, which, position)
        ends, first = found.offsets[1:] - 1, ranges(found.offsets[:-1], n_rows)
        self.y[to], self.now[which] = found.y[first], found.y[ends]
        if found.dy is None:
            return
        dy = self.chained(one, found.dy, which, position, np.diff(found.offsets))
        self.dy[to], self.slope[which] = dy[first], dy[ends]
        self.check(dy[first], np.repeat(which, n_rows))

    def pass_at_once(self, one: Round) -> None:
        """The same where all members go, and the segment is their whole way."""
        everybody = np.arange(len(self.p))
        found = self.solved(one, everybody, self.chosen)
        self.y = found.y
        if found.dy is None:
            self.dy = np.empty(self.shape)  # with no names
        else:
            self.dy = self.chained(one, found.dy, everybody, self.chosen, np.diff(found.offsets))
            self.check(self.dy, np.repeat(everybody, np.diff(found.offsets)))

    def solved(self, one: Round, which: IntArray, position: IntArray) -> Solutions:
        """What the engine finds; those that fail go no further."""
        feeds = self.fraction[which, None] * one.feeds[position]
        kept = self.p[which][:, self.sensitivities.kept]
        rows = np.concatenate([kept, feeds, one.context[position], self.now[which]], axis=1)
        self.passages.append(Passage(one, which, position, rows))
        if self.is_along:
            begins = np.pad(self.slope[which], ((0, 0), (0, 0), (0, self.n_rates)))
            found = self.engine.solve_along(rows, one.parts, begins, position)
        else:
            found = self.engine.solve(rows, one.parts, bool(self.sensitivities.names), position)
        for k, failure in failed_members(found.failures):
            self.fail(int(which[k]), failure)
        return found

    def check(self, dy: FloatArray, owner: IntArray) -> None:
        """Members whose sensitivities are not finite have failed; owner: of each row of dy [R, S, K]."""
        for k in _not_finite(dy):
            if self.going[owner[k]]:
                self.fail(int(owner[k]), Failure(FailureReason.SENSITIVITIES_NOT_FINITE))

    def chained(
        self, one: Round, dy: FloatArray, which: IntArray, position: IntArray, lengths: NDArray[np.intp]
    ) -> FloatArray:
        """Derivatives to the names at all rows, from those to the parameters and states of the segment."""
        own, m, r = np.repeat(np.arange(len(which)), lengths), len(self.columns), self.n_rates
        with np.errstate(all="ignore"):
            total: FloatArray
            if self.is_along:
                total = dy[:, :, :m]
            else:
                total = dy[:, :, m + r :] @ self.slope[which][own]
                total[:, :, self.columns] += dy[:, :, :m]
            if r:
                rates = one.feeds[position][:, :, None] * self.dfraction[which, None, :]
                total = total + dy[:, :, m : m + r] @ rates[own]
        return total


def _not_finite(table: FloatArray) -> list[int]:
    """The rows [n] of a table [n, ...] that are not finite."""
    finite = np.isfinite(table)
    if finite.all():
        return []
    return [int(k) for k in true_at(~finite.reshape(len(table), -1).all(axis=1))]


def ranges(first: IntArray, lengths: IntArray) -> IntArray:
    """The numbers from each `first` on, as many as `lengths` says, one after the other."""
    before = np.cumsum(lengths) - lengths
    found: IntArray = np.repeat(first - before, lengths) + np.arange(int(lengths.sum()))
    return found
