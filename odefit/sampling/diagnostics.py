"""What chains of draws say of themselves: split R-hat of ranks, effective sample sizes of the bulk and of the tails.

All are computed from the two halves of each chain. R-hat compares the variance between half-chains with that within:

    R-hat² = (n - 1)/n + B/(n W),

taken of normal scores of ranks z = Phi^-1((rank - 3/8)/(S + 1/4)), and of those of |x - median|, the larger one. The
effective sample size is S/tau with tau the sum of autocorrelations, over all half-chains, up to Geyer's initial
monotone sequence; in the bulk of z, in the tails that of being at most the 5 % or the 95 % quantile, the lesser one.

References
----------
A. Vehtari, A. Gelman, D. Simpson, B. Carpenter and P.-C. Bürkner, "Rank-normalization, folding, and localization: an
improved R-hat for assessing convergence of MCMC", Bayesian Analysis 16 (2021).
C. J. Geyer, "Practical Markov chain Monte Carlo", Statistical Science 7 (1992).
"""

from __future__ import annotations

import math

import numpy as np

from odefit.arrays import FloatArray
from odefit.distributions import normal_quantile

LEAST_DRAWS = 4
"""Of a half-chain; shorter ones say nothing."""
TAILS = (0.05, 0.95)


def rank_r_hat(draws: FloatArray) -> float:
    """R-hat of draws [chains, n]: 1 where all half-chains draw from the same; NaN where that cannot be said."""
    halves = split(draws)
    if not _says(halves):
        return math.nan
    folded = np.abs(halves - np.median(halves))
    return max(_r_hat(_scores(halves)), _r_hat(_scores(folded)))


def bulk_ess(draws: FloatArray) -> float:
    """The effective number of draws [chains, n] for means and medians."""
    halves = split(draws)
    return _ess(_scores(halves)) if _says(halves) else math.nan


def tail_ess(draws: FloatArray) -> float:
    """The effective number of draws [chains, n] for quantiles of 5 % and 95 %."""
    halves = split(draws)
    if not _says(halves):
        return math.nan
    return min(_ess((halves <= float(np.quantile(halves, p))).astype(np.float64)) for p in TAILS)


def mean_ess(draws: FloatArray) -> float:
    """The effective number of draws [chains, n] for their mean, whose Monte Carlo error is sd/sqrt of it."""
    halves = split(draws)
    return _ess(halves) if _says(halves) else math.nan


def split(draws: FloatArray) -> FloatArray:
    """The first and the second half of each chain, [2 chains, n/2]; of an odd number the middle one is left out."""
    half = draws.shape[1] // 2
    return np.concatenate([draws[:, :half], draws[:, draws.shape[1] - half :]])


def _says(halves: FloatArray) -> bool:
    return halves.shape[1] >= LEAST_DRAWS and bool(np.isfinite(halves).all()) and float(np.ptp(halves)) > 0


def _scores(x: FloatArray) -> FloatArray:
    """Normal scores of the ranks of all, ties by their mean rank."""
    flat, n = x.ravel(), x.size
    _, inverse, counts = np.unique(flat, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks = (last - (counts - 1) / 2)[inverse]
    return normal_quantile((ranks - 0.375) / (n + 0.25)).reshape(x.shape)


def _r_hat(x: FloatArray) -> float:
    n = x.shape[1]
    within = float(x.var(axis=1, ddof=1).mean())
    between = float(x.mean(axis=1).var(ddof=1))
    return math.sqrt((n - 1) / n + between / within) if within > 0 else math.inf


def _ess(x: FloatArray) -> float:
    """Of chains [m, n]."""
    m, n = x.shape
    covariance = _autocovariance(x)
    within = float(covariance[:, 0].mean()) * n / (n - 1)
    total = within * (n - 1) / n + (float(x.mean(axis=1).var(ddof=1)) if m > 1 else 0.0)
    if not total > 0:
        return float(m * n)
    rho = 1 - (within - covariance.mean(axis=0)) / total
    rho[0] = 1.0
    pairs = rho[: 2 * (n // 2)].reshape(-1, 2).sum(axis=1)
    # Pairs of neighbours are positive and fall, but for noise: from the first that is not, all is noise.
    negative = np.flatnonzero(pairs < 0)
    end = int(negative[0]) if len(negative) else len(pairs)
    kept = np.minimum.accumulate(pairs[: max(end, 1)])
    tau = -1 + 2 * float(kept.sum())
    if end < len(pairs) and rho[2 * end] > 0:
        tau += float(rho[2 * end])
    tau = max(tau, 1 / math.log10(m * n))
    return float(m * n / tau)


def _autocovariance(x: FloatArray) -> FloatArray:
    """[m, n], sum over t of (x_t - mean)(x_(t + lag) - mean) over n."""
    n = x.shape[1]
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(x - x.mean(axis=1, keepdims=True), size)
    found: FloatArray = np.fft.irfft(np.abs(spectrum) ** 2, size)[:, :n] / n
    return found
