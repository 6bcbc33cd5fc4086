"""What is added to the profile of a noise level, so that it does not think the residuals smaller than they are.

The curve was bent towards the measurements, by p parameters, and the level that fits the residuals best is too small.
The adjusted profile likelihood (D. R. Cox and N. Reid 1987, J. R. Statist. Soc. B 49:1) allows for that,

    nll(s) + ln det J(s) / 2,     J: the information in the other parameters at their best for the level s.

Of n normal residuals of a linear model that is the likelihood of s² = RSS/X, X of chi-square distribution with n - p
degrees of freedom, for which the threshold below has its coverage exactly.
"""

from __future__ import annotations

import math

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.distributions import chi_square_tails
from odefit.objective.likelihood import Likelihood
from odefit.records import dataclass
from odefit.uncertainty.noise_levels import Level

LEAST_DEGREES = 1.0


@dataclass(frozen=True)
class Adjustment:
    """ln det J / 2 of one noise level.

    Parameters
    ----------
    likelihood
        Of all parameters.
    others
        Positions in u of the parameters that J is about.
    size
        Of each of them, what its column of A is divided by.
    rank
        How many directions of them the data see.
    power
        By how much J rises where the expected information does: 1 for normal noise.
    slope
        d of it/d logarithm of the level.
    """

    likelihood: Likelihood
    others: IntArray
    size: FloatArray
    rank: int
    power: float
    slope: float

    @classmethod
    def at(
        cls, likelihood: Likelihood, u: FloatArray, others: IntArray, level: Level, power: float, tolerance: float
    ) -> Adjustment:
        """For the level at the optimum u [P]."""
        a = np.asarray(likelihood.information(u).A.dense())[:, others]
        lengths = np.linalg.norm(a, axis=0)
        size = np.where(lengths > 0, lengths, 1.0)
        s = np.linalg.svd(a / size, compute_uv=False)
        return cls(likelihood, others, size, int((s > tolerance * s.max(initial=0.0)).sum()), power, -level.taken)

    def slope_at(self, u: FloatArray, coordinate: int) -> float:
        """d of it/d the level's component of u [P], nearly."""
        table = self.likelihood.problem.table
        level = float(table.to_natural(u)[table.estimated[coordinate]])
        return self.slope * float(table.transforms.derivative(u)[coordinate]) / level

    def value(self, u: FloatArray) -> float:
        """At u [P]; NaN where the model fails."""
        here = self.likelihood.information(u)
        if not here.is_finite:
            return math.nan
        s = np.linalg.svd(here.A.dense()[:, self.others] / self.size, compute_uv=False)
        with np.errstate(divide="ignore"):
            return self.power * float(np.log(s[: self.rank]).sum())


def root_of_level(level: float, degrees: float) -> float:
    """zeta at the ends of an interval of this coverage for s, where X = RSS/s² is chi-square with these degrees.

    Twice the adjusted rise is d (x - 1 - ln x) with x = X/d of d degrees.
    """
    if degrees < LEAST_DEGREES:
        degrees = LEAST_DEGREES

    def coverage(w: float) -> float:
        low, high = (_root(w / degrees, side) for side in (-1, 1))
        return chi_square_tails(high * degrees, degrees)[0] - chi_square_tails(low * degrees, degrees)[0]

    low, high = 0.0, 1.0
    while coverage(high) < level:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if coverage(middle) < level else (low, middle)
    return math.sqrt(high)


def _root(y: float, side: int) -> float:
    """x - 1 - ln x = y, below 1 or above it."""
    low, high = (0.0, 1.0) if side < 0 else (1.0, 2 + 2 * y)
    while side > 0 and high - 1 - math.log(high) < y:
        high *= 2
    for _ in range(200):
        x = (low + high) / 2
        above = x - 1 - math.log(x) > y if x > 0 else True
        if above == (side > 0):
            high = x
        else:
            low = x
    return (low + high) / 2
