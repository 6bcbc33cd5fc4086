"""The measurements of a problem, observable by observable, as the likelihood takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from odefit.arrays import FloatArray, IntArray, spread
from odefit.data.experiments import Experiment
from odefit.objective.noise.family import Family
from odefit.objective.observation import Moments, Observation
from odefit.records import dataclass


@dataclass(frozen=True)
class Scale:
    """A noise level that is an estimated parameter, or that times a known number of each cell.

    Parameters
    ----------
    position
        Of the parameter in theta.
    unit
        [R], the known numbers; None where they are all 1.
    """

    position: int
    unit: FloatArray | None = None


@dataclass(frozen=True)
class DataBlock:
    """M cells of one observable, all measured or all censored.

    Parameters
    ----------
    rows
        [M] positions among the R rows of the problem.
    experiment
        [M], the experiment of each.
    values
        [M], T(d) on the noise model's own scale; [B, M] where each of B points has measurements of its own.
    sigma
        [M] standard deviations that came with the data, or None.
    side
        [M], 0 where d was measured, -1 where the truth lies below d, 1 where it lies above.
    weight
        [B, M], how often each cell counts at each of B points; None where all count once.
    far
        [M], the other end of the interval in which a censored value lies, on the same scale as `values`; NaN where it
        has none, None where no cell has any; [B, M] where each of B points has measurements of its own.
    """

    rows: IntArray
    experiment: IntArray
    values: FloatArray
    sigma: FloatArray | None
    side: FloatArray
    weight: FloatArray | None = None
    far: FloatArray | None = None

    @cached_property
    def _is_first(self) -> bool:
        """Whether the rows are the first M ones, in order."""
        return bool((self.rows == np.arange(len(self.rows))).all())

    def of(self, values: FloatArray, axis: int = -1) -> FloatArray:
        """What belongs to the cells, of values of all R rows; no copy where each row has a cell.

        What is made of it by functions of single numbers is in C order, so that sums over cells do not depend on B.
        """
        if values.shape[axis] == len(self.rows) and self._is_first:
            return values
        return values.take(self.rows, axis=axis)

    def take(self, points: IntArray) -> DataBlock:
        """The same for some of the points that have measurements or weights of their own."""
        values = self.values[points] if self.values.ndim > 1 else self.values
        far = self.far[points] if self.far is not None and self.far.ndim > 1 else self.far
        return replace(self, values=values, far=far, weight=None if self.weight is None else self.weight[points])


@dataclass(frozen=True)
class ObservableData:
    """All cells of one observable; `rows`, `values` and `sigma` are those of the measured ones.

    Parameters
    ----------
    family
        The distribution of the measurements.
    measured
        The cells with a measurement.
    censored
        The cells with a limit only; None where there are none.
    constant
        The sum of the terms of -ln p that depend on nothing estimated: the logarithms of log-normal data. It is [B]
        where each of B points has measurements of its own.
    scale_position
        Position in theta of the estimated parameter that is the scale of every cell, in units of `unit`; None where
        the scale is anything else.
    unit
        [M], the known factor of the scale of the measured cells; None where that is 1.
    """

    family: Family
    measured: DataBlock
    censored: DataBlock | None
    constant: float | FloatArray
    scale_position: int | None
    unit: FloatArray | None = None

    @property
    def rows(self) -> IntArray:
        """[M] rows of the problem with a measurement."""
        return self.measured.rows

    @property
    def values(self) -> FloatArray:
        """[M] measurements on the noise model's own scale."""
        return self.measured.values

    @property
    def sigma(self) -> FloatArray | None:
        """[M] standard deviations that came with the measurements, or None."""
        return self.measured.sigma

    @cached_property
    def blocks(self) -> tuple[DataBlock, ...]:
        """The measured cells and, where there are any, the censored ones."""
        return (self.measured,) if self.censored is None else (self.measured, self.censored)

    @cached_property
    def n(self) -> int:
        """The number of cells, censored ones included."""
        return sum(len(block.rows) for block in self.blocks)

    @cached_property
    def square(self) -> FloatArray | float:
        """The sum of squares of the measurements [...] in units of the known factor."""
        squares: FloatArray = np.sum((self.values if self.unit is None else self.values / self.unit) ** 2, axis=-1)
        return squares

    @property
    def has_best_scale(self) -> bool:
        """Whether the scale that fits given predictions best is known in closed form."""
        return self.family.has_best_scale and self.censored is None

    def in_units(self, scale: float | FloatArray) -> FloatArray:
        """The scale of every measured cell, [..., M], where it is `scale` [...] in units of the known factor; [..., 1]
        where all cells share it."""
        each = np.asarray(scale)[..., None]
        return each if self.unit is None else each * self.unit

    def deviations(self, observed: Moments) -> FloatArray:
        """m - d of every measured cell [..., M], in the same units."""
        deviations: FloatArray = self.measured.of(observed.m) - self.values
        return deviations if self.unit is None else deviations / self.unit

    def take(self, points: IntArray) -> ObservableData:
        """The same for some of the points that have measurements or weights of their own."""
        constant = self.constant[points] if isinstance(self.constant, np.ndarray) else self.constant
        limits = None if self.censored is None else self.censored.take(points)
        return replace(self, measured=self.measured.take(points), censored=limits, constant=constant)

    def scale(self, block: DataBlock, observed: Moments) -> FloatArray:
        """The family's second parameter s of every cell of a block, [M]; of many points [..., M] where it moves.

        A number that is no scale (zero, negative) becomes NaN, so that the likelihood there is not finite. A family
        without a scale gets zeros.
        """
        s = self.narrow_scale(block, observed)
        return spread(s, (*s.shape[:-1], len(block.rows)))

    def narrow_scale(self, block: DataBlock, observed: Moments) -> FloatArray:
        """The same, [..., 1] where all cells share it: what functions of it alone are then computed once for them."""
        if block.sigma is not None:
            return block.sigma
        if not self.family.has_scale:
            return np.zeros(1)
        s = np.asarray(observed.s, dtype=np.float64)
        if not s.ndim:
            s = s[None]
        elif s.shape[-1] == observed.m.shape[-1]:
            s = block.of(s)
        # Counts may have no dispersion, but nothing else has no scale.
        return np.where(s >= 0 if self.family.is_count else s > 0, s, np.nan)


