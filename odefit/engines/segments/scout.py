"""Where on a segment a condition becomes true, found on any engine.

The states are solved on a grid of the segment. Between its points each gap is the cubic with its values and slopes
there; the slopes are exact, dg/dt = g_t + g_y f. Its roots are where comparisons change sides, also where two of them
lie between the same points. The first interval in which a condition becomes true is solved anew on a grid of its own,
and so on: an interval of a sixteenth makes the cubic 16^4 times more exact, until the root stands still.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from odefit.arrays import FloatArray, Mask
from odefit.data.experiments import Experiment
from odefit.engines.base import Trajectory
from odefit.engines.segments.saltation import EventSensitivities, EventValues
from odefit.engines.segments.schedule import Segment
from odefit.engines.segments.triggers import Rules
from odefit.model.sloped_functions import sloped_function
from odefit.model.system import TIME
from odefit.records import dataclass

FIRST_GRID, GRID = 64, 16
"""Intervals of the first grid, and of those within an interval."""
DEEPEST = 8
"""Grids within each other."""
SAME = 1e-13
"""Share of the time span within which a root stands still."""
SHRINK = 0.5
SHORTEST = 1e-12
"""How a window shrinks whose end cannot be reached, and the share of the time span below which it is given up."""
GROWTH = 2.0
"""How much longer the next window is than the way to the last event, or than one in which nothing happened."""


@dataclass
class Standing:
    """Which comparisons hold [G] and which conditions are true [R] at a moment; and of those that are delayed and not
    persistent, which have been false since."""

    gaps: Mask
    rules: Mask
    lapsed: set[int]

    def copy(self) -> Standing:
        """The same, to be changed."""
        return Standing(self.gaps.copy(), self.rules.copy(), set(self.lapsed))

    def follow(self, rules: Rules) -> list[int]:
        """Conditions as the comparisons say now; the rules whose condition has become true."""
        due = []
        for r, rule in enumerate(rules.rules):
            holds = rule.condition.holds([bool(self.gaps[g]) for g in rule.gaps])
            if holds and not self.rules[r]:
                due.append(r)
            if not holds and not rule.persistent:
                self.lapsed.update(rule.delayed)
            self.rules[r] = holds
        return due


@dataclass(frozen=True)
class Hit:
    """Conditions become true: when, which rules, by which gap; and what holds just after."""

    time: float
    due: tuple[int, ...]
    gap: int
    standing: Standing


class GapFunctions:
    """The gaps of all conditions as functions of numbers: compiled, but for those that wait for a time in memory."""

    def __init__(self, sensitivities: EventSensitivities) -> None:
        self._of = sensitivities
        parts = sensitivities.segment_system
        self.rules, self._states = parts.rules, parts.whole.states
        awaited = self.rules.awaited
        self._due, self._times = np.array([*awaited], dtype=np.intp), np.array([*awaited.values()], dtype=np.intp)
        self._free = np.array([i for i in range(len(self.rules.gaps)) if i not in awaited], dtype=np.intp)

    @cached_property
    def _with_slopes(self) -> Any:
        """Each of the others, then its derivatives to states, to the time and to the names."""
        formulas = [self.rules.gaps[i].formula for i in self._free]
        return sloped_function(formulas, (*self._states, TIME, *self._of.names), self._of.arguments)

    def at(
        self, t: float, y: FloatArray, events: EventValues, segment: Segment
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Gaps [G] at states and memory y [n], with their derivatives g_y [G, n], g_t [G] and g_q [G, K]."""
        values = self._with_slopes(*y, t, *events.p, *segment.context)
        n, count = len(self._states), len(self.rules.gaps)
        g, g_t, g_y = np.empty(count), np.ones(count), np.zeros((count, len(y)))
        g_q = np.zeros((count, len(self._of.names)))
        g[self._free], g_y[self._free, :n] = values[:, 0], values[:, 1 : 1 + n]
        g_t[self._free], g_q[self._free] = values[:, 1 + n], values[:, 2 + n :]
        g[self._due], g_y[self._due, self._times] = t - y[self._times], -1.0
        return g, g_y, g_t, g_q

    def along(
        self, t: FloatArray, y: FloatArray, rates: FloatArray, events: EventValues, segment: Segment
    ) -> tuple[FloatArray, FloatArray]:
        """Gaps and their slopes in time, each [G, T], on a solution y [T, n] with dy/dt = rates [T, n]."""
        values = self._with_slopes(*y.T, t, *events.p, *segment.context, points=len(t))
        n, shape = len(self._states), (len(self.rules.gaps), len(t))
        g, slopes = np.empty(shape), np.ones(shape)
        g[self._free], g[self._due] = values[..., 0].T, t - y.T[self._times]
        with np.errstate(all="ignore"):
            along = np.einsum("tgn,tn->gt", values[..., 1 : 1 + n], rates[:, :n])
            slopes[self._free] = values[..., 1 + n].T + along
        return g, slopes


