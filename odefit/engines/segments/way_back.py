"""Back through the segments of many members: the gradient of a function of all states.

On the way there each segment begins where the one before ends, through one linear map of derivatives (saltation.py),

    dy = A dy- + B dq,

whatever happens in between: doses, events, switches that parameters move, rest. What is written down of a segment (a
`Stretch`) is what its engine was given, and this map. So with w for what a change of the state is worth, from the last
segment to the first,

    the rows of the segment and w at its end    ->    what its own parameters, and the state at its start, are worth

by the engine's way back through its steps (`Engine.pull`), and

    q is worth B'w more,    w- = A'w.

It is the derivative of the numbers that the same segments give, but for the widths of their steps.

References
----------
Y. Cao, S. Li, L. Petzold, R. Serban, Adjoint sensitivity analysis for differential-algebraic equations, SIAM Journal on
Scientific Computing 24 (2003); E. N. Rozenvasser, General sensitivity equations of discontinuous systems (1967).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.data.experiments import Experiment
from odefit.engines.base import Engine, Trajectory
from odefit.engines.segments.fixed_march import FixedMarch, Passage, ranges
from odefit.engines.segments.march import SegmentMarch
from odefit.engines.segments.saltation import EventSensitivities, EventValues, SegmentStart, SegmentStarts
from odefit.engines.segments.schedule import Segment
from odefit.records import dataclass

Jump = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
"""From w [n, S + memory] after a transition to what it is before, and what the parameters [n, K] are worth."""


@dataclass(frozen=True)
class Stretch:
    """A segment of n members, as they have passed through it.

    Attributes
    ----------
    which
        [n] the members.
    parts, lengths, position, rows
        What the engine was given: experiments and how many times they have, that of each member, and its parameters
        [n, Q]; no experiments for segments without length, which have a state but no way.
    to, at
        [r] rows of all members' ways, and where each stands in the engine's solution, or without one which of the n
        members has it.
    feeds, darrival
        [n, F] of infusions, and [n, F, K] the slopes of what they are multiplied by.
    jump
        Back through what comes before it.
    """

    which: IntArray
    parts: Sequence[Experiment]
    lengths: IntArray
    position: IntArray
    rows: FloatArray
    to: IntArray
    at: IntArray
    feeds: FloatArray
    darrival: FloatArray
    jump: Jump


def go_back(
    engine: Engine, of: EventSensitivities, stretches: Sequence[Stretch], worth: FloatArray, members: int
) -> tuple[FloatArray, FloatArray]:
    """What the parameters [M, K] of all members are worth, and the states [M, S + memory] before the first jump.

    Parameters
    ----------
    engine
        For the segments; it is sensitive to parameters, rates of infusion and the initial values, in this order.
    of
        What parameters derivatives are to.
    stretches
        In the order in which they were passed.
    worth
        [R, S], what states are worth in the rows of all members.
    """
    n = worth.shape[1]
    place = {name: k for k, name in enumerate(of.names)}
    columns = np.array([place[name] for name in engine.sensitive if name in place], dtype=np.intp)
    w, gradients = np.zeros((members, n + of.memory)), np.zeros((members, len(of.names)))
    for one in reversed(stretches):
        own, more = w[one.which], np.zeros((len(one.which), len(of.names)))
        if one.parts:
            ends = np.cumsum(one.lengths[one.position]) - 1
            given = np.zeros((int(ends[-1]) + 1, n))
            given[one.at] = worth[one.to]
            given[ends] += own[:, :n]
            found = engine.pull(one.rows, one.parts, given, one.position)
            more[:, columns] = found[:, : len(columns)]
            rates = found[:, len(columns) : found.shape[1] - n]
            if rates.shape[1]:
                more += np.einsum("mf,mf,mfk->mk", rates, one.feeds, one.darrival)
            own[:, :n] = found[:, found.shape[1] - n :]
        else:
            np.add.at(own[:, :n], one.at, worth[one.to])
        w[one.which], by_jump = one.jump(own)
        gradients[one.which] += more + by_jump
    return gradients, w


class RecordedMarch(SegmentMarch[FloatArray, Trajectory]):
    """The states of one member on its way, and what is written down of each segment."""

    def __init__(self, sensitivities: EventSensitivities, events: EventValues, starts: SegmentStarts) -> None:
        super().__init__(starts)
        self._sensitivities, self.events = sensitivities, events
        self._n = len(sensitivities.segment_system.whole.states)
        self.passed: list[tuple[SegmentStart, FloatArray]] = []

    def enter(self, start: SegmentStart) -> None:
        self.row = np.concatenate([self._sensitivities.row(self.events, start.segment), start.y[: self._n]])
        self.passed.append((start, self.row))

    def states(self, y: FloatArray) -> FloatArray:
        return y[: self._n]

    def take(self, found: Trajectory) -> FloatArray:
        self.failure = found.failure
        end: FloatArray = found.y[-1]
        return end


def pull_marched(
    engine: Engine, of: EventSensitivities, marches: Sequence[RecordedMarch], offsets: IntArray, worth: FloatArray
) -> FloatArray:
    """What parameters are worth [M, K] for members that each went by itself; offsets [M + 1] of their rows."""
    left, stretches = [0 if one.failure else len(one.passed) for one in marches], list[Stretch]()
    while going := [m for m, count in enumerate(left) if count]:
        short = [m for m in going if not _last(marches[m], left[m]).has_length]
        chosen = short or going
        stretches.append(_stretch(of, marches, chosen, left, offsets))
        for m in chosen:
            left[m] -= 1
    gradients, _ = go_back(engine, of, stretches[::-1], worth, len(marches))
    gradients[[one.failure is not None for one in marches]] = np.nan
    return gradients


def _last(march: RecordedMarch, left: int) -> Segment:
    return march.passed[left - 1][0].segment


def _stretch(
    of: EventSensitivities,
    marches: Sequence[RecordedMarch],
    chosen: Sequence[int],
    left: Sequence[int],
    offsets: IntArray,
) -> Stretch:
    passed = [marches[m].passed[left[m] - 1] for m in chosen]
    which, segments = np.array(chosen, dtype=np.intp), [start.segment for start, _ in passed]
    wanted = [segment.wanted for segment in segments]
    n_rows = np.array([rows.stop - rows.start for rows in wanted], dtype=np.intp)
    parts = [segment.experiment for segment in segments if segment.experiment is not None]
    lengths = np.array([len(part.times) for part in parts], dtype=np.intp)
    return Stretch(
        which,
        parts,
        lengths,
        np.arange(len(which)),
        np.stack([row for _, row in passed]),
        ranges(offsets[which] + [rows.start for rows in wanted], n_rows),
        ranges(np.cumsum(lengths) - lengths, n_rows) if parts else np.repeat(np.arange(len(which)), n_rows),
        np.stack([segment.feeds for segment in segments]),
        np.stack([marches[m].events.darrival for m in chosen]),
        partial(_through, [(start.A, start.B) for start, _ in passed], len(of.names)),
    )


def _through(
    maps: Sequence[tuple[FloatArray | None, FloatArray | None]], k: int, w: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Each member back through its own A and B."""
    before, gradients = w.copy(), np.zeros((len(w), k))
    for m, (A, B) in enumerate(maps):
        if A is not None:
            before[m] = w[m] @ A
        if B is not None:
            gradients[m] = w[m] @ B
    return before, gradients


