"""Prior densities on the natural scale, each with the derivatives that an optimizer needs."""

from __future__ import annotations

import math
from dataclasses import dataclass

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@dataclass(frozen=True)
class Prior:
    """`normal` (mean, sd), `lognormal` (median, sd of the logarithm), `laplace` (centre, scale), `uniform`.

    Bounds of the parameter cut a density off without rescaling it: that adds a constant to every value.
    """

    kind: str
    a: float
    b: float

    def value(self, theta: float) -> float:
        """-log density at theta; +inf outside the support."""
        a, b = self.a, self.b
        # Products rather than powers: x**2 of a large float raises OverflowError, x*x is inf.
        if self.kind == "normal":
            z = (theta - a) / b
            return 0.5 * z * z + self.constant
        if self.kind == "lognormal":
            if theta <= 0:
                return math.inf
            x = math.log(theta)
            z = (x - math.log(a)) / b
            return 0.5 * z * z + x + self.constant
        if self.kind == "laplace":
            return abs(theta - a) / b + self.constant
        return self.constant if a <= theta <= b else math.inf

    @property
    def constant(self) -> float:
        """The part of the value that normalises the density."""
        if self.kind == "laplace":
            return math.log(2 * self.b)
        if self.kind == "uniform":
            return math.log(self.b - self.a)
        return math.log(self.b) + HALF_LOG_2PI

    def score(self, theta: float) -> tuple[float, float]:
        """(z, a) with z·a = d value/d theta and a·a a positive curvature (the exact one where it is constant).

        The log-normal density is a square in x = ln theta once its -x is completed into it:
        (x - mu)²/2s² + x = (x - mu + s²)²/2s² + const. Both are 0 outside the support.
        """
        a, b = self.a, self.b
        if self.kind == "normal":
            return (theta - a) / b, 1 / b
        if self.kind == "lognormal":
            if theta <= 0:
                return 0.0, 0.0
            return (math.log(theta) - math.log(a) + b * b) / b, 1 / b / theta
        if self.kind == "laplace":
            return math.copysign(1.0, theta - a) if theta != a else 0.0, 1 / b
        return 0.0, 0.0
