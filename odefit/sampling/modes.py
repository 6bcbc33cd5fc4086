"""Where the posterior is high: the optimum of the fit and what else its starts have found, each with its curvature."""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray
from odefit.fitting.run import Run
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.runs import folder as files
from odefit.sampling.density import Posterior
from odefit.sampling.mixture import Mixture
from odefit.status import Status

MARGIN = 1e-3
"""The share of the box by which a mode keeps away from bounds."""
WITHIN = 8.0
"""Log-likelihood units above the best, beyond which another optimum has no weight."""
APART = 4.0
"""Standard deviations between two modes, below which they are one."""
MOST_MODES = 12
FARTHEST = 10.0
"""Typical sizes of a parameter: how far it may move where nothing says where it is."""
FIRST_COLUMNS = 8
"""Of starts.csv, before the parameters."""


def modes_of(run: Run, posterior: Posterior) -> Mixture:
    """The mixture of normal approximations at all optima of a fit. Raises ValueError where the model fails there."""
    likelihood = posterior.likelihood
    best = likelihood.problem.table.to_search(run.theta)
    means, roots, heights = list[FloatArray](), list[FloatArray](), list[float]()
    for u in [best, *_others(run, likelihood)]:
        v = posterior.box.outside(u[None], MARGIN)[0]
        if means and Mixture.normal(means, roots, heights).distances(v).min() < APART**2:
            continue
        logp, _ = posterior.evaluate(v[None], [0])
        root = _root(posterior, v)
        if root is None or not np.isfinite(logp[0]):
            continue
        means.append(v)
        roots.append(root)
        heights.append(float(logp[0]))
        if len(means) == MOST_MODES:
            break
    if not means:
        raise ValueError(likelihood.failure or "the posterior density at the estimates is 0")
    return Mixture.normal(means, roots, heights)


def _root(posterior: Posterior, v: FloatArray) -> FloatArray | None:
    """The root of the inverse curvature of -ln p at v [P], lower triangular; None where it cannot be had."""
    likelihood, table = posterior.likelihood, posterior.likelihood.problem.table
    u, slope, _ = posterior.box.inside(v[None])
    found = likelihood.information(u[0])
    if not found.is_finite:
        return None
    a = found.A.dense() * slope[0]
    bounded = np.isfinite(posterior.box.lower) | np.isfinite(posterior.box.upper)
    reach = FARTHEST * np.where(bounded, 1.0, table.sizes)
    curvature = a.T @ a + np.diag(posterior.box.curvature(v[None])[0] + 1 / reach**2)
    size = 1 / np.sqrt(np.diag(curvature))
    try:
        inverse = np.linalg.inv(curvature * np.outer(size, size))
        return np.asarray(size[:, None] * np.linalg.cholesky((inverse + inverse.T) / 2))
    except np.linalg.LinAlgError:
        return np.diag(size)


def _others(run: Run, likelihood: Likelihood) -> list[FloatArray]:
    """The other optima of the starts that lie not much higher than the best, u [P] each, best first."""
    rows, profile = run.rows(files.STARTS), ProfileLikelihood(likelihood)
    table = likelihood.problem.table
    names = tuple(table.estimated_names[k] for k in profile.free)
    if rows is None or tuple(rows.header[FIRST_COLUMNS:]) != names:
        return []
    status, objective = rows.text(1), rows.numbers(2)
    values = np.stack([rows.numbers(FIRST_COLUMNS + k) for k in range(len(names))], axis=1)
    theta = np.tile(table.values, (len(values), 1))
    theta[:, table.estimated[profile.free]] = values
    known = np.isfinite(objective) & np.isfinite(theta).all(axis=1)
    known &= np.array([s == Status.CONVERGED for s in status], dtype=bool)
    if not known.any():
        return []
    chosen = np.flatnonzero(known & (objective <= objective[known].min() + WITHIN))
    chosen = chosen[np.argsort(objective[chosen], kind="stable")]
    return list(profile.lift_many(table.to_search(theta[chosen])[:, profile.free]))