class Scout:
    """Looks ahead on the way of one experiment. solve: states at times, from a row of parameters."""

    def __init__(
        self,
        sensitivities: EventSensitivities,
        gaps: GapFunctions,
        events: EventValues,
        solve: Callable[[FloatArray, Experiment], Trajectory],
        span: float,
        eps: float,
    ) -> None:
        self._of, self._gaps, self._events, self._solve = sensitivities, gaps, events, solve
        self._span, self._eps = span, eps
        self._window = np.inf

    def find(self, segment: Segment, until: float, y: FloatArray, standing: Standing) -> Hit | None:
        """The first time at which a condition becomes true.

        Parameters
        ----------
        segment
            From its start on; y [n] is what is there.
        until
            Where to stop looking.
        standing
            What holds at the start; afterwards, where nothing was found, what holds at the end.
        """
        start, barrier = segment.start, np.inf
        end, window = start, self._window
        while start < until:
            end = min(start + window, until)
            ahead = standing.copy()
            found = self._scan(segment, start, end, y, ahead, 0, None)
            if isinstance(found, Trajectory):  # the way ends before: maybe what comes sooner prevents that
                failed = found.failure.time if found.failure is not None else None
                barrier = failed if failed is not None and start < failed < end else end
                window = SHRINK * (barrier - start)
                if window < SHORTEST * self._span:
                    return None
                continue
            if isinstance(found, Hit):
                self._window = max(GROWTH * (found.time - segment.start), 1e-6 * self._span)
                return found
            start, y = end, found
            standing.gaps, standing.rules, standing.lapsed = ahead.gaps, ahead.rules, ahead.lapsed
            window = SHRINK * (barrier - start) if barrier < until else GROWTH * window
            if window < SHORTEST * self._span:
                return None
        return None

    def _scan(
        self,
        segment: Segment,
        start: float,
        end: float,
        y: FloatArray,
        standing: Standing,
        depth: int,
        known: float | None,
    ) -> Hit | FloatArray | Trajectory:
        """Within a window: a hit; or y at its end; or the solution that fails. known: the root so far."""
        n = GRID if depth else FIRST_GRID
        times = np.linspace(start, end, n + 1)
        if not end - start > 64 * n * self._eps * max(abs(start), abs(end)):
            times = np.array([start, end])
        solution = self._states(segment, times, y)
        if solution.failure is not None:
            return solution
        remembered = np.broadcast_to(y[solution.y.shape[1] :], (len(times), self._of.memory))
        states = np.concatenate([solution.y, remembered], axis=1)
        rates = self._of.rates_along(self._events, segment, states, times)
        g, slopes = self._gaps.along(times, states, rates, self._events, segment)
        for k in _restless(times, g, slopes):
            crossings = self._crossings(times[k : k + 2], g[:, k : k + 2], slopes[:, k : k + 2], standing)
            first = standing.copy()
            for time, gap in crossings:
                standing.gaps[gap] = not standing.gaps[gap]
                due = standing.follow(self._gaps.rules)
                if not due:
                    continue
                is_exact = known is not None and abs(time - known) <= SAME * self._span
                if is_exact or depth == DEEPEST or len(times) == 2:
                    return Hit(time, tuple(due), gap, standing)
                within = first.copy()
                found = self._scan(segment, times[k], times[k + 1], states[k], within, depth + 1, time)
                if not isinstance(found, np.ndarray):
                    return found
                standing.gaps, standing.rules, standing.lapsed = within.gaps, within.rules, within.lapsed
                break
        last: FloatArray = states[-1]
        return last

    def _crossings(
        self, t: FloatArray, g: FloatArray, slopes: FloatArray, standing: Standing
    ) -> list[tuple[float, int]]:
        """When which comparisons change sides between two times, in order; g and slopes are [G, 2]."""
        h, found = float(t[1] - t[0]), []
        for i, gap in enumerate(self._gaps.rules.gaps):
            left, right = _signed(g[i, 0], bool(standing.gaps[i])), _signed(g[i, 1], gap.holds(g[i, 1]))
            controls = left, left + h * slopes[i, 0] / 3, right - h * slopes[i, 1] / 3, right
            if all(c > 0 for c in controls) or all(c < 0 for c in controls):
                continue
            for u in _roots(*controls):
                found.append((float(t[0] + u * h), i))
        return sorted(found)

    def _states(self, segment: Segment, times: FloatArray, y: FloatArray) -> Trajectory:
        n = len(y) - self._of.memory
        row = np.concatenate([self._of.row(self._events, segment), y[:n]])
        return self._solve(row, Experiment("", times, np.empty((len(times), 0)), float(times[0])))