def _far(ends: FloatArray, is_log: bool) -> FloatArray | None:
    """[M] the other ends on the noise model's own scale; one of 0 on that of logarithms bounds nothing."""
    if is_log:
        ends = np.log(ends, out=np.full(len(ends), np.nan), where=ends > 0)
    return None if np.isnan(ends).all() else ends


def at_rows(values: FloatArray, rows: IntArray) -> FloatArray:
    """The entries [..., M] of values [..., R] at some rows; in C order, so that sums over them do not depend on B."""
    return values.take(rows, axis=-1)


def observable_data(
    experiments: Sequence[Experiment], observation: Observation, scales: Sequence[Scale | None]
) -> tuple[ObservableData, ...]:
    """The measurements of all experiments, sorted by observable.

    Parameters
    ----------
    experiments
        The experiments, whose rows follow one another.
    observation
        The observables, in the order of the columns, with their noise models.
    scales
        Per observable; None where its noise level is anything else.
    """
    values = np.concatenate([e.values for e in experiments])
    sigma = np.concatenate([np.full(e.values.shape, np.nan) if e.sigma is None else e.sigma for e in experiments])
    side = np.concatenate([np.zeros(e.values.shape) if e.censored is None else e.censored for e in experiments])
    far = np.concatenate([np.full(e.values.shape, np.nan) if e.other_end is None else e.other_end for e in experiments])
    owner = np.repeat(np.arange(len(experiments)), [len(e.times) for e in experiments])
    with_sigma = any(e.sigma is not None for e in experiments)
    found = []
    for column, (name, scale) in enumerate(zip(observation.names, scales, strict=True)):
        noise = observation.noise[name]
        has_errors = with_sigma and noise.sigma is None and noise.family.has_scale
        known = ~np.isnan(values[:, column])
        blocks = []
        for chosen in (known & (side[:, column] == 0), known & (side[:, column] != 0)):
            rows = np.flatnonzero(chosen)
            d = values[rows, column]
            blocks.append(
                DataBlock(
                    rows,
                    owner[rows],
                    np.log(d) if noise.is_log else d,
                    sigma[rows, column] * noise.unit if has_errors else None,
                    side[rows, column].astype(np.float64),
                    far=_far(far[rows, column], noise.is_log),
                )
            )
        measured, censored = blocks
        constant = float(measured.values.sum()) if noise.is_log else 0.0
        limits = censored if len(censored.rows) else None
        position = None if scale is None else scale.position
        unit = None if scale is None or scale.unit is None else scale.unit[measured.rows]
        if unit is not None and not (unit > 0).all():
            position = unit = None
        found.append(ObservableData(noise.family, measured, limits, constant, position, unit))
    return tuple(found)
