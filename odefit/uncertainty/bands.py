"""How sure we are of a predicted curve: the delta method on the noise model's own scale.

For the prediction m(u) = T(g) of one observable at one time, with slopes dm/du [P] and the covariance C of u,

    var m = (dm/du) C (dm/du)',    band = T^-1(m -+ q sqrt(var m)),
    wider band, for a new measurement = T^-1(m -+ q sqrt(var m + s²)),

with q the quantile of Student's t. T is the logarithm for log-normal noise, so such a band stays positive.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from odefit.data.experiments import Experiment, FloatArray
from odefit.errors import SolveError
from odefit.objective.likelihood import Likelihood
from odefit.objective.problem import Problem
from odefit.uncertainty.intervals import quantile


@dataclass(frozen=True)
class Band:
    """Limits of one experiment's observables at its times, [T, O] each, natural scale.

    low, high: of the curve. noise_low, noise_high: of a new measurement; NaN where the noise level is known
    for measured cells only. All are NaN for an observable that depends on a parameter without a variance.
    """

    low: FloatArray
    high: FloatArray
    noise_low: FloatArray
    noise_high: FloatArray


def prediction_bands(
    problem: Problem,
    theta: FloatArray,
    covariance: FloatArray,
    experiments: Sequence[Experiment],
    level: float = 0.95,
    *,
    degrees: float = math.inf,
) -> list[Band]:
    """Bands of pointwise coverage `level` around the predictions at theta [N].

    covariance: [P, P] in search space; NaN in the rows and columns of parameters without a variance, which is
    no matter for an observable that does not depend on them. experiments: as many as the problem has, at the
    wanted times (`Experiment.at`). degrees: of freedom of the noise estimate. Raises SolveError where the
    model cannot be solved with sensitivities.
    """
    likelihood = Likelihood(replace(problem, experiments=tuple(experiments)))
    moments = likelihood.moments(problem.table.search(theta), derivatives=True)
    if moments is None:
        raise SolveError(likelihood.failure or "the model could not be differentiated")
    known = ~np.isnan(np.diag(covariance))
    c, q = covariance[np.ix_(known, known)], quantile(level, degrees)
    # [curve or measurement, lower or upper, all times of all experiments, observable]
    limits = np.empty((2, 2, sum(len(e.times) for e in experiments), len(moments)))
    for column, (name, observed) in enumerate(zip(problem.observation.names, moments, strict=True)):
        variance = np.zeros(len(observed.m))
        if observed.dm is not None:
            variance = np.einsum("ri,ij,rj->r", observed.dm[:, known], c, observed.dm[:, known])
            if observed.dm[:, ~known].any():
                variance[:] = np.nan
        noise = np.nan if observed.s is None else np.asarray(observed.s, dtype=np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            # Rounding may leave a variance that is zero in truth a trifle below it.
            width = q * np.sqrt(np.stack([np.maximum(variance, 0.0), np.maximum(variance, 0.0) + noise**2]))
            both = np.stack([observed.m - width, observed.m + width], axis=1)
            limits[..., column] = np.exp(both) if problem.observation.noise[name].is_log else both
    cuts = np.cumsum([len(e.times) for e in experiments])[:-1]
    return [Band(part[0, 0], part[0, 1], part[1, 0], part[1, 1]) for part in np.split(limits, cuts, axis=2)]
