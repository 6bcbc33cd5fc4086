"""Residuals at given parameters, for diagnostics: Pearson's, quantile residuals, and their sums of squares.

Censored measurements have no residual.
"""

from __future__ import annotations

import math

import numpy as np

from odefit.arrays import FloatArray
from odefit.distributions import normal_quantile
from odefit.objective.likelihood import Likelihood


def residual_sum(likelihood: Likelihood, u: FloatArray) -> float:
    """The sum of squared residuals on the noise models' own scales, before division by sigma.

    These scales are logarithms for log-normal noise, and the natural one else.

    Parameters
    ----------
    likelihood
        The problem and its data.
    u
        [P], the search vector.

    Returns
    -------
    float
        NaN where the model fails.
    """
    moments = likelihood.moments(u, derivatives=False)
    if moments is None:
        return math.nan
    pairs = zip(likelihood.problem.data, moments, strict=True)
    with np.errstate(over="ignore", invalid="ignore"):
        return float(sum(np.sum((o.m[c.rows] - c.values) ** 2) for c, o in pairs))


def pearson_residuals(likelihood: Likelihood, u: FloatArray) -> list[FloatArray] | None:
    """Measured minus fitted, over the standard deviation of the measurement.

    Student's t with two degrees of freedom or fewer has none: its residuals are over the scale.

    Parameters
    ----------
    likelihood
        The problem and its data.
    u
        [P], the search vector.

    Returns
    -------
    list of arrays, or None
        [M] per observable, in the order of `FitProblem.data`; None where the model fails.
    """
    moments = likelihood.moments(u, derivatives=False)
    if moments is None:
        return None
    found = []
    with np.errstate(all="ignore"):
        for data, observed in zip(likelihood.problem.data, moments, strict=True):
            m, s = observed.m[data.rows], data.scale(data.measured, observed)
            found.append((data.values - m) / data.family.deviation(m, s))
    return found


def quantile_residuals(
    likelihood: Likelihood, u: FloatArray, rng: np.random.Generator | None = None
) -> list[FloatArray] | None:
    """The normal quantiles of F(d), which are normal for the right model, whatever the family.

    F of a count jumps; its residual is drawn between both ends of the jump, or is that of the middle without `rng`.

    Parameters
    ----------
    likelihood
        The problem and its data.
    u
        [P], the search vector.
    rng
        Draws the residuals of counts.

    Returns
    -------
    list of arrays, or None
        [M] per observable, in the order of `FitProblem.data`; None where the model fails.

    References
    ----------
    P. K. Dunn and G. K. Smyth, "Randomized quantile residuals" (1996).
    """
    moments = likelihood.moments(u, derivatives=False)
    if moments is None:
        return None
    found = []
    with np.errstate(all="ignore"):
        for data, observed in zip(likelihood.problem.data, moments, strict=True):
            family, d = data.family, data.values
            m, s = observed.m[data.rows], data.scale(data.measured, observed)
            if family.is_normal:
                found.append((d - m) / s)
                continue
            low, high = family.cdf(d, m, s), family.cdf(d, m, s, upper=True)
            if family.is_count:
                share = np.full(len(d), 0.5) if rng is None else rng.random(len(d))
                before, after = family.cdf(d - 1, m, s), family.cdf(d - 1, m, s, upper=True)
                low, high = before + share * (low - before), high + (1 - share) * (after - high)
            found.append(np.where(low < 0.5, normal_quantile(low), -normal_quantile(high)))
    return found


def chi_square(likelihood: Likelihood, u: FloatArray) -> float:
    """The sum of squares of Pearson's residuals at u [P]; NaN where the model fails."""
    residuals = pearson_residuals(likelihood, u)
    if residuals is None:
        return math.nan
    with np.errstate(over="ignore"):
        return float(sum(r @ r for r in residuals))
