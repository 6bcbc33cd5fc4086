"""Values of which it is known that they lie between two numbers (interval-censored ones; Beal's method M4).

With x = (c - m)/s at both ends, F the distribution function of X, p its density and v = -p'/p, for one cell

    f = -ln P,   P = F(x2) - F(x1),   w = p/P,   A = w2 x2 - w1 x1,

    f_m  = (w2 - w1)/s                        f_mm = ((w2 - w1)² + v2 w2 - v1 w1)/s²
    f_s  = A/s                                f_ss = (A² - 2 A + x2² v2 w2 - x1² v1 w1)/s²
    f_ms = ((A - 1) (w2 - w1) + x2 v2 w2 - x1 v1 w1)/s²

An interval right of m is looked at from the other side (x1, x2 = -x2, -x1, which changes the sign of f_m and f_ms), so
that P is a difference of what is small where P is.

Its rows of the score form are two, along the eigenvectors v of the matrix of second derivatives, whose eigenvalues l
give way to q = (v'g)²/2f where they are less than q/4, g being the slopes: the gradient is exact, and so is the
curvature where f is convex enough.

References
----------
S. L. Beal, "Ways to fit a PK model with some data below the quantification limit", Journal of Pharmacokinetics and
Pharmacodynamics 28 (2001), 481-504.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from odefit.arrays import FloatArray
from odefit.objective.noise.family import Family, Tail

LogCdf = Callable[[FloatArray], tuple[FloatArray, FloatArray, FloatArray]]
"""x -> ln F(x), q = p(x)/F(x) and q (q + v)."""


def limited(
    family: Family, side: FloatArray, c: FloatArray, far: FloatArray | None, m: FloatArray, s: FloatArray
) -> Tail:
    """The cells of a block of limits.

    Parameters
    ----------
    family
        The distribution.
    side, c
        [M], as of `Family.tail`.
    far
        [M], the other end of the interval in which the value lies, NaN where it has none; None where none has.
    m, s
        [..., M].
    """
    tail = family.tail(side, c, m, s)
    if far is None:
        return tail
    within = ~np.isnan(far)
    other = family.interval(side, c, np.where(within, far, c + side), m, s)
    zero = np.zeros(np.broadcast_shapes(np.shape(m), np.shape(far)))

    def chosen(of_interval: FloatArray | None, of_tail: FloatArray) -> FloatArray:
        return np.where(within, 0.0 if of_interval is None else of_interval, of_tail)

    return Tail(
        chosen(other.f, tail.f),
        chosen(other.dm, tail.dm),
        chosen(other.ds, tail.ds),
        chosen(other.dmm, tail.dmm),
        np.broadcast_to(within, zero.shape),
        chosen(other.dms, zero),
        chosen(other.dss, zero),
    )


def between(log_cdf: LogCdf, low: FloatArray, high: FloatArray, m: FloatArray, s: FloatArray) -> Tail:
    """Values from low to high, [M] each, of the form D = m + s X, X having this distribution function."""
    with np.errstate(all="ignore"):
        x1, x2 = (low - m) / s, (high - m) / s
        right = x1 + x2 > 0
        x1, x2, sign = np.where(right, -x2, x1), np.where(right, -x1, x2), np.where(right, -1.0, 1.0)
        (log_1, q1, bend_1), (log_2, q2, bend_2) = log_cdf(x1), log_cdf(x2)
        log_p = log_2 + np.log(-np.expm1(log_1 - log_2))
        w1, w2 = q1 * np.exp(log_1 - log_p), q2 * np.exp(log_2 - log_p)
        v1, v2 = (np.where(q > 0, bend / q - q, 0.0) for q, bend in ((q1, bend_1), (q2, bend_2)))
        d, a, b = w2 - w1, w2 * x2 - w1 * x1, v2 * w2 - v1 * w1
        bx, bxx = x2 * v2 * w2 - x1 * v1 * w1, x2 * x2 * v2 * w2 - x1 * x1 * v1 * w1
        return Tail(
            np.maximum(-log_p, 0.0),
            sign * d / s,
            a / s,
            (d * d + b) / s**2,
            None,
            sign * ((a - 1) * d + bx) / s**2,
            (a * a - 2 * a + bxx) / s**2,
        )


def two_rows(tail: Tail, with_scale: bool) -> list[tuple[FloatArray, FloatArray, FloatArray]]:
    """The rows of a block with intervals: those of its other cells in the first, zeros for them in the second.

    Parameters
    ----------
    tail
        The cells.
    with_scale
        Whether s depends on anything estimated.
    """
    assert tail.within is not None
    assert tail.dms is not None
    assert tail.dss is not None
    some = float(with_scale)
    g = np.stack([tail.dm, some * tail.ds], axis=-1)
    cross = some * tail.dms
    known = tail.within & np.isfinite(g).all(axis=-1) & np.isfinite(tail.dmm + cross + some * tail.dss)
    h = np.stack([np.stack([tail.dmm, cross], axis=-1), np.stack([cross, some * tail.dss], axis=-1)], axis=-1)
    g, h = np.where(known[..., None], g, 0.0), np.where(known[..., None, None], h, 0.0)
    values, vectors = np.linalg.eigh(h)
    own = np.einsum("...ik,...i->...k", vectors, g)
    square = own**2 / (2 * np.maximum(tail.f, 1e-14))[..., None]
    values = np.where(4 * values > square, values, square)
    tells = (values > 0) & known[..., None]
    root = np.sqrt(np.where(tells, values, 1.0))
    z = np.where(tells, own / root, 0.0)
    factors = np.where(tells[..., None, :], vectors * root[..., None, :], 0.0)
    first = tail.row()
    found = []
    for k in (1, 0):
        row = (z[..., k], factors[..., 0, k], factors[..., 1, k])
        others = first if k else tuple(np.zeros_like(part) for part in first)
        found.append(tuple(np.where(tail.within, a, b) for a, b in zip(row, others, strict=True)))
    return [(a, b, c) for a, b, c in found]
