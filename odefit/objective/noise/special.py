"""The functions that a negative binomial distribution is made of (counts.py), to 1e-12 and better everywhere.

On few numbers a call of NumPy costs more than what it computes: there are as few of them as that allows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from odefit.arrays import FloatArray, Mask
from odefit.objective.noise.family import HALF_LOG_2PI

NO_DISPERSION = 1e-300
"""The dispersion that stands for none; it has a reciprocal."""
MAX_SERIES_ARGUMENT = 0.01
"""Below it the power series of `log_ratio` has all digits."""
MIN_STIRLING_ARGUMENT = 12
"""From it on Stirling's series has all digits; what is less is lifted by it."""


def each_of(function: Callable[[FloatArray], FloatArray], *arrays: FloatArray) -> list[FloatArray]:
    """A function's values at several arrays, by one call."""
    found = function(np.concatenate([x.ravel() for x in arrays]))
    ends = np.cumsum([x.size for x in arrays])
    return [found[end - x.size : end].reshape(x.shape) for end, x in zip(ends.tolist(), arrays, strict=True)]


def log_ratio(x: FloatArray) -> FloatArray:
    """L(x) = (ln(1 + x) - x) / x² for x > -1."""
    is_small = np.abs(x) < MAX_SERIES_ARGUMENT
    large = np.where(is_small, 1.0, x)
    found: FloatArray = (np.log1p(large) - large) / (large * large)
    if is_small.any():
        small = x[is_small]
        total = small / 9
        for k in range(8, 2, -1):
            total = (total - (-1) ** k / k) * small
        found[is_small] = total - 0.5
    return found


def remainder(x: FloatArray) -> FloatArray:
    """R(x): ln Gamma(x) without the main part of Stirling's formula, for x > 0."""
    z, is_low = _lifted(x)
    w = 1 / (z * z)
    found: FloatArray = (1 / 12 - w * (1 / 360 - w * (1 / 1260 - w * (1 / 1680 - w / 1188)))) / z
    if is_low.any():
        low, high = x[is_low], z[is_low]
        # Gamma(x + 12) = x (x + 1) ... (x + 11) Gamma(x), and (x + j) (x + 11 - j) = x (x + 11) + j (11 - j).
        t, sixth = low * (low + 11), high * high * high
        sixth = sixth * sixth
        product = t * (t + 10) * (t + 18) * (t + 24) * (t + 28) * (t + 30)
        found[is_low] += (low - 0.5) * np.log(high / low) + np.log(sixth / product * sixth) - 12
    return found


def remainder_slope(x: FloatArray) -> FloatArray:
    """G(x) = x² R'(x), for x > 0."""
    z, is_low = _lifted(x)
    w = 1 / (z * z)
    found: FloatArray = -1 / 12 + w * (1 / 120 - w * (1 / 252 - w * (1 / 240 - w / 132)))
    if is_low.any():
        low, high = x[is_low], z[is_low]
        steps = (1 / (low[:, None] + np.arange(MIN_STIRLING_ARGUMENT))).sum(axis=-1)
        slope = found[is_low] / (high * high) + np.log(high / low) + 0.5 / low - 0.5 / high - steps
        found[is_low] = low * low * slope
    return found


def _lifted(x: FloatArray) -> tuple[FloatArray, Mask]:
    """x, by MIN_STIRLING_ARGUMENT more where it is less than that, and where it is."""
    is_low = x < MIN_STIRLING_ARGUMENT
    return np.where(is_low, x + MIN_STIRLING_ARGUMENT, x), is_low


def log_factorial(y: FloatArray) -> FloatArray:
    """ln y! for y >= 0."""
    x = y + 1.0
    found: FloatArray = (y + 0.5) * np.log(x) - x + HALF_LOG_2PI + remainder(x)
    return found
