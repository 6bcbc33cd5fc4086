"""The scales of a parameter: natural value theta <-> search value u.

    linear  u = theta
    log     u = ln theta
    logit   u = ln((theta - low) / (high - theta))

Search values are what optimizers move; everything that a user reads is natural.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from odefit.data.experiments import FloatArray

SCALES = ("linear", "log", "logit")


@dataclass(frozen=True)
class Transforms:
    """One scale per parameter, applied to vectors [P] in one go.

    scales: [P] names; lower, upper: [P] natural bounds (infinite where there are none).
    """

    scales: tuple[str, ...]
    lower: FloatArray
    upper: FloatArray

    @cached_property
    def _log(self) -> NDArray[np.intp]:
        return np.array([i for i, scale in enumerate(self.scales) if scale == "log"], dtype=np.intp)

    @cached_property
    def _logit(self) -> NDArray[np.intp]:
        return np.array([i for i, scale in enumerate(self.scales) if scale == "logit"], dtype=np.intp)

    def natural(self, u: FloatArray) -> FloatArray:
        """theta(u), [P]."""
        theta = np.array(u, dtype=np.float64)
        with np.errstate(over="ignore"):
            theta[self._log] = np.exp(theta[self._log])
            k = self._logit
            theta[k] = self.lower[k] + (self.upper[k] - self.lower[k]) / (1 + np.exp(-theta[k]))
        return theta

    def search(self, theta: FloatArray) -> FloatArray:
        """u(theta), [P]; -inf or inf at an open end of a log or logit scale."""
        u = np.array(theta, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            u[self._log] = np.log(u[self._log])
            k = self._logit
            u[k] = np.log((theta[k] - self.lower[k]) / (self.upper[k] - theta[k]))
        return u

    def derivative(self, u: FloatArray) -> FloatArray:
        """d theta / d u, [P]."""
        slope = np.ones(len(u))
        with np.errstate(over="ignore"):
            slope[self._log] = np.exp(u[self._log])
            k = self._logit
            s = 1 / (1 + np.exp(-u[k]))
            slope[k] = (self.upper[k] - self.lower[k]) * s * (1 - s)
        return slope

    def search_bounds(self) -> tuple[FloatArray, FloatArray]:
        """The bounds in search space, [P] each; a logit scale has none left."""
        return self.search(self.lower), self.search(self.upper)
