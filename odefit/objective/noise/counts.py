"""Counts: Poisson with mean m, and negative binomial with mean m and variance V = m + a m² (a is its dispersion).

    p(y) = Gamma(y + n) / (Gamma(n) y!) (a m)^y / (1 + a m)^(y + n),   n = 1/a

is of no use as it stands when a is small, where the first two are large and nearly equal. With Stirling's formula,
ln Gamma(x) = (x - 1/2) ln x - x + ln(2 pi)/2 + R(x), the large parts cancel by hand:

    ln p = (n + y) (ln(1 + a y) - ln(1 + a m)) - ln(1 + a y)/2 + y ln m - y + R(n + y) - R(n) - ln y!

and a = 0 is the Poisson distribution, with no case distinction. The scores:

    d ln p/dm = (y - m)/V,      d ln p/da = K(y) - y² N(a y) + m² N(a m) - y m/(1 + a m),
    K(y) = (y - 1/2) y/(1 + a y) + G(n) - G(n + y)/(1 + a y)²,   G(x) = x² R'(x),
    N(x) = 1/(1 + x) + L(x),   L(x) = (ln(1 + x) - x) / x²,   L(0) = -1/2.

m and a are orthogonal. The information in m is 1/V; that in a is a series (R. A. Fisher 1941), which sums up to

    I = m²/(1 + a m)² oo∫0 exp(-x) E(x) H(a m/(1 + a m) a E(x)) dx,   E(x) = (1 - exp(-a x))/a,   H(x) = -L(-x).

P(Y < c), P(Y > c) and their derivatives are sums over the counts that matter (`summation`).
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.distributions import beta_tail, gamma_tails
from odefit.linalg.matrix import EPS
from odefit.objective.noise.family import HALF_LOG_2PI, Family, Row, Tail
from odefit.objective.noise.special import (
    NO_DISPERSION,
    each_of,
    log_factorial,
    log_ratio,
    remainder,
    remainder_slope,
)

if TYPE_CHECKING:
    from torch import Tensor

MEAN_ERROR = 1e-6
"""How far below 0 a solver's error may leave a mean that is 0 in truth, where nothing was counted."""
MIN_MEAN = 1e-10
"""The mean that stands for one of 0, where nothing was counted."""
LEAST_MEAN = 1e-100
"""The least mean of counts that are not 0: its inverse has a square."""
MAX_EXACT_TERMS = 512
"""The most counts whose sum is taken term by term; of longer sums that is half of these, and the rest an integral."""
MAX_TERMS_AT_ONCE = 500_000
"""Terms of sums that are in memory at once."""
QUADRATURE_NODES = 96
"""The nodes of the Gauss-Legendre rule for that integral."""
NODE_DISTANCE = 0.15
"""Between the nodes of the rule for the information."""


def log_pmf(y: FloatArray, m: FloatArray, a: FloatArray) -> FloatArray:
    """ln p(y) of counts y for m > 0 and a >= 0; the arrays broadcast."""
    a = np.maximum(a, NO_DISPERSION)
    n = 1 / a
    above = n + y
    r_n, r_above, r_next = each_of(remainder, n, above, y + 1.0)
    of_x = np.log1p(a * y)
    of_counts = 1 - HALF_LOG_2PI - (y + 0.5) * np.log(y + 1) - r_next
    found: FloatArray = above * (of_x - np.log1p(a * m)) - 0.5 * of_x + y * np.log(m) + (r_above - r_n) + of_counts
    return found


def dispersion_score(y: FloatArray, m: FloatArray, a: FloatArray) -> FloatArray:
    """d ln p/da of counts y for m > 0 and a >= 0; the arrays broadcast."""
    a = np.maximum(a, NO_DISPERSION)
    x, n, w = a * y, 1 / a, a * m
    g_n, g_above = each_of(remainder_slope, n, n + y)
    l_x, l_w = each_of(log_ratio, x, w)
    of_x, of_w = 1 / (1 + x), 1 / (1 + w)
    k = (y - 0.5) * y * of_x + g_n - g_above * of_x * of_x
    return k - y * y * (of_x + l_x) + m * m * (of_w + l_w) - y * m * of_w


