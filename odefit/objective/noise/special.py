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
    large = np.maximum(x, MAX_SERIES_ARGUMENT)
    closed = (np.log1p(large) - large) / large / large
    return _with_series(x, closed, [(-1) ** (k + 1) / k for k in range(13, 1, -1)])


def information_ratio(x: FloatArray) -> FloatArray:
    """B(x) = (2 ln(1 + x) - (2 x + x²)/(1 + x)) / x³ for x >= 0."""
    large = np.maximum(x, MAX_SERIES_ARGUMENT)
    closed = (2 * np.log1p(large) - (2 + large) * large / (1 + large)) / large / large / large
    return _with_series(x, closed, [(-1) ** (k + 1) * (2 / k - 1) for k in range(15, 2, -1)])


def _with_series(x: FloatArray, closed: FloatArray, coefficients: list[float]) -> FloatArray:
    """What a closed form gives at x, and a power series, the highest power first, where x is small."""
    found, is_small = np.asarray(closed), np.asarray(x < MAX_SERIES_ARGUMENT)
    if is_small.any():
        small = np.asarray(x)[is_small]
        total = np.zeros_like(small)
        for coefficient in coefficients:
            total = total * small + coefficient
        found[is_small] = total
    return found


def remainder(x: FloatArray) -> FloatArray:
    """R(x): ln Gamma(x) without the main part of Stirling's formula, for x > 0."""
    large = np.maximum(x, MIN_STIRLING_ARGUMENT)
    w = 1 / (large * large)
    found = np.asarray((1 / 12 - w * (1 / 360 - w * (1 / 1260 - w * (1 / 1680 - w / 1188)))) / large)
    if (is_small := x < MIN_STIRLING_ARGUMENT).any():
        here = np.asarray(x)[is_small]
        # R(x) - R(x + 1) = (x + 1/2) ln(1 + 1/x) - 1, summed from the least.
        y = _steps_up(here)
        found[is_small] = remainder(here + MIN_STIRLING_ARGUMENT) + ((y + 0.5) * np.log1p(1 / y) - 1).sum(axis=-1)
    return found


def remainder_slope(x: FloatArray) -> FloatArray:
    """G(x) = x² R'(x), for x > 0."""
    large = np.maximum(x, MIN_STIRLING_ARGUMENT)
    w = 1 / (large * large)
    found = np.asarray(-1 / 12 + w * (1 / 120 - w * (1 / 252 - w * (1 / 240 - w / 132))))
    if (is_small := x < MIN_STIRLING_ARGUMENT).any():
        here = np.asarray(x)[is_small]
        y, z = _steps_up(here), here + MIN_STIRLING_ARGUMENT
        total = (np.log1p(1 / y) - (y + 0.5) / (y * (y + 1))).sum(axis=-1)
        found[is_small] = here * here * (remainder_slope(z) / (z * z) + total)
    return found


def _steps_up(x: FloatArray) -> FloatArray:
    """x [M] and all that lies whole steps above it, to where Stirling's series begins, the highest first, [M, n]."""
    return x[:, None] + np.arange(MIN_STIRLING_ARGUMENT)[::-1]


def log_factorial(y: FloatArray) -> FloatArray:
    """ln y! for y >= 0."""
    x = y + 1.0
    found: FloatArray = (y + 0.5) * np.log(x) - x + 0.5 * np.log(2 * np.pi) + remainder(x)
    return found
