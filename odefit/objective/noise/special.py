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


def information_ratio(x: FloatArray) -> FloatArray:
    """B(x) = (2 ln(1 + x) - (2 x + x²)/(1 + x)) / x³ for x >= 0."""
    small = np.minimum(x, MAX_SERIES_ARGUMENT)
    total = np.zeros_like(small)
    for k in range(15, 2, -1):
        total = total * small + (-1) ** (k + 1) * (2 / k - 1)
    large = np.maximum(x, MAX_SERIES_ARGUMENT)
    by_parts = (2 * np.log1p(large) - (2 + large) * large / (1 + large)) / large / large / large
    return np.where(x < MAX_SERIES_ARGUMENT, total, by_parts)


def remainder(x: FloatArray) -> FloatArray:
    """R(x): ln Gamma(x) without the main part of Stirling's formula, for x > 0."""
    large = np.maximum(x, MIN_STIRLING_ARGUMENT)
    w = 1 / (large * large)
    found = np.asarray((1 / 12 - w * (1 / 360 - w * (1 / 1260 - w * (1 / 1680 - w / 1188)))) / large)
    if (is_small := x < MIN_STIRLING_ARGUMENT).any():
        here = np.asarray(x)[is_small]
        total = np.zeros_like(here)
        # R(x) - R(x + 1) = (x + 1/2) ln(1 + 1/x) - 1, summed from the least.
        for k in reversed(range(int(MIN_STIRLING_ARGUMENT))):
            total = total + ((here + k + 0.5) * np.log1p(1 / (here + k)) - 1)
        found[is_small] = remainder(here + MIN_STIRLING_ARGUMENT) + total
    return found


def remainder_slope(x: FloatArray) -> FloatArray:
    """G(x) = x² R'(x), for x > 0."""
    large = np.maximum(x, MIN_STIRLING_ARGUMENT)
    w = 1 / (large * large)
    found = np.asarray(-1 / 12 + w * (1 / 120 - w * (1 / 252 - w * (1 / 240 - w / 132))))
    if (is_small := x < MIN_STIRLING_ARGUMENT).any():
        here = np.asarray(x)[is_small]
        total = np.zeros_like(here)
        for k in reversed(range(int(MIN_STIRLING_ARGUMENT))):
            y = here + k
            total = total + (np.log1p(1 / y) - (y + 0.5) / (y * (y + 1)))
        z = here + MIN_STIRLING_ARGUMENT
        found[is_small] = here * here * (remainder_slope(z) / (z * z) + total)
    return found


def log_factorial(y: FloatArray) -> FloatArray:
    """ln y! for y >= 0."""
    x = y + 1.0
    found: FloatArray = (y + 0.5) * np.log(x) - x + 0.5 * np.log(2 * np.pi) + remainder(x)
    return found
