"""Values and gradients of the likelihood at many points, without the curvature that a search needs: for samplers.

    d nll/d theta = sum over cells (df/dm dm/dtheta + df/ds ds/dtheta) + the same of priors

The sum over the cells of an experiment is taken before its symbols become parameters, so that no A [M, P] is made.
With many parameters dm/dtheta is not made either: what the cells are worth becomes what states are worth, and the
engine goes back from there through its solution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.engines.base import Engine
from odefit.objective.likelihood import Likelihood
from odefit.objective.measurements import DataBlock, ObservableData, at_rows
from odefit.objective.observation import Moments
from odefit.objective.points import SolvedPoints, pulled_points, solved_points
from odefit.objective.score_rows import tail_of
from odefit.records import dataclass

Scales = Callable[[list[Moments]], Mapping[int, FloatArray]]
"""From moments at G points to numbers [G] that replace estimated scales, by position in theta."""


def _none(moments: list[Moments]) -> Mapping[int, FloatArray]:
    del moments
    return {}


@dataclass(frozen=True)
class Likelihoods:
    """Negative log-likelihoods at B points.

    Attributes
    ----------
    values
        [B], infinite where the model fails.
    gradients
        [B, P], NaN there.
    energies
        [B], half of the sum of squared scores of locations.
    """

    values: FloatArray
    gradients: FloatArray
    energies: FloatArray


def values_and_gradients(
    likelihood: Likelihood, u: FloatArray, engines: list[Engine] | None = None
) -> tuple[FloatArray, FloatArray]:
    """The negative log-likelihood of the data, without priors, and its gradient.

    Parameters
    ----------
    likelihood
        The problem and its data.
    u
        [B, P], points on the search scale.
    engines
        As in `Likelihood.moments_at`.

    Returns
    -------
    values, gradients
        [B], infinite where the model fails, and [B, P], NaN there.
    """
    found = likelihoods(likelihood, u, engines)
    return found.values, found.gradients


def goes_back(likelihood: Likelihood) -> bool:
    """Whether gradients come back through the solution, because that takes less than sensitivities."""
    return likelihood.problem.engine.pulls and likelihood.problem.compared_rows is None


def likelihoods(
    likelihood: Likelihood, u: FloatArray, engines: list[Engine] | None = None, scales: Scales = _none
) -> Likelihoods:
    """As `values_and_gradients`; those to scales that are replaced mean nothing."""
    values, gradients, energies = np.full(len(u), np.inf), np.full(u.shape, np.nan), np.full(len(u), np.nan)
    with np.errstate(all="ignore"):
        found = _pulled(likelihood, u, scales) if goes_back(likelihood) else _chained(likelihood, u, engines, scales)
        points, n = found.points, len(found.points)
        theta = np.zeros((u.shape[1] + 1, n))
        positions = likelihood.columns.positions.ravel()
        np.add.at(theta, positions, found.local.reshape(n, len(positions)).T)
        slopes = theta[:-1].T * likelihood.problem.table.transforms.derivative(u[points])
    known = np.isfinite(found.total) & np.isfinite(slopes).all(axis=1)
    values[points] = np.where(known, found.total, np.inf)
    gradients[points] = np.where(known[:, None], slopes, np.nan)
    energies[points] = found.energy
    return Likelihoods(values, gradients, energies)


@dataclass
class _Sums:
    """Over all cells, at the points [G] that could be solved: [G] each, and gradients to local symbols [G, E, K]."""

    points: IntArray
    total: FloatArray
    energy: FloatArray
    local: FloatArray

    @classmethod
    def none(cls, likelihood: Likelihood, points: IntArray) -> _Sums:
        """Before anything was added."""
        problem, n = likelihood.problem, len(points)
        local = np.zeros((n, len(problem.experiments), len(problem.observation.sensitive)))
        return cls(points, np.zeros(n), np.zeros(n), local)

    def add(self, products: FloatArray, owner: IntArray, columns: slice) -> None:
        """Add products [G, M, K'] of cells of experiments [M], which follow one another, to columns of `local`."""
        first = np.flatnonzero(np.diff(owner, prepend=-1))
        self.local[:, owner[first], columns] += np.add.reduceat(products, first, axis=1)


def _chained(likelihood: Likelihood, u: FloatArray, engines: list[Engine] | None, scales: Scales) -> _Sums:
    """By sensitivities."""
    problem = likelihood.problem
    found = likelihood.moments_at(u, True, engines)
    sums, owner = _Sums.none(likelihood, found.points), problem.owner
    given = scales(found.moments) if len(found.points) else {}
    for data, observed in zip(problem.data, found.moments, strict=False):
        for block, of_m, of_s in _terms(sums, data, observed, given, observed.ds is not None):
            for slope, derivatives in ((of_m, observed.dm), (of_s, observed.ds)):
                if derivatives is not None and slope is not None:
                    products = np.take(derivatives, block.rows, axis=1) * slope[..., None]
                    sums.add(products, owner[block.rows], slice(None))
    return sums


def _pulled(likelihood: Likelihood, u: FloatArray, scales: Scales) -> _Sums:
    """By the way back through the solution."""
    problem = likelihood.problem
    found = solved_points(problem, u, False)
    sums = _Sums.none(likelihood, found.points)
    if not len(found.points):
        return sums
    y, t, rows, _ = found.made_from
    given = scales(found.moments)
    worth: list[tuple[FloatArray, FloatArray | None]] = []
    for data, observed in zip(problem.data, found.moments, strict=True):
        of_all = np.zeros(y.shape[:2]), None if observed.s is None else np.zeros(y.shape[:2])
        for block, *slopes in _terms(sums, data, observed, given, observed.s is not None):
            for all_rows, slope in zip(of_all, slopes, strict=True):
                if all_rows is not None and slope is not None:
                    all_rows[:, block.rows] += slope
        worth.append(of_all)
    states, names = problem.observation.pulled(y, t, rows, worth)
    gradients = pulled_points(problem, u[found.points], states)
    sums.local[..., : gradients.shape[-1]] = gradients
    for column, share in names:
        sums.add(share[..., None], problem.owner, slice(column, column + 1))
    if (odd := np.flatnonzero(_raised(likelihood, found))).size:
        other = _chained(likelihood, u[found.points[odd]], None, scales)
        sums.total[odd] = np.nan
        where = odd[other.points]
        sums.total[where], sums.energy[where], sums.local[where] = other.total, other.energy, other.local
    return sums


def _raised(likelihood: Likelihood, found: SolvedPoints) -> Mask:
    """At which points [G] something stands in for zeros, which no formula says."""
    raised = np.zeros(len(found.points), dtype=bool)
    for plain, other in zip(found.moments, likelihood.raised(found.moments, *found.made_from), strict=True):
        if other is not plain:
            for before, after in ((plain.m, other.m), (plain.s, other.s)):
                if before is not None and after is not None:
                    same = np.broadcast_to((before == after) | (np.isnan(before) & np.isnan(after)), plain.m.shape)
                    raised |= ~same.all(axis=1)
    return raised


def _terms(
    sums: _Sums, data: ObservableData, observed: Moments, given: Mapping[int, FloatArray], moves: bool
) -> Iterator[tuple[DataBlock, FloatArray, FloatArray | None]]:
    """Adds the terms of an observable; its blocks with df/dm and, where s moves, df/ds of each cell, [G, M]."""
    family = data.family
    of_s: FloatArray | None
    own = None if data.scale_position is None else given.get(data.scale_position)
    sums.total = sums.total + data.constant
    for block in data.blocks:
        if not len(block.rows):
            continue
        m = at_rows(observed.m, block.rows)
        s = data.scale(block, observed) if own is None else data.in_units(own)
        if block is not data.measured:
            tail = tail_of(family, block, m, s)
            f, of_m, of_s = tail.f, tail.dm, tail.ds
        else:
            z, root = family.location(block.values, m, s)
            sums.energy = sums.energy + (z**2).sum(axis=-1) / 2
            f, of_m = family.nll(block.values, m, s), z * root
            of_s = family.scale_slope(block.values, m, s) if moves and own is None else None
        sums.total = sums.total + f.sum(axis=-1)
        yield block, of_m, of_s
