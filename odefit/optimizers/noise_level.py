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


def noise_level(values: FloatArray) -> float | None:
    """The standard deviation of the noise in values [n] at equal spacing; None where they do not show it.

    Noise gives the same estimate from each order of difference, and differences that change sign. Those of a smooth
    function fall from order to order (the spacing is too small to see noise, or there is none), or rise (it is too
    large); those of a kink or a jump are large in one place only. A value that is not finite shows nothing.
    """
    if not np.isfinite(values).all():
        return None
    second = np.abs(np.diff(values, 2))
    if np.median(second) < SPREAD * second.max():
        return None
    differences, estimates, changes = values - values[len(values) // 2], [], []
    for k in range(1, len(values) - 1):
        differences = np.diff(differences)
        scale = math.factorial(k) ** 2 / math.factorial(2 * k)
        estimates.append(math.sqrt(scale * float(np.mean(differences**2))))
        changes.append(bool((differences[1:] * differences[:-1] < 0).any()))
    for k in range(len(estimates) - 2):
        three = estimates[k : k + 3]
        if changes[k] and max(three) <= AGREEMENT * min(three):
            return three[0]
    return None
