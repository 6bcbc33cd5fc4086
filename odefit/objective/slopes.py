"""Values and gradients of the likelihood at many points, without the curvature that a search needs: for samplers.

    d nll/d theta = sum over cells (df/dm dm/dtheta + df/ds ds/dtheta) + the same of priors

The sum over the cells of an experiment is taken before its symbols become parameters, so that no A [M, P] is made.
With many parameters dm/dtheta is not made either: what the cells are worth becomes what states are worth, and the
engine goes back from there through its solution.
"""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.engines.base import Engine
from odefit.objective.likelihood import Likelihood
from odefit.objective.measurements import DataBlock, ObservableData, at_rows
from odefit.objective.observation import Moments
from odefit.objective.points import SolvedPoints, pulled_points, solved_points
from odefit.objective.score_rows import tail_of


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
    problem = likelihood.problem
    pulls = problem.engine.pulls and problem.compared_rows is None
    values, gradients = np.full(len(u), np.inf), np.full(u.shape, np.nan)
    with np.errstate(all="ignore"):
        points, total, local = _pulled(likelihood, u) if pulls else _chained(likelihood, u, engines)
        theta = np.zeros((u.shape[1] + 1, len(points)))
        positions = likelihood.columns.positions.ravel()
        np.add.at(theta, positions, local.reshape(len(points), len(positions)).T)
        slopes = theta[:-1].T * problem.table.transforms.derivative(u[points])
    known = np.isfinite(total) & np.isfinite(slopes).all(axis=1)
    values[points] = np.where(known, total, np.inf)
    gradients[points] = np.where(known[:, None], slopes, np.nan)
    return values, gradients


def _chained(
    likelihood: Likelihood, u: FloatArray, engines: list[Engine] | None
) -> tuple[IntArray, FloatArray, FloatArray]:
    """By sensitivities: the points [G] that could be solved, values [G], and gradients to local symbols [G, E, K]."""
    problem = likelihood.problem
    found = likelihood.moments_at(u, True, engines)
    n, owner = len(found.points), problem.owner
    total, local = np.zeros(n), _no_gradients(likelihood, n)
    if not n:
        return found.points, total, local
    for data, observed in zip(problem.data, found.moments, strict=True):
        total = total + data.constant
        for block in data.blocks:
            if len(block.rows):
                f, of_m, of_s = _terms(data, block, observed, observed.ds is not None)
                total = total + f.sum(axis=-1)
                for slope, derivatives in ((of_m, observed.dm), (of_s, observed.ds)):
                    if derivatives is not None:
                        _add(local, np.take(derivatives, block.rows, axis=1) * slope[..., None], owner[block.rows])
    return found.points, total, local


def _pulled(likelihood: Likelihood, u: FloatArray) -> tuple[IntArray, FloatArray, FloatArray]:
    """The same by the way back through the solution."""
    problem = likelihood.problem
    found = solved_points(problem, u, False)
    n = len(found.points)
    total, local = np.zeros(n), _no_gradients(likelihood, n)
    if not n:
        return found.points, total, local
    y, t, rows, _ = found.made_from
    worth: list[tuple[FloatArray, FloatArray | None]] = []
    for data, observed in zip(problem.data, found.moments, strict=True):
        of_all = np.zeros(y.shape[:2]), None if observed.s is None else np.zeros(y.shape[:2])
        total = total + data.constant
        for block in data.blocks:
            if len(block.rows):
                f, *slopes = _terms(data, block, observed, observed.s is not None)
                total = total + f.sum(axis=-1)
                for all_rows, slope in zip(of_all, slopes, strict=True):
                    if all_rows is not None:
                        all_rows[:, block.rows] += slope
        worth.append(of_all)
    states, names = problem.observation.pulled(y, t, rows, worth)
    gradients = pulled_points(problem, u[found.points], states)
    local[..., : gradients.shape[-1]] = gradients
    for column, share in names:
        _add(local[..., column, None], share[..., None], problem.owner)
    if (odd := _raised(likelihood, found)).any():
        points, values, slopes_there = _chained(likelihood, u[found.points[odd]], None)
        where = np.flatnonzero(odd)
        total[where], local[where] = np.nan, np.nan
        total[where[points]], local[where[points]] = values, slopes_there
    return found.points, total, local


def _no_gradients(likelihood: Likelihood, n: int) -> FloatArray:
    problem = likelihood.problem
    return np.zeros((n, len(problem.experiments), len(problem.observation.sensitive)))


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
    data: ObservableData, block: DataBlock, observed: Moments, moves: bool
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """f, df/dm and df/ds of the cells of a block at B points, [B, M] each. moves: whether df/ds is asked for."""
    family, m, s = data.family, at_rows(observed.m, block.rows), data.scale(block, observed)
    if block is not data.measured:
        tail = tail_of(family, block, m, s)
        return tail.f, tail.dm, tail.ds
    z, root = family.location(block.values, m, s)
    of_s = family.scale_slope(block.values, m, s) if moves else np.zeros_like(m)
    return family.nll(block.values, m, s), z * root, of_s


def _add(local: FloatArray, products: FloatArray, owner: IntArray) -> None:
    """Add the sums [B, M, K] over the cells of each experiment, which follow one another."""
    first = np.flatnonzero(np.diff(owner, prepend=-1))
    local[:, owner[first]] += np.add.reduceat(products, first, axis=1)
