"""Further prior densities: value, slope, curvature, distribution function and tensor twin of each.

Each is a density p(x; a, b, c) with the numbers of the config. `root` is k of the score form: k² is a positive
curvature of -ln p, the exact one where that is positive everywhere (Rayleigh, half-normal), that of -ln p as a function
of ln x (gamma, log-Laplace), or the expected one of a location (Cauchy, Student's t), since the exact one is negative
far out.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from odefit.objective.noise.l1 import KINK_WIDTH

if TYPE_CHECKING:
    from torch import Tensor

LOWEST = 1e-8
"""Where a curvature that grows without end towards x = 0 stops to grow, in units of the scale."""


class Density(ABC):
    """A density of x > 0, unless it says otherwise."""

    support: tuple[float, float] = (0.0, math.inf)
    is_smooth = True

    @abstractmethod
    def value(self, x: float) -> float:
        """-ln p(x), within the support."""

    @abstractmethod
    def slope(self, x: float) -> float:
        """d value / dx."""

    @abstractmethod
    def root(self, x: float, expected: bool = True) -> float:
        """The root of a positive curvature of the value at x; see `Prior.score` for `expected`."""

    @abstractmethod
    def mass(self, low: float, high: float) -> float:
        """The probability of low < x < high."""

    @abstractmethod
    def tensor(self, x: Tensor) -> Tensor:
        """The value, differentiable."""


class StudentT(Density):
    """ln(1 + r²/df) (df + 1)/2, r = (x - centre)/scale; Cauchy's for df = 1, on one side where it is halved."""

    def __init__(self, df: float, centre: float, scale: float, halved: bool = False) -> None:
        self.df, self.centre, self.scale, self.halved = df, centre, scale, halved
        self.support = (0.0, math.inf) if halved else (-math.inf, math.inf)
        self.constant = math.lgamma(df / 2) - math.lgamma((df + 1) / 2) + 0.5 * math.log(df * math.pi)
        self.constant += math.log(scale) - (math.log(2) if halved else 0.0)

    def value(self, x: float) -> float:
        r = (x - self.centre) / self.scale
        return (self.df + 1) * math.log(math.hypot(1, r / math.sqrt(self.df))) + self.constant

    def slope(self, x: float) -> float:
        r = (x - self.centre) / self.scale
        return (self.df + 1) * r / (self.df + r * r) / self.scale

    def root(self, x: float, expected: bool = True) -> float:
        del x, expected
        return math.sqrt((self.df + 1) / (self.df + 3)) / self.scale

    def mass(self, low: float, high: float) -> float:
        a, b = ((end - self.centre) / self.scale for end in (max(low, self.support[0]), high))
        if self.df == 1:
            # The difference of two arc tangents without cancellation far out.
            mass = math.atan2(b - a, 1 + a * b) / math.pi if math.isfinite(a * b) else _atan(b) - _atan(a)
        else:
            from scipy.special import stdtr

            mass = float(stdtr(self.df, -a) - stdtr(self.df, -b) if a > 0 else stdtr(self.df, b) - stdtr(self.df, a))
        return 2 * mass if self.halved else mass

    def tensor(self, x: Tensor) -> Tensor:
        r = (x - self.centre) / self.scale
        return 0.5 * (self.df + 1) * (r.square() / self.df).log1p() + self.constant


class HalfNormal(Density):
    """r²/2, r = x/sd."""

    def __init__(self, sd: float) -> None:
        self.sd = sd
        self.constant = math.log(sd) + 0.5 * math.log(math.pi / 2)

    def value(self, x: float) -> float:
        return 0.5 * (x / self.sd) * (x / self.sd) + self.constant

    def slope(self, x: float) -> float:
        return x / self.sd / self.sd

    def root(self, x: float, expected: bool = True) -> float:
        del x, expected
        return 1 / self.sd

    def mass(self, low: float, high: float) -> float:
        a, b = (end / self.sd / math.sqrt(2) for end in (max(low, 0.0), high))
        return math.erfc(a) - math.erfc(b)

    def tensor(self, x: Tensor) -> Tensor:
        return 0.5 * (x / self.sd).square() + self.constant


class Gamma(Density):
    """x/scale - (shape - 1) ln x; chi-square with df degrees of freedom is that of shape df/2 and scale 2."""

    def __init__(self, shape: float, scale: float) -> None:
        self.shape, self.scale = shape, scale
        self.constant = math.lgamma(shape) + shape * math.log(scale)

    def value(self, x: float) -> float:
        if x <= 0:
            return self.constant if self.shape == 1 and x == 0 else math.inf
        return x / self.scale - (self.shape - 1) * math.log(x) + self.constant

    def slope(self, x: float) -> float:
        return 1 / self.scale - (self.shape - 1) / x if x > 0 else 0.0

    def root(self, x: float, expected: bool = True) -> float:
        del expected
        return 1 / math.sqrt(self.scale * max(x, LOWEST * self.scale))

    def mass(self, low: float, high: float) -> float:
        from scipy.special import gammainc, gammaincc

        a, b = (max(end, 0.0) / self.scale for end in (low, high))
        if a > self.shape:
            return float(gammaincc(self.shape, a) - gammaincc(self.shape, b))
        return float(gammainc(self.shape, b) - gammainc(self.shape, a))

    def tensor(self, x: Tensor) -> Tensor:
        return x / self.scale - (self.shape - 1) * x.log() + self.constant


