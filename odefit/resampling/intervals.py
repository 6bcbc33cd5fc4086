"""Intervals from estimates of data sets drawn anew, q* of B samples, on the scale of the quantity.

With q the estimate, q0 what the samples were drawn with (q but for the bias of noise levels), d = q* - q0 and its
quantiles d_p, an interval of level 1 - 2 a is

percentile    q*_a ... q*_(1-a)
basic         q - d_(1-a) ... q - d_a
bca           q + d_a1 ... q + d_a2,   a1 = Phi(z0 + (z0 + z_a)/(1 - c (z0 + z_a))), a2 alike with z_(1-a),
              Phi(z0) the share of samples with d < 0, c the acceleration (B. Efron 1987)
studentized   q - s t_(1-a) ... q - s t_a,   t = d/s*, with the standard errors s of q and s* of each q*

The last one knows that the noise is estimated, too, and that errors grow with the estimate: of a linear model with
normal noise it is Student's interval. It is not known where more than a few samples have no standard error (an estimate
on a bound): bca stands in.

References
----------
B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap" (1993), chapters 12 to 14.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np

from odefit.arrays import FloatArray
from odefit.distributions import normal_quantile
from odefit.records import dataclass

IntervalKind = Literal["studentized", "bca", "basic", "percentile"]
KINDS: tuple[IntervalKind, ...] = ("studentized", "bca", "basic", "percentile")
MOST_WITHOUT = 0.05
"""The share of samples without a standard error beyond which there is no studentized interval."""
LEAST_SAMPLES = 20
"""Fewer samples have no interval."""


@dataclass(frozen=True)
class Scatter:
    """One quantity in all samples, on its own scale.

    Parameters
    ----------
    estimate
        q.
    drawn_with
        q0.
    error
        s; NaN where it is not known.
    values, errors
        [B], q* and s*; NaN where a sample has none.
    acceleration
        c.
    """

    estimate: float
    drawn_with: float
    error: float
    values: FloatArray
    errors: FloatArray
    acceleration: float

    def intervals(self, level: float) -> Mapping[IntervalKind, tuple[float, float]]:
        """Those of every kind that can be had, on the scale of the quantity."""
        known = np.isfinite(self.values)
        values = self.values[known]
        if len(values) < LEAST_SAMPLES or not math.isfinite(self.estimate):
            return {}
        d, a = values - self.drawn_with, (1 - level) / 2
        low, high = _quantiles(d, a), _quantiles(d, 1 - a)
        found: dict[IntervalKind, tuple[float, float]] = {}
        with np.errstate(all="ignore"):
            t = d / self.errors[known]
        usable = np.isfinite(t)
        if self.error > 0 and len(t) - usable.sum() <= MOST_WITHOUT * len(t):
            t = t[usable]
            found["studentized"] = (
                self.estimate - self.error * _quantiles(t, 1 - a),
                self.estimate - self.error * _quantiles(t, a),
            )
        first, last = self._corrected(d, a), self._corrected(d, 1 - a)
        found["bca"] = self.estimate + _quantiles(d, first), self.estimate + _quantiles(d, last)
        found["basic"] = self.estimate - high, self.estimate - low
        found["percentile"] = self.drawn_with + low, self.drawn_with + high
        return found

    def _corrected(self, d: FloatArray, a: float) -> float:
        """The share that stands for a, by bias and acceleration."""
        n = len(d)
        share = (np.count_nonzero(d < 0) + 0.5 * np.count_nonzero(d == 0)) / n
        z0, z = normal_quantile(np.array([min(max(share, 0.5 / n), 1 - 0.5 / n), a])).tolist()
        rest = 1 - self.acceleration * (z0 + z)
        moved = z0 + (z0 + z) / rest if rest > 0 else math.copysign(math.inf, z)
        return 0.5 * math.erfc(-moved / math.sqrt(2))


def _quantiles(values: FloatArray, p: float) -> float:
    """The p-quantile, i/(B + 1) being the share below the i-th of B sorted values."""
    return float(np.quantile(values, min(max(p, 0.0), 1.0), method="weibull"))


def influences(a: FloatArray, z: FloatArray, slopes: FloatArray) -> FloatArray:
    """How much each row of the score form moves each quantity, [M, K]: -A_i z_i (A'A)^-1 g.

    Parameters
    ----------
    a, z
        [M, P] and [M], at the optimum.
    slopes
        [K, P], g of every quantity.
    """
    return -(a * z[:, None]) @ _inverse(a) @ slopes.T


def unit_influences(gradients: FloatArray, a: FloatArray, slopes: FloatArray) -> FloatArray:
    """The same of cases, [U, K], from the gradients [U, P] of their parts of the objective."""
    return -gradients @ _inverse(a) @ slopes.T


def acceleration(moves: FloatArray) -> FloatArray:
    """A sixth of the skewness of influences [M, K], [K]."""
    square = np.sum(moves**2, axis=0)
    with np.errstate(all="ignore"):  # of huge or vanishing moves there is no power
        skewness = np.sum(moves**3, axis=0) / (6 * np.maximum(square, 1e-300) ** 1.5)
    return np.where((square > 0) & np.isfinite(skewness), skewness, 0.0)


def _inverse(a: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.pinv(a.T @ a, rcond=1e-12, hermitian=True))
