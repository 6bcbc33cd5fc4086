"""Tails and quantiles of the normal, Student's t, chi-square and binomial distributions, of single numbers.

A fit asks for a handful of them, and `scipy.special` takes as long to import as NumPy, SciPy's statistics three times
as long. All follow from the two incomplete integrals below.

References
----------
M. Abramowitz and I. A. Stegun, "Handbook of Mathematical Functions" (1964), 6.5.29, 6.5.31, 26.5.4, 26.5.8, 26.7.1.
W. J. Lentz, "Generating Bessel functions in Mie scattering calculations using continued fractions" (1976).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from odefit.arrays import FloatArray

_DIGITS = 1e-16
"""A continued fraction or a series ends when a term changes it by less."""
_TINY = 1e-300
_MAX_TERMS = 100_000
_MANY = 1_000
"""The number of values from which SciPy's import is worth its time."""
_SMALL = 1e4
"""Arguments up to which ln Gamma has twelve digits behind the point."""


def normal_quantile(p: FloatArray) -> FloatArray:
    """The quantiles of the standard normal distribution, for probabilities p of any shape."""
    if p.size >= _MANY:
        from scipy.special import ndtri

        return np.asarray(ndtri(p))
    from statistics import NormalDist

    standard = NormalDist()
    ends = {0.0: -math.inf, 1.0: math.inf}
    flat = [ends.get(x, math.nan) if not 0 < x < 1 else standard.inv_cdf(x) for x in p.ravel().tolist()]
    return np.array(flat, dtype=np.float64).reshape(p.shape)


def student_tail(x: float, degrees: float) -> float:
    """The probability that Student's t with these degrees of freedom exceeds x."""
    # Of y = k/(k + x²) and 1 - y the smaller has all digits.
    square = x * x
    if math.isinf(square):
        return 0.0 if x > 0 else 1.0
    both = incomplete_beta(degrees / 2, 0.5, degrees / (degrees + square), square / (degrees + square))
    return both / 2 if x >= 0 else 1 - both / 2


@lru_cache(maxsize=100)
def student_quantile(p: float, degrees: float) -> float:
    """What Student's t exceeds with probability 1 - p, for 0 < p < 1."""
    if p < 0.5:
        return -student_quantile(1 - p, degrees)
    tail = 1 - p
    low, high = 0.0, 1.0
    while student_tail(high, degrees) > tail:
        low, high = high, 2 * high
    x = (low + high) / 2
    # Newton on the logarithm of the tail, kept between the two.
    constant = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2) - 0.5 * math.log(degrees * math.pi)
    for _ in range(200):
        there = student_tail(x, degrees)
        low, high = (x, high) if there > tail else (low, x)
        slope = math.exp(constant - 0.5 * (degrees + 1) * math.log1p(x * x / degrees))
        step = there * math.log(there / tail) / slope if slope > 0 else math.inf
        before, x = x, x + step
        if not low < x < high:
            x = (low + high) / 2
        if abs(x - before) <= 4e-16 * abs(x) or high - low <= 4e-16 * high:
            break
    return x


def beta_quantile(p: float, a: float, b: float) -> float:
    """What a number with a beta distribution is below with probability p, for 0 < p < 1."""
    low, high = 0.0, 1.0
    x = a / (a + b)
    constant = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    for _ in range(200):
        there = incomplete_beta(a, b, x, 1 - x)
        low, high = (x, high) if there < p else (low, x)
        slope = math.exp(constant + (a - 1) * math.log(x) + (b - 1) * math.log1p(-x))
        before, x = x, x - (there - p) / slope if slope > 0 else -1.0
        if not low < x < high:
            x = (low + high) / 2
        if abs(x - before) <= 1e-14 * x:
            break
    return x


def ordered_quantiles(n: int, p: float) -> FloatArray:
    """The p-quantiles of the n ordered values of n uniform random numbers, [n]."""
    k = np.arange(1, n + 1)
    if n >= _MANY:
        from scipy.special import betaincinv

        return np.asarray(betaincinv(k, n + 1 - k, p))
    return np.array([beta_quantile(p, float(j), float(n + 1 - j)) for j in k])


def chi_square_tails(x: float, degrees: float) -> tuple[float, float]:
    """The probabilities that chi-square with these degrees of freedom is below x >= 0, and above it."""
    return incomplete_gamma(degrees / 2, x / 2)