class LogLaplace(Density):
    """|r| + ln x, r = (ln x - ln median)/scale: ln x has a Laplace density, rounded off as that is."""

    is_smooth = False

    def __init__(self, median: float, scale: float) -> None:
        self.centre, self.scale = math.log(median), scale
        self.constant = math.log(2 * scale)

    def value(self, x: float) -> float:
        if x <= 0:
            return math.inf
        r = abs(math.log(x) - self.centre) / self.scale
        return (r if r > KINK_WIDTH else r * r / (2 * KINK_WIDTH) + KINK_WIDTH / 2) + math.log(x) + self.constant

    def _width(self, x: float) -> tuple[float, float]:
        r = (math.log(x) - self.centre) / self.scale
        return r, max(abs(r), KINK_WIDTH)

    def slope(self, x: float) -> float:
        if x <= 0:
            return 0.0
        r, width = self._width(x)
        return (r / width / self.scale + 1) / x

    def root(self, x: float, expected: bool = True) -> float:
        if x <= 0:
            return 0.0
        return 1 / self.scale / x if expected else 1 / self.scale / x / math.sqrt(self._width(x)[1])

    def mass(self, low: float, high: float) -> float:
        a, b = ((math.log(e) - self.centre) / self.scale if e > 0 else -math.inf for e in (max(low, 0.0), high))
        if a >= 0:
            return 0.5 * (math.exp(-a) - math.exp(-b))
        return 1 - 0.5 * (math.exp(a) + math.exp(-b)) if b > 0 else 0.5 * (math.exp(b) - math.exp(a))

    def tensor(self, x: Tensor) -> Tensor:
        import torch

        r = ((x.log() - self.centre) / self.scale).abs()
        rounded = torch.where(r > KINK_WIDTH, r, r.square() / (2 * KINK_WIDTH) + KINK_WIDTH / 2)
        return rounded + x.log() + self.constant


class LogUniform(Density):
    """ln x, from low to high: ln x is uniform."""

    def __init__(self, low: float, high: float) -> None:
        self.support = (low, high)
        self.width = math.log(high) - math.log(low)

    def value(self, x: float) -> float:
        return math.log(x) + math.log(self.width) if self.support[0] <= x <= self.support[1] else math.inf

    def slope(self, x: float) -> float:
        return 1 / x if self.support[0] <= x <= self.support[1] else 0.0

    def root(self, x: float, expected: bool = True) -> float:
        """One over the standard deviation of a uniform ln x."""
        del expected
        return math.sqrt(12) / self.width / x if x > 0 else 0.0

    def mass(self, low: float, high: float) -> float:
        a, b = max(low, self.support[0]), min(high, self.support[1])
        return (math.log(b) - math.log(a)) / self.width if b > a else 0.0

    def tensor(self, x: Tensor) -> Tensor:
        return x.log() + math.log(self.width)


class Rayleigh(Density):
    """r²/2 - ln x, r = x/scale."""

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self.constant = 2 * math.log(scale)

    def value(self, x: float) -> float:
        return 0.5 * (x / self.scale) * (x / self.scale) - math.log(x) + self.constant if x > 0 else math.inf

    def slope(self, x: float) -> float:
        return x / self.scale / self.scale - 1 / x if x > 0 else 0.0

    def root(self, x: float, expected: bool = True) -> float:
        del expected
        return math.hypot(1 / self.scale, 1 / max(x, LOWEST * self.scale))

    def mass(self, low: float, high: float) -> float:
        a, b = (0.5 * (max(end, 0.0) / self.scale) ** 2 for end in (low, high))
        return math.exp(-a) - math.exp(-b)

    def tensor(self, x: Tensor) -> Tensor:
        return 0.5 * (x / self.scale).square() - x.log() + self.constant


def _atan(x: float) -> float:
    return math.atan(x) / math.pi


def density_of(kind: str, numbers: tuple[float, ...]) -> Density | None:
    """The density of a kind with its numbers; None for those of `priors.py`."""
    first, *rest = numbers
    other = rest[0] if rest else 1.0
    match kind:
        case "student_t":
            return StudentT(first, other, rest[1])
        case "cauchy":
            return StudentT(1.0, first, other)
        case "half_cauchy":
            return StudentT(1.0, 0.0, first, halved=True)
        case "half_normal":
            return HalfNormal(first)
        case "gamma":
            return Gamma(first, other)
        case "chi_square":
            return Gamma(first / 2, 2.0)
        case "log_laplace":
            return LogLaplace(first, other)
        case "log_uniform":
            return LogUniform(first, other)
        case "rayleigh":
            return Rayleigh(first)
    return None
