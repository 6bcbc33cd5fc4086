"""The functions that a negative binomial distribution is made of (counts.py), right to the last digits everywhere."""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray

NO_DISPERSION = 1e-300
"""The dispersion that stands for none; it has a reciprocal."""
MAX_SERIES_ARGUMENT = 0.05
"""Below it the power series of `log_ratio` has all digits."""
MIN_STIRLING_ARGUMENT = 12.0
"""From it on Stirling's series has all digits."""


def log_ratio(x: FloatArray) -> FloatArray:
    """L(x) = (ln(1 + x) - x) / x² for x >= 0."""
    small = np.minimum(x, MAX_SERIES_ARGUMENT)
    total = np.zeros_like(small)
    for k in range(13, 1, -1):
        total = total * small + (-1) ** (k + 1) / k
    large = np.maximum(x, MAX_SERIES_ARGUMENT)
    return np.where(x < MAX_SERIES_ARGUMENT, total, (np.log1p(large) - large) / large / large)


def remainder(x: FloatArray) -> FloatArray:
    """R(x): ln Gamma(x) without the main part of Stirling's formula, for x > 0."""
    from scipy.special import gammaln

    large, small = np.maximum(x, MIN_STIRLING_ARGUMENT), np.minimum(x, MIN_STIRLING_ARGUMENT)
    w = 1 / (large * large)
    series = (1 / 12 - w * (1 / 360 - w * (1 / 1260 - w * (1 / 1680 - w / 1188)))) / large
    exact = gammaln(small) - (small - 0.5) * np.log(small) + small - 0.5 * np.log(2 * np.pi)
    return np.where(x >= MIN_STIRLING_ARGUMENT, series, exact)


def remainder_slope(x: FloatArray) -> FloatArray:
    """G(x) = x² R'(x), for x > 0."""
    from scipy.special import digamma

    large, small = np.maximum(x, MIN_STIRLING_ARGUMENT), np.minimum(x, MIN_STIRLING_ARGUMENT)
    w = 1 / (large * large)
    series = -1 / 12 + w * (1 / 120 - w * (1 / 252 - w * (1 / 240 - w / 132)))
    exact = small * small * (digamma(small) - np.log(small)) + small / 2
    return np.where(x >= MIN_STIRLING_ARGUMENT, series, exact)
