"""Measurements at the nodes of a grid, with errors that are known before anything is fitted.

A start need not be weighted as an estimate: every noise model stands here as a normal one, of logarithms where it is
log-normal, and of square roots' errors where it is one of counts. Where the errors are not given, they are the scatter
about the smooth curves, and at least LEAST_ERROR of the range of an observable.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.collocation.grid import Grid
from odefit.collocation.spline import Curves
from odefit.objective.problem import FitProblem

LEAST_ERROR = 0.01
"""The least error of a measurement, as a share of the range of its observable."""

FLAT = 0.1
"""A logarithm goes on as a straight line below this share of the smallest measurement."""


@dataclass(frozen=True)
class Cells:
    """The M measured cells of one observable.

    Parameters
    ----------
    column
        Which observable.
    place
        [M] positions among the R' rows of the grid.
    values
        [M] on the scale of the noise: logarithms where `is_log`.
    errors
        [M] their standard deviations.
    is_log
        Whether the noise is one of logarithms.
    floor
        Predictions below it have no true logarithm.
    """

    column: int
    place: IntArray
    values: FloatArray
    errors: FloatArray
    is_log: bool
    floor: float

    def misfit(self, g: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(T(g) - T(d)) / s [..., M] of predictions g [..., M], and its derivative to g."""
        if not self.is_log:
            return (g - self.values) / self.errors, np.broadcast_to(1 / self.errors, g.shape)
        above = np.maximum(g, self.floor)
        log = np.log(above) + np.minimum(g - self.floor, 0.0) / self.floor
        return (log - self.values) / self.errors, 1 / (above * self.errors)


@dataclass(frozen=True)
class Measured:
    """All that is known of the data at the nodes.

    Parameters
    ----------
    cells
        One part per measured observable.
    curves
        [E, K, O] smooth curves through the measurements, natural scale; NaN where there are none.
    """

    cells: tuple[Cells, ...]
    curves: FloatArray


def measured_cells(problem: FitProblem, grid: Grid) -> Measured:
    """The measurements of a problem on a grid, without those that are known as a limit only."""
    observation, times = problem.observation, problem.times
    curves = np.full((*grid.times.shape, len(observation.names)), np.nan)
    found = []
    for column, (name, data) in enumerate(zip(observation.names, problem.data, strict=True)):
        position = np.full(len(times), -1, dtype=np.intp)
        position[data.rows] = np.arange(len(data.rows))
        place = np.flatnonzero(position[grid.rows] >= 0)
        if not len(place):
            continue
        chosen = position[grid.rows[place]]
        values, owners = data.values[chosen], grid.experiment[place]
        at = times[grid.rows[place]]
        series = [_increasing(at[owners == e], values[owners == e]) for e in range(len(grid.times))]
        smooth = Curves(series)
        for e in range(len(grid.times)):
            curves[e, :, column] = smooth.at(e, grid.times[e])
        is_log = observation.noise[name].is_log
        errors = _errors(values, smooth.deviation, None if data.sigma is None else data.sigma[chosen])
        if data.family.is_count:
            errors = np.maximum(errors, np.sqrt(values + 1.0))
        if is_log:
            curves[..., column] = np.exp(np.clip(curves[..., column], values.min() - 5, values.max() + 5))
        found.append(Cells(column, place, values, errors, is_log, FLAT * float(np.exp(values.min())) if is_log else 0))
    return Measured(tuple(found), curves)


def _increasing(t: FloatArray, d: FloatArray) -> tuple[FloatArray, FloatArray]:
    """One value at a time: of two around a jump the earlier."""
    kept = np.append(True, np.diff(t) > 0) if len(t) else np.zeros(0, dtype=bool)
    return t[kept], d[kept]


def _errors(values: FloatArray, deviation: float, given: FloatArray | None) -> FloatArray:
    spread = float(np.ptp(values)) or float(np.abs(values).max()) or 1.0
    if given is not None:
        return np.maximum(given, 0.1 * LEAST_ERROR * spread)
    least = LEAST_ERROR * spread
    return np.full(len(values), max(deviation, least) if np.isfinite(deviation) else 0.1 * spread)
