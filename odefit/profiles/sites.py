"""The places on a profile that were computed, and where between two of them it has a given height.

Heights are measured by the signed root zeta = sqrt(2 (nll - nll at the optimum)), which of a likelihood with a normal
shape is a straight line. The slope of a profile is known without differences: it is that of the objective along what is
held, so between two places the inverse function is a cubic with known slopes.
"""

from __future__ import annotations

import math

import numpy as np

from odefit.arrays import FloatArray
from odefit.records import dataclass


@dataclass(frozen=True)
class Site:
    """The best that the other parameters can do for one value of a quantity.

    Parameters
    ----------
    position
        The quantity, on the scale that it is followed on.
    u
        [P'], the free parameters.
    value
        The objective.
    slope
        d value/d position.
    curvature
        Of the profile, by the linearised model.
    tangent
        [P'], d u/d position.
    adjustment
        What is in the value beside the objective: of a noise level (adjustment.py).
    """

    position: float
    u: FloatArray
    value: float
    slope: float
    curvature: float
    tangent: FloatArray
    adjustment: float = 0.0

    @property
    def nll(self) -> float:
        """The objective itself."""
        return self.value - self.adjustment

    def root(self, base: float) -> float:
        """zeta."""
        return math.sqrt(2 * max(self.value - base, 0.0))

    def steepness(self, base: float, way: int) -> float:
        """d zeta/d position along a way (1 or -1), by the slope; at the optimum by the curvature."""
        zeta = self.root(base)
        at_rest = math.sqrt(max(self.curvature, 0.0))
        if zeta < 1e-3:
            return at_rest
        return way * self.slope / zeta


def crossing(below: Site, above: Site, base: float, zeta: float, way: int) -> float:
    """The position between two sites where the root is `zeta`, by the cubic of the inverse function.

    Inside of the two by at least 2 % of their distance.
    """
    low, high = below.root(base), above.root(base)
    width = above.position - below.position
    share = (zeta - low) / (high - low)
    steep = [site.steepness(base, way) for site in (below, above)]
    if min(steep) > 0 and math.isfinite(max(steep)):
        first, second = (way * (high - low) / s for s in steep)
        t = share
        cubic = t * t * (3 - 2 * t) * width + t * (1 - t) ** 2 * first - t * t * (1 - t) * second
        if 0 < cubic / width < 1:
            share = cubic / width
    return below.position + float(np.clip(share, 0.02, 0.98)) * width
