"""Families of the form D = m + s X, with X symmetric around zero: normal, Laplace and Student's t.

With r = (m - d) / s and h(r) = -ln p of X, f = h(r) + ln s. A censored cell depends on one number,
x = -side (c - m) / s, through f(x) = -ln F(x), F being the distribution function of X:

    f' = -p(x)/F(x) = -q,     f'' = q (q + v),   v = -p'(x)/p(x).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from odefit.arrays import FloatArray
from odefit.distributions import normal_quantile
from odefit.objective.noise.family import HALF_LOG_2PI, Family, Row, Tail
from odefit.objective.noise.interval import between
from odefit.objective.noise.l1 import KINK_WIDTH, information_row, soft_abs, touching_row
from odefit.records import dataclass

if TYPE_CHECKING:
    from torch import Tensor

SQRT_2 = math.sqrt(2)
MIN_PROBABILITY = 1e-200
"""The probability of a tail of Student's t below which its series is summed instead."""
MAX_ROUNDS = 20
"""The most rounds of the fixed point for the scale of Laplace noise."""


class LocationScale(Family):
    """What the three have in common: everything but the distribution of X.

    The methods are those of `Family`, where they are documented.
    """

    def cdf(self, d: FloatArray, m: FloatArray, s: FloatArray, upper: bool = False) -> FloatArray:
        x = (d - m) / s
        return np.exp(self.log_cdf(-x if upper else x)[0])

    def quantile(self, p: FloatArray | float, m: FloatArray, s: FloatArray) -> FloatArray:
        return m + s * self.standard_quantile(np.asarray(p, dtype=np.float64))

    def sample(self, m: FloatArray, s: FloatArray, rng: np.random.Generator) -> FloatArray:
        return m + s * self.standard_sample(np.broadcast_shapes(np.shape(m), np.shape(s)), rng)

    def tail(self, side: FloatArray, c: FloatArray, m: FloatArray, s: FloatArray) -> Tail:
        x = -side * (c - m) / s
        with np.errstate(all="ignore"):
            log_f, q, second = self.log_cdf(x)
            return Tail(-log_f, -q * side / s, q * x / s, second / s**2)

    def interval(self, side: FloatArray, c: FloatArray, far: FloatArray, m: FloatArray, s: FloatArray) -> Tail:
        return between(self.log_cdf, np.where(side < 0, far, c), np.where(side < 0, c, far), m, s)

    @abstractmethod
    def log_cdf(self, x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """ln F(x), q = p(x)/F(x) and q (q + v), which is -(ln F)''; [M] each, right in both tails."""

    @abstractmethod
    def standard_quantile(self, p: FloatArray) -> FloatArray:
        """The p-quantile of X."""

    @abstractmethod
    def standard_sample(self, shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
        """Random numbers distributed as X."""


class Gaussian(LocationScale):
    """h = r²/2 + ln(2 pi)/2; I = 1/s² and 2/s²."""

    has_best_scale = True
    is_normal = True

    def cdf(self, d: FloatArray, m: FloatArray, s: FloatArray, upper: bool = False) -> FloatArray:
        from scipy.special import ndtr

        x = (d - m) / s
        return np.asarray(ndtr(-x if upper else x))

    def nll(self, d: FloatArray, m: FloatArray, s: FloatArray) -> FloatArray:
        r = (m - d) / s
        return 0.5 * (r * r) + np.log(s) + HALF_LOG_2PI

    def location(self, d: FloatArray, m: FloatArray, s: FloatArray) -> Row:
        return (m - d) / s, 1 / s

    def scale(self, d: FloatArray, m: FloatArray, s: FloatArray) -> Row:
        r = (m - d) / s
        return (1 - r * r) / SQRT_2, SQRT_2 / s

    def nll_tensor(self, d: Tensor, m: Tensor, s: Tensor) -> Tensor:
        return 0.5 * ((m - d) / s).square() + s.log() + HALF_LOG_2PI

    def best_scale(self, deviations: FloatArray, weight: FloatArray | None = None) -> FloatArray:
        squares = np.square(deviations)
        if weight is not None:
            return np.asarray(np.sqrt((weight * squares).sum(axis=-1) / weight.sum(axis=-1)))
        return np.asarray(np.sqrt(squares.sum(axis=-1) / deviations.shape[-1]))

    def log_cdf(self, x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        from scipy.special import erfcx, log_ndtr

        # On the right p/F by its definition, on the left by the scaled error function: there p and F are both 0.
        right = np.exp(-0.5 * x * x - HALF_LOG_2PI - log_ndtr(np.maximum(x, 0)))
        left = math.sqrt(2 / math.pi) / erfcx(np.maximum(-x, 0) / SQRT_2)
        q = np.where(x > 0, right, left)
        # 1 - 1/x² far on the left, where q + x is a difference of large numbers.
        second = np.where(x < -1e4, 1.0, q * (q + x))
        return np.asarray(log_ndtr(x)), q, second

    def standard_quantile(self, p: FloatArray) -> FloatArray:
        return normal_quantile(p)

    def standard_sample(self, shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
        return rng.standard_normal(shape)

    def deviation(self, m: FloatArray, s: FloatArray) -> FloatArray:
        del m
        return s


class Laplace(LocationScale):
    """h = |r| + ln 2; I = 1/s² for both. |r| is rounded off within 1e-5 of its kink (l1.py)."""

    has_best_scale = True
    is_smooth = False
    scale_power = 1.0

    @property
    def curvature_power(self) -> float:
        """1: the curvature is that of the kinks, 1/s each, of which a given number is near the curve."""
        return 1.0

    def nll(self, d: FloatArray, m: FloatArray, s: FloatArray) -> FloatArray:
        return soft_abs((m - d) / s) + np.log(2 * s)

    def location(self, d: FloatArray, m: FloatArray, s: FloatArray) -> Row:
        z, root = information_row((m - d) / s)
        return z, root / s

    def search_location(self, d: FloatArray, m: FloatArray, s: FloatArray) -> Row:
        z, root = touching_row((m - d) / s)
        return z, root / s

    def scale(self, d: FloatArray, m: FloatArray, s: FloatArray) -> Row:
        r = (m - d) / s
        return 1 - r * r / np.maximum(np.abs(r), KINK_WIDTH), 1 / s

    def nll_tensor(self, d: Tensor, m: Tensor, s: Tensor) -> Tensor:
        import torch

        a = ((m - d) / s).abs()
        return torch.where(a < KINK_WIDTH, a.square() / (2 * KINK_WIDTH) + KINK_WIDTH / 2, a) + (2 * s).log()

    def best_scale(self, deviations: FloatArray, weight: FloatArray | None = None) -> FloatArray:
        """The mean |m - d|; with the rounded kink it is a fixed point, which is met at once."""
        a = np.abs(deviations)
        share = 1.0 if weight is None else weight * (a.shape[-1] / weight.sum(axis=-1))[..., None]
        best: FloatArray = (share * a).mean(axis=-1)
        moves = best > 0
        for _ in range(MAX_ROUNDS):
            if not moves.any():
                break
            before, width = best, np.where(moves, KINK_WIDTH * best, 1.0)[..., None]
            best = np.where(moves, (share * np.where(a < width, a * a / width, a)).mean(axis=-1), best)
            moves = moves & (np.abs(best - before) > 1e-15 * before)
        return best

    def log_cdf(self, x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        half = 0.5 * np.exp(-np.abs(x))
        right = half / (1 - half)
        log_f = np.where(x > 0, np.log1p(-half), -np.abs(x) - math.log(2))
        return log_f, np.where(x > 0, right, 1.0), np.where(x > 0, right * (right + 1), 0.0)

    def standard_quantile(self, p: FloatArray) -> FloatArray:
        x: FloatArray = np.where(p < 0.5, np.log(2 * np.minimum(p, 0.5)), -np.log(2 * np.minimum(1 - p, 0.5)))
        return x

    def standard_sample(self, shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
        return rng.laplace(size=shape)

    def deviation(self, m: FloatArray, s: FloatArray) -> FloatArray:
        del m
        return SQRT_2 * s


@dataclass(frozen=True)
class StudentT(LocationScale):
    """h = (df + 1)/2 ln(1 + r²/df) + const; I = (df + 1)/(df + 3)/s² and 2 df/(df + 3)/s². s is the scale.

    Parameters
    ----------
    df
        Degrees of freedom, positive.
    """

    df: float

    @property
    def constant(self) -> float:
        """The part of h that normalises the density."""
        k = self.df
        return 0.5 * math.log(k * math.pi) + math.lgamma(k / 2) - math.lgamma((k + 1) / 2)

    @property
    def curvature_power(self) -> float:
        """2 + E[r h_3(r)]/E[h_2(r)], h_k being the k-th derivative of h."""
        return 2 - 6 / (self.df + 5)

    def _weight(self, r: FloatArray) -> FloatArray:
        """h'(r) / r: an outlier counts less."""
        return (self.df + 1) / (self.df + r * r)

    def nll(self, d: FloatArray, m: FloatArray, s: FloatArray) -> FloatArray:
        r = (m - d) / s
        return 0.5 * (self.df + 1) * np.log1p(r * r / self.df) + np.log(s) + self.constant

    def location(self, d: FloatArray, m: FloatArray, s: FloatArray) -> Row:
        r = (m - d) / s
        root = math.sqrt((self.df + 1) / (self.df + 3))
        return self._weight(r) * r / root, root / s

    def scale(self, d: FloatArray, m: FloatArray, s: FloatArray) -> Row:
        r = (m - d) / s
        root = math.sqrt(2 * self.df / (self.df + 3))
        return (1 - self._weight(r) * r * r) / root, root / s

    def nll_tensor(self, d: Tensor, m: Tensor, s: Tensor) -> Tensor:
        return 0.5 * (self.df + 1) * (((m - d) / s).square() / self.df).log1p() + s.log() + self.constant

    def log_cdf(self, x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        from scipy.special import betaln, hyp2f1, stdtr

        k = self.df
        lower, upper = stdtr(k, x), stdtr(k, -x)
        # F = I_y(k/2, 1/2)/2 with y = k/(k + x²), by its series where F itself is no number any more.
        far = (x < 0) & (lower < MIN_PROBABILITY)
        t = np.where(far, x, -1.0)
        series = np.log(hyp2f1(k / 2, 0.5, k / 2 + 1, k / (k + t * t)))
        tail = series - k / 2 * np.log1p(t * t / k) - math.log(k) - float(betaln(k / 2, 0.5))
        log_f = np.where(far, tail, np.where(x > 0, np.log1p(-upper), np.log(np.where(far, 1.0, lower))))
        log_p = -0.5 * (k + 1) * np.log1p(x * x / k) - self.constant
        q = np.exp(log_p - log_f)
        return log_f, q, q * (q + self._weight(x) * x)

    def standard_quantile(self, p: FloatArray) -> FloatArray:
        from scipy.special import stdtrit

        return np.asarray(stdtrit(self.df, p))

    def standard_sample(self, shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
        return rng.standard_t(self.df, size=shape)

    def deviation(self, m: FloatArray, s: FloatArray) -> FloatArray:
        del m
        return s * math.sqrt(self.df / (self.df - 2)) if self.df > 2 else s
