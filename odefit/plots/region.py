"""The region of a plane that the data visit: where a picture of a learnt function means something."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from odefit.arrays import FloatArray, Mask
from odefit.errors import SolveError
from odefit.fitting.run import Run
from odefit.model.functions import numpy_function
from odefit.model.system import TIME, symbol
from odefit.plots.selection import Selection
from odefit.records import dataclass

GRID = 201
"""Points along each axis."""
MAX_DISTANCE = 0.15
"""Farther from every visited point than this share of the axes nothing is shown."""
MARGIN = 0.04
"""Around the visited points, as a share of what they span."""
ROUNDING = 1e-9
"""A point that is outside of the hull by no more than this share of the axes is on it."""
FINE_TIMES = 200
"""Times of a path."""
MAX_POINTS = 20_000
"""Points of all paths, for the distances from them."""


@dataclass(frozen=True)
class Visited:
    """The paths of the fitted model, [2, T] each, along two states (or a state and the time)."""

    paths: tuple[FloatArray, ...]

    @cached_property
    def points(self) -> FloatArray:
        """[2, N]."""
        return np.concatenate(self.paths, axis=1)

    @cached_property
    def limits(self) -> tuple[FloatArray, FloatArray]:
        """The least and greatest values of both axes, with a margin."""
        low, high = self.points.min(axis=1), self.points.max(axis=1)
        width = np.where(high > low, high - low, 1.0)
        return low - MARGIN * width, high + MARGIN * width

    def grid(self) -> tuple[FloatArray, FloatArray]:
        """Two axes, [G] each."""
        low, high = self.limits
        return np.linspace(low[0], high[0], GRID), np.linspace(low[1], high[1], GRID)

    def _scaled(self, points: FloatArray) -> FloatArray:
        low, high = self.limits
        scaled: FloatArray = (points - low) / (high - low)
        return scaled

    def distance(self, points: FloatArray) -> FloatArray:
        """The distances of points [M, 2] from where a path has been, as a share of the axes, [M]."""
        from scipy.spatial import cKDTree

        found: Any = cKDTree(self._scaled(self.points.T)).query(self._scaled(points))[0]
        return np.asarray(found)

    def outside(self, x: FloatArray, y: FloatArray) -> Mask:
        """Mark the points of a grid that are outside of the hull of all paths, or far from each of them, [G, G]."""
        from scipy.spatial import ConvexHull, QhullError

        at = np.stack([a.ravel() for a in np.meshgrid(x, y)], axis=1)
        far = self.distance(at)
        try:
            planes = ConvexHull(self._scaled(self.points.T)).equations
            beyond = (self._scaled(at) @ planes[:, :2].T + planes[:, 2]).max(axis=1)
        except QhullError:
            # All on one line.
            beyond = np.zeros_like(far)
        hidden: Mask = ((far > MAX_DISTANCE) | (beyond > ROUNDING)).reshape(len(y), len(x))
        return hidden


def visited(run: Run, selection: Selection, axes: tuple[str, str]) -> Visited:
    """The fitted paths of the chosen experiments along two states, or a state and the time. Raises SolveError."""
    rows = selection.rows
    fine = [np.unique(np.concatenate([e.times, _fine(e.start, e.times)])) for e in run.measured]
    if sum(len(fine[row]) for row in rows) > MAX_POINTS:
        fine = [e.times for e in run.measured]
    curves = run.solve(fine)
    columns = numpy_function([symbol(name) for name in axes], (*run.states, TIME))
    paths = []
    for row in rows:
        y, t = curves.states[row], fine[row]
        paths.append(np.stack([np.broadcast_to(c, t.shape) for c in columns(*y.T, t)]).astype(np.float64))
    if not all(np.isfinite(path).all() for path in paths):
        raise SolveError("the fitted model has no finite values to draw")
    return Visited(tuple(paths))


def _fine(start: float, times: FloatArray) -> FloatArray:
    return np.linspace(start, times[-1], FINE_TIMES)