def pull_fixed(engine: Engine, of: EventSensitivities, way: FixedMarch, worth: FloatArray) -> FloatArray:
    """What parameters are worth [M, K] for members whose ways are fixed."""
    slopes, dy = of.fractions(way.p)[1], of.initial(way.p)[1]
    stretches = [_fixed_stretch(one, way.offsets[one.which], slopes[one.which]) for one in way.passages]
    gradients, w = go_back(engine, of, stretches, worth, len(way.p))
    gradients += np.einsum("ms,msk->mk", w, dy)
    gradients[~way.going] = np.nan
    return gradients


def _fixed_stretch(one: Passage, begins: IntArray, dF: FloatArray) -> Stretch:
    """A dose changes a state by F a, so that parameters are worth a'w dF more; dF [n, K], begins [n] of rows."""
    feeds, amounts = one.round.feeds[one.position], one.round.amounts[one.position]

    def jump(w: FloatArray) -> tuple[FloatArray, FloatArray]:
        return w, np.einsum("ms,ms->m", w, amounts)[:, None] * dF

    darrival = np.broadcast_to(dF[:, None], (*feeds.shape, dF.shape[1]))
    parts, n_rows = one.round.parts, one.round.n_rows[one.position]
    to, at = ranges(begins + one.round.first[one.position], n_rows), np.repeat(np.arange(len(n_rows)), n_rows)
    lengths = np.array([len(part.times) for part in parts], dtype=np.intp)
    if parts:
        own = lengths[one.position]
        at = ranges(np.cumsum(own) - own, n_rows)
    return Stretch(one.which, parts, lengths, one.position, one.rows, to, at, feeds, darrival, jump)
