"""Values and gradients of the likelihood at many points, without the curvature that a search needs: for samplers.

    d nll/d theta = sum over cells (df/dm dm/dtheta + df/ds ds/dtheta) + the same of priors

The sum over the cells of an experiment is taken before its symbols become parameters, so that no A [M, P] is made.
"""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.engines.base import Engine
from odefit.objective.likelihood import Likelihood
from odefit.objective.measurements import DataBlock, ObservableData, at_rows
from odefit.objective.observation import Moments
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
    values, gradients = np.full(len(u), np.inf), np.full(u.shape, np.nan)
    found = likelihood.moments_at(u, True, engines)
    if not len(good := found.points):
        return values, gradients
    n, width = len(good), len(problem.observation.sensitive)
    total, local = np.zeros(n), np.zeros((n, len(problem.experiments), width))
    with np.errstate(all="ignore"):
        for data, observed in zip(problem.data, found.moments, strict=True):
            total = total + data.constant
            for block in data.blocks:
                if len(block.rows):
                    f, of_m, of_s = _terms(data, block, observed)
                    total = total + f.sum(axis=-1)
                    _add(local, of_m, observed.dm, block, problem.owner)
                    _add(local, of_s, observed.ds, block, problem.owner)
        theta = np.zeros((u.shape[1] + 1, n))
        np.add.at(theta, likelihood.columns.positions.ravel(), local.reshape(n, -1).T)
        slopes = theta[:-1].T * problem.table.transforms.derivative(u[good])
    known = np.isfinite(total) & np.isfinite(slopes).all(axis=1)
    values[good] = np.where(known, total, np.inf)
    gradients[good] = np.where(known[:, None], slopes, np.nan)
    return values, gradients


def _terms(data: ObservableData, block: DataBlock, observed: Moments) -> tuple[FloatArray, FloatArray, FloatArray]:
    """f, df/dm and df/ds of the cells of a block at B points, [B, M] each."""
    family, m, s = data.family, at_rows(observed.m, block.rows), data.scale(block, observed)
    if block is not data.measured:
        tail = tail_of(family, block, m, s)
        return tail.f, tail.dm, tail.ds
    z, root = family.location(block.values, m, s)
    of_s = family.scale_slope(block.values, m, s) if observed.ds is not None else np.zeros_like(m)
    return family.nll(block.values, m, s), z * root, of_s


def _add(
    local: FloatArray, slope: FloatArray, derivatives: FloatArray | None, block: DataBlock, owner: IntArray
) -> None:
    """Add the sums over the cells of each experiment, which follow one another."""
    if derivatives is None:
        return
    own = owner[block.rows]
    first = np.flatnonzero(np.diff(own, prepend=-1))
    products = np.take(derivatives, block.rows, axis=1) * slope[..., None]
    local[:, own[first]] += np.add.reduceat(products, first, axis=1)
