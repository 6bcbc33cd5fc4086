"""What a distribution of measurements has to know: its density with exact derivatives, its tails, its random numbers.

A measurement d scatters around a location m with a second parameter s: a scale, or the dispersion of counts. In every
family here m and s are orthogonal (the expected Fisher information has no cross term), so each cell gives one row of
the score form (score.py) for m and one for s:

    z = (d f/d m) / sqrt(I),   A = sqrt(I) dm/du,   f = -ln p(d; m, s),   I = E[(d f/d m)²]     and the same for s.

A'z is then the exact gradient of f and A'A its expected information, whatever the family, so that Levenberg-Marquardt
is Fisher scoring for all of them.

A censored cell says only on which side of c its value lies, or between which two numbers (interval.py). With
f = -ln P(D < c), or -ln P(D > c), it gives one row:

    z = 1 / k,   A = k (f_m dm/du + f_s ds/du),   k = sqrt(max(f_mm, f_m² / 2f)) / |f_m|.

Its gradient is exact. Its curvature along m is that of f where f is convex enough, and elsewhere that of the square
(sqrt 2f)² / 2, which is positive always and right far out in a normal tail.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from odefit.arrays import FloatArray, Mask
from odefit.records import dataclass

if TYPE_CHECKING:
    from torch import Tensor

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)

Row = tuple[FloatArray, FloatArray]
"""z [M] and the factor sqrt(I) [M] that makes A of dm/du, or of ds/du."""


@dataclass(frozen=True)
class Tail:
    """Minus the logarithms of the probabilities of M censored measurements.

    Parameters
    ----------
    f
        [M], -ln P.
    dm, ds
        [M], its slopes in m and s.
    dmm
        [M], its second derivative in m, or 0.
    within
        [M], which cells lie between two numbers; None where none does.
    dms, dss
        [M], the other second derivatives of these cells; None where they are not known, or not needed.
    """

    f: FloatArray
    dm: FloatArray
    ds: FloatArray
    dmm: FloatArray
    within: Mask | None = None
    dms: FloatArray | None = None
    dss: FloatArray | None = None

    def row(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """z [M], and the factors [M] of dm/du and ds/du in A; zeros for a cell without information."""
        with np.errstate(all="ignore"):
            k = np.sqrt(np.maximum(self.dmm, self.dm**2 / (2 * np.maximum(self.f, 1e-14)))) / np.abs(self.dm)
            tells = np.isfinite(k) & (k > 0)
            k = np.where(tells, k, 0.0)
            return np.where(tells, 1 / np.where(tells, k, 1.0), 0.0), k * self.dm, k * self.ds


class Family(ABC):
    """A family of distributions; every array is [M], on the noise model's own scale (of logarithms for log-normal).

    The names have the same meaning throughout: d data, m locations, s second parameters, c limits, p probabilities.
    Where m or s is impossible the answers are NaN or infinite, never an exception. s is ignored by a family that has no
    second parameter. A new family is a subclass and a line in families.py.
    """

    has_scale: ClassVar[bool] = True
    is_count: ClassVar[bool] = False
    is_normal: ClassVar[bool] = False
    has_best_scale: ClassVar[bool] = False
    """Whether the best s for given deviations is known in closed form (`best_scale`)."""
    is_smooth: ClassVar[bool] = True
    scale_power: ClassVar[float] = 2.0
    """w: the best s^w of given residuals is a mean of their powers, about chi-square distributed over its degrees."""

    @property
    def curvature_power(self) -> float:
        """c: the mean second derivative of f in m goes with s^-c, where s is near the scale of the data at hand."""
        return 2.0

    @abstractmethod
    def nll(self, d: FloatArray, m: FloatArray, s: FloatArray) -> FloatArray:
        """-ln p(d), with all its constants."""

    @abstractmethod
    def location(self, d: FloatArray, m: FloatArray, s: FloatArray) -> Row:
        """z and sqrt(I) of m."""

    def search_location(self, d: FloatArray, m: FloatArray, s: FloatArray) -> Row:
        """As `location`, with another curvature in place of I, where a search converges faster with it."""
        return self.location(d, m, s)

    @abstractmethod
    def scale(self, d: FloatArray, m: FloatArray, s: FloatArray) -> Row:
        """z and sqrt(I) of s."""

    def scale_slope(self, d: FloatArray, m: FloatArray, s: FloatArray) -> FloatArray:
        """df/ds, where the information is not needed."""
        z, root = self.scale(d, m, s)
        return z * root

    @abstractmethod
    def tail(self, side: FloatArray, c: FloatArray, m: FloatArray, s: FloatArray) -> Tail:
        """Censored measurements.

        Parameters
        ----------
        side
            -1 where the value lies below c, 1 where it lies above. For counts, c itself is not among them.
        c
            Limits.
        m, s
            As everywhere.
        """

    @abstractmethod
    def interval(self, side: FloatArray, c: FloatArray, far: FloatArray, m: FloatArray, s: FloatArray) -> Tail:
        """Values between two numbers.

        Parameters
        ----------
        side
            -1 where far lies below c, 1 where it lies above.
        c, far
            The ends. For counts, c itself is not among them, far is.
        m, s
            As everywhere.
        """

    @abstractmethod
    def nll_tensor(self, d: Tensor, m: Tensor, s: Tensor) -> Tensor:
        """As `nll`, differentiable."""

    @abstractmethod
    def cdf(self, d: FloatArray, m: FloatArray, s: FloatArray, upper: bool = False) -> FloatArray:
        """P(D <= d); with `upper`, P(D > d) to full precision where it is small."""

    @abstractmethod
    def quantile(self, p: FloatArray | float, m: FloatArray, s: FloatArray) -> FloatArray:
        """The smallest d with P(D <= d) >= p, for 0 < p < 1."""

    @abstractmethod
    def sample(self, m: FloatArray, s: FloatArray, rng: np.random.Generator) -> FloatArray:
        """One measurement for each m and s."""

    @abstractmethod
    def deviation(self, m: FloatArray, s: FloatArray) -> FloatArray:
        """The standard deviation of D; where it is infinite, the scale."""

    def best_scale(self, deviations: FloatArray, weight: FloatArray | None = None) -> FloatArray:
        """The s [...] that minimises the sum of f, given all m - d [..., M]. weight: how often each counts."""
        raise NotImplementedError
