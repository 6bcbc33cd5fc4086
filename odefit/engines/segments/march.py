"""Experiments on their ways, all together: the k-th segment of each is one batch of a round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.engines.base import Trajectory
from odefit.engines.failure import Failure, FailureReason, IntegrationError
from odefit.engines.segments.saltation import EventSensitivities, EventValues, SegmentStart, SegmentStarts

Row = TypeVar("Row")
Found = TypeVar("Found")


class SegmentMarch(Generic[Row, Found]):
    """One experiment on its way. Between `begin` and the last `receive` it has a row of parameters and an
    experiment, which are to be solved."""

    row: Row
    experiment: Experiment
    failure: Failure | None = None

    def __init__(self, starts: SegmentStarts) -> None:
        self._starts = starts

    def begin(self) -> bool:
        """To the first segment; whether there is one."""
        return self._advance(lambda: next(self._starts))

    def receive(self, found: Found) -> bool:
        """The solution of the segment; whether there is another one."""
        end = self.take(found)
        return self.failure is None and self._advance(lambda: self._starts.send(end))

    def _advance(self, step: Callable[[], SegmentStart]) -> bool:
        try:
            start = step()
            self.enter(start)
            while start.segment.experiment is None:
                start = self._starts.send(self.states(start.y))
                self.enter(start)
        except StopIteration:
            return False
        except IntegrationError as error:
            self.failure = error.failure
            return False
        self.experiment = start.segment.experiment
        return True

    def states(self, y: FloatArray) -> FloatArray:
        """The states [S] of what is there where a segment begins."""
        raise NotImplementedError

    def enter(self, start: SegmentStart) -> None:
        """Begin a segment: make the row of its parameters, or where it has no length keep its state in its rows."""
        raise NotImplementedError

    def take(self, found: Found) -> FloatArray:
        """Keep the solution at the wanted times; the state at its end."""
        raise NotImplementedError


def march_all(
    marches: Sequence[SegmentMarch[Row, Found]],
    solve: Callable[[list[Row], list[Experiment]], Sequence[Found]],
) -> None:
    """Every one to its end, in rounds."""
    going = [one for one in marches if one.begin()]
    while going:
        found = solve([one.row for one in going], [one.experiment for one in going])
        going = [one for one, own in zip(going, found, strict=True) if one.receive(own)]


class ArrayMarch(SegmentMarch[FloatArray, Trajectory]):
    """In arrays, with derivatives to the names of the event sensitivities.

    The chain rule: what the engine gives are derivatives to parameters q and initial values y1 of the segment, so
    dy/dq = (dy/dq with y1 fixed) + (dy/dr) dr/dq + (dy/dy1) dy1/dq, with rates of infusion r.

    is_along: the engine takes dy1/dq itself, which stands behind the parameters in the row, and gives dy/dq but for the
    rates of infusion.
    """

    def __init__(
        self,
        experiment: Experiment,
        sensitivities: EventSensitivities,
        events: EventValues,
        starts: SegmentStarts,
        wanted: Sequence[str],
        is_along: bool = False,
    ) -> None:
        super().__init__(starts)
        self._sensitivities, self._events = sensitivities, events
        n, k = len(sensitivities.segment_system.whole.states), len(sensitivities.names)
        self.y = np.full((len(experiment.times), n), np.nan)
        self.dy = np.full((*self.y.shape, k), np.nan)
        self._n, self._slope = n, np.zeros((n + sensitivities.memory, k))
        self._is_along = is_along
        if is_along:
            self._rated = len(wanted) - k
            return
        self._columns = [
            sensitivities.names.index(name) for name in wanted[: len(wanted) - n] if name in sensitivities.names
        ]
        self._rated = len(wanted) - n - len(self._columns)

    def enter(self, start: SegmentStart) -> None:
        with np.errstate(all="ignore"):
            if start.A is not None:
                self._slope = start.A @ self._slope
            if start.B is not None:
                self._slope = self._slope + start.B
        self._segment = start.segment
        y = start.y[: self._n]
        self.row = np.concatenate([self._sensitivities.row(self._events, start.segment), y])
        if self._is_along:
            behind = np.pad(self._slope[: self._n], ((0, 0), (0, self._rated)))
            self.row = np.concatenate([self.row, behind.ravel()])
        if not start.segment.has_length:
            self._keep(y[None], self._slope[None, : self._n])

    def states(self, y: FloatArray) -> FloatArray:
        return y[: self._n]

    def take(self, found: Trajectory) -> FloatArray:
        end: FloatArray = found.y[-1]
        if found.failure is not None:
            self.failure = found.failure
            return end
        dy = None if found.dy is None else self._chained(found.dy)
        self._keep(found.y, dy)
        if dy is not None:
            self._slope = np.concatenate([dy[-1], self._slope[self._n :]])
        return end

    def _chained(self, dy: FloatArray) -> FloatArray:
        total: FloatArray
        r = self._rated
        with np.errstate(all="ignore"):
            if self._is_along:
                k = dy.shape[2] - r
                total = dy[:, :, :k]
                return total + dy[:, :, k:] @ (self._segment.feeds[:, None] * self._events.darrival) if r else total
            m = len(self._columns)
            total = dy[:, :, m + r :] @ self._slope[: self._n]
            total[:, :, self._columns] += dy[:, :, :m]
            if r:
                total += dy[:, :, m : m + r] @ (self._segment.feeds[:, None] * self._events.darrival)
        return total

    def _keep(self, y: FloatArray, dy: FloatArray | None) -> None:
        wanted = self._segment.wanted
        n = wanted.stop - wanted.start
        if not n:
            return
        self.y[wanted] = y[:n]
        if dy is not None:
            self.dy[wanted] = dy[:n]
            if not np.isfinite(dy[:n]).all():
                self.failure = Failure(FailureReason.SENSITIVITIES_NOT_FINITE)

    def trajectory(self, with_slopes: bool) -> Trajectory:
        """The whole way; NaN and the reason where it failed."""
        if self.failure is not None:
            self.y[:], self.dy[:] = np.nan, np.nan
        return Trajectory(self.y, self.dy if with_slopes else None, self.failure)
