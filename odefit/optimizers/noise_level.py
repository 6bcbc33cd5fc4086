"""The noise of an objective along a line: what rounding and a solver's steps add to its values.

J. J. Moré and S. M. Wild, "Estimating computational noise", SIAM J. Sci. Comput. 33 (2011). The k-th differences of
values at equal spacing lose the smooth part of a function like h^k, and keep its noise: of uncorrelated noise with
standard deviation e they have the variance (2k)!/(k!)² e².
"""

from __future__ import annotations

import math

import numpy as np

from odefit.arrays import FloatArray

POINTS = 8
"""How many values an estimate takes."""

AGREEMENT = 4.0
"""Factor within which three orders of difference must agree, for the differences to be those of noise."""

SPREAD = 0.1
"""Least share of the largest second difference that half of them must have."""


def noise_levels(values: FloatArray) -> FloatArray:
    """The standard deviations [B] of the noise in values [B, n] at equal spacing; NaN where they do not show it.

    Noise gives the same estimate from each order of difference, and differences that change sign. Those of a smooth
    function fall from order to order (the spacing is too small to see noise, or there is none), or rise (it is too
    large); those of a kink or a jump are large in one place only. A value that is not finite shows nothing.
    """
    finite = np.asarray(np.isfinite(values).all(axis=1))
    values = np.where(finite[:, None], values, 0.0)
    second = np.abs(np.diff(values, 2, axis=1))
    shown = finite & (np.median(second, axis=1) >= SPREAD * second.max(axis=1))
    differences, estimates, changes = values - values[:, values.shape[1] // 2, None], [], []
    for k in range(1, values.shape[1] - 1):
        differences = np.diff(differences, axis=1)
        scale = math.factorial(k) ** 2 / math.factorial(2 * k)
        estimates.append(np.sqrt(scale * np.square(differences).mean(axis=1)))
        changes.append((differences[:, 1:] * differences[:, :-1] < 0).any(axis=1))
    found = np.full(len(values), np.nan)
    for k in reversed(range(len(estimates) - 2)):  # the first order that agrees with the next two
        three = np.stack(estimates[k : k + 3])
        agrees = changes[k] & (three.max(axis=0) <= AGREEMENT * three.min(axis=0))
        found = np.where(shown & agrees, three[0], found)
    return found
