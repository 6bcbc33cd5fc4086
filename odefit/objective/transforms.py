"""The scales of a parameter: natural value theta <-> search value u.

    linear  u = theta
    log     u = ln theta
    logit   u = ln((theta - low) / (high - theta))

Search values are what optimizers move; everything that a user reads is natural.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.records import dataclass

SCALES = ("linear", "log", "logit")
"""The names of all scales."""


@dataclass(frozen=True)
class Transforms:
    """One scale per parameter, applied to vectors [..., P] in one go: one vector, or one for each of many points.

    Parameters
    ----------
    scales
        [P] names, see `SCALES`.
    lower, upper
        [P] natural bounds; infinite where there are none.
    """

    scales: tuple[str, ...]
    lower: FloatArray
    upper: FloatArray

    @cached_property
    def _log(self) -> IntArray:
        return np.array([i for i, scale in enumerate(self.scales) if scale == "log"], dtype=np.intp)

    @cached_property
    def _logit(self) -> IntArray:
        return np.array([i for i, scale in enumerate(self.scales) if scale == "logit"], dtype=np.intp)

    @cached_property
    def _exponents(self) -> IntArray | slice:
        """Where the search value is a logarithm; everywhere, in most fits, which needs no copy."""
        return slice(None) if len(self._log) == len(self.scales) else self._log

    def to_natural(self, u: FloatArray) -> FloatArray:
        """theta(u), [..., P]; within its bounds, and exactly on one, wherever u is."""
        theta = np.array(u, dtype=np.float64)
        with np.errstate(over="ignore"):
            theta[..., self._exponents] = np.exp(theta[..., self._exponents])
            if len(k := self._logit):
                theta[..., k] = self.lower[k] + (self.upper[k] - self.lower[k]) * _sigmoid(theta[..., k])
        return self._within(theta, u) if len(self._log) or len(self._logit) else theta

    def _within(self, theta: FloatArray, u: FloatArray) -> FloatArray:
        """theta without the rounding at its bounds: exp(ln 10) is 10.000000000000002, which a prior on [1, 10]
        would call impossible. A u outside of its bounds, the end of an interval maybe, stays outside."""
        low, high = self._ends
        lower, upper = self._natural_ends
        within, limited = (u > low) & (u < high), np.minimum(np.maximum(theta, lower), upper)
        if within.all():
            return limited
        theta = np.where(within, limited, theta)
        return np.where(u == low, lower, np.where(u == high, upper, theta))

    def to_search(self, theta: FloatArray) -> FloatArray:
        """u(theta), [..., P]; -inf or inf at an open end of a log or logit scale, NaN beyond it."""
        u = np.array(theta, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            u[..., self._log] = np.log(u[..., self._log])
            k = self._logit
            u[..., k] = np.log((theta[..., k] - self.lower[k]) / (self.upper[k] - theta[..., k]))
        return u

    def derivative(self, u: FloatArray) -> FloatArray:
        """d theta / d u, [..., P]."""
        slope = np.ones(u.shape)
        with np.errstate(over="ignore"):
            slope[..., self._exponents] = np.exp(u[..., self._exponents])
            if len(k := self._logit):
                # Not s (1 - s), which is 0 from u = 37 on.
                slope[..., k] = (self.upper[k] - self.lower[k]) * _sigmoid(u[..., k]) * _sigmoid(-u[..., k])
        return slope

    def log_derivative(self, u: FloatArray) -> FloatArray:
        """ln(d theta / d u), [P]; right where the derivative itself would be 0 or infinite."""
        logarithm = np.zeros(len(u))
        logarithm[self._log] = u[self._log]
        if len(k := self._logit):
            logarithm[k] = np.log(self.upper[k] - self.lower[k]) - np.abs(u[k]) - 2 * np.log1p(np.exp(-np.abs(u[k])))
        return logarithm

    def log_derivative_slope(self, u: FloatArray) -> FloatArray:
        """d ln(d theta / d u) / d u, [P]."""
        slope = np.zeros(len(u))
        slope[self._log] = 1.0
        slope[self._logit] = _sigmoid(-u[self._logit]) - _sigmoid(u[self._logit])
        return slope

    def search_bounds(self) -> tuple[FloatArray, FloatArray]:
        """The bounds in search space, [P] each; a logit scale has none left."""
        low, high = self._ends
        return low.copy(), high.copy()

    @cached_property
    def _natural_ends(self) -> tuple[FloatArray, FloatArray]:
        """The natural bounds; a log scale ends at 0, whether or not they say so."""
        lower = np.array(self.lower, dtype=np.float64)
        lower[self._log] = np.maximum(lower[self._log], 0.0)
        return lower, np.array(self.upper, dtype=np.float64)

    @cached_property
    def _ends(self) -> tuple[FloatArray, FloatArray]:
        lower, upper = self._natural_ends
        return self.to_search(lower), self.to_search(upper)


def _sigmoid(x: FloatArray) -> FloatArray:
    """1 / (1 + exp(-x)) without overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, e) / (1.0 + e)
