"""Prior densities on the natural scale, each with the derivatives that an optimizer needs."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Prior:
    """`normal` (mean, sd), `lognormal` (median, sd of the logarithm), `laplace` (centre, scale), `uniform`."""

    kind: str
    a: float
    b: float

    def value(self, theta: float) -> float:
        """-log density at theta; +inf outside the support."""
        a, b = self.a, self.b
        if self.kind == "normal":
            return 0.5 * ((theta - a) / b) ** 2 + math.log(b) + 0.5 * math.log(2 * math.pi)
        if self.kind == "lognormal":
            if theta <= 0:
                return math.inf
            x = math.log(theta)
            return 0.5 * ((x - math.log(a)) / b) ** 2 + x + math.log(b) + 0.5 * math.log(2 * math.pi)
        if self.kind == "laplace":
            return abs(theta - a) / b + math.log(2 * b)
        return math.log(b - a) if a <= theta <= b else math.inf

    def score(self, theta: float) -> tuple[float, float]:
        """(z, a) with z·a = d value/d theta and a·a a positive curvature (the exact one where it is constant).

        The log-normal density is a square in x = ln theta once its -x is completed into it:
        (x - mu)²/2s² + x = (x - mu + s²)²/2s² + const.
        """
        a, b = self.a, self.b
        if self.kind == "normal":
            return (theta - a) / b, 1 / b
        if self.kind == "lognormal":
            return (math.log(theta) - math.log(a) + b * b) / b, 1 / (b * theta)
        if self.kind == "laplace":
            return math.copysign(1.0, theta - a) if theta != a else 0.0, 1 / b
        return 0.0, 0.0
