"""Prior densities, each with the derivatives that an optimizer needs."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

from odefit.objective.noise.family import HALF_LOG_2PI
from odefit.objective.noise.l1 import KINK_WIDTH
from odefit.objective.prior_kinds import Density, density_of
from odefit.records import dataclass

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Prior:
    """A density of x, which is theta or its logarithm.

    A density of ln theta is not turned into one of theta: the maximum of the posterior is that of the logarithm. So a
    normal one of ln theta has its maximum at its centre; `lognormal`, the same distribution as a density of theta, at
    exp(mean - sd²). Bounds of the parameter cut a density off without rescaling it: that adds a constant to every
    value. A Laplace density is rounded off within KINK_WIDTH b of its kink, so that a search can end there.

    Parameters
    ----------
    kind
        `normal` (a: mean, b: sd), `lognormal` (median, sd of the logarithm), `laplace` (centre, scale), `uniform` (from
        a to b), `exponential` (a: rate; no b), or one of `prior_kinds.py`.
    a, b, c
        Its numbers, in the order of the config.
    on
        `natural` for a density of theta, `log` for one of ln theta.
    within
        The lowest and the highest theta between which the density integrates to one; default anywhere.
    """

    kind: str
    a: float
    b: float = 1.0
    on: str = "natural"
    c: float = 1.0
    within: tuple[float, float] = (-math.inf, math.inf)

    @cached_property
    def _other(self) -> Density | None:
        """A density of prior_kinds.py."""
        return density_of(self.kind, self.numbers)

    @property
    def numbers(self) -> tuple[float, ...]:
        """Its numbers, as many as the kind has."""
        one = ("exponential", "half_cauchy", "half_normal", "chi_square", "rayleigh")
        count = 1 if self.kind in one else 3 if self.kind == "student_t" else 2
        return (self.a, self.b, self.c)[:count]

    @cached_property
    def _mass(self) -> float:
        """ln of the probability of `within`."""
        ends = self.within
        if self.on == "log":
            ends = (math.log(ends[0]) if ends[0] > 0 else -math.inf, math.log(ends[1]) if ends[1] > 0 else -math.inf)
        if ends == (-math.inf, math.inf):
            return 0.0
        mass = mass_of(self.kind, self.a, self.b, *ends) if self._other is None else self._other.mass(*ends)
        return math.log(mass) if mass > 0 else math.nan

    @property
    def support(self) -> tuple[float, float]:
        """The lowest and the highest theta between which the density is positive."""
        low, high = (
            self._other.support
            if self._other is not None
            else {
                "lognormal": (0.0, math.inf),
                "exponential": (0.0, math.inf),
                "uniform": (self.a, self.b),
            }.get(self.kind, (-math.inf, math.inf))
        )
        return (math.exp(low), _exp(high)) if self.on == "log" else (low, high)

    @property
    def is_smooth(self) -> bool:
        """Whether the density has a derivative everywhere."""
        return self.kind != "laplace" if self._other is None else self._other.is_smooth

    def value(self, theta: float) -> float:
        """-log density at theta; +inf outside the support."""
        if self.on == "log":
            return self._value(math.log(theta)) + self._mass if theta > 0 else math.inf
        return self._value(theta) + self._mass

    def _value(self, x: float) -> float:
        a, b = self.a, self.b
        if self._other is not None:
            low, high = self._other.support
            return self._other.value(x) if low <= x <= high and math.isfinite(x) else math.inf
        # Products rather than powers: x**2 of a large float raises OverflowError, x*x is inf.
        if self.kind == "normal":
            z = (x - a) / b
            return 0.5 * z * z + self.constant
        if self.kind == "lognormal":
            if x <= 0:
                return math.inf
            log = math.log(x)
            z = (log - math.log(a)) / b
            return 0.5 * z * z + log + self.constant
        if self.kind == "laplace":
            r = abs(x - a) / b
            return (r if r > KINK_WIDTH else r * r / (2 * KINK_WIDTH) + KINK_WIDTH / 2) + self.constant
        if self.kind == "exponential":
            return a * x + self.constant if x >= 0 else math.inf
        return self.constant if a <= x <= b else math.inf

    @property
    def constant(self) -> float:
        """The part of the value that normalises the density."""
        if self.kind == "laplace":
            return math.log(2 * self.b)
        if self.kind == "uniform":
            return math.log(self.b - self.a)
        if self.kind == "exponential":
            return -math.log(self.a)
        return math.log(self.b) + HALF_LOG_2PI

    def score(self, theta: float, expected: bool = True) -> tuple[float, float]:
        """The prior's row of the score form.

        Parameters
        ----------
        theta
            Natural value.
        expected
            For a Laplace density, whether to give its information, as if theta were measured with such noise, instead
            of the curvature with which a search converges faster (`l1.touching_row`).

        Returns
        -------
        z, k
            z k = d value/d theta, and k² is a positive curvature: the exact one where it is constant, and for an
            exponential density that of the value as a function of ln theta. Both are 0 outside the support.
        """
        if self.on == "natural":
            return self._score(theta, expected)
        if theta <= 0:
            return 0.0, 0.0
        z, k = self._score(math.log(theta), expected)
        return z, k / theta

    def _score(self, x: float, expected: bool) -> tuple[float, float]:
        """The log-normal density is a square in ln x once its -ln x is completed into it:
        (ln x - mu)²/2s² + ln x = (ln x - mu + s²)²/2s² + const."""
        a, b = self.a, self.b
        if self._other is not None:
            k = self._other.root(x, expected) if math.isfinite(self._value(x)) else 0.0
            return (self._other.slope(x) / k, k) if k > 0 else (0.0, 0.0)
        if self.kind == "normal":
            return (x - a) / b, 1 / b
        if self.kind == "lognormal":
            if x <= 0:
                return 0.0, 0.0
            return (math.log(x) - math.log(a) + b * b) / b, 1 / b / x
        if self.kind == "laplace":
            r = (x - a) / b
            width = max(abs(r), KINK_WIDTH)
            if math.isinf(r):
                return math.copysign(1.0, r), 1 / b
            return (r / width, 1 / b) if expected else (r / math.sqrt(width), 1 / b / math.sqrt(width))
        if self.kind == "exponential" and x >= 0:
            k = math.sqrt(a / max(x, 1e-8 / a))
            return (a / k, k) if k > 0 else (0.0, 0.0)
        return 0.0, 0.0

    def value_tensor(self, theta: Tensor) -> Tensor:
        """The differentiable twin of `value` within the support."""
        x = theta.log() if self.on == "log" else theta
        return (self._tensor(x) if self._other is None else self._other.tensor(x)) + self._mass

    def _tensor(self, x: Tensor) -> Tensor:
        import torch

        if self.kind == "normal":
            return 0.5 * ((x - self.a) / self.b).square() + self.constant
        if self.kind == "lognormal":
            return 0.5 * ((x.log() - math.log(self.a)) / self.b).square() + x.log() + self.constant
        if self.kind == "laplace":
            r = ((x - self.a) / self.b).abs()
            return torch.where(r > KINK_WIDTH, r, r.square() / (2 * KINK_WIDTH) + KINK_WIDTH / 2) + self.constant
        if self.kind == "exponential":
            return self.a * x + self.constant
        return torch.zeros_like(x) + self.constant


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def mass_of(kind: str, a: float, b: float, low: float, high: float) -> float:
    """The probability of low < x < high under a density of this module."""
    if kind == "uniform":
        return max(min(high, b) - max(low, a), 0.0) / (b - a)
    if kind == "exponential":
        return math.exp(-a * max(low, 0.0)) - math.exp(-a * max(high, 0.0))
    if kind == "lognormal":
        low, high = ((math.log(x) if x > 0 else -math.inf) for x in (low, high))
        a = math.log(a)
    below, above = (low - a) / b, (high - a) / b
    if below > 0:
        below, above = -above, -below  # the smaller tail, where digits are not lost
    if kind == "laplace":
        return _laplace(above) - _laplace(below)
    root = math.sqrt(2)
    return 0.5 * (math.erfc(-above / root) - math.erfc(-below / root))


def _laplace(x: float) -> float:
    return 0.5 * math.exp(x) if x < 0 else 1 - 0.5 * math.exp(-x)