@functools.cache
def _gauss_legendre() -> tuple[FloatArray, FloatArray]:
    """Nodes and weights on [0, 1]."""
    x, w = np.polynomial.legendre.leggauss(QUADRATURE_NODES)
    return (x + 1) / 2, w / 2


def summation(start: FloatArray, length: FloatArray, step: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights for sums over many counts.

    Sums of up to MAX_EXACT_TERMS counts are exact. Of longer ones the first half of these is exact, and the rest is the
    integral from half a count before to half a count behind (the midpoint rule, whose error is f'/24 at the ends), by
    the rule of Gauss and Legendre in the logarithm of the distance from `start`: p(y) may have a peak like a power's at
    0, a bell anywhere, a tail like an exponential's.

    Parameters
    ----------
    start
        [M], the first count of each sum.
    length
        [M], the number of counts.
    step
        [M], 1 upwards, -1 downwards.

    Returns
    -------
    y, w
        [M, N] each; sum_j w_j f(y_j) is the sum of f over the counts.
    """
    n = int(np.clip(np.max(length, initial=1.0), 1, MAX_EXACT_TERMS))
    by_sum = length <= MAX_EXACT_TERMS
    taken = np.where(by_sum, length, MAX_EXACT_TERMS // 2)[:, None]
    distance = np.broadcast_to(np.arange(n, dtype=np.float64), (len(length), n))
    w = (distance < taken).astype(np.float64)
    if not by_sum.all():
        nodes, weights = _gauss_legendre()
        first = MAX_EXACT_TERMS // 2 - 0.5
        span = np.log(np.maximum(length - 0.5, MAX_EXACT_TERMS) / first)[:, None]
        further = first * np.exp(nodes * span)
        distance = np.hstack([distance, further])
        w = np.hstack([w, np.where(by_sum[:, None], 0.0, weights * span * further)])
    return start[:, None] + step[:, None] * np.where(w > 0, distance, 0.0), w


def support(m: FloatArray, a: FloatArray, first: Any = 0.0, last: Any = np.inf) -> tuple[FloatArray, FloatArray]:
    """The least and the largest count that matter.

    Parameters
    ----------
    m, a
        [M], means and dispersions.
    first, last
        The counts that are of interest at all.

    Returns
    -------
    low, high
        [M]; less than 1e-16 of the probability of the counts from `first` to `last` is outside.
    """
    sd = np.sqrt(m + a * m * m)
    low = np.floor(np.minimum(m, last) - 9 * sd)
    high = np.ceil(np.maximum(m, first) + 9 * sd + 40 * (1 + a * m))
    return np.maximum(low, first), np.minimum(high, last)


def mean_of(y: FloatArray, m: FloatArray) -> FloatArray:
    """m where it is a mean that counts y may have, MIN_MEAN or LEAST_MEAN at least, else NaN."""
    if m.min(initial=np.inf) >= MIN_MEAN:
        return m
    least = np.where(y <= 0, MIN_MEAN, LEAST_MEAN)
    return np.where((m > 0) | ((y <= 0) & (m > -MEAN_ERROR)), np.maximum(m, least), np.nan)


class NegativeBinomial(Family):
    """Counts whose s is the dispersion a, which may be 0. The methods are those of `Family`."""

    is_count = True

    def _dispersion(self, s: FloatArray) -> FloatArray:
        return s

    def nll(self, d: FloatArray, m: FloatArray, s: FloatArray) -> FloatArray:
        return -log_pmf(d, mean_of(d, m), self._dispersion(s))

    def location(self, d: FloatArray, m: FloatArray, s: FloatArray) -> Row:
        m = mean_of(d, m)
        sd = np.sqrt(m * (1 + self._dispersion(s) * m))
        return (m - d) / sd, 1 / sd

    def scale(self, d: FloatArray, m: FloatArray, s: FloatArray) -> Row:
        m, a = mean_of(d, m), self._dispersion(s)
        root = np.sqrt(dispersion_information(m, a))
        return -dispersion_score(d, m, a) / root, root

    def scale_slope(self, d: FloatArray, m: FloatArray, s: FloatArray) -> FloatArray:
        return -dispersion_score(d, mean_of(d, m), self._dispersion(s))

    def tail(self, side: FloatArray, c: FloatArray, m: FloatArray, s: FloatArray) -> Tail:
        return self.interval(side, c, np.where(side < 0, 0.0, np.inf), m, s)

    def interval(self, side: FloatArray, c: FloatArray, far: FloatArray, m: FloatArray, s: FloatArray) -> Tail:
        from scipy.special import logsumexp

        a = np.broadcast_to(self._dispersion(s), m.shape)
        first = np.maximum(np.where(side < 0, np.ceil(far), np.floor(c) + 1), 0.0)
        last = np.where(side < 0, np.ceil(c) - 1, np.floor(far))
        m = mean_of(first, m)
        known = ~np.isnan(m + a)
        with np.errstate(all="ignore"):
            m, a = np.where(known, m, 1.0), np.where(known, a, 0.0)
            low, high = support(m, a, first, last)
            # Where the limit lies far below m, most of what is below it is near it: from there downwards.
            down = high < m - np.sqrt(m + a * m * m)
            y, w = summation(np.maximum(np.where(down, high, low), 0.0), high - low + 1, np.where(down, -1.0, 1.0))
            m_, a_ = m[:, None], a[:, None]
            log_w = np.where(w > 0, np.log(np.where(w > 0, w, 1.0)), -np.inf)
            terms = log_w + log_pmf(y, m_, a_)
            log_p = np.where(known, logsumexp(terms, axis=1), np.nan)
            share = np.exp(terms - log_p[:, None])
            v = m_ * (1 + a_ * m_)
            score = (y - m_) / v
            dm = -np.sum(share * score, axis=1)
            # E[l_mm + l_m²] of l = ln p
            bend = np.sum(share * (score * score - (1 + (y - m_) * (1 + 2 * a_ * m_) / v) / v), axis=1)
            ds = -np.sum(share * dispersion_score(y, m_, a_), axis=1) if self.has_scale else np.zeros_like(dm)
        return Tail(np.maximum(-log_p, 0.0), dm, ds, dm * dm - bend)

    def nll_tensor(self, d: Tensor, m: Tensor, s: Tensor) -> Tensor:
        from odefit.objective.noise.counts_torch import negative_binomial

        return negative_binomial(d, _mean_tensor(d, m), s)

    def cdf(self, d: FloatArray, m: FloatArray, s: FloatArray, upper: bool = False) -> FloatArray:
        k, m, a = np.broadcast_arrays(np.maximum(np.floor(d), -1.0) + 1, m, self._dispersion(s))
        # I_q(k, n) with n = 1/a loses its digits when n is very large, and is the Poisson one to as many then.
        few = a * np.maximum(m, k) < 1e-12
        tail = 0 if upper else 1
        found = np.where(k < 1, 1.0 - tail, np.nan)
        with np.errstate(all="ignore"):
            if (poisson := few & (k >= 1)).any():
                found[poisson] = gamma_tails(k[poisson], m[poisson])[tail]
            if (spread := ~few & (k >= 1)).any():
                y, mean, n = k[spread], m[spread], 1 / a[spread]
                found[spread] = beta_tail(y, n, mean / (mean + n), n / (mean + n), not upper)
        return found

    def quantile(self, p: FloatArray | float, m: FloatArray, s: FloatArray) -> FloatArray:
        a = self._dispersion(s)
        p, m, a = np.broadcast_arrays(np.asarray(p, dtype=np.float64), np.maximum(m, LEAST_MEAN), a)
        high = support(m, a)[1]
        n = np.fmax.reduce(high, axis=None, initial=0.0) + 1
        if n * m.size <= MAX_TERMS_AT_ONCE:
            with np.errstate(all="ignore"):
                below = np.exp(log_pmf(np.arange(n), m[..., None], a[..., None])).cumsum(axis=-1) < p[..., None]
            high = np.minimum(below.sum(axis=-1), high)
        else:
            high = self._quantile_by_halves(p, m, a, high)
        return np.where(np.isnan(m + a), np.nan, high)

    def _quantile_by_halves(self, p: FloatArray, m: FloatArray, a: FloatArray, high: FloatArray) -> FloatArray:
        low = np.full(p.shape, -1.0)
        while (high - low > 1).any():
            middle = np.floor((low + high) / 2)
            enough = self.cdf(middle, m, a) >= p
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        return high

    def sample(self, m: FloatArray, s: FloatArray, rng: np.random.Generator) -> FloatArray:
        m, a = np.broadcast_arrays(np.maximum(m, 0.0), self._dispersion(s))
        n = 1 / np.where(a > 0, a, 1.0)
        means = np.where(a > 0, rng.gamma(n) / n, 1.0) * m
        return rng.poisson(means).astype(np.float64)

    def deviation(self, m: FloatArray, s: FloatArray) -> FloatArray:
        m = np.maximum(m, 0.0)
        return np.sqrt(m * (1 + self._dispersion(s) * m))


class Poisson(NegativeBinomial):
    """The negative binomial distribution of dispersion 0, which has simpler formulas."""

    has_scale = False

    def _dispersion(self, s: FloatArray) -> FloatArray:
        return np.zeros_like(s)

    def nll(self, d: FloatArray, m: FloatArray, s: FloatArray) -> FloatArray:
        del s
        m = mean_of(d, m)
        return m - d * np.log(m) + log_factorial(d)

    def nll_tensor(self, d: Tensor, m: Tensor, s: Tensor) -> Tensor:
        import torch

        del s
        m = _mean_tensor(d, m)
        return m - d * m.log() + torch.lgamma(d + 1)


def dispersion_information(m: FloatArray, a: FloatArray) -> FloatArray:
    """E[(d ln p/da)²] at means m and dispersions a, which broadcast; what comes out for one sees no other."""
    (x, weight), shape = _information_nodes(), np.broadcast_shapes(m.shape, a.shape)
    n_parts = math.prod(shape) * len(x) // MAX_TERMS_AT_ONCE + 1
    if n_parts > 1:
        pairs = zip(*(np.array_split(np.broadcast_to(one, shape).ravel(), n_parts) for one in (m, a)), strict=True)
        return np.concatenate([dispersion_information(*pair) for pair in pairs]).reshape(shape)
    with np.errstate(all="ignore"):
        a = np.maximum(a, NO_DISPERSION)
        w = a * m
        e = -np.expm1(-a[..., None] * x)
        v = np.minimum(w / (1 + w), 1 - EPS)[..., None] * e  # 1 would have no logarithm
        information: FloatArray = -(weight * e * log_ratio(-v)).sum(axis=-1) / a * (m / (1 + w)) ** 2
    return information


@functools.cache
def _information_nodes() -> tuple[FloatArray, FloatArray]:
    """Nodes x [N] and weights [N] for the integral of exp(-x) f(x) from 0 to infinity.

    The trapezoidal rule in t of x = exp(t - exp(-t)) is exponentially accurate, on whatever scale f changes (H.
    Takahasi and M. Mori 1974): the information is right to 1e-12 for a up to 0.3, 1e-8 for 1 and 1e-4 for 10.
    """
    t = np.arange(-22, 25) * NODE_DISTANCE
    x = np.exp(t - np.exp(-t))
    return x, NODE_DISTANCE * x * (1 + np.exp(-t)) * np.exp(-x)


def _mean_tensor(d: Any, m: Any) -> Any:
    """The torch twin of `mean_of`."""
    import torch

    valid = (m > 0) | ((d <= 0) & (m > -MEAN_ERROR))
    # The slope goes on where the mean is lifted to its least value.
    least = torch.where(d <= 0, MIN_MEAN, LEAST_MEAN if m.dtype == torch.float64 else MIN_MEAN).to(m.dtype)
    lifted = m + (least - m).clamp(min=0).detach()
    return torch.where(valid, lifted, torch.nan)
