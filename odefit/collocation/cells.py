"""Measurements at the nodes of a grid, with errors that are known before anything is fitted.

A start need not be weighted as an estimate: every noise model stands here as a normal one, of logarithms where it is
log-normal, and of square roots' errors where it is one of counts. Where the errors are not given, they are the scatter
about the smooth curves, and at least LEAST_ERROR of the range of an observable.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.collocation.grid import Grid
from odefit.collocation.spline import Curves
from odefit.objective.problem import FitProblem
from odefit.records import dataclass

LEAST_ERROR = 0.01
"""The least error of a measurement, as a share of the range of its observable."""

ROUGH = 0.1
"""That of series which are too short for their scatter to be seen."""

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

    @property
    def n_cells(self) -> int:
        """The number of measurements."""
        return sum(len(part.place) for part in self.cells)


def measured_cells(problem: FitProblem, grid: Grid) -> Measured:
    """The measurements of a problem on a grid, without those that are known as a limit only.

    Observables with the same formula are smoothed together.
    """
    observation = problem.observation
    given, formulas = _given_errors(problem), list(observation.system.predicted.values())
    alike: dict[tuple[object, bool], list[int]] = {}
    for column, name in enumerate(observation.names):
        if len(problem.data[column].rows):
            alike.setdefault((formulas[column], observation.noise[name].is_log), []).append(column)
    curves = np.full((*grid.times.shape, len(observation.names)), np.nan)
    found = []
    for (_, is_log), columns in alike.items():
        placed = [_placed(problem, grid, column) for column in columns]
        together = Curves(_series(problem, grid, placed))
        all_values = np.concatenate([values for _, values in placed])
        if not len(all_values):
            continue
        for e in range(len(grid.times)):
            curves[e, :, columns] = _natural(together.at(e, grid.times[e]), all_values, is_log)
        for column, (place, values) in zip(columns, placed, strict=True):
            if len(place):
                known = given[column]
                errors = (
                    known[grid.rows[place]]
                    if known is not None
                    else _errors(all_values, together.deviation, values, problem.data[column].family.is_count)
                )
                floor = FLAT * float(np.exp(all_values.min())) if is_log else 0.0
                found.append(Cells(column, place, values, errors, is_log, floor))
    return Measured(tuple(found), curves)


def _placed(problem: FitProblem, grid: Grid, column: int) -> tuple[IntArray, FloatArray]:
    """The cells of an observable: positions among the rows of the grid, and values on the scale of the noise."""
    data = problem.data[column]
    position = np.full(len(problem.times), -1, dtype=np.intp)
    position[data.rows] = np.arange(len(data.rows))
    place = np.flatnonzero(position[grid.rows] >= 0)
    return place, data.values[position[grid.rows[place]]]


def _series(
    problem: FitProblem, grid: Grid, placed: Sequence[tuple[IntArray, FloatArray]]
) -> list[tuple[FloatArray, FloatArray]]:
    """Per experiment the times and the values of some observables, one value at a time: the first."""
    place, values = (np.concatenate(part) for part in zip(*placed, strict=True))
    owners, times = grid.experiment[place], problem.times[grid.rows[place]]
    found = []
    for e in range(len(grid.times)):
        t, first = np.unique(times[owners == e], return_index=True)
        found.append((t, values[owners == e][first]))
    return found


def _natural(curve: FloatArray, values: FloatArray, is_log: bool) -> FloatArray:
    """A curve on the natural scale, no farther from the values than a tenth of their range, and no change of sign."""
    margin = 0.1 * float(np.ptp(values))
    low, high = float(values.min()) - margin, float(values.max()) + margin
    if is_log:
        return np.exp(np.clip(curve, low, high))
    if values.min() >= 0:
        low = FLAT * float(values.min())
    return np.clip(curve, low, high)


def _given_errors(problem: FitProblem) -> list[FloatArray | None]:
    """[R] of each observable whose errors are known numbers; None of others."""
    observation = problem.observation
    moving = {*observation.levels, *observation.sensitive}
    rows = problem.rows(problem.binding.local(problem.table.values))
    anywhere = np.ones((len(problem.times), len(observation.levels)))
    found: list[FloatArray | None] = []
    moments = observation.moments(anywhere, problem.clock, rows)
    for noise, data, moment in zip(observation.noise.values(), problem.data, moments, strict=True):
        errors = None
        if data.sigma is not None:
            errors = np.full(len(problem.times), np.nan)
            errors[data.rows] = data.sigma
        elif moment.s is not None and not data.family.is_count and not noise.moves_with(moving):
            errors = np.broadcast_to(np.asarray(moment.s, dtype=np.float64), problem.times.shape)
        found.append(errors if errors is not None and (errors[data.rows] > 0).all() else None)
    return found


def _errors(values: FloatArray, deviation: float, own: FloatArray, is_count: bool) -> FloatArray:
    """Those of the cells with values `own`, where all alike have `values`, and scatter by `deviation`."""
    spread = float(np.ptp(values)) or float(np.abs(values).max()) or 1.0
    errors = np.full(len(own), max(deviation, LEAST_ERROR * spread) if np.isfinite(deviation) else ROUGH * spread)
    return np.maximum(errors, np.sqrt(np.maximum(own, 0.0) + 1.0)) if is_count else errors
