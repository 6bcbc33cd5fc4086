"""The functions that a negative binomial distribution is made of (counts.py), right to the last digits everywhere."""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray

NO_DISPERSION = 1e-300
"""A dispersion that is as good as none, and has a reciprocal."""
SERIES, STIRLING = 0.05, 12.0
"""Below the one, and from the other on, a power series has all the digits."""


def log_ratio(x: FloatArray) -> FloatArray:
    """L(x) = (ln(1 + x) - x) / x² for x >= 0."""
    small = np.minimum(x, SERIES)
    total = np.zeros_like(small)
    for k in range(13, 1, -1):
        total = total * small + (-1) ** (k + 1) / k
    large = np.maximum(x, SERIES)
    return np.where(x < SERIES, total, (np.log1p(large) - large) / large / large)


def remainder(x: FloatArray) -> FloatArray:
    """R(x): ln Gamma(x) without the main part of Stirling's formula, for x > 0."""
    from scipy.special import gammaln

    large, small = np.maximum(x, STIRLING), np.minimum(x, STIRLING)
    w = 1 / (large * large)
    series = (1 / 12 - w * (1 / 360 - w * (1 / 1260 - w * (1 / 1680 - w / 1188)))) / large
    exact = gammaln(small) - (small - 0.5) * np.log(small) + small - 0.5 * np.log(2 * np.pi)
    return np.where(x >= STIRLING, series, exact)


def remainder_slope(x: FloatArray) -> FloatArray:
    """G(x) = x² R'(x), for x > 0."""
    from scipy.special import digamma

    large, small = np.maximum(x, STIRLING), np.minimum(x, STIRLING)
    w = 1 / (large * large)
    series = -1 / 12 + w * (1 / 120 - w * (1 / 252 - w * (1 / 240 - w / 132)))
    exact = small * small * (digamma(small) - np.log(small)) + small / 2
    return np.where(x >= STIRLING, series, exact)
