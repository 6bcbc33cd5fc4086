"""Experiments on their ways, all together: the k-th stretch of each is one batch of a round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.engines.base import Trajectory
from odefit.engines.segments.saltation import Calculus, Numbers, Stretch, Walk
from odefit.engines.status import Failure, IntegrationError, Reason

Row = TypeVar("Row")
Found = TypeVar("Found")


class Traveller(Generic[Row, Found]):
    """One experiment on its way. Between `begin` and the last `receive` it has a row and a piece to be solved."""

    row: Row
    piece: Experiment
    failure: Failure | None = None

    def __init__(self, walk: Walk) -> None:
        self._walk = walk

    def begin(self) -> bool:
        """To the first stretch; whether there is one."""
        return self._advance(lambda: next(self._walk))

    def receive(self, found: Found) -> bool:
        """The solution of the piece; whether there is another one."""
        end = self.take(found)
        return self.failure is None and self._advance(lambda: self._walk.send(end))

    def _advance(self, step: Callable[[], Stretch]) -> bool:
        try:
            stretch = step()
        except StopIteration:
            return False
        except IntegrationError as error:
            self.failure = error.failure
            return False
        self.enter(stretch)
        if stretch.leg.piece is None:
            return False
        self.piece = stretch.leg.piece
        return True

    def enter(self, stretch: Stretch) -> None:
        """Begin a stretch: make the row of its parameters, or where it has no length keep its state."""
        raise NotImplementedError

    def take(self, found: Found) -> FloatArray:
        """Keep the solution at the wanted times; the state at its end."""
        raise NotImplementedError


def travel(
    travellers: Sequence[Traveller[Row, Found]],
    solve: Callable[[list[Row], list[Experiment]], Sequence[Found]],
) -> None:
    """Every traveller to its end, in rounds."""
    going = [traveller for traveller in travellers if traveller.begin()]
    while going:
        found = solve([traveller.row for traveller in going], [traveller.piece for traveller in going])
        going = [traveller for traveller, own in zip(going, found, strict=True) if traveller.receive(own)]


class ArrayTraveller(Traveller[FloatArray, Trajectory]):
    """In arrays, with derivatives to the calculus's names.

    The chain rule: what the engine gives are derivatives to parameters q and initial values y1 of the piece, so
    dy/dq = (dy/dq with y1 fixed) + (dy/dr) dr/dq + (dy/dy1) dy1/dq, with rates of infusion r.
    """

    def __init__(
        self, experiment: Experiment, calculus: Calculus, numbers: Numbers, walk: Walk, wanted: Sequence[str]
    ) -> None:
        super().__init__(walk)
        self._calculus, self._numbers = calculus, numbers
        n, k = len(calculus.segments.whole.states), len(calculus.names)
        self.y = np.full((len(experiment.times), n), np.nan)
        self.dy = np.full((*self.y.shape, k), np.nan)
        self._slope = np.zeros((n, k))
        self._columns = [calculus.names.index(name) for name in wanted[: len(wanted) - n] if name in calculus.names]
        self._rated = len(wanted) - n - len(self._columns)

    def enter(self, stretch: Stretch) -> None:
        with np.errstate(all="ignore"):
            if stretch.A is not None:
                self._slope = stretch.A @ self._slope
            if stretch.B is not None:
                self._slope = self._slope + stretch.B
        self._leg = stretch.leg
        self.row = np.concatenate([self._calculus.row(self._numbers, stretch.leg), stretch.y])
        if stretch.leg.piece is None:
            self._keep(stretch.y[None], self._slope[None])

    def take(self, found: Trajectory) -> FloatArray:
        end: FloatArray = found.y[-1]
        if found.failure is not None:
            self.failure = found.failure
            return end
        dy = None if found.dy is None else self._chained(found.dy)
        self._keep(found.y, dy)
        if dy is not None:
            self._slope = dy[-1]
        return end

    def _chained(self, dy: FloatArray) -> FloatArray:
        m, r = len(self._columns), self._rated
        with np.errstate(all="ignore"):
            total: FloatArray = dy[:, :, m + r :] @ self._slope
            total[:, :, self._columns] += dy[:, :, :m]
            if r:
                total += dy[:, :, m : m + r] @ np.outer(self._leg.feeds, self._numbers.dfraction)
        return total

    def _keep(self, y: FloatArray, dy: FloatArray | None) -> None:
        wanted = self._leg.wanted
        n = wanted.stop - wanted.start
        if not n:
            return
        self.y[wanted] = y[:n]
        if dy is not None:
            self.dy[wanted] = dy[:n]
            if not np.isfinite(dy[:n]).all():
                self.failure = Failure(Reason.SENSITIVITIES_NOT_FINITE)

    def trajectory(self, with_slopes: bool) -> Trajectory:
        """The whole way; NaN and the reason where it failed."""
        if self.failure is not None:
            self.y[:], self.dy[:] = np.nan, np.nan
        return Trajectory(self.y, self.dy if with_slopes else None, self.failure)