def _restless(t: FloatArray, g: FloatArray, slopes: FloatArray) -> list[int]:
    """The intervals in which a gap may change sides: where its cubic does not keep off 0; also the first, and those
    behind others, where at their start it may say less than what is known."""
    h = np.diff(t)
    controls = np.stack([g[:, :-1], g[:, :-1] + h * slopes[:, :-1] / 3, g[:, 1:] - h * slopes[:, 1:] / 3, g[:, 1:]])
    quiet = ((controls > 0).all(axis=0) | (controls < 0).all(axis=0)).all(axis=0)
    found = np.flatnonzero(~quiet)
    return sorted({0, *found.tolist(), *(k + 1 for k in found.tolist() if k + 1 < len(h))})


def _signed(value: float, holds: bool) -> float:
    """A gap whose sign is what holds: at a root rounding may say anything."""
    if value != 0 and (value > 0) == holds:
        return float(value)
    return np.finfo(np.float64).tiny if holds else -np.finfo(np.float64).tiny


def _roots(b0: float, b1: float, b2: float, b3: float) -> Sequence[float]:
    """Where in [0, 1] a cubic, by its Bernstein coefficients, changes sign: an odd number where its ends differ."""
    cubic = np.array([b3 - 3 * b2 + 3 * b1 - b0, 3 * (b2 - 2 * b1 + b0), 3 * (b1 - b0), b0])
    if not np.isfinite(cubic).all():
        return [1.0] if (b0 > 0) != (b3 > 0) else []
    size = np.abs(cubic).max()
    roots = np.roots(cubic / size) if size > 0 else np.empty(0)
    real = np.sort(roots.real[np.abs(roots.imag) <= 1e-9])
    inside = [float(u) for u in real if 0 < u < 1]
    odd = (b0 > 0) != (b3 > 0)
    if len(inside) % 2 == odd:
        return inside
    if not odd:  # a root that is one with an end
        return inside[:0] if len(inside) == 1 else inside[:2]
    return [0.0 if abs(b0) < abs(b3) else 1.0]