def chi_square_quantile(p: float, degrees: float) -> float:
    """What chi-square with these degrees of freedom is below with probability p, for 0 < p < 1."""
    a = degrees / 2
    low, high = 0.0, max(degrees, 1.0)
    while chi_square_tails(high, degrees)[0] < p:
        low, high = high, 2 * high
    # Wilson & Hilferty's cube of a normal quantile, then Newton, kept between the two.
    z = float(normal_quantile(np.array(p)))
    x = degrees * (1 - 2 / (9 * degrees) + z * math.sqrt(2 / (9 * degrees))) ** 3
    x = x if low < x < high else (low + high) / 2
    for _ in range(200):
        below, above = chi_square_tails(x, degrees)
        # Of the two tails the smaller has all digits.
        excess = below - p if below < above else (1 - p) - above
        low, high = (low, x) if excess > 0 else (x, high)
        slope = 0.5 * math.exp((a - 1) * math.log(x / 2) - x / 2 - math.lgamma(a))
        before, x = x, x - excess / slope if slope > 0 else math.inf
        if not low < x < high:
            x = (low + high) / 2
        if abs(x - before) <= 4e-16 * x or high - low <= 4e-16 * high:
            break
    return x


def binomial_tail(k: int, n: int, p: float) -> float:
    """The probability of k successes or more of n with chance p each."""
    if k <= 0:
        return 1.0
    return 0.0 if k > n else incomplete_beta(k, n - k + 1, p, 1 - p)


def incomplete_beta(a: float, b: float, x: float, rest: float) -> float:
    """I_x(a, b), the regularised incomplete beta function; `rest` is 1 - x."""
    if x <= 0:
        return 0.0
    if rest <= 0:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(b, a, rest, x)
    log_front = a * math.log(x) + b * _log(rest, x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)

    # 1 + t1/(1 + t2/(1 + ...)), by Lentz's method, two terms at a time.
    value, c, d = 1.0, 1.0, 0.0
    for m in range(1, _MAX_TERMS):
        k = a + 2 * m
        for term in (-(a + m - 1) * (a + b + m - 1) * x / ((k - 2) * (k - 1)), m * (b - m) * x / ((k - 1) * k)):
            d, c = 1 + term * d, 1 + term / c
            d = 1 / (d if abs(d) > _TINY else _TINY)
            c = c if abs(c) > _TINY else _TINY
            value *= c * d
            if abs(c * d - 1) <= _DIGITS:
                return math.exp(log_front) / (a * value)
    return math.exp(log_front) / (a * value)


def incomplete_gamma(a: float, x: float) -> tuple[float, float]:
    """P(a, x) and Q(a, x) = 1 - P(a, x), the regularised incomplete gamma functions."""
    if x <= 0:
        return 0.0, 1.0
    front = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        term = total = 1 / a
        for n in range(1, _MAX_TERMS):
            term *= x / (a + n)
            total += term
            if term <= _DIGITS * total:
                break
        return front * total, 1 - front * total
    value, before = _continued_gamma(a, x), front
    return 1 - before * value, before * value


def beta_tail(a: FloatArray, b: FloatArray, x: FloatArray, rest: FloatArray, upper: bool = False) -> FloatArray:
    """I_x(a, b) of arrays of one shape, or 1 - I_x(a, b), with all digits where that is small; `rest` is 1 - x."""
    if not _few_and_small(a, b, x):
        from scipy.special import betainc, betaincc

        return np.asarray((betaincc if upper else betainc)(a, b, x))
    each = zip(*(one.ravel().tolist() for one in ((b, a, rest, x) if upper else (a, b, x, rest))), strict=True)
    return np.reshape([incomplete_beta(*one) for one in each], a.shape)


def gamma_tails(a: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """P(a, x) and Q(a, x) of arrays of one shape."""
    if not _few_and_small(a, x):
        from scipy.special import gammainc, gammaincc

        return np.asarray(gammainc(a, x)), np.asarray(gammaincc(a, x))
    tails = [incomplete_gamma(*pair) for pair in zip(a.ravel().tolist(), x.ravel().tolist(), strict=True)]
    return np.reshape([below for below, _ in tails], a.shape), np.reshape([above for _, above in tails], a.shape)


def _few_and_small(*arguments: FloatArray) -> bool:
    """Whether numbers are few, and so small that their logarithmic gamma functions have the digits that are needed."""
    return arguments[0].size < _MANY and all(bool((one < _SMALL).all()) for one in arguments)


def _continued_gamma(a: float, x: float) -> float:
    """1/(x + 1 - a - 1 (1 - a)/(x + 3 - a - 2 (2 - a)/(x + 5 - a - ...)))."""
    b = x + 1 - a
    c, d = 1 / _TINY, 1 / b
    value = d
    for n in range(1, _MAX_TERMS):
        term = -n * (n - a)
        b += 2
        d = 1 / _some(b + term * d)
        c = _some(b + term / c)
        value *= d * c
        if abs(d * c - 1) <= _DIGITS:
            break
    return value


def _some(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def _log(rest: float, x: float) -> float:
    """ln(1 - x) with all digits for small x."""
    return math.log1p(-x) if x < 0.5 else math.log(rest)
